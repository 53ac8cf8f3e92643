/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../plane/capabilities.h"
#include "../plane/interface.h"
#include "../plane/process.h"
#include "hugepages.h"
#include "memory.h"
#include "preflight.h"

enum {
	LINE_BYTES_MAX = 256,
};

static bool
read_line(const char *path, char line[LINE_BYTES_MAX])
{
	FILE *file = fopen(path, "re");
	bool good = file != NULL && fgets(line, LINE_BYTES_MAX, file) != NULL;

	if (file != NULL)
		(void)fclose(file);
	if (good)
		line[strcspn(line, "\n")] = '\0';
	return good;
}

/** Is @p cpu in a list like "0-3,8"? */
static bool
list_has(const char *list, unsigned long cpu)
{
	while (*list != '\0') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (cpu >= first && cpu <= last)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

static int
check_core(uint16_t core, const char *role, struct failure *failure)
{
	char online[LINE_BYTES_MAX];
	cpu_set_t allowed;

	if (!read_line("/sys/devices/system/cpu/online", online))
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"/sys/devices/system/cpu/online cannot be read: is /sys mounted?");
	if (!list_has(online, core))
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"CPU %u (%s) is not online; online are %s: change \"cores\", or run: "
			"echo 1 > /sys/devices/system/cpu/cpu%u/online",
			core, role, online, core);
	if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && !CPU_ISSET(core, &allowed))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "CPU %u (%s) is online, but this process may not use it; change "
				   "\"cores\", or the cpuset or affinity that it is started with",
				   core, role);
	return 0;
}

static int
check_cores(const struct config *config, struct failure *failure)
{
	if (check_core(config->main_core, "main", failure) < 0)
		return -1;
	for (uint32_t i = 0; i < config->worker_count; i++) {
		if (check_core(config->worker_cores[i], "worker", failure) < 0)
			return -1;
	}
	return 0;
}

static int
check_interface(const struct config *config, const struct config_port *port,
		struct failure *failure)
{
	uint32_t queues;

	if (interface_check(port->common.name, port->interface, failure) < 0)
		return -1;
	queues = interface_queues(port->interface);
	if (port->start_queue + config->worker_count > queues)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: interface %s has %u queues, but %u workers from queue %u on need "
			"one each; configure fewer workers, or run: ethtool -L %s combined %u",
			port->common.name, port->interface, queues, config->worker_count,
			port->start_queue, port->interface,
			port->start_queue + config->worker_count);
	return 0;
}

/** Is the device there, and has it a driver that leaves it to DPDK? (mlx: both share it.) */
static int
check_pci(const struct config_port *port, struct failure *failure)
{
	static const char *const drivers[] = { "vfio-pci", "uio_pci_generic", "igb_uio",
					       "mlx5_core", "mlx4_core" };
	char path[LINE_BYTES_MAX], target[LINE_BYTES_MAX];
	size_t bytes = strcspn(port->device, ",");
	const char *driver = "no driver";
	ssize_t target_bytes;

	(void)snprintf(path, sizeof path, "/sys/bus/pci/devices/%.*s", (int)bytes, port->device);
	if (access(path, F_OK) < 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: PCI device %.*s does not exist; list those that do with: "
			"dpdk-devbind.py --status-dev net",
			port->common.name, (int)bytes, port->device);
	(void)snprintf(path, sizeof path, "/sys/bus/pci/devices/%.*s/driver", (int)bytes,
		       port->device);
	target_bytes = readlink(path, target, sizeof target - 1);
	if (target_bytes > 0) {
		target[target_bytes] = '\0';
		driver = strrchr(target, '/') == NULL ? target : strrchr(target, '/') + 1;
	}
	for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
		if (strcmp(driver, drivers[i]) == 0)
			return 0;
	}
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"port %s: PCI device %.*s has %s, not one for DPDK; run: dpdk-devbind.py -b "
		"vfio-pci %.*s",
		port->common.name, (int)bytes, port->device, driver, (int)bytes, port->device);
}

static int
check_ports(const struct config *config, struct failure *failure)
{
	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *port = &config->ports[i];

		if (port->is_af_xdp && check_interface(config, port, failure) < 0)
			return -1;
		if (port->is_pci && check_pci(port, failure) < 0)
			return -1;
		if (port->host == CONFIG_HOST_TAP && if_nametoindex(port->tap) != 0)
			return failure_set(
				failure, EXIT_UNAVAILABLE,
				"port %s: an interface %s exists already, where its TAP shall be; "
				"set \"tap\" to another name",
				port->common.name, port->tap);
	}
	return 0;
}

static bool
has_tap(const struct config *config)
{
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (config->ports[i].host == CONFIG_HOST_TAP)
			return true;
	}
	return false;
}

/* CAP_PERFMON is not demanded: without it the kernel makes the programs slower, not wrong. */
static int
check_capabilities(const struct config *config, struct failure *failure)
{
	static const struct capability_need needed[] = {
		{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN",
		  "to attach programs and make TAPs" },
		{ CAP_NET_RAW, CAP_NET_RAW, "CAP_NET_RAW", "to open AF_XDP sockets" },
		{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "to load the programs that steer and guard" },
	};
	uint32_t count = config_has_af_xdp(config) ? sizeof needed / sizeof needed[0]
			 : has_tap(config)	   ? 1
						   : 0;

	return capabilities_require(needed, count, failure);
}

/** Packet buffers shared with the kernel are locked memory, once for each port. */
static int
check_memlock(const struct config *config, struct failure *failure)
{
	uint64_t needed = 0;
	struct rlimit limit;

	for (uint32_t i = 0; i < config->port_count; i++)
		needed += config->ports[i].is_af_xdp ? memory_buffer_bytes(config) : 0;
	if (!config_has_af_xdp(config) || capabilities_have(CAP_IPC_LOCK) ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur >= needed)
		return 0;
	return failure_set(
		failure, EXIT_PERMISSION,
		"no permission to lock the %llu MiB of packet buffers that net_af_xdp ports "
		"share with the kernel (limit %llu MiB); give CAP_IPC_LOCK, or set "
		"LimitMEMLOCK=infinity in the service",
		(unsigned long long)(needed >> 20), (unsigned long long)(limit.rlim_cur >> 20));
}

/** MiB of a huge page; where both sizes may be taken the larger, so that no more files are asked
 * for than are needed. */
static uint32_t
huge_page_mb(void)
{
	char count[LINE_BYTES_MAX];

	return read_line("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", count) &&
			       strtoul(count, NULL, 10) > 0
		       ? 1024
		       : 2;
}

/** DPDK has a socket and a netlink one for each queue, and a file for each huge page. */
static int
check_files(const struct config *config, struct failure *failure)
{
	uint32_t needed = PROCESS_FILES_MIN;

	for (uint32_t i = 0; i < config->port_count; i++)
		needed += config->ports[i].is_af_xdp ? 2 * config->worker_count : 0;
	if (config->hugepages)
		needed += config->memory_mb / huge_page_mb();
	return process_check_files(needed, failure);
}

int
preflight(const struct config *config, struct failure *failure)
{
	if (check_cores(config, failure) < 0 ||
	    process_check_socket_directory(&config->file, failure) < 0 ||
	    check_ports(config, failure) < 0 || check_capabilities(config, failure) < 0 ||
	    check_memlock(config, failure) < 0 ||
	    (config->hugepages && hugepages_check(config, failure) < 0))
		return -1;
	return check_files(config, failure);
}
