/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a daemon that is restarted has what was set before, as old as it is, and takes nothing that
 * makes no sense. Method: models printed, and taken by a model of another clock; texts damaged at
 * every byte.
 */
#include "config_text.h"
#include "fail_alloc.h"
#include "model_view.h"
#include "state_text.h"

#include <errno.h>
#include <stdlib.h>

#define B(n, name) "{\"address\":\"198.51.100." #n "\",\"name\":\"" name "\"}"
#define ALL	   B(1, "b1") "," B(2, "b2") "," B(3, "b3") "," B(4, "b4")
#define WEB	   CONFIG_TEXT(CONFIG_WEB(ALL))

/* A restart ten minutes later, on another boot. */
static const struct state_clock before = { 5000000, 1700000000000 };
static const struct state_clock after = { 60000, 1700000600000 };

static struct json_errors errors;

static struct model *
model_of(const char *text)
{
	struct model *model = NULL;

	ck_assert_int_eq(model_create(config_text_good(text), &model), 0);
	return model;
}

static void
edit(struct model *model, struct model_edit edit, int64_t at_ms)
{
	struct config *to = NULL;

	ck_assert_int_eq(model_edit(model->config, &edit, &to, &errors), 0);
	model_adopt(model, to, at_ms);
	model_was_served(model);
}

/* b1 drained, b2 on its way, b3 leaving, b4 with another weight; b9 of no file. */
static struct model *
served_model(void)
{
	struct model *model = model_of(CONFIG_TEXT(CONFIG_WEB(ALL "," B(8, "b8") "," B(9, "b9"))));
	cJSON *kept = cJSON_CreateArray();
	struct config *to = config_text_good(WEB);

	model_adopt(model, model->config, before.now_ms - 2000000);
	model_was_served(model);
	ck_assert_int_eq(model_carry(model->config, to, &(struct model_notes){ kept, kept }), 0);
	cJSON_Delete(kept);
	model_adopt(model, to, before.now_ms - 900000);
	edit(model, (struct model_edit){ .kind = MODEL_UNDRAIN, .backend = "b8" },
	     before.now_ms - 800000);
	edit(model, (struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1" },
	     before.now_ms - 700000);
	edit(model, (struct model_edit){ .kind = MODEL_REMOVE, .backend = "b3" },
	     before.now_ms - 500000);
	edit(model,
	     (struct model_edit){ .kind = MODEL_WEIGHT,
				  .backend = "b2",
				  .weight = 1100,
				  .over_s = 1000,
				  .now_ms = before.now_ms - 300000 },
	     before.now_ms - 300000);
	edit(model, (struct model_edit){ .kind = MODEL_RAMP_STEP, .now_ms = before.now_ms },
	     before.now_ms);
	edit(model, (struct model_edit){ .kind = MODEL_WEIGHT, .backend = "b4", .weight = 7 },
	     before.now_ms);
	return model;
}

static void
print(const struct model *model, const struct state_clock *clock, struct json_buffer *ret_text)
{
	*ret_text = (struct json_buffer){ 0 };
	ck_assert_int_eq(state_text_print(model, clock, ret_text), 0);
	ck_assert_int_eq(json_buffer_put(ret_text, "", 1), 0);
	ret_text->size--;
}

static int
take(struct model *model, const struct state_clock *clock, const char *text, cJSON *notes)
{
	const struct state_source source = { text, strlen(text), &errors, notes, notes };
	int r;

	errors.count = errors.dropped = 0;
	r = state_text_take(model, clock, &source);
	if (r == 0)
		model_adopt(model, model->config, clock->now_ms);
	return r;
}

static bool
has_note(const cJSON *notes, const char *text)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, notes) {
		if (strstr(item->valuestring, text) != NULL)
			return true;
	}
	return false;
}

static const struct config_backend *
backend(const struct model *model, const char *name)
{
	return config_find_backend(&model->config->vips[0], name);
}

/* The ramp adds one a second, in 48 steps a window of 900 s. */
static void
expect_ramped(const struct model *model, uint32_t weight)
{
	ck_assert_uint_le(model_weight(backend(model, "b2")), weight);
	ck_assert_uint_gt(model_weight(backend(model, "b2")) + 900 / RAMP_WINDOW_STEPS + 1, weight);
}

START_TEST(test_state_text_outlives_a_restart)
{
	struct model *old = served_model(), *new = model_of(WEB);
	cJSON *notes = cJSON_CreateArray();
	struct json_buffer text, again;
	uint32_t count = 0;
	const struct history_set *sets;

	print(old, &before, &text);
	ck_assert_int_eq(take(new, &after, text.bytes, notes), 0);
	ck_assert(backend(new, "b1")->drained && model_weight(backend(new, "b1")) == 0);
	ck_assert_int_eq(backend(new, "b3")->removal, CONFIG_LEAVING);
	ck_assert_uint_eq(model_weight(backend(new, "b4")), 7);
	ck_assert_int_eq(backend(new, "b9")->removal, CONFIG_LEAVING);
	ck_assert_int_eq(backend(new, "b8")->removal, CONFIG_STAYS);
	ck_assert_uint_eq(model_weight(backend(new, "b8")), 100);
	expect_ramped(new, 400);
	ck_assert_int_eq(backend(new, "b2")->ramp_begin_ms, after.now_ms - 900000);
	ck_assert_int_eq(backend(new, "b2")->ramp_end_ms, after.now_ms + 100000);
	ck_assert_uint_eq(new->leaving_count, 2);
	ck_assert_uint_eq(new->ramp_count, 1);
	ck_assert(has_note(notes, "web: backend b1 stays drained"));
	ck_assert(has_note(notes, "198.51.100.8, which is not in the file, stays present"));
	/* 2000 s ago came a set that served for longer than the window of 900 s. */
	sets = history_sets(new->history, &new->config->vips[0], &count);
	ck_assert_uint_eq(count, 7);
	ck_assert_int_eq(after.now_ms - sets[0].since_ms, 2600000);
	ck_assert_int_eq(after.now_ms - sets[1].since_ms, 1500000);
	/* nothing changed, so there is nothing to write */
	print(new, &after, &again);
	ck_assert_str_eq(again.bytes, text.bytes);
	/* ramps go on by their own time */
	edit(new, (struct model_edit){ .kind = MODEL_RAMP_STEP, .now_ms = after.now_ms + 50000 },
	     after.now_ms + 50000);
	expect_ramped(new, 1050);
	free(text.bytes);
	free(again.bytes);
	cJSON_Delete(notes);
	model_destroy(old);
	model_destroy(new);
}
END_TEST

START_TEST(test_state_text_fits_another_file)
{
	struct model *old = served_model();
	struct json_buffer text;
	struct model *new = model_of(CONFIG_TEXT(
		"{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
		"\"table_size\":509,\"backends\":[" B(2, "b2") "," B(4, "b4") "," B(9, "b9") "]}"));
	cJSON *notes = cJSON_CreateArray();
	uint32_t count = 0;

	print(old, &before, &text);
	ck_assert_int_eq(take(new, &after, text.bytes, notes), 0);
	/* b1 was drained and is gone from the file; planes have it: it leaves */
	ck_assert_int_eq(backend(new, "198.51.100.1")->removal, CONFIG_LEAVING);
	ck_assert(
		has_note(notes, "198.51.100.1 is not in the file any more: removed once drained"));
	ck_assert_int_eq(backend(new, "b9")->removal, CONFIG_STAYS); /* it has it again */
	ck_assert_uint_eq(model_weight(backend(new, "b4")), 7);
	(void)history_sets(new->history, &new->config->vips[0], &count);
	ck_assert_uint_eq(count, 1); /* of another table: all rows are new */
	ck_assert(has_note(notes, " -> 509 is another table"));
	model_destroy(new);
	cJSON_Delete(notes);
	/* no room for those that leave, and then no VIP at all */
	notes = cJSON_CreateArray();
	new = model_of(WEB);
	new->config->vips[0].policy.window_s = 0;
	new->config->vips[0].backend_count = 2;
	ck_assert_int_eq(take(new, &after, text.bytes, notes), 0);
	ck_assert(has_note(notes, "198.51.100.3 (leaving) is not there any more: what was set"));
	model_destroy(new);
	cJSON_Delete(notes);
	notes = cJSON_CreateArray();
	new = model_of(CONFIG_TEXT(""));
	ck_assert_int_eq(take(new, &after, text.bytes, notes), 0);
	ck_assert(has_note(notes, "the VIP is removed"));
	model_destroy(new);
	cJSON_Delete(notes);
	free(text.bytes);
	model_destroy(old);
}
END_TEST

START_TEST(test_state_text_survives_a_clock_that_was_set)
{
	const struct state_clock back = { 60000, 1600000000000 }, ahead = { 60000, 1800000000000 };
	struct model *old = served_model(), *new = model_of(WEB);
	cJSON *notes = cJSON_CreateArray();
	struct json_buffer text;
	uint32_t count = 0;
	const struct history_set *sets;

	print(old, &before, &text);
	ck_assert_int_eq(take(new, &back, text.bytes, notes), 0);
	sets = history_sets(new->history, &new->config->vips[0], &count);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(sets[i].since_ms, back.now_ms); /* all of this moment */
	ck_assert_int_eq(backend(new, "b2")->ramp_begin_ms, back.now_ms);
	ck_assert_int_eq(backend(new, "b2")->ramp_end_ms, back.now_ms + 1000000);
	model_destroy(new);
	new = model_of(WEB);
	ck_assert_int_eq(take(new, &ahead, text.bytes, notes), 0);
	(void)history_sets(new->history, &new->config->vips[0], &count);
	ck_assert_uint_eq(count, 1); /* all that moved is over */
	ck_assert_int_lt(backend(new, "b2")->ramp_end_ms, ahead.now_ms);
	free(text.bytes);
	cJSON_Delete(notes);
	model_destroy(old);
	model_destroy(new);
}
END_TEST

#define HEAD	      "{\"version\":1,\"vips\":[{\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
#define SETTING(text) HEAD "\"table_size\":65537,\"settings\":[" text "]}]}"
#define SETS(text)    HEAD "\"table_size\":251,\"settings\":[],\"sets\":[" text "]}]}"
#define MEMBER(n)     "{\"address\":\"198.51.100." #n "\",\"weight\":1}"

START_TEST(test_state_text_refuses_what_makes_no_sense)
{
	static const struct {
		const char *text, *pointer;
	} bad[] = {
		{ "{\"version\":2,\"vips\":[]}", "/version" },
		{ "{\"vips\":[]}", "" },
		{ "{\"version\":1,\"vips\":{}}", "/vips" },
		{ "{\"version\":1,\"vips\":[{}]}", "/vips/0" },
		{ SETTING("{\"backend\":\"nobody\"}"), "/vips/0/settings/0/backend" },
		{ SETTING("{\"backend\":\"127.0.0.1\"}"), "/vips/0/settings/0/backend" },
		{ SETTING("{\"backend\":\"198.51.100.1\",\"removal\":\"gone\"}"),
		  "/vips/0/settings/0/removal" },
		{ SETTING("{\"backend\":\"198.51.100.1\",\"weight\":65536}"),
		  "/vips/0/settings/0/weight" },
		{ SETTING("{\"backend\":\"198.51.100.1\",\"ramp\":{\"from\":1,\"to\":2,"
			  "\"begin_ms\":5,\"end_ms\":5}}"),
		  "/vips/0/settings/0/ramp" },
		{ SETTING("{\"backend\":\"198.51.100.1\",\"drainde\":true}"),
		  "/vips/0/settings/0/drainde" },
		{ SETS("{\"since_ms\":1,\"window_s\":86401,\"backends\":[]}"),
		  "/vips/0/sets/0/window_s" },
		{ SETS("{\"since_ms\":1,\"window_s\":5,\"backends\":[" MEMBER(1) "," MEMBER(
			  1) "]}"),
		  "/vips/0/sets/0/backends" },
		{ SETS("{\"since_ms\":1,\"window_s\":5,\"backends\":["
		       "{\"address\":\"224.0.0.1\",\"weight\":1}]}"),
		  "/vips/0/sets/0/backends/0/address" },
		{ HEAD "\"table_size\":9,\"settings\":[],\"sets\":[{\"since_ms\":1,\"window_s\":5,"
		       "\"backends\":[" MEMBER(1) "]}]}]}",
		  "/vips/0/sets/0/backends" },
	};
	struct model *model = model_of(WEB);
	cJSON *notes = cJSON_CreateArray();

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_msg(take(model, &after, bad[i].text, notes) == -EINVAL, "%s",
			      bad[i].text);
		ck_assert_str_eq(errors.items[0].pointer, bad[i].pointer);
		ck_assert_uint_eq(errors.items[0].line, 1);
	}
	ck_assert_int_eq(take(model, &after, "", notes), -EBADMSG);
	ck_assert_int_eq(cJSON_GetArraySize(notes), 0);
	ck_assert(!backend(model, "b1")->drained);
	cJSON_Delete(notes);
	model_destroy(model);
}
END_TEST

START_TEST(test_state_text_that_was_cut_is_refused)
{
	struct model *old = served_model(), *model = model_of(WEB);
	cJSON *notes = cJSON_CreateArray();
	struct json_buffer text;

	print(old, &before, &text);
	text.bytes[text.size - 1] = '\0'; /* the newline at its end */
	for (size_t size = text.size - 1; size > 0; size--) {
		text.bytes[size - 1] = '\0';
		CHECK(take(model, &after, text.bytes, notes) == -EBADMSG);
	}
	CHECK(!backend(model, "b1")->drained);
	free(text.bytes);
	cJSON_Delete(notes);
	model_destroy(old);
	model_destroy(model);
}
END_TEST

START_TEST(test_state_text_without_memory_fails_cleanly)
{
	struct model *old = served_model();
	struct json_buffer text;
	bool failed = true;

	print(old, &before, &text);
	for (uint32_t nth = 1; failed; nth++) {
		struct json_buffer other = { 0 };
		int r;

		fail_alloc_at(nth);
		r = state_text_print(old, &before, &other);
		failed = fail_alloc_end();
		CHECK(r == (failed ? -ENOMEM : 0));
		free(other.bytes);
	}
	failed = true;
	for (uint32_t nth = 1; failed; nth++) {
		struct model *model = model_of(WEB);
		cJSON *notes = cJSON_CreateArray();
		const struct state_source source = { text.bytes, text.size, &errors, notes, notes };
		int r;

		errors.count = 0;
		fail_alloc_at(nth);
		r = state_text_take(model, &after, &source);
		failed = fail_alloc_end();
		CHECK(r == (failed ? -ENOMEM : 0));
		cJSON_Delete(notes);
		model_destroy(model);
	}
	free(text.bytes);
	model_destroy(old);
}
END_TEST

/* A VIP of many backends, all of them drained. */
static void
fill_vip(struct config_vip *vip, uint32_t count)
{
	free(vip->backends);
	vip->backends = calloc(count + 1, sizeof *vip->backends);
	CHECK(vip->backends != NULL);
	vip->backend_count = count;
	for (uint32_t i = 0; i < count; i++) {
		memset(&vip->backends[i].address, 0x20, sizeof vip->backends[i].address);
		memcpy(vip->backends[i].address.bytes + 8, &i, sizeof i);
		vip->backends[i].drained = true;
	}
}

START_TEST(test_state_text_is_bounded)
{
	struct model *model = model_of(
		CONFIG_TEXT(CONFIG_WEB(ALL) ",{\"address\":\"192.0.2.2\",\"port\":1,"
					    "\"protocol\":\"tcp\",\"backends\":[" ALL "]}"));
	struct json_buffer text;
	const char *sets;

	fill_vip(&model->config->vips[0], CONTROL_VIP_BACKENDS_MAX);
	model_adopt(model, model->config, 1000);
	edit(model,
	     (struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1", .vip = "192.0.2.2:1/tcp" },
	     2000);
	fill_vip(&model->config->vips[0], CONTROL_VIP_BACKENDS_MAX - 1);
	model_adopt(model, model->config, 2000);
	print(model, &before,
	      &text); /* the sets of the first VIP are left out, what was set is not */
	ck_assert_uint_lt(text.size, STATE_SETS_BYTES_MAX);
	sets = strstr(text.bytes, "\"sets\"");
	ck_assert(sets != NULL && sets > strstr(text.bytes, "192.0.2.2"));
	ck_assert_ptr_null(strstr(sets + 1, "\"sets\""));
	free(text.bytes);
	fill_vip(&model->config->vips[0], 60000); /* 3 MB each */
	fill_vip(&model->config->vips[1], 60000);
	text = (struct json_buffer){ 0 };
	ck_assert_int_eq(state_text_print(model, &before, &text), -EMSGSIZE);
	free(text.bytes);
	model_destroy(model);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_state_text_outlives_a_restart,
				       test_state_text_fits_another_file,
				       test_state_text_survives_a_clock_that_was_set,
				       test_state_text_refuses_what_makes_no_sense,
				       test_state_text_that_was_cut_is_refused,
				       test_state_text_without_memory_fails_cleanly,
				       test_state_text_is_bounded,
				       NULL };

	return run_tests("state_text", tests);
}
