/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: each packet rule of two-owner rows by itself: where a packet goes, what becomes of the
 * entry, of the row's `until` and of the counters, also where another core changes a word first.
 * Method: track_world.h with a window of 5 s and a hold of 1 s (a unit is one tick); each test sets
 * row and entry by hand. Which word is the flow's, and whose place it gets: test_track_entry.c.
 * What follows from the rules together is tests/model/rows_explore's.
 */
#include "track_world.h"

/* --- SYN --- */

START_TEST(test_stable_row_reads_no_entry)
{
	set_row(FL_ROW_STABLE, 0);
	set_entry(1, FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	ck_assert_uint_eq(fl_flow_slot(flows.word[3]), SLOT_BASE + 1);
}
END_TEST

START_TEST(test_s2_syn_goes_to_the_entry)
{
	static const enum fl_flow_state after[] = { [FL_FLOW_SYN] = FL_FLOW_SYN,
						    [FL_FLOW_OPEN] = FL_FLOW_OPEN,
						    [FL_FLOW_CLOSING] = FL_FLOW_SYN };

	for (uint32_t state = FL_FLOW_SYN; state <= FL_FLOW_CLOSING; state++) {
		set_row_after_hold(FL_ROW_MOVING);
		set_entry(2, (enum fl_flow_state)state, window()->closed_units - 1u);
		ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 2);
		check_entry(2, after[state]);
	}
	/* only of a closed tuple may a SYN be another flow's */
	for (uint32_t state = FL_FLOW_SYN; state <= FL_FLOW_OPEN; state++) {
		set_row_after_hold(FL_ROW_MOVING);
		set_entry(2, (enum fl_flow_state)state, window()->live_units);
		ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 2);
		check_entry(2, (enum fl_flow_state)state);
	}
}
END_TEST

START_TEST(test_s3_syn_of_a_closed_tuple_is_new)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
	set_row(FL_ROW_SETTLING, row_ticks());
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_s3_without_an_owner_leaves_the_entry)
{
	uint64_t before;

	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++) {
		set_row((enum fl_row_state)state, row_ticks());
		set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
		before = flows.word[3];
		live = 1u << 2; /* neither cur nor prev */
		ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_NO_BACKEND);
		ck_assert_uint_eq(flows.word[3], before);
	}
}
END_TEST

START_TEST(test_s4_new_flow_of_a_moving_row_goes_to_cur)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_s4_hold_sends_new_flows_to_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	tick--; /* the hold's last tick */
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	check_entry(1, FL_FLOW_SYN);
	tick++;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1); /* S2 */
}
END_TEST

START_TEST(test_s4_without_a_place_goes_to_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	ck_assert_int_eq(left(), row_ticks()); /* R1 */
	ck_assert_uint_eq(counted.failed, 1);
	ck_assert_uint_eq(counted.extended, 1);
	ck_assert_uint_eq(get_entry(), 0);
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	live &= ~(1u << 1); /* cur takes its place */
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	ck_assert_int_eq(left(), row_ticks());
}
END_TEST

START_TEST(test_s5_new_flow_of_a_settling_row_is_not_tracked)
{
	set_row(FL_ROW_SETTLING, 5);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	ck_assert_uint_eq(get_entry(), 0);
	ck_assert_int_eq(left(), 5);
}
END_TEST

START_TEST(test_s5_leftover_of_a_dead_slot_is_rewritten)
{
	set_row(FL_ROW_SETTLING, 5);
	set_entry(2, FL_FLOW_OPEN, 0);
	live &= ~(1u << 2);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_s5_leftover_that_another_core_takes_does_not_matter)
{
	set_row(FL_ROW_SETTLING, 5);
	set_entry(2, FL_FLOW_OPEN, 0);
	live &= ~(1u << 2);
	flow_losses = 2;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_counted(&(struct fl_flow_counter){ 0 });
}
END_TEST

/* --- other packets --- */

START_TEST(test_p1_entry_says_where)
{
	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++) {
		set_row_after_hold((enum fl_row_state)state);
		set_entry(2, FL_FLOW_SYN, window()->live_units);
		ck_assert_int_eq(send_packet(0), 2);
		check_entry(2, FL_FLOW_OPEN);
	}
}
END_TEST

START_TEST(test_p1_states_of_an_entry)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END), 2);
	check_entry(2, FL_FLOW_CLOSING);
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_CLOSING); /* the last ACK */
	ck_assert_int_eq(send_packet(FL_SEGMENT_PAYLOAD), 2);
	check_entry(2, FL_FLOW_OPEN);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END | FL_SEGMENT_RST), 2);
	check_entry(2, FL_FLOW_CLOSING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_OPEN);
}
END_TEST

START_TEST(test_p1_touch_writes_when_it_changes_something)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	flow_losses = 2;
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_uint_eq(counted.raced, 0);
}
END_TEST

START_TEST(test_p2_unknown_flow_of_a_moving_row_is_of_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_PAYLOAD), 1);
	check_entry(1, FL_FLOW_OPEN);
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END), 1);
	check_entry(1, FL_FLOW_CLOSING);
}
END_TEST

START_TEST(test_p2_without_a_place_is_r1)
{
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_int_eq(left(), row_ticks());
	ck_assert_int_eq(send_packet(0), 1); /* fresh: not written again */
	ck_assert_uint_eq(counted.failed, 2);
	ck_assert_uint_eq(counted.extended, 1);
}
END_TEST

START_TEST(test_p3_rst_leaves_no_entry)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END | FL_SEGMENT_RST), 1);
	ck_assert_uint_eq(get_entry(), 0);
}
END_TEST

START_TEST(test_p3_unknown_flow_of_a_settling_row_is_of_cur)
{
	set_row(FL_ROW_SETTLING, 5);
	ck_assert_int_eq(send_packet(FL_SEGMENT_PAYLOAD), 0);
	ck_assert_uint_eq(get_entry(), 0);
	ck_assert_int_eq(left(), 5);
}
END_TEST

START_TEST(test_p4_use_of_anothers_entry_keeps_the_row)
{
	set_row(FL_ROW_SETTLING, row_ticks() - 1);
	set_entry(2, FL_FLOW_OPEN, 1);
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_int_eq(left(), row_ticks() + 1); /* a unit more: one write for each */
	tick++;
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_int_eq(left(), row_ticks());
	set_row(FL_ROW_SETTLING, 5);
	set_entry(0, FL_FLOW_OPEN, 1);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_int_eq(left(), 5); /* cur's own does not */
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 1);
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_int_eq(left(), row_ticks() - window()->hold_ticks); /* SETTLING only */
}
END_TEST

START_TEST(test_p4_lost_swap_is_decided_again_when_the_state_changed)
{
	set_row(FL_ROW_SETTLING, 1);
	set_entry(2, FL_FLOW_OPEN, window()->live_units);
	other_rows[0] = fl_row_stable(0);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_uint_eq(fl_flow_age(flows.word[3], window(), tick), window()->live_units);
	set_row(FL_ROW_SETTLING, 1);
	set_entry(2, FL_FLOW_OPEN, 1);
	other_rows[0] = fl_row_until(row.word, tick + 7); /* only the time */
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_OPEN);
}
END_TEST

START_TEST(test_r1_lost_swap_is_decided_again_then_dropped)
{
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	other_rows[0] = fl_row_word(FL_ROW_SETTLING, 0, FL_ROW_NONE, tick + 9);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_uint_eq(counted.raced, 0);
	/* another core did the same: the row is known for one of prev's */
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	other_rows[0] = fl_row_until(row.word, tick + (uint64_t)row_ticks());
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_uint_eq(counted.extended, 0);
	/* it turned back: still less than a window */
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	other_rows[0] = fl_row_until(row.word, tick + 9);
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_int_eq(left(), row_ticks());
	ck_assert_uint_eq(counted.extended, 1);
	ck_assert_uint_eq(counted.raced, 0);
}
END_TEST

START_TEST(test_r1_lost_swaps_drop_one_packet)
{
	static const uint32_t segments[] = { 0, FL_SEGMENT_SYN };

	for (uint32_t i = 0; i < 2; i++) {
		set_row_after_hold(FL_ROW_MOVING);
		fill_table(FL_FLOW_OPEN, 0);
		other_rows[0] = fl_row_until(row.word, tick + 9);
		other_rows[1] = fl_row_until(row.word, tick + 8);
		ck_assert_int_eq(send_packet(segments[i]), -FL_DROP_ROW_RACE);
		ck_assert_uint_eq(counted.raced, 1);
		ck_assert_uint_eq(counted.extended, 0);
		ck_assert_int_eq(left(), 8); /* theirs */
		ck_assert_uint_eq(get_entry(), 0);
		/* it comes again */
		ck_assert_int_eq(send_packet(segments[i]), 1);
		ck_assert_int_eq(left(), row_ticks());
	}
}
END_TEST

/* Nobody is left for whom the row could be prolonged. */
START_TEST(test_r1_after_both_owners_died)
{
	uint64_t before;

	set_row_after_hold(FL_ROW_MOVING);
	before = row.word;
	fill_table(FL_FLOW_OPEN, 0);
	dies = 3;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_NO_BACKEND);
	ck_assert_uint_eq(row.word, before);
	check_counted(&(struct fl_flow_counter){ .failed = 1 });
}
END_TEST

START_TEST(test_p1_lost_swap_is_decided_again)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 5);
	flow_losses = 1;
	other_flow = entry_of(3, FL_FLOW_SYN, 0); /* the tuple's next flow */
	ck_assert_int_eq(send_packet(0), 3);
	check_entry(3, FL_FLOW_OPEN);
	check_counted(&(struct fl_flow_counter){ 0 });
}
END_TEST

START_TEST(test_p1_lost_swaps_drop_one_packet)
{
	uint64_t before;

	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++) {
		set_row_after_hold((enum fl_row_state)state);
		set_entry(2, FL_FLOW_OPEN, 5);
		before = flows.word[3];
		flow_losses = 2;
		ck_assert_int_eq(send_packet(0), -FL_DROP_ROW_RACE);
		ck_assert_uint_eq(flows.word[3], before);
		check_counted(&(struct fl_flow_counter){ .raced = 1 });
		ck_assert_int_eq(send_packet(0), 2);
		check_entry(2, FL_FLOW_OPEN);
	}
}
END_TEST

START_TEST(test_s2_lost_swaps_drop_one_packet)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_CLOSING, 0);
	flow_losses = 2;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_ROW_RACE);
	check_entry(2, FL_FLOW_CLOSING);
	check_counted(&(struct fl_flow_counter){ .raced = 1 });
}
END_TEST

START_TEST(test_lost_swap_of_s3_is_decided_again)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	flow_losses = 1;
	other_flow = entry_of(3, FL_FLOW_SYN, 0); /* the same SYN, seen elsewhere */
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 3);
	check_entry(3, FL_FLOW_SYN);
	check_counted(&(struct fl_flow_counter){ 0 });
}
END_TEST

START_TEST(test_lost_swaps_of_s3_drop_one_packet)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	flow_losses = 2;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_ROW_RACE);
	ck_assert_uint_eq(counted.raced, 1);
}
END_TEST

START_TEST(test_lost_swap_of_an_insertion_is_decided_again)
{
	set_row_after_hold(FL_ROW_MOVING);
	flow_losses = 1;
	other_flow = entry_of(1, FL_FLOW_OPEN, 0); /* a packet of the old flow, seen elsewhere */
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	check_entry(1, FL_FLOW_OPEN);
	check_counted(&(struct fl_flow_counter){ 0 });
}
END_TEST

START_TEST(test_lost_swaps_of_an_insertion_are_a_failure)
{
	set_row_after_hold(FL_ROW_MOVING);
	flow_losses = 2;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	ck_assert_uint_eq(counted.failed, 1);
	ck_assert_int_eq(left(), row_ticks());
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_stable_row_reads_no_entry,
				       test_s2_syn_goes_to_the_entry,
				       test_s3_syn_of_a_closed_tuple_is_new,
				       test_s3_without_an_owner_leaves_the_entry,
				       test_s4_new_flow_of_a_moving_row_goes_to_cur,
				       test_s4_hold_sends_new_flows_to_prev,
				       test_s4_without_a_place_goes_to_prev,
				       test_s5_new_flow_of_a_settling_row_is_not_tracked,
				       test_s5_leftover_of_a_dead_slot_is_rewritten,
				       test_s5_leftover_that_another_core_takes_does_not_matter,
				       test_p1_entry_says_where,
				       test_p1_states_of_an_entry,
				       test_p1_touch_writes_when_it_changes_something,
				       test_p2_unknown_flow_of_a_moving_row_is_of_prev,
				       test_p2_without_a_place_is_r1,
				       test_p3_rst_leaves_no_entry,
				       test_p3_unknown_flow_of_a_settling_row_is_of_cur,
				       test_p4_use_of_anothers_entry_keeps_the_row,
				       test_p4_lost_swap_is_decided_again_when_the_state_changed,
				       test_r1_lost_swap_is_decided_again_then_dropped,
				       test_r1_lost_swaps_drop_one_packet,
				       test_r1_after_both_owners_died,
				       test_p1_lost_swap_is_decided_again,
				       test_p1_lost_swaps_drop_one_packet,
				       test_s2_lost_swaps_drop_one_packet,
				       test_lost_swap_of_s3_is_decided_again,
				       test_lost_swaps_of_s3_drop_one_packet,
				       test_lost_swap_of_an_insertion_is_decided_again,
				       test_lost_swaps_of_an_insertion_are_a_failure,
				       NULL };

	return run_tests("track", tests);
}
