/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard of an AF_XDP port: a tc ingress program that drops VIP traffic which reaches the host's
 * stack, because the port's XDP program is away or does not know the VIP (a start, an exchange). It
 * stays when the plane stops; its maps are pinned.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "../core/base.h"

/** Merged packets (GRO) may have what is behind the IP header outside the linear part. */
FL_INLINE bool
load_bytes(void *skb, uint32_t offset, void *to, uint32_t size)
{
	return bpf_skb_load_bytes(skb, offset, to, size) == 0;
}

#define STEPS_CONTEXT struct __sk_buff
#define STEPS_LOAD    load_bytes

#include "../../bpf/xdp_steps.h"
#include "steering_program.h"

/** Up to what is behind the IP header. */
#define LINEAR_BYTES (FL_L2_BYTES_MAX + 60u)

/** Make what is read in place readable. On failure what is there is parsed. */
FL_INLINE void
pull(struct __sk_buff *skb)
{
	const uint8_t *frame = (const uint8_t *)(long)skb->data;
	const uint8_t *end = (const uint8_t *)(long)skb->data_end;

	if (frame + LINEAR_BYTES > end)
		(void)bpf_skb_pull_data(skb, skb->len < LINEAR_BYTES ? skb->len : LINEAR_BYTES);
}

SEC("tc")
int
fl_guard(struct __sk_buff *skb)
{
	struct fl_packet packet = { 0 };
	uint32_t verdict;

	pull(skb);
	/* what no host could make sense of: its stack drops it too */
	if (parse_l3(skb, &packet, skb->len) != FL_FORWARD)
		return TC_ACT_UNSPEC;
	verdict = parse_l4(skb, &packet);
	/* one tag is not in the frame any more */
	if (skb->vlan_present && packet.tag[1] != 0)
		verdict = FL_PASS_VLAN;
	if (verdict == FL_FORWARD)
		verdict = admit_packet(&packet);
	return fl_verdict_is_pass(verdict) ? TC_ACT_UNSPEC /* on to the filters of others */
					   : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
