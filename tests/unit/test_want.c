/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a VIP's window and the sets it had before are read as they stand, or refused where they are
 * wrong. (The rest of plane.prepare's parameters: test_methods.c.)
 *
 * Method: requests, with ' for ", and what they must come to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "want.h"

static struct json_errors errors;
static struct want want;
static uint64_t collected; /* backends of former sets in the parts before */

static const struct plane_options options = {
	.name = "plane0",
	.limits = { .vips = 4, .backends = 30, .rows = 4096, .fragments = 64, .flows = 64 },
	.has_source_ipv4 = true,
};

/** Read one VIP with these members more. @return of want_add_part(). */
static int
read_vip(const char *more)
{
	static char text[16384];
	cJSON *params = NULL;
	int r;

	snprintf(text, sizeof text,
		 "{'generation':1,'vips':[{'address':'192.0.2.1','port':80,'protocol':'tcp',"
		 "'table_size':251,'backends':[{'address':'10.0.0.2','weight':1}]%s}]}",
		 more);
	for (char *quote = strchr(text, '\''); quote != NULL; quote = strchr(quote, '\''))
		*quote = '"';
	errors = (struct json_errors){ 0 };
	want_clear(&want);
	want.history_backend_count = collected;
	ck_assert_msg(json_read(text, strlen(text), &params, &errors) == 0, "%s", text);
	r = want_add_part(&want, &options, params, &errors);
	cJSON_Delete(params);
	return r;
}

START_TEST(test_want_reads_windows_and_history)
{
	const struct want_vip *vip;

	ck_assert_int_eq(read_vip(""), 0);
	vip = &want.vips[0];
	ck_assert_uint_eq(vip->policy.window_s, 0);
	ck_assert_uint_eq(vip->policy.hold_s, 3);
	ck_assert_uint_eq(vip->present.age_ms, 0);
	ck_assert_uint_eq(vip->history_count, 0);

	ck_assert_int_eq(
		read_vip(",'window_s':86400,'hold_s':300,'age_ms':250,'history':["
			 "{'age_ms':9007199254740991,'backends':[]},"
			 "{'age_ms':900,'backends':[{'address':'10.0.0.9','weight':7},"
			 "{'address':'10.0.0.3','weight':0},{'address':'2001:db8::1','weight':1}"
			 "]},"
			 "{'age_ms':900,'backends':[{'address':'10.0.0.2','weight':2}]}]"),
		0);
	vip = &want.vips[0];
	ck_assert_uint_eq(vip->policy.window_s, 86400);
	ck_assert_uint_eq(vip->policy.hold_s, 300);
	ck_assert_uint_eq(vip->present.age_ms, 250);
	ck_assert_uint_eq(vip->history_count, 3);
	ck_assert_uint_eq(vip->history[0].age_ms, JSON_INTEGER_MAX);
	ck_assert_uint_eq(vip->history[0].backend_count, 0);
	/* by address; a family that this plane has no source of gets no packet and may be known */
	ck_assert_uint_eq(vip->history[1].backend_count, 3);
	ck_assert_uint_eq(vip->history[1].backends[0].weight, 0);
	ck_assert_uint_eq(vip->history[1].backends[1].weight, 7);
	ck_assert(!addr_is_ipv4(&vip->history[1].backends[2].address));
	ck_assert_uint_eq(vip->history[2].backends[0].weight, 2);
	ck_assert_uint_eq(vip->present.backends[0].weight, 1);
	ck_assert_uint_eq(want.backend_count, 1); /* former ones are not counted */
	ck_assert_uint_eq(want.history_backend_count, 4);
	want_clear(&want);
}
END_TEST

#define SET(age, backends) "{'age_ms':" #age ",'backends':[" backends "]}"
#define B(host)		   "{'address':'10.0.0." #host "','weight':1}"
#define B5(host)	   B(host##1) "," B(host##2) "," B(host##3) "," B(host##4) "," B(host##5)
#define B25		   B5(1) "," B5(2) "," B5(3) "," B5(4) "," B5(5)

static const struct {
	const char *more, *code, *pointer;
} refusals[] = {
	{ "'window_s':-1", "out_of_range", "/vips/0/window_s" },
	{ "'window_s':86401", "out_of_range", "/vips/0/window_s" },
	{ "'window_s':'5'", "wrong_type", "/vips/0/window_s" },
	{ "'hold_s':301", "out_of_range", "/vips/0/hold_s" },
	{ "'hold_s':true", "wrong_type", "/vips/0/hold_s" },
	{ "'age_ms':-1", "out_of_range", "/vips/0/age_ms" },
	{ "'history':{}", "wrong_type", "/vips/0/history" },
	{ "'history':[7]", "wrong_type", "/vips/0/history/0" },
	{ "'history':[{'backends':[]}]", "missing_member", "/vips/0/history/0" },
	{ "'history':[{'age_ms':1}]", "missing_member", "/vips/0/history/0" },
	{ "'history':[{'age_ms':1,'backends':[],'port':1}]", "unknown_member",
	  "/vips/0/history/0/port" },
	{ "'history':[" SET(9, "") "," SET(5, "") "," SET(6, "") "]", "invalid_value",
	  "/vips/0/history/2/age_ms" },
	{ "'age_ms':6,'history':[" SET(9, "") "," SET(5, "") "]", "invalid_value",
	  "/vips/0/age_ms" },
	{ "'history':[" SET(9, "") "," SET(5, "{'address':'127.0.0.1','weight':1}") "]",
	  "address_not_usable", "/vips/0/history/1/backends/0/address" },
	{ "'history':[" SET(9, "{'address':'10.0.0','weight':1}") "]", "invalid_value",
	  "/vips/0/history/0/backends/0/address" },
	{ "'history':[" SET(9, "{'address':'10.0.0.1','weight':65536}") "]", "out_of_range",
	  "/vips/0/history/0/backends/0/weight" },
	{ "'history':[" SET(9, "{'address':'10.0.0.1'}") "]", "missing_member",
	  "/vips/0/history/0/backends/0" },
	{ "'history':[" SET(9, B(1) "," B(2) "," B(1)) "]", "duplicate_backend",
	  "/vips/0/history/0/backends/2/address" },
	{ "'history':[" SET(9, B25 "," B(61)) "]", "table_too_small",
	  "/vips/0/history/0/backends" },
};

START_TEST(test_want_refuses_windows_and_history)
{
	static char more[8192];

	for (uint32_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		snprintf(more, sizeof more, ",%s", refusals[i].more);
		ck_assert_msg(read_vip(more) == -EINVAL, "%s", more);
		ck_assert_msg(errors.count == 1, "%s: %u errors", more, errors.count);
		ck_assert_msg(strcmp(errors.items[0].code, refusals[i].code) == 0, "%s: %s", more,
			      errors.items[0].code);
		ck_assert_msg(strcmp(errors.items[0].pointer, refusals[i].pointer) == 0, "%s: %s",
			      more, errors.items[0].pointer);
	}
	want_clear(&want);
}
END_TEST

START_TEST(test_want_bounds_history)
{
	static char more[8192];
	size_t used;

	for (uint32_t count = 64; count <= 65; count++) {
		used = (size_t)snprintf(more, sizeof more, ",'history':[");
		for (uint32_t i = 0; i < count; i++)
			used += (size_t)snprintf(more + used, sizeof more - used,
						 "%s" SET(9, B(1) "," B(2)), i > 0 ? "," : "");
		snprintf(more + used, sizeof more - used, "]");
		ck_assert_int_eq(read_vip(more), count == 64 ? 0 : -EINVAL);
	}
	ck_assert_str_eq(errors.items[0].code, "out_of_range");
	ck_assert_str_eq(errors.items[0].pointer, "/vips/0/history");
	/* of all VIPs and parts together */
	collected = 64 * 30 - 25;
	ck_assert_int_eq(read_vip(",'history':[" SET(9, B25) "]"), 0);
	collected++;
	ck_assert_int_eq(read_vip(",'history':[" SET(9, B25) "]"), -EINVAL);
	ck_assert_str_eq(errors.items[0].code, "limit_exceeded");
	ck_assert_str_eq(errors.items[0].pointer, "/vips/0/history/0/backends");
	want_clear(&want);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_want_reads_windows_and_history,
				       test_want_refuses_windows_and_history,
				       test_want_bounds_history, NULL };

	return run_tests("want", tests);
}
