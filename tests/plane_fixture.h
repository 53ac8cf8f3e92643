/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Tables that the plane library itself filled, without socket, kernel or packet core: next hops are
 * configured gateways, a grace period is over at once. Anything unexpected ends the program with a
 * sentence: it is a fault of the test. One at a time.
 */
#ifndef TESTS_PLANE_FIXTURE_H
#define TESTS_PLANE_FIXTURE_H

#include "../dataplane/plane/change.h"

struct plane_fixture {
	struct plane_tables tables;
	struct plane_tables_size size;
	struct plane_port ports[FL_PORTS_MAX];
	struct plane_options options;
	struct nexthops *nexthops;
	struct state state;
};

/** A port that is the way to all backends under its prefixes. */
struct plane_fixture_port {
	const char *mac;
	uint16_t mtu;
	const char *gateway_mac;
	const char *prefixes[2]; /**< "address/bits"; NULL: unused */
	const char *vlan;	 /**< "keep", "none", "5" or "7,8"; NULL: keep */
};

struct plane_fixture_spec {
	const char *key; /**< 32 hexadecimal digits */
	const char *source_ipv4, *source_ipv6;
	const char *entropy_ipv4, *entropy_ipv6; /**< "address/bits"; NULL: none */
	struct plane_limits limits;
	const struct plane_fixture_port *ports;
	uint32_t port_count;
};

void plane_fixture_open(struct plane_fixture *fixture, const struct plane_fixture_spec *spec);

/** Prepare and commit. @param params of plane.prepare, with ' for ". */
void plane_fixture_apply(struct plane_fixture *fixture, const char *params);

/** The record of "address:port/protocol"; NULL: not served. */
const struct fl_vip *plane_fixture_vip(const struct plane_fixture *fixture, const char *endpoint);

/** The index, in the VIP, of the slot whose outer destination is @p address. */
uint32_t plane_fixture_slot(const struct plane_fixture *fixture, const struct fl_vip *vip,
			    const char *address);

void plane_fixture_close(struct plane_fixture *fixture);

#endif
