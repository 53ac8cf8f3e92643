/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_claims.h"

#include <errno.h>
#include <string.h>

#include "backend_host.h"
#include "backend_link.h"
#include "backend_program.h"

static bool
setup_sends_by(const struct backend_setup *setup, const struct backend_link *link)
{
	if (setup->link.index == link->index)
		return true;
	for (uint32_t i = 0; i < setup->reply_count; i++) {
		if (setup->replies[i].index == link->index)
			return true;
	}
	return false;
}

bool
backend_hook_is_wanted(const struct backend_state *state, const struct backend_hook *hook)
{
	for (uint32_t i = 0; i < state->setup_count; i++) {
		const struct backend_setup *setup = &state->setups[i];

		if (setup->link.index != hook->owner)
			continue;
		if (hook->egress ? setup_sends_by(setup, &hook->link)
				 : setup->link.index == hook->link.index)
			return true;
	}
	return false;
}

static bool
qdisc_is_wanted(const struct backend_state *state, const struct backend_link *link)
{
	for (uint32_t i = 0; i < state->hook_count; i++) {
		if (state->hooks[i].link.index == link->index)
			return true;
	}
	return false;
}

static bool
sysctl_is_wanted(const struct backend_state *state, const struct backend_sysctl *sysctl)
{
	for (uint32_t i = 0; i < state->setup_count; i++) {
		const struct backend_setup *setup = &state->setups[i];

		if (sysctl->link.index != 0 && sysctl->link.index != setup->link.index)
			continue;
		for (uint32_t k = 0; k < setup->vip_count; k++) {
			if (addr_is_ipv4(&setup->vips[k]))
				return true;
		}
	}
	return false;
}

static bool
address_is_wanted(const struct backend_state *state, const struct addr *address)
{
	for (uint32_t i = 0; i < state->setup_count; i++) {
		const struct backend_setup *setup = &state->setups[i];

		for (uint32_t k = 0; k < setup->vip_count; k++) {
			if (memcmp(&setup->vips[k], address, sizeof *address) == 0)
				return true;
		}
	}
	return false;
}

static bool
hook_is_claimed(const struct backend_state *state, const struct backend_hook *hook)
{
	for (uint32_t i = 0; i < state->hook_count; i++) {
		if (state->hooks[i].link.index == hook->link.index &&
		    state->hooks[i].owner == hook->owner && state->hooks[i].egress == hook->egress)
			return true;
	}
	return false;
}

static int
hook_plan(struct backend_state *state, const struct backend_hook *hook, struct mnl_socket *netlink,
	  struct backend_report *report)
{
	enum backend_occupant occupant;
	int r;

	if (hook_is_claimed(state, hook))
		return 0;
	r = backend_hook_read(hook, netlink, &occupant);
	if (r < 0)
		return backend_report_fail(report, r, "%s: cannot list its tc filters: %s",
					   hook->link.name, strerror(-r));
	if (occupant == BACKEND_PLACE_FOREIGN)
		return backend_report_fail(report, -EBUSY,
					   "%s: another program's tc %s filter has priority %d; "
					   "remove it: tc filter del dev %s %s pref %d",
					   hook->link.name, hook->egress ? "egress" : "ingress",
					   BACKEND_FILTER_PRIORITY, hook->link.name,
					   hook->egress ? "egress" : "ingress",
					   BACKEND_FILTER_PRIORITY);
	if (state->hook_count == BACKEND_HOOKS_MAX)
		return backend_report_fail(report, -ENOSPC, "%s: more than %d filters",
					   hook->link.name, BACKEND_HOOKS_MAX);
	state->hooks[state->hook_count++] = *hook;
	return 0;
}

static int
qdisc_plan(struct backend_state *state, const struct backend_link *link, struct mnl_socket *netlink,
	   struct backend_report *report)
{
	enum backend_qdisc present;
	int r = backend_qdisc_read(link, netlink, &present);

	if (r < 0)
		return backend_report_fail(report, r, "%s: cannot read its qdiscs: %s", link->name,
					   strerror(-r));
	if (present == BACKEND_QDISC_OTHER)
		return backend_report_fail(report, -EBUSY,
					   "%s has another ingress qdisc than clsact; replace it: "
					   "tc qdisc del dev %s ingress && tc qdisc add dev %s "
					   "clsact",
					   link->name, link->name, link->name);
	for (uint32_t i = 0; i < state->qdisc_count; i++) {
		if (state->qdiscs[i].index == link->index)
			return 0;
	}
	if (present == BACKEND_QDISC_CLSACT)
		return 0;
	if (state->qdisc_count == BACKEND_QDISCS_MAX)
		return backend_report_fail(report, -ENOSPC, "%s: more than %d qdiscs", link->name,
					   BACKEND_QDISCS_MAX);
	state->qdiscs[state->qdisc_count++] = *link;
	return 0;
}

int
backend_claims_plan(struct backend_state *state, const struct backend_setup *setup,
		    struct mnl_socket *netlink, struct backend_report *report)
{
	struct backend_hook hook = { .link = setup->link, .owner = setup->link.index };
	int r;

	if ((r = backend_sysctl_plan(state, setup, report)) < 0 ||
	    (r = backend_address_plan(state, setup, netlink, report)) < 0 ||
	    (r = qdisc_plan(state, &setup->link, netlink, report)) < 0 ||
	    (r = hook_plan(state, &hook, netlink, report)) < 0)
		return r;
	hook.egress = true;
	r = hook_plan(state, &hook, netlink, report);
	for (uint32_t i = 0; i < setup->reply_count && r == 0; i++) {
		hook.link = setup->replies[i];
		r = qdisc_plan(state, &hook.link, netlink, report);
		if (r == 0)
			r = hook_plan(state, &hook, netlink, report);
	}
	return r;
}

/*
 * Settings come before addresses: from its first moment on lo, no ARP request for a VIP is
 * answered.
 */
int
backend_claims_apply(const struct backend_state *state, struct mnl_socket *netlink,
		     struct backend_report *report)
{
	int r;

	if ((r = backend_sysctl_apply(state, report)) < 0 ||
	    (r = backend_address_apply(state, netlink, report)) < 0)
		return r;
	for (uint32_t i = 0; i < state->hook_count; i++) {
		const struct backend_link *link = &state->hooks[i].link;

		if (!backend_link_exists(link) || !backend_hook_is_wanted(state, &state->hooks[i]))
			continue;
		backend_libbpf_listen();
		r = backend_qdisc_make(link);
		if (r < 0)
			return backend_report_fail(
				report, r, "%s: the kernel refused a clsact qdisc: %s%s",
				link->name, strerror(-r), backend_libbpf_words());
	}
	return 0;
}

static int
hooks_release(struct backend_state *state, struct mnl_socket *netlink,
	      struct backend_report *report)
{
	uint32_t kept = 0;
	int first = 0;

	for (uint32_t i = 0; i < state->hook_count; i++) {
		struct backend_hook hook = state->hooks[i];
		int r = 0;

		if (!backend_hook_is_wanted(state, &hook)) {
			r = backend_hook_detach(&hook, netlink);
			if (r == 0)
				continue;
			(void)backend_report_fail(report, r, "%s: cannot detach the %s filter: %s",
						  hook.link.name,
						  hook.egress ? "egress" : "ingress", strerror(-r));
		}
		first = first == 0 ? r : first;
		state->hooks[kept++] = hook;
	}
	state->hook_count = kept;
	return first;
}

static int
addresses_release(struct backend_state *state, struct mnl_socket *netlink,
		  struct backend_report *report)
{
	uint32_t kept = 0;
	int first = 0;

	for (uint32_t i = 0; i < state->address_count; i++) {
		struct addr address = state->addresses[i];
		int r = 0;

		if (!address_is_wanted(state, &address)) {
			r = backend_address_release(&address, netlink, report);
			if (r == 0)
				continue;
		}
		first = first == 0 ? r : first;
		state->addresses[kept++] = address;
	}
	state->address_count = kept;
	return first;
}

static int
sysctls_release(struct backend_state *state, struct backend_report *report)
{
	uint32_t kept = 0;
	int first = 0;

	for (uint32_t i = 0; i < state->sysctl_count; i++) {
		struct backend_sysctl sysctl = state->sysctls[i];
		int r = 0;

		if (!sysctl_is_wanted(state, &sysctl)) {
			r = backend_sysctl_release(&sysctl, report);
			if (r == 0)
				continue;
		}
		first = first == 0 ? r : first;
		state->sysctls[kept++] = sysctl;
	}
	state->sysctl_count = kept;
	return first;
}

static int
qdiscs_release(struct backend_state *state, struct mnl_socket *netlink,
	       struct backend_report *report)
{
	uint32_t kept = 0;
	int first = 0;

	for (uint32_t i = 0; i < state->qdisc_count; i++) {
		struct backend_link link = state->qdiscs[i];
		int r = 0;

		if (!qdisc_is_wanted(state, &link)) {
			r = backend_qdisc_release(&link, netlink);
			if (r == -EBUSY) {
				backend_report_warn(report,
						    "%s: its clsact qdisc stays: filters of other "
						    "programs are on it",
						    link.name);
				continue;
			}
			if (r == 0)
				continue;
			(void)backend_report_fail(report, r,
						  "%s: cannot remove the clsact qdisc: %s",
						  link.name, strerror(-r));
		}
		first = first == 0 ? r : first;
		state->qdiscs[kept++] = link;
	}
	state->qdisc_count = kept;
	return first;
}

/* Decapsulation stops first, and ARP is answered again only when no VIP is left on lo. */
int
backend_claims_release(struct backend_state *state, struct mnl_socket *netlink,
		       struct backend_report *report)
{
	int hooks, addresses, sysctls, qdiscs;

	backend_libbpf_listen();
	hooks = hooks_release(state, netlink, report);
	addresses = addresses_release(state, netlink, report);
	sysctls = sysctls_release(state, report);
	qdiscs = qdiscs_release(state, netlink, report);
	if (hooks < 0)
		return hooks;
	if (addresses < 0)
		return addresses;
	return sysctls < 0 ? sysctls : qdiscs;
}
