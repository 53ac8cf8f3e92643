/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps 1 to 3 of docs/formats.md section 7: from bytes to a packet with a sort.
 *
 * Readings where the text leaves room:
 * - Rows of one step are asked in their order: options that end beyond the frame are
 *   drop_truncated, whatever the length says; but where version or header length is bad there are
 *   no IPv4 options: drop_bad_header. An extension header that should not be there (a second
 *   fragment header, ...) and ends beyond the packet is drop_truncated; a seventh is not looked at.
 * - A fragment header of a whole packet (RFC 6946) counts as one of the six and as the one fragment
 *   header; it is an extension header for "echo request to be answered with extension headers".
 * - What follows the fragment header of a later fragment is payload, whatever its next header says:
 *   such a packet is one "of another protocol" unless that is TCP, UDP or ICMPv6.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_model_parts.h"

static const char *
read_ethernet(struct packet *packet)
{
	uint32_t type_at = 12;

	if (packet->frame.count < 14)
		return "drop_truncated";
	packet->type = model_read16(packet->frame, type_at);
	while (packet->type == TYPE_TAG || packet->type == TYPE_SERVICE_TAG) {
		if (packet->tag_count == 2)
			return "pass_vlan";
		type_at += 4;
		if (packet->frame.count < type_at + 2)
			return "drop_truncated";
		packet->tag_count++;
		packet->type = model_read16(packet->frame, type_at);
	}
	packet->ip_at = type_at + 2;
	return packet->type == TYPE_IPV4 || packet->type == TYPE_IPV6 ? NULL : "pass_not_ip";
}

static void
read_mapped_address(struct bytes bytes, uint32_t at, uint8_t ret_address[16])
{
	memset(ret_address, 0, 10);
	memset(ret_address + 10, 0xff, 2);
	memcpy(ret_address + 12, model_part(bytes, at, 4).start, 4);
}

static const char *
read_ipv4(struct packet *packet)
{
	uint32_t there = packet->frame.count - packet->ip_at, header_bytes, bytes, flags;
	struct bytes ip = model_part(packet->frame, packet->ip_at, there);

	if (there < 20)
		return "drop_truncated";
	header_bytes = model_read8(ip, 0) % 16 * 4;
	if (model_read8(ip, 0) / 16 != 4 || header_bytes < 20)
		return "drop_bad_header";
	if (there < header_bytes)
		return "drop_truncated";
	bytes = model_read16(ip, 2);
	if (bytes < header_bytes || bytes > there)
		return "drop_bad_length";
	packet->ip = model_part(ip, 0, bytes);
	packet->traffic_class = model_read8(ip, 1);
	packet->ttl = model_read8(ip, 8);
	packet->protocol = model_read8(ip, 9);
	read_mapped_address(ip, 12, packet->source);
	read_mapped_address(ip, 16, packet->destination);
	packet->payload_at = header_bytes;
	packet->has_extras = header_bytes > 20;
	flags = model_read16(ip, 6);
	packet->fragment_offset = flags % 0x2000;
	packet->is_fragment = packet->fragment_offset != 0 || flags / 0x2000 % 2 != 0;
	packet->fragment_id = model_read16(ip, 4);
	packet->fragment_protocol = packet->protocol;
	return NULL;
}

static const char *
read_ipv6(struct packet *packet)
{
	uint32_t there = packet->frame.count - packet->ip_at, payload;
	struct bytes ip = model_part(packet->frame, packet->ip_at, there);

	if (there < 40)
		return "drop_truncated";
	memcpy(packet->source, model_part(ip, 8, 16).start, 16);
	memcpy(packet->destination, model_part(ip, 24, 16).start, 16);
	if (model_read8(ip, 0) / 16 != 6 || model_address_is_ipv4(packet->source) ||
	    model_address_is_ipv4(packet->destination))
		return "drop_bad_header";
	payload = model_read16(ip, 4);
	if (payload > 65495 || 40 + payload > there)
		return "drop_bad_length";
	packet->ip = model_part(ip, 0, 40 + payload);
	packet->is_ipv6 = true;
	packet->traffic_class = model_read16(ip, 0) / 16 % 256;
	packet->ttl = model_read8(ip, 7);
	packet->protocol = model_read8(ip, 6);
	packet->payload_at = 40;
	return NULL;
}

/* --- extension headers --- */

static bool
is_stepped_over(uint32_t protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_DESTINATION ||
	       protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_FRAGMENT ||
	       protocol == PROTOCOL_AH;
}

static bool
is_refused(uint32_t protocol)
{
	return protocol == PROTOCOL_MOBILITY || protocol == PROTOCOL_HIP ||
	       protocol == PROTOCOL_SHIM6;
}

/* @return 0: too little is there to tell. */
static uint32_t
extension_bytes(struct bytes ip, uint32_t at, uint32_t protocol)
{
	if (ip.count - at < 2)
		return 0;
	if (protocol == PROTOCOL_FRAGMENT)
		return 8;
	if (protocol == PROTOCOL_AH)
		return (model_read8(ip, at + 1) + 2) * 4;
	return (model_read8(ip, at + 1) + 1) * 8;
}

/* One header at payload_at. @param count headers before it. @return the verdict on a VIP, or NULL:
 * stepped over. */
static const char *
read_extension(struct packet *packet, uint32_t count, bool *has_fragment_header)
{
	uint32_t at = packet->payload_at, field;
	uint32_t bytes = extension_bytes(packet->ip, at, packet->protocol);

	if (bytes == 0 || bytes > packet->ip.count - at)
		return "drop_truncated";
	if (packet->protocol == PROTOCOL_ROUTING &&
	    (model_read8(packet->ip, at + 2) == 0 || model_read8(packet->ip, at + 3) != 0))
		return "drop_routing_header";
	if ((packet->protocol == PROTOCOL_HOP_BY_HOP && count > 0) ||
	    at + bytes > 40 + EXTENSIONS_BYTES_MAX)
		return "drop_ipv6_extension";
	if (packet->protocol == PROTOCOL_FRAGMENT) {
		if (*has_fragment_header)
			return "drop_ipv6_extension";
		*has_fragment_header = true;
		field = model_read16(packet->ip, at + 2);
		packet->fragment_offset = field / 8;
		packet->is_fragment = field / 8 != 0 || field % 2 != 0;
		packet->fragment_id = model_read32(packet->ip, at + 4);
		packet->fragment_protocol = model_read8(packet->ip, at);
	}
	packet->protocol = model_read8(packet->ip, at);
	packet->payload_at = at + bytes;
	packet->has_extras = true;
	return NULL;
}

/* @return the verdict on a VIP, or NULL: protocol and payload_at are behind all of them. */
static const char *
read_extensions(struct packet *packet)
{
	uint32_t count = 0;
	bool has_fragment_header = false;

	while (packet->fragment_offset == 0 &&
	       (is_stepped_over(packet->protocol) || is_refused(packet->protocol))) {
		const char *verdict;

		if (is_refused(packet->protocol) || count == EXTENSIONS_MAX)
			return "drop_ipv6_extension";
		verdict = read_extension(packet, count, &has_fragment_header);
		if (verdict != NULL)
			return verdict;
		count++;
	}
	return NULL;
}

/* --- layer 4 --- */

static void
set_flow(struct packet *packet, uint32_t source_port, uint32_t destination_port)
{
	memcpy(packet->flow.source, packet->source, 16);
	memcpy(packet->flow.destination, packet->destination, 16);
	packet->flow.source_port = source_port;
	packet->flow.destination_port = destination_port;
	packet->flow.protocol = packet->protocol;
}

/* The flow that a quoted packet would be answered by: what the VIP sent, the other way round.
 * @param headers where the quoted packet's ports are
 * @param bytes how long the quoted packet says it was */
static bool
read_quoted_flow(struct packet *packet, struct bytes quote, uint32_t headers, uint32_t bytes)
{
	if (packet->flow.protocol != PROTOCOL_TCP && packet->flow.protocol != PROTOCOL_UDP)
		return false;
	if (headers + 8 > quote.count || headers + 8 > bytes)
		return false;
	packet->flow.destination_port = model_read16(quote, headers);
	packet->flow.source_port = model_read16(quote, headers + 2);
	return model_address_equal(packet->flow.destination, packet->destination);
}

static bool
read_quote_ipv4(struct packet *packet, struct bytes quote)
{
	uint32_t header_bytes;

	if (quote.count < 20)
		return false;
	header_bytes = model_read8(quote, 0) % 16 * 4;
	if (model_read8(quote, 0) / 16 != 4 || header_bytes < 20)
		return false;
	if (model_read16(quote, 6) % 0x2000 != 0)
		return false;
	packet->flow.protocol = model_read8(quote, 9);
	read_mapped_address(quote, 12, packet->flow.destination);
	read_mapped_address(quote, 16, packet->flow.source);
	return read_quoted_flow(packet, quote, header_bytes, model_read16(quote, 2));
}

static bool
read_quote_ipv6(struct packet *packet, struct bytes quote)
{
	uint32_t headers = 40;

	if (quote.count < 40 || model_read8(quote, 0) / 16 != 6)
		return false;
	packet->flow.protocol = model_read8(quote, 6);
	memcpy(packet->flow.destination, model_part(quote, 8, 16).start, 16);
	memcpy(packet->flow.source, model_part(quote, 24, 16).start, 16);
	if (packet->flow.protocol == PROTOCOL_FRAGMENT) {
		if (quote.count < 48 || model_read16(quote, 42) / 8 != 0)
			return false;
		packet->flow.protocol = model_read8(quote, 40);
		headers = 48;
	}
	return read_quoted_flow(packet, quote, headers, 40 + model_read16(quote, 4));
}

static bool
is_error(const struct packet *packet, uint32_t type)
{
	if (packet->is_ipv6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 11 || type == 12;
}

static bool
is_neighbour_discovery(const struct packet *packet, uint32_t type)
{
	return packet->is_ipv6 && ((type >= 130 && type <= 137) || type == 143);
}

static const char *
read_icmp(struct packet *packet)
{
	uint32_t bytes = packet->ip.count - packet->payload_at, type;
	struct bytes icmp = model_part(packet->ip, packet->payload_at, bytes), quote;
	bool quotes_flow;

	packet->sort = SORT_OTHER;
	if (bytes < 8)
		return "drop_truncated";
	type = model_read8(icmp, 0);
	if (type == (packet->is_ipv6 ? 128 : 8) && model_read8(icmp, 1) == 0) {
		packet->sort = SORT_ECHO;
		set_flow(packet, model_read16(icmp, 4), 0);
		return NULL;
	}
	if (is_error(packet, type)) {
		quote = model_part(icmp, 8, bytes - 8);
		quotes_flow = packet->is_ipv6 ? read_quote_ipv6(packet, quote)
					      : read_quote_ipv4(packet, quote);
		if (!quotes_flow)
			return "drop_icmp_quote";
		packet->sort = SORT_ERROR;
		return NULL;
	}
	return is_neighbour_discovery(packet, type) ? "pass_icmp" : "drop_icmp";
}

static const char *
read_ports(struct packet *packet)
{
	uint32_t bytes = packet->ip.count - packet->payload_at;

	if (packet->fragment_offset != 0) {
		packet->sort = SORT_LATER;
		set_flow(packet, 0, 0);
		return NULL;
	}
	packet->sort = SORT_OTHER;
	if (bytes < (packet->protocol == PROTOCOL_TCP ? 20 : 8))
		return "drop_truncated";
	packet->sort = SORT_FLOW;
	set_flow(packet, model_read16(packet->ip, packet->payload_at),
		 model_read16(packet->ip, packet->payload_at + 2));
	return NULL;
}

/* Sets packet->sort. @return the verdict on a VIP for SORT_OTHER */
static const char *
read_layer4(struct packet *packet)
{
	if (packet->protocol == PROTOCOL_TCP || packet->protocol == PROTOCOL_UDP)
		return read_ports(packet);
	if (packet->protocol == (packet->is_ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP)) {
		if (!packet->is_fragment)
			return read_icmp(packet);
		packet->sort = SORT_ICMP_FRAGMENT;
		return NULL;
	}
	packet->sort = SORT_OTHER;
	return "pass_protocol";
}

const char *
model_read(struct bytes frame, struct packet *ret_packet)
{
	const char *verdict;

	memset(ret_packet, 0, sizeof *ret_packet);
	ret_packet->frame = frame;
	verdict = read_ethernet(ret_packet);
	if (verdict == NULL)
		verdict = ret_packet->type == TYPE_IPV6 ? read_ipv6(ret_packet)
							: read_ipv4(ret_packet);
	if (verdict != NULL)
		return verdict;
	ret_packet->sort = SORT_OTHER;
	if (ret_packet->is_ipv6)
		ret_packet->other_verdict = read_extensions(ret_packet);
	if (ret_packet->other_verdict == NULL)
		ret_packet->other_verdict = read_layer4(ret_packet);
	return NULL;
}
