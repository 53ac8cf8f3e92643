/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The file that a plane's tables live in: `fairlead-<name>.tables` in a directory on a tmpfs or a
 * hugetlbfs. It outlives the process, and the next one goes on with it, or refuses to start and
 * leaves it as it is. The process that has it open holds its lock.
 *
 * The main thread calls everything here.
 */
#ifndef DPDK_TABLES_FILE_H
#define DPDK_TABLES_FILE_H

#include "../plane/failure.h"
#include "../plane/tables_memory.h"
#include "config.h"

enum { TABLES_FILE_PATH_BYTES_MAX = PLANE_FILE_PATH_BYTES_MAX + PLANE_NAME_BYTES_MAX + 24 };

/** Zero-initialised with `file` and `directory` -1 is closed. */
struct tables_file {
	char directory_path[PLANE_FILE_PATH_BYTES_MAX];
	char name[PLANE_NAME_BYTES_MAX + 24];
	char path[TABLES_FILE_PATH_BYTES_MAX]; /**< both, for messages */
	int directory, file;
	bool is_huge;	 /**< the directory is on a hugetlbfs */
	bool is_adopted; /**< an earlier process filled the tables */
	struct tables_memory *memory;
	size_t bytes; /**< mapped: whole pages */
};

#define TABLES_FILE_CLOSED ((struct tables_file){ .directory = -1, .file = -1 })

/**
 * Make the file, or open what an earlier process left, and map the tables: all memory is there
 * then, no access can fail. Key, masks and devices of the ports are those of the configuration.
 * @param file closed. @return 0; -1: tables_file_close() takes what was made, after
 * tables_file_withdraw().
 */
int tables_file_open(struct tables_file *file, const struct config *config,
		     const struct fl_key *key, struct failure *failure);

/** After a start that failed: remove the file if it is a new one. */
void tables_file_withdraw(const struct tables_file *file);

/** Let go of it; it stays. */
void tables_file_close(struct tables_file *file);

/** Remove the file, whatever it is, of a plane that does not run. @return 0; -1. */
int tables_file_remove(const struct config *config, struct failure *failure);

#endif
