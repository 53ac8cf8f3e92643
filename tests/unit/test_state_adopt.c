/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a process that is killed at any moment of a commit leaves tables that another one goes on
 * with: every VIP serves with what it had or what it was to have, nothing leaks, nothing is lost,
 * and the next full push brings the state that a fresh plane has. Tables that make no sense are
 * refused, whatever is wrong with them.
 *
 * Method: a child commits, its tables shared, and is led from instruction to instruction (ptrace):
 * after each one that changed a byte of the tables a plane adopts a copy of them.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_plane.h"
#include "run.h"

enum {
	VIPS = 12,
	BACKENDS = 256,
	ROWS = 14 * 251,
	STEPS_MAX = 20000000, /* instructions of a commit */
};

static const struct plane_limits limits = { VIPS, BACKENDS, ROWS, 64 };
static struct plane_failure failure;

/* --- states --- */

#define BACKEND(host, weight) "{'address':'10.0.0." #host "','weight':" #weight "}"
#define VIP(address, port, protocol, more, backends)                     \
	"{'address':'" address "','port':" port ",'protocol':'" protocol \
	"','table_size':251," more "'backends':[" backends "]}"

static const char before[] = VIP("192.0.2.1", "80", "tcp", "", BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1)) "," VIP(
	"192.0.2.1", "81", "tcp", "'no_backend':'host',",
	BACKEND(1,
		1)) "," VIP("192.0.2.1", "82", "udp", "'no_backend':'host',",
			    BACKEND(1,
				    0)) "," VIP("192.0.2.2", "80", "tcp", "",
						BACKEND(1, 1) "," BACKEND(
							2,
							1)) "," VIP("192.0.2.2", "443", "tcp", "",
								    BACKEND(1,
									    1)) "," VIP("198.51."
											"100.0/24",
											"'8000-"
											"8099'",
											"tcp", "",
											BACKEND(1,
												1)) "," VIP("198.51.100.0/24",
													    "'8200-8299'",
													    "tcp",
													    "",
													    BACKEND(1,
														    1)) "," VIP("198.51.100.0/24",
																"'any'",
																"tcp",
																"",
																BACKEND(2,
																	1)) "," VIP("203.0.113.7",
																		    "53",
																		    "udp",
																		    "",
																		    BACKEND(1,
																			    1));

static const char after[] = VIP("192.0.2.1", "80", "tcp", "", BACKEND(1, 1) "," BACKEND(2, 7) "," BACKEND(4, 1)) "," VIP(
	"192.0.2.1", "81", "tcp", "'no_backend':'host',",
	BACKEND(1,
		0)) "," VIP("192.0.2.1", "82", "udp", "'no_backend':'host',",
			    BACKEND(1,
				    1)) "," VIP("192.0.2.2", "80", "tcp",
						"'mode':'gue','icmp_echo':'host',",
						BACKEND(1, 1) "," BACKEND(
							2,
							1)) "," VIP("192.0.2.2", "443", "tcp",
								    "'fragments':'drop','icmp_echo'"
								    ":'host',",
								    BACKEND(1,
									    1)) "," VIP("198.51."
											"100.0/24",
											"'8050-"
											"8150'",
											"tcp", "",
											BACKEND(1,
												1)) "," VIP("198.51.100.0/24",
													    "'8200-8299'",
													    "tcp",
													    "",
													    BACKEND(1,
														    1)) "," VIP("2001:db8::/64",
																"'any'",
																"tcp",
																"",
																BACKEND(1,
																	1) ",{'address':'2001:db8:1::1',"
																	   "'weight':1}");

#define RANGE(first, last) VIP("192.0.2.9", "'" #first "-" #last "'", "tcp", "", BACKEND(1, 1))

/* two pages, of which the second goes: a range moves to the first */
static const char pages_before[] =
	RANGE(100, 199) "," RANGE(200, 299) "," RANGE(300, 399) "," RANGE(400, 499) "," RANGE(
		500,
		599) "," RANGE(600,
			       699) "," RANGE(700,
					      799) "," RANGE(800,
							     899) "," RANGE(900,
									    999) "," RANGE(1000,
											   1099);
static const char pages_after[] = RANGE(200, 299) "," RANGE(300, 309) "," RANGE(400, 499) "," RANGE(
	900, 999) "," RANGE(1000, 1099) "," RANGE(1100, 1199);

static char params[FAKE_LINE_BYTES];

/** Prepare the whole state. */
static void
prepare(struct fake_plane *fake, uint64_t generation, const char *vips)
{
	snprintf(params, sizeof params, "{'generation':%llu,'full':true,'vips':[%s]}",
		 (unsigned long long)generation, vips);
	if (fake_call(fake, "plane.prepare", params) == NULL)
		ck_abort_msg("refused: %s",
			     json_get_string(json_get(fake->answer, "error"), "message", "-"));
}

static void
push(struct fake_plane *fake, uint64_t generation, const char *vips)
{
	prepare(fake, generation, vips);
	snprintf(params, sizeof params, "{'generation':%llu}", (unsigned long long)generation);
	ck_assert_ptr_nonnull(fake_call(fake, "plane.commit", params));
	fake_settle(fake);
}

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

/** Did the tables change since the last look? */
static bool
take_snapshot(const struct fake_part parts[FAKE_PARTS])
{
	bool changed = false;

	for (uint32_t i = 0; i < FAKE_PARTS; i++) {
		if (memcmp(snapshot[i], parts[i].bytes, parts[i].size) == 0)
			continue;
		memcpy(snapshot[i], parts[i].bytes, parts[i].size);
		changed = true;
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
	uint32_t states = 0;
	int status = 0;
	pid_t child;

	fake_parts(&victim, parts);
	for (uint32_t i = 0; i < FAKE_PARTS; i++) {
		snapshot[i] = malloc(parts[i].size);
		ck_assert_ptr_nonnull(snapshot[i]);
	}
	(void)take_snapshot(parts);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		child_commit();
	for (uint32_t step = 0; step < STEPS_MAX; step++) {
		CHECK(waitpid(child, &status, 0) == child);
		if (!WIFSTOPPED(status))
			break;
		if (take_snapshot(parts)) {
			states++;
			check_adoption(&victim, parts, old, new);
		}
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
	const TTest *const tests[] = { test_adopt_after_a_kill_anywhere,
				       test_adopt_after_a_kill_anywhere_on_the_way_back,
				       test_adopt_after_a_kill_while_pages_shrink,
				       test_adopt_after_a_kill_while_pages_grow,
				       test_adopt_after_a_kill_of_the_first_commit,
				       NULL };

	return run_tests("state_adopt", tests);
}
