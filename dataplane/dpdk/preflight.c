/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cap-ng.h>

#include "hugepages.h"
#include "memory.h"
#include "preflight.h"

enum {
	LIST_BYTES_MAX = 400,
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

/** "lo, eth0, eth1" */
static void
list_interfaces(char list[LIST_BYTES_MAX])
{
	struct if_nameindex *all = if_nameindex();
	size_t used = 0;

	list[0] = '\0';
	for (uint32_t i = 0; all != NULL && all[i].if_index != 0; i++) {
		int bytes = snprintf(list + used, LIST_BYTES_MAX - used, "%s%s",
				     used == 0 ? "" : ", ", all[i].if_name);

		if (bytes < 0 || (size_t)bytes >= LIST_BYTES_MAX - used)
			break;
		used += (size_t)bytes;
	}
	if (all != NULL)
		if_freenameindex(all);
}

/** An interface ioctl. @return 0 or a negative errno. */
static int
ask_interface(const char *interface, unsigned long request, struct ifreq *asked)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	(void)snprintf(asked->ifr_name, sizeof asked->ifr_name, "%s", interface);
	r = ioctl(fd, request, asked) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

uint32_t
preflight_mtu(const char *interface)
{
	struct ifreq asked = { 0 };

	if (ask_interface(interface, SIOCGIFMTU, &asked) < 0)
		return 0;
	return (uint32_t)asked.ifr_mtu;
}

/** Queues that AF_XDP sockets can have; 1 where the driver does not say. */
static uint32_t
interface_queues(const char *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq asked = { .ifr_data = (void *)&channels };

	if (ask_interface(interface, SIOCETHTOOL, &asked) < 0 || channels.max_combined == 0)
		return 1;
	return channels.combined_count;
}

static int
check_interface(const struct config *config, const struct config_port *port,
		struct failure *failure)
{
	struct ifreq asked = { 0 };
	char present[LIST_BYTES_MAX];
	uint32_t queues;

	if (if_nametoindex(port->interface) == 0) {
		list_interfaces(present);
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s does not exist; present: %s", port->name,
				   port->interface, present);
	}
	if (ask_interface(port->interface, SIOCGIFFLAGS, &asked) < 0 ||
	    (asked.ifr_flags & IFF_UP) == 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s is down; run: ip link set dev %s up",
				   port->name, port->interface, port->interface);
	queues = interface_queues(port->interface);
	if (port->start_queue + config->worker_count > queues)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: interface %s has %u queues, but %u workers from queue %u on need "
			"one each; configure fewer workers, or run: ethtool -L %s combined %u",
			port->name, port->interface, queues, config->worker_count,
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
			port->name, (int)bytes, port->device);
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
		port->name, (int)bytes, port->device, driver, (int)bytes, port->device);
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
				port->name, port->tap);
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
	static const struct {
		unsigned int capability, instead;
		const char *name, *why;
	} needed[] = {
		{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN",
		  "to attach programs and make TAPs" },
		{ CAP_NET_RAW, CAP_NET_RAW, "CAP_NET_RAW", "to open AF_XDP sockets" },
		{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "to load the programs that steer and guard" },
	};
	size_t count = config_has_af_xdp(config) ? sizeof needed / sizeof needed[0]
		       : has_tap(config)	 ? 1
						 : 0;

	for (size_t i = 0; i < count; i++) {
		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].capability) &&
		    !capng_have_capability(CAPNG_EFFECTIVE, needed[i].instead))
			return failure_set(failure, EXIT_PERMISSION,
					   "no permission: %s is needed %s; run as root, or with "
					   "AmbientCapabilities=%s in the service",
					   needed[i].name, needed[i].why, needed[i].name);
	}
	return 0;
}

/** Packet buffers shared with the kernel are locked memory, once for each port. */
static int
check_memlock(const struct config *config, struct failure *failure)
{
	uint64_t needed = 0;
	struct rlimit limit;

	for (uint32_t i = 0; i < config->port_count; i++)
		needed += config->ports[i].is_af_xdp ? memory_buffer_bytes(config) : 0;
	if (!config_has_af_xdp(config) || capng_have_capability(CAPNG_EFFECTIVE, CAP_IPC_LOCK) ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur >= needed)
		return 0;
	return failure_set(
		failure, EXIT_PERMISSION,
		"no permission to lock the %llu MiB of packet buffers that net_af_xdp ports "
		"share with the kernel (limit %llu MiB); give CAP_IPC_LOCK, or set "
		"LimitMEMLOCK=infinity in the service",
		(unsigned long long)(needed >> 20), (unsigned long long)(limit.rlim_cur >> 20));
}

static int
check_socket_directory(const struct config *config, struct failure *failure)
{
	char directory[CONFIG_SOCKET_BYTES_MAX];
	char *slash;

	(void)snprintf(directory, sizeof directory, "%s", config->socket_path);
	slash = strrchr(directory, '/');
	if (slash == NULL || slash == directory || access(directory, W_OK | X_OK) == 0)
		return 0;
	*slash = '\0';
	if (access(directory, W_OK | X_OK) == 0)
		return 0;
	return failure_set(
		failure, errno == EACCES ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
		"the directory %s of the plane socket cannot be written to: %s; make it, give "
		"the plane's user the right, or change \"socket\"",
		directory, strerror(errno));
}

int
preflight(const struct config *config, struct failure *failure)
{
	if (check_cores(config, failure) < 0 || check_socket_directory(config, failure) < 0 ||
	    check_ports(config, failure) < 0 || check_capabilities(config, failure) < 0 ||
	    check_memlock(config, failure) < 0)
		return -1;
	return config->hugepages ? hugepages_check(config, failure) : 0;
}
