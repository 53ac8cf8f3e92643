/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the plane protocol answers as docs/formats.md says; every refusal has its code and its
 * place and leaves the tables as they were, to the byte; so does whatever ends without a commit,
 * and every allocation that fails.
 *
 * Method: request lines into the methods on a fake engine;
 * snapshots of all tables before and after.
 */
#include "fail_alloc.h"
#include "fake_plane.h"
#include "run.h"

static struct fake_plane fake;

#define VIP_OF(address, port, size, backends)                                            \
	"{'address':'" address "','port':" #port ",'protocol':'tcp','table_size':" #size \
	",'backends':[" backends "]}"
#define VIP(port, size, backends) VIP_OF("192.0.2.1", port, size, backends)
#define BACKEND(host, weight)	  "{'address':'10.0.0." #host "','weight':" #weight "}"
#define POLICY(members)                                                                    \
	"{'address':'192.0.2.1','port':82,'protocol':'tcp','table_size':251,'backends':[]" \
	"," members "}"
#define NAME(port) "{'address':'192.0.2.1','port':" #port ",'protocol':'tcp'}"

/** Generation 5 serves: 192.0.2.1:80 and :81, backends 10.0.0.1 and .2. */
static void
open_plane(void)
{
	fake_open(&fake,
		  &(struct plane_limits){ FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS, FAKE_FRAGMENTS });
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':5,'vips':[" VIP(80, 251, BACKEND(1, 1)) "," VIP(
				  81, 509, BACKEND(1, 1) "," BACKEND(2, 1)) "]}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':5}"));
	fake_settle(&fake);
}

/** Nothing but what generation 5 has is taken from the arenas. */
static bool
nothing_is_reserved(void)
{
	const struct state *state = &fake.plane.state;
	uint32_t slots = state->set.vips[0]->slot_count + state->set.vips[1]->slot_count;

	return ranges_free(state->row_ranges) == FAKE_ROWS - 251 - 509 &&
	       ranges_free(state->slot_ranges) == FAKE_BACKENDS - slots &&
	       state->record_count == fake.size.vip_count - 3;
}

static const char *
message(void)
{
	return json_get_string(json_get(fake.answer, "error"), "message", "");
}

/* --- refusals --- */

static const struct refusal {
	const char *params, *code, *path;
} refusals[] = {
	{ "{}", "missing_member", "/params" },
	{ "{'generation':'6'}", "wrong_type", "/params/generation" },
	{ "{'generation':0}", "out_of_range", "/params/generation" },
	{ "{'generation':6,'vip':[]}", "unknown_member", "/params/vip" },
	{ "{'generation':6,'full':1}", "wrong_type", "/params/full" },
	{ "{'generation':6,'more':'yes'}", "wrong_type", "/params/more" },
	{ "{'generation':6,'vips':{}}", "wrong_type", "/params/vips" },
	{ "{'generation':6,'vips':[7]}", "wrong_type", "/params/vips/0" },
	{ "{'generation':5}", "generation_out_of_order", "/params/generation" },
	{ "{'generation':4}", "generation_out_of_order", "/params/generation" },
	{ "{'generation':6,'vips':[" VIP(82, 250, "") "]}", "out_of_range",
	  "/params/vips/0/table_size" },
	{ "{'generation':6,'vips':[" VIP(82, 252, "") "]}", "invalid_value",
	  "/params/vips/0/table_size" },
	{ "{'generation':6,'vips':[" VIP(65536, 251, "") "]}", "out_of_range",
	  "/params/vips/0/port" },
	{ "{'generation':6,'vips':[{'address':'192.0.2.1','port':82,'protocol':'sctp','backends':[]"
	  "}]}",
	  "invalid_value", "/params/vips/0/protocol" },
	{ "{'generation':6,'vips':[{'address':'192.0.2.1','port':82,'protocol':'tcp'}]}",
	  "missing_member", "/params/vips/0" },
	{ "{'generation':6,'vips':[" VIP_OF("192.0.2", 82, 251, "") "]}", "invalid_value",
	  "/params/vips/0/address" },
	{ "{'generation':6,'vips':[" VIP_OF("224.0.0.1", 82, 251, "") "]}", "address_not_usable",
	  "/params/vips/0/address" },
	{ "{'generation':6,'vips':[" VIP_OF("::1", 82, 251, "") "]}", "address_not_usable",
	  "/params/vips/0/address" },
	{ "{'generation':6,'vips':[" VIP(82, 251, "{'address':'0.0.0.0','weight':1}") "]}",
	  "address_not_usable", "/params/vips/0/backends/0/address" },
	{ "{'generation':6,'vips':[" VIP(82, 251, BACKEND(1, 65536)) "]}", "out_of_range",
	  "/params/vips/0/backends/0/weight" },
	{ "{'generation':6,'vips':[" VIP(82, 251, BACKEND(1, -1)) "]}", "out_of_range",
	  "/params/vips/0/backends/0/weight" },
	{ "{'generation':6,'vips':[" VIP(82, 251, "{'address':'10.0.0.1'}") "]}", "missing_member",
	  "/params/vips/0/backends/0" },
	{ "{'generation':6,'vips':[" VIP(82, 251,
					 "{'address':'10.0.0.1','wieght':1,'weight':1}") "]}",
	  "unknown_member", "/params/vips/0/backends/0/wieght" },
	{ "{'generation':6,'vips':[" VIP(82, 251,
					 BACKEND(3, 1) "," BACKEND(1, 1) "," BACKEND(3, 2)) "]}",
	  "duplicate_backend", "/params/vips/0/backends/2/address" },
	{ "{'generation':6,'vips':[" VIP(82, 251, "") "," VIP(83, 251, "") "," VIP(82, 509,
										   "") "]}",
	  "duplicate_vip", "/params/vips/2" },
	{ "{'generation':6,'vips':[" VIP(80, 251, "") "],'remove':[" NAME(80) "]}", "duplicate_vip",
	  "/params/remove/0" },
	{ "{'generation':6,'remove':[" NAME(80) "," NAME(80) "]}", "duplicate_vip",
	  "/params/remove/1" },
	{ "{'generation':6,'remove':[" NAME(80) "," NAME(84) "]}", "unknown_vip",
	  "/params/remove/1" },
	{ "{'generation':6,'remove':[{'address':'192.0.2.1','port':80}]}", "missing_member",
	  "/params/remove/0" },
	{ "{'generation':6,'full':true,'remove':[" NAME(80) "]}", "invalid_value",
	  "/params/remove" },
	/* prefixes, ranges and policies */
	{ "{'generation':6,'vips':[" VIP_OF("192.0.2.0/31", '8000', 251, "") "]}", "wrong_type",
	  "/params/vips/0/port" },
	{ "{'generation':6,'vips':[" VIP_OF("192.0.2.1/24", 82, 251, "") "]}", "invalid_value",
	  "/params/vips/0/address" },
	{ "{'generation':6,'vips':[" VIP_OF("10.0.0.0/7", 82, 251, "") "]}", "out_of_range",
	  "/params/vips/0/address" },
	{ "{'generation':6,'vips':[" POLICY("'mode':'nat'") "]}", "invalid_value",
	  "/params/vips/0/mode" },
	{ "{'generation':6,'vips':[" POLICY("'fragments':'keep'") "]}", "invalid_value",
	  "/params/vips/0/fragments" },
	{ "{'generation':6,'vips':[" POLICY("'no_backend':true") "]}", "wrong_type",
	  "/params/vips/0/no_backend" },
	{ "{'generation':6,'vips':[" POLICY("'icmp_echo':'host'") "]}", "conflicting_icmp_echo",
	  "/params/vips/0/icmp_echo" },
	{ "{'generation':6,'vips':[" VIP('100-200', 251, "") "," VIP('200-300', 251, "") "]}",
	  "overlapping_ports", "/params/vips/1/port" },
	{ "{'generation':6,'vips':[" VIP_OF("198.51.100.0/24", 82, 251,
					    "{'address':'198.51.100.9','weight':1}") "]}",
	  "backend_is_vip", "/params/vips/0/backends/0/address" },
	{ "{'generation':6,'vips':[" VIP_OF("10.0.0.0/24", 82, 251, "") "]}", "backend_is_vip",
	  "/params/vips/0/address" },
	/* a backend that is a VIP: of this change, of what serves, and a VIP that is a served
	   backend */
	{ "{'generation':6,'vips':[" VIP(82, 251, BACKEND(9, 1)) "," VIP_OF("10.0.0.9", 80, 251,
									    "") "]}",
	  "backend_is_vip", "/params/vips/0/backends/0/address" },
	{ "{'generation':6,'vips':[" VIP_OF(
		  "192.0.2.9", 82, 251, BACKEND(3, 1) ",{'address':'192.0.2.1','weight':1}") "]}",
	  "backend_is_vip", "/params/vips/0/backends/1/address" },
	{ "{'generation':6,'vips':[" VIP(82, 251, "") "," VIP_OF("10.0.0.2", 80, 251, "") "]}",
	  "backend_is_vip", "/params/vips/1/address" },
	/* limits: 8 VIPs, 256 backends, 4096 rows; 2 VIPs with 760 rows are there */
	{ "{'generation':6,'vips':[" VIP(1, 251, "") "," VIP(2, 251, "") "," VIP(
		  3, 251, "") "," VIP(4, 251, "") "," VIP(5, 251, "") "," VIP(6, 251,
									      "") "," VIP(7, 251,
											  "") "]}",
	  "limit_exceeded", "/params/vips" },
	{ "{'generation':6,'vips':[" VIP(1, 4093, "") "]}", "limit_exceeded", "/params/vips" },
	{ "{'generation':6,'vips':[{'address':'192.0.2.1','port':1,'protocol':'tcp','backends':[]}]"
	  "}",
	  "limit_exceeded", "/params/vips" },
};

START_TEST(test_methods_refuse_and_change_nothing)
{
	open_plane();
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const struct refusal *refusal = &refusals[i];
		struct fake_snapshot before = fake_snapshot(&fake);

		ck_assert_msg(fake_call(&fake, "plane.prepare", refusal->params) == NULL,
			      "accepted: %s", refusal->params);
		ck_assert_msg(strcmp(fake_error(&fake), refusal->code) == 0 &&
				      strcmp(fake_error_path(&fake), refusal->path) == 0,
			      "%s: %s at %s, not %s at %s", refusal->params, fake_error(&fake),
			      fake_error_path(&fake), refusal->code, refusal->path);
		ck_assert_msg(fake_is_as(&fake, before), "tables changed by %s", refusal->params);
		ck_assert_ptr_null(fake_inconsistency(&fake));
		/* nothing is prepared, nothing stays reserved */
		ck_assert_ptr_null(fake.plane.change);
		ck_assert(nothing_is_reserved());
	}
	fake_close(&fake);
}
END_TEST

START_TEST(test_methods_limits_name_the_number_needed)
{
	static char params[FAKE_LINE_BYTES / 2];
	size_t used;

	open_plane();
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare",
				     "{'generation':6,'vips':[" VIP(1, 4093, "") "]}"));
	ck_assert_ptr_nonnull(strstr(message(), "4853 rows")); /* 251 + 509 + 4093 */
	ck_assert_ptr_nonnull(strstr(message(), "limits.rows is 4096"));
	/* old and new table side by side */
	ck_assert_ptr_null(
		fake_call(&fake, "plane.prepare",
			  "{'generation':6,'full':true,'vips':[" VIP(80, 4093, "") "]}"));
	ck_assert_ptr_nonnull(strstr(message(), "4853 rows"));

	used = (size_t)snprintf(
		params, sizeof params,
		"{'generation':6,'vips':[{'address':'192.0.2.1','port':1,'protocol':'tcp',"
		"'table_size':4093,'backends':[");
	for (uint32_t i = 0; i < 257; i++)
		used += (size_t)snprintf(params + used, sizeof params - used,
					 "%s{'address':'10.1.%u.%u','weight':1}", i > 0 ? "," : "",
					 i / 200, 1 + i % 200);
	snprintf(params + used, sizeof params - used, "]}]}");
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare", params));
	ck_assert_str_eq(fake_error(&fake), "limit_exceeded");
	ck_assert_str_eq(fake_error_path(&fake), "/params/vips/0/backends");
	ck_assert_ptr_nonnull(strstr(message(), "257"));
	ck_assert_ptr_nonnull(strstr(message(), "limits.backends is 256"));

	ck_assert_ptr_null(fake_call(&fake, "plane.prepare",
				     "{'generation':6,'vips':[{'address':'192.0.2.1','port':1,'"
				     "protocol':"
				     "'tcp','table_size':251,'backends':[" BACKEND(
					     1,
					     1) "," BACKEND(2,
							    1) "," BACKEND(3,
									   1) "," BACKEND(4,
											  1) "," BACKEND(5,
													 1) "," BACKEND(6, 1) "," BACKEND(7, 1) "," BACKEND(8, 1) "," BACKEND(9, 1) "," BACKEND(10, 1) "," BACKEND(11, 1) "," BACKEND(12, 1) "," BACKEND(13,
																															 1) "," BACKEND(14, 1) "," BACKEND(15, 1) "," BACKEND(16,
																																					      1) "," BACKEND(17,
																																							     1) "," BACKEND(18,
																																									    1) "," BACKEND(19,
																																											   1) "," BACKEND(20,
																																													  1) "," BACKEND(21, 1) "," BACKEND(22, 1) "," BACKEND(23,
																																																			       1) "," BACKEND(24,
																																																					      1) "," BACKEND(25,
																																																							     1) "," BACKEND(26,
																																																									    1) "]}]}"));
	ck_assert_str_eq(fake_error(&fake), "table_too_small");
	ck_assert_str_eq(fake_error_path(&fake), "/params/vips/0/table_size");
	ck_assert_ptr_nonnull(strstr(message(), "it needs 509"));
	fake_close(&fake);
}
END_TEST

/** VIPs of prefix lengths /@p first to /@p last. */
static const char *
of_lengths(uint32_t generation, uint32_t first, uint32_t last)
{
	static char params[FAKE_LINE_BYTES / 2];
	size_t used = (size_t)snprintf(params, sizeof params,
				       "{'generation':%u,'full':true,'vips':[", generation);

	for (uint32_t bits = first; bits <= last; bits++)
		used += (size_t)snprintf(params + used, sizeof params - used,
					 "%s{'address':'172.16.0.0/%u','port':80,'protocol':'tcp',"
					 "'table_size':251,'backends':[]}",
					 bits > first ? "," : "", bits);
	snprintf(params + used, sizeof params - used, "]}");
	return params;
}

START_TEST(test_methods_count_prefix_lengths)
{
	fake_open(&fake, &(struct plane_limits){ 16, FAKE_BACKENDS, 8192, FAKE_FRAGMENTS });
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare", of_lengths(1, 12, 20)));
	ck_assert_str_eq(fake_error(&fake), "limit_exceeded");
	ck_assert_str_eq(fake_error_path(&fake), "/params/vips/8/address");
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", of_lengths(1, 12, 19)));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':1}"));
	ck_assert_ptr_null(fake_inconsistency(&fake));
	/* old and new ones are looked for until the change is through */
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare", of_lengths(2, 13, 20)));
	ck_assert_str_eq(fake_error(&fake), "limit_exceeded");
	ck_assert_ptr_nonnull(strstr(message(), "needs 9 prefix lengths of IPv4 VIPs"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", of_lengths(2, 13, 19)));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':2}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", of_lengths(3, 13, 20)));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':3}"));
	ck_assert_ptr_null(fake_inconsistency(&fake));
	ck_assert_uint_eq(fake.tables.config->lengths[0], UINT64_C(0x6d6e6f7071727374));
	fake_close(&fake);
}
END_TEST

START_TEST(test_methods_conflicts_name_both_places)
{
	open_plane();
	/* with what serves */
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare",
					"{'generation':6,'vips':[" VIP('100-200', 251, "") "]}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':6}"));
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare",
				     "{'generation':7,'vips':[" VIP('200-300', 251, "") "]}"));
	ck_assert_ptr_nonnull(strstr(message(), "those of 192.0.2.1:100-200/tcp, which is served"));
	/* the same in one change, when the other goes */
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':7,'vips':[" VIP('200-300', 251,
							 "") "],"
							     "'remove':[" NAME('100-200') "]}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':7}"));
	/* in an earlier part, which has no place here */
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':8,'more':true,'vips':[" VIP('400-500', 251, "") "]}"));
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare",
				     "{'generation':8,'vips':[" VIP('450-460', 251, "") "]}"));
	ck_assert_str_eq(fake_error_path(&fake), "/params/vips/0/port");
	ck_assert_ptr_nonnull(strstr(message(), "in part 1 of this change"));
	/* a policy of all VIPs of an address can be changed in one change of all */
	ck_assert_ptr_nonnull(fake_call(
		&fake, "plane.prepare",
		"{'generation':8,'full':true,'vips':[" POLICY("'icmp_echo':'host'") "]}"));
	fake_close(&fake);
}
END_TEST

START_TEST(test_methods_need_a_source_of_the_family)
{
	open_plane();
	fake.plane.options.has_source_ipv6 = false;
	/* not where packets go as they are */
	ck_assert_ptr_nonnull(fake_call(
		&fake, "plane.prepare",
		"{'generation':6,'vips':[{'address':'192.0.2.1','port':82,'protocol':'tcp',"
		"'mode':'l2dsr','backends':[{'address':'2001:db8::5','weight':1}],"
		"'table_size':251}]}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.abort", "{'generation':6}"));
	ck_assert_ptr_null(
		fake_call(&fake, "plane.prepare",
			  "{'generation':6,'vips':[" VIP(
				  82, 251, "{'address':'2001:db8::5','weight':1}") "]}"));
	ck_assert_str_eq(fake_error(&fake), "no_encapsulation");
	ck_assert_str_eq(fake_error_path(&fake), "/params/vips/0/backends/0/address");
	ck_assert_int_eq(cJSON_GetArraySize(
				 json_get(fake_call(&fake, "plane.hello", NULL), "encapsulation")),
			 1);
	fake_close(&fake);
}
END_TEST

/* --- order of calls --- */

START_TEST(test_methods_keep_their_order)
{
	struct fake_snapshot before;

	open_plane();
	before = fake_snapshot(&fake);
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':6}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	ck_assert_ptr_null(fake_call(&fake, "plane.abort", "{'generation':6}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", NULL));
	ck_assert_str_eq(fake_error(&fake), "missing_member");

	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare", "{'generation':6,'remove':[" NAME(80) "]}"));
	ck_assert_int_eq(json_get_integer(fake_call(&fake, "plane.hello", NULL), "prepared", 0), 6);
	/* twice, and by another client: the first stays prepared */
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare", "{'generation':7}"));
	ck_assert_str_eq(fake_error(&fake), "already_prepared");
	ck_assert_ptr_null(fake_call_as(&fake, 1, "plane.prepare", "{'generation':7}"));
	ck_assert_str_eq(fake_error(&fake), "already_prepared");
	ck_assert_ptr_null(fake_call_as(&fake, 1, "plane.commit", "{'generation':6}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	ck_assert_ptr_null(fake_call_as(&fake, 1, "plane.abort", "{'generation':6}"));
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':7}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	/* another client's going is nothing to it, its own ends it */
	fake_disconnect(&fake, 1);
	ck_assert_ptr_nonnull(fake.plane.change);
	ck_assert_int_eq(json_get_integer(fake_call(&fake, "plane.abort", "{'generation':6}"),
					  "generation", 0),
			 5);
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare", "{'generation':6,'remove':[" NAME(80) "]}"));
	fake_disconnect(&fake, 0);
	ck_assert(cJSON_IsNull(json_get(fake_call(&fake, "plane.hello", NULL), "prepared")));
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':6}"));
	ck_assert(fake_is_as(&fake, before));
	ck_assert(nothing_is_reserved());
	fake_close(&fake);
}
END_TEST

START_TEST(test_methods_take_a_generation_in_parts)
{
	const cJSON *result;

	open_plane();
	result = fake_call(&fake, "plane.prepare",
			   "{'generation':9,'full':true,'more':true,'vips':[" VIP(
				   90, 251, BACKEND(1, 1)) "]}");
	ck_assert_int_eq(json_get_integer(result, "parts", 0), 1);
	ck_assert_int_eq(json_get_integer(result, "generation", 0), 9);
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':9}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	ck_assert(cJSON_IsNull(json_get(fake_call(&fake, "plane.hello", NULL), "prepared")));
	ck_assert_ptr_null(fake_call_as(&fake, 1, "plane.prepare", "{'generation':10}"));
	ck_assert_str_eq(fake_error(&fake), "already_prepared");
	result = fake_call(&fake, "plane.prepare",
			   "{'generation':9,'full':true,'vips':[" VIP(91, 251, BACKEND(2, 1)) "]}");
	ck_assert_int_eq(cJSON_GetArraySize(json_get(result, "vips")), 4);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':9}"));
	ck_assert_uint_eq(fake.plane.state.set.vip_count, 2);
	ck_assert_ptr_null(fake_inconsistency(&fake));

	/* a refused part takes the earlier ones with it */
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':10,'more':true,'vips':[" VIP(92, 251, "") "]}"));
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare", "{'generation':11,'more':true}"));
	ck_assert_str_eq(fake_error(&fake), "generation_out_of_order");
	ck_assert_ptr_null(fake_call(&fake, "plane.abort", "{'generation':10}"));
	/* what is wrong with an earlier part has no place in the last */
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare",
					"{'generation':10,'more':true,'remove':[" NAME(7) "]}"));
	ck_assert_ptr_null(fake_call(&fake, "plane.prepare", "{'generation':10}"));
	ck_assert_str_eq(fake_error(&fake), "unknown_vip");
	ck_assert_str_eq(fake_error_path(&fake), "/params");
	ck_assert_ptr_nonnull(strstr(message(), "192.0.2.1:7/tcp"));
	fake_close(&fake);
}
END_TEST

/* --- answers --- */

START_TEST(test_methods_hello_and_names)
{
	const cJSON *hello;
	char key[PLANE_DIGEST_TEXT_BYTES];

	open_plane();
	hello = fake_call(&fake, "plane.hello", "{}");
	ck_assert_int_eq(json_get_integer(hello, "protocol", 0), 1);
	ck_assert_str_eq(json_get_string(hello, "version", ""), FL_VERSION);
	ck_assert_str_eq(json_get_string(hello, "kind", ""), "test");
	ck_assert_str_eq(json_get_string(hello, "name", ""), "fake");
	ck_assert_int_eq(json_get_integer(hello, "generation", 0), 5);
	ck_assert_uint_eq(strlen(json_get_string(hello, "digest", "")), 16);
	ck_assert_int_eq(json_get_integer(json_get(hello, "limits"), "vips", 0), FAKE_VIPS);
	ck_assert_int_eq(json_get_integer(json_get(hello, "limits"), "flows", 1), 0);
	ck_assert_int_eq(json_get_integer(json_get(hello, "limits"), "fragments", 0),
			 FAKE_FRAGMENTS);
	snprintf(key, sizeof key, "%s", json_get_string(hello, "key_check", ""));
	fake.tables.config->key.word[1] ^= 1;
	ck_assert_str_ne(json_get_string(fake_call(&fake, "plane.hello", NULL), "key_check", ""),
			 key);
	ck_assert_ptr_null(fake_call(&fake, "plane.hello", "{'x':1}"));
	ck_assert_str_eq(fake_error(&fake), "unknown_member");
	ck_assert_ptr_null(fake_call(&fake, "plane.hallo", NULL));
	ck_assert_str_eq(fake_error(&fake), "method_not_found");
	fake_close(&fake);
}
END_TEST

START_TEST(test_methods_stats)
{
	const cJSON *stats, *vip, *backend;
	int64_t sum = 0;
	const struct state_vip *served;

	open_plane();
	served = fake.plane.state.set.vips[1];
	fake.vip_counters[served->record] = (struct fl_counter){ 12, 3456 };
	fake.backend_counters[served->slot_base + served->backends[0].slot_index].packets = 7;
	stats = fake_call(&fake, "plane.stats", NULL);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(stats, "verdicts")), FL_VERDICT_COUNT);
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		sum += i;
	ck_assert_int_eq(json_get_integer(stats, "received", 0), sum);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(stats, "events")), FL_EVENT_COUNT);
	for (uint32_t i = 0; i < FL_EVENT_COUNT; i++) {
		const cJSON *event = cJSON_GetArrayItem(json_get(stats, "events"), (int)i);

		ck_assert_str_eq(json_get_string(event, "event", ""), plane_event_name(i));
		ck_assert_int_eq(json_get_integer(event, "count", 0), 100 + i);
	}
	ck_assert_int_eq(cJSON_GetArraySize(json_get(stats, "vips")), 2);
	ck_assert_str_eq(
		json_get_string(cJSON_GetArrayItem(json_get(stats, "ports"), 0), "mac", ""),
		"02:00:00:00:00:01");
	ck_assert_int_eq(cJSON_GetArraySize(json_get(stats, "cores")), 1);

	stats = fake_call(&fake, "plane.stats", "{'vip':" NAME(81) "}");
	ck_assert_int_eq(cJSON_GetArraySize(json_get(stats, "vips")), 1);
	vip = cJSON_GetArrayItem(json_get(stats, "vips"), 0);
	ck_assert_int_eq(json_get_integer(vip, "packets", 0), 12);
	ck_assert_int_eq(json_get_integer(vip, "bytes", 0), 3456);
	ck_assert_int_eq(json_get_integer(vip, "table_size", 0), 509);
	backend = cJSON_GetArrayItem(json_get(vip, "backends"), 0);
	ck_assert_str_eq(json_get_string(backend, "address", ""), "10.0.0.1");
	ck_assert_int_eq(json_get_integer(backend, "packets", 0), 7);
	ck_assert_str_eq(json_get_string(backend, "next_hop", ""), "reachable");
	ck_assert_str_eq(json_get_string(backend, "mac", ""), "02:00:00:00:00:02");
	ck_assert_str_eq(json_get_string(backend, "port", ""), "port0");
	sum = json_get_integer(backend, "rows", 0);
	backend = cJSON_GetArrayItem(json_get(vip, "backends"), 1);
	ck_assert_int_eq(sum + json_get_integer(backend, "rows", 0), 509);

	ck_assert_ptr_null(fake_call(&fake, "plane.stats", "{'vip':" NAME(82) "}"));
	ck_assert_str_eq(fake_error(&fake), "unknown_vip");
	ck_assert_str_eq(fake_error_path(&fake), "/params/vip");
	ck_assert_ptr_null(fake_call(&fake, "plane.stats", "{'vip':{}}"));
	ck_assert_str_eq(fake_error(&fake), "missing_member");
	fake_close(&fake);
}
END_TEST

/* --- memory --- */

#define EXPLAIN(port, more)                                                                        \
	"{'source':'198.51.100.1','source_port':1234,'destination':'192.0.2.1','destination_port'" \
	":" #port ",'protocol':'tcp'" more "}"

enum { ALLOCATIONS_MAX = 5000 };

/** @return whether @p params could be prepared and committed although the @p nth allocation failed.
 */
static bool
try_with_failure(const char *method, const char *params, uint32_t nth, bool *ret_failed)
{
	bool done;

	fail_alloc_at(nth);
	done = fake_call(&fake, method, params) != NULL;
	*ret_failed = fail_alloc_end();
	return done;
}

START_TEST(test_methods_survive_every_failed_allocation)
{
	static const char params[] =
		"{'generation':6,'vips':[" VIP(80, 251, BACKEND(7, 1) "," BACKEND(8, 1)) "," VIP(
			81, 251, BACKEND(2, 1)) "," VIP_OF("2001:db8::1", 80, 251,
							   BACKEND(9, 1)) "]}";
	bool failed = true;
	uint32_t nth;

	open_plane();
	for (nth = 1; failed && nth < ALLOCATIONS_MAX; nth++) {
		struct fake_snapshot before = fake_snapshot(&fake);
		bool prepared = try_with_failure("plane.prepare", params, nth, &failed);

		CHECK(!failed || fake_is_as(&fake, before));
		if (!failed)
			free(before.bytes);
		/* an answer that got lost for want of memory leaves the change to be aborted */
		if (!prepared || failed)
			fake_disconnect(&fake, 0);
		CHECK(nothing_is_reserved() || !failed);
		/* the session is as good as new */
		if (failed) {
			rpc_session_destroy(fake.clients[0].session);
			CHECK(rpc_session_create(fake_called, &fake.clients[0],
						 &fake.clients[0].session) == 0);
		}
	}
	ck_assert_uint_gt(nth, 100);
	ck_assert_uint_lt(nth, ALLOCATIONS_MAX);
	ck_assert_ptr_nonnull(fake.plane.change);
	/* nothing that a commit does to the tables needs memory: only its answer may get lost */
	(void)try_with_failure("plane.commit", "{'generation':6}", 20, &failed);
	ck_assert_ptr_null(fake_inconsistency(&fake));
	fake_close(&fake);
}
END_TEST

START_TEST(test_methods_answers_need_memory)
{
	static const struct {
		const char *method, *params;
	} calls[] = { { "plane.hello", "{}" },
		      { "plane.stats", "{}" },
		      { "plane.explain", EXPLAIN(80, "") } };

	open_plane();
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		bool failed = true, done = false;
		uint32_t nth;

		for (nth = 1; failed && nth < ALLOCATIONS_MAX; nth++) {
			done = try_with_failure(calls[i].method, calls[i].params, nth, &failed);
			CHECK(!failed || !done);
			rpc_session_destroy(fake.clients[0].session);
			CHECK(rpc_session_create(fake_called, &fake.clients[0],
						 &fake.clients[0].session) == 0);
		}
		ck_assert(done);
		ck_assert_uint_gt(nth, 20);
	}
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_methods_refuse_and_change_nothing,
				       test_methods_limits_name_the_number_needed,
				       test_methods_count_prefix_lengths,
				       test_methods_conflicts_name_both_places,
				       test_methods_need_a_source_of_the_family,
				       test_methods_keep_their_order,
				       test_methods_take_a_generation_in_parts,
				       test_methods_hello_and_names,
				       test_methods_stats,
				       test_methods_survive_every_failed_allocation,
				       test_methods_answers_need_memory,
				       NULL };

	return run_tests("methods", tests);
}
