/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_world_model.h"

/* @return bits of 128. */
static uint32_t
put_prefix(const char *text, uint8_t ret_address[16])
{
	char address[64];
	size_t length = strcspn(text, "/'");
	uint32_t bits;

	if (length >= sizeof address)
		abort();
	memcpy(address, text, length);
	address[length] = '\0';
	bits = text[length] == '/' ? (uint32_t)strtoul(text + length + 1, NULL, 10) : 128;
	memset(ret_address, 0, 16);
	if (inet_pton(AF_INET6, address, ret_address) == 1)
		return bits;
	memset(ret_address + 10, 0xff, 2);
	if (inet_pton(AF_INET, address, ret_address + 12) != 1)
		abort();
	return text[length] == '/' ? 96 + bits : 128;
}

static void
put_bytes(const char *text, uint32_t count, uint32_t step, uint8_t *ret_bytes)
{
	for (uint32_t i = 0; i < count; i++) {
		char digits[3] = { text[step * i], text[step * i + 1], '\0' };

		ret_bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

static bool
is_under(const uint8_t address[16], const char *text)
{
	uint8_t prefix[16];
	uint32_t bits = put_prefix(text, prefix);

	return bits % 8 == 0 && memcmp(address, prefix, bits / 8) == 0;
}

static void
set_backend(struct model_backend *backend, const char *json)
{
	put_prefix(strstr(json, "'address':'") + 11, backend->address);
	backend->weight = (uint32_t)strtoul(strstr(json, "'weight':") + 9, NULL, 10);
	backend->live = true;
	for (uint32_t i = 0; i < PACKET_WORLD_PORTS; i++) {
		const struct packet_world_port *port = &packet_world_ports[i];

		if (!is_under(backend->address, port->prefixes[0]) &&
		    !is_under(backend->address, port->prefixes[1]))
			continue;
		backend->reachable = true;
		backend->port = i;
		put_bytes(port->gateway_mac, 6, 3, backend->mac);
	}
}

static bool
has(const char *policy, const char *member)
{
	return strstr(policy, member) != NULL;
}

static uint32_t
number_of(const char *policy, const char *member)
{
	return (uint32_t)strtoul(strstr(policy, member) + strlen(member), NULL, 10);
}

static void
set_policy(struct model_vip *vip, const char *policy)
{
	vip->mode = has(policy, "'gue'")     ? MODEL_GUE
		    : has(policy, "'l2dsr'") ? MODEL_L2DSR
					     : MODEL_IPIP;
	vip->fragments =
		has(policy, "'fragments':'drop'") ? MODEL_FRAGMENTS_DROP : MODEL_FRAGMENTS_FOLLOW;
	vip->icmp_echo = has(policy, "'icmp_echo':'forward'") ? MODEL_ECHO_FORWARD
			 : has(policy, "'icmp_echo':'host'")  ? MODEL_ECHO_HOST
							      : MODEL_ECHO_ANSWER;
	vip->window_s = number_of(policy, "'window_s':");
	vip->hold_s = number_of(policy, "'hold_s':");
	vip->no_backend =
		has(policy, "'no_backend':'host'") ? MODEL_NO_BACKEND_HOST : MODEL_NO_BACKEND_DROP;
}

static void
set_vip(struct packet_world_model *world, uint32_t at)
{
	const struct packet_world_vip *from = &packet_world_vips[at];
	struct model_vip *vip = &world->vips[at];
	const char *json = from->backends;
	uint32_t weighted[WORLD_BACKENDS_MAX], weighted_count = 0;

	*vip = (struct model_vip){ .port_first = from->port_first,
				   .port_last = from->port_last,
				   .protocol = from->protocol,
				   .table_size = WORLD_TABLE_SIZE,
				   .rows = world->rows[at],
				   .backends = world->backends[at] };
	vip->prefix_bits = put_prefix(from->address, vip->address);
	set_policy(vip, from->policy);
	for (; (json = strstr(json, "{")) != NULL && vip->backend_count < WORLD_BACKENDS_MAX;
	     json++) {
		set_backend(&world->backends[at][vip->backend_count], json);
		if (world->backends[at][vip->backend_count].weight != 0)
			weighted[weighted_count++] = vip->backend_count;
		vip->backend_count++;
	}
	for (uint32_t row = 0; row < WORLD_TABLE_SIZE; row++)
		world->rows[at][row] =
			weighted_count == 0 ? MODEL_NONE : weighted[row % weighted_count];
}

void
packet_world_model_open(struct packet_world_model *world)
{
	struct model_state *state = &world->state;

	memset(world, 0, sizeof *world);
	put_bytes(PACKET_WORLD_KEY, sizeof state->key, 2, state->key);
	state->answers_left = MODEL_UNLIMITED;
	state->port_count = PACKET_WORLD_PORTS;
	for (uint32_t i = 0; i < PACKET_WORLD_PORTS; i++) {
		struct model_port *port = &state->ports[i];

		put_bytes(packet_world_ports[i].mac, 6, 3, port->mac);
		port->mtu = packet_world_ports[i].mtu;
		port->vlan = (enum model_vlan)packet_world_ports[i].vlan;
		memcpy(port->tags, packet_world_ports[i].tags, sizeof port->tags);
	}
	state->source4.has = state->source4.has_entropy = true;
	state->source6.has = state->source6.has_entropy = true;
	put_prefix(PACKET_WORLD_SOURCE_IPV4, state->source4.address);
	put_prefix(PACKET_WORLD_SOURCE_IPV6, state->source6.address);
	state->source4.entropy_bits = put_prefix(PACKET_WORLD_ENTROPY_IPV4, state->source4.entropy);
	state->source6.entropy_bits = put_prefix(PACKET_WORLD_ENTROPY_IPV6, state->source6.entropy);
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++)
		set_vip(world, i);
	state->vips = world->vips;
	state->rows = world->moving;
	state->buckets = world->buckets;
	state->bucket_count = WORLD_BUCKETS;
	state->vip_count = PACKET_WORLD_VIP_COUNT;
}
