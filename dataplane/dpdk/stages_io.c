/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stages at both ends of a burst: receive, send, host, count; and the TAP of ports that have no
 * kernel interface, which worker 0 serves for all.
 *
 * A host packet of another worker goes to worker 0 through a ring; its verdict travels in the mbuf
 * and is counted by worker 0, who alone knows whether the TAP took it. So each packet is still
 * counted once.
 */
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "stages.h"

/** Monotonic, and one clock for all workers: TSCs of a machine run together. */
static uint64_t
now_ns(const struct fl_worker *worker)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)rte_rdtsc() * worker->tsc_ns_factor >> 32);
}

void
fl_stage_receive(struct fl_worker *worker, struct fl_burst *burst, uint16_t port)
{
	burst->port = port;
	burst->count = rte_eth_rx_burst(worker->ports[port].device, worker->queue, burst->mbuf,
					FL_BURST_MAX);
	for (uint32_t i = 0; i < burst->count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i], const void *));
	burst->now_ns = now_ns(worker);
	worker->stats.received += burst->count;
}

/** Packets of a burst that go to one device, and where in the burst they stand. */
struct batch {
	uint16_t count;
	struct rte_mbuf *mbuf[FL_BURST_MAX];
	uint8_t at[FL_BURST_MAX];
};

static void
batch_add(struct batch *batch, const struct fl_burst *burst, uint32_t i)
{
	batch->mbuf[batch->count] = burst->mbuf[i];
	batch->at[batch->count++] = (uint8_t)i;
}

/** Packets from @p sent on did not go: they end with @p verdict. */
static void
batch_unsent(const struct batch *batch, uint32_t sent, struct fl_burst *burst,
	     enum fl_verdict verdict)
{
	for (uint32_t i = sent; i < batch->count; i++)
		burst->decision[batch->at[i]].verdict = verdict;
}

static void
send_to_port(struct fl_worker *worker, struct fl_burst *burst, uint32_t port)
{
	struct batch batch = { .count = 0 };
	uint16_t sent;

	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		if (!fl_verdict_is_send(decision->verdict) || decision->port != port)
			continue;
		if (FL_UNLIKELY(burst->mbuf[i]->nb_segs > 1 &&
				!worker->ports[port].takes_segments &&
				rte_pktmbuf_linearize(burst->mbuf[i]) != 0)) {
			decision->verdict = FL_DROP_NO_ROOM;
			continue;
		}
		batch_add(&batch, burst, i);
	}
	sent = rte_eth_tx_burst(worker->ports[port].device, worker->queue, batch.mbuf, batch.count);
	batch_unsent(&batch, sent, burst, FL_DROP_SEND_FULL);
}

void
fl_stage_send(struct fl_worker *worker, struct fl_burst *burst)
{
	uint32_t ports = 0; /* a bit for each port that something leaves by */

	_Static_assert(FL_PORTS_MAX <= 32, "a bit each");
	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		if (!fl_verdict_is_send(decision->verdict))
			continue;
		if (FL_UNLIKELY(decision->port >= worker->port_count))
			decision->verdict = FL_DROP_BUG;
		else
			ports |= 1u << decision->port;
	}
	for (; ports != 0; ports &= ports - 1)
		send_to_port(worker, burst, (uint32_t)__builtin_ctz(ports));
}

/** Send what the burst has for the host through the ring to the worker that owns the TAP. */
static void
host_by_ring(struct fl_worker *worker, struct fl_burst *burst, const struct batch *batch)
{
	uint32_t taken;

	for (uint32_t i = 0; i < batch->count; i++)
		batch->mbuf[i]->hash.usr = burst->decision[batch->at[i]].verdict;
	taken = rte_ring_enqueue_burst(worker->ports[burst->port].to_host,
				       (void *const *)batch->mbuf, batch->count, NULL);
	for (uint32_t i = 0; i < taken; i++)
		burst->decision[batch->at[i]].verdict = FL_VERDICT_ELSEWHERE;
	batch_unsent(batch, taken, burst, FL_DROP_HOST_FULL);
}

void
fl_stage_host(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct fl_worker_port *port = &worker->ports[burst->port];
	struct batch batch = { .count = 0 };

	for (uint32_t i = 0; i < burst->count; i++) {
		if (fl_verdict_is_pass(burst->decision[i].verdict))
			batch_add(&batch, burst, i);
	}
	if (FL_LIKELY(batch.count == 0))
		return;
	if (port->tap == FL_NO_DEVICE)
		batch_unsent(&batch, 0, burst, FL_DROP_NO_HOST);
	else if (worker->queue != 0)
		host_by_ring(worker, burst, &batch);
	else
		batch_unsent(&batch, rte_eth_tx_burst(port->tap, 0, batch.mbuf, batch.count), burst,
			     FL_DROP_HOST_FULL);
}

static bool
is_drop(enum fl_verdict verdict)
{
	return !fl_verdict_is_send(verdict) && !fl_verdict_is_pass(verdict) &&
	       verdict != FL_VERDICT_ELSEWHERE;
}

static void
count_forwarded(struct fl_worker *worker, const struct fl_packet *packet,
		const struct fl_decision *decision)
{
	struct fl_counter *vip = &worker->vip_counters[decision->record];
	struct fl_counter *backend = &worker->backend_counters[decision->slot];

	vip->packets++;
	vip->bytes += packet->l3_bytes;
	backend->packets++;
	backend->bytes += packet->l3_bytes;
}

void
fl_stage_count(struct fl_worker *worker, struct fl_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		const struct fl_decision *decision = &burst->decision[i];

		if (is_drop(decision->verdict))
			rte_pktmbuf_free(burst->mbuf[i]);
		if (decision->verdict < FL_VERDICT_COUNT)
			worker->core.verdicts[decision->verdict]++;
		if (decision->verdict == FL_FORWARD)
			count_forwarded(worker, &burst->packet[i], decision);
	}
}

static uint32_t
tap_from_ring(struct fl_worker *worker, const struct fl_worker_port *port)
{
	struct rte_mbuf *mbufs[FL_BURST_MAX];
	uint8_t verdicts[FL_BURST_MAX];
	uint32_t count = rte_ring_dequeue_burst(port->to_host, (void **)mbufs, FL_BURST_MAX, NULL);
	uint32_t sent;

	if (count == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		verdicts[i] = (uint8_t)RTE_MIN(mbufs[i]->hash.usr, (uint32_t)FL_DROP_BUG);
	sent = rte_eth_tx_burst(port->tap, 0, mbufs, (uint16_t)count);
	for (uint32_t i = 0; i < sent; i++)
		worker->core.verdicts[verdicts[i]]++;
	rte_pktmbuf_free_bulk(&mbufs[sent], count - sent);
	worker->core.verdicts[FL_DROP_HOST_FULL] += count - sent;
	return count;
}

uint32_t
fl_stage_tap(struct fl_worker *worker, uint16_t port_index)
{
	const struct fl_worker_port *port = &worker->ports[port_index];
	struct rte_mbuf *mbufs[FL_BURST_MAX];
	uint32_t moved = tap_from_ring(worker, port);
	uint16_t count = rte_eth_rx_burst(port->tap, 0, mbufs, FL_BURST_MAX);
	uint16_t sent = 0;

	if (count > 0)
		sent = rte_eth_tx_burst(port->device, worker->queue, mbufs, count);
	rte_pktmbuf_free_bulk(&mbufs[sent], count - sent);
	worker->stats.host_unsent += (uint32_t)(count - sent);
	return moved + count;
}
