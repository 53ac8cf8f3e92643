/* SPDX-License-Identifier: BSD-2-Clause */
#include "model_view.h"

#include "config_windows.h"

#include <stdlib.h>
#include <string.h>

bool
model_view_put(cJSON *parent, const char *name, cJSON *item)
{
	bool done = parent != NULL && item != NULL &&
		    (name != NULL ? cJSON_AddItemToObject(parent, name, item)
				  : cJSON_AddItemToArray(parent, item));

	if (!done)
		cJSON_Delete(item);
	return done;
}

static cJSON *
address_json(const struct addr *address)
{
	char text[ADDR_TEXT_MAX];

	return cJSON_CreateString(addr_format(address, text));
}

/* Ends a value under construction: itself when all went well, otherwise nothing. */
static cJSON *
finished(cJSON *value, bool complete)
{
	if (complete)
		return value;
	cJSON_Delete(value);
	return NULL;
}

cJSON *
model_view_endpoint(const struct addr_endpoint *endpoint)
{
	cJSON *object = cJSON_CreateObject();

	return finished(object, object != NULL && endpoint_put(object, endpoint));
}

bool
model_view_endpoint_text(const cJSON *vip, char ret_text[ADDR_ENDPOINT_TEXT_MAX])
{
	const char *ports = json_get_string(vip, "port", NULL);
	struct addr_endpoint endpoint = { 0 };

	if (addr_prefix_parse(json_get_string(vip, "address", ""), &endpoint.to) < 0)
		return false;
	endpoint.port = endpoint.port_last = (uint16_t)json_get_integer(vip, "port", 0);
	if (ports != NULL && addr_ports_parse(ports, &endpoint.port, &endpoint.port_last) < 0)
		return false;
	endpoint.protocol = addr_protocol_parse(json_get_string(vip, "protocol", ""));
	if (endpoint.protocol == 0)
		return false;
	(void)addr_endpoint_format(&endpoint, ret_text);
	return true;
}

cJSON *
model_view_member(const struct addr *address, uint32_t weight)
{
	cJSON *object = cJSON_CreateObject();

	return finished(object, object != NULL &&
					model_view_put(object, "address", address_json(address)) &&
					cJSON_AddNumberToObject(object, "weight", weight));
}

bool
model_view_policy_put(cJSON *object, const struct vip_policy *policy)
{
	return policy_put(object, policy) && json_add_u64(object, "window_s", policy->window_s) &&
	       json_add_u64(object, "hold_s", policy->hold_s);
}

cJSON *
model_view_plane_vip(const struct config_vip *vip)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *backends = cJSON_CreateArray();
	bool fine = object != NULL && endpoint_put(object, &vip->endpoint) &&
		    model_view_policy_put(object, &vip->policy) &&
		    cJSON_AddNumberToObject(object, "table_size", vip->table_size) != NULL;

	for (uint32_t i = 0; fine && i < vip->backend_count; i++) {
		if (model_is_pushed(&vip->backends[i]))
			fine = model_view_put(backends, NULL,
					      model_view_member(&vip->backends[i].address,
								model_weight(&vip->backends[i])));
	}
	fine = model_view_put(object, "backends", backends) && fine;
	return finished(object, fine);
}

size_t
model_view_plane_vip_bytes(const struct config_vip *vip)
{
	enum { VIP_BYTES = 320 /* all members but the backends, and the list's brackets */ };
	size_t bytes = VIP_BYTES;
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < vip->backend_count; i++)
		bytes += MODEL_VIEW_BACKEND_BYTES +
			 strlen(addr_format(&vip->backends[i].address, text));
	return bytes;
}

static cJSON *
config_backend_json(const struct config_backend *backend)
{
	cJSON *object = cJSON_CreateObject();

	return finished(object, object != NULL &&
					model_view_put(object, "address",
						       address_json(&backend->address)) &&
					cJSON_AddStringToObject(object, "name", backend->name) &&
					cJSON_AddNumberToObject(object, "weight", backend->weight));
}

static cJSON *
config_vip_json(const struct config_vip *vip)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *backends = cJSON_CreateArray();
	bool fine = object != NULL;

	/* A default name holds ':' and is no valid value of the member. */
	if (fine && strchr(vip->name, ':') == NULL)
		fine = cJSON_AddStringToObject(object, "name", vip->name) != NULL;
	fine = fine && endpoint_put(object, &vip->endpoint) && policy_put(object, &vip->policy) &&
	       config_windows_put(object, vip) &&
	       cJSON_AddNumberToObject(object, "table_size", vip->table_size) != NULL;
	for (uint32_t i = 0; fine && i < vip->backend_count; i++) {
		if (!vip->backends[i].unlisted)
			fine = model_view_put(backends, NULL,
					      config_backend_json(&vip->backends[i]));
	}
	fine = model_view_put(object, "backends", backends) && fine;
	return finished(object, fine);
}

static cJSON *
config_plane_json(const struct config_plane *plane)
{
	cJSON *object = cJSON_CreateObject();

	return finished(object, object != NULL &&
					cJSON_AddStringToObject(object, "name", plane->name) &&
					cJSON_AddStringToObject(object, "socket", plane->socket));
}

cJSON *
model_view_config(const struct config *config)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *planes = cJSON_CreateArray();
	cJSON *vips = cJSON_CreateArray();
	bool fine = root != NULL && cJSON_AddNumberToObject(root, "version", 1) != NULL;

	for (uint32_t i = 0; fine && i < config->plane_count; i++)
		fine = model_view_put(planes, NULL, config_plane_json(&config->planes[i]));
	for (uint32_t i = 0; fine && i < config->vip_count; i++)
		fine = model_view_put(vips, NULL, config_vip_json(&config->vips[i]));
	fine = model_view_put(root, "planes", planes) && fine;
	fine = model_view_put(root, "vips", vips) && fine;
	return finished(root, fine);
}

static cJSON *
overlay_json(const struct config_vip *vip, const struct config_backend *backend)
{
	uint32_t weight = backend->reweighted ? backend->runtime_weight : backend->weight;
	cJSON *object = cJSON_CreateObject();

	return finished(
		object,
		object != NULL && cJSON_AddStringToObject(object, "vip", vip->name) &&
			model_view_put(object, "backend", address_json(&backend->address)) &&
			cJSON_AddStringToObject(object, "admin", model_admin(backend)) &&
			cJSON_AddNumberToObject(object, "weight", weight) &&
			cJSON_AddStringToObject(object, "state", model_removal(backend)) &&
			cJSON_AddBoolToObject(object, "listed", !backend->unlisted));
}

cJSON *
model_view_overlay(const struct config *config)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		const struct config_vip *vip = &config->vips[i];

		for (uint32_t j = 0; fine && j < vip->backend_count; j++) {
			if (model_is_overlaid(&vip->backends[j]))
				fine = model_view_put(array, NULL,
						      overlay_json(vip, &vip->backends[j]));
		}
	}
	return finished(array, fine);
}

/* --- plans --- */

/* One backend before and after; NULL where it is not in the VIP. */
struct step {
	const struct config_backend *before;
	const struct config_backend *after;
};

static const char *
step_change(const struct step *step)
{
	if (step->before == NULL)
		return "added";
	if (step->after == NULL)
		return "removed";
	if (step->after->removal == CONFIG_LEAVING && step->before->removal != CONFIG_LEAVING)
		return "leaving";
	return model_weight(step->before) != model_weight(step->after) ? "changed" : "same";
}

static int
step_compare(const void *left, const void *right)
{
	const struct step *a = left;
	const struct step *b = right;
	const struct config_backend *x = a->before != NULL ? a->before : a->after;
	const struct config_backend *y = b->before != NULL ? b->before : b->after;

	return memcmp(&x->address, &y->address, sizeof(struct addr));
}

/*
 * The backends of both sides, each address once, sorted by address: sort all, then join neighbours
 * with one address.
 */
static struct step *
steps_make(const struct config_vip *before, const struct config_vip *after, uint32_t *ret_count)
{
	uint32_t old = before != NULL ? before->backend_count : 0;
	uint32_t new = after != NULL ? after->backend_count : 0;
	struct step *steps = calloc((size_t)old + new + 1, sizeof *steps);
	uint32_t count = 0;
	uint32_t kept = 0;

	if (steps == NULL)
		return NULL;
	for (uint32_t i = 0; i < old; i++) {
		if (model_is_pushed(&before->backends[i]))
			steps[count++].before = &before->backends[i];
	}
	for (uint32_t i = 0; i < new; i++) {
		if (model_is_pushed(&after->backends[i]))
			steps[count++].after = &after->backends[i];
	}
	qsort(steps, count, sizeof *steps, step_compare);
	for (uint32_t i = 0; i < count; i++) {
		if (kept > 0 && step_compare(&steps[kept - 1], &steps[i]) == 0) {
			if (steps[i].before != NULL)
				steps[kept - 1].before = steps[i].before;
			else
				steps[kept - 1].after = steps[i].after;
		} else {
			steps[kept++] = steps[i];
		}
	}
	*ret_count = kept;
	return steps;
}

static bool
step_put_weights(cJSON *object, const struct step *step)
{
	bool fine = true;

	if (step->before != NULL)
		fine = cJSON_AddNumberToObject(object, "weight_before",
					       model_weight(step->before)) != NULL;
	if (step->after != NULL)
		fine = fine && cJSON_AddNumberToObject(object, "weight_after",
						       model_weight(step->after)) != NULL;
	return fine;
}

static cJSON *
step_json(const struct step *step)
{
	const struct config_backend *any = step->after != NULL ? step->after : step->before;
	cJSON *object = cJSON_CreateObject();

	return finished(object,
			object != NULL &&
				model_view_put(object, "address", address_json(&any->address)) &&
				cJSON_AddStringToObject(object, "change", step_change(step)) &&
				step_put_weights(object, step));
}

static cJSON *
change_backends_json(const struct config_vip *before, const struct config_vip *after)
{
	uint32_t count = 0;
	struct step *steps = steps_make(before, after, &count);
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL && steps != NULL;

	for (uint32_t i = 0; fine && i < count; i++) {
		if (strcmp(step_change(&steps[i]), "same") != 0)
			fine = model_view_put(array, NULL, step_json(&steps[i]));
	}
	free(steps);
	return finished(array, fine);
}

static cJSON *
policy_json(const struct vip_policy *policy)
{
	cJSON *object = cJSON_CreateObject();

	return finished(object, object != NULL && model_view_policy_put(object, policy));
}

/* Both, where they differ. */
static bool
change_put_policy(cJSON *object, const struct config_vip *before, const struct config_vip *after)
{
	if (before == NULL || after == NULL || policy_equal(&before->policy, &after->policy))
		return true;
	return model_view_put(object, "policy_before", policy_json(&before->policy)) &&
	       model_view_put(object, "policy_after", policy_json(&after->policy));
}

/* Both, where they differ. */
static bool
change_put_size(cJSON *object, const struct config_vip *before, const struct config_vip *after)
{
	if (before == NULL || after == NULL || before->table_size == after->table_size)
		return true;
	return cJSON_AddNumberToObject(object, "table_size_before", before->table_size) != NULL &&
	       cJSON_AddNumberToObject(object, "table_size_after", after->table_size) != NULL;
}

static cJSON *
change_json(const struct model_change *change, const struct config_vip *before,
	    const struct config_vip *after)
{
	static const char *const words[] = { "added", "changed", "removed" };
	const struct config_vip *vip = after != NULL ? after : before;
	char text[ADDR_ENDPOINT_TEXT_MAX];
	cJSON *object = cJSON_CreateObject();

	(void)addr_endpoint_format(&vip->endpoint, text);
	return finished(
		object,
		object != NULL && cJSON_AddStringToObject(object, "vip", text) &&
			cJSON_AddStringToObject(object, "name", vip->name) &&
			cJSON_AddStringToObject(object, "change", words[change->kind]) &&
			change_put_policy(object, before, after) &&
			change_put_size(object, before, after) &&
			model_view_put(object, "backends", change_backends_json(before, after)));
}

static const struct config_vip *
change_before(const struct model_change *change, const struct config *from)
{
	return change->kind != MODEL_ADDED ? &from->vips[change->from] : NULL;
}

static const struct config_vip *
change_after(const struct model_change *change, const struct config *to)
{
	return change->kind != MODEL_REMOVED ? &to->vips[change->to] : NULL;
}

cJSON *
model_view_plan(const struct model_plan *plan, const struct config *from, const struct config *to)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;

	for (uint32_t i = 0; fine && i < plan->count; i++) {
		const struct model_change *change = &plan->changes[i];

		fine = model_view_put(
			array, NULL,
			change_json(change, change_before(change, from), change_after(change, to)));
	}
	return finished(array, fine);
}

static cJSON *
changed_json(const struct config_vip *vip, const struct step *step)
{
	char text[ADDR_ENDPOINT_TEXT_MAX];
	cJSON *object = cJSON_CreateObject();

	(void)addr_endpoint_format(&vip->endpoint, text);
	return finished(object, object != NULL && cJSON_AddStringToObject(object, "vip", text) &&
					cJSON_AddStringToObject(object, "name", vip->name) &&
					model_view_put(object, "backend",
						       address_json(&step->after->address)) &&
					step_put_weights(object, step));
}

cJSON *
model_view_changed(const struct model_plan *plan, const struct config *from,
		   const struct config *to)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;

	for (uint32_t i = 0; fine && i < plan->count; i++) {
		const struct config_vip *after = change_after(&plan->changes[i], to);
		uint32_t count = 0;
		struct step *steps;

		if (after == NULL)
			continue;
		steps = steps_make(change_before(&plan->changes[i], from), after, &count);
		fine = steps != NULL;
		for (uint32_t j = 0; fine && j < count; j++) {
			if (steps[j].after != NULL && strcmp(step_change(&steps[j]), "same") != 0)
				fine = model_view_put(array, NULL, changed_json(after, &steps[j]));
		}
		free(steps);
	}
	return finished(array, fine);
}

static const struct config_plane *
plane_named(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->plane_count; i++) {
		if (strcmp(config->planes[i].name, name) == 0)
			return &config->planes[i];
	}
	return NULL;
}

/* NULL before: added; NULL after: removed. */
static cJSON *
plane_change_json(const struct config_plane *before, const struct config_plane *after)
{
	const char *name = before != NULL ? before->name : after->name;
	const char *kind = before == NULL ? "added" : after == NULL ? "removed" : "changed";
	cJSON *object = cJSON_CreateObject();
	bool fine = object != NULL && cJSON_AddStringToObject(object, "plane", name) &&
		    cJSON_AddStringToObject(object, "change", kind);

	if (fine && before != NULL)
		fine = cJSON_AddStringToObject(object, "socket_before", before->socket) != NULL;
	if (fine && after != NULL)
		fine = cJSON_AddStringToObject(object, "socket_after", after->socket) != NULL;
	return finished(object, fine);
}

cJSON *
model_view_plane_changes(const struct config *from, const struct config *to)
{
	cJSON *array = cJSON_CreateArray();
	bool fine = array != NULL;

	for (uint32_t i = 0; fine && i < from->plane_count; i++) {
		const struct config_plane *before = &from->planes[i];
		const struct config_plane *after = plane_named(to, before->name);

		if (after == NULL || strcmp(before->socket, after->socket) != 0)
			fine = model_view_put(array, NULL, plane_change_json(before, after));
	}
	for (uint32_t i = 0; fine && i < to->plane_count; i++) {
		if (plane_named(from, to->planes[i].name) == NULL)
			fine = model_view_put(array, NULL, plane_change_json(NULL, &to->planes[i]));
	}
	return finished(array, fine);
}
