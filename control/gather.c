/* SPDX-License-Identifier: BSD-2-Clause */
#include "gather.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gathering;

/* What a call's answer needs to find its place. */
struct slot {
	struct gathering *gathering;
	struct gather_answer *answer;
};

struct gathering {
	struct gather_result result;
	struct slot slots[CONTROL_PLANES_MAX];
	void (*done)(struct gather_result *result);
	uint32_t missing; /* answers to come, and one more while asking */
};

static void
gathering_release(struct gathering *gathering)
{
	if (--gathering->missing > 0)
		return;
	gathering->done(&gathering->result);
	for (uint32_t i = 0; i < gathering->result.count; i++) {
		cJSON_Delete(gathering->result.answers[i].result);
		cJSON_Delete(gathering->result.answers[i].error);
	}
	free(gathering);
}

static void
gather_on_answer(void *user, const struct rpc_answer *answer)
{
	struct slot *slot = user;

	slot->answer->result = cJSON_Duplicate(answer->result, true);
	slot->answer->error = cJSON_Duplicate(answer->error, true);
	gathering_release(slot->gathering);
}

static void
gather_ask(struct gathering *gathering, struct plane_link *link,
	   const struct gather_question *question)
{
	uint32_t index = gathering->result.count++;
	struct slot *slot = &gathering->slots[index];
	const struct plane_link_call call = { .method = question->method,
					      .params = cJSON_Duplicate(question->params, true),
					      .timeout_ms = LINK_QUERY_MS,
					      .is_query = true,
					      .answered = gather_on_answer,
					      .user = slot };

	int r;

	*slot = (struct slot){ gathering, &gathering->result.answers[index] };
	snprintf(slot->answer->plane, sizeof slot->answer->plane, "%s", plane_link_name(link));
	gathering->missing++;
	r = plane_link_call(link, &call);
	if (r == -EBUSY)
		slot->answer->error = plane_link_busy_error();
	if (r < 0)
		gathering->missing--; /* its answer stays empty */
}

static bool
is_asked(const struct push_plane_view *view, const struct gather_question *question)
{
	if (view->state == PUSH_CONNECTING)
		return false;
	return question->plane == NULL || strcmp(question->plane, plane_link_name(view->link)) == 0;
}

/* Half an answer would look like a plane that counts nothing: all that are asked must have room. */
static bool
all_have_room(const struct pusher *pusher, const struct gather_question *question)
{
	for (uint32_t i = 0; i < pusher_plane_count(pusher); i++) {
		struct push_plane_view view;

		pusher_plane(pusher, i, &view);
		if (is_asked(&view, question) && !plane_link_has_room(view.link))
			return false;
	}
	return true;
}

int
gather(struct pusher *pusher, const struct gather_question *question)
{
	struct gathering *gathering;

	if (!all_have_room(pusher, question))
		return -EBUSY;
	gathering = calloc(1, sizeof *gathering);
	if (gathering == NULL)
		return -ENOMEM;
	gathering->done = question->done;
	gathering->result.user = question->user;
	gathering->missing = 1;
	for (uint32_t i = 0; i < pusher_plane_count(pusher); i++) {
		struct push_plane_view view;

		pusher_plane(pusher, i, &view);
		if (is_asked(&view, question))
			gather_ask(gathering, view.link, question);
	}
	gathering_release(gathering);
	return 0;
}

const struct gather_answer *
gather_answer(const struct gather_result *result, const char *plane)
{
	for (uint32_t i = 0; i < result->count; i++) {
		if (strcmp(result->answers[i].plane, plane) == 0)
			return &result->answers[i];
	}
	return NULL;
}
