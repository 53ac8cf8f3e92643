/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The named maxima of the data plane.
 */
#ifndef FL_LIMITS_H
#define FL_LIMITS_H

#define FL_BURST_MAX		32u /**< packets one worker has in hand */
#define FL_PORTS_MAX		16u
#define FL_WORKERS_MAX		64u
#define FL_VIP_PROBE_MAX	4u    /**< buckets one VIP look-up reads at most */
#define FL_VIP_LENGTHS_MAX	8u    /**< distinct prefix lengths of VIPs, a family */
#define FL_VIP_RANGES_MAX	32u   /**< port ranges of one address and protocol */
#define FL_VIP_PAGE_RANGES	8u    /**< of them in one record */
#define FL_TAGS_MAX		2u    /**< 802.1Q tags that are stepped over */
#define FL_EXTENSIONS_MAX	6u    /**< IPv6 extension headers that are stepped over */
#define FL_EXTENSIONS_BYTES_MAX 2048u /**< of all of them */
#define FL_QUOTE_BYTES		128u  /**< of a packet that an ICMP error of ours quotes */
#define FL_FRAGMENT_LIFE_MS	2000u /**< of what a first fragment leaves behind */

/** Backends of all VIPs: what 20 bits of a flow or fragment entry can name. */
#define FL_SLOTS_MAX (1u << 20)

#define FL_VIPS_MAX	 65536u	    /**< of a plane */
#define FL_VIP_RECORDS	 6u	    /**< struct fl_vip that a plane has for each; plane/tables.h */
#define FL_ROWS_MIN	 251u	    /**< the smallest table */
#define FL_ROWS_MAX	 (1u << 28) /**< of all VIPs */
#define FL_BUCKET_WORDS	 8u	    /**< of VIPs, fragments, flows: one cache line */
#define FL_FRAGMENTS_MIN FL_BUCKET_WORDS
#define FL_FRAGMENTS_MAX (1u << 20)
#define FL_FLOWS_MIN	 FL_BUCKET_WORDS
#define FL_FLOWS_MAX	 (1u << 28)

/** A window in ticks of 1/16 s at most: half of what `until` of a row can tell apart, and less. */
#define FL_WINDOW_TICKS_MAX (1u << 21)

/** Bytes before the IP header of a frame that comes in at most: Ethernet and tags. */
#define FL_L2_BYTES_MAX 22u

/** Bytes before the inner packet of a frame that leaves at most: that, outer IPv6 and UDP. */
#define FL_HEAD_BYTES_MAX 70u

/** The most of a frame that is read: L2, IPv6 and its extension headers, ICMPv6, what it quotes. */
#define FL_READ_BYTES_MAX (FL_L2_BYTES_MAX + 40u + FL_EXTENSIONS_BYTES_MAX + 8u + 64u)

#endif
