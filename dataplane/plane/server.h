/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The plane socket: listens, admits root and the control user, and feeds what clients send to
 * JSON-RPC sessions (rpc.h). Knows nothing of the methods. One thread; never blocks.
 */
#ifndef PLANE_SERVER_H
#define PLANE_SERVER_H

#include "plane.h"
#include "rpc.h"

enum {
	SERVER_READ_BYTES = 64 << 10, /**< of one client in one turn */
	SERVER_ACCEPTS_PER_TURN = 16,
	SERVER_OUTPUT_PAUSE_BYTES = 1 << 20, /**< unsent: no more is read from the client */
	SERVER_PAUSE_MS = 1000, /**< no new clients for so long when descriptors run out */
};

struct server;
struct server_client;

struct server_options {
	int loop;		  /**< borrowed */
	const char *socket_path;  /**< borrowed, as what follows */
	const char *control_user; /**< NULL or unknown: root alone */
	const char *group;	  /**< NULL or unknown: as the process's */
	rpc_handler call;	  /**< call->user is the struct server_client */
	void (*closed)(void *user, const struct server_client *client);
	void *user;
	void (*log)(int level, const char *message);
};

/**
 * Make the socket and listen.
 * @return 0; -EADDRINUSE: another process listens on it; -EEXIST: the path is something else than a
 * socket; -ENAMETOOLONG; -ENOMEM; or another negative errno of open(2), bind(2), ... ret_failure
 * says it in words.
 */
int server_create(const struct server_options *options, struct server **ret_server,
		  struct plane_failure *ret_failure);

/** Closes the clients, removes the socket. NULL is fine. */
void server_destroy(struct server *server);

/** What options.user was. */
void *server_user(const struct server_client *client);

/** Close whose half line is too old; listen again. */
void server_turn(struct server *server, int64_t now_ms);

/** When server_turn() has something to do; INT64_MAX: not before a client did something. */
int64_t server_due_ms(const struct server *server);

#endif
