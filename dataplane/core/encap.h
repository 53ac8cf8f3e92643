/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What goes before a packet on its way to a backend, from the backend's header template, in all
 * four family mixes: IP-in-IP (RFC 2003, RFC 2473), or GUE variant 1, IP directly in UDP
 * (draft-ietf-intarea-gue).
 *
 * The outer header: TTL 64, DSCP and ECN copied from the inner packet (RFC 6040 normal mode), IPv4
 * with DF and id 0 (RFC 6864: an atomic datagram; the path is never asked to fragment), IPv6 with
 * 20 bits of the flow hash as flow label (RFC 6438). UDP without checksum (RFC 768; RFC 6935 and
 * 6936 for IPv6). The flow hash also fills the outer source's entropy bits, or the UDP source port,
 * so that a backend's NIC spreads one tunnel over its queues.
 */
#ifndef FL_ENCAP_H
#define FL_ENCAP_H

#include "checksum.h"
#include "packet.h"

/** A write position inside one frame, bounds-checked as struct fl_cursor. */
struct fl_writer {
	uint8_t *pos;	    /**< next byte to write */
	const uint8_t *end; /**< one past the last writable byte */
};

/** Step over @p size bytes. @return the first of them, or NULL, writer unmoved, when short. */
FL_INLINE void *
fl_put(struct fl_writer *writer, uint32_t size)
{
	uint8_t *start = writer->pos;

	FL_ASSUME_THERE(start);
	if (start + size > writer->end)
		return NULL;
	writer->pos = start + size;
	return start;
}

enum { FL_OWN_TTL = 64 }; /**< of IP headers that are ours */

#define FL_GUE_SOURCE_PORT_MIN 49152u /**< RFC 6335 6: dynamic ports; 14 bits of entropy */

/** Bits of the flow hash that fill an outer source, host byte order. */
FL_INLINE uint32_t
fl_encap_entropy(const struct fl_backend *backend, uint64_t hash)
{
	uint32_t bits = backend->entropy_bits;

	return bits >= 32 ? (uint32_t)(hash >> 32) : (uint32_t)(hash >> 32) & ((1u << bits) - 1);
}

FL_INLINE bool
fl_encap_ipv4(struct fl_writer *writer, const struct fl_backend *backend,
	      const struct fl_packet *packet, uint64_t hash)
{
	struct fl_wire_ipv4 *out = fl_put(writer, sizeof *out);
	fl_be16 total_bytes = fl_to_be16((uint16_t)(packet->l3_bytes + backend->header_bytes));
	fl_be32 entropy = fl_to_be32(fl_encap_entropy(backend, hash));
	uint32_t tos = packet->traffic_class;

	if (out == NULL)
		return false;
	*out = *(const struct fl_wire_ipv4 *)backend->header;
	out->tos = (uint8_t)tos;
	out->total_bytes = total_bytes;
	out->src |= entropy;
	/* tos is the second byte of its 16-bit word: shifted, as the word is loaded */
	out->checksum = (uint16_t)~fl_checksum_fold(backend->header_sum + (tos << 8) + total_bytes +
						    (entropy & 0xffff) + (entropy >> 16));
	return true;
}

FL_INLINE bool
fl_encap_ipv6(struct fl_writer *writer, const struct fl_backend *backend,
	      const struct fl_packet *packet, uint64_t hash)
{
	struct fl_wire_ipv6 *out = fl_put(writer, sizeof *out);

	if (out == NULL)
		return false;
	*out = *(const struct fl_wire_ipv6 *)backend->header;
	out->version_class_label = fl_to_be32(6u << 28 | (uint32_t)packet->traffic_class << 20 |
					      (uint32_t)(hash >> 44));
	out->payload_bytes =
		fl_to_be16((uint16_t)(packet->l3_bytes + backend->header_bytes - sizeof *out));
	out->src[1] |= (uint64_t)fl_to_be32(fl_encap_entropy(backend, hash)) << 32;
	return true;
}

FL_INLINE bool
fl_encap_udp(struct fl_writer *writer, const struct fl_packet *packet, uint64_t hash)
{
	struct fl_wire_udp *out = fl_put(writer, sizeof *out);

	if (out == NULL)
		return false;
	out->src = fl_to_be16((uint16_t)(FL_GUE_SOURCE_PORT_MIN + ((hash >> 32) & 0x3fff)));
	out->dst = fl_to_be16(FL_UDP_PORT_GUE);
	out->bytes = fl_to_be16((uint16_t)(packet->l3_bytes + sizeof *out));
	out->checksum = 0;
	return true;
}

/** The inner packet passes one router: its TTL or hop limit, at least 2, becomes 1 less. */
FL_INLINE bool
fl_encap_ttl(struct fl_writer *writer, const struct fl_packet *packet)
{
	if (packet->is_ipv6) {
		struct fl_wire_ipv6 *ip = fl_put(writer, sizeof *ip);

		if (ip == NULL)
			return false;
		ip->hop_limit--;
	} else {
		struct fl_wire_ipv4 *ip = fl_put(writer, sizeof *ip);
		uint16_t before;

		if (ip == NULL)
			return false;
		before = (uint16_t)(ip->ttl | (uint16_t)ip->ip_proto << 8);
		ip->ttl--;
		ip->checksum = fl_checksum_adjusted(ip->checksum, before, (uint16_t)(before - 1));
	}
	return true;
}

/**
 * Write the outer headers and adjust the inner one.
 * @param writer where the outer IP header begins; the inner packet lies backend->header_bytes
 *        behind. @return false: it is shorter than its headers.
 */
FL_INLINE bool
fl_encap_write(struct fl_writer *writer, const struct fl_backend *backend,
	       const struct fl_packet *packet, uint64_t hash)
{
	bool fine = backend->header_bytes < FL_IPV6_BYTES
			    ? fl_encap_ipv4(writer, backend, packet, hash)
			    : fl_encap_ipv6(writer, backend, packet, hash);

	if (fine && backend->mode == FL_MODE_GUE)
		fine = fl_encap_udp(writer, packet, hash);
	return fine && fl_encap_ttl(writer, packet);
}

/** What a header template is made from. */
struct fl_encap_plan {
	enum fl_mode mode;
	bool inner_is_ipv6;    /**< the VIP's family */
	uint8_t entropy_bits;  /**< FL_MODE_IPIP: of source; 0: it is sent as it is */
	struct fl_addr source; /**< of target's family; entropy bits 0. Not used by FL_MODE_L2DSR */
	struct fl_addr target; /**< the backend */
};

FL_INLINE void
fl_encap_template_ipv4(struct fl_backend *backend, const struct fl_encap_plan *plan,
		       uint8_t ip_proto)
{
	struct fl_wire_ipv4 *ip = (struct fl_wire_ipv4 *)backend->header;
	uint32_t sum = 0;

	ip->version_ihl = FL_IPV4_VERSION_IHL;
	ip->fragment = fl_to_be16(FL_IPV4_DONT_FRAGMENT);
	ip->ttl = FL_OWN_TTL;
	ip->ip_proto = ip_proto;
	ip->src = fl_addr_ipv4(&plan->source);
	ip->dst = fl_addr_ipv4(&plan->target);
	for (uint32_t i = 0; i < sizeof *ip; i += 2)
		sum += (uint32_t)backend->header[i] | (uint32_t)backend->header[i + 1] << 8;
	backend->header_sum = fl_checksum_fold(sum);
	backend->header_bytes = FL_IPV4_BYTES;
}

FL_INLINE void
fl_encap_template_ipv6(struct fl_backend *backend, const struct fl_encap_plan *plan,
		       uint8_t ip_proto)
{
	struct fl_wire_ipv6 *ip = (struct fl_wire_ipv6 *)backend->header;

	ip->next_header = ip_proto;
	ip->hop_limit = FL_OWN_TTL;
	for (uint32_t i = 0; i < 2; i++) {
		ip->src[i] = plan->source.half[i];
		ip->dst[i] = plan->target.half[i];
	}
	backend->header_sum = 0;
	backend->header_bytes = FL_IPV6_BYTES;
}

/** Make a backend's header template: mode, header, header_sum, header_bytes, entropy_bits. Off the
 * packet path. */
FL_INLINE void
fl_encap_template(struct fl_backend *backend, const struct fl_encap_plan *plan)
{
	uint8_t ip_proto = plan->mode == FL_MODE_GUE ? FL_IPPROTO_UDP
			   : plan->inner_is_ipv6     ? FL_IPPROTO_IPV6
						     : FL_IPPROTO_IPV4;

	for (uint32_t i = 0; i < sizeof backend->header; i++)
		backend->header[i] = 0;
	if (fl_addr_is_ipv4(&plan->target))
		fl_encap_template_ipv4(backend, plan, ip_proto);
	else
		fl_encap_template_ipv6(backend, plan, ip_proto);
	if (plan->mode == FL_MODE_GUE)
		backend->header_bytes += FL_UDP_BYTES;
	if (plan->mode == FL_MODE_L2DSR)
		backend->header_bytes = 0;
	backend->mode = (uint8_t)plan->mode;
	backend->entropy_bits = plan->entropy_bits;
}

/** The backend's address, from its template. */
FL_INLINE struct fl_addr
fl_encap_target(const struct fl_backend *backend)
{
	if (((const struct fl_wire_ipv4 *)backend->header)->version_ihl == FL_IPV4_VERSION_IHL)
		return fl_addr_from_ipv4(((const struct fl_wire_ipv4 *)backend->header)->dst);
	return fl_addr_from_ipv6(((const struct fl_wire_ipv6 *)backend->header)->dst);
}

#endif
