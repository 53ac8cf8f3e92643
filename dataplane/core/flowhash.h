/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The flow hash: SipHash-1-3 under the cluster's key over 40 bytes: source address, destination
 * address (16 bytes each, IPv4 as IPv4-mapped), source port, destination port, protocol, 3 zero
 * bytes.
 *
 * Uses of its 64 bits: the low 32 choose the row; the rest is for what needs bits that are
 * independent of it (the outer flow label, source port and source address). The NIC's RSS hash is
 * never used.
 */
#ifndef FL_FLOWHASH_H
#define FL_FLOWHASH_H

#include "packet.h"
#include "siphash.h"

enum { FL_FLOW_WORDS = 5 };

/** The words that all messages begin with. */
FL_INLINE void
fl_message_addresses(const struct fl_packet *packet, uint64_t ret_words[FL_FLOW_WORDS])
{
	ret_words[0] = packet->src.half[0];
	ret_words[1] = packet->src.half[1];
	ret_words[2] = packet->to.address.half[0];
	ret_words[3] = packet->to.address.half[1];
}

/** The message of a flow: FL_FLOW_WORDS words. Of a later fragment: both ports 0. */
FL_INLINE void
fl_flow_message(const struct fl_packet *packet, uint64_t ret_words[FL_FLOW_WORDS])
{
	fl_message_addresses(packet, ret_words);
	ret_words[4] = (uint64_t)packet->src_port | (uint64_t)packet->to.port << 16 |
		       (uint64_t)packet->to.ip_proto << 32;
}

/** The message of what all fragments of a packet have in common. Byte 37 sets it apart from flows.
 */
FL_INLINE void
fl_fragment_message(const struct fl_packet *packet, uint64_t ret_words[FL_FLOW_WORDS])
{
	fl_message_addresses(packet, ret_words);
	ret_words[4] = (uint64_t)packet->fragment_id | (uint64_t)packet->fragment_proto << 32 |
		       (uint64_t)1 << 40;
}

FL_INLINE uint64_t
fl_message_hash(const struct fl_key *key, const uint64_t words[FL_FLOW_WORDS])
{
	uint64_t v[4];

	fl_sip_start(key, v);
	FL_UNROLL
	for (uint32_t i = 0; i < FL_FLOW_WORDS; i++)
		FL_SIP_ABSORB(v, words[i]);
	FL_SIP_ABSORB(v, FL_SIP_LENGTH_WORD(8 * FL_FLOW_WORDS));
	FL_SIP_FINISH(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

FL_INLINE uint64_t
fl_flow_hash(const struct fl_key *key, const struct fl_packet *packet)
{
	uint64_t words[FL_FLOW_WORDS];

	fl_flow_message(packet, words);
	return fl_message_hash(key, words);
}

FL_INLINE uint64_t
fl_fragment_hash(const struct fl_key *key, const struct fl_packet *packet)
{
	uint64_t words[FL_FLOW_WORDS];

	fl_fragment_message(packet, words);
	return fl_message_hash(key, words);
}

#endif
