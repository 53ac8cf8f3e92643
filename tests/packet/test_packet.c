/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: every engine ends every packet of the case table with the same verdict and the same bytes,
 * counts it once, and gives all memory back. Method: the table (cases.h, made by make_cases.py
 * without the core) through each engine in each of its layouts; what is forwarded and what the host
 * gets is compared byte by byte. After every run received = sum of the verdicts. Then the whole
 * DPDK worker over ports made of rings.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../eal.h"
#include "engine.h"

static bool
is_result_right(const struct case_frames *one, const struct engine_result *result)
{
	bool is_pass = fl_verdict_is_pass(one->verdict);
	const uint8_t *expected = is_pass ? one->in : one->out;
	uint32_t bytes = is_pass ? one->in_bytes : one->out_bytes;

	return result->verdict == one->verdict && result->port == one->port &&
	       result->bytes == bytes && memcmp(result->frame, expected, bytes) == 0;
}

static void
say_wrong(const struct case_frames *one, const struct engine_result *result)
{
	fprintf(stderr, "  is   %s, port %u, %u bytes:", plane_verdict_name(result->verdict),
		result->port, result->bytes);
	for (uint32_t i = 0; i < result->bytes && i < 96; i++)
		fprintf(stderr, " %02x", result->frame[i]);
	fprintf(stderr, "\n  want %s, port %u, %u bytes:", plane_verdict_name(one->verdict),
		one->port, one->out_bytes);
	for (uint32_t i = 0; i < one->out_bytes && i < 96; i++)
		fprintf(stderr, " %02x", one->out[i]);
	fprintf(stderr, "\n");
}

/* Every packet counted once, under its verdict. */
static bool
are_counters_right(const struct engine *engine, const uint64_t expected[FL_VERDICT_COUNT])
{
	uint64_t verdicts[FL_VERDICT_COUNT], sum = 0, received = engine->counters(verdicts);

	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++) {
		sum += verdicts[i];
		if (verdicts[i] != expected[i])
			warnx("engine %s: %s is %lu instead of %lu", engine->name,
			      plane_verdict_name(i), verdicts[i], expected[i]);
	}
	if (received != sum)
		warnx("engine %s: received %lu, sum of verdicts %lu", engine->name, received, sum);
	return received == sum && memcmp(verdicts, expected, sizeof verdicts) == 0;
}

/* @return cases that ended right in every layout. */
static uint32_t
run_engine(const struct engine *engine, struct plane_fixture *fixture)
{
	uint32_t count, right = 0;
	const struct case_frames *cases = case_table(0, &count);
	struct engine_result *results = calloc(count, sizeof *results);
	bool *wrong = calloc(count, sizeof *wrong), is_sound = true;
	uint64_t expected[FL_VERDICT_COUNT] = { 0 };

	if (results == NULL || wrong == NULL)
		err(1, "results");
	engine->open(fixture);
	for (uint32_t layout = 0; layout < engine->layout_count; layout++) {
		engine->run(layout, cases, count, results);
		for (uint32_t i = 0; i < count; i++) {
			expected[cases[i].verdict]++;
			if (is_result_right(&cases[i], &results[i]))
				continue;
			wrong[i] = true;
			warnx("engine %s, %s: case \"%s\"", engine->name,
			      engine->layout_name(layout), cases[i].name);
			say_wrong(&cases[i], &results[i]);
		}
		is_sound &= are_counters_right(engine, expected);
	}
	if (!engine->close()) {
		warnx("engine %s: not all memory came back", engine->name);
		is_sound = false;
	}
	for (uint32_t i = 0; i < count; i++)
		right += !wrong[i];
	free(wrong);
	free(results);
	return is_sound ? right : 0;
}

int
main(void)
{
	static struct plane_fixture fixture;
	uint32_t count, core, dpdk, checks, failed;

	eal_start();
	case_tables_open(&fixture, 0);
	case_table(0, &count);
	core = run_engine(&engine_core, &fixture);
	dpdk = run_engine(&engine_dpdk, &fixture);
	printf("packet: %u cases, engine core: %u, engine dpdk: %u\n", count, core, dpdk);
	failed = worker_test(&fixture, &checks);
	printf("worker over rings: %u checks, %u failed\n", checks, failed);
	plane_fixture_close(&fixture);
	return count > 0 && core == count && dpdk == count && checks > 0 && failed == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}
