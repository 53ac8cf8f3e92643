/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The XDP program of the AF_XDP ports (steer.bpf.c), around what the driver does with it: recognise
 * and remove one that a killed plane left, give the driver the object, find the maps of the
 * loaded program.
 *
 * The main thread calls everything here.
 */
#ifndef DPDK_STEER_H
#define DPDK_STEER_H

#include <stddef.h>
#include <stdint.h>

#include "../plane/pin_directory.h"
#include "steering_maps.h"

enum { STEER_WAIT_MS_MAX = 3000 }; /**< for the queue of a process that was killed */

/** A port's program, once the driver attached it. */
struct steer_port {
	uint32_t program_id;
	struct steering_maps maps;
};

/**
 * Make the interface free for our program: nothing there is fine, what a dead plane left is
 * detached, what is another's is refused.
 *
 * @param directory the plane's pin directory, locked; @p queue the port's first.
 * @return 0; -1.
 */
int steer_evict(const char *interface, const struct pin_directory *directory, uint32_t queue,
		struct failure *failure);

/** Pins of programs that are on no port any more: after steer_evict() of every port. */
void steer_remove_pins(const struct pin_directory *directory);

/** The object for the driver's `xdp_prog=`, in a memory file. @return its descriptor; -1. */
int steer_object(struct failure *failure);

/**
 * Find what the driver attached to @p interface, and pin it, so that a start after a kill knows it.
 * @return 0; -1.
 */
int steer_find(const char *interface, const struct pin_directory *directory,
	       struct steer_port *ret_port, struct failure *failure);

/** The program is gone from its port: remove its pin and close its maps. */
void steer_forget(const struct pin_directory *directory, struct steer_port *port);

#endif
