/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: plane_walk() reaches every table where it lies and says how a packet ends,
 * plane_walk_output() writes the frame that leaves, and the tables are as large as what they must
 * hold. Method: tables filled by hand, of exactly the sizes that plane_tables_size() says, each
 * against an unmapped page, so that a look beyond is a crash; frames at an unmapped page; the
 * output against bytes written by hand.
 */
#include <sys/mman.h>

#include "run.h"

#include "../../dataplane/plane/tables.h"
#include "core_frames.h"

static const struct plane_limits limits = {
	.vips = 16, .backends = 11, .rows = 253, .fragments = 20
};

static struct plane_tables tables;
static struct plane_tables_size size;
static struct fl_core core;
static struct plane_run run;
static struct edge edge;

enum { MAPPED_BYTES = 16384 };

/* Zeroed memory of @p bytes that ends, but for alignment to @p align, at an unmapped page; given
 * back with the process. */
static void *
table_memory(size_t bytes, size_t align)
{
	uint8_t *map =
		mmap(NULL, MAPPED_BYTES + EDGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(bytes <= MAPPED_BYTES && map != MAP_FAILED);
	ck_assert_int_eq(mprotect(map, MAPPED_BYTES, PROT_READ | PROT_WRITE), 0);
	return map + (MAPPED_BYTES - bytes) / align * align;
}

static void
put_vip(uint32_t record, const struct fl_vip *vip)
{
	uint64_t hash = fl_vip_hash(&tables.config->key, &vip->key);
	struct fl_vip_bucket *bucket =
		&tables.vip_buckets[fl_vip_home(hash, size.vip_bucket_count - 1)];
	uint32_t i = 0;

	tables.vips[record] = *vip;
	while (bucket->word[i] != 0)
		ck_assert_uint_lt(++i, 8);
	bucket->word[i] = fl_vip_word(fl_vip_tag(hash), record);
}

static struct fl_vip_key
key_of(const char *address, uint16_t port, uint8_t ip_proto)
{
	struct fl_vip_key key = { .bits = 128 };

	frame_address_bytes(address, (uint8_t *)&key.address);
	key.port = htons(port);
	key.ip_proto = ip_proto;
	return key;
}

/* A VIP at the last record, its rows the last, its backends the last slots. */
static void
fill_tables(void)
{
	struct fl_vip vip = { .key = key_of("192.0.2.10", 0, 0) };
	struct fl_encap_plan plan = { .mode = FL_MODE_IPIP };

	frame_address_bytes("10.0.0.5", (uint8_t *)&plan.source);
	frame_address_bytes("10.0.0.11", (uint8_t *)&plan.target);
	*tables.config = (struct fl_config){ .key = { { 3, 5 } },
					     .lengths = { 128, 128 },
					     .vip_bucket_mask = size.vip_bucket_count - 1,
					     .fragment_bucket_mask = size.fragment_bucket_count - 1,
					     .flow_bucket_mask = size.flow_bucket_count - 1,
					     .answer_interval_ns = 1000000 };
	for (uint32_t i = 0; i < FL_OWN_COUNT; i++)
		memset(&tables.config->own[i].address, 0xff, sizeof(struct fl_addr));
	put_vip(0, &vip);
	vip.key = key_of("192.0.2.10", 80, 6);
	vip.service = (struct fl_vip_service){
		.row_base = 2, .row_count = 251, .slot_base = 9, .slot_count = 2
	};
	put_vip(size.vip_count - 1, &vip);
	for (uint32_t slot = 9; slot < 11; slot++) {
		fl_encap_template(&tables.backends[slot], &plan);
		tables.backends[slot].vip = size.vip_count - 1;
		tables.backends[slot].link =
			fl_link_word(0x010000000002, 15, FL_LINK_LIVE | FL_LINK_REACHABLE);
	}
	for (uint32_t row = 0; row < limits.rows; row++)
		plane_row_store(&tables, row, fl_row_stable(row & 1));
	tables.ports[15].word = fl_port_word(0x0f0000000002, 1500);
	tables.ports[0].word = fl_port_word(0x0a0000000002, 1500);
}

static void
open_tables(void)
{
	size = plane_tables_size(&limits);
	tables = (struct plane_tables){
		.config = table_memory(sizeof *tables.config, 64),
		.vip_buckets = table_memory(size.vip_bucket_count * sizeof *tables.vip_buckets, 64),
		.vips = table_memory(size.vip_count * sizeof *tables.vips, 64),
		.backends = table_memory(size.backend_count * sizeof *tables.backends, 64),
		.owners = table_memory(size.owners_count * sizeof *tables.owners, 8),
		.rows = table_memory(size.row_count * sizeof *tables.rows, 8),
		.ports = table_memory(FL_PORTS_MAX * sizeof *tables.ports, 16),
		.fragments =
			table_memory(size.fragment_bucket_count * sizeof *tables.fragments, 64),
		.flows = table_memory(size.flow_bucket_count * sizeof *tables.flows, 64),
		.clock = table_memory(sizeof *tables.clock, 64),
	};
	core = (struct fl_core){ .answer_at = 0 };
	run = (struct plane_run){
		.tables = &tables, .size = size, .core = &core, .in_port = 0, .now_ns = 1ull << 40
	};
	fill_tables();
}

static const struct frame_spec client = { .src = "198.51.100.7",
					  .dst = "192.0.2.10",
					  .src_port = 40000,
					  .dst_port = 80,
					  .ip_proto = 6,
					  .tos = 0xb9,
					  .payload = 20 };

static enum fl_verdict
walk_frame(const struct frame *frame, struct plane_walk *ret_walk)
{
	const uint8_t *start = edge_put(&edge, frame->data, frame->bytes);
	enum fl_verdict verdict = plane_walk(&run, start, frame->bytes, ret_walk);

	ck_assert_int_eq(ret_walk->verdict, verdict);
	return verdict;
}

static enum fl_verdict
walk_spec(const struct frame_spec *spec)
{
	struct frame frame = frame_of(spec);
	struct plane_walk walk;

	return walk_frame(&frame, &walk);
}

START_TEST(test_tables_walk_reaches_every_table)
{
	uint32_t seen = 0;

	open_tables();
	for (uint32_t port = 0; port < 2000; port++) {
		struct frame_spec spec = client;
		struct plane_walk walk;
		struct frame frame;

		spec.src_port = (uint16_t)port;
		frame = frame_of(&spec);
		CHECK(walk_frame(&frame, &walk) == FL_FORWARD && walk.parsed);
		CHECK(walk.decision.record == size.vip_count - 1);
		CHECK(walk.decision.slot == 9 + ((2 + walk.decision.row_index) & 1));
		CHECK(walk.decision.port == 15);
		seen |= 1u << walk.decision.slot;
	}
	ck_assert_uint_eq(seen, 3u << 9);
}
END_TEST

START_TEST(test_tables_walk_ends_at_each_step)
{
	struct frame_spec spec = client;
	struct plane_walk walk;
	struct frame frame;

	open_tables();
	frame = frame_of(&client);
	frame.data[12] = 9;
	ck_assert_int_eq(walk_frame(&frame, &walk), FL_PASS_NOT_IP);
	ck_assert(!walk.parsed);
	spec.dst_port = 81;
	ck_assert_int_eq(walk_spec(&spec), FL_PASS_NO_VIP);
	spec = client;
	spec.ip_proto = 47;
	ck_assert_int_eq(walk_spec(&spec), FL_PASS_PROTOCOL);
	frame = frame_icmp(&client, 8, 0, 7);
	ck_assert_int_eq(walk_frame(&frame, &walk), FL_ANSWER_ECHO);
	ck_assert_uint_eq(walk.decision.port, 0);
	spec = client;
	spec.payload = 1441;
	ck_assert_int_eq(walk_spec(&spec), FL_ANSWER_TOO_BIG);
	ck_assert_int_eq(walk_spec(&spec), FL_DROP_TOO_BIG);
	ck_assert_uint_eq(core.events[FL_EVENT_ANSWER_LIMITED], 1);
}
END_TEST

/* Indexes beyond the tables: what a record that is broken names. */
START_TEST(test_tables_walk_stays_in_the_tables)
{
	struct fl_vip *vip;

	open_tables();
	vip = &tables.vips[size.vip_count - 1];
	vip->service.row_base = 100000;
	ck_assert_int_eq(walk_spec(&client), FL_DROP_BUG);
	vip->service.row_base = 2;
	for (uint32_t i = 0; i < size.owners_count; i++)
		memset(&tables.owners[i], 0xfe, sizeof tables.owners[i]);
	ck_assert_int_eq(walk_spec(&client), FL_DROP_BUG); /* of 0xfefe no backend */
	for (uint32_t i = 0; i < size.owners_count; i++)
		for (uint32_t k = 0; k < 4; k++)
			tables.owners[i].cur[k] = FL_OWNER_LOOK;
	ck_assert_int_eq(walk_spec(&client), FL_FORWARD);
	run.size.row_count = 2;
	ck_assert_int_eq(walk_spec(&client), FL_DROP_BUG);
	run.size.row_count = size.row_count;
	vip->service.slot_base = 10;
	for (uint32_t row = 0; row < limits.rows; row++)
		plane_row_store(&tables, row, fl_row_stable(1));
	ck_assert_int_eq(walk_spec(&client), FL_DROP_BUG);
	vip->service.slot_base = 9;
	tables.backends[10].link = fl_link_word(0, 16, FL_LINK_LIVE | FL_LINK_REACHABLE);
	ck_assert_int_eq(walk_spec(&client), FL_DROP_BUG);
}
END_TEST

START_TEST(test_tables_walk_follows_fragments)
{
	struct frame_spec first = client, later = client;
	struct plane_walk walk, later_walk;
	struct frame frame;

	open_tables();
	first.fragment = 0x2000;
	later.fragment = 0x2001;
	for (uint32_t id = 0; id < 100; id++) {
		frame = frame_of(&later);
		frame_put16(frame.data + 18, id);
		CHECK(walk_frame(&frame, &later_walk) == FL_DROP_FRAGMENT_ORDER);
		frame = frame_of(&first);
		frame_put16(frame.data + 18, id);
		CHECK(walk_frame(&frame, &walk) == FL_FORWARD);
		frame = frame_of(&later);
		frame_put16(frame.data + 18, id);
		CHECK(walk_frame(&frame, &later_walk) == FL_FORWARD);
		CHECK(later_walk.decision.slot == walk.decision.slot);
	}
	/* 100 packets at once in 32 places */
	ck_assert_uint_eq(core.events[FL_EVENT_FRAGMENT_EVICTED], 100 - 32);
	tables.backends[walk.decision.slot].vip = size.vip_count;
	ck_assert_int_eq(walk_frame(&frame, &walk), FL_DROP_FRAGMENT_ORDER);
}
END_TEST

/* The tunnel: to the next hop, from the port, outer IPv4, the packet less one TTL. */
START_TEST(test_tables_walk_writes_the_tunnel)
{
	const uint8_t outer[] = {
		2,  0, 0, 0,	0, 1,  2, 0, 0, 0,  0, 0x0f, 8, 0,  0x45, 0xb9, 0,
		80, 0, 0, 0x40, 0, 64, 4, 0, 0, 10, 0, 0,    5, 10, 0,	  0,	11
	};
	uint8_t out[FRAME_BYTES_MAX + FL_HEAD_BYTES_MAX];
	struct frame_spec spec = client;
	struct frame frame;
	struct plane_walk walk;
	const uint8_t *start;

	open_tables();
	spec.padding = 6; /* follows the packet and does not go into the tunnel */
	frame = frame_of(&spec);
	start = edge_put(&edge, frame.data, frame.bytes);
	ck_assert_int_eq(plane_walk(&run, start, frame.bytes, &walk), FL_FORWARD);
	ck_assert_uint_eq(plane_walk_output(&walk, start, frame.bytes, out), 34 + 60);
	ck_assert_uint_eq(frame_checksum(out + 14, 20), 0);
	out[24] = out[25] = 0;
	ck_assert_mem_eq(out, outer, sizeof outer);
	frame.data[22]--;
	frame_put16(frame.data + 24, 0);
	frame_put16(frame.data + 24, frame_checksum(frame.data + 14, 20));
	ck_assert_mem_eq(out + 34, frame.data + 14, 60);
	/* a packet whose headers are not there cannot leave */
	walk.packet.l3_bytes = 10;
	ck_assert_uint_eq(plane_walk_output(&walk, start, frame.bytes, out), 0);
}
END_TEST

/* Tags that are taken off: the frame becomes shorter at its beginning. */
START_TEST(test_tables_walk_writes_shorter_frames)
{
	uint8_t out[FRAME_BYTES_MAX + FL_HEAD_BYTES_MAX];
	struct frame frame = frame_of(&client), tagged = frame;
	struct fl_encap_plan plan = { .mode = FL_MODE_L2DSR };
	struct plane_walk walk;

	open_tables();
	frame_address_bytes("10.0.0.11", (uint8_t *)&plan.target);
	for (uint32_t slot = 9; slot < 11; slot++)
		fl_encap_template(&tables.backends[slot], &plan);
	tables.ports[15].tag[0] = tables.ports[15].tag[1] = FL_TAG_NONE;
	frame_add_tag(&tagged, 0x8100, 5);
	frame_add_tag(&tagged, 0x88a8, 6);
	ck_assert_int_eq(walk_frame(&tagged, &walk), FL_FORWARD);
	ck_assert_uint_eq(plane_walk_output(&walk, tagged.data, tagged.bytes, out), frame.bytes);
	ck_assert_mem_eq(out, "\2\0\0\0\0\1\2\0\0\0\0\x0f\x08\0", 14);
	ck_assert_mem_eq(out + 14, frame.data + 14, frame.bytes - 14);
}
END_TEST

START_TEST(test_tables_find_as_packets_do)
{
	struct fl_vip_key key = key_of("192.0.2.10", 80, 6);

	open_tables();
	ck_assert_uint_eq(plane_vip_find(&tables, &key), size.vip_count - 1);
	key.bits = 127;
	ck_assert_uint_eq(plane_vip_find(&tables, &key), UINT32_MAX);
	key = key_of("192.0.2.10", 0, 0);
	ck_assert_uint_eq(plane_vip_find(&tables, &key), 0);
}
END_TEST

START_TEST(test_tables_row_is_stored_with_its_owner)
{
	open_tables();
	for (uint32_t row = 0; row < limits.rows; row++)
		plane_row_store(&tables, row, fl_row_stable(row * 257));
	for (uint32_t row = 0; row < limits.rows; row++) {
		CHECK(fl_row_cur(tables.rows[row].word) == (row * 257 & 0xffff));
		CHECK(tables.owners[row / 4].cur[row % 4] == (row * 257 & 0xffff));
	}
}
END_TEST

START_TEST(test_tables_size_leaves_room)
{
	for (uint32_t vips = 1; vips <= 65536; vips += vips < 300 ? 1 : 997) {
		struct plane_limits asked = {
			.vips = vips, .backends = 5, .rows = 600 + vips, .fragments = 8 + vips
		};
		struct plane_tables_size given = plane_tables_size(&asked);

		CHECK((given.vip_bucket_count & (given.vip_bucket_count - 1)) == 0);
		CHECK(given.vip_bucket_count >= FL_VIP_PROBE_MAX);
		/* VIPs, addresses and pages, old and new: three words of four at most */
		CHECK(given.vip_count == 6 * vips &&
		      given.vip_bucket_count * 8 * 3 >= 4 * given.vip_count);
		CHECK(given.backend_count == 5 && given.row_count == 600 + vips);
		CHECK(given.owners_count * 4 >= given.row_count &&
		      given.owners_count * 4 < given.row_count + 4);
		CHECK((given.fragment_bucket_count & (given.fragment_bucket_count - 1)) == 0);
		CHECK(given.fragment_bucket_count * 8 >= asked.fragments &&
		      given.fragment_bucket_count * 4 < asked.fragments);
	}
}
END_TEST

START_TEST(test_tables_name_every_verdict)
{
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++) {
		ck_assert_uint_gt(strlen(plane_verdict_meaning(i)), 10);
		for (uint32_t j = 0; j < i; j++)
			ck_assert_str_ne(plane_verdict_name(i), plane_verdict_name(j));
	}
	ck_assert_str_eq(plane_verdict_name(FL_FORWARD), "forward");
	ck_assert_str_eq(plane_verdict_name(FL_DROP_BUG), "drop_bug");
	ck_assert_str_eq(plane_verdict_name(FL_VERDICT_COUNT), "unknown");
	ck_assert_str_eq(plane_verdict_meaning(FL_VERDICT_COUNT), "unknown");
	ck_assert_str_eq(plane_event_name(FL_EVENT_FRAGMENT_EVICTED), "fragment_evicted");
	ck_assert_str_eq(plane_event_name(FL_EVENT_ANSWER_LIMITED), "answer_limited");
	ck_assert_str_eq(plane_event_name(FL_EVENT_COUNT), "unknown");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_tables_walk_reaches_every_table,
				       test_tables_walk_ends_at_each_step,
				       test_tables_walk_stays_in_the_tables,
				       test_tables_walk_follows_fragments,
				       test_tables_walk_writes_the_tunnel,
				       test_tables_walk_writes_shorter_frames,
				       test_tables_find_as_packets_do,
				       test_tables_row_is_stored_with_its_owner,
				       test_tables_size_leaves_room,
				       test_tables_name_every_verdict,
				       NULL };
	int status;

	edge = edge_create();
	status = run_tests("tables", tests);
	edge_destroy(&edge);
	return status;
}
