/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the flow hash is SipHash-1-3 of the documented 40 bytes, and every bit of a flow and of the
 * key counts. Method: hashes that OpenSSL gave for the documented bytes, e.g. for the first row
 * (source, destination, ports, protocol, 3 zero bytes; IPv4 as IPv4-mapped; key 00 01 .. 0f; the
 * printed bytes are the hash little-endian)
 *
 *   echo 00000000000000000000ffffc633640700000000000000000000ffffc000020a9c40005006000000 |
 *     xxd -r -p | openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:8 \
 *     -macopt c-rounds:1 -macopt d-rounds:3 SIPHASH
 *
 * and single-bit changes of everything, counting how many bits of the hash turn.
 */
#include "flowhash.h"
#include "run.h"

#include "../frames.h"

static const struct fl_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

static struct fl_addr
address(const char *text)
{
	struct fl_addr result;
	fl_be32 word;

	if (inet_pton(AF_INET, text, &word) == 1)
		return fl_addr_from_ipv4(word);
	frame_put_address(AF_INET6, text, (uint8_t *)result.half);
	return result;
}

static const struct known_hash {
	const char *src, *dst;
	uint16_t src_port, dst_port;
	uint8_t ip_proto;
	uint64_t hash;
} known[] = {
	{ "198.51.100.7", "192.0.2.10", 40000, 80, 6, 0x9d8ec1e9f3cde5fd },
	{ "198.51.100.7", "192.0.2.10", 40000, 80, 17, 0x4d7d6730126cfe2f },
	{ "2001:db8::c:7", "2001:db8::a", 40000, 443, 6, 0x55d33d4f2b5f2804 },
	{ "0.0.0.0", "255.255.255.255", 0, 65535, 17, 0x60c8ee78731401cd },
};

static struct fl_packet
packet_of(const struct known_hash *flow)
{
	return (struct fl_packet){ .src = address(flow->src),
				   .to = { .address = address(flow->dst),
					   .port = htons(flow->dst_port),
					   .ip_proto = flow->ip_proto },
				   .src_port = htons(flow->src_port) };
}

START_TEST(test_flowhash_is_siphash_of_the_documented_bytes)
{
	for (uint32_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		struct fl_packet packet = packet_of(&known[i]);

		ck_assert_msg(fl_flow_hash(&key, &packet) == known[i].hash,
			      "row %u: %016lx instead of %016lx", i, fl_flow_hash(&key, &packet),
			      known[i].hash);
	}
}
END_TEST

START_TEST(test_flowhash_ignores_what_is_not_the_flow)
{
	struct fl_packet packet = packet_of(&known[0]);

	packet.l3_bytes = 1234;
	packet.l4_offset = 60;
	packet.traffic_class = 0xff;
	packet.is_ipv6 = true;
	packet.on_vip = FL_DROP_FRAGMENT;
	packet.ip_proto = 99;
	packet.ttl = 1;
	packet.fragment_id = 12345;
	packet.fragment_proto = 7;
	packet.src_mac = 1;
	packet.tag[0] = packet.tag[1] = 5;
	packet.to.bits = 24;
	packet.to.kind = FL_VIP_RANGE;
	ck_assert_uint_eq(fl_flow_hash(&key, &packet), known[0].hash);
}
END_TEST

/* Turned bits of the hash after one flipped bit: 32 +- 4 (one standard deviation); 8 is six of them
 * away. */
static void
check_turned(uint64_t hash)
{
	int turned = __builtin_popcountll(hash ^ known[0].hash);

	ck_assert_int_ge(turned, 8);
	ck_assert_int_le(turned, 56);
}

START_TEST(test_flowhash_turns_with_every_bit_of_the_flow)
{
	const struct fl_packet packet = packet_of(&known[0]);
	struct fl_packet other;

	for (uint32_t bit = 0; bit < 128; bit++) {
		other = packet;
		other.src.half[bit / 64] ^= 1ull << bit % 64;
		check_turned(fl_flow_hash(&key, &other));
		other = packet;
		other.to.address.half[bit / 64] ^= 1ull << bit % 64;
		check_turned(fl_flow_hash(&key, &other));
	}
	for (uint32_t bit = 0; bit < 16; bit++) {
		other = packet;
		other.src_port ^= (uint16_t)(1u << bit);
		check_turned(fl_flow_hash(&key, &other));
		other = packet;
		other.to.port ^= (uint16_t)(1u << bit);
		check_turned(fl_flow_hash(&key, &other));
	}
	for (uint32_t bit = 0; bit < 8; bit++) {
		other = packet;
		other.to.ip_proto ^= (uint8_t)(1u << bit);
		check_turned(fl_flow_hash(&key, &other));
	}
}
END_TEST

START_TEST(test_flowhash_turns_with_every_bit_of_the_key)
{
	struct fl_packet packet = packet_of(&known[0]);

	for (uint32_t bit = 0; bit < 128; bit++) {
		struct fl_key other = key;

		other.word[bit / 64] ^= 1ull << bit % 64;
		check_turned(fl_flow_hash(&other, &packet));
	}
}
END_TEST

START_TEST(test_flowhash_tells_directions_apart)
{
	struct known_hash back = known[0];
	struct fl_packet packet;

	back.src = known[0].dst;
	back.dst = known[0].src;
	back.src_port = known[0].dst_port;
	back.dst_port = known[0].src_port;
	packet = packet_of(&back);
	check_turned(fl_flow_hash(&key, &packet));
}
END_TEST

/* What all fragments of a packet have: source, destination, id and protocol; byte 37 is 1. */
START_TEST(test_flowhash_of_fragments_is_siphash_of_what_they_have)
{
	struct fl_packet packet = packet_of(&known[0]);

	/* IPv4 has 16 bits of id */
	packet.fragment_id = htons(0x1234);
	packet.fragment_proto = 17;
	ck_assert_uint_eq(fl_fragment_hash(&key, &packet), 0xda576cead71b707f);
	packet.src = address("2001:db8::c");
	packet.to.address = address("2001:db8::a");
	packet.fragment_id = htonl(0x89abcdef);
	packet.fragment_proto = 6;
	ck_assert_uint_eq(fl_fragment_hash(&key, &packet), 0x7cb10e4b86a0c69c);
}
END_TEST

START_TEST(test_flowhash_of_fragments_turns_with_what_they_have)
{
	struct fl_packet packet = packet_of(&known[0]), other;
	uint64_t hash;

	packet.fragment_id = htons(0x1234);
	packet.fragment_proto = 17;
	hash = fl_fragment_hash(&key, &packet);
	for (uint32_t bit = 0; bit < 2 * 128 + 32 + 8; bit++) {
		other = packet;
		if (bit < 128)
			other.src.half[bit / 64] ^= 1ull << bit % 64;
		else if (bit < 256)
			other.to.address.half[bit / 64 - 2] ^= 1ull << bit % 64;
		else if (bit < 288)
			other.fragment_id ^= 1u << bit % 32;
		else
			other.fragment_proto ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_ge(__builtin_popcountll(fl_fragment_hash(&key, &other) ^ hash), 8);
	}
	/* the ports, which later fragments have not, do not count */
	other = packet;
	other.src_port = 1;
	other.to.port = 2;
	other.to.ip_proto = 17;
	ck_assert_uint_eq(fl_fragment_hash(&key, &other), hash);
}
END_TEST

/* The same bytes as ports and as an id must not meet. */
START_TEST(test_flowhash_tells_flows_and_fragments_apart)
{
	struct fl_packet packet = packet_of(&known[0]);

	packet.fragment_id = (uint32_t)packet.src_port | (uint32_t)packet.to.port << 16;
	packet.fragment_proto = 6;
	check_turned(fl_fragment_hash(&key, &packet));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_flowhash_is_siphash_of_the_documented_bytes,
				       test_flowhash_ignores_what_is_not_the_flow,
				       test_flowhash_turns_with_every_bit_of_the_flow,
				       test_flowhash_turns_with_every_bit_of_the_key,
				       test_flowhash_tells_directions_apart,
				       test_flowhash_of_fragments_is_siphash_of_what_they_have,
				       test_flowhash_of_fragments_turns_with_what_they_have,
				       test_flowhash_tells_flows_and_fragments_apart,
				       NULL };

	return run_tests("flowhash", tests);
}
