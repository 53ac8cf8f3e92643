/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client is a row of a fixed table. A turn reads a bounded piece of each readable one, answers,
 * and sends what the client takes; the rest goes when it is writable. Who does not read its answers
 * is not read either.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "loop.h"
#include "server.h"
#include "server_socket.h"

enum {
	NSS_BYTES = 16384,
	LATE_CHECK_MS = 500, /* how exactly the time of a half line is kept */
};

struct server_client {
	struct server *server;
	int fd; /* -1: free */
	struct rpc_session *session;
	struct loop_source source;
	uint32_t events; /* asked of the loop */
	int64_t read_at_ms;
	bool is_ended; /* it sends no more, and goes when it took its answers */
};

struct server {
	struct server_options options;
	struct server_socket socket;
	struct loop_source source;
	bool has_control_uid;
	uid_t control_uid;
	int64_t paused_until_ms; /* 0: listening */
	struct server_client clients[PLANE_CLIENTS_MAX];
	char bytes[SERVER_READ_BYTES];
};

/* --- clients --- */

static void
client_close(struct server_client *client)
{
	struct server *server = client->server;

	if (client->fd < 0)
		return;
	server->options.closed(server->options.user, client);
	loop_remove(server->options.loop, client->fd);
	rpc_session_destroy(client->session);
	client->session = NULL;
	(void)close(client->fd);
	client->fd = -1;
}

/** Send what the client takes now. @return bytes left; or a negative errno. */
static ssize_t
client_send(struct server_client *client)
{
	for (;;) {
		size_t size = 0;
		const char *bytes = rpc_session_output(client->session, &size);
		ssize_t sent;

		if (bytes == NULL || size == 0)
			return 0;
		sent = send(client->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? (ssize_t)size : -errno;
		rpc_session_sent(client->session, (size_t)sent);
	}
}

/** Flush, then ask the loop for what the client can do next. */
static void
client_settle(struct server_client *client)
{
	ssize_t left = client_send(client);
	uint32_t events = 0;

	if (left < 0 || rpc_session_error(client->session) < 0 || (client->is_ended && left == 0)) {
		client_close(client);
		return;
	}
	if (left > 0)
		events |= EPOLLOUT;
	if (!client->is_ended && left < SERVER_OUTPUT_PAUSE_BYTES)
		events |= EPOLLIN;
	if (events == client->events)
		return;
	client->events = events;
	if (loop_change(client->server->options.loop, client->fd, events, &client->source) < 0)
		client_close(client);
}

static void
client_read(struct server_client *client)
{
	struct server *server = client->server;
	ssize_t size = recv(client->fd, server->bytes, sizeof server->bytes, MSG_DONTWAIT);
	int64_t now_ms = loop_now_ms();

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size < 0) {
		client_close(client);
		return;
	}
	if (size == 0) {
		client->is_ended = true;
		return;
	}
	client->read_at_ms = now_ms;
	if (rpc_session_feed(client->session, server->bytes, (size_t)size, now_ms) < 0)
		client_close(client);
}

static void
client_ready(void *user, uint32_t events)
{
	struct server_client *client = user;

	if (client->fd < 0)
		return; /* closed earlier in this turn */
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !client->is_ended)
		client_read(client);
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		client_close(client);
	if (client->fd >= 0)
		client_settle(client);
}

/* --- admission --- */

static void
refuse(int fd, const char *code, const char *message)
{
	char *line = rpc_refusal(code, message);

	/* a fresh socket takes a line; a peer that is gone needs none */
	if (line != NULL)
		(void)!send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
	free(line);
	(void)close(fd);
}

static bool
is_permitted(const struct server *server, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	char message[160];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	    (peer.uid == 0 || (server->has_control_uid && peer.uid == server->control_uid)))
		return true;
	snprintf(message, sizeof message, "only root%s%s may use the plane socket",
		 server->has_control_uid ? " and the user " : "",
		 server->has_control_uid ? server->options.control_user : "");
	refuse(fd, "not_permitted", message);
	return false;
}

static void
admit(struct server *server, int fd)
{
	struct server_client *client = NULL;
	char message[96];

	for (uint32_t i = 0; i < PLANE_CLIENTS_MAX && client == NULL; i++)
		if (server->clients[i].fd < 0)
			client = &server->clients[i];
	if (client == NULL) {
		snprintf(message, sizeof message, "all %d connections of this plane are in use",
			 PLANE_CLIENTS_MAX);
		refuse(fd, "too_many_clients", message);
		return;
	}
	if (rpc_session_create(server->options.call, client, &client->session) < 0) {
		refuse(fd, "no_memory", "there is no memory for another client");
		return;
	}
	client->fd = fd;
	client->is_ended = false;
	client->events = EPOLLIN;
	client->read_at_ms = INT64_MIN / 2;
	if (loop_add(server->options.loop, fd, client->events, &client->source) < 0)
		client_close(client);
}

static void
listen_again(struct server *server)
{
	server->paused_until_ms = 0;
	(void)loop_change(server->options.loop, server->socket.fd, EPOLLIN, &server->source);
}

/** No descriptor or memory for a client: the listener would be ready again and again. */
static void
listen_later(struct server *server, int error)
{
	char message[160];

	snprintf(message, sizeof message, "the plane socket takes no new client for %d ms: %s",
		 SERVER_PAUSE_MS, strerror(error));
	server->options.log(LOG_WARNING, message);
	server->paused_until_ms = loop_now_ms() + SERVER_PAUSE_MS;
	(void)loop_change(server->options.loop, server->socket.fd, 0, &server->source);
}

static void
listener_ready(void *user, uint32_t events)
{
	struct server *server = user;

	for (uint32_t i = 0; i < SERVER_ACCEPTS_PER_TURN; i++) {
		int fd = accept4(server->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			listen_later(server, errno);
			return;
		}
		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0)
			return;
		if (is_permitted(server, fd))
			admit(server, fd);
	}
}

/* --- the interface --- */

static void
find_control_user(struct server *server)
{
	char buffer[NSS_BYTES];
	struct passwd user, *found = NULL;
	const char *name = server->options.control_user;

	if (name == NULL || getpwnam_r(name, &user, buffer, sizeof buffer, &found) != 0 ||
	    found == NULL)
		return;
	server->has_control_uid = true;
	server->control_uid = user.pw_uid;
}

int
server_create(const struct server_options *options, struct server **ret_server,
	      struct plane_failure *ret_failure)
{
	struct server *server = calloc(1, sizeof *server);
	int r;

	if (server == NULL) {
		snprintf(ret_failure->message, sizeof ret_failure->message,
			 "there is no memory for the plane socket's server");
		return -ENOMEM;
	}
	server->options = *options;
	server->source = (struct loop_source){ .ready = listener_ready, .user = server };
	for (uint32_t i = 0; i < PLANE_CLIENTS_MAX; i++) {
		struct server_client *client = &server->clients[i];

		client->server = server;
		client->fd = -1;
		client->source = (struct loop_source){ .ready = client_ready, .user = client };
	}
	find_control_user(server);
	r = server_socket_open(options->socket_path, options->group, &server->socket, ret_failure);
	if (r < 0) {
		free(server);
		return r;
	}
	r = loop_add(options->loop, server->socket.fd, EPOLLIN, &server->source);
	if (r < 0) {
		snprintf(ret_failure->message, sizeof ret_failure->message,
			 "cannot watch the plane socket: %s", strerror(-r));
		server_destroy(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

void
server_destroy(struct server *server)
{
	if (server == NULL)
		return;
	for (uint32_t i = 0; i < PLANE_CLIENTS_MAX; i++)
		client_close(&server->clients[i]);
	server_socket_close(&server->socket, server->options.socket_path);
	free(server);
}

void *
server_user(const struct server_client *client)
{
	return client->server->options.user;
}

void
server_turn(struct server *server, int64_t now_ms)
{
	for (uint32_t i = 0; i < PLANE_CLIENTS_MAX; i++) {
		struct server_client *client = &server->clients[i];

		if (client->fd >= 0 && rpc_session_late(client->session, now_ms))
			client_close(client);
	}
	if (server->paused_until_ms != 0 && now_ms >= server->paused_until_ms)
		listen_again(server);
}

int64_t
server_due_ms(const struct server *server)
{
	int64_t due_ms = server->paused_until_ms != 0 ? server->paused_until_ms : INT64_MAX;
	int64_t now_ms = loop_now_ms();

	/* a half line began no later than the last read: after that time nobody can be late */
	for (uint32_t i = 0; i < PLANE_CLIENTS_MAX; i++) {
		const struct server_client *client = &server->clients[i];
		int64_t late_ms = client->read_at_ms + RPC_LINE_SECONDS_MAX * 1000 + 1;

		if (client->fd < 0 || late_ms <= now_ms)
			continue;
		if (late_ms > now_ms + LATE_CHECK_MS)
			late_ms = now_ms + LATE_CHECK_MS;
		if (late_ms < due_ms)
			due_ms = late_ms;
	}
	return due_ms;
}
