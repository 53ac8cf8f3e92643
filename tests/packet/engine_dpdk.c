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

enum { POOL_MBUFS = 511 };

static const struct layout {
	const char *name;
	uint16_t split;	  /* bytes in the first segment; 0: all */
	bool is_shared;	  /* somebody else holds a reference */
	bool no_headroom; /* nothing can be put before the frame */
	bool portable;	  /* hashed without vector instructions */
} layouts[] = {
	{ "one segment", .split = 0 },
	{ "one segment, portable hash", .portable = true },
	{ "1 byte, then the rest", .split = 1 },
	{ "13 bytes, then the rest", .split = 13 },
	{ "Ethernet, then the rest", .split = 14 },
	{ "cut inside IPv4", .split = 23 },
	{ "cut after IPv4", .split = 34 },
	{ "cut between IPv4 ports", .split = 36 },
	{ "cut after IPv6", .split = 54 },
	{ "cut between IPv6 ports", .split = 56 },
	{ "59 bytes, then the rest", .split = 59 },
	{ "cut after the longest headers", .split = 78 },
	{ "shared", .is_shared = true },
	{ "shared, cut", .is_shared = true, .split = 40 },
	{ "no headroom", .no_headroom = true },
	{ "no headroom, cut", .no_headroom = true, .split = 40 },
};

static struct fl_worker *worker;
static struct rte_mempool *pool;

static void
dpdk_open(struct plane_fixture *fixture)
{
	worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);
	pool = rte_pktmbuf_pool_create("cases", POOL_MBUFS, 0, 0,
				       RTE_PKTMBUF_HEADROOM + CASE_FRAME_MAX, SOCKET_ID_ANY);
	if (worker == NULL || pool == NULL)
		errx(1, "no memory for mbufs: %s", rte_strerror(rte_errno));
	memset(worker, 0, sizeof *worker);
	worker->tables = fixture->tables;
	worker->pool = pool;
	worker->vip_counters = calloc(fixture->size.vip_count, sizeof *worker->vip_counters);
	worker->backend_counters =
		calloc(fixture->size.backend_count, sizeof *worker->backend_counters);
	if (worker->vip_counters == NULL || worker->backend_counters == NULL)
		errx(1, "no memory for counters");
	fl_worker_init(worker);
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

static struct rte_mbuf *
lay_out(const struct layout *layout, const struct case_frames *one)
{
	uint32_t first =
		layout->split != 0 && layout->split < one->in_bytes ? layout->split : one->in_bytes;
	struct rte_mbuf *mbuf = take_mbuf(one->in, first, layout->no_headroom);

	if (first < one->in_bytes &&
	    rte_pktmbuf_chain(mbuf, take_mbuf(one->in + first, one->in_bytes - first, true)) != 0)
		errx(1, "mbufs cannot be chained");
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
take_result(struct rte_mbuf *mbuf, const struct fl_burst *burst, uint32_t i,
	    struct engine_result *ret_result)
{
	const void *bytes;

	ret_result->verdict = burst->verdict[i];
	ret_result->port = 0;
	ret_result->bytes = 0;
	if (ret_result->verdict != FL_FORWARD && !fl_verdict_is_pass(ret_result->verdict))
		return; /* dropped, and freed by the count stage */
	if (ret_result->verdict == FL_FORWARD)
		ret_result->port = fl_link_port(burst->link[i]);
	rte_mbuf_sanity_check(mbuf, 1);
	ret_result->bytes = rte_pktmbuf_pkt_len(mbuf);
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
	burst->port = 0;
	for (uint32_t i = 0; i < count; i++)
		given[i] = burst->mbuf[i] = lay_out(layout, &cases[i]);
	worker->hash = layout->portable ? fl_hash_burst_portable : fl_hash_choose();
	worker->stats.received += count;
	fl_worker_decide(worker, burst);
	fl_stage_count(worker, burst);
	for (uint32_t i = 0; i < count; i++) {
		take_result(burst->mbuf[i], burst, i, &ret_results[i]);
		if (layout->is_shared)
			check_shared(given[i], &cases[i]);
	}
}

static void
dpdk_run(uint32_t layout, const struct case_frames *cases, uint32_t count,
	 struct engine_result *ret_results)
{
	for (uint32_t i = 0; i < count; i += FL_BURST_MAX)
		run_burst(&layouts[layout], &cases[i],
			  count - i < FL_BURST_MAX ? count - i : FL_BURST_MAX, &ret_results[i]);
}

static uint64_t
dpdk_counters(uint64_t ret_verdicts[FL_VERDICT_COUNT])
{
	memcpy(ret_verdicts, worker->stats.verdicts, sizeof worker->stats.verdicts);
	return worker->stats.received;
}

static bool
dpdk_close(void)
{
	bool all_back = rte_mempool_avail_count(pool) == POOL_MBUFS;

	rte_mempool_free(pool);
	free(worker->vip_counters);
	free(worker->backend_counters);
	free(worker);
	return all_back;
}

const struct engine engine_dpdk = {
	.name = "dpdk",
	.open = dpdk_open,
	.layout_count = sizeof layouts / sizeof layouts[0],
	.layout_name = dpdk_layout_name,
	.run = dpdk_run,
	.counters = dpdk_counters,
	.close = dpdk_close,
};
