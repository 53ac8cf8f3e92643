/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DPDK worker's own stages on mbufs, in bursts as large as they get, so that packets of every
 * verdict stand side by side. The same frames again in every layout that a port may hand over.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "../../dataplane/dpdk/stages.h"
#include "../eal.h"
#include "engine.h"

enum { POOL_MBUFS = 511, CUTS_MAX = 3, SCATTERED_MAX = 700 };

/* Where one segment ends and the next begins, in bytes of the frame, ascending; 0: no more. What a
 * frame does not have is not cut. */
static const struct layout {
	const char *name;
	uint16_t cut[CUTS_MAX];
	bool is_scattered; /* cut at bytes that differ from frame to frame, into 2 to 4 segments */
	bool is_shared;	   /* somebody else holds a reference */
	bool no_headroom;  /* nothing can be put before the frame */
	bool portable;	   /* hashed without vector instructions */
} layouts[] = {
	{ "one segment" },
	{ "one segment, portable hash", .portable = true },
	{ "1 byte, then the rest", { 1 } },
	{ "13 bytes, then the rest", { 13 } },
	{ "Ethernet, then the rest", { 14 } },
	{ "cut inside a tag", { 16 } },
	{ "cut inside IPv4", { 23 } },
	{ "cut after IPv4", { 34 } },
	{ "cut between IPv4 ports", { 36 } },
	{ "cut inside the first extension header or quote", { 47 } },
	{ "cut after IPv6", { 54 } },
	{ "cut between IPv6 ports", { 56 } },
	{ "59 bytes, then the rest", { 59 } },
	{ "cut inside the first IPv6 extension header", { 61 } },
	{ "cut inside an ICMPv6 quote or a later extension header", { 77 } },
	{ "cut after the longest headers", { 78 } },
	{ "cut between the ports that ICMPv6 quotes", { 104 } },
	{ "cut inside the bytes that an answer quotes", { 14 + 100 } },
	{ "cut one byte before the last of those", { 14 + FL_QUOTE_BYTES - 1 } },
	{ "cut behind the bytes that an answer quotes", { 14 + FL_QUOTE_BYTES } },
	{ "2 segments after 200 bytes", { 200, 201 } },
	{ "3 segments", { 14, 34 } },
	{ "3 segments, cut in extension headers", { 57, 63 } },
	{ "3 segments, cut in the quote", { 45, 59 } },
	{ "4 segments", { 14, 54, 100 } },
	{ "4 segments of a byte and the rest", { 1, 2, 3 } },
	{ "4 segments, cut in every header", { 12, 30, 60 } },
	{ "scattered", .is_scattered = true },
	{ "shared", .is_shared = true },
	{ "shared, cut", { 40 }, .is_shared = true },
	{ "shared, scattered", .is_shared = true, .is_scattered = true },
	{ "no headroom", .no_headroom = true },
	{ "no headroom, cut", { 40 }, .no_headroom = true },
	{ "no headroom, scattered", .no_headroom = true, .is_scattered = true },
};

static const struct plane_fixture *fixture;
static struct fl_worker *worker;
static struct rte_mempool *pool;
static uint32_t scatter; /* state of the numbers that scatter */

static void
dpdk_flush(void)
{
	scatter = 1; /* so that a run can be repeated */
	memset(fixture->tables.fragments, 0,
	       fixture->size.fragment_bucket_count * sizeof fixture->tables.fragments[0]);
}

static void
dpdk_open(struct plane_fixture *tables)
{
	fixture = tables;
	worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);
	pool = rte_pktmbuf_pool_create("cases", POOL_MBUFS, 0, 0,
				       RTE_PKTMBUF_HEADROOM + CASE_FRAME_MAX, SOCKET_ID_ANY);
	if (worker == NULL || pool == NULL)
		errx(1, "no memory for mbufs: %s", rte_strerror(rte_errno));
	memset(worker, 0, sizeof *worker);
	worker->tables = tables->tables;
	worker->size = tables->size;
	worker->pool = pool;
	worker->vip_counters = calloc(tables->size.vip_count, sizeof *worker->vip_counters);
	worker->backend_counters =
		calloc(tables->size.backend_count, sizeof *worker->backend_counters);
	worker->flow_counters = calloc(tables->size.vip_count, sizeof *worker->flow_counters);
	if (worker->vip_counters == NULL || worker->backend_counters == NULL ||
	    worker->flow_counters == NULL)
		errx(1, "no memory for counters");
	fl_worker_init(worker);
	dpdk_flush();
}

static const char *
dpdk_layout_name(uint32_t layout)
{
	return layouts[layout].name;
}

static struct rte_mbuf *
take_mbuf(const uint8_t *bytes, uint32_t size, bool no_headroom)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	if (mbuf == NULL)
		errx(1, "no mbuf left");
	memset(mbuf->buf_addr, 0xa5, mbuf->buf_len); /* what leaks of it will be seen */
	if (no_headroom)
		mbuf->data_off = 0;
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)size), bytes, size);
	return mbuf;
}

/* A number below @p bound that looks like no other: xorshift32. */
static uint32_t
scattered(uint32_t bound)
{
	scatter ^= scatter << 13;
	scatter ^= scatter >> 17;
	scatter ^= scatter << 5;
	return scatter % bound;
}

/* Where the frame is cut. Its end is the last cut. @return how many segments. */
static uint32_t
choose_cuts(const struct layout *layout, uint32_t frame_bytes, uint32_t ret_ends[CUTS_MAX + 1])
{
	uint32_t count = 0, at = 0, wanted = CUTS_MAX;

	if (layout->is_scattered)
		wanted = 1 + scattered(CUTS_MAX);
	for (uint32_t i = 0; i < wanted; i++) {
		uint32_t left = RTE_MIN(frame_bytes, (uint32_t)SCATTERED_MAX);

		at = !layout->is_scattered ? layout->cut[i]
		     : at + 1 < left	   ? at + 1 + scattered((left - at) / 2 + 1)
					   : frame_bytes;
		if (at == 0 || at >= frame_bytes)
			break;
		ret_ends[count++] = at;
	}
	ret_ends[count++] = frame_bytes;
	return count;
}

static struct rte_mbuf *
lay_out(const struct layout *layout, const struct case_frames *one)
{
	uint32_t ends[CUTS_MAX + 1], count = choose_cuts(layout, one->in_bytes, ends);
	struct rte_mbuf *mbuf = take_mbuf(one->in, ends[0], layout->no_headroom);

	for (uint32_t i = 1; i < count; i++) {
		uint32_t start = ends[i - 1];

		if (rte_pktmbuf_chain(mbuf, take_mbuf(one->in + start, ends[i] - start, true)) != 0)
			errx(1, "mbufs cannot be chained");
	}
	if (layout->is_shared)
		for (struct rte_mbuf *part = mbuf; part != NULL; part = part->next)
			rte_mbuf_refcnt_update(part, 1);
	return mbuf;
}

/* Another who holds the frame must not see it change. Gives that reference back. */
static void
check_shared(struct rte_mbuf *mbuf, const struct case_frames *one)
{
	uint8_t bytes[CASE_FRAME_MAX];
	const void *now = rte_pktmbuf_read(mbuf, 0, one->in_bytes, bytes);

	if (now == NULL || memcmp(now, one->in, one->in_bytes) != 0)
		errx(1, "case \"%s\": a shared frame was written to", one->name);
	rte_pktmbuf_free(mbuf);
}

static void
take_result(struct rte_mbuf *mbuf, const struct fl_decision *decision,
	    struct engine_result *ret_result)
{
	const void *bytes;

	ret_result->verdict = decision->verdict;
	ret_result->port = 0;
	ret_result->bytes = 0;
	if (!fl_verdict_is_send(decision->verdict) && !fl_verdict_is_pass(decision->verdict))
		return; /* dropped, and freed by the count stage */
	if (fl_verdict_is_send(decision->verdict))
		ret_result->port = decision->port;
	rte_mbuf_sanity_check(mbuf, 1);
	ret_result->bytes = rte_pktmbuf_pkt_len(mbuf);
	if (ret_result->bytes > sizeof ret_result->frame)
		errx(1, "%u bytes leave", ret_result->bytes);
	bytes = rte_pktmbuf_read(mbuf, 0, ret_result->bytes, ret_result->frame);
	if (bytes == NULL)
		errx(1, "the segments are shorter than the packet");
	if (bytes != ret_result->frame)
		memcpy(ret_result->frame, bytes, ret_result->bytes);
	rte_pktmbuf_free(mbuf);
}

static void
run_burst(const struct layout *layout, const struct case_frames *cases, uint32_t count,
	  struct engine_result *ret_results)
{
	struct fl_burst *burst = &worker->burst;
	struct rte_mbuf *given[FL_BURST_MAX];

	burst->count = (uint16_t)count;
	burst->port = (uint16_t)cases[0].in_port;
	burst->now_ns = engine_now_ns();
	for (uint32_t i = 0; i < count; i++)
		given[i] = burst->mbuf[i] = lay_out(layout, &cases[i]);
	worker->hash = layout->portable ? fl_hash_burst_portable : fl_hash_choose();
	worker->stats.received += count;
	fl_worker_decide(worker, burst);
	fl_stage_count(worker, burst);
	for (uint32_t i = 0; i < count; i++) {
		take_result(burst->mbuf[i], &burst->decision[i], &ret_results[i]);
		if (layout->is_shared)
			check_shared(given[i], &cases[i]);
	}
}

/* Of a port's frames in a row as many as a burst holds. */
static void
dpdk_run(uint32_t layout, const struct case_frames *cases, uint32_t count,
	 struct engine_result *ret_results)
{
	for (uint32_t i = 0, taken; i < count; i += taken) {
		taken = 1;
		while (taken < FL_BURST_MAX && i + taken < count &&
		       cases[i + taken].in_port == cases[i].in_port)
			taken++;
		run_burst(&layouts[layout], &cases[i], taken, &ret_results[i]);
	}
}

static uint64_t
dpdk_counters(uint64_t ret_verdicts[FL_VERDICT_COUNT])
{
	memcpy(ret_verdicts, worker->core.verdicts, sizeof worker->core.verdicts);
	return worker->stats.received;
}

static struct fl_fragments *
dpdk_fragments(void)
{
	return fixture->tables.fragments;
}

static struct fl_core *
dpdk_cores(uint32_t *ret_count)
{
	*ret_count = 1;
	return &worker->core;
}

static const struct plane_tables *
dpdk_tables(void)
{
	return &worker->tables;
}

static struct fl_flow_counter
dpdk_flow_counter(uint32_t record)
{
	return worker->flow_counters[record];
}

static bool
dpdk_close(void)
{
	bool all_back = rte_mempool_avail_count(pool) == POOL_MBUFS;

	rte_mempool_free(pool);
	free(worker->vip_counters);
	free(worker->backend_counters);
	free(worker->flow_counters);
	free(worker);
	return all_back;
}

const struct engine engine_dpdk = {
	.name = "dpdk",
	.open = dpdk_open,
	.flush = dpdk_flush,
	.layout_count = sizeof layouts / sizeof layouts[0],
	.layout_name = dpdk_layout_name,
	.run = dpdk_run,
	.counters = dpdk_counters,
	.fragments = dpdk_fragments,
	.cores = dpdk_cores,
	.tables = dpdk_tables,
	.flow_counter = dpdk_flow_counter,
	.close = dpdk_close,
};
