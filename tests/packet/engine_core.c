/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core by itself, as `flow explain` runs it. The frame ends at an unmapped page.
 */
#include <err.h>
#include <stdlib.h>
#include <time.h>

#include "../edge.h"
#include "engine.h"

static struct plane_fixture *fixture;
static struct plane_run run;
static struct fl_core counters;
static struct edge edge;
static struct fl_flow_counter *flow_counters;
static uint64_t received;

uint64_t
engine_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
core_flush(void)
{
	memset(fixture->tables.fragments, 0,
	       fixture->size.fragment_bucket_count * sizeof fixture->tables.fragments[0]);
}

static void
core_open(struct plane_fixture *tables)
{
	fixture = tables;
	counters = (struct fl_core){ 0 };
	received = 0;
	flow_counters = calloc(tables->size.vip_count, sizeof *flow_counters);
	if (flow_counters == NULL)
		err(1, "flow counters");
	run = (struct plane_run){ .tables = &tables->tables,
				  .size = tables->size,
				  .flow_counters = flow_counters,
				  .core = &counters };
	edge = edge_create();
	core_flush();
}

static const char *
core_layout_name(uint32_t layout)
{
	return "at the edge of a page";
}

static void
core_run(uint32_t layout, const struct case_frames *cases, uint32_t count,
	 struct engine_result *ret_results)
{
	for (uint32_t i = 0; i < count; i++) {
		struct engine_result *result = &ret_results[i];
		const uint8_t *frame = edge_put(&edge, cases[i].in, cases[i].in_bytes);
		struct plane_walk walk;

		received++;
		run.in_port = cases[i].in_port;
		run.now_ns = engine_now_ns();
		result->verdict = plane_walk(&run, frame, cases[i].in_bytes, &walk);
		counters.verdicts[result->verdict]++;
		result->port = 0;
		result->bytes = 0;
		if (fl_verdict_is_send(result->verdict)) {
			result->port = walk.decision.port;
			result->bytes =
				plane_walk_output(&walk, frame, cases[i].in_bytes, result->frame);
		} else if (fl_verdict_is_pass(result->verdict)) {
			result->bytes = cases[i].in_bytes;
			memcpy(result->frame, frame, result->bytes);
		}
	}
}

static uint64_t
core_counters(uint64_t ret_verdicts[FL_VERDICT_COUNT])
{
	memcpy(ret_verdicts, counters.verdicts, sizeof counters.verdicts);
	return received;
}

static struct fl_fragments *
core_fragments(void)
{
	return fixture->tables.fragments;
}

static struct fl_core *
core_cores(uint32_t *ret_count)
{
	*ret_count = 1;
	return &counters;
}

static const struct plane_tables *
core_tables(void)
{
	return &fixture->tables;
}

static struct fl_flow_counter
core_flow_counter(uint32_t record)
{
	return flow_counters[record];
}

static bool
core_close(void)
{
	free(flow_counters);
	edge_destroy(&edge);
	return true;
}

const struct engine engine_core = {
	.name = "core",
	.open = core_open,
	.flush = core_flush,
	.layout_count = 1,
	.layout_name = core_layout_name,
	.run = core_run,
	.counters = core_counters,
	.fragments = core_fragments,
	.cores = core_cores,
	.tables = core_tables,
	.flow_counter = core_flow_counter,
	.close = core_close,
};
