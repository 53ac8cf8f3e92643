/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame in the table is text: two hexadecimal digits a byte, "{61*1400}" is 1400 bytes of 61.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../dataplane/plane/gateway.h"
#include "case_table.h"

/* Rows of cases.h and of the files it includes. */
struct packet_case {
	const char *name;
	bool is_fresh;
	uint32_t in_port;
	enum fl_verdict verdict;
	uint32_t port;
	const char *in, *out; /* out NULL: nothing leaves */
};

struct case_set {
	const struct packet_case *rows;
	uint32_t count, world;
};

struct case_world {
	const char *entropy_ipv4, *entropy_ipv6; /* NULL: none */
};

#define case_port plane_fixture_port
#include "cases.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t
decode(const char *text, uint8_t out[CASE_FRAME_MAX])
{
	uint32_t bytes = 0;

	while (*text != '\0') {
		unsigned value, count = 1;
		int used;

		if (sscanf(text, "{%2x*%u}%n", &value, &count, &used) != 2 &&
		    (count = 1, sscanf(text, "%2x%n", &value, &used) != 1))
			errx(1, "case table: %s", text);
		if (bytes + count > CASE_FRAME_MAX)
			errx(1, "case table: a frame over %d bytes", CASE_FRAME_MAX);
		memset(out + bytes, (int)value, count);
		bytes += count;
		text += used;
	}
	return bytes;
}

static void
decode_set(const struct case_set *set, struct case_frames *out)
{
	for (uint32_t i = 0; i < set->count; i++) {
		const struct packet_case *row = &set->rows[i];

		out[i].name = row->name;
		out[i].is_fresh = row->is_fresh;
		out[i].in_port = row->in_port;
		out[i].verdict = row->verdict;
		out[i].port = row->port;
		out[i].in_bytes = decode(row->in, out[i].in);
		out[i].out_bytes = row->out == NULL ? 0 : decode(row->out, out[i].out);
	}
}

static uint32_t
count_world(uint32_t world)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < LENGTH(case_sets); i++)
		if (case_sets[i].world == world)
			count += case_sets[i].count;
	return count;
}

const struct case_frames *
case_table(uint32_t world, uint32_t *ret_count)
{
	static struct case_frames *worlds[CASE_WORLDS]; /* reachable, so no leak */
	uint32_t at = 0;

	_Static_assert(LENGTH(case_worlds) == CASE_WORLDS, "case_table.h tells their number");
	*ret_count = count_world(world);
	if (worlds[world] != NULL)
		return worlds[world];
	worlds[world] = calloc(*ret_count, sizeof *worlds[world]);
	if (worlds[world] == NULL)
		err(1, "case table");
	for (uint32_t i = 0; i < LENGTH(case_sets); i++)
		if (case_sets[i].world == world) {
			decode_set(&case_sets[i], worlds[world] + at);
			at += case_sets[i].count;
		}
	return worlds[world];
}

uint32_t
case_group(const struct case_frames *cases, uint32_t count)
{
	uint32_t end = 1;

	while (end < count &&
	       !(cases[end].is_fresh && (cases[end].verdict == FL_DROP_FRAGMENT_ORDER ||
					 (end + 1 < count && !cases[end + 1].is_fresh))))
		end++;
	return end;
}

static const struct fl_vip *
find_vip(const struct plane_fixture *fixture, const char *endpoint)
{
	const struct fl_vip *vip = plane_fixture_vip(fixture, endpoint);

	if (vip == NULL)
		errx(1, "case table: %s is not served", endpoint);
	return vip;
}

/* Give out rows by number, so that a case knows whose they are without knowing Maglev. */
static void
deal_rows(struct plane_fixture *fixture, const struct fl_vip *vip)
{
	uint32_t owner[LENGTH(case_pattern_owners)];

	for (uint32_t i = 0; i < LENGTH(owner); i++)
		owner[i] = case_pattern_owners[i] == NULL
				   ? FL_ROW_NONE
				   : plane_fixture_slot(fixture, vip, case_pattern_owners[i]);
	for (uint32_t row = 0; row < vip->service.row_count; row++)
		plane_row_store(&fixture->tables, vip->service.row_base + row,
				fl_row_stable(owner[row % LENGTH(owner)]));
}

/*
 * A backend that gets frames unchanged is one on the port's own link, which the table cannot have:
 * there the gateway of the port is the backend's own MAC.
 */
static void
reach_on_link(struct plane_fixture *fixture, struct fl_backend *backend)
{
	struct fl_addr target = fl_encap_target(backend);
	uint8_t flags = fl_link_flags(backend->link);
	struct addr address;
	uint32_t port;

	if (backend->mode != FL_MODE_L2DSR || !(flags & FL_LINK_LIVE) ||
	    (flags & FL_LINK_REACHABLE))
		return;
	memcpy(address.bytes, &target, sizeof address.bytes);
	port = gateway_port(fixture->ports, LENGTH(case_ports), &address);
	if (port != GATEWAY_NONE)
		backend->link = fl_link_word(fl_mac_word(fixture->ports[port].gateway_mac),
					     (uint8_t)port, FL_LINK_LIVE | FL_LINK_REACHABLE);
}

static void
apply_vips(struct plane_fixture *fixture)
{
	char *params = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&params, &bytes);

	if (stream == NULL)
		err(1, "params");
	fprintf(stream, "{'generation':1,'full':true,'vips':[");
	for (uint32_t i = 0; i < LENGTH(case_vips); i++)
		fprintf(stream, "%s%s", i == 0 ? "" : ",", case_vips[i]);
	fprintf(stream, "]}");
	if (fclose(stream) != 0)
		err(1, "params");
	plane_fixture_apply(fixture, params);
	free(params);
}

void
case_tables_open(struct plane_fixture *fixture, uint32_t world)
{
	const struct plane_fixture_spec spec = {
		.key = case_key,
		.source_ipv4 = case_source_ipv4,
		.source_ipv6 = case_source_ipv6,
		.entropy_ipv4 = case_worlds[world].entropy_ipv4,
		.entropy_ipv6 = case_worlds[world].entropy_ipv6,
		.limits = { .vips = 256, .backends = 4096, .rows = 262144, .fragments = 8192 },
		.ports = case_ports,
		.port_count = LENGTH(case_ports)
	};
	const struct fl_vip *vip;

	plane_fixture_open(fixture, &spec);
	apply_vips(fixture);
	for (uint32_t i = 0; i < LENGTH(case_pattern_vips); i++)
		deal_rows(fixture, find_vip(fixture, case_pattern_vips[i]));
	vip = find_vip(fixture, case_dead_vip);
	for (uint32_t i = 0; i < vip->service.slot_count; i++)
		fixture->tables.backends[vip->service.slot_base + i].link &=
			~((uint64_t)FL_LINK_LIVE << 56);
	vip = find_vip(fixture, case_beyond_vip);
	for (uint32_t row = 0; row < vip->service.row_count; row++)
		plane_row_store(&fixture->tables, vip->service.row_base + row,
				fl_row_stable(vip->service.slot_count));
	for (uint32_t slot = 0; slot < fixture->size.backend_count; slot++)
		reach_on_link(fixture, &fixture->tables.backends[slot]);
	/* no case is about the rate of ICMP errors */
	fixture->tables.config->answer_burst_ns = UINT64_MAX;
}
