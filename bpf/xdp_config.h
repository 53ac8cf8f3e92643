/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The configuration file of the XDP plane (docs/formats.md 4.3), read whole and checked whole:
 * every error is reported, with line and column. Nothing of the machine is looked at here.
 */
#ifndef BPF_XDP_CONFIG_H
#define BPF_XDP_CONFIG_H

#include <net/if.h>

#include "../dataplane/plane/plane_file.h"

struct xdp_config_port {
	struct plane_file_port common;
	char interface[IFNAMSIZ];
	bool is_generic; /**< attach in the kernel's generic mode; else in the driver's */
};

struct xdp_config_file {
	struct plane_file file;
	struct xdp_config_port ports[FL_PORTS_MAX];
	uint32_t port_count;
};

/**
 * Check @p text and fill @p ret_config.
 *
 * @param errors all that is wrong, located.
 * @return 0; -EBADMSG: not JSON; -EINVAL: not a valid configuration; -ENOMEM. ret_config is whole
 * on 0 only.
 */
int xdp_config_parse(const char *text, size_t size, struct xdp_config_file *ret_config,
		     struct json_errors *errors);

#endif
