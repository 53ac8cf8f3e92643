/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A DPDK environment for tests and benchmarks: one core, no huge pages, devices, files or sockets.
 */
#ifndef TESTS_EAL_H
#define TESTS_EAL_H

#include <err.h>
#include <sched.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>

/** Once a process. Ends the program when there is no memory for it. */
static inline void
eal_start(void)
{
	char core[16];
	char *arguments[] = { (char *)"test",
			      (char *)"--lcores",
			      core,
			      (char *)"--no-huge",
			      (char *)"--no-shconf",
			      (char *)"-m",
			      (char *)"64",
			      (char *)"--no-pci",
			      (char *)"--no-telemetry",
			      (char *)"--log-level=error" };
	cpu_set_t cpus;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
		err(1, "CPUs");
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	snprintf(core, sizeof core, "0@%d", cpu);
	if (rte_eal_init(sizeof arguments / sizeof arguments[0], arguments) < 0)
		errx(1, "EAL: %s", rte_strerror(rte_errno));
}

#endif
