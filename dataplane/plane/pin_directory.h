/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A plane's own directory on a BPF file system: what is pinned there outlives the process. It is
 * locked while it is open, so that two processes never are one plane, and nobody else may change
 * it.
 */
#ifndef PLANE_PIN_DIRECTORY_H
#define PLANE_PIN_DIRECTORY_H

#include <stdbool.h>

#include "failure.h"

enum {
	PIN_PATH_BYTES_MAX = 512, /**< with NUL */
	PIN_NAME_BYTES_MAX = 128, /**< of an entry, escaped, with NUL */
};

/** Zero-initialise, lock -1; or pin_directory_open(). */
struct pin_directory {
	char path[PIN_PATH_BYTES_MAX];
	int lock; /**< the directory, flock()ed; -1: not open */
};

/**
 * Make the directory of plane @p name in @p pin_dir when it is missing, and lock it.
 * @return 0; -1: not on a bpffs, not ours alone, or another process has it.
 */
int pin_directory_open(const char *pin_dir, const char *name, struct pin_directory *ret_directory,
		       struct failure *failure);

/** The same for one that is there. @return 1; 0: it is not there; -1. */
int pin_directory_find(const char *pin_dir, const char *name, struct pin_directory *ret_directory,
		       struct failure *failure);

/** Path of the pin @p prefix + @p name. A bpffs takes no dots in names: they are written %2e. */
void pin_directory_path(const struct pin_directory *directory, const char *prefix, const char *name,
			char ret_path[PIN_PATH_BYTES_MAX]);

/** Path of an entry as pin_directory_walk() gives it. */
void pin_directory_entry(const struct pin_directory *directory, const char *entry,
			 char ret_path[PIN_PATH_BYTES_MAX]);

/** Call @p each with the name of every entry, as it is written there. @return 0 or -errno. */
int pin_directory_walk(const struct pin_directory *directory,
		       void (*each)(void *user, const char *entry), void *user);

/** Remove the directory, which is empty. @return 0 or a negative errno. */
int pin_directory_remove(struct pin_directory *directory);

/** Unlock it; pins stay. */
void pin_directory_close(struct pin_directory *directory);

#endif
