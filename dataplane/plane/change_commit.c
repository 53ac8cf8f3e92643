/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applying a change, so that no packet sees a row that names a slot which is not set, nor half a
 * record:
 *
 *  1. the engine steers the new records' packets here (the only step that can fail, and the first);
 *  2. new slots, rows and records are written where no packet looks yet; new prefix lengths. A VIP
 *     that keeps its rows but not its slots has in the new ones, meanwhile, the backends that leave
 *     too;
 *  3. the VIP buckets publish VIPs, pages, addresses; every packet core passes; they retire pages,
 *     addresses, VIPs, one word each; where anything was published every packet core passes again:
 *     none has the record in hand that another one replaced;
 *  4. VIPs whose rows stay where they are: slots name their VIP's present record; the changed rows,
 *     one word each, by the rules for owners that are dead where a backend leaves (rows.h);
 *  5. every packet core passes: nobody looks at what was retired, and no stable row leads to a
 *     backend that leaves;
 *  6. what leaves is dead: LIVE goes from its link words. That flows found it until now cuts none
 *     that would not be cut. The engine forgets the removed records, prefix lengths go;
 *  7. every packet core passes again: nobody writes an entry any more that names a dead slot, or
 *     one of a range that its VIP has left;
 *  8. where there may be such entries, the flow table is gone through: those that name dead slots
 *     are cleared, those of a range that was left name the new one; and every packet core passes
 *     once more, with none of them in hand;
 *  9. ranges that were left are cleared; what was retired may be used again;
 * 10. the generation.
 *
 * The process may end between any two stores: state_adopt.c reads what that leaves. In the flow
 * table there may then be, from 6 on, entries of slots that are dead; and from 3 on, of slots that
 * are live, but of no published VIP: the record that such a slot names is still whole, and has the
 * rows of a VIP whose slots have the same indexes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "rows.h"

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

/** A new record takes over what the old one counted, once no packet core counts for that any more.
 */
static void
carry_vip_counters(const struct change *change, const struct change_item *item)
{
	const struct state_vip *old = item->old;
	struct state_vip *new = item->new;
	struct fl_flow_counter flows;

	if (old->record == new->record) {
		new->flow_carry = old->flow_carry;
		return;
	}
	change->state->tables->vip_ledger[new->record].carry = state_vip_count(change->state, old);
	flows = state_flow_count(change->state, old);
	fl_flow_add(&new->flow_carry, &flows);
}

/** A new slot likewise. */
static void
carry_slot_counters(const struct change *change, const struct change_item *item)
{
	const struct state_vip *old = item->old, *new = item->new;
	struct plane_tables *tables = change->state->tables;

	for (uint32_t i = 0; item->place != CHANGE_IN_PLACE && i < new->backend_count; i++) {
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
write_new_slots(const struct change *change, struct change_item *item)
{
	for (uint32_t i = 0; i < item->new->backend_count; i++)
		write_slot(change, item, &item->new->backends[i]);
}

/** Does the backend of the old set go? */
static bool
leaves(const struct change_item *item, const struct state_backend *backend)
{
	return item->new == NULL || state_find_backend(item->new, &backend->address) == NULL;
}

/** The backends that leave get a slot in the new range too, until no row names them. */
static void
write_leaving_slots(const struct change *change, const struct change_item *item)
{
	struct fl_backend *slots = change->state->tables->backends;
	const struct state_vip *old = item->old, *new = item->new;

	for (uint32_t i = 0; i < old->backend_count; i++) {
		const struct state_backend *backend = &old->backends[i];
		struct fl_backend *slot = &slots[new->slot_base + backend->slot_index];

		if (!leaves(item, backend))
			continue;
		*slot = state_slot(change->state, new, backend);
		__atomic_store_n(&slot->link, slots[old->slot_base + backend->slot_index].link,
				 __ATOMIC_RELEASE);
	}
}

static void
write_incarnation(const struct change *change, struct change_item *item)
{
	const struct plane_tables *tables = change->state->tables;
	struct state_vip *vip = item->new;

	write_new_slots(change, item);
	for (uint32_t row = 0; row < vip->row_count; row++)
		plane_row_store(tables, vip->row_base + row,
				item->words != NULL ? item->words[row]
						    : fl_row_stable(item->owners[row]));
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
		if (item->old == NULL || item->old->record != item->new->record) {
			start_vip_counter(change, item);
			state_flow_begin(change->state, item->new);
		}
		if (item->place == CHANGE_ANEW) {
			write_incarnation(change, item);
		} else if (item->place == CHANGE_MOVES_SLOTS) {
			write_new_slots(change, item);
			write_leaving_slots(change, item);
		} else {
			write_slots_in_place(change, item);
		}
	}
	for (uint32_t i = 0; i < change->put_count; i++)
		tables->vips[change->put_records[i]] = change->puts[i];
	write_lengths(change, change->lengths);
}

/* --- visible --- */

static void
write_rows(const struct change *change, const struct change_item *item)
{
	const struct rows_order order = { item->old, item->new, item->owners };

	rows_apply(change->state->rows, &order);
}

static void
write_in_place(const struct change *change, const struct change_item *item)
{
	const struct state_vip *vip = item->new;

	for (uint32_t i = 0; i < vip->backend_count; i++) {
		uint32_t slot = vip->slot_base + vip->backends[i].slot_index;
		struct fl_backend *record = &change->state->tables->backends[slot];

		if (record->vip != vip->record)
			__atomic_store_n(&record->vip, vip->record, __ATOMIC_RELEASE);
		if (record->weight != vip->backends[i].weight)
			__atomic_store_n(&record->weight, vip->backends[i].weight,
					 __ATOMIC_RELAXED);
	}
	write_rows(change, item);
}

/* --- after every packet core has passed --- */

static void
set_dead(const struct change *change, uint32_t slot)
{
	__atomic_store_n(&change->state->tables->backends[slot].link, 0, __ATOMIC_RELAXED);
}

static void
clear_slot(const struct change *change, const struct state_vip *vip, struct state_backend *backend)
{
	nexthop_detach(&backend->user); /* or it would write the link again */
	set_dead(change, vip->slot_base + backend->slot_index);
}

/** What leaves is dead. Of a VIP that left its slots only what is in the new ones: flows may still
 * be found in the others. */
static void
clear_dead(const struct change *change, const struct change_item *item)
{
	struct state_vip *old = item->old;

	for (uint32_t i = 0; i < old->backend_count; i++) {
		struct state_backend *backend = &old->backends[i];

		if (item->place != CHANGE_ANEW && !leaves(item, backend))
			continue;
		if (item->place == CHANGE_MOVES_SLOTS)
			set_dead(change, item->new->slot_base + backend->slot_index);
		else
			clear_slot(change, old, backend);
	}
}

static bool
is_retired(const struct change_item *item)
{
	return item->old != NULL && item->kind != CHANGE_SAME;
}

static void
retire(struct change *change)
{
	const struct plane_engine *engine = engine_of(change);

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (!is_retired(item))
			continue;
		if (item->new != NULL) {
			carry_vip_counters(change, item);
			carry_slot_counters(change, item);
		}
		clear_dead(change, item);
	}
	write_lengths(change, change->next.lengths);
	if (change->removed_count > 0)
		engine->vips_remove(engine->user, change->removed, change->removed_count,
				    change->next.lengths);
}

/** @return may entries name slots that the change makes dead, or leaves? Those are noted. */
static bool
plan_purge(const struct change *change, const struct change_item *item)
{
	const struct state_vip *old = item->old, *new = item->new;
	bool has_left = false;

	if (old->policy.window_s == 0)
		return false;
	if (item->place == CHANGE_MOVES_SLOTS)
		rows_move(change->state->rows,
			  &(struct rows_move){ .from_base = old->slot_base,
					       .from_count = old->slot_count,
					       .to_base = new->slot_base,
					       .from = state_window(&old->policy),
					       .to = state_window(&new->policy) });
	else if (item->place == CHANGE_ANEW)
		rows_leave(change->state->rows, old->slot_base, old->slot_count);
	for (uint32_t i = 0; item->place == CHANGE_IN_PLACE && i < old->backend_count; i++) {
		if (!leaves(item, &old->backends[i]))
			continue;
		rows_leave(change->state->rows, old->slot_base + old->backends[i].slot_index, 1);
		has_left = true;
	}
	return has_left || item->place != CHANGE_IN_PLACE;
}

static void
purge_flows(const struct change *change)
{
	bool has_flows = false;

	for (uint32_t i = 0; i < change->item_count; i++)
		if (is_retired(&change->items[i]))
			has_flows = plan_purge(change, &change->items[i]) || has_flows;
	if (!has_flows)
		return;
	rows_purge(change->state->rows);
	synchronize(change);
}

/** Slots of the old set that nobody has any more. */
static void
release_slots(const struct change *change, const struct change_item *item)
{
	struct state *state = change->state;
	struct state_vip *old = item->old;

	if (item->place == CHANGE_MOVES_SLOTS) { /* entries named them until a moment ago */
		carry_slot_counters(change, item);
		for (uint32_t i = 0; i < old->backend_count; i++)
			clear_slot(change, old, &old->backends[i]);
	}
	if (item->place != CHANGE_IN_PLACE) {
		rows_forget(state->rows, old->slot_base, old->slot_count);
		ranges_give(state->slot_ranges, old->slot_base, old->slot_count);
		return;
	}
	for (uint32_t i = 0; i < old->backend_count; i++)
		if (leaves(item, &old->backends[i]))
			rows_forget(state->rows, old->slot_base + old->backends[i].slot_index, 1);
}

/** Give back what the old set had and the new one has not. */
static void
release_old(struct change *change)
{
	struct state *state = change->state;

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (!is_retired(item))
			continue;
		release_slots(change, item);
		if (item->place == CHANGE_ANEW)
			ranges_give(state->row_ranges, item->old->row_base, item->old->row_count);
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
	struct state *state = change->state;

	state->set = change->next;
	change->next = (struct state_set){ 0 };
	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (item->new != NULL)
			rows_served(state->rows, item->new,
				    item->place != CHANGE_ANEW ? item->old : NULL);
		if (is_retired(item))
			state_vip_destroy(state, item->old);
		free(item->owners);
		free(item->words);
		*item = (struct change_item){ 0 };
	}
	change->item_count = 0;
	change->put_count = 0;
	change->drop_count = 0;
	change->built = false;
}

/** Before the first row begins to move. */
static void
wake_rows(const struct change *change)
{
	for (uint32_t i = 0; i < change->item_count; i++) {
		const struct change_item *item = &change->items[i];

		if (item->new != NULL && (item->place != CHANGE_ANEW || item->words != NULL) &&
		    item->new->policy.window_s > 0)
			rows_wake(change->state->rows);
	}
}

int
change_commit(struct change *change)
{
	const struct plane_engine *engine = engine_of(change);
	/* rows that this change makes move have entries of present slots only */
	bool has_flows = !rows_has_no_flows(change->state->rows);
	int r = 0;

	assert(change->built);
	if (change->put_count > 0)
		r = engine->vips_add(engine->user, change->puts, change->put_count,
				     change->lengths);
	if (r < 0)
		return r;
	write_unseen(change);
	wake_rows(change);
	vips_apply(change->state->vips, engine->synchronize, engine->user);
	if (change->put_count > 0)
		synchronize(change);
	for (uint32_t i = 0; i < change->item_count; i++)
		if (change->items[i].new != NULL && change->items[i].place != CHANGE_ANEW)
			write_in_place(change, &change->items[i]);
	synchronize(change);
	retire(change);
	synchronize(change);
	if (has_flows)
		purge_flows(change);
	release_old(change);
	hand_over(change);
	__atomic_store_n(change->state->tables->generation, change->state->set.generation,
			 __ATOMIC_RELEASE);
	return 0;
}
