/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/netlink.h>

int
backend_netlink_open(struct mnl_socket **ret_socket)
{
	struct mnl_socket *opened = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int error;

	if (opened == NULL)
		return -errno;
	if (mnl_socket_bind(opened, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = -errno;
		(void)mnl_socket_close(opened);
		return error;
	}
	*ret_socket = opened;
	return 0;
}

int
backend_netlink_call(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t callback,
		     void *context)
{
	static uint32_t sequence; /* only tells answers of one process apart */
	unsigned int port = mnl_socket_get_portid(socket);
	ssize_t size;
	char *buffer;
	int r = 1;

	request->nlmsg_seq = ++sequence;
	request->nlmsg_flags |= NLM_F_REQUEST;
	if ((request->nlmsg_flags & NLM_F_DUMP) !=
	    NLM_F_DUMP) /* NLM_F_EXCL is one of its two bits */
		request->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	buffer = malloc(BACKEND_NETLINK_BYTES_MAX);
	if (buffer == NULL)
		return -ENOMEM;
	/* The kernel ends every answer with an error, an acknowledgement or NLMSG_DONE. */
	while (r > 0) {
		size = mnl_socket_recvfrom(socket, buffer, BACKEND_NETLINK_BYTES_MAX);
		if (size < 0 && errno == EINTR)
			continue;
		r = size < 0 ? -1
			     : mnl_cb_run(buffer, (size_t)size, request->nlmsg_seq, port, callback,
					  context);
	}
	r = r < 0 ? -errno : 0;
	free(buffer);
	return r;
}
