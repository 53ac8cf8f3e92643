/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What must hold between the objects of one configuration: duplicates, a backend that is a VIP,
 * weights and table sizes of a set. Called by config_parse() after the single values were read.
 */
#ifndef CONTROL_CONFIG_SETS_H
#define CONTROL_CONFIG_SETS_H

#include "config.h"

/** Adds errors and warnings. @return 0 (also with errors); -ENOMEM. */
int config_check_sets(const struct config *config, const struct config_source *source);

#endif
