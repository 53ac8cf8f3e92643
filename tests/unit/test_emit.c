/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: every combination of tags in and out, families, tunnels and answers leaves as one whole
 * frame: MACs, tags, EtherType, what the mode puts before the packet, the packet. No byte comes
 * from anywhere but the packet and the backend's template. Method: the frame is resized here as an
 * engine does, over two different fillings, against an unmapped page; the result is compared with a
 * frame put together by hand (outer headers and answers are test_encap.c's and test_answer.c's);
 * the part that must be in one piece is cut at each length.
 */
#include "emit.h"
#include "run.h"

#include "core_world.h"

static struct edge edge;
static struct world world;

enum way { IPIP4, IPIP6, GUE4, GUE6, L2DSR, ECHO, TOO_BIG, WAYS };

struct emit_case {
	enum way way;
	bool is_ipv6;
	uint32_t tags_in, tags_out;
	uint16_t padding;
};

static const uint16_t tag_types[] = { 0x8100, 0x88a8 };

static struct frame
frame_in(const struct emit_case *c)
{
	struct frame_spec spec = { .src = c->is_ipv6 ? "2001:db8::c:7" : "198.51.100.7",
				   .dst = c->is_ipv6 ? "2001:db8::a" : "192.0.2.10",
				   .src_port = 40000,
				   .dst_port = 80,
				   .ip_proto = 6,
				   .payload = 200,
				   .padding = c->padding };
	struct frame frame = c->way == ECHO ? frame_icmp(&spec, c->is_ipv6 ? 128 : 8, 0, 0x12345678)
					    : frame_of(&spec);

	for (uint32_t i = 0; i < c->tags_in; i++)
		frame_add_tag(&frame, tag_types[i], (uint16_t)(0xa001 + i));
	return frame;
}

static void
fill_decision(const struct emit_case *c, struct fl_decision *decision)
{
	*decision = (struct fl_decision){ .verdict = c->way == ECHO	 ? FL_ANSWER_ECHO
						     : c->way == TOO_BIG ? FL_ANSWER_TOO_BIG
									 : FL_FORWARD,
					  .hash = 0xfedcba9876543210,
					  .port = 1,
					  .dst_mac = 0x665544332202,
					  .port_word = world.ports[1].word,
					  .mtu = 1400 };
	for (uint32_t i = 0; i < c->tags_out; i++)
		decision->tag[i] = fl_tag(tag_types[1 - i], (uint16_t)(0x7002 + i));
	if (c->way > L2DSR)
		return;
	world_set_backend(&world, 0,
			  &(struct world_way){ .mode = c->way == L2DSR	? FL_MODE_L2DSR
						       : c->way >= GUE4 ? FL_MODE_GUE
									: FL_MODE_IPIP,
					       .outer_is_ipv6 = c->way == IPIP6 || c->way == GUE6,
					       .inner_is_ipv6 = c->is_ipv6 });
	decision->backend = &world.backends[0];
}

/* Bytes that come between the Ethernet header and the packet. */
static uint32_t
added_bytes(const struct emit_case *c)
{
	static const uint32_t outer[] = { 20, 40, 28, 48, 0, 0 };

	return c->way == TOO_BIG ? (c->is_ipv6 ? 48 : 28) : outer[c->way];
}

/* The frame that must leave, by hand but for what encap.h and answer.h write. */
static void
expected_frame(const struct emit_case *c, const struct frame *in, const struct fl_packet *packet,
	       struct frame *ret_out)
{
	static const uint8_t macs[] = {
		0x02, 0x22, 0x33, 0x44, 0x55, 0x66, 0x02, 0, 0, 0, 0, 0x11
	};
	bool is_ipv6 = c->way == IPIP6 || c->way == GUE6 ||
		       (c->is_ipv6 && c->way != IPIP4 && c->way != GUE4);
	uint32_t kept = added_bytes(c) > 0 ? packet->l3_bytes : in->bytes - in->l3, at = 12;
	struct fl_decision decision;
	struct fl_writer writer;

	fill_decision(c, &decision);
	memcpy(ret_out->data, macs, 12);
	for (uint32_t i = 0; i < c->tags_out; i++, at += 4) {
		frame_put16(ret_out->data + at, tag_types[1 - i]);
		frame_put16(ret_out->data + at + 2, 0x7002 + i);
	}
	frame_put16(ret_out->data + at, is_ipv6 ? 0x86dd : 0x0800);
	at += 2;
	if (c->way == TOO_BIG)
		kept = 128;
	memcpy(ret_out->data + at + added_bytes(c), in->data + in->l3, kept);
	ret_out->l3 = at;
	ret_out->bytes = at + added_bytes(c) + kept;
	writer = (struct fl_writer){ ret_out->data + at, ret_out->data + ret_out->bytes };
	if (c->way == ECHO)
		CHECK(fl_answer_echo(&writer, packet));
	else if (c->way == TOO_BIG)
		CHECK(fl_answer_too_big(&writer, packet, 1400));
	else if (c->way != L2DSR)
		CHECK(fl_encap_write(&writer, decision.backend, packet, decision.hash));
}

/* What an engine does before fl_emit(), into memory full of @p fill. @return the frame's first
 * byte. */
static uint8_t *
resize_frame(const struct frame *in, const struct fl_resize *resize, uint8_t fill)
{
	uint8_t *out = edge.end - resize->bytes;
	uint32_t head = resize->head > 0 ? (uint32_t)resize->head : 0;
	uint32_t cut = resize->head < 0 ? (uint32_t)-resize->head : 0;

	memset(edge.start, fill, EDGE_BYTES);
	CHECK(resize->bytes - head <= in->bytes - cut);
	memcpy(out + head, in->data + cut, resize->bytes - head);
	return out;
}

static void
check_case(const struct emit_case *c)
{
	struct frame in = frame_in(c), expected;
	struct fl_cursor cursor = { in.data, in.data + in.bytes };
	struct fl_packet packet = { 0 };
	struct fl_decision decision;
	struct fl_resize resize;

	CHECK(fl_parse(&cursor, in.bytes, &packet) == FL_FORWARD);
	expected_frame(c, &in, &packet, &expected);
	fill_decision(c, &decision);
	resize = fl_emit_resize(&packet, &decision, in.bytes);
	CHECK(resize.bytes == expected.bytes);
	CHECK(resize.head == (int32_t)(expected.l3 + added_bytes(c)) - (int32_t)in.l3);
	CHECK(resize.head <= (int32_t)(FL_HEAD_BYTES_MAX - FL_ETHERNET_BYTES));
	CHECK(resize.contiguous <= resize.bytes);
	for (uint32_t fill = 0x5a; fill <= 0xa5; fill += 0x4b) {
		uint8_t *out = resize_frame(&in, &resize, (uint8_t)fill);
		struct fl_writer writer = { out, out + resize.contiguous };

		CHECK(fl_emit(&writer, &packet, &decision) == decision.verdict);
		CHECK(memcmp(out, expected.data, expected.bytes) == 0);
		for (uint32_t i = 1; i <= 128; i++)
			CHECK(out[-(int)i] == fill);
	}
	/* shorter than what it was parsed from: refused, nothing behind the end is touched */
	for (uint32_t bytes = 0; bytes < resize.contiguous; bytes++) {
		uint8_t *out = resize_frame(&in, &resize, 0xa5);
		struct fl_writer writer = { out, out + bytes };

		CHECK(fl_emit(&writer, &packet, &decision) ==
		      (c->way == L2DSR && bytes >= expected.l3 ? FL_FORWARD : FL_DROP_BUG));
		CHECK(resize.contiguous == resize.bytes ||
		      memcmp(out + resize.contiguous, expected.data + resize.contiguous,
			     resize.bytes - resize.contiguous) == 0);
	}
}

START_TEST(test_emit_writes_every_combination)
{
	for (uint32_t way = 0; way < WAYS; way++)
		for (uint32_t i = 0; i < 2 * 3 * 3 * 2; i++)
			check_case(&(struct emit_case){ .way = way,
							.is_ipv6 = i & 1,
							.tags_in = i / 2 % 3,
							.tags_out = i / 6 % 3,
							.padding = i / 18 ? 46 : 0 });
}
END_TEST

/* A verdict without its backend, which the steps before do not give: no wild read. */
START_TEST(test_emit_stands_a_decision_without_backend)
{
	struct emit_case c = { .way = IPIP4 };
	struct frame in = frame_in(&c);
	struct fl_cursor cursor = { in.data, in.data + in.bytes };
	struct fl_writer writer = { in.data, in.data + in.bytes };
	struct fl_packet packet = { 0 };
	struct fl_decision decision;
	struct fl_resize resize;

	ck_assert_int_eq(fl_parse(&cursor, in.bytes, &packet), FL_FORWARD);
	fill_decision(&c, &decision);
	decision.backend = NULL;
	resize = fl_emit_resize(&packet, &decision, in.bytes);
	ck_assert_int_eq(resize.head, 0);
	ck_assert_uint_eq(resize.bytes, in.bytes);
	ck_assert_int_eq(fl_emit(&writer, &packet, &decision), FL_FORWARD);
}
END_TEST

START_TEST(test_emit_tells_the_kinds_of_verdicts)
{
	for (uint32_t verdict = 0; verdict < FL_VERDICT_COUNT; verdict++) {
		static const char *const names[] = {
#define NAME(constant, name, meaning) name,
			FL_VERDICTS(NAME)
#undef NAME
		};
		const char *name = names[verdict];

		ck_assert_int_eq(fl_verdict_is_pass(verdict), strncmp(name, "pass_", 5) == 0);
		ck_assert_int_eq(fl_verdict_is_send(verdict),
				 strcmp(name, "forward") == 0 || strncmp(name, "answer_", 7) == 0);
		ck_assert(fl_verdict_is_pass(verdict) || fl_verdict_is_send(verdict) ||
			  strncmp(name, "drop_", 5) == 0);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_emit_writes_every_combination,
				       test_emit_stands_a_decision_without_backend,
				       test_emit_tells_the_kinds_of_verdicts, NULL };
	int status;

	edge = edge_create();
	world_open(&world);
	status = run_tests("emit", tests);
	edge_destroy(&edge);
	return status;
}
