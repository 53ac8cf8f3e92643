/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One question at a time, for the smallest VIP that tracks flows: the digest is of all rows,
 * whichever VIP is asked for. While rows differ the planes are asked more often.
 */
#include "rows_watch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "log.h"
#include "model_view.h"

struct rows_watch {
	struct pusher *pusher;
	struct model *model;
	struct event *next;
	int64_t since_ms; /* they differ; 0: they do not */
	bool is_told;	  /* logged */
	uint32_t count;	  /* planes in sync that told their rows, at the last look */
	struct told_rows {
		char plane[CONTROL_NAME_BYTES_MAX + 1];
		char digest[MODEL_DIGEST_BYTES];
	} told[CONTROL_PLANES_MAX];
};

static bool
lasts(const struct rows_watch *watch)
{
	return watch->since_ms != 0 && plane_link_now_ms() - watch->since_ms >= ROWS_DIFFER_MS;
}

static void
look_again(struct rows_watch *watch)
{
	uint32_t ms = watch->since_ms != 0 ? ROWS_WATCH_DIFFER_MS : ROWS_WATCH_MS;
	const struct timeval pause = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)evtimer_add(watch->next, &pause);
}

/* What the planes in sync told. @return whether two of them differ. */
static bool
read_told(struct rows_watch *watch, const struct gather_result *result)
{
	bool differ = false;

	watch->count = 0;
	for (uint32_t i = 0; i < pusher_plane_count(watch->pusher); i++) {
		struct told_rows *told = &watch->told[watch->count];
		const struct gather_answer *answer;
		struct push_plane_view view;
		const char *digest;

		pusher_plane(watch->pusher, i, &view);
		answer = gather_answer(result, plane_link_name(view.link));
		if (view.state != PUSH_IN_SYNC || answer == NULL)
			continue;
		digest = json_get_string(answer->result, "rows_digest", "");
		if (digest[0] == '\0' || strlen(digest) >= sizeof told->digest)
			continue;
		snprintf(told->plane, sizeof told->plane, "%s", answer->plane);
		snprintf(told->digest, sizeof told->digest, "%s", digest);
		differ = differ || strcmp(digest, watch->told[0].digest) != 0;
		watch->count++;
	}
	return differ;
}

/* Some plane had no time to answer: what was known before is not known to be otherwise. */
static bool
one_was_busy(const struct gather_result *result)
{
	for (uint32_t i = 0; i < result->count; i++) {
		const cJSON *data = json_get(result->answers[i].error, "data");

		if (strcmp(json_get_string(data, "code", ""), "busy") == 0)
			return true;
	}
	return false;
}

static void
watch_done(struct gather_result *result)
{
	struct rows_watch *watch = result->user;

	if (one_was_busy(result)) {
		look_again(watch);
		return;
	}
	if (!read_told(watch, result))
		watch->since_ms = 0;
	else if (watch->since_ms == 0)
		watch->since_ms = plane_link_now_ms();
	if (lasts(watch) && !watch->is_told)
		log_warning("planes in sync have different rows, as one began with nothing or "
			    "stood still: a flow that goes over from one to another may break; "
			    "fairlead status says which");
	else if (watch->since_ms == 0 && watch->is_told)
		log_notice("the planes in sync have the same rows again");
	watch->is_told = lasts(watch) || (watch->is_told && watch->since_ms != 0);
	look_again(watch);
}

/* NULL: no VIP tracks flows, or there are not two planes to compare. */
static const struct config_vip *
vip_to_ask(const struct rows_watch *watch)
{
	const struct config *config = watch->model->config;
	const struct config_vip *least = NULL;
	uint32_t in_sync = 0;

	for (uint32_t i = 0; i < pusher_plane_count(watch->pusher); i++) {
		struct push_plane_view view;

		pusher_plane(watch->pusher, i, &view);
		in_sync += view.state == PUSH_IN_SYNC;
	}
	for (uint32_t i = 0; in_sync > 1 && i < config->vip_count; i++) {
		const struct config_vip *vip = &config->vips[i];

		if (vip->policy.window_s > 0 &&
		    (least == NULL || vip->backend_count < least->backend_count))
			least = vip;
	}
	return least;
}

static void
watch_on_next(evutil_socket_t fd, short what, void *user)
{
	struct rows_watch *watch = user;
	const struct config_vip *vip = vip_to_ask(watch);
	cJSON *params = vip != NULL ? cJSON_CreateObject() : NULL;
	const struct gather_question question = {
		.method = "plane.stats", .params = params, .done = watch_done, .user = watch
	};

	if (vip == NULL)
		watch->since_ms = 0;
	if (vip == NULL || !model_view_put(params, "vip", model_view_endpoint(&vip->endpoint)) ||
	    gather(watch->pusher, &question) < 0)
		look_again(watch);
	cJSON_Delete(params);
}

int
rows_watch_create(struct pusher *pusher, struct model *model, struct event_base *base,
		  struct rows_watch **ret_watch)
{
	struct rows_watch *watch = calloc(1, sizeof *watch);

	if (watch == NULL)
		return -ENOMEM;
	watch->pusher = pusher;
	watch->model = model;
	watch->next = evtimer_new(base, watch_on_next, watch);
	if (watch->next == NULL) {
		free(watch);
		return -ENOMEM;
	}
	look_again(watch);
	*ret_watch = watch;
	return 0;
}

void
rows_watch_destroy(struct rows_watch *watch)
{
	if (watch == NULL)
		return;
	event_free(watch->next);
	free(watch);
}

static cJSON *
told_json(const struct told_rows *told)
{
	cJSON *object = cJSON_CreateObject();

	if (object != NULL && cJSON_AddStringToObject(object, "plane", told->plane) != NULL &&
	    cJSON_AddStringToObject(object, "rows_digest", told->digest) != NULL)
		return object;
	cJSON_Delete(object);
	return NULL;
}

bool
rows_watch_put(const struct rows_watch *watch, cJSON *object)
{
	cJSON *differ;
	cJSON *planes;
	bool fine;

	if (!lasts(watch))
		return true;
	differ = cJSON_AddObjectToObject(object, "rows_differ");
	fine = differ != NULL &&
	       json_add_u64(differ, "for_ms", (uint64_t)(plane_link_now_ms() - watch->since_ms));
	planes = fine ? cJSON_AddArrayToObject(differ, "planes") : NULL;
	fine = planes != NULL;
	for (uint32_t i = 0; fine && i < watch->count; i++)
		fine = model_view_put(planes, NULL, told_json(&watch->told[i]));
	return fine;
}
