/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a tree holds: members checked against a table, and errors that say where they are.
 */
#include "json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "json_text.h"

enum {
	SUGGEST_DISTANCE_MAX = 2,
	MESSAGE_BYTES_UNCUT = 1024, /* before unprintable bytes are escaped and the rest is cut */
	NAME_BYTES_SHOWN = 64,	    /* of a name from outside, in a message */
};

/* --- errors --- */

static void
put_path(struct json_text *pointer, const struct json_path *path)
{
	const struct json_path *steps[JSON_DEPTH_MAX];
	size_t count = 0;

	pointer->bytes[0] = '\0';
	for (; path != NULL && count < JSON_DEPTH_MAX; path = path->parent)
		steps[count++] = path;
	while (count-- > 0) {
		if (steps[count]->name == NULL)
			json_text_put_index(pointer, steps[count]->index);
		else
			json_text_put_token(pointer, steps[count]->name,
					    strlen(steps[count]->name));
	}
}

static void
put_printable(char *bytes, size_t capacity, const char *source)
{
	struct json_text text = { .bytes = bytes, .capacity = capacity };

	bytes[0] = '\0';
	json_text_put(&text, source, strlen(source));
}

void
json_error_add(struct json_errors *errors, const struct json_path *path, const char *code,
	       const char *hint, const char *format, ...)
{
	char message[MESSAGE_BYTES_UNCUT];
	struct json_error *error;
	struct json_text pointer;
	va_list args;

	if (errors->count == JSON_ERRORS_MAX) {
		errors->dropped++;
		return;
	}
	error = &errors->items[errors->count++];
	*error = (struct json_error){ 0 };
	pointer = (struct json_text){ .bytes = error->pointer, .capacity = sizeof error->pointer };
	put_path(&pointer, path);
	put_printable(error->code, sizeof error->code, code);
	put_printable(error->hint, sizeof error->hint, hint == NULL ? "" : hint);
	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	put_printable(error->message, sizeof error->message, message);
}

/* --- suggestions --- */

/* Optimal string alignment: insert, delete, replace, swap neighbours. Both at most
 * JSON_SUGGEST_BYTES_MAX. */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t rows[3][JSON_SUGGEST_BYTES_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *recycled;
	size_t a_size = strlen(a), b_size = strlen(b);

	for (size_t j = 0; j <= b_size; j++)
		above[j] = before[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		recycled = before;
		before = above;
		above = row;
		row = recycled;
	}
	return above[b_size];
}

const char *
json_suggest(const char *wrong, const char *const *names, size_t count)
{
	size_t wrong_size = strlen(wrong), best_distance = SUGGEST_DISTANCE_MAX + 1;
	const char *best = NULL;

	if (wrong_size > JSON_SUGGEST_BYTES_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(names[i]);
		size_t shorter = size < wrong_size ? size : wrong_size, distance;

		if (size > JSON_SUGGEST_BYTES_MAX)
			continue;
		distance = edit_distance(wrong, names[i]);
		if (size == wrong_size && distance > 1 && strcasecmp(wrong, names[i]) == 0)
			distance = 1;
		if (distance < best_distance && distance < shorter) {
			best = names[i];
			best_distance = distance;
		}
	}
	return best;
}

/* --- members --- */

static const char *
kind_of(const cJSON *item)
{
	if (cJSON_IsString(item))
		return "a string";
	if (cJSON_IsNumber(item))
		return "a number";
	if (cJSON_IsBool(item))
		return "a boolean";
	if (cJSON_IsObject(item))
		return "an object";
	return cJSON_IsArray(item) ? "an array" : "null";
}

static bool
is_integer(const cJSON *item)
{
	return cJSON_IsNumber(item) && trunc(item->valuedouble) == item->valuedouble;
}

static bool
is_kind(const cJSON *item, enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_STRING:
		return cJSON_IsString(item);
	case JSON_KIND_INTEGER:
		return is_integer(item);
	case JSON_KIND_BOOLEAN:
		return cJSON_IsBool(item);
	case JSON_KIND_OBJECT:
		return cJSON_IsObject(item);
	case JSON_KIND_ARRAY:
		return cJSON_IsArray(item);
	case JSON_KIND_ANY:
		break;
	}
	return true;
}

static const char *
kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_KIND_STRING] = "a string",       [JSON_KIND_INTEGER] = "an integer",
		[JSON_KIND_BOOLEAN] = "true or false", [JSON_KIND_OBJECT] = "an object",
		[JSON_KIND_ARRAY] = "an array",	       [JSON_KIND_ANY] = "a value",
	};

	return names[kind];
}

static int64_t
integer_of(const cJSON *number)
{
	if (number->valuedouble >= 9223372036854775808.0)
		return INT64_MAX;
	if (number->valuedouble <= -9223372036854775808.0)
		return INT64_MIN;
	return (int64_t)number->valuedouble;
}

/* What min and max of a table are compared with. false: this kind has no range. */
static bool
measure(const cJSON *item, const struct json_field *field, int64_t *ret_measure)
{
	if (field->kind == JSON_KIND_INTEGER)
		*ret_measure = integer_of(item);
	else if (field->kind == JSON_KIND_STRING)
		*ret_measure = (int64_t)strlen(item->valuestring);
	else if (field->kind == JSON_KIND_ARRAY)
		*ret_measure = cJSON_GetArraySize(item);
	else
		return false;
	return true;
}

static void
add_range_error(struct json_errors *errors, const struct json_path *path,
		const struct json_field *field, int64_t found)
{
	const char *verb = field->kind == JSON_KIND_ARRAY ? "have" : "be";
	const char *is = field->kind == JSON_KIND_ARRAY ? "has" : "is";
	const char *unit = field->kind == JSON_KIND_ARRAY    ? " items"
			   : field->kind == JSON_KIND_STRING ? " bytes long"
							     : "";

	if (field->min == field->max)
		json_error_add(errors, path, "out_of_range", NULL,
			       "\"%s\" must %s %" PRId64 "%s, but %s %" PRId64, field->name, verb,
			       field->min, unit, is, found);
	else
		json_error_add(errors, path, "out_of_range", NULL,
			       "\"%s\" must %s %" PRId64 " to %" PRId64 "%s, but %s %" PRId64,
			       field->name, verb, field->min, field->max, unit, is, found);
}

static bool
check_value(const cJSON *item, const struct json_field *field, const struct json_path *path,
	    struct json_errors *errors)
{
	int64_t found;

	if (!is_kind(item, field->kind)) {
		json_error_add(errors, path, "wrong_type", NULL, "\"%s\" must be %s, not %s",
			       field->name, kind_name(field->kind), kind_of(item));
		return false;
	}
	if (!measure(item, field, &found) || (found >= field->min && found <= field->max))
		return true;
	add_range_error(errors, path, field, found);
	return false;
}

static void
add_unknown_error(const char *name, const struct json_field *fields, const struct json_path *path,
		  struct json_errors *errors)
{
	const char *names[JSON_FIELDS_MAX];
	const char *nearest;
	char hint[JSON_MESSAGE_BYTES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < JSON_FIELDS_MAX && fields[i].name != NULL; i++)
		if (fields[i].elsewhere == NULL)
			names[count++] = fields[i].name;
	nearest = json_suggest(name, names, count);
	if (nearest != NULL)
		(void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
	json_error_add(errors, path, "unknown_member", nearest == NULL ? NULL : hint,
		       "unknown member \"%.*s%s\"", NAME_BYTES_SHOWN, name,
		       strlen(name) > NAME_BYTES_SHOWN ? "..." : "");
}

/** Which of the fields the member is; -1: none. */
static int
field_of(const cJSON *item, const struct json_field *fields)
{
	for (int i = 0; fields[i].name != NULL; i++)
		if (strcmp(fields[i].name, item->string) == 0)
			return i;
	return -1;
}

static bool
check_member(const cJSON *item, const struct json_field *fields, const struct json_path *path,
	     struct json_errors *errors)
{
	static const struct json_field description = { .name = "description",
						       .kind = JSON_KIND_STRING,
						       .max = INT64_MAX };

	int field = field_of(item, fields);

	if (field >= 0 && fields[field].elsewhere != NULL) {
		json_error_add(errors, path, "unknown_member", "remove it, or run that plane",
			       "unknown member \"%s\": it is one of %s", item->string,
			       fields[field].elsewhere);
		return false;
	}
	if (field >= 0)
		return check_value(item, &fields[field], path, errors);
	if (strcmp(item->string, description.name) == 0)
		return check_value(item, &description, path, errors);
	add_unknown_error(item->string, fields, path, errors);
	return false;
}

bool
json_check(const cJSON *object, const struct json_field *fields, const struct json_path *path,
	   struct json_errors *errors)
{
	const cJSON *item;
	bool good = true;

	if (!cJSON_IsObject(object)) {
		json_error_add(errors, path, "wrong_type", NULL, "this must be an object, not %s",
			       object == NULL ? "absent" : kind_of(object));
		return false;
	}
	cJSON_ArrayForEach (item, object) {
		struct json_path here = { .parent = path, .name = item->string };

		good = check_member(item, fields, &here, errors) && good;
	}
	for (uint32_t i = 0; fields[i].name != NULL; i++) {
		assert(i < JSON_FIELDS_MAX);
		if (!fields[i].required || json_get(object, fields[i].name) != NULL)
			continue;
		json_error_add(errors, path, "missing_member", NULL, "member \"%s\" is missing",
			       fields[i].name);
		good = false;
	}
	return good;
}

const cJSON *
json_get(const cJSON *object, const char *name)
{
	return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

int64_t
json_get_integer(const cJSON *object, const char *name, int64_t fallback)
{
	const cJSON *item = json_get(object, name);

	return cJSON_IsNumber(item) ? integer_of(item) : fallback;
}

const char *
json_get_string(const cJSON *object, const char *name, const char *fallback)
{
	const cJSON *item = json_get(object, name);

	return cJSON_IsString(item) ? item->valuestring : fallback;
}

bool
json_get_boolean(const cJSON *object, const char *name, bool fallback)
{
	const cJSON *item = json_get(object, name);

	return cJSON_IsBool(item) ? (bool)cJSON_IsTrue(item) : fallback;
}

bool
json_add_u64(cJSON *object, const char *name, uint64_t value)
{
	char digits[24];

	(void)snprintf(digits, sizeof digits, "%" PRIu64, value);
	return cJSON_AddRawToObject(object, name, digits) != NULL;
}
