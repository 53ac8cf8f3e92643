/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: of the words of a bucket the right one is the flow's, and the right one gives its place;
 * who only watches changes nothing; tables that lack something, and packets that cannot be read,
 * end a packet and nothing else; a packet's flags are read as docs/architecture.md says. Method:
 * track_world.h, words set by hand; every flag byte; every cut.
 */
#include "track_world.h"

/* --- E0 --- */

START_TEST(test_e0_old_entry_is_none)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, window()->live_units + 1u);
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_uint_eq(fl_flow_slot(flows.word[3]), SLOT_BASE + 1); /* in its place */
	check_entry(1, FL_FLOW_OPEN);
}
END_TEST

START_TEST(test_e0_entry_of_a_dead_slot_is_none)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	live &= ~(1u << 2);
	ck_assert_int_eq(send_packet(0), 1);
	check_entry(1, FL_FLOW_OPEN);
	set_row_after_hold(FL_ROW_MOVING);
	flows.word[3] = fl_flow_word(HASH, SLOT_BASE + SLOTS, FL_FLOW_OPEN,
				     fl_flow_stamp(window(), tick)); /* no such slot */
	ck_assert_int_eq(send_packet(0), 1);
}
END_TEST

START_TEST(test_e0_entry_of_a_vip_that_is_not_there_is_none)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 0);
	backends_vip = VIPS;
	ck_assert_int_eq(send_packet(0), 1);
	ck_assert_uint_eq(fl_flow_slot(flows.word[3]), SLOT_BASE + 1); /* in its place */
}
END_TEST

START_TEST(test_stamp_ahead_of_the_clock_is_young)
{
	set_row(FL_ROW_SETTLING, 1);
	for (uint32_t ahead = 1; ahead <= 256 - FL_FLOW_AGE_AHEAD; ahead++) {
		set_entry(1, FL_FLOW_OPEN, 256 - ahead);
		ck_assert_uint_eq(fl_flow_age(flows.word[3], window(), tick), 0);
		ck_assert_int_eq(send_packet(0), 1);
	}
	set_entry(1, FL_FLOW_OPEN, FL_FLOW_AGE_AHEAD - 1);
	ck_assert_int_eq(send_packet(0), 0);
}
END_TEST

/* A backend of the VIP's former incarnation: its entries go on in the units they began in. */
START_TEST(test_stamp_counts_the_units_of_its_backends_vip)
{
	set_row_after_hold(FL_ROW_MOVING);
	vips[1].service.window = fl_window(900, 3); /* units of 128 ticks */
	backends_vip = 1;
	tick = 0x1000280; /* unit 5, modulo 256 */
	flows.word[3] = fl_flow_word(HASH, SLOT_BASE + 2, FL_FLOW_OPEN, 2);
	ck_assert_int_eq(send_packet(0), 2);
	ck_assert_uint_eq(flows.word[3], fl_flow_word(HASH, SLOT_BASE + 2, FL_FLOW_OPEN, 5));
	flows.word[3] = fl_flow_word(HASH, SLOT_BASE + 2, FL_FLOW_OPEN, (uint8_t)(5 - 114));
	ck_assert_int_eq(send_packet(0), 1); /* 114 units and more are no entry */
}
END_TEST

/* --- several words of one fingerprint --- */

START_TEST(test_entry_behind_one_that_counts_no_more_is_found)
{
	for (uint32_t is_old = 0; is_old < 2; is_old++) {
		set_row_after_hold(FL_ROW_MOVING);
		flows.word[1] = entry_of(3, FL_FLOW_OPEN, is_old ? window()->live_units + 1u : 0);
		live &= is_old ? 0xfu : ~(1u << 3);
		set_entry(2, FL_FLOW_OPEN, 1);
		ck_assert_int_eq(send_packet(0), 2);
		check_entry(2, FL_FLOW_OPEN);
		ck_assert_uint_eq(fl_flow_slot(flows.word[1]), SLOT_BASE + 3);
	}
}
END_TEST

START_TEST(test_first_of_two_entries_counts)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, 1);
	flows.word[5] = entry_of(3, FL_FLOW_OPEN, 0);
	ck_assert_int_eq(send_packet(0), 2);
	check_entry(2, FL_FLOW_OPEN);
	ck_assert_uint_eq(flows.word[5], entry_of(3, FL_FLOW_OPEN, 0));
}
END_TEST

START_TEST(test_two_words_that_count_no_more_are_none)
{
	set_row_after_hold(FL_ROW_MOVING);
	set_entry(2, FL_FLOW_OPEN, window()->live_units + 1u);
	flows.word[5] = entry_of(3, FL_FLOW_OPEN, 0);
	live &= ~(1u << 3);
	ck_assert_int_eq(send_packet(0), 1);
	check_entry(1, FL_FLOW_OPEN);
	set_row(FL_ROW_SETTLING, 5);
	set_entry(2, FL_FLOW_OPEN, window()->live_units + 1u);
	flows.word[5] = entry_of(3, FL_FLOW_OPEN, window()->live_units + 2u);
	ck_assert_int_eq(send_packet(0), 0);
}
END_TEST

START_TEST(test_free_word_is_nobodys)
{
	for (uint32_t beside = 0; beside < 2; beside++) {
		set_row(FL_ROW_SETTLING, row_ticks());
		flows.word[1] = entry_of(3, FL_FLOW_FREE, 0);
		if (beside)
			set_entry(2, FL_FLOW_OPEN, 0);
		ck_assert_int_eq(send_packet(0), beside ? 2 : 0);
		flows.word[5] = entry_of(3, FL_FLOW_FREE, 0);
		ck_assert_int_eq(send_packet(0), beside ? 2 : 0);
	}
}
END_TEST

/* Every free word has this fingerprint. */
START_TEST(test_flow_whose_fingerprint_is_0)
{
	const uint64_t hash = 0x3fffffff; /* all other bits */

	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet_of(hash, FL_SEGMENT_SYN), 0); /* S4 */
	ck_assert_uint_eq(flows.word[0], fl_flow_word(hash, SLOT_BASE, FL_FLOW_SYN,
						      fl_flow_stamp(window(), tick)));
	flows.word[6] = flows.word[0];
	flows.word[0] = 0;
	ck_assert_int_eq(send_packet_of(hash, 0), 0); /* P1: unknown it would be prev's */
	ck_assert_uint_eq(flows.word[6], fl_flow_word(hash, SLOT_BASE, FL_FLOW_OPEN,
						      fl_flow_stamp(window(), tick)));
	for (uint32_t i = 0; i < 8; i++)
		ck_assert(i == 6 || flows.word[i] == 0);
}
END_TEST

/* --- dead owners --- */

START_TEST(test_dead_prev_is_cur)
{
	set_row(FL_ROW_MOVING, row_ticks());
	live &= ~(1u << 1);
	ck_assert_int_eq(send_packet(0), 0);
	set_row(FL_ROW_MOVING, row_ticks()); /* holding */
	live &= ~(1u << 1);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
}
END_TEST

START_TEST(test_dead_cur_sends_new_flows_to_prev)
{
	set_row_after_hold(FL_ROW_MOVING);
	live &= ~1u;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1);
	check_entry(1, FL_FLOW_SYN);
}
END_TEST

START_TEST(test_nobody_lives)
{
	static const enum fl_row_state states[] = { FL_ROW_STABLE, FL_ROW_MOVING, FL_ROW_SETTLING };

	for (uint32_t i = 0; i < 3; i++) {
		set_row(states[i], 5);
		live = 0;
		ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), -FL_DROP_NO_BACKEND);
		ck_assert_int_eq(send_packet(0), -FL_DROP_NO_BACKEND);
		ck_assert_uint_eq(get_entry(), 0);
		row.word = fl_row_word(states[i], FL_ROW_NONE, FL_ROW_NONE, tick + 5);
		live = 0xf;
		ck_assert_int_eq(send_packet(0), -FL_DROP_NO_BACKEND);
	}
}
END_TEST

/* --- places --- */

START_TEST(test_places_are_given_in_order)
{
	struct fl_window minute = fl_window(900, 3); /* units of 8 s: evicted from 64 s on */

	set_row_after_hold(FL_ROW_MOVING);
	vips[0].service.window = minute;
	fill_table(FL_FLOW_SYN, minute.evict_units);
	flows.word[1] =
		fl_flow_touched(flows.word[1], FL_FLOW_CLOSING,
				(uint8_t)(fl_flow_stamp(window(), tick) - minute.evict_units - 1u));
	ck_assert_uint_eq(find_victim(NULL, 0, tick), flows.word[1]); /* the oldest */
	flows.word[6] =
		fl_flow_touched(flows.word[6], FL_FLOW_OPEN,
				(uint8_t)(fl_flow_stamp(window(), tick) - minute.live_units - 1u));
	ck_assert_uint_eq(find_victim(NULL, 0, tick), flows.word[6]); /* what counts no more */
	flows.word[7] = 0;
	ck_assert_uint_eq(find_victim(NULL, 0, tick), 0);
}
END_TEST

START_TEST(test_open_and_young_entries_keep_their_places)
{
	set_row_after_hold(FL_ROW_MOVING);
	vips[0].service.window = fl_window(900, 3);
	fill_table(FL_FLOW_OPEN, window()->live_units);
	ck_assert_uint_eq(find_victim(NULL, 0, tick), FL_FLOW_NO_VICTIM);
	fill_table(FL_FLOW_SYN, window()->evict_units - 1u);
	ck_assert_uint_eq(find_victim(NULL, 0, tick), FL_FLOW_NO_VICTIM);
	fill_table(FL_FLOW_CLOSING, window()->evict_units - 1u);
	ck_assert_uint_eq(find_victim(NULL, 0, tick), FL_FLOW_NO_VICTIM);
}
END_TEST

START_TEST(test_eviction_is_counted)
{
	set_row_after_hold(FL_ROW_MOVING);
	vips[0].service.window = fl_window(900, 3);
	row.word = fl_row_until(row.word, tick + 5);
	fill_table(FL_FLOW_SYN, window()->evict_units);
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	check_entry(0, FL_FLOW_SYN);
	ck_assert_uint_eq(counted.evicted, 1);
	ck_assert_uint_eq(counted.failed, 0);
}
END_TEST

/* --- who only watches --- */

/* The answer, after which row, bucket and counters are as before. */
static int
watch_packet(uint32_t segment)
{
	struct fl_flow_counter counted_before = counted;
	struct fl_flows flows_before = flows;
	uint64_t row_before = row.word;
	int answer = send_packet(segment | FL_SEGMENT_WATCH);

	ck_assert_uint_eq(row.word, row_before);
	ck_assert_mem_eq(&flows, &flows_before, sizeof flows);
	ck_assert_mem_eq(&counted, &counted_before, sizeof counted);
	return answer;
}

START_TEST(test_who_watches_an_unknown_flow_writes_nothing)
{
	for (uint32_t is_full = 0; is_full < 2; is_full++) {
		set_row(FL_ROW_MOVING, row_ticks() - 1); /* holding */
		if (is_full)
			fill_table(FL_FLOW_OPEN, 0);
		ck_assert_int_eq(watch_packet(0), 1);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_END), 1);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 1);
	}
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(watch_packet(0), 1);
	ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 0);
	set_row(FL_ROW_SETTLING, 5);
	ck_assert_int_eq(watch_packet(0), 0);
	ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 0);
	set_entry(2, FL_FLOW_OPEN, 0);
	live &= ~(1u << 2); /* not even a leftover of it */
	ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 0);
	live = 0;
	ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), -FL_DROP_NO_BACKEND);
	ck_assert_int_eq(watch_packet(0), -FL_DROP_NO_BACKEND);
}
END_TEST

START_TEST(test_who_watches_a_known_flow_writes_nothing)
{
	for (int state = FL_ROW_MOVING; state <= FL_ROW_SETTLING; state++) {
		int def = state == FL_ROW_MOVING ? 1 : 0;
		uint32_t closed, old;

		set_row_after_hold((enum fl_row_state)state);
		closed = window()->closed_units;
		old = window()->live_units + 1u;
		set_entry(2, FL_FLOW_SYN, 3);
		ck_assert_int_eq(watch_packet(0), 2);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_END), 2);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 2); /* S2 */
		set_entry(2, FL_FLOW_OPEN, closed);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 2); /* S2 */
		set_entry(2, FL_FLOW_CLOSING, closed - 1);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 2); /* S2 */
		set_entry(2, FL_FLOW_CLOSING, closed);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 0); /* S3 */
		ck_assert_int_eq(watch_packet(FL_SEGMENT_PAYLOAD), 2);
		set_entry(2, FL_FLOW_CLOSING, old);
		ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 0);
		ck_assert_int_eq(watch_packet(0), def);
	}
	set_row(FL_ROW_MOVING, row_ticks()); /* holding: S3 too */
	set_entry(2, FL_FLOW_CLOSING, window()->closed_units);
	ck_assert_int_eq(watch_packet(FL_SEGMENT_SYN), 1);
}
END_TEST

/* --- tables that lack something; broken packets --- */

START_TEST(test_without_a_bucket_nothing_can_be_written)
{
	set_row_after_hold(FL_ROW_MOVING);
	has_no_bucket = true;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 1); /* S4: def, and R1 */
	ck_assert_int_eq(left(), row_ticks());
	check_counted(&(struct fl_flow_counter){ .failed = 1, .extended = 1 });
	set_row_after_hold(FL_ROW_MOVING);
	has_no_bucket = true;
	ck_assert_int_eq(send_packet(0), 1); /* P2: def, and R1 */
	ck_assert_int_eq(left(), row_ticks());
	check_counted(&(struct fl_flow_counter){ .failed = 1, .extended = 1 });
	set_row(FL_ROW_SETTLING, 5);
	has_no_bucket = true;
	ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), 0);
	ck_assert_int_eq(send_packet(0), 0);
	check_counted(&(struct fl_flow_counter){ 0 });
}
END_TEST

START_TEST(test_without_config_vip_or_row_it_is_a_bug)
{
	static const enum fl_row_state states[] = { FL_ROW_STABLE, FL_ROW_MOVING, FL_ROW_SETTLING };

	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t lacks = 0; lacks < 4; lacks++) {
			set_row(states[i], 5);
			has_no_config = lacks == 1;
			has_no_vip = lacks == 2;
			has_no_row = lacks == 3;
			ck_assert_int_eq(send_packet(FL_SEGMENT_SYN), lacks > 0 ? -FL_DROP_BUG : 0);
		}
}
END_TEST

/* P4 looks at it again. */
START_TEST(test_row_that_is_gone_when_it_is_read_again_is_a_bug)
{
	set_row(FL_ROW_SETTLING, 5);
	set_entry(2, FL_FLOW_OPEN, 1);
	row_goes = true;
	ck_assert_int_eq(send_packet(0), -FL_DROP_BUG);
	ck_assert_uint_eq(fl_flow_age(flows.word[3], window(), tick), 1);
}
END_TEST

START_TEST(test_broken_packet_is_a_bug)
{
	set_row_after_hold(FL_ROW_MOVING);
	ck_assert_int_eq(send_packet(FL_SEGMENT_BROKEN), -FL_DROP_BUG);
	ck_assert_uint_eq(get_entry(), 0);
	set_row(FL_ROW_STABLE, 0);
	ck_assert_int_eq(send_packet(FL_SEGMENT_BROKEN), -FL_DROP_BUG);
}
END_TEST

/* --- what a packet is --- */

enum { L2_BYTES = 14, L4_OFFSET = 20, FLAGS_AT = L2_BYTES + L4_OFFSET + 12, FRAME_BYTES = 80 };

static uint8_t bytes[FRAME_BYTES];

/* A TCP header of @p words 32-bit words, and @p payload bytes behind it. */
static uint32_t
segment_of(uint32_t words, uint8_t flags, uint32_t payload)
{
	struct fl_frame frame = { .start = { bytes, bytes + FRAME_BYTES } };
	struct fl_packet packet = { .shape = FL_SHAPE_FLOW,
				    .ip_proto = FL_IPPROTO_TCP,
				    .l2_bytes = L2_BYTES,
				    .l4_offset = L4_OFFSET,
				    .l3_bytes = (uint16_t)(L4_OFFSET + 4 * words + payload) };

	bytes[FLAGS_AT] = (uint8_t)(words << 4);
	bytes[FLAGS_AT + 1] = flags;
	return fl_segment(&frame, &packet);
}

START_TEST(test_segment_of_every_flag_and_length)
{
	for (uint32_t flags = 0; flags <= 0xff; flags++)
		for (uint32_t words = 5; words <= 8; words++)
			for (uint32_t payload = 0; payload <= 2; payload++) {
				bool fin = flags & 1, syn = flags & 2, rst = flags & 4;
				bool ack = flags & 16;
				uint32_t expected = payload > 0 ? FL_SEGMENT_PAYLOAD : 0;

				expected |= syn && !ack && !fin && !rst ? FL_SEGMENT_SYN : 0;
				expected |= fin || rst ? FL_SEGMENT_END : 0;
				expected |= rst ? FL_SEGMENT_RST : 0;
				CHECK(segment_of(words, (uint8_t)flags, payload) == expected);
			}
}
END_TEST

START_TEST(test_segment_by_shape_and_protocol)
{
	static const struct {
		enum fl_shape shape;
		uint8_t ip_proto;
		uint32_t segment;
	} rows[] = {
		{ FL_SHAPE_FLOW, FL_IPPROTO_TCP, FL_SEGMENT_SYN },
		{ FL_SHAPE_FIRST, FL_IPPROTO_TCP, FL_SEGMENT_SYN },
		{ FL_SHAPE_FLOW, FL_IPPROTO_UDP, 0 }, /* tracked, without a SYN */
		{ FL_SHAPE_FIRST, FL_IPPROTO_UDP, 0 },
		{ FL_SHAPE_OTHER, FL_IPPROTO_TCP, FL_SEGMENT_WATCH },
		{ FL_SHAPE_LATER, FL_IPPROTO_TCP, FL_SEGMENT_WATCH },
		{ FL_SHAPE_ERROR, FL_IPPROTO_TCP, FL_SEGMENT_WATCH },
		{ FL_SHAPE_ECHO, FL_IPPROTO_ICMP, FL_SEGMENT_WATCH },
	};

	for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fl_frame frame = { .start = { bytes, bytes + FRAME_BYTES } };
		struct fl_packet packet = { .shape = rows[i].shape,
					    .ip_proto = rows[i].ip_proto,
					    .l2_bytes = L2_BYTES,
					    .l4_offset = L4_OFFSET,
					    .l3_bytes = L4_OFFSET + 20 };

		bytes[FLAGS_AT] = 5 << 4;
		bytes[FLAGS_AT + 1] = FL_TCP_SYN;
		ck_assert_uint_eq(fl_segment(&frame, &packet), rows[i].segment);
	}
}
END_TEST

/* The parser lets nothing shorter come so far. */
START_TEST(test_segment_that_cannot_be_read_is_broken)
{
	for (uint32_t size = 0; size <= FRAME_BYTES; size++) {
		struct fl_frame frame = { .start = { bytes, bytes + size } };
		struct fl_packet packet = { .shape = FL_SHAPE_FLOW,
					    .ip_proto = FL_IPPROTO_TCP,
					    .l2_bytes = L2_BYTES,
					    .l4_offset = L4_OFFSET,
					    .l3_bytes = L4_OFFSET + 20 };

		ck_assert_int_eq(fl_segment(&frame, &packet) == FL_SEGMENT_BROKEN,
				 size < FLAGS_AT + 4);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_e0_old_entry_is_none,
				       test_e0_entry_of_a_dead_slot_is_none,
				       test_e0_entry_of_a_vip_that_is_not_there_is_none,
				       test_stamp_ahead_of_the_clock_is_young,
				       test_stamp_counts_the_units_of_its_backends_vip,
				       test_entry_behind_one_that_counts_no_more_is_found,
				       test_first_of_two_entries_counts,
				       test_two_words_that_count_no_more_are_none,
				       test_free_word_is_nobodys,
				       test_flow_whose_fingerprint_is_0,
				       test_dead_prev_is_cur,
				       test_dead_cur_sends_new_flows_to_prev,
				       test_nobody_lives,
				       test_places_are_given_in_order,
				       test_open_and_young_entries_keep_their_places,
				       test_eviction_is_counted,
				       test_who_watches_an_unknown_flow_writes_nothing,
				       test_who_watches_a_known_flow_writes_nothing,
				       test_without_a_bucket_nothing_can_be_written,
				       test_without_config_vip_or_row_it_is_a_bug,
				       test_row_that_is_gone_when_it_is_read_again_is_a_bug,
				       test_broken_packet_is_a_bug,
				       test_segment_of_every_flag_and_length,
				       test_segment_by_shape_and_protocol,
				       test_segment_that_cannot_be_read_is_broken,
				       NULL };

	return run_tests("track_entry", tests);
}
