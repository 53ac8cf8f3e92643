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

/** What becomes of one VIP that the change names (or, when it is full, does not name). */
struct change_item {
	enum change_kind kind;
	const struct want_vip *want; /**< NULL: not named in a full change */
	struct state_vip *old;	     /**< NULL when added */
	struct state_vip *new;	     /**< NULL when removed or the same */
	uint32_t next_index;	     /**< of `new` in the next set */
	bool in_place;		     /**< new has the ranges and the record of old */
	bool has_record;	     /**< reserved for new, to be given back when dropped */
	bool has_rows;
	bool has_slots;
	uint16_t *owners;      /**< of new's rows: slot indexes */
	uint32_t rows_moved;   /**< rows whose owner changes; nobody is an owner too */
	uint32_t rows_minimum; /**< what any table would have to move */
};

struct change {
	struct state *state;
	struct want want;
	bool built;
	struct change_item *items; /**< by endpoint */
	uint32_t item_count;
	struct state_set next;
	uint32_t new_address_count; /**< of next.addresses, marked by fresh */
	bool *fresh;		    /**< by index in next.addresses: its record was taken for it */
	struct fl_vip_key *added;   /**< what the engine is told */
	uint32_t added_count;
	struct fl_vip_key *removed;
	uint32_t removed_count;
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

const char *change_kind_name(enum change_kind kind);

/* --- between change.c, change_reserve.c and change_build.c --- */

/** Make item->new with its backends and their slot indexes. @return 0; -ENOMEM. */
int change_plan_vip(struct change *change, struct change_item *item);

/** Take ranges and records for every new incarnation, and draw up the VIP buckets. @return 0;
 * -EINVAL; -ENOMEM. */
int change_reserve(struct change *change, struct json_errors *errors);

/** Build the table of item->new, if there is one, and count what moves. @return 0; -ENOMEM;
 * -EINVAL. */
int change_fill_vip(struct change *change, struct change_item *item, struct json_errors *errors);

#endif
