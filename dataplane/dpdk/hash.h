/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The flow hash of many packets at once: several messages in the lanes of one vector, by the very
 * text of core/siphash.h. The result is that of fl_flow_hash(), lane by lane.
 *
 * Any thread; no state.
 */
#ifndef DPDK_HASH_H
#define DPDK_HASH_H

#include "../core/flowhash.h"

/** Messages of a burst, transposed: word i of message m is word[i][m]. */
struct fl_hash_messages {
	_Alignas(64) uint64_t word[FL_FLOW_WORDS][FL_BURST_MAX];
};

/**
 * Hash the first @p count messages.
 *
 * @param ret_hash FL_BURST_MAX of them: what is beyond @p count is overwritten with no meaning.
 */
typedef void (*fl_hash_burst)(const struct fl_key *key, const struct fl_hash_messages *messages,
			      uint32_t count, uint64_t ret_hash[FL_BURST_MAX]);

/** The same for any machine, and with AVX2 instructions. */
void fl_hash_burst_portable(const struct fl_key *key, const struct fl_hash_messages *messages,
			    uint32_t count, uint64_t ret_hash[FL_BURST_MAX]);
#if defined(__x86_64__)
void fl_hash_burst_avx2(const struct fl_key *key, const struct fl_hash_messages *messages,
			uint32_t count, uint64_t ret_hash[FL_BURST_MAX]);
#endif

/** The fastest of them that this machine runs. */
fl_hash_burst fl_hash_choose(void);

#endif
