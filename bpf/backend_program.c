/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* bpftool writes the object as one string, longer than ISO C promises to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "backend.skel.h"
#pragma GCC diagnostic pop
#include "backend_pin.h"
#include "backend_prefix.h"

enum {
	IPV4_HEADER_BYTES = 20,
	IPV6_HEADER_BYTES = 40,
	UDP_HEADER_BYTES = 8,
	TCP_HEADER_BYTES = 20,
	LIBBPF_LINE_MAX = 200,
};

struct backend_programs {
	struct fairlead_backend *skeleton;
};

/*
 * What libbpf complained about, with "; " before it. libbpf gives its messages to one function of
 * the process, so this is one variable of the process; it is read right after a failed call.
 */
static char libbpf_words[LIBBPF_LINE_MAX];

static int __attribute__((format(printf, 2, 0)))
libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[LIBBPF_LINE_MAX - 2];

	/* The first warning names the cause; what follows are logs and consequences. */
	if (level != LIBBPF_WARN || libbpf_words[0] != '\0')
		return 0;
	(void)vsnprintf(line, sizeof line, format, args);
	line[strcspn(line, "\n")] = '\0';
	(void)snprintf(libbpf_words, sizeof libbpf_words, "; %s", line);
	return 0;
}

void
backend_libbpf_listen(void)
{
	libbpf_words[0] = '\0';
	(void)libbpf_set_print(libbpf_print);
}

const char *
backend_libbpf_words(void)
{
	return libbpf_words;
}

uint32_t
backend_mss_max(const struct backend_setup *setup, bool is_ipv6)
{
	uint32_t inner = (is_ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES) + TCP_HEADER_BYTES;
	uint32_t outer = setup->from_count == 0 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;

	for (uint32_t i = 0; i < setup->from_count; i++) {
		if (!backend_prefix_is_ipv4(&setup->from[i]))
			outer = IPV6_HEADER_BYTES;
	}
	return setup->mtu - outer - UDP_HEADER_BYTES - inner;
}

/* Go on with the counters that are pinned, unless another version of this program made them. */
static int
counters_adopt(struct bpf_map *counters, const char *pin_dir, const char *name)
{
	char path[BACKEND_PIN_PATH_MAX];
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof info;
	int map, r = 0;

	backend_pin_path(pin_dir, name, "counters", path);
	map = bpf_obj_get(path);
	if (map < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(map, &info, &size) == 0 &&
	    info.type == BPF_MAP_TYPE_PERCPU_ARRAY && info.max_entries == BACKEND_COUNTERS &&
	    info.value_size == sizeof(struct backend_count))
		r = bpf_map__reuse_fd(counters, map);
	(void)close(map);
	return r;
}

static int
maps_fill(const struct fairlead_backend *skeleton, const struct backend_setup *setup)
{
	const struct backend_prefix everybody = { .bits = 0 };
	int balancers = bpf_map__fd(skeleton->maps.balancers);
	int vips = bpf_map__fd(skeleton->maps.vips);
	const uint8_t present = 1;

	for (uint32_t i = 0; i < setup->vip_count; i++) {
		if (bpf_map_update_elem(vips, setup->vips[i].bytes, &present, BPF_ANY) < 0)
			return -errno;
	}
	if (setup->from_count == 0 &&
	    bpf_map_update_elem(balancers, &everybody, &present, BPF_ANY) < 0)
		return -errno;
	for (uint32_t i = 0; i < setup->from_count; i++) {
		if (bpf_map_update_elem(balancers, &setup->from[i], &present, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int
skeleton_load(struct fairlead_backend *skeleton, const char *pin_dir,
	      const struct backend_setup *setup)
{
	int r;

	skeleton->rodata->config.mss_ipv4_max = backend_mss_max(setup, false);
	skeleton->rodata->config.mss_ipv6_max = backend_mss_max(setup, true);
	if ((r = counters_adopt(skeleton->maps.counters, pin_dir, setup->link.name)) < 0 ||
	    (r = fairlead_backend__load(skeleton)) < 0)
		return r;
	return maps_fill(skeleton, setup);
}

int
backend_programs_load(const char *pin_dir, const struct backend_setup *setup,
		      struct backend_programs **ret_programs, struct backend_report *report)
{
	struct backend_programs *programs = calloc(1, sizeof *programs);
	int r = -ENOMEM;

	if (programs == NULL)
		return backend_report_fail(report, r, "out of memory");
	backend_libbpf_listen();
	programs->skeleton = fairlead_backend__open();
	if (programs->skeleton != NULL)
		r = skeleton_load(programs->skeleton, pin_dir, setup);
	if (r < 0) {
		backend_programs_destroy(programs);
		return backend_report_fail(report, r, "%s: the kernel refused the programs: %s%s",
					   setup->link.name, strerror(-r), libbpf_words);
	}
	*ret_programs = programs;
	return 0;
}

void
backend_programs_destroy(struct backend_programs *programs)
{
	if (programs == NULL)
		return;
	fairlead_backend__destroy(programs->skeleton);
	free(programs);
}

int
backend_programs_fd(const struct backend_programs *programs, bool egress)
{
	return bpf_program__fd(egress ? programs->skeleton->progs.fairlead_mss
				      : programs->skeleton->progs.fairlead_decap);
}

int
backend_programs_pin(const struct backend_programs *programs, const char *pin_dir, const char *name,
		     struct backend_report *report)
{
	int counters = bpf_map__fd(programs->skeleton->maps.counters);
	int r;

	if ((r = backend_pin_folder_make(pin_dir, name)) < 0 ||
	    (r = backend_pin_replace(counters, pin_dir, name, "counters")) < 0 ||
	    (r = backend_pin_replace(backend_programs_fd(programs, true), pin_dir, name, "mss")) <
		    0 ||
	    (r = backend_pin_replace(backend_programs_fd(programs, false), pin_dir, name,
				     "decap")) < 0)
		return backend_report_fail(report, r,
					   "cannot pin the programs in %s/%s: %s; the directory "
					   "must be yours, mode 0700",
					   pin_dir, name, strerror(-r));
	return 0;
}
