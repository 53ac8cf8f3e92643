/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection ends in one place, link_turn(), which runs from the loop and never from inside an
 * answer: whoever finds a fault calls plane_link_fail(), which only notes it. So no callback ever
 * stands on a connection that is being freed.
 */
#include "plane_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum { PLANE_PROTOCOL = 1 };

struct plane_link {
	struct event_base *base;
	struct config_plane plane;
	struct plane_link_events events;
	struct plane_hello hello;
	struct event *turn;	/* timer: connect, greet again, or a deadline */
	struct event *readable; /* while connected */
	struct event *writable;
	struct rpc_client *client; /* NULL: not connected */
	struct pending *pending;   /* calls on their way, oldest first: they are answered so */
	uint32_t pending_count;
	int fd;
	int backoff_ms;
	int64_t since_ms;
	int64_t connect_at_ms;
	int64_t greet_at_ms;
	bool up;
	bool settled;
	bool doomed;   /* to be closed at the next turn */
	bool greeting; /* a plane.hello is on its way */
	char error[LINK_ERROR_BYTES_MAX];
	char told[LINK_ERROR_BYTES_MAX]; /* the error that was logged last */
};

/* A call on its way. Freed by its answer, which always comes (rpc_client_destroy() gives empty
 * ones). */
struct pending {
	struct plane_link *link;
	struct pending *next;
	const char *method;
	int64_t asked_ms;
	int64_t first_ms; /* it is the oldest one since then; 0: it is not */
	int timeout_ms;
	bool is_query;
	rpc_answered answered; /* NULL: a query that was given up, its answer comes too late */
	void *user;
};

int64_t
plane_link_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ask for a turn in @p delay_ms, 0: as soon as the loop gets there. */
static void
link_schedule(struct plane_link *link, int64_t delay_ms)
{
	struct timeval delay = { .tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000 };

	(void)event_add(link->turn, &delay);
}

/* When something is to be done about the call; INT64_MAX: nothing, until it is the oldest one. */
static int64_t
pending_due_ms(const struct pending *call)
{
	int64_t late_ms = call->first_ms > 0 ? call->first_ms + call->timeout_ms : INT64_MAX;
	int64_t busy_ms = call->is_query && call->answered != NULL
				  ? call->asked_ms + call->timeout_ms
				  : INT64_MAX;

	return late_ms < busy_ms ? late_ms : busy_ms;
}

/* The next thing that is due by time. */
static void
link_reschedule(struct plane_link *link)
{
	int64_t at_ms = link->client == NULL ? link->connect_at_ms : link->greet_at_ms;
	int64_t delay_ms;

	for (const struct pending *call = link->pending; call != NULL; call = call->next) {
		if (pending_due_ms(call) < at_ms)
			at_ms = pending_due_ms(call);
	}
	delay_ms = at_ms - plane_link_now_ms();
	link_schedule(link, link->doomed || delay_ms < 0 ? 0 : delay_ms);
}

void
plane_link_fail(struct plane_link *link, const char *why)
{
	if (link->doomed || link->client == NULL)
		return;
	link->doomed = true;
	snprintf(link->error, sizeof link->error, "%s", why);
	link_schedule(link, 0);
}

static void
link_close(struct plane_link *link)
{
	struct rpc_client *client = link->client;

	link->client = NULL; /* first: answers of the dying client may want to call again */
	link->up = false;
	link->doomed = false;
	link->greeting = false;
	if (link->readable != NULL)
		event_free(link->readable);
	if (link->writable != NULL)
		event_free(link->writable);
	link->readable = NULL;
	link->writable = NULL;
	rpc_client_destroy(client);
	if (link->fd >= 0)
		(void)close(link->fd);
	link->fd = -1;
}

/* --- bytes --- */

static void
link_flush(struct plane_link *link)
{
	const char *bytes;
	size_t size;

	/* Ends: each pass sends at least one byte of a bounded output, or leaves. */
	while ((bytes = rpc_client_output(link->client, &size)) != NULL) {
		ssize_t sent = send(link->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			rpc_client_sent(link->client, (size_t)sent);
		} else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			(void)event_add(link->writable, NULL);
			return;
		} else if (sent == 0 || errno != EINTR) {
			plane_link_fail(link, "the plane closed the connection");
			return;
		}
	}
}

static void
link_on_writable(evutil_socket_t fd, short what, void *user)
{
	struct plane_link *link = user;

	if (!link->doomed)
		link_flush(link);
}

static void
link_on_readable(evutil_socket_t fd, short what, void *user)
{
	struct plane_link *link = user;
	char bytes[LINK_READ_BYTES];
	ssize_t size;

	if (link->doomed)
		return;
	size = recv(link->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (size == 0)
		plane_link_fail(link, "the plane closed the connection");
	else if (size < 0 && errno != EAGAIN && errno != EINTR)
		plane_link_fail(link, strerror(errno));
	else if (size > 0 && rpc_client_feed(link->client, bytes, (size_t)size) < 0)
		plane_link_fail(link,
				"what answers on the socket does not speak the plane protocol");
}

/* --- calls --- */

static void
pending_unlink(struct plane_link *link, const struct pending *call)
{
	struct pending **place = &link->pending;

	while (*place != call)
		place = &(*place)->next;
	*place = call->next;
	link->pending_count--;
	/* The plane answers in order: the next one's time starts when the one before is over. */
	if (link->pending != NULL && link->pending->first_ms == 0)
		link->pending->first_ms = plane_link_now_ms();
}

static void
link_on_answer(void *user, const struct rpc_answer *answer)
{
	struct pending *call = user;
	struct plane_link *link = call->link;

	pending_unlink(link, call);
	if (call->answered != NULL)
		call->answered(call->user, answer);
	free(call);
	if (link->client != NULL)
		link_reschedule(link);
}

cJSON *
plane_link_busy_error(void)
{
	cJSON *error = cJSON_CreateObject();
	cJSON *data = cJSON_AddObjectToObject(error, "data");

	if (data != NULL && cJSON_AddNumberToObject(error, "code", RPC_REFUSED) != NULL &&
	    cJSON_AddStringToObject(error, "message",
				    "no answer in time: the plane is busy with a change") != NULL &&
	    cJSON_AddStringToObject(data, "code", "busy") != NULL &&
	    cJSON_AddStringToObject(data, "hint", "ask again in a moment") != NULL)
		return error;
	cJSON_Delete(error);
	return NULL;
}

/* The connection stays, and so does the call: its answer comes, and nobody waits for it. */
static void
query_give_up(struct pending *call)
{
	rpc_answered answered = call->answered;
	cJSON *error = plane_link_busy_error();

	call->answered = NULL;
	answered(call->user, &(struct rpc_answer){ .error = error });
	cJSON_Delete(error);
}

static bool
link_is_busy(const struct plane_link *link)
{
	for (const struct pending *call = link->pending; call != NULL; call = call->next) {
		if (call->answered == NULL)
			return true;
	}
	return false;
}

/* Everything of plane_link_call() but the ownership of params on early failure. */
static int
link_call(struct plane_link *link, const struct plane_link_call *request, struct pending *call)
{
	int64_t now_ms = plane_link_now_ms();
	struct pending **place = &link->pending;
	int r = rpc_client_call(
		link->client,
		&(struct rpc_question){ request->method, request->params, link_on_answer, call });

	if (r < 0)
		return r;
	*call = (struct pending){ .link = link,
				  .method = request->method,
				  .asked_ms = now_ms,
				  .first_ms = link->pending == NULL ? now_ms : 0,
				  .timeout_ms = request->timeout_ms,
				  .is_query = request->is_query,
				  .answered = request->answered,
				  .user = request->user };
	while (*place != NULL)
		place = &(*place)->next;
	*place = call;
	link->pending_count++;
	link_flush(link);
	link_reschedule(link);
	return 0;
}

int
plane_link_call(struct plane_link *link, const struct plane_link_call *request)
{
	struct pending *call = NULL;
	int r = 0;

	if (link->client == NULL || link->doomed)
		r = -ENOTCONN;
	else if (link->pending_count >= LINK_CALLS_MAX)
		r = -ENOBUFS;
	else if (request->is_query && link_is_busy(link))
		r = -EBUSY;
	else if ((call = malloc(sizeof *call)) == NULL)
		r = -ENOMEM;
	if (r < 0) {
		cJSON_Delete(request->params);
		return r;
	}
	r = link_call(link, request, call);
	if (r < 0)
		free(call);
	return r;
}

/* --- greeting --- */

static bool
hello_copy(const cJSON *result, const char *name, char *ret_text, size_t size)
{
	const char *text = json_get_string(result, name, NULL);

	if (text == NULL || strlen(text) >= size)
		return false;
	snprintf(ret_text, size, "%s", text);
	return true;
}

static bool
hello_read(const cJSON *result, struct plane_hello *ret_hello)
{
	struct plane_hello hello = { 0 };
	int64_t generation = json_get_integer(result, "generation", -1);

	if (!hello_copy(result, "version", hello.version, sizeof hello.version) ||
	    !hello_copy(result, "kind", hello.kind, sizeof hello.kind) ||
	    !hello_copy(result, "name", hello.name, sizeof hello.name) ||
	    !hello_copy(result, "key_check", hello.key_check, sizeof hello.key_check) ||
	    !hello_copy(result, "digest", hello.digest, sizeof hello.digest) || generation < 0)
		return false;
	hello.generation = (uint64_t)generation;
	*ret_hello = hello;
	return true;
}

static void
link_came_up(struct plane_link *link)
{
	link->up = true;
	link->settled = true;
	link->since_ms = plane_link_now_ms();
	link->error[0] = '\0';
	link->told[0] = '\0';
	log_notice("plane %s: connected: %s %s, generation %llu, digest %s", link->plane.name,
		   link->hello.kind, link->hello.version,
		   (unsigned long long)link->hello.generation, link->hello.digest);
	if (strcmp(link->hello.name, link->plane.name) != 0)
		log_warning(
			"plane %s: the plane at %s calls itself \"%s\": give it the same name in "
			"both configurations",
			link->plane.name, link->plane.socket, link->hello.name);
}

static void
link_on_hello(void *user, const struct rpc_answer *answer)
{
	struct plane_link *link = user;
	int64_t protocol = json_get_integer(answer->result, "protocol", 0);
	char why[LINK_ERROR_BYTES_MAX];

	link->greeting = false;
	link->greet_at_ms = plane_link_now_ms() + LINK_HELLO_INTERVAL_MS;
	if (link->client == NULL || link->doomed)
		return;
	if (answer->result == NULL) {
		snprintf(why, sizeof why, "plane.hello was refused: %s",
			 json_get_string(answer->error, "message", "no reason given"));
		plane_link_fail(link, why);
	} else if (protocol != PLANE_PROTOCOL) {
		snprintf(why, sizeof why,
			 "it speaks plane protocol %lld and this daemon %d: install the same "
			 "version",
			 (long long)protocol, PLANE_PROTOCOL);
		plane_link_fail(link, why);
	} else if (!hello_read(answer->result, &link->hello)) {
		plane_link_fail(link, "its plane.hello lacks members of protocol 1");
	} else {
		if (!link->up)
			link_came_up(link);
		link_reschedule(link);
		link->events.greeted(link->events.user, link);
	}
}

void
plane_link_greet(struct plane_link *link)
{
	const struct plane_link_call call = { .method = "plane.hello",
					      .timeout_ms = LINK_HELLO_MS,
					      .answered = link_on_hello,
					      .user = link };

	/* Out of the way of the timer while it is on its way; its deadline counts then. */
	link->greet_at_ms = plane_link_now_ms() + LINK_HELLO_INTERVAL_MS;
	if (!link->greeting && plane_link_call(link, &call) == 0)
		link->greeting = true;
}

/* --- connecting --- */

static const char *
connect_reason(int error, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return "it is no socket: give the path in the plane's own \"socket\"";
	switch (error) {
	case ENOENT:
		return "no such socket: is the plane running with this \"socket\"?";
	case ECONNREFUSED:
		return "nothing listens on the socket: is the plane running?";
	case EACCES:
	case EPERM:
		return "no permission: the socket must be writable by the group of fairleadd";
	default:
		return strerror(error);
	}
}

static int
link_connect(struct plane_link *link)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", link->plane.socket);
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	if (rpc_client_create(&link->client) < 0)
		return -ENOMEM;
	link->readable =
		event_new(link->base, link->fd, EV_READ | EV_PERSIST, link_on_readable, link);
	link->writable = event_new(link->base, link->fd, EV_WRITE, link_on_writable, link);
	if (link->readable == NULL || link->writable == NULL || event_add(link->readable, NULL) < 0)
		return -ENOMEM;
	plane_link_greet(link);
	return link->greeting ? 0 : -ENOMEM;
}

/* The reason is logged when it is a new one: a plane that stays away says so once. */
static void
link_lost(struct plane_link *link, const char *why)
{
	int64_t now_ms = plane_link_now_ms();
	bool was_up = link->up;

	if (was_up && now_ms - link->since_ms >= LINK_STABLE_MS)
		link->backoff_ms = LINK_BACKOFF_MS_MIN;
	link_close(link);
	snprintf(link->error, sizeof link->error, "%s", why);
	if (was_up || strcmp(link->told, link->error) != 0)
		log_warning("plane %s (%s): %s; trying again", link->plane.name, link->plane.socket,
			    link->error);
	memcpy(link->told, link->error, sizeof link->told);
	if (was_up || !link->settled)
		link->since_ms = now_ms;
	link->settled = true;
	link->connect_at_ms = now_ms + link->backoff_ms;
	link->backoff_ms *= 2;
	if (link->backoff_ms > LINK_BACKOFF_MS_MAX)
		link->backoff_ms = LINK_BACKOFF_MS_MAX;
	link->events.lost(link->events.user, link);
}

/* The first call that something is to be done about by now. */
static struct pending *
link_due_call(const struct plane_link *link)
{
	int64_t now_ms = plane_link_now_ms();

	for (struct pending *call = link->pending; call != NULL; call = call->next) {
		if (pending_due_ms(call) <= now_ms)
			return call;
	}
	return NULL;
}

/* The plane had its time for the call. */
static bool
pending_is_late(const struct pending *call)
{
	return call->first_ms > 0 && call->first_ms + call->timeout_ms <= plane_link_now_ms();
}

static void
link_on_turn(evutil_socket_t fd, short what, void *user)
{
	struct plane_link *link = user;
	struct pending *due = link_due_call(link);
	int64_t now_ms = plane_link_now_ms();
	char why[LINK_ERROR_BYTES_MAX];

	if (link->doomed) {
		memcpy(why, link->error, sizeof why);
		link_lost(link, why);
	} else if (due != NULL && pending_is_late(due)) {
		snprintf(why, sizeof why, "no answer to %s within %d ms", due->method,
			 due->timeout_ms);
		link_lost(link, why);
	} else if (due != NULL) {
		query_give_up(due);
	} else if (link->client == NULL && link->connect_at_ms <= now_ms) {
		int r = link_connect(link);

		if (r < 0)
			link_lost(link, connect_reason(-r, link->plane.socket));
	} else if (link->client != NULL && link->greet_at_ms <= now_ms) {
		plane_link_greet(link);
	}
	link_reschedule(link);
}

int
plane_link_create(struct event_base *base, const struct config_plane *plane,
		  const struct plane_link_events *events, struct plane_link **ret_link)
{
	struct plane_link *link = calloc(1, sizeof *link);

	if (link == NULL)
		return -ENOMEM;
	link->base = base;
	link->plane = *plane;
	link->events = *events;
	link->fd = -1;
	link->backoff_ms = LINK_BACKOFF_MS_MIN;
	link->since_ms = plane_link_now_ms();
	link->connect_at_ms = link->since_ms;
	link->turn = evtimer_new(base, link_on_turn, link);
	if (link->turn == NULL) {
		plane_link_destroy(link);
		return -ENOMEM;
	}
	link_schedule(link, 0);
	*ret_link = link;
	return 0;
}

void
plane_link_destroy(struct plane_link *link)
{
	if (link == NULL)
		return;
	link_close(link);
	if (link->turn != NULL)
		event_free(link->turn);
	free(link);
}

bool
plane_link_is_up(const struct plane_link *link)
{
	return link->up && !link->doomed;
}

bool
plane_link_has_room(const struct plane_link *link)
{
	return link->pending_count < LINK_QUERIES_MAX || link_is_busy(link);
}

bool
plane_link_is_settled(const struct plane_link *link)
{
	return link->settled;
}

const struct plane_hello *
plane_link_hello(const struct plane_link *link)
{
	return &link->hello;
}

bool
plane_link_is(const struct plane_link *link, const struct config_plane *plane)
{
	return strcmp(link->plane.name, plane->name) == 0 &&
	       strcmp(link->plane.socket, plane->socket) == 0;
}

const char *
plane_link_name(const struct plane_link *link)
{
	return link->plane.name;
}

const char *
plane_link_socket(const struct plane_link *link)
{
	return link->plane.socket;
}

const char *
plane_link_error(const struct plane_link *link)
{
	return link->error;
}

int64_t
plane_link_since_ms(const struct plane_link *link)
{
	return link->since_ms;
}
