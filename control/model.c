/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_sorted.h"

int
model_create(struct config *config, struct model **ret_model)
{
	struct model *model = calloc(1, sizeof *model);

	if (model == NULL) {
		config_destroy(config);
		return -ENOMEM;
	}
	model->config = config;
	model->state_error = "";
	if (history_create(&model->history) < 0) {
		model_destroy(model);
		return -ENOMEM;
	}
	*ret_model = model;
	return 0;
}

void
model_destroy(struct model *model)
{
	if (model == NULL)
		return;
	config_destroy(model->config);
	history_destroy(model->history);
	free(model);
}

void
model_adopt(struct model *model, struct config *config, int64_t now_ms)
{
	if (config != model->config) {
		config_destroy(model->config);
		model->config = config;
	}
	history_note(model->history, config, now_ms);
	model->leaving_count = 0;
	model->ramp_count = 0;
	config->backend_total = 0;
	for (uint32_t i = 0; i < config->vip_count; i++) {
		for (uint32_t j = 0; j < config->vips[i].backend_count; j++) {
			struct config_backend *backend = &config->vips[i].backends[j];

			if (backend->removal != CONFIG_LEAVING)
				backend->leaving_since_ms = 0;
			else if (backend->leaving_since_ms == 0)
				backend->leaving_since_ms = now_ms;
			config->backend_total += model_is_pushed(backend);
			model->leaving_count += backend->removal == CONFIG_LEAVING;
			model->ramp_count += backend->ramping;
		}
	}
	if (model->adopted != NULL)
		model->adopted(model->user);
}

void
model_was_served(struct model *model)
{
	for (uint32_t i = 0; i < model->config->vip_count; i++) {
		struct config_vip *vip = &model->config->vips[i];

		for (uint32_t j = 0; j < vip->backend_count; j++)
			vip->backends[j].served = true;
	}
}

bool
model_is_pushed(const struct config_backend *backend)
{
	return backend->removal != CONFIG_REMOVED;
}

bool
model_is_overlaid(const struct config_backend *backend)
{
	return backend->drained || backend->reweighted || backend->ramping || backend->unlisted ||
	       backend->removal != CONFIG_STAYS;
}

uint32_t
model_weight(const struct config_backend *backend)
{
	if (backend->drained || backend->removal != CONFIG_STAYS)
		return 0;
	return backend->reweighted ? backend->runtime_weight : backend->weight;
}

const char *
model_removal(const struct config_backend *backend)
{
	static const char *const names[] = { "present", "leaving", "removed" };

	return names[backend->removal];
}

const char *
model_admin(const struct config_backend *backend)
{
	return backend->drained ? "drained" : "enabled";
}

uint64_t
model_vip_weight(const struct config_vip *vip)
{
	uint64_t weight = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		weight += model_weight(&vip->backends[i]);
	return weight;
}

/* --- what changes --- */

/* Those that planes have, by address; NULL: no memory. */
static struct config_backend **
backends_pushed(const struct config_vip *vip, uint32_t *ret_count)
{
	struct config_backend **sorted = model_sorted_backends(vip);
	uint32_t count = 0;

	for (uint32_t i = 0; sorted != NULL && i < vip->backend_count; i++) {
		if (model_is_pushed(sorted[i]))
			sorted[count++] = sorted[i];
	}
	*ret_count = count;
	return sorted;
}

/* @return 1 when planes serve the two alike, 0 when not; -ENOMEM. */
static int
vip_same(const struct config_vip *from, const struct config_vip *to)
{
	struct config_backend **old;
	struct config_backend **new;
	uint32_t old_count = 0;
	uint32_t new_count = 0;
	int same = 1;

	if (from->table_size != to->table_size || !policy_equal(&from->policy, &to->policy))
		return 0;
	old = backends_pushed(from, &old_count);
	new = backends_pushed(to, &new_count);
	if (old == NULL || new == NULL)
		same = -ENOMEM;
	else if (old_count != new_count)
		same = 0;
	for (uint32_t i = 0; same == 1 && i < old_count; i++) {
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
		const struct config_vip *old =
			model_sorted_find(sorted, from->vip_count, &to->vips[i]);
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
		if (model_sorted_find(sorted, to->vip_count, &from->vips[i]) == NULL)
			plan->changes[plan->count++] =
				(struct model_change){ .kind = MODEL_REMOVED, .from = i };
	}
}

int
model_plan(const struct config *from, const struct config *to, struct model_plan **ret_plan)
{
	struct model_plan *plan = calloc(1, sizeof *plan);
	struct config_vip **old = model_sorted_vips(from);
	struct config_vip **new = model_sorted_vips(to);
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
