/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The guard of the AF_XDP ports (guard.bpf.c): in place before anything else is touched, it stays
 * when the plane stops or dies, so that the host's stack never sees VIP traffic. Program and maps
 * are pinned in a directory of the plane's own; a new start takes the maps over and exchanges the
 * program.
 *
 * The main thread calls everything here.
 */
#ifndef DPDK_GUARD_H
#define DPDK_GUARD_H

#include "../plane/pin_directory.h"
#include "steering_maps.h"

struct guard;

/**
 * Lock the plane's pin directory until guard_close(); made when missing.
 *
 * @param pin_dir a directory on a bpffs, or one that can be made there; @p name the plane's.
 * @return NULL with the failure set.
 */
struct guard *guard_open(const char *pin_dir, const char *name, struct failure *failure);

/**
 * Load the program, over the maps that an earlier start left, or new ones; pin all. Maps of another
 * version are refused: what they guard would be let go for a moment.
 * @return 0; -1.
 */
int guard_load(struct guard *guard, struct failure *failure);

/** Put the program on the interface's ingress, in place of the one of an earlier start. @return 0;
 * -1. */
int guard_attach(struct guard *guard, const char *interface, struct failure *failure);

/** All ports have the new program: let those of earlier starts go. */
void guard_settle(struct guard *guard);

/** Its maps, after guard_load(); borrowed. */
struct steering_maps *guard_maps(struct guard *guard);

/** The plane's pin directory, locked; borrowed. */
const struct pin_directory *guard_directory(const struct guard *guard);

/** Did guard_load() find no guard of an earlier start? Then there is no VIP that it could protect
 * yet. */
bool guard_is_new(const struct guard *guard);

/** Let go of it; program, maps and pins stay in the kernel. NULL is fine. */
void guard_close(struct guard *guard);

/**
 * Take the guard off @p interface (one that is gone is fine). @return 0; -1: it is not this
 * plane's.
 */
int guard_detach(struct guard *guard, const char *interface, struct failure *failure);

/** Remove the pins and the directory. After guard_detach() of every port. */
void guard_remove_pins(struct guard *guard);

#endif
