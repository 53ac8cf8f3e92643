/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The control socket: clients, their JSON-RPC sessions, and which method does what (docs/formats.md
 * 3). The methods are in ctl_config.c, ctl_backend.c, ctl_view.c, ctl_stats.c and ctl_flow.c.
 *
 * A slow, silent or hostile client is bounded in bytes and time and never holds up another. One
 * thread, that of the loop.
 */
#ifndef CONTROL_CTL_H
#define CONTROL_CTL_H

#include "pusher.h"
#include "rows_watch.h"

struct ctl;

struct ctl_options {
	struct event_base *base;
	struct pusher *pusher;
	struct model *model;
	const struct rows_watch *rows;
	const char *config_file; /**< borrowed: what a restart serves */
	int listen_fd;		 /**< bound and listening; closed by its owner */
};

/** @return 0; -ENOMEM. */
int ctl_create(const struct ctl_options *options, struct ctl **ret_ctl);

/** Sends what was answered and closes all clients. Not with calls on their way. NULL is fine. */
void ctl_destroy(struct ctl *ctl);

#endif
