/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_preflight.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../dataplane/plane/capabilities.h"
#include "../dataplane/plane/interface.h"
#include "../dataplane/plane/log.h"
#include "../dataplane/plane/process.h"

enum {
	/* has all calls that the program makes; of verifiers, 6.1's is the oldest that was tried */
	KERNEL_MAJOR_MIN = 5,
	KERNEL_MINOR_MIN = 15,
};

static int
check_kernel(struct failure *failure)
{
	struct utsname name;
	int major, minor;
	long barriers = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (uname(&name) < 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the kernel does not say its version");
	if (major < KERNEL_MAJOR_MIN || (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN))
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "kernel %s is too old: fairlead-xdp needs %d.%d or newer; on "
				   "this one use fairlead-dpdk",
				   name.release, KERNEL_MAJOR_MIN, KERNEL_MINOR_MIN);
	if (barriers < 0 || (barriers & MEMBARRIER_CMD_GLOBAL) == 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"the kernel has no membarrier(MEMBARRIER_CMD_GLOBAL), by which a "
			"change waits for packets in flight; boot it without nohz_full, "
			"or use fairlead-dpdk");
	return 0;
}

bool
xdp_preflight_has_perfmon(void)
{
	return capabilities_have(CAP_PERFMON) || capabilities_have(CAP_SYS_ADMIN);
}

static int
check_capabilities(struct failure *failure)
{
	static const struct capability_need needed[] = {
		{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN", "to attach XDP programs" },
		{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "to load the XDP program and its tables" },
	};

	if (capabilities_require(needed, sizeof needed / sizeof needed[0], failure) < 0)
		return -1;
	if (!xdp_preflight_has_perfmon())
		log_message(LOG_WARNING,
			    "CAP_PERFMON is missing: the kernel hardens the XDP program against "
			    "its own author, which about doubles the cost of a packet; add it to "
			    "AmbientCapabilities in the service, it is given up after the start");
	return 0;
}

static int
check_port(const struct xdp_config_port *port, struct failure *failure)
{
	uint8_t mac[6];

	if (interface_check(port->common.name, port->interface, failure) < 0)
		return -1;
	if (interface_mac(port->interface, mac) < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s is not an Ethernet interface",
				   port->common.name, port->interface);
	if (interface_mtu(port->interface) > UINT16_MAX)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: the MTU of interface %s is beyond 65535; run: ip link set dev "
			"%s mtu 1500",
			port->common.name, port->interface, port->interface);
	return 0;
}

int
xdp_preflight(const struct xdp_config_file *config, struct failure *failure)
{
	if (check_kernel(failure) < 0 || process_check_socket_directory(&config->file, failure) < 0)
		return -1;
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (check_port(&config->ports[i], failure) < 0)
			return -1;
	}
	return check_capabilities(failure);
}

void
xdp_privileges_reduce(void)
{
	static const unsigned int kept[] = { CAP_NET_ADMIN, CAP_BPF };

	capabilities_keep(kept, sizeof kept / sizeof kept[0]);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a core dump would hold the key */
}
