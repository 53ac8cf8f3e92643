/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_args.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "backend_prefix.h"

enum {
	KEY_INTERFACE = 'i',
	KEY_VIP = 'v',
	KEY_FROM = 'f',
	KEY_REPLY = 'r',
	KEY_JSON = 'j',
	KEY_MTU = 'm',
	KEY_STATE_DIR = 0x100, /* no short form */
	KEY_PIN_DIR,
};

static const char default_state_dir[] = "/run/fairlead-backend";
static const char default_pin_dir[] = "/sys/fs/bpf/fairlead-backend";

static const struct argp_option options[] = {
	{ "interface", KEY_INTERFACE, "IF", 0, "Interface that the balancers reach this host by",
	  1 },
	{ "vip", KEY_VIP, "ADDR", 0, "Virtual IP address; may be repeated (up)", 2 },
	{ "from", KEY_FROM, "BALANCER", 0,
	  "Address or prefix (ADDR/LENGTH) that encapsulated packets may come from; may be "
	  "repeated (up). Without it any source is taken: only in a network that nobody "
	  "else can send from",
	  2 },
	{ "reply-interface", KEY_REPLY, "IF", 0,
	  "Another interface that answers leave by; may be repeated (up)", 2 },
	{ "mtu", KEY_MTU, "BYTES", 0,
	  "MTU of the path from the balancers, 576-65535 (up); default: the interface's", 2 },
	{ "json", KEY_JSON, NULL, 0, "Print one JSON object (status)", 3 },
	{ "state-dir", KEY_STATE_DIR, "DIR", 0,
	  "What has to be restored; default /run/fairlead-backend", 4 },
	{ "pin-dir", KEY_PIN_DIR, "DIR", 0,
	  "On a BPF file system; default /sys/fs/bpf/fairlead-backend", 4 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1 },
	{ 0 },
};

static const char description[] =
	"Makes a server a backend of Fairlead: takes the balancer's header off packets for a VIP, "
	"adds "
	"the VIP to lo, and lowers the MSS that the VIP announces."
	"\v"
	"Examples:\n"
	"  fairlead-backend up --interface eth0 --vip 192.0.2.10 --from 10.0.0.5\n"
	"  fairlead-backend up --interface eth0 --vip 192.0.2.10 --vip 2001:db8::10 \\\n"
	"      --from 10.0.0.0/29 --reply-interface eth1\n"
	"  fairlead-backend status --interface eth0 -j\n"
	"  fairlead-backend down --interface eth0\n\n"
	"`up` again with other values changes it in place. `down` puts every setting back.\n\n"
	"Exit codes: 0 done; 1 not up (status); 64 usage; 69 unavailable (no such interface, no "
	"BPF "
	"file system, the kernel refused); 70 internal error; 77 no permission; 78 invalid value.";

const char *argp_program_version = "fairlead-backend " FL_VERSION;

static void
command_parse(const char *word, struct argp_state *state, struct backend_args *args)
{
	if (args->command != BACKEND_COMMAND_NONE)
		argp_error(state, "unexpected argument \"%s\" after the command", word);
	else if (strcmp(word, "up") == 0)
		args->command = BACKEND_UP;
	else if (strcmp(word, "down") == 0)
		args->command = BACKEND_DOWN;
	else if (strcmp(word, "status") == 0)
		args->command = BACKEND_STATUS;
	else
		argp_error(state, "unknown command \"%s\"; it is one of up, down, status", word);
}

static void
link_parse(const char *text, struct argp_state *state, struct backend_link *ret_link)
{
	size_t size = strlen(text);

	if (size == 0 || size >= sizeof ret_link->name || strchr(text, '/') != NULL) {
		argp_failure(state, EX_UNAVAILABLE, 0,
			     "there is no interface \"%s\"; the interfaces are listed by: ip link",
			     text);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		if (text[i] <= ' ' || text[i] > '~') { /* the state file could not tell it */
			argp_failure(state, EX_CONFIG, 0,
				     "byte %zu of the interface's name is not printable ASCII; "
				     "rename it: ip link set dev OLD name NEW",
				     i + 1);
			return;
		}
	}
	memcpy(ret_link->name, text, size + 1);
}

static void
path_parse(const char *text, struct argp_state *state, char ret_path[BACKEND_PATH_MAX])
{
	size_t size = strlen(text);

	if (text[0] != '/' || size >= BACKEND_PATH_MAX) {
		argp_failure(state, EX_CONFIG, 0,
			     "\"%s\" is not a directory that can be used; give an absolute path "
			     "of at most %d bytes",
			     text, BACKEND_PATH_MAX - 1);
		return;
	}
	while (size > 1 && text[size - 1] == '/')
		size--;
	memcpy(ret_path, text, size);
	ret_path[size] = '\0';
}

static void
vip_parse(const char *text, struct argp_state *state, struct backend_setup *setup)
{
	struct addr vip;

	if (addr_parse(text, &vip) < 0) {
		argp_failure(state, EX_CONFIG, 0,
			     "--vip \"%s\" is not an IPv4 or IPv6 address, as in 192.0.2.10 or "
			     "2001:db8::10",
			     text);
		return;
	}
	if (addr_classify(&vip) != ADDR_USABLE) {
		argp_failure(state, EX_CONFIG, 0,
			     "--vip %s cannot be a VIP: it is a %s address; give a unicast address "
			     "that clients can reach",
			     text, addr_class_name(addr_classify(&vip)));
		return;
	}
	for (uint32_t i = 0; i < setup->vip_count; i++) {
		if (memcmp(&setup->vips[i], &vip, sizeof vip) == 0)
			return;
	}
	if (setup->vip_count == BACKEND_VIPS_MAX)
		argp_failure(state, EX_CONFIG, 0, "more than %d VIPs", BACKEND_VIPS_MAX);
	else
		setup->vips[setup->vip_count++] = vip;
}

static void
from_parse(const char *text, struct argp_state *state, struct backend_setup *setup)
{
	struct backend_prefix prefix;

	if (backend_prefix_parse(text, &prefix) < 0)
		argp_failure(state, EX_CONFIG, 0,
			     "--from \"%s\" is not an address or ADDRESS/LENGTH with no bits set "
			     "after LENGTH, as in 10.0.0.5, 10.0.0.0/24 or 2001:db8::/64",
			     text);
	else if (setup->from_count == BACKEND_PREFIXES_MAX)
		argp_failure(state, EX_CONFIG, 0, "more than %d times --from; use prefixes",
			     BACKEND_PREFIXES_MAX);
	else
		setup->from[setup->from_count++] = prefix;
}

static void
reply_parse(const char *text, struct argp_state *state, struct backend_setup *setup)
{
	for (uint32_t i = 0; i < setup->reply_count; i++) {
		if (strcmp(setup->replies[i].name, text) == 0)
			return;
	}
	if (setup->reply_count == BACKEND_REPLIES_MAX)
		argp_failure(state, EX_CONFIG, 0, "more than %d reply interfaces",
			     BACKEND_REPLIES_MAX);
	else
		link_parse(text, state, &setup->replies[setup->reply_count++]);
}

static void
mtu_parse(const char *text, struct argp_state *state, struct backend_setup *setup)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < BACKEND_MTU_MIN ||
	    value > BACKEND_MTU_MAX)
		argp_failure(state, EX_CONFIG, 0, "--mtu \"%s\" is not a number from %d to %d",
			     text, BACKEND_MTU_MIN, BACKEND_MTU_MAX);
	else
		setup->mtu = (uint32_t)value;
}

static void
all_check(struct argp_state *state, const struct backend_args *args)
{
	const struct backend_setup *setup = &args->setup;
	char text[ADDR_TEXT_MAX];

	if (args->command == BACKEND_COMMAND_NONE)
		argp_error(state, "a command is missing: up, down or status");
	else if (setup->link.name[0] == '\0')
		argp_error(state, "--interface is missing");
	else if (args->command == BACKEND_UP && setup->vip_count == 0)
		argp_error(state, "up needs at least one --vip");
	else if (args->command != BACKEND_UP && (setup->vip_count > 0 || setup->from_count > 0 ||
						 setup->reply_count > 0 || setup->mtu > 0))
		argp_error(state, "--vip, --from, --reply-interface and --mtu belong to up");
	else if (args->command != BACKEND_STATUS && args->json)
		argp_error(state, "--json belongs to status");
	for (uint32_t i = 0; i < setup->vip_count; i++) {
		for (uint32_t k = 0; k < setup->from_count; k++) {
			/* a wide prefix may well hold VIPs; a single balancer cannot be one */
			if (setup->from[k].bits == 128 &&
			    backend_prefix_has(&setup->from[k], setup->vips[i].bytes))
				argp_failure(state, EX_CONFIG, 0,
					     "%s is given as --vip and as --from; a balancer sends "
					     "from its own address",
					     addr_format(&setup->vips[i], text));
		}
	}
}

static error_t
option_parse(int key, char *text, struct argp_state *state)
{
	struct backend_args *args = state->input;

	switch (key) {
	case KEY_INTERFACE:
		link_parse(text, state, &args->setup.link);
		return 0;
	case KEY_VIP:
		vip_parse(text, state, &args->setup);
		return 0;
	case KEY_FROM:
		from_parse(text, state, &args->setup);
		return 0;
	case KEY_REPLY:
		reply_parse(text, state, &args->setup);
		return 0;
	case KEY_MTU:
		mtu_parse(text, state, &args->setup);
		return 0;
	case KEY_JSON:
		args->json = true;
		return 0;
	case KEY_STATE_DIR:
		path_parse(text, state, args->paths.state_dir);
		return 0;
	case KEY_PIN_DIR:
		path_parse(text, state, args->paths.pin_dir);
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP); /* exits */
		return 0;
	case ARGP_KEY_ARG:
		command_parse(text, state, args);
		return 0;
	case ARGP_KEY_END:
		all_check(state, args);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void
backend_args_parse(int argc, char **argv, struct backend_args *ret_args)
{
	static const struct argp parser = { .options = options,
					    .parser = option_parse,
					    .args_doc = "up|down|status",
					    .doc = description };

	memset(ret_args, 0, sizeof *ret_args);
	memcpy(ret_args->paths.state_dir, default_state_dir, sizeof default_state_dir);
	memcpy(ret_args->paths.pin_dir, default_pin_dir, sizeof default_pin_dir);
	argp_err_exit_status = EX_USAGE;
	(void)argp_parse(&parser, argc, argv, 0, NULL, ret_args);
}
