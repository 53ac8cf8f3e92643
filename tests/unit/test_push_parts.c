/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a push of any size crosses in lines below the limit, every VIP in exactly one of them, and
 * a plane's refusal of the n-th VIP of a part is told at its place in the file. Method: the largest
 * VIP allowed, many VIPs, and refusals against each part.
 */
#include "config_text.h"
#include "model_view.h"
#include "push_parts.h"
#include "rpc.h"

#include <stdio.h>

enum { ENVELOPE_BYTES = 128 }; /* {"jsonrpc":"2.0","id":...,"method":"plane.prepare","params":}\n */

/* VIPs in 2001:db8::/32 with backends at the longest addresses there are. */
static struct config *
config_make(uint32_t vips, uint32_t backends)
{
	struct config *config = calloc(1, sizeof *config);

	CHECK(config != NULL);
	config->vips = calloc(vips + 1, sizeof *config->vips);
	config->text = strdup("{}");
	config->text_size = 2;
	config->file = strdup("test.json");
	config->vip_count = vips;
	for (uint32_t i = 0; i < vips; i++) {
		struct config_vip *vip = &config->vips[i];

		CHECK(addr_parse("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
				 &vip->endpoint.to.address) == 0);
		vip->endpoint.to.bits = 127; /* all of a VIP is as long as it can be */
		vip->endpoint.to.address.bytes[15] = 0xfe;
		vip->endpoint.port = (uint16_t)(65000 - i);
		vip->endpoint.port_last = 65535;
		vip->policy = (struct vip_policy){ VIP_MODE_L2DSR, VIP_FRAGMENTS_FOLLOW,
						   VIP_ICMP_ECHO_FORWARD, VIP_NO_BACKEND_DROP };
		vip->endpoint.protocol = addr_protocol_parse("udp");
		vip->table_size = 1048573;
		vip->backend_count = backends;
		vip->backends = calloc(backends + 1, sizeof *vip->backends);
		for (uint32_t j = 0; j < backends; j++) {
			memset(&vip->backends[j].address, 0xee, sizeof vip->backends[j].address);
			vip->backends[j].address.bytes[0] = 0x2f;
			vip->backends[j].weight = 65535;
		}
	}
	return config;
}

/* Goes through all parts, checks each and returns how many VIPs they carry. */
static uint32_t
walk(struct push_parts *parts, uint32_t *ret_parts)
{
	uint32_t vips = 0;

	*ret_parts = 0;
	while (!parts->complete) {
		struct json_buffer line = { 0 };
		static struct json_errors errors;
		cJSON *made = push_parts_next(parts);
		cJSON *params;

		ck_assert_ptr_nonnull(made);
		ck_assert_int_eq(json_print(made, SIZE_MAX / 4, &line), 0);
		ck_assert_int_eq(json_read(line.bytes, line.size, &params, &errors), 0);
		cJSON_Delete(made);
		ck_assert_uint_lt(line.size + ENVELOPE_BYTES, RPC_LINE_BYTES_MAX);
		ck_assert_int_eq(json_get_integer(params, "generation", 0), 9);
		ck_assert(json_get_boolean(params, "more", false) == !parts->complete);
		vips += (uint32_t)cJSON_GetArraySize(json_get(params, "vips"));
		(*ret_parts)++;
		free(line.bytes);
		cJSON_Delete(params);
	}
	return vips;
}

START_TEST(test_push_parts_largest_vip_fits_a_line)
{
	struct config *config = config_make(2, CONTROL_VIP_BACKENDS_MAX);
	struct push_parts parts = { .from = config, .to = config, .generation = 9 };
	uint32_t count;

	ck_assert_uint_eq(walk(&parts, &count), 2);
	ck_assert_uint_eq(count, 2);
	config_destroy(config);
}
END_TEST

START_TEST(test_push_parts_all_vips_once)
{
	struct config *config = config_make(CONTROL_VIPS_MAX, 20);
	struct push_parts parts = { .from = config, .to = config, .generation = 9 };
	uint32_t count;

	ck_assert_uint_eq(walk(&parts, &count), CONTROL_VIPS_MAX);
	ck_assert_uint_gt(count, 4);
	config_destroy(config);
}
END_TEST

START_TEST(test_push_parts_of_nothing_is_one_part)
{
	struct config *config = config_make(0, 0);
	struct push_parts parts = { .from = config, .to = config, .generation = 9 };
	cJSON *params = push_parts_next(&parts);

	ck_assert(parts.complete);
	ck_assert(json_get_boolean(params, "full", false));
	ck_assert_ptr_null(json_get(params, "more"));
	ck_assert_int_eq(cJSON_GetArraySize(json_get(params, "vips")), 0);
	cJSON_Delete(params);
	config_destroy(config);
}
END_TEST

START_TEST(test_push_parts_of_a_plan_changes_and_removes)
{
	struct config *from = config_make(CONTROL_VIPS_MAX, 1);
	struct config *to = config_make(1, 2);
	struct push_parts parts = { .from = from, .to = to, .generation = 9 };
	struct model_plan *plan = NULL;
	cJSON *params;

	ck_assert_int_eq(model_plan(from, to, &plan), 0);
	parts.plan = plan;
	params = push_parts_next(&parts);
	ck_assert(parts.complete);
	ck_assert_ptr_null(json_get(params, "full"));
	ck_assert_int_eq(cJSON_GetArraySize(json_get(params, "vips")), 1);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(params, "remove")), CONTROL_VIPS_MAX - 1);
	cJSON_Delete(params);
	model_plan_destroy(plan);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

/* {"message":..., "data":{"errors":[{path...}]}} */
static cJSON *
refusal(const char *path)
{
	cJSON *error = cJSON_CreateObject();
	cJSON *data = cJSON_AddObjectToObject(error, "data");
	cJSON *item = cJSON_CreateObject();

	cJSON_AddItemToArray(cJSON_AddArrayToObject(data, "errors"), item);
	cJSON_AddStringToObject(error, "message", "outer");
	cJSON_AddStringToObject(item, "path", path);
	cJSON_AddStringToObject(item, "message", "no source address");
	cJSON_AddStringToObject(item, "hint", "set one");
	return error;
}

static void
expect_pointer(const struct push_parts *parts, const char *path, const char *pointer)
{
	static struct json_errors found;
	cJSON *error = refusal(path);

	found.count = found.dropped = 0;
	push_parts_refused(parts, "p1", error, &found);
	ck_assert_uint_eq(found.count, 1);
	ck_assert_str_eq(found.items[0].code, "plane_refused");
	ck_assert_str_eq(found.items[0].message, "plane p1 refuses: no source address");
	ck_assert_str_eq(found.items[0].hint, "set one");
	ck_assert_str_eq(found.items[0].pointer, pointer);
	ck_assert(pointer[0] == '\0' ? found.items[0].line == 0 : found.items[0].line > 0);
	cJSON_Delete(error);
}

START_TEST(test_push_parts_refusal_leads_to_the_file)
{
	struct config *config = config_make(40, 1000);
	struct push_parts parts = { .from = config, .to = config, .generation = 9 };
	char pointer[64];
	uint32_t in_first;

	cJSON_Delete(push_parts_next(&parts));
	in_first = parts.next;
	ck_assert(!parts.complete);
	expect_pointer(&parts, "/params/vips/0/backends/3/address", "/vips/0/backends/3/address");
	cJSON_Delete(push_parts_next(&parts));
	snprintf(pointer, sizeof pointer, "/vips/%u", in_first + 2);
	expect_pointer(&parts, "/params/vips/2", pointer);
	/* Planes were not given what is removed, and the file has not what is leaving. */
	config->vips[in_first + 2].backends[0].removal = CONFIG_REMOVED;
	config->vips[in_first + 2].backends[999].removal = CONFIG_LEAVING;
	config->vips[in_first + 2].backends[999].unlisted = true;
	expect_pointer(&parts, "/params/vips/2/backends/998/address", pointer);
	expect_pointer(&parts, "/params/vips/2/backends/999", pointer);
	snprintf(pointer, sizeof pointer, "/vips/%u/backends/4/address", in_first + 2);
	expect_pointer(&parts, "/params/vips/2/backends/3/address", pointer);
	/* What leads nowhere has no place. */
	expect_pointer(&parts, "/params/generation", "");
	expect_pointer(&parts, "/params/vips/99999/port", "");
	expect_pointer(&parts, "/params/vips/x", "");
	expect_pointer(&parts, "", "");
	config_destroy(config);
}
END_TEST

/* --- what VIPs had before --- */

/* Changes all VIPs below the index. */
static void
change_below(struct config *config, struct history *history, uint32_t vip_count)
{
	static int64_t now_ms;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		config->vips[i].policy.window_s = 86400;
		config->vips[i].backends[0].weight -= i < vip_count;
	}
	history_note(history, config, now_ms += 100);
}

/* The rows that a plane builds of a full push; at least one former set of each VIP is in it. */
static uint64_t
rows_to_build(const struct config *config, const struct history *history)
{
	struct push_parts parts = {
		.from = config, .to = config, .history = history, .generation = 9, .now_ms = 20000
	};
	uint64_t rows = 0;

	while (!parts.complete) {
		cJSON *params = push_parts_next(&parts);
		const cJSON *vip;

		ck_assert_ptr_nonnull(params);
		cJSON_ArrayForEach (vip, json_get(params, "vips")) {
			int sets = cJSON_GetArraySize(json_get(vip, "history"));

			ck_assert_int_gt(sets, 0);
			rows += (uint64_t)(sets + 1) *
				(uint64_t)json_get_integer(vip, "table_size", 0);
		}
		cJSON_Delete(params);
	}
	return rows;
}

START_TEST(test_push_parts_tell_all_of_a_small_past)
{
	struct config *config = config_make(40, 1);
	struct history *history;

	ck_assert_int_eq(history_create(&history), 0);
	for (uint32_t i = 0; i < config->vip_count; i++)
		config->vips[i].table_size = 65537;
	for (uint32_t i = 0; i <= VIP_HISTORY_MAX; i++)
		change_below(config, history, 40);
	ck_assert_uint_eq(history_sets_max(history, config, 20000), VIP_HISTORY_MAX);
	ck_assert_uint_eq(rows_to_build(config, history), (VIP_HISTORY_MAX + 1) * 40u * 65537u);
	history_destroy(history);
	config_destroy(config);
}
END_TEST

/* A plane builds it at one plane.prepare: more would never be in time. */
START_TEST(test_push_parts_tell_no_more_past_than_can_be_built)
{
	const uint64_t rows = 1048573;
	struct config *config = config_make(40, 1);
	struct history *history;

	ck_assert_int_eq(history_create(&history), 0);
	for (uint32_t i = 0; i < 3; i++)
		change_below(config, history, 40);
	ck_assert_uint_eq(rows_to_build(config, history), 3 * 40 * rows);
	/* VIPs with few sets leave room for the others: 40 of now, 2 of all 40, 5 of 20. */
	for (uint32_t i = 3; i <= VIP_HISTORY_MAX; i++)
		change_below(config, history, 20);
	ck_assert_uint_eq(history_sets_max(history, config, 20000), 7);
	ck_assert_uint_eq(rows_to_build(config, history), (40 + 2 * 40 + 5 * 20) * rows);
	ck_assert_uint_le((40 + 2 * 40 + 5 * 20) * rows, HISTORY_PUSH_ROWS_MAX);
	ck_assert_uint_gt((40 + 2 * 40 + 6 * 20) * rows, HISTORY_PUSH_ROWS_MAX);
	history_destroy(history);
	config_destroy(config);
}
END_TEST

/* Where the present sets alone are too many, the first ones are told all the same. */
START_TEST(test_push_parts_tell_first_sets_always)
{
	struct config *config = config_make(300, 1);
	struct history *history;

	ck_assert_int_eq(history_create(&history), 0);
	change_below(config, history, 300);
	change_below(config, history, 300);
	ck_assert_uint_eq(history_sets_max(history, config, 20000), VIP_HISTORY_MAX);
	change_below(config, history, 300);
	ck_assert_uint_eq(history_sets_max(history, config, 20000), 1);
	ck_assert_uint_eq(rows_to_build(config, history), 2 * 300 * UINT64_C(1048573));
	history_destroy(history);
	config_destroy(config);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_push_parts_largest_vip_fits_a_line,
				       test_push_parts_all_vips_once,
				       test_push_parts_of_nothing_is_one_part,
				       test_push_parts_of_a_plan_changes_and_removes,
				       test_push_parts_refusal_leads_to_the_file,
				       test_push_parts_tell_all_of_a_small_past,
				       test_push_parts_tell_no_more_past_than_can_be_built,
				       test_push_parts_tell_first_sets_always,
				       NULL };

	return run_tests("push_parts", tests);
}
