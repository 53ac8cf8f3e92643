/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The inside of waiting for a drain, shared by fairlead_wait.c (asking) and fairlead_left.c
 * (telling what is left, and how it ended).
 */
#ifndef TOOLS_FAIRLEAD_WAIT_H
#define TOOLS_FAIRLEAD_WAIT_H

#include "fairlead_cli.h"

/** What one look said. */
enum outcome {
	OUTCOME_MORE,	 /**< go on */
	OUTCOME_DONE,	 /**< drained, or removed */
	OUTCOME_IDLE,	 /**< silent for as long as --idle says */
	OUTCOME_UNDONE,	 /**< somebody gave it its share back */
	OUTCOME_GONE,	 /**< somebody removed a VIP that has it */
	OUTCOME_REMOVED, /**< somebody removed it, and this did not ask for that */
	OUTCOME_FAILED,	 /**< the daemon says no */
	OUTCOME_STOPPED, /**< Ctrl-C */
};

struct waiter {
	struct cli *cli;
	enum wait_for what;
	int64_t started_ms;
	int64_t deadline_ms;
	const char *vip; /**< ask for this VIP alone; NULL: all */
	cJSON *list;	 /**< the newest answer of backend.list; NULL: none yet */
	/** Of status, when a list said drained or nothing, at the limit, and while a removal went
	 * on; NULL: not asked. */
	cJSON *planes;
	/** Of OUTCOME_GONE and OUTCOME_REMOVED: the VIP, borrowed of list or cli; NULL: any. */
	const char *gone;
	bool is_lost;	     /**< the daemon does not answer */
	bool shows_progress; /**< on stderr, a terminal */
	int exit_code;	     /**< of OUTCOME_FAILED */
	struct json_error error;
};

/** Whether a plane in sync told of the backend in @p row; what others say does not count. */
bool wait_row_is_told(const cJSON *row);

/** Some row of it is not told: which planes are not in sync says why. */
bool wait_rows_are_untold(const struct waiter *waiter);

/** What a row of the backend says by itself. */
enum outcome wait_row_outcome(const struct waiter *waiter, const cJSON *row);

/** The progress line, where somebody looks; or nothing in its place. */
void wait_progress_show(const struct waiter *waiter);
void wait_progress_clear(const struct waiter *waiter);

/** Print how it ended, for people, or in @p answer. @return the exit code. */
int wait_end_print(const struct waiter *waiter, enum outcome outcome);
int wait_end_json(const struct waiter *waiter, enum outcome outcome, cJSON *answer);

#endif
