/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairlead: the command line. A thin client of fairleadd: each command is one call of the control
 * protocol with the same name, printed for people, or as it is with --json.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fairlead_cli.h"

/* The one place a command is named: dispatch, help and suggestions read this table. */
const struct cli_command cli_commands[] = {
	{ "config", "check", "FILE",
	  "say everything that is wrong with a configuration; needs no daemon",
	  "  fairlead config check /etc/fairlead/fairlead.json\n"
	  "  generate | fairlead config check -\n",
	  1, 0, 0, command_config_check },
	{ "config", "diff", "FILE",
	  "what applying FILE would change, with consequences; exit code 1: it differs",
	  "  fairlead config diff new.json\n", 1, 0, 0, command_config_diff },
	{ "config", "apply", "FILE", "make the planes serve FILE: all of it or nothing",
	  "  fairlead config apply new.json\n"
	  "  fairlead config apply new.json --if-generation 7\n",
	  1, CLI_OPTION_IF_GENERATION | CLI_OPTION_YES, 0, command_config_apply },
	{ "config", "show", "", "the configuration that serves, as a file",
	  "  fairlead config show > now.json\n", 0, 0, 0, command_config_show },
	{ "vip", "list", "", "all VIPs with their packets", "  fairlead vip list\n", 0, 0, 0,
	  command_vip_list },
	{ "vip", "show", "VIP", "one VIP with its backends",
	  "  fairlead vip show web\n"
	  "  fairlead vip show 192.0.2.1:443/tcp -p\n",
	  1, 0, 0, command_vip_show },
	{ "backend", "list", "", "all backends with weights, shares and packets",
	  "  fairlead backend list --vip web\n", 0, CLI_OPTION_VIP, 0, command_backend_list },
	{ "backend", "drain", "BACKEND", "new flows go to others, open ones stay until they end",
	  "  fairlead backend drain 198.51.100.7\n"
	  "  fairlead backend drain b1 --vip web --wait 1h --idle 30s\n",
	  1, CLI_OPTION_VIP | CLI_OPTION_YES | CLI_OPTION_WAIT | CLI_OPTION_IDLE, 0,
	  command_backend_drain },
	{ "backend", "undrain", "BACKEND", "give it its share again; ends a removal too",
	  "  fairlead backend undrain b1\n", 1, CLI_OPTION_VIP, 0, command_backend_undrain },
	{ "backend", "remove", "BACKEND", "drain it; it is gone when nothing holds it any more",
	  "  fairlead backend remove b1 --wait\n"
	  "  fairlead backend remove b1 --vip web --now --yes\n",
	  1, CLI_OPTION_VIP | CLI_OPTION_YES | CLI_OPTION_WAIT | CLI_OPTION_NOW, 0,
	  command_backend_remove },
	{ "backend", "weight", "BACKEND WEIGHT",
	  "set its weight, 0 to 65535, until the file says so too",
	  "  fairlead backend weight b1 50 --vip web\n"
	  "  fairlead backend weight b1 100 --over 10m\n",
	  2, CLI_OPTION_VIP | CLI_OPTION_YES | CLI_OPTION_OVER, 0, command_backend_weight },
	{ "status", NULL, "", "the daemon, its planes, and what becomes of packets",
	  "  fairlead status\n"
	  "  fairlead -j status | jq .planes\n",
	  0, 0, 0, command_status },
	{ "flow", "explain", "", "where a plane sends a flow, step by step; changes nothing",
	  "  fairlead flow explain --vip web --src 203.0.113.9:51515\n"
	  "  fairlead flow explain --vip nets --src 203.0.113.9:51515 --destination "
	  "192.0.2.7:8080\n",
	  0,
	  CLI_OPTION_VIP | CLI_OPTION_SRC | CLI_OPTION_DESTINATION | CLI_OPTION_SYN |
		  CLI_OPTION_PLANE,
	  CLI_OPTION_VIP | CLI_OPTION_SRC, command_flow_explain },
	{ "version", NULL, "", "versions of this program and the daemon", "  fairlead version\n", 0,
	  0, 0, command_version },
	{ NULL },
};

/*
 * A closed one must not become the number of the socket: the daemon would get what is meant for
 * people. Opened the wrong way round, so that its use is still an error.
 */
static bool
standard_files_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int way = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", way) != fd)
			return false;
	}
	return true;
}

static int
command_run(struct cli *cli)
{
	int exit_code;

	if (cli->word_count > 0 && strcmp(cli->words[0], "help") == 0) {
		cli->help = true;
		cli->word_count--;
		memmove(cli->words, cli->words + 1, cli->word_count * sizeof *cli->words);
	}
	if (cli->help) {
		args_help(cli);
		return 0;
	}
	if (cli->version) {
		cli->words[0] = "version";
		cli->word_count = 1;
	}
	exit_code = args_find_command(cli);
	if (exit_code == 0)
		exit_code = cli->command->run(cli);
	client_close(cli);
	return exit_code;
}

int
main(int argc, char **argv)
{
	struct cli cli = { .socket = "/run/fairlead/control.sock",
			   .timeout_ms = CLI_TIMEOUT_SECONDS * 1000,
			   .wait_s = CLI_WAIT_SECONDS,
			   .interrupt_fd = -1 };
	int exit_code;

	if (!standard_files_open())
		return EX_SOFTWARE;
	exit_code = args_read(&cli, argc, argv);
	if (exit_code == 0)
		exit_code = command_run(&cli);
	if (fflush(stdout) != 0 || ferror(stdout))
		return out_fail(&cli, EX_SOFTWARE, "internal", "",
				"the output could not be written");
	return exit_code;
}
