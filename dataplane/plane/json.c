/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One scanner walks over the text, without recursion: a frame for each open array or object. It
 * checks every byte; member names are kept until their object closes, then sorted to find
 * duplicates in n log n. json_read() lets cJSON build the tree only after that.
 * json_errors_locate() sends the same scanner over the text again and notes where the values stand
 * that the errors point to.
 */
#include "json.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

enum {
	NUMBER_DIGITS_MAX = 19, /* of 2^63-1; more are out of range whatever they are */
	FILE_BYTES_FIRST = 4096,
};

/* The inside of a member name's quotes, in the text. */
struct name {
	size_t offset;
	uint32_t size;
	bool escaped;
};

struct frame {
	bool is_object;
	bool has_name;	   /* the object's current member is known */
	uint32_t index;	   /* of the array's current item */
	struct name name;  /* of the object's current member */
	size_t names_base; /* where this object's names begin in scan.names */
	uint64_t followed; /* errors whose pointer leads into this container, a bit each */
};

/* Which values the errors mean. See locate_value(). */
struct locator {
	struct json_errors *errors;
	uint64_t wanted; /* errors to be located, a bit each */
	/* Bytes of the pointer that lead to the value at each depth, of each error. */
	uint16_t consumed[JSON_ERRORS_MAX][JSON_DEPTH_MAX + 1];
	uint8_t best_depth[JSON_ERRORS_MAX]; /* deepest value found yet, plus one */
	size_t counted;			     /* line and line_start are those of this offset */
	size_t line_start;
	uint32_t line;
};

_Static_assert(JSON_ERRORS_MAX <= 64, "errors are bits of a word");

struct scan {
	const char *text;
	size_t size;
	size_t pos;
	int64_t integer_max;
	struct json_errors *errors; /* NULL while locating */
	struct locator *locator;    /* NULL while reading */
	uint32_t depth;		    /* frames in use */
	struct frame frames[JSON_DEPTH_MAX];
	struct name *names;
	size_t name_count;
	size_t name_capacity;
};

/* --- errors with a position --- */

static void
scan_put_name(const struct scan *scan, const struct name *name, struct json_text *pointer)
{
	char decoded[JSON_POINTER_BYTES_MAX]; /* a longer name does not fit the pointer anyway */
	struct json_unescape string = { .pos = scan->text + name->offset,
					.end = scan->text + name->offset + name->size };
	size_t size = 0;
	int byte;

	while (size < sizeof decoded && (byte = json_unescape_next(&string)) >= 0)
		decoded[size++] = (char)byte;
	json_text_put_token(pointer, decoded, size);
}

static void
position_of(const char *text, size_t offset, struct json_error *error)
{
	size_t line_start = 0;

	error->line = 1;
	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			error->line++;
			line_start = i + 1;
		}
	}
	error->column = (uint32_t)(offset - line_start + 1);
}

/* The one error of a text; offset is where it is wrong. Returns -EBADMSG for the caller to return.
 */
__attribute__((format(printf, 5, 6))) static int
scan_fail(struct scan *scan, size_t offset, const char *code, const char *hint, const char *format,
	  ...)
{
	struct json_text pointer;
	struct json_error *error;
	char message[JSON_MESSAGE_BYTES_MAX];
	va_list args;

	if (scan->errors == NULL || scan->errors->count == JSON_ERRORS_MAX)
		return -EBADMSG;
	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	json_error_add(scan->errors, NULL, code, hint, "%s", message);
	error = &scan->errors->items[scan->errors->count - 1];
	pointer = (struct json_text){ .bytes = error->pointer, .capacity = sizeof error->pointer };
	for (uint32_t i = 0; i < scan->depth; i++) {
		const struct frame *frame = &scan->frames[i];

		if (!frame->is_object)
			json_text_put_index(&pointer, frame->index);
		else if (frame->has_name)
			scan_put_name(scan, &frame->name, &pointer);
		else
			break;
	}
	position_of(scan->text, offset, error);
	return -EBADMSG;
}

/* What stands at pos is not what could stand there. */
static int
scan_unexpected(struct scan *scan, const char *expected)
{
	size_t shown;

	if (scan->pos >= scan->size)
		return scan_fail(scan, scan->pos, "parse_error", NULL,
				 "the text ends where %s is expected", expected);
	shown = json_utf8_size(scan->text + scan->pos, scan->size - scan->pos);
	if (shown == 0 || (uint8_t)scan->text[scan->pos] < 0x20)
		return scan_fail(scan, scan->pos, "parse_error", NULL,
				 "expected %s, found the byte 0x%02x", expected,
				 (uint8_t)scan->text[scan->pos]);
	return scan_fail(scan, scan->pos, "parse_error", NULL, "expected %s, found '%.*s'",
			 expected, (int)shown, scan->text + scan->pos);
}

/* --- duplicates --- */

static int
name_compare(const void *left, const void *right, void *text)
{
	const struct name *a = left, *b = right;
	struct json_unescape x, y;
	size_t common = a->size < b->size ? a->size : b->size;
	int byte, other;

	if (!a->escaped && !b->escaped) {
		int order = memcmp((const char *)text + a->offset, (const char *)text + b->offset,
				   common);

		return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
	}
	x = (struct json_unescape){ .pos = (const char *)text + a->offset,
				    .end = (const char *)text + a->offset + a->size };
	y = (struct json_unescape){ .pos = (const char *)text + b->offset,
				    .end = (const char *)text + b->offset + b->size };
	do {
		byte = json_unescape_next(&x);
		other = json_unescape_next(&y);
	} while (byte == other && byte >= 0);
	return byte - other;
}

static int
scan_keep_name(struct scan *scan, const struct name *name)
{
	if (scan->name_count == scan->name_capacity) {
		size_t capacity = scan->name_capacity == 0 ? 64 : scan->name_capacity * 2;
		struct name *names = realloc(scan->names, capacity * sizeof *names);

		if (names == NULL)
			return -ENOMEM;
		scan->names = names;
		scan->name_capacity = capacity;
	}
	scan->names[scan->name_count++] = *name;
	return 0;
}

/* The object on top closes: no two of its members may have one name. */
static int
scan_check_names(struct scan *scan)
{
	struct frame *frame = &scan->frames[scan->depth - 1];
	struct name *names = scan->names + frame->names_base;
	size_t count = scan->name_count - frame->names_base;
	const struct name *second = NULL; /* of the pairs the one that shows first in the text */

	scan->name_count = frame->names_base;
	if (count < 2)
		return 0;
	qsort_r(names, count, sizeof *names, name_compare, (void *)(uintptr_t)scan->text);
	for (size_t i = 1; i < count; i++) {
		const struct name *later = &names[i];

		if (name_compare(&names[i - 1], later, (void *)(uintptr_t)scan->text) != 0)
			continue;
		if (later->offset < names[i - 1].offset)
			later = &names[i - 1];
		if (second == NULL || later->offset < second->offset)
			second = later;
	}
	if (second == NULL)
		return 0;
	frame->name = *second;
	frame->has_name = true;
	return scan_fail(scan, second->offset - 1, "duplicate_member", "remove one of the two",
			 "the member stands twice in its object");
}

/* --- where the errors' values stand --- */

/* Offsets come in ascending order, so that all lines are counted once. */
static void
locator_place(struct locator *locator, const struct scan *scan, uint32_t error_index, size_t offset)
{
	struct json_error *error = &locator->errors->items[error_index];

	for (; locator->counted < offset; locator->counted++) {
		if (scan->text[locator->counted] == '\n') {
			locator->line++;
			locator->line_start = locator->counted + 1;
		}
	}
	error->line = locator->line;
	error->column = (uint32_t)(offset - locator->line_start + 1);
}

/*
 * A value begins at pos. Errors whose pointer leads to it, or through it, are placed here; one that
 * leads through it may be placed again deeper. Returns those errors, a bit each: the container's
 * "followed" when the value is one.
 */
static uint64_t
locate_value(struct scan *scan)
{
	struct locator *locator = scan->locator;
	const struct frame *frame = scan->depth == 0 ? NULL : &scan->frames[scan->depth - 1];
	uint64_t candidates = frame == NULL ? locator->wanted : frame->followed, followed = 0;
	char bytes[JSON_POINTER_BYTES_MAX];
	struct json_text token = { .bytes = bytes, .capacity = sizeof bytes };
	uint32_t depth = scan->depth;

	bytes[0] = '\0';
	if (candidates != 0 && frame != NULL && frame->is_object)
		scan_put_name(scan, &frame->name, &token);
	else if (candidates != 0 && frame != NULL)
		json_text_put_index(&token, frame->index);
	for (; candidates != 0; candidates &= candidates - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(candidates);
		const struct json_error *error = &locator->errors->items[i];
		size_t before = depth == 0 ? 0 : locator->consumed[i][depth - 1];
		size_t after = before + token.size;
		bool by_name = frame != NULL && frame->is_object &&
			       strcmp(error->code, "unknown_member") == 0;

		if (strncmp(error->pointer + before, bytes, token.size) != 0 ||
		    (error->pointer[after] != '\0' && error->pointer[after] != '/'))
			continue;
		followed |= UINT64_C(1) << i;
		locator->consumed[i][depth] = (uint16_t)after;
		if (locator->best_depth[i] > depth)
			continue;
		locator->best_depth[i] = (uint8_t)(depth + 1);
		by_name = by_name && error->pointer[after] == '\0';
		locator_place(locator, scan, i, by_name ? frame->name.offset - 1 : scan->pos);
	}
	return followed;
}

/* --- the grammar --- */

static void
scan_space(struct scan *scan)
{
	while (scan->pos < scan->size) {
		char c = scan->text[scan->pos];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		scan->pos++;
	}
}

/* pos is after "\u". Returns the 16 bits; -1: not four hexadecimal digits. */
static int32_t
scan_hex4(const struct scan *scan, size_t pos)
{
	int32_t value = 0;

	if (scan->size - pos < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		char c = scan->text[pos + i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* pos is at the backslash. */
static int
scan_escape(struct scan *scan)
{
	size_t start = scan->pos;
	int32_t high, low = -1;

	if (scan->size - start < 2)
		return scan_fail(scan, scan->size, "parse_error", NULL,
				 "the text ends within a string");
	scan->pos += 2;
	if (scan->text[start + 1] != 'u') {
		if (scan->text[start + 1] == '\0' ||
		    strchr("\"\\/bfnrt", scan->text[start + 1]) == NULL)
			return scan_fail(scan, start, "parse_error", "write \\\\ for a backslash",
					 "a backslash in a string begins no known escape");
		return 0;
	}
	high = scan_hex4(scan, scan->pos);
	if (high < 0)
		return scan_fail(scan, start, "parse_error", NULL,
				 "\\u needs four hexadecimal digits");
	if (high == 0)
		return scan_fail(scan, start, "parse_error", NULL, "\\u0000 is not accepted");
	scan->pos += 4;
	if (high < 0xd800 || high > 0xdfff)
		return 0;
	if (high <= 0xdbff && scan->size - scan->pos >= 6 &&
	    memcmp(scan->text + scan->pos, "\\u", 2) == 0)
		low = scan_hex4(scan, scan->pos + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return scan_fail(scan, start, "parse_error", NULL,
				 "\\u names half of a surrogate pair");
	scan->pos += 6;
	return 0;
}

/* pos is at the opening quote. @p ret_name may be NULL. */
static int
scan_string(struct scan *scan, struct name *ret_name)
{
	size_t start = scan->pos + 1;
	bool escaped = false;

	scan->pos++;
	while (scan->pos < scan->size && scan->text[scan->pos] != '"') {
		uint8_t byte = (uint8_t)scan->text[scan->pos];
		size_t taken;
		int r;

		if (byte == '\\') {
			escaped = true;
			if ((r = scan_escape(scan)) < 0)
				return r;
			continue;
		}
		if (byte < 0x20)
			return scan_fail(scan, scan->pos, "parse_error", "write it as an escape",
					 "a string holds the control character 0x%02x", byte);
		taken = json_utf8_size(scan->text + scan->pos, scan->size - scan->pos);
		if (taken == 0)
			return scan_fail(scan, scan->pos, "parse_error", NULL,
					 "a string holds the byte 0x%02x, which is not UTF-8 there",
					 byte);
		scan->pos += taken;
	}
	if (scan->pos >= scan->size)
		return scan_fail(scan, scan->size, "parse_error", NULL,
				 "the text ends within a string");
	if (ret_name != NULL)
		*ret_name = (struct name){ .offset = start,
					   .size = (uint32_t)(scan->pos - start),
					   .escaped = escaped };
	scan->pos++;
	return 0;
}

static int
scan_number(struct scan *scan)
{
	const char *hint = "write a whole number";
	size_t start = scan->pos, digits;
	uint64_t value = 0;

	if (scan->text[scan->pos] == '-')
		scan->pos++;
	digits = scan->pos;
	for (; scan->pos < scan->size; scan->pos++) {
		char c = scan->text[scan->pos];

		if (c < '0' || c > '9')
			break;
		if (scan->pos - digits < NUMBER_DIGITS_MAX)
			value = value * 10 + (uint64_t)(c - '0');
	}
	if (scan->pos == digits)
		return scan_unexpected(scan, "a digit");
	if (scan->text[digits] == '0' && scan->pos - digits > 1)
		return scan_fail(scan, start, "parse_error", "remove the zero",
				 "a number begins with a superfluous 0");
	if (scan->pos < scan->size && strchr(".eE", scan->text[scan->pos]) != NULL &&
	    scan->text[scan->pos] != '\0')
		return scan_fail(
			scan, start, "parse_error", hint,
			"a number has a fraction or an exponent; only integers are accepted");
	if (scan->pos - digits > NUMBER_DIGITS_MAX || value > (uint64_t)scan->integer_max)
		return scan_fail(scan, start, "out_of_range", NULL, "an integer is beyond %lld",
				 (long long)scan->integer_max);
	return 0;
}

static int
scan_word(struct scan *scan)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t size = strlen(words[i]);

		if (scan->size - scan->pos >= size &&
		    memcmp(scan->text + scan->pos, words[i], size) == 0) {
			scan->pos += size;
			return 0;
		}
	}
	return scan_unexpected(scan, "a value");
}

/* A member's name and colon; pos is at what should be the opening quote. */
static int
scan_name(struct scan *scan)
{
	struct frame *frame = &scan->frames[scan->depth - 1];
	struct name name;
	int r;

	frame->has_name = false;
	if (scan->pos >= scan->size || scan->text[scan->pos] != '"')
		return scan_unexpected(scan, "a member name in quotes");
	if ((r = scan_string(scan, &name)) < 0)
		return r;
	frame->name = name;
	frame->has_name = true;
	if (scan->locator == NULL && (r = scan_keep_name(scan, &name)) < 0)
		return r;
	scan_space(scan);
	if (scan->pos >= scan->size || scan->text[scan->pos] != ':')
		return scan_unexpected(scan, "':'");
	scan->pos++;
	return 0;
}

static int
scan_open(struct scan *scan, uint64_t followed)
{
	if (scan->depth == JSON_DEPTH_MAX)
		return scan_fail(scan, scan->pos, "too_deep", NULL,
				 "more than %d arrays and objects are nested", JSON_DEPTH_MAX);
	scan->frames[scan->depth++] = (struct frame){ .is_object = scan->text[scan->pos] == '{',
						      .names_base = scan->name_count,
						      .followed = followed };
	scan->pos++;
	return 0;
}

/* A value, or the opening of one. @p ret_opened: it was an array or object that is not empty. */
static int
scan_value(struct scan *scan, bool *ret_opened)
{
	uint64_t followed;
	bool is_object;
	char c;
	int r;

	*ret_opened = false;
	scan_space(scan);
	if (scan->pos >= scan->size)
		return scan_unexpected(scan, "a value");
	followed = scan->locator == NULL ? 0 : locate_value(scan);
	c = scan->text[scan->pos];
	if (c == '"')
		return scan_string(scan, NULL);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(scan);
	if (c != '{' && c != '[')
		return scan_word(scan);
	if ((r = scan_open(scan, followed)) < 0)
		return r;
	is_object = scan->frames[scan->depth - 1].is_object;
	scan_space(scan);
	if (scan->pos < scan->size && scan->text[scan->pos] == (is_object ? '}' : ']')) {
		scan->pos++;
		scan->depth--;
		return 0;
	}
	*ret_opened = true;
	return is_object ? scan_name(scan) : 0;
}

/* After a value: closes what ends here. @p ret_more: another value follows. */
static int
scan_after(struct scan *scan, bool *ret_more)
{
	int r;

	*ret_more = false;
	while (scan->depth > 0) {
		struct frame *frame = &scan->frames[scan->depth - 1];
		char c;

		scan_space(scan);
		c = scan->pos < scan->size ? scan->text[scan->pos] : '\0';
		if (c == ',') {
			*ret_more = true;
			scan->pos++;
			frame->index++;
			if (!frame->is_object)
				return 0;
			scan_space(scan);
			return scan_name(scan);
		}
		if (c != (frame->is_object ? '}' : ']'))
			return scan_unexpected(scan,
					       frame->is_object ? "',' or '}'" : "',' or ']'");
		if (frame->is_object && scan->locator == NULL && (r = scan_check_names(scan)) < 0)
			return r;
		scan->pos++;
		scan->depth--;
	}
	return 0;
}

/* Each turn takes at least one byte of the text. */
static int
scan_text(struct scan *scan)
{
	bool more = true, opened;
	int r;

	scan_space(scan);
	if (scan->pos == scan->size)
		return scan_fail(scan, 0, "parse_error", NULL, "the document is empty");
	while (more) {
		if ((r = scan_value(scan, &opened)) < 0)
			return r;
		if (!opened && (r = scan_after(scan, &more)) < 0)
			return r;
	}
	scan_space(scan);
	if (scan->pos < scan->size)
		return scan_fail(scan, scan->pos, "parse_error", "remove what follows the value",
				 "the document goes on after its end");
	return 0;
}

static int
read_text(struct scan *scan, cJSON **ret_root)
{
	cJSON *root = NULL;
	int r;

	if (scan->size > JSON_TEXT_BYTES_MAX)
		return scan_fail(scan, 0, "parse_error", NULL,
				 "the document is larger than %d bytes", JSON_TEXT_BYTES_MAX);
	r = scan_text(scan);
	free(scan->names);
	if (r == 0) {
		/* The text is right, so all that can stop cJSON is memory. */
		root = cJSON_ParseWithLength(scan->text, scan->size);
		r = root == NULL ? -ENOMEM : 0;
	}
	if (r == -ENOMEM)
		json_error_add(scan->errors, NULL, "no_memory", NULL, "out of memory");
	if (r == 0)
		*ret_root = root;
	return r;
}

int
json_read(const char *text, size_t size, cJSON **ret_root, struct json_errors *errors)
{
	struct scan scan = {
		.text = text, .size = size, .integer_max = JSON_INTEGER_MAX, .errors = errors
	};

	assert(text != NULL && ret_root != NULL && errors != NULL);
	return read_text(&scan, ret_root);
}

int
json_read_answer(const char *text, size_t size, cJSON **ret_root, struct json_errors *errors)
{
	struct scan scan = {
		.text = text, .size = size, .integer_max = INT64_MAX, .errors = errors
	};

	assert(text != NULL && ret_root != NULL && errors != NULL);
	return read_text(&scan, ret_root);
}

void
json_errors_locate(struct json_errors *errors, const char *text, size_t size)
{
	struct locator locator = { .errors = errors, .line = 1 };
	struct scan scan = {
		.text = text, .size = size, .integer_max = INT64_MAX, .locator = &locator
	};

	for (uint32_t i = 0; i < errors->count; i++)
		if (errors->items[i].line == 0)
			locator.wanted |= UINT64_C(1) << i;
	if (locator.wanted != 0)
		(void)scan_text(
			&scan); /* a text json_read() refused is located as far as it goes */
}
