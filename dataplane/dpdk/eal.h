/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * DPDK's environment (EAL): started with arguments made from the configuration, its log led into
 * ours. lcore 0 is the main core, lcore 1 + i is worker i, on whatever CPUs those are.
 */
#ifndef DPDK_EAL_H
#define DPDK_EAL_H

#include "../plane/failure.h"
#include "config.h"

/** lcore of worker @p i. */
#define EAL_WORKER_LCORE(i) ((i) + 1)

/**
 * Once in a process, whose end is the environment's end too: nothing of it is outside the process,
 * and rte_eal_cleanup() would unmap memory that DPDK's interrupt thread still reads. Moves the
 * calling thread to the main core. @return 0; -1.
 */
int eal_start(const struct config *config, struct failure *failure);

#endif
