/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The command line `fairlead`: what its files share. fairlead.c has the command table, from which
 * dispatch, help and suggestions come; fairlead_args.c reads the arguments; fairlead_client.c talks
 * to the daemon; fairlead_out.c prints; fairlead_wait.c waits for a drain, fairlead_left.c tells of
 * it; the others are the commands.
 *
 * Every function that does something returns the process's exit code (sysexits.h; 0 done, 1 the
 * answer is no), and has printed why when it is not 0.
 */
#ifndef TOOLS_FAIRLEAD_CLI_H
#define TOOLS_FAIRLEAD_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>

#include "json.h"

enum {
	CLI_WORDS_MAX = 8,	  /**< noun, verb and arguments */
	CLI_TIMEOUT_SECONDS = 10, /**< default of --timeout */
	CLI_TIMEOUT_SECONDS_MAX = 3600,
	CLI_ANSWER_NO = 1,
	/* Newlines take six bytes each once printed as JSON; a line holds 1 MiB. */
	CLI_TEXT_PART_BYTES = 160 << 10,
	CLI_INTERRUPTED = 130, /**< Ctrl-C ended a wait; for JSON, the process ends by the signal */
	CLI_DURATION_SECONDS_MAX = 24 * 3600,
	CLI_WAIT_SECONDS = 20 * 60, /**< default of --wait */
	CLI_DURATION_BYTES = 24,    /**< "23h 59m" with its NUL */
	TABLE_COLUMNS_MAX = 16,
};

/** Options by bit, to say which command takes which. */
enum cli_option {
	CLI_OPTION_VIP = 1 << 0,
	CLI_OPTION_SRC = 1 << 1,
	CLI_OPTION_PLANE = 1 << 2,
	CLI_OPTION_YES = 1 << 3,
	CLI_OPTION_IF_GENERATION = 1 << 4,
	CLI_OPTION_DESTINATION = 1 << 5,
	CLI_OPTION_WAIT = 1 << 6,
	CLI_OPTION_IDLE = 1 << 7,
	CLI_OPTION_OVER = 1 << 8,
	CLI_OPTION_NOW = 1 << 9,
	CLI_OPTION_SYN = 1 << 10,
};

struct cli;

struct cli_command {
	const char *noun;
	const char *verb;      /**< NULL: the noun alone */
	const char *arguments; /**< for the usage line; "" none */
	const char *summary;
	const char *examples;	 /**< lines of two spaces, command and newline */
	uint32_t argument_count; /**< exactly so many */
	uint32_t options;	 /**< enum cli_option it takes */
	uint32_t options_needed;
	int (*run)(struct cli *cli);
};

struct cli {
	const struct cli_command *command;
	const char *words[CLI_WORDS_MAX]; /**< noun, verb, arguments */
	uint32_t word_count;
	const char **arguments; /**< behind noun and verb */
	const char *socket;
	const char *vip;
	const char *src;
	const char *destination;
	const char *plane;
	const char *if_generation;
	uint32_t options_given; /**< enum cli_option */
	int64_t timeout_ms;
	int64_t wait_s;	       /**< --wait; its default where it was not given */
	const char *wait_word; /**< the word behind --wait that does not look like a time; NULL */
	int64_t idle_s;	       /**< --idle; 0: not given */
	int64_t over_s;	       /**< --over; 0: not given */
	bool json;
	bool pretty;
	bool help;
	bool version;
	bool color;
	struct cli_client *client; /**< NULL: not connected yet */
	/** Readable when the operator wants no more: ends calls with CLI_INTERRUPTED. -1: none. */
	int interrupt_fd;
	/** Not NULL: errors are kept here, the first of each, and not printed. */
	struct json_error *caught;
};

/* --- fairlead.c --- */

extern const struct cli_command cli_commands[]; /**< ends with a NULL noun */

/* --- fairlead_args.c --- */

/** Fill @p cli from the arguments. @return 0 or EX_USAGE, said why. */
int args_read(struct cli *cli, int argc, char **argv);

/** Find the command of the words, check its arguments and options. @return 0 or EX_USAGE, said why.
 */
int args_find_command(struct cli *cli);

/** Was the option on the command line? */
bool args_given(const struct cli *cli, enum cli_option option);

/** A number of digits alone, 0 to @p max. @return false: @p text is none. */
bool args_number(const char *text, int64_t max, int64_t *ret_number);

/** "90s", "20m", "1h30m": 1 s to CLI_DURATION_SECONDS_MAX. @return false: @p text is none. */
bool args_duration(const char *text, int64_t *ret_seconds);

/** Help on what the words name: everything, a noun, or one command. */
void args_help(const struct cli *cli);

/* --- fairlead_client.c --- */

/** Ask the daemon; connects first. Takes @p params. @param ret_result set with 0 only; owned by the
 * caller. */
int client_call(struct cli *cli, const char *method, cJSON *params, cJSON **ret_result);
void client_close(struct cli *cli);

/** Whether a daemon listens; prints nothing. */
bool client_is_there(const struct cli *cli);

/** CLOCK_MONOTONIC. */
int64_t client_now_ms(void);

/* --- fairlead_out.c --- */

/** Say what went wrong, as the sentence or as one JSON object on stderr. @return @p exit_code. */
int out_error(const struct cli *cli, int exit_code, const struct json_error *error);

/** The same, from parts; hint may be "". */
int out_fail(const struct cli *cli, int exit_code, const char *code, const char *hint,
	     const char *format, ...) __attribute__((format(printf, 5, 6)));

/** Several errors of one document; @p file NULL: not of a file. */
int out_errors(const struct cli *cli, int exit_code, const struct json_errors *errors,
	       const char *file);

/** One JSON document on stdout. @return 0; EX_SOFTWARE. */
int out_json(const struct cli *cli, const cJSON *root);

/** A sentence on stderr that begins "warning: "; nothing under --json, where the document has them.
 */
void
out_warning(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Text from outside, control characters escaped. */
void out_text(FILE *stream, const char *text);

/** printf() to stdout whose result goes through out_text(), newlines kept. */
void out_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** A word of a state, coloured where colours are on: good ones green, others yellow. */
void out_state(const struct cli *cli, const char *word, bool good);

/** "12s", "4m 10s", "1h 5m": for people, rounded up to whole seconds, then to minutes. @return @p
 * text. */
char *out_duration(uint64_t ms, char text[CLI_DURATION_BYTES]);

/** A counter of an answer: 0 when it is absent or negative. */
uint64_t out_number(const cJSON *object, const char *name);

struct table_column {
	const char *title;
	bool right; /**< numbers */
};

struct table {
	const struct table_column *columns; /**< ends with a NULL title */
	uint32_t column_count;
	size_t cell_count;
	size_t cell_capacity;
	char **cells; /**< row by row */
	bool no_memory;
};

struct table table_begin(const struct table_column *columns);
void table_text(struct table *table, const char *text);
void table_number(struct table *table, uint64_t number);

/** Prints and frees. @return 0; EX_SOFTWARE. */
int table_end(const struct cli *cli, struct table *table);

/* --- commands --- */

int command_config_check(struct cli *cli);
int command_config_diff(struct cli *cli);
int command_config_apply(struct cli *cli);
int command_config_show(struct cli *cli);
int command_vip_list(struct cli *cli);
int command_vip_show(struct cli *cli);
int command_backend_list(struct cli *cli);
int command_backend_drain(struct cli *cli);
int command_backend_undrain(struct cli *cli);
int command_backend_remove(struct cli *cli);
int command_backend_weight(struct cli *cli);
int command_status(struct cli *cli);
int command_flow_explain(struct cli *cli);
int command_version(struct cli *cli);

/* --- fairlead_config.c --- */
/** Warnings, planes away and planes that failed, of the answer to a change. */
void change_print_notes(const struct cli *cli, const cJSON *answer);

/* --- fairlead_wait.c, fairlead_left.c --- */

enum wait_for { WAIT_DRAINED, WAIT_REMOVED };

/**
 * Wait until the backend of the command's arguments is drained, or removed, on every plane. Prints
 * how it ended; under --json takes @p answer, of the change before, and prints it with the end
 * added. @return 0; CLI_ANSWER_NO: not within the limit, or called off; else as client_call().
 */
int wait_run(struct cli *cli, enum wait_for what, cJSON *answer);

/** Whether a row of backend.list is of the backend that the command's first argument names. */
bool wait_row_matches(const struct cli *cli, const cJSON *row);

/** "1200 rows leaving, 3 flows, last seen 4s ago", of a row of backend.list. @return @p text. */
const char *wait_left_text(const cJSON *row, char *text, size_t size);

#endif
