/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_read() checks the text, json_check() the members of each object, the functions here what a
 * member means. They run on whatever is there, so that one run reports all.
 */
#include <errno.h>
#include <string.h>

#include "config_ports.h"
#include "log.h"
#include "memory.h"

enum {
	MEMORY_MB_DEFAULT = 256,
	VIPS_DEFAULT = 1024,
	BACKENDS_DEFAULT = 65536,
	ROWS_DEFAULT = 8388608,
};

#define PIN_DIR_DEFAULT	     "/sys/fs/bpf/fairlead"
#define SOCKET_DIR_DEFAULT   "/run/fairlead"
#define CONTROL_USER_DEFAULT "fairlead"

static const struct json_field root_fields[] = {
	{ "version", JSON_KIND_INTEGER, true, 1, 1 },
	{ "name", JSON_KIND_STRING, true, 1, PLANE_NAME_BYTES_MAX - 1 },
	{ "socket", JSON_KIND_STRING, false, 1, CONFIG_SOCKET_BYTES_MAX - 1 },
	{ "control_user", JSON_KIND_STRING, false, 1, CONFIG_USER_BYTES_MAX - 1 },
	{ "key_file", JSON_KIND_STRING, true, 1, CONFIG_PATH_BYTES_MAX - 1 },
	{ "cores", JSON_KIND_OBJECT, true, 0, 0 },
	{ "hugepages", JSON_KIND_BOOLEAN, false, 0, 0 },
	{ "memory_mb", JSON_KIND_INTEGER, false, 64, 1048576 },
	{ "log_level", JSON_KIND_STRING, false, 1, 16 },
	{ "pin_dir", JSON_KIND_STRING, false, 1, CONFIG_PATH_BYTES_MAX - 1 },
	{ "encap_source_ipv4", JSON_KIND_STRING, false, 1, ADDR_TEXT_MAX - 1 },
	{ "encap_source_ipv6", JSON_KIND_STRING, false, 1, ADDR_TEXT_MAX - 1 },
	{ "limits", JSON_KIND_OBJECT, false, 0, 0 },
	{ "ports", JSON_KIND_ARRAY, true, 1, FL_PORTS_MAX },
	{ NULL },
};

static const struct json_field cores_fields[] = {
	{ "main", JSON_KIND_INTEGER, true, 0, CONFIG_CPU_MAX },
	{ "workers", JSON_KIND_ARRAY, true, 1, FL_WORKERS_MAX },
	{ NULL },
};

static const struct json_field limits_fields[] = {
	{ "vips", JSON_KIND_INTEGER, false, 1, 65536 },
	{ "backends", JSON_KIND_INTEGER, false, 1, FL_SLOTS_MAX },
	{ "rows", JSON_KIND_INTEGER, false, 251, 268435456 },
	{ NULL },
};

/* The walk: the document, what it becomes, what is wrong with it. */
struct reading {
	const cJSON *root;
	struct config *config;
	struct json_errors *errors;
};

bool
config_name_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return name[0] != '\0' && strchr("._-", name[0]) == NULL &&
	       strspn(name, letters) == strlen(name);
}

void
config_copy(char *to, size_t size, const char *from)
{
	size_t bytes = strnlen(from, size - 1);

	memcpy(to, from, bytes);
	to[bytes] = '\0';
}

static void
read_names(struct reading *reading)
{
	struct config *config = reading->config;
	const char *name = json_get_string(reading->root, "name", "");
	const char *socket_path = json_get_string(reading->root, "socket", NULL);
	const char *pin_dir = json_get_string(reading->root, "pin_dir", PIN_DIR_DEFAULT);

	config_copy(config->name, sizeof config->name, name);
	if (name[0] != '\0' && !config_name_valid(name))
		json_error_add(reading->errors, &(struct json_path){ NULL, "name", 0 },
			       "invalid_value",
			       "use letters, digits and . _ -, a letter or digit first",
			       "\"%s\" cannot be a plane's name", name);
	if (socket_path != NULL)
		config_copy(config->socket_path, sizeof config->socket_path, socket_path);
	else
		(void)snprintf(config->socket_path, sizeof config->socket_path,
			       SOCKET_DIR_DEFAULT "/%.32s.sock", name);
	config_copy(config->key_file, sizeof config->key_file,
		    json_get_string(reading->root, "key_file", ""));
	config_copy(config->pin_dir, sizeof config->pin_dir, pin_dir);
	config_copy(config->control_user, sizeof config->control_user,
		    json_get_string(reading->root, "control_user", CONTROL_USER_DEFAULT));
}

/** Members that are paths and must not depend on the directory that the program was started in. */
static void
check_absolute(struct reading *reading, const char *name)
{
	const char *path = json_get_string(reading->root, name, "/");

	if (path[0] != '/')
		json_error_add(reading->errors, &(struct json_path){ NULL, name, 0 },
			       "invalid_value", "write the whole path, from / on",
			       "\"%s\" is not an absolute path", path);
}

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
read_limits(struct reading *reading)
{
	const cJSON *limits = json_get(reading->root, "limits");
	struct plane_limits *out = &reading->config->limits;

	if (cJSON_IsObject(limits))
		(void)json_check(limits, limits_fields, &(struct json_path){ NULL, "limits", 0 },
				 reading->errors);
	out->vips = (uint32_t)json_get_integer(limits, "vips", VIPS_DEFAULT);
	out->backends = (uint32_t)json_get_integer(limits, "backends", BACKENDS_DEFAULT);
	out->rows = (uint32_t)json_get_integer(limits, "rows", ROWS_DEFAULT);
}

/** An outer source address. @return true when it is there and good. */
static bool
read_source(struct reading *reading, const char *name, bool is_ipv4, struct addr *ret_address)
{
	const char *text = json_get_string(reading->root, name, NULL);
	const struct json_path path = { NULL, name, 0 };
	enum addr_class class;

	if (text == NULL)
		return false;
	if (addr_parse(text, ret_address) < 0 || addr_is_ipv4(ret_address) != is_ipv4) {
		json_error_add(reading->errors, &path, "invalid_value", NULL,
			       "\"%s\" is not an %s address", text, is_ipv4 ? "IPv4" : "IPv6");
		return false;
	}
	class = addr_classify(ret_address);
	if (class == ADDR_USABLE)
		return true;
	json_error_add(reading->errors, &path, "address_not_usable",
		       "write an address of this machine that the backends know",
		       "%s is %s: it cannot be the source of packets", text,
		       addr_class_name(class));
	return false;
}

static void
read_sources(struct reading *reading)
{
	struct config *config = reading->config;

	config->has_source_ipv4 =
		read_source(reading, "encap_source_ipv4", true, &config->source_ipv4);
	config->has_source_ipv6 =
		read_source(reading, "encap_source_ipv6", false, &config->source_ipv6);
	if (json_get(reading->root, "encap_source_ipv4") == NULL &&
	    json_get(reading->root, "encap_source_ipv6") == NULL)
		json_error_add(reading->errors, NULL, "missing_member",
			       "add the address that packets to backends shall come from",
			       "needs \"encap_source_ipv4\" or \"encap_source_ipv6\"");
}

static void
read_log_level(struct reading *reading)
{
	const char *name = json_get_string(reading->root, "log_level", "notice");

	reading->config->log_level = log_level_parse(name);
	if (reading->config->log_level < 0)
		json_error_add(reading->errors, &(struct json_path){ NULL, "log_level", 0 },
			       "invalid_value", "use error, warning, notice, info or debug",
			       "\"%s\" is not a log level", name);
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
		json_error_add(reading->errors, &(struct json_path){ NULL, "memory_mb", 0 },
			       "out_of_range", "raise it, or lower limits, descriptors or workers",
			       "%u MiB is too little: tables need %llu MiB and packet buffers %llu "
			       "MiB, with DPDK's own %llu MiB in all",
			       config->memory_mb,
			       (unsigned long long)(memory_table_bytes(config) >> 20),
			       (unsigned long long)(memory_buffer_bytes(config) >> 20),
			       (unsigned long long)needed_mb);
}

static void
read_root(struct reading *reading)
{
	const cJSON *ports = json_get(reading->root, "ports");

	if (!json_check(reading->root, root_fields, NULL, reading->errors) &&
	    !cJSON_IsObject(reading->root))
		return;
	read_names(reading);
	check_absolute(reading, "socket");
	check_absolute(reading, "key_file");
	check_absolute(reading, "pin_dir");
	read_cores(reading);
	read_limits(reading);
	read_sources(reading);
	read_log_level(reading);
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

void
config_print_errors(const struct json_errors *errors, const char *file, FILE *stream)
{
	for (uint32_t i = 0; i < errors->count; i++) {
		const struct json_error *error = &errors->items[i];

		(void)fprintf(stream, "%s:%u:%u: error: %s%s%s%s%s\n", file, error->line,
			      error->column, error->pointer, error->pointer[0] ? ": " : "",
			      error->message, error->hint[0] ? "; " : "", error->hint);
	}
	if (errors->dropped > 0)
		(void)fprintf(stream, "%s: and %u more\n", file, errors->dropped);
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
