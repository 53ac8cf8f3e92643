/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_BYTES_MAX = 2048 };

/* The one piece of state the process has outside of struct daemon: everything may log. */
static enum log_level log_level_max = LOG_LEVEL_NOTICE;

bool
log_level_parse(const char *name, enum log_level *ret_level)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

	for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret_level = (enum log_level)(LOG_LEVEL_ERROR + i);
			return true;
		}
	}
	return false;
}

void
log_set_level(enum log_level level)
{
	log_level_max = level;
}

/* One write() a message, so that lines of several processes on one stderr do not mix. */
static void
log_write(enum log_level level, const char *format, va_list args)
{
	char line[LOG_LINE_BYTES_MAX];
	size_t start = 0;
	size_t end;
	int size;

	if (level > log_level_max)
		return;
	if (!isatty(STDERR_FILENO))
		start = (size_t)snprintf(line, sizeof line, "<%d>", (int)level);
	size = vsnprintf(line + start, sizeof line - start - 1, format, args);
	if (size < 0)
		return;
	end = start + strlen(line + start);
	for (size_t i = start; i < end; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[end++] = '\n';
	/* Nobody is left to tell when stderr is gone. */
	if (write(STDERR_FILENO, line, end) < 0)
		return;
}

#define LOG_FUNCTION(name, level)                 \
	void name(const char *format, ...)        \
	{                                         \
		va_list args;                     \
		va_start(args, format);           \
		log_write((level), format, args); \
		va_end(args);                     \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_notice, LOG_LEVEL_NOTICE)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
