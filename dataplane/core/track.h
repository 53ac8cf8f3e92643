/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Whose is a packet on a row that is not stable? The packet rules of two-owner rows, S2 to S5, P1
 * to P4, R1, E0: docs/architecture.md, "When a row changes its owner", has the table. They stand on
 * words that other cores and the plane change at the same time; a packet whose word was changed
 * under it is decided once more, then dropped (FL_DROP_ROW_RACE).
 */
#ifndef FL_TRACK_H
#define FL_TRACK_H

#include "flow.h"
#include "packet.h"
#include "row.h"

/** What of a packet matters here: bits of fl_track_flow.segment. */
enum fl_segment {
	FL_SEGMENT_SYN = 1, /**< SYN without ACK, FIN, RST */
	FL_SEGMENT_END = 2, /**< FIN or RST */
	FL_SEGMENT_RST = 4,
	FL_SEGMENT_PAYLOAD = 8,
	FL_SEGMENT_WATCH = 16,	/**< decide only, write nothing */
	FL_SEGMENT_LAST = 64,	/**< the second look: a lost swap is not tried again */
	FL_SEGMENT_BROKEN = 32, /**< its header cannot be read */
};

/** One packet's question, and the answer. */
struct fl_track_flow {
	uint64_t hash;
	uint32_t record;  /**< of its VIP */
	uint32_t segment; /**< enum fl_segment */
	uint32_t slot;	  /**< set with FL_FORWARD */
	uint32_t unused;
};

/** Not a verdict: row or entry changed under the packet. Ask again, with FL_SEGMENT_LAST. */
#define FL_TRACK_AGAIN FL_VERDICT_COUNT

/** Answers inside fl_track() that are not a slot: nobody; look again. */
#define FL_TRACK_NOBODY UINT32_MAX
#define FL_TRACK_LOOK	(UINT32_MAX - 1)

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

/** What fl_track_entry() and fl_track_is_live() stand on. Records are borrowed; NULL: the table has
 * no such index. */
struct fl_slot_access {
	const struct fl_vip *(*vip)(void *user, uint32_t record);
	const struct fl_backend *(*backend)(void *user, uint32_t slot);
};

/** What fl_track_find() and fl_track_victim() stand on; likewise. */
struct fl_flow_access {
	const struct fl_flows *(*flows)(void *user, uint32_t bucket);
	uint32_t (*entry)(void *user, uint64_t word, uint64_t tick); /**< fl_track_entry() */
};

/** What fl_track() stands on; likewise. An entry is named by its word: no place need be known. */
struct fl_track_access {
	const struct fl_config *(*config)(void *user);
	const struct fl_vip *(*vip)(void *user, uint32_t record);
	const struct fl_row *(*row)(void *user, uint32_t index);
	uint64_t (*tick)(void *user);				     /**< struct fl_clock */
	bool (*is_live)(void *user, uint32_t slot);		     /**< fl_track_is_live() */
	uint32_t (*entry)(void *user, uint64_t word, uint64_t tick); /**< fl_track_entry() */
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
	const struct fl_vip_service *service;
	const struct fl_row *row;
	uint32_t row_index;
	uint32_t bucket;
	uint64_t tick;
	uint64_t row_word;
	uint64_t entry; /**< the flow's word: an entry, what is left of one, or 0 */
	uint32_t look;	/**< fl_track_entry() of it; 0: there is none */
};

/* --- what there is --- */

FL_INLINE bool
fl_track_is_live(const struct fl_slot_access *access, void *user, uint32_t slot)
{
	const struct fl_backend *backend = access->backend(user, slot);

	return backend != NULL && fl_link_flags(FL_READ_ONCE(backend->link)) & FL_LINK_LIVE;
}

/** What is known of an entry: idle ticks in the low 24 bits, unit_shift in the highest four, and
 * these. */
enum fl_entry_flag {
	FL_ENTRY_LIVE = 1 << 24,   /**< it counts: E0 */
	FL_ENTRY_CLOSED = 1 << 25, /**< it is so old that, if closing, its tuple may be new */
	FL_ENTRY_MAY_GO = 1 << 26, /**< a new flow may have its place */
	FL_ENTRY_DEAD = 1 << 27,   /**< its slot is */
};

#define FL_ENTRY_IDLE_MASK   0xffffffu
#define FL_ENTRY_SHIFT_SHIFT 28

/**
 * Look at an entry. Its stamp counts in the window of its slot's VIP, which is not the packet's
 * while slots of a former incarnation live.
 * @param word not free.
 */
FL_INLINE uint32_t
fl_track_entry(const struct fl_slot_access *access, void *user, uint64_t word, uint64_t tick)
{
	const struct fl_backend *backend = access->backend(user, fl_flow_slot(word));
	const struct fl_window *window;
	const struct fl_vip *vip;
	uint32_t look, age;

	if (backend == NULL || !(fl_link_flags(FL_READ_ONCE(backend->link)) & FL_LINK_LIVE))
		return FL_ENTRY_DEAD;
	vip = access->vip(user, FL_READ_ONCE(backend->vip));
	if (vip == NULL)
		return FL_ENTRY_DEAD;
	window = &vip->service.window;
	age = fl_flow_age(word, window, tick);
	look = (uint32_t)window->unit_shift << FL_ENTRY_SHIFT_SHIFT |
	       (age << window->unit_shift & FL_ENTRY_IDLE_MASK);
	if (age > window->live_units)
		return look;
	look |= FL_ENTRY_LIVE;
	if (age >= window->closed_units)
		look |= FL_ENTRY_CLOSED;
	if (age >= window->evict_units && fl_flow_state(word) != FL_FLOW_OPEN)
		look |= FL_ENTRY_MAY_GO;
	return look;
}

/** Is it an owner that is dead? FL_ROW_NONE is none. */
FL_INLINE bool
fl_track_is_dead(const struct fl_track *track, uint32_t owner)
{
	return owner != FL_ROW_NONE &&
	       (owner >= track->service->slot_count ||
		!track->access->is_live(track->user, track->service->slot_base + owner));
}

/**
 * The word of the flow: its entry, else what is left of one. E0.
 * @return 0: none.
 */
FL_INLINE uint64_t
fl_track_find(const struct fl_flow_access *access, void *user, const struct fl_flow_place *place)
{
	const struct fl_flows *flows = access->flows(user, place->bucket);
	uint64_t found = 0;
	bool is_live = false;

	if (flows == NULL)
		return 0;
	FL_UNROLL
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t word = FL_READ_ONCE(flows->word[i]);

		if (FL_LIKELY((word & FL_FLOW_FP_MASK) != place->fp) || is_live ||
		    fl_flow_state(word) == FL_FLOW_FREE)
			continue;
		is_live = access->entry(user, word, place->tick) & FL_ENTRY_LIVE;
		found = word;
	}
	return found;
}

/** How willingly a place is given: 0 not at all; else the more the better. */
FL_INLINE uint32_t
fl_track_rank(const struct fl_flow_access *access, void *user, uint64_t word, uint64_t tick)
{
	uint32_t look;

	if (fl_flow_state(word) == FL_FLOW_FREE)
		return UINT32_MAX;
	look = access->entry(user, word, tick);
	if (!(look & FL_ENTRY_LIVE))
		return FL_ENTRY_IDLE_MASK + 1;
	return look & FL_ENTRY_MAY_GO ? look & FL_ENTRY_IDLE_MASK : 0;
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
	for (uint32_t i = 0; i < 8; i++) {
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
	return fl_flow_word(track->flow->hash, track->service->slot_base + owner, state,
			    fl_flow_stamp(&track->service->window, track->tick));
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
		if (old != 0 && track->access->entry(track->user, old, track->tick) & FL_ENTRY_LIVE)
			track->access->count(track->user, track->flow->record, FL_FLOW_EVICTED);
		return FL_TRACK_WRITTEN;
	}
	if (old != FL_FLOW_NO_VICTIM && !(track->flow->segment & FL_SEGMENT_LAST))
		return FL_TRACK_LOST;
	track->access->count(track->user, track->flow->record, FL_FLOW_FAILED);
	return FL_TRACK_FAILED;
}

/** R1: a flow that could not be tracked is on the row's default owner, so the row's window begins
 * again. @return @p slot; FL_TRACK_LOOK. */
FL_INLINE uint32_t
fl_track_extend(const struct fl_track *track, uint32_t slot)
{
	uint32_t ticks = track->service->window.row_ticks;

	if (fl_row_left(track->row_word, track->tick) >= (int32_t)ticks)
		return slot;
	if (!track->access->swap_row(track->user, track->row_index, track->row_word,
				     fl_row_until(track->row_word, track->tick + ticks)))
		return FL_TRACK_LOOK;
	track->access->count(track->user, track->flow->record, FL_FLOW_EXTENDED);
	return slot;
}

/** P4: an entry of another owner than cur is in use, so the row settles longer. @return @p slot;
 * FL_TRACK_LOOK: the row has another state. */
FL_INLINE uint32_t
fl_track_keep(const struct fl_track *track, uint32_t slot)
{
	uint32_t ticks = track->service->window.row_ticks;
	uint32_t unit = 1u << track->service->window.unit_shift;

	if (fl_row_state(track->row_word) != FL_ROW_SETTLING ||
	    slot == track->service->slot_base + fl_row_cur(track->row_word) ||
	    fl_row_left(track->row_word, track->tick) >= (int32_t)ticks)
		return slot;
	if (track->access->swap_row(track->user, track->row_index, track->row_word,
				    fl_row_until(track->row_word, track->tick + ticks + unit)) ||
	    fl_row_state(FL_READ_ONCE(track->row->word)) == FL_ROW_SETTLING)
		return slot;
	return FL_TRACK_LOOK;
}

/** Touch the entry: its stamp, and what the packet makes of its state. Most packets write nothing.
 * @return its slot; FL_TRACK_LOOK. */
FL_INLINE uint32_t
fl_track_touch(const struct fl_track *track, enum fl_flow_state state)
{
	uint8_t stamp = (uint8_t)(track->tick >> (track->look >> FL_ENTRY_SHIFT_SHIFT));
	uint64_t touched = fl_flow_touched(track->entry, state, stamp);
	uint32_t slot = fl_track_keep(track, fl_flow_slot(track->entry));

	/* the row first: where it has become STABLE, no entry of another may look young again */
	if (slot == FL_TRACK_LOOK)
		return slot;
	/* the second time, whoever was faster has touched it */
	if (touched != track->entry && !fl_track_swap(track, track->entry, touched) &&
	    !(track->flow->segment & FL_SEGMENT_LAST))
		return FL_TRACK_LOOK;
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
	const struct fl_window *window = &track->service->window;
	uint32_t cur = fl_row_cur(track->row_word), prev = fl_row_prev(track->row_word);
	bool is_moving = fl_row_state(track->row_word) == FL_ROW_MOVING;
	bool is_holding = is_moving && fl_row_left(track->row_word, track->tick) >
					       (int32_t)(window->row_ticks - window->hold_ticks);
	struct fl_track_owners owners = { .def = is_moving ? prev : cur,
					  .new = is_holding ? prev : cur };

	if (fl_track_is_dead(track, owners.def))
		owners.def = cur;
	if (fl_track_is_dead(track, owners.new))
		owners.new = is_holding || !is_moving ? cur : prev;
	return owners;
}

/** @return the owner's slot; FL_TRACK_NOBODY. */
FL_INLINE uint32_t
fl_track_slot(const struct fl_track *track, uint32_t owner)
{
	return owner == FL_ROW_NONE || fl_track_is_dead(track, owner)
		       ? FL_TRACK_NOBODY
		       : track->service->slot_base + owner;
}

FL_INLINE uint32_t
fl_track_syn(const struct fl_track *track)
{
	struct fl_track_owners owners = fl_track_owners(track);
	uint32_t slot = fl_track_slot(track, owners.new);
	enum fl_track_put put;

	if (track->look & FL_ENTRY_LIVE) {
		if (fl_flow_state(track->entry) != FL_FLOW_CLOSING ||
		    !(track->look & FL_ENTRY_CLOSED)) /* S2 */
			return fl_track_touch(track, fl_flow_state(track->entry) == FL_FLOW_CLOSING
							     ? FL_FLOW_SYN
							     : fl_flow_state(track->entry));
		if (slot == FL_TRACK_NOBODY) /* S3 */
			return slot;
		return fl_track_swap(track, track->entry,
				     fl_track_new_entry(track, owners.new, FL_FLOW_SYN))
			       ? slot
			       : FL_TRACK_LOOK;
	}
	if (fl_row_state(track->row_word) == FL_ROW_SETTLING) { /* S5 */
		if (track->look & FL_ENTRY_DEAD && slot != FL_TRACK_NOBODY)
			(void)fl_track_swap(track, track->entry,
					    fl_track_new_entry(track, owners.new, FL_FLOW_SYN));
		return slot;
	}
	if (slot == FL_TRACK_NOBODY)
		return slot;
	put = fl_track_insert(track, owners.new, FL_FLOW_SYN); /* S4 */
	if (put != FL_TRACK_FAILED)
		return put == FL_TRACK_WRITTEN ? slot : FL_TRACK_LOOK;
	slot = fl_track_slot(track, owners.def);
	return slot == FL_TRACK_NOBODY ? slot : fl_track_extend(track, slot);
}

/** A packet that is no SYN, of a flow without an entry. */
FL_INLINE uint32_t
fl_track_unknown(const struct fl_track *track)
{
	uint32_t owner = fl_track_owners(track).def;
	uint32_t slot = fl_track_slot(track, owner);
	enum fl_track_put put;

	if (slot == FL_TRACK_NOBODY || fl_row_state(track->row_word) != FL_ROW_MOVING ||
	    track->flow->segment & (FL_SEGMENT_RST | FL_SEGMENT_WATCH)) /* P3 */
		return slot;
	put = fl_track_insert(track, owner,
			      track->flow->segment & FL_SEGMENT_END ? FL_FLOW_CLOSING
								    : FL_FLOW_OPEN); /* P2 */
	if (put == FL_TRACK_LOST)
		return FL_TRACK_LOOK;
	return put == FL_TRACK_WRITTEN ? slot : fl_track_extend(track, slot);
}

/** A packet that is no SYN, of a flow with an entry: P1. */
FL_INLINE uint32_t
fl_track_known(const struct fl_track *track)
{
	enum fl_flow_state state = fl_flow_state(track->entry);

	if (track->flow->segment & FL_SEGMENT_WATCH)
		return fl_flow_slot(track->entry);
	if (track->flow->segment & FL_SEGMENT_END)
		state = FL_FLOW_CLOSING;
	else if (state == FL_FLOW_SYN || track->flow->segment & FL_SEGMENT_PAYLOAD ||
		 track->look & FL_ENTRY_CLOSED)
		state = FL_FLOW_OPEN;
	return fl_track_touch(track, state);
}

/** By the state of the row. @return a slot or a FL_TRACK_ constant. */
FL_INLINE uint32_t
fl_track_row(struct fl_track *track)
{
	track->row_word = FL_READ_ONCE(track->row->word);
	if (fl_row_state(track->row_word) == FL_ROW_STABLE)
		return fl_track_slot(track, fl_row_cur(track->row_word));
	track->tick = track->access->tick(track->user);
	track->entry = track->access->find(track->user, track->bucket,
					   fl_flow_fp(track->flow->hash), track->tick);
	track->look = track->entry == 0
			      ? 0
			      : track->access->entry(track->user, track->entry, track->tick);
	if (track->flow->segment & FL_SEGMENT_SYN)
		return fl_track_syn(track);
	return track->look & FL_ENTRY_LIVE ? fl_track_known(track) : fl_track_unknown(track);
}

/** The row and the bucket of the flow. @return false: the tables do not have them. */
FL_INLINE bool
fl_track_begin(struct fl_track *track)
{
	const struct fl_vip *vip = track->access->vip(track->user, track->flow->record);
	const struct fl_config *config = track->access->config(track->user);

	if (vip == NULL || config == NULL)
		return false;
	track->service = &vip->service;
	track->row_index =
		vip->service.row_base + fl_row_index(track->flow->hash, vip->service.row_count);
	track->row = track->access->row(track->user, track->row_index);
	track->bucket = fl_flow_bucket(track->flow->hash, config->flow_bucket_mask);
	return track->row != NULL;
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
	if (answer != FL_TRACK_LOOK) {
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
