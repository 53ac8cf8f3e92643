/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what the balancer says by itself is right to the bit: echo replies of every length, and the
 * size that fits, with addresses, checksums and quote as docs/formats.md section 7 says.
 * Method: the packet lies against an unmapped page; checksums are recomputed over whole messages by
 * another hand; a damaged request must be answered as damaged; the writer is cut at every length.
 */
#include "answer.h"
#include "run.h"

#include "core_frames.h"

static struct edge edge;

static const struct frame_spec request[] = {
	{ .src = "198.51.100.7", .dst = "192.0.2.10", .tos = 0xb9, .fragment = 0x4000 },
	{ .src = "2001:db8::c:7", .dst = "2001:db8::a", .tos = 0xb9 },
};

/* RFC 1071 over an ICMP message, of ICMPv6 with the pseudo header. 0: right. */
static uint16_t
icmp_checksum(const uint8_t *ip, uint32_t l3_bytes)
{
	static uint8_t sum[65536 + 64];
	bool is_ipv6 = ip[0] >> 4 == 6;
	uint32_t header_bytes = is_ipv6 ? 40 : 20, bytes = l3_bytes - header_bytes;

	memset(sum, 0, 40);
	if (is_ipv6) {
		memcpy(sum, ip + 8, 32);
		frame_put16(sum + 34, bytes);
		sum[39] = 58;
	}
	memcpy(sum + 40, ip + header_bytes, bytes);
	sum[40 + bytes] = 0;
	return frame_checksum(sum, 40 + (bytes + 1) / 2 * 2);
}

/* --- echo --- */

/* The answer by another hand: addresses exchanged, TTL 64, type, and the checksums made new. */
static void
expected_echo(uint8_t *ip, uint32_t l3_bytes)
{
	bool is_ipv6 = ip[0] >> 4 == 6;
	uint32_t address_bytes = is_ipv6 ? 16 : 4, at = is_ipv6 ? 8 : 12;
	uint8_t src[16], *icmp = ip + (is_ipv6 ? 40 : 20);

	memcpy(src, ip + at, address_bytes);
	memcpy(ip + at, ip + at + address_bytes, address_bytes);
	memcpy(ip + at + address_bytes, src, address_bytes);
	ip[is_ipv6 ? 7 : 8] = 64;
	if (!is_ipv6) {
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, frame_checksum(ip, 20));
	}
	icmp[0] = is_ipv6 ? 129 : 0;
	frame_put16(icmp + 2, 0);
	frame_put16(icmp + 2, icmp_checksum(ip, l3_bytes));
	/* of IPv4, where 0 and 0xffff are both right, it is never 0 */
	if (!is_ipv6 && frame_get16(icmp + 2) == 0)
		frame_put16(icmp + 2, 0xffff);
}

/* Answer the frame, in place at the unmapped page. @return its IP header. */
static uint8_t *
answer_echo(const struct frame *frame, bool is_ipv6)
{
	uint8_t *ip = edge_put(&edge, frame->data + 14, frame->bytes - 14);
	struct fl_writer writer = { ip, edge.end };
	struct fl_packet packet = { .is_ipv6 = is_ipv6 };

	CHECK(fl_answer_echo(&writer, &packet));
	for (uint32_t i = 1; i <= 256; i++)
		CHECK(ip[-(int)i] == EDGE_FILL);
	return ip;
}

START_TEST(test_answer_echo_of_every_length)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t payload = 0; payload <= 3900; payload += payload < 600 ? 1 : 13) {
			struct frame_spec spec = request[family];
			struct frame frame;
			const uint8_t *ip;

			spec.payload = (uint16_t)payload;
			frame = frame_icmp(&spec, family ? 128 : 8, 0, payload * 2654435761u);
			CHECK(icmp_checksum(frame.data + 14, frame.bytes - 14) == 0);
			ip = answer_echo(&frame, family);
			expected_echo(frame.data + 14, frame.bytes - 14);
			CHECK(memcmp(ip, frame.data + 14, frame.bytes - 14) == 0);
		}
}
END_TEST

START_TEST(test_answer_echo_to_every_ttl_and_identifier)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t id = 0; id <= 0xffff; id++) {
			struct frame frame =
				frame_icmp(&request[family], family ? 128 : 8, 0, id << 16 | 1);
			const uint8_t *ip;

			frame.data[family ? 21 : 22] = (uint8_t)id;
			if (family == 0) {
				frame_put16(frame.data + 18, id); /* the IP header's id too */
				frame_put16(frame.data + 24, 0);
				frame_put16(frame.data + 24, frame_checksum(frame.data + 14, 20));
			}
			ip = answer_echo(&frame, family);
			expected_echo(frame.data + 14, frame.bytes - 14);
			CHECK(memcmp(ip, frame.data + 14, frame.bytes - 14) == 0);
		}
}
END_TEST

/* A message of zeros has the checksum 0xffff: 0 would say the same of no other message. */
START_TEST(test_answer_echo_of_zeros)
{
	struct frame frame = frame_icmp(&request[0], 8, 0, 0);
	const uint8_t *ip = answer_echo(&frame, false);

	ck_assert_mem_eq(ip + 20, "\0\0\xff\xff\0\0\0\0", 8);
	ck_assert_uint_eq(icmp_checksum(ip, 28), 0);
}
END_TEST

START_TEST(test_answer_echo_of_a_damaged_request_is_as_damaged)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t error = 1; error < 0xffff; error++) {
			struct frame frame =
				frame_icmp(&request[family], family ? 128 : 8, 0, 0xabcd1234);
			uint8_t *checksum = frame.data + 14 + (family ? 42 : 22);
			const uint8_t *ip;

			frame_put16(checksum, frame_get16(checksum) ^ error);
			if (icmp_checksum(frame.data + 14, frame.bytes - 14) == 0)
				continue;
			ip = answer_echo(&frame, family);
			CHECK(icmp_checksum(ip, frame.bytes - 14) != 0);
		}
}
END_TEST

START_TEST(test_answer_echo_refuses_every_cut)
{
	for (uint32_t family = 0; family < 2; family++) {
		struct frame frame = frame_icmp(&request[family], family ? 128 : 8, 0, 1);
		struct fl_packet packet = { .is_ipv6 = family };

		for (uint32_t bytes = 0; bytes < frame.bytes - 14; bytes++) {
			uint8_t *ip = edge_put(&edge, frame.data + 14, bytes);
			struct fl_writer writer = { ip, edge.end };

			CHECK(!fl_answer_echo(&writer, &packet));
			CHECK(memcmp(ip, frame.data + 14, bytes) == 0);
		}
	}
}
END_TEST

/* --- too big --- */

static struct fl_packet
packet_of(uint32_t family)
{
	struct fl_packet packet = { .is_ipv6 = family };

	frame_address_bytes(request[family].src, (uint8_t *)&packet.src);
	frame_address_bytes(request[family].dst, (uint8_t *)&packet.to.address);
	return packet;
}

static uint32_t
expected_too_big_ipv4(uint8_t *ip, const uint8_t *quote, uint32_t mtu)
{
	memset(ip, 0, 28);
	ip[0] = 0x45;
	frame_put16(ip + 2, 20 + 8 + 128);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 1;
	frame_put_address(AF_INET, request[0].dst, ip + 12);
	frame_put_address(AF_INET, request[0].src, ip + 16);
	frame_put16(ip + 10, frame_checksum(ip, 20));
	ip[20] = 3;
	ip[21] = 4;
	frame_put16(ip + 26, mtu); /* RFC 1191: the last two bytes */
	memcpy(ip + 28, quote, 128);
	frame_put16(ip + 22, icmp_checksum(ip, 156));
	return 156;
}

static uint32_t
expected_too_big_ipv6(uint8_t *ip, const uint8_t *quote, uint32_t mtu)
{
	memset(ip, 0, 48);
	ip[0] = 0x60;
	frame_put16(ip + 4, 8 + 128);
	ip[6] = 58;
	ip[7] = 64;
	frame_put_address(AF_INET6, request[1].dst, ip + 8);
	frame_put_address(AF_INET6, request[1].src, ip + 24);
	ip[40] = 2;
	frame_put16(ip + 44, mtu >> 16);
	frame_put16(ip + 46, mtu);
	memcpy(ip + 48, quote, 128);
	frame_put16(ip + 42, icmp_checksum(ip, 176));
	return 176;
}

/* @param quote what the packet begins with, 128 bytes. */
static void
check_too_big(uint32_t family, const uint8_t *quote, uint32_t mtu)
{
	uint8_t *ip, expected[256], frame[256];
	struct fl_packet packet = packet_of(family);
	uint32_t bytes = family ? expected_too_big_ipv6(expected, quote, mtu)
				: expected_too_big_ipv4(expected, quote, mtu);
	struct fl_writer writer;

	memset(frame, EDGE_FILL, bytes);
	memcpy(frame + bytes - 128, quote, 128);
	ip = edge_put(&edge, frame, bytes);
	writer = (struct fl_writer){ ip, edge.end };
	CHECK(fl_answer_too_big(&writer, &packet, mtu));
	CHECK(memcmp(ip, expected, bytes) == 0);
	for (uint32_t i = 1; i <= 256; i++)
		CHECK(ip[-(int)i] == EDGE_FILL);
}

START_TEST(test_answer_too_big_names_every_mtu)
{
	uint8_t quote[128];

	for (uint32_t i = 0; i < sizeof quote; i++)
		quote[i] = (uint8_t)(i * 37 + 11);
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t mtu = 0; mtu <= 0xffff; mtu++)
			check_too_big(family, quote, mtu);
}
END_TEST

START_TEST(test_answer_too_big_sums_every_carry)
{
	uint8_t quote[128];
	uint64_t random = 1;

	for (uint32_t round = 0; round < 40000; round++) {
		for (uint32_t i = 0; i < sizeof quote; i++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			quote[i] = round < 300 ? (uint8_t)(round < 256 ? round : 0xff)
					       : (uint8_t)(random >> 56);
		}
		check_too_big(round & 1, quote, 1480);
	}
}
END_TEST

START_TEST(test_answer_too_big_refuses_every_cut)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t bytes = 0; bytes < (family ? 176u : 156u); bytes++) {
			struct fl_packet packet = packet_of(family);
			uint8_t filled[256], *ip;
			struct fl_writer writer;

			memset(filled, EDGE_FILL, sizeof filled);
			ip = edge_put(&edge, filled, bytes);
			writer = (struct fl_writer){ ip, edge.end };
			CHECK(!fl_answer_too_big(&writer, &packet, 1480));
			CHECK(memcmp(ip, filled, bytes) == 0);
		}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_answer_echo_of_every_length,
				       test_answer_echo_to_every_ttl_and_identifier,
				       test_answer_echo_of_zeros,
				       test_answer_echo_of_a_damaged_request_is_as_damaged,
				       test_answer_echo_refuses_every_cut,
				       test_answer_too_big_names_every_mtu,
				       test_answer_too_big_sums_every_carry,
				       test_answer_too_big_refuses_every_cut,
				       NULL };
	int status;

	edge = edge_create();
	status = run_tests("answer", tests);
	edge_destroy(&edge);
	return status;
}
