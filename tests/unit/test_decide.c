/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: an admitted packet goes to the backend that owns its row, or to where its first fragment
 * went, by the port and with the MACs and tags that the tables say, or ends as docs/formats.md
 * section 7 says; what the balancer itself sends is bounded in rate.
 * Method: tables filled by hand, whole frames; every row, every TTL, every length around the MTU,
 * the token bucket beside a naive count; each table missing in turn; own output fed back in. The
 * tables must be as before after every packet that leaves no trace by design.
 */
#include "emit.h"
#include "run.h"

#include "core_world.h"

static struct world world;

static const struct frame_spec client[] = {
	{ .src = "198.51.100.7",
	  .dst = "192.0.2.10",
	  .src_port = 40000,
	  .dst_port = 80,
	  .ip_proto = 6,
	  .payload = 200 },
	{ .src = "2001:db8::c:7",
	  .dst = "2001:db8::a",
	  .src_port = 40000,
	  .dst_port = 80,
	  .ip_proto = 6,
	  .payload = 200 },
};

static struct fl_vip *
vip_of(uint32_t family)
{
	return &world.vips[1 + 2 * family];
}

static void
open_world(void)
{
	world_open(&world);
	for (uint32_t family = 0; family < 2; family++) {
		struct fl_vip_key key = world_key(client[family].dst, 128);

		key.port = htons(80);
		key.ip_proto = 6;
		world_serve(&world, &key);
	}
}

static enum fl_verdict
decide(const struct frame *frame)
{
	struct world_walk walk;

	return world_decide(&world, frame, &walk);
}

/* A flow of either family, told apart by its source port. */
static struct frame
flow(uint32_t family, uint32_t number)
{
	struct frame_spec spec = client[family];

	spec.src_port = (uint16_t)number;
	return frame_of(&spec);
}

/* --- choose --- */

START_TEST(test_decide_sends_a_flow_to_the_owner_of_its_row)
{
	open_world();
	for (uint32_t family = 0; family < 2; family++) {
		uint32_t seen = 0;

		vip_of(family)->service = (struct fl_vip_service){
			.row_base = 13, .row_count = 23, .slot_base = 5, .slot_count = 7
		};
		for (uint32_t i = 0; i < WORLD_ROWS; i++) {
			world.rows[i].word = fl_row_stable(i * 3 % 7);
			/* every other row is one that the row itself tells */
			world.owners[i / 4].cur[i % 4] =
				(uint16_t)(i & 1 ? FL_OWNER_LOOK : i * 3 % 7);
		}
		for (uint32_t number = 0; number < 500; number++) {
			struct frame frame = flow(family, number);
			struct world_walk walk;
			uint32_t row;

			CHECK(world_decide(&world, &frame, &walk) == FL_FORWARD);
			row = (uint32_t)((walk.decision.hash & 0xffffffff) * 23 >> 32);
			CHECK(walk.decision.row_index == row);
			CHECK(walk.decision.slot == 5 + (13 + row) * 3 % 7);
			CHECK(walk.decision.backend == &world.backends[walk.decision.slot]);
			seen |= 1u << row;
		}
		ck_assert_uint_eq(seen, (1u << 23) - 1);
	}
}
END_TEST

START_TEST(test_decide_drops_what_nobody_owns)
{
	struct frame frame = flow(0, 1);

	for (uint32_t to = 0; to < 4; to++)
		for (uint32_t cur = 0; cur <= 0xffff; cur++) {
			uint32_t look = to % 2;
			enum fl_verdict nobodys = to < 2 ? FL_DROP_NO_BACKEND : FL_PASS_NO_BACKEND;

			open_world();
			world_set_rows(&world, cur);
			world.vips[1].service.flags = to < 2 ? 0 : FL_VIP_TO_HOST;
			for (uint32_t i = 0; look == 1 && i < WORLD_ROWS; i++)
				world.owners[i / 4].cur[i % 4] = FL_OWNER_LOOK;
			/* a row that names what there is not names somebody dead */
			CHECK(decide(&frame) ==
			      (cur < 4						    ? FL_FORWARD
			       : cur == 0xffff || look == 1 || cur == FL_OWNER_LOOK ? nobodys
										    : FL_DROP_BUG));
			cur += cur > 10 && cur < 65500 ? 50 : 0;
		}
}
END_TEST

/* A broken invariant ends a packet, never the program. */
START_TEST(test_decide_counts_a_table_that_is_too_small_as_a_bug)
{
	struct frame frame = flow(0, 1);
	struct fl_view view = world_view(&world);
	struct fl_decision decision = { 0 };
	struct fl_packet packet = { 0 };

	open_world();
	world.owners_count = 0;
	ck_assert_int_eq(decide(&frame), FL_DROP_BUG);
	open_world();
	world_set_rows(&world, FL_OWNER_LOOK);
	world.row_count = 0;
	ck_assert_int_eq(decide(&frame), FL_DROP_BUG);
	open_world();
	world.slot_count = 0;
	ck_assert_int_eq(decide(&frame), FL_DROP_BUG);
	open_world();
	world.port_count = 1;
	ck_assert_int_eq(decide(&frame), FL_DROP_BUG);
	open_world();
	ck_assert_int_eq(fl_choose(&view, &packet, &decision), FL_DROP_BUG);
}
END_TEST

/* --- route --- */

START_TEST(test_decide_asks_the_link)
{
	struct frame frame = flow(0, 1);

	for (uint32_t flags = 0; flags <= 0xff; flags++) {
		open_world();
		world.backends[0].link = fl_link_word(0x0e0d0c0b0a06, 1, (uint8_t)flags);
		ck_assert_int_eq(decide(&frame), !(flags & FL_LINK_LIVE) ? FL_DROP_NO_BACKEND
						 : !(flags & FL_LINK_REACHABLE)
							 ? FL_DROP_UNREACHABLE
							 : FL_FORWARD);
	}
}
END_TEST

START_TEST(test_decide_link_and_port_words_keep_their_fields_apart)
{
	static const uint8_t mac[6] = { 0x02, 0x10, 0x20, 0x30, 0x40, 0xff };
	uint64_t word = fl_mac_word(mac);

	ck_assert_uint_eq(word, 0xff4030201002);
	for (uint32_t i = 0; i <= 0xff; i++) {
		ck_assert_uint_eq(fl_link_port(fl_link_word(FL_MAC_MASK, (uint8_t)i, 0)), i);
		ck_assert_uint_eq(fl_link_flags(fl_link_word(FL_MAC_MASK, 0, (uint8_t)i)), i);
		ck_assert_uint_eq(fl_link_word(word, (uint8_t)i, (uint8_t)i) & FL_MAC_MASK, word);
	}
	for (uint32_t mtu = 0; mtu <= 0xffff; mtu++)
		CHECK(fl_port_mtu(fl_port_word(FL_MAC_MASK, (uint16_t)mtu)) == mtu);
	ck_assert_uint_eq(ntohl(fl_tag(0x88a8, 0xabc)), 0x88a80abc);
}
END_TEST

START_TEST(test_decide_leaves_by_the_ports_words)
{
	struct frame frame = flow(0, 1);
	struct world_walk walk;

	open_world();
	for (uint32_t port = 0; port < WORLD_PORTS; port++) {
		world.backends[0].link = fl_link_word(0x0e0d0c0b0a06, (uint8_t)port,
						      FL_LINK_LIVE | FL_LINK_REACHABLE);
		ck_assert_int_eq(world_decide(&world, &frame, &walk), FL_FORWARD);
		ck_assert_uint_eq(walk.decision.port, port);
		ck_assert_uint_eq(walk.decision.port_word, world.ports[port].word);
		ck_assert_uint_eq(walk.decision.dst_mac, 0x0e0d0c0b0a06);
	}
}
END_TEST

START_TEST(test_decide_keeps_or_sets_the_tags)
{
	static const fl_be32 none = FL_TAG_NONE;
	const fl_be32 outer = fl_tag(0x88a8, 7), inner = fl_tag(0x8100, 8);
	const struct {
		fl_be32 port[2], out[2];
	} rows[] = {
		{ { FL_TAG_KEEP, 0 }, { 0, 0 } }, /* 0, 0: those of the packet */
		{ { none, none }, { 0, 0 } },
		{ { inner, none }, { inner, 0 } },
		{ { outer, inner }, { outer, inner } },
	};

	for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (uint32_t tags = 0; tags <= 2; tags++)
			for (uint32_t echo = 0; echo < 2; echo++) {
				struct frame frame =
					echo ? frame_icmp(&client[0], 8, 0, 1) : flow(0, 1);
				fl_be32 kept[2] = { 0, 0 };
				struct world_walk walk;

				for (uint32_t tag = 0; tag < tags; tag++)
					frame_add_tag(&frame, 0x8100, (uint16_t)(0x5000 + tag));
				for (uint32_t tag = 0; tag < tags; tag++)
					kept[tag] = htonl(0x81005000 + tags - 1 - tag);
				open_world();
				/* what leaves by the port; an answer leaves by the one it came by
				 */
				memcpy(world.ports[echo ? 2 : 1].tag, rows[i].port, 8);
				memset(world.ports[echo ? 1 : 2].tag, 0x11, 8);
				ck_assert_int_eq(world_decide(&world, &frame, &walk),
						 echo ? FL_ANSWER_ECHO : FL_FORWARD);
				ck_assert_mem_eq(walk.decision.tag, i == 0 ? kept : rows[i].out, 8);
			}
}
END_TEST

static void
set_mode(enum fl_mode mode, bool outer_is_ipv6, bool inner_is_ipv6)
{
	world_set_backend(&world, 0,
			  &(struct world_way){ .mode = mode,
					       .outer_is_ipv6 = outer_is_ipv6,
					       .inner_is_ipv6 = inner_is_ipv6 });
}

START_TEST(test_decide_drops_what_would_reach_ttl_0)
{
	for (uint32_t mode = FL_MODE_IPIP; mode <= FL_MODE_L2DSR; mode++)
		for (uint32_t i = 0; i < 2 * 256; i++) {
			uint32_t family = i & 1, ttl = i >> 1;
			struct frame frame = flow(family, 1);

			open_world();
			set_mode(mode, false, family);
			frame.data[family ? 21 : 22] = (uint8_t)ttl;
			CHECK(decide(&frame) == (ttl == 0 || (ttl == 1 && mode != FL_MODE_L2DSR)
							 ? FL_DROP_TTL
							 : FL_FORWARD));
		}
}
END_TEST

/* Only where the frame is not changed but for its MACs can a MAC tell that it came back. */
START_TEST(test_decide_drops_l2dsr_that_came_back)
{
	for (uint32_t mode = FL_MODE_IPIP; mode <= FL_MODE_L2DSR; mode++)
		for (uint32_t bit = 0; bit <= 48; bit++) {
			struct frame frame = flow(0, 1);
			uint64_t mac = world_port_mac(1);

			open_world();
			set_mode(mode, false, false);
			memcpy(frame.data + 6, &mac, 6);
			if (bit < 48)
				frame.data[6 + bit / 8] ^= (uint8_t)(1 << bit % 8);
			ck_assert_int_eq(decide(&frame), mode == FL_MODE_L2DSR && bit == 48
								 ? FL_DROP_LOOP
								 : FL_FORWARD);
			/* before the TTL */
			frame.data[22] = 0;
			ck_assert_int_eq(decide(&frame), mode == FL_MODE_L2DSR && bit == 48
								 ? FL_DROP_LOOP
								 : FL_DROP_TTL);
		}
}
END_TEST

/* --- too big --- */

static struct frame
sized(uint32_t family, uint32_t l3_bytes)
{
	struct frame_spec spec = client[family];

	spec.payload = (uint16_t)(l3_bytes - (family ? 60 : 40));
	return frame_of(&spec);
}

START_TEST(test_decide_forwards_up_to_the_mtu)
{
	for (uint32_t variant = 0; variant < 2 * 6; variant++) {
		static const uint32_t header_bytes[] = { 20, 40, 28, 48, 0, 0 };
		uint32_t family = variant & 1, way = variant / 2;

		open_world();
		set_mode(way / 2, way & 1, family);
		for (uint32_t l3_bytes = 1500 - 60; l3_bytes <= 1520; l3_bytes++) {
			struct frame frame = sized(family, l3_bytes);
			struct world_walk walk;
			bool fits = l3_bytes + header_bytes[way] <= 1500;

			CHECK(world_decide(&world, &frame, &walk) ==
			      (fits ? FL_FORWARD : FL_ANSWER_TOO_BIG));
			if (fits)
				continue;
			CHECK(walk.decision.mtu == 1500 - header_bytes[way]);
			/* back by the port it came by, to the MAC it came from */
			CHECK(walk.decision.port == 2);
			CHECK(walk.decision.port_word == world.ports[2].word);
			CHECK(walk.decision.dst_mac == walk.packet.src_mac);
			world.core.answer_at = 0;
		}
	}
}
END_TEST

/* 68 bytes (IPv4) and 1280 (IPv6) every way must carry: no sender is told less. */
START_TEST(test_decide_tells_no_mtu_that_must_not_be)
{
	for (uint32_t variant = 0; variant < 4; variant++) {
		uint32_t family = variant & 1, least = family ? 1280 : 68;
		uint32_t outer = variant & 2 ? 40 : 20;

		for (uint32_t mtu = 0; mtu < 1400; mtu++) {
			struct frame frame = sized(family, 1400);

			open_world();
			set_mode(FL_MODE_IPIP, variant & 2, family);
			world.ports[1].word = fl_port_word(world_port_mac(1), (uint16_t)mtu);
			CHECK(decide(&frame) ==
			      (mtu >= least + outer ? FL_ANSWER_TOO_BIG : FL_DROP_TOO_BIG));
		}
	}
}
END_TEST

/* A quote is 128 bytes: fewer than that there must be. */
START_TEST(test_decide_answers_no_packet_shorter_than_its_quote)
{
	for (uint32_t l3_bytes = 101; l3_bytes < 200; l3_bytes++) {
		struct frame frame = sized(0, l3_bytes);

		open_world();
		world.ports[1].word = fl_port_word(world_port_mac(1), 120);
		CHECK(decide(&frame) ==
		      (l3_bytes < FL_QUOTE_BYTES ? FL_DROP_TOO_BIG : FL_ANSWER_TOO_BIG));
	}
}
END_TEST

START_TEST(test_decide_answers_flows_and_first_fragments_only)
{
	struct frame_spec spec = client[0], sent = { .src = client[0].dst,
						     .dst = client[0].src,
						     .src_port = 80,
						     .dst_port = 40000,
						     .ip_proto = 6,
						     .payload = 1450 };
	struct frame frame, quoted = frame_of(&sent);

	open_world();
	frame = sized(0, 1490);
	ck_assert_int_eq(decide(&frame), FL_ANSWER_TOO_BIG);
	frame_put16(frame.data + 20, 0x2000);
	ck_assert_int_eq(decide(&frame), FL_ANSWER_TOO_BIG);
	/* remembered though the next is too big: the route may be another by then */
	spec.fragment = 0x2000;
	frame = frame_of(&spec);
	ck_assert_int_eq(decide(&frame), FL_FORWARD);
	frame = sized(0, 1490);
	frame_put16(frame.data + 20, 0x2010);
	ck_assert_int_eq(decide(&frame), FL_DROP_TOO_BIG);
	frame = frame_icmp_error(&client[0], 3, &quoted, 1460);
	ck_assert_int_eq(decide(&frame), FL_DROP_TOO_BIG);
	world.vips[0].address.echo = FL_ECHO_FORWARD;
	world.vips[0].address.echo_proto = 6;
	world.vips[0].address.echo_port = htons(80);
	spec = client[0];
	spec.payload = 1460;
	frame = frame_icmp(&spec, 8, 0, 1);
	ck_assert_int_eq(decide(&frame), FL_DROP_TOO_BIG);
	/* nobody to count the rate, no port to leave by */
	frame = sized(0, 1490);
	world.has_no_core = true;
	ck_assert_int_eq(decide(&frame), FL_DROP_BUG);
	world.has_no_core = false;
	world.in_port = WORLD_PORTS;
	world.core.answer_at = 0;
	{
		struct fl_view view = world_view(&world);
		struct fl_cursor cursor = { frame.data, frame.data + frame.bytes };
		struct fl_decision decision = { 0 };
		struct fl_packet packet = { 0 };

		ck_assert_int_eq(fl_parse(&cursor, frame.bytes, &packet), FL_FORWARD);
		ck_assert_int_eq(fl_decide(&view, &packet, &decision), FL_DROP_BUG);
	}
	frame = frame_icmp(&client[0], 8, 0, 1);
	world.vips[0].address.echo = FL_ECHO_ANSWER;
	ck_assert_int_eq(decide(&frame), FL_DROP_BUG);
}
END_TEST

/* `burst` at once, then one for each interval: tokens beside what the core keeps. */
START_TEST(test_decide_limits_its_answers)
{
	const uint64_t interval = 1000000, burst = 100;
	struct frame frame = sized(0, 1490);
	uint64_t random = 1, answered = 0, start;
	/* in nanoseconds of credit: an answer costs an interval */
	uint64_t credit = burst * interval;

	open_world();
	start = world.now_ns;
	for (uint32_t round = 0; round < 20000; round++) {
		uint64_t step;
		bool may = credit >= interval;

		CHECK(decide(&frame) == (may ? FL_ANSWER_TOO_BIG : FL_DROP_TOO_BIG));
		credit -= may ? interval : 0;
		answered += may;
		CHECK(world.core.events[FL_EVENT_ANSWER_LIMITED] == round + 1 - answered);
		/* idle for long now and then: the credit has its limit */
		random = random * 6364136223846793005 + 1442695040888963407;
		step = random >> 54 == 0 ? 1000 * interval : (random >> 40) % (interval + 200000);
		world.now_ns += step;
		credit = credit + step < burst * interval ? credit + step : burst * interval;
		/* never more than the rate and one burst */
		CHECK(answered <= burst + 1 + (world.now_ns - start) / interval);
	}
	CHECK(answered > 10000 && world.core.events[FL_EVENT_ANSWER_LIMITED] > 100);
}
END_TEST

START_TEST(test_decide_limit_stands_the_clocks_ends)
{
	struct fl_config config = { .answer_interval_ns = 10, .answer_burst_ns = 0 };
	struct fl_core core = { .answer_at = 0 };

	ck_assert(fl_may_answer(&config, &core, 0));
	ck_assert(!fl_may_answer(&config, &core, 9));
	ck_assert(fl_may_answer(&config, &core, 10));
	/* a clock that went back: not for ever */
	ck_assert(!fl_may_answer(&config, &core, 0));
	ck_assert(fl_may_answer(&config, &core, 20));
	core.answer_at = UINT64_MAX;
	ck_assert(!fl_may_answer(&config, &core, 1));
}
END_TEST

/* --- fragments --- */

/* The first fragment of a packet, and a later one, of either family. */
static struct frame
fragment(uint32_t family, uint32_t id, bool is_later)
{
	struct frame_spec spec = client[family];
	struct frame frame;

	spec.src_port = (uint16_t)id; /* so that each goes its own way */
	spec.fragment = is_later ? 0x2010 : 0x2000;
	frame = frame_of(&spec);
	if (family)
		frame_add_fragment(&frame, is_later ? 0x81 : 1, id);
	else
		frame_put16(frame.data + 18, id);
	if (is_later)
		memset(frame.data + frame.l3 + (family ? 48 : 20), 0x11, 20);
	return frame;
}

START_TEST(test_decide_sends_later_fragments_after_the_first)
{
	for (uint32_t family = 0; family < 2; family++) {
		uint32_t seen = 0;

		open_world();
		for (uint32_t i = 0; i < WORLD_ROWS; i++)
			world.owners[i / 4].cur[i % 4] = i % 4;
		for (uint32_t i = 0; i < 4; i++)
			world.backends[i].vip = 1 + 2 * family;
		for (uint32_t id = 0; id < 200; id++) {
			struct frame first = fragment(family, id, false);
			struct frame later = fragment(family, id, true);
			struct world_walk walk, first_walk;

			/* before its first: dropped */
			CHECK(decide(&later) == FL_DROP_FRAGMENT_ORDER);
			CHECK(world_decide(&world, &first, &first_walk) == FL_FORWARD);
			seen |= 1u << first_walk.decision.slot;
			for (uint32_t more = 0; more < 3; more++) {
				CHECK(world_decide(&world, &later, &walk) == FL_FORWARD);
				CHECK(walk.decision.slot == first_walk.decision.slot);
				CHECK(walk.decision.record == 1 + 2 * family);
				CHECK(walk.decision.vip == vip_of(family));
				CHECK(walk.decision.backend == first_walk.decision.backend);
				/* the outer header's hash: a flow without ports */
				CHECK(walk.packet.to.rest == 6 << 16 && walk.packet.src_port == 0);
			}
			later = fragment(family, id + 1000, true); /* another packet's */
			CHECK(decide(&later) == FL_DROP_FRAGMENT_ORDER);
			world.now_ns += 2100000000;
			later = fragment(family, id, true);
			CHECK(decide(&later) == FL_DROP_FRAGMENT_ORDER);
		}
		ck_assert_uint_eq(seen, 15);
	}
}
END_TEST

/* The slot may have changed hands since: nobody else's backend gets a fragment. */
START_TEST(test_decide_checks_where_a_later_fragment_goes)
{
	struct frame first = fragment(0, 1, false), later = fragment(0, 1, true);

	open_world();
	world.backends[0].vip = 1;
	ck_assert_int_eq(decide(&first), FL_FORWARD);
	ck_assert_int_eq(decide(&later), FL_FORWARD);
	world.backends[0].vip = 3; /* a VIP of another address */
	ck_assert_int_eq(decide(&later), FL_DROP_FRAGMENT_ORDER);
	world.backends[0].vip = WORLD_RECORDS;
	ck_assert_int_eq(decide(&later), FL_DROP_FRAGMENT_ORDER);
	world.backends[0].vip = 1;
	world.backends[0].link &= ~((uint64_t)FL_LINK_LIVE << 56);
	ck_assert_int_eq(decide(&later), FL_DROP_FRAGMENT_ORDER);
	world.backends[0].link = fl_link_word(1, 1, FL_LINK_LIVE);
	ck_assert_int_eq(decide(&later), FL_DROP_UNREACHABLE);
	world.slot_count = 0;
	ck_assert_int_eq(decide(&later), FL_DROP_FRAGMENT_ORDER);
	/* a VIP of a prefix that has the address */
	world.slot_count = WORLD_SLOTS;
	world_set_backend(&world, 0, &(struct world_way){ .mode = FL_MODE_IPIP });
	world.backends[0].vip = 1;
	world.vips[1].key.bits = 120;
	world.vips[1].key.address = fl_addr_masked(&world.vips[1].key.address, 120);
	ck_assert_int_eq(decide(&later), FL_FORWARD);
}
END_TEST

/* Only what was forwarded is remembered; without a table nothing follows, and no harm is done. */
START_TEST(test_decide_remembers_what_it_forwards)
{
	struct frame first = fragment(0, 1, false), later = fragment(0, 1, true);

	open_world();
	world.backends[0].vip = 1;
	world.backends[0].link = fl_link_word(1, 1, FL_LINK_LIVE);
	ck_assert_int_eq(decide(&first), FL_DROP_UNREACHABLE);
	world_set_backend(&world, 0, &(struct world_way){ .mode = FL_MODE_IPIP });
	world.backends[0].vip = 1;
	ck_assert_int_eq(decide(&later), FL_DROP_FRAGMENT_ORDER);
	world.fragment_count = 0;
	ck_assert_int_eq(decide(&first), FL_FORWARD);
	ck_assert_int_eq(decide(&later), FL_DROP_FRAGMENT_ORDER);
}
END_TEST

START_TEST(test_decide_counts_evicted_fragments)
{
	open_world();
	for (uint32_t id = 0; id < 8 * WORLD_FRAGMENTS + 200; id++) {
		struct frame first = fragment(0, id, false);

		world.has_no_core = id == 8 * WORLD_FRAGMENTS + 199; /* nobody to count: no harm */
		ck_assert_int_eq(decide(&first), FL_FORWARD);
	}
	/* each bucket keeps eight of 232; the last one was not counted */
	ck_assert_uint_eq(world.core.events[FL_EVENT_FRAGMENT_EVICTED], 199);
}
END_TEST

/* --- loops --- */

/* The frame that leaves for a backend, as the core writes it. */
static struct frame
sent_frame(const struct frame *in, const struct world_walk *walk)
{
	struct fl_resize resize = fl_emit_resize(&walk->packet, &walk->decision, in->bytes);
	uint32_t head = resize.head > 0 ? (uint32_t)resize.head : 0;
	struct frame out = { .bytes = resize.bytes, .l3 = in->l3 };
	struct fl_writer writer = { out.data, out.data + resize.bytes };

	ck_assert_int_ge(resize.head, 0);
	memcpy(out.data + head, in->data, resize.bytes - head);
	ck_assert_int_eq(fl_emit(&writer, &walk->packet, &walk->decision), walk->verdict);
	return out;
}

/* Whatever the balancer sends and gets back, by any port, it never sends to a backend again. */
START_TEST(test_decide_never_sends_its_own_output_again)
{
	for (uint32_t variant = 0; variant < 2 * 6 * 2; variant++) {
		uint32_t family = variant & 1, way = variant / 2 % 6, entropy = variant / 12;
		struct frame frame = flow(family, 1), back;
		struct world_walk walk, back_walk;
		struct fl_vip_key key;

		open_world();
		world.config.own[way & 1].address =
			world_address(way & 1 ? "2001:db8:ba1::" : "10.64.0.0");
		memset(&world.config.own[way & 1].mask, 0xff, sizeof(struct fl_addr));
		world.config.own[way & 1].mask =
			fl_addr_masked(&world.config.own[way & 1].mask, entropy ? 112 : 128);
		set_mode(way / 2, way & 1, family);
		world.backends[0].entropy_bits = entropy && way < 2 ? 16 : 0;
		ck_assert_int_eq(world_decide(&world, &frame, &walk), FL_FORWARD);
		back = sent_frame(&frame, &walk);
		/* the worst case: the backend's address is a VIP that takes tunnels */
		key = world_key(way & 1 ? "2001:db8:ba1::11" : "10.0.0.11", 128);
		key.port = htons(6080);
		key.ip_proto = 17;
		world_serve(&world, &key);
		ck_assert_int_eq(world_decide(&world, &back, &back_walk), FL_DROP_LOOP);
	}
}
END_TEST

START_TEST(test_decide_never_answers_its_own_answers)
{
	for (uint32_t family = 0; family < 2; family++) {
		struct frame echo = frame_icmp(&client[family], family ? 128 : 8, 0, 7);
		struct frame big = sized(family, 1490), back;
		struct world_walk walk;

		open_world();
		ck_assert_int_eq(world_decide(&world, &echo, &walk), FL_ANSWER_ECHO);
		back = sent_frame(&echo, &walk);
		ck_assert_int_eq(decide(&back), FL_PASS_NO_VIP);
		/* as if the client were the VIP too */
		memcpy(back.data + (family ? 38 : 30), back.data + (family ? 22 : 26),
		       family ? 16 : 4);
		ck_assert_int_eq(decide(&back), FL_DROP_SOURCE_VIP);
		ck_assert_int_eq(world_decide(&world, &big, &walk), FL_ANSWER_TOO_BIG);
		back = sent_frame(&big, &walk);
		ck_assert_int_eq(decide(&back), FL_PASS_NO_VIP);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_decide_sends_a_flow_to_the_owner_of_its_row,
				       test_decide_drops_what_nobody_owns,
				       test_decide_counts_a_table_that_is_too_small_as_a_bug,
				       test_decide_asks_the_link,
				       test_decide_link_and_port_words_keep_their_fields_apart,
				       test_decide_leaves_by_the_ports_words,
				       test_decide_keeps_or_sets_the_tags,
				       test_decide_drops_what_would_reach_ttl_0,
				       test_decide_drops_l2dsr_that_came_back,
				       test_decide_forwards_up_to_the_mtu,
				       test_decide_tells_no_mtu_that_must_not_be,
				       test_decide_answers_no_packet_shorter_than_its_quote,
				       test_decide_answers_flows_and_first_fragments_only,
				       test_decide_limits_its_answers,
				       test_decide_limit_stands_the_clocks_ends,
				       test_decide_sends_later_fragments_after_the_first,
				       test_decide_checks_where_a_later_fragment_goes,
				       test_decide_remembers_what_it_forwards,
				       test_decide_counts_evicted_fragments,
				       test_decide_never_sends_its_own_output_again,
				       test_decide_never_answers_its_own_answers,
				       NULL };

	return run_tests("decide", tests);
}
