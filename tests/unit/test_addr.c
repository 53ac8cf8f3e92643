/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: each address, prefix, range of ports, endpoint and MAC has one accepted spelling family and
 * prints canonically; what cannot serve is named. Method: tables of texts, accepted ones printed
 * back, all others refused with the output untouched; the borders of each address class.
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
		"192.0.2.1:0/tcp",
		"192.0.2.1:8000-8999/tcp",
		"192.0.2.1:0-65534/tcp",
		"192.0.2.1:any/udp",
		"192.0.2.0/24:80/tcp",
		"10.0.0.0/8:any/udp",
		"[2001:db8::/64]:any/tcp",
		"[2001:db8:ffff:ffff:ffff:ffff:ffff:fffe/127]:65534-65535/udp",
	};
	char text[ADDR_ENDPOINT_TEXT_MAX];
	struct addr_endpoint endpoint;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		ck_assert_int_eq(addr_endpoint_parse(texts[i], &endpoint), 0);
		ck_assert_str_eq(addr_endpoint_format(&endpoint, text), texts[i]);
	}
	ck_assert_int_eq(addr_endpoint_parse("192.0.2.1:258/udp", &endpoint), 0);
	ck_assert_uint_eq(endpoint.port, 258);
	ck_assert_uint_eq(endpoint.port_last, 258);
	ck_assert_uint_eq(endpoint.to.bits, ADDR_BITS);
	ck_assert_uint_eq(endpoint.protocol, IPPROTO_UDP);
	/* One VIP, one text. */
	ck_assert_int_eq(addr_endpoint_parse("192.0.2.1/32:0-65535/udp", &endpoint), 0);
	ck_assert_str_eq(addr_endpoint_format(&endpoint, text), "192.0.2.1:any/udp");
	ck_assert_int_eq(addr_endpoint_parse("[2001:db8::1/128]:7/udp", &endpoint), 0);
	ck_assert_str_eq(addr_endpoint_format(&endpoint, text), "[2001:db8::1]:7/udp");
}
END_TEST

START_TEST(test_addr_prefix_parse_prints_back)
{
	static const struct {
		const char *text;
		const char *printed;
		unsigned bits;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", 128 },	  { "192.0.2.1/32", "192.0.2.1", 128 },
		{ "192.0.2.0/31", "192.0.2.0/31", 127 },  { "128.0.0.0/1", "128.0.0.0/1", 97 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },	  { "::/0", "::/0", 0 },
		{ "2001:DB8::/32", "2001:db8::/32", 32 }, { "2001:db8::1/128", "2001:db8::1", 128 },
		{ "fe80::/10", "fe80::/10", 10 },	  { "8000::/1", "8000::/1", 1 },
	};
	char text[ADDR_PREFIX_TEXT_MAX];
	struct addr_prefix prefix;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_msg(addr_prefix_parse(rows[i].text, &prefix) == 0, "%s", rows[i].text);
		ck_assert_uint_eq(prefix.bits, rows[i].bits);
		ck_assert_str_eq(addr_prefix_format(&prefix, text), rows[i].printed);
	}
}
END_TEST

START_TEST(test_addr_prefix_parse_says_why_not)
{
	static const struct {
		const char *text;
		int error;
		const char *cover; /* NULL: none */
	} rows[] = {
		{ "192.0.2.1/24", -EDOM, "192.0.2.0/24" },
		{ "192.0.2.1/0", -EDOM, "0.0.0.0/0" },
		{ "192.0.2.3/31", -EDOM, "192.0.2.2/31" },
		{ "2001:db8::1/127", -EDOM, "2001:db8::/127" },
		{ "2001:db8:8000::/32", -EDOM, "2001:db8::/32" },
		{ "192.0.2.0/33", -ERANGE, NULL },
		{ "2001:db8::/129", -ERANGE, NULL },
		{ "2001:db8::/999", -ERANGE, NULL },
		{ "2001:db8::/4294967328", -EINVAL, NULL },
		{ "192.0.2.0/", -EINVAL, NULL },
		{ "192.0.2.0/024", -EINVAL, NULL },
		{ "192.0.2.0/+24", -EINVAL, NULL },
		{ "192.0.2.0/24 ", -EINVAL, NULL },
		{ "192.0.2.0/24/24", -EINVAL, NULL },
		{ "192.0.2.0/255.255.255.0", -EINVAL, NULL },
		{ "192.0.2/24", -EINVAL, NULL },
		{ "/24", -EINVAL, NULL },
		{ "::ffff:192.0.2.0/120", -EINVAL, NULL },
		{ "", -EINVAL, NULL },
	};
	char text[ADDR_PREFIX_TEXT_MAX];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct addr_prefix prefix = { .bits = 77 };

		ck_assert_msg(addr_prefix_parse(rows[i].text, &prefix) == rows[i].error, "%s",
			      rows[i].text);
		ck_assert_uint_eq(prefix.bits, 77);
		if (rows[i].cover != NULL) {
			ck_assert_int_eq(addr_prefix_cover(rows[i].text, &prefix), 0);
			ck_assert_str_eq(addr_prefix_format(&prefix, text), rows[i].cover);
		} else {
			ck_assert_int_eq(addr_prefix_cover(rows[i].text, &prefix), rows[i].error);
			ck_assert_uint_eq(prefix.bits, 77);
		}
	}
}
END_TEST

START_TEST(test_addr_prefix_has_its_addresses_alone)
{
	static const struct {
		const char *prefix;
		const char *address;
		bool has;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.1.255", false },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.2/31", "192.0.2.3", true },
		{ "192.0.2.2/31", "192.0.2.4", false },
		{ "192.0.2.2/31", "192.0.2.1", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "0.0.0.0/0", "203.0.113.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "203.0.113.1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
	};
	struct addr_prefix prefix;
	struct addr address;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(addr_prefix_parse(rows[i].prefix, &prefix), 0);
		ck_assert_int_eq(addr_parse(rows[i].address, &address), 0);
		ck_assert_msg(addr_prefix_has(&prefix, &address) == rows[i].has, "%s %s",
			      rows[i].prefix, rows[i].address);
	}
}
END_TEST

START_TEST(test_addr_prefix_of_is_the_naive_mask)
{
	struct addr address;

	for (unsigned i = 0; i < sizeof address.bytes; i++)
		address.bytes[i] = (uint8_t)(0xb7 ^ 29 * i);
	for (unsigned bits = 0; bits <= ADDR_BITS; bits++) {
		struct addr_prefix prefix = addr_prefix_of(&address, (uint8_t)bits);

		CHECK(prefix.bits == bits);
		for (unsigned i = 0; i < ADDR_BITS; i++) {
			unsigned bit = address.bytes[i / 8] >> (7 - i % 8) & 1;

			CHECK((prefix.address.bytes[i / 8] >> (7 - i % 8) & 1) ==
			      (i < bits ? bit : 0));
		}
	}
}
END_TEST

/* As wide as the class, wider, a part of it, and its neighbours. */
START_TEST(test_addr_prefix_classify_finds_what_overlaps)
{
	static const struct {
		const char *text;
		enum addr_class class;
	} rows[] = {
		{ "126.0.0.0/8", ADDR_USABLE },
		{ "126.0.0.0/7", ADDR_LOOPBACK },
		{ "127.1.0.0/16", ADDR_LOOPBACK },
		{ "127.0.0.0/8", ADDR_LOOPBACK },
		{ "169.0.0.0/8", ADDR_LINK_LOCAL },
		{ "169.252.0.0/15", ADDR_USABLE },
		{ "224.0.0.0/3", ADDR_MULTICAST },
		{ "192.0.0.0/3", ADDR_USABLE },
		{ "192.0.0.0/2", ADDR_MULTICAST },
		{ "240.0.0.0/5", ADDR_BROADCAST },
		{ "255.255.255.254/31", ADDR_BROADCAST },
		{ "0.0.0.0/1", ADDR_UNSPECIFIED },
		{ "::/16", ADDR_UNSPECIFIED },
		{ "::/127", ADDR_UNSPECIFIED },
		{ "::2/127", ADDR_USABLE },
		{ "2001:db8::/32", ADDR_USABLE },
		{ "fe80::/16", ADDR_LINK_LOCAL },
		{ "fe00::/8", ADDR_LINK_LOCAL },
		{ "fec0::/16", ADDR_USABLE },
		{ "ff00::/16", ADDR_MULTICAST },
		{ "fe00::/7", ADDR_MULTICAST },
		{ "::fffe:0:0/95", ADDR_USABLE },
	};
	struct addr_prefix prefix;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(addr_prefix_parse(rows[i].text, &prefix), 0);
		ck_assert_msg(addr_prefix_classify(&prefix) == rows[i].class, "%s", rows[i].text);
	}
}
END_TEST

START_TEST(test_addr_ports_parse_prints_back)
{
	static const char *const good[] = { "0", "1", "80", "65535", "0-1", "8000-8999", "any" };
	static const char *const bad[] = { "",	    "65536",   "080",	"80-",	 "-80", "80-80",
					   "90-80", "1-65536", "any-1", "0-any", "Any", "80 ",
					   " 80",   "+80",     "8-09",	"1-2-3", "00",	"80/tcp" };
	uint16_t first = 7;
	uint16_t last = 9;
	char text[12];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(addr_ports_parse(bad[i], &first, &last) == -EINVAL, "%s", bad[i]);
	ck_assert(first == 7 && last == 9);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		ck_assert_int_eq(addr_ports_parse(good[i], &first, &last), 0);
		ck_assert_str_eq(addr_ports_format(first, last, text), good[i]);
	}
	ck_assert_int_eq(addr_ports_parse("0-65535", &first, &last), 0);
	ck_assert(first == 0 && last == 65535);
	ck_assert_str_eq(addr_ports_format(first, last, text), "any");
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
		"192.0.2.1:00/tcp",
		"192.0.2.1:90-80/tcp",
		"192.0.2.1:80-80/tcp",
		"192.0.2.1:ANY/tcp",
		"192.0.2.1/24:80/tcp",
		"192.0.2.0/33:80/tcp",
		"[2001:db8::1/64]:80/tcp",
		"[2001:db8::]/64:80/tcp",
		"192.0.2.1:80/tcp/tcp",
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
				       test_addr_prefix_parse_prints_back,
				       test_addr_prefix_parse_says_why_not,
				       test_addr_prefix_has_its_addresses_alone,
				       test_addr_prefix_of_is_the_naive_mask,
				       test_addr_prefix_classify_finds_what_overlaps,
				       test_addr_ports_parse_prints_back,
				       test_addr_endpoint_parse_prints_back,
				       test_addr_endpoint_parse_refuses_other_spellings,
				       test_addr_protocol_has_two_names,
				       test_addr_mac_parse_takes_six_pairs,
				       NULL };

	return run_tests("addr", tests);
}
