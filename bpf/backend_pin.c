/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_pin.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>

#include "backend_program.h"

/* Every leaf of an interface's directory, with the names that a pin has until it is complete. */
static const char *const leaves[] = { "decap",	   "mss",     "counters",
				      "decap_new", "mss_new", "counters_new" };

void
backend_pin_path(const char *pin_dir, const char *name, const char *leaf,
		 char ret_path[BACKEND_PIN_PATH_MAX])
{
	char folder[3 * IF_NAMESIZE + 1];
	size_t size = 0;

	for (; *name != '\0' && size + 3 < sizeof folder; name++) {
		if (*name == '.' || *name == '%')
			size += (size_t)snprintf(folder + size, sizeof folder - size, "%%%02x",
						 (unsigned char)*name);
		else
			folder[size++] = *name;
	}
	folder[size] = '\0';
	(void)snprintf(ret_path, BACKEND_PIN_PATH_MAX, "%s/%s%s%s", pin_dir, folder,
		       leaf == NULL ? "" : "/", leaf == NULL ? "" : leaf);
}

static bool
is_on_bpffs(const char *path)
{
	struct statfs status;

	return statfs(path, &status) == 0 && status.f_type == BPF_FS_MAGIC;
}

/* An existing directory is the caller's: nobody else can put or take pins there. */
static int
pin_dir_inspect(const char *pin_dir, const struct stat *status, struct backend_report *report)
{
	if (!is_on_bpffs(pin_dir))
		return backend_report_fail(report, -ENOTSUP,
					   "%s is not on a BPF file system; mount one: "
					   "mount -t bpf bpf %s",
					   pin_dir, pin_dir);
	if (!S_ISDIR(status->st_mode) || status->st_uid != geteuid() ||
	    ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status->st_mode & S_ISVTX) == 0))
		return backend_report_fail(report, -EACCES,
					   "others may change %s; make it yours alone: "
					   "chown %d %s; chmod 0700 %s",
					   pin_dir, (int)geteuid(), pin_dir, pin_dir);
	return 0;
}

int
backend_pin_dir_check(const char *pin_dir, bool *ret_missing, struct backend_report *report)
{
	char copy[BACKEND_PATH_MAX];
	struct stat status;
	const char *parent;

	if (lstat(pin_dir, &status) == 0) {
		*ret_missing = false;
		return pin_dir_inspect(pin_dir, &status, report);
	}
	if (errno != ENOENT)
		return backend_report_fail(report, -errno, "cannot read %s: %s", pin_dir,
					   strerror(errno));
	(void)snprintf(copy, sizeof copy, "%s", pin_dir);
	parent = dirname(copy);
	if (!is_on_bpffs(parent))
		return backend_report_fail(report, -ENOTSUP,
					   "%s is not a directory on a BPF file system; mount one: "
					   "mkdir -p %s && mount -t bpf bpf %s",
					   parent, parent, parent);
	*ret_missing = true;
	return 0;
}

int
backend_pin_dir_make(const char *pin_dir, struct backend_report *report)
{
	if (mkdir(pin_dir, 0700) < 0 && errno != EEXIST)
		return backend_report_fail(report, -errno, "cannot make the directory %s: %s",
					   pin_dir, strerror(errno));
	return 0;
}

int
backend_pin_folder_make(const char *pin_dir, const char *name)
{
	char path[BACKEND_PIN_PATH_MAX];
	struct stat status;

	backend_pin_path(pin_dir, name, NULL, path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &status) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return -EACCES;
	return 0;
}

int
backend_pin_replace(int fd, const char *pin_dir, const char *name, const char *leaf)
{
	char temporary[BACKEND_PIN_PATH_MAX], path[BACKEND_PIN_PATH_MAX], leaf_new[32];

	(void)snprintf(leaf_new, sizeof leaf_new, "%s_new", leaf);
	backend_pin_path(pin_dir, name, leaf_new, temporary);
	backend_pin_path(pin_dir, name, leaf, path);
	if (unlink(temporary) < 0 && errno != ENOENT) /* of a process that was killed */
		return -errno;
	if (bpf_obj_pin(fd, temporary) < 0)
		return -errno;
	if (rename(temporary, path) < 0)
		return -errno;
	return 0;
}

int
backend_programs_unpin(const char *pin_dir, const char *name, struct backend_report *report)
{
	char path[BACKEND_PIN_PATH_MAX];

	for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
		backend_pin_path(pin_dir, name, leaves[i], path);
		if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
			return backend_report_fail(report, -errno, "cannot remove %s: %s", path,
						   strerror(errno));
	}
	backend_pin_path(pin_dir, name, NULL, path);
	if (rmdir(path) < 0 && errno != ENOENT)
		return backend_report_fail(report, -errno, "cannot remove %s: %s", path,
					   strerror(errno));
	return 0;
}

int
backend_pinned_open(const char *pin_dir, const char *name, bool egress)
{
	char path[BACKEND_PIN_PATH_MAX];
	int program;

	backend_pin_path(pin_dir, name, egress ? "mss" : "decap", path);
	program = bpf_obj_get(path);
	return program < 0 ? -errno : program;
}

int
backend_counters_read(const char *pin_dir, const char *name,
		      struct backend_count ret_counts[BACKEND_COUNTERS])
{
	int cpus = libbpf_num_possible_cpus();
	struct backend_count *per_cpu;
	char path[BACKEND_PIN_PATH_MAX];
	int map, error = 0;

	if (cpus < 0)
		return cpus;
	backend_pin_path(pin_dir, name, "counters", path);
	map = bpf_obj_get(path);
	if (map < 0)
		return -errno;
	per_cpu = calloc((size_t)cpus, sizeof *per_cpu);
	if (per_cpu == NULL)
		error = -ENOMEM;
	for (uint32_t i = 0; i < BACKEND_COUNTERS && error == 0; i++) {
		ret_counts[i] = (struct backend_count){ 0 };
		if (bpf_map_lookup_elem(map, &i, per_cpu) < 0)
			error = -errno;
		for (int cpu = 0; cpu < cpus && error == 0; cpu++) {
			ret_counts[i].packets += per_cpu[cpu].packets;
			ret_counts[i].bytes += per_cpu[cpu].bytes;
		}
	}
	free(per_cpu);
	(void)close(map);
	return error;
}
