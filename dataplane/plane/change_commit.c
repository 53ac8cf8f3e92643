/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applying a change, so that no packet sees a row that names a slot which is not set, nor half a
 * record:
 *
 *  1. the engine steers the new records' packets here (the only step that can fail, and the first);
 *  2. new slots, rows and records are written where no packet looks yet; new prefix lengths;
 *  3. the rows of VIPs that stay where they are and whose packets are the host's; then the VIP
 *     buckets publish VIPs, pages, addresses; every packet core passes; they retire pages,
 *     addresses, VIPs, one word each;
 *  4. the changed rows of the other VIPs that stay where they are, one word each; slots name their
 *     VIP's present record;
 *  5. every packet core passes: nobody looks at what was retired;
 *  6. dead slots are cleared, the engine forgets the removed records, prefix lengths go;
 *  7. every packet core passes again, and what was retired may be used again;
 *  8. the generation.
 *
 * The process may end between any two stores: state_adopt.c reads what that leaves.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"

static const struct plane_engine *
engine_of(const struct change *change)
{
	return &change->state->options->engine;
}

static void
synchronize(const struct change *change)
{
	const struct plane_engine *engine = engine_of(change);

	engine->synchronize(engine->user);
}

/* --- counters --- */

/**
 * What is counted from now on is the new owner's. What the former incarnation counted until now is
 * carried; the rest follows with carry_counters().
 */
static void
start_vip_counter(const struct change *change, const struct change_item *item)
{
	const struct plane_engine *engine = engine_of(change);
	const struct state_vip *vip = item->new;
	struct plane_ledger ledger = { .base = engine->vip_counter(engine->user, vip->record) };

	if (item->old != NULL)
		ledger.carry = state_vip_count(change->state, item->old);
	change->state->tables->vip_ledger[vip->record] = ledger;
}

static void
start_backend_counter(const struct change *change, const struct change_item *item,
		      const struct state_backend *backend)
{
	const struct plane_engine *engine = engine_of(change);
	const struct state_backend *before =
		item->old != NULL ? state_find_backend(item->old, &backend->address) : NULL;
	uint32_t slot = item->new->slot_base + backend->slot_index;
	struct plane_ledger ledger = { .base = engine->backend_counter(engine->user, slot) };

	if (before != NULL)
		ledger.carry = state_backend_count(change->state, item->old, before);
	change->state->tables->backend_ledger[slot] = ledger;
}

/** A new record or slot takes over what the old one counted, once no packet core counts for that
 * any more. */
static void
carry_counters(const struct change *change, const struct change_item *item)
{
	const struct state_vip *old = item->old, *new = item->new;
	struct plane_tables *tables = change->state->tables;

	if (old->record != new->record)
		tables->vip_ledger[new->record].carry = state_vip_count(change->state, old);
	for (uint32_t i = 0; !item->in_place && i < new->backend_count; i++) {
		const struct state_backend *before =
			state_find_backend(old, &new->backends[i].address);

		if (before != NULL)
			tables->backend_ledger[new->slot_base + new->backends[i].slot_index].carry =
				state_backend_count(change->state, old, before);
	}
}

/* --- before the change is visible --- */

/** Set a slot that no row names yet. The next hop writes its link word, the last of it. */
static void
write_slot(const struct change *change, const struct change_item *item,
	   struct state_backend *backend)
{
	const struct state_vip *vip = item->new;
	uint32_t slot = vip->slot_base + backend->slot_index;

	start_backend_counter(change, item, backend);
	change->state->tables->backends[slot] = state_slot(change->state, vip, backend);
	backend->user.slot = slot;
	nexthop_attach(change->state->nexthops, backend->hop, &backend->user);
}

static void
write_incarnation(const struct change *change, struct change_item *item)
{
	const struct plane_tables *tables = change->state->tables;
	struct state_vip *vip = item->new;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		write_slot(change, item, &vip->backends[i]);
	for (uint32_t row = 0; row < vip->row_count; row++)
		plane_row_store(tables, vip->row_base + row, fl_row_stable(item->owners[row]));
}

/** The backends that stay are followed by the new set's; the new ones get their slots. */
static void
write_slots_in_place(const struct change *change, struct change_item *item)
{
	struct state_vip *vip = item->new;

	for (uint32_t i = 0; i < vip->backend_count; i++) {
		struct state_backend *backend = &vip->backends[i];
		struct state_backend *before = state_find_backend(item->old, &backend->address);

		if (before == NULL) {
			write_slot(change, item, backend);
			continue;
		}
		backend->user.slot = vip->slot_base + backend->slot_index;
		nexthop_replace(&before->user, &backend->user);
	}
}

static void
write_lengths(const struct change *change, const uint64_t lengths[2])
{
	struct fl_config *config = change->state->tables->config;

	for (uint32_t family = 0; family < 2; family++)
		if (config->lengths[family] != lengths[family])
			__atomic_store_n(&config->lengths[family], lengths[family],
					 __ATOMIC_RELEASE);
}

static void
write_unseen(struct change *change)
{
	const struct plane_tables *tables = change->state->tables;

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (item->new == NULL)
			continue;
		if (item->old == NULL || item->old->record != item->new->record)
			start_vip_counter(change, item);
		if (item->in_place)
			write_slots_in_place(change, item);
		else
			write_incarnation(change, item);
	}
	for (uint32_t i = 0; i < change->put_count; i++)
		tables->vips[change->put_records[i]] = change->puts[i];
	write_lengths(change, change->lengths);
}

/* --- visible --- */

static void
write_rows(const struct change *change, const struct change_item *item)
{
	const struct plane_tables *tables = change->state->tables;
	const struct state_vip *vip = item->new;

	for (uint32_t row = 0; row < vip->row_count; row++)
		if (fl_row_cur(tables->rows[vip->row_base + row].word) != item->owners[row])
			plane_row_store(tables, vip->row_base + row,
					fl_row_stable(item->owners[row]));
}

/** While packets do not come to the rows, and before they do. */
static void
write_rows_of_hosts(const struct change *change)
{
	const struct plane_tables *tables = change->state->tables;

	for (uint32_t i = 0; i < change->item_count; i++) {
		const struct change_item *item = &change->items[i];

		if (item->new != NULL && item->in_place &&
		    (tables->vips[item->old->record].service.flags & FL_VIP_TO_HOST))
			write_rows(change, item);
	}
}

static void
write_in_place(const struct change *change, const struct change_item *item)
{
	const struct state_vip *vip = item->new;

	write_rows(change, item);
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		uint32_t slot = vip->slot_base + vip->backends[i].slot_index;
		struct fl_backend *record = &change->state->tables->backends[slot];

		if (record->vip != vip->record)
			__atomic_store_n(&record->vip, vip->record, __ATOMIC_RELEASE);
		if (record->weight != vip->backends[i].weight)
			__atomic_store_n(&record->weight, vip->backends[i].weight,
					 __ATOMIC_RELAXED);
	}
}

/* --- after every packet core has passed --- */

static void
clear_slot(const struct change *change, const struct state_vip *vip, struct state_backend *backend)
{
	uint32_t slot = vip->slot_base + backend->slot_index;

	nexthop_detach(&backend->user);
	__atomic_store_n(&change->state->tables->backends[slot].link, 0, __ATOMIC_RELAXED);
}

/** Clear the slots of the old set that the new one does not have. */
static void
clear_dead(const struct change *change, const struct change_item *item)
{
	struct state_vip *old = item->old;

	for (uint32_t i = 0; i < old->backend_count; i++)
		if (!item->in_place ||
		    state_find_backend(item->new, &old->backends[i].address) == NULL)
			clear_slot(change, old, &old->backends[i]);
}

static void
retire(struct change *change)
{
	const struct plane_engine *engine = engine_of(change);

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (item->old == NULL || item->kind == CHANGE_SAME)
			continue;
		if (item->new != NULL)
			carry_counters(change, item);
		clear_dead(change, item);
	}
	write_lengths(change, change->next.lengths);
	if (change->removed_count > 0)
		engine->vips_remove(engine->user, change->removed, change->removed_count,
				    change->next.lengths);
}

/** Give back what the old set had and the new one has not. */
static void
release_old(struct change *change)
{
	struct state *state = change->state;

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (item->kind != CHANGE_CHANGED && item->kind != CHANGE_REMOVED)
			continue;
		if (!item->in_place) {
			ranges_give(state->rows, item->old->row_base, item->old->row_count);
			ranges_give(state->slots, item->old->slot_base, item->old->slot_count);
		}
		state_vip_destroy(state, item->old);
	}
	for (uint32_t i = 0; i < change->drop_count; i++)
		state_record_give(state, change->drops[i].record);
	free(state->set.vips);
	free(state->set.addresses);
}

/** The next set is the served one; the change owns nothing of it any more. */
static void
hand_over(struct change *change)
{
	change->state->set = change->next;
	change->next = (struct state_set){ 0 };
	for (uint32_t i = 0; i < change->item_count; i++) {
		free(change->items[i].owners);
		change->items[i] = (struct change_item){ 0 };
	}
	change->item_count = 0;
	change->put_count = 0;
	change->drop_count = 0;
	change->built = false;
}

int
change_commit(struct change *change)
{
	const struct plane_engine *engine = engine_of(change);
	int r = 0;

	assert(change->built);
	if (change->put_count > 0)
		r = engine->vips_add(engine->user, change->puts, change->put_count,
				     change->lengths);
	if (r < 0)
		return r;
	write_unseen(change);
	write_rows_of_hosts(change);
	vips_apply(change->state->vips, engine->synchronize, engine->user);
	for (uint32_t i = 0; i < change->item_count; i++)
		if (change->items[i].new != NULL && change->items[i].in_place)
			write_in_place(change, &change->items[i]);
	synchronize(change);
	retire(change);
	synchronize(change);
	release_old(change);
	hand_over(change);
	__atomic_store_n(change->state->tables->generation, change->state->set.generation,
			 __ATOMIC_RELEASE);
	return 0;
}
