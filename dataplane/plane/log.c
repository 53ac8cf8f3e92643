/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

enum {
	LINE_BYTES_MAX = 1200,
	COMPLAINT_BYTES_MAX = 256,
	CAPTURE_BYTES_MAX = 65536, /* of stderr read back; more is dropped */
};

static struct {
	int fd; /* of our own, so that a held stderr does not hold us */
	int level;
	bool prefix;
	bool held;
	int capture;	      /* memory file that stderr goes to while held; -1 */
	pthread_mutex_t lock; /* of the complaints */
	char first_complaint[COMPLAINT_BYTES_MAX];
	char last_complaint[COMPLAINT_BYTES_MAX];
} state = {
	.fd = STDERR_FILENO, .level = LOG_NOTICE, .capture = -1, .lock = PTHREAD_MUTEX_INITIALIZER
};

int
log_open(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	state.fd = fd;
	state.prefix = isatty(fd) == 0;
	return 0;
}

void
log_set_level(int level)
{
	state.level = level;
}

int
log_level(void)
{
	return state.level;
}

static void
write_line(int level, const char *text)
{
	char line[LINE_BYTES_MAX];
	int bytes;

	if (state.prefix)
		bytes = snprintf(line, sizeof line - 1, "<%d>%s", level, text);
	else
		bytes = snprintf(line, sizeof line - 1, "%s", text);
	if (bytes < 0)
		return;
	if ((size_t)bytes > sizeof line - 2)
		bytes = sizeof line - 2;
	for (int i = 0; i < bytes; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[bytes++] = '\n';
	(void)!write(state.fd, line, (size_t)bytes);
}

void
log_line(int level, const char *message)
{
	if (level <= state.level)
		write_line(level, message);
}

void
log_message(int level, const char *format, ...)
{
	char text[LINE_BYTES_MAX];
	va_list arguments;

	if (level > state.level)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	write_line(level, text);
}

static void
library_line(int level, const char *line)
{
	if (level <= LOG_WARNING) {
		(void)pthread_mutex_lock(&state.lock);
		(void)snprintf(state.last_complaint, COMPLAINT_BYTES_MAX, "%.*s",
			       COMPLAINT_BYTES_MAX - 1, line);
		if (state.first_complaint[0] == '\0')
			memcpy(state.first_complaint, state.last_complaint, COMPLAINT_BYTES_MAX);
		(void)pthread_mutex_unlock(&state.lock);
	}
	if (state.held)
		level = level <= LOG_NOTICE ? LOG_INFO : LOG_DEBUG;
	log_line(level, line);
}

void
log_library_text(int level, const char *text, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t bytes = newline == NULL ? size : (size_t)(newline - text);
		char line[LINE_BYTES_MAX];

		(void)snprintf(line, sizeof line, "%.*s",
			       (int)(bytes < sizeof line ? bytes : sizeof line - 1), text);
		if (bytes > 0)
			library_line(level, line);
		if (newline == NULL)
			break;
		text += bytes + 1;
		size -= bytes + 1;
	}
}

void
log_library_format(int level, const char *format, va_list arguments)
{
	char text[LINE_BYTES_MAX];

	(void)vsnprintf(text, sizeof text, format, arguments);
	log_library_text(level, text, strlen(text));
}

static void
release_stderr(void)
{
	char *text = malloc(CAPTURE_BYTES_MAX);
	ssize_t bytes = -1;

	(void)fflush(stderr);
	(void)dup2(state.fd, STDERR_FILENO);
	if (text != NULL)
		bytes = pread(state.capture, text, CAPTURE_BYTES_MAX, 0);
	if (bytes > 0)
		log_library_text(LOG_NOTICE, text, (size_t)bytes);
	free(text);
	(void)close(state.capture);
	state.capture = -1;
}

void
log_hold(bool hold)
{
	if (hold && state.capture < 0) {
		state.capture = memfd_create("fairlead-stderr", MFD_CLOEXEC);
		if (state.capture >= 0)
			(void)dup2(state.capture, STDERR_FILENO);
	} else if (!hold && state.capture >= 0) {
		release_stderr();
	}
	state.held = hold;
}

const char *
log_first_complaint(void)
{
	return state.first_complaint;
}

const char *
log_last_complaint(void)
{
	return state.last_complaint;
}

void
log_forget_complaint(void)
{
	(void)pthread_mutex_lock(&state.lock);
	state.first_complaint[0] = '\0';
	state.last_complaint[0] = '\0';
	(void)pthread_mutex_unlock(&state.lock);
}

int
log_level_parse(const char *name)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = { { "error", LOG_ERR },
		       { "warning", LOG_WARNING },
		       { "notice", LOG_NOTICE },
		       { "info", LOG_INFO },
		       { "debug", LOG_DEBUG } };

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (strcmp(levels[i].name, name) == 0)
			return levels[i].level;
	}
	return -1;
}
