/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applying a change, so that no packet sees a row that names a slot which is not set, nor half a
 * record:
 *
 *  1. the engine steers the new VIPs' packets here (the only step that can fail, and the first);
 *  2. new slots, rows and records are written where no packet looks yet;
 *  3. the VIP buckets publish and retire records, one word each;
 *  4. the changed rows of VIPs that stay where they are, one word each;
 *  5. every packet core passes: nobody looks at what was retired;
 *  6. dead slots are cleared, the engine forgets the removed VIPs;
 *  7. every packet core passes again, and what was retired may be used again.
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

/** What is counted from now on is the new owner's. */
static void
start_counters(const struct change *change, struct state_vip *vip)
{
	const struct plane_engine *engine = engine_of(change);

	vip->counter.base = engine->vip_counter(engine->user, vip->record);
	for (uint32_t i = 0; i < vip->backend_count; i++)
		vip->backends[i].counter.base = engine->backend_counter(
			engine->user, vip->slot_base + vip->backends[i].slot_index);
}

/** In place: who stays goes on counting where he is; a new one starts. */
static void
keep_counters(const struct change *change, const struct state_vip *old, struct state_vip *new)
{
	start_counters(change, new);
	new->counter = old->counter;
	for (uint32_t i = 0; i < new->backend_count; i++) {
		const struct state_backend *before =
			state_find_backend(old, &new->backends[i].address);

		if (before != NULL)
			new->backends[i].counter = before->counter;
	}
}

/** A new incarnation takes over what the old one counted, once no packet core counts for that any
 * more. */
static void
carry_counters(const struct change *change, const struct state_vip *old, struct state_vip *new)
{
	new->counter.carry = state_vip_count(change->state, old);
	for (uint32_t i = 0; i < new->backend_count; i++) {
		const struct state_backend *before =
			state_find_backend(old, &new->backends[i].address);

		if (before != NULL)
			new->backends[i].counter.carry =
				state_backend_count(change->state, old, before);
	}
}

/* --- before the change is visible --- */

static struct fl_addr
to_fl_addr(const struct addr *address)
{
	struct fl_addr words;

	memcpy(&words, address->bytes, sizeof words);
	return words;
}

/** Set a slot that no row names yet. The next hop writes its link word. */
static void
write_slot(const struct change *change, const struct state_vip *vip, struct state_backend *backend)
{
	const struct plane_options *options = change->state->options;
	uint32_t slot = vip->slot_base + backend->slot_index;
	struct fl_backend *record = &change->state->tables->backends[slot];
	struct fl_addr target = to_fl_addr(&backend->address);
	struct fl_addr source = to_fl_addr(addr_is_ipv4(&backend->address) ? &options->source_ipv4
									   : &options->source_ipv6);

	record->vip = vip->record;
	fl_encap_template(record, &source, &target, !addr_is_ipv4(&vip->endpoint.address));
	backend->user.slot = slot;
	nexthop_attach(change->state->nexthops, backend->hop, &backend->user);
}

static void
write_incarnation(const struct change *change, struct change_item *item)
{
	const struct plane_tables *tables = change->state->tables;
	struct state_vip *vip = item->new;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		write_slot(change, vip, &vip->backends[i]);
	for (uint32_t row = 0; row < vip->row_count; row++)
		__atomic_store_n(&tables->rows[vip->row_base + row].word,
				 fl_row_stable(item->owners[row]), __ATOMIC_RELAXED);
	tables->vips[vip->record] = (struct fl_vip){
		.key = vip->key,
		.row_base = vip->row_base,
		.row_count = vip->row_count,
		.slot_base = vip->slot_base,
		.slot_count = vip->slot_count,
	};
	start_counters(change, vip);
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
			write_slot(change, vip, backend);
			continue;
		}
		nexthop_detach(&before->user);
		backend->user.slot = vip->slot_base + backend->slot_index;
		nexthop_attach(change->state->nexthops, backend->hop, &backend->user);
	}
	keep_counters(change, item->old, vip);
}

static void
write_unseen(struct change *change)
{
	const struct plane_tables *tables = change->state->tables;

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (item->new != NULL && item->in_place)
			write_slots_in_place(change, item);
		else if (item->new != NULL)
			write_incarnation(change, item);
	}
	for (uint32_t i = 0; i < change->next.address_count; i++) {
		const struct state_address *address = &change->next.addresses[i];

		if (change->fresh[i])
			tables->vips[address->record] = (struct fl_vip){
				.key = { .address = to_fl_addr(&address->address) },
			};
	}
}

/* --- visible --- */

static void
write_rows(const struct change *change, const struct change_item *item)
{
	const struct state_vip *vip = item->new;
	struct fl_row *rows = &change->state->tables->rows[vip->row_base];

	for (uint32_t row = 0; row < vip->row_count; row++)
		if (fl_row_cur(rows[row].word) != item->owners[row])
			/* release: who reads the row finds the slot it names written */
			__atomic_store_n(&rows[row].word, fl_row_stable(item->owners[row]),
					 __ATOMIC_RELEASE);
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
		const struct change_item *item = &change->items[i];

		if (item->kind == CHANGE_CHANGED && !item->in_place)
			carry_counters(change, item->old, item->new);
		if (item->kind == CHANGE_CHANGED || item->kind == CHANGE_REMOVED)
			clear_dead(change, item);
	}
	if (change->removed_count > 0)
		engine->vips_remove(engine->user, change->removed, change->removed_count);
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
			state_record_give(state, item->old->record);
		}
		state_vip_destroy(state, item->old);
	}
	for (uint32_t i = 0; i < state->set.address_count; i++)
		if (!state_has_address(&change->next, &state->set.addresses[i].address))
			state_record_give(state, state->set.addresses[i].record);
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
	change->built = false;
}

int
change_commit(struct change *change)
{
	const struct plane_engine *engine = engine_of(change);
	int r = 0;

	assert(change->built);
	if (change->added_count > 0)
		r = engine->vips_add(engine->user, change->added, change->added_count);
	if (r < 0)
		return r;
	write_unseen(change);
	vips_apply(change->state->vips, engine->synchronize, engine->user);
	for (uint32_t i = 0; i < change->item_count; i++)
		if (change->items[i].new != NULL && change->items[i].in_place)
			write_rows(change, &change->items[i]);
	synchronize(change);
	retire(change);
	synchronize(change);
	release_old(change);
	hand_over(change);
	return 0;
}
