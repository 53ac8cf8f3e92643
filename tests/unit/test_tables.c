/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: plane_walk() says how a packet ends and where, for every step that can end it, and
 * plane_walk_output() writes the packet that leaves.
 *
 * Method: tables that the plane library filled,
 * a frame for each end; the output is held against bytes written by hand.
 */
#include "fake_plane.h"
#include "run.h"

static struct fake_plane fake;

enum { FRAME_MAX = 2048 };

/* two bytes before the frame, so that its IP header is aligned */
static _Alignas(8) uint8_t frame_bytes[2 + FRAME_MAX];
static uint8_t *const frame = frame_bytes + 2;

/** IPv4 from 198.51.100.7 port 4660 to 192.0.2.@p host port @p port. @return bytes of the frame. */
static uint32_t
write_frame(uint8_t host, uint16_t port, uint8_t protocol, uint32_t l3_bytes)
{
	const uint8_t header[] = { 2,
				   2,
				   2,
				   2,
				   2,
				   2,
				   4,
				   4,
				   4,
				   4,
				   4,
				   4,
				   8,
				   0,
				   0x45,
				   0xb9,
				   (uint8_t)(l3_bytes >> 8),
				   (uint8_t)l3_bytes,
				   0,
				   1,
				   0,
				   0,
				   64,
				   protocol,
				   0xab,
				   0xcd,
				   198,
				   51,
				   100,
				   7,
				   192,
				   0,
				   2,
				   host,
				   0x12,
				   0x34,
				   (uint8_t)(port >> 8),
				   (uint8_t)port };

	memset(frame, 0x5a, FRAME_MAX);
	memcpy(frame, header, sizeof header);
	return 14 + l3_bytes;
}

static void
commit(const char *params)
{
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", params));
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", "{'generation':1}"));
	fake_settle(&fake);
}

static void
open_plane(void)
{
	fake_open(&fake, &(struct plane_limits){ FAKE_VIPS, FAKE_BACKENDS, FAKE_ROWS });
	commit("{'generation':1,'vips':["
	       "{'address':'192.0.2.1','port':80,'protocol':'tcp','table_size':251,"
	       " 'backends':[{'address':'10.0.0.11','weight':1}]},"
	       "{'address':'192.0.2.2','port':80,'protocol':'tcp','table_size':251,"
	       " 'backends':[{'address':'10.0.0.11','weight':0}]},"
	       "{'address':'192.0.2.3','port':80,'protocol':'udp','table_size':251,"
	       " 'backends':[{'address':'2001:db8::11','weight':1}]}]}");
}

static void
check_walk(uint32_t bytes, enum fl_verdict verdict, enum plane_walk_step reached)
{
	struct plane_walk walk;

	ck_assert_int_eq(plane_walk(&fake.tables, frame, bytes, &walk), verdict);
	ck_assert_int_eq(walk.verdict, verdict);
	ck_assert_int_eq(walk.reached, reached);
}

START_TEST(test_tables_walk_ends_at_each_step)
{
	uint32_t bytes, slot;
	uint64_t link;

	open_plane();
	bytes = write_frame(1, 80, 6, 60);
	frame[12] = 9;
	check_walk(bytes, FL_PASS_NOT_IP, PLANE_WALK_PARSE);
	bytes = write_frame(1, 81, 6, 60);
	check_walk(bytes, FL_PASS_NO_VIP, PLANE_WALK_VIP);
	bytes = write_frame(1, 80, 1, 60);
	check_walk(bytes, FL_PASS_PROTOCOL, PLANE_WALK_VIP);
	bytes = write_frame(2, 80, 6, 60);
	check_walk(bytes, FL_DROP_NO_BACKEND, PLANE_WALK_BACKEND);
	bytes = write_frame(1, 80, 6, 1481);
	check_walk(bytes, FL_DROP_TOO_BIG, PLANE_WALK_ENCAP);
	bytes = write_frame(1, 80, 6, 1480);
	check_walk(bytes, FL_FORWARD, PLANE_WALK_DONE);

	/* what only a changing table shows */
	slot = fake.plane.state.set.vips[0]->slot_base;
	link = fake.tables.backends[slot].link;
	fake.tables.backends[slot].link = fl_link_word(0, 0, FL_LINK_LIVE);
	check_walk(bytes, FL_DROP_UNREACHABLE, PLANE_WALK_ENCAP);
	fake.tables.backends[slot].link = 0;
	check_walk(bytes, FL_DROP_NO_BACKEND, PLANE_WALK_ENCAP);
	fake.tables.backends[slot].link = link | 0xffull << 48;
	check_walk(bytes, FL_DROP_BUG, PLANE_WALK_ENCAP);
	for (uint32_t i = 0; i < FAKE_ROWS; i++)
		fake.tables.rows[i].word = fl_row_stable(60000);
	check_walk(bytes, FL_DROP_BUG, PLANE_WALK_BACKEND);
	fake_close(&fake);
}
END_TEST

START_TEST(test_tables_walk_writes_the_tunnel)
{
	_Alignas(8) uint8_t out_bytes[2 + FRAME_MAX + FL_ENCAP_BYTES_MAX];
	uint8_t *out = out_bytes + 2;
	/* to the gateway, from the port; IPv4 with DF, the inner packet's tos, TTL 64, protocol 4
	 */
	const uint8_t outer[] = { 2,  0, 0, 0,	  0, 2,	 2, 0, 0, 0,  0, 1, 8, 0,  0x45, 0xb9, 0,
				  80, 0, 0, 0x40, 0, 64, 4, 0, 0, 10, 9, 9, 9, 10, 0,	 0,    11 };
	uint32_t bytes, sum = 0;
	struct plane_walk walk;

	open_plane();
	bytes = write_frame(1, 80, 6, 60);
	/* 6 bytes of padding follow the packet and do not go into the tunnel */
	ck_assert_int_eq(plane_walk(&fake.tables, frame, bytes + 6, &walk), FL_FORWARD);
	ck_assert_uint_eq(plane_walk_output(&fake.tables, &walk, frame, out), sizeof outer + 60);
	for (uint32_t i = 14; i < 34; i += 2)
		sum += (uint32_t)out[i] << 8 | out[i + 1];
	ck_assert_uint_eq((sum & 0xffff) + (sum >> 16), 0xffff);
	out[24] = out[25] = 0;
	ck_assert_mem_eq(out, outer, sizeof outer);
	ck_assert_mem_eq(out + sizeof outer, frame + 14, 60);

	bytes = write_frame(3, 80, 17, 60);
	ck_assert_int_eq(plane_walk(&fake.tables, frame, bytes, &walk), FL_FORWARD);
	ck_assert_uint_eq(plane_walk_output(&fake.tables, &walk, frame, out), 54 + 60);
	ck_assert_uint_eq(out[12] << 8 | out[13], 0x86dd);
	ck_assert_uint_eq(out[14] >> 4, 6);
	ck_assert_uint_eq(out[20], 4); /* IPv4 inside */
	ck_assert_uint_eq(out[53], 0x11);
	ck_assert_mem_eq(out + 54, frame + 14, 60);
	fake_close(&fake);
}
END_TEST

START_TEST(test_tables_size_leaves_room)
{
	for (uint32_t vips = 1; vips <= 65536; vips += vips < 300 ? 1 : 997) {
		struct plane_limits limits = { .vips = vips, .backends = 5, .rows = 600 };
		struct plane_tables_size size = plane_tables_size(&limits);

		CHECK((size.vip_bucket_count & (size.vip_bucket_count - 1)) == 0);
		CHECK(size.vip_bucket_count >= FL_VIP_PROBE_MAX);
		/* VIPs and addresses, old and new: half of the words at most */
		CHECK(size.vip_count == 4 * vips &&
		      size.vip_bucket_count * 8 >= 2 * size.vip_count);
		CHECK(size.backend_count == 5 && size.row_count == 600);
	}
}
END_TEST

START_TEST(test_tables_name_every_verdict)
{
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++) {
		ck_assert_uint_gt(strlen(plane_verdict_meaning(i)), 10);
		for (uint32_t j = 0; j < i; j++)
			ck_assert_str_ne(plane_verdict_name(i), plane_verdict_name(j));
	}
	ck_assert_str_eq(plane_verdict_name(FL_FORWARD), "forward");
	ck_assert_str_eq(plane_verdict_name(FL_DROP_BUG), "drop_bug");
	ck_assert_str_eq(plane_verdict_name(FL_VERDICT_COUNT), "unknown");
	ck_assert_str_eq(plane_verdict_meaning(FL_VERDICT_COUNT), "unknown");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_tables_walk_ends_at_each_step,
				       test_tables_walk_writes_the_tunnel,
				       test_tables_size_leaves_room, test_tables_name_every_verdict,
				       NULL };

	return run_tests("tables", tests);
}
