/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: every engine ends every packet of the case table with the same verdict and the same bytes,
 * counts it once, leaves the same in rows and flow table, and gives all memory back. Method: the
 * table (cases.h, made by make_cases.py without the core) through each engine in each of its
 * layouts; what leaves and what the host gets is compared byte by byte. After every layout received
 * = sum of the verdicts. Then the whole DPDK worker over ports made of rings.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cap-ng.h>

#include "../eal.h"
#include "engine.h"

enum { EXIT_SKIPPED = 77 };

static const struct engine *const engines[] = { &engine_core, &engine_xdp, &engine_dpdk,
						&engine_model };

enum { ENGINES = sizeof engines / sizeof engines[0] };

/* Of all worlds; a case counts once, whatever the number of layouts. */
static struct {
	uint32_t run, right;
	bool is_unsound, is_skipped;
} scores[ENGINES];

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

/* One engine on one world. */
struct trial {
	const struct engine *engine;
	uint32_t world, count;
	const struct case_frames *cases;
	struct plane_fixture *fixture;
	struct engine_result *results; /* of the layout in hand */
	bool *memory_wrong;	       /* likewise */
	bool *wrong;		       /* in some layout */
	uint64_t expected[FL_VERDICT_COUNT];
};

static bool
is_taken(const struct engine *engine, const struct case_frames *one)
{
	return engine->takes == NULL || engine->takes(one->in_bytes);
}

/* One case, in what it finds; and what it leaves. */
static void
run_track(struct trial *trial, uint32_t layout, uint32_t at)
{
	const struct engine *engine = trial->engine;
	const struct case_track *track = trial->cases[at].track;
	uint32_t record = case_track_record(trial->fixture, track);
	struct fl_flow_counter before = engine->flow_counter(record), after;
	const char *wrong;

	case_track_begin(trial->fixture, engine->tables(), track);
	engine->run(layout, &trial->cases[at], 1, &trial->results[at]);
	wrong = case_track_end(trial->fixture, engine->tables(), track);
	after = engine->flow_counter(record);
	fl_flow_add(&before, &track->counted);
	if (memcmp(&before, &after, sizeof after) != 0)
		wrong = "the counters of flows";
	trial->memory_wrong[at] = wrong != NULL;
	if (wrong != NULL)
		warnx("case \"%s\": %s", trial->cases[at].name, wrong);
}

/* Run the cases of a group, from @p first, that the engine takes. */
static void
run_group(struct trial *trial, uint32_t layout, uint32_t first, uint32_t count)
{
	const struct engine *engine = trial->engine;

	engine->flush();
	for (uint32_t i = first, end; i < first + count; i = end) {
		end = i + 1;
		if (!is_taken(engine, &trial->cases[i]))
			continue;
		if (trial->cases[i].track != NULL) {
			run_track(trial, layout, i);
			continue;
		}
		while (end < first + count && is_taken(engine, &trial->cases[end]) &&
		       trial->cases[end].track == NULL)
			end++;
		engine->run(layout, trial->cases + i, end - i, trial->results + i);
	}
}

static void
run_layout(struct trial *trial, uint32_t layout)
{
	for (uint32_t i = 0, taken; i < trial->count; i += taken) {
		taken = case_group(trial->cases + i, trial->count - i);
		run_group(trial, layout, i, taken);
	}
}

static void
judge_layout(struct trial *trial, uint32_t layout)
{
	for (uint32_t i = 0; i < trial->count; i++) {
		const struct case_frames *one = &trial->cases[i];

		if (!is_taken(trial->engine, one))
			continue;
		trial->expected[one->verdict]++;
		if (is_result_right(one, &trial->results[i]) && !trial->memory_wrong[i])
			continue;
		trial->wrong[i] = true;
		warnx("engine %s, %s: world %u, case \"%s\"", trial->engine->name,
		      trial->engine->layout_name(layout), trial->world, one->name);
		say_wrong(one, &trial->results[i]);
	}
}

static void
run_engine(uint32_t number, struct plane_fixture *fixture, uint32_t world)
{
	const struct engine *engine = engines[number];
	struct trial trial = { .engine = engine, .world = world, .fixture = fixture };

	trial.cases = case_table(world, &trial.count);
	trial.wrong = calloc(trial.count, sizeof *trial.wrong);
	trial.results = calloc(trial.count, sizeof *trial.results);
	trial.memory_wrong = calloc(trial.count, sizeof *trial.memory_wrong);
	if (trial.results == NULL || trial.wrong == NULL || trial.memory_wrong == NULL)
		err(1, "results");
	engine->open(fixture);
	for (uint32_t layout = 0; layout < engine->layout_count; layout++) {
		run_layout(&trial, layout);
		judge_layout(&trial, layout);
		if (!are_counters_right(engine, trial.expected))
			scores[number].is_unsound = true;
	}
	if (!engine->close()) {
		warnx("engine %s: not all memory came back", engine->name);
		scores[number].is_unsound = true;
	}
	for (uint32_t i = 0; i < trial.count; i++) {
		bool is_run = is_taken(engine, &trial.cases[i]);

		scores[number].run += is_run;
		scores[number].right += is_run && !trial.wrong[i];
	}
	free(trial.wrong);
	free(trial.results);
	free(trial.memory_wrong);
}

static bool
may_load_programs(void)
{
	return capng_get_caps_process() == 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) != 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON) != 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) != 0;
}

static void
run_world(uint32_t world, uint32_t *cases, uint32_t *failed)
{
	static struct plane_fixture fixture;
	uint32_t count, checks;

	case_tables_open(&fixture, world);
	(void)case_table(world, &count);
	*cases += count;
	for (uint32_t i = 0; i < ENGINES; i++) {
		scores[i].is_skipped = engines[i] == &engine_xdp && !may_load_programs();
		if (!scores[i].is_skipped)
			run_engine(i, &fixture, world);
	}
	if (world == 0) {
		*failed = worker_test(&fixture, &checks);
		printf("worker over rings: %u checks, %u failed\n", checks, *failed);
	}
	plane_fixture_close(&fixture);
}

int
main(void)
{
	uint32_t cases = 0, failed = 0;
	bool is_skipped = false;

	eal_start();
	for (uint32_t world = 0; world < CASE_WORLDS; world++)
		run_world(world, &cases, &failed);
	printf("packet: %u cases, engine", cases);
	for (uint32_t i = 0; i < ENGINES; i++) {
		printf("%s %s: %u/%u", i == 0 ? "" : ",", engines[i]->name, scores[i].right,
		       scores[i].run);
		is_skipped = is_skipped || scores[i].is_skipped;
		if (scores[i].is_unsound || scores[i].right != scores[i].run ||
		    (scores[i].run == 0 && !scores[i].is_skipped))
			failed++;
	}
	printf("\n");
	if (failed > 0)
		return EXIT_FAILURE;
	if (is_skipped)
		warnx("engine xdp is skipped: it needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
	return is_skipped ? EXIT_SKIPPED : EXIT_SUCCESS;
}
