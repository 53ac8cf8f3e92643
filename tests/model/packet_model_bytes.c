/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes, checksums, addresses and SipHash for the packet model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_model_parts.h"

struct bytes
model_part(struct bytes bytes, uint32_t at, uint32_t count)
{
	if (at > bytes.count || count > bytes.count - at) {
		fprintf(stderr, "packet model: reads %u bytes at %u of %u: a fault of the model\n",
			count, at, bytes.count);
		abort();
	}
	return (struct bytes){ bytes.start + at, count };
}

uint32_t
model_read8(struct bytes bytes, uint32_t at)
{
	return model_part(bytes, at, 1).start[0];
}

uint32_t
model_read16(struct bytes bytes, uint32_t at)
{
	return model_read8(bytes, at) * 256 + model_read8(bytes, at + 1);
}

uint32_t
model_read32(struct bytes bytes, uint32_t at)
{
	return model_read16(bytes, at) * 65536 + model_read16(bytes, at + 2);
}

void
model_put(struct model_result *result, struct bytes bytes)
{
	if (bytes.count > MODEL_OUT_BYTES_MAX - result->out_bytes) {
		fprintf(stderr, "packet model: writes %u bytes behind %u: a fault of the model\n",
			bytes.count, result->out_bytes);
		abort();
	}
	memcpy(result->out + result->out_bytes, bytes.start, bytes.count);
	result->out_bytes += bytes.count;
}

void
model_put8(struct model_result *result, uint32_t value)
{
	uint8_t byte = (uint8_t)(value % 256);

	model_put(result, (struct bytes){ &byte, 1 });
}

void
model_put16(struct model_result *result, uint32_t value)
{
	model_put8(result, value / 256);
	model_put8(result, value);
}

void
model_put32(struct model_result *result, uint32_t value)
{
	model_put16(result, value / 65536);
	model_put16(result, value % 65536);
}

void
model_patch16(struct model_result *result, uint32_t at, uint32_t value)
{
	(void)model_part((struct bytes){ result->out, result->out_bytes }, at, 2);
	result->out[at] = (uint8_t)(value / 256 % 256);
	result->out[at + 1] = (uint8_t)(value % 256);
}

/* One's complement addition of 16-bit words: a carry comes back in at the right. */
static uint32_t
add16(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return sum > 0xffff ? sum - 0xffff : sum;
}

uint32_t
model_sum16(struct bytes bytes, uint32_t before)
{
	uint32_t sum = before;

	for (uint32_t i = 0; i < bytes.count; i++)
		sum = add16(sum, i % 2 == 0 ? model_read8(bytes, i) * 256 : model_read8(bytes, i));
	return sum;
}

uint32_t
model_checksum_adjusted(uint32_t checksum, uint32_t was, uint32_t is)
{
	return 0xffff - add16(add16(0xffff - checksum, 0xffff - was), is);
}

static const uint8_t ipv4_mapped[12] = { [10] = 0xff, [11] = 0xff };

bool
model_address_is_ipv4(const uint8_t address[16])
{
	return memcmp(address, ipv4_mapped, sizeof ipv4_mapped) == 0;
}

bool
model_address_equal(const uint8_t a[16], const uint8_t b[16])
{
	return memcmp(a, b, 16) == 0;
}

bool
model_address_in_prefix(const uint8_t address[16], const uint8_t prefix[16], uint32_t bits)
{
	for (uint32_t bit = 0; bit < bits; bit++) {
		uint32_t weight = 128u >> bit % 8;

		if ((address[bit / 8] & weight) != (prefix[bit / 8] & weight))
			return false;
	}
	return true;
}

/* --- SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", section 2), c = 1, d = 3 ---
 */

static uint64_t
rotate_left(uint64_t x, uint32_t bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate_left(v[1], 13);
	v[3] = rotate_left(v[3], 16);
	v[1] ^= v[0];
	v[3] ^= v[2];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate_left(v[1], 17);
	v[3] = rotate_left(v[3], 21);
	v[1] ^= v[2];
	v[3] ^= v[0];
	v[2] = rotate_left(v[2], 32);
}

static uint64_t
little_endian(const uint8_t *bytes, uint32_t count)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < count; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

uint64_t
model_siphash13(const uint8_t key[16], const uint8_t *bytes, uint32_t size)
{
	uint64_t k0 = little_endian(key, 8), k1 = little_endian(key + 8, 8);
	uint64_t v[4] = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
			  k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };

	for (uint32_t at = 0; at <= size; at += 8) {
		uint64_t word;

		if (size - at >= 8) /* a whole word; the last one holds what is left and the size */
			word = little_endian(bytes + at, 8);
		else
			word = little_endian(bytes + at, size - at) | (uint64_t)(size % 256) << 56;
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (uint32_t i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
