/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a command has to tell its operator: one error, and warnings. Functions fill it in where the
 * cause is known; only main prints it.
 */
#ifndef BACKEND_REPORT_H
#define BACKEND_REPORT_H

#include <stdint.h>

enum {
	BACKEND_SENTENCE_MAX = 512, /**< bytes of one sentence with its NUL; longer ones are cut */
	BACKEND_WARNINGS_MAX = 16,  /**< warnings kept; more are dropped */
};

/** Zero-initialise before use. */
struct backend_report {
	int error; /**< negative errno of the first failure, or 0 */
	char sentence[BACKEND_SENTENCE_MAX];
	uint32_t warning_count;
	char warnings[BACKEND_WARNINGS_MAX][BACKEND_SENTENCE_MAX];
};

/**
 * Record why the command fails. The first failure stands: what goes wrong while cleaning up after
 * it is kept as a warning.
 *
 * @param error negative errno; decides the exit code (see backend_report_exit()).
 * @return @p error.
 */
int backend_report_fail(struct backend_report *report, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Record something that will hurt later but does not stop the command. */
void backend_report_warn(struct backend_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * @return 0 for no error; 77 for -EPERM and -EACCES; 78 for -EDOM (a value that cannot be; -EINVAL
 * is what kernels say to much else); 70 for -ENOMEM and -ENOTRECOVERABLE; 69 for every other error.
 */
int backend_report_exit(const struct backend_report *report);

/** One stable word for the class of the error: "no_permission", "invalid", ... */
const char *backend_report_word(const struct backend_report *report);

#endif
