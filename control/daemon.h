/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The daemon put together: model, pusher, keeper, control socket, signals and the file of what
 * must outlive it, on one event loop.
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include "ctl.h"
#include "ctl_socket.h"
#include "keeper.h"
#include "rows_watch.h"
#include "state_file.h"

struct daemon {
	struct event_base *base;
	struct model *model;
	struct pusher *pusher;
	struct keeper *keeper;
	struct rows_watch *rows;
	struct ctl *ctl;
	struct event *signals[3];
	const char *config_file;
	struct state_file *state; /**< borrowed */
	struct event *state_retry;
	bool state_has_failed;	/**< and it was told */
	int64_t wall_offset_ms; /**< wall clock less monotonic */
};

/** All borrowed while the daemon is open. */
struct daemon_options {
	const char *config_file; /**< read again on SIGHUP */
	const struct ctl_socket *socket;
	struct state_file *state;
};

/** What a file held; large, so on the heap. */
struct daemon_config {
	struct config *config; /**< NULL: refused, see errors */
	struct json_errors errors;
	struct json_errors warnings;
	int result;	/**< as config_parse(), or the negative errno of reading the file */
	bool is_unread; /**< the latter */
};

/** @return NULL: no memory. Freed with daemon_config_destroy(). */
struct daemon_config *daemon_config_read(const char *file);
void daemon_config_destroy(struct daemon_config *read);

/**
 * @param config taken, also on failure.
 * @return 0; -ENOMEM. To be closed either way.
 */
int daemon_open(struct daemon *daemon, struct config *config, const struct daemon_options *options);

/** Serves until SIGTERM or SIGINT. @return 0; -EIO: the event loop failed. */
int daemon_run(struct daemon *daemon);
void daemon_close(struct daemon *daemon);

#endif
