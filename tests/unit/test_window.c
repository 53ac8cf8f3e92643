/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the times of two-owner rows are those of docs/architecture.md: no entry outlives the window
 * of the row that it was written for, no number is too large for its word. Method: every window_s
 * that is served against the rules in whole ticks; the two examples of the document, and both ends
 * of every bound, written out.
 */
#include "run.h"
#include "window.h"

START_TEST(test_window_is_that_of_the_document)
{
	struct fl_window small = fl_window(5, 3), usual = fl_window(900, 3);

	ck_assert_uint_eq(small.unit_shift, 0);
	ck_assert_uint_eq(small.live_units, 82);
	ck_assert_uint_eq(small.row_ticks, 83);
	ck_assert_uint_eq(usual.unit_shift, 7); /* 8 s */
	ck_assert_uint_eq(usual.live_units, 113);
	ck_assert_uint_eq(usual.row_ticks, 912 * 16);
	ck_assert_uint_eq(usual.hold_ticks, 51);
	ck_assert_uint_eq(usual.closed_units, 3);
	ck_assert_uint_eq(usual.evict_units, 8);
}
END_TEST

START_TEST(test_every_window_outlives_every_entry)
{
	for (uint32_t window_s = 1; window_s <= 86400; window_s++) {
		struct fl_window w = fl_window(window_s, 3);
		uint32_t unit = 1u << w.unit_shift, ticks = 16 * window_s + 2;

		CHECK(w.live_units <= 120);
		CHECK(w.live_units * unit >= ticks && (w.live_units - 1u) * unit < ticks);
		CHECK(unit == 1 || unit / 2 * 120 < ticks); /* the smallest unit that does */
		CHECK(w.row_ticks == (w.live_units + 1u) * unit);
		CHECK(w.evict_units >= 2 && w.closed_units >= 2);
		CHECK(w.row_ticks < 1 << 23); /* a signed difference of 24 bits */
		CHECK(w.unused == 0);
	}
}
END_TEST

START_TEST(test_window_where_the_unit_doubles)
{
	ck_assert_uint_eq(fl_window(7, 0).unit_shift, 0); /* 114 ticks */
	ck_assert_uint_eq(fl_window(7, 0).live_units, 114);
	ck_assert_uint_eq(fl_window(8, 0).unit_shift, 1); /* 130 */
	ck_assert_uint_eq(fl_window(8, 0).live_units, 65);
	ck_assert_uint_eq(fl_window(8, 0).row_ticks, 132);
}
END_TEST

START_TEST(test_hold_is_at_most_half_of_the_window)
{
	ck_assert_uint_eq(fl_window(5, 0).hold_ticks, 0);
	ck_assert_uint_eq(fl_window(5, 0).closed_units, 2);
	ck_assert_uint_eq(fl_window(5, 2).hold_ticks, 32 + 3);
	ck_assert_uint_eq(fl_window(5, 2).closed_units, 35 + 2);
	ck_assert_uint_eq(fl_window(5, 3).hold_ticks, 40 + 3);
	ck_assert_uint_eq(fl_window(6, 3).hold_ticks, 48 + 3);
	ck_assert_uint_eq(fl_window(6, 4).hold_ticks, 48 + 3);
	ck_assert_uint_eq(fl_window(1, 1).hold_ticks, 8 + 3);
}
END_TEST

/* 64 s in units; what is beyond the life of an entry never happens. */
START_TEST(test_eviction_is_after_64_s)
{
	ck_assert_uint_eq(fl_window(5, 3).evict_units, UINT8_MAX); /* 1024 units of a tick */
	ck_assert_uint_eq(fl_window(60, 3).unit_shift, 4);	   /* a second */
	ck_assert_uint_eq(fl_window(60, 3).evict_units, 64);
	ck_assert_uint_eq(fl_window(3600, 3).unit_shift, 9); /* 32 s */
	ck_assert_uint_eq(fl_window(3600, 3).evict_units, 2);
	ck_assert_uint_eq(fl_window(86400, 3).evict_units, 2); /* 1 unit may be a moment */
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_window_is_that_of_the_document, test_every_window_outlives_every_entry,
		test_window_where_the_unit_doubles,  test_hold_is_at_most_half_of_the_window,
		test_eviction_is_after_64_s,	     NULL
	};

	return run_tests("window", tests);
}
