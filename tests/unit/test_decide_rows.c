/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a packet whose row the row itself tells goes where its entry or the row's owners say; where
 * another core changes its entry meanwhile it is decided once more, then dropped and counted; what
 * is about a flow but not of it leaves no trace. Method: whole frames of one flow on a world whose
 * rows all move or settle, entries set by hand. What the rules are is test_track.c's.
 */
#include "emit.h"
#include "run.h"
#include "window.h"

#include "core_world.h"

enum {
	CUR = 0,
	PREV = 1,
	OTHER = 2,
	VIP = 1, /* its record */
	TICK = 0x1000,
	LEFT = 10, /* ticks of every row: the hold is over */
	FLAGS_AT = 14 + 20 + 13,
	SYN = 2,
	ACK = 16,
};

static struct world world;

static const struct frame_spec client = {
	.src = "198.51.100.7", .dst = "192.0.2.10", .src_port = 40000, .dst_port = 80, .ip_proto = 6
};

static struct frame
segment(uint8_t flags)
{
	struct frame frame = frame_of(&client);

	frame.data[FLAGS_AT] = flags;
	return frame;
}

static void
open_rows(enum fl_row_state state)
{
	struct fl_vip_key key = world_key(client.dst, 128);

	world_open(&world);
	key.port = htons(80);
	key.ip_proto = 6;
	world_serve(&world, &key)->service.window = fl_window(5, 1);
	for (uint32_t i = 0; i < WORLD_SLOTS; i++)
		world.backends[i].vip = VIP;
	world_set_rows(&world, FL_OWNER_LOOK);
	for (uint32_t i = 0; i < WORLD_ROWS; i++)
		world.rows[i].word = fl_row_word(
			state, CUR, state == FL_ROW_MOVING ? PREV : FL_ROW_NONE, TICK + LEFT);
	world.clock.tick = TICK;
}

static struct world_walk
walk(const struct frame *frame)
{
	struct world_walk walk;

	world_decide(&world, frame, &walk);
	return walk;
}

/* The flow's only word. */
static uint64_t *
add_entry(uint32_t slot, enum fl_flow_state state, uint8_t age)
{
	struct frame frame = segment(ACK);
	struct world_walk seen;
	uint64_t *word;

	seen = walk(&frame);
	word = world.flows[seen.decision.hash & (WORLD_FLOWS - 1)].word;
	memset(world.flows, 0, sizeof world.flows);
	word[5] = fl_flow_word(seen.decision.hash, slot, state, (uint8_t)(TICK - age));
	memset(&world.flow_counter, 0, sizeof world.flow_counter);
	return &word[5];
}

START_TEST(test_decide_rows_of_an_unknown_flow)
{
	static const struct {
		enum fl_row_state state;
		uint8_t flags;
		uint32_t slot;
	} rows[] = {
		{ FL_ROW_STABLE, SYN, CUR },	    { FL_ROW_STABLE, ACK, CUR },
		{ FL_ROW_MOVING, SYN, CUR },	    /* S4 */
		{ FL_ROW_MOVING, ACK, PREV },	    /* P2 */
		{ FL_ROW_MOVING, SYN | ACK, PREV }, /* no SYN */
		{ FL_ROW_SETTLING, SYN, CUR },	    /* S5 */
		{ FL_ROW_SETTLING, ACK, CUR },	    /* P3 */
	};

	for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct frame frame = segment(rows[i].flags);
		struct world_walk seen;

		open_rows(rows[i].state);
		seen = walk(&frame);
		ck_assert_int_eq(seen.verdict, FL_FORWARD);
		ck_assert_uint_eq(seen.decision.slot, rows[i].slot);
		ck_assert_ptr_eq(seen.decision.backend, &world.backends[rows[i].slot]);
	}
}
END_TEST

START_TEST(test_decide_rows_of_a_known_flow)
{
	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++) {
		struct frame frame = segment(ACK);
		struct world_walk seen;
		uint64_t *word;

		open_rows((enum fl_row_state)state);
		word = add_entry(OTHER, FL_FLOW_SYN, 3);
		seen = walk(&frame);
		ck_assert_int_eq(seen.verdict, FL_FORWARD);
		ck_assert_uint_eq(seen.decision.slot, OTHER);
		ck_assert_uint_eq(*word, fl_flow_word(seen.decision.hash, OTHER, FL_FLOW_OPEN,
						      (uint8_t)TICK));
	}
}
END_TEST

/* The entry was changed under the packet. */
START_TEST(test_decide_rows_decides_once_more_then_drops)
{
	for (uint32_t losses = 0; losses <= 3; losses++) {
		struct frame frame = segment(ACK);
		struct world_walk seen;

		open_rows(FL_ROW_MOVING);
		add_entry(OTHER, FL_FLOW_OPEN, 3);
		world.flow_losses = losses;
		seen = walk(&frame);
		ck_assert_uint_eq(world.flow_losses, losses > 2 ? 1 : 0); /* two tries */
		ck_assert_int_eq(seen.verdict, losses < 2 ? FL_FORWARD : FL_DROP_ROW_RACE);
		ck_assert_uint_eq(world.flow_counter.raced, losses < 2 ? 0 : 1);
		ck_assert(losses >= 2 || seen.decision.slot == OTHER);
	}
}
END_TEST

START_TEST(test_decide_rows_of_nobody)
{
	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++)
		for (uint32_t is_hosts = 0; is_hosts < 2; is_hosts++) {
			struct frame frame = segment(ACK);

			open_rows((enum fl_row_state)state);
			world.vips[VIP].service.flags = is_hosts ? FL_VIP_TO_HOST : 0;
			world.backends[CUR].link = world.backends[PREV].link = 0;
			ck_assert_int_eq(walk(&frame).verdict,
					 is_hosts ? FL_PASS_NO_BACKEND : FL_DROP_NO_BACKEND);
		}
}
END_TEST

/* world_decide() compares everything: an error about a flow changes nothing. */
START_TEST(test_decide_rows_of_an_error_leaves_no_trace)
{
	struct frame_spec sent = { .src = client.dst,
				   .dst = client.src,
				   .src_port = client.dst_port,
				   .dst_port = client.src_port,
				   .ip_proto = 6 };
	struct frame quoted = frame_of(&sent), frame = frame_icmp_error(&client, 3, &quoted, 28);
	struct world_walk seen;
	uint64_t *word, before;

	open_rows(FL_ROW_MOVING);
	seen = walk(&frame);
	ck_assert_int_eq(seen.verdict, FL_FORWARD);
	ck_assert_uint_eq(seen.decision.slot, PREV);
	ck_assert_uint_eq(world.flows[seen.decision.hash & (WORLD_FLOWS - 1)].word[0], 0);
	word = add_entry(OTHER, FL_FLOW_SYN, 3);
	before = *word;
	seen = walk(&frame);
	ck_assert_int_eq(seen.verdict, FL_FORWARD);
	ck_assert_uint_eq(seen.decision.slot, OTHER);
	ck_assert_uint_eq(*word, before);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_decide_rows_of_an_unknown_flow,	       test_decide_rows_of_a_known_flow,
		test_decide_rows_decides_once_more_then_drops, test_decide_rows_of_nobody,
		test_decide_rows_of_an_error_leaves_no_trace,  NULL
	};

	return run_tests("decide_rows", tests);
}
