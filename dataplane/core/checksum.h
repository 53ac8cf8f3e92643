/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The Internet checksum (RFC 1071) and its adjustment (RFC 1624). 16-bit words are as loaded: the
 * sum does not depend on byte order.
 */
#ifndef FL_CHECKSUM_H
#define FL_CHECKSUM_H

#include "base.h"

/** Ones' complement folding of a sum of at most 2^16 16-bit words. */
FL_INLINE uint16_t
fl_checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/** The checksum after a word of what it covers became another one: equation 3. */
FL_INLINE uint16_t
fl_checksum_adjusted(uint16_t checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~before + after;

	return (uint16_t)~fl_checksum_fold(sum);
}

/** The sum of @p count 32-bit words at any address, folded. @param count a constant, at most 2^15.
 */
FL_INLINE uint16_t
fl_checksum_words(const uint8_t *bytes, uint32_t count)
{
	uint64_t sum = 0;

	FL_UNROLL
	for (uint32_t i = 0; i < count; i++)
		sum += ((const struct fl_word *)(bytes + 4 * i))->word;
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffffffu) + (sum >> 32);
	return fl_checksum_fold((uint32_t)(sum & 0xffff) + (uint32_t)(sum >> 16));
}

#endif
