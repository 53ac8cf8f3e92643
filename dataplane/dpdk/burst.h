/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The packets one worker has in hand, one column for each thing known of a packet. A stage reads
 * the columns of the stages before it and fills its own; no stage allocates or waits.
 */
#ifndef DPDK_BURST_H
#define DPDK_BURST_H

#include <stdint.h>

#include "../core/flowhash.h"

struct rte_mbuf;

struct fl_burst {
	uint16_t count;
	uint16_t port; /**< the plane's number of the port they came in by */
	struct rte_mbuf *mbuf[FL_BURST_MAX];
	uint8_t verdict[FL_BURST_MAX]; /**< enum fl_verdict; FL_FORWARD while still going */
	struct fl_packet packet[FL_BURST_MAX];
	uint64_t vip_hash[FL_BURST_MAX];
	uint16_t vip_match[FL_BURST_MAX]; /**< fl_vip_match() of the home bucket */
	const struct fl_vip *vip[FL_BURST_MAX];
	uint64_t hash[FL_BURST_MAX]; /**< of the flow */
	const struct fl_row *row[FL_BURST_MAX];
	uint32_t slot[FL_BURST_MAX];	  /**< of the backend, below limits.backends */
	uint64_t link[FL_BURST_MAX];	  /**< the backend's, read once */
	uint64_t port_word[FL_BURST_MAX]; /**< of the port it leaves by, read once */
};

#endif
