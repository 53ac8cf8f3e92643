/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * JSON-RPC 2.0 framing, one object per line, without I/O: bytes in, calls out; replies in, bytes
 * out. Who owns the socket (epoll in a plane, libevent in the control daemon, plain read and write
 * in the command line) feeds it.
 *
 * One thread per session. A session that refused a line goes on with the next line, except after
 * a line over RPC_LINE_BYTES_MAX, whose rest cannot be told from a new line: it is skipped up to
 * the next newline.
 */
#ifndef PLANE_RPC_H
#define PLANE_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

enum {
	RPC_LINE_BYTES_MAX = 1 << 20, /**< a request, with its newline */
	RPC_REPLY_BYTES_MAX =
		16 << 20, /**< a reply; a larger one becomes the error "reply_too_large" */
	RPC_OUTPUT_BYTES_MAX =
		24 << 20,   /**< unsent replies of one session; beyond: the session must close */
	RPC_CALLS_MAX = 64, /**< calls of one session not answered yet; more: "too_many_calls" */
	RPC_LINE_SECONDS_MAX = 5,  /**< from the first byte of a line to its newline */
	RPC_METHOD_BYTES_MAX = 64, /**< a method's name */
};

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_REFUSED = -32000, /**< understood and refused; data.code says why */
};

struct rpc_session;

/** One request being served. Owned by the handler until rpc_reply() or rpc_fail() takes it back. */
struct rpc_call {
	const char *method;
	const cJSON *params; /**< an object, or NULL when absent */
	void *user;	     /**< what rpc_session_create() was given */
	/* below: the framing's own */
	struct rpc_session *session; /* NULL once the session is gone */
	cJSON *request;
	struct rpc_call *next;
};

/** Must end, now or later, in exactly one rpc_reply() or rpc_fail() on @p call. */
typedef void (*rpc_handler)(struct rpc_call *call);

/** @return 0; -ENOMEM. */
int rpc_session_create(rpc_handler handler, void *user, struct rpc_session **ret_session);

/** Calls in flight stay valid; their replies are dropped. NULL is fine. Not from within a handler.
 */
void rpc_session_destroy(struct rpc_session *session);

/**
 * Take received bytes; calls the handler for each complete request line, and answers by itself what
 * is not a request (error with id null): envelope members are exactly jsonrpc, id (integer or
 * string), method, params (object, may be absent). Batches are refused. An unreadable line's
 * data.code says what is wrong with it; an envelope's is "invalid_request", and data.errors says
 * which members.
 *
 * @param now_ms monotonic clock, for rpc_session_late().
 * @return 0; -ENOMEM or -ENOBUFS (output full): the caller closes the session.
 */
int rpc_session_feed(struct rpc_session *session, const char *bytes, size_t size, int64_t now_ms);

/** A half line is older than RPC_LINE_SECONDS_MAX: the caller closes the session. */
bool rpc_session_late(const struct rpc_session *session, int64_t now_ms);

/**
 * Answers were lost, also ones given after rpc_session_feed() returned: the owner closes the
 * session.
 * @return 0; -ENOMEM; -ENOBUFS (output full).
 */
int rpc_session_error(const struct rpc_session *session);

/** Bytes to send (borrowed until the next call on the session). @return NULL when there are none.
 */
const char *rpc_session_output(const struct rpc_session *session, size_t *ret_size);
void rpc_session_sent(struct rpc_session *session, size_t size);

/**
 * Append a notification line (no id), e.g. a greeting. Takes @p params (NULL: none).
 * @return 0; -ENOMEM; -ENOBUFS: output full, or larger than a reply may be.
 */
int rpc_session_notify(struct rpc_session *session, const char *method, cJSON *params);

/**
 * Answer; takes @p result and @p call. NULL (out of memory) and what json_print() cannot print
 * become an internal error.
 */
void rpc_reply(struct rpc_call *call, cJSON *result);

/**
 * Refuse; takes @p call. The reply's error is {code, message, data:{code, path, hint, errors}}:
 * message, data.code, data.path and data.hint of the first of @p errors, data.errors all of them
 * (with line and column when located), data.errors_dropped how many more there were, when there
 * were. Paths of the handler are relative to params: the framing puts "/params" before them, except
 * before located ones, which lead into a document that the request carries as text.
 *
 * @param errors at least one.
 */
void rpc_fail(struct rpc_call *call, enum rpc_code code, const struct json_errors *errors);

/**
 * The same with one error that has no place in the document. The code follows from @p data_code:
 * method_not_found, internal and no_memory have their own, all others are RPC_REFUSED.
 */
void rpc_fail_plain(struct rpc_call *call, const char *data_code, const char *hint,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/** A complete error line with id null for a peer that gets no session; malloc()ed, NUL-terminated,
 * with newline. NULL: no memory. */
char *rpc_refusal(const char *data_code, const char *message);

struct rpc_client;

/** What a peer answered; borrowed during the callback. */
struct rpc_answer {
	const cJSON *result; /**< NULL when it is an error */
	const cJSON *error;  /**< the error object; NULL: neither arrived, the connection is gone */
};
typedef void (*rpc_answered)(void *user, const struct rpc_answer *answer);

/** The calling side. @return 0; -ENOMEM. */
int rpc_client_create(struct rpc_client **ret_client);

/**
 * Calls not answered yet get an answer with neither result nor error, or with the last error that
 * the peer sent without an id. NULL is fine. Not from within a callback.
 */
void rpc_client_destroy(struct rpc_client *client);

/** A call to make. */
struct rpc_question {
	const char *method;    /**< borrowed during rpc_client_call() */
	cJSON *params;	       /**< taken; NULL: none */
	rpc_answered answered; /**< called once, with @p user */
	void *user;
};

/**
 * Queue a request; takes its params, also on failure.
 * @return 0; -ENOMEM; -ENOBUFS: RPC_CALLS_MAX unanswered, or the client is being destroyed;
 *         -EMSGSIZE: over RPC_LINE_BYTES_MAX; -EINVAL: json_print() cannot print the params.
 */
int rpc_client_call(struct rpc_client *client, const struct rpc_question *question);
const char *rpc_client_output(const struct rpc_client *client, size_t *ret_size);
void rpc_client_sent(struct rpc_client *client, size_t size);

/**
 * Take received bytes; runs the callbacks of the answers in them. Notifications (method, no id) are
 * ignored. An error with id null (a refusal of the connection, or of a line the peer could not
 * read) answers every call that waits.
 * @return 0; -EBADMSG: the peer does not speak this protocol, close; -ENOMEM.
 */
int rpc_client_feed(struct rpc_client *client, const char *bytes, size_t size);

#endif
