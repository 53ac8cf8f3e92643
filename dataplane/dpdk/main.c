/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairlead-dpdk: what the command line does.
 */
#include <argp.h>

#include "../plane/log.h"
#include "../plane/process.h"
#include "memory.h"
#include "running.h"

const char *argp_program_version = "fairlead-dpdk " FL_VERSION;

static const char documentation[] =
	"Run a Fairlead plane on DPDK, as the configuration FILE says.\v"
	"Examples:\n"
	"  fairlead-dpdk --check /etc/fairlead/plane0.json   is the file good?\n"
	"  fairlead-dpdk /etc/fairlead/plane0.json           run; SIGTERM stops it\n"
	"  fairlead-dpdk --detach /etc/fairlead/plane0.json  remove what a stop leaves\n"
	"\n"
	"Exit codes: 0 done; 64 wrong arguments; 65 FILE is not JSON; 69 something needed is "
	"missing or "
	"taken; 70 internal error; 77 no permission; 78 FILE is not a valid configuration.";

static int
parse(const char *text, size_t size, void *config, struct json_errors *errors)
{
	return config_parse(text, size, config, errors);
}

static void
describe(const void *user, FILE *stream)
{
	const struct config *config = user;

	(void)fprintf(stream,
		      ", %u port%s, %u worker%s, %llu of %u MiB used, and %llu MiB of tables",
		      config->port_count, LOG_PLURAL(config->port_count), config->worker_count,
		      LOG_PLURAL(config->worker_count),
		      (unsigned long long)memory_needed_mb(config), config->memory_mb,
		      (unsigned long long)(tables_memory_bytes(&config->file.limits) >> 20));
}

static int
run(const void *user, int signals, struct failure *failure)
{
	static struct running running; /* large, and one in a process */
	const struct config *config = user;
	int r;

	if (running_start(&running, config, failure) < 0)
		return -1;
	r = running_serve(&running, signals, failure);
	log_message(LOG_NOTICE, "plane %s stops", config->file.name);
	running_stop(&running);
	return r;
}

static int
detach(const void *config, struct failure *failure)
{
	return running_detach(config, failure);
}

int
main(int argc, char **argv)
{
	static struct config config;
	const struct process_program program = {
		.documentation = documentation,
		.detach_help = "Remove what a stopped plane leaves (its tables, and the guard and "
			       "pins of net_af_xdp ports), and exit",
		.config = &config,
		.file = &config.file,
		.parse = parse,
		.describe = describe,
		.run = run,
		.detach = detach,
	};

	return process_main(&program, argc, argv);
}
