/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * From the decision to the frame that leaves: first how the frame grows or shrinks, which is the
 * engine's to do; then its bytes.
 */
#ifndef FL_EMIT_H
#define FL_EMIT_H

#include "answer.h"
#include "decide.h"

/** What becomes of a frame before fl_emit() writes it. */
struct fl_resize {
	int32_t head;	     /**< bytes that come before what it has now; negative: that go */
	uint32_t bytes;	     /**< of the frame afterwards; what is beyond is cut off */
	uint32_t contiguous; /**< of its first bytes that must be readable and writable in one piece
			      */
};

/** Bytes before the IP header of the frame that leaves. */
FL_INLINE uint32_t
fl_emit_l2_bytes(const struct fl_decision *decision)
{
	return FL_ETHERNET_BYTES + (decision->tag[0] != 0 ? (uint32_t)FL_TAG_BYTES : 0) +
	       (decision->tag[1] != 0 ? (uint32_t)FL_TAG_BYTES : 0);
}

/** Bytes of outer headers that go before the packet. */
FL_INLINE uint32_t
fl_emit_outer_bytes(const struct fl_decision *decision)
{
	return decision->verdict == FL_FORWARD && decision->backend != NULL
		       ? decision->backend->header_bytes
		       : 0;
}

/**
 * @param decision whose verdict is fl_verdict_is_send().
 * @param frame_bytes of the frame as it came.
 */
FL_INLINE struct fl_resize
fl_emit_resize(const struct fl_packet *packet, const struct fl_decision *decision,
	       uint32_t frame_bytes)
{
	uint32_t ip_bytes = packet->is_ipv6 ? FL_IPV6_BYTES : FL_IPV4_BYTES;
	uint32_t l2_bytes = fl_emit_l2_bytes(decision);
	uint32_t added = fl_emit_outer_bytes(decision);
	struct fl_resize resize;

	if (decision->verdict == FL_ANSWER_TOO_BIG)
		added = ip_bytes + FL_ICMP_BYTES;
	resize.head = (int32_t)(l2_bytes + added) - packet->l2_bytes;
	if (decision->verdict == FL_ANSWER_TOO_BIG) {
		resize.bytes = l2_bytes + added + FL_QUOTE_BYTES;
		resize.contiguous = resize.bytes;
		return resize;
	}
	resize.bytes = added > 0 ? l2_bytes + added + packet->l3_bytes
				 : (uint32_t)((int32_t)frame_bytes + resize.head);
	resize.contiguous = l2_bytes + added + ip_bytes +
			    (decision->verdict == FL_ANSWER_ECHO ? FL_ICMP_BYTES : 0);
	return resize;
}

FL_INLINE bool
fl_emit_l2(struct fl_writer *writer, const struct fl_decision *decision, uint16_t type)
{
	struct fl_wire_ethernet *ethernet = fl_put(writer, sizeof *ethernet);
	fl_be16 outer = fl_to_be16(type);

	if (ethernet == NULL)
		return false;
	FL_UNROLL
	for (uint32_t i = 0; i < 3; i++) {
		ethernet->dst[i] = (uint16_t)(decision->dst_mac >> (16 * i));
		ethernet->src[i] = (uint16_t)(decision->port_word >> (16 * i));
	}
	ethernet->type = outer;
	if (FL_LIKELY(decision->tag[0] == 0))
		return true;
	/* a tag stands before the type of what it tags, which moves behind it */
	ethernet->type = (fl_be16)decision->tag[0];
	for (uint32_t i = 0; i < FL_TAGS_MAX && decision->tag[i] != 0; i++) {
		struct fl_wire_tag *tag = fl_put(writer, sizeof *tag);

		if (tag == NULL)
			return false;
		tag->tci = (fl_be16)(decision->tag[i] >> 16);
		tag->type = i + 1 < FL_TAGS_MAX && decision->tag[i + 1] != 0
				    ? (fl_be16)decision->tag[i + 1]
				    : outer;
	}
	return true;
}

/** The EtherType of the frame that leaves. */
FL_INLINE uint16_t
fl_emit_type(const struct fl_packet *packet, const struct fl_decision *decision)
{
	uint32_t outer_bytes = fl_emit_outer_bytes(decision);
	bool is_ipv6 = outer_bytes > 0 ? outer_bytes >= FL_IPV6_BYTES : packet->is_ipv6;

	return is_ipv6 ? FL_ETHERTYPE_IPV6 : FL_ETHERTYPE_IPV4;
}

/**
 * Write the frame that leaves.
 *
 * @param writer at the first byte of the resized frame.
 * @return the decision's verdict; FL_DROP_BUG: the frame is shorter than the headers it was parsed
 *         from.
 */
FL_INLINE enum fl_verdict
fl_emit(struct fl_writer *writer, const struct fl_packet *packet,
	const struct fl_decision *decision)
{
	bool fine = fl_emit_l2(writer, decision, fl_emit_type(packet, decision));

	if (decision->verdict == FL_ANSWER_ECHO)
		fine = fine && fl_answer_echo(writer, packet);
	else if (decision->verdict == FL_ANSWER_TOO_BIG)
		fine = fine && fl_answer_too_big(writer, packet, decision->mtu);
	else if (fl_emit_outer_bytes(decision) > 0)
		fine = fine && fl_encap_write(writer, decision->backend, packet, decision->hash);
	return fine ? decision->verdict : FL_DROP_BUG;
}

#endif
