/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A plane without socket, kernel and packet cores, driven by request lines: the library's own
 * methods, state and tables on a fake engine whose counters and failures a test sets. For one .c
 * file of a program. Anything that cannot go wrong unless the test is wrong ends it with abort().
 */
#ifndef TESTS_UNIT_FAKE_PLANE_H
#define TESTS_UNIT_FAKE_PLANE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "plane_private.h"

enum {
	FAKE_VIPS = 8,
	FAKE_BACKENDS = 256,
	FAKE_ROWS = 4096,
	FAKE_FRAGMENTS = 64,
	FAKE_CLIENTS = 2,
	FAKE_LINE_BYTES = 64 << 10,
};

struct fake_plane;

/** A client of the fake plane: `owner` of what it prepares. */
struct fake_client {
	struct fake_plane *fake;
	struct rpc_session *session;
};

struct fake_plane {
	struct plane plane;
	struct plane_tables tables;
	struct plane_tables_size size;
	struct plane_port port;
	struct fl_counter *vip_counters;
	struct fl_counter *backend_counters;
	uint32_t synchronized; /* calls of synchronize() */
	int vips_add_result;
	struct fl_vip_key keys[1024]; /* what the engine steers */
	uint32_t key_count;
	uint64_t lengths[2];				 /* that it was told last */
	void (*on_synchronize)(struct fake_plane *fake); /* NULL: nothing */
	struct fake_client clients[FAKE_CLIENTS];
	cJSON *answer; /* to the last call */
};

static inline void
fake_require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fake plane: %s\n", what);
	abort();
}

static inline void
fake_synchronize(void *user)
{
	struct fake_plane *fake = user;

	fake->synchronized++;
	if (fake->on_synchronize != NULL)
		fake->on_synchronize(fake);
}

static inline uint32_t
fake_key_at(const struct fake_plane *fake, const struct fl_vip_key *key)
{
	uint32_t at = 0;

	while (at < fake->key_count && !fl_vip_key_equal(&fake->keys[at], key))
		at++;
	return at;
}

static inline int
fake_vips_add(void *user, const struct fl_vip *records, uint32_t count, const uint64_t lengths[2])
{
	struct fake_plane *fake = user;

	if (fake->vips_add_result < 0)
		return fake->vips_add_result;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = fake_key_at(fake, &records[i].key);

		fake_require(at < sizeof fake->keys / sizeof fake->keys[0],
			     "more records are steered than can be");
		fake->keys[at] = records[i].key;
		fake->key_count += at == fake->key_count;
	}
	memcpy(fake->lengths, lengths, sizeof fake->lengths);
	return 0;
}

static inline void
fake_vips_remove(void *user, const struct fl_vip_key *keys, uint32_t count,
		 const uint64_t lengths[2])
{
	struct fake_plane *fake = user;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = fake_key_at(fake, &keys[i]);

		fake_require(at < fake->key_count, "a record that is not steered was removed");
		fake->keys[at] = fake->keys[--fake->key_count];
	}
	memcpy(fake->lengths, lengths, sizeof fake->lengths);
}

static inline void
fake_verdicts(void *user, uint64_t ret_packets[FL_VERDICT_COUNT])
{
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		ret_packets[i] = i;
}

static inline void
fake_events(void *user, uint64_t ret_events[FL_EVENT_COUNT])
{
	for (uint32_t i = 0; i < FL_EVENT_COUNT; i++)
		ret_events[i] = 100 + i;
}

static inline struct fl_counter
fake_vip_counter(void *user, uint32_t index)
{
	return ((struct fake_plane *)user)->vip_counters[index];
}

static inline struct fl_counter
fake_backend_counter(void *user, uint32_t slot)
{
	return ((struct fake_plane *)user)->backend_counters[slot];
}

static inline void
fake_port_stats(void *user, uint32_t port, struct plane_port_stats *ret_stats)
{
	*ret_stats = (struct plane_port_stats){ .rx_packets = 1 };
}

static inline struct fl_flow_counter
fake_flow_counter(void *user, uint32_t vip_index)
{
	return (struct fl_flow_counter){ 0 };
}

static inline void
fake_core_stats(void *user, uint32_t i, struct plane_core_stats *ret_stats)
{
	*ret_stats = (struct plane_core_stats){ .core = i };
}

static inline void
fake_log(int level, const char *message)
{
}

static inline void
fake_called(struct rpc_call *call)
{
	struct fake_client *client = call->user;

	methods_call(&client->fake->plane, call,
		     (const struct server_client *)(const void *)client);
}

/** Tables are taken from memory that children of the process share. Set before fake_open(). */
static bool fake_is_shared;

static inline void *
fake_take(uint32_t count, size_t size)
{
	size_t bytes = (count * size + 63) / 64 * 64;
	void *memory;

	if (fake_is_shared) {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			      0);
		fake_require(memory != MAP_FAILED, "no memory");
		return memory;
	}
	memory = aligned_alloc(64, bytes);
	fake_require(memory != NULL, "no memory");
	return memset(memory, 0, bytes);
}

static inline void
fake_take_tables(struct fake_plane *fake, const struct plane_limits *limits)
{
	struct plane_tables_size size = plane_tables_size(limits);

	fake->size = size;
	fake->tables = (struct plane_tables){
		.config = fake_take(1, sizeof(struct fl_config)),
		.vip_buckets = fake_take(size.vip_bucket_count, sizeof(struct fl_vip_bucket)),
		.vips = fake_take(size.vip_count, sizeof(struct fl_vip)),
		.backends = fake_take(size.backend_count, sizeof(struct fl_backend)),
		.owners = fake_take(size.owners_count, sizeof(struct fl_owners)),
		.rows = fake_take(size.row_count, sizeof(struct fl_row)),
		.ports = fake_take(FL_PORTS_MAX, sizeof(struct fl_port)),
		.fragments = fake_take(size.fragment_bucket_count, sizeof(struct fl_fragments)),
		.flows = fake_take(size.flow_bucket_count, sizeof(struct fl_flows)),
		.clock = fake_take(1, sizeof(struct fl_clock)),
		.vip_ledger = fake_take(size.vip_count, sizeof(struct plane_ledger)),
		.backend_ledger = fake_take(size.backend_count, sizeof(struct plane_ledger)),
		.generation = fake_take(1, sizeof(uint64_t)),
	};
	fake->tables.config->key = (struct fl_key){ { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	fake->tables.config->vip_bucket_mask = size.vip_bucket_count - 1;
	fake->tables.config->fragment_bucket_mask = size.fragment_bucket_count - 1;
	fake->tables.config->flow_bucket_mask = size.flow_bucket_count - 1;
	fake->vip_counters = calloc(size.vip_count, sizeof(struct fl_counter));
	fake->backend_counters = calloc(size.backend_count, sizeof(struct fl_counter));
	fake_require(fake->vip_counters != NULL && fake->backend_counters != NULL, "no memory");
}

/** The parts of the tables, in one order. */
struct fake_part {
	void *bytes;
	size_t size;
};

enum { FAKE_PARTS = 13 };

static inline void
fake_parts(const struct fake_plane *fake, struct fake_part ret_parts[FAKE_PARTS])
{
	const struct plane_tables *tables = &fake->tables;
	const struct plane_tables_size *size = &fake->size;
	const struct fake_part parts[FAKE_PARTS] = {
		{ tables->config, sizeof *tables->config },
		{ tables->vip_buckets, size->vip_bucket_count * sizeof *tables->vip_buckets },
		{ tables->vips, size->vip_count * sizeof *tables->vips },
		{ tables->backends, size->backend_count * sizeof *tables->backends },
		{ tables->owners, size->owners_count * sizeof *tables->owners },
		{ tables->rows, size->row_count * sizeof *tables->rows },
		{ tables->ports, FL_PORTS_MAX * sizeof *tables->ports },
		{ tables->fragments, size->fragment_bucket_count * sizeof *tables->fragments },
		{ tables->flows, size->flow_bucket_count * sizeof *tables->flows },
		{ tables->clock, sizeof *tables->clock },
		{ tables->vip_ledger, size->vip_count * sizeof *tables->vip_ledger },
		{ tables->backend_ledger, size->backend_count * sizeof *tables->backend_ledger },
		{ tables->generation, sizeof *tables->generation },
	};

	memcpy(ret_parts, parts, sizeof parts);
}

static inline void
fake_set_options(struct fake_plane *fake, const struct plane_limits *limits)
{
	struct plane_options *options = &fake->plane.options;

	fake->port = (struct plane_port){ .name = "port0",
					  .mac = { 2, 0, 0, 0, 0, 1 },
					  .mtu = 1500,
					  .has_gateway = true,
					  .gateway_mac = { 2, 0, 0, 0, 0, 2 } };
	*options = (struct plane_options){
		.name = "fake",
		.kind = "test",
		.limits = *limits,
		.tables = &fake->tables,
		.has_source_ipv4 = true,
		.has_source_ipv6 = true,
		.ports = &fake->port,
		.port_count = 1,
		.icmp_rate = 1000,
		.icmp_burst = 10,
		.engine = { .user = fake,
			    .synchronize = fake_synchronize,
			    .vips_add = fake_vips_add,
			    .vips_remove = fake_vips_remove,
			    .verdicts = fake_verdicts,
			    .events = fake_events,
			    .vip_counter = fake_vip_counter,
			    .backend_counter = fake_backend_counter,
			    .port_stats = fake_port_stats,
			    .flow_counter = fake_flow_counter,
			    .core_stats = fake_core_stats,
			    .core_count = 1 },
		.log = fake_log,
	};
	fake_require(addr_parse("10.9.9.9", &options->source_ipv4) == 0 &&
			     addr_parse("2001:db8:9::9", &options->source_ipv6) == 0,
		     "sources");
}

/** The plane's parts, by its options. @return of state_open(). */
static inline int
fake_open_parts(struct fake_plane *fake)
{
	fake->plane.loop = -1;
	fake_require(nexthops_create(&(struct nexthop_options){ .tables = &fake->tables,
								.ports = &fake->port,
								.port_count = 1,
								.log = fake_log },
				     &fake->plane.nexthops) == 0,
		     "next hops");
	for (uint32_t i = 0; i < FAKE_CLIENTS; i++) {
		fake->clients[i].fake = fake;
		fake_require(rpc_session_create(fake_called, &fake->clients[i],
						&fake->clients[i].session) == 0,
			     "session");
	}
	return state_open(&fake->plane.state, &fake->plane.options, fake->plane.nexthops);
}

/** A plane with one port whose gateway is the way to every backend, and outer sources of both
 * families. */
static inline void
fake_open(struct fake_plane *fake, const struct plane_limits *limits)
{
	*fake = (struct fake_plane){ 0 };
	fake_take_tables(fake, limits);
	fake_set_options(fake, limits);
	fake_require(fake_open_parts(fake) == 0, "state");
}

/**
 * A plane that adopts what the tables of another one hold, copied.
 * @param shape for its limits; it may be another plane, in any state. @param parts its tables.
 * @return of state_adopt(); fake_close() it in any case.
 */
static inline int
fake_adopt(struct fake_plane *fake, const struct fake_plane *shape,
	   const struct fake_part parts[FAKE_PARTS], struct plane_failure *ret_failure)
{
	struct fake_part own[FAKE_PARTS];

	*fake = (struct fake_plane){ 0 };
	fake_take_tables(fake, &shape->plane.options.limits);
	fake_set_options(fake, &shape->plane.options.limits);
	fake_parts(fake, own);
	for (uint32_t i = 0; i < FAKE_PARTS; i++)
		memcpy(own[i].bytes, parts[i].bytes, own[i].size);
	/* the engine steers what is published */
	for (uint32_t i = 0; i < fake->size.vip_bucket_count * 8; i++) {
		uint64_t word = fake->tables.vip_buckets[i / 8].word[i % 8];
		uint32_t record = fl_vip_word_index(word);

		if (word != 0 && record < fake->size.vip_count)
			(void)fake_vips_add(fake, &fake->tables.vips[record], 1,
					    fake->tables.config->lengths);
	}
	fake_require(fake_open_parts(fake) == 0, "state");
	return state_adopt(&fake->plane.state, ret_failure);
}

/** Look up every next hop that waits for it. */
static inline void
fake_settle(struct fake_plane *fake)
{
	while (nexthops_due_ms(fake->plane.nexthops) <= 0)
		nexthops_turn(fake->plane.nexthops, 0);
}

/** The client goes, with what it prepared, and comes back with nothing. */
static inline void
fake_disconnect(struct fake_plane *fake, uint32_t client)
{
	methods_forget(&fake->plane,
		       (const struct server_client *)(const void *)&fake->clients[client]);
}

static inline void
fake_close(struct fake_plane *fake)
{
	struct fake_part parts[FAKE_PARTS];

	cJSON_Delete(fake->answer);
	for (uint32_t i = 0; i < FAKE_CLIENTS; i++) {
		fake_disconnect(fake, i);
		rpc_session_destroy(fake->clients[i].session);
	}
	state_close(&fake->plane.state);
	nexthops_destroy(fake->plane.nexthops);
	fake_parts(fake, parts);
	for (uint32_t i = 0; i < FAKE_PARTS; i++) {
		if (fake_is_shared)
			(void)munmap(parts[i].bytes, parts[i].size);
		else
			free(parts[i].bytes);
	}
	free(fake->vip_counters);
	free(fake->backend_counters);
}

/**
 * Send a request line and take the answer's result, or NULL when it was refused; see fake_error().
 * Borrowed until the next call. @param params JSON with ' for "; NULL: none.
 */
static inline const cJSON *
fake_call_as(struct fake_plane *fake, uint32_t client, const char *method, const char *params)
{
	struct rpc_session *session = fake->clients[client].session;
	static char line[FAKE_LINE_BYTES];
	static struct json_errors errors;
	const char *output;
	size_t size = 0;
	int length;

	errors = (struct json_errors){ 0 };
	length = snprintf(line, sizeof line, "{'jsonrpc':'2.0','id':1,'method':'%s'%s%s}\n", method,
			  params != NULL ? ",'params':" : "", params != NULL ? params : "");
	fake_require(length > 0 && length < (int)sizeof line, "the request is too long");
	for (char *quote = strchr(line, '\''); quote != NULL; quote = strchr(quote, '\''))
		*quote = '"';
	cJSON_Delete(fake->answer);
	fake->answer = NULL;
	if (rpc_session_feed(session, line, (size_t)length, 0) < 0)
		return NULL; /* out of memory, which only a test of that sees */
	output = rpc_session_output(session, &size);
	if (output == NULL || size == 0)
		return NULL;
	if (json_read_answer(output, size - 1, &fake->answer, &errors) < 0)
		fake->answer = NULL;
	rpc_session_sent(session, size);
	return json_get(fake->answer, "result");
}

static inline const cJSON *
fake_call(struct fake_plane *fake, const char *method, const char *params)
{
	return fake_call_as(fake, 0, method, params);
}

/** data.code of the last answer; "" when it was not refused. */
static inline const char *
fake_error(const struct fake_plane *fake)
{
	return json_get_string(json_get(json_get(fake->answer, "error"), "data"), "code", "");
}

/** data.path of the last answer. */
static inline const char *
fake_error_path(const struct fake_plane *fake)
{
	return json_get_string(json_get(json_get(fake->answer, "error"), "data"), "path", "-");
}

/** What the tables hold, to be compared with later. */
struct fake_snapshot {
	size_t size;
	uint8_t *bytes;
};

static inline struct fake_snapshot
fake_snapshot(const struct fake_plane *fake)
{
	struct fake_part parts[FAKE_PARTS + 3];
	struct fake_snapshot snapshot = { 0 };
	uint32_t count = FAKE_PARTS;

	fake_parts(fake, parts);
	parts[count++] = (struct fake_part){ (void *)(uintptr_t)&fake->plane.state.set.generation,
					     sizeof(uint64_t) };
	parts[count++] = (struct fake_part){ (void *)(uintptr_t)&fake->plane.state.set.digest,
					     sizeof(uint64_t) };
	parts[count++] = (struct fake_part){ (void *)(uintptr_t)fake->keys,
					     fake->key_count * sizeof fake->keys[0] };
	for (uint32_t i = 0; i < count; i++)
		snapshot.size += parts[i].size;
	snapshot.bytes = aligned_alloc(64, (snapshot.size + 63) / 64 * 64);
	fake_require(snapshot.bytes != NULL, "no memory");
	snapshot.size = 0;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(snapshot.bytes + snapshot.size, parts[i].bytes, parts[i].size);
		snapshot.size += parts[i].size;
	}
	return snapshot;
}

/** Are the tables what they were? Frees the snapshot. */
static inline bool
fake_is_as(const struct fake_plane *fake, struct fake_snapshot before)
{
	struct fake_snapshot now = fake_snapshot(fake);
	bool same = now.size == before.size && memcmp(now.bytes, before.bytes, now.size) == 0;

	free(now.bytes);
	free(before.bytes);
	return same;
}

/** The address records say what the served VIPs need. @return NULL; or what is wrong. */
static inline const char *
fake_address_fault(const struct fake_plane *fake, const struct state_address *address)
{
	const struct plane_tables *tables = &fake->tables;
	const struct state_set *set = &fake->plane.state.set;
	struct fl_vip_key key = state_address_key(&address->to);
	const struct fl_vip *record = &tables->vips[address->record];
	const struct state_vip *echo = NULL;
	uint32_t listed[2] = { 0 };

	if (plane_vip_find(tables, &key) != address->record)
		return "an address record is not found";
	for (uint32_t p = 0; p < 2; p++)
		if (record->address.pages[p] != address->page_count[p])
			return "an address record has another number of pages";
	for (uint32_t p = 0; p < 2; p++)
		for (uint32_t i = 0; i < address->page_count[p]; i++) {
			key.kind = FL_VIP_PAGE;
			key.ip_proto = p == 0 ? 6 : 17;
			key.port = (uint16_t)i;
			if (plane_vip_find(tables, &key) != address->pages[p][i])
				return "a page is not found";
			listed[p] += tables->vips[address->pages[p][i]].page.count;
		}
	for (uint32_t i = state_first_vip(set, &address->to); i < set->vip_count; i++) {
		const struct state_vip *vip = set->vips[i];

		if (state_compare_prefixes(&vip->endpoint.to, &address->to) != 0)
			break;
		listed[vip->endpoint.protocol == 17] -= endpoint_is_range(&vip->endpoint);
		if (echo == NULL || (vip->endpoint.port == echo->endpoint.port &&
				     vip->endpoint.protocol < echo->endpoint.protocol))
			echo = vip;
	}
	if (echo == NULL || record->address.echo != (uint8_t)echo->policy.icmp_echo ||
	    record->address.echo_port != echo->key.port ||
	    record->address.echo_proto != echo->key.ip_proto ||
	    record->address.echo_kind != echo->key.kind)
		return "an address record has another echo policy, or names another VIP for it";
	return listed[0] != 0 || listed[1] != 0 ? "pages have other ranges than are served" : NULL;
}

/** What the flags of a VIP's record must be. */
static inline uint8_t
fake_flags(const struct state_vip *vip)
{
	bool has_weight = false;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		has_weight = has_weight || vip->backends[i].weight > 0;
	return (uint8_t)((vip->policy.fragments == VIP_FRAGMENTS_DROP ? FL_VIP_FRAGMENTS_DROP : 0) |
			 (vip->policy.no_backend == VIP_NO_BACKEND_HOST && !has_weight
				  ? FL_VIP_TO_HOST
				  : 0));
}

/** @return NULL; or what is wrong. */
static inline const char *
fake_vip_fault(const struct fake_plane *fake, const struct state_vip *vip)
{
	const struct plane_tables *tables = &fake->tables;
	const struct fl_vip *record = &tables->vips[vip->record];
	const struct fl_vip_service *service = &record->service;
	uint32_t rows[1024] = { 0 };

	if (plane_vip_find(tables, &vip->key) != vip->record)
		return "a VIP record is not found";
	if (service->row_count != vip->row_count || service->row_base != vip->row_base ||
	    service->slot_base != vip->slot_base || service->slot_count != vip->slot_count ||
	    service->row_base + service->row_count > fake->size.row_count ||
	    service->slot_base + service->slot_count > fake->size.backend_count ||
	    service->slot_count > 1024 || service->policy != state_policy_byte(&vip->policy))
		return "a VIP record is not what is served";
	if (service->flags != fake_flags(vip) && !vip->is_adopted)
		return "a VIP record has other flags";
	for (uint32_t row = service->row_base; row < service->row_base + service->row_count;
	     row++) {
		uint64_t word = tables->rows[row].word;
		uint32_t cur = fl_row_cur(word);

		if (cur != FL_ROW_NONE && cur >= service->slot_count)
			return "a row names a slot of another VIP";
		if (tables->owners[row / 4].cur[row % 4] != plane_row_owner(word))
			return "a row has another owner in the small table";
		if (fl_row_state(word) == FL_ROW_MOVING &&
		    (fl_row_prev(word) >= service->slot_count ||
		     !(fl_link_flags(
			       tables->backends[service->slot_base + fl_row_prev(word)].link) &
		       FL_LINK_LIVE)))
			return "a row moves away from a slot that is not live";
		if (cur != FL_ROW_NONE)
			rows[cur]++;
	}
	for (uint32_t j = 0; j < vip->backend_count; j++) {
		const struct state_backend *backend = &vip->backends[j];
		const struct fl_backend *slot =
			&tables->backends[vip->slot_base + backend->slot_index];
		struct fl_addr target = fl_encap_target(slot);

		if (rows[backend->slot_index] != backend->rows)
			return "a backend owns another number of rows than is said";
		rows[backend->slot_index] = 0;
		if (!(fl_link_flags(slot->link) & FL_LINK_LIVE) || slot->vip != vip->record ||
		    slot->mode != (uint8_t)vip->policy.mode)
			return "a backend's slot is not live";
		if (slot->weight != backend->weight && !vip->is_adopted)
			return "a slot has another weight";
		if (memcmp(&target, backend->address.bytes, sizeof target) != 0)
			return "a slot sends to another backend";
	}
	for (uint32_t j = 0; j < service->slot_count; j++)
		if (rows[j] != 0)
			return "a row names a slot without backend";
	return NULL;
}

/**
 * Do the tables hang together as the packet cores need it, and do they say what the committed set
 * says? Every published record is a served VIP's, address's or page and the other way round; every
 * row names a live slot of its VIP that sends to a backend which owns as many rows as it is said
 * to.
 * @return NULL; or what is wrong.
 */
static inline const char *
fake_inconsistency(const struct fake_plane *fake)
{
	const struct state_set *set = &fake->plane.state.set;
	const struct plane_tables *tables = &fake->tables;
	uint32_t published = 0, served = set->vip_count + set->address_count;
	uint32_t live = 0, backends = 0, held = 0;
	const char *fault = NULL;

	for (uint32_t i = 0; i < fake->size.vip_bucket_count * 8; i++)
		published += tables->vip_buckets[i / 8].word[i % 8] != 0;
	for (uint32_t i = 0; i < set->address_count; i++)
		served += set->addresses[i].page_count[0] + set->addresses[i].page_count[1];
	if (published != served)
		return "another number of records is published than is served";
	if (fake->plane.change != NULL) /* what is prepared holds its records already */
		held = fake->plane.change->put_count;
	if (fake->plane.state.record_count != fake->size.vip_count - published - held)
		return "another number of records is free than is not published";
	if (memcmp(tables->config->lengths, set->lengths, sizeof set->lengths) != 0)
		return "the prefix lengths are not those of the served VIPs";
	for (uint32_t i = 0; fault == NULL && i < set->address_count; i++)
		fault = fake_address_fault(fake, &set->addresses[i]);
	for (uint32_t i = 0; fault == NULL && i < set->vip_count; i++)
		fault = fake_vip_fault(fake, set->vips[i]);
	for (uint32_t i = 0; i < set->vip_count; i++)
		backends += set->vips[i]->backend_count;
	for (uint32_t slot = 0; slot < fake->size.backend_count; slot++)
		live += (fl_link_flags(tables->backends[slot].link) & FL_LINK_LIVE) != 0;
	if (fault == NULL && live != backends)
		return "another number of slots is live than there are backends";
	return fault;
}

/** Is the length of every published prefix looked for? */
static inline bool
fake_has_length(const struct fake_plane *fake, const struct fl_vip_key *key)
{
	uint64_t lengths = fake->tables.config->lengths[fl_addr_is_ipv4(&key->address) ? 0 : 1];

	while (lengths != 0 && (lengths & 0xff) != key->bits)
		lengths >>= 8;
	return lengths != 0;
}

/**
 * During a commit: is every record that packets find whole, is it steered, and do its rows lead to
 * live slots of its own?
 * @return NULL; or what is wrong.
 */
static inline const char *
fake_unreadable(const struct fake_plane *fake)
{
	const struct plane_tables *tables = &fake->tables;

	for (uint32_t i = 0; i < fake->size.vip_bucket_count * 8; i++) {
		uint64_t word = tables->vip_buckets[i / 8].word[i % 8];
		const struct fl_vip *vip = &tables->vips[fl_vip_word_index(word)];
		const struct fl_vip_service *service = &vip->service;

		if (word == 0)
			continue;
		if (!fake_has_length(fake, &vip->key))
			return "a record is published whose prefix length is not looked for";
		if (fake_key_at(fake, &vip->key) == fake->key_count)
			return "a record is published that is not steered";
		if (vip->key.ip_proto == 0 || vip->key.kind == FL_VIP_PAGE)
			continue;
		for (uint32_t row = service->row_base; row < service->row_base + service->row_count;
		     row++) {
			uint64_t state = tables->rows[row].word;
			uint32_t cur = fl_row_cur(state);
			const struct fl_backend *backend;
			const struct fl_vip *named;

			if (tables->owners[row / 4].cur[row % 4] != plane_row_owner(state))
				return "a row has another owner in the small table";
			if (cur == FL_ROW_NONE)
				continue;
			if (cur >= service->slot_count)
				return "a row names a slot of another VIP";
			backend = &tables->backends[service->slot_base + cur];
			named = &tables->vips[backend->vip];
			if (!(fl_link_flags(backend->link) & FL_LINK_LIVE))
				return "a row names a slot that is not live";
			/* the VIP's record, or one that it takes the place of */
			if (!fl_vip_key_equal(&named->key, &vip->key) ||
			    named->service.slot_base != service->slot_base)
				return "a slot is of another VIP";
			if (backend->header_bytes == 0 && backend->mode != FL_MODE_L2DSR)
				return "a slot has no header";
		}
	}
	return NULL;
}

#endif
