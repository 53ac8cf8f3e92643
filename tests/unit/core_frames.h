/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Changes to the frames of frames.h that the tests of dataplane/core share: tags, IPv6 extension
 * headers, ICMP. By its own reading of the RFCs, as frames.h.
 */
#ifndef TESTS_UNIT_CORE_FRAMES_H
#define TESTS_UNIT_CORE_FRAMES_H

#include "../edge.h"
#include "../frames.h"

/** A frame that is being made. */
struct frame {
	uint8_t data[FRAME_BYTES_MAX];
	uint32_t bytes;
	uint32_t l3; /**< where the IP header is */
};

static inline struct frame
frame_of(const struct frame_spec *spec)
{
	struct frame frame = { .l3 = 14 };

	frame.bytes = frame_build(spec, frame.data);
	return frame;
}

/** Put @p size bytes in at @p at. @return the first of them, zeroed. */
static inline uint8_t *
frame_insert(struct frame *frame, uint32_t at, uint32_t size)
{
	if (at > frame->bytes || frame->bytes + size > FRAME_BYTES_MAX)
		abort();
	memmove(frame->data + at + size, frame->data + at, frame->bytes - at);
	memset(frame->data + at, 0, size);
	frame->bytes += size;
	return frame->data + at;
}

/** One more 802.1Q tag, before those that are there. */
static inline void
frame_add_tag(struct frame *frame, uint16_t type, uint16_t tci)
{
	uint8_t *tag = frame_insert(frame, 12, 4);

	frame_put16(tag, type);
	frame_put16(tag + 2, tci);
	frame->l3 += 4;
}

static inline void
frame_set_ipv6_payload(struct frame *frame, uint32_t bytes)
{
	frame_put16(frame->data + frame->l3 + 4, bytes);
}

/**
 * One more extension header right behind the IPv6 header, before those that are there.
 * @param size in bytes, a multiple of 8 (of AH: of 4); its length field says so.
 * @return its first byte: what its kind wants in bytes 2 and on is the caller's.
 */
static inline uint8_t *
frame_add_extension(struct frame *frame, uint8_t kind, uint32_t size)
{
	uint8_t *ip = frame->data + frame->l3;
	uint8_t *extension = frame_insert(frame, frame->l3 + 40, size);

	extension[0] = ip[6];
	ip[6] = kind;
	if (kind == 51)
		extension[1] = (uint8_t)(size / 4 - 2);
	else if (kind != 44)
		extension[1] = (uint8_t)(size / 8 - 1);
	if (kind == 43)
		extension[2] = 2; /* a routing type that is not refused */
	frame_set_ipv6_payload(frame, frame_get16(ip + 4) + size);
	return extension;
}

/** A fragment header. @param offset the field: offset in 8 bytes << 3, and the more bit. */
static inline void
frame_add_fragment(struct frame *frame, uint16_t offset, uint32_t id)
{
	uint8_t *extension = frame_add_extension(frame, 44, 8);

	frame_put16(extension + 2, offset);
	frame_put16(extension + 4, id >> 16);
	frame_put16(extension + 6, id);
}

/** Is this an address of IPv6? */
static inline bool
frame_is_ipv6(const char *address)
{
	return strchr(address, ':') != NULL;
}

/** As the core holds it: 16 bytes, IPv4 as IPv4-mapped. */
static inline void
frame_address_bytes(const char *text, uint8_t ret_bytes[16])
{
	memset(ret_bytes, 0, 16);
	if (frame_is_ipv6(text)) {
		frame_put_address(AF_INET6, text, ret_bytes);
		return;
	}
	ret_bytes[10] = ret_bytes[11] = 0xff;
	frame_put_address(AF_INET, text, ret_bytes + 12);
}

/**
 * An ICMP or ICMPv6 message with a right checksum.
 * @param rest bytes 4-7 of its header, e.g. identifier and sequence.
 */
static inline struct frame
frame_icmp(const struct frame_spec *spec, uint8_t type, uint8_t code, uint32_t rest)
{
	bool is_ipv6 = frame_is_ipv6(spec->dst);
	struct frame_spec icmp = *spec;
	struct frame frame;
	uint8_t *l4, pseudo[40 + FRAME_BYTES_MAX] = { 0 };
	uint32_t bytes = 8u + spec->payload;

	icmp.ip_proto = is_ipv6 ? 58 : 1;
	frame = frame_of(&icmp);
	l4 = frame.data + 14 + (is_ipv6 ? 40 : 20 + 4 * spec->option_words);
	l4[0] = type;
	l4[1] = code;
	frame_put16(l4 + 2, 0);
	frame_put16(l4 + 4, rest >> 16);
	frame_put16(l4 + 6, rest);
	if (is_ipv6) {
		memcpy(pseudo, frame.data + 14 + 8, 32);
		frame_put16(pseudo + 34, bytes);
		pseudo[39] = 58;
	}
	memcpy(pseudo + 40, l4, bytes);
	frame_put16(l4 + 2, frame_checksum(pseudo, 40 + (bytes + 1) / 2 * 2));
	return frame;
}

/** An ICMP error that quotes @p quoted_bytes of the IP packet of @p quoted. Its checksum is not
 * right: the core does not look at it. */
static inline struct frame
frame_icmp_error(const struct frame_spec *spec, uint8_t type, const struct frame *quoted,
		 uint32_t quoted_bytes)
{
	struct frame_spec icmp = *spec;
	struct frame frame;

	if (quoted_bytes > quoted->bytes - quoted->l3)
		abort();
	icmp.payload = (uint16_t)quoted_bytes;
	frame = frame_icmp(&icmp, type, 0, 0);
	memcpy(frame.data + frame.bytes - spec->padding - quoted_bytes, quoted->data + quoted->l3,
	       quoted_bytes);
	return frame;
}

#endif
