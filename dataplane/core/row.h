/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A row of the Maglev table: one 64-bit word {cur:16, prev:16, until:24, state:8}. Row numbers and
 * owners are relative to the VIP: slot = the VIP's slot_base + cur. What a row goes through is in
 * docs/architecture.md, "When a row changes its owner": here are the word, and the rules by which
 * the plane changes it (T1-T8 there); track.h has those of packets.
 *
 * `until` is the low 24 bits of a tick, compared as a signed difference. A STABLE row has none.
 */
#ifndef FL_ROW_H
#define FL_ROW_H

#include "tables.h"

#define FL_ROW_NONE 0xffffu /**< cur, prev: nobody */

enum fl_row_state {
	FL_ROW_STABLE = 0,   /**< every packet goes to cur */
	FL_ROW_MOVING = 1,   /**< what is not tracked goes to prev */
	FL_ROW_SETTLING = 2, /**< what is not tracked goes to cur */
};

/** Row of a flow, from 0: the low 32 bits of its hash scaled to the table, no division. */
FL_INLINE uint32_t
fl_row_index(uint64_t hash, uint32_t row_count)
{
	return (uint32_t)(((hash & 0xffffffffu) * row_count) >> 32);
}

/** @param until a tick of any width. */
FL_INLINE uint64_t
fl_row_word(enum fl_row_state state, uint32_t cur, uint32_t prev, uint64_t until)
{
	return (uint64_t)(cur & 0xffffu) | (uint64_t)(prev & 0xffffu) << 16 |
	       (until & 0xffffffu) << 32 | (uint64_t)state << 56;
}

FL_INLINE uint64_t
fl_row_stable(uint32_t cur)
{
	return fl_row_word(FL_ROW_STABLE, cur, FL_ROW_NONE, 0);
}

FL_INLINE uint32_t
fl_row_cur(uint64_t row)
{
	return (uint32_t)(row & 0xffffu);
}

FL_INLINE uint32_t
fl_row_prev(uint64_t row)
{
	return (uint32_t)(row >> 16) & 0xffffu;
}

FL_INLINE enum fl_row_state
fl_row_state(uint64_t row)
{
	return (enum fl_row_state)(row >> 56 & 3);
}

/** The row with another `until`. */
FL_INLINE uint64_t
fl_row_until(uint64_t row, uint64_t until)
{
	return (row & ~(0xffffffull << 32)) | (until & 0xffffffu) << 32;
}

/** Its window is another from @p tick on: a row that is not stable begins it again, to run for as
 * long as entries live then. */
FL_INLINE uint64_t
fl_row_again(uint64_t row, const struct fl_window *window, uint64_t tick)
{
	return fl_row_state(row) == FL_ROW_STABLE ? row
						  : fl_row_until(row, tick + window->row_ticks);
}

/** Ticks from @p tick to the row's `until`; negative when it is over. */
FL_INLINE int32_t
fl_row_left(uint64_t row, uint64_t tick)
{
	return (int32_t)(((uint32_t)(row >> 32) - (uint32_t)tick) << 8) >> 8;
}

/* --- the plane's rules --- */

/** What the plane knows when it changes a row. */
struct fl_row_now {
	const struct fl_window *window;
	uint64_t tick;
	bool cur_is_live; /**< the row's cur names a live slot */
	bool prev_is_live;
};

FL_INLINE uint64_t
fl_row_settling(uint32_t cur, const struct fl_row_now *now)
{
	return fl_row_word(FL_ROW_SETTLING, cur, FL_ROW_NONE, now->tick + now->window->row_ticks);
}

/**
 * The row when @p owner is to have it: T1 to T8.
 * @param owner slot index, live; FL_ROW_NONE: nobody is there to have it.
 * @return the new word; the old one where nothing changes.
 */
FL_INLINE uint64_t
fl_row_change(uint64_t row, uint32_t owner, const struct fl_row_now *now)
{
	bool was_moving = fl_row_state(row) == FL_ROW_MOVING;
	uint32_t cur = fl_row_cur(row), prev = fl_row_prev(row);

	if (now->window->row_ticks == 0)
		return fl_row_stable(owner);
	if (was_moving && !now->prev_is_live) { /* T1 */
		row = fl_row_settling(cur, now);
		was_moving = false;
	}
	if (owner == cur)
		return row;
	if (was_moving)						   /* also when cur is dead: T8 */
		return owner == prev ? fl_row_settling(owner, now) /* T3 */
				     : (row & ~0xffffull) | owner; /* T4 */
	if (now->cur_is_live)					   /* T2 */
		return fl_row_word(FL_ROW_MOVING, owner, cur, now->tick + now->window->row_ticks);
	return fl_row_state(row) == FL_ROW_STABLE ? fl_row_stable(owner)	 /* T6 */
						  : fl_row_settling(owner, now); /* T7, T8 */
}

/** The row once its time is over, one step: MOVING, SETTLING, STABLE. @return the old word while it
 * is not. */
FL_INLINE uint64_t
fl_row_timer(uint64_t row, const struct fl_window *window, uint64_t tick)
{
	if (fl_row_state(row) == FL_ROW_STABLE ||
	    (window->row_ticks > 0 && fl_row_left(row, tick) > 0))
		return row;
	if (fl_row_state(row) == FL_ROW_MOVING && window->row_ticks > 0)
		return fl_row_word(FL_ROW_SETTLING, fl_row_cur(row), FL_ROW_NONE,
				   tick + window->row_ticks);
	return fl_row_stable(fl_row_cur(row));
}

#endif
