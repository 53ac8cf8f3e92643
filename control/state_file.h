/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A text in a directory of the daemon's own that is whole at every moment: written beside, synced,
 * renamed. What is in it is state_text.h's.
 *
 * Nothing here keeps the daemon from serving: where there is no directory, or no right or room to
 * write, state_file_error() says so, and every write tries again. Never logs. One thread.
 */
#ifndef CONTROL_STATE_FILE_H
#define CONTROL_STATE_FILE_H

#include "json.h"
#include "privileges.h"

struct state_file;

/**
 * Open the directory, before privileges are given up: what leads to it may be root's alone. Where
 * it is missing, but not its parent, it is made, mode 0750, and given to the user of
 * @p privileges. Held with a lock until state_file_close(): one daemon, one directory.
 *
 * @param directory copied.
 * @return 0, also where that failed; -ENOMEM.
 */
int state_file_open(const char *directory, const struct privileges *privileges,
		    struct state_file **ret_file);

/** NULL is fine. */
void state_file_close(struct state_file *file);

/** Look whether files can be made there, as who the process is by now. */
void state_file_check(struct state_file *file);

/** Why nothing is kept: a sentence with what to do; borrowed. "" it is kept. */
const char *state_file_error(const struct state_file *file);

/** The text cannot be made. @param why ends the sentence. */
void state_file_give_up(struct state_file *file, const char *why);

/** There is a directory, so that another write may succeed. */
bool state_file_may_retry(const struct state_file *file);

/** DIRECTORY/state.json, for messages. */
const char *state_file_path(const struct state_file *file);

/**
 * @param ret_text set on success only; freed by the caller with free(). Ends with NUL.
 * @return 0; -ENOENT: there is none; -EFBIG: over STATE_FILE_BYTES_MAX; -EINVAL: no regular file;
 *         -ENOMEM; another negative errno of openat() or read().
 */
int state_file_read(struct state_file *file, char **ret_text, size_t *ret_size);

/** What is there is no use: it becomes state.json.bad, in place of an older one. @return 0, or a
 * negative errno. */
int state_file_set_aside(struct state_file *file);

/**
 * Make this the text, on the disk, mode 0640. Writes nothing where it is the text already.
 *
 * @return 0; a negative errno, the text before is there still and state_file_error() says why.
 */
int state_file_write(struct state_file *file, const char *text, size_t size);

#endif
