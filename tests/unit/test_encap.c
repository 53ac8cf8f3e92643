/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the outer headers are right to the bit in all four family mixes, for every length and
 * traffic class, and not one byte beside them is written. Method: the output is written right
 * before an unmapped page's inner packet and compared with headers built here field by field, whose
 * checksum is computed over the whole header; every port MTU around the edge is tried.
 */
#include "encap.h"
#include "run.h"

#include "../edge.h"
#include "../frames.h"

static const uint8_t port_mac[6] = { 0x02, 0x10, 0x20, 0x30, 0x40, 0x50 };
static const uint8_t next_hop_mac[6] = { 0x06, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5 };

static struct edge edge;

static struct fl_addr
address(bool is_ipv6, const char *text)
{
	struct fl_addr result;
	fl_be32 word;

	if (is_ipv6) {
		frame_put_address(AF_INET6, text, (uint8_t *)result.word);
		return result;
	}
	frame_put_address(AF_INET, text, (uint8_t *)&word);
	return fl_addr_from_ipv4(word);
}

/* The mixes: bit 0 the inner family, bit 1 the outer. */
static const char *const outer_source[] = { "10.0.0.5", "2001:db8:ba1::5" };
static const char *const outer_target[] = { "10.0.0.11", "2001:db8:ba1::11" };

static struct fl_backend
backend_of(bool outer_is_ipv6, bool inner_is_ipv6)
{
	struct fl_addr source = address(outer_is_ipv6, outer_source[outer_is_ipv6]);
	struct fl_addr target = address(outer_is_ipv6, outer_target[outer_is_ipv6]);
	struct fl_backend backend = { 0 };

	memset(backend.header, 0xff, sizeof backend.header);
	fl_encap_template(&backend, &source, &target, inner_is_ipv6);
	backend.link = fl_link_word(fl_mac_word(next_hop_mac), 3, FL_LINK_LIVE | FL_LINK_REACHABLE);
	return backend;
}

struct encap_case {
	bool outer_is_ipv6, inner_is_ipv6;
	uint16_t l3_bytes;
	uint8_t traffic_class;
	uint64_t hash;
};

/* The outer headers by another hand. @return their bytes. */
static uint32_t
expected_headers(const struct encap_case *c, uint8_t *out)
{
	uint8_t ip_proto = c->inner_is_ipv6 ? 41 : 4;
	uint8_t *ip = out + 14;

	memcpy(out, next_hop_mac, 6);
	memcpy(out + 6, port_mac, 6);
	if (!c->outer_is_ipv6) {
		frame_put16(out + 12, 0x0800);
		memset(ip, 0, 20);
		ip[0] = 0x45;
		ip[1] = c->traffic_class;
		frame_put16(ip + 2, 20u + c->l3_bytes);
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = ip_proto;
		frame_put_address(AF_INET, outer_source[0], ip + 12);
		frame_put_address(AF_INET, outer_target[0], ip + 16);
		frame_put16(ip + 10, frame_checksum(ip, 20));
		return 34;
	}
	frame_put16(out + 12, 0x86dd);
	ip[0] = (uint8_t)(0x60 | c->traffic_class >> 4);
	ip[1] = (uint8_t)(c->traffic_class << 4 | c->hash >> 60);
	frame_put16(ip + 2, (uint32_t)(c->hash >> 44) & 0xffff);
	frame_put16(ip + 4, c->l3_bytes);
	ip[6] = ip_proto;
	ip[7] = 64;
	frame_put_address(AF_INET6, outer_source[1], ip + 8);
	frame_put_address(AF_INET6, outer_target[1], ip + 24);
	return 54;
}

static void
check_case(const struct encap_case *c)
{
	struct fl_backend backend = backend_of(c->outer_is_ipv6, c->inner_is_ipv6);
	struct fl_packet packet = { .l3_bytes = c->l3_bytes,
				    .traffic_class = c->traffic_class,
				    .is_ipv6 = c->inner_is_ipv6 };
	struct fl_encap encap = { .backend = &backend,
				  .packet = &packet,
				  .link = backend.link,
				  .port = fl_port_word(fl_mac_word(port_mac), 1500),
				  .hash = c->hash };
	uint8_t expected[64];
	uint32_t bytes = expected_headers(c, expected);

	CHECK(fl_encap_bytes(&backend) == bytes);
	CHECK(bytes <= FL_ENCAP_BYTES_MAX);
	/* both ends: not one byte before, not one after */
	memset(edge.start, EDGE_FILL, 256);
	memset(edge.end - 256, EDGE_FILL, 256);
	fl_encap_write(edge.start, &encap);
	CHECK(memcmp(edge.start, expected, bytes) == 0);
	for (uint32_t i = bytes; i < 128; i++)
		CHECK(edge.start[i] == EDGE_FILL);
	fl_encap_write(edge.end - bytes, &encap);
	CHECK(memcmp(edge.end - bytes, expected, bytes) == 0);
	for (uint32_t i = bytes + 1; i < 128; i++)
		CHECK(edge.end[-(int)i] == EDGE_FILL);
}

START_TEST(test_encap_writes_every_length_in_all_mixes)
{
	for (uint32_t mix = 0; mix < 4; mix++)
		for (uint32_t l3_bytes = 28; l3_bytes <= 9000; l3_bytes++)
			check_case(&(struct encap_case){ .outer_is_ipv6 = mix & 2,
							 .inner_is_ipv6 = mix & 1,
							 .l3_bytes = (uint16_t)l3_bytes,
							 .traffic_class = (uint8_t)l3_bytes,
							 .hash = l3_bytes * 0x9e3779b97f4a7c15 });
}
END_TEST

START_TEST(test_encap_copies_every_traffic_class)
{
	for (uint32_t mix = 0; mix < 4; mix++)
		for (uint32_t traffic_class = 0; traffic_class <= 0xff; traffic_class++)
			check_case(&(struct encap_case){ .outer_is_ipv6 = mix & 2,
							 .inner_is_ipv6 = mix & 1,
							 .l3_bytes = 1480,
							 .traffic_class = (uint8_t)traffic_class,
							 .hash = 0x123456789abcdef0 });
}
END_TEST

START_TEST(test_encap_label_is_the_top_of_the_hash)
{
	for (uint32_t bit = 0; bit < 64; bit++)
		check_case(&(struct encap_case){
			.outer_is_ipv6 = true, .l3_bytes = 100, .hash = 1ull << bit });
	check_case(&(struct encap_case){ .outer_is_ipv6 = true,
					 .l3_bytes = 100,
					 .traffic_class = 0xff,
					 .hash = UINT64_MAX });
}
END_TEST

/* Ones' complement sums with many carries: every header must still sum to zero (RFC 1071). */
START_TEST(test_encap_checksum_survives_every_carry)
{
	for (uint32_t i = 0; i < 200000; i++) {
		struct fl_addr source = fl_addr_from_ipv4(i * 2654435761u);
		struct fl_addr target = fl_addr_from_ipv4(i < 1000 ? 0xffffffffu - i : i * 40503u);
		struct fl_packet packet = { .l3_bytes = (uint16_t)(i * 31),
					    .traffic_class = (uint8_t)(i * 7) };
		struct fl_backend backend = { 0 };
		struct fl_encap encap = { .backend = &backend, .packet = &packet };
		uint8_t out[FL_ENCAP_BYTES_MAX];

		if (packet.l3_bytes > UINT16_MAX - 20)
			continue;
		fl_encap_template(&backend, &source, &target, i & 1);
		fl_encap_write(out, &encap);
		CHECK(frame_checksum(out + 14, 20) == 0);
	}
}
END_TEST

START_TEST(test_encap_fits_up_to_the_mtu)
{
	static const uint16_t mtus[] = { 1280, 1500, 9000, 65535 };

	for (uint32_t outer = 0; outer < 2; outer++) {
		struct fl_backend backend = backend_of(outer, false);
		uint32_t header_bytes = outer ? 40 : 20;

		for (uint32_t i = 0; i < 4; i++) {
			struct fl_packet packet = { .l3_bytes =
							    (uint16_t)(mtus[i] - header_bytes) };
			uint64_t port = fl_port_word(fl_mac_word(port_mac), mtus[i]);

			ck_assert_int_eq(fl_encap_fits(&packet, &backend, port), FL_FORWARD);
			packet.l3_bytes++;
			ck_assert_int_eq(fl_encap_fits(&packet, &backend, port), FL_DROP_TOO_BIG);
			packet.l3_bytes = 65535;
			ck_assert_int_eq(fl_encap_fits(&packet, &backend, port), FL_DROP_TOO_BIG);
			packet.l3_bytes = 20;
			ck_assert_int_eq(fl_encap_fits(&packet, &backend, 0), FL_DROP_TOO_BIG);
		}
	}
}
END_TEST

START_TEST(test_encap_link_says_whether_it_may_be_sent)
{
	uint64_t mac = fl_mac_word(next_hop_mac);

	ck_assert_int_eq(fl_link_verdict(0), FL_DROP_NO_BACKEND);
	ck_assert_int_eq(fl_link_verdict(fl_link_word(mac, 0, FL_LINK_REACHABLE)),
			 FL_DROP_NO_BACKEND);
	ck_assert_int_eq(fl_link_verdict(fl_link_word(mac, 0, FL_LINK_LIVE)), FL_DROP_UNREACHABLE);
	ck_assert_int_eq(fl_link_verdict(fl_link_word(mac, 255, FL_LINK_LIVE | FL_LINK_REACHABLE)),
			 FL_FORWARD);
	ck_assert_uint_eq(fl_link_port(fl_link_word(mac, 255, 0)), 255);
	ck_assert_uint_eq(fl_link_flags(fl_link_word(UINT64_MAX >> 16, 255, 2)), 2);
	ck_assert_uint_eq(fl_port_mtu(fl_port_word(UINT64_MAX >> 16, 9000)), 9000);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_encap_writes_every_length_in_all_mixes,
				       test_encap_copies_every_traffic_class,
				       test_encap_label_is_the_top_of_the_hash,
				       test_encap_checksum_survives_every_carry,
				       test_encap_fits_up_to_the_mtu,
				       test_encap_link_says_whether_it_may_be_sent,
				       NULL };
	int status;

	edge = edge_create();
	status = run_tests("encap", tests);
	edge_destroy(&edge);
	return status;
}
