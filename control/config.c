/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three passes: json_read() for the text, one walk for members and single values (config_read_*),
 * then what concerns several objects (config_sets.c). The second and third run whatever the former
 * found, so that one run reports all.
 */
#include "config_sets.h"
#include "config_windows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* docs/formats.md 4.1; primes, so that every backend's walk over a table visits every row. */
static const uint32_t table_sizes[] = { 251,   509,   1021,   2039,   4093,   8191,   16381,
					32749, 65537, 131071, 262139, 524287, 1048573 };

static const struct json_field root_fields[] = {
	{ "$schema", JSON_KIND_STRING, false, 0, 1024 },
	{ "version", JSON_KIND_INTEGER, true, 1, 1 },
	{ "planes", JSON_KIND_ARRAY, true, 1, CONTROL_PLANES_MAX },
	{ "vips", JSON_KIND_ARRAY, true, 0, CONTROL_VIPS_MAX },
	{ NULL },
};

static const struct json_field plane_fields[] = {
	{ "name", JSON_KIND_STRING, true, 1, CONTROL_NAME_BYTES_MAX },
	{ "socket", JSON_KIND_STRING, true, 1, CONTROL_SOCKET_PATH_MAX },
	{ NULL },
};

static const struct json_field vip_fields[] = {
	{ "name", JSON_KIND_STRING, false, 1, CONTROL_OBJECT_NAME_MAX },
	ENDPOINT_FIELDS,
	WINDOWS_FIELDS,
	POLICY_FIELDS,
	{ "table_size", JSON_KIND_INTEGER, false, -JSON_INTEGER_MAX, JSON_INTEGER_MAX },
	{ "backends", JSON_KIND_ARRAY, true, 1, CONTROL_VIP_BACKENDS_MAX },
	{ NULL },
};

static const struct json_field backend_fields[] = {
	{ "address", JSON_KIND_STRING, true, 1, ADDR_TEXT_MAX },
	{ "name", JSON_KIND_STRING, false, 1, CONTROL_OBJECT_NAME_MAX },
	{ "weight", JSON_KIND_INTEGER, false, 0, CONTROL_WEIGHT_MAX },
	{ NULL },
};

/* The walk's own view of one array item. */
struct item {
	const cJSON *object;
	const struct json_path *path;
	struct json_errors *errors;
};

uint32_t
config_table_size_for(uint32_t rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(table_sizes); i++) {
		if (table_sizes[i] >= rows)
			return table_sizes[i];
	}
	return 0;
}

static uint32_t
table_size_nearest(int64_t size)
{
	uint32_t best = table_sizes[0];

	for (size_t i = 0; i < ARRAY_SIZE(table_sizes); i++) {
		if (llabs((int64_t)table_sizes[i] - size) < llabs((int64_t)best - size))
			best = table_sizes[i];
	}
	return best;
}

/* The member as a string, or NULL where json_check() has already said what is wrong. */
static const char *
item_string(const struct item *item, const char *name)
{
	const cJSON *value = json_get(item->object, name);

	return cJSON_IsString(value) ? value->valuestring : NULL;
}

static bool
item_integer(const struct item *item, const char *name, int64_t *ret_value)
{
	const cJSON *value = json_get(item->object, name);

	if (!cJSON_IsNumber(value))
		return false;
	*ret_value = json_get_integer(item->object, name, 0);
	return true;
}

/* Copies a name of the letters that need no quoting anywhere; the length was checked before. */
static void
item_name(const struct item *item, const char *fallback, char ret_name[CONTROL_OBJECT_NAME_MAX + 1])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	const struct json_path path = { .parent = item->path, .name = "name" };
	const char *name = item_string(item, "name");

	if (name == NULL) {
		snprintf(ret_name, CONTROL_OBJECT_NAME_MAX + 1, "%s", fallback);
		return;
	}
	if (name[strspn(name, letters)] != '\0')
		json_error_add(item->errors, &path, "invalid_value",
			       "use the letters a-z A-Z 0-9 . _ - only", "not a name");
	snprintf(ret_name, CONTROL_OBJECT_NAME_MAX + 1, "%s", name);
}

static void
item_address(const struct item *item, struct addr *ret_address)
{
	const struct json_path path = { .parent = item->path, .name = "address" };
	const char *text = item_string(item, "address");
	enum addr_class class;

	if (text == NULL)
		return;
	if (addr_parse(text, ret_address) < 0) {
		json_error_add(item->errors, &path, "invalid_value",
			       "write it as 192.0.2.1 or 2001:db8::1",
			       "not an IPv4 or IPv6 address");
		return;
	}
	class = addr_classify(ret_address);
	if (class != ADDR_USABLE)
		json_error_add(item->errors, &path, "address_not_usable",
			       "use a unicast address that is routed to it",
			       "%s cannot be a backend: the address is %s", text,
			       addr_class_name(class));
}

static void
config_read_plane(const struct item *item, struct config_plane *plane)
{
	const struct json_path path = { .parent = item->path, .name = "socket" };
	char name[CONTROL_OBJECT_NAME_MAX + 1];
	const char *socket = item_string(item, "socket");

	(void)json_check(item->object, plane_fields, item->path, item->errors);
	item_name(item, "", name);
	snprintf(plane->name, sizeof plane->name, "%.*s", CONTROL_NAME_BYTES_MAX, name);
	if (socket == NULL)
		return;
	if (socket[0] != '/')
		json_error_add(item->errors, &path, "invalid_value",
			       "give the whole path, e.g. /run/fairlead/plane0.sock",
			       "not an absolute path");
	snprintf(plane->socket, sizeof plane->socket, "%s", socket);
}

static void
config_read_backend(const struct item *item, struct config_backend *backend)
{
	char text[ADDR_TEXT_MAX];

	(void)json_check(item->object, backend_fields, item->path, item->errors);
	item_address(item, &backend->address);
	item_name(item, addr_format(&backend->address, text), backend->name);
	backend->weight =
		(uint32_t)json_get_integer(item->object, "weight", CONTROL_WEIGHT_DEFAULT);
}

static void
config_read_table_size(const struct item *item, struct config_vip *vip)
{
	const struct json_path path = { .parent = item->path, .name = "table_size" };
	char hint[64];
	int64_t size;

	vip->table_size = CONTROL_TABLE_SIZE_DEFAULT;
	if (!item_integer(item, "table_size", &size))
		return;
	vip->table_size = table_size_nearest(size);
	if (vip->table_size == size)
		return;
	snprintf(hint, sizeof hint, "the nearest valid size is %u", vip->table_size);
	json_error_add(item->errors, &path, "out_of_range", hint,
		       "%lld rows is not one of the valid table sizes", (long long)size);
}

static int
config_read_backends(const struct item *item, struct config_vip *vip)
{
	const struct json_path list = { .parent = item->path, .name = "backends" };
	const cJSON *array = json_get(item->object, "backends");
	const cJSON *object;
	uint32_t count = cJSON_IsArray(array) ? (uint32_t)cJSON_GetArraySize(array) : 0;
	uint32_t index = 0;

	if (count > CONTROL_VIP_BACKENDS_MAX)
		return 0; /* json_check() has said so */
	vip->backends = calloc(count + 1, sizeof *vip->backends);
	if (vip->backends == NULL)
		return -ENOMEM;
	vip->backend_count = count;
	cJSON_ArrayForEach (object, array) {
		const struct json_path path = { .parent = &list, .index = index };
		const struct item backend = { object, &path, item->errors };

		config_read_backend(&backend, &vip->backends[index]);
		index++;
	}
	return 0;
}

static int
config_read_vip(const struct item *item, struct config_vip *vip)
{
	char text[ADDR_ENDPOINT_TEXT_MAX];
	bool is_policy;

	(void)json_check(item->object, vip_fields, item->path, item->errors);
	(void)endpoint_read(item->object, item->path, item->errors, &vip->endpoint);
	is_policy = policy_read(item->object, item->path, item->errors, &vip->policy);
	config_windows_read(item->object, item->path, item->errors, vip);
	/* With its defaults it might seem to conflict with others. */
	if (!is_policy)
		vip->endpoint.protocol = 0;
	item_name(item, addr_endpoint_format(&vip->endpoint, text), vip->name);
	config_read_table_size(item, vip);
	return config_read_backends(item, vip);
}

static int
config_read_vips(const cJSON *root, struct config *config, struct json_errors *errors)
{
	const struct json_path list = { .name = "vips" };
	const cJSON *array = json_get(root, "vips");
	const cJSON *object;
	uint32_t count = cJSON_IsArray(array) ? (uint32_t)cJSON_GetArraySize(array) : 0;

	if (count > CONTROL_VIPS_MAX)
		return 0;
	config->vips = calloc(count + 1, sizeof *config->vips);
	if (config->vips == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach (object, array) {
		struct config_vip *vip = &config->vips[config->vip_count];
		const struct json_path path = { .parent = &list, .index = config->vip_count };
		const struct item item = { object, &path, errors };

		config->vip_count++;
		if (config_read_vip(&item, vip) < 0)
			return -ENOMEM;
		config->backend_total += vip->backend_count;
	}
	return 0;
}

static void
config_read_planes(const cJSON *root, struct config *config, struct json_errors *errors)
{
	const struct json_path list = { .name = "planes" };
	const cJSON *array = json_get(root, "planes");
	const cJSON *object;

	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > CONTROL_PLANES_MAX)
		return;
	cJSON_ArrayForEach (object, array) {
		const struct json_path path = { .parent = &list, .index = config->plane_count };
		const struct item item = { object, &path, errors };

		config_read_plane(&item, &config->planes[config->plane_count++]);
	}
}

static int
error_compare(const void *left, const void *right)
{
	const struct json_error *a = left;
	const struct json_error *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return strcmp(a->message, b->message);
}

static void
errors_finish(const struct config_source *source, struct json_errors *errors)
{
	json_errors_locate(errors, source->text, source->size);
	qsort(errors->items, errors->count, sizeof errors->items[0], error_compare);
}

/* The text itself is kept: a plane may refuse a value later, and its place is told then. */
static int
config_keep_source(struct config *config, const struct config_source *source)
{
	config->text = malloc(source->size + 1);
	config->file = strdup(source->file);
	if (config->text == NULL || config->file == NULL)
		return -ENOMEM;
	memcpy(config->text, source->text, source->size);
	config->text[source->size] = '\0';
	config->text_size = source->size;
	return 0;
}

int
config_parse(const struct config_source *source, struct config **ret_config)
{
	struct config *config = NULL;
	cJSON *root = NULL;
	int r;

	r = json_read(source->text, source->size, &root, source->errors);
	if (r < 0)
		return r;
	r = -ENOMEM;
	config = calloc(1, sizeof *config);
	if (config == NULL || config_keep_source(config, source) < 0)
		goto fail;
	(void)json_check(root, root_fields, NULL, source->errors);
	config_read_planes(root, config, source->errors);
	if (config_read_vips(root, config, source->errors) < 0 ||
	    config_check_sets(config, source) < 0)
		goto fail;
	errors_finish(source, source->errors);
	errors_finish(source, source->warnings);
	r = -EINVAL;
	if (source->errors->count > 0)
		goto fail;
	cJSON_Delete(root);
	*ret_config = config;
	return 0;
fail:
	cJSON_Delete(root);
	config_destroy(config);
	return r;
}

static int
vip_copy(const struct config_vip *vip, struct config_vip *copy)
{
	*copy = *vip;
	copy->backends = calloc(vip->backend_count + 1, sizeof *copy->backends);
	if (copy->backends == NULL)
		return -ENOMEM;
	memcpy(copy->backends, vip->backends, vip->backend_count * sizeof *copy->backends);
	return 0;
}

int
config_copy(const struct config *config, struct config **ret_copy)
{
	const struct config_source source = { config->text, config->text_size, config->file, NULL,
					      NULL };
	struct config *copy = calloc(1, sizeof *copy);

	if (copy == NULL)
		return -ENOMEM;
	copy->plane_count = config->plane_count;
	memcpy(copy->planes, config->planes, sizeof copy->planes);
	copy->backend_total = config->backend_total;
	copy->vips = calloc(config->vip_count + 1, sizeof *copy->vips);
	if (copy->vips == NULL || config_keep_source(copy, &source) < 0)
		goto fail;
	for (; copy->vip_count < config->vip_count; copy->vip_count++) {
		if (vip_copy(&config->vips[copy->vip_count], &copy->vips[copy->vip_count]) < 0)
			goto fail;
	}
	*ret_copy = copy;
	return 0;
fail:
	config_destroy(copy);
	return -ENOMEM;
}

void
config_destroy(struct config *config)
{
	if (config == NULL)
		return;
	for (uint32_t i = 0; i < config->vip_count; i++)
		free(config->vips[i].backends);
	free(config->vips);
	free(config->text);
	free(config->file);
	free(config);
}

struct config_vip *
config_find_vip(const struct config *config, const char *name)
{
	struct addr_endpoint endpoint;
	bool is_endpoint = addr_endpoint_parse(name, &endpoint) == 0;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		struct config_vip *vip = &config->vips[i];

		if (strcmp(vip->name, name) == 0 ||
		    (is_endpoint && endpoint_compare(&vip->endpoint, &endpoint) == 0))
			return vip;
	}
	return NULL;
}

struct config_backend *
config_find_backend(const struct config_vip *vip, const char *name)
{
	struct addr address;
	bool is_address = addr_parse(name, &address) == 0;

	for (uint32_t i = 0; i < vip->backend_count; i++) {
		struct config_backend *backend = &vip->backends[i];

		if (strcmp(backend->name, name) == 0 ||
		    (is_address && memcmp(&backend->address, &address, sizeof address) == 0))
			return backend;
	}
	return NULL;
}

char *
config_error_format(const struct json_error *error, const char *file, const char *severity,
		    char line[CONFIG_LINE_BYTES_MAX])
{
	char position[32] = "";

	if (error->line > 0)
		snprintf(position, sizeof position, "%u:%u:", error->line, error->column);
	snprintf(line, CONFIG_LINE_BYTES_MAX, "%.256s:%s %s: %s%s%s%s%s", file, position, severity,
		 error->pointer, error->pointer[0] != '\0' ? ": " : "", error->message,
		 error->hint[0] != '\0' ? "; " : "", error->hint);
	return line;
}
