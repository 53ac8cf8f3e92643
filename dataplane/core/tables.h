/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The forwarding tables: flat arrays of fixed-size records, the same in both planes.
 *
 * A packet core only reads them. What it may see change is one 64-bit word each time: a VIP is
 * published by its bucket word and its record never changes while published; a backend's record
 * never changes while its VIP is published, except `link`; a port is one word; a row is one word.
 * Records are written again only after every packet core has passed (a grace period).
 */
#ifndef FL_TABLES_H
#define FL_TABLES_H

#include "base.h"
#include "limits.h"
#include "verdict.h"
#include "wire.h"

/** What names a VIP. All bytes count (it is also a key of BPF hash maps): `unused` is zero. */
struct fl_vip_key {
	struct fl_addr address;
	fl_be16 port;	  /**< 0 in an address record */
	uint8_t ip_proto; /**< TCP or UDP; 0 in an address record: "some VIP has this address" */
	uint8_t unused[5];
};

/**
 * A VIP, or (ip_proto 0) the record that says that some VIP has the address: packets without
 * readable ports are looked up by it.
 */
struct fl_vip {
	struct fl_vip_key key;
	uint32_t row_base;   /**< first row */
	uint32_t row_count;  /**< a prime of maglev.h */
	uint32_t slot_base;  /**< first slot */
	uint32_t slot_count; /**< slots the VIP has, used or not */
	uint32_t unused[6];
};

/** Open addressing: word = tag:32, record index + 1:32; 0 is free. See vip.h. */
struct fl_vip_bucket {
	uint64_t word[8];
};

/** bits of struct fl_backend link */
enum fl_link_flag {
	FL_LINK_LIVE = 1,      /**< the slot is in use and its backend may get packets */
	FL_LINK_REACHABLE = 2, /**< MAC and port are known */
};

/** A backend of one VIP, at slot = the VIP's slot_base + index. */
struct fl_backend {
	uint64_t link; /**< next-hop MAC:48 (byte 0 lowest), port:8, flags:8; see fl_link_*() */
	uint32_t vip;  /**< index of its VIP's record */
	uint16_t header_sum;  /**< IPv4: ones' complement sum of `header` with tos, length, checksum
				 0 */
	uint8_t header_bytes; /**< FL_IPV4_BYTES or FL_IPV6_BYTES: the outer family */
	uint8_t unused;
	uint8_t header[FL_IPV6_BYTES]; /**< outer IP header; length, tos/class, label and checksum
					  are 0 */
	uint64_t unused_end;
};

/** A row: cur:16, prev:16, until:24, flags:8. See row.h. */
struct fl_row {
	uint64_t word;
};

/** A port of the plane: MAC:48 (byte 0 lowest), MTU:16 (layer 3 bytes). 0: not there. */
struct fl_port {
	uint64_t word;
};

struct fl_counter {
	uint64_t packets;
	uint64_t bytes; /**< layer 3, before encapsulation */
};

_Static_assert(sizeof(struct fl_vip_key) == 24, "shared shape");
_Static_assert(sizeof(struct fl_vip) == 64, "shared shape");
_Static_assert(sizeof(struct fl_vip_bucket) == 64, "shared shape");
_Static_assert(sizeof(struct fl_backend) == 64, "shared shape");
_Static_assert(sizeof(struct fl_row) == 8, "shared shape");
_Static_assert(sizeof(struct fl_port) == 8, "shared shape");
_Static_assert(sizeof(struct fl_counter) == 16, "shared shape");

/** The low 48 bits of a link or port word from a MAC in memory order. */
FL_INLINE uint64_t
fl_mac_word(const uint8_t mac[6])
{
	return (uint64_t)mac[0] | (uint64_t)mac[1] << 8 | (uint64_t)mac[2] << 16 |
	       (uint64_t)mac[3] << 24 | (uint64_t)mac[4] << 32 | (uint64_t)mac[5] << 40;
}

FL_INLINE uint64_t
fl_link_word(uint64_t mac_word, uint8_t port, uint8_t flags)
{
	return mac_word | (uint64_t)port << 48 | (uint64_t)flags << 56;
}

FL_INLINE uint8_t
fl_link_port(uint64_t link)
{
	return (uint8_t)(link >> 48);
}

FL_INLINE uint8_t
fl_link_flags(uint64_t link)
{
	return (uint8_t)(link >> 56);
}

FL_INLINE uint64_t
fl_port_word(uint64_t mac_word, uint16_t mtu)
{
	return mac_word | (uint64_t)mtu << 48;
}

FL_INLINE uint16_t
fl_port_mtu(uint64_t port)
{
	return (uint16_t)(port >> 48);
}

#endif
