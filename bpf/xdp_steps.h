/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * fl_parse() in the kernel, for every program that reads frames there: in two global functions,
 * which the verifier looks at each by itself, so that the paths through them add up instead of
 * multiplying.
 *
 * A program whose context is not that of XDP defines STEPS_CONTEXT before it includes this, and one
 * that cannot read at varying offsets STEPS_LOAD, its struct fl_frame.load.
 */
#ifndef BPF_XDP_STEPS_H
#define BPF_XDP_STEPS_H

#include <linux/bpf.h>

#include "../dataplane/core/parse.h"

#ifndef STEPS_CONTEXT
#define STEPS_CONTEXT struct xdp_md
#endif

#ifndef STEPS_LOAD
#define STEPS_LOAD NULL
#endif

FL_INLINE struct fl_frame
frame_of(STEPS_CONTEXT *ctx)
{
	return (struct fl_frame){
		.start = { .pos = (const uint8_t *)(long)ctx->data,
			   .end = (const uint8_t *)(long)ctx->data_end },
		.load = STEPS_LOAD,
		.context = ctx,
	};
}

/** fl_parse_l3(). @param frame_bytes of the whole frame, readable or not. */
__attribute__((noinline)) uint32_t
parse_l3(STEPS_CONTEXT *ctx, struct fl_packet *packet, uint32_t frame_bytes)
{
	const struct fl_frame frame = frame_of(ctx);

	return packet == NULL ? FL_DROP_BUG : fl_parse_l3(&frame, frame_bytes, packet);
}

/** fl_parse_l4(), after parse_l3(). */
__attribute__((noinline)) uint32_t
parse_l4(STEPS_CONTEXT *ctx, struct fl_packet *packet)
{
	const struct fl_frame frame = frame_of(ctx);

	if (packet == NULL)
		return FL_DROP_BUG;
	fl_parse_l4(&frame, packet);
	return FL_FORWARD;
}

#endif
