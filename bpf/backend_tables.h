/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The maps between the backend's programs in the kernel and the process that loads them, written
 * once for both sides. Freestanding, so that clang -target bpf takes it as it is.
 *
 * Addresses are 16 bytes in network order, IPv4 as IPv4-mapped IPv6: one key for both families.
 */
#ifndef BACKEND_TABLES_H
#define BACKEND_TABLES_H

#include <stdint.h>

enum {
	BACKEND_VIPS_MAX = 256,	    /**< VIPs of one `up` */
	BACKEND_PREFIXES_MAX = 256, /**< allowed balancers of one `up` */
};

/** What happened to a packet: the index of its counter. Printed by backend_status.c. */
enum backend_counter {
	BACKEND_DECAP_IPV4,	/**< delivered, the inner packet is IPv4 */
	BACKEND_DECAP_IPV6,	/**< delivered, the inner packet is IPv6 */
	BACKEND_DROP_SOURCE,	/**< the outer source is no allowed balancer, the inner one is this
				   host */
	BACKEND_DROP_NOT_VIP,	/**< the inner destination is no VIP of this `up` */
	BACKEND_DROP_MALFORMED, /**< inner, UDP or GUE header that cannot be, or is not taken */
	BACKEND_DROP_NESTED,	/**< the inner packet is IP-in-IP again */
	BACKEND_DROP_FRAGMENT,	/**< the outer packet is a fragment: the inner one is not whole */
	BACKEND_DROP_CHECKSUM,	/**< GUE: a UDP checksum that is not 0 and wrong, or of too much */
	BACKEND_DROP_REFUSED,	/**< the kernel could not take the header off */
	BACKEND_MSS_CLAMPED,	/**< a SYN or SYN-ACK of a VIP left with a lower MSS */
	BACKEND_COUNTERS
};

struct backend_address {
	uint8_t bytes[16];
};

/** Key of the allowed balancers (longest prefix match). */
struct backend_prefix {
	uint32_t bits; /**< 0-128; an IPv4 prefix has 96 more than in its text */
	struct backend_address address;
};

struct backend_count {
	uint64_t packets;
	/** Layer 3: the inner packet when it was delivered, else the whole packet as received. */
	uint64_t bytes;
};

/** Set before the programs are loaded, constant from then on. */
struct backend_config {
	uint32_t mss_ipv4_max; /**< most that a SYN or SYN-ACK of an IPv4 VIP may announce */
	uint32_t mss_ipv6_max;
};

_Static_assert(sizeof(struct backend_address) == 16, "key of the VIP map");
_Static_assert(sizeof(struct backend_prefix) == 20, "key of the balancer map");
_Static_assert(sizeof(struct backend_count) == 16, "value of the counter map");
_Static_assert(sizeof(struct backend_config) == 8, "constants of the programs");

#endif
