/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fairlead_cli.h"

enum { OUT_LINE_BYTES_MAX = 2048 };

/* C0, DEL, and C1 as UTF-8 (0xc2 0x80-0x9f): what a terminal may take for a command. */
static bool
is_control(const unsigned char *text)
{
	if (text[0] < 0x20 || text[0] == 0x7f)
		return true;
	return text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f;
}

static void
put_escaped(FILE *stream, const char *text, bool keep_newlines)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '\n' && keep_newlines)
			(void)fputc('\n', stream);
		else if (is_control(c))
			(void)fprintf(stream, "\\x%02x", *c == 0xc2 ? *++c : *c);
		else
			(void)fputc(*c, stream);
	}
}

void
out_text(FILE *stream, const char *text)
{
	put_escaped(stream, text, false);
}

void
out_print(const char *format, ...)
{
	char line[OUT_LINE_BYTES_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	put_escaped(stdout, line, true);
}

void
out_state(const struct cli *cli, const char *word, bool good)
{
	if (cli->color)
		(void)fputs(good ? "\033[32m" : "\033[33m", stdout);
	out_text(stdout, word);
	if (cli->color)
		(void)fputs("\033[0m", stdout);
}

char *
out_duration(uint64_t ms, char text[CLI_DURATION_BYTES])
{
	unsigned long long seconds = ms / 1000 + (ms % 1000 != 0);
	unsigned long long minutes = (seconds + 59) / 60;

	if (seconds < 60)
		snprintf(text, CLI_DURATION_BYTES, "%llus", seconds);
	else if (seconds < 3600)
		snprintf(text, CLI_DURATION_BYTES, "%llum %llus", seconds / 60, seconds % 60);
	else
		snprintf(text, CLI_DURATION_BYTES, "%lluh %llum", minutes / 60 % 1000000000,
			 minutes % 60);
	return text;
}

uint64_t
out_number(const cJSON *object, const char *name)
{
	int64_t value = json_get_integer(object, name, 0);

	return value > 0 ? (uint64_t)value : 0;
}

void
out_warning(const struct cli *cli, const char *format, ...)
{
	char line[OUT_LINE_BYTES_MAX];
	va_list args;

	if (cli->json)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	(void)fputs("warning: ", stderr);
	out_text(stderr, line);
	(void)fputc('\n', stderr);
}

/* --- JSON --- */

static void
put_newline(FILE *stream, uint32_t depth)
{
	(void)fputc('\n', stream);
	for (uint32_t i = 0; i < depth; i++)
		(void)fputs("  ", stream);
}

/* Indents a compact text; what json_print() wrote has no white space outside of strings. */
static void
put_pretty(FILE *stream, const char *text, size_t size)
{
	uint32_t depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		bool empty = i + 1 < size && (text[i + 1] == '}' || text[i + 1] == ']');

		if (in_string || c == '"') {
			(void)fputc(c, stream);
			if (in_string && c == '\\' && i + 1 < size)
				(void)fputc(text[++i], stream);
			else if (c == '"')
				in_string = !in_string;
		} else if ((c == '{' || c == '[') && empty) {
			(void)fputc(c, stream);
			(void)fputc(text[++i], stream);
		} else if (c == '{' || c == '[') {
			(void)fputc(c, stream);
			put_newline(stream, ++depth);
		} else if (c == '}' || c == ']') {
			put_newline(stream, --depth);
			(void)fputc(c, stream);
		} else {
			(void)fputc(c, stream);
			if (c == ',')
				put_newline(stream, depth);
			else if (c == ':')
				(void)fputc(' ', stream);
		}
	}
}

static int
put_json(const struct cli *cli, FILE *stream, const cJSON *root)
{
	struct json_buffer buffer = { 0 };
	int r = root != NULL ? json_print(root, SIZE_MAX / 8, &buffer) : -1;

	if (r == 0 && cli->pretty)
		put_pretty(stream, buffer.bytes, buffer.size);
	else if (r == 0)
		(void)fwrite(buffer.bytes, 1, buffer.size, stream);
	if (r == 0)
		(void)fputc('\n', stream);
	free(buffer.bytes);
	return r;
}

int
out_json(const struct cli *cli, const cJSON *root)
{
	if (put_json(cli, stdout, root) == 0)
		return 0;
	return out_fail(cli, EX_SOFTWARE, "internal", "", "the answer cannot be printed as JSON");
}

/* --- errors --- */

static cJSON *
error_json(const struct json_error *error)
{
	cJSON *object = cJSON_CreateObject();

	if (object == NULL)
		return NULL;
	(void)cJSON_AddStringToObject(object, "code", error->code);
	(void)cJSON_AddStringToObject(object, "path", error->pointer);
	(void)cJSON_AddStringToObject(object, "message", error->message);
	(void)cJSON_AddStringToObject(object, "hint", error->hint);
	if (error->line > 0) {
		(void)cJSON_AddNumberToObject(object, "line", error->line);
		(void)cJSON_AddNumberToObject(object, "column", error->column);
	}
	return object;
}

static void
errors_put_json(const struct cli *cli, int exit_code, const struct json_errors *errors,
		const char *file)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *error = error_json(&errors->items[0]);
	cJSON *list = cJSON_AddArrayToObject(error, "errors");

	(void)cJSON_AddNumberToObject(error, "exit", exit_code);
	if (file != NULL)
		(void)cJSON_AddStringToObject(error, "file", file);
	for (uint32_t i = 0; i < errors->count; i++)
		(void)cJSON_AddItemToArray(list, error_json(&errors->items[i]));
	if (errors->dropped > 0)
		(void)cJSON_AddNumberToObject(error, "errors_dropped", errors->dropped);
	if (!cJSON_AddItemToObject(root, "error", error))
		cJSON_Delete(error);
	(void)put_json(cli, stderr, root);
	cJSON_Delete(root);
}

int
out_errors(const struct cli *cli, int exit_code, const struct json_errors *errors, const char *file)
{
	char line[CONFIG_LINE_BYTES_MAX];

	if (cli->caught != NULL) {
		*cli->caught = errors->items[0];
		return exit_code;
	}
	if (cli->json) {
		errors_put_json(cli, exit_code, errors, file);
		return exit_code;
	}
	for (uint32_t i = 0; i < errors->count; i++) {
		const struct json_error *error = &errors->items[i];

		if (file != NULL && error->line > 0)
			(void)config_error_format(error, file, "error", line);
		else
			snprintf(line, sizeof line, "fairlead: %s%s%s", error->message,
				 error->hint[0] != '\0' ? "; " : "", error->hint);
		out_text(stderr, line);
		(void)fputc('\n', stderr);
	}
	if (errors->dropped > 0)
		(void)fprintf(stderr, "fairlead: and %u more\n", errors->dropped);
	return exit_code;
}

int
out_error(const struct cli *cli, int exit_code, const struct json_error *error)
{
	struct json_errors errors;

	errors.count = 1;
	errors.dropped = 0;
	errors.items[0] = *error;
	return out_errors(cli, exit_code, &errors, NULL);
}

int
out_fail(const struct cli *cli, int exit_code, const char *code, const char *hint,
	 const char *format, ...)
{
	struct json_errors errors;
	char message[JSON_MESSAGE_BYTES_MAX * 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	errors.count = errors.dropped = 0;
	json_error_add(&errors, NULL, code, hint, "%s", message);
	return out_errors(cli, exit_code, &errors, NULL);
}

/* --- tables --- */

struct table
table_begin(const struct table_column *columns)
{
	struct table table = { .columns = columns };

	while (table.column_count < TABLE_COLUMNS_MAX && columns[table.column_count].title != NULL)
		table.column_count++;
	for (uint32_t i = 0; i < table.column_count; i++)
		table_text(&table, columns[i].title);
	return table;
}

/* What the cell looks like on the terminal, so that its width is right. */
static char *
escaped_copy(const char *text)
{
	char *copy = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&copy, &size);

	if (stream == NULL)
		return NULL;
	out_text(stream, text);
	return fclose(stream) == 0 ? copy : NULL;
}

void
table_text(struct table *table, const char *text)
{
	if (table->cell_count == table->cell_capacity) {
		size_t capacity = table->cell_capacity == 0 ? 64 : table->cell_capacity * 2;
		char **larger = realloc(table->cells, capacity * sizeof *larger);

		if (larger == NULL) {
			table->no_memory = true;
			return;
		}
		table->cells = larger;
		table->cell_capacity = capacity;
	}
	table->cells[table->cell_count] = escaped_copy(text[0] != '\0' ? text : "-");
	if (table->cells[table->cell_count] == NULL)
		table->no_memory = true;
	else
		table->cell_count++;
}

void
table_number(struct table *table, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	table_text(table, text);
}

/* Columns of bytes: what is outside of ASCII in a name may stand a little off. */
static void
table_print(const struct table *table)
{
	int widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < table->cell_count; i++) {
		int size = (int)strlen(table->cells[i]);

		if (size > widths[i % table->column_count])
			widths[i % table->column_count] = size;
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		uint32_t column = (uint32_t)(i % table->column_count);
		bool last = column + 1 == table->column_count;

		if (table->columns[column].right)
			printf("%*s", widths[column], table->cells[i]);
		else
			printf("%-*s", last ? 0 : widths[column], table->cells[i]);
		(void)fputs(last ? "\n" : "  ", stdout);
	}
}

int
table_end(const struct cli *cli, struct table *table)
{
	int exit_code = 0;

	if (table->no_memory)
		exit_code = out_fail(cli, EX_SOFTWARE, "no_memory", "", "no memory for the table");
	else
		table_print(table);
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->cells);
	return exit_code;
}
