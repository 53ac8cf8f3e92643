/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Printing. cJSON's own printer writes large integers with an exponent, which the strict reader
 * refuses, and knows no limit; this one goes through the tree with a stack of the open containers.
 */
#include "json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

enum { BUFFER_BYTES_FIRST = 256 };

int
json_buffer_put(struct json_buffer *buffer, const char *bytes, size_t size)
{
	size_t capacity = buffer->capacity == 0 ? BUFFER_BYTES_FIRST : buffer->capacity;
	char *larger;

	if (size > SIZE_MAX / 4 - buffer->size)
		return -ENOMEM;
	while (capacity < buffer->size + size)
		capacity *= 2;
	if (capacity != buffer->capacity) {
		larger = realloc(buffer->bytes, capacity);
		if (larger == NULL)
			return -ENOMEM;
		buffer->bytes = larger;
		buffer->capacity = capacity;
	}
	memcpy(buffer->bytes + buffer->size, bytes, size);
	buffer->size += size;
	return 0;
}

struct printer {
	struct json_buffer *buffer;
	size_t size_max; /* of the buffer */
	uint32_t depth;
	const cJSON *open[JSON_DEPTH_MAX]; /* containers being printed */
};

static int
put(struct printer *printer, const char *bytes, size_t size)
{
	if (size > printer->size_max - printer->buffer->size)
		return -EMSGSIZE;
	return json_buffer_put(printer->buffer, bytes, size);
}

static bool
stands_for_itself(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* The one character at text. Returns how many bytes it took; 0 or a negative errno: failed. */
static int
put_character(struct printer *printer, const char *text, size_t size)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t taken = json_utf8_size(text, size);
	char escape[8];
	int r;

	if (taken == 0)
		r = put(printer, replacement, sizeof replacement - 1);
	else if (taken > 1)
		r = put(printer, text, taken);
	else if (text[0] == '"' || text[0] == '\\')
		r = put(printer, text[0] == '"' ? "\\\"" : "\\\\", 2);
	else
		r = put(printer, escape,
			(size_t)snprintf(escape, sizeof escape, "\\u%04x", (uint8_t)text[0]));
	return r < 0 ? r : taken == 0 ? 1 : (int)taken;
}

static int
print_string(struct printer *printer, const char *text)
{
	size_t size = strlen(text), plain;
	int r = put(printer, "\"", 1);

	for (size_t i = 0; r >= 0 && i < size;) {
		for (plain = i; plain < size && stands_for_itself((uint8_t)text[plain]);)
			plain++;
		if (plain > i)
			r = put(printer, text + i, plain - i);
		i = plain;
		if (r < 0 || i == size)
			continue;
		r = put_character(printer, text + i, size - i);
		i += r > 0 ? (size_t)r : 0;
	}
	return r < 0 ? r : put(printer, "\"", 1);
}

static int
print_number(struct printer *printer, double number)
{
	char digits[32];

	/* Beyond 2^63 no double has a fraction, but no reader of ours takes it either. */
	if (!(fabs(number) < 9223372036854775808.0) || trunc(number) != number) {
		if (number != 9223372036854775808.0) /* what 2^63-1 became in a tree */
			return -EINVAL;
		return put(printer, "9223372036854775807", 19);
	}
	return put(printer, digits,
		   (size_t)snprintf(digits, sizeof digits, "%" PRId64, (int64_t)number));
}

static int
print_scalar(struct printer *printer, const cJSON *item)
{
	if (cJSON_IsString(item))
		return print_string(printer, item->valuestring);
	if (cJSON_IsNumber(item))
		return print_number(printer, item->valuedouble);
	if (cJSON_IsRaw(item))
		return put(printer, item->valuestring, strlen(item->valuestring));
	if (cJSON_IsBool(item))
		return cJSON_IsTrue(item) ? put(printer, "true", 4) : put(printer, "false", 5);
	return cJSON_IsNull(item) ? put(printer, "null", 4) : -EINVAL;
}

/* The value itself, or only the opening bracket of one that holds items. */
static int
print_value(struct printer *printer, const cJSON *item)
{
	const char *brackets = cJSON_IsObject(item) ? "{}" : "[]";

	if (!cJSON_IsObject(item) && !cJSON_IsArray(item))
		return print_scalar(printer, item);
	if (printer->depth == JSON_DEPTH_MAX)
		return -EINVAL;
	if (item->child == NULL)
		return put(printer, brackets, 2);
	printer->open[printer->depth++] = item;
	return put(printer, brackets, 1);
}

/* Closes what ends with @p item. Returns what stands after it; NULL: nothing, the tree is done. */
static const cJSON *
print_after(struct printer *printer, const cJSON *item, int *r)
{
	while (*r == 0 && printer->depth > 0) {
		if (item->next != NULL) {
			*r = put(printer, ",", 1);
			return item->next;
		}
		item = printer->open[--printer->depth];
		*r = put(printer, cJSON_IsObject(item) ? "}" : "]", 1);
	}
	return NULL;
}

int
json_print(const cJSON *root, size_t size_max, struct json_buffer *buffer)
{
	struct printer printer = { .buffer = buffer };
	size_t size_before = buffer->size;
	const cJSON *item = root;
	int r = 0;

	assert(root != NULL);
	printer.size_max = size_max > SIZE_MAX - size_before ? SIZE_MAX : size_before + size_max;
	while (r == 0 && item != NULL) {
		uint32_t depth = printer.depth;

		if (depth > 0 && cJSON_IsObject(printer.open[depth - 1])) {
			r = print_string(&printer, item->string);
			r = r < 0 ? r : put(&printer, ":", 1);
		}
		r = r < 0 ? r : print_value(&printer, item);
		if (r == 0 && printer.depth > depth)
			item = item->child;
		else if (r == 0)
			item = print_after(&printer, item, &r);
	}
	if (r < 0)
		buffer->size = size_before;
	return r;
}
