/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The packets one worker has in hand, one column for each thing known of a packet. A stage reads
 * the columns of the stages before it and fills its own; no stage allocates or waits.
 */
#ifndef DPDK_BURST_H
#define DPDK_BURST_H

#include <stdint.h>

#include "../core/emit.h"

struct rte_mbuf;

struct fl_burst {
	uint16_t count;
	uint16_t port;	 /**< the plane's number of the port they came in by */
	uint64_t now_ns; /**< when they were received, monotonic */
	struct rte_mbuf *mbuf[FL_BURST_MAX];
	struct fl_packet packet[FL_BURST_MAX];
	struct fl_decision decision[FL_BURST_MAX]; /**< verdict: FL_FORWARD while still going */
};

#endif
