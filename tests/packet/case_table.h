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
	CASE_WORLDS = 2, /**< 0: fixed outer sources; 1: outer sources of ipip out of prefixes */
	CASE_FLOWS = 4096,
};

/** A row and the entries of a bucket. */
struct case_memory {
	/** As in the table, but for owners: places in case_pattern_owners. */
	uint64_t row;
	/** As in the table, but for slots: place of a VIP in case_row_vips:4, and in
	 * case_pattern_owners:16. */
	uint64_t flows[8];
};

/** What a packet finds of a row that remembers, and what it leaves. */
struct case_track {
	uint32_t vip;	 /**< place in case_row_vips */
	uint32_t row;	 /**< of the flow, from the VIP's first */
	uint32_t bucket; /**< likewise */
	uint64_t tick;
	/** Places in case_pattern_owners, a bit each, whose backend in the VIP is dead. */
	uint32_t dead;
	bool is_looked_up; /**< the row is read though it is stable */
	struct case_memory before, after;
	struct fl_flow_counter counted;
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
	/** What is in the tables when it comes: it stands alone in a burst. NULL: stable rows, and
	 * no entry. */
	const struct case_track *track;
};

/** The cases of a world, for the program's life. */
const struct case_frames *case_table(uint32_t world, uint32_t *ret_count);

/**
 * How many of the first of @p cases may stand in bursts together, on a fragment table that is
 * emptied before them. What fresh cases leave there matters to later fragments alone; these are in
 * sequences, or expect no first.
 */
uint32_t case_group(const struct case_frames *cases, uint32_t count);

/** Write what the case finds to an engine's tables. */
void case_track_begin(const struct plane_fixture *fixture, const struct plane_tables *tables,
		      const struct case_track *track);

/**
 * Is there what the case leaves, and nothing else? Puts back what was there before
 * case_track_begin().
 * @return NULL: yes; else what is not so.
 */
const char *case_track_end(const struct plane_fixture *fixture, const struct plane_tables *tables,
			   const struct case_track *track);

/** The record of the case's VIP. */
uint32_t case_track_record(const struct plane_fixture *fixture, const struct case_track *track);

/** The tables that the cases of a world are for. */
void case_tables_open(struct plane_fixture *fixture, uint32_t world);

#endif
