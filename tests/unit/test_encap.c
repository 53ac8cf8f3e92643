/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the outer headers are right to the bit in all four family mixes and both tunnels, for every
 * length, traffic class, TTL and hash, the inner packet passes one router, and not one byte beside
 * them is written. Method: the packet lies against an unmapped page, room filled with a pattern
 * before it; what is there afterwards is compared with headers built here field by field, whose
 * checksum is computed over the whole header; the writer is cut at every length.
 */
#include "encap.h"
#include "run.h"

#include "core_frames.h"

static struct edge edge;

static struct fl_addr
address(const char *text)
{
	struct fl_addr result;

	frame_address_bytes(text, (uint8_t *)&result);
	return result;
}

/* By outer family. */
static const char *const outer_source[] = { "10.0.0.5", "2001:db8:ba1::5" };
static const char *const outer_prefix[] = { "10.64.0.0", "2001:db8:ba1:e::" };
static const char *const outer_target[] = { "10.0.0.11", "2001:db8:ba1::11" };

struct encap_case {
	bool outer_is_ipv6, inner_is_ipv6, is_gue;
	uint8_t entropy_bits;
	uint16_t payload; /* of the inner packet, behind a TCP header */
	uint8_t traffic_class;
	uint8_t ttl;
	uint64_t hash;
};

/* One of the eight mixes, and what most cases have. */
static struct encap_case
mix(uint32_t number)
{
	return (struct encap_case){ .outer_is_ipv6 = number & 1,
				    .inner_is_ipv6 = number & 2,
				    .is_gue = number & 4,
				    .payload = 60,
				    .ttl = 64,
				    .hash = 0x123456789abcdef0 };
}

static struct fl_backend
backend_of(const struct encap_case *c)
{
	const char *const *sources = c->entropy_bits > 0 ? outer_prefix : outer_source;
	struct fl_encap_plan plan = { .mode = c->is_gue ? FL_MODE_GUE : FL_MODE_IPIP,
				      .inner_is_ipv6 = c->inner_is_ipv6,
				      .entropy_bits = c->entropy_bits,
				      .source = address(sources[c->outer_is_ipv6]),
				      .target = address(outer_target[c->outer_is_ipv6]) };
	struct fl_backend backend = { .link = 1, .vip = 2, .weight = 3 };

	memset(backend.header, 0xff, sizeof backend.header);
	fl_encap_template(&backend, &plan);
	CHECK(backend.link == 1 && backend.vip == 2 && backend.weight == 3);
	return backend;
}

static struct frame
inner_of(const struct encap_case *c)
{
	struct frame_spec spec = { .src = c->inner_is_ipv6 ? "2001:db8::c:7" : "198.51.100.7",
				   .dst = c->inner_is_ipv6 ? "2001:db8::a" : "192.0.2.10",
				   .ip_proto = 6,
				   .tos = c->traffic_class,
				   .fragment = 0x4000,
				   .payload = c->payload };
	struct frame frame = frame_of(&spec);

	frame.data[14 + (c->inner_is_ipv6 ? 7 : 8)] = c->ttl;
	if (!c->inner_is_ipv6) {
		frame_put16(frame.data + 24, 0);
		frame_put16(frame.data + 24, frame_checksum(frame.data + 14, 20));
	}
	return frame;
}

static struct fl_packet
packet_of(const struct encap_case *c, const struct frame *inner)
{
	return (struct fl_packet){ .l3_bytes = (uint16_t)(inner->bytes - 14),
				   .traffic_class = c->traffic_class,
				   .ttl = c->ttl,
				   .is_ipv6 = c->inner_is_ipv6 };
}

/* The lowest bits of an address's end become those of the hash's upper half. */
static void
put_entropy(const struct encap_case *c, uint8_t *end)
{
	for (uint32_t bit = 0; bit < c->entropy_bits && bit < 32; bit++)
		if (c->hash >> (32 + bit) & 1)
			end[-1 - (int)(bit / 8)] |= (uint8_t)(1 << bit % 8);
}

/* The outer headers by another hand. @return their bytes. */
static uint32_t
expected_headers(const struct encap_case *c, uint32_t l3_bytes, uint8_t *ip)
{
	const char *const *sources = c->entropy_bits > 0 ? outer_prefix : outer_source;
	uint8_t ip_proto = c->is_gue ? 17 : c->inner_is_ipv6 ? 41 : 4;
	uint32_t payload = l3_bytes + (c->is_gue ? 8 : 0);
	uint8_t *udp = ip + (c->outer_is_ipv6 ? 40 : 20);

	memset(ip, 0, 64);
	if (!c->outer_is_ipv6) {
		ip[0] = 0x45;
		ip[1] = c->traffic_class;
		frame_put16(ip + 2, 20 + payload);
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = ip_proto;
		frame_put_address(AF_INET, sources[0], ip + 12);
		put_entropy(c, ip + 16);
		frame_put_address(AF_INET, outer_target[0], ip + 16);
		frame_put16(ip + 10, frame_checksum(ip, 20));
	} else {
		ip[0] = (uint8_t)(0x60 | c->traffic_class >> 4);
		ip[1] = (uint8_t)(c->traffic_class << 4 | c->hash >> 60);
		frame_put16(ip + 2, (uint32_t)(c->hash >> 44) & 0xffff);
		frame_put16(ip + 4, payload);
		ip[6] = ip_proto;
		ip[7] = 64;
		frame_put_address(AF_INET6, sources[1], ip + 8);
		put_entropy(c, ip + 24);
		frame_put_address(AF_INET6, outer_target[1], ip + 24);
	}
	if (!c->is_gue)
		return (uint32_t)(udp - ip);
	frame_put16(udp, 49152 + ((c->hash >> 32) & 0x3fff));
	frame_put16(udp + 2, 6080);
	frame_put16(udp + 4, l3_bytes + 8);
	return (uint32_t)(udp - ip) + 8;
}

/* The inner packet behind one router, recomputed as a whole. */
static void
expected_inner(const struct encap_case *c, struct frame *inner)
{
	inner->data[14 + (c->inner_is_ipv6 ? 7 : 8)]--;
	if (c->inner_is_ipv6)
		return;
	frame_put16(inner->data + 24, 0);
	frame_put16(inner->data + 24, frame_checksum(inner->data + 14, 20));
}

static void
check_case(const struct encap_case *c)
{
	struct fl_backend backend = backend_of(c);
	struct frame inner = inner_of(c);
	struct fl_packet packet = packet_of(c, &inner);
	uint8_t *l3 = edge_put(&edge, inner.data + 14, inner.bytes - 14);
	struct fl_writer writer = { l3 - backend.header_bytes, edge.end };
	uint8_t expected[64];
	uint32_t bytes = expected_headers(c, packet.l3_bytes, expected);

	CHECK(backend.header_bytes == bytes);
	CHECK(bytes + FL_L2_BYTES_MAX <= FL_HEAD_BYTES_MAX);
	CHECK(fl_encap_write(&writer, &backend, &packet, c->hash));
	CHECK(memcmp(l3 - bytes, expected, bytes) == 0);
	for (uint32_t i = bytes + 1; i <= 256; i++)
		CHECK(l3[-(int)i] == EDGE_FILL);
	expected_inner(c, &inner);
	CHECK(memcmp(l3, inner.data + 14, inner.bytes - 14) == 0);
}

START_TEST(test_encap_writes_every_length_in_all_mixes)
{
	for (uint32_t number = 0; number < 8; number++)
		for (uint32_t payload = 0; payload <= 3900; payload += payload < 300 ? 1 : 7) {
			struct encap_case c = mix(number);

			c.payload = (uint16_t)payload;
			c.hash = payload * 0x9e3779b97f4a7c15;
			check_case(&c);
		}
}
END_TEST

START_TEST(test_encap_copies_every_traffic_class)
{
	for (uint32_t number = 0; number < 8; number++)
		for (uint32_t traffic_class = 0; traffic_class <= 0xff; traffic_class++) {
			struct encap_case c = mix(number);

			c.traffic_class = (uint8_t)traffic_class;
			check_case(&c);
		}
}
END_TEST

START_TEST(test_encap_takes_one_of_every_ttl)
{
	for (uint32_t number = 0; number < 8; number++)
		for (uint32_t ttl = 1; ttl <= 0xff; ttl++) {
			struct encap_case c = mix(number);

			c.ttl = (uint8_t)ttl;
			check_case(&c);
		}
}
END_TEST

/* Flow label, UDP source port, outer source: each bit of the hash where it belongs. */
START_TEST(test_encap_spreads_every_bit_of_the_hash)
{
	for (uint32_t number = 0; number < 8; number++)
		for (uint32_t bit = 0; bit <= 64; bit++)
			for (uint32_t bits = 0; bits <= (number & 4 ? 0u : 32u); bits += 8) {
				struct encap_case c = mix(number);

				if (bits > 16 && !c.outer_is_ipv6)
					break;
				c.hash = bit < 64 ? 1ull << bit : UINT64_MAX;
				c.entropy_bits = (uint8_t)bits;
				check_case(&c);
			}
}
END_TEST

/* Every prefix that may be configured: IPv4 /10 (of the prefix here) to /30, IPv6 to /126. */
START_TEST(test_encap_fills_every_width_of_entropy)
{
	for (uint32_t bits = 1; bits <= 64; bits++)
		for (uint32_t number = 0; number < 4; number++) {
			struct encap_case c = mix(number);

			if (bits > 22 && !c.outer_is_ipv6)
				continue;
			c.entropy_bits = (uint8_t)bits;
			for (uint64_t i = 0; i < 100; i++) {
				c.hash = (i + 1) * 0x9e3779b97f4a7c15;
				check_case(&c);
			}
		}
}
END_TEST

/* Ones' complement sums with many carries: every header must still sum to zero (RFC 1071). */
START_TEST(test_encap_checksum_survives_every_carry)
{
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t low = i < 1000 ? 0xffffffffu - i : i * 40503u;
		struct fl_encap_plan plan = { .mode = i & 2 ? FL_MODE_GUE : FL_MODE_IPIP,
					      .source = fl_addr_from_ipv4((i * 2654435761u) &
									  0x00ffffff),
					      .target = fl_addr_from_ipv4(low),
					      .entropy_bits = i & 2 ? 0 : 8 };
		struct fl_packet packet = { .l3_bytes = (uint16_t)(i * 31),
					    .traffic_class = (uint8_t)(i * 7) };
		uint8_t out[20 + 8 + 20] = { [28] = 0x45 };
		struct fl_writer writer = { out, out + sizeof out };
		struct fl_backend backend = { 0 };

		if (packet.l3_bytes > UINT16_MAX - 28)
			continue;
		fl_encap_template(&backend, &plan);
		CHECK(fl_encap_write(&writer, &backend, &packet, (uint64_t)i << 32 ^ ~0ull));
		CHECK(frame_checksum(out, 20) == 0);
	}
}
END_TEST

/* A frame shorter than its headers: told, and nothing written behind its end. */
START_TEST(test_encap_refuses_every_cut)
{
	for (uint32_t number = 0; number < 8; number++) {
		struct encap_case c = mix(number);
		struct fl_backend backend = backend_of(&c);
		struct frame inner = inner_of(&c);
		struct fl_packet packet = packet_of(&c, &inner);
		uint32_t whole = backend.header_bytes + (c.inner_is_ipv6 ? 40 : 20);

		for (uint32_t bytes = 0; bytes <= whole; bytes++) {
			uint8_t *start = edge.end - bytes;
			struct fl_writer writer = { start, edge.end };

			memset(start, 0x45, bytes);
			CHECK(fl_encap_write(&writer, &backend, &packet, c.hash) ==
			      (bytes == whole));
		}
	}
}
END_TEST

START_TEST(test_encap_template_keeps_the_target)
{
	for (uint32_t mode = FL_MODE_IPIP; mode <= FL_MODE_L2DSR; mode++)
		for (uint32_t family = 0; family < 2; family++) {
			struct fl_encap_plan plan = { .mode = mode,
						      .inner_is_ipv6 = family,
						      .source = address(outer_source[family]),
						      .target = address(outer_target[family]) };
			struct fl_backend backend = { 0 };
			struct fl_addr target;

			fl_encap_template(&backend, &plan);
			target = fl_encap_target(&backend);
			ck_assert(fl_addr_equal(&target, &plan.target));
			ck_assert_uint_eq(backend.mode, mode);
			ck_assert(backend.header_sum == 0 || !family);
			ck_assert_uint_eq(backend.header_bytes,
					  mode == FL_MODE_L2DSR
						  ? 0
						  : (family ? 40 : 20) +
							    (mode == FL_MODE_GUE ? 8 : 0));
		}
}
END_TEST

/* An IPv6 backend whose first byte would be the version and header length of IPv4. */
START_TEST(test_encap_target_is_told_by_the_template_alone)
{
	struct fl_encap_plan plan = { .source = address("4500::1"), .target = address("4500::2") };
	struct fl_backend backend = { 0 };
	struct fl_addr target;

	fl_encap_template(&backend, &plan);
	target = fl_encap_target(&backend);
	ck_assert(fl_addr_equal(&target, &plan.target));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_encap_writes_every_length_in_all_mixes,
				       test_encap_copies_every_traffic_class,
				       test_encap_takes_one_of_every_ttl,
				       test_encap_spreads_every_bit_of_the_hash,
				       test_encap_fills_every_width_of_entropy,
				       test_encap_checksum_survives_every_carry,
				       test_encap_refuses_every_cut,
				       test_encap_template_keeps_the_target,
				       test_encap_target_is_told_by_the_template_alone,
				       NULL };
	int status;

	edge = edge_create();
	status = run_tests("encap", tests);
	edge_destroy(&edge);
	return status;
}
