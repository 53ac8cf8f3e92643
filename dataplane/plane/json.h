/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The strict JSON reader: every byte that comes from outside passes here.
 *
 * cJSON builds the tree, but it accepts trailing bytes, duplicate keys, `01`, raw control
 * characters, invalid UTF-8 and any depth. This reader checks the text first (RFC 8259, and
 * stricter where said below), so that what cJSON then sees has one meaning only.
 *
 * Stricter than RFC 8259: no duplicate member names in an object; depth at most JSON_DEPTH_MAX;
 * numbers are integers in -(2^53-1) ... 2^53-1 without fraction or exponent; no `\u0000`; no byte
 * order mark. Strings are valid UTF-8 (no lone surrogates, also not by \u).
 *
 * No I/O except json_read_file() and json_read_opened(). Any thread; no state between calls.
 */
#ifndef PLANE_JSON_H
#define PLANE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum {
	JSON_DEPTH_MAX = 32,		 /**< nested arrays and objects */
	JSON_FILE_BYTES_MAX = 16 << 20,	 /**< a configuration file */
	JSON_TEXT_BYTES_MAX = 256 << 20, /**< any text; who receives one has a smaller limit */
	JSON_POINTER_BYTES_MAX =
		256, /**< a JSON pointer in an error, with its NUL; cut with "..." */
	JSON_MESSAGE_BYTES_MAX = 320, /**< an error's sentence, with its NUL */
	JSON_ERRORS_MAX = 64,	      /**< errors kept of one document; more are counted */
	JSON_FIELDS_MAX = 64,	      /**< rows of one json_check() table */
	JSON_SUGGEST_BYTES_MAX = 64,  /**< longer words get no suggestion */
};

/** Integers that a double holds exactly; json_read() accepts -JSON_INTEGER_MAX ...
 * JSON_INTEGER_MAX. */
#define JSON_INTEGER_MAX INT64_C(9007199254740991)

/** One thing that is wrong with a document. All strings are NUL-terminated, printable UTF-8. */
struct json_error {
	char code[32]; /**< stable word for programs, e.g. "unknown_member" */
	char pointer[JSON_POINTER_BYTES_MAX]; /**< RFC 6901, "" is the whole document */
	uint32_t line;	 /**< from 1; 0: not located (see json_errors_locate()) */
	uint32_t column; /**< from 1, in bytes; 0: not located */
	char message[JSON_MESSAGE_BYTES_MAX]; /**< what and why, one sentence without the position
					       */
	char hint[JSON_MESSAGE_BYTES_MAX];    /**< what to do; "" when there is nothing to add */
};

/** The errors of one document in the order found. Zero-initialise before use. */
struct json_errors {
	uint32_t count;	  /**< items used */
	uint32_t dropped; /**< errors beyond JSON_ERRORS_MAX */
	struct json_error items[JSON_ERRORS_MAX];
};

/** Where a value stands; lives on the stack of the code that walks down. NULL is the root. */
struct json_path {
	const struct json_path *parent;
	const char *name; /**< member name, or NULL for an array item */
	uint32_t index;	  /**< array index when name is NULL */
};

/** What json_check() accepts of one member. Tables of these end with a NULL name. */
struct json_field {
	const char *name;
	enum json_kind {
		JSON_KIND_STRING,  /**< min..max bytes, without NUL */
		JSON_KIND_INTEGER, /**< min..max value */
		JSON_KIND_BOOLEAN,
		JSON_KIND_OBJECT,
		JSON_KIND_ARRAY, /**< min..max items */
		JSON_KIND_ANY,
	} kind;
	bool required;
	int64_t min;
	int64_t max;
	/** Not NULL: here the member is unknown; it is one of the program of this name. */
	const char *elsewhere;
};

/**
 * Read one JSON text, whole: anything but white space after the value is an error.
 *
 * @param text need not end with NUL; borrowed during the call.
 * @param ret_root set on success only; the caller frees it with cJSON_Delete().
 * @param errors gets one located error on failure.
 * @return 0; -EBADMSG: not a text this reader accepts, the error says where and why; -ENOMEM.
 */
int json_read(const char *text, size_t size, cJSON **ret_root, struct json_errors *errors);

/**
 * The same for what another program of ours answered: counters may be as large as 2^63-1. The tree
 * holds those beyond JSON_INTEGER_MAX rounded to a double.
 */
int json_read_answer(const char *text, size_t size, cJSON **ret_root, struct json_errors *errors);

/** Bytes that grow. Zero-initialise; free bytes with free(). Not NUL-terminated. */
struct json_buffer {
	char *bytes;
	size_t size;
	size_t capacity;
};

/**
 * Print a tree on one line, without spaces, so that json_read_answer() reads the same tree back:
 * integers as digits (cJSON prints 1e+15), bytes that are not UTF-8 as U+FFFD.
 *
 * @param size_max most bytes to append.
 * @return 0; -ENOMEM; -EMSGSIZE: more than @p size_max; -EINVAL: deeper than JSON_DEPTH_MAX, or a
 *         number that is not an integer. On failure the buffer holds what it held.
 */
int json_print(const cJSON *root, size_t size_max, struct json_buffer *buffer);

/** Append bytes. @return 0; -ENOMEM, nothing was appended. */
int json_buffer_put(struct json_buffer *buffer, const char *bytes, size_t size);

/**
 * Read a regular file of at most JSON_FILE_BYTES_MAX bytes.
 *
 * @param ret_text set on success only: NUL-terminated copy, freed by the caller with free().
 * @return 0; -EFBIG too large; -EINVAL not a regular file; or the negative errno of open() or
 * read().
 */
int json_read_file(const char *path, char **ret_text, size_t *ret_size);

/** The same of a descriptor, borrowed, that does not block, and of at most @p size_max bytes. */
int json_read_opened(int fd, size_t size_max, char **ret_text, size_t *ret_size);

/**
 * Check an object against its member table: is an object, no unknown member (the error suggests
 * the nearest known name), no required one missing, types and ranges. Also accepts a member
 * "description" (string) anywhere. Reports all that is wrong, not just the first. Codes:
 * wrong_type, unknown_member (at the member), missing_member (at the object), out_of_range.
 *
 * @param fields at most JSON_FIELDS_MAX of them.
 * @return true when nothing was wrong.
 */
bool json_check(const cJSON *object, const struct json_field *fields, const struct json_path *path,
		struct json_errors *errors);

/** The member @p name, compared by case; NULL when absent or @p object is not an object. */
const cJSON *json_get(const cJSON *object, const char *name);

/** The member's integer (json_check()ed before), or @p fallback when absent or not a number. */
int64_t json_get_integer(const cJSON *object, const char *name, int64_t fallback);

/** The member's string (borrowed from the tree), or @p fallback when absent or not a string. */
const char *json_get_string(const cJSON *object, const char *name, const char *fallback);

/** The member's boolean, or @p fallback when absent or not a boolean. */
bool json_get_boolean(const cJSON *object, const char *name, bool fallback);

/**
 * Add an unlocated error at @p path. @p format makes the message; hint may be NULL. What cannot be
 * printed is escaped, what is too long is cut. Beyond JSON_ERRORS_MAX errors are only counted.
 */
void
json_error_add(struct json_errors *errors, const struct json_path *path, const char *code,
	       const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));

/**
 * Fill line and column of every unlocated error by looking its pointer up in @p text, a text that
 * json_read() accepted: where the value begins, or for an unknown member its name. A pointer that
 * was cut, or that leads nowhere, is located at the deepest value on its way. One pass for all
 * errors.
 */
void json_errors_locate(struct json_errors *errors, const char *text, size_t size);

/**
 * The name among @p names (count of them) that @p wrong most likely meant: edit distance at most 2
 * (optimal string alignment) and less than the length of either word, or differing in case alone.
 * The nearest wins, of equally near ones the first. NULL: none is near.
 */
const char *json_suggest(const char *wrong, const char *const *names, size_t count);

/** Add an unsigned 64-bit number as digits (cJSON's own numbers are doubles). false: no memory. */
bool json_add_u64(cJSON *object, const char *name, uint64_t value);

#endif
