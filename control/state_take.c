/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of an earlier process becomes the state that it served: a configuration of what the text
 * names, as if it were applied before the file. Then the file is the new one.
 */
#include "state_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_view.h"

static const struct json_field root_fields[] = {
	{ .name = "version", .kind = JSON_KIND_INTEGER, .required = true, .min = 1, .max = 1 },
	{ .name = "vips", .kind = JSON_KIND_ARRAY, .required = true, .max = CONTROL_VIPS_MAX },
	{ 0 },
};

static const struct json_field vip_fields[] = {
	ENDPOINT_FIELDS,
	{ .name = "table_size", .kind = JSON_KIND_INTEGER, .required = true, .max = INT32_MAX },
	{ .name = "settings",
	  .kind = JSON_KIND_ARRAY,
	  .required = true,
	  .max = CONTROL_VIP_BACKENDS_MAX },
	{ .name = "sets", .kind = JSON_KIND_ARRAY, .max = VIP_HISTORY_MAX + 1 },
	{ 0 },
};

static const struct json_field setting_fields[] = {
	{ .name = "backend",
	  .kind = JSON_KIND_STRING,
	  .required = true,
	  .min = 1,
	  .max = ADDR_TEXT_MAX },
	{ .name = "unlisted", .kind = JSON_KIND_BOOLEAN },
	{ .name = "name", .kind = JSON_KIND_STRING, .min = 1, .max = CONTROL_OBJECT_NAME_MAX },
	{ .name = "file_weight", .kind = JSON_KIND_INTEGER, .max = CONTROL_WEIGHT_MAX },
	{ .name = "drained", .kind = JSON_KIND_BOOLEAN },
	{ .name = "weight", .kind = JSON_KIND_INTEGER, .max = CONTROL_WEIGHT_MAX },
	{ .name = "removal", .kind = JSON_KIND_STRING, .min = 1, .max = 16 },
	{ .name = "ramp", .kind = JSON_KIND_OBJECT },
	{ 0 },
};

static const struct json_field ramp_fields[] = {
	{ .name = "from", .kind = JSON_KIND_INTEGER, .required = true, .max = CONTROL_WEIGHT_MAX },
	{ .name = "to", .kind = JSON_KIND_INTEGER, .required = true, .max = CONTROL_WEIGHT_MAX },
	{ .name = "begin_ms",
	  .kind = JSON_KIND_INTEGER,
	  .required = true,
	  .max = JSON_INTEGER_MAX },
	{ .name = "end_ms", .kind = JSON_KIND_INTEGER, .required = true, .max = JSON_INTEGER_MAX },
	{ 0 },
};

static const struct json_field set_fields[] = {
	{ .name = "since_ms",
	  .kind = JSON_KIND_INTEGER,
	  .required = true,
	  .max = JSON_INTEGER_MAX },
	{ .name = "window_s",
	  .kind = JSON_KIND_INTEGER,
	  .required = true,
	  .max = VIP_WINDOW_S_MAX },
	{ .name = "backends",
	  .kind = JSON_KIND_ARRAY,
	  .required = true,
	  .max = CONTROL_VIP_BACKENDS_MAX },
	{ 0 },
};

static const struct json_field member_fields[] = {
	{ .name = "address",
	  .kind = JSON_KIND_STRING,
	  .required = true,
	  .min = 1,
	  .max = ADDR_TEXT_MAX },
	{ .name = "weight",
	  .kind = JSON_KIND_INTEGER,
	  .required = true,
	  .max = CONTROL_WEIGHT_MAX },
	{ 0 },
};

/* What the text says of one VIP. */
struct taken_vip {
	uint32_t set_count;
	struct history_set sets[VIP_HISTORY_MAX + 1];
};

/* All of the text. */
struct taken {
	struct config config;	/* what served: backends with their settings */
	struct taken_vip *vips; /* beside config.vips */
	const struct state_clock *clock;
	struct json_errors *errors;
};

/* One object of the text. */
struct item {
	const cJSON *object;
	const struct json_path *path;
};

/* --- reading --- */

/* By the monotonic clock: not after now. */
static int64_t
read_time(const struct taken *taken, const cJSON *object, const char *name)
{
	int64_t at_ms =
		json_get_integer(object, name, 0) - taken->clock->wall_ms + taken->clock->now_ms;

	return at_ms < taken->clock->now_ms ? at_ms : taken->clock->now_ms;
}

static bool
read_address(const struct taken *taken, const struct item *item, const char *name,
	     struct addr *ret_address)
{
	const struct json_path path = { .parent = item->path, .name = name };

	if (addr_parse(json_get_string(item->object, name, ""), ret_address) == 0 &&
	    addr_classify(ret_address) == ADDR_USABLE)
		return true;
	json_error_add(taken->errors, &path, "invalid_value", NULL,
		       "not an address that a backend can have");
	return false;
}

/* A ramp that begins later than now begins now, and takes as long. */
static bool
read_ramp(const struct taken *taken, const struct item *setting, struct config_backend *backend)
{
	const struct json_path path = { .parent = setting->path, .name = "ramp" };
	const cJSON *ramp = json_get(setting->object, "ramp");
	int64_t whole_ms;

	if (ramp == NULL)
		return true;
	if (!json_check(ramp, ramp_fields, &path, taken->errors))
		return false;
	whole_ms = json_get_integer(ramp, "end_ms", 0) - json_get_integer(ramp, "begin_ms", 0);
	if (whole_ms <= 0 || whole_ms > RAMP_S_MAX * (int64_t)1000) {
		json_error_add(taken->errors, &path, "invalid_value", NULL,
			       "\"end_ms\" is not after \"begin_ms\", or more than %d s after it",
			       RAMP_S_MAX);
		return false;
	}
	backend->ramping = true;
	backend->ramp_from = (uint32_t)json_get_integer(ramp, "from", 0);
	backend->ramp_to = (uint32_t)json_get_integer(ramp, "to", 0);
	backend->ramp_begin_ms = read_time(taken, ramp, "begin_ms");
	backend->ramp_end_ms = backend->ramp_begin_ms + whole_ms;
	return true;
}

static bool
read_removal(const struct taken *taken, const struct item *setting, struct config_backend *backend)
{
	const struct json_path path = { .parent = setting->path, .name = "removal" };
	const char *word = json_get_string(setting->object, "removal", "");

	if (strcmp(word, "leaving") == 0)
		backend->removal = CONFIG_LEAVING;
	else if (strcmp(word, "removed") == 0)
		backend->removal = CONFIG_REMOVED;
	else if (word[0] != '\0') {
		json_error_add(taken->errors, &path, "invalid_value", NULL,
			       "\"removal\" must be \"leaving\" or \"removed\", not \"%.16s\"",
			       word);
		return false;
	}
	return true;
}

static bool
read_setting(const struct taken *taken, const struct item *item, struct config_backend *backend)
{
	char text[ADDR_TEXT_MAX];
	const char *name;

	if (!json_check(item->object, setting_fields, item->path, taken->errors) ||
	    !read_address(taken, item, "backend", &backend->address) ||
	    !read_removal(taken, item, backend) || !read_ramp(taken, item, backend))
		return false;
	name = json_get_string(item->object, "name", addr_format(&backend->address, text));
	snprintf(backend->name, sizeof backend->name, "%s", name);
	backend->unlisted = json_get_boolean(item->object, "unlisted", false);
	backend->drained = json_get_boolean(item->object, "drained", false);
	backend->reweighted = json_get(item->object, "weight") != NULL;
	backend->runtime_weight = (uint32_t)json_get_integer(item->object, "weight", 0);
	backend->weight = (uint32_t)json_get_integer(item->object, "file_weight", 0);
	backend->served = true;
	return true;
}

static int
address_compare(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct addr));
}

/* Planes refuse a set that has a backend twice, or more than its table has rows for. */
static bool
check_members(const struct taken *taken, const struct item *item, const struct history_set *set,
	      uint32_t table_size)
{
	const struct json_path path = { .parent = item->path, .name = "backends" };

	if (set->count > table_size / CONTROL_ROWS_PER_BACKEND_MIN) {
		json_error_add(taken->errors, &path, "table_too_small", NULL,
			       "a table of %u rows is too small for %u backends", table_size,
			       set->count);
		return false;
	}
	for (uint32_t i = 1; i < set->count; i++) {
		if (address_compare(&set->members[i - 1], &set->members[i]) != 0)
			continue;
		json_error_add(taken->errors, &path, "duplicate_backend", NULL,
			       "one backend stands there twice");
		return false;
	}
	return true;
}

_Static_assert(offsetof(struct history_member, address) == 0, "members are sorted by it");

/* @return 0, also with errors; -ENOMEM. */
static int
read_set(const struct taken *taken, const struct item *item, uint32_t table_size,
	 struct history_set *set)
{
	const struct json_path list = { .parent = item->path, .name = "backends" };
	struct json_path path = { .parent = &list };
	const cJSON *array = json_get(item->object, "backends");
	const cJSON *element;

	if (!json_check(item->object, set_fields, item->path, taken->errors))
		return 0;
	set->members = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof *set->members);
	if (set->members == NULL)
		return -ENOMEM;
	set->since_ms = read_time(taken, item->object, "since_ms");
	set->window_s = (uint32_t)json_get_integer(item->object, "window_s", 0);
	cJSON_ArrayForEach (element, array) {
		const struct item member = { element, &path };

		if (json_check(element, member_fields, &path, taken->errors) &&
		    read_address(taken, &member, "address", &set->members[set->count].address))
			set->members[set->count++].weight =
				(uint32_t)json_get_integer(element, "weight", 0);
		path.index++;
	}
	qsort(set->members, set->count, sizeof *set->members, address_compare);
	(void)check_members(taken, item, set, table_size);
	return 0;
}

static int
read_sets(const struct taken *taken, const struct item *vip, uint32_t table_size,
	  struct taken_vip *ret_vip)
{
	const struct json_path list = { .parent = vip->path, .name = "sets" };
	struct json_path path = { .parent = &list };
	const cJSON *element;

	cJSON_ArrayForEach (element, json_get(vip->object, "sets")) {
		const struct item item = { element, &path };
		struct history_set *set = &ret_vip->sets[ret_vip->set_count++];
		int r = read_set(taken, &item, table_size, set);

		if (r < 0)
			return r;
		if (path.index > 0 && set->since_ms < set[-1].since_ms)
			set->since_ms = set[-1].since_ms;
		path.index++;
	}
	return 0;
}

/* What served is the last set, with settings; what is not in it is removed. */
static int
read_backends(const struct taken *taken, const struct item *vip, const struct taken_vip *from,
	      struct config_vip *to)
{
	const struct json_path list = { .parent = vip->path, .name = "settings" };
	struct json_path path = { .parent = &list };
	const cJSON *settings = json_get(vip->object, "settings");
	const struct history_set *last =
		from->set_count > 0 ? &from->sets[from->set_count - 1] : NULL;
	uint32_t set_count = (uint32_t)cJSON_GetArraySize(settings);
	const cJSON *element;

	to->backends = calloc((size_t)set_count + (last != NULL ? last->count : 0) + 1,
			      sizeof *to->backends);
	if (to->backends == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach (element, settings) {
		const struct item item = { element, &path };

		if (read_setting(taken, &item, &to->backends[to->backend_count]))
			to->backend_count++;
		path.index++;
	}
	set_count = to->backend_count;
	qsort(to->backends, set_count, sizeof *to->backends, address_compare);
	for (uint32_t i = 0; last != NULL && i < last->count; i++) {
		struct config_backend *backend = &to->backends[to->backend_count];

		if (bsearch(&last->members[i].address, to->backends, set_count,
			    sizeof *to->backends, address_compare) != NULL)
			continue;
		backend->address = last->members[i].address;
		backend->weight = last->members[i].weight;
		backend->served = true;
		(void)addr_format(&backend->address, backend->name);
		to->backend_count++;
	}
	return 0;
}

_Static_assert(offsetof(struct config_backend, address) == 0, "backends are sorted by it");

static int
read_vip(const struct taken *taken, const struct item *item, uint32_t index)
{
	struct config_vip *vip = &taken->config.vips[index];
	char text[ADDR_ENDPOINT_TEXT_MAX];
	int r;

	if (!json_check(item->object, vip_fields, item->path, taken->errors) ||
	    !endpoint_read(item->object, item->path, taken->errors, &vip->endpoint))
		return 0;
	snprintf(vip->name, sizeof vip->name, "%s", addr_endpoint_format(&vip->endpoint, text));
	vip->table_size = (uint32_t)json_get_integer(item->object, "table_size", 0);
	r = read_sets(taken, item, vip->table_size, &taken->vips[index]);
	if (taken->vips[index].set_count > 0)
		vip->policy.window_s =
			taken->vips[index].sets[taken->vips[index].set_count - 1].window_s;
	return r < 0 ? r : read_backends(taken, item, &taken->vips[index], vip);
}

/* @return 0; -EINVAL; -ENOMEM. */
static int
read_root(struct taken *taken, const cJSON *root)
{
	const struct json_path list = { .name = "vips" };
	struct json_path path = { .parent = &list };
	const cJSON *array = json_get(root, "vips");
	const cJSON *element;
	uint32_t count;

	if (!json_check(root, root_fields, NULL, taken->errors))
		return -EINVAL;
	count = (uint32_t)cJSON_GetArraySize(array);
	taken->config.vips = calloc((size_t)count + 1, sizeof *taken->config.vips);
	taken->vips = calloc((size_t)count + 1, sizeof *taken->vips);
	if (taken->config.vips == NULL || taken->vips == NULL)
		return -ENOMEM;
	taken->config.vip_count = count;
	cJSON_ArrayForEach (element, array) {
		const struct item item = { element, &path };
		int r = read_vip(taken, &item, path.index);

		if (r < 0)
			return r;
		path.index++;
	}
	return taken->errors->count > 0 ? -EINVAL : 0;
}

/* --- into the model --- */

static int
note(cJSON *notes, const char *text)
{
	return model_view_put(notes, NULL, cJSON_CreateString(text)) ? 0 : -ENOMEM;
}

/* Among backends @p first and on. */
static struct config_backend *
backend_from(const struct config_vip *vip, uint32_t first, const struct addr *address)
{
	for (uint32_t i = first; i < vip->backend_count; i++) {
		if (memcmp(&vip->backends[i].address, address, sizeof *address) == 0)
			return &vip->backends[i];
	}
	return NULL;
}

/* Unlisted ones stand at the end. */
static struct config_backend *
unlisted_of(const struct config_vip *vip, const struct addr *address)
{
	uint32_t first = vip->backend_count;

	while (first > 0 && vip->backends[first - 1].unlisted)
		first--;
	return backend_from(vip, first, address);
}

static const char *
setting_word(const struct config_backend *backend)
{
	return backend->removal != CONFIG_STAYS ? model_removal(backend)
	       : backend->drained		? "drained"
	       : backend->ramping		? "on its way to another weight"
						: "another weight";
}

/* Those of no file, then as now, stay what they were; of others that the file has not any more it
 * is told what ends. */
static int
restore_backend(const struct config_backend *from, const struct config_vip *vip, cJSON *notes)
{
	struct config_backend *to = unlisted_of(vip, &from->address);
	char text[ADDR_TEXT_MAX];
	char line[JSON_MESSAGE_BYTES_MAX];

	(void)addr_format(&from->address, text);
	if (to != NULL && from->unlisted) {
		to->removal = from->removal;
		to->ramping = from->ramping;
		snprintf(line, sizeof line, "%s: backend %s, which is not in the file, stays %s",
			 vip->name, text, model_removal(to));
	} else if (to != NULL) {
		snprintf(line, sizeof line,
			 "%s: backend %s is not in the file any more: removed once drained",
			 vip->name, text);
	} else if (model_is_overlaid(from) && backend_from(vip, 0, &from->address) == NULL) {
		snprintf(line, sizeof line,
			 "%s: backend %s (%s) is not there any more: what was set of it is "
			 "forgotten",
			 vip->name, text, setting_word(from));
	} else {
		return 0;
	}
	return note(notes, line);
}

static struct config_vip *
vip_of(const struct config *config, const struct config_vip *vip)
{
	for (uint32_t i = 0; i < config->vip_count; i++) {
		if (endpoint_compare(&config->vips[i].endpoint, &vip->endpoint) == 0)
			return &config->vips[i];
	}
	return NULL;
}

static int
restore_vip(struct model *model, const struct taken *taken, uint32_t index, cJSON *notes)
{
	const struct config_vip *from = &taken->config.vips[index];
	struct taken_vip *past = &taken->vips[index];
	const struct config_vip *to = vip_of(model->config, from);
	int r = 0;

	for (uint32_t i = 0; to != NULL && r == 0 && i < from->backend_count; i++)
		r = restore_backend(&from->backends[i], to, notes);
	if (r < 0 || to == NULL || past->set_count == 0 || to->table_size != from->table_size)
		return r;
	return history_take(model->history, to, past->sets, past->set_count);
}

static int
restore(struct model *model, const struct taken *taken, const struct state_source *source)
{
	const struct model_notes notes = { .kept = source->notes, .cuts = source->cuts };
	int r = model_carry(&taken->config, model->config, &notes);

	for (uint32_t i = 0; r == 0 && i < taken->config.vip_count; i++)
		r = restore_vip(model, taken, i, source->notes);
	return r;
}

static void
taken_clear(struct taken *taken)
{
	for (uint32_t i = 0; i < taken->config.vip_count; i++) {
		free(taken->config.vips[i].backends);
		for (uint32_t j = 0; j < taken->vips[i].set_count; j++)
			history_set_clear(&taken->vips[i].sets[j]);
	}
	free(taken->config.vips);
	free(taken->vips);
}

int
state_text_take(struct model *model, const struct state_clock *clock,
		const struct state_source *source)
{
	struct taken taken = { .clock = clock, .errors = source->errors };
	cJSON *root = NULL;
	int r = json_read(source->text, source->size, &root, source->errors);

	if (r < 0)
		return r;
	r = read_root(&taken, root);
	cJSON_Delete(root);
	json_errors_locate(source->errors, source->text, source->size);
	if (r == 0)
		r = restore(model, &taken, source);
	taken_clear(&taken);
	return r;
}
