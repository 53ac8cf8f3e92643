/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the strict reader takes RFC 8259 as json.h narrows it, nothing else; says where and why it
 * refuses; and costs time in proportion to the text. Method: tables of texts, each refused one with
 * its code, place and pointer; every text laid against an unmapped page and cut at every length;
 * large documents within the time of the test; the n-th allocation failing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../edge.h"
#include "fail_alloc.h"
#include "json.h"
#include "run.h"

/* Zeroed for each test: libcheck runs each in a process of its own. */
static struct json_errors errors;

static int
read_edge(const char *text, size_t size, cJSON **ret_root)
{
	struct edge edge = edge_create();
	char *copy = (char *)edge.end - size;
	int r;

	memcpy(copy, text, size);
	r = json_read(copy, size, ret_root, &errors);
	edge_destroy(&edge);
	return r;
}

static const char *const accepted[] = {
	"{}",
	"[]",
	" \t\r\n[ ] \n",
	"0",
	"-1",
	"9007199254740991",
	"-9007199254740991",
	"true",
	"false",
	"null",
	"\"\"",
	"\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"",
	"\"\\u00e9\\uD83D\\uDE00 \xc3\xa9 \xf0\x9f\x98\x80\"",
	"\"\xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf \x7f\"",
	"{\"a\":1,\"A\":2,\"\":3,\"aa\":{\"a\":4}}",
	"[1,[2,[3]],{\"x\":[{},[]]}]",
	"[{\"a\":1},{\"a\":1}]",
	"{\"x\":{\"a\":1},\"y\":{\"a\":1},\"a\":2}",
};

START_TEST(test_json_accepts_and_prints_back)
{
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		struct json_buffer buffer = { 0 };
		cJSON *root, *again;

		ck_assert_msg(read_edge(accepted[i], strlen(accepted[i]), &root) == 0, "%s: %s",
			      accepted[i], errors.items[0].message);
		ck_assert_int_eq(json_print(root, SIZE_MAX, &buffer), 0);
		ck_assert_int_eq(json_read(buffer.bytes, buffer.size, &again, &errors), 0);
		ck_assert(cJSON_Compare(root, again, true));
		cJSON_Delete(root);
		cJSON_Delete(again);
		free(buffer.bytes);
	}
	ck_assert_uint_eq(errors.count, 0);
}
END_TEST

static const struct refused {
	const char *text, *code, *pointer;
	uint32_t line, column;
} refused[] = {
	{ "", "parse_error", "", 1, 1 },
	{ " \n ", "parse_error", "", 1, 1 },
	{ "\xef\xbb\xbf{}", "parse_error", "", 1, 1 },
	{ "{} x", "parse_error", "", 1, 4 },
	{ "{}{}", "parse_error", "", 1, 3 },
	{ "tru", "parse_error", "", 1, 1 },
	{ "truex", "parse_error", "", 1, 5 },
	{ "nul", "parse_error", "", 1, 1 },
	{ "'a'", "parse_error", "", 1, 1 },
	{ "01", "parse_error", "", 1, 1 },
	{ "-", "parse_error", "", 1, 2 },
	{ "-01", "parse_error", "", 1, 1 },
	{ "+1", "parse_error", "", 1, 1 },
	{ "1.0", "parse_error", "", 1, 1 },
	{ "1e3", "parse_error", "", 1, 1 },
	{ "[1E3]", "parse_error", "/0", 1, 2 },
	{ ".5", "parse_error", "", 1, 1 },
	{ "NaN", "parse_error", "", 1, 1 },
	{ "9007199254740992", "out_of_range", "", 1, 1 },
	{ "-9007199254740992", "out_of_range", "", 1, 1 },
	{ "[0,99999999999999999999999999]", "out_of_range", "/1", 1, 4 },
	{ "{\"a\":{\"b\":[1,18446744073709551617]}}", "out_of_range", "/a/b/1", 1, 14 },
	{ "[", "parse_error", "/0", 1, 2 },
	{ "[1", "parse_error", "/0", 1, 3 },
	{ "[1,", "parse_error", "/1", 1, 4 },
	{ "[1,]", "parse_error", "/1", 1, 4 },
	{ "[,1]", "parse_error", "/0", 1, 2 },
	{ "[1 2]", "parse_error", "/0", 1, 4 },
	{ "[1}", "parse_error", "/0", 1, 3 },
	{ "{", "parse_error", "", 1, 2 },
	{ "{\"a\"", "parse_error", "/a", 1, 5 },
	{ "{\"a\" 1}", "parse_error", "/a", 1, 6 },
	{ "{\"a\":", "parse_error", "/a", 1, 6 },
	{ "{\"a\":1", "parse_error", "/a", 1, 7 },
	{ "{\"a\":1,}", "parse_error", "", 1, 8 },
	{ "{\"a\":1]", "parse_error", "/a", 1, 7 },
	{ "{a:1}", "parse_error", "", 1, 2 },
	{ "{1:1}", "parse_error", "", 1, 2 },
	{ "{\n \"a\": [1,\n  2,\n  x]}", "parse_error", "/a/2", 4, 3 },
	{ "{} /* c */", "parse_error", "", 1, 4 },
	{ "\"", "parse_error", "", 1, 2 },
	{ "\"a\nb\"", "parse_error", "", 1, 3 },
	{ "\"a\tb\"", "parse_error", "", 1, 3 },
	{ "\"\\", "parse_error", "", 1, 3 },
	{ "\"\\x\"", "parse_error", "", 1, 2 },
	{ "\"\\u12\"", "parse_error", "", 1, 2 },
	{ "\"\\u12g4\"", "parse_error", "", 1, 2 },
	{ "\"\\u0000\"", "parse_error", "", 1, 2 },
	{ "\"\\ud800\"", "parse_error", "", 1, 2 },
	{ "\"\\ud800x\"", "parse_error", "", 1, 2 },
	{ "\"\\ud800\\u0041\"", "parse_error", "", 1, 2 },
	{ "\"\\udc00\"", "parse_error", "", 1, 2 },
	{ "\"\x80\"", "parse_error", "", 1, 2 },
	{ "\"\xc0\xaf\"", "parse_error", "", 1, 2 },
	{ "\"\xc3\"", "parse_error", "", 1, 2 },
	{ "\"\xe0\x9f\xbf\"", "parse_error", "", 1, 2 },
	{ "\"\xed\xa0\x80\"", "parse_error", "", 1, 2 },
	{ "\"\xf0\x8f\xbf\xbf\"", "parse_error", "", 1, 2 },
	{ "\"\xf4\x90\x80\x80\"", "parse_error", "", 1, 2 },
	{ "\"\xf5\x80\x80\x80\"", "parse_error", "", 1, 2 },
	{ "{\"a\":1,\"b\":2,\"a\":3}", "duplicate_member", "/a", 1, 14 },
	{ "{\"b\":1,\n\"a\":1,\"a\":2,\"b\":2}", "duplicate_member", "/a", 2, 7 },
	{ "[{\"k\":{\"\\u0061\\ud83d\\ude00\":1,\"a\xf0\x9f\x98\x80\":2}}]", "duplicate_member",
	  "/0/k/a\xf0\x9f\x98\x80", 1, 31 },
	{ "{\"a~b/c\\n\":x}", "parse_error", "/a~0b~1c\\u000a", 1, 12 },
};

START_TEST(test_json_refuses_with_place_and_reason)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		const struct refused *row = &refused[i];
		const struct json_error *error = &errors.items[0];
		cJSON *root = NULL;

		memset(&errors, 0, sizeof errors);
		ck_assert_msg(read_edge(row->text, strlen(row->text), &root) == -EBADMSG, "%s",
			      row->text);
		ck_assert_ptr_null(root);
		ck_assert_uint_eq(errors.count, 1);
		ck_assert_msg(strcmp(error->code, row->code) == 0 &&
				      strcmp(error->pointer, row->pointer) == 0 &&
				      error->line == row->line && error->column == row->column,
			      "%s: %s at \"%s\" %u:%u", row->text, error->code, error->pointer,
			      error->line, error->column);
		ck_assert(error->message[0] != '\0');
	}
}
END_TEST

START_TEST(test_json_refuses_every_cut)
{
	static const char text[] =
		"{\"a\":[-1,true,\"\\u00e9\xc3\xa9\\ud83d\\ude00\"],\"b\":{\"c\":null}}";
	cJSON *root;

	for (size_t size = 0; size < sizeof text - 1; size++) {
		memset(&errors, 0, sizeof errors);
		ck_assert_int_eq(read_edge(text, size, &root), -EBADMSG);
	}
	ck_assert_int_eq(read_edge(text, sizeof text - 1, &root), 0);
	cJSON_Delete(root);
}
END_TEST

START_TEST(test_json_refuses_a_nul_byte_anywhere)
{
	static const char text[] = "{\"a\":[1,\"b\"]} ";
	char copy[sizeof text];
	cJSON *root;

	for (size_t i = 0; i < sizeof text - 1; i++) {
		memcpy(copy, text, sizeof text);
		copy[i] = '\0';
		memset(&errors, 0, sizeof errors);
		ck_assert_int_eq(json_read(copy, sizeof text - 1, &root, &errors), -EBADMSG);
	}
}
END_TEST

START_TEST(test_json_depth_ends_at_the_limit)
{
	char text[2 * (JSON_DEPTH_MAX + 1)];
	cJSON *root;

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	ck_assert_int_eq(json_read(text, 2 * JSON_DEPTH_MAX, &root, &errors), 0);
	cJSON_Delete(root);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	ck_assert_int_eq(json_read(text, sizeof text, &root, &errors), -EBADMSG);
	ck_assert_str_eq(errors.items[0].code, "too_deep");
	ck_assert_uint_eq(errors.items[0].column, JSON_DEPTH_MAX + 1);
}
END_TEST

START_TEST(test_json_answer_takes_counters_to_2_63)
{
	static const char largest[] = "{\"n\":9223372036854775807}",
			  beyond[] = "9223372036854775808";
	struct json_buffer buffer = { 0 };
	cJSON *root;

	ck_assert_int_eq(json_read(largest, strlen(largest), &root, &errors), -EBADMSG);
	ck_assert_int_eq(json_read_answer(largest, strlen(largest), &root, &errors), 0);
	ck_assert_int_eq(json_get_integer(root, "n", 0), INT64_MAX);
	ck_assert_int_eq(json_print(root, 100, &buffer), 0);
	ck_assert_mem_eq(buffer.bytes, largest, strlen(largest));
	free(buffer.bytes);
	cJSON_Delete(root);
	ck_assert_int_eq(json_read_answer(beyond, strlen(beyond), &root, &errors), -EBADMSG);
}
END_TEST

/* 200,000 members, items, and an error in each corner: quadratic work would take minutes. */
START_TEST(test_json_large_documents_cost_linear_time)
{
	enum { COUNT = 200000 };
	size_t room = COUNT * 16 + 64;
	char *text = malloc(room);
	const struct json_path list = { .name = "list" };
	size_t size = 0;
	cJSON *root;

	size += (size_t)snprintf(text, room, "{\"list\":[");
	for (uint32_t i = 0; i < COUNT; i++)
		size += (size_t)snprintf(text + size, room - size, "%s\n%u", i == 0 ? "" : ",", i);
	size += (size_t)snprintf(text + size, room - size, "]}");
	ck_assert_int_eq(json_read(text, size, &root, &errors), 0);
	cJSON_Delete(root);
	for (uint32_t i = 0; i < JSON_ERRORS_MAX; i++) {
		const struct json_path item = { .parent = &list, .index = i * (COUNT / 64) };

		json_error_add(&errors, &item, "invalid_value", NULL, "wrong");
	}
	json_errors_locate(&errors, text, size);
	for (uint32_t i = 0; i < JSON_ERRORS_MAX; i++)
		ck_assert_uint_eq(errors.items[i].line, i * (COUNT / 64) + 2);

	size = (size_t)snprintf(text, room, "{");
	for (uint32_t i = 0; i < COUNT; i++)
		size += (size_t)snprintf(text + size, room - size, "%s\"%u\":1", i == 0 ? "" : ",",
					 i * 7919 % COUNT);
	size += (size_t)snprintf(text + size, room - size, "}");
	ck_assert_int_eq(json_read(text, size, &root, &errors), 0);
	cJSON_Delete(root);
	size--;
	size += (size_t)snprintf(text + size, room - size, ",\"777\":1}");
	memset(&errors, 0, sizeof errors);
	ck_assert_int_eq(json_read(text, size, &root, &errors), -EBADMSG);
	ck_assert_str_eq(errors.items[0].pointer, "/777");
	ck_assert_uint_eq(errors.items[0].column, size - 7);
	free(text);
}
END_TEST

START_TEST(test_json_locates_values_names_and_the_way_there)
{
	static const char text[] = "{\n  \"vips\": [\n    {\"a/b~\": 1,\n     \"wieght\": {}}]\n}";
	const struct json_path vips = { .name = "vips" }, first = { .parent = &vips };
	const struct json_path odd = { .parent = &first, .name = "a/b~" };
	const struct json_path wrong = { .parent = &first, .name = "wieght" };
	const struct json_path missing = { .parent = &wrong, .name = "nowhere" };
	static const uint32_t lines[] = { 1, 2, 3, 3, 4, 4, 4 };
	static const uint32_t columns[] = { 1, 11, 5, 14, 6, 16, 16 };

	json_error_add(&errors, NULL, "missing_member", NULL, "m");
	json_error_add(&errors, &vips, "out_of_range", NULL, "m");
	json_error_add(&errors, &first, "missing_member", NULL, "m");
	json_error_add(&errors, &odd, "wrong_type", NULL, "m");
	json_error_add(&errors, &wrong, "unknown_member", NULL, "m");
	json_error_add(&errors, &wrong, "wrong_type", NULL, "m");
	json_error_add(&errors, &missing, "wrong_type", NULL, "m");
	json_errors_locate(&errors, text, strlen(text));
	for (uint32_t i = 0; i < 7; i++)
		ck_assert_msg(errors.items[i].line == lines[i] &&
				      errors.items[i].column == columns[i],
			      "%s %u:%u", errors.items[i].pointer, errors.items[i].line,
			      errors.items[i].column);
	ck_assert_str_eq(errors.items[3].pointer, "/vips/0/a~1b~0");
}
END_TEST

START_TEST(test_json_errors_are_cut_and_counted)
{
	char name[600];
	struct json_path path = { .name = name };

	memset(name, 'n', sizeof name);
	name[599] = '\0';
	for (int i = 0; i < JSON_ERRORS_MAX + 5; i++)
		json_error_add(&errors, &path, "a_code", name, "x\n\x1b[31m%s\xc3", name);
	ck_assert_uint_eq(errors.count, JSON_ERRORS_MAX);
	ck_assert_uint_eq(errors.dropped, 5);
	ck_assert_uint_eq(strlen(errors.items[63].pointer), JSON_POINTER_BYTES_MAX - 1);
	ck_assert_str_eq(errors.items[0].pointer + JSON_POINTER_BYTES_MAX - 4, "...");
	ck_assert_int_eq(strncmp(errors.items[0].message, "x\\u000a\\u001b[31mnn", 18), 0);
	ck_assert_str_eq(errors.items[0].message + JSON_MESSAGE_BYTES_MAX - 4, "...");
	memset(&errors, 0, sizeof errors);
	json_error_add(&errors, NULL, "a", NULL, "\xc3\xa9\xff\xe2\x80\xae \xc2\x85");
	ck_assert_str_eq(errors.items[0].message, "\xc3\xa9?\\u202e \\u0085");
}
END_TEST

static const struct json_field fields[] = {
	{ "address", JSON_KIND_STRING, true, 1, 10 }, { "port", JSON_KIND_INTEGER, true, 1, 65535 },
	{ "full", JSON_KIND_BOOLEAN, false, 0, 0 },   { "limits", JSON_KIND_OBJECT, false, 0, 0 },
	{ "list", JSON_KIND_ARRAY, false, 1, 2 },     { "id", JSON_KIND_ANY, false, 0, 0 },
	{ NULL, JSON_KIND_ANY, false, 0, 0 },
};

static const struct {
	const char *text, *code, *pointer, *hint, *message;
} checks[] = {
	{ "{\"address\":\"a\",\"port\":65535,\"description\":\"x\",\"id\":null}", NULL, "", "",
	  "" },
	{ "{\"address\":\"a\",\"port\":1,\"full\":true,\"limits\":{},\"list\":[1]}", NULL, "", "",
	  "" },
	{ "[]", "wrong_type", "/v", "", "this must be an object, not an array" },
	{ "{\"address\":\"a\"}", "missing_member", "/v", "", "member \"port\" is missing" },
	{ "{\"address\":\"a\",\"prot\":1,\"port\":1}", "unknown_member", "/v/prot",
	  "did you mean \"port\"?", "unknown member \"prot\"" },
	{ "{\"address\":\"a\",\"PORT\":1,\"port\":1}", "unknown_member", "/v/PORT",
	  "did you mean \"port\"?", "unknown member \"PORT\"" },
	{ "{\"address\":\"a\",\"zzz\":1,\"port\":1}", "unknown_member", "/v/zzz", "",
	  "unknown member \"zzz\"" },
	{ "{\"address\":\"a\",\"port\":0}", "out_of_range", "/v/port", "",
	  "\"port\" must be 1 to 65535, but is 0" },
	{ "{\"address\":\"a\",\"port\":65536}", "out_of_range", "/v/port", "",
	  "\"port\" must be 1 to 65535, but is 65536" },
	{ "{\"address\":\"a\",\"port\":\"1\"}", "wrong_type", "/v/port", "",
	  "\"port\" must be an integer, not a string" },
	{ "{\"address\":\"\",\"port\":1}", "out_of_range", "/v/address", "",
	  "\"address\" must be 1 to 10 bytes long, but is 0" },
	{ "{\"address\":\"a\",\"port\":1,\"list\":[1,2,3]}", "out_of_range", "/v/list", "",
	  "\"list\" must have 1 to 2 items, but has 3" },
	{ "{\"address\":\"a\",\"port\":1,\"list\":{}}", "wrong_type", "/v/list", "",
	  "\"list\" must be an array, not an object" },
	{ "{\"address\":\"a\",\"port\":1,\"full\":0}", "wrong_type", "/v/full", "",
	  "\"full\" must be true or false, not a number" },
	{ "{\"address\":null,\"port\":1}", "wrong_type", "/v/address", "",
	  "\"address\" must be a string, not null" },
	{ "{\"address\":\"a\",\"port\":1,\"description\":1}", "wrong_type", "/v/description", "",
	  "\"description\" must be a string, not a number" },
};

START_TEST(test_json_check_says_what_is_wrong)
{
	const struct json_path path = { .name = "v" };

	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		const struct json_error *error = &errors.items[0];
		cJSON *root;

		memset(&errors, 0, sizeof errors);
		ck_assert_int_eq(json_read(checks[i].text, strlen(checks[i].text), &root, &errors),
				 0);
		ck_assert_int_eq(json_check(root, fields, &path, &errors), checks[i].code == NULL);
		ck_assert_uint_eq(errors.count, checks[i].code != NULL);
		if (checks[i].code != NULL) {
			ck_assert_str_eq(error->code, checks[i].code);
			ck_assert_str_eq(error->pointer, checks[i].pointer);
			ck_assert_str_eq(error->hint, checks[i].hint);
			ck_assert_str_eq(error->message, checks[i].message);
		}
		cJSON_Delete(root);
	}
}
END_TEST

START_TEST(test_json_check_reports_everything)
{
	static const char text[] = "{\"adress\":1,\"full\":1,\"id\":1,\"list\":[]}";
	cJSON *root;

	ck_assert_int_eq(json_read(text, strlen(text), &root, &errors), 0);
	ck_assert(!json_check(root, fields, NULL, &errors));
	ck_assert_uint_eq(errors.count, 5); /* unknown, type, range, two missing */
	ck_assert(!json_check(NULL, fields, NULL, &errors));
	cJSON_Delete(root);
}
END_TEST

START_TEST(test_json_getters_fall_back)
{
	static const char text[] = "{\"n\":-7,\"s\":\"x\",\"b\":true,\"N\":1}";
	cJSON *root;

	ck_assert_int_eq(json_read(text, strlen(text), &root, &errors), 0);
	ck_assert_int_eq(json_get_integer(root, "n", 3), -7);
	ck_assert_int_eq(json_get_integer(root, "x", 3), 3);
	ck_assert_int_eq(json_get_integer(root, "s", 3), 3);
	ck_assert_str_eq(json_get_string(root, "s", "y"), "x");
	ck_assert_str_eq(json_get_string(root, "S", "y"), "y");
	ck_assert_str_eq(json_get_string(root, "n", "y"), "y");
	ck_assert(json_get_boolean(root, "b", false));
	ck_assert(json_get_boolean(root, "n", true));
	ck_assert_ptr_null(json_get(root, "S"));
	ck_assert_ptr_null(json_get(NULL, "n"));
	ck_assert_ptr_null(json_get(json_get(root, "n"), "n"));
	cJSON_Delete(root);
}
END_TEST

START_TEST(test_json_suggests_the_nearest_word)
{
	static const char *const names[] = { "weight", "address", "port", "id" };
	static const char *const words[][2] = {
		{ "wieght", "weight" }, { "weigt", "weight" },	{ "weigth", "weight" },
		{ "adres", "address" }, { "ports", "port" },	{ "ADDRESS", "address" },
		{ "idd", "id" },	{ "ix", "id" },		{ "xx", NULL },
		{ "", NULL },		{ "something", NULL },	{ "prto", "port" },
		{ "wght", "weight" },	{ "weightiest", NULL },
	};
	char lengthy[JSON_SUGGEST_BYTES_MAX + 2];

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const char *found = json_suggest(words[i][0], names, 4);

		ck_assert_msg(found == words[i][1] || (found != NULL && words[i][1] != NULL &&
						       strcmp(found, words[i][1]) == 0),
			      "%s: %s", words[i][0], found == NULL ? "none" : found);
	}
	memset(lengthy, 'a', sizeof lengthy - 1);
	lengthy[sizeof lengthy - 1] = '\0';
	ck_assert_ptr_null(json_suggest(lengthy, (const char *const[]){ lengthy }, 1));
}
END_TEST

START_TEST(test_json_prints_exactly_or_not_at_all)
{
	cJSON *root = cJSON_CreateObject(), *deep = cJSON_CreateArray(), *inner = deep;
	struct json_buffer buffer = { 0 };
	static const char text[] =
		"{\"u\":18446744073709551615,\"big\":1000000000000000,\"s\":"
		"\"\\u0001\\\"\\\\\xef\xbf\xbd\xc3\xa9\",\"n\":null,\"e\":[],\"f\":false}";

	ck_assert(json_add_u64(root, "u", UINT64_MAX));
	cJSON_AddNumberToObject(root, "big", 1e15);
	cJSON_AddStringToObject(root, "s", "\x01\"\\\xff\xc3\xa9");
	cJSON_AddNullToObject(root, "n");
	cJSON_AddArrayToObject(root, "e");
	cJSON_AddFalseToObject(root, "f");
	ck_assert_int_eq(json_buffer_put(&buffer, "before", 6), 0);
	for (size_t size = 0; size < strlen(text); size++)
		ck_assert_int_eq(json_print(root, size, &buffer), -EMSGSIZE);
	ck_assert_uint_eq(buffer.size, 6);
	ck_assert_int_eq(json_print(root, strlen(text), &buffer), 0);
	ck_assert_uint_eq(buffer.size, 6 + strlen(text));
	ck_assert_mem_eq(buffer.bytes + 6, text, strlen(text));
	cJSON_AddNumberToObject(root, "half", 0.5);
	ck_assert_int_eq(json_print(root, 1000, &buffer), -EINVAL);
	for (int i = 0; i < JSON_DEPTH_MAX; i++) {
		cJSON *next = cJSON_CreateArray();

		cJSON_AddItemToArray(inner, next);
		inner = next;
	}
	ck_assert_int_eq(json_print(deep, 1000, &buffer), -EINVAL);
	ck_assert_int_eq(json_print(deep->child, 1000, &buffer), 0);
	free(buffer.bytes);
	cJSON_Delete(root);
	cJSON_Delete(deep);
}
END_TEST

START_TEST(test_json_read_survives_each_failing_allocation)
{
	static const char text[] = "{\"a\":[1,2,{\"b\":\"c\"}],\"d\":null}";
	uint32_t nth = 0;
	cJSON *root;
	int r;

	do {
		memset(&errors, 0, sizeof errors);
		root = NULL;
		fail_alloc_at(++nth);
		r = json_read(text, strlen(text), &root, &errors);
		if (!fail_alloc_end())
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_null(root);
		ck_assert_str_eq(errors.items[0].code, "no_memory");
	} while (nth < 1000);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_gt(nth, 8);
	cJSON_Delete(root);
}
END_TEST

START_TEST(test_json_file_reads_regular_files_only)
{
	char folder[] = "/tmp/fairlead-json-XXXXXX", path[64], *text = NULL;
	size_t size;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(json_read_file(folder, &text, &size), -EINVAL);
	(void)snprintf(path, sizeof path, "%s/fifo", folder);
	ck_assert_int_eq(json_read_file(path, &text, &size), -ENOENT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(json_read_file(path, &text, &size), -EINVAL); /* and does not wait */
	ck_assert_int_eq(unlink(path), 0);
	(void)snprintf(path, sizeof path, "%s/file", folder);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(write(fd, "{}\n", 3), 3);
	ck_assert_int_eq(json_read_file(path, &text, &size), 0);
	ck_assert_uint_eq(size, 3);
	ck_assert_str_eq(text, "{}\n");
	free(text);
	ck_assert_int_eq(ftruncate(fd, JSON_FILE_BYTES_MAX), 0);
	ck_assert_int_eq(json_read_file(path, &text, &size), 0);
	ck_assert_uint_eq(size, JSON_FILE_BYTES_MAX);
	free(text);
	text = NULL;
	ck_assert_int_eq(ftruncate(fd, JSON_FILE_BYTES_MAX + 1), 0);
	ck_assert_int_eq(json_read_file(path, &text, &size), -EFBIG);
	ck_assert_ptr_null(text);
	/* A file that tells no size: read to its end all the same. */
	ck_assert_int_eq(json_read_file("/proc/self/maps", &text, &size), 0);
	ck_assert_uint_gt(size, 0);
	free(text);
	(void)close(fd);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_json_accepts_and_prints_back,
				       test_json_refuses_with_place_and_reason,
				       test_json_refuses_every_cut,
				       test_json_refuses_a_nul_byte_anywhere,
				       test_json_depth_ends_at_the_limit,
				       test_json_answer_takes_counters_to_2_63,
				       test_json_large_documents_cost_linear_time,
				       test_json_locates_values_names_and_the_way_there,
				       test_json_errors_are_cut_and_counted,
				       test_json_check_says_what_is_wrong,
				       test_json_check_reports_everything,
				       test_json_getters_fall_back,
				       test_json_suggests_the_nearest_word,
				       test_json_prints_exactly_or_not_at_all,
				       test_json_read_survives_each_failing_allocation,
				       test_json_file_reads_regular_files_only,
				       NULL };

	return run_tests("json", tests);
}
