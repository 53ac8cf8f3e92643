/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * fl_parse() on frames that end at an unmapped page. The test that includes this has parse.h of
 * dataplane/core and run.h.
 */
#ifndef TESTS_UNIT_CORE_PARSE_H
#define TESTS_UNIT_CORE_PARSE_H

#include "core_frames.h"

static struct edge edge;

/** As an engine that cannot give a pointer at any offset: a copy, or nothing. */
static inline bool
parse_load(void *context, uint32_t offset, void *to, uint32_t size)
{
	const struct fl_cursor *frame = context;

	CHECK(offset <= FL_READ_BYTES_MAX);
	if (offset + size > (uint32_t)(frame->end - frame->pos))
		return false;
	memcpy(to, frame->pos + offset, size);
	return true;
}

/**
 * Parse a frame of @p frame_bytes of which the first @p bytes can be read. Who asks for plain
 * packets first must get the same, or be told that it is none; who brings its own way to read, the
 * same.
 */
static inline enum fl_verdict
parse_cut(const struct frame *frame, uint32_t bytes, uint32_t frame_bytes,
	  struct fl_packet *ret_packet)
{
	const uint8_t *start = edge_put(&edge, frame->data, bytes);
	struct fl_cursor cursor = { .pos = start, .end = start + bytes };
	const struct fl_frame loaded = { .start = cursor, .load = parse_load, .context = &cursor };
	enum fl_verdict verdict, other_verdict;
	struct fl_packet other;

	memset(ret_packet, 0, sizeof *ret_packet);
	verdict = fl_parse(&cursor, frame_bytes, ret_packet);
	CHECK(cursor.pos == start && cursor.end == start + bytes);
	memset(&other, 0, sizeof other);
	other_verdict = fl_parse_plain(&cursor, frame_bytes, &other);
	CHECK(other_verdict == verdict || other_verdict == FL_NOT_PLAIN);
	if (other_verdict == FL_FORWARD)
		CHECK(memcmp(&other, ret_packet, sizeof other) == 0);
	memset(&other, 0, sizeof other);
	CHECK(fl_parse_l3(&loaded, frame_bytes, &other) == verdict);
	if (verdict != FL_FORWARD)
		return verdict;
	fl_parse_l4(&loaded, &other);
	CHECK(memcmp(&other, ret_packet, sizeof other) == 0);
	return verdict;
}

/** Does the whole frame count as plain? */
static inline bool
parse_is_plain(const struct frame *frame)
{
	const uint8_t *start = edge_put(&edge, frame->data, frame->bytes);
	struct fl_cursor cursor = { .pos = start, .end = start + frame->bytes };
	struct fl_packet packet = { 0 };

	return fl_parse_plain(&cursor, frame->bytes, &packet) != FL_NOT_PLAIN;
}

static inline enum fl_verdict
parse(const struct frame *frame, struct fl_packet *ret_packet)
{
	return parse_cut(frame, frame->bytes, frame->bytes, ret_packet);
}

/** A frame that is forwarded, of which ever fewer bytes can be read: what is found is what the
 * whole frame has, or marked as cut. */
static inline void
parse_check_every_cut(const struct frame *frame)
{
	struct fl_packet whole, packet;
	bool was_whole = false;

	CHECK(parse(frame, &whole) == FL_FORWARD);
	for (uint32_t bytes = 0; bytes <= frame->bytes; bytes++) {
		enum fl_verdict verdict = parse_cut(frame, bytes, frame->bytes, &packet);
		bool is_whole = verdict == FL_FORWARD && memcmp(&packet, &whole, sizeof whole) == 0;

		CHECK(verdict == FL_FORWARD || verdict == FL_DROP_TRUNCATED);
		/* nothing is found in fewer bytes that is not found in more */
		CHECK(is_whole || !was_whole);
		if (verdict == FL_FORWARD && !is_whole)
			CHECK(packet.on_vip == FL_DROP_TRUNCATED ||
			      packet.on_vip == FL_DROP_ICMP_QUOTE);
		was_whole = is_whole;
	}
}

/**
 * Every length that the IP header may say: what is behind it is padding, whose bytes must not
 * matter; the packet read is the same whatever they are.
 */
static inline void
parse_check_every_length(const struct frame *frame)
{
	bool is_ipv6 = frame->data[frame->l3] >> 4 == 6;
	struct frame one = *frame, other;
	struct fl_packet packet[2];
	uint8_t *field;

	field = one.data + one.l3 + (is_ipv6 ? 4 : 2);
	for (uint32_t l3 = is_ipv6 ? 40 : 20; l3 < one.bytes - one.l3; l3++) {
		enum fl_verdict verdict[2];

		frame_put16(field, is_ipv6 ? l3 - 40 : l3);
		other = one;
		memset(other.data + one.l3 + l3, 0xa5, one.bytes - one.l3 - l3);
		verdict[0] = parse(&one, &packet[0]);
		verdict[1] = parse(&other, &packet[1]);
		CHECK(verdict[0] == verdict[1]);
		CHECK(memcmp(&packet[0], &packet[1], sizeof packet[0]) == 0);
	}
}

/** run_tests() with the unmapped pages in place. */
static inline int
parse_run_tests(const char *name, const TTest *const *tests)
{
	int status;

	edge = edge_create();
	status = run_tests(name, tests);
	edge_destroy(&edge);
	return status;
}

#endif
