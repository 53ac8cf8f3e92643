/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three things hang together: a hop is a backend address and the users (slots) that follow it; a
 * neighbour is the machine that its packets are handed to, often the same for many hops; a port
 * is where the neighbour is found. A route look-up ties a hop to its neighbour. When a neighbour or
 * a port changes, the link words of all that hang on it are written.
 *
 *     route event  -> every hop is queued, and looked up again, some a turn
 *     neighbour event -> that neighbour's hops are written
 *     link event   -> port word, that port's hops; routes as well
 *     timer wheel  -> neighbours are confirmed, or looked for again, one after the other
 *
 * The kernel itself sends nothing to most of these neighbours (the packets leave by the packet
 * cores), so it would let their entries grow stale; "using" them through netlink makes it probe
 * them.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <syslog.h>
#include <linux/neighbour.h>

#include "gateway.h"
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
	uint8_t mac[6];
	uint32_t failures; /* in a row */
};

struct nexthop {
	struct addr address;
	UT_hash_handle hh;
	uint32_t references;
	struct nexthop_user *users;
	bool is_queued;
	TAILQ_ENTRY(nexthop) queue;
	struct neighbour *neighbour; /* NULL: by a gateway, or by nobody */
	LIST_ENTRY(nexthop) of_neighbour;
	uint8_t port;  /* PORT_NONE: no route to a port */
	uint64_t link; /* without LIVE; 0: unreachable */
};

struct port {
	bool is_up;
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

/* --- link words --- */

static void
write_link(struct nexthops *nexthops, const struct nexthop_user *user)
{
	uint64_t link = user->hop->link | fl_link_word(0, 0, FL_LINK_LIVE);

	__atomic_store_n(&nexthops->options.tables->backends[user->slot].link, link,
			 __ATOMIC_RELEASE);
}

/** Work out the hop's link word, and write it where it is another. */
static void
update_hop(struct nexthops *nexthops, struct nexthop *hop)
{
	uint64_t link = 0;

	if (hop->port != PORT_NONE && nexthops->ports[hop->port].is_up) {
		const struct plane_port *port = &nexthops->options.ports[hop->port];

		if (hop->neighbour == NULL)
			link = fl_link_word(fl_mac_word(port->gateway_mac), hop->port,
					    FL_LINK_REACHABLE);
		else if (hop->neighbour->usable)
			link = fl_link_word(fl_mac_word(hop->neighbour->mac), hop->port,
					    FL_LINK_REACHABLE);
	}
	if (link == hop->link)
		return;
	hop->link = link;
	for (struct nexthop_user *user = hop->users; user != NULL; user = user->next)
		write_link(nexthops, user);
}

/* --- timers --- */

static void
timer_set(struct nexthops *nexthops, struct neighbour *neighbour, int64_t delay_ms)
{
	int64_t at = (nexthops->now_ms + delay_ms) / TICK_MS + 1;

	assert(delay_ms < TICK_MS * (WHEEL_TICKS - 1));
	TAILQ_REMOVE(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
	neighbour->timer_at = (uint32_t)(at % WHEEL_TICKS);
	TAILQ_INSERT_TAIL(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
}

static void
timer_due(struct nexthops *nexthops, struct neighbour *neighbour)
{
	TAILQ_REMOVE(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
	neighbour->timer_at = WHEEL_TICKS;
	TAILQ_INSERT_TAIL(&nexthops->wheel[WHEEL_TICKS], neighbour, timer);
}

static void
wheel_turn(struct nexthops *nexthops)
{
	int64_t now = nexthops->now_ms / TICK_MS;

	if (now - nexthops->tick > WHEEL_TICKS)
		nexthops->tick = now - WHEEL_TICKS; /* once round is everything */
	while (nexthops->tick < now) {
		struct neighbour_list *list = &nexthops->wheel[++nexthops->tick % WHEEL_TICKS];

		while (!TAILQ_EMPTY(list))
			timer_due(nexthops, TAILQ_FIRST(list));
	}
}

/* --- neighbours --- */

static struct neighbour *
neighbour_find(const struct nexthops *nexthops, uint32_t ifindex, const struct addr *address)
{
	struct neighbour_key key = { .address = *address, .ifindex = ifindex };
	struct neighbour *neighbour;

	HASH_FIND(hh, nexthops->neighbours, &key, sizeof key, neighbour);
	return neighbour;
}

/** @return NULL: no memory. */
static struct neighbour *
neighbour_create(struct nexthops *nexthops, uint32_t ifindex, const struct addr *address)
{
	struct neighbour *neighbour = calloc(1, sizeof *neighbour);

	if (neighbour == NULL)
		return NULL;
	neighbour->key = (struct neighbour_key){ .address = *address, .ifindex = ifindex };
	LIST_INIT(&neighbour->hops);
	HASH_ADD(hh, nexthops->neighbours, key, sizeof neighbour->key, neighbour);
	if (neighbour->hh.tbl == NULL) {
		free(neighbour);
		return NULL;
	}
	neighbour->timer_at = WHEEL_TICKS;
	TAILQ_INSERT_TAIL(&nexthops->wheel[WHEEL_TICKS], neighbour, timer);
	return neighbour;
}

static void
neighbour_destroy(struct nexthops *nexthops, struct neighbour *neighbour)
{
	TAILQ_REMOVE(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
	HASH_DEL(nexthops->neighbours, neighbour);
	free(neighbour);
}

/** What the kernel knows now. */
static void
neighbour_learn(struct nexthops *nexthops, struct neighbour *neighbour,
		const struct rtnl_neighbour *known)
{
	bool usable = known != NULL && (known->state & NUD_USABLE) != 0 && known->has_mac;
	struct nexthop *hop;

	if (usable)
		neighbour->failures = 0;
	if (usable == neighbour->usable &&
	    (!usable || memcmp(neighbour->mac, known->mac, sizeof neighbour->mac) == 0))
		return;
	/* it just answered, or just failed: look again after the shortest time that makes sense */
	timer_set(nexthops, neighbour, usable ? NEXTHOP_CONFIRM_MS : NEXTHOP_RETRY_MS_MIN);
	neighbour->usable = usable;
	if (usable)
		memcpy(neighbour->mac, known->mac, sizeof neighbour->mac);
	LIST_FOREACH (hop, &neighbour->hops, of_neighbour)
		update_hop(nexthops, hop);
}

static int64_t
retry_delay(uint32_t failures)
{
	int64_t delay_ms = NEXTHOP_RETRY_MS_MIN;

	while (failures-- > 1 && delay_ms < NEXTHOP_RETRY_MS_MAX)
		delay_ms *= 2;
	return delay_ms < NEXTHOP_RETRY_MS_MAX ? delay_ms : NEXTHOP_RETRY_MS_MAX;
}

/** Read the entry, have the kernel confirm it or look for it, and come back later. */
static void
neighbour_confirm(struct nexthops *nexthops, struct neighbour *neighbour)
{
	const struct neighbour_key *key = &neighbour->key;
	struct rtnl_neighbour known = { 0 };
	int r = rtnl_neighbour_get(&nexthops->rtnl, key->ifindex, &key->address, &known);

	neighbour_learn(nexthops, neighbour, r == 0 ? &known : NULL);
	if (r < 0 || (known.state & NUD_NEVER_PROBED) == 0)
		/* why it may fail (the interface went, no memory) may pass: it is tried again */
		(void)rtnl_neighbour_use(&nexthops->rtnl, key->ifindex, &key->address);
	if (neighbour->usable) {
		timer_set(nexthops, neighbour, NEXTHOP_CONFIRM_MS);
	} else {
		neighbour->failures += neighbour->failures < UINT32_MAX;
		timer_set(nexthops, neighbour, retry_delay(neighbour->failures));
	}
}

/* --- routes --- */

static void
queue_hop(struct nexthops *nexthops, struct nexthop *hop)
{
	if (hop->is_queued)
		return;
	hop->is_queued = true;
	TAILQ_INSERT_TAIL(&nexthops->queue, hop, queue);
}

static void
unqueue_hop(struct nexthops *nexthops, struct nexthop *hop)
{
	if (!hop->is_queued)
		return;
	hop->is_queued = false;
	TAILQ_REMOVE(&nexthops->queue, hop, queue);
}

static void
queue_all(struct nexthops *nexthops)
{
	for (struct nexthop *hop = nexthops->hops; hop != NULL; hop = hop->hh.next)
		queue_hop(nexthops, hop);
}

static uint8_t
port_of_ifindex(const struct nexthops *nexthops, uint32_t ifindex)
{
	for (uint32_t i = 0; i < nexthops->options.port_count; i++)
		if (nexthops->options.ports[i].ifindex == ifindex)
			return (uint8_t)i;
	return PORT_NONE;
}

static void
hang(struct nexthops *nexthops, struct nexthop *hop, struct neighbour *neighbour)
{
	struct neighbour *before = hop->neighbour;

	if (before == neighbour)
		return;
	if (before != NULL)
		LIST_REMOVE(hop, of_neighbour);
	hop->neighbour = neighbour;
	if (neighbour != NULL)
		LIST_INSERT_HEAD(&neighbour->hops, hop, of_neighbour);
	if (before != NULL && LIST_EMPTY(&before->hops))
		neighbour_destroy(nexthops, before);
}

static int
look_up_route(struct nexthops *nexthops, const struct addr *address, struct rtnl_route *route)
{
	const struct nexthop_options *options = &nexthops->options;
	const struct addr *source = NULL;
	int r;

	if (!nexthops->has_kernel)
		return -ENETUNREACH;
	if (addr_is_ipv4(address) && options->has_source_ipv4)
		source = &options->source_ipv4;
	else if (!addr_is_ipv4(address) && options->has_source_ipv6)
		source = &options->source_ipv6;
	r = rtnl_route_get(&nexthops->rtnl, address, source, route);
	/* the kernel refuses a source that it does not own; the plane may well own one */
	if (r == -EINVAL && source != NULL)
		r = rtnl_route_get(&nexthops->rtnl, address, NULL, route);
	return r;
}

/** Tie the hop to a neighbour and a port by today's routes. */
static void
resolve_hop(struct nexthops *nexthops, struct nexthop *hop)
{
	struct rtnl_route route;
	struct neighbour *neighbour = NULL;
	uint8_t port = PORT_NONE;

	if (look_up_route(nexthops, &hop->address, &route) == 0)
		port = port_of_ifindex(nexthops, route.ifindex);
	if (port != PORT_NONE) {
		neighbour = neighbour_find(nexthops, route.ifindex, &route.next_hop);
		if (neighbour == NULL)
			neighbour = neighbour_create(nexthops, route.ifindex, &route.next_hop);
		if (neighbour == NULL) {
			port = PORT_NONE; /* no memory now: unreachable, and tried again */
			nexthops->routes_changed = true;
		}
	} else {
		uint32_t by_gateway = gateway_port(nexthops->options.ports,
						   nexthops->options.port_count, &hop->address);

		port = by_gateway == GATEWAY_NONE ? PORT_NONE : (uint8_t)by_gateway;
	}
	hop->port = port;
	hang(nexthops, hop, neighbour);
	update_hop(nexthops, hop);
}

/* --- ports --- */

static void
write_port(struct nexthops *nexthops, uint32_t port)
{
	const struct port *known = &nexthops->ports[port];

	__atomic_store_n(&nexthops->options.tables->ports[port].word,
			 fl_port_word(fl_mac_word(known->mac), known->mtu), __ATOMIC_RELEASE);
}

/** Hops that leave by the port, after it went up or down. What is behind a port that came up is
 * looked for at once. */
static void
update_port_hops(struct nexthops *nexthops, uint8_t port)
{
	for (struct nexthop *hop = nexthops->hops; hop != NULL; hop = hop->hh.next) {
		if (hop->port != port)
			continue;
		if (nexthops->ports[port].is_up && hop->neighbour != NULL) {
			hop->neighbour->failures = 0;
			timer_due(nexthops, hop->neighbour);
		}
		update_hop(nexthops, hop);
	}
}

static void
learn_link(struct nexthops *nexthops, uint8_t port, const struct rtnl_link *link)
{
	struct port *known = &nexthops->ports[port];
	bool was_up = known->is_up;

	if (link->up && link->has_mac)
		memcpy(known->mac, link->mac, sizeof known->mac);
	if (link->up && link->mtu > 0)
		known->mtu = (uint16_t)(link->mtu < UINT16_MAX ? link->mtu : UINT16_MAX);
	known->is_up = link->up;
	write_port(nexthops, port);
	if (was_up != known->is_up)
		update_port_hops(nexthops, port);
}

static void
read_links(struct nexthops *nexthops)
{
	for (uint32_t i = 0; i < nexthops->options.port_count; i++) {
		struct rtnl_link link = { .ifindex = nexthops->options.ports[i].ifindex };

		if (link.ifindex == 0)
			continue;
		if (rtnl_link_get(&nexthops->rtnl, link.ifindex, &link) < 0)
			link.up = false;
		learn_link(nexthops, (uint8_t)i, &link);
	}
}

/* --- events --- */

static void
on_neighbour(void *user, const struct rtnl_neighbour *known)
{
	struct nexthops *nexthops = user;
	struct neighbour *neighbour = neighbour_find(nexthops, known->ifindex, &known->address);

	if (neighbour != NULL)
		neighbour_learn(nexthops, neighbour, known);
}

static void
on_routes(void *user)
{
	struct nexthops *nexthops = user;

	nexthops->routes_changed = true;
}

/** IPv4 routes that go with their interface are not announced: a link event is one of routes too.
 */
static void
on_link(void *user, const struct rtnl_link *link)
{
	struct nexthops *nexthops = user;
	uint8_t port = port_of_ifindex(nexthops, link->ifindex);

	if (port != PORT_NONE)
		learn_link(nexthops, port, link);
	on_routes(nexthops);
}

static void
resync(struct nexthops *nexthops)
{
	for (struct neighbour *n = nexthops->neighbours; n != NULL; n = n->hh.next)
		timer_due(nexthops, n);
	read_links(nexthops);
	nexthops->must_resync = false;
}

static void
read_events(struct nexthops *nexthops)
{
	const struct rtnl_events events = {
		.user = nexthops, .neighbour = on_neighbour, .link = on_link, .routes = on_routes
	};
	int r = rtnl_read_events(&nexthops->rtnl, &events);
	char message[160];

	if (r == 0 || nexthops->must_resync)
		return;
	nexthops->must_resync = true;
	snprintf(message, sizeof message,
		 "netlink events were lost (%s): routes and neighbours are read again",
		 strerror(-r));
	nexthops->options.log(LOG_WARNING, message);
}

/* --- the interface --- */

static void
start_ports(struct nexthops *nexthops)
{
	for (uint32_t i = 0; i < nexthops->options.port_count; i++) {
		const struct plane_port *port = &nexthops->options.ports[i];
		struct port *known = &nexthops->ports[i];

		memcpy(known->mac, port->mac, sizeof known->mac);
		known->mtu = port->mtu;
		known->is_up = port->ifindex == 0;
		nexthops->has_kernel = nexthops->has_kernel || port->ifindex != 0;
		write_port(nexthops, i);
	}
}

int
nexthops_create(const struct nexthop_options *options, struct nexthops **ret_nexthops)
{
	struct nexthops *nexthops;
	int r = 0;

	if (options->port_count > FL_PORTS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < options->port_count; i++)
		if (options->ports[i].has_gateway &&
		    !gateway_mac_usable(options->ports[i].gateway_mac))
			return -EINVAL;
	nexthops = calloc(1, sizeof *nexthops);
	if (nexthops == NULL)
		return -ENOMEM;
	nexthops->options = *options;
	TAILQ_INIT(&nexthops->queue);
	for (uint32_t i = 0; i <= WHEEL_TICKS; i++)
		TAILQ_INIT(&nexthops->wheel[i]);
	start_ports(nexthops);
	if (nexthops->has_kernel)
		r = rtnl_open(&nexthops->rtnl);
	if (r < 0) {
		nexthops_destroy(nexthops);
		return r;
	}
	if (nexthops->has_kernel)
		read_links(nexthops);
	*ret_nexthops = nexthops;
	return 0;
}

void
nexthops_destroy(struct nexthops *nexthops)
{
	if (nexthops == NULL)
		return;
	assert(nexthops->hops == NULL);
	rtnl_close(&nexthops->rtnl);
	free(nexthops);
}

int
nexthops_fd(const struct nexthops *nexthops)
{
	return nexthops->has_kernel ? rtnl_fd(&nexthops->rtnl) : -1;
}

static void
look_up(struct nexthops *nexthops)
{
	struct neighbour_list *due = &nexthops->wheel[WHEEL_TICKS];
	uint32_t look_ups = 0;
	struct nexthop *hop;

	while (look_ups < NEXTHOP_LOOKUPS_PER_TURN &&
	       (hop = TAILQ_FIRST(&nexthops->queue)) != NULL) {
		unqueue_hop(nexthops, hop);
		resolve_hop(nexthops, hop);
		look_ups++;
	}
	while (look_ups < NEXTHOP_LOOKUPS_PER_TURN && !TAILQ_EMPTY(due)) {
		neighbour_confirm(nexthops, TAILQ_FIRST(due));
		look_ups++;
	}
}

void
nexthops_turn(struct nexthops *nexthops, int64_t now_ms)
{
	nexthops->now_ms = now_ms;
	if (nexthops->has_kernel)
		read_events(nexthops);
	if ((nexthops->routes_changed || nexthops->must_resync) &&
	    now_ms >= nexthops->rescan_at_ms) {
		nexthops->rescan_at_ms = now_ms + NEXTHOP_RESCAN_MS;
		nexthops->routes_changed = false;
		if (nexthops->must_resync)
			resync(nexthops);
		queue_all(nexthops);
	}
	wheel_turn(nexthops);
	look_up(nexthops);
}

int64_t
nexthops_due_ms(const struct nexthops *nexthops)
{
	int64_t due_ms = INT64_MAX;

	if (!TAILQ_EMPTY(&nexthops->queue) || !TAILQ_EMPTY(&nexthops->wheel[WHEEL_TICKS]))
		return nexthops->now_ms;
	if (nexthops->routes_changed || nexthops->must_resync)
		due_ms = nexthops->rescan_at_ms;
	for (int64_t tick = nexthops->tick + 1; tick <= nexthops->tick + WHEEL_TICKS; tick++) {
		if (TAILQ_EMPTY(&nexthops->wheel[tick % WHEEL_TICKS]))
			continue;
		return tick * TICK_MS < due_ms ? tick * TICK_MS : due_ms;
	}
	return due_ms;
}

int
nexthop_take(struct nexthops *nexthops, const struct addr *address, struct nexthop **ret_hop)
{
	struct nexthop *hop;

	HASH_FIND(hh, nexthops->hops, address, sizeof *address, hop);
	if (hop == NULL) {
		hop = calloc(1, sizeof *hop);
		if (hop == NULL)
			return -ENOMEM;
		hop->address = *address;
		hop->port = PORT_NONE;
		HASH_ADD(hh, nexthops->hops, address, sizeof hop->address, hop);
		if (hop->hh.tbl == NULL) {
			free(hop);
			return -ENOMEM;
		}
		queue_hop(nexthops, hop);
	}
	hop->references++;
	*ret_hop = hop;
	return 0;
}

void
nexthop_give(struct nexthops *nexthops, struct nexthop *hop)
{
	assert(hop->references > 0);
	if (--hop->references > 0)
		return;
	assert(hop->users == NULL);
	unqueue_hop(nexthops, hop);
	hang(nexthops, hop, NULL);
	HASH_DEL(nexthops->hops, hop);
	free(hop);
}

void
nexthop_attach(struct nexthops *nexthops, struct nexthop *hop, struct nexthop_user *user)
{
	assert(user->hop == NULL);
	user->hop = hop;
	user->previous = NULL;
	user->next = hop->users;
	if (hop->users != NULL)
		hop->users->previous = user;
	hop->users = user;
	write_link(nexthops, user);
}

void
nexthop_detach(struct nexthop_user *user)
{
	if (user->hop == NULL)
		return;
	if (user->previous != NULL)
		user->previous->next = user->next;
	else
		user->hop->users = user->next;
	if (user->next != NULL)
		user->next->previous = user->previous;
	user->hop = NULL;
}

struct nexthop_view
nexthop_view(const struct nexthop *hop)
{
	struct nexthop_view view = { .reachable =
					     (fl_link_flags(hop->link) & FL_LINK_REACHABLE) != 0,
				     .port = fl_link_port(hop->link) };

	for (uint32_t i = 0; i < sizeof view.mac; i++)
		view.mac[i] = (uint8_t)(hop->link >> (8 * i));
	return view;
}
