/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What a plane serves: the committed VIPs and where they lie in the tables, and the arenas that the
 * tables' ranges come from. change.h makes the next state out of it.
 *
 * A VIP incarnation has one record, one range of rows and one range of slots, with room for as many
 * backends again and 8: a backend's slot is its own for the incarnation, a new backend gets a spare
 * one. What does not fit that way (another table size, no spare slot) becomes a new incarnation
 * with ranges of its own beside the old one. One thread.
 */
#ifndef PLANE_STATE_H
#define PLANE_STATE_H

#include "maglev.h"
#include "nexthop.h"
#include "plane.h"
#include "ranges.h"
#include "vips.h"

enum {
	STATE_VIP_SLOTS_MAX = 65535, /**< of one VIP: slot index 65535 is FL_ROW_NONE */
	STATE_SPARE_SLOTS = 8,
};

/**
 * The engine's counters belong to records and slots and go on when those change hands: what an
 * identity has counted is carry + engine's counter - base.
 */
struct state_counter {
	struct fl_counter carry; /**< of earlier incarnations */
	struct fl_counter base;
};

struct state_backend {
	struct addr address; /**< identity */
	uint16_t weight;
	uint16_t slot_index; /**< slot = the VIP's slot_base + slot_index */
	uint32_t rows;	     /**< that it owns */
	struct nexthop *hop; /**< taken */
	struct nexthop_user user;
	struct state_counter counter;
};

/** One incarnation of a VIP. Never changed once committed, but for counters. */
struct state_vip {
	struct addr_endpoint endpoint;
	struct fl_vip_key key;
	uint32_t record;
	uint32_t row_base;
	uint32_t row_count;
	uint32_t slot_base;
	uint32_t slot_count;
	uint64_t digest;
	struct state_counter counter;
	uint32_t backend_count;
	struct state_backend backends[]; /**< by address */
};

/** Some VIP has this address. */
struct state_address {
	struct addr address;
	uint32_t record;
};

/** A set of VIPs, by endpoint, and their addresses, ascending. */
struct state_set {
	uint64_t generation;
	uint64_t digest;
	struct state_vip **vips;
	uint32_t vip_count;
	struct state_address *addresses;
	uint32_t address_count;
};

/** Working memory of a build, by slot index of one VIP. */
struct state_scratch {
	uint64_t identities[STATE_VIP_SLOTS_MAX + 1];
	uint32_t counts[STATE_VIP_SLOTS_MAX + 1];
	uint32_t translated[STATE_VIP_SLOTS_MAX + 1];
	bool used[STATE_VIP_SLOTS_MAX + 1];
	struct maglev_backend backends[STATE_VIP_SLOTS_MAX + 1];
};

struct state {
	const struct plane_options *options; /**< borrowed */
	struct plane_tables *tables;
	struct state_set set; /**< what is served */
	struct nexthops *nexthops;
	struct vips *vips;
	struct maglev *maglev;
	uint32_t maglev_rows_max;
	struct ranges *rows;
	struct ranges *slots;
	uint32_t *records; /**< free ones */
	uint32_t record_count;
	struct state_scratch *scratch;
};

/**
 * Take all memory that a state needs.
 * @param nexthops borrowed. @return 0; -EINVAL: limits out of range; -ENOMEM. *state is valid for
 * state_close() in any case.
 */
int state_open(struct state *state, const struct plane_options *options, struct nexthops *nexthops);

/** The tables are left as they are. */
void state_close(struct state *state);

/** @return the served VIP; NULL: there is none. */
struct state_vip *state_find(const struct state *state, const struct addr_endpoint *endpoint);
struct state_backend *state_find_backend(const struct state_vip *vip, const struct addr *address);

/** Does a served VIP have the address? */
bool state_has_address(const struct state_set *set, const struct addr *address);

/** The total order of endpoints: address, port, protocol. */
int state_compare_endpoints(const struct addr_endpoint *a, const struct addr_endpoint *b);
int state_compare_addresses(const struct addr *a, const struct addr *b);

/** @return 0; -ENOMEM. The VIP has @p backend_count zeroed backends. */
int state_vip_create(uint32_t backend_count, struct state_vip **ret_vip);

/** Lets the next hops go. Not the record nor the ranges: two incarnations may share them. NULL is
 * fine. */
void state_vip_destroy(struct state *state, struct state_vip *vip);

/** A free record; there is one for every VIP and address before and after a change. */
uint32_t state_record_take(struct state *state);
void state_record_give(struct state *state, uint32_t record);

/** What an identity has counted until now. */
struct fl_counter state_vip_count(const struct state *state, const struct state_vip *vip);
struct fl_counter state_backend_count(const struct state *state, const struct state_vip *vip,
				      const struct state_backend *backend);

#endif
