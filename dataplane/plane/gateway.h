/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Configured next hops: ports without a kernel interface have the MAC of a gateway instead of
 * routes and neighbours. Pure functions.
 */
#ifndef PLANE_GATEWAY_H
#define PLANE_GATEWAY_H

#include "plane.h"

/** No port has a gateway for the address. */
#define GATEWAY_NONE UINT32_MAX

/** May a frame be sent to this MAC? Not to the zero, a multicast or the broadcast one. */
bool gateway_mac_usable(const uint8_t mac[6]);

/** The port whose gateway is the address's next hop: the longest prefix wins, then the first port.
 */
uint32_t
gateway_port(const struct plane_port *ports, uint32_t port_count, const struct addr *address);

/** The port whose gateway is configured for exactly this address (as a /32 or /128), and so is the
 * address's own machine; the first. */
uint32_t
gateway_port_exact(const struct plane_port *ports, uint32_t port_count, const struct addr *address);

#endif
