/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: plane.explain says what becomes of a packet, step by step up to where the decision ends,
 * for every kind of VIP and every mode, and changes nothing.
 *
 * Method: requests into the methods on a fake engine; the texts and members that must come.
 */
#include "fake_plane.h"
#include "run.h"

static struct fake_plane fake;

#define VIP_OF(address, port, size, backends)                                            \
	"{'address':'" address "','port':" #port ",'protocol':'tcp','table_size':" #size \
	",'backends':[" backends "]}"
#define VIP(port, size, backends) VIP_OF("192.0.2.1", port, size, backends)
#define BACKEND(host, weight)	  "{'address':'10.0.0." #host "','weight':" #weight "}"

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

/** The step @p name of the last answer; NULL: it is not there. */
static const cJSON *
step(const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(json_get(fake.answer, "result"), "steps"))
		if (strcmp(json_get_string(item, "step", ""), name) == 0)
			return item;
	return NULL;
}

#define EXPLAIN(port, more)                                                                        \
	"{'source':'198.51.100.1','source_port':1234,'destination':'192.0.2.1','destination_port'" \
	":" #port ",'protocol':'tcp'" more "}"

START_TEST(test_explain_each_step)
{
	struct fake_snapshot before;

	open_plane();
	before = fake_snapshot(&fake);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", EXPLAIN(80, "")));
	ck_assert_str_eq(json_get_string(json_get(fake.answer, "result"), "verdict", ""),
			 "forward");
	ck_assert_str_eq(json_get_string(json_get(fake.answer, "result"), "backend", ""),
			 "10.0.0.1");
	ck_assert_str_eq(json_get_string(step("parse"), "text", ""), "ipv4/tcp, 40 bytes");
	ck_assert_str_eq(json_get_string(step("vip"), "text", ""), "192.0.2.1:80/tcp");
	ck_assert_int_eq(json_get_integer(step("row"), "rows", 0), 251);
	ck_assert_str_eq(json_get_string(step("backend"), "text", ""), "10.0.0.1, weight 1");
	ck_assert_str_eq(json_get_string(step("encap"), "text", ""),
			 "ipip 4in4 10.9.9.9 -> 10.0.0.1, 60 bytes, mtu 1500");
	ck_assert_str_eq(json_get_string(step("next_hop"), "text", ""),
			 "02:00:00:00:00:02, port port0");

	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", EXPLAIN(80, ",'bytes':1481")));
	ck_assert_str_eq(json_get_string(json_get(fake.answer, "result"), "verdict", ""),
			 "answer_too_big");
	ck_assert_ptr_nonnull(step("encap"));
	ck_assert_ptr_null(step("next_hop"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", EXPLAIN(80, ",'bytes':65535")));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", EXPLAIN(79, "")));
	ck_assert_str_eq(json_get_string(json_get(fake.answer, "result"), "verdict", ""),
			 "pass_no_vip");
	ck_assert_ptr_null(step("row"));
	ck_assert_ptr_null(fake_call(&fake, "plane.explain", EXPLAIN(80, ",'bytes':39")));
	ck_assert_str_eq(fake_error(&fake), "out_of_range");
	ck_assert_ptr_null(fake_call(&fake, "plane.explain", EXPLAIN(80, ",'bytes':65536")));
	ck_assert_ptr_null(fake_call(&fake, "plane.explain",
				     "{'source':'::2','source_port':1,'destination':'192.0.2.1',"
				     "'destination_port':80,'protocol':'udp'}"));
	ck_assert_str_eq(fake_error_path(&fake), "/params/source");
	ck_assert_ptr_null(fake_call(&fake, "plane.explain", NULL));
	ck_assert(fake_is_as(&fake, before));
	fake_close(&fake);
}
END_TEST

START_TEST(test_explain_a_row_that_moves)
{
	struct fake_snapshot before;

	open_plane();
	for (uint32_t generation = 6; generation < 8; generation++) {
		char text[512];

		snprintf(text, sizeof text,
			 "{'generation':%u,'vips':[{'address':'192.0.2.1','port':80,'protocol':"
			 "'tcp','table_size':251,'window_s':5,'hold_s':0,'backends':[%s," BACKEND(
				 2, 1) "]}]}",
			 generation, generation == 6 ? BACKEND(1, 1) : BACKEND(1, 0));
		ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", text));
		snprintf(text, sizeof text, "{'generation':%u}", generation);
		ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", text));
		fake_settle(&fake);
	}
	before = fake_snapshot(&fake);
	/* backend 1 is leaving: its rows move */
	for (uint32_t port = 1; port < 100; port++) {
		char text[256];

		snprintf(text, sizeof text,
			 "{'source':'198.51.100.1','source_port':%u,'destination':'192.0.2.1',"
			 "'destination_port':80,'protocol':'tcp'}",
			 port);
		ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", text));
		if (strcmp(json_get_string(step("row"), "previous", ""), "10.0.0.1") != 0)
			continue;
		ck_assert_str_eq(json_get_string(step("backend"), "address", ""), "10.0.0.1");
		ck_assert_str_eq(json_get_string(step("parse"), "text", ""), "ipv4/tcp, 40 bytes");
		snprintf(text + strlen(text) - 1, sizeof text - strlen(text), ",'syn':true}");
		ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", text));
		ck_assert_str_eq(json_get_string(step("backend"), "address", ""), "10.0.0.2");
		ck_assert_str_eq(json_get_string(step("parse"), "text", ""),
				 "ipv4/tcp SYN, 40 bytes");
		ck_assert(fake_is_as(&fake, before));
		fake_close(&fake);
		return;
	}
	ck_abort_msg("no flow whose row moves");
}
END_TEST

START_TEST(test_explain_a_syn_is_tcps)
{
	open_plane();
	ck_assert_ptr_null(fake_call(&fake, "plane.explain",
				     "{'source':'198.51.100.1','source_port':1,'destination':"
				     "'192.0.2.1','destination_port':80,'protocol':'udp',"
				     "'syn':true}"));
	ck_assert_str_eq(fake_error_path(&fake), "/params/syn");
	fake_close(&fake);
}
END_TEST

START_TEST(test_explain_what_is_lost)
{
	open_plane();
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':6,'vips':[" VIP(80, 251, BACKEND(1, 0)) "," VIP_OF(
				  "2001:db8::1", 80, 251, BACKEND(77, 1)) "]}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':6}"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", EXPLAIN(80, "")));
	ck_assert_str_eq(json_get_string(json_get(fake.answer, "result"), "verdict", ""),
			 "drop_no_backend");
	ck_assert_ptr_nonnull(step("backend"));
	ck_assert_ptr_null(step("encap"));
	/* 10.0.0.77 is new, and its next hop was not looked up yet */
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain",
					"{'source':'2001:db8::2','source_port':1,'destination':"
					"'2001:db8::1','destination_port':80,'protocol':'tcp'}"));
	ck_assert_str_eq(json_get_string(json_get(fake.answer, "result"), "verdict", ""),
			 "drop_unreachable");
	ck_assert_str_eq(json_get_string(step("parse"), "text", ""), "ipv6/tcp, 60 bytes");
	ck_assert_ptr_nonnull(step("next_hop"));
	ck_assert_ptr_null(step("encap"));
	fake_close(&fake);
}
END_TEST

#define KIND(address, port, protocol, more, backends)                    \
	"{'address':'" address "','port':" port ",'protocol':'" protocol \
	"','table_size':251," more "'backends':[" backends "]}"

static const char *
explain(const char *destination, uint32_t port)
{
	static char params[256];

	snprintf(params, sizeof params,
		 "{'source':'%s','source_port':1234,'destination':'%s','destination_port':%u,"
		 "'protocol':'tcp'}",
		 strchr(destination, ':') != NULL ? "2001:db8:77::1" : "198.18.0.1", destination,
		 port);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.explain", params));
	return json_get_string(json_get(fake.answer, "result"), "verdict", "");
}

/* clang-format off */
static const char kinds_and_modes[] =
	"{'generation':6,'full':true,'vips':["
	KIND("198.51.100.0/24", "'8000-8999'", "tcp", "'mode':'gue',", BACKEND(1, 1)) ","
	KIND("198.51.100.0/24", "'any'", "tcp", "", BACKEND(2, 1)) ","
	KIND("198.51.100.7", "0", "tcp", "'fragments':'drop',", BACKEND(3, 1)) ","
	KIND("2001:db8:5::/48", "443", "tcp", "'mode':'l2dsr','icmp_echo':'forward',",
	     "{'address':'2001:db8:6::1','weight':1}") ","
	KIND("192.0.2.3", "80", "tcp", "'no_backend':'host',", BACKEND(1, 0)) "]}";

static const char on_the_link[] =
	"{'generation':6,'full':true,'vips':["
	KIND("192.0.2.1", "1", "tcp", "'mode':'l2dsr',", BACKEND(1, 1)) ","
	KIND("192.0.2.1", "2", "tcp", "'mode':'l2dsr',", BACKEND(2, 1)) ","
	KIND("192.0.2.1", "3", "tcp", "", BACKEND(1, 1)) ","
	KIND("192.0.2.1", "4", "tcp", "", BACKEND(2, 1)) "]}";
/* clang-format on */

START_TEST(test_explain_kinds_and_modes)
{
	const cJSON *vip, *warnings;

	open_plane();
	fake.plane.options.has_entropy_ipv4 = true;
	ck_assert_int_eq(addr_prefix_parse("10.128.0.0/9", &fake.plane.options.entropy_ipv4), 0);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", kinds_and_modes));
	warnings = json_get(json_get(fake.answer, "result"), "warnings");
	ck_assert_ptr_nonnull(
		strstr(cJSON_GetArrayItem(warnings, 0)->valuestring, "its packets are the host's"));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':6}"));
	ck_assert_ptr_null(fake_inconsistency(&fake));
	fake_settle(&fake);

	ck_assert_str_eq(explain("198.51.100.200", 8999), "forward");
	ck_assert_str_eq(json_get_string(step("vip"), "text", ""), "198.51.100.0/24:8000-8999/tcp");
	ck_assert_str_eq(json_get_string(step("encap"), "text", ""),
			 "gue 4in4 10.9.9.9 -> 10.0.0.1, 68 bytes, mtu 1500");
	ck_assert_str_eq(explain("198.51.100.200", 9000), "forward");
	ck_assert_str_eq(json_get_string(step("vip"), "text", ""), "198.51.100.0/24:any/tcp");
	ck_assert_str_eq(json_get_string(step("vip"), "port", ""), "any");
	ck_assert_str_eq(json_get_string(step("encap"), "mode", ""), "ipip");
	/* the prefix with 23 bits of the hash behind it */
	ck_assert_int_eq(strncmp(json_get_string(step("encap"), "source", ""), "10.", 3), 0);
	ck_assert_str_ne(json_get_string(step("encap"), "source", ""), "10.128.0.0");
	/* the longer prefix has that port */
	ck_assert_str_eq(explain("198.51.100.7", 0), "forward");
	ck_assert_str_eq(json_get_string(step("vip"), "text", ""), "198.51.100.7:0/tcp");
	/* and not another one: the shorter has it */
	explain("198.51.100.7", 1);
	ck_assert_str_eq(json_get_string(step("vip"), "text", ""), "198.51.100.0/24:any/tcp");
	/* the gateway is the only next hop, and the backend is not it */
	ck_assert_str_eq(explain("2001:db8:5:6::1", 443), "drop_unreachable");
	ck_assert_str_eq(explain("192.0.2.3", 80), "pass_no_backend");
	ck_assert_str_eq(json_get_string(step("backend"), "text", ""),
			 "no backend owns the row: the packet is the host's");

	vip = cJSON_GetArrayItem(json_get(fake_call(&fake, "plane.stats", NULL), "vips"), 3);
	ck_assert_str_eq(json_get_string(vip, "address", ""), "198.51.100.7");
	ck_assert_str_eq(json_get_string(vip, "fragments", ""), "drop");
	ck_assert_str_eq(json_get_string(vip, "mode", ""), "ipip");
	ck_assert_str_eq(json_get_string(vip, "icmp_echo", ""), "answer");
	ck_assert_str_eq(json_get_string(vip, "no_backend", ""), "drop");
	fake_close(&fake);
}
END_TEST

START_TEST(test_explain_l2dsr_needs_the_backend_on_the_link)
{
	open_plane();
	fake.port.gateway_for[fake.port.gateway_for_count++] =
		(struct addr_prefix){ .address = { { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 } },
				      .bits = ADDR_BITS };
	fake.port.gateway_for[fake.port.gateway_for_count++] =
		(struct addr_prefix){ .address = { { [10] = 0xff, [11] = 0xff, 10 } },
				      .bits = 104 };
	/* the same backends by two modes: each has its own answer */
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", on_the_link));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':6}"));
	fake_settle(&fake);
	ck_assert_str_eq(explain("192.0.2.1", 1), "forward");
	ck_assert_str_eq(json_get_string(step("encap"), "text", ""), "l2dsr, 40 bytes, mtu 1500");
	ck_assert_str_eq(explain("192.0.2.1", 2), "drop_unreachable");
	ck_assert_str_eq(explain("192.0.2.1", 3), "forward");
	ck_assert_str_eq(explain("192.0.2.1", 4), "forward");
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_explain_each_step,
				       test_explain_a_row_that_moves,
				       test_explain_a_syn_is_tcps,
				       test_explain_what_is_lost,
				       test_explain_kinds_and_modes,
				       test_explain_l2dsr_needs_the_backend_on_the_link,
				       NULL };

	return run_tests("explain", tests);
}
