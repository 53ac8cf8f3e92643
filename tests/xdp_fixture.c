/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test run's frame comes by the loopback interface of the process's network namespace. So the
 * port it shall come by is, for the run, the one with that interface; the others have one that no
 * frame comes by, and a packet for them is redirected.
 */
#include "xdp_fixture.h"

#include <err.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* bpftool writes the object as one string, longer than ISO C promises to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "fairlead_xdp.skel.h"
#pragma GCC diagnostic pop

enum { LOOPBACK = 1, NOWHERE = 0x7fffffff };

static int
print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return 0;
}

static void
set_size(struct bpf_map *map, uint32_t entries)
{
	if (bpf_map__set_max_entries(map, entries) != 0)
		errx(1, "map %s: no %u entries", bpf_map__name(map), entries);
}

static void
set_sizes(const struct xdp_fixture *fixture, struct fairlead_xdp *program)
{
	const struct plane_tables_size *size = &fixture->size;

	set_size(program->maps.vip_buckets, size->vip_bucket_count);
	set_size(program->maps.vips, size->vip_count);
	set_size(program->maps.backends, size->backend_count);
	set_size(program->maps.owners, size->owners_count);
	set_size(program->maps.rows, size->row_count);
	set_size(program->maps.ports, FL_PORTS_MAX);
	set_size(program->maps.fragments, size->fragment_bucket_count);
	set_size(program->maps.flows, size->flow_bucket_count);
	set_size(program->maps.cores, fixture->cpu_count);
	set_size(program->maps.vip_counters, fixture->cpu_count * size->vip_count);
	set_size(program->maps.backend_counters, fixture->cpu_count * size->backend_count);
	set_size(program->maps.flow_counters, fixture->cpu_count * size->vip_count);
}

static size_t
map_bytes(const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);

	return (bytes + page - 1) / page * page;
}

static void *
map_memory(const struct bpf_map *map)
{
	void *memory =
		mmap(NULL, map_bytes(map), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		err(1, "map %s", bpf_map__name(map));
	return memory;
}

/* All of a table at once. */
static void
copy_table(const struct bpf_map *map, const void *from)
{
	void *memory = map_memory(map);

	memcpy(memory, from, (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map));
	(void)munmap(memory, map_bytes(map));
}

void
xdp_fixture_copy(struct xdp_fixture *fixture, const struct plane_fixture *plane)
{
	const struct plane_tables *tables = &plane->tables;
	struct fairlead_xdp *program = fixture->program;

	fixture->config->core = *tables->config;
	copy_table(program->maps.backends, tables->backends);
	copy_table(program->maps.owners, tables->owners);
	copy_table(program->maps.rows, tables->rows);
	copy_table(program->maps.ports, tables->ports);
	copy_table(program->maps.vips, tables->vips);
	copy_table(program->maps.vip_buckets, tables->vip_buckets);
}

/* All but the program's own constants. */
static void
share_maps(struct fairlead_xdp *program, const struct fairlead_xdp *with)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, program->obj)
	{
		int fd = bpf_object__find_map_fd_by_name(with->obj, bpf_map__name(map));

		if (!bpf_map__is_internal(map) && bpf_map__reuse_fd(map, fd) != 0)
			err(1, "map %s", bpf_map__name(map));
	}
}

/* @param with whose maps it works on; NULL: its own. */
static struct fairlead_xdp *
load(const struct xdp_fixture *fixture, bool no_perfmon, const struct fairlead_xdp *with)
{
	struct fairlead_xdp *program = fairlead_xdp__open();
	int r;

	if (program == NULL)
		err(1, "the XDP program does not open");
	program->rodata->no_perfmon = no_perfmon;
	set_sizes(fixture, program);
	if (with != NULL)
		share_maps(program, with);
	r = fairlead_xdp__load(program);
	if (r < 0)
		errx(1, "the XDP program does not load: %s", strerror(-r));
	return program;
}

void
xdp_fixture_open(struct xdp_fixture *fixture, const struct plane_fixture *plane)
{
	uint32_t loopback = LOOPBACK;

	*fixture = (struct xdp_fixture){ .size = plane->size };
	libbpf_set_print(print_nothing);
	fixture->cpu_count = (uint32_t)libbpf_num_possible_cpus();
	fixture->program = load(fixture, false, NULL);
	fixture->twin = load(fixture, true, fixture->program);
	fixture->config = map_memory(fixture->program->maps.config);
	fixture->cores = map_memory(fixture->program->maps.cores);
	fixture->fragments = map_memory(fixture->program->maps.fragments);
	fixture->vip_counters = map_memory(fixture->program->maps.vip_counters);
	fixture->backend_counters = map_memory(fixture->program->maps.backend_counters);
	fixture->flow_counters = map_memory(fixture->program->maps.flow_counters);
	fixture->tables = (struct plane_tables){
		.backends = map_memory(fixture->program->maps.backends),
		.owners = map_memory(fixture->program->maps.owners),
		.rows = map_memory(fixture->program->maps.rows),
		.flows = map_memory(fixture->program->maps.flows),
		.clock = map_memory(fixture->program->maps.clock),
	};
	fixture->config->vip_count = fixture->size.vip_count;
	fixture->config->backend_count = fixture->size.backend_count;
	for (uint32_t i = 0; i < FL_PORTS_MAX; i++) {
		fixture->config->ifindex[i] = NOWHERE;
		if (bpf_map_update_elem(bpf_map__fd(fixture->program->maps.tx_ports), &i, &loopback,
					BPF_ANY) != 0)
			err(1, "port %u", i);
	}
	xdp_fixture_copy(fixture, plane);
}

struct xdp_fixture_result
xdp_fixture_run(struct xdp_fixture *fixture, const uint8_t *frame, uint32_t bytes, uint8_t *out)
{
	struct bpf_test_run_opts opts = { .sz = sizeof opts,
					  .data_in = frame,
					  .data_size_in = bytes,
					  .data_out = out,
					  .data_size_out = bytes + FL_HEAD_BYTES_MAX,
					  .repeat = 1 };
	const struct fairlead_xdp *program = fixture->no_perfmon ? fixture->twin : fixture->program;
	struct xdp_fixture_result result;

	fixture->config->ifindex[fixture->in_port] = LOOPBACK;
	if (bpf_prog_test_run_opts(bpf_program__fd(program->progs.fairlead_xdp), &opts) != 0)
		err(1, "a test run of %u bytes", bytes);
	fixture->config->ifindex[fixture->in_port] = NOWHERE;
	result.action = opts.retval;
	result.bytes = opts.data_size_out;
	result.duration_ns = opts.duration;
	return result;
}

void
xdp_fixture_counters(const struct xdp_fixture *fixture, uint64_t ret_verdicts[FL_VERDICT_COUNT],
		     uint64_t *ret_events)
{
	memset(ret_verdicts, 0, FL_VERDICT_COUNT * sizeof ret_verdicts[0]);
	if (ret_events != NULL)
		memset(ret_events, 0, FL_EVENT_COUNT * sizeof ret_events[0]);
	for (uint32_t cpu = 0; cpu < fixture->cpu_count; cpu++) {
		for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
			ret_verdicts[i] += FL_READ_ONCE(fixture->cores[cpu].verdicts[i]);
		for (uint32_t i = 0; ret_events != NULL && i < FL_EVENT_COUNT; i++)
			ret_events[i] += FL_READ_ONCE(fixture->cores[cpu].events[i]);
	}
}

struct fl_flow_counter
xdp_fixture_flow_counter(const struct xdp_fixture *fixture, uint32_t record)
{
	struct fl_flow_counter sum = { 0 };

	for (uint32_t cpu = 0; cpu < fixture->cpu_count; cpu++)
		fl_flow_add(&sum, &fixture->flow_counters[cpu * fixture->size.vip_count + record]);
	return sum;
}

uint32_t
xdp_fixture_verifier_insns(const struct xdp_fixture *fixture)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof info;
	int program = bpf_program__fd(fixture->program->progs.fairlead_xdp);

	if (bpf_obj_get_info_by_fd(program, &info, &bytes) != 0)
		err(1, "the program's information");
	return info.verified_insns;
}

void
xdp_fixture_close(struct xdp_fixture *fixture)
{
	struct fairlead_xdp *program = fixture->program;

	(void)munmap(fixture->config, map_bytes(program->maps.config));
	(void)munmap(fixture->cores, map_bytes(program->maps.cores));
	(void)munmap(fixture->fragments, map_bytes(program->maps.fragments));
	(void)munmap(fixture->vip_counters, map_bytes(program->maps.vip_counters));
	(void)munmap(fixture->backend_counters, map_bytes(program->maps.backend_counters));
	(void)munmap(fixture->flow_counters, map_bytes(program->maps.flow_counters));
	(void)munmap(fixture->tables.backends, map_bytes(program->maps.backends));
	(void)munmap(fixture->tables.owners, map_bytes(program->maps.owners));
	(void)munmap(fixture->tables.rows, map_bytes(program->maps.rows));
	(void)munmap(fixture->tables.flows, map_bytes(program->maps.flows));
	(void)munmap(fixture->tables.clock, map_bytes(program->maps.clock));
	fairlead_xdp__destroy(fixture->twin);
	fairlead_xdp__destroy(program);
}
