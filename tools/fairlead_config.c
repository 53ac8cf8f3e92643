/* SPDX-License-Identifier: BSD-2-Clause */
/* config check, diff, apply, show. A file is checked here first: what is wrong with it needs no
 * daemon. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fairlead_cli.h"

/* A file read and found good. */
struct document {
	const char *file; /* for messages */
	char *text;
	size_t size;
	struct config *config;
	struct json_errors errors;
	struct json_errors warnings;
};

/* --- reading --- */

static int
read_failed(const struct cli *cli, const char *file, int error)
{
	int exit_code = error == EACCES || error == EPERM ? EX_NOPERM : EX_UNAVAILABLE;

	return out_fail(cli, exit_code, "not_readable",
			error == EINVAL ? "give - to read standard input" : "",
			"%s cannot be read: %s", file,
			error == EINVAL	 ? "not a regular file"
			: error == EFBIG ? "over 16 MiB"
					 : strerror(error));
}

static int
read_input(const struct cli *cli, struct json_buffer *text)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char bytes[65536];
	ssize_t size;

	do {
		if (poll(&input, 1, (int)cli->timeout_ms) == 0)
			return out_fail(cli, EX_TEMPFAIL, "timeout",
					"give it longer with --timeout",
					"nothing came on standard input for %lld s",
					(long long)(cli->timeout_ms / 1000));
		size = read(STDIN_FILENO, bytes, sizeof bytes);
		if (size < 0 && errno != EINTR)
			return read_failed(cli, "standard input", errno);
		if (size > 0 && (text->size + (size_t)size > JSON_FILE_BYTES_MAX))
			return read_failed(cli, "standard input", EFBIG);
		if (size > 0 && json_buffer_put(text, bytes, (size_t)size) < 0)
			return read_failed(cli, "standard input", ENOMEM);
	} while (size != 0);
	return 0;
}

static int
document_read(struct cli *cli, struct document *document)
{
	struct json_buffer text = { 0 };
	int r;

	document->file = cli->arguments[0];
	if (strcmp(document->file, "-") == 0) {
		document->file = cli->arguments[0] = "stdin";
		r = read_input(cli, &text);
		document->text = text.bytes;
		document->size = text.size;
		return r;
	}
	r = json_read_file(document->file, &document->text, &document->size);
	return r < 0 ? read_failed(cli, document->file, -r) : 0;
}

static void
document_close(struct document *document)
{
	if (document == NULL)
		return;
	config_destroy(document->config);
	free(document->text);
	free(document);
}

/* @return 0 and a document to be closed by the caller; or the exit code, said why. */
static int
document_open(struct cli *cli, struct document **ret_document)
{
	struct document *document = calloc(1, sizeof *document);
	struct config_source source;
	int r;

	if (document == NULL)
		return out_fail(cli, EX_SOFTWARE, "no_memory", "", "no memory");
	r = document_read(cli, document);
	if (r == 0) {
		source = (struct config_source){ document->text != NULL ? document->text : "",
						 document->size, document->file, &document->errors,
						 &document->warnings };
		r = config_parse(&source, &document->config);
		if (r == -ENOMEM)
			r = out_fail(cli, EX_SOFTWARE, "no_memory", "",
				     "no memory for the configuration");
		else if (r < 0)
			r = out_errors(cli, r == -EBADMSG ? EX_DATAERR : EX_CONFIG,
				       &document->errors, document->file);
	}
	if (r == 0)
		*ret_document = document;
	else
		document_close(document);
	return r;
}

/* --- check --- */

static int
check_json(const struct cli *cli, const struct document *document)
{
	char line[CONFIG_LINE_BYTES_MAX];
	cJSON *root = cJSON_CreateObject();
	cJSON *warnings;
	int r;

	(void)cJSON_AddStringToObject(root, "file", document->file);
	(void)cJSON_AddNumberToObject(root, "vips", document->config->vip_count);
	(void)cJSON_AddNumberToObject(root, "backends", document->config->backend_total);
	warnings = cJSON_AddArrayToObject(root, "warnings");
	for (uint32_t i = 0; i < document->warnings.count; i++) {
		(void)config_error_format(&document->warnings.items[i], document->file, "warning",
					  line);
		(void)cJSON_AddItemToArray(warnings, cJSON_CreateString(line));
	}
	if (document->warnings.dropped > 0)
		(void)cJSON_AddNumberToObject(root, "warnings_dropped", document->warnings.dropped);
	r = out_json(cli, root);
	cJSON_Delete(root);
	return r;
}

static void
check_print_warnings(const struct document *document)
{
	char line[CONFIG_LINE_BYTES_MAX];

	for (uint32_t i = 0; i < document->warnings.count; i++) {
		out_text(stderr, config_error_format(&document->warnings.items[i], document->file,
						     "warning", line));
		(void)fputc('\n', stderr);
	}
	if (document->warnings.dropped > 0)
		(void)fprintf(stderr, "fairlead: and %u more warnings\n",
			      document->warnings.dropped);
}

int
command_config_check(struct cli *cli)
{
	struct document *document;
	int r = document_open(cli, &document);

	if (r != 0)
		return r;
	if (cli->json) {
		r = check_json(cli, document);
	} else {
		check_print_warnings(document);
		out_print("%s: ok: %u VIPs, %u backends\n", document->file,
			  document->config->vip_count, document->config->backend_total);
	}
	document_close(document);
	return r;
}

/* --- sending --- */

static cJSON *
part_params(const struct document *document, const char *text, bool more)
{
	cJSON *params = cJSON_CreateObject();

	if (cJSON_AddStringToObject(params, "text", text) != NULL &&
	    cJSON_AddStringToObject(params, "file", document->file) != NULL &&
	    (!more || cJSON_AddTrueToObject(params, "more") != NULL))
		return params;
	cJSON_Delete(params);
	return NULL;
}

/* Bytes of the next part: a whole number of UTF-8 characters. */
static size_t
part_size(const struct document *document, size_t offset)
{
	size_t size = document->size - offset;

	if (size <= CLI_TEXT_PART_BYTES)
		return size;
	size = CLI_TEXT_PART_BYTES;
	while (size > 0 && ((unsigned char)document->text[offset + size] & 0xc0) == 0x80)
		size--;
	return size;
}

static int
add_conditions(const struct cli *cli, cJSON *params)
{
	int64_t generation;

	if (args_given(cli, CLI_OPTION_YES))
		(void)cJSON_AddTrueToObject(params, "force");
	if (cli->if_generation == NULL)
		return 0;
	if (!args_number(cli->if_generation, JSON_INTEGER_MAX, &generation))
		return out_fail(cli, EX_USAGE, "usage", "fairlead status shows the generation",
				"--if-generation takes a number, not \"%s\"", cli->if_generation);
	(void)json_add_u64(params, "if_generation", (uint64_t)generation);
	return 0;
}

static int
document_send(struct cli *cli, const char *method, const struct document *document,
	      cJSON **ret_answer)
{
	size_t offset = 0;
	int r = 0;

	while (r == 0) {
		size_t size = part_size(document, offset);
		bool more = offset + size < document->size;
		char *text = strndup(document->text + offset, size);
		cJSON *params = text != NULL ? part_params(document, text, more) : NULL;

		free(text);
		if (params == NULL)
			return out_fail(cli, EX_SOFTWARE, "no_memory", "", "no memory");
		if (!more && (r = add_conditions(cli, params)) != 0) {
			cJSON_Delete(params);
			return r;
		}
		r = client_call(cli, method, params, ret_answer);
		if (!more)
			return r;
		if (r == 0)
			cJSON_Delete(*ret_answer);
		offset += size;
	}
	return r;
}

/* --- plans --- */

static char
change_sign(const char *change)
{
	return strcmp(change, "added") == 0 ? '+' : strcmp(change, "removed") == 0 ? '-' : '~';
}

static void
plan_print_backend(const cJSON *backend)
{
	const char *address = json_get_string(backend, "address", "");
	const char *change = json_get_string(backend, "change", "");
	long long before = json_get_integer(backend, "weight_before", 0);
	long long after = json_get_integer(backend, "weight_after", 0);

	if (strcmp(change, "changed") == 0)
		out_print("    ~ backend %s: weight %lld -> %lld\n", address, before, after);
	else if (strcmp(change, "added") == 0)
		out_print("    + backend %s: weight %lld\n", address, after);
	else if (strcmp(change, "leaving") == 0)
		out_print("    - backend %s: weight %lld, gone when nothing holds it any more\n",
			  address, before);
	else
		out_print("    - backend %s: weight %lld\n", address, before);
}

static void
plan_print_plane(const cJSON *change)
{
	const char *plane = json_get_string(change, "plane", "");
	const char *kind = json_get_string(change, "change", "");
	const char *before = json_get_string(change, "socket_before", "");
	const char *after = json_get_string(change, "socket_after", "");

	if (strcmp(kind, "changed") == 0)
		out_print("~ plane %s: socket %s -> %s\n", plane, before, after);
	else if (strcmp(kind, "added") == 0)
		out_print("+ plane %s: socket %s\n", plane, after);
	else
		out_print("- plane %s: not driven any more, it goes on as it is\n", plane);
}

/* "~ mode: ipip -> gue" or "~ window_s: 900 -> 60", for each member of the policy that differs. */
static void
plan_print_policy(const cJSON *before, const cJSON *after)
{
	const cJSON *member;

	cJSON_ArrayForEach (member, after) {
		const char *old = json_get_string(before, member->string, "");
		const char *new = json_get_string(after, member->string, "");
		long long old_number = json_get_integer(before, member->string, 0);
		long long new_number = json_get_integer(after, member->string, 0);

		if (strcmp(old, new) != 0)
			out_print("    ~ %s: %s -> %s\n", member->string, old, new);
		else if (old_number != new_number)
			out_print("    ~ %s: %lld -> %lld\n", member->string, old_number,
				  new_number);
	}
}

/* Another table: its rows begin anew. */
static bool
plan_is_other_table(const cJSON *change)
{
	return json_get(change, "table_size_after") != NULL;
}

static unsigned
count_kind(const cJSON *changes, const char *kind)
{
	const cJSON *change;
	unsigned count = 0;

	cJSON_ArrayForEach (change, changes) {
		count += strcmp(json_get_string(change, "change", ""), kind) == 0;
	}
	return count;
}

/*
 * Whose connections end. The planes count those they track; those on rows that have been stable for
 * a window nobody counts.
 */
static void
plan_print_cut(const cJSON *change)
{
	const char *kind = json_get_string(change, "change", "");
	unsigned backends = count_kind(json_get(change, "backends"), "removed");
	unsigned long long tracked = out_number(change, "flows_cut");

	if (strcmp(kind, "added") == 0 || json_get(change, "flows_cut") == NULL)
		return;
	if (strcmp(kind, "removed") == 0)
		out_print("    open flows that are cut: all (%llu tracked)\n", tracked);
	else if (plan_is_other_table(change))
		out_print("    open flows that are cut: all that change backend\n");
	else if (backends > 0)
		out_print("    open flows that are cut: all of the removed (%llu tracked)\n",
			  tracked);
	else
		out_print("    open flows that are cut: %llu\n", tracked);
}

/*
 * What the change does to flows, as the planes tell it; nothing where none is there. A VIP without
 * a window lets go of the open ones too, and so does another table.
 */
static void
plan_print_flows(const cJSON *change, const struct config_vip *vip)
{
	bool tracks = vip != NULL && vip->policy.window_s > 0 && !plan_is_other_table(change);
	long long rows = json_get_integer(change, "rows", 0);
	long long moved = json_get_integer(change, "rows_moved", -1);
	long long least = json_get_integer(change, "rows_minimum", -1);

	if (strcmp(json_get_string(change, "change", ""), "changed") == 0 && rows > 0 && moved >= 0)
		out_print("    %s that change backend: %lld.%lld %% (%lld of %lld rows, the "
			  "least possible is %lld)\n",
			  tracks ? "new flows" : "new and open flows", moved * 1000 / rows / 10,
			  moved * 1000 / rows % 10, moved, rows, least);
	plan_print_cut(change);
}

static void
plan_print_vip(const cJSON *change, const struct config *config)
{
	const char *vip = json_get_string(change, "vip", "");
	const char *name = json_get_string(change, "name", "");
	const char *kind = json_get_string(change, "change", "");
	const cJSON *backend;

	out_print("%c vip %s%s%s\n", change_sign(kind), strcmp(name, vip) != 0 ? name : "",
		  strcmp(name, vip) != 0 ? " " : "", vip);
	if (strcmp(kind, "changed") == 0) {
		plan_print_policy(json_get(change, "policy_before"),
				  json_get(change, "policy_after"));
		if (plan_is_other_table(change))
			out_print("    ~ table_size: %llu -> %llu\n",
				  (unsigned long long)out_number(change, "table_size_before"),
				  (unsigned long long)out_number(change, "table_size_after"));
		cJSON_ArrayForEach (backend, json_get(change, "backends")) {
			plan_print_backend(backend);
		}
	} else {
		out_print("    %d backends\n", cJSON_GetArraySize(json_get(change, "backends")));
	}
	plan_print_flows(change, config_find_vip(config, vip));
}

/* "1 added, 2 changed", VIPs and planes; "nothing changes" when there is nothing. */
static void
plan_summary(const cJSON *answer, char *text, size_t size)
{
	static const char *const kinds[] = { "added", "changed", "removed" };
	size_t end = 0;

	snprintf(text, size, "nothing changes");
	for (size_t i = 0; i < 3; i++) {
		unsigned count = count_kind(json_get(answer, "changes"), kinds[i]) +
				 count_kind(json_get(answer, "plane_changes"), kinds[i]);

		if (count > 0 && end < size)
			end += (size_t)snprintf(text + end, size - end, "%s%u %s",
						end > 0 ? ", " : "", count, kinds[i]);
	}
}

/* @param config the new one. */
static void
plan_print(const cJSON *answer, const struct config *config)
{
	const cJSON *change;

	cJSON_ArrayForEach (change, json_get(answer, "plane_changes")) {
		plan_print_plane(change);
	}
	cJSON_ArrayForEach (change, json_get(answer, "changes")) {
		plan_print_vip(change, config);
	}
}

void
change_print_notes(const struct cli *cli, const cJSON *answer)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(answer, "warnings")) {
		out_warning(cli, "%s", cJSON_IsString(item) ? item->valuestring : "");
	}
	cJSON_ArrayForEach (item, json_get(answer, "planes_away")) {
		out_warning(cli, "plane %s is away; it gets this state when it comes",
			    cJSON_IsString(item) ? item->valuestring : "");
	}
	cJSON_ArrayForEach (item, json_get(answer, "planes_failed")) {
		out_warning(cli, "plane %s: %s; it gets this state when it is there again",
			    json_get_string(item, "plane", ""),
			    json_get_string(item, "message", ""));
	}
}

int
command_config_diff(struct cli *cli)
{
	struct document *document;
	cJSON *answer = NULL;
	char summary[96];
	bool differs;
	int r = document_open(cli, &document);

	if (r != 0)
		return r;
	r = document_send(cli, "config.diff", document, &answer);
	if (r != 0) {
		document_close(document);
		return r;
	}
	differs = cJSON_GetArraySize(json_get(answer, "changes")) > 0 ||
		  cJSON_GetArraySize(json_get(answer, "plane_changes")) > 0;
	if (cli->json) {
		r = out_json(cli, answer);
	} else {
		plan_print(answer, document->config);
		change_print_notes(cli, answer);
		plan_summary(answer, summary, sizeof summary);
		out_print("plan: %s. Nothing applied.\n", summary);
	}
	document_close(document);
	cJSON_Delete(answer);
	return r == 0 && differs ? CLI_ANSWER_NO : r;
}

int
command_config_apply(struct cli *cli)
{
	struct document *document;
	cJSON *answer = NULL;
	char summary[96];
	long long generation;
	int r = document_open(cli, &document);

	if (r != 0)
		return r;
	r = document_send(cli, "config.apply", document, &answer);
	if (r != 0) {
		document_close(document);
		return r;
	}
	generation = json_get_integer(answer, "generation", 0);
	if (cli->json) {
		r = out_json(cli, answer);
	} else {
		plan_print(answer, document->config);
		change_print_notes(cli, answer);
		plan_summary(answer, summary, sizeof summary);
		if (json_get_boolean(answer, "unchanged", false))
			out_print("unchanged: generation %lld serves this already\n", generation);
		else
			out_print("applied: %s; generation %lld\n", summary, generation);
	}
	document_close(document);
	cJSON_Delete(answer);
	return r;
}

/* What the text does not say of a backend, or says and is not so. */
static void
show_warn(const struct cli *cli, const cJSON *item)
{
	const char *vip = json_get_string(item, "vip", "");
	const char *backend = json_get_string(item, "backend", "");
	const char *state = json_get_string(item, "state", "");
	bool drained = strcmp(json_get_string(item, "admin", ""), "drained") == 0;
	long long weight = json_get_integer(item, "weight", 0);

	if (strcmp(state, "leaving") == 0 && json_get_boolean(item, "listed", true))
		out_warning(cli,
			    "%s backend %s is being removed at run time, and this text still has "
			    "it: the removal goes on when it is applied",
			    vip, backend);
	else if (strcmp(state, "leaving") == 0)
		out_warning(cli,
			    "not in this text: %s backend %s, gone when nothing holds it any more",
			    vip, backend);
	else if (strcmp(state, "removed") == 0)
		out_warning(cli,
			    "%s backend %s was removed at run time, and this text still has it: it "
			    "stays removed when it is applied",
			    vip, backend);
	else
		out_warning(cli, "not in this text: %s backend %s is %s, weight %lld", vip, backend,
			    drained ? "drained" : "set", weight);
}

/* The document alone, so that it can be kept as a file; what was set at run time goes to stderr. */
static int
show_print(struct cli *cli, const cJSON *answer)
{
	const cJSON *item;
	int r;

	cli->pretty = true;
	r = out_json(cli, json_get(answer, "config"));
	cJSON_ArrayForEach (item, json_get(answer, "overlay")) {
		show_warn(cli, item);
	}
	return r;
}

int
command_config_show(struct cli *cli)
{
	cJSON *answer = NULL;
	int r = client_call(cli, "config.show", NULL, &answer);

	if (r != 0)
		return r;
	r = cli->json ? out_json(cli, answer) : show_print(cli, answer);
	cJSON_Delete(answer);
	return r;
}
