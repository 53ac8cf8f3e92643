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
	int hosts_result;	      /* of vip_is_hosts() */
	uint32_t hosts_told;	      /* how often it was called */
	bool is_hosts;		      /* the last VIP it was told of */
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

static inline int
fake_vip_is_hosts(void *user, const struct fl_vip *record, bool is_hosts)
{
	struct fake_plane *fake = user;

	fake_require(fake_key_at(fake, &record->key) < fake->key_count, "it is not steered");
	fake->hosts_told++;
	if (fake->hosts_result == 0)
		fake->is_hosts = is_hosts;
	return fake->hosts_result;
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
	/* of VIPs that had the record before */
	return (struct fl_flow_counter){ .failed = 5, .evicted = 6, .extended = 7, .raced = 8 };
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
	const struct fl_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	struct plane_tables_size size = plane_tables_size(limits);

	fake->size = size;
#define TAKE(member, count) fake->tables.member = fake_take(count, sizeof *fake->tables.member);
	PLANE_TABLES(TAKE)
#undef TAKE
	plane_tables_set_config(&fake->tables, limits, &key);
	fake->vip_counters = calloc(size.vip_count, sizeof(struct fl_counter));
	fake->backend_counters = calloc(size.backend_count, sizeof(struct fl_counter));
	fake_require(fake->vip_counters != NULL && fake->backend_counters != NULL, "no memory");
}

/** The parts of the tables, in one order. */
struct fake_part {
	void *bytes;
	size_t size;
};

#define NAME(member, count) FAKE_PART_##member,
enum { PLANE_TABLES(NAME) FAKE_PARTS };
#undef NAME

static inline void
fake_parts(const struct fake_plane *fake, struct fake_part ret_parts[FAKE_PARTS])
{
	const struct plane_tables *tables = &fake->tables;
	const struct plane_tables_size size = fake->size;
#define PART(member, count) { tables->member, (count) * sizeof *tables->member },
	const struct fake_part parts[FAKE_PARTS] = { PLANE_TABLES(PART) };
#undef PART

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
			    .vip_is_hosts = fake_vip_is_hosts,
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

#include "fake_check.h"

#endif
