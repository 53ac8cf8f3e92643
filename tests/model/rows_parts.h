/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the parts of rows_world.h share: rows_world.c has packets and what is owed to them,
 * rows_plane.c what the plane does and what time does.
 */
#ifndef ROWS_PARTS_H
#define ROWS_PARTS_H

#include "rows_world.h"

/** A packet, or a stranger's, under way. */
struct rows_run {
	struct rows_world *world;
	const struct rows_event *event;
	bool is_beside;	 /**< it comes in the middle of another packet of its flow */
	bool has_beside; /**< it has one in its middle */
	uint8_t hooks;
	uint8_t untouched; /**< hooks before its first change of the world; 0: it makes none */
	bool saw_clock, saw_room;
	bool is_excluded; /**< it does what nothing is promised for */
	bool is_broken;	  /**< by the inner event */
	bool was_closing; /**< its flow's entry, before */
	uint8_t accepted; /**< backends that might accept a new flow, before */
};

/** fl_entry_facts(). @param user struct rows_run. */
uint32_t rows_facts(void *user, uint64_t word, uint64_t tick);

/** fl_track_victim(), of a table that is full if the event says so. @param user struct rows_run. */
uint64_t rows_victim(void *user, uint32_t bucket, uint64_t tick);

/** Nothing is owed to the flow any more. */
void rows_give_up(struct rows_flow *flow);

/** Everything but packets. @return false: it is not possible; nothing is said about the world. */
bool rows_do_plane(struct rows_world *world, uint32_t kind, uint32_t arg);

#endif
