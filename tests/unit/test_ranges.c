/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: ranges never overlap, nothing is lost, and what is given back can be taken again in one
 * piece.
 *
 * Method: a random walk beside a naive twin that marks every element; the smallest base that
 * fits is what first fit must give. Then the limits, and each allocation failing.
 */
#include <errno.h>

#include "fail_alloc.h"
#include "ranges.h"
#include "run.h"

enum { SIZE = 200, TAKEN_MAX = 24, STEPS = 20000 };

static uint32_t random_state = 20240117;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

struct twin {
	bool used[SIZE];
	uint32_t base[TAKEN_MAX], count[TAKEN_MAX];
	uint32_t taken;
};

static uint32_t
twin_first_fit(const struct twin *twin, uint32_t count)
{
	for (uint32_t base = 0, run = 0; base < SIZE; base++) {
		run = twin->used[base] ? 0 : run + 1;
		if (run == count)
			return base + 1 - count;
	}
	return UINT32_MAX;
}

static void
twin_mark(struct twin *twin, uint32_t base, uint32_t count, bool used)
{
	for (uint32_t i = base; i < base + count; i++)
		twin->used[i] = used;
}

static uint32_t
twin_free(const struct twin *twin, uint32_t *ret_largest)
{
	uint32_t free_count = 0;

	*ret_largest = 0;
	for (uint32_t i = 0, run = 0; i < SIZE; i++) {
		free_count += !twin->used[i];
		run = twin->used[i] ? 0 : run + 1;
		if (run > *ret_largest)
			*ret_largest = run;
	}
	return free_count;
}

static void
step_take(struct ranges *ranges, struct twin *twin)
{
	uint32_t count = 1 + random_below(30), base = 0;
	uint32_t expected = twin_first_fit(twin, count);
	int r = ranges_take(ranges, count, &base);

	if (twin->taken == TAKEN_MAX) {
		CHECK(r == -EMFILE);
		return;
	}
	CHECK(r == (expected == UINT32_MAX ? -ENOSPC : 0));
	if (r < 0)
		return;
	CHECK(base == expected);
	twin_mark(twin, base, count, true);
	twin->base[twin->taken] = base;
	twin->count[twin->taken++] = count;
}

static void
step_give(struct ranges *ranges, struct twin *twin)
{
	uint32_t i;

	if (twin->taken == 0)
		return;
	i = random_below(twin->taken);
	ranges_give(ranges, twin->base[i], twin->count[i]);
	twin_mark(twin, twin->base[i], twin->count[i], false);
	twin->taken--;
	twin->base[i] = twin->base[twin->taken];
	twin->count[i] = twin->count[twin->taken];
}

START_TEST(test_ranges_are_as_the_naive_twin)
{
	struct twin twin = { 0 };
	struct ranges *ranges;
	uint32_t largest;

	ck_assert_int_eq(ranges_create(SIZE, TAKEN_MAX, &ranges), 0);
	for (uint32_t i = 0; i < STEPS; i++) {
		if (random_below(100) < 52)
			step_take(ranges, &twin);
		else
			step_give(ranges, &twin);
		CHECK(ranges_free(ranges) == twin_free(&twin, &largest));
		CHECK(ranges_largest(ranges) == largest);
	}
	while (twin.taken > 0)
		step_give(ranges, &twin);
	ck_assert_uint_eq(ranges_largest(ranges), SIZE);
	ranges_destroy(ranges);
}
END_TEST

START_TEST(test_ranges_take_the_whole_arena)
{
	struct ranges *ranges;
	uint32_t base;

	ck_assert_int_eq(ranges_create(1, 1, &ranges), 0);
	ck_assert_int_eq(ranges_take(ranges, 2, &base), -ENOSPC);
	ck_assert_int_eq(ranges_take(ranges, 1, &base), 0);
	ck_assert_uint_eq(base, 0);
	ck_assert_uint_eq(ranges_free(ranges), 0);
	ranges_give(ranges, 0, 1);
	ck_assert_int_eq(ranges_take(ranges, 1, &base), 0);
	ranges_destroy(ranges);
}
END_TEST

START_TEST(test_ranges_refuse_to_be_made_wrong)
{
	struct ranges *ranges = NULL;

	ck_assert_int_eq(ranges_create(0, 1, &ranges), -EINVAL);
	ck_assert_int_eq(ranges_create(1, 0, &ranges), -EINVAL);
	ck_assert_int_eq(ranges_create(1, UINT32_MAX, &ranges), -EINVAL);
	fail_alloc_at(1);
	ck_assert_int_eq(ranges_create(SIZE, TAKEN_MAX, &ranges), -ENOMEM);
	ck_assert(fail_alloc_end());
	ck_assert_ptr_null(ranges);
	ranges_destroy(NULL);
}
END_TEST

START_TEST(test_ranges_take_at_what_is_free)
{
	struct ranges *ranges;
	uint32_t base;

	ck_assert_int_eq(ranges_create(100, 6, &ranges), 0);
	ck_assert_int_eq(ranges_take_at(ranges, 40, 10), 0);
	ck_assert_int_eq(ranges_take_at(ranges, 0, 10), 0);
	ck_assert_int_eq(ranges_take_at(ranges, 90, 10), 0);
	/* the same, its parts, what reaches into it, what is not there */
	ck_assert_int_eq(ranges_take_at(ranges, 40, 10), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 44, 1), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 35, 6), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 49, 5), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 0, 100), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 99, 2), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 100, 1), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, UINT32_MAX, 2), -EEXIST);
	ck_assert_int_eq(ranges_take_at(ranges, 20, 0), -EEXIST);
	ck_assert_uint_eq(ranges_free(ranges), 70);
	/* a gap whole, and the others go on as if taken in turn */
	ck_assert_int_eq(ranges_take_at(ranges, 10, 30), 0);
	ck_assert_int_eq(ranges_take(ranges, 40, &base), 0);
	ck_assert_uint_eq(base, 50);
	ranges_give(ranges, 40, 10);
	ranges_give(ranges, 10, 30);
	ck_assert_uint_eq(ranges_largest(ranges), 40);
	ck_assert_int_eq(ranges_take_at(ranges, 10, 1), 0);
	ck_assert_int_eq(ranges_take_at(ranges, 12, 1), 0);
	ck_assert_int_eq(ranges_take_at(ranges, 14, 1), 0);
	ck_assert_int_eq(ranges_take_at(ranges, 16, 1), -EMFILE);
	ranges_destroy(ranges);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_ranges_are_as_the_naive_twin,
				       test_ranges_take_the_whole_arena,
				       test_ranges_refuse_to_be_made_wrong,
				       test_ranges_take_at_what_is_free, NULL };

	return run_tests("ranges", tests);
}
