/* SPDX-License-Identifier: BSD-2-Clause */
/* vip list, vip show, backend list, drain, undrain, weight. */
#include <string.h>

#include "fairlead_cli.h"
#include "config.h"

static uint64_t
number_of(const cJSON *object, const char *name)
{
	int64_t value = json_get_integer(object, name, 0);

	return value > 0 ? (uint64_t)value : 0;
}

/* --- vip --- */

int
command_vip_list(struct cli *cli)
{
	static const struct table_column columns[] = {
		{ "NAME", false },    { "VIP", false },	       { "MODE", false },
		{ "BACKENDS", true }, { "WEIGHT", true },      { "ROWS", true },
		{ "PACKETS", true },  { "BYTES", true },       { "FRAGMENTS", false },
		{ "ECHO", false },    { "NO BACKEND", false }, { NULL, false },
	};
	cJSON *answer = NULL;
	const cJSON *vip;
	struct table table;
	int r = client_call(cli, "vip.list", NULL, &answer);

	if (r != 0)
		return r;
	if (cli->json) {
		r = out_json(cli, answer);
	} else {
		table = table_begin(columns);
		cJSON_ArrayForEach (vip, json_get(answer, "vips")) {
			table_text(&table, json_get_string(vip, "name", ""));
			table_text(&table, json_get_string(vip, "vip", ""));
			table_text(&table, json_get_string(vip, "mode", ""));
			table_number(&table, number_of(vip, "backends"));
			table_number(&table, number_of(vip, "weight"));
			table_number(&table, number_of(vip, "table_size"));
			table_number(&table, number_of(vip, "packets"));
			table_number(&table, number_of(vip, "bytes"));
			table_text(&table, json_get_string(vip, "fragments", ""));
			table_text(&table, json_get_string(vip, "icmp_echo", ""));
			table_text(&table, json_get_string(vip, "no_backend", ""));
		}
		r = table_end(cli, &table);
	}
	cJSON_Delete(answer);
	return r;
}

/* "33.3 %" of parts per million, rounded. */
static void
table_share(struct table *table, uint64_t ppm)
{
	char text[32];
	uint64_t tenths = (ppm + 500) / 1000;

	snprintf(text, sizeof text, "%llu.%llu %%", (unsigned long long)(tenths / 10),
		 (unsigned long long)(tenths % 10));
	table_text(table, text);
}

static int
backends_print(const struct cli *cli, const cJSON *backends)
{
	static const struct table_column columns[] = {
		{ "VIP", false },   { "BACKEND", false },  { "ADDRESS", false },
		{ "ADMIN", false }, { "WEIGHT", true },	   { "SERVES", true },
		{ "SHARE", true },  { "ROWS", true },	   { "PACKETS", true },
		{ "BYTES", true },  { "NEXT HOP", false }, { NULL, false },
	};
	struct table table = table_begin(columns);
	const cJSON *backend;

	cJSON_ArrayForEach (backend, backends) {
		table_text(&table, json_get_string(backend, "vip_name", ""));
		table_text(&table, json_get_string(backend, "name", ""));
		table_text(&table, json_get_string(backend, "backend", ""));
		table_text(&table, json_get_string(backend, "admin", ""));
		table_number(&table, number_of(backend, "weight"));
		table_number(&table, number_of(backend, "effective_weight"));
		table_share(&table, number_of(backend, "share_ppm"));
		table_number(&table, number_of(backend, "rows"));
		table_number(&table, number_of(backend, "packets"));
		table_number(&table, number_of(backend, "bytes"));
		table_text(&table, json_get_string(backend, "next_hop", ""));
	}
	return table_end(cli, &table);
}

static void
vip_print(const cJSON *vip)
{
	out_print("name        %s\n", json_get_string(vip, "name", ""));
	out_print("vip         %s\n", json_get_string(vip, "vip", ""));
	out_print("mode        %s\n", json_get_string(vip, "mode", ""));
	out_print("fragments   %s\n", json_get_string(vip, "fragments", ""));
	out_print("icmp echo   %s\n", json_get_string(vip, "icmp_echo", ""));
	out_print("no backend  %s\n", json_get_string(vip, "no_backend", ""));
	out_print("rows        %llu\n", (unsigned long long)number_of(vip, "table_size"));
	out_print("packets     %llu\n", (unsigned long long)number_of(vip, "packets"));
	out_print("bytes       %llu\n\n", (unsigned long long)number_of(vip, "bytes"));
}

int
command_vip_show(struct cli *cli)
{
	cJSON *params = cJSON_CreateObject();
	cJSON *answer = NULL;
	int r;

	(void)cJSON_AddStringToObject(params, "vip", cli->arguments[0]);
	r = client_call(cli, "vip.show", params, &answer);
	if (r != 0)
		return r;
	if (cli->json) {
		r = out_json(cli, answer);
	} else {
		vip_print(answer);
		r = backends_print(cli, json_get(answer, "backends"));
	}
	cJSON_Delete(answer);
	return r;
}

/* --- backend --- */

int
command_backend_list(struct cli *cli)
{
	cJSON *params = cJSON_CreateObject();
	cJSON *answer = NULL;
	int r;

	if (cli->vip != NULL)
		(void)cJSON_AddStringToObject(params, "vip", cli->vip);
	r = client_call(cli, "backend.list", params, &answer);
	if (r != 0)
		return r;
	r = cli->json ? out_json(cli, answer) : backends_print(cli, json_get(answer, "backends"));
	cJSON_Delete(answer);
	return r;
}

static void
changed_print(const struct cli *cli, const cJSON *answer)
{
	long long generation = json_get_integer(answer, "generation", 0);
	const cJSON *changed;

	cJSON_ArrayForEach (changed, json_get(answer, "changed")) {
		long long before = json_get_integer(changed, "weight_before", 0);
		long long after = json_get_integer(changed, "weight_after", 0);

		out_print("%s: backend %s: weight %lld -> %lld\n",
			  json_get_string(changed, "name", ""),
			  json_get_string(changed, "backend", ""), before, after);
	}
	change_print_notes(cli, answer);
	if (json_get_boolean(answer, "unchanged", false))
		out_print("unchanged: generation %lld serves this already\n", generation);
	else
		out_print("generation %lld\n", generation);
}

/* Sends an edit; @p params has what the verb adds, and is taken. */
static int
backend_edit(struct cli *cli, const char *method, cJSON *params)
{
	cJSON *answer = NULL;
	int r;

	(void)cJSON_AddStringToObject(params, "backend", cli->arguments[0]);
	if (cli->vip != NULL)
		(void)cJSON_AddStringToObject(params, "vip", cli->vip);
	if ((cli->options_given & CLI_OPTION_YES) != 0)
		(void)cJSON_AddTrueToObject(params, "force");
	r = client_call(cli, method, params, &answer);
	if (r != 0)
		return r;
	if (cli->json)
		r = out_json(cli, answer);
	else
		changed_print(cli, answer);
	cJSON_Delete(answer);
	return r;
}

int
command_backend_drain(struct cli *cli)
{
	return backend_edit(cli, "backend.drain", cJSON_CreateObject());
}

int
command_backend_undrain(struct cli *cli)
{
	return backend_edit(cli, "backend.undrain", cJSON_CreateObject());
}

int
command_backend_weight(struct cli *cli)
{
	const char *text = cli->arguments[1];
	cJSON *params;
	int64_t weight;

	if (!args_number(text, CONTROL_WEIGHT_MAX, &weight))
		return out_fail(cli, EX_USAGE, "usage", "", "a weight is 0 to %d, not \"%s\"",
				CONTROL_WEIGHT_MAX, text);
	params = cJSON_CreateObject();
	(void)cJSON_AddNumberToObject(params, "weight", (double)weight);
	return backend_edit(cli, "backend.weight", params);
}
