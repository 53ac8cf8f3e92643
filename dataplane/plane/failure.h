/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Why a plane's process cannot go on: one sentence for the operator (what, why, what to do) and the
 * exit code.
 */
#ifndef PLANE_FAILURE_H
#define PLANE_FAILURE_H

/** Exit codes, those of sysexits.h. */
enum {
	EXIT_DATA = 65,	       /**< the configuration is not JSON */
	EXIT_UNAVAILABLE = 69, /**< something that the start needs is not there, or taken */
	EXIT_INTERNAL = 70,
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78, /**< the configuration is JSON, but not valid */
};

/** Who fails sets it and returns -1 or NULL; who called passes it up, to main(). */
struct failure {
	int exit_code;
	char message[1024];
};

/** @return -1, so that a function can end with it. */
int failure_set(struct failure *failure, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
