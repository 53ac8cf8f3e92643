/* SPDX-License-Identifier: BSD-2-Clause */
/* backend.drain, backend.undrain, backend.weight, backend.remove: edits of the state that serves.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "model_view.h"

static bool
removed_put(cJSON *array, const struct config_vip *vip, const struct config_backend *backend)
{
	char text[ADDR_ENDPOINT_TEXT_MAX];
	cJSON *object = cJSON_CreateObject();

	return model_view_put(array, NULL, object) &&
	       cJSON_AddStringToObject(object, "vip", addr_endpoint_format(&vip->endpoint, text)) !=
		       NULL &&
	       cJSON_AddStringToObject(object, "name", vip->name) != NULL &&
	       cJSON_AddStringToObject(object, "backend", addr_format(&backend->address, text)) !=
		       NULL &&
	       cJSON_AddStringToObject(object, "state", model_removal(backend)) != NULL;
}

/* What became of what was to be removed, in the state that serves now. NULL: no memory. */
static cJSON *
removed_json(const struct config *config, const struct model_edit *edit)
{
	const struct config_vip *only =
		edit->vip != NULL ? config_find_vip(config, edit->vip) : NULL;
	cJSON *array = cJSON_CreateArray();

	for (uint32_t i = 0; array != NULL && i < config->vip_count; i++) {
		const struct config_vip *vip = &config->vips[i];
		const struct config_backend *backend = config_find_backend(vip, edit->backend);

		if (backend == NULL || backend->removal == CONFIG_STAYS ||
		    (edit->vip != NULL && only != vip))
			continue;
		if (!removed_put(array, vip, backend)) {
			cJSON_Delete(array);
			return NULL;
		}
	}
	return array;
}

/* What an answer has besides, by what was asked. */
static void
answer_put_edit(cJSON *answer, const struct config *config, const struct model_edit *edit)
{
	cJSON *ramp;

	if (edit->kind == MODEL_REMOVE)
		(void)model_view_put(answer, "removed", removed_json(config, edit));
	if (edit->kind != MODEL_WEIGHT || edit->over_s == 0)
		return;
	ramp = cJSON_AddObjectToObject(answer, "ramp");
	(void)cJSON_AddNumberToObject(ramp, "to", edit->weight);
	(void)cJSON_AddNumberToObject(ramp, "over_s", edit->over_s);
}

static void
backend_done(struct push_job *push_job, struct push_result *result)
{
	struct ctl_job *job = (struct ctl_job *)push_job;
	cJSON *answer;

	if (ctl_job_failed(job, result)) {
		ctl_job_destroy(job);
		return;
	}
	answer = ctl_job_answer(result);
	if (answer != NULL) {
		(void)model_view_put(answer, "changed", result->changed);
		result->changed = NULL;
		answer_put_edit(answer, job->ctl->options.model->config, &push_job->edit);
	}
	ctl_reply(job->ctl, job->call, answer);
	ctl_job_destroy(job);
}

/* The command, for the log. */
static void
say_command(struct ctl_job *job)
{
	static const char *const verbs[] = {
		[MODEL_DRAIN] = "drain",
		[MODEL_UNDRAIN] = "undrain",
		[MODEL_WEIGHT] = "weight",
		[MODEL_REMOVE] = "remove",
	};
	const struct model_edit *edit = &job->job.edit;

	ctl_job_say(job, "backend %s %s", verbs[edit->kind], edit->backend);
	if (edit->kind == MODEL_WEIGHT)
		ctl_job_say(job, " %u", edit->weight);
	if (edit->over_s > 0)
		ctl_job_say(job, " --over %us", edit->over_s);
	if (edit->vip != NULL)
		ctl_job_say(job, " --vip %s", edit->vip);
	if (edit->at_once)
		ctl_job_say(job, " --now");
	if (edit->force)
		ctl_job_say(job, " --yes");
}

static void
backend_submit(struct ctl *ctl, struct rpc_call *call, enum model_edit_kind kind)
{
	const char *vip = json_get_string(call->params, "vip", NULL);
	struct ctl_job *job = ctl_job_create(ctl, call);

	if (job == NULL)
		return;
	job->backend = strdup(json_get_string(call->params, "backend", ""));
	job->vip = vip != NULL ? strdup(vip) : NULL;
	if (job->backend == NULL || (vip != NULL && job->vip == NULL)) {
		ctl_refuse(ctl, call, "no_memory", "no memory for this request");
		ctl_job_destroy(job);
		return;
	}
	job->job.kind = PUSH_APPLY;
	job->job.edit = (struct model_edit){
		.kind = kind,
		.backend = job->backend,
		.vip = job->vip,
		.weight = (uint32_t)json_get_integer(call->params, "weight", 0),
		.over_s = (uint32_t)json_get_integer(call->params, "over_s", 0),
		.at_once = json_get_boolean(call->params, "now", false),
		.now_ms = plane_link_now_ms(),
		.force = json_get_boolean(call->params, "force", false),
	};
	job->job.done = backend_done;
	say_command(job);
	ctl_job_submit(job);
}

void
ctl_backend_drain(struct ctl *ctl, struct rpc_call *call)
{
	backend_submit(ctl, call, MODEL_DRAIN);
}

void
ctl_backend_undrain(struct ctl *ctl, struct rpc_call *call)
{
	backend_submit(ctl, call, MODEL_UNDRAIN);
}

void
ctl_backend_weight(struct ctl *ctl, struct rpc_call *call)
{
	backend_submit(ctl, call, MODEL_WEIGHT);
}

void
ctl_backend_remove(struct ctl *ctl, struct rpc_call *call)
{
	backend_submit(ctl, call, MODEL_REMOVE);
}
