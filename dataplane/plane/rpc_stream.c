/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Bytes on their way in and out. All work is linear in the bytes: nothing received is looked at
 * twice, and what is left to send is moved only when at least as much was sent.
 */
#include "rpc_stream.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	IDLE_BYTES_KEPT = 64 << 10, /* of an empty buffer; a larger one is given back */
};

static void
buffer_clear(struct json_buffer *buffer)
{
	buffer->size = 0;
	if (buffer->capacity <= IDLE_BYTES_KEPT)
		return;
	free(buffer->bytes);
	*buffer = (struct json_buffer){ 0 };
}

int
rpc_lines_take(struct rpc_lines *lines, struct rpc_input *input, struct rpc_line *ret_line)
{
	struct json_buffer *partial = &lines->partial;

	if (lines->handed_out)
		buffer_clear(partial);
	lines->handed_out = false;
	while (input->size > 0) {
		const char *start = input->bytes, *newline = memchr(start, '\n', input->size);
		size_t taken = newline == NULL ? input->size : (size_t)(newline - start) + 1;
		size_t size = partial->size + taken;
		bool too_long = newline == NULL ? size >= lines->line_max : size > lines->line_max;
		bool skipped = lines->skipping;

		if (!skipped && !too_long && (newline == NULL || partial->size > 0) &&
		    json_buffer_put(partial, start, taken) < 0)
			return -ENOMEM;
		input->bytes += taken;
		input->size -= taken;
		if (skipped || too_long) {
			lines->skipping = newline == NULL;
			buffer_clear(partial);
			if (skipped)
				continue;
			*ret_line = (struct rpc_line){ .too_long = true };
			return 1;
		}
		if (newline == NULL)
			return 0;
		lines->handed_out = partial->size > 0;
		*ret_line = (struct rpc_line){ .text = lines->handed_out ? partial->bytes : start,
					       .size = size - 1 };
		return 1;
	}
	return 0;
}

bool
rpc_lines_pending(const struct rpc_lines *lines)
{
	return lines->skipping || (lines->partial.size > 0 && !lines->handed_out);
}

void
rpc_lines_free(struct rpc_lines *lines)
{
	free(lines->partial.bytes);
	lines->partial = (struct json_buffer){ 0 };
}

const char *
rpc_output_bytes(const struct rpc_output *output, size_t *ret_size)
{
	*ret_size = output->buffer.size - output->sent;
	return *ret_size == 0 ? NULL : output->buffer.bytes + output->sent;
}

void
rpc_output_sent(struct rpc_output *output, size_t size)
{
	struct json_buffer *buffer = &output->buffer;
	size_t left;

	assert(size <= buffer->size - output->sent);
	output->sent += size;
	left = buffer->size - output->sent;
	if (left == 0) {
		buffer_clear(buffer);
		output->sent = 0;
	} else if (output->sent >= left) {
		memmove(buffer->bytes, buffer->bytes + output->sent, left);
		buffer->size = left;
		output->sent = 0;
	}
}

struct rpc_writer
rpc_write_begin(struct json_buffer *buffer, size_t line_max)
{
	return (struct rpc_writer){ .buffer = buffer, .start = buffer->size, .line_max = line_max };
}

void
rpc_write_text(struct rpc_writer *writer, const char *text)
{
	size_t size = strlen(text);

	if (writer->result == 0 && size > writer->line_max - (writer->buffer->size - writer->start))
		writer->result = -EMSGSIZE;
	if (writer->result == 0)
		writer->result = json_buffer_put(writer->buffer, text, size);
}

void
rpc_write_tree(struct rpc_writer *writer, const cJSON *root)
{
	size_t used = writer->buffer->size - writer->start;

	if (writer->result == 0)
		writer->result = json_print(root, writer->line_max - used, writer->buffer);
}

void
rpc_write_string(struct rpc_writer *writer, const char *string)
{
	/* On the stack: an error must be written when there is no memory for a tree. */
	const cJSON item = { .type = cJSON_String, .valuestring = (char *)(uintptr_t)string };

	rpc_write_tree(writer, &item);
}

void
rpc_write_integer(struct rpc_writer *writer, int64_t integer)
{
	char digits[24];

	(void)snprintf(digits, sizeof digits, "%" PRId64, integer);
	rpc_write_text(writer, digits);
}

int
rpc_write_end(struct rpc_writer *writer)
{
	rpc_write_text(writer, "\n");
	if (writer->result < 0)
		writer->buffer->size = writer->start;
	return writer->result;
}
