/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: no bytes crash a session or a client, and how they are cut into pieces changes nothing.
 * Method: the first byte seeds the cuts; the rest is fed whole and in pieces to two sessions, whose
 * output must be equal, each line of it one JSON text; the same bytes go to two clients, whose
 * verdicts and answers must be equal.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENT_CALLS = 3 };

static void
demand(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_rpc: %s\n", what);
	abort();
}

/* Answers at once; "keep" is answered when the next call comes, so that answers overtake. */
static void
handle(struct rpc_call *call)
{
	struct rpc_call **kept = call->user;
	struct rpc_call *before = *kept;

	*kept = NULL;
	if (strcmp(call->method, "keep") == 0)
		*kept = call;
	else if (strcmp(call->method, "echo") == 0 && call->params != NULL)
		rpc_reply(call, cJSON_Duplicate(call->params, true));
	else
		rpc_fail_plain(call, "method_not_found", NULL, "no method \"%s\"", call->method);
	if (before != NULL)
		rpc_reply(before, cJSON_CreateTrue());
}

/* The next piece's size: mostly small ones. */
static size_t
piece_size(uint32_t *cuts, size_t left)
{
	size_t size;

	*cuts = *cuts * 1664525u + 1013904223u;
	size = 1 + (*cuts >> 24) % (1u << (*cuts >> 16) % 8);
	return size < left ? size : left;
}

struct fed_session {
	struct rpc_session *session;
	struct rpc_call *kept;
	int result;
};

static void
session_make(struct fed_session *fed)
{
	*fed = (struct fed_session){ 0 };
	if (rpc_session_create(handle, &fed->kept, &fed->session) < 0)
		abort();
}

static void
session_end(struct fed_session *fed)
{
	rpc_session_destroy(fed->session);
	if (fed->kept != NULL)
		rpc_reply(fed->kept, NULL);
}

static void
demand_lines(const char *output, size_t size)
{
	static struct json_errors errors;
	cJSON *root;

	while (size > 0) {
		const char *newline = memchr(output, '\n', size);
		size_t line = newline == NULL ? size : (size_t)(newline - output);

		demand(newline != NULL, "output without newline");
		errors.count = errors.dropped = 0;
		demand(json_read(output, line, &root, &errors) == 0, "output is not JSON");
		cJSON_Delete(root);
		output += line + 1;
		size -= line + 1;
	}
}

static void
check_session(const char *bytes, size_t size, uint32_t cuts)
{
	struct fed_session whole, pieces;
	const char *output, *again;
	size_t output_size, again_size;

	session_make(&whole);
	session_make(&pieces);
	whole.result = rpc_session_feed(whole.session, bytes, size, 1);
	for (size_t at = 0, piece; at < size && pieces.result == 0; at += piece) {
		piece = piece_size(&cuts, size - at);
		pieces.result = rpc_session_feed(pieces.session, bytes + at, piece, 1);
	}
	output = rpc_session_output(whole.session, &output_size);
	again = rpc_session_output(pieces.session, &again_size);
	demand(whole.result == pieces.result, "pieces end otherwise");
	demand(output_size == again_size &&
		       (output_size == 0 || memcmp(output, again, output_size) == 0),
	       "pieces are answered otherwise");
	demand(rpc_session_late(whole.session, INT64_MAX) ==
		       rpc_session_late(pieces.session, INT64_MAX),
	       "pieces are late otherwise");
	demand_lines(output, output_size);
	session_end(&whole);
	session_end(&pieces);
}

static void
count_answer(void *user, const struct rpc_answer *answer)
{
	uint32_t *counts = user;

	counts[answer->result != NULL ? 0 : answer->error != NULL ? 1 : 2]++;
}

static struct rpc_client *
client_make(uint32_t *counts)
{
	struct rpc_client *client;

	if (rpc_client_create(&client) < 0)
		abort();
	for (int i = 0; i < CLIENT_CALLS; i++)
		if (rpc_client_call(client, &(struct rpc_question){ "echo", NULL, count_answer,
								    counts }) < 0)
			abort();
	return client;
}

static void
check_client(const char *bytes, size_t size, uint32_t cuts)
{
	uint32_t whole_counts[3] = { 0 }, pieces_counts[3] = { 0 };
	struct rpc_client *whole = client_make(whole_counts), *pieces = client_make(pieces_counts);
	int whole_result = rpc_client_feed(whole, bytes, size), pieces_result = 0;

	for (size_t at = 0, piece; at < size && pieces_result == 0; at += piece) {
		piece = piece_size(&cuts, size - at);
		pieces_result = rpc_client_feed(pieces, bytes + at, piece);
	}
	rpc_client_destroy(whole);
	rpc_client_destroy(pieces);
	demand(whole_result == pieces_result, "a client ends otherwise");
	demand(memcmp(whole_counts, pieces_counts, sizeof whole_counts) == 0,
	       "a client hears otherwise");
	demand(whole_counts[0] + whole_counts[1] + whole_counts[2] == CLIENT_CALLS,
	       "a call was not answered once");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes;

	if (size == 0)
		return 0;
	bytes = malloc(size - 1 > 0 ? size - 1 : 1); /* of just that size: a read too far is seen */
	memcpy(bytes, data + 1, size - 1);
	check_session(bytes, size - 1, data[0]);
	check_client(bytes, size - 1, data[0]);
	free(bytes);
	return 0;
}
