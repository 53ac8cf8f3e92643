/* SPDX-License-Identifier: BSD-2-Clause */
/* What a wait for a drain shows: what is left, meanwhile and at the end. */
#include <string.h>

#include "fairlead_wait.h"

enum { WAIT_LINE_BYTES = 80 /* of the progress line: one row of a terminal */ };

/* Adds "PART" or ", PART". */
static void
part_add(char *text, size_t size, const char *part)
{
	size_t end = strlen(text);

	snprintf(text + end, size - end, "%s%s", end > 0 ? ", " : "", part);
}

bool
wait_row_is_told(const cJSON *row)
{
	return json_get(row, "flows") != NULL || out_number(row, "rows") > 0;
}

const char *
wait_left_text(const cJSON *row, char *text, size_t size)
{
	static const struct {
		const char *member;
		const char *words;
		const char *one;
	} counts[] = {
		{ "rows", "owns %llu rows", "owns %llu row" },
		{ "rows_leaving", "%llu rows leaving", "%llu row leaving" },
		{ "flows", "%llu flows", "%llu flow" },
	};
	uint64_t idle_ms = out_number(row, "idle_ms");
	char part[64];
	char duration[CLI_DURATION_BYTES];

	text[0] = '\0';
	if (!wait_row_is_told(row))
		part_add(text, size, "no plane in sync told what it holds");
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		unsigned long long count = out_number(row, counts[i].member);

		if (count == 0)
			continue;
		snprintf(part, sizeof part, count == 1 ? counts[i].one : counts[i].words, count);
		part_add(text, size, part);
	}
	if (text[0] == '\0')
		part_add(text, size, "no flow counted, the planes look once more");
	if (json_get(row, "idle_ms") != NULL && out_number(row, "rows") == 0) {
		snprintf(part, sizeof part, "last seen %s ago",
			 out_duration(idle_ms / 1000 * 1000, duration));
		part_add(text, size, part);
	}
	return text;
}

/* --- what is left --- */

/* Rows that keep it from being done. */
static bool
row_is_left(const struct waiter *waiter, const cJSON *row)
{
	return wait_row_matches(waiter->cli, row) && wait_row_outcome(waiter, row) != OUTCOME_DONE;
}

/* "connecting", "refused: no source address for IPv4": why it is not in sync. @return @p text. */
static const char *
plane_why(const cJSON *plane, char *text, size_t size)
{
	const char *error = json_get_string(plane, "error", "");

	snprintf(text, size, "%s%s%s", json_get_string(plane, "state", ""),
		 error[0] != '\0' ? ": " : "", error);
	return text;
}

/* Of a plane in sync that did not answer. */
static void
left_print_error(const cJSON *plane)
{
	const char *error = json_get_string(plane, "error", "");

	if (error[0] != '\0')
		out_print("plane %s: %s\n", json_get_string(plane, "name", ""), error);
}

static void
left_print(const struct waiter *waiter)
{
	char text[JSON_MESSAGE_BYTES_MAX];
	const cJSON *row;
	const cJSON *plane;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (row_is_left(waiter, row))
			out_print("%s: %s\n", json_get_string(row, "vip_name", ""),
				  wait_left_text(row, text, sizeof text));
	}
	cJSON_ArrayForEach (plane, waiter->planes) {
		if (json_get_boolean(plane, "in_sync", false))
			left_print_error(plane);
		else
			out_print("plane %s is not in sync (%s): what it still sends there is not "
				  "known\n",
				  json_get_string(plane, "name", ""),
				  plane_why(plane, text, sizeof text));
	}
	if (waiter->is_lost)
		out_print("what happened since is not known: %s\n", waiter->error.message);
}

/* Planes that the end does not speak for. A change is on its way to one that is syncing: a removal
 * waits for that. @return the exit code. */
static int
planes_warn(const struct waiter *waiter)
{
	char why[JSON_MESSAGE_BYTES_MAX];
	const cJSON *plane;
	int r = 0;

	cJSON_ArrayForEach (plane, waiter->planes) {
		if (json_get_boolean(plane, "in_sync", false) ||
		    strcmp(json_get_string(plane, "state", ""), "syncing") == 0)
			continue;
		r = CLI_ANSWER_NO;
		out_warning(waiter->cli,
			    "plane %s was not in sync (%s) for so long that the removal did not "
			    "wait for it: connections that it still sends to %s are cut when it "
			    "gets this state",
			    json_get_string(plane, "name", ""), plane_why(plane, why, sizeof why),
			    waiter->cli->arguments[0]);
	}
	return r;
}

static cJSON *
left_json(const struct waiter *waiter)
{
	cJSON *left = cJSON_CreateArray();
	const cJSON *row;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (row_is_left(waiter, row))
			(void)cJSON_AddItemToArray(left, cJSON_Duplicate(row, true));
	}
	return left;
}

static cJSON *
planes_left_json(const struct waiter *waiter)
{
	cJSON *left = cJSON_CreateArray();
	const cJSON *plane;

	cJSON_ArrayForEach (plane, waiter->planes) {
		if (!json_get_boolean(plane, "in_sync", false))
			(void)cJSON_AddItemToArray(
				left, cJSON_CreateString(json_get_string(plane, "name", "")));
	}
	return left;
}

/* The same planes, and why. */
static cJSON *
planes_out_json(const struct waiter *waiter)
{
	static const char *const members[] = { "name", "state", "error" };
	cJSON *out = cJSON_CreateArray();
	const cJSON *plane;

	cJSON_ArrayForEach (plane, waiter->planes) {
		cJSON *item;

		if (json_get_boolean(plane, "in_sync", false))
			continue;
		item = cJSON_CreateObject();
		for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
			(void)cJSON_AddStringToObject(item, members[i],
						      json_get_string(plane, members[i], ""));
		(void)cJSON_AddItemToArray(out, item);
	}
	return out;
}

/* --- meanwhile --- */

/* Whole seconds since the wait began. */
static char *
elapsed_text(const struct waiter *waiter, char text[CLI_DURATION_BYTES])
{
	int64_t ms = client_now_ms() - waiter->started_ms;

	return out_duration((uint64_t)ms / 1000 * 1000, text);
}

void
wait_progress_clear(const struct waiter *waiter)
{
	if (waiter->shows_progress)
		(void)fputs("\r\033[K", stderr);
}

/* "not in sync: plane plane1", of the planes that are not in sync; @p other where all are. */
static const char *
planes_left_text(const struct waiter *waiter, const char *other, char *text, size_t size)
{
	bool any = false;
	const cJSON *plane;

	cJSON_ArrayForEach (plane, waiter->planes) {
		size_t end = any ? strlen(text) : 0;

		if (json_get_boolean(plane, "in_sync", false))
			continue;
		snprintf(text + end, size - end, "%s%s", any ? ", " : "not in sync: plane ",
			 json_get_string(plane, "name", ""));
		any = true;
	}
	return any ? text : other;
}

void
wait_progress_show(const struct waiter *waiter)
{
	char line[WAIT_LINE_BYTES];
	char text[192];
	char now[CLI_DURATION_BYTES];
	char limit[CLI_DURATION_BYTES];
	const char *left = waiter->is_lost ? "fairleadd does not answer" : "asking the planes";
	const char *vip = "";
	const cJSON *row;

	if (!waiter->shows_progress)
		return;
	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (!waiter->is_lost && vip[0] == '\0' && row_is_left(waiter, row)) {
			vip = json_get_string(row, "vip_name", "");
			left = wait_left_text(row, text, sizeof text);
		}
	}
	if (!waiter->is_lost && (vip[0] == '\0' || wait_rows_are_untold(waiter)))
		left = planes_left_text(waiter, left, text, sizeof text);
	snprintf(line, sizeof line, "%s of %s  %s%s%s", elapsed_text(waiter, now),
		 out_duration((uint64_t)(waiter->deadline_ms - waiter->started_ms), limit), vip,
		 vip[0] != '\0' ? ": " : "", left);
	wait_progress_clear(waiter);
	out_text(stderr, line);
	(void)fflush(stderr);
}

/* --- the end --- */

int
wait_end_print(const struct waiter *waiter, enum outcome outcome)
{
	const char *backend = waiter->cli->arguments[0];
	const char *word = waiter->what == WAIT_REMOVED ? "removed" : "drained";
	char after[CLI_DURATION_BYTES];
	char idle[CLI_DURATION_BYTES];

	(void)elapsed_text(waiter, after);
	if (outcome == OUTCOME_DONE) {
		out_print("%s is %s, after %s\n", backend, word, after);
		return planes_warn(waiter);
	}
	if (outcome == OUTCOME_IDLE) {
		out_print("%s was silent for %s, after %s; this was left:\n", backend,
			  out_duration((uint64_t)waiter->cli->idle_s * 1000, idle), after);
		left_print(waiter);
		return 0;
	}
	if (outcome == OUTCOME_UNDONE) {
		out_print("%s is not %s, after %s: it was given its share again\n", backend, word,
			  after);
		return CLI_ANSWER_NO;
	}
	if (outcome == OUTCOME_GONE) {
		out_print("%s is not drained, after %s: its VIP %s was removed meanwhile by "
			  "another change, and with it all connections to it were cut\n",
			  backend, after, waiter->gone);
		return CLI_ANSWER_NO;
	}
	if (outcome == OUTCOME_REMOVED) {
		out_print("%s was removed%s%s meanwhile by another change, after %s: whether it "
			  "was drained by then is not known\n",
			  backend, waiter->gone != NULL ? " from VIP " : "",
			  waiter->gone != NULL ? waiter->gone : "", after);
		return CLI_ANSWER_NO;
	}
	out_print("%s is not %s after %s; it goes on:\n", backend, word, after);
	left_print(waiter);
	return CLI_ANSWER_NO;
}

int
wait_end_json(const struct waiter *waiter, enum outcome outcome, cJSON *answer)
{
	static const char *const words[] = {
		[OUTCOME_MORE] = "limit",    [OUTCOME_DONE] = "done", [OUTCOME_IDLE] = "idle",
		[OUTCOME_UNDONE] = "undone", [OUTCOME_GONE] = "gone", [OUTCOME_REMOVED] = "gone",
	};
	bool good = outcome == OUTCOME_DONE || outcome == OUTCOME_IDLE;
	uint64_t ms = (uint64_t)(client_now_ms() - waiter->started_ms);
	int r;

	(void)cJSON_AddStringToObject(answer, "wait", words[outcome]);
	(void)json_add_u64(answer, "waited_ms", ms);
	(void)cJSON_AddItemToObject(answer, "left", left_json(waiter));
	(void)cJSON_AddItemToObject(answer, "planes_left", planes_left_json(waiter));
	(void)cJSON_AddItemToObject(answer, "planes_out_of_sync", planes_out_json(waiter));
	good = good && planes_warn(waiter) == 0;
	r = out_json(waiter->cli, answer);
	return r == 0 && !good ? CLI_ANSWER_NO : r;
}
