/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: fl_admit() finds the VIP that docs/formats.md section 7 names, and takes for it only what
 * it may have. Method: sets of VIPs of every kind beside a naive search over their descriptions;
 * every port, every prefix length; every shape without ports with every setting of its address; own
 * sources bit by bit; whole frames, so that what the parser says is what is decided about. The
 * tables must be as before after every packet.
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
	  .payload = 20 },
	{ .src = "2001:db8::c:7",
	  .dst = "2001:db8::a",
	  .src_port = 40000,
	  .dst_port = 80,
	  .ip_proto = 6,
	  .payload = 20 },
};

static struct fl_vip_key
endpoint(const char *address, uint16_t port, uint8_t ip_proto)
{
	struct fl_vip_key key = world_key(address, 128);

	key.port = htons(port);
	key.ip_proto = ip_proto;
	return key;
}

/* The default VIPs: port 80 by TCP of either family's address. */
static void
open_world(void)
{
	world_open(&world);
	for (uint32_t family = 0; family < 2; family++) {
		struct fl_vip_key key = endpoint(client[family].dst, 80, 6);

		world_serve(&world, &key);
	}
}

static enum fl_verdict
decide(const struct frame *frame)
{
	struct world_walk walk;

	return world_decide(&world, frame, &walk);
}

static enum fl_verdict
decide_spec(const struct frame_spec *spec)
{
	struct frame frame = frame_of(spec);

	return decide(&frame);
}

/* --- which VIP --- */

START_TEST(test_admit_finds_the_vip_of_address_port_and_protocol)
{
	open_world();
	for (uint32_t family = 0; family < 2; family++) {
		struct frame_spec spec = client[family];
		struct frame frame = frame_of(&spec);
		struct world_walk walk;

		ck_assert_int_eq(world_decide(&world, &frame, &walk), FL_FORWARD);
		ck_assert_uint_eq(walk.decision.record, 1 + 2 * family);
		ck_assert_ptr_eq(walk.decision.vip, &world.vips[1 + 2 * family]);
		for (uint32_t port = 0; port <= 0xffff; port++) {
			spec.dst_port = (uint16_t)port;
			CHECK(decide_spec(&spec) == (port == 80 ? FL_FORWARD : FL_PASS_NO_VIP));
		}
		spec = client[family];
		spec.ip_proto = 17;
		ck_assert_int_eq(decide_spec(&spec), FL_PASS_NO_VIP);
		spec = client[family];
		spec.dst = family ? "2001:db8::b" : "192.0.2.11";
		ck_assert_int_eq(decide_spec(&spec), FL_PASS_NO_VIP);
	}
	/* without lengths nobody has a VIP */
	memset(world.config.lengths, 0, sizeof world.config.lengths);
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP);
	ck_assert_int_eq(decide_spec(&client[1]), FL_PASS_NO_VIP);
}
END_TEST

/* Each family has its own lengths. */
START_TEST(test_admit_asks_the_lengths_of_the_family)
{
	for (uint32_t family = 0; family < 2; family++) {
		open_world();
		world.config.lengths[family] = 0;
		ck_assert_int_eq(decide_spec(&client[family]), FL_PASS_NO_VIP);
		ck_assert_int_eq(decide_spec(&client[!family]), FL_FORWARD);
	}
}
END_TEST

START_TEST(test_admit_finds_every_prefix_length)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t bits = family ? 16 : 104; bits <= 128; bits++)
			for (uint32_t flipped = family ? 0 : 96; flipped < 128; flipped++) {
				struct frame frame = frame_of(&client[family]);
				uint32_t at = family ? flipped : flipped - 96;
				struct fl_vip_key key;

				world_open(&world);
				key = endpoint(client[family].dst, 80, 6);
				key.address = fl_addr_masked(&key.address, bits);
				key.bits = (uint8_t)bits;
				world_serve(&world, &key);
				world.config.lengths[family] = bits;
				frame.data[(family ? 38 : 30) + at / 8] ^=
					(uint8_t)(0x80 >> at % 8);
				CHECK(decide(&frame) ==
				      (flipped < bits ? FL_PASS_NO_VIP : FL_FORWARD));
			}
}
END_TEST

/* A VIP as an operator says it. */
struct description {
	uint32_t bits; /* of 192.0.2.10, masked */
	uint16_t first, last;
	uint8_t ip_proto;
	uint8_t kind;
};

enum { DESCRIPTIONS_MAX = 40 };

static struct description descriptions[DESCRIPTIONS_MAX];
static uint32_t description_count;

/* The rule as it stands: longest prefix; the port, its range, any. @return number, or the count. */
static uint32_t
naive_find(uint16_t port, uint8_t ip_proto)
{
	uint32_t found = description_count, best = 0;

	for (uint32_t i = 0; i < description_count; i++) {
		const struct description *d = &descriptions[i];
		uint32_t rank = 4 * d->bits + (d->kind == FL_VIP_ENDPOINT ? 3
					       : d->kind == FL_VIP_RANGE  ? 2
									  : 1);

		if (d->ip_proto == ip_proto && port >= d->first && port <= d->last && rank > best) {
			best = rank;
			found = i;
		}
	}
	return found;
}

/* The page of the key's address and protocol that has room. */
static struct fl_vip_page *
page_with_room(const struct fl_vip_key *key)
{
	struct fl_vip *address = world_add_address(&world, key);
	uint8_t *pages = &address->address.pages[key->ip_proto == 17];
	struct fl_vip_key page = *key;
	uint32_t record = 0;

	page.kind = FL_VIP_PAGE;
	page.port = *pages == 0 ? 0 : (fl_be16)(*pages - 1);
	if (*pages > 0) {
		ck_assert(world_find(&world, &page, &record) != NULL);
		if (world.vips[record].page.count < FL_VIP_PAGE_RANGES)
			return &world.vips[record].page;
		page.port++;
	}
	(*pages)++;
	return &world_add(&world, &page)->page;
}

/* Make the description's records; its slot_base tells it again. */
static void
serve(uint32_t number)
{
	const struct description *d = &descriptions[number];
	struct fl_vip_key key = endpoint("192.0.2.10", d->first, d->ip_proto);
	struct fl_vip_page *page;

	key.address = fl_addr_masked(&key.address, d->bits);
	key.bits = (uint8_t)d->bits;
	key.kind = d->kind;
	world_serve(&world, &key)->service.row_base = number;
	if (d->kind != FL_VIP_RANGE)
		return;
	page = page_with_room(&key);
	page->range[page->count].first = d->first;
	page->range[page->count++].last = d->last;
}

static void
check_every_port(uint32_t step)
{
	for (uint32_t protocol = 6; protocol <= 17; protocol += 11)
		for (uint32_t port = 0; port <= 0xffff; port += step) {
			uint32_t expected = naive_find((uint16_t)port, (uint8_t)protocol);
			struct frame_spec spec = client[0];
			struct world_walk walk;
			struct frame frame;

			spec.dst_port = (uint16_t)port;
			spec.ip_proto = (uint8_t)protocol;
			frame = frame_of(&spec);
			if (expected == description_count) {
				CHECK(world_decide(&world, &frame, &walk) == FL_PASS_NO_VIP);
				continue;
			}
			CHECK(world_decide(&world, &frame, &walk) == FL_FORWARD);
			CHECK(walk.decision.vip->service.row_base == expected);
		}
}

static void
describe(const struct description *d)
{
	ck_assert_uint_lt(description_count, DESCRIPTIONS_MAX);
	descriptions[description_count] = *d;
	serve(description_count++);
}

START_TEST(test_admit_finds_the_range_of_every_port)
{
	world_open(&world);
	description_count = 0;
	/* 32 ranges of TCP in four pages, in no order; holes between; the ends of all ports */
	for (uint32_t i = 0; i < FL_VIP_RANGES_MAX; i++) {
		uint32_t place = i * 13 % FL_VIP_RANGES_MAX;

		describe(
			&(struct description){ .bits = 128,
					       .first = (uint16_t)(place * 2048),
					       .last = (uint16_t)(place * 2048 + 1000 + place * 33),
					       .ip_proto = 6,
					       .kind = FL_VIP_RANGE });
	}
	describe(&(struct description){ 128, 5000, 5001, 17, FL_VIP_RANGE });
	describe(&(struct description){ 128, 0, 0, 17, FL_VIP_RANGE });
	describe(&(struct description){ 128, 65535, 65535, 17, FL_VIP_RANGE });
	/* a port of its own within a range goes before it */
	describe(&(struct description){ 128, 2100, 2100, 6, FL_VIP_ENDPOINT });
	check_every_port(1);
	/* and all the rest to the VIP of any port */
	describe(&(struct description){ 128, 0, 65535, 6, FL_VIP_ANY });
	check_every_port(1);
	describe(&(struct description){ 128, 0, 65535, 17, FL_VIP_ANY });
	check_every_port(7);
}
END_TEST

START_TEST(test_admit_takes_the_longest_prefix_first)
{
	uint32_t random = 12345;

	for (uint32_t round = 0; round < 60; round++) {
		static const uint8_t lengths[] = { 128, 127, 125, 124, 120, 118, 112, 104 };

		world_open(&world);
		description_count = 0;
		world.config.lengths[0] = 0;
		for (uint32_t i = 0; i < 8; i++)
			world.config.lengths[0] |= (uint64_t)lengths[i] << 8 * i;
		for (uint32_t i = 0; i < 16; i++) {
			uint32_t kind = random >> 8 & 3, first;

			random = random * 1664525 + 1013904223;
			kind = kind == FL_VIP_PAGE ? FL_VIP_RANGE : kind;
			first = kind == FL_VIP_ANY ? 0 : 4096 * i + (random >> 20 & 1023);
			describe(&(struct description){
				.bits = lengths[random >> 12 & 7],
				.first = (uint16_t)first,
				.last = (uint16_t)(kind == FL_VIP_ANY	     ? 65535
						   : kind == FL_VIP_ENDPOINT ? first
									     : first + 3000),
				.ip_proto = random >> 30 & 1 ? 6 : 17,
				.kind = (uint8_t)kind });
		}
		check_every_port(61);
		for (uint32_t i = 0; i < description_count; i++) {
			struct frame_spec spec = client[0];

			spec.dst_port = descriptions[i].first;
			spec.ip_proto = descriptions[i].ip_proto;
			CHECK(decide_spec(&spec) == FL_FORWARD);
		}
	}
}
END_TEST

/* What a change of tables may show for a moment, or a broken record: no endless or wild walk. */
START_TEST(test_admit_stands_pages_that_are_not_there)
{
	struct fl_vip_key key = endpoint("192.0.2.10", 8000, 6);
	struct fl_vip *address, *page;

	world_open(&world);
	key.kind = FL_VIP_RANGE;
	world_serve(&world, &key);
	address = world_add_address(&world, &key);
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP);
	address->address.pages[0] = 255; /* none is there */
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP);
	key.kind = FL_VIP_PAGE;
	for (uint16_t i = 0; i < 8; i++) {
		key.port = i;
		page = world_add(&world, &key);
		page->page.count = 255; /* of eight */
		for (uint32_t r = 0; r < FL_VIP_PAGE_RANGES; r++)
			page->page.range[r].first = 65535;
		if (i == 4) /* more than there may be are not looked at */
			page->page.range[0].first = 80, page->page.range[0].last = 80;
	}
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP);
	/* a page names a range whose VIP is gone */
	page = &world.vips[2];
	page->page.range[7].first = 80;
	page->page.range[7].last = 81;
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP);
	key.kind = FL_VIP_RANGE;
	key.port = htons(80);
	world_serve(&world, &key);
	ck_assert_int_eq(decide_spec(&client[0]), FL_FORWARD);
}
END_TEST

START_TEST(test_admit_looks_at_eight_lengths_at_most)
{
	open_world();
	world.config.lengths[0] = 0x8079787776757473;
	ck_assert_int_eq(decide_spec(&client[0]), FL_FORWARD); /* the eighth */
	world.config.lengths[0] = 0x0080797877767574 & ~0xff000000ull;
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP); /* behind the end */
	world.config.lengths[0] = 0x7a79787776757473;
	ck_assert_int_eq(decide_spec(&client[0]), FL_PASS_NO_VIP);
}
END_TEST

/* --- what it takes --- */

START_TEST(test_admit_keeps_to_the_flags)
{
	static const uint16_t fragments[] = { 0x4000, 0x2000 };

	for (uint32_t flags = 0; flags < 4; flags++)
		for (uint32_t first = 0; first < 2; first++) {
			struct frame_spec spec = client[0];

			open_world();
			spec.fragment = fragments[first];
			world.vips[1].service.flags = (uint8_t)flags;
			ck_assert_int_eq(decide_spec(&spec), first && flags & FL_VIP_FRAGMENTS_DROP
								     ? FL_DROP_FRAGMENT
								     : FL_FORWARD);
			/* a bad source is named before that */
			spec.src = "127.0.0.1";
			ck_assert_int_eq(decide_spec(&spec), FL_DROP_SOURCE_LOOPBACK);
		}
}
END_TEST

START_TEST(test_admit_passes_what_is_for_no_vip_whatever_it_is)
{
	static const uint8_t protocols[] = { 6, 17, 1, 4, 47, 58 };

	open_world();
	for (uint32_t i = 0; i < 6; i++)
		for (uint32_t fragment = 0; fragment < 3; fragment++) {
			struct frame_spec spec = client[0];

			spec.src = "127.0.0.1";
			spec.dst = "192.0.2.99";
			spec.ip_proto = protocols[i];
			spec.fragment = (uint16_t[]){ 0, 0x2000, 1 }[fragment];
			ck_assert_int_eq(decide_spec(&spec), FL_PASS_NO_VIP);
		}
}
END_TEST

START_TEST(test_admit_says_of_the_rest_what_the_parser_said)
{
	struct frame_spec spec = client[0];
	struct frame frame;

	open_world();
	spec.ip_proto = 47;
	ck_assert_int_eq(decide_spec(&spec), FL_PASS_PROTOCOL);
	spec.src = "0.0.0.0";
	ck_assert_int_eq(decide_spec(&spec), FL_PASS_PROTOCOL);
	frame = frame_of(&client[1]);
	frame_add_extension(&frame, 43, 8)[2] = 0;
	ck_assert_int_eq(decide(&frame), FL_DROP_ROUTING_HEADER);
	spec = client[0];
	spec.padding = 40;
	frame = frame_of(&spec);
	frame_put16(frame.data + 16, 30);
	ck_assert_int_eq(decide(&frame), FL_DROP_TRUNCATED);
	spec = client[0];
	spec.src = spec.dst;
	ck_assert_int_eq(decide_spec(&spec), FL_DROP_SOURCE_VIP);
}
END_TEST

static void
set_echo(enum fl_vip_echo echo, uint16_t port)
{
	for (uint32_t i = 0; i < world.record_count; i++)
		if (world.vips[i].key.ip_proto == 0)
			world.vips[i].address = (struct fl_vip_address){ .echo = (uint8_t)echo,
									 .echo_proto = 6,
									 .echo_port = htons(port) };
}

START_TEST(test_admit_does_with_an_echo_what_the_address_says)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t variant = 0; variant < 3 * 3; variant++) {
			enum fl_vip_echo echo = variant % 3;
			uint32_t sort = variant / 3; /* plain; damaged source; with options */
			struct frame_spec spec = client[family];
			enum fl_verdict expected;
			struct frame frame;

			open_world();
			set_echo(echo, 80);
			if (sort == 1)
				spec.src = family ? "::1" : "127.1.2.3";
			spec.option_words = sort == 2 && !family ? 1 : 0;
			frame = frame_icmp(&spec, family ? 128 : 8, 0, 0x12340001);
			if (sort == 2 && family)
				frame_add_extension(&frame, 60, 8);
			expected = echo == FL_ECHO_HOST	     ? FL_PASS_ICMP
				   : sort == 1		     ? FL_DROP_SOURCE_LOOPBACK
				   : echo == FL_ECHO_FORWARD ? FL_FORWARD
				   : sort == 2		     ? FL_DROP_ICMP
							     : FL_ANSWER_ECHO;
			ck_assert_int_eq(decide(&frame), expected);
		}
}
END_TEST

/* Dropped when it is for a VIP, before its flags are asked; the host's otherwise. */
START_TEST(test_admit_drops_what_came_in_a_frame_to_a_group)
{
	for (uint32_t i = 0; i < 2 * 3 * 4; i++) {
		uint32_t family = i & 1, flags = i / 6;
		enum fl_vip_echo echo = i / 2 % 3;
		struct frame_spec spec = client[family];
		struct frame frame = frame_of(&spec);

		open_world();
		set_echo(echo, 80);
		world.vips[1].service.flags = (uint8_t)flags;
		frame.data[0] = 0xff;
		ck_assert_int_eq(decide(&frame), FL_DROP_LINK_GROUP);
		frame = frame_icmp(&spec, family ? 128 : 8, 0, 0x12340001);
		frame.data[0] = 0x33;
		ck_assert_int_eq(decide(&frame),
				 echo == FL_ECHO_HOST ? FL_PASS_ICMP : FL_DROP_LINK_GROUP);
		spec.dst = family ? "2001:db8::99" : "192.0.2.99";
		frame = frame_of(&spec);
		frame.data[0] = 0x01;
		ck_assert_int_eq(decide(&frame), FL_PASS_NO_VIP);
	}
}
END_TEST

/* Its flow: source, destination, identifier, port 0, its protocol. */
START_TEST(test_admit_forwards_an_echo_as_a_flow)
{
	for (uint32_t family = 0; family < 2; family++) {
		struct frame frame = frame_icmp(&client[family], family ? 128 : 8, 0, 0x12340001);
		struct world_walk walk;

		open_world();
		set_echo(FL_ECHO_FORWARD, 80);
		ck_assert_int_eq(world_decide(&world, &frame, &walk), FL_FORWARD);
		ck_assert_uint_eq(walk.decision.record, 1 + 2 * family);
		ck_assert_uint_eq(ntohs(walk.packet.src_port), 0x1234);
		ck_assert_uint_eq(walk.packet.to.rest, (uint64_t)(family ? 58 : 1) << 16);
		ck_assert_uint_eq(walk.decision.hash,
				  fl_flow_hash(&world.config.key, &walk.packet));
		world.vips[1 + 2 * family].service.flags = FL_VIP_FRAGMENTS_DROP;
		ck_assert_int_eq(decide(&frame), FL_FORWARD);
		set_echo(FL_ECHO_FORWARD, 81); /* the VIP is not there */
		ck_assert_int_eq(decide(&frame), FL_DROP_NO_BACKEND);
	}
}
END_TEST

/* The VIP that echo requests go to may be a range or any port. */
START_TEST(test_admit_forwards_an_echo_to_a_vip_of_each_kind)
{
	static const uint8_t kinds[] = { FL_VIP_ENDPOINT, FL_VIP_RANGE, FL_VIP_ANY };

	for (uint32_t i = 0; i < 3; i++) {
		struct frame frame = frame_icmp(&client[0], 8, 0, 0x12340001);
		struct fl_vip_key key = endpoint("192.0.2.10", i == 2 ? 0 : 5000, 17);
		struct world_walk walk;
		struct fl_vip *vip;

		open_world();
		key.kind = kinds[i];
		vip = world_serve(&world, &key);
		world.vips[0].address = (struct fl_vip_address){ .echo = FL_ECHO_FORWARD,
								 .echo_proto = 17,
								 .echo_port = key.port,
								 .echo_kind = kinds[i] };
		ck_assert_int_eq(world_decide(&world, &frame, &walk), FL_FORWARD);
		ck_assert_ptr_eq(walk.decision.vip, vip);
	}
}
END_TEST

START_TEST(test_admit_drops_icmp_fragments)
{
	for (uint32_t variant = 0; variant < 2 * 3 * 2 * 2; variant++) {
		uint32_t family = variant & 1, is_later = variant >> 1 & 1, bad = variant >> 2 & 1;
		enum fl_vip_echo echo = variant / 8;
		struct frame_spec spec = client[family];
		struct frame frame;

		open_world();
		set_echo(echo, 80);
		spec.fragment = is_later ? 5 : 0x2000;
		if (bad)
			spec.src = family ? "ff02::1" : "224.0.0.1";
		frame = frame_icmp(&spec, family ? 128 : 8, 0, 7);
		if (family)
			frame_add_fragment(&frame, is_later ? 40 : 1, 9);
		ck_assert_int_eq(decide(&frame), echo == FL_ECHO_HOST ? FL_PASS_ICMP
						 : bad		      ? FL_DROP_SOURCE_MULTICAST
								      : FL_DROP_FRAGMENT);
	}
}
END_TEST

/* An ICMP error is looked up by the port of what it quotes. */
START_TEST(test_admit_takes_an_error_of_the_vips_flows)
{
	for (uint32_t family = 0; family < 2; family++) {
		struct frame_spec sent = { .src = client[family].dst,
					   .dst = client[family].src,
					   .src_port = 80,
					   .dst_port = 40000,
					   .ip_proto = 6,
					   .payload = 20 };
		struct frame quoted = frame_of(&sent), frame, flow = frame_of(&client[family]);
		struct frame_spec router = client[family];
		struct world_walk walk, flow_walk;

		open_world();
		router.src = family ? "2001:db8:f::1" : "203.0.113.1";
		frame = frame_icmp_error(&router, family ? 2 : 3, &quoted, 48);
		ck_assert_int_eq(world_decide(&world, &frame, &walk), FL_FORWARD);
		/* to where the flow goes */
		ck_assert_int_eq(world_decide(&world, &flow, &flow_walk), FL_FORWARD);
		ck_assert_uint_eq(walk.decision.hash, flow_walk.decision.hash);
		ck_assert_uint_eq(walk.decision.slot, flow_walk.decision.slot);
		sent.src_port = 81;
		quoted = frame_of(&sent);
		frame = frame_icmp_error(&router, family ? 2 : 3, &quoted, 48);
		ck_assert_int_eq(decide(&frame), FL_PASS_NO_VIP);
		frame = frame_icmp_error(&router, family ? 2 : 3, &quoted, 20);
		ck_assert_int_eq(decide(&frame), FL_DROP_ICMP_QUOTE);
		router.src = family ? "::1" : "127.0.0.1";
		sent.src_port = 80;
		quoted = frame_of(&sent);
		frame = frame_icmp_error(&router, family ? 2 : 3, &quoted, 48);
		ck_assert_int_eq(decide(&frame), FL_DROP_SOURCE_LOOPBACK);
	}
}
END_TEST

/* --- own packets --- */

START_TEST(test_admit_drops_own_tunnels)
{
	/* entry; mask bits; IPIP and GUE from its address, and from one bit beside */
	for (uint32_t entry = 0; entry < FL_OWN_COUNT; entry++)
		for (uint32_t variant = 0; variant < 2 * 3; variant++) {
			uint32_t family = variant & 1, sort = variant / 2;
			struct frame_spec spec = client[family];
			struct fl_own *own = &world.config.own[entry];
			struct frame frame;

			open_world();
			spec.ip_proto = (uint8_t[]){ 4, 41, 17 }[sort];
			spec.dst_port = 6080;
			spec.dst =
				family ? "2001:db8::99" : "192.0.2.99"; /* no VIP: all the same */
			memset(&own->mask, 0xff, sizeof own->mask);
			own->mask = fl_addr_masked(&own->mask, 120);
			own->address = world_address(spec.src);
			own->address = fl_addr_masked(&own->address, 120);
			for (uint32_t bit = 0; bit <= 128; bit++) {
				if (!family && bit < 96)
					continue;
				frame = frame_of(&spec);
				if (bit < 128)
					frame.data[(family ? 22 : 14) + bit / 8] ^=
						(uint8_t)(0x80 >> bit % 8);
				CHECK(decide(&frame) ==
				      (bit < 120 ? FL_PASS_NO_VIP : FL_DROP_LOOP));
			}
			/* what is no tunnel may come from there */
			spec.dst_port = 6081;
			spec.ip_proto = 17;
			ck_assert_int_eq(decide_spec(&spec), FL_PASS_NO_VIP);
			spec.ip_proto = 6;
			spec.dst_port = 6080;
			ck_assert_int_eq(decide_spec(&spec), FL_PASS_NO_VIP);
		}
}
END_TEST

START_TEST(test_admit_takes_tunnels_of_others)
{
	struct fl_vip_key key = endpoint("192.0.2.10", 6080, 17);
	struct frame_spec spec = client[0];

	open_world();
	world_serve(&world, &key);
	spec.ip_proto = 17;
	spec.dst_port = 6080;
	ck_assert_int_eq(decide_spec(&spec), FL_FORWARD);
	spec.ip_proto = 4;
	ck_assert_int_eq(decide_spec(&spec), FL_PASS_PROTOCOL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_admit_finds_the_vip_of_address_port_and_protocol,
				       test_admit_asks_the_lengths_of_the_family,
				       test_admit_finds_every_prefix_length,
				       test_admit_finds_the_range_of_every_port,
				       test_admit_takes_the_longest_prefix_first,
				       test_admit_stands_pages_that_are_not_there,
				       test_admit_looks_at_eight_lengths_at_most,
				       test_admit_keeps_to_the_flags,
				       test_admit_passes_what_is_for_no_vip_whatever_it_is,
				       test_admit_says_of_the_rest_what_the_parser_said,
				       test_admit_does_with_an_echo_what_the_address_says,
				       test_admit_drops_what_came_in_a_frame_to_a_group,
				       test_admit_forwards_an_echo_as_a_flow,
				       test_admit_forwards_an_echo_to_a_vip_of_each_kind,
				       test_admit_drops_icmp_fragments,
				       test_admit_takes_an_error_of_the_vips_flows,
				       test_admit_drops_own_tunnels,
				       test_admit_takes_tunnels_of_others,
				       NULL };

	return run_tests("admit", tests);
}
