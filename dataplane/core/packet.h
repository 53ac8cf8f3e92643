/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One packet: a bounds-checked read position in it, and what the parser learned of it.
 */
#ifndef FL_PACKET_H
#define FL_PACKET_H

#include "limits.h"
#include "tables.h"

/** A read position inside one packet. Owns nothing; ends when the packet is adjusted. */
struct fl_cursor {
	const uint8_t *pos; /**< next unread byte */
	const uint8_t *end; /**< one past the last readable byte */
};

/**
 * Take @p size bytes at the cursor and step over them.
 *
 * The BPF verifier learns a range only from "pointer + offset > end". Do not write "end - pos <
 * size": the same in C, rejected at load.
 *
 * @param size bytes, at most FL_PULL_MAX, so that pos + size cannot wrap.
 * @return the first byte taken (borrowed), or NULL, cursor unmoved, when short.
 */
FL_INLINE const void *
fl_pull(struct fl_cursor *cursor, uint32_t size)
{
	const uint8_t *start = cursor->pos;

	if (start + size > cursor->end)
		return NULL;
	cursor->pos = start + size;
	return start;
}

/** What the parser found. Valid after fl_parse() returned FL_FORWARD. */
struct fl_packet {
	struct fl_addr src;
	struct fl_vip_key to;  /**< destination, as the VIP lookup wants it */
	fl_be16 src_port;      /**< 0 when `to` is an address key */
	uint16_t l3_bytes;     /**< of the IP packet, without frame padding */
	uint16_t l4_offset;    /**< where the ports are, from the IP header */
	uint8_t traffic_class; /**< DSCP and ECN: IPv4 tos, IPv6 traffic class */
	bool is_ipv6;
	uint8_t on_vip; /**< enum fl_verdict when the destination is a VIP: FL_FORWARD goes on */
};

#endif
