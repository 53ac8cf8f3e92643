/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: fl_parse() reads Ethernet, tags and IP headers right and never one byte too far.
 * Method: each packet is laid against an unmapped page, so a read past its end is a crash, and
 * tried again cut at each shorter length; every value of the length and header fields is tried
 * against what docs/formats.md section 7 and the RFCs say, recomputed here. Extension headers are
 * in test_parse_ipv6.c, ICMP in test_icmp.c.
 */
#include "parse.h"
#include "run.h"

#include "core_parse.h"

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

static const struct frame_spec *const families[] = { &tcp4, &tcp6 };

static void
check_address(const struct fl_addr *address, const char *text)
{
	uint8_t bytes[16];

	frame_address_bytes(text, bytes);
	ck_assert_mem_eq(address, bytes, 16);
}

static void
check_read(const struct frame_spec *spec)
{
	bool is_ipv6 = frame_is_ipv6(spec->dst);
	uint32_t header_bytes = is_ipv6 ? 40 : 20 + 4u * spec->option_words;
	struct frame frame = frame_of(spec);
	struct fl_packet packet;

	ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
	check_address(&packet.src, spec->src);
	check_address(&packet.to.address, spec->dst);
	ck_assert_uint_eq(packet.to.ip_proto, spec->ip_proto);
	ck_assert_uint_eq(packet.ip_proto, spec->ip_proto);
	ck_assert_uint_eq(ntohs(packet.to.port), spec->dst_port);
	ck_assert_uint_eq(ntohs(packet.src_port), spec->src_port);
	ck_assert_uint_eq(packet.l2_bytes, 14);
	ck_assert_uint_eq(packet.l3_bytes,
			  header_bytes + (spec->ip_proto == 6 ? 20 : 8) + spec->payload);
	ck_assert_uint_eq(packet.l4_offset, header_bytes);
	ck_assert_uint_eq(packet.traffic_class, spec->tos);
	ck_assert_uint_eq(packet.ttl, 57);
	ck_assert_uint_eq(packet.src_mac, 0x020000000002); /* byte 0 lowest */
	ck_assert_int_eq(packet.is_ipv6, is_ipv6);
	ck_assert_int_eq(packet.on_vip, FL_FORWARD);
	ck_assert_int_eq(packet.source, FL_FORWARD);
	ck_assert_int_eq(packet.is_to_group, 0);
	ck_assert_int_eq(packet.shape, FL_SHAPE_FLOW);
	ck_assert_int_eq(packet.fragment, FL_FRAGMENT_NONE);
	ck_assert(!packet.is_tunnel && packet.tag[0] == 0 && packet.tag[1] == 0);
	ck_assert(packet.to.bits == 0 && packet.to.kind == 0);
	ck_assert_mem_eq(packet.to.unused, "\0\0\0", 3);
}

START_TEST(test_parse_reads_every_field)
{
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t variant = 0; variant < 5; variant++) {
			struct frame_spec spec = *families[i];

			spec.ip_proto = variant & 1 ? 17 : 6;
			spec.payload = variant & 2 ? 0 : 1400;
			spec.padding = variant == 4 ? 40 : 0;
			spec.tos = (uint8_t)(3 + variant * 50);
			spec.dst_port = variant == 3 ? 0 : 80; /* port 0 is a port */
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

/* A frame that was cut: short of a header, or of what IP says. */
static void
check_cut_frame(const struct frame *frame, uint32_t ip_bytes)
{
	struct fl_packet packet;

	for (uint32_t bytes = 0; bytes < frame->bytes; bytes++)
		ck_assert_int_eq(parse_cut(frame, bytes, bytes, &packet),
				 bytes < frame->l3 + ip_bytes ? FL_DROP_TRUNCATED
							      : FL_DROP_BAD_LENGTH);
}

START_TEST(test_parse_refuses_every_cut)
{
	for (uint32_t i = 0; i < 2; i++)
		for (uint8_t words = 0; words <= (i == 0 ? 10 : 0); words++)
			for (uint32_t tags = 0; tags <= 2; tags++) {
				struct frame_spec spec = *families[i];
				struct frame frame;

				spec.option_words = words;
				frame = frame_of(&spec);
				for (uint32_t tag = 0; tag < tags; tag++)
					frame_add_tag(&frame, tag ? 0x88a8 : 0x8100, 5);
				check_cut_frame(&frame, i == 0 ? 20 + 4u * words : 40);
			}
}
END_TEST

/* A whole frame of which only the beginning can be read. */
START_TEST(test_parse_refuses_headers_that_cannot_be_read)
{
	for (uint32_t i = 0; i < 2; i++)
		for (uint8_t words = 0; words <= (i == 0 ? 10 : 0); words++) {
			struct frame_spec spec = *families[i];
			uint32_t ip_bytes = i == 0 ? 20 : 40, l4 = 14 + ip_bytes + 4u * words;
			struct fl_packet packet;
			struct frame frame;

			spec.option_words = words;
			frame = frame_of(&spec);
			for (uint32_t bytes = 0; bytes <= frame.bytes; bytes++) {
				bool has_ip = bytes >= 14 + ip_bytes;

				CHECK(parse_cut(&frame, bytes, frame.bytes, &packet) ==
				      (has_ip ? FL_FORWARD : FL_DROP_TRUNCATED));
				if (has_ip)
					CHECK(packet.on_vip ==
					      (bytes < l4 + 4 ? FL_DROP_TRUNCATED : FL_FORWARD));
			}
		}
}
END_TEST

/* frame_bytes is what counts, however much can be read. */
START_TEST(test_parse_believes_the_frame_length)
{
	struct frame frame = frame_of(&tcp4);
	struct fl_packet packet;

	for (uint32_t bytes = 0; bytes < 14; bytes++)
		ck_assert_int_eq(parse_cut(&frame, frame.bytes, bytes, &packet), FL_DROP_TRUNCATED);
	for (uint32_t bytes = 14; bytes < frame.bytes; bytes++)
		ck_assert_int_eq(parse_cut(&frame, frame.bytes, bytes, &packet),
				 FL_DROP_BAD_LENGTH);
	ck_assert_int_eq(parse_cut(&frame, frame.bytes, frame.bytes, &packet), FL_FORWARD);
}
END_TEST

START_TEST(test_parse_holds_every_ipv4_length_against_frame_and_headers)
{
	struct frame frame = frame_of(&tcp4);
	struct fl_packet packet;

	for (uint32_t total = 0; total <= 0xffff; total++) {
		bool is_wrong = total < 20 || total > frame.bytes - 14;

		frame_put16(frame.data + 16, total);
		CHECK(parse(&frame, &packet) == (is_wrong ? FL_DROP_BAD_LENGTH : FL_FORWARD));
		if (is_wrong)
			continue;
		CHECK(packet.l3_bytes == total);
		CHECK(packet.on_vip == (total < 40 ? FL_DROP_TRUNCATED : FL_FORWARD));
		CHECK(packet.to.ip_proto == (total < 40 ? 0 : 6));
	}
}
END_TEST

START_TEST(test_parse_holds_every_ipv6_length_against_frame_and_headers)
{
	struct frame frame = frame_of(&tcp6);
	struct fl_packet packet;

	for (uint32_t payload = 0; payload <= 0xffff; payload++) {
		bool is_wrong = payload > frame.bytes - 54;

		frame_put16(frame.data + 18, payload);
		CHECK(parse(&frame, &packet) == (is_wrong ? FL_DROP_BAD_LENGTH : FL_FORWARD));
		if (is_wrong)
			continue;
		CHECK(packet.l3_bytes == 40 + payload);
		CHECK(packet.on_vip == (payload < 20 ? FL_DROP_TRUNCATED : FL_FORWARD));
	}
}
END_TEST

/* l3_bytes has 16 bits: a payload of 65496 bytes must not wrap, however long the frame says it is.
 */
START_TEST(test_parse_does_not_wrap_ipv6_length)
{
	struct frame frame = frame_of(&tcp6);
	struct fl_packet packet;

	frame_put16(frame.data + 18, 65495);
	ck_assert_int_eq(parse_cut(&frame, frame.bytes, 100000, &packet), FL_FORWARD);
	ck_assert_uint_eq(packet.l3_bytes, 65535);
	for (uint32_t payload = 65496; payload <= 65535; payload++) {
		frame_put16(frame.data + 18, payload);
		ck_assert_int_eq(parse_cut(&frame, frame.bytes, 100000, &packet),
				 FL_DROP_BAD_LENGTH);
	}
}
END_TEST

/* TCP 20 bytes, UDP 8, by the IP header's length, also in a first fragment. */
START_TEST(test_parse_needs_a_whole_transport_header)
{
	for (uint32_t variant = 0; variant < 8; variant++)
		for (uint32_t l4_bytes = 0; l4_bytes <= 24; l4_bytes++) {
			bool is_ipv6 = variant & 1, is_udp = variant & 2, is_first = variant & 4;
			struct frame_spec spec = is_ipv6 ? tcp6 : tcp4;
			struct fl_packet packet;
			struct frame frame;
			uint32_t extra = is_ipv6 ? (is_first ? 8 : 0) : 20;

			spec.padding = 60; /* so that only the IP length says it is short */
			spec.ip_proto = is_udp ? 17 : 6;
			spec.fragment = is_first ? 0x2000 : 0;
			frame = frame_of(&spec);
			if (is_first && is_ipv6)
				frame_add_fragment(&frame, 1, 77);
			frame_put16(frame.data + (is_ipv6 ? 18 : 16), l4_bytes + extra);
			CHECK(parse(&frame, &packet) == FL_FORWARD);
			CHECK(packet.on_vip ==
			      (l4_bytes < (is_udp ? 8 : 20) ? FL_DROP_TRUNCATED : FL_FORWARD));
			CHECK(packet.shape == (packet.on_vip ? FL_SHAPE_OTHER
					       : is_first    ? FL_SHAPE_FIRST
							     : FL_SHAPE_FLOW));
			CHECK(ntohs(packet.to.port) == (packet.on_vip ? 0 : 80));
		}
}
END_TEST

START_TEST(test_parse_refuses_every_wrong_version_and_header_length)
{
	struct frame frame = frame_of(&tcp4);
	struct fl_packet packet;

	for (uint32_t first = 0; first <= 0xff; first++) {
		enum fl_verdict expected = FL_FORWARD;

		frame.data[14] = (uint8_t)first;
		if (first >> 4 != 4 || (first & 15) < 5)
			expected = FL_DROP_BAD_HEADER;
		else if ((first & 15) * 4 > frame.bytes - 14)
			expected = FL_DROP_TRUNCATED;
		CHECK(parse(&frame, &packet) == expected);
		if (expected == FL_FORWARD)
			CHECK(packet.on_vip == ((first & 15) * 4 + 20 > frame.bytes - 14
							? FL_DROP_TRUNCATED
							: FL_FORWARD));
	}
	frame = frame_of(&tcp6);
	for (uint32_t first = 0; first <= 0xff; first++) {
		frame.data[14] = (uint8_t)first;
		CHECK(parse(&frame, &packet) ==
		      (first >> 4 == 6 ? FL_FORWARD : FL_DROP_BAD_HEADER));
	}
}
END_TEST

START_TEST(test_parse_reads_every_ipv4_fragment_field)
{
	static const uint8_t protocols[] = { 6, 17, 1, 4, 47 };

	for (uint32_t fragment = 0; fragment <= 0xffff; fragment++) {
		/* the reserved bit and DF alone do not make a fragment; MF or an offset do */
		bool is_later = fragment & 0x1fff, is_first = !is_later && fragment & 0x2000;
		uint8_t protocol = protocols[fragment % 5];
		struct frame_spec spec = tcp4;
		struct fl_packet packet;
		struct frame frame;
		uint32_t expected;

		spec.ip_proto = protocol;
		spec.src_port = 0x0800; /* as ICMP: an echo request */
		spec.fragment = (uint16_t)fragment;
		frame = frame_of(&spec);
		CHECK(parse(&frame, &packet) == FL_FORWARD);
		expected = protocol == 1
				   ? (is_later || is_first ? FL_SHAPE_ICMP_FRAGMENT : FL_SHAPE_ECHO)
			   : protocol != 6 && protocol != 17 ? FL_SHAPE_OTHER
			   : is_later			     ? FL_SHAPE_LATER
			   : is_first			     ? FL_SHAPE_FIRST
							     : FL_SHAPE_FLOW;
		CHECK(packet.shape == expected);
		CHECK(packet.fragment_proto == protocol &&
		      ntohs(packet.fragment_id & 0xffff) == 0x1234);
		CHECK(packet.fragment_id >> 16 == 0);
		CHECK(packet.on_vip ==
		      (expected == FL_SHAPE_OTHER ? FL_PASS_PROTOCOL : FL_FORWARD));
		/* payload is never read as ports */
		if (expected != FL_SHAPE_FLOW && expected != FL_SHAPE_FIRST)
			CHECK(packet.to.port == 0 && packet.to.ip_proto == 0);
		if (expected == FL_SHAPE_LATER || expected == FL_SHAPE_ICMP_FRAGMENT)
			CHECK(packet.src_port == 0);
	}
}
END_TEST

START_TEST(test_parse_reads_no_ports_of_any_other_protocol)
{
	for (uint32_t protocol = 0; protocol <= 0xff; protocol++) {
		bool has_ports = protocol == 6 || protocol == 17;
		struct frame frame = frame_of(&tcp4);
		struct fl_packet packet;

		frame.data[23] = (uint8_t)protocol;
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert_uint_eq(packet.ip_proto, protocol);
		ck_assert_uint_eq(packet.to.ip_proto, has_ports ? protocol : 0);
		ck_assert_uint_eq(ntohs(packet.to.port), has_ports ? 80 : 0);
		/* 1: its type is that of the port 40000, which nobody takes; 58 means nothing here
		 */
		ck_assert_int_eq(packet.on_vip, has_ports	? FL_FORWARD
						: protocol == 1 ? FL_DROP_ICMP
								: FL_PASS_PROTOCOL);
		ck_assert_int_eq(packet.is_tunnel, protocol == 4 || protocol == 41);
	}
}
END_TEST

START_TEST(test_parse_knows_its_own_tunnels)
{
	for (uint32_t port = 0; port <= 0xffff; port++) {
		struct frame_spec spec = *families[port & 1];
		struct fl_packet packet;
		struct frame frame;

		spec.dst_port = (uint16_t)port;
		spec.ip_proto = port == 6080 || port % 3 != 0 ? 17 : 6;
		frame = frame_of(&spec);
		CHECK(parse(&frame, &packet) == FL_FORWARD);
		CHECK(packet.is_tunnel == (port == 6080));
		spec.ip_proto = 6;
		frame = frame_of(&spec);
		CHECK(parse(&frame, &packet) == FL_FORWARD && !packet.is_tunnel);
	}
}
END_TEST

/* IP-in-IP is told by the protocol, of a fragment too; a later fragment of UDP has no port. */
START_TEST(test_parse_knows_tunnels_of_fragments)
{
	for (uint32_t variant = 0; variant < 3; variant++) {
		struct frame_spec spec = tcp4;
		struct fl_packet packet;
		struct frame frame;

		spec.fragment = (uint16_t[]){ 0, 0x2000, 0x2001 }[variant];
		spec.ip_proto = 4;
		frame = frame_of(&spec);
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert(packet.is_tunnel);
		spec.ip_proto = 17;
		spec.dst_port = 6080;
		frame = frame_of(&spec);
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert_int_eq(packet.is_tunnel, variant < 2);
	}
}
END_TEST

START_TEST(test_parse_knows_every_ether_type)
{
	for (uint32_t tags = 0; tags <= 3; tags++)
		for (uint32_t type = 0; type <= 0xffff; type++) {
			bool is_tag = type == 0x8100 || type == 0x88a8;
			struct frame_spec spec = tcp4;
			enum fl_verdict expected = FL_PASS_NOT_IP;
			struct fl_packet packet;
			struct frame frame;

			spec.src = "0.0.0.0"; /* read as a tag, this is none and not IP */
			frame = frame_of(&spec);
			frame_put16(frame.data + 12, type);
			for (uint32_t i = 0; i < tags; i++)
				frame_add_tag(&frame, i & 1 ? 0x88a8 : 0x8100, 0x2005);
			if (tags == 3 || (tags == 2 && is_tag))
				expected = FL_PASS_VLAN;
			else if (type == 0x0800)
				expected = FL_FORWARD;
			else if (type == 0x86dd)
				expected = FL_DROP_BAD_HEADER; /* it is an IPv4 packet */
			CHECK(parse(&frame, &packet) == expected);
		}
}
END_TEST

START_TEST(test_parse_keeps_the_tags)
{
	static const uint16_t types[] = { 0x8100, 0x88a8 };

	for (uint32_t variant = 0; variant < 16; variant++) {
		uint32_t count = 1 + (variant >> 3), family = variant & 1;
		struct frame frame = frame_of(families[family]);
		uint16_t outer = types[variant >> 1 & 1], inner = types[variant >> 2 & 1];
		struct fl_packet packet;

		/* priority 7, drop eligible, id 0xabc: the whole word stays */
		if (count == 2)
			frame_add_tag(&frame, inner, 0xfabc);
		frame_add_tag(&frame, outer, 0x3123);
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert_uint_eq(packet.l2_bytes, 14 + 4 * count);
		ck_assert_uint_eq(ntohl(packet.tag[0]), (uint32_t)outer << 16 | 0x3123);
		ck_assert_uint_eq(ntohl(packet.tag[1]),
				  count == 2 ? (uint32_t)inner << 16 | 0xfabc : 0);
		ck_assert_uint_eq(ntohs(packet.to.port), 80);
		ck_assert_uint_eq(packet.l3_bytes, (family ? 40 : 20) + 25);
	}
}
END_TEST

START_TEST(test_parse_judges_every_ipv4_source)
{
	for (uint32_t i = 0; i < 256 * 16; i++) {
		uint32_t first = i >> 4, rest = i & 15;
		struct frame frame = frame_of(&tcp4);
		enum fl_verdict expected = FL_FORWARD;
		struct fl_packet packet;
		uint8_t *src = frame.data + 26;

		src[0] = (uint8_t)first;
		src[1] = (uint8_t)(rest & 1 ? 0xff : 0);
		src[2] = (uint8_t)(rest & 2 ? 0xff : 0);
		src[3] = (uint8_t)(rest & 4 ? 0xff : rest & 8 ? 1 : 0);
		if (first >= 224 && first <= 239)
			expected = FL_DROP_SOURCE_MULTICAST;
		else if (first == 255 && (rest & 7) == 7)
			expected = FL_DROP_SOURCE_BROADCAST;
		else if (first == 127)
			expected = FL_DROP_SOURCE_LOOPBACK;
		else if (first == 0)
			expected = FL_DROP_SOURCE_UNSPECIFIED;
		CHECK(parse(&frame, &packet) == FL_FORWARD);
		CHECK(packet.source == expected && packet.on_vip == expected);
		CHECK(packet.to.ip_proto == 6 && packet.shape == FL_SHAPE_FLOW);
	}
}
END_TEST

static void
check_source(const struct frame_spec *like, const char *src, enum fl_verdict expected)
{
	struct frame_spec spec = *like;
	struct fl_packet packet;
	struct frame frame;

	spec.src = src;
	frame = frame_of(&spec);
	ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
	ck_assert_int_eq(packet.on_vip, expected);
}

START_TEST(test_parse_judges_every_kind_of_ipv6_source)
{
	check_source(&tcp6, "ff02::1", FL_DROP_SOURCE_MULTICAST);
	check_source(&tcp6, "ff00::", FL_DROP_SOURCE_MULTICAST);
	check_source(&tcp6, "fe80::1", FL_FORWARD);
	check_source(&tcp6, "::1", FL_DROP_SOURCE_LOOPBACK);
	check_source(&tcp6, "::", FL_DROP_SOURCE_UNSPECIFIED);
	check_source(&tcp6, "::2", FL_FORWARD);
	check_source(&tcp6, "::100:0", FL_FORWARD);
	check_source(&tcp6, "::1:0:0:1", FL_FORWARD);
	check_source(&tcp6, "0:0:1::1", FL_FORWARD);
	check_source(&tcp6, "1::1", FL_FORWARD);
	check_source(&tcp6, tcp6.dst, FL_DROP_SOURCE_VIP);
	check_source(&tcp6, "2001:db8::b", FL_FORWARD);
	check_source(&tcp4, tcp4.dst, FL_DROP_SOURCE_VIP);
}
END_TEST

/* What is the host's by step 3 goes there whatever its source; what is dropped names the source. */
START_TEST(test_parse_names_the_source_before_what_it_drops)
{
	static const struct {
		uint8_t protocol;
		uint16_t fragment;
		enum fl_verdict on_vip;
	} rows[] = {
		{ 6, 0, FL_DROP_SOURCE_LOOPBACK },	{ 47, 0, FL_PASS_PROTOCOL },
		{ 6, 0x2000, FL_DROP_SOURCE_LOOPBACK }, { 17, 1, FL_DROP_SOURCE_LOOPBACK },
		{ 1, 0, FL_DROP_SOURCE_LOOPBACK },	{ 1, 1, FL_DROP_SOURCE_LOOPBACK },
	};

	for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct frame_spec spec = tcp4;

		spec.ip_proto = rows[i].protocol;
		spec.fragment = rows[i].fragment;
		check_source(&spec, "127.0.0.1", rows[i].on_vip);
	}
}
END_TEST

/* Bit 0 of the first byte alone; before the source, behind what is the host's. */
START_TEST(test_parse_knows_frames_to_a_group)
{
	for (uint32_t i = 0; i < 256 * 16; i++) {
		uint32_t first = i >> 4, family = i & 1, tags = i >> 1 & 1;
		bool is_bad = i & 4, is_host = i & 8, is_group = first % 2 != 0;
		struct frame_spec spec = *families[family];
		struct fl_packet packet;
		struct frame frame;

		spec.src = is_bad ? spec.dst : spec.src;
		spec.ip_proto = is_host ? 47 : 6;
		frame = frame_of(&spec);
		if (tags)
			frame_add_tag(&frame, 0x8100, 5);
		frame.data[0] = (uint8_t)first;
		memset(frame.data + 1, i & 32 ? 0xff : 0, 5);
		CHECK(parse(&frame, &packet) == FL_FORWARD);
		CHECK(packet.is_to_group == (is_group ? 1 : 0));
		CHECK(packet.on_vip == (is_host	   ? FL_PASS_PROTOCOL
					: is_group ? FL_DROP_LINK_GROUP
					: is_bad   ? FL_DROP_SOURCE_VIP
						   : FL_FORWARD));
	}
}
END_TEST

/* TCP and UDP with nothing between: what an engine may do without the rest of the parser. */
START_TEST(test_parse_knows_plain_packets)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t protocol = 0; protocol <= 0xff; protocol++) {
			bool has_ports = protocol == 6 || protocol == 17;
			struct frame_spec spec = *families[family];
			struct frame frame = frame_of(&spec);

			frame.data[family ? 20 : 23] = (uint8_t)protocol;
			ck_assert_int_eq(parse_is_plain(&frame), has_ports);
			if (!has_ports)
				continue;
			frame_add_tag(&frame, 0x8100, 5);
			ck_assert(!parse_is_plain(&frame));
			spec.ip_proto = (uint8_t)protocol;
			frame = frame_of(&spec);
			if (family == 1) {
				frame_add_extension(&frame, 60, 8);
				ck_assert(!parse_is_plain(&frame));
				continue;
			}
			spec.option_words = 1;
			frame = frame_of(&spec);
			ck_assert(!parse_is_plain(&frame));
			spec.option_words = 0;
			for (uint32_t bit = 0; bit < 16; bit++) {
				spec.fragment = (uint16_t)(1 << bit);
				frame = frame_of(&spec);
				ck_assert_int_eq(parse_is_plain(&frame), bit >= 14);
			}
		}
}
END_TEST

START_TEST(test_parse_takes_bytes_up_to_the_end)
{
	uint8_t bytes[256] = { 0 };

	for (uint32_t size = 0; size <= 130; size++)
		for (uint32_t there = 0; there <= 140; there++) {
			const uint8_t *start = edge_put(&edge, bytes, there);
			struct fl_cursor cursor = { start, start + there };

			CHECK(fl_pull(&cursor, size) == (size > there ? NULL : start));
			CHECK(cursor.pos == (size > there ? start : start + size));
		}
}
END_TEST

START_TEST(test_parse_loads_bytes_up_to_the_end)
{
	static uint8_t bytes[FL_READ_BYTES_MAX + 64];

	for (uint32_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (uint32_t there = 0; there <= sizeof bytes; there += there < 100 ? 1 : 37) {
		const uint8_t *start = edge_put(&edge, bytes, there);
		struct fl_frame frame = { .start = { start, start + there } };

		for (uint32_t offset = 0; offset < sizeof bytes; offset++) {
			bool fits = offset + 8 <= there && offset <= FL_READ_BYTES_MAX;
			uint64_t word = 0x5a5a5a5a5a5a5a5a;

			CHECK(fl_load(&frame, offset, &word, 8) == fits);
			if (fits)
				CHECK(memcmp(&word, bytes + offset, 8) == 0);
			else
				CHECK(word == 0x5a5a5a5a5a5a5a5a);
		}
		CHECK(!fl_load(&frame, UINT32_MAX, bytes, 0));
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_parse_reads_every_field,
				       test_parse_steps_over_every_length_of_options,
				       test_parse_refuses_every_cut,
				       test_parse_refuses_headers_that_cannot_be_read,
				       test_parse_believes_the_frame_length,
				       test_parse_holds_every_ipv4_length_against_frame_and_headers,
				       test_parse_holds_every_ipv6_length_against_frame_and_headers,
				       test_parse_does_not_wrap_ipv6_length,
				       test_parse_needs_a_whole_transport_header,
				       test_parse_refuses_every_wrong_version_and_header_length,
				       test_parse_reads_every_ipv4_fragment_field,
				       test_parse_reads_no_ports_of_any_other_protocol,
				       test_parse_knows_its_own_tunnels,
				       test_parse_knows_tunnels_of_fragments,
				       test_parse_knows_every_ether_type,
				       test_parse_keeps_the_tags,
				       test_parse_judges_every_ipv4_source,
				       test_parse_judges_every_kind_of_ipv6_source,
				       test_parse_names_the_source_before_what_it_drops,
				       test_parse_knows_frames_to_a_group,
				       test_parse_knows_plain_packets,
				       test_parse_takes_bytes_up_to_the_end,
				       test_parse_loads_bytes_up_to_the_end,
				       NULL };

	return parse_run_tests("parse", tests);
}
