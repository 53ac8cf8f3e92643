/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plane without packets: the real plane library (socket, validation, tables, next hops) on an
 * engine that is plain memory. For tests of the plane socket and of next hops.
 *
 *     plane_host --socket PATH [--interface IF]... [--gateway MAC] [--source ADDRESS]...
 *                [--limits VIPS,BACKENDS,ROWS] [--control-user NAME] [--group NAME] [--tables FILE]
 *
 * With --tables they lie in the file, as tables_memory.h says; what a former process left there
 * goes on.
 *
 * Prints "ready" when it serves; ends on SIGTERM or SIGINT.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../../dataplane/plane/plane.h"
#include "../../dataplane/plane/tables_memory.h"

enum { EXIT_USAGE = 64 };

struct host {
	struct plane_tables tables;
	const char *tables_path; /* NULL: not in a file */
	struct tables_memory *memory;
	size_t tables_bytes;
	struct plane_port ports[FL_PORTS_MAX];
	struct plane_options options;
	int signals;
	bool must_stop;
};

/* --- an engine that forwards nothing: nobody reads the tables, so a grace period is over at once
 * --- */

static void
engine_synchronize(void *user)
{
}

static int
engine_vips_add(void *user, const struct fl_vip *records, uint32_t count, const uint64_t lengths[2])
{
	return 0;
}

static void
engine_vips_remove(void *user, const struct fl_vip_key *keys, uint32_t count,
		   const uint64_t lengths[2])
{
}

static void
engine_verdicts(void *user, uint64_t ret_packets[FL_VERDICT_COUNT])
{
	memset(ret_packets, 0, FL_VERDICT_COUNT * sizeof ret_packets[0]);
}

static void
engine_events(void *user, uint64_t ret_events[FL_EVENT_COUNT])
{
	memset(ret_events, 0, FL_EVENT_COUNT * sizeof ret_events[0]);
}

static struct fl_counter
engine_counter(void *user, uint32_t index)
{
	return (struct fl_counter){ 0 };
}

static void
engine_port_stats(void *user, uint32_t port, struct plane_port_stats *ret_stats)
{
	*ret_stats = (struct plane_port_stats){ 0 };
}

static struct fl_flow_counter
engine_flow_counter(void *user, uint32_t vip_index)
{
	return (struct fl_flow_counter){ 0 };
}

static void
engine_core_stats(void *user, uint32_t i, struct plane_core_stats *ret_stats)
{
	*ret_stats = (struct plane_core_stats){ .core = i };
}

static void
host_log(int level, const char *message)
{
	fprintf(stderr, "<%d>%s\n", level, message);
}

/* --- arguments --- */

static void
add_interface(struct host *host, const char *name)
{
	struct plane_port *port = &host->ports[host->options.port_count];

	if (host->options.port_count == FL_PORTS_MAX)
		errx(EXIT_USAGE, "at most %u interfaces", FL_PORTS_MAX);
	port->ifindex = if_nametoindex(name);
	if (port->ifindex == 0)
		err(EXIT_USAGE, "interface %s", name);
	snprintf(port->name, sizeof port->name, "%s", name);
	host->options.port_count++;
}

static void
add_gateway(struct host *host, const char *mac)
{
	struct plane_port *port = &host->ports[host->options.port_count];

	if (host->options.port_count == FL_PORTS_MAX || addr_mac_parse(mac, port->gateway_mac) < 0)
		errx(EXIT_USAGE, "gateway %s", mac);
	port->has_gateway = true;
	port->mtu = 1500;
	port->mac[0] = 2;
	snprintf(port->name, sizeof port->name, "gateway%u", host->options.port_count);
	host->options.port_count++;
}

static void
add_source(struct host *host, const char *text)
{
	struct addr source;

	if (addr_parse(text, &source) < 0)
		errx(EXIT_USAGE, "source %s", text);
	if (addr_is_ipv4(&source)) {
		host->options.has_source_ipv4 = true;
		host->options.source_ipv4 = source;
	} else {
		host->options.has_source_ipv6 = true;
		host->options.source_ipv6 = source;
	}
}

static void
set_limits(struct host *host, const char *text)
{
	struct plane_limits *limits = &host->options.limits;

	if (sscanf(text, "%u,%u,%u", &limits->vips, &limits->backends, &limits->rows) != 3)
		errx(EXIT_USAGE, "limits %s: VIPS,BACKENDS,ROWS", text);
}

static void
parse_arguments(struct host *host, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "interface", required_argument, NULL, 'i' },
		{ "gateway", required_argument, NULL, 'g' },
		{ "source", required_argument, NULL, 'e' },
		{ "limits", required_argument, NULL, 'l' },
		{ "tables", required_argument, NULL, 't' },
		{ "control-user", required_argument, NULL, 'u' },
		{ "group", required_argument, NULL, 'G' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			host->options.socket_path = optarg;
			break;
		case 'i':
			add_interface(host, optarg);
			break;
		case 'g':
			add_gateway(host, optarg);
			break;
		case 'e':
			add_source(host, optarg);
			break;
		case 'l':
			set_limits(host, optarg);
			break;
		case 't':
			host->tables_path = optarg;
			break;
		case 'u':
			host->options.control_user = optarg;
			break;
		case 'G':
			host->options.group = optarg;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (host->options.socket_path == NULL || optind != argc)
		errx(EXIT_USAGE, "--socket is needed, and nothing but options");
}

/* --- life --- */

/** The tables in memory of the process, or in a file, where a former process may have left some. */
static void
take_tables(struct host *host)
{
	const struct plane_limits *limits = &host->options.limits;
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;

	host->tables_bytes = tables_memory_bytes(limits);
	if (host->tables_path != NULL) {
		flags = MAP_SHARED;
		fd = open(host->tables_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, (off_t)host->tables_bytes) < 0)
			err(EXIT_FAILURE, "%s", host->tables_path);
	}
	host->memory = mmap(NULL, host->tables_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (host->memory == MAP_FAILED)
		err(EXIT_FAILURE, "tables");
	if (fd >= 0)
		(void)close(fd);
	host->options.adopt = tables_memory_look(host->memory) == TABLES_MEMORY_WHOLE;
	if (!host->options.adopt)
		tables_memory_begin(host->memory, limits);
	tables_memory_lay_out(host->memory, limits, &host->tables);
	plane_tables_set_config(&host->tables, limits, &(struct fl_key){ { 1, 2 } });
	tables_memory_finish(host->memory);
}

static void
on_signal(void *user)
{
	struct host *host = user;
	struct signalfd_siginfo info;

	if (read(host->signals, &info, sizeof info) == (ssize_t)sizeof info)
		host->must_stop = true;
}

static int
watch_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (fd < 0)
		err(EXIT_FAILURE, "signalfd");
	return fd;
}

static void
serve(struct host *host)
{
	struct plane_failure failure;
	struct plane *plane;
	int r;

	if (plane_create(&host->options, &plane, &failure) < 0)
		errx(EXIT_FAILURE, "%s", failure.message);
	if (plane_watch(plane, host->signals, on_signal, host) < 0)
		errx(EXIT_FAILURE, "cannot watch signals");
	printf("ready\n");
	fflush(stdout);
	while (!host->must_stop) {
		r = plane_turn(plane, -1);
		if (r < 0)
			errx(EXIT_FAILURE, "turn: %s", strerror(-r));
	}
	plane_destroy(plane);
}

int
main(int argc, char **argv)
{
	static struct host host;

	host.options = (struct plane_options){
		.name = "host",
		.kind = "test",
		.limits = { .vips = 64, .backends = 1024, .rows = 524288, .fragments = 64 },
		.tables = &host.tables,
		.ports = host.ports,
		.engine = { .synchronize = engine_synchronize,
			    .vips_add = engine_vips_add,
			    .vips_remove = engine_vips_remove,
			    .verdicts = engine_verdicts,
			    .events = engine_events,
			    .vip_counter = engine_counter,
			    .backend_counter = engine_counter,
			    .port_stats = engine_port_stats,
			    .flow_counter = engine_flow_counter,
			    .core_stats = engine_core_stats,
			    .core_count = 1 },
		.log = host_log,
	};
	parse_arguments(&host, argc, argv);
	host.signals = watch_signals();
	take_tables(&host);
	serve(&host);
	close(host.signals);
	(void)munmap(host.memory, host.tables_bytes);
	return EXIT_SUCCESS;
}
