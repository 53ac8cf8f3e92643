/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what packet_mutate() makes reaches every verdict and every way to send, and its inputs are
 * well-formed, whatever it is given.
 * Method: chains of mutations; each input is taken apart by packet_split() and its frames are
 * decided by the packet model on the VIPs of packet_world.h, whose rows remember as
 * packet_world_rows.h says. Each verdict that a packet can bring about must come up often enough
 * for a fuzzer to live on it. Half of the chains begin with random bytes.
 *
 * test_packet_mutator [SEED]; the seed is printed, so that a failure can be replayed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_mutator.h"
#include "packet_world_rows.h"

enum {
	CHAINS = 1500,
	STEPS = 40,		/* mutations of one input */
	BROAD_PERCENT_MIN = 10, /* of the frames that are forwarded or answered */
};

struct reach {
	const char *name;
	uint32_t least; /* of 100,000 frames; about 0.7 of what was seen to be */
	uint32_t count;
};

static struct reach reached[] = {
	{ "forward", 17270, 0 },
	{ "answer_echo", 500, 0 },
	{ "answer_too_big", 600, 0 },
	{ "pass_not_ip", 2570, 0 },
	{ "pass_vlan", 1190, 0 },
	{ "pass_no_vip", 5140, 0 },
	{ "pass_protocol", 2000, 0 },
	{ "pass_icmp", 290, 0 },
	{ "pass_no_backend", 1940, 0 },
	{ "drop_truncated", 3410, 0 },
	{ "drop_bad_header", 1840, 0 },
	{ "drop_bad_length", 6600, 0 },
	{ "drop_ipv6_extension", 830, 0 },
	{ "drop_routing_header", 210, 0 },
	{ "drop_link_group", 2050, 0 },
	{ "drop_source_vip", 810, 0 },
	{ "drop_source_multicast", 900, 0 },
	{ "drop_source_broadcast", 340, 0 },
	{ "drop_source_loopback", 450, 0 },
	{ "drop_source_unspecified", 530, 0 },
	{ "drop_loop", 630, 0 },
	{ "drop_fragment", 750, 0 },
	{ "drop_fragment_order", 9960, 0 },
	{ "drop_icmp", 540, 0 },
	{ "drop_icmp_quote", 3310, 0 },
	{ "drop_no_backend", 2120, 0 },
	{ "drop_unreachable", 1640, 0 },
	{ "drop_ttl", 1240, 0 },
	{ "drop_too_big", 200, 0 },
	{ "later fragment forwarded", 970, 0 },
	{ "limited", 140, 0 },
	{ "ipip", 7800, 0 },
	{ "gue", 5350, 0 },
	{ "l2dsr", 4110, 0 },
	{ "error forwarded", 1140, 0 },
	{ "echo forwarded", 100, 0 },
	{ "with tags", 4240, 0 },
	{ "row or entry written", 6910, 0 },
	{ "no place for a flow", 190, 0 },
	{ "entry evicted", 120, 0 },
	{ "window extended", 120, 0 },
};

enum { REACHED = sizeof reached / sizeof *reached };

static struct packet_world_model world;
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

	count(modes[world.vips[result.vip].mode]);
	if (result.later_fragment)
		count("later fragment forwarded");
	if (view->bytes[12] == 0x81 || view->bytes[12] == 0x88)
		count("with tags");
	if (protocol == 1 || protocol == 58) {
		bool is_echo = view->bytes[14 + ip_bytes] == (protocol == 1 ? 8 : 128);

		count(is_echo ? "echo forwarded" : "error forwarded");
	}
}

/* @param rows, @param entries what the model had of both before the packet. */
static void
count_traces(const struct model_row *rows, const struct model_entry *entries)
{
	if (memcmp(rows, world.moving, sizeof world.moving) != 0 ||
	    memcmp(entries, world.buckets, sizeof world.buckets) != 0)
		count("row or entry written");
	if (result.is_failed)
		count("no place for a flow");
	if (result.is_evicted)
		count("entry evicted");
	if (result.is_extended)
		count("window extended");
}

static void
decide(const struct packet_view *view, uint64_t now_ms)
{
	struct model_row rows[WORLD_MOVING_MAX];
	struct model_entry entries[WORLD_BUCKETS][MODEL_BUCKET_ENTRIES];
	struct model_input input = { .in_port = view->in_port % PACKET_WORLD_PORTS,
				     .now_ms = now_ms,
				     .frame_bytes = view->count };
	uint8_t *frame = malloc((size_t)view->count + 1);

	if (frame == NULL)
		abort();
	memcpy(frame + 1, view->bytes, view->count); /* ends where the block ends */
	input.frame = frame + 1;
	memcpy(rows, world.moving, sizeof rows);
	memcpy(entries, world.buckets, sizeof entries);
	world.state.tick += packet_world_ticks(view->reserved);
	if (model_packet(&world.state, &input, &result) != 0)
		abort();
	frames++;
	count_traces(rows, entries[0]);
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
		world.state.answers_left = seed % 4 == 0 ? 0 : MODEL_UNLIMITED;
		view_count = packet_split(data, size, views);
		if (view_count > 0)
			packet_world_rows_make(&world, views, view_count);
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
	packet_world_model_open(&world);
	for (uint32_t i = 0; i < CHAINS; i++)
		run_chain(seed * CHAINS + i);
	for (uint32_t i = 0; i < REACHED; i++) {
		uint64_t least = (uint64_t)reached[i].least * frames / 100000;

		printf("%-26s %u\n", reached[i].name, reached[i].count);
		check(reached[i].count >= least, "hardly reached:", reached[i].name);
	}
	broad = reached[0].count + reached[1].count + reached[2].count;
	check(broad >= frames / 100 * BROAD_PERCENT_MIN, "few frames", "get through");
	model_forget(&world.state);
	printf("%u frames\n%u passed, %u failed\n", frames, passed, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
