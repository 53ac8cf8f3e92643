/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The answering side of rpc.h. Answers are written straight into the session's output, without a
 * tree of their own, so that running out of memory can still be answered. What cannot be answered
 * breaks the session: rpc_session_error() tells, its owner closes it.
 */
#include "rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc_stream.h"

struct rpc_session {
	rpc_handler handler;
	void *user;
	struct rpc_lines lines;
	int64_t line_started_ms; /* when the pending line's first byte came */
	struct rpc_output output;
	struct rpc_call *calls; /* being served, newest first */
	uint32_t call_count;
	int error; /* answers were lost */
};

/* What an error answer is made of. */
struct refusal {
	const cJSON *id; /* NULL: null */
	enum rpc_code code;
	const char *data_code; /* NULL: that of the first error */
	const char *prefix;    /* before each path that the errors have */
	const struct json_errors *errors;
};

static const struct json_field envelope_fields[] = {
	{ "jsonrpc", JSON_KIND_STRING, true, 3, 3 },
	{ "id", JSON_KIND_ANY, true, 0, 0 },
	{ "method", JSON_KIND_STRING, true, 1, RPC_METHOD_BYTES_MAX },
	{ "params", JSON_KIND_OBJECT, false, 0, 0 },
	{ NULL, JSON_KIND_ANY, false, 0, 0 },
};

int
rpc_session_create(rpc_handler handler, void *user, struct rpc_session **ret_session)
{
	struct rpc_session *session = calloc(1, sizeof *session);

	assert(handler != NULL && ret_session != NULL);
	if (session == NULL)
		return -ENOMEM;
	session->handler = handler;
	session->user = user;
	session->lines.line_max = RPC_LINE_BYTES_MAX;
	*ret_session = session;
	return 0;
}

void
rpc_session_destroy(struct rpc_session *session)
{
	if (session == NULL)
		return;
	for (struct rpc_call *call = session->calls; call != NULL; call = call->next)
		call->session = NULL;
	rpc_lines_free(&session->lines);
	free(session->output.buffer.bytes);
	free(session);
}

/* --- answers --- */

static void
write_envelope(struct rpc_writer *writer, const cJSON *id, const char *member)
{
	rpc_write_text(writer, "{\"jsonrpc\":\"2.0\",\"id\":");
	if (id == NULL)
		rpc_write_text(writer, "null");
	else
		rpc_write_tree(writer, id);
	rpc_write_text(writer, member);
}

static void
write_path(struct rpc_writer *writer, const struct refusal *refusal, const struct json_error *error)
{
	char path[JSON_POINTER_BYTES_MAX + 16];

	/* A located error is about a document that the request carries as text: its pointer leads
	 * there. */
	(void)snprintf(path, sizeof path, "%s%s", error->line == 0 ? refusal->prefix : "",
		       error->pointer);
	rpc_write_text(writer, ",\"path\":");
	rpc_write_string(writer, path);
}

static void
write_error_item(struct rpc_writer *writer, const struct refusal *refusal,
		 const struct json_error *error)
{
	rpc_write_text(writer, "{\"code\":");
	rpc_write_string(writer, error->code);
	write_path(writer, refusal, error);
	rpc_write_text(writer, ",\"message\":");
	rpc_write_string(writer, error->message);
	rpc_write_text(writer, ",\"hint\":");
	rpc_write_string(writer, error->hint);
	if (error->line != 0) {
		rpc_write_text(writer, ",\"line\":");
		rpc_write_integer(writer, error->line);
		rpc_write_text(writer, ",\"column\":");
		rpc_write_integer(writer, error->column);
	}
	rpc_write_text(writer, "}");
}

static int
write_refusal(struct json_buffer *buffer, const struct refusal *refusal)
{
	struct rpc_writer writer = rpc_write_begin(buffer, RPC_REPLY_BYTES_MAX);
	const struct json_error *first = &refusal->errors->items[0];

	write_envelope(&writer, refusal->id, ",\"error\":{\"code\":");
	rpc_write_integer(&writer, refusal->code);
	rpc_write_text(&writer, ",\"message\":");
	rpc_write_string(&writer, first->message);
	rpc_write_text(&writer, ",\"data\":{\"code\":");
	rpc_write_string(&writer, refusal->data_code != NULL ? refusal->data_code : first->code);
	write_path(&writer, refusal, first);
	rpc_write_text(&writer, ",\"hint\":");
	rpc_write_string(&writer, first->hint);
	rpc_write_text(&writer, ",\"errors\":[");
	for (uint32_t i = 0; i < refusal->errors->count; i++) {
		if (i > 0)
			rpc_write_text(&writer, ",");
		write_error_item(&writer, refusal, &refusal->errors->items[i]);
	}
	rpc_write_text(&writer, "]");
	if (refusal->errors->dropped > 0) {
		rpc_write_text(&writer, ",\"errors_dropped\":");
		rpc_write_integer(&writer, refusal->errors->dropped);
	}
	rpc_write_text(&writer, "}}}");
	return rpc_write_end(&writer);
}

/* A line was written, its bytes begin at @p start of the buffer: does it fit what may wait? */
static void
session_bound_output(struct rpc_session *session, size_t start)
{
	struct rpc_output *output = &session->output;

	if (output->buffer.size - output->sent <= RPC_OUTPUT_BYTES_MAX)
		return;
	output->buffer.size = start;
	session->error = -ENOBUFS;
}

static void
session_refuse(struct rpc_session *session, const struct refusal *refusal)
{
	size_t start = session->output.buffer.size;
	int r;

	if (session->error < 0)
		return;
	r = write_refusal(&session->output.buffer, refusal);
	if (r < 0)
		session->error = r == -ENOMEM ? -ENOMEM : -ENOBUFS;
	else
		session_bound_output(session, start);
}

/* The JSON-RPC code that goes with a data.code which has no place in the document. */
static enum rpc_code
code_of(const char *data_code)
{
	if (strcmp(data_code, "method_not_found") == 0)
		return RPC_METHOD_NOT_FOUND;
	if (strcmp(data_code, "internal") == 0 || strcmp(data_code, "no_memory") == 0 ||
	    strcmp(data_code, "reply_too_large") == 0)
		return RPC_INTERNAL;
	return RPC_REFUSED;
}

static void
session_refuse_plain(struct rpc_session *session, const cJSON *id, const char *data_code,
		     const char *message)
{
	struct json_errors errors;

	errors.count = errors.dropped = 0;
	json_error_add(&errors, NULL, data_code, NULL, "%s", message);
	session_refuse(session, &(struct refusal){ .id = id,
						   .code = code_of(data_code),
						   .prefix = "",
						   .errors = &errors });
}

static void
session_answer(struct rpc_session *session, const cJSON *id, const cJSON *result)
{
	size_t start = session->output.buffer.size;
	struct rpc_writer writer;
	int r = -ENOMEM;

	if (session->error < 0)
		return;
	if (result != NULL) {
		writer = rpc_write_begin(&session->output.buffer, RPC_REPLY_BYTES_MAX);
		write_envelope(&writer, id, ",\"result\":");
		rpc_write_tree(&writer, result);
		rpc_write_text(&writer, "}");
		r = rpc_write_end(&writer);
	}
	if (r == -ENOMEM)
		session_refuse_plain(session, id, "no_memory", "there was no memory for the reply");
	else if (r == -EMSGSIZE)
		session_refuse_plain(session, id, "reply_too_large",
				     "the reply is larger than this protocol allows; ask for less");
	else if (r < 0)
		session_refuse_plain(session, id, "internal",
				     "the reply holds a value that this protocol cannot carry");
	else
		session_bound_output(session, start);
}

/* Takes the call off its session and frees it. */
static void
call_finish(struct rpc_call *call)
{
	struct rpc_call **link = call->session == NULL ? NULL : &call->session->calls;

	for (; link != NULL && *link != NULL; link = &(*link)->next) {
		if (*link == call) {
			*link = call->next;
			call->session->call_count--;
			break;
		}
	}
	cJSON_Delete(call->request);
	free(call);
}

void
rpc_reply(struct rpc_call *call, cJSON *result)
{
	if (call->session != NULL)
		session_answer(call->session, json_get(call->request, "id"), result);
	cJSON_Delete(result);
	call_finish(call);
}

void
rpc_fail(struct rpc_call *call, enum rpc_code code, const struct json_errors *errors)
{
	assert(errors->count > 0);
	if (call->session != NULL)
		session_refuse(call->session,
			       &(struct refusal){ .id = json_get(call->request, "id"),
						  .code = code,
						  .prefix = "/params",
						  .errors = errors });
	call_finish(call);
}

void
rpc_fail_plain(struct rpc_call *call, const char *data_code, const char *hint, const char *format,
	       ...)
{
	struct refusal refusal = { .code = code_of(data_code), .prefix = "" };
	char message[JSON_MESSAGE_BYTES_MAX * 2]; /* json_error_add() cuts it properly */
	struct json_errors errors;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	errors.count = errors.dropped = 0;
	json_error_add(&errors, NULL, data_code, hint, "%s", message);
	refusal.id = json_get(call->request, "id");
	refusal.errors = &errors;
	if (call->session != NULL)
		session_refuse(call->session, &refusal);
	call_finish(call);
}

char *
rpc_refusal(const char *data_code, const char *message)
{
	struct refusal refusal = { .code = code_of(data_code), .prefix = "" };
	struct json_buffer buffer = { 0 };
	struct json_errors errors;

	errors.count = errors.dropped = 0;
	json_error_add(&errors, NULL, data_code, NULL, "%s", message);
	refusal.errors = &errors;
	if (write_refusal(&buffer, &refusal) < 0 || json_buffer_put(&buffer, "", 1) < 0) {
		free(buffer.bytes);
		return NULL;
	}
	return buffer.bytes;
}

/* --- requests --- */

/* Is it a request? Says all that is wrong with the envelope. */
static bool
envelope_check(const cJSON *root, struct json_errors *errors)
{
	const struct json_path version_path = { .name = "jsonrpc" };
	const struct json_path id_path = { .name = "id" };
	const cJSON *id;

	if (cJSON_IsArray(root)) {
		json_error_add(errors, NULL, "invalid_request", "send one request a line",
			       "batches are not served");
		return false;
	}
	if (!json_check(root, envelope_fields, NULL, errors))
		return false;
	if (strcmp(json_get_string(root, "jsonrpc", ""), "2.0") != 0)
		json_error_add(errors, &version_path, "invalid_value", NULL,
			       "\"jsonrpc\" must be \"2.0\"");
	id = json_get(root, "id");
	if (!cJSON_IsNumber(id) && !cJSON_IsString(id))
		json_error_add(errors, &id_path, "wrong_type", NULL,
			       "\"id\" must be an integer or a string");
	return errors->count == 0;
}

/* Takes @p root, a checked request. */
static int
session_call(struct rpc_session *session, cJSON *root)
{
	struct rpc_call *call;

	if (session->call_count == RPC_CALLS_MAX) {
		session_refuse_plain(session, json_get(root, "id"), "too_many_calls",
				     "too many calls of this session wait for their answer");
		cJSON_Delete(root);
		return session->error;
	}
	call = calloc(1, sizeof *call);
	if (call == NULL) {
		cJSON_Delete(root);
		return -ENOMEM;
	}
	*call = (struct rpc_call){ .method = json_get_string(root, "method", ""),
				   .params = json_get(root, "params"),
				   .user = session->user,
				   .session = session,
				   .request = root,
				   .next = session->calls };
	session->calls = call;
	session->call_count++;
	session->handler(call);
	return session->error;
}

static int
session_line(struct rpc_session *session, const struct rpc_line *line)
{
	struct refusal refusal = { .code = RPC_PARSE_ERROR, .prefix = "" };
	struct json_errors errors;
	cJSON *root;
	int r = -EBADMSG;

	errors.count = errors.dropped = 0;
	refusal.errors = &errors;
	if (line->too_long)
		json_error_add(&errors, NULL, "line_too_long", NULL,
			       "a request is larger than %d bytes", RPC_LINE_BYTES_MAX);
	else
		r = json_read(line->text, line->size, &root, &errors);
	if (r == -ENOMEM)
		return -ENOMEM;
	if (r == 0) {
		if (envelope_check(root, &errors))
			return session_call(session, root);
		cJSON_Delete(root);
		refusal.code = RPC_INVALID_REQUEST;
		refusal.data_code = "invalid_request";
	}
	session_refuse(session, &refusal);
	return session->error;
}

int
rpc_session_feed(struct rpc_session *session, const char *bytes, size_t size, int64_t now_ms)
{
	struct rpc_input input = { .bytes = bytes, .size = size };
	bool pending_since_before = rpc_lines_pending(&session->lines);
	struct rpc_line line;
	int r = session->error;

	while (r == 0 && (r = rpc_lines_take(&session->lines, &input, &line)) > 0) {
		/* A line too long is told before its end: it pends until its newline. */
		if (!line.too_long || !session->lines.skipping)
			pending_since_before = false;
		r = session_line(session, &line);
	}
	if (rpc_lines_pending(&session->lines) && !pending_since_before)
		session->line_started_ms = now_ms;
	if (r < 0)
		session->error = r;
	return r;
}

bool
rpc_session_late(const struct rpc_session *session, int64_t now_ms)
{
	return rpc_lines_pending(&session->lines) &&
	       now_ms - session->line_started_ms > RPC_LINE_SECONDS_MAX * INT64_C(1000);
}

int
rpc_session_error(const struct rpc_session *session)
{
	return session->error;
}

const char *
rpc_session_output(const struct rpc_session *session, size_t *ret_size)
{
	return rpc_output_bytes(&session->output, ret_size);
}

void
rpc_session_sent(struct rpc_session *session, size_t size)
{
	rpc_output_sent(&session->output, size);
}

int
rpc_session_notify(struct rpc_session *session, const char *method, cJSON *params)
{
	size_t start = session->output.buffer.size;
	struct rpc_writer writer = rpc_write_begin(&session->output.buffer, RPC_REPLY_BYTES_MAX);
	int r;

	if (session->error < 0) {
		cJSON_Delete(params);
		return session->error;
	}
	rpc_write_text(&writer, "{\"jsonrpc\":\"2.0\",\"method\":");
	rpc_write_string(&writer, method);
	if (params != NULL) {
		rpc_write_text(&writer, ",\"params\":");
		rpc_write_tree(&writer, params);
	}
	rpc_write_text(&writer, "}");
	r = rpc_write_end(&writer);
	cJSON_Delete(params);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOBUFS;
	session_bound_output(session, start);
	return session->error;
}
