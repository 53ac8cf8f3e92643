/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What leaves: docs/formats.md section 6, and of section 7 the two answers.
 *
 * Readings where the text leaves room: an echo answer keeps what the frame had behind the packet,
 * and its tags as any frame that leaves (those of the port it leaves by, where that sets them).
 * Its ICMP checksum over IPv4 is never 0x0000: RFC 1624 makes 0x0000 and 0xffff, which are both
 * zero in one's complement, the same; 0xffff is right wherever 0x0000 is, and where all of the
 * answer is zeros it alone is. ICMPv6 has addresses in its sum: there 0x0000 stays.
 */
#include <string.h>

#include "packet_model_parts.h"

static void
put_tag(struct model_result *result, uint32_t type, uint32_t tag)
{
	model_put16(result, type);
	model_put16(result, tag);
}

/* Both MACs and the tags of a frame that leaves by that port. */
static void
put_ethernet(const struct sending *sending, const uint8_t *destination_mac, uint32_t out_port)
{
	const struct model_port *port = &sending->state->ports[out_port];
	const struct packet *packet = sending->packet;
	struct model_result *result = sending->result;

	result->out_port = out_port;
	result->out_bytes = 0;
	model_put(result, (struct bytes){ destination_mac, 6 });
	model_put(result, (struct bytes){ port->mac, 6 });
	switch (port->vlan) {
	case MODEL_VLAN_KEEP:
		model_put(result, model_part(packet->frame, 12, 4 * packet->tag_count));
		break;
	case MODEL_VLAN_NONE:
		break;
	case MODEL_VLAN_ONE:
		put_tag(result, TYPE_TAG, port->tags[0]);
		break;
	case MODEL_VLAN_TWO:
		put_tag(result, TYPE_SERVICE_TAG, port->tags[0]);
		put_tag(result, TYPE_TAG, port->tags[1]);
		break;
	}
}

/* The fields of an IP header that differ; the rest is always the same. */
struct header {
	bool is_ipv6;
	uint32_t traffic_class, flow_label; /* flow label: IPv6 */
	uint32_t payload_bytes;
	uint32_t protocol;
	uint8_t source[16], destination[16];
};

static void
put_ipv4_header(struct model_result *result, const struct header *header)
{
	uint32_t at = result->out_bytes, sum;

	model_put8(result, 0x45);
	model_put8(result, header->traffic_class);
	model_put16(result, 20 + header->payload_bytes);
	model_put16(result, 0);	     /* id */
	model_put16(result, 0x4000); /* DF */
	model_put8(result, 64);
	model_put8(result, header->protocol);
	model_put16(result, 0); /* the checksum, until all else is there */
	model_put(result, (struct bytes){ header->source + 12, 4 });
	model_put(result, (struct bytes){ header->destination + 12, 4 });
	sum = model_sum16((struct bytes){ result->out + at, 20 }, 0);
	model_patch16(result, at + 10, 0xffff - sum);
}

static void
put_ip_header(struct model_result *result, const struct header *header)
{
	if (!header->is_ipv6) {
		put_ipv4_header(result, header);
		return;
	}
	model_put32(result,
		    UINT32_C(0x60000000) | header->traffic_class << 20 | header->flow_label);
	model_put16(result, header->payload_bytes);
	model_put8(result, header->protocol);
	model_put8(result, 64);
	model_put(result, (struct bytes){ header->source, 16 });
	model_put(result, (struct bytes){ header->destination, 16 });
}

/* --- to a backend --- */

uint32_t
model_outer_bytes(enum model_mode mode, const struct model_backend *backend)
{
	uint32_t ip = model_address_is_ipv4(backend->address) ? 20 : 40;

	switch (mode) {
	case MODEL_IPIP:
		return ip;
	case MODEL_GUE:
		return ip + 8;
	case MODEL_L2DSR:
		break;
	}
	return 0;
}

/* The host bits of the prefix become those of the flow hash from bit 32 up, 32 at most. */
static void
set_entropy_source(const struct model_source *source, uint64_t flow_hash, uint8_t ret_address[16])
{
	uint32_t host_bits = 128 - source->entropy_bits;

	memcpy(ret_address, source->entropy, 16);
	for (uint32_t i = 0; i < host_bits && i < 32; i++)
		if ((flow_hash >> (32 + i) & 1) != 0)
			ret_address[15 - i / 8] |= (uint8_t)(1u << i % 8);
}

/* As received, but with a TTL or hop limit 1 less. */
static void
put_inner(const struct sending *sending)
{
	struct bytes ip = sending->packet->ip;
	struct model_result *result = sending->result;
	uint32_t at = result->out_bytes, checksum;

	model_put(result, ip);
	if (sending->packet->is_ipv6) {
		model_patch16(result, at + 6, model_read16(ip, 6) - 1);
		return;
	}
	checksum = model_checksum_adjusted(model_read16(ip, 10), model_read16(ip, 8),
					   model_read16(ip, 8) - 0x100);
	model_patch16(result, at + 8, model_read16(ip, 8) - 0x100);
	model_patch16(result, at + 10, checksum);
}

static void
put_outer(const struct sending *sending, enum model_mode mode, const struct model_backend *backend)
{
	const struct packet *packet = sending->packet;
	struct model_result *result = sending->result;
	bool is_ipv6 = !model_address_is_ipv4(backend->address);
	const struct model_source *source =
		is_ipv6 ? &sending->state->source6 : &sending->state->source4;
	struct header header = {
		.is_ipv6 = is_ipv6,
		.traffic_class = packet->traffic_class,
		.flow_label = (uint32_t)(result->flow_hash >> 44),
		.payload_bytes = packet->ip.count + (mode == MODEL_GUE ? 8 : 0),
		.protocol = packet->is_ipv6 ? PROTOCOL_IPV6 : PROTOCOL_IPV4,
	};

	memcpy(header.source, source->address, 16);
	memcpy(header.destination, backend->address, 16);
	if (mode == MODEL_GUE)
		header.protocol = PROTOCOL_UDP;
	else if (source->has_entropy)
		set_entropy_source(source, result->flow_hash, header.source);
	model_put16(result, is_ipv6 ? TYPE_IPV6 : TYPE_IPV4);
	put_ip_header(result, &header);
	if (mode == MODEL_GUE) {
		model_put16(result, 49152 + (uint32_t)(result->flow_hash >> 32) % 16384);
		model_put16(result, GUE_PORT);
		model_put16(result, packet->ip.count + 8);
		model_put16(result, 0);
	}
}

void
model_send_forward(const struct sending *sending, enum model_mode mode,
		   const struct model_backend *backend)
{
	const struct packet *packet = sending->packet;

	put_ethernet(sending, backend->mac, backend->port);
	if (mode == MODEL_L2DSR) {
		model_put16(sending->result, packet->type);
		model_put(sending->result, model_part(packet->frame, packet->ip_at,
						      packet->frame.count - packet->ip_at));
		return;
	}
	put_outer(sending, mode, backend);
	put_inner(sending);
}

/* --- back to the sender --- */

static void
exchange(uint8_t *a, uint8_t *b, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

void
model_send_echo_answer(const struct sending *sending)
{
	const struct packet *packet = sending->packet;
	struct model_result *result = sending->result;
	struct bytes icmp = model_part(packet->ip, packet->payload_at, 8);
	uint32_t ip_at, was, is, type_was, type_is, checksum;

	put_ethernet(sending, packet->frame.start + 6, sending->in_port);
	model_put16(result, packet->type);
	ip_at = result->out_bytes;
	model_put(result,
		  model_part(packet->frame, packet->ip_at, packet->frame.count - packet->ip_at));
	if (packet->is_ipv6) {
		exchange(result->out + ip_at + 8, result->out + ip_at + 24, 16);
		model_patch16(result, ip_at + 6, PROTOCOL_ICMPV6 * 256 + 64);
	} else {
		exchange(result->out + ip_at + 12, result->out + ip_at + 16, 4);
		was = model_read16(packet->ip, 8);
		is = 64 * 256 + was % 256;
		model_patch16(result, ip_at + 8, is);
		model_patch16(result, ip_at + 10,
			      model_checksum_adjusted(model_read16(packet->ip, 10), was, is));
	}
	type_was = model_read16(icmp, 0);
	type_is = packet->is_ipv6 ? 129 * 256 : 0;
	checksum = model_checksum_adjusted(model_read16(icmp, 2), type_was, type_is);
	if (checksum == 0 && !packet->is_ipv6)
		checksum = 0xffff;
	model_patch16(result, ip_at + packet->payload_at, type_is);
	model_patch16(result, ip_at + packet->payload_at + 2, checksum);
}

/* Type, code, checksum, MTU, quote; for ICMPv6 the checksum covers a pseudo-header (RFC 8200). */
static void
put_too_big(struct model_result *result, const struct header *header, uint32_t mtu,
	    struct bytes quote)
{
	uint32_t at = result->out_bytes, sum = 0;

	model_put16(result, header->is_ipv6 ? 0x0200 : 0x0304);
	model_put16(result, 0);
	model_put32(result, mtu);
	model_put(result, quote);
	if (header->is_ipv6) {
		sum = model_sum16((struct bytes){ header->source, 16 }, 0);
		sum = model_sum16((struct bytes){ header->destination, 16 }, sum);
		sum = model_sum16((struct bytes){ (const uint8_t[]){ 0, PROTOCOL_ICMPV6 }, 2 },
				  sum);
		sum = model_sum16(
			(struct bytes){ (const uint8_t[]){ (uint8_t)(header->payload_bytes / 256),
							   (uint8_t)header->payload_bytes },
					2 },
			sum);
	}
	sum = model_sum16((struct bytes){ result->out + at, result->out_bytes - at }, sum);
	model_patch16(result, at + 2, 0xffff - sum);
}

void
model_send_too_big(const struct sending *sending, uint32_t mtu)
{
	const struct packet *packet = sending->packet;
	struct model_result *result = sending->result;
	uint32_t quote_bytes = packet->ip.count < QUOTE_BYTES ? packet->ip.count : QUOTE_BYTES;
	struct header header = {
		.is_ipv6 = packet->is_ipv6,
		.payload_bytes = 8 + quote_bytes,
		.protocol = packet->is_ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP,
	};

	memcpy(header.source, packet->destination, 16);
	memcpy(header.destination, packet->source, 16);
	put_ethernet(sending, packet->frame.start + 6, sending->in_port);
	model_put16(result, packet->type);
	put_ip_header(result, &header);
	put_too_big(result, &header, mtu, model_part(packet->ip, 0, quote_bytes));
}
