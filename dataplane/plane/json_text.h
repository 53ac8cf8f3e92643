/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the strict JSON reader and its errors share: UTF-8, JSON string escapes, and bounded
 * printable text. For the json_*.c files only.
 */
#ifndef PLANE_JSON_TEXT_H
#define PLANE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

/** @return bytes (1..4) of the valid UTF-8 sequence that @p bytes starts with; 0: there is none. */
size_t json_utf8_size(const char *bytes, size_t size);

/** Decodes the inside of a JSON string, byte by byte. The string was checked before. */
struct json_unescape {
	const char *pos;
	const char *end;
	uint8_t pending[4]; /* UTF-8 of an escape, not handed out yet */
	uint8_t pending_count;
	uint8_t pending_next;
};

/** @return the next decoded byte; -1: the string ended. */
int json_unescape_next(struct json_unescape *string);

/** A text of bounded size, always NUL-terminated; what does not fit is replaced by "...". */
struct json_text {
	char *bytes;
	size_t capacity; /* with the NUL; at least 8 */
	size_t size;
	bool cut;
};

/** Append; control characters become \u escapes, bytes that are not UTF-8 become '?'. */
void json_text_put(struct json_text *text, const char *bytes, size_t size);

/** Append one decoded member name as a reference token of RFC 6901, with its slash. */
void json_text_put_token(struct json_text *text, const char *name, size_t size);

/** The same for an array index. */
void json_text_put_index(struct json_text *text, uint32_t index);

#endif
