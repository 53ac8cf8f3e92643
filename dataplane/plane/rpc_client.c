/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The calling side of rpc.h. Answers are matched by id, in any order.
 */
#include "rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpc_stream.h"

/* A call that waits for its answer. */
struct pending {
	uint64_t id;
	rpc_answered answered;
	void *user;
};

struct rpc_client {
	struct rpc_lines lines;
	struct rpc_output output;
	uint64_t last_id;
	uint32_t pending_count;
	struct pending pending[RPC_CALLS_MAX]; /* in the order of the calls */
	cJSON *refusal; /* an error object without id: the peer will answer nothing more */
	bool closing;	/* being destroyed: takes no calls */
	int error;	/* the peer's bytes make no sense any more */
};

int
rpc_client_create(struct rpc_client **ret_client)
{
	struct rpc_client *client = calloc(1, sizeof *client);

	assert(ret_client != NULL);
	if (client == NULL)
		return -ENOMEM;
	client->lines.line_max = RPC_REPLY_BYTES_MAX;
	*ret_client = client;
	return 0;
}

/* Takes the call out first: its callback may make another. */
static void
client_answer(struct rpc_client *client, uint32_t index, const struct rpc_answer *answer)
{
	struct pending call = client->pending[index];

	client->pending_count--;
	memmove(&client->pending[index], &client->pending[index + 1],
		(client->pending_count - index) * sizeof call);
	call.answered(call.user, answer);
}

static void
client_answer_all(struct rpc_client *client)
{
	const struct rpc_answer answer = { .error = client->refusal };

	/* Calls that the callbacks make meanwhile wait behind these. */
	for (uint32_t left = client->pending_count; left > 0; left--)
		client_answer(client, 0, &answer);
}

void
rpc_client_destroy(struct rpc_client *client)
{
	if (client == NULL)
		return;
	client->closing = true;
	client_answer_all(client);
	cJSON_Delete(client->refusal);
	rpc_lines_free(&client->lines);
	free(client->output.buffer.bytes);
	free(client);
}

int
rpc_client_call(struct rpc_client *client, const struct rpc_question *question)
{
	struct rpc_writer writer;
	int r = -ENOBUFS;

	if (!client->closing && client->pending_count < RPC_CALLS_MAX) {
		writer = rpc_write_begin(&client->output.buffer, RPC_LINE_BYTES_MAX);
		rpc_write_text(&writer, "{\"jsonrpc\":\"2.0\",\"id\":");
		rpc_write_integer(&writer, (int64_t)client->last_id + 1);
		rpc_write_text(&writer, ",\"method\":");
		rpc_write_string(&writer, question->method);
		if (question->params != NULL) {
			rpc_write_text(&writer, ",\"params\":");
			rpc_write_tree(&writer, question->params);
		}
		rpc_write_text(&writer, "}");
		r = rpc_write_end(&writer);
	}
	cJSON_Delete(question->params);
	if (r < 0)
		return r;
	client->pending[client->pending_count++] = (struct pending){ .id = ++client->last_id,
								     .answered = question->answered,
								     .user = question->user };
	return 0;
}

const char *
rpc_client_output(const struct rpc_client *client, size_t *ret_size)
{
	return rpc_output_bytes(&client->output, ret_size);
}

void
rpc_client_sent(struct rpc_client *client, size_t size)
{
	rpc_output_sent(&client->output, size);
}

/* @p id null: the peer refuses this connection, or a request that it could not read. */
static int
client_refused(struct rpc_client *client, cJSON *root)
{
	cJSON *error = cJSON_GetObjectItemCaseSensitive(root, "error");

	cJSON_Delete(client->refusal);
	client->refusal = cJSON_DetachItemViaPointer(root, error);
	client_answer_all(client);
	return 0;
}

static int
client_answered(struct rpc_client *client, const cJSON *id, const struct rpc_answer *answer)
{
	if (!cJSON_IsNumber(id))
		return -EBADMSG;
	for (uint32_t i = 0; i < client->pending_count; i++) {
		if ((double)client->pending[i].id == id->valuedouble) {
			client_answer(client, i, answer);
			return 0;
		}
	}
	return -EBADMSG; /* to a call that was never made, or a second time */
}

static int
client_message(struct rpc_client *client, cJSON *root)
{
	const cJSON *id = json_get(root, "id");
	const struct rpc_answer answer = { .result = json_get(root, "result"),
					   .error = json_get(root, "error") };

	if (strcmp(json_get_string(root, "jsonrpc", ""), "2.0") != 0)
		return -EBADMSG;
	if (json_get(root, "method") != NULL)
		return id == NULL ? 0 : -EBADMSG;
	if ((answer.result == NULL) == (answer.error == NULL) ||
	    (answer.error != NULL && !cJSON_IsObject(answer.error)))
		return -EBADMSG;
	if (cJSON_IsNull(id) && answer.error != NULL)
		return client_refused(client, root);
	return client_answered(client, id, &answer);
}

static int
client_line(struct rpc_client *client, const struct rpc_line *line)
{
	struct json_errors errors;
	cJSON *root;
	int r;

	if (line->too_long)
		return -EBADMSG;
	errors.count = errors.dropped = 0;
	r = json_read_answer(line->text, line->size, &root, &errors);
	if (r < 0)
		return r;
	r = client_message(client, root);
	cJSON_Delete(root);
	return r;
}

int
rpc_client_feed(struct rpc_client *client, const char *bytes, size_t size)
{
	struct rpc_input input = { .bytes = bytes, .size = size };
	struct rpc_line line;
	int r = client->error;

	while (r == 0 && (r = rpc_lines_take(&client->lines, &input, &line)) > 0)
		r = client_line(client, &line);
	client->error = r;
	return r;
}
