/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a plane that starts with nothing is told as much of a VIP's past as it needs to end with
 * the rows of one that lived through it, no more than its limits, and never a past with a hole in
 * it. Method: states noted at chosen times, what is told read back. Rows that live through random
 * changes, by the rules that planes have, against rows that replay what is told. The seed is
 * printed; HISTORY_SEED=N is another one.
 */
#include "../../dataplane/core/row.h"
#include "../../dataplane/core/window.h"
#include "config_text.h"
#include "history.h"
#include "push_parts.h"
#include "rpc.h"

#include <stdio.h>
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

/* How many sets are kept before the present one. */
static uint32_t
kept(void)
{
	uint32_t count = 0;

	return history_sets(history, &config->vips[0], &count) != NULL ? count - 1 : 0;
}

/* Owned by the caller. */
static cJSON *
told_within(struct history_limit limit)
{
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

static cJSON *
told(int64_t now_ms, size_t bytes_max)
{
	return told_within((struct history_limit){ now_ms, bytes_max, VIP_HISTORY_MAX });
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

START_TEST(test_history_begins_with_a_set_that_served_for_a_window)
{
	cJSON *vip;

	setup();
	note(1, 0);
	note(2, 1000);
	note(2, 2000); /* nothing new */
	ck_assert_uint_eq(kept(), 1);
	note(3, 120000); /* 2 was there for 119 s: what 1 had moved moves no more */
	note(4, 121000);
	ck_assert_uint_eq(kept(), 2);
	vip = told(130000, SIZE_MAX);
	ck_assert_int_eq(json_get_integer(vip, "age_ms", -1), 9000);
	expect_count(vip, 2);
	expect_set(vip, 0, 2, 129000);
	expect_set(vip, 1, 3, 10000);
	cJSON_Delete(vip);
	/* Never a window without a change: everything counts. */
	for (uint32_t weight = 5; weight < 20; weight++)
		note(weight, 121000 + weight * 20000);
	ck_assert_uint_eq(kept(), 17);
	/* Everything before the present set is over. */
	vip = told(501000 + 109001, SIZE_MAX);
	ck_assert_ptr_null(vip->child);
	cJSON_Delete(vip);
	vip = told(501000 + 109000, SIZE_MAX);
	expect_count(vip, 17);
	cJSON_Delete(vip);
	teardown();
}
END_TEST

START_TEST(test_history_reaches_over_another_window)
{
	cJSON *vip;

	setup();
	note(1, 0);
	note(2, 1000);
	config->vips[0].policy.window_s = 10;
	note(2, 6000); /* the same set */
	vip = told(7000, SIZE_MAX);
	expect_count(vip, 2);
	ck_assert_int_eq(json_get_integer(json_get(vip, "history")->child, "window_s", -1), 100);
	ck_assert_int_eq(json_get_integer(vip, "age_ms", -1), 1000);
	cJSON_Delete(vip);
	note(3, 20000); /* 14 s: a window of 10 s is over, one of 100 s would not be */
	ck_assert_uint_eq(kept(), 1);
	vip = told(20000, SIZE_MAX);
	expect_set(vip, 0, 2, 14000);
	ck_assert_ptr_null(json_get(json_get(vip, "history")->child, "window_s"));
	cJSON_Delete(vip);
	config->vips[0].policy.window_s = 0;
	note(4, 21000);
	config->vips[0].policy.window_s = 10;
	note(5, 22000);
	vip = told(23000, SIZE_MAX); /* without a window, rows are stable at once */
	expect_count(vip, 1);
	expect_set(vip, 0, 4, 2000);
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

/* The one that served shortest, but neither the first nor the present one: a row's previous owner
 * is that of the first. */
START_TEST(test_history_beyond_its_sets_forgets_the_shortest)
{
	int64_t now_ms = 0;
	cJSON *vip;

	setup();
	for (uint32_t weight = 1; weight <= VIP_HISTORY_MAX + 1; weight++) {
		note(weight, now_ms);
		now_ms += weight == 1 ? 100 : weight == 40 ? 500 : 1000;
	}
	ck_assert_uint_eq(kept(), VIP_HISTORY_MAX);
	note(1000, now_ms);
	ck_assert_uint_eq(kept(), VIP_HISTORY_MAX);
	vip = told(now_ms + 1000, SIZE_MAX);
	expect_count(vip, VIP_HISTORY_MAX);
	expect_set(vip, 0, 1, now_ms + 1000);
	expect_set(vip, 38, 39, now_ms + 1000 - 37100);
	expect_set(vip, 39, 41, now_ms + 1000 - 38600);
	expect_set(vip, VIP_HISTORY_MAX - 1, VIP_HISTORY_MAX + 1, 2000);
	cJSON_Delete(vip);
	note(1001, now_ms + 50); /* what 40 moved, 41 did: 2 goes next */
	vip = told(now_ms + 1000, SIZE_MAX);
	expect_set(vip, 0, 1, now_ms + 1000);
	expect_set(vip, 1, 3, now_ms + 1000 - 1100);
	expect_set(vip, VIP_HISTORY_MAX - 1, 1000, 1000);
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
	vip = told(11000, 330); /* 108 bytes a set */
	expect_count(vip, 3);
	expect_set(vip, 2, 9, 2000);
	cJSON_Delete(vip);
	vip = told(11000, 10);
	expect_count(vip, 0);
	cJSON_Delete(vip);
	teardown();
}
END_TEST

/* The first, and of the others those that served longest. */
START_TEST(test_history_thins_what_is_told)
{
	static const int64_t begins[] = { 0, 10, 1010, 1510, 1520, 4520 };
	cJSON *vip;

	setup();
	for (uint32_t i = 0; i < 6; i++)
		note(i + 1, begins[i]);
	vip = told_within((struct history_limit){ 5000, SIZE_MAX, 5 });
	expect_count(vip, 5);
	cJSON_Delete(vip);
	vip = told_within((struct history_limit){ 5000, SIZE_MAX, 3 });
	expect_count(vip, 3); /* what 4 moved, 5 did; then 3 served shorter than 2 */
	expect_set(vip, 0, 1, 5000);
	expect_set(vip, 1, 2, 4990);
	expect_set(vip, 2, 5, 3480);
	ck_assert_int_eq(json_get_integer(vip, "age_ms", -1), 480);
	cJSON_Delete(vip);
	vip = told_within((struct history_limit){ 5000, SIZE_MAX, 1 });
	expect_count(vip, 1);
	expect_set(vip, 0, 1, 5000);
	cJSON_Delete(vip);
	ck_assert_uint_eq(kept(), 5); /* of what is kept nothing went */
	teardown();
}
END_TEST

/* What served until now is one more before the set to come: a plane takes no more than 64. */
START_TEST(test_history_of_a_state_to_come_is_not_too_long)
{
	cJSON *vip;

	setup();
	for (uint32_t weight = 1; weight <= VIP_HISTORY_MAX + 1; weight++)
		note(weight, weight * 1000);
	config->vips[0].backends[0].weight = 1000;
	vip = told(70000, SIZE_MAX);
	expect_count(vip, VIP_HISTORY_MAX);
	expect_set(vip, 0, 1, 69000);
	expect_set(vip, 1, 3, 67000);
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
	ck_assert_uint_eq(kept(), 2);
	other->vips[0].endpoint.port++;
	history_note(history, other, 3000);
	vip = told(4000, SIZE_MAX);
	ck_assert_ptr_null(vip->child);
	cJSON_Delete(vip);
	config_destroy(other);
	teardown();
}
END_TEST

/* --- rows that live through it, and rows that replay it --- */

enum {
	ROWS = 64,
	HOSTS = 7,
	LIVES = 60,
	CHANGES = 60,	/* of a life */
	TICKS_MS = 125, /* all times are whole ticks */
};

/* A plane's rows, simply. */
struct rows {
	uint64_t word[ROWS];
	int32_t weight[HOSTS]; /* -1: not there */
	struct fl_window window;
	int64_t now_ms;
};

static uint32_t random_state;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

/* As with Maglev, a row keeps its owner in most changes; here the host with the highest score. */
static uint32_t
owner_of(uint32_t row, const int32_t weight[HOSTS])
{
	uint32_t owner = FL_ROW_NONE;
	uint64_t best = 0;

	for (uint32_t host = 0; host < HOSTS; host++) {
		uint64_t score = (row * HOSTS + host + 1) * 0x9e3779b97f4a7c15ull >> 40;

		if (weight[host] > 0 && score * (uint64_t)weight[host] > best) {
			best = score * (uint64_t)weight[host];
			owner = host;
		}
	}
	return owner;
}

static void
rows_pass(struct rows *rows, int64_t now_ms)
{
	uint64_t tick = (uint64_t)now_ms * FL_TICKS_PER_S / 1000;

	for (uint32_t i = 0; i < ROWS; i++) {
		for (uint32_t step = 0; step < 2; step++) {
			int32_t left = fl_row_left(rows->word[i], tick);

			if (fl_row_state(rows->word[i]) != FL_ROW_STABLE && left <= 0)
				rows->word[i] = fl_row_timer(rows->word[i], &rows->window,
							     tick - (uint32_t)-left);
		}
	}
	rows->now_ms = now_ms;
}

static bool
is_live(const int32_t weight[HOSTS], uint32_t owner)
{
	return owner != FL_ROW_NONE && weight[owner] >= 0;
}

static void
rows_begin(struct rows *rows, const int32_t weight[HOSTS], uint32_t window_s)
{
	memcpy(rows->weight, weight, sizeof rows->weight);
	rows->window = window_s > 0 ? fl_window(window_s, 0) : (struct fl_window){ 0 };
	for (uint32_t i = 0; i < ROWS; i++)
		rows->word[i] = fl_row_stable(owner_of(i, weight));
}

/* T1 to T8; with another window, rows that are not stable begin theirs again. */
static void
rows_commit(struct rows *rows, const int32_t weight[HOSTS], uint32_t window_s)
{
	uint32_t ticks_before = rows->window.row_ticks;
	struct fl_row_now now = { .tick = (uint64_t)rows->now_ms * FL_TICKS_PER_S / 1000 };

	rows->window = window_s > 0 ? fl_window(window_s, 0) : (struct fl_window){ 0 };
	now.window = &rows->window;
	memcpy(rows->weight, weight, sizeof rows->weight);
	for (uint32_t i = 0; i < ROWS; i++) {
		uint64_t word = rows->word[i];

		now.cur_is_live = is_live(weight, fl_row_cur(word));
		now.prev_is_live = is_live(weight, fl_row_prev(word));
		word = fl_row_change(word, owner_of(i, weight), &now);
		if (rows->window.row_ticks != ticks_before && rows->window.row_ticks > 0 &&
		    fl_row_state(word) != FL_ROW_STABLE)
			word = fl_row_until(word, now.tick + rows->window.row_ticks);
		rows->word[i] = word;
	}
}

static void
read_weights(const cJSON *set, int32_t ret_weight[HOSTS])
{
	const cJSON *backend;

	memset(ret_weight, 0xff, HOSTS * sizeof ret_weight[0]);
	cJSON_ArrayForEach (backend, json_get(set, "backends")) {
		const char *address = json_get_string(backend, "address", "");

		ret_weight[address[strlen(address) - 1] - '1'] =
			(int32_t)json_get_integer(backend, "weight", -2);
	}
}

/* What a plane makes of it that has nothing. */
static void
rows_replay(struct rows *rows, const struct rows *lived, uint32_t window_s)
{
	cJSON *vip = told(lived->now_ms, SIZE_MAX);
	const cJSON *history_told = json_get(vip, "history");
	int32_t weight[HOSTS];
	const cJSON *set;

	rows_begin(rows, lived->weight, window_s); /* without a history */
	cJSON_ArrayForEach (set, history_told) {
		int64_t at_ms = lived->now_ms - json_get_integer(set, "age_ms", 0);
		uint32_t then = (uint32_t)json_get_integer(set, "window_s", window_s);

		read_weights(set, weight);
		if (set == history_told->child) {
			rows_begin(rows, weight, then);
			continue;
		}
		rows_pass(rows, at_ms);
		rows_commit(rows, weight, then);
	}
	if (cJSON_GetArraySize(history_told) > 0) {
		rows_pass(rows, lived->now_ms - json_get_integer(vip, "age_ms", 0));
		rows_commit(rows, lived->weight, window_s);
	}
	rows_pass(rows, lived->now_ms);
	cJSON_Delete(vip);
}

/* By what a digest has of a row. @return rows that move. */
static uint32_t
rows_compare(const struct rows *lived, const struct rows *fresh)
{
	uint32_t moving = 0;

	for (uint32_t i = 0; i < ROWS; i++) {
		bool moves = fl_row_state(lived->word[i]) == FL_ROW_MOVING;

		CHECK(fl_row_cur(lived->word[i]) == fl_row_cur(fresh->word[i]));
		CHECK(moves == (fl_row_state(fresh->word[i]) == FL_ROW_MOVING));
		CHECK(!moves || fl_row_prev(lived->word[i]) == fl_row_prev(fresh->word[i]));
		CHECK(!moves || fl_row_until(lived->word[i], 0) == fl_row_until(fresh->word[i], 0));
		moving += moves;
	}
	return moving;
}

/* Other weights, backends that come and go; now and then another window, or another table. */
static void
change(struct rows *lived, uint32_t *window_s)
{
	int32_t weight[HOSTS];
	bool is_other_table = random_below(40) == 0;

	memcpy(weight, lived->weight, sizeof weight);
	for (uint32_t n = random_below(4); n > 0; n--)
		weight[random_below(HOSTS)] = (int32_t)random_below(5) - 1;
	if (random_below(10) == 0)
		*window_s = random_below(5) == 0 ? 0 : 2 + random_below(40);
	for (uint32_t host = 0; host < HOSTS; host++) {
		struct config_backend *backend = &config->vips[0].backends[host];

		backend->removal = weight[host] < 0 ? CONFIG_REMOVED : CONFIG_STAYS;
		backend->weight = weight[host] < 0 ? 0 : (uint32_t)weight[host];
	}
	config->vips[0].policy.window_s = *window_s;
	if (is_other_table)
		config->vips[0].table_size = config->vips[0].table_size == 251 ? 509 : 251;
	history_note(history, config, lived->now_ms);
	if (is_other_table)
		rows_begin(lived, weight, *window_s);
	else
		rows_commit(lived, weight, *window_s);
}

static uint32_t
live_once(void)
{
	static struct rows lived, fresh;
	uint32_t window_s = 2 + random_below(40), moving = 0;

	history_destroy(history);
	ck_assert_int_eq(history_create(&history), 0);
	lived = (struct rows){ .now_ms = 1000 };
	memset(lived.weight, 0xff, sizeof lived.weight);
	config->vips[0].table_size = 251;
	change(&lived, &window_s);
	rows_begin(&lived, lived.weight, window_s); /* the VIP is new */
	for (uint32_t i = 0; i < CHANGES; i++) {
		uint32_t most_s = random_below(5) == 0 ? 3 * window_s : window_s / 2 + 2;

		change(&lived, &window_s);
		for (uint32_t looks = 3; looks > 0; looks--) {
			rows_replay(&fresh, &lived, window_s);
			moving += rows_compare(&lived, &fresh);
			rows_pass(&lived, lived.now_ms + TICKS_MS * random_below(most_s * 3 + 1));
		}
	}
	return moving;
}

START_TEST(test_history_makes_the_rows_of_a_life)
{
	const char *seed = getenv("HISTORY_SEED");
	uint32_t moving = 0;

	random_state = seed != NULL ? (uint32_t)strtoul(seed, NULL, 10) : 20;
	printf("seed %u\n", random_state);
	(void)fflush(stdout);
	ck_assert_int_eq(history_create(&history), 0);
	config = config_text_good(CONFIG_TEXT(
		CONFIG_WEB("{\"address\":\"198.51.100.1\"},{\"address\":\"198.51.100.2\"},"
			   "{\"address\":\"198.51.100.3\"},{\"address\":\"198.51.100.4\"},"
			   "{\"address\":\"198.51.100.5\"},{\"address\":\"198.51.100.6\"},"
			   "{\"address\":\"198.51.100.7\"}")));
	for (uint32_t life = 0; life < LIVES; life++)
		moving += live_once();
	ck_assert_uint_gt(moving, 20000);
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
		ck_assert_uint_le(kept(), VIP_HISTORY_MAX);
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
	const TTest *const tests[] = { test_history_begins_with_a_set_that_served_for_a_window,
				       test_history_reaches_over_another_window,
				       test_history_of_a_state_to_come_has_the_present_one,
				       test_history_beyond_its_sets_forgets_the_shortest,
				       test_history_tells_the_newest_that_fit,
				       test_history_thins_what_is_told,
				       test_history_of_a_state_to_come_is_not_too_long,
				       test_history_forgets_vips_that_go,
				       test_history_makes_the_rows_of_a_life,
				       test_history_fits_a_line_beside_the_largest_vip,
				       NULL };

	return run_tests("history", tests);
}
