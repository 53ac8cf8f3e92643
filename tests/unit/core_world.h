/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Tables filled by hand, and the core's access to them, for the tests of decide.h and emit.h. A
 * record is found by comparing all keys, so that nothing here depends on the look-up of vip.h. The
 * test that includes this has emit.h of dataplane/core and run.h.
 */
#ifndef TESTS_UNIT_CORE_WORLD_H
#define TESTS_UNIT_CORE_WORLD_H

#include "core_frames.h"

enum {
	WORLD_RECORDS = 256,
	WORLD_ROWS = 64,
	WORLD_SLOTS = 16,
	WORLD_PORTS = 8,
	WORLD_FRAGMENTS = 4, /**< buckets */
	WORLD_FLOWS = 4,     /**< buckets */
};

/** The counts are of what there is: beyond, the access answers NULL. */
struct world {
	struct fl_config config;
	uint32_t record_count, owners_count, row_count, slot_count, port_count, fragment_count;
	bool has_no_core;
	uint32_t in_port;
	uint64_t now_ns;
	struct fl_vip vips[WORLD_RECORDS];
	struct fl_owners owners[WORLD_ROWS / 4];
	struct fl_row rows[WORLD_ROWS];
	struct fl_backend backends[WORLD_SLOTS];
	struct fl_port ports[WORLD_PORTS];
	struct fl_fragments fragments[WORLD_FRAGMENTS];
	struct fl_flows flows[WORLD_FLOWS];
	struct fl_clock clock;
	struct fl_flow_counter flow_counter; /**< of all VIPs */
	uint32_t flow_losses;		     /**< so many swaps of an entry fail */
	struct fl_frame frame;		     /**< that is decided */
	struct fl_core core;
};

static inline const struct fl_vip *
world_find(void *user, const struct fl_vip_key *key, uint32_t *ret_record)
{
	struct world *world = user;

	for (uint32_t i = 0; i < world->record_count; i++)
		if (memcmp(&world->vips[i].key, key, sizeof *key) == 0) {
			*ret_record = i;
			return &world->vips[i];
		}
	return NULL;
}

static inline uint32_t
world_find_range(void *user, const struct fl_vip_key *key, uint16_t port)
{
	uint32_t record;
	const struct fl_vip *page = world_find(user, key, &record);

	return page == NULL ? FL_RANGE_NOT_FOUND : fl_page_range(&page->page, port);
}

static inline const struct fl_vip *
world_vip(void *user, uint32_t record)
{
	struct world *world = user;

	return record < world->record_count ? &world->vips[record] : NULL;
}

static inline const struct fl_owners *
world_owners(void *user, uint32_t index)
{
	struct world *world = user;

	return index < world->owners_count ? &world->owners[index] : NULL;
}

static inline const struct fl_row *
world_row(void *user, uint32_t index)
{
	struct world *world = user;

	return index < world->row_count ? &world->rows[index] : NULL;
}

static inline const struct fl_backend *
world_backend(void *user, uint32_t slot)
{
	struct world *world = user;

	return slot < world->slot_count ? &world->backends[slot] : NULL;
}

static inline const struct fl_port *
world_port(void *user, uint32_t index)
{
	struct world *world = user;

	return index < world->port_count ? &world->ports[index] : NULL;
}

static inline struct fl_core *
world_core(void *user)
{
	struct world *world = user;

	return world->has_no_core ? NULL : &world->core;
}

static inline uint32_t
world_in_port(void *user)
{
	return ((struct world *)user)->in_port;
}

static inline uint64_t
world_now_ns(void *user)
{
	return ((struct world *)user)->now_ns;
}

static inline const struct fl_config *
world_config(void *user)
{
	return &((struct world *)user)->config;
}

static inline const struct fl_fragments *
world_bucket(void *user, uint32_t index)
{
	struct world *world = user;

	return index < world->fragment_count ? &world->fragments[index] : NULL;
}

static inline void
world_store_fragment(void *user, uint32_t at, uint64_t word)
{
	((struct world *)user)->fragments[at / 8].word[at % 8] = word;
}

static const struct fl_fragment_access world_fragment_access = {
	.config = world_config,
	.bucket = world_bucket,
	.store = world_store_fragment,
	.core = world_core,
	.now_ns = world_now_ns,
};

static inline const struct fl_flows *
world_flows(void *user, uint32_t bucket)
{
	return &((struct world *)user)->flows[bucket];
}

static const struct fl_slot_access world_slot_access = { .vip = world_vip,
							 .backend = world_backend };

static inline uint32_t
world_facts(void *user, uint64_t word, uint64_t tick)
{
	return fl_entry_facts(&world_slot_access, user, word, tick);
}

static inline bool
world_is_live(void *user, uint32_t slot)
{
	return fl_track_is_live(&world_slot_access, user, slot);
}

static const struct fl_flow_access world_flow_access = {
	.flows = world_flows,
	.facts = world_facts,
};

static inline uint64_t
world_find_flow(void *user, uint32_t bucket, uint64_t fp, uint64_t tick)
{
	const struct fl_flow_place place = { .fp = fp, .tick = tick, .bucket = bucket };

	return fl_track_find(&world_flow_access, user, &place);
}

static inline uint64_t
world_victim(void *user, uint32_t bucket, uint64_t tick)
{
	const struct fl_flow_place place = { .tick = tick, .bucket = bucket };

	return fl_track_victim(&world_flow_access, user, &place);
}

static inline bool
world_swap_row(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	return FL_SWAP(((struct world *)user)->rows[index].word, expected, desired);
}

static inline bool
world_swap_flow(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	struct world *world = user;

	if (world->flow_losses > 0) {
		world->flow_losses--; /* another core was first */
		return false;
	}
	return fl_flow_swap(&world->flows[bucket], expected, desired);
}

static inline uint64_t
world_tick(void *user)
{
	return ((struct world *)user)->clock.tick;
}

static inline void
world_count_flow(void *user, uint32_t record, enum fl_flow_event event)
{
	fl_flow_count(&((struct world *)user)->flow_counter, event);
}

static const struct fl_track_access world_track_access = {
	.config = world_config,
	.vip = world_vip,
	.facts = world_facts,
	.is_live = world_is_live,
	.row = world_row,
	.find = world_find_flow,
	.victim = world_victim,
	.swap_row = world_swap_row,
	.swap_flow = world_swap_flow,
	.tick = world_tick,
	.count = world_count_flow,
};

static inline enum fl_verdict
world_track(void *user, const struct fl_packet *packet, struct fl_track_flow *flow)
{
	flow->segment |= fl_segment(&((struct world *)user)->frame, packet);
	return fl_track(&world_track_access, user, flow);
}

static inline uint32_t
world_recall(void *user, const struct fl_packet *packet)
{
	return fl_fragment_recall(&world_fragment_access, user, packet);
}

static inline void
world_remember(void *user, const struct fl_packet *packet, uint32_t slot)
{
	fl_fragment_remember(&world_fragment_access, user, packet, slot);
}

static const struct fl_access world_access = {
	.find = world_find,
	.find_range = world_find_range,
	.vip = world_vip,
	.owners = world_owners,
	.track = world_track,
	.backend = world_backend,
	.port = world_port,
	.fragment_recall = world_recall,
	.fragment_remember = world_remember,
	.core = world_core,
	.in_port = world_in_port,
	.now_ns = world_now_ns,
};

static inline struct fl_view
world_view(struct world *world)
{
	return (struct fl_view){ &world_access, world, &world->config };
}

static inline struct fl_addr
world_address(const char *text)
{
	struct fl_addr address;

	frame_address_bytes(text, (uint8_t *)&address);
	return address;
}

/** A record's key. @param bits of the 128. */
static inline struct fl_vip_key
world_key(const char *address, uint8_t bits)
{
	return (struct fl_vip_key){ .address = world_address(address), .bits = bits };
}

/** @return the new record, whose key is set. */
static inline struct fl_vip *
world_add(struct world *world, const struct fl_vip_key *key)
{
	struct fl_vip *vip = &world->vips[world->record_count++];

	if (world->record_count > WORLD_RECORDS)
		abort();
	*vip = (struct fl_vip){ .key = *key };
	return vip;
}

/** The address record of @p key's address; made when there is none. */
static inline struct fl_vip *
world_add_address(struct world *world, const struct fl_vip_key *key)
{
	struct fl_vip_key address = { .address = key->address, .bits = key->bits };

	for (uint32_t i = 0; i < world->record_count; i++)
		if (memcmp(&world->vips[i].key, &address, sizeof address) == 0)
			return &world->vips[i];
	return world_add(world, &address);
}

/** A VIP with rows 0-6, slots 0-3, and its address. @return its record. */
static inline struct fl_vip *
world_serve(struct world *world, const struct fl_vip_key *key)
{
	struct fl_vip *vip;

	world_add_address(world, key);
	vip = world_add(world, key);
	vip->service = (struct fl_vip_service){ .row_count = 7, .slot_count = 4 };
	return vip;
}

/** How a slot's backend is reached, in the VIP's family or the other. */
struct world_way {
	enum fl_mode mode;
	bool outer_is_ipv6, inner_is_ipv6;
	uint8_t entropy_bits;
};

static inline void
world_set_backend(struct world *world, uint32_t slot, const struct world_way *way)
{
	bool is_ipv6 = way->outer_is_ipv6;
	struct fl_encap_plan plan = {
		.mode = way->mode,
		.inner_is_ipv6 = way->inner_is_ipv6,
		.entropy_bits = way->entropy_bits,
		.source = world_address(is_ipv6 ? "2001:db8:ba1::" : "10.64.0.0"),
		.target = world_address(is_ipv6 ? "2001:db8:ba1::11" : "10.0.0.11"),
	};

	fl_encap_template(&world->backends[slot], &plan);
	world->backends[slot].link =
		fl_link_word(0x0e0d0c0b0a06, 1, FL_LINK_LIVE | FL_LINK_REACHABLE);
	world->backends[slot].vip = 0;
}

/** Every row of every VIP is owned by backend @p cur of it. */
static inline void
world_set_rows(struct world *world, uint32_t cur)
{
	for (uint32_t i = 0; i < WORLD_ROWS; i++) {
		world->rows[i].word = fl_row_stable(cur);
		world->owners[i / 4].cur[i % 4] = (uint16_t)cur;
	}
}

/** The port's MAC as a word: its number stands in the last byte. */
static inline uint64_t
world_port_mac(uint32_t port)
{
	return 0x100000000002 | (uint64_t)port << 40;
}

/** No VIP; all slots by IP-in-IP over IPv4 on port 1; packets come by port 2; MTU 1500. */
static inline void
world_open(struct world *world)
{
	*world = (struct world){
		.config = { .key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } },
			    .lengths = { 128, 128 },
			    .fragment_bucket_mask = WORLD_FRAGMENTS - 1,
			    .flow_bucket_mask = WORLD_FLOWS - 1,
			    .answer_interval_ns = 1000000,
			    .answer_burst_ns = 99000000 },
		.owners_count = WORLD_ROWS / 4,
		.row_count = WORLD_ROWS,
		.slot_count = WORLD_SLOTS,
		.port_count = WORLD_PORTS,
		.fragment_count = WORLD_FRAGMENTS,
		.in_port = 2,
		.now_ns = 1000000000000,
	};
	for (uint32_t i = 0; i < FL_OWN_COUNT; i++)
		memset(&world->config.own[i].address, 0xff, sizeof world->config.own[i].address);
	for (uint32_t i = 0; i < WORLD_PORTS; i++)
		world->ports[i].word = fl_port_word(world_port_mac(i), 1500);
	for (uint32_t i = 0; i < WORLD_SLOTS; i++)
		world_set_backend(world, i, &(struct world_way){ .mode = FL_MODE_IPIP });
	world_set_rows(world, 0);
}

/** What became of a frame. */
struct world_walk {
	enum fl_verdict verdict;
	struct fl_packet packet;
	struct fl_decision decision;
};

/** Asked for plain packets first, fl_admit() says the same or that it is none. */
static inline void
world_check_plain(struct world *world, const struct frame *frame)
{
	struct fl_cursor cursor = { frame->data, frame->data + frame->bytes };
	struct fl_packet packet = { 0 }, plain_packet;
	struct fl_decision decision = { 0 }, plain_decision = { 0 };
	struct fl_view view = world_view(world);
	enum fl_verdict verdict;

	if (fl_parse_plain(&cursor, frame->bytes, &packet) != FL_FORWARD)
		return;
	plain_packet = packet;
	verdict = fl_admit(&view, &plain_packet, &plain_decision, true);
	if (verdict == FL_NOT_PLAIN)
		return;
	CHECK(verdict == fl_admit(&view, &packet, &decision, false));
	CHECK(memcmp(&packet, &plain_packet, sizeof packet) == 0);
	CHECK(verdict != FL_FORWARD ||
	      (decision.vip == plain_decision.vip && decision.record == plain_decision.record));
}

/** May the packet be tracked? It has ports, and a row that is not stable. */
static inline bool
world_is_tracked(const struct world *before, const struct world_walk *walk)
{
	const struct fl_vip *vip = walk->decision.vip;
	bool has_ports =
		walk->packet.shape == FL_SHAPE_FLOW || walk->packet.shape == FL_SHAPE_FIRST;
	uint32_t row;

	if (vip == NULL || !has_ports || vip->service.row_count == 0)
		return false;
	row = vip->service.row_base + walk->decision.row_index;
	return row < WORLD_ROWS && fl_row_state(before->rows[row].word) != FL_ROW_STABLE;
}

/** Only a first fragment that is forwarded, a packet that is tracked and one that is too big leave
 * something in the tables. */
static inline void
world_check_untouched(const struct world *world, struct world *before,
		      const struct world_walk *walk)
{
	if (walk->verdict == FL_FORWARD && walk->packet.shape == FL_SHAPE_FIRST) {
		memcpy(before->fragments, world->fragments, sizeof before->fragments);
		before->core.events[FL_EVENT_FRAGMENT_EVICTED] =
			world->core.events[FL_EVENT_FRAGMENT_EVICTED];
	}
	if (world_is_tracked(before, walk)) {
		memcpy(before->rows, world->rows, sizeof before->rows);
		memcpy(before->flows, world->flows, sizeof before->flows);
		before->flow_counter = world->flow_counter;
		before->flow_losses = world->flow_losses;
	}
	if (walk->verdict == FL_ANSWER_TOO_BIG)
		before->core.answer_at = world->core.answer_at;
	if (walk->verdict == FL_DROP_TOO_BIG)
		before->core.events[FL_EVENT_ANSWER_LIMITED] =
			world->core.events[FL_EVENT_ANSWER_LIMITED];
	CHECK(memcmp(before, world, sizeof *world) == 0);
}

/** The whole decision for a frame; whatever ends it leaves no trace where it must not. */
static inline enum fl_verdict
world_decide(struct world *world, const struct frame *frame, struct world_walk *ret_walk)
{
	struct fl_cursor cursor = { frame->data, frame->data + frame->bytes };
	struct fl_view view = world_view(world);
	static struct world before;

	world->frame = (struct fl_frame){ .start = cursor };
	before = *world;
	world_check_plain(world, frame);
	memset(ret_walk, 0, sizeof *ret_walk);
	ret_walk->verdict = fl_parse(&cursor, frame->bytes, &ret_walk->packet);
	if (ret_walk->verdict == FL_FORWARD)
		ret_walk->verdict = fl_decide(&view, &ret_walk->packet, &ret_walk->decision);
	world_check_untouched(world, &before, ret_walk);
	return ret_walk->verdict;
}

#endif
