/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a later fragment finds what its first fragment left, for at most 2 s, and never another
 * packet's; a full bucket gives its oldest place away and says so when that was alive.
 * Method: every age in steps of the clock, around its wrap too; every place, every slot; random
 * writes beside a naive twin that keeps times instead of stamps.
 */
#include "fragment.h"
#include "run.h"

/* One step of a stamp. */
static const uint64_t step_ns = 1ull << FL_FRAGMENT_STEP_SHIFT;

static const uint64_t second_ns = 1000000000;

/* Different in what stands in a word: bit 0 does not count, nor do bits from 28. */
static uint64_t
hash_of(uint32_t i)
{
	return (uint64_t)i << 1 | (uint64_t)(i * 2654435761u) << 32;
}

/** Write what a first fragment leaves. @return true: an entry that was alive had to go. */
static bool
put(struct fl_fragments *bucket, uint64_t hash, uint32_t slot, uint64_t now_ns)
{
	bool is_alive;
	uint32_t place = fl_fragment_place(bucket, hash, now_ns, &is_alive);

	bucket->word[place] = fl_fragment_word(hash, slot, now_ns);
	return is_alive;
}

START_TEST(test_fragment_word_keeps_its_fields_apart)
{
	for (uint32_t slot = 0; slot < FL_SLOTS_MAX; slot += slot < 300 ? 1 : 977)
		for (uint32_t i = 0; i < 8; i++) {
			uint64_t hash = i & 1 ? UINT64_MAX : i, now_ns = i & 2 ? UINT64_MAX : i;
			struct fl_fragments bucket = { { 0 } };

			ck_assert(!put(&bucket, hash, slot, now_ns));
			CHECK(fl_fragment_find(&bucket, hash, now_ns) == slot);
			CHECK(fl_fragment_age(bucket.word[0], now_ns) == 0);
			CHECK(bucket.word[0] != 0);
		}
	CHECK(fl_fragment_word(0, FL_SLOTS_MAX - 1, 0) == ((uint64_t)0xfffff << 28 | 1));
	CHECK(fl_fragment_word(0, 0, UINT64_MAX) == ((uint64_t)0xffff << 48 | 1));
}
END_TEST

START_TEST(test_fragment_finds_nothing_in_an_empty_bucket)
{
	struct fl_fragments bucket = { { 0 } };

	/* a word of zeros is free, also for a hash of zeros and at the clock's zero */
	for (uint32_t i = 0; i < 1000; i++)
		CHECK(fl_fragment_find(&bucket, i, 0) == FL_FRAGMENT_NOT_FOUND);
}
END_TEST

START_TEST(test_fragment_lives_two_seconds_at_most)
{
	/* begin at every phase of a step, also where 16 bits of steps and 64 of nanoseconds wrap */
	static const uint64_t steps[] = { 0, 1, 65535, 65536, (1ull << 38) - 1 };

	for (uint32_t i = 0; i < 5; i++)
		for (uint64_t phase = 0; phase < step_ns; phase += step_ns / 7) {
			uint64_t start = steps[i] * step_ns + phase;
			struct fl_fragments bucket = { { 0 } };

			put(&bucket, 6, 5, start);
			for (uint64_t age = 0; age < 5 * second_ns; age += step_ns / 9) {
				bool found = fl_fragment_find(&bucket, 6, start + age) == 5;

				CHECK(!found || age < 2 * second_ns);
				/* and not much less: a step at either end */
				CHECK(found || age > 2 * second_ns - 2 * step_ns);
			}
		}
}
END_TEST

/* Stamps wrap after 2^16 steps, 73 minutes: until then an old entry stays dead. */
START_TEST(test_fragment_of_every_age)
{
	for (uint64_t start = 0; start < 3; start++) {
		struct fl_fragments bucket = { { 0 } };
		uint64_t first = start * 40000;

		put(&bucket, 6, 5, first * step_ns);
		for (uint64_t age = 0; age < 65536; age++) {
			uint64_t now_ns = (first + age) * step_ns;

			CHECK(fl_fragment_age(bucket.word[0], now_ns) == age);
			CHECK((fl_fragment_find(&bucket, 6, now_ns) == 5) ==
			      (age < FL_FRAGMENT_LIFE_STEPS));
		}
	}
	ck_assert_uint_eq(FL_FRAGMENT_LIFE_STEPS, 29);
}
END_TEST

START_TEST(test_fragment_is_found_at_every_place)
{
	struct fl_fragments bucket = { { 0 } };

	for (uint32_t i = 0; i < 8; i++)
		ck_assert(!put(&bucket, hash_of(i), 100 + i, second_ns));
	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_eq(fl_fragment_find(&bucket, hash_of(i), second_ns), 100 + i);
	ck_assert_uint_eq(fl_fragment_find(&bucket, hash_of(8), second_ns), FL_FRAGMENT_NOT_FOUND);
	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_ne(bucket.word[i], 0);
}
END_TEST

/* The same packet's first fragment again: its own place, a new life, the new slot. */
START_TEST(test_fragment_renews_its_own_place)
{
	for (uint32_t own = 0; own < 8; own++)
		for (uint32_t others = 0; others < 2; others++) {
			struct fl_fragments bucket = { { 0 } }, before;

			for (uint32_t i = 0; i < (others ? 8 : own + 1); i++)
				put(&bucket, hash_of(i), i, i * step_ns);
			before = bucket;
			ck_assert(!put(&bucket, hash_of(own), 999, 20 * step_ns));
			for (uint32_t i = 0; i < 8; i++)
				ck_assert(i == own || bucket.word[i] == before.word[i]);
			ck_assert_uint_eq(fl_fragment_find(&bucket, hash_of(own), 40 * step_ns),
					  999);
		}
}
END_TEST

/* A dead place goes before one that lives; of live ones the oldest, and that is told. */
START_TEST(test_fragment_full_bucket_gives_the_oldest_away)
{
	for (uint32_t oldest = 0; oldest < 8; oldest++)
		for (uint64_t age = 1; age < 60; age++) {
			struct fl_fragments bucket = { { 0 } };
			uint64_t now = 1000;

			for (uint32_t i = 0; i < 8; i++)
				put(&bucket, hash_of(i), i,
				    (i == oldest ? now - age : now) * step_ns);
			CHECK(put(&bucket, hash_of(9), 9, now * step_ns) ==
			      (age < FL_FRAGMENT_LIFE_STEPS));
			CHECK(fl_fragment_find(&bucket, hash_of(9), now * step_ns) == 9);
			CHECK((bucket.word[oldest] & 0xfffffff) == fl_fragment_fp(hash_of(9)));
			for (uint32_t i = 0; i < 8; i++)
				CHECK((fl_fragment_find(&bucket, hash_of(i), now * step_ns) == i) ==
				      (i != oldest));
		}
}
END_TEST

START_TEST(test_fragment_free_place_goes_before_a_dead_one)
{
	struct fl_fragments bucket = { { 0 } };

	/* dead as long as can be: 65535 steps */
	put(&bucket, hash_of(1), 1, 0);
	ck_assert(!put(&bucket, hash_of(2), 2, 65535 * step_ns));
	ck_assert_uint_ne(bucket.word[1], 0);
}
END_TEST

/* Two packets whose hashes agree in what a word keeps are one; in any other bit they are not. */
START_TEST(test_fragment_collides_only_in_what_the_word_keeps)
{
	struct fl_fragments bucket = { { 0 } };
	uint64_t hash = 0x123456789abcdef1;

	put(&bucket, hash, 7, 0);
	for (uint32_t bit = 0; bit < 64; bit++)
		ck_assert_uint_eq(fl_fragment_find(&bucket, hash ^ 1ull << bit, 0),
				  bit == 0 || bit >= 28 ? 7 : FL_FRAGMENT_NOT_FOUND);
	for (uint32_t bit = 0; bit < 64; bit++)
		ck_assert_int_eq(fl_fragment_bucket(hash ^ 1ull << bit, 0xffff) !=
					 fl_fragment_bucket(hash, 0xffff),
				 bit >= 32 && bit < 48);
	ck_assert_uint_eq(fl_fragment_bucket(UINT64_MAX, 0x1ffff), 0x1ffff);
	ck_assert_uint_eq(fl_fragment_bucket(UINT64_MAX, 0), 0);
}
END_TEST

/* The twin: for each packet when and where its first fragment went, and how many live. */
struct twin {
	uint64_t step[32]; /* of the clock; 0: never */
	uint32_t slot[32];
};

static uint32_t
twin_alive(const struct twin *twin, uint64_t step)
{
	uint32_t alive = 0;

	for (uint32_t i = 0; i < 32; i++)
		alive += twin->step[i] != 0 && step - twin->step[i] < FL_FRAGMENT_LIFE_STEPS;
	return alive;
}

START_TEST(test_fragment_is_what_a_naive_twin_says)
{
	struct fl_fragments bucket = { { 0 } };
	struct twin twin = { { 0 } };
	uint64_t step = 60000; /* the stamp wraps on the way */
	uint32_t random = 1;

	for (uint32_t round = 0; round < 200000; round++) {
		uint32_t packet, was_alive, oldest = 32;
		bool is_alive;

		random = random * 1664525 + 1013904223;
		packet = random >> 27;
		step += random >> 20 & 3;
		is_alive =
			twin.step[packet] != 0 && step - twin.step[packet] < FL_FRAGMENT_LIFE_STEPS;
		CHECK(fl_fragment_find(&bucket, hash_of(packet), step * step_ns) ==
		      (is_alive ? twin.slot[packet] : FL_FRAGMENT_NOT_FOUND));
		if (random >> 16 & 1)
			continue;
		was_alive = twin_alive(&twin, step);
		CHECK(was_alive <= 8);
		CHECK(put(&bucket, hash_of(packet), round & 0xfffff, step * step_ns) ==
		      (!is_alive && was_alive == 8));
		twin.step[packet] = step;
		twin.slot[packet] = round & 0xfffff;
		if (is_alive || was_alive < 8)
			continue;
		/* one of the oldest went: which of equals is the table's to say */
		for (uint32_t i = 0; i < 32; i++)
			if (twin.step[i] != 0 && step - twin.step[i] < FL_FRAGMENT_LIFE_STEPS &&
			    fl_fragment_find(&bucket, hash_of(i), step * step_ns) ==
				    FL_FRAGMENT_NOT_FOUND)
				oldest = i;
		CHECK(oldest < 32);
		for (uint32_t i = 0; i < 32; i++)
			CHECK(twin.step[i] == 0 || step - twin.step[i] >= FL_FRAGMENT_LIFE_STEPS ||
			      twin.step[i] >= twin.step[oldest]);
		twin.step[oldest] = 0;
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_fragment_word_keeps_its_fields_apart,
				       test_fragment_finds_nothing_in_an_empty_bucket,
				       test_fragment_lives_two_seconds_at_most,
				       test_fragment_of_every_age,
				       test_fragment_is_found_at_every_place,
				       test_fragment_renews_its_own_place,
				       test_fragment_full_bucket_gives_the_oldest_away,
				       test_fragment_free_place_goes_before_a_dead_one,
				       test_fragment_collides_only_in_what_the_word_keeps,
				       test_fragment_is_what_a_naive_twin_says,
				       NULL };

	return run_tests("fragment", tests);
}
