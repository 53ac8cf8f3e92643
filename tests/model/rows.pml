/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: two-owner rows stand every order in which two packet cores, the timer and a commit read and
 * swap words. Method: their loads, stores and compare-and-swaps one by one, in all orders; one row,
 * one entry, two backends. What a packet decides in between is what dataplane/core/track.h decides.
 *
 * A flow was opened on backend 0 before anything moved; its packets come on both cores. The row goes
 * to backend 1 (or has gone there), perhaps back, and backend 0 dies; what names it is purged, and its slot is used
 * again: from then on no entry may name it.
 *
 * rows_spin.py verifies it, and that an assertion fails with each of these:
 *   PLANT_NO_WAIT   the purge does not wait until the cores have passed
 *   PLANT_NO_SWEEP  the slot is used again without a purge
 *   PLANT_STORE     the timer stores the row without comparing
 */
#define STABLE 0
#define MOVING 1
#define SETTLING 2
#define NOBODY 3

#define LIVE 2         /* L: ticks; a unit is one */
#define SILENT 1       /* what the flow is silent for at most: L, less one for a late clock */
#define WINDOW 3       /* Wp */
#define NOW_MAX 9
#define PACKETS 2      /* of each core */

#define WORD(state, cur, prev, until) ((state) + 4 * (cur) + 16 * (prev) + 64 * (until))
#define STATE(row) ((row) % 4)
#define CUR(row) ((row) / 4 % 4)
#define PREV(row) ((row) / 16 % 4)
#define UNTIL(row) ((row) / 64)
#define WITH_UNTIL(row, until) ((row) % 64 + 64 * (until))
#define ENTRY(slot, stamp) (1 + (slot) + 4 * (stamp)) /* 0: none */
#define SLOT(entry) (((entry) - 1) % 4)
#define STAMP(entry) (((entry) - 1) / 4)
#define IS_LIVE(entry, t) ((entry) != 0 && lives[SLOT(entry)] && STAMP(entry) + LIVE >= (t))

short row = 0;          /* WORD(STABLE, 0, 0, 0) */
short entry = 0;
byte now = 0;
byte last = 0;          /* when the flow's last packet came */
bool lives[2] = true;
bool is_open = true;    /* the flow: until its backend dies */
bool is_used_again = false;
bool is_busy[2] = false; /* a packet is under way there */
bool is_plane_busy = false; /* timer and commit are one thread */
byte cores = 2;

inline swap(word, expected, desired, is_swapped)
{
	atomic {
		if
		:: word == expected -> word = desired; is_swapped = true
		:: else -> is_swapped = false
		fi
	}
}

/* P4. `again`: the row has another state */
inline keep_row()
{
	if
	:: STATE(r) == SETTLING && SLOT(e) != CUR(r) && UNTIL(r) < t + WINDOW ->
		swap(row, r, WITH_UNTIL(r, t + WINDOW + 1), is_swapped);
		again = !is_swapped && STATE(row) != SETTLING
	:: else
	fi
}

inline known()
{
	keep_row();
	target = SLOT(e);
	if
	:: !again && e != ENTRY(target, t) ->
		atomic {
			swap(entry, e, ENTRY(target, t), is_swapped);
			assert(!(is_swapped && is_used_again && target == 0));
			again = !is_swapped && looks == 0
		}
	:: else
	fi
}

/* P2, P3 */
inline unknown()
{
	target = (STATE(r) == MOVING -> PREV(r) : CUR(r));
	if
	:: !lives[target] -> target = CUR(r)
	:: else
	fi;
	if
	:: STATE(r) == MOVING ->
		atomic {
			swap(entry, e, ENTRY(target, t), is_swapped);
			assert(!(is_swapped && is_used_again && target == 0));
			again = !is_swapped
		}
	:: else
	fi
}

inline decide()
{
	again = false;
	r = row;
	if
	:: STATE(r) == STABLE -> target = CUR(r)
	:: else ->
		t = now;
		e = entry;
		if
		:: IS_LIVE(e, t) -> known()
		:: else -> unknown()
		fi
	fi;
	looks++
}

proctype core(byte id)
{
	short r, e;
	byte t, target, looks, sent = 0, began;
	bool is_swapped, again;

	do
	:: sent < PACKETS && is_open ->
		atomic { is_busy[id] = true; began = now; looks = 0 }
		decide();
		if
		:: again -> decide()
		:: else
		fi;
		atomic {
			assert(again || !is_open || target == 0); /* again: dropped, and repeated */
			if
			:: !again && is_open && began > last -> last = began
			:: else
			fi;
			is_busy[id] = false;
			sent++;
			r = 0; e = 0; t = 0; target = 0; looks = 0; began = 0; is_swapped = false; again = false
		}
	:: else -> break
	od;
	atomic { cores--; is_open = is_open && cores > 0 }
}

/* Each core has passed: what it began before has ended. */
inline wait_for_cores()
{
	!is_busy[0];
	!is_busy[1]
}

/* A step of the clock, and then of the row. */
proctype timer()
{
	short r, next;
	bool is_swapped;

	do
	:: atomic { now < NOW_MAX && !is_plane_busy && (!is_open || now - last < SILENT) ->
		is_plane_busy = true; now++ }
		r = row;
		if
		:: STATE(r) == MOVING && now >= UNTIL(r) ->
			next = WORD(SETTLING, CUR(r), 0, now + WINDOW)
		:: STATE(r) == SETTLING && now >= UNTIL(r) -> next = WORD(STABLE, CUR(r), 0, 0)
		:: else -> next = r
		fi;
#ifdef PLANT_STORE
		row = next;
#else
		swap(row, r, next, is_swapped);
#endif
		wait_for_cores();
		is_plane_busy = false
	:: now >= NOW_MAX -> break
	od
}

/* T1 to T8, backend `owner` */
inline change_row(owner)
{
	is_swapped = false;
	do
	:: !is_swapped ->
		r = row;
		next = r;
		if
		:: STATE(next) == MOVING && !lives[PREV(next)] ->
			next = WORD(SETTLING, CUR(next), 0, now + WINDOW)
		:: else
		fi;
		if
		:: owner == CUR(next)
		:: owner != CUR(next) && STATE(next) == MOVING ->
			next = (owner == PREV(next) -> WORD(SETTLING, owner, 0, now + WINDOW)
						    : next - 4 * CUR(next) + 4 * owner)
		:: owner != CUR(next) && STATE(next) != MOVING && lives[CUR(next)] ->
			next = WORD(MOVING, owner, CUR(next), now + WINDOW)
		:: owner != CUR(next) && STATE(next) != MOVING && !lives[CUR(next)] ->
			next = (STATE(next) == STABLE -> WORD(STABLE, owner, 0, 0)
						      : WORD(SETTLING, owner, 0, now + WINDOW))
		fi;
		swap(row, r, next, is_swapped)
	:: else -> break
	od
}

inline enter_plane()
{
	atomic { !is_plane_busy -> is_plane_busy = true }
}

proctype commit()
{
	short r, next;
	bool is_swapped;

	enter_plane();
	change_row(1);
	wait_for_cores();
	is_plane_busy = false;
	if
	:: enter_plane(); change_row(0); wait_for_cores(); is_plane_busy = false
	:: skip
	fi;
	enter_plane();
	atomic { lives[0] = false; is_open = false };
	change_row(1);
#ifndef PLANT_NO_WAIT
	wait_for_cores();
#endif
#ifndef PLANT_NO_SWEEP
	atomic {
		if
		:: entry != 0 && SLOT(entry) == 0 -> entry = 0
		:: else
		fi
	}
#endif
	atomic {
		assert(entry == 0 || SLOT(entry) != 0);
		lives[0] = true;
		is_used_again = true
	}
	is_plane_busy = false
}

init {
	atomic {
		if
		:: skip
		:: row = WORD(SETTLING, 1, 0, WINDOW); entry = ENTRY(0, 0) /* moved before */
		fi;
		run core(0); run core(1); run timer(); run commit()
	}
}
