/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairleadd: the control daemon's command line and start. The order matters: the configuration is
 * checked before anything is made, the socket is made while still root, then root is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"
#include "limits.h"
#include "log.h"

struct arguments {
	const char *config;
	const char *socket;
	const char *user; /* NULL: not given */
	const char *group;
	const char *state; /* directory */
	const char *check; /* file to check instead of running */
	int exit_code;	   /* EX_OK: go on */
	bool stop;	   /* help or version was printed */
};

static const char help[] =
	"Examples:\n"
	"  fairleadd                                   serve /etc/fairlead/fairlead.json\n"
	"  fairleadd --check new.json                  check a configuration and exit\n"
	"  fairleadd --config a.json --socket /run/a/control.sock\n"
	"\n"
	"Usage: fairleadd [OPTION]...\n"
	"The control daemon: keeps the planes at what the configuration says and serves the "
	"command\n"
	"line fairlead. Runs in the foreground; SIGHUP applies the file again, SIGTERM ends it "
	"(the\n"
	"planes forward as before).\n"
	"\n"
	"  --config FILE      configuration (/etc/fairlead/fairlead.json)\n"
	"  --socket PATH      control socket (/run/fairlead/control.sock)\n"
	"  --group NAME       group of the control socket, mode 0660 (fairlead)\n"
	"  --user NAME        user to run as when started as root (fairlead)\n"
	"  --state-dir DIR    where what is set at run time is kept (/var/lib/fairlead)\n"
	"  --log-level LEVEL  error, warning, notice, info or debug (notice)\n"
	"  --check FILE       print what is wrong with FILE and exit: 0, 65 no JSON,\n"
	"                     69 no such file, 77 not permitted, 78 invalid\n"
	"  --foreground       the only way it runs; accepted for service files\n"
	"  --version          print the version\n"
	"  -h, --help         this text\n";

enum {
	OPTION_CONFIG = 256,
	OPTION_SOCKET,
	OPTION_GROUP,
	OPTION_USER,
	OPTION_STATE_DIR,
	OPTION_LOG_LEVEL,
	OPTION_CHECK,
	OPTION_FOREGROUND,
	OPTION_VERSION
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "group", required_argument, NULL, OPTION_GROUP },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "state-dir", required_argument, NULL, OPTION_STATE_DIR },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "check", required_argument, NULL, OPTION_CHECK },
	{ "foreground", no_argument, NULL, OPTION_FOREGROUND },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
arguments_set_level(struct arguments *arguments, const char *name)
{
	enum log_level level;

	if (log_level_parse(name, &level)) {
		log_set_level(level);
		return;
	}
	fprintf(stderr, "fairleadd: --log-level must be error, warning, notice, info or debug\n");
	arguments->exit_code = EX_USAGE;
}

static void
arguments_take(struct arguments *arguments, int option)
{
	switch (option) {
	case OPTION_CONFIG:
		arguments->config = optarg;
		break;
	case OPTION_SOCKET:
		arguments->socket = optarg;
		break;
	case OPTION_GROUP:
		arguments->group = optarg;
		break;
	case OPTION_USER:
		arguments->user = optarg;
		break;
	case OPTION_STATE_DIR:
		arguments->state = optarg;
		break;
	case OPTION_CHECK:
		arguments->check = optarg;
		break;
	case OPTION_LOG_LEVEL:
		arguments_set_level(arguments, optarg);
		break;
	case OPTION_FOREGROUND:
		break;
	case OPTION_VERSION:
		printf("fairleadd %s\n", FL_VERSION);
		arguments->stop = true;
		break;
	case 'h':
		fputs(help, stdout);
		arguments->stop = true;
		break;
	default: /* getopt_long() has said what is wrong */
		fprintf(stderr, "fairleadd --help shows the options\n");
		arguments->exit_code = EX_USAGE;
	}
}

static struct arguments
arguments_parse(int argc, char **argv)
{
	struct arguments arguments = { .config = "/etc/fairlead/fairlead.json",
				       .socket = "/run/fairlead/control.sock",
				       .group = "fairlead",
				       .state = "/var/lib/fairlead" };
	int option;

	while (arguments.exit_code == EX_OK && !arguments.stop &&
	       (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		arguments_take(&arguments, option);
	if (arguments.exit_code == EX_OK && !arguments.stop && optind < argc) {
		fprintf(stderr,
			"fairleadd: unexpected argument \"%s\"; fairleadd --help shows the "
			"options\n",
			argv[optind]);
		arguments.exit_code = EX_USAGE;
	}
	return arguments;
}

static int
config_exit_code(const struct daemon_config *read)
{
	switch (read->result) {
	case 0:
		return EX_OK;
	case -EBADMSG:
		return EX_DATAERR;
	case -EACCES:
	case -EPERM:
		return EX_NOPERM;
	case -ENOMEM:
		return EX_SOFTWARE;
	default:
		return read->is_unread ? EX_UNAVAILABLE : EX_CONFIG;
	}
}

static void
config_print(const struct json_errors *errors, const char *file, const char *severity)
{
	char line[CONFIG_LINE_BYTES_MAX];

	for (uint32_t i = 0; i < errors->count; i++)
		fprintf(stderr, "%s\n",
			config_error_format(&errors->items[i], file, severity, line));
	if (errors->dropped > 0)
		fprintf(stderr, "%s: and %u more\n", file, errors->dropped);
}

/* @return an exit code; @p ret_config is set with EX_OK only. */
static int
config_load(const char *file, struct config **ret_config)
{
	struct daemon_config *read = daemon_config_read(file);
	int exit_code;

	if (read == NULL) {
		fprintf(stderr, "%s: error: no memory to read it\n", file);
		return EX_SOFTWARE;
	}
	exit_code = config_exit_code(read);
	config_print(&read->errors, file, "error");
	config_print(&read->warnings, file, "warning");
	if (exit_code == EX_OK) {
		*ret_config = read->config;
		read->config = NULL;
	}
	daemon_config_destroy(read);
	return exit_code;
}

static int
check_only(const char *file)
{
	struct config *config = NULL;
	int exit_code = config_load(file, &config);

	if (exit_code == EX_OK)
		printf("%s: ok: %u VIPs, %u backends, %u planes\n", file, config->vip_count,
		       config->backend_total, config->plane_count);
	config_destroy(config);
	return exit_code;
}

/* With a socket and without privileges. Takes @p config. */
static int
serve(const struct arguments *arguments, struct config *config,
      const struct daemon_options *daemon_options)
{
	struct daemon daemon;
	int exit_code = EX_OK;

	if (access(arguments->config, R_OK) < 0)
		log_warning("%s is not readable for uid %u: SIGHUP cannot apply it again",
			    arguments->config, (unsigned)geteuid());
	if (daemon_open(&daemon, config, daemon_options) < 0) {
		log_error("not enough memory to start");
		exit_code = EX_SOFTWARE;
	} else {
		log_notice("fairleadd %s serves %s, control socket %s", FL_VERSION,
			   arguments->config, daemon_options->socket->path);
		if (daemon_run(&daemon) < 0) {
			log_error("the event loop failed");
			exit_code = EX_SOFTWARE;
		}
	}
	daemon_close(&daemon);
	return exit_code;
}

/**
 * Raise the soft limit of open files, which is low for programs that select(2), to the hard one.
 * @return 0, or -1 with the reason: that is too low as well.
 */
static int
raise_files(struct failure *failure)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= CONTROL_FILES_MIN)
		return 0;
	return failure_set(failure, EX_UNAVAILABLE,
			   "at most %llu files may be open, and fairleadd needs up to %d: set "
			   "LimitNOFILE=%d or more in the service, or run before it: ulimit -n %d",
			   (unsigned long long)limit.rlim_cur, CONTROL_FILES_MIN, CONTROL_FILES_MIN,
			   CONTROL_FILES_MIN);
}

/* A directory that cannot be used is told once the daemon runs. */
static int
open_state(const struct arguments *arguments, const struct privileges *privileges,
	   struct state_file **ret_state, struct failure *failure)
{
	if (state_file_open(arguments->state, privileges, ret_state) == 0)
		return 0;
	return failure_set(failure, EX_SOFTWARE, "not enough memory to start");
}

static int
run(const struct arguments *arguments)
{
	struct ctl_socket socket = { .fd = -1, .lock_fd = -1 };
	struct daemon_options daemon_options = { .config_file = arguments->config,
						 .socket = &socket };
	struct config *config = NULL;
	struct privileges privileges;
	struct failure failure;
	int exit_code = config_load(arguments->config, &config);

	if (exit_code != EX_OK)
		return exit_code;
	if (raise_files(&failure) < 0 ||
	    privileges_resolve(arguments->user, arguments->group, &privileges, &failure) < 0 ||
	    ctl_socket_open(arguments->socket, &privileges, &socket, &failure) < 0 ||
	    open_state(arguments, &privileges, &daemon_options.state, &failure) < 0 ||
	    privileges_drop(&privileges, &failure) < 0) {
		log_error("%s", failure.message);
		exit_code = failure.exit_code;
		config_destroy(config);
	} else {
		exit_code = serve(arguments, config, &daemon_options);
	}
	state_file_close(daemon_options.state);
	ctl_socket_close(&socket);
	return exit_code;
}

/* Otherwise a socket would get the number of a closed one, and its peer what is meant for people.
 */
static bool
standard_files_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct arguments arguments;
	int exit_code;

	if (!standard_files_open())
		return EX_SOFTWARE;
	arguments = arguments_parse(argc, argv);
	exit_code = arguments.exit_code;
	if (exit_code == EX_OK && !arguments.stop) {
		(void)signal(SIGPIPE, SIG_IGN);
		exit_code = arguments.check != NULL ? check_only(arguments.check) : run(&arguments);
	}
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	fprintf(stderr, "fairleadd: the output could not be written\n");
	return exit_code == EX_OK ? EX_SOFTWARE : exit_code;
}
