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
add_conflict(void *user, const struct endpoint_conflict *conflict)
{
	const struct json_path list = { .name = "vips" };
	const struct json_path path = { .parent = &list, .index = conflict->at.place };
	char where[32];

	snprintf(where, sizeof where, "/vips/%u", conflict->other.place);
	endpoint_conflict_add(conflict, where, &path, user);
}

static int
check_vip_endpoints(const struct config *config, struct json_errors *errors)
{
	struct endpoint_member *members = calloc((size_t)config->vip_count + 1, sizeof *members);
	uint32_t count = 0;

	if (members == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->vip_count; i++) {
		/* Incomplete ones have been reported; two of them are not the same VIP. */
		if (config->vips[i].endpoint.protocol != 0)
			members[count++] = (struct endpoint_member){ &config->vips[i].endpoint,
								     &config->vips[i].policy, i };
	}
	endpoint_check_set(members, count, add_conflict, errors);
	free(members);
	return 0;
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

/* The addresses and prefixes of all VIPs, by length and then address. */
struct prefixes {
	const struct addr_prefix **sorted;
	uint32_t run_count; /* lengths in use, each a run of `sorted` */
	struct {
		uint32_t first;
		uint32_t count;
	} runs[ADDR_BITS + 1];
};

static int
prefix_compare(const void *left, const void *right)
{
	const struct addr_prefix *const *a = left;
	const struct addr_prefix *const *b = right;
	int order = (int)(*a)->bits - (int)(*b)->bits;

	return order != 0 ? order : memcmp(&(*a)->address, &(*b)->address, sizeof(struct addr));
}

static int
prefixes_make(const struct config *config, struct prefixes *prefixes)
{
	uint32_t count = 0;

	*prefixes = (struct prefixes){ 0 };
	prefixes->sorted = calloc((size_t)config->vip_count + 1, sizeof(void *));
	if (prefixes->sorted == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->vip_count; i++) {
		if (config->vips[i].endpoint.to.bits != 0) /* else reported as no address */
			prefixes->sorted[count++] = &config->vips[i].endpoint.to;
	}
	qsort(prefixes->sorted, count, sizeof(void *), prefix_compare);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || prefixes->sorted[i]->bits != prefixes->sorted[i - 1]->bits)
			prefixes->runs[prefixes->run_count++].first = i;
		prefixes->runs[prefixes->run_count - 1].count++;
	}
	return 0;
}

/* The prefix that has the address; NULL: none. One search for each length in use. */
static const struct addr_prefix *
prefixes_find(const struct prefixes *prefixes, const struct addr *address)
{
	for (uint32_t i = 0; i < prefixes->run_count; i++) {
		const struct addr_prefix **run = &prefixes->sorted[prefixes->runs[i].first];
		const struct addr_prefix prefix = addr_prefix_of(address, run[0]->bits);
		const struct addr_prefix *wanted = &prefix;
		const struct addr_prefix **found = bsearch(&wanted, run, prefixes->runs[i].count,
							   sizeof wanted, prefix_compare);

		if (found != NULL && addr_prefix_has(*found, address))
			return *found;
	}
	return NULL;
}

static void
check_backend_is_no_vip(const struct addr *address, const struct prefixes *prefixes,
			const struct json_path *backend, struct json_errors *errors)
{
	const struct json_path path = { .parent = backend, .name = "address" };
	const struct addr_prefix *found = prefixes_find(prefixes, address);
	char prefix_text[ADDR_PREFIX_TEXT_MAX];
	char text[ADDR_TEXT_MAX];

	if (found == NULL)
		return;
	if (found->bits == ADDR_BITS)
		json_error_add(errors, &path, "backend_is_vip", "use the server's own address",
			       "%s is the address of a VIP, so it cannot be a backend",
			       addr_format(address, text));
	else
		json_error_add(errors, &path, "backend_is_vip", "use the server's own address",
			       "%s lies in %s, the prefix of a VIP, so it cannot be a backend",
			       addr_format(address, text), addr_prefix_format(found, prefix_text));
}

/* A backend with a VIP's address would get its own encapsulated packets back, for ever. */
static int
check_backends_are_no_vips(const struct config *config, struct json_errors *errors)
{
	const struct json_path root = { .name = "vips" };
	struct prefixes prefixes;

	if (prefixes_make(config, &prefixes) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->vip_count; i++) {
		const struct json_path item = { .parent = &root, .index = i };
		const struct json_path list = { .parent = &item, .name = "backends" };

		for (uint32_t j = 0; j < config->vips[i].backend_count; j++) {
			const struct json_path path = { .parent = &list, .index = j };
			const struct addr *address = &config->vips[i].backends[j].address;

			if (address_is_set(address))
				check_backend_is_no_vip(address, &prefixes, &path, errors);
		}
	}
	free(prefixes.sorted);
	return 0;
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
	int r;

	if (keys == NULL)
		return -ENOMEM;
	check_planes(config, source->errors);
	r = check_vip_endpoints(config, source->errors);
	check_vip_names(config, keys, source->errors);
	for (uint32_t i = 0; i < config->vip_count; i++)
		check_backend_addresses(config, i, keys, source->errors);
	if (r == 0)
		r = check_backends_are_no_vips(config, source->errors);
	check_backend_names(config, keys, source->errors);
	check_vip_sets(config, source);
	free(keys);
	return r;
}
