/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Which sets of backends each VIP had in the last window, and the one before: what a plane that
 * starts with nothing needs to track the flows that the others track (docs/formats.md 3).
 *
 * In memory only. Times are milliseconds of the monotonic clock, given by the caller. No I/O. One
 * thread.
 */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include <cjson/cJSON.h>

#include "config.h"

struct history;

/** Of one answer. */
struct history_limit {
	int64_t now_ms;
	size_t bytes_max; /**< what the past of one VIP may take, printed */
};

/** @return 0; -ENOMEM. */
int history_create(struct history **ret_history);

/** NULL is fine. */
void history_destroy(struct history *history);

/**
 * What serves from @p now_ms on. VIPs whose set is another than noted last get a new entry, VIPs
 * that are gone are forgotten, and so is what is older than a window. Without memory a VIP's past
 * is forgotten: planes that come new then track less.
 */
void history_note(struct history *history, const struct config *config, int64_t now_ms);

/** How many sets are kept of a VIP before the present one; at most HISTORY_SETS_MAX. */
uint32_t history_count(const struct history *history, const struct config_vip *vip);

/**
 * Add "age_ms" and "history" to @p object, a VIP of plane.prepare with the set of @p vip, as far as
 * the line has room, newest first; nothing where nothing is known. A set of @p vip that was not
 * noted yet serves from now on.
 *
 * @param limit what is known of the moment and the line.
 * @return false: no memory.
 */
bool history_put(const struct history *history, const struct config_vip *vip, cJSON *object,
		 const struct history_limit *limit);

/** At least the bytes that history_put() adds. */
size_t history_bytes(const struct history *history, const struct config_vip *vip,
		     const struct history_limit *limit);

/** How long a VIP's past counts, in ms: its window and a little more. */
int64_t history_window_ms(const struct config_vip *vip);

#endif
