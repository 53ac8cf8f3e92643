/* SPDX-License-Identifier: BSD-2-Clause */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "process.h"

/* Of the plane socket, where it exists. */
#define CONTROL_GROUP "fairlead"

enum mode {
	MODE_RUN,
	MODE_CHECK,
	MODE_DETACH,
};

struct arguments {
	enum mode mode;
	const char *file;
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

static void
parse_arguments(const struct process_program *program, int argc, char **argv,
		struct arguments *ret_arguments)
{
	const struct argp_option options[] = {
		{ "check", 'c', NULL, 0, "Check FILE, change nothing, and exit", 0 },
		{ "detach", 'd', NULL, 0, program->detach_help, 0 },
		{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1 },
		{ 0 },
	};
	const struct argp argp = { options, parse_argument, "FILE", program->documentation,
				   NULL,    NULL,	    NULL };

	*ret_arguments = (struct arguments){ .mode = MODE_RUN };
	(void)argp_parse(&argp, argc, argv, 0, NULL, ret_arguments);
}

/** @return 0, or the exit code after the errors were printed. */
static int
read_config(const struct process_program *program, const char *file)
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
	r = program->parse(text, size, program->config, &errors);
	free(text);
	plane_file_print_errors(&errors, file, stderr);
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

/** The soft limit is for programs that select(2): none of ours does. */
static void
raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* process_check_files() sees what there is */
}

int
process_check_files(uint32_t needed, struct failure *failure)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "at most %llu files may be open, and the plane needs up to %u: set "
			   "LimitNOFILE=%u or more in the service, or run before it: ulimit -n %u",
			   (unsigned long long)limit.rlim_cur, needed, needed, needed);
}

static int
run(const struct process_program *program, struct failure *failure)
{
	int signals = open_signals(failure);
	int r;

	if (signals < 0)
		return -1;
	r = program->run(program->config, signals, failure);
	(void)close(signals);
	return r;
}

int
process_main(const struct process_program *program, int argc, char **argv)
{
	struct failure failure = { EXIT_INTERNAL, "" };
	struct arguments arguments;
	int r;

	raise_files();
	r = log_open();
	if (r < 0) {
		(void)fprintf(stderr, "stderr is not open: %s\n", strerror(-r));
		return EXIT_INTERNAL;
	}
	parse_arguments(program, argc, argv, &arguments);
	r = read_config(program, arguments.file);
	if (r != 0)
		return r;
	log_set_level(program->file->log_level);
	if (arguments.mode == MODE_CHECK) {
		(void)printf("%s: good: plane %s", arguments.file, program->file->name);
		program->describe(program->config, stdout);
		(void)printf("\n");
		return EXIT_SUCCESS;
	}
	r = process_check_files(PROCESS_FILES_MIN, &failure);
	if (r == 0)
		r = arguments.mode == MODE_DETACH ? program->detach(program->config, &failure)
						  : run(program, &failure);
	if (r < 0) {
		log_message(LOG_ERR, "%s", failure.message);
		return failure.exit_code;
	}
	return EXIT_SUCCESS;
}

int
process_check_socket_directory(const struct plane_file *file, struct failure *failure)
{
	char directory[PLANE_FILE_SOCKET_BYTES_MAX];
	char *slash;

	(void)snprintf(directory, sizeof directory, "%s", file->socket_path);
	slash = strrchr(directory, '/');
	if (slash == NULL || slash == directory)
		return 0;
	*slash = '\0';
	if (access(directory, W_OK | X_OK) == 0)
		return 0;
	return failure_set(
		failure, errno == EACCES ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
		"the directory %s of the plane socket cannot be written to: %s; make it, give "
		"the plane's user the right, or change \"socket\"",
		directory, strerror(errno));
}

struct plane_options
process_plane_options(const struct plane_file *file)
{
	return (struct plane_options){
		.name = file->name,
		.socket_path = file->socket_path,
		.control_user = file->control_user,
		.group = CONTROL_GROUP,
		.limits = file->limits,
		.has_source_ipv4 = file->has_source_ipv4,
		.has_source_ipv6 = file->has_source_ipv6,
		.source_ipv4 = file->source_ipv4,
		.source_ipv6 = file->source_ipv6,
		.has_entropy_ipv4 = file->has_entropy_ipv4,
		.has_entropy_ipv6 = file->has_entropy_ipv6,
		.entropy_ipv4 = file->entropy_ipv4,
		.entropy_ipv6 = file->entropy_ipv6,
		.icmp_rate = file->icmp_rate,
		.icmp_burst = file->icmp_burst,
		.log = log_line,
	};
}

int
process_plane_failed(int error, const struct plane_failure *why, struct failure *failure)
{
	int exit_code = error == -EACCES || error == -EPERM ? EXIT_PERMISSION
			: error == -EINVAL		    ? EXIT_INTERNAL
							    : EXIT_UNAVAILABLE;

	return failure_set(failure, exit_code, "%s", why->message);
}
