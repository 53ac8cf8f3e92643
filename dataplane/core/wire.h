/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Headers as they are on the wire: Ethernet, IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293),
 * UDP (RFC 768) and ICMP. Naturally aligned fields, laid over packet bytes at any address.
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
	FL_IPPROTO_ICMP = 1,
	FL_IPPROTO_IPV4 = 4,
	FL_IPPROTO_TCP = 6,
	FL_IPPROTO_UDP = 17,
	FL_IPPROTO_IPV6 = 41,
	FL_IPPROTO_ROUTING = 43,
	FL_IPPROTO_FRAGMENT = 44,
	FL_IPPROTO_AH = 51,
	FL_IPPROTO_ICMPV6 = 58,
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

/** An 802.1Q tag, and the type of what follows it. */
struct FL_WIRE fl_wire_tag {
	fl_be16 tci;
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
	uint64_t src[2]; /**< as loaded */
	uint64_t dst[2];
};

struct FL_WIRE fl_wire_ports {
	fl_be16 src;
	fl_be16 dst;
};

/** Of a TCP header, what is behind ports, sequence and acknowledgment number. */
struct FL_WIRE fl_wire_tcp_flags {
	uint8_t offset_words; /**< header length in words of 4 bytes, in the upper half */
	uint8_t flags;
	fl_be16 window;
};

enum { FL_TCP_FLAGS_OFFSET = 12 };
enum { FL_TCP_FIN = 1, FL_TCP_SYN = 2, FL_TCP_RST = 4, FL_TCP_ACK = 16 };

struct FL_WIRE fl_wire_udp {
	fl_be16 src;
	fl_be16 dst;
	fl_be16 bytes;
	uint16_t checksum;
};

/** ICMP (RFC 792) and ICMPv6 (RFC 4443): eight bytes, the last four by type. */
struct FL_WIRE fl_wire_icmp {
	uint16_t type_code; /**< type in the low byte */
	uint16_t checksum;
	fl_be16 id; /**< echo */
	fl_be16 sequence;
};

/** An IPv6 extension header's first eight bytes; what stands in them depends on its kind. */
struct FL_WIRE fl_wire_extension {
	uint8_t next_header;
	uint8_t length; /**< in 8 bytes beyond the first 8; AH: in 4 bytes beyond the first 8 */
	uint8_t type;	/**< routing */
	uint8_t segments_left;
	fl_be32 rest;
};

struct FL_WIRE fl_wire_fragment {
	uint8_t next_header;
	uint8_t reserved;
	fl_be16 offset; /**< in 8 bytes, shifted by 3; bit 0: more fragments */
	fl_be32 id;
};

enum {
	FL_ETHERNET_BYTES = 14,
	FL_TAG_BYTES = 4,
	FL_IPV4_BYTES = 20, /**< without options */
	FL_IPV6_BYTES = 40,
	FL_TCP_BYTES = 20, /**< without options */
	FL_UDP_BYTES = 8,
	FL_ICMP_BYTES = 8,
};

enum fl_icmp_type {
	FL_ICMP_ECHO_REPLY = 0,
	FL_ICMP_UNREACHABLE = 3,
	FL_ICMP_ECHO_REQUEST = 8,
	FL_ICMP_TIME_EXCEEDED = 11,
	FL_ICMP_PARAMETER_PROBLEM = 12,
	FL_ICMPV6_UNREACHABLE = 1,
	FL_ICMPV6_TOO_BIG = 2,
	FL_ICMPV6_PARAMETER_PROBLEM = 4,
	FL_ICMPV6_ECHO_REQUEST = 128,
	FL_ICMPV6_ECHO_REPLY = 129,
	FL_ICMPV6_MLD_FIRST = 130, /**< multicast listener discovery ... */
	FL_ICMPV6_ND_LAST = 137,   /**< ... neighbour discovery */
	FL_ICMPV6_MLDV2_REPORT = 143,
};

#define FL_IPV4_VERSION_IHL    0x45 /**< version 4, without options */
#define FL_IPV4_OFFSET_MASK    0x1fff
#define FL_IPV4_MORE_FRAGMENTS 0x2000
#define FL_IPV4_DONT_FRAGMENT  0x4000
#define FL_IPV6_OFFSET_MASK    0xfff8
#define FL_IPV6_MORE_FRAGMENTS 0x0001

#define FL_UDP_PORT_GUE 6080

_Static_assert(sizeof(struct fl_wire_ethernet) == FL_ETHERNET_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_ipv4) == FL_IPV4_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_ipv6) == FL_IPV6_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_ports) == 4, "wire");
_Static_assert(sizeof(struct fl_wire_tcp_flags) == 4, "wire");
_Static_assert(sizeof(struct fl_wire_tag) == FL_TAG_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_udp) == FL_UDP_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_icmp) == FL_ICMP_BYTES, "wire");
_Static_assert(sizeof(struct fl_wire_extension) == 8, "wire");
_Static_assert(sizeof(struct fl_wire_fragment) == 8, "wire");

#endif
