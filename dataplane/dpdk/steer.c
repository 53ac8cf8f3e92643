/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose is a program on the interface? It is a dead plane's, and may be replaced, when it is pinned
 * in this plane's directory (whose lock says that its owner is gone), or when it bears our name and
 * no process has a socket on the queue. For the second the kernel wants CAP_SYS_ADMIN; without it
 * such a program is refused like a foreign one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "../plane/log.h"
#include "../plane/loop.h"
#include "steer.h"
#include "steering.h"
#include "xsk_queue.h"

#pragma GCC diagnostic ignored "-Woverlength-strings" /* the program, in the generated header */
#include "steer.skel.h"

#define PIN_PROGRAM "steer_"

enum {
	MAPS_MAX = 8, /* of one program */
	TRY_MS = 10,
};

static void
pin_path(const struct pin_directory *directory, uint32_t id, char ret_path[PIN_PATH_BYTES_MAX])
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", id);
	pin_directory_path(directory, PIN_PROGRAM, name, ret_path);
}

/** A program that is on an interface. */
struct present {
	uint32_t id;	/* 0: none */
	uint32_t flags; /* of its mode */
};

/** What is on the interface. @return 0; or a negative errno. */
static int
query(uint32_t ifindex, struct present *ret_present)
{
	struct bpf_xdp_query_opts answer;
	int r;

	memset(&answer, 0, sizeof answer); /* padding too: libbpf looks at it */
	answer.sz = sizeof answer;
	r = bpf_xdp_query((int)ifindex, 0, &answer);
	if (r < 0)
		return r;
	*ret_present = (struct present){ .id = answer.prog_id };
	if (answer.attach_mode == XDP_ATTACHED_SKB || answer.skb_prog_id != 0)
		ret_present->flags = XDP_FLAGS_SKB_MODE;
	else if (answer.attach_mode == XDP_ATTACHED_DRV)
		ret_present->flags = XDP_FLAGS_DRV_MODE;
	else if (answer.attach_mode == XDP_ATTACHED_HW)
		ret_present->flags = XDP_FLAGS_HW_MODE;
	if (ret_present->id == 0)
		ret_present->id = answer.drv_prog_id != 0 ? answer.drv_prog_id : answer.skb_prog_id;
	return 0;
}

/** The name of the program behind @p fd. */
static void
program_name(int fd, char ret_name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = { 0 };
	uint32_t info_bytes = sizeof info;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0)
		(void)snprintf(ret_name, BPF_OBJ_NAME_LEN, "name hidden");
	else
		(void)snprintf(ret_name, BPF_OBJ_NAME_LEN, "%s", info.name);
}

/** Wait for a queue whose process may have died a moment ago. @return 0 or the negative errno that
 * stays. */
static int
wait_for_queue(uint32_t ifindex, uint32_t queue)
{
	int64_t end_ms = loop_now_ms() + STEER_WAIT_MS_MAX;
	int r = xsk_queue_try(ifindex, queue);

	while (r == -EBUSY && loop_now_ms() < end_ms) {
		(void)nanosleep(&(struct timespec){ .tv_nsec = TRY_MS * 1000000 }, NULL);
		r = xsk_queue_try(ifindex, queue);
	}
	return r;
}

static int
detach(const char *interface, int program, uint32_t flags, struct failure *failure)
{
	struct bpf_xdp_attach_opts expected;
	int r;

	memset(&expected, 0, sizeof expected);
	expected.sz = sizeof expected;
	expected.old_prog_fd = program;
	r = bpf_xdp_detach((int)if_nametoindex(interface), flags, &expected);
	if (r < 0)
		return failure_set(
			failure, r == -EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
			"interface %s: the XDP program that an earlier start left cannot be "
			"detached: %s",
			interface, strerror(-r));
	return 0;
}

/** A program that is not pinned here: ours by name and nobody's by its queue, or another's. */
static int
evict_unpinned(const char *interface, const struct present *present, uint32_t queue,
	       struct failure *failure)
{
	int program = bpf_prog_get_fd_by_id(present->id);
	char name[BPF_OBJ_NAME_LEN];
	int r;

	program_name(program, name);
	if (strcmp(name, STEERING_XDP_NAME) != 0) {
		r = failure_set(
			failure, EXIT_UNAVAILABLE,
			"interface %s has an XDP program of another owner (%s, id %u); stop "
			"its owner, or if nobody needs it: ip link set dev %s xdp off",
			interface, name, present->id, interface);
	} else if (wait_for_queue(if_nametoindex(interface), queue) == -EBUSY) {
		r = failure_set(
			failure, EXIT_UNAVAILABLE,
			"interface %s is in use by another fairlead-dpdk (XDP program %s, id "
			"%u); stop that one, or configure another interface",
			interface, name, present->id);
	} else {
		r = detach(interface, program, present->flags, failure);
	}
	if (program >= 0)
		(void)close(program);
	return r;
}

int
steer_evict(const char *interface, const struct pin_directory *directory, uint32_t queue,
	    struct failure *failure)
{
	uint32_t ifindex = if_nametoindex(interface);
	struct present present;
	char path[PIN_PATH_BYTES_MAX];
	int program, r = query(ifindex, &present);

	if (r < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "interface %s: its XDP program cannot be asked for: %s",
				   interface, strerror(-r));
	if (present.id == 0)
		return 0;
	pin_path(directory, present.id, path);
	program = bpf_obj_get(path);
	if (program < 0)
		return evict_unpinned(interface, &present, queue, failure);
	r = detach(interface, program, present.flags, failure);
	(void)close(program);
	if (r == 0) {
		(void)unlink(path);
		log_message(
			LOG_NOTICE,
			"interface %s: replaced the XDP program that a killed start left (id %u)",
			interface, present.id);
	}
	return r;
}

/** For pin_directory_walk(). */
static void
remove_pin(void *user, const char *entry)
{
	char path[PIN_PATH_BYTES_MAX];

	if (strncmp(entry, PIN_PROGRAM, sizeof PIN_PROGRAM - 1) != 0)
		return;
	pin_directory_entry(user, entry, path);
	(void)unlink(path);
}

void
steer_remove_pins(const struct pin_directory *directory)
{
	(void)pin_directory_walk(directory, remove_pin, (void *)directory);
}

int
steer_object(struct failure *failure)
{
	size_t bytes, written = 0;
	const char *object = steer_bpf__elf_bytes(&bytes);
	int fd = memfd_create("fairlead-steer", MFD_CLOEXEC);

	while (fd >= 0 && written < bytes) {
		ssize_t n = write(fd, object + written, bytes - written);

		if (n <= 0) {
			(void)close(fd);
			fd = -1;
		} else {
			written += (size_t)n;
		}
	}
	if (fd < 0)
		return failure_set(failure, EXIT_INTERNAL,
				   "the XDP program cannot be written to memory: %s",
				   strerror(errno));
	return fd;
}

/** The descriptor of this process for which @p matches, or -1. */
static int
find_descriptor(bool (*matches)(int fd, const void *wanted), const void *wanted)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	int found = -1;

	if (directory == NULL)
		return -1;
	while (found < 0 && (entry = readdir(directory)) != NULL) {
		int fd = (int)strtoul(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && fd != dirfd(directory) && matches(fd, wanted))
			found = fd;
	}
	(void)closedir(directory);
	return found;
}

/** Is @p fd of the anonymous kind that the kernel calls @p kind? bpf() of other files is only an
 * error, but noisy. */
static bool
is_kind(int fd, const char *kind)
{
	char link[64], target[64];
	ssize_t bytes;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	bytes = readlink(link, target, sizeof target - 1);
	if (bytes < 0)
		return false;
	target[bytes] = '\0';
	return strcmp(target, kind) == 0;
}

static bool
is_program(int fd, const void *id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t info_bytes = sizeof info;

	return is_kind(fd, "anon_inode:bpf-prog") &&
	       bpf_obj_get_info_by_fd(fd, &info, &info_bytes) == 0 &&
	       info.id == *(const uint32_t *)id;
}

/** A map of a program, by its name. */
struct program_map {
	const char *name;
	const uint32_t *ids; /* of the program's maps */
	uint32_t count;
};

static bool
is_map(int fd, const void *wanted)
{
	const struct program_map *map = wanted;
	struct bpf_map_info info = { 0 };
	uint32_t info_bytes = sizeof info;

	if (!is_kind(fd, "anon_inode:bpf-map") ||
	    bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0 || strcmp(info.name, map->name) != 0)
		return false;
	for (uint32_t i = 0; i < map->count; i++) {
		if (map->ids[i] == info.id)
			return true;
	}
	return false;
}

/** Find and open the maps of @p program. @return 0 or a negative errno; -ENOENT: it has others. */
static int
find_maps(int program, struct steering_maps *ret_maps)
{
	uint32_t ids[MAPS_MAX];
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = MAPS_MAX };
	struct program_map wanted = { .name = STEERING_RECORDS, .ids = ids };
	uint32_t info_bytes = sizeof info;
	int records, settings;

	if (bpf_obj_get_info_by_fd(program, &info, &info_bytes) < 0)
		return -errno;
	wanted.count = info.nr_map_ids < MAPS_MAX ? info.nr_map_ids : MAPS_MAX;
	records = find_descriptor(is_map, &wanted);
	wanted.name = STEERING_SETTINGS;
	settings = find_descriptor(is_map, &wanted);
	if (records < 0 || settings < 0)
		return -ENOENT;
	return steering_maps_open(records, settings, ret_maps);
}

int
steer_find(const char *interface, const struct pin_directory *directory,
	   struct steer_port *ret_port, struct failure *failure)
{
	struct steer_port port = { .maps = { .records = -1 } };
	struct present present = { 0 };
	char path[PIN_PATH_BYTES_MAX];
	int r = query(if_nametoindex(interface), &present);
	int program = r < 0 || present.id == 0 ? -1 : find_descriptor(is_program, &present.id);

	r = program < 0 ? -ENOENT : find_maps(program, &port.maps);
	if (r == -ENOENT)
		return failure_set(
			failure, EXIT_INTERNAL,
			"interface %s: the XDP program is not the one that was given to the "
			"driver",
			interface);
	if (r < 0)
		return failure_set(failure, EXIT_INTERNAL,
				   "interface %s: the maps of its XDP program cannot be used: %s",
				   interface, strerror(-r));
	pin_path(directory, present.id, path);
	if (bpf_obj_pin(program, path) < 0) {
		r = errno;
		steering_maps_close(&port.maps);
		return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be pinned: %s", path,
				   strerror(r));
	}
	port.program_id = present.id;
	*ret_port = port;
	return 0;
}

void
steer_forget(const struct pin_directory *directory, struct steer_port *port)
{
	char path[PIN_PATH_BYTES_MAX];

	steering_maps_close(&port->maps);
	if (port->program_id != 0) {
		pin_path(directory, port->program_id, path);
		(void)unlink(path);
	}
	port->program_id = 0;
}
