/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text that is written; state_take.c reads it. One VIP a line.
 */
#include "state_text.h"

#include <errno.h>
#include <string.h>

#include "model_view.h"

static bool
put_time(cJSON *object, const char *name, int64_t at_ms, const struct state_clock *clock)
{
	int64_t wall_ms = at_ms - clock->now_ms + clock->wall_ms;

	return json_add_u64(object, name, wall_ms > 0 ? (uint64_t)wall_ms : 0);
}

static bool
put_address(cJSON *object, const char *name, const struct addr *address)
{
	char text[ADDR_TEXT_MAX];

	return cJSON_AddStringToObject(object, name, addr_format(address, text)) != NULL;
}

/* --- what was set --- */

static bool
put_ramp(cJSON *object, const struct config_backend *backend, const struct state_clock *clock)
{
	cJSON *ramp = cJSON_AddObjectToObject(object, "ramp");

	return ramp != NULL && cJSON_AddNumberToObject(ramp, "from", backend->ramp_from) &&
	       cJSON_AddNumberToObject(ramp, "to", backend->ramp_to) &&
	       put_time(ramp, "begin_ms", backend->ramp_begin_ms, clock) &&
	       put_time(ramp, "end_ms", backend->ramp_end_ms, clock);
}

/* What no file says of it. */
static bool
put_unlisted(cJSON *object, const struct config_backend *backend)
{
	return cJSON_AddTrueToObject(object, "unlisted") &&
	       cJSON_AddStringToObject(object, "name", backend->name) &&
	       cJSON_AddNumberToObject(object, "file_weight", backend->weight);
}

static cJSON *
setting_json(const struct config_backend *backend, const struct state_clock *clock)
{
	cJSON *object = cJSON_CreateObject();

	if (object != NULL && put_address(object, "backend", &backend->address) &&
	    (!backend->unlisted || put_unlisted(object, backend)) &&
	    (!backend->drained || cJSON_AddTrueToObject(object, "drained")) &&
	    (!backend->reweighted ||
	     cJSON_AddNumberToObject(object, "weight", backend->runtime_weight)) &&
	    (backend->removal == CONFIG_STAYS ||
	     cJSON_AddStringToObject(object, "removal", model_removal(backend))) &&
	    (!backend->ramping || put_ramp(object, backend, clock)))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static bool
put_settings(cJSON *object, const struct config_vip *vip, const struct state_clock *clock)
{
	cJSON *settings = cJSON_AddArrayToObject(object, "settings");

	if (settings == NULL)
		return false;
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		if (model_is_overlaid(&vip->backends[i]) &&
		    !model_view_put(settings, NULL, setting_json(&vip->backends[i], clock)))
			return false;
	}
	return true;
}

/* --- what was served --- */

static cJSON *
set_json(const struct history_set *set, const struct state_clock *clock)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *members = object != NULL ? cJSON_AddArrayToObject(object, "backends") : NULL;
	bool fine = members != NULL && put_time(object, "since_ms", set->since_ms, clock) &&
		    cJSON_AddNumberToObject(object, "window_s", set->window_s);

	for (uint32_t i = 0; fine && i < set->count; i++)
		fine = model_view_put(
			members, NULL,
			model_view_member(&set->members[i].address, set->members[i].weight));
	if (fine)
		return object;
	cJSON_Delete(object);
	return NULL;
}

static bool
put_sets(cJSON *object, const struct history *history, const struct config_vip *vip,
	 const struct state_clock *clock)
{
	cJSON *array = cJSON_AddArrayToObject(object, "sets");
	uint32_t count = 0;
	const struct history_set *sets = history_sets(history, vip, &count);

	if (array == NULL)
		return false;
	for (uint32_t i = 0; sets != NULL && i < count; i++) {
		if (!model_view_put(array, NULL, set_json(&sets[i], clock)))
			return false;
	}
	return true;
}

/* --- the text --- */

static int
append(struct json_buffer *text, const char *part)
{
	return json_buffer_put(text, part, strlen(part));
}

/* One VIP, printed. With more than its former sets may take it stands there without. */
static int
print_vip(const struct model *model, const struct config_vip *vip, const struct state_clock *clock,
	  struct json_buffer *text)
{
	cJSON *object = cJSON_CreateObject();
	int r = -ENOMEM;

	if (object != NULL && endpoint_put(object, &vip->endpoint) &&
	    cJSON_AddNumberToObject(object, "table_size", vip->table_size) &&
	    put_settings(object, vip, clock) && put_sets(object, model->history, vip, clock)) {
		r = text->size < STATE_SETS_BYTES_MAX
			    ? json_print(object, STATE_SETS_BYTES_MAX - text->size, text)
			    : -EMSGSIZE;
		if (r == -EMSGSIZE) {
			cJSON_DeleteItemFromObjectCaseSensitive(object, "sets");
			r = json_print(object, STATE_FILE_BYTES_MAX, text);
		}
	}
	cJSON_Delete(object);
	return r;
}

int
state_text_print(const struct model *model, const struct state_clock *clock,
		 struct json_buffer *ret_text)
{
	const struct config *config = model->config;
	int r = append(ret_text, "{\"version\":1,\"vips\":[");

	for (uint32_t i = 0; r == 0 && i < config->vip_count; i++) {
		r = append(ret_text, i > 0 ? ",\n" : "\n");
		if (r == 0)
			r = print_vip(model, &config->vips[i], clock, ret_text);
		if (r == 0 && ret_text->size > STATE_FILE_BYTES_MAX - 8)
			r = -EMSGSIZE;
	}
	return r < 0 ? r : append(ret_text, "\n]}\n");
}
