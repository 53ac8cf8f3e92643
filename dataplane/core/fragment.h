/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Where later fragments go: a bounded table, hashed by what all fragments of a packet have in
 * common, that the first fragment, which has the ports, writes. A word {fp:28, slot:20, stamp:16},
 * 0: free; eight to a bucket.
 *
 * Packet cores share the table without a lock: a word is read and written whole. Two cores that
 * take the same place at the same time lose one of two entries, and its later fragments are dropped
 * and counted, as if the first had never come. Nobody's fragment ever goes to a wrong backend for
 * it.
 */
#ifndef FL_FRAGMENT_H
#define FL_FRAGMENT_H

#include "flowhash.h"

#define FL_FRAGMENT_NOT_FOUND UINT32_MAX

/** One step of a stamp: 2^26 ns, 67 ms. */
enum { FL_FRAGMENT_STEP_SHIFT = 26 };
#define FL_FRAGMENT_LIFE_STEPS ((FL_FRAGMENT_LIFE_MS * 1000000ull) >> FL_FRAGMENT_STEP_SHIFT)

FL_INLINE uint32_t
fl_fragment_bucket(uint64_t hash, uint32_t bucket_mask)
{
	return (uint32_t)(hash >> 32) & bucket_mask;
}

/** What of the hash stands in the word; never 0. */
FL_INLINE uint64_t
fl_fragment_fp(uint64_t hash)
{
	return (hash & 0xfffffffu) | 1;
}

FL_INLINE uint64_t
fl_fragment_word(uint64_t hash, uint32_t slot, uint64_t now_ns)
{
	return fl_fragment_fp(hash) | (uint64_t)slot << 28 |
	       (now_ns >> FL_FRAGMENT_STEP_SHIFT) << 48;
}

/** Older than any entry: of a free place, of the packet's own. */
enum { FL_FRAGMENT_AGE_FREE = 0x10000, FL_FRAGMENT_AGE_OWN = 0x20000 };

/** Steps since the entry was written, modulo 2^16 (73 min). */
FL_INLINE uint32_t
fl_fragment_age(uint64_t word, uint64_t now_ns)
{
	return ((uint32_t)(now_ns >> FL_FRAGMENT_STEP_SHIFT) - (uint32_t)(word >> 48)) & 0xffffu;
}

/** @return the slot that the first fragment went to, or FL_FRAGMENT_NOT_FOUND. */
FL_INLINE uint32_t
fl_fragment_find(const struct fl_fragments *bucket, uint64_t hash, uint64_t now_ns)
{
	uint32_t slot = FL_FRAGMENT_NOT_FOUND;

	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++) {
		uint64_t word = FL_READ_ONCE(bucket->word[i]);

		if ((word & 0xfffffffu) == fl_fragment_fp(hash) &&
		    fl_fragment_age(word, now_ns) < FL_FRAGMENT_LIFE_STEPS)
			slot = (uint32_t)(word >> 28) & 0xfffffu;
	}
	return slot;
}

/**
 * How willingly a place is taken: the packet's own first, then free ones, then the oldest. In
 * arithmetic: the BPF verifier would follow every comparison both ways, for every place.
 */
FL_INLINE uint32_t
fl_fragment_rank(uint64_t word, uint64_t hash, uint64_t now_ns)
{
	uint64_t differs = (word ^ fl_fragment_fp(hash)) & 0xfffffffu;
	uint32_t is_own = (uint32_t)((differs - 1) >> 63),
		 is_free = (uint32_t)((~word & (word - 1)) >> 63);

	return is_own * FL_FRAGMENT_AGE_OWN | is_free * FL_FRAGMENT_AGE_FREE |
	       fl_fragment_age(word, now_ns);
}

/**
 * Where to remember what the packet's first fragment did.
 * @param ret_is_alive the entry there was still alive, and has to go.
 * @return the place in the bucket; another core may take it too.
 */
FL_INLINE uint32_t
fl_fragment_place(const struct fl_fragments *bucket, uint64_t hash, uint64_t now_ns,
		  bool *ret_is_alive)
{
	uint32_t best = 0; /* rank:29, 7 - place:3 of the highest rank */

	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++) {
		uint32_t rank = fl_fragment_rank(FL_READ_ONCE(bucket->word[i]), hash, now_ns);

		best = (rank << 3 | (7 - i)) > best ? rank << 3 | (7 - i) : best;
	}
	*ret_is_alive = best >> 3 < FL_FRAGMENT_LIFE_STEPS;
	return 7 - (best & 7);
}

#endif
