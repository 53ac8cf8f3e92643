/* SPDX-License-Identifier: BSD-2-Clause */
#include "rows_parts.h"

/* Planted bugs: rows_bugs.py defines one of them. */
#ifndef ROWS_PLANT_NO_PURGE
#define ROWS_PLANT_NO_PURGE false
#endif
/* whom a commit takes away counts as live when it changes the row */
#ifndef ROWS_PLANT_TAKEN
#define ROWS_PLANT_TAKEN false
#endif
#ifndef ROWS_PLANT_JUMP
#define ROWS_PLANT_JUMP false
#endif

enum { NOBODY = ROWS_BACKENDS }; /* owner as an argument: FL_ROW_NONE */

static bool
has_backend(uint32_t live, uint32_t owner)
{
	return owner < ROWS_BACKENDS && live >> owner & 1;
}

void
rows_give_up(struct rows_flow *flow)
{
	*flow = (struct rows_flow){ .phase = ROWS_NONE };
}

static void
give_up_of(struct rows_world *world, uint32_t slot)
{
	for (uint32_t i = 0; i < rows_explored.flows; i++)
		if (world->flow[i].owner == slot)
			rows_give_up(&world->flow[i]);
}

/** @param live by backend: whom a commit does not take away. */
static uint64_t
changed_row(const struct rows_world *world, uint32_t arg, uint32_t live)
{
	uint64_t word = world->row.word;
	struct fl_row_now now = { .window = &rows_explored.window,
				  .tick = world->tick,
				  .cur_is_live = has_backend(live, fl_row_cur(word)),
				  .prev_is_live = has_backend(live, fl_row_prev(word)) };

	return fl_row_change(word, arg == NOBODY ? FL_ROW_NONE : arg, &now);
}

/** May the row have this owner? */
static bool
may_own(uint32_t arg, uint32_t live)
{
	return arg == NOBODY ? live == 0 || rows_explored.has_none : has_backend(live, arg);
}

static bool
change_row(struct rows_world *world, uint32_t arg)
{
	uint64_t word;

	if (world->step == ROWS_PURGE || world->step == ROWS_LEFT || !may_own(arg, world->live))
		return false;
	word = changed_row(world, arg, world->live);
	if (world->step == ROWS_IDLE && word == world->row.word)
		return false;
	world->row.word = word;
	if (world->step == ROWS_REWRITE)
		world->step = ROWS_PURGE;
	return true;
}

static bool
kill_backend(struct rows_world *world, uint32_t slot)
{
	if (world->step != ROWS_IDLE || !rows_lives(world, slot) ||
	    (world->live == 1u << slot && !rows_explored.has_none))
		return false;
	world->live &= (uint8_t) ~(1u << slot);
	world->step = ROWS_REWRITE;
	world->dead = (uint8_t)slot;
	give_up_of(world, slot);
	return true;
}

/** A commit takes a backend away: its slot lives on while the row is changed as if it were dead, so
 * that no stable row leads to a dead one. */
static bool
take_away(struct rows_world *world, uint32_t slot, uint32_t arg)
{
	uint32_t left = world->live & ~(1u << slot);

	if (world->step != ROWS_IDLE || !rows_lives(world, slot) || !may_own(arg, left))
		return false;
	world->row.word = changed_row(world, arg, ROWS_PLANT_TAKEN ? world->live : left);
	world->step = ROWS_LEFT;
	world->dead = (uint8_t)slot;
	give_up_of(world, slot);
	return true;
}

static bool
cut(struct rows_world *world)
{
	if (world->step != ROWS_LEFT)
		return false;
	world->live &= (uint8_t) ~(1u << world->dead);
	world->step = ROWS_PURGE;
	return true;
}

static bool
bury(struct rows_world *world)
{
	if (world->step != ROWS_PURGE)
		return false;
	for (uint32_t i = 0; i < rows_explored.flows && !ROWS_PLANT_NO_PURGE; i++)
		if (fl_flow_slot(world->flows.word[i]) == world->dead)
			world->flows.word[i] = 0;
	world->step = ROWS_IDLE;
	return true;
}

/** Time goes by. Who was silent for longer than a window while the row was not stable is not
 * followed any more. */
static bool
tick_on(struct rows_world *world)
{
	world->tick++;
	rows_fill_strangers(world);
	for (uint32_t i = 0; i < rows_explored.flows; i++) {
		struct rows_flow *flow = &world->flow[i];

		if (flow->phase == ROWS_NONE)
			continue;
		if (flow->silent < rows_explored.silent_max)
			flow->silent++;
		else if (fl_row_state(world->row.word) != FL_ROW_STABLE)
			rows_give_up(flow);
	}
	return true;
}

static bool
sweep(struct rows_world *world, uint32_t i)
{
	struct rows_run run = { .world = world };
	uint64_t word = world->flows.word[i];

	if (word == 0 || rows_facts(&run, word, world->tick) & FL_ENTRY_LIVE)
		return false;
	world->flows.word[i] = 0;
	return true;
}

/** A stranger takes a place, and leaves. */
static bool
evict(struct rows_world *world)
{
	static const struct rows_event full = { .is_full = true };
	struct rows_run run = { .world = world, .event = &full };
	uint64_t victim = rows_victim(&run, 0, world->tick);

	return victim != FL_FLOW_NO_VICTIM && fl_flow_swap(&world->flows, victim, 0);
}

bool
rows_do_plane(struct rows_world *world, uint32_t kind, uint32_t arg)
{
	uint64_t word = world->row.word;

	switch ((enum rows_kind)kind) {
	case ROWS_TICK_ON:
		return tick_on(world);
	case ROWS_TIMER:
		if (world->step == ROWS_IDLE)
			world->row.word = fl_row_timer(word, &rows_explored.window, world->tick);
		return world->row.word != word;
	case ROWS_CHANGE:
		return change_row(world, arg);
	case ROWS_DEATH:
		return kill_backend(world, arg);
	case ROWS_LEAVE:
		return take_away(world, arg / ROWS_OWNERS, arg % ROWS_OWNERS);
	case ROWS_CUT:
		return cut(world);
	case ROWS_BURY:
		return bury(world);
	case ROWS_UP:
		if (world->step != ROWS_IDLE || rows_lives(world, arg))
			return false;
		world->live |= (uint8_t)(1u << arg);
		return true;
	case ROWS_SWEEP:
		return sweep(world, arg);
	case ROWS_EVICT:
		return evict(world);
	case ROWS_JUMP:
		world->tick += ROWS_PLANT_JUMP ? rows_explored.window.row_ticks : 0;
		rows_fill_strangers(world);
		return ROWS_PLANT_JUMP;
	case ROWS_PACKET:
		break;
	}
	return false;
}
