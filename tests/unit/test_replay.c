/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a plane that gets a VIP with the sets it had before has the rows of a plane that lived
 * through them.
 *
 * Method: a plane lives through random changes (backends, weights) under a clock that the test
 * turns. Now and then a fresh plane, with another clock, gets the present set and the history as
 * the control daemon keeps it; rows are compared by the addresses they name.
 */
#include "fake_plane.h"
#include "replay.h"
#include "rows.h"
#include "run.h"
#include "window.h"

enum {
	HOSTS = 14,
	CHANGES = 60, /* of a life */
	LIVES = 12,
	SETS_MAX = VIP_HISTORY_MAX + 1,
};

static const struct plane_limits limits = { 4, 128, 2048, 64, 64 };
static struct fake_plane lived, fresh;

/** A set, and when it was committed, s. */
struct set {
	uint32_t at_s, window_s;
	int32_t weight[HOSTS]; /* -1: not in it */
};

static struct set sets[CHANGES];
static uint32_t set_count, now_s, window_s, hold_s;

static uint32_t random_state;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

static size_t
put_backends(char *text, size_t size, const struct set *set)
{
	size_t used = 0;

	for (uint32_t host = 0; host < HOSTS; host++)
		if (set->weight[host] >= 0)
			used += (size_t)snprintf(text + used, size - used,
						 "%s{'address':'10.0.0.%u','weight':%d}",
						 used > 0 ? "," : "", host + 1, set->weight[host]);
	text[used] = '\0';
	return used;
}

/** The set that was followed by a window without a change: no row moved when the next one came.
 * What moved when an earlier one came shows in rows that changed again while they did. */
static uint32_t
first_known(void)
{
	uint32_t until_s = now_s, first = set_count - 1;

	while (first > 0 && until_s - sets[first].at_s <= sets[first].window_s * 17 / 16 + 3)
		until_s = sets[first--].at_s;
	ck_assert_uint_lt(set_count - first, SETS_MAX);
	return first;
}

static void
push(struct fake_plane *fake, uint64_t generation, bool has_history)
{
	static char text[FAKE_LINE_BYTES / 2];
	const struct set *present = &sets[set_count - 1];
	size_t used = (size_t)snprintf(
		text, sizeof text,
		"{'generation':%llu,'vips':[{'address':'192.0.2.1','port':80,'protocol':'tcp',"
		"'table_size':251,'window_s':%u,'hold_s':%u,'age_ms':%u,'backends':[",
		(unsigned long long)generation, window_s, hold_s, (now_s - present->at_s) * 1000);

	used += put_backends(text + used, sizeof text - used, present);
	used += (size_t)snprintf(text + used, sizeof text - used, "],'history':[");
	for (uint32_t i = first_known(); has_history && i + 1 < set_count; i++) {
		used += (size_t)snprintf(text + used, sizeof text - used,
					 "%s{'age_ms':%u,'window_s':%u,'backends':[",
					 text[used - 1] == '[' ? "" : ",",
					 (now_s - sets[i].at_s) * 1000, sets[i].window_s);
		used += put_backends(text + used, sizeof text - used, &sets[i]);
		used += (size_t)snprintf(text + used, sizeof text - used, "]}");
	}
	snprintf(text + used, sizeof text - used, "]}]}");
	if (fake_call(fake, "plane.prepare", text) == NULL)
		ck_abort_msg("refused: %s",
			     json_get_string(json_get(fake->answer, "error"), "message", "-"));
	snprintf(text, sizeof text, "{'generation':%llu}", (unsigned long long)generation);
	ck_assert_ptr_nonnull(fake_call(fake, "plane.commit", text));
	fake_settle(fake);
}

/** The host that a row names; -1: none. */
static int
host_of(const struct fake_plane *fake, uint32_t index)
{
	const struct state_vip *vip = fake->plane.state.set.vips[0];
	struct fl_addr target;

	if (index == FL_ROW_NONE)
		return -1;
	target = fl_encap_target(&fake->tables.backends[vip->slot_base + index]);
	return ((const uint8_t *)&target)[15];
}

/** @return rows that move. */
static uint32_t
compare(void)
{
	const struct fl_row *left = &lived.tables.rows[lived.plane.state.set.vips[0]->row_base];
	const struct fl_row *right = &fresh.tables.rows[fresh.plane.state.set.vips[0]->row_base];
	uint32_t moving = 0;

	for (uint32_t i = 0; i < 251; i++) {
		uint64_t a = left[i].word, b = right[i].word;
		bool moves = fl_row_state(a) == FL_ROW_MOVING;

		CHECK(host_of(&lived, fl_row_cur(a)) == host_of(&fresh, fl_row_cur(b)));
		CHECK(moves == (fl_row_state(b) == FL_ROW_MOVING));
		if (moves) {
			CHECK(host_of(&lived, fl_row_prev(a)) == host_of(&fresh, fl_row_prev(b)));
			CHECK(fl_row_left(a, lived.tables.clock->tick) ==
			      fl_row_left(b, fresh.tables.clock->tick));
		}
		moving += moves;
	}
	rows_refresh(lived.plane.state.rows);
	rows_refresh(fresh.plane.state.rows);
	ck_assert_uint_eq(rows_set_digest(lived.plane.state.rows),
			  rows_set_digest(fresh.plane.state.rows));
	ck_assert_uint_eq(lived.plane.state.set.digest, fresh.plane.state.set.digest);
	return moving;
}

static uint32_t
compare_with_fresh(void)
{
	const char *fault;
	uint32_t moving;

	fake_open(&fresh, &limits);
	fresh.tables.clock->tick = random_below(1u << 24);
	push(&fresh, 1, true);
	fault = fake_inconsistency(&fresh);
	ck_assert_msg(fault == NULL, "%s", fault);
	moving = compare();
	fake_close(&fresh);
	return moving;
}

static void
pass_seconds(struct fake_plane *fake, uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds; i++)
		rows_advance(fake->plane.state.rows, FL_TICKS_PER_S);
}

/** Another set: some come, go, come back, are drained, get another weight. */
static void
next_set(void)
{
	struct set *set = &sets[set_count];

	*set = set_count > 0 ? set[-1] : (struct set){ 0 };
	for (uint32_t n = 1 + random_below(3); n > 0; n--)
		set->weight[random_below(HOSTS)] = (int32_t)random_below(5) - 1;
	if (random_below(12) == 0) /* nobody is left with a weight */
		for (uint32_t host = 0; host < HOSTS; host++)
			set->weight[host] = set->weight[host] > 0 ? 0 : set->weight[host];
	if (random_below(10) == 0)
		window_s = 2 + random_below(40);
	set->window_s = window_s;
	set->at_s = now_s;
	set_count++;
}

START_TEST(test_replay_is_the_life_of_another_plane)
{
	uint32_t moving = 0, lives;

	for (lives = 0; lives < LIVES; lives++) {
		random_state = lives + 1;
		window_s = 2 + random_below(40);
		hold_s = random_below(5);
		now_s = 1;
		set_count = 0;
		fake_open(&lived, &limits);
		for (uint32_t change = 0; change < CHANGES; change++) {
			uint32_t wait_s = random_below(4) == 0 ? random_below(3 * window_s)
							       : random_below(window_s / 2 + 2);

			next_set();
			push(&lived, change + 1, false);
			if (random_below(3) == 0)
				moving += compare_with_fresh();
			pass_seconds(&lived, wait_s);
			now_s += wait_s;
			if (random_below(3) == 0)
				moving += compare_with_fresh();
		}
		fake_close(&lived);
	}
	ck_assert_uint_gt(moving, 10000);
}
END_TEST

START_TEST(test_replay_goes_on_as_the_other_plane_does)
{
	uint32_t ends = 0;

	random_state = 99;
	window_s = 20;
	hold_s = 3;
	now_s = 1;
	set_count = 0;
	fake_open(&lived, &limits);
	for (uint32_t change = 0; change < 8; change++) {
		next_set();
		push(&lived, change + 1, false);
		pass_seconds(&lived, 4);
		now_s += 4;
	}
	fake_open(&fresh, &limits);
	push(&fresh, 1, true);
	for (uint32_t i = 0; i < 40; i++) {
		ends += compare() == 0;
		pass_seconds(&lived, 1);
		pass_seconds(&fresh, 1);
		now_s++;
		if (i == 10) {
			next_set();
			push(&lived, 9, false);
			push(&fresh, 9, true); /* a plane that has the VIP does not look at it */
		}
	}
	ck_assert_uint_gt(ends, 5);
	fake_close(&fresh);
	fake_close(&lived);
}
END_TEST

START_TEST(test_replay_of_ancient_sets_is_stable)
{
	static const char text[] =
		"{'generation':1,'vips':[{'address':'192.0.2.1','port':80,'protocol':'tcp',"
		"'table_size':251,'window_s':900,'age_ms':%llu,'backends':[{'address':'10.0.0.1',"
		"'weight':1}],'history':[{'age_ms':9007199254740991,'backends':["
		"{'address':'10.0.0.2','weight':1},{'address':'10.0.0.1','weight':1}]},"
		"{'age_ms':%llu,'backends':[{'address':'10.0.0.2','weight':1},"
		"{'address':'10.0.0.1','weight':0}]}]}]}";
	static const uint64_t ages[] = { 9007199254740991, 1048576000000, 1900000 };
	static char params[2048];

	for (uint32_t i = 0; i < 3; i++) {
		snprintf(params, sizeof params, text, (unsigned long long)ages[i],
			 (unsigned long long)ages[i]);
		fake_open(&fresh, &limits);
		fresh.tables.clock->tick = 7;
		ck_assert_ptr_nonnull(fake_call(&fresh, "plane.prepare", params));
		ck_assert_ptr_nonnull(fake_call(&fresh, "plane.commit", "{'generation':1}"));
		for (uint32_t row = 0; row < 251; row++)
			CHECK(fresh.tables.rows[row].word == fl_row_stable(0));
		fake_close(&fresh);
	}
}
END_TEST

/** Rows of a VIP that got a second backend @p age_ms ago, with slot indexes of the test's. */
static void
replay_second(uint64_t age_ms, uint64_t ret_rows[251])
{
	struct want_backend first = { .weight = 1 }, both[2] = { { .weight = 1 }, { .weight = 1 } };
	struct want_set before = {
		.age_ms = age_ms + 5, .window_s = 20, .backend_count = 1, .backends = &first
	};
	struct want_vip want = { .policy = { .window_s = 20, .hold_s = 3 },
				 .present = { age_ms, 20, 2, both },
				 .history_count = 1,
				 .history = &before };
	struct state_vip *vip;

	ck_assert_int_eq(addr_parse("10.0.0.1", &first.address), 0);
	both[0].address = first.address;
	ck_assert_int_eq(addr_parse("10.0.0.2", &both[1].address), 0);
	ck_assert_int_eq(state_vip_create(2, &vip), 0);
	vip->row_count = 251;
	vip->backends[0].slot_index = 9;
	vip->backends[1].slot_index = 5;
	ck_assert_int_eq(replay_rows(&fresh.plane.state, &want, vip, ret_rows), 0);
	free(vip);
}

START_TEST(test_replay_gives_each_row_its_time)
{
	const uint32_t ticks = fl_window(20, 3).row_ticks;
	const uint64_t now = 5000;
	static uint64_t rows[251];

	fake_open(&fresh, &limits);
	fresh.tables.clock->tick = now;
	for (uint64_t age = 0; age < 3 * ticks; age++) {
		uint64_t word = fl_row_word(FL_ROW_MOVING, 5, 9, now - age + ticks);
		uint32_t moved = 0;

		if (age >= 2 * ticks)
			word = fl_row_stable(5);
		else if (age >= ticks)
			word = fl_row_word(FL_ROW_SETTLING, 5, FL_ROW_NONE, now - age + 2 * ticks);
		replay_second((age * 1000 + 15) / 16 + age % 62, rows); /* up to the next tick */
		for (uint32_t i = 0; i < 251; i++) {
			CHECK(rows[i] == fl_row_stable(9) || rows[i] == word);
			moved += rows[i] == word;
		}
		ck_assert_uint_eq(moved, 125);
	}
	fake_close(&fresh);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_replay_is_the_life_of_another_plane,
				       test_replay_goes_on_as_the_other_plane_does,
				       test_replay_of_ancient_sets_is_stable,
				       test_replay_gives_each_row_its_time, NULL };

	return run_tests("replay", tests);
}
