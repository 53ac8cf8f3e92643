/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Prefixes of allowed balancers as text: ADDRESS or ADDRESS/LENGTH. Any thread; no state.
 */
#ifndef BACKEND_PREFIX_H
#define BACKEND_PREFIX_H

#include <stdbool.h>

#include "backend_tables.h"

enum {
	BACKEND_PREFIX_TEXT_MAX = 52, /**< longest text with its NUL */
};

/**
 * @return 0; -EINVAL: neither an address nor ADDRESS/LENGTH, or bits are set after LENGTH (one
 *         spelling for one prefix).
 */
int backend_prefix_parse(const char *text, struct backend_prefix *ret_prefix);

/** Writes at most BACKEND_PREFIX_TEXT_MAX bytes; no length for a single host. @return @p text. */
char *
backend_prefix_format(const struct backend_prefix *prefix, char text[BACKEND_PREFIX_TEXT_MAX]);

/** All addresses of the prefix are IPv4. */
bool backend_prefix_is_ipv4(const struct backend_prefix *prefix);

/** @p address (16 bytes, see backend_tables.h) lies in the prefix. */
bool backend_prefix_has(const struct backend_prefix *prefix, const uint8_t address[16]);

#endif
