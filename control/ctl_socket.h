/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The control socket in the file system: made, owned and locked while the daemon may still be root.
 * One daemon has the lock file beside it; a socket left over by a killed one is replaced.
 */
#ifndef CONTROL_CTL_SOCKET_H
#define CONTROL_CTL_SOCKET_H

#include "limits.h"
#include "privileges.h"

struct ctl_socket {
	int fd; /**< listening; -1: none */
	int lock_fd;
	char path[CONTROL_SOCKET_PATH_MAX + 1];
};

/**
 * Makes the directory too, when only its last component is missing.
 *
 * @return 0, or -1 with the reason. @p ret_socket is to be closed either way.
 */
int ctl_socket_open(const char *path, const struct privileges *privileges,
		    struct ctl_socket *ret_socket, struct failure *ret_failure);

/** Removes the socket where the daemon, no longer root, may; a left-over is replaced at the next
 * start. */
void ctl_socket_close(struct ctl_socket *socket);

#endif
