/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A row of the Maglev table: one 64-bit word {cur:16, prev:16, until:24, flags:8}. Row numbers and
 * owners are relative to the VIP: slot = the VIP's slot_base + cur.
 */
#ifndef FL_ROW_H
#define FL_ROW_H

#include "tables.h"

#define FL_ROW_NONE 0xffffu /**< cur when nobody owns the row */

enum fl_row_state {
	FL_ROW_STABLE = 0, /**< every packet goes to cur */
};

/** Row of a flow, from 0: the low 32 bits of its hash scaled to the table, no division. */
FL_INLINE uint32_t
fl_row_index(uint64_t hash, uint32_t row_count)
{
	return (uint32_t)(((hash & 0xffffffffu) * row_count) >> 32);
}

FL_INLINE uint64_t
fl_row_stable(uint32_t cur)
{
	return (uint64_t)(cur & 0xffffu) | (uint64_t)FL_ROW_NONE << 16;
}

FL_INLINE uint32_t
fl_row_cur(uint64_t row)
{
	return (uint32_t)(row & 0xffffu);
}

#endif
