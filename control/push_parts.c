/* SPDX-License-Identifier: BSD-2-Clause */
#include "push_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_view.h"

enum { REMOVED_BYTES = 128 /* {"address":"","port":"","protocol":"tcp"}, at its longest */ };

static uint32_t
item_count(const struct push_parts *parts)
{
	return parts->plan != NULL ? parts->plan->count : parts->to->vip_count;
}

/* The VIP of the new state that an item carries; NULL: it is a removal. */
static const struct config_vip *
item_vip(const struct push_parts *parts, uint32_t item)
{
	if (parts->plan == NULL)
		return &parts->to->vips[item];
	if (parts->plan->changes[item].kind == MODEL_REMOVED)
		return NULL;
	return &parts->to->vips[parts->plan->changes[item].to];
}

/* Planes that get the whole state may have nothing yet: they are told what each VIP had before. */
static bool
tells_history(const struct push_parts *parts)
{
	return parts->plan == NULL && parts->history != NULL;
}

/* As far as the line has room beside the VIP. */
static struct history_limit
history_limit_of(const struct push_parts *parts, const struct config_vip *vip)
{
	size_t bytes = model_view_plane_vip_bytes(vip);
	struct history_limit limit = { .now_ms = parts->now_ms, .sets_max = parts->sets_max };

	if (bytes < PUSH_PART_BYTES_MAX)
		limit.bytes_max = PUSH_PART_BYTES_MAX - bytes;
	return limit;
}

static size_t
item_bytes(const struct push_parts *parts, uint32_t item)
{
	const struct config_vip *vip = item_vip(parts, item);
	struct history_limit limit;
	size_t bytes;

	if (vip == NULL)
		return REMOVED_BYTES;
	bytes = model_view_plane_vip_bytes(vip);
	if (!tells_history(parts))
		return bytes;
	limit = history_limit_of(parts, vip);
	return bytes + history_bytes(parts->history, vip, &limit);
}

static bool
put_item(const struct push_parts *parts, uint32_t item, cJSON *vips, cJSON *removed)
{
	const struct config_vip *vip = item_vip(parts, item);

	if (vip != NULL) {
		struct history_limit limit = history_limit_of(parts, vip);
		cJSON *object = model_view_plane_vip(vip);

		if (object == NULL || !model_view_put(vips, NULL, object))
			return false;
		return !tells_history(parts) || history_put(parts->history, vip, object, &limit);
	}
	vip = &parts->from->vips[parts->plan->changes[item].from];
	return model_view_put(removed, NULL, model_view_endpoint(&vip->endpoint));
}

/* Fills the arrays up to the limit, one item at least. */
static bool
put_items(struct push_parts *parts, cJSON *vips, cJSON *removed)
{
	uint32_t count = item_count(parts);
	size_t bytes = 0;

	parts->first = parts->next;
	while (parts->next < count) {
		bytes += item_bytes(parts, parts->next);
		if (parts->next > parts->first && bytes > PUSH_PART_BYTES_MAX)
			break;
		if (!put_item(parts, parts->next, vips, removed))
			return false;
		parts->next++;
	}
	parts->complete = parts->next == count;
	return true;
}

cJSON *
push_parts_next(struct push_parts *parts)
{
	cJSON *params = cJSON_CreateObject();
	cJSON *vips = cJSON_CreateArray();
	cJSON *removed = cJSON_CreateArray();
	bool fine = params != NULL && vips != NULL && removed != NULL &&
		    json_add_u64(params, "generation", parts->generation);

	if (parts->sets_max == 0)
		parts->sets_max = tells_history(parts) ? history_sets_max(parts->history, parts->to,
									  parts->now_ms)
						       : VIP_HISTORY_MAX;
	fine = fine && put_items(parts, vips, removed);
	if (fine && parts->plan == NULL)
		fine = cJSON_AddTrueToObject(params, "full") != NULL;
	if (fine && !parts->complete)
		fine = cJSON_AddTrueToObject(params, "more") != NULL;
	if (fine && cJSON_GetArraySize(removed) > 0) {
		fine = model_view_put(params, "remove", removed);
		removed = NULL;
	}
	cJSON_Delete(removed);
	fine = model_view_put(params, "vips", vips) && fine;
	if (fine)
		return params;
	cJSON_Delete(params);
	return NULL;
}

/* Planes were not given backends that are removed, and the file has none that are unlisted. */
static void
lead_back_backend(const struct config_vip *vip, unsigned vip_index, char *rest, char *ret_pointer)
{
	static const char list[] = "/backends/";
	unsigned long pushed;

	snprintf(ret_pointer, JSON_POINTER_BYTES_MAX, "/vips/%u%s", vip_index, rest);
	if (strncmp(rest, list, sizeof list - 1) != 0)
		return;
	pushed = strtoul(rest + sizeof list - 1, &rest, 10);
	snprintf(ret_pointer, JSON_POINTER_BYTES_MAX, "/vips/%u", vip_index);
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		if (!model_is_pushed(&vip->backends[i]) || pushed-- > 0)
			continue;
		if (!vip->backends[i].unlisted)
			snprintf(ret_pointer, JSON_POINTER_BYTES_MAX, "/vips/%u%s%u%s", vip_index,
				 list, i, rest);
		return;
	}
}

/* "/params/vips/3/backends/1" of the part -> "/vips/17/backends/1" of the file. "" when it has no
 * place there. */
static void
lead_back(const struct push_parts *parts, const char *path, char *ret_pointer)
{
	static const char prefix[] = "/params/vips/";
	const struct config_vip *vip;
	unsigned long index;
	char *rest;

	ret_pointer[0] = '\0';
	if (strncmp(path, prefix, sizeof prefix - 1) != 0)
		return;
	index = strtoul(path + sizeof prefix - 1, &rest, 10);
	if (rest == path + sizeof prefix - 1 || (*rest != '\0' && *rest != '/') ||
	    index >= parts->next - parts->first)
		return;
	vip = item_vip(parts, parts->first + (uint32_t)index);
	if (vip != NULL)
		lead_back_backend(vip, (unsigned)(vip - parts->to->vips), rest, ret_pointer);
}

static void
add_refusal(const struct push_parts *parts, const char *plane, const cJSON *item,
	    struct json_errors *errors)
{
	uint32_t count = errors->count;

	json_error_add(errors, NULL, "plane_refused", json_get_string(item, "hint", ""),
		       "plane %s refuses: %s", plane,
		       json_get_string(item, "message", "no reason given"));
	if (errors->count > count)
		lead_back(parts, json_get_string(item, "path", ""), errors->items[count].pointer);
}

void
push_errors_append(struct json_errors *errors, const struct json_errors *more)
{
	for (uint32_t i = 0; i < more->count; i++) {
		if (errors->count == JSON_ERRORS_MAX)
			errors->dropped++;
		else
			errors->items[errors->count++] = more->items[i];
	}
	errors->dropped += more->dropped;
}

void
push_parts_refused(const struct push_parts *parts, const char *plane, const cJSON *error,
		   struct json_errors *errors)
{
	const cJSON *data = json_get(error, "data");
	const cJSON *list = json_get(data, "errors");
	const cJSON *item;
	struct json_errors *found = calloc(1, sizeof *found);

	if (found == NULL)
		return;
	cJSON_ArrayForEach (item, list) {
		add_refusal(parts, plane, item, found);
	}
	if (found->count == 0) {
		add_refusal(parts, plane, error, found);
		snprintf(found->items[0].hint, JSON_MESSAGE_BYTES_MAX, "%s",
			 json_get_string(data, "hint", ""));
		lead_back(parts, json_get_string(data, "path", ""), found->items[0].pointer);
	}
	json_errors_locate(found, parts->to->text, parts->to->text_size);
	for (uint32_t i = 0; i < found->count; i++) {
		/* What concerns no VIP is not about the file: a position would mislead. */
		if (found->items[i].pointer[0] == '\0')
			found->items[i].line = found->items[i].column = 0;
	}
	push_errors_append(errors, found);
	free(found);
}
