/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A state machine with one step function, run from the loop whenever something was heard: answers
 * of planes only note what was said and ask for a step. It begins with START -> FIND -> IDLE
 * (pusher_find.c); a push goes IDLE -> PREPARE -> COMMIT -> IDLE; the planes that take part have a
 * stage of their own (pusher_state.h). What a finished push tells is made in push_result.c.
 */
#include "pusher_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static void pusher_step(evutil_socket_t fd, short what, void *user);

static void
pusher_abort(struct pusher *pusher)
{
	for (uint32_t i = 0; i < pusher->plane_count; i++)
		pusher_plane_abort(pusher->planes[i]);
}

static struct pusher_plane *
planes_take(struct pusher_plane **planes, uint32_t count, const struct config_plane *config)
{
	for (uint32_t i = 0; i < count; i++) {
		struct pusher_plane *plane = planes[i];

		if (plane == NULL || !plane_link_is(plane->link, config))
			continue;
		planes[i] = NULL;
		return plane;
	}
	return NULL;
}

/*
 * Connect to what the configuration names and leave what it does not; who stays stays connected. A
 * plane that is left goes on serving what it has.
 */
static int
pusher_set_planes(struct pusher *pusher, const struct config *config)
{
	struct pusher_plane *before[CONTROL_PLANES_MAX];
	uint32_t before_count = pusher->plane_count;
	int r = 0;

	memcpy(before, pusher->planes, sizeof before);
	pusher->plane_count = 0;
	for (uint32_t i = 0; i < config->plane_count; i++) {
		struct pusher_plane *plane = planes_take(before, before_count, &config->planes[i]);

		if (plane == NULL)
			plane = pusher_plane_create(pusher, &config->planes[i]);
		if (plane == NULL) {
			log_error("plane %s: no memory to connect", config->planes[i].name);
			r = -ENOMEM;
			continue;
		}
		pusher->planes[pusher->plane_count++] = plane;
	}
	for (uint32_t i = 0; i < before_count; i++)
		pusher_plane_destroy(before[i]);
	return r;
}

/* --- a push --- */

/* The generation after all that any plane has seen, so that none refuses it as old. */
static uint64_t
generation_after(const struct pusher *pusher)
{
	uint64_t generation = pusher->model->generation;

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		const struct pusher_plane *plane = pusher->planes[i];

		if (plane_link_is_up(plane->link) && plane->generation > generation)
			generation = plane->generation;
	}
	return generation + 1;
}

static void
push_start(struct pusher *pusher, uint64_t generation)
{
	pusher->generation = generation;
	pusher->phase = PHASE_PREPARE;
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage != STAGE_PREPARING)
			continue;
		plane->parts = (struct push_parts){
			.from = pusher->model->config,
			.to = pusher->candidate != NULL ? pusher->candidate : pusher->model->config,
			.plan = pusher_plane_matches(pusher, plane) ? pusher->plan : NULL,
			.generation = generation,
			.history = pusher->model->history,
			.now_ms = plane_link_now_ms(),
		};
		plane->errors.count = plane->errors.dropped = 0;
		pusher_plane_prepare(plane);
	}
	pusher_kick(pusher);
}

static bool
config_names_plane(const struct config *config, const struct pusher_plane *plane)
{
	for (uint32_t i = 0; i < config->plane_count; i++) {
		if (plane_link_is(plane->link, &config->planes[i]))
			return true;
	}
	return false;
}

/*
 * A plane that refused the state it should have (and serves something else) is asked about a new
 * configuration, but does not hold up a drain: it gets the state after it.
 */
static bool
plane_takes_part(const struct pusher *pusher, const struct pusher_plane *plane)
{
	if (plane->refused && !pusher->whole)
		return false;
	return plane_link_is_up(plane->link) && config_names_plane(pusher->candidate, plane);
}

/* Makes pusher->candidate and pusher->plan of the job. false: the result says why. */
static bool
change_prepare(struct pusher *pusher, struct push_job *job, struct push_result *result)
{
	const struct config *now = pusher->model->config;
	int r = 0;

	if (job->has_if_generation && job->if_generation != pusher->model->generation) {
		json_error_add(&result->errors, NULL, "generation_conflict",
			       "look at what serves now (fairlead config show) and decide again",
			       "generation %llu serves, not %llu",
			       (unsigned long long)pusher->model->generation,
			       (unsigned long long)job->if_generation);
		return false;
	}
	pusher->whole = job->file != NULL;
	if (pusher->whole) {
		pusher->candidate = job->file;
		job->file = NULL;
		r = model_carry(now, pusher->candidate,
				&(struct model_notes){ result->warnings, result->warnings });
		if (r == 0 && job->kind == PUSH_APPLY && !job->force)
			r = model_check_cuts(now, pusher->candidate, &result->errors);
	} else {
		r = model_edit(now, &job->edit, &pusher->candidate, &result->errors);
	}
	if (r == 0)
		r = model_plan(now, pusher->candidate, &pusher->plan);
	if (r == -ENOMEM)
		json_error_add(&result->errors, NULL, "no_memory", NULL,
			       "no memory for the change");
	return r == 0;
}

static void
change_begin(struct pusher *pusher)
{
	struct push_job *job = pusher->queue;
	struct push_result *result = push_result_create();

	pusher->queue = job->next;
	pusher->queue_count--;
	pusher->job = job;
	pusher->result = result;
	if (result == NULL || !change_prepare(pusher, job, result) || pusher->plan->count == 0) {
		pusher->phase = PHASE_COMMIT; /* nothing to ask the planes */
		pusher_kick(pusher);
		return;
	}
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		plane->stage = plane_takes_part(pusher, plane) ? STAGE_PREPARING : STAGE_NONE;
	}
	push_start(pusher, generation_after(pusher));
}

static bool
plane_needs_sync(const struct pusher *pusher, struct pusher_plane *plane)
{
	if (!plane_link_is_up(plane->link) || pusher_plane_matches(pusher, plane))
		return false;
	return !plane->refused || plane->retry_at_ms <= plane_link_now_ms();
}

/*
 * Bring planes to the model's state. Those that have seen as high a generation as the model's make
 * a new generation necessary, which then all get; for who matches, that is an empty change.
 */
static bool
sync_begin(struct pusher *pusher)
{
	struct model *model = pusher->model;
	uint64_t after = generation_after(pusher);
	bool unknown = model->digest[0] == '\0';
	bool all = after > model->generation + 1 || model->generation == 0;
	bool any = false;

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		plane->stage = plane_needs_sync(pusher, plane) ? STAGE_PREPARING : STAGE_NONE;
		any = any || plane->stage == STAGE_PREPARING;
		all = all ||
		      (plane->stage == STAGE_PREPARING && plane->generation >= model->generation);
	}
	if (!any)
		return false;
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		if ((all || unknown) && plane_link_is_up(plane->link) && !plane->refused)
			plane->stage = STAGE_PREPARING;
	}
	if (model_plan(model->config, model->config, &pusher->plan) < 0) {
		log_error("no memory to bring the planes up to date; trying again");
		return false;
	}
	push_start(pusher, all ? after : model->generation);
	return true;
}

static bool
pusher_waits(const struct pusher *pusher)
{
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		if (pusher->planes[i]->stage == STAGE_PREPARING ||
		    pusher->planes[i]->stage == STAGE_COMMITTING)
			return true;
	}
	return false;
}

static void
push_commit(struct pusher *pusher)
{
	pusher->phase = PHASE_COMMIT;
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage != STAGE_PREPARED)
			continue;
		memcpy(pusher->digest, plane->prepared, sizeof pusher->digest);
		pusher_plane_commit(plane);
	}
	pusher_kick(pusher);
}

/* Every plane has answered the prepare of a change. */
static void
change_prepared(struct pusher *pusher)
{
	if (!push_result_all_prepared(pusher) || pusher->job->kind == PUSH_DIFF) {
		pusher_abort(pusher);
		pusher->phase = PHASE_COMMIT; /* nothing is on its way: ends at the next step */
		pusher_kick(pusher);
		return;
	}
	push_commit(pusher);
}

/* A plane whose answer cannot be right for the model's state must not serve it. */
static void
sync_weed_out(struct pusher *pusher)
{
	const char *expected = pusher->model->digest;
	const char *first = "";
	char why[LINK_ERROR_BYTES_MAX];

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage == STAGE_REFUSED)
			pusher_plane_refuse(plane, plane->errors.count > 0
							   ? plane->errors.items[0].message
							   : "refused the state");
		if (plane->stage != STAGE_PREPARED)
			continue;
		if (first[0] == '\0')
			first = expected[0] != '\0' ? expected : plane->prepared;
		if (strcmp(first, plane->prepared) == 0)
			continue;
		snprintf(why, sizeof why,
			 "it makes digest %s of the state that is %s on the others: install the "
			 "same "
			 "version everywhere",
			 plane->prepared, first);
		pusher_plane_abort(plane);
		pusher_plane_refuse(plane, why);
	}
}

/* All planes serve the model's state already, under one generation. */
static bool
sync_is_needless(const struct pusher *pusher, uint64_t *ret_generation)
{
	const struct pusher_plane *first = NULL;

	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		const struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage != STAGE_PREPARED)
			continue;
		if (first == NULL)
			first = plane;
		if (strcmp(plane->prepared, plane->digest) != 0 || plane->generation == 0 ||
		    plane->generation != first->generation ||
		    plane->generation < pusher->model->generation)
			return false;
	}
	if (first != NULL)
		*ret_generation = first->generation;
	return first != NULL;
}

static void
sync_prepared(struct pusher *pusher)
{
	struct model *model = pusher->model;
	uint64_t generation;

	sync_weed_out(pusher);
	if (!sync_is_needless(pusher, &generation)) {
		push_commit(pusher);
		return;
	}
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		if (pusher->planes[i]->stage == STAGE_PREPARED)
			memcpy(model->digest, pusher->planes[i]->prepared, sizeof model->digest);
	}
	model->generation = generation;
	model_was_served(model);
	log_notice(
		"the planes serve this configuration already: generation %llu, digest %s; nothing "
		"pushed",
		(unsigned long long)generation, model->digest);
	pusher_abort(pusher);
	pusher->digest[0] = '\0'; /* nothing committed */
	pusher->phase = PHASE_COMMIT;
	pusher_kick(pusher);
}

static void
sync_committed(struct pusher *pusher)
{
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		if (plane->stage == STAGE_COMMITTED) {
			plane->refused = false;
			plane->error[0] = '\0';
			plane->thinning_is_told = false;
			model_was_served(pusher->model);
			pusher->model->generation = pusher->generation;
			memcpy(pusher->model->digest, pusher->digest, sizeof pusher->digest);
			log_notice("plane %s: in sync at generation %llu, digest %s",
				   plane_link_name(plane->link),
				   (unsigned long long)pusher->generation, pusher->digest);
		} else if (plane->stage == STAGE_FAILED && plane_link_is_up(plane->link)) {
			pusher_plane_refuse(plane, plane->failure);
		}
	}
}

/* The new state is the model's from here on; whoever could not commit it gets it whole. */
static void
change_adopt(struct pusher *pusher)
{
	struct model *model = pusher->model;
	char what[PUSH_LOG_BYTES_MAX];
	bool is_told = push_log_describe(pusher, what);

	model_adopt(model, pusher->candidate, plane_link_now_ms());
	pusher->candidate = NULL;
	if (pusher->digest[0] != '\0')
		model_was_served(model);
	if (pusher->plan->count > 0) {
		model->generation = pusher->generation;
		memcpy(model->digest, pusher->digest, sizeof model->digest);
		for (uint32_t i = 0; i < pusher->plane_count; i++) {
			pusher->planes[i]->refused = false;
			pusher->planes[i]->error[0] = '\0';
		}
	}
	if (is_told)
		log_notice("generation %llu %s: %s, digest %s",
			   (unsigned long long)model->generation,
			   pusher->plan->count > 0 ? "serves" : "still serves", what,
			   model->digest[0] != '\0' ? model->digest
						    : "not known, no plane is connected");
	(void)pusher_set_planes(pusher, model->config);
}

static void
change_finish(struct pusher *pusher)
{
	struct push_job *job = pusher->job;
	struct push_result *result = pusher->result;

	if (result != NULL && result->errors.count == 0) {
		push_result_fill(pusher);
		if (result->errors.count == 0) {
			result->done = true;
			result->unchanged = pusher->plan->count == 0 &&
					    cJSON_GetArraySize(result->plane_changes) == 0;
			if (job->kind == PUSH_APPLY)
				change_adopt(pusher);
		}
		result->generation = pusher->model->generation;
	}
	pusher->job = NULL;
	pusher->result = NULL;
	config_destroy(job->file);
	job->file = NULL;
	job->done(job, result);
	push_result_destroy(result);
}

static void
push_end(struct pusher *pusher)
{
	if (pusher->job != NULL)
		change_finish(pusher);
	else
		sync_committed(pusher);
	for (uint32_t i = 0; i < pusher->plane_count; i++)
		pusher_plane_clear(pusher->planes[i]);
	config_destroy(pusher->candidate);
	pusher->candidate = NULL;
	model_plan_destroy(pusher->plan);
	pusher->plan = NULL;
	pusher->digest[0] = '\0';
	pusher->phase = PHASE_IDLE;
	pusher_kick(pusher);
}

static bool
pusher_is_settled(const struct pusher *pusher)
{
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		if (!plane_link_is_settled(pusher->planes[i]->link))
			return false;
	}
	return true;
}

/* A plane that comes and goes, or refuses again and again, is out of step since the first time. */
static void
out_of_step_note(struct pusher *pusher)
{
	for (uint32_t i = 0; i < pusher->plane_count; i++) {
		struct pusher_plane *plane = pusher->planes[i];

		if (pusher_plane_matches(pusher, plane))
			plane->out_of_step_since_ms = 0;
		else if (plane->out_of_step_since_ms == 0)
			plane->out_of_step_since_ms = plane_link_now_ms();
	}
}

static void
phase_step(struct pusher *pusher)
{
	switch (pusher->phase) {
	case PHASE_START:
		if (pusher_is_settled(pusher))
			pusher_find(pusher);
		return;
	case PHASE_FIND:
		return; /* asked, and told in time */
	case PHASE_IDLE:
		/* At the start, and for planes just added: who is there decides what to do. */
		if (!pusher_is_settled(pusher))
			return;
		if (pusher->queue != NULL)
			change_begin(pusher);
		else
			(void)sync_begin(pusher);
		return;
	case PHASE_PREPARE:
		if (pusher_waits(pusher))
			return;
		if (pusher->job != NULL)
			change_prepared(pusher);
		else
			sync_prepared(pusher);
		return;
	case PHASE_COMMIT:
		if (!pusher_waits(pusher))
			push_end(pusher);
		return;
	}
}

static void
pusher_step(evutil_socket_t fd, short what, void *user)
{
	struct pusher *pusher = user;

	out_of_step_note(pusher);
	phase_step(pusher);
	out_of_step_note(pusher);
}

int
pusher_create(struct event_base *base, struct model *model, struct pusher **ret_pusher)
{
	struct pusher *pusher = calloc(1, sizeof *pusher);

	if (pusher == NULL)
		return -ENOMEM;
	pusher->base = base;
	pusher->model = model;
	model_adopt(model, model->config, plane_link_now_ms());
	pusher->step = evtimer_new(base, pusher_step, pusher);
	if (pusher->step == NULL || pusher_set_planes(pusher, model->config) < 0) {
		pusher_destroy(pusher);
		return -ENOMEM;
	}
	*ret_pusher = pusher;
	return 0;
}

static void
job_cancel(struct push_job *job)
{
	struct push_result *result = push_result_create();

	if (result != NULL)
		json_error_add(&result->errors, NULL, "plane_unavailable", NULL,
			       "fairleadd is stopping; the change may not have been made");
	config_destroy(job->file);
	job->file = NULL;
	job->done(job, result);
	push_result_destroy(result);
}

static void
queue_cancel(struct pusher *pusher)
{
	struct push_job *job;

	while ((job = pusher->queue) != NULL) {
		pusher->queue = job->next;
		job_cancel(job);
	}
}

void
pusher_destroy(struct pusher *pusher)
{
	if (pusher == NULL)
		return;
	if (pusher->job != NULL)
		job_cancel(pusher->job);
	queue_cancel(pusher);
	/* Who waits for an answer of a plane being closed may look at the planes that are left. */
	while (pusher->plane_count > 0)
		pusher_plane_destroy(pusher->planes[--pusher->plane_count]);
	queue_cancel(pusher); /* and submit something */
	push_result_destroy(pusher->result);
	config_destroy(pusher->candidate);
	model_plan_destroy(pusher->plan);
	if (pusher->step != NULL)
		event_free(pusher->step);
	free(pusher);
}

int
pusher_submit(struct pusher *pusher, struct push_job *job)
{
	struct push_job **place = &pusher->queue;

	if (pusher->queue_count >= PUSH_QUEUE_MAX)
		return -EBUSY;
	while (*place != NULL)
		place = &(*place)->next;
	job->next = NULL;
	*place = job;
	pusher->queue_count++;
	pusher_kick(pusher);
	return 0;
}

uint32_t
pusher_plane_count(const struct pusher *pusher)
{
	return pusher->plane_count;
}
