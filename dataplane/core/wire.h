/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Headers as they are on the wire: Ethernet, IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293) and
 * UDP (RFC 768). Naturally aligned fields, laid over packet bytes at any address.
 */
#ifndef FL_WIRE_H
#define FL_WIRE_H

#include "base.h"

/** EtherTypes, in host byte order. */
enum fl_ether_type {
	FL_ETHERTYPE_IPV4 = 0x0800,
	FL_ETHERTYPE_VLAN = 0x8100,
	FL_ETHERTYPE_IPV6 = 0x86dd,
	FL_ETHERTYPE_QINQ = 0x88a8,
};

/** Protocol numbers of IPv4 and next header values of IPv6. */
enum fl_ip_proto {
	FL_IPPROTO_HOPOPTS = 0,
	FL_IPPROTO_IPV4 = 4,
	FL_IPPROTO_TCP = 6,
	FL_IPPROTO_UDP = 17,
	FL_IPPROTO_IPV6 = 41,
	FL_IPPROTO_ROUTING = 43,
	FL_IPPROTO_FRAGMENT = 44,
	FL_IPPROTO_AH = 51,
	FL_IPPROTO_DSTOPTS = 60,
	FL_IPPROTO_MOBILITY = 135,
	FL_IPPROTO_HIP = 139,
	FL_IPPROTO_SHIM6 = 140,
};

struct FL_WIRE fl_wire_ethernet {
	uint16_t dst[3];
	uint16_t src[3];
	fl_be16 type;
};

struct FL_WIRE fl_wire_ipv4 {
	uint8_t version_ihl;
	uint8_t tos;
	fl_be16 total_bytes;
	fl_be16 id;
	fl_be16 fragment; /**< flags and offset */
	uint8_t ttl;
	uint8_t ip_proto;
	uint16_t checksum;
	fl_be32 src;
	fl_be32 dst;
};

struct FL_WIRE fl_wire_ipv6 {
	fl_be32 version_class_label;
	fl_be16 payload_bytes;
	uint8_t next_header;
	uint8_t hop_limit;
	fl_be32 src[4];
	fl_be32 dst[4];
};

struct FL_WIRE fl_wire_ports {
	fl_be16 src;
	fl_be16 dst;
};

enum {
	FL_ETHERNET_BYTES = 14,
	FL_IPV4_BYTES = 20, /**< without options */
	FL_IPV6_BYTES = 40,
	FL_TCP_BYTES = 20, /**< without options */
	FL_UDP_BYTES = 8,
};

#define FL_IPV4_FRAGMENT_MASK 0x3fff /**< more fragments, and the offset */
#define FL_IPV4_DONT_FRAGMENT 0x4000

_Static_assert(sizeof(struct fl_wire_ethernet) == FL_ETHERNET_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_ipv4) == FL_IPV4_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_ipv6) == FL_IPV6_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_ports) == 4, "wire");

#endif
