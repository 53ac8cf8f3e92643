/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection to the daemon, one call at a time, everything by a deadline. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fairlead_cli.h"
#include "rpc.h"

struct cli_client {
	int fd;
	struct rpc_client *rpc;
	/* the call under way */
	bool answered;
	cJSON *result;
	cJSON *error;
};

int64_t
client_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- connecting --- */

static int
not_permitted(const struct cli *cli)
{
	struct stat status;
	const struct group *group = NULL;
	char hint[160];

	if (stat(cli->socket, &status) == 0)
		group = getgrgid(status.st_gid);
	snprintf(hint, sizeof hint,
		 "join its group (usermod -aG %s YOU, then log in again) or use sudo",
		 group != NULL ? group->gr_name : "fairlead");
	return out_fail(cli, EX_NOPERM, "not_permitted", hint,
			"no permission for the control socket %s", cli->socket);
}

static int
connect_failed(const struct cli *cli, int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return not_permitted(cli);
	case EAGAIN:
		return out_fail(cli, EX_TEMPFAIL, "busy", "try again",
				"fairleadd takes no connections now");
	case ENOENT:
	case ECONNREFUSED:
	case ENOTSOCK:
	case ENOTDIR:
		return out_fail(
			cli, EX_UNAVAILABLE, "unavailable",
			"start it (fairleadd --config FILE), or name its socket with --socket",
			"fairleadd is not running: %s at %s",
			error == ENOENT || error == ENOTDIR ? "there is no socket"
							    : "nothing listens",
			cli->socket);
	default:
		return out_fail(cli, EX_UNAVAILABLE, "unavailable", "", "cannot connect to %s: %s",
				cli->socket, strerror(error));
	}
}

/* @return a connected descriptor, or a negative errno. */
static int
connect_socket(const struct cli *cli)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = cli->timeout_ms / 1000 };
	int fd;
	int r;

	if (strlen(cli->socket) >= sizeof address.sun_path)
		return -ENOENT;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", cli->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Bounds connect() too, which waits while the daemon's queue is full. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

bool
client_is_there(const struct cli *cli)
{
	int fd = connect_socket(cli);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static int
client_open(struct cli *cli)
{
	struct cli_client *client;
	int fd = connect_socket(cli);

	if (fd < 0)
		return connect_failed(cli, -fd);
	client = calloc(1, sizeof *client);
	if (client == NULL || rpc_client_create(&client->rpc) < 0) {
		free(client);
		(void)close(fd);
		return out_fail(cli, EX_SOFTWARE, "no_memory", "", "no memory");
	}
	client->fd = fd;
	cli->client = client;
	return 0;
}

void
client_close(struct cli *cli)
{
	struct cli_client *client = cli->client;

	if (client == NULL)
		return;
	rpc_client_destroy(client->rpc);
	cJSON_Delete(client->result);
	cJSON_Delete(client->error);
	(void)close(client->fd);
	free(client);
	cli->client = NULL;
}

/* --- one call --- */

static void
client_on_answer(void *user, const struct rpc_answer *answer)
{
	struct cli_client *client = user;

	client->answered = true;
	client->result = cJSON_Duplicate(answer->result, true);
	client->error = cJSON_Duplicate(answer->error, true);
}

/* @return false: the connection is gone. */
static bool
client_send(struct cli_client *client)
{
	size_t size;
	const char *bytes = rpc_client_output(client->rpc, &size);
	ssize_t sent;

	if (bytes == NULL)
		return true;
	sent = send(client->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent > 0)
		rpc_client_sent(client->rpc, (size_t)sent);
	return sent > 0 || errno == EAGAIN || errno == EINTR;
}

static bool
client_receive(struct cli_client *client)
{
	char bytes[65536];
	ssize_t size = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (size > 0)
		return rpc_client_feed(client->rpc, bytes, (size_t)size) == 0;
	return size < 0 && (errno == EAGAIN || errno == EINTR);
}

static int
client_wait(const struct cli *cli)
{
	struct cli_client *client = cli->client;
	int64_t deadline_ms = client_now_ms() + cli->timeout_ms;
	bool open = true;

	/* Ends: with the answer, the connection, or the deadline. */
	while (!client->answered && open) {
		size_t size;
		bool more = rpc_client_output(client->rpc, &size) != NULL;
		struct pollfd polled[] = {
			{ .fd = client->fd, .events = (short)(POLLIN | (more ? POLLOUT : 0)) },
			{ .fd = cli->interrupt_fd, .events = POLLIN },
		};
		int64_t left_ms = deadline_ms - client_now_ms();
		int r = left_ms > 0 ? poll(polled, 2, (int)left_ms) : 0;

		if (r == 0)
			return out_fail(
				cli, EX_TEMPFAIL, "timeout",
				"look at fairlead status, and give it longer with --timeout",
				"fairleadd did not answer within %lld s; what was asked may still "
				"happen",
				(long long)(cli->timeout_ms / 1000));
		if (r > 0 && polled[1].revents != 0)
			return CLI_INTERRUPTED;
		if (r > 0 && (polled[0].revents & POLLOUT) != 0)
			open = client_send(client);
		/* An answer may lie there although the peer takes no more. */
		if (r > 0 && (polled[0].revents & ~POLLOUT) != 0)
			open = client_receive(client);
	}
	if (!client->answered || (client->result == NULL && client->error == NULL))
		return out_fail(cli, EX_TEMPFAIL, "unavailable",
				"look at fairlead status and try again",
				"fairleadd closed the connection before it answered");
	return 0;
}

/* --- refusals --- */

/* operator's classes: the stable word decides. */
static int
exit_code_of(const char *code, bool about_config)
{
	static const struct {
		const char *code;
		int exit_code;
	} classes[] = {
		{ "unknown_vip", CLI_ANSWER_NO },
		{ "unknown_backend", CLI_ANSWER_NO },
		{ "unknown_plane", CLI_ANSWER_NO },
		{ "last_backend", CLI_ANSWER_NO },
		{ "cuts_connections", CLI_ANSWER_NO },
		{ "parse_error", EX_DATAERR },
		{ "too_deep", EX_DATAERR },
		{ "plane_refused", EX_CONFIG },
		{ "no_encapsulation", EX_CONFIG },
		{ "limit_exceeded", EX_CONFIG },
		{ "plane_unavailable", EX_TEMPFAIL },
		{ "busy", EX_TEMPFAIL },
		{ "generation_conflict", EX_TEMPFAIL },
		{ "too_many_clients", EX_TEMPFAIL },
		{ "too_many_calls", EX_TEMPFAIL },
		{ "not_permitted", EX_NOPERM },
		{ "method_not_found", EX_SOFTWARE },
		{ "invalid_request", EX_SOFTWARE },
		{ "line_too_long", EX_SOFTWARE },
		{ "reply_too_large", EX_SOFTWARE },
		{ "no_memory", EX_SOFTWARE },
		{ "internal", EX_SOFTWARE },
	};

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
		if (strcmp(classes[i].code, code) == 0)
			return classes[i].exit_code;
	}
	return about_config ? EX_CONFIG : EX_USAGE; /* one value of what was sent */
}

static void
error_read(const cJSON *item, const char *code, struct json_error *ret_error)
{
	*ret_error = (struct json_error){ 0 };
	snprintf(ret_error->code, sizeof ret_error->code, "%s",
		 json_get_string(item, "code", code));
	snprintf(ret_error->pointer, sizeof ret_error->pointer, "%s",
		 json_get_string(item, "path", ""));
	snprintf(ret_error->message, sizeof ret_error->message, "%s",
		 json_get_string(item, "message", "no reason given"));
	snprintf(ret_error->hint, sizeof ret_error->hint, "%s", json_get_string(item, "hint", ""));
	ret_error->line = (uint32_t)json_get_integer(item, "line", 0);
	ret_error->column = (uint32_t)json_get_integer(item, "column", 0);
}

static int
client_refused(const struct cli *cli, const char *method, const cJSON *error)
{
	bool about_config = strncmp(method, "config.", 7) == 0;
	const cJSON *data = json_get(error, "data");
	const char *code = json_get_string(data, "code", "internal");
	const char *file = about_config && cli->arguments != NULL ? cli->arguments[0] : NULL;
	struct json_errors errors;
	const cJSON *item;

	errors.count = errors.dropped = 0;
	cJSON_ArrayForEach (item, json_get(data, "errors")) {
		if (errors.count < JSON_ERRORS_MAX)
			error_read(item, code, &errors.items[errors.count++]);
	}
	if (errors.count == 0)
		error_read(error, code, &errors.items[errors.count++]);
	if (file == NULL && about_config)
		file = "fairlead.json";
	return out_errors(cli, exit_code_of(code, about_config), &errors, file);
}

int
client_call(struct cli *cli, const char *method, cJSON *params, cJSON **ret_result)
{
	struct cli_client *client;
	int r = cli->client == NULL ? client_open(cli) : 0;

	if (r != 0) {
		cJSON_Delete(params);
		return r;
	}
	client = cli->client;
	client->answered = false;
	if (rpc_client_call(client->rpc,
			    &(struct rpc_question){ method, params, client_on_answer, client }) < 0)
		return out_fail(cli, EX_SOFTWARE, "internal", "",
				"the request is too large to be sent");
	r = client_wait(cli);
	if (r == 0 && client->error != NULL)
		r = client_refused(cli, method, client->error);
	if (r == 0) {
		*ret_result = client->result;
		client->result = NULL;
	}
	cJSON_Delete(client->error);
	cJSON_Delete(client->result);
	client->error = client->result = NULL;
	return r;
}
