/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

enum { CTL_API = 1 };

static const struct json_field no_fields[] = { { NULL } };

static const struct json_field text_fields[] = {
	{ "text", JSON_KIND_STRING, true, 0, RPC_LINE_BYTES_MAX },
	{ "file", JSON_KIND_STRING, false, 1, 256 },
	{ "more", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ NULL },
};

static const struct json_field apply_fields[] = {
	{ "text", JSON_KIND_STRING, true, 0, RPC_LINE_BYTES_MAX },
	{ "file", JSON_KIND_STRING, false, 1, 256 },
	{ "more", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ "if_generation", JSON_KIND_INTEGER, false, 0, JSON_INTEGER_MAX },
	{ "force", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ NULL },
};

static const struct json_field vip_fields[] = {
	{ "vip", JSON_KIND_STRING, true, 1, 128 },
	{ NULL },
};

static const struct json_field vip_optional_fields[] = {
	{ "vip", JSON_KIND_STRING, false, 1, 128 },
	{ NULL },
};

static const struct json_field backend_fields[] = {
	{ "backend", JSON_KIND_STRING, true, 1, 128 },
	{ "vip", JSON_KIND_STRING, false, 1, 128 },
	{ "force", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ NULL },
};

static const struct json_field remove_fields[] = {
	{ "backend", JSON_KIND_STRING, true, 1, 128 },
	{ "vip", JSON_KIND_STRING, false, 1, 128 },
	{ "now", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ "force", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ NULL },
};

static const struct json_field weight_fields[] = {
	{ "backend", JSON_KIND_STRING, true, 1, 128 },
	{ "vip", JSON_KIND_STRING, false, 1, 128 },
	{ "weight", JSON_KIND_INTEGER, true, 0, CONTROL_WEIGHT_MAX },
	{ "over_s", JSON_KIND_INTEGER, false, 0, RAMP_S_MAX },
	{ "force", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ NULL },
};

static const struct json_field explain_fields[] = {
	{ "vip", JSON_KIND_STRING, true, 1, 128 },
	{ "source", JSON_KIND_STRING, true, 1, 128 },
	{ "destination", JSON_KIND_STRING, false, 1, 128 },
	{ "syn", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ "plane", JSON_KIND_STRING, false, 1, CONTROL_NAME_BYTES_MAX },
	{ NULL },
};

static const struct {
	const char *name;
	const struct json_field *fields;
	ctl_method method;
} methods[] = {
	{ "backend.drain", backend_fields, ctl_backend_drain },
	{ "backend.list", vip_optional_fields, ctl_backend_list },
	{ "backend.remove", remove_fields, ctl_backend_remove },
	{ "backend.undrain", backend_fields, ctl_backend_undrain },
	{ "backend.weight", weight_fields, ctl_backend_weight },
	{ "config.apply", apply_fields, ctl_config_apply },
	{ "config.check", text_fields, ctl_config_check },
	{ "config.diff", text_fields, ctl_config_diff },
	{ "config.show", no_fields, ctl_config_show },
	{ "flow.explain", explain_fields, ctl_flow_explain },
	{ "status", no_fields, ctl_status },
	{ "version", no_fields, ctl_version },
	{ "vip.list", no_fields, ctl_vip_list },
	{ "vip.show", vip_fields, ctl_vip_show },
};

enum { METHOD_COUNT = sizeof methods / sizeof methods[0] };

/* --- calls --- */

static bool
params_check(const struct rpc_call *call, const struct json_field *fields,
	     struct json_errors *errors)
{
	cJSON *none = call->params == NULL ? cJSON_CreateObject() : NULL;
	bool good = json_check(none != NULL ? none : call->params, fields, NULL, errors);

	cJSON_Delete(none);
	return good;
}

static void
method_unknown(struct ctl *ctl, struct rpc_call *call)
{
	const char *names[METHOD_COUNT];
	const char *near;
	char hint[128] = "";

	for (size_t i = 0; i < METHOD_COUNT; i++)
		names[i] = methods[i].name;
	near = json_suggest(call->method, names, METHOD_COUNT);
	if (near != NULL)
		snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
	rpc_fail_plain(call, "method_not_found", hint, "no method \"%.64s\"", call->method);
	ctl_wake(ctl);
}

static void
ctl_on_call(struct rpc_call *call)
{
	struct ctl *ctl = ((struct ctl_client *)call->user)->ctl;
	struct json_errors errors;

	for (size_t i = 0; i < METHOD_COUNT; i++) {
		if (strcmp(methods[i].name, call->method) != 0)
			continue;
		errors.count = errors.dropped = 0;
		if (params_check(call, methods[i].fields, &errors)) {
			methods[i].method(ctl, call);
			return;
		}
		rpc_fail(call, RPC_INVALID_PARAMS, &errors);
		ctl_wake(ctl);
		return;
	}
	method_unknown(ctl, call);
}

/* --- clients --- */

static void
client_close(struct ctl_client *client)
{
	if (client->fd < 0)
		return;
	rpc_session_destroy(client->session);
	if (client->readable != NULL)
		event_free(client->readable);
	if (client->writable != NULL)
		event_free(client->writable);
	(void)close(client->fd);
	free(client->text.bytes);
	client->ctl->client_count--;
	*client = (struct ctl_client){ .ctl = client->ctl, .fd = -1 };
}

static void
client_flush(struct ctl_client *client)
{
	const char *bytes;
	size_t size;

	if (rpc_session_error(client->session) < 0) {
		client_close(client);
		return;
	}
	/* Ends: each pass sends at least one byte of a bounded output, or leaves. */
	while ((bytes = rpc_session_output(client->session, &size)) != NULL) {
		ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			rpc_session_sent(client->session, (size_t)sent);
			client->active_ms = plane_link_now_ms();
			client->unsent_since_ms = 0;
		} else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (client->unsent_since_ms == 0)
				client->unsent_since_ms = plane_link_now_ms();
			(void)event_add(client->writable, NULL);
			return;
		} else if (sent == 0 || errno != EINTR) {
			client_close(client);
			return;
		}
	}
}

static void
client_on_writable(evutil_socket_t fd, short what, void *user)
{
	client_flush(user);
}

static void
client_on_readable(evutil_socket_t fd, short what, void *user)
{
	struct ctl_client *client = user;
	char bytes[CTL_READ_BYTES];
	ssize_t size = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		client_close(client);
		return;
	}
	client->active_ms = plane_link_now_ms();
	if (rpc_session_feed(client->session, bytes, (size_t)size, client->active_ms) < 0)
		client_close(client);
	else
		client_flush(client);
}

static cJSON *
hello_params(void)
{
	cJSON *params = cJSON_CreateObject();

	if (cJSON_AddNumberToObject(params, "api", CTL_API) != NULL &&
	    cJSON_AddStringToObject(params, "version", FL_VERSION) != NULL)
		return params;
	cJSON_Delete(params);
	return NULL;
}

/* Who it was that connected. */
static uid_t
peer_uid(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return CTL_UID_UNKNOWN;
	return peer.uid;
}

static bool
client_open(struct ctl_client *client)
{
	struct event_base *base = client->ctl->options.base;
	cJSON *params = hello_params();

	if (params == NULL || rpc_session_create(ctl_on_call, client, &client->session) < 0) {
		cJSON_Delete(params);
		return false;
	}
	client->readable =
		event_new(base, client->fd, EV_READ | EV_PERSIST, client_on_readable, client);
	client->writable = event_new(base, client->fd, EV_WRITE, client_on_writable, client);
	client->active_ms = plane_link_now_ms();
	if (rpc_session_notify(client->session, "hello", params) < 0)
		return false;
	return client->readable != NULL && client->writable != NULL &&
	       event_add(client->readable, NULL) == 0;
}

/* Somebody too many is told so, as far as the socket takes it at once. */
static void
client_turn_away(int fd)
{
	char *line = rpc_refusal("too_many_clients",
				 "64 clients are connected already; try again in a moment");

	if (line != NULL && send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control socket: a client too many left before it was told");
	free(line);
	(void)close(fd);
}

static void
client_accept(struct ctl *ctl, int fd)
{
	for (uint32_t i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &ctl->clients[i];

		if (client->fd >= 0)
			continue;
		client->fd = fd;
		client->uid = peer_uid(fd);
		ctl->client_count++;
		if (client_open(client))
			client_flush(client);
		else
			client_close(client);
		return;
	}
	client_turn_away(fd);
}

static void
ctl_on_acceptable(evutil_socket_t listen_fd, short what, void *user)
{
	static const struct timeval pause = { .tv_usec = CTL_ACCEPT_PAUSE_MS * 1000 };
	static const struct timeval tick = { .tv_usec = CTL_TICK_MS * 1000 };
	struct ctl *ctl = user;
	int fd = accept4(ctl->options.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		client_accept(ctl, fd);
		if (!evtimer_pending(ctl->tick, NULL))
			(void)evtimer_add(ctl->tick, &tick);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* The connection stays in the queue and would wake us at once, for ever. */
		log_warning("control socket: %s; no new clients for %d ms", strerror(errno),
			    CTL_ACCEPT_PAUSE_MS);
		(void)event_del(ctl->acceptable);
		(void)evtimer_add(ctl->resume, &pause);
	}
}

static void
ctl_on_resume(evutil_socket_t fd, short what, void *user)
{
	(void)event_add(((struct ctl *)user)->acceptable, NULL);
}

static bool
client_is_overdue(const struct ctl_client *client, int64_t now_ms)
{
	if (rpc_session_late(client->session, now_ms))
		return true;
	if (client->unsent_since_ms != 0 && now_ms - client->unsent_since_ms > CTL_WRITE_MS)
		return true;
	return now_ms - client->active_ms > CTL_IDLE_MS;
}

static void
ctl_on_tick(evutil_socket_t fd, short what, void *user)
{
	static const struct timeval again = { .tv_usec = CTL_TICK_MS * 1000 };
	struct ctl *ctl = user;
	int64_t now_ms = plane_link_now_ms();

	for (uint32_t i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &ctl->clients[i];

		if (client->fd >= 0 && client_is_overdue(client, now_ms))
			client_close(client);
	}
	if (ctl->client_count > 0)
		(void)evtimer_add(ctl->tick, &again);
}

static void
ctl_on_flush(evutil_socket_t fd, short what, void *user)
{
	struct ctl *ctl = user;

	for (uint32_t i = 0; i < CTL_CLIENTS_MAX; i++) {
		if (ctl->clients[i].fd >= 0)
			client_flush(&ctl->clients[i]);
	}
}

int
ctl_create(const struct ctl_options *options, struct ctl **ret_ctl)
{
	struct ctl *ctl = calloc(1, sizeof *ctl);

	if (ctl == NULL)
		return -ENOMEM;
	ctl->options = *options;
	for (uint32_t i = 0; i < CTL_CLIENTS_MAX; i++)
		ctl->clients[i] = (struct ctl_client){ .ctl = ctl, .fd = -1 };
	ctl->acceptable = event_new(options->base, options->listen_fd, EV_READ | EV_PERSIST,
				    ctl_on_acceptable, ctl);
	ctl->resume = evtimer_new(options->base, ctl_on_resume, ctl);
	ctl->tick = evtimer_new(options->base, ctl_on_tick, ctl);
	ctl->flush = evtimer_new(options->base, ctl_on_flush, ctl);
	if (ctl->acceptable == NULL || ctl->resume == NULL || ctl->tick == NULL ||
	    ctl->flush == NULL || event_add(ctl->acceptable, NULL) < 0) {
		ctl_destroy(ctl);
		return -ENOMEM;
	}
	*ret_ctl = ctl;
	return 0;
}

void
ctl_destroy(struct ctl *ctl)
{
	struct event *events[4];

	if (ctl == NULL)
		return;
	/* What the end made of calls on their way is told, as far as sockets take it at once. */
	for (uint32_t i = 0; i < CTL_CLIENTS_MAX; i++) {
		if (ctl->clients[i].fd >= 0)
			client_flush(&ctl->clients[i]);
		client_close(&ctl->clients[i]);
	}
	memcpy(events, (struct event *[]){ ctl->acceptable, ctl->resume, ctl->tick, ctl->flush },
	       sizeof events);
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		if (events[i] != NULL)
			event_free(events[i]);
	}
	free(ctl);
}
