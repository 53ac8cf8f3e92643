/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One packet: a bounds-checked position in it, and what the parser learned of it.
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
 * @param size of a header, a constant: pos + size cannot wrap.
 * @return the first byte taken (borrowed), or NULL, cursor unmoved, when short.
 */
FL_INLINE const void *
fl_pull(struct fl_cursor *cursor, uint32_t size)
{
	const uint8_t *start = cursor->pos;

	FL_ASSUME_THERE(start);
	if (start + size > cursor->end)
		return NULL;
	cursor->pos = start + size;
	return start;
}

/**
 * A frame that is read at offsets which vary with what it says. To a loader without CAP_PERFMON the
 * BPF verifier forbids such offsets in packet pointers: an engine may bring a function of its own.
 */
struct fl_frame {
	struct fl_cursor start; /**< at the Ethernet header */
	/** Copy. @return false when short. NULL: straight from start. */
	bool (*load)(void *context, uint32_t offset, void *to, uint32_t size);
	void *context;
};

/**
 * Copy @p size bytes from @p offset.
 * @param offset at most FL_READ_BYTES_MAX: more is as good as beyond the end.
 * @param size a constant.
 * @return false, *to as it was, when short.
 */
FL_INLINE bool
fl_load(const struct fl_frame *frame, uint32_t offset, void *to, uint32_t size)
{
	const uint8_t *from;

	if (offset > FL_READ_BYTES_MAX)
		return false;
	if (frame->load != NULL)
		return frame->load(frame->context, offset, to, size);
	from = frame->start.pos + offset;
	FL_ASSUME_THERE(from);
	if (from + size > frame->start.end)
		return false;
	__builtin_memcpy(to, from, size);
	return true;
}

FL_INLINE bool
fl_is_tcp_or_udp(uint8_t ip_proto)
{
	return ip_proto == FL_IPPROTO_TCP || ip_proto == FL_IPPROTO_UDP;
}

/** What a packet is, as far as its way depends on it. */
enum fl_shape {
	FL_SHAPE_OTHER, /**< no ports: on a VIP it ends with on_vip */
	FL_SHAPE_FLOW,	/**< TCP or UDP, whole */
	FL_SHAPE_FIRST, /**< the first fragment of TCP or UDP */
	FL_SHAPE_LATER, /**< a later fragment of TCP or UDP: no ports */
	FL_SHAPE_ERROR, /**< ICMP error about a packet of a VIP: src, to and ports are those of
			   the flow that it is about */
	FL_SHAPE_ECHO,	/**< ICMP echo request: src_port is its identifier */
	FL_SHAPE_ICMP_FRAGMENT, /**< no ports */
};

/** What the IP headers say of fragmentation. */
enum fl_fragment_kind { FL_FRAGMENT_NONE, FL_FRAGMENT_FIRST, FL_FRAGMENT_LATER };

/** What the parser found. Valid after fl_parse() returned FL_FORWARD. */
struct fl_packet {
	struct fl_addr src;
	struct fl_vip_key to; /**< destination; port and ip_proto are 0 in shapes without ports */
	uint64_t src_mac;     /**< of the frame, as fl_mac_word() */
	fl_be32 tag[2];	      /**< 802.1Q tags it came with, {type, tci}; 0: none */
	fl_be32 fragment_id;  /**< of fragments; IPv4: in the low 16 bits */
	fl_be16 src_port;
	uint16_t l3_bytes;	/**< of the IP packet, without frame padding */
	uint16_t l4_offset;	/**< where TCP, UDP or ICMP is, from the IP header */
	uint8_t l2_bytes;	/**< before the IP header */
	uint8_t ip_proto;	/**< behind all IP headers */
	uint8_t fragment_proto; /**< IPv6: that of the fragment header, which all fragments have */
	uint8_t fragment;	/**< enum fl_fragment_kind */
	uint8_t traffic_class;	/**< DSCP and ECN: IPv4 tos, IPv6 traffic class */
	uint8_t ttl;		/**< TTL or hop limit */
	uint8_t is_ipv6;	/**< 0 or 1; not bool, of which the BPF verifier knows nothing */
	bool is_tunnel;		/**< IPIP, or UDP to the port of GUE */
	uint8_t shape;		/**< enum fl_shape */
	uint8_t source;	     /**< enum fl_verdict: FL_FORWARD, or why nobody at a VIP may have it */
	uint8_t is_to_group; /**< 0 or 1: the frame's destination MAC is a group address */
	uint8_t on_vip; /**< enum fl_verdict when the destination is a VIP: FL_FORWARD goes on */
};

#endif
