/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: no text crashes the strict reader; what it accepts has one meaning; what it refuses it
 * explains. Method: whatever it accepts cJSON must parse, no object of the tree may hold a name
 * twice, and the tree printed and read again must be equal; each of its values must be found again
 * by its pointer. A refused text must give one located error of printable UTF-8.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_errors errors;

static void
demand(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_json: %s\n", what);
	abort();
}

static void
demand_text(const char *text, size_t capacity)
{
	size_t size = strnlen(text, capacity);

	demand(size < capacity, "a text without end");
	for (size_t i = 0, taken; i < size; i += taken) {
		taken = json_utf8_size(text + i, size - i);
		demand(taken > 0 && (uint8_t)text[i] >= 0x20, "a text that cannot be printed");
	}
}

/* Does an object of the tree hold a name twice? */
static bool
has_duplicate(const cJSON *parent)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, parent) {
		for (const cJSON *later = item->next; later != NULL; later = later->next)
			if (item->string != NULL && strcmp(item->string, later->string) == 0)
				return true;
		if (has_duplicate(item))
			return true;
	}
	return false;
}

/* The objects before a refused duplicate are sound, so that cJSON sees the same names. */
static void
demand_duplicate(const char *text, size_t size)
{
	cJSON *root = cJSON_ParseWithLength(text, size);

	demand(root == NULL || has_duplicate(root), "no name stands twice");
	cJSON_Delete(root);
}

static void
demand_error(size_t size)
{
	const struct json_error *error = &errors.items[0];

	demand(errors.count == 1 && errors.dropped == 0, "not one error");
	demand(error->line >= 1 && error->line <= size + 1, "no line");
	demand(error->column >= 1 && error->column <= size + 1, "no column");
	demand(error->code[0] != '\0' && error->message[0] != '\0', "no reason");
	demand_text(error->code, sizeof error->code);
	demand_text(error->pointer, sizeof error->pointer);
	demand_text(error->message, sizeof error->message);
	demand_text(error->hint, sizeof error->hint);
}

/* Adds an error at each value that there is room for; no recursion deeper than JSON_DEPTH_MAX. */
static void
walk(const cJSON *parent, const struct json_path *path)
{
	struct json_path here = { .parent = path };
	const cJSON *item;

	json_error_add(&errors, path, "seen", NULL, "here");
	if (!cJSON_IsObject(parent) && !cJSON_IsArray(parent))
		return;
	cJSON_ArrayForEach (item, parent) {
		here.name = cJSON_IsObject(parent) ? item->string : NULL;
		walk(item, &here);
		here.index++;
	}
}

static bool
is_ambiguous(const char *pointer)
{
	return strstr(pointer, "...") != NULL || strchr(pointer, '\\') != NULL;
}

static void
demand_located(void)
{
	for (uint32_t i = 0; i < errors.count; i++) {
		const struct json_error *error = &errors.items[i], *before = error - 1;

		demand(error->line > 0 && error->column > 0, "a value was not located");
		/*
		 * Values are visited in the order of the text. Cut pointers stop on their way, and
		 * a name with "\\u000a" in it looks like one with an escaped control character.
		 */
		if (i > 0 && !is_ambiguous(error->pointer) && !is_ambiguous(before->pointer))
			demand(error->line > before->line || (error->line == before->line &&
							      error->column > before->column),
			       "values out of order");
	}
}

static void
check_accepted(const cJSON *root, const char *text, size_t size)
{
	static const struct json_field fields[] = {
		{ "a", JSON_KIND_INTEGER, true, -10, 10 },
		{ "list", JSON_KIND_ARRAY, false, 1, 2 },
		{ "name", JSON_KIND_STRING, false, 1, 4 },
		{ NULL, JSON_KIND_ANY, false, 0, 0 },
	};
	struct json_buffer buffer = { 0 };
	cJSON *again;

	demand(json_print(root, SIZE_MAX, &buffer) == 0, "accepted, but not printed");
	demand(json_read(buffer.bytes, buffer.size, &again, &errors) == 0, "printed, but refused");
	demand(cJSON_Compare(root, again, true), "read again, but not equal");
	cJSON_Delete(again);
	free(buffer.bytes);
	demand(!has_duplicate(root), "a name stands twice");
	walk(root, NULL);
	json_errors_locate(&errors, text, size);
	demand_located();
	errors.count = errors.dropped = 0;
	demand(json_check(root, fields, NULL, &errors) == (errors.count == 0), "checked, but how?");
	json_errors_locate(&errors, text, size);
	for (uint32_t i = 0; i < errors.count; i++)
		demand(errors.items[i].line > 0, "an error was not located");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size); /* of just that size, so that one byte too far is seen */
	cJSON *root = NULL;
	int r;

	if (size > 0)
		memcpy(text, data, size);
	errors.count = errors.dropped = 0;
	r = json_read(text == NULL ? "" : text, size, &root, &errors);
	demand(r == 0 || r == -EBADMSG, "cJSON refuses what the strict reader accepts");
	if (r == 0)
		check_accepted(root, text, size);
	else
		demand_error(size);
	if (r != 0 && strcmp(errors.items[0].code, "duplicate_member") == 0)
		demand_duplicate(text, size);
	cJSON_Delete(root);
	free(text);
	return 0;
}
