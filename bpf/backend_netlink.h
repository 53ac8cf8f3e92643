/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One rtnetlink request and its answer, on top of libmnl. Blocking; one socket, one thread.
 */
#ifndef BACKEND_NETLINK_H
#define BACKEND_NETLINK_H

#include <libmnl/libmnl.h>

enum {
	BACKEND_NETLINK_BYTES_MAX = 32768, /**< one datagram of a dump */
	BACKEND_REQUEST_BYTES_MAX = 512,   /**< one request of this program */
};

/** @param ret_socket set on success only; close with mnl_socket_close(). @return 0 or -errno. */
int backend_netlink_open(struct mnl_socket **ret_socket);

/**
 * Send @p request and read the whole answer: the acknowledgement (the flag NLM_F_ACK is set here),
 * or the messages of a dump, each given to @p callback (may be NULL).
 *
 * @return 0, or the negative errno of the kernel's answer or of the socket.
 */
int backend_netlink_call(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t callback,
			 void *context);

#endif
