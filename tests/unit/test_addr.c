/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: each address, endpoint and MAC has one accepted spelling family and prints canonically;
 * what cannot serve is named. Method: tables of texts, accepted ones printed back, all others
 * refused with the output untouched; the borders of each address class.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "addr.h"
#include "run.h"

START_TEST(test_addr_parse_prints_back_canonically)
{
	static const char *const pairs[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "::", "::" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "fe80::1", "fe80::1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char text[ADDR_TEXT_MAX];
	struct addr address;

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		ck_assert_int_eq(addr_parse(pairs[i][0], &address), 0);
		ck_assert_ptr_eq(addr_format(&address, text), text);
		ck_assert_str_eq(text, pairs[i][1]);
		ck_assert_int_eq(addr_is_ipv4(&address), strchr(pairs[i][0], '.') != NULL);
	}
}
END_TEST

START_TEST(test_addr_parse_refuses_other_spellings)
{
	static const char *const texts[] = {
		"",	     "1.2.3",	       "1.2.3.4.5",	 "256.1.1.1",
		"01.2.3.4",  "1.2.3.4 ",       " 1.2.3.4",	 "1.2.3.4/32",
		"0x1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304", "1::2::3",
		"12345::",   "fe80::1%lo",     "[::1]",		 ":",
		"g::",	     "localhost",      "1.2.3.4:80",	 "1:2:3:4:5:6:7:8:9",
	};
	struct addr address, before;

	memset(&address, 0x5a, sizeof address);
	before = address;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ck_assert_msg(addr_parse(texts[i], &address) == -EINVAL, "%s", texts[i]);
	ck_assert_mem_eq(&address, &before, sizeof address);
}
END_TEST

START_TEST(test_addr_classify_knows_the_borders)
{
	static const struct {
		const char *text;
		enum addr_class class;
	} rows[] = {
		{ "0.0.0.0", ADDR_UNSPECIFIED },
		{ "0.255.255.255", ADDR_UNSPECIFIED },
		{ "1.0.0.0", ADDR_USABLE },
		{ "126.255.255.255", ADDR_USABLE },
		{ "127.0.0.0", ADDR_LOOPBACK },
		{ "127.255.255.255", ADDR_LOOPBACK },
		{ "128.0.0.0", ADDR_USABLE },
		{ "169.253.255.255", ADDR_USABLE },
		{ "169.254.0.0", ADDR_LINK_LOCAL },
		{ "169.254.255.255", ADDR_LINK_LOCAL },
		{ "169.255.0.0", ADDR_USABLE },
		{ "223.255.255.255", ADDR_USABLE },
		{ "224.0.0.0", ADDR_MULTICAST },
		{ "239.255.255.255", ADDR_MULTICAST },
		{ "240.0.0.0", ADDR_BROADCAST },
		{ "255.255.255.255", ADDR_BROADCAST },
		{ "::", ADDR_UNSPECIFIED },
		{ "::1", ADDR_LOOPBACK },
		{ "::2", ADDR_USABLE },
		{ "2001:db8::1", ADDR_USABLE },
		{ "fe7f::1", ADDR_USABLE },
		{ "fe80::", ADDR_LINK_LOCAL },
		{ "febf::1", ADDR_LINK_LOCAL },
		{ "fec0::1", ADDR_USABLE },
		{ "feff::1", ADDR_USABLE },
		{ "ff00::", ADDR_MULTICAST },
		{ "ff02::1", ADDR_MULTICAST },
	};
	struct addr address;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(addr_parse(rows[i].text, &address), 0);
		ck_assert_msg(addr_classify(&address) == rows[i].class, "%s", rows[i].text);
	}
	for (int class = ADDR_USABLE; class <= ADDR_LINK_LOCAL; class ++)
		ck_assert_str_ne(addr_class_name((enum addr_class) class), "unknown");
}
END_TEST

START_TEST(test_addr_endpoint_parse_prints_back)
{
	static const char *const texts[] = {
		"192.0.2.1:80/tcp",
		"[2001:db8::1]:53/udp",
		"255.255.255.255:65535/tcp",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535/udp",
		"10.0.0.1:1/udp",
	};
	char text[ADDR_ENDPOINT_TEXT_MAX];
	struct addr_endpoint endpoint;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		ck_assert_int_eq(addr_endpoint_parse(texts[i], &endpoint), 0);
		ck_assert_str_eq(addr_endpoint_format(&endpoint, text), texts[i]);
	}
	ck_assert_int_eq(addr_endpoint_parse("192.0.2.1:258/udp", &endpoint), 0);
	ck_assert_uint_eq(endpoint.port, 258);
	ck_assert_uint_eq(endpoint.protocol, IPPROTO_UDP);
}
END_TEST

START_TEST(test_addr_endpoint_parse_refuses_other_spellings)
{
	static const char *const texts[] = {
		"",
		"192.0.2.1",
		"192.0.2.1:80",
		"192.0.2.1:80/",
		"192.0.2.1:80/TCP",
		"192.0.2.1:80/tcp ",
		"192.0.2.1:0/tcp",
		"192.0.2.1:080/tcp",
		"192.0.2.1:65536/tcp",
		"192.0.2.1:4294967376/tcp",
		"192.0.2.1:/tcp",
		"192.0.2.1:+80/tcp",
		"192.0.2.1:-1/tcp",
		"[192.0.2.1]:80/tcp",
		"2001:db8::1:80/tcp",
		"[2001:db8::1]80/tcp",
		"[2001:db8::1]",
		"[2001:db8::1",
		"[",
		":80/tcp",
		"[]:80/tcp",
		"192.0.2.1:80/sctp",
		"[::ffff:1.2.3.4]:80/tcp",
		"[0000000000000000000000000000000000000000000000000000]:80/tcp",
	};
	struct addr_endpoint endpoint = { .port = 7 };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ck_assert_msg(addr_endpoint_parse(texts[i], &endpoint) == -EINVAL, "%s", texts[i]);
	ck_assert_uint_eq(endpoint.port, 7);
}
END_TEST

START_TEST(test_addr_protocol_has_two_names)
{
	ck_assert_uint_eq(addr_protocol_parse("tcp"), IPPROTO_TCP);
	ck_assert_uint_eq(addr_protocol_parse("udp"), IPPROTO_UDP);
	ck_assert_uint_eq(addr_protocol_parse("Tcp"), 0);
	ck_assert_uint_eq(addr_protocol_parse(""), 0);
	ck_assert_str_eq(addr_protocol_name(IPPROTO_TCP), "tcp");
	ck_assert_str_eq(addr_protocol_name(IPPROTO_UDP), "udp");
	ck_assert_str_eq(addr_protocol_name(1), "unknown");
}
END_TEST

START_TEST(test_addr_mac_parse_takes_six_pairs)
{
	static const uint8_t expected[6] = { 0x02, 0x00, 0x5e, 0xab, 0xCD, 0x01 };
	static const char *const texts[] = {
		"",
		"02",
		"02:00:5e:ab:cd",
		"02:00:5e:ab:cd:",
		"02:00:5e:ab:cd:1",
		"02:00:5e:ab:cd:01:02",
		"02-00-5e-ab-cd-01",
		"02:00:5e:ab:cd:0g",
		"2:0:5e:ab:cd:01",
		"0200.5eab.cd01",
		" 02:00:5e:ab:cd:01",
		"02:00:5e:ab:cd:01 ",
	};
	uint8_t mac[6];

	ck_assert_int_eq(addr_mac_parse("02:00:5e:ab:CD:01", mac), 0);
	ck_assert_mem_eq(mac, expected, 6);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ck_assert_msg(addr_mac_parse(texts[i], mac) == -EINVAL, "%s", texts[i]);
	ck_assert_mem_eq(mac, expected, 6);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_addr_parse_prints_back_canonically,
				       test_addr_parse_refuses_other_spellings,
				       test_addr_classify_knows_the_borders,
				       test_addr_endpoint_parse_prints_back,
				       test_addr_endpoint_parse_refuses_other_spellings,
				       test_addr_protocol_has_two_names,
				       test_addr_mac_parse_takes_six_pairs,
				       NULL };

	return run_tests("addr", tests);
}
