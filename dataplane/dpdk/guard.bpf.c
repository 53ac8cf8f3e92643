/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard of an AF_XDP port: a tc ingress program that drops VIP traffic which reaches the host's
 * stack, because the port's XDP program is away or does not know the VIP (a start, an exchange). It
 * stays when the plane stops; its maps are pinned.
 */
#define STEPS_CONTEXT struct __sk_buff

#include <linux/pkt_cls.h>

#include "steering_program.h"

/** Where nearly all headers lie. */
#define FIRST_BYTES 256u

/**
 * Make the first @p bytes readable: merged packets (GRO) may have their headers outside the linear
 * part. On failure what is there is parsed.
 */
FL_INLINE void
pull(struct __sk_buff *skb, uint32_t bytes)
{
	const uint8_t *frame = (const uint8_t *)(long)skb->data;
	const uint8_t *end = (const uint8_t *)(long)skb->data_end;

	if (frame + bytes > end)
		(void)bpf_skb_pull_data(skb, skb->len < bytes ? skb->len : bytes);
}

/** @return the verdict; what no host could make sense of is the host's: its stack drops it too. */
FL_INLINE uint32_t
read_packet(struct __sk_buff *skb, struct fl_packet *packet)
{
	*packet = (struct fl_packet){ 0 };
	if (parse_l3(skb, packet, skb->len) != FL_FORWARD)
		return FL_PASS_NOT_IP;
	return parse_l4(skb, packet);
}

SEC("tc")
int
fl_guard(struct __sk_buff *skb)
{
	struct fl_packet packet;
	uint32_t verdict;

	pull(skb, FIRST_BYTES);
	verdict = read_packet(skb, &packet);
	if (packet.shape != FL_SHAPE_FLOW && skb->len > FIRST_BYTES) {
		pull(skb, FL_READ_BYTES_MAX);
		verdict = read_packet(skb, &packet);
	}
	/* one tag is not in the frame any more */
	if (skb->vlan_present && packet.tag[1] != 0)
		verdict = FL_PASS_VLAN;
	if (verdict == FL_FORWARD)
		verdict = admit_packet(&packet);
	return fl_verdict_is_pass(verdict) ? TC_ACT_UNSPEC /* on to the filters of others */
					   : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
