/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SYSCTL_PATH_MAX = 96,
	SYSCTL_TEXT_MAX = 24, /* a number and its line end */
	ARP_IGNORE_OTHER_INTERFACES = 1,
	ARP_ANNOUNCE_BEST_LOCAL = 2,
	RP_FILTER_STRICT = 1,
	RP_FILTER_LOOSE = 2,
};

static const struct backend_link all = { .name = "all" };

static void
sysctl_path(const struct backend_link *link, enum backend_sysctl_key key, char *ret_path)
{
	(void)snprintf(ret_path, SYSCTL_PATH_MAX, "/proc/sys/net/ipv4/conf/%s/%s", link->name,
		       backend_sysctl_name(key));
}

static int
sysctl_read(const struct backend_link *link, enum backend_sysctl_key key, int32_t *ret_value,
	    struct backend_report *report)
{
	char path[SYSCTL_PATH_MAX], text[SYSCTL_TEXT_MAX];
	ssize_t size = -1;
	int file, error;

	sysctl_path(link, key, path);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file >= 0)
		size = read(file, text, sizeof text - 1);
	error = -errno;
	if (file >= 0)
		(void)close(file);
	if (size <= 0)
		return backend_report_fail(report, size == 0 ? -EIO : error, "cannot read %s: %s",
					   path, size == 0 ? "it is empty" : strerror(-error));
	text[size] = '\0';
	*ret_value = (int32_t)strtol(text, NULL, 10);
	return 0;
}

static int
sysctl_write(const struct backend_link *link, enum backend_sysctl_key key, int32_t value,
	     struct backend_report *report)
{
	char path[SYSCTL_PATH_MAX], text[SYSCTL_TEXT_MAX];
	int size = snprintf(text, sizeof text, "%d\n", value);
	int file, error = 0;

	sysctl_path(link, key, path);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 || write(file, text, (size_t)size) != size)
		error = -errno;
	if (file >= 0)
		(void)close(file);
	if (error != 0)
		return backend_report_fail(report, error,
					   "cannot write %d to %s: %s; /proc/sys must be writable",
					   value, path, strerror(-error));
	return 0;
}

static const struct backend_sysctl *
claim_find(const struct backend_state *state, const struct backend_link *link,
	   enum backend_sysctl_key key)
{
	for (uint32_t i = 0; i < state->sysctl_count; i++) {
		if (state->sysctls[i].key == key && state->sysctls[i].link.index == link->index)
			return &state->sysctls[i];
	}
	return NULL;
}

/* A claim that is there already keeps its original value. */
static int
claim_add(struct backend_state *state, const struct backend_sysctl *claim,
	  struct backend_report *report)
{
	if (claim_find(state, &claim->link, claim->key) != NULL)
		return 0;
	if (state->sysctl_count == BACKEND_SYSCTLS_MAX)
		return backend_report_fail(report, -ENOSPC,
					   "%s: more than %d settings changed; take another "
					   "interface down first",
					   claim->link.name, BACKEND_SYSCTLS_MAX);
	state->sysctls[state->sysctl_count++] = *claim;
	return 0;
}

/*
 * arp_ignore 1 and arp_announce 2, for every interface ("all"): a VIP is on each backend, but only
 * the balancer may answer ARP for it, and no backend may name it as the sender of its own ARP
 * requests. Any interface that shares a network with clients or routers would otherwise
 * draw the VIP's traffic to this one backend. Stricter values are left as they are.
 */
static int
arp_plan(struct backend_state *state, struct backend_report *report)
{
	struct backend_sysctl ignore = { .link = all,
					 .key = BACKEND_SYSCTL_ARP_IGNORE,
					 .value = ARP_IGNORE_OTHER_INTERFACES };
	struct backend_sysctl announce = { .link = all,
					   .key = BACKEND_SYSCTL_ARP_ANNOUNCE,
					   .value = ARP_ANNOUNCE_BEST_LOCAL };
	int r;

	if ((r = sysctl_read(&all, ignore.key, &ignore.original, report)) < 0 ||
	    (r = sysctl_read(&all, announce.key, &announce.original, report)) < 0)
		return r;
	if (ignore.original < ignore.value && (r = claim_add(state, &ignore, report)) < 0)
		return r;
	if (announce.original < announce.value)
		return claim_add(state, &announce, report);
	return 0;
}

/*
 * rp_filter: after decapsulation a packet seems to come from the client, on an interface that need
 * not be the one its answer leaves by. The strict filter (1) would drop it; the loose one (2)
 * asks only that there is a route to the client at all, which the answer needs anyway. The kernel
 * takes the larger of "all" and the interface's own, so setting the interface's is enough, and no
 * other interface loses its filter. No filter (0) stays none.
 */
static int
rp_filter_plan(struct backend_state *state, const struct backend_setup *setup,
	       struct backend_report *report)
{
	struct backend_sysctl claim = { .link = setup->link,
					.key = BACKEND_SYSCTL_RP_FILTER,
					.value = RP_FILTER_LOOSE };
	int32_t for_all;
	int r;

	if ((r = sysctl_read(&all, claim.key, &for_all, report)) < 0 ||
	    (r = sysctl_read(&claim.link, claim.key, &claim.original, report)) < 0)
		return r;
	if (claim.original >= RP_FILTER_LOOSE || for_all >= RP_FILTER_LOOSE ||
	    (claim.original < RP_FILTER_STRICT && for_all < RP_FILTER_STRICT))
		return 0;
	return claim_add(state, &claim, report);
}

int
backend_sysctl_plan(struct backend_state *state, const struct backend_setup *setup,
		    struct backend_report *report)
{
	bool has_ipv4 = false;
	int r;

	for (uint32_t i = 0; i < setup->vip_count; i++)
		has_ipv4 = has_ipv4 || addr_is_ipv4(&setup->vips[i]);
	if (!has_ipv4)
		return 0;
	if ((r = arp_plan(state, report)) < 0)
		return r;
	return rp_filter_plan(state, setup, report);
}

/* The interface's name as of now: it may have been renamed. false: it is gone. */
static bool
link_refresh(const struct backend_link *link, struct backend_link *ret_link)
{
	*ret_link = *link;
	return link->index == 0 || if_indextoname(link->index, ret_link->name) != NULL;
}

int
backend_sysctl_apply(const struct backend_state *state, struct backend_report *report)
{
	for (uint32_t i = 0; i < state->sysctl_count; i++) {
		const struct backend_sysctl *claim = &state->sysctls[i];
		struct backend_link link;
		int32_t present;
		int r;

		if (!link_refresh(&claim->link, &link))
			continue;
		if ((r = sysctl_read(&link, claim->key, &present, report)) < 0)
			return r;
		if (present != claim->value &&
		    (r = sysctl_write(&link, claim->key, claim->value, report)) < 0)
			return r;
	}
	return 0;
}

int
backend_sysctl_release(const struct backend_sysctl *sysctl, struct backend_report *report)
{
	struct backend_link link;
	int32_t present;
	int r;

	if (!link_refresh(&sysctl->link, &link))
		return 0;
	if ((r = sysctl_read(&link, sysctl->key, &present, report)) < 0)
		return r;
	if (present == sysctl->original)
		return 0;
	if (present != sysctl->value) {
		backend_report_warn(report,
				    "net.ipv4.conf.%s.%s was changed to %d by somebody else and "
				    "is left so; before fairlead-backend it was %d",
				    link.name, backend_sysctl_name(sysctl->key), present,
				    sysctl->original);
		return 0;
	}
	return sysctl_write(&link, sysctl->key, sysctl->original, report);
}
