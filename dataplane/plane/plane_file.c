/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "plane_file.h"

enum {
	VIPS_DEFAULT = 1024,
	BACKENDS_DEFAULT = 65536,
	ROWS_DEFAULT = 8388608,
	FRAGMENTS_DEFAULT = 8192,
	FLOWS_DEFAULT = 1048576,
	TAG_MAX = 4094,
};

#define PIN_DIR_DEFAULT	     "/sys/fs/bpf/fairlead"
#define SOCKET_DIR_DEFAULT   "/run/fairlead"
#define CONTROL_USER_DEFAULT "fairlead"

enum { LIMIT_FRAGMENTS, LIMIT_FLOWS };

static const struct json_field limits_fields[] = {
	[LIMIT_FRAGMENTS] = { "fragments", JSON_KIND_INTEGER, false, FL_FRAGMENTS_MIN,
			      FL_FRAGMENTS_MAX },
	[LIMIT_FLOWS] = { "flows", JSON_KIND_INTEGER, false, FL_FLOWS_MIN, FL_FLOWS_MAX },
	{ "vips", JSON_KIND_INTEGER, false, 1, FL_VIPS_MAX },
	{ "backends", JSON_KIND_INTEGER, false, 1, FL_SLOTS_MAX },
	{ "rows", JSON_KIND_INTEGER, false, FL_ROWS_MIN, FL_ROWS_MAX },
	{ NULL },
};

/* The walk: the document, what it becomes, what is wrong with it. */
struct reading {
	const cJSON *root;
	struct plane_file *file;
	struct json_errors *errors;
};

/* One family of outer addresses. */
struct family {
	const char *source_name, *entropy_name, *text;
	bool is_ipv4;
	uint8_t bits_min, bits_max; /* of an entropy prefix, as written */
};

static const struct family ipv4 = {
	"encap_source_ipv4", "encap_entropy_ipv4", "IPv4", true, 8, 30
};
static const struct family ipv6 = {
	"encap_source_ipv6", "encap_entropy_ipv6", "IPv6", false, 32, 126
};

/** "1-32 bytes of a-z A-Z 0-9 . _ -, the first a letter or digit": also safe as a file name. */
static bool
name_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return name[0] != '\0' && strchr("._-", name[0]) == NULL &&
	       strspn(name, letters) == strlen(name);
}

/** Of a name that is there. @param whose "plane". @param path of the object that has it. */
static void
check_name(const char *name, const char *whose, const struct json_path *path,
	   struct json_errors *errors)
{
	if (name[0] != '\0' && !name_valid(name))
		json_error_add(errors, &(struct json_path){ path, "name", 0 }, "invalid_value",
			       "use letters, digits and . _ -, a letter or digit first",
			       "\"%s\" cannot be a %s's name", name, whose);
}

void
plane_file_copy(char *to, size_t size, const char *from)
{
	size_t bytes = strnlen(from, size - 1);

	memcpy(to, from, bytes);
	to[bytes] = '\0';
}

static void
read_names(struct reading *reading)
{
	struct plane_file *file = reading->file;
	const char *name = json_get_string(reading->root, "name", "");
	const char *socket_path = json_get_string(reading->root, "socket", NULL);
	const char *pin_dir = json_get_string(reading->root, "pin_dir", PIN_DIR_DEFAULT);

	plane_file_copy(file->name, sizeof file->name, name);
	check_name(name, "plane", NULL, reading->errors);
	if (socket_path != NULL)
		plane_file_copy(file->socket_path, sizeof file->socket_path, socket_path);
	else
		(void)snprintf(file->socket_path, sizeof file->socket_path,
			       SOCKET_DIR_DEFAULT "/%.32s.sock", name);
	plane_file_copy(file->key_file, sizeof file->key_file,
			json_get_string(reading->root, "key_file", ""));
	plane_file_copy(file->pin_dir, sizeof file->pin_dir, pin_dir);
	plane_file_copy(file->control_user, sizeof file->control_user,
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

/** The power of two that is not less; @p n at most 2^31. */
static uint32_t
power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/** A limit that is rounded up to a power of two; 0 where json_check() said that it is out of range.
 */
static uint32_t
rounded_limit(const cJSON *limits, const struct json_field *field, int64_t value)
{
	value = json_get_integer(limits, field->name, value);
	return value >= field->min && value <= field->max ? power_of_two((uint32_t)value) : 0;
}

static void
read_limits(struct reading *reading)
{
	const cJSON *limits = json_get(reading->root, "limits");
	struct plane_limits *out = &reading->file->limits;

	if (cJSON_IsObject(limits))
		(void)json_check(limits, limits_fields, &(struct json_path){ NULL, "limits", 0 },
				 reading->errors);
	out->vips = (uint32_t)json_get_integer(limits, "vips", VIPS_DEFAULT);
	out->backends = (uint32_t)json_get_integer(limits, "backends", BACKENDS_DEFAULT);
	out->rows = (uint32_t)json_get_integer(limits, "rows", ROWS_DEFAULT);
	out->fragments = rounded_limit(limits, &limits_fields[LIMIT_FRAGMENTS], FRAGMENTS_DEFAULT);
	out->flows = rounded_limit(limits, &limits_fields[LIMIT_FLOWS], FLOWS_DEFAULT);
}

/** An outer source address. @return true when it is there and good. */
static bool
read_source(struct reading *reading, const struct family *family, struct addr *ret_address)
{
	const char *text = json_get_string(reading->root, family->source_name, NULL);
	const struct json_path path = { NULL, family->source_name, 0 };
	enum addr_class class;

	if (text == NULL)
		return false;
	if (addr_parse(text, ret_address) < 0 || addr_is_ipv4(ret_address) != family->is_ipv4) {
		json_error_add(reading->errors, &path, "invalid_value", NULL,
			       "\"%s\" is not an %s address", text, family->text);
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
	struct plane_file *file = reading->file;

	file->has_source_ipv4 = read_source(reading, &ipv4, &file->source_ipv4);
	file->has_source_ipv6 = read_source(reading, &ipv6, &file->source_ipv6);
	if (json_get(reading->root, ipv4.source_name) == NULL &&
	    json_get(reading->root, ipv6.source_name) == NULL)
		json_error_add(reading->errors, NULL, "missing_member",
			       "add the address that packets to backends shall come from",
			       "needs \"encap_source_ipv4\" or \"encap_source_ipv6\"");
}

/** A prefix of outer sources. @return true when it is there and good. */
static bool
read_entropy(struct reading *reading, const struct family *family, struct addr_prefix *ret_prefix)
{
	const char *text = json_get_string(reading->root, family->entropy_name, NULL);
	const struct json_path path = { NULL, family->entropy_name, 0 };
	uint8_t bits_before = family->is_ipv4 ? 96 : 0;
	int r;

	if (text == NULL)
		return false;
	if (json_get(reading->root, family->source_name) == NULL)
		json_error_add(reading->errors, &path, "invalid_value",
			       "add it: other packets come from it", "needs \"%s\"",
			       family->source_name);
	r = addr_prefix_parse(text, ret_prefix);
	if (r == 0 && addr_prefix_is_ipv4(ret_prefix) != family->is_ipv4)
		r = -EINVAL;
	if (r == -EDOM)
		json_error_add(reading->errors, &path, "invalid_value",
			       "write 0 in the bits after the prefix", "%s has host bits set",
			       text);
	else if (r < 0)
		json_error_add(reading->errors, &path, "invalid_value",
			       family->is_ipv4 ? "write it as 10.1.0.0/16"
					       : "write it as 2001:db8::/64",
			       "\"%s\" is not an %s prefix", text, family->text);
	else if (ret_prefix->bits < bits_before + family->bits_min ||
		 ret_prefix->bits > bits_before + family->bits_max)
		json_error_add(reading->errors, &path, "out_of_range", NULL,
			       "an %s prefix must be /%u to /%u, but %s is not", family->text,
			       family->bits_min, family->bits_max, text);
	else if (addr_prefix_classify(ret_prefix) != ADDR_USABLE)
		json_error_add(reading->errors, &path, "address_not_usable",
			       "write a prefix that the backends know",
			       "%s is %s: it cannot be the source of packets", text,
			       addr_class_name(addr_prefix_classify(ret_prefix)));
	else
		return true;
	return false;
}

static void
read_log_level(struct reading *reading)
{
	const char *name = json_get_string(reading->root, "log_level", "notice");

	reading->file->log_level = log_level_parse(name);
	if (reading->file->log_level < 0)
		json_error_add(reading->errors, &(struct json_path){ NULL, "log_level", 0 },
			       "invalid_value", "use error, warning, notice, info or debug",
			       "\"%s\" is not a log level", name);
}

void
plane_file_read(const cJSON *root, struct plane_file *ret_file, struct json_errors *errors)
{
	struct reading reading = { .root = root, .file = ret_file, .errors = errors };

	*ret_file = (struct plane_file){ 0 };
	read_names(&reading);
	check_absolute(&reading, "socket");
	check_absolute(&reading, "key_file");
	check_absolute(&reading, "pin_dir");
	read_limits(&reading);
	read_sources(&reading);
	ret_file->has_entropy_ipv4 = read_entropy(&reading, &ipv4, &ret_file->entropy_ipv4);
	ret_file->has_entropy_ipv6 = read_entropy(&reading, &ipv6, &ret_file->entropy_ipv6);
	ret_file->icmp_rate =
		(uint32_t)json_get_integer(root, "icmp_rate", PLANE_ICMP_RATE_DEFAULT);
	ret_file->icmp_burst =
		(uint32_t)json_get_integer(root, "icmp_burst", PLANE_ICMP_BURST_DEFAULT);
	read_log_level(&reading);
}

static bool
is_tag(const cJSON *item)
{
	return cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= TAG_MAX;
}

/** @return false: not one of the forms. */
static bool
read_vlan(const cJSON *value, fl_be32 ret_tag[2])
{
	const cJSON *inner;

	if (value == NULL || (cJSON_IsString(value) && strcmp(value->valuestring, "keep") == 0)) {
		ret_tag[0] = FL_TAG_KEEP;
		return true;
	}
	ret_tag[0] = ret_tag[1] = FL_TAG_NONE;
	if (cJSON_IsString(value))
		return strcmp(value->valuestring, "none") == 0;
	if (is_tag(value)) {
		ret_tag[0] = fl_tag(FL_ETHERTYPE_VLAN, (uint16_t)value->valuedouble);
		return true;
	}
	if (!cJSON_IsArray(value) || !is_tag(value->child))
		return false;
	inner = value->child->next;
	if (!is_tag(inner) || inner->next != NULL)
		return false;
	ret_tag[0] = fl_tag(FL_ETHERTYPE_QINQ, (uint16_t)value->child->valuedouble);
	ret_tag[1] = fl_tag(FL_ETHERTYPE_VLAN, (uint16_t)inner->valuedouble);
	return true;
}

void
plane_file_read_port(const cJSON *port, const struct json_path *path,
		     struct plane_file_port *ret_port, struct json_errors *errors)
{
	const char *name = json_get_string(port, "name", "");

	*ret_port = (struct plane_file_port){ 0 };
	plane_file_copy(ret_port->name, sizeof ret_port->name, name);
	check_name(name, "port", path, errors);
	if (!read_vlan(json_get(port, "vlan"), ret_port->tag))
		json_error_add(errors, &(struct json_path){ path, "vlan", 0 }, "invalid_value",
			       "use \"keep\", \"none\", a tag 1-4094, or [outer, inner]",
			       "is not what a port does with 802.1Q tags");
}

void
plane_file_compare_ports(const struct plane_file_port *first, const struct plane_file_port *second,
			 const struct json_path *path, struct json_errors *errors)
{
	if (second->name[0] != '\0' && strcmp(first->name, second->name) == 0)
		json_error_add(errors, &(struct json_path){ path, "name", 0 }, "invalid_value",
			       "give each port a name of its own", "the name \"%s\" is used twice",
			       second->name);
}

void
plane_file_print_errors(const struct json_errors *errors, const char *file, FILE *stream)
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
