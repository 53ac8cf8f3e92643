/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Memory with an unmapped page on both sides: bytes laid against an end of it make the first access
 * too far a crash.
 */
#ifndef TESTS_EDGE_H
#define TESTS_EDGE_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	EDGE_BYTES = 16384, /**< between the unmapped pages; a multiple of the page size */
	EDGE_PAGE = 4096,
	EDGE_FILL = 0xa5, /**< what is there before something is put */
};

struct edge {
	uint8_t *start; /**< first usable byte */
	uint8_t *end;	/**< one past the last */
};

static inline struct edge
edge_create(void)
{
	uint8_t *map = mmap(NULL, EDGE_BYTES + 2 * EDGE_PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + EDGE_PAGE, EDGE_BYTES, PROT_READ | PROT_WRITE) != 0)
		abort();
	return (struct edge){ map + EDGE_PAGE, map + EDGE_PAGE + EDGE_BYTES };
}

static inline void
edge_destroy(const struct edge *edge)
{
	if (munmap(edge->start - EDGE_PAGE, EDGE_BYTES + 2 * EDGE_PAGE) != 0)
		abort();
}

/** A copy of @p bytes that ends at the unmapped page; at least 256 bytes of EDGE_FILL lie before
 * it. */
static inline uint8_t *
edge_put(const struct edge *edge, const uint8_t *bytes, size_t size)
{
	if (size > EDGE_BYTES - 256)
		abort();
	memset(edge->end - size - 256, EDGE_FILL, 256);
	return memcpy(edge->end - size, bytes, size);
}

#endif
