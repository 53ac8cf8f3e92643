/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The log of a plane's process: one line a message on stderr, with "<N>" (syslog priority) in front
 * where stderr is not a terminal. And what the libraries (DPDK, libbpf) say: while the plane starts
 * their lines are kept back, so that the operator reads one sentence and not theirs; the last ones
 * can be quoted in it.
 *
 * log_message() may be called from any thread: a message is one write(2).
 */
#ifndef PLANE_LOG_H
#define PLANE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

/** Open the log on a copy of stderr. Before any other thread runs. @return 0 or a negative errno.
 */
int log_open(void);

/** The end of a noun that is counted: "%u port%s", n, LOG_PLURAL(n). */
#define LOG_PLURAL(count) ((count) == 1 ? "" : "s")

/** Messages above @p level (syslog) are dropped from now on; at first LOG_NOTICE. */
void log_set_level(int level);
int log_level(void);

/** @return the level (LOG_ERR, ...) of "error", "warning", "notice", "info", "debug"; -1: another
 * word. */
int log_level_parse(const char *name);

void log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The same with a ready text: what struct plane_options wants. */
void log_line(int level, const char *message);

/**
 * While true (the start), library lines are logged as "info" or "debug" at most, and stderr itself
 * goes to a memory file, because libraries write there beside their logs. The main thread alone.
 */
void log_hold(bool hold);

/** What a library said, one line or several. Warnings and worse are complaints. */
void log_library_text(int level, const char *text, size_t size);
void log_library_format(int level, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

/**
 * The first and the last complaint of a library since log_forget_complaint(), without newline; ""
 * when there was none. For a failure's sentence: DPDK names the cause last, libbpf first.
 */
const char *log_first_complaint(void);
const char *log_last_complaint(void);

/** Forget both. */
void log_forget_complaint(void);

#endif
