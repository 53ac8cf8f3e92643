/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The two changes: a setup comes up (or is changed in place), a setup goes down.
 *
 * All or nothing: a change that fails is taken back, and the host is as it was before. A process
 * that is killed half way leaves a state file that the next change, of any kind, cleans up from.
 */
#ifndef BACKEND_CHANGE_H
#define BACKEND_CHANGE_H

#include "backend_state.h"

enum {
	BACKEND_MTU_MIN = 576, /**< the smallest packet that every IPv4 host takes */
	BACKEND_MTU_MAX = 65535,
};

struct backend_paths {
	char state_dir[BACKEND_PATH_MAX];
	char pin_dir[BACKEND_PATH_MAX];
};

/**
 * Make the host what @p setup says. Names in it are looked up here: indexes are filled in, and the
 * MTU where it is 0.
 *
 * @return 0 or -errno, reported.
 */
int backend_up(const struct backend_paths *paths, struct backend_setup *setup,
	       struct backend_report *report);

/**
 * Undo what is only wanted by the interface @p name. What is not up is only looked over for
 * left-overs.
 *
 * @param ret_was_up there was something to undo.
 * @return 0 or -errno, reported.
 */
int backend_down(const struct backend_paths *paths, const char *name, bool *ret_was_up,
		 struct backend_report *report);

#endif
