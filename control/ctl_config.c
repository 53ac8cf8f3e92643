/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.check, config.diff, config.apply, config.show. A text that does not fit a line comes in
 * several calls, all but the last with "more".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "model_view.h"

/* What parsing a text found; too large for the stack of a callback. */
struct findings {
	struct json_errors errors;
	struct json_errors warnings;
};

static cJSON *
warnings_json(const struct json_errors *warnings, const char *file)
{
	char line[CONFIG_LINE_BYTES_MAX];
	cJSON *array = cJSON_CreateArray();

	for (uint32_t i = 0; i < warnings->count; i++) {
		(void)config_error_format(&warnings->items[i], file, "warning", line);
		if (!model_view_put(array, NULL, cJSON_CreateString(line))) {
			cJSON_Delete(array);
			return NULL;
		}
	}
	if (warnings->dropped > 0) {
		snprintf(line, sizeof line, "%.256s: and %u more warnings", file,
			 warnings->dropped);
		(void)model_view_put(array, NULL, cJSON_CreateString(line));
	}
	return array;
}

static int
findings_parse(const struct rpc_call *call, const struct json_buffer *text,
	       struct findings *findings, struct config **ret_config)
{
	const struct config_source source = {
		.text = text->bytes,
		.size = text->size,
		.file = json_get_string(call->params, "file", "fairlead.json"),
		.errors = &findings->errors,
		.warnings = &findings->warnings,
	};

	return config_parse(&source, ret_config);
}

/* Answers "more" and failures itself. @return true: *ret_config and *ret_warnings are the caller's.
 */
static bool
config_receive(struct ctl *ctl, struct rpc_call *call, struct config **ret_config,
	       cJSON **ret_warnings)
{
	struct ctl_client *client = call->user;
	const char *part = json_get_string(call->params, "text", "");
	const char *file = json_get_string(call->params, "file", "fairlead.json");
	struct findings *findings = NULL;
	struct json_buffer text = client->text;
	cJSON *answer;
	int r = -ENOMEM;

	if (text.size + strlen(part) > JSON_FILE_BYTES_MAX) {
		free(text.bytes);
		client->text = (struct json_buffer){ 0 };
		ctl_refuse(ctl, call, "limit_exceeded", "a configuration has at most 16 MiB");
		return false;
	}
	client->text = (struct json_buffer){ 0 };
	if (json_buffer_put(&text, part, strlen(part)) == 0)
		r = 0;
	if (r == 0 && json_get_boolean(call->params, "more", false)) {
		client->text = text;
		answer = cJSON_CreateObject();
		if (answer != NULL)
			(void)json_add_u64(answer, "bytes", text.size);
		ctl_reply(ctl, call, answer);
		return false;
	}
	findings = calloc(1, sizeof *findings);
	if (r == 0 && findings != NULL) {
		r = findings_parse(call, &text, findings, ret_config);
		if (r == 0 && (*ret_warnings = warnings_json(&findings->warnings, file)) == NULL) {
			config_destroy(*ret_config);
			r = -ENOMEM;
		}
	}
	if (findings == NULL)
		ctl_refuse(ctl, call, "no_memory", "no memory for this configuration");
	else if (r < 0)
		ctl_fail(ctl, call, &findings->errors);
	free(text.bytes);
	free(findings);
	return findings != NULL && r == 0;
}

void
ctl_config_check(struct ctl *ctl, struct rpc_call *call)
{
	struct config *config;
	cJSON *warnings;
	cJSON *answer;

	if (!config_receive(ctl, call, &config, &warnings))
		return;
	answer = cJSON_CreateObject();
	if (answer == NULL) {
		cJSON_Delete(warnings);
	} else {
		(void)json_add_u64(answer, "vips", config->vip_count);
		(void)json_add_u64(answer, "backends", config->backend_total);
		(void)model_view_put(answer, "warnings", warnings);
	}
	config_destroy(config);
	ctl_reply(ctl, call, answer);
}

/* Moves the items of one array of sentences behind those of another. */
static void
sentences_move(cJSON *to, cJSON *from)
{
	cJSON *item;

	while (to != NULL && from != NULL && (item = cJSON_DetachItemFromArray(from, 0)) != NULL)
		(void)model_view_put(to, NULL, item);
}

/* What is applied lasts as long as the daemon; its file is what a restart serves. */
static void
warn_of_other_file(const struct ctl *ctl, cJSON *warnings)
{
	const struct config *config = ctl->options.model->config;
	char line[CONFIG_LINE_BYTES_MAX];
	char *text = NULL;
	size_t size = 0;
	int r = json_read_file(ctl->options.config_file, &text, &size);

	if (r < 0 || size != config->text_size || memcmp(text, config->text, size) != 0) {
		snprintf(line, sizeof line,
			 "%s differs from what was applied, and is what a restart of fairleadd "
			 "serves: "
			 "copy it there",
			 ctl->options.config_file);
		(void)model_view_put(warnings, NULL, cJSON_CreateString(line));
	}
	free(text);
}

static void
config_done(struct push_job *push_job, struct push_result *result)
{
	struct ctl_job *job = (struct ctl_job *)push_job;
	cJSON *answer;

	if (ctl_job_failed(job, result)) {
		ctl_job_destroy(job);
		return;
	}
	sentences_move(result->warnings, job->warnings);
	if (push_job->kind == PUSH_APPLY)
		warn_of_other_file(job->ctl, result->warnings);
	answer = ctl_job_answer(result);
	if (answer != NULL) {
		(void)model_view_put(answer, "changes", result->changes);
		(void)model_view_put(answer, "plane_changes", result->plane_changes);
		result->changes = result->plane_changes = NULL;
	}
	ctl_reply(job->ctl, job->call, answer);
	ctl_job_destroy(job);
}

static void
config_submit(struct ctl *ctl, struct rpc_call *call, enum push_kind kind)
{
	struct config *config;
	cJSON *warnings;
	struct ctl_job *job;

	if (!config_receive(ctl, call, &config, &warnings))
		return;
	job = ctl_job_create(ctl, call);
	if (job == NULL) {
		config_destroy(config);
		cJSON_Delete(warnings);
		return;
	}
	job->warnings = warnings;
	job->job.kind = kind;
	job->job.file = config;
	ctl_job_say(job, "config apply %s%s",
		    json_get_string(call->params, "file", "(a text without a name)"),
		    json_get_boolean(call->params, "force", false) ? " --yes" : "");
	job->job.has_if_generation = json_get(call->params, "if_generation") != NULL;
	job->job.if_generation = (uint64_t)json_get_integer(call->params, "if_generation", 0);
	job->job.force = json_get_boolean(call->params, "force", false);
	job->job.done = config_done;
	ctl_job_submit(job);
}

void
ctl_config_diff(struct ctl *ctl, struct rpc_call *call)
{
	config_submit(ctl, call, PUSH_DIFF);
}

void
ctl_config_apply(struct ctl *ctl, struct rpc_call *call)
{
	config_submit(ctl, call, PUSH_APPLY);
}

void
ctl_config_show(struct ctl *ctl, struct rpc_call *call)
{
	const struct model *model = ctl->options.model;
	cJSON *answer = cJSON_CreateObject();

	if (answer == NULL || !json_add_u64(answer, "generation", model->generation) ||
	    !model_view_put(answer, "config", model_view_config(model->config)) ||
	    !model_view_put(answer, "overlay", model_view_overlay(model->config))) {
		cJSON_Delete(answer);
		answer = NULL;
	}
	ctl_reply(ctl, call, answer);
}
