/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adoption: the served set is read back from tables that an earlier process filled, which may have
 * been killed between any two stores of a commit (change_commit.c).
 *
 * Kept is what packets reach: a VIP of one port that is published; a range that a page of its
 * address names; a VIP of all ports whose address is published. What nobody reaches (slots, pages,
 * ranges of a commit under way) is freed, a VIP's address record or page that is missing is made.
 * Backends are the live slots, also those without a row, which a commit was about to use or to
 * clear. So each VIP serves with what it had before that commit or what it was to have, or, row by
 * row, with both; the generation is the one before, and the digest that of the rows, so that the
 * control daemon sees the difference and sends the whole state.
 *
 * Since rows need not be the table of the backends, a VIP that was adopted (is_adopted) is built
 * anew, in place, whenever a change names it, even when it names the same backends.
 *
 * Header templates may be of other options (sources, entropy) than this process has. They go on as
 * they are, but the VIP's digest is inverted, so that it differs from every other plane's; the
 * whole state then comes, and the VIP becomes a new incarnation (is_outdated).
 *
 * Link words are not touched before the kernel was asked: nexthop_adopt().
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "rows.h"
#include "state_adopt.h"

int
adoption_refuse(const struct adoption *adoption, const char *format, ...)
{
	char what[320];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	snprintf(adoption->failure->message, sizeof adoption->failure->message,
		 "the tables that an earlier process left make no sense: %s; detach the plane, and "
		 "start it anew",
		 what);
	return -EBADMSG;
}

static int
lacks_memory(const struct adoption *adoption)
{
	snprintf(adoption->failure->message, sizeof adoption->failure->message,
		 "cannot take the memory for what an earlier process left");
	return -ENOMEM;
}

/* --- what is published --- */

static bool
prefix_is_good(const struct fl_vip_key *key)
{
	struct fl_addr masked = fl_addr_masked(&key->address, key->bits);
	uint32_t bits_min = fl_addr_is_ipv4(&key->address) ? 96 + ENDPOINT_IPV4_BITS_MIN
							   : ENDPOINT_IPV6_BITS_MIN;

	return key->bits >= bits_min && key->bits <= ADDR_BITS &&
	       fl_addr_equal(&masked, &key->address);
}

static bool
service_is_good(const struct fl_vip *record)
{
	uint16_t first = fl_from_be16(record->key.port);
	uint16_t last = fl_from_be16(record->service.port_last);
	bool is_any = first == 0 && last == UINT16_MAX;

	switch (record->key.kind) {
	case FL_VIP_ENDPOINT:
		return first == last;
	case FL_VIP_RANGE:
		return first < last && !is_any;
	case FL_VIP_ANY:
		return is_any;
	default:
		return false;
	}
}

enum adoption_role
adoption_role_of(const struct fl_vip *record)
{
	const struct fl_vip_key *key = &record->key;
	bool has_protocol = key->ip_proto == FL_IPPROTO_TCP || key->ip_proto == FL_IPPROTO_UDP;

	if (!prefix_is_good(key))
		return ROLE_NONE;
	if (key->kind == FL_VIP_ENDPOINT && key->ip_proto == 0)
		return key->port == 0 && record->address.pages[0] <= STATE_PAGES_MAX &&
				       record->address.pages[1] <= STATE_PAGES_MAX
			       ? ROLE_ADDRESS
			       : ROLE_NONE;
	if (!has_protocol)
		return ROLE_NONE;
	if (key->kind == FL_VIP_PAGE)
		return key->port < STATE_PAGES_MAX && record->page.count <= FL_VIP_PAGE_RANGES
			       ? ROLE_PAGE
			       : ROLE_NONE;
	return service_is_good(record) ? ROLE_VIP : ROLE_NONE;
}

static int
find_records(struct adoption *adoption)
{
	const struct plane_tables *tables = adoption->tables;

	for (uint32_t i = 0; i < adoption->size.vip_bucket_count * FL_BUCKET_WORDS; i++) {
		uint64_t word = tables->vip_buckets[i / FL_BUCKET_WORDS].word[i % FL_BUCKET_WORDS];
		uint32_t index = fl_vip_word_index(word);
		enum adoption_role role;

		if (word == 0)
			continue;
		role = adoption_role_of(&tables->vips[index]);
		if (role == ROLE_NONE)
			return adoption_refuse(adoption,
					       "record %u is published, but it is no VIP, address "
					       "or page",
					       index);
		assert(adoption->roles[index] == ROLE_NONE); /* vips_adopt() */
		adoption->roles[index] = (uint8_t)role;
	}
	return 0;
}

/** The others are free. */
static void
take_records(struct adoption *adoption)
{
	struct state *state = adoption->state;

	state->record_count = 0;
	for (uint32_t i = adoption->size.vip_count; i-- > 0;)
		if (adoption->roles[i] == ROLE_NONE)
			state->records[state->record_count++] = i;
}

static void
drop(struct adoption *adoption, uint32_t record)
{
	adoption->drops[adoption->drop_count++] = (struct change_drop){
		.key = adoption->tables->vips[record].key,
		.record = record,
	};
}

struct addr_prefix
adoption_prefix_of(const struct fl_vip_key *key)
{
	struct addr_prefix prefix = { .bits = key->bits };

	memcpy(prefix.address.bytes, &key->address, sizeof prefix.address.bytes);
	return prefix;
}

/* --- addresses and their pages --- */

static int
compare_addresses(const void *a, const void *b)
{
	const struct state_address *left = a, *right = b;

	return state_compare_prefixes(&left->to, &right->to);
}

/** The pages that packets read, in their order up to the first that is not there. */
static void
adopt_pages(struct adoption *adoption, struct state_address *address, uint32_t p)
{
	uint32_t count = adoption->tables->vips[address->record].address.pages[p];

	for (uint32_t i = 0; i < count; i++) {
		struct fl_vip_key key = state_address_key(&address->to);
		uint32_t record;

		key.kind = FL_VIP_PAGE;
		key.ip_proto = p == 0 ? FL_IPPROTO_TCP : FL_IPPROTO_UDP;
		key.port = (uint16_t)i;
		record = vips_find(adoption->state->vips, &key);
		if (record == UINT32_MAX)
			break;
		address->pages[p][address->page_count[p]++] = record;
		adoption->roles[record] = ROLE_PAGE_OF_ADDRESS;
	}
}

static void
adopt_addresses(struct adoption *adoption)
{
	struct state_set *set = &adoption->state->set;

	for (uint32_t i = 0; i < adoption->size.vip_count; i++) {
		const struct fl_vip *record = &adoption->tables->vips[i];
		struct state_address *address = &set->addresses[set->address_count];

		if (adoption->roles[i] != ROLE_ADDRESS)
			continue;
		*address = (struct state_address){ .to = adoption_prefix_of(&record->key),
						   .record = i };
		for (uint32_t p = 0; p < 2; p++)
			adopt_pages(adoption, address, p);
		set->address_count++;
	}
	qsort(set->addresses, set->address_count, sizeof set->addresses[0], compare_addresses);
	for (uint32_t i = 0; i < adoption->size.vip_count; i++)
		if (adoption->roles[i] == ROLE_PAGE)
			drop(adoption, i); /* of no address, or not read yet */
}

/** Does a page that packets read name the range? */
static bool
is_in_page(const struct adoption *adoption, const struct state_address *address,
	   const struct fl_vip_key *key)
{
	uint32_t p = key->ip_proto == FL_IPPROTO_UDP;

	for (uint32_t i = 0; i < address->page_count[p]; i++) {
		const struct fl_vip_page *page = &adoption->tables->vips[address->pages[p][i]].page;

		for (uint32_t n = 0; n < page->count; n++)
			if (page->range[n].first == fl_from_be16(key->port))
				return true;
	}
	return false;
}

static bool
is_reached(const struct adoption *adoption, const struct fl_vip_key *key)
{
	const struct addr_prefix to = adoption_prefix_of(key);
	const struct state_address *address;

	if (key->kind == FL_VIP_ENDPOINT)
		return true;
	address = state_find_address(&adoption->state->set, &to);
	return address != NULL && (key->kind == FL_VIP_ANY || is_in_page(adoption, address, key));
}

/* --- VIPs --- */

static int
take_ranges(const struct adoption *adoption, const struct state_vip *vip)
{
	struct state *state = adoption->state;
	char text[ADDR_ENDPOINT_TEXT_MAX];

	addr_endpoint_format(&vip->endpoint, text);
	if (!maglev_row_count_valid(vip->row_count) || vip->row_count > state->maglev_rows_max ||
	    ranges_take_at(state->row_ranges, vip->row_base, vip->row_count) < 0)
		return adoption_refuse(adoption,
				       "the rows %u to %u of VIP %s are another's, or beyond the "
				       "table of %u",
				       vip->row_base, vip->row_base + vip->row_count - 1, text,
				       adoption->size.row_count);
	if (vip->slot_count > STATE_VIP_SLOTS_MAX ||
	    ranges_take_at(state->slot_ranges, vip->slot_base, vip->slot_count) < 0)
		return adoption_refuse(adoption,
				       "the backend slots %u to %u of VIP %s are another's, or "
				       "beyond the table of %u",
				       vip->slot_base, vip->slot_base + vip->slot_count - 1, text,
				       adoption->size.backend_count);
	return 0;
}

static int
compare_backends(const void *a, const void *b)
{
	const struct state_backend *left = a, *right = b;

	return state_compare_addresses(&left->address, &right->address);
}

/** The live slots, as backends in the order of their addresses. */
static int
find_backends(const struct adoption *adoption, struct state_vip *vip)
{
	struct fl_backend *slots = &adoption->tables->backends[vip->slot_base];
	uint32_t count = 0;

	for (uint32_t i = 0; i < vip->slot_count; i++) {
		struct state_backend *backend = &vip->backends[count];
		struct fl_addr target = fl_encap_target(&slots[i]);

		if (!fl_backend_is_live(&slots[i]))
			continue;
		memcpy(backend->address.bytes, &target, sizeof backend->address.bytes);
		if (slots[i].mode != (uint8_t)vip->policy.mode ||
		    addr_classify(&backend->address) != ADDR_USABLE)
			return adoption_refuse(adoption, "slot %u is no backend of its VIP",
					       vip->slot_base + i);
		backend->slot_index = (uint16_t)i;
		backend->weight = slots[i].weight;
		adoption->slot_is_used[vip->slot_base + i] = true;
		count++;
	}
	qsort(vip->backends, count, sizeof vip->backends[0], compare_backends);
	for (uint32_t i = 1; i < count; i++)
		if (compare_backends(&vip->backends[i], &vip->backends[i - 1]) == 0)
			return adoption_refuse(adoption, "the slots %u and %u are of one backend",
					       vip->slot_base + vip->backends[i - 1].slot_index,
					       vip->slot_base + vip->backends[i].slot_index);
	return 0;
}

static int
follow_next_hops(const struct adoption *adoption, struct state_vip *vip)
{
	struct nexthops *nexthops = adoption->state->nexthops;

	for (uint32_t i = 0; i < vip->backend_count; i++) {
		struct state_backend *backend = &vip->backends[i];
		uint32_t slot = vip->slot_base + backend->slot_index;
		struct fl_backend *record = &adoption->tables->backends[slot];
		int r = nexthop_take(nexthops, &backend->address,
				     vip->policy.mode == VIP_MODE_L2DSR, &backend->hop);

		if (r < 0)
			return lacks_memory(adoption);
		backend->user.slot = slot;
		nexthop_adopt(nexthops, backend->hop, &backend->user);
		if (record->vip != vip->record)
			__atomic_store_n(&record->vip, vip->record, __ATOMIC_RELEASE);
	}
	return 0;
}

struct addr_endpoint
adoption_endpoint_of(const struct fl_vip *record)
{
	return (struct addr_endpoint){ .to = adoption_prefix_of(&record->key),
				       .port = fl_from_be16(record->key.port),
				       .port_last = fl_from_be16(record->service.port_last),
				       .protocol = record->key.ip_proto };
}

/** The window must be that of its seconds. */
bool
adoption_policy_from(const struct fl_vip_service *service, struct vip_policy *ret_policy)
{
	struct fl_window window;

	if (service->window_s > VIP_WINDOW_S_MAX || service->hold_s > VIP_HOLD_S_MAX ||
	    !state_policy_from(service->policy, ret_policy))
		return false;
	ret_policy->window_s = service->window_s;
	ret_policy->hold_s = service->hold_s;
	window = state_window(ret_policy);
	return memcmp(&window, &service->window, sizeof window) == 0;
}

static uint32_t
count_live(const struct adoption *adoption, const struct fl_vip_service *service)
{
	uint32_t count = 0, end = adoption->size.backend_count;

	for (uint32_t i = 0; i < service->slot_count && service->slot_base + i < end; i++)
		count += fl_backend_is_live(&adoption->tables->backends[service->slot_base + i]);
	return count;
}

static int
adopt_vip(struct adoption *adoption, uint32_t record)
{
	const struct fl_vip *from = &adoption->tables->vips[record];
	struct state_set *set = &adoption->state->set;
	struct state_vip *vip;
	int r;

	if (from->service.slot_count == 0 || from->service.slot_count > STATE_VIP_SLOTS_MAX ||
	    from->service.slot_base >= adoption->size.backend_count)
		return adoption_refuse(adoption, "VIP record %u has %u slots from %u on", record,
				       from->service.slot_count, from->service.slot_base);
	if (state_vip_create(count_live(adoption, &from->service), &vip) < 0)
		return lacks_memory(adoption);
	set->vips[set->vip_count++] = vip; /* state_close() has it from here on */
	vip->endpoint = adoption_endpoint_of(from);
	vip->key = from->key;
	vip->record = record;
	vip->row_base = from->service.row_base;
	vip->row_count = from->service.row_count;
	vip->slot_base = from->service.slot_base;
	vip->slot_count = from->service.slot_count;
	vip->is_adopted = true;
	state_flow_begin(adoption->state, vip);
	if (!adoption_policy_from(&from->service, &vip->policy))
		return adoption_refuse(adoption, "VIP record %u has no policy", record);
	r = take_ranges(adoption, vip);
	if (r == 0)
		r = find_backends(adoption, vip);
	if (r == 0)
		r = adopt_rows(adoption, vip);
	if (r == 0)
		r = follow_next_hops(adoption, vip);
	return r;
}

static int
compare_vips(const void *a, const void *b)
{
	const struct state_vip *const *left = a, *const *right = b;

	return endpoint_compare(&(*left)->endpoint, &(*right)->endpoint);
}

/** Not of two ranges that overlap, an old one and a new one: the second goes. */
static void
drop_overlapping(struct adoption *adoption)
{
	struct state *state = adoption->state;
	struct state_set *set = &state->set;
	const struct state_vip *before[2] = { NULL }; /* the range before, of each protocol */
	uint32_t count = set->vip_count;

	set->vip_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct state_vip *vip = set->vips[i];
		uint32_t p = vip->endpoint.protocol == FL_IPPROTO_UDP;

		if (before[p] != NULL && endpoint_overlaps(&before[p]->endpoint, &vip->endpoint)) {
			drop(adoption, vip->record);
			ranges_give(state->row_ranges, vip->row_base, vip->row_count);
			ranges_give(state->slot_ranges, vip->slot_base, vip->slot_count);
			for (uint32_t slot = 0; slot < vip->slot_count; slot++)
				adoption->slot_is_used[vip->slot_base + slot] = false;
			state_vip_destroy(state, vip);
			continue;
		}
		if (endpoint_is_range(&vip->endpoint))
			before[p] = vip;
		set->vips[set->vip_count++] = vip;
	}
}

static int
adopt_vips(struct adoption *adoption)
{
	struct state_set *set = &adoption->state->set;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < adoption->size.vip_count; i++) {
		if (adoption->roles[i] != ROLE_VIP)
			continue;
		if (is_reached(adoption, &adoption->tables->vips[i].key))
			r = adopt_vip(adoption, i);
		else
			drop(adoption, i);
	}
	if (r < 0)
		return r;
	qsort(set->vips, set->vip_count, sizeof set->vips[0], compare_vips);
	drop_overlapping(adoption);
	return 0;
}

/* --- the whole --- */

static int
allocate(struct adoption *adoption)
{
	struct state_set *set = &adoption->state->set;
	uint32_t records = adoption->size.vip_count;

	adoption->roles = calloc(records, sizeof adoption->roles[0]);
	adoption->drops = calloc(records, sizeof adoption->drops[0]);
	adoption->slot_is_used =
		calloc(adoption->size.backend_count, sizeof adoption->slot_is_used[0]);
	adoption->moves = calloc(adoption->state->options->limits.vips, sizeof adoption->moves[0]);
	set->vips = calloc(records, sizeof set->vips[0]);
	set->addresses = calloc(records, sizeof set->addresses[0]);
	if (adoption->roles == NULL || adoption->drops == NULL || adoption->slot_is_used == NULL ||
	    adoption->moves == NULL || set->vips == NULL || set->addresses == NULL)
		return lacks_memory(adoption);
	return 0;
}

static int
adopt_buckets(const struct adoption *adoption)
{
	const struct plane_engine *engine = &adoption->state->options->engine;
	int r = vips_adopt(adoption->state->vips);

	if (r == -EBADMSG)
		return adoption_refuse(adoption,
				       "a VIP is not where its key says; were they made with "
				       "another key?");
	if (r < 0)
		return lacks_memory(adoption);
	vips_apply(adoption->state->vips, engine->synchronize, engine->user);
	return 0;
}

static int
adopt_lengths(const struct adoption *adoption)
{
	for (uint32_t family = 0; family < 2; family++) {
		uint64_t lengths = adoption->tables->config->lengths[family];
		uint64_t before = ADDR_BITS + 1;

		adoption->state->set.lengths[family] = lengths;
		for (; lengths != 0; lengths >>= 8) {
			if ((lengths & 0xff) >= before || (lengths & 0xff) == 0)
				return adoption_refuse(adoption,
						       "the prefix lengths are not in order");
			before = lengths & 0xff;
		}
	}
	return 0;
}

/** Slots that a commit had set, or not cleared yet. */
static void
clear_slots(const struct adoption *adoption)
{
	for (uint32_t i = 0; i < adoption->size.backend_count; i++) {
		struct fl_backend *slot = &adoption->tables->backends[i];

		if (!adoption->slot_is_used[i] && slot->link != 0)
			__atomic_store_n(&slot->link, 0, __ATOMIC_RELAXED);
	}
}

/** Every packet core has passed since rows and VIPs are what they are: entries follow, slots that
 * nothing names any more are cleared. */
static void
adopt_flows(const struct adoption *adoption)
{
	const struct plane_engine *engine = &adoption->state->options->engine;

	adopt_moved_flows(adoption);
	engine->synchronize(engine->user); /* no packet has an entry in hand from before that */
	clear_slots(adoption);
	engine->synchronize(engine->user);
	rows_adopted(adoption->state->rows);
}

static int
adopt(struct adoption *adoption)
{
	struct state *state = adoption->state;
	uint64_t generation = *adoption->tables->generation;
	int r;

	if (generation >= JSON_INTEGER_MAX) /* none could come after it */
		return adoption_refuse(adoption, "generation %llu", (unsigned long long)generation);
	r = allocate(adoption);
	if (r == 0)
		r = adopt_buckets(adoption);
	if (r == 0)
		r = adopt_lengths(adoption);
	if (r == 0)
		r = find_records(adoption);
	if (r < 0)
		return r;
	adopt_addresses(adoption);
	r = adopt_vips(adoption);
	if (r < 0)
		return r;
	r = adopt_moves(adoption);
	if (r < 0)
		return r;
	take_records(adoption);
	state->set.generation = generation;
	r = change_repair(state, adoption->drops, adoption->drop_count);
	if (r == -EBADMSG)
		return adoption_refuse(adoption, "there are more VIPs than the plane can hold");
	if (r < 0) {
		snprintf(adoption->failure->message, sizeof adoption->failure->message,
			 "cannot go on with what an earlier process left: %s", strerror(-r));
		return r;
	}
	adopt_flows(adoption);
	return 0;
}

int
state_adopt(struct state *state, struct plane_failure *ret_failure)
{
	struct adoption adoption = { .state = state,
				     .tables = state->tables,
				     .size = plane_tables_size(&state->options->limits),
				     .failure = ret_failure };
	int r = adopt(&adoption);

	free(adoption.moves);
	free(adoption.roles);
	free(adoption.drops);
	free(adoption.slot_is_used);
	return r;
}
