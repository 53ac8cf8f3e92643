/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Rows that remember, and flows that they remember, for the packets of one input: close to where
 * the rules change their minds. Knows nothing of the core.
 */
#ifndef TESTS_FUZZ_PACKET_WORLD_ROWS_H
#define TESTS_FUZZ_PACKET_WORLD_ROWS_H

#include "packet_mutator.h"
#include "packet_world_model.h"

/**
 * Write world->moving, buckets, tick, and which backends are dead. The row of each frame's flow may
 * remember, how depends on the flow and the high four bits of the frame's reserved byte.
 */
void packet_world_rows_make(struct packet_world_model *world, const struct packet_view *views,
			    uint32_t view_count);

/** All rows are stable again, no flow is remembered, and all backends live. */
void packet_world_rows_forget(struct packet_world_model *world);

/** Ticks that pass before a frame, by its reserved byte: none with most, as frames begin with 0. */
uint32_t packet_world_ticks(uint8_t reserved);

#endif
