/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What an operator can get wrong about the machine, looked at before DPDK starts, because DPDK's
 * own words for it name neither cause nor remedy. Reads only.
 */
#ifndef DPDK_PREFLIGHT_H
#define DPDK_PREFLIGHT_H

#include "../plane/failure.h"
#include "config.h"

/** CPUs, huge pages, interfaces, permissions. @return 0; -1 at the first that is wrong. */
int preflight(const struct config *config, struct failure *failure);

#endif
