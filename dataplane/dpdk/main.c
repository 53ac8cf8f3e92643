/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairlead-dpdk: the command line, and what the process is before and after the plane.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"
#include "running.h"

const char *argp_program_version = "fairlead-dpdk " FL_VERSION;

static const char documentation[] =
	"Run a Fairlead plane on DPDK, as the configuration FILE says.\v"
	"Examples:\n"
	"  fairlead-dpdk --check /etc/fairlead/plane0.json   is the file good?\n"
	"  fairlead-dpdk /etc/fairlead/plane0.json           run; SIGTERM stops it\n"
	"  fairlead-dpdk --detach /etc/fairlead/plane0.json  remove the guard that a stop leaves\n"
	"\n"
	"Exit codes: 0 done; 64 wrong arguments; 65 FILE is not JSON; 69 something needed is "
	"missing or "
	"taken; 70 internal error; 77 no permission; 78 FILE is not a valid configuration.";

enum mode {
	MODE_RUN,
	MODE_CHECK,
	MODE_DETACH,
};

struct arguments {
	enum mode mode;
	const char *file;
};

static const struct argp_option options[] = {
	{ "check", 'c', NULL, 0, "Check FILE, change nothing, and exit", 0 },
	{ "detach", 'd', NULL, 0,
	  "Remove what a stopped plane leaves on its net_af_xdp ports (guard, pins), and exit", 0 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1 },
	{ 0 },
};

static error_t
parse_argument(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'c':
	case 'd':
		if (arguments->mode != MODE_RUN)
			argp_error(state, "--check and --detach exclude each other");
		arguments->mode = key == 'c' ? MODE_CHECK : MODE_DETACH;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP); /* exits */
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->file != NULL)
			argp_error(state, "one FILE only, not \"%s\" too", value);
		arguments->file = value;
		return 0;
	case ARGP_KEY_END:
		if (arguments->file == NULL)
			argp_error(state, "which configuration FILE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/** @return 0, or the exit code after the errors were printed. */
static int
read_config(const char *file, struct config *ret_config)
{
	static struct json_errors errors; /* 64 of them are too large for a stack */
	char *text;
	size_t size;
	int r = json_read_file(file, &text, &size);

	if (r < 0) {
		log_message(LOG_ERR, "%s cannot be read: %s", file,
			    r == -EFBIG	   ? "too large for a configuration"
			    : r == -EINVAL ? "not a regular file"
					   : strerror(-r));
		return r == -EACCES || r == -EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE;
	}
	r = config_parse(text, size, ret_config, &errors);
	free(text);
	config_print_errors(&errors, file, stderr);
	if (r == -ENOMEM)
		log_message(LOG_ERR, "no memory to read %s", file);
	return r == 0 ? 0 : r == -EBADMSG ? EXIT_DATA : r == -EINVAL ? EXIT_CONFIG : EXIT_INTERNAL;
}

/** SIGTERM and its like become readable. Before any other thread, which inherits the mask. */
static int
open_signals(struct failure *failure)
{
	sigset_t stop;
	int fd = -1;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &stop, NULL) == 0)
		fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return failure_set(failure, EXIT_INTERNAL, "signalfd: %s", strerror(errno));
	return fd;
}

static int
run(const struct config *config, struct failure *failure)
{
	static struct running running; /* large, and one in a process */
	int signals = open_signals(failure);
	int r;

	if (signals < 0)
		return -1;
	if (running_start(&running, config, failure) < 0) {
		(void)close(signals);
		return -1;
	}
	r = running_serve(&running, signals, failure);
	log_message(LOG_NOTICE, "plane %s stops", config->name);
	running_stop(&running);
	(void)close(signals);
	return r;
}

int
main(int argc, char **argv)
{
	static const struct argp argp = { options, parse_argument, "FILE", documentation, 0, 0, 0 };
	static struct config config;
	struct arguments arguments = { .mode = MODE_RUN };
	struct failure failure = { EXIT_INTERNAL, "" };
	int r = log_open();

	if (r < 0) {
		(void)fprintf(stderr, "stderr is not open: %s\n", strerror(-r));
		return EXIT_INTERNAL;
	}
	(void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	r = read_config(arguments.file, &config);
	if (r != 0)
		return r;
	log_set_level(config.log_level);
	if (arguments.mode == MODE_CHECK) {
		(void)printf("%s: good: plane %s, %u ports, %u workers, %llu of %u MiB used\n",
			     arguments.file, config.name, config.port_count, config.worker_count,
			     (unsigned long long)memory_needed_mb(&config), config.memory_mb);
		return EXIT_SUCCESS;
	}
	r = arguments.mode == MODE_DETACH ? running_detach(&config, &failure)
					  : run(&config, &failure);
	if (r < 0) {
		log_message(LOG_ERR, "%s", failure.message);
		return failure.exit_code;
	}
	return EXIT_SUCCESS;
}
