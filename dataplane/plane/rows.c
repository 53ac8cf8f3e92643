/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../core/track.h"
#include "rows.h"

_Static_assert(ROWS_PASS_TICKS + 2 * ROWS_ADVANCE_MAX <= FL_FLOW_SWEEP_UNITS,
	       "a sweep is through before a stamp of the shortest unit is too old");

/** rows.purge_of: the slot is dead. */
#define GONE UINT32_MAX

/** Of one slot. */
struct slot_count {
	uint32_t flows;
	uint32_t used; /* tick of the last use of any, the latest it can have been; its low half */
};

struct rows {
	struct state *state;
	struct plane_tables *tables;
	struct plane_tables_size size;
	int64_t clock_ns; /* the clock is right up to here; 0: it was never read */
	uint64_t timer_tick;
	struct slot_count *last; /* of the last sweep that is through, by slot */
	struct slot_count *next; /* of the one under way */
	uint32_t bucket;	 /* where that is */
	uint64_t passes;	 /* sweeps that are through */
	uint64_t begun_tick;	 /* when the one under way began */
	uint64_t seen_tick;	 /* when the last that is through did; 0: none is */
	uint64_t found;		 /* entries in the one under way */
	bool is_empty;		 /* nobody can have an entry: nothing to sweep */
	bool may_be_last;	 /* no row could move since this sweep began */
	struct rows_move *moves;
	uint32_t move_count;
	uint32_t *purge_of; /* by slot: 0 it stays; GONE; of `moves`, from 1 */
	uint64_t digest;
};

/* --- life --- */

int
rows_create(struct state *state, struct rows **ret_rows)
{
	const struct plane_limits *limits = &state->options->limits;
	struct rows *rows = calloc(1, sizeof *rows);

	if (rows == NULL)
		return -ENOMEM;
	rows->state = state;
	rows->tables = state->tables;
	rows->size = plane_tables_size(limits);
	rows->timer_tick = state->tables->clock->tick;
	rows->last = calloc(limits->backends, sizeof rows->last[0]);
	rows->next = calloc(limits->backends, sizeof rows->next[0]);
	rows->purge_of = calloc(limits->backends, sizeof rows->purge_of[0]);
	rows->moves = calloc(limits->vips, sizeof rows->moves[0]);
	if (rows->last == NULL || rows->next == NULL || rows->purge_of == NULL ||
	    rows->moves == NULL) {
		rows_destroy(rows);
		return -ENOMEM;
	}
	*ret_rows = rows;
	return 0;
}

void
rows_destroy(struct rows *rows)
{
	if (rows == NULL)
		return;
	free(rows->last);
	free(rows->next);
	free(rows->purge_of);
	free(rows->moves);
	free(rows);
}

static uint64_t
tick_now(const struct rows *rows)
{
	return rows->tables->clock->tick;
}

static void
synchronize(const struct rows *rows)
{
	const struct plane_engine *engine = &rows->state->options->engine;

	engine->synchronize(engine->user);
}

/* --- counting rows --- */

static bool
is_unstable(const struct state_vip *vip)
{
	return vip->row_counts.moving + vip->row_counts.settling > 0;
}

static bool
has_unstable(const struct rows *rows)
{
	const struct state_set *set = &rows->state->set;

	for (uint32_t i = 0; i < set->vip_count; i++)
		if (is_unstable(set->vips[i]))
			return true;
	return false;
}

/** By slot index: the rows that move away from it, and for how long since the latest of them. */
struct leaving {
	uint32_t *rows;
	uint32_t *ticks;
	uint64_t now;
	uint32_t window; /* ticks of the VIP's rows */
};

static void
count_row(struct state_vip *vip, uint64_t word, const struct leaving *leaving)
{
	int32_t left = fl_row_left(word, leaving->now);
	uint32_t until = left > 0 ? (uint32_t)left : 0;
	uint32_t since = leaving->window > until ? leaving->window - until : 0;
	uint32_t prev = fl_row_prev(word);

	if (fl_row_state(word) == FL_ROW_MOVING) {
		vip->row_counts.moving++;
		if (leaving->rows[prev]++ == 0 || since < leaving->ticks[prev])
			leaving->ticks[prev] = since;
		until += leaving->window; /* and then it settles */
	} else {
		vip->row_counts.settling++;
	}
	if (until > vip->row_counts.stable_in)
		vip->row_counts.stable_in = until;
}

/** Does a row name the backend? When none does any more, the sweep that begins next can tell that
 * no flow does. */
static void
count_backend(const struct rows *rows, struct state_backend *backend, const struct leaving *leaving)
{
	backend->rows_leaving = leaving->rows[backend->slot_index];
	backend->leaving_ticks = leaving->ticks[backend->slot_index];
	if (backend->rows > 0 || backend->rows_leaving > 0)
		backend->free_from = 0;
	else if (backend->free_from == 0)
		backend->free_from = rows->passes + (rows->bucket > 0 ? 2 : 1);
}

static void
count_vip(const struct rows *rows, struct state_vip *vip)
{
	struct state_scratch *scratch = rows->state->scratch;
	const struct leaving leaving = { scratch->counts, scratch->translated, tick_now(rows),
					 state_window(&vip->policy).row_ticks };

	memset(leaving.rows, 0, vip->slot_count * sizeof leaving.rows[0]);
	memset(leaving.ticks, 0, vip->slot_count * sizeof leaving.ticks[0]);
	vip->row_counts.moving = vip->row_counts.settling = vip->row_counts.stable_in = 0;
	vip->row_counts.owned = 0;
	vip->row_counts.are_old = false;
	for (uint32_t i = 0; i < vip->row_count; i++) {
		uint64_t word = FL_READ_ONCE(rows->tables->rows[vip->row_base + i].word);

		vip->row_counts.owned += fl_row_cur(word) != FL_ROW_NONE;
		if (fl_row_state(word) != FL_ROW_STABLE)
			count_row(vip, word, &leaving);
	}
	for (uint32_t i = 0; i < vip->backend_count; i++)
		count_backend(rows, &vip->backends[i], &leaving);
}

/** Tell the engine when the VIP begins to be the host's alone, and when that ends. */
static void
tell_hosts(const struct rows *rows, struct state_vip *vip)
{
	const struct plane_engine *engine = &rows->state->options->engine;
	bool is_hosts = vip->policy.no_backend == VIP_NO_BACKEND_HOST &&
			vip->row_counts.owned == 0 && !is_unstable(vip);

	if (engine->vip_is_hosts == NULL || is_hosts == vip->is_hosts)
		return;
	if (engine->vip_is_hosts(engine->user, &rows->tables->vips[vip->record], is_hosts) == 0)
		vip->is_hosts = is_hosts;
}

/* --- the timer --- */

/** @return has a row another state now? */
static bool
time_vip(const struct rows *rows, const struct state_vip *vip)
{
	const struct fl_window window = state_window(&vip->policy);
	uint64_t tick = tick_now(rows);
	bool has_changed = false;

	for (uint32_t i = vip->row_base; i < vip->row_base + vip->row_count; i++) {
		uint64_t word = FL_READ_ONCE(rows->tables->rows[i].word);
		uint64_t next = fl_row_timer(word, &window, tick);

		/* a packet core that was faster has prolonged it: not yet, then */
		if (next != word && plane_row_swap(rows->tables, i, word, next))
			has_changed = true;
	}
	return has_changed;
}

/** One step of each row. The next, or a commit, comes when every packet core has passed this one.
 */
static void
run_timer(struct rows *rows)
{
	const struct state_set *set = &rows->state->set;
	bool has_changed = false;

	for (uint32_t i = 0; i < set->vip_count; i++) {
		struct state_vip *vip = set->vips[i];

		if (!is_unstable(vip) || !time_vip(rows, vip))
			continue;
		vip->row_counts.are_old = vip->row_counts.digest_is_old = true;
		has_changed = true;
	}
	if (has_changed)
		synchronize(rows);
	for (uint32_t i = 0; i < set->vip_count; i++) {
		if (set->vips[i]->row_counts.are_old)
			count_vip(rows, set->vips[i]);
		tell_hosts(rows, set->vips[i]);
	}
}

/* --- the sweeper --- */

static const struct fl_vip *
get_vip(void *user, uint32_t record)
{
	const struct rows *rows = user;

	return record < rows->size.vip_count ? &rows->tables->vips[record] : NULL;
}

static const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	const struct rows *rows = user;

	return slot < rows->size.backend_count ? &rows->tables->backends[slot] : NULL;
}

static const struct fl_slot_access slot_access = { .vip = get_vip, .backend = get_backend };

static uint32_t
entry_facts(struct rows *rows, uint64_t word)
{
	return fl_entry_facts(&slot_access, rows, word, tick_now(rows));
}

static void
count_entry(struct rows *rows, uint64_t word, uint32_t look)
{
	struct slot_count *count = &rows->next[fl_flow_slot(word)];
	uint32_t now = (uint32_t)tick_now(rows);
	uint32_t used = now - (look & FL_ENTRY_IDLE_MASK);

	used |= (1u << (look >> FL_ENTRY_UNIT_BIT)) - 1; /* a stamp tells the unit */
	used = (int32_t)(used - now) > 0 ? now : used;
	if (count->flows++ == 0 || (int32_t)(used - count->used) > 0)
		count->used = used;
}

/** Clear what is no entry any more, or what a packet core makes of it meanwhile; count what is. */
static void
sweep_word(struct rows *rows, uint64_t *at)
{
	for (uint32_t i = 0; i < ROWS_SWAPS_MAX; i++) {
		uint64_t word = FL_READ_ONCE(*at);
		uint32_t look;

		if (fl_flow_state(word) == FL_FLOW_FREE)
			return;
		look = entry_facts(rows, word);
		if (look & FL_ENTRY_LIVE) {
			rows->found++;
			count_entry(rows, word, look);
			return;
		}
		if (FL_SWAP(*at, word, 0ull))
			return;
	}
	rows->found++; /* in use, it seems */
}

static void
finish_pass(struct rows *rows)
{
	struct slot_count *counts = rows->last;

	rows->last = rows->next;
	rows->next = counts;
	memset(counts, 0, rows->size.backend_count * sizeof counts[0]);
	rows->passes++;
	rows->seen_tick = rows->begun_tick;
	rows->bucket = 0;
	rows->is_empty = rows->found == 0 && rows->may_be_last && !has_unstable(rows);
}

/** Most buckets are, and a look at all of them is as fast as memory. */
static bool
is_free(const struct fl_flows *flows)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++)
		all |= FL_READ_ONCE(flows->word[i]);
	return all == 0;
}

static void
sweep_bucket(struct rows *rows, struct fl_flows *flows)
{
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++)
		sweep_word(rows, &flows->word[i]);
}

static void
sweep(struct rows *rows, uint32_t ticks)
{
	uint32_t chunk = (rows->size.flow_bucket_count + ROWS_PASS_TICKS - 1) / ROWS_PASS_TICKS;
	uint64_t left = (uint64_t)chunk * ticks;

	if (rows->is_empty) {
		rows->passes++; /* nothing would be found */
		rows->seen_tick = tick_now(rows);
		return;
	}
	if (rows->bucket == 0) {
		rows->begun_tick = tick_now(rows);
		rows->found = 0;
		rows->may_be_last = !has_unstable(rows);
	}
	for (; left > 0 && rows->bucket < rows->size.flow_bucket_count; left--, rows->bucket++)
		if (!is_free(&rows->tables->flows[rows->bucket]))
			sweep_bucket(rows, &rows->tables->flows[rows->bucket]);
	if (rows->bucket == rows->size.flow_bucket_count)
		finish_pass(rows);
}

/* --- the clock --- */

int
rows_open_clock(void)
{
	const struct itimerspec every = { .it_interval = { .tv_nsec = ROWS_TICK_NS },
					  .it_value = { .tv_nsec = ROWS_TICK_NS } };
	int clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r;

	if (clock < 0)
		return -errno;
	if (timerfd_settime(clock, 0, &every, NULL) == 0)
		return clock;
	r = -errno;
	(void)close(clock);
	return r;
}

void
rows_advance(struct rows *rows, uint32_t ticks)
{
	uint64_t tick;

	ticks = ticks < ROWS_ADVANCE_MAX ? ticks : ROWS_ADVANCE_MAX;
	if (ticks == 0)
		return;
	tick = tick_now(rows) + ticks;
	__atomic_store_n(&rows->tables->clock->tick, tick, __ATOMIC_RELEASE);
	sweep(rows, ticks);
	if (tick - rows->timer_tick < ROWS_TIMER_TICKS)
		return;
	rows->timer_tick = tick;
	run_timer(rows);
}

void
rows_on_clock(struct rows *rows, int clock, int64_t now_ns)
{
	uint64_t expirations;
	int64_t ticks;

	/* how often it has expired is no measure: it does not count while nobody looks */
	(void)!read(clock, &expirations, sizeof expirations);
	if (rows->clock_ns == 0)
		rows->clock_ns = now_ns;
	ticks = (now_ns - rows->clock_ns) / ROWS_TICK_NS;
	rows->clock_ns += ticks * ROWS_TICK_NS;
	if (ticks > 0)
		rows_advance(rows, ticks < ROWS_ADVANCE_MAX ? (uint32_t)ticks : ROWS_ADVANCE_MAX);
}

/* --- a commit: rows --- */

bool
rows_has_no_flows(const struct rows *rows)
{
	return rows->is_empty;
}

void
rows_wake(struct rows *rows)
{
	rows->is_empty = false;
	rows->may_be_last = false;
}

/** What all rows of a VIP are changed by. */
struct row_change {
	const struct plane_tables *tables;
	const bool *is_live; /* by slot index, FL_ROW_NONE too */
	const struct fl_window *window;
	uint64_t tick;
	bool begins_again; /* the window is another */
};

static void
change_row(const struct row_change *change, uint32_t row, uint32_t owner)
{
	struct fl_row_now now = { .window = change->window, .tick = change->tick };

	for (uint32_t i = 0; i < ROWS_SWAPS_MAX; i++) {
		uint64_t word = FL_READ_ONCE(change->tables->rows[row].word), next;

		if (FL_LIKELY(word == fl_row_stable(owner)))
			return; /* as most rows are */
		now.cur_is_live = change->is_live[fl_row_cur(word)];
		now.prev_is_live = change->is_live[fl_row_prev(word)];
		next = fl_row_change(word, owner, &now);
		if (change->begins_again)
			next = fl_row_again(next, now.window, now.tick);
		if (next == word || plane_row_swap(change->tables, row, word, next))
			return;
	}
	assert(false); /* see ROWS_SWAPS_MAX */
}

void
rows_apply(struct rows *rows, const struct rows_order *order)
{
	const struct state_vip *vip = order->new;
	const struct fl_window window = state_window(&vip->policy);
	const struct fl_window before = state_window(&order->old->policy);
	bool *is_live = rows->state->scratch->used;
	const struct row_change change = {
		.tables = rows->tables,
		.is_live = is_live,
		.window = &window,
		.tick = tick_now(rows),
		.begins_again = window.row_ticks != before.row_ticks && window.row_ticks > 0,
	};

	memset(is_live, 0, vip->slot_count * sizeof is_live[0]);
	is_live[FL_ROW_NONE] = false;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		is_live[vip->backends[i].slot_index] = true;
	for (uint32_t i = 0; i < vip->row_count; i++)
		change_row(&change, vip->row_base + i, order->owners[i]);
}

/* --- a commit: flows --- */

void
rows_move(struct rows *rows, const struct rows_move *move)
{
	assert(rows->move_count < rows->state->options->limits.vips);
	rows->moves[rows->move_count++] = *move;
	for (uint32_t i = 0; i < move->from_count; i++)
		rows->purge_of[move->from_base + i] = rows->move_count;
}

void
rows_leave(struct rows *rows, uint32_t slot_base, uint32_t slot_count)
{
	for (uint32_t i = 0; i < slot_count; i++)
		rows->purge_of[slot_base + i] = GONE;
}

static bool
is_live(const struct rows *rows, uint32_t slot)
{
	return slot < rows->size.backend_count && fl_backend_is_live(&rows->tables->backends[slot]);
}

/** The entry with its new slot and, in that one's units, the least age that it can have: its stamp
 * tells the unit, not where in it. That it lives longer so does no harm, since the rows' windows
 * begin again where they are others. @return 0: it does not live. */
static uint64_t
moved_entry(const struct rows *rows, uint64_t word, const struct rows_move *move)
{
	uint32_t slot = fl_flow_slot(word) - move->from_base + move->to_base;
	uint64_t tick = tick_now(rows);
	uint32_t age = fl_flow_age(word, &move->from, tick);
	uint32_t unit = 1u << move->from.unit_shift;
	uint64_t moved;

	if (age > move->from.live_units || move->to.row_ticks == 0 || !is_live(rows, slot))
		return 0;
	if (age > 0)
		age = (age - 1) * unit + 1 + ((uint32_t)tick & (unit - 1));
	age >>= move->to.unit_shift;
	if (age > move->to.live_units)
		age = move->to.live_units;
	moved = word & ~((uint64_t)(FL_SLOTS_MAX - 1) << FL_FLOW_FP_BITS);
	moved |= (uint64_t)slot << FL_FLOW_FP_BITS;
	return fl_flow_touched(moved, fl_flow_state(word),
			       (uint8_t)(fl_flow_stamp(&move->to, tick) - age));
}

static void
purge_word(const struct rows *rows, uint64_t *at)
{
	for (uint32_t i = 0; i < ROWS_SWAPS_MAX; i++) {
		uint64_t word = FL_READ_ONCE(*at), next = 0;
		uint32_t slot = fl_flow_slot(word), purge = GONE;

		if (slot < rows->size.backend_count)
			purge = rows->purge_of[slot];
		if (purge == 0 || fl_flow_state(word) == FL_FLOW_FREE)
			return;
		if (purge != GONE)
			next = moved_entry(rows, word, &rows->moves[purge - 1]);
		if (FL_SWAP(*at, word, next))
			return;
	}
	assert(false); /* see ROWS_SWAPS_MAX */
}

static void
purge_bucket(const struct rows *rows, struct fl_flows *flows)
{
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++)
		purge_word(rows, &flows->word[i]);
}

/** What was counted of the old slots is the new ones'. */
static void
move_counts(struct rows *rows, const struct rows_move *move)
{
	for (uint32_t i = 0; i < move->from_count; i++) {
		uint32_t from = move->from_base + i, to = move->to_base + i;

		rows->purge_of[from] = 0;
		if (!is_live(rows, to)) /* there may be fewer of them */
			continue;
		rows->last[to] = rows->last[from];
		rows->next[to] = rows->next[from];
	}
}

void
rows_purge(struct rows *rows)
{
	for (uint32_t bucket = 0; bucket < rows->size.flow_bucket_count; bucket++)
		if (!is_free(&rows->tables->flows[bucket]))
			purge_bucket(rows, &rows->tables->flows[bucket]);
	for (uint32_t i = 0; i < rows->move_count; i++)
		move_counts(rows, &rows->moves[i]);
	rows->move_count = 0;
}

void
rows_forget(struct rows *rows, uint32_t slot_base, uint32_t slot_count)
{
	memset(&rows->last[slot_base], 0, slot_count * sizeof rows->last[0]);
	memset(&rows->next[slot_base], 0, slot_count * sizeof rows->next[0]);
	memset(&rows->purge_of[slot_base], 0, slot_count * sizeof rows->purge_of[0]);
}

void
rows_served(struct rows *rows, struct state_vip *vip, const struct state_vip *before)
{
	for (uint32_t i = 0; before != NULL && i < vip->backend_count; i++) {
		const struct state_backend *same =
			state_find_backend(before, &vip->backends[i].address);

		if (same != NULL)
			vip->backends[i].free_from = same->free_from;
	}
	vip->is_hosts = before != NULL && before->record == vip->record && before->is_hosts;
	vip->row_counts.digest_is_old = true;
	count_vip(rows, vip);
	tell_hosts(rows, vip);
}

void
rows_adopted(struct rows *rows)
{
	const struct state_set *set = &rows->state->set;

	rows_wake(rows);
	for (uint32_t i = 0; i < set->vip_count; i++)
		rows_served(rows, set->vips[i], NULL);
	sweep(rows, ROWS_PASS_TICKS);
}

/* --- what there is --- */

/** Of two tables: the owners, and those before where rows move. */
static uint64_t
digest_rows(const struct rows *rows, const struct state_vip *vip)
{
	const struct state *state = rows->state;
	const struct digest_table table = state_digest_table(state, vip, state->owners);
	uint64_t cur, prev;

	for (uint32_t i = 0; i < vip->row_count; i++)
		state->owners[i] = (uint16_t)fl_row_cur(rows->tables->rows[vip->row_base + i].word);
	cur = digest_vip(&table);
	for (uint32_t i = 0; i < vip->row_count; i++) {
		uint64_t word = rows->tables->rows[vip->row_base + i].word;

		state->owners[i] = fl_row_state(word) == FL_ROW_MOVING ? (uint16_t)fl_row_prev(word)
								       : FL_ROW_NONE;
	}
	prev = digest_vip(&table);
	return cur ^ (prev << 1 | prev >> 63);
}

void
rows_refresh(struct rows *rows)
{
	const struct state_set *set = &rows->state->set;

	rows->digest = 0;
	for (uint32_t i = 0; i < set->vip_count; i++) {
		struct state_vip *vip = set->vips[i];

		if (is_unstable(vip))
			count_vip(rows, vip);
		if (vip->row_counts.digest_is_old)
			vip->row_counts.digest = digest_rows(rows, vip);
		vip->row_counts.digest_is_old = false;
		rows->digest = digest_add(rows->digest, vip->row_counts.digest);
	}
}

uint64_t
rows_set_digest(const struct rows *rows)
{
	return rows->digest;
}

uint32_t
rows_flows(const struct rows *rows, uint32_t slot)
{
	return rows->last[slot].flows;
}

/** Ticks of silence when the last sweep that is through began: every flow that was used until then
 * has been seen by it. Ones that begin later it may have missed. */
static uint64_t
idle_ticks(const struct rows *rows, const struct state_backend *backend,
	   const struct slot_count *count)
{
	uint64_t now = tick_now(rows), since = now - rows->seen_tick, silent = UINT64_MAX;

	if (backend->rows_leaving > 0)
		silent = backend->leaving_ticks;
	if (count->flows > 0 && (uint32_t)now - count->used < silent)
		silent = (uint32_t)now - count->used;
	return silent > since ? silent - since : 0;
}

struct rows_backend
rows_look(const struct rows *rows, const struct state_vip *vip, const struct state_backend *backend)
{
	const struct slot_count *count = &rows->last[vip->slot_base + backend->slot_index];
	struct rows_backend look = { .flows = count->flows };
	bool is_held = backend->rows_leaving > 0 || count->flows > 0;
	uint64_t idle_ms;

	look.is_drained =
		backend->free_from != 0 && rows->passes >= backend->free_from && count->flows == 0;
	if (!look.is_drained && backend->rows == 0 && is_held) {
		idle_ms = rows_ms(idle_ticks(rows, backend, count));
		look.idle_ms = idle_ms < UINT32_MAX ? (uint32_t)idle_ms : UINT32_MAX;
	}
	return look;
}
