/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: rows change their owners by T1 to T8 of docs/architecture.md whatever is committed when,
 * and get stable again.
 *
 * Method: real commits on a fake engine, time by rows_advance(), packets by plane_walk(). The
 * expected words are written out, not computed by row.h's rules.
 */
#include <unistd.h>

#include "rows_world.h"

/* --- T1 to T8 --- */

START_TEST(test_rows_that_get_another_live_owner_move)
{
	uint64_t first, second;
	uint32_t rows_1, rows_2;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1) "," B(3, 0));
	rows_1 = backend(1)->rows;
	rows_2 = backend(2)->rows;
	pass(7);
	first = tick() + WINDOW_TICKS;
	apply(B(1, 0) "," B(2, 1) "," B(3, 0)); /* T2 */
	ck_assert_uint_eq(count(FL_ROW_MOVING, 2, 1, first), rows_1);
	ck_assert_uint_eq(count(FL_ROW_STABLE, 2, NOBODY, 0), rows_2);

	pass(10);
	second = tick() + WINDOW_TICKS;
	apply(B(1, 0) "," B(2, 0) "," B(3, 1)); /* T4 of the ones, T2 of the others */
	ck_assert_uint_eq(count(FL_ROW_MOVING, 3, 1, first), rows_1);
	ck_assert_uint_eq(count(FL_ROW_MOVING, 3, 2, second), rows_2);

	pass(10);
	apply(B(1, 1) "," B(2, 0) "," B(3, 0)); /* T3, T4 */
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 1, NOBODY, tick() + WINDOW_TICKS), rows_1);
	ck_assert_uint_eq(count(FL_ROW_MOVING, 1, 2, second), rows_2);

	pass(10);
	first = tick() - 10 + WINDOW_TICKS;
	apply(B(1, 0) "," B(2, 1) "," B(3, 0)); /* T2 of a settling row, T3 */
	ck_assert_uint_eq(count(FL_ROW_MOVING, 2, 1, tick() + WINDOW_TICKS), rows_1);
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 2, NOBODY, tick() + WINDOW_TICKS), rows_2);
	fake_close(&fake);
}
END_TEST

START_TEST(test_rows_whose_owner_dies_do_not_move_from_it)
{
	uint64_t until;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 0));
	apply(B(2, 1)); /* T6: stable at once */
	ck_assert_uint_eq(count(FL_ROW_STABLE, 2, NOBODY, 0), ROWS);

	apply(B(2, 0) "," B(3, 1));
	pass(5);
	apply(B(3, 1)); /* T1: prev is dead */
	until = tick() + WINDOW_TICKS;
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 3, NOBODY, until), ROWS);
	pass(5);
	apply(B(4, 1)); /* T7 */
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 4, NOBODY, tick() + WINDOW_TICKS), ROWS);

	apply(B(4, 0) "," B(5, 1));
	until = tick() + WINDOW_TICKS;
	pass(5);
	apply(B(4, 0) "," B(6, 1)); /* T8: cur is dead, T4 */
	ck_assert_uint_eq(count(FL_ROW_MOVING, 6, 4, until), ROWS);
	pass(5);
	apply(B(4, 1)); /* T8: cur is dead, T3 */
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 4, NOBODY, tick() + WINDOW_TICKS), ROWS);

	apply(B(4, 0) "," B(5, 1));
	apply(B(6, 1)); /* T8: both are dead */
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 6, NOBODY, tick() + WINDOW_TICKS), ROWS);

	apply(B(6, 0) "," B(7, 1));
	pass(5);
	apply(B(7, 0) "," B(8, 1)); /* T1, then T2 */
	ck_assert_uint_eq(count(FL_ROW_MOVING, 8, 7, tick() + WINDOW_TICKS), ROWS);
	fake_close(&fake);
}
END_TEST

START_TEST(test_rows_without_a_new_owner_move_to_nobody)
{
	uint16_t flow;

	open_plane(WINDOW_5);
	apply(B(1, 1));
	flow = flow_of(1, 1000);
	apply(B(1, 0));
	ck_assert_uint_eq(count(FL_ROW_MOVING, NOBODY, 1, tick() + WINDOW_TICKS), ROWS);
	ck_assert_uint_eq(send_packet(flow, ACK), 1);
	apply(B(1, 1));
	ck_assert_uint_eq(count(FL_ROW_SETTLING, 1, NOBODY, tick() + WINDOW_TICKS), ROWS);
	fake_close(&fake);
}
END_TEST

START_TEST(test_rows_of_a_vip_without_window_change_at_once)
{
	open_plane("'window_s':0");
	apply(B(1, 1) "," B(2, 1));
	pass(64);
	ck_assert(rows_has_no_flows(fake.plane.state.rows));
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(count(FL_ROW_STABLE, 2, NOBODY, 0), ROWS);
	ck_assert(rows_has_no_flows(fake.plane.state.rows)); /* and nobody looks for any */
	pass(1);
	ck_assert(look(1).is_drained);
	fake_close(&fake);
}
END_TEST

START_TEST(test_vip_is_the_hosts_when_its_rows_are_nobodys_and_stable)
{
	open_plane(WINDOW_5 ",'no_backend':'host'");
	apply(B(1, 1));
	apply(B(1, 0));
	pass(WINDOW_TICKS);
	ck_assert_uint_eq(fake.hosts_told, 0); /* old flows still have a backend */
	fake.hosts_result = -ENOMEM;
	pass(WINDOW_TICKS + 2 * ROWS_TIMER_TICKS);
	ck_assert_uint_ge(fake.hosts_told, 1);
	fake.hosts_result = 0;
	pass(ROWS_TIMER_TICKS);
	ck_assert(fake.is_hosts);

	fake.hosts_told = 0;
	apply(B(1, 0) "," B(2, 0)); /* the record stays */
	ck_assert_uint_eq(fake.hosts_told, 0);
	apply(B(1, 1) "," B(2, 0));
	ck_assert(!fake.is_hosts);
	ck_assert_uint_eq(fake.hosts_told, 1);
	fake_close(&fake);
}
END_TEST

START_TEST(test_rows_that_nothing_changes_are_not_written)
{
	uint64_t before[ROWS];
	uint32_t changed = 0;

	open_plane(WINDOW_5);
	apply(B(1, 100) "," B(2, 100) "," B(3, 100));
	apply(B(1, 0) "," B(2, 100) "," B(3, 100));
	for (uint32_t i = 0; i < ROWS; i++)
		before[i] = word(i);
	pass(3); /* so that whatever is written differs in its time */
	apply(B(1, 0) "," B(2, 100) "," B(3, 100) "," B(4, 0));
	for (uint32_t i = 0; i < ROWS; i++)
		changed += word(i) != before[i];
	ck_assert_uint_eq(changed, 0);
	ck_assert_uint_ge(count_state(FL_ROW_MOVING), ROWS / 3);
	fake_close(&fake);
}
END_TEST

/* --- time --- */

/** The whole life of a change, from a tick on. */
static void
live_through(uint64_t from)
{
	uint64_t change;
	uint32_t rows_1;
	uint16_t old, new, unseen;

	open_plane("'window_s':5,'hold_s':1");
	fake.tables.clock->tick = from;
	apply(B(1, 1) "," B(2, 1));
	rows_1 = backend(1)->rows;
	old = flow_of(1, 1000);
	new = flow_of(1, (uint16_t)(old + 1));
	unseen = flow_of(1, (uint16_t)(new + 1));
	apply(B(1, 0) "," B(2, 1));
	change = tick();
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	ck_assert_uint_eq(send_packet(new, SYN), 1); /* hold */
	pass(20);
	ck_assert_uint_eq(send_packet(new, SYN), 1); /* again: where the first one went */
	ck_assert_uint_eq(send_packet(flow_of(1, (uint16_t)(unseen + 1)), SYN), 2);
	ck_assert_uint_eq(count_state(FL_ROW_MOVING), rows_1);
	pass((uint32_t)(change + WINDOW_TICKS - 1 - tick()));
	ck_assert_uint_eq(count_state(FL_ROW_MOVING), rows_1);
	ck_assert_uint_eq(send_packet(old, ACK), 1); /* in time */
	pass(1 + ROWS_TIMER_TICKS);
	ck_assert_uint_eq(count_state(FL_ROW_MOVING), 0);
	ck_assert_uint_eq(count_state(FL_ROW_SETTLING), rows_1);
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	ck_assert_uint_eq(send_packet(unseen, RST), 2); /* nothing was sent while it moved */
	ck_assert_uint_eq(send_packet(unseen, ACK), 2);
	/* used all the time, it keeps its row */
	for (uint32_t i = 0; i < 8; i++) {
		pass(WINDOW_TICKS - 10);
		ck_assert_uint_eq(send_packet(old, ACK), 1);
	}
	ck_assert_uint_eq(count_state(FL_ROW_SETTLING), 1);
	pass(WINDOW_TICKS + ROWS_TIMER_TICKS + 2);
	ck_assert_uint_eq(count_state(FL_ROW_STABLE), ROWS);
	ck_assert_uint_eq(send_packet(old, ACK), 2);
	pass(2 * ROWS_PASS_TICKS);
	ck_assert(rows_has_no_flows(fake.plane.state.rows));
	ck_assert_uint_eq(entries(slot(1)) + entries(slot(2)), 0);
	fake_close(&fake);
}

START_TEST(test_rows_live_through_a_change)
{
	live_through(0);
}
END_TEST

START_TEST(test_rows_live_through_a_wrap_of_their_times)
{
	for (uint64_t before = 0; before < 300; before += 37)
		live_through((1u << 24) - before);
	live_through((1ull << 32) - 60);
}
END_TEST

START_TEST(test_rows_clock_counts_what_was_seen_only)
{
	int clock;
	uint64_t start;

	open_plane(WINDOW_5);
	clock = rows_open_clock();
	ck_assert_int_ge(clock, 0);
	start = tick();
	rows_on_clock(fake.plane.state.rows, clock, 1000);
	ck_assert_uint_eq(tick(), start);
	rows_on_clock(fake.plane.state.rows, clock, 1000 + ROWS_TICK_NS - 1);
	ck_assert_uint_eq(tick(), start);
	rows_on_clock(fake.plane.state.rows, clock, 1000 + ROWS_TICK_NS);
	ck_assert_uint_eq(tick(), start + 1);
	rows_on_clock(fake.plane.state.rows, clock, 1000 + 5ll * ROWS_TICK_NS / 2);
	ck_assert_uint_eq(tick(), start + 2);
	rows_on_clock(fake.plane.state.rows, clock, 1000 + 3ll * ROWS_TICK_NS);
	ck_assert_uint_eq(tick(), start + 3);
	rows_on_clock(fake.plane.state.rows, clock, 1000 + 1000ll * ROWS_TICK_NS);
	ck_assert_uint_eq(tick(), start + 3 + ROWS_ADVANCE_MAX);
	(void)close(clock);
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_rows_that_get_another_live_owner_move,
		test_rows_whose_owner_dies_do_not_move_from_it,
		test_rows_without_a_new_owner_move_to_nobody,
		test_rows_of_a_vip_without_window_change_at_once,
		test_vip_is_the_hosts_when_its_rows_are_nobodys_and_stable,
		test_rows_that_nothing_changes_are_not_written,
		test_rows_live_through_a_change,
		test_rows_live_through_a_wrap_of_their_times,
		test_rows_clock_counts_what_was_seen_only,
		NULL,
	};

	return run_tests("rows", tests);
}
