/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a client matches answers to calls within its limits and refuses what is no answer; client
 * and session lose and leak nothing when memory runs out. Method: client and session joined back to
 * back, their bytes carried in small pieces; tables of wrong answers; the n-th allocation failing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fail_alloc.h"
#include "rpc.h"
#include "run.h"

static struct rpc_call *kept; /* by the handler; each test is a process of its own */

static void
handle(struct rpc_call *call)
{
	static struct json_errors errors;

	if (strcmp(call->method, "echo") == 0) {
		rpc_reply(call, call->params == NULL ? cJSON_CreateNull()
						     : cJSON_Duplicate(call->params, true));
	} else if (strcmp(call->method, "keep") == 0) {
		kept = call;
	} else if (strcmp(call->method, "errors") == 0) {
		errors.count = errors.dropped = 0;
		json_error_add(&errors, NULL, "invalid_value", NULL, "wrong");
		rpc_fail(call, RPC_INVALID_PARAMS, &errors);
	} else {
		rpc_fail_plain(call, "method_not_found", NULL, "no method \"%s\"", call->method);
	}
}

static struct rpc_session *
make_session(void)
{
	struct rpc_session *session;

	ck_assert_int_eq(rpc_session_create(handle, NULL, &session), 0);
	return session;
}

/* What the callbacks of a client saw. */
struct seen {
	uint32_t results, errors, neither;
	int64_t integer;
	char data_code[32];
	struct rpc_client *client; /* to call again from the callback */
};

static void
answered(void *user, const struct rpc_answer *answer)
{
	struct seen *seen = user;

	seen->results += answer->result != NULL;
	seen->errors += answer->error != NULL;
	seen->neither += answer->result == NULL && answer->error == NULL;
	seen->integer = json_get_integer(answer->result, "n", -1);
	(void)snprintf(seen->data_code, sizeof seen->data_code, "%s",
		       json_get_string(json_get(answer->error, "data"), "code", ""));
	if (seen->client != NULL && answer->result != NULL)
		ck_assert_int_eq(
			rpc_client_call(seen->client,
					&(struct rpc_question){ "echo", NULL, answered, seen }),
			0);
	if (seen->client != NULL && answer->result == NULL) /* while it is being destroyed */
		ck_assert_int_eq(
			rpc_client_call(seen->client,
					&(struct rpc_question){ "echo", NULL, answered, seen }),
			-ENOBUFS);
}

static struct rpc_client *
make_client(void)
{
	struct rpc_client *client;

	ck_assert_int_eq(rpc_client_create(&client), 0);
	return client;
}

/* Carries what both have to say, @p piece bytes at a time. */
static int
carry(struct rpc_client *client, struct rpc_session *session, size_t piece)
{
	size_t size = 1, back = 1;
	int r = 0;

	while (r == 0 && (size > 0 || back > 0)) {
		const char *bytes = rpc_client_output(client, &size);

		size = size < piece ? size : piece;
		r = size > 0 ? rpc_session_feed(session, bytes, size, 0) : 0;
		rpc_client_sent(client, size);
		bytes = rpc_session_output(session, &back);
		back = back < piece ? back : piece;
		r = r == 0 && back > 0 ? rpc_client_feed(client, bytes, back) : r;
		rpc_session_sent(session, back);
	}
	return r;
}

START_TEST(test_rpc_client_matches_answers_to_calls)
{
	struct rpc_session *session = make_session();
	struct rpc_client *client = make_client();
	struct seen seen[3] = { { 0 } };
	cJSON *params = cJSON_CreateObject();

	cJSON_AddNumberToObject(params, "n", 1e15);
	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "keep", NULL, answered, &seen[0] }),
		0);
	ck_assert_int_eq(rpc_client_call(client, &(struct rpc_question){ "echo", params, answered,
									 &seen[1] }),
			 0);
	ck_assert_int_eq(rpc_client_call(client, &(struct rpc_question){ "errors", NULL, answered,
									 &seen[2] }),
			 0);
	ck_assert_int_eq(rpc_session_notify(session, "hello", NULL), 0);
	ck_assert_int_eq(carry(client, session, 5), 0);
	ck_assert_uint_eq(seen[0].results + seen[0].errors + seen[0].neither, 0);
	ck_assert_int_eq(seen[1].integer, INT64_C(1000000000000000));
	ck_assert_str_eq(seen[2].data_code, "invalid_value");
	rpc_reply(kept, cJSON_CreateObject());
	ck_assert_int_eq(carry(client, session, 1000), 0);
	ck_assert_uint_eq(seen[0].results, 1);
	rpc_client_destroy(client);
	rpc_session_destroy(session);
	ck_assert_uint_eq(seen[0].neither + seen[1].neither + seen[2].neither, 0);
}
END_TEST

START_TEST(test_rpc_client_bounds_calls_and_lines)
{
	static char text[RPC_LINE_BYTES_MAX];
	struct rpc_client *client = make_client();
	struct seen seen = { 0 };
	cJSON *half = cJSON_CreateObject(), *large = cJSON_CreateObject();

	cJSON_AddNumberToObject(half, "n", 0.5);
	memset(text, 'x', sizeof text - 1);
	cJSON_AddStringToObject(large, "s", text);
	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "echo", half, answered, &seen }),
		-EINVAL);
	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "echo", large, answered, &seen }),
		-EMSGSIZE);
	for (int i = 0; i < RPC_CALLS_MAX; i++)
		ck_assert_int_eq(rpc_client_call(client, &(struct rpc_question){ "echo", NULL,
										 answered, &seen }),
				 0);
	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "echo", cJSON_CreateObject(),
								answered, &seen }),
		-ENOBUFS);
	rpc_client_destroy(client);
	ck_assert_uint_eq(seen.neither, RPC_CALLS_MAX);
}
END_TEST

START_TEST(test_rpc_client_calls_again_from_a_callback)
{
	struct rpc_session *session = make_session();
	struct rpc_client *client = make_client();
	struct seen seen = { .client = client };

	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "echo", NULL, answered, &seen }),
		0);
	for (uint32_t turn = 1; turn < 10; turn++) {
		size_t size;
		const char *bytes = rpc_client_output(client, &size);

		ck_assert_int_eq(rpc_session_feed(session, bytes, size, 0), 0);
		rpc_client_sent(client, size);
		bytes = rpc_session_output(session, &size);
		ck_assert_int_eq(rpc_client_feed(client, bytes, size), 0);
		rpc_session_sent(session, size);
		ck_assert_uint_eq(seen.results, turn);
	}
	rpc_client_destroy(client);
	ck_assert_uint_eq(seen.neither, 1);
	rpc_session_destroy(session);
}
END_TEST

START_TEST(test_rpc_client_hears_a_refusal)
{
	char *line = rpc_refusal("too_many_clients", "full");
	struct rpc_client *client = make_client();
	struct seen before = { 0 }, after = { 0 };

	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "echo", NULL, answered, &before }),
		0);
	ck_assert_int_eq(rpc_client_feed(client, line, strlen(line)), 0);
	ck_assert_str_eq(before.data_code, "too_many_clients");
	ck_assert_int_eq(
		rpc_client_call(client, &(struct rpc_question){ "echo", NULL, answered, &after }),
		0);
	rpc_client_destroy(client);
	ck_assert_uint_eq(before.errors, 1);
	ck_assert_uint_eq(after.errors, 1);
	ck_assert_str_eq(after.data_code, "too_many_clients");
	free(line);
}
END_TEST

START_TEST(test_rpc_client_refuses_what_is_no_answer)
{
	static const char *const lines[] = {
		"garbage\n",
		"[]\n",
		"{}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1}\n",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"result\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"result\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n",
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct rpc_client *client = make_client();
		struct seen seen = { 0 };

		ck_assert_int_eq(rpc_client_call(client, &(struct rpc_question){ "echo", NULL,
										 answered, &seen }),
				 0);
		ck_assert_msg(rpc_client_feed(client, lines[i], strlen(lines[i])) == -EBADMSG, "%s",
			      lines[i]);
		ck_assert_int_eq(rpc_client_feed(client, "", 0), -EBADMSG);
		rpc_client_destroy(client);
		ck_assert_uint_eq(seen.neither, 1);
	}
}
END_TEST

/* One whole exchange. @return the first error that a call told. */
static int
exchange(struct seen *seen)
{
	struct rpc_session *session = NULL;
	struct rpc_client *client = NULL;
	static const char *const methods[] = { "echo", "errors", "none", "keep" };
	int r = rpc_session_create(handle, NULL, &session);

	r = r == 0 ? rpc_client_create(&client) : r;
	for (size_t i = 0; r == 0 && i < 4; i++) {
		cJSON *params = cJSON_CreateObject();

		r = cJSON_AddNumberToObject(params, "n", 1) == NULL ? -ENOMEM : 0;
		if (r == 0)
			r = rpc_client_call(client, &(struct rpc_question){ methods[i], params,
									    answered, seen });
		else
			cJSON_Delete(params);
	}
	r = r == 0 ? rpc_session_notify(session, "x", cJSON_CreateNull()) : r;
	r = r == 0 ? carry(client, session, 50) : r;
	if (kept != NULL)
		rpc_reply(kept, cJSON_CreateTrue());
	r = r == 0 ? carry(client, session, 50) : r;
	rpc_client_destroy(client);
	rpc_session_destroy(session);
	return r;
}

START_TEST(test_rpc_client_and_session_survive_each_failing_allocation)
{
	uint32_t nth = 0;
	bool failed;

	do {
		struct seen seen = { 0 };
		int r;

		kept = NULL;
		fail_alloc_at(++nth);
		r = exchange(&seen);
		failed = fail_alloc_end();
		/* Told to the caller, or to the peer as an error. Or not needed: a tree without it.
		 */
		ck_assert(r == 0 || r == -ENOMEM);
		if (r == 0)
			ck_assert_uint_eq(seen.results + seen.errors, 4);
		if (!failed)
			ck_assert_uint_eq(seen.results, 2);
	} while (failed && nth < 10000);
	ck_assert(!failed);
	ck_assert_uint_gt(nth, 50);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_rpc_client_matches_answers_to_calls,
				       test_rpc_client_bounds_calls_and_lines,
				       test_rpc_client_calls_again_from_a_callback,
				       test_rpc_client_hears_a_refusal,
				       test_rpc_client_refuses_what_is_no_answer,
				       test_rpc_client_and_session_survive_each_failing_allocation,
				       NULL };

	return run_tests("rpc_client", tests);
}
