/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole worker over ports made of rings (net_ring): what the stages between receive and count
 * cannot show, the ends that a port decides. Each scenario puts the cases that come by port 0 into
 * its receive ring, lets the worker work, and holds what came out of the rings and the counters
 * against the table.
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
	RING_SLOTS = 4096, /* more than there are cases */
	POOL_MBUFS = 4095,
	SMALL_RING_SLOTS = 16, /* holds 15 */
	TO_HOST_SLOTS = 64,
	WAIT_SECONDS = 20, /* until a run counts as hung */
};

/* A port made of two rings; the test is the wire. */
struct wire {
	struct rte_ring *rx, *tx;
	uint16_t device;
};

/* What a scenario makes of the cases: how they come, and what each must become. */
struct scenario {
	const char *name;
	uint32_t (*headroom)(const struct case_frames *one);
	/** The verdict that counts, given the table's. @param left room in the port, or in the TAP
	 * of a host packet. */
	enum fl_verdict (*becomes)(const struct case_frames *one, uint32_t left);
	uint32_t tx_slots;
	bool has_tap, has_pool;
	bool keeps; /**< nothing is taken out of the ports before the end */
};

/* What became of the cases so far. */
struct outcome {
	uint64_t received, verdicts[FL_VERDICT_COUNT]; /* as they should be */
	struct fl_counter forwarded;
	uint32_t port_used[FL_PORTS_MAX], tap_used; /* frames that lie there */
	uint32_t wrong;				    /* frames that are missing or different */
};

struct bench {
	const struct scenario *scenario;
	struct outcome outcome;
	struct plane_fixture *fixture;
	struct fl_worker *worker;
	struct rte_mempool *pool;
	struct rte_rcu_qsbr *qsbr;
	struct wire ports[FL_PORTS_MAX], tap;
	uint32_t port_count;
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
bench_worker(struct bench *bench)
{
	struct fl_worker *worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);
	const struct plane_tables_size *size = &bench->fixture->size;

	if (worker == NULL)
		errx(1, "no memory for the worker");
	memset(worker, 0, sizeof *worker);
	worker->tables = bench->fixture->tables;
	worker->size = *size;
	worker->pool = bench->pool;
	worker->qsbr = bench->qsbr;
	worker->stop = &bench->stop;
	worker->vip_counters = calloc(size->vip_count, sizeof *worker->vip_counters);
	worker->backend_counters = calloc(size->backend_count, sizeof *worker->backend_counters);
	if (worker->vip_counters == NULL || worker->backend_counters == NULL)
		errx(1, "no memory for counters");
	worker->port_count = bench->port_count;
	for (uint32_t i = 0; i < bench->port_count; i++) {
		worker->ports[i].device = bench->ports[i].device;
		worker->ports[i].tap = FL_NO_DEVICE;
	}
	fl_worker_init(worker);
	bench->worker = worker;
}

/* Port 0 gets a way to the host. */
static void
bench_tap(struct bench *bench)
{
	bench->worker->ports[0].to_host =
		rte_ring_create("to-host", TO_HOST_SLOTS, SOCKET_ID_ANY, 0);
	if (bench->worker->ports[0].to_host == NULL)
		errx(1, "no ring to the host");
	bench->worker->ports[0].tap = bench->tap.device;
}

/* @param fixture stays there until bench_close(). */
static void
bench_open(struct bench *bench, struct plane_fixture *fixture, const struct scenario *scenario)
{
	size_t qsbr_bytes = rte_rcu_qsbr_get_memsize(1);

	*bench = (struct bench){ .scenario = scenario,
				 .fixture = fixture,
				 .port_count = fixture->options.port_count };
	bench->pool = rte_pktmbuf_pool_create("wire", POOL_MBUFS, 0, 0,
					      RTE_PKTMBUF_HEADROOM + CASE_FRAME_MAX, SOCKET_ID_ANY);
	bench->qsbr = aligned_alloc(64, (qsbr_bytes + 63) / 64 * 64);
	if (bench->pool == NULL || bench->qsbr == NULL || rte_rcu_qsbr_init(bench->qsbr, 1) != 0 ||
	    rte_rcu_qsbr_thread_register(bench->qsbr, 0) != 0)
		errx(1, "no memory for the worker");
	for (uint32_t i = 0; i < bench->port_count; i++) {
		char name[16];

		snprintf(name, sizeof name, "wire%u", i);
		wire_open(&bench->ports[i], name, scenario->tx_slots, bench->pool);
	}
	wire_open(&bench->tap, "tap0", scenario->tx_slots, bench->pool);
	bench_worker(bench);
	if (scenario->has_tap)
		bench_tap(bench);
	if (!scenario->has_pool)
		bench->worker->pool = NULL;
}

/* @return false: an mbuf is missing. */
static bool
bench_close(struct bench *bench)
{
	bool all_back = rte_mempool_avail_count(bench->pool) == POOL_MBUFS;

	for (uint32_t i = 0; i < bench->port_count; i++)
		wire_close(&bench->ports[i]);
	wire_close(&bench->tap);
	rte_ring_free(bench->worker->ports[0].to_host);
	free(bench->worker->vip_counters);
	free(bench->worker->backend_counters);
	free(bench->worker);
	free(bench->qsbr);
	rte_mempool_free(bench->pool);
	return all_back;
}

/* --- the cases --- */

static bool
is_given(const struct case_frames *one)
{
	return one->in_port == 0 && one->track == NULL;
}

/* Does it end alike, whatever the fragment table holds? */
static bool
is_by_itself(const struct case_frames *cases, uint32_t count, uint32_t i)
{
	return is_given(&cases[i]) && cases[i].is_fresh &&
	       cases[i].verdict != FL_DROP_FRAGMENT_ORDER &&
	       (i + 1 == count || cases[i + 1].is_fresh);
}

static uint32_t
l2_bytes(const uint8_t *frame)
{
	uint32_t bytes = 14;

	while ((frame[bytes - 2] == 0x81 && frame[bytes - 1] == 0) ||
	       (frame[bytes - 2] == 0x88 && frame[bytes - 1] == 0xa8))
		bytes += 4;
	return bytes;
}

/* What the IP header of a whole frame says. */
static uint32_t
l3_bytes(const uint8_t *frame)
{
	const uint8_t *ip = frame + l2_bytes(frame);

	return ip[0] >> 4 == 4 ? (uint32_t)(ip[2] << 8 | ip[3])
			       : 40u + (uint32_t)(ip[4] << 8 | ip[5]);
}

/* Bytes that the frame of a case grows by at its beginning; 0: it does not. */
static uint32_t
head_of(const struct case_frames *one)
{
	uint32_t before, after;

	if (!fl_verdict_is_send(one->verdict))
		return 0;
	before = l2_bytes(one->in);
	after = l2_bytes(one->out);
	if (one->verdict == FL_ANSWER_TOO_BIG) {
		after += (one->in[before] >> 4 == 4 ? 20 : 40) + 8;
	} else {
		before += l3_bytes(one->in);
		after += l3_bytes(one->out);
	}
	return after > before ? after - before : 0;
}

/* A frame and the room before it. */
struct given {
	const uint8_t *frame;
	uint32_t bytes, headroom;
};

static void
put_frame(struct bench *bench, struct rte_ring *ring, struct given given)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->pool);

	if (mbuf == NULL)
		errx(1, "no mbuf left");
	mbuf->data_off = (uint16_t)given.headroom;
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)given.bytes), given.frame, given.bytes);
	if (rte_ring_enqueue(ring, mbuf) != 0)
		errx(1, "receive ring full");
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

static uint32_t
drain_ports(struct bench *bench)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < bench->port_count; i++)
		count += drain(bench->ports[i].tx);
	return count;
}

static void
pass_until_idle(struct bench *bench)
{
	/* every pass takes up to FL_BURST_MAX from each ring, which the test does not refill */
	for (uint32_t i = 0; i < RING_SLOTS && fl_worker_pass(bench->worker) > 0; i++)
		continue;
}

static void
flush_fragments(struct bench *bench)
{
	memset(bench->fixture->tables.fragments, 0,
	       bench->fixture->size.fragment_bucket_count *
		       sizeof bench->fixture->tables.fragments[0]);
}

/* How much room each frame has before it. */
static uint32_t
usual_headroom(const struct case_frames *one)
{
	return RTE_PKTMBUF_HEADROOM;
}

static uint32_t
a_byte_short(const struct case_frames *one)
{
	uint32_t head = head_of(one);

	return head == 0 ? 0 : head - 1;
}

static void
foresee(struct bench *bench, const struct case_frames *one)
{
	const struct scenario *scenario = bench->scenario;
	struct outcome *outcome = &bench->outcome;
	uint32_t *used = fl_verdict_is_pass(one->verdict) ? &outcome->tap_used
							  : &outcome->port_used[one->port];
	enum fl_verdict verdict = scenario->becomes(one, scenario->tx_slots - 1 - *used);

	outcome->received++;
	outcome->verdicts[verdict]++;
	*used += fl_verdict_is_send(verdict) || fl_verdict_is_pass(verdict);
	if (verdict == FL_FORWARD) {
		outcome->forwarded.packets++;
		outcome->forwarded.bytes += l3_bytes(one->in);
	}
}

/* What leaves for a case came out of its port or the TAP. */
static bool
is_out(struct bench *bench, const struct case_frames *one)
{
	enum fl_verdict verdict = bench->scenario->becomes(one, UINT32_MAX);

	if (fl_verdict_is_send(verdict))
		return is_next(bench->ports[one->port].tx, one->out, one->out_bytes);
	if (fl_verdict_is_pass(verdict))
		return is_next(bench->tap.tx, one->in, one->in_bytes);
	return true;
}

static void
put_case(struct bench *bench, const struct case_frames *one)
{
	put_frame(bench, bench->ports[0].rx,
		  (struct given){ one->in, one->in_bytes, bench->scenario->headroom(one) });
	foresee(bench, one);
}

/* Cases that may stand together: put in, worked on, compared. */
static void
run_group(struct bench *bench, const struct case_frames *cases, uint32_t count)
{
	flush_fragments(bench);
	for (uint32_t i = 0; i < count; i++)
		if (is_given(&cases[i]))
			put_case(bench, &cases[i]);
	pass_until_idle(bench);
	if (bench->scenario->keeps)
		return;
	for (uint32_t i = 0; i < count; i++)
		bench->outcome.wrong += is_given(&cases[i]) && !is_out(bench, &cases[i]);
	memset(bench->outcome.port_used, 0, sizeof bench->outcome.port_used);
	bench->outcome.tap_used = 0;
}

static struct fl_counter
sum(const struct fl_counter *counters, uint32_t count)
{
	struct fl_counter total = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		total.packets += counters[i].packets;
		total.bytes += counters[i].bytes;
	}
	return total;
}

/* Each packet counted once, under its verdict; VIPs and backends: what was forwarded, and its
 * layer 3 bytes. */
static void
expect_counted(const struct bench *bench)
{
	const char *name = bench->scenario->name;
	const struct outcome *outcome = &bench->outcome;
	const struct fl_worker *worker = bench->worker;
	struct fl_counter vips = sum(worker->vip_counters, bench->fixture->size.vip_count);
	struct fl_counter backends =
		sum(worker->backend_counters, bench->fixture->size.backend_count);
	uint64_t counted = 0;

	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++) {
		counted += worker->core.verdicts[i];
		if (worker->core.verdicts[i] != outcome->verdicts[i])
			warnx("worker, %s: %s is %lu instead of %lu", name,
			      plane_verdict_name((enum fl_verdict)i), worker->core.verdicts[i],
			      outcome->verdicts[i]);
	}
	expect(worker->stats.received == outcome->received, name, "received is not what was sent");
	expect(counted == outcome->received, name, "received is not the sum of the verdicts");
	expect(memcmp(worker->core.verdicts, outcome->verdicts, sizeof outcome->verdicts) == 0,
	       name, "verdicts");
	expect(memcmp(&vips, &outcome->forwarded, sizeof vips) == 0, name, "VIP counters");
	expect(memcmp(&backends, &outcome->forwarded, sizeof backends) == 0, name,
	       "backend counters");
}

/* The bench stays open. */
static void
run_cases(struct bench *bench)
{
	const struct scenario *scenario = bench->scenario;
	uint32_t count;
	const struct case_frames *cases = case_table(0, &count);

	for (uint32_t i = 0, taken; i < count; i += taken) {
		taken = case_group(cases + i, count - i);
		run_group(bench, cases + i, taken);
	}
	expect_counted(bench);
	expect(bench->outcome.wrong == 0, scenario->name, "a frame is missing or different");
	if (!scenario->keeps)
		expect(drain_ports(bench) + drain(bench->tap.tx) == 0, scenario->name,
		       "more left than should");
}

static enum fl_verdict
no_host(const struct case_frames *one, uint32_t left)
{
	return fl_verdict_is_pass(one->verdict) ? FL_DROP_NO_HOST : one->verdict;
}

static void
scenario_no_host(struct plane_fixture *fixture)
{
	static const struct scenario scenario = { .name = "no way to the host",
						  .headroom = usual_headroom,
						  .becomes = no_host,
						  .tx_slots = RING_SLOTS,
						  .has_pool = true };
	struct bench bench;

	bench_open(&bench, fixture, &scenario);
	run_cases(&bench);
	expect(bench_close(&bench), scenario.name, "an mbuf was lost");
}

static enum fl_verdict
as_in_table(const struct case_frames *one, uint32_t left)
{
	return one->verdict;
}

static void
scenario_tap(struct plane_fixture *fixture)
{
	static const struct scenario scenario = { .name = "with a TAP",
						  .headroom = usual_headroom,
						  .becomes = as_in_table,
						  .tx_slots = RING_SLOTS,
						  .has_tap = true,
						  .has_pool = true };
	static const uint8_t frame[64] = { 1, 2, 3 };
	struct bench bench;

	bench_open(&bench, fixture, &scenario);
	run_cases(&bench);
	/* what the host sends leaves by the port, as it is, and is no received packet */
	put_frame(&bench, bench.tap.rx,
		  (struct given){ frame, sizeof frame, RTE_PKTMBUF_HEADROOM });
	pass_until_idle(&bench);
	expect(is_next(bench.ports[0].tx, frame, sizeof frame), scenario.name,
	       "the host's own frame did not leave");
	expect_counted(&bench);
	expect(bench_close(&bench), scenario.name, "an mbuf was lost");
}

static enum fl_verdict
while_there_is_room(const struct case_frames *one, uint32_t left)
{
	if (left > 0)
		return one->verdict;
	if (fl_verdict_is_send(one->verdict))
		return FL_DROP_SEND_FULL;
	return fl_verdict_is_pass(one->verdict) ? FL_DROP_HOST_FULL : one->verdict;
}

static void
scenario_full(struct plane_fixture *fixture)
{
	static const struct scenario scenario = { .name = "full ports",
						  .headroom = usual_headroom,
						  .becomes = while_there_is_room,
						  .tx_slots = SMALL_RING_SLOTS,
						  .has_tap = true,
						  .has_pool = true,
						  .keeps = true };
	static const uint8_t frame[64];
	const struct outcome *outcome;
	uint32_t used = 0;
	struct bench bench;

	bench_open(&bench, fixture, &scenario);
	run_cases(&bench);
	outcome = &bench.outcome;
	for (uint32_t i = 0; i < bench.port_count; i++)
		used += outcome->port_used[i];
	expect(outcome->verdicts[FL_DROP_SEND_FULL] > 0 && outcome->verdicts[FL_DROP_HOST_FULL] > 0,
	       scenario.name, "nothing was full");
	/* neither does the port take what the host sends then */
	for (uint32_t i = 0; i < 3; i++)
		put_frame(&bench, bench.tap.rx,
			  (struct given){ frame, sizeof frame, RTE_PKTMBUF_HEADROOM });
	pass_until_idle(&bench);
	expect(bench.worker->stats.host_unsent == 3, scenario.name, "the host's unsent frames");
	expect(drain_ports(&bench) == used, scenario.name, "not all that was sent left");
	expect(drain(bench.tap.tx) == outcome->tap_used, scenario.name,
	       "the TAP did not get what it took");
	expect(bench_close(&bench), scenario.name, "an mbuf was lost");
}

static enum fl_verdict
no_room(const struct case_frames *one, uint32_t left)
{
	return head_of(one) > 0 ? FL_DROP_NO_ROOM : no_host(one, left);
}

/* A byte too little before the frame and no pool to copy to: the verdict for that, and nothing is
 * lost. With that byte all is well. */
static void
scenario_no_room(struct plane_fixture *fixture)
{
	static const struct scenario scenarios[] = {
		{ .name = "no room",
		  .headroom = a_byte_short,
		  .becomes = no_room,
		  .tx_slots = RING_SLOTS },
		{ .name = "just enough room",
		  .headroom = head_of,
		  .becomes = no_host,
		  .tx_slots = RING_SLOTS },
	};

	for (uint32_t i = 0; i < 2; i++) {
		struct bench bench;

		bench_open(&bench, fixture, &scenarios[i]);
		run_cases(&bench);
		expect(bench_close(&bench), scenarios[i].name, "an mbuf was lost");
	}
}

static void *
run_worker(void *arg)
{
	return fl_worker_run(arg) == 0 ? arg : NULL;
}

/* All at once: the test must not touch the fragment table while the worker runs. */
static void
put_all(struct bench *bench)
{
	uint32_t count;
	const struct case_frames *cases = case_table(0, &count);

	for (uint32_t i = 0; i < count; i++)
		if (is_by_itself(cases, count, i))
			put_case(bench, &cases[i]);
}

static void
expect_all_out(struct bench *bench)
{
	uint32_t count, wrong = 0;
	const struct case_frames *cases = case_table(0, &count);

	for (uint32_t i = 0; i < count; i++)
		wrong += is_by_itself(cases, count, i) && !is_out(bench, &cases[i]);
	expect(wrong == 0, bench->scenario->name, "a frame is missing or different");
	expect(drain_ports(bench) == 0, bench->scenario->name, "more left than should");
}

/* The loop itself, on a thread of its own: it works, passes quiescent points, and ends when told.
 */
static void
scenario_loop(struct plane_fixture *fixture)
{
	static const struct scenario scenario = { .name = "the loop",
						  .headroom = usual_headroom,
						  .becomes = no_host,
						  .tx_slots = RING_SLOTS,
						  .has_pool = true };
	time_t deadline = time(NULL) + WAIT_SECONDS;
	struct bench bench;
	pthread_t thread;
	void *ended;

	bench_open(&bench, fixture, &scenario);
	if (pthread_create(&thread, NULL, run_worker, bench.worker) != 0)
		errx(1, "no thread");
	put_all(&bench);
	while (FL_READ_ONCE(bench.worker->stats.received) < bench.outcome.received &&
	       time(NULL) < deadline)
		sched_yield();
	rte_rcu_qsbr_synchronize(bench.qsbr, RTE_QSBR_THRID_INVALID);
	__atomic_store_n(&bench.stop, 1, __ATOMIC_RELAXED);
	expect(pthread_join(thread, &ended) == 0 && ended != NULL, scenario.name,
	       "did not end well");
	expect_counted(&bench);
	expect_all_out(&bench);
	expect(bench.worker->stats.busy_cycles > 0, scenario.name, "no busy cycles");
	expect(bench_close(&bench), scenario.name, "an mbuf was lost");
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
