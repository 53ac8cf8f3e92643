/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: fl_parse() reads every packet shape right and never one byte too far.
 * Method: each packet is laid against an unmapped page, so a read past its end is a crash, and
 * tried again cut at each shorter length; every value of the length and header fields is tried
 * against what the RFCs say, recomputed here.
 */
#include "parse.h"
#include "run.h"

#include "../edge.h"
#include "../frames.h"

static const struct frame_spec tcp4 = { .src = "198.51.100.7",
					.dst = "192.0.2.10",
					.src_port = 40000,
					.dst_port = 80,
					.ip_proto = 6,
					.tos = 0xb9,
					.fragment = 0x4000,
					.payload = 5 };
static const struct frame_spec tcp6 = { .src = "2001:db8::c:7",
					.dst = "2001:db8::a",
					.src_port = 40000,
					.dst_port = 80,
					.ip_proto = 6,
					.tos = 0xb9,
					.payload = 5 };

static struct edge edge;
static uint8_t frame[FRAME_BYTES_MAX];

/* Parse the first bytes of the frame as a frame of frame_bytes. */
static enum fl_verdict
parse_cut(uint32_t bytes, uint32_t frame_bytes, struct fl_packet *ret_packet)
{
	const uint8_t *start = edge_put(&edge, frame, bytes);
	struct fl_cursor cursor = { .pos = start, .end = start + bytes };

	memset(ret_packet, 0, sizeof *ret_packet);
	return fl_parse(&cursor, frame_bytes, ret_packet);
}

static enum fl_verdict
parse(const struct frame_spec *spec, struct fl_packet *ret_packet)
{
	uint32_t bytes = frame_build(spec, frame);

	return parse_cut(bytes, bytes, ret_packet);
}

static enum fl_verdict
parse_frame(uint32_t bytes)
{
	struct fl_packet packet;

	return parse_cut(bytes, bytes, &packet);
}

static void
check_address(const struct fl_addr *address, const char *text)
{
	uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff };

	if (strchr(text, ':') != NULL)
		frame_put_address(AF_INET6, text, bytes);
	else
		frame_put_address(AF_INET, text, bytes + 12);
	ck_assert_mem_eq(address->word, bytes, 16);
}

static void
check_read(const struct frame_spec *spec)
{
	struct fl_packet packet;
	uint32_t header_bytes = strchr(spec->dst, ':') ? 40 : 20 + 4u * spec->option_words;

	ck_assert_int_eq(parse(spec, &packet), FL_FORWARD);
	check_address(&packet.src, spec->src);
	check_address(&packet.to.address, spec->dst);
	ck_assert_uint_eq(packet.to.ip_proto, spec->ip_proto);
	ck_assert_uint_eq(ntohs(packet.to.port), spec->dst_port);
	ck_assert_uint_eq(ntohs(packet.src_port), spec->src_port);
	ck_assert_uint_eq(packet.l3_bytes,
			  header_bytes + (spec->ip_proto == 6 ? 20 : 8) + spec->payload);
	ck_assert_uint_eq(packet.l4_offset, header_bytes);
	ck_assert_uint_eq(packet.traffic_class, spec->tos);
	ck_assert_int_eq(packet.is_ipv6, strchr(spec->dst, ':') != NULL);
	ck_assert_int_eq(packet.on_vip, FL_FORWARD);
	ck_assert_mem_eq(packet.to.unused, "\0\0\0\0\0", 5);
}

START_TEST(test_parse_reads_every_field)
{
	const struct frame_spec *families[] = { &tcp4, &tcp6 };

	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t variant = 0; variant < 5; variant++) {
			struct frame_spec spec = *families[i];

			spec.ip_proto = variant & 1 ? 17 : 6;
			spec.payload = variant & 2 ? 0 : 1400;
			spec.padding = variant == 4 ? 40 : 0;
			spec.tos = (uint8_t)(3 + variant * 50);
			check_read(&spec);
		}
}
END_TEST

START_TEST(test_parse_steps_over_every_length_of_options)
{
	for (uint8_t words = 0; words <= 10; words++) {
		struct frame_spec spec = tcp4;

		spec.option_words = words;
		check_read(&spec);
	}
}
END_TEST

START_TEST(test_parse_refuses_every_cut)
{
	const struct frame_spec *specs[] = { &tcp4, &tcp6 };

	for (uint32_t i = 0; i < 2; i++)
		for (uint8_t words = 0; words <= (i == 0 ? 10 : 0); words++) {
			struct frame_spec spec = *specs[i];
			struct fl_packet packet;
			uint32_t whole, ip_bytes = i == 0 ? 20 : 40;

			spec.option_words = words;
			whole = frame_build(&spec, frame);
			/* a frame that was cut: short of a header, or of what IP says */
			for (uint32_t bytes = 0; bytes < whole; bytes++)
				ck_assert_int_eq(parse_cut(bytes, bytes, &packet),
						 bytes < 14 + ip_bytes ? FL_DROP_TRUNCATED
								       : FL_DROP_BAD_LENGTH);
			/* a whole frame of which only the beginning can be read */
			for (uint32_t bytes = 0; bytes < whole; bytes++)
				ck_assert_int_eq(parse_cut(bytes, whole, &packet),
						 bytes < 14 + ip_bytes + 4u * words + 4
							 ? FL_DROP_TRUNCATED
							 : FL_FORWARD);
		}
}
END_TEST

START_TEST(test_parse_holds_every_ipv4_length_against_frame_and_headers)
{
	uint32_t bytes = frame_build(&tcp4, frame);

	for (uint32_t total = 0; total <= 0xffff; total++) {
		enum fl_verdict expected = FL_FORWARD;

		frame_put16(frame + 16, total);
		if (total < 20 || total > bytes - 14)
			expected = FL_DROP_BAD_LENGTH;
		else if (total < 40)
			expected = FL_DROP_TRUNCATED;
		CHECK(parse_frame(bytes) == expected);
	}
}
END_TEST

START_TEST(test_parse_holds_every_ipv6_length_against_frame_and_headers)
{
	uint32_t bytes = frame_build(&tcp6, frame);

	for (uint32_t payload = 0; payload <= 0xffff; payload++) {
		enum fl_verdict expected = FL_FORWARD;

		frame_put16(frame + 18, payload);
		if (payload > bytes - 54)
			expected = FL_DROP_BAD_LENGTH;
		else if (payload < 20)
			expected = FL_DROP_TRUNCATED;
		CHECK(parse_frame(bytes) == expected);
	}
}
END_TEST

/* l3_bytes has 16 bits: a payload of 65496 bytes must not wrap, however long the frame says it is.
 */
START_TEST(test_parse_does_not_wrap_ipv6_length)
{
	uint32_t bytes = frame_build(&tcp6, frame);
	struct fl_packet packet;

	frame_put16(frame + 18, 65495);
	ck_assert_int_eq(parse_cut(bytes, 100000, &packet), FL_FORWARD);
	ck_assert_uint_eq(packet.l3_bytes, 65535);
	for (uint32_t payload = 65496; payload <= 65535; payload++) {
		frame_put16(frame + 18, payload);
		ck_assert_int_eq(parse_cut(bytes, 100000, &packet), FL_DROP_BAD_LENGTH);
	}
}
END_TEST

START_TEST(test_parse_needs_a_whole_transport_header)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t l4_bytes = 0; l4_bytes <= 24; l4_bytes++) {
			struct frame_spec spec = family == 0 ? tcp4 : tcp6;
			uint32_t bytes;

			spec.padding = 60; /* so that only the IP length says it is short */
			bytes = frame_build(&spec, frame);
			frame_put16(frame + (family == 0 ? 16 : 18),
				    l4_bytes + (family == 0 ? 20 : 0));
			CHECK(parse_frame(bytes) ==
			      (l4_bytes < 20 ? FL_DROP_TRUNCATED : FL_FORWARD));
			frame[family == 0 ? 23 : 20] = 17;
			CHECK(parse_frame(bytes) ==
			      (l4_bytes < 8 ? FL_DROP_TRUNCATED : FL_FORWARD));
		}
}
END_TEST

START_TEST(test_parse_refuses_every_wrong_version_and_header_length)
{
	uint32_t bytes = frame_build(&tcp4, frame);

	for (uint32_t first = 0; first <= 0xff; first++) {
		enum fl_verdict expected = FL_FORWARD;

		frame[14] = (uint8_t)first;
		if (first >> 4 != 4 || (first & 15) < 5)
			expected = FL_DROP_BAD_HEADER;
		else if ((first & 15) * 4 > bytes - 14)
			expected = FL_DROP_BAD_LENGTH;
		else if ((first & 15) * 4 + 20 > bytes - 14)
			expected = FL_DROP_TRUNCATED;
		CHECK(parse_frame(bytes) == expected);
	}
	bytes = frame_build(&tcp6, frame);
	for (uint32_t first = 0; first <= 0xff; first++) {
		frame[14] = (uint8_t)first;
		CHECK(parse_frame(bytes) == (first >> 4 == 6 ? FL_FORWARD : FL_DROP_BAD_HEADER));
	}
}
END_TEST

START_TEST(test_parse_reads_no_ports_of_any_fragment)
{
	for (uint32_t fragment = 0; fragment <= 0xffff; fragment++) {
		struct fl_packet packet;
		uint32_t bytes = frame_build(&tcp4, frame);

		frame_put16(frame + 20, fragment);
		ck_assert_int_eq(parse_cut(bytes, bytes, &packet), FL_FORWARD);
		/* the reserved bit and DF alone do not make a fragment; MF or an offset do */
		if ((fragment & 0x3fff) == 0) {
			ck_assert_int_eq(packet.on_vip, FL_FORWARD);
			continue;
		}
		ck_assert_int_eq(packet.on_vip, FL_DROP_FRAGMENT);
		ck_assert_uint_eq(packet.to.port, 0);
		ck_assert_uint_eq(packet.to.ip_proto, 0);
		ck_assert_uint_eq(packet.src_port, 0);
		check_address(&packet.to.address, tcp4.dst);
	}
}
END_TEST

/* What RFC 8200 and the IANA registry of extension headers say of a next header value. */
static enum fl_verdict
expected_of_next_header(uint32_t next_header)
{
	switch (next_header) {
	case 6:
	case 17:
		return FL_FORWARD;
	case 44:
		return FL_DROP_FRAGMENT;
	case 0:
	case 43:
	case 51:
	case 60:
	case 135:
	case 139:
	case 140:
		return FL_DROP_IPV6_EXTENSION;
	default:
		return FL_PASS_PROTOCOL;
	}
}

START_TEST(test_parse_reads_no_ports_of_any_other_protocol)
{
	for (uint32_t protocol = 0; protocol <= 0xff; protocol++) {
		struct fl_packet packet;
		uint32_t bytes = frame_build(&tcp4, frame);
		enum fl_verdict expected =
			protocol == 6 || protocol == 17 ? FL_FORWARD : FL_PASS_PROTOCOL;

		frame[23] = (uint8_t)protocol;
		ck_assert_int_eq(parse_cut(bytes, bytes, &packet), FL_FORWARD);
		ck_assert_int_eq(packet.on_vip, expected);
		ck_assert_uint_eq(packet.to.ip_proto, expected == FL_FORWARD ? protocol : 0);
		ck_assert_uint_eq(ntohs(packet.to.port), expected == FL_FORWARD ? 80 : 0);

		bytes = frame_build(&tcp6, frame);
		frame[20] = (uint8_t)protocol;
		expected = expected_of_next_header(protocol);
		ck_assert_int_eq(parse_cut(bytes, bytes, &packet), FL_FORWARD);
		ck_assert_int_eq(packet.on_vip, expected);
		ck_assert_uint_eq(packet.to.ip_proto, expected == FL_FORWARD ? protocol : 0);
		ck_assert_uint_eq(ntohs(packet.to.port), expected == FL_FORWARD ? 80 : 0);
		ck_assert_uint_eq(ntohs(packet.src_port), expected == FL_FORWARD ? 40000 : 0);
	}
}
END_TEST

START_TEST(test_parse_refuses_ipv4_mapped_on_the_wire)
{
	struct frame_spec spec = tcp6;
	struct fl_packet packet;

	spec.dst = "::ffff:192.0.2.10";
	ck_assert_int_eq(parse(&spec, &packet), FL_DROP_BAD_HEADER);
	spec.dst = tcp6.dst;
	spec.src = "::ffff:198.51.100.7";
	ck_assert_int_eq(parse(&spec, &packet), FL_DROP_BAD_HEADER);
	spec.src = "::fffe:c633:6407"; /* near it, but an address of its own */
	check_read(&spec);
	spec.src = "::1:ffff:c633:6407";
	check_read(&spec);
}
END_TEST

START_TEST(test_parse_knows_every_ether_type)
{
	uint32_t bytes = frame_build(&tcp4, frame);

	for (uint32_t type = 0; type <= 0xffff; type++) {
		enum fl_verdict expected = FL_PASS_NOT_IP;

		if (type == 0x0800)
			expected = FL_FORWARD;
		else if (type == 0x86dd)
			expected = FL_DROP_BAD_HEADER; /* it is an IPv4 packet */
		else if (type == 0x8100 || type == 0x88a8)
			expected = FL_PASS_VLAN;
		frame_put16(frame + 12, type);
		CHECK(parse_frame(bytes) == expected);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_parse_reads_every_field,
				       test_parse_steps_over_every_length_of_options,
				       test_parse_refuses_every_cut,
				       test_parse_holds_every_ipv4_length_against_frame_and_headers,
				       test_parse_holds_every_ipv6_length_against_frame_and_headers,
				       test_parse_does_not_wrap_ipv6_length,
				       test_parse_needs_a_whole_transport_header,
				       test_parse_refuses_every_wrong_version_and_header_length,
				       test_parse_reads_no_ports_of_any_fragment,
				       test_parse_reads_no_ports_of_any_other_protocol,
				       test_parse_refuses_ipv4_mapped_on_the_wire,
				       test_parse_knows_every_ether_type,
				       NULL };
	int status;

	edge = edge_create();
	status = run_tests("parse", tests);
	edge_destroy(&edge);
	return status;
}
