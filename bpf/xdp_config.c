/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_config.h"

#include <errno.h>
#include <string.h>

#define OTHER_PLANE "fairlead-dpdk"

static const struct json_field root_fields[] = {
	PLANE_FILE_FIELDS,
	{ "cores", .elsewhere = OTHER_PLANE },
	{ "hugepages", .elsewhere = OTHER_PLANE },
	{ "memory_mb", .elsewhere = OTHER_PLANE },
	{ "tables_dir", .elsewhere = OTHER_PLANE },
	{ NULL },
};

static const struct json_field port_fields[] = {
	PLANE_FILE_PORT_FIELDS,
	{ "interface", JSON_KIND_STRING, true, 1, IFNAMSIZ - 1 },
	{ "mode", JSON_KIND_STRING, false, 1, 16 },
	{ "device", .elsewhere = OTHER_PLANE },
	{ "descriptors", .elsewhere = OTHER_PLANE },
	{ "host", .elsewhere = OTHER_PLANE },
	{ "tap", .elsewhere = OTHER_PLANE },
	{ "gateway_mac", .elsewhere = OTHER_PLANE },
	{ "gateway_for", .elsewhere = OTHER_PLANE },
	{ NULL },
};

/** What the kernel takes for a name, and nothing that would be a path in /sys. */
static bool
interface_valid(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strpbrk(name, "/: \t\n\v\f\r") == NULL;
}

static void
read_interface(const cJSON *object, const struct json_path *port_path,
	       struct xdp_config_file *config, struct json_errors *errors)
{
	const struct json_path path = { port_path, "interface", 0 };
	struct xdp_config_port *port = &config->ports[config->port_count];

	plane_file_copy(port->interface, sizeof port->interface,
			json_get_string(object, "interface", ""));
	if (!interface_valid(port->interface))
		json_error_add(errors, &path, "invalid_value", "write it as \"ip link\" shows it",
			       "\"%s\" cannot be an interface's name", port->interface);
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (port->interface[0] != '\0' &&
		    strcmp(config->ports[i].interface, port->interface) == 0)
			json_error_add(errors, &path, "invalid_value",
				       "give each port an interface of its own",
				       "port \"%s\" has the interface %s already",
				       config->ports[i].common.name, port->interface);
	}
}

static void
read_port(const cJSON *object, const struct json_path *path, struct xdp_config_file *config,
	  struct json_errors *errors)
{
	const char *mode = json_get_string(object, "mode", "native");
	struct xdp_config_port *port = &config->ports[config->port_count];

	if (!json_check(object, port_fields, path, errors) && !cJSON_IsObject(object))
		return;
	plane_file_read_port(object, path, &port->common, errors);
	for (uint32_t i = 0; i < config->port_count; i++)
		plane_file_compare_ports(&config->ports[i].common, &port->common, path, errors);
	read_interface(object, path, config, errors);
	port->is_generic = strcmp(mode, "generic") == 0;
	if (!port->is_generic && strcmp(mode, "native") != 0)
		json_error_add(errors, &(struct json_path){ path, "mode", 0 }, "invalid_value",
			       "use native or generic", "\"%s\" is not a way to attach", mode);
}

static void
read_root(const cJSON *root, struct xdp_config_file *config, struct json_errors *errors)
{
	const struct json_path ports_path = { NULL, "ports", 0 };
	const cJSON *ports = json_get(root, "ports"), *item;

	if (!json_check(root, root_fields, NULL, errors) && !cJSON_IsObject(root))
		return;
	plane_file_read(root, &config->file, errors);
	if (!cJSON_IsArray(ports))
		return;
	cJSON_ArrayForEach (item, ports) {
		if (config->port_count == FL_PORTS_MAX)
			break; /* json_check() said so */
		read_port(item, &(struct json_path){ &ports_path, NULL, config->port_count },
			  config, errors);
		config->port_count++;
	}
}

int
xdp_config_parse(const char *text, size_t size, struct xdp_config_file *ret_config,
		 struct json_errors *errors)
{
	cJSON *root;
	int r = json_read(text, size, &root, errors);

	if (r < 0)
		return r;
	*ret_config = (struct xdp_config_file){ 0 };
	read_root(root, ret_config, errors);
	json_errors_locate(errors, text, size);
	cJSON_Delete(root);
	return errors->count > 0 ? -EINVAL : 0;
}
