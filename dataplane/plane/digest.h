/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The state digest: 64 bits that are equal on every plane and node that would answer every packet
 * alike.
 *
 * It depends on what the tables mean: what names each VIP (prefix, ports, protocol, kind of
 * record), its policy (mode, fragments, icmp_echo, no_backend, window, hold), how many rows, the
 * address of each row's owner. Not on where they lie: no slots, no record numbers, no order, no
 * hash key; nor on what each plane has of its own: encapsulation sources, next hops. Part of the
 * plane protocol: planes of different versions compare it.
 */
#ifndef PLANE_DIGEST_H
#define PLANE_DIGEST_H

#include "addr.h"
#include "tables.h"

/** What stands for a backend in its rows' digest. */
uint64_t digest_address(const struct addr *address);

/** One VIP's table. */
struct digest_table {
	const struct fl_vip_key *key;
	uint16_t port_last; /**< host byte order */
	uint8_t policy;	    /**< state_policy_byte() */
	uint32_t window_s;  /**< of the policy, likewise */
	uint32_t hold_s;
	uint32_t row_count;
	const uint16_t *owners;	    /**< of each row: an index into identities, or FL_ROW_NONE */
	const uint64_t *identities; /**< digest_address() by owner index */
};
uint64_t digest_vip(const struct digest_table *table);

/** The digest of a set of VIPs from theirs, one at a time in any order. @param digest 0 at first.
 */
uint64_t digest_add(uint64_t digest, uint64_t vip_digest);

#endif
