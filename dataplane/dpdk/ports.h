/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The plane's ports as DPDK devices: made, given a queue pair for each worker, started; with their
 * TAPs and the packet buffers of the workers.
 *
 * The main thread calls everything here, before the workers run or after.
 */
#ifndef DPDK_PORTS_H
#define DPDK_PORTS_H

#include "../plane/failure.h"
#include "config.h"
#include "worker.h"

struct port {
	const struct config_port *config;
	struct fl_worker_port worker_port; /**< what the workers get */
	bool probed, tap_probed;	   /**< the device is ours to remove */
	uint32_t ifindex;		   /**< the interface, or that of the TAP; 0: none */
	uint8_t mac[6];
	uint16_t mtu;
};

struct ports {
	const struct config *config;
	struct rte_mempool *pools[FL_WORKERS_MAX]; /**< each worker's */
	struct port items[FL_PORTS_MAX];
	uint32_t count; /**< opened */
};

/** @param steer_object of steer.h, when there are AF_XDP ports. @return 0; -1: all is closed again.
 */
int ports_open(struct ports *ports, const struct config *config, int steer_object,
	       struct failure *failure);

/** Take every device down, its XDP program with it. Zeroed and half-opened ones are fine. */
void ports_close(struct ports *ports);

#endif
