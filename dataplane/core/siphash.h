/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012), 64 bits
 * out.
 *
 * The steps are macros over any type with + ^ << >> |, so that the same text hashes one message in
 * a uint64_t and several at once in a vector type.
 */
#ifndef FL_SIPHASH_H
#define FL_SIPHASH_H

#include "base.h"

/** 128 secret bits, cluster-wide. Bytes 0-7 and 8-15 of the key, little-endian. */
struct fl_key {
	uint64_t word[2];
};

#define FL_SIP_ROTATE(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

/** One SipRound over the four words of the state @p v. */
#define FL_SIP_ROUND(v)                                      \
	do {                                                 \
		(v)[0] += (v)[1];                            \
		(v)[2] += (v)[3];                            \
		(v)[1] = FL_SIP_ROTATE((v)[1], 13) ^ (v)[0]; \
		(v)[3] = FL_SIP_ROTATE((v)[3], 16) ^ (v)[2]; \
		(v)[0] = FL_SIP_ROTATE((v)[0], 32);          \
		(v)[2] += (v)[1];                            \
		(v)[0] += (v)[3];                            \
		(v)[1] = FL_SIP_ROTATE((v)[1], 17) ^ (v)[2]; \
		(v)[3] = FL_SIP_ROTATE((v)[3], 21) ^ (v)[0]; \
		(v)[2] = FL_SIP_ROTATE((v)[2], 32);          \
	} while (0)

/** Take in one 8-byte word: c = 1 round. */
#define FL_SIP_ABSORB(v, word)    \
	do {                      \
		(v)[3] ^= (word); \
		FL_SIP_ROUND(v);  \
		(v)[0] ^= (word); \
	} while (0)

/** d = 3 rounds; the hash is then v[0] ^ v[1] ^ v[2] ^ v[3]. */
#define FL_SIP_FINISH(v)         \
	do {                     \
		(v)[2] ^= 0xff;  \
		FL_SIP_ROUND(v); \
		FL_SIP_ROUND(v); \
		FL_SIP_ROUND(v); \
	} while (0)

/** The state before the first word, for a key's word @p i. */
FL_INLINE void
fl_sip_start(const struct fl_key *key, uint64_t v[4])
{
	v[0] = key->word[0] ^ 0x736f6d6570736575ull;
	v[1] = key->word[1] ^ 0x646f72616e646f6dull;
	v[2] = key->word[0] ^ 0x6c7967656e657261ull;
	v[3] = key->word[1] ^ 0x7465646279746573ull;
}

/** The last word of a message of @p bytes whose length is a multiple of 8. */
#define FL_SIP_LENGTH_WORD(bytes) ((uint64_t)(bytes) << 56)

#endif
