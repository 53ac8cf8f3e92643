/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairlead-backend: makes a server a backend, and a plain server again. It does its work and ends;
 * what serves afterwards are the tc programs in the kernel.
 */
#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "backend_args.h"
#include "backend_program.h"
#include "backend_status.h"
#include "json.h"

enum { EXIT_NOT_UP = 1 };

/* The error as one JSON object. false: no memory for it. */
static bool
error_print_json(const struct backend_report *report)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *error = cJSON_AddObjectToObject(root, "error");
	struct json_buffer text = { 0 };
	bool done = cJSON_AddStringToObject(error, "code", backend_report_word(report)) != NULL &&
		    cJSON_AddStringToObject(error, "message", report->sentence) != NULL &&
		    json_print(root, JSON_FILE_BYTES_MAX, &text) == 0;

	cJSON_Delete(root);
	if (done)
		fprintf(stderr, "%.*s\n", (int)text.size, text.bytes);
	free(text.bytes);
	return done;
}

/* Each message is one line. */
static void
report_print(const struct backend_report *report, bool json)
{
	for (uint32_t i = 0; i < report->warning_count && !json; i++)
		fprintf(stderr, "fairlead-backend: warning: %s\n", report->warnings[i]);
	if (report->error == 0 || (json && error_print_json(report)))
		return;
	fprintf(stderr, "fairlead-backend: %s\n", report->sentence);
}

/* CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as the kernel has it. */
static int
permission_check(struct backend_report *report)
{
	bool admin;

	if (capng_get_caps_process() < 0)
		return backend_report_fail(report, -ENOTRECOVERABLE,
					   "cannot read the capabilities of this process");
	admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) != 0;
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) ||
	    !(admin || capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF)))
		return backend_report_fail(report, -EPERM,
					   "this needs CAP_NET_ADMIN and CAP_BPF; run it as root");
	if (!admin && !capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON))
		backend_report_warn(report, "without CAP_PERFMON the kernel makes the programs two "
					    "to three times as costly, and Debian 12's, 6.1, "
					    "refuses them; grant it while they load");
	return 0;
}

static int
run_up(struct backend_args *args, struct backend_report *report)
{
	struct backend_setup *setup = &args->setup;
	int r = permission_check(report);

	if (r < 0)
		return r;
	if (setup->from_count == 0)
		backend_report_warn(report,
				    "no --from: packets from any source are decapsulated, so "
				    "anybody who reaches this host can forge client "
				    "addresses; name the balancers unless the network is "
				    "trusted");
	r = backend_up(&args->paths, setup, report);
	if (r == 0)
		printf("%s: up, %u VIP%s, MSS at most %u (IPv4), %u (IPv6)\n", setup->link.name,
		       setup->vip_count, setup->vip_count == 1 ? "" : "s",
		       backend_mss_max(setup, false), backend_mss_max(setup, true));
	return r;
}

static int
run_down(const struct backend_args *args, struct backend_report *report)
{
	const char *name = args->setup.link.name;
	bool was_up;
	int r = permission_check(report);

	report->warning_count = 0; /* nothing is loaded: CAP_PERFMON does not matter */
	if (r == 0)
		r = backend_down(&args->paths, name, &was_up, report);
	if (r == 0)
		printf("%s: %s\n", name, was_up ? "down, every setting restored" : "was not up");
	return r;
}

static int
run_status(const struct backend_args *args, bool *ret_is_up, struct backend_report *report)
{
	struct backend_status *status = calloc(1, sizeof *status);
	int r;

	if (status == NULL)
		return backend_report_fail(report, -ENOMEM, "out of memory");
	r = backend_status_read(&args->paths, args->setup.link.name, status, report);
	if (r == 0) {
		*ret_is_up = backend_status_is_up(status);
		if (!args->json)
			backend_status_print(status, stdout);
		else if ((r = backend_status_print_json(status, stdout)) < 0)
			(void)backend_report_fail(report, r, "out of memory");
	}
	free(status);
	return r;
}

int
main(int argc, char **argv)
{
	struct backend_args *args = malloc(sizeof *args);
	struct backend_report *report = calloc(1, sizeof *report);
	bool is_up = true; /* only status can say no */
	int code = EX_SOFTWARE;

	if (args != NULL && report != NULL) {
		backend_args_parse(argc, argv, args);
		if (args->command == BACKEND_UP)
			(void)run_up(args, report);
		else if (args->command == BACKEND_DOWN)
			(void)run_down(args, report);
		else
			(void)run_status(args, &is_up, report);
		report_print(report, args->json);
		code = backend_report_exit(report);
		if (code == 0 && !is_up)
			code = EXIT_NOT_UP;
		if (code == 0 && fflush(stdout) != 0)
			code = EX_SOFTWARE;
	}
	free(report);
	free(args);
	return code;
}
