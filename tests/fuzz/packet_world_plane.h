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

/** Of rows that remember and of flows, the words that a plane has for them. */
struct packet_world_memory {
	uint64_t rows[WORLD_MOVING_MAX]; /**< in the order of world->moving */
	uint64_t flows[WORLD_BUCKETS][MODEL_BUCKET_ENTRIES];
};

/*
 * What follows stands on packet_world_copy_rows(). The fixture's own tables say where things are;
 * `tables` are those that are written and read, of the same shape. World->moving says which rows.
 */

/** The words for what the model has by now. */
void
packet_world_memory(const struct plane_fixture *fixture, const struct packet_world_model *world,
		    struct packet_world_memory *ret_memory);

/** Write them, and which backends are dead. */
void packet_world_store(const struct plane_fixture *fixture, const struct plane_tables *tables,
			const struct packet_world_model *world,
			const struct packet_world_memory *memory);
void packet_world_load(const struct plane_tables *tables, const struct packet_world_model *world,
		       struct packet_world_memory *ret_memory);

/** As before packet_world_store(). */
void packet_world_restore(const struct plane_fixture *fixture, const struct plane_tables *tables,
			  const struct packet_world_model *world);

/** Record of a VIP of the world. */
uint32_t packet_world_record(const struct plane_fixture *fixture, uint32_t vip);

#endif
