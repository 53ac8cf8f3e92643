/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "gateway.h"

bool
gateway_mac_usable(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, sizeof zero) != 0;
}

/** How well the port's gateway fits: bits of its longest prefix that has the address, and 1; 0: not
 * at all. */
static uint32_t
fit(const struct plane_port *port, const struct addr *address)
{
	uint32_t best = 0;

	if (!port->has_gateway)
		return 0;
	if (port->gateway_for_count == 0)
		return 1; /* every backend: as a prefix of no bits */
	for (uint32_t i = 0; i < port->gateway_for_count; i++) {
		const struct addr_prefix *prefix = &port->gateway_for[i];

		if (prefix->bits + 1u > best && addr_prefix_has(prefix, address))
			best = prefix->bits + 1u;
	}
	return best;
}

uint32_t
gateway_port(const struct plane_port *ports, uint32_t port_count, const struct addr *address)
{
	uint32_t best = 0, best_port = GATEWAY_NONE;

	for (uint32_t i = 0; i < port_count; i++) {
		uint32_t here = fit(&ports[i], address);

		if (here > best) {
			best = here;
			best_port = i;
		}
	}
	return best_port;
}

uint32_t
gateway_port_exact(const struct plane_port *ports, uint32_t port_count, const struct addr *address)
{
	for (uint32_t i = 0; i < port_count; i++)
		if (fit(&ports[i], address) == ADDR_BITS + 1)
			return i;
	return GATEWAY_NONE;
}
