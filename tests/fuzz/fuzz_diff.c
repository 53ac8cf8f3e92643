/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the core, the XDP program in the kernel and the DPDK worker do with every sequence of
 * frames what the packet model does, which was written from docs/formats.md alone: the same
 * verdict, port, bytes and events.
 * Method: libFuzzer, diff.h. An input is a sequence of frames; the worker gets it twice, in one
 * segment and in another layout of engine_dpdk.c. A run of a minute must have reached every verdict
 * that a packet can bring about.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../eal.h"
#include "diff.h"
#include "packet_fuzz.h"

static const struct engine *const engines[] = { &engine_core, &engine_xdp, &engine_dpdk };

static void
say_totals(void)
{
	const struct diff_totals *totals = diff_totals();
	double seconds = packet_fuzz_seconds();

	diff_say();
	fprintf(stderr,
		"fuzz_diff: %lu executions, %.0f executions/s, %lu packets, %lu divergences\n",
		totals->runs, (double)totals->runs / seconds, totals->packets, totals->divergences);
}

static void
finish(void)
{
	say_totals();
	if (packet_fuzz_seconds() >= PACKET_FUZZ_TELLING_S && diff_unreached() > 0) {
		fprintf(stderr, "broken: %u verdicts were never reached\n", diff_unreached());
		_exit(1);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	eal_start();
	diff_open(engines, sizeof engines / sizeof engines[0]);
	packet_fuzz_start(argc, argv);
	return atexit(finish);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!diff_run(data, size)) {
		say_totals();
		fprintf(stderr, "replay: sudo tools/fuzz diff FILE, with the file named below\n");
		abort();
	}
	return 0;
}
