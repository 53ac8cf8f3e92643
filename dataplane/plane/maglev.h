/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Builds Maglev tables: which backend owns each row (Eisenbud et al., "Maglev: A Fast and
 * Reliable Software Network Load Balancer", NSDI 2016, section 3.4), with integer weights.
 *
 * Off the packet path. Not thread-safe: one builder, one thread. The result depends on the
 * address and weight of each backend and on the row count only: any order of the same set gives
 * the same table on every machine.
 */
#ifndef PLANE_MAGLEV_H
#define PLANE_MAGLEV_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

enum {
	MAGLEV_ROWS_MAX = 1048573,
	MAGLEV_ROWS_PER_BACKEND_MIN = 10,   /**< fewer: refused */
	MAGLEV_ROWS_PER_BACKEND_GOOD = 100, /**< fewer: shares get uneven, the caller warns */
	MAGLEV_WEIGHT_MAX = 65535,
	MAGLEV_BACKENDS_MAX = 65535,
	MAGLEV_NONE = 0xffff, /**< a row that nobody owns */
};

struct maglev;

struct maglev_backend {
	struct addr address; /**< identity; unique in the set */
	uint16_t index;      /**< what its rows will hold; not MAGLEV_NONE */
	uint16_t weight;     /**< relative share; 0: it gets no row */
};

/** Sizes that are served: primes of design, from 251 to MAGLEV_ROWS_MAX. */
bool maglev_row_count_valid(uint32_t row_count);

/** All valid sizes, ascending. */
const uint32_t *maglev_row_counts(uint32_t *ret_count);

/** The smallest valid size with MAGLEV_ROWS_PER_BACKEND_MIN rows for each of @p backend_count; 0: there is none. */
uint32_t maglev_row_count_needed(uint32_t backend_count);

/**
 * Make a builder with the memory for tables of up to @p row_count_max rows and @p backend_count_max
 * backends. No later call allocates.
 * @return 0; -EINVAL: out of range; -ENOMEM.
 */
int maglev_create(uint32_t row_count_max, uint32_t backend_count_max, struct maglev **ret_maglev);

/** NULL is fine. */
void maglev_destroy(struct maglev *maglev);

/** One build: the set and where the table goes. */
struct maglev_request {
	const struct maglev_backend *backends; /**< any order; borrowed during the call */
	uint32_t backend_count;
	uint32_t row_count; /**< a valid size */
	uint16_t *rows;     /**< row_count of them; written on success only: owner's index or MAGLEV_NONE */
};

/**
 * Fill a table. A set without positive weight fills it with MAGLEV_NONE.
 * @return 0; -EINVAL: row_count is not valid or above the builder's; -E2BIG: more backends than
 *         row_count / MAGLEV_ROWS_PER_BACKEND_MIN or than the builder's; -EEXIST: an address twice.
 */
int maglev_build(struct maglev *maglev, const struct maglev_request *request);

#endif
