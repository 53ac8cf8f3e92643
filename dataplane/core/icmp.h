/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) to a VIP: echo requests, and errors, which belong to the
 * backend that owns the flow of the packet they quote.
 *
 * A quote is believed only as far as it goes: a packet that the VIP sent, with its lengths right,
 * that shows both ports. Who forges one reaches the backend of that flow and nobody else.
 */
#ifndef FL_ICMP_H
#define FL_ICMP_H

#include "packet.h"

/** Behind the quoted IP headers there must be this much: the ports, and what tells a sequence. */
enum { FL_QUOTED_L4_BYTES = 8 };

/** What an ICMP error has behind its header. */
struct fl_quote {
	const struct fl_frame *frame;
	uint32_t offset; /**< in the frame */
	uint32_t bytes;
};

/**
 * Turn the packet into the flow of the quoted one, which went from @p packet's destination to
 * @p client.
 * @param quote whose offset is behind the quoted IP headers.
 * @return true; false: the ports cannot be read.
 */
FL_INLINE bool
fl_take_quote(const struct fl_quote *quote, uint8_t ip_proto, const struct fl_addr *client,
	      struct fl_packet *packet)
{
	struct fl_wire_ports ports;

	if (!fl_is_tcp_or_udp(ip_proto) ||
	    !fl_load(quote->frame, quote->offset, &ports, sizeof ports))
		return false;
	packet->src = *client;
	packet->src_port = ports.dst;
	packet->to.rest = fl_vip_rest(ports.src, ip_proto);
	packet->shape = FL_SHAPE_ERROR;
	return true;
}

FL_INLINE bool
fl_parse_quote_ipv4(struct fl_quote *quote, struct fl_packet *packet)
{
	struct fl_wire_ipv4 ip;
	struct fl_addr client;
	uint32_t header_bytes;

	if (quote->bytes < sizeof ip || !fl_load(quote->frame, quote->offset, &ip, sizeof ip))
		return false;
	header_bytes = (ip.version_ihl & 0x0fu) * 4;
	if (ip.version_ihl >> 4 != 4 || header_bytes < sizeof ip ||
	    quote->bytes < header_bytes + FL_QUOTED_L4_BYTES ||
	    fl_from_be16(ip.total_bytes) < header_bytes + FL_QUOTED_L4_BYTES ||
	    (ip.fragment & fl_to_be16(FL_IPV4_OFFSET_MASK)) ||
	    ip.src != fl_addr_ipv4(&packet->to.address))
		return false;
	client = fl_addr_from_ipv4(ip.dst);
	quote->offset += header_bytes;
	return fl_take_quote(quote, ip.ip_proto, &client, packet);
}

FL_INLINE bool
fl_parse_quote_ipv6(struct fl_quote *quote, struct fl_packet *packet)
{
	uint32_t needed = sizeof(struct fl_wire_ipv6) + FL_QUOTED_L4_BYTES;
	struct fl_wire_fragment fragment;
	struct fl_addr client, server;
	struct fl_wire_ipv6 ip;
	uint8_t next_header;

	if (!fl_load(quote->frame, quote->offset, &ip, sizeof ip) ||
	    (__builtin_bswap32(ip.version_class_label) >> 28) != 6)
		return false;
	server = fl_addr_from_ipv6(ip.src);
	client = fl_addr_from_ipv6(ip.dst);
	next_header = ip.next_header;
	quote->offset += sizeof ip;
	if (next_header == FL_IPPROTO_FRAGMENT) {
		if (!fl_load(quote->frame, quote->offset, &fragment, sizeof fragment) ||
		    (fl_from_be16(fragment.offset) & FL_IPV6_OFFSET_MASK))
			return false;
		next_header = fragment.next_header;
		needed += sizeof fragment;
		quote->offset += sizeof fragment;
	}
	if (quote->bytes < needed || sizeof ip + fl_from_be16(ip.payload_bytes) < needed ||
	    !fl_addr_equal(&server, &packet->to.address))
		return false;
	return fl_take_quote(quote, next_header, &client, packet);
}

FL_INLINE bool
fl_is_icmp_error(uint8_t type, bool is_ipv6)
{
	if (is_ipv6)
		return type >= FL_ICMPV6_UNREACHABLE && type <= FL_ICMPV6_PARAMETER_PROBLEM;
	return type == FL_ICMP_UNREACHABLE || type == FL_ICMP_TIME_EXCEEDED ||
	       type == FL_ICMP_PARAMETER_PROBLEM;
}

/** Listeners and neighbours talk to the host about the VIP's address. */
FL_INLINE bool
fl_is_icmp_of_host(uint8_t type, bool is_ipv6)
{
	return is_ipv6 && ((type >= FL_ICMPV6_MLD_FIRST && type <= FL_ICMPV6_ND_LAST) ||
			   type == FL_ICMPV6_MLDV2_REPORT);
}

/** Sets shape, on_vip and what the shape has. */
FL_INLINE void
fl_parse_icmp(const struct fl_frame *frame, struct fl_packet *packet)
{
	struct fl_quote quote = {
		.frame = frame,
		.offset = (uint32_t)packet->l2_bytes + packet->l4_offset,
		.bytes = (uint32_t)packet->l3_bytes - packet->l4_offset,
	};
	struct fl_wire_icmp icmp;
	bool fine;

	if (quote.bytes < sizeof icmp || !fl_load(frame, quote.offset, &icmp, sizeof icmp)) {
		packet->on_vip = FL_DROP_TRUNCATED;
	} else if (icmp.type_code ==
		   (packet->is_ipv6 ? FL_ICMPV6_ECHO_REQUEST : FL_ICMP_ECHO_REQUEST)) {
		packet->shape = FL_SHAPE_ECHO;
		packet->src_port = icmp.id;
	} else if (fl_is_icmp_error((uint8_t)icmp.type_code, packet->is_ipv6)) {
		quote.offset += sizeof icmp;
		quote.bytes -= sizeof icmp;
		fine = packet->is_ipv6 ? fl_parse_quote_ipv6(&quote, packet)
				       : fl_parse_quote_ipv4(&quote, packet);
		if (!fine)
			packet->on_vip = FL_DROP_ICMP_QUOTE;
	} else {
		packet->on_vip = fl_is_icmp_of_host((uint8_t)icmp.type_code, packet->is_ipv6)
					 ? FL_PASS_ICMP
					 : FL_DROP_ICMP;
	}
}

#endif
