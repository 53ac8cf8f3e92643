/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_ports.h"

enum {
	DESCRIPTORS_DEFAULT = 1024,
	DESCRIPTORS_MIN = 64,
	DESCRIPTORS_MAX = 8192,
	PCI_ADDRESS_BYTES = 12, /* 0000:3b:00.1 */
};

#define AF_XDP_DRIVER "net_af_xdp"

static const struct json_field port_fields[] = {
	PLANE_FILE_PORT_FIELDS,
	{ "device", JSON_KIND_STRING, true, 1, CONFIG_DEVICE_BYTES_MAX - 6 }, /* + a PCI domain */
	{ "descriptors", JSON_KIND_INTEGER, false, DESCRIPTORS_MIN, DESCRIPTORS_MAX },
	{ "host", JSON_KIND_STRING, false, 1, 16 },
	{ "tap", JSON_KIND_STRING, false, 1, IFNAMSIZ - 1 },
	{ "gateway_mac", JSON_KIND_STRING, false, 1, 17 },
	{ "gateway_for", JSON_KIND_ARRAY, false, 1, PLANE_GATEWAY_PREFIXES_MAX },
	{ "interface", .elsewhere = "fairlead-xdp" },
	{ "mode", .elsewhere = "fairlead-xdp" },
	{ NULL },
};

/* One port being read. */
struct reading {
	const cJSON *object;
	const struct json_path *path;
	struct config_port *port;
	const struct config *config; /* with the ports before this one */
	struct json_errors *errors;
};

static struct json_path
member(const struct reading *reading, const char *name)
{
	return (struct json_path){ reading->path, name, 0 };
}

/** "0000:3b:00.1", the domain may be missing: the form of a PCI address. */
static bool
is_pci_address(const char *text)
{
	static const char *const forms[] = { "xxxx:xx:xx.x", "xx:xx.x" };

	for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
		size_t i = 0;

		while (forms[f][i] != '\0' &&
		       (forms[f][i] == 'x' ? text[i] != '\0' && strchr("0123456789abcdefABCDEF",
								       text[i]) != NULL
					   : text[i] == forms[f][i]))
			i++;
		if (forms[f][i] == '\0' && (text[i] == '\0' || text[i] == ','))
			return true;
	}
	return false;
}

/** The value of @p name in a device string `driver,name=value,...`. @return false: it is not there.
 */
static bool
device_argument(const char *device, const char *name, char *ret_value, size_t size)
{
	size_t name_bytes = strlen(name);

	for (const char *at = strchr(device, ','); at != NULL; at = strchr(at + 1, ',')) {
		if (strncmp(at + 1, name, name_bytes) == 0 && at[1 + name_bytes] == '=') {
			const char *value = at + 2 + name_bytes;
			size_t bytes = strcspn(value, ",");

			if (bytes >= size)
				bytes = size - 1;
			memcpy(ret_value, value, bytes);
			ret_value[bytes] = '\0';
			return true;
		}
	}
	return false;
}

static void
read_af_xdp(struct reading *reading)
{
	const struct json_path path = member(reading, "device");
	static const char *const ours[] = { "xdp_prog", "queue_count" };
	struct config_port *port = reading->port;
	char value[CONFIG_DEVICE_BYTES_MAX];

	if (!device_argument(port->device, "iface", value, sizeof value) || value[0] == '\0' ||
	    strlen(value) >= sizeof port->interface)
		json_error_add(reading->errors, &path, "invalid_value",
			       "write it as net_af_xdp0,iface=eth0",
			       "names no network interface (at most 15 bytes)");
	else
		plane_file_copy(port->interface, sizeof port->interface, value);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		if (device_argument(port->device, ours[i], value, sizeof value))
			json_error_add(reading->errors, &path, "invalid_value", "leave it out",
				       "\"%s\" is set by the plane itself", ours[i]);
	}
	if (device_argument(port->device, "start_queue", value, sizeof value)) {
		char *end;
		unsigned long queue = strtoul(value, &end, 10);

		if (value[0] < '0' || value[0] > '9' || *end != '\0' || queue >= FL_WORKERS_MAX)
			json_error_add(reading->errors, &path, "invalid_value", NULL,
				       "start_queue must be between 0 and %u", FL_WORKERS_MAX - 1);
		else
			port->start_queue = (uint32_t)queue;
	}
}

static void
check_device_unique(struct reading *reading)
{
	const struct config_port *port = reading->port;
	const struct json_path path = member(reading, "device");
	size_t bytes = strcspn(port->device, ",");

	for (uint32_t i = 0; i < reading->config->port_count; i++) {
		const struct config_port *other = &reading->config->ports[i];

		if (strcspn(other->device, ",") == bytes &&
		    strncmp(other->device, port->device, bytes) == 0)
			json_error_add(reading->errors, &path, "invalid_value",
				       "number them: net_af_xdp0, net_af_xdp1, ...",
				       "port \"%s\" has the device \"%.*s\" already",
				       other->common.name, (int)bytes, port->device);
		else if (port->is_af_xdp && other->is_af_xdp &&
			 strcmp(port->interface, other->interface) == 0)
			json_error_add(reading->errors, &path, "invalid_value",
				       "give each port an interface of its own",
				       "port \"%s\" has the interface %s already",
				       other->common.name, port->interface);
	}
}

static void
read_device(struct reading *reading)
{
	struct config_port *port = reading->port;
	const char *device = json_get_string(reading->object, "device", "");
	const struct json_path path = member(reading, "device");

	port->is_pci = is_pci_address(device);
	(void)snprintf(port->device, sizeof port->device, "%s%s",
		       port->is_pci && device[2] == ':' ? "0000:" : "", device);
	if (device[0] == '\0')
		return; /* json_check() said so */
	for (size_t i = 0; port->is_pci && i < PCI_ADDRESS_BYTES; i++)
		port->device[i] =
			(char)tolower((unsigned char)port->device[i]); /* as DPDK names it */
	port->is_af_xdp = strncmp(device, AF_XDP_DRIVER, strlen(AF_XDP_DRIVER)) == 0;
	if (!port->is_pci && strncmp(device, "net_", 4) != 0)
		json_error_add(reading->errors, &path, "invalid_value",
			       "write 0000:3b:00.0, or net_af_xdp0,iface=eth0",
			       "is neither a PCI address nor the string of a DPDK network device");
	if (port->is_af_xdp)
		read_af_xdp(reading);
	check_device_unique(reading);
}

static void
read_tap(struct reading *reading)
{
	struct config_port *port = reading->port;
	const char *tap = json_get_string(reading->object, "tap", NULL);
	const struct json_path path = member(reading, "tap");
	char made[PLANE_NAME_BYTES_MAX + 3];

	if (port->host != CONFIG_HOST_TAP) {
		if (tap != NULL)
			json_error_add(reading->errors, &path, "invalid_value", "leave it out",
				       "only a port with \"host\": \"tap\" has one");
		return;
	}
	(void)snprintf(made, sizeof made, "fl-%.32s", port->common.name);
	if (tap == NULL)
		tap = made;
	if (strlen(tap) >= sizeof port->tap || strcspn(tap, "/: ,=") != strlen(tap) ||
	    strcmp(tap, ".") == 0 || strcmp(tap, "..") == 0)
		json_error_add(reading->errors, tap == made ? reading->path : &path,
			       "invalid_value", "set \"tap\" to a name of at most 15 bytes",
			       "\"%s\" cannot be the name of a network interface", tap);
	else
		plane_file_copy(port->tap, sizeof port->tap, tap);
	for (uint32_t i = 0; i < reading->config->port_count; i++) {
		if (port->tap[0] != '\0' && strcmp(reading->config->ports[i].tap, port->tap) == 0)
			json_error_add(reading->errors, tap == made ? reading->path : &path,
				       "invalid_value", "set \"tap\" to another name",
				       "port \"%s\" has the TAP %s already",
				       reading->config->ports[i].common.name, port->tap);
	}
}

static void
read_host(struct reading *reading)
{
	static const char *const names[] = { "kernel", "tap", "drop" };
	struct config_port *port = reading->port;
	const struct json_path path = member(reading, "host");
	const char *host =
		json_get_string(reading->object, "host", port->is_af_xdp ? "kernel" : "tap");
	size_t i = 0;

	while (i < sizeof names / sizeof names[0] && strcmp(names[i], host) != 0)
		i++;
	port->host = (enum config_host)i;
	if (i == sizeof names / sizeof names[0])
		json_error_add(reading->errors, &path, "invalid_value", "use kernel, tap or drop",
			       "\"%s\" is not a host path", host);
	else if (port->is_af_xdp && port->host != CONFIG_HOST_KERNEL)
		json_error_add(reading->errors, &path, "invalid_value", "leave it out",
			       "a net_af_xdp port leaves host packets to the kernel");
	else if (!port->is_af_xdp && port->host == CONFIG_HOST_KERNEL)
		json_error_add(reading->errors, &path, "invalid_value", "use tap or drop",
			       "the port has no kernel interface");
	else
		read_tap(reading);
}

static void
read_gateway_for(struct reading *reading)
{
	const struct json_path path = member(reading, "gateway_for");
	const cJSON *prefixes = json_get(reading->object, "gateway_for"), *item;
	struct config_port *port = reading->port;
	struct addr_prefix prefix;
	uint32_t index = 0;

	if (!cJSON_IsArray(prefixes))
		return;
	if (!port->has_gateway)
		json_error_add(reading->errors, &path, "invalid_value",
			       "add \"gateway_mac\", or leave it out",
			       "has no meaning without \"gateway_mac\"");
	cJSON_ArrayForEach (item, prefixes) {
		const struct json_path item_path = { &path, NULL, index++ };

		if (port->gateway_for_count == PLANE_GATEWAY_PREFIXES_MAX)
			break; /* json_check() said so */
		if (cJSON_IsString(item) && addr_prefix_parse(item->valuestring, &prefix) == 0)
			port->gateway_for[port->gateway_for_count++] = prefix;
		else
			json_error_add(reading->errors, &item_path, "invalid_value",
				       "write it as 10.1.0.0/16 or 2001:db8::/32",
				       "is not a prefix, or has bits set beyond its length");
	}
}

static void
read_gateway(struct reading *reading)
{
	const struct json_path path = member(reading, "gateway_mac");
	const char *mac = json_get_string(reading->object, "gateway_mac", NULL);
	struct config_port *port = reading->port;
	static const uint8_t zero[6];

	if (mac != NULL && port->host != CONFIG_HOST_DROP)
		json_error_add(reading->errors, &path, "invalid_value",
			       "set \"host\" to \"drop\", or leave it out",
			       "the port has a kernel interface, whose routes say the next hop");
	else if (mac != NULL &&
		 (addr_mac_parse(mac, port->gateway_mac) < 0 || (port->gateway_mac[0] & 1) != 0 ||
		  memcmp(port->gateway_mac, zero, sizeof zero) == 0))
		json_error_add(reading->errors, &path, "invalid_value",
			       "write it as 02:00:5e:00:00:01",
			       "\"%s\" is not the MAC address of one machine", mac);
	port->has_gateway = mac != NULL;
	read_gateway_for(reading);
}

static void
read_port(struct reading *reading)
{
	struct config_port *port = reading->port;
	int64_t descriptors;

	if (!json_check(reading->object, port_fields, reading->path, reading->errors) &&
	    !cJSON_IsObject(reading->object))
		return;
	plane_file_read_port(reading->object, reading->path, &port->common, reading->errors);
	for (uint32_t i = 0; i < reading->config->port_count; i++)
		plane_file_compare_ports(&reading->config->ports[i].common, &port->common,
					 reading->path, reading->errors);
	descriptors = json_get_integer(reading->object, "descriptors", DESCRIPTORS_DEFAULT);
	if (descriptors >= DESCRIPTORS_MIN && descriptors <= DESCRIPTORS_MAX &&
	    (descriptors & (descriptors - 1)) != 0)
		json_error_add(reading->errors,
			       &(struct json_path){ reading->path, "descriptors", 0 },
			       "invalid_value", "use 512, 1024, 2048, ...",
			       "%d is not a power of two", (int)descriptors);
	port->descriptors = (uint16_t)descriptors;
	read_device(reading);
	read_host(reading);
	read_gateway(reading);
}

/** Without any port that leads somewhere, nothing could ever be forwarded. */
static void
check_way_out(const struct config *config, const struct json_path *path, struct json_errors *errors)
{
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (config->ports[i].host != CONFIG_HOST_DROP || config->ports[i].has_gateway)
			return;
	}
	if (config->port_count > 0)
		json_error_add(
			errors, path, "missing_member", "add \"gateway_mac\" to one",
			"no port has a kernel interface or a gateway: no backend has a next hop");
}

void
config_read_ports(const cJSON *ports, const struct json_path *path, struct config *config,
		  struct json_errors *errors)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, ports) {
		const struct json_path item_path = { path, NULL, config->port_count };
		struct reading reading = {
			.object = item,
			.path = &item_path,
			.port = &config->ports[config->port_count],
			.config = config,
			.errors = errors,
		};

		if (config->port_count == FL_PORTS_MAX)
			break; /* json_check() said so */
		read_port(&reading);
		config->port_count++;
	}
	check_way_out(config, path, errors);
}
