/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PIN_DIR/NAME/vips        the map
 * PIN_DIR/NAME/guard_ID    the program with that id; while a start exchanges it, the new one too
 *
 * A filter at our handle is ours when its program is pinned here: pins tell that without the right
 * to look at programs of others, and an id is not given again while its program is pinned.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../plane/log.h"
#include "guard.h"
#include "steering.h"

#pragma GCC diagnostic ignored "-Woverlength-strings" /* the program, in the generated header */
#include "guard.skel.h"

/* Before the filters of others: one that accepts would end the chain. */
enum {
	FILTER_PRIORITY = 1,
	FILTER_HANDLE = 0xf1a1,
	PATH_BYTES_MAX = 512,
};

struct guard {
	char directory[PATH_BYTES_MAX];
	int lock; /* the directory, flock()ed */
	struct guard_bpf *bpf;
	int vips;    /* the map; guard_bpf's */
	uint32_t id; /* of the loaded program */
	bool is_new; /* no map of an earlier start was there */
};

static void
pin_path(const struct guard *guard, const char *name, char ret_path[PATH_BYTES_MAX])
{
	if ((size_t)snprintf(ret_path, PATH_BYTES_MAX, "%s/%s", guard->directory, name) >=
	    PATH_BYTES_MAX)
		ret_path[0] = '\0'; /* cannot be: pin_dir and name are shorter */
}

/** Make @p path and what is missing above it. @return 0 or a negative errno. */
static int
make_directories(const char *path)
{
	char part[PATH_BYTES_MAX];

	for (const char *at = strchr(path + 1, '/');; at = strchr(at + 1, '/')) {
		size_t bytes = at == NULL ? strlen(path) : (size_t)(at - path);

		if (bytes >= sizeof part)
			return -ENAMETOOLONG;
		memcpy(part, path, bytes);
		part[bytes] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (at == NULL)
			return 0;
	}
}

/** Is @p path, or the nearest directory above it that exists, on a bpffs? */
static bool
is_on_bpffs(const char *path)
{
	char part[PATH_BYTES_MAX];
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

static int
open_directory(struct guard *guard, const char *pin_dir, const char *name, struct failure *failure)
{
	int r;

	if (!is_on_bpffs(pin_dir))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "pin_dir %s is not on a BPF file system; run: mount -t bpf bpf "
				   "/sys/fs/bpf, or set \"pin_dir\" to a directory on one",
				   pin_dir);
	r = make_directories(guard->directory);
	if (r < 0)
		return failure_set(
			failure, r == -EACCES || r == -EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
			"pin_dir: %s cannot be made: %s", guard->directory, strerror(-r));
	guard->lock = open(guard->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (guard->lock < 0)
		return failure_set(failure, EXIT_PERMISSION, "pin_dir: %s cannot be opened: %s",
				   guard->directory, strerror(errno));
	if (flock(guard->lock, LOCK_EX | LOCK_NB) < 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"plane \"%s\" is running already (it holds %s); stop it first, or "
			"set another \"name\"",
			name, guard->directory);
	return 0;
}

static void
program_path(const struct guard *guard, uint32_t id, char ret_path[PATH_BYTES_MAX])
{
	char name[32];

	(void)snprintf(name, sizeof name, "guard_%u", id);
	pin_path(guard, name, ret_path);
}

static bool
is_ours(const struct guard *guard, uint32_t id)
{
	char path[PATH_BYTES_MAX];

	program_path(guard, id, path);
	return access(path, F_OK) == 0;
}

/** Remove the directory's entries whose names begin with @p prefix, but not @p kept (NULL: none).
 */
static void
remove_pins(const struct guard *guard, const char *prefix, const char *kept)
{
	DIR *directory = opendir(guard->directory);
	const struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
		    (kept != NULL && strcmp(entry->d_name, kept) == 0))
			continue;
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	}
	(void)closedir(directory);
}

/** Use the map that an earlier start left. @return 0 (also when there is none); -1. */
static int
take_over_map(struct guard *guard, const char *path, struct failure *failure)
{
	const struct bpf_map *map = guard->bpf->maps.fl_guard_vips;
	struct bpf_map_info info = { 0 };
	uint32_t info_bytes = sizeof info;
	int fd = bpf_obj_get(path);
	int r;

	guard->is_new = fd < 0 && errno == ENOENT;
	if (guard->is_new)
		return 0;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0)
		r = -errno;
	else if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
		 info.value_size != bpf_map__value_size(map) ||
		 info.max_entries != bpf_map__max_entries(map) ||
		 info.map_flags != bpf_map__map_flags(map))
		r = -EINVAL;
	else
		r = bpf_map__reuse_fd(guard->bpf->maps.fl_guard_vips, fd);
	if (fd >= 0)
		(void)close(fd);
	if (r == -EINVAL)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "%s is not a guard map of this version; remove it with: "
				   "fairlead-dpdk --detach FILE",
				   path);
	if (r < 0)
		return failure_set(failure,
				   r == -EPERM || r == -EACCES ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
				   "%s cannot be opened: %s", path, strerror(-r));
	return 0;
}

static int
load_failed(int error, struct failure *failure)
{
	if (error == -EPERM || error == -EACCES)
		return failure_set(
			failure, EXIT_PERMISSION,
			"the guard program cannot be loaded: no permission; net_af_xdp "
			"ports need CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON and "
			"CAP_IPC_LOCK, or root");
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "the guard program cannot be loaded: %s (%s); Linux 5.15 or newer is "
			   "needed",
			   strerror(-error), log_last_complaint());
}

static int
pin(int fd, const char *path, struct failure *failure)
{
	if (bpf_obj_pin(fd, path) < 0 && errno != EEXIST)
		return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be pinned: %s", path,
				   strerror(errno));
	return 0;
}

int
guard_load(struct guard *guard, struct failure *failure)
{
	struct bpf_prog_info info = { 0 };
	uint32_t info_bytes = sizeof info;
	char path[PATH_BYTES_MAX];
	int program, r;

	guard->bpf = guard_bpf__open();
	if (guard->bpf == NULL)
		return load_failed(-errno, failure);
	pin_path(guard, STEERING_GUARD_VIPS, path);
	if (take_over_map(guard, path, failure) < 0)
		return -1;
	r = guard_bpf__load(guard->bpf);
	if (r < 0)
		return load_failed(r, failure);
	guard->vips = bpf_map__fd(guard->bpf->maps.fl_guard_vips);
	if (pin(guard->vips, path, failure) < 0)
		return -1;
	program = bpf_program__fd(guard->bpf->progs.fl_guard);
	if (bpf_obj_get_info_by_fd(program, &info, &info_bytes) < 0)
		return load_failed(-errno, failure);
	guard->id = info.id;
	program_path(guard, guard->id, path);
	return pin(program, path, failure);
}

struct guard *
guard_open(const char *pin_dir, const char *name, struct failure *failure)
{
	struct guard *guard = calloc(1, sizeof *guard);

	if (guard == NULL) {
		(void)failure_set(failure, EXIT_INTERNAL, "no memory");
		return NULL;
	}
	guard->lock = -1;
	guard->vips = -1;
	(void)snprintf(guard->directory, sizeof guard->directory, "%s/%s", pin_dir, name);
	if (open_directory(guard, pin_dir, name, failure) < 0) {
		guard_close(guard);
		return NULL;
	}
	return guard;
}

/** Our place on the interface. Zeroed as memory: libbpf refuses options whose padding is not zero.
 */
static void
our_place(uint32_t ifindex, struct bpf_tc_hook *ret_hook, struct bpf_tc_opts *ret_filter)
{
	memset(ret_hook, 0, sizeof *ret_hook);
	ret_hook->sz = sizeof *ret_hook;
	ret_hook->ifindex = (int)ifindex;
	ret_hook->attach_point = BPF_TC_INGRESS;
	memset(ret_filter, 0, sizeof *ret_filter);
	ret_filter->sz = sizeof *ret_filter;
	ret_filter->handle = FILTER_HANDLE;
	ret_filter->priority = FILTER_PRIORITY;
}

/** The program of the filter at our place. @return 0: none there; -1 with errno. */
static int64_t
filter_program(uint32_t ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts filter;
	int r;

	our_place(ifindex, &hook, &filter);
	r = bpf_tc_query(&hook, &filter);

	if (r == -ENOENT || r == -EINVAL) /* EINVAL: no clsact at all */
		return 0;
	if (r < 0) {
		errno = -r;
		return -1;
	}
	return filter.prog_id;
}

static int
foreign_filter(const char *interface, int64_t id, struct failure *failure)
{
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"interface %s: another tc filter (BPF program id %lld) is where this "
		"plane's guard goes; if an old plane left it, run fairlead-dpdk --detach with "
		"that plane's configuration, else: tc filter del dev %s ingress prio %d "
		"handle 0x%x bpf",
		interface, (long long)id, interface, FILTER_PRIORITY, FILTER_HANDLE);
}

int
guard_attach(struct guard *guard, const char *interface, struct failure *failure)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts filter;
	uint32_t ifindex = if_nametoindex(interface);
	int64_t present;
	int r;

	our_place(ifindex, &hook, &filter);
	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		return failure_set(failure, r == -EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
				   "interface %s: tc clsact cannot be added: %s%s", interface,
				   strerror(-r), r == -EPERM ? "; CAP_NET_ADMIN is needed" : "");
	present = filter_program(ifindex);
	if (present > 0 && !is_ours(guard, (uint32_t)present))
		return foreign_filter(interface, present, failure);
	filter.prog_fd = bpf_program__fd(guard->bpf->progs.fl_guard);
	if (present > 0)
		filter.flags = BPF_TC_F_REPLACE;
	r = bpf_tc_attach(&hook, &filter);
	if (r < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "interface %s: the guard cannot be put on its ingress: %s (%s)",
				   interface, strerror(-r), log_last_complaint());
	return 0;
}

void
guard_settle(struct guard *guard)
{
	char name[32];

	(void)snprintf(name, sizeof name, "guard_%u", guard->id);
	remove_pins(guard, "guard_", name);
}

int
guard_add(struct guard *guard, const struct fl_vip_key *key)
{
	const uint32_t value = 1;

	return bpf_map_update_elem(guard->vips, key, &value, BPF_ANY) < 0 ? -errno : 0;
}

void
guard_remove(struct guard *guard, const struct fl_vip_key *key)
{
	(void)bpf_map_delete_elem(guard->vips, key);
}

bool
guard_next(struct guard *guard, const struct fl_vip_key *key, struct fl_vip_key *ret_key)
{
	return bpf_map_get_next_key(guard->vips, key, ret_key) == 0;
}

const char *
guard_directory(const struct guard *guard)
{
	return guard->directory;
}

bool
guard_is_new(const struct guard *guard)
{
	return guard->is_new;
}

void
guard_close(struct guard *guard)
{
	if (guard == NULL)
		return;
	guard_bpf__destroy(guard->bpf);
	if (guard->lock >= 0)
		(void)close(guard->lock);
	free(guard);
}

int
guard_detach(struct guard *guard, const char *interface, struct failure *failure)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts filter;
	uint32_t ifindex = if_nametoindex(interface);
	int64_t present = ifindex == 0 ? 0 : filter_program(ifindex);
	int r;

	if (present == 0)
		return 0;
	if (!is_ours(guard, (uint32_t)present))
		return foreign_filter(interface, present, failure);
	our_place(ifindex, &hook, &filter);
	r = bpf_tc_detach(&hook, &filter);
	if (r < 0)
		return failure_set(failure, r == -EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
				   "interface %s: the guard cannot be taken off: %s", interface,
				   strerror(-r));
	return 0;
}

void
guard_remove_pins(struct guard *guard)
{
	remove_pins(guard, "", NULL);
	(void)rmdir(guard->directory);
}
