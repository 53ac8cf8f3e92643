/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One walk over the VIPs at each tick, one question at a time: the planes are asked about the next
 * VIP with leaving backends when the one before was answered, and its change was made.
 */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "gather.h"
#include "log.h"
#include "model_view.h"

struct keeper {
	struct pusher *pusher;
	struct model *model;
	struct event *tick;
	struct event *next;   /* the walk goes on */
	bool walking;	      /* a question or its change is under way */
	uint32_t vip_index;   /* the walk is there */
	uint32_t look_at;     /* in VIPs with more backends than are looked at at once */
	bool stepping;	      /* a step of the ramps is under way */
	int64_t stepped_ms;   /* the last one began */
	bool failure_is_told; /* of the walk's last change, until one succeeds */
	char vip[ADDR_ENDPOINT_TEXT_MAX]; /* asked about */
	uint64_t generation;		  /* when it was asked */
};

/* Names of planes, with ", " between them. */
enum { LEFT_BYTES_MAX = CONTROL_PLANES_MAX * (CONTROL_NAME_BYTES_MAX + 2) };

struct leaving {
	const struct config_vip *vip;
	const struct config_backend *backend;
};

/* What planes answered, and the backends of each answer. */
struct told {
	const struct gather_result *result;
	struct entries backends[CONTROL_PLANES_MAX]; /* beside result->answers */
};

/* A change of the keeper's own. */
struct keeper_job {
	struct push_job job; /* first: the pusher gives this back */
	struct keeper *keeper;
	char vip[ADDR_ENDPOINT_TEXT_MAX];
	char name[CONTROL_OBJECT_NAME_MAX + 1]; /* of the VIP */
	struct addr drained[KEEPER_DROP_MAX];
	char left[KEEPER_DROP_MAX][LEFT_BYTES_MAX]; /* planes not waited for; "": none */
};

static void
tell_failure(const char *what, const struct push_result *result)
{
	log_warning("%s: %s; trying again", what,
		    result != NULL && result->errors.count > 0 ? result->errors.items[0].message
							       : "no memory");
}

/* --- ramps --- */

static void
ramp_done(struct push_job *push_job, struct push_result *result)
{
	struct keeper_job *job = (struct keeper_job *)push_job;

	if (result == NULL || !result->done)
		tell_failure("weights on their way cannot be set", result);
	job->keeper->stepping = false;
	free(job);
}

/* Some ramp is over: its last step does not wait. */
static bool
ramp_is_over(const struct config *config, int64_t now_ms)
{
	for (uint32_t i = 0; i < config->vip_count; i++) {
		for (uint32_t j = 0; j < config->vips[i].backend_count; j++) {
			const struct config_backend *backend = &config->vips[i].backends[j];

			if (backend->ramping && backend->ramp_end_ms <= now_ms)
				return true;
		}
	}
	return false;
}

static void
ramps_step(struct keeper *keeper, int64_t now_ms)
{
	struct keeper_job *job;

	if (keeper->model->ramp_count == 0 || keeper->stepping)
		return;
	if (now_ms - keeper->stepped_ms < RAMP_STEP_MS &&
	    !ramp_is_over(keeper->model->config, now_ms))
		return;
	job = calloc(1, sizeof *job);
	if (job == NULL)
		return;
	job->keeper = keeper;
	job->job.kind = PUSH_APPLY;
	job->job.edit = (struct model_edit){ .kind = MODEL_RAMP_STEP, .now_ms = now_ms };
	snprintf(job->job.what, sizeof job->job.what, "a step of weights on their way");
	job->job.done = ramp_done;
	if (pusher_submit(keeper->pusher, &job->job) < 0) {
		free(job);
		return;
	}
	keeper->stepping = true;
	keeper->stepped_ms = now_ms;
}

/* --- backends that leave --- */

static void
walk_on(struct keeper *keeper)
{
	/* A timer: the loop must hear sockets and signals in between. */
	static const struct timeval now;

	keeper->vip_index++;
	(void)evtimer_add(keeper->next, &now);
}

bool
keeper_is_drained(const cJSON *backend)
{
	return json_get_boolean(backend, "drained", json_get_integer(backend, "rows", 0) == 0);
}

/* Out of step, while the backend was leaving, for longer than a row moves: it is not waited for. */
static bool
plane_is_given_up(const struct push_plane_view *view, const struct leaving *leaving)
{
	int64_t since_ms = view->out_of_step_since_ms;

	if (view->state == PUSH_IN_SYNC || since_ms == 0)
		return false;
	if (since_ms < leaving->backend->leaving_since_ms)
		since_ms = leaving->backend->leaving_since_ms;
	return plane_link_now_ms() - since_ms > history_window_ms(leaving->vip);
}

/* What a plane says of the backend counts, whatever state it has. One that does not have it has
 * yet to be given it, and its past. */
static bool
plane_lets_go(const struct push_plane_view *view, const struct told *told, const char *address)
{
	const struct gather_answer *answer =
		gather_answer(told->result, plane_link_name(view->link));
	const struct entries *backends;
	size_t first;

	if (answer == NULL)
		return false;
	backends = &told->backends[answer - told->result->answers];
	return entries_find(backends, address, &first) > 0 &&
	       keeper_is_drained(backends->sorted[first].item);
}

/* @return whether no plane is waited for; then ret_left, of LEFT_BYTES_MAX, has the names of those
 * that were given up. */
static bool
all_let_go(const struct keeper *keeper, const struct told *told, const struct leaving *leaving,
	   char *ret_left)
{
	uint32_t count = pusher_plane_count(keeper->pusher);
	char address[ADDR_TEXT_MAX];
	size_t end = 0;

	(void)addr_format(&leaving->backend->address, address);
	ret_left[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		struct push_plane_view view;

		pusher_plane(keeper->pusher, i, &view);
		if (plane_lets_go(&view, told, address))
			continue;
		if (!plane_is_given_up(&view, leaving))
			return false;
		end += (size_t)snprintf(ret_left + end, LEFT_BYTES_MAX - end, "%s%s",
					end > 0 ? ", " : "", plane_link_name(view.link));
	}
	return count > 0; /* 0: the daemon ends */
}

/* For the log, of all that are removed. */
static void
say_removed(struct keeper_job *job)
{
	uint32_t count = job->job.edit.drained_count;
	char *what = job->job.what;
	size_t size = sizeof job->job.what;
	char text[ADDR_TEXT_MAX];
	size_t end;

	if (count == 1)
		snprintf(what, size, "VIP %s: backend %s is %sremoved", job->name,
			 addr_format(&job->drained[0], text),
			 job->left[0][0] == '\0' ? "drained on all planes and " : "");
	else
		snprintf(what, size, "VIP %s: %u backends that were leaving are removed", job->name,
			 count);
	for (uint32_t i = 0; count > 1 && i < count && i < PUSH_LOG_NAMES_MAX; i++) {
		end = strlen(what);
		snprintf(what + end, size - end, "%s%s", i == 0 ? ": " : ", ",
			 addr_format(&job->drained[i], text));
	}
	end = strlen(what);
	if (count > PUSH_LOG_NAMES_MAX)
		snprintf(what + end, size - end, " and %u more", count - PUSH_LOG_NAMES_MAX);
}

/* Connections that this may have cut. */
static void
tell_removed(const struct keeper_job *job, uint32_t index)
{
	char text[ADDR_TEXT_MAX];

	(void)addr_format(&job->drained[index], text);
	if (job->left[index][0] != '\0')
		log_warning("VIP %s: backend %s is removed without waiting any longer for plane "
			    "%s, away or out of step for a window: connections that it still sends "
			    "there are cut when it gets this state",
			    job->name, text, job->left[index]);
}

static void
drop_done(struct push_job *push_job, struct push_result *result)
{
	struct keeper_job *job = (struct keeper_job *)push_job;
	struct keeper *keeper = job->keeper;

	if (result != NULL && result->done) {
		keeper->failure_is_told = false;
		for (uint32_t i = 0; i < push_job->edit.drained_count; i++)
			tell_removed(job, i);
	} else if (!keeper->failure_is_told &&
		   (result == NULL || result->errors.count == 0 ||
		    strcmp(result->errors.items[0].code, "generation_conflict") != 0)) {
		tell_failure("drained backends cannot be removed", result);
		keeper->failure_is_told = true;
	}
	walk_on(keeper);
	free(job);
}

/* Takes what is drained by now out of one VIP. @return false: there is nothing. */
static bool
drop_submit(struct keeper *keeper, const struct told *told, const struct config_vip *vip)
{
	struct keeper_job *job = calloc(1, sizeof *job);
	uint32_t look = vip->backend_count < KEEPER_LOOK_MAX ? vip->backend_count : KEEPER_LOOK_MAX;
	uint32_t count = 0;

	if (job == NULL)
		return false;
	/* Unlisted ones stand at the end: from there. */
	for (uint32_t i = 0; i < look && count < KEEPER_DROP_MAX; i++) {
		uint32_t index = (keeper->look_at + i) % vip->backend_count;
		const struct config_backend *backend =
			&vip->backends[vip->backend_count - 1 - index];

		if (backend->removal == CONFIG_LEAVING &&
		    all_let_go(keeper, told, &(struct leaving){ vip, backend }, job->left[count]))
			job->drained[count++] = backend->address;
	}
	job->keeper = keeper;
	memcpy(job->vip, keeper->vip, sizeof job->vip);
	memcpy(job->name, vip->name, sizeof job->name);
	job->job.kind = PUSH_APPLY;
	job->job.edit = (struct model_edit){
		.kind = MODEL_DROP, .vip = job->vip, .drained = job->drained, .drained_count = count
	};
	/* What was said is true of this state. */
	job->job.has_if_generation = true;
	job->job.if_generation = keeper->generation;
	job->job.done = drop_done;
	say_removed(job);
	if (count > 0 && pusher_submit(keeper->pusher, &job->job) == 0)
		return true;
	free(job);
	return false;
}

/* @return false: no memory. */
static bool
told_make(struct told *told)
{
	for (uint32_t i = 0; i < told->result->count; i++) {
		const cJSON *vip;

		cJSON_ArrayForEach (vip, json_get(told->result->answers[i].result, "vips")) {
			if (!entries_add(&told->backends[i], json_get(vip, "backends"),
					 entries_backend_key))
				return false;
		}
		entries_sort(&told->backends[i]);
	}
	return true;
}

static void
walk_done(struct gather_result *result)
{
	struct keeper *keeper = result->user;
	const struct config_vip *vip = config_find_vip(keeper->model->config, keeper->vip);
	struct told told = { .result = result };

	if (vip == NULL || !told_make(&told) || !drop_submit(keeper, &told, vip))
		walk_on(keeper);
	for (uint32_t i = 0; i < result->count; i++)
		free(told.backends[i].sorted);
}

static bool
vip_has_leaving(const struct config_vip *vip)
{
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		if (vip->backends[i].removal == CONFIG_LEAVING)
			return true;
	}
	return false;
}

static void
walk_ask(struct keeper *keeper, const struct config_vip *vip)
{
	cJSON *params = cJSON_CreateObject();
	const struct gather_question question = {
		.method = "plane.stats", .params = params, .done = walk_done, .user = keeper
	};

	(void)addr_endpoint_format(&vip->endpoint, keeper->vip);
	keeper->generation = keeper->model->generation;
	if (!model_view_put(params, "vip", model_view_endpoint(&vip->endpoint)) ||
	    gather(keeper->pusher, &question) < 0)
		keeper->walking = false; /* at the next tick again */
	cJSON_Delete(params);
}

static void
keeper_on_next(evutil_socket_t fd, short what, void *user)
{
	struct keeper *keeper = user;
	const struct config *config = keeper->model->config;

	while (keeper->vip_index < config->vip_count &&
	       !vip_has_leaving(&config->vips[keeper->vip_index]))
		keeper->vip_index++;
	if (keeper->vip_index < config->vip_count)
		walk_ask(keeper, &config->vips[keeper->vip_index]);
	else
		keeper->walking = false;
}

static void
keeper_on_tick(evutil_socket_t fd, short what, void *user)
{
	struct keeper *keeper = user;

	ramps_step(keeper, plane_link_now_ms());
	if (keeper->model->leaving_count == 0 || keeper->walking)
		return;
	keeper->walking = true;
	keeper->look_at = (keeper->look_at + KEEPER_LOOK_MAX) % CONTROL_VIP_BACKENDS_MAX;
	keeper->vip_index = 0;
	keeper_on_next(fd, what, user);
}

int
keeper_create(struct event_base *base, struct pusher *pusher, struct model *model,
	      struct keeper **ret_keeper)
{
	static const struct timeval tick = { .tv_sec = KEEPER_TICK_MS / 1000,
					     .tv_usec = KEEPER_TICK_MS % 1000 * 1000 };
	struct keeper *keeper = calloc(1, sizeof *keeper);

	if (keeper == NULL)
		return -ENOMEM;
	keeper->pusher = pusher;
	keeper->model = model;
	keeper->tick = event_new(base, -1, EV_PERSIST, keeper_on_tick, keeper);
	keeper->next = evtimer_new(base, keeper_on_next, keeper);
	if (keeper->tick == NULL || keeper->next == NULL || evtimer_add(keeper->tick, &tick) < 0) {
		keeper_destroy(keeper);
		return -ENOMEM;
	}
	*ret_keeper = keeper;
	return 0;
}

void
keeper_destroy(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	if (keeper->tick != NULL)
		event_free(keeper->tick);
	if (keeper->next != NULL)
		event_free(keeper->next);
	free(keeper);
}
