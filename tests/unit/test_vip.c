/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a VIP bucket finds what was put there and nothing else, the hash depends on every bit of
 * what names a VIP and on the secret key, and an address keeps exactly the bits of its prefix.
 * Method: single-bit changes of key, address, port and protocol; buckets of every fill and every
 * place of a match; the look-up over whole tables beside a linear search, also where tags are
 * equal, 0, or the tables answer nothing; the spread of neighbouring VIPs over buckets against the
 * expectation for random ones; every prefix length, bit by bit.
 */
#include "access.h"
#include "run.h"

static const struct fl_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

static struct fl_vip_key
vip_key(uint32_t host, uint16_t port, uint8_t ip_proto)
{
	return (struct fl_vip_key){ .address = fl_addr_from_ipv4(fl_to_be32(0xc0000200 + host)),
				    .port = fl_to_be16(port),
				    .ip_proto = ip_proto,
				    .bits = 128 };
}

START_TEST(test_vip_key_equal_compares_every_field)
{
	struct fl_vip_key a = vip_key(10, 80, 6), b = a;

	ck_assert(fl_vip_key_equal(&a, &b));
	for (uint32_t bit = 0; bit < 128; bit++) {
		b = a;
		b.address.half[bit / 64] ^= 1ull << bit % 64;
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
	b = a;
	b.bits = 127;
	ck_assert(!fl_vip_key_equal(&a, &b));
	b = a;
	b.kind = FL_VIP_RANGE;
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
		b.address.half[bit / 64] ^= 1ull << bit % 64;
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
		b = a;
		b.bits ^= (uint8_t)(1u << bit);
		ck_assert_uint_ne(fl_vip_hash(&key, &b), hash);
		b = a;
		b.kind ^= (uint8_t)(1u << bit);
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

/* --- fl_vip_find() --- */

enum { BUCKETS = 16, RECORDS = 64 };

struct vip_tables {
	struct fl_config config;
	struct fl_vip_bucket buckets[BUCKETS];
	struct fl_vip vips[RECORDS];
	uint32_t reads;		/* of buckets */
	uint32_t buckets_there; /* beyond: no bucket */
	uint32_t vips_there;
};

static const struct fl_vip_bucket *
get_bucket(void *user, uint32_t index)
{
	struct vip_tables *tables = user;

	CHECK(index < BUCKETS);
	tables->reads++;
	return index < tables->buckets_there ? &tables->buckets[index] : NULL;
}

static const struct fl_vip *
get_vip(void *user, uint32_t record)
{
	struct vip_tables *tables = user;

	return record < tables->vips_there ? &tables->vips[record] : NULL;
}

static const struct fl_config *
get_config(void *user)
{
	return &((struct vip_tables *)user)->config;
}

static const struct fl_vip_access vip_access = { .config = get_config,
						 .bucket = get_bucket,
						 .vip = get_vip };

static void
open_tables(struct vip_tables *tables)
{
	*tables = (struct vip_tables){ .config = { .key = key, .vip_bucket_mask = BUCKETS - 1 },
				       .buckets_there = BUCKETS,
				       .vips_there = RECORDS };
}

/* Into the first bucket from its home that has room. @return how many buckets from home; 4: none.
 */
static uint32_t
put(struct vip_tables *tables, uint32_t record, const struct fl_vip_key *vip)
{
	uint64_t hash = fl_vip_hash(&tables->config.key, vip);

	tables->vips[record].key = *vip;
	for (uint32_t probe = 0; probe < FL_VIP_PROBE_MAX; probe++)
		for (uint32_t i = 0; i < 8; i++) {
			uint32_t home = fl_vip_home(hash, BUCKETS - 1);
			uint64_t *word = &tables->buckets[(home + probe) % BUCKETS].word[i];

			if (*word != 0)
				continue;
			*word = fl_vip_word(fl_vip_tag(hash), record);
			return probe;
		}
	return FL_VIP_PROBE_MAX;
}

/* @return the record found; RECORDS: none. */
static uint32_t
find(struct vip_tables *tables, const struct fl_vip_key *vip)
{
	uint32_t record = RECORDS;
	const struct fl_vip *found;

	tables->reads = 0;
	found = fl_vip_find(&vip_access, tables, vip, &record);
	CHECK((found == NULL) == (record == RECORDS));
	CHECK(found == NULL || found == &tables->vips[record]);
	return record;
}

START_TEST(test_vip_find_finds_all_and_nothing_else)
{
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t seed = round * RECORDS, probes[FL_VIP_PROBE_MAX + 1] = { 0 };
		struct vip_tables tables;

		open_tables(&tables);
		for (uint32_t i = 0; i < RECORDS; i++) {
			struct fl_vip_key vip = vip_key(seed + i, (uint16_t)(i % 3), 6);

			probes[put(&tables, i, &vip)]++;
		}
		CHECK(probes[FL_VIP_PROBE_MAX] == 0);
		for (uint32_t i = 0; i < RECORDS; i++) {
			struct fl_vip_key vip = tables.vips[i].key;

			CHECK(find(&tables, &vip) == i && tables.reads <= FL_VIP_PROBE_MAX);
			vip.port ^= 0x100;
			CHECK(find(&tables, &vip) == RECORDS);
			vip = tables.vips[i].key;
			vip.kind = FL_VIP_PAGE;
			CHECK(find(&tables, &vip) == RECORDS);
		}
	}
}
END_TEST

/* A run goes on behind full buckets only, over the table's end too, for at most four. */
START_TEST(test_vip_find_follows_full_buckets)
{
	struct fl_vip_key vip = vip_key(10, 80, 6);
	uint32_t home = fl_vip_home(fl_vip_hash(&key, &vip), BUCKETS - 1);

	for (uint32_t full = 0; full <= 5; full++)
		for (uint32_t room = 0; room <= 8; room++) {
			struct vip_tables tables;
			uint32_t expected = full < FL_VIP_PROBE_MAX ? 0 : RECORDS;

			open_tables(&tables);
			for (uint32_t i = 0; i < 8 * full; i++)
				tables.buckets[(home + i / 8) % BUCKETS].word[i % 8] =
					fl_vip_word(i, 1 + i % 8);
			ck_assert_uint_eq(put(&tables, 0, &vip),
					  full < FL_VIP_PROBE_MAX ? full : FL_VIP_PROBE_MAX);
			ck_assert_uint_eq(find(&tables, &vip), expected);
			ck_assert_uint_eq(tables.reads,
					  full < FL_VIP_PROBE_MAX ? full + 1 : FL_VIP_PROBE_MAX);
			if (room == 8 || full == 0)
				continue;
			/* a free word anywhere before ends the run */
			tables.buckets[home].word[room] = 0;
			ck_assert_uint_eq(find(&tables, &vip), RECORDS);
			ck_assert_uint_eq(tables.reads, 1);
		}
}
END_TEST

START_TEST(test_vip_find_compares_the_record_of_every_equal_tag)
{
	struct fl_vip_key vip = vip_key(10, 80, 6);
	uint64_t hash = fl_vip_hash(&key, &vip);
	uint32_t home = fl_vip_home(hash, BUCKETS - 1);

	for (uint32_t right = 0; right <= 8; right++) {
		struct vip_tables tables;

		open_tables(&tables);
		for (uint32_t i = 0; i < 8; i++) {
			tables.vips[i].key = vip_key(i == right ? 10 : 100 + i, 80, 6);
			tables.buckets[home].word[i] = fl_vip_word(fl_vip_tag(hash), i);
		}
		ck_assert_uint_eq(find(&tables, &vip), right < 8 ? right : RECORDS);
	}
}
END_TEST

START_TEST(test_vip_find_stands_tables_that_answer_nothing)
{
	struct fl_vip_key vip = vip_key(10, 80, 6);
	struct vip_tables tables;

	open_tables(&tables);
	put(&tables, 20, &vip);
	ck_assert_uint_eq(find(&tables, &vip), 20);
	tables.vips_there = 20;
	ck_assert_uint_eq(find(&tables, &vip), RECORDS);
	tables.vips_there = RECORDS;
	tables.buckets_there = 0;
	ck_assert_uint_eq(find(&tables, &vip), RECORDS);
	ck_assert_uint_eq(tables.reads, 1);
}
END_TEST

/* fl_mix64() backwards: constants are the inverses of its own modulo 2^64. */
static uint64_t
unmix64(uint64_t x)
{
	x = (x ^ x >> 31 ^ x >> 62) * 0x319642b2d24d8ec3;
	x = (x ^ x >> 27 ^ x >> 54) * 0x96de1b173f119089;
	return x ^ x >> 30 ^ x >> 60;
}

/* A free word has tag 0: a VIP whose tag is 0 must not be taken for one, nor find one. */
START_TEST(test_vip_find_knows_a_free_word_from_tag_zero)
{
	struct fl_vip_key vip = vip_key(10, 80, 6);
	struct vip_tables tables;
	uint64_t hash = 3;

	open_tables(&tables);
	ck_assert_uint_eq(unmix64(fl_mix64(0x123456789abcdef)), 0x123456789abcdef);
	/* the hash is fl_mix64(x ^ key.word[1] + y): the key that makes it 3 */
	tables.config.key = (struct fl_key){ { 0, 0 } };
	for (uint32_t i = 0; i < 64; i++) {
		/* bit by bit from the lowest: a sum's bit does not depend on higher ones */
		uint64_t high = vip.address.half[0] * 0xd6e8feb86659fd93ull;
		uint64_t wanted = unmix64(hash) ^ (high << 32 | high >> 32);
		uint64_t is =
			unmix64(fl_vip_hash(&tables.config.key, &vip)) ^ (high << 32 | high >> 32);

		tables.config.key.word[1] ^= (is ^ wanted) & 1ull << i;
	}
	ck_assert_uint_eq(fl_vip_hash(&tables.config.key, &vip), hash);
	ck_assert_uint_eq(find(&tables, &vip), RECORDS);
	ck_assert_uint_eq(tables.reads, 1);
	ck_assert_uint_eq(put(&tables, 0, &vip), 0);
	ck_assert_uint_eq(find(&tables, &vip), 0);
	tables.buckets[3].word[1] = tables.buckets[3].word[0];
	tables.buckets[3].word[0] = 0;
	ck_assert_uint_eq(find(&tables, &vip), 0);
}
END_TEST

/* --- base.h --- */

START_TEST(test_vip_address_keeps_the_bits_of_its_prefix)
{
	static const uint8_t patterns[] = { 0xff, 0x00, 0xa5, 0x5a };

	for (uint32_t bits = 0; bits <= 128; bits++)
		for (uint32_t i = 0; i < 4; i++) {
			uint8_t bytes[16], expected[16];
			struct fl_addr address, masked;

			memset(bytes, patterns[i], 16);
			for (uint32_t bit = 0; bit < 128; bit++) {
				uint8_t mask = (uint8_t)(0x80 >> bit % 8);

				if (bit % 8 == 0)
					expected[bit / 8] = 0;
				if (bit < bits)
					expected[bit / 8] |= bytes[bit / 8] & mask;
			}
			memcpy(address.half, bytes, 16);
			masked = fl_addr_masked(&address, bits);
			ck_assert_mem_eq(masked.half, expected, 16);
			masked = fl_addr_masked(&masked, bits);
			ck_assert_mem_eq(masked.half, expected, 16);
		}
}
END_TEST

START_TEST(test_vip_address_knows_ipv4)
{
	struct fl_addr address = fl_addr_from_ipv4(fl_to_be32(0xc000020a));

	ck_assert(fl_addr_is_ipv4(&address));
	ck_assert_mem_eq(address.half, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x0a", 16);
	for (uint32_t bit = 0; bit < 128; bit++) {
		struct fl_addr other = address;

		other.half[bit / 64] ^= 1ull << bit % 64;
		ck_assert_int_eq(fl_addr_is_ipv4(&other), bit >= 96);
		ck_assert(!fl_addr_equal(&other, &address));
	}
	ck_assert(fl_addr_equal(&address, &address));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_vip_key_equal_compares_every_field,
				       test_vip_hash_depends_on_every_bit,
				       test_vip_hash_spreads_neighbours,
				       test_vip_find_finds_all_and_nothing_else,
				       test_vip_find_follows_full_buckets,
				       test_vip_find_compares_the_record_of_every_equal_tag,
				       test_vip_find_stands_tables_that_answer_nothing,
				       test_vip_find_knows_a_free_word_from_tag_zero,
				       test_vip_address_keeps_the_bits_of_its_prefix,
				       test_vip_address_knows_ipv4,
				       NULL };

	return run_tests("vip", tests);
}
