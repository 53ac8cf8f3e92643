/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a plane serves: the committed VIPs and where they lie in the tables, and the arenas that the
 * tables' ranges come from. change.h makes the next state out of it.
 *
 * A VIP incarnation has one range of rows and one range of slots, with room for as many backends
 * again and 8: a backend's slot is its own for the incarnation, a new backend gets a spare one.
 * Rows name slots by their index in the range. What does not fit the slots (another mode, other
 * units of the window, no spare slot) gets a new range of slots with the same indexes under the
 * same rows; another table size is a new incarnation with ranges of its own beside the old one. A
 * record never changes while it is published: another policy, or nobody left with a weight, is
 * another record with the same ranges. One thread.
 */
#ifndef PLANE_STATE_H
#define PLANE_STATE_H

#include "digest.h"
#include "endpoint.h"
#include "maglev.h"
#include "nexthop.h"
#include "plane.h"
#include "ranges.h"
#include "vips.h"

enum {
	STATE_VIP_SLOTS_MAX = 65534, /**< of one VIP: the next two indexes are FL_OWNER_LOOK and
					FL_ROW_NONE */
	STATE_SPARE_SLOTS = 8,
};

struct state_backend {
	struct addr address; /**< identity */
	uint16_t weight;
	uint16_t slot_index; /**< slot = the VIP's slot_base + slot_index */
	uint32_t rows;	     /**< that it owns */
	/* rows.c counts: */
	uint32_t rows_leaving;	/**< rows that move away from it */
	uint32_t leaving_ticks; /**< since the latest of them began to, or had to begin again */
	uint64_t free_from;	/**< the first sweep since no row names it; 0: one does */
	struct nexthop *hop;	/**< taken */
	struct nexthop_user user;
};

/** A VIP's rows as rows.c saw them last. */
struct state_rows {
	uint32_t moving;
	uint32_t settling;
	uint32_t stable_in; /**< ticks until all are stable, at most */
	uint32_t owned;	    /**< have an owner */
	bool are_old;	    /**< the timer has changed rows since */
	bool digest_is_old;
	uint64_t digest; /**< of owners, and of previous ones */
};

/** One incarnation of a VIP, or one of its records; never changed once committed, but for what
 * rows.c counts. */
struct state_vip {
	struct addr_endpoint endpoint;
	struct vip_policy policy;
	struct fl_vip_key key;
	uint32_t record;
	uint32_t row_base;
	uint32_t row_count;
	uint32_t slot_base;
	uint32_t slot_count;
	uint64_t digest;
	bool is_adopted;  /**< its rows need not be the table of its backends: see state_adopt.c */
	bool is_hosts;	  /**< a steered port passes its packets to the kernel */
	bool is_outdated; /**< adopted, and its header templates are not those of the options */
	struct state_rows row_counts;
	/** What its flows have counted is this and the record's counter: both wrap. */
	struct fl_flow_counter flow_carry;
	uint32_t backend_count;
	struct state_backend backends[]; /**< by address */
};

#define STATE_NO_RECORD UINT32_MAX

enum { STATE_PAGES_MAX = FL_VIP_RANGES_MAX / FL_VIP_PAGE_RANGES };

/** An address or prefix that some VIP has, with its records. */
struct state_address {
	struct addr_prefix to;
	uint32_t record;
	uint32_t page_count[2]; /**< of TCP, of UDP */
	uint32_t pages[2][STATE_PAGES_MAX];
};

/** A set of VIPs, by endpoint, and their addresses, by address and bits. */
struct state_set {
	uint64_t generation;
	uint64_t digest;
	struct state_vip **vips;
	uint32_t vip_count;
	struct state_address *addresses;
	uint32_t address_count;
	uint64_t lengths[2]; /**< as fl_config.lengths */
};

/** Working memory of a build, by slot index of one VIP. */
struct state_scratch {
	uint64_t identities[FL_ROW_NONE + 1];
	uint32_t counts[FL_ROW_NONE + 1];
	uint32_t translated[FL_ROW_NONE + 1];
	bool used[FL_ROW_NONE + 1];
	struct maglev_backend backends[FL_ROW_NONE + 1];
};

struct rows;

struct state {
	const struct plane_options *options; /**< borrowed */
	struct plane_tables *tables;
	struct state_set set; /**< what is served */
	struct nexthops *nexthops;
	struct vips *vips;
	struct maglev *maglev;
	uint32_t maglev_rows_max;
	struct ranges *row_ranges;
	struct ranges *slot_ranges;
	struct rows *rows; /**< rows.h */
	uint32_t *records; /**< free ones */
	uint32_t record_count;
	struct state_scratch *scratch;
	uint16_t *owners; /**< maglev_rows_max: rows of one VIP */
};

/**
 * Take all memory that a state needs, and set what the options say in the tables' config.
 * @param nexthops borrowed. @return 0; -EINVAL: limits out of range; -ENOMEM. *state is valid for
 * state_close() in any case.
 */
int state_open(struct state *state, const struct plane_options *options, struct nexthops *nexthops);

/** The tables are left as they are. */
void state_close(struct state *state);

/**
 * Take over what the tables hold; see state_adopt.c. Only right after state_open(), which must have
 * found the tables as an earlier process left them.
 * @return 0; -EBADMSG: they make no sense, ret_failure says why; -ENOMEM; the engine's errno.
 */
int state_adopt(struct state *state, struct plane_failure *ret_failure);

/** @return the served VIP; NULL: there is none. */
struct state_vip *state_find(const struct state *state, const struct addr_endpoint *endpoint);
struct state_backend *state_find_backend(const struct state_vip *vip, const struct addr *address);

/** The first VIP of the set of that address or prefix: the others follow it. @return its index;
 * vip_count: there is none. */
uint32_t state_first_vip(const struct state_set *set, const struct addr_prefix *to);

/** Is it an address or prefix of the set? NULL: no. */
const struct state_address *
state_find_address(const struct state_set *set, const struct addr_prefix *to);

/** The longest prefix of the set that has the address; NULL: it is in none. */
const struct state_address *state_covering(const struct state_set *set, const struct addr *address);

int state_compare_addresses(const struct addr *a, const struct addr *b);
int state_compare_prefixes(const struct addr_prefix *a, const struct addr_prefix *b);

/** Both words' lengths in one, longest first. @return how many there are: more than
 * FL_VIP_LENGTHS_MAX do not fit, and the shortest are missing in ret_word. */
uint32_t state_merge_lengths(uint64_t a, uint64_t b, uint64_t *ret_word);

/** @return 0; -ENOMEM. The VIP has @p backend_count zeroed backends. */
int state_vip_create(uint32_t backend_count, struct state_vip **ret_vip);

/** Lets the next hops go. Not the record nor the ranges: two incarnations may share them. NULL is
 * fine. */
void state_vip_destroy(struct state *state, struct state_vip *vip);

/** A free record. There is one for every VIP, address and page before and after a change of a state
 * that limits.vips allows; else STATE_NO_RECORD. */
uint32_t state_record_take(struct state *state);
void state_record_give(struct state *state, uint32_t record);

/** The key of a VIP's record. */
struct fl_vip_key state_vip_key(const struct addr_endpoint *endpoint);

/** The key of an address record. */
struct fl_vip_key state_address_key(const struct addr_prefix *to);

/** fl_vip_service.policy: mode:2, fragments:1, icmp_echo:2, no_backend:1 from the lowest bit. Part
 * of the digest, and so of the plane protocol. */
uint8_t state_policy_byte(const struct vip_policy *policy);
bool state_policy_from(uint8_t byte, struct vip_policy *ret_policy);

/** fl_window() of the policy; all 0 without a window. */
struct fl_window state_window(const struct vip_policy *policy);

/** The record of a backend's slot: template, VIP record and weight; link 0. */
struct fl_backend state_slot(const struct state *state, const struct state_vip *vip,
			     const struct state_backend *backend);

/**
 * The VIP's Maglev table, of its backends by slot index.
 * @param ret_owners vip->row_count of them. @return as maglev_build().
 */
int
state_build_owners(const struct state *state, const struct state_vip *vip, uint16_t *ret_owners);

/** The VIP with these owners, for digest_vip(). The identities stand in the scratch memory. */
struct digest_table
state_digest_table(const struct state *state, const struct state_vip *vip, const uint16_t *owners);

/** What an identity has counted until now. */
struct fl_counter state_vip_count(const struct state *state, const struct state_vip *vip);
struct fl_counter state_backend_count(const struct state *state, const struct state_vip *vip,
				      const struct state_backend *backend);

/** What flows count begins at 0: what the record counted before, for others or for an earlier
 * process, does not count. */
void state_flow_begin(const struct state *state, struct state_vip *vip);
struct fl_flow_counter state_flow_count(const struct state *state, const struct state_vip *vip);

#endif
