/* SPDX-License-Identifier: BSD-2-Clause */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plane_fixture.h"

static void
engine_synchronize(void *user)
{
}

static int
engine_vips_add(void *user, const struct fl_vip *records, uint32_t count, const uint64_t lengths[2])
{
	return 0;
}

static void
engine_vips_remove(void *user, const struct fl_vip_key *keys, uint32_t count,
		   const uint64_t lengths[2])
{
}

static struct fl_counter
engine_counter(void *user, uint32_t i)
{
	return (struct fl_counter){ 0 };
}

static struct fl_flow_counter
engine_flow_counter(void *user, uint32_t i)
{
	return (struct fl_flow_counter){ 0 };
}

static void
fixture_log(int level, const char *message)
{
	warnx("plane: %s", message);
}

static void *
take(uint32_t count, size_t size)
{
	void *memory = aligned_alloc(64, (count * size + 63) / 64 * 64);

	if (memory == NULL)
		err(1, "tables");
	return memset(memory, 0, (count * size + 63) / 64 * 64);
}

static void
parse_key(const char *text, struct fl_key *ret_key)
{
	uint8_t bytes[16];

	for (uint32_t i = 0; i < 16; i++)
		if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
			errx(1, "key %s", text);
	memcpy(ret_key->word, bytes, sizeof bytes);
}

static void
parse_prefix(const char *text, struct addr_prefix *ret_prefix)
{
	if (addr_prefix_parse(text, ret_prefix) < 0)
		errx(1, "prefix %s", text);
}

/** The tags that leave by a port. */
static void
parse_vlan(const char *text, fl_be32 ret_tag[2])
{
	unsigned outer, inner;
	int count = text == NULL ? 0 : sscanf(text, "%u,%u", &outer, &inner);

	ret_tag[0] = FL_TAG_KEEP;
	ret_tag[1] = FL_TAG_KEEP;
	if (text == NULL || strcmp(text, "keep") == 0)
		return;
	ret_tag[0] = FL_TAG_NONE;
	ret_tag[1] = FL_TAG_NONE;
	if (strcmp(text, "none") == 0)
		return;
	if (count < 1)
		errx(1, "vlan %s", text);
	ret_tag[0] = fl_tag(count == 2 ? FL_ETHERTYPE_QINQ : FL_ETHERTYPE_VLAN, (uint16_t)outer);
	if (count == 2)
		ret_tag[1] = fl_tag(FL_ETHERTYPE_VLAN, (uint16_t)inner);
}

static void
parse_port(const struct plane_fixture_port *spec, uint32_t number, struct plane_port *ret_port)
{
	*ret_port = (struct plane_port){ .mtu = spec->mtu, .has_gateway = true };
	snprintf(ret_port->name, sizeof ret_port->name, "port%u", number);
	if (addr_mac_parse(spec->mac, ret_port->mac) < 0 ||
	    addr_mac_parse(spec->gateway_mac, ret_port->gateway_mac) < 0)
		errx(1, "MAC of port %u", number);
	for (uint32_t i = 0; i < 2 && spec->prefixes[i] != NULL; i++)
		parse_prefix(spec->prefixes[i],
			     &ret_port->gateway_for[ret_port->gateway_for_count++]);
}

static void
take_tables(struct plane_fixture *fixture, const struct plane_fixture_spec *spec)
{
	struct plane_tables *tables = &fixture->tables;
	struct plane_tables_size size = plane_tables_size(&spec->limits);
	struct fl_key key;

	fixture->size = size;
#define TAKE(member, count) tables->member = take(count, sizeof *tables->member);
	PLANE_TABLES(TAKE)
#undef TAKE
	parse_key(spec->key, &key);
	plane_tables_set_config(tables, &spec->limits, &key);
}

static void
parse_sources(const struct plane_fixture_spec *spec, struct plane_options *options)
{
	if (addr_parse(spec->source_ipv4, &options->source_ipv4) < 0 ||
	    addr_parse(spec->source_ipv6, &options->source_ipv6) < 0)
		errx(1, "source %s or %s", spec->source_ipv4, spec->source_ipv6);
	options->has_source_ipv4 = true;
	options->has_source_ipv6 = true;
	options->has_entropy_ipv4 = spec->entropy_ipv4 != NULL;
	if (options->has_entropy_ipv4)
		parse_prefix(spec->entropy_ipv4, &options->entropy_ipv4);
	options->has_entropy_ipv6 = spec->entropy_ipv6 != NULL;
	if (options->has_entropy_ipv6)
		parse_prefix(spec->entropy_ipv6, &options->entropy_ipv6);
}

void
plane_fixture_open(struct plane_fixture *fixture, const struct plane_fixture_spec *spec)
{
	struct plane_options *options = &fixture->options;
	struct nexthop_options hops = { .tables = &fixture->tables,
					.ports = fixture->ports,
					.port_count = spec->port_count,
					.log = fixture_log };

	memset(fixture, 0, sizeof *fixture);
	take_tables(fixture, spec);
	for (uint32_t i = 0; i < spec->port_count; i++) {
		parse_port(&spec->ports[i], i, &fixture->ports[i]);
		parse_vlan(spec->ports[i].vlan, fixture->tables.ports[i].tag);
	}
	*options = (struct plane_options){
		.name = "test",
		.kind = "test",
		.limits = spec->limits,
		.tables = &fixture->tables,
		.icmp_rate = 1000,
		.icmp_burst = 100,
		.ports = fixture->ports,
		.port_count = spec->port_count,
		.engine = { .synchronize = engine_synchronize,
			    .vips_add = engine_vips_add,
			    .vips_remove = engine_vips_remove,
			    .vip_counter = engine_counter,
			    .backend_counter = engine_counter,
			    .flow_counter = engine_flow_counter },
		.log = fixture_log,
	};
	parse_sources(spec, options);
	if (nexthops_create(&hops, &fixture->nexthops) < 0 ||
	    state_open(&fixture->state, options, fixture->nexthops) < 0)
		errx(1, "no plane state");
}

static cJSON *
read_params(const char *params, struct json_errors *errors)
{
	char *text = strdup(params);
	cJSON *root = NULL;

	if (text == NULL)
		err(1, "params");
	for (char *quote = strchr(text, '\''); quote != NULL; quote = strchr(quote, '\''))
		*quote = '"';
	if (json_read(text, strlen(text), &root, errors) < 0)
		errx(1, "params: %s", errors->items[0].message);
	free(text);
	return root;
}

void
plane_fixture_apply(struct plane_fixture *fixture, const char *params)
{
	static struct json_errors errors;
	struct change *change = NULL;
	cJSON *root;

	errors = (struct json_errors){ 0 };
	root = read_params(params, &errors);
	if (change_create(&fixture->state, &change) < 0 ||
	    change_add_part(change, root, &errors) < 0 || change_build(change, &errors) < 0)
		errx(1, "refused: %s %s", errors.items[0].pointer, errors.items[0].message);
	if (change_commit(change) < 0)
		errx(1, "not committed");
	change_destroy(change);
	cJSON_Delete(root);
	while (nexthops_due_ms(fixture->nexthops) <= 0)
		nexthops_turn(fixture->nexthops, 0);
}

const struct fl_vip *
plane_fixture_vip(const struct plane_fixture *fixture, const char *endpoint)
{
	struct addr_endpoint parsed;
	struct fl_vip_key key;
	uint32_t index;

	if (addr_endpoint_parse(endpoint, &parsed) < 0)
		errx(1, "endpoint %s", endpoint);
	key = state_vip_key(&parsed);
	index = plane_vip_find(&fixture->tables, &key);
	return index == UINT32_MAX ? NULL : &fixture->tables.vips[index];
}

uint32_t
plane_fixture_slot(const struct plane_fixture *fixture, const struct fl_vip *vip,
		   const char *address)
{
	const struct fl_vip_service *service = &vip->service;
	struct addr wanted;

	if (addr_parse(address, &wanted) < 0)
		errx(1, "backend %s", address);
	for (uint32_t i = 0; i < service->slot_count; i++) {
		const struct fl_backend *backend =
			&fixture->tables.backends[service->slot_base + i];
		struct fl_addr target = fl_encap_target(backend);

		if (fl_backend_is_live(backend) &&
		    memcmp(&target, wanted.bytes, sizeof target) == 0)
			return i;
	}
	errx(1, "no slot for %s", address);
}

void
plane_fixture_close(struct plane_fixture *fixture)
{
	state_close(&fixture->state);
	nexthops_destroy(fixture->nexthops);
#define FREE(member, count) free(fixture->tables.member);
	PLANE_TABLES(FREE)
#undef FREE
}
