/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Between state_adopt.c (the VIPs) and state_adopt_rows.c (their rows and flows).
 */
#ifndef PLANE_STATE_ADOPT_H
#define PLANE_STATE_ADOPT_H

#include "change.h"
#include "rows.h"

/** What a record is. */
enum adoption_role {
	ROLE_NONE, /**< not published */
	ROLE_VIP,
	ROLE_ADDRESS,
	ROLE_PAGE,
	ROLE_PAGE_OF_ADDRESS,
	ROLE_MOVED, /**< not published any more, but entries of its slots count their age by it */
};

/** A range of slots that a commit was leaving for another one of the same VIP. */
struct adoption_move {
	uint32_t record;     /**< of the slots that are left */
	uint32_t slot_count; /**< all of them */
	struct rows_move move;
};

struct adoption {
	struct state *state;
	struct plane_tables *tables;
	struct plane_tables_size size;
	struct plane_failure *failure;
	uint8_t *roles;	    /**< enum adoption_role, by record */
	bool *slot_is_used; /**< live, and of a VIP that is kept */
	struct change_drop *drops;
	uint32_t drop_count;
	struct adoption_move *moves; /**< limits.vips at most */
	uint32_t move_count;
};

/** @return -EBADMSG, with the sentence. */
int adoption_refuse(const struct adoption *adoption, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** What a record would be if it were published: ROLE_NONE, ROLE_VIP, ROLE_ADDRESS, ROLE_PAGE. */
enum adoption_role adoption_role_of(const struct fl_vip *record);

struct addr_prefix adoption_prefix_of(const struct fl_vip_key *key);

/** @param record of a VIP. */
struct addr_endpoint adoption_endpoint_of(const struct fl_vip *record);

/** @return false: it is none. */
bool adoption_policy_from(const struct fl_vip_service *service, struct vip_policy *ret_policy);

/** Take over a VIP's rows; its backends are known. They and the VIP's digest are completed. @return
 * 0; -EBADMSG. */
int adopt_rows(const struct adoption *adoption, struct state_vip *vip);

/** Find the ranges of slots that a commit was leaving, once the VIPs are known: their records are
 * not free. @return 0; -EBADMSG, with a sentence. */
int adopt_moves(struct adoption *adoption);

/** Entries of those slots go to the VIP's present ones; the records are free then. Every packet
 * core has passed since the VIP is published. */
void adopt_moved_flows(const struct adoption *adoption);

#endif
