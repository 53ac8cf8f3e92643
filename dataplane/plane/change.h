/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A change of the served state: prepared (validated, built, everything reserved, nothing changed),
 * then committed or dropped.
 *
 *     change_create() -> change_add_part()... -> change_build() -> change_commit() ->
 * change_destroy()
 *
 * change_destroy() at any point before the commit gives everything back and leaves the tables as
 * they were, to the byte. One thread; one change at a time.
 */
#ifndef PLANE_CHANGE_H
#define PLANE_CHANGE_H

#include "state.h"
#include "want.h"

enum change_kind { CHANGE_ADDED, CHANGE_CHANGED, CHANGE_REMOVED, CHANGE_SAME };

/** Where the VIP's next incarnation is. */
enum change_place {
	CHANGE_ANEW,	    /**< it has rows and slots of its own, if there is one */
	CHANGE_MOVES_SLOTS, /**< in the old one's rows; in other slots, of the same indexes */
	CHANGE_IN_PLACE,    /**< in the old one's rows and slots */
};

/** What becomes of one VIP that the change names (or, when it is full, does not name). */
struct change_item {
	enum change_kind kind;
	const struct want_vip *want; /**< NULL: not named in a full change */
	struct state_vip *old;	     /**< NULL when added */
	struct state_vip *new;	     /**< NULL when removed or the same */
	uint32_t next_index;	     /**< of `new` in the next set */
	enum change_place place;
	bool has_rows; /**< reserved for new, to be given back when dropped */
	bool has_slots;
	bool is_tight;	       /**< new got fewer slots than change_slots_roomy() */
	bool is_repair;	       /**< what is wanted is what old has, but old is adopted */
	uint16_t *owners;      /**< of new's rows: slot indexes */
	uint64_t *words;       /**< of new's rows by its history, see replay.h; NULL: all stable */
	uint32_t rows_moved;   /**< rows whose owner changes; nobody is an owner too */
	uint32_t rows_minimum; /**< what any table would have to move */
	uint32_t flows_cut;    /**< tracked flows of backends that the change makes dead */
};

/** A record that the next set does not have. */
struct change_drop {
	struct fl_vip_key key;
	uint32_t record;
};

struct change {
	struct state *state;
	struct want want;
	bool built;
	struct change_item *items; /**< by endpoint */
	uint32_t item_count;
	struct state_set next;
	/** Records to write and publish: VIPs, then the pages of an address, then the address. */
	struct fl_vip *puts;
	uint32_t *put_records;
	uint32_t put_count;
	/** Records to retire: pages and addresses, then VIPs. One whose key is put too is replaced.
	 */
	struct change_drop *drops;
	uint32_t drop_count;
	bool lacks_records;	    /**< there are not enough for all puts */
	struct fl_vip_key *removed; /**< keys that no record has any more */
	uint32_t removed_count;
	uint64_t lengths[2]; /**< of the served and the next set */
};

/** @return 0; -ENOMEM. */
int change_create(struct state *state, struct change **ret_change);

/** Drop it, if it was not committed. NULL is fine. */
void change_destroy(struct change *change);

/** @return 0; -EINVAL: the errors say why; -ENOMEM. After an error only change_destroy() may
 * follow. */
int change_add_part(struct change *change, const cJSON *params, struct json_errors *errors);

/** Build what the parts ask for; change->next is what will be served. Returns as change_add_part().
 */
int change_build(struct change *change, struct json_errors *errors);

/**
 * Apply a built change: returns when every packet core has passed it.
 * @return 0; or the engine's negative errno, and nothing has changed.
 */
int change_commit(struct change *change);

/** "added", "changed", "removed" or "same". */
const char *change_name(const struct change_item *item);

/**
 * Make the records of addresses in the tables what the served VIPs need, and retire others: after
 * an adoption.
 * @param drops records that nobody can reach. @return 0; -EBADMSG: what is served breaks a limit;
 * -ENOMEM; the engine's errno.
 */
int change_repair(struct state *state, const struct change_drop *drops, uint32_t drop_count);

/* --- between change.c and change_*.c --- */

/** The checks that need served and wanted VIPs, and change_find_addresses(). @return 0; -EINVAL;
 * -ENOMEM. */
int change_check(struct change *change, struct json_errors *errors);

/** The addresses of change->next (their records come with change_plan_records()), and the prefix
 * lengths. @return 0; -EINVAL: too many lengths. */
int change_find_addresses(struct change *change, struct json_errors *errors);

/** The VIP of the change that change->next.vips[i] is, NULL: it stays as it is. @param cursor
 * change->items at first, for ascending i. */
const struct change_item *
change_item_of(const struct change *change, uint32_t i, const struct change_item **cursor);

/** Make item->new with its backends and their slot indexes. @return 0; -ENOMEM; -EINVAL. */
int change_plan_vip(struct change *change, struct change_item *item, struct json_errors *errors);

/** Slot indexes that a new range must have for the VIP: one above the highest that is in use, those
 * of backends that leave too. */
uint32_t change_slots_least(const struct change_item *item);

/** Slots that a new range should have: with room for as many backends again and
 * STATE_SPARE_SLOTS, so that changes fit in place. */
uint32_t change_slots_roomy(const struct change_item *item);

/** Find out which records the next set needs: puts and drops. Their ranges are taken. @return 0;
 * -EINVAL. */
int change_plan_records(struct change *change, struct json_errors *errors);

/** Take ranges for every new incarnation and records, and draw up the VIP buckets. @return 0;
 * -EINVAL; -ENOMEM. */
int change_reserve(struct change *change, struct json_errors *errors);

/** Build the table of item->new, if there is one, and count what moves. @return 0; -ENOMEM;
 * -EINVAL. */
int change_fill_vip(struct change *change, struct change_item *item, struct json_errors *errors);

#endif
