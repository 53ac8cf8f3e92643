/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the steps of siphash.h are SipHash-1-3.
 * Method: the published vectors (key 00 01 .. 0f, message 00 01 .. of each length), for every
 * length that is a multiple of 8, the only ones the word interface takes. The values for 0 to 56
 * bytes are the known answers that the SipHash-1-3 libraries of Rust, Go and others carry (their
 * index is the message length; the low halves are also Linux's hsiphash vectors); all of them and
 * the one for 64 bytes were read again from another implementation:
 *
 *   printf '\0\1\2\3\4\5\6\7' | openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f \
 *     -macopt size:8 -macopt c-rounds:1 -macopt d-rounds:3 SIPHASH
 *
 * (prints the bytes; the hash is that number little-endian). siphash_openssl.py does so for random
 * keys and messages at every run, with this program's --print.
 */
#include <stdio.h>

#include "run.h"
#include "siphash.h"

enum { WORDS_MAX = 8 };

static const uint64_t published[WORDS_MAX + 1] = {
	0xabac0158050fc4dc, 0x369095118d299a8e, 0xcc4fdd1a7d908b66,
	0xf464aeb267349c8c, 0x81157b6c16a7b60d, 0xc1d2363299e41531,
	0x9f3143f8df074c46, 0xb4bcc0db243c6d75, 0xf17997ec4b4a6065,
};

static const struct fl_key counting_key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

static uint64_t
hash_words(const struct fl_key *key, const uint64_t *words, uint32_t count)
{
	uint64_t v[4];

	fl_sip_start(key, v);
	for (uint32_t i = 0; i < count; i++)
		FL_SIP_ABSORB(v, words[i]);
	FL_SIP_ABSORB(v, FL_SIP_LENGTH_WORD(8 * count));
	FL_SIP_FINISH(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

START_TEST(test_siphash_gives_published_vectors)
{
	uint64_t words[WORDS_MAX];

	for (uint32_t i = 0; i < WORDS_MAX; i++)
		words[i] = 0x0706050403020100 + i * 0x0808080808080808;
	for (uint32_t count = 0; count <= WORDS_MAX; count++)
		ck_assert_msg(hash_words(&counting_key, words, count) == published[count],
			      "%u bytes: %016lx, published %016lx", 8 * count,
			      hash_words(&counting_key, words, count), published[count]);
}
END_TEST

START_TEST(test_siphash_in_vectors_equals_one_at_a_time)
{
	typedef uint64_t four __attribute__((vector_size(32)));
	four v[4], hash;
	uint64_t start[4];

	fl_sip_start(&counting_key, start);
	for (uint32_t i = 0; i < 4; i++)
		v[i] = (four){ start[i], start[i], start[i], start[i] };
	for (uint64_t i = 0; i < 5; i++)
		FL_SIP_ABSORB(v, ((four){ i, i << 8, ~i, i * 0x9e3779b97f4a7c15 }));
	FL_SIP_ABSORB(v, FL_SIP_LENGTH_WORD(40));
	FL_SIP_FINISH(v);
	hash = v[0] ^ v[1] ^ v[2] ^ v[3];

	for (uint32_t lane = 0; lane < 4; lane++) {
		uint64_t words[5];

		for (uint64_t i = 0; i < 5; i++)
			words[i] = ((four){ i, i << 8, ~i, i * 0x9e3779b97f4a7c15 })[lane];
		ck_assert_uint_eq(hash[lane], hash_words(&counting_key, words, 5));
	}
}
END_TEST

/* Lines "key message hash", all as bytes in hexadecimal, for siphash_openssl.py. */
static int
print_random(uint64_t seed)
{
	for (uint32_t line = 0; line < 45; line++) {
		uint32_t count = line % (WORDS_MAX + 1);
		uint64_t random[2 + WORDS_MAX], hash;

		for (uint32_t i = 0; i < 2 + WORDS_MAX; i++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			random[i] = seed ^ seed >> 29;
		}
		hash = hash_words(&(struct fl_key){ { random[0], random[1] } }, random + 2, count);
		for (uint32_t i = 0; i < 2 + count; i++)
			printf("%s%016lx", i == 2 ? " " : "", __builtin_bswap64(random[i]));
		printf("%s %016lx\n", count == 0 ? " " : "", __builtin_bswap64(hash));
	}
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	const TTest *const tests[] = { test_siphash_gives_published_vectors,
				       test_siphash_in_vectors_equals_one_at_a_time, NULL };

	if (argc == 3 && strcmp(argv[1], "--print") == 0)
		return print_random(strtoull(argv[2], NULL, 10));
	return run_tests("siphash", tests);
}
