/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How methods answer. An answer may be made long after its client has gone, so nothing here touches
 * the client: what is to be sent is found by ctl.c at the loop's next turn.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "model_view.h"

void
ctl_wake(struct ctl *ctl)
{
	event_active(ctl->flush, EV_TIMEOUT, 0);
}

void
ctl_reply(struct ctl *ctl, struct rpc_call *call, cJSON *result)
{
	rpc_reply(call, result);
	ctl_wake(ctl);
}

void
ctl_refuse(struct ctl *ctl, struct rpc_call *call, const char *data_code, const char *message)
{
	rpc_fail_plain(call, data_code, NULL, "%s", message);
	ctl_wake(ctl);
}

void
ctl_refuse_vip(struct ctl *ctl, struct rpc_call *call, const char *name)
{
	rpc_fail_plain(call, "unknown_vip", "fairlead vip list shows all", "no VIP \"%s\"", name);
	ctl_wake(ctl);
}

void
ctl_refuse_gather(struct ctl *ctl, struct rpc_call *call, int error)
{
	if (error == -EBUSY)
		ctl_refuse(ctl, call, "busy",
			   "too many questions wait for the planes; try again in a moment");
	else
		ctl_refuse(ctl, call, "no_memory", "no memory for this request");
}

void
ctl_fail(struct ctl *ctl, struct rpc_call *call, const struct json_errors *errors)
{
	const struct json_error *first = &errors->items[0];

	if (errors->count == 0)
		rpc_fail_plain(call, "no_memory", NULL, "no memory for this request");
	else if (errors->count == 1 && first->line == 0 && first->pointer[0] == '\0')
		rpc_fail_plain(call, first->code, first->hint, "%s", first->message);
	else
		rpc_fail(call, RPC_REFUSED, errors);
	ctl_wake(ctl);
}

struct ctl_job *
ctl_job_create(struct ctl *ctl, struct rpc_call *call)
{
	struct ctl_job *job = calloc(1, sizeof *job);
	uid_t uid;

	if (job == NULL) {
		ctl_refuse(ctl, call, "no_memory", "no memory for this request");
		return NULL;
	}
	job->ctl = ctl;
	job->call = call;
	uid = ((const struct ctl_client *)call->user)->uid;
	if (uid == CTL_UID_UNKNOWN)
		ctl_job_say(job, "by a user that is not known: ");
	else
		ctl_job_say(job, "by uid %u: ", (unsigned)uid);
	return job;
}

void
ctl_job_say(struct ctl_job *job, const char *format, ...)
{
	char *what = job->job.what;
	size_t end = strlen(what);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(what + end, sizeof job->job.what - end, format, arguments);
	va_end(arguments);
}

void
ctl_job_destroy(struct ctl_job *job)
{
	if (job == NULL)
		return;
	config_destroy(job->job.file);
	cJSON_Delete(job->warnings);
	free(job->backend);
	free(job->vip);
	free(job);
}

void
ctl_job_submit(struct ctl_job *job)
{
	if (pusher_submit(job->ctl->options.pusher, &job->job) == 0)
		return;
	ctl_refuse(job->ctl, job->call, "busy",
		   "too many changes wait for the planes; try again in a moment");
	ctl_job_destroy(job);
}

cJSON *
ctl_job_answer(struct push_result *result)
{
	cJSON *answer = cJSON_CreateObject();

	if (answer == NULL)
		return NULL;
	(void)json_add_u64(answer, "generation", result->generation);
	(void)cJSON_AddBoolToObject(answer, "unchanged", result->unchanged);
	(void)model_view_put(answer, "warnings", result->warnings);
	(void)model_view_put(answer, "planes_away", result->planes_away);
	(void)model_view_put(answer, "planes_failed", result->planes_failed);
	result->warnings = result->planes_away = result->planes_failed = NULL;
	return answer;
}

bool
ctl_job_failed(struct ctl_job *job, const struct push_result *result)
{
	if (result != NULL && result->done)
		return false;
	if (result == NULL)
		ctl_refuse(job->ctl, job->call, "no_memory", "no memory for this change");
	else
		ctl_fail(job->ctl, job->call, &result->errors);
	return true;
}
