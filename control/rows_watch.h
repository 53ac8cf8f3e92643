/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Looks whether the planes in sync have the same rows: the owners, and the previous owners of rows
 * that move (rows_digest of docs/formats.md 2). Their configuration is the same, but not always
 * their past: a plane may have begun with nothing, or stood still for a while.
 *
 * Rows change by each plane's own clock, so they differ for a moment again and again. Only what
 * lasts counts. One thread, that of the loop.
 */
#ifndef CONTROL_ROWS_WATCH_H
#define CONTROL_ROWS_WATCH_H

#include "pusher.h"

struct rows_watch;

/** @return 0; -ENOMEM. */
int rows_watch_create(struct pusher *pusher, struct model *model, struct event_base *base,
		      struct rows_watch **ret_watch);

/** After the pusher, whose end ends its question. NULL is fine. */
void rows_watch_destroy(struct rows_watch *watch);

/**
 * Add "rows_differ" to @p object where rows have differed for ROWS_DIFFER_MS: for_ms, and of each
 * plane in sync plane and rows_digest.
 *
 * @return false: no memory.
 */
bool rows_watch_put(const struct rows_watch *watch, cJSON *object);

#endif
