/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorted arrays instead of hash tables: a change makes the next array off the packet path, and a
 * commit is the exchange of two pointers, which cannot fail.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum {
	VIPS_MAX = 65536,
	ROWS_MAX = 268435456,
	ROWS_MIN = 251, /* the smallest table */
};

/** The largest table that fits the plane. */
static uint32_t
largest_table(uint32_t rows)
{
	uint32_t count, largest = 0;
	const uint32_t *sizes = maglev_row_counts(&count);

	for (uint32_t i = 0; i < count; i++)
		if (sizes[i] <= rows)
			largest = sizes[i];
	return largest;
}

static int
take_records(struct state *state, uint32_t count)
{
	state->records = calloc(count, sizeof state->records[0]);
	if (state->records == NULL)
		return -ENOMEM;
	while (count > 0)
		state->records[state->record_count++] = --count;
	return 0;
}

int
state_open(struct state *state, const struct plane_options *options, struct nexthops *nexthops)
{
	const struct plane_limits *limits = &options->limits;
	uint32_t ranges_max, backends_max;
	int r;

	*state = (struct state){ .options = options,
				 .tables = options->tables,
				 .nexthops = nexthops };
	if (limits->vips == 0 || limits->vips > VIPS_MAX || limits->backends == 0 ||
	    limits->backends > FL_SLOTS_MAX || limits->rows < ROWS_MIN || limits->rows > ROWS_MAX)
		return -EINVAL;
	ranges_max = 2 * limits->vips; /* old and new incarnations */
	backends_max =
		limits->backends < MAGLEV_BACKENDS_MAX ? limits->backends : MAGLEV_BACKENDS_MAX;
	state->maglev_rows_max = largest_table(limits->rows);
	state->scratch = calloc(1, sizeof *state->scratch);
	if (state->scratch == NULL)
		return -ENOMEM;
	if ((r = vips_create(state->tables, plane_tables_size(limits).vip_count, &state->vips)) <
		    0 ||
	    (r = maglev_create(state->maglev_rows_max, backends_max, &state->maglev)) < 0 ||
	    (r = ranges_create(limits->rows, ranges_max, &state->rows)) < 0 ||
	    (r = ranges_create(limits->backends, ranges_max, &state->slots)) < 0 ||
	    (r = take_records(state, plane_tables_size(limits).vip_count)) < 0)
		return r;
	return 0;
}

void
state_close(struct state *state)
{
	for (uint32_t i = 0; i < state->set.vip_count; i++)
		state_vip_destroy(state, state->set.vips[i]);
	free(state->set.vips);
	free(state->set.addresses);
	free(state->records);
	ranges_destroy(state->slots);
	ranges_destroy(state->rows);
	maglev_destroy(state->maglev);
	vips_destroy(state->vips);
	free(state->scratch);
	*state = (struct state){ 0 };
}

int
state_compare_addresses(const struct addr *a, const struct addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

int
state_compare_endpoints(const struct addr_endpoint *a, const struct addr_endpoint *b)
{
	int order = state_compare_addresses(&a->address, &b->address);

	if (order == 0)
		order = (int)a->port - (int)b->port;
	if (order == 0)
		order = (int)a->protocol - (int)b->protocol;
	return order;
}

struct state_vip *
state_find(const struct state *state, const struct addr_endpoint *endpoint)
{
	uint32_t low = 0, high = state->set.vip_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct state_vip *vip = state->set.vips[middle];
		int order = state_compare_endpoints(&vip->endpoint, endpoint);

		if (order == 0)
			return vip;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct state_backend *
state_find_backend(const struct state_vip *vip, const struct addr *address)
{
	uint32_t low = 0, high = vip->backend_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct state_backend *backend = &vip->backends[middle];
		int order = state_compare_addresses(&backend->address, address);

		if (order == 0)
			return (struct state_backend *)(uintptr_t)backend;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
state_has_address(const struct state_set *set, const struct addr *address)
{
	uint32_t low = 0, high = set->address_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = state_compare_addresses(&set->addresses[middle].address, address);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

int
state_vip_create(uint32_t backend_count, struct state_vip **ret_vip)
{
	struct state_vip *vip = calloc(1, sizeof *vip + backend_count * sizeof vip->backends[0]);

	if (vip == NULL)
		return -ENOMEM;
	vip->backend_count = backend_count;
	*ret_vip = vip;
	return 0;
}

void
state_vip_destroy(struct state *state, struct state_vip *vip)
{
	if (vip == NULL)
		return;
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		nexthop_detach(&vip->backends[i].user);
		if (vip->backends[i].hop != NULL)
			nexthop_give(state->nexthops, vip->backends[i].hop);
	}
	free(vip);
}

uint32_t
state_record_take(struct state *state)
{
	assert(state->record_count > 0);
	return state->records[--state->record_count];
}

void
state_record_give(struct state *state, uint32_t record)
{
	assert(state->record_count < plane_tables_size(&state->options->limits).vip_count);
	state->records[state->record_count++] = record;
}

static struct fl_counter
count(const struct state_counter *counter, struct fl_counter engine)
{
	return (struct fl_counter){
		.packets = counter->carry.packets + engine.packets - counter->base.packets,
		.bytes = counter->carry.bytes + engine.bytes - counter->base.bytes,
	};
}

struct fl_counter
state_vip_count(const struct state *state, const struct state_vip *vip)
{
	const struct plane_engine *engine = &state->options->engine;

	return count(&vip->counter, engine->vip_counter(engine->user, vip->record));
}

struct fl_counter
state_backend_count(const struct state *state, const struct state_vip *vip,
		    const struct state_backend *backend)
{
	const struct plane_engine *engine = &state->options->engine;
	uint32_t slot = vip->slot_base + backend->slot_index;

	return count(&backend->counter, engine->backend_counter(engine->user, slot));
}
