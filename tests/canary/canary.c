/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What looks for a fault in the core: canary cases|fuzz INPUTS SEED. run.py links it with a core
 * that has one, and wants to see it found.
 *
 * "cases": the case table on the core alone. "fuzz": what the differential fuzzer does, the packet
 * model beside the core on random sequences of frames, at most INPUTS of them, without libFuzzer:
 * the mutator alone has to get there. Exit 0: nothing was found; 1: a fault, said in the last line.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/diff.h"
#include "../fuzz/packet_mutator.h"

enum { CHAIN_STEPS = 60 }; /* mutations of one input, then another begins */

static bool
is_result_right(const struct case_frames *one, const struct engine_result *result)
{
	bool is_pass = fl_verdict_is_pass(one->verdict);
	const uint8_t *expected = is_pass ? one->in : one->out;
	uint32_t bytes = is_pass ? one->in_bytes : one->out_bytes;

	return result->verdict == one->verdict && result->port == one->port &&
	       result->bytes == bytes && memcmp(result->frame, expected, bytes) == 0;
}

static bool
run_case(const struct plane_fixture *fixture, const struct case_frames *one)
{
	static struct engine_result result;
	const char *wrong = NULL;

	if (one->is_fresh)
		engine_core.flush();
	if (one->track != NULL)
		case_track_begin(fixture, engine_core.tables(), one->track);
	engine_core.run(0, one, 1, &result);
	if (one->track != NULL)
		wrong = case_track_end(fixture, engine_core.tables(), one->track);
	if (is_result_right(one, &result) && wrong == NULL)
		return true;
	printf("case \"%s\" ends with %s, and %s\n", one->name, plane_verdict_name(result.verdict),
	       wrong == NULL ? "the tables are right" : wrong);
	return false;
}

static int
run_cases(void)
{
	static struct plane_fixture fixture;
	uint32_t run = 0;

	for (uint32_t world = 0; world < CASE_WORLDS; world++) {
		uint32_t count;
		const struct case_frames *cases = case_table(world, &count);

		case_tables_open(&fixture, world);
		engine_core.open(&fixture);
		for (uint32_t i = 0; i < count; i++, run++)
			if (!run_case(&fixture, &cases[i]))
				return EXIT_FAILURE;
		if (!engine_core.close())
			errx(2, "engine core: not closed");
		plane_fixture_close(&fixture);
	}
	printf("%u cases found nothing\n", run);
	return EXIT_SUCCESS;
}

static int
run_fuzz(uint32_t inputs, uint32_t seed)
{
	static uint8_t data[PACKET_INPUT_BYTES_MAX];
	static const struct engine *const engines[] = { &engine_core };
	size_t size = 0;

	diff_open(engines, 1);
	for (uint32_t i = 0; i < inputs; i++) {
		if (i % CHAIN_STEPS == 0)
			size = 0;
		size = packet_mutate(data, size, sizeof data, seed + i);
		if (!diff_run(data, size)) {
			printf("input %u of seed %u\n", i + 1, seed);
			return EXIT_FAILURE;
		}
	}
	printf("%u inputs, %lu packets of seed %u found nothing\n", inputs, diff_totals()->packets,
	       seed);
	diff_close();
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: canary cases|fuzz INPUTS SEED");
	if (strcmp(argv[1], "cases") == 0)
		return run_cases();
	return run_fuzz((uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
}
