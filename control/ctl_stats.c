/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vip.list, vip.show, backend.list: the configuration joined with the counters of the planes, which
 * are added up. Both sides are sorted once; nothing is searched from front to back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "config_windows.h"
#include "entries.h"
#include "keeper.h"
#include "model_view.h"

struct stats_job {
	struct ctl *ctl;
	struct rpc_call *call;
	/* Makes the answer; the VIP is the one asked for, or NULL. */
	cJSON *(*answer)(const struct stats_job *job, const struct gather_result *result);
	char *vip; /* name asked for; NULL: all */
};

/* Whether some plane told the member, and the sum, the least and the largest of what they told. */
struct folded {
	bool told;
	uint64_t sum;
	uint64_t least;
	uint64_t largest;
};

static struct folded
entries_fold(const struct entries *entries, const char *key, const char *member)
{
	struct folded folded = { .least = UINT64_MAX };
	size_t first;
	size_t count = entries_find(entries, key, &first);

	for (size_t i = first; i < first + count; i++) {
		int64_t value = json_get_integer(entries->sorted[i].item, member, -1);

		if (value < 0)
			continue;
		folded.told = true;
		folded.sum += (uint64_t)value;
		if ((uint64_t)value < folded.least)
			folded.least = (uint64_t)value;
		if ((uint64_t)value > folded.largest)
			folded.largest = (uint64_t)value;
	}
	return folded;
}

/* Packets and bytes, where some plane told them. */
static bool
counters_put(cJSON *object, const struct entries *entries, const char *key)
{
	struct folded packets = entries_fold(entries, key, "packets");
	struct folded bytes = entries_fold(entries, key, "bytes");

	return (!packets.told || json_add_u64(object, "packets", packets.sum)) &&
	       (!bytes.told || json_add_u64(object, "bytes", bytes.sum));
}

/* What planes answered of VIPs. */
struct told {
	struct entries all;
	struct entries synced; /* of planes that serve what is configured */
	uint32_t in_sync;      /* how many planes these are; also those that did not answer */
};

static bool
told_make(const struct ctl *ctl, const struct gather_result *result, struct told *told)
{
	for (uint32_t i = 0; i < result->count; i++) {
		if (!entries_add(&told->all, json_get(result->answers[i].result, "vips"),
				 entries_vip_key))
			return false;
	}
	for (uint32_t i = 0; i < pusher_plane_count(ctl->options.pusher); i++) {
		const struct gather_answer *answer;
		struct push_plane_view view;

		pusher_plane(ctl->options.pusher, i, &view);
		if (view.state != PUSH_IN_SYNC)
			continue;
		told->in_sync++;
		answer = gather_answer(result, plane_link_name(view.link));
		if (answer != NULL &&
		    !entries_add(&told->synced, json_get(answer->result, "vips"), entries_vip_key))
			return false;
	}
	entries_sort(&told->all);
	entries_sort(&told->synced);
	return true;
}

static void
told_free(struct told *told)
{
	free(told->all.sorted);
	free(told->synced.sorted);
}

/* The backends of one VIP, of every plane. */
static bool
entries_of_backends(struct entries *entries, const struct entries *vips, const char *vip)
{
	size_t first;
	size_t count = entries_find(vips, vip, &first);

	for (size_t i = first; i < first + count; i++) {
		if (!entries_add(entries, json_get(vips->sorted[i].item, "backends"),
				 entries_backend_key))
			return false;
	}
	entries_sort(entries);
	return true;
}

/* --- backends --- */

/* One word over all planes. */
static const char *
next_hop_word(const struct entries *backends, const char *address)
{
	size_t first;
	size_t count = entries_find(backends, address, &first);
	bool reachable = false;
	bool unreachable = false;

	for (size_t i = first; i < first + count; i++) {
		const char *word = json_get_string(backends->sorted[i].item, "next_hop", "");

		if (strcmp(word, "reachable") == 0)
			reachable = true;
		else
			unreachable = true;
	}
	if (reachable && unreachable)
		return "mixed";
	if (reachable)
		return "reachable";
	return unreachable ? "unreachable" : "unknown";
}

/* The rows it owns: the same on every plane, so any will do. */
static bool
rows_put(cJSON *object, const struct entries *backends, const char *address)
{
	size_t first;
	int64_t rows;

	if (entries_find(backends, address, &first) == 0)
		return true;
	rows = json_get_integer(backends->sorted[first].item, "rows", 0);
	return json_add_u64(object, "rows", rows > 0 ? (uint64_t)rows : 0);
}

/* A backend of one VIP and where its counters are. */
struct backend_row {
	const struct config_vip *vip;
	const struct config_backend *backend;
	const struct entries *counters;
	const struct entries *synced; /* of the planes in sync */
	uint32_t in_sync;
	uint64_t weight_total;
};

/* No plane holds anything of it, and there is one that can say so. */
static bool
is_drained(const struct backend_row *row, const char *address)
{
	size_t first;
	size_t count = entries_find(row->synced, address, &first);

	if (count == 0 || count != row->in_sync)
		return false;
	for (size_t i = first; i < first + count; i++) {
		if (!keeper_is_drained(row->synced->sorted[i].item))
			return false;
	}
	return true;
}

static const char *
backend_state(const struct backend_row *row, bool drained)
{
	if (row->backend->removal == CONFIG_LEAVING)
		return "leaving";
	if (model_weight(row->backend) > 0)
		return "serving";
	return drained ? "drained" : "draining";
}

static bool
ramp_put(cJSON *object, const struct config_backend *backend)
{
	int64_t left_ms = backend->ramp_end_ms - plane_link_now_ms();
	cJSON *ramp;

	if (!backend->ramping)
		return true;
	ramp = cJSON_AddObjectToObject(object, "ramp");
	return ramp != NULL && json_add_u64(ramp, "to", backend->ramp_to) &&
	       json_add_u64(ramp, "left_s", left_ms > 0 ? (uint64_t)(left_ms + 999) / 1000 : 0);
}

/* What still holds its drain. */
static bool
drain_put(cJSON *object, const struct backend_row *row, const char *address)
{
	struct folded leaving = entries_fold(row->synced, address, "rows_leaving");
	struct folded flows = entries_fold(row->synced, address, "flows");
	struct folded idle = entries_fold(row->synced, address, "idle_ms");
	bool drained = is_drained(row, address);

	return cJSON_AddStringToObject(object, "state", backend_state(row, drained)) != NULL &&
	       ramp_put(object, row->backend) &&
	       (!leaving.told || json_add_u64(object, "rows_leaving", leaving.sum)) &&
	       (!flows.told || json_add_u64(object, "flows", flows.sum)) &&
	       (!idle.told || json_add_u64(object, "idle_ms", idle.least)) &&
	       cJSON_AddBoolToObject(object, "drained", drained) != NULL;
}

static cJSON *
backend_json(const struct backend_row *row)
{
	const struct config_backend *backend = row->backend;
	uint64_t weight = model_weight(backend);
	uint64_t ppm = row->weight_total > 0 ? weight * 1000000 / row->weight_total : 0;
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];
	char text[ADDR_TEXT_MAX];
	cJSON *object = cJSON_CreateObject();

	(void)addr_format(&backend->address, text);
	(void)addr_endpoint_format(&row->vip->endpoint, endpoint);
	if (object != NULL && cJSON_AddStringToObject(object, "vip", endpoint) &&
	    cJSON_AddStringToObject(object, "vip_name", row->vip->name) &&
	    cJSON_AddStringToObject(object, "backend", text) &&
	    cJSON_AddStringToObject(object, "name", backend->name) &&
	    json_add_u64(object, "weight",
			 backend->reweighted ? backend->runtime_weight : backend->weight) &&
	    json_add_u64(object, "effective_weight", weight) &&
	    cJSON_AddStringToObject(object, "admin", model_admin(backend)) &&
	    json_add_u64(object, "share_ppm", ppm) && rows_put(object, row->counters, text) &&
	    counters_put(object, row->counters, text) &&
	    cJSON_AddStringToObject(object, "next_hop", next_hop_word(row->counters, text)) &&
	    drain_put(object, row, text))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static bool
backends_put(cJSON *array, const struct config_vip *vip, const struct told *told)
{
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];
	struct entries counters = { 0 };
	struct entries synced = { 0 };
	struct backend_row row = {
		.vip = vip, .counters = &counters, .synced = &synced, .in_sync = told->in_sync
	};
	bool fine;

	(void)addr_endpoint_format(&vip->endpoint, endpoint);
	fine = entries_of_backends(&counters, &told->all, endpoint) &&
	       entries_of_backends(&synced, &told->synced, endpoint);

	row.weight_total = model_vip_weight(vip);
	for (uint32_t i = 0; fine && i < vip->backend_count; i++) {
		row.backend = &vip->backends[i];
		if (model_is_pushed(row.backend))
			fine = model_view_put(array, NULL, backend_json(&row));
	}
	free(counters.sorted);
	free(synced.sorted);
	return fine;
}

/* --- VIPs --- */

static bool
vip_put(cJSON *object, const struct config_vip *vip, const struct entries *vips)
{
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];

	(void)addr_endpoint_format(&vip->endpoint, endpoint);
	return cJSON_AddStringToObject(object, "vip", endpoint) != NULL &&
	       cJSON_AddStringToObject(object, "name", vip->name) != NULL &&
	       model_view_policy_put(object, &vip->policy) &&
	       config_windows_put_words(object, vip) &&
	       json_add_u64(object, "table_size", vip->table_size) &&
	       json_add_u64(object, "weight", model_vip_weight(vip)) &&
	       counters_put(object, vips, endpoint);
}

/* What its rows and flows are doing, on the planes in sync. */
static bool
tracking_put(cJSON *object, const struct config_vip *vip, const struct told *told)
{
	static const char *const sums[] = { "rows_moving",     "rows_settling",	 "flows",
					    "flow_failures",   "flow_evictions", "row_races",
					    "windows_extended" };
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];
	struct folded stable;
	bool fine = json_add_u64(object, "planes_in_sync", told->in_sync);

	(void)addr_endpoint_format(&vip->endpoint, endpoint);
	for (size_t i = 0; fine && i < sizeof sums / sizeof sums[0]; i++) {
		struct folded folded = entries_fold(&told->synced, endpoint, sums[i]);

		if (folded.told)
			fine = json_add_u64(object, sums[i], folded.sum);
	}
	stable = entries_fold(&told->synced, endpoint, "stable_in_ms");
	return fine && (!stable.told || json_add_u64(object, "stable_in_ms", stable.largest));
}

/* Those that planes have. */
static uint64_t
vip_backend_count(const struct config_vip *vip)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		count += model_is_pushed(&vip->backends[i]);
	return count;
}

static cJSON *
vip_list_item(const struct config_vip *vip, const struct entries *vips)
{
	cJSON *object = cJSON_CreateObject();

	if (object != NULL && vip_put(object, vip, vips) &&
	    json_add_u64(object, "backends", vip_backend_count(vip)))
		return object;
	cJSON_Delete(object);
	return NULL;
}

/* Ends an answer: how many planes it speaks for, or nothing when memory ran out. */
static cJSON *
answer_end(cJSON *answer, bool fine, const struct gather_result *result)
{
	uint64_t planes = 0;

	for (uint32_t i = 0; i < result->count; i++)
		planes += result->answers[i].result != NULL;
	if (fine && json_add_u64(answer, "planes", planes))
		return answer;
	cJSON_Delete(answer);
	return NULL;
}

static cJSON *
vip_list_answer(const struct stats_job *job, const struct gather_result *result)
{
	const struct config *config = job->ctl->options.model->config;
	struct told told = { 0 };
	cJSON *array = cJSON_CreateArray();
	cJSON *answer = cJSON_CreateObject();
	bool fine = array != NULL && told_make(job->ctl, result, &told);

	for (uint32_t i = 0; fine && i < config->vip_count; i++)
		fine = model_view_put(array, NULL, vip_list_item(&config->vips[i], &told.all));
	fine = model_view_put(answer, "vips", array) && fine;
	told_free(&told);
	return answer_end(answer, fine, result);
}

static cJSON *
vip_show_answer(const struct stats_job *job, const struct gather_result *result)
{
	const struct config_vip *vip = config_find_vip(job->ctl->options.model->config, job->vip);
	struct told told = { 0 };
	cJSON *array = cJSON_CreateArray();
	cJSON *answer = cJSON_CreateObject();
	bool fine = array != NULL && answer != NULL && vip != NULL &&
		    told_make(job->ctl, result, &told) && vip_put(answer, vip, &told.all) &&
		    tracking_put(answer, vip, &told) && backends_put(array, vip, &told);

	fine = model_view_put(answer, "backends", array) && fine;
	told_free(&told);
	return answer_end(answer, fine, result);
}

static cJSON *
backend_list_answer(const struct stats_job *job, const struct gather_result *result)
{
	const struct config *config = job->ctl->options.model->config;
	const struct config_vip *only = job->vip != NULL ? config_find_vip(config, job->vip) : NULL;
	struct told told = { 0 };
	cJSON *array = cJSON_CreateArray();
	cJSON *answer = cJSON_CreateObject();
	bool fine = array != NULL && told_make(job->ctl, result, &told);

	for (uint32_t i = 0; fine && i < config->vip_count; i++) {
		if (only == NULL || only == &config->vips[i])
			fine = backends_put(array, &config->vips[i], &told);
	}
	fine = model_view_put(answer, "backends", array) && fine &&
	       json_add_u64(answer, "planes_in_sync", told.in_sync);
	told_free(&told);
	return answer_end(answer, fine, result);
}

/* --- asking --- */

static void
stats_done(struct gather_result *result)
{
	struct stats_job *job = result->user;

	/* It may have been removed while the planes answered. */
	if (job->vip != NULL && config_find_vip(job->ctl->options.model->config, job->vip) == NULL)
		ctl_refuse_vip(job->ctl, job->call, job->vip);
	else
		ctl_reply(job->ctl, job->call, job->answer(job, result));
	free(job->vip);
	free(job);
}

static void
stats_ask(struct stats_job *job, const struct config_vip *vip)
{
	cJSON *params = vip != NULL ? cJSON_CreateObject() : NULL;
	const struct gather_question question = {
		.method = "plane.stats", .params = params, .done = stats_done, .user = job
	};
	int r = -ENOMEM;

	if (vip == NULL || model_view_put(params, "vip", model_view_endpoint(&vip->endpoint)))
		r = gather(job->ctl->options.pusher, &question);
	if (r < 0) {
		ctl_refuse_gather(job->ctl, job->call, r);
		free(job->vip);
		free(job);
	}
	cJSON_Delete(params);
}

static void
stats_start(const struct stats_job *wanted)
{
	const char *name = json_get_string(wanted->call->params, "vip", NULL);
	const struct config_vip *vip = NULL;
	struct stats_job *job;

	if (name != NULL &&
	    (vip = config_find_vip(wanted->ctl->options.model->config, name)) == NULL) {
		ctl_refuse_vip(wanted->ctl, wanted->call, name);
		return;
	}
	job = malloc(sizeof *job);
	if (job != NULL) {
		*job = *wanted;
		job->vip = name != NULL ? strdup(name) : NULL;
	}
	if (job == NULL || (name != NULL && job->vip == NULL)) {
		free(job);
		ctl_refuse(wanted->ctl, wanted->call, "no_memory", "no memory for this request");
		return;
	}
	stats_ask(job, vip);
}

void
ctl_vip_list(struct ctl *ctl, struct rpc_call *call)
{
	stats_start(&(struct stats_job){ .ctl = ctl, .call = call, .answer = vip_list_answer });
}

void
ctl_vip_show(struct ctl *ctl, struct rpc_call *call)
{
	stats_start(&(struct stats_job){ .ctl = ctl, .call = call, .answer = vip_show_answer });
}

void
ctl_backend_list(struct ctl *ctl, struct rpc_call *call)
{
	stats_start(&(struct stats_job){ .ctl = ctl, .call = call, .answer = backend_list_answer });
}
