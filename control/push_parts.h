/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Cuts one push into plane.prepare requests that each fit a line, and leads a plane's pointer into
 * such a request back to the place in the configuration file. No I/O. One thread.
 */
#ifndef CONTROL_PUSH_PARTS_H
#define CONTROL_PUSH_PARTS_H

#include "model.h"

/** A position in the sequence of parts. Everything is borrowed. */
struct push_parts {
	const struct config *from;
	const struct config *to;
	const struct model_plan *plan; /**< NULL: everything of @ref to, as a full push */
	uint64_t generation;
	const struct history *history; /**< goes with a full push; NULL: none */
	int64_t now_ms;		       /**< its moment */
	uint32_t sets_max; /**< of history that a VIP is told, VIP_HISTORY_MAX: all; 0: no part was
			      made yet */
	uint32_t next;	   /**< first item of the part to come */
	uint32_t first;	   /**< first item of the part made last */
	bool complete;	   /**< the part made last was the last one */
};

/** @return the next part's params, owned by the caller; NULL: no memory. Not after complete. */
cJSON *push_parts_next(struct push_parts *parts);

/**
 * Take over what a plane said against the part made last: code "plane_refused", the plane's name
 * before its sentence, and where it concerns a VIP its place in the file of @ref push_parts.to.
 *
 * @param error the JSON-RPC error object.
 */
void push_parts_refused(const struct push_parts *parts, const char *plane, const cJSON *error,
			struct json_errors *errors);

/** Append located errors; what finds no room is counted. */
void push_errors_append(struct json_errors *errors, const struct json_errors *more);

#endif
