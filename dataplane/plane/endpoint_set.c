/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What VIPs of one set forbid each other. Each rule is a walk over the members in an order in which
 * those that can conflict are neighbours: nothing compares all pairs.
 */
#include "endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A walk's members and whom it tells. */
struct walk {
	struct endpoint_member *members;
	uint32_t count;
	void (*report)(void *user, const struct endpoint_conflict *conflict);
	void *user;
};

/* --- orders --- */

static int
compare_prefix(const struct endpoint_member *a, const struct endpoint_member *b)
{
	const struct addr_prefix *left = &a->endpoint->to;
	const struct addr_prefix *right = &b->endpoint->to;
	int order = memcmp(&left->address, &right->address, sizeof left->address);

	return order != 0 ? order : (int)left->bits - (int)right->bits;
}

/* Prefix and protocol: those whose ports must not overlap. */
static int
compare_group(const struct endpoint_member *a, const struct endpoint_member *b)
{
	int order = compare_prefix(a, b);

	return order != 0 ? order : (int)a->endpoint->protocol - (int)b->endpoint->protocol;
}

static int
compare_place(const void *left, const void *right)
{
	const struct endpoint_member *a = left;
	const struct endpoint_member *b = right;

	return (a->place > b->place) - (a->place < b->place);
}

static int
compare_ports(const void *left, const void *right)
{
	const struct endpoint_member *a = left;
	const struct endpoint_member *b = right;
	int order = compare_group(a, b);

	if (order == 0)
		order = (int)a->endpoint->port - (int)b->endpoint->port;
	if (order == 0)
		order = (int)a->endpoint->port_last - (int)b->endpoint->port_last;
	return order != 0 ? order : compare_place(left, right);
}

static int
compare_group_place(const void *left, const void *right)
{
	int order = compare_group(left, right);

	return order != 0 ? order : compare_place(left, right);
}

static int
compare_prefix_place(const void *left, const void *right)
{
	int order = compare_prefix(left, right);

	return order != 0 ? order : compare_place(left, right);
}

/* --- walks --- */

static void
report_pair(const struct walk *walk, enum endpoint_conflict_kind kind,
	    const struct endpoint_member *a, const struct endpoint_member *b)
{
	const struct endpoint_conflict conflict = { .kind = kind,
						    .at = a->place > b->place ? *a : *b,
						    .other = a->place > b->place ? *b : *a };

	walk->report(walk->user, &conflict);
}

static void
report_one(const struct walk *walk, enum endpoint_conflict_kind kind,
	   const struct endpoint_member *at)
{
	const struct endpoint_conflict conflict = { .kind = kind, .at = *at, .other = *at };

	walk->report(walk->user, &conflict);
}

/* By first port, a range that overlaps any before it overlaps the one that reached furthest. */
static void
walk_ports(const struct walk *walk)
{
	const struct endpoint_member *furthest = NULL;
	const struct endpoint_member *first = NULL;

	qsort(walk->members, walk->count, sizeof *walk->members, compare_ports);
	for (uint32_t i = 0; i < walk->count; i++) {
		const struct endpoint_member *member = &walk->members[i];

		if (first != NULL && endpoint_compare(first->endpoint, member->endpoint) == 0) {
			report_pair(walk, ENDPOINT_DUPLICATE, first, member);
			continue;
		}
		first = member;
		if (!endpoint_is_range(member->endpoint))
			continue;
		if (furthest != NULL && endpoint_overlaps(furthest->endpoint, member->endpoint))
			report_pair(walk, ENDPOINT_OVERLAP, furthest, member);
		if (furthest == NULL || compare_group(furthest, member) != 0 ||
		    furthest->endpoint->port_last < member->endpoint->port_last)
			furthest = member;
	}
}

static void
walk_ranges(const struct walk *walk)
{
	uint32_t ranges = 0;

	qsort(walk->members, walk->count, sizeof *walk->members, compare_group_place);
	for (uint32_t i = 0; i < walk->count; i++) {
		const struct endpoint_member *member = &walk->members[i];

		if (i > 0 && compare_group(member - 1, member) != 0)
			ranges = 0;
		ranges += member->endpoint->port != member->endpoint->port_last;
		if (ranges == ENDPOINT_RANGES_MAX + 1) {
			report_one(walk, ENDPOINT_RANGES, member);
			ranges++; /* once a group */
		}
	}
}

static void
walk_echo(const struct walk *walk)
{
	const struct endpoint_member *first = NULL;

	qsort(walk->members, walk->count, sizeof *walk->members, compare_prefix_place);
	for (uint32_t i = 0; i < walk->count; i++) {
		const struct endpoint_member *member = &walk->members[i];

		if (first == NULL || compare_prefix(first, member) != 0)
			first = member;
		else if (first->policy->icmp_echo != member->policy->icmp_echo)
			report_pair(walk, ENDPOINT_ECHO, first, member);
	}
}

static void
walk_lengths(const struct walk *walk)
{
	bool seen[2][ADDR_BITS + 1] = { 0 };
	uint32_t count[2] = { 0 };

	qsort(walk->members, walk->count, sizeof *walk->members, compare_place);
	for (uint32_t i = 0; i < walk->count; i++) {
		const struct endpoint_member *member = &walk->members[i];
		unsigned family = addr_prefix_is_ipv4(&member->endpoint->to);

		if (seen[family][member->endpoint->to.bits])
			continue;
		seen[family][member->endpoint->to.bits] = true;
		if (++count[family] > ENDPOINT_LENGTHS_MAX)
			report_one(walk, ENDPOINT_LENGTHS, member);
	}
}

void
endpoint_check_set(struct endpoint_member *members, uint32_t count,
		   void (*report)(void *user, const struct endpoint_conflict *conflict), void *user)
{
	const struct walk walk = { members, count, report, user };

	if (count == 0)
		return;
	walk_ports(&walk);
	walk_ranges(&walk);
	walk_echo(&walk);
	walk_lengths(&walk);
}

/* --- errors --- */

static const char *
member_at_fault(enum endpoint_conflict_kind kind)
{
	switch (kind) {
	case ENDPOINT_OVERLAP:
	case ENDPOINT_RANGES:
		return "port";
	case ENDPOINT_ECHO:
		return "icmp_echo";
	case ENDPOINT_LENGTHS:
		return "address";
	case ENDPOINT_DUPLICATE:
		break;
	}
	return NULL;
}

void
endpoint_conflict_add(const struct endpoint_conflict *conflict, const char *where,
		      const struct json_path *path, struct json_errors *errors)
{
	const char *name = member_at_fault(conflict->kind);
	const struct json_path member = { .parent = path, .name = name };
	const struct addr_endpoint *endpoint = conflict->at.endpoint;
	char other[ADDR_ENDPOINT_TEXT_MAX];
	char text[ADDR_ENDPOINT_TEXT_MAX];
	char prefix[ADDR_PREFIX_TEXT_MAX];

	addr_endpoint_format(endpoint, text);
	addr_endpoint_format(conflict->other.endpoint, other);
	addr_prefix_format(&endpoint->to, prefix);
	if (path != NULL && name != NULL)
		path = &member;
	switch (conflict->kind) {
	case ENDPOINT_DUPLICATE:
		json_error_add(errors, path, "duplicate_vip",
			       "give one of them another port or remove it", "VIP %s is already %s",
			       text, where);
		break;
	case ENDPOINT_OVERLAP:
		json_error_add(errors, path, "overlapping_ports",
			       "make one of them end before the other begins",
			       "the ports of VIP %s overlap those of %s, %s", text, other, where);
		break;
	case ENDPOINT_ECHO:
		json_error_add(errors, path, "conflicting_icmp_echo",
			       "say the same in all VIPs of the address: an echo request has no "
			       "port",
			       "\"icmp_echo\" is \"%s\" here, but \"%s\" in %s of the same %s, %s",
			       policy_icmp_echo_name(conflict->at.policy->icmp_echo),
			       policy_icmp_echo_name(conflict->other.policy->icmp_echo), other,
			       endpoint->to.bits == ADDR_BITS ? "address" : "prefix", where);
		break;
	case ENDPOINT_RANGES:
		json_error_add(errors, path, "limit_exceeded",
			       "join neighbouring ranges, or use \"any\"",
			       "%s has more than %d ranges of %s ports, \"any\" counted", prefix,
			       ENDPOINT_RANGES_MAX, addr_protocol_name(endpoint->protocol));
		break;
	case ENDPOINT_LENGTHS:
		json_error_add(errors, path, "limit_exceeded",
			       "use prefixes of a length that others have",
			       "%s is of an %s prefix length beyond the %d that VIPs may have, "
			       "addresses counted",
			       prefix, addr_prefix_is_ipv4(&endpoint->to) ? "IPv4" : "IPv6",
			       ENDPOINT_LENGTHS_MAX);
		break;
	}
}
