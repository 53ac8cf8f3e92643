/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The plane's log: one line a message on stderr, with "<N>" (syslog priority) in front where stderr
 * is not a terminal. And what the libraries (DPDK, libbpf, libxdp) say: while the plane starts
 * their lines are kept back, so that the operator reads one sentence and not theirs; the last ones
 * can be quoted in it.
 *
 * log_message() may be called from any thread: a message is one write(2).
 */
#ifndef DPDK_LOG_H
#define DPDK_LOG_H

#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

/** Open the log on a copy of stderr. Before any other thread runs. @return 0 or a negative errno.
 */
int log_open(void);

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
 * goes to a memory file, because DPDK writes there beside its log. The main thread alone.
 */
void log_hold(bool hold);

/** The FILE for rte_openlog_stream(). @return NULL: no memory. */
FILE *log_dpdk_stream(void);

/** The last complaint of a library, without newline; "" when there was none. For a failure's
 * sentence. */
const char *log_last_complaint(void);

/** Forget it. */
void log_forget_complaint(void);

/** Send what libbpf says here too. */
void log_take_libbpf(void);

#endif
