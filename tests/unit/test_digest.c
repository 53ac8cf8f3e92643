/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the digest of a table depends on each of its parts and on no other; it is part of the plane
 * protocol, so it must not change unnoticed.
 *
 * Method: one table, and copies that differ in one thing
 * each; a fixed value.
 */
#include <string.h>

#include "digest.h"
#include "run.h"

enum { ROWS = 251 };

static struct fl_vip_key key;
static uint16_t port_last;
static uint8_t policy;
static uint32_t window_s, hold_s;
static uint16_t owners[ROWS];
static uint64_t identities[16];

static uint64_t
digest(void)
{
	return digest_vip(&(struct digest_table){ .key = &key,
						  .port_last = port_last,
						  .policy = policy,
						  .window_s = window_s,
						  .hold_s = hold_s,
						  .row_count = ROWS,
						  .owners = owners,
						  .identities = identities });
}

static void
start(void)
{
	struct addr address = { .bytes = { [10] = 0xff, [11] = 0xff, [12] = 10 } };

	memset(&key, 0, sizeof key);
	key.address = fl_addr_from_ipv4(fl_to_be32(0xc0000201));
	key.port = fl_to_be16(80);
	key.ip_proto = 6;
	key.bits = 128;
	port_last = 80;
	policy = 0x2d;
	window_s = 900;
	hold_s = 3;
	for (uint32_t i = 0; i < 16; i++) {
		address.bytes[15] = (uint8_t)i;
		identities[i] = digest_address(&address);
	}
	for (uint32_t i = 0; i < ROWS; i++)
		owners[i] = (uint16_t)(i % 3);
}

START_TEST(test_digest_sees_every_part)
{
	uint64_t before;

	start();
	before = digest();
	key.port++;
	ck_assert_uint_ne(digest(), before);
	key.port--;
	key.ip_proto = 17;
	ck_assert_uint_ne(digest(), before);
	key.ip_proto = 6;
	key.address.word[0] = 1;
	ck_assert_uint_ne(digest(), before);
	key.address.word[0] = 0;
	key.bits = 127;
	ck_assert_uint_ne(digest(), before);
	key.bits = 128;
	key.kind = FL_VIP_RANGE;
	ck_assert_uint_ne(digest(), before);
	key.kind = FL_VIP_ENDPOINT;
	port_last = 81;
	ck_assert_uint_ne(digest(), before);
	port_last = 80;
	for (uint32_t bit = 0; bit < 6; bit++) {
		policy = (uint8_t)(0x2d ^ 1u << bit);
		ck_assert_uint_ne(digest(), before);
	}
	policy = 0x2d;
	window_s = 0;
	ck_assert_uint_ne(digest(), before);
	window_s = 900;
	hold_s = 0;
	ck_assert_uint_ne(digest(), before);
	window_s = 3;
	hold_s = 900;
	ck_assert_uint_ne(digest(), before);
	window_s = 900;
	hold_s = 3;
	for (uint32_t i = 0; i < ROWS; i++) {
		owners[i]++;
		ck_assert_uint_ne(digest(), before);
		owners[i] = FL_ROW_NONE;
		ck_assert_uint_ne(digest(), before);
		owners[i] = (uint16_t)(i % 3);
	}
	ck_assert_uint_eq(digest(), before);
}
END_TEST

START_TEST(test_digest_does_not_see_slots)
{
	uint64_t before;

	start();
	before = digest();
	for (uint32_t i = 0; i < ROWS; i++)
		owners[i] = (uint16_t)(15 - owners[i]);
	for (uint32_t i = 0; i < 3; i++)
		identities[15 - i] = identities[i];
	ck_assert_uint_eq(digest(), before);
}
END_TEST

START_TEST(test_digest_is_the_protocol)
{
	start();
	/* from a SipHash-1-3 written anew, over the words that digest.c names */
	ck_assert_uint_eq(digest(), UINT64_C(0x42dedfb25d2d015f));
	ck_assert_uint_eq(digest_add(digest_add(0, 5), 7), digest_add(digest_add(0, 7), 5));
	ck_assert_uint_ne(digest_add(0, 5), digest_add(digest_add(0, 5), 5));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_digest_sees_every_part, test_digest_does_not_see_slots,
				       test_digest_is_the_protocol, NULL };

	return run_tests("digest", tests);
}
