/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The claims of a state as a whole: plan those of one setup, apply them, release those that no
 * setup wants any more. Used by backend_change.c.
 */
#ifndef BACKEND_CLAIMS_H
#define BACKEND_CLAIMS_H

#include "backend_netlink.h"
#include "backend_state.h"

/**
 * Add to the state every claim that @p setup needs; changes nothing on the host.
 *
 * @return 0; -EBUSY: another program's qdisc or filter is in the place; or -errno; reported.
 */
int backend_claims_plan(struct backend_state *state, const struct backend_setup *setup,
			struct mnl_socket *netlink, struct backend_report *report);

/** Settings and addresses, then qdiscs. Repeating it is harmless. @return 0 or -errno, reported. */
int backend_claims_apply(const struct backend_state *state, struct mnl_socket *netlink,
			 struct backend_report *report);

/**
 * Undo the claims that no setup of the state wants, and drop them from it. A claim that cannot be
 * undone stays in the state and is reported; the others are undone all the same.
 *
 * @return 0 or the first -errno, reported.
 */
int backend_claims_release(struct backend_state *state, struct mnl_socket *netlink,
			   struct backend_report *report);

/** A setup of the state wants this filter. */
bool backend_hook_is_wanted(const struct backend_state *state, const struct backend_hook *hook);

#endif
