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
engine_vips_add(void *user, const struct fl_vip_key *keys, uint32_t count)
{
	return 0;
}

static void
engine_vips_remove(void *user, const struct fl_vip_key *keys, uint32_t count)
{
}

static struct fl_counter
engine_counter(void *user, uint32_t i)
{
	return (struct fl_counter){ 0 };
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
	return memset(memory, 0, count * size);
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
parse_prefix(const char *text, struct plane_prefix *ret_prefix)
{
	char address[ADDR_TEXT_MAX];
	unsigned bits;

	if (sscanf(text, "%45[^/]/%u", address, &bits) != 2 ||
	    addr_parse(address, &ret_prefix->address) < 0)
		errx(1, "prefix %s", text);
	ret_prefix->bits = (uint8_t)(bits + (addr_is_ipv4(&ret_prefix->address) ? 96 : 0));
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

	fixture->size = size;
	parse_key(spec->key, &tables->key);
	tables->vip_bucket_mask = size.vip_bucket_count - 1;
	tables->vip_buckets = take(size.vip_bucket_count, sizeof *tables->vip_buckets);
	tables->vips = take(size.vip_count, sizeof *tables->vips);
	tables->backends = take(size.backend_count, sizeof *tables->backends);
	tables->owners = take(size.owners_count, sizeof *tables->owners);
	tables->rows = take(size.row_count, sizeof *tables->rows);
	tables->ports = take(FL_PORTS_MAX, sizeof *tables->ports);
}

void
plane_fixture_open(struct plane_fixture *fixture, const struct plane_fixture_spec *spec)
{
	struct plane_options *options = &fixture->options;
	struct nexthop_options hops = { .tables = &fixture->tables,
					.ports = fixture->ports,
					.port_count = spec->port_count,
					.has_source_ipv4 = true,
					.has_source_ipv6 = true,
					.log = fixture_log };

	memset(fixture, 0, sizeof *fixture);
	take_tables(fixture, spec);
	for (uint32_t i = 0; i < spec->port_count; i++)
		parse_port(&spec->ports[i], i, &fixture->ports[i]);
	if (addr_parse(spec->source_ipv4, &hops.source_ipv4) < 0 ||
	    addr_parse(spec->source_ipv6, &hops.source_ipv6) < 0)
		errx(1, "source %s or %s", spec->source_ipv4, spec->source_ipv6);
	*options = (struct plane_options){
		.name = "test",
		.kind = "test",
		.limits = spec->limits,
		.tables = &fixture->tables,
		.has_source_ipv4 = true,
		.has_source_ipv6 = true,
		.source_ipv4 = hops.source_ipv4,
		.source_ipv6 = hops.source_ipv6,
		.ports = fixture->ports,
		.port_count = spec->port_count,
		.engine = { .synchronize = engine_synchronize,
			    .vips_add = engine_vips_add,
			    .vips_remove = engine_vips_remove,
			    .vip_counter = engine_counter,
			    .backend_counter = engine_counter },
		.log = fixture_log,
	};
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
	struct fl_vip_key key = { .port = 0 };
	uint32_t index;

	if (addr_endpoint_parse(endpoint, &parsed) < 0)
		errx(1, "endpoint %s", endpoint);
	memcpy(key.address.word, parsed.address.bytes, sizeof key.address.word);
	key.port = fl_to_be16(parsed.port);
	key.ip_proto = parsed.protocol;
	index = plane_vip_find(&fixture->tables, &key);
	return index == UINT32_MAX ? NULL : &fixture->tables.vips[index];
}

uint32_t
plane_fixture_slot(const struct plane_fixture *fixture, const struct fl_vip *vip,
		   const char *address)
{
	struct addr wanted;
	bool is_ipv4;

	if (addr_parse(address, &wanted) < 0)
		errx(1, "backend %s", address);
	is_ipv4 = addr_is_ipv4(&wanted);
	for (uint32_t i = 0; i < vip->slot_count; i++) {
		const struct fl_backend *backend = &fixture->tables.backends[vip->slot_base + i];

		if (backend->header_bytes != (is_ipv4 ? FL_IPV4_BYTES : FL_IPV6_BYTES))
			continue;
		/* the destination is the end of either header */
		if (memcmp(backend->header + (is_ipv4 ? 16 : 24), wanted.bytes + (is_ipv4 ? 12 : 0),
			   is_ipv4 ? 4 : 16) == 0)
			return i;
	}
	errx(1, "no slot for %s", address);
}

void
plane_fixture_close(struct plane_fixture *fixture)
{
	state_close(&fixture->state);
	nexthops_destroy(fixture->nexthops);
	free(fixture->tables.vip_buckets);
	free(fixture->tables.vips);
	free(fixture->tables.backends);
	free(fixture->tables.owners);
	free(fixture->tables.rows);
	free(fixture->tables.ports);
}
