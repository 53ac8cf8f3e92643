/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The configuration file of the DPDK plane (docs/formats.md 4.2), read whole and checked whole:
 * every error is reported, with line and column. Nothing of the machine is looked at here.
 */
#ifndef DPDK_CONFIG_H
#define DPDK_CONFIG_H

#include <net/if.h>

#include "../plane/plane_file.h"

enum {
	CONFIG_CPU_MAX = 1023,
	CONFIG_DEVICE_BYTES_MAX = 256, /**< with NUL */
};

/** Where packets of a port that are not ours go. */
enum config_host {
	CONFIG_HOST_KERNEL, /**< they never come here: the port's XDP program passes them */
	CONFIG_HOST_TAP,
	CONFIG_HOST_DROP,
};

struct config_port {
	struct plane_file_port common;
	char device[CONFIG_DEVICE_BYTES_MAX]; /**< a PCI address with its domain, lower case; or as
						 written */
	bool is_af_xdp;
	bool is_pci;
	char interface[IFNAMSIZ]; /**< of net_af_xdp */
	uint32_t start_queue;	  /**< of net_af_xdp: its first queue */
	uint16_t descriptors;
	enum config_host host;
	char tap[IFNAMSIZ];
	bool has_gateway;
	uint8_t gateway_mac[6];
	struct addr_prefix gateway_for[PLANE_GATEWAY_PREFIXES_MAX];
	uint32_t gateway_for_count;
};

struct config {
	struct plane_file file;
	uint16_t main_core;
	uint16_t worker_cores[FL_WORKERS_MAX];
	uint32_t worker_count;
	bool hugepages;
	uint32_t memory_mb;
	char tables_dir[PLANE_FILE_PATH_BYTES_MAX]; /**< "": as tables_file.h chooses */
	struct config_port ports[FL_PORTS_MAX];
	uint32_t port_count;
};

/**
 * Check @p text and fill @p ret_config.
 *
 * @param errors all that is wrong, located.
 * @return 0; -EBADMSG: not JSON; -EINVAL: not a valid configuration; -ENOMEM. ret_config is whole
 * on 0 only.
 */
int
config_parse(const char *text, size_t size, struct config *ret_config, struct json_errors *errors);

/** Any port on net_af_xdp? */
bool config_has_af_xdp(const struct config *config);

#endif
