/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold for the next set as a whole: VIPs that forbid each other something, backends that
 * are VIPs, limits.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"

const struct change_item *
change_item_of(const struct change *change, uint32_t i, const struct change_item **cursor)
{
	const struct change_item *end = change->items + change->item_count;

	/* items are in the order of the next set, with removed ones between */
	while (*cursor < end && ((*cursor)->kind == CHANGE_REMOVED || (*cursor)->next_index < i))
		(*cursor)++;
	return *cursor < end && (*cursor)->next_index == i ? *cursor : NULL;
}

static const struct addr_endpoint *
next_endpoint(const struct change *change, uint32_t i, const struct change_item *item)
{
	return item != NULL ? &item->want->endpoint : &change->next.vips[i]->endpoint;
}

/* --- addresses and prefix lengths --- */

/** An error where one of too many lengths is: what the change needs with what serves. */
static int
check_lengths(const struct change *change, struct json_errors *errors)
{
	struct json_path path = { .name = "vips" };

	for (uint32_t family = 0; family < 2; family++) {
		uint64_t word;
		uint32_t count = state_merge_lengths(change->state->set.lengths[family],
						     change->next.lengths[family], &word);

		if (count <= FL_VIP_LENGTHS_MAX)
			continue;
		json_error_add(errors, &path, "limit_exceeded",
			       "remove the VIPs of some prefix lengths first, in a change of their "
			       "own",
			       "this change needs %u prefix lengths of %s VIPs with those that "
			       "serve until it is through, there may be %u",
			       count, family == 0 ? "IPv4" : "IPv6", FL_VIP_LENGTHS_MAX);
	}
	return errors->count > 0 ? -EINVAL : 0;
}

int
change_find_addresses(struct change *change, struct json_errors *errors)
{
	struct state_set *next = &change->next;
	const struct change_item *cursor = change->items;
	int r;

	for (uint32_t i = 0; i < next->vip_count; i++) {
		const struct change_item *item = change_item_of(change, i, &cursor);
		const struct addr_prefix *to = &next_endpoint(change, i, item)->to;
		uint32_t at = next->address_count;
		uint32_t family = addr_prefix_is_ipv4(to) ? 0 : 1;

		if (at > 0 && state_compare_prefixes(&next->addresses[at - 1].to, to) == 0)
			continue;
		next->addresses[next->address_count++].to = *to;
		if (state_merge_lengths(next->lengths[family], to->bits, &next->lengths[family]) >
		    FL_VIP_LENGTHS_MAX)
			return -EINVAL; /* change_check() has found them one by one */
	}
	r = check_lengths(change, errors);
	for (uint32_t family = 0; family < 2; family++)
		(void)state_merge_lengths(change->state->set.lengths[family], next->lengths[family],
					  &change->lengths[family]);
	return r;
}

/* --- what VIPs forbid each other --- */

/** What the report of a conflict needs. */
struct report {
	const struct change *change;
	struct json_errors *errors;
	uint32_t wanted_from; /* places from here on are of wanted VIPs */
};

static const struct want_vip *
wanted_of(const struct report *report, const struct endpoint_member *member)
{
	const char *endpoint = (const char *)member->endpoint;

	if (member->place < report->wanted_from)
		return NULL;
	return (const struct want_vip *)(const void *)(endpoint -
						       offsetof(struct want_vip, endpoint));
}

static void
report_conflict(void *user, const struct endpoint_conflict *conflict)
{
	const struct report *report = user;
	const struct want *want = &report->change->want;
	const struct want_vip *at = wanted_of(report, &conflict->at);
	const struct want_vip *other = wanted_of(report, &conflict->other);
	struct want_place place;
	char where[64] = "which is served";

	if (other != NULL && other->part == want->part_count)
		snprintf(where, sizeof where, "at /params/vips/%u", other->index);
	else if (other != NULL)
		snprintf(where, sizeof where, "in part %u of this change", other->part);
	endpoint_conflict_add(conflict, where,
			      at != NULL ? want_path(want, at, NULL, &place) : NULL,
			      report->errors);
}

static int
check_conflicts(const struct change *change, struct json_errors *errors)
{
	const struct state_set *next = &change->next;
	const struct change_item *cursor = change->items;
	struct report report = { change, errors, next->vip_count };
	struct endpoint_member *members = calloc(next->vip_count + 1, sizeof members[0]);

	if (members == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < next->vip_count; i++) {
		const struct change_item *item = change_item_of(change, i, &cursor);

		members[i].endpoint = next_endpoint(change, i, item);
		members[i].policy = item != NULL ? &item->want->policy : &next->vips[i]->policy;
		members[i].place = item != NULL ? report.wanted_from + item->want->order : i;
	}
	endpoint_check_set(members, next->vip_count, report_conflict, &report);
	free(members);
	return errors->count > 0 ? -EINVAL : 0;
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
	const struct want_backend *backend = &item->want->present.backends[index];
	const struct state_address *vip = state_covering(&change->next, &backend->address);
	char text[ADDR_TEXT_MAX], vip_text[ADDR_ENDPOINT_TEXT_MAX], prefix[ADDR_PREFIX_TEXT_MAX];
	struct want_place place;
	const struct json_path *parent = want_path(&change->want, item->want, "backends", &place);
	struct json_path at = { .parent = parent, .index = backend->index };
	struct json_path address = { .parent = &at, .name = "address" };

	addr_format(&backend->address, text);
	addr_endpoint_format(&item->want->endpoint, vip_text);
	if (vip->to.bits == ADDR_BITS)
		json_error_add(errors, parent != NULL ? &address : NULL, "backend_is_vip",
			       "a backend needs an address of its own",
			       "backend %s of VIP %s has the address of a VIP", text, vip_text);
	else
		json_error_add(errors, parent != NULL ? &address : NULL, "backend_is_vip",
			       "a backend needs an address of its own",
			       "backend %s of VIP %s is in %s, the prefix of a VIP", text, vip_text,
			       addr_prefix_format(&vip->to, prefix));
}

static void
check_wanted_backends(const struct change *change, struct json_errors *errors)
{
	for (uint32_t i = 0; i < change->item_count; i++) {
		const struct change_item *item = &change->items[i];

		if (item->kind == CHANGE_REMOVED)
			continue;
		for (uint32_t j = 0; j < item->want->present.backend_count; j++)
			if (state_covering(&change->next,
					   &item->want->present.backends[j].address) != NULL)
				add_is_vip_error(change, item, j, errors);
	}
}

/** The first VIP of the change with the address or prefix; there is one when a served backend meets
 * it as a VIP's. */
static const struct change_item *
item_of_address(const struct change *change, const struct addr_prefix *to)
{
	for (uint32_t i = 0; i < change->item_count; i++)
		if (change->items[i].kind == CHANGE_ADDED &&
		    state_compare_prefixes(&change->items[i].want->endpoint.to, to) == 0)
			return &change->items[i];
	return NULL;
}

static void
check_kept_backend(const struct change *change, const struct state_vip *vip,
		   const struct addr *address, struct json_errors *errors)
{
	const struct state_address *covering = state_covering(&change->next, address);
	char text[ADDR_TEXT_MAX], vip_text[ADDR_ENDPOINT_TEXT_MAX];
	const struct change_item *added;
	struct want_place place;

	if (covering == NULL)
		return;
	added = item_of_address(change, &covering->to);
	json_error_add(errors,
		       added == NULL ? NULL
				     : want_path(&change->want, added->want, "address", &place),
		       "backend_is_vip", "a VIP needs an address of its own",
		       "%s is a backend of VIP %s, which is served", addr_format(address, text),
		       addr_endpoint_format(&vip->endpoint, vip_text));
}

/** A VIP that the change does not name may have a backend whose address becomes a VIP's. */
static void
check_kept_backends(const struct change *change, struct json_errors *errors)
{
	const struct change_item *cursor = change->items;

	for (uint32_t i = 0; i < change->next.vip_count; i++) {
		const struct state_vip *vip = change->next.vips[i];

		if (change_item_of(change, i, &cursor) != NULL)
			continue; /* named: checked above */
		for (uint32_t j = 0; j < vip->backend_count && errors->count < JSON_ERRORS_MAX; j++)
			check_kept_backend(change, vip, &vip->backends[j].address, errors);
	}
}

static bool
has_new_address(const struct change *change)
{
	for (uint32_t i = 0; i < change->next.address_count; i++)
		if (state_find_address(&change->state->set, &change->next.addresses[i].to) == NULL)
			return true;
	return false;
}

int
change_check(struct change *change, struct json_errors *errors)
{
	int r = check_vip_count(change, errors);

	if (r == 0)
		r = check_conflicts(change, errors);
	if (r == 0)
		r = change_find_addresses(change, errors);
	if (r < 0)
		return r;
	check_wanted_backends(change, errors);
	if (has_new_address(change))
		check_kept_backends(change, errors);
	return errors->count > 0 ? -EINVAL : 0;
}
