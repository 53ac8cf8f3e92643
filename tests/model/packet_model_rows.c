/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Step 7 on rows that remember: the packet rules of two-owner rows, in the words of
 * docs/architecture.md, "When a row changes its owner".
 *
 * One packet at a time: nothing changes under it, so no swap is lost here.
 *
 * Readings where the text leaves room:
 * - Nobody is not a dead owner: where the new owner is nobody, new flows are refused.
 * - A flow's own word that is no entry any more is the first that a new entry of it takes; then the
 *   lowest free place, the lowest that is no entry, and of those that may go the one unused for the
 *   longest time, the lowest of several.
 * - A stamp counts in the window of the VIP that its slot belongs to. A stamp that would be 192
 *   units old or more is one ahead of this clock: its age is 0.
 * - What has no TCP flags of its own (ICMP errors, echo requests) is no SYN.
 */
#include "packet_model_parts.h"

enum {
	TICKS_A_SECOND = 16,
	EVICTABLE_TICKS = 64 * TICKS_A_SECOND,
	AGE_AHEAD = 192,
	FLAG_FIN = 1,
	FLAG_SYN = 2,
	FLAG_RST = 4,
	FLAG_ACK = 16,
	FINGERPRINT_SHIFT = 64 - 34,
};

/* What the rules ask of a packet. */
struct segment {
	bool is_syn, is_end, is_rst, has_payload;
	bool is_silent; /* it leaves no trace */
};

struct tracking {
	struct model_state *state;
	struct model_result *result;
	struct model_row *row;
	struct model_entry *bucket;
	struct segment segment;
	struct model_times times;
	uint64_t fingerprint;
};

uint32_t
model_row_of(const struct model_vip *vip, uint64_t flow_hash)
{
	return (uint32_t)(flow_hash % (UINT64_C(1) << 32) * vip->table_size >> 32);
}

struct model_row *
model_find_row(const struct model_state *state, uint32_t vip, uint64_t flow_hash)
{
	uint32_t row = model_row_of(&state->vips[vip], flow_hash);

	for (uint32_t i = 0; i < state->row_count; i++)
		if (state->rows[i].vip == vip && state->rows[i].row == row)
			return &state->rows[i];
	return NULL;
}

/* --- time --- */

static uint32_t
divided_up(uint32_t a, uint32_t b)
{
	return a / b + (a % b != 0);
}

struct model_times
model_times_of(const struct model_vip *vip)
{
	uint32_t window = TICKS_A_SECOND * vip->window_s + 2;
	struct model_times times = { .unit = 1 };

	while (times.unit * 120 < window)
		times.unit *= 2;
	times.live = divided_up(window, times.unit);
	times.row = (times.live + 1) * times.unit;
	if (vip->hold_s != 0) {
		times.hold = TICKS_A_SECOND * vip->hold_s;
		if (times.hold > TICKS_A_SECOND * vip->window_s / 2)
			times.hold = TICKS_A_SECOND * vip->window_s / 2;
		times.hold += 3;
	}
	times.closed = divided_up(times.hold, times.unit) + 2;
	return times;
}

static uint8_t
stamp_now(const struct model_state *state, const struct model_times *times)
{
	return (uint8_t)(state->tick / times->unit);
}

/* Ticks until the row's time is over, as a signed number of 24 bits. */
static int32_t
ticks_left(const struct model_state *state, const struct model_row *row)
{
	uint32_t left = (row->until - (uint32_t)state->tick) % (1u << 24);

	return left < 1u << 23 ? (int32_t)left : (int32_t)left - (1 << 24);
}

static void
set_until(struct tracking *tracking, uint32_t ticks)
{
	tracking->row->until = (uint32_t)((tracking->state->tick + ticks) % (1u << 24));
}

static bool
is_fresh(const struct tracking *tracking)
{
	return ticks_left(tracking->state, tracking->row) >= (int32_t)tracking->times.row;
}

/* --- entries --- */

static bool
is_live_backend(const struct model_state *state, uint32_t vip, uint32_t backend)
{
	return vip < state->vip_count && backend < state->vips[vip].backend_count &&
	       state->vips[vip].backends[backend].live;
}

/* In units. Only of one whose backend is live. */
static uint32_t
age_of(const struct model_state *state, const struct model_entry *entry)
{
	struct model_times times = model_times_of(&state->vips[entry->vip]);
	uint32_t age = (uint8_t)(stamp_now(state, &times) - entry->stamp);

	return age >= AGE_AHEAD ? 0 : age;
}

/* E0 */
static bool
is_entry(const struct model_state *state, const struct model_entry *entry)
{
	return entry->state != MODEL_FREE && is_live_backend(state, entry->vip, entry->backend) &&
	       age_of(state, entry) <= model_times_of(&state->vips[entry->vip]).live;
}

/* The flow's own word, whether it is an entry still or not. NULL: there is none. */
static struct model_entry *
find_word(const struct tracking *tracking, bool must_be_entry)
{
	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++) {
		struct model_entry *entry = &tracking->bucket[i];

		if (entry->state != MODEL_FREE && entry->fingerprint == tracking->fingerprint &&
		    (!must_be_entry || is_entry(tracking->state, entry)))
			return entry;
	}
	return NULL;
}

/* Ticks for which an entry was not used that may be given up; 0: it may not. */
static uint32_t
evictable_ticks(const struct model_state *state, const struct model_entry *entry)
{
	uint32_t age = age_of(state, entry);
	uint32_t ticks = age * model_times_of(&state->vips[entry->vip]).unit;

	if (entry->state == MODEL_OPEN || age < 2 || ticks < EVICTABLE_TICKS)
		return 0;
	return ticks;
}

static struct model_entry *
find_victim(const struct tracking *tracking)
{
	struct model_entry *oldest = NULL;
	uint32_t most = 0;

	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++)
		if (tracking->bucket[i].state == MODEL_FREE)
			return &tracking->bucket[i];
	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++)
		if (!is_entry(tracking->state, &tracking->bucket[i]))
			return &tracking->bucket[i];
	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++) {
		uint32_t ticks = evictable_ticks(tracking->state, &tracking->bucket[i]);

		if (ticks > most) {
			most = ticks;
			oldest = &tracking->bucket[i];
		}
	}
	return oldest;
}

static void
write_entry(const struct tracking *tracking, struct model_entry *entry, uint32_t backend,
	    enum model_entry_state state)
{
	*entry = (struct model_entry){ .fingerprint = tracking->fingerprint,
				       .vip = tracking->row->vip,
				       .backend = backend,
				       .state = state,
				       .stamp = stamp_now(tracking->state, &tracking->times) };
}

/* @return false: there is no place for it. */
static bool
insert(const struct tracking *tracking, uint32_t backend, enum model_entry_state state)
{
	struct model_entry *place = find_word(tracking, false);

	if (place == NULL)
		place = find_victim(tracking);
	if (place == NULL) {
		tracking->result->is_failed = true;
		return false;
	}
	tracking->result->is_evicted = is_entry(tracking->state, place);
	write_entry(tracking, place, backend, state);
	return true;
}

/* --- rules --- */

static struct model_target
nobody(void)
{
	return (struct model_target){ MODEL_NONE, MODEL_NONE };
}

static bool
is_dead(const struct tracking *tracking, uint32_t owner)
{
	return owner != MODEL_NONE && !is_live_backend(tracking->state, tracking->row->vip, owner);
}

static struct model_target
target_of(const struct tracking *tracking, uint32_t owner)
{
	if (owner == MODEL_NONE || is_dead(tracking, owner))
		return nobody();
	return (struct model_target){ tracking->row->vip, owner };
}

static uint32_t
default_owner(const struct tracking *tracking)
{
	const struct model_row *row = tracking->row;
	uint32_t owner = row->state == MODEL_MOVING ? row->prev : row->cur;

	return is_dead(tracking, owner) ? row->cur : owner;
}

static uint32_t
owner_of_new(const struct tracking *tracking)
{
	const struct model_row *row = tracking->row;
	int32_t hold_ends = (int32_t)tracking->times.row - (int32_t)tracking->times.hold;

	if (row->state != MODEL_MOVING)
		return row->cur;
	if (ticks_left(tracking->state, row) > hold_ends)
		return is_dead(tracking, row->prev) ? row->cur : row->prev;
	return is_dead(tracking, row->cur) ? row->prev : row->cur;
}

/* P4 */
static void
keep_settling(struct tracking *tracking, const struct model_entry *entry)
{
	bool is_foreign = entry->vip != tracking->row->vip || entry->backend != tracking->row->cur;

	if (tracking->row->state == MODEL_SETTLING && is_foreign && !is_fresh(tracking))
		set_until(tracking, tracking->times.row + tracking->times.unit);
}

/* S2, P1: to the entry's backend. */
static struct model_target
use_entry(struct tracking *tracking, struct model_entry *entry, enum model_entry_state state)
{
	struct model_times times = model_times_of(&tracking->state->vips[entry->vip]);

	if (!tracking->segment.is_silent) {
		entry->state = state;
		entry->stamp = stamp_now(tracking->state, &times);
		keep_settling(tracking, entry);
	}
	return (struct model_target){ entry->vip, entry->backend };
}

/* R1: the flow lives at the default owner and nothing says so but the row. */
static struct model_target
extend(struct tracking *tracking)
{
	struct model_target target = target_of(tracking, default_owner(tracking));

	if (target.backend != MODEL_NONE && !is_fresh(tracking)) {
		set_until(tracking, tracking->times.row);
		tracking->result->is_extended = true;
	}
	return target;
}

static bool
may_be_new(const struct tracking *tracking, const struct model_entry *entry)
{
	struct model_times times = model_times_of(&tracking->state->vips[entry->vip]);

	return age_of(tracking->state, entry) >= times.closed;
}

static struct model_target
track_syn(struct tracking *tracking, struct model_entry *entry)
{
	struct model_target target = target_of(tracking, owner_of_new(tracking));
	struct model_entry *leftover;

	if (entry != NULL && (entry->state != MODEL_CLOSING || !may_be_new(tracking, entry)))
		return use_entry(tracking, entry,
				 entry->state == MODEL_CLOSING ? MODEL_SYN : entry->state);
	if (target.backend == MODEL_NONE)
		return target;
	if (entry != NULL) { /* S3 */
		write_entry(tracking, entry, target.backend, MODEL_SYN);
		return target;
	}
	if (tracking->row->state == MODEL_MOVING) /* S4 */
		return insert(tracking, target.backend, MODEL_SYN) ? target : extend(tracking);
	leftover = find_word(tracking, false); /* S5 */
	if (leftover != NULL && !is_live_backend(tracking->state, leftover->vip, leftover->backend))
		write_entry(tracking, leftover, target.backend, MODEL_SYN);
	return target;
}

static struct model_target
track_other(struct tracking *tracking, struct model_entry *entry)
{
	const struct segment *segment = &tracking->segment;
	struct model_target target;

	if (entry != NULL) { /* P1 */
		enum model_entry_state state = entry->state;

		if (segment->is_end)
			state = MODEL_CLOSING;
		else if (state == MODEL_SYN)
			state = MODEL_OPEN;
		else if (state == MODEL_CLOSING &&
			 (segment->has_payload || may_be_new(tracking, entry)))
			state = MODEL_OPEN;
		return use_entry(tracking, entry, state);
	}
	target = target_of(tracking, default_owner(tracking));
	if (tracking->row->state != MODEL_MOVING || segment->is_rst || segment->is_silent ||
	    target.backend == MODEL_NONE) /* P3 */
		return target;
	if (insert(tracking, target.backend, segment->is_end ? MODEL_CLOSING : MODEL_OPEN)) /* P2 */
		return target;
	return extend(tracking);
}

static struct segment
segment_of(const struct packet *packet)
{
	uint32_t flags, header_bytes;

	if (packet->sort != SORT_FLOW)
		return (struct segment){ .is_silent = true };
	if (packet->protocol != PROTOCOL_TCP)
		return (struct segment){ 0 };
	flags = model_read8(packet->ip, packet->payload_at + 13);
	header_bytes = model_read8(packet->ip, packet->payload_at + 12) / 16 * 4;
	return (struct segment){
		.is_syn = (flags & (FLAG_SYN | FLAG_ACK | FLAG_FIN | FLAG_RST)) == FLAG_SYN,
		.is_end = (flags & (FLAG_FIN | FLAG_RST)) != 0,
		.is_rst = (flags & FLAG_RST) != 0,
		.has_payload = packet->ip.count > packet->payload_at + header_bytes,
	};
}

struct model_target
model_track(struct model_state *state, const struct packet *packet, struct model_row *row,
	    struct model_result *result)
{
	struct tracking tracking = {
		.state = state,
		.result = result,
		.row = row,
		.bucket = state->buckets[result->flow_hash % state->bucket_count],
		.segment = segment_of(packet),
		.times = model_times_of(&state->vips[row->vip]),
		.fingerprint = result->flow_hash >> FINGERPRINT_SHIFT,
	};
	struct model_entry *entry;

	if (row->state == MODEL_STABLE)
		return target_of(&tracking, row->cur);
	entry = find_word(&tracking, true);
	return tracking.segment.is_syn ? track_syn(&tracking, entry)
				       : track_other(&tracking, entry);
}
