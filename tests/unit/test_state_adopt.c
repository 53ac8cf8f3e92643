/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a plane that adopts the tables of an earlier process serves what that one served, counts on
 * and touches nothing that is in use. Tables that make no sense are refused, whatever is wrong with
 * them. (What a kill in the middle of a commit leaves: test_adopt_kill.c.)
 *
 * Method: tables of one plane, copied whole or with a fault of each kind, also at random, to
 * another.
 */
#include "../../dataplane/core/flow.h"
#include "adopt_states.h"
#include "rows.h"
#include "window.h"

static struct fake_plane victim;

/* --- adopted whole --- */

/** The tables of a plane that serves a state. */
static void
serve(const char *vips, struct fake_part parts[FAKE_PARTS])
{
	fake_open(&victim, &limits);
	push(&victim, 7, vips);
	fake_parts(&victim, parts);
}

static const struct state_vip *
vip_of(const struct fake_plane *fake, const char *text)
{
	struct addr_endpoint endpoint;

	ck_assert_int_eq(addr_endpoint_parse(text, &endpoint), 0);
	return state_find(&fake->plane.state, &endpoint);
}

START_TEST(test_adopt_changes_nothing_of_a_whole_state)
{
	static const char *const states[] = { before,	   after,	   pages_before,
					      pages_after, windows_before, "" };

	for (uint32_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		static struct fake_plane adopted;
		struct fake_part parts[FAKE_PARTS], own[FAKE_PARTS];

		serve(states[i], parts);
		ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
		ck_assert_uint_eq(adopted.plane.state.set.digest, victim.plane.state.set.digest);
		ck_assert_uint_eq(adopted.plane.state.set.generation, 7);
		ck_assert_ptr_null(fake_inconsistency(&adopted));
		fake_parts(&adopted, own);
		for (uint32_t n = 0; n < FAKE_PARTS; n++)
			ck_assert_mem_eq(own[n].bytes, parts[n].bytes, own[n].size);
		/* the same once more: nothing moves, and it says so */
		prepare(&adopted, 8, states[i]);
		for (int n = 0;
		     n < cJSON_GetArraySize(json_get(json_get(adopted.answer, "result"), "vips"));
		     n++) {
			const cJSON *vip = cJSON_GetArrayItem(
				json_get(json_get(adopted.answer, "result"), "vips"), n);

			ck_assert_str_eq(json_get_string(vip, "change", ""), "same");
			ck_assert_int_eq(json_get_integer(vip, "rows_moved", -1), 0);
		}
		fake_close(&adopted);
		fake_close(&victim);
	}
}
END_TEST

START_TEST(test_adopt_goes_on_counting)
{
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS];
	struct fl_flow_counter flows;
	const struct state_vip *vip;

	fake_open(&victim, &limits);
	push(&victim, 6, before);
	vip = vip_of(&victim, "192.0.2.2:80/tcp");
	victim.vip_counters[vip->record].packets = 1000;
	victim.backend_counters[vip->slot_base + vip->backends[0].slot_index].packets = 400;
	push(&victim, 7, after); /* another incarnation: what it counted is carried */
	fake_parts(&victim, parts);
	ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
	memcpy(adopted.vip_counters, victim.vip_counters,
	       victim.size.vip_count * sizeof victim.vip_counters[0]);
	memcpy(adopted.backend_counters, victim.backend_counters,
	       victim.size.backend_count * sizeof victim.backend_counters[0]);
	vip = vip_of(&adopted, "192.0.2.2:80/tcp");
	adopted.vip_counters[vip->record].packets += 24;
	ck_assert_uint_eq(state_vip_count(&adopted.plane.state, vip).packets, 1024);
	ck_assert_uint_eq(state_backend_count(&adopted.plane.state, vip, &vip->backends[0]).packets,
			  400);
	flows = state_flow_count(&adopted.plane.state, vip); /* these begin at 0 */
	ck_assert(flows.failed == 0 && flows.evicted == 0 && flows.extended == 0 &&
		  flows.raced == 0);
	fake_close(&adopted);
	fake_close(&victim);
}
END_TEST

START_TEST(test_adopt_keeps_templates_of_other_options_until_the_next_push)
{
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS];
	const struct state_vip *vip;
	uint64_t digest;
	uint32_t slot_base;

	serve(before, parts);
	digest = victim.plane.state.set.digest;
	/* as if they had been made with other sources than the adopting plane has */
	for (uint32_t i = 0; i < BACKENDS; i++)
		if (victim.tables.backends[i].link != 0) {
			victim.tables.backends[i].header[15] ^= 1;
			victim.tables.backends[i].header_sum ^= 0x100;
		}
	ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
	ck_assert_uint_ne(adopted.plane.state.set.digest, digest);
	ck_assert_ptr_null(fake_inconsistency(&adopted));
	vip = vip_of(&adopted, "192.0.2.1:80/tcp");
	slot_base = vip->slot_base;
	ck_assert_uint_eq(adopted.tables.backends[vip->slot_base].header[15],
			  victim.tables.backends[vip->slot_base].header[15]);
	push(&adopted, 8, before);
	ck_assert_uint_eq(adopted.plane.state.set.digest, digest);
	vip = vip_of(&adopted, "192.0.2.1:80/tcp");
	ck_assert_uint_ne(vip->slot_base, slot_base);
	for (uint32_t i = 0; i < vip->slot_count; i++)
		if (adopted.tables.backends[vip->slot_base + i].link != 0)
			ck_assert_uint_eq(adopted.tables.backends[vip->slot_base + i].header[15],
					  9);
	ck_assert_ptr_null(fake_inconsistency(&adopted));
	fake_close(&adopted);
	fake_close(&victim);
}
END_TEST

START_TEST(test_adopt_leaves_link_words_until_the_look_up)
{
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS];
	uint64_t other = fl_link_word(0x60504030202, 0, FL_LINK_LIVE | FL_LINK_REACHABLE);
	uint32_t slot;

	serve(before, parts);
	slot = vip_of(&victim, "192.0.2.1:80/tcp")->slot_base;
	victim.tables.backends[slot].link = other;
	ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
	ck_assert_uint_eq(adopted.tables.backends[slot].link, other);
	ck_assert(nexthop_view(vip_of(&adopted, "192.0.2.1:80/tcp")->backends[0].hop).reachable);
	fake_settle(&adopted);
	ck_assert_uint_eq(adopted.tables.backends[slot].link & FL_MAC_MASK,
			  fl_mac_word(adopted.port.gateway_mac));
	fake_close(&adopted);
	fake_close(&victim);
}
END_TEST

/* --- rows on the move --- */

static const char one_vip[] =
	VIP("192.0.2.1", "80", "tcp", "'window_s':5,", BACKEND(1, 1) "," BACKEND(2, 1));
static const char two_vip[] = VIP("192.0.2.1", "80", "tcp", "'window_s':5,",
				  BACKEND(1, 1) "," BACKEND(2, 2) "," BACKEND(3, 1));

/** Rows that move since a tick, and some that settle already. */
static const struct state_vip *
serve_moving(struct fake_part parts[FAKE_PARTS])
{
	serve(one_vip, parts);
	victim.tables.clock->tick = (1u << 24) - 50; /* `until` wraps */
	push(&victim, 8, two_vip);
	rows_advance(victim.plane.state.rows, 1);
	return vip_of(&victim, "192.0.2.1:80/tcp");
}

static void
expect_row(const struct fake_plane *fake, const struct state_vip *vip, uint64_t word)
{
	uint64_t row = fake->tables.rows[vip->row_base].word;

	ck_assert_msg(row == word, "%#llx instead of %#llx", (unsigned long long)row,
		      (unsigned long long)word);
}

START_TEST(test_adopt_goes_on_with_rows_that_move)
{
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS], own[FAKE_PARTS];
	uint32_t moving;

	ck_assert_uint_eq(serve_moving(parts)->policy.window_s, 5);
	ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
	fake_parts(&adopted, own);
	for (uint32_t n = 0; n < FAKE_PARTS; n++)
		ck_assert_mem_eq(own[n].bytes, parts[n].bytes, own[n].size);
	rows_refresh(victim.plane.state.rows);
	rows_refresh(adopted.plane.state.rows);
	ck_assert_uint_eq(rows_set_digest(adopted.plane.state.rows),
			  rows_set_digest(victim.plane.state.rows));
	moving = vip_of(&victim, "192.0.2.1:80/tcp")->row_counts.moving;
	ck_assert_uint_gt(moving, 50);
	ck_assert_uint_eq(vip_of(&adopted, "192.0.2.1:80/tcp")->row_counts.moving, moving);
	/* and their time goes on */
	for (uint32_t i = 0; i < 6; i++)
		rows_advance(adopted.plane.state.rows, 16);
	ck_assert_uint_eq(vip_of(&adopted, "192.0.2.1:80/tcp")->row_counts.moving, 0);
	ck_assert_uint_eq(vip_of(&adopted, "192.0.2.1:80/tcp")->row_counts.settling, moving);
	ck_assert_ptr_null(fake_inconsistency(&adopted));
	fake_close(&adopted);
	fake_close(&victim);
}
END_TEST

/** A word in the first row of a VIP with window_s 5 whose backend @p dead (of three) is dead, and
 * what must become of it; cur 0xff: one that lives. */
static const struct repair {
	uint8_t state, cur, prev, dead;
	int8_t left; /* ticks; 83 are a window */
	uint8_t state_after, cur_after, prev_after;
	int8_t left_after;
} repairs[] = {
	/* T6, T7 */
	{ FL_ROW_STABLE, 1, 0xff, 1, 0, FL_ROW_STABLE, 0xfe, 0xff, 0 },
	{ FL_ROW_SETTLING, 1, 0xff, 1, 9, FL_ROW_SETTLING, 0xfe, 0xff, 83 },
	/* T1 */
	{ FL_ROW_MOVING, 0, 1, 1, 9, FL_ROW_SETTLING, 0, 0xff, 83 },
	/* T8 by T3 or T4: another of two is the previous one, or it is not */
	{ FL_ROW_MOVING, 1, 0, 1, 9, 0xfd, 0xfe, 0, 9 },
	/* nothing is wrong; a window that is over, or too long */
	{ FL_ROW_MOVING, 0, 2, 1, 9, FL_ROW_MOVING, 0, 2, 9 },
	{ FL_ROW_MOVING, 0, 2, 1, -9, FL_ROW_MOVING, 0, 2, -9 },
	{ FL_ROW_MOVING, 0, 2, 1, 83, FL_ROW_MOVING, 0, 2, 83 },
	{ FL_ROW_SETTLING, 0, 0xff, 1, 84, FL_ROW_SETTLING, 0, 0xff, 84 },
	{ FL_ROW_SETTLING, 0, 0xff, 1, 85, FL_ROW_SETTLING, 0, 0xff, 83 },
	{ FL_ROW_MOVING, 0, 2, 1, 127, FL_ROW_MOVING, 0, 2, 83 },
};

static uint32_t
owner_of(uint8_t owner)
{
	return owner == 0xff ? FL_ROW_NONE : owner;
}

static void
check_repair(const struct repair *repair)
{
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS];
	const struct state_vip *vip = serve_moving(parts);
	uint64_t tick = victim.tables.clock->tick, row;
	uint32_t cur;

	plane_row_store(&victim.tables, vip->row_base,
			fl_row_word(repair->state, owner_of(repair->cur), owner_of(repair->prev),
				    repair->state == FL_ROW_STABLE ? 0 : tick + repair->left));
	victim.tables.backends[vip->slot_base + repair->dead].link = 0;
	/* as if the second of two stores was not done */
	victim.tables.owners[vip->row_base / 4].cur[vip->row_base % 4] ^= 1;
	ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
	ck_assert_ptr_null(fake_inconsistency(&adopted));
	row = adopted.tables.rows[vip->row_base].word;
	cur = fl_row_cur(row);
	if (repair->cur_after == 0xfe)
		ck_assert(cur == 0 || cur == 2);
	else
		ck_assert_uint_eq(cur, repair->cur_after);
	if (repair->state_after != 0xfd)
		expect_row(&adopted, vip,
			   fl_row_word(repair->state_after, cur, owner_of(repair->prev_after),
				       repair->state_after == FL_ROW_STABLE
					       ? 0
					       : tick + repair->left_after));
	else if (cur == repair->prev_after)
		expect_row(&adopted, vip,
			   fl_row_word(FL_ROW_SETTLING, cur, FL_ROW_NONE, tick + 83));
	else
		expect_row(&adopted, vip,
			   fl_row_word(FL_ROW_MOVING, cur, repair->prev_after,
				       tick + repair->left_after));
	fake_close(&adopted);
	fake_close(&victim);
}

START_TEST(test_adopt_repairs_rows_of_dead_backends)
{
	for (uint32_t i = 0; i < sizeof repairs / sizeof repairs[0]; i++)
		check_repair(&repairs[i]);
}
END_TEST

/** Tables as they are while a commit waits for the packet cores the first time. */
static struct fake_part saved[FAKE_PARTS];

static void
save_parts(struct fake_plane *fake)
{
	struct fake_part parts[FAKE_PARTS];

	fake->on_synchronize = NULL;
	fake_parts(fake, parts);
	for (uint32_t i = 0; i < FAKE_PARTS; i++) {
		saved[i] = parts[i];
		saved[i].bytes = malloc(parts[i].size);
		ck_assert_ptr_nonnull(saved[i].bytes);
		memcpy(saved[i].bytes, parts[i].bytes, parts[i].size);
	}
}

START_TEST(test_adopt_begins_again_what_was_to_move_for_longer)
{
	static const char longer[] = VIP("192.0.2.1", "80", "tcp", "'window_s':60,",
					 BACKEND(1, 1) "," BACKEND(2, 2) "," BACKEND(3, 1));
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS];
	const struct state_vip *vip;
	static struct fl_row rows[ROWS];
	uint32_t moving = 0;

	(void)serve_moving(parts);
	memcpy(rows, victim.tables.rows, sizeof rows);
	victim.on_synchronize = save_parts;
	push(&victim, 9, longer);
	memcpy(saved[5].bytes, rows, sizeof rows); /* as they were when the VIP was published */
	ck_assert_int_eq(fake_adopt(&adopted, &victim, saved, &failure), 0);
	ck_assert_ptr_null(fake_inconsistency(&adopted));
	vip = vip_of(&adopted, "192.0.2.1:80/tcp");
	ck_assert_uint_eq(vip->policy.window_s, 60);
	for (uint32_t i = 0; i < vip->row_count; i++) {
		uint64_t row = adopted.tables.rows[vip->row_base + i].word;

		if (fl_row_state(row) == FL_ROW_STABLE)
			continue;
		moving++;
		ck_assert_int_eq(fl_row_left(row, adopted.tables.clock->tick),
				 (int32_t)state_window(&vip->policy).row_ticks);
	}
	ck_assert_uint_gt(moving, 50);
	for (uint32_t i = 0; i < FAKE_PARTS; i++)
		free(saved[i].bytes);
	fake_close(&adopted);
	fake_close(&victim);
}
END_TEST

START_TEST(test_adopt_clears_entries_of_dead_slots)
{
	static struct fake_plane adopted;
	struct fake_part parts[FAKE_PARTS];
	const struct state_vip *vip = serve_moving(parts);
	struct fl_flows *bucket = victim.tables.flows;
	uint32_t slot = vip->slot_base;

	for (uint32_t i = 0; i < 3; i++)
		bucket->word[i] = fl_flow_word(~0ull << i, slot + i, FL_FLOW_OPEN, 0);
	bucket->word[3] = fl_flow_word(7, BACKENDS - 1, FL_FLOW_OPEN, 0);     /* of no VIP */
	bucket->word[4] = fl_flow_word(7, FL_SLOTS_MAX - 1, FL_FLOW_OPEN, 0); /* not there */
	victim.tables.backends[slot + 1].link &= ~((uint64_t)FL_LINK_LIVE << 56);
	victim.tables.backends[BACKENDS - 1].link = ~0ull;
	ck_assert_int_eq(fake_adopt(&adopted, &victim, parts, &failure), 0);
	ck_assert_uint_eq(adopted.tables.flows->word[0], bucket->word[0]);
	ck_assert_uint_eq(adopted.tables.flows->word[1], 0);
	ck_assert_uint_eq(adopted.tables.flows->word[2], bucket->word[2]);
	ck_assert_uint_eq(adopted.tables.flows->word[3], 0);
	ck_assert_uint_eq(adopted.tables.flows->word[4], 0);
	ck_assert_uint_eq(adopted.tables.backends[slot + 1].link, 0);
	ck_assert_uint_eq(adopted.tables.backends[BACKENDS - 1].link, 0);
	fake_close(&adopted);
	fake_close(&victim);
}
END_TEST

/* --- what makes no sense --- */

static uint32_t random_state = 5;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

START_TEST(test_adopt_refuses_what_makes_no_sense)
{
	for (uint32_t fault = 0; fault < 14; fault++) {
		static struct fake_plane adopted;
		struct fake_part parts[FAKE_PARTS];
		const struct state_vip *vip, *other;
		struct plane_tables *tables = &victim.tables;

		serve(before, parts);
		vip = vip_of(&victim, "192.0.2.1:80/tcp");
		other = vip_of(&victim, "192.0.2.2:80/tcp");
		switch (fault) {
		case 0: /* a slot that the VIP does not have */
			plane_row_store(tables, vip->row_base, fl_row_stable(vip->slot_count));
			break;
		case 1: /* and one that it moves away from */
			plane_row_store(tables, vip->row_base,
					fl_row_word(FL_ROW_MOVING, 0, vip->slot_count, 1));
			break;
		case 2: /* a word that is no row */
			tables->rows[vip->row_base].word |= 1ull << 60;
			break;
		case 3: /* two VIPs' rows */
			tables->vips[vip->record].service.row_base = other->row_base + 1;
			break;
		case 4: /* rows that are not there */
			tables->vips[vip->record].service.row_base = ROWS - 250;
			break;
		case 5: /* no size of a table */
			tables->vips[vip->record].service.row_count = 250;
			break;
		case 6: /* two VIPs' slots */
			tables->vips[vip->record].service.slot_base = other->slot_base;
			break;
		case 7: /* another mode than the VIP's */
			tables->backends[vip->slot_base].mode = FL_MODE_GUE;
			break;
		case 8: /* a window that is not that of its seconds */
			tables->vips[vip->record].service.window.live_units = 3;
			break;
		case 9: /* seconds that no VIP may have */
			tables->vips[vip->record].service.window_s = VIP_WINDOW_S_MAX + 1;
			tables->vips[vip->record].service.window =
				fl_window(VIP_WINDOW_S_MAX + 1, VIP_HOLD_S_DEFAULT);
			break;
		case 10: /* a row that settles from a backend */
			plane_row_store(tables, vip->row_base,
					fl_row_word(FL_ROW_SETTLING, 0, 1, 1));
			break;
		case 11: /* what no row has */
			plane_row_store(tables, vip->row_base,
					fl_row_word(FL_ROW_SETTLING, 0, FL_ROW_NONE, 1) |
						1ull << 61);
			break;
		case 12: /* a generation after which there is none */
			*tables->generation = JSON_INTEGER_MAX;
			break;
		default:
			tables->config->lengths[0] = 0x8070;
			break;
		}
		failure.message[0] = '\0';
		ck_assert_msg(fake_adopt(&adopted, &victim, parts, &failure) == -EBADMSG,
			      "fault %u was adopted", fault);
		ck_assert_ptr_nonnull(strstr(failure.message, "make no sense: "));
		fake_close(&adopted);
		fake_close(&victim);
	}
}
END_TEST

/** Anything may stand in the tables: it is adopted so that it holds together, or refused. */
START_TEST(test_adopt_survives_any_garbage)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < 400; i++) {
		static struct fake_plane adopted;
		struct fake_part parts[FAKE_PARTS];
		int r;

		serve(i % 3 == 0 ? before : i % 3 == 1 ? windows_before : pages_before, parts);
		for (uint32_t n = 1 + random_below(3); n > 0; n--) {
			const struct fake_part *part = &parts[random_below(6)];
			uint8_t *byte = part->bytes;

			byte += random_below((uint32_t)part->size);
			/* key and mask are the engine's, which checks them */
			if (part == &parts[FAKE_PART_config] &&
			    (byte < (uint8_t *)victim.tables.config->lengths ||
			     byte >= (uint8_t *)(victim.tables.config->lengths + 2)))
				continue;
			*byte ^= (uint8_t)(1u << random_below(8));
		}
		r = fake_adopt(&adopted, &victim, parts, &failure);
		CHECK(r == 0 || r == -EBADMSG);
		refused += r < 0;
		if (r == 0) {
			push(&adopted, 8, after);
			ck_assert_ptr_null(fake_inconsistency(&adopted));
		}
		fake_close(&adopted);
		fake_close(&victim);
	}
	ck_assert_uint_gt(refused, 50);
	ck_assert_uint_lt(refused, 350);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_adopt_changes_nothing_of_a_whole_state,
		test_adopt_goes_on_counting,
		test_adopt_keeps_templates_of_other_options_until_the_next_push,
		test_adopt_leaves_link_words_until_the_look_up,
		test_adopt_goes_on_with_rows_that_move,
		test_adopt_repairs_rows_of_dead_backends,
		test_adopt_begins_again_what_was_to_move_for_longer,
		test_adopt_clears_entries_of_dead_slots,
		test_adopt_refuses_what_makes_no_sense,
		test_adopt_survives_any_garbage,
		NULL
	};

	return run_tests("state_adopt", tests);
}
