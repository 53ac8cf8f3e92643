/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Is a queue of an interface free for an AF_XDP socket? Found out by binding one and closing it.
 */
#ifndef DPDK_XSK_QUEUE_H
#define DPDK_XSK_QUEUE_H

#include <stdint.h>

/**
 * @return 0: it was free (and is again some milliseconds after the return); -EBUSY: a living
 * process has it, or one died a moment ago; -EPERM: no CAP_NET_RAW; or another negative errno of
 * the kernel.
 */
int xsk_queue_try(uint32_t ifindex, uint32_t queue);

#endif
