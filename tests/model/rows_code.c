/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world of rows_world.h as a number: its members as digits. Backends are named in the order in
 * which they are met, for their names do not matter to anything that follows. Of all orders of the
 * flows the smallest number counts, unless is_ordered: theirs matters only to which of two entries
 * of one age gives its place away.
 */
#include "rows_world.h"

#include <string.h>

enum {
	NOBODY = ROWS_BACKENDS,
	LEFT_MAX = 63, /* ticks to a row's `until` */
};

/** What is left of an identity when names do not matter: they are given in the order of use. */
struct rows_names {
	uint8_t name[ROWS_OWNERS];
	uint8_t count;
};

static uint32_t
rename_slot(struct rows_names *names, uint32_t slot)
{
	if (slot >= ROWS_BACKENDS)
		return NOBODY;
	if (names->name[slot] == NOBODY)
		names->name[slot] = names->count++;
	return names->name[slot];
}

static uint64_t
encode_flow(const struct rows_world *world, uint32_t i, struct rows_names *names)
{
	const struct rows_flow *flow = &world->flow[i];
	uint64_t word = world->flows.word[i], code = 0;
	uint32_t age_max =
		rows_explored.window.live_units + 2u; /* a late core may still see it live */

	if (flow->phase != ROWS_NONE) {
		code = (flow->phase - 1u) * ROWS_BACKENDS + rename_slot(names, flow->owner);
		code = (code * (rows_explored.silent_max + 1) + flow->silent) * 2 +
		       flow->is_ending + 1;
	}
	code *= 1 + ROWS_BACKENDS * 3 * (age_max + 1);
	if (word != 0) {
		uint8_t age = (uint8_t)(fl_flow_stamp(&rows_explored.window, world->tick) -
					(uint8_t)(word >> 56));

		code += 1 +
			(rename_slot(names, fl_flow_slot(word)) * 3u + fl_flow_state(word) - 1) *
				(age_max + 1) +
			(age < age_max ? age : age_max);
	}
	return code;
}

static uint64_t
flow_codes(void)
{
	return (1 + 2ull * ROWS_BACKENDS * (rows_explored.silent_max + 1) * 2) *
	       (1 + ROWS_BACKENDS * 3ull * (rows_explored.window.live_units + 3));
}

static uint64_t
encode_plane(const struct rows_world *world, struct rows_names *names)
{
	uint64_t row = world->row.word, code;
	int32_t left = fl_row_state(row) == FL_ROW_STABLE ? 0 : fl_row_left(row, world->tick);

	code = fl_row_state(row);
	code = code * ROWS_OWNERS + rename_slot(names, fl_row_cur(row));
	code = code * ROWS_OWNERS + rename_slot(names, fl_row_prev(row));
	code = code * (LEFT_MAX + 1) + (left > 0 ? (uint32_t)left : 0);
	code = code * rows_unit_ticks() + (world->tick & (rows_unit_ticks() - 1));
	code = code * ROWS_STEPS + world->step;
	return code * ROWS_OWNERS +
	       (world->step == ROWS_IDLE ? (uint32_t)NOBODY : rename_slot(names, world->dead));
}

static uint64_t
encode_order(const struct rows_world *world, const uint8_t *order)
{
	struct rows_names names = { .name = { NOBODY, NOBODY, NOBODY, NOBODY } };
	uint64_t code = encode_plane(world, &names);

	for (uint32_t i = 0; i < rows_explored.flows; i++)
		code = code * flow_codes() + encode_flow(world, order[i], &names);
	for (uint32_t slot = 0; slot < ROWS_BACKENDS; slot++)
		if (rows_lives(world, slot))
			(void)rename_slot(&names, slot);
	code *= 1 << ROWS_BACKENDS;
	for (uint32_t slot = 0; slot < ROWS_BACKENDS; slot++)
		if (rows_lives(world, slot))
			code += 1ull << names.name[slot];
	return code;
}

uint64_t
rows_encode(const struct rows_world *world)
{
	static const uint8_t orders[6][ROWS_FLOWS_MAX] = { { 0, 1, 2 }, { 1, 0, 2 }, { 2, 1, 0 },
							   { 0, 2, 1 }, { 1, 2, 0 }, { 2, 0, 1 } };
	static const uint8_t order_counts[] = { 1, 1, 2, 6 };
	uint64_t code = UINT64_MAX;

	for (uint32_t i = 0; i < order_counts[rows_explored.is_ordered ? 1 : rows_explored.flows];
	     i++) {
		uint64_t other = encode_order(world, orders[i]);

		code = other < code ? other : code;
	}
	return code;
}

static uint32_t
take(uint64_t *code, uint64_t radix)
{
	uint32_t digit = (uint32_t)(*code % radix);

	*code /= radix;
	return digit;
}

static void
decode_flow(struct rows_world *world, uint32_t i, uint64_t code)
{
	uint32_t age_max = rows_explored.window.live_units + 2u;
	uint32_t word = take(&code, 1 + ROWS_BACKENDS * 3 * (age_max + 1));

	if (word != 0) {
		uint64_t rest = word - 1;
		uint32_t age = take(&rest, age_max + 1);
		uint32_t state = take(&rest, 3) + 1;
		uint8_t stamp = (uint8_t)(fl_flow_stamp(&rows_explored.window, world->tick) - age);

		world->flows.word[i] = fl_flow_word(rows_flow_hash(i), (uint32_t)rest,
						    (enum fl_flow_state)state, stamp);
	}
	if (code == 0)
		return;
	code--;
	world->flow[i].is_ending = take(&code, 2);
	world->flow[i].silent = (uint8_t)take(&code, rows_explored.silent_max + 1);
	world->flow[i].owner = (uint8_t)take(&code, ROWS_BACKENDS);
	world->flow[i].phase = (uint8_t)code + 1;
}

void
rows_decode(uint64_t code, struct rows_world *world)
{
	uint64_t flows[ROWS_FLOWS_MAX];
	uint32_t left, cur, prev;

	memset(world, 0, sizeof *world);
	world->live = (uint8_t)take(&code, 1 << ROWS_BACKENDS);
	for (uint32_t i = rows_explored.flows; i-- > 0;) {
		flows[i] = code % flow_codes();
		code /= flow_codes();
	}
	world->dead = (uint8_t)take(&code, ROWS_OWNERS);
	world->step = (uint8_t)take(&code, ROWS_STEPS);
	world->tick = ROWS_TICK + take(&code, rows_unit_ticks());
	left = take(&code, LEFT_MAX + 1);
	prev = take(&code, ROWS_OWNERS);
	cur = take(&code, ROWS_OWNERS);
	world->row.word = fl_row_word((enum fl_row_state)code, cur == NOBODY ? FL_ROW_NONE : cur,
				      prev == NOBODY ? FL_ROW_NONE : prev,
				      code == FL_ROW_STABLE ? 0 : world->tick + left);
	for (uint32_t i = 0; i < rows_explored.flows; i++)
		decode_flow(world, i, flows[i]);
	rows_fill_strangers(world);
}
