/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The daemon put together: model, pusher, keeper, control socket and signals on one event loop.
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include "ctl.h"
#include "ctl_socket.h"
#include "keeper.h"

struct daemon {
	struct event_base *base;
	struct model *model;
	struct pusher *pusher;
	struct keeper *keeper;
	struct ctl *ctl;
	struct event *signals[3];
	const char *config_file;
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
 * @param config_file read again on SIGHUP; borrowed while the daemon is open.
 * @return 0; -ENOMEM. To be closed either way.
 */
int daemon_open(struct daemon *daemon, struct config *config, const char *config_file,
		const struct ctl_socket *socket);

/** Serves until SIGTERM or SIGINT. @return 0; -EIO: the event loop failed. */
int daemon_run(struct daemon *daemon);
void daemon_close(struct daemon *daemon);

#endif
