/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * From frame to flow: Ethernet, 802.1Q, IPv4 (options stepped over), IPv6 (extension headers
 * stepped over), TCP, UDP, ICMP (icmp.h).
 *
 * A packet whose ports cannot be read is not misread: it gets a shape without ports, and the
 * verdict in `on_vip` for the case that some VIP has its destination address. Otherwise it is the
 * host's, who may know better. Only what no host could make sense of, a broken IP header, ends
 * here.
 */
#ifndef FL_PARSE_H
#define FL_PARSE_H

#include "icmp.h"

/**
 * The verdict for packets to a VIP from @p source; FL_FORWARD: an address that a client may have.
 * RFC 1122 3.2.1.3, RFC 4291 2.
 */
FL_INLINE enum fl_verdict
fl_source_verdict(const struct fl_addr *source, const struct fl_addr *destination, bool is_ipv6)
{
	fl_be32 ipv4 = fl_addr_ipv4(source);
	uint8_t first = (uint8_t)(is_ipv6 ? source->half[0] : ipv4);

	if (FL_UNLIKELY(fl_addr_equal(source, destination)))
		return FL_DROP_SOURCE_VIP;
	if (is_ipv6) {
		if (FL_UNLIKELY(first == 0xff))
			return FL_DROP_SOURCE_MULTICAST;
		if (FL_LIKELY(source->half[0] != 0))
			return FL_FORWARD;
		if (source->half[1] == __builtin_bswap64(1))
			return FL_DROP_SOURCE_LOOPBACK;
		return source->half[1] == 0 ? FL_DROP_SOURCE_UNSPECIFIED : FL_FORWARD;
	}
	if (FL_LIKELY(first != 0 && first != 127 && first < 224))
		return FL_FORWARD;
	if (first == 0)
		return FL_DROP_SOURCE_UNSPECIFIED;
	if (first == 127)
		return FL_DROP_SOURCE_LOOPBACK;
	if (first < 240)
		return FL_DROP_SOURCE_MULTICAST;
	return ipv4 == 0xffffffffu ? FL_DROP_SOURCE_BROADCAST : FL_FORWARD;
}

/* --- IP headers --- */

FL_INLINE enum fl_verdict
fl_parse_ipv4(struct fl_cursor *cursor, uint32_t l3_room, struct fl_packet *packet, bool plain)
{
	const struct fl_wire_ipv4 *ip = fl_pull(cursor, sizeof *ip);
	uint32_t header_bytes, total_bytes, fragment;

	if (ip == NULL)
		return FL_DROP_TRUNCATED;
	header_bytes = (ip->version_ihl & 0x0fu) * 4;
	total_bytes = fl_from_be16(ip->total_bytes);
	if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof *ip)
		return FL_DROP_BAD_HEADER;
	if (FL_UNLIKELY(header_bytes > sizeof *ip)) {
		if (plain)
			return FL_NOT_PLAIN;
		if (header_bytes > l3_room)
			return FL_DROP_TRUNCATED;
	}
	if (total_bytes < header_bytes || total_bytes > l3_room)
		return FL_DROP_BAD_LENGTH;
	packet->src = fl_addr_from_ipv4(ip->src);
	packet->to.address = fl_addr_from_ipv4(ip->dst);
	packet->l3_bytes = (uint16_t)total_bytes;
	packet->l4_offset = (uint16_t)header_bytes;
	packet->traffic_class = ip->tos;
	packet->ttl = ip->ttl;
	packet->ip_proto = ip->ip_proto;
	packet->fragment_id = ip->id;
	packet->fragment_proto = ip->ip_proto;
	fragment = fl_from_be16(ip->fragment);
	if (plain && FL_UNLIKELY(fragment & (FL_IPV4_OFFSET_MASK | FL_IPV4_MORE_FRAGMENTS)))
		return FL_NOT_PLAIN;
	if (FL_UNLIKELY(fragment & FL_IPV4_OFFSET_MASK))
		packet->fragment = FL_FRAGMENT_LATER;
	else if (FL_UNLIKELY(fragment & FL_IPV4_MORE_FRAGMENTS))
		packet->fragment = FL_FRAGMENT_FIRST;
	packet->source = (uint8_t)fl_source_verdict(&packet->src, &packet->to.address, false);
	return FL_FORWARD;
}

/** Extension headers with a number below 64 that are stepped over, as bits. */
#define FL_EXTENSIONS_KNOWN                                                                      \
	(1ull << FL_IPPROTO_HOPOPTS | 1ull << FL_IPPROTO_ROUTING | 1ull << FL_IPPROTO_FRAGMENT | \
	 1ull << FL_IPPROTO_AH | 1ull << FL_IPPROTO_DSTOPTS)

/** The others, as bits from the first: nobody steps over them. */
#define FL_EXTENSIONS_OTHER                                  \
	(1u | 1u << (FL_IPPROTO_HIP - FL_IPPROTO_MOBILITY) | \
	 1u << (FL_IPPROTO_SHIM6 - FL_IPPROTO_MOBILITY))

/**
 * A next header value that is an extension header (IANA registry, "IPv6 Extension Header Types").
 * Bits, not comparisons: the BPF verifier follows every comparison both ways.
 */
FL_INLINE bool
fl_is_ipv6_extension(uint8_t next_header)
{
	if (next_header < 64)
		return FL_EXTENSIONS_KNOWN >> next_header & 1;
	return next_header >= FL_IPPROTO_MOBILITY && next_header <= FL_IPPROTO_SHIM6 &&
	       (FL_EXTENSIONS_OTHER >> (next_header - FL_IPPROTO_MOBILITY) & 1);
}

/** A walk over extension headers. */
struct fl_extensions {
	uint32_t bytes;	     /**< of those that were stepped over */
	uint8_t next_header; /**< behind them */
	bool has_fragment;
};

/** Bytes of an extension header from its first eight. */
FL_INLINE uint32_t
fl_extension_bytes(const struct fl_wire_extension *extension, uint8_t kind)
{
	if (kind == FL_IPPROTO_FRAGMENT)
		return sizeof *extension;
	if (kind == FL_IPPROTO_AH) /* RFC 4302 2.2 */
		return ((uint32_t)extension->length + 2) * 4;
	return ((uint32_t)extension->length + 1) * 8;
}

FL_INLINE void
fl_parse_fragment(const struct fl_wire_fragment *fragment, struct fl_packet *packet)
{
	uint16_t offset = fl_from_be16(fragment->offset);

	if (offset & FL_IPV6_OFFSET_MASK)
		packet->fragment = FL_FRAGMENT_LATER;
	else if (offset & FL_IPV6_MORE_FRAGMENTS)
		packet->fragment = FL_FRAGMENT_FIRST;
	packet->fragment_id = fragment->id;
	packet->fragment_proto = fragment->next_header;
}

/** Step over one extension header. @return FL_FORWARD; or what becomes of the packet on a VIP. */
FL_INLINE enum fl_verdict
fl_parse_extension(const struct fl_frame *frame, struct fl_packet *packet,
		   struct fl_extensions *walk)
{
	uint32_t room = (uint32_t)packet->l3_bytes - FL_IPV6_BYTES, bytes;
	uint32_t offset = packet->l2_bytes + (uint32_t)FL_IPV6_BYTES + walk->bytes;
	struct fl_wire_extension extension;
	uint8_t kind = walk->next_header;

	if (kind >= FL_IPPROTO_MOBILITY)
		return FL_DROP_IPV6_EXTENSION;
	if (walk->bytes + sizeof extension > room ||
	    !fl_load(frame, offset, &extension, sizeof extension))
		return FL_DROP_TRUNCATED;
	bytes = walk->bytes + fl_extension_bytes(&extension, kind);
	if (bytes > room)
		return FL_DROP_TRUNCATED;
	if (kind == FL_IPPROTO_ROUTING && (extension.type == 0 || extension.segments_left != 0))
		return FL_DROP_ROUTING_HEADER;
	if ((kind == FL_IPPROTO_HOPOPTS && walk->bytes > 0) ||
	    (kind == FL_IPPROTO_FRAGMENT && walk->has_fragment) || bytes > FL_EXTENSIONS_BYTES_MAX)
		return FL_DROP_IPV6_EXTENSION;
	if (kind == FL_IPPROTO_FRAGMENT) {
		walk->has_fragment = true;
		fl_parse_fragment((const struct fl_wire_fragment *)&extension, packet);
	}
	walk->bytes = bytes;
	walk->next_header = extension.next_header;
	return FL_FORWARD;
}

/** Step over the extension headers. */
FL_INLINE void
fl_parse_extensions(const struct fl_frame *frame, struct fl_packet *packet)
{
	struct fl_extensions walk = { .next_header = packet->ip_proto };
	enum fl_verdict verdict = FL_FORWARD;
	uint32_t count = 0;

	while (verdict == FL_FORWARD && packet->fragment != FL_FRAGMENT_LATER &&
	       fl_is_ipv6_extension(walk.next_header)) {
		if (count++ == FL_EXTENSIONS_MAX)
			verdict = FL_DROP_IPV6_EXTENSION;
		else
			verdict = fl_parse_extension(frame, packet, &walk);
	}
	packet->l4_offset = (uint16_t)(FL_IPV6_BYTES + walk.bytes);
	packet->ip_proto = walk.next_header;
	packet->on_vip = (uint8_t)verdict;
}

FL_INLINE enum fl_verdict
fl_parse_ipv6(struct fl_cursor *cursor, uint32_t l3_room, struct fl_packet *packet, bool plain)
{
	const struct fl_wire_ipv6 *ip = fl_pull(cursor, sizeof *ip);
	uint32_t first_word, payload_bytes;

	if (ip == NULL)
		return FL_DROP_TRUNCATED;
	first_word = __builtin_bswap32(ip->version_class_label);
	payload_bytes = fl_from_be16(ip->payload_bytes);
	if (first_word >> 28 != 6)
		return FL_DROP_BAD_HEADER;
	packet->src = fl_addr_from_ipv6(ip->src);
	packet->to.address = fl_addr_from_ipv6(ip->dst);
	/* An IPv4-mapped address is never on the wire (RFC 4291): it must not reach an IPv4 VIP. */
	if (fl_addr_is_ipv4(&packet->to.address) || fl_addr_is_ipv4(&packet->src))
		return FL_DROP_BAD_HEADER;
	/* 65,496 and more bytes of payload would not fit l3_bytes; no frame of that size can leave.
	 */
	if (payload_bytes > UINT16_MAX - sizeof *ip || payload_bytes + sizeof *ip > l3_room)
		return FL_DROP_BAD_LENGTH;
	packet->l3_bytes = (uint16_t)(payload_bytes + sizeof *ip);
	packet->l4_offset = sizeof *ip;
	packet->traffic_class = (uint8_t)(first_word >> 20);
	packet->ttl = ip->hop_limit;
	packet->ip_proto = ip->next_header;
	packet->is_ipv6 = true;
	packet->source = (uint8_t)fl_source_verdict(&packet->src, &packet->to.address, true);
	return plain && FL_UNLIKELY(fl_is_ipv6_extension(ip->next_header)) ? FL_NOT_PLAIN
									   : FL_FORWARD;
}

/* --- Ethernet --- */

FL_INLINE bool
fl_is_tag_type(fl_be16 type)
{
	return type == fl_to_be16(FL_ETHERTYPE_VLAN) || type == fl_to_be16(FL_ETHERTYPE_QINQ);
}

/** Step over the tags. @param type of what follows the Ethernet header; then of what follows the
 * tags. */
FL_INLINE enum fl_verdict
fl_parse_tags(struct fl_cursor *cursor, fl_be16 *type, struct fl_packet *packet)
{
	for (uint32_t i = 0; i < FL_TAGS_MAX && fl_is_tag_type(*type); i++) {
		const struct fl_wire_tag *tag = fl_pull(cursor, sizeof *tag);

		if (tag == NULL)
			return FL_DROP_TRUNCATED;
		packet->tag[i] = (fl_be32)*type | (fl_be32)tag->tci << 16;
		packet->l2_bytes += FL_TAG_BYTES;
		*type = tag->type;
	}
	return fl_is_tag_type(*type) ? FL_PASS_VLAN : FL_FORWARD;
}

/**
 * Up to what is behind the Ethernet header, tags and the IPv4 or the fixed IPv6 header.
 * @param plain a constant: FL_NOT_PLAIN for tags, IPv4 options, fragments, extension headers.
 */
FL_INLINE enum fl_verdict
fl_parse_headers(struct fl_cursor *cursor, uint32_t frame_bytes, struct fl_packet *packet,
		 bool plain)
{
	const struct fl_wire_ethernet *ethernet = fl_pull(cursor, sizeof *ethernet);
	fl_be16 type;

	if (ethernet == NULL || frame_bytes < sizeof *ethernet)
		return FL_DROP_TRUNCATED;
	type = ethernet->type;
	packet->l2_bytes = sizeof *ethernet;
	packet->is_to_group = ethernet->dst[0] & 1; /* of its first byte */
	packet->src_mac = (uint64_t)ethernet->src[0] | (uint64_t)ethernet->src[1] << 16 |
			  (uint64_t)ethernet->src[2] << 32;
	if (FL_UNLIKELY(fl_is_tag_type(type))) {
		enum fl_verdict verdict =
			plain ? FL_NOT_PLAIN : fl_parse_tags(cursor, &type, packet);

		if (verdict != FL_FORWARD)
			return verdict;
	}
	if (type == fl_to_be16(FL_ETHERTYPE_IPV4))
		return fl_parse_ipv4(cursor, frame_bytes - packet->l2_bytes, packet, plain);
	if (type == fl_to_be16(FL_ETHERTYPE_IPV6))
		return fl_parse_ipv6(cursor, frame_bytes - packet->l2_bytes, packet, plain);
	return FL_PASS_NOT_IP;
}

/** The first half of fl_parse(): up to what is behind the IP headers. */
FL_INLINE enum fl_verdict
fl_parse_l3(const struct fl_frame *frame, uint32_t frame_bytes, struct fl_packet *packet)
{
	struct fl_cursor cursor = frame->start;
	enum fl_verdict verdict = fl_parse_headers(&cursor, frame_bytes, packet, false);

	if (verdict == FL_FORWARD && packet->is_ipv6 && fl_is_ipv6_extension(packet->ip_proto))
		fl_parse_extensions(frame, packet);
	return verdict;
}

/* --- TCP, UDP, ICMP --- */

/** @param ports NULL: they are not there. */
FL_INLINE void
fl_parse_ports(const struct fl_wire_ports *ports, struct fl_packet *packet)
{
	bool is_tcp = packet->ip_proto == FL_IPPROTO_TCP;
	uint32_t needed = is_tcp ? FL_TCP_BYTES : FL_UDP_BYTES;

	if (ports == NULL || (uint32_t)packet->l3_bytes < packet->l4_offset + needed) {
		packet->on_vip = FL_DROP_TRUNCATED;
		return;
	}
	packet->shape = packet->fragment == FL_FRAGMENT_FIRST ? FL_SHAPE_FIRST : FL_SHAPE_FLOW;
	packet->to.rest = fl_vip_rest(ports->dst, packet->ip_proto);
	packet->src_port = ports->src;
	packet->is_tunnel = !is_tcp && ports->dst == fl_to_be16(FL_UDP_PORT_GUE);
}

/** What is neither TCP nor UDP. */
FL_INLINE void
fl_parse_other(const struct fl_frame *frame, struct fl_packet *packet)
{
	uint8_t ip_proto = packet->ip_proto;

	if (ip_proto == (packet->is_ipv6 ? FL_IPPROTO_ICMPV6 : FL_IPPROTO_ICMP)) {
		if (packet->fragment != FL_FRAGMENT_NONE)
			packet->shape = FL_SHAPE_ICMP_FRAGMENT;
		else
			fl_parse_icmp(frame, packet);
	} else {
		packet->on_vip = FL_PASS_PROTOCOL;
		packet->is_tunnel = ip_proto == FL_IPPROTO_IPV4 || ip_proto == FL_IPPROTO_IPV6;
	}
}

/**
 * How nothing may come to a VIP: in a frame to a group, of which every balancer on the segment
 * would forward a copy (RFC 1812 5.3.4), or from a source that no client has. Known since the
 * headers, said when all else is.
 */
FL_INLINE void
fl_parse_sender(struct fl_packet *packet)
{
	if (FL_LIKELY(packet->is_to_group == 0 && packet->source == FL_FORWARD) ||
	    fl_verdict_is_pass((enum fl_verdict)packet->on_vip))
		return;
	packet->on_vip = packet->is_to_group ? FL_DROP_LINK_GROUP : packet->source;
}

/** The second half of fl_parse(): what is behind the IP headers. */
FL_INLINE void
fl_parse_l4(const struct fl_frame *frame, struct fl_packet *packet)
{
	uint32_t offset = (uint32_t)packet->l2_bytes + packet->l4_offset;
	struct fl_wire_ports ports;

	if (packet->on_vip != FL_FORWARD) {
		/* the extension headers said it all */
	} else if (!fl_is_tcp_or_udp(packet->ip_proto)) {
		fl_parse_other(frame, packet);
	} else if (packet->fragment == FL_FRAGMENT_LATER) {
		packet->shape = FL_SHAPE_LATER;
	} else {
		fl_parse_ports(fl_load(frame, offset, &ports, sizeof ports) ? &ports : NULL,
			       packet);
	}
	fl_parse_sender(packet);
}

/**
 * fl_parse() of plain packets: TCP and UDP without anything between.
 * @return FL_NOT_PLAIN for others; packet must be zeroed again then.
 */
FL_INLINE enum fl_verdict
fl_parse_plain(const struct fl_cursor *cursor, uint32_t frame_bytes, struct fl_packet *packet)
{
	struct fl_cursor at = *cursor;
	enum fl_verdict verdict = fl_parse_headers(&at, frame_bytes, packet, true);

	if (FL_UNLIKELY(verdict != FL_FORWARD))
		return verdict;
	if (FL_UNLIKELY(!fl_is_tcp_or_udp(packet->ip_proto)))
		return FL_NOT_PLAIN;
	fl_parse_ports(fl_pull(&at, sizeof(struct fl_wire_ports)), packet);
	fl_parse_sender(packet);
	return FL_FORWARD;
}

/**
 * Read one frame.
 *
 * @param cursor at the Ethernet header; its end may lie before the frame's (only headers need be
 *        readable, at most FL_READ_BYTES_MAX).
 * @param frame_bytes of the whole frame, what IP lengths are held against.
 * @param packet zeroed by the caller; whole when FL_FORWARD is returned.
 * @return FL_FORWARD: look packet->to up; a pass or drop verdict: this is how the packet ends.
 */
FL_INLINE enum fl_verdict
fl_parse(const struct fl_cursor *cursor, uint32_t frame_bytes, struct fl_packet *packet)
{
	const struct fl_frame frame = { .start = *cursor };
	enum fl_verdict verdict = fl_parse_l3(&frame, frame_bytes, packet);

	if (FL_LIKELY(verdict == FL_FORWARD))
		fl_parse_l4(&frame, packet);
	return verdict;
}

#endif
