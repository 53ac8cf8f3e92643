/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Next hops: for each backend address the MAC to send to and the port to send by, from the kernel's
 * routes and neighbours, or a configured gateway; kept current, and written into the link words of
 * all slots of the address. A backend that gets packets unchanged (FL_MODE_L2DSR) must itself be
 * the next hop: `on_link`.
 *
 * A backend is reachable only while its neighbour's MAC is known and not refuted: else its packets
 * get a verdict of their own. One thread. A turn does a bounded number of look-ups; the rest waits
 * for the next.
 */
#ifndef PLANE_NEXTHOP_H
#define PLANE_NEXTHOP_H

#include "plane.h"

enum {
	NEXTHOP_LOOKUPS_PER_TURN = 256,
	NEXTHOP_CONFIRM_MS =
		15000, /**< a neighbour that no kernel traffic confirms is probed this often */
	NEXTHOP_RETRY_MS_MIN = 1000, /**< back-off of a neighbour that does not answer */
	NEXTHOP_RETRY_MS_MAX = 15000,
	NEXTHOP_RESCAN_MS =
		200, /**< routes may change more often; they are looked up again this often */
	NEXTHOP_DOUBTS_MAX = 4, /**< looks in vain after which what was adopted does not hold */
};

struct nexthops;
struct nexthop; /* of one backend address, on the link or not */

/** A slot whose link word follows a next hop. Zero-initialise; stays where it is while attached. */
struct nexthop_user {
	struct nexthop *hop; /**< NULL: not attached */
	struct nexthop_user *previous, *next;
	uint32_t slot;
};

struct nexthop_options {
	struct plane_tables *tables; /**< backends' link words and ports are written */
	const struct plane_port *ports;
	uint32_t port_count;
	bool has_source_ipv4, has_source_ipv6;
	struct addr source_ipv4, source_ipv6; /**< routes are looked up for these sources */
	int (*port_returned)(void *user, uint32_t port, uint32_t ifindex); /**< plane_options' */
	void *port_user;
	void (*log)(int level, const char *message);
};

/** What is known of a next hop. */
struct nexthop_view {
	bool reachable;
	uint8_t port; /**< index of the port; the rest only when reachable */
	uint8_t mac[6];
};

/**
 * Writes the ports' words. Without a port that has a kernel interface no netlink socket is made.
 * @return 0; -EINVAL: too many ports, or a gateway MAC that no frame may go to; -ENOMEM; or a
 * negative errno of netlink (EPERM, EMFILE, ...).
 */
int nexthops_create(const struct nexthop_options *options, struct nexthops **ret_nexthops);

/** Every nexthop must have been given back. NULL is fine. */
void nexthops_destroy(struct nexthops *nexthops);

/** Readable when there is something for nexthops_turn(); -1: never. */
int nexthops_fd(const struct nexthops *nexthops);

/** Do what is due. @param now_ms of a monotonic clock. */
void nexthops_turn(struct nexthops *nexthops, int64_t now_ms);

/** When nexthops_turn() wants to be called next; INT64_MAX: not before its descriptor is readable.
 */
int64_t nexthops_due_ms(const struct nexthops *nexthops);

/** The next hop of an address, looked up from now on. @param on_link a gateway will not do.
 * Counted: nexthop_give() as often. @return 0; -ENOMEM. */
int nexthop_take(struct nexthops *nexthops, const struct addr *address, bool on_link,
		 struct nexthop **ret_hop);
void nexthop_give(struct nexthops *nexthops, struct nexthop *hop);

/** Write the link word of user->slot, LIVE, now and at every change. Cannot fail. */
void nexthop_attach(struct nexthops *nexthops, struct nexthop *hop, struct nexthop_user *user);

/**
 * Follow, but leave the link word of user->slot, which an earlier process wrote, as it is until
 * the kernel says that it is another. Before anything else of the hop is attached.
 */
void nexthop_adopt(struct nexthops *nexthops, struct nexthop *hop, struct nexthop_user *user);

/** @p after follows in the place of @p before, of the same slot and hop; the link word stays. */
void nexthop_replace(struct nexthop_user *before, struct nexthop_user *after);

/** Stop following; the link word stays as it is. Not attached is fine. */
void nexthop_detach(struct nexthop_user *user);

struct nexthop_view nexthop_view(const struct nexthop *hop);

#endif
