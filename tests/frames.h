/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Makes test frames from a few named fields, by its own reading of the RFCs: shares nothing with
 * dataplane/core. Bytes are set one by one, so that no struct of the core can be wrong twice.
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_BYTES_MAX = 4096 };

struct frame_spec {
	const char *src, *dst; /**< both IPv4 or both IPv6 */
	uint16_t src_port, dst_port;
	uint8_t ip_proto; /**< 6: a TCP header of 20 bytes follows; else 8 bytes as of UDP */
	uint8_t tos;
	uint8_t option_words; /**< IPv4: 32-bit words of options */
	uint16_t fragment;    /**< IPv4: flags and offset */
	uint16_t payload;     /**< bytes after the layer 4 header */
	uint16_t padding;     /**< bytes after the IP packet */
};

static inline void
frame_put16(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

static inline uint32_t
frame_get16(const uint8_t *in)
{
	return (uint32_t)in[0] << 8 | in[1];
}

/** RFC 1071, over whole memory, slowly. An even number of bytes. */
static inline uint16_t
frame_checksum(const uint8_t *bytes, uint32_t size)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < size; i += 2) {
		sum += frame_get16(bytes + i);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)~sum;
}

static inline void
frame_put_address(int family, const char *text, uint8_t *out)
{
	if (inet_pton(family, text, out) != 1)
		abort();
}

static inline uint32_t
frame_put_ipv4(const struct frame_spec *spec, uint8_t *ip, uint32_t l4_bytes)
{
	uint32_t header_bytes = 20 + 4u * spec->option_words;

	memset(ip, 0, 20);
	memset(ip + 20, 1, header_bytes - 20); /* option 1: no operation */
	ip[0] = (uint8_t)(0x40 | header_bytes / 4);
	ip[1] = spec->tos;
	frame_put16(ip + 2, header_bytes + l4_bytes);
	frame_put16(ip + 4, 0x1234);
	frame_put16(ip + 6, spec->fragment);
	ip[8] = 57;
	ip[9] = spec->ip_proto;
	frame_put_address(AF_INET, spec->src, ip + 12);
	frame_put_address(AF_INET, spec->dst, ip + 16);
	frame_put16(ip + 10, frame_checksum(ip, header_bytes));
	return header_bytes;
}

static inline uint32_t
frame_put_ipv6(const struct frame_spec *spec, uint8_t *ip, uint32_t l4_bytes)
{
	memset(ip, 0, 40);
	ip[0] = (uint8_t)(0x60 | spec->tos >> 4);
	ip[1] = (uint8_t)(spec->tos << 4 | 0x0a); /* a flow label of the client's: 0xabcde */
	frame_put16(ip + 2, 0xbcde);
	frame_put16(ip + 4, l4_bytes);
	ip[6] = spec->ip_proto;
	ip[7] = 57;
	frame_put_address(AF_INET6, spec->src, ip + 8);
	frame_put_address(AF_INET6, spec->dst, ip + 24);
	return 40;
}

/** @param out FRAME_BYTES_MAX bytes. @return bytes of the frame. */
static inline uint32_t
frame_build(const struct frame_spec *spec, uint8_t *out)
{
	bool is_ipv6 = strchr(spec->dst, ':') != NULL;
	uint32_t l4_bytes = (spec->ip_proto == 6 ? 20u : 8u) + spec->payload;
	uint8_t *l4;

	if (14 + 80 + l4_bytes + spec->padding > FRAME_BYTES_MAX)
		abort();
	memcpy(out, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	frame_put16(out + 12, is_ipv6 ? 0x86dd : 0x0800);
	l4 = out + 14 +
	     (is_ipv6 ? frame_put_ipv6(spec, out + 14, l4_bytes)
		      : frame_put_ipv4(spec, out + 14, l4_bytes));
	memset(l4, 0, l4_bytes);
	frame_put16(l4, spec->src_port);
	frame_put16(l4 + 2, spec->dst_port);
	if (spec->ip_proto == 6)
		frame_put16(l4 + 12, 0x5002); /* header of 5 words, SYN */
	else
		frame_put16(l4 + 4, l4_bytes);
	for (uint32_t i = l4_bytes - spec->payload; i < l4_bytes; i++)
		l4[i] = (uint8_t)(i * 7 + 3);
	memset(l4 + l4_bytes, 0x99, spec->padding);
	return (uint32_t)(l4 - out) + l4_bytes + spec->padding;
}

#endif
