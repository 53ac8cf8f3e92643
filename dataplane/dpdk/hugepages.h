/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Which huge pages the plane needs, on which NUMA node, and whether they are free.
 */
#ifndef DPDK_HUGEPAGES_H
#define DPDK_HUGEPAGES_H

#include "../plane/failure.h"
#include "config.h"

enum { HUGEPAGES_NODES_MAX = 32 };

/** MiB of `memory_mb` by node: evenly on those whose CPUs work for the plane. */
struct hugepages_plan {
	uint32_t node_count; /**< the highest node used + 1 */
	uint32_t mb[HUGEPAGES_NODES_MAX];
};

void hugepages_plan(const struct config *config, struct hugepages_plan *ret_plan);

/** Are they free? @return 0; -1, the sentence names node, need, have and the command. */
int hugepages_check(const struct config *config, struct failure *failure);

#endif
