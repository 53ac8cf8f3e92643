/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that a commit could run out of is taken here: rows, slots, records, places in the VIP
 * buckets.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "change.h"

/** What all new incarnations together take. */
struct need {
	uint64_t rows;
	uint64_t slots; /* at the least */
};

uint32_t
change_slots_roomy(const struct change_item *item)
{
	uint32_t slots = (2 * item->new->backend_count + STATE_SPARE_SLOTS + 7) / 8 * 8;
	uint32_t least = change_slots_least(item);

	if (slots < least)
		slots = least;
	return slots < STATE_VIP_SLOTS_MAX ? slots : STATE_VIP_SLOTS_MAX;
}

static void
add_limit_error(const char *limit, uint64_t needed, uint64_t have, struct json_errors *errors)
{
	struct json_path path = { .name = "vips" };
	char hint[JSON_MESSAGE_BYTES_MAX];

	snprintf(hint, sizeof hint, "set limits.%s in the plane's configuration to %llu or more",
		 limit, (unsigned long long)needed);
	json_error_add(errors, &path, "limit_exceeded", hint,
		       "this change needs %llu %s with those that serve until it is through, "
		       "limits.%s is %llu",
		       (unsigned long long)needed, limit, limit, (unsigned long long)have);
}

/** A number that would do where the free ones are enough, but not in one piece. */
static void
add_pieces_error(const char *limit, uint64_t have, uint32_t piece, struct json_errors *errors)
{
	struct json_path path = { .name = "vips" };
	char hint[JSON_MESSAGE_BYTES_MAX];

	snprintf(hint, sizeof hint, "set limits.%s in the plane's configuration to %llu or more",
		 limit, (unsigned long long)have + piece);
	json_error_add(errors, &path, "limit_exceeded", hint,
		       "this change needs %u %s in one piece, and those that are free of "
		       "limits.%s (%llu) are scattered",
		       piece, limit, limit, (unsigned long long)have);
}

static int
check_limits(const struct change *change, const struct need *need, struct json_errors *errors)
{
	const struct state *state = change->state;
	const struct plane_limits *limits = &state->options->limits;
	uint64_t rows = limits->rows - ranges_free(state->row_ranges) + need->rows;
	uint64_t slots = limits->backends - ranges_free(state->slot_ranges) + need->slots;

	if (rows > limits->rows)
		add_limit_error("rows", rows, limits->rows, errors);
	if (slots > limits->backends)
		add_limit_error("backends", slots, limits->backends, errors);
	return errors->count > 0 ? -EINVAL : 0;
}

/** @param least_after slots that the items behind this one need at the least. */
static int
take_slots(struct state *state, struct change_item *item, uint64_t least_after)
{
	struct state_vip *vip = item->new;
	uint32_t roomy = change_slots_roomy(item);
	int r = -ENOSPC;

	vip->slot_count = roomy;
	if (ranges_free(state->slot_ranges) >= roomy + least_after)
		r = ranges_take(state->slot_ranges, roomy, &vip->slot_base);
	if (r < 0) {
		vip->slot_count = change_slots_least(item);
		r = ranges_take(state->slot_ranges, vip->slot_count, &vip->slot_base);
	}
	item->has_slots = r == 0;
	item->is_tight = vip->slot_count < roomy;
	return r;
}

static int
take_ranges(struct change *change, const struct need *need, struct json_errors *errors)
{
	struct state *state = change->state;
	const struct plane_limits *limits = &state->options->limits;
	uint64_t least_after = need->slots;

	for (uint32_t i = 0; i < change->item_count; i++) {
		struct change_item *item = &change->items[i];
		struct state_vip *vip = item->new;

		if (vip == NULL || item->place == CHANGE_IN_PLACE)
			continue;
		if (item->place == CHANGE_ANEW &&
		    ranges_take(state->row_ranges, vip->row_count, &vip->row_base) < 0) {
			add_pieces_error("rows", limits->rows, vip->row_count, errors);
			return -EINVAL;
		}
		item->has_rows = item->place == CHANGE_ANEW;
		least_after -= change_slots_least(item);
		if (take_slots(state, item, least_after) < 0) {
			add_pieces_error("backends", limits->backends, change_slots_least(item),
					 errors);
			return -EINVAL;
		}
	}
	return 0;
}

/* --- the VIP buckets --- */

static int
publish(struct change *change, const struct fl_vip_key *key, uint32_t record,
	struct json_errors *errors)
{
	struct json_path path = { .name = "vips" };
	int r = vips_publish(change->state->vips, key, record);

	if (r != -ENOSPC)
		return r;
	json_error_add(
		errors, &path, "limit_exceeded",
		"raise limits.vips in the plane's configuration, the look-up table grows with it",
		"the %u buckets of the VIP look-up table where a VIP of this change may lie are "
		"full",
		FL_VIP_PROBE_MAX);
	return -EINVAL;
}

static int
publish_all(struct change *change, struct json_errors *errors)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < change->put_count; i++)
		r = publish(change, &change->puts[i].key, change->put_records[i], errors);
	return r;
}

static int
retire_all(struct change *change)
{
	struct vips *vips = change->state->vips;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < change->drop_count; i++) {
		const struct change_drop *drop = &change->drops[i];

		if (vips_find(vips, &drop->key) != drop->record)
			continue; /* replaced */
		r = vips_retire(vips, &drop->key);
		change->removed[change->removed_count++] = drop->key;
	}
	return r;
}

int
change_reserve(struct change *change, struct json_errors *errors)
{
	struct need need = { 0 };
	int r;

	for (uint32_t i = 0; i < change->item_count; i++) {
		const struct change_item *item = &change->items[i];

		if (item->new == NULL || item->place == CHANGE_IN_PLACE)
			continue;
		need.rows += item->place == CHANGE_ANEW ? item->new->row_count : 0;
		need.slots += change_slots_least(item);
	}
	r = check_limits(change, &need, errors);
	if (r == 0)
		r = take_ranges(change, &need, errors);
	if (r == 0)
		r = change_plan_records(change, errors);
	if (r < 0)
		return r;
	vips_begin(change->state->vips);
	/*
	 * First the new ones, and every packet core has passed before the others go: a packet looks
	 * for longer prefixes before shorter ones, for ports before ranges, from page to page, and
	 * must find either what was there before or what took its place.
	 */
	r = publish_all(change, errors);
	if (change->put_count > 0)
		vips_barrier(change->state->vips);
	if (r == 0)
		r = retire_all(change);
	return r;
}
