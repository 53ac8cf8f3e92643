/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the files of the packet model share among themselves: bytes, the packet as read, writing.
 */
#ifndef TESTS_MODEL_PACKET_MODEL_PARTS_H
#define TESTS_MODEL_PACKET_MODEL_PARTS_H

#include <stddef.h>

#include "packet_model.h"

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_TAG = 0x8100,
	TYPE_SERVICE_TAG = 0x88a8,
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_IPV4 = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,
	GUE_PORT = 6080,
	EXTENSIONS_MAX = 6,
	EXTENSIONS_BYTES_MAX = 2048, /* of all of them */
	QUOTE_BYTES = 128,
};

/** Bytes and how many; reading beyond them is a fault of the model and ends the program. */
struct bytes {
	const uint8_t *start;
	uint32_t count;
};

uint32_t model_read8(struct bytes bytes, uint32_t at);
uint32_t model_read16(struct bytes bytes, uint32_t at);
uint32_t model_read32(struct bytes bytes, uint32_t at);

/** A part; all of it must be there. */
struct bytes model_part(struct bytes bytes, uint32_t at, uint32_t count);

/** Append to what leaves; more than MODEL_OUT_BYTES_MAX is a fault of the model. */
void model_put(struct model_result *result, struct bytes bytes);
void model_put8(struct model_result *result, uint32_t value);
void model_put16(struct model_result *result, uint32_t value);
void model_put32(struct model_result *result, uint32_t value);

/** Overwrite two bytes that were put. */
void model_patch16(struct model_result *result, uint32_t at, uint32_t value);

/** The 16-bit one's complement sum (RFC 1071), not inverted, of @p bytes (an odd one is followed by
 * 0) and of what was summed before. */
uint32_t model_sum16(struct bytes bytes, uint32_t before);

/** RFC 1624, equation 3: the checksum after a word changed from @p was to @p is. */
uint32_t model_checksum_adjusted(uint32_t checksum, uint32_t was, uint32_t is);

bool model_address_is_ipv4(const uint8_t address[16]);
bool model_address_equal(const uint8_t a[16], const uint8_t b[16]);
bool model_address_in_prefix(const uint8_t address[16], const uint8_t prefix[16], uint32_t bits);

/** What step 3 makes of a packet. */
enum sort {
	SORT_FLOW,	    /* TCP, UDP, also a first fragment: has ports */
	SORT_ERROR,	    /* ICMP error that quotes a flow: has that flow */
	SORT_LATER,	    /* a later fragment of TCP or UDP */
	SORT_ECHO,	    /* an echo request */
	SORT_ICMP_FRAGMENT, /* whose fate is that of echo requests */
	SORT_OTHER,	    /* on a VIP: other_verdict */
};

struct flow {
	uint8_t source[16], destination[16];
	uint32_t source_port, destination_port;
	uint32_t protocol;
};

struct packet {
	struct bytes frame;
	uint32_t tag_count;
	uint32_t type;	 /* EtherType behind the tags */
	uint32_t ip_at;	 /* in the frame */
	struct bytes ip; /* as long as its header says; nothing of what the frame has behind it */
	bool is_ipv6;
	uint8_t source[16], destination[16];
	uint32_t traffic_class; /* DSCP and ECN */
	uint32_t ttl;
	uint32_t protocol;   /* behind the extension headers */
	uint32_t payload_at; /* in ip: behind options and extension headers */
	bool has_extras;     /* IPv4 options, IPv6 extension headers */
	bool is_fragment;
	uint32_t fragment_offset;
	uint32_t fragment_id;
	uint32_t fragment_protocol; /* what all fragments say: IPv6, behind the fragment header */
	enum sort sort;
	const char *other_verdict;
	struct flow flow; /* SORT_FLOW, SORT_ERROR, SORT_ECHO; of SORT_LATER with ports 0 */
};

/** Where a packet of a row that remembers goes. */
struct model_target {
	uint32_t vip, backend; /**< backend MODEL_NONE: nobody */
};

/** By the rules of such rows; changes row and entries as they say, and result's flags. */
struct model_target model_track(struct model_state *state, const struct packet *packet,
				struct model_row *row, struct model_result *result);

/** Steps 1 to 3. @return the verdict that steps 1 and 2 say, or NULL: go on with packet->sort. */
const char *model_read(struct bytes frame, struct packet *ret_packet);

/** What leaves, into result->out, out_bytes, out_port. */
struct sending {
	const struct model_state *state;
	const struct packet *packet;
	uint32_t in_port;
	struct model_result *result;
};

/** Bytes of the outer headers for that backend. */
uint32_t model_outer_bytes(enum model_mode mode, const struct model_backend *backend);

void model_send_forward(const struct sending *sending, enum model_mode mode,
			const struct model_backend *backend);
void model_send_echo_answer(const struct sending *sending);
void model_send_too_big(const struct sending *sending, uint32_t mtu);

#endif
