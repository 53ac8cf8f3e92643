/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP program of an AF_XDP port: packets for a VIP go to the packet cores, all others to the
 * kernel.
 *
 * VIP traffic that no socket takes (the plane stops, or is dead) is dropped, never passed: the
 * host's stack would answer it with resets. DPDK loads the program and puts its sockets into
 * xsks_map; the plane finds the VIP map among its own descriptors.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "steering.h"

enum { QUEUES_MAX = 64 };

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES_MAX);
	__type(key, uint32_t);
	__type(value, uint32_t);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, STEERING_KEYS_MAX);
	__type(key, struct fl_vip_key);
	__type(value, uint32_t);
} fl_steer_vips SEC(".maps");

SEC("xdp")
int
fl_steer(struct xdp_md *ctx)
{
	const uint8_t *frame = (const uint8_t *)(long)ctx->data;
	const uint8_t *end = (const uint8_t *)(long)ctx->data_end;
	struct steering_want want;

	steering_read(frame, end, (uint32_t)(end - frame), &want);
	if (!want.known || bpf_map_lookup_elem(&fl_steer_vips, &want.packet.to) == NULL)
		return XDP_PASS;
	return (int)bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
