/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Capabilities of the calling thread: what a plane needs to start, and giving up the rest.
 */
#ifndef PLANE_CAPABILITIES_H
#define PLANE_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

enum { CAPABILITIES_KEPT_MAX = 16 };

/** A capability that the start needs. */
struct capability_need {
	unsigned int capability; /**< CAP_... */
	unsigned int instead;	 /**< one that does as well; or the same */
	const char *name, *why;	 /**< "CAP_BPF", "to load programs" */
};

/** Is it effective? */
bool capabilities_have(unsigned int capability);

/** @return 0; -1 at the first that is missing. */
int
capabilities_require(const struct capability_need *needs, uint32_t count, struct failure *failure);

/** No process of ours gets more by exec. Before any other thread. @return 0; -1. */
int capabilities_lock(struct failure *failure);

/**
 * Give up all capabilities of the calling thread but those of @p kept that it has, also the
 * bounding set where that is allowed. A failure leaves more than needed; it is logged.
 *
 * @param count at most CAPABILITIES_KEPT_MAX.
 */
void capabilities_keep(const unsigned int *kept, uint32_t count);

#endif
