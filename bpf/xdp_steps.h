/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * fl_parse() in the kernel, for every program that reads frames there: in two global functions,
 * which the verifier looks at each by itself, so that the paths through them add up instead of
 * multiplying.
 *
 * A program whose context is not that of XDP defines STEPS_CONTEXT before it includes this.
 */
#ifndef BPF_XDP_STEPS_H
#define BPF_XDP_STEPS_H

#include <linux/bpf.h>

#include "../dataplane/core/parse.h"

#ifndef STEPS_CONTEXT
#define STEPS_CONTEXT struct xdp_md
#endif

/** fl_parse_l3(). @param frame_bytes of the whole frame, readable or not. */
__attribute__((noinline)) uint32_t
parse_l3(STEPS_CONTEXT *ctx, struct fl_packet *packet, uint32_t frame_bytes)
{
	struct fl_cursor cursor = { .pos = (const uint8_t *)(long)ctx->data,
				    .end = (const uint8_t *)(long)ctx->data_end };

	if (packet == NULL)
		return FL_DROP_BUG;
	return fl_parse_l3(&cursor, frame_bytes, packet, false);
}

/** fl_parse_l4(), after parse_l3(). */
__attribute__((noinline)) uint32_t
parse_l4(STEPS_CONTEXT *ctx, struct fl_packet *packet)
{
	struct fl_cursor cursor = { .end = (const uint8_t *)(long)ctx->data_end };
	uint32_t offset;

	if (packet == NULL)
		return FL_DROP_BUG;
	offset = packet->l2_bytes + packet->l4_offset;
	if (offset > FL_READ_BYTES_MAX)
		return FL_DROP_BUG;
	cursor.pos = (const uint8_t *)(long)ctx->data + offset;
	return fl_parse_l4(&cursor, packet, false);
}

#endif
