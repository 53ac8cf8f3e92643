/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The world of packet_world.h for the packet model. Knows nothing of the core.
 */
#ifndef TESTS_FUZZ_PACKET_WORLD_MODEL_H
#define TESTS_FUZZ_PACKET_WORLD_MODEL_H

#include "packet_model.h"
#include "packet_world.h"

enum {
	WORLD_TABLE_SIZE = 251, /**< of every VIP, as packet_world_state says */
	WORLD_BACKENDS_MAX = 8,
	WORLD_MOVING_MAX = 8, /**< rows that remember at a time */
	WORLD_BUCKETS = 2,    /**< of flows: they get full */
};

/** Not to be moved once opened: state points into it. */
struct packet_world_model {
	struct model_state state;
	struct model_vip vips[PACKET_WORLD_VIP_COUNT]; /**< in the order of packet_world_vips */
	struct model_backend backends[PACKET_WORLD_VIP_COUNT][WORLD_BACKENDS_MAX];
	uint32_t rows[PACKET_WORLD_VIP_COUNT][WORLD_TABLE_SIZE];
	struct model_row moving[WORLD_MOVING_MAX];
	struct model_entry buckets[WORLD_BUCKETS][MODEL_BUCKET_ENTRIES];
};

/** Rows go in turn to the backends with a weight: any table will do, or the caller writes rows. */
void packet_world_model_open(struct packet_world_model *world);

#endif
