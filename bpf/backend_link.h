/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Interfaces and their tc hooks: the clsact qdisc and the two filters of this program.
 *
 * The filters have a fixed priority. The handle of the one at ingress is fixed too; that of the one
 * at egress is the index of the interface that was named with --interface, so that several setups
 * can share a reply interface. A later process finds and replaces them by these numbers.
 */
#ifndef BACKEND_LINK_H
#define BACKEND_LINK_H

#include "backend_netlink.h"
#include "backend_state.h"

enum {
	BACKEND_FILTER_PRIORITY =
		4100, /**< late, so that filters of others see packets as they came */
	BACKEND_DECAP_HANDLE = 1,
};

#define BACKEND_DECAP_NAME "fairlead_decap" /**< names of the programs, as tc shows them */
#define BACKEND_MSS_NAME   "fairlead_mss"

struct backend_link_info {
	struct backend_link link;
	uint32_t mtu;
	bool is_ethernet;
	bool is_up;
};

/** @return 0; -ENODEV: no such interface; -errno. */
int backend_link_read(const char *name, struct backend_link_info *ret_info);

/** The interface still exists. */
bool backend_link_exists(const struct backend_link *link);

/** The ingress qdisc of an interface. */
enum backend_qdisc { BACKEND_QDISC_NONE, BACKEND_QDISC_CLSACT, BACKEND_QDISC_OTHER };

/** @return 0 or -errno. */
int backend_qdisc_read(const struct backend_link *link, struct mnl_socket *netlink,
		       enum backend_qdisc *ret_qdisc);

/** Make the clsact qdisc; fine when it is there. @return 0 or -errno. */
int backend_qdisc_make(const struct backend_link *link);

/** Remove the clsact qdisc unless it holds filters. @return 0; -EBUSY: it holds some; -errno. */
int backend_qdisc_release(const struct backend_link *link, struct mnl_socket *netlink);

/** Who has the place of a hook's filter. */
enum backend_occupant { BACKEND_PLACE_FREE, BACKEND_PLACE_OURS, BACKEND_PLACE_FOREIGN };

/** @return 0 or -errno. */
int backend_hook_read(const struct backend_hook *hook, struct mnl_socket *netlink,
		      enum backend_occupant *ret_occupant);

/**
 * Attach the program @p program, in place of the one that is there.
 * @return 0; -EIO: the kernel did not keep the program's name; -errno. Nothing is attached then.
 */
int backend_hook_attach(const struct backend_hook *hook, int program, struct mnl_socket *netlink);

/** Detach; fine when nothing is attached or the interface is gone. @return 0 or -errno. */
int backend_hook_detach(const struct backend_hook *hook, struct mnl_socket *netlink);

#endif
