/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the balancer itself says, from the VIP's address: echo replies (RFC 792, RFC 4443 4.2), and
 * "fragmentation needed" (RFC 1191) or "packet too big" (RFC 4443 3.2).
 */
#ifndef FL_ANSWER_H
#define FL_ANSWER_H

#include "encap.h"

/** @param writer at the IP header of the request, which has no options. */
FL_INLINE bool
fl_answer_echo_ipv4(struct fl_writer *writer)
{
	struct fl_wire_ipv4 *ip = fl_put(writer, sizeof *ip);
	struct fl_wire_icmp *icmp;
	uint16_t before;
	fl_be32 src;

	if (ip == NULL || (icmp = fl_put(writer, sizeof *icmp)) == NULL)
		return false;
	src = ip->src;
	ip->src = ip->dst;
	ip->dst = src;
	before = (uint16_t)(ip->ttl | (uint16_t)ip->ip_proto << 8);
	ip->ttl = FL_OWN_TTL;
	ip->checksum = fl_checksum_adjusted(ip->checksum, before,
					    (uint16_t)(FL_OWN_TTL | (uint16_t)ip->ip_proto << 8));
	icmp->checksum =
		fl_checksum_adjusted(icmp->checksum, FL_ICMP_ECHO_REQUEST, FL_ICMP_ECHO_REPLY);
	/* of a message that is all zeros, for which 0 would be wrong; else both are right */
	if (icmp->checksum == 0)
		icmp->checksum = 0xffff;
	icmp->type_code = FL_ICMP_ECHO_REPLY;
	return true;
}

/** @param writer at the IP header of the request, which has no extension headers. */
FL_INLINE bool
fl_answer_echo_ipv6(struct fl_writer *writer)
{
	struct fl_wire_ipv6 *ip = fl_put(writer, sizeof *ip);
	struct fl_wire_icmp *icmp;

	if (ip == NULL || (icmp = fl_put(writer, sizeof *icmp)) == NULL)
		return false;
	FL_UNROLL
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t src = ip->src[i];

		ip->src[i] = ip->dst[i];
		ip->dst[i] = src;
	}
	ip->hop_limit = FL_OWN_TTL;
	icmp->checksum =
		fl_checksum_adjusted(icmp->checksum, FL_ICMPV6_ECHO_REQUEST, FL_ICMPV6_ECHO_REPLY);
	icmp->type_code = FL_ICMPV6_ECHO_REPLY;
	return true;
}

FL_INLINE bool
fl_answer_echo(struct fl_writer *writer, const struct fl_packet *packet)
{
	return packet->is_ipv6 ? fl_answer_echo_ipv6(writer) : fl_answer_echo_ipv4(writer);
}

/* What follows the IP header. The two below share no code: clang would merge their ends over one
 * pointer that comes with two offsets (see FL_UNROLL). */
enum { FL_TOO_BIG_BYTES = FL_ICMP_BYTES + FL_QUOTE_BYTES };

/** @param writer where the IP header shall be; the packet to quote begins 28 bytes behind. */
FL_INLINE bool
fl_answer_too_big_ipv4(struct fl_writer *writer, const struct fl_packet *packet, uint32_t mtu)
{
	struct fl_wire_ipv4 *ip = fl_put(writer, sizeof *ip);
	struct fl_wire_icmp *icmp;
	const uint8_t *quote;
	fl_be32 word = fl_to_be32(mtu);
	uint32_t sum;

	if (ip == NULL || (icmp = fl_put(writer, sizeof *icmp)) == NULL ||
	    (quote = fl_put(writer, FL_QUOTE_BYTES)) == NULL)
		return false;
	*ip = (struct fl_wire_ipv4){
		.version_ihl = FL_IPV4_VERSION_IHL,
		.total_bytes = fl_to_be16(FL_IPV4_BYTES + FL_TOO_BIG_BYTES),
		.fragment = fl_to_be16(FL_IPV4_DONT_FRAGMENT),
		.ttl = FL_OWN_TTL,
		.ip_proto = FL_IPPROTO_ICMP,
		.src = fl_addr_ipv4(&packet->to.address),
		.dst = fl_addr_ipv4(&packet->src),
	};
	ip->checksum = (uint16_t)~fl_checksum_words((const uint8_t *)ip, sizeof *ip / 4);
	*icmp = (struct fl_wire_icmp){
		.type_code = FL_ICMP_UNREACHABLE | 4 << 8, /* fragmentation needed */
		.id = (fl_be16)word,
		.sequence = (fl_be16)(word >> 16),
	};
	sum = icmp->type_code + (uint32_t)icmp->id + icmp->sequence;
	icmp->checksum =
		(uint16_t)~fl_checksum_fold(sum + fl_checksum_words(quote, FL_QUOTE_BYTES / 4));
	return true;
}

/** @param writer where the IP header shall be; the packet to quote begins 48 bytes behind. */
FL_INLINE bool
fl_answer_too_big_ipv6(struct fl_writer *writer, const struct fl_packet *packet, uint32_t mtu)
{
	struct fl_wire_ipv6 *ip = fl_put(writer, sizeof *ip);
	struct fl_wire_icmp *icmp;
	const uint8_t *quote;
	fl_be32 word = fl_to_be32(mtu);
	uint32_t sum;

	if (ip == NULL || (icmp = fl_put(writer, sizeof *icmp)) == NULL ||
	    (quote = fl_put(writer, FL_QUOTE_BYTES)) == NULL)
		return false;
	*ip = (struct fl_wire_ipv6){
		.version_class_label = fl_to_be32(6u << 28),
		.payload_bytes = fl_to_be16(FL_TOO_BIG_BYTES),
		.next_header = FL_IPPROTO_ICMPV6,
		.hop_limit = FL_OWN_TTL,
	};
	FL_UNROLL
	for (uint32_t i = 0; i < 2; i++) {
		ip->src[i] = packet->to.address.half[i];
		ip->dst[i] = packet->src.half[i];
	}
	*icmp = (struct fl_wire_icmp){
		.type_code = FL_ICMPV6_TOO_BIG,
		.id = (fl_be16)word,
		.sequence = (fl_be16)(word >> 16),
	};
	/* the pseudo header: addresses, length, next header (RFC 8200 8.1) */
	sum = fl_to_be16(FL_TOO_BIG_BYTES) + (uint32_t)fl_to_be16(FL_IPPROTO_ICMPV6) +
	      fl_checksum_words((const uint8_t *)ip->src, 8) + icmp->type_code + icmp->id +
	      icmp->sequence;
	icmp->checksum =
		(uint16_t)~fl_checksum_fold(sum + fl_checksum_words(quote, FL_QUOTE_BYTES / 4));
	return true;
}

FL_INLINE bool
fl_answer_too_big(struct fl_writer *writer, const struct fl_packet *packet, uint32_t mtu)
{
	return packet->is_ipv6 ? fl_answer_too_big_ipv6(writer, packet, mtu)
			       : fl_answer_too_big_ipv4(writer, packet, mtu);
}

#endif
