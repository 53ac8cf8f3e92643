/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core by itself, as `flow explain` runs it. The frame ends at an unmapped page.
 */
#include "../edge.h"
#include "engine.h"

static const struct plane_tables *tables;
static struct edge edge;
static uint64_t received, verdicts[FL_VERDICT_COUNT];

static void
core_open(struct plane_fixture *fixture)
{
	tables = &fixture->tables;
	edge = edge_create();
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
		result->verdict = plane_walk(tables, frame, cases[i].in_bytes, &walk);
		verdicts[result->verdict]++;
		result->port = 0;
		result->bytes = 0;
		if (result->verdict == FL_FORWARD) {
			result->port = fl_link_port(walk.link);
			result->bytes = plane_walk_output(tables, &walk, frame, result->frame);
		} else if (fl_verdict_is_pass(result->verdict)) {
			result->bytes = cases[i].in_bytes;
			memcpy(result->frame, frame, result->bytes);
		}
	}
}

static uint64_t
core_counters(uint64_t ret_verdicts[FL_VERDICT_COUNT])
{
	memcpy(ret_verdicts, verdicts, sizeof verdicts);
	return received;
}

static bool
core_close(void)
{
	edge_destroy(&edge);
	return true;
}

const struct engine engine_core = {
	.name = "core",
	.open = core_open,
	.layout_count = 1,
	.layout_name = core_layout_name,
	.run = core_run,
	.counters = core_counters,
	.close = core_close,
};
