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
#include "model_view.h"

struct stats_job {
	struct ctl *ctl;
	struct rpc_call *call;
	/* Makes the answer; the VIP is the one asked for, or NULL. */
	cJSON *(*answer)(const struct stats_job *job, const struct gather_result *result);
	char *vip; /* name asked for; NULL: all */
};

/* An item of a plane's answer by its key: a VIP's endpoint or a backend's address. */
struct entry {
	char key[ADDR_ENDPOINT_TEXT_MAX];
	const cJSON *item;
};

struct entries {
	size_t count;
	struct entry *sorted;
};

static int
entry_compare(const void *left, const void *right)
{
	return strcmp(((const struct entry *)left)->key, ((const struct entry *)right)->key);
}

static void
vip_key(const cJSON *item, char key[ADDR_ENDPOINT_TEXT_MAX])
{
	(void)model_view_endpoint_text(item, key); /* what is none keeps the empty key */
}

static void
backend_key(const cJSON *item, char key[ADDR_ENDPOINT_TEXT_MAX])
{
	snprintf(key, ADDR_ENDPOINT_TEXT_MAX, "%s", json_get_string(item, "address", ""));
}

/* Adds the items of an array; several arrays may go into one. */
static bool
entries_add(struct entries *entries, const cJSON *array,
	    void (*key)(const cJSON *item, char key[ADDR_ENDPOINT_TEXT_MAX]))
{
	size_t more = cJSON_IsArray(array) ? (size_t)cJSON_GetArraySize(array) : 0;
	struct entry *larger =
		realloc(entries->sorted, (entries->count + more + 1) * sizeof *larger);
	const cJSON *item;

	if (larger == NULL)
		return false;
	entries->sorted = larger;
	cJSON_ArrayForEach (item, array) {
		struct entry *entry = &entries->sorted[entries->count];

		*entry = (struct entry){ .item = item };
		key(item, entry->key);
		entries->count++;
	}
	return true;
}

static void
entries_sort(struct entries *entries)
{
	if (entries->count > 0)
		qsort(entries->sorted, entries->count, sizeof *entries->sorted, entry_compare);
}

/* The first entry of the key, the others (one of each plane) behind it. @return how many. */
static size_t
entries_find(const struct entries *entries, const char *key, size_t *ret_first)
{
	size_t low = 0;
	size_t high = entries->count;
	size_t count = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(entries->sorted[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + count < entries->count && strcmp(entries->sorted[low + count].key, key) == 0)
		count++;
	*ret_first = low;
	return count;
}

static uint64_t
entries_sum(const struct entries *entries, const char *key, const char *member)
{
	size_t first;
	size_t count = entries_find(entries, key, &first);
	uint64_t sum = 0;

	for (size_t i = first; i < first + count; i++) {
		int64_t value = json_get_integer(entries->sorted[i].item, member, 0);

		sum += value > 0 ? (uint64_t)value : 0;
	}
	return sum;
}

static bool
entries_of_vips(struct entries *entries, const struct gather_result *result)
{
	for (uint32_t i = 0; i < result->count; i++) {
		if (!entries_add(entries, json_get(result->answers[i].result, "vips"), vip_key))
			return false;
	}
	entries_sort(entries);
	return true;
}

/* The backends of one VIP, of every plane. */
static bool
entries_of_backends(struct entries *entries, const struct entries *vips, const char *vip)
{
	size_t first;
	size_t count = entries_find(vips, vip, &first);

	for (size_t i = first; i < first + count; i++) {
		if (!entries_add(entries, json_get(vips->sorted[i].item, "backends"), backend_key))
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
	uint64_t weight_total;
};

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
	    json_add_u64(object, "packets", entries_sum(row->counters, text, "packets")) &&
	    json_add_u64(object, "bytes", entries_sum(row->counters, text, "bytes")) &&
	    cJSON_AddStringToObject(object, "next_hop", next_hop_word(row->counters, text)))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static bool
backends_put(cJSON *array, const struct config_vip *vip, const struct entries *vips)
{
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];
	struct entries counters = { 0 };
	struct backend_row row = { .vip = vip, .counters = &counters };
	bool fine = entries_of_backends(&counters, vips,
					addr_endpoint_format(&vip->endpoint, endpoint));

	row.weight_total = model_vip_weight(vip);
	for (uint32_t i = 0; fine && i < vip->backend_count; i++) {
		row.backend = &vip->backends[i];
		fine = model_view_put(array, NULL, backend_json(&row));
	}
	free(counters.sorted);
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
	       policy_put(object, &vip->policy) &&
	       json_add_u64(object, "table_size", vip->table_size) &&
	       json_add_u64(object, "weight", model_vip_weight(vip)) &&
	       json_add_u64(object, "packets", entries_sum(vips, endpoint, "packets")) &&
	       json_add_u64(object, "bytes", entries_sum(vips, endpoint, "bytes"));
}

static cJSON *
vip_list_item(const struct config_vip *vip, const struct entries *vips)
{
	cJSON *object = cJSON_CreateObject();

	if (object != NULL && vip_put(object, vip, vips) &&
	    json_add_u64(object, "backends", vip->backend_count))
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
	struct entries vips = { 0 };
	cJSON *array = cJSON_CreateArray();
	cJSON *answer = cJSON_CreateObject();
	bool fine = array != NULL && entries_of_vips(&vips, result);

	for (uint32_t i = 0; fine && i < config->vip_count; i++)
		fine = model_view_put(array, NULL, vip_list_item(&config->vips[i], &vips));
	fine = model_view_put(answer, "vips", array) && fine;
	free(vips.sorted);
	return answer_end(answer, fine, result);
}

static cJSON *
vip_show_answer(const struct stats_job *job, const struct gather_result *result)
{
	const struct config_vip *vip = config_find_vip(job->ctl->options.model->config, job->vip);
	struct entries vips = { 0 };
	cJSON *array = cJSON_CreateArray();
	cJSON *answer = cJSON_CreateObject();
	bool fine = array != NULL && answer != NULL && vip != NULL &&
		    entries_of_vips(&vips, result) && vip_put(answer, vip, &vips) &&
		    backends_put(array, vip, &vips);

	fine = model_view_put(answer, "backends", array) && fine;
	free(vips.sorted);
	return answer_end(answer, fine, result);
}

static cJSON *
backend_list_answer(const struct stats_job *job, const struct gather_result *result)
{
	const struct config *config = job->ctl->options.model->config;
	const struct config_vip *only = job->vip != NULL ? config_find_vip(config, job->vip) : NULL;
	struct entries vips = { 0 };
	cJSON *array = cJSON_CreateArray();
	cJSON *answer = cJSON_CreateObject();
	bool fine = array != NULL && entries_of_vips(&vips, result);

	for (uint32_t i = 0; fine && i < config->vip_count; i++) {
		if (only == NULL || only == &config->vips[i])
			fine = backends_put(array, &config->vips[i], &vips);
	}
	fine = model_view_put(answer, "backends", array) && fine;
	free(vips.sorted);
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
