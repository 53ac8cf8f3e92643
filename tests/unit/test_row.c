/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a row number is always inside the table, shared evenly over the hashes; the row word keeps
 * its fields apart; the plane changes it by T1 to T8 and the timer of docs/architecture.md.
 * Method: the first and the last hash of every row, by long division, for every size that is
 * served; all owners; each rule by itself, all words written out.
 */
#include "row.h"
#include "run.h"
#include "window.h"

static const uint32_t row_counts[] = { 251,   509,   1021,   2039,   4093,   8191,   16381,
				       32749, 65537, 131071, 262139, 524287, 1048573 };

#define ROW_COUNTS (sizeof row_counts / sizeof row_counts[0])

START_TEST(test_row_index_begins_and_ends_inside_the_table)
{
	for (uint32_t i = 0; i < ROW_COUNTS; i++) {
		ck_assert_uint_eq(fl_row_index(0, row_counts[i]), 0);
		ck_assert_uint_eq(fl_row_index(0xffffffff, row_counts[i]), row_counts[i] - 1);
		ck_assert_uint_eq(fl_row_index(UINT64_MAX, row_counts[i]), row_counts[i] - 1);
	}
}
END_TEST

START_TEST(test_row_index_gives_each_row_its_share)
{
	for (uint32_t i = 0; i < ROW_COUNTS; i++) {
		uint64_t count = row_counts[i];

		for (uint64_t row = 0; row < count; row++) {
			/* the smallest hash h with floor(h * count / 2^32) = row */
			uint64_t first = ((row << 32) + count - 1) / count;
			uint64_t next = (((row + 1) << 32) + count - 1) / count;

			CHECK(fl_row_index(first, row_counts[i]) == row);
			CHECK(fl_row_index(next - 1, row_counts[i]) == row);
		}
	}
}
END_TEST

START_TEST(test_row_index_reads_the_low_half_of_the_hash_only)
{
	for (uint32_t bit = 0; bit < 32; bit++)
		ck_assert_uint_eq(fl_row_index(0x12345678 | 1ull << (32 + bit), 65537),
				  fl_row_index(0x12345678, 65537));
	ck_assert_uint_ne(fl_row_index(0x12345678, 65537), fl_row_index(0x92345678, 65537));
}
END_TEST

START_TEST(test_row_word_keeps_its_fields_apart)
{
	for (uint32_t cur = 0; cur <= 0xffff; cur++) {
		uint64_t row = fl_row_stable(cur);

		CHECK(fl_row_cur(row) == cur);
		CHECK((row >> 16 & 0xffff) == FL_ROW_NONE); /* no previous owner */
		CHECK((row >> 32 & 0xffffff) == 0);	    /* until nothing */
		CHECK(row >> 56 == FL_ROW_STABLE);
	}
	ck_assert_uint_eq(fl_row_cur(0xffffffffffff0007), 7);
}
END_TEST

START_TEST(test_row_until_is_a_signed_difference)
{
	uint64_t row = fl_row_word(FL_ROW_MOVING, 2, 1, 0x1fffffffffe);

	ck_assert_uint_eq(row, 0x01fffffe00010002);
	ck_assert_uint_eq(fl_row_until(row, 0x12000003), 0x0100000300010002);
	ck_assert_int_eq(fl_row_left(row, 0xfffff9), 5);
	ck_assert_int_eq(fl_row_left(row, 0xfffffe), 0);
	ck_assert_int_eq(fl_row_left(row, 0x1000003), -5); /* the tick wrapped */
	ck_assert_int_eq(fl_row_left(fl_row_until(row, 0x1000003), 0xfffffe), 5);
	ck_assert_int_eq(fl_row_left(row, 0x17ffffe), -0x800000); /* half of it all */
	ck_assert_int_eq(fl_row_left(row, 0x17fffff), 0x7fffff);
}
END_TEST

/* --- T1 to T8: a window of 5 s, 83 ticks, that begins at 0x1000, so it ends at 0x1053 --- */

enum { TICK = 0x1000, DEAD_CUR = 1, DEAD_PREV = 2 };

/* @param dead DEAD_CUR, DEAD_PREV. */
static uint64_t
change(uint64_t row, uint32_t owner, uint32_t dead)
{
	struct fl_window window = fl_window(5, 3);
	struct fl_row_now now = { .window = &window,
				  .tick = TICK,
				  .cur_is_live = !(dead & DEAD_CUR),
				  .prev_is_live = !(dead & DEAD_PREV) };

	return fl_row_change(row, owner, &now);
}

START_TEST(test_row_that_has_its_owner_stays)
{
	ck_assert_uint_eq(change(0x00000000ffff0002, 2, 0), 0x00000000ffff0002);
	ck_assert_uint_eq(change(0x0100101000010002, 2, 0), 0x0100101000010002);
	ck_assert_uint_eq(change(0x02001010ffff0002, 2, 0), 0x02001010ffff0002);
	ck_assert_uint_eq(change(0x00000000ffffffff, FL_ROW_NONE, DEAD_CUR), 0x00000000ffffffff);
}
END_TEST

START_TEST(test_row_t1_dead_prev_is_forgotten)
{
	/* whoever owns it next: cur, then another, by T2 */
	ck_assert_uint_eq(change(0x0100101000010002, 2, DEAD_PREV), 0x02001053ffff0002);
	ck_assert_uint_eq(change(0x0100101000010002, 3, DEAD_PREV), 0x0100105300020003);
	/* prev of a row that is not moving is nobody: nothing to forget */
	ck_assert_uint_eq(change(0x02001010ffff0002, 2, DEAD_PREV), 0x02001010ffff0002);
}
END_TEST

START_TEST(test_row_t2_moves)
{
	ck_assert_uint_eq(change(0x00000000ffff0002, 3, DEAD_PREV), 0x0100105300020003);
	ck_assert_uint_eq(change(0x02001010ffff0002, 3, DEAD_PREV), 0x0100105300020003);
	ck_assert_uint_eq(change(0x00000000ffff0002, FL_ROW_NONE, DEAD_PREV), 0x010010530002ffff);
}
END_TEST

START_TEST(test_row_t3_returns)
{
	ck_assert_uint_eq(change(0x0100101000010002, 1, 0), 0x02001053ffff0001);
}
END_TEST

START_TEST(test_row_t4_keeps_prev_and_until)
{
	ck_assert_uint_eq(change(0x0100101000010002, 3, 0), 0x0100101000010003);
	ck_assert_uint_eq(change(0x01fff01000010002, 0xfffe, 0), 0x01fff0100001fffe);
}
END_TEST

START_TEST(test_row_t6_of_a_dead_owner_is_stable)
{
	ck_assert_uint_eq(change(0x00000000ffff0002, 3, DEAD_CUR | DEAD_PREV), 0x00000000ffff0003);
	ck_assert_uint_eq(change(0x00000000ffffffff, 3, DEAD_CUR | DEAD_PREV), 0x00000000ffff0003);
	ck_assert_uint_eq(change(0x00000000ffff0002, FL_ROW_NONE, DEAD_CUR | DEAD_PREV),
			  0x00000000ffffffff);
}
END_TEST

START_TEST(test_row_t7_of_a_dead_owner_settles_anew)
{
	ck_assert_uint_eq(change(0x02001010ffff0002, 3, DEAD_CUR | DEAD_PREV), 0x02001053ffff0003);
	ck_assert_uint_eq(change(0x02001010ffffffff, 3, DEAD_CUR | DEAD_PREV), 0x02001053ffff0003);
}
END_TEST

START_TEST(test_row_t8_new_owner_died)
{
	ck_assert_uint_eq(change(0x0100101000010002, 1, DEAD_CUR), 0x02001053ffff0001); /* T3 */
	ck_assert_uint_eq(change(0x0100101000010002, 3, DEAD_CUR), 0x0100101000010003); /* T4 */
	ck_assert_uint_eq(change(0x0100101000010002, 3, DEAD_CUR | DEAD_PREV), 0x02001053ffff0003);
}
END_TEST

START_TEST(test_row_without_a_window_is_stable_at_once)
{
	static const uint64_t rows[] = { 0x00000000ffff0002, 0x0100101000010002,
					 0x02001010ffff0002 };
	struct fl_window window = { 0 };
	struct fl_row_now now = { .window = &window, .tick = TICK };

	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t dead = 0; dead < 4; dead++) {
			now.cur_is_live = !(dead & DEAD_CUR);
			now.prev_is_live = !(dead & DEAD_PREV);
			ck_assert_uint_eq(fl_row_change(rows[i], 3, &now), 0x00000000ffff0003);
			ck_assert_uint_eq(fl_row_change(rows[i], 2, &now), 0x00000000ffff0002);
		}
}
END_TEST

START_TEST(test_row_window_may_end_behind_the_wrap)
{
	struct fl_window window = fl_window(5, 3);
	struct fl_row_now now = {
		.window = &window, .tick = 0xfffff0, .cur_is_live = true, .prev_is_live = true
	};

	ck_assert_uint_eq(fl_row_change(0x00000000ffff0002, 3, &now), 0x0100004300020003);
	ck_assert_uint_eq(fl_row_change(0x0100000000010002, 1, &now), 0x02000043ffff0001);
}
END_TEST

START_TEST(test_row_begins_another_window_again)
{
	struct fl_window window = fl_window(5, 3);

	ck_assert_uint_eq(fl_row_again(0x0100100000010002, &window, 0x0800), 0x0100085300010002);
	ck_assert_uint_eq(fl_row_again(0x02001000ffff0002, &window, 0x2000), 0x02002053ffff0002);
	ck_assert_uint_eq(fl_row_again(0x00000000ffff0002, &window, 0x0800), 0x00000000ffff0002);
}
END_TEST

/* --- the timer --- */

START_TEST(test_row_timer_makes_one_step_of_a_row_that_is_due)
{
	struct fl_window window = fl_window(5, 3);

	/* until 0x1000 */
	ck_assert_uint_eq(fl_row_timer(0x0100100000010002, &window, 0x0fff), 0x0100100000010002);
	ck_assert_uint_eq(fl_row_timer(0x0100100000010002, &window, 0x1000), 0x02001053ffff0002);
	ck_assert_uint_eq(fl_row_timer(0x02001000ffff0002, &window, 0x0fff), 0x02001000ffff0002);
	ck_assert_uint_eq(fl_row_timer(0x02001000ffff0002, &window, 0x1000), 0x00000000ffff0002);
	/* late: its window begins when it is looked at */
	ck_assert_uint_eq(fl_row_timer(0x0100100000010002, &window, 0x5000), 0x02005053ffff0002);
	ck_assert_uint_eq(fl_row_timer(0x02001000ffff0002, &window, 0x5000), 0x00000000ffff0002);
	/* nobody's */
	ck_assert_uint_eq(fl_row_timer(0x010010000002ffff, &window, 0x1000), 0x02001053ffffffff);
	/* until is behind the wrap */
	ck_assert_uint_eq(fl_row_timer(0x0100000300010002, &window, 0xfffffe), 0x0100000300010002);
}
END_TEST

START_TEST(test_row_timer_leaves_a_stable_row)
{
	struct fl_window window = fl_window(5, 3), none = { 0 };

	for (uint64_t tick = 0; tick < 0x1000000; tick += 0x7ffff) {
		ck_assert_uint_eq(fl_row_timer(0x00000000ffff0002, &window, tick),
				  0x00000000ffff0002);
		ck_assert_uint_eq(fl_row_timer(0x00000000ffff0002, &none, tick),
				  0x00000000ffff0002);
	}
}
END_TEST

START_TEST(test_row_timer_without_a_window_is_stable_at_once)
{
	struct fl_window none = { 0 };

	ck_assert_uint_eq(fl_row_timer(0x0100100000010002, &none, 0x0500), 0x00000000ffff0002);
	ck_assert_uint_eq(fl_row_timer(0x02001000ffff0002, &none, 0x0500), 0x00000000ffff0002);
	ck_assert_uint_eq(fl_row_timer(0x0100100000010002, &none, 0x1000), 0x00000000ffff0002);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_row_index_begins_and_ends_inside_the_table,
				       test_row_index_gives_each_row_its_share,
				       test_row_index_reads_the_low_half_of_the_hash_only,
				       test_row_word_keeps_its_fields_apart,
				       test_row_until_is_a_signed_difference,
				       test_row_that_has_its_owner_stays,
				       test_row_t1_dead_prev_is_forgotten,
				       test_row_t2_moves,
				       test_row_t3_returns,
				       test_row_t4_keeps_prev_and_until,
				       test_row_t6_of_a_dead_owner_is_stable,
				       test_row_t7_of_a_dead_owner_settles_anew,
				       test_row_t8_new_owner_died,
				       test_row_without_a_window_is_stable_at_once,
				       test_row_window_may_end_behind_the_wrap,
				       test_row_begins_another_window_again,
				       test_row_timer_makes_one_step_of_a_row_that_is_due,
				       test_row_timer_leaves_a_stable_row,
				       test_row_timer_without_a_window_is_stable_at_once,
				       NULL };

	return run_tests("row", tests);
}
