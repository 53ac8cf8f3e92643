/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What both ends of a JSON-RPC connection share: received bytes cut into lines, lines waiting to be
 * sent, and a writer for JSON text. For the rpc_*.c files only.
 */
#ifndef PLANE_RPC_STREAM_H
#define PLANE_RPC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

/** Received bytes not used yet; borrowed. */
struct rpc_input {
	const char *bytes;
	size_t size;
};

/** Cuts bytes into lines, the same whatever pieces they come in. */
struct rpc_lines {
	struct json_buffer partial; /* a line whose newline is still to come */
	size_t line_max;	    /* bytes, with the newline */
	bool handed_out;	    /* partial is the line last taken */
	bool skipping;		    /* the rest of a line that was too long */
};

struct rpc_line {
	const char *text; /**< without the newline; valid until the next rpc_lines_take() */
	size_t size;
	bool too_long; /**< there is no text; told once a line */
};

/** @return 1: a line; 0: @p input is used up; -ENOMEM. */
int rpc_lines_take(struct rpc_lines *lines, struct rpc_input *input, struct rpc_line *ret_line);

/** Bytes of a line came whose newline has not come yet. */
bool rpc_lines_pending(const struct rpc_lines *lines);

void rpc_lines_free(struct rpc_lines *lines);

/** Lines to be sent. */
struct rpc_output {
	struct json_buffer buffer;
	size_t sent; /* bytes at the front of the buffer that are gone */
};

/** What is to be sent; NULL when nothing is. */
const char *rpc_output_bytes(const struct rpc_output *output, size_t *ret_size);

/** The first @p size bytes are sent. */
void rpc_output_sent(struct rpc_output *output, size_t size);

/**
 * Writes one line. After a failure everything does nothing; rpc_write_end() tells and takes the
 * line back.
 */
struct rpc_writer {
	struct json_buffer *buffer;
	size_t start;	 /* of the line in the buffer */
	size_t line_max; /* bytes, with the newline */
	int result;	 /* 0; -ENOMEM; -EMSGSIZE; -EINVAL as json_print() */
};

struct rpc_writer rpc_write_begin(struct json_buffer *buffer, size_t line_max);
void rpc_write_text(struct rpc_writer *writer, const char *text);     /**< as it is */
void rpc_write_string(struct rpc_writer *writer, const char *string); /**< quoted and escaped */
void rpc_write_integer(struct rpc_writer *writer, int64_t integer);
void rpc_write_tree(struct rpc_writer *writer, const cJSON *root);

/** Write the newline. @return 0, or what went wrong: then the buffer holds what it held. */
int rpc_write_end(struct rpc_writer *writer);

#endif
