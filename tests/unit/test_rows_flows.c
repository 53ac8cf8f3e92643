/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what is tracked while rows move is counted, told, cleared in time, gone before its slot has
 * another backend, and goes along when slots or their window are others.
 *
 * Method: as test_rows.c; entries are also written by hand.
 */
#include "rows_world.h"

/* --- the sweeper --- */

/** An entry of nobody's flow. */
static void
put_entry(uint32_t at, uint32_t of_slot, uint32_t age)
{
	fake.tables.flows[at / 8].word[at % 8] = fl_flow_word(
		0x123456789abcdefull * (at + 1), of_slot, FL_FLOW_OPEN, (uint8_t)(tick() - age));
}

START_TEST(test_sweeper_clears_what_counts_no_more)
{
	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	pass(100);
	apply(B(1, 0) "," B(2, 1));
	put_entry(0, slot(1), 0);
	put_entry(1, slot(1), 40);
	put_entry(FLOWS - 1, slot(2), 20);
	put_entry(2, slot(1), WINDOW_TICKS); /* too old */
	put_entry(3, slot(2) + 1, 0);	     /* nobody's */
	put_entry(4, FAKE_BACKENDS * 8, 0);  /* there is no such slot */
	put_entry(5, slot(1), 256 - 3);	     /* from a core that was faster */
	put_entry(6, slot(1), 70);
	pass(ROWS_PASS_TICKS / 2);
	ck_assert_uint_eq(fake.tables.flows[0].word[2], 0);
	ck_assert_uint_eq(fake.tables.flows[0].word[3], 0);
	ck_assert_uint_eq(fake.tables.flows[0].word[4], 0);
	ck_assert_uint_eq(entries(slot(1)), 4);
	pass(3 * ROWS_PASS_TICKS / 2);
	ck_assert_uint_eq(look(1).flows, 3); /* the one of 70 has gone meanwhile */
	ck_assert_uint_eq(look(2).flows, 1);
	ck_assert(!rows_has_no_flows(fake.plane.state.rows));
	fake_close(&fake);
}
END_TEST

START_TEST(test_entry_dies_though_no_process_ends_a_sweep)
{
	struct state *state = &fake.plane.state;
	uint64_t start;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	pass(1000);
	apply(B(1, 0) "," B(2, 1));
	put_entry(FLOWS - 1, slot(1), 0);
	start = tick();
	while (tick() - start < 3 * 256) { /* stamps wrap in it */
		pass(ROWS_PASS_TICKS - 2); /* not to the last bucket */
		rows_destroy(state->rows);
		ck_assert_int_eq(rows_create(state, &state->rows), 0);
		rows_adopted(state->rows);
		ck_assert_uint_eq(entries(slot(1)), tick() - start < WINDOW_TICKS);
	}
	fake_close(&fake);
}
END_TEST

START_TEST(test_backend_is_drained_when_nothing_holds_it)
{
	uint64_t last;
	uint16_t flow;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	ck_assert_uint_eq(look(1).idle_ms, 0);
	ck_assert(!look(1).is_drained);
	flow = flow_of(1, 1000);
	pass(50);
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(backend(1)->rows_leaving, count_state(FL_ROW_MOVING));
	ck_assert_uint_eq(send_packet(flow, ACK), 1);
	for (uint32_t i = 0; i < 40; i++) {
		ck_assert(!look(1).is_drained);
		pass(WINDOW_TICKS / 5);
		ck_assert_uint_eq(send_packet(flow, ACK), 1);
	}
	last = tick();
	pass(ROWS_PASS_TICKS * 2); /* seen by a whole sweep */
	ck_assert_uint_eq(backend(1)->rows_leaving, 0);
	ck_assert_uint_eq(look(1).flows, 1);
	ck_assert_uint_le(look(1).idle_ms, rows_ms(tick() - last));
	ck_assert_uint_gt(look(1).idle_ms, 0);
	while (!look(1).is_drained && tick() < last + 1000) {
		ck_assert_uint_le(tick() - last, WINDOW_TICKS + 2 * ROWS_PASS_TICKS);
		pass(1);
	}
	ck_assert_uint_ge(tick() - last, WINDOW_TICKS); /* while it lived, it did not say so */
	ck_assert(look(1).is_drained);
	apply(B(1, 1) "," B(2, 1));
	ck_assert(!look(1).is_drained);
	fake_close(&fake);
}
END_TEST

/**
 * A flow of a backend that is drained sends now and then, at any moment of an age unit: longer
 * silence than there ever was is never told, and what there was is soon.
 * @param unit ticks. @param silence between two packets, ticks.
 */
static void
be_silent(const char *members, uint32_t unit, uint32_t silence)
{
	uint16_t flow;

	open_plane(members);
	apply(B(1, 1) "," B(2, 1));
	ck_assert_uint_eq(1u << state_window(&vip()->policy).unit_shift, unit);
	flow = flow_of(1, 1000);
	pass(silence / 3);
	apply(B(1, 0) "," B(2, 1));
	for (uint32_t i = 0; i < 8; i++) {
		ck_assert_uint_eq(send_packet(flow, ACK), 1);
		for (uint32_t n = 0; n < silence; n++) {
			pass(1);
			ck_assert_uint_le(look(1).idle_ms, rows_ms(silence));
		}
	}
	pass(unit + 2 * ROWS_PASS_TICKS);
	ck_assert_uint_ge(look(1).idle_ms, rows_ms(silence));
	fake_close(&fake);
}

START_TEST(test_no_longer_silence_is_told_than_there_was)
{
	for (uint32_t silence = 3; silence < 40; silence += 7)
		be_silent("'window_s':5,'hold_s':0", 1, silence);
	for (uint32_t silence = 100; silence < 140; silence += 9)
		be_silent("'window_s':60,'hold_s':0", 16, silence);
	for (uint32_t silence = 300; silence < 500; silence += 33)
		be_silent("'window_s':900,'hold_s':3", 128, silence);
	for (uint32_t silence = 480; silence < 1200; silence += 151)
		be_silent("'window_s':3600,'hold_s':0", 512, silence);
}
END_TEST

START_TEST(test_entries_of_an_earlier_process_are_known_at_once)
{
	struct state *state = &fake.plane.state;

	open_plane("'window_s':60,'hold_s':0");
	apply(B(1, 1) "," B(2, 1));
	apply(B(1, 0) "," B(2, 1));
	pass(500);
	put_entry(FLOWS - 1, slot(1), 0); /* no packet core's: its stamp is any */
	rows_destroy(state->rows);
	ck_assert_int_eq(rows_create(state, &state->rows), 0);
	rows_adopted(state->rows);
	ck_assert_uint_eq(look(1).flows, 1);
	ck_assert_uint_gt(look(1).idle_ms, 0);
	ck_assert(!look(1).is_drained);
	fake_close(&fake);
}
END_TEST

START_TEST(test_sweep_that_began_before_the_last_row_left_does_not_count)
{
	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	apply(B(1, 0) "," B(2, 1));
	while (backend(1)->rows_leaving > 0)
		pass(1);
	/* an entry behind the sweeper: written while a row still moved */
	put_entry(0, slot(1), 0);
	for (uint32_t i = 0; i < ROWS_PASS_TICKS; i++) {
		ck_assert(!look(1).is_drained);
		ck_assert_uint_eq(look(1).idle_ms, 0); /* nothing is known of it */
		pass(1);
	}
	fake_close(&fake);
}
END_TEST

/* --- slots --- */

START_TEST(test_slot_is_clean_before_it_is_another_backends)
{
	uint32_t gone;
	uint16_t flow;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	flow = flow_of(1, 1000);
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(send_packet(flow, ACK), 1);
	gone = slot(1);
	ck_assert_uint_eq(entries(gone), 1);
	pass(2 * ROWS_PASS_TICKS);
	ck_assert_ptr_nonnull(prepare(B(2, 1)));
	ck_assert_int_eq(
		json_get_integer(
			cJSON_GetArrayItem(json_get(json_get(fake.answer, "result"), "vips"), 0),
			"flows_cut", -1),
		1);
	commit();
	ck_assert_uint_eq(entries(gone), 0);
	ck_assert_uint_eq(send_packet(flow, ACK), 2);
	apply(B(2, 1) "," B(3, 1));
	ck_assert_uint_eq(slot(3), gone);
	ck_assert_uint_eq(look(3).flows, 0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_slots_that_run_out_are_refused)
{
	char many[2048] = "";
	uint32_t base;
	size_t used = 0;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1) "," B(3, 1));
	ck_assert_uint_eq(vip()->slot_count, 2 * 3 + 8 + 2);
	base = vip()->slot_base;
	for (uint32_t host = 10; host < 10 + 14; host++)
		used += (size_t)snprintf(many + used, sizeof many - used,
					 "%s{'address':'10.0.0.%u','weight':1}",
					 host > 10 ? "," : "", host);
	/* those that leave have theirs until nothing names them: 3 + 14, and 16 are free */
	ck_assert_ptr_null(prepare(many));
	ck_assert_str_eq(fake_error(&fake), "limit_exceeded");
	ck_assert_ptr_null(fake_inconsistency(&fake));
	for (uint32_t comma = 0; comma < 2; comma++) /* of the last backend */
		*strrchr(many, ',') = '\0';
	apply(many); /* 13 and 3 fit where they are */
	ck_assert_uint_eq(vip()->slot_base, base);
	ck_assert_uint_eq(count_state(FL_ROW_STABLE), ROWS); /* T6 */
	fake_close(&fake);
}
END_TEST

START_TEST(test_flows_follow_their_slots)
{
	uint64_t before[ROWS];
	uint32_t base, old_slot;
	uint16_t old, new;

	open_plane(WINDOW_5 ",'mode':'ipip'");
	apply(B(1, 1) "," B(2, 1));
	old = flow_of(1, 1000);
	new = flow_of(1, (uint16_t)(old + 1));
	pass(300);
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	pass(5);
	ck_assert_uint_eq(send_packet(new, SYN), 2);
	for (uint32_t i = 0; i < ROWS; i++)
		before[i] = word(i);
	base = vip()->slot_base;
	old_slot = slot(1);

	policy = WINDOW_5 ",'mode':'gue'";
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_ne(vip()->slot_base, base);
	for (uint32_t i = 0; i < ROWS; i++)
		ck_assert_uint_eq(word(i), before[i]);
	ck_assert_uint_eq(entries(old_slot), 0);
	ck_assert_uint_eq(entries(slot(1)), 1);
	ck_assert_uint_eq(entries(slot(2)), 1);
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	ck_assert_uint_eq(send_packet(new, ACK), 2);
	ck_assert_uint_eq(ranges_free(fake.plane.state.slot_ranges), SLOTS - vip()->slot_count);
	fake_close(&fake);
}
END_TEST

static struct {
	uint64_t rows[ROWS];
	uint32_t record;
	uint32_t calls; /* of synchronize(), until the rows were other ones */
} seen;

static void
look_at_rows(struct fake_plane *plane)
{
	uint32_t record = plane_vip_find(&plane->tables, &vip()->key);

	for (uint32_t i = 0; i < ROWS; i++)
		if (word(i) != seen.rows[i])
			return;
	if (record != seen.record)
		seen.calls++;
}

START_TEST(test_rows_change_when_no_core_has_the_old_record)
{
	open_plane(WINDOW_5 ",'mode':'ipip'");
	apply(B(1, 1) "," B(2, 1));
	seen.record = vip()->record;
	for (uint32_t i = 0; i < ROWS; i++)
		seen.rows[i] = word(i);
	fake.on_synchronize = look_at_rows;
	policy = WINDOW_5 ",'mode':'gue'"; /* other slots */
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(seen.calls, 1);
	ck_assert_uint_gt(count_state(FL_ROW_MOVING), 0);
	fake_close(&fake);
}
END_TEST

/** What the entry of the slot says, in ticks. */
static uint32_t
idle_ticks(uint32_t of_slot)
{
	const struct fl_window window = state_window(&vip()->policy);

	for (uint32_t i = 0; i < FLOWS; i++) {
		uint64_t entry = fake.tables.flows[i / 8].word[i % 8];

		if (fl_flow_state(entry) != FL_FLOW_FREE && fl_flow_slot(entry) == of_slot)
			return (uint32_t)fl_flow_age(entry, &window, tick()) << window.unit_shift;
	}
	return UINT32_MAX;
}

/** A flow that was heard of a tick ago stays, whatever its stamp says in the long window's units.
 */
START_TEST(test_window_that_shrinks_takes_live_flows_along)
{
	static const char *const windows[] = { "'window_s':600,'hold_s':0",
					       "'window_s':900,'hold_s':0",
					       "'window_s':86400,'hold_s':0" };

	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t ticks = 1; ticks < 60; ticks += 29) {
			uint32_t unit;
			uint16_t flow;

			open_plane(windows[i]);
			apply(B(1, 1) "," B(2, 1));
			unit = 1u << state_window(&vip()->policy).unit_shift;
			pass(unit - 1 - (uint32_t)tick() % unit);
			flow = flow_of(1, 1000);
			apply(B(1, 0) "," B(2, 1));
			ck_assert_uint_eq(send_packet(flow, SYN), 2);
			pass(ticks); /* into the next unit */
			policy = WINDOW_5;
			apply(B(1, 0) "," B(2, 1));
			ck_assert_uint_eq(send_packet(flow, ACK), 2);
			fake_close(&fake);
		}
}
END_TEST

START_TEST(test_window_that_changes_takes_rows_and_flows_along)
{
	uint32_t rows_1;
	uint16_t old, new;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	rows_1 = backend(1)->rows;
	old = flow_of(1, 1000);
	new = flow_of(1, (uint16_t)(old + 1));
	pass(1000);
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	pass(30);
	ck_assert_uint_eq(send_packet(new, SYN), 2);
	pass(10);

	policy = "'window_s':60,'hold_s':0"; /* units of 16 ticks: 962 / 120 rounded up */
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(state_window(&vip()->policy).unit_shift, 4);
	ck_assert_uint_eq(
		count(FL_ROW_MOVING, 2, 1, tick() + state_window(&vip()->policy).row_ticks),
		rows_1);
	ck_assert_uint_eq(idle_ticks(slot(1)), 32); /* of 40 */
	ck_assert_uint_eq(idle_ticks(slot(2)), 0);  /* of 10 */
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	ck_assert_uint_eq(send_packet(new, ACK), 2);
	pass(200); /* longer than the old window */
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	ck_assert_uint_eq(send_packet(new, ACK), 2);

	policy = WINDOW_5; /* shorter: rows need not wait for the long one */
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(count(FL_ROW_MOVING, 2, 1, tick() + WINDOW_TICKS), rows_1);
	ck_assert_uint_eq(send_packet(old, ACK), 1);
	ck_assert_uint_eq(send_packet(new, ACK), 2);

	policy = "'window_s':0";
	apply(B(1, 0) "," B(2, 1));
	ck_assert_uint_eq(count(FL_ROW_STABLE, 2, NOBODY, 0), ROWS);
	ck_assert_uint_eq(entries(slot(1)) + entries(slot(2)), 0);
	fake_close(&fake);
}
END_TEST

/* --- what is told --- */

START_TEST(test_stats_tell_what_moves)
{
	const cJSON *stats, *one;
	char stable[17], moving[17];
	uint32_t rows_1;

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	rows_1 = backend(1)->rows;
	stats = fake_call(&fake, "plane.stats", NULL);
	snprintf(stable, sizeof stable, "%s", json_get_string(stats, "rows_digest", ""));
	apply(B(1, 0) "," B(2, 1));
	pass(16);
	stats = fake_call(&fake, "plane.stats", NULL);
	snprintf(moving, sizeof moving, "%s", json_get_string(stats, "rows_digest", ""));
	ck_assert_str_ne(moving, stable);
	ck_assert_int_eq(json_get_integer(stats, "tick", -1), (int64_t)tick());
	one = cJSON_GetArrayItem(json_get(stats, "vips"), 0);
	ck_assert_int_eq(json_get_integer(one, "rows_moving", -1), rows_1);
	ck_assert_int_eq(json_get_integer(one, "rows_settling", -1), 0);
	ck_assert_int_eq(json_get_integer(one, "stable_in_ms", -1),
			 (int64_t)rows_ms(2 * WINDOW_TICKS - 16));
	ck_assert_int_eq(json_get_integer(one, "flows", -1), 0);
	one = cJSON_GetArrayItem(json_get(one, "backends"), 0);
	ck_assert_int_eq(json_get_integer(one, "rows", -1), 0);
	ck_assert_int_eq(json_get_integer(one, "rows_leaving", -1), rows_1);
	/* as it was when the last sweep began, with the first of the 16 ticks */
	ck_assert_int_eq(json_get_integer(one, "idle_ms", -1), (int64_t)rows_ms(1));
	ck_assert(cJSON_IsFalse(json_get(one, "drained")));
	pass(3 * WINDOW_TICKS);
	stats = fake_call(&fake, "plane.stats", NULL);
	ck_assert_str_ne(json_get_string(stats, "rows_digest", ""), moving);
	one = cJSON_GetArrayItem(json_get(stats, "vips"), 0);
	ck_assert_int_eq(json_get_integer(one, "stable_in_ms", -1), 0);
	one = cJSON_GetArrayItem(json_get(one, "backends"), 0);
	ck_assert(cJSON_IsTrue(json_get(one, "drained")));
	ck_assert_ptr_null(json_get(one, "idle_ms"));
	fake_close(&fake);
}
END_TEST

START_TEST(test_explain_names_both_owners_and_writes_nothing)
{
	const char *const packet = "{'source':'203.0.113.9','source_port':%u,'destination':"
				   "'192.0.2.1','destination_port':80,'protocol':'tcp'}";
	struct fake_snapshot before;
	const cJSON *answer, *row;
	char params[256];

	open_plane(WINDOW_5);
	apply(B(1, 1) "," B(2, 1));
	snprintf(params, sizeof params, packet, flow_of(1, 1000));
	apply(B(1, 0) "," B(2, 1));
	before = fake_snapshot(&fake);
	answer = fake_call(&fake, "plane.explain", params);
	ck_assert(fake_is_as(&fake, before));
	ck_assert_str_eq(json_get_string(answer, "backend", ""), "10.0.0.1");
	row = cJSON_GetArrayItem(json_get(answer, "steps"), 2);
	ck_assert_str_eq(json_get_string(row, "state", ""), "moving");
	ck_assert_str_eq(json_get_string(row, "previous", ""), "10.0.0.1");
	ck_assert_str_eq(json_get_string(row, "owner", ""), "10.0.0.2");
	ck_assert_ptr_nonnull(
		strstr(json_get_string(row, "text", ""), "moving from 10.0.0.1 to 10.0.0.2"));
	pass(WINDOW_TICKS + ROWS_TIMER_TICKS);
	answer = fake_call(&fake, "plane.explain", params);
	ck_assert_str_eq(json_get_string(answer, "backend", ""), "10.0.0.2");
	row = cJSON_GetArrayItem(json_get(answer, "steps"), 2);
	ck_assert_str_eq(json_get_string(row, "state", ""), "settling");
	ck_assert_ptr_null(json_get(row, "previous"));
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_sweeper_clears_what_counts_no_more,
		test_entry_dies_though_no_process_ends_a_sweep,
		test_backend_is_drained_when_nothing_holds_it,
		test_no_longer_silence_is_told_than_there_was,
		test_entries_of_an_earlier_process_are_known_at_once,
		test_sweep_that_began_before_the_last_row_left_does_not_count,
		test_slot_is_clean_before_it_is_another_backends,
		test_slots_that_run_out_are_refused,
		test_flows_follow_their_slots,
		test_rows_change_when_no_core_has_the_old_record,
		test_window_that_shrinks_takes_live_flows_along,
		test_window_that_changes_takes_rows_and_flows_along,
		test_stats_tell_what_moves,
		test_explain_names_both_owners_and_writes_nothing,
		NULL,
	};

	return run_tests("rows_flows", tests);
}
