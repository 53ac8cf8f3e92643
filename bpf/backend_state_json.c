/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The saved state as JSON. Only this program writes it, but it is read as strictly as what comes
 * from outside: a damaged file must not make root write to a wrong place.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "backend_prefix.h"
#include "backend_state.h"

enum {
	STATE_VERSION = 1,
	NUMBER_MAX = INT32_MAX,
};

static const char *const sysctl_names[BACKEND_SYSCTL_KEYS] = {
	[BACKEND_SYSCTL_ARP_IGNORE] = "arp_ignore",
	[BACKEND_SYSCTL_ARP_ANNOUNCE] = "arp_announce",
	[BACKEND_SYSCTL_RP_FILTER] = "rp_filter",
};

static const struct json_field state_fields[] = {
	{ "version", JSON_KIND_INTEGER, true, STATE_VERSION, STATE_VERSION },
	{ "pin_dir", JSON_KIND_STRING, true, 1, BACKEND_PATH_MAX - 1 },
	{ "pin_dir_made", JSON_KIND_BOOLEAN, true, 0, 0 },
	{ "setups", JSON_KIND_ARRAY, true, 0, BACKEND_SETUPS_MAX },
	{ "sysctls", JSON_KIND_ARRAY, true, 0, BACKEND_SYSCTLS_MAX },
	{ "addresses", JSON_KIND_ARRAY, true, 0, BACKEND_ADDRESSES_MAX },
	{ "qdiscs", JSON_KIND_ARRAY, true, 0, BACKEND_QDISCS_MAX },
	{ "hooks", JSON_KIND_ARRAY, true, 0, BACKEND_HOOKS_MAX },
	{ "namespace", JSON_KIND_STRING, true, 1, 64 }, /* checked by backend_state_load() */
	{ NULL, 0, false, 0, 0 },
};

static const struct json_field setup_fields[] = {
	{ "interface", JSON_KIND_STRING, true, 1, IF_NAMESIZE - 1 },
	{ "index", JSON_KIND_INTEGER, true, 0, NUMBER_MAX },
	{ "mtu", JSON_KIND_INTEGER, true, 0, NUMBER_MAX },
	{ "vips", JSON_KIND_ARRAY, true, 0, BACKEND_VIPS_MAX },
	{ "from", JSON_KIND_ARRAY, true, 0, BACKEND_PREFIXES_MAX },
	{ "replies", JSON_KIND_ARRAY, true, 0, BACKEND_REPLIES_MAX },
	{ NULL, 0, false, 0, 0 },
};

static const struct json_field link_fields[] = {
	{ "interface", JSON_KIND_STRING, true, 1, IF_NAMESIZE - 1 },
	{ "index", JSON_KIND_INTEGER, true, 0, NUMBER_MAX },
	{ NULL, 0, false, 0, 0 },
};

static const struct json_field sysctl_fields[] = {
	{ "interface", JSON_KIND_STRING, true, 1, IF_NAMESIZE - 1 },
	{ "index", JSON_KIND_INTEGER, true, 0, NUMBER_MAX },
	{ "key", JSON_KIND_STRING, true, 1, 32 },
	{ "original", JSON_KIND_INTEGER, true, -NUMBER_MAX, NUMBER_MAX },
	{ "value", JSON_KIND_INTEGER, true, -NUMBER_MAX, NUMBER_MAX },
	{ NULL, 0, false, 0, 0 },
};

static const struct json_field hook_fields[] = {
	{ "interface", JSON_KIND_STRING, true, 1, IF_NAMESIZE - 1 },
	{ "index", JSON_KIND_INTEGER, true, 0, NUMBER_MAX },
	{ "owner", JSON_KIND_INTEGER, true, 0, NUMBER_MAX },
	{ "egress", JSON_KIND_BOOLEAN, true, 0, 0 },
	{ NULL, 0, false, 0, 0 },
};

const char *
backend_sysctl_name(enum backend_sysctl_key key)
{
	return sysctl_names[key];
}

/* The writers return false for "no memory", as cJSON's own calls do. */

static bool
link_write(cJSON *object, const struct backend_link *link)
{
	return cJSON_AddStringToObject(object, "interface", link->name) != NULL &&
	       cJSON_AddNumberToObject(object, "index", link->index) != NULL;
}

/* A new object at the end of @array; NULL also when @array is. */
static cJSON *
item_append(cJSON *array)
{
	cJSON *item = array == NULL ? NULL : cJSON_CreateObject();

	if (item != NULL && !cJSON_AddItemToArray(array, item)) {
		cJSON_Delete(item);
		return NULL;
	}
	return item;
}

static bool
string_append(cJSON *array, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	if (item == NULL || !cJSON_AddItemToArray(array, item)) {
		cJSON_Delete(item);
		return false;
	}
	return true;
}

static bool
links_write(cJSON *array, const struct backend_link *links, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		cJSON *item = item_append(array);

		if (item == NULL || !link_write(item, &links[i]))
			return false;
	}
	return array != NULL;
}

static bool
addresses_write(cJSON *array, const struct addr *addresses, uint32_t count)
{
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < count; i++) {
		if (array == NULL || !string_append(array, addr_format(&addresses[i], text)))
			return false;
	}
	return array != NULL;
}

static bool
setup_write(cJSON *item, const struct backend_setup *setup)
{
	char text[BACKEND_PREFIX_TEXT_MAX];
	cJSON *from;

	if (item == NULL || !link_write(item, &setup->link) ||
	    cJSON_AddNumberToObject(item, "mtu", setup->mtu) == NULL ||
	    !addresses_write(cJSON_AddArrayToObject(item, "vips"), setup->vips, setup->vip_count) ||
	    !links_write(cJSON_AddArrayToObject(item, "replies"), setup->replies,
			 setup->reply_count))
		return false;
	from = cJSON_AddArrayToObject(item, "from");
	for (uint32_t i = 0; i < setup->from_count; i++) {
		if (from == NULL ||
		    !string_append(from, backend_prefix_format(&setup->from[i], text)))
			return false;
	}
	return from != NULL;
}

static bool
sysctl_write(cJSON *item, const struct backend_sysctl *sysctl)
{
	return item != NULL && link_write(item, &sysctl->link) &&
	       cJSON_AddStringToObject(item, "key", sysctl_names[sysctl->key]) != NULL &&
	       cJSON_AddNumberToObject(item, "original", sysctl->original) != NULL &&
	       cJSON_AddNumberToObject(item, "value", sysctl->value) != NULL;
}

static bool
hook_write(cJSON *item, const struct backend_hook *hook)
{
	return item != NULL && link_write(item, &hook->link) &&
	       cJSON_AddNumberToObject(item, "owner", hook->owner) != NULL &&
	       cJSON_AddBoolToObject(item, "egress", hook->egress) != NULL;
}

static bool
state_write(cJSON *root, const struct backend_state *state)
{
	cJSON *setups = cJSON_AddArrayToObject(root, "setups");
	cJSON *sysctls = cJSON_AddArrayToObject(root, "sysctls");
	cJSON *hooks = cJSON_AddArrayToObject(root, "hooks");

	if (setups == NULL || sysctls == NULL || hooks == NULL ||
	    cJSON_AddNumberToObject(root, "version", STATE_VERSION) == NULL ||
	    cJSON_AddStringToObject(root, "pin_dir", state->pin_dir) == NULL ||
	    cJSON_AddBoolToObject(root, "pin_dir_made", state->pin_dir_made) == NULL)
		return false;
	for (uint32_t i = 0; i < state->setup_count; i++) {
		if (!setup_write(item_append(setups), &state->setups[i]))
			return false;
	}
	for (uint32_t i = 0; i < state->sysctl_count; i++) {
		if (!sysctl_write(item_append(sysctls), &state->sysctls[i]))
			return false;
	}
	for (uint32_t i = 0; i < state->hook_count; i++) {
		if (!hook_write(item_append(hooks), &state->hooks[i]))
			return false;
	}
	return addresses_write(cJSON_AddArrayToObject(root, "addresses"), state->addresses,
			       state->address_count) &&
	       links_write(cJSON_AddArrayToObject(root, "qdiscs"), state->qdiscs,
			   state->qdisc_count);
}

cJSON *
backend_state_to_json(const struct backend_state *state)
{
	cJSON *root = cJSON_CreateObject();

	if (root != NULL && !state_write(root, state)) {
		cJSON_Delete(root);
		return NULL;
	}
	return root;
}

/* The readers return false for "not what this program writes". Counts are bounded by json_check().
 */

static bool
check(const cJSON *object, const struct json_field *fields)
{
	struct json_errors errors;

	errors.count = 0;
	errors.dropped = 0;
	return json_check(object, fields, NULL, &errors);
}

static void
link_read(const cJSON *item, struct backend_link *ret_link)
{
	(void)snprintf(ret_link->name, sizeof ret_link->name, "%s",
		       json_get_string(item, "interface", ""));
	ret_link->index = (uint32_t)json_get_integer(item, "index", 0);
}

static bool
links_read(const cJSON *array, struct backend_link *links, uint32_t *ret_count)
{
	const cJSON *item;
	uint32_t count = 0;

	cJSON_ArrayForEach (item, array) {
		if (!check(item, link_fields))
			return false;
		link_read(item, &links[count++]);
	}
	*ret_count = count;
	return true;
}

static bool
addresses_read(const cJSON *array, struct addr *addresses, uint32_t *ret_count)
{
	const cJSON *item;
	uint32_t count = 0;

	cJSON_ArrayForEach (item, array) {
		if (!cJSON_IsString(item) || addr_parse(item->valuestring, &addresses[count]) < 0)
			return false;
		count++;
	}
	*ret_count = count;
	return true;
}

static bool
setup_read(const cJSON *item, struct backend_setup *ret_setup)
{
	const cJSON *from;

	if (!check(item, setup_fields))
		return false;
	link_read(item, &ret_setup->link);
	ret_setup->mtu = (uint32_t)json_get_integer(item, "mtu", 0);
	cJSON_ArrayForEach (from, json_get(item, "from")) {
		if (!cJSON_IsString(from) ||
		    backend_prefix_parse(from->valuestring,
					 &ret_setup->from[ret_setup->from_count]) < 0)
			return false;
		ret_setup->from_count++;
	}
	return addresses_read(json_get(item, "vips"), ret_setup->vips, &ret_setup->vip_count) &&
	       links_read(json_get(item, "replies"), ret_setup->replies, &ret_setup->reply_count);
}

static bool
sysctl_read(const cJSON *item, struct backend_sysctl *ret_sysctl)
{
	const char *name;
	int key = 0;

	if (!check(item, sysctl_fields))
		return false;
	name = json_get_string(item, "key", "");
	while (key < BACKEND_SYSCTL_KEYS && strcmp(name, sysctl_names[key]) != 0)
		key++;
	if (key == BACKEND_SYSCTL_KEYS)
		return false;
	link_read(item, &ret_sysctl->link);
	ret_sysctl->key = (enum backend_sysctl_key)key;
	ret_sysctl->original = (int32_t)json_get_integer(item, "original", 0);
	ret_sysctl->value = (int32_t)json_get_integer(item, "value", 0);
	return true;
}

static bool
hook_read(const cJSON *item, struct backend_hook *ret_hook)
{
	if (!check(item, hook_fields))
		return false;
	link_read(item, &ret_hook->link);
	ret_hook->owner = (uint32_t)json_get_integer(item, "owner", 0);
	ret_hook->egress = json_get_boolean(item, "egress", false);
	return true;
}

int
backend_state_from_json(const cJSON *root, struct backend_state *ret_state)
{
	const cJSON *item;

	*ret_state = (struct backend_state){ 0 };
	if (!check(root, state_fields))
		return -EBADMSG;
	(void)snprintf(ret_state->pin_dir, sizeof ret_state->pin_dir, "%s",
		       json_get_string(root, "pin_dir", ""));
	ret_state->pin_dir_made = json_get_boolean(root, "pin_dir_made", false);
	cJSON_ArrayForEach (item, json_get(root, "setups")) {
		if (!setup_read(item, &ret_state->setups[ret_state->setup_count++]))
			return -EBADMSG;
	}
	cJSON_ArrayForEach (item, json_get(root, "sysctls")) {
		if (!sysctl_read(item, &ret_state->sysctls[ret_state->sysctl_count++]))
			return -EBADMSG;
	}
	cJSON_ArrayForEach (item, json_get(root, "hooks")) {
		if (!hook_read(item, &ret_state->hooks[ret_state->hook_count++]))
			return -EBADMSG;
	}
	if (!addresses_read(json_get(root, "addresses"), ret_state->addresses,
			    &ret_state->address_count) ||
	    !links_read(json_get(root, "qdiscs"), ret_state->qdiscs, &ret_state->qdisc_count))
		return -EBADMSG;
	return 0;
}
