/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The VIPs that the AF_XDP ports steer to the packet cores and that the guard keeps from the host's
 * stack. A key is guarded before it is steered, and as long as it is.
 *
 * After a restart the guard holds the VIPs of the former life; they stay guarded until the first
 * commit. The main thread calls everything here.
 */
#ifndef DPDK_VIP_SET_H
#define DPDK_VIP_SET_H

#include "../core/limits.h"
#include "guard.h"
#include "steer.h"

struct vip_set {
	struct guard *guard;	  /**< NULL: no AF_XDP port, nothing to do */
	struct steer_port *ports; /**< borrowed */
	uint32_t port_count;
};

/** All or none; keys that are there already are fine. @return 0 or a negative errno. */
int vip_set_add(struct vip_set *set, const struct fl_vip_key *keys, uint32_t count);
void vip_set_remove(struct vip_set *set, const struct fl_vip_key *keys, uint32_t count);

/** Let the guard go of what is not steered: VIPs of a former life. @return how many. */
uint32_t vip_set_settle(struct vip_set *set);

#endif
