/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what packet_mutate() makes reaches every verdict and every way to send, and its inputs are
 * well-formed, whatever it is given.
 * Method: chains of mutations; each input is taken apart by packet_split() and its frames are
 * decided by the packet model on the VIPs of packet_world.h. Each verdict that a packet can bring
 * about must come up often enough for a fuzzer to live on it. Half of the chains begin with random
 * bytes.
 *
 * test_packet_mutator [SEED]; the seed is printed, so that a failure can be replayed.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_model.h"
#include "packet_mutator.h"
#include "packet_world.h"

enum {
	CHAINS = 1500,
	STEPS = 40, /* mutations of one input */
	TABLE_SIZE = 251,
	BACKENDS_MAX = 8,
	BROAD_PERCENT_MIN = 10, /* of the frames that are forwarded or answered */
};

struct reach {
	const char *name;
	uint32_t least; /* of 100,000 frames; about 0.7 of what was seen to be */
	uint32_t count;
};

static struct reach reached[] = {
	{ "forward", 17740, 0 },
	{ "answer_echo", 600, 0 },
	{ "answer_too_big", 450, 0 },
	{ "pass_not_ip", 3150, 0 },
	{ "pass_vlan", 1220, 0 },
	{ "pass_no_vip", 4770, 0 },
	{ "pass_protocol", 2270, 0 },
	{ "pass_icmp", 310, 0 },
	{ "pass_no_backend", 1550, 0 },
	{ "drop_truncated", 3020, 0 },
	{ "drop_bad_header", 1620, 0 },
	{ "drop_bad_length", 6730, 0 },
	{ "drop_ipv6_extension", 840, 0 },
	{ "drop_routing_header", 150, 0 },
	{ "drop_source_vip", 700, 0 },
	{ "drop_source_multicast", 830, 0 },
	{ "drop_source_broadcast", 270, 0 },
	{ "drop_source_loopback", 560, 0 },
	{ "drop_source_unspecified", 490, 0 },
	{ "drop_loop", 630, 0 },
	{ "drop_fragment", 870, 0 },
	{ "drop_fragment_order", 9790, 0 },
	{ "drop_icmp", 750, 0 },
	{ "drop_icmp_quote", 4270, 0 },
	{ "drop_no_backend", 830, 0 },
	{ "drop_unreachable", 1490, 0 },
	{ "drop_ttl", 1220, 0 },
	{ "drop_too_big", 210, 0 },
	{ "later fragment forwarded", 4190, 0 },
	{ "limited", 100, 0 },
	{ "ipip", 8750, 0 },
	{ "gue", 4150, 0 },
	{ "l2dsr", 4630, 0 },
	{ "error forwarded", 1450, 0 },
	{ "echo forwarded", 100, 0 },
	{ "with tags", 4320, 0 },
};

enum { REACHED = sizeof reached / sizeof *reached };

static struct model_state state;
static struct model_vip vips[PACKET_WORLD_VIP_COUNT];
static struct model_backend backends[PACKET_WORLD_VIP_COUNT][BACKENDS_MAX];
static uint32_t rows[PACKET_WORLD_VIP_COUNT][TABLE_SIZE];
static struct model_result result;
static uint32_t frames, failed, passed;

static void
check(bool is_right, const char *what, const char *name)
{
	if (is_right) {
		passed++;
	} else {
		failed++;
		printf("failed: %s %s\n", what, name);
	}
}

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
put_mac(const char *text, uint8_t ret_mac[6])
{
	for (uint32_t i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
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
		put_mac(port->gateway_mac, backend->mac);
	}
}

static bool
has(const char *policy, const char *member)
{
	return strstr(policy, member) != NULL;
}

/* Rows in turn to those with a weight: any table will do. */
static void
set_vip(uint32_t at)
{
	const struct packet_world_vip *from = &packet_world_vips[at];
	struct model_vip *vip = &vips[at];
	const char *json = from->backends;
	uint32_t weighted[BACKENDS_MAX], weighted_count = 0;

	*vip = (struct model_vip){ .port_first = from->port_first,
				   .port_last = from->port_last,
				   .protocol = from->protocol,
				   .table_size = TABLE_SIZE,
				   .rows = rows[at],
				   .backends = backends[at] };
	vip->prefix_bits = put_prefix(from->address, vip->address);
	vip->mode = has(from->policy, "'gue'")	   ? MODEL_GUE
		    : has(from->policy, "'l2dsr'") ? MODEL_L2DSR
						   : MODEL_IPIP;
	vip->fragments = has(from->policy, "'fragments':'drop'");
	vip->icmp_echo = has(from->policy, "'icmp_echo':'forward'") ? MODEL_ECHO_FORWARD
			 : has(from->policy, "'icmp_echo':'host'")  ? MODEL_ECHO_HOST
								    : MODEL_ECHO_ANSWER;
	vip->no_backend = has(from->policy, "'no_backend':'host'");
	for (; (json = strstr(json, "{")) != NULL && vip->backend_count < BACKENDS_MAX; json++) {
		set_backend(&backends[at][vip->backend_count], json);
		if (backends[at][vip->backend_count].weight != 0)
			weighted[weighted_count++] = vip->backend_count;
		vip->backend_count++;
	}
	for (uint32_t row = 0; row < TABLE_SIZE; row++)
		rows[at][row] = weighted_count == 0 ? MODEL_NONE : weighted[row % weighted_count];
}

static void
state_open(void)
{
	state.port_count = PACKET_WORLD_PORTS;
	for (uint32_t i = 0; i < PACKET_WORLD_PORTS; i++) {
		struct model_port *port = &state.ports[i];

		put_mac(packet_world_ports[i].mac, port->mac);
		port->mtu = packet_world_ports[i].mtu;
		port->vlan = (enum model_vlan)packet_world_ports[i].vlan;
		memcpy(port->tags, packet_world_ports[i].tags, sizeof port->tags);
	}
	state.source4.has = state.source4.has_entropy = true;
	state.source6.has = state.source6.has_entropy = true;
	put_prefix(PACKET_WORLD_SOURCE_IPV4, state.source4.address);
	put_prefix(PACKET_WORLD_SOURCE_IPV6, state.source6.address);
	state.source4.entropy_bits = put_prefix(PACKET_WORLD_ENTROPY_IPV4, state.source4.entropy);
	state.source6.entropy_bits = put_prefix(PACKET_WORLD_ENTROPY_IPV6, state.source6.entropy);
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT; i++)
		set_vip(i);
	state.vips = vips;
	state.vip_count = PACKET_WORLD_VIP_COUNT;
}

static void
count(const char *name)
{
	for (uint32_t i = 0; i < REACHED; i++) {
		if (strcmp(reached[i].name, name) == 0) {
			reached[i].count++;
			return;
		}
	}
	check(false, "no such verdict:", name);
}

/* What the frame's transport is, where nothing is in between. */
static uint32_t
protocol_at_first_sight(const struct packet_view *view)
{
	if (view->count < 34 || view->bytes[12] != 8)
		return view->count >= 54 && view->bytes[12] == 0x86 ? view->bytes[20] : 0;
	return view->bytes[23];
}

static void
count_forwarded(const struct packet_view *view)
{
	static const char *const modes[] = { "ipip", "gue", "l2dsr" };
	uint32_t protocol = protocol_at_first_sight(view);
	uint32_t ip_bytes = view->bytes[12] == 8 ? 20 : 40;

	count(modes[vips[result.vip].mode]);
	if (result.later_fragment)
		count("later fragment forwarded");
	if (view->bytes[12] == 0x81 || view->bytes[12] == 0x88)
		count("with tags");
	if (protocol == 1 || protocol == 58) {
		bool is_echo = view->bytes[14 + ip_bytes] == (protocol == 1 ? 8 : 128);

		count(is_echo ? "echo forwarded" : "error forwarded");
	}
}

static void
decide(const struct packet_view *view, uint64_t now_ms)
{
	struct model_input input = { .in_port = view->in_port % PACKET_WORLD_PORTS,
				     .now_ms = now_ms,
				     .frame_bytes = view->count };
	uint8_t *frame = malloc((size_t)view->count + 1);

	if (frame == NULL)
		abort();
	memcpy(frame + 1, view->bytes, view->count); /* ends where the block ends */
	input.frame = frame + 1;
	if (model_packet(&state, &input, &result) != 0)
		abort();
	frames++;
	count(result.verdict);
	if (result.event != NULL)
		count("limited");
	if (strcmp(result.verdict, "forward") == 0)
		count_forwarded(view);
	free(frame);
}

/* Also of every beginning of the input; views lie in what they are given. */
static void
check_split(const uint8_t *data, size_t size, uint32_t seed)
{
	struct packet_view views[PACKET_FRAMES_MAX];
	size_t cut = size == 0 ? 0 : seed % size;
	uint8_t *start = malloc(cut + 1);
	uint32_t view_count;

	if (start == NULL)
		abort();
	memcpy(start + 1, data, cut);
	view_count = packet_split(start + 1, cut, views);
	for (uint32_t i = 0; i < view_count; i++)
		if (views[i].bytes < start + 1 || views[i].bytes + views[i].count > start + 1 + cut)
			check(false, "a view lies outside of", "its input");
	free(start);
}

static void
run_chain(uint32_t seed)
{
	static uint8_t data[PACKET_INPUT_BYTES_MAX], again[PACKET_INPUT_BYTES_MAX];
	struct packet_view views[PACKET_FRAMES_MAX];
	size_t size = seed % 2 * 64, max_size = sizeof data;

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(seed * 2654435761u >> (i % 4 * 8));
	if (seed % 16 == 0)
		max_size = 200;
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t view_count;
		size_t again_size;

		memcpy(again, data, size);
		again_size = packet_mutate(again, size, max_size, seed * STEPS + step);
		size = packet_mutate(data, size, max_size, seed * STEPS + step);
		if (size != again_size || memcmp(data, again, size) != 0 || size > max_size)
			check(false, "not the same change twice,", "or too long");
		state.answers_left = seed % 4 == 0 ? 0 : MODEL_UNLIMITED;
		view_count = packet_split(data, size, views);
		for (uint32_t i = 0; i < view_count; i++)
			decide(&views[i], (uint64_t)seed * 100000 + step * 100);
		check_split(data, size, seed + step);
	}
}

int
main(int argc, char **argv)
{
	uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1, broad;

	printf("seed %u, %u chains of %u mutations\n", seed, CHAINS, STEPS);
	state_open();
	for (uint32_t i = 0; i < CHAINS; i++)
		run_chain(seed * CHAINS + i);
	for (uint32_t i = 0; i < REACHED; i++) {
		uint64_t least = (uint64_t)reached[i].least * frames / 100000;

		printf("%-26s %u\n", reached[i].name, reached[i].count);
		check(reached[i].count >= least, "hardly reached:", reached[i].name);
	}
	broad = reached[0].count + reached[1].count + reached[2].count;
	check(broad >= frames / 100 * BROAD_PERCENT_MIN, "few frames", "get through");
	model_forget(&state);
	printf("%u frames\n%u passed, %u failed\n", frames, passed, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
