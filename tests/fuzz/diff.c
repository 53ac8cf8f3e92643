/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

#include "packet_mutator.h"
#include "packet_world_plane.h"
#include "packet_world_rows.h"

enum {
	FRAME_BYTES_MAX = CASE_FRAME_MAX - FL_HEAD_BYTES_MAX, /* so that what leaves fits too */
	TRIES_MAX = 8,	      /* to do one input within one step of the clock */
	STRANGERS_MAX = 7,    /* of the 8 places of the bucket */
	STRANGER_FP = 0x5a51, /* of no frame's hash, but for one in 2^27 */
};

/* Time that passes before a frame, in steps of fragment.h. Life is 29 of them. */
static const uint16_t steps_of[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 10, 15, 28, 29, 30, 60, 1000 };

/* What one engine made of the input, laid into memory in one way. */
struct outcome {
	const struct engine *engine;
	bool is_varied; /* the layout is another one from input to input, not the first */
	uint32_t layout;
	struct engine_result results[PACKET_FRAMES_MAX];
	uint64_t verdicts[FL_VERDICT_COUNT]; /* counted for it */
	uint64_t events[FL_EVENT_COUNT];
	struct fl_flow_counter flows;
	/* After each frame but those with which another came in. */
	struct packet_world_memory memory[PACKET_FRAMES_MAX];
	bool has_memory[PACKET_FRAMES_MAX];
};

static struct plane_fixture fixture;
static struct packet_world_model world;
static struct diff_totals totals;

/* The input. */
static struct case_frames frames[PACKET_FRAMES_MAX];
static char frame_names[PACKET_FRAMES_MAX][16];
static uint32_t frame_count, strangers, input_hash;
static uint32_t steps_before[PACKET_FRAMES_MAX], ticks_before[PACKET_FRAMES_MAX];
static uint64_t first_tick;
static struct packet_world_memory first_memory;

/* What came of it. */
static struct model_result expected[PACKET_FRAMES_MAX];
static struct packet_world_memory expected_memory[PACKET_FRAMES_MAX];
static struct outcome outcomes[2 * DIFF_ENGINES_MAX];
static uint32_t outcome_count;

void
diff_open(const struct engine *const engines[], uint32_t engine_count)
{
	if (engine_count > DIFF_ENGINES_MAX)
		errx(1, "%u engines", engine_count);
	packet_world_plane_open(&fixture);
	packet_world_model_open(&world);
	packet_world_copy_rows(&fixture, &world);
	for (uint32_t i = 0; i < engine_count; i++) {
		engines[i]->open(&fixture);
		outcomes[outcome_count++].engine = engines[i];
		if (engines[i]->layout_count == 1)
			continue;
		outcomes[outcome_count].engine = engines[i];
		outcomes[outcome_count++].is_varied = true;
	}
	for (uint32_t i = 0; i < PACKET_FRAMES_MAX; i++) {
		snprintf(frame_names[i], sizeof frame_names[i], "frame %u", i);
		frames[i].name = frame_names[i];
	}
}

void
diff_close(void)
{
	model_forget(&world.state);
	for (uint32_t i = 0; i < outcome_count; i++)
		if (!outcomes[i].is_varied && !outcomes[i].engine->close())
			errx(1, "engine %s: not all memory came back", outcomes[i].engine->name);
	outcome_count = 0;
	plane_fixture_close(&fixture);
}

const struct diff_totals *
diff_totals(void)
{
	return &totals;
}

/* --- run --- */

static void
read_input(const uint8_t *data, size_t size)
{
	struct packet_view views[PACKET_FRAMES_MAX];
	uint32_t view_count = packet_split(data, size, views);

	frame_count = 0;
	if (view_count ==
	    0) /* libFuzzer begins with nothing, and wants to see that something happens */
		views[view_count++] = (struct packet_view){ .bytes = data };
	strangers = views[0].reserved >> 4 & STRANGERS_MAX;
	input_hash = 2166136261u; /* FNV-1a: chooses among layouts */
	for (size_t i = 0; i < size; i++)
		input_hash = (input_hash ^ data[i]) * 16777619u;
	for (uint32_t i = 0; i < view_count; i++) {
		struct case_frames *frame = &frames[frame_count];

		if (views[i].count > FRAME_BYTES_MAX) {
			totals.skipped_frames++;
			continue;
		}
		frame->in_port = views[i].in_port % PACKET_WORLD_PORTS;
		frame->in_bytes = views[i].count;
		memcpy(frame->in, views[i].bytes, views[i].count);
		ticks_before[frame_count] = packet_world_ticks(views[i].reserved);
		steps_before[frame_count++] = steps_of[views[i].reserved & 15];
	}
	packet_world_rows_make(&world, views, view_count);
	packet_world_memory(&fixture, &world, &first_memory);
	first_tick = world.state.tick;
}

static void
run_model(void)
{
	uint64_t steps = 0;

	model_forget(&world.state);
	world.state.answers_left = WORLD_ANSWERS;
	for (uint32_t i = 0; i < frame_count; i++) {
		struct model_input input = { .in_port = frames[i].in_port,
					     .frame = frames[i].in,
					     .frame_bytes = frames[i].in_bytes };

		steps += steps_before[i];
		world.state.tick += ticks_before[i];
		input.now_ms = (steps << FL_FRAGMENT_STEP_SHIFT) / 1000000;
		if (model_packet(&world.state, &input, &expected[i]) != 0)
			errx(1, "the model refuses frame %u", i);
		packet_world_memory(&fixture, &world, &expected_memory[i]);
		totals.tracked += memcmp(&expected_memory[i],
					 i == 0 ? &first_memory : &expected_memory[i - 1],
					 sizeof first_memory) != 0;
		totals.failed += expected[i].is_failed;
		totals.evicted += expected[i].is_evicted;
		totals.extended += expected[i].is_extended;
	}
}

/* As after an hour without packets, but for places of the fragment table that strangers have. */
static void
reset_engine(const struct engine *engine)
{
	struct fl_fragments *fragments = engine->fragments();
	uint64_t now_ns = engine_now_ns();
	uint32_t core_count;
	struct fl_core *cores = engine->cores(&core_count);

	engine->flush();
	for (uint32_t i = 0; i < strangers; i++)
		fragments->word[7 - i] = fl_fragment_word(STRANGER_FP + 2 * i, 0, now_ns);
	for (uint32_t i = 0; i < core_count; i++)
		cores[i].answer_at = 0;
	packet_world_store(&fixture, engine->tables(), &world, &first_memory);
	engine->tables()->clock->tick = first_tick;
}

/* Make what stands in the fragment table older, and advance the clock of rows. */
static void
pass_time(const struct engine *engine, uint32_t steps, uint32_t ticks)
{
	struct fl_fragments *fragments = engine->fragments();

	engine->tables()->clock->tick += ticks;

	for (uint32_t i = 0; i < 8 && steps > 0; i++)
		if (fragments->word[i] != 0)
			fragments->word[i] -= (uint64_t)steps << 48; /* wraps as stamps do */
}

/* @param direction 1: add what is counted by now; -1: take it off. */
static void
read_counters(const struct engine *engine, int direction, struct outcome *outcome)
{
	uint32_t core_count;
	const struct fl_core *cores = engine->cores(&core_count);

	for (uint32_t core = 0; core < core_count; core++) {
		for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
			outcome->verdicts[i] +=
				(uint64_t)direction * FL_READ_ONCE(cores[core].verdicts[i]);
		for (uint32_t i = 0; i < FL_EVENT_COUNT; i++)
			outcome->events[i] +=
				(uint64_t)direction * FL_READ_ONCE(cores[core].events[i]);
	}
}

/* Of all VIPs. @param direction as above. */
static void
read_flow_counters(const struct engine *engine, int direction, struct fl_flow_counter *sum)
{
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++) {
		struct fl_flow_counter counter =
			engine->flow_counter(packet_world_record(&fixture, i));

		sum->failed += (uint64_t)direction * counter.failed;
		sum->evicted += (uint64_t)direction * counter.evicted;
		sum->extended += (uint64_t)direction * counter.extended;
		sum->raced += (uint64_t)direction * counter.raced;
	}
}

static bool
is_taken(const struct engine *engine, uint32_t frame)
{
	return engine->takes == NULL || engine->takes(frames[frame].in_bytes);
}

/* Frames between which no time passes go in together. */
static void
run_engine(struct outcome *outcome)
{
	const struct engine *engine = outcome->engine;

	memset(outcome->verdicts, 0, sizeof outcome->verdicts);
	memset(outcome->events, 0, sizeof outcome->events);
	memset(outcome->has_memory, 0, sizeof outcome->has_memory);
	outcome->flows = (struct fl_flow_counter){ 0 };
	outcome->layout = outcome->is_varied ? 1 + input_hash % (engine->layout_count - 1) : 0;
	reset_engine(engine);
	read_counters(engine, -1, outcome);
	read_flow_counters(engine, -1, &outcome->flows);
	for (uint32_t i = 0, end; i < frame_count; i = end) {
		end = i + 1;
		pass_time(engine, steps_before[i], ticks_before[i]);
		if (!is_taken(engine, i))
			continue;
		while (end < frame_count && steps_before[end] == 0 && is_taken(engine, end))
			end++;
		engine->run(outcome->layout, &frames[i], end - i, &outcome->results[i]);
		packet_world_load(engine->tables(), &world, &outcome->memory[end - 1]);
		outcome->has_memory[end - 1] = true;
	}
	read_counters(engine, 1, outcome);
	read_flow_counters(engine, 1, &outcome->flows);
	packet_world_restore(&fixture, engine->tables(), &world);
}

/* --- compare --- */

static void
say_bytes(const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		fprintf(stderr, "%02x", bytes[i]);
	fprintf(stderr, "\n");
}

static void
say_words(const struct packet_world_memory *memory)
{
	fprintf(stderr, " rows");
	for (uint32_t i = 0; i < world.state.row_count; i++)
		fprintf(stderr, " %016lx", memory->rows[i]);
	for (uint32_t i = 0; i < WORLD_BUCKETS; i++) {
		fprintf(stderr, "\n  bucket %u", i);
		for (uint32_t k = 0; k < MODEL_BUCKET_ENTRIES; k++)
			fprintf(stderr, " %016lx", memory->flows[i][k]);
	}
	fprintf(stderr, "\n");
}

/* What an engine left, and what it should have. */
static void
say_memory(const struct packet_world_memory *memory, uint32_t frame)
{
	for (uint32_t i = 0; i < world.state.row_count; i++)
		fprintf(stderr, "row %u of VIP %u remembers\n", world.moving[i].row,
			world.moving[i].vip);
	fprintf(stderr, "tick %lu, before:", first_tick);
	say_words(&first_memory);
	fprintf(stderr, "is:");
	say_words(memory);
	fprintf(stderr, "model:");
	say_words(&expected_memory[frame]);
}

/* All that is needed to understand the divergence at a frame. */
static bool
say_divergence(const struct outcome *outcome, uint32_t frame, const char *what)
{
	const struct engine *one = outcome->engine;

	totals.divergences++;
	fprintf(stderr, "divergence at frame %u of %u: %s (engine %s, %s)\n", frame, frame_count,
		what, one->name, one->layout_name(outcome->layout));
	for (uint32_t i = 0; i < frame_count && i <= frame; i++) {
		const struct engine_result *result = &outcome->results[i];

		fprintf(stderr, "frame %u, port %u, %u ms after the one before, %u bytes: ", i,
			frames[i].in_port,
			(uint32_t)(((uint64_t)steps_before[i] << FL_FRAGMENT_STEP_SHIFT) / 1000000),
			frames[i].in_bytes);
		say_bytes(frames[i].in, frames[i].in_bytes);
		fprintf(stderr, "  model: %s %s, port %d, %u bytes: ", expected[i].verdict,
			expected[i].event == NULL ? "" : expected[i].event,
			(int)expected[i].out_port, expected[i].out_bytes);
		say_bytes(expected[i].out, expected[i].out_bytes);
		if (!is_taken(one, i)) {
			fprintf(stderr, "  %s: takes no frame of that size\n", one->name);
			continue;
		}
		fprintf(stderr, "  %s: %s, port %u, %u bytes: ", one->name,
			plane_verdict_name(result->verdict), result->port, result->bytes);
		say_bytes(result->frame, result->bytes);
	}
	return false;
}

/* @return NULL: it is what the model says; else what is not. */
static const char *
find_difference(uint32_t frame, const struct engine_result *result)
{
	const struct model_result *model = &expected[frame];
	bool is_pass = fl_verdict_is_pass(result->verdict);
	const uint8_t *bytes = is_pass ? frames[frame].in : model->out;
	uint32_t count = is_pass ? frames[frame].in_bytes : model->out_bytes;

	if (strcmp(plane_verdict_name(result->verdict), model->verdict) != 0)
		return "the verdict";
	if (result->bytes != count)
		return "the length of what leaves";
	if (fl_verdict_is_send(result->verdict) && result->port != model->out_port)
		return "the port that it leaves by";
	return memcmp(result->frame, bytes, count) == 0 ? NULL : "the bytes of what leaves";
}

/* A later fragment that the plane may drop and the model, which is exact, does not. */
static bool
is_tolerated(uint32_t frame, const struct engine_result *result, bool has_evicted)
{
	const struct model_result *model = &expected[frame];

	if (result->verdict != FL_DROP_FRAGMENT_ORDER || !model->later_fragment ||
	    model->fragment_age_ms < 0)
		return false;
	if (model->fragment_age_ms >= MODEL_FRAGMENT_LIFE_MS - MODEL_FRAGMENT_STEP_MS) {
		totals.tolerated_age++;
		return true;
	}
	totals.tolerated_evicted += has_evicted;
	return has_evicted;
}

static bool
are_flow_counters_right(const struct outcome *outcome)
{
	struct fl_flow_counter counter = { 0 };

	for (uint32_t i = 0; i < frame_count; i++) {
		counter.failed += expected[i].is_failed;
		counter.evicted += expected[i].is_evicted;
		counter.extended += expected[i].is_extended;
	}
	if (memcmp(&counter, &outcome->flows, sizeof counter) != 0)
		return say_divergence(outcome, frame_count - 1, "the counters of flows");
	return true;
}

/* Every packet counted once under its verdict; events as the model has them. */
static bool
are_counters_right(struct outcome *outcome)
{
	uint64_t limited = 0;

	for (uint32_t i = 0; i < frame_count; i++) {
		limited += expected[i].event != NULL;
		if (is_taken(outcome->engine, i))
			outcome->verdicts[outcome->results[i].verdict]--;
	}
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		if (outcome->verdicts[i] != 0)
			return say_divergence(outcome, frame_count - 1, "the counters of verdicts");
	if (outcome->events[FL_EVENT_ANSWER_LIMITED] != limited)
		return say_divergence(outcome, frame_count - 1, "event answer_limited");
	if (outcome->events[FL_EVENT_FRAGMENT_EVICTED] !=
	    outcomes[0].events[FL_EVENT_FRAGMENT_EVICTED])
		return say_divergence(outcome, frame_count - 1, "event fragment_evicted");
	return are_flow_counters_right(outcome);
}

/* The model is exact where a plane need not be, but all planes are alike. */
static bool
compare(struct outcome *outcome)
{
	bool has_evicted = outcome->events[FL_EVENT_FRAGMENT_EVICTED] > 0;

	for (uint32_t i = 0; i < frame_count; i++) {
		const struct engine_result *result = &outcome->results[i];
		const char *difference;

		if (!is_taken(outcome->engine, i))
			continue;
		difference = find_difference(i, result);
		if (outcome->has_memory[i] && memcmp(&outcome->memory[i], &expected_memory[i],
						     sizeof expected_memory[i]) != 0) {
			say_memory(&outcome->memory[i], i);
			return say_divergence(outcome, i, "rows or flows");
		}
		if (difference != NULL && !is_tolerated(i, result, has_evicted))
			return say_divergence(outcome, i, difference);
		if (is_taken(outcomes[0].engine, i) &&
		    result->verdict != outcomes[0].results[i].verdict)
			return say_divergence(outcome, i, "the verdict of the first engine");
	}
	return are_counters_right(outcome);
}

bool
diff_run(const uint8_t *data, size_t size)
{
	uint64_t step = 0, step_after = 1;

	totals.runs++;
	read_input(data, size);
	if (frame_count == 0)
		return true;
	run_model();
	for (uint32_t try = 0; step != step_after; try++) {
		if (try == TRIES_MAX) {
			totals.skipped_runs++;
			return true;
		}
		step = engine_now_ns() >> FL_FRAGMENT_STEP_SHIFT;
		for (uint32_t i = 0; i < outcome_count; i++)
			run_engine(&outcomes[i]);
		step_after = engine_now_ns() >> FL_FRAGMENT_STEP_SHIFT;
	}
	totals.packets += frame_count;
	for (uint32_t i = 0; i < outcome_count; i++)
		if (!compare(&outcomes[i]))
			return false;
	for (uint32_t i = 0; i < frame_count; i++)
		totals.verdicts[outcomes[0].results[i].verdict]++;
	return true;
}

/* --- totals --- */

/* Ends that a plane adds of its own surroundings, or of two cores: no packet brings them about by
 * itself. */
static bool
is_of_surroundings(enum fl_verdict verdict)
{
	return verdict == FL_DROP_NO_ROOM || verdict == FL_DROP_SEND_FULL ||
	       verdict == FL_DROP_HOST_FULL || verdict == FL_DROP_NO_HOST ||
	       verdict == FL_DROP_ROW_RACE || verdict == FL_DROP_BUG;
}

uint32_t
diff_unreached(void)
{
	uint32_t count = (totals.failed == 0) + (totals.evicted == 0) + (totals.extended == 0);

	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		count += !is_of_surroundings((enum fl_verdict)i) && totals.verdicts[i] == 0;
	return count;
}

void
diff_say(void)
{
	fprintf(stderr, "reached:");
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		if (!is_of_surroundings((enum fl_verdict)i))
			fprintf(stderr, " %s %lu", plane_verdict_name((enum fl_verdict)i),
				totals.verdicts[i]);
	fprintf(stderr,
		"\ntolerated: %lu later fragments within a step of their life's end, "
		"%lu whose first had to give its place away\n",
		totals.tolerated_age, totals.tolerated_evicted);
	fprintf(stderr,
		"rows and flows: written by %lu packets; %lu without a place, %lu evictions, "
		"%lu windows extended\n",
		totals.tracked, totals.failed, totals.evicted, totals.extended);
	if (totals.skipped_frames + totals.skipped_runs > 0)
		fprintf(stderr, "skipped: %lu frames that are too long, %lu slow inputs\n",
			totals.skipped_frames, totals.skipped_runs);
}
