/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The rows that a VIP would have on this plane if its former sets of backends had been committed
 * here: for a plane that does not have the VIP yet. Rows move by time and not by traffic, so they
 * are those of every plane that was there (but for rows whose window a full flow table made begin
 * again); what no plane can make up for is the flow table.
 *
 * No packet core is involved. The plane's thread: the state's scratch memory is used.
 */
#ifndef PLANE_REPLAY_H
#define PLANE_REPLAY_H

#include "state.h"
#include "want.h"

/**
 * Replay a VIP's history: T1 to T8 at the age of each set, the timer between them and until now.
 *
 * @param want with a history; the first set of it counts as stable.
 * @param vip the same VIP, with the slot indexes of the present backends.
 * @param ret_rows its row_count words; of them cur is the owner by the present table.
 * @return 0; -EINVAL: a table cannot be built, which want.c has checked.
 */
int replay_rows(struct state *state, const struct want_vip *want, const struct state_vip *vip,
		uint64_t *ret_rows);

#endif
