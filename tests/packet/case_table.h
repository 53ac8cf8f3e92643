/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The case table of cases.h, decoded, and the tables that it stands on.
 */
#ifndef TESTS_PACKET_CASE_TABLE_H
#define TESTS_PACKET_CASE_TABLE_H

#include "../plane_fixture.h"

enum { CASE_FRAME_MAX = 2048 };

struct case_frames {
	const char *name;
	enum fl_verdict verdict;
	uint32_t port; /**< it leaves by, when forwarded */
	uint32_t in_bytes, out_bytes;
	uint8_t in[CASE_FRAME_MAX];
	uint8_t out[CASE_FRAME_MAX]; /**< when forwarded */
};

/** The cases, for the program's life. */
const struct case_frames *case_table(uint32_t *ret_count);

/** The tables that the cases are for. */
void case_tables_open(struct plane_fixture *fixture);

#endif
