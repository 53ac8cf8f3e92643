/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What becomes of rows and of tracked flows while time passes, and when a commit changes owners:
 * docs/architecture.md, "When a row changes its owner".
 *
 * The clock: one tick cell beside the tables, which nobody else advances. The row timer: once a
 * second each row whose time is over goes on by one state, and every packet core passes. The
 * sweeper: the whole flow table in ROWS_PASS_TICKS, so that no stamp grows old enough to look
 * young again; it clears what counts no more and counts the rest by slot. It rests while it knows
 * the table empty and every row stable.
 *
 * All memory is taken at start. One thread, the plane's; packet cores swap rows and entries at the
 * same time.
 */
#ifndef PLANE_ROWS_H
#define PLANE_ROWS_H

#include "../core/window.h"
#include "state.h"

enum {
	ROWS_TICK_NS = 62500000,
	/** The clock goes on by so much at once at most: what nobody saw does not count. */
	ROWS_ADVANCE_MAX = 16,
	ROWS_TIMER_TICKS = 16,
	/** Of one sweep; a drain of a 5 s window is seen within 8 s. With an advance's worth of
	 * delay still within FL_FLOW_SWEEP_UNITS of the shortest unit. */
	ROWS_PASS_TICKS = 12,
	/** Swaps of one word. The clock stands meanwhile, so a packet core has reason for one or
	 * two. */
	ROWS_SWAPS_MAX = 1024,
};

/** @param state borrowed; tables, options and scratch are used. @return 0; -ENOMEM. */
int rows_create(struct state *state, struct rows **ret_rows);

/** NULL is fine. */
void rows_destroy(struct rows *rows);

/** A timer descriptor that is readable every tick. @return it, or a negative errno. */
int rows_open_clock(void);

/** It is readable. Reads it. @param now_ns monotonic; what has gone by since the last call counts.
 */
void rows_on_clock(struct rows *rows, int clock, int64_t now_ns);

/** Let so many ticks pass, ROWS_ADVANCE_MAX at most: clock, timer, sweeper. */
void rows_advance(struct rows *rows, uint32_t ticks);

/**
 * The set was taken over from tables that an earlier process filled: count it, and sweep the whole
 * flow table. Processes that end early never come to the end of a sweep. Every packet core has
 * passed since the slots are dead that are.
 */
void rows_adopted(struct rows *rows);

/* --- for a commit --- */

/** Is it known that the flow table has no entry? */
bool rows_has_no_flows(const struct rows *rows);

/** Rows may begin to move: the sweeper must not rest. */
void rows_wake(struct rows *rows);

/** Rows of a VIP that stay where they are. */
struct rows_order {
	const struct state_vip *old, *new;
	const uint16_t *owners; /**< by row: slot indexes of `new`, or FL_ROW_NONE */
};

/** T1 to T8 on each row, by swaps of what is there; rows that nothing changes are not written.
 * Where the window is another, it begins again in every row that is not stable. */
void rows_apply(struct rows *rows, const struct rows_order *order);

/** Slots of a VIP that go elsewhere, with the same indexes. */
struct rows_move {
	uint32_t from_base, from_count, to_base;
	struct fl_window from, to; /**< windows of the entries' ages */
};

/** rows_purge() rewrites the entries of these slots, which are live until every packet core has
 * passed that. At most limits.vips between two purges. */
void rows_move(struct rows *rows, const struct rows_move *move);

/** rows_purge() clears the entries of these slots, which are dead. Until rows_forget(). */
void rows_leave(struct rows *rows, uint32_t slot_base, uint32_t slot_count);

/**
 * The whole flow table: rewrite entries of slots that moved, clear those of slots that left. No
 * packet core writes such entries any more: each has passed since the slots are dead, or their VIP
 * has its new record.
 */
void rows_purge(struct rows *rows);

/** Nothing is known of the slots from here on. */
void rows_forget(struct rows *rows, uint32_t slot_base, uint32_t slot_count);

/** The VIP is served, its rows are written and every packet core has passed. @param before the one
 * whose rows it has; NULL: none. */
void rows_served(struct rows *rows, struct state_vip *vip, const struct state_vip *before);

/* --- what there is --- */

/** Count rows again that packet cores may have changed, and digest what changed. */
void rows_refresh(struct rows *rows);

/** Of what the last rows_refresh() saw: rows of the set, by the identities of cur, and of prev
 * while moving. */
uint64_t rows_set_digest(const struct rows *rows);

/** Live entries that name the slot, when the last sweep passed. */
uint32_t rows_flows(const struct rows *rows, uint32_t slot);

/** What holds a backend. */
struct rows_backend {
	uint32_t flows;
	uint32_t idle_ms; /**< of silence, at least, when the last sweep began */
	bool is_drained;
};
struct rows_backend rows_look(const struct rows *rows, const struct state_vip *vip,
			      const struct state_backend *backend);

/** @return ticks in ms, rounded up. */
static inline uint64_t
rows_ms(uint64_t ticks)
{
	return (ticks * 1000 + FL_TICKS_PER_S - 1) / FL_TICKS_PER_S;
}

#endif
