/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What must hold of any frame that leaves, read from the bytes of it and of what came: nothing here
 * asks the core, and nothing decides what ought to have happened. A broken one ends the program.
 */
#ifndef TESTS_FUZZ_OUTPUT_CHECKS_H
#define TESTS_FUZZ_OUTPUT_CHECKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet_world_model.h"

#define REQUIRE(condition)                                           \
	do {                                                         \
		if (!(condition)) {                                  \
			fprintf(stderr, "broken: %s\n", #condition); \
			abort();                                     \
		}                                                    \
	} while (0)

/** A frame, taken apart as far as its tags. */
struct layers {
	const uint8_t *frame, *ip; /**< borrowed */
	uint32_t bytes, ip_bytes;  /**< of the frame; from the IP header to its end */
	uint32_t tag_count;
	bool is_ipv6;
};

/** @return false: it has no IP packet behind up to two tags, or is shorter than that says. */
bool layers_read(const uint8_t *frame, uint32_t bytes, struct layers *ret_layers);

/** Bytes of the IP packet, by its own length. */
uint32_t layers_packet_bytes(const struct layers *layers);

struct output {
	const struct packet_world_model *world;
	const uint8_t *in, *out; /**< frames */
	uint32_t in_bytes, out_bytes;
	uint32_t in_port, out_port;
};

/** A packet on its way to a backend. @return true: it has an outer header, false: it goes as it
 * came (l2dsr). */
bool output_check_forward(const struct output *output);

void output_check_echo(const struct output *output);
void output_check_too_big(const struct output *output);

#endif
