/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The maps of the programs that steer and guard a port, between them and the process. Each program
 * has its own two: the records of all VIPs by key, and what else the core's fl_admit() reads.
 */
#ifndef DPDK_STEERING_H
#define DPDK_STEERING_H

#include "../core/tables.h"

/** Records of the largest plane: plane_tables_size(). */
#define STEERING_RECORDS_MAX (FL_VIP_RECORDS * FL_VIPS_MAX)

#define STEERING_XDP_NAME "fl_steer"	/**< XDP program */
#define STEERING_RECORDS  "fl_records"	/**< hash map: struct fl_vip_key, struct fl_vip */
#define STEERING_SETTINGS "fl_settings" /**< array of one, BPF_F_MMAPABLE: struct below */

/** In fl_vip_service.flags of the maps' copies alone, beside enum fl_vip_flag: what the core would
 * forward is the host's, for no row has an owner. */
#define STEERING_IS_HOSTS 0x80

/** Written by whole 64-bit words while programs read it. */
struct steering_settings {
	uint64_t ready;	       /**< 0: not set up, every packet is the host's */
	struct fl_config core; /**< lengths and own alone; no key */
};

_Static_assert(sizeof(struct steering_settings) == 8 + 192, "shared shape");

#endif
