/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Duplicates are found by sorting keys, never by comparing all pairs: 4096 VIPs of thousands of
 * backends must be checked while an operator waits.
 */
#include "config_sets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thing that may occur twice, and where it stands. */
struct key {
	const void *value;
	uint32_t vip;	  /* index in vips or planes */
	uint32_t backend; /* index in the VIP, where it is a backend's */
};

int
config_endpoint_compare(const struct addr_endpoint *left, const struct addr_endpoint *right)
{
	int order = memcmp(&left->address, &right->address, sizeof left->address);

	if (order != 0)
		return order;
	if (left->port != right->port)
		return left->port < right->port ? -1 : 1;
	return (int)left->protocol - (int)right->protocol;
}

/* Equal values stay in the order of the file, so that the first is the one that counts. */
static int
key_place_compare(const struct key *a, const struct key *b)
{
	if (a->vip != b->vip)
		return a->vip < b->vip ? -1 : 1;
	if (a->backend != b->backend)
		return a->backend < b->backend ? -1 : 1;
	return 0;
}

static int
key_compare_endpoint(const void *left, const void *right)
{
	const struct key *a = left;
	const struct key *b = right;
	int order = config_endpoint_compare(a->value, b->value);

	return order != 0 ? order : key_place_compare(a, b);
}

static int
key_compare_address(const void *left, const void *right)
{
	const struct key *a = left;
	const struct key *b = right;
	int order = memcmp(a->value, b->value, sizeof(struct addr));

	return order != 0 ? order : key_place_compare(a, b);
}

static int
key_compare_text(const void *left, const void *right)
{
	const struct key *a = left;
	const struct key *b = right;
	int order = strcmp(a->value, b->value);

	return order != 0 ? order : key_place_compare(a, b);
}

static void
check_vip_endpoints(const struct config *config, struct key *keys, struct json_errors *errors)
{
	const struct json_path list = { .name = "vips" };
	char text[ADDR_ENDPOINT_TEXT_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		/* Incomplete ones have been reported; two of them are not the same VIP. */
		if (config->vips[i].endpoint.port != 0 && config->vips[i].endpoint.protocol != 0)
			keys[count++] = (struct key){ &config->vips[i].endpoint, i, 0 };
	}
	qsort(keys, count, sizeof *keys, key_compare_endpoint);
	for (uint32_t i = 1; i < count; i++) {
		const struct json_path path = { .parent = &list, .index = keys[i].vip };

		if (config_endpoint_compare(keys[i].value, keys[i - 1].value) != 0)
			continue;
		json_error_add(errors, &path, "duplicate_vip",
			       "give one of them another port or remove it",
			       "VIP %s is already /vips/%u",
			       addr_endpoint_format(keys[i].value, text), keys[i - 1].vip);
	}
}

static void
check_vip_names(const struct config *config, struct key *keys, struct json_errors *errors)
{
	const struct json_path list = { .name = "vips" };
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		/* A default name has ':' and is reported as a duplicate VIP. */
		if (strchr(config->vips[i].name, ':') == NULL)
			keys[count++] = (struct key){ config->vips[i].name, i, 0 };
	}
	qsort(keys, count, sizeof *keys, key_compare_text);
	for (uint32_t i = 1; i < count; i++) {
		const struct json_path path = { .parent = &list, .index = keys[i].vip };
		const struct json_path name = { .parent = &path, .name = "name" };

		if (strcmp(keys[i].value, keys[i - 1].value) == 0)
			json_error_add(errors, &name, "duplicate_vip", "give it another name",
				       "the name \"%s\" is already that of /vips/%u",
				       (const char *)keys[i].value, keys[i - 1].vip);
	}
}

static void
check_planes(const struct config *config, struct json_errors *errors)
{
	const struct json_path list = { .name = "planes" };

	/* At most CONTROL_PLANES_MAX: all pairs are few. */
	for (uint32_t i = 1; i < config->plane_count; i++) {
		const struct json_path path = { .parent = &list, .index = i };
		const struct json_path name = { .parent = &path, .name = "name" };
		const struct json_path socket = { .parent = &path, .name = "socket" };

		for (uint32_t j = 0; j < i; j++) {
			if (config->planes[i].name[0] != '\0' &&
			    strcmp(config->planes[i].name, config->planes[j].name) == 0)
				json_error_add(errors, &name, "invalid_value",
					       "give it another name",
					       "the name \"%s\" is already that of /planes/%u",
					       config->planes[i].name, j);
			if (config->planes[i].socket[0] != '\0' &&
			    strcmp(config->planes[i].socket, config->planes[j].socket) == 0)
				json_error_add(errors, &socket, "invalid_value",
					       "each plane has a socket of its own",
					       "the socket is already that of /planes/%u", j);
		}
	}
}

static bool
address_is_set(const struct addr *address)
{
	static const struct addr none;

	return memcmp(address, &none, sizeof none) != 0;
}

static void
check_backend_addresses(const struct config *config, uint32_t vip, struct key *keys,
			struct json_errors *errors)
{
	const struct json_path root = { .name = "vips" };
	const struct json_path item = { .parent = &root, .index = vip };
	const struct json_path list = { .parent = &item, .name = "backends" };
	const struct config_vip *set = &config->vips[vip];
	char text[ADDR_TEXT_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < set->backend_count; i++) {
		if (address_is_set(&set->backends[i].address))
			keys[count++] = (struct key){ &set->backends[i].address, vip, i };
	}
	qsort(keys, count, sizeof *keys, key_compare_address);
	for (uint32_t i = 1; i < count; i++) {
		const struct json_path path = { .parent = &list, .index = keys[i].backend };
		const struct json_path address = { .parent = &path, .name = "address" };

		if (memcmp(keys[i].value, keys[i - 1].value, sizeof(struct addr)) == 0)
			json_error_add(errors, &address, "duplicate_backend",
				       "list each backend of a VIP once; weight says its share",
				       "backend %s is already /vips/%u/backends/%u",
				       addr_format(keys[i].value, text), vip, keys[i - 1].backend);
	}
}

/* A backend with a VIP's address would get its own encapsulated packets back, for ever. */
static void
check_backends_are_no_vips(const struct config *config, struct key *keys,
			   struct json_errors *errors)
{
	const struct json_path root = { .name = "vips" };
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < config->vip_count; i++)
		keys[i] = (struct key){ &config->vips[i].endpoint.address, 0, 0 };
	qsort(keys, config->vip_count, sizeof *keys, key_compare_address);
	for (uint32_t i = 0; i < config->vip_count; i++) {
		const struct json_path item = { .parent = &root, .index = i };
		const struct json_path list = { .parent = &item, .name = "backends" };

		for (uint32_t j = 0; j < config->vips[i].backend_count; j++) {
			const struct key wanted = { &config->vips[i].backends[j].address, 0, 0 };
			const struct json_path path = { .parent = &list, .index = j };
			const struct json_path address = { .parent = &path, .name = "address" };

			if (address_is_set(wanted.value) &&
			    bsearch(&wanted, keys, config->vip_count, sizeof *keys,
				    key_compare_address))
				json_error_add(
					errors, &address, "backend_is_vip",
					"use the server's own address",
					"%s is the address of a VIP, so it cannot be a backend",
					addr_format(wanted.value, text));
		}
	}
}

static const struct config_backend *
key_backend(const struct config *config, const struct key *key)
{
	return &config->vips[key->vip].backends[key->backend];
}

static void
check_backend_name(const struct config *config, const struct key *key, const struct key *before,
		   struct json_errors *errors)
{
	const struct json_path root = { .name = "vips" };
	const struct json_path item = { .parent = &root, .index = key->vip };
	const struct json_path list = { .parent = &item, .name = "backends" };
	const struct json_path path = { .parent = &list, .index = key->backend };
	const struct json_path name = { .parent = &path, .name = "name" };
	const struct config_backend *backend = key_backend(config, key);
	char text[ADDR_TEXT_MAX];
	struct addr address;

	if (addr_parse(backend->name, &address) == 0 &&
	    memcmp(&address, &backend->address, sizeof address) != 0 &&
	    address_is_set(&backend->address)) {
		json_error_add(errors, &name, "invalid_value",
			       "a name must not be another's address",
			       "the name is an address, but not that of this backend");
		return;
	}
	if (before != NULL && strcmp(key->value, before->value) == 0 &&
	    memcmp(&backend->address, &key_backend(config, before)->address, sizeof address) != 0)
		json_error_add(errors, &name, "duplicate_backend", "one name means one address",
			       "the name \"%s\" is already that of %s", backend->name,
			       addr_format(&key_backend(config, before)->address, text));
}

static void
check_backend_names(const struct config *config, struct key *keys, struct json_errors *errors)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		for (uint32_t j = 0; j < config->vips[i].backend_count; j++)
			keys[count++] = (struct key){ config->vips[i].backends[j].name, i, j };
	}
	qsort(keys, count, sizeof *keys, key_compare_text);
	for (uint32_t i = 0; i < count; i++)
		check_backend_name(config, &keys[i], i > 0 ? &keys[i - 1] : NULL, errors);
}

static void
check_table_size(const struct config_vip *vip, const struct json_path *path,
		 const struct config_source *source)
{
	uint32_t needed = vip->backend_count * CONTROL_ROWS_PER_BACKEND_MIN;
	uint32_t even = config_table_size_for(vip->backend_count * CONTROL_ROWS_PER_BACKEND_WARN);
	char hint[96];

	if (vip->table_size < needed) {
		snprintf(hint, sizeof hint, "set \"table_size\" to %u or larger",
			 config_table_size_for(needed));
		json_error_add(source->errors, path, "table_too_small", hint,
			       "%u backends need %u rows (%d each), the table has %u",
			       vip->backend_count, needed, CONTROL_ROWS_PER_BACKEND_MIN,
			       vip->table_size);
	} else if (vip->table_size / CONTROL_ROWS_PER_BACKEND_WARN < vip->backend_count) {
		if (even != 0)
			snprintf(hint, sizeof hint, "\"table_size\": %u shares more evenly", even);
		else
			snprintf(hint, sizeof hint, "fewer backends share more evenly");
		json_error_add(
			source->warnings, path, "few_rows", hint,
			"%u backends on %u rows are under %d rows each, so shares will be uneven",
			vip->backend_count, vip->table_size, CONTROL_ROWS_PER_BACKEND_WARN);
	}
}

static void
check_vip_sets(const struct config *config, const struct config_source *source)
{
	const struct json_path root = { .name = "vips" };

	for (uint32_t i = 0; i < config->vip_count; i++) {
		const struct json_path item = { .parent = &root, .index = i };
		const struct json_path list = { .parent = &item, .name = "backends" };
		const struct config_vip *vip = &config->vips[i];
		uint64_t weight = 0;

		if (vip->backend_count == 0)
			continue; /* reported as a missing or empty member */
		for (uint32_t j = 0; j < vip->backend_count; j++)
			weight += vip->backends[j].weight;
		if (weight == 0)
			json_error_add(source->errors, &list, "no_weight",
				       "give at least one a weight of 1 or more",
				       "all backends have weight 0, so nothing would serve");
		check_table_size(vip, &item, source);
	}
}

int
config_check_sets(const struct config *config, const struct config_source *source)
{
	size_t count = (size_t)config->vip_count + config->backend_total + 1;
	struct key *keys = calloc(count, sizeof *keys);

	if (keys == NULL)
		return -ENOMEM;
	check_planes(config, source->errors);
	check_vip_endpoints(config, keys, source->errors);
	check_vip_names(config, keys, source->errors);
	for (uint32_t i = 0; i < config->vip_count; i++)
		check_backend_addresses(config, i, keys, source->errors);
	check_backends_are_no_vips(config, keys, source->errors);
	check_backend_names(config, keys, source->errors);
	check_vip_sets(config, source);
	free(keys);
	return 0;
}
