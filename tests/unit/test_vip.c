/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a VIP bucket finds what was put there and nothing else, and the hash depends on every bit
 * of what names a VIP and on the secret key. Method: single-bit changes of key, address, port and
 * protocol; buckets of every fill and every place of a match; the spread of neighbouring VIPs over
 * buckets against the expectation for random ones.
 */
#include "run.h"
#include "vip.h"

static const struct fl_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

static struct fl_vip_key
vip_key(uint32_t host, uint16_t port, uint8_t ip_proto)
{
	return (struct fl_vip_key){ .address = fl_addr_from_ipv4(fl_to_be32(0xc0000200 + host)),
				    .port = fl_to_be16(port),
				    .ip_proto = ip_proto };
}

START_TEST(test_vip_match_finds_the_tag_at_every_place)
{
	for (uint32_t used = 0; used <= 8; used++) {
		struct fl_vip_bucket bucket = { { 0 } };
		uint32_t full = used == 8 ? FL_VIP_MATCH_FULL : 0;

		for (uint32_t i = 0; i < used; i++)
			bucket.word[i] = fl_vip_word(1000 + i, 7 * i);
		for (uint32_t i = 0; i < used; i++) {
			ck_assert_uint_eq(fl_vip_match(&bucket, 1000 + i), 1u << i | full);
			ck_assert_uint_eq(fl_vip_word_index(bucket.word[i]), 7 * i);
		}
		ck_assert_uint_eq(fl_vip_match(&bucket, 999), full);
	}
}
END_TEST

START_TEST(test_vip_match_never_takes_a_free_word)
{
	struct fl_vip_bucket bucket = { { 0 } };

	ck_assert_uint_eq(fl_vip_match(&bucket, 0), 0);
	bucket.word[3] = fl_vip_word(0, 0); /* tag 0, the first record: a word that is used */
	ck_assert_uint_ne(bucket.word[3], 0);
	ck_assert_uint_eq(fl_vip_match(&bucket, 0), 1u << 3);
}
END_TEST

START_TEST(test_vip_match_reports_every_equal_tag)
{
	struct fl_vip_bucket bucket = { { 0 } };

	for (uint32_t i = 0; i < 8; i++)
		bucket.word[i] = fl_vip_word(5 + i % 2, i);
	ck_assert_uint_eq(fl_vip_match(&bucket, 5), 0x55 | FL_VIP_MATCH_FULL);
	ck_assert_uint_eq(fl_vip_match(&bucket, 6), 0xaa | FL_VIP_MATCH_FULL);
}
END_TEST

START_TEST(test_vip_key_equal_compares_every_field)
{
	struct fl_vip_key a = vip_key(10, 80, 6), b = a;

	ck_assert(fl_vip_key_equal(&a, &b));
	for (uint32_t bit = 0; bit < 128; bit++) {
		b = a;
		b.address.word[bit / 32] ^= 1u << bit % 32;
		ck_assert(!fl_vip_key_equal(&a, &b));
	}
	for (uint32_t bit = 0; bit < 16; bit++) {
		b = a;
		b.port ^= (uint16_t)(1u << bit);
		ck_assert(!fl_vip_key_equal(&a, &b));
	}
	b = a;
	b.ip_proto = 17;
	ck_assert(!fl_vip_key_equal(&a, &b));
	b = a;
	b.ip_proto = 0;
	ck_assert(!fl_vip_key_equal(&a, &b));
}
END_TEST

START_TEST(test_vip_hash_depends_on_every_bit)
{
	struct fl_vip_key a = vip_key(10, 80, 6), b;
	uint64_t hash = fl_vip_hash(&key, &a);

	for (uint32_t bit = 0; bit < 128; bit++) {
		struct fl_key other = key;

		b = a;
		b.address.word[bit / 32] ^= 1u << bit % 32;
		ck_assert_uint_ne(fl_vip_hash(&key, &b), hash);
		other.word[bit / 64] ^= 1ull << bit % 64;
		ck_assert_uint_ne(fl_vip_hash(&other, &a), hash);
	}
	for (uint32_t bit = 0; bit < 16; bit++) {
		b = a;
		b.port ^= (uint16_t)(1u << bit);
		ck_assert_uint_ne(fl_vip_hash(&key, &b), hash);
	}
	for (uint32_t bit = 0; bit < 8; bit++) {
		b = a;
		b.ip_proto ^= (uint8_t)(1u << bit);
		ck_assert_uint_ne(fl_vip_hash(&key, &b), hash);
	}
	ck_assert_uint_eq(fl_vip_tag(hash), hash >> 32);
}
END_TEST

/*
 * 2048 VIPs (256 addresses, 4 ports, 2 protocols) in 1024 buckets. At random, more than 8 in one
 * bucket has a probability of 2.4e-4, so 0.24 buckets are expected; 5 or more would be the hash's
 * fault.
 */
START_TEST(test_vip_hash_spreads_neighbours)
{
	static const uint16_t ports[] = { 80, 443, 8080, 53 };
	uint32_t filled[1024] = { 0 }, overfull = 0, empty = 0;

	for (uint32_t i = 0; i < 2048; i++) {
		struct fl_vip_key to = vip_key(i / 8, ports[i % 4], i & 4 ? 6 : 17);
		uint32_t home = fl_vip_home(fl_vip_hash(&key, &to), 1023);

		ck_assert_uint_lt(home, 1024);
		filled[home]++;
	}
	for (uint32_t i = 0; i < 1024; i++) {
		overfull += filled[i] > 8;
		empty += filled[i] == 0;
	}
	ck_assert_uint_lt(overfull, 5);
	ck_assert_uint_gt(empty, 100); /* e^-2 of them: 139 */
	ck_assert_uint_lt(empty, 180);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_vip_match_finds_the_tag_at_every_place,
				       test_vip_match_never_takes_a_free_word,
				       test_vip_match_reports_every_equal_tag,
				       test_vip_key_equal_compares_every_field,
				       test_vip_hash_depends_on_every_bit,
				       test_vip_hash_spreads_neighbours,
				       NULL };

	return run_tests("vip", tests);
}
