/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the worker's stages decide as plane_walk() does and write the same bytes, however a frame
 * lies in its buffers; and no buffer is lost. Method: hand-made tables with a v4 and a v6 VIP and
 * backends of both families; frames of many shapes, whole, cut, split over segments at every byte,
 * shared, without headroom, through fl_worker_decide() and fl_stage_count() without any port.
 */
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "../../dataplane/dpdk/stages.h"
#include "../frames.h"
#include "run.h"

enum {
	VIPS = 8, /* records */
	BACKENDS = 4,
	ROWS = 251,
	POOL = 255,
};

static struct fl_vip_bucket buckets[4];
static struct fl_vip vips[VIPS];
static struct fl_backend backends[BACKENDS];
static struct fl_row rows[ROWS];
static struct fl_port ports[FL_PORTS_MAX];
static struct fl_counter vip_counters[VIPS], backend_counters[BACKENDS];
static struct fl_worker worker;
static struct rte_mempool *pool;

static struct fl_addr
address(const char *text)
{
	struct fl_addr out = { { 0 } };

	if (strchr(text, ':') != NULL) {
		frame_put_address(AF_INET6, text, (uint8_t *)out.word);
	} else {
		frame_put_address(AF_INET, text, (uint8_t *)&out.word[3]);
		out.word[2] = FL_ADDR_MAPPED_WORD;
	}
	return out;
}

static void
publish(uint32_t index, const char *vip, uint16_t port, uint8_t ip_proto)
{
	uint64_t hash;
	struct fl_vip_bucket *bucket;
	uint32_t i = 0;

	vips[index] = (struct fl_vip){
		.key = { .address = address(vip), .port = fl_to_be16(port), .ip_proto = ip_proto },
		.row_count = ROWS,
		.slot_count = BACKENDS,
	};
	hash = fl_vip_hash(&worker.tables.key, &vips[index].key);
	bucket = &buckets[fl_vip_home(hash, worker.tables.vip_bucket_mask)];
	while (bucket->word[i] != 0)
		i++;
	if (i >= 8)
		abort();
	bucket->word[i] = fl_vip_word(fl_vip_tag(hash), index);
}

static void
make_backend(uint32_t slot, const char *source, const char *target, bool inner_is_ipv6)
{
	struct fl_addr from = address(source), to = address(target);

	fl_encap_template(&backends[slot], &from, &to, inner_is_ipv6);
	backends[slot].link = fl_link_word(0x0500005e0002 + ((uint64_t)slot << 40), 0,
					   FL_LINK_LIVE | FL_LINK_REACHABLE);
}

static void
make_tables(void)
{
	worker.tables = (struct plane_tables){
		.key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } },
		.vip_bucket_mask = 3,
		.vip_buckets = buckets,
		.vips = vips,
		.backends = backends,
		.rows = rows,
		.ports = ports,
	};
	publish(0, "192.0.2.10", 80, FL_IPPROTO_TCP);
	publish(1, "192.0.2.10", 0, 0);
	publish(2, "2001:db8::10", 53, FL_IPPROTO_UDP);
	publish(3, "2001:db8::10", 0, 0);
	make_backend(0, "10.0.0.5", "10.0.0.11", false);
	make_backend(1, "fd00::5", "fd00::11", false);
	make_backend(2, "10.0.0.5", "10.0.0.12", false);
	make_backend(3, "10.0.0.5", "10.0.0.13", false);
	backends[3].link = fl_link_word(0, 0, FL_LINK_LIVE); /* unreachable */
	for (uint32_t i = 0; i < ROWS; i++)
		rows[i].word = fl_row_stable(i % 8 == 7 ? FL_ROW_NONE : i % BACKENDS);
	ports[0].word = fl_port_word(0x010000000002, 1500);
}

static void
make_worker(void)
{
	char *argv[] = { "test_stages", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			 "-m",		"64",	     "-l",	    "0",	"--log-level=3",
			 NULL };

	if (rte_eal_init(10, argv) < 0)
		abort();
	pool = rte_pktmbuf_pool_create("packets", POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		abort();
	worker.pool = pool;
	worker.vip_counters = vip_counters;
	worker.backend_counters = backend_counters;
	fl_worker_init(&worker);
	make_tables();
}

/** What the shapes are made of; those of one burst differ in their ports. */
static const struct frame_spec shapes[] = {
	{ .src = "198.51.100.7", .dst = "192.0.2.10", .dst_port = 80, .ip_proto = 6 },
	{ .src = "198.51.100.7",
	  .dst = "192.0.2.10",
	  .dst_port = 80,
	  .ip_proto = 6,
	  .padding = 6,
	  .tos = 0xb9 },
	{ .src = "198.51.100.7",
	  .dst = "192.0.2.10",
	  .dst_port = 80,
	  .ip_proto = 6,
	  .option_words = 10,
	  .payload = 64 },
	{ .src = "198.51.100.7",
	  .dst = "192.0.2.10",
	  .dst_port = 80,
	  .ip_proto = 6,
	  .payload = 1441 },
	{ .src = "198.51.100.7", .dst = "192.0.2.10", .dst_port = 81, .ip_proto = 6 },
	{ .src = "198.51.100.7",
	  .dst = "192.0.2.10",
	  .dst_port = 80,
	  .ip_proto = 6,
	  .fragment = 0x2000 },
	{ .src = "198.51.100.7", .dst = "192.0.2.10", .ip_proto = 1 },
	{ .src = "198.51.100.7", .dst = "192.0.2.99", .ip_proto = 17, .dst_port = 80 },
	{ .src = "2001:db8:1::7",
	  .dst = "2001:db8::10",
	  .ip_proto = 17,
	  .dst_port = 53,
	  .payload = 33,
	  .tos = 0x2e },
	{ .src = "2001:db8:1::7", .dst = "2001:db8::10", .ip_proto = 43, .payload = 30 },
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

struct frame {
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t size;
};

static struct frame
make_frame(uint32_t shape, uint16_t src_port)
{
	struct frame_spec spec = shapes[shape];
	struct frame frame;

	spec.src_port = src_port;
	frame.size = frame_build(&spec, frame.bytes);
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
	uint8_t expected[FRAME_BYTES_MAX + FL_ENCAP_BYTES_MAX], copy[sizeof expected];
	struct plane_walk walk;
	enum fl_verdict verdict = plane_walk(&worker.tables, frame->bytes, frame->size, &walk);
	uint32_t size;

	CHECK(burst->verdict[i] == verdict);
	if (verdict != FL_FORWARD)
		return;
	size = plane_walk_output(&worker.tables, &walk, frame->bytes, expected);
	CHECK(burst->slot[i] == walk.slot && burst->hash[i] == walk.hash);
	CHECK(rte_pktmbuf_pkt_len(burst->mbuf[i]) == size);
	CHECK(memcmp(rte_pktmbuf_read(burst->mbuf[i], 0, size, copy), expected, size) == 0);
	CHECK(rte_mbuf_check(burst->mbuf[i], 1, &(const char *){ NULL }) == 0);
}

/** Decide, check and count a burst; what was forwarded is freed as a driver would. */
static void
run_burst(struct fl_burst *burst, const struct frame *frames)
{
	uint64_t before = 0, after = 0;

	for (uint32_t v = 0; v < FL_VERDICT_COUNT; v++)
		before += worker.stats.verdicts[v];
	fl_worker_decide(&worker, burst);
	for (uint32_t i = 0; i < burst->count; i++)
		check_end(burst, i, &frames[i]);
	fl_stage_count(&worker, burst);
	for (uint32_t i = 0; i < burst->count; i++) {
		if (burst->verdict[i] == FL_FORWARD || fl_verdict_is_pass(burst->verdict[i]))
			rte_pktmbuf_free(burst->mbuf[i]);
	}
	for (uint32_t v = 0; v < FL_VERDICT_COUNT; v++)
		after += worker.stats.verdicts[v];
	CHECK(after - before == burst->count);
	CHECK(rte_mempool_avail_count(pool) == POOL);
}

START_TEST(test_stages_decide_as_the_walk)
{
	static struct frame frames[FL_BURST_MAX];
	uint32_t seen = 0;

	for (uint32_t round = 0; round < 300; round++) {
		struct fl_burst burst = { .count = (uint16_t)(round % (FL_BURST_MAX + 1)) };

		for (uint32_t i = 0; i < burst.count; i++) {
			frames[i] = make_frame((round + i) % SHAPES, (uint16_t)(round * 40 + i));
			burst.mbuf[i] = take_mbuf(frames[i].bytes, frames[i].size);
		}
		run_burst(&burst, frames);
	}
	for (uint32_t v = 0; v < FL_VERDICT_COUNT; v++)
		seen |= (uint32_t)(worker.stats.verdicts[v] > 0) << v;
	ck_assert_uint_eq(seen, 1u << FL_FORWARD | 1u << FL_PASS_NO_VIP | 1u << FL_PASS_PROTOCOL |
					1u << FL_DROP_FRAGMENT | 1u << FL_DROP_IPV6_EXTENSION |
					1u << FL_DROP_NO_BACKEND | 1u << FL_DROP_UNREACHABLE |
					1u << FL_DROP_TOO_BIG);
}
END_TEST

/** A frame of the shape whose flow has a backend that is reachable. */
static struct frame
make_forwarded(uint32_t shape)
{
	struct frame frame;
	struct plane_walk walk;

	for (uint16_t src_port = 1; src_port < 100; src_port++) {
		frame = make_frame(shape, src_port);
		if (plane_walk(&worker.tables, frame.bytes, frame.size, &walk) == FL_FORWARD)
			return frame;
	}
	ck_abort_msg("no flow of shape %u is forwarded", shape);
	return frame;
}

START_TEST(test_stages_count_what_is_forwarded)
{
	struct frame frame = make_forwarded(0);
	struct fl_burst burst = { .count = 1 };
	struct plane_walk walk;

	ck_assert_uint_eq(plane_walk(&worker.tables, frame.bytes, frame.size, &walk), FL_FORWARD);
	burst.mbuf[0] = take_mbuf(frame.bytes, frame.size);
	run_burst(&burst, &frame);
	ck_assert_uint_eq(vip_counters[0].packets, 1);
	ck_assert_uint_eq(vip_counters[0].bytes, 40);
	ck_assert_uint_eq(backend_counters[walk.slot].packets, 1);
	ck_assert_uint_eq(backend_counters[walk.slot].bytes, 40);
}
END_TEST

START_TEST(test_stages_refuse_every_cut)
{
	for (uint32_t shape = 0; shape < SHAPES; shape++) {
		struct frame frame = make_frame(shape, 1000);

		if (shape == 3)
			continue; /* as shape 0, but long */
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
			struct fl_burst burst = { .count = 1 };

			burst.mbuf[0] = take_split(&frame, first);
			run_burst(&burst, &frame);
		}
	}
}
END_TEST

START_TEST(test_stages_copy_what_others_hold)
{
	struct frame frame = make_forwarded(1);
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

START_TEST(test_stages_copy_or_drop_without_headroom)
{
	struct frame frame = make_forwarded(0);

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
		ck_assert_uint_eq(burst.verdict[0], FL_DROP_NO_ROOM);
		fl_stage_count(&worker, &burst);
		ck_assert_uint_eq(rte_mempool_avail_count(pool), POOL);
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
				       test_stages_copy_what_others_hold,
				       test_stages_copy_or_drop_without_headroom,
				       NULL };

	make_worker();
	return run_tests("stages", tests);
}
