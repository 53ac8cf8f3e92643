/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what two-owner rows cost a packet, and what a change of one backend costs the plane.
 * Method: (stable_extra) the core's fl_choose() against a look-up in a plain Maglev table, on the
 * same hashes, rows stable. (unstable_extra) the DPDK worker's own stages on bursts of 32 TCP
 * segments of 1 M flows: the same flows on stable rows, and on rows that all move, where each flow
 * is tracked; frames are made anew outside of the timed part. (bytes_per_flow) what the table of
 * those takes by what of them it has in the end: half of its places. (change) 65537 rows of 1000
 * backends, of which one goes, with room for 1 Mi flows as is the default: from the built table to
 * the end of the commit; without a tracked flow, and (change_time_full) with one in every place,
 * spread over the backends. Time stamp counter cycles; alternating rounds, medians.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "../../dataplane/dpdk/stages.h"
#include "../../dataplane/plane/tables_access.h"
#include "../eal.h"
#include "../frames.h"
#include "../plane_fixture.h"

enum {
	ROUNDS = 11,
	LOOKUP_ROUNDS = 301,
	LOOKUPS = 65536,
	FLOWS = 1 << 20,
	FLOW_ENTRIES = 1 << 21,
	FLOW_ENTRIES_CHANGE = 1 << 20,
	ROWS = 65537,
	BACKENDS = 1000,
	MBUFS = 1024, /* the bursts take turns in them */
	TEXT_BYTES = 128 << 10,
	TICK = 1000,
	TCP_FLAGS = 14 + 20 + 13, /* where they are in the frame */
	TCP_ACK = 0x10,
};

struct bench {
	const char *name;
	struct plane_fixture fixture;
	struct fl_worker *worker;
	struct rte_mempool *pool;
	struct rte_mbuf *mbufs[MBUFS];
};

static uint8_t frame[FRAME_BYTES_MAX];
static uint32_t frame_bytes;

/** plane.prepare with one VIP. @param gone a backend that it does not have; BACKENDS: it has all.
 */
static char *
state_text(uint32_t generation, uint32_t gone)
{
	char *text = malloc(TEXT_BYTES), *end = text;

	if (text == NULL)
		err(1, "state");
	end += snprintf(end, TEXT_BYTES,
			"{'generation':%u,'full':true,'vips':[{'address':'198.18.0.1','port':80,"
			"'protocol':'tcp','table_size':%u,'window_s':900,'backends':[",
			generation, ROWS);
	for (uint32_t b = 0; b < BACKENDS; b++)
		if (b != gone)
			end += snprintf(end, 64, "%s{'address':'10.0.%u.%u','weight':100}",
					end[-1] == '[' ? "" : ",", b >> 8, b & 255);
	(void)snprintf(end, 8, "]}]}");
	return text;
}

static void
open_tables(struct plane_fixture *fixture, uint32_t flows)
{
	static const struct plane_fixture_port port = {
		"02:00:00:00:00:01", 1500, "02:00:00:00:01:01", { "10.0.0.0/8" }
	};
	const struct plane_fixture_spec spec = {
		.key = "8f14e45fceea167a5a36dedd4bea2543",
		.source_ipv4 = "10.255.0.5",
		.source_ipv6 = "2001:db8:1::5",
		.limits = { .vips = 4, .backends = 4 * BACKENDS, .rows = 2 * ROWS, .flows = flows },
		.ports = &port,
		.port_count = 1
	};
	char *text = state_text(1, BACKENDS);

	plane_fixture_open(fixture, &spec);
	fixture->tables.clock->tick = TICK;
	plane_fixture_apply(fixture, text);
	free(text);
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
	worker->flow_counters = calloc(worker->size.vip_count, sizeof *worker->flow_counters);
	if (worker->flow_counters == NULL)
		err(1, "counters");
	fl_worker_init(worker);
	bench->worker = worker;
}

static const struct fl_vip *
served(const struct bench *bench)
{
	const struct fl_vip *vip = plane_fixture_vip(&bench->fixture, "198.18.0.1:80/tcp");

	if (vip == NULL || vip->service.window.row_ticks == 0)
		errx(1, "no VIP with a window");
	return vip;
}

/** Every row moves from another backend to its own. */
static void
move_rows(const struct bench *bench)
{
	const struct plane_tables *tables = &bench->fixture.tables;
	const struct fl_vip_service *service = &served(bench)->service;

	for (uint32_t i = service->row_base; i < service->row_base + service->row_count; i++) {
		uint32_t cur = fl_row_cur(tables->rows[i].word);

		plane_row_store(tables, i,
				fl_row_word(FL_ROW_MOVING, cur, (cur + 1) % BACKENDS,
					    TICK + service->window.row_ticks));
	}
}

/* --- a packet --- */

static int
compare(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double
median(double *values, uint32_t count)
{
	qsort(values, count, sizeof values[0], compare);
	return values[count / 2];
}

/** A segment of the flow, in the middle of a connection. */
static void
restore(struct rte_mbuf *mbuf, uint32_t flow)
{
	uint8_t *bytes;

	rte_pktmbuf_reset(mbuf);
	bytes = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)frame_bytes);
	memcpy(bytes, frame, frame_bytes);
	frame_put16(bytes + 28, flow >> 4);
	frame_put16(bytes + 34, 1024 + (flow & 15) * 31);
}

/** Of one packet, in the median burst: a busy machine interrupts some. */
static double
round_cycles(struct bench *bench)
{
	static double bursts[FLOWS / FL_BURST_MAX];
	struct fl_burst *burst = &bench->worker->burst;

	burst->port = 0;
	burst->count = FL_BURST_MAX;
	for (uint32_t flow = 0; flow < FLOWS; flow += FL_BURST_MAX) {
		uint64_t start;

		for (uint32_t i = 0; i < FL_BURST_MAX; i++) {
			burst->mbuf[i] = bench->mbufs[(flow + i) % MBUFS];
			/* not in the order of the addresses */
			restore(burst->mbuf[i], (flow + i) * 2654435761u % FLOWS);
		}
		start = rte_rdtsc_precise();
		fl_worker_decide(bench->worker, burst);
		bursts[flow / FL_BURST_MAX] = (double)(rte_rdtsc_precise() - start);
		for (uint32_t i = 0; i < FL_BURST_MAX; i++)
			if (burst->decision[i].verdict != FL_FORWARD)
				errx(1, "flow %u: %s", flow + i,
				     plane_verdict_name(burst->decision[i].verdict));
	}
	return median(bursts, FLOWS / FL_BURST_MAX) / FL_BURST_MAX;
}

static uint32_t
tracked(const struct bench *bench)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < bench->fixture.size.flow_bucket_count * 8; i++)
		count += bench->fixture.tables.flows[i / 8].word[i % 8] != 0;
	return count;
}

static void
bench_unstable(struct bench *stable, struct bench *moving)
{
	double extra[ROUNDS];
	uint32_t steady, flows;

	move_rows(moving);
	(void)round_cycles(moving); /* every flow gets its entry */
	(void)round_cycles(stable);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		double with = round_cycles(moving);

		extra[round] = with - round_cycles(stable);
	}
	steady = tracked(stable);
	flows = tracked(moving);
	if (flows < FLOWS / 100 * 95)
		errx(1, "%u of %u flows are tracked", flows, FLOWS);
	printf("rows.unstable_extra %.1f cycles\n", median(extra, ROUNDS));
	printf("rows.bytes_per_flow %.1f bytes\n",
	       (double)moving->fixture.size.flow_bucket_count * sizeof(struct fl_flows) / flows);
	printf("rows.steady_flows %u count\n", steady);
}

/* --- a look-up --- */

static uint64_t hashes[LOOKUPS];
static volatile uint32_t sink;

static __attribute__((noinline)) uint64_t
plain_cycles(const uint16_t *table, const struct fl_vip *vip)
{
	uint64_t start = rte_rdtsc_precise();
	uint32_t sum = 0;

	for (uint32_t i = 0; i < LOOKUPS; i++)
		sum += vip->service.slot_base +
		       FL_READ_ONCE(table[fl_row_index(hashes[i], vip->service.row_count)]);
	sink = sum;
	return rte_rdtsc_precise() - start;
}

static __attribute__((noinline)) uint64_t
choose_cycles(struct plane_run *run, const struct fl_vip *vip)
{
	const struct fl_view view = plane_view(run);
	const struct fl_packet packet = { .shape = FL_SHAPE_FLOW };
	uint64_t start = rte_rdtsc_precise();
	uint32_t sum = 0;

	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct fl_decision decision = { .vip = vip, .hash = hashes[i] };

		if (fl_choose(&view, &packet, &decision) != FL_FORWARD)
			errx(1, "a stable row ends a packet");
		sum += decision.slot;
	}
	sink = sum;
	return rte_rdtsc_precise() - start;
}

static void
bench_stable(struct bench *bench)
{
	static double extra[LOOKUP_ROUNDS];
	const struct fl_vip *vip = served(bench);
	const struct fl_row *rows = &bench->fixture.tables.rows[vip->service.row_base];
	uint16_t *table = calloc(ROWS, sizeof *table);
	uint64_t state = 1;

	if (table == NULL)
		err(1, "table");
	for (uint32_t i = 0; i < ROWS; i++)
		table[i] = (uint16_t)fl_row_cur(rows[i].word);
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		hashes[i] = state ^ state >> 32;
	}
	for (uint32_t round = 0; round < LOOKUP_ROUNDS; round++) {
		double with = (double)choose_cycles(&bench->worker->run, vip);

		extra[round] = (with - (double)plain_cycles(table, vip)) / LOOKUPS;
	}
	printf("rows.stable_extra %.1f cycles\n", median(extra, LOOKUP_ROUNDS));
	free(table);
}

/* --- a change --- */

static struct change *
build(struct plane_fixture *fixture, char *text)
{
	static struct json_errors errors;
	struct change *change = NULL;
	cJSON *root = NULL;

	for (char *quote = strchr(text, '\''); quote != NULL; quote = strchr(quote, '\''))
		*quote = '"';
	errors = (struct json_errors){ 0 };
	if (json_read(text, strlen(text), &root, &errors) < 0 ||
	    change_create(&fixture->state, &change) < 0 ||
	    change_add_part(change, root, &errors) < 0 || change_build(change, &errors) < 0)
		errx(1, "refused: %s %s", errors.items[0].pointer, errors.items[0].message);
	cJSON_Delete(root);
	return change;
}

/** A live entry in every place. */
static void
fill_flows(const struct plane_fixture *fixture)
{
	const struct fl_vip *vip = plane_fixture_vip(fixture, "198.18.0.1:80/tcp");

	for (uint32_t i = 0; i < fixture->size.flow_bucket_count * 8; i++)
		fixture->tables.flows[i / 8].word[i % 8] = fl_flow_word(
			(i + 1) * 0x9e3779b97f4a7c15ull, vip->service.slot_base + i % BACKENDS,
			FL_FLOW_OPEN, fl_flow_stamp(&vip->service.window, TICK));
}

/** Of all entries, none but those of the backend that went is gone. */
static void
check_flows(const struct plane_fixture *fixture)
{
	uint32_t count = fixture->size.flow_bucket_count * 8, left = 0;

	for (uint32_t i = 0; i < count; i++)
		left += fixture->tables.flows[i / 8].word[i % 8] != 0;
	if (left != count - (count - BACKENDS / 2 - 1) / BACKENDS - 1)
		errx(1, "%u of %u flows are left", left, count);
}

/** One backend of 1000 goes, and comes back, again and again. */
static void
bench_change(bool is_full)
{
	static struct plane_fixture fixture;
	double ms[ROUNDS];
	uint32_t rows = 0, least = 0;

	open_tables(&fixture, FLOW_ENTRIES_CHANGE);
	for (uint32_t round = 0; round < 2 * ROUNDS; round++) {
		bool goes = round % 2 == 0;
		char *text = state_text(2 + round, goes ? BACKENDS / 2 : BACKENDS);
		struct change *change = build(&fixture, text);
		uint64_t start;

		if (goes) {
			rows = change->items[0].rows_moved;
			least = change->items[0].rows_minimum;
		}
		if (is_full)
			fill_flows(&fixture);
		start = rte_rdtsc_precise();
		if (change_commit(change) < 0)
			errx(1, "not committed");
		if (goes)
			ms[round / 2] = (double)(rte_rdtsc_precise() - start) * 1000 /
					(double)rte_get_tsc_hz();
		if (goes && is_full)
			check_flows(&fixture);
		change_destroy(change);
		free(text);
	}
	if (!is_full)
		printf("rows.change_rows %u count\nrows.change_minimum %u count\n", rows, least);
	printf("rows.change_time%s %.3f ms\n", is_full ? "_full" : "", median(ms, ROUNDS));
	plane_fixture_close(&fixture);
}

/* --- all --- */

static void
open_bench(struct bench *bench)
{
	open_tables(&bench->fixture, FLOW_ENTRIES);
	open_worker(bench);
}

static void
close_bench(struct bench *bench)
{
	rte_pktmbuf_free_bulk(bench->mbufs, MBUFS);
	rte_mempool_free(bench->pool);
	free(bench->worker->flow_counters);
	free(bench->worker);
	plane_fixture_close(&bench->fixture);
}

int
main(void)
{
	static struct bench stable = { .name = "stable" }, moving = { .name = "moving" };
	const struct frame_spec spec = { .src = "10.9.0.1",
					 .dst = "198.18.0.1",
					 .src_port = 1024,
					 .dst_port = 80,
					 .ip_proto = 6,
					 .padding = 6 };

	eal_start();
	frame_bytes = frame_build(&spec, frame);
	frame[TCP_FLAGS] = TCP_ACK;
	open_bench(&stable);
	open_bench(&moving);
	bench_stable(&stable);
	bench_unstable(&stable, &moving);
	bench_change(false);
	bench_change(true);
	close_bench(&moving);
	close_bench(&stable);
	return EXIT_SUCCESS;
}
