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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "gateway.h"
#include "nexthop_private.h"

/* --- link words --- */

static void
write_link(struct nexthops *nexthops, const struct nexthop_user *user)
{
	uint64_t link = user->hop->link | fl_link_word(0, 0, FL_LINK_LIVE);

	__atomic_store_n(&nexthops->options.tables->backends[user->slot].link, link,
			 __ATOMIC_RELEASE);
}

void
nexthop_update(struct nexthops *nexthops, struct nexthop *hop)
{
	bool was_known = hop->is_known;
	uint64_t link = 0;

	hop->is_known = was_known || hop->neighbour == NULL || hop->neighbour->is_known ||
			!nexthops->ports[hop->port].is_up;
	if (!hop->is_known)
		return;
	if (hop->port != PORT_NONE && nexthops->ports[hop->port].is_up) {
		const struct plane_port *port = &nexthops->options.ports[hop->port];

		if (hop->neighbour == NULL)
			link = fl_link_word(fl_mac_word(port->gateway_mac), hop->port,
					    FL_LINK_REACHABLE);
		else if (hop->neighbour->usable)
			link = fl_link_word(fl_mac_word(hop->neighbour->mac), hop->port,
					    FL_LINK_REACHABLE);
	}
	if (link == hop->link && was_known)
		return;
	hop->link = link;
	for (struct nexthop_user *user = hop->users; user != NULL; user = user->next)
		write_link(nexthops, user);
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

/** The port whose configured gateway is the way. */
static uint8_t
port_of_gateway(const struct nexthops *nexthops, const struct nexthop *hop)
{
	const struct nexthop_options *options = &nexthops->options;
	uint32_t port =
		hop->key.on_link
			? gateway_port_exact(options->ports, options->port_count, &hop->key.address)
			: gateway_port(options->ports, options->port_count, &hop->key.address);

	return port == GATEWAY_NONE ? PORT_NONE : (uint8_t)port;
}

/** Tie the hop to a neighbour and a port by today's routes. */
static void
resolve_hop(struct nexthops *nexthops, struct nexthop *hop)
{
	struct rtnl_route route;
	struct neighbour *neighbour = NULL;
	uint8_t port = PORT_NONE;
	int r;

	r = look_up_route(nexthops, &hop->key.address, &route);
	if (!hop->is_known && (r == -ETIMEDOUT || r == -ENOBUFS || r == -ENOMEM)) {
		nexthops->routes_changed = true; /* no answer: what was adopted holds meanwhile */
		return;
	}
	if (r == 0)
		port = port_of_ifindex(nexthops, route.ifindex);
	if (port == PORT_NONE) {
		port = port_of_gateway(nexthops, hop);
	} else if (hop->key.on_link && route.has_gateway) {
		port = PORT_NONE;
	} else {
		neighbour = neighbour_find(nexthops, route.ifindex, &route.next_hop);
		if (neighbour == NULL)
			neighbour = neighbour_create(nexthops, route.ifindex, &route.next_hop);
		if (neighbour == NULL) {
			port = PORT_NONE; /* no memory now: unreachable, and tried again */
			nexthops->routes_changed = true;
		}
	}
	hop->port = port;
	hang(nexthops, hop, neighbour);
	nexthop_update(nexthops, hop);
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
			neighbour_is_due(nexthops, hop->neighbour);
		}
		nexthop_update(nexthops, hop);
	}
}

static void say(struct nexthops *nexthops, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
say(struct nexthops *nexthops, int level, const char *format, ...)
{
	char message[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	nexthops->options.log(level, message);
}

/** Remember the interface's name, and tell the operator when it is gone. */
static void
learn_presence(struct nexthops *nexthops, uint8_t port, const struct rtnl_link *link)
{
	struct port *known = &nexthops->ports[port];

	if (link->name[0] != '\0')
		memcpy(known->interface, link->name, sizeof known->interface);
	if (link->gone && !known->is_gone)
		say(nexthops, LOG_WARNING,
		    "port %s: interface %s is gone: nothing comes in or leaves by it; make it "
		    "again%s",
		    nexthops->options.ports[port].name, known->interface,
		    nexthops->options.port_returned == NULL ? ", and restart the plane" : "");
	known->is_gone = link->gone;
}

static void
learn_link(struct nexthops *nexthops, uint8_t port, const struct rtnl_link *link)
{
	struct port *known = &nexthops->ports[port];
	bool was_up = known->is_up;

	learn_presence(nexthops, port, link);
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
		int r;

		if (link.ifindex == 0)
			continue;
		r = rtnl_link_get(&nexthops->rtnl, link.ifindex, &link);
		if (r < 0)
			link.up = false;
		link.gone = r == -ENODEV;
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

/** The port whose interface is gone and had this one's name; PORT_NONE. */
static uint8_t
port_of_name(const struct nexthops *nexthops, const char *name)
{
	for (uint32_t i = 0; i < nexthops->options.port_count && name[0] != '\0'; i++)
		if (nexthops->ports[i].is_gone && strcmp(nexthops->ports[i].interface, name) == 0)
			return (uint8_t)i;
	return PORT_NONE;
}

/** An interface with the name of the one that the port has lost: serve it, once it is up. */
static void
take_back(struct nexthops *nexthops, uint8_t port, const struct rtnl_link *link)
{
	const struct nexthop_options *options = &nexthops->options;
	const char *name = options->ports[port].name;

	if (options->port_returned == NULL) {
		say(nexthops, LOG_WARNING,
		    "port %s: there is an interface %s again, but it is another one, which the "
		    "plane does not serve; restart the plane",
		    name, link->name);
		nexthops->ports[port].interface[0] = '\0'; /* said once */
		return;
	}
	if (!link->up || options->port_returned(options->port_user, port, link->ifindex) < 0)
		return; /* its next event is another try */
	say(nexthops, LOG_NOTICE, "port %s: there is an interface %s again, and it is served", name,
	    link->name);
	learn_link(nexthops, port, link);
}

/** IPv4 routes that go with their interface are not announced: a link event is one of routes too.
 */
static void
on_link(void *user, const struct rtnl_link *link)
{
	struct nexthops *nexthops = user;
	uint8_t port = link->gone ? PORT_NONE : port_of_name(nexthops, link->name);

	if (port != PORT_NONE) {
		take_back(nexthops, port, link);
	} else {
		port = port_of_ifindex(nexthops, link->ifindex);
		if (port != PORT_NONE)
			learn_link(nexthops, port, link);
	}
	on_routes(nexthops);
}

static void
resync(struct nexthops *nexthops)
{
	for (struct neighbour *n = nexthops->neighbours; n != NULL; n = n->hh.next)
		neighbour_is_due(nexthops, n);
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

	if (r == 0 || nexthops->must_resync)
		return;
	nexthops->must_resync = true;
	say(nexthops, LOG_WARNING,
	    "netlink events were lost (%s): routes and neighbours are read again", strerror(-r));
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
		/* the others are written when the kernel was asked: their words may be in use */
		if (port->ifindex == 0)
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
	neighbour_wheel_turn(nexthops);
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
nexthop_take(struct nexthops *nexthops, const struct addr *address, bool on_link,
	     struct nexthop **ret_hop)
{
	const struct nexthop_key key = { *address, on_link };
	struct nexthop *hop;

	HASH_FIND(hh, nexthops->hops, &key, sizeof key, hop);
	if (hop == NULL) {
		hop = calloc(1, sizeof *hop);
		if (hop == NULL)
			return -ENOMEM;
		hop->key = key;
		hop->port = PORT_NONE;
		HASH_ADD(hh, nexthops->hops, key, sizeof hop->key, hop);
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

static void
follow(struct nexthop *hop, struct nexthop_user *user)
{
	assert(user->hop == NULL);
	user->hop = hop;
	user->previous = NULL;
	user->next = hop->users;
	if (hop->users != NULL)
		hop->users->previous = user;
	hop->users = user;
}

void
nexthop_attach(struct nexthops *nexthops, struct nexthop *hop, struct nexthop_user *user)
{
	follow(hop, user);
	write_link(nexthops, user);
}

void
nexthop_adopt(struct nexthops *nexthops, struct nexthop *hop, struct nexthop_user *user)
{
	uint64_t link = nexthops->options.tables->backends[user->slot].link;

	follow(hop, user);
	if (!(fl_link_flags(link) & FL_LINK_REACHABLE))
		return;
	if (fl_link_port(link) >= nexthops->options.port_count)
		write_link(nexthops, user); /* the plane has fewer ports now */
	else if (!hop->is_known)
		hop->link = link & ~fl_link_word(0, 0, FL_LINK_LIVE); /* believed meanwhile */
}

void
nexthop_replace(struct nexthop_user *before, struct nexthop_user *after)
{
	struct nexthop *hop = before->hop;

	assert(hop != NULL && before->slot == after->slot);
	nexthop_detach(before);
	follow(hop, after);
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
