/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The connection to one plane: connects, greets, sends calls, gives up on late answers, and
 * connects again, LINK_BACKOFF_MS_MIN later, then twice as long each time up to
 * LINK_BACKOFF_MS_MAX.
 *
 * Nothing here knows what is pushed. The plane is greeted again every LINK_HELLO_INTERVAL_MS, so
 * that a plane whose state is not what it was is noticed while connected. One thread, that of the
 * loop.
 */
#ifndef CONTROL_PLANE_LINK_H
#define CONTROL_PLANE_LINK_H

#include <event2/event.h>

#include "config.h"
#include "model.h"
#include "rpc.h"

struct plane_link;

/** What the plane said of itself last. */
struct plane_hello {
	char version[CONTROL_NAME_BYTES_MAX + 1];
	char kind[CONTROL_NAME_BYTES_MAX + 1];
	char name[CONTROL_NAME_BYTES_MAX + 1];
	char key_check[CONTROL_NAME_BYTES_MAX + 1];
	char digest[MODEL_DIGEST_BYTES];
	uint64_t generation;
};

/** Both may be called from inside plane_link_call()'s answers; they must not destroy the link. */
struct plane_link_events {
	void (*greeted)(void *user, struct plane_link *link); /**< a plane.hello was answered */
	void (*lost)(void *user,
		     struct plane_link *link); /**< tried, or was, and is not connected */
	void *user;
};

/** One call. */
struct plane_link_call {
	const char *method;
	cJSON *params;	       /**< taken, also on failure; NULL: none */
	int timeout_ms;	       /**< without an answer by then the connection is closed; counts from
				  when the calls before were answered: a plane answers in order */
	bool is_query;	       /**< nothing depends on it: it is answered with an error where the
				  plane was busy with other calls for timeout_ms */
	rpc_answered answered; /**< exactly once, when plane_link_call() returned 0 */
	void *user;
};

/** Starts to connect at the loop's next turn. @return 0; -ENOMEM. */
int plane_link_create(struct event_base *base, const struct config_plane *plane,
		      const struct plane_link_events *events, struct plane_link **ret_link);

/** Calls not answered yet are answered with nothing. Not from inside an answer. NULL is fine. */
void plane_link_destroy(struct plane_link *link);

/** @return 0; -ENOTCONN; -ENOBUFS: LINK_CALLS_MAX unanswered; -EBUSY: a query, and an earlier one
 * was given up and is not answered yet; -EMSGSIZE; -ENOMEM. */
int plane_link_call(struct plane_link *link, const struct plane_link_call *call);

/** What a query is answered with while the plane is busy: an error object, owned by the caller.
 * NULL: no memory. */
cJSON *plane_link_busy_error(void);

/** Room for one more question that is no push, below LINK_QUERIES_MAX; or it is answered at once,
 * as the plane is busy. */
bool plane_link_has_room(const struct plane_link *link);

/** Close the connection at the loop's next turn and connect again; @p why is for the operator. */
void plane_link_fail(struct plane_link *link, const char *why);

/** Ask plane.hello again now. */
void plane_link_greet(struct plane_link *link);

/** Connected, and the plane has said who it is. */
bool plane_link_is_up(const struct plane_link *link);

/** Has been up or has failed once: the first attempt is over. */
bool plane_link_is_settled(const struct plane_link *link);

/** Valid while plane_link_is_up(); the last one known after that. */
const struct plane_hello *plane_link_hello(const struct plane_link *link);
/** It is the connection to what @p plane names. */
bool plane_link_is(const struct plane_link *link, const struct config_plane *plane);

const char *plane_link_name(const struct plane_link *link);
const char *plane_link_socket(const struct plane_link *link);

/** Why it is not connected; "" when it is. */
const char *plane_link_error(const struct plane_link *link);

/** Monotonic milliseconds at which it came up or was lost last. */
int64_t plane_link_since_ms(const struct plane_link *link);

/** Monotonic clock in milliseconds. */
int64_t plane_link_now_ms(void);

#endif
