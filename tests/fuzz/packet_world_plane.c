/* SPDX-License-Identifier: BSD-2-Clause */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "../../dataplane/plane/gateway.h"
#include "packet_world_plane.h"

enum { HOUR_S = 3600 };

static void
describe_port(const struct packet_world_port *from, char ret_vlan[16],
	      struct plane_fixture_port *ret_port)
{
	*ret_port =
		(struct plane_fixture_port){ .mac = from->mac,
					     .mtu = from->mtu,
					     .gateway_mac = from->gateway_mac,
					     .prefixes = { from->prefixes[0], from->prefixes[1] },
					     .vlan = ret_vlan };
	switch (from->vlan) {
	case WORLD_VLAN_KEEP:
		ret_port->vlan = "keep";
		break;
	case WORLD_VLAN_NONE:
		ret_port->vlan = "none";
		break;
	case WORLD_VLAN_ONE:
		snprintf(ret_vlan, 16, "%u", from->tags[0]);
		break;
	case WORLD_VLAN_TWO:
		snprintf(ret_vlan, 16, "%u,%u", from->tags[0], from->tags[1]);
		break;
	}
}

/*
 * A backend that gets frames unchanged is one on the port's own link, which the tables of a plane
 * without a kernel do not have: there the gateway of the port is the backend's own MAC.
 */
static void
reach_on_link(const struct plane_fixture *fixture, struct fl_backend *backend)
{
	struct fl_addr target = fl_encap_target(backend);
	struct addr address;
	uint32_t port;

	if (backend->mode != FL_MODE_L2DSR || fl_link_flags(backend->link) != FL_LINK_LIVE)
		return;
	memcpy(address.bytes, &target, sizeof address.bytes);
	port = gateway_port(fixture->ports, PACKET_WORLD_PORTS, &address);
	if (port != GATEWAY_NONE)
		backend->link = fl_link_word(fl_mac_word(fixture->ports[port].gateway_mac),
					     (uint8_t)port, FL_LINK_LIVE | FL_LINK_REACHABLE);
}

void
packet_world_plane_open(struct plane_fixture *fixture)
{
	static struct plane_fixture_port ports[PACKET_WORLD_PORTS];
	static char vlans[PACKET_WORLD_PORTS][16];
	const struct plane_fixture_spec spec = {
		.key = PACKET_WORLD_KEY,
		.source_ipv4 = PACKET_WORLD_SOURCE_IPV4,
		.source_ipv6 = PACKET_WORLD_SOURCE_IPV6,
		.entropy_ipv4 = PACKET_WORLD_ENTROPY_IPV4,
		.entropy_ipv6 = PACKET_WORLD_ENTROPY_IPV6,
		.limits = { .vips = 32,
			    .backends = 1024,
			    .rows = 32768,
			    .fragments = 8,
			    .flows = WORLD_BUCKETS * MODEL_BUCKET_ENTRIES },
		.ports = ports,
		.port_count = PACKET_WORLD_PORTS,
	};

	for (uint32_t i = 0; i < PACKET_WORLD_PORTS; i++)
		describe_port(&packet_world_ports[i], vlans[i], &ports[i]);
	plane_fixture_open(fixture, &spec);
	plane_fixture_apply(fixture, packet_world_state);
	for (uint32_t slot = 0; slot < fixture->size.backend_count; slot++)
		reach_on_link(fixture, &fixture->tables.backends[slot]);
	fixture->tables.config->answer_interval_ns = HOUR_S * UINT64_C(1000000000);
	fixture->tables.config->answer_burst_ns =
		(2 * WORLD_ANSWERS - 1) * fixture->tables.config->answer_interval_ns / 2;
}

static const struct fl_vip *
find_vip(const struct plane_fixture *fixture, const struct packet_world_vip *vip)
{
	bool is_ipv6 = strchr(vip->address, ':') != NULL;
	char port[16], endpoint[96];
	const struct fl_vip *found;

	if (vip->port_first == vip->port_last)
		snprintf(port, sizeof port, "%u", vip->port_first);
	else if (vip->port_first == 0 && vip->port_last == UINT16_MAX)
		snprintf(port, sizeof port, "any");
	else
		snprintf(port, sizeof port, "%u-%u", vip->port_first, vip->port_last);
	snprintf(endpoint, sizeof endpoint, "%s%s%s:%s/%s", is_ipv6 ? "[" : "", vip->address,
		 is_ipv6 ? "]" : "", port, vip->protocol == 6 ? "tcp" : "udp");
	found = plane_fixture_vip(fixture, endpoint);
	if (found == NULL)
		errx(1, "%s is not served", endpoint);
	return found;
}

/* The place of the slot's backend in the model's VIP. */
static uint32_t
find_backend(const struct model_vip *vip, const struct fl_backend *slot)
{
	struct fl_addr target = fl_encap_target(slot);

	for (uint32_t i = 0; i < vip->backend_count; i++)
		if (memcmp(vip->backends[i].address, &target, sizeof target) == 0)
			return i;
	errx(1, "a row's owner is no backend of its VIP");
}

/* The VIPs of the fixture opened last. */
static const struct fl_vip *served[PACKET_WORLD_VIP_COUNT];

void
packet_world_copy_rows(const struct plane_fixture *fixture, struct packet_world_model *world)
{
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++) {
		const struct fl_vip_service *vip;

		served[i] = find_vip(fixture, &packet_world_vips[i]);
		vip = &served[i]->service;
		if (vip->row_count != WORLD_TABLE_SIZE)
			errx(1, "a VIP of %u rows", vip->row_count);
		for (uint32_t row = 0; row < vip->row_count; row++) {
			uint32_t owner = fl_row_cur(fixture->tables.rows[vip->row_base + row].word);

			world->rows[i][row] =
				owner == FL_ROW_NONE
					? MODEL_NONE
					: find_backend(&world->vips[i],
						       &fixture->tables
								.backends[vip->slot_base + owner]);
		}
	}
}

/* --- rows that remember --- */

/* The slot index of a backend of the world's VIP. */
static uint32_t
index_of(const struct plane_fixture *fixture, const struct packet_world_model *world, uint32_t vip,
	 uint32_t backend)
{
	const struct fl_vip_service *service = &served[vip]->service;

	if (backend == MODEL_NONE)
		return FL_ROW_NONE;
	for (uint32_t i = 0; i < service->slot_count; i++) {
		struct fl_addr target =
			fl_encap_target(&fixture->tables.backends[service->slot_base + i]);

		if (memcmp(world->vips[vip].backends[backend].address, &target, sizeof target) == 0)
			return i;
	}
	errx(1, "a backend has no slot");
}

static uint64_t
row_word(const struct plane_fixture *fixture, const struct packet_world_model *world,
	 const struct model_row *row)
{
	return (uint64_t)index_of(fixture, world, row->vip, row->cur) |
	       (uint64_t)index_of(fixture, world, row->vip, row->prev) << 16 |
	       (uint64_t)row->until << 32 | (uint64_t)row->state << 56;
}

static uint64_t
entry_word(const struct plane_fixture *fixture, const struct packet_world_model *world,
	   const struct model_entry *entry)
{
	uint64_t slot;

	if (entry->state == MODEL_FREE)
		return 0;
	slot = served[entry->vip]->service.slot_base +
	       index_of(fixture, world, entry->vip, entry->backend);
	return entry->fingerprint | slot << 34 | (uint64_t)entry->state << 54 |
	       (uint64_t)entry->stamp << 56;
}

void
packet_world_memory(const struct plane_fixture *fixture, const struct packet_world_model *world,
		    struct packet_world_memory *ret_memory)
{
	memset(ret_memory, 0, sizeof *ret_memory);
	for (uint32_t i = 0; i < world->state.row_count; i++)
		ret_memory->rows[i] = row_word(fixture, world, &world->moving[i]);
	for (uint32_t i = 0; i < WORLD_BUCKETS; i++)
		for (uint32_t k = 0; k < MODEL_BUCKET_ENTRIES; k++)
			ret_memory->flows[i][k] = entry_word(fixture, world, &world->buckets[i][k]);
}

static uint32_t
row_at(const struct packet_world_model *world, uint32_t i)
{
	return served[world->moving[i].vip]->service.row_base + world->moving[i].row;
}

/* Those that are dead in the world. */
static void
set_links(const struct plane_fixture *fixture, const struct plane_tables *tables,
	  const struct packet_world_model *world, bool is_live)
{
	for (uint32_t vip = 0; vip < PACKET_WORLD_VIP_COUNT; vip++)
		for (uint32_t i = 0; i < world->vips[vip].backend_count; i++) {
			uint64_t *link;

			if (world->backends[vip][i].live)
				continue;
			link = &tables->backends[served[vip]->service.slot_base +
						 index_of(fixture, world, vip, i)]
					.link;
			*link = is_live ? *link | (uint64_t)FL_LINK_LIVE << 56
					: *link & ~((uint64_t)FL_LINK_LIVE << 56);
		}
}

void
packet_world_store(const struct plane_fixture *fixture, const struct plane_tables *tables,
		   const struct packet_world_model *world, const struct packet_world_memory *memory)
{
	for (uint32_t i = 0; i < world->state.row_count; i++)
		plane_row_store(tables, row_at(world, i), memory->rows[i]);
	memcpy(tables->flows, memory->flows, sizeof memory->flows);
	set_links(fixture, tables, world, false);
}

void
packet_world_load(const struct plane_tables *tables, const struct packet_world_model *world,
		  struct packet_world_memory *ret_memory)
{
	memset(ret_memory, 0, sizeof *ret_memory);
	for (uint32_t i = 0; i < world->state.row_count; i++)
		ret_memory->rows[i] = tables->rows[row_at(world, i)].word;
	memcpy(ret_memory->flows, tables->flows, sizeof ret_memory->flows);
}

void
packet_world_restore(const struct plane_fixture *fixture, const struct plane_tables *tables,
		     const struct packet_world_model *world)
{
	for (uint32_t i = 0; i < world->state.row_count; i++) {
		const struct model_row *row = &world->moving[i];

		plane_row_store(tables, row_at(world, i),
				fl_row_stable(index_of(fixture, world, row->vip,
						       world->rows[row->vip][row->row])));
	}
	memset(tables->flows, 0, WORLD_BUCKETS * sizeof tables->flows[0]);
	set_links(fixture, tables, world, true);
}

uint32_t
packet_world_record(const struct plane_fixture *fixture, uint32_t vip)
{
	return (uint32_t)(served[vip] - fixture->tables.vips);
}
