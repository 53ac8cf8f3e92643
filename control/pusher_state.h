/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The pusher's inside, shared by pusher.c (what happens), push_result.c and push_log.c (what is
 * told of it).
 */
#ifndef CONTROL_PUSHER_STATE_H
#define CONTROL_PUSHER_STATE_H

#include "push_parts.h"
#include "pusher.h"

/** Where one plane is in the push under way. */
enum plane_stage {
	STAGE_NONE,	 /**< takes no part, or its part was aborted */
	STAGE_PREPARING, /**< a part is on its way */
	STAGE_PREPARED,
	STAGE_REFUSED, /**< plane.prepare answered an error */
	STAGE_LOST,    /**< no answer to plane.prepare */
	STAGE_COMMITTING,
	STAGE_COMMITTED,
	STAGE_FAILED, /**< plane.commit was not answered as it must be; pusher_plane.failure says
			 why */
};

struct pusher_plane {
	struct pusher *pusher;
	struct plane_link *link;
	uint64_t generation; /**< what it serves, as it told last */
	char digest[MODEL_DIGEST_BYTES];
	bool refused; /**< the model's state; asked again at retry_at_ms, after a change or a
			 reconnection */
	bool key_differs;
	bool thinning_is_told; /**< since it was in sync last */
	int64_t retry_at_ms;
	int64_t out_of_step_since_ms;	    /**< does not serve the model's state; 0: it does */
	char error[JSON_MESSAGE_BYTES_MAX]; /**< of the refusal */
	/* the push under way */
	enum plane_stage stage;
	struct push_parts parts;
	char prepared[MODEL_DIGEST_BYTES];
	cJSON *vips; /**< of the prepare's answer; NULL: none */
	cJSON *warnings;
	char failure[JSON_MESSAGE_BYTES_MAX];
	struct json_errors errors; /**< of the refused prepare */
};

struct pusher {
	struct event_base *base;
	struct model *model;
	struct event *step;
	uint32_t plane_count;
	struct pusher_plane *planes[CONTROL_PLANES_MAX];
	struct push_job *queue; /**< waiting, first come first */
	uint32_t queue_count;
	/* the push under way */
	enum {
		PHASE_START, /**< nothing was heard yet */
		PHASE_FIND,  /**< planes are asked what they have */
		PHASE_IDLE,
		PHASE_PREPARE,
		PHASE_COMMIT
	} phase;
	bool whole;		    /**< the job is a new configuration, not an edit */
	struct push_job *job;	    /**< NULL: planes are brought to the model's state */
	struct push_result *result; /**< of the job; NULL: no memory */
	struct config *candidate;   /**< the state after the job */
	struct model_plan *plan;
	uint64_t generation;
	char digest[MODEL_DIGEST_BYTES]; /**< of the state after it; "" when no plane has said it */
};

/** Ask the loop for a step. */
void pusher_kick(struct pusher *pusher);

/** @return NULL: no memory. */
struct pusher_plane *pusher_plane_create(struct pusher *pusher, const struct config_plane *config);
void pusher_plane_destroy(struct pusher_plane *plane);

/** It serves the model's state. */
bool pusher_plane_matches(const struct pusher *pusher, const struct pusher_plane *plane);

/** It is there and must not or does not want to have the state; @p why is for the operator. */
void pusher_plane_refuse(struct pusher_plane *plane, const char *why);

/** Send the next part of plane->parts; the stage tells how it goes on. */
void pusher_plane_prepare(struct pusher_plane *plane);
void pusher_plane_commit(struct pusher_plane *plane);

/** Drop what it prepared, if it did. */
void pusher_plane_abort(struct pusher_plane *plane);

/** Forget the push that is over. */
void pusher_plane_clear(struct pusher_plane *plane);

/** @return NULL: no memory. */
struct push_result *push_result_create(void);
void push_result_destroy(struct push_result *result);

/**
 * Whether every plane that takes part prepared, and prepared the same; otherwise the reasons are in
 * the result.
 */
bool push_result_all_prepared(struct pusher *pusher);

/** Everything a finished job tells, before its state is adopted. No memory: an error in the result.
 */
void push_result_fill(struct pusher *pusher);

/**
 * Write what a change does, before its state is adopted.
 *
 * @param ret_text cut where it is too long; with true only.
 * @return false: nothing changes, and the log need not say so.
 */
bool push_log_describe(const struct pusher *pusher, char ret_text[PUSH_LOG_BYTES_MAX]);

/**
 * Ask the planes that are there what they have: backends that the model's state has not are leaving
 * from then on. Ends in PHASE_IDLE, with a kick.
 */
void pusher_find(struct pusher *pusher);

/** Note which planes have another hash key than the first, and tell the operator once. */
void pusher_check_keys(struct pusher *pusher);

#endif
