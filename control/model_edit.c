/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How one state becomes the next: by a new configuration, which keeps what was set while running,
 * or by an edit.
 */
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_sorted.h"

/* --- carrying runtime settings over --- */

/* Adds a sentence for the operator. @return 0; -ENOMEM. */
static int __attribute__((format(printf, 2, 3))) tell(cJSON *sentences, const char *format, ...)
{
	char text[256];
	cJSON *item;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	item = cJSON_CreateString(text);
	return item != NULL && cJSON_AddItemToArray(sentences, item) ? 0 : -ENOMEM;
}

/* The sentence about a backend that is not as the file says; false: it is. */
static bool
carried_text(const struct config_vip *vip, const struct config_backend *to, char text[256])
{
	if (to->removal != CONFIG_STAYS)
		snprintf(text, 256, "%s: backend %s stays removed, as it was at run time",
			 vip->name, to->name);
	else if (to->drained)
		snprintf(text, 256, "%s: backend %s stays drained", vip->name, to->name);
	else if (to->ramping)
		snprintf(text, 256, "%s: backend %s stays on its way to the weight %u", vip->name,
			 to->name, to->ramp_to);
	else if (to->reweighted)
		snprintf(text, 256,
			 "%s: backend %s keeps the weight %u set at run time (the file says %u)",
			 vip->name, to->name, to->runtime_weight, to->weight);
	else
		return false;
	return true;
}

static void
backend_set_weight(struct config_backend *backend, uint32_t weight)
{
	backend->reweighted = weight != backend->weight;
	backend->runtime_weight = backend->reweighted ? weight : 0;
}

static int
carry_backend(const struct config_vip *vip, const struct config_backend *from,
	      struct config_backend *to, cJSON *kept)
{
	char text[256];

	to->served = from->served;
	to->drained = from->drained;
	/* A ramp goes on from where it is, also where that is the old file's weight. */
	if (from->reweighted || from->ramping)
		backend_set_weight(to, from->reweighted ? from->runtime_weight : from->weight);
	/* A configuration that has it again takes back that another one had it not. */
	to->removal = from->unlisted ? CONFIG_STAYS : from->removal;
	to->leaving_since_ms = from->leaving_since_ms;
	to->ramping = from->ramping;
	to->ramp_from = from->ramp_from;
	to->ramp_to = from->ramp_to;
	to->ramp_begin_ms = from->ramp_begin_ms;
	to->ramp_end_ms = from->ramp_end_ms;
	return carried_text(vip, to, text) ? tell(kept, "%s", text) : 0;
}

/* Planes must not be told to send a VIP's packets to a VIP. */
static bool
address_is_vip(const struct config *config, const struct addr *address)
{
	for (uint32_t i = 0; i < config->vip_count; i++) {
		if (addr_prefix_has(&config->vips[i].endpoint.to, address))
			return true;
	}
	return false;
}

int
model_add_leaving(const struct config *config, struct config_vip *vip,
		  const struct config_backend *backend)
{
	uint32_t rows = (vip->backend_count + 1) * CONTROL_ROWS_PER_BACKEND_MIN;
	struct config_backend *larger;

	if (vip->backend_count >= CONTROL_VIP_BACKENDS_MAX || rows > vip->table_size ||
	    address_is_vip(config, &backend->address))
		return 0;
	larger = realloc(vip->backends, ((size_t)vip->backend_count + 2) * sizeof *larger);
	if (larger == NULL)
		return -ENOMEM;
	vip->backends = larger;
	vip->backends[vip->backend_count] = *backend;
	vip->backends[vip->backend_count].removal = CONFIG_LEAVING;
	vip->backends[vip->backend_count].unlisted = true;
	vip->backends[vip->backend_count].ramping = false;
	vip->backend_count++;
	return 0;
}

static bool
warnings_are_many(const cJSON *cuts)
{
	return cJSON_GetArraySize(cuts) >= PUSH_WARNINGS_MAX;
}

/* Of backends that the VIP has no place to drain: how many, and one of them. */
static int
warn_of_cut(const struct config_vip *vip, const struct config_backend *one, uint32_t count,
	    cJSON *cuts)
{
	char more[32] = "";

	if (count == 0 || warnings_are_many(cuts))
		return 0;
	if (count > 1)
		snprintf(more, sizeof more, " and %u more", count - 1);
	return tell(cuts,
		    "%s: backend %s%s: removed at once, and connections with it, as a table of %u "
		    "rows has no room to drain it; drain it before (fairlead backend drain --wait)",
		    vip->name, one->name, more, vip->table_size);
}

/* Backends that planes have and the new configuration has not. */
struct missing {
	uint32_t count;
	const struct config_backend **backends;
};

/* They begin to leave. */
static int
leave_missing(const struct missing *missing, const struct config *config, struct config_vip *vip,
	      cJSON *cuts)
{
	const struct config_backend *cut = NULL;
	uint32_t cut_count = 0;

	for (uint32_t i = 0; i < missing->count; i++) {
		uint32_t before = vip->backend_count;

		if (model_add_leaving(config, vip, missing->backends[i]) < 0)
			return -ENOMEM;
		if (vip->backend_count == before) {
			cut = missing->backends[i];
			cut_count++;
		}
	}
	return warn_of_cut(vip, cut, cut_count, cuts);
}

/* Those that are in both VIPs get their settings, those that are in the first only begin to leave.
 */
static int
carry_vip(const struct config_vip *from, const struct config *config, struct config_vip *to,
	  const struct model_notes *notes)
{
	struct config_backend **sorted = model_sorted_backends(to);
	struct missing missing = {
		.backends = calloc((size_t)from->backend_count + 1, sizeof(void *)),
	};
	int r = sorted != NULL && missing.backends != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < from->backend_count && r == 0; i++) {
		const struct config_backend *backend = &from->backends[i];
		struct config_backend *found =
			model_sorted_find_backend(sorted, to->backend_count, backend);

		if (found != NULL)
			r = carry_backend(to, backend, found, notes->kept);
		else if (backend->served && model_is_pushed(backend))
			missing.backends[missing.count++] = backend;
	}
	if (r == 0 && to->policy.window_s > 0)
		r = leave_missing(&missing, config, to, notes->cuts);
	free(missing.backends);
	free(sorted);
	return r;
}

static bool
vip_was_served(const struct config_vip *vip)
{
	bool served = false;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		served = served || vip->backends[i].served;
	return served;
}

static bool
cuts_by_size(const struct config_vip *from, const struct config_vip *to)
{
	return from->table_size != to->table_size && from->policy.window_s > 0 &&
	       vip_was_served(from);
}

static int
warn_of_size(const struct config_vip *from, const struct config_vip *to, cJSON *cuts)
{
	if (!cuts_by_size(from, to) || warnings_are_many(cuts))
		return 0;
	return tell(cuts,
		    "%s: table_size %u -> %u is another table: all open connections break whose "
		    "row has another owner in it; to keep them, give a new VIP the new size and "
		    "move the clients' name to it",
		    to->name, from->table_size, to->table_size);
}

static int
warn_of_removed(const struct config_vip *vip, cJSON *cuts)
{
	if (warnings_are_many(cuts))
		return 0;
	return tell(cuts,
		    "%s: the VIP is removed at once, and its connections with it; to let them end "
		    "first, withdraw its route and wait",
		    vip->name);
}

int
model_carry(const struct config *from, struct config *to, const struct model_notes *notes)
{
	struct config_vip **sorted = model_sorted_vips(to);
	int r = sorted != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < from->vip_count && r == 0; i++) {
		const struct config_vip *vip = &from->vips[i];
		struct config_vip *found = model_sorted_find(sorted, to->vip_count, vip);

		if (found == NULL) {
			r = warn_of_removed(vip, notes->cuts);
			continue;
		}
		r = carry_vip(vip, to, found, notes);
		if (r == 0)
			r = warn_of_size(vip, found, notes->cuts);
	}
	free(sorted);
	return r;
}

/* That nothing is left to serve is more often a file that was not written than a wish. @return 0;
 * -EPERM. */
static int
check_emptied(const struct config *from, const struct config *to, struct json_errors *errors)
{
	const struct config_vip *one = NULL;
	uint32_t others = 0;
	char more[32] = "";

	for (uint32_t i = 0; i < from->vip_count && to->vip_count == 0; i++) {
		if (!vip_was_served(&from->vips[i]))
			continue;
		if (one == NULL)
			one = &from->vips[i];
		else
			others++;
	}
	if (one == NULL)
		return 0;
	if (others > 0)
		snprintf(more, sizeof more, " and %u more", others);
	json_error_add(errors, NULL, "cuts_connections",
		       "put into it what is to be served, or insist with --yes (\"force\": true)",
		       "the configuration has no VIP: %s%s would be removed, and all connections "
		       "with %s",
		       one->name, more, others > 0 ? "them" : "it");
	return -EPERM;
}

int
model_check_cuts(const struct config *from, const struct config *to, struct json_errors *errors)
{
	struct config_vip **sorted = model_sorted_vips(to);
	int r = sorted != NULL ? check_emptied(from, to, errors) : -ENOMEM;

	for (uint32_t i = 0; i < from->vip_count && sorted != NULL; i++) {
		const struct config_vip *vip = &from->vips[i];
		const struct config_vip *found = model_sorted_find(sorted, to->vip_count, vip);

		if (found == NULL || !cuts_by_size(vip, found))
			continue;
		r = -EPERM;
		json_error_add(errors, NULL, "cuts_connections",
			       "leave table_size as it is, give a new VIP the new size and move "
			       "the clients' name to it, or insist with --yes (\"force\": true)",
			       "VIP %s: table_size %u -> %u breaks all open connections whose row "
			       "has another owner in the new table",
			       found->name, vip->table_size, found->table_size);
	}
	free(sorted);
	return r;
}

/* --- edits --- */

/* Its weight when what is under way is over. */
static uint64_t
vip_weight_to_be(const struct config_vip *vip)
{
	uint64_t weight = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++) {
		const struct config_backend *backend = &vip->backends[i];

		if (backend->ramping && backend->removal == CONFIG_STAYS && !backend->drained)
			weight += backend->ramp_to;
		else
			weight += model_weight(backend);
	}
	return weight;
}

static void
edit_weight(struct config_backend *backend, const struct model_edit *edit)
{
	backend->ramping = edit->over_s > 0;
	if (!backend->ramping) {
		backend_set_weight(backend, edit->weight);
		return;
	}
	backend->ramp_from = model_weight(backend);
	backend->ramp_to = edit->weight;
	backend->ramp_begin_ms = edit->now_ms;
	backend->ramp_end_ms = edit->now_ms + (int64_t)edit->over_s * 1000;
}

/*
 * The moment whose weight a ramp has now. Each step is a set of backends in the VIP's history,
 * which has to reach back over a window: so the steps of a window are few, and ramps that take as
 * long take theirs at the same moments.
 */
static int64_t
ramp_moment_ms(const struct config_vip *vip, const struct config_backend *backend, int64_t now_ms)
{
	int64_t whole_ms = backend->ramp_end_ms - backend->ramp_begin_ms;
	int64_t window_ms = (int64_t)vip->policy.window_s * 1000;
	int64_t step_ms = (whole_ms < window_ms ? whole_ms : window_ms) / RAMP_WINDOW_STEPS;

	return step_ms > RAMP_STEP_MS ? now_ms - now_ms % step_ms : now_ms;
}

static void
ramp_step(const struct config_vip *vip, struct config_backend *backend, int64_t now_ms)
{
	int64_t whole_ms = backend->ramp_end_ms - backend->ramp_begin_ms;
	int64_t done_ms = ramp_moment_ms(vip, backend, now_ms) - backend->ramp_begin_ms;
	int64_t way = (int64_t)backend->ramp_to - backend->ramp_from;

	if (now_ms >= backend->ramp_end_ms) {
		backend->ramping = false;
		backend_set_weight(backend, backend->ramp_to);
	} else if (done_ms > 0) {
		backend_set_weight(backend,
				   (uint32_t)(backend->ramp_from + way * done_ms / whole_ms));
	}
}

/* Drained: remembered where the file would bring it back. */
static void
backend_drop(struct config_vip *vip, struct config_backend *backend)
{
	size_t index = (size_t)(backend - vip->backends);

	backend->removal = CONFIG_REMOVED;
	if (!backend->unlisted)
		return;
	vip->backend_count--;
	memmove(backend, backend + 1, (vip->backend_count - index) * sizeof *backend);
}

static void
edit_removal(struct config_vip *vip, struct config_backend *backend, const struct model_edit *edit)
{
	backend->ramping = false;
	if (edit->at_once || !backend->served || vip->policy.window_s == 0)
		backend->removal = CONFIG_REMOVED;
	else
		backend->removal = CONFIG_LEAVING;
}

static void
edit_backend(struct config_vip *vip, struct config_backend *backend, const struct model_edit *edit)
{
	switch (edit->kind) {
	case MODEL_WEIGHT:
		edit_weight(backend, edit);
		return;
	case MODEL_DRAIN:
		backend->drained = true;
		backend->ramping = false;
		return;
	case MODEL_UNDRAIN:
		backend->drained = false;
		backend->removal = CONFIG_STAYS;
		return;
	case MODEL_REMOVE:
		edit_removal(vip, backend, edit);
		return;
	case MODEL_DROP:
	case MODEL_RAMP_STEP:
		return; /* of many */
	}
}

/* A weight that would have no effect is a mistake. */
static bool
edit_is_vain(const struct config_vip *vip, const struct config_backend *backend,
	     const struct model_edit *edit, struct json_errors *errors)
{
	if (edit->kind != MODEL_WEIGHT)
		return false;
	if (backend->removal == CONFIG_LEAVING) {
		json_error_add(errors, NULL, "invalid_value", "undrain it first",
			       "%s is being removed from VIP %s, so it takes no weight",
			       edit->backend, vip->name);
		return true;
	}
	if (backend->drained && edit->over_s > 0) {
		json_error_add(
			errors, NULL, "invalid_value",
			"give it the weight 0, undrain it, and then the weight over time",
			"%s is drained in VIP %s, so its weight cannot go up or down by steps",
			edit->backend, vip->name);
		return true;
	}
	return false;
}

/* @return 1 when the VIP has the backend, 0 when not, -EPERM or -EINVAL when it must not be done.
 */
static int
edit_vip(struct config_vip *vip, const struct model_edit *edit, struct json_errors *errors)
{
	struct config_backend *backend = config_find_backend(vip, edit->backend);
	uint64_t before = model_vip_weight(vip);

	if (backend == NULL || (!model_is_pushed(backend) && edit->kind != MODEL_UNDRAIN))
		return 0;
	if (edit_is_vain(vip, backend, edit, errors))
		return -EINVAL;
	edit_backend(vip, backend, edit);
	if (before == 0 || vip_weight_to_be(vip) > 0 || edit->force)
		return 1;
	json_error_add(errors, NULL, "last_backend",
		       "undrain or add another one first, or insist with --yes (\"force\": true)",
		       "%s is the last backend of VIP %s that owns rows: without it nothing serves "
		       "that VIP",
		       edit->backend, vip->name);
	return -EPERM;
}

/* All ramps go on; their end was decided on when they began. */
static int
edit_ramps(struct config *config, const struct model_edit *edit)
{
	for (uint32_t i = 0; i < config->vip_count; i++) {
		struct config_vip *vip = &config->vips[i];

		for (uint32_t j = 0; j < vip->backend_count; j++) {
			if (vip->backends[j].ramping)
				ramp_step(vip, &vip->backends[j], edit->now_ms);
		}
	}
	return 0;
}

/* Those that were found drained, and that nobody has brought back since. */
static int
edit_drop(struct config *config, const struct model_edit *edit)
{
	struct config_vip *vip = config_find_vip(config, edit->vip);

	for (uint32_t i = 0; vip != NULL && i < edit->drained_count; i++) {
		for (uint32_t j = 0; j < vip->backend_count; j++) {
			struct config_backend *backend = &vip->backends[j];

			if (backend->removal != CONFIG_LEAVING ||
			    memcmp(&backend->address, &edit->drained[i], sizeof(struct addr)) != 0)
				continue;
			backend_drop(vip, backend);
			break;
		}
	}
	return 0;
}

static int
edit_config(struct config *config, const struct model_edit *edit, struct json_errors *errors)
{
	struct config_vip *only = NULL;
	uint32_t found = 0;
	int worst = 0;

	if (edit->kind == MODEL_DROP)
		return edit_drop(config, edit);
	if (edit->kind == MODEL_RAMP_STEP)
		return edit_ramps(config, edit);
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
