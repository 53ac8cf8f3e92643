/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a VIP's members mean what docs/formats.md 2 says and anything else is refused with its
 * place; what VIPs of a set forbid each other is found, each once and nothing more. Method: tables
 * of objects; small sets; and random sets against a twin that compares all pairs.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "run.h"

static const struct json_field fields[] = { ENDPOINT_FIELDS, POLICY_FIELDS, { 0 } };
static struct json_errors errors;

/* Reads an object's endpoint and policy. */
static bool
read_text(const char *text, struct addr_endpoint *ret_endpoint, struct vip_policy *ret_policy)
{
	cJSON *object = NULL;
	bool good;

	memset(&errors, 0, sizeof errors);
	ck_assert_msg(json_read(text, strlen(text), &object, &errors) == 0, "%s", text);
	good = json_check(object, fields, NULL, &errors);
	good = endpoint_read(object, NULL, &errors, ret_endpoint) && good;
	good = policy_read(object, NULL, &errors, ret_policy) && good;
	ck_assert_int_eq(good, errors.count == 0);
	cJSON_Delete(object);
	return good;
}

static void
expect_error(const char *text, const char *pointer, const char *code, const char *fragment)
{
	const struct json_error *error = &errors.items[0];
	struct addr_endpoint endpoint;
	struct vip_policy policy;

	ck_assert_msg(!read_text(text, &endpoint, &policy), "%s", text);
	ck_assert_msg(errors.count == 1, "%s: %u errors", text, errors.count);
	ck_assert_msg(strcmp(error->pointer, pointer) == 0, "%s: %s", text, error->pointer);
	ck_assert_msg(strcmp(error->code, code) == 0, "%s: %s", text, error->code);
	ck_assert_msg(strstr(error->message, fragment) != NULL ||
			      strstr(error->hint, fragment) != NULL,
		      "%s: \"%s\" is in neither \"%s\" nor \"%s\"", text, fragment, error->message,
		      error->hint);
}

#define VIP(address, port) "{\"address\":\"" address "\",\"port\":" port ",\"protocol\":\"tcp\"}"
#define WITH(member)	   "{\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\"," member "}"

START_TEST(test_endpoint_read_takes_all_forms_and_puts_them_back)
{
	static const struct {
		const char *text;
		const char *name;
	} rows[] = {
		{ VIP("192.0.2.1", "80"), "192.0.2.1:80/tcp" },
		{ VIP("192.0.2.1", "0"), "192.0.2.1:0/tcp" },
		{ VIP("192.0.2.1", "65535"), "192.0.2.1:65535/tcp" },
		{ VIP("192.0.2.1/32", "\"1-2\""), "192.0.2.1:1-2/tcp" },
		{ VIP("192.0.2.0/24", "\"any\""), "192.0.2.0/24:any/tcp" },
		{ VIP("10.0.0.0/8", "\"0-65535\""), "10.0.0.0/8:any/tcp" },
		{ VIP("2001::/16", "\"0-65534\""), "[2001::/16]:0-65534/tcp" },
		{ VIP("2001:db8::1/128", "7"), "[2001:db8::1]:7/tcp" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct addr_endpoint endpoint, again;
		struct vip_policy policy;
		char text[ADDR_ENDPOINT_TEXT_MAX];
		cJSON *object = cJSON_CreateObject();

		ck_assert_msg(read_text(rows[i].text, &endpoint, &policy), "%s: %s", rows[i].text,
			      errors.items[0].message);
		ck_assert_str_eq(addr_endpoint_format(&endpoint, text), rows[i].name);
		ck_assert(endpoint_put(object, &endpoint));
		ck_assert(endpoint_read(object, NULL, &errors, &again));
		ck_assert_int_eq(endpoint_compare(&endpoint, &again), 0);
		cJSON_Delete(object);
	}
}
END_TEST

START_TEST(test_endpoint_read_refuses_addresses)
{
	expect_error(VIP("192.0.2.1/24", "80"), "/address", "invalid_value", "192.0.2.0/24");
	expect_error(VIP("2001:db8::1/64", "80"), "/address", "invalid_value", "2001:db8::/64");
	expect_error(VIP("192.0.2.0/33", "80"), "/address", "out_of_range", "more bits");
	expect_error(VIP("2001:db8::/129", "80"), "/address", "out_of_range", "more bits");
	expect_error(VIP("10.0.0.0/7", "80"), "/address", "out_of_range", "/8 to /32");
	expect_error(VIP("2001::/15", "80"), "/address", "invalid_value", "2000::/15");
	expect_error(VIP("2000::/15", "80"), "/address", "out_of_range", "/16 to /128");
	expect_error(VIP("192.0.2.0/x", "80"), "/address", "invalid_value", "prefix");
	expect_error(VIP("192.0.2", "80"), "/address", "invalid_value", "address");
	expect_error(VIP("", "80"), "/address", "out_of_range", "bytes");
	expect_error(VIP("127.0.0.0/8", "80"), "/address", "address_not_usable", "loopback");
	expect_error(VIP("169.0.0.0/8", "80"), "/address", "address_not_usable", "link-local");
	expect_error(VIP("224.0.0.1", "80"), "/address", "address_not_usable", "multicast");
	expect_error(VIP("::/16", "80"), "/address", "address_not_usable", "unspecified");
}
END_TEST

START_TEST(test_endpoint_read_refuses_ports)
{
	expect_error(VIP("192.0.2.1", "-1"), "/port", "out_of_range", "0 to 65535");
	expect_error(VIP("192.0.2.1", "65536"), "/port", "out_of_range", "65536");
	expect_error(VIP("192.0.2.1", "\"80\""), "/port", "wrong_type", "without quotes: 80");
	expect_error(VIP("192.0.2.1", "\"90-80\""), "/port", "invalid_value", "\"80-90\"");
	expect_error(VIP("192.0.2.1", "\"80-80\""), "/port", "invalid_value", "one port");
	expect_error(VIP("192.0.2.1", "\"80-65536\""), "/port", "out_of_range", "65535");
	expect_error(VIP("192.0.2.1", "\"ANY\""), "/port", "invalid_value", "mean \"any\"");
	expect_error(VIP("192.0.2.1", "\"http\""), "/port", "invalid_value", "8000-8999");
	expect_error(VIP("192.0.2.1", "\"80-\""), "/port", "invalid_value", "not a port");
	expect_error(VIP("192.0.2.1", "\"08-10\""), "/port", "invalid_value", "not a port");
	expect_error(VIP("192.0.2.1", "\"\""), "/port", "invalid_value", "not a port");
	expect_error(VIP("192.0.2.1", "true"), "/port", "wrong_type", "must be");
	expect_error(VIP("192.0.2.1", "[80]"), "/port", "wrong_type", "must be");
	expect_error("{\"address\":\"192.0.2.1\",\"protocol\":\"tcp\"}", "", "missing_member",
		     "port");
	expect_error("{\"address\":\"192.0.2.1\",\"port\":1,\"protocol\":\"sctp\"}", "/protocol",
		     "invalid_value", "udp");
}
END_TEST

START_TEST(test_endpoint_read_reports_all_and_marks_the_rest)
{
	struct addr_endpoint endpoint;
	struct vip_policy policy;

	ck_assert(!read_text("{\"address\":\"192.0.2.0/24\",\"port\":\"x\",\"protocol\":\"y\","
			     "\"mode\":\"z\"}",
			     &endpoint, &policy));
	ck_assert_uint_eq(errors.count, 3);
	ck_assert_uint_eq(endpoint.protocol, 0);
	ck_assert_uint_eq(endpoint.to.bits, 96 + 24);
	ck_assert(!read_text(VIP("127.0.0.1", "80"), &endpoint, &policy));
	ck_assert_uint_eq(endpoint.protocol, 0);
	ck_assert_uint_eq(endpoint.to.bits, 0);
}
END_TEST

START_TEST(test_policy_read_knows_every_word_and_the_defaults)
{
	struct addr_endpoint endpoint;
	struct vip_policy policy = { 0 }, again = { 0 };
	cJSON *object;

	ck_assert(read_text(VIP("192.0.2.1", "80"), &endpoint, &policy));
	ck_assert(policy_equal(&policy,
			       &(struct vip_policy){ VIP_MODE_IPIP, VIP_FRAGMENTS_FOLLOW,
						     VIP_ICMP_ECHO_ANSWER, VIP_NO_BACKEND_DROP }));
	for (int i = 0; i < 3 * 2 * 3 * 2; i++) {
		policy = (struct vip_policy){ i % 3, i / 3 % 2, i / 6 % 3, i / 18 };
		object = cJSON_CreateObject();
		ck_assert(policy_put(object, &policy));
		ck_assert(policy_read(object, NULL, &errors, &again));
		ck_assert(policy_equal(&policy, &again));
		cJSON_Delete(object);
	}
	ck_assert_str_eq(policy_mode_name(VIP_MODE_L2DSR), "l2dsr");
	ck_assert_str_eq(policy_fragments_name(VIP_FRAGMENTS_DROP), "drop");
	ck_assert_str_eq(policy_icmp_echo_name(VIP_ICMP_ECHO_HOST), "host");
	ck_assert_str_eq(policy_no_backend_name(VIP_NO_BACKEND_HOST), "host");
	for (int i = 0; i < 6; i++) {
		again = policy = (struct vip_policy){ 0 };
		again.mode += i == 0;
		again.fragments += i == 1;
		again.icmp_echo += i == 2;
		again.no_backend += i == 3;
		again.window_s += i == 4;
		again.hold_s += i == 5;
		ck_assert(!policy_equal(&policy, &again));
	}
}
END_TEST

START_TEST(test_policy_read_suggests_words)
{
	expect_error(WITH("\"mode\":\"guu\""), "/mode", "invalid_value", "did you mean \"gue\"?");
	expect_error(WITH("\"mode\":\"gre6\""), "/mode", "invalid_value",
		     "\"ipip\", \"gue\" or \"l2dsr\", not \"gre6\"");
	expect_error(WITH("\"mode\":\"\""), "/mode", "invalid_value", "not \"\"");
	expect_error(WITH("\"mode\":1"), "/mode", "wrong_type", "a string");
	expect_error(WITH("\"fragments\":\"folow\""), "/fragments", "invalid_value",
		     "did you mean \"follow\"?");
	expect_error(WITH("\"icmp_echo\":\"Host\""), "/icmp_echo", "invalid_value",
		     "did you mean \"host\"?");
	expect_error(WITH("\"no_backend\":\"dorp\""), "/no_backend", "invalid_value",
		     "did you mean \"drop\"?");
	expect_error(WITH("\"no_bakend\":\"drop\""), "/no_bakend", "unknown_member",
		     "did you mean \"no_backend\"?");
}
END_TEST

START_TEST(test_endpoint_compare_orders_by_each_part)
{
	/* Ascending. */
	static const char *const texts[] = {
		"[2001:db8::/32]:80/tcp", "[2001:db8::/64]:80/tcp",  "[2001:db8::1]:80/tcp",
		"[2001:db8::1]:80/udp",	  "[2001:db8::1]:80-81/tcp", "[2001:db8::1]:81/tcp",
		"[2001:db8::2]:0/tcp",
	};
	struct addr_endpoint a, b;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
			int order;

			CHECK(addr_endpoint_parse(texts[i], &a) == 0);
			CHECK(addr_endpoint_parse(texts[j], &b) == 0);
			order = endpoint_compare(&a, &b);
			CHECK((order > 0) - (order < 0) == (i > j) - (i < j));
		}
	}
}
END_TEST

/* --- sets --- */

enum { SET_MAX = 64, REPORTS_MAX = 4096 };

static struct addr_endpoint set[SET_MAX];
static struct vip_policy policies[SET_MAX];
static uint32_t set_count;
static struct endpoint_conflict reports[REPORTS_MAX];
static uint32_t report_count;

static void
take_report(void *user, const struct endpoint_conflict *conflict)
{
	CHECK(user == &report_count && report_count < REPORTS_MAX);
	reports[report_count++] = *conflict;
}

static void
check_set(void)
{
	struct endpoint_member members[SET_MAX];

	for (uint32_t i = 0; i < set_count; i++)
		members[i] = (struct endpoint_member){ &set[i], &policies[i], i };
	report_count = 0;
	endpoint_check_set(members, set_count, take_report, &report_count);
}

static void
set_make(const char *const *texts)
{
	memset(policies, 0, sizeof policies);
	for (set_count = 0; texts[set_count] != NULL; set_count++)
		CHECK(addr_endpoint_parse(texts[set_count], &set[set_count]) == 0);
}

static void
expect_report(enum endpoint_conflict_kind kind, uint32_t at, uint32_t other)
{
	for (uint32_t i = 0; i < report_count; i++) {
		if (reports[i].kind == kind && reports[i].at.place == at &&
		    reports[i].other.place == other)
			return;
	}
	ck_abort_msg("no report of kind %d at %u with %u", kind, at, other);
}

START_TEST(test_endpoint_set_finds_duplicates_and_overlaps)
{
	set_make((const char *[]){ "192.0.2.1:10-20/tcp", "192.0.2.1:20-30/tcp",
				   "192.0.2.1:10-20/tcp", "192.0.2.1:15/tcp", "192.0.2.1:any/tcp",
				   "192.0.2.1:10-20/udp", "192.0.2.0/24:10-20/tcp",
				   "192.0.2.1:31-40/tcp", "192.0.2.2:12-18/tcp",
				   "[2001:db8::1]:100-101/tcp", "[2001:db8::1]:5-300/tcp",
				   "[2001:db8::1]:200-201/tcp", NULL });
	check_set();
	ck_assert_uint_eq(report_count, 4);
	expect_report(ENDPOINT_OVERLAP, 1, 0);
	expect_report(ENDPOINT_DUPLICATE, 2, 0);
	expect_report(ENDPOINT_OVERLAP, 10, 9);
	expect_report(ENDPOINT_OVERLAP, 11, 10);
	set_make((const char *[]){ "192.0.2.1:1-2/tcp", "192.0.2.1:1-2/tcp", "192.0.2.1:1-2/tcp",
				   NULL });
	check_set();
	ck_assert_uint_eq(report_count, 2);
	expect_report(ENDPOINT_DUPLICATE, 1, 0);
	expect_report(ENDPOINT_DUPLICATE, 2, 0);
	set_count = 0;
	check_set();
	ck_assert_uint_eq(report_count, 0);
}
END_TEST

START_TEST(test_endpoint_set_holds_one_echo_for_an_address)
{
	set_make((const char *[]){ "192.0.2.1:80/tcp", "192.0.2.1:53/udp", "192.0.2.0/24:80/tcp",
				   "192.0.2.1:81/tcp", "192.0.2.0/24:81/tcp", "192.0.2.0/25:1/tcp",
				   NULL });
	policies[1].icmp_echo = VIP_ICMP_ECHO_HOST;
	policies[2].icmp_echo = policies[4].icmp_echo = VIP_ICMP_ECHO_FORWARD;
	check_set();
	ck_assert_uint_eq(report_count, 1);
	expect_report(ENDPOINT_ECHO, 1, 0);
}
END_TEST

START_TEST(test_endpoint_set_bounds_ranges)
{
	set_count = 0;
	memset(policies, 0, sizeof policies);
	for (uint32_t i = 0; i < SET_MAX; i++) { /* half of them single ports */
		CHECK(addr_endpoint_parse("192.0.2.1:1/tcp", &set[i]) == 0);
		set[i].port = (uint16_t)(1000 + 10 * i);
		set[i].port_last = (uint16_t)(set[i].port + i % 2);
	}
	set_count = SET_MAX;
	check_set();
	ck_assert_uint_eq(report_count, 0);
	CHECK(addr_endpoint_parse("192.0.2.1:any/udp", &set[2]) == 0); /* another protocol */
	check_set();
	ck_assert_uint_eq(report_count, 0);
	CHECK(addr_endpoint_parse("192.0.2.1:any/tcp", &set[2]) == 0);
	check_set();
	ck_assert_uint_eq(report_count, 1);
	expect_report(ENDPOINT_RANGES, 63, 63); /* the 33rd in their order */
	CHECK(addr_endpoint_parse("192.0.2.1:1-9/tcp", &set[4]) == 0);
	check_set();
	ck_assert_uint_eq(report_count, 1); /* others follow it */
	expect_report(ENDPOINT_RANGES, 61, 61);
}
END_TEST

START_TEST(test_endpoint_set_bounds_lengths_of_each_family)
{
	set_make((const char *[]){ "10.0.0.0/8:1/tcp", "10.0.0.0/9:1/tcp", "10.0.0.0/10:1/tcp",
				   "10.0.0.0/11:1/tcp", "10.0.0.0/12:1/tcp", "10.0.0.0/13:1/tcp",
				   "10.0.0.0/14:1/tcp", "10.0.0.1:1/tcp", "11.0.0.0/8:1/tcp",
				   "[2001:db8::/104]:1/tcp", "[2001:db8::/32]:1/tcp",
				   "10.0.0.0/14:2/tcp", NULL });
	check_set();
	ck_assert_uint_eq(report_count, 0);
	CHECK(addr_endpoint_parse("11.0.0.0/15:1/tcp", &set[8]) == 0);
	check_set();
	ck_assert_uint_eq(report_count, 1);
	expect_report(ENDPOINT_LENGTHS, 8, 8);
}
END_TEST

static uint32_t random_state = 0x2545f491;

static uint32_t
random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % bound;
}

/* Is a member at fault, looking at all pairs? */
static bool
twin_at_fault(enum endpoint_conflict_kind kind, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++) {
		bool same = endpoint_compare(&set[i], &set[j]) == 0;
		bool same_prefix = set[i].to.bits == set[j].to.bits &&
				   memcmp(&set[i].to.address, &set[j].to.address, 16) == 0;

		if (kind == ENDPOINT_DUPLICATE && same)
			return true;
		if (kind == ENDPOINT_OVERLAP && endpoint_overlaps(&set[i], &set[j]))
			return true;
		/* The first of the prefix says what is right. */
		if (kind == ENDPOINT_ECHO && same_prefix)
			return policies[i].icmp_echo != policies[j].icmp_echo;
	}
	return false;
}

static bool
reported(enum endpoint_conflict_kind kind, uint32_t at)
{
	for (uint32_t i = 0; i < report_count; i++) {
		if (reports[i].kind == kind && reports[i].at.place == at)
			return true;
	}
	return false;
}

/* The two find the same sets wrong, and of each wrong pair's kind at least one; whom they blame is
 * the same where only pairs decide. */
START_TEST(test_endpoint_set_agrees_with_all_pairs)
{
	static const char *const prefixes[] = { "192.0.2.1", "192.0.2.0/24", "2001:db8::1" };

	for (int round = 0; round < 20000; round++) {
		bool overlap = false;

		set_count = 1 + random_below(7);
		memset(set, 0, sizeof set);
		for (uint32_t i = 0; i < set_count; i++) {
			CHECK(addr_prefix_parse(prefixes[random_below(3)], &set[i].to) == 0);
			set[i].protocol = random_below(4) == 0 ? IPPROTO_UDP : IPPROTO_TCP;
			set[i].port = (uint16_t)random_below(20);
			set[i].port_last = (uint16_t)(set[i].port + random_below(5));
			if (random_below(8) == 0) {
				set[i].port = 0;
				set[i].port_last = 65535;
			}
			policies[i].icmp_echo =
				random_below(3) == 0 ? VIP_ICMP_ECHO_HOST : VIP_ICMP_ECHO_ANSWER;
		}
		check_set();
		for (uint32_t i = 0; i < set_count; i++) {
			CHECK(reported(ENDPOINT_DUPLICATE, i) ==
			      twin_at_fault(ENDPOINT_DUPLICATE, i));
			CHECK(reported(ENDPOINT_ECHO, i) == twin_at_fault(ENDPOINT_ECHO, i));
			overlap |= twin_at_fault(ENDPOINT_OVERLAP, i);
			if (reported(ENDPOINT_OVERLAP, i))
				CHECK(twin_at_fault(ENDPOINT_OVERLAP, i));
		}
		for (uint32_t i = 0; i < set_count; i++)
			overlap = overlap && !reported(ENDPOINT_OVERLAP, i);
		CHECK(!overlap);
	}
}
END_TEST

START_TEST(test_endpoint_conflict_add_says_where)
{
	const struct json_path list = { .name = "vips" };
	const struct json_path path = { .parent = &list, .index = 1 };
	static const struct {
		const char *code;
		const char *pointer;
		const char *fragment;
	} rows[] = {
		[ENDPOINT_DUPLICATE] = { "duplicate_vip", "/vips/1", "is already HERE" },
		[ENDPOINT_OVERLAP] = { "overlapping_ports", "/vips/1/port",
				       "of VIP 192.0.2.1:20-30/tcp overlap those of "
				       "192.0.2.1:10-20/tcp, HERE" },
		[ENDPOINT_ECHO] = { "conflicting_icmp_echo", "/vips/1/icmp_echo",
				    "\"host\" here, but \"answer\" in 192.0.2.1:10-20/tcp" },
		[ENDPOINT_RANGES] = { "limit_exceeded", "/vips/1/port", "32 ranges of tcp ports" },
		[ENDPOINT_LENGTHS] = { "limit_exceeded", "/vips/1/address", "beyond the 8" },
	};

	set_make((const char *[]){ "192.0.2.1:10-20/tcp", "192.0.2.1:20-30/tcp", NULL });
	policies[1].icmp_echo = VIP_ICMP_ECHO_HOST;
	for (int kind = ENDPOINT_DUPLICATE; kind <= ENDPOINT_LENGTHS; kind++) {
		const struct endpoint_conflict conflict = {
			.kind = (enum endpoint_conflict_kind)kind,
			.at = { &set[1], &policies[1], 1 },
			.other = { &set[0], &policies[0], 0 },
		};

		memset(&errors, 0, sizeof errors);
		endpoint_conflict_add(&conflict, "HERE", &path, &errors);
		endpoint_conflict_add(&conflict, "HERE", NULL, &errors);
		ck_assert_uint_eq(errors.count, 2);
		ck_assert_str_eq(errors.items[0].code, rows[kind].code);
		ck_assert_str_eq(errors.items[0].pointer, rows[kind].pointer);
		ck_assert_str_eq(errors.items[1].pointer, "");
		ck_assert_msg(strstr(errors.items[0].message, rows[kind].fragment) != NULL, "%s",
			      errors.items[0].message);
		ck_assert_str_ne(errors.items[0].hint, "");
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_endpoint_read_takes_all_forms_and_puts_them_back,
				       test_endpoint_read_refuses_addresses,
				       test_endpoint_read_refuses_ports,
				       test_endpoint_read_reports_all_and_marks_the_rest,
				       test_policy_read_knows_every_word_and_the_defaults,
				       test_policy_read_suggests_words,
				       test_endpoint_compare_orders_by_each_part,
				       test_endpoint_set_finds_duplicates_and_overlaps,
				       test_endpoint_set_holds_one_echo_for_an_address,
				       test_endpoint_set_bounds_ranges,
				       test_endpoint_set_bounds_lengths_of_each_family,
				       test_endpoint_set_agrees_with_all_pairs,
				       test_endpoint_conflict_add_says_where,
				       NULL };

	return run_tests("endpoint", tests);
}
