/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: each packet rule of two-owner rows, and the times they stand on, by itself: where a packet
 * goes, what becomes of the entry, of the row's `until` and of the counters. Method: one row, one
 * bucket, three backends, a window of 5 s with a hold of 1 s (a unit is one tick); each test sets
 * row and entry by hand. What follows from the rules together is tests/model/rows_explore's.
 */
#include "run.h"
#include "track.h"
#include "window.h"

#include <string.h>

enum { SLOT_BASE = 16, SLOTS = 4, NOW = 0x1000010, HOLD_S = 1, WINDOW_S = 5 };

#define HASH 0x123456789abcdef0ull

static struct fl_config config;
static struct fl_vip vip;
static struct fl_row row;
static struct fl_flows flows;
static struct fl_flow_counter counted;
static uint64_t tick;
static uint32_t live;	   /* bit per slot from SLOT_BASE */
static uint64_t other_row; /* another core's row word, written before the next swap of the row */
static bool other_flow;	   /* another core touches the entry before each swap of a flow */

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
	return &row;
}

static uint64_t
get_tick(void *user)
{
	return tick;
}

static const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	static struct fl_backend backend;

	if (slot < SLOT_BASE || slot >= SLOT_BASE + SLOTS)
		return NULL;
	backend.link = (uint64_t)(live >> (slot - SLOT_BASE) & 1 ? FL_LINK_LIVE : 0) << 56;
	return &backend;
}

static const struct fl_slot_access slot_access = { .vip = get_vip, .backend = get_backend };

static bool
get_is_live(void *user, uint32_t slot)
{
	return fl_track_is_live(&slot_access, user, slot);
}

static uint32_t
get_facts(void *user, uint64_t word, uint64_t now)
{
	return fl_entry_facts(&slot_access, user, word, now);
}

static const struct fl_flows *
get_flows(void *user, uint32_t bucket)
{
	return &flows;
}

static const struct fl_flow_access flow_access = { .flows = get_flows, .facts = get_facts };

static uint64_t
find_flow(void *user, uint32_t bucket, uint64_t fp, uint64_t now)
{
	const struct fl_flow_place place = { .fp = fp, .tick = now };

	return fl_track_find(&flow_access, user, &place);
}

static uint64_t
find_victim(void *user, uint32_t bucket, uint64_t now)
{
	const struct fl_flow_place place = { .tick = now };

	return fl_track_victim(&flow_access, user, &place);
}

static bool
swap_row(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	if (other_row != 0)
		row.word = other_row;
	other_row = 0;
	return FL_SWAP(row.word, expected, desired);
}

static bool
swap_flow(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	return !other_flow && fl_flow_swap(&flows, expected, desired);
}

static void
count(void *user, uint32_t record, enum fl_flow_event event)
{
	fl_flow_count(&counted, event);
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

/* --- steps --- */

static const struct fl_window *
window(void)
{
	return &vip.service.window;
}

/** A row of backends 0 (cur) and 1 (prev). @param left ticks. */
static void
set_row(enum fl_row_state state, int32_t left)
{
	memset(&flows, 0, sizeof flows);
	memset(&counted, 0, sizeof counted);
	vip.service.row_count = 1;
	vip.service.slot_base = SLOT_BASE;
	vip.service.slot_count = SLOTS;
	vip.service.window = fl_window(WINDOW_S, HOLD_S);
	tick = NOW;
	live = 0xf;
	other_row = 0;
	other_flow = false;
	row.word = fl_row_word(state, 0, state == FL_ROW_MOVING ? 1 : FL_ROW_NONE,
			       tick + (uint64_t)(int64_t)left);
}

/** A window that began so long ago that the hold is over. */
static void
set_row_after_hold(enum fl_row_state state)
{
	set_row(state, (int32_t)(fl_window(WINDOW_S, HOLD_S).row_ticks -
				 fl_window(WINDOW_S, HOLD_S).hold_ticks));
}

static void
set_entry(uint32_t backend, enum fl_flow_state state, uint32_t age)
{
	flows.word[3] = fl_flow_word(HASH, SLOT_BASE + backend, state,
				     (uint8_t)(fl_flow_stamp(window(), tick) - age));
}

/** Open flows of backend 2 in all places. */
static void
fill_table(enum fl_flow_state state, uint32_t age)
{
	for (uint32_t i = 0; i < 8; i++)
		flows.word[i] = fl_flow_word(HASH + ((uint64_t)(i + 1) << 40), SLOT_BASE + 2, state,
					     (uint8_t)(fl_flow_stamp(window(), tick) - age));
}

/** @return the backend; the verdict, negative, when it is dropped. */
static int
send_packet(uint32_t segment)
{
	struct fl_track_flow flow = { .hash = HASH, .segment = segment };
	enum fl_verdict verdict = fl_track(&track_access, NULL, &flow);

	if (verdict == (enum fl_verdict)FL_TRACK_AGAIN) {
		flow.segment |= FL_SEGMENT_LAST;
		verdict = fl_track(&track_access, NULL, &flow);
	}
	return verdict == FL_FORWARD ? (int)(flow.slot - SLOT_BASE) : -(int)verdict;
}

/** The flow's word. */
static uint64_t
get_entry(void)
{
	return find_flow(NULL, 0, fl_flow_fp(HASH), tick);
}

static void
check_entry(uint32_t backend, enum fl_flow_state state)
{
	uint64_t word = get_entry();

	ck_assert_uint_ne(word, 0);
	ck_assert_uint_eq(fl_flow_slot(word), SLOT_BASE + backend);
	ck_assert_uint_eq(fl_flow_state(word), state);
	ck_assert_uint_eq(fl_flow_age(word, window(), tick), 0);
}

static int32_t
left(void)
{
	return fl_row_left(row.word, tick);
}

static int32_t
row_ticks(void)
{
	return (int32_t)window()->row_ticks;
}

/* --- times --- */

START_TEST(test_times_are_those_of_the_document)
{
	struct fl_window small = fl_window(5, 3), usual = fl_window(900, 3), none = fl_window(5, 0);

	ck_assert_uint_eq(small.unit_shift, 0);
	ck_assert_uint_eq(small.live_units, 82);
	ck_assert_uint_eq(small.row_ticks, 83);
	ck_assert_uint_eq(small.hold_ticks, 40 + 3); /* at most half of the window */
	ck_assert_uint_eq(usual.unit_shift, 7);
	ck_assert_uint_eq(usual.row_ticks, 912 * 16);
	ck_assert_uint_eq(usual.hold_ticks, 51);
	ck_assert_uint_eq(usual.closed_units, 3);
	ck_assert_uint_eq(usual.evict_units, 8);
	ck_assert_uint_eq(none.hold_ticks, 0);
	ck_assert_uint_eq(none.closed_units, 2);
}
END_TEST

START_TEST(test_every_window_outlives_every_entry)
{
	for (uint32_t window_s = 1; window_s <= 86400; window_s++) {
		struct fl_window w = fl_window(window_s, 3);
		uint32_t unit = 1u << w.unit_shift;

		CHECK(w.live_units <= FL_LIVE_UNITS_MAX + 1);
		CHECK(w.live_units * unit >= FL_TICKS_PER_S * window_s + 2);
		CHECK(w.row_ticks == (w.live_units + 1u) * unit);
		CHECK(w.evict_units >= 2 && w.closed_units >= 2);
		CHECK(w.row_ticks < 1 << 23); /* a signed difference of 24 bits */
	}
}
END_TEST

START_TEST(test_stamp_ahead_of_the_clock_is_young)
{
	set_row(FL_ROW_SETTLING, 1);
	for (uint32_t ahead = 1; ahead <= 256 - FL_FLOW_AGE_AHEAD; ahead++) {
		set_entry(1, FL_FLOW_OPEN, 256 - ahead);
		ck_assert_uint_eq(fl_flow_age(flows.word[3], window(), tick), 0);
		ck_assert_int_eq(send_packet(0), 1);
	}
	set_entry(1, FL_FLOW_OPEN, FL_FLOW_AGE_AHEAD - 1);
	ck_assert_int_eq(send_packet(0), 0);
}
END_TEST

START_TEST(test_until_wraps)
{
	set_row(FL_ROW_MOVING, 10);
	tick = 0xfffffe;
	row.word = fl_row_until(row.word, tick + 5);
	ck_assert_int_eq(left(), 5);
	tick += 10;
	ck_assert_int_eq(left(), -5);
}
END_TEST

/* --- SYN --- */

START_TEST(test_stable_row_reads_no_entry)
{
	set_row(FL_ROW_STABLE, 0);
	set_entry(1, FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	ck_assert_uint_eq(fl_flow_slot(flows.word[3]), SLOT_BASE + 1);
}
END_TEST

START_TEST(test_s2_syn_goes_to_the_entry)
{
	static const enum fl_flow_state after[] = { [FL_FLOW_SYN] = FL_FLOW_SYN,
						    [FL_FLOW_OPEN] = FL_FLOW_OPEN,
						    [FL_FLOW_CLOSING] = FL_FLOW_SYN };

	for (uint32_t state = FL_FLOW_SYN; state <= FL_FLOW_CLOSING; state++) {
		set_row_after_hold(FL_ROW_MOVING);
		set_entry(2, (enum fl_flow_state)state, window()->closed_units - 1u);
		ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 2);
		check_entry(2, after[state]);
	}
}
END_TEST

START_TEST(test_s3_syn_of_a_closed_tuple_is_new)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
	set_row(FL_ROW_SETTLING, row_ticks());
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_s4_new_flow_of_a_moving_row_goes_to_cur)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_s4_hold_sends_new_flows_to_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	tick--; /* the hold's last tick */
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	check_entry(1, FL_FLOW_SYN);
	tick++;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1); /* S2 */
}
END_TEST

START_TEST(test_s4_without_a_place_goes_to_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	ck_assert_int_eq(left(), row_ticks()); /* R1 */
	ck_assert_uint_eq(counted.failed, 1);
	ck_assert_uint_eq(counted.extended, 1);
	ck_assert_uint_eq(get_entry(), 0);
}
END_TEST

START_TEST(test_s5_new_flow_of_a_settling_row_is_not_tracked)
{
	set_row(FL_ROW_SETTLING, 5);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	ck_assert_uint_eq(get_entry(), 0);
	ck_assert_int_eq(left(), 5);
}
END_TEST

START_TEST(test_s5_leftover_of_a_dead_slot_is_rewritten)
{
	set_row(FL_ROW_SETTLING, 5);
	set_entry(2, FL_FLOW_OPEN, 0);
	live &= ~(1u << 2);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
}
END_TEST

/* --- other packets --- */

START_TEST(test_p1_entry_says_where)
{
	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++) {
		set_row_after_hold((enum fl_row_state)state);
		set_entry(2, FL_FLOW_SYN, window()->live_units);
		ck_assert_int_eq(send_packet(0), 2);
		check_entry(2, FL_FLOW_OPEN);
	}
}
END_TEST

START_TEST(test_p1_states_of_an_entry)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END), 2);
	check_entry(2, FL_FLOW_CLOSING);
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_CLOSING); /* the last ACK */
	ck_assert_int_eq(send_packet(FL_SEGMENT_PAYLOAD), 2);
	check_entry(2, FL_FLOW_OPEN);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END | FL_SEGMENT_RST), 2);
	check_entry(2, FL_FLOW_CLOSING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_OPEN);
}
END_TEST

START_TEST(test_p1_touch_writes_when_it_changes_something)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	other_flow = true; /* no swap succeeds */
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_uint_eq(counted.raced, 0);
}
END_TEST

START_TEST(test_p2_unknown_flow_of_a_moving_row_is_of_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_PAYLOAD), 1);
	check_entry(1, FL_FLOW_OPEN);
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END), 1);
	check_entry(1, FL_FLOW_CLOSING);
}
END_TEST

START_TEST(test_p2_without_a_place_is_r1)
{
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_int_eq(left(), row_ticks());
	ck_assert_int_eq(send_packet(0), 1); /* fresh: not written again */
	ck_assert_uint_eq(counted.failed, 2);
	ck_assert_uint_eq(counted.extended, 1);
}
END_TEST

START_TEST(test_p3_rst_leaves_no_entry)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_END | FL_SEGMENT_RST), 1);
	ck_assert_uint_eq(get_entry(), 0);
}
END_TEST

START_TEST(test_p3_unknown_flow_of_a_settling_row_is_of_cur)
{
	set_row(FL_ROW_SETTLING, 5);
	ck_assert_int_eq(send_packet(FL_SEGMENT_PAYLOAD), 0);
	ck_assert_uint_eq(get_entry(), 0);
	ck_assert_int_eq(left(), 5);
}
END_TEST

START_TEST(test_p4_use_of_anothers_entry_keeps_the_row)
{
	set_row(FL_ROW_SETTLING, row_ticks() - 1);
	set_entry(2, FL_FLOW_OPEN, 1);
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_int_eq(left(), row_ticks() + 1); /* a unit more: one write for each */
	tick++;
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_int_eq(left(), row_ticks());
	set_row(FL_ROW_SETTLING, 5);
	set_entry(0, FL_FLOW_OPEN, 1);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_int_eq(left(), 5); /* cur's own does not */
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 1);
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_int_eq(left(), row_ticks() - window()->hold_ticks); /* SETTLING only */
}
END_TEST

START_TEST(test_p4_lost_swap_is_decided_again_when_the_state_changed)
{
	set_row(FL_ROW_SETTLING, 1);
	set_entry(2, FL_FLOW_OPEN, window()->live_units);
	other_row = fl_row_stable(0);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_uint_eq(fl_flow_age(flows.word[3], window(), tick), window()->live_units);
	set_row(FL_ROW_SETTLING, 1);
	set_entry(2, FL_FLOW_OPEN, 1);
	other_row = fl_row_until(row.word, tick + 7); /* only the time */
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_OPEN);
}
END_TEST

START_TEST(test_r1_lost_swap_is_decided_again_then_dropped)
{
	set_row_after_hold(FL_ROW_MOVING);
	fill_table(FL_FLOW_OPEN, 0);
	other_row = fl_row_word(FL_ROW_SETTLING, 0, FL_ROW_NONE, tick + 9);
	ck_assert_int_eq(send_packet(0), 0);
	ck_assert_uint_eq(counted.raced, 0);
}
END_TEST

START_TEST(test_lost_swaps_of_s3_drop_one_packet)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	other_flow = true;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_ROW_RACE);
	ck_assert_uint_eq(counted.raced, 1);
}
END_TEST

START_TEST(test_lost_swaps_of_an_insertion_are_a_failure)
{
	set_row_after_hold(FL_ROW_MOVING);
	other_flow = true;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	ck_assert_uint_eq(counted.failed, 1);
	ck_assert_int_eq(left(), row_ticks());
}
END_TEST

/* --- E0, dead owners, places --- */

START_TEST(test_e0_old_entry_is_none)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, window()->live_units + 1u);
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_uint_eq(fl_flow_slot(flows.word[3]), SLOT_BASE + 1); /* in its place */
	check_entry(1, FL_FLOW_OPEN);
}
END_TEST

START_TEST(test_e0_entry_of_a_dead_slot_is_none)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	live &= ~(1u << 2);
	ck_assert_int_eq(send_packet(0), 1);
	check_entry(1, FL_FLOW_OPEN);
	set_row_after_hold(FL_ROW_MOVING);
	flows.word[3] = fl_flow_word(HASH, SLOT_BASE + SLOTS, FL_FLOW_OPEN,
				     fl_flow_stamp(window(), tick)); /* no such slot */
	ck_assert_int_eq(send_packet(0), 1);
}
END_TEST

START_TEST(test_dead_prev_is_cur)
{
	set_row(FL_ROW_MOVING, row_ticks());
	live &= ~(1u << 1);
	ck_assert_int_eq(send_packet(0), 0);
	set_row(FL_ROW_MOVING, row_ticks()); /* holding */
	live &= ~(1u << 1);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
}
END_TEST

START_TEST(test_dead_cur_sends_new_flows_to_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	live &= ~1u;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	check_entry(1, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_nobody_lives)
{
	static const enum fl_row_state states[] = { FL_ROW_STABLE, FL_ROW_MOVING, FL_ROW_SETTLING };

	for (uint32_t i = 0; i < 3; i++) {
		set_row(states[i], 5);
		live = 0;
		ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_NO_BACKEND);
		ck_assert_int_eq(send_packet(0), -FL_DROP_NO_BACKEND);
		ck_assert_uint_eq(get_entry(), 0);
		row.word = fl_row_word(states[i], FL_ROW_NONE, FL_ROW_NONE, tick + 5);
		live = 0xf;
		ck_assert_int_eq(send_packet(0), -FL_DROP_NO_BACKEND);
	}
}
END_TEST

START_TEST(test_places_are_given_in_order)
{
	struct fl_window minute = fl_window(900, 3); /* units of 8 s: evicted from 64 s on */

	set_row_after_hold(FL_ROW_MOVING);
	vip.service.window = minute;
	fill_table(FL_FLOW_SYN, minute.evict_units);
	flows.word[1] =
		fl_flow_touched(flows.word[1], FL_FLOW_CLOSING,
				(uint8_t)(fl_flow_stamp(window(), tick) - minute.evict_units - 1u));
	ck_assert_uint_eq(find_victim(NULL, 0, tick), flows.word[1]); /* the oldest */
	flows.word[6] =
		fl_flow_touched(flows.word[6], FL_FLOW_OPEN,
				(uint8_t)(fl_flow_stamp(window(), tick) - minute.live_units - 1u));
	ck_assert_uint_eq(find_victim(NULL, 0, tick), flows.word[6]); /* what counts no more */
	flows.word[7] = 0;
	ck_assert_uint_eq(find_victim(NULL, 0, tick), 0);
}
END_TEST

START_TEST(test_open_and_young_entries_keep_their_places)
{
	set_row_after_hold(FL_ROW_MOVING);
	vip.service.window = fl_window(900, 3);
	fill_table(FL_FLOW_OPEN, window()->live_units);
	ck_assert_uint_eq(find_victim(NULL, 0, tick), FL_FLOW_NO_VICTIM);
	fill_table(FL_FLOW_SYN, window()->evict_units - 1u);
	ck_assert_uint_eq(find_victim(NULL, 0, tick), FL_FLOW_NO_VICTIM);
	fill_table(FL_FLOW_CLOSING, window()->evict_units - 1u);
	ck_assert_uint_eq(find_victim(NULL, 0, tick), FL_FLOW_NO_VICTIM);
}
END_TEST

START_TEST(test_eviction_is_counted)
{
	set_row_after_hold(FL_ROW_MOVING);
	vip.service.window = fl_window(900, 3);
	row.word = fl_row_until(row.word, tick + 5);
	fill_table(FL_FLOW_SYN, window()->evict_units);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
	ck_assert_uint_eq(counted.evicted, 1);
	ck_assert_uint_eq(counted.failed, 0);
}
END_TEST

START_TEST(test_who_watches_writes_nothing)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_WATCH), 1);
	ck_assert_uint_eq(get_entry(), 0);
	set_entry(2, FL_FLOW_SYN, 3);
	ck_assert_int_eq(send_packet(FL_SEGMENT_WATCH), 2);
	ck_assert_uint_eq(fl_flow_state(flows.word[3]), FL_FLOW_SYN);
	ck_assert_uint_eq(fl_flow_age(flows.word[3], window(), tick), 3);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_times_are_those_of_the_document,
				       test_every_window_outlives_every_entry,
				       test_stamp_ahead_of_the_clock_is_young,
				       test_until_wraps,
				       test_stable_row_reads_no_entry,
				       test_s2_syn_goes_to_the_entry,
				       test_s3_syn_of_a_closed_tuple_is_new,
				       test_s4_new_flow_of_a_moving_row_goes_to_cur,
				       test_s4_hold_sends_new_flows_to_prev,
				       test_s4_without_a_place_goes_to_prev,
				       test_s5_new_flow_of_a_settling_row_is_not_tracked,
				       test_s5_leftover_of_a_dead_slot_is_rewritten,
				       test_p1_entry_says_where,
				       test_p1_states_of_an_entry,
				       test_p1_touch_writes_when_it_changes_something,
				       test_p2_unknown_flow_of_a_moving_row_is_of_prev,
				       test_p2_without_a_place_is_r1,
				       test_p3_rst_leaves_no_entry,
				       test_p3_unknown_flow_of_a_settling_row_is_of_cur,
				       test_p4_use_of_anothers_entry_keeps_the_row,
				       test_p4_lost_swap_is_decided_again_when_the_state_changed,
				       test_r1_lost_swap_is_decided_again_then_dropped,
				       test_lost_swaps_of_s3_drop_one_packet,
				       test_lost_swaps_of_an_insertion_are_a_failure,
				       test_e0_old_entry_is_none,
				       test_e0_entry_of_a_dead_slot_is_none,
				       test_dead_prev_is_cur,
				       test_dead_cur_sends_new_flows_to_prev,
				       test_nobody_lives,
				       test_places_are_given_in_order,
				       test_open_and_young_entries_keep_their_places,
				       test_eviction_is_counted,
				       test_who_watches_writes_nothing,
				       NULL };

	return run_tests("track", tests);
}
