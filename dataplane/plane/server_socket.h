/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The listening socket in the file system. For server.c.
 */
#ifndef PLANE_SERVER_SOCKET_H
#define PLANE_SERVER_SOCKET_H

#include <sys/types.h>

#include "plane.h"

/** A socket that listens, and what lies in the file system for it. */
struct server_socket {
	int fd;
	dev_t device; /**< what the path named when it was made: nothing else is ever removed */
	ino_t inode;
};

/** As server_create(). @param group may be NULL. */
int server_socket_open(const char *path, const char *group, struct server_socket *ret_socket,
		       struct plane_failure *ret_failure);

/** Close, and remove the path if it still names this socket. */
void server_socket_close(struct server_socket *socket, const char *path);

#endif
