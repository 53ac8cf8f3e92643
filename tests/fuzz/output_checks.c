/* SPDX-License-Identifier: BSD-2-Clause */
#include "output_checks.h"

#include <string.h>

#include "../frames.h"

enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_TAG = 0x8100, TYPE_QINQ = 0x88a8 };
enum { GUE_PORT = 6080, GUE_SOURCE_MIN = 49152, QUOTE_BYTES = 128, ICMP_BYTES = 8 };

bool
layers_read(const uint8_t *frame, uint32_t bytes, struct layers *ret_layers)
{
	struct layers layers = { .frame = frame, .bytes = bytes };
	uint32_t at = 12, type;

	if (bytes < 14)
		return false;
	type = frame_get16(frame + at);
	while (layers.tag_count < 2 && (type == TYPE_TAG || type == TYPE_QINQ)) {
		layers.tag_count++;
		at += 4;
		if (bytes < at + 2)
			return false;
		type = frame_get16(frame + at);
	}
	at += 2;
	layers.ip = frame + at;
	layers.ip_bytes = bytes - at;
	layers.is_ipv6 = type == TYPE_IPV6;
	if ((type != TYPE_IPV4 && type != TYPE_IPV6) ||
	    layers.ip_bytes < (layers.is_ipv6 ? 40u : 20u))
		return false;
	*ret_layers = layers;
	return layers_packet_bytes(&layers) <= layers.ip_bytes;
}

uint32_t
layers_packet_bytes(const struct layers *layers)
{
	return layers->is_ipv6 ? 40 + frame_get16(layers->ip + 4) : frame_get16(layers->ip + 2);
}

/* An address of the IP header, IPv4 as IPv4-mapped. @param at 0: source, 1: destination. */
static void
get_address(const uint8_t *ip, bool is_ipv6, uint32_t at, uint8_t ret_address[16])
{
	memset(ret_address, 0, 10);
	memset(ret_address + 10, 0xff, 2);
	if (is_ipv6)
		memcpy(ret_address, ip + 8 + 16 * at, 16);
	else
		memcpy(ret_address + 12, ip + 12 + 4 * at, 4);
}

static bool
is_in_prefix(const uint8_t address[16], const uint8_t prefix[16], uint32_t bits)
{
	uint32_t whole = bits / 8, rest = bits % 8;

	return memcmp(address, prefix, whole) == 0 &&
	       (rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

static bool
is_vip_address(const struct packet_world_model *world, const uint8_t address[16])
{
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++)
		if (is_in_prefix(address, world->vips[i].address, world->vips[i].prefix_bits))
			return true;
	return false;
}

static bool
is_own_source(const struct packet_world_model *world, const uint8_t address[16], bool may_vary)
{
	const struct model_source *const sources[] = { &world->state.source4,
						       &world->state.source6 };

	for (uint32_t i = 0; i < 2; i++)
		if (memcmp(address, sources[i]->address, 16) == 0 ||
		    (may_vary &&
		     is_in_prefix(address, sources[i]->entropy, sources[i]->entropy_bits)))
			return true;
	return false;
}

/* Is it a live backend of a VIP that has the address and goes that way? It has a weight, unless
 * rows remember: flows stay with a backend that gets no new ones. */
static bool
is_backend(const struct packet_world_model *world, const uint8_t vip_address[16],
	   const uint8_t backend[16], enum model_mode mode)
{
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++) {
		const struct model_vip *vip = &world->vips[i];

		if (vip->mode != mode || !is_in_prefix(vip_address, vip->address, vip->prefix_bits))
			continue;
		for (uint32_t b = 0; b < vip->backend_count; b++)
			if (vip->backends[b].live &&
			    (vip->backends[b].weight > 0 || world->state.row_count > 0) &&
			    memcmp(vip->backends[b].address, backend, 16) == 0)
				return true;
	}
	return false;
}

/* The port's own MAC and tags; those of the frame that came where the port keeps them. */
static void
check_l2(const struct output *output, const struct layers *in, const struct layers *out)
{
	const struct model_port *port = &output->world->state.ports[output->out_port];
	const uint8_t *tags = output->out + 12;

	REQUIRE(memcmp(output->out + 6, port->mac, 6) == 0);
	switch (port->vlan) {
	case MODEL_VLAN_KEEP:
		REQUIRE(out->tag_count == in->tag_count);
		REQUIRE(memcmp(tags, output->in + 12, 4 * in->tag_count) == 0);
		break;
	case MODEL_VLAN_NONE:
		REQUIRE(out->tag_count == 0);
		break;
	case MODEL_VLAN_ONE:
		REQUIRE(out->tag_count == 1 && frame_get16(tags) == TYPE_TAG);
		REQUIRE(frame_get16(tags + 2) == port->tags[0]);
		break;
	case MODEL_VLAN_TWO:
		REQUIRE(out->tag_count == 2 && frame_get16(tags) == TYPE_QINQ);
		REQUIRE(frame_get16(tags + 2) == port->tags[0]);
		REQUIRE(frame_get16(tags + 4) == TYPE_TAG);
		REQUIRE(frame_get16(tags + 6) == port->tags[1]);
		break;
	}
}

static bool
is_gateway_of(const struct packet_world_model *world, const uint8_t *mac, uint32_t port)
{
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++)
		for (uint32_t b = 0; b < world->vips[i].backend_count; b++)
			if (world->backends[i][b].reachable && world->backends[i][b].port == port &&
			    memcmp(world->backends[i][b].mac, mac, 6) == 0)
				return true;
	return false;
}

/* One router passed: TTL one less, its checksum adjusted, all else as it came. */
static void
check_inner(const struct layers *in, const uint8_t *inner)
{
	uint32_t bytes = layers_packet_bytes(in), ttl_at = in->is_ipv6 ? 7 : 8;
	uint32_t header_bytes = (in->ip[0] & 15u) * 4;

	REQUIRE(in->ip[ttl_at] >= 2 && inner[ttl_at] == in->ip[ttl_at] - 1);
	if (in->is_ipv6) {
		REQUIRE(memcmp(inner, in->ip, 7) == 0);
		REQUIRE(memcmp(inner + 8, in->ip + 8, bytes - 8) == 0);
		return;
	}
	REQUIRE(memcmp(inner, in->ip, 8) == 0 && inner[9] == in->ip[9]);
	REQUIRE(memcmp(inner + 12, in->ip + 12, bytes - 12) == 0);
	/* what was right is right again, as if it were summed in full; what was not is not */
	REQUIRE((frame_checksum(in->ip, header_bytes) == 0) ==
		(frame_checksum(inner, header_bytes) == 0));
}

/* @return bytes of the outer headers. */
static uint32_t
check_outer(const struct output *output, const struct layers *in, const struct layers *out)
{
	uint32_t ip_bytes = out->is_ipv6 ? 40 : 20, inner_bytes = layers_packet_bytes(in);
	uint32_t protocol = out->ip[out->is_ipv6 ? 6 : 9], outer_bytes = ip_bytes;
	const uint8_t *udp = out->ip + ip_bytes;
	uint8_t source[16], backend[16], vip[16];

	get_address(out->ip, out->is_ipv6, 0, source);
	get_address(out->ip, out->is_ipv6, 1, backend);
	get_address(in->ip, in->is_ipv6, 1, vip);
	if (protocol == 17) {
		outer_bytes += 8;
		REQUIRE(out->ip_bytes >= outer_bytes);
		REQUIRE(frame_get16(udp) >= GUE_SOURCE_MIN && frame_get16(udp + 2) == GUE_PORT);
		REQUIRE(frame_get16(udp + 4) == 8 + inner_bytes && frame_get16(udp + 6) == 0);
	} else {
		REQUIRE(protocol == (in->is_ipv6 ? 41 : 4));
	}
	REQUIRE(layers_packet_bytes(out) == outer_bytes + inner_bytes);
	REQUIRE(out->ip_bytes == outer_bytes + inner_bytes);
	REQUIRE(outer_bytes + inner_bytes <= output->world->state.ports[output->out_port].mtu);
	if (out->is_ipv6) {
		REQUIRE(out->ip[0] >> 4 == 6 && out->ip[7] == 64);
	} else {
		REQUIRE(out->ip[0] == 0x45 && out->ip[8] == 64);
		REQUIRE(frame_get16(out->ip + 4) == 0 && frame_get16(out->ip + 6) == 0x4000);
		REQUIRE(frame_checksum(out->ip, 20) == 0);
	}
	REQUIRE(is_own_source(output->world, source, protocol != 17));
	REQUIRE(is_backend(output->world, vip, backend, protocol == 17 ? MODEL_GUE : MODEL_IPIP));
	REQUIRE(!is_vip_address(output->world, backend));
	REQUIRE(!is_own_source(output->world, backend, true));
	return outer_bytes;
}

bool
output_check_forward(const struct output *output)
{
	struct layers in, out;
	uint32_t in_class, out_class;

	REQUIRE(layers_read(output->in, output->in_bytes, &in));
	REQUIRE(layers_read(output->out, output->out_bytes, &out));
	check_l2(output, &in, &out);
	REQUIRE(is_gateway_of(output->world, output->out, output->out_port));
	/* as it came, or behind something of ours; a frame that is neither is caught below */
	if (out.ip_bytes == in.ip_bytes && memcmp(out.ip, in.ip, in.ip_bytes) == 0) {
		REQUIRE(in.ip[in.is_ipv6 ? 7 : 8] > 0);
		REQUIRE(layers_packet_bytes(&in) <=
			output->world->state.ports[output->out_port].mtu);
		return false;
	}
	check_inner(&in, out.ip + check_outer(output, &in, &out));
	in_class = in.is_ipv6 ? frame_get16(in.ip) >> 4 & 255 : in.ip[1];
	out_class = out.is_ipv6 ? frame_get16(out.ip) >> 4 & 255 : out.ip[1];
	REQUIRE(in_class == out_class);
	return true;
}

/* To whom it came from, from whom it was for. */
static void
check_back(const struct output *output, const struct layers *in, const struct layers *out)
{
	uint8_t from[16], to[16];

	check_l2(output, in, out);
	REQUIRE(output->out_port == output->in_port);
	REQUIRE(memcmp(output->out, output->in + 6, 6) == 0);
	REQUIRE(out->is_ipv6 == in->is_ipv6 && out->ip[out->is_ipv6 ? 7 : 8] == 64);
	get_address(in->ip, in->is_ipv6, 0, to);
	get_address(out->ip, out->is_ipv6, 1, from);
	REQUIRE(memcmp(from, to, 16) == 0);
	get_address(in->ip, in->is_ipv6, 1, from);
	get_address(out->ip, out->is_ipv6, 0, to);
	REQUIRE(memcmp(from, to, 16) == 0);
	REQUIRE(is_vip_address(output->world, from));
}

/* Of an ICMP message, with the pseudo header where there is one; 0: right. */
static uint16_t
icmp_checksum(const struct layers *layers, uint32_t header_bytes)
{
	static uint8_t bytes[40 + 65536];
	uint32_t count = layers_packet_bytes(layers) - header_bytes, at = 0;

	if (layers->is_ipv6) {
		memcpy(bytes, layers->ip + 8, 32);
		frame_put16(bytes + 32, 0);
		frame_put16(bytes + 34, count);
		frame_put16(bytes + 36, 0);
		frame_put16(bytes + 38, 58);
		at = 40;
	}
	memcpy(bytes + at, layers->ip + header_bytes, count);
	bytes[at + count] = 0;
	return frame_checksum(bytes, at + count + count % 2);
}

void
output_check_echo(const struct output *output)
{
	struct layers in, out;
	uint32_t header_bytes;

	REQUIRE(layers_read(output->in, output->in_bytes, &in));
	REQUIRE(layers_read(output->out, output->out_bytes, &out));
	header_bytes = in.is_ipv6 ? 40 : 20;
	check_back(output, &in, &out);
	REQUIRE(out.ip_bytes == in.ip_bytes); /* so not longer than what was asked */
	REQUIRE(layers_packet_bytes(&out) == layers_packet_bytes(&in));
	REQUIRE(out.ip[header_bytes] == (in.is_ipv6 ? 129 : 0) && out.ip[header_bytes + 1] == 0);
	REQUIRE(memcmp(out.ip, in.ip, in.is_ipv6 ? 7 : 8) == 0);
	REQUIRE(memcmp(out.ip + header_bytes + 4, in.ip + header_bytes + 4,
		       in.ip_bytes - header_bytes - 4) == 0);
	if (!in.is_ipv6)
		REQUIRE((frame_checksum(in.ip, 20) == 0) == (frame_checksum(out.ip, 20) == 0));
	REQUIRE((icmp_checksum(&in, header_bytes) == 0) ==
		(icmp_checksum(&out, header_bytes) == 0));
}

void
output_check_too_big(const struct output *output)
{
	struct layers in, out;
	uint32_t header_bytes, mtu;
	const uint8_t *icmp;

	REQUIRE(layers_read(output->in, output->in_bytes, &in));
	REQUIRE(layers_read(output->out, output->out_bytes, &out));
	header_bytes = in.is_ipv6 ? 40 : 20;
	check_back(output, &in, &out);
	REQUIRE(out.ip_bytes == header_bytes + ICMP_BYTES + QUOTE_BYTES);
	REQUIRE(layers_packet_bytes(&out) == out.ip_bytes);
	REQUIRE(out.ip_bytes < layers_packet_bytes(&in)); /* fewer than came, always */
	icmp = out.ip + header_bytes;
	mtu = frame_get16(icmp + 4) << 16 | frame_get16(icmp + 6);
	REQUIRE(mtu < layers_packet_bytes(&in) && mtu >= (in.is_ipv6 ? 1280u : 68u));
	if (in.is_ipv6)
		REQUIRE(out.ip[6] == 58 && icmp[0] == 2 && icmp[1] == 0);
	else
		REQUIRE(out.ip[0] == 0x45 && out.ip[9] == 1 && frame_checksum(out.ip, 20) == 0 &&
			icmp[0] == 3 && icmp[1] == 4);
	REQUIRE(icmp_checksum(&out, header_bytes) == 0);
	REQUIRE(memcmp(icmp + ICMP_BYTES, in.ip, QUOTE_BYTES) == 0);
}
