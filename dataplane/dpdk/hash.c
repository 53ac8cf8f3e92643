/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One body, written with GCC's vector types over the macros of core/siphash.h, compiled once for
 * the machine that the build is for and once with AVX2. A vector is wider than a register on
 * purpose: the compiler splits it, and the parts run beside each other.
 */
#include <string.h>

#include "hash.h"

typedef uint64_t lanes4 __attribute__((vector_size(32)));
typedef uint64_t lanes8 __attribute__((vector_size(64)));

_Static_assert(FL_BURST_MAX % 8 == 0, "whole vectors only");

#define HASH_BODY(vector)                                                              \
	do {                                                                           \
		const uint32_t lane_count = sizeof(vector) / sizeof(uint64_t);         \
		uint64_t start[4];                                                     \
                                                                                       \
		fl_sip_start(key, start);                                              \
		for (uint32_t first = 0; first < count && first < FL_BURST_MAX;        \
		     first += lane_count) {                                            \
			vector v[4], hash;                                             \
                                                                                       \
			for (uint32_t i = 0; i < 4; i++)                               \
				v[i] = start[i] - (vector){ 0 };                       \
			for (uint32_t i = 0; i < FL_FLOW_WORDS; i++) {                 \
				vector word;                                           \
                                                                                       \
				memcpy(&word, &messages->word[i][first], sizeof word); \
				FL_SIP_ABSORB(v, word);                                \
			}                                                              \
			FL_SIP_ABSORB(v, FL_SIP_LENGTH_WORD(8 * FL_FLOW_WORDS));       \
			FL_SIP_FINISH(v);                                              \
			hash = v[0] ^ v[1] ^ v[2] ^ v[3];                              \
			memcpy(&ret_hash[first], &hash, sizeof hash);                  \
		}                                                                      \
	} while (0)

void
fl_hash_burst_portable(const struct fl_key *key, const struct fl_hash_messages *messages,
		       uint32_t count, uint64_t ret_hash[FL_BURST_MAX])
{
	HASH_BODY(lanes4);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void
fl_hash_burst_avx2(const struct fl_key *key, const struct fl_hash_messages *messages,
		   uint32_t count, uint64_t ret_hash[FL_BURST_MAX])
{
	HASH_BODY(lanes8);
}
#endif

fl_hash_burst
fl_hash_choose(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return fl_hash_burst_avx2;
#endif
	return fl_hash_burst_portable;
}
