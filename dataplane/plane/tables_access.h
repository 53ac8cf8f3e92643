/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The core's access to tables that are arrays in memory: `user` is a struct plane_run. Included by
 * what decides about packets (tables.c, the DPDK stages), so that everything is inlined there.
 */
#ifndef PLANE_TABLES_ACCESS_H
#define PLANE_TABLES_ACCESS_H

#include "tables.h"

FL_INLINE const struct fl_vip_bucket *
plane_get_bucket(void *user, uint32_t index)
{
	const struct plane_run *run = user;

	return &run->tables->vip_buckets[index]; /* masked by the caller */
}

FL_INLINE const struct fl_vip *
plane_get_vip(void *user, uint32_t record)
{
	const struct plane_run *run = user;

	return record < run->size.vip_count ? &run->tables->vips[record] : NULL;
}

FL_INLINE const struct fl_config *
plane_get_config(void *user)
{
	return ((const struct plane_run *)user)->tables->config;
}

static const struct fl_vip_access plane_vip_access = {
	.config = plane_get_config,
	.bucket = plane_get_bucket,
	.vip = plane_get_vip,
};

FL_INLINE const struct fl_vip *
plane_find_vip(void *user, const struct fl_vip_key *key, uint32_t *ret_record)
{
	return fl_vip_find(&plane_vip_access, user, key, ret_record);
}

FL_INLINE uint32_t
plane_find_range(void *user, const struct fl_vip_key *key, uint16_t port)
{
	uint32_t record;
	const struct fl_vip *page = plane_find_vip(user, key, &record);

	return page == NULL ? FL_RANGE_NOT_FOUND : fl_page_range(&page->page, port);
}

FL_INLINE const struct fl_owners *
plane_get_owners(void *user, uint32_t index)
{
	const struct plane_run *run = user;

	return index < run->size.owners_count ? &run->tables->owners[index] : NULL;
}

FL_INLINE const struct fl_row *
plane_get_row(void *user, uint32_t index)
{
	const struct plane_run *run = user;

	return index < run->size.row_count ? &run->tables->rows[index] : NULL;
}

FL_INLINE const struct fl_backend *
plane_get_backend(void *user, uint32_t slot)
{
	const struct plane_run *run = user;

	return slot < run->size.backend_count ? &run->tables->backends[slot] : NULL;
}

FL_INLINE const struct fl_port *
plane_get_port(void *user, uint32_t index)
{
	const struct plane_run *run = user;

	return index < FL_PORTS_MAX ? &run->tables->ports[index] : NULL;
}

FL_INLINE const struct fl_fragments *
plane_get_fragments(void *user, uint32_t bucket)
{
	const struct plane_run *run = user;

	return &run->tables->fragments[bucket]; /* masked by the caller */
}

FL_INLINE void
plane_store_fragment(void *user, uint32_t at, uint64_t word)
{
	const struct plane_run *run = user;

	FL_WRITE_ONCE(run->tables->fragments[at / FL_BUCKET_WORDS].word[at % FL_BUCKET_WORDS],
		      word);
}

FL_INLINE const struct fl_flows *
plane_get_flows(void *user, uint32_t bucket)
{
	const struct plane_run *run = user;

	return &run->tables->flows[bucket]; /* masked by the caller */
}

FL_INLINE bool
plane_swap_row(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	const struct plane_run *run = user;

	return FL_SWAP(run->tables->rows[index].word, expected, desired);
}

FL_INLINE bool
plane_swap_flow(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	const struct plane_run *run = user;

	return fl_flow_swap(&run->tables->flows[bucket], expected, desired);
}

FL_INLINE uint64_t
plane_get_tick(void *user)
{
	return FL_READ_ONCE(((const struct plane_run *)user)->tables->clock->tick);
}

FL_INLINE void
plane_count_flow(void *user, uint32_t record, enum fl_flow_event event)
{
	const struct plane_run *run = user;

	if (run->flow_counters != NULL)
		fl_flow_count(&run->flow_counters[record], event);
}

FL_INLINE struct fl_core *
plane_get_core(void *user)
{
	return ((const struct plane_run *)user)->core;
}

FL_INLINE uint32_t
plane_get_in_port(void *user)
{
	return ((const struct plane_run *)user)->in_port;
}

FL_INLINE uint64_t
plane_get_now_ns(void *user)
{
	return ((const struct plane_run *)user)->now_ns;
}

static const struct fl_fragment_access plane_fragment_access = {
	.config = plane_get_config,
	.bucket = plane_get_fragments,
	.store = plane_store_fragment,
	.core = plane_get_core,
	.now_ns = plane_get_now_ns,
};

FL_INLINE uint32_t
plane_recall_fragment(void *user, const struct fl_packet *packet)
{
	return fl_fragment_recall(&plane_fragment_access, user, packet);
}

FL_INLINE void
plane_remember_fragment(void *user, const struct fl_packet *packet, uint32_t slot)
{
	if (!((const struct plane_run *)user)->is_watching)
		fl_fragment_remember(&plane_fragment_access, user, packet, slot);
}

static const struct fl_slot_access plane_slot_access = {
	.vip = plane_get_vip,
	.backend = plane_get_backend,
};

FL_INLINE bool
plane_is_live(void *user, uint32_t slot)
{
	return fl_track_is_live(&plane_slot_access, user, slot);
}

FL_INLINE uint32_t
plane_entry_facts(void *user, uint64_t word, uint64_t tick)
{
	return fl_entry_facts(&plane_slot_access, user, word, tick);
}

static const struct fl_flow_access plane_flow_access = {
	.flows = plane_get_flows,
	.facts = plane_entry_facts,
};

FL_INLINE uint64_t
plane_find_flow(void *user, uint32_t bucket, uint64_t fp, uint64_t tick)
{
	const struct fl_flow_place place = { .fp = fp, .tick = tick, .bucket = bucket };

	return fl_track_find(&plane_flow_access, user, &place);
}

FL_INLINE uint64_t
plane_find_victim(void *user, uint32_t bucket, uint64_t tick)
{
	const struct fl_flow_place place = { .tick = tick, .bucket = bucket };

	return fl_track_victim(&plane_flow_access, user, &place);
}

static const struct fl_track_access plane_track_access = {
	.config = plane_get_config,
	.vip = plane_get_vip,
	.facts = plane_entry_facts,
	.is_live = plane_is_live,
	.row = plane_get_row,
	.find = plane_find_flow,
	.victim = plane_find_victim,
	.swap_row = plane_swap_row,
	.swap_flow = plane_swap_flow,
	.tick = plane_get_tick,
	.count = plane_count_flow,
};

/** Apart from the code of stable rows, which stays small without it. */
static __attribute__((noinline)) enum fl_verdict
plane_track(void *user, const struct fl_packet *packet, struct fl_track_flow *flow)
{
	const struct plane_run *run = user;

	flow->segment |= fl_segment(&run->frame, packet);
	if (run->is_watching)
		flow->segment |= FL_SEGMENT_WATCH;
	return fl_track(&plane_track_access, user, flow);
}

static const struct fl_access plane_access = {
	.find = plane_find_vip,
	.find_range = plane_find_range,
	.vip = plane_get_vip,
	.owners = plane_get_owners,
	.track = plane_track,
	.backend = plane_get_backend,
	.port = plane_get_port,
	.fragment_recall = plane_recall_fragment,
	.fragment_remember = plane_remember_fragment,
	.core = plane_get_core,
	.in_port = plane_get_in_port,
	.now_ns = plane_get_now_ns,
};

/** How the core sees the tables of @p run. */
FL_INLINE struct fl_view
plane_view(struct plane_run *run)
{
	return (struct fl_view){ &plane_access, run, run->tables->config };
}

#endif
