/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PIN_DIR/NAME/vips        the records
 * PIN_DIR/NAME/settings    the settings
 * PIN_DIR/NAME/guard_ID    the program with that id; while a start exchanges it, the new one too
 *
 * A filter at our handle is ours when its program is pinned here: pins tell that without the right
 * to look at programs of others, and an id is not given again while its program is pinned.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../plane/log.h"
#include "guard.h"

#pragma GCC diagnostic ignored "-Woverlength-strings" /* the program, in the generated header */
#include "guard.skel.h"

#define PIN_RECORDS  "vips"
#define PIN_SETTINGS "settings"
#define PIN_PROGRAM  "guard_"

/* Before the filters of others: one that accepts would end the chain. */
enum {
	FILTER_PRIORITY = 1,
	FILTER_HANDLE = 0xf1a1,
};

struct guard {
	struct pin_directory directory;
	struct guard_bpf *bpf;
	struct steering_maps maps;
	uint32_t id; /* of the loaded program */
	bool is_new; /* no maps of an earlier start were there */
};

static void
program_path(const struct guard *guard, uint32_t id, char ret_path[PIN_PATH_BYTES_MAX])
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", id);
	pin_directory_path(&guard->directory, PIN_PROGRAM, name, ret_path);
}

static bool
is_ours(const struct guard *guard, uint32_t id)
{
	char path[PIN_PATH_BYTES_MAX];

	program_path(guard, id, path);
	return access(path, F_OK) == 0;
}

/** Has @p fd the shape of @p map? @return 0; -EINVAL: not; or a negative errno. */
static int
compare_shape(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t info_bytes = sizeof info;

	if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0)
		return -errno;
	return info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
			       info.value_size == bpf_map__value_size(map) &&
			       info.max_entries == bpf_map__max_entries(map) &&
			       info.map_flags == bpf_map__map_flags(map)
		       ? 0
		       : -EINVAL;
}

/** Use the map that an earlier start pinned as @p name. @return 1; 0: there is none; -1. */
static int
take_over_map(struct guard *guard, const char *name, struct bpf_map *map, struct failure *failure)
{
	char path[PIN_PATH_BYTES_MAX];
	int fd, r;

	pin_directory_path(&guard->directory, "", name, path);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT)
		return 0;
	r = fd < 0 ? -errno : compare_shape(fd, map);
	if (r == 0)
		r = bpf_map__reuse_fd(map, fd);
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
	return 1;
}

/** Both maps of an earlier start, or none. @return 0; -1. */
static int
take_over_maps(struct guard *guard, struct failure *failure)
{
	int records, settings;

	records = take_over_map(guard, PIN_RECORDS, guard->bpf->maps.fl_records, failure);
	if (records < 0)
		return -1;
	settings = take_over_map(guard, PIN_SETTINGS, guard->bpf->maps.fl_settings, failure);
	if (settings < 0)
		return -1;
	/* the settings are pinned last: a start that was killed between the two guarded nothing */
	guard->is_new = records == 0 || settings == 0;
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

static int
open_maps(struct guard *guard, struct failure *failure)
{
	int records = bpf_map__fd(guard->bpf->maps.fl_records);
	int settings = bpf_map__fd(guard->bpf->maps.fl_settings);
	char path[PIN_PATH_BYTES_MAX];
	int r = steering_maps_open(records, settings, &guard->maps);

	if (r < 0)
		return failure_set(failure, EXIT_INTERNAL, "the guard's maps cannot be used: %s",
				   strerror(-r));
	pin_directory_path(&guard->directory, "", PIN_RECORDS, path);
	if (pin(records, path, failure) < 0)
		return -1;
	pin_directory_path(&guard->directory, "", PIN_SETTINGS, path);
	return pin(settings, path, failure);
}

int
guard_load(struct guard *guard, struct failure *failure)
{
	struct bpf_prog_info info = { 0 };
	uint32_t info_bytes = sizeof info;
	char path[PIN_PATH_BYTES_MAX];
	int program, r;

	guard->bpf = guard_bpf__open();
	if (guard->bpf == NULL)
		return load_failed(-errno, failure);
	if (take_over_maps(guard, failure) < 0)
		return -1;
	r = guard_bpf__load(guard->bpf);
	if (r < 0)
		return load_failed(r, failure);
	if (open_maps(guard, failure) < 0)
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
	if (pin_directory_open(pin_dir, name, &guard->directory, failure) < 0) {
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

/** For pin_directory_walk(): remove programs but the loaded one. */
static void
remove_old_program(void *user, const char *entry)
{
	const struct guard *guard = user;
	char path[PIN_PATH_BYTES_MAX], kept[PIN_PATH_BYTES_MAX];

	pin_directory_entry(&guard->directory, entry, path);
	program_path(guard, guard->id, kept);
	if (strncmp(entry, PIN_PROGRAM, sizeof PIN_PROGRAM - 1) == 0 && strcmp(path, kept) != 0)
		(void)unlink(path);
}

void
guard_settle(struct guard *guard)
{
	(void)pin_directory_walk(&guard->directory, remove_old_program, guard);
}

struct steering_maps *
guard_maps(struct guard *guard)
{
	return &guard->maps;
}

const struct pin_directory *
guard_directory(const struct guard *guard)
{
	return &guard->directory;
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
	steering_maps_close(&guard->maps);
	guard_bpf__destroy(guard->bpf);
	pin_directory_close(&guard->directory);
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
	if (present < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "interface %s: its tc filters cannot be asked for: %s",
				   interface, strerror(errno));
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

/** For pin_directory_walk(). */
static void
remove_pin(void *user, const char *entry)
{
	const struct guard *guard = user;
	char path[PIN_PATH_BYTES_MAX];

	pin_directory_entry(&guard->directory, entry, path);
	(void)unlink(path);
}

void
guard_remove_pins(struct guard *guard)
{
	(void)pin_directory_walk(&guard->directory, remove_pin, guard);
	(void)pin_directory_remove(&guard->directory);
}
