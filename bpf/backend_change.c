/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend_claims.h"
#include "backend_link.h"
#include "backend_pin.h"
#include "backend_program.h"

/* One change under way. */
struct job {
	const struct backend_paths *paths;
	struct backend_report *report;
	struct mnl_socket *netlink;
	struct backend_state *state;
	int lock; /* descriptor, or -1 */
};

/* The setup that is being replaced, kept to go back to. */
struct former {
	bool exists; /* with both programs */
	struct backend_setup setup;
	int programs[2]; /* descriptors by "egress", or -1 */
};

static void
job_close(struct job *job)
{
	if (job->netlink != NULL)
		(void)mnl_socket_close(job->netlink);
	if (job->lock >= 0)
		(void)close(job->lock);
	free(job->state);
	*job = (struct job){ .lock = -1 };
}

static int
job_open(struct job *job, const struct backend_paths *paths, struct backend_report *report)
{
	int r;

	*job = (struct job){ .paths = paths, .report = report, .lock = -1 };
	job->state = calloc(1, sizeof *job->state);
	if (job->state == NULL)
		return backend_report_fail(report, -ENOMEM, "out of memory");
	if ((r = backend_netlink_open(&job->netlink)) < 0) {
		r = backend_report_fail(report, r, "cannot open a netlink socket: %s",
					strerror(-r));
		job_close(job);
		return r;
	}
	if ((r = backend_state_lock(paths->state_dir, &job->lock, report)) < 0 ||
	    (r = backend_state_load(paths->state_dir, job->state, report)) < 0)
		job_close(job);
	return r;
}

static int
link_resolve(const char *name, struct backend_link_info *ret_info, struct backend_report *report)
{
	int r = backend_link_read(name, ret_info);

	if (r < 0)
		return backend_report_fail(
			report, r,
			"there is no interface \"%s\"; the interfaces are listed "
			"by: ip link",
			name);
	if (!ret_info->is_ethernet)
		return backend_report_fail(report, -EOPNOTSUPP,
					   "%s is not an Ethernet interface; name the one that the "
					   "balancers reach this host by",
					   name);
	return 0;
}

static int
setup_resolve(struct backend_setup *setup, struct backend_report *report)
{
	struct backend_link_info info;
	uint32_t kept = 0;
	int r = link_resolve(setup->link.name, &info, report);

	if (r < 0)
		return r;
	setup->link = info.link;
	if (setup->mtu == 0)
		setup->mtu = info.mtu < BACKEND_MTU_MAX ? info.mtu : BACKEND_MTU_MAX;
	if (setup->mtu < BACKEND_MTU_MIN)
		return backend_report_fail(report, -EDOM,
					   "%s has an MTU of %u bytes; at least %d are needed",
					   setup->link.name, setup->mtu, BACKEND_MTU_MIN);
	for (uint32_t i = 0; i < setup->reply_count; i++) {
		r = link_resolve(setup->replies[i].name, &info, report);
		if (r < 0)
			return r;
		if (info.link.index != setup->link.index) /* that one is covered anyway */
			setup->replies[kept++] = info.link;
	}
	setup->reply_count = kept;
	return 0;
}

static void
former_close(struct former *former)
{
	for (int egress = 0; egress < 2; egress++) {
		if (former->programs[egress] >= 0)
			(void)close(former->programs[egress]);
		former->programs[egress] = -1;
	}
}

static void
former_open(struct former *former, const struct job *job, const char *name)
{
	const struct backend_setup *setup = backend_state_find(job->state, name);

	former->exists = false;
	former->programs[0] = former->programs[1] = -1;
	if (setup == NULL)
		return;
	former->setup = *setup;
	for (int egress = 0; egress < 2; egress++)
		former->programs[egress] =
			backend_pinned_open(job->state->pin_dir, name, egress == 1);
	former->exists = former->programs[0] >= 0 && former->programs[1] >= 0 &&
			 backend_link_exists(&setup->link);
}

/* Attach the programs (by "egress") to every hook that the setup wants; the one at ingress last. */
static int
hooks_attach(const struct job *job, uint32_t owner, const int programs[2])
{
	for (int egress = 1; egress >= 0; egress--) {
		for (uint32_t i = 0; i < job->state->hook_count; i++) {
			const struct backend_hook *hook = &job->state->hooks[i];
			int r;

			if (hook->owner != owner || hook->egress != (egress == 1) ||
			    !backend_hook_is_wanted(job->state, hook))
				continue;
			backend_libbpf_listen();
			r = backend_hook_attach(hook, programs[egress], job->netlink);
			if (r < 0)
				return backend_report_fail(
					job->report, r,
					"%s: the kernel refused the %s filter: %s%s",
					hook->link.name, egress == 1 ? "egress" : "ingress",
					strerror(-r), backend_libbpf_words());
		}
	}
	return 0;
}

/* The pin directory goes when it was made by us and serves no setup any more. */
static void
pin_dir_release(struct job *job)
{
	if (job->state->setup_count > 0 || !job->state->pin_dir_made)
		return;
	job->state->pin_dir_made = false;
	if (rmdir(job->state->pin_dir) < 0 && errno != ENOENT)
		backend_report_warn(job->report, "cannot remove %s: %s", job->state->pin_dir,
				    strerror(errno));
}

/* Nothing of the interface @name stays. */
static int
setup_remove(struct job *job, const char *name)
{
	int released, unpinned;

	backend_state_forget(job->state, name);
	released = backend_claims_release(job->state, job->netlink, job->report);
	unpinned = backend_programs_unpin(job->state->pin_dir, name, job->report);
	pin_dir_release(job);
	return released < 0 ? released : unpinned;
}

/* The former setup serves again. What it needs may have been released already, so it is planned
 * anew. */
static void
former_restore(struct job *job, const struct former *former)
{
	const struct backend_setup *setup = &former->setup;
	const char *name = setup->link.name;

	if (backend_claims_plan(job->state, setup, job->netlink, job->report) == 0 &&
	    backend_state_save(job->paths->state_dir, job->state, job->report) == 0 &&
	    backend_claims_apply(job->state, job->netlink, job->report) == 0)
		(void)hooks_attach(job, setup->link.index, former->programs);
	(void)backend_claims_release(job->state, job->netlink, job->report);
	(void)backend_pin_replace(former->programs[0], job->state->pin_dir, name, "decap");
	(void)backend_pin_replace(former->programs[1], job->state->pin_dir, name, "mss");
}

/* After a failed change: the former setup serves again, or none. The report has the cause already.
 */
static void
change_undo(struct job *job, const char *name, const struct former *former)
{
	struct backend_setup *setup = backend_state_find(job->state, name);

	if (!former->exists || setup == NULL) {
		(void)setup_remove(job, name);
	} else {
		*setup = former->setup;
		former_restore(job, former);
	}
	(void)backend_state_save(job->paths->state_dir, job->state, job->report);
}

/* Put the setup into the state, with what has to be changed for it. Changes nothing on the host. */
static int
change_plan(struct job *job, const struct backend_setup *setup)
{
	struct backend_state *state = job->state;
	struct backend_setup *place = backend_state_find(state, setup->link.name);
	bool missing;
	int r;

	if (state->setup_count > 0 && strcmp(state->pin_dir, job->paths->pin_dir) != 0)
		return backend_report_fail(job->report, -EDOM,
					   "%s is up with --pin-dir %s; use the same directory, or "
					   "another --state-dir",
					   state->setups[0].link.name, state->pin_dir);
	if ((r = backend_pin_dir_check(job->paths->pin_dir, &missing, job->report)) < 0)
		return r;
	if (place == NULL && state->setup_count == BACKEND_SETUPS_MAX)
		return backend_report_fail(job->report, -ENOSPC,
					   "%d interfaces are up already; take one down first",
					   BACKEND_SETUPS_MAX);
	(void)snprintf(state->pin_dir, sizeof state->pin_dir, "%s", job->paths->pin_dir);
	state->pin_dir_made = state->pin_dir_made || missing;
	if (place == NULL)
		place = &state->setups[state->setup_count++];
	*place = *setup;
	return backend_claims_plan(state, setup, job->netlink, job->report);
}

static int
change_apply(struct job *job, const struct backend_setup *setup,
	     const struct backend_programs *programs)
{
	const int descriptors[2] = { backend_programs_fd(programs, false),
				     backend_programs_fd(programs, true) };
	int r;

	if ((r = backend_pin_dir_make(job->state->pin_dir, job->report)) < 0 ||
	    (r = backend_claims_apply(job->state, job->netlink, job->report)) < 0 ||
	    (r = hooks_attach(job, setup->link.index, descriptors)) < 0 ||
	    (r = backend_programs_pin(programs, job->state->pin_dir, setup->link.name,
				      job->report)) < 0 ||
	    (r = backend_claims_release(job->state, job->netlink, job->report)) < 0)
		return r;
	return backend_state_save(job->paths->state_dir, job->state, job->report);
}

/* Everything that can be refused is tried before the state is saved and the first change made. */
static int
change_run(struct job *job, const struct backend_setup *setup, const struct former *former)
{
	struct backend_programs *programs = NULL;
	int r;

	if ((r = change_plan(job, setup)) < 0 ||
	    (r = backend_programs_load(job->paths->pin_dir, setup, &programs, job->report)) < 0)
		return r;
	r = backend_state_save(job->paths->state_dir, job->state, job->report);
	if (r == 0)
		r = change_apply(job, setup, programs);
	if (r < 0)
		change_undo(job, setup->link.name, former);
	backend_programs_destroy(programs);
	return r;
}

int
backend_up(const struct backend_paths *paths, struct backend_setup *setup,
	   struct backend_report *report)
{
	struct former *former;
	struct job job;
	int r;

	if ((r = setup_resolve(setup, report)) < 0 || (r = job_open(&job, paths, report)) < 0)
		return r;
	former = malloc(sizeof *former);
	if (former == NULL) {
		job_close(&job);
		return backend_report_fail(report, -ENOMEM, "out of memory");
	}
	former_open(former, &job, setup->link.name);
	r = change_run(&job, setup, former);
	former_close(former);
	free(former);
	job_close(&job);
	return r;
}

/* Filters of this program on an interface that no state file tells of (it was lost). */
static int
orphans_remove(const struct job *job, const char *name, bool *ret_found)
{
	struct backend_link_info info;
	enum backend_occupant occupant;
	int r;

	if (backend_link_read(name, &info) < 0)
		return 0;
	for (int egress = 0; egress < 2; egress++) {
		struct backend_hook hook = { .link = info.link,
					     .owner = info.link.index,
					     .egress = egress == 1 };

		r = backend_hook_read(&hook, job->netlink, &occupant);
		if (r == 0 && occupant == BACKEND_PLACE_OURS) {
			*ret_found = true;
			r = backend_hook_detach(&hook, job->netlink);
		}
		if (r < 0)
			return backend_report_fail(job->report, r,
						   "%s: cannot detach a left-over filter: %s", name,
						   strerror(-r));
	}
	return 0;
}

int
backend_down(const struct backend_paths *paths, const char *name, bool *ret_was_up,
	     struct backend_report *report)
{
	struct backend_link_info info;
	bool was_up = false;
	struct job job;
	int r, saved;

	if ((r = job_open(&job, paths, report)) < 0)
		return r;
	if (backend_state_find(job.state, name) != NULL) {
		was_up = true;
	} else {
		if (backend_link_read(name, &info) < 0)
			r = backend_report_fail(report, -ENODEV,
						"there is no interface \"%s\", and none of that "
						"name is up",
						name);
		if (r == 0)
			r = orphans_remove(&job, name, &was_up);
		/* what an `up` that was killed, or a `down` that failed, has left */
		was_up = was_up ||
			 (job.state->setup_count == 0 && !backend_state_is_empty(job.state));
		if (job.state->pin_dir[0] == '\0')
			(void)snprintf(job.state->pin_dir, sizeof job.state->pin_dir, "%s",
				       paths->pin_dir);
	}
	if (r == 0) {
		r = setup_remove(&job, name);
		saved = backend_state_save(paths->state_dir, job.state, report);
		r = r < 0 ? r : saved;
	}
	job_close(&job);
	if (r == 0)
		*ret_was_up = was_up;
	return r;
}
