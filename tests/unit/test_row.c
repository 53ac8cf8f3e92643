/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a row number is always inside the table, shared evenly over the hashes, and the row word
 * keeps its fields apart. Method: the first and the last hash of every row, by long division, for
 * every size that is served; all owners.
 */
#include "row.h"
#include "run.h"

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

int
main(void)
{
	const TTest *const tests[] = { test_row_index_begins_and_ends_inside_the_table,
				       test_row_index_gives_each_row_its_share,
				       test_row_index_reads_the_low_half_of_the_hash_only,
				       test_row_word_keeps_its_fields_apart, NULL };

	return run_tests("row", tests);
}
