/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Contiguous ranges (of rows, of slots) out of a fixed arena: first fit, neighbours joined when
 * given back. All memory is taken at start. One thread.
 */
#ifndef PLANE_RANGES_H
#define PLANE_RANGES_H

#include <stdint.h>

struct ranges;

/**
 * @param size of the arena, 1 or more.
 * @param taken_max ranges that may be taken at once, 1 or more.
 * @return 0; -EINVAL; -ENOMEM.
 */
int ranges_create(uint32_t size, uint32_t taken_max, struct ranges **ret_ranges);

/** NULL is fine. */
void ranges_destroy(struct ranges *ranges);

/**
 * Take @p count elements, 1 or more.
 * @return 0; -ENOSPC: no gap is as large; -EMFILE: taken_max are taken.
 */
int ranges_take(struct ranges *ranges, uint32_t count, uint32_t *ret_base);

/**
 * Take just these elements, which somebody has already.
 * @return 0; -EEXIST: some of them are taken, or there are no such elements; -EMFILE as above.
 */
int ranges_take_at(struct ranges *ranges, uint32_t base, uint32_t count);

/** Give back exactly what was taken. */
void ranges_give(struct ranges *ranges, uint32_t base, uint32_t count);

/** Elements that are not taken, and the largest gap. */
uint32_t ranges_free(const struct ranges *ranges);
uint32_t ranges_largest(const struct ranges *ranges);

#endif
