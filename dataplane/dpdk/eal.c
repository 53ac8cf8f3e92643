/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "../plane/log.h"
#include "eal.h"
#include "hugepages.h"
#include "log_libraries.h"

enum {
	ARGUMENTS_MAX = 16 + 2 * FL_PORTS_MAX,
	ARGUMENT_BYTES_MAX = 1024,
	DIRECTORY_BYTES_MAX = PLANE_FILE_SOCKET_BYTES_MAX + 8,
};

/* rte_eal_init() reorders the pointers; DPDK keeps some of the strings: they live as long as the
 * process. */
static struct {
	char text[ARGUMENTS_MAX][ARGUMENT_BYTES_MAX];
	char *pointers[ARGUMENTS_MAX + 1];
	int count;
} arguments;

static void __attribute__((format(printf, 1, 2))) add_argument(const char *format, ...)
{
	char *text = arguments.text[arguments.count];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(text, ARGUMENT_BYTES_MAX, format, values);
	va_end(values);
	arguments.pointers[arguments.count++] = text;
}

static void
add_cores(const struct config *config)
{
	char list[ARGUMENT_BYTES_MAX];
	size_t used = (size_t)snprintf(list, sizeof list, "0@%u", config->main_core);

	for (uint32_t i = 0; i < config->worker_count; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, ",%u@%u",
					 EAL_WORKER_LCORE(i), config->worker_cores[i]);
	add_argument("--lcores=%s", list);
	add_argument("--main-lcore=0");
}

static void
add_memory(const struct config *config)
{
	struct hugepages_plan plan;
	char list[ARGUMENT_BYTES_MAX] = "";
	size_t used = 0;

	if (!config->hugepages) {
		add_argument("--no-huge");
		add_argument("--no-shconf");
		add_argument("-m");
		add_argument("%u", config->memory_mb);
		return;
	}
	hugepages_plan(config, &plan);
	for (uint32_t node = 0; node < plan.node_count; node++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%u",
					 node == 0 ? "" : ",", plan.mb[node]);
	add_argument("--in-memory");
	add_argument("--socket-mem=%s", list);
}

static void
make_arguments(const struct config *config)
{
	bool has_pci = false;

	add_argument("fairlead-dpdk");
	add_cores(config);
	add_memory(config);
	add_argument("--no-telemetry");
	add_argument("--log-level=%d", log_level() + 1); /* syslog's levels, from 1 */
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (!config->ports[i].is_pci)
			continue;
		add_argument("--allow=%s", config->ports[i].device);
		has_pci = true;
	}
	if (!has_pci) {
		add_argument("--no-pci");
		add_argument("--iova-mode=va");
	}
}

/**
 * DPDK makes a directory for files that processes share, also when there are none, and leaves it:
 * give it one beside the plane's socket, which is the plane's alone, and which a start after a kill
 * finds again.
 */
static int
lend_directory(const struct config *config, char ret_path[DIRECTORY_BYTES_MAX],
	       struct failure *failure)
{
	(void)snprintf(ret_path, DIRECTORY_BYTES_MAX, "%s.start", config->file.socket_path);
	if ((mkdir(ret_path, 0700) < 0 && errno != EEXIST) ||
	    setenv("RUNTIME_DIRECTORY", ret_path, 1) < 0)
		return failure_set(
			failure, errno == EACCES ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
			"the directory %s cannot be made: %s; change \"socket\" or the rights "
			"of its directory",
			ret_path, strerror(errno));
	return 0;
}

static void
remove_directory(const char *path)
{
	static const char *const parts[] = { "/dpdk/rte", "/dpdk", "" };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		char part[DIRECTORY_BYTES_MAX + 16];

		(void)snprintf(part, sizeof part, "%s%s", path, parts[i]);
		(void)rmdir(part);
	}
}

int
eal_start(const struct config *config, struct failure *failure)
{
	FILE *stream = log_dpdk_stream();
	char directory[DIRECTORY_BYTES_MAX];
	int r;

	if (stream == NULL || rte_openlog_stream(stream) < 0)
		return failure_set(failure, EXIT_INTERNAL, "no memory for DPDK's log");
	make_arguments(config);
	log_forget_complaint();
	if (lend_directory(config, directory, failure) < 0)
		return -1;
	r = rte_eal_init(arguments.count, arguments.pointers);
	remove_directory(directory);
	if (r >= 0)
		return 0;
	return failure_set(
		failure,
		rte_errno == EACCES || rte_errno == EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
		"DPDK does not start: %s (%s); for its whole log set \"log_level\": \"debug\"",
		log_last_complaint()[0] != '\0' ? log_last_complaint() : "no reason given",
		rte_strerror(rte_errno));
}
