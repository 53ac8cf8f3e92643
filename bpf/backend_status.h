/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What is up on an interface, as it is in the kernel and not only in the state file. Takes no lock
 * and changes nothing.
 */
#ifndef BACKEND_STATUS_H
#define BACKEND_STATUS_H

#include <stdio.h>

#include "backend_change.h"

enum {
	BACKEND_PROBLEMS_MAX = 8,
	BACKEND_PROBLEM_BYTES_MAX = 128,
};

struct backend_status {
	char interface[IF_NAMESIZE];
	bool is_known;		/**< `up` was run for it; else the rest is empty */
	uint32_t problem_count; /**< 0: it is up */
	char problems[BACKEND_PROBLEMS_MAX][BACKEND_PROBLEM_BYTES_MAX];
	struct backend_setup setup;
	struct backend_count counts[BACKEND_COUNTERS];
};

/** @return 0, also when nothing is up; -ENODEV: no such interface; or -errno; reported. */
int backend_status_read(const struct backend_paths *paths, const char *name,
			struct backend_status *ret_status, struct backend_report *report);

/** Known and without problems. */
bool backend_status_is_up(const struct backend_status *status);

/** For people. */
void backend_status_print(const struct backend_status *status, FILE *out);

/** One JSON object and a line end. @return 0; or as json_print(): -ENOMEM. */
int backend_status_print_json(const struct backend_status *status, FILE *out);

/** "decapsulated_ipv4", ...: the counter's name in both outputs. */
const char *backend_counter_name(enum backend_counter counter);

#endif
