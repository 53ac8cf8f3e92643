/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory like /dev/shm is everybody's: a file is ours only if it is a regular one of our user,
 * under one name, that nobody else may open. It is locked before it is read, and nothing is written
 * before all of it was checked.
 *
 * A write to memory that a full tmpfs cannot give is the end of the process (SIGBUS). So all of the
 * file is allocated before it is mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tables_file.h"

#define DIRECTORY_HUGE	"/dev/hugepages"
#define DIRECTORY_SMALL "/dev/shm"
#define DETACH                                                                                  \
	"run fairlead-dpdk --detach with this configuration, which removes it; the next start " \
	"then begins without VIPs until fairleadd sends them"

enum {
	TRIES_MAX = 8, /* that another process takes the file away, or makes it, at the moment */
	FILE_MODE = 0600,
};

static int
exit_code_of(int error)
{
	return error == EACCES || error == EPERM || error == EROFS ? EXIT_PERMISSION
								   : EXIT_UNAVAILABLE;
}

/* --- the directory --- */

static bool
is_hugetlbfs(const char *path)
{
	struct statfs status;

	return statfs(path, &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
}

static void
set_paths(struct tables_file *file, const struct config *config)
{
	const char *directory = config->tables_dir;

	if (directory[0] == '\0')
		directory = config->hugepages && is_hugetlbfs(DIRECTORY_HUGE) ? DIRECTORY_HUGE
									      : DIRECTORY_SMALL;
	plane_file_copy(file->directory_path, sizeof file->directory_path, directory);
	(void)snprintf(file->name, sizeof file->name, "fairlead-%.32s.tables", config->file.name);
	(void)snprintf(file->path, sizeof file->path, "%s/%s", file->directory_path, file->name);
}

static int
open_directory(struct tables_file *file, struct failure *failure)
{
	struct statfs status;

	file->directory = open(file->directory_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (file->directory < 0 || fstatfs(file->directory, &status) < 0)
		return failure_set(failure, exit_code_of(errno),
				   "the directory %s of the tables cannot be opened: %s; mount a "
				   "tmpfs there, or set \"tables_dir\"",
				   file->directory_path, strerror(errno));
	file->is_huge = status.f_type == HUGETLBFS_MAGIC;
	if (file->is_huge || status.f_type == TMPFS_MAGIC)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "tables_dir %s is not on a tmpfs or hugetlbfs, and packets would wait "
			   "for a disk; set it to %s, or run: mount -t tmpfs tmpfs %s",
			   file->directory_path, DIRECTORY_SMALL, file->directory_path);
}

/* --- opening the file --- */

/** Nobody else may have a hand in it. */
static int
check_owner(const struct tables_file *file, struct failure *failure)
{
	struct stat status;

	if (fstat(file->file, &status) < 0)
		return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be looked at: %s",
				   file->path, strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_nlink > 1)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "%s, where the tables shall be, is not a regular file with one "
				   "name; " DETACH,
				   file->path);
	if (status.st_uid != geteuid() || (status.st_mode & 07777) != FILE_MODE)
		return failure_set(failure, EXIT_PERMISSION,
				   "%s, where the tables shall be, is of user %u with mode %04o, "
				   "not of user %u with mode %04o: others may have written it; as "
				   "root, " DETACH,
				   file->path, status.st_uid, status.st_mode & 07777u, geteuid(),
				   (unsigned int)FILE_MODE);
	return 0;
}

/** Between its opening and its lock, the one that held the lock may have removed it. */
static bool
is_still_there(const struct tables_file *file)
{
	struct stat ours, there;

	return fstat(file->file, &ours) == 0 &&
	       fstatat(file->directory, file->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static void
close_file(struct tables_file *file)
{
	if (file->file >= 0)
		(void)close(file->file);
	file->file = -1;
}

static int
is_running(const struct tables_file *file, const struct config *config, struct failure *failure)
{
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "plane \"%s\" is running already (it holds %s); stop it first, or set "
			   "another \"name\" or \"tables_dir\"",
			   config->file.name, file->path);
}

/** @return 1: it is open; 0: to be tried again; -1. */
static int
try_file(struct tables_file *file, const struct config *config, struct failure *failure)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

	file->file = openat(file->directory, file->name, flags);
	if (file->file < 0 && errno == ENOENT)
		file->file =
			openat(file->directory, file->name, flags | O_CREAT | O_EXCL, FILE_MODE);
	if (file->file < 0 && errno == EEXIST)
		return 0;
	if (file->file < 0 && (errno == ELOOP || errno == EISDIR))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "%s, where the tables shall be, is a %s; " DETACH, file->path,
				   errno == ELOOP ? "symbolic link" : "directory");
	if (file->file < 0)
		return failure_set(failure, exit_code_of(errno),
				   "%s, where the tables shall be, cannot be opened: %s; give the "
				   "plane's user the right, or set \"tables_dir\"",
				   file->path, strerror(errno));
	if (check_owner(file, failure) < 0)
		return -1;
	if (flock(file->file, LOCK_EX | LOCK_NB) < 0)
		return is_running(file, config, failure);
	if (is_still_there(file))
		return 1;
	close_file(file);
	return 0;
}

static int
open_file(struct tables_file *file, const struct config *config, struct failure *failure)
{
	int r = 0;

	for (uint32_t i = 0; i < TRIES_MAX && r == 0; i++)
		r = try_file(file, config, failure);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "%s comes and goes: another process makes and removes it; try again",
			   file->path);
}

/* --- what an earlier process left --- */

/** The key decides where VIPs lie in the tables: under another one, none would be found. */
static int
check_key(const struct tables_file *file, const struct config *config, const struct fl_key *key,
	  struct failure *failure)
{
	struct plane_tables offsets;
	struct fl_config theirs = { .key = { { 0 } } };
	ssize_t bytes;
	bool same;

	tables_memory_lay_out(NULL, &config->file.limits, &offsets);
	bytes = pread(file->file, &theirs, sizeof theirs, (off_t)(uintptr_t)offsets.config);
	same = bytes == (ssize_t)sizeof theirs && memcmp(&theirs.key, key, sizeof *key) == 0;
	explicit_bzero(&theirs, sizeof theirs);
	if (same)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "key_file %s holds another key than the one that the tables in %s are "
			   "made with; put that one back, or " DETACH,
			   config->file.key_file, file->path);
}

static int
check_whole(const struct tables_file *file, const struct tables_memory *head,
	    const struct config *config, struct failure *failure)
{
	const struct plane_limits *limits = &config->file.limits;
	uint32_t theirs, ours;
	const char *limit = tables_memory_other_limit(head, limits, &theirs, &ours);
	struct stat status;

	if (limit != NULL)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the tables in %s are for \"limits\": {\"%s\": %u}, but the "
				   "configuration says %u; set it back to %u, or " DETACH,
				   file->path, limit, theirs, ours, theirs);
	if (fstat(file->file, &status) < 0 ||
	    (uint64_t)status.st_size < tables_memory_bytes(limits))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the tables in %s are cut off after %lld bytes; " DETACH,
				   file->path, (long long)status.st_size);
	return 0;
}

/** Is what the file holds to be gone on with? @return 0 with is_adopted set; -1. */
static int
check_file(struct tables_file *file, const struct config *config, const struct fl_key *key,
	   struct failure *failure)
{
	struct tables_memory head = { 0 };
	ssize_t bytes = pread(file->file, &head, sizeof head, 0);

	if (bytes == 0)
		return 0;
	if (bytes < (ssize_t)sizeof head || tables_memory_look(&head) == TABLES_MEMORY_FOREIGN)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "%s, where the tables shall be, holds something else; " DETACH,
				   file->path);
	if (tables_memory_look(&head) == TABLES_MEMORY_FRESH)
		return 0;
	if (tables_memory_look(&head) == TABLES_MEMORY_VERSION_OTHER)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the tables in %s are of another version of fairlead-dpdk "
				   "(layout %u-%u, this one has %u); run that version, or " DETACH,
				   file->path, head.version, head.record_bytes,
				   TABLES_MEMORY_VERSION);
	if (check_whole(file, &head, config, failure) < 0 ||
	    check_key(file, config, key, failure) < 0)
		return -1;
	file->is_adopted = true;
	return 0;
}

/* --- memory --- */

static int
no_huge_pages(const struct tables_file *file, int error, struct failure *failure)
{
	struct statfs status = { .f_bsize = 1024 };

	(void)fstatfs(file->directory, &status);
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"the tables need %zu bytes in %s, and %llu huge pages of %llu KiB are not "
		"free (%s); raise "
		"/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages by as many, set "
		"\"tables_dir\" to " DIRECTORY_SMALL ", or lower \"limits\"",
		file->bytes, file->directory_path,
		(unsigned long long)(file->bytes / (uint64_t)status.f_bsize),
		(unsigned long long)status.f_bsize / 1024, strerror(error),
		(unsigned long long)status.f_bsize / 1024);
}

static int
no_room(const struct tables_file *file, int error, struct failure *failure)
{
	struct statfs status = { .f_bsize = 1024 };
	uint64_t page, used;

	if (file->is_huge)
		return no_huge_pages(file, error, failure);
	(void)fstatfs(file->directory, &status);
	page = (uint64_t)status.f_bsize;
	used = (status.f_blocks - status.f_bavail) * page;
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"the tables need %zu bytes in %s, which has %llu free (%s); run: mount -o "
		"remount,size=%lluM %s, or lower \"limits\"",
		file->bytes, file->directory_path, (unsigned long long)(status.f_bavail * page),
		strerror(error), (unsigned long long)((used + file->bytes) / 1048576 + 1),
		file->directory_path);
}

/** Bytes of the file: whole pages of its file system. */
static size_t
whole_pages(const struct tables_file *file, size_t bytes)
{
	struct statfs status;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (file->is_huge && fstatfs(file->directory, &status) == 0)
		page = (size_t)status.f_bsize;
	return (bytes + page - 1) / page * page;
}

static int
map(struct tables_file *file, const struct config *config, struct failure *failure)
{
	void *at;

	file->bytes = whole_pages(file, tables_memory_bytes(&config->file.limits));
	if (!file->is_adopted && ftruncate(file->file, 0) < 0)
		return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be emptied: %s",
				   file->path, strerror(errno));
	if (fallocate(file->file, 0, 0, (off_t)file->bytes) < 0)
		return no_room(file, errno, failure);
	at = mmap(NULL, file->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file->file,
		  0);
	if (at == MAP_FAILED)
		return no_room(file, errno, failure);
	file->memory = at;
	/* a packet must not wait for swap; without the right to lock, as for all memory */
	(void)mlock(at, file->bytes);
	return 0;
}

/** Counters are the process's own, and begin at 0 with it. */
static void
clear_ledgers(const struct plane_tables *tables, const struct plane_limits *limits)
{
	struct plane_tables_size size = plane_tables_size(limits);

	memset(tables->vip_ledger, 0, size.vip_count * sizeof *tables->vip_ledger);
	memset(tables->backend_ledger, 0, size.backend_count * sizeof *tables->backend_ledger);
}

static void
begin(struct tables_file *file, const struct config *config, const struct fl_key *key)
{
	const struct plane_limits *limits = &config->file.limits;
	const char *devices[FL_PORTS_MAX];
	struct plane_tables tables;

	for (uint32_t i = 0; i < config->port_count; i++)
		devices[i] =
			config->ports[i].is_af_xdp ? config->ports[i].interface : config->ports[i].device;
	tables_memory_lay_out(file->memory, limits, &tables);
	if (!file->is_adopted)
		tables_memory_begin(file->memory, limits);
	plane_tables_set_config(&tables, limits, key);
	tables_memory_set_devices(file->memory, &tables, devices, config->port_count);
	clear_ledgers(&tables, limits);
	tables_memory_finish(file->memory);
}

/* --- life --- */

int
tables_file_open(struct tables_file *file, const struct config *config, const struct fl_key *key,
		 struct failure *failure)
{
	set_paths(file, config);
	if (open_directory(file, failure) < 0)
		return -1;
	if (open_file(file, config, failure) < 0 || check_file(file, config, key, failure) < 0) {
		close_file(file); /* it is another's */
		return -1;
	}
	if (map(file, config, failure) < 0)
		return -1;
	begin(file, config, key);
	return 0;
}

void
tables_file_withdraw(const struct tables_file *file)
{
	if (file->file >= 0 && !file->is_adopted)
		(void)unlinkat(file->directory, file->name, 0);
}

void
tables_file_close(struct tables_file *file)
{
	if (file->memory != NULL)
		(void)munmap(file->memory, file->bytes);
	close_file(file);
	if (file->directory >= 0)
		(void)close(file->directory);
	*file = TABLES_FILE_CLOSED;
}

/** Take the lock of what is there, where it has one. @return 0; -1: somebody runs. */
static int
lock_to_remove(struct tables_file *file, const struct config *config, struct failure *failure)
{
	struct stat status;

	if (fstatat(file->directory, file->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode))
		return 0;
	file->file =
		openat(file->directory, file->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (file->file < 0 && errno != ENOENT)
		return failure_set(failure, exit_code_of(errno),
				   "%s cannot be opened: %s; run it as the user of the file, or as "
				   "root",
				   file->path, strerror(errno));
	if (file->file >= 0 && flock(file->file, LOCK_EX | LOCK_NB) < 0)
		return is_running(file, config, failure);
	return 0;
}

int
tables_file_remove(const struct config *config, struct failure *failure)
{
	struct tables_file file = TABLES_FILE_CLOSED;
	int r = 0;

	set_paths(&file, config);
	file.directory = open(file.directory_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (file.directory < 0)
		return 0; /* what was in it is gone with it */
	r = lock_to_remove(&file, config, failure);
	if (r == 0 && unlinkat(file.directory, file.name, 0) < 0 && errno != ENOENT)
		r = failure_set(failure, exit_code_of(errno),
				"%s cannot be removed: %s; remove it by hand", file.path,
				strerror(errno));
	tables_file_close(&file);
	return r;
}
