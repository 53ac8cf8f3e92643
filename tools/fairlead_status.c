/* SPDX-License-Identifier: BSD-2-Clause */
/* status, flow explain, version. */
#include <string.h>

#include "fairlead_cli.h"

static void
status_print_head(const struct cli *cli, const cJSON *answer)
{
	const char *state = json_get_string(answer, "state", "");
	const char *state_error = json_get_string(answer, "state_error", "");

	out_print("state       ");
	out_state(cli, state, strcmp(state, "serving") == 0);
	out_print("\nversion     %s\n", json_get_string(answer, "version", ""));
	out_print("generation  %lld\n", (long long)json_get_integer(answer, "generation", 0));
	out_print("config      %s\n", json_get_string(answer, "config_file", ""));
	if (state_error[0] != '\0')
		out_print("not kept    %s\n", state_error);
	out_print("vips        %lld\n", (long long)json_get_integer(answer, "vips", 0));
	out_print("backends    %lld\n\n", (long long)json_get_integer(answer, "backends", 0));
}

static void
table_count(struct table *table, const cJSON *object, const char *name)
{
	int64_t value = json_get_integer(object, name, -1);

	if (value < 0)
		table_text(table, "");
	else
		table_number(table, (uint64_t)value);
}

static int
status_print_planes(const struct cli *cli, const cJSON *planes)
{
	static const struct table_column columns[] = {
		{ "PLANE", false },	{ "STATE", false },   { "KIND", false },
		{ "GENERATION", true }, { "DIGEST", false },  { "RECEIVED", true },
		{ "FORWARDED", true },	{ "ANSWERED", true }, { "PASSED", true },
		{ "DROPPED", true },	{ "SECONDS", true },  { NULL, false },
	};
	struct table table = table_begin(columns);
	const cJSON *plane;

	cJSON_ArrayForEach (plane, planes) {
		table_text(&table, json_get_string(plane, "name", ""));
		table_text(&table, json_get_string(plane, "state", ""));
		table_text(&table, json_get_string(plane, "kind", ""));
		table_count(&table, plane, "generation");
		table_text(&table, json_get_string(plane, "digest", ""));
		table_count(&table, plane, "received");
		table_count(&table, plane, "forwarded");
		table_count(&table, plane, "answered");
		table_count(&table, plane, "passed");
		table_count(&table, plane, "dropped");
		table_number(&table, (uint64_t)json_get_integer(plane, "since_ms", 0) / 1000);
	}
	return table_end(cli, &table);
}

/* What is wrong, and what became of packets other than forwarding. */
static void
status_print_details(const cJSON *planes)
{
	const cJSON *plane;
	const cJSON *verdict;
	const cJSON *event;

	cJSON_ArrayForEach (plane, planes) {
		const char *name = json_get_string(plane, "name", "");
		const char *error = json_get_string(plane, "error", "");

		if (error[0] != '\0')
			out_print("%s: %s\n", name, error);
		cJSON_ArrayForEach (verdict, json_get(plane, "verdicts")) {
			out_print("%s: %-24s %lld\n", name, json_get_string(verdict, "verdict", ""),
				  (long long)json_get_integer(verdict, "packets", 0));
		}
		cJSON_ArrayForEach (event, json_get(plane, "events")) {
			out_print("%s: event %-18s %lld\n", name,
				  json_get_string(event, "event", ""),
				  (long long)json_get_integer(event, "count", 0));
		}
	}
}

/* A note: each plane serves what it should, but not by the same rows. */
static void
status_print_rows(const cJSON *differ)
{
	char duration[CLI_DURATION_BYTES];
	const cJSON *plane;

	if (differ == NULL)
		return;
	out_print("rows differ for %s: a flow that goes over from one of these planes to another "
		  "may break, until they\nagree, a window after the last change at most:\n",
		  out_duration(out_number(differ, "for_ms"), duration));
	cJSON_ArrayForEach (plane, json_get(differ, "planes")) {
		out_print("%s: rows %s\n", json_get_string(plane, "plane", ""),
			  json_get_string(plane, "rows_digest", ""));
	}
}

int
command_status(struct cli *cli)
{
	cJSON *answer = NULL;
	int r = client_call(cli, "status", NULL, &answer);

	if (r != 0)
		return r;
	if (cli->json) {
		r = out_json(cli, answer);
	} else {
		status_print_head(cli, answer);
		r = status_print_planes(cli, json_get(answer, "planes"));
		status_print_details(json_get(answer, "planes"));
		status_print_rows(json_get(answer, "rows_differ"));
	}
	cJSON_Delete(answer);
	return r;
}

static void
explain_print(const cJSON *answer)
{
	const cJSON *step;
	unsigned number = 0;

	cJSON_ArrayForEach (step, json_get(answer, "steps")) {
		out_print("%2u %-10s %s\n", ++number, json_get_string(step, "step", ""),
			  json_get_string(step, "text", ""));
	}
	out_print("verdict: %s", json_get_string(answer, "verdict", ""));
	if (json_get(answer, "backend") != NULL)
		out_print(" to %s", json_get_string(answer, "backend", ""));
	out_print(" (plane %s, generation %lld)\n", json_get_string(answer, "plane", ""),
		  (long long)json_get_integer(answer, "generation", 0));
}

int
command_flow_explain(struct cli *cli)
{
	cJSON *params = cJSON_CreateObject();
	cJSON *answer = NULL;
	int r;

	(void)cJSON_AddStringToObject(params, "vip", cli->vip);
	(void)cJSON_AddStringToObject(params, "source", cli->src);
	if (cli->destination != NULL)
		(void)cJSON_AddStringToObject(params, "destination", cli->destination);
	if (args_given(cli, CLI_OPTION_SYN))
		(void)cJSON_AddTrueToObject(params, "syn");
	if (cli->plane != NULL)
		(void)cJSON_AddStringToObject(params, "plane", cli->plane);
	r = client_call(cli, "flow.explain", params, &answer);
	if (r != 0)
		return r;
	if (cli->json)
		r = out_json(cli, answer);
	else
		explain_print(answer);
	cJSON_Delete(answer);
	return r;
}

/* Needs no daemon; tells its version too when one is there and answers. */
int
command_version(struct cli *cli)
{
	cJSON *answer = NULL;
	cJSON *root;
	const char *daemon = NULL;
	int r = client_is_there(cli) ? client_call(cli, "version", NULL, &answer) : 0;

	if (r != 0)
		return r;
	daemon = json_get_string(answer, "version", NULL);
	if (!cli->json) {
		out_print("fairlead %s\n", FL_VERSION);
		if (daemon != NULL)
			out_print("fairleadd %s\n", daemon);
		cJSON_Delete(answer);
		return 0;
	}
	root = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(root, "version", FL_VERSION);
	if (daemon != NULL)
		(void)cJSON_AddStringToObject(root, "daemon_version", daemon);
	r = out_json(cli, root);
	cJSON_Delete(root);
	cJSON_Delete(answer);
	return r;
}
