/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a plane that starts with nothing is told the sets of a VIP's last window and the one
 * before, no more than its limits, and never a past with a hole in it. Method: states noted at
 * chosen times, what is told read back.
 */
#include "config_text.h"
#include "history.h"
#include "push_parts.h"
#include "rpc.h"

#include <stdlib.h>

/* window_s 100: 106.25 s are remembered, and 3 s more. */
#define WEB_100(weight)                                                                 \
	"{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\"," \
	"\"window_s\":100,\"backends\":[{\"address\":\"198.51.100.7\",\"weight\":" weight "}]}"

static struct history *history;
static struct config *config;

static void
setup(void)
{
	ck_assert_int_eq(history_create(&history), 0);
	config = config_text_good(CONFIG_TEXT(WEB_100("100")));
}

static void
teardown(void)
{
	history_destroy(history);
	config_destroy(config);
}

static void
note(uint32_t weight, int64_t now_ms)
{
	config->vips[0].backends[0].weight = weight;
	history_note(history, config, now_ms);
}

/* Owned by the caller. */
static cJSON *
told(int64_t now_ms, size_t bytes_max)
{
	const struct history_limit limit = { now_ms, bytes_max };
	static struct json_errors errors;
	cJSON *vip = cJSON_CreateObject();
	cJSON *read;
	char *text;

	ck_assert(history_put(history, &config->vips[0], vip, &limit));
	text = cJSON_PrintUnformatted(vip);
	ck_assert_uint_le(strlen(text), history_bytes(history, &config->vips[0], &limit) + 64);
	ck_assert_int_eq(json_read(text, strlen(text), &read, &errors), 0);
	free(text);
	cJSON_Delete(vip);
	return read;
}

/* One set told: its place, the weight it has and its age. */
static void
expect_set(const cJSON *vip, int place, uint32_t weight, int64_t age_ms)
{
	const cJSON *set = cJSON_GetArrayItem(json_get(vip, "history"), place);
	const cJSON *backend = cJSON_GetArrayItem(json_get(set, "backends"), 0);

	ck_assert_int_eq(json_get_integer(backend, "weight", -1), weight);
	ck_assert_int_eq(json_get_integer(set, "age_ms", -1), age_ms);
}

static void
expect_count(const cJSON *vip, int count)
{
	ck_assert_int_eq(cJSON_GetArraySize(json_get(vip, "history")), count);
}

START_TEST(test_history_tells_the_window_and_the_one_before)
{
	cJSON *vip;

	setup();
	note(1, 0);
	note(2, 1000);
	note(2, 2000); /* nothing new */
	note(3, 60000);
	note(4, 120000); /* 1 ended before the window, which began at 10.75 s */
	ck_assert_uint_eq(history_count(history, &config->vips[0]), 2);
	vip = told(130000, SIZE_MAX);
	ck_assert_int_eq(json_get_integer(vip, "age_ms", -1), 10000);
	expect_count(vip, 2);
	expect_set(vip, 0, 2, 129000);
	expect_set(vip, 1, 3, 70000);
	cJSON_Delete(vip);
	/* Everything before the present set is over. */
	vip = told(120000 + 109251, SIZE_MAX);
	ck_assert_ptr_null(vip->child);
	cJSON_Delete(vip);
	vip = told(120000 + 109000, SIZE_MAX);
	expect_count(vip, 1);
	expect_set(vip, 0, 3, 169000);
	cJSON_Delete(vip);
	teardown();
}
END_TEST

START_TEST(test_history_of_a_state_to_come_has_the_present_one)
{
	cJSON *vip;

	setup();
	note(1, 0);
	config->vips[0].backends[0].weight = 2;
	vip = told(5000, SIZE_MAX);
	ck_assert_int_eq(json_get_integer(vip, "age_ms", -1), 0);
	expect_count(vip, 1);
	expect_set(vip, 0, 1, 5000);
	cJSON_Delete(vip);
	config->vips[0].table_size = 251; /* all rows are new */
	vip = told(5000, SIZE_MAX);
	ck_assert_ptr_null(vip->child);
	cJSON_Delete(vip);
	note(2, 5000);
	note(3, 6000);
	vip = told(7000, SIZE_MAX);
	expect_count(vip, 1);
	expect_set(vip, 0, 2, 2000);
	cJSON_Delete(vip);
	config->vips[0].policy.window_s = 0; /* rows follow at once */
	vip = told(5000, SIZE_MAX);
	ck_assert_ptr_null(vip->child);
	cJSON_Delete(vip);
	teardown();
}
END_TEST

START_TEST(test_history_beyond_its_sets_forgets_the_shortest)
{
	int64_t now_ms = 0;
	cJSON *vip;

	setup();
	for (uint32_t weight = 1; weight <= HISTORY_SETS_MAX + 1; weight++) {
		note(weight, now_ms);
		now_ms += weight == 30 ? 10 : 1000;
	}
	ck_assert_uint_eq(history_count(history, &config->vips[0]), HISTORY_SETS_MAX);
	note(1000, now_ms);
	ck_assert_uint_eq(history_count(history, &config->vips[0]), HISTORY_SETS_MAX);
	vip = told(now_ms, SIZE_MAX);
	expect_count(vip, HISTORY_SETS_MAX);
	expect_set(vip, 0, 1, now_ms);
	expect_set(vip, 28, 29, now_ms - 28000);
	expect_set(vip, 29, 31, now_ms - 29010); /* 30 served 10 ms */
	cJSON_Delete(vip);
	teardown();
}
END_TEST

START_TEST(test_history_tells_the_newest_that_fit)
{
	cJSON *vip;

	setup();
	for (uint32_t weight = 1; weight <= 10; weight++)
		note(weight, weight * 1000);
	vip = told(11000, 300); /* 91 bytes a set */
	expect_count(vip, 3);
	expect_set(vip, 2, 9, 2000);
	cJSON_Delete(vip);
	vip = told(11000, 10);
	expect_count(vip, 0);
	cJSON_Delete(vip);
	teardown();
}
END_TEST

START_TEST(test_history_forgets_vips_that_go)
{
	struct config *other = config_text_good(CONFIG_TEXT(CONFIG_WEB(
		"{\"address\":\"198.51.100.7\"}") ",{\"address\":\"192.0.2.3\",\"port\":1,"
						  "\"protocol\":\"tcp\",\"backends\":[{"
						  "\"address\":\"198.51.100.7\"}]}"));
	cJSON *vip;

	setup();
	note(1, 0);
	note(2, 1000);
	history_note(history, other, 2000); /* web is there still */
	ck_assert_uint_eq(history_count(history, &config->vips[0]), 2);
	other->vips[0].endpoint.port++;
	history_note(history, other, 3000);
	vip = told(4000, SIZE_MAX);
	ck_assert_ptr_null(vip->child);
	cJSON_Delete(vip);
	config_destroy(other);
	teardown();
}
END_TEST

/* What is known of the largest VIPs does not make a push too large for its line. */
START_TEST(test_history_fits_a_line_beside_the_largest_vip)
{
	struct push_parts parts = { .generation = 9, .now_ms = 1000 };
	struct config_vip *vip;
	struct config_backend *backends = calloc(CONTROL_VIP_BACKENDS_MAX + 1, sizeof *backends);

	setup();
	parts.history = history;
	vip = &config->vips[0];
	CHECK(backends != NULL);
	for (uint32_t i = 0; i < CONTROL_VIP_BACKENDS_MAX; i++) {
		memset(&backends[i].address, 0xee, sizeof backends[i].address);
		memcpy(backends[i].address.bytes + 8, &i, sizeof i);
		backends[i].weight = 65535;
	}
	free(vip->backends);
	vip->backends = backends;
	for (uint32_t count = 4000; count <= CONTROL_VIP_BACKENDS_MAX; count += 2500) {
		struct json_buffer line = { 0 };
		cJSON *params;

		for (uint32_t change = 0; change < 6; change++) {
			vip->backend_count = count - change;
			history_note(history, config, change);
		}
		vip->backend_count = count;
		parts.from = parts.to = config;
		parts.next = 0;
		params = push_parts_next(&parts);
		ck_assert(parts.complete);
		ck_assert_int_eq(json_print(params, SIZE_MAX / 4, &line), 0);
		ck_assert_uint_lt(line.size + 128, RPC_LINE_BYTES_MAX);
		ck_assert_uint_le(history_count(history, vip), HISTORY_SETS_MAX);
		if (count == 4000)
			ck_assert_int_eq(cJSON_GetArraySize(json_get(
						 json_get(params, "vips")->child, "history")),
					 2);
		free(line.bytes);
		cJSON_Delete(params);
	}
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_history_tells_the_window_and_the_one_before,
				       test_history_of_a_state_to_come_has_the_present_one,
				       test_history_beyond_its_sets_forgets_the_shortest,
				       test_history_tells_the_newest_that_fit,
				       test_history_forgets_vips_that_go,
				       test_history_fits_a_line_beside_the_largest_vip,
				       NULL };

	return run_tests("history", tests);
}
