/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Random numbers, and random addresses and ports that mean something in packet_world.h.
 */
#ifndef TESTS_FUZZ_PACKET_DICTIONARY_H
#define TESTS_FUZZ_PACKET_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

/** Random numbers of one call; the seed decides all. */
struct random {
	uint64_t state;
};

uint32_t random_below(struct random *random, uint32_t end);

/** True once in @p times. */
bool random_chance(struct random *random, uint32_t times);

#define RANDOM_OF(random, list) ((list)[random_below(random, sizeof(list) / sizeof *(list))])

/** An address of "address" or "address/bits": the first, the last, or any. 16 or 4 bytes. */
void dictionary_address_of(struct random *random, const char *prefix, uint8_t *ret_address);

/** A source: mostly a client, else one that is refused somewhere. */
void dictionary_source(struct random *random, bool is_ipv6, uint8_t *ret_address);

/** The address of a VIP. */
void dictionary_destination(struct random *random, bool is_ipv6, uint8_t *ret_address);

/** A port of the VIPs, or beside one. */
uint16_t dictionary_port(struct random *random);

#endif
