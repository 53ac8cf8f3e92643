/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A worker: one dedicated core that takes packets from its queue of every port, decides them burst
 * by burst and sends them, run to completion.
 *
 * The plane's main thread makes a worker, fl_worker_run() then owns it until it returns. Meanwhile
 * others only read its counters (whole words, each grows only) and set `*stop`.
 */
#ifndef DPDK_WORKER_H
#define DPDK_WORKER_H

#include <stdbool.h>

#include "../plane/tables.h"
#include "burst.h"
#include "hash.h"

struct rte_mempool;
struct rte_rcu_qsbr;
struct rte_ring;

#define FL_NO_DEVICE UINT16_MAX /**< no DPDK port */

/** A port as the workers see it. Its place in the array is its number in the tables. */
struct fl_worker_port {
	uint16_t device;     /**< DPDK port */
	uint16_t tap;	     /**< DPDK port of its TAP; FL_NO_DEVICE: host packets have no way */
	bool takes_segments; /**< sends packets of several segments */
	struct rte_ring *to_host; /**< host packets of the workers that do not own the TAP; NULL
				     without TAP */
};

/** What one worker counted besides struct fl_core. Written by the worker alone. */
struct fl_worker_stats {
	uint64_t received;
	uint64_t busy_cycles; /**< of passes that had packets */
	uint64_t idle_cycles;
	uint64_t
		host_unsent; /**< packets of the host that the port did not take; have no verdict */
};

/** Zeroed memory, then the members up to `port_count`, then fl_worker_init(). */
struct fl_worker {
	struct plane_tables tables; /**< where the tables are; the plane's own */
	struct plane_tables_size size;
	struct fl_counter *vip_counters; /**< zeroed, as many as vip records: forwarded packets */
	struct fl_counter *backend_counters;   /**< zeroed, as many as backend slots */
	struct fl_flow_counter *flow_counters; /**< by VIP record */
	struct rte_mempool *pool;  /**< for packets that must be copied; NULL: those are dropped */
	struct rte_rcu_qsbr *qsbr; /**< the worker is thread `queue` of it */
	const uint32_t *stop;	   /**< not 0: return */
	void (*started)(void);	   /**< called once on the worker's thread; may be NULL */
	uint16_t queue; /**< number of the worker and of its queues; worker 0 owns the TAPs */
	uint16_t cpu;	/**< for statistics */
	uint32_t port_count;
	struct fl_worker_port ports[FL_PORTS_MAX];

	/* the worker's own */
	fl_hash_burst hash;
	struct plane_run run;	/**< of the burst in hand */
	uint64_t tsc_ns_factor; /**< nanoseconds of 2^32 cycles */
	_Alignas(64) struct fl_core core;
	struct fl_worker_stats stats;
	struct fl_hash_messages messages;
	struct fl_burst burst;
};

/**
 * Choose what depends on the machine, after the DPDK environment has started. Needs no port, pool
 * or qsbr: enough for fl_worker_decide().
 */
void fl_worker_init(struct fl_worker *worker);

/**
 * Every stage that decides, from the frame that came to the frame that leaves: parse ... emit.
 * Nothing is sent, freed or counted; each packet's end is its verdict in the burst.
 *
 * @param burst with count, port, now_ns and mbuf.
 */
void fl_worker_decide(struct fl_worker *worker, struct fl_burst *burst);

/** One burst of each port, all stages. @return packets received or moved for the host. */
uint32_t fl_worker_pass(struct fl_worker *worker);

/** The loop; an lcore function. @param worker a struct fl_worker. @return 0 after `*stop` was set.
 */
int fl_worker_run(void *worker);

#endif
