/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One plane's part in a push. Answers only note what was said and ask for a step.
 */
#include "pusher_state.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

void
pusher_kick(struct pusher *pusher)
{
	/* A timer, not event_active(): between two steps the loop must hear sockets and signals. */
	static const struct timeval now;

	(void)evtimer_add(pusher->step, &now);
}

bool
pusher_plane_matches(const struct pusher *pusher, const struct pusher_plane *plane)
{
	const struct model *model = pusher->model;

	return plane_link_is_up(plane->link) && model->digest[0] != '\0' &&
	       plane->generation == model->generation && strcmp(plane->digest, model->digest) == 0;
}

void
pusher_plane_refuse(struct pusher_plane *plane, const char *why)
{
	plane->refused = true;
	plane->retry_at_ms = plane_link_now_ms() + PUSH_RETRY_MS;
	if (strcmp(plane->error, why) != 0)
		log_error("plane %s: %s", plane_link_name(plane->link), why);
	snprintf(plane->error, sizeof plane->error, "%s", why);
}

/* --- what links tell --- */

static void
pusher_on_greeted(void *user, struct plane_link *link)
{
	struct pusher_plane *plane = user;
	struct pusher *pusher = plane->pusher;
	const struct plane_hello *hello = plane_link_hello(link);

	plane->generation = hello->generation;
	memcpy(plane->digest, hello->digest, sizeof plane->digest);
	pusher_check_keys(pusher);
	pusher_kick(pusher);
}

static void
pusher_on_lost(void *user, struct plane_link *link)
{
	struct pusher_plane *plane = user;

	plane->refused = false;
	plane->error[0] = '\0';
	plane->key_differs = false;
	plane->generation = 0;
	plane->digest[0] = '\0';
	pusher_kick(plane->pusher);
}

static bool
digest_copy(const cJSON *result, char ret_digest[MODEL_DIGEST_BYTES])
{
	const char *digest = json_get_string(result, "digest", "");

	if (strlen(digest) != MODEL_DIGEST_BYTES - 1)
		return false;
	for (const char *c = digest; *c != '\0'; c++) {
		if (!isxdigit((unsigned char)*c))
			return false;
	}
	memcpy(ret_digest, digest, MODEL_DIGEST_BYTES);
	return true;
}

/* The last part was answered: what would be after a commit. */
static void
plane_prepared(struct pusher_plane *plane, const cJSON *result)
{
	const cJSON *vips = json_get(result, "vips");
	const cJSON *warnings = json_get(result, "warnings");

	if (!digest_copy(result, plane->prepared)) {
		plane->stage = STAGE_LOST;
		plane_link_fail(plane->link, "it answered plane.prepare without a digest");
		return;
	}
	plane->vips = cJSON_Duplicate(vips, true);
	plane->warnings = cJSON_Duplicate(warnings, true);
	plane->stage = STAGE_PREPARED;
}

static void
plane_on_prepare(void *user, const struct rpc_answer *answer)
{
	struct pusher_plane *plane = user;

	if (answer->error != NULL) {
		plane->stage = STAGE_REFUSED;
		push_parts_refused(&plane->parts, plane_link_name(plane->link), answer->error,
				   &plane->errors);
	} else if (answer->result == NULL) {
		plane->stage = STAGE_LOST;
	} else if (!plane->parts.complete) {
		pusher_plane_prepare(plane);
	} else {
		plane_prepared(plane, answer->result);
	}
	pusher_kick(plane->pusher);
}

/* Once, however often it refuses. */
static void
tell_thinning(struct pusher_plane *plane)
{
	uint32_t sets_max = plane->parts.sets_max;

	if (plane->generation > 0 || sets_max >= VIP_HISTORY_MAX || plane->thinning_is_told)
		return;
	plane->thinning_is_told = true;
	log_warning("plane %s: it begins with nothing, and is told only %u former sets of backends "
		    "of each VIP, as building all would take it too long (%d rows at most): some "
		    "of its rows move for longer than on other planes, and until they are stable a "
		    "flow that goes over from one to the other may break",
		    plane_link_name(plane->link), sets_max, HISTORY_PUSH_ROWS_MAX);
}

void
pusher_plane_prepare(struct pusher_plane *plane)
{
	const struct plane_link_call call = { .method = "plane.prepare",
					      .params = push_parts_next(&plane->parts),
					      .timeout_ms = LINK_PREPARE_MS,
					      .answered = plane_on_prepare,
					      .user = plane };

	plane->stage = STAGE_PREPARING;
	tell_thinning(plane);
	if (call.params == NULL || plane_link_call(plane->link, &call) < 0) {
		/* Not again at once: after the back-off. */
		plane->stage = STAGE_LOST;
		plane_link_fail(plane->link, "a push could not be sent to it");
	}
}

static void
plane_on_commit(void *user, const struct rpc_answer *answer)
{
	struct pusher_plane *plane = user;
	char digest[MODEL_DIGEST_BYTES];

	plane->stage = STAGE_FAILED;
	plane->digest[0] = '\0'; /* until told: a plane that failed here gets the whole state */
	if (answer->error != NULL) {
		snprintf(plane->failure, sizeof plane->failure, "plane.commit failed: %s",
			 json_get_string(answer->error, "message", "no reason given"));
	} else if (answer->result == NULL) {
		snprintf(plane->failure, sizeof plane->failure,
			 "the connection was lost before plane.commit was answered");
	} else if (!digest_copy(answer->result, digest) || strcmp(digest, plane->prepared) != 0) {
		snprintf(plane->failure, sizeof plane->failure,
			 "it committed another digest than the prepared %s", plane->prepared);
	} else {
		plane->stage = STAGE_COMMITTED;
		plane->generation = plane->parts.generation;
		memcpy(plane->digest, digest, sizeof plane->digest);
	}
	pusher_kick(plane->pusher);
}

static void
plane_on_abort(void *user, const struct rpc_answer *answer)
{
	struct pusher_plane *plane = user;

	/* Closing the session drops what is prepared for certain. */
	if (answer->error != NULL)
		plane_link_fail(plane->link, "it refused plane.abort");
}

static int
plane_call_generation(struct pusher_plane *plane, const char *method, rpc_answered answered)
{
	struct plane_link_call call = { .method = method,
					.params = cJSON_CreateObject(),
					.timeout_ms = LINK_COMMIT_MS,
					.answered = answered,
					.user = plane };

	if (call.params == NULL ||
	    !json_add_u64(call.params, "generation", plane->parts.generation)) {
		cJSON_Delete(call.params);
		return -ENOMEM;
	}
	return plane_link_call(plane->link, &call);
}

void
pusher_plane_abort(struct pusher_plane *plane)
{
	if (plane->stage != STAGE_PREPARED)
		return;
	plane->stage = STAGE_NONE;
	if (plane_call_generation(plane, "plane.abort", plane_on_abort) < 0)
		plane_link_fail(plane->link, "a prepared change could not be aborted");
}

void
pusher_plane_commit(struct pusher_plane *plane)
{
	plane->stage = STAGE_COMMITTING;
	if (plane_call_generation(plane, "plane.commit", plane_on_commit) < 0)
		plane_on_commit(plane, &(struct rpc_answer){ NULL, NULL });
}

void
pusher_plane_destroy(struct pusher_plane *plane)
{
	if (plane == NULL)
		return;
	plane_link_destroy(plane->link);
	cJSON_Delete(plane->vips);
	cJSON_Delete(plane->warnings);
	free(plane);
}

struct pusher_plane *
pusher_plane_create(struct pusher *pusher, const struct config_plane *config)
{
	struct pusher_plane *plane = calloc(1, sizeof *plane);
	struct plane_link_events events = { pusher_on_greeted, pusher_on_lost, plane };

	if (plane == NULL)
		return NULL;
	plane->pusher = pusher;
	plane->out_of_step_since_ms = plane_link_now_ms();
	if (plane_link_create(pusher->base, config, &events, &plane->link) < 0) {
		free(plane);
		return NULL;
	}
	return plane;
}

void
pusher_plane_clear(struct pusher_plane *plane)
{
	cJSON_Delete(plane->vips);
	cJSON_Delete(plane->warnings);
	plane->vips = NULL;
	plane->warnings = NULL;
	plane->stage = STAGE_NONE;
}

void
pusher_plane(const struct pusher *pusher, uint32_t index, struct push_plane_view *ret_view)
{
	const struct pusher_plane *plane = pusher->planes[index];

	*ret_view = (struct push_plane_view){ .link = plane->link,
					      .out_of_step_since_ms = plane->out_of_step_since_ms,
					      .generation = plane->generation,
					      .digest = plane->digest,
					      .error = "" };
	if (!plane_link_is_up(plane->link)) {
		ret_view->state = PUSH_CONNECTING;
		ret_view->error = plane_link_error(plane->link);
	} else if (pusher_plane_matches(pusher, plane)) {
		ret_view->state = PUSH_IN_SYNC;
	} else {
		ret_view->state = plane->refused ? PUSH_REFUSED : PUSH_SYNCING;
		ret_view->error = plane->error;
	}
	if (ret_view->error[0] == '\0' && plane->key_differs)
		ret_view->error =
			"its hash key is not that of the first plane, so the two send one flow to "
			"different backends: give all planes the same key_file";
}
