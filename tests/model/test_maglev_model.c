/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: maglev_build() makes the very table that the rule in maglev.h describes, for any set.
 * Method: a naive twin written from that rule, with long division, full sorts and linear searches,
 * and nothing of maglev.c but its header; both build along a random walk of sets (add, remove,
 * change of weight, other size, other order), and must agree on each row. After each step also:
 * shares within 1 % of their due or one row, whichever is more; no row without owner or for a
 * weight of zero; the reversed set gives the same table.
 *
 * test_maglev_model [SEED [STEPS]]; the seed is printed, so that a failure can be replayed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maglev.h"

enum {
	STEPS = 1000,
	STEPS_A_SIZE = 20, /* then another, so that large sets build up and are cut down */
	SET_MAX = 1200,
	ROWS_MAX = 65537,
};

static struct maglev_backend set[SET_MAX], reversed[SET_MAX];
static uint32_t set_count;
static uint16_t rows[ROWS_MAX], reversed_rows[ROWS_MAX], twin_rows[ROWS_MAX];
static uint64_t random_state;

static uint64_t
random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

static uint32_t
random_below(uint32_t end)
{
	return (uint32_t)(random_next() % end);
}

/* --- the twin --- */

static const uint64_t G = UINT64_C(0x9e3779b97f4a7c15);

struct twin {
	const struct maglev_backend *backend;
	uint64_t id, position, step, remainder;
	uint64_t need; /* rows that it has not got */
	bool got_left_over;
};

static struct twin twins[SET_MAX];
static uint32_t twin_count;

static uint64_t
twin_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x;
}

static uint64_t
twin_scale(uint64_t h, uint64_t n)
{
	return ((h >> 32) * n) >> 32;
}

static uint64_t
twin_half(const struct addr *address, int half)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value * 256 + address->bytes[half * 8 + i];
	return value;
}

static int
twin_order(const void *left, const void *right)
{
	const struct twin *a = left, *b = right;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return memcmp(a->backend->address.bytes, b->backend->address.bytes, 16);
}

/* The first in order of those with the largest remainder that has got no left-over row yet. */
static struct twin *
twin_next_left_over(void)
{
	struct twin *best = NULL;

	for (uint32_t i = 0; i < twin_count; i++)
		if (!twins[i].got_left_over &&
		    (best == NULL || twins[i].remainder > best->remainder))
			best = &twins[i];
	return best;
}

/* Steps 1 and 2. */
static void
twin_shares(uint64_t M)
{
	uint64_t W = 0, left_over = M;

	twin_count = 0;
	for (uint32_t i = 0; i < set_count; i++)
		W += set[i].weight;
	for (uint32_t i = 0; i < set_count; i++) {
		struct twin *twin = &twins[twin_count];

		if (set[i].weight == 0)
			continue;
		*twin = (struct twin){ .backend = &set[i] };
		twin->id = twin_mix(twin_mix(twin_half(&set[i].address, 0) + G) ^
				    twin_half(&set[i].address, 1));
		twin->need = set[i].weight * M / W;
		twin->remainder = set[i].weight * M % W;
		twin->position = twin_scale(twin_mix(twin->id + G), M);
		twin->step = 1 + twin_scale(twin_mix(twin->id + G) << 32, M - 1);
		left_over -= twin->need;
		twin_count++;
	}
	qsort(twins, twin_count, sizeof *twins, twin_order);
	for (; twin_count > 0 && left_over > 0; left_over--) {
		struct twin *twin = twin_next_left_over();

		twin->need++;
		twin->got_left_over = true;
	}
}

/* Step 3. */
static void
twin_walk(uint64_t M)
{
	uint64_t largest = 1, free_rows = M;

	for (uint32_t i = 0; i < twin_count; i++)
		if (twins[i].backend->weight > largest)
			largest = twins[i].backend->weight;
	while (free_rows > M / 2048) {
		for (uint32_t i = 0; i < twin_count; i++) {
			struct twin *twin = &twins[i];
			uint64_t looks =
				(16 * (uint64_t)twin->backend->weight + largest - 1) / largest;

			for (uint64_t look = 0; look < looks && twin->need > 0; look++) {
				if (twin_rows[twin->position] == MAGLEV_NONE) {
					twin_rows[twin->position] = twin->backend->index;
					twin->need--;
					free_rows--;
				}
				twin->position = (twin->position + twin->step) % M;
			}
		}
	}
}

/* Step 4. */
static void
twin_rest(uint64_t M)
{
	for (uint32_t i = 0; i < twin_count; i++) {
		for (; twins[i].need > 0; twins[i].need--) {
			uint64_t row = twins[i].position;

			while (twin_rows[row] != MAGLEV_NONE)
				row = (row + 1) % M;
			twin_rows[row] = twins[i].backend->index;
		}
	}
}

static void
twin_build(uint64_t M)
{
	for (uint64_t row = 0; row < M; row++)
		twin_rows[row] = MAGLEV_NONE;
	twin_shares(M);
	if (twin_count == 0)
		return;
	twin_walk(M);
	twin_rest(M);
}

/* --- the walk of sets --- */

static uint16_t
random_weight(void)
{
	switch (random_below(8)) {
	case 0:
		return 0;
	case 1:
		return MAGLEV_WEIGHT_MAX;
	case 2:
		return (uint16_t)random_below(MAGLEV_WEIGHT_MAX + 1);
	case 3:
		return (uint16_t)(1 + random_below(10));
	default:
		return 100;
	}
}

static struct addr
random_address(void)
{
	struct addr address = { { [10] = 0xff, [11] = 0xff, [12] = 10 } };
	uint32_t low = (uint32_t)random_next();

	if (random_below(4) == 0) {
		memset(address.bytes, 0, sizeof address.bytes);
		memcpy(address.bytes, "\x20\x01\x0d\xb8", 4);
		address.bytes[7] = (uint8_t)random_below(3);
	}
	address.bytes[13] = (uint8_t)(low >> 16);
	address.bytes[14] = (uint8_t)(low >> 8);
	address.bytes[15] = (uint8_t)low;
	return address;
}

/* Indices are unique: the place in the array at the time of adding, kept free of others. */
static void
set_add(void)
{
	struct maglev_backend added = { .address = random_address(), .weight = random_weight() };
	bool taken[SET_MAX + 1] = { false };

	for (uint32_t i = 0; i < set_count; i++) {
		if (memcmp(&set[i].address, &added.address, sizeof added.address) == 0)
			return;
		taken[set[i].index] = true;
	}
	while (taken[added.index])
		added.index++;
	set[set_count++] = added;
}

static void
set_change(uint32_t count_max)
{
	uint32_t kind = random_below(10), times = 1 + random_below(kind == 0 ? count_max : 3);

	for (uint32_t i = 0; i < times; i++) {
		uint32_t at = set_count == 0 ? 0 : random_below(set_count);

		if (kind < 5 && set_count < count_max)
			set_add();
		else if (kind < 8 && set_count > 0)
			set[at] = set[--set_count];
		else if (set_count > 0)
			set[at].weight = random_weight();
	}
	if (random_below(20) == 0) /* all alike */
		for (uint32_t i = 0; i < set_count; i++)
			set[i].weight = 7;
}

static void
fail(uint64_t seed, uint32_t step, uint32_t row_count, const char *what)
{
	fprintf(stderr, "test_maglev_model: %s: seed %llu, step %u, %u backends, %u rows\n", what,
		(unsigned long long)seed, step, set_count, row_count);
	exit(EXIT_FAILURE);
}

/* @return what is wrong with the shares; NULL: nothing. */
static const char *
check_shares(uint32_t row_count)
{
	static uint32_t shares[SET_MAX + 1];
	uint64_t weight_sum = 0;

	memset(shares, 0, sizeof shares);
	for (uint32_t i = 0; i < set_count; i++)
		weight_sum += set[i].weight;
	for (uint32_t row = 0; row < row_count && weight_sum > 0; row++) {
		if (rows[row] == MAGLEV_NONE)
			return "a row has no owner";
		shares[rows[row]]++;
	}
	for (uint32_t i = 0; i < set_count; i++) {
		/* All times weight_sum, to stay exact. */
		uint64_t due = (uint64_t)set[i].weight * row_count;
		uint64_t share = shares[set[i].index] * weight_sum;
		uint64_t off = share > due ? share - due : due - share;

		if (set[i].weight == 0 && share != 0)
			return "a weight of zero owns a row";
		if (off > weight_sum && off * 100 > due)
			return "a share is off";
	}
	return NULL;
}

static int
build(struct maglev *maglev, const struct maglev_backend *backends, uint32_t row_count,
      uint16_t *ret_rows)
{
	const struct maglev_request request = { .backends = backends,
						.backend_count = set_count,
						.row_count = row_count,
						.rows = ret_rows };

	return maglev_build(maglev, &request);
}

static void
walk_step(struct maglev *maglev, uint64_t seed, uint32_t step)
{
	static const uint32_t sizes[] = { 251, 509, 1021, 2039, 4093, 8191, 65537 };
	static uint32_t row_count;
	uint32_t count_max;
	const char *wrong;

	if (step % STEPS_A_SIZE == 0)
		row_count = sizes[random_below(7)];
	count_max = row_count / MAGLEV_ROWS_PER_BACKEND_MIN;
	count_max = count_max < SET_MAX ? count_max : SET_MAX;
	set_change(count_max);
	if (set_count > count_max)
		set_count = count_max;
	for (uint32_t i = 0; i < set_count; i++)
		reversed[i] = set[set_count - 1 - i];
	if (build(maglev, set, row_count, rows) != 0 ||
	    build(maglev, reversed, row_count, reversed_rows) != 0)
		fail(seed, step, row_count, "refused");
	twin_build(row_count);
	for (uint32_t row = 0; row < row_count; row++) {
		if (rows[row] != twin_rows[row])
			fail(seed, step, row_count, "differs from the twin");
		if (rows[row] != reversed_rows[row])
			fail(seed, step, row_count, "depends on the order");
	}
	wrong = check_shares(row_count);
	if (wrong != NULL)
		fail(seed, step, row_count, wrong);
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
	uint32_t steps = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : STEPS;
	struct maglev *maglev;

	printf("seed %llu, %u steps\n", (unsigned long long)seed, steps);
	random_state = seed * 2 + 1; /* never 0 */
	if (maglev_create(ROWS_MAX, SET_MAX, &maglev) < 0)
		return EXIT_FAILURE;
	for (uint32_t step = 0; step < steps; step++)
		walk_step(maglev, seed, step);
	maglev_destroy(maglev);
	return EXIT_SUCCESS;
}
