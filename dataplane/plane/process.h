/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The process of a plane around the plane: command line, configuration file, signals, exit code.
 * The same for every kind of plane.
 */
#ifndef PLANE_PROCESS_H
#define PLANE_PROCESS_H

#include "failure.h"
#include "plane_file.h"

/** What one kind of plane brings. The functions get @p config. */
struct process_program {
	const char *documentation; /**< of --help: "Run a plane ...\vExamples: ..." */
	const char *detach_help;   /**< of --detach */
	void *config;
	const struct plane_file *file; /**< in config */
	/** Check a text and fill config. @return 0; -EBADMSG: not JSON; -EINVAL; -ENOMEM. */
	int (*parse)(const char *text, size_t size, void *config, struct json_errors *errors);
	/** What --check says of a good one, after the plane's name: ", 2 ports". */
	void (*describe)(const void *config, FILE *stream);
	/** Run until @p signals (a signalfd) is readable. @return 0; -1. */
	int (*run)(const void *config, int signals, struct failure *failure);
	/** Remove what stays of a plane that does not run. @return 0; -1. */
	int (*detach)(const void *config, struct failure *failure);
};

enum {
	PROCESS_FILES_MIN = 128, /**< open files of any plane: libraries, tables, ports, clients */
};

/** What main() is. The process may then open as many files as the hard limit says. @return the
 * exit code. */
int process_main(const struct process_program *program, int argc, char **argv);

/** May the process open so many files? @return 0; -1. */
int process_check_files(uint32_t needed, struct failure *failure);

/** Can the plane socket be made? @return 0; -1. */
int process_check_socket_directory(const struct plane_file *file, struct failure *failure);

/** What the file says of a plane; the rest of the options is zero. Borrows @p file. */
struct plane_options process_plane_options(const struct plane_file *file);

/** plane_create() failed with @p error. @return -1. */
int process_plane_failed(int error, const struct plane_failure *why, struct failure *failure);

#endif
