/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: no packet sees half of a change: while VIPs, backends and tables change, a packet for a VIP
 * that has a backend before and after always reaches one.
 *
 * Method: a thread walks packets through the tables as fast as it can and passes a quiescent point
 * after each; the plane commits random changes around one VIP, whose rows move, and waits in each
 * grace period for that thread.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "fake_plane.h"
#include "rows.h"
#include "run.h"

static struct fake_plane fake;
static uint64_t generation;
static uint32_t random_state = 4711;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % bound;
}

/** Prepare and commit the next generation. @param members of params after the generation. */
static void
apply(const char *members)
{
	static char params[FAKE_LINE_BYTES / 2];

	snprintf(params, sizeof params, "{'generation':%llu,%s}", (unsigned long long)++generation,
		 members);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.prepare", params));
	snprintf(params, sizeof params, "{'generation':%llu}", (unsigned long long)generation);
	ck_assert_ptr_nonnull(fake_call(&fake, "plane.commit", params));
	ck_assert_ptr_null(fake_inconsistency(&fake));
}

enum { READER_CHANGES = 150, FLOWS = 4096 };

/** A thread that walks packets, and passes a quiescent point after each. */
static struct reader {
	atomic_bool stop;
	atomic_uint passed;
	atomic_uint wrong;
	atomic_uint verdict; /* of the first wrong one */
} reader;

/** What is always served: one port, one range among others that come and go, all ports of a prefix
 * that comes and goes as an address of its own. */
static const struct {
	uint8_t address[4];
	uint16_t port;
} always[] = { { { 192, 0, 2, 1 }, 80 },
	       { { 192, 0, 2, 9 }, 15500 },
	       { { 198, 51, 100, 7 }, 4711 } };

static void *
reader_run(void *user)
{
	_Alignas(8) uint8_t frame[2 + 64] = { [14] = 8, 0, 0x45, 0, 0, 50, [2 + 22] = 64, 6 };
	static struct fl_core core;
	struct plane_run run = { .tables = &fake.tables, .size = fake.size, .core = &core };
	uint32_t flow = 0;

	frame[2 + 26] = 203;
	while (!atomic_load(&reader.stop)) {
		struct plane_walk walk;
		uint32_t to = flow % 3;

		memcpy(&frame[2 + 27], &flow, 3);
		memcpy(&frame[2 + 30], always[to].address, 4);
		frame[2 + 36] = (uint8_t)(always[to].port >> 8);
		frame[2 + 37] = (uint8_t)always[to].port;
		flow++;
		if (plane_walk(&run, frame + 2, 64, &walk) != FL_FORWARD &&
		    atomic_fetch_add(&reader.wrong, 1) == 0)
			atomic_store(&reader.verdict, walk.verdict);
		atomic_fetch_add(&reader.passed, 1);
	}
	return NULL;
}

static void
wait_for_reader(struct fake_plane *fake_plane)
{
	unsigned int start = atomic_load(&reader.passed);

	/* the packet under way at the call, and one more */
	while (atomic_load(&reader.passed) - start < 2)
		sched_yield();
}

/** A state in which the VIP always has a backend; the rest changes around it. */
static void
reader_change(uint32_t i)
{
	static char members[FAKE_LINE_BYTES / 2 - 64];
	static const char *const windows[4] = { "0", "5", "5", "60" };
	uint32_t hosts = 1 + random_below(6);
	size_t used =
		(size_t)snprintf(members, sizeof members,
				 "'full':true,'vips':[{'address':'192.0.2.1','port':80,'protocol':"
				 "'tcp','table_size':%s,'window_s':%s,'mode':'%s','backends':[",
				 random_below(6) == 0 ? "509" : "251", windows[random_below(4)],
				 random_below(4) == 0 ? "gue" : "ipip");

	for (uint32_t host = 0; host < hosts; host++)
		used += (size_t)snprintf(members + used, sizeof members - used,
					 "%s{'address':'10.0.0.%u','weight':%u}",
					 host > 0 ? "," : "", 1 + host + i % 5,
					 1 + random_below(3));
	used += (size_t)snprintf(members + used, sizeof members - used, "]}");
	for (uint32_t port = 81; port < 88; port++)
		if (random_below(2) == 0)
			used += (size_t)snprintf(
				members + used, sizeof members - used,
				",{'address':'192.0.2.1','port':%u,'protocol':'tcp',"
				"'table_size':251,'backends':[]}",
				port);
	for (uint32_t n = 0; n < 32; n++)
		if (n == 15 || random_below(100) < n * 7 % 100)
			used += (size_t)snprintf(
				members + used, sizeof members - used,
				",{'address':'192.0.2.9','port':'%u-%u','protocol':'tcp',"
				"'table_size':251,'fragments':'%s',"
				"'backends':[{'address':'10.0.0.1','weight':1}]}",
				1000 * n, 1000 * n + 999, random_below(2) == 0 ? "drop" : "follow");
	/* the same by another VIP, of another prefix length */
	used += (size_t)snprintf(members + used, sizeof members - used,
				 ",{'address':'%s','port':'any','protocol':'tcp','table_size':251,"
				 "'backends':[{'address':'10.0.0.2','weight':1}]}",
				 i % 2 == 0   ? "198.51.100.0/24"
				 : i % 4 == 1 ? "198.51.100.7"
					      : "198.51.0.0/16");
	snprintf(members + used, sizeof members - used, "]");
	apply(members);
}

START_TEST(test_commit_never_shows_half_of_it)
{
	pthread_t thread;

	fake_open(&fake, &(struct plane_limits){ 48, 2048, 48 * 2 * 509, FAKE_FRAGMENTS, FLOWS });
	reader_change(0);
	/* next hops of every backend are known before: reachability is not what is tested */
	for (uint32_t host = 1; host < 12; host++) {
		struct addr address;
		struct nexthop *hop;
		char text[32];

		snprintf(text, sizeof text, "10.0.0.%u", host);
		ck_assert_int_eq(addr_parse(text, &address), 0);
		ck_assert_int_eq(nexthop_take(fake.plane.nexthops, &address, false, &hop), 0);
	}
	fake_settle(&fake);
	ck_assert_int_eq(pthread_create(&thread, NULL, reader_run, NULL), 0);
	fake.on_synchronize = wait_for_reader;
	for (uint32_t i = 0; i < READER_CHANGES && atomic_load(&reader.wrong) == 0; i++) {
		reader_change(i);
		rows_advance(fake.plane.state.rows, i % 20);
	}
	atomic_store(&reader.stop, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_msg(atomic_load(&reader.wrong) == 0, "%u packets lost, the first by %s",
		      atomic_load(&reader.wrong), plane_verdict_name(atomic_load(&reader.verdict)));
	ck_assert_uint_gt(atomic_load(&reader.passed), READER_CHANGES);
	fake.on_synchronize = NULL;
	for (uint32_t host = 1; host < 12; host++) {
		struct addr address;
		struct nexthop *hop;
		char text[32];

		snprintf(text, sizeof text, "10.0.0.%u", host);
		ck_assert_int_eq(addr_parse(text, &address), 0);
		ck_assert_int_eq(nexthop_take(fake.plane.nexthops, &address, false, &hop), 0);
		nexthop_give(fake.plane.nexthops, hop);
		nexthop_give(fake.plane.nexthops, hop);
	}
	fake_close(&fake);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_commit_never_shows_half_of_it, NULL };

	return run_tests("change_commit", tests);
}
