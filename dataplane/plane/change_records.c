/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which records the next set needs: one for each VIP, one for each address or prefix, and pages of
 * port ranges. A record that says what one of the served set says is that one; all others are put,
 * and what is left of the served set is dropped.
 *
 * A range stays in its page as long as that page is needed, so that a packet which reads the pages
 * one after the other finds it whatever is published meanwhile. When fewer pages will do, ranges of
 * the last ones come into free places of those before: they are published there, and every packet
 * core has passed, before the pages that they leave are retired (change_reserve.c).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "change.h"

/** No record. */
#define NONE STATE_NO_RECORD

/** VIPs of one address or prefix in the next set. */
struct group {
	struct state_vip *const *vips;
	uint32_t count;
	const struct state_address *old; /* NULL: it is new */
};

struct port_range {
	uint16_t first, last;
};

/* --- puts and drops --- */

/** @return NONE: there is no free record. */
static uint32_t
put(struct change *change, const struct fl_vip *content)
{
	uint32_t record = state_record_take(change->state);

	if (record == STATE_NO_RECORD) {
		change->lacks_records = true;
		return NONE;
	}
	change->puts[change->put_count] = *content;
	change->put_records[change->put_count] = record;
	change->put_count++;
	return record;
}

static void
drop(struct change *change, uint32_t record)
{
	change->drops[change->drop_count++] = (struct change_drop){
		.key = change->state->tables->vips[record].key,
		.record = record,
	};
}

static bool
is_content(const struct change *change, uint32_t record, const struct fl_vip *content)
{
	return memcmp(&change->state->tables->vips[record], content, sizeof *content) == 0;
}

/** @param old NONE, or the record that stands in its place. */
static uint32_t
keep_or_put(struct change *change, const struct fl_vip *content, uint32_t old)
{
	if (old != NONE && is_content(change, old, content))
		return old;
	if (old != NONE)
		drop(change, old);
	return put(change, content);
}

/* --- VIPs --- */

static void
put_vip(struct change *change, struct change_item *item)
{
	struct state_vip *vip = item->new;
	struct fl_vip content = { .key = vip->key };
	struct fl_vip_service *service = &content.service;

	service->row_base = vip->row_base;
	service->row_count = vip->row_count;
	service->slot_base = vip->slot_base;
	service->slot_count = vip->slot_count;
	service->port_last = fl_to_be16(vip->endpoint.port_last);
	service->policy = state_policy_byte(&vip->policy);
	service->window = state_window(&vip->policy);
	service->window_s = vip->policy.window_s;
	service->hold_s = vip->policy.hold_s;
	if (vip->policy.fragments == VIP_FRAGMENTS_DROP)
		service->flags |= FL_VIP_FRAGMENTS_DROP;
	if (vip->policy.no_backend == VIP_NO_BACKEND_HOST)
		service->flags |= FL_VIP_TO_HOST;
	if (item->place == CHANGE_IN_PLACE && is_content(change, item->old->record, &content))
		vip->record = item->old->record;
	else
		vip->record = put(change, &content);
}

static void
drop_vip(struct change *change, const struct change_item *item)
{
	bool stays = item->kind == CHANGE_SAME || (item->new != NULL && item->old != NULL &&
						   item->new->record == item->old->record);

	if (item->old != NULL && !stays)
		drop(change, item->old->record);
}

/* --- pages --- */

static uint32_t
find_ranges(const struct group *group, uint8_t protocol,
	    struct port_range ret_ranges[FL_VIP_RANGES_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < group->count; i++) {
		const struct addr_endpoint *endpoint = &group->vips[i]->endpoint;

		if (endpoint->protocol != protocol || !endpoint_is_range(endpoint))
			continue;
		assert(count < FL_VIP_RANGES_MAX);
		ret_ranges[count++] = (struct port_range){ endpoint->port, endpoint->port_last };
	}
	return count;
}

/** Put a range into a page that has room, in order. */
static void
page_add(struct fl_vip_page *page, struct port_range range)
{
	uint32_t at = page->count++;

	assert(at < FL_VIP_PAGE_RANGES);
	for (; at > 0 && page->range[at - 1].first > range.first; at--)
		page->range[at] = page->range[at - 1];
	page->range[at].first = range.first;
	page->range[at].last = range.last;
}

static bool
page_has(const struct fl_vip_page *page, struct port_range range)
{
	for (uint32_t i = 0; i < page->count; i++)
		if (page->range[i].first == range.first && page->range[i].last == range.last)
			return true;
	return false;
}

/** Distribute the ranges over the fewest pages. @return how many pages. */
static uint32_t
lay_out(const struct change *change, const struct group *group, uint32_t p,
	struct fl_vip_page pages[STATE_PAGES_MAX])
{
	struct port_range ranges[FL_VIP_RANGES_MAX];
	uint32_t count = find_ranges(group, p == 0 ? FL_IPPROTO_TCP : FL_IPPROTO_UDP, ranges);
	uint32_t page_count = (count + FL_VIP_PAGE_RANGES - 1) / FL_VIP_PAGE_RANGES;
	uint32_t old_count = group->old != NULL ? group->old->page_count[p] : 0;
	bool placed[FL_VIP_RANGES_MAX] = { false };
	uint32_t at = 0;

	memset(pages, 0, STATE_PAGES_MAX * sizeof pages[0]);
	for (uint32_t i = 0; i < page_count && i < old_count; i++) {
		uint32_t record = group->old->pages[p][i];

		for (uint32_t n = 0; n < count; n++) {
			if (placed[n] ||
			    !page_has(&change->state->tables->vips[record].page, ranges[n]))
				continue;
			page_add(&pages[i], ranges[n]);
			placed[n] = true;
		}
	}
	for (uint32_t n = 0; n < count; n++) {
		if (placed[n])
			continue;
		while (pages[at].count == FL_VIP_PAGE_RANGES)
			at++;
		page_add(&pages[at], ranges[n]);
	}
	return page_count;
}

/** @param p 0: TCP, 1: UDP. */
static void
put_pages(struct change *change, const struct group *group, uint32_t p,
	  struct state_address *address)
{
	struct fl_vip_page pages[STATE_PAGES_MAX];
	uint32_t old_count = group->old != NULL ? group->old->page_count[p] : 0;

	address->page_count[p] = lay_out(change, group, p, pages);
	for (uint32_t i = 0; i < address->page_count[p]; i++) {
		struct fl_vip content = { .key = state_address_key(&address->to) };

		content.key.kind = FL_VIP_PAGE;
		content.key.ip_proto = p == 0 ? FL_IPPROTO_TCP : FL_IPPROTO_UDP;
		content.key.port = (uint16_t)i;
		content.page = pages[i];
		address->pages[p][i] = keep_or_put(change, &content,
						   i < old_count ? group->old->pages[p][i] : NONE);
	}
	for (uint32_t i = address->page_count[p]; i < old_count; i++)
		drop(change, group->old->pages[p][i]);
}

/* --- addresses --- */

/** The VIP that echo requests are forwarded to: first by port, then by protocol. */
static const struct state_vip *
echo_vip(const struct group *group)
{
	const struct state_vip *first = group->vips[0];

	for (uint32_t i = 1; i < group->count; i++) {
		const struct state_vip *vip = group->vips[i];

		if (vip->endpoint.port == first->endpoint.port &&
		    vip->endpoint.protocol < first->endpoint.protocol)
			first = vip;
	}
	return first;
}

static void
put_address(struct change *change, const struct group *group, struct state_address *address)
{
	struct fl_vip content = { .key = state_address_key(&address->to) };
	const struct state_vip *echo = echo_vip(group);

	for (uint32_t p = 0; p < 2; p++) {
		put_pages(change, group, p, address);
		content.address.pages[p] = (uint8_t)address->page_count[p];
	}
	content.address.echo = (uint8_t)echo->policy.icmp_echo;
	content.address.echo_kind = echo->key.kind;
	content.address.echo_proto = echo->key.ip_proto;
	content.address.echo_port = echo->key.port;
	address->record =
		keep_or_put(change, &content, group->old != NULL ? group->old->record : NONE);
}

static void
put_addresses(struct change *change)
{
	struct state_set *next = &change->next;
	uint32_t at = 0;

	for (uint32_t i = 0; i < next->address_count; i++) {
		struct state_address *address = &next->addresses[i];
		struct group group = {
			.vips = &next->vips[at],
			.old = state_find_address(&change->state->set, &address->to),
		};

		while (at < next->vip_count &&
		       state_compare_prefixes(&next->vips[at]->endpoint.to, &address->to) == 0) {
			group.count++;
			at++;
		}
		put_address(change, &group, address);
	}
}

static void
drop_addresses(struct change *change)
{
	const struct state_set *set = &change->state->set;

	for (uint32_t i = 0; i < set->address_count; i++) {
		const struct state_address *address = &set->addresses[i];

		if (state_find_address(&change->next, &address->to) != NULL)
			continue;
		drop(change, address->record);
		for (uint32_t p = 0; p < 2; p++)
			for (uint32_t n = 0; n < address->page_count[p]; n++)
				drop(change, address->pages[p][n]);
	}
}

int
change_plan_records(struct change *change, struct json_errors *errors)
{
	struct json_path path = { .name = "vips" };

	for (uint32_t i = 0; i < change->item_count; i++)
		if (change->items[i].new != NULL)
			put_vip(change, &change->items[i]);
	put_addresses(change);
	drop_addresses(change);
	for (uint32_t i = 0; i < change->item_count; i++)
		drop_vip(change, &change->items[i]);
	if (!change->lacks_records)
		return 0;
	/* only after an adoption between two commits, when old and new VIPs are there */
	json_error_add(errors, &path, "limit_exceeded",
		       "remove VIPs first, in a change of their own, or raise limits.vips",
		       "this change and what serves until it is through need more than the %u "
		       "records of limits.vips",
		       plane_tables_size(&change->state->options->limits).vip_count);
	return -EINVAL;
}
