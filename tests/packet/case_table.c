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
	const struct case_track *tracks; /* of each row; NULL: none */
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
		out[i].track = set->tracks == NULL ? NULL : &set->tracks[i];
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

/* Give out a row by its number, so that a case knows whose it is without knowing Maglev. */
static void
deal_row(const struct plane_fixture *fixture, const struct plane_tables *tables,
	 const struct fl_vip *vip, uint32_t row)
{
	const char *owner = case_pattern_owners[row % LENGTH(case_pattern_owners)];

	plane_row_store(tables, vip->service.row_base + row,
			fl_row_stable(owner == NULL ? FL_ROW_NONE
						    : plane_fixture_slot(fixture, vip, owner)));
}

static void
deal_rows(struct plane_fixture *fixture, const struct fl_vip *vip)
{
	for (uint32_t row = 0; row < vip->service.row_count; row++)
		deal_row(fixture, &fixture->tables, vip, row);
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

/* --- rows that remember --- */

static const struct fl_vip_service *
row_vip(const struct plane_fixture *fixture, uint32_t place)
{
	return &find_vip(fixture, case_row_vips[place])->service;
}

uint32_t
case_track_record(const struct plane_fixture *fixture, const struct case_track *track)
{
	return (uint32_t)(find_vip(fixture, case_row_vips[track->vip]) - fixture->tables.vips);
}

/* Slot indexes of the owners in each VIP, of the fixture opened last. */
static uint32_t slot_indexes[LENGTH(case_row_vips)][LENGTH(case_pattern_owners)];

static void
find_indexes(const struct plane_fixture *fixture)
{
	for (uint32_t vip = 0; vip < LENGTH(case_row_vips); vip++)
		for (uint32_t i = 0; i < LENGTH(case_pattern_owners); i++)
			if (case_pattern_owners[i] != NULL)
				slot_indexes[vip][i] = plane_fixture_slot(
					fixture, find_vip(fixture, case_row_vips[vip]),
					case_pattern_owners[i]);
}

/* The slot index in the VIP, of a place among the owners. */
static uint32_t
index_of(uint32_t vip, uint32_t place)
{
	if (place >= LENGTH(case_pattern_owners) || case_pattern_owners[place] == NULL)
		return place; /* nobody */
	return slot_indexes[vip][place];
}

static uint64_t
row_word(uint32_t vip, uint64_t word)
{
	return (word & ~0xffffffffull) | index_of(vip, fl_row_cur(word)) |
	       (uint64_t)index_of(vip, fl_row_prev(word)) << 16;
}

static uint64_t
flow_word(const struct plane_fixture *fixture, uint64_t word)
{
	uint32_t vip = fl_flow_slot(word) >> 16, place = fl_flow_slot(word) & 0xffff;
	uint64_t slot;

	if (word == 0)
		return 0;
	slot = row_vip(fixture, vip)->slot_base + index_of(vip, place);
	return (word & ~((uint64_t)(FL_SLOTS_MAX - 1) << FL_FLOW_FP_BITS)) |
	       slot << FL_FLOW_FP_BITS;
}

static void
set_links(const struct plane_fixture *fixture, const struct plane_tables *tables,
	  const struct case_track *track, bool is_live)
{
	uint32_t base = row_vip(fixture, track->vip)->slot_base;

	for (uint32_t place = 0; track->dead >> place != 0; place++) {
		uint64_t *link = &tables->backends[base + index_of(track->vip, place)].link;

		if (!(track->dead >> place & 1))
			continue;
		*link = is_live ? *link | (uint64_t)FL_LINK_LIVE << 56
				: *link & ~((uint64_t)FL_LINK_LIVE << 56);
	}
}

void
case_track_begin(const struct plane_fixture *fixture, const struct plane_tables *tables,
		 const struct case_track *track)
{
	const struct fl_vip_service *service = row_vip(fixture, track->vip);
	uint32_t row = service->row_base + track->row;

	plane_row_store(tables, row, row_word(track->vip, track->before.row));
	if (track->is_looked_up)
		tables->owners[row / 4].cur[row % 4] = FL_OWNER_LOOK;
	for (uint32_t i = 0; i < 8; i++)
		tables->flows[track->bucket].word[i] = flow_word(fixture, track->before.flows[i]);
	tables->clock->tick = track->tick;
	set_links(fixture, tables, track, false);
}

static uint64_t
sum_flows(const struct plane_fixture *fixture, const struct plane_tables *tables)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < fixture->size.flow_bucket_count; i++)
		for (uint32_t k = 0; k < 8; k++)
			any |= tables->flows[i].word[k];
	return any;
}

static bool
are_rows_stable(const struct fl_vip_service *service, const struct plane_tables *tables)
{
	for (uint32_t i = 0; i < service->row_count; i++)
		if (fl_row_state(tables->rows[service->row_base + i].word) != FL_ROW_STABLE)
			return false;
	return true;
}

const char *
case_track_end(const struct plane_fixture *fixture, const struct plane_tables *tables,
	       const struct case_track *track)
{
	const struct fl_vip *vip = find_vip(fixture, case_row_vips[track->vip]);
	const struct fl_vip_service *service = &vip->service;
	struct fl_row *row = &tables->rows[service->row_base + track->row];
	struct fl_flows *flows = &tables->flows[track->bucket];
	const char *wrong = NULL;

	for (uint32_t i = 0; i < 8; i++)
		if (flows->word[i] != flow_word(fixture, track->after.flows[i]))
			wrong = "the entries";
	if (row->word != row_word(track->vip, track->after.row))
		wrong = "the row";
	if (tables->clock->tick != track->tick)
		wrong = "the clock";
	if (wrong != NULL) {
		warnx("row %016lx, instead of %016lx", row->word,
		      row_word(track->vip, track->after.row));
		for (uint32_t i = 0; i < 8; i++)
			warnx("entry %u %016lx, instead of %016lx", i, flows->word[i],
			      flow_word(fixture, track->after.flows[i]));
	}
	memset(flows, 0, sizeof *flows);
	set_links(fixture, tables, track, true);
	deal_row(fixture, tables, vip, track->row);
	if (sum_flows(fixture, tables) != 0)
		return "another bucket";
	return are_rows_stable(service, tables) ? wrong : "another row";
}

/* --- tables --- */

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
	const struct plane_fixture_spec spec = { .key = case_key,
						 .source_ipv4 = case_source_ipv4,
						 .source_ipv6 = case_source_ipv6,
						 .entropy_ipv4 = case_worlds[world].entropy_ipv4,
						 .entropy_ipv6 = case_worlds[world].entropy_ipv6,
						 .limits = { .vips = 256,
							     .backends = 4096,
							     .rows = 262144,
							     .fragments = 8192,
							     .flows = CASE_FLOWS },
						 .ports = case_ports,
						 .port_count = LENGTH(case_ports) };
	const struct fl_vip *vip;

	plane_fixture_open(fixture, &spec);
	apply_vips(fixture);
	for (uint32_t i = 0; i < LENGTH(case_pattern_vips); i++)
		deal_rows(fixture, find_vip(fixture, case_pattern_vips[i]));
	find_indexes(fixture);
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
