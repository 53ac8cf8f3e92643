/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The rule of maglev.h, step by step, on arrays taken at create. What costs time is the walk (step
 * 3): a dozen probes for each row, at places that no cache line shares. So the walk looks at one
 * bit a row (the bitmap stays in the nearest cache), takes no branch on what it finds, and writes a
 * row that it did not get to a spare one behind the table.
 */
#include "maglev.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORD_BITS = 64,
	DIGIT_BITS = 8,
	DIGITS = 1 << DIGIT_BITS,
};

static const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

static const uint32_t row_counts[] = { 251,   509,   1021,   2039,   4093,   8191,	     16381,
				       32749, 65537, 131071, 262139, 524287, MAGLEV_ROWS_MAX };

/* A backend's place in the order of identities. */
struct place {
	uint64_t identity;
	uint32_t source; /* in the request's array */
};

/* A backend with weight, while rows are given out. In the order of identities. */
struct member {
	uint64_t identity;
	uint32_t remainder; /* of weight * row_count / total weight */
	uint32_t need;	    /* rows that it is still to get */
	uint32_t burst;	    /* probes a turn */
	uint32_t row;	    /* next on its walk */
	uint32_t step;	    /* of its walk */
	uint16_t index;
	uint16_t weight;
};

struct maglev {
	uint32_t row_count_max;
	uint32_t backend_count_max;
	struct place *places;  /* backend_count_max of each of these */
	struct place *sorting; /* the other half of a sort pass */
	struct member *members;
	uint32_t *waiting; /* members that still need rows, in their order */
	uint64_t *free;	   /* a bit a row: nobody owns it */
	uint16_t *rows;	   /* the table being built, and a spare row */
	/* of the build under way: */
	uint32_t row_count;
	uint32_t member_count;
};

bool
maglev_row_count_valid(uint32_t row_count)
{
	for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
		if (row_counts[i] == row_count)
			return true;
	return false;
}

const uint32_t *
maglev_row_counts(uint32_t *ret_count)
{
	*ret_count = sizeof row_counts / sizeof row_counts[0];
	return row_counts;
}

uint32_t
maglev_row_count_needed(uint32_t backend_count)
{
	for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
		if (row_counts[i] / MAGLEV_ROWS_PER_BACKEND_MIN >= backend_count)
			return row_counts[i];
	return 0;
}

static uint32_t
word_count(uint32_t row_count)
{
	return (row_count + WORD_BITS - 1) / WORD_BITS;
}

int
maglev_create(uint32_t row_count_max, uint32_t backend_count_max, struct maglev **ret_maglev)
{
	struct maglev *maglev;

	assert(ret_maglev != NULL);
	if (row_count_max < row_counts[0] || row_count_max > MAGLEV_ROWS_MAX ||
	    backend_count_max == 0 || backend_count_max > MAGLEV_BACKENDS_MAX)
		return -EINVAL;
	maglev = calloc(1, sizeof *maglev);
	if (maglev == NULL)
		return -ENOMEM;
	maglev->row_count_max = row_count_max;
	maglev->backend_count_max = backend_count_max;
	maglev->places = calloc(backend_count_max, sizeof *maglev->places);
	maglev->sorting = calloc(backend_count_max, sizeof *maglev->sorting);
	maglev->members = calloc(backend_count_max, sizeof *maglev->members);
	maglev->waiting = calloc(backend_count_max, sizeof *maglev->waiting);
	maglev->free = calloc(word_count(row_count_max), sizeof *maglev->free);
	maglev->rows = calloc((size_t)row_count_max + 1, sizeof *maglev->rows);
	if (maglev->places == NULL || maglev->sorting == NULL || maglev->members == NULL ||
	    maglev->waiting == NULL || maglev->free == NULL || maglev->rows == NULL) {
		maglev_destroy(maglev);
		return -ENOMEM;
	}
	*ret_maglev = maglev;
	return 0;
}

void
maglev_destroy(struct maglev *maglev)
{
	if (maglev == NULL)
		return;
	free(maglev->rows);
	free(maglev->free);
	free(maglev->waiting);
	free(maglev->members);
	free(maglev->sorting);
	free(maglev->places);
	free(maglev);
}

/* --- step 1: identities, in order --- */

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t
identity_of(const struct addr *address)
{
	uint64_t high = 0, low = 0;

	for (int i = 0; i < 8; i++) {
		high = high << 8 | address->bytes[i];
		low = low << 8 | address->bytes[8 + i];
	}
	return mix(mix(high + golden) ^ low);
}

/* The upper 32 bits of hash, scaled to 0 .. count-1. */
static uint32_t
scale(uint64_t hash, uint32_t count)
{
	return (uint32_t)((hash >> 32) * count >> 32);
}

/* By identity, a digit at a time: no order of the input makes it slow. */
static void
sort_places(struct maglev *maglev, uint32_t count)
{
	for (uint32_t shift = 0; shift < 64; shift += DIGIT_BITS) {
		uint32_t starts[DIGITS + 1] = { 0 };
		struct place *sorted = maglev->sorting;

		for (uint32_t i = 0; i < count; i++)
			starts[(maglev->places[i].identity >> shift) % DIGITS + 1]++;
		for (uint32_t digit = 1; digit < DIGITS; digit++)
			starts[digit] += starts[digit - 1];
		for (uint32_t i = 0; i < count; i++) {
			uint32_t digit = (maglev->places[i].identity >> shift) % DIGITS;

			sorted[starts[digit]++] = maglev->places[i];
		}
		maglev->sorting = maglev->places;
		maglev->places = sorted;
	}
}

static int
place_compare(const void *left, const void *right, void *backends)
{
	const struct maglev_backend *all = backends;
	const struct place *a = left, *b = right;

	return memcmp(&all[a->source].address, &all[b->source].address, sizeof all->address);
}

/* Equal identities go by address. @return 0; -EEXIST: equal addresses. */
static int
order_equals(struct maglev *maglev, const struct maglev_request *request)
{
	void *backends = (void *)(uintptr_t)request->backends;
	struct place *places = maglev->places;

	for (uint32_t i = 0, end; i < request->backend_count; i = end) {
		for (end = i + 1; end < request->backend_count; end++)
			if (places[end].identity != places[i].identity)
				break;
		if (end - i > 1)
			qsort_r(places + i, end - i, sizeof *places, place_compare, backends);
		for (uint32_t k = i + 1; k < end; k++)
			if (place_compare(&places[k - 1], &places[k], backends) == 0)
				return -EEXIST;
	}
	return 0;
}

/* --- step 2: shares --- */

/* Members are the backends with weight. @return the sum of the weights. */
static uint64_t
enlist_members(struct maglev *maglev, const struct maglev_request *request)
{
	uint64_t weight_sum = 0;

	maglev->member_count = 0;
	for (uint32_t i = 0; i < request->backend_count; i++) {
		const struct place *place = &maglev->places[i];
		const struct maglev_backend *backend = &request->backends[place->source];
		uint64_t walk = mix(place->identity + golden);

		if (backend->weight == 0)
			continue;
		weight_sum += backend->weight;
		maglev->members[maglev->member_count++] =
			(struct member){ .identity = place->identity,
					 .row = scale(walk, maglev->row_count),
					 .step = 1 + scale(walk << 32, maglev->row_count - 1),
					 .index = backend->index,
					 .weight = backend->weight };
	}
	return weight_sum;
}

/*
 * The wanted-th largest remainder, digit by digit; wanted is at least 1. @p ret_ties: how many of
 * those equal to it are among the wanted.
 */
static uint32_t
find_threshold(const struct maglev *maglev, uint32_t wanted, uint32_t *ret_ties)
{
	uint32_t threshold = 0;

	for (int shift = 32 - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
		uint32_t counts[DIGITS] = { 0 }, digit = DIGITS - 1;
		uint64_t known = UINT64_MAX << (shift + DIGIT_BITS);

		for (uint32_t i = 0; i < maglev->member_count; i++) {
			uint32_t remainder = maglev->members[i].remainder;

			if ((remainder & known) == threshold)
				counts[remainder >> shift & (DIGITS - 1)]++;
		}
		for (; counts[digit] < wanted; digit--)
			wanted -= counts[digit];
		threshold |= digit << shift;
	}
	*ret_ties = wanted;
	return threshold;
}

/* A row more for the left_over largest remainders. */
static void
give_left_over(struct maglev *maglev, uint32_t left_over)
{
	uint32_t ties, threshold = find_threshold(maglev, left_over, &ties);

	for (uint32_t i = 0; i < maglev->member_count; i++) {
		struct member *member = &maglev->members[i];

		if (member->remainder > threshold) {
			member->need++;
		} else if (member->remainder == threshold && ties > 0) {
			member->need++;
			ties--;
		}
	}
}

static void
share_out(struct maglev *maglev, uint64_t weight_sum)
{
	uint32_t left_over = maglev->row_count, weight_max = 0;

	for (uint32_t i = 0; i < maglev->member_count; i++)
		if (maglev->members[i].weight > weight_max)
			weight_max = maglev->members[i].weight;
	for (uint32_t i = 0; i < maglev->member_count; i++) {
		struct member *member = &maglev->members[i];
		uint64_t due = (uint64_t)member->weight * maglev->row_count;

		member->need = (uint32_t)(due / weight_sum);
		member->remainder = (uint32_t)(due % weight_sum); /* the sum is below 2^32 */
		member->burst = (MAGLEV_TURN_ROWS * member->weight + weight_max - 1) / weight_max;
		left_over -= member->need;
	}
	if (left_over > 0)
		give_left_over(maglev, left_over);
}

/* --- step 3: walks --- */

/* One turn of one member. */
static void
take_turn(struct maglev *maglev, struct member *member)
{
	uint32_t row_count = maglev->row_count, row = member->row, need = member->need;
	uint64_t *free_rows = maglev->free;
	uint16_t *rows = maglev->rows;

	for (uint32_t probes = member->burst; probes > 0 && need > 0; probes--) {
		uint64_t word = free_rows[row / WORD_BITS];
		uint32_t claimed = word >> row % WORD_BITS & 1;
		uint32_t onward = row + member->step;

		free_rows[row / WORD_BITS] = word & ~(UINT64_C(1) << row % WORD_BITS);
		rows[claimed != 0 ? row : row_count] = member->index;
		need -= claimed;
		row = onward >= row_count ? onward - row_count : onward;
	}
	member->row = row;
	member->need = need;
}

/*
 * Turns until few rows are free. @return how many members still wait.
 *
 * It ends: in each turn a waiting member looks at one row or more that it has not seen, and while
 * it needs one there is one that it has not seen and nobody has taken.
 */
static uint32_t
walk_all(struct maglev *maglev)
{
	uint32_t *waiting = maglev->waiting, waiting_count = 0;
	uint32_t free_count = maglev->row_count, turn = 0;

	for (uint32_t i = 0; i < maglev->member_count; i++) {
		waiting[waiting_count] = i;
		waiting_count += maglev->members[i].need > 0;
	}
	for (; free_count > maglev->row_count / MAGLEV_REST_PART; turn++) {
		uint32_t left = 0;

		assert(turn < maglev->row_count);
		for (uint32_t i = 0; i < waiting_count; i++) {
			struct member *member = &maglev->members[waiting[i]];
			uint32_t before = member->need;

			take_turn(maglev, member);
			free_count -= before - member->need;
			waiting[left] = waiting[i];
			left += member->need > 0;
		}
		waiting_count = left;
	}
	return waiting_count;
}

/* --- step 4: the rest --- */

/* The first free row at or after @p row, going round; there is one. Takes it. */
static uint32_t
take_free_row(struct maglev *maglev, uint32_t row)
{
	uint32_t words = word_count(maglev->row_count), at = row / WORD_BITS;
	uint64_t word = maglev->free[at] & UINT64_MAX << row % WORD_BITS;

	for (uint32_t seen = 0; word == 0 && seen < words; seen++) {
		at = at + 1 < words ? at + 1 : 0;
		word = maglev->free[at];
	}
	assert(word != 0);
	row = at * WORD_BITS + (uint32_t)__builtin_ctzll(word);
	maglev->free[at] &= ~(UINT64_C(1) << row % WORD_BITS);
	return row;
}

static void
give_rest(struct maglev *maglev, uint32_t waiting_count)
{
	for (uint32_t i = 0; i < waiting_count; i++) {
		struct member *member = &maglev->members[maglev->waiting[i]];

		for (; member->need > 0; member->need--)
			maglev->rows[take_free_row(maglev, member->row)] = member->index;
	}
}

static int
request_check(const struct maglev *maglev, const struct maglev_request *request)
{
	if (!maglev_row_count_valid(request->row_count) ||
	    request->row_count > maglev->row_count_max)
		return -EINVAL;
	if (request->backend_count > maglev->backend_count_max ||
	    request->backend_count > request->row_count / MAGLEV_ROWS_PER_BACKEND_MIN)
		return -E2BIG;
	for (uint32_t i = 0; i < request->backend_count; i++)
		if (request->backends[i].index == MAGLEV_NONE)
			return -EINVAL;
	return 0;
}

static void
fill(struct maglev *maglev, uint64_t weight_sum)
{
	uint32_t words = word_count(maglev->row_count);

	share_out(maglev, weight_sum);
	memset(maglev->free, 0xff, words * sizeof *maglev->free);
	maglev->free[words - 1] >>= words * WORD_BITS - maglev->row_count;
	give_rest(maglev, walk_all(maglev));
}

int
maglev_build(struct maglev *maglev, const struct maglev_request *request)
{
	uint64_t weight_sum;
	int r = request_check(maglev, request);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < request->backend_count; i++)
		maglev->places[i] =
			(struct place){ .identity = identity_of(&request->backends[i].address),
					.source = i };
	sort_places(maglev, request->backend_count);
	r = order_equals(maglev, request);
	if (r < 0)
		return r;
	maglev->row_count = request->row_count;
	weight_sum = enlist_members(maglev, request);
	if (weight_sum == 0) {
		for (uint32_t i = 0; i < request->row_count; i++)
			request->rows[i] = MAGLEV_NONE;
		return 0;
	}
	fill(maglev, weight_sum);
	memcpy(request->rows, maglev->rows, request->row_count * sizeof *request->rows);
	return 0;
}
