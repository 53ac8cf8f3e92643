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
#include "fairlead_cli.h"

enum {
	WAIT_POLL_MS = 1000,
	WAIT_CALL_MS_MIN = 1000, /* a call begun just before the limit gets so long */
	WAIT_LINE_BYTES = 80,	 /* of the progress line: one row of a terminal */
};

/* What one look said. */
enum outcome {
	OUTCOME_MORE,	 /* go on */
	OUTCOME_DONE,	 /* drained, or removed */
	OUTCOME_IDLE,	 /* silent for as long as --idle says */
	OUTCOME_UNDONE,	 /* somebody gave it its share back */
	OUTCOME_GONE,	 /* somebody removed a VIP that has it */
	OUTCOME_FAILED,	 /* the daemon says no */
	OUTCOME_STOPPED, /* Ctrl-C */
};

struct waiter {
	struct cli *cli;
	enum wait_for what;
	int64_t started_ms;
	int64_t deadline_ms;
	const char *vip; /* ask for this VIP alone; NULL: all */
	cJSON *list;	 /* the newest answer of backend.list; NULL: none yet */
	/* Of status, when a list said drained, or while a removal went on; NULL: not asked. */
	cJSON *planes;
	const char *gone;    /* of OUTCOME_GONE: the VIP, borrowed of list or cli */
	bool is_lost;	     /* the daemon does not answer */
	bool shows_progress; /* on stderr, a terminal */
	int exit_code;	     /* of OUTCOME_FAILED */
	struct json_error error;
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

/* Adds "PART" or ", PART". */
static void
part_add(char *text, size_t size, const char *part)
{
	size_t end = strlen(text);

	snprintf(text + end, size - end, "%s%s", end > 0 ? ", " : "", part);
}

const char *
wait_left_text(const cJSON *row, char *text, size_t size)
{
	static const struct {
		const char *member;
		const char *words;
		const char *one;
	} counts[] = {
		{ "rows", "owns %llu rows", "owns %llu row" },
		{ "rows_leaving", "%llu rows leaving", "%llu row leaving" },
		{ "flows", "%llu flows", "%llu flow" },
	};
	uint64_t idle_ms = out_number(row, "idle_ms");
	char part[64];
	char duration[CLI_DURATION_BYTES];

	text[0] = '\0';
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		unsigned long long count = out_number(row, counts[i].member);

		if (count == 0)
			continue;
		snprintf(part, sizeof part, count == 1 ? counts[i].one : counts[i].words, count);
		part_add(text, size, part);
	}
	if (text[0] == '\0')
		part_add(text, size, "no flow counted, the planes look once more");
	if (json_get(row, "idle_ms") != NULL && out_number(row, "rows") == 0) {
		snprintf(part, sizeof part, "last seen %s ago",
			 out_duration(idle_ms / 1000 * 1000, duration));
		part_add(text, size, part);
	}
	return text;
}

static bool
row_is_idle(const struct cli *cli, const cJSON *row)
{
	int64_t idle_ms = json_get_integer(row, "idle_ms", -1);

	return cli->idle_s > 0 && out_number(row, "rows") == 0 && idle_ms >= cli->idle_s * 1000;
}

static enum outcome
row_outcome(const struct waiter *waiter, const cJSON *row)
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
		outcome = row_outcome(waiter, row);
		if (outcome == OUTCOME_UNDONE)
			return OUTCOME_UNDONE;
		more = more || outcome == OUTCOME_MORE;
		idle = idle || outcome == OUTCOME_IDLE;
		vip = json_get_string(row, "vip", NULL);
		matching++;
	}
	/* The one VIP that has it is all that has to be looked at from now on. */
	waiter->vip = matching == 1 ? vip : waiter->cli->vip;
	return more ? OUTCOME_MORE : idle ? OUTCOME_IDLE : OUTCOME_DONE;
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

static void
progress_clear(const struct waiter *waiter)
{
	if (waiter->shows_progress)
		(void)fputs("\r\033[K", stderr);
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
		progress_clear(waiter);
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
 * backend alone. @return OUTCOME_GONE, OUTCOME_DONE: none was; or as ask_failed(). */
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
		if (r == 0)
			continue;
		waiter->gone = vip;
		return OUTCOME_GONE;
	}
	return OUTCOME_DONE;
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
		progress_clear(waiter);
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
		outcome = confirm_drained(waiter, outcome);
	return outcome;
}

/* --- what is left --- */

/* Rows that keep it from being done. */
static bool
row_is_left(const struct waiter *waiter, const cJSON *row)
{
	return wait_row_matches(waiter->cli, row) && row_outcome(waiter, row) != OUTCOME_DONE;
}

static void
left_print(const struct waiter *waiter)
{
	char text[192];
	const cJSON *row;
	const cJSON *plane;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (row_is_left(waiter, row))
			out_print("%s: %s\n", json_get_string(row, "vip_name", ""),
				  wait_left_text(row, text, sizeof text));
	}
	cJSON_ArrayForEach (plane, waiter->planes) {
		if (!json_get_boolean(plane, "in_sync", false))
			out_print("plane %s is not in sync (%s): what it still sends there is not "
				  "known\n",
				  json_get_string(plane, "name", ""),
				  json_get_string(plane, "state", ""));
	}
	if (waiter->is_lost)
		out_print("what happened since is not known: %s\n", waiter->error.message);
}

/* Planes that the end does not speak for. A change is on its way to one that is syncing: a removal
 * waits for that. @return the exit code. */
static int
planes_warn(const struct waiter *waiter)
{
	const cJSON *plane;
	int r = 0;

	cJSON_ArrayForEach (plane, waiter->planes) {
		if (json_get_boolean(plane, "in_sync", false) ||
		    strcmp(json_get_string(plane, "state", ""), "syncing") == 0)
			continue;
		r = CLI_ANSWER_NO;
		out_warning(waiter->cli,
			    "plane %s was not in sync (%s) for so long that the removal did not "
			    "wait for it: connections that it still sends to %s are cut when it "
			    "gets this state",
			    json_get_string(plane, "name", ""), json_get_string(plane, "state", ""),
			    waiter->cli->arguments[0]);
	}
	return r;
}

static cJSON *
left_json(const struct waiter *waiter)
{
	cJSON *left = cJSON_CreateArray();
	const cJSON *row;

	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (row_is_left(waiter, row))
			(void)cJSON_AddItemToArray(left, cJSON_Duplicate(row, true));
	}
	return left;
}

static cJSON *
planes_left_json(const struct waiter *waiter)
{
	cJSON *left = cJSON_CreateArray();
	const cJSON *plane;

	cJSON_ArrayForEach (plane, waiter->planes) {
		if (!json_get_boolean(plane, "in_sync", false))
			(void)cJSON_AddItemToArray(
				left, cJSON_CreateString(json_get_string(plane, "name", "")));
	}
	return left;
}

/* --- looking on --- */

/* Whole seconds since the wait began. */
static char *
elapsed_text(const struct waiter *waiter, char text[CLI_DURATION_BYTES])
{
	int64_t ms = client_now_ms() - waiter->started_ms;

	return out_duration((uint64_t)ms / 1000 * 1000, text);
}

static void
progress_show(const struct waiter *waiter)
{
	char line[WAIT_LINE_BYTES];
	char text[192];
	char now[CLI_DURATION_BYTES];
	char limit[CLI_DURATION_BYTES];
	const char *left = waiter->is_lost ? "fairleadd does not answer" : "asking the planes";
	const char *vip = "";
	const cJSON *row;

	if (!waiter->shows_progress)
		return;
	cJSON_ArrayForEach (row, json_get(waiter->list, "backends")) {
		if (!waiter->is_lost && vip[0] == '\0' && row_is_left(waiter, row)) {
			vip = json_get_string(row, "vip_name", "");
			left = wait_left_text(row, text, sizeof text);
		}
	}
	snprintf(line, sizeof line, "%s of %s  %s%s%s", elapsed_text(waiter, now),
		 out_duration((uint64_t)(waiter->deadline_ms - waiter->started_ms), limit), vip,
		 vip[0] != '\0' ? ": " : "", left);
	progress_clear(waiter);
	out_text(stderr, line);
	(void)fflush(stderr);
}

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
		if (outcome != OUTCOME_MORE || client_now_ms() >= waiter->deadline_ms)
			break;
		progress_show(waiter);
		if (!pause_until_next(waiter))
			outcome = OUTCOME_STOPPED;
	} while (outcome == OUTCOME_MORE);
	progress_clear(waiter);
	return outcome;
}

/* --- the end --- */

static int
end_print(const struct waiter *waiter, enum outcome outcome)
{
	const char *backend = waiter->cli->arguments[0];
	const char *word = waiter->what == WAIT_REMOVED ? "removed" : "drained";
	char after[CLI_DURATION_BYTES];
	char idle[CLI_DURATION_BYTES];

	(void)elapsed_text(waiter, after);
	if (outcome == OUTCOME_DONE) {
		out_print("%s is %s, after %s\n", backend, word, after);
		return planes_warn(waiter);
	}
	if (outcome == OUTCOME_IDLE) {
		out_print("%s was silent for %s, after %s; this was left:\n", backend,
			  out_duration((uint64_t)waiter->cli->idle_s * 1000, idle), after);
		left_print(waiter);
		return 0;
	}
	if (outcome == OUTCOME_UNDONE) {
		out_print("%s is not %s, after %s: it was given its share again\n", backend, word,
			  after);
		return CLI_ANSWER_NO;
	}
	if (outcome == OUTCOME_GONE) {
		out_print("%s is not drained, after %s: its VIP %s was removed meanwhile by "
			  "another change, and with it all connections to it were cut\n",
			  backend, after, waiter->gone);
		return CLI_ANSWER_NO;
	}
	out_print("%s is not %s after %s; it goes on:\n", backend, word, after);
	left_print(waiter);
	return CLI_ANSWER_NO;
}

static int
end_json(const struct waiter *waiter, enum outcome outcome, cJSON *answer)
{
	static const char *const words[] = {
		[OUTCOME_MORE] = "limit",    [OUTCOME_DONE] = "done", [OUTCOME_IDLE] = "idle",
		[OUTCOME_UNDONE] = "undone", [OUTCOME_GONE] = "gone",
	};
	bool good = outcome == OUTCOME_DONE || outcome == OUTCOME_IDLE;
	uint64_t ms = (uint64_t)(client_now_ms() - waiter->started_ms);
	int r;

	(void)cJSON_AddStringToObject(answer, "wait", words[outcome]);
	(void)json_add_u64(answer, "waited_ms", ms);
	(void)cJSON_AddItemToObject(answer, "left", left_json(waiter));
	(void)cJSON_AddItemToObject(answer, "planes_left", planes_left_json(waiter));
	good = good && planes_warn(waiter) == 0;
	r = out_json(waiter->cli, answer);
	return r == 0 && !good ? CLI_ANSWER_NO : r;
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
		r = cli->json ? end_json(&waiter, outcome, answer) : end_print(&waiter, outcome);
	cJSON_Delete(waiter.list);
	cJSON_Delete(waiter.planes);
	return r;
}
