/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Characters. Everything here is bounded by its arguments and allocates nothing.
 */
#include "json_text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool
is_continuation(const char *bytes, size_t size, size_t index)
{
	return index < size && ((uint8_t)bytes[index] & 0xc0) == 0x80;
}

size_t
json_utf8_size(const char *bytes, size_t size)
{
	uint8_t first, second;
	size_t needed;

	if (size == 0)
		return 0;
	first = (uint8_t)bytes[0];
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0; /* a continuation, an overlong form, or beyond U+10FFFF */
	needed = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < needed; i++)
		if (!is_continuation(bytes, size, i))
			return 0;
	second = (uint8_t)bytes[1];
	if ((first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90))
		return 0; /* overlong */
	if ((first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f))
		return 0; /* a surrogate; beyond U+10FFFF */
	return needed;
}

static uint32_t
hex4(const char *digits)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		char c = digits[i];

		value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

static void
unescape_queue(struct json_unescape *string, uint32_t code_point)
{
	uint8_t *out = string->pending;

	string->pending_next = 0;
	if (code_point < 0x80) {
		out[0] = (uint8_t)code_point;
		string->pending_count = 1;
	} else if (code_point < 0x800) {
		out[0] = (uint8_t)(0xc0 | code_point >> 6);
		out[1] = (uint8_t)(0x80 | (code_point & 0x3f));
		string->pending_count = 2;
	} else if (code_point < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code_point >> 12);
		out[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code_point & 0x3f));
		string->pending_count = 3;
	} else {
		out[0] = (uint8_t)(0xf0 | code_point >> 18);
		out[1] = (uint8_t)(0x80 | (code_point >> 12 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code_point >> 6 & 0x3f));
		out[3] = (uint8_t)(0x80 | (code_point & 0x3f));
		string->pending_count = 4;
	}
}

int
json_unescape_next(struct json_unescape *string)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *letter;
	uint32_t code_point;
	char c;

	if (string->pending_next < string->pending_count)
		return string->pending[string->pending_next++];
	if (string->pos >= string->end)
		return -1;
	c = *string->pos++;
	if (c != '\\')
		return (uint8_t)c;
	c = *string->pos++;
	if (c != 'u') {
		letter = strchr(letters, c);
		return letter == NULL ? (uint8_t)c : (uint8_t)meanings[letter - letters];
	}
	code_point = hex4(string->pos);
	string->pos += 4;
	if (code_point >= 0xd800 && code_point <= 0xdbff) { /* "\uDC00" follows: it was checked */
		code_point =
			0x10000 + ((code_point - 0xd800) << 10) + (hex4(string->pos + 2) - 0xdc00);
		string->pos += 6;
	}
	unescape_queue(string, code_point);
	return string->pending[string->pending_next++];
}

/* All or nothing, so that no character is cut in two; room for "..." is always kept. */
static void
text_put_whole(struct json_text *text, const char *bytes, size_t size)
{
	assert(text->capacity >= 8);
	if (text->cut)
		return;
	if (text->size + size + sizeof "..." > text->capacity) {
		bytes = "...";
		size = 3;
		text->cut = true;
	}
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
	text->bytes[text->size] = '\0';
}

/* The code point of one valid sequence. */
static uint32_t
utf8_code_point(const char *bytes, size_t size)
{
	static const uint8_t first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t code_point = (uint8_t)bytes[0] & first_bits[size];

	for (size_t i = 1; i < size; i++)
		code_point = code_point << 6 | ((uint8_t)bytes[i] & 0x3f);
	return code_point;
}

/* Not C0, DEL, C1, nor a line separator or direction mark that could disguise a terminal line. */
static bool
is_printable(uint32_t code_point)
{
	return !(code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) ||
		 (code_point >= 0x200e && code_point <= 0x200f) ||
		 (code_point >= 0x2028 && code_point <= 0x202e) ||
		 (code_point >= 0x2066 && code_point <= 0x2069));
}

/* Appends the first character of bytes. Returns how many bytes that was. */
static size_t
text_put_character(struct json_text *text, const char *bytes, size_t size)
{
	size_t taken = json_utf8_size(bytes, size);
	uint32_t code_point;
	char escape[16];

	if (taken == 0) {
		text_put_whole(text, "?", 1);
		return 1;
	}
	code_point = utf8_code_point(bytes, taken);
	if (is_printable(code_point)) {
		text_put_whole(text, bytes, taken);
	} else {
		(void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code_point);
		text_put_whole(text, escape, strlen(escape));
	}
	return taken;
}

void
json_text_put(struct json_text *text, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && !text->cut;)
		i += text_put_character(text, bytes + i, size - i);
}

void
json_text_put_token(struct json_text *text, const char *name, size_t size)
{
	text_put_whole(text, "/", 1);
	for (size_t i = 0; i < size && !text->cut;) {
		if (name[i] == '~' || name[i] == '/') {
			text_put_whole(text, name[i] == '~' ? "~0" : "~1", 2);
			i++;
		} else {
			i += text_put_character(text, name + i, size - i);
		}
	}
}

void
json_text_put_index(struct json_text *text, uint32_t index)
{
	char digits[16];
	int size = snprintf(digits, sizeof digits, "/%u", index);

	text_put_whole(text, digits, (size_t)size);
}
