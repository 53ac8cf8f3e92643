/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The daemon's log: one line a message on stderr. With "<N>" (syslog priority) in front where
 * stderr is not a terminal, as journald and most supervisors read it. Control characters
 * become "?". One thread.
 */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR = 3, /* the numbers are syslog's priorities */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/** @return false: @p name is not "error", "warning", "notice", "info" or "debug". */
bool log_level_parse(const char *name, enum log_level *ret_level);

/** Messages above @p level are dropped from now on. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
