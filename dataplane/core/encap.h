/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * IP-in-IP encapsulation (RFC 2003, RFC 2473) in all four family mixes, from a backend's header
 * template.
 *
 * The outer header: TTL 64, DSCP and ECN copied from the inner packet (RFC 6040 normal mode), IPv4
 * with DF and id 0 (RFC 6864: an atomic datagram; the path is never asked to fragment), IPv6 with
 * 20 bits of the flow hash as flow label (RFC 6438). The inner packet is not touched; what the
 * frame had after it is cut off.
 */
#ifndef FL_ENCAP_H
#define FL_ENCAP_H

#include "packet.h"

/** May the backend's packets be sent? @param link its link word, read once. */
FL_INLINE enum fl_verdict
fl_link_verdict(uint64_t link)
{
	if (FL_UNLIKELY(!(fl_link_flags(link) & FL_LINK_LIVE)))
		return FL_DROP_NO_BACKEND;
	if (FL_UNLIKELY(!(fl_link_flags(link) & FL_LINK_REACHABLE)))
		return FL_DROP_UNREACHABLE;
	return FL_FORWARD;
}

/** Does the packet fit the port it leaves by? @param port the port's word; 0 (no such port) fits
 * nothing. */
FL_INLINE enum fl_verdict
fl_encap_fits(const struct fl_packet *packet, const struct fl_backend *backend, uint64_t port)
{
	if ((uint32_t)packet->l3_bytes + backend->header_bytes > fl_port_mtu(port))
		return FL_DROP_TOO_BIG;
	return FL_FORWARD;
}

/** Bytes before the inner packet on the way out: Ethernet and outer IP header. */
FL_INLINE uint32_t
fl_encap_bytes(const struct fl_backend *backend)
{
	return FL_ETHERNET_BYTES + (uint32_t)backend->header_bytes;
}

/** Ones' complement folding of a sum of at most 2^16 16-bit words (RFC 1071). */
FL_INLINE uint16_t
fl_checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

FL_INLINE void
fl_encap_ethernet(struct fl_wire_ethernet *out, uint64_t link, uint64_t port, uint16_t type)
{
	for (uint32_t i = 0; i < 3; i++) {
		out->dst[i] = (uint16_t)(link >> (16 * i));
		out->src[i] = (uint16_t)(port >> (16 * i));
	}
	out->type = fl_to_be16(type);
}

FL_INLINE void
fl_encap_ipv4(struct fl_wire_ipv4 *out, const struct fl_backend *backend,
	      const struct fl_packet *packet)
{
	fl_be16 total_bytes = fl_to_be16((uint16_t)(packet->l3_bytes + sizeof *out));
	uint32_t tos = packet->traffic_class;

	*out = *(const struct fl_wire_ipv4 *)backend->header;
	out->tos = (uint8_t)tos;
	out->total_bytes = total_bytes;
	/* tos is the second byte of its 16-bit word: shifted, as the word is loaded */
	out->checksum = (uint16_t)~fl_checksum_fold(backend->header_sum + (tos << 8) + total_bytes);
}

FL_INLINE void
fl_encap_ipv6(struct fl_wire_ipv6 *out, const struct fl_backend *backend,
	      const struct fl_packet *packet, uint64_t hash)
{
	*out = *(const struct fl_wire_ipv6 *)backend->header;
	out->version_class_label = fl_to_be32(6u << 28 | (uint32_t)packet->traffic_class << 20 |
					      (uint32_t)(hash >> 44));
	out->payload_bytes = fl_to_be16(packet->l3_bytes);
}

/** Everything an encapsulation is made of. */
struct fl_encap {
	const struct fl_backend *backend;
	const struct fl_packet *packet;
	uint64_t link; /**< of the backend, read once, fl_link_verdict() FL_FORWARD */
	uint64_t port; /**< of the port named by link */
	uint64_t hash; /**< the flow's */
};

/**
 * Write the outer headers.
 *
 * @param out fl_encap_bytes() writable bytes, right before the inner IP header. May lie over the
 *        frame's old Ethernet header: nothing is read from there.
 */
FL_INLINE void
fl_encap_write(uint8_t *out, const struct fl_encap *encap)
{
	struct fl_wire_ethernet *ethernet = (struct fl_wire_ethernet *)out;

	if (encap->backend->header_bytes == FL_IPV4_BYTES) {
		fl_encap_ethernet(ethernet, encap->link, encap->port, FL_ETHERTYPE_IPV4);
		fl_encap_ipv4((struct fl_wire_ipv4 *)(out + FL_ETHERNET_BYTES), encap->backend,
			      encap->packet);
	} else {
		fl_encap_ethernet(ethernet, encap->link, encap->port, FL_ETHERTYPE_IPV6);
		fl_encap_ipv6((struct fl_wire_ipv6 *)(out + FL_ETHERNET_BYTES), encap->backend,
			      encap->packet, encap->hash);
	}
}

/**
 * Make a backend's header template. Off the packet path.
 *
 * @param source, @p target outer addresses, of one family.
 * @param inner_is_ipv6 the VIP's family.
 */
FL_INLINE void
fl_encap_template(struct fl_backend *backend, const struct fl_addr *source,
		  const struct fl_addr *target, bool inner_is_ipv6)
{
	uint8_t ip_proto = inner_is_ipv6 ? FL_IPPROTO_IPV6 : FL_IPPROTO_IPV4;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < sizeof backend->header; i++)
		backend->header[i] = 0;
	if (fl_addr_is_ipv4(target)) {
		struct fl_wire_ipv4 *ip = (struct fl_wire_ipv4 *)backend->header;

		ip->version_ihl = 0x45;
		ip->fragment = fl_to_be16(FL_IPV4_DONT_FRAGMENT);
		ip->ttl = 64;
		ip->ip_proto = ip_proto;
		ip->src = source->word[3];
		ip->dst = target->word[3];
		for (uint32_t i = 0; i < sizeof *ip; i += 2)
			sum += (uint32_t)backend->header[i] | (uint32_t)backend->header[i + 1] << 8;
		backend->header_bytes = FL_IPV4_BYTES;
		backend->header_sum = fl_checksum_fold(sum);
	} else {
		struct fl_wire_ipv6 *ip = (struct fl_wire_ipv6 *)backend->header;

		ip->next_header = ip_proto;
		ip->hop_limit = 64;
		for (uint32_t i = 0; i < 4; i++) {
			ip->src[i] = source->word[i];
			ip->dst[i] = target->word[i];
		}
		backend->header_bytes = FL_IPV6_BYTES;
		backend->header_sum = 0;
	}
}

#endif
