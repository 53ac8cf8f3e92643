/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * While a set is replayed, rows name its backends by their place in it (sets are ordered by
 * address). Of a set that was committed later those that it has not are dead, and dead ones need no
 * name of their own: no row names one any more once the set is through.
 */
#include <errno.h>

#include "../core/row.h"
#include "../core/window.h"
#include "replay.h"

/** A backend that is gone: no place in a set is as high. */
enum { DEAD = FL_ROW_NONE - 1 };

_Static_assert((int)STATE_VIP_SLOTS_MAX <= (int)DEAD, "places of a set");

struct replay {
	struct state *state;
	const struct state_vip *vip;
	struct fl_window window;
	uint64_t tick; /* how far it is */
	uint64_t *rows;
};

/** The row at @p tick, its timer never late: a row ends when its time is over, not when somebody
 * looks. */
static uint64_t
timed_row(const struct replay *replay, uint64_t row, uint64_t tick)
{
	for (uint32_t step = 0; step < 2; step++) { /* MOVING, SETTLING */
		int32_t left = fl_row_left(row, tick);

		if (fl_row_state(row) != FL_ROW_STABLE && left <= 0)
			row = fl_row_timer(row, &replay->window, tick - (uint32_t)-left);
	}
	return row;
}

/** Time goes by. */
static void
advance(struct replay *replay, uint64_t tick)
{
	/* so long that every row is stable: `until` cannot tell how long */
	bool is_over = tick - replay->tick > 2 * (uint64_t)replay->window.row_ticks;

	for (uint32_t i = 0; i < replay->vip->row_count; i++) {
		uint64_t row = replay->rows[i];

		replay->rows[i] =
			is_over ? fl_row_stable(fl_row_cur(row)) : timed_row(replay, row, tick);
	}
	replay->tick = tick;
}

static uint32_t
renamed(const uint32_t *names, uint32_t owner)
{
	return owner == FL_ROW_NONE || owner == DEAD ? owner : names[owner];
}

static void
rename_rows(struct replay *replay, const uint32_t *names)
{
	for (uint32_t i = 0; i < replay->vip->row_count; i++) {
		uint64_t row = replay->rows[i];
		uint32_t cur = renamed(names, fl_row_cur(row));
		uint32_t prev = renamed(names, fl_row_prev(row));

		replay->rows[i] = fl_row_word(fl_row_state(row), cur, prev, row >> 32);
	}
}

/** Names of one set become those of a later one. */
static void
rename_to_set(struct replay *replay, const struct want_set *from, const struct want_set *to)
{
	uint32_t *names = replay->state->scratch->translated;
	uint32_t at = 0;

	for (uint32_t i = 0; i < from->backend_count; i++) {
		const struct addr *address = &from->backends[i].address;

		while (at < to->backend_count &&
		       state_compare_addresses(&to->backends[at].address, address) < 0)
			at++;
		names[i] =
			at < to->backend_count && state_compare_addresses(&to->backends[at].address,
									  address) == 0
				? at
				: DEAD;
	}
	rename_rows(replay, names);
}

/** Names of the present set, which is the VIP's, become slot indexes. */
static void
rename_to_slots(struct replay *replay)
{
	uint32_t *names = replay->state->scratch->translated;

	for (uint32_t i = 0; i < replay->vip->backend_count; i++)
		names[i] = replay->vip->backends[i].slot_index;
	rename_rows(replay, names);
}

/** The table of a set, in state->owners. */
static int
build_owners(const struct replay *replay, const struct want_set *set)
{
	struct maglev_backend *backends = replay->state->scratch->backends;
	const struct maglev_request request = { .backends = backends,
						.backend_count = set->backend_count,
						.row_count = replay->vip->row_count,
						.rows = replay->state->owners };

	for (uint32_t i = 0; i < set->backend_count; i++)
		backends[i] = (struct maglev_backend){ .address = set->backends[i].address,
						       .index = (uint16_t)i,
						       .weight = set->backends[i].weight };
	return maglev_build(replay->state->maglev, &request) < 0 ? -EINVAL : 0;
}

static bool
is_live(uint32_t owner)
{
	return owner != FL_ROW_NONE && owner != DEAD;
}

/** The set is committed, with a window of its own: where that is another, rows that are not stable
 * begin theirs again, as in rows_apply(). */
static void
commit(struct replay *replay, const struct fl_window *window)
{
	bool begins_again = window->row_ticks != replay->window.row_ticks && window->row_ticks > 0;

	replay->window = *window;
	for (uint32_t i = 0; i < replay->vip->row_count; i++) {
		uint64_t row = replay->rows[i];
		const struct fl_row_now now = { .window = &replay->window,
						.tick = replay->tick,
						.cur_is_live = is_live(fl_row_cur(row)),
						.prev_is_live = is_live(fl_row_prev(row)) };

		row = fl_row_change(row, replay->state->owners[i], &now);
		if (begins_again)
			row = fl_row_again(row, window, now.tick);
		replay->rows[i] = row;
	}
}

static struct fl_window
set_window(const struct want_vip *want, const struct want_set *set)
{
	struct vip_policy policy = want->policy;

	policy.window_s = set->window_s;
	return state_window(&policy);
}

static uint64_t
ticks_of(uint64_t age_ms)
{
	return age_ms * FL_TICKS_PER_S / 1000; /* rounded so that no window ends early */
}

int
replay_rows(struct state *state, const struct want_vip *want, const struct state_vip *vip,
	    uint64_t *ret_rows)
{
	const uint64_t now = state->tables->clock->tick;
	struct replay replay = { .state = state, .vip = vip, .rows = ret_rows };
	const struct want_set *before = NULL;

	for (uint32_t i = 0; i <= want->history_count; i++) {
		const struct want_set *set =
			i < want->history_count ? &want->history[i] : &want->present;
		const struct fl_window window = set_window(want, set);

		if (build_owners(&replay, set) < 0)
			return -EINVAL;
		if (before == NULL) {
			for (uint32_t row = 0; row < vip->row_count; row++)
				ret_rows[row] = fl_row_stable(state->owners[row]);
			replay.tick = now - ticks_of(set->age_ms);
			replay.window = window;
		} else {
			advance(&replay, now - ticks_of(set->age_ms));
			rename_to_set(&replay, before, set);
			commit(&replay, &window);
		}
		before = set;
	}
	advance(&replay, now);
	rename_to_slots(&replay);
	return 0;
}
