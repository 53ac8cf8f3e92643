/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The command line of fairlead-backend.
 */
#ifndef BACKEND_ARGS_H
#define BACKEND_ARGS_H

#include "backend_change.h"

struct backend_args {
	enum { BACKEND_COMMAND_NONE, BACKEND_UP, BACKEND_DOWN, BACKEND_STATUS } command;
	struct backend_paths paths;
	struct backend_setup setup; /**< names, addresses and numbers as given; no indexes */
	bool json;
};

/**
 * Read the command line. Does not return when it is wrong (one sentence on stderr, exit code 64 for
 * what is not in the grammar, 78 for a value that cannot be) or asks for --help or --version.
 */
void backend_args_parse(int argc, char **argv, struct backend_args *ret_args);

#endif
