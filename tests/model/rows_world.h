/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One row, three backends, a few flows: what rows_explore.c goes through. The packets' side is the
 * core's own, fl_track() and what it stands on, over one bucket; the plane's side is
 * fl_row_change() and fl_row_timer(). What says whether a connection broke knows neither: it
 * remembers which backend accepted each SYN.
 *
 * Some events happen in the middle of a packet: another core's packet, or the plane, between this
 * packet's reads and its compare-and-swap (struct rows_event `inner`).
 */
#ifndef ROWS_WORLD_H
#define ROWS_WORLD_H

#include "track.h"
#include "window.h"

enum {
	ROWS_BACKENDS = 3,
	ROWS_OWNERS = ROWS_BACKENDS + 1, /**< the last: nobody */
	ROWS_FLOWS_MAX = 3,
	ROWS_TICK = 4096, /**< a multiple of every unit: now, but for less than a unit */
};

/** What a flow is for its client and its backend. */
enum rows_phase {
	ROWS_NONE = 0, /**< there is no connection, or it was given up: nothing is owed to it */
	ROWS_SYN = 1,  /**< a SYN was accepted */
	ROWS_OPEN = 2,
};

struct rows_flow {
	uint8_t phase;
	uint8_t owner;	/**< accepted its SYN */
	uint8_t silent; /**< ticks since its last packet, up to rows_sizes.silent_max */
	bool is_ending; /**< a FIN or RST was seen, and no payload since */
};

/**
 * Steps of a backend's end; all cores pass before each but the first. One that is found dead: DEAD,
 * rewrite rows, purge. One that a commit takes away: rewrite rows as if it were DEAD, DEAD, purge.
 */
enum rows_step { ROWS_IDLE = 0, ROWS_REWRITE = 1, ROWS_PURGE = 2, ROWS_LEFT = 3, ROWS_STEPS };

struct rows_world {
	struct fl_row row;
	struct fl_flows flows; /**< flow i has word i; the others are strangers' */
	uint64_t tick;
	uint8_t live; /**< bit per backend */
	uint8_t step; /**< enum rows_step */
	uint8_t dead; /**< whose end it is, unless ROWS_IDLE */
	struct rows_flow flow[ROWS_FLOWS_MAX];
};

/** What is explored. */
struct rows_sizes {
	uint32_t flows;
	uint32_t window_ticks; /**< Wt */
	uint32_t hold_ticks;   /**< G */
	uint32_t unit_shift;
	uint32_t silent_max; /**< Wt - 1: the longest silence that two readings of a clock can show
				of one of the window */
	bool has_none;	     /**< the row may also be nobody's */
	bool is_ordered;     /**< flows that change places make another state */
	bool is_udp;	     /**< flows have no SYN: they begin with any packet, and do not end */
	struct fl_window window;
};

enum rows_kind {
	ROWS_TICK_ON,
	ROWS_TIMER,
	ROWS_CHANGE, /**< arg: the owner */
	ROWS_DEATH,  /**< arg: backend */
	ROWS_LEAVE,  /**< arg: who, times ROWS_OWNERS, and the row's owner then */
	ROWS_CUT,    /**< who left is DEAD */
	ROWS_BURY,   /**< purge */
	ROWS_UP,     /**< arg: backend */
	ROWS_SWEEP,  /**< arg: word */
	ROWS_EVICT,  /**< a stranger needs a place */
	ROWS_PACKET, /**< arg: enum rows_packet */
	ROWS_JUMP,   /**< planted bug: the clock goes on over time that nobody supervised */
};

enum rows_packet {
	ROWS_SEND_SYN,	 /**< of a new flow, or of a new one with an old tuple */
	ROWS_SEND_AGAIN, /**< the same SYN once more, by its client or anybody */
	ROWS_SEND_ACK,
	ROWS_SEND_DATA,
	ROWS_SEND_FIN,
	ROWS_SEND_RST,
	ROWS_SENDS,
};

struct rows_event {
	uint8_t kind;
	uint8_t arg;
	uint8_t flow;
	bool is_late; /**< packet: its core reads the clock of a tick ago */
	bool is_full; /**< packet: no place in the table is free */
	/** packet: which of its looks at the clock and swaps, from 1, `inner` comes before; 0: none
	 */
	uint8_t hook;
	uint8_t inner_kind;
	uint8_t inner_arg;
	uint8_t inner_flow;
};

/** What an event did. */
struct rows_result {
	bool is_possible;	  /**< else nothing is said about the world */
	bool is_broken;		  /**< a connection was */
	uint8_t hooks;		  /**< packet: places where `inner` could go */
	uint8_t untouched;	  /**< packet: as many of them come before it changes the world */
	bool saw_clock, saw_room; /**< is_late, is_full would have made a difference */
	uint8_t verdict, slot;	  /**< packet */
};

/** What rows_open() was given. */
extern struct rows_sizes rows_explored;

static inline uint32_t
rows_unit_ticks(void)
{
	return 1u << rows_explored.unit_shift;
}

/** A tuple: row and bucket are 0. */
static inline uint64_t
rows_flow_hash(uint32_t flow)
{
	return (uint64_t)(flow + 1) << 40;
}

static inline bool
rows_lives(const struct rows_world *world, uint32_t owner)
{
	return owner < ROWS_BACKENDS && world->live >> owner & 1;
}

/** Words that no flow here may have: entries in use, of flows that nobody follows. */
void rows_fill_strangers(struct rows_world *world);

/** @param sizes gets silent_max and window. */
void rows_open(struct rows_sizes *sizes);

/** At first: STABLE, everybody lives, no flow. */
void rows_begin(struct rows_world *world);

struct rows_result rows_do(struct rows_world *world, const struct rows_event *event);

/** The world as a number; worlds that behave the same have the same. The clock starts at
 * ROWS_TICK again. */
uint64_t rows_encode(const struct rows_world *world);
void rows_decode(uint64_t code, struct rows_world *world);

#endif
