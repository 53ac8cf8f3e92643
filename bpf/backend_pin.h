/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Paths of pins, and the last error line of libbpf. Used by backend_program.c and backend_pin.c.
 */
#ifndef BACKEND_PIN_H
#define BACKEND_PIN_H

#include "backend_state.h"

enum {
	BACKEND_PIN_PATH_MAX = BACKEND_PATH_MAX + 3 * IF_NAMESIZE + 16,
};

/**
 * PIN_DIR/<interface>/<leaf>, or the directory itself when @p leaf is NULL. A bpffs takes no
 * dots in names: '.' and '%' of the interface's name are written %2e and %25.
 */
void backend_pin_path(const char *pin_dir, const char *name, const char *leaf,
		      char ret_path[BACKEND_PIN_PATH_MAX]);

/** Make the interface's directory. @return 0; -EACCES: there, but not ours alone; -errno. */
int backend_pin_folder_make(const char *pin_dir, const char *name);

/** Pin @p fd under @p leaf, in place of what is there. @return 0 or -errno. */
int backend_pin_replace(int fd, const char *pin_dir, const char *name, const char *leaf);

#endif
