/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a word of the flow table keeps its fields apart, is found by its fingerprint, ages modulo
 * 256, and is replaced only while it is there. Method: every bit of the hash, every slot, every
 * state and stamp; words of a bucket written by hand, against words written out.
 */
#include "flow.h"
#include "run.h"
#include "window.h"

START_TEST(test_flow_word_keeps_its_fields_apart)
{
	/* fp 0x3fffffffe (all but the lowest), slot 0xa5a5a, OPEN, stamp 0x77 */
	ck_assert_uint_eq(fl_flow_word(0xffffffff80000000, 0xa5a5a, FL_FLOW_OPEN, 0x77),
			  0x77a9696bfffffffe);
	for (uint32_t slot = 0; slot < FL_SLOTS_MAX; slot += 7)
		for (uint32_t state = FL_FLOW_FREE; state <= FL_FLOW_CLOSING; state++) {
			uint64_t hash = slot & 1 ? UINT64_MAX : 0;
			uint64_t word = fl_flow_word(hash, slot, (enum fl_flow_state)state,
						     (uint8_t)(slot * 3));

			CHECK((word & 0x3ffffffff) == (hash & 0x3ffffffff));
			CHECK(fl_flow_slot(word) == slot);
			CHECK(fl_flow_state(word) == state);
			CHECK(word >> 56 == (uint8_t)(slot * 3));
		}
}
END_TEST

START_TEST(test_flow_touched_changes_state_and_stamp_alone)
{
	ck_assert_uint_eq(fl_flow_touched(0x77a9696bfffffffe, FL_FLOW_CLOSING, 0x12),
			  0x12e9696bfffffffe);
	ck_assert_uint_eq(fl_flow_touched(0xffffffffffffffff, FL_FLOW_SYN, 0), 0x007fffffffffffff);
	ck_assert_uint_eq(fl_flow_touched(0, FL_FLOW_SYN, 0xff), 0xff40000000000000);
}
END_TEST

START_TEST(test_flow_bucket_and_fingerprint_are_of_other_bits)
{
	for (uint32_t bit = 0; bit < 64; bit++) {
		uint64_t hash = 1ull << bit;

		ck_assert_uint_eq(fl_flow_bucket(hash, (1u << 17) - 1), bit < 17 ? 1u << bit : 0);
		ck_assert_uint_eq(fl_flow_fp(hash), bit < 30 ? 0 : 1ull << (bit - 30));
	}
	ck_assert_uint_eq(fl_flow_bucket(UINT64_MAX, 0), 0);
}
END_TEST

START_TEST(test_flow_is_told_by_every_bit_of_its_fingerprint)
{
	const uint64_t fp = 0x2aaaaaaaa, word = 0xffd5555400000000 | fp;

	ck_assert_uint_eq(fl_flow_has(word, fp), UINT64_MAX);
	ck_assert_uint_eq(fl_flow_has(fp, fp), UINT64_MAX); /* slot, state, stamp do not matter */
	for (uint32_t bit = 0; bit < 64; bit++)
		ck_assert_uint_eq(fl_flow_has(word ^ 1ull << bit, fp), bit < 34 ? 0 : UINT64_MAX);
	ck_assert_uint_eq(fl_flow_has(0, 0), UINT64_MAX);
	ck_assert_uint_eq(fl_flow_has(0, 0x3ffffffff), 0);
	ck_assert_uint_eq(fl_flow_has(UINT64_MAX, 0), 0);
}
END_TEST

START_TEST(test_flow_age_counts_units_modulo_256)
{
	struct fl_window window = fl_window(900, 3); /* units of 128 ticks */

	ck_assert_uint_eq(fl_flow_stamp(&window, 127), 0);
	ck_assert_uint_eq(fl_flow_stamp(&window, 128), 1);
	ck_assert_uint_eq(fl_flow_stamp(&window, 0x12345 * 128 + 5), 0x45);
	for (uint32_t stamp = 0; stamp <= 0xff; stamp++)
		for (uint32_t age = 0; age <= 0xff; age++) {
			uint64_t word = fl_flow_word(0, 0, FL_FLOW_OPEN, (uint8_t)stamp);
			/* some rounds of the stamp later, in the unit's last tick */
			uint64_t tick = (0x300 + stamp + age) * 128ull + 127;

			/* from 192 on a core that reads the clock later wrote it */
			CHECK(fl_flow_age(word, &window, tick) == (age < 192 ? age : 0));
		}
}
END_TEST

START_TEST(test_flow_swap_replaces_the_word_wherever_it_is)
{
	for (uint32_t at = 0; at < 8; at++) {
		struct fl_flows flows, expected;

		for (uint32_t i = 0; i < 8; i++)
			flows.word[i] = 100 + i;
		expected = flows;
		expected.word[at] = 7;
		ck_assert(fl_flow_swap(&flows, 100 + at, 7));
		ck_assert_mem_eq(&flows, &expected, sizeof flows);
		ck_assert(!fl_flow_swap(&flows, 100 + at, 8)); /* another core was first */
		ck_assert_mem_eq(&flows, &expected, sizeof flows);
	}
}
END_TEST

START_TEST(test_flow_swap_replaces_one_of_equal_words)
{
	struct fl_flows flows = { .word = { 1, 0, 0, 2 } };
	static const struct fl_flows one = { .word = { 1, 9, 0, 2 } };

	ck_assert(fl_flow_swap(&flows, 0, 9)); /* a free place */
	ck_assert_mem_eq(&flows, &one, sizeof flows);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_flow_word_keeps_its_fields_apart,
				       test_flow_touched_changes_state_and_stamp_alone,
				       test_flow_bucket_and_fingerprint_are_of_other_bits,
				       test_flow_is_told_by_every_bit_of_its_fingerprint,
				       test_flow_age_counts_units_modulo_256,
				       test_flow_swap_replaces_the_word_wherever_it_is,
				       test_flow_swap_replaces_one_of_equal_words,
				       NULL };

	return run_tests("flow", tests);
}
