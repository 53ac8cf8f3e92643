/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: config_parse() takes what docs/formats.md 4.1 allows, with its defaults, and refuses the
 * rest with code, place and hint, all of it in one run. Method: small texts with one fault each
 * (the files of tests/netns/bad/control go through the real programs besides), and a text cut at
 * every length.
 */
#include "config_text.h"

#include <errno.h>
#include <stdio.h>

/* The only error has this code, and its message or hint holds the fragment. */
static void
expect_error(const char *text, const char *code, const char *fragment)
{
	struct config *config = NULL;
	const struct json_error *error = &config_text_errors.items[0];

	ck_assert_int_eq(config_text_parse(text, &config), -EINVAL);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(config_text_errors.count, 1);
	ck_assert_str_eq(error->code, code);
	ck_assert_msg(
		strstr(error->message, fragment) != NULL || strstr(error->hint, fragment) != NULL,
		"\"%s\" is in neither \"%s\" nor \"%s\"", fragment, error->message, error->hint);
	ck_assert_uint_ge(error->line, 1);
	ck_assert_uint_ge(error->column, 1);
}

START_TEST(test_config_fills_in_defaults)
{
	struct config *config = config_text_good(
		CONFIG_TEXT("{\"address\":\"2001:db8::1\",\"port\":53,\"protocol\":\"udp\","
			    "\"backends\":[{\"address\":\"198.51.100.7\"}]}"));

	ck_assert_str_eq(config->planes[0].name, "p0");
	ck_assert_str_eq(config->planes[0].socket, "/run/p0.sock");
	ck_assert_uint_eq(config->vip_count, 1);
	ck_assert_uint_eq(config->backend_total, 1);
	ck_assert_str_eq(config->vips[0].name, "[2001:db8::1]:53/udp");
	ck_assert_uint_eq(config->vips[0].table_size, 65537);
	ck_assert_str_eq(config->vips[0].backends[0].name, "198.51.100.7");
	ck_assert_uint_eq(config->vips[0].backends[0].weight, 100);
	ck_assert(!config->vips[0].backends[0].drained);
	config_destroy(config);
}
END_TEST

START_TEST(test_config_takes_descriptions_schema_and_no_vips)
{
	struct config *config = config_text_good(
		"{\"$schema\":\"x\",\"description\":\"all\",\"version\":1,\"vips\":[],"
		"\"planes\":[{\"description\":\"d\",\"name\":\"p0\",\"socket\":\"/s\"}]}");

	ck_assert_uint_eq(config->vip_count, 0);
	config_destroy(config);
}
END_TEST

START_TEST(test_config_finds_by_name_and_by_address)
{
	struct config *config = config_text_good(
		CONFIG_TEXT(CONFIG_WEB("{\"address\":\"2001:db8::7\",\"name\":\"b1\"}")));
	struct config_vip *vip = config_find_vip(config, "web");

	ck_assert_ptr_eq(vip, &config->vips[0]);
	ck_assert_ptr_eq(config_find_vip(config, "192.0.2.1:80/tcp"), vip);
	ck_assert_ptr_null(config_find_vip(config, "192.0.2.1:80/udp"));
	ck_assert_ptr_null(config_find_vip(config, "we"));
	ck_assert_ptr_eq(config_find_backend(vip, "b1"), &vip->backends[0]);
	ck_assert_ptr_eq(config_find_backend(vip, "2001:DB8:0::7"), &vip->backends[0]);
	ck_assert_ptr_null(config_find_backend(vip, "b2"));
	config_destroy(config);
}
END_TEST

START_TEST(test_config_refuses_values)
{
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"224.0.0.1\"}")), "address_not_usable",
		     "multicast");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"b1\"}")), "invalid_value", "IPv6");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"weight\":65536}")),
		     "out_of_range", "65535");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"weigth\":1}")),
		     "unknown_member", "did you mean \"weight\"?");
	expect_error(CONFIG_TEXT(CONFIG_WEB("")), "out_of_range", "backends");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"name\":\"a b\"}")),
		     "invalid_value", "letters");
	expect_error(CONFIG_TEXT("{\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"sctp\","
				 "\"backends\":[{\"address\":\"198.51.100.7\"}]}"),
		     "invalid_value", "udp");
	expect_error(
		CONFIG_TEXT("{\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
			    "\"table_size\":65536,\"backends\":[{\"address\":\"198.51.100.7\"}]}"),
		"out_of_range", "65537");
}
END_TEST

START_TEST(test_config_refuses_sets)
{
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\"},"
					    "{\"address\":\"198.51.100.7\"}")),
		     "duplicate_backend", "/vips/0/backends/0");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"192.0.2.1\"}")), "backend_is_vip",
		     "192.0.2.1");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"weight\":0}")),
		     "no_weight", "weight 0");
	expect_error(CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"name\":\"b\"},"
					    "{\"address\":\"198.51.100.8\",\"name\":\"b\"}")),
		     "duplicate_backend", "\"b\"");
	expect_error(CONFIG_TEXT(CONFIG_WEB(
			     "{\"address\":\"198.51.100.7\"}") ","
							       "{\"address\":\"192.0.2.1\","
							       "\"port\":80,\"protocol\":\"tcp\","
							       "\"backends\":[{\"address\":\"198."
							       "51.100.8\"}]}"),
		     "duplicate_vip", "192.0.2.1:80/tcp");
}
END_TEST

#define ONE "\"backends\":[{\"address\":\"198.51.100.7\"}]}"
#define TCP(address, port, members) \
	"{\"address\":\"" address "\",\"port\":" port ",\"protocol\":\"tcp\"," members ONE

START_TEST(test_config_takes_every_kind_of_vip)
{
	struct config *config = config_text_good(
		CONFIG_TEXT(TCP("192.0.2.1", "0", "") "," TCP("192.0.2.1", "\"80-90\"", "") "," TCP(
			"192.0.2.1", "85",
			"") "," TCP("192.0.2.1", "\"any\"",
				    "") "," TCP("192.0.2.0/24", "\"any\"",
						"\"mode\":\"gue\",\"fragments\":\"drop\",\"icmp_"
						"echo\":\"host\","
						"\"no_backend\":\"host\",")));
	static const char *const names[] = { "192.0.2.1:0/tcp", "192.0.2.1:80-90/tcp",
					     "192.0.2.1:85/tcp", "192.0.2.1:any/tcp",
					     "192.0.2.0/24:any/tcp" };

	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_str_eq(config->vips[i].name, names[i]);
		ck_assert_ptr_eq(config_find_vip(config, names[i]), &config->vips[i]);
	}
	ck_assert_ptr_eq(config_find_vip(config, "192.0.2.1:0-65535/tcp"), &config->vips[3]);
	ck_assert_int_eq(config->vips[3].policy.mode, VIP_MODE_IPIP);
	ck_assert_int_eq(config->vips[4].policy.mode, VIP_MODE_GUE);
	ck_assert_int_eq(config->vips[4].policy.fragments, VIP_FRAGMENTS_DROP);
	ck_assert_int_eq(config->vips[4].policy.icmp_echo, VIP_ICMP_ECHO_HOST);
	ck_assert_int_eq(config->vips[4].policy.no_backend, VIP_NO_BACKEND_HOST);
	config_destroy(config);
}
END_TEST

START_TEST(test_config_refuses_kinds_and_policies)
{
	expect_error(CONFIG_TEXT(TCP("192.0.2.1/24", "80", "")), "invalid_value", "192.0.2.0/24");
	expect_error(CONFIG_TEXT(TCP("192.0.2.1", "\"90-80\"", "")), "invalid_value", "80-90");
	expect_error(CONFIG_TEXT(TCP("192.0.2.1", "1", "\"mode\":\"ipup\",")), "invalid_value",
		     "did you mean \"ipip\"?");
	expect_error(CONFIG_TEXT(TCP("192.0.2.1", "\"10-20\"", "") "," TCP("192.0.2.1", "\"20-30\"",
									   "")),
		     "overlapping_ports", "/vips/0");
	/* The wrong word is no conflict besides. */
	expect_error(CONFIG_TEXT(TCP("192.0.2.1", "1", "\"icmp_echo\":\"host\",") "," TCP(
			     "192.0.2.1", "2", "\"icmp_echo\":\"hsot\",")),
		     "invalid_value", "\"host\"");
	expect_error(CONFIG_TEXT(TCP("192.0.2.1", "1",
				     "\"icmp_echo\":\"host\",") "," TCP("192.0.2.1", "2", "")),
		     "conflicting_icmp_echo", "\"answer\" here, but \"host\"");
}
END_TEST

/* The text of VIPs made by a function of their number. */
static char *
config_of(uint32_t count, void (*put)(char *vip, size_t size, uint32_t i))
{
	size_t size = 128 + (size_t)count * 256;
	char *text = malloc(size);
	size_t end;

	CHECK(text != NULL);
	end = (size_t)snprintf(text, size,
			       "{\"version\":1,\"planes\":[{\"name\":\"p\",\"socket\":\"/s\"}],"
			       "\"vips\":[");
	for (uint32_t i = 0; i < count; i++) {
		char vip[200];

		put(vip, sizeof vip, i);
		end += (size_t)snprintf(text + end, size - end, "%s{%s,\"protocol\":\"tcp\"," ONE,
					i > 0 ? "," : "", vip);
	}
	(void)snprintf(text + end, size - end, "]}");
	return text;
}

static void
put_range(char *vip, size_t size, uint32_t i)
{
	snprintf(vip, size, "\"address\":\"192.0.2.1\",\"port\":\"%u-%u\"", 10 * i, 10 * i + 1);
}

static void
put_length(char *vip, size_t size, uint32_t i)
{
	snprintf(vip, size, "\"address\":\"10.0.0.0/%u\",\"port\":80", 8 + i);
}

START_TEST(test_config_limits_of_ranges_and_lengths)
{
	char *text = config_of(32, put_range);

	config_destroy(config_text_good(text));
	free(text);
	text = config_of(33, put_range);
	expect_error(text, "limit_exceeded", "32 ranges");
	ck_assert_str_eq(config_text_errors.items[0].pointer, "/vips/32/port");
	free(text);
	text = config_of(8, put_length);
	config_destroy(config_text_good(text));
	free(text);
	text = config_of(9, put_length);
	expect_error(text, "limit_exceeded", "prefix length");
	ck_assert_str_eq(config_text_errors.items[0].pointer, "/vips/8/address");
	free(text);
}
END_TEST

START_TEST(test_config_refuses_backends_in_prefixes)
{
	expect_error(CONFIG_TEXT(TCP("192.0.2.0/24", "80",
				     "") "," CONFIG_WEB("{\"address\":\"192.0.2.255\"}")),
		     "backend_is_vip", "192.0.2.255 lies in 192.0.2.0/24");
	expect_error(CONFIG_TEXT(TCP("2001:db8::/32", "80", "") "," TCP(
			     "2001:db9::/48", "80",
			     "") "," CONFIG_WEB("{\"address\":\"2001:db9:0:1::1\"}")),
		     "backend_is_vip", "2001:db9::/48");
	config_destroy(config_text_good(CONFIG_TEXT(TCP("192.0.2.0/25", "80", "") "," TCP(
		"10.0.0.0/8", "80", "") "," CONFIG_WEB("{\"address\":\"192.0.2.128\"},"
						       "{\"address\":\"11.0.0.0\"}"))));
	/* Also where the VIP's port is wrong: all is told in one run. */
	ck_assert_int_eq(
		config_text_parse(CONFIG_TEXT(TCP("192.0.2.0/24", "\"x\"", "") "," CONFIG_WEB(
					  "{\"address\":\"192.0.2.9\"}")),
				  &(struct config *){ NULL }),
		-EINVAL);
	ck_assert_uint_eq(config_text_errors.count, 2);
}
END_TEST

static char *
config_with_backends(uint32_t count, uint32_t table_size)
{
	size_t size = 256 + (size_t)count * 40;
	char *text = malloc(size);
	size_t end;

	CHECK(text != NULL);
	end = (size_t)snprintf(
		text, size,
		"{\"version\":1,\"planes\":[{\"name\":\"p\",\"socket\":\"/s\"}],\"vips\":[{"
		"\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
		"\"table_size\":%u,\"backends\":[",
		table_size);
	for (uint32_t i = 0; i < count; i++)
		end += (size_t)snprintf(text + end, size - end, "%s{\"address\":\"10.%u.%u.%u\"}",
					i > 0 ? "," : "", i >> 16, i >> 8 & 255, i & 255);
	(void)snprintf(text + end, size - end, "]}]}");
	return text;
}

/* 10.0.0.0 is usable as a host address here: the class check knows no subnets. */
START_TEST(test_config_table_size_limits)
{
	struct config *config = NULL;
	char *text = config_with_backends(25, 251);

	ck_assert_int_eq(config_text_parse(text, &config), 0);
	ck_assert_uint_eq(config_text_warnings.count, 1);
	ck_assert_str_eq(config_text_warnings.items[0].code, "few_rows");
	config_destroy(config);
	free(text);

	text = config_with_backends(26, 251);
	expect_error(text, "table_too_small", "509");
	free(text);

	text = config_with_backends(2, 251);
	config = config_text_good(text);
	ck_assert_uint_eq(config_text_warnings.count, 0);
	config_destroy(config);
	free(text);
	ck_assert_uint_eq(config_table_size_for(1), 251);
	ck_assert_uint_eq(config_table_size_for(1048574), 0);
}
END_TEST

START_TEST(test_config_backend_count_limit)
{
	struct config *config = NULL;
	char *text = config_with_backends(CONTROL_VIP_BACKENDS_MAX, 262139);

	ck_assert_int_eq(config_text_parse(text, &config), 0);
	ck_assert_uint_eq(config->backend_total, CONTROL_VIP_BACKENDS_MAX);
	config_destroy(config);
	free(text);

	text = config_with_backends(CONTROL_VIP_BACKENDS_MAX + 1, 262139);
	expect_error(text, "out_of_range", "14000");
	free(text);
}
END_TEST

START_TEST(test_config_reports_all_in_the_order_of_the_file)
{
	struct config *config = NULL;

	ck_assert_int_eq(config_text_parse("{\"version\":1,\n"
					   "\"planes\":[{\"name\":\"p0\",\"socket\":\"s\"}],\n"
					   "\"vips\":[{\"address\":\"127.0.0.1\",\n"
					   "\"port\":65536,\"protocol\":\"tcp\",\n"
					   "\"backends\":[{\"address\":\"198.51.100.7\"},\n"
					   "{\"address\":\"198.51.100.7\"}]}],\n"
					   "\"colour\":1}",
					   &config),
			 -EINVAL);
	ck_assert_uint_eq(config_text_errors.count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		static const uint32_t lines[] = { 2, 3, 4, 6, 7 };

		ck_assert_uint_eq(config_text_errors.items[i].line, lines[i]);
	}
	ck_assert_str_eq(config_text_errors.items[3].pointer, "/vips/0/backends/1/address");
}
END_TEST

START_TEST(test_config_refuses_every_cut)
{
	static const char text[] =
		CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"weight\":5}"));
	struct config *config = NULL;
	char cut[sizeof text];

	for (size_t size = 0; size < sizeof text - 1; size++) {
		memcpy(cut, text, size);
		cut[size] = '\0';
		CHECK(config_text_parse(cut, &config) == -EBADMSG);
		CHECK(config == NULL && config_text_errors.count == 1);
	}
	config_destroy(config_text_good(text));
}
END_TEST

START_TEST(test_config_error_format_is_that_of_a_compiler)
{
	struct json_error error = { .pointer = "/vips/2/backends/0/weigth",
				    .line = 41,
				    .column = 19,
				    .message = "unknown member \"weigth\"",
				    .hint = "did you mean \"weight\"?" };
	char line[CONFIG_LINE_BYTES_MAX];

	ck_assert_str_eq(config_error_format(&error, "fairlead.json", "error", line),
			 "fairlead.json:41:19: error: /vips/2/backends/0/weigth: unknown member "
			 "\"weigth\"; did you mean \"weight\"?");
	error = (struct json_error){ .message = "it is so" };
	ck_assert_str_eq(config_error_format(&error, "a.json", "warning", line),
			 "a.json: warning: it is so");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_config_fills_in_defaults,
				       test_config_takes_descriptions_schema_and_no_vips,
				       test_config_finds_by_name_and_by_address,
				       test_config_refuses_values,
				       test_config_refuses_sets,
				       test_config_takes_every_kind_of_vip,
				       test_config_refuses_kinds_and_policies,
				       test_config_limits_of_ranges_and_lengths,
				       test_config_refuses_backends_in_prefixes,
				       test_config_table_size_limits,
				       test_config_backend_count_limit,
				       test_config_reports_all_in_the_order_of_the_file,
				       test_config_refuses_every_cut,
				       test_config_error_format_is_that_of_a_compiler,
				       NULL };

	return run_tests("config", tests);
}
