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

/** "1-32 bytes of a-z A-Z 0-9 . _ -, the first a letter or digit": also safe as a file name. */
bool config_name_valid(const char *name);

/** Copy a string whose length was checked. */
void config_copy(char *to, size_t size, const char *from);

#endif
