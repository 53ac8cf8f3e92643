/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: after any sequence of changes packets find exactly the published records, and during a
 * change a packet never misses a record that was there before and is there after.
 *
 * Method: random
 * changes beside a naive twin, in a table so small that its buckets are full and runs wrap around.
 * Between two grace periods a reader may see each bucket before or after the stores, older ones
 * first: every such mix of the two snapshots is put before the reader.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fail_alloc.h"
#include "run.h"
#include "tables.h"
#include "vips.h"

enum {
	BUCKETS = 8,
	KEYS = 72, /* more than the 64 words */
	RECORDS = 2 * KEYS + 2,
	CHANGES = 3000,
	SNAPSHOTS_MAX = 64,
};

static uint32_t random_state = 7;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

/* the tables, and the twin: the record of each key, UINT32_MAX when not published */
struct world {
	_Alignas(64) struct fl_vip_bucket buckets[BUCKETS];
	struct fl_vip records[RECORDS];
	struct fl_config config;
	struct plane_tables tables;
	struct vips *vips;
	uint32_t record_of[KEYS];
	bool is_taken[RECORDS];
	struct fl_vip_bucket snapshots[SNAPSHOTS_MAX][BUCKETS];
	uint32_t snapshot_count;
	uint32_t cleaned; /* adoptions that found a word twice */
};

static struct world world;

static struct fl_vip_key
key_of(uint32_t i)
{
	struct fl_vip_key key = { .port = fl_to_be16((uint16_t)(1000 + i / 3)),
				  .ip_proto = i % 3 == 2 ? 17 : 6 };

	key.address = fl_addr_from_ipv4(fl_to_be32(0xc0000200u + i % 5));
	return key;
}

static void
world_open(void)
{
	memset(&world, 0, sizeof world);
	world.tables = (struct plane_tables){
		.config = &world.config,
		.vip_buckets = world.buckets,
		.vips = world.records,
	};
	world.config =
		(struct fl_config){ .key = { { 0x1111, 0x2222 } }, .vip_bucket_mask = BUCKETS - 1 };
	for (uint32_t i = 0; i < KEYS; i++)
		world.record_of[i] = UINT32_MAX;
	ck_assert_int_eq(vips_create(&world.tables, RECORDS, &world.vips), 0);
}

static uint32_t
take_record(void)
{
	uint32_t record = random_below(RECORDS);

	while (world.is_taken[record])
		record = (record + 1) % RECORDS;
	world.is_taken[record] = true;
	return record;
}

static void
synchronize_nobody(void *user)
{
}

static void
snapshot(void *user)
{
	CHECK(world.snapshot_count < SNAPSHOTS_MAX);
	memcpy(world.snapshots[world.snapshot_count++], world.buckets, sizeof world.buckets);
}

/** Are the buckets where the key may lie full? */
static bool
is_full_for(const struct fl_vip_bucket *buckets, const struct fl_vip_key *key)
{
	uint32_t home = fl_vip_home(fl_vip_hash(&world.config.key, key), BUCKETS - 1);

	for (uint32_t i = 0; i < FL_VIP_PROBE_MAX; i++)
		for (uint32_t j = 0; j < 8; j++)
			if (buckets[(home + i) % BUCKETS].word[j] == 0)
				return false;
	return true;
}

static uint32_t
find_in(struct fl_vip_bucket *buckets, const struct fl_vip_key *key)
{
	struct plane_tables tables = world.tables;

	tables.vip_buckets = buckets;
	return plane_vip_find(&tables, key);
}

/** What a reader finds who saw the first @p seen_before of his buckets before, the others after. */
static uint32_t
find_between(uint32_t before, uint32_t seen_before, const struct fl_vip_key *key)
{
	_Alignas(64) struct fl_vip_bucket mix[BUCKETS];
	uint32_t home = fl_vip_home(fl_vip_hash(&world.config.key, key), BUCKETS - 1);

	memcpy(mix, world.snapshots[before + 1], sizeof mix);
	for (uint32_t i = 0; i < seen_before; i++)
		mix[(home + i) % BUCKETS] = world.snapshots[before][(home + i) % BUCKETS];
	return find_in(mix, key);
}

/** @param old, new the key's record before and after the change; UINT32_MAX: none. */
static void
check_readers(uint32_t i, uint32_t old, uint32_t new)
{
	struct fl_vip_key key = key_of(i);

	for (uint32_t before = 0; before + 1 < world.snapshot_count; before++)
		for (uint32_t seen = 0; seen <= FL_VIP_PROBE_MAX; seen++) {
			uint32_t found = find_between(before, seen, &key);

			CHECK(found == old || found == new);
		}
	CHECK(find_in(world.buckets, &key) == new);
}

/**
 * A process that ended when the buckets were those of snapshot @p at: another one takes them over,
 * and every key is found as before or as after, each word once.
 * @return whether a word stood twice.
 */
static bool
check_adoption(uint32_t at, const uint32_t *before)
{
	static struct fl_vip_bucket buckets[BUCKETS];
	struct plane_tables tables = world.tables;
	uint32_t words = 0, found = 0, words_before = 0;
	struct vips *vips;

	memcpy(buckets, world.snapshots[at], sizeof buckets);
	tables.vip_buckets = buckets;
	for (uint32_t i = 0; i < BUCKETS * 8; i++)
		words_before += buckets[i / 8].word[i % 8] != 0;
	CHECK(vips_create(&tables, RECORDS, &vips) == 0);
	CHECK(vips_adopt(vips) == 0);
	vips_apply(vips, synchronize_nobody, NULL);
	for (uint32_t i = 0; i < BUCKETS * 8; i++)
		words += buckets[i / 8].word[i % 8] != 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		struct fl_vip_key key = key_of(i);
		uint32_t record = find_in(buckets, &key);

		CHECK(record == before[i] || record == world.record_of[i]);
		CHECK(vips_find(vips, &key) == record);
		found += record != UINT32_MAX;
	}
	CHECK(words == found);
	vips_destroy(vips);
	return words < words_before;
}

/** One change of a few keys: each is published, replaced or retired. */
static void
change(uint32_t operations, uint32_t share_added)
{
	uint32_t before[KEYS];
	uint32_t added[KEYS];
	uint32_t added_count = 0;
	bool dropped = false;

	memcpy(before, world.record_of, sizeof before);
	vips_begin(world.vips);
	for (uint32_t n = 0; n < operations; n++) {
		uint32_t i = random_below(KEYS);
		struct fl_vip_key key = key_of(i);

		if (world.record_of[i] != before[i])
			continue; /* once in a change */
		if (random_below(100) < share_added) {
			uint32_t record = take_record();
			int r = vips_publish(world.vips, &key, record);

			if (r == -ENOSPC) {
				world.is_taken[record] = false;
				CHECK(world.record_of[i] == UINT32_MAX);
				/* nothing was stored yet when it is the first */
				CHECK(n > 0 || is_full_for(world.buckets, &key));
				dropped = true;
				break;
			}
			CHECK(r == 0);
			world.records[record].key = key;
			world.record_of[i] = record;
			added[added_count++] = record;
		} else {
			int r = vips_retire(world.vips, &key);

			CHECK(r == (world.record_of[i] == UINT32_MAX ? -ENOENT : 0));
			world.record_of[i] = UINT32_MAX;
		}
	}
	if (dropped) {
		while (added_count > 0)
			world.is_taken[added[--added_count]] = false;
		memcpy(world.record_of, before, sizeof before);
	}
	world.snapshot_count = 0;
	snapshot(NULL);
	if (!dropped)
		vips_apply(world.vips, snapshot, NULL);
	snapshot(NULL);
	for (uint32_t i = 0; i < world.snapshot_count; i++)
		world.cleaned += check_adoption(i, before);
	for (uint32_t i = 0; i < KEYS; i++) {
		check_readers(i, before[i], world.record_of[i]);
		if (before[i] != world.record_of[i] && before[i] != UINT32_MAX)
			world.is_taken[before[i]] = false;
	}
}

START_TEST(test_vips_are_as_the_naive_twin)
{
	uint32_t synchronized = 0;

	world_open();
	for (uint32_t i = 0; i < CHANGES; i++) {
		/* in waves: the table fills to the last word, and empties */
		change(1 + random_below(3), i / 200 % 2 == 0 ? 75 : 30);
		synchronized += world.snapshot_count - 2;
	}
	/* entries did move over grace periods, or this test saw nothing */
	ck_assert_uint_gt(synchronized, 20);
	ck_assert_uint_gt(world.cleaned, 20);
	vips_destroy(world.vips);
}
END_TEST

START_TEST(test_vips_refuse_when_the_buckets_are_full)
{
	uint32_t published = 0;
	struct fl_vip_key key;

	world_open();
	vips_begin(world.vips);
	for (uint32_t i = 0; i < KEYS; i++) {
		key = key_of(i);
		world.records[i].key = key;
		published += vips_publish(world.vips, &key, i) == 0;
	}
	ck_assert_uint_le(published, BUCKETS * 8);
	ck_assert_uint_gt(published, BUCKETS * 6);
	/* a change that is not applied changes nothing */
	for (uint32_t i = 0; i < BUCKETS * 8; i++)
		ck_assert_uint_eq(world.buckets[i / 8].word[i % 8], 0);
	vips_begin(world.vips);
	key = key_of(0);
	ck_assert_int_eq(vips_retire(world.vips, &key), -ENOENT);
	vips_destroy(world.vips);
}
END_TEST

START_TEST(test_vips_adopt_no_garbage)
{
	struct fl_vip_key key = key_of(0);
	struct vips *vips;
	uint64_t hash;
	uint32_t home;

	world_open();
	hash = fl_vip_hash(&world.config.key, &key);
	home = fl_vip_home(hash, BUCKETS - 1);
	vips_begin(world.vips);
	world.records[5].key = key;
	ck_assert_int_eq(vips_publish(world.vips, &key, 5), 0);
	vips_apply(world.vips, synchronize_nobody, NULL);
	ck_assert_int_eq(vips_create(&world.tables, RECORDS, &vips), 0);
	ck_assert_int_eq(vips_adopt(vips), 0);
	/* a record of another key, or none */
	world.records[5].key.port++;
	ck_assert_int_eq(vips_adopt(vips), -EBADMSG);
	world.records[5].key.port--;
	ck_assert_int_eq(vips_adopt(vips), 0);
	world.buckets[home].word[0] = fl_vip_word(fl_vip_tag(hash), RECORDS);
	ck_assert_int_eq(vips_adopt(vips), -EBADMSG);
	/* where no packet looks for it */
	world.buckets[home].word[0] = 0;
	world.buckets[(home + FL_VIP_PROBE_MAX) % BUCKETS].word[0] =
		fl_vip_word(fl_vip_tag(hash), 5);
	ck_assert_int_eq(vips_adopt(vips), -EBADMSG);
	vips_destroy(vips);
	vips_destroy(world.vips);
}
END_TEST

START_TEST(test_vips_survive_every_failed_allocation)
{
	struct vips *vips = NULL;
	uint32_t nth = 1;
	struct fl_vip_key key;

	world_open();
	for (;; nth++) {
		fail_alloc_at(nth);
		if (vips_create(&world.tables, RECORDS, &vips) == 0)
			break;
		ck_assert(fail_alloc_end());
		ck_assert_ptr_null(vips);
	}
	(void)fail_alloc_end();
	ck_assert_uint_ge(nth, 4);
	vips_destroy(vips);
	vips_destroy(NULL);

	/* the list of stores grows while a change is drawn up */
	key = key_of(0);
	vips_begin(world.vips);
	fail_alloc_at(1);
	for (nth = 0; nth < 1000 && vips_publish(world.vips, &key, nth % 2) == 0; nth++)
		;
	ck_assert(fail_alloc_end());
	ck_assert_uint_lt(nth, 1000);
	ck_assert_uint_eq(find_in(world.buckets, &key), UINT32_MAX);
	vips_destroy(world.vips);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_vips_are_as_the_naive_twin,
				       test_vips_refuse_when_the_buckets_are_full,
				       test_vips_adopt_no_garbage,
				       test_vips_survive_every_failed_allocation, NULL };

	return run_tests("vips", tests);
}
