/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_link.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

int
backend_link_read(const char *name, struct backend_link_info *ret_info)
{
	struct backend_link_info info = { .link.index = if_nametoindex(name) };
	struct ifreq mtu = { 0 }, type = { 0 }, flags = { 0 };
	int error = 0;
	int query;

	if (info.link.index == 0 || strlen(name) >= sizeof info.link.name)
		return -ENODEV;
	(void)snprintf(info.link.name, sizeof info.link.name, "%s", name);
	memcpy(mtu.ifr_name, info.link.name, sizeof mtu.ifr_name);
	memcpy(type.ifr_name, info.link.name, sizeof type.ifr_name);
	memcpy(flags.ifr_name, info.link.name, sizeof flags.ifr_name);
	query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (query < 0)
		return -errno;
	if (ioctl(query, SIOCGIFMTU, &mtu) < 0 || ioctl(query, SIOCGIFHWADDR, &type) < 0 ||
	    ioctl(query, SIOCGIFFLAGS, &flags) < 0)
		error = -errno;
	(void)close(query);
	if (error != 0)
		return error;
	info.mtu = (uint32_t)mtu.ifr_mtu;
	info.is_ethernet = type.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	info.is_up = (flags.ifr_flags & IFF_UP) != 0;
	*ret_info = info;
	return 0;
}

bool
backend_link_exists(const struct backend_link *link)
{
	char name[IF_NAMESIZE];

	return if_indextoname(link->index, name) != NULL;
}

struct qdisc_search {
	uint32_t index;
	enum backend_qdisc found;
};

static int
qdisc_message(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	struct qdisc_search *search = context;
	const struct nlattr *attribute;

	/* Not every kernel filters the dump by interface. clsact and ingress share this parent. */
	if ((uint32_t)header->tcm_ifindex != search->index || header->tcm_parent != TC_H_INGRESS)
		return MNL_CB_OK;
	search->found = BACKEND_QDISC_OTHER;
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		if (mnl_attr_get_type(attribute) == TCA_KIND &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
		    strcmp(mnl_attr_get_str(attribute), "clsact") == 0)
			search->found = BACKEND_QDISC_CLSACT;
	}
	return MNL_CB_OK;
}

int
backend_qdisc_read(const struct backend_link *link, struct mnl_socket *netlink,
		   enum backend_qdisc *ret_qdisc)
{
	char buffer[BACKEND_REQUEST_BYTES_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct qdisc_search search = { .index = link->index, .found = BACKEND_QDISC_NONE };
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *header;
	int r;

	request->nlmsg_type = RTM_GETQDISC;
	request->nlmsg_flags = NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	header->tcm_family = AF_UNSPEC;
	header->tcm_ifindex = (int)link->index;
	r = backend_netlink_call(netlink, request, qdisc_message, &search);
	if (r < 0)
		return r;
	*ret_qdisc = search.found;
	return 0;
}

/* libbpf wants every byte of its structs to be 0 that is not set, padding too. */
static void
place_fill(struct bpf_tc_hook *ret_place, const struct backend_link *link,
	   enum bpf_tc_attach_point attach_point)
{
	memset(ret_place, 0, sizeof *ret_place);
	ret_place->sz = sizeof *ret_place;
	ret_place->ifindex = (int)link->index;
	ret_place->attach_point = attach_point;
}

int
backend_qdisc_make(const struct backend_link *link)
{
	struct bpf_tc_hook both;
	int r;

	place_fill(&both, link, BPF_TC_INGRESS | BPF_TC_EGRESS);
	r = bpf_tc_hook_create(&both);
	return r == -EEXIST ? 0 : r;
}

static uint32_t
hook_handle(const struct backend_hook *hook)
{
	return hook->egress ? hook->owner : BACKEND_DECAP_HANDLE;
}

/* What a dump of one hook's filters is to find. */
struct filter_search {
	uint32_t handle;
	const char *name;
	uint32_t filters; /* of anybody */
	enum backend_occupant occupant;
};

static bool
filter_is_named(const struct nlattr *options, const char *name)
{
	const struct nlattr *attribute;
	size_t size = strlen(name);

	/* libbpf names a filter "<program>:[<id>]" */
	mnl_attr_for_each_nested(attribute, options)
	{
		if (mnl_attr_get_type(attribute) == TCA_BPF_NAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return strncmp(mnl_attr_get_str(attribute), name, size) == 0 &&
			       mnl_attr_get_str(attribute)[size] == ':';
	}
	return false;
}

static int
filter_message(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	struct filter_search *search = context;
	const struct nlattr *attribute;

	/* Each priority is announced once without a handle, before its filters. */
	if (message->nlmsg_type != RTM_NEWTFILTER || header->tcm_handle == 0)
		return MNL_CB_OK;
	search->filters++;
	if (TC_H_MAJ(header->tcm_info) >> 16 != BACKEND_FILTER_PRIORITY ||
	    header->tcm_handle != search->handle)
		return MNL_CB_OK;
	search->occupant = BACKEND_PLACE_FOREIGN;
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		if (mnl_attr_get_type(attribute) == TCA_OPTIONS &&
		    filter_is_named(attribute, search->name))
			search->occupant = BACKEND_PLACE_OURS;
	}
	return MNL_CB_OK;
}

static int
filters_read(const struct backend_hook *hook, struct mnl_socket *netlink,
	     struct filter_search *ret_search)
{
	char buffer[BACKEND_REQUEST_BYTES_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *header;
	int r;

	*ret_search = (struct filter_search){
		.handle = hook_handle(hook),
		.name = hook->egress ? BACKEND_MSS_NAME : BACKEND_DECAP_NAME,
	};
	request->nlmsg_type = RTM_GETTFILTER;
	request->nlmsg_flags = NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	header->tcm_family = AF_UNSPEC;
	header->tcm_ifindex = (int)hook->link.index;
	header->tcm_parent =
		TC_H_MAKE(TC_H_CLSACT, hook->egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	r = backend_netlink_call(netlink, request, filter_message, ret_search);
	/* no such interface, or no such qdisc: no filter */
	return r == -ENODEV || r == -EINVAL || r == -ENOENT ? 0 : r;
}

int
backend_qdisc_release(const struct backend_link *link, struct mnl_socket *netlink)
{
	struct backend_hook hook = { .link = *link };
	struct bpf_tc_hook both;
	struct filter_search ingress, egress;
	enum backend_qdisc present;
	int r;

	if (!backend_link_exists(link))
		return 0;
	hook.egress = true;
	if ((r = backend_qdisc_read(link, netlink, &present)) < 0 ||
	    (r = filters_read(&hook, netlink, &egress)) < 0)
		return r;
	hook.egress = false;
	if ((r = filters_read(&hook, netlink, &ingress)) < 0)
		return r;
	if (present != BACKEND_QDISC_CLSACT)
		return 0;
	if (ingress.filters + egress.filters > 0)
		return -EBUSY;
	place_fill(&both, link, BPF_TC_INGRESS | BPF_TC_EGRESS);
	r = bpf_tc_hook_destroy(&both);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

int
backend_hook_read(const struct backend_hook *hook, struct mnl_socket *netlink,
		  enum backend_occupant *ret_occupant)
{
	struct filter_search search;
	int r = filters_read(hook, netlink, &search);

	if (r < 0)
		return r;
	*ret_occupant = search.occupant;
	return 0;
}

/* Where a hook's filter is, and which one: its place and its numbers, as bpf_tc_*() take them. */
static void
filter_fill(const struct backend_hook *hook, struct bpf_tc_hook *ret_place,
	    struct bpf_tc_opts *ret_filter)
{
	place_fill(ret_place, &hook->link, hook->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	memset(ret_filter, 0, sizeof *ret_filter);
	ret_filter->sz = sizeof *ret_filter;
	ret_filter->handle = hook_handle(hook);
	ret_filter->priority = BACKEND_FILTER_PRIORITY;
}

int
backend_hook_attach(const struct backend_hook *hook, int program, struct mnl_socket *netlink)
{
	enum backend_occupant occupant;
	struct bpf_tc_opts filter;
	struct bpf_tc_hook place;
	int r;

	filter_fill(hook, &place, &filter);
	filter.prog_fd = program;
	filter.flags = BPF_TC_F_REPLACE;
	r = bpf_tc_attach(&place, &filter);
	if (r < 0)
		return r;
	r = backend_hook_read(hook, netlink, &occupant);
	if (r == 0 && occupant == BACKEND_PLACE_OURS)
		return 0;
	/* A filter that could not be told from others later would never be removed. */
	filter_fill(hook, &place, &filter);
	(void)bpf_tc_detach(&place, &filter);
	return r < 0 ? r : -EIO;
}

int
backend_hook_detach(const struct backend_hook *hook, struct mnl_socket *netlink)
{
	enum backend_occupant occupant;
	struct bpf_tc_opts filter;
	struct bpf_tc_hook place;
	int r;

	if (!backend_link_exists(&hook->link))
		return 0;
	if ((r = backend_hook_read(hook, netlink, &occupant)) < 0)
		return r;
	if (occupant != BACKEND_PLACE_OURS)
		return 0;
	filter_fill(hook, &place, &filter);
	return bpf_tc_detach(&place, &filter);
}
