/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what is wanted to the next set: the wanted VIPs and the served ones, both ordered by
 * endpoint, are merged; what is checked here needs both.
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
	if (item->new == NULL)
		return;
	if (item->has_rows)
		ranges_give(state->rows, item->new->row_base, item->new->row_count);
	if (item->has_slots)
		ranges_give(state->slots, item->new->slot_base, item->new->slot_count);
	if (item->has_record)
		state_record_give(state, item->new->record);
	state_vip_destroy(state, item->new);
}

void
change_destroy(struct change *change)
{
	if (change == NULL)
		return;
	for (uint32_t i = 0; i < change->item_count; i++)
		drop_item(change->state, &change->items[i]);
	for (uint32_t i = 0; change->fresh != NULL && i < change->next.address_count; i++)
		if (change->fresh[i])
			state_record_give(change->state, change->next.addresses[i].record);
	free(change->items);
	free(change->next.vips);
	free(change->next.addresses);
	free(change->fresh);
	free(change->added);
	free(change->removed);
	want_clear(&change->want);
	free(change);
}

const char *
change_kind_name(enum change_kind kind)
{
	static const char *const names[] = {
		[CHANGE_ADDED] = "added",
		[CHANGE_CHANGED] = "changed",
		[CHANGE_REMOVED] = "removed",
		[CHANGE_SAME] = "same",
	};

	return names[kind];
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

		if (state_compare_endpoints(&vip->endpoint, &vip[-1].endpoint) != 0)
			continue;
		json_error_add(errors, want_path(want, vip, NULL, &place), "duplicate_vip",
			       "name each VIP once, in \"vips\" or in \"remove\"",
			       "VIP %s stands twice in this change",
			       addr_endpoint_format(&vip->endpoint, text));
	}
	return errors->count > 0 ? -EINVAL : 0;
}

/** The same backends with the same weights, and the same number of rows? */
static bool
is_same(const struct state_vip *vip, const struct want_vip *want)
{
	if (vip->row_count != want->table_size || vip->backend_count != want->backend_count)
		return false;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		if (vip->backends[i].weight != want->backends[i].weight ||
		    state_compare_addresses(&vip->backends[i].address,
					    &want->backends[i].address) != 0)
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
				    : state_compare_endpoints(&wanted->endpoint, &served->endpoint);

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

static const struct addr_endpoint *
next_endpoint(const struct change *change, uint32_t i, const struct change_item **item)
{
	/* items are in the order of the next set, with removed ones between */
	while (*item < change->items + change->item_count &&
	       ((*item)->kind == CHANGE_REMOVED || (*item)->next_index < i))
		(*item)++;
	if (*item < change->items + change->item_count && (*item)->next_index == i)
		return (*item)->want != NULL ? &(*item)->want->endpoint : &(*item)->old->endpoint;
	return &change->next.vips[i]->endpoint;
}

/** The addresses of the next set; those that are served already keep their record. */
static void
collect_addresses(struct change *change)
{
	const struct state_set *set = &change->state->set;
	struct state_set *next = &change->next;
	const struct change_item *item = change->items;
	uint32_t served = 0;

	for (uint32_t i = 0; i < next->vip_count; i++) {
		const struct addr *address = &next_endpoint(change, i, &item)->address;
		uint32_t at = next->address_count;
		int order = 1;

		if (at > 0 &&
		    state_compare_addresses(&next->addresses[at - 1].address, address) == 0)
			continue;
		while (served < set->address_count &&
		       (order = state_compare_addresses(&set->addresses[served].address, address)) <
			       0)
			served++;
		next->addresses[at].address = *address;
		if (served < set->address_count && order == 0) {
			next->addresses[at].record = set->addresses[served].record;
		} else {
			next->addresses[at].record = state_record_take(change->state);
			change->fresh[at] = true;
			change->new_address_count++;
		}
		next->address_count++;
	}
}

static int
check_vip_count(const struct change *change, struct json_errors *errors)
{
	uint32_t limit = change->state->options->limits.vips;
	struct json_path path = { .name = "vips" };

	if (change->next.vip_count <= limit)
		return 0;
	json_error_add(errors, &path, "limit_exceeded",
		       "raise limits.vips in the plane's configuration",
		       "%u VIPs are needed with those served, limits.vips is %u",
		       change->next.vip_count, limit);
	return -EINVAL;
}

/* --- backends that are VIPs --- */

static void
add_is_vip_error(const struct change *change, const struct change_item *item, uint32_t index,
		 struct json_errors *errors)
{
	const struct want_backend *backend = &item->want->backends[index];
	char text[ADDR_TEXT_MAX], vip_text[ADDR_ENDPOINT_TEXT_MAX];
	struct want_place place;
	const struct json_path *parent = want_path(&change->want, item->want, "backends", &place);
	struct json_path at = { .parent = parent, .index = backend->index };
	struct json_path address = { .parent = &at, .name = "address" };

	json_error_add(errors, parent != NULL ? &address : NULL, "backend_is_vip",
		       "a backend needs an address of its own",
		       "backend %s of VIP %s has the address of a VIP",
		       addr_format(&backend->address, text),
		       addr_endpoint_format(&item->want->endpoint, vip_text));
}

static void
check_wanted_backends(const struct change *change, struct json_errors *errors)
{
	for (uint32_t i = 0; i < change->item_count; i++) {
		const struct change_item *item = &change->items[i];

		if (item->kind == CHANGE_REMOVED)
			continue;
		for (uint32_t j = 0; j < item->want->backend_count; j++)
			if (state_has_address(&change->next, &item->want->backends[j].address))
				add_is_vip_error(change, item, j, errors);
	}
}

/** The first VIP of the change with the address; there is one when a served backend meets it as a
 * VIP. */
static const struct change_item *
item_of_address(const struct change *change, const struct addr *address)
{
	for (uint32_t i = 0; i < change->item_count; i++)
		if (change->items[i].kind == CHANGE_ADDED &&
		    state_compare_addresses(&change->items[i].want->endpoint.address, address) == 0)
			return &change->items[i];
	return NULL;
}

/** A VIP that the change does not name may have a backend whose address becomes a VIP's. */
static void
check_kept_backends(const struct change *change, struct json_errors *errors)
{
	const struct change_item *item = change->items;
	char text[ADDR_TEXT_MAX], vip_text[ADDR_ENDPOINT_TEXT_MAX];

	for (uint32_t i = 0; i < change->next.vip_count; i++) {
		const struct state_vip *vip = change->next.vips[i];

		(void)next_endpoint(change, i, &item);
		if (item < change->items + change->item_count && item->next_index == i)
			continue; /* named: checked above */
		for (uint32_t j = 0; j < vip->backend_count && errors->count < JSON_ERRORS_MAX;
		     j++) {
			const struct addr *address = &vip->backends[j].address;
			const struct change_item *added;
			struct want_place place;

			if (!state_has_address(&change->next, address))
				continue;
			added = item_of_address(change, address);
			json_error_add(errors,
				       added == NULL ? NULL
						     : want_path(&change->want, added->want,
								 "address", &place),
				       "backend_is_vip", "a VIP needs an address of its own",
				       "%s is a backend of VIP %s, which is served",
				       addr_format(address, text),
				       addr_endpoint_format(&vip->endpoint, vip_text));
		}
	}
}

/* --- the whole --- */

static int
allocate(struct change *change)
{
	/* not calloc(0, ...), which may answer NULL */
	uint32_t count = change->want.vip_count + change->state->set.vip_count + 1;

	change->items = calloc(count, sizeof change->items[0]);
	change->next.vips = calloc(count, sizeof change->next.vips[0]);
	change->next.addresses = calloc(count, sizeof change->next.addresses[0]);
	change->fresh = calloc(count, sizeof change->fresh[0]);
	change->added = calloc(count, sizeof change->added[0]);
	change->removed = calloc(count, sizeof change->removed[0]);
	if (change->items == NULL || change->next.vips == NULL || change->next.addresses == NULL ||
	    change->fresh == NULL || change->added == NULL || change->removed == NULL)
		return -ENOMEM;
	return 0;
}

static int
check(struct change *change, struct json_errors *errors)
{
	int r;

	want_sort(&change->want);
	r = check_duplicates(&change->want, errors);
	if (r < 0)
		return r;
	merge(change, errors);
	if (errors->count > 0)
		return -EINVAL;
	r = check_vip_count(change, errors);
	if (r < 0)
		return r;
	collect_addresses(change);
	check_wanted_backends(change, errors);
	if (change->new_address_count > 0)
		check_kept_backends(change, errors);
	return errors->count > 0 ? -EINVAL : 0;
}

/** Names of VIPs for the engine, digest of the whole. */
static void
summarize(struct change *change)
{
	for (uint32_t i = 0; i < change->item_count; i++) {
		const struct change_item *item = &change->items[i];

		if (item->kind == CHANGE_ADDED)
			change->added[change->added_count++] = item->new->key;
		else if (item->kind == CHANGE_REMOVED)
			change->removed[change->removed_count++] = item->old->key;
		if (item->new != NULL)
			change->next.vips[item->next_index] = item->new;
	}
	change->next.generation = change->want.generation;
	change->next.digest = 0;
	for (uint32_t i = 0; i < change->next.vip_count; i++)
		change->next.digest = digest_add(change->next.digest, change->next.vips[i]->digest);
}

int
change_build(struct change *change, struct json_errors *errors)
{
	int r = allocate(change);

	if (r == 0)
		r = check(change, errors);
	for (uint32_t i = 0; r == 0 && i < change->item_count; i++)
		if (change->items[i].kind == CHANGE_ADDED ||
		    change->items[i].kind == CHANGE_CHANGED)
			r = change_plan_vip(change, &change->items[i]);
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
