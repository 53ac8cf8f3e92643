/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a process that is killed at any moment of a commit leaves tables that another one goes on
 * with: every VIP serves with what it had or what it was to have, nothing leaks, nothing is lost,
 * no connection goes to another backend while rows move, and the next full push brings the state
 * that a fresh plane has.
 *
 * Method: a child commits, its tables shared, and is led from instruction to instruction (ptrace):
 * after each one that changed a byte of the tables a plane adopts a copy of them (of rows, which
 * come by the hundred, after some).
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED /* every step is several times slower */
#endif
#endif

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../dataplane/core/flow.h"
#include "adopt_states.h"
#include "rows.h"

enum { STEPS_MAX = 20000000 /* instructions of a commit */ };

static struct fake_plane victim;

/** What a fresh plane has of a state. */
struct expected {
	const char *vips;
	uint64_t digest;
	uint32_t vip_count;
	struct fake_plane fresh;
};

static void
expected_open(struct expected *expected, const char *vips)
{
	expected->vips = vips;
	fake_open(&expected->fresh, &limits);
	push(&expected->fresh, 1, vips);
	expected->digest = expected->fresh.plane.state.set.digest;
	expected->vip_count = expected->fresh.plane.state.set.vip_count;
}

/* --- what must hold after an adoption --- */

static bool
has_backend(const struct state_vip *vip, const struct addr *address)
{
	return vip != NULL && state_find_backend(vip, address) != NULL;
}

/** Each VIP is of the old or the new state, and one of both is there. */
static void
check_set(const struct fake_plane *adopted, const struct expected *old, const struct expected *new)
{
	const struct state_set *set = &adopted->plane.state.set;

	for (uint32_t i = 0; i < set->vip_count; i++) {
		const struct state_vip *vip = set->vips[i];
		const struct state_vip *was = state_find(&old->fresh.plane.state, &vip->endpoint);
		const struct state_vip *will = state_find(&new->fresh.plane.state, &vip->endpoint);

		CHECK(was != NULL || will != NULL);
		CHECK((was != NULL && policy_equal(&was->policy, &vip->policy)) ||
		      (will != NULL && policy_equal(&will->policy, &vip->policy)));
		for (uint32_t j = 0; j < vip->backend_count; j++)
			CHECK(has_backend(was, &vip->backends[j].address) ||
			      has_backend(will, &vip->backends[j].address));
	}
	for (uint32_t i = 0; i < old->vip_count; i++) {
		const struct addr_endpoint *endpoint =
			&old->fresh.plane.state.set.vips[i]->endpoint;

		if (state_find(&new->fresh.plane.state, endpoint) != NULL)
			CHECK(state_find(&adopted->plane.state, endpoint) != NULL);
	}
}

/* --- connections --- */

enum { PORT_FIRST = 80, PORTS = 7, CONNECTIONS = 60, SYN = 2, ACK = 0x10 };

/** The backends that connections have, by VIP and source port: hosts; 0: no matter. */
static uint32_t truth[PORTS][CONNECTIONS];
static bool has_truth;

/** @return the host that the packet goes to; 0: none. */
static uint32_t
send_packet(struct fake_plane *fake, const uint32_t connection[2], uint8_t flags, bool is_watching)
{
	_Alignas(8) uint8_t frame[2 + 64] = { [14] = 8, 0, 0x45, 0, 0, 50, [2 + 22] = 64, 6 };
	static struct fl_core core;
	struct plane_run run = { .tables = &fake->tables,
				 .size = fake->size,
				 .core = &core,
				 .is_watching = is_watching };
	const uint8_t addresses[8] = { 203, 0, 113, 9, 192, 0, 2, 1 };
	struct plane_walk walk;
	struct fl_addr target;

	memcpy(&frame[2 + 26], addresses, sizeof addresses);
	frame[2 + 34] = 100;
	frame[2 + 35] = (uint8_t)connection[1];
	frame[2 + 37] = (uint8_t)(PORT_FIRST + connection[0]);
	frame[2 + 46] = 0x50;
	frame[2 + 47] = flags;
	if (plane_walk(&run, frame + 2, 64, &walk) != FL_FORWARD)
		return 0;
	target = fl_encap_target(walk.decision.backend);
	return ((const uint8_t *)&target)[15];
}

static void
send_all(struct fake_plane *fake, uint32_t every, uint8_t flags)
{
	for (uint32_t port = 0; port < PORTS; port++)
		for (uint32_t i = 0; i < CONNECTIONS; i += every)
			(void)send_packet(fake, (const uint32_t[]){ port, i }, flags, false);
}

static bool
is_in(const struct expected *state, uint32_t port, uint32_t host)
{
	struct addr_endpoint endpoint;
	const struct state_vip *vip;
	struct addr address;
	char text[32];

	snprintf(text, sizeof text, "192.0.2.1:%u/tcp", PORT_FIRST + port);
	CHECK(addr_endpoint_parse(text, &endpoint) == 0);
	vip = state_find(&state->fresh.plane.state, &endpoint);
	snprintf(text, sizeof text, "10.0.0.%u", host);
	CHECK(addr_parse(text, &address) == 0);
	return has_backend(vip, &address);
}

/** Where connections are whose backends are in both states. @return entries there are. */
static uint32_t
learn_truth(struct fake_plane *fake, const struct expected *old, const struct expected *new)
{
	uint32_t entries = 0;

	for (uint32_t port = 0; port < PORTS; port++)
		for (uint32_t i = 0; i < CONNECTIONS; i++) {
			uint32_t *host = &truth[port][i];

			*host = send_packet(fake, (const uint32_t[]){ port, i }, ACK, true);
			if (!is_in(old, port, *host) || !is_in(new, port, *host))
				*host = 0;
		}
	for (uint32_t i = 0; i < fake->size.flow_bucket_count * 8; i++)
		entries += fake->tables.flows[i / 8].word[i % 8] != 0;
	has_truth = true;
	return entries;
}

static void
check_connections(struct fake_plane *fake, const char *when)
{
	for (uint32_t port = 0; has_truth && port < PORTS; port++)
		for (uint32_t i = 0; i < CONNECTIONS; i++) {
			uint32_t host = send_packet(fake, (const uint32_t[]){ port, i }, ACK, true);

			if (truth[port][i] != 0 && host != truth[port][i])
				ck_abort_msg("%s: connection %u of port %u was with 10.0.0.%u and "
					     "is with 10.0.0.%u",
					     when, i, PORT_FIRST + port, truth[port][i], host);
		}
	for (uint32_t i = 0; i < fake->size.flow_bucket_count * 8; i++) {
		uint64_t word = fake->tables.flows[i / 8].word[i % 8];

		CHECK(word == 0 || fl_backend_is_live(&fake->tables.backends[fl_flow_slot(word)]));
	}
}

/** Adopt a copy of the tables, and push one of the states. */
static void
check_adoption(const struct fake_plane *shape, const struct fake_part parts[FAKE_PARTS],
	       const struct expected *old, const struct expected *new)
{
	static struct fake_plane adopted;
	static uint32_t turn;
	const struct expected *next = turn++ % 2 == 0 ? new : old;
	uint64_t generation = *(const uint64_t *)parts[FAKE_PART_generation].bytes;
	const char *fault;

	if (fake_adopt(&adopted, shape, parts, &failure) < 0)
		ck_abort_msg("%s", failure.message);
	fault = fake_inconsistency(&adopted);
	ck_assert_msg(fault == NULL, "adopted: %s", fault);
	ck_assert_uint_eq(adopted.plane.state.set.generation, generation);
	ck_assert_uint_eq(adopted.tables.clock->tick, victim.tables.clock->tick);
	check_set(&adopted, old, new);
	check_connections(&adopted, "adopted");
	push(&adopted, generation + 5, next->vips);
	fault = fake_inconsistency(&adopted);
	ck_assert_msg(fault == NULL, "pushed: %s", fault);
	check_connections(&adopted, "pushed");
	ck_assert_uint_eq(adopted.plane.state.set.digest, next->digest);
	ck_assert_uint_eq(*adopted.tables.generation, generation + 5);
	ck_assert_uint_eq(ranges_free(adopted.plane.state.row_ranges),
			  ROWS - 251 * next->vip_count);
	ck_assert_uint_eq(adopted.key_count,
			  VIPS * 6 - adopted.plane.state.record_count); /* one of each record */
	fake_close(&adopted);
}

/* --- killed anywhere --- */

static uint8_t *snapshot[FAKE_PARTS];

enum { ROW_STATES = 7 };

/** Did the tables change since the last look? @return bits of the parts that did. */
static uint32_t
take_snapshot(const struct fake_part parts[FAKE_PARTS])
{
	uint32_t changed = 0;

	for (uint32_t i = 0; i < FAKE_PARTS; i++) {
		if (memcmp(snapshot[i], parts[i].bytes, parts[i].size) == 0)
			continue;
		memcpy(snapshot[i], parts[i].bytes, parts[i].size);
		changed |= 1u << i;
	}
	return changed;
}

static void
child_commit(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(2);
	raise(SIGSTOP);
	_exit(change_commit(victim.plane.change) == 0 ? 0 : 1);
}

/** Commit in a child, and look at the tables after each instruction. @return how often they were
 * others. */
static uint32_t
commit_step_by_step(const struct expected *old, const struct expected *new)
{
	struct fake_part parts[FAKE_PARTS];
	uint32_t states = 0, changed;
	int status = 0;
	cpu_set_t cpus;
	pid_t child;

	fake_parts(&victim, parts);
	for (uint32_t i = 0; i < FAKE_PARTS; i++) {
		snapshot[i] = malloc(parts[i].size);
		ck_assert_ptr_nonnull(snapshot[i]);
	}
	(void)take_snapshot(parts);
	/* the two take turns: on one CPU that is a switch, on two a wake-up */
	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	(void)sched_setaffinity(0, sizeof cpus, &cpus);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		child_commit();
	for (uint32_t step = 0; step < STEPS_MAX; step++) {
		CHECK(waitpid(child, &status, 0) == child);
		if (!WIFSTOPPED(status))
			break;
		changed = take_snapshot(parts);
		states += changed != 0;
		/* one row, or entry, after the other is much alike: some of those */
		if ((changed & ~(1u << FAKE_PART_owners | 1u << FAKE_PART_rows |
				 1u << FAKE_PART_flows)) != 0 ||
		    (changed != 0 && states % ROW_STATES == 0))
			check_adoption(&victim, parts, old, new);
		CHECK(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %#x",
		      (unsigned)status);
	for (uint32_t i = 0; i < FAKE_PARTS; i++)
		free(snapshot[i]);
	return states;
}

static void
kill_everywhere(const char *vips_before, const char *vips_after)
{
	static struct expected old, new;
	uint32_t states;

	expected_open(&old, vips_before);
	expected_open(&new, vips_after);
	fake_is_shared = true;
	fake_open(&victim, &limits);
	fake_is_shared = false;
	push(&victim, 7, vips_before);
	prepare(&victim, 8, vips_after);
	states = commit_step_by_step(&old, &new);
	/* two stores for each row that changed, and many more */
	ck_assert_uint_gt(states, 300);
	ck_assert_uint_eq(*victim.tables.generation, 8);
	fake_close(&old.fresh);
	fake_close(&new.fresh);
	/* what the child gave back the parent still has: its tables alone are the test's */
}

START_TEST(test_adopt_after_a_kill_anywhere)
{
	kill_everywhere(before, after);
}
END_TEST

START_TEST(test_adopt_after_a_kill_anywhere_on_the_way_back)
{
	kill_everywhere(after, before);
}
END_TEST

START_TEST(test_adopt_after_a_kill_while_pages_shrink)
{
	kill_everywhere(pages_before, pages_after);
}
END_TEST

START_TEST(test_adopt_after_a_kill_while_pages_grow)
{
	kill_everywhere(pages_after, pages_before);
}
END_TEST

START_TEST(test_adopt_after_a_kill_of_the_first_commit)
{
	static struct expected none, new;

	expected_open(&none, "");
	expected_open(&new, after);
	fake_is_shared = true;
	fake_open(&victim, &limits);
	fake_is_shared = false;
	prepare(&victim, 8, after);
	ck_assert_uint_gt(commit_step_by_step(&none, &new), 300);
	fake_close(&none.fresh);
	fake_close(&new.fresh);
}
END_TEST

/** Rows move, and settle; connections of before and of between them are there. */
static void
live(struct fake_plane *fake)
{
	push(fake, 5, windows_first);
	push(fake, 6, windows_second);
	send_all(fake, 2, ACK);
	send_all(fake, 3, SYN);
	for (uint32_t i = 0; i < 6; i++) {
		rows_advance(fake->plane.state.rows, 16);
		send_all(fake, 2, ACK); /* none is silent for 5 s */
		send_all(fake, 3, ACK);
	}
	push(fake, 7, windows_before);
	send_all(fake, 6, ACK);
	send_all(fake, 5, SYN);
}

static void
kill_while_rows_move(bool is_back)
{
	static struct expected old, new;
	uint32_t states;

	expected_open(&old, windows_before);
	expected_open(&new, windows_after);
	fake_is_shared = true;
	fake_open(&victim, &limits);
	fake_is_shared = false;
	live(&victim);
	if (is_back) {
		push(&victim, 8, windows_after);
		send_all(&victim, 7, SYN);
	}
	ck_assert_uint_gt(learn_truth(&victim, &old, &new), 40);
	prepare(&victim, 9, is_back ? windows_before : windows_after);
	states = is_back ? commit_step_by_step(&new, &old) : commit_step_by_step(&old, &new);
	ck_assert_uint_gt(states, 300);
	fake_close(&old.fresh);
	fake_close(&new.fresh);
}

START_TEST(test_adopt_after_a_kill_while_rows_move)
{
	kill_while_rows_move(false);
}
END_TEST

START_TEST(test_adopt_after_a_kill_while_rows_move_back)
{
	kill_while_rows_move(true);
}
END_TEST

int
main(void)
{
	const TTest *tests[] = { test_adopt_after_a_kill_anywhere,
				 test_adopt_after_a_kill_while_pages_shrink,
				 test_adopt_after_a_kill_anywhere_on_the_way_back,
				 test_adopt_after_a_kill_while_pages_grow,
				 test_adopt_after_a_kill_of_the_first_commit,
				 test_adopt_after_a_kill_while_rows_move,
				 test_adopt_after_a_kill_while_rows_move_back,
				 NULL };

#ifdef SANITIZED
	tests[2] = NULL; /* five times the instructions */
#endif
	return run_tests("adopt_kill", tests);
}
