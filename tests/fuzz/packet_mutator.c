/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An input is taken apart into frames, one to three changes are made to the sequence or to one
 * frame, checksums are made right in half of the results, and it is put together again.
 */
#include <string.h>

#include "packet_builder.h"
#include "packet_world.h"

enum { CHANGES_MAX = 3, NUDGE_MAX = 8, PORTS_IN = 8 };

struct sequence {
	uint32_t count;
	struct frame frames[PACKET_FRAMES_MAX];
};

uint32_t
packet_split(const uint8_t *data, size_t size, struct packet_view views[PACKET_FRAMES_MAX])
{
	uint32_t count = 0;
	size_t at = 0;

	while (count < PACKET_FRAMES_MAX && size - at >= PACKET_HEADER_BYTES) {
		uint16_t bytes = (uint16_t)(data[at] | data[at + 1] << 8);

		if (bytes > size - at - PACKET_HEADER_BYTES)
			break;
		views[count++] = (struct packet_view){ .in_port = data[at + 2],
						       .reserved = data[at + 3],
						       .count = bytes,
						       .bytes = data + at + PACKET_HEADER_BYTES };
		at += PACKET_HEADER_BYTES + (size_t)bytes;
	}
	return count;
}

static void
read_sequence(const uint8_t *data, size_t size, struct sequence *ret_sequence)
{
	struct packet_view views[PACKET_FRAMES_MAX];

	ret_sequence->count = packet_split(data, size, views);
	for (uint32_t i = 0; i < ret_sequence->count; i++) {
		struct frame *frame = &ret_sequence->frames[i];

		frame->in_port = views[i].in_port;
		frame->reserved = views[i].reserved;
		frame->count = views[i].count < PACKET_FRAME_BYTES_MAX ? views[i].count
								       : PACKET_FRAME_BYTES_MAX;
		memcpy(frame->bytes, views[i].bytes, frame->count);
	}
}

static size_t
write_sequence(const struct sequence *sequence, uint8_t *data, size_t max_size)
{
	size_t size = 0;

	for (uint32_t i = 0; i < sequence->count; i++) {
		const struct frame *frame = &sequence->frames[i];

		if (PACKET_HEADER_BYTES + frame->count > max_size - size)
			continue;
		data[size] = (uint8_t)frame->count;
		data[size + 1] = (uint8_t)(frame->count >> 8);
		data[size + 2] = frame->in_port;
		data[size + 3] = frame->reserved;
		memcpy(data + size + PACKET_HEADER_BYTES, frame->bytes, frame->count);
		size += PACKET_HEADER_BYTES + frame->count;
	}
	return size;
}

/* --- changes of the sequence --- */

/* A place for one more frame; when there is none, that of a frame that goes. */
static struct frame *
add_place(struct random *random, struct sequence *sequence)
{
	if (sequence->count == PACKET_FRAMES_MAX)
		return &sequence->frames[random_below(random, PACKET_FRAMES_MAX)];
	return &sequence->frames[sequence->count++];
}

static void
add_built(struct random *random, const struct frame_spec *spec, struct sequence *sequence)
{
	struct frame *frame = add_place(random, sequence);

	frame->in_port = (uint8_t)random_below(random, PORTS_IN);
	frame->reserved = 0;
	frame_build(random, spec, frame);
}

static void
add_frame(struct random *random, struct sequence *sequence)
{
	struct frame_spec spec;

	frame_spec_random(random, &spec);
	add_built(random, &spec, sequence);
}

/* First and later fragments of one datagram, mostly in that order. */
static void
add_datagram(struct random *random, struct sequence *sequence)
{
	struct frame_spec spec;
	bool is_reversed = random_chance(random, 8);
	uint32_t count = 2 + random_below(random, 2);

	frame_spec_random(random, &spec);
	for (uint32_t i = 0; i < count; i++) {
		spec.shape = (i == 0) != is_reversed ? FRAME_FIRST : FRAME_LATER;
		add_built(random, &spec, sequence);
	}
}

/* A packet, and the ICMP error about what its VIP answered. */
static void
add_flow_and_error(struct random *random, struct sequence *sequence)
{
	struct frame_spec spec;

	frame_spec_random(random, &spec);
	spec.shape = FRAME_FLOW;
	add_built(random, &spec, sequence);
	spec.shape = FRAME_ERROR;
	add_built(random, &spec, sequence);
}

/* Packets of one flow, with time between some: for rows that remember. */
static void
add_conversation(struct random *random, struct sequence *sequence)
{
	struct frame_spec spec;
	uint32_t count = 2 + random_below(random, 3), at;

	frame_spec_random(random, &spec);
	spec.shape = FRAME_FLOW;
	for (uint32_t i = 0; i < count; i++) {
		at = sequence->count;
		add_built(random, &spec, sequence);
		if (i > 0 && at < PACKET_FRAMES_MAX && random_chance(random, 2))
			sequence->frames[at].reserved = (uint8_t)random_below(random, 16);
	}
}

static void
remove_frame(struct random *random, struct sequence *sequence)
{
	uint32_t at = random_below(random, sequence->count);

	if (sequence->count == 1)
		return;
	sequence->count--;
	if (at != sequence->count)
		sequence->frames[at] = sequence->frames[sequence->count];
}

static void
copy_frame(struct random *random, struct sequence *sequence)
{
	uint32_t from = random_below(random, sequence->count);
	struct frame *to = add_place(random, sequence);

	if (to != &sequence->frames[from])
		*to = sequence->frames[from];
}

static void
exchange_frames(struct random *random, struct sequence *sequence)
{
	uint32_t a = random_below(random, sequence->count);
	uint32_t b = random_below(random, sequence->count);
	struct frame frame = sequence->frames[a];

	sequence->frames[a] = sequence->frames[b];
	sequence->frames[b] = frame;
}

/* --- changes of one frame --- */

/* Bytes of the headers much rather than of the payload. */
static uint32_t
random_place(struct random *random, const struct frame *frame)
{
	uint32_t end = random_chance(random, 8) ? frame->count : 14 + 8 + 40 + 40;

	return random_below(random, end < frame->count ? end : frame->count);
}

static void
change_byte(struct random *random, struct frame *frame)
{
	static const uint8_t values[] = {
		0, 1, 2, 4, 6, 17, 41, 43, 44, 51, 58, 60, 127, 128, 255
	};
	uint32_t at = random_place(random, frame);

	switch (random_below(random, 4)) {
	case 0:
		frame->bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
		break;
	case 1:
		frame->bytes[at] = RANDOM_OF(random, values);
		break;
	case 2:
		frame->bytes[at] = (uint8_t)(frame->bytes[at] + 1 - 2 * random_below(random, 2));
		break;
	default:
		frame->bytes[at] = (uint8_t)random_below(random, 256);
		break;
	}
}

/* A two-byte field up or down by a little: lengths, ports, ids. */
static void
nudge_field(struct random *random, struct frame *frame)
{
	uint32_t at = random_place(random, frame) & ~1u, value;

	if (at + 2 > frame->count)
		return;
	value = (uint32_t)frame->bytes[at] << 8 | frame->bytes[at + 1];
	value += random_below(random, 2 * NUDGE_MAX + 1) - NUDGE_MAX;
	frame->bytes[at] = (uint8_t)(value >> 8);
	frame->bytes[at + 1] = (uint8_t)value;
}

/* The length of the packet says what is there, or a little else. */
static void
change_length(struct random *random, struct frame *frame)
{
	uint32_t ip_at = frame_ip_at(frame), value;
	bool is_ipv6;

	if (ip_at == 0)
		return;
	is_ipv6 = frame->bytes[ip_at] >> 4 == 6;
	value = frame->count - ip_at - (is_ipv6 ? 40 : 0);
	if (random_chance(random, 2))
		value += random_below(random, 2 * NUDGE_MAX + 1) - NUDGE_MAX;
	ip_at += is_ipv6 ? 4 : 2;
	frame->bytes[ip_at] = (uint8_t)(value >> 8);
	frame->bytes[ip_at + 1] = (uint8_t)value;
}

/* Cut, or longer by a few bytes, or by enough to pass an MTU. */
static void
change_size(struct random *random, struct frame *frame)
{
	uint32_t count = frame->count;

	switch (random_below(random, 3)) {
	case 0:
		count -= random_below(random, count < NUDGE_MAX ? count : NUDGE_MAX);
		break;
	case 1:
		count += random_below(random, NUDGE_MAX);
		break;
	default:
		count = random_below(random, 2) * 1400 + random_below(random, 200);
		break;
	}
	if (count > PACKET_FRAME_BYTES_MAX)
		count = PACKET_FRAME_BYTES_MAX;
	if (count > frame->count)
		memset(frame->bytes + frame->count, 0x5a, count - frame->count);
	frame->count = count;
}

/* Another source, destination or port from the dictionary. */
static void
change_aim(struct random *random, struct frame *frame)
{
	uint32_t ip_at = frame_ip_at(frame), kind = random_below(random, 4), ports_at;
	bool is_ipv6;
	uint16_t port = dictionary_port(random);

	if (ip_at == 0)
		return;
	is_ipv6 = frame->bytes[ip_at] >> 4 == 6;
	if (is_ipv6 && ip_at + 40 > frame->count)
		return;
	ports_at = ip_at + (is_ipv6 ? 40 : (frame->bytes[ip_at] & 15) * 4u);
	if (kind == 0)
		dictionary_source(random, is_ipv6, frame->bytes + ip_at + (is_ipv6 ? 8 : 12));
	else if (kind == 1)
		dictionary_destination(random, is_ipv6, frame->bytes + ip_at + (is_ipv6 ? 24 : 16));
	else if (kind == 2 && ports_at + 4 <= frame->count)
		memcpy(frame->bytes + ports_at + 2, (uint8_t[]){ port >> 8, port & 255 }, 2);
	else /* TTL or hop limit */
		frame->bytes[ip_at + (is_ipv6 ? 7 : 8)] = (uint8_t)random_below(random, 3);
}

/* A tag in front, or one less. */
static void
change_tags(struct random *random, struct frame *frame)
{
	if (frame->count < 18)
		return;
	if (random_chance(random, 2)) {
		memmove(frame->bytes + 12, frame->bytes + 16, frame->count - 16);
		frame->count -= 4;
	} else if (frame->count + 4 <= PACKET_FRAME_BYTES_MAX) {
		memmove(frame->bytes + 16, frame->bytes + 12, frame->count - 12);
		frame->count += 4;
		frame->bytes[12] = random_chance(random, 2) ? 0x81 : 0x88;
		frame->bytes[13] = frame->bytes[12] == 0x81 ? 0x00 : 0xa8;
		frame->bytes[14] = (uint8_t)random_below(random, 256);
		frame->bytes[15] = (uint8_t)random_below(random, 256);
	}
}

static void
change_frame(struct random *random, struct frame *frame)
{
	static void (*const changes[])(struct random *, struct frame *) = {
		change_byte, change_byte,   nudge_field, nudge_field, change_length,
		change_size, change_length, change_aim,	 change_aim,  change_tags
	};

	if (frame->count == 0)
		return;
	if (random_chance(random, 16))
		frame->in_port = (uint8_t)random_below(random, PORTS_IN);
	if (random_chance(random, 16))
		frame->reserved = (uint8_t)random_below(random, 256);
	RANDOM_OF(random, changes)(random, frame);
}

static void
change_sequence(struct random *random, struct sequence *sequence)
{
	if (sequence->count == 0) {
		add_frame(random, sequence);
		return;
	}
	switch (random_below(random, 17)) {
	case 0:
	case 1:
		add_frame(random, sequence);
		break;
	case 16:
		add_conversation(random, sequence);
		break;
	case 2:
	case 3:
		add_datagram(random, sequence);
		break;
	case 4:
		add_flow_and_error(random, sequence);
		break;
	case 5:
	case 6:
		remove_frame(random, sequence);
		break;
	case 7:
		copy_frame(random, sequence);
		break;
	case 8:
		exchange_frames(random, sequence);
		break;
	default:
		change_frame(random, &sequence->frames[random_below(random, sequence->count)]);
		break;
	}
}

size_t
packet_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct sequence sequence; /* too large for some stacks */
	struct random random = { (seed + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15) | 1 };
	uint32_t changes;

	read_sequence(data, size, &sequence);
	changes = 1 + random_below(&random, CHANGES_MAX);
	for (uint32_t i = 0; i < changes; i++)
		change_sequence(&random, &sequence);
	if (random_chance(&random, 2))
		for (uint32_t i = 0; i < sequence.count; i++)
			frame_fix_checksums(&sequence.frames[i]);
	return write_sequence(&sequence, data, max_size);
}
