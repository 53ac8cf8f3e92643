/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: maglev.h keeps its word at the edges: sizes, refusals, zero weights, exact shares, and
 * the quality that is promised for 1000 backends on 65537 rows. (That the table is the one of the
 * written rule is shown by tests/model/test_maglev_model.c.) Method: small sets with known answers;
 * a pinned hash of one table, so that no machine and no later version builds another; the n-th
 * allocation failing.
 */
#include <errno.h>
#include <string.h>

#include "fail_alloc.h"
#include "maglev.h"
#include "run.h"

enum {
	BACKENDS = 1000,
	ROWS = 65537,
};

static struct maglev_backend backends[MAGLEV_BACKENDS_MAX];
static uint16_t rows[MAGLEV_ROWS_MAX], other_rows[ROWS];
static uint32_t shares[MAGLEV_BACKENDS_MAX];

static void
set_up(uint32_t count, uint32_t weight_max)
{
	for (uint32_t i = 0; i < count; i++)
		backends[i] = (struct maglev_backend){
			.address = { { [10] = 0xff,
				       [11] = 0xff,
				       [12] = 10,
				       [14] = (uint8_t)(i >> 8),
				       [15] = (uint8_t)i } },
			.index = (uint16_t)i,
			.weight = (uint16_t)(1 + i % weight_max),
		};
}

static int
build(struct maglev *maglev, uint32_t count, uint32_t row_count)
{
	const struct maglev_request request = {
		.backends = backends, .backend_count = count, .row_count = row_count, .rows = rows
	};
	int r = maglev_build(maglev, &request);

	memset(shares, 0, sizeof shares);
	for (uint32_t row = 0; r == 0 && row < row_count; row++)
		if (rows[row] != MAGLEV_NONE)
			shares[rows[row]]++;
	return r;
}

static struct maglev *
make(uint32_t row_count_max, uint32_t backend_count_max)
{
	struct maglev *maglev;

	ck_assert_int_eq(maglev_create(row_count_max, backend_count_max, &maglev), 0);
	return maglev;
}

START_TEST(test_maglev_row_counts_are_primes)
{
	uint32_t count;
	const uint32_t *sizes = maglev_row_counts(&count);

	ck_assert_uint_eq(count, 13);
	ck_assert_uint_eq(sizes[0], 251);
	ck_assert_uint_eq(sizes[count - 1], MAGLEV_ROWS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert(maglev_row_count_valid(sizes[i]));
		ck_assert(i == 0 || sizes[i - 1] < sizes[i]);
		for (uint32_t k = 2; k * k <= sizes[i]; k++)
			CHECK(sizes[i] % k != 0);
	}
	ck_assert(!maglev_row_count_valid(0));
	ck_assert(!maglev_row_count_valid(65536));
	ck_assert_uint_eq(maglev_row_count_needed(1), 251);
	ck_assert_uint_eq(maglev_row_count_needed(25), 251);
	ck_assert_uint_eq(maglev_row_count_needed(26), 509);
	ck_assert_uint_eq(maglev_row_count_needed(6553), 65537);
	ck_assert_uint_eq(maglev_row_count_needed(MAGLEV_BACKENDS_MAX), 1048573);
	ck_assert_uint_eq(maglev_row_count_needed(200000), 0);
}
END_TEST

START_TEST(test_maglev_create_refuses_what_is_out_of_range)
{
	struct maglev *maglev = NULL;

	ck_assert_int_eq(maglev_create(250, 10, &maglev), -EINVAL);
	ck_assert_int_eq(maglev_create(MAGLEV_ROWS_MAX + 1, 10, &maglev), -EINVAL);
	ck_assert_int_eq(maglev_create(251, 0, &maglev), -EINVAL);
	ck_assert_int_eq(maglev_create(251, MAGLEV_BACKENDS_MAX + 1, &maglev), -EINVAL);
	ck_assert_ptr_null(maglev);
	maglev_destroy(NULL);
}
END_TEST

START_TEST(test_maglev_build_refuses_and_leaves_the_rows)
{
	struct maglev *maglev = make(509, 40);

	set_up(100, 1);
	memset(rows, 0x5a, sizeof rows);
	ck_assert_int_eq(build(maglev, 10, 250), -EINVAL);
	ck_assert_int_eq(build(maglev, 10, 0), -EINVAL);
	ck_assert_int_eq(build(maglev, 10, 1021), -EINVAL);
	ck_assert_int_eq(build(maglev, 26, 251), -E2BIG);
	ck_assert_int_eq(build(maglev, 41, 509), -E2BIG);
	backends[3].index = MAGLEV_NONE;
	ck_assert_int_eq(build(maglev, 10, 251), -EINVAL);
	backends[3].index = 3;
	backends[7].address = backends[2].address;
	ck_assert_int_eq(build(maglev, 10, 251), -EEXIST);
	backends[7].weight = 0; /* twice is twice, with weight or without */
	ck_assert_int_eq(build(maglev, 10, 251), -EEXIST);
	for (uint32_t row = 0; row < 1021; row++)
		CHECK(rows[row] == 0x5a5a);
	ck_assert_int_eq(build(maglev, 7, 251), 0);
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_without_weight_nobody_owns_a_row)
{
	struct maglev *maglev = make(251, 25);

	set_up(25, 1);
	for (uint32_t i = 0; i < 25; i++)
		backends[i].weight = 0;
	for (uint32_t count = 0; count <= 25; count += 25) {
		memset(rows, 0, sizeof rows);
		ck_assert_int_eq(build(maglev, count, 251), 0);
		for (uint32_t row = 0; row < 251; row++)
			CHECK(rows[row] == MAGLEV_NONE);
	}
	backends[24].weight = 1;
	ck_assert_int_eq(build(maglev, 25, 251), 0);
	ck_assert_uint_eq(shares[24], 251);
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_shares_are_the_largest_remainders)
{
	struct maglev *maglev = make(251, 25);
	static const uint32_t expected[] = { 1, 0, 0, 83, 167 };

	/* Dues of 251: 0.84, 0, 0.33, 83.0, 166.7; the fractions above 0.67 get a row more. */
	set_up(5, 1);
	backends[0].weight = 300;
	backends[1].weight = 0;
	backends[2].weight = 119;
	backends[3].weight = 29664;
	backends[4].weight = 59563;
	ck_assert_int_eq(build(maglev, 5, 251), 0);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(shares[i], expected[i]);
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_small_sets)
{
	struct maglev *maglev = make(MAGLEV_ROWS_MAX, MAGLEV_BACKENDS_MAX);
	uint32_t size_count;
	const uint32_t *sizes = maglev_row_counts(&size_count);

	for (uint32_t i = 0; i < size_count; i++) {
		set_up(3, 1);
		ck_assert_int_eq(build(maglev, 1, sizes[i]), 0);
		ck_assert_uint_eq(shares[0], sizes[i]);
		ck_assert_int_eq(build(maglev, 2, sizes[i]), 0);
		ck_assert_uint_eq(shares[0] + shares[1], sizes[i]);
		ck_assert_uint_le(
			shares[0] > shares[1] ? shares[0] - shares[1] : shares[1] - shares[0], 1);
		backends[1].weight = MAGLEV_WEIGHT_MAX;
		backends[2].weight = 0;
		ck_assert_int_eq(build(maglev, 3, sizes[i]), 0);
		ck_assert_uint_eq(shares[0] + shares[1], sizes[i]);
		ck_assert_uint_le(shares[0], sizes[i] / 65536 + 1);
	}
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_takes_the_most_backends)
{
	struct maglev *maglev = make(MAGLEV_ROWS_MAX, MAGLEV_BACKENDS_MAX);

	set_up(MAGLEV_BACKENDS_MAX, 1);
	ck_assert_int_eq(build(maglev, MAGLEV_BACKENDS_MAX, MAGLEV_ROWS_MAX), 0);
	for (uint32_t i = 0; i < MAGLEV_BACKENDS_MAX; i++)
		CHECK(shares[i] == 16 || shares[i] == 17);
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_equal_backends_share_evenly)
{
	struct maglev *maglev = make(ROWS, BACKENDS);

	set_up(BACKENDS, 1);
	ck_assert_int_eq(build(maglev, BACKENDS, ROWS), 0);
	for (uint32_t i = 0; i < BACKENDS; i++)
		CHECK(shares[i] == 65 || shares[i] == 66); /* 1.007 of the mean */
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_removal_moves_little_more_than_it_must)
{
	struct maglev *maglev = make(ROWS, BACKENDS);
	uint32_t extra = 0;

	set_up(BACKENDS, 1);
	ck_assert_int_eq(build(maglev, BACKENDS, ROWS), 0);
	memcpy(other_rows, rows, sizeof other_rows);
	for (uint32_t i = 0; i < 20; i++) {
		struct maglev_backend removed = backends[i * 50];

		backends[i * 50] = backends[BACKENDS - 1]; /* another order, too */
		ck_assert_int_eq(build(maglev, BACKENDS - 1, ROWS), 0);
		for (uint32_t row = 0; row < ROWS; row++)
			extra += other_rows[row] != removed.index && other_rows[row] != rows[row];
		backends[i * 50] = removed;
	}
	ck_assert_uint_le(extra, 20 * ROWS * 6 / 1000);
	maglev_destroy(maglev);
}
END_TEST

/* Any change of the rule moves flows between nodes of different versions: it must be seen. */
START_TEST(test_maglev_table_is_pinned)
{
	static const uint64_t expected[] = { UINT64_C(0x13d5fced36cd9eed),
					     UINT64_C(0x105d2dbe9246c6e8) };
	struct maglev *maglev = make(ROWS, BACKENDS);

	for (uint32_t i = 0; i < 2; i++) {
		uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a over the owners */

		set_up(BACKENDS, i == 0 ? 1 : 10);
		ck_assert_int_eq(build(maglev, BACKENDS, ROWS), 0);
		for (uint32_t row = 0; row < ROWS; row++)
			hash = (hash ^ rows[row]) * UINT64_C(0x100000001b3);
		ck_assert_msg(hash == expected[i], "%u: 0x%llx", i, (unsigned long long)hash);
	}
	maglev_destroy(maglev);
}
END_TEST

START_TEST(test_maglev_create_survives_each_failing_allocation)
{
	uint32_t nth = 0;
	int r;

	do {
		struct maglev *maglev = NULL;

		fail_alloc_at(++nth);
		r = maglev_create(ROWS, BACKENDS, &maglev);
		if (fail_alloc_end())
			ck_assert(r == -ENOMEM && maglev == NULL);
		else
			maglev_destroy(maglev);
	} while (r == -ENOMEM && nth < 100);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(nth, 8);
}
END_TEST

START_TEST(test_maglev_build_allocates_nothing)
{
	struct maglev *maglev = make(ROWS, BACKENDS);
	int r;

	set_up(BACKENDS, 10);
	fail_alloc_at(1);
	r = build(maglev, BACKENDS, ROWS);
	ck_assert(!fail_alloc_end());
	ck_assert_int_eq(r, 0);
	maglev_destroy(maglev);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_maglev_row_counts_are_primes,
				       test_maglev_create_refuses_what_is_out_of_range,
				       test_maglev_build_refuses_and_leaves_the_rows,
				       test_maglev_without_weight_nobody_owns_a_row,
				       test_maglev_shares_are_the_largest_remainders,
				       test_maglev_small_sets,
				       test_maglev_takes_the_most_backends,
				       test_maglev_equal_backends_share_evenly,
				       test_maglev_removal_moves_little_more_than_it_must,
				       test_maglev_table_is_pinned,
				       test_maglev_create_survives_each_failing_allocation,
				       test_maglev_build_allocates_nothing,
				       NULL };

	return run_tests("maglev", tests);
}
