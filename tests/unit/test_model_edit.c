/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a backend that serves is never simply gone, a ramp goes where it must and ends there, and
 * what was set while running outlives a new configuration. Method: small states, edited step by
 * step.
 */
#include "config_text.h"
#include "model.h"

#include <errno.h>

#define B1 "{\"address\":\"198.51.100.7\",\"name\":\"b1\"}"
#define B2 "{\"address\":\"198.51.100.8\",\"name\":\"b2\",\"weight\":50}"
#define WEB_WITHOUT_WINDOW(backends)                                                    \
	"{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"udp\"," \
	"\"backends\":[" backends "]}"

static struct json_errors errors;

/* A state that planes were given. */
static struct config *
served(const char *text)
{
	struct config *config = config_text_good(text);

	for (uint32_t i = 0; i < config->vip_count; i++) {
		for (uint32_t j = 0; j < config->vips[i].backend_count; j++)
			config->vips[i].backends[j].served = true;
	}
	return config;
}

static int
edit(struct config **config, const struct model_edit *edit)
{
	struct config *to = NULL;
	int r;

	errors.count = errors.dropped = 0;
	r = model_edit(*config, edit, &to, &errors);
	if (r == 0) {
		config_destroy(*config);
		*config = to;
	}
	return r;
}

/* The state after a new configuration; frees the one before. @return how many sentences. */
static int
carry(struct config **config, const char *text)
{
	struct config *to = config_text_good(text);
	cJSON *kept = cJSON_CreateArray();
	int count;

	ck_assert_int_eq(model_carry(*config, to, &(struct model_notes){ kept, kept }), 0);
	count = cJSON_GetArraySize(kept);
	cJSON_Delete(kept);
	config_destroy(*config);
	*config = to;
	return count;
}

/* The one sentence about a new configuration, of what it cuts; NULL: none. */
static void
expect_said(struct config *from, const char *text, const char *words)
{
	struct config *to = config_text_good(text);
	struct model_notes notes = { cJSON_CreateArray(), cJSON_CreateArray() };

	ck_assert_int_eq(model_carry(from, to, &notes), 0);
	ck_assert_int_eq(cJSON_GetArraySize(notes.kept), 0);
	ck_assert_int_eq(cJSON_GetArraySize(notes.cuts), words != NULL);
	if (words != NULL)
		CHECK(strstr(notes.cuts->child->valuestring, words) != NULL);
	cJSON_Delete(notes.kept);
	cJSON_Delete(notes.cuts);
	config_destroy(to);
}

static int
check_cuts(const struct config *from, const char *text)
{
	struct config *to = config_text_good(text);
	int r;

	errors.count = errors.dropped = 0;
	r = model_check_cuts(from, to, &errors);
	config_destroy(to);
	return r;
}

static uint32_t
pushed(const struct config_vip *vip)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		count += model_is_pushed(&vip->backends[i]);
	return count;
}

START_TEST(test_model_edit_carry_keeps_what_leaves)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));
	const struct config_backend *gone;

	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B1))), 0);
	gone = &config->vips[0].backends[1];
	ck_assert_uint_eq(config->vips[0].backend_count, 2);
	ck_assert_int_eq(gone->removal, CONFIG_LEAVING);
	ck_assert(gone->unlisted);
	ck_assert_uint_eq(model_weight(gone), 0);
	ck_assert_str_eq(gone->name, "b2");
	/* It goes on leaving through another configuration, and stays in one that has it. */
	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B1))), 0);
	ck_assert_int_eq(config->vips[0].backends[1].removal, CONFIG_LEAVING);
	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B2 "," B1))), 0);
	ck_assert_uint_eq(config->vips[0].backend_count, 2);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[0]), 50);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_carry_cuts_what_need_not_wait)
{
	struct config *config = config_text_good(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));

	(void)carry(&config, CONFIG_TEXT(CONFIG_WEB(B1))); /* no plane was given it */
	ck_assert_uint_eq(config->vips[0].backend_count, 1);
	config_destroy(config);

	config = served(CONFIG_TEXT(WEB_WITHOUT_WINDOW(B1 "," B2)));
	(void)carry(&config, CONFIG_TEXT(WEB_WITHOUT_WINDOW(B1)));
	ck_assert_uint_eq(config->vips[0].backend_count, 1);
	config_destroy(config);

	/* Its address is a VIP's now, and a VIP that goes is told. */
	config = served(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));
	(void)carry(&config, CONFIG_TEXT(CONFIG_WEB(B1) ",{\"address\":\"198.51.100.8\","
							"\"port\":1,\"protocol\":\"tcp\","
							"\"backends\":[" B1 "]}"));
	ck_assert_uint_eq(config->vips[0].backend_count, 1);
	ck_assert_int_eq(carry(&config, CONFIG_TEXT("")), 2);
	config_destroy(config);
}
END_TEST

#define WEB_OF(size, protocol, backends)                                                           \
	CONFIG_TEXT(                                                                               \
		"{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"" protocol \
		"\",\"table_size\":" size ",\"backends\":[" backends "]}")

START_TEST(test_model_edit_another_table_is_told_and_refused)
{
	struct config *config = config_text_good(WEB_OF("251", "tcp", B1));

	/* Planes do not have it yet. */
	expect_said(config, WEB_OF("509", "tcp", B1), NULL);
	ck_assert_int_eq(check_cuts(config, WEB_OF("509", "tcp", B1)), 0);
	config_destroy(config);
	config = served(WEB_OF("251", "tcp", B1));
	expect_said(config, WEB_OF("251", "tcp", B1), NULL);
	expect_said(config, WEB_OF("509", "tcp", B1), "web: table_size 251 -> 509 is another");
	ck_assert_int_eq(check_cuts(config, WEB_OF("251", "tcp", B1)), 0);
	ck_assert_int_eq(check_cuts(config, WEB_OF("509", "tcp", B1)), -EPERM);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].code, "cuts_connections");
	config_destroy(config);
	/* Its flows follow the rows at any change. */
	config = served(WEB_OF("251", "udp", B1));
	expect_said(config, WEB_OF("509", "udp", B1), NULL);
	ck_assert_int_eq(check_cuts(config, WEB_OF("509", "udp", B1)), 0);
	config_destroy(config);
}
END_TEST

#define DNS_OF_B1                                                                       \
	"{\"name\":\"dns\",\"address\":\"192.0.2.2\",\"port\":53,\"protocol\":\"udp\"," \
	"\"backends\":[" B1 "]}"

START_TEST(test_model_edit_nothing_left_to_serve_is_refused)
{
	struct config *config = config_text_good(CONFIG_TEXT(CONFIG_WEB(B1) "," DNS_OF_B1));

	/* No plane has it yet. */
	ck_assert_int_eq(check_cuts(config, CONFIG_TEXT("")), 0);
	config_destroy(config);
	config = served(CONFIG_TEXT(CONFIG_WEB(B1) "," DNS_OF_B1));
	/* One that goes is told, not refused. */
	ck_assert_int_eq(check_cuts(config, CONFIG_TEXT(DNS_OF_B1)), 0);
	ck_assert_int_eq(check_cuts(config, CONFIG_TEXT("")), -EPERM);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].code, "cuts_connections");
	CHECK(strstr(errors.items[0].message, "no VIP: web and 1 more would be") != NULL);
	config_destroy(config);
	/* Also where flows are not tracked. */
	config = served(CONFIG_TEXT(DNS_OF_B1));
	ck_assert_int_eq(check_cuts(config, CONFIG_TEXT("")), -EPERM);
	CHECK(strstr(errors.items[0].message, "no VIP: dns would be") != NULL);
	config_destroy(config);
	config = config_text_good(CONFIG_TEXT(""));
	ck_assert_int_eq(check_cuts(config, CONFIG_TEXT("")), 0);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_backends_without_room_to_leave_are_told)
{
	struct config *config = served(WEB_OF("251", "tcp", B1 "," B2));
	struct config *to = config_text_good(WEB_OF("251", "tcp", B1));
	cJSON *kept = cJSON_CreateArray();

	expect_said(config, WEB_OF("251", "tcp", B1), NULL);
	to->vips[0].table_size = 2 * CONTROL_ROWS_PER_BACKEND_MIN - 1;
	config->vips[0].table_size = to->vips[0].table_size;
	ck_assert_int_eq(model_carry(config, to, &(struct model_notes){ NULL, kept }), 0);
	ck_assert_uint_eq(to->vips[0].backend_count, 1);
	ck_assert_int_eq(cJSON_GetArraySize(kept), 1);
	CHECK(strstr(kept->child->valuestring, "web: backend b2: removed at once") != NULL);
	cJSON_Delete(kept);
	config_destroy(to);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_leaving_ones_fit_the_table)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1)));
	struct config_vip *vip = &config->vips[0];
	struct config_backend backend = { .served = true };

	vip->table_size = 251;
	for (uint32_t i = 0; i < 40; i++) {
		CHECK(addr_parse("10.0.0.1", &backend.address) == 0);
		backend.address.bytes[15] = (uint8_t)i;
		ck_assert_int_eq(model_add_leaving(config, vip, &backend), 0);
	}
	ck_assert_uint_eq(vip->backend_count, 251 / CONTROL_ROWS_PER_BACKEND_MIN);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_remove_drop_and_undrain)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));
	struct model_edit remove = { .kind = MODEL_REMOVE, .backend = "b2" };
	struct model_edit drop = { .kind = MODEL_DROP, .vip = "web", .drained_count = 2 };
	struct addr drained[2];

	memcpy(drained,
	       (struct addr[]){ config->vips[0].backends[0].address,
				config->vips[0].backends[1].address },
	       sizeof drained);
	drop.drained = drained;
	ck_assert_int_eq(edit(&config, &remove), 0);
	ck_assert_int_eq(config->vips[0].backends[1].removal, CONFIG_LEAVING);
	/* Nobody may give a weight to what goes. */
	ck_assert_int_eq(
		edit(&config,
		     &(struct model_edit){ .kind = MODEL_WEIGHT, .backend = "b2", .weight = 9 }),
		-EINVAL);
	/* Only what is leaving is dropped, and what the file has is remembered. */
	ck_assert_int_eq(edit(&config, &drop), 0);
	ck_assert_uint_eq(config->vips[0].backend_count, 2);
	ck_assert_uint_eq(pushed(&config->vips[0]), 1);
	ck_assert_int_eq(config->vips[0].backends[0].removal, CONFIG_STAYS);
	ck_assert_int_eq(edit(&config, &remove), -ENOENT);
	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B1 "," B2))), 1);
	ck_assert_uint_eq(pushed(&config->vips[0]), 1);
	ck_assert_int_eq(
		edit(&config, &(struct model_edit){ .kind = MODEL_UNDRAIN, .backend = "b2" }), 0);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 50);
	/* What no file has is not. */
	(void)carry(&config, CONFIG_TEXT(CONFIG_WEB(B1)));
	config->vips[0].backends[1].served = true;
	ck_assert_int_eq(edit(&config, &drop), 0);
	ck_assert_uint_eq(config->vips[0].backend_count, 1 + 0u);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_last_backend_counts_what_leaves)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));
	struct model_edit remove = { .kind = MODEL_REMOVE, .backend = "b2", .at_once = true };

	ck_assert_int_eq(edit(&config, &remove), 0);
	ck_assert_uint_eq(pushed(&config->vips[0]), 1);
	remove.backend = "b1";
	ck_assert_int_eq(edit(&config, &remove), -EPERM);
	remove.force = true;
	ck_assert_int_eq(edit(&config, &remove), 0);
	ck_assert_uint_eq(pushed(&config->vips[0]), 0);
	config_destroy(config);
}
END_TEST

/* How often the weight of a ramp changes between two times, looked at every second. */
static uint32_t
ramp_steps(uint32_t over_s, int64_t from_s, int64_t to_s)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));
	struct model_edit step = { .kind = MODEL_RAMP_STEP };
	uint32_t steps = 0;

	ck_assert_uint_eq(config->vips[0].policy.window_s, 900);
	ck_assert_int_eq(edit(&config, &(struct model_edit){ .kind = MODEL_WEIGHT,
							     .backend = "b2",
							     .weight = 60000,
							     .over_s = over_s,
							     .now_ms = 777 }),
			 0);
	for (int64_t s = 0; s < to_s; s++) {
		uint32_t before = model_weight(&config->vips[0].backends[1]);

		step.now_ms = 777 + s * 1000;
		ck_assert_int_eq(edit(&config, &step), 0);
		ck_assert_uint_ge(model_weight(&config->vips[0].backends[1]), before);
		steps += s >= from_s && model_weight(&config->vips[0].backends[1]) != before;
	}
	config_destroy(config);
	return steps;
}

START_TEST(test_model_edit_ramp_fits_a_history)
{
	static const int64_t spans[][3] = { { 600, 0, 600 },
					    { 3600, 0, 900 },
					    { 3600, 1000, 1900 } };

	for (size_t i = 0; i < 3; i++) {
		uint32_t steps = ramp_steps((uint32_t)spans[i][0], spans[i][1], spans[i][2]);

		ck_assert_uint_ge(steps, RAMP_WINDOW_STEPS - 1);
		ck_assert_uint_le(steps, RAMP_WINDOW_STEPS);
	}
	ck_assert_uint_eq(ramp_steps(60, 0, 60), 59); /* the daemon does not look so often */
}
END_TEST

#define B2_OF_70 "{\"name\":\"b2\",\"address\":\"198.51.100.8\",\"weight\":70}"

START_TEST(test_model_edit_ramp_follows_its_line_and_ends)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1 "," B2)));
	struct model_edit step = { .kind = MODEL_RAMP_STEP };
	const struct config_backend *backend;

	ck_assert_int_eq(edit(&config, &(struct model_edit){ .kind = MODEL_WEIGHT,
							     .backend = "b2",
							     .weight = 250,
							     .over_s = 20,
							     .now_ms = 1000 }),
			 0);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 50);
	/* Nor does the file's weight count, before the first step. */
	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B1 "," B2_OF_70))), 1);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 50);
	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B1 "," B2))), 1);
	step.now_ms = 6000;
	ck_assert_int_eq(edit(&config, &step), 0);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 100);
	/* A configuration does not end it. */
	ck_assert_int_eq(carry(&config, CONFIG_TEXT(CONFIG_WEB(B1 "," B2))), 1);
	step.now_ms = 16000;
	ck_assert_int_eq(edit(&config, &step), 0);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 200);
	step.now_ms = 100000;
	ck_assert_int_eq(edit(&config, &step), 0);
	backend = &config->vips[0].backends[1];
	ck_assert_uint_eq(model_weight(backend), 250);
	ck_assert(!backend->ramping && backend->reweighted);
	/* Down again, to what the file says: no setting is left. */
	ck_assert_int_eq(edit(&config, &(struct model_edit){ .kind = MODEL_WEIGHT,
							     .backend = "b2",
							     .weight = 50,
							     .over_s = 10,
							     .now_ms = 100000 }),
			 0);
	step.now_ms = 105000;
	ck_assert_int_eq(edit(&config, &step), 0);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 150);
	step.now_ms = 110000;
	ck_assert_int_eq(edit(&config, &step), 0);
	backend = &config->vips[0].backends[1];
	ck_assert(!backend->ramping && !backend->reweighted);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_ramp_of_the_last_backend_needs_force)
{
	struct config *config = served(CONFIG_TEXT(CONFIG_WEB(B1)));
	struct model_edit to_zero = { .kind = MODEL_WEIGHT, .backend = "b1", .over_s = 60 };

	ck_assert_int_eq(edit(&config, &to_zero), -EPERM);
	to_zero.force = true;
	ck_assert_int_eq(edit(&config, &to_zero), 0);
	/* A drain ends it, and its weight is what it had. */
	ck_assert_int_eq(
		edit(&config,
		     &(struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1", .force = true }),
		0);
	ck_assert(!config->vips[0].backends[0].ramping);
	ck_assert_int_eq(edit(&config, &to_zero), -EINVAL);
	config_destroy(config);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_model_edit_carry_keeps_what_leaves,
				       test_model_edit_carry_cuts_what_need_not_wait,
				       test_model_edit_another_table_is_told_and_refused,
				       test_model_edit_nothing_left_to_serve_is_refused,
				       test_model_edit_backends_without_room_to_leave_are_told,
				       test_model_edit_leaving_ones_fit_the_table,
				       test_model_edit_remove_drop_and_undrain,
				       test_model_edit_last_backend_counts_what_leaves,
				       test_model_edit_ramp_fits_a_history,
				       test_model_edit_ramp_follows_its_line_and_ends,
				       test_model_edit_ramp_of_the_last_backend_needs_force,
				       NULL };

	return run_tests("model_edit", tests);
}
