/* SPDX-License-Identifier: BSD-2-Clause */
/* backend.drain, backend.undrain, backend.weight: edits of the state that serves. */
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "model_view.h"

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
	}
	ctl_reply(job->ctl, job->call, answer);
	ctl_job_destroy(job);
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
		.force = json_get_boolean(call->params, "force", false),
	};
	job->job.done = backend_done;
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
