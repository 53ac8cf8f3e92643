/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard of an AF_XDP port: a tc ingress program that drops VIP traffic which reaches the host's
 * stack, because the port's XDP program is away or does not know the VIP (a start, an exchange). It
 * stays when the plane stops; its map is pinned.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "steering.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, STEERING_KEYS_MAX);
	__type(key, struct fl_vip_key);
	__type(value, uint32_t);
} fl_guard_vips SEC(".maps");

SEC("tc")
int
fl_guard(struct __sk_buff *skb)
{
	struct steering_want want;
	const uint8_t *frame, *end;

	/* merged packets (GRO) may have their headers outside the linear part; on failure what is
	 * there is parsed */
	if (skb->data + STEERING_HEADER_BYTES > skb->data_end)
		(void)bpf_skb_pull_data(
			skb, skb->len < STEERING_HEADER_BYTES ? skb->len : STEERING_HEADER_BYTES);
	frame = (const uint8_t *)(long)skb->data;
	end = (const uint8_t *)(long)skb->data_end;
	steering_read(frame, end, skb->len, &want);
	if (want.known && bpf_map_lookup_elem(&fl_guard_vips, &want.packet.to) != NULL)
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC; /* on to the filters of others */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
