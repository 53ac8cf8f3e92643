/* SPDX-License-Identifier: BSD-2-Clause */
/* backend drain, undrain, remove, weight: edits of the state that serves, at run time. */
#include <string.h>

#include "config.h"
#include "fairlead_cli.h"

/* --- printing --- */

static void
changed_print_items(const cJSON *answer)
{
	const cJSON *changed;
	const cJSON *removed;

	cJSON_ArrayForEach (changed, json_get(answer, "changed")) {
		long long before = json_get_integer(changed, "weight_before", 0);
		long long after = json_get_integer(changed, "weight_after", 0);

		out_print("%s: backend %s: weight %lld -> %lld\n",
			  json_get_string(changed, "name", ""),
			  json_get_string(changed, "backend", ""), before, after);
	}
	cJSON_ArrayForEach (removed, json_get(answer, "removed")) {
		bool leaving = strcmp(json_get_string(removed, "state", ""), "leaving") == 0;

		out_print("%s: backend %s: %s\n", json_get_string(removed, "name", ""),
			  json_get_string(removed, "backend", ""),
			  leaving ? "leaves when nothing holds it any more" : "removed");
	}
}

static void
changed_print(const struct cli *cli, const cJSON *answer)
{
	long long generation = json_get_integer(answer, "generation", 0);
	const cJSON *ramp = json_get(answer, "ramp");
	char duration[CLI_DURATION_BYTES];

	changed_print_items(answer);
	change_print_notes(cli, answer);
	if (ramp != NULL)
		out_print("weight goes to %llu step by step within %s\n",
			  (unsigned long long)out_number(ramp, "to"),
			  out_duration(out_number(ramp, "over_s") * 1000, duration));
	else if (json_get_boolean(answer, "unchanged", false))
		out_print("unchanged: generation %lld serves this already\n", generation);
	else
		out_print("generation %lld\n", generation);
}

/* --- editing --- */

static void
add_vip(const struct cli *cli, cJSON *params)
{
	if (cli->vip != NULL)
		(void)cJSON_AddStringToObject(params, "vip", cli->vip);
}

/* Sends an edit; @p params has what the verb adds, and is taken. */
static int
edit_send(struct cli *cli, const char *method, cJSON *params, cJSON **ret_answer)
{
	(void)cJSON_AddStringToObject(params, "backend", cli->arguments[0]);
	add_vip(cli, params);
	if (args_given(cli, CLI_OPTION_YES))
		(void)cJSON_AddTrueToObject(params, "force");
	return client_call(cli, method, params, ret_answer);
}

static int
edit(struct cli *cli, const char *method, cJSON *params)
{
	cJSON *answer = NULL;
	int r = edit_send(cli, method, params, &answer);

	if (r != 0)
		return r;
	if (cli->json)
		r = out_json(cli, answer);
	else
		changed_print(cli, answer);
	cJSON_Delete(answer);
	return r;
}

/* The same, then the wait; one JSON document of both. */
static int
edit_and_wait(struct cli *cli, const char *method, enum wait_for what)
{
	cJSON *answer = NULL;
	int r = edit_send(cli, method, cJSON_CreateObject(), &answer);

	if (r != 0)
		return r;
	if (!cli->json)
		changed_print(cli, answer);
	r = wait_run(cli, what, answer);
	cJSON_Delete(answer);
	return r;
}

int
command_backend_drain(struct cli *cli)
{
	if (args_given(cli, CLI_OPTION_WAIT))
		return edit_and_wait(cli, "backend.drain", WAIT_DRAINED);
	if (args_given(cli, CLI_OPTION_IDLE))
		return out_fail(cli, EX_USAGE, "usage", "add --wait",
				"--idle says when --wait ends, which is not given");
	return edit(cli, "backend.drain", cJSON_CreateObject());
}

int
command_backend_undrain(struct cli *cli)
{
	return edit(cli, "backend.undrain", cJSON_CreateObject());
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
	if (args_given(cli, CLI_OPTION_OVER))
		(void)cJSON_AddNumberToObject(params, "over_s", (double)cli->over_s);
	return edit(cli, "backend.weight", params);
}

/* --- removing --- */

/*
 * What --now would cut. Rows that are stable count no flows: who owns rows is taken to have some.
 * @return 0: nothing; CLI_ANSWER_NO, said what; the exit code of the call.
 */
static int
cut_refuse(struct cli *cli)
{
	cJSON *params = cJSON_CreateObject();
	cJSON *answer = NULL;
	const cJSON *row;
	char text[192];
	int r;

	add_vip(cli, params);
	r = client_call(cli, "backend.list", params, &answer);
	if (r != 0)
		return r;
	cJSON_ArrayForEach (row, json_get(answer, "backends")) {
		if (r != 0 || !wait_row_matches(cli, row) ||
		    json_get_boolean(row, "drained", false))
			continue;
		r = out_fail(cli, CLI_ANSWER_NO, "not_drained",
			     "remove it without --now, or cut them with --yes",
			     "--now cuts the connections of %s, VIP %s: %s", cli->arguments[0],
			     json_get_string(row, "vip_name", ""),
			     wait_left_text(row, text, sizeof text));
	}
	cJSON_Delete(answer);
	return r;
}

int
command_backend_remove(struct cli *cli)
{
	cJSON *params;
	int r;

	if (args_given(cli, CLI_OPTION_NOW) && args_given(cli, CLI_OPTION_WAIT))
		return out_fail(cli, EX_USAGE, "usage", "take one of them",
				"--now leaves nothing to --wait for");
	if (args_given(cli, CLI_OPTION_WAIT))
		return edit_and_wait(cli, "backend.remove", WAIT_REMOVED);
	if (!args_given(cli, CLI_OPTION_NOW))
		return edit(cli, "backend.remove", cJSON_CreateObject());
	r = args_given(cli, CLI_OPTION_YES) ? 0 : cut_refuse(cli);
	if (r != 0)
		return r;
	params = cJSON_CreateObject();
	(void)cJSON_AddTrueToObject(params, "now");
	return edit(cli, "backend.remove", params);
}
