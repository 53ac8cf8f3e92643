/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_read() checks the text, json_check() the members of each object, the functions here what a
 * member means. They run on whatever is there, so that one run reports all.
 */
#include <errno.h>
#include <string.h>

#include "config_ports.h"
#include "memory.h"

enum {
	MEMORY_MB_DEFAULT = 256,
};

static const struct json_field root_fields[] = {
	PLANE_FILE_FIELDS,
	{ "cores", JSON_KIND_OBJECT, true, 0, 0 },
	{ "hugepages", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ "memory_mb", JSON_KIND_INTEGER, false, 64, 1048576 },
	{ "tables_dir", JSON_KIND_STRING, false, 1, PLANE_FILE_PATH_BYTES_MAX - 1 },
	{ NULL },
};

static const struct json_field cores_fields[] = {
	{ "main", JSON_KIND_INTEGER, true, 0, CONFIG_CPU_MAX },
	{ "workers", JSON_KIND_ARRAY, true, 1, FL_WORKERS_MAX },
	{ NULL },
};

/* The walk: the document, what it becomes, what is wrong with it. */
struct reading {
	const cJSON *root;
	struct config *config;
	struct json_errors *errors;
};

static void
read_worker(struct reading *reading, const cJSON *item, const struct json_path *path)
{
	struct config *config = reading->config;

	if (!cJSON_IsNumber(item)) {
		json_error_add(reading->errors, path, "wrong_type", "write a CPU number, e.g. 2",
			       "must be an integer");
		return;
	}
	if (item->valuedouble < 0 || item->valuedouble > CONFIG_CPU_MAX) {
		json_error_add(reading->errors, path, "out_of_range", NULL,
			       "must be between 0 and %d", CONFIG_CPU_MAX);
		return;
	}
	for (uint32_t i = 0; i < config->worker_count; i++) {
		if (config->worker_cores[i] == (uint16_t)item->valuedouble) {
			json_error_add(reading->errors, path, "invalid_value",
				       "give each worker a CPU of its own",
				       "CPU %u is listed twice", config->worker_cores[i]);
			return;
		}
	}
	config->worker_cores[config->worker_count++] = (uint16_t)item->valuedouble;
}

static void
read_cores(struct reading *reading)
{
	const struct json_path path = { NULL, "cores", 0 };
	const struct json_path workers_path = { &path, "workers", 0 };
	const cJSON *cores = json_get(reading->root, "cores");
	const cJSON *workers = json_get(cores, "workers"), *item;
	struct config *config = reading->config;
	uint32_t index = 0;

	if (!cJSON_IsObject(cores))
		return;
	(void)json_check(cores, cores_fields, &path, reading->errors);
	config->main_core = (uint16_t)json_get_integer(cores, "main", 0);
	if (!cJSON_IsArray(workers))
		return;
	cJSON_ArrayForEach (item, workers) {
		if (index >= FL_WORKERS_MAX)
			break; /* json_check() said so */
		read_worker(reading, item, &(struct json_path){ &workers_path, NULL, index++ });
	}
}

static void
read_memory(struct reading *reading)
{
	struct config *config = reading->config;
	uint64_t needed_mb;

	config->hugepages = json_get_boolean(reading->root, "hugepages", true);
	config->memory_mb =
		(uint32_t)json_get_integer(reading->root, "memory_mb", MEMORY_MB_DEFAULT);
	if (reading->errors->count > 0)
		return; /* the sum would be of wrong numbers */
	needed_mb = memory_needed_mb(config);
	if (config->memory_mb < needed_mb)
		json_error_add(
			reading->errors, &(struct json_path){ NULL, "memory_mb", 0 },
			"out_of_range", "raise it, or lower limits, descriptors or workers",
			"%u MiB is too little: counters need %llu MiB and packet buffers %llu "
			"MiB, with DPDK's own %llu MiB in all",
			config->memory_mb, (unsigned long long)(memory_counter_bytes(config) >> 20),
			(unsigned long long)(memory_buffer_bytes(config) >> 20),
			(unsigned long long)needed_mb);
}

static void
read_tables_dir(struct reading *reading)
{
	struct config *config = reading->config;

	plane_file_copy(config->tables_dir, sizeof config->tables_dir,
			json_get_string(reading->root, "tables_dir", ""));
	if (config->tables_dir[0] != '\0' && config->tables_dir[0] != '/')
		json_error_add(reading->errors, &(struct json_path){ NULL, "tables_dir", 0 },
			       "invalid_value", "write the whole path, from / on",
			       "\"%s\" is not an absolute path", config->tables_dir);
}

static void
read_root(struct reading *reading)
{
	const cJSON *ports = json_get(reading->root, "ports");

	if (!json_check(reading->root, root_fields, NULL, reading->errors) &&
	    !cJSON_IsObject(reading->root))
		return;
	plane_file_read(reading->root, &reading->config->file, reading->errors);
	read_tables_dir(reading);
	read_cores(reading);
	if (cJSON_IsArray(ports))
		config_read_ports(ports, &(struct json_path){ NULL, "ports", 0 }, reading->config,
				  reading->errors);
	read_memory(reading);
}

int
config_parse(const char *text, size_t size, struct config *ret_config, struct json_errors *errors)
{
	cJSON *root;
	int r = json_read(text, size, &root, errors);
	struct reading reading = { .config = ret_config, .errors = errors };

	if (r < 0)
		return r;
	*ret_config = (struct config){ 0 };
	reading.root = root;
	read_root(&reading);
	json_errors_locate(errors, text, size);
	cJSON_Delete(root);
	return errors->count > 0 ? -EINVAL : 0;
}

bool
config_has_af_xdp(const struct config *config)
{
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (config->ports[i].is_af_xdp)
			return true;
	}
	return false;
}
