/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The forwarding tables: flat arrays of fixed-size records, the same in both planes.
 *
 * A packet core only reads them, but for fragments, flows, the time of rows that move, and its own
 * counters. What it may see change is one 64-bit word each time: a record of `vips` is published by
 * its bucket word and never changes while published; a backend's record never changes while its VIP
 * is published, except `link` and the 32-bit `vip`; a port's word; a row; the prefix lengths of a
 * family. Records are written again only after every packet core has passed (a grace period).
 */
#ifndef FL_TABLES_H
#define FL_TABLES_H

#include "base.h"
#include "limits.h"
#include "siphash.h"
#include "verdict.h"
#include "wire.h"

/** What a record of `vips` is. */
enum fl_vip_kind {
	FL_VIP_ENDPOINT = 0, /**< a VIP of one port; or, ip_proto 0, an address record */
	FL_VIP_RANGE = 1,    /**< a VIP of several ports; key.port is the first */
	FL_VIP_PAGE = 2,     /**< some of the ranges of an address and protocol; key.port counts
				pages, from 0, host byte order */
	FL_VIP_ANY = 3,	     /**< a VIP of all ports; key.port is 0 */
};

/** What names a record. All bytes count (it is also a key of BPF hash maps): `unused` is zero. */
struct fl_vip_key {
	struct fl_addr address; /**< host bits are 0 */
	union {
		struct {
			fl_be16 port;	  /**< 0 in an address record */
			uint8_t ip_proto; /**< TCP or UDP; 0 in an address record: "some VIP has
					     this address" */
			uint8_t bits; /**< prefix length of the 128; IPv4 prefixes have 96 + n */
			uint8_t kind; /**< enum fl_vip_kind */
			uint8_t unused[3];
		};
		uint64_t rest; /**< all of them: what the packet path writes and reads */
	};
};

/**
 * How long a VIP remembers (docs/architecture.md, "When a row changes its owner"): made by
 * fl_window() of window.h from the seconds that are configured. A unit is 2^unit_shift ticks, what
 * entries count their age in.
 */
struct fl_window {
	uint32_t row_ticks;   /**< Wp: a row moves, and settles, for so long. 0: it never does */
	uint16_t hold_ticks;  /**< G: new flows go to the previous owner first for so long */
	uint8_t unit_shift;   /**< k */
	uint8_t live_units;   /**< L: an entry lives while its age is at most this */
	uint8_t closed_units; /**< Q: a tuple that was closed for so long may be a new flow */
	uint8_t evict_units;  /**< half-open and closing entries may go from this age on */
	uint16_t unused;
};

enum fl_vip_flag {
	FL_VIP_FRAGMENTS_DROP = 1,
	FL_VIP_TO_HOST = 2, /**< a packet that is no backend's is the host's */
};

enum fl_vip_echo { FL_ECHO_ANSWER = 0, FL_ECHO_FORWARD = 1, FL_ECHO_HOST = 2 };

/** FL_VIP_ENDPOINT with a protocol, FL_VIP_RANGE, FL_VIP_ANY: a VIP. */
struct fl_vip_service {
	uint32_t row_base;   /**< first row */
	uint32_t row_count;  /**< a prime of maglev.h */
	uint32_t slot_base;  /**< first slot */
	uint32_t slot_count; /**< slots the VIP has, used or not */
	fl_be16 port_last;   /**< of the range; key.port in one of one port */
	uint8_t flags;	     /**< enum fl_vip_flag */
	uint8_t policy;	     /**< not read by packet cores: what flags and records came from */
	struct fl_window window;
	uint32_t window_s; /**< not read by packet cores: what the window came from */
	uint32_t hold_s;
};

/** FL_VIP_ENDPOINT with ip_proto 0: packets without ports are looked up by it, and ranges start
 * here. */
struct fl_vip_address {
	uint8_t echo;	   /**< enum fl_vip_echo */
	uint8_t echo_kind; /**< with the next two: the key of the VIP that FL_ECHO_FORWARD is to */
	uint8_t echo_proto;
	uint8_t unused;
	fl_be16 echo_port;
	uint8_t pages[2]; /**< FL_VIP_PAGE records of TCP, of UDP */
	uint32_t unused_end[8];
};

struct fl_vip_page {
	uint32_t count;
	uint32_t unused;
	struct {
		uint16_t first, last; /**< host byte order */
	} range[FL_VIP_PAGE_RANGES];  /**< in no order over pages: they do not overlap */
};

/** A record of `vips`; key says which. */
struct fl_vip {
	struct fl_vip_key key;
	union {
		struct fl_vip_service service;
		struct fl_vip_address address;
		struct fl_vip_page page;
	};
};

/** Open addressing: word = tag:32, record index + 1:32; 0 is free. See vip.h. */
struct fl_vip_bucket {
	uint64_t word[FL_BUCKET_WORDS];
};

/** bits of struct fl_backend link */
enum fl_link_flag {
	FL_LINK_LIVE = 1,      /**< the slot is in use and its backend may get packets */
	FL_LINK_REACHABLE = 2, /**< MAC and port are known */
};

/** How packets go to a backend; see encap.h. */
enum fl_mode { FL_MODE_IPIP = 0, FL_MODE_GUE = 1, FL_MODE_L2DSR = 2 };

/** A backend of one VIP, at slot = the VIP's slot_base + index. */
struct fl_backend {
	uint64_t link; /**< next-hop MAC:48 (byte 0 lowest), port:8, flags:8; see fl_link_*() */
	uint32_t vip;  /**< index of its VIP's record */
	uint16_t header_sum;  /**< IPv4: ones' complement sum of `header` with tos, length, checksum
				 and entropy bits 0 */
	uint8_t header_bytes; /**< that go before the packet: 0, IPv4 or IPv6, and UDP */
	uint8_t mode;	      /**< enum fl_mode */
	/** Outer IP header; length, tos/class, label, checksum and entropy bits are 0.
	 * FL_MODE_L2DSR does not send it, but its destination is the backend's address as
	 * elsewhere. */
	uint8_t header[FL_IPV6_BYTES];
	uint8_t entropy_bits; /**< lowest bits of the outer source that come from the flow hash */
	uint8_t unused;
	uint16_t weight; /**< not read by packet cores */
	uint32_t unused_end;
};

/** A row: cur:16, prev:16, until:24, state:8. See row.h. */
struct fl_row {
	uint64_t word;
};

/**
 * The owners of four rows once more: of a stable row its cur, of any other FL_OWNER_LOOK. A quarter
 * of the memory of the rows, so that those of a VIP stay in a core's cache.
 */
struct fl_owners {
	uint16_t cur[4];
};

#define FL_OWNER_LOOK 0xfffeu /**< the row itself says whose packets are */

/** Eight entries of the flow table: fp:34, slot:20, state:2, stamp:8 from the lowest bit; 0 is
 * free. See flow.h. */
struct fl_flows {
	uint64_t word[FL_BUCKET_WORDS];
};

/** The clock of rows and flows. Only the plane's timer advances it, so time in which nobody looks
 * after the rows does not count. */
struct fl_clock {
	uint64_t tick; /**< of 1/16 s */
	uint64_t unused[7];
};

/** What one packet core did to flows of one VIP that it could not have wished. */
struct fl_flow_counter {
	uint64_t failed;   /**< flows that found no place in the flow table */
	uint64_t evicted;  /**< entries that had to give theirs */
	uint64_t extended; /**< windows that begin again because of the former */
	uint64_t raced;	   /**< packets whose row or entry changed under them, twice */
};

/** A port of the plane. */
struct fl_port {
	uint64_t word;	/**< MAC:48 (byte 0 lowest), MTU:16 (layer 3 bytes). 0: not there */
	fl_be32 tag[2]; /**< {type, tci} of the tags that leave; FL_TAG_KEEP, FL_TAG_NONE. Fixed at
			   start */
};

#define FL_TAG_KEEP 0u		/**< tag[0]: the tags that the packet came with */
#define FL_TAG_NONE 0xffffffffu /**< tag[0], tag[1]: no tag */

/** Where later fragments go: words of fragment.h. */
struct fl_fragments {
	uint64_t word[FL_BUCKET_WORDS];
};

struct fl_counter {
	uint64_t packets;
	uint64_t bytes; /**< layer 3, before encapsulation */
};

/** What one packet core alone writes. */
struct fl_core {
	uint64_t verdicts[FL_VERDICT_COUNT];
	uint64_t events[FL_EVENT_COUNT];
	uint64_t answer_at; /**< see fl_may_answer() */
	uint64_t unused[64 - FL_VERDICT_COUNT - FL_EVENT_COUNT - 1];
};

/** Outer sources that are ours: address & mask. Not used: address all ones, mask 0. */
struct fl_own {
	struct fl_addr address;
	struct fl_addr mask;
};

enum { FL_OWN_COUNT = 4 }; /**< fixed and entropy, IPv4 and IPv6 */

/** What holds for every packet. Fixed at start, but for `lengths`. */
struct fl_config {
	struct fl_key key;
	/** Prefix lengths in use, of the 128: a byte each, longest first from the lowest byte, 0
	 * ends. [0] IPv4, [1] IPv6. */
	uint64_t lengths[2];
	uint32_t vip_bucket_mask;      /**< number of buckets (a power of two) - 1 */
	uint32_t fragment_bucket_mask; /**< likewise */
	uint64_t answer_interval_ns;   /**< between two ICMP errors of a core, on average */
	uint64_t answer_burst_ns;      /**< how far ahead of that it may be */
	uint32_t flow_bucket_mask;     /**< number of buckets (a power of two) - 1 */
	uint32_t unused;
	struct fl_own own[FL_OWN_COUNT];
};

_Static_assert(sizeof(struct fl_vip_key) == 24, "shared shape");
_Static_assert(sizeof(struct fl_vip) == 64, "shared shape");
_Static_assert(sizeof(struct fl_vip_bucket) == 64, "shared shape");
_Static_assert(sizeof(struct fl_backend) == 64, "shared shape");
_Static_assert(sizeof(struct fl_row) == 8, "shared shape");
_Static_assert(sizeof(struct fl_owners) == 8, "shared shape");
_Static_assert(sizeof(struct fl_window) == 12, "shared shape");
_Static_assert(sizeof(struct fl_flows) == 64, "shared shape");
_Static_assert(sizeof(struct fl_clock) == 64, "shared shape");
_Static_assert(sizeof(struct fl_flow_counter) == 32, "shared shape");
_Static_assert(sizeof(struct fl_port) == 16, "shared shape");
_Static_assert(sizeof(struct fl_fragments) == 64, "shared shape");
_Static_assert(sizeof(struct fl_counter) == 16, "shared shape");
_Static_assert(sizeof(struct fl_core) == 512, "shared shape");
_Static_assert(sizeof(struct fl_config) == 192, "shared shape");

/** fl_vip_key.rest of an endpoint, without its prefix length. */
FL_INLINE uint64_t
fl_vip_rest(fl_be16 port, uint8_t ip_proto)
{
	return (uint64_t)port | (uint64_t)ip_proto << 16;
}

#define FL_VIP_REST_BITS_SHIFT 24 /**< of the prefix length in fl_vip_key.rest */
#define FL_VIP_REST_KIND_SHIFT 32

/** The low 48 bits of a link or port word from a MAC in memory order. */
FL_INLINE uint64_t
fl_mac_word(const uint8_t mac[6])
{
	return (uint64_t)mac[0] | (uint64_t)mac[1] << 8 | (uint64_t)mac[2] << 16 |
	       (uint64_t)mac[3] << 24 | (uint64_t)mac[4] << 32 | (uint64_t)mac[5] << 40;
}

#define FL_MAC_MASK 0xffffffffffffull /**< the MAC in a link or port word */

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

/** Is the slot in use? @param backend NULL: there is no such slot. */
FL_INLINE bool
fl_backend_is_live(const struct fl_backend *backend)
{
	return backend != NULL && (fl_link_flags(FL_READ_ONCE(backend->link)) & FL_LINK_LIVE);
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

/** The 802.1Q tag with @p type and @p id (and priority 0) as fl_port.tag. */
FL_INLINE fl_be32
fl_tag(uint16_t type, uint16_t id)
{
	return fl_to_be32((uint32_t)type << 16 | id);
}

#endif
