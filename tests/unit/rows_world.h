/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One VIP with a window on a fake plane: commits, time, packets of its flows, and what rows and
 * flow table hold. For one .c file of a program.
 */
#ifndef TESTS_UNIT_ROWS_WORLD_H
#define TESTS_UNIT_ROWS_WORLD_H

#include "../../dataplane/core/flow.h"
#include "fake_plane.h"
#include "rows.h"
#include "run.h"

enum {
	ROWS = 251,
	WINDOW_S = 5,
	WINDOW_TICKS = 83, /* (82 + 1) units of one tick */
	SYN = 2,
	ACK = 0x10,
	RST = 4,
	FLOWS = 1024,
	SLOTS = 32,
	NOBODY = 0,
};

static struct fake_plane fake;
static uint64_t generation;
static const char *policy; /* members of the VIP */

static inline void
open_plane(const char *members)
{
	generation = 0;
	policy = members;
	fake_open(&fake, &(struct plane_limits){ 4, SLOTS, 4 * ROWS, FAKE_FRAGMENTS, FLOWS });
}

static inline const cJSON *
prepare(const char *backends)
{
	char params[2048];

	snprintf(params, sizeof params,
		 "{'generation':%llu,'vips':[{'address':'192.0.2.1','port':80,'protocol':'tcp',"
		 "'table_size':251,%s,'backends':[%s]}]}",
		 (unsigned long long)++generation, policy, backends);
	return fake_call(&fake, "plane.prepare", params);
}

static inline void
commit(void)
{
	char params[64];

	snprintf(params, sizeof params, "{'generation':%llu}", (unsigned long long)generation);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", params));
	ck_assert_ptr_null(fake_inconsistency(&fake));
	fake_settle(&fake);
}

/** Commit the VIP with these backends. */
static inline void
apply(const char *backends)
{
	ck_assert_msg(prepare(backends) != NULL, "refused: %s %s", fake_error(&fake),
		      fake_error_path(&fake));
	commit();
}

#define B(host, weight) "{'address':'10.0.0." #host "','weight':" #weight "}"
#define WINDOW_5	"'window_s':5,'hold_s':0"

static inline uint64_t
tick(void)
{
	return fake.tables.clock->tick;
}

/** In steps as the timer descriptor makes them. */
static inline void
pass(uint32_t ticks)
{
	for (uint32_t i = 0; i < ticks; i++)
		rows_advance(fake.plane.state.rows, 1);
}

static inline const struct state_vip *
vip(void)
{
	return fake.plane.state.set.vips[0];
}

static inline uint64_t
word(uint32_t row)
{
	return fake.tables.rows[vip()->row_base + row].word;
}

static inline const struct state_backend *
backend(uint32_t host)
{
	struct addr address;
	char text[32];

	snprintf(text, sizeof text, "10.0.0.%u", host);
	ck_assert_int_eq(addr_parse(text, &address), 0);
	return state_find_backend(vip(), &address);
}

static inline uint32_t
slot(uint32_t host)
{
	return vip()->slot_base + backend(host)->slot_index;
}

static inline uint32_t
index_of(uint32_t host)
{
	return host == NOBODY ? FL_ROW_NONE : backend(host)->slot_index;
}

/** Rows in this state with these owners and this `until` (of unstable ones). */
static inline uint32_t
count(enum fl_row_state state, uint32_t cur, uint32_t prev, uint64_t until)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < ROWS; i++)
		found += word(i) == fl_row_word(state, index_of(cur), index_of(prev),
						state == FL_ROW_STABLE ? 0 : until);
	return found;
}

static inline uint32_t
count_state(enum fl_row_state state)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < ROWS; i++)
		found += fl_row_state(word(i)) == state;
	return found;
}

/* --- packets --- */

/** @return the host number of the backend that the packet goes to; NOBODY. */
static inline uint32_t
send_packet(uint16_t flow, uint8_t flags)
{
	_Alignas(8) uint8_t frame[2 + 64] = { 0 };
	static struct fl_core core;
	struct plane_run run = { .tables = &fake.tables, .size = fake.size, .core = &core };
	const uint8_t addresses[8] = { 203, 0, 113, 9, 192, 0, 2, 1 };
	struct plane_walk walk;
	struct fl_addr target;

	frame[2 + 12] = 8; /* IPv4 */
	frame[2 + 14] = 0x45;
	frame[2 + 17] = 50;
	frame[2 + 22] = 64;
	frame[2 + 23] = 6; /* TCP */
	memcpy(&frame[2 + 26], addresses, sizeof addresses);
	frame[2 + 34] = (uint8_t)(flow >> 8);
	frame[2 + 35] = (uint8_t)flow;
	frame[2 + 37] = 80;
	frame[2 + 46] = 0x50;
	frame[2 + 47] = flags;
	if (plane_walk(&run, frame + 2, 64, &walk) != FL_FORWARD)
		return NOBODY;
	target = fl_encap_target(walk.decision.backend);
	return ((const uint8_t *)&target)[15];
}

/** A flow whose row is the backend's. */
static inline uint16_t
flow_of(uint32_t host, uint16_t from)
{
	for (uint16_t flow = from; flow < from + 4096; flow++)
		if (send_packet(flow, RST) == host)
			return flow;
	ck_abort_msg("no flow of backend %u", host);
	return 0;
}

/** Words of the flow table that name the slot. */
static inline uint32_t
entries(uint32_t of_slot)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < FLOWS; i++) {
		uint64_t entry = fake.tables.flows[i / 8].word[i % 8];

		found += fl_flow_state(entry) != FL_FLOW_FREE && fl_flow_slot(entry) == of_slot;
	}
	return found;
}

static inline struct rows_backend
look(uint32_t host)
{
	rows_refresh(fake.plane.state.rows);
	return rows_look(fake.plane.state.rows, vip(), backend(host));
}

#endif
