/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a plane's start wants to know of the kernel's network interfaces. Reads only.
 */
#ifndef PLANE_INTERFACE_H
#define PLANE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

/** There, and up? @param port for the sentence. @return 0; -1. */
int interface_check(const char *port, const char *interface, struct failure *failure);

/** Its largest packet (MTU). @return 0: there is no such interface. */
uint32_t interface_mtu(const char *interface);

/** Its MAC address. @return 0; -ENODEV; -EMEDIUMTYPE: not an Ethernet interface. */
int interface_mac(const char *interface, uint8_t ret_mac[6]);

/** Queues that packets can be received from; 1 where the driver does not say. */
uint32_t interface_queues(const char *interface);

#endif
