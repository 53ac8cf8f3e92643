/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: no connection breaks by what rows go through, with many rows, many flows and a real flow
 * table. Method: a random walk through changes of owners, drains, deaths and returns, beside a twin
 * that remembers the backend of every connection. Flows have heavy tails, tuples come again, SYNs
 * are repeated; half of the walk has a table of a hundredth of what it would need. The clock
 * wraps on the way.
 *
 *     rows_walk [--seed N] [--changes N]
 *
 * First the same on rows that jump from owner to owner: the twin must see that connections break.
 * It ends with "rows walked: ...".
 */
#include "track.h"
#include "window.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
	BACKENDS = 8,
	ROWS = 251,
	FLOWS = 2048, /* at a time */
	WINDOW_S = 2,
	HOLD_S = 1,
	WHEEL = 64, /* ticks; no gap is as long */
	GAP_MAX = FL_TICKS_PER_S * WINDOW_S,
	BUCKETS_LARGE = 2048,
	BUCKETS_SMALL = 2, /* 16 entries */
	CHANGES = 100000,
	CHANGES_PLAIN = 200,
	TICKS_A_CHANGE = 3, /* on average */
	FIRST_TICK = (1 << 24) - 1000,
};

enum phase { IDLE, SYN, OPEN, ENDED };

struct flow {
	uint64_t hash;
	uint64_t last; /* tick of its last packet */
	uint32_t next; /* flow + 1, on the wheel */
	uint32_t packets_left;
	uint8_t phase;
	uint8_t owner;
	uint8_t gap; /* ticks, at most */
};

static struct {
	struct fl_config config;
	struct fl_vip vip;
	struct fl_row rows[ROWS];
	struct fl_flows flows[BUCKETS_LARGE];
	struct fl_backend backends[BACKENDS];
	struct fl_flow_counter counter;
	bool is_drained[BACKENDS];
	uint64_t tick;
	uint64_t seen; /* by the core of the packet in hand: the tick, or the one before */
	bool is_plain;
} plane;

static struct {
	struct flow flow[FLOWS];
	uint32_t wheel[WHEEL];
	uint64_t random;
	uint64_t flows, packets, changes, row_changes, deaths, races, broken;
} walk;

static uint64_t
draw(void)
{
	walk.random ^= walk.random << 13;
	walk.random ^= walk.random >> 7;
	walk.random ^= walk.random << 17;
	return walk.random * 0x2545f4914f6cdd1dull;
}

static uint32_t
draw_below(uint32_t limit)
{
	return (uint32_t)((draw() >> 32) * limit >> 32);
}

/* --- what the core stands on --- */

static const struct fl_config *
get_config(void *user)
{
	return &plane.config;
}

static const struct fl_vip *
get_vip(void *user, uint32_t record)
{
	return &plane.vip;
}

static const struct fl_row *
get_row(void *user, uint32_t index)
{
	return &plane.rows[index];
}

static uint64_t
get_tick(void *user)
{
	return plane.seen;
}

static const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	return slot < BACKENDS ? &plane.backends[slot] : NULL;
}

static const struct fl_slot_access slot_access = { .vip = get_vip, .backend = get_backend };

static bool
get_is_live(void *user, uint32_t slot)
{
	return fl_track_is_live(&slot_access, user, slot);
}

static uint32_t
get_facts(void *user, uint64_t word, uint64_t tick)
{
	return fl_entry_facts(&slot_access, user, word, tick);
}

static const struct fl_flows *
get_flows(void *user, uint32_t bucket)
{
	return &plane.flows[bucket];
}

static const struct fl_flow_access flow_access = { .flows = get_flows, .facts = get_facts };

static uint64_t
find_flow(void *user, uint32_t bucket, uint64_t fp, uint64_t tick)
{
	const struct fl_flow_place place = { .fp = fp, .tick = tick, .bucket = bucket };

	return fl_track_find(&flow_access, user, &place);
}

static uint64_t
find_victim(void *user, uint32_t bucket, uint64_t tick)
{
	const struct fl_flow_place place = { .tick = tick, .bucket = bucket };

	return fl_track_victim(&flow_access, user, &place);
}

static bool
swap_row(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	return FL_SWAP(plane.rows[index].word, expected, desired);
}

static bool
swap_flow(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	return fl_flow_swap(&plane.flows[bucket], expected, desired);
}

static void
count(void *user, uint32_t record, enum fl_flow_event event)
{
	fl_flow_count(&plane.counter, event);
}

static const struct fl_track_access track_access = {
	.config = get_config,
	.vip = get_vip,
	.row = get_row,
	.tick = get_tick,
	.is_live = get_is_live,
	.facts = get_facts,
	.find = find_flow,
	.victim = find_victim,
	.swap_row = swap_row,
	.swap_flow = swap_flow,
	.count = count,
};

/* --- the plane --- */

static void
set_live(uint32_t slot, bool is_live)
{
	plane.backends[slot].link = (uint64_t)(is_live ? FL_LINK_LIVE : 0) << 56;
}

static bool
may_own(uint32_t slot)
{
	return get_is_live(NULL, slot) && !plane.is_drained[slot];
}

/** Who of those that may has the row: the highest draw, so that few rows change. */
static uint32_t
choose_owner(uint32_t row)
{
	uint64_t best = 0;
	uint32_t owner = FL_ROW_NONE;

	for (uint32_t slot = 0; slot < BACKENDS; slot++) {
		uint64_t score = (row * 64ull + slot + 1) * 0x9e3779b97f4a7c15ull;

		score = (score ^ score >> 29) * 0xbf58476d1ce4e5b9ull;
		score ^= score >> 32;
		if (may_own(slot) && (owner == FL_ROW_NONE || score > best)) {
			best = score;
			owner = slot;
		}
	}
	return owner;
}

/** @return how many have another word now. */
static uint32_t
rewrite_rows(void)
{
	uint32_t rewritten = 0;

	for (uint32_t i = 0; i < ROWS; i++) {
		uint64_t word = plane.rows[i].word, changed;
		struct fl_row_now now = { .window = &plane.vip.service.window,
					  .tick = plane.tick,
					  .cur_is_live = get_is_live(NULL, fl_row_cur(word)),
					  .prev_is_live = get_is_live(NULL, fl_row_prev(word)) };

		changed = plane.is_plain ? fl_row_stable(choose_owner(i))
					 : fl_row_change(word, choose_owner(i), &now);
		rewritten += changed != word;
		plane.rows[i].word = changed;
	}
	walk.row_changes += rewritten;
	return rewritten;
}

/** Entries that do not count any more, and those of @p dead. */
static void
sweep(uint32_t dead)
{
	for (uint32_t bucket = 0; bucket <= plane.config.flow_bucket_mask; bucket++)
		for (uint32_t i = 0; i < 8; i++) {
			uint64_t *word = &plane.flows[bucket].word[i];

			if (*word != 0 && (fl_flow_slot(*word) == dead ||
					   !(get_facts(NULL, *word, plane.tick) & FL_ENTRY_LIVE)))
				*word = 0;
		}
}

/** @return rows that change. */
static uint32_t
kill_backend(uint32_t slot)
{
	uint32_t rewritten;

	set_live(slot, false);
	walk.deaths++;
	for (uint32_t i = 0; i < FLOWS; i++)
		if (walk.flow[i].phase != IDLE && walk.flow[i].owner == slot)
			walk.flow[i].phase = ENDED;
	rewritten = rewrite_rows();
	sweep(slot);
	return rewritten;
}

/** Somebody dies, is drained, or comes back. At least two may own rows. It counts if a row changes.
 */
static void
change(void)
{
	uint32_t slot = draw_below(BACKENDS), owners = 0;

	for (uint32_t i = 0; i < BACKENDS; i++)
		owners += may_own(i);
	if (!get_is_live(NULL, slot)) {
		set_live(slot, true);
		plane.is_drained[slot] = false;
	} else if (plane.is_drained[slot]) {
		plane.is_drained[slot] = false;
	} else if (owners > 2 && draw_below(16) == 0) {
		walk.changes += kill_backend(slot) > 0;
		return;
	} else if (owners > 2) {
		plane.is_drained[slot] = true;
	}
	walk.changes += rewrite_rows() > 0;
}

static void
step_timer(void)
{
	for (uint32_t i = 0; i < ROWS; i++)
		plane.rows[i].word =
			fl_row_timer(plane.rows[i].word, &plane.vip.service.window, plane.tick);
}

/* --- the flows, and the twin --- */

/** @return false: dropped, and to be sent again. */
static bool
send_packet(struct flow *flow, uint32_t segment)
{
	struct fl_track_flow asked = { .hash = flow->hash, .segment = segment };
	enum fl_verdict verdict;

	plane.seen = plane.tick - (flow->last < plane.tick && draw_below(8) == 0);
	walk.packets++;
	verdict = fl_track(&track_access, NULL, &asked);
	if (verdict == FL_TRACK_AGAIN) {
		asked.segment |= FL_SEGMENT_LAST;
		verdict = fl_track(&track_access, NULL, &asked);
	}
	if (verdict == FL_DROP_ROW_RACE) {
		walk.races++;
		return false;
	}
	if (flow->phase == IDLE && verdict == FL_FORWARD)
		flow->owner = (uint8_t)asked.slot;
	if (flow->phase != ENDED && (verdict != FL_FORWARD || asked.slot != flow->owner ||
				     !get_is_live(NULL, asked.slot))) {
		walk.broken++;
		flow->phase = ENDED;
	}
	return true;
}

/** Number of packets of a flow, heavy-tailed: half have one or two, one in 10,000 thousands. */
static uint32_t
draw_length(void)
{
	uint32_t length = 1;

	while (length < 1 << 14 && draw_below(2) == 0)
		length *= 2;
	return length + draw_below(length);
}

static void
begin_flow(struct flow *flow)
{
	static const uint8_t gaps[] = { 1, 4, 12, GAP_MAX };

	if (draw_below(4) != 0) /* else the same tuple again */
		flow->hash = draw();
	flow->phase = IDLE;
	flow->packets_left = draw_length();
	flow->gap = gaps[draw_below(sizeof gaps)];
	walk.flows++;
	if (send_packet(flow, FL_SEGMENT_SYN) && flow->phase == IDLE)
		flow->phase = SYN;
}

/** A SYN is repeated within the hold. */
static void
go_on_handshake(struct flow *flow)
{
	if (draw_below(4) == 0 && plane.tick - flow->last < FL_TICKS_PER_S * HOLD_S) {
		(void)send_packet(flow, FL_SEGMENT_SYN);
		return;
	}
	if (send_packet(flow, 0) && flow->phase == SYN)
		flow->phase = OPEN;
}

static void
go_on(struct flow *flow)
{
	if (flow->packets_left == 0) {
		(void)send_packet(flow, FL_SEGMENT_END | (draw_below(4) == 0 ? FL_SEGMENT_RST : 0));
		flow->phase = ENDED;
	} else if (send_packet(flow, draw_below(2) * FL_SEGMENT_PAYLOAD)) {
		flow->packets_left--;
	}
}

/** What the flow does in this tick. @return ticks until it does more. */
static uint32_t
step_flow(struct flow *flow)
{
	switch ((enum phase)flow->phase) {
	case IDLE:
	case ENDED:
		begin_flow(flow);
		break;
	case SYN:
		go_on_handshake(flow);
		break;
	case OPEN:
		go_on(flow);
		break;
	}
	flow->last = plane.tick;
	return 1 + draw_below(flow->gap);
}

static void
plan(uint32_t i, uint64_t tick)
{
	walk.flow[i].next = walk.wheel[tick % WHEEL];
	walk.wheel[tick % WHEEL] = i + 1;
}

static void
step_flows(void)
{
	uint32_t next = walk.wheel[plane.tick % WHEEL];

	walk.wheel[plane.tick % WHEEL] = 0;
	while (next != 0) {
		uint32_t i = next - 1;

		next = walk.flow[i].next;
		plan(i, plane.tick + step_flow(&walk.flow[i]));
	}
}

/* --- the walk --- */

static void
begin(uint32_t buckets, bool is_plain)
{
	memset(&plane, 0, sizeof plane);
	memset(walk.flow, 0, sizeof walk.flow);
	memset(walk.wheel, 0, sizeof walk.wheel);
	plane.is_plain = is_plain;
	plane.config.flow_bucket_mask = buckets - 1;
	plane.vip.service.row_count = ROWS;
	plane.vip.service.slot_count = BACKENDS;
	plane.vip.service.window = fl_window(WINDOW_S, HOLD_S);
	plane.tick = FIRST_TICK;
	for (uint32_t slot = 0; slot < BACKENDS; slot++)
		set_live(slot, true);
	for (uint32_t i = 0; i < ROWS; i++)
		plane.rows[i].word = fl_row_stable(choose_owner(i));
	for (uint32_t i = 0; i < FLOWS; i++) {
		walk.flow[i].hash = draw();
		walk.flow[i].gap = 1;
		plan(i, plane.tick + 1 + draw_below(WHEEL - 1));
	}
}

static void
run(uint64_t changes)
{
	uint64_t end = walk.changes + changes;

	while (walk.changes < end) {
		plane.tick++;
		if (draw_below(TICKS_A_CHANGE) == 0)
			change();
		if (plane.tick % FL_TICKS_PER_S == 0)
			step_timer();
		if (plane.tick % (FL_FLOW_SWEEP_UNITS / 2) == 0)
			sweep(UINT32_MAX);
		step_flows();
	}
}

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/** @return connections that broke. */
static uint64_t
walk_all(uint64_t changes)
{
	uint64_t failed, extended;
	double started = now_s();

	walk.flows = walk.packets = walk.changes = walk.row_changes = walk.deaths = walk.broken = 0;
	begin(BUCKETS_LARGE, false);
	run(changes / 2);
	failed = plane.counter.failed;
	extended = plane.counter.extended;
	begin(BUCKETS_SMALL, false);
	run(changes - changes / 2);
	printf("rows walked: %lu changes of %lu rows, %lu deaths, %lu flows, %lu packets, %lu "
	       "races, "
	       "%lu + %lu without a place, %lu + %lu windows again, %lu broken, %.1f s\n",
	       walk.changes, walk.row_changes, walk.deaths, walk.flows, walk.packets, walk.races,
	       failed, plane.counter.failed, extended, plane.counter.extended, walk.broken,
	       now_s() - started);
	return walk.broken;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", 1, NULL, 's' },
						 { "changes", 1, NULL, 'c' },
						 { NULL, 0, NULL, 0 } };
	uint64_t changes = CHANGES, seed = 0;
	int option;

	if (getrandom(&seed, 4, 0) != 4)
		err(2, "no random seed");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			errx(2, "usage: rows_walk [--seed N] [--changes N]");
		*(option == 's' ? &seed : &changes) = strtoul(optarg, NULL, 10);
	}
	walk.random = seed * 0x9e3779b97f4a7c15ull | 1;
	printf("seed %lu; replay: rows_walk --seed %lu --changes %lu\n", seed, seed, changes);
	fflush(stdout);
	begin(BUCKETS_LARGE, true);
	run(CHANGES_PLAIN);
	printf("rows that jump: %d changes, %lu broken\n", CHANGES_PLAIN, walk.broken);
	if (walk.broken == 0)
		return EXIT_FAILURE;
	return walk_all(changes) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
