/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole worker over ports made of rings (net_ring): what the stages between receive and count
 * cannot show, the ends that a port decides. Each scenario puts the case table into a port's
 * receive ring, lets the worker work, and holds what came out of the rings and the counters against
 * the table.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "../../dataplane/dpdk/stages.h"
#include "engine.h"

enum {
	RING_SLOTS = 1024,
	POOL_MBUFS = 2047,
	SMALL_RING_SLOTS = 16, /* holds 15 */
	WAIT_SECONDS = 20,     /* until a run counts as hung */
	PORTS = 2,	       /* as in cases.h */
};

/* A port made of two rings; the test is the wire. */
struct wire {
	struct rte_ring *rx, *tx;
	uint16_t device;
};

struct bench {
	struct fl_worker *worker;
	struct rte_mempool *pool;
	struct rte_rcu_qsbr *qsbr;
	struct wire ports[PORTS], tap;
	uint32_t stop;
};

static uint32_t checks, failures;

static void
expect(bool is_right, const char *scenario, const char *what)
{
	checks++;
	if (!is_right) {
		failures++;
		warnx("worker, %s: %s", scenario, what);
	}
}

static void
wire_open(struct wire *wire, const char *name, uint32_t tx_slots, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { 0 };
	char ring[32];
	int port;

	snprintf(ring, sizeof ring, "%s-rx", name);
	wire->rx = rte_ring_create(ring, RING_SLOTS, SOCKET_ID_ANY, 0);
	snprintf(ring, sizeof ring, "%s-tx", name);
	wire->tx = rte_ring_create(ring, tx_slots, SOCKET_ID_ANY, 0);
	if (wire->rx == NULL || wire->tx == NULL)
		errx(1, "rings of %s: %s", name, rte_strerror(rte_errno));
	port = rte_eth_from_rings(name, &wire->rx, 1, &wire->tx, 1, 0);
	if (port < 0)
		errx(1, "port %s: %s", name, rte_strerror(rte_errno));
	wire->device = (uint16_t)port;
	if (rte_eth_dev_configure(wire->device, 1, 1, &conf) < 0 ||
	    rte_eth_rx_queue_setup(wire->device, 0, 64, 0, NULL, pool) < 0 ||
	    rte_eth_tx_queue_setup(wire->device, 0, 64, 0, NULL) < 0 ||
	    rte_eth_dev_start(wire->device) < 0)
		errx(1, "port %s does not start", name);
}

static void
wire_close(struct wire *wire)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(wire->device, &info) < 0 || rte_eth_dev_stop(wire->device) < 0 ||
	    rte_dev_remove(info.device) < 0)
		errx(1, "port %u does not go", wire->device);
	rte_ring_free(wire->rx);
	rte_ring_free(wire->tx);
}

static void
bench_open(struct bench *bench, struct plane_fixture *fixture, uint32_t tx_slots)
{
	struct fl_worker *worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);
	size_t qsbr_bytes = rte_rcu_qsbr_get_memsize(1);

	*bench = (struct bench){ .worker = worker };
	bench->pool = rte_pktmbuf_pool_create("wire", POOL_MBUFS, 0, 0,
					      RTE_PKTMBUF_HEADROOM + CASE_FRAME_MAX, SOCKET_ID_ANY);
	bench->qsbr = aligned_alloc(64, (qsbr_bytes + 63) / 64 * 64);
	if (worker == NULL || bench->pool == NULL || bench->qsbr == NULL ||
	    rte_rcu_qsbr_init(bench->qsbr, 1) != 0 ||
	    rte_rcu_qsbr_thread_register(bench->qsbr, 0) != 0)
		errx(1, "no memory for the worker");
	wire_open(&bench->ports[0], "wire0", tx_slots, bench->pool);
	wire_open(&bench->ports[1], "wire1", tx_slots, bench->pool);
	wire_open(&bench->tap, "tap0", tx_slots, bench->pool);
	memset(worker, 0, sizeof *worker);
	worker->tables = fixture->tables;
	worker->pool = bench->pool;
	worker->qsbr = bench->qsbr;
	worker->stop = &bench->stop;
	worker->vip_counters = calloc(fixture->size.vip_count, sizeof *worker->vip_counters);
	worker->backend_counters =
		calloc(fixture->size.backend_count, sizeof *worker->backend_counters);
	if (worker->vip_counters == NULL || worker->backend_counters == NULL)
		errx(1, "no memory for counters");
	worker->port_count = PORTS;
	for (uint32_t i = 0; i < PORTS; i++) {
		worker->ports[i].device = bench->ports[i].device;
		worker->ports[i].tap = FL_NO_DEVICE;
	}
	fl_worker_init(worker);
}

/* @return false: an mbuf is missing. */
static bool
bench_close(struct bench *bench)
{
	bool all_back = rte_mempool_avail_count(bench->pool) == POOL_MBUFS;

	wire_close(&bench->ports[0]);
	wire_close(&bench->ports[1]);
	wire_close(&bench->tap);
	free(bench->worker->vip_counters);
	free(bench->worker->backend_counters);
	free(bench->worker);
	free(bench->qsbr);
	rte_mempool_free(bench->pool);
	return all_back;
}

static void
put_frame(struct bench *bench, struct rte_ring *ring, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->pool);

	if (mbuf == NULL)
		errx(1, "no mbuf left");
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)bytes), frame, bytes);
	if (rte_ring_enqueue(ring, mbuf) != 0)
		errx(1, "receive ring full");
}

static void
put_cases(struct bench *bench)
{
	uint32_t count;
	const struct case_frames *cases = case_table(0, &count);

	for (uint32_t i = 0; i < count; i++)
		put_frame(bench, bench->ports[0].rx, cases[i].in, cases[i].in_bytes);
}

/* The next frame out of a ring is this one. Frees it. */
static bool
is_next(struct rte_ring *ring, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *mbuf;
	bool is_equal;

	if (rte_ring_dequeue(ring, (void **)&mbuf) != 0)
		return false;
	is_equal = mbuf->nb_segs == 1 && rte_pktmbuf_data_len(mbuf) == bytes &&
		   memcmp(rte_pktmbuf_mtod(mbuf, const void *), frame, bytes) == 0;
	rte_pktmbuf_free(mbuf);
	return is_equal;
}

/* @return frames that were left. */
static uint32_t
drain(struct rte_ring *ring)
{
	struct rte_mbuf *mbuf;
	uint32_t count = 0;

	for (; rte_ring_dequeue(ring, (void **)&mbuf) == 0; count++)
		rte_pktmbuf_free(mbuf);
	return count;
}

static void
expect_conserved(const struct bench *bench, uint64_t received, const char *scenario)
{
	const struct fl_worker_stats *stats = &bench->worker->stats;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		sum += stats->verdicts[i];
	expect(stats->received == received, scenario, "received is not what was sent");
	expect(sum == received, scenario, "received is not the sum of the verdicts");
}

/* Forwarded frames came out of the port of their backend, in order, and nothing else did. */
static void
expect_forwarded(struct bench *bench, const char *scenario)
{
	uint32_t count, wrong = 0;
	const struct case_frames *cases = case_table(0, &count);

	for (uint32_t i = 0; i < count; i++)
		if (cases[i].verdict == FL_FORWARD &&
		    !is_next(bench->ports[cases[i].port].tx, cases[i].out, cases[i].out_bytes))
			wrong++;
	expect(wrong == 0, scenario, "a forwarded frame is missing or different");
	expect(drain(bench->ports[0].tx) + drain(bench->ports[1].tx) == 0, scenario,
	       "more left than was forwarded");
}

static uint64_t
count_cases(bool (*is_counted)(enum fl_verdict verdict))
{
	uint32_t count;
	uint64_t counted = 0;
	const struct case_frames *cases = case_table(0, &count);

	for (uint32_t i = 0; i < count; i++)
		counted += is_counted(cases[i].verdict);
	return counted;
}

static bool
is_any(enum fl_verdict verdict)
{
	return true;
}

static bool
is_forward(enum fl_verdict verdict)
{
	return verdict == FL_FORWARD;
}

static void
pass_until_idle(struct bench *bench)
{
	/* every pass takes up to FL_BURST_MAX from each ring, which the test does not refill */
	for (uint32_t i = 0; i < RING_SLOTS && fl_worker_pass(bench->worker) > 0; i++)
		continue;
}

/* Counters of VIPs and backends are the forwarded packets and their layer 3 bytes. */
static void
expect_counted(const struct bench *bench, const struct plane_fixture *fixture, const char *scenario)
{
	uint32_t count;
	const struct case_frames *cases = case_table(0, &count);
	struct fl_counter expected = { 0 }, vips = { 0 }, backends = { 0 };

	for (uint32_t i = 0; i < count; i++)
		if (cases[i].verdict == FL_FORWARD) {
			expected.packets++;
			expected.bytes += cases[i].out_bytes - (cases[i].out[12] == 0x86 ? 54 : 34);
		}
	for (uint32_t i = 0; i < fixture->size.vip_count; i++) {
		vips.packets += bench->worker->vip_counters[i].packets;
		vips.bytes += bench->worker->vip_counters[i].bytes;
	}
	for (uint32_t i = 0; i < fixture->size.backend_count; i++) {
		backends.packets += bench->worker->backend_counters[i].packets;
		backends.bytes += bench->worker->backend_counters[i].bytes;
	}
	expect(memcmp(&vips, &expected, sizeof vips) == 0, scenario, "VIP counters");
	expect(memcmp(&backends, &expected, sizeof backends) == 0, scenario, "backend counters");
}

static void
scenario_no_host(struct plane_fixture *fixture)
{
	const char *name = "no way to the host";
	struct bench bench;
	uint64_t *verdicts;

	bench_open(&bench, fixture, RING_SLOTS);
	verdicts = bench.worker->stats.verdicts;
	put_cases(&bench);
	pass_until_idle(&bench);
	expect_conserved(&bench, count_cases(is_any), name);
	expect_forwarded(&bench, name);
	expect_counted(&bench, fixture, name);
	expect(verdicts[FL_DROP_NO_HOST] == count_cases(fl_verdict_is_pass), name,
	       "what is the host's is not drop_no_host");
	for (uint32_t i = FL_PASS_NOT_IP; i <= FL_PASS_PROTOCOL; i++)
		expect(verdicts[i] == 0, name, "counted as passed");
	expect(bench_close(&bench), name, "an mbuf was lost");
}

static void
scenario_tap(struct plane_fixture *fixture)
{
	const char *name = "with a TAP";
	uint32_t count, wrong = 0;
	const struct case_frames *cases = case_table(0, &count);
	struct bench bench;

	bench_open(&bench, fixture, RING_SLOTS);
	bench.worker->ports[0].to_host = rte_ring_create("to-host", 64, SOCKET_ID_ANY, 0);
	bench.worker->ports[0].tap = bench.tap.device;
	put_cases(&bench);
	pass_until_idle(&bench);
	expect_conserved(&bench, count_cases(is_any), name);
	expect_forwarded(&bench, name);
	for (uint32_t i = 0; i < count; i++)
		if (fl_verdict_is_pass(cases[i].verdict) &&
		    !is_next(bench.tap.tx, cases[i].in, cases[i].in_bytes))
			wrong++;
	expect(wrong == 0, name, "a frame for the host is missing or different");
	expect(drain(bench.tap.tx) == 0, name, "the host got more than is its own");

	/* what the host sends leaves by the port, as it is, and is no received packet */
	put_frame(&bench, bench.tap.rx, cases[0].in, cases[0].in_bytes);
	pass_until_idle(&bench);
	expect(is_next(bench.ports[0].tx, cases[0].in, cases[0].in_bytes), name,
	       "the host's own frame did not leave");
	expect_conserved(&bench, count_cases(is_any), name);
	rte_ring_free(bench.worker->ports[0].to_host);
	expect(bench_close(&bench), name, "an mbuf was lost");
}

static void
scenario_full(struct plane_fixture *fixture)
{
	const char *name = "full ports";
	const uint32_t room = SMALL_RING_SLOTS - 1;
	struct bench bench;
	uint64_t *verdicts;

	bench_open(&bench, fixture, SMALL_RING_SLOTS);
	bench.worker->ports[0].to_host = rte_ring_create("to-host", 64, SOCKET_ID_ANY, 0);
	bench.worker->ports[0].tap = bench.tap.device;
	verdicts = bench.worker->stats.verdicts;
	put_cases(&bench);
	pass_until_idle(&bench);
	expect_conserved(&bench, count_cases(is_any), name);
	expect(verdicts[FL_FORWARD] == 2 * room, name, "forwarded is not what the ports took");
	expect(verdicts[FL_FORWARD] + verdicts[FL_DROP_SEND_FULL] == count_cases(is_forward), name,
	       "what the ports did not take is not drop_send_full");
	expect(verdicts[FL_DROP_HOST_FULL] + room == count_cases(fl_verdict_is_pass), name,
	       "what the TAP did not take is not drop_host_full");
	/* neither does the port take what the host sends then */
	for (uint32_t i = 0; i < 3; i++)
		put_frame(&bench, bench.tap.rx, (const uint8_t[64]){ 0 }, 64);
	pass_until_idle(&bench);
	expect(bench.worker->stats.host_unsent == 3, name, "the host's unsent frames");
	expect(drain(bench.ports[0].tx) + drain(bench.ports[1].tx) == 2 * room, name,
	       "not all that was forwarded left");
	expect(drain(bench.tap.tx) == room, name, "the TAP did not get what it took");
	rte_ring_free(bench.worker->ports[0].to_host);
	expect(bench_close(&bench), name, "an mbuf was lost");
}

/* No headroom and no pool to copy from: the verdict for that, and nothing is lost. */
static void
scenario_no_room(struct plane_fixture *fixture)
{
	const char *name = "no room";
	uint32_t count, forwards = 0;
	const struct case_frames *cases = case_table(0, &count);
	struct bench bench;

	bench_open(&bench, fixture, RING_SLOTS);
	bench.worker->pool = NULL;
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench.pool);

		if (mbuf == NULL)
			errx(1, "no mbuf left");
		mbuf->data_off = cases[i].out[12] == 0x86 ? 39 : 19; /* one byte short */
		memcpy(rte_pktmbuf_append(mbuf, (uint16_t)cases[i].in_bytes), cases[i].in,
		       cases[i].in_bytes);
		if (rte_ring_enqueue(bench.ports[0].rx, mbuf) != 0)
			errx(1, "receive ring full");
		forwards += cases[i].verdict == FL_FORWARD;
	}
	pass_until_idle(&bench);
	expect_conserved(&bench, count, name);
	expect(bench.worker->stats.verdicts[FL_DROP_NO_ROOM] == forwards, name,
	       "a frame without room is not drop_no_room");
	expect(drain(bench.ports[0].tx) + drain(bench.ports[1].tx) == 0, name, "a frame left");
	expect(bench_close(&bench), name, "an mbuf was lost");
}

static void *
run_worker(void *arg)
{
	return fl_worker_run(arg) == 0 ? arg : NULL;
}

/* The loop itself, on a thread of its own: it works, passes quiescent points, and ends when told.
 */
static void
scenario_loop(struct plane_fixture *fixture)
{
	const char *name = "the loop";
	uint64_t wanted = count_cases(is_any);
	time_t deadline = time(NULL) + WAIT_SECONDS;
	struct bench bench;
	pthread_t thread;
	void *ended;

	bench_open(&bench, fixture, RING_SLOTS);
	if (pthread_create(&thread, NULL, run_worker, bench.worker) != 0)
		errx(1, "no thread");
	put_cases(&bench);
	while (FL_READ_ONCE(bench.worker->stats.received) < wanted && time(NULL) < deadline)
		sched_yield();
	rte_rcu_qsbr_synchronize(bench.qsbr, RTE_QSBR_THRID_INVALID);
	__atomic_store_n(&bench.stop, 1, __ATOMIC_RELAXED);
	expect(pthread_join(thread, &ended) == 0 && ended != NULL, name, "did not end well");
	expect_conserved(&bench, wanted, name);
	expect_forwarded(&bench, name);
	expect(bench.worker->stats.busy_cycles > 0, name, "no busy cycles");
	expect(bench_close(&bench), name, "an mbuf was lost");
}

uint32_t
worker_test(struct plane_fixture *fixture, uint32_t *ret_checks)
{
	scenario_no_host(fixture);
	scenario_tap(fixture);
	scenario_full(fixture);
	scenario_no_room(fixture);
	scenario_loop(fixture);
	*ret_checks = checks;
	return failures;
}
