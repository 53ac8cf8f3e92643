/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the worker's stages decide as plane_walk() does, packet after packet, and write the same
 * bytes, however a frame lies in its buffers; and no buffer is lost. Method: hand-made tables with
 * backends of every mode on two ports; frames of many shapes, whole, cut, split over segments at
 * every byte, shared, without headroom, through fl_worker_decide() and fl_stage_count() without any
 * port, beside a walk on the same tables but for a fragment table and counters of its own.
 */
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "../../dataplane/dpdk/stages.h"
#include "../frames.h"
#include "run.h"

enum {
	VIPS = 8, /* records */
	BACKENDS = 6,
	ROWS = 251,
	FRAGMENTS = 4, /* buckets */
	POOL = 255,
	ROOM = 4096, /* of a buffer, besides headroom */
	MS = 1000000,
};

static struct fl_config config;
static struct fl_vip_bucket buckets[4];
static struct fl_vip vips[VIPS];
static struct fl_backend backends[BACKENDS];
static struct fl_row rows[ROWS];
static struct fl_owners owners[(ROWS + 3) / 4];
static struct fl_port ports[FL_PORTS_MAX];
static struct fl_fragments fragments[FRAGMENTS], walk_fragments[FRAGMENTS];
static struct fl_counter vip_counters[VIPS], backend_counters[BACKENDS];
static struct fl_worker worker;
static struct rte_mempool *pool;

/* the walk beside the worker */
static struct plane_tables walk_tables;
static struct fl_core walk_core;
static struct plane_run walk_run;

static struct fl_addr
address(const char *text)
{
	struct fl_addr out = { .half = { 0, 0 } };

	if (strchr(text, ':') != NULL) {
		frame_put_address(AF_INET6, text, (uint8_t *)out.word);
	} else {
		frame_put_address(AF_INET, text, (uint8_t *)&out.word[3]);
		out.word[2] = FL_ADDR_MAPPED_WORD;
	}
	return out;
}

static void
publish(uint32_t index)
{
	uint64_t hash = fl_vip_hash(&config.key, &vips[index].key);
	struct fl_vip_bucket *bucket = &buckets[fl_vip_home(hash, config.vip_bucket_mask)];
	uint32_t i = 0;

	while (bucket->word[i] != 0)
		i++;
	if (i >= 8)
		abort();
	bucket->word[i] = fl_vip_word(fl_vip_tag(hash), index);
}

/** A VIP and its address record, at @p index and behind it. */
static void
make_vip(uint32_t index, const char *vip, uint16_t port, uint8_t ip_proto)
{
	vips[index] = (struct fl_vip){
		.key = { .address = address(vip),
			 .port = fl_to_be16(port),
			 .ip_proto = ip_proto,
			 .bits = 128 },
		.service = { .row_count = ROWS, .slot_count = BACKENDS },
	};
	vips[index + 1] = (struct fl_vip){
		.key = { .address = address(vip), .bits = 128 },
		.address = { .echo = FL_ECHO_ANSWER },
	};
	publish(index);
	publish(index + 1);
}

static void
make_backend(uint32_t slot, enum fl_mode mode, const char *target, uint8_t port)
{
	const struct fl_encap_plan plan = {
		.mode = mode,
		.source = address(strchr(target, ':') != NULL ? "fd00::5" : "10.0.0.5"),
		.target = address(target),
	};

	fl_encap_template(&backends[slot], &plan);
	backends[slot].link = fl_link_word(0x0500005e0002 + ((uint64_t)slot << 40), port,
					   FL_LINK_LIVE | FL_LINK_REACHABLE);
}

static void
make_tables(void)
{
	config = (struct fl_config){
		.key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } },
		.lengths = { 128 | 112 << 8, 128 },
		.vip_bucket_mask = 3,
		.fragment_bucket_mask = FRAGMENTS - 1,
		.answer_interval_ns = MS,
		.answer_burst_ns = 2 * MS,
	};
	make_vip(0, "192.0.2.10", 80, FL_IPPROTO_TCP);
	make_vip(2, "2001:db8::10", 53, FL_IPPROTO_UDP);
	make_backend(0, FL_MODE_IPIP, "10.0.0.11", 0);
	make_backend(1, FL_MODE_IPIP, "fd00::11", 0);
	make_backend(2, FL_MODE_GUE, "10.0.0.12", 1);
	make_backend(3, FL_MODE_IPIP, "10.0.0.13", 0);
	backends[3].link = fl_link_word(0, 0, FL_LINK_LIVE); /* unreachable */
	make_backend(4, FL_MODE_L2DSR, "10.0.0.14", 1);
	make_backend(5, FL_MODE_GUE, "fd00::15", 0);
	for (uint32_t i = 0; i < ROWS; i++)
		plane_row_store(&worker.tables, i,
				fl_row_stable(i % 8 == 7 ? FL_ROW_NONE : i % BACKENDS));
	ports[0].word = fl_port_word(0x010000000002, 1500);
	ports[1].word = fl_port_word(0x030000000002, 4000);
	ports[1].tag[0] = fl_tag(FL_ETHERTYPE_VLAN, 5);
}

static void
make_worker(void)
{
	char *argv[] = { "test_stages", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			 "-m",		"64",	     "-l",	    "0",	"--log-level=3",
			 NULL };

	if (rte_eal_init(10, argv) < 0)
		abort();
	pool = rte_pktmbuf_pool_create("packets", POOL, 0, 0, RTE_PKTMBUF_HEADROOM + ROOM,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		abort();
	worker.tables = (struct plane_tables){
		.config = &config,
		.vip_buckets = buckets,
		.vips = vips,
		.backends = backends,
		.rows = rows,
		.owners = owners,
		.ports = ports,
		.fragments = fragments,
	};
	worker.size = (struct plane_tables_size){
		.vip_bucket_count = sizeof buckets / sizeof buckets[0],
		.vip_count = VIPS,
		.backend_count = BACKENDS,
		.row_count = ROWS,
		.owners_count = sizeof owners / sizeof owners[0],
		.fragment_bucket_count = FRAGMENTS,
	};
	make_tables();
	worker.pool = pool;
	worker.vip_counters = vip_counters;
	worker.backend_counters = backend_counters;
	fl_worker_init(&worker);
	walk_tables = worker.tables;
	walk_tables.fragments = walk_fragments;
	walk_run = (struct plane_run){ .tables = &walk_tables,
				       .size = worker.size,
				       .core = &walk_core };
}

/** What the shapes are made of; those of one burst differ in their ports. */
static const struct shape {
	struct frame_spec spec;
	uint8_t tags;	 /* 802.1Q, before the IP header */
	bool quotes;	 /* ICMP: the error is about a packet of the VIP */
	bool is_special; /* src_port is not a port */
	bool is_long;	 /* a long destination options header before UDP */
} shapes[] = {
	{ { .src = "198.51.100.7", .dst = "192.0.2.10", .dst_port = 80, .ip_proto = 6 } },
	{ { .src = "198.51.100.7",
	    .dst = "192.0.2.10",
	    .dst_port = 80,
	    .ip_proto = 6,
	    .padding = 6,
	    .tos = 0xb9 } },
	{ { .src = "198.51.100.7",
	    .dst = "192.0.2.10",
	    .dst_port = 80,
	    .ip_proto = 6,
	    .option_words = 10,
	    .payload = 64 },
	  .tags = 1 },
	{ { .src = "198.51.100.7",
	    .dst = "192.0.2.10",
	    .dst_port = 80,
	    .ip_proto = 6,
	    .payload = 1441 } },
	{ { .src = "198.51.100.7", .dst = "192.0.2.10", .dst_port = 81, .ip_proto = 6 } },
	{ { .src = "198.51.100.7",
	    .dst = "192.0.2.10",
	    .dst_port = 80,
	    .ip_proto = 6,
	    .fragment = 0x2000 } },
	{ { .src = "198.51.100.7",
	    .dst = "192.0.2.10",
	    .dst_port = 80,
	    .ip_proto = 6,
	    .fragment = 0x0064,
	    .payload = 40 } },
	{ { .src = "198.51.100.8", .dst = "192.0.2.10", .ip_proto = 6, .fragment = 0x2064 } },
	{ { .src = "198.51.100.7", .dst = "192.0.2.10", .ip_proto = 50 } },
	{ { .src = "198.51.100.7", .dst = "192.0.2.99", .ip_proto = 17, .dst_port = 80 } },
	{ { .src = "198.51.100.7",
	    .dst = "192.0.2.10",
	    .ip_proto = 1,
	    .src_port = 0x0800,
	    .payload = 56 },
	  .tags = 2,
	  .is_special = true },
	{ { .src = "203.0.113.1",
	    .dst = "192.0.2.10",
	    .ip_proto = 1,
	    .src_port = 0x0304,
	    .payload = 40 },
	  .is_special = true,
	  .quotes = true },
	{ { .src = "2001:db8:1::7",
	    .dst = "2001:db8::10",
	    .ip_proto = 17,
	    .dst_port = 53,
	    .payload = 33,
	    .tos = 0x2e },
	  .tags = 2 },
	{ { .src = "2001:db8:1::7",
	    .dst = "2001:db8::10",
	    .ip_proto = 58,
	    .src_port = 0x8000,
	    .payload = 9,
	    .padding = 3 },
	  .is_special = true },
	{ { .src = "2001:db8:1::7", .dst = "2001:db8::10", .ip_proto = 135, .payload = 30 } },
	{ { .src = "2001:db8:1::7", .dst = "2001:db8::10", .ip_proto = 60, .payload = 2400 },
	  .is_long = true },
};
enum {
	SHAPES = sizeof shapes / sizeof shapes[0],
	SHAPE_TCP = 0,
	SHAPE_PADDED = 1,
	SHAPE_BIG = 3,
	SHAPE_FIRST = 5,
	SHAPE_LATER = 6,
	SHAPE_ECHO = 10,
	SHAPE_LONG = 15,
};

struct frame {
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t size;
};

static void
add_tags(struct frame *frame, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		memmove(frame->bytes + 16, frame->bytes + 12, frame->size - 12);
		frame_put16(frame->bytes + 12, i == 0 ? 0x8100 : 0x88a8);
		frame_put16(frame->bytes + 14, 0x2000 + 7 * i);
		frame->size += 4;
	}
}

/** In the ICMP error's payload: an IPv4 packet from the VIP to a client's port @p client_port. */
static void
put_quote(struct frame *frame, uint16_t client_port)
{
	const struct frame_spec spec = { .src = "192.0.2.10",
					 .dst = "198.51.100.7",
					 .src_port = 80,
					 .dst_port = client_port,
					 .ip_proto = 6 };
	uint8_t quoted[FRAME_BYTES_MAX];

	(void)frame_build(&spec, quoted);
	memcpy(frame->bytes + 14 + 20 + 8, quoted + 14, 40);
}

static struct frame
make_frame(uint32_t shape, uint16_t src_port)
{
	struct frame_spec spec = shapes[shape].spec;
	struct frame frame;

	if (!shapes[shape].is_special)
		spec.src_port = src_port;
	if (shapes[shape].is_long) /* next header UDP; 255 times 8 bytes */
		spec.src_port = 17 << 8 | 254;
	frame.size = frame_build(&spec, frame.bytes);
	if (shapes[shape].quotes)
		put_quote(&frame, src_port);
	if (shapes[shape].is_long) {
		frame_put16(frame.bytes + 14 + 40 + 2040, src_port);
		frame_put16(frame.bytes + 14 + 40 + 2042, 53);
	}
	add_tags(&frame, shapes[shape].tags);
	return frame;
}

static struct rte_mbuf *
take_mbuf(const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	char *data;

	ck_assert_ptr_nonnull(mbuf);
	data = rte_pktmbuf_append(mbuf, (uint16_t)size);
	ck_assert_ptr_nonnull(data);
	memcpy(data, bytes, size);
	return mbuf;
}

/** The frame in two segments, the first of @p first bytes. */
static struct rte_mbuf *
take_split(const struct frame *frame, uint32_t first)
{
	struct rte_mbuf *head = take_mbuf(frame->bytes, first);

	if (first < frame->size)
		ck_assert_int_eq(rte_pktmbuf_chain(head, take_mbuf(frame->bytes + first,
								   frame->size - first)),
				 0);
	return head;
}

/** Packet @p i of the burst ended as plane_walk() says, with the bytes that plane_walk_output()
 * writes. */
static void
check_end(const struct fl_burst *burst, uint32_t i, const struct frame *frame)
{
	const struct fl_decision *decision = &burst->decision[i];
	uint8_t expected[FRAME_BYTES_MAX + FL_HEAD_BYTES_MAX], copy[sizeof expected];
	struct plane_walk walk;
	enum fl_verdict verdict;
	uint32_t size;

	walk_run.in_port = burst->port;
	walk_run.now_ns = burst->now_ns;
	verdict = plane_walk(&walk_run, frame->bytes, frame->size, &walk);
	walk_core.verdicts[verdict]++;
	CHECK(decision->verdict == verdict);
	if (!fl_verdict_is_send(verdict))
		return;
	size = plane_walk_output(&walk, frame->bytes, frame->size, expected);
	CHECK(decision->slot == walk.decision.slot && decision->hash == walk.decision.hash);
	CHECK(decision->port == walk.decision.port);
	CHECK(rte_pktmbuf_pkt_len(burst->mbuf[i]) == size);
	CHECK(memcmp(rte_pktmbuf_read(burst->mbuf[i], 0, size, copy), expected, size) == 0);
	CHECK(rte_mbuf_check(burst->mbuf[i], 1, &(const char *){ NULL }) == 0);
}

/** Decide, check and count a burst; what leaves is freed as a driver would. */
static void
run_burst(struct fl_burst *burst, const struct frame *frames)
{
	/* what a burst before it may have left */
	memset(burst->packet, 0xa5, sizeof burst->packet);
	memset(burst->decision, 0xa5, sizeof burst->decision);
	fl_worker_decide(&worker, burst);
	for (uint32_t i = 0; i < burst->count; i++)
		check_end(burst, i, &frames[i]);
	fl_stage_count(&worker, burst);
	for (uint32_t i = 0; i < burst->count; i++) {
		enum fl_verdict verdict = burst->decision[i].verdict;

		if (fl_verdict_is_send(verdict) || fl_verdict_is_pass(verdict))
			rte_pktmbuf_free(burst->mbuf[i]);
	}
	CHECK(memcmp(&worker.core, &walk_core, sizeof walk_core) == 0);
	CHECK(rte_mempool_avail_count(pool) == POOL);
}

static uint64_t
seen_verdicts(void)
{
	uint64_t seen = 0;

	for (uint32_t v = 0; v < FL_VERDICT_COUNT; v++)
		seen |= (uint64_t)(worker.core.verdicts[v] > 0) << v;
	return seen;
}

START_TEST(test_stages_decide_as_the_walk)
{
	static struct frame frames[FL_BURST_MAX];

	for (uint32_t round = 0; round < 300; round++) {
		struct fl_burst burst = { .count = (uint16_t)(round % (FL_BURST_MAX + 1)),
					  .port = round % 2,
					  .now_ns = (uint64_t)round * MS };

		for (uint32_t i = 0; i < burst.count; i++) {
			frames[i] = make_frame((round + i) % SHAPES, (uint16_t)(round * 40 + i));
			burst.mbuf[i] = take_mbuf(frames[i].bytes, frames[i].size);
		}
		run_burst(&burst, frames);
	}
	ck_assert_uint_eq(seen_verdicts(),
			  1ull << FL_FORWARD | 1ull << FL_ANSWER_ECHO | 1ull << FL_ANSWER_TOO_BIG |
				  1ull << FL_PASS_NO_VIP | 1ull << FL_PASS_PROTOCOL |
				  1ull << FL_DROP_FRAGMENT_ORDER | 1ull << FL_DROP_IPV6_EXTENSION |
				  1ull << FL_DROP_NO_BACKEND | 1ull << FL_DROP_UNREACHABLE |
				  1ull << FL_DROP_TOO_BIG);
	ck_assert_uint_gt(worker.core.events[FL_EVENT_ANSWER_LIMITED], 0);
}
END_TEST

/** A frame of the shape that goes to @p slot. */
static struct frame
make_forwarded(uint32_t shape, uint32_t slot)
{
	struct frame frame;
	struct plane_walk walk;

	for (uint16_t src_port = 1; src_port < 500; src_port++) {
		frame = make_frame(shape, src_port);
		if (plane_walk(&walk_run, frame.bytes, frame.size, &walk) == FL_FORWARD &&
		    walk.decision.slot == slot)
			return frame;
	}
	ck_abort_msg("no flow of shape %u goes to slot %u", shape, slot);
	return frame;
}

START_TEST(test_stages_count_what_is_forwarded)
{
	struct frame frames[2] = { make_forwarded(SHAPE_TCP, 2), make_frame(SHAPE_ECHO, 0) };
	struct fl_burst burst = { .count = 2 };

	for (uint32_t i = 0; i < 2; i++)
		burst.mbuf[i] = take_mbuf(frames[i].bytes, frames[i].size);
	run_burst(&burst, frames);
	ck_assert_uint_eq(burst.decision[1].verdict, FL_ANSWER_ECHO);
	for (uint32_t i = 0; i < VIPS; i++) {
		ck_assert_uint_eq(vip_counters[i].packets, i == 0);
		ck_assert_uint_eq(vip_counters[i].bytes, i == 0 ? 40 : 0);
	}
	for (uint32_t i = 0; i < BACKENDS; i++) {
		ck_assert_uint_eq(backend_counters[i].packets, i == 2);
		ck_assert_uint_eq(backend_counters[i].bytes, i == 2 ? 40 : 0);
	}
}
END_TEST

START_TEST(test_stages_refuse_every_cut)
{
	for (uint32_t shape = 0; shape < SHAPES; shape++) {
		struct frame frame = make_frame(shape, 1000);

		for (uint32_t size = frame.size; size > 0; size--) {
			struct fl_burst burst = { .count = 1 };

			frame.size = size;
			burst.mbuf[0] = take_mbuf(frame.bytes, size);
			run_burst(&burst, &frame);
		}
	}
}
END_TEST

START_TEST(test_stages_read_headers_split_anywhere)
{
	for (uint32_t shape = 0; shape < SHAPES; shape++) {
		struct frame frame = make_frame(shape, 1001);

		for (uint32_t first = 1; first < frame.size; first++) {
			struct fl_burst burst = { .count = 1, .now_ns = (uint64_t)first * MS };

			burst.mbuf[0] = take_split(&frame, first);
			run_burst(&burst, &frame);
		}
	}
}
END_TEST

/** Every backend's way to resize, each from every split. */
START_TEST(test_stages_write_into_segments)
{
	static const uint32_t slots[] = { 0, 1, 2, 4, 5 };

	for (uint32_t s = 0; s < sizeof slots / sizeof slots[0]; s++) {
		struct frame frame = make_forwarded(SHAPE_PADDED, slots[s]);

		for (uint32_t first = 1; first < frame.size; first++) {
			struct fl_burst burst = { .count = 1 };

			burst.mbuf[0] = take_split(&frame, first);
			run_burst(&burst, &frame);
		}
	}
}
END_TEST

START_TEST(test_stages_follow_a_first_fragment_of_the_same_burst)
{
	struct frame frames[3] = { make_frame(SHAPE_LATER, 0), make_forwarded(SHAPE_FIRST, 5),
				   make_frame(SHAPE_LATER, 0) };
	struct fl_burst burst = { .count = 3 };

	memset(walk_fragments, 0, sizeof walk_fragments); /* make_forwarded()'s */
	for (uint32_t i = 0; i < 3; i++)
		burst.mbuf[i] = take_mbuf(frames[i].bytes, frames[i].size);
	run_burst(&burst, frames);
	ck_assert_uint_eq(burst.decision[0].verdict, FL_DROP_FRAGMENT_ORDER);
	ck_assert_uint_eq(burst.decision[1].verdict, FL_FORWARD);
	ck_assert_uint_eq(burst.decision[2].verdict, FL_FORWARD);
	ck_assert_uint_eq(burst.decision[2].slot, 5);
	/* and two seconds later no more */
	burst = (struct fl_burst){ .count = 1, .now_ns = 2100ull * MS };
	burst.mbuf[0] = take_mbuf(frames[0].bytes, frames[0].size);
	run_burst(&burst, frames);
	ck_assert_uint_eq(burst.decision[0].verdict, FL_DROP_FRAGMENT_ORDER);
}
END_TEST

START_TEST(test_stages_copy_what_others_hold)
{
	struct frame frame = make_forwarded(SHAPE_PADDED, 0);
	struct rte_mbuf *shared = take_mbuf(frame.bytes, frame.size);
	struct fl_burst burst = { .count = 1 };

	rte_mbuf_refcnt_set(shared, 2);
	burst.mbuf[0] = shared;
	fl_worker_decide(&worker, &burst);
	check_end(&burst, 0, &frame);
	ck_assert_ptr_ne(burst.mbuf[0], shared);
	ck_assert_uint_eq(rte_mbuf_refcnt_read(shared), 1);
	ck_assert_uint_eq(rte_pktmbuf_data_len(shared), frame.size);
	ck_assert_mem_eq(rte_pktmbuf_mtod(shared, uint8_t *), frame.bytes, frame.size);
	rte_pktmbuf_free(shared);
	rte_pktmbuf_free(burst.mbuf[0]);
	ck_assert_uint_eq(rte_mempool_avail_count(pool), POOL);
}
END_TEST

/** Too little room before the frame: it is copied, or without a pool dropped; never for what needs
 * none. */
START_TEST(test_stages_copy_or_drop_without_headroom)
{
	for (uint32_t slot = 0; slot < 5; slot += 4) {
		struct frame frame = make_forwarded(SHAPE_TCP, slot);

		for (uint32_t with_pool = 0; with_pool < 2; with_pool++) {
			struct fl_burst burst = { .count = 1 };
			struct rte_mbuf *mbuf = take_mbuf(frame.bytes, frame.size);

			memmove((uint8_t *)mbuf->buf_addr + 3, frame.bytes, frame.size);
			mbuf->data_off = 3;
			burst.mbuf[0] = mbuf;
			worker.pool = with_pool ? pool : NULL;
			if (with_pool) {
				run_burst(&burst, &frame);
				continue;
			}
			fl_worker_decide(&worker, &burst);
			/* slot 4 gets one tag more */
			ck_assert_uint_eq(burst.decision[0].verdict, FL_DROP_NO_ROOM);
			fl_stage_count(&worker, &burst);
			walk_core.verdicts[FL_DROP_NO_ROOM]++;
			ck_assert_uint_eq(rte_mempool_avail_count(pool), POOL);
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_stages_decide_as_the_walk,
				       test_stages_count_what_is_forwarded,
				       test_stages_refuse_every_cut,
				       test_stages_read_headers_split_anywhere,
				       test_stages_write_into_segments,
				       test_stages_follow_a_first_fragment_of_the_same_burst,
				       test_stages_copy_what_others_hold,
				       test_stages_copy_or_drop_without_headroom,
				       NULL };

	make_worker();
	return run_tests("stages", tests);
}
