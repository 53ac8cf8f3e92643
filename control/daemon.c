/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

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

static void
reload_done(struct push_job *job, struct push_result *result)
{
	struct reload *reload = (struct reload *)job;

	if (result != NULL && result->done && result->unchanged)
		log_notice("%s: nothing changed", reload->file);
	else if (result != NULL && result->done)
		log_notice("%s: applied, generation %llu", reload->file,
			   (unsigned long long)result->generation);
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

int
daemon_open(struct daemon *daemon, struct config *config, const char *config_file,
	    const struct ctl_socket *socket)
{
	struct ctl_options options = { .config_file = config_file, .listen_fd = socket->fd };
	int r;

	*daemon = (struct daemon){ .config_file = config_file };
	r = model_create(config, &daemon->model);
	if (r < 0)
		return r;
	daemon->base = event_base_new();
	if (daemon->base == NULL)
		return -ENOMEM;
	r = pusher_create(daemon->base, daemon->model, &daemon->pusher);
	if (r < 0)
		return r;
	r = keeper_create(daemon->base, daemon->pusher, daemon->model, &daemon->keeper);
	if (r < 0)
		return r;
	options.base = daemon->base;
	options.pusher = daemon->pusher;
	options.model = daemon->model;
	r = ctl_create(&options, &daemon->ctl);
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
	ctl_destroy(daemon->ctl);
	keeper_destroy(daemon->keeper);
	if (daemon->base != NULL)
		event_base_free(daemon->base);
	model_destroy(daemon->model);
}
