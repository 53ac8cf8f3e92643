/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "backend_host.h"
#include "backend_link.h"
#include "backend_prefix.h"
#include "backend_program.h"
#include "json.h"

static const char *const counter_names[BACKEND_COUNTERS] = {
	[BACKEND_DECAP_IPV4] = "decapsulated_ipv4",
	[BACKEND_DECAP_IPV6] = "decapsulated_ipv6",
	[BACKEND_DROP_SOURCE] = "dropped_source",
	[BACKEND_DROP_NOT_VIP] = "dropped_not_vip",
	[BACKEND_DROP_MALFORMED] = "dropped_malformed",
	[BACKEND_DROP_NESTED] = "dropped_nested",
	[BACKEND_DROP_FRAGMENT] = "dropped_fragment",
	[BACKEND_DROP_CHECKSUM] = "dropped_checksum",
	[BACKEND_DROP_REFUSED] = "dropped_refused",
	[BACKEND_MSS_CLAMPED] = "mss_lowered",
};

const char *
backend_counter_name(enum backend_counter counter)
{
	return counter_names[counter];
}

bool
backend_status_is_up(const struct backend_status *status)
{
	return status->is_known && status->problem_count == 0;
}

static void __attribute__((format(printf, 2, 3)))
problem_add(struct backend_status *status, const char *format, ...)
{
	va_list args;

	if (status->problem_count == BACKEND_PROBLEMS_MAX)
		return;
	va_start(args, format);
	(void)vsnprintf(status->problems[status->problem_count++], BACKEND_PROBLEM_BYTES_MAX,
			format, args);
	va_end(args);
}

static int
hook_inspect(struct backend_status *status, const struct backend_hook *hook,
	     struct mnl_socket *netlink)
{
	enum backend_occupant occupant;
	int r;

	if (!backend_link_exists(&hook->link)) {
		problem_add(status, "the interface %s is gone", hook->link.name);
		return 0;
	}
	r = backend_hook_read(hook, netlink, &occupant);
	if (r == 0 && occupant != BACKEND_PLACE_OURS)
		problem_add(status, "the %s filter of %s is not attached",
			    hook->egress ? "egress" : "ingress", hook->link.name);
	return r;
}

static int
setup_inspect(struct backend_status *status, struct mnl_socket *netlink)
{
	const struct backend_setup *setup = &status->setup;
	struct backend_hook hook = { .link = setup->link, .owner = setup->link.index };
	int r, missing;

	if ((r = hook_inspect(status, &hook, netlink)) < 0)
		return r;
	hook.egress = true;
	r = backend_link_exists(&hook.link) ? hook_inspect(status, &hook, netlink) : 0;
	for (uint32_t i = 0; i < setup->reply_count && r == 0; i++) {
		hook.link = setup->replies[i];
		r = hook_inspect(status, &hook, netlink);
	}
	if (r < 0)
		return r;
	missing = backend_address_missing(setup, netlink);
	if (missing > 0)
		problem_add(status, "%d of %u VIPs are not on lo", missing, setup->vip_count);
	return missing < 0 ? missing : 0;
}

static int
counters_inspect(struct backend_status *status, const char *pin_dir, struct backend_report *report)
{
	const char *name = status->setup.link.name;
	int r = backend_counters_read(pin_dir, name, status->counts);

	if (r == -ENOENT) {
		problem_add(status, "its pins in %.80s are missing", pin_dir);
		return 0;
	}
	if (r < 0)
		return backend_report_fail(report, r, "%s: cannot read the counters in %s: %s",
					   name, pin_dir, strerror(-r));
	return 0;
}

static int
known_inspect(struct backend_status *status, const char *pin_dir, struct backend_report *report)
{
	struct mnl_socket *netlink;
	int r = backend_netlink_open(&netlink);

	if (r < 0)
		return backend_report_fail(report, r, "cannot open a netlink socket: %s",
					   strerror(-r));
	r = setup_inspect(status, netlink);
	(void)mnl_socket_close(netlink);
	if (r < 0)
		return backend_report_fail(report, r, "%s: cannot look at its filters: %s",
					   status->interface, strerror(-r));
	return counters_inspect(status, pin_dir, report);
}

int
backend_status_read(const struct backend_paths *paths, const char *name,
		    struct backend_status *ret_status, struct backend_report *report)
{
	struct backend_state *state = calloc(1, sizeof *state);
	const struct backend_setup *setup;
	struct backend_link_info info;
	int r;

	*ret_status = (struct backend_status){ 0 };
	(void)snprintf(ret_status->interface, sizeof ret_status->interface, "%s", name);
	if (state == NULL)
		return backend_report_fail(report, -ENOMEM, "out of memory");
	r = backend_state_load(paths->state_dir, state, report);
	setup = r == 0 ? backend_state_find(state, name) : NULL;
	if (setup != NULL) {
		ret_status->is_known = true;
		ret_status->setup = *setup;
		r = known_inspect(ret_status, state->pin_dir, report);
	} else if (r == 0 && backend_link_read(name, &info) < 0) {
		r = backend_report_fail(report, -ENODEV,
					"there is no interface \"%s\"; the interfaces are listed "
					"by: ip link",
					name);
	}
	free(state);
	return r;
}

static const char *
state_word(const struct backend_status *status)
{
	if (!status->is_known)
		return "down";
	return status->problem_count == 0 ? "up" : "incomplete";
}

void
backend_status_print(const struct backend_status *status, FILE *out)
{
	const struct backend_setup *setup = &status->setup;
	char text[BACKEND_PREFIX_TEXT_MAX];

	fprintf(out, "%s: %s\n", status->interface, state_word(status));
	if (!status->is_known)
		return;
	for (uint32_t i = 0; i < status->problem_count; i++)
		fprintf(out, "problem    %s\n", status->problems[i]);
	for (uint32_t i = 0; i < setup->vip_count; i++)
		fprintf(out, "vip        %s\n", addr_format(&setup->vips[i], text));
	for (uint32_t i = 0; i < setup->from_count; i++)
		fprintf(out, "from       %s\n", backend_prefix_format(&setup->from[i], text));
	if (setup->from_count == 0)
		fprintf(out, "from       any source\n");
	for (uint32_t i = 0; i < setup->reply_count; i++)
		fprintf(out, "reply by   %s\n", setup->replies[i].name);
	fprintf(out, "mtu        %u\n", setup->mtu);
	fprintf(out, "mss        at most %u (IPv4), %u (IPv6)\n\n", backend_mss_max(setup, false),
		backend_mss_max(setup, true));
	fprintf(out, "%-20s %20s %20s\n", "counter", "packets", "bytes");
	for (int i = 0; i < BACKEND_COUNTERS; i++)
		fprintf(out, "%-20s %20" PRIu64 " %20" PRIu64 "\n", counter_names[i],
			status->counts[i].packets, status->counts[i].bytes);
}

/* The writers below return false for "no memory", as cJSON's own calls do. */

static bool
string_append(cJSON *array, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	if (item != NULL && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool
counters_write(cJSON *array, const struct backend_status *status)
{
	for (int i = 0; i < BACKEND_COUNTERS; i++) {
		cJSON *item = cJSON_CreateObject();

		if (item == NULL || !cJSON_AddItemToArray(array, item)) {
			cJSON_Delete(item);
			return false;
		}
		if (cJSON_AddStringToObject(item, "counter", counter_names[i]) == NULL ||
		    !json_add_u64(item, "packets", status->counts[i].packets) ||
		    !json_add_u64(item, "bytes", status->counts[i].bytes))
			return false;
	}
	return true;
}

static bool
lists_write(cJSON *root, const struct backend_status *status)
{
	const struct backend_setup *setup = &status->setup;
	cJSON *problems = cJSON_AddArrayToObject(root, "problems");
	cJSON *vips = cJSON_AddArrayToObject(root, "vips");
	cJSON *from = cJSON_AddArrayToObject(root, "from");
	cJSON *replies = cJSON_AddArrayToObject(root, "reply_interfaces");
	cJSON *counters = cJSON_AddArrayToObject(root, "counters");
	char text[BACKEND_PREFIX_TEXT_MAX];
	bool done = problems != NULL && vips != NULL && from != NULL && replies != NULL &&
		    counters != NULL;

	for (uint32_t i = 0; i < status->problem_count && done; i++)
		done = string_append(problems, status->problems[i]);
	for (uint32_t i = 0; i < setup->vip_count && done; i++)
		done = string_append(vips, addr_format(&setup->vips[i], text));
	for (uint32_t i = 0; i < setup->from_count && done; i++)
		done = string_append(from, backend_prefix_format(&setup->from[i], text));
	for (uint32_t i = 0; i < setup->reply_count && done; i++)
		done = string_append(replies, setup->replies[i].name);
	return done && counters_write(counters, status);
}

static bool
status_write(cJSON *root, const struct backend_status *status)
{
	const struct backend_setup *setup = &status->setup;
	cJSON *mss;

	if (cJSON_AddStringToObject(root, "interface", status->interface) == NULL ||
	    cJSON_AddStringToObject(root, "state", state_word(status)) == NULL)
		return false;
	if (!status->is_known)
		return true;
	mss = cJSON_AddObjectToObject(root, "mss_max");
	return mss != NULL && cJSON_AddNumberToObject(root, "mtu", setup->mtu) != NULL &&
	       cJSON_AddNumberToObject(mss, "ipv4", backend_mss_max(setup, false)) != NULL &&
	       cJSON_AddNumberToObject(mss, "ipv6", backend_mss_max(setup, true)) != NULL &&
	       lists_write(root, status);
}

int
backend_status_print_json(const struct backend_status *status, FILE *out)
{
	cJSON *root = cJSON_CreateObject();
	struct json_buffer text = { 0 };
	int r = -ENOMEM;

	if (root != NULL && status_write(root, status))
		r = json_print(root, JSON_FILE_BYTES_MAX, &text);
	cJSON_Delete(root);
	if (r == 0)
		fprintf(out, "%.*s\n", (int)text.size, text.bytes);
	free(text.bytes);
	return r;
}
