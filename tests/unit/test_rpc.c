/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: whatever bytes come, a session answers each line once, in the documented form, within its
 * limits. Method: tables of lines and whole answers, in pieces of every size; a handler that
 * answers at once, later, or too much. (The calling side and failing allocations:
 * test_rpc_client.c.)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fail_alloc.h"
#include "rpc.h"
#include "run.h"

enum { CALLS_KEPT = 2 * RPC_CALLS_MAX };

/* What the handler did; each test is a process of its own. */
static struct rpc_call *kept[CALLS_KEPT];
static uint32_t kept_count;

static void
fail_with_errors(struct rpc_call *call)
{
	static struct json_errors errors;
	const struct json_path list = { .name = "list" }, item = { .parent = &list, .index = 3 };

	memset(&errors, 0, sizeof errors);
	json_error_add(&errors, &item, "invalid_value", "take 2", "first \"wrong\"");
	json_error_add(&errors, NULL, "missing_member", NULL, "second wrong");
	json_error_add(&errors, NULL, "wrong_type", NULL, "third wrong");
	(void)snprintf(errors.items[2].pointer, sizeof errors.items[2].pointer, "/in/the/text");
	errors.items[2].line = 4; /* located: in a document that params carries as text */
	errors.items[2].column = 9;
	errors.dropped = 2;
	rpc_fail(call, RPC_INVALID_PARAMS, &errors);
}

static cJSON *
lengthy(size_t size)
{
	char *text = malloc(size + 1);
	cJSON *string;

	memset(text, 'x', size);
	text[size] = '\0';
	string = cJSON_CreateString(text);
	free(text);
	return string;
}

static void
handle(struct rpc_call *call)
{
	if (strcmp(call->method, "echo") == 0)
		rpc_reply(call, call->params == NULL ? cJSON_CreateNull()
						     : cJSON_Duplicate(call->params, true));
	else if (strcmp(call->method, "keep") == 0 && kept_count < CALLS_KEPT)
		kept[kept_count++] = call;
	else if (strcmp(call->method, "errors") == 0)
		fail_with_errors(call);
	else if (strcmp(call->method, "lengthy") == 0)
		rpc_reply(call, lengthy((size_t)json_get_integer(call->params, "size", 0)));
	else if (strcmp(call->method, "half") == 0)
		rpc_reply(call, cJSON_CreateNumber(0.5));
	else if (strcmp(call->method, "nothing") == 0)
		rpc_reply(call, NULL);
	else
		rpc_fail_plain(call, "method_not_found", "try \"echo\"", "no method \"%s\"",
			       call->method);
}

static struct rpc_session *
make_session(void)
{
	struct rpc_session *session;

	ck_assert_int_eq(rpc_session_create(handle, NULL, &session), 0);
	return session;
}

static void
feed(struct rpc_session *session, const char *text)
{
	ck_assert_int_eq(rpc_session_feed(session, text, strlen(text), 0), 0);
}

/* The output is exactly @p expected; takes it. */
static void
expect(struct rpc_session *session, const char *expected)
{
	size_t size;
	const char *output = rpc_session_output(session, &size);

	ck_assert_msg(size == strlen(expected) &&
			      (size == 0 || memcmp(output, expected, size) == 0),
		      "\n%.*s\n%s", (int)size, output == NULL ? "" : output, expected);
	rpc_session_sent(session, size);
	ck_assert_ptr_null(rpc_session_output(session, &size));
	ck_assert_uint_eq(size, 0);
}

#define REQUEST(id, rest) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":" rest "}\n"
#define RESULT(id, value) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" value "}\n"

START_TEST(test_rpc_session_answers_with_the_same_id)
{
	struct rpc_session *session = make_session();

	feed(session, REQUEST("1", "\"echo\""));
	expect(session, RESULT("1", "null"));
	feed(session, REQUEST("\"a\\u0001\"", "\"echo\",\"params\":{\"x\":[1,{}]}"));
	expect(session, RESULT("\"a\\u0001\"", "{\"x\":[1,{}]}"));
	feed(session, REQUEST("1000000000000000", "\"echo\"") REQUEST("-5", "\"echo\""));
	expect(session, RESULT("1000000000000000", "null") RESULT("-5", "null"));
	feed(session, REQUEST("7", "\"none\""));
	expect(session,
	       "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32601,\"message\":\"no method "
	       "\\\"none\\\"\",\"data\":{\"code\":\"method_not_found\",\"path\":\"\",\"hint\":"
	       "\"try "
	       "\\\"echo\\\"\",\"errors\":[{\"code\":\"method_not_found\",\"path\":\"\","
	       "\"message\":"
	       "\"no method \\\"none\\\"\",\"hint\":\"try \\\"echo\\\"\"}]}}}\n");
	rpc_session_destroy(session);
	rpc_session_destroy(NULL);
}
END_TEST

START_TEST(test_rpc_session_reports_all_errors_under_params)
{
	struct rpc_session *session = make_session();

	feed(session, REQUEST("1", "\"errors\""));
	expect(session,
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"first "
	       "\\\"wrong\\\"\",\"data\":{\"code\":\"invalid_value\",\"path\":\"/params/list/3\","
	       "\"hint\":\"take "
	       "2\",\"errors\":[{\"code\":\"invalid_value\",\"path\":\"/params/list/3\","
	       "\"message\":\"first \\\"wrong\\\"\",\"hint\":\"take "
	       "2\"},{\"code\":\"missing_member\","
	       "\"path\":\"/params\",\"message\":\"second "
	       "wrong\",\"hint\":\"\"},{\"code\":\"wrong_type\","
	       "\"path\":\"/in/the/text\",\"message\":\"third "
	       "wrong\",\"hint\":\"\",\"line\":4,\"column\":9}],"
	       "\"errors_dropped\":2}}}\n");
	rpc_session_destroy(session);
}
END_TEST

/* Takes the one answer; it must be an error. */
static void
expect_error(struct rpc_session *session, int64_t code, const char *data_code, const char *path)
{
	struct json_errors errors = { 0 };
	size_t size;
	const char *output = rpc_session_output(session, &size);
	const cJSON *error, *data;
	cJSON *root;

	ck_assert_ptr_nonnull(output);
	ck_assert_int_eq(json_read(output, size, &root, &errors), 0);
	error = json_get(root, "error");
	data = json_get(error, "data");
	ck_assert_ptr_null(json_get(root, "result"));
	ck_assert_int_eq(json_get_integer(error, "code", 0), code);
	ck_assert_str_eq(json_get_string(data, "code", ""), data_code);
	if (path != NULL) {
		ck_assert_str_eq(json_get_string(data, "path", ""), path);
		ck_assert(cJSON_IsNull(json_get(root, "id")));
	}
	rpc_session_sent(session, size);
	cJSON_Delete(root);
}

START_TEST(test_rpc_session_refuses_what_is_not_a_request)
{
	static const struct {
		const char *line, *data_code, *path;
		int64_t code;
	} rows[] = {
		{ "\n", "parse_error", "", RPC_PARSE_ERROR },
		{ "garbage\n", "parse_error", "", RPC_PARSE_ERROR },
		{ "{\"id\":1,\"id\":2}\n", "duplicate_member", "/id", RPC_PARSE_ERROR },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}}\n", "parse_error", "",
		  RPC_PARSE_ERROR },
		{ "[]\n", "invalid_request", "", RPC_INVALID_REQUEST },
		{ "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}]\n", "invalid_request", "",
		  RPC_INVALID_REQUEST },
		{ "1\n", "invalid_request", "", RPC_INVALID_REQUEST },
		{ "{\"id\":1,\"method\":\"echo\"}\n", "invalid_request", "", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n", "invalid_request", "",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1}\n", "invalid_request", "", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}\n", "invalid_request",
		  "/jsonrpc", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":2,\"id\":1,\"method\":\"echo\"}\n", "invalid_request", "/jsonrpc",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"echo\"}\n", "invalid_request",
		  "/id", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"echo\"}\n", "invalid_request", "/id",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}\n", "invalid_request", "/method",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}\n", "invalid_request", "/method",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[]}\n",
		  "invalid_request", "/params", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"parms\":{}}\n",
		  "invalid_request", "/parms", RPC_INVALID_REQUEST },
	};
	struct rpc_session *session = make_session();

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		feed(session, rows[i].line);
		expect_error(session, rows[i].code, rows[i].data_code, rows[i].path);
		feed(session, REQUEST("1", "\"echo\"")); /* and goes on */
		expect(session, RESULT("1", "null"));
	}
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_session_takes_pieces_of_any_size)
{
	static const char text[] =
		REQUEST("1", "\"echo\",\"params\":{\"a\":\"\xc3\xa9\"}") "x\n\n" REQUEST(
			"2", "\"echo\"") "\r\n" REQUEST("3", "\"errors\"");
	struct rpc_session *session = make_session();
	const char *output;
	char *whole;
	size_t size, again;

	feed(session, text);
	output = rpc_session_output(session, &size);
	whole = malloc(size);
	memcpy(whole, output, size);
	rpc_session_destroy(session);
	for (size_t piece = 1; piece < sizeof text; piece++) {
		session = make_session();
		for (size_t i = 0; i < sizeof text - 1; i += piece)
			ck_assert_int_eq(
				rpc_session_feed(
					session, text + i,
					i + piece < sizeof text ? piece : sizeof text - 1 - i, 0),
				0);
		output = rpc_session_output(session, &again);
		ck_assert_uint_eq(again, size);
		ck_assert_mem_eq(output, whole, size);
		rpc_session_destroy(session);
	}
	free(whole);
}
END_TEST

/* A request of exactly @p size bytes, with its newline. */
static char *
padded_request(size_t size)
{
	static const char start[] = "{\"jsonrpc\":\"2.0\",\"id\":1,",
			  end[] = "\"method\":\"echo\"}\n";
	char *line = malloc(size + 1);

	memset(line, ' ', size);
	memcpy(line, start, strlen(start));
	memcpy(line + size - strlen(end), end, sizeof end);
	return line;
}

START_TEST(test_rpc_session_skips_a_line_too_long_and_goes_on)
{
	static const size_t pieces[] = { 1 << 12, RPC_LINE_BYTES_MAX - 1, RPC_LINE_BYTES_MAX,
					 RPC_LINE_BYTES_MAX + 1, 3 << 20 };
	char *fits = padded_request(RPC_LINE_BYTES_MAX);
	char *exceeds = padded_request(RPC_LINE_BYTES_MAX + 1);

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct rpc_session *session = make_session();

		for (size_t at = 0; at < RPC_LINE_BYTES_MAX; at += pieces[i])
			ck_assert_int_eq(rpc_session_feed(session, fits + at,
							  strnlen(fits + at, pieces[i]), 0),
					 0);
		expect(session, RESULT("1", "null"));
		for (size_t at = 0; at < RPC_LINE_BYTES_MAX + 1; at += pieces[i])
			ck_assert_int_eq(rpc_session_feed(session, exceeds + at,
							  strnlen(exceeds + at, pieces[i]), 0),
					 0);
		expect_error(session, RPC_PARSE_ERROR, "line_too_long", "");
		for (int k = 0; k < 3; k++) /* told once, however long it goes on */
			ck_assert_int_eq(rpc_session_feed(session, exceeds, RPC_LINE_BYTES_MAX, 0),
					 0);
		expect_error(session, RPC_PARSE_ERROR, "line_too_long", "");
		feed(session, "the rest\n" REQUEST("2", "\"echo\""));
		expect(session, RESULT("2", "null"));
		rpc_session_destroy(session);
	}
	free(fits);
	free(exceeds);
}
END_TEST

START_TEST(test_rpc_session_is_late_from_the_first_byte)
{
	const int64_t limit = RPC_LINE_SECONDS_MAX * 1000;
	struct rpc_session *session = make_session();

	ck_assert(!rpc_session_late(session, INT64_MAX));
	ck_assert_int_eq(rpc_session_feed(session, "{", 1, 1000), 0);
	ck_assert_int_eq(rpc_session_feed(session, " ", 1, 5000), 0); /* does not start again */
	ck_assert(!rpc_session_late(session, 1000 + limit));
	ck_assert(rpc_session_late(session, 1001 + limit));
	ck_assert_int_eq(rpc_session_feed(session, "}\n", 2, 6000), 0);
	ck_assert(!rpc_session_late(session, INT64_MAX));
	ck_assert_int_eq(rpc_session_feed(session, "x\n{", 3, 7000), 0);
	ck_assert(!rpc_session_late(session, 7000 + limit));
	ck_assert(rpc_session_late(session, 7001 + limit));
	rpc_session_destroy(session);
	/* So is the unending line. */
	session = make_session();
	for (int i = 0; i < 3; i++) {
		char *text = malloc(RPC_LINE_BYTES_MAX);

		memset(text, 'x', RPC_LINE_BYTES_MAX);
		ck_assert_int_eq(rpc_session_feed(session, text, RPC_LINE_BYTES_MAX, 10 * i), 0);
		free(text);
	}
	ck_assert(!rpc_session_late(session, limit));
	ck_assert(rpc_session_late(session, 1 + limit));
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_session_bounds_the_calls_in_flight)
{
	struct rpc_session *session = make_session();

	for (int i = 0; i < RPC_CALLS_MAX; i++)
		feed(session, REQUEST("\"kept\"", "\"keep\""));
	expect(session, "");
	feed(session, REQUEST("9", "\"echo\""));
	expect_error(session, RPC_REFUSED, "too_many_calls", NULL);
	rpc_reply(kept[10], cJSON_CreateTrue());
	expect(session, RESULT("\"kept\"", "true"));
	feed(session, REQUEST("9", "\"echo\""));
	expect(session, RESULT("9", "null"));
	rpc_fail_plain(kept[RPC_CALLS_MAX - 1], "busy", NULL, "%s", "not now");
	expect_error(session, RPC_REFUSED, "busy", NULL);
	rpc_fail_plain(kept[0], "internal", NULL, "broken");
	expect_error(session, RPC_INTERNAL, "internal", NULL);
	rpc_session_destroy(session);
	for (int i = 1; i < RPC_CALLS_MAX - 1; i++) {
		struct json_errors errors = { .count = 1 };

		if (i == 10)
			continue;
		ck_assert_str_eq(kept[i]->method, "keep"); /* still valid */
		if (i % 3 == 0)
			rpc_reply(kept[i], cJSON_CreateTrue());
		else if (i % 3 == 1)
			rpc_fail(kept[i], RPC_INTERNAL, &errors);
		else
			rpc_fail_plain(kept[i], "busy", NULL, "gone");
	}
}
END_TEST

/* Not one byte more may wait. */
static void
fill_output(struct rpc_session *session)
{
	char line[256];
	size_t size, envelope = strlen(RESULT("1", "\"\""));

	(void)snprintf(line, sizeof line, REQUEST("1", "\"lengthy\",\"params\":{\"size\":%zu}"),
		       RPC_REPLY_BYTES_MAX - envelope);
	feed(session, line);
	(void)rpc_session_output(session, &size);
	ck_assert_uint_eq(size, RPC_REPLY_BYTES_MAX);
	rpc_session_sent(session, 3); /* what is sent makes room */
	(void)snprintf(line, sizeof line, REQUEST("1", "\"lengthy\",\"params\":{\"size\":%zu}"),
		       RPC_OUTPUT_BYTES_MAX - RPC_REPLY_BYTES_MAX + 3 - envelope);
	feed(session, line);
	(void)rpc_session_output(session, &size);
	ck_assert_uint_eq(size, RPC_OUTPUT_BYTES_MAX);
}

START_TEST(test_rpc_session_bounds_replies_and_output)
{
	struct rpc_session *session = make_session();
	char line[256];
	size_t size, envelope = strlen(RESULT("1", "\"\""));

	feed(session, REQUEST("1", "\"half\""));
	expect_error(session, RPC_INTERNAL, "internal", NULL);
	feed(session, REQUEST("1", "\"nothing\""));
	expect_error(session, RPC_INTERNAL, "no_memory", NULL);
	(void)snprintf(line, sizeof line, REQUEST("1", "\"lengthy\",\"params\":{\"size\":%zu}"),
		       RPC_REPLY_BYTES_MAX - envelope + 1);
	feed(session, line);
	expect_error(session, RPC_INTERNAL, "reply_too_large", NULL);
	fill_output(session);
	ck_assert_int_eq(rpc_session_error(session), 0);
	ck_assert_int_eq(rpc_session_feed(session, REQUEST("2", "\"echo\""),
					  strlen(REQUEST("2", "\"echo\"")), 0),
			 -ENOBUFS);
	ck_assert_int_eq(rpc_session_error(session), -ENOBUFS);
	ck_assert_int_eq(rpc_session_feed(session, "", 0, 0), -ENOBUFS);
	ck_assert_int_eq(rpc_session_notify(session, "x", NULL), -ENOBUFS);
	(void)rpc_session_output(session, &size);
	ck_assert_uint_eq(size, RPC_OUTPUT_BYTES_MAX);
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_session_bounds_notifications)
{
	struct rpc_session *session = make_session();
	size_t size;

	fill_output(session);
	ck_assert_int_eq(rpc_session_notify(session, "x", NULL), -ENOBUFS);
	ck_assert_int_eq(rpc_session_error(session), -ENOBUFS);
	(void)rpc_session_output(session, &size);
	ck_assert_uint_eq(size, RPC_OUTPUT_BYTES_MAX);
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_session_output_is_sent_in_pieces)
{
	struct rpc_session *session = make_session();
	char seen[4096];
	size_t size, seen_size = 0;
	const char *output;

	for (int i = 0; i < 5; i++)
		feed(session, REQUEST("1", "\"echo\",\"params\":{\"a\":12345}"));
	while ((output = rpc_session_output(session, &size)) != NULL) {
		size_t piece = size < 7 ? size : 7;

		memcpy(seen + seen_size, output, piece);
		seen_size += piece;
		rpc_session_sent(session, piece);
		if (seen_size == 70)
			feed(session, REQUEST("2", "\"echo\""));
	}
	seen[seen_size] = '\0';
#define ONE RESULT("1", "{\"a\":12345}")
	ck_assert_str_eq(seen, ONE ONE ONE ONE ONE RESULT("2", "null"));
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_session_notifies)
{
	struct rpc_session *session = make_session();
	cJSON *params = cJSON_CreateObject(), *half = cJSON_CreateObject();

	cJSON_AddNumberToObject(params, "api", 1);
	cJSON_AddNumberToObject(half, "half", 0.5);
	ck_assert_int_eq(rpc_session_notify(session, "hello", params), 0);
	ck_assert_int_eq(rpc_session_notify(session, "bye", NULL), 0);
	ck_assert_int_lt(rpc_session_notify(session, "half", half), 0);
	expect(session, "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":{\"api\":1}}\n"
			"{\"jsonrpc\":\"2.0\",\"method\":\"bye\"}\n");
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_refusal_is_one_line)
{
	char *line = rpc_refusal("too_many_clients", "16 clients are connected");

	ck_assert_str_eq(
		line,
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"16 "
		"clients are connected\",\"data\":{\"code\":\"too_many_clients\",\"path\":\"\","
		"\"hint\":\"\",\"errors\":[{\"code\":\"too_many_clients\",\"path\":\"\","
		"\"message\":\"16 clients are connected\",\"hint\":\"\"}]}}}\n");
	free(line);
}
END_TEST

START_TEST(test_rpc_refusal_without_memory)
{
	fail_alloc_at(1);
	ck_assert_ptr_null(rpc_refusal("too_many_clients", "full"));
	ck_assert(fail_alloc_end());
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_rpc_session_answers_with_the_same_id,
				       test_rpc_session_reports_all_errors_under_params,
				       test_rpc_session_refuses_what_is_not_a_request,
				       test_rpc_session_takes_pieces_of_any_size,
				       test_rpc_session_skips_a_line_too_long_and_goes_on,
				       test_rpc_session_is_late_from_the_first_byte,
				       test_rpc_session_bounds_the_calls_in_flight,
				       test_rpc_session_bounds_replies_and_output,
				       test_rpc_session_bounds_notifications,
				       test_rpc_session_output_is_sent_in_pieces,
				       test_rpc_session_notifies,
				       test_rpc_refusal_is_one_line,
				       test_rpc_refusal_without_memory,
				       NULL };

	return run_tests("rpc", tests);
}
