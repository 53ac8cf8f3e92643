/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting until nothing holds a backend any more: backend.list once a second, and before it is
 * called drained, or while it is being removed, which planes that speaks for. A daemon that goes
 * away meanwhile is tried again until the limit; Ctrl-C ends the waiting, not the drain.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "addr.h"
#include "fairlead_wait.h"

enum {
	WAIT_POLL_MS = 1000,
	WAIT_CALL_MS_MIN = 1000, /* a call begun just before the limit gets so long */
};

/* --- Ctrl-C --- */

static volatile sig_atomic_t interrupt_signal;
static int interrupt_fd = -1; /* of struct cli: a handler has nothing else */

static void
on_interrupt(int number)
{
	int saved = errno;
	uint64_t one = 1;

	interrupt_signal = number;
	(void)!write(interrupt_fd, &one, sizeof one);
	errno = saved;
}

/* Without SA_RESTART, so that a connect() ends too. */
static int
interrupts_watch(struct cli *cli)
{
	const struct sigaction action = { .sa_handler = on_interrupt };

	interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (interrupt_fd < 0)
		return out_fail(cli, EX_SOFTWARE, "internal", "", "no event for Ctrl-C: %s",
				strerror(errno));
	cli->interrupt_fd = interrupt_fd;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	return 0;
}

/* Ends as what was not caught would have: a script around it stops too. */
static void
interrupts_pass_on(void)
{
	(void)fflush(stdout);
	(void)signal(interrupt_signal, SIG_DFL);
	(void)raise(interrupt_signal);
}

/* --- rows --- */

bool
wait_row_matches(const struct cli *cli, const cJSON *row)
{
	const char *wanted = cli->arguments[0];
	struct addr address;
	char text[ADDR_TEXT_MAX];

	if (strcmp(json_get_string(row, "name", ""), wanted) == 0)
		return true;
	return addr_parse(wanted, &address) == 0 &&
	       strcmp(json_get_string(row, "backend", ""), addr_format(&address, text)) == 0;
}

static bool
row_is_idle(const struct cli *cli, const cJSON *row)
{
	int64_t idle_ms = json_get_integer(row, "idle_ms", -1);

	return cli->idle_s > 0 && out_number(row, "rows") == 0 && idle_ms >= cli->idle_s * 1000;
}

enum outcome
wait_row_outcome(const struct waiter *waiter, const cJSON *row)
{
	const char *state = json_get_string(row, "state", "");

	if (waiter->what == WAIT_REMOVED)
		return strcmp(state, "leaving") == 0 ? OUTCOME_MORE : OUTCOME_UNDONE;
	if (strcmp(state, "serving") == 0)
		return OUTCOME_UNDONE;
	if (json_get_boolean(row, "drained", false))
		return OUTCOME_DONE;
	return row_is_idle(waiter->cli, row) ? OUTCOME_IDLE : OUTCOME_MORE;
}

/* Of all rows: one that was called off, then one that holds, then one that idles decides. */
static enum outcome
rows_outcome(struct waiter *waiter)
{
	bool more = false;
	bool idle = false;
	uint32_t matching = 0;
	const char *vip = NULL;
	const cJSON *row;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		enum outcome outcome;

		if (!wait_row_matches(waiter->cli, row))
			continue;
		outcome = wait_row_outcome(waiter, row);
		if (outcome == OUTCOME_UNDONE)
			return OUTCOME_UNDONE;
		more = more || outcome == OUTCOME_MORE;
		idle = idle || outcome == OUTCOME_IDLE;
		vip = json_get_string(row, "vip", NULL);
		matching++;
	}
	/* The one VIP that has it is all that has to be looked at from now on. */
	waiter->vip = matching == 1 ? vip : waiter->cli->vip;
	if (matching == 0 && waiter->what == WAIT_DRAINED) {
		waiter->gone = waiter->cli->vip;
		return OUTCOME_REMOVED;
	}
	return more ? OUTCOME_MORE : idle ? OUTCOME_IDLE : OUTCOME_DONE;
}

bool
wait_rows_are_untold(const struct waiter *waiter)
{
	const cJSON *row;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (wait_row_matches(waiter->cli, row) && !wait_row_is_told(row))
			return true;
	}
	return false;
}

/* --- asking --- */

/* Whether the daemon may be there again in a moment. */
static bool
is_passing(int exit_code)
{
	return exit_code == EX_UNAVAILABLE || exit_code == EX_TEMPFAIL;
}

/* client_call() that prints nothing; what went wrong is in waiter->error. */
static int
ask(struct waiter *waiter, const char *method, cJSON *params, cJSON **ret_answer)
{
	struct cli *cli = waiter->cli;
	int64_t timeout_ms = cli->timeout_ms;
	int64_t left_ms = waiter->deadline_ms - client_now_ms();
	int r;

	if (left_ms < WAIT_CALL_MS_MIN)
		left_ms = WAIT_CALL_MS_MIN;
	if (cli->timeout_ms > left_ms)
		cli->timeout_ms = left_ms;
	cli->caught = &waiter->error;
	r = client_call(cli, method, params, ret_answer);
	cli->caught = NULL;
	cli->timeout_ms = timeout_ms;
	if (r != 0)
		client_close(cli);
	return r;
}

static enum outcome
ask_failed(struct waiter *waiter, int exit_code)
{
	if (exit_code == CLI_INTERRUPTED || interrupt_signal != 0)
		return OUTCOME_STOPPED;
	if (!is_passing(exit_code)) {
		waiter->exit_code = exit_code;
		return OUTCOME_FAILED;
	}
	if (!waiter->is_lost) {
		wait_progress_clear(waiter);
		out_warning(waiter->cli, "%s; asking again until the limit", waiter->error.message);
	}
	waiter->is_lost = true;
	return OUTCOME_MORE;
}

/* No plane is away or behind, and each told what the list says: one may be busy with a change. */
static bool
planes_are_all_there(const struct waiter *waiter)
{
	uint64_t count = 0;
	const cJSON *plane;

	cJSON_ArrayForEach (plane, waiter->planes) {
		if (!json_get_boolean(plane, "in_sync", false))
			return false;
		count++;
	}
	return count > 0 && out_number(waiter->list, "planes_in_sync") == count &&
	       out_number(waiter->list, "planes") == count;
}

/* Of status. @return OUTCOME_DONE, or as ask_failed(). */
static enum outcome
planes_ask(struct waiter *waiter)
{
	cJSON *status = NULL;
	int r = ask(waiter, "status", NULL, &status);

	if (r != 0)
		return ask_failed(waiter, r);
	cJSON_Delete(waiter->planes);
	waiter->planes = cJSON_DetachItemFromObjectCaseSensitive(status, "planes");
	cJSON_Delete(status);
	return OUTCOME_DONE;
}

/*
 * A list speaks for the planes that are there. What one that is away still forwards (the kernel
 * goes on without its process) nobody knows: it counts as not drained.
 */
static enum outcome
confirm_drained(struct waiter *waiter, enum outcome outcome)
{
	enum outcome asked = planes_ask(waiter);

	if (asked != OUTCOME_DONE)
		return asked;
	return planes_are_all_there(waiter) ? outcome : OUTCOME_MORE;
}

/*
 * A removal does not wait for a plane that is away for longer than a window. Which one that was is
 * seen while the backend is still there: it may be back a moment later, and cut connections then.
 */
static enum outcome
watch_planes(struct waiter *waiter, enum outcome outcome)
{
	enum outcome asked;

	if (outcome != OUTCOME_MORE && (outcome != OUTCOME_DONE || waiter->planes != NULL))
		return outcome;
	asked = planes_ask(waiter);
	return asked == OUTCOME_DONE ? outcome : asked;
}

static bool
list_has_vip(const struct waiter *waiter, const cJSON *list, const char *vip)
{
	const cJSON *row;

	cJSON_ArrayForEach (row, json_get(list, "backends")) {
		if (wait_row_matches(waiter->cli, row) &&
		    strcmp(json_get_string(row, "vip", ""), vip) == 0)
			return true;
	}
	return false;
}

/* @return 0; EX_...: why there is no list, waiter->error has it. */
static int
list_ask(struct waiter *waiter, const char *vip, cJSON **ret_list)
{
	cJSON *params = cJSON_CreateObject();

	if (vip != NULL)
		(void)cJSON_AddStringToObject(params, "vip", vip);
	return ask(waiter, "backend.list", params, ret_list);
}

static bool
vip_is_unknown(const struct waiter *waiter)
{
	return strcmp(waiter->error.code, "unknown_vip") == 0;
}

/* A VIP that had the backend at the last look and is not in @p list was removed, or lost the
 * backend alone. @return OUTCOME_GONE, OUTCOME_REMOVED, OUTCOME_DONE: neither; or as ask_failed().
 */
static enum outcome
vips_compare(struct waiter *waiter, const cJSON *list)
{
	const cJSON *row;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		const char *vip = json_get_string(row, "vip", "");
		cJSON *of_vip = NULL;
		int r;

		if (!wait_row_matches(waiter->cli, row) || list_has_vip(waiter, list, vip))
			continue;
		r = list_ask(waiter, vip, &of_vip);
		cJSON_Delete(of_vip);
		if (r != 0 && !vip_is_unknown(waiter))
			return ask_failed(waiter, r);
		waiter->gone = vip;
		return r == 0 ? OUTCOME_REMOVED : OUTCOME_GONE;
	}
	return OUTCOME_DONE;
}

static bool
is_over(const struct waiter *waiter)
{
	return client_now_ms() >= waiter->deadline_ms;
}

static enum outcome
look(struct waiter *waiter)
{
	cJSON *list = NULL;
	enum outcome outcome;
	int r = list_ask(waiter, waiter->vip, &list);

	if (r != 0 && vip_is_unknown(waiter) && waiter->what == WAIT_REMOVED) {
		list = cJSON_CreateObject(); /* gone, and the backend with it */
	} else if (r != 0 && vip_is_unknown(waiter)) {
		waiter->gone = waiter->vip;
		return OUTCOME_GONE;
	} else if (r != 0) {
		return ask_failed(waiter, r);
	}
	if (waiter->is_lost) {
		wait_progress_clear(waiter);
		out_warning(waiter->cli, "fairleadd answers again");
	}
	waiter->is_lost = false;
	outcome = waiter->what == WAIT_DRAINED ? vips_compare(waiter, list) : OUTCOME_DONE;
	if (outcome != OUTCOME_DONE) {
		cJSON_Delete(list);
		return outcome;
	}
	cJSON_Delete(waiter->list);
	waiter->list = list;
	waiter->vip = waiter->cli->vip;
	outcome = rows_outcome(waiter);
	if (waiter->what == WAIT_REMOVED)
		return watch_planes(waiter, outcome);
	cJSON_Delete(waiter->planes);
	waiter->planes = NULL;
	if ((outcome == OUTCOME_DONE || outcome == OUTCOME_IDLE) &&
	    json_get(list, "backends") != NULL)
		return confirm_drained(waiter, outcome);
	if (outcome == OUTCOME_MORE && (wait_rows_are_untold(waiter) || is_over(waiter))) {
		enum outcome asked = planes_ask(waiter);

		return asked == OUTCOME_DONE ? OUTCOME_MORE : asked;
	}
	return outcome;
}

/* --- looking on --- */

/* Until the next look. @return false: Ctrl-C. */
static bool
pause_until_next(const struct waiter *waiter)
{
	struct pollfd interrupt = { .fd = waiter->cli->interrupt_fd, .events = POLLIN };
	int64_t until_ms = client_now_ms() + WAIT_POLL_MS;
	int64_t left_ms;

	if (until_ms > waiter->deadline_ms)
		until_ms = waiter->deadline_ms;
	while (interrupt_signal == 0 && (left_ms = until_ms - client_now_ms()) > 0) {
		if (poll(&interrupt, 1, (int)left_ms) > 0)
			break;
	}
	return interrupt_signal == 0;
}

/* Ends by its outcome, or OUTCOME_MORE: the limit. */
static enum outcome
wait_loop(struct waiter *waiter)
{
	enum outcome outcome;

	do {
		outcome = look(waiter);
		if (outcome != OUTCOME_MORE || is_over(waiter))
			break;
		wait_progress_show(waiter);
		if (!pause_until_next(waiter))
			outcome = OUTCOME_STOPPED;
	} while (outcome == OUTCOME_MORE);
	wait_progress_clear(waiter);
	return outcome;
}

static int
end_stopped(const struct waiter *waiter)
{
	const char *backend = waiter->cli->arguments[0];
	char hint[192];
	int r;

	snprintf(hint, sizeof hint, "\"fairlead backend undrain %.64s\" ends it", backend);
	r = out_fail(waiter->cli, CLI_INTERRUPTED, "interrupted", hint,
		     "not waiting any more: the %s of %s goes on",
		     waiter->what == WAIT_REMOVED ? "removal" : "drain", backend);
	interrupts_pass_on();
	return r;
}

int
wait_run(struct cli *cli, enum wait_for what, cJSON *answer)
{
	const char *term = getenv("TERM");
	struct waiter waiter = { .cli = cli, .what = what, .vip = cli->vip };
	enum outcome outcome;
	int r = interrupts_watch(cli);

	if (r != 0)
		return r;
	(void)fflush(stdout);
	waiter.started_ms = client_now_ms();
	waiter.deadline_ms = waiter.started_ms + cli->wait_s * 1000;
	waiter.shows_progress =
		!cli->json && isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
	outcome = wait_loop(&waiter);
	if (outcome == OUTCOME_STOPPED)
		r = end_stopped(&waiter);
	else if (outcome == OUTCOME_FAILED)
		r = out_error(cli, waiter.exit_code, &waiter.error);
	else
		r = cli->json ? wait_end_json(&waiter, outcome, answer)
			      : wait_end_print(&waiter, outcome);
	cJSON_Delete(waiter.list);
	cJSON_Delete(waiter.planes);
	return r;
}
