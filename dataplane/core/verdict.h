/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * How a packet ends. The verdict is the index of its counter: each packet has exactly one, and
 * received = the sum of all.
 *
 * Four kinds, told apart by the prefix: forwarded; answered; passed to the host; dropped. Events
 * are counted besides: they say what happened on the way.
 */
#ifndef FL_VERDICT_H
#define FL_VERDICT_H

#include "base.h"

/** X(constant, name in JSON, what it means). The order is the protocol between plane and programs.
 */
#define FL_VERDICTS(X)                                                                             \
	X(FL_FORWARD, "forward", "sent to a backend")                                              \
	X(FL_ANSWER_ECHO, "answer_echo", "ICMP echo request for a VIP: answered")                  \
	X(FL_ANSWER_TOO_BIG, "answer_too_big",                                                     \
	  "does not fit the way to the backend: the sender was told the size that does")           \
	X(FL_PASS_NOT_IP, "pass_not_ip", "neither IPv4 nor IPv6 (ARP, LLDP, ...): host")           \
	X(FL_PASS_VLAN, "pass_vlan", "more than two 802.1Q tags: host")                            \
	X(FL_PASS_NO_VIP, "pass_no_vip", "IP, but not for a VIP: host")                            \
	X(FL_PASS_PROTOCOL, "pass_protocol",                                                       \
	  "for a VIP's address, neither TCP, UDP nor ICMP: host")                                  \
	X(FL_PASS_ICMP, "pass_icmp",                                                               \
	  "ICMP for a VIP's address that is the host's: neighbour discovery, echo with icmp_echo " \
	  "host")                                                                                  \
	X(FL_PASS_NO_BACKEND, "pass_no_backend",                                                   \
	  "the VIP has no backend for the flow, and no_backend host")                              \
	X(FL_DROP_TRUNCATED, "drop_truncated", "the packet ends inside a header")                  \
	X(FL_DROP_BAD_HEADER, "drop_bad_header",                                                   \
	  "wrong IP version, header length or address family")                                     \
	X(FL_DROP_BAD_LENGTH, "drop_bad_length",                                                   \
	  "IP length shorter than its header or beyond the frame")                                 \
	X(FL_DROP_IPV6_EXTENSION, "drop_ipv6_extension",                                           \
	  "extension headers that are too many, out of order or not known, for a VIP's address")   \
	X(FL_DROP_ROUTING_HEADER, "drop_routing_header",                                           \
	  "IPv6 routing header of type 0 or with segments left, for a VIP's address")              \
	X(FL_DROP_LINK_GROUP, "drop_link_group",                                                   \
	  "destination MAC is a group address (broadcast, multicast), to a VIP")                   \
	X(FL_DROP_SOURCE_VIP, "drop_source_vip", "the source address is the destination, a VIP's") \
	X(FL_DROP_SOURCE_MULTICAST, "drop_source_multicast", "multicast source address, to a VIP") \
	X(FL_DROP_SOURCE_BROADCAST, "drop_source_broadcast", "broadcast source address, to a VIP") \
	X(FL_DROP_SOURCE_LOOPBACK, "drop_source_loopback", "loopback source address, to a VIP")    \
	X(FL_DROP_SOURCE_UNSPECIFIED, "drop_source_unspecified",                                   \
	  "unspecified source address, to a VIP")                                                  \
	X(FL_DROP_LOOP, "drop_loop", "an own packet that came back")                               \
	X(FL_DROP_FRAGMENT, "drop_fragment",                                                       \
	  "a fragment for a VIP with fragments drop, or of ICMP")                                  \
	X(FL_DROP_FRAGMENT_ORDER, "drop_fragment_order",                                           \
	  "a later fragment whose first was not seen in the last 2 s")                             \
	X(FL_DROP_ICMP, "drop_icmp", "ICMP for a VIP's address of a kind that nobody there takes") \
	X(FL_DROP_ICMP_QUOTE, "drop_icmp_quote",                                                   \
	  "ICMP error whose quoted packet is not one that the VIP sent, or too short to tell")     \
	X(FL_DROP_NO_BACKEND, "drop_no_backend", "the VIP has no backend for the flow")            \
	X(FL_DROP_ROW_RACE, "drop_row_race",                                                       \
	  "its row or its flow's entry changed twice meanwhile: the client repeats it")            \
	X(FL_DROP_UNREACHABLE, "drop_unreachable", "the backend's next hop is not known")          \
	X(FL_DROP_TTL, "drop_ttl", "the TTL or hop limit would reach 0")                           \
	X(FL_DROP_TOO_BIG, "drop_too_big",                                                         \
	  "does not fit the way to the backend, and the sender is not told")                       \
	X(FL_DROP_NO_ROOM, "drop_no_room", "no room before the packet for the outer header")       \
	X(FL_DROP_SEND_FULL, "drop_send_full", "the port's send queue did not take it")            \
	X(FL_DROP_HOST_FULL, "drop_host_full", "for the host, which did not take it in time")      \
	X(FL_DROP_NO_HOST, "drop_no_host", "for the host, but the port has no way to it")          \
	X(FL_DROP_BUG, "drop_bug", "a broken invariant; must stay 0")

enum fl_verdict {
#define FL_VERDICT_CONSTANT(constant, name, meaning) constant,
	FL_VERDICTS(FL_VERDICT_CONSTANT)
#undef FL_VERDICT_CONSTANT
		FL_VERDICT_COUNT
};

/**
 * Not a verdict: a step that was asked for plain packets alone found another. It has decided
 * nothing; the same step asked for all packets will. Where code is far apart for the processor
 * (calls from one BPF function to another cost more than what they do), an engine asks for plain
 * packets first.
 */
#define FL_NOT_PLAIN FL_VERDICT_COUNT

/** X(constant, name in JSON, what it means). */
#define FL_EVENTS(X)                                                                             \
	X(FL_EVENT_FRAGMENT_EVICTED, "fragment_evicted",                                         \
	  "a first fragment took the place of one not 2 s old: the fragment table is too small") \
	X(FL_EVENT_ANSWER_LIMITED, "answer_limited",                                             \
	  "a sender was not told the size that fits: the rate limit was reached")

enum fl_event {
#define FL_EVENT_CONSTANT(constant, name, meaning) constant,
	FL_EVENTS(FL_EVENT_CONSTANT)
#undef FL_EVENT_CONSTANT
		FL_EVENT_COUNT
};

/** The packet belongs to the host. */
FL_INLINE bool
fl_verdict_is_pass(enum fl_verdict verdict)
{
	return verdict >= FL_PASS_NOT_IP && verdict <= FL_PASS_NO_BACKEND;
}

/** A frame leaves because of it. */
FL_INLINE bool
fl_verdict_is_send(enum fl_verdict verdict)
{
	return verdict <= FL_ANSWER_TOO_BIG;
}

#endif
