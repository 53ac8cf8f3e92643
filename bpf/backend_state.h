/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What this program has done to the host, on disk, so that it can be undone by another process.
 *
 * Two parts. *Setups* are what was asked for: one for each `up --interface`. *Claims* are what was
 * changed for them: a setting with its original value, an address that was added, a qdisc that was
 * made, a filter that was attached. A claim is saved before its change is made and forgotten after
 * it was undone; undoing a change that never happened is harmless. So whatever moment the program
 * dies at, the next `up` or `down` finds every change in the file.
 *
 * Claims are shared: one that several setups want stays until the last of them is gone, and keeps
 * the value that was there before the first.
 *
 * One file, DIR/state.json, replaced as a whole (write, fsync, rename); absent while there is
 * nothing to remember. Whoever reads it to change it holds a lock (flock) on DIR itself.
 */
#ifndef BACKEND_STATE_H
#define BACKEND_STATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "addr.h"
#include "backend_report.h"
#include "backend_tables.h"

enum {
	BACKEND_REPLIES_MAX = 8, /**< reply interfaces of one setup */
	BACKEND_SETUPS_MAX = 16, /**< interfaces that are up at a time */
	BACKEND_SYSCTLS_MAX = 2 * BACKEND_SETUPS_MAX + 8,
	BACKEND_ADDRESSES_MAX = BACKEND_SETUPS_MAX * BACKEND_VIPS_MAX,
	BACKEND_HOOKS_MAX = 2 * BACKEND_SETUPS_MAX * (BACKEND_REPLIES_MAX + 2),
	BACKEND_QDISCS_MAX = BACKEND_HOOKS_MAX,
	BACKEND_PATH_MAX = 256,		  /**< --state-dir and --pin-dir with their NUL */
	BACKEND_LOCK_WAIT_MS_MAX = 10000, /**< how long another process may hold the lock */
};

/** An interface: the index is the identity, the name is for people and paths. */
struct backend_link {
	char name[IF_NAMESIZE];
	uint32_t index;
};

struct backend_setup {
	struct backend_link link; /**< where encapsulated packets come in */
	uint32_t mtu;		  /**< bytes, of the path that they take */
	uint32_t vip_count;
	struct addr vips[BACKEND_VIPS_MAX];
	uint32_t from_count; /**< 0: any source is allowed */
	struct backend_prefix from[BACKEND_PREFIXES_MAX];
	uint32_t reply_count;
	struct backend_link
		replies[BACKEND_REPLIES_MAX]; /**< other interfaces that answers leave by */
};

enum backend_sysctl_key {
	BACKEND_SYSCTL_ARP_IGNORE,
	BACKEND_SYSCTL_ARP_ANNOUNCE,
	BACKEND_SYSCTL_RP_FILTER,
	BACKEND_SYSCTL_KEYS
};

/** A setting of net.ipv4.conf that was changed. */
struct backend_sysctl {
	struct backend_link link; /**< index 0: "all" */
	enum backend_sysctl_key key;
	int32_t original;
	int32_t value; /**< what it was set to */
};

/** A filter that was attached. */
struct backend_hook {
	struct backend_link link;
	uint32_t owner; /**< interface index of the setup */
	bool egress;
};

struct backend_state {
	char pin_dir[BACKEND_PATH_MAX];
	uint32_t setup_count;
	struct backend_setup setups[BACKEND_SETUPS_MAX];
	uint32_t sysctl_count;
	struct backend_sysctl sysctls[BACKEND_SYSCTLS_MAX];
	uint32_t address_count;
	struct addr addresses[BACKEND_ADDRESSES_MAX]; /**< added to lo */
	uint32_t qdisc_count;
	struct backend_link qdiscs[BACKEND_QDISCS_MAX]; /**< clsact made */
	uint32_t hook_count;
	struct backend_hook hooks[BACKEND_HOOKS_MAX];
	bool pin_dir_made;
};

/** "arp_ignore", "arp_announce" or "rp_filter". */
const char *backend_sysctl_name(enum backend_sysctl_key key);

/** The setup of the interface @p name, or NULL. */
struct backend_setup *backend_state_find(struct backend_state *state, const char *name);

/** Forget the setup of the interface @p name, if there is one. Claims stay. */
void backend_state_forget(struct backend_state *state, const char *name);

/** No setup and no claim: nothing to remember. */
bool backend_state_is_empty(const struct backend_state *state);

/**
 * Take the lock of the directory, which is made when it is not there.
 *
 * @param ret_lock a descriptor; closing it gives the lock back.
 * @return 0; -EBUSY: held by another process for BACKEND_LOCK_WAIT_MS_MAX; or the negative errno of
 *         mkdir() or open(). The report says which.
 */
int backend_state_lock(const char *dir, int *ret_lock, struct backend_report *report);

/**
 * Read the file; no file is the empty state.
 *
 * @param ret_state overwritten, also on failure.
 * @return 0; -EBADMSG: damaged; -EXDEV: it tells of another network namespace; or the negative
 *         errno of reading it.
 */
int
backend_state_load(const char *dir, struct backend_state *ret_state, struct backend_report *report);

/** Replace the file; removes it when the state is empty. @return 0 or -errno, reported. */
int backend_state_save(const char *dir, const struct backend_state *state,
		       struct backend_report *report);

/** The state as one JSON document. @return NULL: no memory; else freed by cJSON_Delete(). */
cJSON *backend_state_to_json(const struct backend_state *state);

/** @return 0; -EBADMSG: not a document of backend_state_to_json(). Overwrites @p ret_state. */
int backend_state_from_json(const cJSON *root, struct backend_state *ret_state);

#endif
