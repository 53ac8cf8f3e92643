/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the longest prefix among the ports' gateways wins, and no MAC that a frame must not go to
 * is a gateway.
 *
 * Method: a table of addresses and the port each must leave by.
 */
#include <string.h>

#include "gateway.h"
#include "run.h"

static void
add_prefix(struct plane_port *port, const char *text, uint8_t bits)
{
	struct addr_prefix *prefix = &port->gateway_for[port->gateway_for_count++];

	port->has_gateway = true;
	ck_assert_int_eq(addr_parse(text, &prefix->address), 0);
	prefix->bits = (uint8_t)(bits + (addr_is_ipv4(&prefix->address) ? 96 : 0));
}

START_TEST(test_gateway_longest_prefix_wins)
{
	static struct plane_port ports[6];
	static const struct {
		const char *address;
		uint32_t port;
	} rows[] = {
		{ "10.1.2.3", 3 },    { "10.1.3.3", 2 },      { "10.1.128.1", 2 },
		{ "10.2.0.1", 4 },    { "11.0.0.1", 4 },      { "2001:db8::1", 5 },
		{ "2001:db9::1", 1 }, { "2001:db8:1::1", 1 }, { "10.1.2.128", 3 },
	};
	struct addr address;

	ports[1].has_gateway = true; /* every backend; ports[0] has a kernel interface */
	add_prefix(&ports[2], "10.1.0.0", 16);
	add_prefix(&ports[3], "10.1.2.0", 24);
	add_prefix(&ports[4], "0.0.0.0", 0);
	add_prefix(&ports[5], "192.0.2.0", 24);
	add_prefix(&ports[5], "2001:db8::", 47);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(addr_parse(rows[i].address, &address), 0);
		if (strcmp(rows[i].address, "2001:db8:1::1") == 0) {
			/* inside /47, and the next one is not */
			ck_assert_uint_eq(gateway_port(ports, 6, &address), 5);
			ck_assert_int_eq(addr_parse("2001:db8:2::1", &address), 0);
		}
		ck_assert_uint_eq(gateway_port(ports, 6, &address), rows[i].port);
	}
	/* the first of two that fit alike */
	ports[0].has_gateway = true;
	ck_assert_int_eq(addr_parse("2001:db9::1", &address), 0);
	ck_assert_uint_eq(gateway_port(ports, 6, &address), 0);
}
END_TEST

START_TEST(test_gateway_may_be_missing)
{
	static struct plane_port ports[2];
	struct addr address;

	ck_assert_int_eq(addr_parse("10.0.0.1", &address), 0);
	ck_assert_uint_eq(gateway_port(ports, 2, &address), GATEWAY_NONE);
	add_prefix(&ports[1], "10.0.0.2", 32);
	ck_assert_uint_eq(gateway_port(ports, 2, &address), GATEWAY_NONE);
	ck_assert_uint_eq(gateway_port(ports, 0, &address), GATEWAY_NONE);
}
END_TEST

START_TEST(test_gateway_mac_is_unicast)
{
	ck_assert(gateway_mac_usable((const uint8_t[]){ 2, 0, 0, 0, 0, 1 }));
	ck_assert(gateway_mac_usable((const uint8_t[]){ 0, 0, 0, 0, 0, 1 }));
	ck_assert(!gateway_mac_usable((const uint8_t[]){ 0, 0, 0, 0, 0, 0 }));
	ck_assert(!gateway_mac_usable((const uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }));
	ck_assert(!gateway_mac_usable((const uint8_t[]){ 255, 255, 255, 255, 255, 255 }));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_gateway_longest_prefix_wins,
				       test_gateway_may_be_missing, test_gateway_mac_is_unicast,
				       NULL };

	return run_tests("gateway", tests);
}
