/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: no connection breaks by what a row goes through. Method: everything that can happen to one
 * row (rows_world.h), in every order, breadth-first, until no new state comes up; windows are of a
 * few ticks. A state's number is what makes it different for what follows, so time has no end.
 *
 *     rows_explore [--flows N] [--window TICKS] [--hold TICKS] [--unit SHIFT] [--none]
 *                  [--udp] [--ordered] [--depth EVENTS] [--plain]
 *
 * Without sizes: those that tools/check explores. --none: the row may also have no owner. --udp:
 * flows without SYNs. --ordered: flows that change places make another state. --depth: at most so
 * many events. --plain: nothing happens in the middle of a packet. It ends with "rows explored:
 * ..."; a connection that breaks ends it at once, with all that led there, exit 1.
 */
#include "rows_world.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STATES_MAX = 1 << 27, EVENTS_MAX = 4096, TRACE_MAX = 256 };

static const char *const kind_names[] = {
	[ROWS_TICK_ON] = "tick",     [ROWS_TIMER] = "timer",
	[ROWS_CHANGE] = "change to", [ROWS_DEATH] = "death of",
	[ROWS_LEAVE] = "leaving of", [ROWS_CUT] = "dead is who left",
	[ROWS_BURY] = "purge",	     [ROWS_UP] = "up",
	[ROWS_SWEEP] = "sweep word", [ROWS_EVICT] = "a stranger takes a place",
	[ROWS_PACKET] = "packet",    [ROWS_JUMP] = "clock jumps",
};
static const char *const packet_names[] = {
	[ROWS_SEND_SYN] = "SYN",   [ROWS_SEND_AGAIN] = "SYN again", [ROWS_SEND_ACK] = "ACK",
	[ROWS_SEND_DATA] = "data", [ROWS_SEND_FIN] = "FIN",	    [ROWS_SEND_RST] = "RST",
};

/** All states so far, in the order they were found; index by hash. */
static struct {
	uint64_t *code;
	uint32_t *parent;
	uint32_t count;
	uint32_t room;	 /* of code, parent; index has twice as many */
	uint32_t *index; /* state + 1; 0: free */
} states;

static struct {
	struct rows_sizes sizes;
	uint32_t depth_max;
	bool is_plain;
	struct rows_event events[EVENTS_MAX]; /* packets come without what is inside */
	uint32_t event_count;
	struct rows_event inners[EVENTS_MAX];
	uint32_t inner_count;
	bool is_excluded[EVENTS_MAX]; /* inners that are impossible in the world as it is */
	uint8_t untouched; /* hooks at which it is as it is, of the packet that is tried */
	uint64_t transitions;
	uint64_t breaking;
} explorer;

/* --- states --- */

static uint32_t
hash_code(uint64_t code)
{
	code *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(code >> 32) ^ (uint32_t)(code >> 7);
}

static uint32_t *
find_place(uint64_t code)
{
	uint32_t mask = 2 * states.room - 1, at = hash_code(code) & mask;

	while (states.index[at] != 0 && states.code[states.index[at] - 1] != code)
		at = (at + 1) & mask; /* at least half are free */
	return &states.index[at];
}

static void
grow_states(void)
{
	uint32_t room = states.room == 0 ? 1 << 16 : 2 * states.room;

	if (room > STATES_MAX)
		errx(2, "more than %u states: choose smaller sizes or --depth", STATES_MAX);
	states.code = realloc(states.code, room * sizeof states.code[0]);
	states.parent = realloc(states.parent, room * sizeof states.parent[0]);
	free(states.index);
	states.index = calloc(2ull * room, sizeof states.index[0]);
	if (states.code == NULL || states.parent == NULL || states.index == NULL)
		errx(2, "no memory for %u states", room);
	states.room = room;
	for (uint32_t i = 0; i < states.count; i++)
		*find_place(states.code[i]) = i + 1;
}

static void
add_state(uint64_t code, uint32_t parent)
{
	uint32_t *place;

	if (states.count == states.room)
		grow_states();
	place = find_place(code);
	if (*place != 0)
		return;
	states.code[states.count] = code;
	states.parent[states.count] = parent;
	*place = ++states.count;
}

/* --- events --- */

static void
add_event(struct rows_event event, bool is_inner)
{
	struct rows_event *events = is_inner ? explorer.inners : explorer.events;
	uint32_t *count = is_inner ? &explorer.inner_count : &explorer.event_count;

	if (*count == EVENTS_MAX)
		errx(2, "more than %u kinds of events", EVENTS_MAX);
	events[(*count)++] = event;
}

static void
add_plane_events(bool is_inner)
{
	static const struct {
		uint8_t kind, args;
		bool is_inner;
	} kinds[] = {
		{ ROWS_TIMER, 1, true },
		{ ROWS_CHANGE, ROWS_BACKENDS + 1, true },
		{ ROWS_DEATH, ROWS_BACKENDS, true },
		{ ROWS_LEAVE, ROWS_BACKENDS * ROWS_OWNERS, true },
		{ ROWS_CUT, 1, true },
		{ ROWS_EVICT, 1, true },
		{ ROWS_SWEEP, ROWS_FLOWS_MAX, true },
		{ ROWS_TICK_ON, 1, false },
		{ ROWS_BURY, 1, false },
		{ ROWS_UP, ROWS_BACKENDS, false },
		{ ROWS_JUMP, 1, false },
	};

	for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		for (uint8_t arg = 0; arg < kinds[i].args; arg++)
			if ((kinds[i].is_inner || !is_inner) &&
			    (kinds[i].kind != ROWS_SWEEP || arg < explorer.sizes.flows))
				add_event((struct rows_event){ .kind = kinds[i].kind, .arg = arg },
					  is_inner);
}

static void
make_events(void)
{
	bool is_udp = explorer.sizes.is_udp;
	uint8_t first = is_udp ? ROWS_SEND_ACK : 0;
	uint8_t last = is_udp ? ROWS_SEND_ACK : ROWS_SENDS - 1;

	explorer.event_count = explorer.inner_count = 0;
	for (int is_inner = 0; is_inner <= 1; is_inner++) {
		add_plane_events(is_inner);
		for (uint8_t flow = 0; flow < explorer.sizes.flows; flow++)
			for (uint8_t packet = first; packet <= last; packet++)
				add_event((struct rows_event){ .kind = ROWS_PACKET,
							       .arg = packet,
							       .flow = flow },
					  is_inner);
	}
}

/** Is it possible that this happens inside? A new flow has not two tuples at once. */
static bool
may_be_inside(const struct rows_event *outer, const struct rows_event *inner)
{
	if (inner->kind != ROWS_PACKET || inner->flow != outer->flow)
		return true;
	return inner->arg != ROWS_SEND_SYN;
}

/* --- the way to a state --- */

static void
print_plane_event(uint32_t kind, uint32_t arg)
{
	bool has_arg =
		kind == ROWS_CHANGE || kind == ROWS_DEATH || kind == ROWS_UP || kind == ROWS_SWEEP;

	printf("%s", kind_names[kind]);
	if (has_arg)
		printf(" %u", arg);
	if (kind == ROWS_LEAVE)
		printf(" %u, change to %u", arg / ROWS_OWNERS, arg % ROWS_OWNERS);
}

static void
print_event(const struct rows_event *event, const struct rows_result *result)
{
	if (event->kind != ROWS_PACKET) {
		printf("  ");
		print_plane_event(event->kind, event->arg);
		printf("\n");
		return;
	}
	printf("  flow %u: %s%s%s", event->flow, packet_names[event->arg],
	       event->is_late ? ", late clock" : "", event->is_full ? ", table full" : "");
	if (event->hook != 0) {
		printf(", before its access %u: ", event->hook);
		if (event->inner_kind == ROWS_PACKET)
			printf("flow %u: %s", event->inner_flow, packet_names[event->inner_arg]);
		else
			print_plane_event(event->inner_kind, event->inner_arg);
	}
	if (result->verdict == FL_FORWARD)
		printf(" -> backend %u\n", result->slot);
	else
		printf(" -> dropped\n");
}

static void
print_world(const struct rows_world *world)
{
	static const char *const row_states[] = { "STABLE", "MOVING", "SETTLING", "?" };
	uint64_t row = world->row.word;

	printf("      %s cur %d prev %d left %d live %u;", row_states[fl_row_state(row)],
	       (int16_t)fl_row_cur(row), (int16_t)fl_row_prev(row),
	       fl_row_state(row) == FL_ROW_STABLE ? 0 : fl_row_left(row, world->tick), world->live);
	for (uint32_t i = 0; i < explorer.sizes.flows; i++) {
		uint64_t word = world->flows.word[i];

		printf(" flow %u phase %u owner %u silent %u%s entry", i, world->flow[i].phase,
		       world->flow[i].owner, world->flow[i].silent,
		       world->flow[i].is_ending ? " ending" : "");
		if (word == 0)
			printf(" -;");
		else
			printf(" {%u, state %u, age %u};", fl_flow_slot(word), fl_flow_state(word),
			       fl_flow_age(word, &explorer.sizes.window, world->tick));
	}
	printf("\n");
}

/** What is looked for among what can follow. */
struct search {
	bool is_break; /**< an event that breaks; else one that leads to `code` */
	uint64_t code;
	bool is_found;
	struct rows_event event;
	struct rows_result result;
	struct rows_world world;
};

/* --- what can follow --- */

/** One event. @return what it did. */
static struct rows_result
try_event(const struct rows_world *world, const struct rows_event *event, uint32_t state,
	  struct search *search)
{
	struct rows_world next = *world;
	struct rows_result result = rows_do(&next, event);
	uint64_t code;

	if (!result.is_possible || (search != NULL && search->is_found))
		return result;
	code = rows_encode(&next);
	if (search != NULL) {
		search->is_found = result.is_broken == search->is_break &&
				   (search->is_break || code == search->code);
		search->event = *event;
		search->result = result;
		search->world = next;
		return result;
	}
	explorer.transitions++;
	if (result.is_broken)
		explorer.breaking++;
	else
		add_state(code, state);
	return result;
}

/** Which of the plane's steps need not be tried inside of packets that have changed nothing yet? */
static void
find_excluded(const struct rows_world *world)
{
	for (uint32_t i = 0; i < explorer.inner_count; i++) {
		struct rows_world next = *world;

		explorer.is_excluded[i] = explorer.inners[i].kind != ROWS_PACKET &&
					  !rows_do(&next, &explorer.inners[i]).is_possible;
	}
}

/** @param event with the last hook that it comes to. */
static void
try_inners(const struct rows_world *world, struct rows_event event, uint32_t state,
	   struct search *search)
{
	for (; event.hook > 0; event.hook--)
		for (uint32_t i = 0; i < explorer.inner_count; i++) {
			const struct rows_event *inner = &explorer.inners[i];

			if ((explorer.is_excluded[i] && event.hook <= explorer.untouched) ||
			    !may_be_inside(&event, inner))
				continue;
			event.inner_kind = inner->kind;
			event.inner_arg = inner->arg;
			event.inner_flow = inner->flow;
			(void)try_event(world, &event, state, search);
		}
}

static void
try_packet(const struct rows_world *world, struct rows_event event, uint32_t state,
	   struct search *search)
{
	bool late_max = true, full_max = true;

	for (int is_late = 0; is_late <= late_max; is_late++)
		for (int is_full = 0; is_full <= full_max; is_full++) {
			struct rows_result result;

			event.is_late = is_late;
			event.is_full = is_full;
			event.hook = 0;
			result = try_event(world, &event, state, search);
			if (result.is_possible && !result.saw_clock)
				return; /* nothing of this matters to it */
			if (result.is_possible && !result.saw_room)
				full_max = false;
			event.hook = explorer.is_plain ? 0 : result.hooks;
			explorer.untouched = result.untouched;
			try_inners(world, event, state, search);
		}
}

static void
try_all(const struct rows_world *world, uint32_t state, struct search *search)
{
	find_excluded(world);
	for (uint32_t i = 0; i < explorer.event_count; i++)
		if (explorer.events[i].kind == ROWS_PACKET)
			try_packet(world, explorer.events[i], state, search);
		else
			(void)try_event(world, &explorer.events[i], state, search);
}

/** Print all events from the start to the break that follows @p state. @return how many. */
static uint32_t
print_trace(uint32_t state)
{
	uint32_t path[TRACE_MAX], count = 0;
	struct search search;
	struct rows_world world;

	for (uint32_t at = state; at != 0 && count < TRACE_MAX; at = states.parent[at])
		path[count++] = at;
	rows_begin(&world);
	print_world(&world);
	for (uint32_t i = count; i-- > 0;) {
		search = (struct search){ .code = states.code[path[i]] };
		try_all(&world, 0, &search);
		if (!search.is_found) { /* two places were as good, and the other was taken */
			printf("      the same, with other names:\n");
			rows_decode(states.code[states.parent[path[i]]], &world);
			print_world(&world);
			try_all(&world, 0, &search);
		}
		if (!search.is_found)
			errx(2, "state %u cannot be reached again", path[i]);
		print_event(&search.event, &search.result);
		world = search.world;
		print_world(&world);
	}
	rows_decode(states.code[state], &world);
	search = (struct search){ .is_break = true };
	try_all(&world, 0, &search);
	printf("      the same, with other names:\n");
	print_world(&world);
	print_event(&search.event, &search.result);
	print_world(&search.world);
	return count + 1;
}

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/** All states of explorer.sizes. @return false: one breaks, and was told. */
static bool
explore(void)
{
	struct rows_world world;
	uint32_t depth = 0, depth_end = 1;
	double started = now_s();
	uint64_t before = explorer.transitions;

	rows_open(&explorer.sizes);
	make_events();
	states.count = 0;
	if (states.room > 0)
		memset(states.index, 0, 2ull * states.room * sizeof states.index[0]);
	rows_begin(&world);
	add_state(rows_encode(&world), 0);
	for (uint32_t i = 0; i < states.count && depth < explorer.depth_max; i++) {
		rows_decode(states.code[i], &world);
		try_all(&world, i, NULL);
		if (explorer.breaking > 0) {
			printf("a connection breaks after %u events\n", print_trace(i));
			return false;
		}
		if (i + 1 == depth_end) {
			depth++;
			depth_end = states.count;
		}
	}
	printf("rows: %u flows%s, window %u, hold %u, unit %u%s: %u states, %s %u, %lu "
	       "transitions, %.1f s\n",
	       explorer.sizes.flows, explorer.sizes.is_udp ? " without SYNs" : "",
	       explorer.sizes.window_ticks, explorer.sizes.hold_ticks,
	       1u << explorer.sizes.unit_shift, explorer.is_plain ? ", plain" : "", states.count,
	       depth == explorer.depth_max ? "all to depth" : "all, depth", depth,
	       explorer.transitions - before, now_s() - started);
	return true;
}

/* --- what tools/check explores, besides two flows with events in the middle of packets --- */

static const struct {
	struct rows_sizes sizes;
	bool is_plain;
} checked[] = {
	{ { .flows = 1, .window_ticks = 5, .hold_ticks = 3 }, false },
	{ { .flows = 1, .window_ticks = 3, .hold_ticks = 0, .has_none = true }, false },
	{ { .flows = 1, .window_ticks = 5, .hold_ticks = 2, .unit_shift = 1 }, false },
	{ { .flows = 2, .window_ticks = 3, .hold_ticks = 2 }, true },
	{ { .flows = 1, .window_ticks = 5, .unit_shift = 1, .is_udp = true }, false },
	{ { .flows = 2, .window_ticks = 3, .is_udp = true }, false },
};

static bool
read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "flows", 1, NULL, 'f' }, { "window", 1, NULL, 'w' }, { "hold", 1, NULL, 'h' },
		{ "unit", 1, NULL, 'u' },  { "depth", 1, NULL, 'd' },  { "none", 0, NULL, 'n' },
		{ "plain", 0, NULL, 'p' }, { "udp", 0, NULL, 'o' },    { "ordered", 0, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	bool has_sizes = false;
	int option;

	explorer.depth_max = UINT32_MAX;
	explorer.sizes = checked[0].sizes;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint32_t value = optarg == NULL ? 0 : (uint32_t)strtoul(optarg, NULL, 10);

		if (option == '?')
			errx(2, "see the head of rows_explore.c");
		has_sizes |= option != 'd' && option != 'p';
		if (option == 'f')
			explorer.sizes.flows = value;
		if (option == 'w')
			explorer.sizes.window_ticks = value;
		if (option == 'h')
			explorer.sizes.hold_ticks = value;
		if (option == 'u')
			explorer.sizes.unit_shift = value;
		if (option == 'd')
			explorer.depth_max = value;
		explorer.sizes.has_none |= option == 'n';
		explorer.sizes.is_udp |= option == 'o';
		explorer.sizes.is_ordered |= option == 'r';
		explorer.is_plain |= option == 'p';
	}
	if (explorer.sizes.flows < 1 || explorer.sizes.flows > ROWS_FLOWS_MAX ||
	    explorer.sizes.window_ticks < 2 || explorer.sizes.window_ticks > 12)
		errx(2, "--flows 1 to %d, --window 2 to 12", ROWS_FLOWS_MAX);
	return has_sizes;
}

int
main(int argc, char **argv)
{
	bool has_sizes = read_options(argc, argv), is_sound = true;
	double started = now_s();
	uint64_t count = 0;

	for (uint32_t i = 0; i < (has_sizes ? 1 : sizeof checked / sizeof checked[0]) && is_sound;
	     i++) {
		if (!has_sizes) {
			explorer.sizes = checked[i].sizes;
			explorer.is_plain = checked[i].is_plain;
		}
		is_sound = explore();
		count += states.count;
	}
	printf("rows explored: %lu states, %lu transitions, %lu breaking, %.1f s\n", count,
	       explorer.transitions, explorer.breaking, now_s() - started);
	return is_sound ? EXIT_SUCCESS : EXIT_FAILURE;
}
