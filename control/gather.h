/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Asks one question of every plane that is there and waits for all answers, each bounded by
 * LINK_QUERY_MS: of a plane that is busy with a change for longer, an error is the answer, at once
 * where an earlier question waited for so long already. One thread.
 */
#ifndef CONTROL_GATHER_H
#define CONTROL_GATHER_H

#include "pusher.h"

struct gather_answer {
	char plane[CONTROL_NAME_BYTES_MAX + 1];
	cJSON *result; /**< NULL: none */
	cJSON *error;  /**< the error object; NULL with no result: the plane went away */
};

/** Borrowed during the callback. */
struct gather_result {
	uint32_t count; /**< planes that were asked, in the order of the configuration */
	struct gather_answer answers[CONTROL_PLANES_MAX];
	void *user;
};

struct gather_question {
	const char *method;
	const cJSON *params; /**< borrowed, NULL: none */
	const char *plane;   /**< ask only this one; NULL: all */
	/** Exactly once, when gather() returned 0; maybe before it returns. */
	void (*done)(struct gather_result *result);
	void *user;
};

/** What the plane of this name answered. @return NULL: it was not asked. */
const struct gather_answer *gather_answer(const struct gather_result *result, const char *plane);

/** @return 0; -EBUSY: a plane has too many questions open; -ENOMEM. Nobody there is an answer of
 * count 0. */
int gather(struct pusher *pusher, const struct gather_question *question);

#endif
