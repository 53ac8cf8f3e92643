/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adoption of rows and flows. Packet cores may go on meanwhile (the kernel's do), so rows are
 * swapped, and entries outlive the slots that they name.
 *
 * A row whose owner is dead is changed here, as a commit does it (T1, T6 to T8), with the table of
 * the backends that are left. A commit that gives a VIP other slots leaves, until the entries have
 * followed, an unpublished record of the same rows with live slots: those entries follow here; and
 * where the window is another, rows that are not stable begin again, for that may not have been
 * done.
 */
#include <assert.h>
#include <string.h>

#include "../core/window.h"
#include "state_adopt.h"

/* --- rows --- */

/** A VIP's rows on their way. */
struct row_repair {
	const struct adoption *adoption;
	const struct state_vip *vip;
	struct fl_window window;
	uint64_t tick;
	bool has_owners; /**< state->owners is the table of the backends */
};

static int
refuse_restless(const struct adoption *adoption, uint32_t row)
{
	return adoption_refuse(adoption, "row %u does not stay as it is", row);
}

static bool
names_backend(const struct row_repair *repair, uint32_t index)
{
	return index < repair->vip->slot_count &&
	       repair->adoption->slot_is_used[repair->vip->slot_base + index];
}

static bool
row_is_good(const struct state_vip *vip, uint64_t row)
{
	uint32_t cur = fl_row_cur(row), prev = fl_row_prev(row);
	enum fl_row_state state = fl_row_state(row);

	if (cur >= vip->slot_count && cur != FL_ROW_NONE)
		return false;
	if (state == FL_ROW_STABLE)
		return row == fl_row_stable(cur);
	if (state == FL_ROW_MOVING ? prev >= vip->slot_count
				   : state != FL_ROW_SETTLING || prev != FL_ROW_NONE)
		return false;
	return row == fl_row_word(state, cur, prev, row >> 32);
}

/** Who is to have the rows of backends that are gone: the table of those that are left. */
static void
build_owners(struct row_repair *repair)
{
	const struct state *state = repair->adoption->state;
	const struct state_vip *vip = repair->vip;

	/* old and new backends together may be too many for the table */
	if (state_build_owners(state, vip, state->owners) < 0)
		memset(state->owners, 0xff, vip->row_count * sizeof state->owners[0]);
	repair->has_owners = true;
}

/** The row as it must be. */
static uint64_t
repaired_row(struct row_repair *repair, uint32_t i, uint64_t row)
{
	uint32_t owner = fl_row_cur(row);
	struct fl_row_now now = { .window = &repair->window,
				  .tick = repair->tick,
				  .cur_is_live = names_backend(repair, owner),
				  .prev_is_live = names_backend(repair, fl_row_prev(row)) };
	int32_t ticks = (int32_t)repair->window.row_ticks, left;

	if (owner != FL_ROW_NONE && !now.cur_is_live) {
		if (!repair->has_owners)
			build_owners(repair);
		owner = repair->adoption->state->owners[i];
	}
	if (fl_row_state(row) != FL_ROW_STABLE || owner != fl_row_cur(row))
		row = fl_row_change(row, owner, &now);
	if (fl_row_state(row) == FL_ROW_STABLE)
		return row;
	left = fl_row_left(row, repair->tick);
	/* longer than packet cores make it: the window was another, or it never would end */
	if (left > ticks + (1 << repair->window.unit_shift))
		row = fl_row_until(row, repair->tick + (uint64_t)ticks);
	return row;
}

/** @return 0; -EBADMSG. */
static int
repair_row(struct row_repair *repair, uint32_t i)
{
	const struct plane_tables *tables = repair->adoption->tables;
	uint32_t at = repair->vip->row_base + i;
	uint64_t row = 0, good;

	for (uint32_t n = 0; n < ROWS_SWAPS_MAX; n++) {
		row = FL_READ_ONCE(tables->rows[at].word);
		if (!row_is_good(repair->vip, row))
			return adoption_refuse(repair->adoption,
					       "row %u is %#llx, which names no slot of its VIP",
					       at, (unsigned long long)row);
		good = repaired_row(repair, i, row);
		if (good == row || FL_SWAP(tables->rows[at].word, row, good)) {
			/* whoever wrote the row may have come to the first of two stores */
			plane_owner_store(tables, at, good);
			return 0;
		}
	}
	return refuse_restless(repair->adoption, at);
}

/** Are mode, header and what goes with it those of the options? */
static bool
template_is_present(const struct state *state, const struct state_vip *vip,
		    const struct state_backend *backend)
{
	const struct fl_backend *slot =
		&state->tables->backends[vip->slot_base + backend->slot_index];
	struct fl_backend present = state_slot(state, vip, backend);

	return memcmp(slot->header, present.header, sizeof slot->header) == 0 &&
	       slot->header_sum == present.header_sum &&
	       slot->header_bytes == present.header_bytes &&
	       slot->entropy_bits == present.entropy_bits;
}

/** How many rows each backend owns, and the digest. */
static void
count_rows(const struct adoption *adoption, struct state_vip *vip)
{
	struct state *state = adoption->state;
	struct state_scratch *scratch = state->scratch;
	const struct digest_table table = state_digest_table(state, vip, state->owners);

	memset(scratch->counts, 0, sizeof scratch->counts);
	for (uint32_t i = 0; i < vip->row_count; i++) {
		uint64_t row = FL_READ_ONCE(adoption->tables->rows[vip->row_base + i].word);

		state->owners[i] = (uint16_t)fl_row_cur(row);
		scratch->counts[fl_row_cur(row)]++;
	}
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		struct state_backend *backend = &vip->backends[i];

		backend->rows = scratch->counts[backend->slot_index];
		vip->is_outdated = vip->is_outdated || !template_is_present(state, vip, backend);
	}
	vip->digest = vip->is_outdated ? ~digest_vip(&table) : digest_vip(&table);
}

int
adopt_rows(const struct adoption *adoption, struct state_vip *vip)
{
	struct row_repair repair = { .adoption = adoption,
				     .vip = vip,
				     .window = state_window(&vip->policy),
				     .tick = adoption->tables->clock->tick };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < vip->row_count; i++)
		r = repair_row(&repair, i);
	if (r == 0)
		count_rows(adoption, vip);
	return r;
}

/* --- slots that a commit was leaving --- */

static bool
is_same_service(const struct fl_vip_service *from, const struct state_vip *vip)
{
	return from->row_base == vip->row_base && from->row_count == vip->row_count &&
	       from->slot_count <= STATE_VIP_SLOTS_MAX;
}

/** The record of a live slot that no VIP has: is it one of a VIP that has other slots now? */
static void
find_move(struct adoption *adoption, uint32_t slot)
{
	struct state *state = adoption->state;
	uint32_t record = adoption->tables->backends[slot].vip;
	const struct fl_vip *from = &adoption->tables->vips[record];
	struct adoption_move *move = &adoption->moves[adoption->move_count];
	struct addr_endpoint endpoint;
	struct vip_policy policy;
	struct state_vip *vip;

	if (record >= adoption->size.vip_count || adoption->roles[record] != ROLE_NONE ||
	    adoption->move_count == state->options->limits.vips ||
	    adoption_role_of(from) != ROLE_VIP || !adoption_policy_from(&from->service, &policy))
		return;
	endpoint = adoption_endpoint_of(from);
	vip = state_find(state, &endpoint);
	if (vip == NULL || !is_same_service(&from->service, vip) ||
	    slot - from->service.slot_base >= from->service.slot_count ||
	    ranges_take_at(state->slot_ranges, from->service.slot_base, from->service.slot_count) <
		    0)
		return;
	adoption->roles[record] = ROLE_MOVED;
	adoption->move_count++;
	*move = (struct adoption_move){ .record = record, .slot_count = from->service.slot_count };
	move->move = (struct rows_move){ .from_base = from->service.slot_base,
					 .from_count = from->service.slot_count < vip->slot_count
							       ? from->service.slot_count
							       : vip->slot_count,
					 .to_base = vip->slot_base,
					 .from = from->service.window,
					 .to = state_window(&vip->policy) };
}

/** @return has the row its window again? */
static bool
row_begin_again(const struct adoption *adoption, const struct fl_window *window, uint32_t at)
{
	for (uint32_t n = 0; n < ROWS_SWAPS_MAX; n++) {
		uint64_t row = FL_READ_ONCE(adoption->tables->rows[at].word);
		uint64_t again = fl_row_again(row, window, adoption->tables->clock->tick);

		if (again == row || FL_SWAP(adoption->tables->rows[at].word, row, again))
			return true;
	}
	return false;
}

static int
begin_again(const struct adoption *adoption, const struct state_vip *vip)
{
	const struct fl_window window = state_window(&vip->policy);

	for (uint32_t i = vip->row_base; i < vip->row_base + vip->row_count; i++)
		if (!row_begin_again(adoption, &window, i))
			return refuse_restless(adoption, i);
	return 0;
}

int
adopt_moves(struct adoption *adoption)
{
	const struct state_set *set = &adoption->state->set;
	int r = 0;

	for (uint32_t i = 0; i < adoption->size.backend_count; i++)
		if (!adoption->slot_is_used[i] &&
		    fl_backend_is_live(&adoption->tables->backends[i]))
			find_move(adoption, i);
	for (uint32_t i = 0; i < adoption->move_count; i++)
		for (uint32_t j = 0; j < set->vip_count && r == 0; j++)
			if (set->vips[j]->slot_base == adoption->moves[i].move.to_base &&
			    adoption->moves[i].move.from.row_ticks !=
				    adoption->moves[i].move.to.row_ticks)
				r = begin_again(adoption, set->vips[j]);
	return r;
}

void
adopt_moved_flows(const struct adoption *adoption)
{
	struct state *state = adoption->state;

	if (adoption->move_count == 0)
		return;
	rows_wake(state->rows);
	for (uint32_t i = 0; i < adoption->move_count; i++)
		rows_move(state->rows, &adoption->moves[i].move);
	rows_purge(state->rows);
	for (uint32_t i = 0; i < adoption->move_count; i++) {
		const struct adoption_move *move = &adoption->moves[i];

		ranges_give(state->slot_ranges, move->move.from_base, move->slot_count);
		state_record_give(state, move->record);
	}
}
