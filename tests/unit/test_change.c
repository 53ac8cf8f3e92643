/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: whatever sequence of changes is committed, the tables say exactly what was asked for, at
 * every moment that a packet core could look; slots stay; what moves is counted right; nothing is
 * left behind.
 *
 * Method: the plane's own methods on a fake engine, hand-made transitions; what packets could see
 * is checked inside each grace period. Random ones are in test_change_records.c.
 */
#include "fake_plane.h"
#include "run.h"

static struct fake_plane fake;
static uint64_t generation;
static void
check_readable(struct fake_plane *fake_plane)
{
	const char *fault = fake_unreadable(fake_plane);

	ck_assert_msg(fault == NULL, "during a commit: %s", fault);
}

static void
open_plane(uint32_t vips, uint32_t backends, uint32_t rows)
{
	generation = 0;
	fake_open(&fake, &(struct plane_limits){ vips, backends, rows, FAKE_FRAGMENTS });
	fake.on_synchronize = check_readable;
}

/** Prepare and commit the next generation. @param members of params after the generation. @return
 * the answer to prepare, copied. */
static cJSON *
apply(const char *members)
{
	static char params[FAKE_LINE_BYTES];
	char expected[PLANE_DIGEST_TEXT_BYTES], number[64];
	const cJSON *result;
	cJSON *prepared;

	snprintf(params, sizeof params, "{'generation':%llu,%s}", (unsigned long long)++generation,
		 members);
	result = fake_call(&fake, "plane.prepare", params);
	ck_assert_msg(result != NULL, "refused: %s %s", fake_error(&fake), fake_error_path(&fake));
	prepared = cJSON_Duplicate(result, true);
	snprintf(expected, sizeof expected, "%s", json_get_string(result, "digest", ""));
	snprintf(number, sizeof number, "{'generation':%llu}", (unsigned long long)generation);
	result = fake_call(&fake, "plane.commit", number);
	ck_assert_ptr_nonnull(result);
	ck_assert_str_eq(json_get_string(result, "digest", ""), expected);
	ck_assert_uint_eq(fake.plane.state.set.generation, generation);
	ck_assert_ptr_null(fake_inconsistency(&fake));
	fake_settle(&fake);
	return prepared;
}

static void
apply_only(const char *members)
{
	cJSON_Delete(apply(members));
}

#define VIP(port, size, backends)                                                      \
	"{'address':'192.0.2.1','port':" #port ",'protocol':'tcp','table_size':" #size \
	",'backends':[" backends "]}"
#define BACKEND(host, weight) "{'address':'10.0.0." #host "','weight':" #weight "}"

static const struct state_vip *
vip_at(uint32_t i)
{
	ck_assert_uint_lt(i, fake.plane.state.set.vip_count);
	return fake.plane.state.set.vips[i];
}

static const struct state_backend *
backend_of(const struct state_vip *vip, const char *text)
{
	struct addr address;

	ck_assert_int_eq(addr_parse(text, &address), 0);
	return state_find_backend(vip, &address);
}

static int64_t
member(const cJSON *prepared, const char *name)
{
	return json_get_integer(cJSON_GetArrayItem(json_get(prepared, "vips"), 0), name, -1);
}

/* --- transitions --- */

START_TEST(test_change_in_place_keeps_slots)
{
	uint32_t slot, record, row_base;
	cJSON *prepared;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 5) "," BACKEND(2, 5) "," BACKEND(3, 5)) "]");
	slot = backend_of(vip_at(0), "10.0.0.3")->slot_index;
	record = vip_at(0)->record;
	row_base = vip_at(0)->row_base;
	ck_assert_uint_ge(vip_at(0)->slot_count, 2 * 3 + 8);

	prepared = apply(
		"'vips':[" VIP(80, 251, BACKEND(3, 5) "," BACKEND(2, 5) "," BACKEND(4, 5)) "]");
	ck_assert_uint_eq(backend_of(vip_at(0), "10.0.0.3")->slot_index, slot);
	ck_assert_uint_eq(vip_at(0)->record, record);
	ck_assert_uint_eq(vip_at(0)->row_base, row_base);
	/* the one that left gave no slot to the one that came: its packets may be on their way */
	ck_assert_uint_ge(backend_of(vip_at(0), "10.0.0.4")->slot_index, 3);
	/* a third changes hands, and some more, but not all */
	ck_assert_int_ge(member(prepared, "rows_minimum"), 80);
	ck_assert_int_le(member(prepared, "rows_minimum"), member(prepared, "rows_moved"));
	ck_assert_int_le(member(prepared, "rows_moved"), 251 * 2 / 3);
	cJSON_Delete(prepared);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_that_does_not_fit_is_a_new_incarnation)
{
	uint32_t record, i;
	char many[4096] = "'vips':[{'address':'192.0.2.1','port':80,'protocol':'tcp',"
			  "'table_size':251,'backends':[";

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 5) "," BACKEND(2, 5)) "]");
	record = vip_at(0)->record;
	apply_only("'vips':[" VIP(80, 509, BACKEND(1, 5) "," BACKEND(2, 5)) "]");
	ck_assert_uint_ne(vip_at(0)->record, record);
	ck_assert_uint_eq(vip_at(0)->row_count, 509);
	/* the ranges of the first incarnation are free again */
	ck_assert_uint_eq(ranges_free(fake.plane.state.row_ranges), FAKE_ROWS - 509);
	ck_assert_uint_eq(ranges_free(fake.plane.state.slot_ranges),
			  FAKE_BACKENDS - vip_at(0)->slot_count);

	/* more new ones than spare slots */
	record = vip_at(0)->record;
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 5) "," BACKEND(2, 5)) "]");
	record = vip_at(0)->record;
	for (i = 1; i <= 25; i++) {
		size_t size = strlen(many);

		snprintf(many + size, sizeof many - size, "%s{'address':'10.0.0.%u','weight':1}",
			 i > 1 ? "," : "", i);
	}
	i = (uint32_t)strlen(many);
	snprintf(many + i, sizeof many - i, "]}]");
	apply_only(many);
	ck_assert_uint_ne(vip_at(0)->record, record);
	ck_assert_uint_eq(vip_at(0)->backend_count, 25);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_counts_what_moves)
{
	cJSON *prepared;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 1)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 251);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 251);
	cJSON_Delete(prepared);
	/* weights that mean the same move nothing */
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 7)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 0);
	cJSON_Delete(prepared);
	/* all rows of the one that is drained go to the new one */
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 0) "," BACKEND(2, 1)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 251);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 251);
	ck_assert_uint_eq(backend_of(vip_at(0), "10.0.0.1")->rows, 0);
	cJSON_Delete(prepared);
	/* a table of another size with the same owners: flows stay where the hash says the same */
	prepared = apply("'vips':[" VIP(80, 509, BACKEND(1, 0) "," BACKEND(2, 1)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 0);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 0);
	cJSON_Delete(prepared);
	/* nobody left */
	prepared = apply("'vips':[" VIP(80, 509, BACKEND(2, 0)) "]");
	ck_assert_int_eq(member(prepared, "rows_moved"), 509);
	ck_assert_int_eq(member(prepared, "rows_minimum"), 509);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(prepared, "warnings")), 1);
	cJSON_Delete(prepared);
	fake_close(&fake);
}
END_TEST

static const char *
warning(const cJSON *prepared, int i)
{
	return cJSON_GetStringValue(cJSON_GetArrayItem(json_get(prepared, "warnings"), i));
}

START_TEST(test_change_tells_when_slots_are_scarce)
{
	cJSON *prepared;

	/* 2 backends have 2 + 8 to spare, of 16 */
	open_plane(FAKE_VIPS, 17, FAKE_ROWS);
	prepared = apply("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]");
	ck_assert_uint_eq(vip_at(0)->slot_count, 16);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(prepared, "warnings")), 0);
	cJSON_Delete(prepared);
	prepared = apply("'vips':[" VIP(81, 251, BACKEND(1, 0)) "]");
	ck_assert_uint_eq(vip_at(1)->slot_count, 1);
	ck_assert_int_eq(cJSON_GetArraySize(json_get(prepared, "warnings")), 2);
	ck_assert_ptr_nonnull(strstr(warning(prepared, 0), "no backend with a weight above 0"));
	ck_assert_ptr_nonnull(strstr(warning(prepared, 1),
				     "VIP 192.0.2.1:81/tcp has 0 spare slots instead of 15"));
	ck_assert_ptr_nonnull(strstr(warning(prepared, 1), "limits.backends"));
	cJSON_Delete(prepared);
	/* and once only: nothing of it is new now */
	prepared = apply("'vips':[" VIP(81, 251, BACKEND(1, 1)) "]");
	ck_assert_int_eq(cJSON_GetArraySize(json_get(prepared, "warnings")), 0);
	cJSON_Delete(prepared);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_full_removes_what_it_does_not_name)
{
	cJSON *prepared;
	const cJSON *vips;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1)) "," VIP(81, 251, BACKEND(1, 1)) "," VIP(
		82, 251, BACKEND(1, 1)) "]");
	prepared = apply("'full':true,'vips':[" VIP(81, 251, BACKEND(1, 1)) "," VIP(
		79, 251, BACKEND(1, 1)) "]");
	vips = json_get(prepared, "vips");
	ck_assert_int_eq(cJSON_GetArraySize(vips), 4);
	for (int i = 0; i < 4; i++) {
		const cJSON *vip = cJSON_GetArrayItem(vips, i);
		static const char *const expected[] = { "added", "removed", "same", "removed" };

		ck_assert_int_eq(json_get_integer(vip, "port", 0), 79 + i);
		ck_assert_str_eq(json_get_string(vip, "change", ""), expected[i]);
	}
	cJSON_Delete(prepared);
	ck_assert_uint_eq(fake.plane.state.set.vip_count, 2);
	ck_assert_uint_eq(fake.key_count, 3); /* and their address */
	apply_only("'full':true");
	ck_assert_uint_eq(fake.plane.state.set.vip_count, 0);
	ck_assert_uint_eq(fake.key_count, 0);
	ck_assert_uint_eq(fake.plane.state.set.digest, 0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_swaps_all_vips_at_the_limit)
{
	/* room for one VIP, twice: the old one serves until the new one does */
	open_plane(1, 64, 502);
	for (uint32_t i = 0; i < 20; i++) {
		char members[256];

		snprintf(members, sizeof members,
			 "'full':true,'vips':[{'address':'192.0.2.%u','port':80,'protocol':'tcp',"
			 "'table_size':251,'backends':[{'address':'10.0.0.1','weight':1}]}]",
			 1 + i);
		apply_only(members);
	}
	ck_assert_uint_eq(fake.plane.state.record_count, fake.size.vip_count - 2);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_fails_whole_with_the_engine)
{
	struct fake_snapshot before;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1)) "]");
	before = fake_snapshot(&fake);
	ck_assert_ptr_nonnull(
		fake_call(&fake, "plane.prepare",
			  "{'generation':2,'full':true,'vips':[" VIP(81, 251, BACKEND(2, 1)) "]}"));
	fake.vips_add_result = -ENOSPC;
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':2}"));
	ck_assert_str_eq(fake_error(&fake), "internal");
	ck_assert(fake_is_as(&fake, before));
	/* nothing is prepared any more, and all that was reserved is back */
	fake.vips_add_result = 0;
	ck_assert_ptr_null(fake_call(&fake, "plane.commit", "{'generation':2}"));
	ck_assert_str_eq(fake_error(&fake), "not_prepared");
	ck_assert_uint_eq(ranges_free(fake.plane.state.row_ranges), FAKE_ROWS - 251);
	fake_close(&fake);
}
END_TEST

/* --- counters --- */

START_TEST(test_change_counts_go_on_through_a_new_incarnation)
{
	const struct state_vip *vip;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]");
	vip = vip_at(0);
	fake.vip_counters[vip->record].packets += 1000;
	fake.backend_counters[vip->slot_base + backend_of(vip, "10.0.0.2")->slot_index].packets +=
		300;
	apply_only("'vips':[" VIP(80, 509, BACKEND(2, 1) "," BACKEND(3, 1)) "]");
	vip = vip_at(0);
	fake.vip_counters[vip->record].packets += 24;
	fake.backend_counters[vip->slot_base + backend_of(vip, "10.0.0.2")->slot_index].packets +=
		33;
	ck_assert_uint_eq(state_vip_count(&fake.plane.state, vip).packets, 1024);
	ck_assert_uint_eq(
		state_backend_count(&fake.plane.state, vip, backend_of(vip, "10.0.0.2")).packets,
		333);
	/* in the slot of another one before: from nothing */
	ck_assert_uint_eq(
		state_backend_count(&fake.plane.state, vip, backend_of(vip, "10.0.0.3")).packets,
		0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_counts_start_anew_in_a_used_slot)
{
	uint32_t slot;

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]");
	slot = backend_of(vip_at(0), "10.0.0.2")->slot_index;
	fake.backend_counters[vip_at(0)->slot_base + slot].packets += 300;
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1)) "]");
	apply_only("'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(3, 1)) "]");
	ck_assert_uint_eq(backend_of(vip_at(0), "10.0.0.3")->slot_index, slot);
	ck_assert_uint_eq(
		state_backend_count(&fake.plane.state, vip_at(0), backend_of(vip_at(0), "10.0.0.3"))
			.packets,
		0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_change_digest_differs_when_the_state_does)
{
	static const char *const states[] = {
		"'vips':[" VIP(80, 251, BACKEND(1, 1)) "]",
		"'vips':[" VIP(80, 251, BACKEND(2, 1)) "]",
		"'vips':[" VIP(80, 509, BACKEND(1, 1)) "]",
		"'vips':[" VIP(81, 251, BACKEND(1, 1)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 1)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 1) "," BACKEND(2, 2)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 0)) "]",
		"'vips':[" VIP(80, 251, BACKEND(1, 1)) "," VIP(81, 251, BACKEND(1, 1)) "]",
		"'vips':[]",
	};
	enum { STATES = sizeof states / sizeof states[0] };
	uint64_t digests[STATES];

	open_plane(FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS);
	for (uint32_t i = 0; i < STATES; i++) {
		char members[1024];

		snprintf(members, sizeof members, "'full':true,%s", states[i]);
		apply_only(members);
		digests[i] = fake.plane.state.set.digest;
		for (uint32_t j = 0; j < i; j++)
			ck_assert_uint_ne(digests[i], digests[j]);
	}
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_change_in_place_keeps_slots,
				       test_change_that_does_not_fit_is_a_new_incarnation,
				       test_change_counts_what_moves,
				       test_change_full_removes_what_it_does_not_name,
				       test_change_swaps_all_vips_at_the_limit,
				       test_change_tells_when_slots_are_scarce,
				       test_change_fails_whole_with_the_engine,
				       test_change_counts_go_on_through_a_new_incarnation,
				       test_change_counts_start_anew_in_a_used_slot,
				       test_change_digest_differs_when_the_state_does,
				       NULL };

	return run_tests("change", tests);
}
