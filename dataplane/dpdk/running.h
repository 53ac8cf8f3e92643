/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A plane from its first step to its last: in which order things come up, and go.
 */
#ifndef DPDK_RUNNING_H
#define DPDK_RUNNING_H

#include "../plane/failure.h"
#include "config.h"
#include "engine.h"
#include "tables_file.h"

struct running {
	const struct config *config;
	struct fl_key key;
	struct guard *guard; /**< NULL without AF_XDP ports */
	int steer_object;    /**< -1 without */
	struct steer_port steers[FL_PORTS_MAX];
	struct vip_set vips;
	struct tables_file tables;
	bool eal;
	struct ports ports;
	struct engine engine;
	struct plane_port plane_ports[FL_PORTS_MAX];
	struct plane *plane;
};

/**
 * Bring the plane up. The guard is in place before anything else is touched.
 * @return 0; -1: all is gone again but a guard and tables that were there before.
 */
int running_start(struct running *running, const struct config *config, struct failure *failure);

/** Serve until @p signals (a signalfd) is readable. @return 0; -1. */
int running_serve(struct running *running, int signals, struct failure *failure);

/** Take it down: nothing stays attached or pinned but the guard, and the file of tables. */
void running_stop(struct running *running);

/** Remove what stays of a stopped or killed plane: guard, pins, XDP programs, tables. @return 0;
 * -1.
 */
int running_detach(const struct config *config, struct failure *failure);

#endif
