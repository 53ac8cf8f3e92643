/* SPDX-License-Identifier: BSD-2-Clause */
#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

#define NAME	 "state.json"
#define NAME_NEW NAME ".new"
#define NAME_BAD NAME ".bad"

enum { PATH_BYTES_MAX = 4096 };

struct state_file {
	int directory; /* -1: none, and error says why */
	char path[PATH_BYTES_MAX + sizeof NAME];
	char error[512];
	struct json_buffer last; /* what the file holds, as far as known */
	bool is_known;
};

static int
fail(struct state_file *file, int error, const char *hint)
{
	const char *why =
		error == EWOULDBLOCK ? "another fairleadd keeps its own there" : strerror(error);

	snprintf(file->error, sizeof file->error,
		 "what is set at run time is not kept over a restart: %.256s: %s%s", file->path,
		 why, hint);
	return -error;
}

void
state_file_give_up(struct state_file *file, const char *why)
{
	file->is_known = false;
	snprintf(file->error, sizeof file->error,
		 "what is set at run time is not kept over a restart: %.256s: %.128s", file->path,
		 why);
}

bool
state_file_may_retry(const struct state_file *file)
{
	return file->directory >= 0;
}

static int
fail_writing(struct state_file *file, int error)
{
	if (error == ENOSPC || error == EDQUOT)
		return fail(file, error, "; make room there");
	if (error == EACCES || error == EPERM)
		return fail(file, error, "; give the directory to the user that fairleadd runs as");
	return fail(file, error, "");
}

/* @return the descriptor, or -1 with errno. */
static int
open_directory(const char *directory, const struct privileges *privileges)
{
	bool is_made = mkdir(directory, 0750) == 0;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && is_made && privileges->change_user)
		(void)!fchown(fd, privileges->uid, privileges->gid);
	return fd;
}

int
state_file_open(const char *directory, const struct privileges *privileges,
		struct state_file **ret_file)
{
	struct state_file *file = calloc(1, sizeof *file);

	if (file == NULL)
		return -ENOMEM;
	*ret_file = file;
	(void)snprintf(file->path, sizeof file->path, "%.*s/" NAME, PATH_BYTES_MAX - 2, directory);
	file->directory = open_directory(directory, privileges);
	if (file->directory < 0) {
		(void)fail(file, errno,
			   errno == ENOENT ? "; make the directory, or name one with --state-dir"
					   : "; name a directory with --state-dir");
	} else if (flock(file->directory, LOCK_EX | LOCK_NB) < 0) {
		(void)fail(file, errno, "; give each its own with --state-dir");
		(void)close(file->directory);
		file->directory = -1;
	}
	return 0;
}

void
state_file_close(struct state_file *file)
{
	if (file == NULL)
		return;
	if (file->directory >= 0)
		(void)close(file->directory);
	free(file->last.bytes);
	free(file);
}

void
state_file_check(struct state_file *file)
{
	if (file->directory >= 0 && faccessat(file->directory, ".", W_OK | X_OK, AT_EACCESS) < 0)
		(void)fail_writing(file, errno);
}

const char *
state_file_error(const struct state_file *file)
{
	return file->error;
}

const char *
state_file_path(const struct state_file *file)
{
	return file->path;
}

/* --- reading --- */

int
state_file_read(struct state_file *file, char **ret_text, size_t *ret_size)
{
	int fd;
	int r;

	if (file->directory < 0)
		return -ENOENT;
	/* Not blocking: a FIFO without a writer would hold the caller for ever. */
	fd = openat(file->directory, NAME,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	r = json_read_opened(fd, STATE_FILE_BYTES_MAX, ret_text, ret_size);
	(void)close(fd);
	if (r == 0) {
		file->last.size = 0;
		file->is_known = json_buffer_put(&file->last, *ret_text, *ret_size) == 0;
	}
	return r;
}

int
state_file_set_aside(struct state_file *file)
{
	file->is_known = false;
	return renameat(file->directory, NAME, file->directory, NAME_BAD) < 0 ? -errno : 0;
}

/* --- writing --- */

static int
write_all(int fd, const char *text, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t written = write(fd, text + done, size - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		done += (size_t)written;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int
write_beside(const struct state_file *file, const char *text, size_t size)
{
	int fd;
	int r;

	/* What a killed one left may be another user's, or a link. */
	(void)unlinkat(file->directory, NAME_NEW, 0);
	fd = openat(file->directory, NAME_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, size);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(file->directory, NAME_NEW, file->directory, NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(file->directory, NAME_NEW, 0);
	else if (fsync(file->directory) < 0)
		r = -errno;
	return r;
}

int
state_file_write(struct state_file *file, const char *text, size_t size)
{
	int r;

	if (file->directory < 0)
		return -ENOENT;
	if (file->is_known && file->last.size == size && memcmp(file->last.bytes, text, size) == 0)
		return 0;
	file->is_known = false;
	r = write_beside(file, text, size);
	if (r < 0)
		return fail_writing(file, -r);
	file->error[0] = '\0';
	file->last.size = 0;
	file->is_known = json_buffer_put(&file->last, text, size) == 0;
	return 0;
}
