/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry lies in the first bucket from its home that had room, and a reader stops at a bucket
 * that is not full: every bucket between an entry's home and its place must be full. So when a word
 * of a full bucket falls free, an entry of the following buckets that could lie there moves into
 * it; its old place falls free in turn.
 *
 * A reader goes through the buckets once, in order. It might look at the hole before the entry
 * moved in and at the old place after it is freed, and miss it: between the two stores every reader
 * must have passed. That is what `after_readers` of a store says.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vips.h"

enum {
	BUCKET_WORDS = 8,
	STORES_AT_FIRST = 64,
	ADOPT_PASSES_MAX = 8,
};

struct store {
	uint32_t position; /* bucket * BUCKET_WORDS + word */
	bool after_readers;
	uint64_t word;
};

struct vips {
	const struct plane_tables *tables;
	const struct fl_config *config;
	uint32_t record_count;
	uint32_t bucket_count;
	uint64_t *words;	 /* the buckets as they will be */
	struct fl_vip_key *keys; /* by record index: of the records in `words` */
	struct store *stores;
	size_t store_count;
	size_t store_capacity;
	bool after_readers; /* of the next store */
};

int
vips_create(const struct plane_tables *tables, uint32_t record_count, struct vips **ret_vips)
{
	struct vips *vips = calloc(1, sizeof *vips);

	if (vips == NULL)
		return -ENOMEM;
	vips->tables = tables;
	vips->config = tables->config;
	vips->record_count = record_count;
	vips->bucket_count = tables->config->vip_bucket_mask + 1;
	vips->words = calloc(vips->bucket_count, sizeof(struct fl_vip_bucket));
	vips->keys = calloc(record_count, sizeof vips->keys[0]);
	vips->stores = calloc(STORES_AT_FIRST, sizeof vips->stores[0]);
	vips->store_capacity = STORES_AT_FIRST;
	if (vips->words == NULL || vips->keys == NULL || vips->stores == NULL) {
		vips_destroy(vips);
		return -ENOMEM;
	}
	*ret_vips = vips;
	return 0;
}

void
vips_destroy(struct vips *vips)
{
	if (vips == NULL)
		return;
	free(vips->stores);
	free(vips->keys);
	free(vips->words);
	free(vips);
}

void
vips_begin(struct vips *vips)
{
	vips->store_count = 0;
	vips->after_readers = false;
	memcpy(vips->words, vips->tables->vip_buckets,
	       vips->bucket_count * sizeof(struct fl_vip_bucket));
}

/** Add a store to the change. @return 0; -ENOMEM. */
static int
set_word(struct vips *vips, uint32_t position, uint64_t word)
{
	if (vips->store_count == vips->store_capacity) {
		size_t capacity = 2 * vips->store_capacity;
		struct store *stores = realloc(vips->stores, capacity * sizeof stores[0]);

		if (stores == NULL)
			return -ENOMEM;
		vips->stores = stores;
		vips->store_capacity = capacity;
	}
	vips->words[position] = word;
	vips->stores[vips->store_count++] = (struct store){
		.position = position,
		.after_readers = vips->after_readers,
		.word = word,
	};
	vips->after_readers = false;
	return 0;
}

/** Where the entry of @p key is. @return its position; UINT32_MAX: nowhere. */
static uint32_t
find(const struct vips *vips, const struct fl_vip_key *key)
{
	uint64_t hash = fl_vip_hash(&vips->config->key, key);
	uint32_t home = fl_vip_home(hash, vips->config->vip_bucket_mask);

	for (uint32_t i = 0; i < FL_VIP_PROBE_MAX * BUCKET_WORDS; i++) {
		uint32_t position = (home * BUCKET_WORDS + i) % (vips->bucket_count * BUCKET_WORDS);
		uint64_t word = vips->words[position];

		if (word != 0 && word >> 32 == fl_vip_tag(hash) &&
		    fl_vip_key_equal(&vips->keys[fl_vip_word_index(word)], key))
			return position;
	}
	return UINT32_MAX;
}

/** The first free word where an entry of @p hash may lie. @return its position; UINT32_MAX: none.
 */
static uint32_t
find_room(const struct vips *vips, uint64_t hash)
{
	uint32_t home = fl_vip_home(hash, vips->config->vip_bucket_mask);

	for (uint32_t i = 0; i < FL_VIP_PROBE_MAX * BUCKET_WORDS; i++) {
		uint32_t position = (home * BUCKET_WORDS + i) % (vips->bucket_count * BUCKET_WORDS);

		if (vips->words[position] == 0)
			return position;
	}
	return UINT32_MAX;
}

uint32_t
vips_find(const struct vips *vips, const struct fl_vip_key *key)
{
	uint32_t position = find(vips, key);

	return position == UINT32_MAX ? UINT32_MAX : fl_vip_word_index(vips->words[position]);
}

int
vips_publish(struct vips *vips, const struct fl_vip_key *key, uint32_t index)
{
	uint64_t hash = fl_vip_hash(&vips->config->key, key);
	uint32_t position = find(vips, key);

	if (position == UINT32_MAX)
		position = find_room(vips, hash);
	if (position == UINT32_MAX)
		return -ENOSPC;
	vips->keys[index] = *key;
	return set_word(vips, position, fl_vip_word(fl_vip_tag(hash), index));
}

/** Buckets from the home of the entry at @p position to @p bucket; more than the probes when it may
 * not lie there. */
static uint32_t
distance(const struct vips *vips, uint32_t position, uint32_t bucket)
{
	const struct fl_vip_key *key = &vips->keys[fl_vip_word_index(vips->words[position])];
	uint32_t mask = vips->config->vip_bucket_mask;

	return (bucket - fl_vip_home(fl_vip_hash(&vips->config->key, key), mask)) & mask;
}

/**
 * An entry behind the full bucket of @p hole whose home is at or before that bucket. Those lie at
 * most FL_VIP_PROBE_MAX - 1 buckets on, with only full buckets between.
 * @return its position; UINT32_MAX: nobody depends on the bucket being full.
 */
static uint32_t
find_successor(const struct vips *vips, uint32_t hole)
{
	uint32_t mask = vips->config->vip_bucket_mask;
	uint32_t bucket = hole / BUCKET_WORDS;

	for (uint32_t step = 1; step < FL_VIP_PROBE_MAX; step++) {
		uint32_t candidate = (bucket + step) & mask;
		uint32_t used = 0;

		for (uint32_t i = 0; i < BUCKET_WORDS; i++) {
			uint32_t position = candidate * BUCKET_WORDS + i;

			if (vips->words[position] == 0)
				continue;
			used++;
			/* it lies `step` behind the hole: its home is no later when it is at least
			 * as far */
			if (distance(vips, position, candidate) >= step)
				return position;
		}
		if (used < BUCKET_WORDS)
			return UINT32_MAX;
	}
	return UINT32_MAX;
}

static bool
bucket_is_full(const struct vips *vips, uint32_t position)
{
	const uint64_t *words = &vips->words[position / BUCKET_WORDS * BUCKET_WORDS];

	for (uint32_t i = 0; i < BUCKET_WORDS; i++)
		if (words[i] == 0)
			return false;
	return true;
}

/** Free a word that holds an entry, and move those up that depend on it. */
static int
free_word(struct vips *vips, uint32_t hole)
{
	/* each move brings an entry a bucket or more nearer to its home */
	uint32_t moves_max = vips->bucket_count * BUCKET_WORDS * (FL_VIP_PROBE_MAX - 1);
	int r;

	for (uint32_t moves = 0; moves < moves_max && bucket_is_full(vips, hole); moves++) {
		uint32_t successor = find_successor(vips, hole);

		if (successor == UINT32_MAX)
			break;
		r = set_word(vips, hole, vips->words[successor]);
		if (r < 0)
			return r;
		vips->after_readers = true;
		hole = successor;
	}
	return set_word(vips, hole, 0);
}

int
vips_retire(struct vips *vips, const struct fl_vip_key *key)
{
	uint32_t position = find(vips, key);

	return position == UINT32_MAX ? -ENOENT : free_word(vips, position);
}

void
vips_barrier(struct vips *vips)
{
	vips->after_readers = true;
}

/* --- what an earlier process left --- */

static bool
word_is_good(const struct vips *vips, uint32_t position)
{
	uint64_t word = vips->words[position];
	uint32_t index = fl_vip_word_index(word);
	uint64_t hash;

	if (index >= vips->record_count)
		return false;
	hash = fl_vip_hash(&vips->config->key, &vips->tables->vips[index].key);
	return fl_vip_tag(hash) == (uint32_t)(word >> 32) &&
	       distance(vips, position, position / BUCKET_WORDS) < FL_VIP_PROBE_MAX;
}

/** Does a reader who looks for the entry's key find this very word? */
static bool
is_found(const struct vips *vips, uint32_t position)
{
	const struct fl_vip_key *key = &vips->keys[fl_vip_word_index(vips->words[position])];
	uint32_t there = position / BUCKET_WORDS;

	if (find(vips, key) != position)
		return false;
	for (uint32_t left = distance(vips, position, there); left > 0; left--) {
		uint32_t bucket = (there - left) & vips->config->vip_bucket_mask;

		if (!bucket_is_full(vips, bucket * BUCKET_WORDS))
			return false;
	}
	return true;
}

int
vips_adopt(struct vips *vips)
{
	uint32_t position_count = vips->bucket_count * BUCKET_WORDS, wrong = 1;
	int r;

	vips_begin(vips);
	vips->after_readers = true; /* of what the earlier process stored last */
	for (uint32_t i = 0; i < position_count; i++) {
		uint32_t index = fl_vip_word_index(vips->words[i]);

		if (vips->words[i] == 0)
			continue;
		if (index < vips->record_count)
			vips->keys[index] = vips->tables->vips[index].key;
		if (!word_is_good(vips, i))
			return -EBADMSG;
	}
	/* one word was on its way; freeing its old place may bring others there */
	for (uint32_t pass = 0; wrong > 0 && pass < ADOPT_PASSES_MAX; pass++) {
		wrong = 0;
		for (uint32_t i = 0; i < position_count; i++) {
			if (vips->words[i] == 0 || is_found(vips, i))
				continue;
			wrong++;
			r = free_word(vips, i);
			if (r < 0)
				return r;
		}
	}
	return wrong == 0 ? 0 : -EBADMSG;
}

void
vips_apply(struct vips *vips, void (*synchronize)(void *user), void *user)
{
	uint64_t *live = vips->tables->vip_buckets[0].word;

	for (size_t i = 0; i < vips->store_count; i++) {
		const struct store *store = &vips->stores[i];

		if (store->after_readers)
			synchronize(user);
		__atomic_store_n(&live[store->position], store->word, __ATOMIC_RELEASE);
	}
	vips->store_count = 0;
}
