/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "../plane/log.h"
#include "eal.h"
#include "engine.h"
#include "privileges.h"

/* A worker passes within a burst; seconds mean that its CPU does not run it. */
enum {
	WAIT_US = 20,
	HANG_REPORT_S = 1,
	HANG_S_MAX = 30,    /* then the plane gives up: what is retired can never be used again */
	COUNT_MS_MAX = 300, /* who asks for counts waits for it */
};

static struct fl_worker *
take_worker(struct engine *engine, uint16_t index)
{
	struct plane_tables_size size = plane_tables_size(&engine->config->file.limits);
	int node = (int)rte_lcore_to_socket_id(EAL_WORKER_LCORE(index));
	struct fl_worker *worker =
		rte_zmalloc_socket("worker", sizeof *worker, RTE_CACHE_LINE_SIZE, node);

	if (worker == NULL)
		return NULL;
	engine->workers[index] = worker;
	worker->tables = engine->tables;
	worker->size = size;
	worker->qsbr = engine->qsbr;
	worker->stop = &engine->stop;
	worker->started = privileges_reduce_thread;
	worker->queue = index;
	worker->cpu = engine->config->worker_cores[index];
	worker->vip_counters =
		rte_zmalloc_socket("vip counters", size.vip_count * sizeof(struct fl_counter),
				   RTE_CACHE_LINE_SIZE, node);
	worker->backend_counters = rte_zmalloc_socket(
		"backend counters", size.backend_count * sizeof(struct fl_counter),
		RTE_CACHE_LINE_SIZE, node);
	worker->flow_counters =
		rte_zmalloc_socket("flow counters", size.vip_count * sizeof(struct fl_flow_counter),
				   RTE_CACHE_LINE_SIZE, node);
	if (worker->vip_counters == NULL || worker->backend_counters == NULL ||
	    worker->flow_counters == NULL)
		return NULL;
	fl_worker_init(worker);
	return worker;
}

static void
set_tags(const struct engine *engine)
{
	struct fl_port *ports = engine->tables.ports;

	for (uint32_t i = 0; i < FL_PORTS_MAX; i++)
		memset(ports[i].tag, 0, sizeof ports[i].tag);
	for (uint32_t i = 0; i < engine->config->port_count; i++)
		memcpy(ports[i].tag, engine->config->ports[i].common.tag, sizeof ports[i].tag);
}

int
engine_open(struct engine *engine, const struct config *config, struct tables_memory *memory,
	    struct failure *failure)
{
	size_t qsbr_bytes = rte_rcu_qsbr_get_memsize(config->worker_count);

	engine->config = config;
	tables_memory_lay_out(memory, &config->file.limits, &engine->tables);
	set_tags(engine);
	engine->qsbr = rte_zmalloc("qsbr", qsbr_bytes, RTE_CACHE_LINE_SIZE);
	if (engine->qsbr == NULL || rte_rcu_qsbr_init(engine->qsbr, config->worker_count) != 0)
		goto no_memory;
	for (uint16_t i = 0; i < config->worker_count; i++) {
		if (take_worker(engine, i) == NULL ||
		    rte_rcu_qsbr_thread_register(engine->qsbr, i) != 0)
			goto no_memory;
	}
	return 0;
no_memory:
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"no memory for counters; raise \"memory_mb\" (now %u), or lower \"limits\"",
		config->memory_mb);
}

int
engine_run(struct engine *engine, struct ports *ports, struct failure *failure)
{
	engine->ports = ports;
	for (uint32_t i = 0; i < engine->config->worker_count; i++) {
		struct fl_worker *worker = engine->workers[i];

		worker->pool = ports->pools[i];
		worker->port_count = ports->count;
		for (uint32_t p = 0; p < ports->count; p++)
			worker->ports[p] = ports->items[p].worker_port;
		if (rte_eal_remote_launch(fl_worker_run, worker, EAL_WORKER_LCORE(i)) < 0)
			return failure_set(failure, EXIT_INTERNAL, "worker %u does not start", i);
		engine->running++;
	}
	return 0;
}

/** The CPU of the first worker that has not passed, for a message. */
static uint16_t
hanging_core(const struct engine *engine, uint64_t token)
{
	for (uint32_t i = 0; i < engine->running; i++) {
		uint64_t passed = __atomic_load_n(&engine->qsbr->qsbr_cnt[i].cnt, __ATOMIC_RELAXED);

		if (passed != __RTE_QSBR_CNT_THR_OFFLINE && passed < token)
			return engine->workers[i]->cpu;
	}
	return engine->workers[0]->cpu;
}

static void
synchronize(void *user)
{
	struct engine *engine = user;
	uint64_t token = rte_rcu_qsbr_start(engine->qsbr);
	uint64_t start = rte_rdtsc(), second = rte_get_tsc_hz();
	uint64_t reported = 0;

	engine->committed = true;
	while (rte_rcu_qsbr_check(engine->qsbr, token, false) == 0) {
		uint64_t waited = (rte_rdtsc() - start) / second;

		if (waited >= HANG_S_MAX) {
			log_message(LOG_ERR,
				    "the worker on CPU %u has not run for %d s: giving up, a "
				    "restart is "
				    "needed; is something else pinned to that CPU?",
				    hanging_core(engine, token), HANG_S_MAX);
			_exit(EXIT_INTERNAL);
		}
		if (waited >= reported + HANG_REPORT_S) {
			reported = waited;
			log_message(LOG_WARNING,
				    "the worker on CPU %u has not run for %u s: the change waits "
				    "for it",
				    hanging_core(engine, token), (uint32_t)waited);
		}
		rte_delay_us_sleep(WAIT_US);
	}
}

static int
vips_add(void *user, const struct fl_vip *records, uint32_t count, const uint64_t lengths[2])
{
	struct engine *engine = user;

	return vip_set_add(engine->vips, records, count, lengths);
}

static void
vips_remove(void *user, const struct fl_vip_key *keys, uint32_t count, const uint64_t lengths[2])
{
	struct engine *engine = user;

	vip_set_remove(engine->vips, keys, count, lengths);
}

static int
vip_is_hosts(void *user, const struct fl_vip *record, bool is_hosts)
{
	struct engine *engine = user;

	return vip_set_is_hosts(engine->vips, record, is_hosts);
}

/** Sums of words that lie at the same place in each worker's struct fl_core. */
static void
sum_words(const struct engine *engine, size_t offset, uint64_t *ret_sums, uint32_t count)
{
	memset(ret_sums, 0, count * sizeof *ret_sums);
	for (uint32_t i = 0; i < engine->config->worker_count; i++) {
		const uint8_t *core = (const uint8_t *)&engine->workers[i]->core;
		const uint64_t *words = (const uint64_t *)(core + offset);

		for (uint32_t w = 0; w < count; w++)
			ret_sums[w] += FL_READ_ONCE(words[w]);
	}
}

/** A worker counts a burst after it has sent it: let what was seen outside be counted too. */
static void
await_counts(const struct engine *engine)
{
	uint64_t token = rte_rcu_qsbr_start(engine->qsbr);
	uint64_t start = rte_rdtsc(), longest = rte_get_tsc_hz() / 1000 * COUNT_MS_MAX;

	while (rte_rcu_qsbr_check(engine->qsbr, token, false) == 0 && rte_rdtsc() - start < longest)
		rte_delay_us_sleep(WAIT_US);
}

static void
verdicts(void *user, uint64_t ret_packets[FL_VERDICT_COUNT])
{
	await_counts(user);
	sum_words(user, offsetof(struct fl_core, verdicts), ret_packets, FL_VERDICT_COUNT);
}

static void
events(void *user, uint64_t ret_events[FL_EVENT_COUNT])
{
	sum_words(user, offsetof(struct fl_core, events), ret_events, FL_EVENT_COUNT);
}

static void
add_counter(struct fl_counter *sum, const struct fl_counter *counter)
{
	sum->packets += FL_READ_ONCE(counter->packets);
	sum->bytes += FL_READ_ONCE(counter->bytes);
}

static struct fl_counter
vip_counter(void *user, uint32_t vip_index)
{
	const struct engine *engine = user;
	struct fl_counter sum = { 0, 0 };

	for (uint32_t i = 0; i < engine->config->worker_count; i++)
		add_counter(&sum, &engine->workers[i]->vip_counters[vip_index]);
	return sum;
}

static struct fl_counter
backend_counter(void *user, uint32_t slot)
{
	const struct engine *engine = user;
	struct fl_counter sum = { 0, 0 };

	for (uint32_t i = 0; i < engine->config->worker_count; i++)
		add_counter(&sum, &engine->workers[i]->backend_counters[slot]);
	return sum;
}

static struct fl_flow_counter
flow_counter(void *user, uint32_t vip_index)
{
	const struct engine *engine = user;
	struct fl_flow_counter sum = { 0 };

	for (uint32_t i = 0; i < engine->config->worker_count; i++)
		fl_flow_add(&sum, &engine->workers[i]->flow_counters[vip_index]);
	return sum;
}

static void
port_stats(void *user, uint32_t port, struct plane_port_stats *ret_stats)
{
	const struct engine *engine = user;
	struct rte_eth_stats stats = { 0 };

	(void)rte_eth_stats_get(engine->ports->items[port].worker_port.device, &stats);
	ret_stats->rx_packets = stats.ipackets;
	ret_stats->tx_packets = stats.opackets;
	ret_stats->rx_missed = stats.imissed + stats.rx_nombuf;
}

static void
core_stats(void *user, uint32_t i, struct plane_core_stats *ret_stats)
{
	const struct engine *engine = user;
	const struct fl_worker *worker = engine->workers[i];

	ret_stats->core = worker->cpu;
	ret_stats->received = FL_READ_ONCE(worker->stats.received);
	ret_stats->busy_cycles = FL_READ_ONCE(worker->stats.busy_cycles);
	ret_stats->idle_cycles = FL_READ_ONCE(worker->stats.idle_cycles);
}

struct plane_engine
engine_functions(struct engine *engine)
{
	return (struct plane_engine){
		.user = engine,
		.synchronize = synchronize,
		.vips_add = vips_add,
		.vips_remove = vips_remove,
		.vip_is_hosts = vip_is_hosts,
		.verdicts = verdicts,
		.events = events,
		.vip_counter = vip_counter,
		.backend_counter = backend_counter,
		.flow_counter = flow_counter,
		.port_stats = port_stats,
		.core_stats = core_stats,
		.core_count = engine->config->worker_count,
	};
}

void
engine_stop(struct engine *engine)
{
	__atomic_store_n(&engine->stop, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < engine->running; i++)
		(void)rte_eal_wait_lcore(EAL_WORKER_LCORE(i));
	engine->running = 0;
}

void
engine_close(struct engine *engine)
{
	engine_stop(engine);
	for (uint32_t i = 0; i < FL_WORKERS_MAX; i++) {
		if (engine->workers[i] == NULL)
			continue;
		rte_free(engine->workers[i]->vip_counters);
		rte_free(engine->workers[i]->backend_counters);
		rte_free(engine->workers[i]->flow_counters);
		rte_free(engine->workers[i]);
		engine->workers[i] = NULL;
	}
	rte_free(engine->qsbr);
	engine->qsbr = NULL;
}
