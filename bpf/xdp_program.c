/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* bpftool writes the object as one string, longer than ISO C promises to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "fairlead_xdp.skel.h"
#pragma GCC diagnostic pop
#include "../dataplane/plane/log.h"
#include "xdp_maps.h"
#include "xdp_preflight.h"

enum {
	VERIFIER_LOG_BYTES = 4 << 20,
	VERIFIER_LINES_MAX = 20, /* of its log's end that are logged */
	CONFIG_BYTES_MAX = 4096, /* of any version */
};

/** A map that is sized by the configuration. */
struct sized {
	const char *name;
	uint64_t entries;
};

uint32_t
xdp_program_record_bytes(const struct xdp_program *program)
{
	const struct bpf_map *map;
	uint32_t bytes = 0;

	bpf_object__for_each_map(map, program->skeleton->obj)
	{
		if (!bpf_map__is_internal(map))
			bytes += bpf_map__value_size(map);
	}
	return bytes;
}

static int
set_sizes(struct xdp_program *program, const struct xdp_config_file *config,
	  struct failure *failure)
{
	struct plane_tables_size size = plane_tables_size(&config->file.limits);
	const uint32_t cpus = program->cpu_count;
#define SIZED(name, shape, entries) { #name, entries },
	const struct sized maps[] = { XDP_TABLES(SIZED) };
#undef SIZED

	for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
		struct bpf_map *map = xdp_program_map(program, maps[i].name);

		if (map == NULL || maps[i].entries > UINT32_MAX ||
		    bpf_map__set_max_entries(map, (uint32_t)maps[i].entries) < 0)
			return failure_set(failure, EXIT_UNAVAILABLE,
					   "the map \"%s\" cannot have %llu entries (%u CPUs); "
					   "lower \"limits\"",
					   maps[i].name, (unsigned long long)maps[i].entries,
					   program->cpu_count);
	}
	return 0;
}

/* --- what an earlier process left --- */

/** The words that begin struct xdp_config in every version. */
struct layout {
	uint32_t magic, version, record_bytes;
};

static int
check_layout(const struct xdp_program *program, const struct pin_directory *pins,
	     struct failure *failure)
{
	char path[PIN_PATH_BYTES_MAX], value[CONFIG_BYTES_MAX] = { 0 };
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof info;
	const uint32_t key = 0;
	struct layout theirs;
	int fd;

	pin_directory_path(pins, "", XDP_PINS_MARK, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return failure_set(failure,
				   errno == EACCES || errno == EPERM ? EXIT_PERMISSION
								     : EXIT_UNAVAILABLE,
				   "%s cannot be opened: %s", path, strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
	    info.value_size <= sizeof value)
		(void)bpf_map_lookup_elem(fd, &key, value);
	(void)close(fd);
	memcpy(&theirs, value, sizeof theirs);
	if (theirs.magic == XDP_LAYOUT_MAGIC && theirs.version == XDP_LAYOUT_VERSION &&
	    theirs.record_bytes == xdp_program_record_bytes(program))
		return 0;
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"the tables in %s are of another version of fairlead-xdp (layout %x-%u-%u, this "
		"one has %x-%u-%u); run that version, or fairlead-xdp --detach with this "
		"configuration, which ends forwarding until the next start",
		pins->path, theirs.magic, theirs.version, theirs.record_bytes, XDP_LAYOUT_MAGIC,
		XDP_LAYOUT_VERSION, xdp_program_record_bytes(program));
}

/** An array's number of entries, as pinned; 0: it is not there, or is no array. */
static uint32_t
pinned_entries(const struct pin_directory *pins, const char *name)
{
	char path[PIN_PATH_BYTES_MAX];
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof info;
	int fd;

	pin_directory_path(pins, "", name, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != BPF_MAP_TYPE_ARRAY)
		info.max_entries = 0;
	(void)close(fd);
	return info.max_entries;
}

/** Say it in the words of the file where "limits" are others than those of the pinned tables. */
static int
compare_limits(const struct plane_limits *limits, const struct pin_directory *pins,
	       struct failure *failure)
{
	const struct {
		const char *name; /* of the limit and of the map */
		uint32_t theirs, ours;
	} sized[] = {
		{ "vips", pinned_entries(pins, "vips") / FL_VIP_RECORDS, limits->vips },
		{ "backends", pinned_entries(pins, "backends"), limits->backends },
		{ "rows", pinned_entries(pins, "rows"), limits->rows },
		{ "fragments", pinned_entries(pins, "fragments") * FL_FRAGMENTS_MIN,
		  limits->fragments },
		{ "flows", pinned_entries(pins, "flows") * FL_FLOWS_MIN, limits->flows },
	};

	for (size_t i = 0; i < sizeof sized / sizeof sized[0]; i++) {
		if (sized[i].theirs == 0 || sized[i].theirs == sized[i].ours)
			continue;
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"the running tables in %s are for \"limits\": {\"%s\": %u}, but the "
			"configuration says %u; set it back to %u, or run fairlead-xdp --detach "
			"with this configuration, which ends forwarding until the next start",
			pins->path, sized[i].name, sized[i].theirs, sized[i].ours, sized[i].theirs);
	}
	return 0;
}

/** Is the pinned map what the program and the configuration want? @return 0; -1. */
static int
compare_map(const struct bpf_map *map, const struct bpf_map_info *info,
	    const struct pin_directory *pins, struct failure *failure)
{
	const struct {
		const char *what;
		uint32_t theirs, ours;
	} numbers[] = {
		{ "type", info->type, bpf_map__type(map) },
		{ "key size", info->key_size, bpf_map__key_size(map) },
		{ "value size", info->value_size, bpf_map__value_size(map) },
		{ "as number of entries", info->max_entries, bpf_map__max_entries(map) },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		if (numbers[i].theirs != numbers[i].ours)
			return failure_set(
				failure, EXIT_UNAVAILABLE,
				"the map \"%s\" in %s has %s %u, not %u: the number of "
				"possible CPUs is another, or somebody put that map there; run "
				"fairlead-xdp --detach with this configuration, which ends "
				"forwarding until the next start",
				bpf_map__name(map), pins->path, numbers[i].what, numbers[i].theirs,
				numbers[i].ours);
	}
	if (strncmp(info->name, bpf_map__name(map), sizeof info->name - 1) != 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"the map \"%s\" in %s is another one, \"%s\": somebody put it "
			"there; run fairlead-xdp --detach with this configuration, which "
			"ends forwarding until the next start",
			bpf_map__name(map), pins->path, info->name);
	return 0;
}

static int
adopt_map(struct bpf_map *map, const struct pin_directory *pins, struct failure *failure)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof info;
	char path[PIN_PATH_BYTES_MAX];
	int r = 0, fd;

	pin_directory_path(pins, "", bpf_map__name(map), path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return failure_set(failure,
				   errno == EACCES || errno == EPERM ? EXIT_PERMISSION
								     : EXIT_UNAVAILABLE,
				   "%s cannot be opened: %s; if it was removed, run: fairlead-xdp "
				   "--detach with this configuration",
				   path, strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		r = failure_set(failure, EXIT_UNAVAILABLE, "%s is not a map", path);
	else if (compare_map(map, &info, pins, failure) < 0)
		r = -1;
	else if (bpf_map__reuse_fd(map, fd) < 0)
		r = failure_set(failure, EXIT_INTERNAL, "the map %s cannot be taken over: %s", path,
				strerror(errno));
	(void)close(fd);
	return r;
}

static int
adopt(struct xdp_program *program, const struct plane_limits *limits,
      const struct pin_directory *pins, struct failure *failure)
{
	struct bpf_map *map;

	if (check_layout(program, pins, failure) < 0 || compare_limits(limits, pins, failure) < 0)
		return -1;
	bpf_object__for_each_map(map, program->skeleton->obj)
	{
		if (!bpf_map__is_internal(map) && adopt_map(map, pins, failure) < 0)
			return -1;
	}
	return 0;
}

/* --- loading --- */

/** The last lines of the verifier's log go to ours; @return the last that is no statistics. */
static const char *
log_verifier(char *text)
{
	char *lines[VERIFIER_LINES_MAX];
	const char *last = "it gives no reason";
	uint32_t count = 0;
	char *next;

	for (char *line = text; *line != '\0'; line = next) {
		char *newline = strchr(line, '\n');

		next = newline == NULL ? line + strlen(line) : newline + 1;
		if (newline != NULL)
			*newline = '\0';
		lines[count++ % VERIFIER_LINES_MAX] = line;
		if (line[0] != '\0' && strncmp(line, "processed ", 10) != 0)
			last = line;
	}
	for (uint32_t i = count > VERIFIER_LINES_MAX ? count - VERIFIER_LINES_MAX : 0; i < count;
	     i++)
		log_message(LOG_DEBUG, "verifier: %s", lines[i % VERIFIER_LINES_MAX]);
	return last;
}

static int
load_failed(int error, char *verifier_log, struct failure *failure)
{
	if (verifier_log[0] != '\0' && !xdp_preflight_has_perfmon())
		return failure_set(failure, EXIT_PERMISSION,
				   "without CAP_PERFMON the kernel's verifier refuses the XDP "
				   "program: %s; add CAP_PERFMON to AmbientCapabilities in the "
				   "service, it is given up after the start",
				   log_verifier(verifier_log));
	if (verifier_log[0] != '\0')
		return failure_set(
			failure, EXIT_INTERNAL,
			"the kernel's verifier refuses the XDP program: %s; this kernel "
			"is not one that it was tested on (\"log_level\" debug says more)",
			log_verifier(verifier_log));
	if (error == -EPERM || error == -EACCES)
		return failure_set(failure, EXIT_PERMISSION,
				   "the kernel does not let this process load BPF programs: %s",
				   log_first_complaint());
	if (error == -ENOMEM || error == -E2BIG)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "no memory for the tables; lower \"limits\": %s",
				   log_first_complaint());
	return failure_set(failure, EXIT_UNAVAILABLE, "the XDP program cannot be loaded: %s (%s)",
			   strerror(-error), log_first_complaint());
}

static int
load(struct xdp_program *program, struct failure *failure)
{
	char *verifier_log = calloc(1, VERIFIER_LOG_BYTES);
	struct bpf_program *each;
	int r;

	if (verifier_log == NULL)
		return failure_set(failure, EXIT_UNAVAILABLE, "no memory to load the program");
	bpf_object__for_each_program(each, program->skeleton->obj)(void)
		bpf_program__set_log_buf(each, verifier_log, VERIFIER_LOG_BYTES);
	log_forget_complaint();
	r = fairlead_xdp__load(program->skeleton);
	if (r < 0)
		r = load_failed(r, verifier_log, failure);
	free(verifier_log);
	return r;
}

int
xdp_program_load(struct xdp_program *program, const struct xdp_config_file *config,
		 const struct pin_directory *pins, struct failure *failure)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 1)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the number of CPUs cannot be read: is /sys mounted?");
	program->cpu_count = (uint32_t)cpus;
	program->skeleton = fairlead_xdp__open();
	if (program->skeleton == NULL)
		return failure_set(failure, EXIT_INTERNAL, "the XDP program is not readable: %s",
				   strerror(errno));
	program->skeleton->rodata->no_perfmon = !xdp_preflight_has_perfmon();
	if (set_sizes(program, config, failure) < 0 ||
	    (program->is_adopted && adopt(program, &config->file.limits, pins, failure) < 0))
		return -1;
	return load(program, failure);
}

static int
pin(const struct bpf_map *map, const struct pin_directory *pins, struct failure *failure)
{
	char path[PIN_PATH_BYTES_MAX];

	pin_directory_path(pins, "", bpf_map__name(map), path);
	if (bpf_obj_pin(bpf_map__fd(map), path) == 0)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be pinned: %s", path,
			   strerror(errno));
}

int
xdp_program_pin(const struct xdp_program *program, const struct pin_directory *pins,
		struct failure *failure)
{
	const struct bpf_map *map;

	if (program->is_adopted)
		return 0;
	bpf_object__for_each_map(map, program->skeleton->obj)
	{
		if (!bpf_map__is_internal(map) && strcmp(bpf_map__name(map), XDP_PINS_MARK) != 0 &&
		    pin(map, pins, failure) < 0)
			return -1;
	}
	return pin(program->skeleton->maps.config, pins, failure);
}

int
xdp_program_fd(const struct xdp_program *program)
{
	return bpf_program__fd(program->skeleton->progs.fairlead_xdp);
}

struct bpf_map *
xdp_program_map(const struct xdp_program *program, const char *name)
{
	return bpf_object__find_map_by_name(program->skeleton->obj, name);
}

void
xdp_program_close(struct xdp_program *program)
{
	fairlead_xdp__destroy(program->skeleton);
	program->skeleton = NULL;
}
