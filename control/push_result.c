/* SPDX-License-Identifier: BSD-2-Clause */
#include "pusher_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "model_view.h"

struct push_result *
push_result_create(void)
{
	struct push_result *result = calloc(1, sizeof *result);

	if (result == NULL)
		return NULL;
	result->warnings = cJSON_CreateArray();
	if (result->warnings == NULL) {
		free(result);
		return NULL;
	}
	return result;
}

void
push_result_destroy(struct push_result *result)
{
	if (result == NULL)
		return;
	cJSON_Delete(result->changes);
	cJSON_Delete(result->changed);
	cJSON_Delete(result->plane_changes);
	cJSON_Delete(result->warnings);
	cJSON_Delete(result->planes_away);
	cJSON_Delete(result->planes_failed);
	free(result);
}

bool
push_result_all_prepared(struct pusher *pusher)
{
	struct json_errors *errors = &pusher->result->errors;
	const struct pusher_plane *first = NULL;

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		const struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage == STAGE_REFUSED) {
			push_errors_append(errors, &plane->errors);
		} else if (plane->stage == STAGE_LOST ||
			   (plane->stage == STAGE_PREPARED && !plane_link_is_up(plane->link))) {
			json_error_add(errors, NULL, "plane_unavailable",
				       "nothing was changed: try again",
				       "plane %s went away while it prepared the change",
				       plane_link_name(plane->link));
		} else if (plane->stage == STAGE_PREPARED && first == NULL) {
			first = plane;
		} else if (plane->stage == STAGE_PREPARED &&
			   strcmp(plane->prepared, first->prepared) != 0) {
			json_error_add(
				errors, NULL, "plane_refused",
				"install the same version on all planes; nothing was changed",
				"plane %s makes digest %s of the change, but plane %s makes %s",
				plane_link_name(plane->link), plane->prepared,
				plane_link_name(first->link), first->prepared);
		}
	}
	return errors->count == 0;
}

/* --- rows from the planes' answers --- */

/* The plane whose answer compares with the state before: one that had it; else any that prepared.
 */
static const struct pusher_plane *
answer_choose(const struct pusher *pusher)
{
	const struct pusher_plane *any = NULL;

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		const struct pusher_plane *plane = pusher->planes[i];

		if (plane->vips == NULL)
			continue;
		if (plane->parts.plan != NULL)
			return plane;
		if (any == NULL)
			any = plane;
	}
	return any;
}

static bool
rows_copy(const cJSON *from, cJSON *to)
{
	static const char *const names[] = { "rows", "rows_moved", "rows_minimum",
					     "share_max_over_mean_ppm" };
	int64_t rows = json_get_integer(from, "rows", 0);
	int64_t moved = json_get_integer(from, "rows_moved", -1);

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int64_t value = json_get_integer(from, names[i], -1);

		if (value >= 0 && !json_add_u64(to, names[i], (uint64_t)value))
			return false;
	}
	if (rows <= 0 || moved < 0)
		return true;
	return json_add_u64(to, "share_ppm", (uint64_t)moved * 1000000 / (uint64_t)rows);
}

/* Each plane tracks the flows that it forwards itself. */
static bool
flows_add(const cJSON *from, cJSON *to)
{
	int64_t flows = json_get_integer(from, "flows_cut", -1);
	int64_t before = json_get_integer(to, "flows_cut", 0);

	if (flows < 0)
		return true;
	cJSON_DeleteItemFromObjectCaseSensitive(to, "flows_cut");
	return cJSON_AddNumberToObject(to, "flows_cut", (double)(before + flows)) != NULL;
}

struct row_answer {
	char vip[ADDR_ENDPOINT_TEXT_MAX];
	const cJSON *item;
};

static int
row_answer_compare(const void *left, const void *right)
{
	return strcmp(((const struct row_answer *)left)->vip,
		      ((const struct row_answer *)right)->vip);
}

/* Adds what a plane answered to the changes it belongs to, found by endpoint. */
static bool
answer_merge(const cJSON *answered, cJSON *changes, bool (*put)(const cJSON *from, cJSON *to))
{
	size_t count = 0;
	size_t capacity = (size_t)cJSON_GetArraySize(answered) + 1;
	struct row_answer *rows = calloc(capacity, sizeof *rows);
	bool fine = rows != NULL;
	const cJSON *item;
	cJSON *change;

	if (!fine)
		return false;
	cJSON_ArrayForEach (item, answered) {
		rows[count].item = item;
		if (model_view_endpoint_text(item, rows[count].vip))
			count++;
	}
	qsort(rows, count, sizeof *rows, row_answer_compare);
	cJSON_ArrayForEach (change, changes) {
		const char *vip = json_get_string(change, "vip", "");
		struct row_answer wanted = { .item = NULL };
		const struct row_answer *found;

		memcpy(wanted.vip, vip, strnlen(vip, sizeof wanted.vip - 1));
		found = bsearch(&wanted, rows, count, sizeof *rows, row_answer_compare);
		if (found != NULL)
			fine = fine && put(found->item, change);
	}
	free(rows);
	return fine;
}

/* --- the rest of the answer --- */

static bool
warnings_add(cJSON *warnings, const char *plane, const cJSON *said)
{
	const cJSON *item;
	char text[JSON_MESSAGE_BYTES_MAX];

	cJSON_ArrayForEach (item, said) {
		if (!cJSON_IsString(item) || cJSON_GetArraySize(warnings) >= PUSH_WARNINGS_MAX)
			continue;
		(void)snprintf(text, sizeof text, "plane %s: %s", plane, item->valuestring);
		if (!model_view_put(warnings, NULL, cJSON_CreateString(text)))
			return false;
	}
	return true;
}

static bool
failed_put(cJSON *array, const struct pusher_plane *plane)
{
	cJSON *item = cJSON_CreateObject();

	return model_view_put(array, NULL, item) &&
	       cJSON_AddStringToObject(item, "plane", plane_link_name(plane->link)) &&
	       cJSON_AddStringToObject(item, "message", plane->failure);
}

/* Of the state after the change, but does not get it now; also one that is new in it. */
static bool
plane_is_away(const struct pusher *pusher, const struct config_plane *config)
{
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		const struct pusher_plane *plane = pusher->planes[i];

		if (plane_link_is(plane->link, config))
			return !plane_link_is_up(plane->link) ||
			       (plane->refused && plane->stage != STAGE_COMMITTED);
	}
	return true;
}

static bool
fill_planes(struct pusher *pusher, struct push_result *result)
{
	const struct config *config = pusher->candidate;
	bool fine = true;

	for (uint32_t i = 0; fine && i < config->plane_count; i++) {
		if (plane_is_away(pusher, &config->planes[i]))
			fine = model_view_put(result->planes_away, NULL,
					      cJSON_CreateString(config->planes[i].name));
	}
	for (uint32_t i = 0; fine && i < pusher->plane_count; i++) {
		const struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage == STAGE_FAILED)
			fine = failed_put(result->planes_failed, plane);
		if (fine && plane->warnings != NULL)
			fine = warnings_add(result->warnings, plane_link_name(plane->link),
					    plane->warnings);
	}
	return fine;
}

/* What the planes that prepared told of each VIP that changes. */
static bool
numbers_fill(const struct pusher *pusher, struct push_result *result)
{
	const struct pusher_plane *answer = pusher->plan->count > 0 ? answer_choose(pusher) : NULL;
	uint64_t told = 0;
	bool fine = true;
	cJSON *change;

	if (answer != NULL)
		fine = answer_merge(answer->vips, result->changes, rows_copy);
	for (uint32_t i = 0; fine && i < pusher->plane_count; i++) {
		if (pusher->planes[i]->vips == NULL)
			continue;
		told++;
		fine = answer_merge(pusher->planes[i]->vips, result->changes, flows_add);
	}
	cJSON_ArrayForEach (change, result->changes) {
		fine = fine && json_add_u64(change, "planes", told);
	}
	return fine;
}

void
push_result_fill(struct pusher *pusher)
{
	struct push_result *result = pusher->result;
	const struct config *from = pusher->model->config;
	bool fine;

	result->changes = model_view_plan(pusher->plan, from, pusher->candidate);
	result->changed = model_view_changed(pusher->plan, from, pusher->candidate);
	result->plane_changes = model_view_plane_changes(from, pusher->candidate);
	result->planes_away = cJSON_CreateArray();
	result->planes_failed = cJSON_CreateArray();
	fine = result->changes != NULL && result->changed != NULL &&
	       result->plane_changes != NULL && result->planes_away != NULL &&
	       result->planes_failed != NULL && fill_planes(pusher, result);
	fine = fine && numbers_fill(pusher, result);
	/* The change is decided; what is told of it may be short, but must not undo it. */
	if (!fine)
		log_error("no memory to describe the change of generation %llu",
			  (unsigned long long)pusher->generation);
}

void
pusher_check_keys(struct pusher *pusher)
{
	const struct pusher_plane *first = NULL;

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];
		bool differs;

		if (!plane_link_is_up(plane->link))
			continue;
		if (first == NULL)
			first = plane;
		differs = strcmp(plane_link_hello(plane->link)->key_check,
				 plane_link_hello(first->link)->key_check) != 0;
		if (differs && !plane->key_differs)
			log_error("plane %s: its hash key is not that of plane %s, so the two send "
				  "one flow "
				  "to different backends: give all planes the same key_file",
				  plane_link_name(plane->link), plane_link_name(first->link));
		plane->key_differs = differs;
	}
}
