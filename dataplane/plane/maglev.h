/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Builds Maglev tables: which backend owns each row (Eisenbud et al., "Maglev: A Fast and
 * Reliable Software Network Load Balancer", NSDI 2016, section 3.4), with integer weights.
 *
 * Off the packet path. Not thread-safe: one builder, one thread. The result depends on the
 * address and weight of each backend and on the row count only: any order of the same set gives
 * the same table on every machine.
 *
 * Maglev in its idea (each backend goes through the rows in an order of its own, in turns in
 * proportion to its weight) with exact shares and without the paper's long tail; why, and what
 * else was measured, is in docs/decisions/0002-maglev-build.md. The rule, for M rows and the
 * backends of positive weight w_i with sum W. All is unsigned 64-bit arithmetic that wraps; G =
 * 0x9e3779b97f4a7c15; scale(h, n) = ((h >> 32) * n) >> 32; mix(x) is, in this order:
 * x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >> 27; x *= 0x94d049bb133111eb; x ^= x >> 31.
 *
 * 1. Order: id_i = mix(mix(high + G) ^ low), of the address's two halves read big-endian. The
 *    backends' order is by id, equal ones by address.
 * 2. Share: backend i gets floor(w_i M / W) rows, and one more if w_i M mod W is among the
 *    largest of these remainders, as many as rows are left over; of equal remainders the first
 *    in the backends' order are taken.
 * 3. Walk: h = mix(id_i + G); the walk of i begins at row scale(h, M) and goes on by
 *    1 + scale(h << 32, M - 1) modulo M. Turn after turn, while more than floor(M /
 *    MAGLEV_REST_PART) rows are free at its begin, in the backends' order, each that has not got
 *    its share looks at the next ceil(MAGLEV_TURN_ROWS w_i / the largest w) rows of its walk, and
 *    takes each that is free, until it has its share.
 * 4. Rest: in the backends' order, each takes for each row that it has not got the first free one
 *    at or after the row that its walk would look at next, going round.
 *
 * So each backend owns floor or ceil of its due, and a row stays with whoever reached it first
 * until that one leaves or needs less.
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
	MAGLEV_TURN_ROWS = 16, /**< rows that a backend of the largest weight looks at in a turn */
	MAGLEV_REST_PART = 2048, /**< this part of the rows is given out without walking */
	MAGLEV_BACKENDS_MAX = 65535,
	MAGLEV_NONE = 0xffff, /**< a row that nobody owns */
};

struct maglev;

struct maglev_backend {
	struct addr address; /**< identity; unique in the set */
	uint16_t index;	     /**< what its rows will hold; not MAGLEV_NONE */
	uint16_t weight;     /**< relative share; 0: it gets no row */
};

/** Sizes that are served: primes of design, from 251 to MAGLEV_ROWS_MAX. */
bool maglev_row_count_valid(uint32_t row_count);

/** All valid sizes, ascending. */
const uint32_t *maglev_row_counts(uint32_t *ret_count);

/** The smallest valid size with MAGLEV_ROWS_PER_BACKEND_MIN rows for each of @p backend_count; 0:
 * there is none. */
uint32_t maglev_row_count_needed(uint32_t backend_count);

/**
 * Make a builder with the memory for tables of up to @p row_count_max rows and @p backend_count_max
 * backends; it grows with their sum. No later call allocates.
 *
 * @param row_count_max 251 ... MAGLEV_ROWS_MAX.
 * @param backend_count_max 1 ... MAGLEV_BACKENDS_MAX.
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
	uint16_t *rows;	    /**< row_count of them; written on success only: owner's index or
			       MAGLEV_NONE */
};

/**
 * Fill a table. A set without positive weight fills it with MAGLEV_NONE.
 * @return 0; -EINVAL: row_count is not valid or above the builder's, or an index is MAGLEV_NONE;
 * -E2BIG: more backends than row_count / MAGLEV_ROWS_PER_BACKEND_MIN or than the builder's;
 * -EEXIST: an address twice.
 */
int maglev_build(struct maglev *maglev, const struct maglev_request *request);

#endif
