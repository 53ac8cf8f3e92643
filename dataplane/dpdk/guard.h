/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The guard of the AF_XDP ports (guard.bpf.c): in place before anything else is touched, it stays
 * when the plane stops or dies, so that the host's stack never sees VIP traffic. Program and map
 * are pinned in a directory of the plane's own; a new start takes the map over and exchanges the
 * program.
 *
 * The main thread calls everything here.
 */
#ifndef DPDK_GUARD_H
#define DPDK_GUARD_H

#include "../core/tables.h"
#include "../plane/failure.h"

struct guard;

/**
 * Lock the plane's pin directory until guard_close(); made when missing.
 *
 * @param pin_dir a directory on a bpffs, or one that can be made there; @p name the plane's.
 * @return NULL with the failure set.
 */
struct guard *guard_open(const char *pin_dir, const char *name, struct failure *failure);

/** Load the program, over the map that an earlier start left, or a new one; pin both. @return 0;
 * -1. */
int guard_load(struct guard *guard, struct failure *failure);

/** Put the program on the interface's ingress, in place of the one of an earlier start. @return 0;
 * -1. */
int guard_attach(struct guard *guard, const char *interface, struct failure *failure);

/** All ports have the new program: let those of earlier starts go. */
void guard_settle(struct guard *guard);

/** Guard what has this key. @return 0 or a negative errno of bpf(). */
int guard_add(struct guard *guard, const struct fl_vip_key *key);
void guard_remove(struct guard *guard, const struct fl_vip_key *key);

/** The key after @p key (NULL: the first) in no special order. @return false: there is none. */
bool guard_next(struct guard *guard, const struct fl_vip_key *key, struct fl_vip_key *ret_key);

/** The plane's pin directory, locked; borrowed. */
const char *guard_directory(const struct guard *guard);

/** Did guard_load() find no guard of an earlier start? Then there is no VIP that it could protect
 * yet. */
bool guard_is_new(const struct guard *guard);

/** Let go of it; program, map and pins stay in the kernel. NULL is fine. */
void guard_close(struct guard *guard);

/**
 * Take the guard off @p interface (one that is gone is fine). @return 0; -1: it is not this
 * plane's.
 */
int guard_detach(struct guard *guard, const char *interface, struct failure *failure);

/** Remove the pins and the directory. After guard_detach() of every port. */
void guard_remove_pins(struct guard *guard);

#endif
