/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_port.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "../dataplane/plane/interface.h"
#include "../dataplane/plane/log.h"
#include "backend_netlink.h"
#include "xdp_occupant.h"

enum {
	ADVICE_BYTES_MAX = 320,
};

#define LINK_PREFIX "link_"

void
xdp_port_link_name(const struct xdp_config_port *port, char ret_name[PIN_NAME_BYTES_MAX])
{
	static const struct pin_directory root = { "", -1 };
	char path[PIN_PATH_BYTES_MAX];

	pin_directory_path(&root, LINK_PREFIX, port->common.name, path);
	(void)snprintf(ret_name, PIN_NAME_BYTES_MAX, "%.*s", PIN_NAME_BYTES_MAX - 1, path + 1);
}

static void
link_path(const struct pin_directory *pins, const struct xdp_config_port *port,
	  char ret_path[PIN_PATH_BYTES_MAX])
{
	pin_directory_path(pins, LINK_PREFIX, port->common.name, ret_path);
}

static uint32_t
mode_flags(const struct xdp_config_port *port)
{
	return port->is_generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
}

static const char *
mode_name(const struct xdp_config_port *port)
{
	return port->is_generic ? "generic" : "native";
}

/**
 * A bpf_link gives no text: ask over netlink, whose extended acknowledgement carries the driver's.
 * What that attaches, though the link did not, goes again.
 *
 * @return the words; "" when there were none; NULL: it is possible after all.
 */
static const char *
driver_words(const struct xdp_config_port *port, uint32_t ifindex, int program)
{
	static const char before[] = "Kernel error message: ";
	LIBBPF_OPTS(bpf_xdp_attach_opts, only_ours, .old_prog_fd = program);
	const char *words;

	log_forget_complaint();
	if (bpf_xdp_attach((int)ifindex, program, mode_flags(port) | XDP_FLAGS_UPDATE_IF_NOEXIST,
			   NULL) == 0) {
		if (bpf_xdp_detach((int)ifindex, mode_flags(port), &only_ours) < 0)
			(void)bpf_xdp_detach((int)ifindex, mode_flags(port), NULL);
		return NULL;
	}
	words = strstr(log_first_complaint(), before);
	return words == NULL ? "" : words + sizeof before - 1;
}

/* --- the other end of a veth, whose MTU counts --- */

struct peer {
	uint32_t ifindex;  /* 0: none */
	bool is_elsewhere; /* in another network namespace */
};

static int
read_peer(const struct nlmsghdr *message, void *user)
{
	struct peer *peer = user;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attribute) == IFLA_LINK &&
		    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			peer->ifindex = mnl_attr_get_u32(attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_LINK_NETNSID)
			peer->is_elsewhere = true;
	}
	return MNL_CB_OK;
}

static struct peer
find_peer(const struct xdp_config_port *port)
{
	char buffer[BACKEND_REQUEST_BYTES_MAX];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *asked = mnl_nlmsg_put_extra_header(request, sizeof *asked);
	struct peer peer = { 0, false };
	struct mnl_socket *netlink;

	request->nlmsg_type = RTM_GETLINK;
	asked->ifi_index = (int)if_nametoindex(port->interface);
	if (backend_netlink_open(&netlink) < 0)
		return peer;
	(void)backend_netlink_call(netlink, request, read_peer, &peer);
	(void)mnl_socket_close(netlink);
	return peer;
}

static void
advise_peer(const struct xdp_config_port *port, char text[ADVICE_BYTES_MAX])
{
	struct peer peer = find_peer(port);
	char name[IFNAMSIZ];

	if (peer.ifindex != 0 && !peer.is_elsewhere && if_indextoname(peer.ifindex, name) != NULL)
		(void)snprintf(text, ADVICE_BYTES_MAX,
			       "it is the MTU of its peer %s; run: ip link set dev %s mtu 1500",
			       name, name);
	else
		(void)snprintf(
			text, ADVICE_BYTES_MAX,
			"it is the MTU of its peer, the other end of the cable (interface "
			"%u of another network namespace); lower that one to 1500, there: ip "
			"link set dev NAME mtu 1500",
			peer.ifindex);
}

/** What to do about words of the driver. */
static void
advise(const struct xdp_config_port *port, const char *words, int error,
       char text[ADVICE_BYTES_MAX])
{
	if (strcasestr(words, "peer mtu") != NULL)
		advise_peer(port, text);
	else if (strcasestr(words, "mtu") != NULL)
		(void)snprintf(text, ADVICE_BYTES_MAX,
			       "the driver limits the MTU of the interface (now %u); run, or with "
			       "what it takes: ip link set dev %s mtu 1500",
			       interface_mtu(port->interface), port->interface);
	else if (port->is_generic)
		(void)snprintf(text, ADVICE_BYTES_MAX, "see the kernel's log (dmesg)");
	else if (error == EOPNOTSUPP)
		(void)snprintf(text, ADVICE_BYTES_MAX,
			       "its driver has no native XDP: use another NIC, or set \"mode\" to "
			       "\"generic\" for the port, which is several times slower");
	else
		(void)snprintf(text, ADVICE_BYTES_MAX,
			       "change what the driver does not like, or set \"mode\" to "
			       "\"generic\" for the port, which is several times slower");
}

/** A link on the interface was refused, with @p error: find out why. */
static int
explain(const struct xdp_config_port *port, int program, int error, struct failure *failure)
{
	uint32_t ifindex = if_nametoindex(port->interface);
	const char *words;
	char advice[ADVICE_BYTES_MAX];

	if (error == EPERM || error == EACCES)
		return failure_set(failure, EXIT_PERMISSION,
				   "port %s: no permission to attach an XDP program to interface "
				   "%s; run as root, or with AmbientCapabilities=CAP_NET_ADMIN "
				   "CAP_BPF CAP_PERFMON in the service",
				   port->common.name, port->interface);
	words = driver_words(port, ifindex, program);
	if (words == NULL) /* it came to be possible, or netlink can what a link cannot */
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: the kernel refuses a bpf_link on interface %s (%s), "
				   "though it takes an XDP program: nothing was left attached; try "
				   "again, and see the kernel's log (dmesg)",
				   port->common.name, port->interface, strerror(error));
	advise(port, words, error, advice);
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "port %s: interface %s takes no XDP program in %s mode: %s: %s; %s",
			   port->common.name, port->interface, mode_name(port), strerror(error),
			   words[0] == '\0' ? "the driver says no more" : words, advice);
}

/** Is the pinned link on this interface, in this mode? One whose interface went has ifindex 0. */
static bool
link_fits(int link, const struct xdp_config_port *port, uint32_t ifindex)
{
	struct bpf_link_info info = { 0 };
	struct bpf_xdp_query_opts query;
	uint32_t size = sizeof info;

	if (bpf_obj_get_info_by_fd(link, &info, &size) < 0 || info.type != BPF_LINK_TYPE_XDP ||
	    info.xdp.ifindex != ifindex || xdp_occupant_program(ifindex, &query) == 0)
		return false;
	return info.prog_id == (port->is_generic ? query.skb_prog_id : query.drv_prog_id);
}

/** Say it when the file says another mode than the one that the link was made in. */
static void
notice_mode(int link, const struct xdp_config_port *port, uint32_t ifindex)
{
	struct xdp_config_port other = *port;

	other.is_generic = !port->is_generic;
	if (!link_fits(link, &other, ifindex))
		return; /* the interface was made again */
	log_message(LOG_NOTICE,
		    "port %s: \"mode\" is \"%s\" now, and was \"%s\": the program on interface %s "
		    "is attached anew, and packets of that moment go to the host",
		    port->common.name, mode_name(port), mode_name(&other), port->interface);
}

/** @return 0; -1. */
static int
create_link(const struct pin_directory *pins, const struct xdp_config_port *port, int program,
	    struct failure *failure)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = mode_flags(port));
	uint32_t ifindex = if_nametoindex(port->interface);
	int link = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
	int r = 0, error = errno;
	char path[PIN_PATH_BYTES_MAX];

	if (link < 0 && xdp_occupant_explain(port, ifindex, pins, failure) < 0)
		return -1;
	if (link < 0)
		return explain(port, program, error, failure);
	link_path(pins, port, path);
	if (bpf_obj_pin(link, path) < 0) /* closing takes the program off again */
		r = failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be pinned: %s", path,
				strerror(errno));
	(void)close(link);
	return r;
}

enum xdp_port_fate
xdp_port_attach(const struct pin_directory *pins, const struct xdp_config_port *port, int program,
		struct failure *failure)
{
	uint32_t ifindex = if_nametoindex(port->interface);
	char path[PIN_PATH_BYTES_MAX], name[PIN_NAME_BYTES_MAX];
	int link, r;

	link_path(pins, port, path);
	link = bpf_obj_get(path);
	if (link >= 0 && link_fits(link, port, ifindex)) {
		r = bpf_link_update(link, program, NULL) < 0 ? -errno : 0;
		(void)close(link);
		if (r == 0)
			return XDP_PORT_TAKEN_OVER;
		(void)failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: the program on interface %s cannot be exchanged: %s; it "
			"forwards on as it did",
			port->common.name, port->interface, strerror(-r));
		return XDP_PORT_FAILED;
	}
	if (link >= 0) {
		notice_mode(link, port, ifindex);
		(void)close(link);
		xdp_port_link_name(port, name);
		if (xdp_port_detach(pins, name, failure) < 0)
			return XDP_PORT_FAILED;
	}
	return create_link(pins, port, program, failure) == 0 ? XDP_PORT_ATTACHED : XDP_PORT_FAILED;
}

int
xdp_port_detach(const struct pin_directory *pins, const char *link, struct failure *failure)
{
	char path[PIN_PATH_BYTES_MAX];
	int fd;

	pin_directory_entry(pins, link, path);
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		(void)bpf_link_detach(fd); /* also where somebody else holds it; gone: no matter */
		(void)close(fd);
	}
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	return failure_set(failure,
			   errno == EACCES || errno == EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
			   "%s cannot be removed: %s", path, strerror(errno));
}
