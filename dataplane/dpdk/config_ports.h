/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The `ports` of the configuration. For config.c only.
 */
#ifndef DPDK_CONFIG_PORTS_H
#define DPDK_CONFIG_PORTS_H

#include "config.h"

/**
 * Read the array @p ports (checked to be one). @param path where it stands. Errors are added,
 * unlocated.
 */
void config_read_ports(const cJSON *ports, const struct json_path *path, struct config *config,
		       struct json_errors *errors);

#endif
