/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The world that packet fuzzers play in: ports, own addresses, and VIPs of every kind and policy,
 * once for the plane (as JSON) and once for the mutator's dictionary. Knows nothing of the core.
 *
 * Clients are at 198.51.100.0/24 and 2001:db8:c::/48, backends under the prefixes of the ports;
 * 10.1.9.0/24 and 2001:db8:1:9::/64 are behind no port.
 */
#ifndef TESTS_FUZZ_PACKET_WORLD_H
#define TESTS_FUZZ_PACKET_WORLD_H

#include <stdint.h>

#define PACKET_WORLD_KEY	  "8f14e45fceea167a5a36dedd4bea2543"
#define PACKET_WORLD_SOURCE_IPV4  "10.1.0.5"
#define PACKET_WORLD_SOURCE_IPV6  "2001:db8:1::5"
#define PACKET_WORLD_ENTROPY_IPV4 "10.1.64.0/18"
#define PACKET_WORLD_ENTROPY_IPV6 "2001:db8:1:e::/64"

enum packet_world_vlan { WORLD_VLAN_KEEP, WORLD_VLAN_NONE, WORLD_VLAN_ONE, WORLD_VLAN_TWO };

struct packet_world_port {
	const char *mac;
	uint16_t mtu;
	const char *gateway_mac;     /**< next hop of what is under prefixes */
	const char *prefixes[2];     /**< "address/bits" */
	enum packet_world_vlan vlan; /**< what leaves by it */
	uint16_t tags[2];	     /**< ONE: the first; TWO: outer, inner */
};

/** A VIP for the dictionary. */
struct packet_world_vip {
	const char *address; /**< or prefix */
	uint16_t port_first, port_last;
	uint8_t protocol;
	const char *policy;   /**< its JSON members: window_s, hold_s, mode, fragments, icmp_echo,
				 no_backend */
	const char *backends; /**< JSON too */
};

enum { PACKET_WORLD_PORTS = 4 };

static const struct packet_world_port packet_world_ports[PACKET_WORLD_PORTS] = {
	{ "02:00:00:00:00:01",
	  1500,
	  "02:00:00:00:01:01",
	  { "10.1.1.0/24", "2001:db8:1:1::/64" },
	  WORLD_VLAN_KEEP,
	  { 0, 0 } },
	{ "02:00:00:00:00:02",
	  1400,
	  "02:00:00:00:01:02",
	  { "10.1.2.0/24", "2001:db8:1:2::/64" },
	  WORLD_VLAN_NONE,
	  { 0, 0 } },
	{ "02:00:00:00:00:03",
	  1500,
	  "02:00:00:00:01:03",
	  { "10.1.3.0/24", "2001:db8:1:3::/64" },
	  WORLD_VLAN_TWO,
	  { 100, 200 } },
	{ "02:00:00:00:00:04",
	  1300, /* leaves IPv6 no 1280 bytes behind an outer header */
	  "02:00:00:00:01:04",
	  { "10.1.4.0/24", "2001:db8:1:4::/64" },
	  WORLD_VLAN_ONE,
	  { 7, 0 } },
};

#define WORLD_BACKEND(address, weight) "{'address':'" address "','weight':" #weight "}"

/*
 * FIRST or VIP(address, ONE(port), RANGE(first, last) or ANY, TCP or UDP, policy, backends): the
 * same arguments, but FIRST begins the list.
 * Of each address or prefix icmp_echo is one.
 */
#define PACKET_WORLD_VIPS(FIRST, VIP)                                                            \
	FIRST("192.0.2.10", ONE(80), TCP, "'window_s':5,'hold_s':3,",                            \
	      WORLD_BACKEND("10.1.1.11", 100) "," WORLD_BACKEND(                                 \
		      "2001:db8:1:1::11",                                                        \
		      100) "," WORLD_BACKEND("10.1.2.11",                                        \
					     50) "," WORLD_BACKEND("2001:db8:1:2::11", 50))      \
	VIP("192.0.2.10", ONE(53), UDP, "'window_s':900,'hold_s':3,'mode':'gue',",               \
	    WORLD_BACKEND("10.1.2.12", 100) "," WORLD_BACKEND("2001:db8:1:2::12", 100))          \
	VIP("192.0.2.10", RANGE(8000, 8999), TCP, "'window_s':60,'hold_s':0,'mode':'l2dsr',",    \
	    WORLD_BACKEND("10.1.1.13", 100) "," WORLD_BACKEND("10.1.2.13", 100))                 \
	VIP("192.0.2.10", ANY, UDP, "'window_s':2,'hold_s':1,",                                  \
	    WORLD_BACKEND("10.1.2.14", 1) "," WORLD_BACKEND("10.1.3.14", 1))                     \
	VIP("192.0.2.11", ONE(443), TCP,                                                         \
	    "'window_s':86400,'hold_s':300,'mode':'gue','fragments':'drop','icmp_echo':'host',", \
	    WORLD_BACKEND("10.1.1.15", 100) "," WORLD_BACKEND("10.1.1.16", 0))                   \
	VIP("192.0.2.12", ONE(0), UDP, "'window_s':20,'hold_s':10,'icmp_echo':'forward',",       \
	    WORLD_BACKEND("10.1.2.17", 100) "," WORLD_BACKEND("10.1.9.17", 100))                 \
	VIP("192.0.2.13", ONE(80), TCP, "'window_s':5,'hold_s':3,'no_backend':'host',",          \
	    WORLD_BACKEND("10.1.1.18", 0))                                                       \
	VIP("192.0.2.13", ONE(53), UDP,                                                          \
	    "'window_s':900,'hold_s':3,'mode':'gue','no_backend':'drop',",                       \
	    WORLD_BACKEND("10.1.1.18", 0) "," WORLD_BACKEND("2001:db8:1:1::18", 0))              \
	VIP("192.0.2.0/28", ANY, TCP, "'window_s':60,'hold_s':0,'icmp_echo':'forward',",         \
	    WORLD_BACKEND("2001:db8:1:1::19", 100) "," WORLD_BACKEND("2001:db8:1:3::19", 100))   \
	VIP("192.0.2.0/24", RANGE(8000, 8999), TCP,                                              \
	    "'window_s':2,'hold_s':1,'mode':'gue','icmp_echo':'host',",                          \
	    WORLD_BACKEND("10.1.4.20", 100))                                                     \
	VIP("192.0.0.0/16", ANY, UDP, "'window_s':86400,'hold_s':300,'mode':'l2dsr',",           \
	    WORLD_BACKEND("10.1.1.21", 100) "," WORLD_BACKEND("10.1.4.21", 100))                 \
	VIP("2001:db8:2::10", ONE(80), TCP, "'window_s':20,'hold_s':10,",                        \
	    WORLD_BACKEND("10.1.1.22", 100) "," WORLD_BACKEND(                                   \
		    "2001:db8:1:2::22", 100) "," WORLD_BACKEND("2001:db8:1:4::22", 100))         \
	VIP("2001:db8:2::10", ONE(53), UDP,                                                      \
	    "'window_s':5,'hold_s':3,'mode':'gue','fragments':'drop',",                          \
	    WORLD_BACKEND("2001:db8:1:1::23", 100) "," WORLD_BACKEND("10.1.2.23", 100))          \
	VIP("2001:db8:2::11", ANY, TCP,                                                          \
	    "'window_s':900,'hold_s':3,'mode':'l2dsr','icmp_echo':'forward',",                   \
	    WORLD_BACKEND("2001:db8:1:2::24", 100) "," WORLD_BACKEND("2001:db8:1:3::24", 100))   \
	VIP("2001:db8:2::/64", RANGE(1000, 1999), UDP,                                           \
	    "'window_s':60,'hold_s':0,'icmp_echo':'host',",                                      \
	    WORLD_BACKEND("2001:db8:1:1::25", 100) "," WORLD_BACKEND("10.1.1.25", 100))          \
	VIP("2001:db8:2::/48", ANY, UDP,                                                         \
	    "'window_s':2,'hold_s':1,'mode':'gue','icmp_echo':'forward',",                       \
	    WORLD_BACKEND("10.1.1.26", 100) "," WORLD_BACKEND("2001:db8:1:1::26", 100))          \
	VIP("2001:db8:3::1", ONE(80), TCP, "'window_s':86400,'hold_s':300,'no_backend':'host',", \
	    WORLD_BACKEND("2001:db8:1:1::27", 0))                                                \
	VIP("2001:db8:3::1", ANY, UDP, "'window_s':20,'hold_s':10,",                             \
	    WORLD_BACKEND("2001:db8:1:9::28", 100))

#define WORLD_PORT_JSON_ONE(port)	   #port
#define WORLD_PORT_JSON_RANGE(first, last) "'" #first "-" #last "'"
#define WORLD_PORT_JSON_ANY		   "'any'"
#define WORLD_PORTS_ONE(port)		   port, port
#define WORLD_PORTS_RANGE(first, last)	   first, last
#define WORLD_PORTS_ANY			   0, 65535
#define WORLD_PROTOCOL_JSON_TCP		   "'tcp'"
#define WORLD_PROTOCOL_JSON_UDP		   "'udp'"
#define WORLD_PROTOCOL_TCP		   6
#define WORLD_PROTOCOL_UDP		   17

#define WORLD_JSON_FIRST(address, port, protocol, policy, backends)                       \
	"{'address':'" address "','port':" WORLD_PORT_JSON_##port                         \
		",'protocol':" WORLD_PROTOCOL_JSON_##protocol ",'table_size':251," policy \
							      "'backends':[" backends "]}"
#define WORLD_JSON(address, port, protocol, policy, backends) \
	"," WORLD_JSON_FIRST(address, port, protocol, policy, backends)

/** Params of plane.prepare, with ' for ". */
static const char packet_world_state[] =
	"{'generation':1,'full':true,'vips':[" PACKET_WORLD_VIPS(WORLD_JSON_FIRST, WORLD_JSON) "]}";

#define WORLD_ENTRY(address, port, protocol, policy, backends) \
	{ address, WORLD_PORTS_##port, WORLD_PROTOCOL_##protocol, policy, backends },

static const struct packet_world_vip packet_world_vips[] = { PACKET_WORLD_VIPS(WORLD_ENTRY,
									       WORLD_ENTRY) };

enum { PACKET_WORLD_VIP_COUNT = sizeof packet_world_vips / sizeof *packet_world_vips };

#endif
