/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes of the tables, and one packet's walk through them. The walk is the same sequence of core
 * functions as in a plane's packet path, but for batching: explain and the tests stand on it.
 */
#include <assert.h>
#include <string.h>

#include "tables.h"

/* An entry may lie in any of the FL_VIP_PROBE_MAX buckets from its home, which must be distinct. */
enum { VIP_BUCKETS_MIN = FL_VIP_PROBE_MAX };

struct plane_tables_size
plane_tables_size(const struct plane_limits *limits)
{
	struct plane_tables_size size = {
		.vip_bucket_count = VIP_BUCKETS_MIN,
		.vip_count = 4 * limits->vips,
		.backend_count = limits->backends,
		.row_count = limits->rows,
	};

	/*
	 * Two words used of eight when as full as it gets between two changes: full buckets, and so
	 * second reads, are rare (Poisson: one bucket in a thousand).
	 */
	while (size.vip_bucket_count < limits->vips)
		size.vip_bucket_count *= 2;
	return size;
}

uint32_t
plane_vip_find(const struct plane_tables *tables, const struct fl_vip_key *key)
{
	uint64_t hash = fl_vip_hash(&tables->key, key);
	uint32_t home = fl_vip_home(hash, tables->vip_bucket_mask);

	for (uint32_t probe = 0; probe < FL_VIP_PROBE_MAX; probe++) {
		const struct fl_vip_bucket *bucket =
			&tables->vip_buckets[(home + probe) & tables->vip_bucket_mask];
		uint32_t match = fl_vip_match(bucket, fl_vip_tag(hash));

		for (uint32_t left = match & FL_VIP_MATCH_WORDS; left != 0; left &= left - 1) {
			uint64_t word = FL_READ_ONCE(bucket->word[__builtin_ctz(left)]);
			uint32_t index = fl_vip_word_index(word);

			/* the word may have been retired since the match */
			if (word != 0 && fl_vip_key_equal(&tables->vips[index].key, key))
				return index;
		}
		if (!(match & FL_VIP_MATCH_FULL))
			break;
	}
	return UINT32_MAX;
}

static enum fl_verdict
walk_vip(const struct plane_tables *tables, struct plane_walk *walk)
{
	walk->reached = PLANE_WALK_VIP;
	walk->vip_index = plane_vip_find(tables, &walk->packet.to);
	if (walk->vip_index == UINT32_MAX)
		return FL_PASS_NO_VIP;
	return walk->packet.on_vip;
}

static enum fl_verdict
walk_row(const struct plane_tables *tables, struct plane_walk *walk)
{
	const struct fl_vip *vip = &tables->vips[walk->vip_index];

	walk->reached = PLANE_WALK_ROW;
	walk->hash = fl_flow_hash(&tables->key, &walk->packet);
	walk->row_index = fl_row_index(walk->hash, vip->row_count);
	walk->row = FL_READ_ONCE(tables->rows[vip->row_base + walk->row_index].word);
	return FL_FORWARD;
}

static enum fl_verdict
walk_backend(const struct plane_tables *tables, struct plane_walk *walk)
{
	const struct fl_vip *vip = &tables->vips[walk->vip_index];
	uint32_t cur = fl_row_cur(walk->row);

	walk->reached = PLANE_WALK_BACKEND;
	if (cur == FL_ROW_NONE)
		return FL_DROP_NO_BACKEND;
	if (cur >= vip->slot_count)
		return FL_DROP_BUG;
	walk->slot = vip->slot_base + cur;
	walk->link = FL_READ_ONCE(tables->backends[walk->slot].link);
	return FL_FORWARD;
}

static enum fl_verdict
walk_encap(const struct plane_tables *tables, struct plane_walk *walk)
{
	enum fl_verdict verdict = fl_link_verdict(walk->link);
	uint32_t port = fl_link_port(walk->link);

	walk->reached = PLANE_WALK_ENCAP;
	if (verdict != FL_FORWARD)
		return verdict;
	if (port >= FL_PORTS_MAX)
		return FL_DROP_BUG;
	walk->port_word = FL_READ_ONCE(tables->ports[port].word);
	return fl_encap_fits(&walk->packet, &tables->backends[walk->slot], walk->port_word);
}

enum fl_verdict
plane_walk(const struct plane_tables *tables, const uint8_t *frame, uint32_t frame_bytes,
	   struct plane_walk *ret_walk)
{
	struct fl_cursor cursor = { .pos = frame, .end = frame + frame_bytes };
	struct plane_walk walk = { .reached = PLANE_WALK_PARSE };

	walk.verdict = fl_parse(&cursor, frame_bytes, &walk.packet);
	if (walk.verdict == FL_FORWARD)
		walk.verdict = walk_vip(tables, &walk);
	if (walk.verdict == FL_FORWARD)
		walk.verdict = walk_row(tables, &walk);
	if (walk.verdict == FL_FORWARD)
		walk.verdict = walk_backend(tables, &walk);
	if (walk.verdict == FL_FORWARD)
		walk.verdict = walk_encap(tables, &walk);
	if (walk.verdict == FL_FORWARD)
		walk.reached = PLANE_WALK_DONE;
	*ret_walk = walk;
	return walk.verdict;
}

uint32_t
plane_walk_output(const struct plane_tables *tables, const struct plane_walk *walk,
		  const uint8_t *frame, uint8_t *out)
{
	const struct fl_encap encap = {
		.backend = &tables->backends[walk->slot],
		.packet = &walk->packet,
		.link = walk->link,
		.port = walk->port_word,
		.hash = walk->hash,
	};
	uint32_t outer_bytes = fl_encap_bytes(encap.backend);

	assert(walk->verdict == FL_FORWARD && walk->reached == PLANE_WALK_DONE);
	fl_encap_write(out, &encap);
	memcpy(out + outer_bytes, frame + FL_ETHERNET_BYTES, walk->packet.l3_bytes);
	return outer_bytes + walk->packet.l3_bytes;
}

const char *
plane_verdict_name(enum fl_verdict verdict)
{
	static const char *const names[] = {
#define VERDICT_NAME(constant, name, meaning) name,
		FL_VERDICTS(VERDICT_NAME)
#undef VERDICT_NAME
	};

	return (uint32_t)verdict < FL_VERDICT_COUNT ? names[verdict] : "unknown";
}

const char *
plane_verdict_meaning(enum fl_verdict verdict)
{
	static const char *const meanings[] = {
#define VERDICT_MEANING(constant, name, meaning) meaning,
		FL_VERDICTS(VERDICT_MEANING)
#undef VERDICT_MEANING
	};

	return (uint32_t)verdict < FL_VERDICT_COUNT ? meanings[verdict] : "unknown";
}
