/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP program of an AF_XDP port: what is the host's goes to the kernel, everything else to the
 * packet cores, who count it.
 *
 * What no socket takes (the plane stops, or is dead) is dropped, never passed: the host's stack
 * would answer it with resets. DPDK loads the program and puts its sockets into xsks_map; the plane
 * finds the other maps among its own descriptors.
 */
#include "../../bpf/xdp_steps.h"
#include "steering_program.h"

enum { QUEUES_MAX = 64 };

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES_MAX);
	__type(key, uint32_t);
	__type(value, uint32_t);
} xsks_map SEC(".maps");

SEC("xdp")
int
fl_steer(struct xdp_md *ctx)
{
	struct fl_packet packet = { 0 };
	uint32_t verdict = parse_l3(ctx, &packet, (uint32_t)(ctx->data_end - ctx->data));

	if (verdict == FL_FORWARD)
		verdict = parse_l4(ctx, &packet);
	if (verdict == FL_FORWARD)
		verdict = admit_packet(&packet);
	if (fl_verdict_is_pass(verdict))
		return XDP_PASS;
	return (int)bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
