/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The few rtnetlink(7) messages that next hops need. Two sockets: requests are answered at once by
 * the kernel and waited for; events are read when they come. One thread.
 */
#ifndef PLANE_RTNL_H
#define PLANE_RTNL_H

#include "addr.h"

enum {
	RTNL_READS_PER_TURN = 64, /**< datagrams of events, each up to RTNL_READ_BYTES */
	RTNL_READ_BYTES = 32768,
	RTNL_ANSWER_SECONDS = 2,  /**< a request that takes longer fails */
	RTNL_NAME_BYTES_MAX = 16, /**< of an interface, with NUL */
};

struct mnl_socket;

struct rtnl {
	struct mnl_socket *requests;
	struct mnl_socket *events;
	uint32_t sequence;
};

struct rtnl_route {
	uint32_t ifindex;     /**< it leads out of this */
	struct addr next_hop; /**< the gateway, or the destination itself when it is on the link */
	bool has_gateway;     /**< next_hop is the gateway */
};

struct rtnl_neighbour {
	uint32_t ifindex;
	struct addr address;
	uint16_t state; /**< NUD_... of linux/neighbour.h; 0: gone */
	bool has_mac;	/**< 6 bytes, neither zero nor multicast */
	uint8_t mac[6];
};

struct rtnl_link {
	uint32_t ifindex;
	bool up; /**< administratively, and the carrier is there */
	bool gone;
	char name[RTNL_NAME_BYTES_MAX]; /**< "": the kernel did not say */
	bool has_mac;
	uint8_t mac[6];
	uint32_t mtu;
};

/** What rtnl_read_events() calls. */
struct rtnl_events {
	void *user;
	void (*neighbour)(void *user, const struct rtnl_neighbour *neighbour);
	/** An interface changed or came; @p link->up is false when it went. */
	void (*link)(void *user, const struct rtnl_link *link);
	/** Routes, rules or addresses changed: any route may be another now. */
	void (*routes)(void *user);
};

/** @return 0; or a negative errno of socket(2), bind(2), setsockopt(2). rtnl_close() it in any
 * case. */
int rtnl_open(struct rtnl *rtnl);
void rtnl_close(struct rtnl *rtnl);

/** Descriptor of the events. */
int rtnl_fd(const struct rtnl *rtnl);

/**
 * The route of a packet of ours. @param source NULL: what the kernel takes.
 * @return 0; -ENETUNREACH: none that leaves this host; or what the kernel answers (EINVAL: the
 * source is not this host's, EHOSTUNREACH, EACCES, ...).
 */
int rtnl_route_get(struct rtnl *rtnl, const struct addr *destination, const struct addr *source,
		   struct rtnl_route *ret_route);

/** @return 0; -ENOENT: the kernel has no such neighbour; or another negative errno. */
int rtnl_neighbour_get(struct rtnl *rtnl, uint32_t ifindex, const struct addr *address,
		       struct rtnl_neighbour *ret_neighbour);

/**
 * Behave as if the kernel had sent a packet to the neighbour: it is looked for by ARP or ND if it
 * is not known, and probed if it has not shown itself for long.
 * @return 0; or a negative errno (EPERM: without CAP_NET_ADMIN).
 */
int rtnl_neighbour_use(struct rtnl *rtnl, uint32_t ifindex, const struct addr *address);

/** @return 0; -ENODEV: there is no such interface; or another negative errno. */
int rtnl_link_get(struct rtnl *rtnl, uint32_t ifindex, struct rtnl_link *ret_link);

/**
 * Read what came, RTNL_READS_PER_TURN datagrams at most.
 * @return 0; -ENOBUFS: events were lost, everything must be looked up again; or another negative
 * errno.
 */
int rtnl_read_events(struct rtnl *rtnl, const struct rtnl_events *events);

#endif
