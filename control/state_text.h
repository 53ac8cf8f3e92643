/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a daemon that is restarted must know, as one JSON text (docs/formats.md 3): what was set
 * while running, and the sets of the last windows. Out of a model and into one. No I/O. One thread.
 *
 * Times in the text are milliseconds of the wall clock. A VIP is known by its endpoint, a backend
 * by its VIP and its address.
 */
#ifndef CONTROL_STATE_TEXT_H
#define CONTROL_STATE_TEXT_H

#include "model.h"

/** Now. What is older than the clock is of this moment; what is younger than now is of now. */
struct state_clock {
	int64_t now_ms;	 /**< monotonic, as the model's times */
	int64_t wall_ms; /**< the same moment by the wall clock */
};

/**
 * Print. Two calls give the same text where nothing changed and the two clocks went alike. Former
 * sets of VIPs beyond STATE_SETS_BYTES_MAX are left out.
 *
 * @param ret_text gets the text appended.
 * @return 0; -EMSGSIZE: what was set takes more than STATE_FILE_BYTES_MAX; -ENOMEM.
 */
int state_text_print(const struct model *model, const struct state_clock *clock,
		     struct json_buffer *ret_text);

/** A text to be taken, and what is told of it. */
struct state_source {
	const char *text;
	size_t size;
	struct json_errors *errors; /**< zeroed by the caller; located */
	cJSON *notes;		    /**< array: a sentence for all that is kept, or fits no more */
	cJSON *cuts;		    /**< array: a sentence for all that ends connections */
};

/**
 * Take what an earlier process printed into a model that has just been created: as a new
 * configuration takes it (model_carry()), except that backends of no file stay what they were.
 * Former sets are taken where the table has the same size. All or nothing.
 *
 * @return 0; -EBADMSG, -EINVAL: the text is damaged or of another version, the errors say where;
 *         -ENOMEM. On failure the model is as it was, except with -ENOMEM: then it may have a part
 *         of it, all of which is true.
 */
int state_text_take(struct model *model, const struct state_clock *clock,
		    const struct state_source *source);

#endif
