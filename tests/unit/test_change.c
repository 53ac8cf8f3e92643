/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: whatever sequence of changes is committed, the tables say exactly what was asked for, at
 * every moment that a packet core could look; slots stay; what moves is counted right; nothing is
 * left behind.
 *
 * Method: the plane's own methods on a fake engine. Hand-made transitions; a random
 * walk beside a naive model of the wanted set, checked after each commit and inside each grace
 * period.
 */
#include "fake_plane.h"
#include "run.h"

static struct fake_plane fake;
static uint64_t generation;
static uint32_t random_state = 99;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

/** During a commit: every record that packets find is whole, and its rows lead to live slots of its
 * own. */
static void
check_readable(struct fake_plane *fake_plane)
{
	const struct plane_tables *tables = &fake_plane->tables;

	for (uint32_t i = 0; i < fake_plane->size.vip_bucket_count * 8; i++) {
		uint64_t word = tables->vip_buckets[i / 8].word[i % 8];
		const struct fl_vip *vip = &tables->vips[fl_vip_word_index(word)];

		if (word == 0 || vip->key.ip_proto == 0 || vip->key.kind == FL_VIP_PAGE)
			continue;
		for (uint32_t row = 0; row < vip->service.row_count; row++) {
			uint32_t at = vip->service.row_base + row;
			uint32_t cur = fl_row_cur(tables->rows[at].word);
			const struct fl_backend *backend;
			const struct fl_vip *named;

			CHECK(tables->owners[at / 4].cur[at % 4] == cur);
			if (cur == FL_ROW_NONE)
				continue;
			CHECK(cur < vip->service.slot_count);
			backend = &tables->backends[vip->service.slot_base + cur];
			named = &tables->vips[backend->vip];
			CHECK(fl_link_flags(backend->link) & FL_LINK_LIVE);
			/* the VIP's record, or one that it takes the place of */
			CHECK(fl_vip_key_equal(&named->key, &vip->key));
			CHECK(named->service.slot_base == vip->service.slot_base);
			CHECK(backend->header_bytes != 0 || backend->mode == FL_MODE_L2DSR);
		}
	}
}

static void
open_plane(uint32_t vips, uint32_t backends, uint32_t rows)
{
	generation = 0;
	fake_open(&fake, &(struct plane_limits){ vips, backends, rows });
	fake.on_synchronize = check_readable;
}

/** Prepare and commit the next generation. @param members of params after the generation. @return
 * the answer to prepare, copied. */
static cJSON *
apply(const char *members)
{
	static char params[FAKE_LINE_BYTES];
	char expected[PLANE_DIGEST_TEXT_BYTES], number[64];
	const cJSON *result;
	cJSON *prepared;

	snprintf(params, sizeof params, "{'generation':%llu,%s}", (unsigned long long)++generation,
		 members);
	result = fake_call(&fake, "plane.prepare", params);
	ck_assert_msg(result != NULL, "refused: %s %s", fake_error(&fake), fake_error_path(&fake));
	prepared = cJSON_Duplicate(result, true);
	snprintf(expected, sizeof expected, "%s", json_get_string(result, "digest", ""));
	snprintf(number, sizeof number, "{'generation':%llu}", (unsigned long long)generation);
	result = fake_call(&fake, "plane.commit", number);
	ck_assert_ptr_nonnull(result);
	ck_assert_str_eq(json_get_string(result, "digest", ""), expected);
	ck_assert_uint_eq(fake.plane.state.set.generation, generation);
	ck_assert_ptr_null(fake_inconsistency(&fake));
	fake_settle(&fake);
	return prepared;
}

static void
apply_only(const char *members)
{
	cJSON_Delete(apply(members));
}

#define VIP(port, size, backends)                                                      \
	"{'address':'192.0.2.1','port':" #port ",'protocol':'tcp','table_size':" #size \
	",'backends':[" backends "]}"
#define BACKEND(host, weight) "{'address':'10.0.0." #host "','weight':" #weight "}"

static const struct state_vip *
vip_at(uint32_t i)
{
	ck_assert_uint_lt(i, fake.plane.state.set.vip_count);
	return fake.plane.state.set.vips[i];
}

static const struct state_backend *
backend_of(const struct state_vip *vip, const char *text)
{
	struct addr address;

	ck_assert_int_eq(addr_parse(text, &address), 0);
	return state_find_backend(vip, &address);
}

static int64_t
member(const cJSON *prepared, const char *name)
{
	return json_get_integer(cJSON_GetArrayItem(json_get(prepared, "vips"), 0), name, -1);
}

/* --- transitions --- */

START_TEST(test_change_in_place_keeps_slots)
{
	uint32_t slot, record, row_base;
	cJSON *prepared;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 5) "," BACKEND(2, 5) "," BACKEND(3, 5)) "]");
	slot = backend_of(vip_at(0), "10.0.0.3")->slot_index;
	record = vip_at(0)->record;
	row_base = vip_at(0)->row_base;
	ck_assert_uint_ge(vip_at(0)->slot_count, 2 * 3 + 8);

	prepared = apply(
		"'vips':[" VIP(80, 251, BACKEND(3, 5) "," BACKEND(2, 5) "," BACKEND(4, 5)) "]");
	ck_assert_uint_eq(backend_of(vip_at(0), "10.0.0.3")->slot_index, slot);
	ck_assert_uint_eq(vip_at(0)->record, record);
	ck_assert_uint_eq(vip_at(0)->row_base, row_base);
	/* the one that left gave no slot to the one that came: its packets may be on their way */
	ck_assert_uint_ge(backend_of(vip_at(0), "10.0.0.4")->slot_index, 3);
	/* a third changes hands, and some more, but not all */
	ck_assert_int_ge(member(prepared, "rows_minimum"), 80);
	ck_assert_int_le(member(prepared, "rows_minimum"), member(prepared, "rows_moved"));
	ck_assert_int_le(member(prepared, "rows_moved"), 251 * 2 / 3);
	cJSON_Delete(prepared);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_that_does_not_fit_is_a_new_incarnation)
{
	uint32_t record, i;
	char many[4096] = "'vips':[{'address':'192.0.2.1','port':80,'protocol':'tcp',"
			  "'table_size':251,'backends':[";

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 5) "," BACKEND(2, 5)) "]");
	record = vip_at(0)->record;
	apply_only("'vips':[" VIP(80, 509, BACKEND(1, 5) "," BACKEND(2, 5)) "]");
	ck_assert_uint_ne(vip_at(0)->record, record);
	ck_assert_uint_eq(vip_at(0)->row_count, 509);
	/* the ranges of the first incarnation are free again */
	ck_assert_uint_eq(ranges_free(fake.plane.state.rows), FAKE_ROWS - 509);
	ck_assert_uint_eq(ranges_free(fake.plane.state.slots),
			  FAKE_BACKENDS - vip_at(0)->slot_count);

	/* more new ones than spare slots */
	record = vip_at(0)->record;
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 5) "," BACKEND(2, 5)) "]");
	record = vip_at(0)->record;
	for (i = 1; i <= 25; i++) {
		size_t size = strlen(many);

		snprintf(many + size, sizeof many - size, "%s{'address':'10.0.0.%u','weight':1}",
			 i > 1 ? "," : "", i);
	}
	i = (uint32_t)strlen(many);
	snprintf(many + i, sizeof many - i, "]}]");
	apply_only(many);
	ck_assert_uint_ne(vip_at(0)->record, record);
	ck_assert_uint_eq(vip_at(0)->backend_count, 25);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_counts_what_moves)
{
	cJSON *prepared;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 1)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 251);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 251);
	cJSON_Delete(prepared);
	/* weights that mean the same move nothing */
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 7)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 0);
	cJSON_Delete(prepared);
	/* all rows of the one that is drained go to the new one */
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 0) "," BACKEND(2, 1)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 251);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 251);
	ck_assert_uint_eq(backend_of(vip_at(0), "10.0.0.1")->rows, 0);
	cJSON_Delete(prepared);
	/* a table of another size with the same owners: flows stay where the hash says the same */
	prepared = apply("'vips':[" VIP(80, 509, BACKEND(1, 0) "," BACKEND(2, 1)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 0);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 0);
	cJSON_Delete(prepared);
	/* nobody left */
	prepared = apply("'vips':[" VIP(80, 509, BACKEND(2, 0)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 509);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 509);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(prepared, "warnings")), 1);
	cJSON_Delete(prepared);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_full_removes_what_it_does_not_name)
{
	cJSON *prepared;
	const cJSON *vips;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1)) "," VIP(81, 251, BACKEND(1, 1)) "," VIP(
		82, 251, BACKEND(1, 1)) "]");
	prepared = apply("'full':true,'vips':[" VIP(81, 251, BACKEND(1, 1)) "," VIP(
		79, 251, BACKEND(1, 1)) "]");
	vips = json_get(prepared, "vips");
	ck_assert_int_eq(cJSON_GetArraySize(vips), 4);
	for (int i = 0; i < 4; i++) {
		const cJSON *vip = cJSON_GetArrayItem(vips, i);
		static const char *const expected[] = { "added", "removed", "same", "removed" };

		ck_assert_int_eq(json_get_integer(vip, "port", 0), 79 + i);
		ck_assert_str_eq(json_get_string(vip, "change", ""), expected[i]);
	}
	cJSON_Delete(prepared);
	ck_assert_uint_eq(fake.plane.state.set.vip_count, 2);
	ck_assert_uint_eq(fake.key_count, 3); /* and their address */
	apply_only("'full':true");
	ck_assert_uint_eq(fake.plane.state.set.vip_count, 0);
	ck_assert_uint_eq(fake.key_count, 0);
	ck_assert_uint_eq(fake.plane.state.set.digest, 0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_swaps_all_vips_at_the_limit)
{
	/* room for one VIP, twice: the old one serves until the new one does */
	open_plane(1, 64, 502);
	for (uint32_t i = 0; i < 20; i++) {
		char members[256];

		snprintf(members, sizeof members,
			 "'full':true,'vips':[{'address':'192.0.2.%u','port':80,'protocol':'tcp',"
			 "'table_size':251,'backends':[{'address':'10.0.0.1','weight':1}]}]",
			 1 + i);
		apply_only(members);
	}
	ck_assert_uint_eq(fake.plane.state.record_count, fake.size.vip_count - 2);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_fails_whole_with_the_engine)
{
	struct fake_snapshot before;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1)) "]");
	before = fake_snapshot(&fake);
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':2,'full':true,'vips':[" VIP(81, 251, BACKEND(2, 1)) "]}"));
	fake.vips_add_result = -ENOSPC;
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':2}"));
	ck_assert_str_eq(fake_error(&fake), "internal");
	ck_assert(fake_is_as(&fake, before));
	/* nothing is prepared any more, and all that was reserved is back */
	fake.vips_add_result = 0;
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':2}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	ck_assert_uint_eq(ranges_free(fake.plane.state.rows), FAKE_ROWS - 251);
	fake_close(&fake);
}
END_TEST

/* --- a random walk --- */

enum { MODEL_PORTS = 4, MODEL_HOSTS = 12, WALK_CHANGES = 400 };

/** What the walk asked for: weight of each backend of each VIP, -1 when it has not got it. */
struct model {
	bool served[MODEL_PORTS];
	uint32_t table_size[MODEL_PORTS];
	int32_t weight[MODEL_PORTS][MODEL_HOSTS];
};

static size_t
put_model_vip(char *text, size_t size, const struct model *model, uint32_t port)
{
	bool ipv6 = port == 3;
	size_t used = (size_t)snprintf(
		text, size,
		"{'address':'%s','port':%u,'protocol':'%s','table_size':%u,'backends':[",
		ipv6 ? "2001:db8::1" : "192.0.2.1", 80 + port, port == 2 ? "udp" : "tcp",
		model->table_size[port]);
	bool first = true;

	for (uint32_t host = 0; host < MODEL_HOSTS; host++) {
		if (model->weight[port][host] < 0)
			continue;
		used += (size_t)snprintf(text + used, size - used,
					 "%s{'address':'%s%u','weight':%d}", first ? "" : ",",
					 host % 3 == 0 ? "2001:db8:1::" : "10.0.0.", host + 1,
					 model->weight[port][host]);
		first = false;
	}
	return used + (size_t)snprintf(text + used, size - used, "]}");
}

static void
change_model_vip(struct model *model, uint32_t port)
{
	static const uint32_t sizes[] = { 251, 251, 251, 509, 1021 };

	if (!model->served[port] || random_below(8) == 0)
		model->table_size[port] = sizes[random_below(5)];
	if (!model->served[port])
		for (uint32_t host = 0; host < MODEL_HOSTS; host++)
			model->weight[port][host] = -1;
	for (uint32_t n = 1 + random_below(3); n > 0; n--)
		model->weight[port][random_below(MODEL_HOSTS)] = (int32_t)random_below(6) - 2;
	for (uint32_t host = 0; host < MODEL_HOSTS; host++)
		if (model->weight[port][host] < -1)
			model->weight[port][host] = -1;
	model->served[port] = true;
}

static void
put_separator(char *text, size_t *used)
{
	if (text[*used - 1] != '[')
		text[(*used)++] = ',';
}

/** Change some VIPs of the model and ask for that. */
static void
walk_change(struct model *model)
{
	static char members[FAKE_LINE_BYTES / 2];
	char removed[1024] = "'remove':[";
	size_t used = (size_t)snprintf(members, sizeof members, "'vips':["), gone = strlen(removed);

	for (uint32_t port = 0; port < MODEL_PORTS; port++) {
		uint32_t what = random_below(10);

		if (what < 4) {
			change_model_vip(model, port);
			put_separator(members, &used);
			used += put_model_vip(members + used, sizeof members - used, model, port);
		} else if (what == 4 && model->served[port]) {
			model->served[port] = false;
			put_separator(removed, &gone);
			gone += (size_t)snprintf(removed + gone, sizeof removed - gone,
						 "{'address':'%s','port':%u,'protocol':'%s'}",
						 port == 3 ? "2001:db8::1" : "192.0.2.1", 80 + port,
						 port == 2 ? "udp" : "tcp");
		}
	}
	snprintf(members + used, sizeof members - used, "],%s]", removed);
	apply_only(members);
}

static void
check_model(const struct model *model)
{
	uint32_t vips = 0;

	for (uint32_t port = 0; port < MODEL_PORTS; port++)
		vips += model->served[port];
	ck_assert_uint_eq(fake.plane.state.set.vip_count, vips);
	for (uint32_t i = 0; i < vips; i++) {
		const struct state_vip *vip = vip_at(i);
		uint32_t port = vip->endpoint.port - 80u, backends = 0;

		for (uint32_t host = 0; host < MODEL_HOSTS; host++) {
			char text[64];
			const struct state_backend *backend;

			snprintf(text, sizeof text, "%s%u",
				 host % 3 == 0 ? "2001:db8:1::" : "10.0.0.", host + 1);
			backend = backend_of(vip, text);
			CHECK((backend != NULL) == (model->weight[port][host] >= 0));
			if (backend == NULL)
				continue;
			backends++;
			CHECK(backend->weight == model->weight[port][host]);
			CHECK((backend->rows == 0) == (backend->weight == 0));
		}
		CHECK(vip->backend_count == backends);
	}
}

/** The digest of a plane that was given the state at once, in another order, with another key. */
static uint64_t
digest_of(const struct model *model)
{
	static struct fake_plane other;
	static char params[FAKE_LINE_BYTES / 2];
	uint64_t digest;
	size_t used;

	fake_open(&other, &(struct plane_limits){ 64, 4096, 65536 });
	other.tables.config->key.word[0] = 5;
	used = (size_t)snprintf(params, sizeof params, "{'generation':77,'full':true,'vips':[");
	for (uint32_t port = MODEL_PORTS; port-- > 0;) {
		if (!model->served[port])
			continue;
		put_separator(params, &used);
		used += put_model_vip(params + used, sizeof params - used, model, port);
	}
	snprintf(params + used, sizeof params - used, "]}");
	ck_assert_ptr_nonnull(fake_call(&other, "plane.prepare", params));
	ck_assert_ptr_nonnull(fake_call(&other, "plane.commit", "{'generation':77}"));
	digest = other.plane.state.set.digest;
	fake_close(&other);
	return digest;
}

/** Packets are counted somewhere: on the counters of random records and slots. */
static void
count_packets(void)
{
	for (uint32_t n = 0; n < 40; n++) {
		struct fl_counter *counter =
			n % 2 == 0 ? &fake.vip_counters[random_below(fake.size.vip_count)]
				   : &fake.backend_counters[random_below(fake.size.backend_count)];

		counter->packets += random_below(100);
		counter->bytes += random_below(10000);
	}
}

static void
count_and_check_readable(struct fake_plane *fake_plane)
{
	check_readable(fake_plane);
	count_packets();
}

/** What each identity counted at the last look; 0 for those that were not there. */
struct seen {
	uint64_t vip[MODEL_PORTS];
	uint64_t backend[MODEL_PORTS][MODEL_HOSTS];
};

static uint32_t
host_of(const struct state_backend *backend)
{
	char text[ADDR_TEXT_MAX];

	addr_format(&backend->address, text);
	return (uint32_t)strtoul(strrchr(text, addr_is_ipv4(&backend->address) ? '.' : ':') + 1,
				 NULL, 10) -
	       1;
}

static void
check_monotonic(struct seen *seen)
{
	struct seen now = { 0 };

	for (uint32_t i = 0; i < fake.plane.state.set.vip_count; i++) {
		const struct state_vip *vip = vip_at(i);
		uint32_t port = vip->endpoint.port - 80u;

		now.vip[port] = state_vip_count(&fake.plane.state, vip).packets;
		CHECK(now.vip[port] >= seen->vip[port] && now.vip[port] < 1u << 30);
		for (uint32_t j = 0; j < vip->backend_count; j++) {
			uint32_t host = host_of(&vip->backends[j]) % MODEL_HOSTS;
			uint64_t count =
				state_backend_count(&fake.plane.state, vip, &vip->backends[j])
					.packets;

			CHECK(count >= seen->backend[port][host] && count < 1u << 30);
			now.backend[port][host] = count;
		}
	}
	*seen = now;
}

START_TEST(test_change_random_walk_is_as_the_model)
{
	struct model model = { 0 };
	struct seen seen = { 0 };

	open_plane(FAKE_VIPS, FAKE_BACKENDS, 8192);
	fake.on_synchronize = count_and_check_readable;
	for (uint32_t i = 0; i < WALK_CHANGES; i++) {
		walk_change(&model);
		check_model(&model);
		check_monotonic(&seen);
		count_packets();
		check_monotonic(&seen);
		if (i % 10 == 0)
			ck_assert_uint_eq(fake.plane.state.set.digest, digest_of(&model));
	}
	apply_only("'full':true");
	/* nothing leaked from any arena */
	ck_assert_uint_eq(ranges_free(fake.plane.state.rows), 8192);
	ck_assert_uint_eq(ranges_free(fake.plane.state.slots), FAKE_BACKENDS);
	ck_assert_uint_eq(fake.plane.state.record_count, fake.size.vip_count);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_counts_go_on_through_a_new_incarnation)
{
	const struct state_vip *vip;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]");
	vip = vip_at(0);
	fake.vip_counters[vip->record].packets += 1000;
	fake.backend_counters[vip->slot_base + backend_of(vip, "10.0.0.2")->slot_index].packets +=
		300;
	apply_only("'vips':[" VIP(80, 509, BACKEND(2, 1) "," BACKEND(3, 1)) "]");
	vip = vip_at(0);
	fake.vip_counters[vip->record].packets += 24;
	fake.backend_counters[vip->slot_base + backend_of(vip, "10.0.0.2")->slot_index].packets +=
		33;
	ck_assert_uint_eq(state_vip_count(&fake.plane.state, vip).packets, 1024);
	ck_assert_uint_eq(
		state_backend_count(&fake.plane.state, vip, backend_of(vip, "10.0.0.2")).packets,
		333);
	/* in the slot of another one before: from nothing */
	ck_assert_uint_eq(
		state_backend_count(&fake.plane.state, vip, backend_of(vip, "10.0.0.3")).packets,
		0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_counts_start_anew_in_a_used_slot)
{
	uint32_t slot;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]");
	slot = backend_of(vip_at(0), "10.0.0.2")->slot_index;
	fake.backend_counters[vip_at(0)->slot_base + slot].packets += 300;
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1)) "]");
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(3, 1)) "]");
	ck_assert_uint_eq(backend_of(vip_at(0), "10.0.0.3")->slot_index, slot);
	ck_assert_uint_eq(
		state_backend_count(&fake.plane.state, vip_at(0), backend_of(vip_at(0), "10.0.0.3"))
			.packets,
		0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_digest_differs_when_the_state_does)
{
	static const char *const states[] = {
		"'vips':[" VIP(80, 251, BACKEND(1, 1)) "]",
		"'vips':[" VIP(80, 251, BACKEND(2, 1)) "]",
		"'vips':[" VIP(80, 509, BACKEND(1, 1)) "]",
		"'vips':[" VIP(81, 251, BACKEND(1, 1)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 2)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 0)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 1)) "," VIP(81, 251, BACKEND(1, 1)) "]",
		"'vips':[]",
	};
	enum { STATES = sizeof states / sizeof states[0] };
	uint64_t digests[STATES];

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	for (uint32_t i = 0; i < STATES; i++) {
		char members[1024];

		snprintf(members, sizeof members, "'full':true,%s", states[i]);
		apply_only(members);
		digests[i] = fake.plane.state.set.digest;
		for (uint32_t j = 0; j < i; j++)
			ck_assert_uint_ne(digests[i], digests[j]);
	}
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_change_in_place_keeps_slots,
				       test_change_that_does_not_fit_is_a_new_incarnation,
				       test_change_counts_what_moves,
				       test_change_full_removes_what_it_does_not_name,
				       test_change_swaps_all_vips_at_the_limit,
				       test_change_fails_whole_with_the_engine,
				       test_change_random_walk_is_as_the_model,
				       test_change_counts_go_on_through_a_new_incarnation,
				       test_change_counts_start_anew_in_a_used_slot,
				       test_change_digest_differs_when_the_state_does,
				       NULL };

	return run_tests("change", tests);
}
