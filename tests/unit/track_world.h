/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One row, one bucket of the flow table, one VIP with four backends, and other cores that change a
 * word just before this one does, for the tests of track.h. For one .c file of a program.
 */
#ifndef TESTS_UNIT_TRACK_WORLD_H
#define TESTS_UNIT_TRACK_WORLD_H

#include "run.h"
#include "track.h"
#include "window.h"

#include <string.h>

enum {
	SLOT_BASE = 16,
	SLOTS = 4,
	NOW = 0x1000010,
	HOLD_S = 1,
	WINDOW_S = 5,
	ROW_LOSSES_MAX = 2,
	VIPS = 2, /* records; 0 is the packets' */
};

#define HASH 0x123456789abcdef0ull

static struct fl_config config;
static struct fl_vip vips[VIPS];
static struct fl_row row;
static struct fl_flows flows;
static struct fl_flow_counter counted;
static uint64_t tick;
static uint32_t live;	      /* bit per slot from SLOT_BASE */
static uint32_t backends_vip; /* record of the VIP that all backends are of */
/* what the tables lack */
static bool has_no_config, has_no_vip, has_no_row, has_no_bucket;
/* other cores */
static uint64_t other_rows[ROW_LOSSES_MAX]; /* theirs instead of the row, before each swap of it */
static bool row_goes;			    /* the tables lack it from the next swap of it on */
static uint32_t flow_losses;		    /* so many swaps of a flow fail */
static uint64_t other_flow;		    /* theirs instead of the flow's word, at the first */
/* the plane */
static uint32_t dies; /* bit per slot that dies while a place is looked for */

/* --- what the core stands on --- */

static inline const struct fl_config *
get_config(void *user)
{
	return has_no_config ? NULL : &config;
}

static inline const struct fl_vip *
get_vip(void *user, uint32_t record)
{
	return record < VIPS && !has_no_vip ? &vips[record] : NULL;
}

static inline const struct fl_row *
get_row(void *user, uint32_t index)
{
	return has_no_row ? NULL : &row;
}

static inline uint64_t
get_tick(void *user)
{
	return tick;
}

static inline const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	static struct fl_backend backend;

	if (slot < SLOT_BASE || slot >= SLOT_BASE + SLOTS)
		return NULL;
	backend.link = (uint64_t)(live >> (slot - SLOT_BASE) & 1 ? FL_LINK_LIVE : 0) << 56;
	backend.vip = backends_vip;
	return &backend;
}

static const struct fl_slot_access slot_access = { .vip = get_vip, .backend = get_backend };

static inline bool
get_is_live(void *user, uint32_t slot)
{
	return fl_track_is_live(&slot_access, user, slot);
}

static inline uint32_t
get_facts(void *user, uint64_t word, uint64_t now)
{
	return fl_entry_facts(&slot_access, user, word, now);
}

static inline const struct fl_flows *
get_flows(void *user, uint32_t bucket)
{
	return has_no_bucket ? NULL : &flows;
}

static const struct fl_flow_access flow_access = { .flows = get_flows, .facts = get_facts };

static inline uint64_t
find_flow(void *user, uint32_t bucket, uint64_t fp, uint64_t now)
{
	const struct fl_flow_place place = { .fp = fp, .tick = now };

	return fl_track_find(&flow_access, user, &place);
}

static inline uint64_t
find_victim(void *user, uint32_t bucket, uint64_t now)
{
	const struct fl_flow_place place = { .tick = now };

	live &= ~dies;
	return fl_track_victim(&flow_access, user, &place);
}

static inline bool
swap_row(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	if (other_rows[0] != 0)
		row.word = other_rows[0];
	memmove(other_rows, other_rows + 1, sizeof other_rows - sizeof other_rows[0]);
	other_rows[ROW_LOSSES_MAX - 1] = 0;
	has_no_row |= row_goes;
	return !has_no_row && FL_SWAP(row.word, expected, desired);
}

static inline bool
swap_flow(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	if (flow_losses == 0)
		return fl_flow_swap(&flows, expected, desired);
	flow_losses--;
	if (other_flow != 0)
		ck_assert(fl_flow_swap(&flows, expected, other_flow));
	other_flow = 0;
	return false;
}

static inline void
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

static inline const struct fl_window *
window(void)
{
	return &vips[0].service.window;
}

/** A row of backends 0 (cur) and 1 (prev). @param left ticks. */
static inline void
set_row(enum fl_row_state state, int32_t left)
{
	memset(&flows, 0, sizeof flows);
	memset(&counted, 0, sizeof counted);
	for (uint32_t i = 0; i < VIPS; i++)
		vips[i].service = (struct fl_vip_service){ .row_count = 1,
							   .slot_base = SLOT_BASE,
							   .slot_count = SLOTS,
							   .window = fl_window(WINDOW_S, HOLD_S) };
	tick = NOW;
	live = 0xf;
	backends_vip = 0;
	has_no_config = has_no_vip = has_no_row = has_no_bucket = false;
	memset(other_rows, 0, sizeof other_rows);
	row_goes = false;
	flow_losses = 0;
	other_flow = 0;
	dies = 0;
	row.word = fl_row_word(state, 0, state == FL_ROW_MOVING ? 1 : FL_ROW_NONE,
			       tick + (uint64_t)(int64_t)left);
}

/** A window that began so long ago that the hold is over. */
static inline void
set_row_after_hold(enum fl_row_state state)
{
	set_row(state, (int32_t)(fl_window(WINDOW_S, HOLD_S).row_ticks -
				 fl_window(WINDOW_S, HOLD_S).hold_ticks));
}

/** A word of the flow. */
static inline uint64_t
entry_of(uint32_t backend, enum fl_flow_state state, uint32_t age)
{
	return fl_flow_word(HASH, SLOT_BASE + backend, state,
			    (uint8_t)(fl_flow_stamp(window(), tick) - age));
}

static inline void
set_entry(uint32_t backend, enum fl_flow_state state, uint32_t age)
{
	flows.word[3] = entry_of(backend, state, age);
}

/** Other flows, of backend 2, in all places. */
static inline void
fill_table(enum fl_flow_state state, uint32_t age)
{
	for (uint32_t i = 0; i < 8; i++)
		flows.word[i] = fl_flow_word(HASH + ((uint64_t)(i + 1) << 40), SLOT_BASE + 2, state,
					     (uint8_t)(fl_flow_stamp(window(), tick) - age));
}

/** @return the backend; the verdict, negative, when it is dropped. */
static inline int
send_packet_of(uint64_t hash, uint32_t segment)
{
	struct fl_track_flow flow = { .hash = hash, .segment = segment };
	enum fl_verdict verdict = fl_track(&track_access, NULL, &flow);

	if (verdict == (enum fl_verdict)FL_TRACK_AGAIN) {
		flow.segment |= FL_SEGMENT_LAST;
		verdict = fl_track(&track_access, NULL, &flow);
	}
	return verdict == FL_FORWARD ? (int)(flow.slot - SLOT_BASE) : -(int)verdict;
}

static inline int
send_packet(uint32_t segment)
{
	return send_packet_of(HASH, segment);
}

/** The flow's word. */
static inline uint64_t
get_entry(void)
{
	return find_flow(NULL, 0, fl_flow_fp(HASH), tick);
}

static inline void
check_entry(uint32_t backend, enum fl_flow_state state)
{
	uint64_t word = get_entry();

	ck_assert_uint_ne(word, 0);
	ck_assert_uint_eq(fl_flow_slot(word), SLOT_BASE + backend);
	ck_assert_uint_eq(fl_flow_state(word), state);
	ck_assert_uint_eq(fl_flow_age(word, window(), tick), 0);
}

static inline void
check_counted(const struct fl_flow_counter *expected)
{
	ck_assert_uint_eq(counted.failed, expected->failed);
	ck_assert_uint_eq(counted.evicted, expected->evicted);
	ck_assert_uint_eq(counted.extended, expected->extended);
	ck_assert_uint_eq(counted.raced, expected->raced);
}

static inline int32_t
left(void)
{
	return fl_row_left(row.word, tick);
}

/** A whole window; also before the first row is set. */
static inline int32_t
row_ticks(void)
{
	return (int32_t)fl_window(WINDOW_S, HOLD_S).row_ticks;
}

#endif
