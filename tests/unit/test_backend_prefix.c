/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: each prefix of balancers has one accepted spelling, and holds exactly the addresses it
 * says. Method: tables of texts, accepted ones printed back, all others refused with the output
 * untouched; the addresses on both sides of each border.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "backend_prefix.h"
#include "run.h"

START_TEST(test_backend_prefix_prints_back)
{
	static const struct {
		const char *text, *printed;
		uint32_t bits;
		bool is_ipv4;
	} rows[] = {
		{ "10.0.0.5", "10.0.0.5", 128, true },
		{ "10.0.0.5/32", "10.0.0.5", 128, true },
		{ "10.0.0.0/8", "10.0.0.0/8", 104, true },
		{ "0.0.0.0/0", "0.0.0.0/0", 96, true },
		{ "2001:DB8::/32", "2001:db8::/32", 32, false },
		{ "2001:db8::1", "2001:db8::1", 128, false },
		{ "::/0", "::/0", 0, false },
	};
	char text[BACKEND_PREFIX_TEXT_MAX];
	struct backend_prefix prefix;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(backend_prefix_parse(rows[i].text, &prefix), 0);
		ck_assert_uint_eq(prefix.bits, rows[i].bits);
		ck_assert_str_eq(backend_prefix_format(&prefix, text), rows[i].printed);
		ck_assert_int_eq(backend_prefix_is_ipv4(&prefix), rows[i].is_ipv4);
	}
}
END_TEST

START_TEST(test_backend_prefix_refuses_other_spellings)
{
	static const char *const texts[] = {
		"",
		"/",
		"10.0.0.0/",
		"/8",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/08",
		"10.0.0.0/ 8",
		"10.0.0.0/8/8",
		"10.0.0.1/8",
		"10.0.0/8",
		"2001:db8::/129",
		"2001:db8::1/64",
		"10.0.0.0/99999999999999999999",
		"::ffff:10.0.0.0/104",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222/8",
		"name",
	};
	struct backend_prefix prefix, before;

	memset(&prefix, 0x5a, sizeof prefix);
	before = prefix;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ck_assert_msg(backend_prefix_parse(texts[i], &prefix) == -EINVAL, "%s", texts[i]);
	ck_assert_mem_eq(&prefix, &before, sizeof prefix);
}
END_TEST

START_TEST(test_backend_prefix_holds_its_addresses)
{
	static const struct {
		const char *prefix, *address;
		bool has;
	} rows[] = {
		{ "10.0.0.0/29", "10.0.0.7", true },
		{ "10.0.0.0/29", "10.0.0.8", false },
		{ "10.0.0.0/29", "9.255.255.255", false },
		{ "0.0.0.0/0", "203.0.113.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "203.0.113.1", true },
		{ "2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true },
		{ "2001:db8::/64", "2001:db8:0:1::", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
	};
	struct backend_prefix prefix;
	struct addr address;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(backend_prefix_parse(rows[i].prefix, &prefix), 0);
		ck_assert_int_eq(addr_parse(rows[i].address, &address), 0);
		ck_assert_msg(backend_prefix_has(&prefix, address.bytes) == rows[i].has, "%s in %s",
			      rows[i].address, rows[i].prefix);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_backend_prefix_prints_back,
		test_backend_prefix_refuses_other_spellings,
		test_backend_prefix_holds_its_addresses,
		NULL,
	};

	return run_tests("backend_prefix", tests);
}
