/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * From frame to flow: Ethernet, IPv4 (options stepped over), IPv6, TCP and UDP.
 *
 * A packet whose ports cannot be read (a fragment, an extension header, another protocol) is not
 * misread: it gets an address key, which matches when some VIP has the destination address, and the
 * verdict for that case in `on_vip`. Otherwise it is the host's.
 */
#ifndef FL_PARSE_H
#define FL_PARSE_H

#include "packet.h"

/** Take the packet as one without ports: @p on_vip when it is for a VIP's address. */
FL_INLINE enum fl_verdict
fl_parse_portless(struct fl_packet *ret_packet, enum fl_verdict on_vip)
{
	ret_packet->to.ip_proto = 0;
	ret_packet->to.port = 0;
	ret_packet->src_port = 0;
	ret_packet->on_vip = on_vip;
	return FL_FORWARD;
}

/** @param l4_bytes what the IP header says of the rest; the cursor may show more (padding). */
FL_INLINE enum fl_verdict
fl_parse_l4(struct fl_cursor *cursor, uint8_t ip_proto, uint32_t l4_bytes,
	    struct fl_packet *ret_packet)
{
	const struct fl_wire_ports *ports;
	uint32_t needed = ip_proto == FL_IPPROTO_TCP ? FL_TCP_BYTES : FL_UDP_BYTES;

	if (l4_bytes < needed)
		return FL_DROP_TRUNCATED;
	ports = fl_pull(cursor, sizeof *ports);
	if (ports == NULL)
		return FL_DROP_TRUNCATED;
	ret_packet->to.ip_proto = ip_proto;
	ret_packet->to.port = ports->dst;
	ret_packet->src_port = ports->src;
	ret_packet->on_vip = FL_FORWARD;
	return FL_FORWARD;
}

FL_INLINE enum fl_verdict
fl_parse_ipv4(struct fl_cursor *cursor, uint32_t l3_room, struct fl_packet *ret_packet)
{
	const struct fl_wire_ipv4 *ip = fl_pull(cursor, sizeof *ip);
	uint32_t header_bytes, total_bytes;

	if (ip == NULL)
		return FL_DROP_TRUNCATED;
	header_bytes = (ip->version_ihl & 0x0fu) * 4;
	total_bytes = fl_from_be16(ip->total_bytes);
	if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof *ip)
		return FL_DROP_BAD_HEADER;
	if (total_bytes < header_bytes || total_bytes > l3_room)
		return FL_DROP_BAD_LENGTH;
	if (header_bytes > sizeof *ip && fl_pull(cursor, header_bytes - sizeof *ip) == NULL)
		return FL_DROP_TRUNCATED;

	ret_packet->src = fl_addr_from_ipv4(ip->src);
	ret_packet->to.address = fl_addr_from_ipv4(ip->dst);
	ret_packet->l3_bytes = (uint16_t)total_bytes;
	ret_packet->l4_offset = (uint16_t)header_bytes;
	ret_packet->traffic_class = ip->tos;
	ret_packet->is_ipv6 = false;
	if (ip->fragment & fl_to_be16(FL_IPV4_FRAGMENT_MASK))
		return fl_parse_portless(ret_packet, FL_DROP_FRAGMENT);
	if (ip->ip_proto != FL_IPPROTO_TCP && ip->ip_proto != FL_IPPROTO_UDP)
		return fl_parse_portless(ret_packet, FL_PASS_PROTOCOL);
	return fl_parse_l4(cursor, ip->ip_proto, total_bytes - header_bytes, ret_packet);
}

/** A next header value that is an extension header (IANA registry, "IPv6 Extension Header Types").
 */
FL_INLINE bool
fl_is_ipv6_extension(uint8_t next_header)
{
	return next_header == FL_IPPROTO_HOPOPTS || next_header == FL_IPPROTO_ROUTING ||
	       next_header == FL_IPPROTO_AH || next_header == FL_IPPROTO_DSTOPTS ||
	       next_header == FL_IPPROTO_MOBILITY || next_header == FL_IPPROTO_HIP ||
	       next_header == FL_IPPROTO_SHIM6;
}

FL_INLINE enum fl_verdict
fl_parse_ipv6(struct fl_cursor *cursor, uint32_t l3_room, struct fl_packet *ret_packet)
{
	const struct fl_wire_ipv6 *ip = fl_pull(cursor, sizeof *ip);
	uint32_t first_word, payload_bytes;

	if (ip == NULL)
		return FL_DROP_TRUNCATED;
	first_word = __builtin_bswap32(ip->version_class_label);
	payload_bytes = fl_from_be16(ip->payload_bytes);
	if (first_word >> 28 != 6)
		return FL_DROP_BAD_HEADER;
	/* 65,495 and more bytes of payload would not fit l3_bytes; no frame of that size can leave.
	 */
	if (payload_bytes > UINT16_MAX - sizeof *ip || payload_bytes + sizeof *ip > l3_room)
		return FL_DROP_BAD_LENGTH;

	for (uint32_t i = 0; i < 4; i++) {
		ret_packet->src.word[i] = ip->src[i];
		ret_packet->to.address.word[i] = ip->dst[i];
	}
	/* An IPv4-mapped address is never on the wire (RFC 4291): it must not reach an IPv4 VIP. */
	if (fl_addr_is_ipv4(&ret_packet->to.address) || fl_addr_is_ipv4(&ret_packet->src))
		return FL_DROP_BAD_HEADER;
	ret_packet->l3_bytes = (uint16_t)(payload_bytes + sizeof *ip);
	ret_packet->l4_offset = sizeof *ip;
	ret_packet->traffic_class = (uint8_t)(first_word >> 20);
	ret_packet->is_ipv6 = true;
	if (ip->next_header == FL_IPPROTO_FRAGMENT)
		return fl_parse_portless(ret_packet, FL_DROP_FRAGMENT);
	if (fl_is_ipv6_extension(ip->next_header))
		return fl_parse_portless(ret_packet, FL_DROP_IPV6_EXTENSION);
	if (ip->next_header != FL_IPPROTO_TCP && ip->next_header != FL_IPPROTO_UDP)
		return fl_parse_portless(ret_packet, FL_PASS_PROTOCOL);
	return fl_parse_l4(cursor, ip->next_header, payload_bytes, ret_packet);
}

/**
 * Read one frame.
 *
 * @param cursor at the Ethernet header; its end may lie before the frame's (only headers need be
 * readable).
 * @param frame_bytes of the whole frame, what IP lengths are held against.
 * @param ret_packet zeroed by the caller; whole when FL_FORWARD is returned.
 * @return FL_FORWARD: look ret_packet->to up; a pass or drop verdict: this is how the packet ends.
 */
FL_INLINE enum fl_verdict
fl_parse(struct fl_cursor *cursor, uint32_t frame_bytes, struct fl_packet *ret_packet)
{
	const struct fl_wire_ethernet *ethernet = fl_pull(cursor, sizeof *ethernet);
	uint16_t type;

	if (ethernet == NULL || frame_bytes < sizeof *ethernet)
		return FL_DROP_TRUNCATED;
	type = fl_from_be16(ethernet->type);
	if (type == FL_ETHERTYPE_IPV4)
		return fl_parse_ipv4(cursor, frame_bytes - FL_ETHERNET_BYTES, ret_packet);
	if (type == FL_ETHERTYPE_IPV6)
		return fl_parse_ipv6(cursor, frame_bytes - FL_ETHERNET_BYTES, ret_packet);
	if (type == FL_ETHERTYPE_VLAN || type == FL_ETHERTYPE_QINQ)
		return FL_PASS_VLAN;
	return FL_PASS_NOT_IP;
}

#endif
