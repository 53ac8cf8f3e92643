/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the process may do: everything it was given while it starts, little afterwards. Capabilities
 * belong to threads: each gives up its own.
 */
#ifndef DPDK_PRIVILEGES_H
#define DPDK_PRIVILEGES_H

#include "../plane/failure.h"
#include "config.h"

/** Before any other thread: no new privileges by exec; and remember what @p config needs later. */
int privileges_begin(const struct config *config, struct failure *failure);

/** Keep only what runs the plane, on the calling thread. A failure leaves more than needed; it is
 * logged. */
void privileges_reduce_thread(void);

/** The same for the calling thread and DPDK's interrupt thread, and no core dumps (they would hold
 * the key). */
void privileges_reduce(void);

#endif
