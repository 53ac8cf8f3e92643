/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that starts knows its file, but not what was applied or removed before. Planes do: a
 * backend that one of them still has and that the file has not must be drained before it goes, as
 * if the file had just lost it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "log.h"
#include "model_view.h"
#include "pusher_state.h"

static bool
has_address(const struct config_vip *vip, const struct addr *address)
{
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		if (memcmp(&vip->backends[i].address, address, sizeof *address) == 0)
			return true;
	}
	return false;
}

/* @return backends that begin to leave: 0 or 1; -ENOMEM. */
static int
find_backend(const struct config *config, struct config_vip *vip, const cJSON *told)
{
	struct config_backend backend = { .served = true };
	uint32_t before = vip->backend_count;
	int r;

	if (json_get_boolean(told, "drained", false) ||
	    addr_parse(json_get_string(told, "address", ""), &backend.address) < 0 ||
	    has_address(vip, &backend.address))
		return 0;
	backend.weight = (uint32_t)json_get_integer(told, "weight", 0);
	(void)addr_format(&backend.address, backend.name);
	r = model_add_leaving(config, vip, &backend);
	return r < 0 ? r : (int)(vip->backend_count - before);
}

static int
find_vip(struct config *config, const cJSON *told)
{
	char text[ADDR_ENDPOINT_TEXT_MAX];
	struct config_vip *vip;
	const cJSON *item;
	int found = 0;

	if (!model_view_endpoint_text(told, text))
		return 0;
	vip = config_find_vip(config, text);
	if (vip == NULL || vip->policy.window_s == 0)
		return 0;
	cJSON_ArrayForEach (item, json_get(told, "backends")) {
		int r = find_backend(config, vip, item);

		if (r < 0)
			return r;
		found += r;
	}
	if (found > 0)
		log_notice("VIP %s: %d backends that the configuration does not have are still on "
			   "the planes: they are removed once drained",
			   vip->name, found);
	return found;
}

static void
find_done(struct gather_result *result)
{
	struct pusher *pusher = result->user;
	struct model *model = pusher->model;
	int r = 0;

	for (uint32_t i = 0; i < result->count; i++) {
		const struct gather_answer *answer = &result->answers[i];
		const cJSON *item;

		cJSON_ArrayForEach (item, json_get(answer->result, "vips")) {
			if (r >= 0)
				r = find_vip(model->config, item);
		}
		if (answer->result == NULL)
			log_warning("plane %s does not say which backends it has: those that the "
				    "configuration does not have are removed at once, and "
				    "connections to them break",
				    answer->plane);
	}
	if (r < 0)
		log_warning("no memory for backends that only the planes have: they are removed at "
			    "once, and connections to them break");
	model_adopt(model, model->config, plane_link_now_ms());
	pusher->phase = PHASE_IDLE;
	pusher_kick(pusher);
}

void
pusher_find(struct pusher *pusher)
{
	const struct gather_question question = { .method = "plane.stats",
						  .done = find_done,
						  .user = pusher };

	pusher->phase = PHASE_FIND;
	if (gather(pusher, &question) == 0)
		return;
	log_warning("no memory to ask the planes which backends they have");
	pusher->phase = PHASE_IDLE;
	pusher_kick(pusher);
}
