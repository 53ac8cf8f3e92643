/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Reads the cluster's hash key: 32 hexadecimal digits in a file that only its owner (and group) can
 * read.
 */
#ifndef PLANE_KEYFILE_H
#define PLANE_KEYFILE_H

#include "../core/siphash.h"
#include "failure.h"

/** @return 0; -1 with the failure set, which never holds anything of the file. */
int keyfile_read(const char *path, struct fl_key *ret_key, struct failure *failure);

#endif
