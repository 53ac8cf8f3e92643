/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pin_directory.h"

enum { ENTRIES_MAX = 1024 }; /* of a directory: a plane has fewer than 64 */

static bool
is_missing(const char *path)
{
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/** Is @p path, or the nearest directory above it that exists, on a bpffs? */
static bool
is_on_bpffs(const char *path)
{
	char part[PIN_PATH_BYTES_MAX];
	struct statfs status;

	(void)snprintf(part, sizeof part, "%s", path);
	while (statfs(part, &status) < 0) {
		char *slash = strrchr(part, '/');

		if (errno != ENOENT || slash == NULL || slash == part)
			return false;
		*slash = '\0';
	}
	return status.f_type == BPF_FS_MAGIC;
}

/** Make @p path and what is missing above it. @return 0 or a negative errno. */
static int
make_directories(const char *path)
{
	char part[PIN_PATH_BYTES_MAX];

	for (const char *at = strchr(path + 1, '/');; at = strchr(at + 1, '/')) {
		size_t bytes = at == NULL ? strlen(path) : (size_t)(at - path);

		memcpy(part, path, bytes);
		part[bytes] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (at == NULL)
			return 0;
	}
}

/** Append @p text as a bpffs takes it. */
static void
append(char path[PIN_PATH_BYTES_MAX], const char *text)
{
	size_t size = strlen(path);

	for (; *text != '\0' && size + 4 < PIN_PATH_BYTES_MAX; text++) {
		if (*text == '.' || *text == '%')
			size += (size_t)snprintf(path + size, PIN_PATH_BYTES_MAX - size, "%%%02x",
						 (unsigned char)*text);
		else
			path[size++] = *text;
	}
	path[size] = '\0';
}

void
pin_directory_entry(const struct pin_directory *directory, const char *entry,
		    char ret_path[PIN_PATH_BYTES_MAX])
{
	int bytes = snprintf(ret_path, PIN_PATH_BYTES_MAX, "%s/%s", directory->path, entry);

	if (bytes >= PIN_PATH_BYTES_MAX)
		ret_path[0] = '\0'; /* cannot be: PATH_MAX of a directory that is shorter */
}

void
pin_directory_path(const struct pin_directory *directory, const char *prefix, const char *name,
		   char ret_path[PIN_PATH_BYTES_MAX])
{
	pin_directory_entry(directory, prefix, ret_path);
	append(ret_path, name);
}

/** Others could put pins of theirs there. @param may_be_shared like /tmp is. */
static int
check_ours(const char *path, bool may_be_shared, struct failure *failure)
{
	struct stat status;
	bool written_by_others;

	if (lstat(path, &status) < 0)
		return failure_set(failure, EXIT_PERMISSION, "pin_dir: %s cannot be looked at: %s",
				   path, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "pin_dir: %s is not a directory; remove it, or set another "
				   "\"pin_dir\"",
				   path);
	written_by_others = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
			    !(may_be_shared && (status.st_mode & S_ISVTX) != 0);
	if (written_by_others || (status.st_uid != geteuid() && status.st_uid != 0) ||
	    (!may_be_shared && status.st_uid != geteuid()))
		return failure_set(failure, EXIT_PERMISSION,
				   "pin_dir: others may change %s (owner %u, mode %04o); run: "
				   "chown %u %s && chmod 0700 %s",
				   path, status.st_uid, status.st_mode & 07777u, geteuid(), path,
				   path);
	return 0;
}

/** Between its opening and its lock, the one that held the lock may have removed it. */
static bool
is_still_there(const struct pin_directory *directory)
{
	struct stat ours, there;

	return fstat(directory->lock, &ours) == 0 && lstat(directory->path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int
lock(struct pin_directory *directory, const char *name, struct failure *failure)
{
	directory->lock = open(directory->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory->lock < 0)
		return failure_set(failure, EXIT_PERMISSION, "pin_dir: %s cannot be opened: %s",
				   directory->path, strerror(errno));
	if (flock(directory->lock, LOCK_EX | LOCK_NB) == 0) {
		if (is_still_there(directory))
			return 0;
		pin_directory_close(directory);
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "pin_dir: %s was removed by another process at this moment; try "
				   "again",
				   directory->path);
	}
	pin_directory_close(directory);
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"plane \"%s\" is running already (it holds %s); stop it first, or set another "
		"\"name\"",
		name, directory->path);
}

static void
set_path(struct pin_directory *directory, const char *pin_dir, const char *name)
{
	*directory = (struct pin_directory){ .lock = -1 };
	(void)snprintf(directory->path, sizeof directory->path, "%s/", pin_dir);
	append(directory->path, name);
}

int
pin_directory_open(const char *pin_dir, const char *name, struct pin_directory *ret_directory,
		   struct failure *failure)
{
	int r;

	set_path(ret_directory, pin_dir, name);
	if (!is_on_bpffs(pin_dir))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "pin_dir %s is not on a BPF file system; run: mount -t bpf bpf "
				   "/sys/fs/bpf, or set \"pin_dir\" to a directory on one",
				   pin_dir);
	r = make_directories(pin_dir);
	if (r == 0 && check_ours(pin_dir, true, failure) < 0)
		return -1;
	if (r == 0)
		r = make_directories(ret_directory->path);
	if (r < 0)
		return failure_set(
			failure, r == -EACCES || r == -EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
			"pin_dir: %s cannot be made: %s", ret_directory->path, strerror(-r));
	if (check_ours(ret_directory->path, false, failure) < 0)
		return -1;
	return lock(ret_directory, name, failure);
}

int
pin_directory_find(const char *pin_dir, const char *name, struct pin_directory *ret_directory,
		   struct failure *failure)
{
	set_path(ret_directory, pin_dir, name);
	if (is_missing(ret_directory->path))
		return 0;
	if (check_ours(pin_dir, true, failure) < 0 ||
	    check_ours(ret_directory->path, false, failure) < 0 ||
	    lock(ret_directory, name, failure) < 0)
		return -1;
	return 1;
}

int
pin_directory_walk(const struct pin_directory *directory,
		   void (*each)(void *user, const char *entry), void *user)
{
	DIR *stream = opendir(directory->path);
	const struct dirent *entry;

	if (stream == NULL)
		return -errno;
	for (uint32_t i = 0; i < ENTRIES_MAX && (entry = readdir(stream)) != NULL; i++) {
		if (entry->d_name[0] != '.')
			each(user, entry->d_name);
	}
	(void)closedir(stream);
	return 0;
}

int
pin_directory_remove(struct pin_directory *directory)
{
	return rmdir(directory->path) < 0 && errno != ENOENT ? -errno : 0;
}

void
pin_directory_close(struct pin_directory *directory)
{
	if (directory->lock >= 0)
		(void)close(directory->lock);
	directory->lock = -1;
}
