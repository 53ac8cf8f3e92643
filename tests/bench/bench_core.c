/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what the decision costs a packet, from the frame that came to the one that leaves.
 * Method: the DPDK worker's own stages (fl_worker_decide()) on bursts of 32 mbufs, each a 64-byte
 * TCP frame (60 and the check sequence) of a flow of its own, 65536 flows a round spread over the
 * VIPs, tables of 65537 rows. The frames are made anew before each burst, outside of the timed
 * part; they are in the cache then, as behind a NIC that writes into it. Time stamp counter cycles;
 * the median of the rounds. 100 backends for one VIP, 10 for each of 1000.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "../../dataplane/dpdk/stages.h"
#include "../eal.h"
#include "../frames.h"
#include "../plane_fixture.h"

enum {
	ROUNDS = 101,
	FLOWS = 65536,
	ROWS = 65537,
	MBUFS = 1024, /* the bursts take turns in them */
	VIP_TEXT_BYTES = 1024,
	BACKEND_TEXT_BYTES = 64,
};

struct bench {
	const char *name;
	bool is_ipv6;
	uint32_t vip_count, backends_each;
	struct plane_fixture fixture;
	struct fl_worker *worker;
	struct rte_mempool *pool;
	struct rte_mbuf *mbufs[MBUFS];
	uint8_t frame[FRAME_BYTES_MAX]; /* of the first VIP, from port 1024 */
	uint32_t frame_bytes;
	uint8_t (*vips)[16];
	uint64_t cycles[ROUNDS];
};

static void
vip_text(const struct bench *bench, uint32_t i, char text[ADDR_TEXT_MAX])
{
	snprintf(text, ADDR_TEXT_MAX, bench->is_ipv6 ? "2001:db8:2::%x:%x" : "198.18.%u.%u",
		 i / 250, i % 250 + 1);
}

static void
apply_state(struct bench *bench)
{
	size_t room = (size_t)bench->vip_count *
		      (VIP_TEXT_BYTES + bench->backends_each * BACKEND_TEXT_BYTES);
	char *text = malloc(room), *end = text;

	if (text == NULL)
		err(1, "state");
	end += snprintf(end, VIP_TEXT_BYTES, "{'generation':1,'full':true,'vips':[");
	for (uint32_t i = 0; i < bench->vip_count; i++) {
		char address[ADDR_TEXT_MAX];

		vip_text(bench, i, address);
		end += snprintf(end, VIP_TEXT_BYTES,
				"%s{'address':'%s','port':80,'protocol':'tcp','table_size':%u,"
				"'backends':[",
				i ? "," : "", address, ROWS);
		for (uint32_t b = 0; b < bench->backends_each; b++)
			end += snprintf(end, BACKEND_TEXT_BYTES,
					"%s{'address':'10.%u.%u.%u','weight':100}", b ? "," : "",
					i >> 8, i & 255, b + 1);
		end += snprintf(end, VIP_TEXT_BYTES, "]}");
	}
	snprintf(end, VIP_TEXT_BYTES, "]}");
	plane_fixture_apply(&bench->fixture, text);
	free(text);
}

static void
open_tables(struct bench *bench)
{
	static const struct plane_fixture_port port = {
		"02:00:00:00:00:01", 1500, "02:00:00:00:01:01", { "10.0.0.0/8" }
	};
	struct plane_fixture_spec spec = {
		.key = "8f14e45fceea167a5a36dedd4bea2543",
		.source_ipv4 = "10.255.0.5",
		.source_ipv6 = "2001:db8:1::5",
		.limits = { .vips = 1024, .backends = 65536, .rows = bench->vip_count * ROWS },
		.ports = &port,
		.port_count = 1
	};
	struct frame_spec frame = { .src = bench->is_ipv6 ? "2001:db8:c::7" : "203.0.113.7",
				    .dst = bench->is_ipv6 ? "2001:db8:2::1" : "198.18.0.1",
				    .src_port = 1024,
				    .dst_port = 80,
				    .ip_proto = 6 };

	plane_fixture_open(&bench->fixture, &spec);
	apply_state(bench);
	bench->frame_bytes = frame_build(&frame, bench->frame);
	if (bench->frame_bytes < 60) {
		frame.padding = (uint16_t)(60 - bench->frame_bytes);
		bench->frame_bytes = frame_build(&frame, bench->frame);
	}
	bench->vips = calloc(bench->vip_count, sizeof bench->vips[0]);
	if (bench->vips == NULL)
		err(1, "VIPs");
	for (uint32_t i = 0; i < bench->vip_count; i++) {
		char address[ADDR_TEXT_MAX];

		vip_text(bench, i, address);
		frame_put_address(bench->is_ipv6 ? AF_INET6 : AF_INET, address, bench->vips[i]);
	}
}

static void
open_worker(struct bench *bench)
{
	struct fl_worker *worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);

	bench->pool = rte_pktmbuf_pool_create(bench->name, MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					      SOCKET_ID_ANY);
	if (worker == NULL || bench->pool == NULL ||
	    rte_pktmbuf_alloc_bulk(bench->pool, bench->mbufs, MBUFS) != 0)
		errx(1, "no memory for the worker: %s", rte_strerror(rte_errno));
	memset(worker, 0, sizeof *worker);
	worker->tables = bench->fixture.tables;
	worker->size = bench->fixture.size;
	fl_worker_init(worker);
	bench->worker = worker;
}

/* The frame of one flow: VIP by number, client address and port. */
static void
restore(const struct bench *bench, struct rte_mbuf *mbuf, uint32_t flow)
{
	uint8_t *frame;

	rte_pktmbuf_reset(mbuf);
	frame = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bench->frame_bytes);
	memcpy(frame, bench->frame, bench->frame_bytes);
	if (bench->is_ipv6) {
		memcpy(frame + 38, bench->vips[flow * 7919 % bench->vip_count], 16);
		frame_put16(frame + 36, flow);
		frame_put16(frame + 54, 1024 + flow * 31 % 60000);
	} else {
		memcpy(frame + 30, bench->vips[flow * 7919 % bench->vip_count], 4);
		frame_put16(frame + 28, flow);
		frame_put16(frame + 34, 1024 + flow * 31 % 60000);
	}
}

static uint64_t
round_cycles(struct bench *bench)
{
	struct fl_burst *burst = &bench->worker->burst;
	uint64_t cycles = 0;

	burst->port = 0;
	burst->count = FL_BURST_MAX;
	for (uint32_t flow = 0; flow < FLOWS; flow += FL_BURST_MAX) {
		uint64_t start;

		for (uint32_t i = 0; i < FL_BURST_MAX; i++) {
			burst->mbuf[i] = bench->mbufs[(flow + i) % MBUFS];
			restore(bench, burst->mbuf[i], flow + i);
		}
		start = rte_rdtsc_precise();
		fl_worker_decide(bench->worker, burst);
		cycles += rte_rdtsc_precise() - start;
		for (uint32_t i = 0; i < FL_BURST_MAX; i++)
			if (burst->decision[i].verdict != FL_FORWARD)
				errx(1, "flow %u: %s", flow + i,
				     plane_verdict_name(burst->decision[i].verdict));
	}
	return cycles;
}

static int
compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void
open_bench(struct bench *bench)
{
	open_tables(bench);
	open_worker(bench);
}

static void
close_bench(struct bench *bench)
{
	rte_pktmbuf_free_bulk(bench->mbufs, MBUFS);
	rte_mempool_free(bench->pool);
	free(bench->worker);
	free(bench->vips);
	plane_fixture_close(&bench->fixture);
}

int
main(void)
{
	static struct bench benches[] = {
		{ .name = "core.tcp4_1vip", .vip_count = 1, .backends_each = 100 },
		{ .name = "core.tcp4_1000vip", .vip_count = 1000, .backends_each = 10 },
		{ .name = "core.tcp6_1vip", .is_ipv6 = true, .vip_count = 1, .backends_each = 100 },
	};
	const uint32_t count = sizeof benches / sizeof benches[0];

	eal_start();
	for (uint32_t i = 0; i < count; i++)
		open_bench(&benches[i]);
	/* in turns, so that a busy machine is busy for all of them */
	for (uint32_t round = 0; round < ROUNDS; round++)
		for (uint32_t i = 0; i < count; i++)
			benches[i].cycles[round] = round_cycles(&benches[i]);
	for (uint32_t i = 0; i < count; i++) {
		qsort(benches[i].cycles, ROUNDS, sizeof benches[i].cycles[0], compare);
		printf("%s %.1f cycles\n", benches[i].name,
		       (double)benches[i].cycles[ROUNDS / 2] / FLOWS);
		close_bench(&benches[i]);
	}
	return EXIT_SUCCESS;
}
