/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame's flow is what the model says that it is, with all rows stable. Everything else comes
 * from random numbers whose seed is the flow's hash: the same flow in another input, the same row.
 */
#include <stdlib.h>
#include <string.h>

#include "packet_dictionary.h"
#include "packet_world_rows.h"

enum {
	NOBODY = 16,   /* once in so many */
	OWNED = 3,     /* of VIPs whose packets are the host's else: once in so many not */
	STRANGERS = 8, /* entries in a bucket, at most */
	FINGERPRINT_SHIFT = 64 - 34,
};

/* One frame's flow. */
struct aim {
	struct random random;
	struct packet_world_model *world;
	struct model_times times;
	uint64_t hash;
	uint32_t vip;
};

uint32_t
packet_world_ticks(uint8_t reserved)
{
	static const uint32_t ticks[16] = { 0, 0,  0,  0,  0,	0,    0,     0,
					    1, 16, 41, 83, 128, 1024, 14592, 300 };

	return ticks[reserved & 15];
}

/* @param tick now. @return one of the times at which something changes. */
static uint32_t
random_until(struct aim *aim, uint64_t tick)
{
	const struct model_times *times = &aim->times;
	const int32_t row = (int32_t)times->row, hold = (int32_t)times->hold;
	const int32_t lefts[] = { row,
				  row - 1,
				  row - hold,
				  row - hold + 1,
				  row - hold - 1,
				  row / 2,
				  1,
				  0,
				  -5,
				  row + 1,
				  row + (int32_t)times->unit,
				  20 };

	return (uint32_t)(tick + (uint64_t)(int64_t)RANDOM_OF(&aim->random, lefts)) % (1u << 24);
}

static uint32_t
random_backend(struct aim *aim)
{
	return random_below(&aim->random, aim->world->vips[aim->vip].backend_count);
}

static bool
is_nobodys(struct aim *aim)
{
	if (aim->world->vips[aim->vip].no_backend == MODEL_NO_BACKEND_HOST)
		return !random_chance(&aim->random, OWNED);
	return random_chance(&aim->random, NOBODY);
}

static void
make_row(struct aim *aim)
{
	struct model_state *state = &aim->world->state;
	uint32_t cur = random_backend(aim), prev = random_backend(aim);
	bool is_moving = random_chance(&aim->random, 2);

	if (random_chance(&aim->random, 3) || state->row_count == WORLD_MOVING_MAX ||
	    model_find_row(state, aim->vip, aim->hash) != NULL)
		return;
	if (is_nobodys(aim))
		cur = MODEL_NONE;
	if (is_nobodys(aim))
		prev = MODEL_NONE;
	aim->world->moving[state->row_count++] = (struct model_row){
		.vip = aim->vip,
		.row = model_row_of(&aim->world->vips[aim->vip], aim->hash),
		.state = is_moving ? MODEL_MOVING : MODEL_SETTLING,
		.cur = cur,
		.prev = is_moving ? prev : MODEL_NONE,
		.until = random_until(aim, state->tick),
	};
}

static uint8_t
random_stamp(struct aim *aim, uint32_t vip)
{
	struct model_times times = model_times_of(&aim->world->vips[vip]);
	uint32_t evict = 1024 / times.unit < 2 ? 2 : 1024 / times.unit;
	const uint32_t ages[] = { 0,
				  1,
				  2,
				  times.closed - 1,
				  times.closed,
				  times.closed + 1,
				  times.live - 1,
				  times.live,
				  times.live + 1,
				  191,
				  (uint32_t)-1,
				  evict < 128 ? evict : 3,
				  evict < 128 ? evict - 1 : 4,
				  random_below(&aim->random, times.live) };

	return (uint8_t)(aim->world->state.tick / times.unit - RANDOM_OF(&aim->random, ages));
}

static bool
has_fingerprint(const struct model_entry *bucket, uint64_t fingerprint)
{
	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++)
		if (bucket[i].state != MODEL_FREE && bucket[i].fingerprint == fingerprint)
			return true;
	return false;
}

/* At any place that is free; if none is, not at all. */
static void
put_entry(struct aim *aim, uint64_t fingerprint, uint32_t vip)
{
	struct model_entry *bucket = aim->world->buckets[aim->hash % WORLD_BUCKETS];
	uint32_t at = random_below(&aim->random, MODEL_BUCKET_ENTRIES), tried = 0;
	enum model_entry_state state = MODEL_SYN + random_below(&aim->random, 3);

	while (tried < MODEL_BUCKET_ENTRIES && bucket[at].state != MODEL_FREE) {
		at = (at + 1) % MODEL_BUCKET_ENTRIES;
		tried++;
	}
	if (tried == MODEL_BUCKET_ENTRIES || has_fingerprint(bucket, fingerprint))
		return;
	bucket[at] = (struct model_entry){
		.fingerprint = fingerprint,
		.vip = vip,
		.backend = random_below(&aim->random, aim->world->vips[vip].backend_count),
		.state = state,
		.stamp = random_stamp(aim, vip),
	};
}

static void
make_entries(struct aim *aim)
{
	static const uint8_t fills[] = { 0, 0, 3, 7, STRANGERS };
	uint32_t fill = RANDOM_OF(&aim->random, fills);

	if (random_chance(&aim->random, 2))
		put_entry(aim, aim->hash >> FINGERPRINT_SHIFT, aim->vip);
	for (uint32_t i = 0; i < fill; i++) {
		uint64_t fingerprint = (uint64_t)random_below(&aim->random, 4) << 32 |
				       random_below(&aim->random, UINT32_MAX);
		uint32_t vip = aim->vip;

		if (random_chance(&aim->random, 4))
			vip = random_below(&aim->random, PACKET_WORLD_VIP_COUNT);
		put_entry(aim, fingerprint, vip);
	}
}

static void
make_one(struct packet_world_model *world, const struct model_result *result, uint8_t reserved)
{
	struct aim aim = { .world = world, .hash = result->flow_hash, .vip = result->vip };
	struct model_backend *backends = world->backends[result->vip];

	aim.random.state = (aim.hash + (reserved >> 4)) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	aim.times = model_times_of(&world->vips[aim.vip]);
	make_row(&aim);
	make_entries(&aim);
	if (random_chance(&aim.random, 8))
		backends[random_backend(&aim)].live = false;
}

void
packet_world_rows_forget(struct packet_world_model *world)
{
	world->state.row_count = 0;
	memset(world->buckets, 0, sizeof world->buckets);
	for (uint32_t vip = 0; vip < PACKET_WORLD_VIP_COUNT; vip++)
		for (uint32_t i = 0; i < world->vips[vip].backend_count; i++)
			world->backends[vip][i].live = true;
}

void
packet_world_rows_make(struct packet_world_model *world, const struct packet_view *views,
		       uint32_t view_count)
{
	static const uint64_t ticks[] = {
		7654321,	 (1u << 24) - 3,	  1u << 24, (UINT64_C(1) << 32) - 30,
		256 * 128 + 100, (UINT64_C(5) << 40) + 3, 0,	    255
	};
	static struct model_result result;
	uint32_t answers_left = world->state.answers_left;

	packet_world_rows_forget(world);
	model_forget(&world->state);
	world->state.tick = ticks[views[0].count % (sizeof ticks / sizeof *ticks)];
	for (uint32_t i = 0; i < view_count; i++) {
		struct model_input input = { .in_port = views[i].in_port % PACKET_WORLD_PORTS,
					     .frame = views[i].bytes,
					     .frame_bytes = views[i].count };
		uint32_t rows = world->state.row_count;

		world->state.row_count = 0; /* where the flow would be, not what is remembered */
		if (model_packet(&world->state, &input, &result) != 0)
			abort();
		world->state.row_count = rows;
		if (result.vip != MODEL_NONE && result.flow_hash != 0 && !result.later_fragment)
			make_one(world, &result, views[i].reserved);
	}
	world->state.answers_left = answers_left;
	model_forget(&world->state);
}
