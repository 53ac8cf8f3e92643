/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "state_text.h"

struct daemon_config *
daemon_config_read(const char *file)
{
	struct daemon_config *read = calloc(1, sizeof *read);
	struct config_source source = { .file = file };
	char *text = NULL;

	if (read == NULL)
		return NULL;
	read->result = json_read_file(file, &text, &source.size);
	if (read->result == 0) {
		source.text = text;
		source.errors = &read->errors;
		source.warnings = &read->warnings;
		read->result = config_parse(&source, &read->config);
	} else {
		read->is_unread = true;
		json_error_add(&read->errors, NULL, "internal", NULL, "cannot be read: %s",
			       read->result == -EINVAL	? "not a regular file"
			       : read->result == -EFBIG ? "over 16 MiB"
							: strerror(-read->result));
	}
	free(text);
	return read;
}

void
daemon_config_destroy(struct daemon_config *read)
{
	if (read == NULL)
		return;
	config_destroy(read->config);
	free(read);
}

/* --- SIGHUP: the file again --- */

struct reload {
	struct push_job job; /* first: the pusher gives this back */
	const char *file;
};

/* @param log log_notice() or log_warning() */
static void
tell_all(const char *path, const cJSON *sentences, void (*log)(const char *format, ...))
{
	int left = STATE_NOTES_MAX;
	const cJSON *item;

	cJSON_ArrayForEach (item, sentences) {
		if (left-- > 0)
			log("%s: %s", path, item->valuestring);
	}
	if (left < 0)
		log("%s: and %d more", path, -left);
}

static void
reload_done(struct push_job *job, struct push_result *result)
{
	struct reload *reload = (struct reload *)job;

	if (result != NULL && result->done && result->unchanged)
		log_notice("%s: nothing changed", reload->file);
	if (result != NULL && result->done)
		tell_all(reload->file, result->warnings, log_warning);
	for (uint32_t i = 0; result != NULL && !result->done && i < result->errors.count; i++) {
		char line[CONFIG_LINE_BYTES_MAX];

		log_error(
			"%s; the old configuration stays",
			config_error_format(&result->errors.items[i], reload->file, "error", line));
	}
	if (result == NULL)
		log_error("%s: no memory to apply it; the old configuration stays", reload->file);
	free(reload);
}

static void
reload_submit(struct daemon *daemon, struct daemon_config *read)
{
	struct reload *reload = calloc(1, sizeof *reload);

	if (reload == NULL)
		return;
	reload->file = daemon->config_file;
	reload->job.kind = PUSH_APPLY;
	reload->job.file = read->config;
	snprintf(reload->job.what, sizeof reload->job.what, "by SIGHUP: %s again", reload->file);
	reload->job.done = reload_done;
	if (pusher_submit(daemon->pusher, &reload->job) == 0) {
		read->config = NULL;
		return;
	}
	log_error("%s: too many changes wait; send SIGHUP again", reload->file);
	free(reload);
}

static void
daemon_on_hangup(evutil_socket_t number, short what, void *user)
{
	struct daemon *daemon = user;
	struct daemon_config *read = daemon_config_read(daemon->config_file);
	char line[CONFIG_LINE_BYTES_MAX];

	if (read == NULL) {
		log_error("%s: no memory to read it; the old configuration stays",
			  daemon->config_file);
		return;
	}
	for (uint32_t i = 0; i < read->errors.count; i++)
		log_error("%s", config_error_format(&read->errors.items[i], daemon->config_file,
						    "error", line));
	for (uint32_t i = 0; i < read->warnings.count; i++)
		log_warning("%s", config_error_format(&read->warnings.items[i], daemon->config_file,
						      "warning", line));
	if (read->config != NULL)
		reload_submit(daemon, read);
	else
		log_error("%s: not applied, the old configuration stays", daemon->config_file);
	daemon_config_destroy(read);
}

static void
daemon_on_stop(evutil_socket_t number, short what, void *user)
{
	struct daemon *daemon = user;

	log_notice("stopping on signal %d; the planes forward as before", (int)number);
	(void)event_base_loopbreak(daemon->base);
}

static int
daemon_watch_signals(struct daemon *daemon)
{
	daemon->signals[0] = evsignal_new(daemon->base, SIGTERM, daemon_on_stop, daemon);
	daemon->signals[1] = evsignal_new(daemon->base, SIGINT, daemon_on_stop, daemon);
	daemon->signals[2] = evsignal_new(daemon->base, SIGHUP, daemon_on_hangup, daemon);
	for (size_t i = 0; i < sizeof daemon->signals / sizeof daemon->signals[0]; i++) {
		if (daemon->signals[i] == NULL || event_add(daemon->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- what must outlive the daemon --- */

/* The wall clock as it stood beside the monotonic one, until somebody sets it: times that are
 * written twice are then written alike. */
static struct state_clock
daemon_clock(struct daemon *daemon)
{
	int64_t now_ms = plane_link_now_ms();
	struct timespec wall = { 0 };
	int64_t offset_ms;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	offset_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - now_ms;
	if (llabs(offset_ms - daemon->wall_offset_ms) > STATE_CLOCK_SLACK_MS)
		daemon->wall_offset_ms = offset_ms;
	return (struct state_clock){ now_ms, now_ms + daemon->wall_offset_ms };
}

static void
tell_state_error(struct daemon *daemon)
{
	static const struct timeval retry = { .tv_sec = STATE_RETRY_MS / 1000 };
	const char *error = state_file_error(daemon->state);
	bool failed = error[0] != '\0';

	daemon->model->state_error = error;
	if (failed && !daemon->state_has_failed)
		log_warning("%s", error);
	else if (!failed && daemon->state_has_failed)
		log_notice("%s: what is set at run time is kept again",
			   state_file_path(daemon->state));
	daemon->state_has_failed = failed;
	if (failed && state_file_may_retry(daemon->state) && daemon->state_retry != NULL)
		(void)evtimer_add(daemon->state_retry, &retry);
}

/* Before who asked for the change is told that it was made. */
static void
daemon_save(void *user)
{
	struct daemon *daemon = user;
	struct state_clock clock = daemon_clock(daemon);
	struct json_buffer text = { 0 };
	int r = state_text_print(daemon->model, &clock, &text);

	if (r == 0)
		(void)state_file_write(daemon->state, text.bytes, text.size);
	else
		state_file_give_up(daemon->state,
				   r == -EMSGSIZE ? "too much is set: over 4 MiB" : "no memory");
	free(text.bytes);
	tell_state_error(daemon);
}

static void
daemon_on_state_retry(evutil_socket_t fd, short what, void *user)
{
	daemon_save(user);
}

/* @p why: what is wrong with the file, and where. */
static void
set_state_aside(struct daemon *daemon, const char *why)
{
	int r = state_file_set_aside(daemon->state);

	log_error("%s; what was set at run time before is forgotten, %s%s", why,
		  r == 0 ? "the file is kept as state.json.bad"
			 : "and the file cannot be put aside: ",
		  r == 0 ? "" : strerror(-r));
}

/* @return 0, also where the text is put aside; -ENOMEM. */
static int
take_state(struct daemon *daemon, const struct state_source *source)
{
	const char *path = state_file_path(daemon->state);
	struct state_clock clock = daemon_clock(daemon);
	char line[CONFIG_LINE_BYTES_MAX];
	int r = state_text_take(daemon->model, &clock, source);

	tell_all(path, source->notes, log_notice);
	tell_all(daemon->config_file, source->cuts, log_warning);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		set_state_aside(daemon, config_error_format(&source->errors->items[0], path,
							    "error", line));
	return 0;
}

/* @return 0, also where there is nothing or what there is is put aside; -ENOMEM: the file stays as
 * it is, and a daemon that went on would write it anew. */
static int
daemon_restore(struct daemon *daemon)
{
	struct json_errors *errors = calloc(1, sizeof *errors);
	struct state_source source = { .errors = errors,
				       .notes = cJSON_CreateArray(),
				       .cuts = cJSON_CreateArray() };
	char why[CONFIG_LINE_BYTES_MAX];
	char *text = NULL;
	int r = -ENOMEM;

	if (errors != NULL && source.notes != NULL && source.cuts != NULL)
		r = state_file_read(daemon->state, &text, &source.size);
	source.text = text;
	if (r == 0) {
		r = take_state(daemon, &source);
	} else if (r != -ENOENT && r != -ENOMEM) {
		snprintf(why, sizeof why, "%.1024s: cannot be read: %s",
			 state_file_path(daemon->state),
			 r == -EINVAL  ? "not a regular file"
			 : r == -EFBIG ? "over 4 MiB"
				       : strerror(-r));
		set_state_aside(daemon, why);
	}
	free(text);
	cJSON_Delete(source.notes);
	cJSON_Delete(source.cuts);
	free(errors);
	return r == -ENOMEM ? r : 0;
}

static int
daemon_open_state(struct daemon *daemon)
{
	int r;

	daemon->state_retry = evtimer_new(daemon->base, daemon_on_state_retry, daemon);
	if (daemon->state_retry == NULL)
		return -ENOMEM;
	state_file_check(daemon->state);
	tell_state_error(daemon);
	r = daemon_restore(daemon);
	if (r < 0)
		return r;
	daemon->model->adopted = daemon_save;
	daemon->model->user = daemon;
	return 0;
}

int
daemon_open(struct daemon *daemon, struct config *config, const struct daemon_options *options)
{
	struct ctl_options ctl = { .config_file = options->config_file,
				   .listen_fd = options->socket->fd };
	int r;

	*daemon = (struct daemon){ .config_file = options->config_file, .state = options->state };
	r = model_create(config, &daemon->model);
	if (r < 0)
		return r;
	daemon->base = event_base_new();
	if (daemon->base == NULL)
		return -ENOMEM;
	r = daemon_open_state(daemon);
	if (r < 0)
		return r;
	r = pusher_create(daemon->base, daemon->model, &daemon->pusher);
	if (r < 0)
		return r;
	r = keeper_create(daemon->base, daemon->pusher, daemon->model, &daemon->keeper);
	if (r < 0)
		return r;
	r = rows_watch_create(daemon->pusher, daemon->model, daemon->base, &daemon->rows);
	if (r < 0)
		return r;
	ctl.base = daemon->base;
	ctl.pusher = daemon->pusher;
	ctl.model = daemon->model;
	ctl.rows = daemon->rows;
	r = ctl_create(&ctl, &daemon->ctl);
	return r < 0 ? r : daemon_watch_signals(daemon);
}

int
daemon_run(struct daemon *daemon)
{
	return event_base_dispatch(daemon->base) < 0 ? -EIO : 0;
}

void
daemon_close(struct daemon *daemon)
{
	for (size_t i = 0; i < sizeof daemon->signals / sizeof daemon->signals[0]; i++) {
		if (daemon->signals[i] != NULL)
			event_free(daemon->signals[i]);
	}
	/* The pusher before its users: it ends what they wait for, and they answer their calls. */
	pusher_destroy(daemon->pusher);
	if (daemon->state_retry != NULL)
		event_free(daemon->state_retry);
	ctl_destroy(daemon->ctl);
	keeper_destroy(daemon->keeper);
	rows_watch_destroy(daemon->rows);
	if (daemon->base != NULL)
		event_base_free(daemon->base);
	model_destroy(daemon->model);
}
