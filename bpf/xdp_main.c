/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairlead-xdp: what the command line does.
 */
#include <argp.h>

#include "../dataplane/plane/log.h"
#include "../dataplane/plane/process.h"
#include "xdp_running.h"

const char *argp_program_version = "fairlead-xdp " FL_VERSION;

static const char documentation[] =
	"Run a Fairlead plane in the kernel (XDP), as the configuration FILE says.\v"
	"Examples:\n"
	"  fairlead-xdp --check /etc/fairlead/xdp0.json   is the file good?\n"
	"  fairlead-xdp /etc/fairlead/xdp0.json           run; SIGTERM ends the process, and the "
	"kernel forwards on\n"
	"  fairlead-xdp --detach /etc/fairlead/xdp0.json  end forwarding, remove everything\n"
	"\n"
	"Exit codes: 0 done; 64 wrong arguments; 65 FILE is not JSON; 69 something needed is "
	"missing or "
	"taken; 70 internal error; 77 no permission; 78 FILE is not a valid configuration.";

static int
parse(const char *text, size_t size, void *config, struct json_errors *errors)
{
	return xdp_config_parse(text, size, config, errors);
}

static void
describe(const void *user, FILE *stream)
{
	const struct xdp_config_file *config = user;

	(void)fprintf(stream, ", %u port%s", config->port_count, LOG_PLURAL(config->port_count));
}

static int
run(const void *user, int signals, struct failure *failure)
{
	static struct xdp_running running; /* large, and one in a process */
	const struct xdp_config_file *config = user;
	int r;

	if (xdp_running_start(&running, config, failure) < 0)
		return -1;
	r = xdp_running_serve(&running, signals, failure);
	log_message(LOG_NOTICE,
		    "plane %s stops; the kernel forwards on until fairlead-xdp --detach",
		    config->file.name);
	xdp_running_stop(&running);
	return r;
}

static int
detach(const void *config, struct failure *failure)
{
	return xdp_running_detach(config, failure);
}

int
main(int argc, char **argv)
{
	static struct xdp_config_file config;
	const struct process_program program = {
		.documentation = documentation,
		.detach_help = "End the forwarding of a plane that does not run: remove its "
			       "programs, tables and pins, and exit",
		.config = &config,
		.file = &config.file,
		.parse = parse,
		.describe = describe,
		.run = run,
		.detach = detach,
	};

	return process_main(&program, argc, argv);
}
