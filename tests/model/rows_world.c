/* SPDX-License-Identifier: BSD-2-Clause */
#include "rows_parts.h"

#include <string.h>

/* Planted bugs that are not in the core's headers: rows_bugs.py defines one of them. */
#ifndef ROWS_PLANT_LIVE
#define ROWS_PLANT_LIVE 0 /* units that entries live longer */
#endif
#ifndef ROWS_PLANT_ROW
#define ROWS_PLANT_ROW 0 /* ticks that row windows are longer */
#endif
#ifndef ROWS_PLANT_HOLD
#define ROWS_PLANT_HOLD 0 /* ticks that the hold is longer */
#endif

enum {
	STRANGER = 63,		       /* flow number of the entries that fill a full table */
	STRANGER_SLOT = ROWS_BACKENDS, /* lives for ever, owns no row */
};

struct rows_sizes rows_explored;
static struct fl_vip vip = { .service = { .row_count = 1, .slot_count = ROWS_BACKENDS } };
static const struct fl_config config;

static void do_inner(struct rows_run *run);
static bool is_excluded(const struct rows_run *run);

/* --- what the core stands on --- */

static const struct fl_config *
get_config(void *user)
{
	return &config;
}

static const struct fl_vip *
get_vip(void *user, uint32_t record)
{
	return &vip;
}

static const struct fl_row *
get_row(void *user, uint32_t index)
{
	const struct rows_run *run = user;

	return &run->world->row;
}

static const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	static const struct fl_backend backends[2] = { { .link = 0 },
						       { .link = (uint64_t)FL_LINK_LIVE << 56 } };
	const struct rows_run *run = user;

	return &backends[(run->world->live | 1u << STRANGER_SLOT) >> slot & 1];
}

static const struct fl_slot_access slot_access = { .vip = get_vip, .backend = get_backend };

static bool
get_is_live(void *user, uint32_t slot)
{
	return fl_track_is_live(&slot_access, user, slot);
}

uint32_t
rows_facts(void *user, uint64_t word, uint64_t tick)
{
	return fl_entry_facts(&slot_access, user, word, tick);
}

static const struct fl_flows *
get_flows(void *user, uint32_t bucket)
{
	const struct rows_run *run = user;

	return &run->world->flows;
}

static const struct fl_flow_access flow_access = { .flows = get_flows, .facts = rows_facts };

static uint64_t
find_flow(void *user, uint32_t bucket, uint64_t fp, uint64_t tick)
{
	const struct fl_flow_place place = { .fp = fp, .tick = tick, .bucket = bucket };

	return fl_track_find(&flow_access, user, &place);
}

/** What a table is full of: entries in use, of flows that nobody follows. */
static uint64_t
stranger(uint64_t tick)
{
	return fl_flow_word(rows_flow_hash(STRANGER), STRANGER_SLOT, FL_FLOW_OPEN,
			    fl_flow_stamp(&rows_explored.window, tick));
}

/** What no flow here may have. */
void
rows_fill_strangers(struct rows_world *world)
{
	for (uint32_t i = rows_explored.flows; i < 8; i++)
		world->flows.word[i] = stranger(world->tick);
}

uint64_t
rows_victim(void *user, uint32_t bucket, uint64_t tick)
{
	const struct fl_flow_place place = { .tick = tick, .bucket = bucket };
	struct rows_run *run = user;
	struct rows_run of_full;
	struct rows_world full;

	run->saw_room = true;
	if (!run->event->is_full)
		return fl_track_victim(&flow_access, user, &place);
	full = *run->world;
	for (uint32_t i = 0; i < rows_explored.flows; i++)
		if (full.flows.word[i] == 0)
			full.flows.word[i] = stranger(full.tick);
	of_full = *run;
	of_full.world = &full;
	return fl_track_victim(&flow_access, &of_full, &place);
}

/** A place where something else may happen meanwhile. */
static void
pass_hook(struct rows_run *run)
{
	run->hooks++;
	if (run->hooks == run->event->hook)
		do_inner(run);
}

static uint64_t
get_tick(void *user)
{
	struct rows_run *run = user;

	run->saw_clock = true;
	return run->world->tick - (run->event->is_late ? 1 : 0);
}

static bool
swap_row(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	struct rows_run *run = user;

	return FL_SWAP(run->world->row.word, expected, desired);
}

static bool
swap_flow(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	struct rows_run *run = user;
	struct fl_flows *flows = &run->world->flows;

	for (uint32_t i = 0; i < rows_explored.flows; i++) /* twice the same flow: not modelled */
		if (flows->word[i] != 0 && flows->word[i] != expected &&
		    ((flows->word[i] ^ desired) & FL_FLOW_FP_MASK) == 0)
			run->is_excluded = true;
	return fl_flow_swap(flows, expected, desired);
}

static bool
note_change(struct rows_run *run, bool has_changed)
{
	if (has_changed && run->untouched == 0)
		run->untouched = run->hooks;
	return has_changed;
}

static uint64_t
get_tick_outer(void *user)
{
	pass_hook(user);
	return get_tick(user);
}

static bool
swap_row_outer(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	pass_hook(user);
	return note_change(user, swap_row(user, index, expected, desired));
}

static bool
swap_flow_outer(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	pass_hook(user);
	return note_change(user, swap_flow(user, bucket, expected, desired));
}

static void
count(void *user, uint32_t record, enum fl_flow_event event)
{
}

#define TRACK_ACCESS(outer)                                                                        \
	{                                                                                          \
		.config = get_config, .vip = get_vip, .row = get_row, .tick = get_tick##outer,     \
		.is_live = get_is_live, .facts = rows_facts, .find = find_flow,                    \
		.victim = rows_victim, .swap_row = swap_row##outer, .swap_flow = swap_flow##outer, \
		.count = count,                                                                    \
	}

static const struct fl_track_access inner_access = TRACK_ACCESS();
static const struct fl_track_access outer_access = TRACK_ACCESS(_outer);

/* --- packets --- */

static const uint8_t segments[ROWS_SENDS] = {
	[ROWS_SEND_SYN] = FL_SEGMENT_SYN,
	[ROWS_SEND_AGAIN] = FL_SEGMENT_SYN,
	[ROWS_SEND_ACK] = 0,
	[ROWS_SEND_DATA] = FL_SEGMENT_PAYLOAD,
	[ROWS_SEND_FIN] = FL_SEGMENT_END,
	[ROWS_SEND_RST] = FL_SEGMENT_END | FL_SEGMENT_RST,
};

/** May a SYN with the tuple of an open flow, or one that was sent long ago, go elsewhere?
 * docs/operations.md, "What can still break", 2. */
static bool
is_excluded(const struct rows_run *run)
{
	const struct rows_world *world = run->world;
	const struct rows_flow *flow = &world->flow[run->event->flow];
	uint64_t row = world->row.word, tick = world->tick - (run->event->is_late ? 1 : 0), word;
	uint32_t closed = fl_div_up(rows_explored.hold_ticks, rows_unit_ticks()) + 2;
	struct rows_run look = { .world = run->world };

	if (run->event->arg != ROWS_SEND_AGAIN || flow->phase != ROWS_OPEN)
		return false;
	if (flow->is_ending && flow->silent >= (closed - 1) * rows_unit_ticks())
		return true; /* it may be a new flow */
	if (fl_row_state(row) != FL_ROW_MOVING ||
	    fl_row_left(row, tick) >
		    (int32_t)(rows_explored.window.row_ticks - rows_explored.hold_ticks))
		return false;
	word = find_flow(&look, 0, fl_flow_fp(rows_flow_hash(run->event->flow)), tick);
	if (word == 0 || !(rows_facts(&look, word, tick) & FL_ENTRY_LIVE))
		return true; /* it sent nothing since the change, or the table was full */
	return fl_flow_state(word) == FL_FLOW_CLOSING &&
	       fl_flow_age(word, &rows_explored.window, tick) >= closed;
}

/** Do two SYNs of a client meet the same backend? Of the hold's ticks one is for rounding, and one
 * for a core that reads the clock late when it has no room for the first. */
static bool
is_within_hold(const struct rows_flow *flow)
{
	return flow->silent + 1u < rows_explored.hold_ticks;
}

/** Is there a packet of the same flow in its middle? */
static bool
is_inside(const struct rows_event *event)
{
	return event->hook != 0 && event->inner_kind == ROWS_PACKET &&
	       event->inner_flow == event->flow;
}

/** Can the client, or somebody, send this? */
static bool
may_send(const struct rows_run *run)
{
	const struct rows_flow *flow = &run->world->flow[run->event->flow];

	/* the clock is read once the packet is there: not before what it follows */
	if (run->event->is_late && flow->phase != ROWS_NONE && flow->silent == 0)
		return false;
	/* a flow's packets come to one queue: the first two are not on two cores at once */
	if (rows_explored.is_udp && flow->phase == ROWS_NONE && is_inside(run->event))
		return false;
	if (run->event->arg != ROWS_SEND_AGAIN || flow->phase == ROWS_OPEN)
		return true;
	/* who gives up waiting for an answer has no other packet under way */
	return flow->phase == ROWS_SYN &&
	       (is_within_hold(flow) || !(run->is_beside || is_inside(run->event)));
}

/** @return false: the connection is broken. */
static bool
judge_syn(struct rows_flow *flow, const struct rows_event *event, uint32_t slot)
{
	if (event->arg == ROWS_SEND_SYN) {
		*flow = (struct rows_flow){ .phase = ROWS_SYN, .owner = (uint8_t)slot };
		return true;
	}
	if (flow->phase != ROWS_SYN)
		return true;
	if (is_within_hold(flow) && flow->owner != slot)
		return false;
	flow->owner = (uint8_t)slot; /* the older answer was lost */
	flow->silent = 0;
	return true;
}

/** Of UDP. @return false: the connection is broken. */
static bool
judge_first(struct rows_flow *flow, const struct rows_run *run, const struct rows_result *result)
{
	if (result->verdict != FL_FORWARD)
		return true;
	*flow = (struct rows_flow){ .phase = ROWS_OPEN, .owner = result->slot };
	return run->accepted >> result->slot & 1;
}

/** @return false: the connection is broken. */
static bool
judge(const struct rows_run *run, const struct rows_result *result)
{
	const struct rows_event *event = run->event;
	struct rows_flow *flow = &run->world->flow[event->flow];
	bool is_syn = segments[event->arg] & FL_SEGMENT_SYN;

	if (is_syn && event->arg == ROWS_SEND_SYN)
		rows_give_up(flow);
	if (result->verdict == FL_DROP_ROW_RACE)
		return true; /* it is sent again */
	if (is_syn && result->verdict == FL_FORWARD && !(run->accepted >> result->slot & 1))
		return false;
	if (is_syn)
		return result->verdict != FL_FORWARD || judge_syn(flow, event, result->slot);
	if (flow->phase == ROWS_NONE)
		return !rows_explored.is_udp || judge_first(flow, run, result);
	if (result->verdict != FL_FORWARD || result->slot != flow->owner)
		return false;
	if (event->arg == ROWS_SEND_RST) { /* anybody's */
		flow->is_ending = true;
		return true;
	}
	flow->phase = ROWS_OPEN;
	flow->silent = 0;
	if (event->arg == ROWS_SEND_DATA && run->saw_clock && !run->has_beside)
		flow->is_ending = false; /* on a row that is not stable: its entry knows */
	if (event->arg == ROWS_SEND_FIN)
		flow->is_ending = true;
	return true;
}

static bool
is_closing(const struct rows_run *run)
{
	uint64_t fp = fl_flow_fp(rows_flow_hash(run->event->flow));

	for (uint32_t i = 0; i < rows_explored.flows; i++) {
		uint64_t word = run->world->flows.word[i];

		if ((word & FL_FLOW_FP_MASK) == fp && fl_flow_state(word) == FL_FLOW_CLOSING)
			return true;
	}
	return false;
}

/** Who might accept a new flow: of one that was taken away, only what an entry leads there, and
 * that for a moment. */
static uint8_t
find_accepting(const struct rows_run *run)
{
	const struct rows_world *world = run->world;
	uint64_t fp = fl_flow_fp(rows_flow_hash(run->event->flow));

	if (world->step != ROWS_LEFT)
		return world->live;
	for (uint32_t i = 0; i < rows_explored.flows; i++) {
		uint64_t word = world->flows.word[i];

		if ((word & FL_FLOW_FP_MASK) == fp && fl_flow_slot(word) == world->dead)
			return world->live;
	}
	return world->live & (uint8_t) ~(1u << world->dead);
}

/** What became of the packet. */
static struct rows_result
end_packet(struct rows_run *run, const struct fl_track_flow *flow, enum fl_verdict verdict)
{
	struct rows_flow *own = &run->world->flow[run->event->flow];
	struct rows_result result = {
		.is_possible = !run->is_excluded && run->hooks >= run->event->hook,
		.hooks = run->hooks,
		.untouched = run->untouched == 0 ? run->hooks : run->untouched,
		.saw_clock = run->saw_clock,
		.saw_room = run->saw_room,
		.verdict = (uint8_t)verdict,
		.slot = (uint8_t)flow->slot,
	};

	if (!result.is_possible)
		return result;
	result.is_broken = run->is_broken || !judge(run, &result);
	if (run->event->arg == ROWS_SEND_SYN && own->phase == ROWS_SYN)
		own->is_ending = run->was_closing || is_closing(run); /* the old one's end */
	if (!rows_lives(run->world, own->owner) ||
	    (run->world->step == ROWS_LEFT && own->owner == run->world->dead))
		rows_give_up(own); /* it died, or was taken away, while the packet was under way */
	return result;
}

static struct fl_track_flow
begin_packet(const struct rows_event *event)
{
	return (struct fl_track_flow){ .hash = rows_flow_hash(event->flow),
				       .segment = segments[event->arg] };
}

FL_INLINE struct rows_result
do_packet(struct rows_run *run, const struct fl_track_access *access)
{
	struct fl_track_flow flow = begin_packet(run->event);
	enum fl_verdict verdict;

	run->was_closing = is_closing(run);
	run->accepted = find_accepting(run);
	if (!may_send(run) || is_excluded(run))
		return (struct rows_result){ .is_possible = false };
	verdict = fl_track(access, run, &flow);
	if (verdict == FL_TRACK_AGAIN) {
		flow.segment |= FL_SEGMENT_LAST;
		verdict = fl_track(access, run, &flow);
	}
	return end_packet(run, &flow, verdict);
}

/** A packet that nothing comes between. */
static struct rows_result
do_packet_inner(struct rows_run *run)
{
	return do_packet(run, &inner_access);
}

static struct rows_result
do_packet_outer(struct rows_run *run)
{
	return do_packet(run, &outer_access);
}

/* --- any event --- */

/** A word that a new flow may not have had: its flow is given up where nothing is promised,
 * docs/operations.md, "What can still break", 6. */
static void
forgive_evicted(struct rows_world *world, const struct fl_flows *before)
{
	uint32_t idle = (rows_explored.window.evict_units - 1u) * rows_unit_ticks();

	for (uint32_t i = 0; i < rows_explored.flows; i++) {
		struct rows_flow *flow = &world->flow[i];
		bool is_there = false;

		if (before->word[i] == 0 || fl_flow_state(before->word[i]) == FL_FLOW_OPEN)
			continue;
		for (uint32_t k = 0; k < rows_explored.flows; k++)
			is_there |=
				world->flows.word[k] != 0 &&
				((world->flows.word[k] ^ before->word[i]) & FL_FLOW_FP_MASK) == 0;
		if (!is_there && (flow->phase == ROWS_SYN || flow->is_ending) &&
		    flow->silent >= idle)
			rows_give_up(flow);
	}
}

/** Flow i has word i again. */
static void
sort_words(struct rows_world *world)
{
	uint64_t words[ROWS_FLOWS_MAX] = { 0 };

	for (uint32_t i = 0; i < rows_explored.flows; i++) {
		uint64_t word = world->flows.word[i];

		if (word != 0)
			words[(word & FL_FLOW_FP_MASK) / fl_flow_fp(rows_flow_hash(0)) - 1] = word;
	}
	memcpy(world->flows.word, words, rows_explored.flows * sizeof words[0]);
}

static void
do_inner(struct rows_run *run)
{
	struct rows_event event = { .kind = run->event->inner_kind,
				    .arg = run->event->inner_arg,
				    .flow = run->event->inner_flow };
	struct rows_run inner = { .world = run->world,
				  .event = &event,
				  .is_beside = event.flow == run->event->flow };
	struct fl_flows before = run->world->flows;
	bool is_possible;

	run->has_beside |= event.kind == ROWS_PACKET && inner.is_beside;
	if (event.kind == ROWS_PACKET) {
		struct rows_result result = do_packet_inner(&inner);

		is_possible = result.is_possible;
		run->is_broken |= result.is_broken;
	} else {
		is_possible = rows_do_plane(run->world, event.kind, event.arg);
	}
	if (event.kind != ROWS_SWEEP && event.kind != ROWS_BURY)
		forgive_evicted(run->world, &before);
	run->is_excluded |= !is_possible || is_excluded(run);
}

struct rows_result
rows_do(struct rows_world *world, const struct rows_event *event)
{
	struct rows_run run = { .world = world, .event = event };
	struct fl_flows before = world->flows;
	struct rows_result result = { .is_possible = false };

	if (event->kind == ROWS_PACKET)
		result = do_packet_outer(&run);
	else
		result.is_possible = rows_do_plane(world, event->kind, event->arg);
	if (!result.is_possible)
		return result;
	if (event->kind != ROWS_SWEEP && event->kind != ROWS_BURY)
		forgive_evicted(world, &before);
	sort_words(world);
	return result;
}

void
rows_begin(struct rows_world *world)
{
	memset(world, 0, sizeof *world);
	world->row.word = fl_row_stable(0);
	world->tick = ROWS_TICK;
	world->live = (1 << ROWS_BACKENDS) - 1;
	world->dead = ROWS_BACKENDS;
	rows_fill_strangers(world);
}

void
rows_open(struct rows_sizes *wanted)
{
	uint32_t unit = 1u << wanted->unit_shift;
	uint32_t live = fl_div_up(wanted->window_ticks, unit);
	uint32_t closed = fl_div_up(wanted->hold_ticks, unit) + 2;

	wanted->silent_max = wanted->window_ticks - 1;
	wanted->window = (struct fl_window){
		.row_ticks = (live + 1) * unit + ROWS_PLANT_ROW,
		.hold_ticks = (uint16_t)(wanted->hold_ticks + ROWS_PLANT_HOLD),
		.unit_shift = (uint8_t)wanted->unit_shift,
		.live_units = (uint8_t)(live + ROWS_PLANT_LIVE),
		.closed_units = (uint8_t)closed,
		.evict_units = 2,
	};
	rows_explored = *wanted;
	vip.service.window = wanted->window;
}
