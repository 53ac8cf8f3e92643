/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * How a packet ends. The verdict is the index of its counter: each packet has exactly one, and
 * received = the sum of all.
 *
 * Three kinds, told apart by the prefix: forwarded; passed to the host; dropped.
 */
#ifndef FL_VERDICT_H
#define FL_VERDICT_H

#include "base.h"

/** X(constant, name in JSON, what it means). The order is the protocol between plane and programs.
 */
#define FL_VERDICTS(X)                                                                         \
	X(FL_FORWARD, "forward", "encapsulated and sent to a backend")                         \
	X(FL_PASS_NOT_IP, "pass_not_ip", "neither IPv4 nor IPv6 (ARP, LLDP, ...): host")       \
	X(FL_PASS_VLAN, "pass_vlan", "802.1Q tagged: host")                                    \
	X(FL_PASS_NO_VIP, "pass_no_vip", "IP, but not for a VIP: host")                        \
	X(FL_PASS_PROTOCOL, "pass_protocol", "for a VIP's address, neither TCP nor UDP: host") \
	X(FL_DROP_TRUNCATED, "drop_truncated", "the frame ends inside a header")               \
	X(FL_DROP_BAD_HEADER, "drop_bad_header", "wrong IP version or header length")          \
	X(FL_DROP_BAD_LENGTH, "drop_bad_length",                                               \
	  "IP length shorter than its headers or beyond the frame")                            \
	X(FL_DROP_FRAGMENT, "drop_fragment", "an IP fragment for a VIP's address")             \
	X(FL_DROP_IPV6_EXTENSION, "drop_ipv6_extension",                                       \
	  "IPv6 extension header before TCP or UDP, for a VIP's address")                      \
	X(FL_DROP_NO_BACKEND, "drop_no_backend", "the VIP has no backend for the flow")        \
	X(FL_DROP_UNREACHABLE, "drop_unreachable", "the backend's next hop is not known")      \
	X(FL_DROP_TOO_BIG, "drop_too_big", "does not fit the port's MTU once encapsulated")    \
	X(FL_DROP_NO_ROOM, "drop_no_room", "no room before the packet for the outer header")   \
	X(FL_DROP_SEND_FULL, "drop_send_full", "the port's send queue did not take it")        \
	X(FL_DROP_HOST_FULL, "drop_host_full", "for the host, which did not take it in time")  \
	X(FL_DROP_NO_HOST, "drop_no_host", "for the host, but the port has no way to it")      \
	X(FL_DROP_BUG, "drop_bug", "a broken invariant; must stay 0")

enum fl_verdict {
#define FL_VERDICT_CONSTANT(constant, name, meaning) constant,
	FL_VERDICTS(FL_VERDICT_CONSTANT)
#undef FL_VERDICT_CONSTANT
		FL_VERDICT_COUNT
};

/** The packet belongs to the host. */
FL_INLINE bool
fl_verdict_is_pass(enum fl_verdict verdict)
{
	return verdict >= FL_PASS_NOT_IP && verdict <= FL_PASS_PROTOCOL;
}

#endif
