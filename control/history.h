/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Which sets of backends each VIP had, as far back as it takes to make the rows of a plane that
 * lived through them: what a plane that starts with nothing is given (docs/formats.md 3).
 *
 * Times are milliseconds of the monotonic clock, given by the caller. No I/O. One thread.
 */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include <cjson/cJSON.h>

#include "config.h"

struct history;

struct history_member {
	struct addr address;
	uint32_t weight;
};

/** What a VIP's planes were given at some time. */
struct history_set {
	int64_t since_ms;
	uint32_t window_s; /**< that counts from then on; 0: rows follow at once */
	uint32_t count;
	struct history_member *members; /**< by address, each once; owned */
};

/** Frees the members. */
void history_set_clear(struct history_set *set);

/** Of one answer. */
struct history_limit {
	int64_t now_ms;
	size_t bytes_max;  /**< what the past of one VIP may take, printed */
	uint32_t sets_max; /**< and how many sets, from 1; more than VIP_HISTORY_MAX are never */
};

/** @return 0; -ENOMEM. */
int history_create(struct history **ret_history);

/** NULL is fine. */
void history_destroy(struct history *history);

/**
 * What serves from @p now_ms on. VIPs whose set or window is another than noted last get a new
 * entry; with another table size their past begins anew, as their rows do. VIPs that are gone are
 * forgotten, and so is what no replay needs. Without memory a VIP's past is forgotten: planes that
 * come new then track less.
 */
void history_note(struct history *history, const struct config *config, int64_t now_ms);

/**
 * How many former sets a full push of @p config may tell of each VIP, so that a plane that has
 * nothing need not build more than HISTORY_PUSH_ROWS_MAX rows: as many of each, so that large
 * tables and small ones lose alike; VIPs that have fewer leave room for the others.
 *
 * @return 1 at least, the first set being always told; VIP_HISTORY_MAX: all of them.
 */
uint32_t
history_sets_max(const struct history *history, const struct config *config, int64_t now_ms);

/**
 * Add "age_ms" and "history" to @p object, a VIP of plane.prepare with the set of @p vip, as far as
 * the line has room, newest first; nothing where nothing is known. Of more sets than may be told,
 * the first and those that served longest. A set of @p vip that was not noted yet serves from now
 * on.
 *
 * @param limit what is known of the moment and the line.
 * @return false: no memory.
 */
bool history_put(const struct history *history, const struct config_vip *vip, cJSON *object,
		 const struct history_limit *limit);

/** At least the bytes that history_put() adds. */
size_t history_bytes(const struct history *history, const struct config_vip *vip,
		     const struct history_limit *limit);

/**
 * What is kept of a VIP, oldest first, the present set last; borrowed until the next note.
 * @return NULL: nothing is, or nothing of a table of its size.
 */
const struct history_set *
history_sets(const struct history *history, const struct config_vip *vip, uint32_t *ret_count);

/**
 * Put back what history_sets() told an earlier process: the past of @p vip is this from now on.
 *
 * @param sets oldest first, not before the one before it; of the first VIP_HISTORY_MAX + 1 the
 *        members are taken.
 * @return 0; -ENOMEM, none was taken.
 */
int history_take(struct history *history, const struct config_vip *vip, struct history_set *sets,
		 uint32_t count);

/** How long a row of the VIP can be moving, in ms: its window and a little more. */
int64_t history_window_ms(const struct config_vip *vip);

#endif
