/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Whose is a packet on a row that is not stable? The packet rules of two-owner rows, S2 to S5, P1
 * to P4, R1, E0: docs/architecture.md, "When a row changes its owner", has the table. They stand on
 * words that other cores and the plane change at the same time: a packet whose word was changed
 * under it is decided once more (fl_choose_tracked()). If that happens again, an insertion counts
 * as failed, and whatever else was to be written drops the packet (FL_DROP_ROW_RACE), but for what
 * only prolongs a window that somebody else has prolonged by then (S5, P4 without another state).
 */
#ifndef FL_TRACK_H
#define FL_TRACK_H

#include "flow.h"
#include "packet.h"
#include "row.h"

/** What of a packet matters here, and how it is asked: bits of fl_track_flow.segment. */
enum fl_segment {
	/* of the packet */
	FL_SEGMENT_SYN = 1, /**< SYN without ACK, FIN, RST */
	FL_SEGMENT_END = 2, /**< FIN or RST */
	FL_SEGMENT_RST = 4,
	FL_SEGMENT_PAYLOAD = 8,
	FL_SEGMENT_BROKEN = 16, /**< its header, which the parser saw, cannot be read */
	/* of the question */
	FL_SEGMENT_WATCH = 32, /**< decide only, write nothing */
	FL_SEGMENT_LAST = 64,  /**< asked again: see above */
};

/** One packet's question, and the answer. */
struct fl_track_flow {
	uint64_t hash;
	uint32_t record;  /**< of its VIP */
	uint32_t segment; /**< enum fl_segment */
	uint32_t slot;	  /**< set with FL_FORWARD */
	uint32_t unused;  /**< no hole: the BPF program's stack is set whole */
};

/** Not a verdict: row or entry changed under the packet. Ask again, with FL_SEGMENT_LAST. */
#define FL_TRACK_AGAIN FL_VERDICT_COUNT

/** Answers inside fl_track() that are not a slot: nobody; ask again, or drop. */
#define FL_TRACK_NOBODY UINT32_MAX
#define FL_TRACK_RETRY	(UINT32_MAX - 1)

/** What happens to flows besides: a member each of struct fl_flow_counter. */
enum fl_flow_event { FL_FLOW_FAILED, FL_FLOW_EVICTED, FL_FLOW_EXTENDED, FL_FLOW_RACED };

FL_INLINE void
fl_flow_count(struct fl_flow_counter *counter, enum fl_flow_event event)
{
	counter->failed += event == FL_FLOW_FAILED;
	counter->evicted += event == FL_FLOW_EVICTED;
	counter->extended += event == FL_FLOW_EXTENDED;
	counter->raced += event == FL_FLOW_RACED;
}

/** Add what a packet core counts to a sum. */
FL_INLINE void
fl_flow_add(struct fl_flow_counter *sum, const struct fl_flow_counter *counter)
{
	sum->failed += FL_READ_ONCE(counter->failed);
	sum->evicted += FL_READ_ONCE(counter->evicted);
	sum->extended += FL_READ_ONCE(counter->extended);
	sum->raced += FL_READ_ONCE(counter->raced);
}

/** What fl_entry_facts() and fl_track_is_live() stand on. Records are borrowed; NULL: the table has
 * no such index. */
struct fl_slot_access {
	const struct fl_vip *(*vip)(void *user, uint32_t record);
	const struct fl_backend *(*backend)(void *user, uint32_t slot);
};

/** What fl_track_find() and fl_track_victim() stand on; likewise. */
struct fl_flow_access {
	const struct fl_flows *(*flows)(void *user, uint32_t bucket);
	uint32_t (*facts)(void *user, uint64_t word, uint64_t tick); /**< fl_entry_facts() */
};

/** What fl_track() stands on; likewise. An entry is named by its word: no place need be known. */
struct fl_track_access {
	const struct fl_config *(*config)(void *user);
	const struct fl_vip *(*vip)(void *user, uint32_t record);
	const struct fl_row *(*row)(void *user, uint32_t index);
	uint64_t (*tick)(void *user);				     /**< struct fl_clock */
	bool (*is_live)(void *user, uint32_t slot);		     /**< fl_track_is_live() */
	uint32_t (*facts)(void *user, uint64_t word, uint64_t tick); /**< fl_entry_facts() */
	/** fl_track_find(), fl_track_victim(). */
	uint64_t (*find)(void *user, uint32_t bucket, uint64_t fp, uint64_t tick);
	uint64_t (*victim)(void *user, uint32_t bucket, uint64_t tick);
	/** FL_SWAP() of a row's word; of a bucket's word that is @p expected. */
	bool (*swap_row)(void *user, uint32_t index, uint64_t expected, uint64_t desired);
	bool (*swap_flow)(void *user, uint32_t bucket, uint64_t expected, uint64_t desired);
	/** fl_flow_count() in the calling core's counters of the VIP. */
	void (*count)(void *user, uint32_t record, enum fl_flow_event event);
};

/** One look at row and bucket. */
struct fl_track {
	const struct fl_track_access *access;
	void *user;
	const struct fl_track_flow *flow;
	/** Of the VIP. Copied: no pointer into a table is alive over the calls that follow, so that
	 * the BPF program spills none. To a loader without CAP_PERFMON a slot of the stack that
	 * held one is a pointer's for ever. */
	struct fl_window window;
	uint32_t slot_base;
	uint32_t slot_count;
	uint32_t row_index;
	uint32_t bucket;
	uint64_t tick;
	uint64_t row_word;
	uint64_t entry; /**< the flow's word: an entry, what is left of one, or 0 */
	uint32_t facts; /**< fl_entry_facts() of it; 0: there is none */
};

/* --- what there is --- */

FL_INLINE bool
fl_track_is_live(const struct fl_slot_access *access, void *user, uint32_t slot)
{
	return fl_backend_is_live(access->backend(user, slot));
}

/** What is known of an entry: idle ticks in the low 24 bits, unit_shift in the highest four, and
 * these. */
enum fl_entry_flag {
	FL_ENTRY_LIVE = 1 << 24,   /**< it counts: E0 */
	FL_ENTRY_CLOSED = 1 << 25, /**< it is so old that, if closing, its tuple may be new */
	FL_ENTRY_MAY_GO = 1 << 26, /**< a new flow may have its place */
	FL_ENTRY_DEAD = 1 << 27,   /**< its slot is */
};

#define FL_ENTRY_IDLE_MASK 0xffffffu
#define FL_ENTRY_UNIT_BIT  28

/**
 * Look at an entry. Its stamp counts in the window of its slot's VIP, which is not the packet's
 * while slots of a former incarnation live.
 * @param word not free.
 */
FL_INLINE uint32_t
fl_entry_facts(const struct fl_slot_access *access, void *user, uint64_t word, uint64_t tick)
{
	const struct fl_backend *backend = access->backend(user, fl_flow_slot(word));
	const struct fl_window *window;
	const struct fl_vip *vip;
	uint32_t facts, age;

	if (!fl_backend_is_live(backend))
		return FL_ENTRY_DEAD;
	vip = access->vip(user, FL_READ_ONCE(backend->vip));
	if (vip == NULL)
		return FL_ENTRY_DEAD;
	window = &vip->service.window;
	age = fl_flow_age(word, window, tick);
	facts = (uint32_t)window->unit_shift << FL_ENTRY_UNIT_BIT |
		(age << window->unit_shift & FL_ENTRY_IDLE_MASK);
	if (age > window->live_units)
		return facts;
	facts |= FL_ENTRY_LIVE;
	if (age >= window->closed_units)
		facts |= FL_ENTRY_CLOSED;
	if (age >= window->evict_units && fl_flow_state(word) != FL_FLOW_OPEN)
		facts |= FL_ENTRY_MAY_GO;
	return facts;
}

/** Is it an owner that is dead? FL_ROW_NONE is none. */
FL_INLINE bool
fl_track_is_dead(const struct fl_track *track, uint32_t owner)
{
	return owner != FL_ROW_NONE &&
	       (owner >= track->slot_count ||
		!track->access->is_live(track->user, track->slot_base + owner));
}

/** fl_track_find() where several words have the fingerprint: the first that counts. */
FL_INLINE uint64_t
fl_track_first(const struct fl_flow_access *access, void *user, const struct fl_flow_place *place,
	       const struct fl_flows *flows)
{
	uint64_t found = 0;
	bool is_live = false;

	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++) {
		uint64_t word = FL_READ_ONCE(flows->word[i]);

		if (!fl_flow_has(word, place->fp) || is_live || fl_flow_state(word) == FL_FLOW_FREE)
			continue;
		is_live = access->facts(user, word, place->tick) & FL_ENTRY_LIVE;
		found = word;
	}
	return found;
}

/**
 * The word of the flow: its entry, else what is left of one. E0. Without a branch among the
 * words, since which of them it is cannot be predicted.
 * @return 0: none.
 */
FL_INLINE uint64_t
fl_track_find(const struct fl_flow_access *access, void *user, const struct fl_flow_place *place)
{
	const struct fl_flows *flows = access->flows(user, place->bucket);
	uint64_t found = 0, count = 0;

	if (flows == NULL)
		return 0;
	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++) {
		uint64_t word = FL_READ_ONCE(flows->word[i]);
		uint64_t has = fl_flow_has(word, place->fp);

		count -= has;
		found |= word & has;
		FL_IN_TURN(found);
		FL_IN_TURN(count);
	}
	if (FL_UNLIKELY(count > 1))
		return fl_track_first(access, user, place, flows);
	return fl_flow_state(found) == FL_FLOW_FREE ? 0 : found;
}

/** How willingly a place is given: 0 not at all; else the more the better. */
FL_INLINE uint32_t
fl_track_rank(const struct fl_flow_access *access, void *user, uint64_t word, uint64_t tick)
{
	uint32_t facts;

	if (fl_flow_state(word) == FL_FLOW_FREE)
		return UINT32_MAX;
	facts = access->facts(user, word, tick);
	if (!(facts & FL_ENTRY_LIVE))
		return FL_ENTRY_IDLE_MASK + 1;
	return facts & FL_ENTRY_MAY_GO ? facts & FL_ENTRY_IDLE_MASK : 0;
}

/**
 * Whose place a new entry may have: a free one's (0) first, then one that counts no more, then the
 * oldest that may go.
 * @return FL_FLOW_NO_VICTIM: nobody's.
 */
FL_INLINE uint64_t
fl_track_victim(const struct fl_flow_access *access, void *user, const struct fl_flow_place *place)
{
	const struct fl_flows *flows = access->flows(user, place->bucket);
	uint64_t victim = FL_FLOW_NO_VICTIM;
	uint32_t best = 0;

	if (flows == NULL)
		return victim;
	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++) {
		uint64_t word = FL_READ_ONCE(flows->word[i]);
		uint32_t rank = fl_track_rank(access, user, word, place->tick);

		if (rank > best) {
			best = rank;
			victim = word;
		}
	}
	return victim;
}

/* --- what is written --- */

FL_INLINE bool
fl_track_swap(const struct fl_track *track, uint64_t expected, uint64_t desired)
{
	return track->access->swap_flow(track->user, track->bucket, expected, desired);
}

FL_INLINE uint64_t
fl_track_new_entry(const struct fl_track *track, uint32_t owner, enum fl_flow_state state)
{
	return fl_flow_word(track->flow->hash, track->slot_base + owner, state,
			    fl_flow_stamp(&track->window, track->tick));
}

/** What became of an insertion. */
enum fl_track_put { FL_TRACK_WRITTEN, FL_TRACK_FAILED, FL_TRACK_LOST };

/** In the place of what is left of an entry of the flow, where there is something. */
FL_INLINE enum fl_track_put
fl_track_insert(const struct fl_track *track, uint32_t owner, enum fl_flow_state state)
{
	uint64_t old = track->entry;

	if (old == 0)
		old = track->access->victim(track->user, track->bucket, track->tick);
	if (old != FL_FLOW_NO_VICTIM &&
	    fl_track_swap(track, old, fl_track_new_entry(track, owner, state))) {
		if (old != 0 && track->access->facts(track->user, old, track->tick) & FL_ENTRY_LIVE)
			track->access->count(track->user, track->flow->record, FL_FLOW_EVICTED);
		return FL_TRACK_WRITTEN;
	}
	return old != FL_FLOW_NO_VICTIM && !(track->flow->segment & FL_SEGMENT_LAST)
		       ? FL_TRACK_LOST
		       : FL_TRACK_FAILED;
}

/** Has the row a whole window before it? Then it need not be prolonged. */
FL_INLINE bool
fl_track_is_fresh(const struct fl_track *track)
{
	return fl_row_left(track->row_word, track->tick) >= (int32_t)track->window.row_ticks;
}

/** Let the row's window begin again, and last @p more ticks longer. @return false: lost. */
FL_INLINE bool
fl_track_prolong(const struct fl_track *track, uint32_t more)
{
	uint64_t until = track->tick + track->window.row_ticks + more;

	return track->access->swap_row(track->user, track->row_index, track->row_word,
				       fl_row_until(track->row_word, until));
}

/** R1: a flow that could not be tracked is on the row's default owner. @return @p slot;
 * FL_TRACK_RETRY. */
FL_INLINE uint32_t
fl_track_prolong_moving(const struct fl_track *track, uint32_t slot)
{
	if (slot == FL_TRACK_NOBODY || fl_track_is_fresh(track))
		return slot;
	if (!fl_track_prolong(track, 0))
		return FL_TRACK_RETRY;
	track->access->count(track->user, track->flow->record, FL_FLOW_EXTENDED);
	return slot;
}

/** The row, once more. A table that lacks it says STABLE. */
FL_INLINE uint64_t
fl_track_read_row(const struct fl_track *track)
{
	const struct fl_row *row = track->access->row(track->user, track->row_index);

	return row == NULL ? 0 : FL_READ_ONCE(row->word);
}

/** P4: an entry of another owner than cur is in use. A lost swap does not matter, unless the row
 * has another state. @return @p slot; FL_TRACK_RETRY. */
FL_INLINE uint32_t
fl_track_prolong_settling(const struct fl_track *track, uint32_t slot)
{
	if (fl_row_state(track->row_word) != FL_ROW_SETTLING ||
	    slot == track->slot_base + fl_row_cur(track->row_word) || fl_track_is_fresh(track))
		return slot;
	if (fl_track_prolong(track, 1u << track->window.unit_shift) ||
	    fl_row_state(fl_track_read_row(track)) == FL_ROW_SETTLING)
		return slot;
	return FL_TRACK_RETRY;
}

/** Touch the entry: its stamp, and what the packet makes of its state. Most packets write nothing.
 * @return its slot; FL_TRACK_RETRY. */
FL_INLINE uint32_t
fl_track_touch(const struct fl_track *track, enum fl_flow_state state)
{
	uint8_t stamp = (uint8_t)(track->tick >> (track->facts >> FL_ENTRY_UNIT_BIT));
	uint64_t touched = fl_flow_touched(track->entry, state, stamp);
	uint32_t slot = fl_track_prolong_settling(track, fl_flow_slot(track->entry));

	/* the row first: where it has become STABLE, no entry of another may look young again */
	if (slot == FL_TRACK_RETRY)
		return slot;
	if (touched != track->entry && !fl_track_swap(track, track->entry, touched))
		return FL_TRACK_RETRY;
	return slot;
}

/* --- the rules --- */

/** Where a flow without an entry goes, and where a new one goes. */
struct fl_track_owners {
	uint32_t def;
	uint32_t new;
};

FL_INLINE struct fl_track_owners
fl_track_owners(const struct fl_track *track)
{
	const struct fl_window *window = &track->window;
	uint32_t cur = fl_row_cur(track->row_word), prev = fl_row_prev(track->row_word);
	bool is_moving = fl_row_state(track->row_word) == FL_ROW_MOVING;
	bool is_holding = is_moving && fl_row_left(track->row_word, track->tick) >
					       (int32_t)(window->row_ticks - window->hold_ticks);
	struct fl_track_owners owners = { .def = is_moving ? prev : cur,
					  .new = is_holding ? prev : cur };

	if (fl_track_is_dead(track, owners.def))
		owners.def = cur;
	if (fl_track_is_dead(track, owners.new))
		owners.new = is_holding ? cur : prev;
	return owners;
}

/** @return the owner's slot; FL_TRACK_NOBODY. */
FL_INLINE uint32_t
fl_track_slot(const struct fl_track *track, uint32_t owner)
{
	return owner == FL_ROW_NONE || fl_track_is_dead(track, owner) ? FL_TRACK_NOBODY
								      : track->slot_base + owner;
}

/** A SYN of a flow with an entry: S2, S3. */
FL_INLINE uint32_t
fl_track_syn_known(const struct fl_track *track)
{
	enum fl_flow_state state = fl_flow_state(track->entry);
	uint32_t owner, slot;

	if (state != FL_FLOW_CLOSING) /* S2 */
		return fl_track_touch(track, state);
	if (!(track->facts & FL_ENTRY_CLOSED)) /* S2 */
		return fl_track_touch(track, FL_FLOW_SYN);
	owner = fl_track_owners(track).new;
	slot = fl_track_slot(track, owner);
	if (slot == FL_TRACK_NOBODY ||
	    fl_track_swap(track, track->entry, fl_track_new_entry(track, owner, FL_FLOW_SYN)))
		return slot; /* S3 */
	return FL_TRACK_RETRY;
}

/** S4, P2: pin a flow to @p owner, which is live. Where it cannot be, it is the default owner's,
 * untracked: R1. */
FL_INLINE uint32_t
fl_track_pin(const struct fl_track *track, uint32_t owner, enum fl_flow_state state)
{
	enum fl_track_put put = fl_track_insert(track, owner, state);
	uint32_t slot;

	if (put == FL_TRACK_LOST)
		return FL_TRACK_RETRY;
	if (put == FL_TRACK_WRITTEN)
		return track->slot_base + owner;
	slot = fl_track_prolong_moving(track, fl_track_slot(track, fl_track_owners(track).def));
	if (slot != FL_TRACK_RETRY)
		track->access->count(track->user, track->flow->record, FL_FLOW_FAILED);
	return slot;
}

/** A SYN of a flow without an entry: S4, S5. */
FL_INLINE uint32_t
fl_track_syn_unknown(const struct fl_track *track)
{
	uint32_t owner = fl_track_owners(track).new;
	uint32_t slot = fl_track_slot(track, owner);

	if (slot == FL_TRACK_NOBODY)
		return slot;
	if (fl_row_state(track->row_word) == FL_ROW_MOVING) /* S4 */
		return fl_track_pin(track, owner, FL_FLOW_SYN);
	if (track->facts & FL_ENTRY_DEAD) /* S5 */
		(void)fl_track_swap(track, track->entry,
				    fl_track_new_entry(track, owner, FL_FLOW_SYN));
	return slot;
}

/** Another packet of a flow with an entry: P1. */
FL_INLINE uint32_t
fl_track_known(const struct fl_track *track)
{
	enum fl_flow_state state = fl_flow_state(track->entry);

	if (track->flow->segment & FL_SEGMENT_END)
		state = FL_FLOW_CLOSING;
	else if (state == FL_FLOW_SYN || track->flow->segment & FL_SEGMENT_PAYLOAD ||
		 track->facts & FL_ENTRY_CLOSED)
		state = FL_FLOW_OPEN;
	return fl_track_touch(track, state);
}

/** Another packet of a flow without an entry: P2, P3. */
FL_INLINE uint32_t
fl_track_unknown(const struct fl_track *track)
{
	uint32_t owner = fl_track_owners(track).def;
	uint32_t slot = fl_track_slot(track, owner);

	if (slot == FL_TRACK_NOBODY || fl_row_state(track->row_word) != FL_ROW_MOVING ||
	    track->flow->segment & FL_SEGMENT_RST) /* P3 */
		return slot;
	return fl_track_pin(track, owner,
			    track->flow->segment & FL_SEGMENT_END ? FL_FLOW_CLOSING : FL_FLOW_OPEN);
}

/** The same decision, without a trace. */
FL_INLINE uint32_t
fl_track_watch(const struct fl_track *track)
{
	bool is_syn = track->flow->segment & FL_SEGMENT_SYN;
	bool is_closed =
		fl_flow_state(track->entry) == FL_FLOW_CLOSING && track->facts & FL_ENTRY_CLOSED;
	bool is_new = is_syn && is_closed; /* S3 */
	struct fl_track_owners owners;

	if (track->facts & FL_ENTRY_LIVE && !is_new)
		return fl_flow_slot(track->entry);
	owners = fl_track_owners(track);
	return fl_track_slot(track, is_syn ? owners.new : owners.def);
}

/** By the state of the row. @return a slot or a FL_TRACK_ constant. */
FL_INLINE uint32_t
fl_track_row(struct fl_track *track)
{
	if (fl_row_state(track->row_word) == FL_ROW_STABLE)
		return fl_track_slot(track, fl_row_cur(track->row_word));
	track->tick = track->access->tick(track->user);
	track->entry = track->access->find(track->user, track->bucket,
					   fl_flow_fp(track->flow->hash), track->tick);
	track->facts = track->entry == 0
			       ? 0
			       : track->access->facts(track->user, track->entry, track->tick);
	if (track->flow->segment & FL_SEGMENT_WATCH)
		return fl_track_watch(track);
	if (track->flow->segment & FL_SEGMENT_SYN)
		return track->facts & FL_ENTRY_LIVE ? fl_track_syn_known(track)
						    : fl_track_syn_unknown(track);
	return track->facts & FL_ENTRY_LIVE ? fl_track_known(track) : fl_track_unknown(track);
}

/** The row and the bucket of the flow. @return false: the tables do not have them. */
FL_INLINE bool
fl_track_begin(struct fl_track *track)
{
	const struct fl_config *config = track->access->config(track->user);
	const struct fl_vip *vip;
	const struct fl_row *row;

	if (config == NULL)
		return false;
	track->bucket = fl_flow_bucket(track->flow->hash, config->flow_bucket_mask);
	vip = track->access->vip(track->user, track->flow->record);
	if (vip == NULL)
		return false;
	track->window = vip->service.window;
	track->slot_base = vip->service.slot_base;
	track->slot_count = vip->service.slot_count;
	track->row_index =
		vip->service.row_base + fl_row_index(track->flow->hash, vip->service.row_count);
	row = track->access->row(track->user, track->row_index);
	if (row == NULL)
		return false;
	track->row_word = FL_READ_ONCE(row->word);
	return true;
}

/**
 * Decide about a packet on a row that owners do not answer for.
 * @return FL_FORWARD: flow->slot is set; FL_DROP_NO_BACKEND, FL_DROP_ROW_RACE, FL_DROP_BUG;
 * FL_TRACK_AGAIN, but not to FL_SEGMENT_LAST.
 */
FL_INLINE enum fl_verdict
fl_track(const struct fl_track_access *access, void *user, struct fl_track_flow *flow)
{
	struct fl_track track = { .access = access, .user = user, .flow = flow };
	uint32_t answer;

	if (flow->segment & FL_SEGMENT_BROKEN || !fl_track_begin(&track))
		return FL_DROP_BUG;
	answer = fl_track_row(&track);
	if (answer == FL_TRACK_NOBODY)
		return FL_DROP_NO_BACKEND;
	if (answer != FL_TRACK_RETRY) {
		flow->slot = answer;
		return FL_FORWARD;
	}
	if (!(flow->segment & FL_SEGMENT_LAST))
		return (enum fl_verdict)FL_TRACK_AGAIN;
	access->count(user, flow->record, FL_FLOW_RACED);
	return FL_DROP_ROW_RACE;
}

/**
 * What a packet that has ports, or that is an echo request, is here. An ICMP error about a flow and
 * what has no ports of its own leave no trace.
 * @param frame that the packet was parsed from.
 */
FL_INLINE uint32_t
fl_segment(const struct fl_frame *frame, const struct fl_packet *packet)
{
	uint32_t segment = 0, header_bytes;
	struct fl_wire_tcp_flags tcp;

	if (packet->shape != FL_SHAPE_FLOW && packet->shape != FL_SHAPE_FIRST)
		return FL_SEGMENT_WATCH;
	if (packet->ip_proto != FL_IPPROTO_TCP)
		return 0;
	if (!fl_load(frame, (uint32_t)packet->l2_bytes + packet->l4_offset + FL_TCP_FLAGS_OFFSET,
		     &tcp, sizeof tcp))
		return FL_SEGMENT_BROKEN; /* the parser saw 20 bytes */
	header_bytes = (uint32_t)(tcp.offset_words >> 4) * 4;
	if ((tcp.flags & (FL_TCP_SYN | FL_TCP_ACK | FL_TCP_FIN | FL_TCP_RST)) == FL_TCP_SYN)
		segment |= FL_SEGMENT_SYN;
	if (tcp.flags & (FL_TCP_FIN | FL_TCP_RST))
		segment |= FL_SEGMENT_END;
	if (tcp.flags & FL_TCP_RST)
		segment |= FL_SEGMENT_RST;
	if (packet->l3_bytes > packet->l4_offset + header_bytes)
		segment |= FL_SEGMENT_PAYLOAD;
	return segment;
}

#endif
