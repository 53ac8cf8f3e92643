/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The plane's engine: table memory, workers, and the functions that the plane library calls
 * (struct plane_engine).
 *
 * The main thread calls everything here.
 */
#ifndef DPDK_ENGINE_H
#define DPDK_ENGINE_H

#include "../plane/failure.h"
#include "../plane/tables_memory.h"
#include "config.h"
#include "ports.h"
#include "vip_set.h"
#include "worker.h"

struct engine {
	const struct config *config;
	struct ports *ports; /**< opened */
	struct vip_set *vips;
	struct plane_tables tables; /**< in the memory that engine_open() was given */
	struct fl_worker *workers[FL_WORKERS_MAX];
	struct rte_rcu_qsbr *qsbr;
	uint32_t running; /**< workers launched */
	uint32_t stop;	  /**< what the workers look at */
	bool committed;	  /**< a change became visible; main() takes it back */
};

/**
 * Take the workers' memory. @param memory of the tables, begun and with its config set; borrowed.
 * @return 0; -1: engine_close() takes what was made.
 */
int engine_open(struct engine *engine, const struct config *config, struct tables_memory *memory,
		struct failure *failure);

/** The ports are open: launch the workers. @return 0; -1. */
int engine_run(struct engine *engine, struct ports *ports, struct failure *failure);

/** What the plane library is to call. */
struct plane_engine engine_functions(struct engine *engine);

/** Stop the workers and wait for them. */
void engine_stop(struct engine *engine);
void engine_close(struct engine *engine);

#endif
