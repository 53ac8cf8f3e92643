/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The flow table: which backend owns a flow, of flows on rows that have changed their owner. A
 * bounded table of 64-bit words {fp:34, slot:20, state:2, stamp:8}, eight to a bucket; 0 is free.
 *
 * Packet cores share it without a lock: a word is read whole, and replaced by compare-and-swap. No
 * rule needs two words at once. The stamp counts units of the entry's VIP (struct fl_window),
 * modulo 256; the plane's sweeper clears an entry long before its age could look young again.
 */
#ifndef FL_FLOW_H
#define FL_FLOW_H

#include "tables.h"

enum fl_flow_state {
	FL_FLOW_FREE = 0,
	FL_FLOW_SYN = 1,     /**< only SYNs were seen */
	FL_FLOW_OPEN = 2,    /**< other packets too */
	FL_FLOW_CLOSING = 3, /**< a FIN or RST was */
};

enum { FL_FLOW_FP_BITS = 34 };
#define FL_FLOW_FP_MASK ((1ull << FL_FLOW_FP_BITS) - 1)

/**
 * Row, bucket and fingerprint come from different bits of the hash, as far as they go: the row from
 * the top ones of the low half (fl_row_index()), the bucket from the lowest, the fingerprint from
 * the highest 34. With 2^17 buckets and 65537 rows three bits are in two of them.
 */
FL_INLINE uint32_t
fl_flow_bucket(uint64_t hash, uint32_t bucket_mask)
{
	return (uint32_t)hash & bucket_mask;
}

FL_INLINE uint64_t
fl_flow_fp(uint64_t hash)
{
	return hash >> (64 - FL_FLOW_FP_BITS);
}

FL_INLINE uint64_t
fl_flow_word(uint64_t hash, uint32_t slot, enum fl_flow_state state, uint8_t stamp)
{
	return fl_flow_fp(hash) | (uint64_t)slot << FL_FLOW_FP_BITS | (uint64_t)state << 54 |
	       (uint64_t)stamp << 56;
}

FL_INLINE uint32_t
fl_flow_slot(uint64_t word)
{
	return (uint32_t)(word >> FL_FLOW_FP_BITS) & (FL_SLOTS_MAX - 1);
}

FL_INLINE enum fl_flow_state
fl_flow_state(uint64_t word)
{
	return (enum fl_flow_state)(word >> 54 & 3);
}

/** The word with another state and stamp. */
FL_INLINE uint64_t
fl_flow_touched(uint64_t word, enum fl_flow_state state, uint8_t stamp)
{
	return (word & ((1ull << 54) - 1)) | (uint64_t)state << 54 | (uint64_t)stamp << 56;
}

/** Has the word the fingerprint? All ones, or 0: without a branch. A free one has 0. */
FL_INLINE uint64_t
fl_flow_has(uint64_t word, uint64_t fp)
{
	return (uint64_t)((int64_t)(((word ^ fp) & FL_FLOW_FP_MASK) - 1) >> 63);
}

/** The present unit, as stamps count it. */
FL_INLINE uint8_t
fl_flow_stamp(const struct fl_window *window, uint64_t tick)
{
	return (uint8_t)(tick >> window->unit_shift);
}

enum {
	/** Ages from here on are stamps of a core that read the clock later than this one: the
	 * sweeper leaves no entry that is as old. */
	FL_FLOW_AGE_AHEAD = 192,
	/** Units that may go by between two looks of the sweeper at an entry. */
	FL_FLOW_SWEEP_UNITS = 64,
};

/** Units since the entry was used. */
FL_INLINE uint8_t
fl_flow_age(uint64_t word, const struct fl_window *window, uint64_t tick)
{
	uint8_t age = (uint8_t)(fl_flow_stamp(window, tick) - (uint8_t)(word >> 56));

	return age < FL_FLOW_AGE_AHEAD ? age : 0;
}

/** Where a flow's entry would be. */
struct fl_flow_place {
	uint64_t fp;
	uint64_t tick; /**< now */
	uint32_t bucket;
};

/** Not a word: its fingerprint would be all ones, and so all of it. */
#define FL_FLOW_NO_VICTIM UINT64_MAX

/** FL_SWAP() of the bucket's word that is @p expected. @return false: there is none any more. */
FL_INLINE bool
fl_flow_swap(struct fl_flows *flows, uint64_t expected, uint64_t desired)
{
	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++)
		if (FL_READ_ONCE(flows->word[i]) == expected)
			return FL_SWAP(flows->word[i], expected, desired);
	return false;
}

#endif
