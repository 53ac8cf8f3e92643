/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "rtnl.h"

_Static_assert((int)RTNL_NAME_BYTES_MAX == IFNAMSIZ, "the kernel's");

enum {
	REQUEST_BYTES = 512, /* the largest of ours is under 128 */
	EVENT_QUEUE_BYTES = 4 << 20,
	ETHERNET_ADDRESS_BYTES = 6,
	ANSWER_READS_MAX = 64, /* late answers to requests given up, before the one waited for */
};

/* --- sockets --- */

static int
open_socket(struct mnl_socket **ret_socket)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (nl == NULL)
		return -errno;
	*ret_socket = nl;
	return mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

static int
open_events(struct rtnl *rtnl)
{
	static const int groups[] = {
		RTNLGRP_NEIGH,	     RTNLGRP_LINK,	  RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE,
		RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEXTHOP,
	};
	int queue_bytes = EVENT_QUEUE_BYTES;
	int r = open_socket(&rtnl->events);

	for (size_t i = 0; r == 0 && i < sizeof groups / sizeof groups[0]; i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(rtnl->events, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof group) < 0)
			r = -errno;
	}
	/* the larger, the rarer a resync; the second works without CAP_NET_ADMIN, up to rmem_max */
	if (r == 0 && setsockopt(rtnl_fd(rtnl), SOL_SOCKET, SO_RCVBUFFORCE, &queue_bytes,
				 sizeof queue_bytes) < 0)
		(void)setsockopt(rtnl_fd(rtnl), SOL_SOCKET, SO_RCVBUF, &queue_bytes,
				 sizeof queue_bytes);
	return r;
}

int
rtnl_open(struct rtnl *rtnl)
{
	struct timeval patience = { .tv_sec = RTNL_ANSWER_SECONDS };
	int r;

	*rtnl = (struct rtnl){ 0 };
	r = open_events(rtnl);
	if (r == 0)
		r = open_socket(&rtnl->requests);
	if (r == 0 && setsockopt(mnl_socket_get_fd(rtnl->requests), SOL_SOCKET, SO_RCVTIMEO,
				 &patience, sizeof patience) < 0)
		r = -errno;
	return r;
}

void
rtnl_close(struct rtnl *rtnl)
{
	if (rtnl->requests != NULL)
		(void)mnl_socket_close(rtnl->requests);
	if (rtnl->events != NULL)
		(void)mnl_socket_close(rtnl->events);
	*rtnl = (struct rtnl){ 0 };
}

int
rtnl_fd(const struct rtnl *rtnl)
{
	return mnl_socket_get_fd(rtnl->events);
}

/* --- addresses and attributes --- */

static uint8_t
family_of(const struct addr *address)
{
	return addr_is_ipv4(address) ? AF_INET : AF_INET6;
}

static uint8_t
bits_of(const struct addr *address)
{
	return addr_is_ipv4(address) ? 32 : 128;
}

static void
put_address(struct nlmsghdr *message, uint16_t type, const struct addr *address)
{
	if (addr_is_ipv4(address))
		mnl_attr_put(message, type, 4, &address->bytes[12]);
	else
		mnl_attr_put(message, type, 16, address->bytes);
}

/** @return false: not an address of the family. */
static bool
take_address(uint8_t family, const void *bytes, size_t size, struct addr *ret_address)
{
	if (family == AF_INET && size == 4) {
		*ret_address = (struct addr){ .bytes = { [10] = 0xff, [11] = 0xff } };
		memcpy(&ret_address->bytes[12], bytes, 4);
		return true;
	}
	if (family == AF_INET6 && size == 16) {
		memcpy(ret_address->bytes, bytes, 16);
		return true;
	}
	return false;
}

/** What may stand in a frame as the next hop's or our own address. */
static bool
take_mac(const struct nlattr *attribute, uint8_t ret_mac[6])
{
	static const uint8_t zero[ETHERNET_ADDRESS_BYTES];
	const uint8_t *bytes = mnl_attr_get_payload(attribute);

	if (mnl_attr_get_payload_len(attribute) != ETHERNET_ADDRESS_BYTES || (bytes[0] & 1) != 0 ||
	    memcmp(bytes, zero, sizeof zero) == 0)
		return false;
	memcpy(ret_mac, bytes, ETHERNET_ADDRESS_BYTES);
	return true;
}

static bool
take_u32(const struct nlattr *attribute, uint32_t *ret_value)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof *ret_value)
		return false;
	*ret_value = mnl_attr_get_u32(attribute);
	return true;
}

/* --- messages from the kernel --- */

static bool
parse_route(const struct nlmsghdr *message, struct rtnl_route *route)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	bool has_ifindex = false;

	if (mnl_nlmsg_get_payload_len(message) < sizeof *header || header->rtm_type != RTN_UNICAST)
		return false;
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		const uint8_t *bytes = mnl_attr_get_payload(attribute);
		size_t size = mnl_attr_get_payload_len(attribute);
		struct rtvia via;

		switch (mnl_attr_get_type(attribute)) {
		case RTA_OIF:
			has_ifindex = take_u32(attribute, &route->ifindex);
			break;
		case RTA_GATEWAY:
			if (!take_address(header->rtm_family, bytes, size, &route->next_hop))
				return false;
			route->has_gateway = true;
			break;
		case RTA_VIA: /* a gateway of the other family */
			if (size < sizeof via)
				return false;
			memcpy(&via, bytes, sizeof via);
			if (!take_address((uint8_t)via.rtvia_family, bytes + sizeof via,
					  size - sizeof via, &route->next_hop))
				return false;
			route->has_gateway = true;
			break;
		default:
			break;
		}
	}
	return has_ifindex;
}

static bool
parse_neighbour(const struct nlmsghdr *message, struct rtnl_neighbour *ret_neighbour)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct rtnl_neighbour neighbour = { 0 };
	const struct nlattr *attribute;
	bool has_address = false;

	if (mnl_nlmsg_get_payload_len(message) < sizeof *header || header->ndm_ifindex <= 0)
		return false;
	neighbour.ifindex = (uint32_t)header->ndm_ifindex;
	neighbour.state = message->nlmsg_type == RTM_DELNEIGH ? 0 : header->ndm_state;
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		if (mnl_attr_get_type(attribute) == NDA_DST)
			has_address = take_address(
				header->ndm_family, mnl_attr_get_payload(attribute),
				mnl_attr_get_payload_len(attribute), &neighbour.address);
		else if (mnl_attr_get_type(attribute) == NDA_LLADDR)
			neighbour.has_mac = take_mac(attribute, neighbour.mac);
	}
	if (has_address)
		*ret_neighbour = neighbour;
	return has_address;
}

static bool
parse_link(const struct nlmsghdr *message, struct rtnl_link *ret_link)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct rtnl_link link = { 0 };
	const struct nlattr *attribute;
	uint32_t needed = IFF_UP | IFF_RUNNING;

	if (mnl_nlmsg_get_payload_len(message) < sizeof *header || header->ifi_index <= 0 ||
	    header->ifi_family != AF_UNSPEC) /* a bridge's message about its port */
		return false;
	link.ifindex = (uint32_t)header->ifi_index;
	link.gone = message->nlmsg_type == RTM_DELLINK;
	link.up = !link.gone && (header->ifi_flags & needed) == needed;
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		if (mnl_attr_get_type(attribute) == IFLA_ADDRESS)
			link.has_mac = take_mac(attribute, link.mac);
		else if (mnl_attr_get_type(attribute) == IFLA_MTU)
			(void)take_u32(attribute, &link.mtu);
		else if (mnl_attr_get_type(attribute) == IFLA_IFNAME)
			(void)snprintf(link.name, sizeof link.name, "%.*s",
				       (int)mnl_attr_get_payload_len(attribute),
				       mnl_attr_get_str(attribute));
	}
	*ret_link = link;
	return true;
}

/* --- requests --- */

/**
 * Send, and wait for the answer. @param ret_answer the first message of @p bytes, or NULL when the
 * answer was a plain acknowledgement. @return 0 or a negative errno.
 */
static int
ask(struct rtnl *rtnl, struct nlmsghdr *request, char *bytes, const struct nlmsghdr **ret_answer)
{
	struct mnl_socket *nl = rtnl->requests;

	request->nlmsg_seq = ++rtnl->sequence;
	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		return -errno;
	for (uint32_t reads = 0; reads < ANSWER_READS_MAX; reads++) {
		ssize_t size = mnl_socket_recvfrom(nl, bytes, RTNL_READ_BYTES);
		const struct nlmsghdr *answer = (const struct nlmsghdr *)bytes;
		const struct nlmsgerr *error;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		/* an answer that came after its request had been given up */
		if (!mnl_nlmsg_ok(answer, (int)size) || answer->nlmsg_seq != rtnl->sequence)
			continue;
		if (answer->nlmsg_type != NLMSG_ERROR) {
			*ret_answer = answer;
			return 0;
		}
		error = mnl_nlmsg_get_payload(answer);
		if (mnl_nlmsg_get_payload_len(answer) < sizeof *error)
			return -EPROTO;
		*ret_answer = NULL;
		return error->error;
	}
	return -ETIMEDOUT;
}

/** A request with its header's fixed part, zeroed. */
static struct nlmsghdr *
start_request(char *bytes, uint16_t type, size_t header_bytes, void **ret_header)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST;
	*ret_header = mnl_nlmsg_put_extra_header(request, header_bytes);
	return request;
}

int
rtnl_route_get(struct rtnl *rtnl, const struct addr *destination, const struct addr *source,
	       struct rtnl_route *ret_route)
{
	_Alignas(struct nlmsghdr) char bytes[REQUEST_BYTES], answer_bytes[RTNL_READ_BYTES];
	const struct nlmsghdr *answer;
	struct rtnl_route route = { .next_hop = *destination };
	struct rtmsg *header;
	void *extra;
	struct nlmsghdr *request = start_request(bytes, RTM_GETROUTE, sizeof *header, &extra);
	int r;

	header = extra;
	header->rtm_family = family_of(destination);
	header->rtm_dst_len = bits_of(destination);
	put_address(request, RTA_DST, destination);
	if (source != NULL) {
		header->rtm_src_len = bits_of(source);
		put_address(request, RTA_SRC, source);
	}
	r = ask(rtnl, request, answer_bytes, &answer);
	if (r < 0)
		return r;
	if (answer == NULL || answer->nlmsg_type != RTM_NEWROUTE || !parse_route(answer, &route))
		return -ENETUNREACH;
	*ret_route = route;
	return 0;
}

int
rtnl_neighbour_get(struct rtnl *rtnl, uint32_t ifindex, const struct addr *address,
		   struct rtnl_neighbour *ret_neighbour)
{
	_Alignas(struct nlmsghdr) char bytes[REQUEST_BYTES], answer_bytes[RTNL_READ_BYTES];
	const struct nlmsghdr *answer;
	struct ndmsg *header;
	void *extra;
	struct nlmsghdr *request = start_request(bytes, RTM_GETNEIGH, sizeof *header, &extra);
	int r;

	header = extra;
	header->ndm_family = family_of(address);
	header->ndm_ifindex = (int)ifindex;
	put_address(request, NDA_DST, address);
	r = ask(rtnl, request, answer_bytes, &answer);
	if (r < 0)
		return r;
	if (answer == NULL || answer->nlmsg_type != RTM_NEWNEIGH ||
	    !parse_neighbour(answer, ret_neighbour))
		return -ENOENT;
	return 0;
}

int
rtnl_neighbour_use(struct rtnl *rtnl, uint32_t ifindex, const struct addr *address)
{
	_Alignas(struct nlmsghdr) char bytes[REQUEST_BYTES], answer_bytes[RTNL_READ_BYTES];
	const struct nlmsghdr *answer;
	struct ndmsg *header;
	void *extra;
	struct nlmsghdr *request = start_request(bytes, RTM_NEWNEIGH, sizeof *header, &extra);

	request->nlmsg_flags |= NLM_F_CREATE | NLM_F_ACK;
	header = extra;
	header->ndm_family = family_of(address);
	header->ndm_ifindex = (int)ifindex;
	header->ndm_flags = NTF_USE;
	put_address(request, NDA_DST, address);
	return ask(rtnl, request, answer_bytes, &answer);
}

int
rtnl_link_get(struct rtnl *rtnl, uint32_t ifindex, struct rtnl_link *ret_link)
{
	_Alignas(struct nlmsghdr) char bytes[REQUEST_BYTES], answer_bytes[RTNL_READ_BYTES];
	const struct nlmsghdr *answer;
	struct ifinfomsg *header;
	void *extra;
	struct nlmsghdr *request = start_request(bytes, RTM_GETLINK, sizeof *header, &extra);
	int r;

	header = extra;
	header->ifi_index = (int)ifindex;
	r = ask(rtnl, request, answer_bytes, &answer);
	if (r < 0)
		return r;
	if (answer == NULL || answer->nlmsg_type != RTM_NEWLINK || !parse_link(answer, ret_link))
		return -ENODEV;
	return 0;
}

/* --- events --- */

static void
take_event(const struct nlmsghdr *message, const struct rtnl_events *events)
{
	struct rtnl_neighbour neighbour;
	struct rtnl_link link;

	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (parse_neighbour(message, &neighbour))
			events->neighbour(events->user, &neighbour);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (parse_link(message, &link))
			events->link(events->user, &link);
		break;
	default: /* of the groups joined: a route, a rule, an address or a next hop object */
		events->routes(events->user);
		break;
	}
}

int
rtnl_read_events(struct rtnl *rtnl, const struct rtnl_events *events)
{
	_Alignas(struct nlmsghdr) char bytes[RTNL_READ_BYTES];

	for (uint32_t i = 0; i < RTNL_READS_PER_TURN; i++) {
		ssize_t size = recv(rtnl_fd(rtnl), bytes, sizeof bytes, MSG_DONTWAIT);
		const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;
		int left = (int)size;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			take_event(message, events);
	}
	return 0;
}
