/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What DPDK, libbpf and libxdp say goes to the plane's log.
 */
#ifndef DPDK_LOG_LIBRARIES_H
#define DPDK_LOG_LIBRARIES_H

#include <stdio.h>

/** The FILE for rte_openlog_stream(). @return NULL: no memory. */
FILE *log_dpdk_stream(void);

/** Send what libbpf says here too. */
void log_take_libbpf(void);

#endif
