/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * VIP lookup: open addressing over 64-byte buckets of eight words {tag:32, record index + 1:32}.
 *
 * A key's home is a bucket; it lies in the first bucket from there that had room. A reader stops
 * at a bucket that is not full, so a writer who frees a word first moves a later entry of the same
 * run into it (plane/vips.c). Publishing and retiring are one 64-bit store.
 *
 * The hash is keyed so that a table cannot be guessed, but need not be a PRF: the table's content
 * is the operator's, and a lookup reads at most FL_VIP_PROBE_MAX buckets whatever a client sends.
 */
#ifndef FL_VIP_H
#define FL_VIP_H

#include "siphash.h"
#include "tables.h"

/** Multiply-xorshift mixing (constants of splitmix64, Steele et al., OOPSLA 2014). */
FL_INLINE uint64_t
fl_mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

FL_INLINE uint64_t
fl_vip_hash(const struct fl_key *key, const struct fl_vip_key *to)
{
	uint64_t high = to->address.half[0] ^ key->word[0];
	uint64_t low = to->address.half[1] ^ key->word[1];

	low += to->rest * 0x9e3779b97f4a7c15ull;
	high *= 0xd6e8feb86659fd93ull;
	return fl_mix64(low ^ (high << 32 | high >> 32));
}

/** The home bucket. @param bucket_mask number of buckets (a power of two) - 1. */
FL_INLINE uint32_t
fl_vip_home(uint64_t hash, uint32_t bucket_mask)
{
	return (uint32_t)hash & bucket_mask;
}

/** What of the hash stands in the word. */
FL_INLINE uint32_t
fl_vip_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

FL_INLINE uint64_t
fl_vip_word(uint32_t tag, uint32_t index)
{
	return (uint64_t)tag << 32 | (uint64_t)(index + 1);
}

/** The record a word names. Only of a word that is not 0. */
FL_INLINE uint32_t
fl_vip_word_index(uint64_t word)
{
	return (uint32_t)word - 1;
}

FL_INLINE bool
fl_vip_key_equal(const struct fl_vip_key *a, const struct fl_vip_key *b)
{
	return fl_addr_equal(&a->address, &b->address) && a->rest == b->rest;
}

#endif
