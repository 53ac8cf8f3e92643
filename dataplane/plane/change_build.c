/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One VIP of a change: its backends get slots, its table is built, and how much of it moves is
 * counted.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "replay.h"
#include "rows.h"

/** In `translated`: a backend of the old incarnation that the new one does not have. */
#define GONE UINT32_MAX

/** The backends as wanted. Their next hops are looked up from here on, so that a commit finds them.
 */
static int
take_backends(struct state *state, const struct want_vip *want, struct state_vip *vip)
{
	for (uint32_t i = 0; i < want->present.backend_count; i++) {
		struct state_backend *backend = &vip->backends[i];
		int r;

		backend->address = want->present.backends[i].address;
		backend->weight = want->present.backends[i].weight;
		r = nexthop_take(state->nexthops, &backend->address,
				 want->policy.mode == VIP_MODE_L2DSR, &backend->hop);
		if (r < 0)
			return r;
	}
	return 0;
}

uint32_t
change_slots_least(const struct change_item *item)
{
	const struct state_vip *old = item->place != CHANGE_ANEW ? item->old : NULL;
	uint32_t least = 1;

	for (uint32_t i = 0; i < item->new->backend_count; i++)
		if (item->new->backends[i].slot_index >= least)
			least = item->new->backends[i].slot_index + 1u;
	for (uint32_t i = 0; old != NULL && i < old->backend_count; i++)
		if (old->backends[i].slot_index >= least)
			least = old->backends[i].slot_index + 1u;
	return least;
}

/** Backends that the old set does not have. */
static uint32_t
count_added(const struct state_vip *old, const struct want_vip *want)
{
	uint32_t added = 0;

	for (uint32_t i = 0; i < want->present.backend_count; i++)
		added += state_find_backend(old, &want->present.backends[i].address) == NULL;
	return added;
}

/** Can backends keep their slots? Not with another template, nor when entries of the flow table
 * that name them would get another age. */
static bool
fits_slots(const struct state_vip *old, const struct want_vip *want)
{
	const struct fl_window before = state_window(&old->policy);
	const struct fl_window after = state_window(&want->policy);

	return old->policy.mode == want->policy.mode && !old->is_outdated &&
	       before.unit_shift == after.unit_shift && before.live_units == after.live_units &&
	       count_added(old, want) <= old->slot_count - old->backend_count;
}

/** Rows that remember stay where they are. Others are exchanged with the slots, in one step: no
 * packet sees new templates and old owners. */
static bool
keeps_rows(const struct state_vip *old, const struct want_vip *want)
{
	return old->row_count == want->table_size &&
	       (want->policy.window_s > 0 || fits_slots(old, want));
}

/** @return 0; -EINVAL: the VIP has no index for all of them. */
static int
check_indexes(const struct change *change, const struct change_item *item,
	      struct json_errors *errors)
{
	uint32_t added = count_added(item->old, item->want);
	uint32_t spare = STATE_VIP_SLOTS_MAX - item->old->backend_count;
	char text[ADDR_ENDPOINT_TEXT_MAX];
	struct want_place place;

	if (added <= spare)
		return 0;
	json_error_add(errors, want_path(&change->want, item->want, NULL, &place), "limit_exceeded",
		       "make the change in two: those that leave give their slots to those that "
		       "come with the second",
		       "%u backends come to VIP %s, and only %u of its %d slots are free until "
		       "this change is through",
		       added, addr_endpoint_format(&item->want->endpoint, text), spare,
		       STATE_VIP_SLOTS_MAX);
	return -EINVAL;
}

/**
 * A backend that stays keeps its slot, or its index; a new one gets one that no backend of the old
 * set has: those that leave with this change are not free before every packet core has passed and
 * no flow names them.
 */
static void
assign_slots_in_place(struct state *state, const struct state_vip *old, struct state_vip *vip)
{
	bool *used = state->scratch->used;
	uint32_t next = 0;

	memset(used, 0, sizeof state->scratch->used);
	for (uint32_t i = 0; i < old->backend_count; i++)
		used[old->backends[i].slot_index] = true;
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		struct state_backend *backend = &vip->backends[i];
		const struct state_backend *before = state_find_backend(old, &backend->address);

		if (before != NULL) {
			backend->slot_index = before->slot_index;
			continue;
		}
		while (used[next])
			next++;
		assert(next < STATE_VIP_SLOTS_MAX);
		backend->slot_index = (uint16_t)next++;
	}
}

static int
build_rows(struct change *change, struct change_item *item, struct json_errors *errors)
{
	const struct state_vip *vip = item->new;
	struct want_place place;
	int r;

	item->owners = malloc(vip->row_count * sizeof item->owners[0]);
	if (item->owners == NULL)
		return -ENOMEM;
	r = state_build_owners(change->state, vip, item->owners);
	if (r == 0)
		return 0;
	/* what can be wrong with a request was checked: this is a bug, and must not become a wrong
	 * table */
	json_error_add(errors, want_path(&change->want, item->want, NULL, &place), "internal", NULL,
		       "the table of %u rows could not be built: %s", vip->row_count, strerror(-r));
	return -EINVAL;
}

/** The rows of a VIP that other planes have had for longer. @return 0; -ENOMEM; -EINVAL. */
static int
replay_history(struct change *change, struct change_item *item, struct json_errors *errors)
{
	const struct want_vip *want = item->want;
	struct want_place place;
	int r;

	if (item->old != NULL || want->history_count == 0 || want->policy.window_s == 0)
		return 0;
	item->words = malloc(item->new->row_count * sizeof item->words[0]);
	if (item->words == NULL)
		return -ENOMEM;
	r = replay_rows(change->state, want, item->new, item->words);
	if (r < 0)
		json_error_add(errors, want_path(&change->want, want, "history", &place),
			       "internal", NULL, "a table of the history could not be built");
	return r;
}

static void
count_rows(struct state *state, struct change_item *item)
{
	uint32_t *counts = state->scratch->counts;
	struct state_vip *vip = item->new;

	memset(counts, 0, sizeof state->scratch->counts);
	for (uint32_t row = 0; row < vip->row_count; row++)
		counts[item->owners[row]]++;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		vip->backends[i].rows = counts[vip->backends[i].slot_index];
}

/* --- what moves --- */

static uint32_t
rows_owned(const struct state_vip *vip)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; vip != NULL && i < vip->backend_count; i++)
		rows += vip->backends[i].rows;
	return rows;
}

/** Rows of the new table whose flows had another owner. Tables of two sizes are laid over each
 * other by hash. */
static uint32_t
count_moved(const struct state *state, const struct change_item *item)
{
	const struct state_vip *old = item->old, *new = item->new;
	const struct fl_row *rows = &state->tables->rows[old->row_base];
	uint32_t *translated = state->scratch->translated;
	uint32_t moved = 0;

	translated[FL_ROW_NONE] = FL_ROW_NONE;
	for (uint32_t i = 0; i < old->backend_count; i++) {
		const struct state_backend *backend = &old->backends[i];
		const struct state_backend *after = state_find_backend(new, &backend->address);

		translated[backend->slot_index] = after != NULL ? after->slot_index : GONE;
	}
	for (uint32_t row = 0; row < new->row_count; row++) {
		uint64_t before = (uint64_t)row * old->row_count / new->row_count;

		moved += translated[fl_row_cur(rows[before].word)] != item->owners[row];
	}
	return moved;
}

static uint32_t
growth(uint64_t before, uint64_t after)
{
	return after > before ? (uint32_t)(after - before) : 0;
}

/** Rows that an owner has more than before: those had to come from another one, in any table. */
static uint32_t
count_minimum(const struct change_item *item)
{
	const struct state_vip *old = item->old, *new = item->new;
	uint64_t size = new->row_count;
	uint64_t nobody = (old->row_count - rows_owned(old)) * size / old->row_count;
	uint32_t minimum = growth(nobody, new->row_count - rows_owned(new));

	for (uint32_t i = 0; i < new->backend_count; i++) {
		const struct state_backend *backend = &new->backends[i];
		const struct state_backend *before = state_find_backend(old, &backend->address);
		uint64_t rows_before = before != NULL ? before->rows : 0;

		minimum += growth(rows_before * size / old->row_count, backend->rows);
	}
	return minimum;
}

/** Of backends that the new set does not have; of all, where the rows are others. */
static uint32_t
count_cut(const struct state *state, const struct change_item *item)
{
	const struct state_vip *old = item->old, *new = item->new;
	uint32_t flows = 0;

	for (uint32_t i = 0; i < old->backend_count; i++) {
		const struct state_backend *backend = &old->backends[i];

		if (new == NULL || item->place == CHANGE_ANEW ||
		    state_find_backend(new, &backend->address) == NULL)
			flows += rows_flows(state->rows, old->slot_base + backend->slot_index);
	}
	return flows;
}

static void
count_changes(const struct state *state, struct change_item *item)
{
	if (item->old == NULL) {
		item->rows_moved = rows_owned(item->new);
		item->rows_minimum = item->rows_moved;
		return;
	}
	item->rows_moved = count_moved(state, item);
	item->rows_minimum = count_minimum(item);
	item->flows_cut = count_cut(state, item);
	if (item->rows_minimum > item->rows_moved)
		item->rows_minimum = item->rows_moved; /* rounding between tables of two sizes */
}

int
change_plan_vip(struct change *change, struct change_item *item, struct json_errors *errors)
{
	struct state *state = change->state;
	const struct want_vip *want = item->want;
	struct state_vip *vip;
	int r = state_vip_create(want->present.backend_count, &item->new);

	if (r < 0)
		return r;
	vip = item->new;
	vip->endpoint = want->endpoint;
	vip->policy = want->policy;
	vip->key = state_vip_key(&want->endpoint);
	vip->row_count = want->table_size;
	r = take_backends(state, want, vip);
	if (r < 0)
		return r;
	if (item->old == NULL || !keeps_rows(item->old, want)) {
		for (uint32_t i = 0; i < vip->backend_count; i++)
			vip->backends[i].slot_index = (uint16_t)i;
		return 0;
	}
	r = check_indexes(change, item, errors);
	if (r < 0)
		return r;
	vip->row_base = item->old->row_base;
	item->place = fits_slots(item->old, want) ? CHANGE_IN_PLACE : CHANGE_MOVES_SLOTS;
	if (item->place == CHANGE_IN_PLACE) {
		vip->slot_base = item->old->slot_base;
		vip->slot_count = item->old->slot_count;
	}
	assign_slots_in_place(state, item->old, vip);
	return 0;
}

int
change_fill_vip(struct change *change, struct change_item *item, struct json_errors *errors)
{
	struct state *state = change->state;
	struct digest_table table;
	int r;

	if (item->kind == CHANGE_REMOVED) {
		item->rows_moved = item->rows_minimum = rows_owned(item->old);
		item->flows_cut = count_cut(state, item);
	}
	if (item->new == NULL)
		return 0;
	r = build_rows(change, item, errors);
	if (r == 0)
		r = replay_history(change, item, errors);
	if (r < 0)
		return r;
	count_rows(state, item);
	table = state_digest_table(state, item->new, item->owners);
	item->new->digest = digest_vip(&table);
	count_changes(state, item);
	return 0;
}
