/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/window.h"
#include "maglev.h"
#include "state.h"
#include "want.h"

enum { TABLE_SIZE_DEFAULT = 65537 };

static const struct json_field prepare_fields[] = {
	{ .name = "generation",
	  .kind = JSON_KIND_INTEGER,
	  .required = true,
	  .min = 1,
	  .max = JSON_INTEGER_MAX },
	{ .name = "full", .kind = JSON_KIND_BOOLEAN },
	{ .name = "more", .kind = JSON_KIND_BOOLEAN },
	{ .name = "vips", .kind = JSON_KIND_ARRAY, .max = INT32_MAX },
	{ .name = "remove", .kind = JSON_KIND_ARRAY, .max = INT32_MAX },
	{ 0 },
};

static const struct json_field vip_fields[] = {
	ENDPOINT_FIELDS,
	POLICY_FIELDS,
	{ .name = "table_size",
	  .kind = JSON_KIND_INTEGER,
	  .min = FL_ROWS_MIN,
	  .max = MAGLEV_ROWS_MAX },
	{ .name = "backends",
	  .kind = JSON_KIND_ARRAY,
	  .required = true,
	  .max = STATE_VIP_SLOTS_MAX },
	{ .name = "window_s", .kind = JSON_KIND_INTEGER, .max = VIP_WINDOW_S_MAX },
	{ .name = "hold_s", .kind = JSON_KIND_INTEGER, .max = VIP_HOLD_S_MAX },
	{ .name = "age_ms", .kind = JSON_KIND_INTEGER, .max = JSON_INTEGER_MAX },
	{ .name = "history", .kind = JSON_KIND_ARRAY, .max = VIP_HISTORY_MAX },
	{ 0 },
};

static const struct json_field set_fields[] = {
	{ .name = "age_ms", .kind = JSON_KIND_INTEGER, .required = true, .max = JSON_INTEGER_MAX },
	{ .name = "window_s", .kind = JSON_KIND_INTEGER, .max = VIP_WINDOW_S_MAX },
	{ .name = "backends",
	  .kind = JSON_KIND_ARRAY,
	  .required = true,
	  .max = STATE_VIP_SLOTS_MAX },
	{ 0 },
};

static const struct json_field remove_fields[] = { ENDPOINT_FIELDS, { 0 } };

_Static_assert(FL_TICKS_PER_S *(uint64_t)VIP_WINDOW_S_MAX * 17 / 16 < FL_WINDOW_TICKS_MAX,
	       "windows fit rows");

static const struct json_field backend_fields[] = {
	{ .name = "address", .kind = JSON_KIND_STRING, .required = true, .max = ADDR_TEXT_MAX },
	{ .name = "weight", .kind = JSON_KIND_INTEGER, .required = true, .max = MAGLEV_WEIGHT_MAX },
	{ 0 },
};

/** What the parsing of one part carries along. */
struct reading {
	struct want *want;
	const struct plane_options *options;
	struct json_errors *errors;
	bool needs_source; /**< backends get tunnels; those of former sets are only remembered */
};

static bool
read_address(const cJSON *object, const struct json_path *parent, struct json_errors *errors,
	     struct addr *ret_address)
{
	const char *text = json_get_string(object, "address", "");
	struct json_path path = { .parent = parent, .name = "address" };
	enum addr_class class;

	if (addr_parse(text, ret_address) < 0) {
		json_error_add(errors, &path, "invalid_value",
			       "write an IPv4 address, or an IPv6 address that is not IPv4-mapped",
			       "\"%s\" is not an IP address", text);
		return false;
	}
	class = addr_classify(ret_address);
	if (class != ADDR_USABLE) {
		json_error_add(errors, &path, "address_not_usable", "use a unicast address",
			       "%s cannot be a backend: the address is %s", text,
			       addr_class_name(class));
		return false;
	}
	return true;
}

static int
compare_backends(const void *a, const void *b)
{
	const struct want_backend *left = a, *right = b;
	int order = state_compare_addresses(&left->address, &right->address);

	return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

/** Sort, and say which stand twice. */
static void
order_backends(struct want_set *set, const struct json_path *path, struct json_errors *errors)
{
	qsort(set->backends, set->backend_count, sizeof set->backends[0], compare_backends);
	for (uint32_t i = 1; i < set->backend_count; i++) {
		const struct want_backend *backend = &set->backends[i];
		struct json_path item = { .parent = path, .index = backend->index };
		struct json_path here = { .parent = &item, .name = "address" };
		char text[ADDR_TEXT_MAX];

		if (state_compare_addresses(&backend->address, &backend[-1].address) != 0)
			continue;
		json_error_add(errors, &here, "duplicate_backend", "name each backend once",
			       "backend %s stands in this set already, at index %u",
			       addr_format(&backend->address, text), backend[-1].index);
	}
}

/** Is there an outer source for the backend's tunnel? */
static void
check_source(struct reading *reading, const struct json_path *path, const struct addr *backend)
{
	const struct plane_options *options = reading->options;
	struct json_path here = { .parent = path, .name = "address" };
	bool is_ipv4 = addr_is_ipv4(backend);

	if (is_ipv4 ? !options->has_source_ipv4 : !options->has_source_ipv6)
		json_error_add(reading->errors, &here, "no_encapsulation",
			       is_ipv4 ? "set \"encap_source_ipv4\" in the plane's configuration"
				       : "set \"encap_source_ipv6\" in the plane's configuration",
			       "plane %s has no %s source address to send to this backend from",
			       options->name, is_ipv4 ? "IPv4" : "IPv6");
}

static bool
read_backend(struct reading *reading, const cJSON *object, const struct json_path *path,
	     struct want_backend *backend)
{
	backend->index = path->index;
	if (!json_check(object, backend_fields, path, reading->errors) ||
	    !read_address(object, path, reading->errors, &backend->address))
		return false;
	backend->weight = (uint16_t)json_get_integer(object, "weight", 0);
	return true;
}

/** Read the member "backends" of @p object. @return 0; -ENOMEM. */
static int
read_backends(struct reading *reading, const cJSON *object, const struct json_path *path,
	      struct want_set *set)
{
	struct json_path here = { .parent = path, .name = "backends" };
	struct json_path item = { .parent = &here };
	const cJSON *array = json_get(object, "backends");
	uint32_t count = (uint32_t)cJSON_GetArraySize(array);
	uint32_t errors_before = reading->errors->count;
	const cJSON *element;

	set->backends = calloc(count > 0 ? count : 1, sizeof set->backends[0]);
	if (set->backends == NULL)
		return -ENOMEM;
	set->backend_count = count;
	cJSON_ArrayForEach (element, array) {
		struct want_backend *backend = &set->backends[item.index];

		if (read_backend(reading, element, &item, backend) && reading->needs_source)
			check_source(reading, &item, &backend->address);
		item.index++;
	}
	if (reading->errors->count == errors_before)
		order_backends(set, &here, reading->errors);
	return 0;
}

/** Bounds what is collected. */
static bool
check_backend_count(struct reading *reading, const cJSON *object, const struct json_path *path)
{
	struct json_path here = { .parent = path, .name = "backends" };
	uint32_t limit = reading->options->limits.backends;

	reading->want->backend_count += (uint64_t)cJSON_GetArraySize(json_get(object, "backends"));
	if (reading->want->backend_count <= limit)
		return true;
	json_error_add(reading->errors, &here, "limit_exceeded",
		       "raise limits.backends in the plane's configuration",
		       "at least %llu backends are needed up to here, limits.backends is %u",
		       (unsigned long long)reading->want->backend_count, limit);
	return false;
}

/* --- the sets before --- */

/** @param age_ms_max of the set before. */
static void
check_age(struct reading *reading, const struct json_path *path, uint64_t age_ms,
	  uint64_t age_ms_max)
{
	struct json_path here = { .parent = path, .name = "age_ms" };

	if (age_ms > age_ms_max)
		json_error_add(reading->errors, &here, "invalid_value",
			       "name the oldest set first, and the present one not at all",
			       "this set is %llu ms old, older than the one before it with %llu ms",
			       (unsigned long long)age_ms, (unsigned long long)age_ms_max);
}

/** Bounds what is collected; a table of the VIP's size must be there for each set. */
static bool
check_set_size(struct reading *reading, const struct json_path *path, const struct want_vip *vip,
	       const struct want_set *set)
{
	struct json_path here = { .parent = path, .name = "backends" };
	uint64_t limit = (uint64_t)VIP_HISTORY_MAX * reading->options->limits.backends;

	if (set->backend_count > vip->table_size / MAGLEV_ROWS_PER_BACKEND_MIN) {
		json_error_add(reading->errors, &here, "table_too_small",
			       "leave out the sets that had another table",
			       "a table of %u rows is too small for %u backends", vip->table_size,
			       set->backend_count);
		return false;
	}
	reading->want->history_backend_count += set->backend_count;
	if (reading->want->history_backend_count <= limit)
		return true;
	json_error_add(reading->errors, &here, "limit_exceeded",
		       "raise limits.backends in the plane's configuration, or leave out old sets",
		       "more backends of former sets than %u times limits.backends, which is %u",
		       VIP_HISTORY_MAX, reading->options->limits.backends);
	return false;
}

static int
read_set(struct reading *reading, const cJSON *object, const struct json_path *path,
	 struct want_vip *vip)
{
	struct want_set *set = &vip->history[vip->history_count];
	const struct want_set *before = vip->history_count > 0 ? set - 1 : NULL;
	int r;

	if (!json_check(object, set_fields, path, reading->errors))
		return 0;
	vip->history_count++; /* want_clear() has it from here on */
	set->age_ms = (uint64_t)json_get_integer(object, "age_ms", 0);
	set->window_s = (uint32_t)json_get_integer(object, "window_s", vip->policy.window_s);
	reading->needs_source = false;
	r = read_backends(reading, object, path, set);
	if (r < 0)
		return r;
	(void)check_set_size(reading, path, vip, set);
	check_age(reading, path, set->age_ms, before != NULL ? before->age_ms : UINT64_MAX);
	return 0;
}

static int
read_history(struct reading *reading, const cJSON *object, const struct json_path *path,
	     struct want_vip *vip)
{
	struct json_path here = { .parent = path, .name = "history" };
	struct json_path item = { .parent = &here };
	const cJSON *array = json_get(object, "history"), *element;
	uint32_t count = (uint32_t)cJSON_GetArraySize(array);
	int r = 0;

	if (count == 0)
		return 0;
	vip->history = calloc(count, sizeof vip->history[0]);
	if (vip->history == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach (element, array) {
		if (r == 0)
			r = read_set(reading, element, &item, vip);
		item.index++;
	}
	if (r == 0 && vip->history_count > 0)
		check_age(reading, path, vip->present.age_ms,
			  vip->history[vip->history_count - 1].age_ms);
	return r;
}

static void
check_table(struct reading *reading, const struct want_vip *vip, const struct json_path *path)
{
	struct json_path here = { .parent = path, .name = "table_size" };
	uint32_t backends = vip->present.backend_count;
	uint32_t needed = maglev_row_count_needed(backends);

	if (!maglev_row_count_valid(vip->table_size))
		json_error_add(
			reading->errors, &here, "invalid_value",
			"take 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65537, 131071, "
			"262139, 524287 or 1048573",
			"%u is not a table size", vip->table_size);
	else if (backends > vip->table_size / MAGLEV_ROWS_PER_BACKEND_MIN && needed == 0)
		json_error_add(reading->errors, path, "table_too_small", "use fewer backends",
			       "no table is large enough for %u backends", backends);
	else if (backends > vip->table_size / MAGLEV_ROWS_PER_BACKEND_MIN)
		json_error_add(reading->errors, &here, "table_too_small", "take a larger table",
			       "a table of %u rows is too small for %u backends: it needs %u",
			       vip->table_size, backends, needed);
}

static int
read_vip(struct reading *reading, const cJSON *object, const struct json_path *path,
	 struct want_vip *vip)
{
	int r;

	if (!json_check(object, vip_fields, path, reading->errors))
		return 0;
	(void)endpoint_read(object, path, reading->errors, &vip->endpoint);
	(void)policy_read(object, path, reading->errors, &vip->policy);
	vip->policy.window_s = (uint32_t)json_get_integer(object, "window_s", 0);
	vip->policy.hold_s = (uint32_t)json_get_integer(object, "hold_s", VIP_HOLD_S_DEFAULT);
	vip->table_size = (uint32_t)json_get_integer(object, "table_size", TABLE_SIZE_DEFAULT);
	if (!check_backend_count(reading, object, path))
		return 0;
	reading->needs_source = vip->policy.mode != VIP_MODE_L2DSR;
	vip->present.age_ms = (uint64_t)json_get_integer(object, "age_ms", 0);
	vip->present.window_s = vip->policy.window_s;
	r = read_backends(reading, object, path, &vip->present);
	if (r < 0)
		return r;
	check_table(reading, vip, path);
	return read_history(reading, object, path, vip);
}

/** Room for another VIP, zeroed. NULL: no memory. */
static struct want_vip *
next_vip(struct want *want)
{
	if (want->vip_count == want->vip_capacity) {
		uint32_t capacity = want->vip_capacity == 0 ? 16 : 2 * want->vip_capacity;
		struct want_vip *vips = realloc(want->vips, capacity * sizeof vips[0]);

		if (vips == NULL)
			return NULL;
		want->vips = vips;
		want->vip_capacity = capacity;
	}
	want->vips[want->vip_count] =
		(struct want_vip){ .part = want->part_count, .order = want->vip_count };
	return &want->vips[want->vip_count++];
}

static int
read_array(struct reading *reading, const cJSON *array, const char *name, bool remove)
{
	struct json_path here = { .name = name };
	struct json_path item = { .parent = &here };
	const cJSON *object;

	cJSON_ArrayForEach (object, array) {
		struct want_vip *vip = next_vip(reading->want);
		int r = 0;

		if (vip == NULL)
			return -ENOMEM;
		vip->index = item.index;
		vip->remove = remove;
		if (!remove)
			r = read_vip(reading, object, &item, vip);
		else if (json_check(object, remove_fields, &item, reading->errors))
			(void)endpoint_read(object, &item, reading->errors, &vip->endpoint);
		if (r < 0)
			return r;
		item.index++;
	}
	return 0;
}

/** Bounds what is collected: no more VIPs than can be served and none removed that are not. */
static bool
check_counts(struct reading *reading, const cJSON *params)
{
	struct json_path path = { .name = "vips" };
	uint64_t adds = (uint64_t)cJSON_GetArraySize(json_get(params, "vips"));
	uint64_t removes = (uint64_t)cJSON_GetArraySize(json_get(params, "remove"));
	uint32_t limit = reading->options->limits.vips;

	for (uint32_t i = 0; i < reading->want->vip_count; i++) {
		adds += !reading->want->vips[i].remove;
		removes += reading->want->vips[i].remove;
	}
	if (adds > limit)
		json_error_add(reading->errors, &path, "limit_exceeded",
			       "raise limits.vips in the plane's configuration",
			       "%llu VIPs are needed, limits.vips is %u", (unsigned long long)adds,
			       limit);
	path.name = "remove";
	if (removes > limit)
		json_error_add(reading->errors, &path, "limit_exceeded", "name each VIP once",
			       "%llu VIPs are to be removed, limits.vips is %u",
			       (unsigned long long)removes, limit);
	if (reading->want->full && removes > 0)
		json_error_add(reading->errors, json_get(params, "remove") != NULL ? &path : NULL,
			       "invalid_value", "leave out the VIPs that shall go",
			       "\"remove\" cannot stand in a change that is \"full\"");
	return reading->errors->count == 0;
}

int
want_add_part(struct want *want, const struct plane_options *options, const cJSON *params,
	      struct json_errors *errors)
{
	struct reading reading = { .want = want, .options = options, .errors = errors };
	struct json_path path = { .name = "generation" };
	uint64_t generation;
	int r;

	if (!json_check(params, prepare_fields, NULL, errors))
		return -EINVAL;
	generation = (uint64_t)json_get_integer(params, "generation", 0);
	if (want->part_count > 0 && generation != want->generation) {
		json_error_add(errors, &path, "generation_out_of_order",
			       "send all parts of a generation before the next one",
			       "this part is of generation %llu, but earlier parts are of %llu",
			       (unsigned long long)generation,
			       (unsigned long long)want->generation);
		return -EINVAL;
	}
	want->generation = generation;
	want->full = want->full || json_get_boolean(params, "full", false);
	want->more = json_get_boolean(params, "more", false);
	want->part_count++;
	if (!check_counts(&reading, params))
		return -EINVAL;
	r = read_array(&reading, json_get(params, "vips"), "vips", false);
	if (r == 0)
		r = read_array(&reading, json_get(params, "remove"), "remove", true);
	if (r == 0 && errors->count > 0)
		r = -EINVAL;
	return r;
}

static int
compare_vips(const void *a, const void *b)
{
	const struct want_vip *left = a, *right = b;
	int order = endpoint_compare(&left->endpoint, &right->endpoint);

	if (order == 0)
		order = (left->part > right->part) - (left->part < right->part);
	if (order == 0)
		order = (int)left->remove - (int)right->remove;
	if (order == 0)
		order = (left->index > right->index) - (left->index < right->index);
	return order;
}

void
want_sort(struct want *want)
{
	if (want->vip_count > 1)
		qsort(want->vips, want->vip_count, sizeof want->vips[0], compare_vips);
}

const struct json_path *
want_path(const struct want *want, const struct want_vip *vip, const char *member,
	  struct want_place *ret_place)
{
	if (vip->part != want->part_count)
		return NULL;
	ret_place->array = (struct json_path){ .name = vip->remove ? "remove" : "vips" };
	ret_place->item = (struct json_path){ .parent = &ret_place->array, .index = vip->index };
	ret_place->member = (struct json_path){ .parent = &ret_place->item, .name = member };
	return member != NULL ? &ret_place->member : &ret_place->item;
}

void
want_clear(struct want *want)
{
	for (uint32_t i = 0; i < want->vip_count; i++) {
		for (uint32_t j = 0; j < want->vips[i].history_count; j++)
			free(want->vips[i].history[j].backends);
		free(want->vips[i].history);
		free(want->vips[i].present.backends);
	}
	free(want->vips);
	*want = (struct want){ 0 };
}
