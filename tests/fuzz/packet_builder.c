/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames are written from front to back; lengths are patched in when all is there, and then made
 * wrong by a little in some. Few clients, ports and fragment ids, so that frames of one input meet.
 */
#include <string.h>

#include "packet_builder.h"
#include "packet_world.h"

enum {
	FRAGMENT_IDS = 4,
	EXTENSIONS_MAX = 8, /* one more than two too many */
	TAIL_BYTES = 32,    /* of options, tails and quotes beyond what is needed */
	ROW_TARGETS = 4,
};

/* --- bytes --- */

/* What does not fit is left out: the frame ends early, as some do. */
static void
put8(struct frame *frame, uint32_t value)
{
	if (frame->count < PACKET_FRAME_BYTES_MAX)
		frame->bytes[frame->count++] = (uint8_t)value;
}

static void
put16(struct frame *frame, uint32_t value)
{
	put8(frame, value >> 8);
	put8(frame, value);
}

static void
put32(struct frame *frame, uint32_t value)
{
	put16(frame, value >> 16);
	put16(frame, value);
}

static void
put_bytes(struct frame *frame, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		put8(frame, bytes[i]);
}

static void
put_random(struct random *random, struct frame *frame, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		put8(frame, random_below(random, 256));
}

static void
set16(struct frame *frame, uint32_t at, uint32_t value)
{
	if (at + 2 > frame->count)
		return;
	frame->bytes[at] = (uint8_t)(value >> 8);
	frame->bytes[at + 1] = (uint8_t)value;
}

static void
set8(struct frame *frame, uint32_t at, uint32_t value)
{
	if (at < frame->count)
		frame->bytes[at] = (uint8_t)value;
}

static uint32_t
get16(const struct frame *frame, uint32_t at)
{
	return at + 2 > frame->count ? 0 : (uint32_t)frame->bytes[at] << 8 | frame->bytes[at + 1];
}

/* --- what a packet is about --- */

void
frame_spec_random(struct random *random, struct frame_spec *ret_spec)
{
	static const uint8_t shapes[] = {
		FRAME_FLOW,  FRAME_FLOW,     FRAME_FLOW,   FRAME_FLOW,	  FRAME_ECHO,  FRAME_ECHO,
		FRAME_ERROR, FRAME_ERROR,    FRAME_ERROR,  FRAME_ICMP,	  FRAME_FIRST, FRAME_FIRST,
		FRAME_LATER, FRAME_FRAGMENT, FRAME_TUNNEL, FRAME_PROTOCOL
	};
	uint32_t at = random_below(random, PACKET_WORLD_VIP_COUNT);
	const struct packet_world_vip *vip = &packet_world_vips[at];

	*ret_spec = (struct frame_spec){ .vip = at };
	ret_spec->shape = RANDOM_OF(random, shapes);
	if (random_chance(random, 64))
		ret_spec->shape = FRAME_NOT_IP;
	ret_spec->is_ipv6 = strchr(vip->address, ':') != NULL;
	dictionary_address_of(random, vip->address, ret_spec->destination);
	if (random_chance(random, 16))
		ret_spec->destination[0] ^= 1; /* nobody's */
	dictionary_source(random, ret_spec->is_ipv6, ret_spec->source);
	if (random_chance(random, 64))
		memcpy(ret_spec->source, ret_spec->destination, 16);
	ret_spec->protocol = vip->protocol;
	ret_spec->destination_port = vip->port_first;
	if (random_chance(random, 4))
		ret_spec->destination_port = vip->port_last;
	if (random_chance(random, 4))
		ret_spec->destination_port = dictionary_port(random);
	ret_spec->source_port = (uint16_t)(40000 + random_below(random, ROW_TARGETS));
	if (random_chance(random, 4))
		ret_spec->source_port = (uint16_t)random_below(random, 65536);
	ret_spec->fragment_id = random_below(random, FRAGMENT_IDS) * 0x10001;
}

/* --- layer 4 --- */

/* Such that packets fit or just do not: in front of the ways out there are 1300 to 1500 bytes. */
static uint32_t
random_payload(struct random *random, uint32_t headers)
{
	static const uint16_t mtus[] = { 1280, 1300, 1400, 1500 };
	static const uint8_t outers[] = { 0, 20, 28, 40, 48 };
	uint32_t bytes;

	if (!random_chance(random, 5))
		return random_below(random, 3) * random_below(random, TAIL_BYTES);
	bytes = (uint32_t)RANDOM_OF(random, mtus) - RANDOM_OF(random, outers);
	bytes += random_below(random, 3);
	return bytes - 1 > headers ? bytes - 1 - headers : 0;
}

static void
put_flow(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	uint32_t ip_bytes = spec->is_ipv6 ? 40 : 20;
	uint32_t payload;

	put16(frame, spec->source_port);
	put16(frame, spec->destination_port);
	if (spec->protocol == 6) {
		payload = random_payload(random, ip_bytes + 20);
		put32(frame, random_below(random, 65536));
		put32(frame, 0);
		put16(frame, 0x5000 | (1u << random_below(random, 6)));
		put16(frame, 65535);
		put32(frame, 0); /* checksum, urgent */
	} else {
		payload = random_payload(random, ip_bytes + 8);
		put16(frame, 8 + payload);
		put16(frame, random_below(random, 65536));
	}
	for (uint32_t i = 0; i < payload; i++)
		put8(frame, 'a' + i % 26);
}

static void
put_echo(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	uint32_t payload = random_payload(random, spec->is_ipv6 ? 48 : 28);

	put8(frame, spec->is_ipv6 ? 128 : 8);
	put8(frame, random_chance(random, 16) ? 1 : 0);
	put16(frame, random_below(random, 65536));
	put16(frame, spec->source_port); /* identifier */
	put16(frame, random_below(random, 65536));
	put_random(random, frame, payload);
}

/* The IP header of what a VIP sent to a client. @return where the quote begins */
static uint32_t
put_quoted_ip(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	uint32_t at = frame->count, options = 0, length = 20 + random_below(random, 1400);
	uint32_t protocol = random_chance(random, 16) ? random_below(random, 64) : spec->protocol;

	if (random_chance(random, 8))
		length = random_below(random, 60); /* too short for what is there */
	if (spec->is_ipv6) {
		bool has_fragment = random_chance(random, 4);

		put32(frame, UINT32_C(0x60000000));
		put16(frame, length);
		put8(frame, has_fragment ? 44 : protocol);
		put8(frame, 63);
		put_bytes(frame, spec->destination, 16);
		put_bytes(frame, spec->source, 16);
		if (has_fragment) {
			put16(frame, protocol << 8);
			put16(frame, random_chance(random, 4) ? 8 : random_below(random, 2));
			put32(frame, spec->fragment_id);
		}
		return at;
	}
	if (random_chance(random, 4))
		options = random_below(random, 11);
	put16(frame, (0x45 + options) << 8);
	put16(frame, length + 4 * options);
	put16(frame, spec->fragment_id);
	put16(frame, random_chance(random, 4) ? 0x2000 + random_below(random, 2) : 0x4000);
	put16(frame, 63u << 8 | (protocol & 255));
	put16(frame, random_below(random, 65536));
	put_bytes(frame, spec->destination, 4);
	put_bytes(frame, spec->source, 4);
	for (uint32_t i = 0; i < options; i++)
		put32(frame, 0x01010101);
	return at;
}

static void
put_error(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	static const uint8_t types4[] = { 3, 3, 11, 12 };
	uint32_t quote_at, behind = random_chance(random, 4) ? random_below(random, 10) : 8;

	put8(frame, spec->is_ipv6 ? 1 + random_below(random, 4) : RANDOM_OF(random, types4));
	put8(frame, random_below(random, 5));
	put16(frame, random_below(random, 65536));
	put32(frame, 1400);
	quote_at = put_quoted_ip(random, spec, frame);
	if (random_chance(random, 16) && quote_at < frame->count)
		frame->bytes[quote_at] ^= (uint8_t)(1u << random_below(random, 8));
	if (random_chance(random, 16) && quote_at + 20 < frame->count)
		frame->bytes[quote_at + 12] ^= 1; /* another's address */
	if (behind == 8 && random_chance(random, 2))
		behind = random_payload(random, 100);
	put16(frame, spec->destination_port);
	put16(frame, spec->source_port);
	if (behind < 4)
		frame->count -= 4 - behind;
	else
		put_random(random, frame, behind - 4);
}

static void
put_icmp(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	uint32_t type = random_below(random, spec->is_ipv6 ? 256 : 20);

	if (spec->is_ipv6 && !random_chance(random, 4))
		type = 127 + random_below(random, 18);
	put8(frame, type);
	put8(frame, random_chance(random, 4) ? 1 : 0);
	put_random(random, frame, random_below(random, TAIL_BYTES));
}

/* Inside of IPIP, or of UDP to port 6080, is a packet to the VIP. */
static void
put_tunnel(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	if (spec->protocol == 17) {
		put16(frame, 49152 + random_below(random, 16384));
		put16(frame, random_chance(random, 8) ? 6081 : 6080);
		put16(frame, 60);
		put16(frame, 0);
	}
	(void)put_quoted_ip(random, spec, frame);
	put_flow(random, spec, frame);
}

/* --- IP --- */

static uint32_t
protocol_of(struct random *random, const struct frame_spec *spec)
{
	static const uint8_t others[] = { 0,  1,  2,  4,   41,	47,  50,  51,  58,
					  59, 60, 94, 132, 135, 136, 139, 140, 255 };
	static const uint8_t fragments[] = { 1, 4, 17, 6, 50, 58, 60 };

	switch (spec->shape) {
	case FRAME_ECHO:
	case FRAME_ERROR:
	case FRAME_ICMP:
		return spec->is_ipv6 ? 58 : 1;
	case FRAME_FRAGMENT:
		return RANDOM_OF(random, fragments);
	case FRAME_PROTOCOL:
		return RANDOM_OF(random, others);
	case FRAME_TUNNEL:
		if (spec->protocol == 6)
			return random_chance(random, 2) ? 4 : 41;
		break;
	default:
		break;
	}
	return spec->protocol;
}

/* Units of 8 bytes; bit 31: more follow. */
static uint32_t
fragment_of(struct random *random, enum frame_shape shape)
{
	uint32_t more = UINT32_C(1) << 31;

	switch (shape) {
	case FRAME_FIRST:
		return more;
	case FRAME_LATER:
		return (1 + random_below(random, 200)) | (random_chance(random, 2) ? more : 0);
	case FRAME_FRAGMENT:
		return random_below(random, 3) | (random_chance(random, 2) ? more : 0);
	default:
		return 0;
	}
}

static uint32_t
random_ttl(struct random *random)
{
	return random_chance(random, 12) ? random_below(random, 3) : 64 - random_below(random, 8);
}

static void
put_ipv4(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	uint32_t fragment = fragment_of(random, spec->shape), at = frame->count;
	uint32_t flags = fragment >> 31 ? 0x2000 : random_below(random, 2) * 0x4000;
	uint32_t options = random_chance(random, 6) ? random_below(random, 11) : 0;

	if (random_chance(random, 32))
		flags |= 0x8000;
	put8(frame, 0x45 + options);
	put8(frame, random_chance(random, 2) ? random_below(random, 256) : 0);
	put16(frame, 0); /* length: later */
	put16(frame, spec->fragment_id);
	put16(frame, flags | (fragment & 0x1fff));
	put8(frame, random_ttl(random));
	put8(frame, protocol_of(random, spec));
	put16(frame, random_below(random, 65536));
	put_bytes(frame, spec->source, 4);
	put_bytes(frame, spec->destination, 4);
	for (uint32_t i = 0; i < options; i++)
		put32(frame, random_chance(random, 4) ? random_below(random, 65536) : 0x01010101);
	if (random_chance(random, 32))
		frame->bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
}

/* Body of an extension header, its next header in front. @param next_at where the one before names
 * its next header. @return the place of this one's next header */
static uint32_t
put_extension(struct random *random, struct frame *frame, uint32_t next_at, uint32_t kind)
{
	uint32_t at = frame->count, units = random_chance(random, 2) ? 0 : random_below(random, 4);

	set8(frame, next_at, kind);
	put8(frame, 59);
	if (kind == 51) { /* in units of 4 bytes, less 2 */
		put8(frame, units);
		put_random(random, frame, (units + 2) * 4 - 2);
	} else {
		put8(frame, units);
		put8(frame, kind == 43 ? random_below(random, 5) : 1);
		put8(frame, kind == 43 && random_chance(random, 4) ? 1 : 0);
		for (uint32_t i = 4; i < (units + 1) * 8; i++)
			put8(frame, 0);
	}
	if (random_chance(random, 24))
		set8(frame, at + 1, random_below(random, 256));
	return at;
}

static uint32_t
put_fragment_header(const struct frame_spec *spec, struct frame *frame, uint32_t next_at,
		    uint32_t fragment)
{
	uint32_t at = frame->count;

	set8(frame, next_at, 44);
	put16(frame, 59u << 8);
	put16(frame, (fragment & 0x1fff) << 3 | fragment >> 31);
	put32(frame, spec->fragment_id);
	return at;
}

static void
put_ipv6(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	static const uint8_t kinds[] = { 60, 60, 60, 60, 60, 51, 43, 43, 0, 44, 135 };
	uint32_t fragment = fragment_of(random, spec->shape), at = frame->count, next_at = at + 6;
	uint32_t count = random_chance(random, 4) ? random_below(random, EXTENSIONS_MAX) : 0;
	bool has_fragment = fragment != 0 || random_chance(random, 16);

	put32(frame, UINT32_C(0x60000000) |
			     (random_chance(random, 2) ? random_below(random, 1u << 28) : 0));
	put16(frame, 0); /* length: later */
	put8(frame, 0);
	put8(frame, random_ttl(random));
	put_bytes(frame, spec->source, 16);
	put_bytes(frame, spec->destination, 16);
	if (random_chance(random, 8))
		next_at = put_extension(random, frame, next_at, 0);
	if (has_fragment && random_chance(random, 2)) {
		next_at = put_fragment_header(spec, frame, next_at, fragment);
		has_fragment = false;
	}
	for (uint32_t i = 0; i < count; i++)
		next_at = put_extension(random, frame, next_at,
					random_chance(random, 4) ? RANDOM_OF(random, kinds) : 60);
	if (has_fragment)
		next_at = put_fragment_header(spec, frame, next_at, fragment);
	set8(frame, next_at, protocol_of(random, spec));
	if (random_chance(random, 32))
		frame->bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
}

/* --- the frame --- */

static void
put_ethernet(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	static const uint8_t macs[][6] = { { 2, 0xc1, 0, 0, 0, 1 }, { 2, 0xc1, 0, 0, 0, 2 },
					   { 2, 0, 0, 0, 0, 1 },    { 2, 0, 0, 0, 0, 2 },
					   { 2, 0, 0, 0, 0, 3 },    { 2, 0, 0, 0, 0, 4 } };
	static const uint8_t groups[][6] = { { 255, 255, 255, 255, 255, 255 },
					     { 1, 0, 0x5e, 0, 0, 1 },
					     { 0x33, 0x33, 0, 0, 0, 1 } };
	uint32_t tags = random_chance(random, 3) ? random_below(random, 3) : 0;

	if (random_chance(random, 64))
		tags = 3;
	put_bytes(frame,
		  random_chance(random, 24) ? RANDOM_OF(random, groups)
					    : macs[2 + random_below(random, 4)],
		  6);
	put_bytes(frame, macs[random_chance(random, 8) ? random_below(random, 6) : 0], 6);
	for (uint32_t i = 0; i < tags; i++) {
		put16(frame, random_chance(random, 2) ? 0x8100 : 0x88a8);
		put16(frame, random_below(random, 65536));
	}
	if (spec->shape == FRAME_NOT_IP)
		put16(frame, random_chance(random, 2) ? 0x0806 : random_below(random, 65536));
	else
		put16(frame, spec->is_ipv6 ? 0x86dd : 0x0800);
}

static void
put_layer4(struct random *random, const struct frame_spec *spec, struct frame *frame)
{
	switch (spec->shape) {
	case FRAME_ECHO:
		put_echo(random, spec, frame);
		break;
	case FRAME_ERROR:
		put_error(random, spec, frame);
		break;
	case FRAME_ICMP:
		put_icmp(random, spec, frame);
		break;
	case FRAME_TUNNEL:
		put_tunnel(random, spec, frame);
		break;
	case FRAME_LATER: /* bytes that look like other ports */
		put_random(random, frame, random_below(random, 64));
		break;
	default:
		put_flow(random, spec, frame);
		break;
	}
}

static void
set_length(struct random *random, const struct frame_spec *spec, struct frame *frame,
	   uint32_t ip_at)
{
	uint32_t bytes = frame->count - ip_at, cut;

	if (random_chance(random, 12)) /* layer 4 ends early, or extension headers do */
		bytes -= random_below(random, bytes < 64 ? bytes : 64);
	if (random_chance(random, 16))
		bytes += random_below(random, 17) - 8;
	set16(frame, ip_at + (spec->is_ipv6 ? 4 : 2), spec->is_ipv6 ? bytes - 40 : bytes);
	if (random_chance(random, 6))
		put_random(random, frame, random_below(random, TAIL_BYTES));
	if (random_chance(random, 24)) {
		cut = random_below(random, frame->count);
		frame->count -= cut;
	}
}

void
frame_build(struct random *random, const struct frame_spec *spec, struct frame *ret_frame)
{
	struct frame_spec real = *spec;
	uint32_t ip_at;

	ret_frame->count = 0;
	if (spec->shape == FRAME_TUNNEL && !random_chance(random, 4)) {
		dictionary_address_of(
			random, spec->is_ipv6 ? PACKET_WORLD_SOURCE_IPV6 : PACKET_WORLD_SOURCE_IPV4,
			real.source);
		if (random_chance(random, 4))
			dictionary_address_of(random,
					      spec->is_ipv6 ? PACKET_WORLD_ENTROPY_IPV6
							    : PACKET_WORLD_ENTROPY_IPV4,
					      real.source);
	}
	if (spec->shape == FRAME_ERROR && random_chance(random, 2)) /* of a router on the way */
		dictionary_source(random, spec->is_ipv6, real.source);
	put_ethernet(random, &real, ret_frame);
	ip_at = ret_frame->count;
	if (real.is_ipv6)
		put_ipv6(random, &real, ret_frame);
	else
		put_ipv4(random, &real, ret_frame);
	put_layer4(random, spec, ret_frame);
	set_length(random, &real, ret_frame, ip_at);
}

/* --- checksums --- */

uint32_t
frame_ip_at(const struct frame *frame)
{
	uint32_t type_at = 12;

	for (uint32_t tags = 0; tags < 2; tags++)
		if (get16(frame, type_at) == 0x8100 || get16(frame, type_at) == 0x88a8)
			type_at += 4;
	if (get16(frame, type_at) != 0x0800 && get16(frame, type_at) != 0x86dd)
		return 0;
	return type_at + 2 + 20 <= frame->count ? type_at + 2 : 0;
}

static uint32_t
sum_of(const struct frame *frame, uint32_t at, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += i % 2 == 0 ? (uint32_t)frame->bytes[at + i] << 8 : frame->bytes[at + i];
	return sum; /* at most 65535 * 65535 / 2: fits */
}

static uint32_t
folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* @param addresses where the two addresses are; @param end of the packet */
static void
fix_layer4(struct frame *frame, uint32_t protocol, uint32_t at, uint32_t end)
{
	uint32_t ip_at = frame_ip_at(frame), sum_at;
	bool is_ipv6 = frame->bytes[ip_at] >> 4 == 6;
	uint32_t addresses = is_ipv6 ? 32 : 8, sum = 0;

	switch (protocol) {
	case 1:
		sum_at = at + 2;
		addresses = 0;
		break;
	case 6:
		sum_at = at + 16;
		break;
	case 17:
		sum_at = at + 6;
		break;
	case 58:
		sum_at = at + 2;
		break;
	default:
		return;
	}
	if (sum_at + 2 > end)
		return;
	if (addresses != 0)
		sum = folded(sum_of(frame, ip_at + (is_ipv6 ? 8 : 12), addresses) + protocol + end -
			     at);
	set16(frame, sum_at, 0);
	set16(frame, sum_at, 0xffff - folded(sum + folded(sum_of(frame, at, end - at))));
}

void
frame_fix_checksums(struct frame *frame)
{
	uint32_t ip_at = frame_ip_at(frame), at, end, protocol;

	if (ip_at == 0)
		return;
	if (frame->bytes[ip_at] >> 4 == 4) {
		at = ip_at + (frame->bytes[ip_at] & 15) * 4u;
		end = ip_at + get16(frame, ip_at + 2);
		protocol = frame->bytes[ip_at + 9];
		if (at > frame->count)
			return;
		set16(frame, ip_at + 10, 0);
		set16(frame, ip_at + 10, 0xffff - folded(sum_of(frame, ip_at, at - ip_at)));
		if ((get16(frame, ip_at + 6) & 0x3fff) != 0)
			return;
	} else {
		at = ip_at + 40;
		end = at + get16(frame, ip_at + 4);
		protocol = frame->bytes[ip_at + 6];
	}
	if (at < end && end <= frame->count)
		fix_layer4(frame, protocol, at, end);
}
