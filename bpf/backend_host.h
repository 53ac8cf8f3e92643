/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a host needs beside the programs: the VIPs on lo, and three settings of net.ipv4.conf.
 *
 * *_plan() adds to the state what will have to be changed (claims, see backend_state.h) and changes
 * nothing; *_apply() changes it; *_release() undoes one claim.
 */
#ifndef BACKEND_HOST_H
#define BACKEND_HOST_H

#include "backend_netlink.h"
#include "backend_state.h"

/**
 * Claim the settings that @p setup needs and that are not so yet. None for IPv6 alone: it has no
 * reverse path filter, and answers neighbour solicitations only on the interface of an address.
 *
 * @return 0 or -errno, reported.
 */
int backend_sysctl_plan(struct backend_state *state, const struct backend_setup *setup,
			struct backend_report *report);

/** Write every claimed value that is not there. @return 0 or -errno, reported. */
int backend_sysctl_apply(const struct backend_state *state, struct backend_report *report);

/**
 * Put the original value back. A value that somebody else has changed meanwhile stays, with a
 * warning. An interface that is gone took its settings along.
 *
 * @return 0 or -errno, reported.
 */
int backend_sysctl_release(const struct backend_sysctl *sysctl, struct backend_report *report);

/**
 * Claim the VIPs that are not on lo yet; warn about one that is on another interface, where the
 * host would answer ARP for it.
 *
 * @return 0; -ENETDOWN: lo is down; or -errno, reported.
 */
int backend_address_plan(struct backend_state *state, const struct backend_setup *setup,
			 struct mnl_socket *netlink, struct backend_report *report);

/** Add the claimed addresses that are not there. @return 0 or -errno, reported. */
int backend_address_apply(const struct backend_state *state, struct mnl_socket *netlink,
			  struct backend_report *report);

/** Remove an address from lo; fine when it is not there. @return 0 or -errno, reported. */
int backend_address_release(const struct addr *address, struct mnl_socket *netlink,
			    struct backend_report *report);

/** How many of the setup's VIPs are not on lo. @return 0 or more, or -errno. */
int backend_address_missing(const struct backend_setup *setup, struct mnl_socket *netlink);

#endif
