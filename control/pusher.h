/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Keeps the planes at the model's state, and changes that state: prepare on every plane, then
 * commit on every plane; one refusal aborts all and the old state stays.
 *
 * Planes that are away do not hold up a change: it is committed on those that are there (with none
 * there it becomes the state to be pushed), and a plane that comes, or comes back, or whose
 * generation or digest is not the expected one, gets the whole state. When no plane's digest is
 * known yet (the daemon has just started) the whole state is prepared, and dropped again where the
 * planes serve it already: nothing is rebuilt.
 *
 * One push at a time; others wait in a bounded queue. One thread, that of the loop.
 */
#ifndef CONTROL_PUSHER_H
#define CONTROL_PUSHER_H

#include "plane_link.h"

struct pusher;
struct push_job;

/** How a job ended. Borrowed during the callback; the cJSON members may be taken (set to NULL
 * then). */
struct push_result {
	bool done; /**< the change serves, or for PUSH_DIFF the plan is known; else see errors */
	bool unchanged;	     /**< nothing that planes serve differs, nor which planes there are */
	uint64_t generation; /**< that serves now */
	cJSON *changes; /**< model_view_plan(), with rows, rows_moved, rows_minimum of the planes */
	cJSON *changed; /**< model_view_changed() */
	cJSON *plane_changes; /**< model_view_plane_changes() */
	cJSON *warnings;      /**< sentences of planes, and what stays drained or re-weighted */
	cJSON *planes_away;   /**< names of planes that will get it when they come */
	cJSON *planes_failed; /**< [{plane, message}]: lost at commit; they will get it when they
				 come */
	struct json_errors errors; /**< when not done; located where they concern the file */
};

/** One change, or the question what it would do. */
struct push_job {
	enum push_kind { PUSH_APPLY, PUSH_DIFF } kind;
	struct config *file;	/**< the new configuration, taken; or NULL: the edit counts */
	struct model_edit edit; /**< strings must live until done */
	bool force;		/**< of a file: also when it cuts connections */
	char what[PUSH_WHAT_BYTES_MAX]; /**< for the log: who asked for what */
	bool has_if_generation;
	uint64_t if_generation; /**< refuse when another one serves at the job's turn */
	/** Exactly once when pusher_submit() returned 0, also at pusher_destroy(). Frees the job.
	 */
	void (*done)(struct push_job *job, struct push_result *result);
	void *user;
	struct push_job *next; /* the pusher's own */
};

enum push_state {
	PUSH_CONNECTING, /**< not there */
	PUSH_SYNCING,	 /**< there, about to get the state */
	PUSH_IN_SYNC,	 /**< serves the model's state */
	PUSH_REFUSED,	 /**< there, and refused the state */
};

/** A plane for those who only look. */
struct push_plane_view {
	struct plane_link *link;
	enum push_state state;
	int64_t out_of_step_since_ms; /**< monotonic: away, or with another state; 0: it is not,
					 or that was not noted yet */
	uint64_t generation;
	const char *digest;
	const char *error; /**< a sentence when something is wrong with it, or "" */
};

/** Connects to the planes of the model's configuration. @return 0; -ENOMEM. */
int pusher_create(struct event_base *base, struct model *model, struct pusher **ret_pusher);

/** Ends waiting jobs as failed. NULL is fine. */
void pusher_destroy(struct pusher *pusher);

/** @return 0: job->done will be called, from the loop; -EBUSY: PUSH_QUEUE_MAX are waiting. */
int pusher_submit(struct pusher *pusher, struct push_job *job);

uint32_t pusher_plane_count(const struct pusher *pusher);

/** @param index below pusher_plane_count(). */
void pusher_plane(const struct pusher *pusher, uint32_t index, struct push_plane_view *ret_view);

#endif
