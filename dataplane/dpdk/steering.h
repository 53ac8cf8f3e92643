/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the programs that steer and guard a port share: which packets are VIP traffic, by the core's
 * parser, and the shape of the map they look VIPs up in.
 *
 * A key with ip_proto 0 is an address record, as in the plane's own tables: packets without
 * readable ports are looked up by it.
 */
#ifndef DPDK_STEERING_H
#define DPDK_STEERING_H

#include "../core/parse.h"

/** Four for each VIP of the largest plane: VIP and address records, and the new ones of a change
 * beside the old. */
#define STEERING_KEYS_MAX (4u * 65536u)

/** Enough to parse any packet that may be VIP traffic: Ethernet, IPv4 with options, ports. */
#define STEERING_HEADER_BYTES (FL_ETHERNET_BYTES + 60u + sizeof(struct fl_wire_ports))

#define STEERING_XDP_NAME   "fl_steer"	    /**< XDP program */
#define STEERING_XDP_VIPS   "fl_steer_vips" /**< its map; value: VIPs that stand behind the key */
#define STEERING_GUARD_VIPS "vips"	    /**< pinned name of the tc program's map */

/** What a VIP is looked up by, and whether the packet is for it once found. */
struct steering_want {
	struct fl_packet packet;
	bool known; /**< false: not VIP traffic, whatever the VIPs are */
};

FL_INLINE void
steering_read(const uint8_t *frame, const uint8_t *end, uint32_t frame_bytes,
	      struct steering_want *ret_want)
{
	struct fl_cursor cursor = { .pos = frame, .end = end };

	/*
	 * What is malformed has no ports to go by; the stack drops it too. ICMP and the like for a
	 * VIP's address are the host's.
	 */
	ret_want->packet = (struct fl_packet){ 0 };
	ret_want->known = fl_parse(&cursor, frame_bytes, &ret_want->packet) == FL_FORWARD &&
			  !fl_verdict_is_pass((enum fl_verdict)ret_want->packet.on_vip);
}

#endif
