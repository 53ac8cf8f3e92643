/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The named maxima of the data plane.
 */
#ifndef FL_LIMITS_H
#define FL_LIMITS_H

#define FL_BURST_MAX	 32u /**< packets one worker has in hand */
#define FL_PORTS_MAX	 16u
#define FL_WORKERS_MAX	 64u
#define FL_VIP_PROBE_MAX 4u   /**< buckets one VIP lookup reads at most */
#define FL_PULL_MAX	 128u /**< bytes one fl_pull() may take */
#define FL_SLOTS_MAX                                                                \
	(1u << 20) /**< backends of all VIPs: what 20 bits of a flow entry can name \
		    */

/** Bytes an encapsulation puts before the inner packet at most: Ethernet and outer IPv6. */
#define FL_ENCAP_BYTES_MAX 54u

#endif
