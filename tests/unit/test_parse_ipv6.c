/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: IPv6 extension headers are stepped over as docs/formats.md section 7 says, never one byte
 * too far, and never is payload read as ports. Method: every next header value in the first and in
 * the second place, every length, every routing header, every fragment field; chains of all kinds,
 * cut at each length against an unmapped page.
 */
#include "parse.h"
#include "run.h"

#include "core_parse.h"

static const struct frame_spec tcp6 = { .src = "2001:db8::c:7",
					.dst = "2001:db8::a",
					.src_port = 40000,
					.dst_port = 80,
					.ip_proto = 6,
					.payload = 5 };

enum { HOPOPTS = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, DSTOPTS = 60 };

static void
check_no_ports(const struct fl_packet *packet)
{
	CHECK(packet->to.port == 0 && packet->to.ip_proto == 0 && packet->src_port == 0);
}

/* The frame's verdict on a VIP; ports are read exactly when it goes on as a flow. */
static enum fl_verdict
on_vip(const struct frame *frame)
{
	struct fl_packet packet;

	CHECK(parse(frame, &packet) == FL_FORWARD);
	if (packet.shape == FL_SHAPE_FLOW || packet.shape == FL_SHAPE_FIRST)
		CHECK(ntohs(packet.to.port) == 80 && ntohs(packet.src_port) == 40000);
	else
		check_no_ports(&packet);
	return (enum fl_verdict)packet.on_vip;
}

/* What follows is a TCP header: 9c 40 00 50, 0, 0, 50 02: so as an extension header it says next
 * header 156 and 66 * 8 bytes. */
static enum fl_verdict
expected_of_first(uint32_t next_header)
{
	switch (next_header) {
	case 6:
	case 17:
		return FL_FORWARD;
	case HOPOPTS:
	case ROUTING:
	case AH:
	case DSTOPTS:
		return FL_DROP_TRUNCATED;
	case 135:
	case 139:
	case 140:
		return FL_DROP_IPV6_EXTENSION;
	case 58:
		return FL_DROP_ICMP;
	default:
		return FL_PASS_PROTOCOL;
	}
}

START_TEST(test_parse_ipv6_knows_every_next_header)
{
	for (uint32_t value = 0; value <= 0xff; value++) {
		enum fl_verdict expected = expected_of_first(value);
		struct frame frame = frame_of(&tcp6);
		struct fl_packet packet;

		frame.data[20] = (uint8_t)value;
		if (value == FRAGMENT) /* of protocol 156, offset 0, no more */
			expected = FL_PASS_PROTOCOL;
		ck_assert_int_eq(on_vip(&frame), expected);
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert_int_eq(packet.is_tunnel, value == 4 || value == 41);

		/* and behind another one */
		frame_add_extension(&frame, DSTOPTS, 8);
		ck_assert_int_eq(on_vip(&frame), expected);
	}
}
END_TEST

START_TEST(test_parse_ipv6_steps_over_every_kind)
{
	static const uint8_t kinds[] = { HOPOPTS, ROUTING, AH, DSTOPTS };

	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t size = 8; size <= 256; size += 8) {
			struct frame frame = frame_of(&tcp6);
			struct fl_packet packet;

			frame_add_extension(&frame, kinds[i], size);
			ck_assert_int_eq(on_vip(&frame), FL_FORWARD);
			parse(&frame, &packet);
			ck_assert_uint_eq(packet.l4_offset, 40 + size);
			ck_assert_uint_eq(packet.l3_bytes, 40 + size + 25);
			ck_assert_uint_eq(packet.ip_proto, 6);
			ck_assert_uint_eq(packet.to.ip_proto, 6);
		}
}
END_TEST

/* Every length an extension header can say, in a packet that goes on for long enough or not. */
START_TEST(test_parse_ipv6_believes_every_length_within_the_packet)
{
	static const uint8_t kinds[] = { HOPOPTS, ROUTING, AH, DSTOPTS };

	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t length = 0; length <= 0xff; length++) {
			uint32_t bytes = kinds[i] == AH ? (length + 2) * 4 : (length + 1) * 8;
			struct frame_spec spec = tcp6;
			struct fl_packet packet;
			struct frame frame;

			spec.payload =
				980; /* header and payload are 1000 bytes: no ports in them */
			frame = frame_of(&spec);
			memset(frame.data + 54, 0, 1000);
			frame_add_extension(&frame, kinds[i], 8)[1] = (uint8_t)length;
			CHECK(parse(&frame, &packet) == FL_FORWARD);
			if (bytes > 1008) {
				CHECK(packet.on_vip == FL_DROP_TRUNCATED);
				check_no_ports(&packet);
				continue;
			}
			CHECK(packet.l4_offset == 40 + bytes);
			CHECK(packet.on_vip ==
			      (1008 - bytes < 20 ? FL_DROP_TRUNCATED : FL_FORWARD));
		}
}
END_TEST

START_TEST(test_parse_ipv6_takes_hop_by_hop_first_only)
{
	static const uint8_t before[] = { HOPOPTS, ROUTING, FRAGMENT, AH, DSTOPTS };

	for (uint32_t i = 0; i < 5; i++) {
		struct frame frame = frame_of(&tcp6);

		frame_add_extension(&frame, HOPOPTS, 8);
		ck_assert_int_eq(on_vip(&frame), FL_FORWARD);
		frame_add_extension(&frame, before[i], before[i] == AH ? 12 : 8);
		ck_assert_int_eq(on_vip(&frame), FL_DROP_IPV6_EXTENSION);
	}
}
END_TEST

START_TEST(test_parse_ipv6_takes_six_headers)
{
	for (uint32_t count = 0; count <= 9; count++)
		for (uint32_t has_fragment = 0; has_fragment < 2; has_fragment++) {
			struct frame frame = frame_of(&tcp6);

			for (uint32_t i = 0; i < count; i++)
				if (has_fragment && i == 2)
					frame_add_fragment(&frame, 0, 1);
				else
					frame_add_extension(&frame, i & 1 ? ROUTING : DSTOPTS, 8);
			ck_assert_int_eq(on_vip(&frame),
					 count > 6 ? FL_DROP_IPV6_EXTENSION : FL_FORWARD);
		}
}
END_TEST

/* FL_EXTENSIONS_BYTES_MAX of all of them. */
START_TEST(test_parse_ipv6_takes_2048_bytes_of_headers)
{
	for (uint32_t last = 8; last <= 2048 - 1000; last += 8) {
		struct frame frame = frame_of(&tcp6);

		frame_add_extension(&frame, DSTOPTS, 1000);
		frame_add_extension(&frame, ROUTING, last);
		ck_assert_int_eq(on_vip(&frame), FL_FORWARD);
		frame_add_extension(&frame, HOPOPTS, 8);
		ck_assert_int_eq(on_vip(&frame),
				 last + 1008 > 2048 ? FL_DROP_IPV6_EXTENSION : FL_FORWARD);
	}
}
END_TEST

START_TEST(test_parse_ipv6_refuses_what_routes)
{
	struct frame frame = frame_of(&tcp6);
	uint8_t *routing = frame_add_extension(&frame, ROUTING, 24);

	for (uint32_t i = 0; i <= 0xffff; i++) {
		uint32_t type = i >> 8, left = i & 0xff;

		routing[2] = (uint8_t)type;
		routing[3] = (uint8_t)left;
		CHECK(on_vip(&frame) ==
		      (type == 0 || left != 0 ? FL_DROP_ROUTING_HEADER : FL_FORWARD));
	}
	/* the same bytes in options are no routing header */
	routing[2] = 0;
	routing[3] = 1;
	frame.data[20] = DSTOPTS;
	ck_assert_int_eq(on_vip(&frame), FL_FORWARD);
}
END_TEST

START_TEST(test_parse_ipv6_reads_every_fragment_field)
{
	static const uint8_t protocols[] = { 6, 17, 58, 47, DSTOPTS };

	for (uint32_t field = 0; field <= 0xffff; field++) {
		bool is_later = field >> 3, is_first = !is_later && (field & 1);
		uint8_t protocol = protocols[field % 5];
		struct frame_spec spec = tcp6;
		struct fl_packet packet;
		struct frame frame;
		uint32_t expected;

		spec.ip_proto = protocol == DSTOPTS ? 6 : protocol;
		spec.src_port = 0x8000; /* as ICMPv6: an echo request */
		frame = frame_of(&spec);
		if (protocol == DSTOPTS)
			frame_add_extension(&frame, DSTOPTS, 8);
		frame_add_fragment(&frame, (uint16_t)field, 0x89abcdef);
		CHECK(parse(&frame, &packet) == FL_FORWARD);
		expected = protocol == 47 || (protocol == DSTOPTS && is_later) ? FL_SHAPE_OTHER
			   : protocol == 58
				   ? (is_later || is_first ? FL_SHAPE_ICMP_FRAGMENT : FL_SHAPE_ECHO)
			   : is_later ? FL_SHAPE_LATER
			   : is_first ? FL_SHAPE_FIRST
				      : FL_SHAPE_FLOW;
		CHECK(packet.shape == expected);
		CHECK(packet.fragment == (is_later   ? FL_FRAGMENT_LATER
					  : is_first ? FL_FRAGMENT_FIRST
						     : FL_FRAGMENT_NONE));
		CHECK(packet.fragment_proto == protocol);
		CHECK(ntohl(packet.fragment_id) == 0x89abcdef);
		CHECK(packet.on_vip ==
		      (expected == FL_SHAPE_OTHER ? FL_PASS_PROTOCOL : FL_FORWARD));
		if (expected != FL_SHAPE_FLOW && expected != FL_SHAPE_FIRST &&
		    expected != FL_SHAPE_ECHO)
			check_no_ports(&packet);
	}
}
END_TEST

START_TEST(test_parse_ipv6_takes_one_fragment_header)
{
	for (uint32_t second = 0; second < 2; second++)
		for (uint32_t first = 0; first < 2; first++) {
			struct frame frame = frame_of(&tcp6);

			frame_add_fragment(&frame, (uint16_t)second, 2);
			frame_add_extension(&frame, DSTOPTS, 8);
			frame_add_fragment(&frame, (uint16_t)first, 1);
			ck_assert_int_eq(on_vip(&frame), FL_DROP_IPV6_EXTENSION);
		}
}
END_TEST

/* Behind a later fragment's header lies payload, whatever next header it names. */
START_TEST(test_parse_ipv6_reads_nothing_behind_a_later_fragment)
{
	for (uint32_t value = 0; value <= 0xff; value++) {
		struct frame frame = frame_of(&tcp6);
		struct fl_packet packet;

		frame.data[20] = (uint8_t)value;
		frame_add_fragment(&frame, 8, 1);
		CHECK(parse(&frame, &packet) == FL_FORWARD);
		check_no_ports(&packet);
		CHECK(packet.ip_proto == value && packet.l4_offset == 48);
		CHECK(packet.shape == (value == 6 || value == 17 ? FL_SHAPE_LATER
				       : value == 58		 ? FL_SHAPE_ICMP_FRAGMENT
								 : FL_SHAPE_OTHER));
		CHECK(packet.on_vip ==
		      (packet.shape == FL_SHAPE_OTHER ? FL_PASS_PROTOCOL : FL_FORWARD));
		CHECK(packet.is_tunnel == (value == 4 || value == 41));
	}
}
END_TEST

START_TEST(test_parse_ipv6_refuses_every_cut_of_every_chain)
{
	static const uint8_t kinds[] = { HOPOPTS, ROUTING, FRAGMENT, AH, DSTOPTS };

	/* four places, each empty or one of the kinds */
	for (uint32_t chain = 0; chain < 6 * 6 * 6 * 6; chain++) {
		struct frame frame = frame_of(&tcp6);
		struct fl_packet packet;

		for (uint32_t left = chain; left > 0; left /= 6) {
			uint8_t kind = left % 6 == 0 ? 0 : kinds[left % 6 - 1];

			if (left % 6 == 0)
				continue;
			if (kind == FRAGMENT)
				frame_add_fragment(&frame, left % 7 > 3, left);
			else
				frame_add_extension(&frame, kind, kind == AH ? 12 : 16);
		}
		parse_check_every_cut(&frame);
		parse_check_every_length(&frame);
		for (uint32_t bytes = 0; bytes < frame.bytes; bytes++)
			CHECK(parse_cut(&frame, bytes, bytes, &packet) ==
			      (bytes < 54 ? FL_DROP_TRUNCATED : FL_DROP_BAD_LENGTH));
	}
}
END_TEST

/* An extension header that the packet has and the frame shows only in part. */
START_TEST(test_parse_ipv6_marks_headers_that_cannot_be_read)
{
	struct frame frame = frame_of(&tcp6);
	struct fl_packet packet;

	frame_add_extension(&frame, ROUTING, 16);
	frame_add_extension(&frame, DSTOPTS, 16);
	for (uint32_t bytes = 54; bytes <= frame.bytes; bytes++) {
		CHECK(parse_cut(&frame, bytes, frame.bytes, &packet) == FL_FORWARD);
		CHECK(packet.on_vip == (bytes < 54 + 32 + 4 ? FL_DROP_TRUNCATED : FL_FORWARD));
	}
}
END_TEST

START_TEST(test_parse_ipv6_names_the_source_before_bad_headers)
{
	struct frame_spec spec = tcp6;
	struct frame frame;

	spec.src = "ff02::1";
	frame = frame_of(&spec);
	frame_add_extension(&frame, ROUTING, 8)[2] = 0;
	ck_assert_int_eq(on_vip(&frame), FL_DROP_SOURCE_MULTICAST);
}
END_TEST

START_TEST(test_parse_ipv6_refuses_ipv4_mapped_on_the_wire)
{
	static const struct {
		const char *src, *dst;
		bool fine;
	} rows[] = {
		{ "2001:db8::c:7", "::ffff:192.0.2.10", false },
		{ "::ffff:198.51.100.7", "2001:db8::a", false },
		{ "::ffff:198.51.100.7", "::ffff:192.0.2.10", false },
		/* near it, but addresses of their own */
		{ "::fffe:c633:6407", "2001:db8::a", true },
		{ "::1:ffff:c633:6407", "2001:db8::a", true },
		{ "2001:db8::c:7", "1::ffff:c000:20a", true },
		{ "2001:db8::c:7", "0:1::ffff:c000:20a", true },
	};

	for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct frame_spec spec = tcp6;
		struct fl_packet packet;
		struct frame frame;

		spec.src = rows[i].src;
		spec.dst = rows[i].dst;
		frame = frame_of(&spec);
		ck_assert_int_eq(parse(&frame, &packet),
				 rows[i].fine ? FL_FORWARD : FL_DROP_BAD_HEADER);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_parse_ipv6_knows_every_next_header,
				       test_parse_ipv6_steps_over_every_kind,
				       test_parse_ipv6_believes_every_length_within_the_packet,
				       test_parse_ipv6_takes_hop_by_hop_first_only,
				       test_parse_ipv6_takes_six_headers,
				       test_parse_ipv6_takes_2048_bytes_of_headers,
				       test_parse_ipv6_refuses_what_routes,
				       test_parse_ipv6_reads_every_fragment_field,
				       test_parse_ipv6_takes_one_fragment_header,
				       test_parse_ipv6_reads_nothing_behind_a_later_fragment,
				       test_parse_ipv6_refuses_every_cut_of_every_chain,
				       test_parse_ipv6_marks_headers_that_cannot_be_read,
				       test_parse_ipv6_names_the_source_before_bad_headers,
				       test_parse_ipv6_refuses_ipv4_mapped_on_the_wire,
				       NULL };

	return parse_run_tests("parse_ipv6", tests);
}
