/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One random frame aimed at the VIPs of packet_world.h: what packet_mutator.c puts into sequences.
 */
#ifndef TESTS_FUZZ_PACKET_BUILDER_H
#define TESTS_FUZZ_PACKET_BUILDER_H

#include "packet_dictionary.h"
#include "packet_mutator.h"

struct frame {
	uint8_t in_port, reserved;
	uint32_t count;
	uint8_t bytes[PACKET_FRAME_BYTES_MAX];
};

enum frame_shape {
	FRAME_FLOW, /* TCP, UDP */
	FRAME_ECHO,
	FRAME_ERROR, /* ICMP error with a quote */
	FRAME_ICMP,  /* of any type */
	FRAME_FIRST, /* fragments of TCP, UDP */
	FRAME_LATER,
	FRAME_FRAGMENT, /* of anything */
	FRAME_TUNNEL,	/* IPIP, GUE: own packets that come back, or another's */
	FRAME_PROTOCOL, /* another one */
	FRAME_NOT_IP,
	FRAME_SHAPES,
};

/** What a packet is about; the same for two frames: two packets of one flow or datagram. */
struct frame_spec {
	enum frame_shape shape;
	uint32_t vip; /* place in packet_world_vips */
	uint8_t source[16], destination[16];
	bool is_ipv6;
	uint8_t protocol;
	uint16_t source_port, destination_port;
	uint32_t fragment_id;
};

void frame_spec_random(struct random *random, struct frame_spec *ret_spec);

/** Sets count and bytes. */
void frame_build(struct random *random, const struct frame_spec *spec, struct frame *ret_frame);

/** Where the IP header begins: behind up to two tags. @return 0: none is there. */
uint32_t frame_ip_at(const struct frame *frame);

/** Make the checksums of IPv4 header, TCP, UDP, ICMP right where they can be found. */
void frame_fix_checksums(struct frame *frame);

#endif
