/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes of the tables, and one packet's walk through them: the same core functions as in a plane's
 * packet path. Explain and the tests stand on it.
 */
#include <assert.h>
#include <string.h>

#include "tables.h"
#include "tables_access.h"

/* An entry may lie in any of the FL_VIP_PROBE_MAX buckets from its home, which must be distinct. */
enum { VIP_BUCKETS_MIN = FL_VIP_PROBE_MAX };

struct plane_tables_size
plane_tables_size(const struct plane_limits *limits)
{
	struct plane_tables_size size = {
		.vip_bucket_count = VIP_BUCKETS_MIN,
		.vip_count = FL_VIP_RECORDS * limits->vips,
		.backend_count = limits->backends,
		.row_count = limits->rows,
		.owners_count = (limits->rows + 3) / 4,
		.fragment_bucket_count = 1,
		.flow_bucket_count = 1,
	};

	/*
	 * Three words used of eight when as full as it gets between two changes: full buckets, and
	 * so second reads, are rare (Poisson: one bucket in a hundred).
	 */
	while (size.vip_bucket_count < limits->vips)
		size.vip_bucket_count *= 2;
	while (8 * size.fragment_bucket_count < limits->fragments)
		size.fragment_bucket_count *= 2;
	while (8 * (uint64_t)size.flow_bucket_count < limits->flows)
		size.flow_bucket_count *= 2;
	return size;
}

#define ONE(member, count) +1
_Static_assert(sizeof(struct plane_tables) == (0 PLANE_TABLES(ONE)) * sizeof(void *),
	       "every table is listed");
#undef ONE

void
plane_tables_set_config(const struct plane_tables *tables, const struct plane_limits *limits,
			const struct fl_key *key)
{
	struct plane_tables_size size = plane_tables_size(limits);

	tables->config->key = *key;
	tables->config->vip_bucket_mask = size.vip_bucket_count - 1;
	tables->config->fragment_bucket_mask = size.fragment_bucket_count - 1;
	tables->config->flow_bucket_mask = size.flow_bucket_count - 1;
}

uint32_t
plane_vip_find(const struct plane_tables *tables, const struct fl_vip_key *key)
{
	struct plane_run run = { .tables = tables, .size.vip_count = UINT32_MAX };
	uint32_t record;

	return plane_find_vip(&run, key, &record) != NULL ? record : UINT32_MAX;
}

enum fl_verdict
plane_walk(struct plane_run *run, const uint8_t *frame, uint32_t frame_bytes,
	   struct plane_walk *ret_walk)
{
	struct fl_cursor cursor = { .pos = frame, .end = frame + frame_bytes };
	struct fl_view view = plane_view(run);
	struct plane_walk walk = { 0 };

	run->frame = (struct fl_frame){ .start = cursor };
	walk.verdict = fl_parse(&cursor, frame_bytes, &walk.packet);
	if (walk.verdict == FL_FORWARD) {
		walk.parsed = true;
		walk.verdict = fl_decide(&view, &walk.packet, &walk.decision);
	}
	*ret_walk = walk;
	return walk.verdict;
}

uint32_t
plane_walk_output(const struct plane_walk *walk, const uint8_t *frame, uint32_t frame_bytes,
		  uint8_t *out)
{
	struct fl_resize resize = fl_emit_resize(&walk->packet, &walk->decision, frame_bytes);
	uint32_t kept = resize.head > 0 ? resize.bytes - (uint32_t)resize.head : resize.bytes;
	struct fl_writer writer = { .pos = out, .end = out + resize.bytes };

	assert(fl_verdict_is_send(walk->verdict));
	if (resize.head > 0)
		memcpy(out + resize.head, frame, kept);
	else
		memcpy(out, frame + -resize.head, kept);
	return fl_verdict_is_send(fl_emit(&writer, &walk->packet, &walk->decision)) ? resize.bytes
										    : 0;
}

struct word {
	const char *name, *meaning;
};

#define WORD(constant, name, meaning) { name, meaning },
static const struct word verdict_words[] = { FL_VERDICTS(WORD) };
static const struct word event_words[] = { FL_EVENTS(WORD) };
#undef WORD

const char *
plane_verdict_name(enum fl_verdict verdict)
{
	return (uint32_t)verdict < FL_VERDICT_COUNT ? verdict_words[verdict].name : "unknown";
}

const char *
plane_event_name(enum fl_event event)
{
	return (uint32_t)event < FL_EVENT_COUNT ? event_words[event].name : "unknown";
}

const char *
plane_verdict_meaning(enum fl_verdict verdict)
{
	return (uint32_t)verdict < FL_VERDICT_COUNT ? verdict_words[verdict].meaning : "unknown";
}
