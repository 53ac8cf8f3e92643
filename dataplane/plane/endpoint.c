/* SPDX-License-Identifier: BSD-2-Clause */
/* One VIP: what names it, and its policy. Sets of them are in endpoint_set.c. */
#include "endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const mode_names[] = { "ipip", "gue", "l2dsr" };
static const char *const fragments_names[] = { "follow", "drop" };
static const char *const icmp_echo_names[] = { "answer", "forward", "host" };
static const char *const no_backend_names[] = { "drop", "host" };

/* --- the address --- */

static void
add_prefix_error(const char *text, int error, const struct json_path *path,
		 struct json_errors *errors)
{
	char prefix_text[ADDR_PREFIX_TEXT_MAX];
	char hint[JSON_MESSAGE_BYTES_MAX];
	struct addr_prefix prefix;

	if (error == -EDOM && addr_prefix_cover(text, &prefix) == 0) {
		snprintf(hint, sizeof hint,
			 "the prefix is %s; for the one address leave out \"%s\"",
			 addr_prefix_format(&prefix, prefix_text), strchr(text, '/'));
		json_error_add(errors, path, "invalid_value", hint,
			       "%s has bits set beyond its length", text);
	} else if (error == -ERANGE) {
		json_error_add(errors, path, "out_of_range",
			       "an address has 32 bits, or 128 in IPv6",
			       "the prefix %s has more bits than its address", text);
	} else if (strchr(text, '/') != NULL) {
		json_error_add(errors, path, "invalid_value",
			       "write it as 192.0.2.0/24 or 2001:db8::/32",
			       "not an IPv4 or IPv6 prefix");
	} else {
		json_error_add(errors, path, "invalid_value",
			       "write it as 192.0.2.1 or 2001:db8::1",
			       "not an IPv4 or IPv6 address");
	}
}

static bool
check_prefix(const struct addr_prefix *prefix, const char *text, const struct json_path *path,
	     struct json_errors *errors)
{
	bool ipv4 = addr_prefix_is_ipv4(prefix);
	int bits = ipv4 ? prefix->bits - 96 : prefix->bits;
	int bits_min = ipv4 ? ENDPOINT_IPV4_BITS_MIN : ENDPOINT_IPV6_BITS_MIN;
	enum addr_class class = addr_prefix_classify(prefix);

	if (bits < bits_min) {
		json_error_add(errors, path, "out_of_range", "use longer prefixes",
			       "the prefix %s is too short for a VIP: %s prefixes are /%d to /%d",
			       text, ipv4 ? "IPv4" : "IPv6", bits_min, ipv4 ? 32 : 128);
		return false;
	}
	if (class == ADDR_USABLE)
		return true;
	if (prefix->bits == ADDR_BITS)
		json_error_add(errors, path, "address_not_usable",
			       "use a unicast address that is routed to it",
			       "%s cannot be a VIP: the address is %s", text,
			       addr_class_name(class));
	else
		json_error_add(errors, path, "address_not_usable",
			       "use a prefix of unicast addresses that is routed to it",
			       "%s cannot be a VIP: addresses in it are %s", text,
			       addr_class_name(class));
	return false;
}

static bool
read_prefix(const cJSON *object, const struct json_path *parent, struct json_errors *errors,
	    struct addr_prefix *ret_prefix)
{
	const struct json_path path = { .parent = parent, .name = "address" };
	const char *text = json_get_string(object, "address", NULL);
	struct addr_prefix prefix;
	int r;

	/* json_check() has spoken about what is not there or too long. */
	if (text == NULL || text[0] == '\0' || strlen(text) >= ADDR_PREFIX_TEXT_MAX)
		return false;
	r = addr_prefix_parse(text, &prefix);
	if (r < 0) {
		add_prefix_error(text, r, &path, errors);
		return false;
	}
	if (!check_prefix(&prefix, text, &path, errors))
		return false;
	*ret_prefix = prefix;
	return true;
}

/* --- the ports --- */

static void
add_ports_error(const char *text, const struct json_path *path, struct json_errors *errors)
{
	static const char *const words[] = { "any" };
	char hint[JSON_MESSAGE_BYTES_MAX] =
		"write a number of 0 to 65535, a range as \"8000-8999\", or \"any\"";
	unsigned long first;
	unsigned long last;
	int end = 0;

	if (sscanf(text, "%7lu-%7lu%n", &first, &last, &end) == 2 && text[end] == '\0') {
		if (first > UINT16_MAX || last > UINT16_MAX) {
			json_error_add(errors, path, "out_of_range", hint,
				       "the range \"%s\" goes beyond 65535", text);
			return;
		}
		if (first > last) {
			snprintf(hint, sizeof hint, "write \"%lu-%lu\"", last, first);
			json_error_add(errors, path, "invalid_value", hint,
				       "the range \"%s\" ends before it begins", text);
			return;
		}
		if (first == last) {
			snprintf(hint, sizeof hint, "write the number %lu", first);
			json_error_add(errors, path, "invalid_value", hint,
				       "the range \"%s\" is one port", text);
			return;
		}
	}
	if (json_suggest(text, words, ARRAY_SIZE(words)) != NULL)
		snprintf(hint, sizeof hint, "did you mean \"any\"?");
	json_error_add(errors, path, "invalid_value", hint, "\"%.32s\" is not a port", text);
}

static bool
read_ports_text(const char *text, const struct json_path *path, struct json_errors *errors,
		struct addr_endpoint *endpoint)
{
	char hint[64];

	if (addr_ports_parse(text, &endpoint->port, &endpoint->port_last) < 0) {
		add_ports_error(text, path, errors);
		return false;
	}
	if (endpoint->port != endpoint->port_last)
		return true;
	snprintf(hint, sizeof hint, "write it without quotes: %u", endpoint->port);
	json_error_add(errors, path, "wrong_type", hint, "a single port is a number, not a string");
	return false;
}

static bool
read_ports(const cJSON *object, const struct json_path *parent, struct json_errors *errors,
	   struct addr_endpoint *endpoint)
{
	const struct json_path path = { .parent = parent, .name = "port" };
	const cJSON *value = json_get(object, "port");
	int64_t port;

	if (value == NULL)
		return false; /* json_check() has said so */
	if (cJSON_IsString(value))
		return read_ports_text(value->valuestring, &path, errors, endpoint);
	if (!cJSON_IsNumber(value)) {
		json_error_add(errors, &path, "wrong_type", NULL,
			       "\"port\" must be a number, a range as \"8000-8999\", or \"any\"");
		return false;
	}
	port = json_get_integer(object, "port", -1);
	if (port < 0 || port > UINT16_MAX) {
		json_error_add(errors, &path, "out_of_range", NULL,
			       "\"port\" must be 0 to 65535, but is %lld", (long long)port);
		return false;
	}
	endpoint->port = endpoint->port_last = (uint16_t)port;
	return true;
}

/* --- the whole --- */

static bool
read_protocol(const cJSON *object, const struct json_path *parent, struct json_errors *errors,
	      uint8_t *ret_protocol)
{
	const struct json_path path = { .parent = parent, .name = "protocol" };
	const char *text = json_get_string(object, "protocol", NULL);

	if (text == NULL || text[0] == '\0')
		return false;
	*ret_protocol = addr_protocol_parse(text);
	if (*ret_protocol == 0)
		json_error_add(errors, &path, "invalid_value", "use \"tcp\" or \"udp\"",
			       "not a protocol that is balanced");
	return *ret_protocol != 0;
}

bool
endpoint_read(const cJSON *object, const struct json_path *path, struct json_errors *errors,
	      struct addr_endpoint *ret_endpoint)
{
	struct addr_endpoint endpoint = { 0 };
	bool good = read_prefix(object, path, errors, &endpoint.to);

	good = read_ports(object, path, errors, &endpoint) && good;
	good = read_protocol(object, path, errors, &endpoint.protocol) && good;
	if (!good)
		endpoint.protocol = 0;
	*ret_endpoint = endpoint;
	return good;
}

bool
endpoint_put(cJSON *object, const struct addr_endpoint *endpoint)
{
	char prefix[ADDR_PREFIX_TEXT_MAX];
	char ports[ENDPOINT_PORT_TEXT_MAX];
	const cJSON *port;

	if (cJSON_AddStringToObject(object, "address", addr_prefix_format(&endpoint->to, prefix)) ==
	    NULL)
		return false;
	if (endpoint->port == endpoint->port_last)
		port = cJSON_AddNumberToObject(object, "port", endpoint->port);
	else
		port = cJSON_AddStringToObject(
			object, "port",
			addr_ports_format(endpoint->port, endpoint->port_last, ports));
	return port != NULL &&
	       cJSON_AddStringToObject(object, "protocol",
				       addr_protocol_name(endpoint->protocol)) != NULL;
}

int
endpoint_compare(const struct addr_endpoint *left, const struct addr_endpoint *right)
{
	int order = memcmp(&left->to.address, &right->to.address, sizeof left->to.address);

	if (order == 0)
		order = (int)left->to.bits - (int)right->to.bits;
	if (order == 0)
		order = (int)left->port - (int)right->port;
	if (order == 0)
		order = (int)left->port_last - (int)right->port_last;
	return order != 0 ? order : (int)left->protocol - (int)right->protocol;
}

bool
endpoint_is_any(const struct addr_endpoint *endpoint)
{
	return endpoint->port == 0 && endpoint->port_last == UINT16_MAX;
}

bool
endpoint_is_range(const struct addr_endpoint *endpoint)
{
	return endpoint->port != endpoint->port_last && !endpoint_is_any(endpoint);
}

bool
endpoint_overlaps(const struct addr_endpoint *left, const struct addr_endpoint *right)
{
	return left->to.bits == right->to.bits && left->protocol == right->protocol &&
	       memcmp(&left->to.address, &right->to.address, sizeof left->to.address) == 0 &&
	       endpoint_is_range(left) && endpoint_is_range(right) &&
	       (left->port != right->port || left->port_last != right->port_last) &&
	       left->port <= right->port_last && right->port <= left->port_last;
}

/* --- policy --- */

/* A member whose value is one word of a list. */
struct choice {
	const char *member;
	const char *const *names;
	size_t count;
};

/* "\"ipip\", \"gue\" or \"l2dsr\"" */
static void
choice_list(const struct choice *choice, char *text, size_t size)
{
	size_t end = 0;

	for (size_t i = 0; i < choice->count && end < size; i++) {
		const char *join = i == 0 ? "" : i + 1 == choice->count ? " or " : ", ";

		end += (size_t)snprintf(text + end, size - end, "%s\"%s\"", join, choice->names[i]);
	}
}

/* @return the index of the word that the member has; the default's, 0, when absent or wrong. */
static unsigned
read_choice(const cJSON *object, const struct choice *choice, const struct json_path *parent,
	    struct json_errors *errors)
{
	const struct json_path path = { .parent = parent, .name = choice->member };
	const char *text = json_get_string(object, choice->member, NULL);
	char list[96];
	char hint[64];
	const char *near;

	if (text == NULL)
		return 0;
	for (unsigned i = 0; i < choice->count; i++) {
		if (strcmp(text, choice->names[i]) == 0)
			return i;
	}
	near = json_suggest(text, choice->names, choice->count);
	snprintf(hint, sizeof hint, "did you mean \"%s\"?", near != NULL ? near : "");
	choice_list(choice, list, sizeof list);
	json_error_add(errors, &path, "invalid_value", near != NULL ? hint : NULL,
		       "\"%s\" must be %s, not \"%.32s\"", choice->member, list, text);
	return 0;
}

static const struct choice mode_choice = { "mode", mode_names, ARRAY_SIZE(mode_names) };
static const struct choice fragments_choice = { "fragments", fragments_names,
						ARRAY_SIZE(fragments_names) };
static const struct choice icmp_echo_choice = { "icmp_echo", icmp_echo_names,
						ARRAY_SIZE(icmp_echo_names) };
static const struct choice no_backend_choice = { "no_backend", no_backend_names,
						 ARRAY_SIZE(no_backend_names) };

bool
policy_read(const cJSON *object, const struct json_path *path, struct json_errors *errors,
	    struct vip_policy *ret_policy)
{
	uint32_t before = errors->count + errors->dropped;

	ret_policy->mode = (enum vip_mode)read_choice(object, &mode_choice, path, errors);
	ret_policy->fragments =
		(enum vip_fragments)read_choice(object, &fragments_choice, path, errors);
	ret_policy->icmp_echo =
		(enum vip_icmp_echo)read_choice(object, &icmp_echo_choice, path, errors);
	ret_policy->no_backend =
		(enum vip_no_backend)read_choice(object, &no_backend_choice, path, errors);
	return errors->count + errors->dropped == before;
}

bool
policy_put(cJSON *object, const struct vip_policy *policy)
{
	return cJSON_AddStringToObject(object, "mode", policy_mode_name(policy->mode)) != NULL &&
	       cJSON_AddStringToObject(object, "fragments",
				       policy_fragments_name(policy->fragments)) != NULL &&
	       cJSON_AddStringToObject(object, "icmp_echo",
				       policy_icmp_echo_name(policy->icmp_echo)) != NULL &&
	       cJSON_AddStringToObject(object, "no_backend",
				       policy_no_backend_name(policy->no_backend)) != NULL;
}

bool
policy_equal(const struct vip_policy *left, const struct vip_policy *right)
{
	return left->mode == right->mode && left->fragments == right->fragments &&
	       left->icmp_echo == right->icmp_echo && left->no_backend == right->no_backend &&
	       left->window_s == right->window_s && left->hold_s == right->hold_s;
}

const char *
policy_mode_name(enum vip_mode mode)
{
	return mode_names[mode];
}

const char *
policy_fragments_name(enum vip_fragments fragments)
{
	return fragments_names[fragments];
}

const char *
policy_icmp_echo_name(enum vip_icmp_echo icmp_echo)
{
	return icmp_echo_names[icmp_echo];
}

const char *
policy_no_backend_name(enum vip_no_backend no_backend)
{
	return no_backend_names[no_backend];
}
