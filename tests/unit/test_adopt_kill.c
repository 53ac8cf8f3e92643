/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a process that is killed at any moment of a commit leaves tables that another one goes on
 * with: every VIP serves with what it had or what it was to have, nothing leaks, nothing is lost,
 * and the next full push brings the state that a fresh plane has.
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

#include "adopt_states.h"

enum { STEPS_MAX = 20000000 /* instructions of a commit */ };

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

/** Adopt a copy of the tables, and push one of the states. */
static void
check_adoption(const struct fake_plane *shape, const struct fake_part parts[FAKE_PARTS],
	       const struct expected *old, const struct expected *new)
{
	static struct fake_plane adopted;
	static uint32_t turn;
	const struct expected *next = turn++ % 2 == 0 ? new : old;
	uint64_t generation = *(const uint64_t *)parts[FAKE_PARTS - 1].bytes;
	const char *fault;

	if (fake_adopt(&adopted, shape, parts, &failure) < 0)
		ck_abort_msg("%s", failure.message);
	fault = fake_inconsistency(&adopted);
	ck_assert_msg(fault == NULL, "adopted: %s", fault);
	ck_assert_uint_eq(adopted.plane.state.set.generation, generation);
	check_set(&adopted, old, new);
	push(&adopted, generation + 5, next->vips);
	fault = fake_inconsistency(&adopted);
	ck_assert_msg(fault == NULL, "pushed: %s", fault);
	ck_assert_uint_eq(adopted.plane.state.set.digest, next->digest);
	ck_assert_uint_eq(*adopted.tables.generation, generation + 5);
	ck_assert_uint_eq(ranges_free(adopted.plane.state.rows), ROWS - 251 * next->vip_count);
	ck_assert_uint_eq(adopted.key_count,
			  VIPS * 6 - adopted.plane.state.record_count); /* one of each record */
	fake_close(&adopted);
}

/* --- killed anywhere --- */

static struct fake_plane victim;
static uint8_t *snapshot[FAKE_PARTS];

enum { PART_OWNERS = 4, PART_ROWS = 5, ROW_STATES = 7 };

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
		/* one row after the other is much alike: some of those */
		if ((changed & ~(1u << PART_OWNERS | 1u << PART_ROWS)) != 0 ||
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

int
main(void)
{
	const TTest *tests[] = { test_adopt_after_a_kill_anywhere,
				 test_adopt_after_a_kill_while_pages_shrink,
				 test_adopt_after_a_kill_anywhere_on_the_way_back,
				 test_adopt_after_a_kill_while_pages_grow,
				 test_adopt_after_a_kill_of_the_first_commit,
				 NULL };

#ifdef SANITIZED
	tests[2] = NULL; /* five times the instructions */
#endif
	return run_tests("adopt_kill", tests);
}
