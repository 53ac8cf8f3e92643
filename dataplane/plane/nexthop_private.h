/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What nexthop.c (hops, routes, ports) and nexthop_neighbour.c (neighbours and their timers) share.
 */
#ifndef PLANE_NEXTHOP_PRIVATE_H
#define PLANE_NEXTHOP_PRIVATE_H

#include <sys/queue.h>
#include <linux/neighbour.h>

#include "nexthop.h"
#include "rtnl.h"

/* an insert that finds no memory is undone and the element's hh.tbl stays NULL: no exit() */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum {
	TICK_MS = 250,
	WHEEL_TICKS = 64, /* a turn of the wheel: longer than any delay here */
	PORT_NONE = 0xff,
	/* states in which the kernel itself would send to the MAC */
	NUD_USABLE = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP,
	NUD_NEVER_PROBED = NUD_PERMANENT | NUD_NOARP,
};

_Static_assert(NEXTHOP_CONFIRM_MS < TICK_MS * (WHEEL_TICKS - 1), "delays fit the wheel");
_Static_assert(NEXTHOP_RETRY_MS_MAX < TICK_MS * (WHEEL_TICKS - 1), "delays fit the wheel");

struct neighbour_key {
	struct addr address;
	uint32_t ifindex;
};

struct neighbour {
	struct neighbour_key key;
	UT_hash_handle hh;
	LIST_HEAD(, nexthop) hops;
	TAILQ_ENTRY(neighbour) timer;
	uint32_t timer_at; /* where it stands: a tick of the wheel, or WHEEL_TICKS when it is due */
	bool usable;
	bool is_known; /* usable or not: not as long as the kernel has not been able to tell */
	uint8_t mac[6];
	uint32_t failures; /* in a row */
};

struct nexthop_key {
	struct addr address;
	uint32_t on_link; /* 0 or 1; no padding in a key */
};

struct nexthop {
	struct nexthop_key key;
	UT_hash_handle hh;
	uint32_t references;
	struct nexthop_user *users;
	bool is_queued;
	TAILQ_ENTRY(nexthop) queue;
	struct neighbour *neighbour; /* NULL: by a gateway, or by nobody */
	LIST_ENTRY(nexthop) of_neighbour;
	uint8_t port;  /* PORT_NONE: no route to a port */
	uint64_t link; /* without LIVE; 0: unreachable */
	bool is_known; /* link is what was found; not adopted, or not looked for yet */
};

struct port {
	bool is_up;
	bool is_gone;			     /* the interface; another one may get its name */
	char interface[RTNL_NAME_BYTES_MAX]; /* its name, as it was last; "": not known */
	uint8_t mac[6];
	uint16_t mtu;
};

TAILQ_HEAD(neighbour_list, neighbour);

struct nexthops {
	struct nexthop_options options;
	struct port ports[FL_PORTS_MAX];
	bool has_kernel; /* some port has an interface: rtnl is open */
	struct rtnl rtnl;
	struct nexthop *hops;
	struct neighbour *neighbours;
	TAILQ_HEAD(, nexthop) queue;
	struct neighbour_list wheel[WHEEL_TICKS + 1]; /* the last: due */
	int64_t now_ms;
	int64_t tick; /* the wheel is done up to here */
	bool routes_changed;
	int64_t rescan_at_ms;
	bool must_resync;
};

/** Work out the hop's link word, and write it where it is another. What was adopted stays until
 * there is an answer. */
void nexthop_update(struct nexthops *nexthops, struct nexthop *hop);

/** NULL: it is not known yet. */
struct neighbour *
neighbour_find(const struct nexthops *nexthops, uint32_t ifindex, const struct addr *address);

/** It is due at once. NULL: no memory. */
struct neighbour *
neighbour_create(struct nexthops *nexthops, uint32_t ifindex, const struct addr *address);
void neighbour_destroy(struct nexthops *nexthops, struct neighbour *neighbour);

/**
 * What the kernel knows now.
 * @param known NULL: nothing, which says as little of a neighbour that nobody has looked for as
 * that it is looked for.
 */
void neighbour_learn(struct nexthops *nexthops, struct neighbour *neighbour,
		     const struct rtnl_neighbour *known);

/** Read the entry, have the kernel confirm it or look for it, and come back later. */
void neighbour_confirm(struct nexthops *nexthops, struct neighbour *neighbour);

/** Its time has come: neighbour_confirm() it as soon as there is a turn. */
void neighbour_is_due(struct nexthops *nexthops, struct neighbour *neighbour);

/** What is due by nexthops->now_ms. */
void neighbour_wheel_turn(struct nexthops *nexthops);

#endif
