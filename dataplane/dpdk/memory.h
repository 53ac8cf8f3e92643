/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * How much of DPDK's memory a configuration takes: counters, packet buffers. All of it is taken at
 * start. The tables are elsewhere: tables_file.h.
 */
#ifndef DPDK_MEMORY_H
#define DPDK_MEMORY_H

#include "config.h"

enum {
	MEMORY_BUFFER_BYTES = 2176, /**< of a packet buffer: headroom and 2048 */
	MEMORY_RING_PACKETS = 1024, /**< each: host ring, TAP queue */
	MEMORY_POOL_CACHE = 256,    /**< packets a worker keeps at hand */
	MEMORY_AF_XDP_PACKETS =
		3 * 2048, /**< that the driver keeps in its rings of a queue, besides ours */
};

/** Packet buffers of one worker: what all its queues hold when full, and what is on its way. */
uint32_t memory_buffers_per_worker(const struct config *config);

uint64_t memory_buffer_bytes(const struct config *config);

/** Every worker's counters. */
uint64_t memory_counter_bytes(const struct config *config);

/** All, with what DPDK takes for itself, MiB. */
uint64_t memory_needed_mb(const struct config *config);

#endif
