/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ledger's two ends say to each other over TCP, in this machine's order: a block is its head
 * and head.bytes of payload; each is answered before the next is sent.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdint.h>
#include <stddef.h>
#include <time.h>

enum {
	LEDGER_NAME_BYTES = 16,	     /* with the 0 at its end */
	LEDGER_PAYLOAD_BYTES = 1024, /* most of a block */
	LEDGER_EVENTS = 256,	     /* of one epoll_wait() */
};

struct ledger_block {
	uint32_t connection; /* the driver's number of it, the same in all blocks */
	uint32_t bytes;	     /* of payload */
	uint64_t number;     /* from 0, one more each */
};

/** What the backend knows by itself: who it is, which block it expected, what payload it saw. */
struct ledger_answer {
	uint32_t connection; /* as in the connection's first block */
	uint32_t checksum;
	uint64_t number; /* that it expected */
	char name[LEDGER_NAME_BYTES];
};

#define LEDGER_CHECKSUM 2166136261u /* of nothing */

/** FNV-1a of @p bytes more bytes. */
static inline uint32_t
ledger_checksum(uint32_t checksum, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		checksum = (checksum ^ data[i]) * 16777619u;
	return checksum;
}

static inline uint64_t
ledger_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** splitmix64. */
static inline uint64_t
ledger_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

int ledger_serve(int argc, char **argv);
int ledger_drive(int argc, char **argv);
int ledger_flood(int argc, char **argv);

#endif
