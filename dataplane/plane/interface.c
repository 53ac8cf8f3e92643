/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interface.h"

enum { LIST_BYTES_MAX = 400 };

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

int
interface_check(const char *port, const char *interface, struct failure *failure)
{
	struct ifreq asked = { 0 };
	char present[LIST_BYTES_MAX];

	if (if_nametoindex(interface) == 0) {
		list_interfaces(present);
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s does not exist; present: %s", port,
				   interface, present);
	}
	if (ask_interface(interface, SIOCGIFFLAGS, &asked) < 0 || (asked.ifr_flags & IFF_UP) == 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s is down; run: ip link set dev %s up",
				   port, interface, interface);
	return 0;
}

uint32_t
interface_mtu(const char *interface)
{
	struct ifreq asked = { 0 };

	if (ask_interface(interface, SIOCGIFMTU, &asked) < 0)
		return 0;
	return (uint32_t)asked.ifr_mtu;
}

int
interface_mac(const char *interface, uint8_t ret_mac[6])
{
	struct ifreq asked = { 0 };

	if (ask_interface(interface, SIOCGIFHWADDR, &asked) < 0)
		return -ENODEV;
	if (asked.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -EMEDIUMTYPE;
	memcpy(ret_mac, asked.ifr_hwaddr.sa_data, 6);
	return 0;
}

uint32_t
interface_queues(const char *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq asked = { .ifr_data = (void *)&channels };

	if (ask_interface(interface, SIOCETHTOOL, &asked) < 0 || channels.max_combined == 0)
		return 1;
	return channels.combined_count;
}
