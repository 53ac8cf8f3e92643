/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of a packet core. No allocation, lock, log or system call but the drivers' own.
 *
 * Between two passes the worker holds no pointer into a table: that is its quiescent point.
 */
#include <string.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include "stages.h"

void
fl_worker_init(struct fl_worker *worker)
{
	worker->hash = fl_hash_choose();
	worker->tsc_ns_factor = (1000000000ull << 32) / rte_get_tsc_hz();
	worker->run = (struct plane_run){
		.tables = &worker->tables,
		.size = worker->size,
		.core = &worker->core,
		.flow_counters = worker->flow_counters,
	};
	memset(&worker->core, 0, sizeof worker->core);
	memset(&worker->stats, 0, sizeof worker->stats);
}

void
fl_worker_decide(struct fl_worker *worker, struct fl_burst *burst)
{
	worker->run.in_port = burst->port;
	worker->run.now_ns = burst->now_ns;
	fl_stage_parse(worker, burst);
	fl_stage_admit(worker, burst);
	fl_stage_hash(worker, burst);
	fl_stage_choose(worker, burst);
	fl_stage_route(worker, burst);
	fl_stage_emit(worker, burst);
}

uint32_t
fl_worker_pass(struct fl_worker *worker)
{
	struct fl_burst *burst = &worker->burst;
	uint32_t moved = 0;

	for (uint16_t port = 0; port < worker->port_count; port++) {
		fl_stage_receive(worker, burst, port);
		if (burst->count > 0) {
			fl_worker_decide(worker, burst);
			fl_stage_send(worker, burst);
			fl_stage_host(worker, burst);
			fl_stage_count(worker, burst);
			moved += burst->count;
		}
		if (worker->queue == 0 && worker->ports[port].tap != FL_NO_DEVICE)
			moved += fl_stage_tap(worker, port);
	}
	return moved;
}

int
fl_worker_run(void *arg)
{
	struct fl_worker *worker = arg;
	uint64_t then, now;

	if (worker->started != NULL)
		worker->started();
	rte_rcu_qsbr_thread_online(worker->qsbr, worker->queue);
	then = rte_rdtsc();
	/* Ends only on request; every pass handles at most FL_BURST_MAX packets of each port. */
	while (__atomic_load_n(worker->stop, __ATOMIC_RELAXED) == 0) {
		uint32_t moved = fl_worker_pass(worker);

		rte_rcu_qsbr_quiescent(worker->qsbr, worker->queue);
		now = rte_rdtsc();
		if (moved > 0) {
			worker->stats.busy_cycles += now - then;
		} else {
			worker->stats.idle_cycles += now - then;
			rte_pause();
		}
		then = now;
	}
	rte_rcu_qsbr_thread_offline(worker->qsbr, worker->queue);
	return 0;
}
