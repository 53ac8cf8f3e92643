/* SPDX-License-Identifier: BSD-2-Clause */
/* status and version. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "model_view.h"

/* A call on its way to the planes and back. */
struct status_job {
	struct ctl *ctl;
	struct rpc_call *call;
};

static const char *
state_name(enum push_state state)
{
	static const char *const names[] = { "connecting", "syncing", "in_sync", "refused" };

	return names[state];
}

/* Packets by fate: the prefix of a verdict's name tells it (docs/formats.md 2). */
struct fates {
	uint64_t forwarded;
	uint64_t answered;
	uint64_t passed;
	uint64_t dropped;
};

static bool
verdicts_put(cJSON *plane, const cJSON *stats, struct fates *ret_fates)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(stats, "verdicts")) {
		const char *name = json_get_string(item, "verdict", "");
		int64_t packets = json_get_integer(item, "packets", 0);

		if (packets <= 0)
			continue;
		if (strncmp(name, "drop", 4) == 0)
			ret_fates->dropped += (uint64_t)packets;
		else if (strncmp(name, "pass", 4) == 0)
			ret_fates->passed += (uint64_t)packets;
		else if (strncmp(name, "answer", 6) == 0)
			ret_fates->answered += (uint64_t)packets;
		else
			ret_fates->forwarded += (uint64_t)packets;
		fine = fine && model_view_put(array, NULL, cJSON_Duplicate(item, true));
	}
	return model_view_put(plane, "verdicts", array) && fine;
}

/* Those that happened. */
static bool
events_put(cJSON *plane, const cJSON *stats)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(stats, "events")) {
		if (json_get_integer(item, "count", 0) > 0)
			fine = fine && model_view_put(array, NULL, cJSON_Duplicate(item, true));
	}
	return model_view_put(plane, "events", array) && fine;
}

static bool
stats_put(cJSON *plane, const cJSON *stats)
{
	struct fates fates = { 0 };
	int64_t received = json_get_integer(stats, "received", 0);

	return json_add_u64(plane, "received", received > 0 ? (uint64_t)received : 0) &&
	       verdicts_put(plane, stats, &fates) && events_put(plane, stats) &&
	       json_add_u64(plane, "forwarded", fates.forwarded) &&
	       json_add_u64(plane, "answered", fates.answered) &&
	       json_add_u64(plane, "passed", fates.passed) &&
	       json_add_u64(plane, "dropped", fates.dropped);
}

static bool
hello_put(cJSON *plane, const struct push_plane_view *view)
{
	const struct plane_hello *hello = plane_link_hello(view->link);

	return cJSON_AddStringToObject(plane, "kind", hello->kind) != NULL &&
	       cJSON_AddStringToObject(plane, "version", hello->version) != NULL &&
	       json_add_u64(plane, "generation", view->generation) &&
	       cJSON_AddStringToObject(plane, "digest", view->digest) != NULL;
}

static cJSON *
plane_json(const struct push_plane_view *view, const struct gather_answer *answer)
{
	const cJSON *stats = answer != NULL ? answer->result : NULL;
	const char *silent = answer != NULL ? json_get_string(answer->error, "message", "") : "";
	int64_t since_ms = plane_link_now_ms() - plane_link_since_ms(view->link);
	cJSON *plane = cJSON_CreateObject();
	bool fine = plane != NULL &&
		    cJSON_AddStringToObject(plane, "name", plane_link_name(view->link)) &&
		    cJSON_AddStringToObject(plane, "socket", plane_link_socket(view->link)) &&
		    cJSON_AddStringToObject(plane, "state", state_name(view->state)) &&
		    cJSON_AddBoolToObject(plane, "in_sync", view->state == PUSH_IN_SYNC) &&
		    json_add_u64(plane, "since_ms", (uint64_t)since_ms) &&
		    cJSON_AddStringToObject(plane, "error",
					    view->error[0] != '\0' ? view->error : silent) &&
		    (view->state == PUSH_CONNECTING || hello_put(plane, view)) &&
		    (stats == NULL || stats_put(plane, stats));

	if (fine)
		return plane;
	cJSON_Delete(plane);
	return NULL;
}

/* Degraded: some plane does not serve what it must, or not as the others do. */
static cJSON *
planes_json(const struct ctl *ctl, const struct gather_result *result, bool *ret_degraded)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;

	for (uint32_t i = 0; fine && i < pusher_plane_count(ctl->options.pusher); i++) {
		const struct gather_answer *answer;
		struct push_plane_view view;

		pusher_plane(ctl->options.pusher, i, &view);
		answer = gather_answer(result, plane_link_name(view.link));
		if (view.state != PUSH_IN_SYNC || view.error[0] != '\0')
			*ret_degraded = true;
		fine = model_view_put(array, NULL, plane_json(&view, answer));
	}
	if (fine)
		return array;
	cJSON_Delete(array);
	return NULL;
}

static cJSON *
status_json(const struct ctl *ctl, const struct gather_result *result)
{
	const struct model *model = ctl->options.model;
	cJSON *status = cJSON_CreateObject();
	bool degraded = false;
	cJSON *planes = planes_json(ctl, result, &degraded);
	const char *state = degraded			    ? "degraded"
			    : model->config->vip_count == 0 ? "empty"
							    : "serving";

	if (status != NULL && planes != NULL &&
	    cJSON_AddStringToObject(status, "version", FL_VERSION) &&
	    json_add_u64(status, "generation", model->generation) &&
	    cJSON_AddStringToObject(status, "digest", model->digest) &&
	    cJSON_AddStringToObject(status, "state", state) &&
	    json_add_u64(status, "vips", model->config->vip_count) &&
	    json_add_u64(status, "backends", model->config->backend_total) &&
	    cJSON_AddStringToObject(status, "config_file", ctl->options.config_file) &&
	    cJSON_AddStringToObject(status, "state_error", model->state_error) &&
	    rows_watch_put(ctl->options.rows, status) &&
	    cJSON_AddItemToObject(status, "planes", planes))
		return status;
	cJSON_Delete(status);
	cJSON_Delete(planes);
	return NULL;
}

static void
status_done(struct gather_result *result)
{
	struct status_job *job = result->user;

	ctl_reply(job->ctl, job->call, status_json(job->ctl, result));
	free(job);
}

void
ctl_status(struct ctl *ctl, struct rpc_call *call)
{
	struct status_job *job = malloc(sizeof *job);
	const struct gather_question question = { .method = "plane.stats",
						  .done = status_done,
						  .user = job };
	int r = -ENOMEM;

	if (job != NULL) {
		*job = (struct status_job){ ctl, call };
		r = gather(ctl->options.pusher, &question);
	}
	if (r == 0)
		return;
	free(job);
	ctl_refuse_gather(ctl, call, r);
}

void
ctl_version(struct ctl *ctl, struct rpc_call *call)
{
	cJSON *answer = cJSON_CreateObject();

	if (answer != NULL && cJSON_AddStringToObject(answer, "version", FL_VERSION) == NULL) {
		cJSON_Delete(answer);
		answer = NULL;
	}
	ctl_reply(ctl, call, answer);
}
