/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what is wanted to the next set: the wanted VIPs and the served ones, both ordered by
 * endpoint, are merged. What is checked of the result is in change_check.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "digest.h"

int
change_create(struct state *state, struct change **ret_change)
{
	struct change *change = calloc(1, sizeof *change);

	if (change == NULL)
		return -ENOMEM;
	change->state = state;
	*ret_change = change;
	return 0;
}

static void
drop_item(struct state *state, struct change_item *item)
{
	free(item->owners);
	free(item->words);
	if (item->new == NULL)
		return;
	if (item->has_rows)
		ranges_give(state->row_ranges, item->new->row_base, item->new->row_count);
	if (item->has_slots)
		ranges_give(state->slot_ranges, item->new->slot_base, item->new->slot_count);
	state_vip_destroy(state, item->new);
}

void
change_destroy(struct change *change)
{
	if (change == NULL)
		return;
	for (uint32_t i = 0; i < change->item_count; i++)
		drop_item(change->state, &change->items[i]);
	for (uint32_t i = 0; i < change->put_count; i++)
		state_record_give(change->state, change->put_records[i]);
	free(change->items);
	free(change->next.vips);
	free(change->next.addresses);
	free(change->puts);
	free(change->put_records);
	free(change->drops);
	free(change->removed);
	want_clear(&change->want);
	free(change);
}

const char *
change_name(const struct change_item *item)
{
	static const char *const names[] = {
		[CHANGE_ADDED] = "added",
		[CHANGE_CHANGED] = "changed",
		[CHANGE_REMOVED] = "removed",
		[CHANGE_SAME] = "same",
	};

	return names[item->is_repair && item->rows_moved == 0 ? CHANGE_SAME : item->kind];
}

int
change_add_part(struct change *change, const cJSON *params, struct json_errors *errors)
{
	uint64_t served = change->state->set.generation;
	struct json_path path = { .name = "generation" };
	int r = want_add_part(&change->want, change->state->options, params, errors);

	if (r == 0 && change->want.generation <= served) {
		json_error_add(errors, &path, "generation_out_of_order",
			       "take a generation that is greater than the served one",
			       "generation %llu is not after %llu, which is served",
			       (unsigned long long)change->want.generation,
			       (unsigned long long)served);
		return -EINVAL;
	}
	return r;
}

/* --- the next set --- */

static int
check_duplicates(const struct want *want, struct json_errors *errors)
{
	struct want_place place;
	char text[ADDR_ENDPOINT_TEXT_MAX];

	for (uint32_t i = 1; i < want->vip_count; i++) {
		const struct want_vip *vip = &want->vips[i];

		if (endpoint_compare(&vip->endpoint, &vip[-1].endpoint) != 0)
			continue;
		json_error_add(errors, want_path(want, vip, NULL, &place), "duplicate_vip",
			       "name each VIP once, in \"vips\" or in \"remove\"",
			       "VIP %s stands twice in this change",
			       addr_endpoint_format(&vip->endpoint, text));
	}
	return errors->count > 0 ? -EINVAL : 0;
}

/** The same policy, the same backends with the same weights, the same number of rows? */
static bool
is_same(const struct state_vip *vip, const struct want_vip *want)
{
	if (vip->row_count != want->table_size ||
	    vip->backend_count != want->present.backend_count ||
	    !policy_equal(&vip->policy, &want->policy))
		return false;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		if (vip->backends[i].weight != want->present.backends[i].weight ||
		    state_compare_addresses(&vip->backends[i].address,
					    &want->present.backends[i].address) != 0)
			return false;
	return true;
}

static void
put_item(struct change *change, const struct want_vip *want, struct state_vip *old)
{
	struct change_item *item = &change->items[change->item_count++];
	bool removed = want == NULL || want->remove;

	*item = (struct change_item){ .want = want, .old = old };
	if (removed)
		item->kind = CHANGE_REMOVED;
	else if (old == NULL)
		item->kind = CHANGE_ADDED;
	else
		item->kind = is_same(old, want) ? CHANGE_SAME : CHANGE_CHANGED;
	if (item->kind == CHANGE_SAME && old->is_adopted) {
		item->kind = CHANGE_CHANGED;
		item->is_repair = true;
	}
	if (removed)
		return;
	item->next_index = change->next.vip_count;
	change->next.vips[change->next.vip_count++] = old; /* until the new one is built */
}

static void
merge(struct change *change, struct json_errors *errors)
{
	const struct state_set *set = &change->state->set;
	const struct want *want = &change->want;
	uint32_t i = 0, j = 0;

	while (i < want->vip_count || j < set->vip_count) {
		const struct want_vip *wanted = i < want->vip_count ? &want->vips[i] : NULL;
		struct state_vip *served = j < set->vip_count ? set->vips[j] : NULL;
		int order = wanted == NULL ? 1
			    : served == NULL
				    ? -1
				    : endpoint_compare(&wanted->endpoint, &served->endpoint);

		i += order <= 0;
		j += order >= 0;
		if (order < 0 && wanted->remove) {
			struct want_place place;
			char text[ADDR_ENDPOINT_TEXT_MAX];

			json_error_add(errors, want_path(want, wanted, NULL, &place), "unknown_vip",
				       NULL, "VIP %s is to be removed, but it is not served",
				       addr_endpoint_format(&wanted->endpoint, text));
		} else if (order > 0 && !want->full) {
			change->next.vips[change->next.vip_count++] = served;
		} else {
			put_item(change, order <= 0 ? wanted : NULL, order >= 0 ? served : NULL);
		}
	}
}

/* --- the whole --- */

static int
allocate(struct change *change)
{
	/* not calloc(0, ...), which may answer NULL */
	uint32_t served = change->state->set.vip_count;
	uint32_t count = change->want.vip_count + served + 1;
	/* a VIP, an address and a page each; beside them what an adoption drops */
	uint32_t record_count = plane_tables_size(&change->state->options->limits).vip_count;

	change->items = calloc(count, sizeof change->items[0]);
	change->next.vips = calloc(count, sizeof change->next.vips[0]);
	change->next.addresses = calloc(count, sizeof change->next.addresses[0]);
	change->puts = calloc(3 * (size_t)count, sizeof change->puts[0]);
	change->put_records = calloc(3 * (size_t)count, sizeof change->put_records[0]);
	change->drops = calloc(record_count, sizeof change->drops[0]);
	change->removed = calloc(record_count, sizeof change->removed[0]);
	if (change->items == NULL || change->next.vips == NULL || change->next.addresses == NULL ||
	    change->puts == NULL || change->put_records == NULL || change->drops == NULL ||
	    change->removed == NULL)
		return -ENOMEM;
	return 0;
}

static int
find_next_set(struct change *change, struct json_errors *errors)
{
	int r;

	want_sort(&change->want);
	r = check_duplicates(&change->want, errors);
	if (r < 0)
		return r;
	merge(change, errors);
	return errors->count > 0 ? -EINVAL : change_check(change, errors);
}

static void
summarize(struct change *change)
{
	change->next.generation = change->want.generation;
	change->next.digest = 0;
	for (uint32_t i = 0; i < change->next.vip_count; i++)
		change->next.digest = digest_add(change->next.digest, change->next.vips[i]->digest);
}

static int
plan(struct change *change, struct json_errors *errors)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < change->item_count; i++) {
		struct change_item *item = &change->items[i];

		if (item->kind != CHANGE_ADDED && item->kind != CHANGE_CHANGED)
			continue;
		r = change_plan_vip(change, item, errors);
		change->next.vips[item->next_index] = item->new;
	}
	return r;
}

int
change_build(struct change *change, struct json_errors *errors)
{
	int r = allocate(change);

	if (r == 0)
		r = find_next_set(change, errors);
	if (r == 0)
		r = plan(change, errors);
	if (r == 0)
		r = change_reserve(change,
				   errors); /* bounds the work and the memory of what follows */
	for (uint32_t i = 0; r == 0 && i < change->item_count; i++)
		r = change_fill_vip(change, &change->items[i], errors);
	if (r < 0)
		return r;
	summarize(change);
	change->built = true;
	return 0;
}

int
change_repair(struct state *state, const struct change_drop *drops, uint32_t drop_count)
{
	struct json_errors *errors = calloc(1, sizeof *errors);
	struct change *change = NULL;
	int r = errors == NULL ? -ENOMEM : change_create(state, &change);

	if (r == 0) {
		change->want.generation = state->set.generation;
		r = allocate(change);
	}
	if (r == 0) {
		merge(change, errors); /* nothing is wanted: the next set is the served one */
		memcpy(change->drops, drops, drop_count * sizeof drops[0]);
		change->drop_count = drop_count;
		/* of VIPs between two commits echo policies may differ: no check but of limits */
		r = change_find_addresses(change, errors);
	}
	if (r == 0)
		r = change_reserve(change, errors);
	if (r == 0) {
		summarize(change);
		change->built = true;
		r = change_commit(change);
	}
	change_destroy(change);
	free(errors);
	return r == -EINVAL ? -EBADMSG : r;
}
