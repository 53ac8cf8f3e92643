/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "packet_mutator.h"

enum { LIBFUZZER_EVERY = 8 }; /* of so many mutations one is libFuzzer's */

static struct timespec started;

void
packet_fuzz_start(int *argc, char ***argv)
{
	static char max_len[32], len_control[] = "-len_control=0"; /* frames do not come small */
	char **arguments = calloc((size_t)*argc + 3, sizeof *arguments);

	(void)clock_gettime(CLOCK_MONOTONIC, &started);
	if (arguments == NULL)
		abort();
	snprintf(max_len, sizeof max_len, "-max_len=%d", PACKET_INPUT_BYTES_MAX);
	arguments[0] = (*argv)[0];
	arguments[1] = max_len;
	arguments[2] = len_control;
	memcpy(arguments + 3, *argv + 1, (size_t)(*argc - 1) * sizeof *arguments);
	*argc += 2;
	*argv = arguments; /* libFuzzer's, for the program's life */
}

double
packet_fuzz_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - started.tv_sec) +
	       (double)(now.tv_nsec - started.tv_nsec) / 1e9;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed)
{
	if (seed % LIBFUZZER_EVERY == 0 && size > 0)
		return LLVMFuzzerMutate(data, size, size_max);
	return packet_mutate(data, size, size_max, seed);
}
