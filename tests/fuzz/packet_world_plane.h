/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The world of packet_world.h as a plane serves it.
 */
#ifndef TESTS_FUZZ_PACKET_WORLD_PLANE_H
#define TESTS_FUZZ_PACKET_WORLD_PLANE_H

#include "../plane_fixture.h"
#include "packet_world_model.h"

enum {
	WORLD_ANSWERS = 3
}; /**< ICMP errors that a core may send, from the reset of its answer_at:
      an hour passes before it may send one more */

/** Tables with one bucket of fragments, so that it gets full. */
void packet_world_plane_open(struct plane_fixture *fixture);

/** Give the model the plane's rows: whose a row is is decided by Maglev, which has its own tests.
 */
void packet_world_copy_rows(const struct plane_fixture *fixture, struct packet_world_model *world);

#endif
