/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the daemon does by itself, looked at every KEEPER_TICK_MS: backends that are leaving are
 * dropped when every plane says that they are drained, and ramps take their steps. Both are changes
 * like an operator's. One thread, that of the loop.
 */
#ifndef CONTROL_KEEPER_H
#define CONTROL_KEEPER_H

#include "pusher.h"

struct keeper;

/** The others are borrowed. @return 0; -ENOMEM. */
int keeper_create(struct event_base *base, struct pusher *pusher, struct model *model,
		  struct keeper **ret_keeper);

/** After the pusher, which ends what the keeper waits for. NULL is fine. */
void keeper_destroy(struct keeper *keeper);

/** Whether a plane's row of plane.stats says that nothing holds the backend: what a plane that
 * tracks no flows leaves out follows from its rows. */
bool keeper_is_drained(const cJSON *backend);

#endif
