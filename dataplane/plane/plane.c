/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "plane_private.h"
#include "rows.h"

/* --- what the server calls --- */

static void
on_call(struct rpc_call *call)
{
	const struct server_client *client = call->user;

	methods_call(server_user(client), call, client);
}

static void
on_closed(void *user, const struct server_client *client)
{
	methods_forget(user, client);
}

/** Events are read in nexthops_turn(), which every turn of the plane calls. */
static void
on_netlink(void *user, uint32_t events)
{
}

static void
on_clock(void *user, uint32_t events)
{
	struct plane *plane = user;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	rows_on_clock(plane->state.rows, plane->clock,
		      (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
}

/* --- life --- */

static int
fail(struct plane_failure *failure, int error, const char *what)
{
	snprintf(failure->message, sizeof failure->message, "%s: %s", what, strerror(-error));
	return error;
}

static int
open_nexthops(struct plane *plane, struct plane_failure *failure)
{
	const struct plane_options *options = &plane->options;
	const struct nexthop_options nexthop_options = {
		.tables = options->tables,
		.ports = options->ports,
		.port_count = options->port_count,
		.has_source_ipv4 = options->has_source_ipv4,
		.has_source_ipv6 = options->has_source_ipv6,
		.source_ipv4 = options->source_ipv4,
		.source_ipv6 = options->source_ipv6,
		.port_returned = options->port_returned,
		.port_user = options->port_user,
		.log = options->log,
	};
	int fd, r = nexthops_create(&nexthop_options, &plane->nexthops);

	if (r < 0)
		return fail(failure, r, "cannot follow the kernel's routes and neighbours");
	fd = nexthops_fd(plane->nexthops);
	plane->nexthops_source = (struct loop_source){ .ready = on_netlink };
	if (fd >= 0)
		r = loop_add(plane->loop, fd, EPOLLIN, &plane->nexthops_source);
	return r < 0 ? fail(failure, r, "cannot watch the netlink socket") : 0;
}

static int
open_server(struct plane *plane, struct plane_failure *failure)
{
	const struct server_options server_options = {
		.loop = plane->loop,
		.socket_path = plane->options.socket_path,
		.control_user = plane->options.control_user,
		.group = plane->options.group,
		.call = on_call,
		.closed = on_closed,
		.user = plane,
		.log = plane->options.log,
	};

	return server_create(&server_options, &plane->server, failure);
}

static int
open_clock(struct plane *plane, struct plane_failure *failure)
{
	int r;

	plane->clock = rows_open_clock();
	if (plane->clock < 0)
		return fail(failure, plane->clock, "cannot make a timer descriptor");
	plane->clock_source = (struct loop_source){ .ready = on_clock, .user = plane };
	r = loop_add(plane->loop, plane->clock, EPOLLIN, &plane->clock_source);
	return r < 0 ? fail(failure, r, "cannot watch the timer descriptor") : 0;
}

static void
log_adopted(const struct plane *plane)
{
	const struct state_set *set = &plane->state.set;
	char message[160], digest[PLANE_DIGEST_TEXT_BYTES];

	snprintf(message, sizeof message,
		 "generation %" PRIu64 " of an earlier process goes on: %u VIP%s, digest %s",
		 set->generation, set->vip_count, set->vip_count == 1 ? "" : "s",
		 plane_digest_text(set->digest, digest));
	plane->options.log(LOG_NOTICE, message);
}

static int
open_parts(struct plane *plane, struct plane_failure *failure)
{
	const struct plane_options *options = &plane->options;
	int r;

	plane->loop = loop_create();
	if (plane->loop < 0)
		return fail(failure, plane->loop, "cannot make an epoll descriptor");
	r = open_nexthops(plane, failure);
	if (r < 0)
		return r;
	r = state_open(&plane->state, &plane->options, plane->nexthops);
	if (r < 0)
		return fail(failure, r,
			    r == -EINVAL ? "the plane's limits are out of range"
					 : "cannot take the memory for the plane's state");
	if (options->adopt) {
		r = state_adopt(&plane->state, failure);
		if (r < 0)
			return r;
		log_adopted(plane);
	}
	r = open_clock(plane, failure);
	if (r < 0)
		return r;
	return open_server(plane, failure);
}

int
plane_create(const struct plane_options *options, struct plane **ret_plane,
	     struct plane_failure *ret_failure)
{
	struct plane *plane = calloc(1, sizeof *plane);
	int r;

	if (plane == NULL)
		return fail(ret_failure, -ENOMEM, "cannot take the memory for the plane");
	plane->options = *options;
	plane->loop = -1;
	plane->clock = -1;
	r = open_parts(plane, ret_failure);
	if (r < 0) {
		plane_destroy(plane);
		return r;
	}
	*ret_plane = plane;
	return 0;
}

void
plane_destroy(struct plane *plane)
{
	if (plane == NULL)
		return;
	server_destroy(plane->server);
	change_destroy(plane->change);
	state_close(&plane->state);
	nexthops_destroy(plane->nexthops);
	if (plane->clock >= 0)
		(void)close(plane->clock);
	if (plane->loop >= 0)
		(void)close(plane->loop);
	free(plane);
}

/* --- the loop --- */

static void
watcher_ready(void *user, uint32_t events)
{
	struct plane_watcher *watcher = user;

	watcher->ready(watcher->user);
}

int
plane_watch(struct plane *plane, int fd, void (*ready)(void *user), void *user)
{
	struct plane_watcher *watcher = &plane->watchers[plane->watcher_count];
	int r;

	if (plane->watcher_count == PLANE_WATCHES_MAX)
		return -ENOMEM;
	*watcher = (struct plane_watcher){ .source = { .ready = watcher_ready, .user = watcher },
					   .ready = ready,
					   .user = user };
	r = loop_add(plane->loop, fd, EPOLLIN, &watcher->source);
	if (r == 0)
		plane->watcher_count++;
	return r;
}

/** The earlier of @p timeout_ms and the plane's own timers. */
static int
patience_ms(const struct plane *plane, int timeout_ms)
{
	int64_t server_ms = server_due_ms(plane->server);
	int64_t due_ms = nexthops_due_ms(plane->nexthops);
	int64_t now_ms = loop_now_ms();

	if (server_ms < due_ms)
		due_ms = server_ms;
	if (due_ms == INT64_MAX)
		return timeout_ms;
	if (due_ms <= now_ms)
		return 0;
	if (timeout_ms >= 0 && timeout_ms < due_ms - now_ms)
		return timeout_ms;
	return due_ms - now_ms < INT32_MAX ? (int)(due_ms - now_ms) : INT32_MAX;
}

int
plane_turn(struct plane *plane, int timeout_ms)
{
	int r = loop_turn(plane->loop, patience_ms(plane, timeout_ms));
	int64_t now_ms = loop_now_ms();

	nexthops_turn(plane->nexthops, now_ms);
	server_turn(plane->server, now_ms);
	return r;
}

/* --- what answers are made of --- */

char *
plane_digest_text(uint64_t digest, char text[PLANE_DIGEST_TEXT_BYTES])
{
	snprintf(text, PLANE_DIGEST_TEXT_BYTES, "%016llx", (unsigned long long)digest);
	return text;
}

char *
plane_mac_text(uint64_t word, char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned int)(word & 0xff),
		 (unsigned int)(word >> 8 & 0xff), (unsigned int)(word >> 16 & 0xff),
		 (unsigned int)(word >> 24 & 0xff), (unsigned int)(word >> 32 & 0xff),
		 (unsigned int)(word >> 40 & 0xff));
	return text;
}

bool
plane_put(cJSON *object, const char *name, cJSON *item)
{
	bool put = object != NULL && item != NULL &&
		   (name == NULL ? cJSON_AddItemToArray(object, item)
				 : cJSON_AddItemToObject(object, name, item));

	if (!put)
		cJSON_Delete(item);
	return put;
}

bool
plane_put_text(cJSON *object, const char *name, const char *text)
{
	return cJSON_AddStringToObject(object, name, text) != NULL;
}

bool
plane_put_address(cJSON *object, const char *name, const struct addr *address)
{
	char text[ADDR_TEXT_MAX];

	return plane_put_text(object, name, addr_format(address, text));
}
