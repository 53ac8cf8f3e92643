/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorted arrays instead of hash tables: a change makes the next array off the packet path, and a
 * commit is the exchange of two pointers, which cannot fail.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/window.h"
#include "rows.h"

enum {
	ENTROPY_BITS_MAX = 32,	  /* that fl_encap fills */
	NANOSECONDS = 1000000000, /* of a second */
};

/** The largest table that fits the plane. */
static uint32_t
largest_table(uint32_t rows)
{
	uint32_t count, largest = 0;
	const uint32_t *sizes = maglev_row_counts(&count);

	for (uint32_t i = 0; i < count; i++)
		if (sizes[i] <= rows)
			largest = sizes[i];
	return largest;
}

static int
take_records(struct state *state, uint32_t count)
{
	state->records = calloc(count, sizeof state->records[0]);
	if (state->records == NULL)
		return -ENOMEM;
	while (count > 0)
		state->records[state->record_count++] = --count;
	return 0;
}

/** fl_config.own: one of the outer sources, or none. */
static struct fl_own
own_source(bool is_set, const struct addr_prefix *prefix)
{
	struct fl_own own = { .address.word = { ~0u, ~0u, ~0u, ~0u } };
	const struct fl_addr ones = own.address;

	if (!is_set)
		return own;
	own.mask = fl_addr_masked(&ones, prefix->bits);
	memcpy(&own.address, prefix->address.bytes, sizeof own.address);
	return own;
}

/** Rates that are not set are the defaults of the plane's configuration. */
static void
set_config(const struct plane_options *options)
{
	uint64_t rate = options->icmp_rate > 0 ? options->icmp_rate : PLANE_ICMP_RATE_DEFAULT;
	uint64_t burst = options->icmp_burst > 0 ? options->icmp_burst : PLANE_ICMP_BURST_DEFAULT;
	struct fl_config *config = options->tables->config;
	const struct addr_prefix ipv4 = { options->source_ipv4, ADDR_BITS };
	const struct addr_prefix ipv6 = { options->source_ipv6, ADDR_BITS };
	const struct fl_own own[FL_OWN_COUNT] = {
		own_source(options->has_source_ipv4, &ipv4),
		own_source(options->has_source_ipv6, &ipv6),
		own_source(options->has_entropy_ipv4, &options->entropy_ipv4),
		own_source(options->has_entropy_ipv6, &options->entropy_ipv6),
	};

	/* packet cores may be at work on tables that are adopted: only what is another */
	if (memcmp(config->own, own, sizeof own) != 0)
		memcpy(config->own, own, sizeof own);
	config->answer_interval_ns = NANOSECONDS / rate;
	config->answer_burst_ns = (burst - 1) * config->answer_interval_ns;
}

int
state_open(struct state *state, const struct plane_options *options, struct nexthops *nexthops)
{
	const struct plane_limits *limits = &options->limits;
	const struct plane_tables_size size = plane_tables_size(limits);
	uint32_t ranges_max, backends_max;
	int r;

	*state = (struct state){ .options = options,
				 .tables = options->tables,
				 .nexthops = nexthops };
	if (limits->vips == 0 || limits->vips > FL_VIPS_MAX || limits->backends == 0 ||
	    limits->backends > FL_SLOTS_MAX || limits->rows < FL_ROWS_MIN ||
	    limits->rows > FL_ROWS_MAX)
		return -EINVAL;
	ranges_max = 3 * limits->vips; /* old and new incarnations; adopted ones */
	backends_max =
		limits->backends < MAGLEV_BACKENDS_MAX ? limits->backends : MAGLEV_BACKENDS_MAX;
	state->maglev_rows_max = largest_table(limits->rows);
	state->scratch = calloc(1, sizeof *state->scratch);
	state->owners = calloc(state->maglev_rows_max, sizeof state->owners[0]);
	if (state->scratch == NULL || state->owners == NULL)
		return -ENOMEM;
	if ((r = vips_create(state->tables, size.vip_count, &state->vips)) < 0 ||
	    (r = maglev_create(state->maglev_rows_max, backends_max, &state->maglev)) < 0 ||
	    (r = ranges_create(limits->rows, ranges_max, &state->row_ranges)) < 0 ||
	    (r = ranges_create(limits->backends, ranges_max, &state->slot_ranges)) < 0 ||
	    (r = take_records(state, size.vip_count)) < 0 ||
	    (r = rows_create(state, &state->rows)) < 0)
		return r;
	set_config(options);
	return 0;
}

void
state_close(struct state *state)
{
	for (uint32_t i = 0; i < state->set.vip_count; i++)
		state_vip_destroy(state, state->set.vips[i]);
	free(state->set.vips);
	free(state->set.addresses);
	free(state->records);
	rows_destroy(state->rows);
	ranges_destroy(state->slot_ranges);
	ranges_destroy(state->row_ranges);
	maglev_destroy(state->maglev);
	vips_destroy(state->vips);
	free(state->scratch);
	free(state->owners);
	*state = (struct state){ 0 };
}

int
state_compare_addresses(const struct addr *a, const struct addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

int
state_compare_prefixes(const struct addr_prefix *a, const struct addr_prefix *b)
{
	int order = state_compare_addresses(&a->address, &b->address);

	return order != 0 ? order : (int)a->bits - (int)b->bits;
}

struct state_vip *
state_find(const struct state *state, const struct addr_endpoint *endpoint)
{
	uint32_t low = 0, high = state->set.vip_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct state_vip *vip = state->set.vips[middle];
		int order = endpoint_compare(&vip->endpoint, endpoint);

		if (order == 0)
			return vip;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct state_backend *
state_find_backend(const struct state_vip *vip, const struct addr *address)
{
	uint32_t low = 0, high = vip->backend_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct state_backend *backend = &vip->backends[middle];
		int order = state_compare_addresses(&backend->address, address);

		if (order == 0)
			return (struct state_backend *)(uintptr_t)backend;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

uint32_t
state_first_vip(const struct state_set *set, const struct addr_prefix *to)
{
	uint32_t low = 0, high = set->vip_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (state_compare_prefixes(&set->vips[middle]->endpoint.to, to) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < set->vip_count && state_compare_prefixes(&set->vips[low]->endpoint.to, to) != 0)
		return set->vip_count;
	return low;
}

const struct state_address *
state_find_address(const struct state_set *set, const struct addr_prefix *to)
{
	uint32_t low = 0, high = set->address_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = state_compare_prefixes(&set->addresses[middle].to, to);

		if (order == 0)
			return &set->addresses[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct state_address *
state_covering(const struct state_set *set, const struct addr *address)
{
	uint64_t lengths = set->lengths[addr_is_ipv4(address) ? 0 : 1];

	for (; lengths != 0; lengths >>= 8) {
		struct addr_prefix prefix = addr_prefix_of(address, (uint8_t)lengths);
		const struct state_address *found = state_find_address(set, &prefix);

		if (found != NULL)
			return found;
	}
	return NULL;
}

uint32_t
state_merge_lengths(uint64_t a, uint64_t b, uint64_t *ret_word)
{
	uint64_t word = 0;
	uint32_t count = 0;

	while (a != 0 || b != 0) {
		uint64_t left = a & 0xff, right = b & 0xff;

		if (count < FL_VIP_LENGTHS_MAX)
			word |= (left > right ? left : right) << (8 * count);
		count++;
		if (left >= right)
			a >>= 8;
		if (right >= left)
			b >>= 8;
	}
	*ret_word = word;
	return count;
}

int
state_vip_create(uint32_t backend_count, struct state_vip **ret_vip)
{
	struct state_vip *vip = calloc(1, sizeof *vip + backend_count * sizeof vip->backends[0]);

	if (vip == NULL)
		return -ENOMEM;
	vip->backend_count = backend_count;
	*ret_vip = vip;
	return 0;
}

void
state_vip_destroy(struct state *state, struct state_vip *vip)
{
	if (vip == NULL)
		return;
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		nexthop_detach(&vip->backends[i].user);
		if (vip->backends[i].hop != NULL)
			nexthop_give(state->nexthops, vip->backends[i].hop);
	}
	free(vip);
}

uint32_t
state_record_take(struct state *state)
{
	if (state->record_count == 0)
		return STATE_NO_RECORD;
	return state->records[--state->record_count];
}

void
state_record_give(struct state *state, uint32_t record)
{
	assert(state->record_count < plane_tables_size(&state->options->limits).vip_count);
	state->records[state->record_count++] = record;
}

/* --- what stands in the tables --- */

struct fl_vip_key
state_address_key(const struct addr_prefix *to)
{
	struct fl_vip_key key = { .bits = to->bits, .kind = FL_VIP_ENDPOINT };

	memcpy(&key.address, to->address.bytes, sizeof key.address);
	return key;
}

struct fl_vip_key
state_vip_key(const struct addr_endpoint *endpoint)
{
	struct fl_vip_key key = state_address_key(&endpoint->to);

	key.ip_proto = endpoint->protocol;
	key.port = fl_to_be16(endpoint->port);
	if (endpoint_is_any(endpoint))
		key.kind = FL_VIP_ANY;
	else if (endpoint_is_range(endpoint))
		key.kind = FL_VIP_RANGE;
	return key;
}

uint8_t
state_policy_byte(const struct vip_policy *policy)
{
	return (uint8_t)((uint32_t)policy->mode | (uint32_t)policy->fragments << 2 |
			 (uint32_t)policy->icmp_echo << 3 | (uint32_t)policy->no_backend << 5);
}

bool
state_policy_from(uint8_t byte, struct vip_policy *ret_policy)
{
	const struct vip_policy policy = {
		.mode = (enum vip_mode)(byte & 3),
		.fragments = (enum vip_fragments)(byte >> 2 & 1),
		.icmp_echo = (enum vip_icmp_echo)(byte >> 3 & 3),
		.no_backend = (enum vip_no_backend)(byte >> 5 & 1),
	};

	*ret_policy = policy;
	return policy.mode <= VIP_MODE_L2DSR && policy.icmp_echo <= VIP_ICMP_ECHO_HOST &&
	       byte >> 6 == 0;
}

struct fl_window
state_window(const struct vip_policy *policy)
{
	return policy->window_s > 0 ? fl_window(policy->window_s, policy->hold_s)
				    : (struct fl_window){ 0 };
}

/* the words of the protocol are those of the tables */
_Static_assert((int)VIP_MODE_IPIP == FL_MODE_IPIP && (int)VIP_MODE_GUE == FL_MODE_GUE &&
		       (int)VIP_MODE_L2DSR == FL_MODE_L2DSR,
	       "modes");
_Static_assert((int)VIP_ICMP_ECHO_ANSWER == FL_ECHO_ANSWER &&
		       (int)VIP_ICMP_ECHO_FORWARD == FL_ECHO_FORWARD &&
		       (int)VIP_ICMP_ECHO_HOST == FL_ECHO_HOST,
	       "echo");
_Static_assert((uint32_t)ENDPOINT_RANGES_MAX == FL_VIP_RANGES_MAX &&
		       (uint32_t)ENDPOINT_LENGTHS_MAX == FL_VIP_LENGTHS_MAX,
	       "limits");

/** Outer source of a backend's packets. */
static void
plan_source(const struct plane_options *options, const struct addr *backend,
	    struct fl_encap_plan *plan)
{
	bool is_ipv4 = addr_is_ipv4(backend);
	bool has_entropy = is_ipv4 ? options->has_entropy_ipv4 : options->has_entropy_ipv6;
	const struct addr *source = is_ipv4 ? &options->source_ipv4 : &options->source_ipv6;

	if (plan->mode == FL_MODE_L2DSR)
		return;
	if (plan->mode == FL_MODE_IPIP && has_entropy) {
		const struct addr_prefix *entropy =
			is_ipv4 ? &options->entropy_ipv4 : &options->entropy_ipv6;
		int bits = ADDR_BITS - entropy->bits;

		source = &entropy->address;
		plan->entropy_bits = (uint8_t)(bits < ENTROPY_BITS_MAX ? bits : ENTROPY_BITS_MAX);
	}
	memcpy(&plan->source, source->bytes, sizeof plan->source);
}

struct fl_backend
state_slot(const struct state *state, const struct state_vip *vip,
	   const struct state_backend *backend)
{
	struct fl_backend slot = { .vip = vip->record, .weight = backend->weight };
	struct fl_encap_plan plan = {
		.mode = (enum fl_mode)vip->policy.mode,
		.inner_is_ipv6 = !addr_prefix_is_ipv4(&vip->endpoint.to),
	};

	memcpy(&plan.target, backend->address.bytes, sizeof plan.target);
	plan_source(state->options, &backend->address, &plan);
	fl_encap_template(&slot, &plan);
	return slot;
}

/* --- tables --- */

int
state_build_owners(const struct state *state, const struct state_vip *vip, uint16_t *ret_owners)
{
	struct maglev_backend *backends = state->scratch->backends;
	const struct maglev_request request = { .backends = backends,
						.backend_count = vip->backend_count,
						.row_count = vip->row_count,
						.rows = ret_owners };

	for (uint32_t i = 0; i < vip->backend_count; i++)
		backends[i] = (struct maglev_backend){ .address = vip->backends[i].address,
						       .index = vip->backends[i].slot_index,
						       .weight = vip->backends[i].weight };
	return maglev_build(state->maglev, &request);
}

struct digest_table
state_digest_table(const struct state *state, const struct state_vip *vip, const uint16_t *owners)
{
	uint64_t *identities = state->scratch->identities;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		identities[vip->backends[i].slot_index] = digest_address(&vip->backends[i].address);
	return (struct digest_table){ .key = &vip->key,
				      .port_last = vip->endpoint.port_last,
				      .policy = state_policy_byte(&vip->policy),
				      .window_s = vip->policy.window_s,
				      .hold_s = vip->policy.hold_s,
				      .row_count = vip->row_count,
				      .owners = owners,
				      .identities = identities };
}

/* --- counters --- */

static struct fl_counter
count(const struct plane_ledger *ledger, struct fl_counter engine)
{
	return (struct fl_counter){
		.packets = ledger->carry.packets + engine.packets - ledger->base.packets,
		.bytes = ledger->carry.bytes + engine.bytes - ledger->base.bytes,
	};
}

struct fl_counter
state_vip_count(const struct state *state, const struct state_vip *vip)
{
	const struct plane_engine *engine = &state->options->engine;

	return count(&state->tables->vip_ledger[vip->record],
		     engine->vip_counter(engine->user, vip->record));
}

struct fl_counter
state_backend_count(const struct state *state, const struct state_vip *vip,
		    const struct state_backend *backend)
{
	const struct plane_engine *engine = &state->options->engine;
	uint32_t slot = vip->slot_base + backend->slot_index;

	return count(&state->tables->backend_ledger[slot],
		     engine->backend_counter(engine->user, slot));
}

void
state_flow_begin(const struct state *state, struct state_vip *vip)
{
	const struct plane_engine *engine = &state->options->engine;
	const struct fl_flow_counter base = engine->flow_counter(engine->user, vip->record);

	vip->flow_carry = (struct fl_flow_counter){
		.failed = -base.failed,
		.evicted = -base.evicted,
		.extended = -base.extended,
		.raced = -base.raced,
	};
}

struct fl_flow_counter
state_flow_count(const struct state *state, const struct state_vip *vip)
{
	const struct plane_engine *engine = &state->options->engine;
	struct fl_flow_counter count = engine->flow_counter(engine->user, vip->record);

	fl_flow_add(&count, &vip->flow_carry);
	return count;
}
