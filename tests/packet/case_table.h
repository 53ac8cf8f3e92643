/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The case table of cases.h, decoded, and the tables that it stands on.
 *
 * A world is one configuration of a plane; each has its cases. The cases of a world are run in
 * their order, one that `is_fresh` on an empty fragment table: so a sequence is a fresh case and
 * those behind it that are not. No other order matters, and next to no time passes between cases.
 */
#ifndef TESTS_PACKET_CASE_TABLE_H
#define TESTS_PACKET_CASE_TABLE_H

#include "../plane_fixture.h"

enum {
	CASE_FRAME_MAX = 2048,
	CASE_WORLDS = 2 /**< 0: fixed outer sources; 1: outer sources of ipip out of prefixes */
};

struct case_frames {
	const char *name;
	bool is_fresh;	  /**< the fragment table is emptied before it */
	uint32_t in_port; /**< it comes by */
	enum fl_verdict verdict;
	uint32_t port; /**< it leaves by, when forwarded or answered */
	uint32_t in_bytes, out_bytes;
	uint8_t in[CASE_FRAME_MAX];
	uint8_t out[CASE_FRAME_MAX]; /**< when forwarded or answered: what leaves */
};

/** The cases of a world, for the program's life. */
const struct case_frames *case_table(uint32_t world, uint32_t *ret_count);

/**
 * How many of the first of @p cases may stand in bursts together, on a fragment table that is
 * emptied before them. What fresh cases leave there matters to later fragments alone; these are in
 * sequences, or expect no first.
 */
uint32_t case_group(const struct case_frames *cases, uint32_t count);

/** The tables that the cases of a world are for. */
void case_tables_open(struct plane_fixture *fixture, uint32_t world);

#endif
