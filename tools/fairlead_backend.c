/* SPDX-License-Identifier: BSD-2-Clause */
/* vip list, vip show, backend list. */
#include <string.h>

#include "fairlead_cli.h"

/* A number that planes tell; nothing where none did: 0 is what nobody must be told then. */
static void
table_told(struct table *table, const cJSON *object, const char *member)
{
	if (json_get(object, member) != NULL)
		table_number(table, out_number(object, member));
	else
		table_text(table, "");
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
			table_number(&table, out_number(vip, "backends"));
			table_number(&table, out_number(vip, "weight"));
			table_number(&table, out_number(vip, "table_size"));
			table_told(&table, vip, "packets");
			table_told(&table, vip, "bytes");
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

/* "4s" since something of it was seen; nothing while it owns rows, or when nothing holds it. */
static void
table_idle(struct table *table, const cJSON *backend)
{
	int64_t idle_ms = json_get_integer(backend, "idle_ms", -1);
	char text[CLI_DURATION_BYTES];

	if (out_number(backend, "rows") > 0 || idle_ms < 0)
		table_text(table, "");
	else
		table_text(table, out_duration((uint64_t)idle_ms, text));
}

/* "draining", or where the weight goes: "serving, to 100 in 4m 10s". */
static void
table_state(struct table *table, const cJSON *backend)
{
	const cJSON *ramp = json_get(backend, "ramp");
	char duration[CLI_DURATION_BYTES];
	char text[96];

	if (ramp == NULL) {
		table_text(table, json_get_string(backend, "state", ""));
		return;
	}
	snprintf(text, sizeof text, "%.32s, to %llu in %s", json_get_string(backend, "state", ""),
		 (unsigned long long)out_number(ramp, "to"),
		 out_duration(out_number(ramp, "left_s") * 1000, duration));
	table_text(table, text);
}

static int
backends_print(const struct cli *cli, const cJSON *backends)
{
	static const struct table_column columns[] = {
		{ "VIP", false },   { "BACKEND", false },  { "ADDRESS", false },
		{ "STATE", false }, { "WEIGHT", true },	   { "SERVES", true },
		{ "SHARE", true },  { "ROWS", true },	   { "LEAVING", true },
		{ "FLOWS", true },  { "IDLE", true },	   { "PACKETS", true },
		{ "BYTES", true },  { "NEXT HOP", false }, { NULL, false },
	};
	struct table table = table_begin(columns);
	const cJSON *backend;

	cJSON_ArrayForEach (backend, backends) {
		table_text(&table, json_get_string(backend, "vip_name", ""));
		table_text(&table, json_get_string(backend, "name", ""));
		table_text(&table, json_get_string(backend, "backend", ""));
		table_state(&table, backend);
		table_number(&table, out_number(backend, "weight"));
		table_number(&table, out_number(backend, "effective_weight"));
		table_share(&table, out_number(backend, "share_ppm"));
		table_told(&table, backend, "rows");
		table_told(&table, backend, "rows_leaving");
		table_told(&table, backend, "flows");
		table_idle(&table, backend);
		table_told(&table, backend, "packets");
		table_told(&table, backend, "bytes");
		table_text(&table, json_get_string(backend, "next_hop", ""));
	}
	return table_end(cli, &table);
}

/* What changes of the set leave behind for a while; nothing where no plane told it. */
static void
vip_print_rows(const cJSON *vip)
{
	static const struct {
		const char *title;
		const char *member;
	} counts[] = {
		{ "flows", "flows" },
		{ "failures", "flow_failures" },
		{ "evictions", "flow_evictions" },
		{ "row races", "row_races" },
		{ "extended", "windows_extended" },
	};
	char duration[CLI_DURATION_BYTES];

	if (json_get(vip, "rows_moving") == NULL)
		return;
	out_print("moving      %llu\n", (unsigned long long)out_number(vip, "rows_moving"));
	out_print("settling    %llu\n", (unsigned long long)out_number(vip, "rows_settling"));
	out_print("stable in   %s\n", out_duration(out_number(vip, "stable_in_ms"), duration));
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		out_print("%-11s %llu\n", counts[i].title,
			  (unsigned long long)out_number(vip, counts[i].member));
}

/* A counter of the planes. */
static void
vip_print_told(const char *member, const cJSON *vip)
{
	if (json_get(vip, member) != NULL)
		out_print("%-11s %llu\n", member, (unsigned long long)out_number(vip, member));
	else
		out_print("%-11s -\n", member);
}

static void
vip_print(const cJSON *vip)
{
	char window[CLI_DURATION_BYTES];
	char hold[CLI_DURATION_BYTES];

	out_print("name        %s\n", json_get_string(vip, "name", ""));
	out_print("vip         %s\n", json_get_string(vip, "vip", ""));
	out_print("mode        %s\n", json_get_string(vip, "mode", ""));
	out_print("fragments   %s\n", json_get_string(vip, "fragments", ""));
	out_print("icmp echo   %s\n", json_get_string(vip, "icmp_echo", ""));
	out_print("no backend  %s\n", json_get_string(vip, "no_backend", ""));
	if (out_number(vip, "window_s") > 0)
		out_print("window      %s, hold %s\n",
			  out_duration(out_number(vip, "window_s") * 1000, window),
			  out_duration(out_number(vip, "hold_s") * 1000, hold));
	else
		out_print("window      none: its flows follow the rows at once\n");
	if (json_get(vip, "udp") != NULL)
		out_print("udp         %s\n", json_get_string(vip, "udp", ""));
	out_print("on down     %s\n", json_get_string(vip, "on_down", ""));
	out_print("rows        %llu\n", (unsigned long long)out_number(vip, "table_size"));
	vip_print_rows(vip);
	vip_print_told("packets", vip);
	vip_print_told("bytes", vip);
	out_print("\n");
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
