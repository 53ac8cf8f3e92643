/* SPDX-License-Identifier: BSD-2-Clause */
/* What the log says of a change: who asked for what, and what became of it, in one line. */
#include "pusher_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A line that is being written: what does not fit is left out. */
struct line {
	char *text;
	size_t size;
};

static void __attribute__((format(printf, 2, 3))) append(struct line *line, const char *format, ...)
{
	size_t end = strlen(line->text);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line->text + end, line->size - end, format, arguments);
	va_end(arguments);
}

static const char *
change_name(const struct pusher *pusher, const struct model_change *change)
{
	return change->kind == MODEL_REMOVED ? pusher->model->config->vips[change->from].name
					     : pusher->candidate->vips[change->to].name;
}

/* "2 VIPs added, 1 changed: dns, web, ntp". */
static void
append_vips(struct line *line, const struct pusher *pusher)
{
	static const char *const words[] = { "added", "changed", "removed" };
	const struct model_plan *plan = pusher->plan;
	uint32_t counts[3] = { 0 };
	const char *before = "";

	for (uint32_t i = 0; i < plan->count; i++)
		counts[plan->changes[i].kind]++;
	for (size_t i = 0; i < 3; i++) {
		const char *noun = before[0] != '\0' ? "" : counts[i] == 1 ? "VIP " : "VIPs ";

		if (counts[i] == 0)
			continue;
		append(line, "%s%u %s%s", before, counts[i], noun, words[i]);
		before = ", ";
	}
	for (uint32_t i = 0; i < plan->count && i < PUSH_LOG_NAMES_MAX; i++)
		append(line, "%s%s", i == 0 ? ": " : ", ", change_name(pusher, &plan->changes[i]));
	if (plan->count > PUSH_LOG_NAMES_MAX)
		append(line, " and %u more", plan->count - PUSH_LOG_NAMES_MAX);
}

/* "web: 198.51.100.7 from 100 to 0, dns: ..." */
static void
append_weights(struct line *line, const cJSON *changed)
{
	int count = cJSON_GetArraySize(changed);
	const cJSON *item;
	int told = 0;

	cJSON_ArrayForEach (item, changed) {
		const cJSON *before = json_get(item, "weight_before");

		if (told == PUSH_LOG_NAMES_MAX)
			break;
		append(line, "%s%s: weight of %s", told == 0 ? "" : ", ",
		       json_get_string(item, "name", ""), json_get_string(item, "backend", ""));
		if (before != NULL)
			append(line, " from %lld",
			       (long long)json_get_integer(item, "weight_before", 0));
		append(line, " to %lld", (long long)json_get_integer(item, "weight_after", 0));
		told++;
	}
	if (count > told)
		append(line, " and %d more", count - told);
}

bool
push_log_describe(const struct pusher *pusher, char ret_text[PUSH_LOG_BYTES_MAX])
{
	const struct push_job *job = pusher->job;
	const struct push_result *result = pusher->result;
	int planes = cJSON_GetArraySize(result->plane_changes);
	bool ours = !pusher->whole && job->edit.kind == MODEL_RAMP_STEP;
	struct line line = { ret_text, PUSH_LOG_BYTES_MAX };

	if (result->unchanged && (pusher->whole || ours))
		return false;
	ret_text[0] = '\0';
	append(&line, "%s (", job->what);
	if (!pusher->whole && cJSON_GetArraySize(result->changed) > 0)
		append_weights(&line, result->changed);
	else if (pusher->plan->count > 0)
		append_vips(&line, pusher);
	else if (planes == 0)
		append(&line, "nothing on the planes");
	if (planes > 0)
		append(&line, "%s%d plane%s of the configuration changed",
		       pusher->plan->count > 0 ? ", " : "", planes, planes == 1 ? "" : "s");
	append(&line, ")");
	return true;
}
