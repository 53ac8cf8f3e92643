/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
model_create(struct config *config, struct model **ret_model)
{
	struct model *model = calloc(1, sizeof *model);

	if (model == NULL) {
		config_destroy(config);
		return -ENOMEM;
	}
	model->config = config;
	*ret_model = model;
	return 0;
}

void
model_destroy(struct model *model)
{
	if (model == NULL)
		return;
	config_destroy(model->config);
	free(model);
}

uint32_t
model_weight(const struct config_backend *backend)
{
	if (backend->drained)
		return 0;
	return backend->reweighted ? backend->runtime_weight : backend->weight;
}

const char *
model_admin(const struct config_backend *backend)
{
	return backend->drained ? "drained" : "enabled";
}

/* --- sorted views: both sides of a comparison are walked in the same order --- */

static int
vip_pointer_compare(const void *left, const void *right)
{
	const struct config_vip *const *a = left;
	const struct config_vip *const *b = right;

	return endpoint_compare(&(*a)->endpoint, &(*b)->endpoint);
}

static int
backend_pointer_compare(const void *left, const void *right)
{
	const struct config_backend *const *a = left;
	const struct config_backend *const *b = right;

	return memcmp(&(*a)->address, &(*b)->address, sizeof(struct addr));
}

/* @return pointers to the VIPs, sorted by endpoint; NULL: no memory. */
static struct config_vip **
vips_sorted(const struct config *config)
{
	struct config_vip **sorted = calloc((size_t)config->vip_count + 1, sizeof(void *));

	if (sorted == NULL)
		return NULL;
	for (uint32_t i = 0; i < config->vip_count; i++)
		sorted[i] = &config->vips[i];
	qsort(sorted, config->vip_count, sizeof(void *), vip_pointer_compare);
	return sorted;
}

static struct config_backend **
backends_sorted(const struct config_vip *vip)
{
	struct config_backend **sorted = calloc((size_t)vip->backend_count + 1, sizeof(void *));

	if (sorted == NULL)
		return NULL;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		sorted[i] = &vip->backends[i];
	qsort(sorted, vip->backend_count, sizeof(void *), backend_pointer_compare);
	return sorted;
}

static struct config_vip *
vip_among(struct config_vip **sorted, uint32_t count, const struct config_vip *wanted)
{
	struct config_vip **found =
		bsearch(&wanted, sorted, count, sizeof(void *), vip_pointer_compare);

	return found != NULL ? *found : NULL;
}

/* --- carrying runtime settings over --- */

static int
carry_backend(const struct config_vip *vip, const struct config_backend *from,
	      struct config_backend *to, cJSON *ret_kept)
{
	char text[256];
	cJSON *item;

	to->drained = from->drained;
	to->reweighted = from->reweighted && from->runtime_weight != to->weight;
	to->runtime_weight = to->reweighted ? from->runtime_weight : 0;
	if (!to->drained && !to->reweighted)
		return 0;
	if (to->drained)
		snprintf(text, sizeof text, "%s: backend %s stays drained", vip->name, to->name);
	else
		snprintf(text, sizeof text,
			 "%s: backend %s keeps the weight %u set at run time (the file says %u)",
			 vip->name, to->name, to->runtime_weight, to->weight);
	item = cJSON_CreateString(text);
	if (item == NULL || !cJSON_AddItemToArray(ret_kept, item))
		return -ENOMEM;
	return 0;
}

static int
carry_vip(const struct config_vip *from, struct config_vip *to, cJSON *ret_kept)
{
	struct config_backend **sorted = NULL;
	int r = 0;

	for (uint32_t i = 0; i < from->backend_count && r == 0; i++) {
		const struct config_backend *backend = &from->backends[i];
		struct config_backend **found;

		if (!backend->drained && !backend->reweighted)
			continue;
		if (sorted == NULL && (sorted = backends_sorted(to)) == NULL)
			return -ENOMEM;
		found = bsearch(&backend, sorted, to->backend_count, sizeof(void *),
				backend_pointer_compare);
		if (found != NULL)
			r = carry_backend(to, backend, *found, ret_kept);
	}
	free(sorted);
	return r;
}

int
model_carry(const struct config *from, struct config *to, cJSON *ret_kept)
{
	struct config_vip **sorted = vips_sorted(to);
	int r = 0;

	if (sorted == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->vip_count && r == 0; i++) {
		struct config_vip *vip = vip_among(sorted, to->vip_count, &from->vips[i]);

		if (vip != NULL)
			r = carry_vip(&from->vips[i], vip, ret_kept);
	}
	free(sorted);
	return r;
}

/* --- edits --- */

uint64_t
model_vip_weight(const struct config_vip *vip)
{
	uint64_t weight = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		weight += model_weight(&vip->backends[i]);
	return weight;
}

static void
edit_backend(struct config_backend *backend, const struct model_edit *edit)
{
	if (edit->kind == MODEL_WEIGHT) {
		backend->reweighted = edit->weight != backend->weight;
		backend->runtime_weight = backend->reweighted ? edit->weight : 0;
	} else {
		backend->drained = edit->kind == MODEL_DRAIN;
	}
}

/* @return 1 when the VIP has the backend, 0 when not, -EPERM when it must not be done. */
static int
edit_vip(struct config_vip *vip, const struct model_edit *edit, struct json_errors *errors)
{
	struct config_backend *backend = config_find_backend(vip, edit->backend);
	uint64_t before = model_vip_weight(vip);

	if (backend == NULL)
		return 0;
	edit_backend(backend, edit);
	if (before == 0 || model_vip_weight(vip) > 0 || edit->force)
		return 1;
	json_error_add(errors, NULL, "last_backend",
		       "undrain or add another one first, or insist with --yes (\"force\": true)",
		       "%s is the last backend of VIP %s that owns rows: without it nothing serves "
		       "that VIP",
		       edit->backend, vip->name);
	return -EPERM;
}

static int
edit_config(struct config *config, const struct model_edit *edit, struct json_errors *errors)
{
	struct config_vip *only = NULL;
	uint32_t found = 0;
	int worst = 0;

	if (edit->vip != NULL && (only = config_find_vip(config, edit->vip)) == NULL) {
		json_error_add(errors, NULL, "unknown_vip", "fairlead vip list shows all",
			       "no VIP \"%s\"", edit->vip);
		return -ENOENT;
	}
	for (uint32_t i = 0; i < config->vip_count; i++) {
		int r;

		if (only != NULL && only != &config->vips[i])
			continue;
		r = edit_vip(&config->vips[i], edit, errors);
		if (r < 0)
			worst = r;
		found += r != 0;
	}
	if (found == 0) {
		json_error_add(errors, NULL, "unknown_backend", "fairlead backend list shows all",
			       "no backend \"%s\"%s%s", edit->backend,
			       only != NULL ? " in VIP " : "", only != NULL ? only->name : "");
		return -ENOENT;
	}
	return worst;
}

int
model_edit(const struct config *from, const struct model_edit *edit, struct config **ret_to,
	   struct json_errors *errors)
{
	struct config *to;
	int r = config_copy(from, &to);

	if (r < 0)
		return r;
	r = edit_config(to, edit, errors);
	if (r < 0)
		config_destroy(to);
	else
		*ret_to = to;
	return r;
}

/* --- what changes --- */

/* @return 1 when planes serve the two alike, 0 when not; -ENOMEM. */
static int
vip_same(const struct config_vip *from, const struct config_vip *to)
{
	struct config_backend **old;
	struct config_backend **new;
	int same = 1;

	if (from->table_size != to->table_size || from->backend_count != to->backend_count ||
	    !policy_equal(&from->policy, &to->policy))
		return 0;
	old = backends_sorted(from);
	new = backends_sorted(to);
	if (old == NULL || new == NULL)
		same = -ENOMEM;
	for (uint32_t i = 0; same == 1 && i < from->backend_count; i++) {
		if (memcmp(&old[i]->address, &new[i]->address, sizeof(struct addr)) != 0 ||
		    model_weight(old[i]) != model_weight(new[i]))
			same = 0;
	}
	free(old);
	free(new);
	return same;
}

static int
plan_fill(const struct config *from, const struct config *to, struct config_vip **sorted,
	  struct model_plan *plan)
{
	for (uint32_t i = 0; i < to->vip_count; i++) {
		const struct config_vip *old = vip_among(sorted, from->vip_count, &to->vips[i]);
		struct model_change change = { .kind = MODEL_ADDED, .to = i };
		int same = 0;

		if (old != NULL) {
			change.kind = MODEL_CHANGED;
			change.from = (uint32_t)(old - from->vips);
			same = vip_same(old, &to->vips[i]);
		}
		if (same < 0)
			return same;
		if (!same)
			plan->changes[plan->count++] = change;
	}
	return 0;
}

static void
plan_fill_removed(const struct config *from, const struct config *to, struct config_vip **sorted,
		  struct model_plan *plan)
{
	for (uint32_t i = 0; i < from->vip_count; i++) {
		if (vip_among(sorted, to->vip_count, &from->vips[i]) == NULL)
			plan->changes[plan->count++] =
				(struct model_change){ .kind = MODEL_REMOVED, .from = i };
	}
}

int
model_plan(const struct config *from, const struct config *to, struct model_plan **ret_plan)
{
	struct model_plan *plan = calloc(1, sizeof *plan);
	struct config_vip **old = vips_sorted(from);
	struct config_vip **new = vips_sorted(to);
	int r = -ENOMEM;

	if (plan != NULL)
		plan->changes =
			calloc((size_t)from->vip_count + to->vip_count + 1, sizeof *plan->changes);
	if (plan != NULL && plan->changes != NULL && old != NULL && new != NULL)
		r = plan_fill(from, to, old, plan);
	if (r == 0) {
		plan_fill_removed(from, to, new, plan);
		*ret_plan = plan;
	} else {
		model_plan_destroy(plan);
	}
	free(old);
	free(new);
	return r;
}

void
model_plan_destroy(struct model_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->changes);
	free(plan);
}
