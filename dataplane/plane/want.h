/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What plane.prepare asks for: its parameters read, checked on their own and collected over all
 * parts of a generation. What it means for the served state is change.h's.
 *
 * No I/O, no table. One thread.
 */
#ifndef PLANE_WANT_H
#define PLANE_WANT_H

#include "endpoint.h"
#include "plane.h"

struct want_backend {
	struct addr address;
	uint16_t weight;
	uint32_t index; /**< in the request's array */
};

/** The backends that a VIP had from some time on. */
struct want_set {
	uint64_t age_ms;   /**< how long ago they were committed first */
	uint32_t window_s; /**< that counted then */
	uint32_t backend_count;
	struct want_backend *backends; /**< by address, each once */
};

struct want_vip {
	struct addr_endpoint endpoint;
	uint32_t order; /**< place in the whole request, all parts */
	bool remove;	/**< the VIP is to go; what follows `index` is not set */
	uint32_t part;	/**< from 1 */
	uint32_t index; /**< in that part's "vips" or "remove" */
	struct vip_policy policy;
	uint32_t table_size;
	struct want_set present;
	uint32_t history_count;	  /**< 0-VIP_HISTORY_MAX */
	struct want_set *history; /**< the sets before, oldest first; NULL when there are none */
};

struct want {
	uint64_t generation;
	bool full;
	bool more;	     /**< another part follows */
	uint32_t part_count; /**< taken so far; the last one's number */
	uint32_t vip_count;
	uint32_t vip_capacity;
	uint64_t backend_count; /**< of all VIPs */
	uint64_t history_backend_count;
	struct want_vip *vips; /**< in the order of the request, until want_sort() */
};

/** A VIP for an error's path in the request. */
struct want_place {
	struct json_path array, item, member;
};

/**
 * Take a part.
 *
 * @param want zeroed before the first; want_clear() it in any case.
 * @param options for the limits and the families that can be encapsulated.
 * @return 0; -EINVAL: the errors say what is wrong; -ENOMEM.
 */
int want_add_part(struct want *want, const struct plane_options *options, const cJSON *params,
		  struct json_errors *errors);

/** Order the VIPs by endpoint, and by place in the request where one stands twice. */
void want_sort(struct want *want);

/**
 * Where a VIP, or its @p member, stands in the request, for an error.
 * @return the path, in ret_place; NULL: it stood in an earlier part, which has no place in this
 * request.
 */
const struct json_path *want_path(const struct want *want, const struct want_vip *vip,
				  const char *member, struct want_place *ret_place);

void want_clear(struct want *want);

#endif
