/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gaps lie in one array, by base; no two touch. There is at most one gap more than there are
 * taken ranges, which bounds the array.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ranges.h"

struct gap {
	uint32_t base;
	uint32_t count;
};

struct ranges {
	uint32_t size;
	uint32_t taken_max;
	uint32_t taken_count;
	uint32_t free; /* elements in all gaps */
	uint32_t gap_count;
	struct gap gaps[]; /* taken_max + 1 */
};

int
ranges_create(uint32_t size, uint32_t taken_max, struct ranges **ret_ranges)
{
	struct ranges *ranges;

	if (size == 0 || taken_max == 0 || taken_max == UINT32_MAX)
		return -EINVAL;
	ranges = calloc(1, sizeof *ranges + ((size_t)taken_max + 1) * sizeof ranges->gaps[0]);
	if (ranges == NULL)
		return -ENOMEM;
	ranges->size = size;
	ranges->taken_max = taken_max;
	ranges->free = size;
	ranges->gap_count = 1;
	ranges->gaps[0] = (struct gap){ .base = 0, .count = size };
	*ret_ranges = ranges;
	return 0;
}

void
ranges_destroy(struct ranges *ranges)
{
	free(ranges);
}

static void
gap_remove(struct ranges *ranges, uint32_t i)
{
	ranges->gap_count--;
	memmove(&ranges->gaps[i], &ranges->gaps[i + 1],
		(ranges->gap_count - i) * sizeof ranges->gaps[0]);
}

static void
gap_insert(struct ranges *ranges, uint32_t i, struct gap gap)
{
	assert(ranges->gap_count <= ranges->taken_max);
	memmove(&ranges->gaps[i + 1], &ranges->gaps[i],
		(ranges->gap_count - i) * sizeof ranges->gaps[0]);
	ranges->gaps[i] = gap;
	ranges->gap_count++;
}

int
ranges_take(struct ranges *ranges, uint32_t count, uint32_t *ret_base)
{
	assert(count > 0);
	if (ranges->taken_count >= ranges->taken_max)
		return -EMFILE;
	for (uint32_t i = 0; i < ranges->gap_count; i++) {
		struct gap *gap = &ranges->gaps[i];

		if (gap->count < count)
			continue;
		*ret_base = gap->base;
		gap->base += count;
		gap->count -= count;
		if (gap->count == 0)
			gap_remove(ranges, i);
		ranges->free -= count;
		ranges->taken_count++;
		return 0;
	}
	return -ENOSPC;
}

/** The first gap at or behind @p base. */
static uint32_t
gap_after(const struct ranges *ranges, uint32_t base)
{
	uint32_t low = 0, high = ranges->gap_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ranges->gaps[middle].base < base)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
ranges_take_at(struct ranges *ranges, uint32_t base, uint32_t count)
{
	uint32_t i = gap_after(ranges, base + 1); /* the gap with base, if any, is before */
	struct gap *gap, rest;

	if (ranges->taken_count >= ranges->taken_max)
		return -EMFILE;
	if (count == 0 || count > ranges->size || base > ranges->size - count || i == 0)
		return -EEXIST;
	gap = &ranges->gaps[--i];
	if (base - gap->base > gap->count || gap->count - (base - gap->base) < count)
		return -EEXIST;
	rest = (struct gap){ .base = base + count,
			     .count = gap->count - (base - gap->base) - count };
	gap->count = base - gap->base;
	if (gap->count == 0)
		gap_remove(ranges, i);
	else
		i++;
	ranges->taken_count++;
	ranges->free -= count;
	if (rest.count > 0)
		gap_insert(ranges, i, rest);
	return 0;
}

void
ranges_give(struct ranges *ranges, uint32_t base, uint32_t count)
{
	uint32_t next = gap_after(ranges, base);
	struct gap *gaps = ranges->gaps;
	bool joins_before = next > 0 && gaps[next - 1].base + gaps[next - 1].count == base;
	bool joins_after = next < ranges->gap_count && base + count == gaps[next].base;

	assert(count > 0 && count <= ranges->size && base <= ranges->size - count);
	assert(next == 0 || gaps[next - 1].base + gaps[next - 1].count <= base);
	assert(next == ranges->gap_count || base + count <= gaps[next].base);
	assert(ranges->taken_count > 0);
	ranges->taken_count--;
	ranges->free += count;
	if (joins_before && joins_after) {
		gaps[next - 1].count += count + gaps[next].count;
		gap_remove(ranges, next);
	} else if (joins_before) {
		gaps[next - 1].count += count;
	} else if (joins_after) {
		gaps[next].base = base;
		gaps[next].count += count;
	} else {
		gap_insert(ranges, next, (struct gap){ .base = base, .count = count });
	}
}

uint32_t
ranges_free(const struct ranges *ranges)
{
	return ranges->free;
}

uint32_t
ranges_largest(const struct ranges *ranges)
{
	uint32_t largest = 0;

	for (uint32_t i = 0; i < ranges->gap_count; i++)
		if (ranges->gaps[i].count > largest)
			largest = ranges->gaps[i].count;
	return largest;
}
