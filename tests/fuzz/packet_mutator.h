/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Makes and changes sequences of frames for packet fuzzers: shapes that come close to what the
 * decision looks at, aimed at the VIPs of packet_world.h. Knows nothing of the core.
 *
 * An input is a byte string: up to PACKET_FRAMES_MAX frames, each
 *     length (2 bytes, little-endian), port it comes by (1 byte), reserved (1 byte), its bytes.
 * The reserved byte is the fuzzer's (time that passes, a split into segments): 0 at first, then
 * any value.
 */
#ifndef TESTS_FUZZ_PACKET_MUTATOR_H
#define TESTS_FUZZ_PACKET_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

enum {
	PACKET_FRAMES_MAX = 8,
	PACKET_FRAME_BYTES_MAX = 2048, /**< that packet_mutate() makes; readers take any length */
	PACKET_HEADER_BYTES = 4,
	PACKET_INPUT_BYTES_MAX = PACKET_FRAMES_MAX * (PACKET_HEADER_BYTES + PACKET_FRAME_BYTES_MAX),
};

/** One frame of an input; bytes point into the input. */
struct packet_view {
	uint8_t in_port; /**< any value: the reader takes it modulo its ports */
	uint8_t reserved;
	uint16_t count;
	const uint8_t *bytes;
};

/**
 * The frames of an input. What is not a whole frame ends it and is ignored.
 *
 * @return how many views are set.
 */
uint32_t
packet_split(const uint8_t *data, size_t size, struct packet_view views[PACKET_FRAMES_MAX]);

/**
 * Change an input in place: a custom mutator of libFuzzer. The same arguments, the same change.
 *
 * @param max_size bytes that @p data has room for; use at least PACKET_INPUT_BYTES_MAX
 *        (-max_len). With less, what does not fit is left out.
 * @return the new size.
 */
size_t packet_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

#endif
