/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <string.h>

#include "tables_memory.h"

enum { LINE_BYTES = 64 };

static size_t
lines(size_t bytes)
{
	return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

/** The next part of the memory. */
static void *
take(uintptr_t *next, uint32_t count, size_t size)
{
	void *part = (void *)*next;

	*next += lines(count * size);
	return part;
}

/** @return the first byte behind. */
static uintptr_t
lay_out(uintptr_t next, const struct plane_limits *limits, struct plane_tables *tables)
{
	struct plane_tables_size size = plane_tables_size(limits);

	next += lines(sizeof(struct tables_memory));
#define TAKE(member, count) tables->member = take(&next, count, sizeof *tables->member);
	PLANE_TABLES(TAKE)
#undef TAKE
	return next;
}

size_t
tables_memory_bytes(const struct plane_limits *limits)
{
	struct plane_tables tables;

	return (size_t)lay_out(0, limits, &tables);
}

void
tables_memory_lay_out(void *memory, const struct plane_limits *limits,
		      struct plane_tables *ret_tables)
{
	assert((uintptr_t)memory % LINE_BYTES == 0);
	(void)lay_out((uintptr_t)memory, limits, ret_tables);
}

static uint32_t
record_bytes(void)
{
	const struct plane_tables *tables = NULL;

#define BYTES(member, count) +sizeof *tables->member
	return (uint32_t)(sizeof(struct tables_memory) PLANE_TABLES(BYTES));
#undef BYTES
}

enum tables_memory_state
tables_memory_look(const struct tables_memory *head)
{
	static const struct tables_memory zero;

	if (memcmp(head, &zero, sizeof zero) == 0)
		return TABLES_MEMORY_FRESH;
	if (head->magic != TABLES_MEMORY_MAGIC)
		return TABLES_MEMORY_FOREIGN;
	if (head->is_whole == 0)
		return TABLES_MEMORY_FRESH;
	return head->version == TABLES_MEMORY_VERSION && head->record_bytes == record_bytes()
		       ? TABLES_MEMORY_WHOLE
		       : TABLES_MEMORY_VERSION_OTHER;
}

const char *
tables_memory_other_limit(const struct tables_memory *head, const struct plane_limits *limits,
			  uint32_t *ret_theirs, uint32_t *ret_ours)
{
	const struct {
		const char *name;
		uint32_t theirs, ours;
	} pairs[] = {
		{ "vips", head->limits.vips, limits->vips },
		{ "backends", head->limits.backends, limits->backends },
		{ "rows", head->limits.rows, limits->rows },
		{ "fragments", head->limits.fragments, limits->fragments },
		{ "flows", head->limits.flows, limits->flows },
	};

	_Static_assert(sizeof(struct plane_limits) == sizeof pairs / sizeof pairs[0] * 4,
		       "every limit is compared");
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		if (pairs[i].theirs == pairs[i].ours)
			continue;
		*ret_theirs = pairs[i].theirs;
		*ret_ours = pairs[i].ours;
		return pairs[i].name;
	}
	return NULL;
}

void
tables_memory_begin(struct tables_memory *memory, const struct plane_limits *limits)
{
	*memory = (struct tables_memory){ .magic = TABLES_MEMORY_MAGIC,
					  .version = TABLES_MEMORY_VERSION,
					  .record_bytes = record_bytes(),
					  .limits = *limits };
}

void
tables_memory_finish(struct tables_memory *memory)
{
	__atomic_store_n(&memory->is_whole, 1, __ATOMIC_RELEASE);
}

void
tables_memory_set_devices(struct tables_memory *memory, const struct plane_tables *tables,
			  const char *const *devices, uint32_t count)
{
	char now[FL_PORTS_MAX][TABLES_MEMORY_DEVICE_BYTES] = { "" };
	bool is_other[FL_PORTS_MAX];

	for (uint32_t i = 0; i < FL_PORTS_MAX; i++) {
		if (i < count)
			memcpy(now[i], devices[i],
			       strnlen(devices[i], TABLES_MEMORY_DEVICE_BYTES - 1));
		is_other[i] = memcmp(now[i], memory->devices[i], sizeof now[i]) != 0;
		if (is_other[i])
			tables->ports[i].word = 0;
	}
	for (uint32_t slot = 0; slot < memory->limits.backends; slot++) {
		uint64_t *link = &tables->backends[slot].link;

		if (fl_link_port(*link) >= FL_PORTS_MAX || is_other[fl_link_port(*link)])
			__atomic_store_n(link, *link & ~fl_link_word(0, 0, FL_LINK_REACHABLE),
					 __ATOMIC_RELEASE);
	}
	memcpy(memory->devices, now, sizeof now);
}
