/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the checksum arithmetic is that of RFC 1071, and an adjusted checksum is the one that a
 * full recomputation gives. Method: folding against the remainder that ones' complement addition
 * is; random headers of which a word is changed, recomputed slowly as a whole; sums of all lengths
 * at all addresses, each against an unmapped page.
 */
#include "checksum.h"
#include "run.h"

#include "core_frames.h"

static struct edge edge;

static uint64_t
next_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1d >> 16;
}

/* Ones' complement: the remainder by 65535, but no sum other than 0 becomes 0. */
static uint16_t
remainder_of(uint64_t sum)
{
	return (uint16_t)(sum == 0 ? 0 : (sum - 1) % 65535 + 1);
}

START_TEST(test_checksum_folds_every_carry)
{
	for (uint32_t high = 0; high <= 0xffff; high++)
		for (uint32_t i = 0; i < 5; i++) {
			uint32_t near = (uint16_t)(0xffff - high + i - 2);
			uint32_t ends = (uint16_t)(i - 2);

			CHECK(fl_checksum_fold(high << 16 | near) ==
			      remainder_of(high << 16 | near));
			CHECK(fl_checksum_fold(high << 16 | ends) ==
			      remainder_of(high << 16 | ends));
		}
	ck_assert_uint_eq(fl_checksum_fold(UINT32_MAX), 0xffff);
}
END_TEST

START_TEST(test_checksum_adjusted_is_recomputed)
{
	uint8_t header[20];

	for (uint32_t round = 0; round < 300000; round++) {
		uint32_t place = (uint32_t)(next_random() % 10);
		uint16_t checksum, before, after = (uint16_t)next_random();

		for (uint32_t i = 0; i < sizeof header; i++)
			header[i] = (uint8_t)next_random();
		header[0] = 0x45; /* a header is never all zero */
		place = place == 0 || place == 5 ? 1 : place;
		if (round % 3 == 0) /* words full of ones, zeros, and near */
			after = (uint16_t)(round % 7 - 3);
		frame_put16(header + 10, 0);
		checksum = htons(frame_checksum(header, 20));
		memcpy(&before, header + 2 * place, 2);
		memcpy(header + 2 * place, &after, 2);
		CHECK(fl_checksum_adjusted(checksum, before, after) ==
		      htons(frame_checksum(header, 20)));
	}
}
END_TEST

/* A wrong checksum must stay as wrong as it was: nobody may be made to believe damaged bytes. */
START_TEST(test_checksum_adjusted_keeps_what_was_wrong)
{
	for (uint32_t checksum = 0; checksum <= 0xffff; checksum++) {
		uint16_t before = (uint16_t)(checksum * 31), after = (uint16_t)(before - 1);
		uint16_t there = fl_checksum_adjusted((uint16_t)checksum, before, after);
		uint16_t back = fl_checksum_adjusted(there, after, before);

		CHECK(remainder_of(back) % 65535 == checksum % 65535);
	}
}
END_TEST

/* The sum of a number of words that is a constant, as everywhere: compared at an address whose end
 * is the unmapped page's. */
#define CHECK_WORDS(bytes, count)                                                    \
	do {                                                                         \
		const uint8_t *start = edge_put(&edge, bytes, 4 * (count));          \
		uint16_t sum = htons((uint16_t)~frame_checksum(bytes, 4 * (count))); \
                                                                                     \
		CHECK(fl_checksum_words(start, count) == sum);                       \
		CHECK(fl_checksum_words(bytes, count) == sum);                       \
	} while (0)

START_TEST(test_checksum_sums_words_at_every_address)
{
	static uint8_t bytes[256];

	for (uint32_t round = 0; round < 20000; round++) {
		const uint8_t *first = bytes + round % 8;

		for (uint32_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(round < 16	  ? round - 8
					     : round < 24 ? 0xff
							  : next_random());
		CHECK_WORDS(first, 1);
		CHECK_WORDS(first, 5);
		CHECK_WORDS(first, 8);
		CHECK_WORDS(first, 32);
	}
}
END_TEST

/* Sums whose carry makes another carry, in 64 to 32 bits and in 32 to 16. */
START_TEST(test_checksum_sums_carries_of_carries)
{
	static uint8_t bytes[32];

	memset(bytes, 0xff, 8);
	bytes[8] = 1;
	CHECK_WORDS(bytes, 5);
	CHECK_WORDS(bytes, 8);
	memset(bytes, 0, sizeof bytes);
	memset(bytes, 0xff, 6);
	bytes[8] = 1;
	CHECK_WORDS(bytes, 5);
	CHECK_WORDS(bytes, 8);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_checksum_folds_every_carry,
				       test_checksum_adjusted_is_recomputed,
				       test_checksum_adjusted_keeps_what_was_wrong,
				       test_checksum_sums_words_at_every_address,
				       test_checksum_sums_carries_of_carries,
				       NULL };
	int status;

	edge = edge_create();
	status = run_tests("checksum", tests);
	edge_destroy(&edge);
	return status;
}
