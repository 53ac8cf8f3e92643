/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "backend_link.h"

enum {
	IPV4_BITS = 32,
	IPV6_BITS = 128,
	MAPPED_BYTES = 12, /* of an IPv4-mapped address, before its IPv4 bytes */
};

/* Where a VIP was seen. */
enum place { PLACE_LO = 1, PLACE_ELSEWHERE = 2 };

struct survey {
	const struct backend_setup *setup;
	uint32_t lo_index;
	uint8_t places[BACKEND_VIPS_MAX]; /* of enum place */
};

static bool
address_from_attribute(const struct nlattr *attribute, uint8_t family, struct addr *ret_address)
{
	uint16_t size = mnl_attr_get_payload_len(attribute);

	memset(ret_address, 0, sizeof *ret_address);
	if (family == AF_INET && size == sizeof ret_address->bytes - MAPPED_BYTES) {
		ret_address->bytes[10] = 0xff;
		ret_address->bytes[11] = 0xff;
		memcpy(ret_address->bytes + MAPPED_BYTES, mnl_attr_get_payload(attribute), size);
		return true;
	}
	if (family != AF_INET6 || size != sizeof ret_address->bytes)
		return false;
	memcpy(ret_address->bytes, mnl_attr_get_payload(attribute), size);
	return true;
}

static int
survey_message(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct survey *survey = context;
	const struct nlattr *attribute;
	struct addr address;

	if (message->nlmsg_type != RTM_NEWADDR)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		uint16_t type = mnl_attr_get_type(attribute);

		/* IPv4: IFA_ADDRESS is the peer of a point-to-point link, IFA_LOCAL is ours. */
		if (type != (header->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS) ||
		    !address_from_attribute(attribute, header->ifa_family, &address))
			continue;
		for (uint32_t i = 0; i < survey->setup->vip_count; i++) {
			if (memcmp(&survey->setup->vips[i], &address, sizeof address) == 0)
				survey->places[i] |= header->ifa_index == survey->lo_index
							     ? PLACE_LO
							     : PLACE_ELSEWHERE;
		}
	}
	return MNL_CB_OK;
}

static int
survey_take(const struct backend_setup *setup, struct mnl_socket *netlink,
	    struct survey *ret_survey)
{
	char buffer[BACKEND_REQUEST_BYTES_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request;
	struct ifaddrmsg *header;

	*ret_survey = (struct survey){ .setup = setup, .lo_index = if_nametoindex("lo") };
	if (ret_survey->lo_index == 0)
		return -errno;
	request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_GETADDR;
	request->nlmsg_flags = NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	header->ifa_family = AF_UNSPEC;
	return backend_netlink_call(netlink, request, survey_message, ret_survey);
}

static bool
claim_has(const struct backend_state *state, const struct addr *address)
{
	for (uint32_t i = 0; i < state->address_count; i++) {
		if (memcmp(&state->addresses[i], address, sizeof *address) == 0)
			return true;
	}
	return false;
}

int
backend_address_plan(struct backend_state *state, const struct backend_setup *setup,
		     struct mnl_socket *netlink, struct backend_report *report)
{
	struct backend_link_info lo;
	char text[ADDR_TEXT_MAX];
	struct survey survey;
	int r = backend_link_read("lo", &lo);

	if (r < 0 || !lo.is_up)
		return backend_report_fail(report, -ENETDOWN,
					   "lo is down, so no VIP on it can be reached; "
					   "run: ip link set lo up");
	r = survey_take(setup, netlink, &survey);
	if (r < 0)
		return backend_report_fail(report, r, "cannot list the host's addresses: %s",
					   strerror(-r));
	for (uint32_t i = 0; i < setup->vip_count; i++) {
		if ((survey.places[i] & PLACE_ELSEWHERE) != 0)
			backend_report_warn(report,
					    "%s is also on an interface other than lo, where this "
					    "host answers for it; only the balancer should: remove "
					    "it there",
					    addr_format(&setup->vips[i], text));
		if ((survey.places[i] & PLACE_LO) != 0 || claim_has(state, &setup->vips[i]))
			continue;
		if (state->address_count == BACKEND_ADDRESSES_MAX)
			return backend_report_fail(report, -ENOSPC, "more than %d addresses on lo",
						   BACKEND_ADDRESSES_MAX);
		state->addresses[state->address_count++] = setup->vips[i];
	}
	return 0;
}

/*
 * Add or remove one address of lo. It is made such that the host never chooses it as the source of
 * its own connections: scope host for IPv4, deprecated (preferred lifetime 0) for IPv6.
 */
static int
address_call(const struct addr *address, uint16_t type, struct mnl_socket *netlink)
{
	char buffer[BACKEND_REQUEST_BYTES_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifa_cacheinfo lifetime = { .ifa_prefered = 0, .ifa_valid = UINT32_MAX };
	bool is_ipv4 = addr_is_ipv4(address);
	const uint8_t *bytes = address->bytes + (is_ipv4 ? MAPPED_BYTES : 0);
	size_t size = sizeof address->bytes - (is_ipv4 ? MAPPED_BYTES : 0);
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header;

	request->nlmsg_type = type;
	if (type == RTM_NEWADDR)
		request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	header->ifa_family = is_ipv4 ? AF_INET : AF_INET6;
	header->ifa_prefixlen = is_ipv4 ? IPV4_BITS : IPV6_BITS;
	header->ifa_scope = is_ipv4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	header->ifa_flags = IFA_F_NODAD;
	header->ifa_index = if_nametoindex("lo");
	mnl_attr_put(request, IFA_LOCAL, size, bytes);
	mnl_attr_put(request, IFA_ADDRESS, size, bytes);
	if (!is_ipv4)
		mnl_attr_put(request, IFA_CACHEINFO, sizeof lifetime, &lifetime);
	return backend_netlink_call(netlink, request, NULL, NULL);
}

int
backend_address_apply(const struct backend_state *state, struct mnl_socket *netlink,
		      struct backend_report *report)
{
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < state->address_count; i++) {
		const struct addr *address = &state->addresses[i];
		int r = address_call(address, RTM_NEWADDR, netlink);

		if (r < 0 && r != -EEXIST)
			return backend_report_fail(report, r, "cannot add %s to lo: %s%s",
						   addr_format(address, text), strerror(-r),
						   addr_is_ipv4(address)
							   ? ""
							   : "; IPv6 must not be disabled on lo "
							     "(net.ipv6.conf.lo.disable_ipv6)");
	}
	return 0;
}

int
backend_address_release(const struct addr *address, struct mnl_socket *netlink,
			struct backend_report *report)
{
	char text[ADDR_TEXT_MAX];
	int r = address_call(address, RTM_DELADDR, netlink);

	if (r < 0 && r != -EADDRNOTAVAIL)
		return backend_report_fail(report, r, "cannot remove %s from lo: %s",
					   addr_format(address, text), strerror(-r));
	return 0;
}

int
backend_address_missing(const struct backend_setup *setup, struct mnl_socket *netlink)
{
	struct survey survey;
	int r = survey_take(setup, netlink, &survey);
	int missing = 0;

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < setup->vip_count; i++)
		missing += (survey.places[i] & PLACE_LO) == 0 ? 1 : 0;
	return missing;
}
