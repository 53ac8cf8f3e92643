/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: ICMP and ICMPv6 to a VIP become what docs/formats.md section 7 says: an echo request, the
 * flow of a packet that an error quotes, the host's, or nothing. A quote is believed only when
 * every byte of it that says so is there. Method: every type and code; quotes with every value of
 * their length, header length, version, fragment and next header fields, from right and wrong
 * addresses; every cut of the frame, every length of the IP packet, with other bytes behind it,
 * against an unmapped page.
 */
#include "parse.h"
#include "run.h"

#include "core_parse.h"

/* From a client, or a router on the way (errors), to the VIP. */
static const struct frame_spec to_vip[] = {
	{ .src = "203.0.113.9", .dst = "192.0.2.10" },
	{ .src = "2001:db8:f::9", .dst = "2001:db8::a" },
};

/* What the VIP sent to a client. */
static const struct frame_spec from_vip[] = {
	{ .src = "192.0.2.10",
	  .dst = "198.51.100.7",
	  .src_port = 80,
	  .dst_port = 40000,
	  .ip_proto = 6,
	  .fragment = 0x4000,
	  .payload = 60 },
	{ .src = "2001:db8::a",
	  .dst = "2001:db8::c:7",
	  .src_port = 80,
	  .dst_port = 40000,
	  .ip_proto = 6,
	  .payload = 60 },
};

static const uint8_t error_type[] = { 3, 1 };

static struct frame
error_about(const struct frame *quoted, uint32_t family)
{
	return frame_icmp_error(&to_vip[family], error_type[family], quoted,
				quoted->bytes - quoted->l3);
}

/* Is the error believed, as one about the flow of from_vip? Nothing but the shape tells. */
static bool
is_believed(const struct frame *frame, uint8_t ip_proto)
{
	bool is_ipv6 = frame->data[frame->l3] >> 4 == 6;
	struct fl_packet packet;
	uint8_t client[16], vip[16];

	CHECK(parse(frame, &packet) == FL_FORWARD);
	frame_address_bytes(from_vip[is_ipv6].src, vip);
	CHECK(memcmp(&packet.to.address, vip, 16) == 0);
	if (packet.shape == FL_SHAPE_ERROR) {
		frame_address_bytes(from_vip[is_ipv6].dst, client);
		CHECK(packet.on_vip == FL_FORWARD);
		CHECK(memcmp(&packet.src, client, 16) == 0);
		CHECK(ntohs(packet.src_port) == 40000 && ntohs(packet.to.port) == 80);
		CHECK(packet.to.ip_proto == ip_proto);
		return true;
	}
	CHECK(packet.shape == FL_SHAPE_OTHER && packet.on_vip == FL_DROP_ICMP_QUOTE);
	CHECK(packet.to.port == 0 && packet.to.ip_proto == 0 && packet.src_port == 0);
	frame_address_bytes(to_vip[is_ipv6].src, client);
	CHECK(memcmp(&packet.src, client, 16) == 0);
	return false;
}

START_TEST(test_icmp_knows_every_type_and_code)
{
	for (uint32_t i = 0; i < 2 * 65536; i++) {
		bool is_ipv6 = i >> 16;
		uint8_t type = (uint8_t)(i >> 8), code = (uint8_t)i;
		struct frame frame = frame_icmp(&to_vip[is_ipv6], type, code, 0x1234abcd);
		bool is_echo = type == (is_ipv6 ? 128 : 8) && code == 0;
		bool is_error =
			is_ipv6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
		bool is_host = is_ipv6 && ((type >= 130 && type <= 137) || type == 143);
		struct fl_packet packet;

		CHECK(parse(&frame, &packet) == FL_FORWARD);
		CHECK(packet.shape == (is_echo ? FL_SHAPE_ECHO : FL_SHAPE_OTHER));
		CHECK(packet.on_vip == (is_echo	   ? FL_FORWARD
					: is_error ? FL_DROP_ICMP_QUOTE
					: is_host  ? FL_PASS_ICMP
						   : FL_DROP_ICMP));
		CHECK(ntohs(packet.src_port) == (is_echo ? 0x1234 : 0));
		CHECK(packet.to.port == 0 && packet.to.ip_proto == 0);
	}
}
END_TEST

/* ICMP in IPv6 and ICMPv6 in IPv4 are no ICMP. */
START_TEST(test_icmp_of_the_other_family_is_a_protocol)
{
	for (uint32_t family = 0; family < 2; family++) {
		struct frame frame = frame_icmp(&to_vip[family], family ? 8 : 128, 0, 0);
		struct fl_packet packet;

		frame.data[family ? 20 : 23] = family ? 1 : 58;
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert_int_eq(packet.on_vip, FL_PASS_PROTOCOL);
		ck_assert_int_eq(packet.shape, FL_SHAPE_OTHER);
	}
}
END_TEST

START_TEST(test_icmp_needs_eight_bytes)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t bytes = 0; bytes <= 12; bytes++) {
			struct frame_spec spec = to_vip[family];
			struct fl_packet packet;
			struct frame frame;

			spec.padding = 40;
			frame = frame_icmp(&spec, family ? 128 : 8, 0, 0);
			frame_put16(frame.data + (family ? 18 : 16), bytes + (family ? 0 : 20));
			CHECK(parse(&frame, &packet) == FL_FORWARD);
			CHECK(packet.shape == (bytes < 8 ? FL_SHAPE_OTHER : FL_SHAPE_ECHO));
			CHECK(packet.on_vip == (bytes < 8 ? FL_DROP_TRUNCATED : FL_FORWARD));
		}
}
END_TEST

START_TEST(test_icmp_error_becomes_the_quoted_flow)
{
	static const uint8_t types4[] = { 3, 11, 12 }, types6[] = { 1, 2, 3, 4 };
	static const uint8_t protocols[] = { 6, 17 };

	for (uint32_t i = 0; i < 2 * 7; i++) {
		bool is_ipv6 = i / 2 >= 3;
		uint8_t type = is_ipv6 ? types6[i / 2 - 3] : types4[i / 2];
		struct frame_spec spec = from_vip[is_ipv6];
		struct frame quoted, frame;

		spec.ip_proto = protocols[i & 1];
		quoted = frame_of(&spec);
		frame = frame_icmp_error(&to_vip[is_ipv6], type, &quoted, quoted.bytes - quoted.l3);
		ck_assert(is_believed(&frame, protocols[i & 1]));
	}
}
END_TEST

/* The packet that matters for counting, TTL and length is the error, not the quoted one. */
START_TEST(test_icmp_error_stays_the_packet)
{
	for (uint32_t family = 0; family < 2; family++) {
		struct frame quoted = frame_of(&from_vip[family]);
		struct frame frame = error_about(&quoted, family);
		struct fl_packet packet;

		quoted.data[family ? 21 : 22] = 3;
		ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
		ck_assert_uint_eq(packet.ttl, 57);
		ck_assert_uint_eq(packet.l3_bytes, frame.bytes - 14);
		ck_assert_uint_eq(packet.l4_offset, family ? 40 : 20);
		ck_assert_uint_eq(packet.ip_proto, family ? 58 : 1);
		ck_assert(!packet.is_tunnel);
	}
}
END_TEST

START_TEST(test_icmp_quote_may_have_ipv4_options)
{
	for (uint8_t words = 0; words <= 10; words++) {
		struct frame_spec spec = from_vip[0];
		struct frame quoted, frame;

		spec.option_words = words;
		quoted = frame_of(&spec);
		frame = error_about(&quoted, 0);
		ck_assert(is_believed(&frame, 6));
		parse_check_every_cut(&frame);
		parse_check_every_length(&frame);
	}
}
END_TEST

/* 8 bytes behind the quoted headers, by what the error itself has. */
START_TEST(test_icmp_quote_needs_its_ports)
{
	/* 0-10 words of IPv4 options; IPv6; IPv6 and a fragment header */
	for (uint32_t sort = 0; sort <= 12; sort++) {
		bool is_ipv6 = sort >= 11;
		struct frame_spec spec = from_vip[is_ipv6];
		uint32_t header_bytes;
		struct frame quoted;

		spec.option_words = is_ipv6 ? 0 : (uint8_t)sort;
		quoted = frame_of(&spec);
		if (sort == 12)
			frame_add_fragment(&quoted, 1, 5);
		header_bytes = is_ipv6 ? 40 + 8 * (sort - 11) : 20 + 4 * sort;
		for (uint32_t bytes = 0; bytes <= quoted.bytes - 14; bytes++)
			for (uint16_t padding = 0; padding <= 100; padding += 50) {
				uint32_t rest = quoted.bytes - 14 - bytes;
				struct frame_spec outer = to_vip[is_ipv6];
				struct frame frame;

				outer.padding = padding;
				frame = frame_icmp_error(&outer, error_type[is_ipv6], &quoted,
							 bytes);
				/* what lies behind the error in the frame does not count */
				memcpy(frame.data + frame.bytes - padding, quoted.data + 14 + bytes,
				       rest < padding ? rest : padding);
				CHECK(is_believed(&frame, 6) == (bytes >= header_bytes + 8));
			}
	}
}
END_TEST

START_TEST(test_icmp_quote_length_must_hold_its_ports)
{
	struct frame quoted[2];
	struct frame frame;

	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t has_more = 0; has_more < 2; has_more++) {
			struct frame_spec spec = from_vip[family];
			uint32_t needed;

			spec.option_words = !family && has_more ? 3 : 0;
			quoted[family] = frame_of(&spec);
			if (family && has_more)
				frame_add_fragment(&quoted[family], 0, 5);
			needed = family ? 8 + 8 * has_more : 28 + 12 * has_more;
			for (uint32_t length = 0; length <= 0xffff; length++) {
				/* longer than what is quoted is the rule */
				frame_put16(quoted[family].data + (family ? 18 : 16), length);
				frame = error_about(&quoted[family], family);
				CHECK(is_believed(&frame, 6) == (length >= needed));
			}
		}
}
END_TEST

START_TEST(test_icmp_quote_has_the_right_version_and_header_length)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t first = 0; first <= 0xff; first++) {
			struct frame quoted = frame_of(&from_vip[family]), frame;
			uint32_t header_bytes = (first & 15) * 4;

			quoted.data[14] = (uint8_t)first;
			if (family == 0 && header_bytes > 20) /* what are ports there */
				memcpy(quoted.data + 14 + header_bytes, "\0\x50\x9c\x40", 4);
			frame = error_about(&quoted, family);
			CHECK(is_believed(&frame, 6) ==
			      (family ? first >> 4 == 6 : first >> 4 == 4 && header_bytes >= 20));
		}
}
END_TEST

START_TEST(test_icmp_quote_is_tcp_or_udp)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t protocol = 0; protocol <= 0xff; protocol++) {
			struct frame quoted = frame_of(&from_vip[family]), frame;
			bool fine = protocol == 6 || protocol == 17;

			quoted.data[family ? 20 : 23] = (uint8_t)protocol;
			frame = error_about(&quoted, family);
			/* as a fragment header: next header 0 */
			CHECK(is_believed(&frame, (uint8_t)protocol) == fine);
			if (family == 0)
				continue;
			frame_add_fragment(&quoted, 1, 5);
			frame = error_about(&quoted, family);
			CHECK(is_believed(&frame, (uint8_t)protocol) == fine);
		}
}
END_TEST

START_TEST(test_icmp_quote_is_no_later_fragment)
{
	struct frame frame, quoted = frame_of(&from_vip[0]), quoted6 = frame_of(&from_vip[1]);

	frame_add_fragment(&quoted6, 0, 5);
	for (uint32_t field = 0; field <= 0xffff; field++) {
		frame_put16(quoted.data + 20, field);
		frame = error_about(&quoted, 0);
		CHECK(is_believed(&frame, 6) == ((field & 0x1fff) == 0));
		frame_put16(quoted6.data + 14 + 40 + 2, field);
		frame = error_about(&quoted6, 1);
		CHECK(is_believed(&frame, 6) == (field >> 3 == 0));
	}
}
END_TEST

/* One fragment header is stepped over, nothing else: a second one neither. */
START_TEST(test_icmp_quote_has_no_extension_header)
{
	static const uint8_t kinds[] = { 0, 43, 44, 51, 60 };

	for (uint32_t i = 0; i < 5; i++)
		for (uint32_t has_fragment = 0; has_fragment < 2; has_fragment++) {
			struct frame quoted = frame_of(&from_vip[1]), frame;

			frame_add_extension(&quoted, kinds[i], 8);
			if (has_fragment)
				frame_add_fragment(&quoted, 0, 5);
			frame = error_about(&quoted, 1);
			ck_assert_int_eq(is_believed(&frame, 6), kinds[i] == 44 && !has_fragment);
		}
}
END_TEST

/* Every bit of the quoted source counts: the packet must be one that the VIP sent. */
START_TEST(test_icmp_quote_is_from_the_vip)
{
	for (uint32_t bit = 0; bit < 32 + 128; bit++) {
		uint32_t family = bit >= 32, i = family ? bit - 32 : bit;
		struct frame quoted = frame_of(&from_vip[family]), frame;

		frame = error_about(&quoted, family);
		ck_assert(is_believed(&frame, 6));
		quoted.data[14 + (family ? 8 : 12) + i / 8] ^= (uint8_t)(1 << i % 8);
		frame = error_about(&quoted, family);
		ck_assert(!is_believed(&frame, 6));
	}
}
END_TEST

START_TEST(test_icmp_refuses_every_cut)
{
	for (uint32_t variant = 0; variant < 8; variant++) {
		uint32_t family = variant & 1;
		struct frame quoted = frame_of(&from_vip[family]), frame;

		if (variant & 2 && family)
			frame_add_fragment(&quoted, 1, 5);
		frame = variant & 4 ? frame_icmp(&to_vip[family], family ? 128 : 8, 0, 7)
				    : error_about(&quoted, family);
		if (family && variant & 2)
			frame_add_extension(&frame, 60, 16);
		parse_check_every_cut(&frame);
		parse_check_every_length(&frame);
	}
}
END_TEST

/* The source that is judged is the error's, not that of the packet it quotes. */
START_TEST(test_icmp_error_is_judged_by_its_own_source)
{
	struct frame quoted = frame_of(&from_vip[0]), frame;
	struct frame_spec spec = to_vip[0];
	struct fl_packet packet;

	spec.src = "224.0.0.1";
	frame = frame_icmp_error(&spec, 3, &quoted, 28);
	ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
	ck_assert_int_eq(packet.shape, FL_SHAPE_ERROR);
	ck_assert_int_eq(packet.on_vip, FL_DROP_SOURCE_MULTICAST);
	frame_put_address(AF_INET, "224.0.0.1", quoted.data + 30);
	frame = frame_icmp_error(&to_vip[0], 3, &quoted, 28);
	ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
	ck_assert_int_eq(packet.on_vip, FL_FORWARD);
	/* neighbours may have no address yet */
	spec = to_vip[1];
	spec.src = "::";
	frame = frame_icmp(&spec, 135, 0, 0);
	ck_assert_int_eq(parse(&frame, &packet), FL_FORWARD);
	ck_assert_int_eq(packet.on_vip, FL_PASS_ICMP);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_icmp_knows_every_type_and_code,
				       test_icmp_of_the_other_family_is_a_protocol,
				       test_icmp_needs_eight_bytes,
				       test_icmp_error_becomes_the_quoted_flow,
				       test_icmp_error_stays_the_packet,
				       test_icmp_quote_may_have_ipv4_options,
				       test_icmp_quote_needs_its_ports,
				       test_icmp_quote_length_must_hold_its_ports,
				       test_icmp_quote_has_the_right_version_and_header_length,
				       test_icmp_quote_is_tcp_or_udp,
				       test_icmp_quote_is_no_later_fragment,
				       test_icmp_quote_has_no_extension_header,
				       test_icmp_quote_is_from_the_vip,
				       test_icmp_refuses_every_cut,
				       test_icmp_error_is_judged_by_its_own_source,
				       NULL };

	return parse_run_tests("icmp", tests);
}
