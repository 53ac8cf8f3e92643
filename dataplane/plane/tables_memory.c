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
	/* statements: the order is part of the layout, and initializers have none */
	tables->backends = take(&next, size.backend_count, sizeof *tables->backends);
	tables->config = take(&next, 1, sizeof *tables->config);
	tables->vip_buckets = take(&next, size.vip_bucket_count, sizeof *tables->vip_buckets);
	tables->vips = take(&next, size.vip_count, sizeof *tables->vips);
	tables->owners = take(&next, size.owners_count, sizeof *tables->owners);
	tables->rows = take(&next, size.row_count, sizeof *tables->rows);
	tables->ports = take(&next, FL_PORTS_MAX, sizeof *tables->ports);
	tables->fragments = take(&next, size.fragment_bucket_count, sizeof *tables->fragments);
	tables->flows = take(&next, size.flow_bucket_count, sizeof *tables->flows);
	tables->clock = take(&next, 1, sizeof *tables->clock);
	tables->vip_ledger = take(&next, size.vip_count, sizeof *tables->vip_ledger);
	tables->backend_ledger = take(&next, size.backend_count, sizeof *tables->backend_ledger);
	tables->generation = take(&next, 1, sizeof *tables->generation);
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
	return (uint32_t)(sizeof(struct tables_memory) + sizeof(struct fl_config) +
			  sizeof(struct fl_vip_bucket) + sizeof(struct fl_vip) +
			  sizeof(struct fl_backend) + sizeof(struct fl_owners) +
			  sizeof(struct fl_row) + sizeof(struct fl_port) +
			  sizeof(struct fl_fragments) + sizeof(struct fl_flows) +
			  sizeof(struct fl_clock) + 2 * sizeof(struct plane_ledger) +
			  sizeof(uint64_t));
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
tables_memory_set_config(const struct plane_tables *tables, const struct plane_limits *limits,
			 const struct fl_key *key)
{
	struct plane_tables_size size = plane_tables_size(limits);

	tables->config->key = *key;
	tables->config->vip_bucket_mask = size.vip_bucket_count - 1;
	tables->config->fragment_bucket_mask = size.fragment_bucket_count - 1;
	tables->config->flow_bucket_mask = size.flow_bucket_count - 1;
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
