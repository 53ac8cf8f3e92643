/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Apart from log.c, so that reading a configuration needs no DPDK.
 */
#include <string.h>

#include "log.h"

int
log_level_parse(const char *name)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = { { "error", LOG_ERR },
		       { "warning", LOG_WARNING },
		       { "notice", LOG_NOTICE },
		       { "info", LOG_INFO },
		       { "debug", LOG_DEBUG } };

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (strcmp(levels[i].name, name) == 0)
			return levels[i].level;
	}
	return -1;
}
