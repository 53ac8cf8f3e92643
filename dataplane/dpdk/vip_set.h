/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The records of VIPs that the AF_XDP ports steer by and that the guard keeps from the host's
 * stack. A record is guarded before it is steered by, and as long as it is.
 *
 * After a restart the guard holds the VIPs of the former life; they stay guarded until the first
 * commit. The main thread calls everything here.
 */
#ifndef DPDK_VIP_SET_H
#define DPDK_VIP_SET_H

#include "../plane/tables.h"
#include "guard.h"
#include "steer.h"

struct vip_set {
	struct guard *guard;	  /**< NULL: no AF_XDP port, nothing to do */
	struct steer_port *ports; /**< borrowed */
	uint32_t port_count;
};

/** Begin to steer and guard, by no VIP yet. @param config own alone. */
void vip_set_start(struct vip_set *set, const struct fl_config *config);

/**
 * A record takes the place of one with its key. All or none.
 * @param lengths of all, as fl_config.lengths. @return 0 or a negative errno.
 */
int vip_set_add(struct vip_set *set, const struct fl_vip *records, uint32_t count,
		const uint64_t lengths[2]);
void vip_set_remove(struct vip_set *set, const struct fl_vip_key *keys, uint32_t count,
		    const uint64_t lengths[2]);

/** The VIP's packets are all the host's, or the packet cores' to decide. @param record of a VIP
 * that was added. @return 0 or a negative errno; to be called again then. */
int vip_set_is_hosts(struct vip_set *set, const struct fl_vip *record, bool is_hosts);

/** Add every record that the tables publish and that this process has not told of yet. @return 0 or
 * a negative errno; then none is added. */
int vip_set_add_published(struct vip_set *set, const struct plane_tables *tables,
			  const struct plane_tables_size *size);

/** Let the guard go of what is not steered by: VIPs of a former life. @return how many records. */
uint32_t vip_set_settle(struct vip_set *set);

#endif
