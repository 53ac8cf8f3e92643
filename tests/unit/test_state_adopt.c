/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a plane that adopts the tables of an earlier process serves what that one served, counts on
 * and touches nothing that is in use. Tables that make no sense are refused, whatever is wrong with
 * them. (What a kill in the middle of a commit leaves: test_adopt_kill.c.)
 *
 * Method: tables of one plane, copied whole or with a fault of each kind, also at random, to
 * another.
 */
#include "adopt_states.h"

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
	static const char *const states[] = { before, after, pages_before, pages_after, "" };

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
	uint32_t row_base;

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
	row_base = vip->row_base;
	ck_assert_uint_eq(adopted.tables.backends[vip->slot_base].header[15],
			  victim.tables.backends[vip->slot_base].header[15]);
	push(&adopted, 8, before);
	ck_assert_uint_eq(adopted.plane.state.set.digest, digest);
	vip = vip_of(&adopted, "192.0.2.1:80/tcp");
	ck_assert_uint_ne(vip->row_base, row_base);
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
	for (uint32_t fault = 0; fault < 9; fault++) {
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
		case 1: /* one that no backend has */
			plane_row_store(tables, vip->row_base, fl_row_stable(vip->slot_count - 1));
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

		serve(i % 2 == 0 ? before : pages_before, parts);
		for (uint32_t n = 1 + random_below(3); n > 0; n--) {
			const struct fake_part *part = &parts[random_below(6)];
			uint8_t *byte = part->bytes;

			byte += random_below((uint32_t)part->size);
			/* key and mask are the engine's, which checks them */
			if (part == &parts[0] &&
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
		test_adopt_refuses_what_makes_no_sense,
		test_adopt_survives_any_garbage,
		NULL
	};

	return run_tests("state_adopt", tests);
}
