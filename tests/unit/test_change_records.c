/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: whatever sequence of changes is committed, of VIPs of every kind and policy, the tables say
 * exactly what was asked for, at every moment that a packet core could look; ranges are found
 * whatever pages they move to; nothing is left behind.
 *
 * Method: a random walk beside a naive model of the wanted set, checked after each commit and
 * inside each grace period; the ranges of one address, one by one.
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

enum {
	MODEL_VIPS = 8,
	MODEL_HOSTS = 12,
	WALK_CHANGES = 400,
	WALK_BACKENDS = 1024,
	WALK_ROWS = 32768
};

/** What the walk asked for: weight of each backend of each VIP, -1 when it has not got it. */
struct model {
	bool served[MODEL_VIPS];
	uint32_t table_size[MODEL_VIPS];
	int32_t weight[MODEL_VIPS][MODEL_HOSTS];
	struct vip_policy policy[MODEL_VIPS];
};

static const struct model_name {
	const char *text; /* of the endpoint */
	const char *name; /* as members */
	uint32_t address; /* equal in those of one address */
} names[MODEL_VIPS] = {
	{ "192.0.2.1:80/tcp", "'address':'192.0.2.1','port':80,'protocol':'tcp'", 0 },
	{ "192.0.2.1:81/tcp", "'address':'192.0.2.1','port':81,'protocol':'tcp'", 0 },
	{ "192.0.2.1:80/udp", "'address':'192.0.2.1','port':80,'protocol':'udp'", 0 },
	{ "[2001:db8::1]:0/tcp", "'address':'2001:db8::1','port':0,'protocol':'tcp'", 1 },
	{ "198.51.100.0/24:0-99/tcp", "'address':'198.51.100.0/24','port':'0-99','protocol':'tcp'",
	  2 },
	{ "198.51.100.0/24:100-199/tcp",
	  "'address':'198.51.100.0/24','port':'100-199','protocol':'tcp'", 2 },
	{ "198.51.100.0/24:any/tcp", "'address':'198.51.100.0/24','port':'any','protocol':'tcp'",
	  2 },
	{ "198.51.0.0/16:any/udp", "'address':'198.51.0.0/16','port':'any','protocol':'udp'", 3 },
};

static size_t
put_model_vip(char *text, size_t size, const struct model *model, uint32_t port)
{
	const struct vip_policy *policy = &model->policy[port];
	size_t used = (size_t)snprintf(
		text, size,
		"{%s,'mode':'%s','fragments':'%s','icmp_echo':'%s','no_backend':'%s',"
		"'table_size':%u,'backends':[",
		names[port].name, policy_mode_name(policy->mode),
		policy_fragments_name(policy->fragments), policy_icmp_echo_name(policy->icmp_echo),
		policy_no_backend_name(policy->no_backend), model->table_size[port]);
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
	if (random_below(4) == 0) {
		model->policy[port].mode = (enum vip_mode)random_below(3);
		model->policy[port].fragments = (enum vip_fragments)random_below(2);
		model->policy[port].no_backend = (enum vip_no_backend)random_below(2);
	}
	if (!model->served[port])
		for (uint32_t host = 0; host < MODEL_HOSTS; host++)
			model->weight[port][host] = -1;
	for (uint32_t n = 1 + random_below(3); n > 0; n--)
		model->weight[port][random_below(MODEL_HOSTS)] = (int32_t)random_below(6) - 2;
	for (uint32_t host = 0; host < MODEL_HOSTS; host++)
		if (model->weight[port][host] < -1)
			model->weight[port][host] = -1;
	model->policy[port].hold_s = VIP_HOLD_S_DEFAULT;
	model->served[port] = true;
}

static void
put_separator(char *text, size_t *used)
{
	if (text[*used - 1] != '[')
		text[(*used)++] = ',';
}

/** Another echo policy for all VIPs of an address. @return it; UINT32_MAX: of none this time. */
static uint32_t
change_model_echo(struct model *model)
{
	uint32_t address = random_below(12);
	enum vip_icmp_echo echo = (enum vip_icmp_echo)random_below(3);

	for (uint32_t port = 0; port < MODEL_VIPS; port++)
		if (names[port].address == address)
			model->policy[port].icmp_echo = echo;
	return address < 4 ? address : UINT32_MAX;
}

/** Change some VIPs of the model and ask for that. */
static void
walk_change(struct model *model)
{
	static char members[FAKE_LINE_BYTES / 2];
	char removed[1024] = "'remove':[";
	size_t used = (size_t)snprintf(members, sizeof members, "'vips':["), gone = strlen(removed);

	uint32_t echo_address = change_model_echo(model);

	for (uint32_t port = 0; port < MODEL_VIPS; port++) {
		uint32_t what = random_below(10);
		bool must = model->served[port] && names[port].address == echo_address;

		if (what < 3 || (must && what != 4)) {
			change_model_vip(model, port);
			put_separator(members, &used);
			used += put_model_vip(members + used, sizeof members - used, model, port);
		} else if (what == 4 && model->served[port]) {
			model->served[port] = false;
			put_separator(removed, &gone);
			gone += (size_t)snprintf(removed + gone, sizeof removed - gone, "{%s}",
						 names[port].name);
		}
	}
	snprintf(members + used, sizeof members - used, "],%s]", removed);
	apply_only(members);
}

/** The model's number of a VIP. */
static uint32_t
number_of(const struct state_vip *vip)
{
	char text[ADDR_ENDPOINT_TEXT_MAX];

	addr_endpoint_format(&vip->endpoint, text);
	for (uint32_t i = 0; i < MODEL_VIPS; i++)
		if (strcmp(names[i].text, text) == 0)
			return i;
	ck_abort_msg("%s is served", text);
}

static void
check_model(const struct model *model)
{
	uint32_t vips = 0;

	for (uint32_t port = 0; port < MODEL_VIPS; port++)
		vips += model->served[port];
	ck_assert_uint_eq(fake.plane.state.set.vip_count, vips);
	for (uint32_t i = 0; i < vips; i++) {
		const struct state_vip *vip = vip_at(i);
		uint32_t port = number_of(vip), backends = 0;

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
		CHECK(policy_equal(&vip->policy, &model->policy[port]));
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

	fake_open(&other, &(struct plane_limits){ 64, 4096, 65536, FAKE_FRAGMENTS });
	other.tables.config->key.word[0] = 5;
	used = (size_t)snprintf(params, sizeof params, "{'generation':77,'full':true,'vips':[");
	for (uint32_t port = MODEL_VIPS; port-- > 0;) {
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
	const char *fault = fake_unreadable(fake_plane);

	ck_assert_msg(fault == NULL, "during a commit: %s", fault);
	count_packets();
}

/** What each identity counted at the last look; 0 for those that were not there. */
struct seen {
	uint64_t vip[MODEL_VIPS];
	uint64_t backend[MODEL_VIPS][MODEL_HOSTS];
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
		uint32_t port = number_of(vip);

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

START_TEST(test_records_of_a_random_walk_are_as_the_model)
{
	struct model model = { 0 };
	struct seen seen = { 0 };

	fake_open(&fake,
		  &(struct plane_limits){ FAKE_VIPS, WALK_BACKENDS, WALK_ROWS, FAKE_FRAGMENTS });
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
	ck_assert_uint_eq(ranges_free(fake.plane.state.row_ranges), WALK_ROWS);
	ck_assert_uint_eq(ranges_free(fake.plane.state.slot_ranges), WALK_BACKENDS);
	ck_assert_uint_eq(fake.plane.state.record_count, fake.size.vip_count);
	fake_close(&fake);
}
END_TEST

/* --- pages --- */

enum { RANGES = 32 };

/** Is each of the ranges found by a packet that reads the pages in their order? Pages it has read
 * may be of before, those it has not of now. */
static void
check_ranges(const bool *served)
{
	for (uint32_t i = 0; i < RANGES; i++) {
		struct fl_core core = { 0 };
		struct plane_run run = { .tables = &fake.tables, .size = fake.size, .core = &core };
		_Alignas(8)
			uint8_t frame[2 + 64] = { [14] = 8, 0, 0x45, 0, 0, 50, [2 + 22] = 64, 6 };
		const uint8_t addresses[] = { 198, 18, 0, 1, 192, 0, 2, 9, 0, 99 };
		uint16_t port = (uint16_t)(1000 * i + 500);
		struct plane_walk walk;

		memcpy(&frame[2 + 26], addresses, sizeof addresses);
		frame[2 + 36] = (uint8_t)(port >> 8);
		frame[2 + 37] = (uint8_t)port;
		(void)plane_walk(&run, frame + 2, 64, &walk);
		CHECK((walk.verdict == FL_PASS_NO_VIP) == !served[i]);
		CHECK(!served[i] || fl_from_be16(walk.decision.vip->key.port) == 1000 * i);
	}
}

START_TEST(test_records_pages_hold_every_set_of_ranges)
{
	static char members[FAKE_LINE_BYTES / 2];
	bool served[RANGES] = { false };

	fake_open(&fake, &(struct plane_limits){ RANGES, 1024, 2 * RANGES * 251, FAKE_FRAGMENTS });
	for (uint32_t n = 0; n < 100; n++) {
		size_t used = (size_t)snprintf(members, sizeof members, "'full':true,'vips':[");
		uint32_t share = n < 10 ? 100 : random_below(101);

		for (uint32_t i = 0; i < RANGES; i++) {
			served[i] = n % 3 == 0 ? random_below(100) < share
					       : served[i] != (random_below(8) == 0);
			if (!served[i])
				continue;
			put_separator(members, &used);
			used += (size_t)snprintf(
				members + used, sizeof members - used,
				"{'address':'192.0.2.9','port':'%u-%u','protocol':'tcp',"
				"'table_size':251,'backends':[]}",
				1000 * i, 1000 * i + 999);
		}
		snprintf(members + used, sizeof members - used, "]");
		apply_only(members);
		check_ranges(served);
	}
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_records_of_a_random_walk_are_as_the_model,
				       test_records_pages_hold_every_set_of_ranges, NULL };

	return run_tests("change_records", tests);
}
