/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments. Options may stand anywhere; which command takes which is checked when the command is
 * known. Whatever is wrong ends in one sentence with the nearest right word.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fairlead_cli.h"

/* What an option does to struct cli. */
struct option {
	const char *name;
	enum {
		OPTION_SOCKET,
		OPTION_JSON,
		OPTION_PRETTY,
		OPTION_COLOR,
		OPTION_TIMEOUT,
		OPTION_HELP,
		OPTION_VERSION,
		OPTION_VIP,
		OPTION_SRC,
		OPTION_DESTINATION,
		OPTION_PLANE,
		OPTION_YES,
		OPTION_NOW,
		OPTION_SYN,
		OPTION_WAIT,
		OPTION_IDLE,
		OPTION_OVER,
		OPTION_IF_GENERATION
	} id;
	uint32_t bit;	   /* enum cli_option; 0: every command takes it */
	const char *value; /* NULL: takes none; "[TIME]": it may be left out */
	const char *summary;
};

static const struct option options[] = {
	{ "--vip", OPTION_VIP, CLI_OPTION_VIP, "VIP", "name or ADDRESS:PORT/PROTOCOL of a VIP" },
	{ "--src", OPTION_SRC, CLI_OPTION_SRC, "A:P", "the client's ADDRESS:PORT" },
	{ "--destination", OPTION_DESTINATION, CLI_OPTION_DESTINATION, "A:P",
	  "where it goes, in the VIP (its first address and port)" },
	{ "--syn", OPTION_SYN, CLI_OPTION_SYN, NULL, "a packet that begins a connection" },
	{ "--plane", OPTION_PLANE, CLI_OPTION_PLANE, "NAME",
	  "ask this plane (the first that is there)" },
	{ "--wait", OPTION_WAIT, CLI_OPTION_WAIT, "[TIME]",
	  "until nothing holds it any more, at most so long (20m)" },
	{ "--idle", OPTION_IDLE, CLI_OPTION_IDLE, "TIME",
	  "with --wait: or until nothing was heard of its flows for so long" },
	{ "--over", OPTION_OVER, CLI_OPTION_OVER, "TIME",
	  "step by step, the last one after so long" },
	{ "--now", OPTION_NOW, CLI_OPTION_NOW, NULL, "at once: its connections are cut" },
	{ "--yes", OPTION_YES, CLI_OPTION_YES, NULL,
	  "also when it cuts connections or no backend would be left" },
	{ "--if-generation", OPTION_IF_GENERATION, CLI_OPTION_IF_GENERATION, "N",
	  "only when generation N serves" },
	{ "--socket", OPTION_SOCKET, 0, "PATH", "control socket (/run/fairlead/control.sock)" },
	{ "--json", OPTION_JSON, 0, NULL, "-j: one JSON document, also for errors (on stderr)" },
	{ "--pretty", OPTION_PRETTY, 0, NULL, "-p: the same, indented" },
	{ "--color", OPTION_COLOR, 0, "WHEN", "auto, always or never" },
	{ "--timeout", OPTION_TIMEOUT, 0, "SECONDS", "give up after so long (10)" },
	{ "--version", OPTION_VERSION, 0, NULL, "as the command version" },
	{ "--help", OPTION_HELP, 0, NULL,
	  "-h: help on the command before it, as fairlead help COMMAND" },
};

enum { OPTION_COUNT = sizeof options / sizeof options[0] };

/* Colours only where somebody sees them. */
static bool
color_wanted(void)
{
	const char *term = getenv("TERM");
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

static int
set_color(struct cli *cli, const char *when)
{
	if (strcmp(when, "always") == 0)
		cli->color = true;
	else if (strcmp(when, "never") == 0)
		cli->color = false;
	else if (strcmp(when, "auto") == 0)
		cli->color = color_wanted();
	else
		return out_fail(cli, EX_USAGE, "usage", "",
				"--color takes auto, always or never, not \"%s\"", when);
	return 0;
}

bool
args_given(const struct cli *cli, enum cli_option option)
{
	return (cli->options_given & option) != 0;
}

bool
args_number(const char *text, int64_t max, int64_t *ret_number)
{
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	/* strtoll() takes white space and a sign too. */
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > max)
		return false;
	*ret_number = number;
	return true;
}

static int
set_timeout(struct cli *cli, const char *text)
{
	int64_t seconds;

	if (!args_number(text, CLI_TIMEOUT_SECONDS_MAX, &seconds) || seconds < 1)
		return out_fail(cli, EX_USAGE, "usage", "",
				"--timeout takes 1 to %d seconds, not \"%s\"",
				CLI_TIMEOUT_SECONDS_MAX, text);
	cli->timeout_ms = seconds * 1000;
	return 0;
}

bool
args_duration(const char *text, int64_t *ret_seconds)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t unit = 0;
	int64_t total = 0;

	/* Ends: every turn needs a smaller unit than the one before. */
	do {
		int64_t number = 0;
		int digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 9; text++, digits++)
			number = number * 10 + (*text - '0');
		while (unit < 3 && units[unit].letter != *text)
			unit++;
		if (digits == 0 || unit == 3)
			return false;
		total += number * units[unit++].seconds;
		text++;
	} while (*text != '\0');
	if (total < 1 || total > CLI_DURATION_SECONDS_MAX)
		return false;
	*ret_seconds = total;
	return true;
}

static int
duration_fail(const struct cli *cli, const char *name, const char *text)
{
	return out_fail(cli, EX_USAGE, "usage", "",
			"%s takes a time from 1s to 24h, like 90s, 20m or 1h30m, not \"%s\"", name,
			text);
}

static int
set_duration(const struct cli *cli, const char *name, const char *text, int64_t *ret_seconds)
{
	if (args_duration(text, ret_seconds))
		return 0;
	return duration_fail(cli, name, text);
}

static int
option_apply(struct cli *cli, const struct option *option, const char *value)
{
	cli->options_given |= option->bit;
	switch (option->id) {
	case OPTION_SOCKET:
		cli->socket = value;
		break;
	case OPTION_JSON:
		cli->json = true;
		break;
	case OPTION_PRETTY:
		cli->json = cli->pretty = true;
		break;
	case OPTION_COLOR:
		return set_color(cli, value);
	case OPTION_TIMEOUT:
		return set_timeout(cli, value);
	case OPTION_HELP:
		cli->help = true;
		break;
	case OPTION_VERSION:
		cli->version = true;
		break;
	case OPTION_VIP:
		cli->vip = value;
		break;
	case OPTION_SRC:
		cli->src = value;
		break;
	case OPTION_DESTINATION:
		cli->destination = value;
		break;
	case OPTION_PLANE:
		cli->plane = value;
		break;
	case OPTION_YES:
	case OPTION_NOW:
	case OPTION_SYN:
		break;
	case OPTION_WAIT:
		return value != NULL ? set_duration(cli, option->name, value, &cli->wait_s) : 0;
	case OPTION_IDLE:
		return set_duration(cli, option->name, value, &cli->idle_s);
	case OPTION_OVER:
		return set_duration(cli, option->name, value, &cli->over_s);
	case OPTION_IF_GENERATION:
		cli->if_generation = value;
		break;
	}
	return 0;
}

static int
option_unknown(const struct cli *cli, const char *name)
{
	const char *names[OPTION_COUNT];
	const char *near;
	char hint[96] = "fairlead --help shows all";

	for (size_t i = 0; i < OPTION_COUNT; i++)
		names[i] = options[i].name;
	near = json_suggest(name, names, OPTION_COUNT);
	if (near != NULL)
		snprintf(hint, sizeof hint, "did you mean %s?", near);
	return out_fail(cli, EX_USAGE, "usage", hint, "unknown option \"%s\"", name);
}

/*
 * The word behind an option whose value may be left out: its value if it looks like a time, or a
 * number below 0, as no option is called so. Who has a backend of such a name writes --wait=20m.
 */
static const char *
optional_value(struct cli *cli, char **argv, int *index)
{
	const char *next = argv[*index + 1];
	bool below = next != NULL && next[0] == '-' && next[1] >= '0' && next[1] <= '9';
	bool digit = next != NULL && next[0] >= '0' && next[0] <= '9';

	if (!below && (!digit || strspn(next, "0123456789hms") != strlen(next))) {
		cli->wait_word = next;
		return NULL;
	}
	++*index;
	return next;
}

/* "--name", "--name=value" or "--name value". @p index moves over a value taken. */
static int
read_long(struct cli *cli, char **argv, int *index)
{
	const char *text = argv[*index];
	size_t size = strcspn(text, "=");
	const char *value = text[size] == '=' ? text + size + 1 : NULL;
	char name[64];

	snprintf(name, sizeof name, "%.*s", (int)size, text);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		bool optional = options[i].value != NULL && options[i].value[0] == '[';

		if (strcmp(options[i].name, name) != 0)
			continue;
		if (options[i].value == NULL && value != NULL)
			return out_fail(cli, EX_USAGE, "usage", "", "%s takes no value", name);
		if (optional && value == NULL)
			return option_apply(cli, &options[i], optional_value(cli, argv, index));
		if (options[i].value != NULL && value == NULL)
			value = argv[*index + 1] != NULL ? argv[++*index] : NULL;
		if (options[i].value != NULL && (value == NULL || value[0] == '\0'))
			return out_fail(cli, EX_USAGE, "usage", "", "%s needs a value: %s %s", name,
					name, options[i].value);
		return option_apply(cli, &options[i], value);
	}
	return option_unknown(cli, name);
}

static int
read_short(struct cli *cli, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		if (*letters == 'j')
			cli->json = true;
		else if (*letters == 'p')
			cli->json = cli->pretty = true;
		else if (*letters == 'h')
			cli->help = true;
		else
			return out_fail(cli, EX_USAGE, "usage", "fairlead --help shows all",
					"unknown option \"-%c\"", *letters);
	}
	return 0;
}

/* An error before "-j" was read must be JSON too. */
static void
read_json_first(struct cli *cli, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		bool letters = argv[i][0] == '-' && argv[i][1] != '-';

		if (strcmp(argv[i], "--json") == 0 || (letters && strchr(argv[i], 'j') != NULL))
			cli->json = true;
		if (strcmp(argv[i], "--pretty") == 0 || (letters && strchr(argv[i], 'p') != NULL))
			cli->json = cli->pretty = true;
	}
}

int
args_read(struct cli *cli, int argc, char **argv)
{
	bool literal = false; /* behind "--" */

	cli->color = color_wanted();
	read_json_first(cli, argc, argv);
	for (int i = 1; i < argc; i++) {
		int r = 0;

		if (!literal && strcmp(argv[i], "--") == 0)
			literal = true;
		else if (!literal && strncmp(argv[i], "--", 2) == 0)
			r = read_long(cli, argv, &i);
		else if (!literal && argv[i][0] == '-' && argv[i][1] != '\0')
			r = read_short(cli, argv[i] + 1);
		else if (cli->word_count == CLI_WORDS_MAX)
			r = out_fail(cli, EX_USAGE, "usage", "", "too many arguments");
		else
			cli->words[cli->word_count++] = argv[i];
		if (r != 0)
			return r;
	}
	if (cli->json)
		cli->color = false;
	return 0;
}

/* --- commands --- */

static bool
noun_is_known(const char *noun)
{
	for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
		if (strcmp(command->noun, noun) == 0)
			return true;
	}
	return false;
}

/* The nearest noun, or verb of a noun. */
static int
word_unknown(const struct cli *cli, const char *noun, const char *word)
{
	const char *names[64];
	size_t count = 0;
	const char *near;
	char hint[128];

	for (const struct cli_command *command = cli_commands; command->noun != NULL && count < 64;
	     command++) {
		if (noun == NULL)
			names[count++] = command->noun;
		else if (strcmp(command->noun, noun) == 0 && command->verb != NULL)
			names[count++] = command->verb;
	}
	near = json_suggest(word, names, count);
	if (near != NULL)
		snprintf(hint, sizeof hint, "did you mean \"%s%s%s\"?", noun != NULL ? noun : "",
			 noun != NULL ? " " : "", near);
	else
		snprintf(hint, sizeof hint, "fairlead %s%s--help shows all",
			 noun != NULL ? noun : "", noun != NULL ? " " : "");
	return out_fail(cli, EX_USAGE, "usage", hint, "unknown command \"%s%s%s\"",
			noun != NULL ? noun : "", noun != NULL ? " " : "", word);
}

static int
command_check(struct cli *cli, const struct cli_command *command)
{
	const char *verb = command->verb != NULL ? command->verb : "";
	const char *space = command->verb != NULL ? " " : "";
	uint32_t words = command->verb != NULL ? 2 : 1;
	char hint[128];

	cli->command = command;
	cli->arguments = cli->words + words;
	snprintf(hint, sizeof hint, "fairlead %s%s%s --help shows how", command->noun, space, verb);
	/* One word too many, behind --wait: it was meant for that. */
	if (cli->word_count - words == command->argument_count + 1 && cli->wait_word != NULL &&
	    cli->arguments[command->argument_count] == cli->wait_word)
		return duration_fail(cli, "--wait", cli->wait_word);
	if (cli->word_count - words != command->argument_count)
		return out_fail(cli, EX_USAGE, "usage", hint, "usage: fairlead %s%s%s%s%s",
				command->noun, space, verb,
				command->arguments[0] != '\0' ? " " : "", command->arguments);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		uint32_t bit = options[i].bit;

		if ((cli->options_given & bit & ~command->options) != 0)
			return out_fail(cli, EX_USAGE, "usage", hint, "\"%s%s%s\" takes no %s",
					command->noun, space, verb, options[i].name);
		if ((bit & command->options_needed & ~cli->options_given) != 0)
			return out_fail(cli, EX_USAGE, "usage", hint, "\"%s%s%s\" needs %s %s",
					command->noun, space, verb, options[i].name,
					options[i].value);
	}
	return 0;
}

int
args_find_command(struct cli *cli)
{
	const char *noun = cli->words[0];
	const char *verb = cli->word_count > 1 ? cli->words[1] : NULL;

	if (noun == NULL)
		return out_fail(cli, EX_USAGE, "usage", "fairlead --help shows all",
				"no command given");
	if (!noun_is_known(noun))
		return word_unknown(cli, NULL, noun);
	for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
		if (strcmp(command->noun, noun) == 0 &&
		    (command->verb == NULL || (verb != NULL && strcmp(command->verb, verb) == 0)))
			return command_check(cli, command);
	}
	if (verb == NULL)
		return out_fail(cli, EX_USAGE, "usage", "add --help to see them",
				"\"%s\" needs a verb", noun);
	return word_unknown(cli, noun, verb);
}

/* --- help --- */

/* Commands that the words name; all when there are none, or none fits. */
static bool
help_matches(const struct cli *cli, const struct cli_command *command)
{
	if (cli->word_count == 0 || !noun_is_known(cli->words[0]))
		return true;
	if (strcmp(command->noun, cli->words[0]) != 0)
		return false;
	if (cli->word_count == 1 || command->verb == NULL)
		return true;
	for (const struct cli_command *other = cli_commands; other->noun != NULL; other++) {
		if (other->verb != NULL && strcmp(other->noun, cli->words[0]) == 0 &&
		    strcmp(other->verb, cli->words[1]) == 0)
			return command == other;
	}
	return true;
}

static void
help_options(uint32_t bits)
{
	printf("\nOptions:\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char left[64];

		if (options[i].bit != 0 && (options[i].bit & bits) == 0)
			continue;
		snprintf(left, sizeof left, "%s%s%s", options[i].name,
			 options[i].value != NULL ? " " : "",
			 options[i].value != NULL ? options[i].value : "");
		printf("  %-20s %s\n", left, options[i].summary);
	}
}

void
args_help(const struct cli *cli)
{
	uint32_t bits = 0;

	printf("Examples:\n");
	for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
		if (help_matches(cli, command))
			printf("%s", command->examples);
	}
	printf("\nUsage: fairlead [OPTION]... NOUN [VERB] [ARGUMENT]...\n");
	for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
		char left[64];

		if (!help_matches(cli, command))
			continue;
		bits |= command->options;
		snprintf(left, sizeof left, "%s %s%s%s", command->noun,
			 command->verb != NULL ? command->verb : "",
			 command->arguments[0] != '\0' ? " " : "", command->arguments);
		printf("  %-30s %s\n", left, command->summary);
	}
	help_options(bits);
	printf("\nExit codes: 0 done, 1 the answer is no, 64 usage, 65 no JSON, 69 no daemon or "
	       "FILE,\n"
	       "70 internal error, 75 try again, 77 not permitted, 78 invalid configuration.\n"
	       "A FILE of - is standard input. Tables are for people; scripts use --json.\n");
}
