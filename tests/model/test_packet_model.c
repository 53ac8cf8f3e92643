/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the packet model says what docs/formats.md says, so that it may judge the planes.
 * Method: frames that scapy built (make_packet_model_cases.py), with the verdict of the document's
 * row and the bytes that scapy says must leave; each frame lies in a heap block of exactly its
 * size. SipHash against published vectors of SipHash-1-3. Every frame is tried again cut at each
 * length: no reading beyond it (the sanitizers look), and always a verdict.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_model.h"

enum {
	ENTROPY = 1, /* outer sources of ipip come from the prefixes */
	LIMITED = 2, /* no too-big answer is allowed any more */
	TABLE_SIZE = 4093,
	VIPS_MAX = 32,
	NO_WEIGHT = 1,
	UNREACHABLE = 2,
	DEAD = 4,
};

struct model_case {
	const char *name, *verdict;
	uint32_t port;	  /* it leaves by */
	uint32_t wait_ms; /* before it */
	uint32_t flags;
	const char *in,
		*out; /* hexadecimal; {61*1400}: a byte repeated; out NULL: nothing leaves */
};

#include "packet_model_cases.h"
#include "packet_model_cases_more.h"

struct test_vip {
	const char *address;
	uint32_t bits, port_first, port_last;
	uint8_t protocol;
	const char *backend;
	uint32_t port;
	enum model_mode mode;
	enum model_icmp_echo icmp_echo;
	uint32_t flags;
};

/* 192.0.2.20 has four backends, 14 fragments drop, 18 no_backend host: see state_open(). */
static const struct test_vip test_vips[] = {
	{ "192.0.2.10", 128, 0, 65535, 6, "10.1.1.19", 0, .mode = MODEL_IPIP },
	{ "192.0.2.10", 128, 100, 200, 6, "10.1.1.20", 0, .mode = MODEL_IPIP },
	{ "192.0.2.10", 128, 80, 80, 6, "10.1.1.11", 0, .mode = MODEL_IPIP },
	{ "192.0.2.10", 128, 53, 53, 17, "10.1.2.12", 1, .mode = MODEL_GUE },
	{ "192.0.2.11", 128, 443, 443, 6, "2001:db8:1:1::11", 0, .mode = MODEL_IPIP },
	{ "192.0.2.11", 128, 53, 53, 17, "2001:db8:1:2::13", 1, .mode = MODEL_GUE },
	{ "2001:db8:2::10", 128, 80, 80, 6, "10.1.1.13", 0, .mode = MODEL_IPIP },
	{ "2001:db8:2::10", 128, 53, 53, 17, "2001:db8:1:1::14", 0, .mode = MODEL_GUE },
	{ "2001:db8:2::11", 128, 443, 443, 6, "2001:db8:1:2::12", 1, .mode = MODEL_IPIP },
	{ "192.0.2.12", 128, 0, 65535, 6, "10.1.1.12", 0, .mode = MODEL_L2DSR },
	{ "192.0.2.12", 128, 0, 65535, 17, "10.1.3.12", 2, .mode = MODEL_L2DSR },
	{ "192.0.2.0", 120, 8000, 8999, 6, "10.1.1.15", 0, .icmp_echo = MODEL_ECHO_HOST },
	{ "192.0.0.0", 112, 0, 65535, 6, "10.1.1.16", 0, .icmp_echo = MODEL_ECHO_FORWARD },
	{ "192.0.2.14", 128, 80, 80, 6, "10.1.1.14", 0, .mode = MODEL_IPIP },
	{ "192.0.2.15", 128, 80, 80, 6, "10.1.9.9", 0, .flags = UNREACHABLE },
	{ "192.0.2.16", 128, 80, 80, 6, "10.1.1.17", 0, .flags = DEAD },
	{ "192.0.2.17", 128, 80, 80, 6, "10.1.1.18", 0, .flags = NO_WEIGHT },
	{ "192.0.2.18", 128, 80, 80, 6, "10.1.1.18", 0, .flags = NO_WEIGHT },
	{ "192.0.2.20", 128, 80, 80, 6, "10.1.1.21", 0, .mode = MODEL_IPIP },
	{ "192.0.2.21", 128, 80, 80, 6, "10.1.4.21", 3, .mode = MODEL_IPIP },
	{ "2001:db8:2::", 64, 0, 65535, 17, "2001:db8:1:4::17", 3,
	  .icmp_echo = MODEL_ECHO_FORWARD },
};

enum { VIP_COUNT = sizeof test_vips / sizeof *test_vips };

static struct model_vip vips[VIPS_MAX];
static struct model_backend backends[VIPS_MAX][4];
static uint32_t rows_of_first[TABLE_SIZE], rows_of_none[TABLE_SIZE], rows_of_pattern[TABLE_SIZE];
static struct model_result result;
static uint32_t passed, failed;

static void
check(bool is_right, const char *name, const char *what)
{
	if (is_right) {
		passed++;
		return;
	}
	failed++;
	printf("failed: %s: %s\n", name, what);
}

static void
put_address(const char *text, uint8_t ret_address[16])
{
	memset(ret_address, 0, 16);
	if (inet_pton(AF_INET6, text, ret_address) == 1)
		return;
	memset(ret_address + 10, 0xff, 2);
	if (inet_pton(AF_INET, text, ret_address + 12) != 1)
		abort();
}

static void
set_vip(uint32_t at)
{
	const struct test_vip *from = &test_vips[at];
	struct model_vip *vip = &vips[at];

	*vip = (struct model_vip){ .prefix_bits = from->bits,
				   .port_first = from->port_first,
				   .port_last = from->port_last,
				   .protocol = from->protocol,
				   .mode = from->mode,
				   .icmp_echo = from->icmp_echo,
				   .table_size = TABLE_SIZE,
				   .rows = rows_of_first,
				   .backends = backends[at],
				   .backend_count = 1 };
	put_address(from->address, vip->address);
	for (uint32_t i = 0; i < 4; i++) {
		struct model_backend *backend = &backends[at][i];

		put_address(from->backend, backend->address);
		backend->address[15] = (uint8_t)(backend->address[15] + i);
		backend->port = from->port;
		memcpy(backend->mac, "\x02\x00\x00\x00\x01", 5);
		backend->mac[5] = (uint8_t)(from->port + 1);
		backend->reachable = (from->flags & UNREACHABLE) == 0;
		backend->live = (from->flags & DEAD) == 0;
		backend->weight = (from->flags & NO_WEIGHT) == 0 ? 100 : 0;
	}
	if ((from->flags & NO_WEIGHT) != 0)
		vip->rows = rows_of_none;
	if (strcmp(from->address, "192.0.2.14") == 0)
		vip->fragments = MODEL_FRAGMENTS_DROP;
	if (strcmp(from->address, "192.0.2.18") == 0)
		vip->no_backend = MODEL_NO_BACKEND_HOST;
	if (strcmp(from->address, "192.0.2.20") == 0) {
		vip->rows = rows_of_pattern;
		vip->backend_count = 4;
	}
}

static void
state_open(struct model_state *state)
{
	static const struct model_port ports[] = {
		{ { 2, 0, 0, 0, 0, 1 }, 1500, MODEL_VLAN_KEEP, { 0, 0 } },
		{ { 2, 0, 0, 0, 0, 2 }, 1400, MODEL_VLAN_ONE, { 7, 0 } },
		{ { 2, 0, 0, 0, 0, 3 }, 1500, MODEL_VLAN_NONE, { 0, 0 } },
		{ { 2, 0, 0, 0, 0, 4 }, 1300, MODEL_VLAN_TWO, { 100, 200 } },
	};

	*state = (struct model_state){ .port_count = 4, .vips = vips, .vip_count = VIP_COUNT };
	memcpy(state->ports, ports, sizeof ports);
	memcpy(state->key, "\x8f\x14\xe4\x5f\xce\xea\x16\x7a\x5a\x36\xde\xdd\x4b\xea\x25\x43", 16);
	state->source4.has = true;
	state->source6.has = true;
	put_address("10.1.0.5", state->source4.address);
	put_address("2001:db8:1::5", state->source6.address);
	put_address("10.1.64.0", state->source4.entropy);
	put_address("2001:db8:1:e::", state->source6.entropy);
	state->source4.entropy_bits = 96 + 18;
	state->source6.entropy_bits = 64;
	for (uint32_t i = 0; i < TABLE_SIZE; i++) {
		rows_of_none[i] = MODEL_NONE;
		rows_of_pattern[i] = i % 5 == 4 ? MODEL_NONE : i % 5;
	}
	for (uint32_t i = 0; i < VIP_COUNT; i++)
		set_vip(i);
}

static uint32_t
digit(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, c);

	if (c == '\0' || at == NULL)
		abort();
	return (uint32_t)(at - digits);
}

/* @return bytes. */
static uint32_t
decode(const char *text, uint8_t *ret_bytes)
{
	uint32_t count = 0;

	while (*text != '\0') {
		uint32_t times = 1;
		bool is_run = *text == '{';
		uint8_t byte;

		text += is_run;
		byte = (uint8_t)(digit(text[0]) * 16 + digit(text[1]));
		text += 2;
		if (is_run) {
			char *end;

			times = (uint32_t)strtoul(text + 1, &end, 10);
			text = end + 1;
		}
		if (times > MODEL_OUT_BYTES_MAX - count)
			abort();
		memset(ret_bytes + count, byte, times);
		count += times;
	}
	return count;
}

static struct model_input
case_input(const struct model_case *row, uint64_t now_ms)
{
	static uint8_t decoded[MODEL_OUT_BYTES_MAX];
	uint32_t bytes = decode(row->in, decoded);
	uint8_t *frame = malloc(bytes); /* exactly, for the sanitizer's red zone */

	if (frame == NULL && bytes != 0)
		abort();
	if (bytes != 0)
		memcpy(frame, decoded, bytes);
	return (struct model_input){ .now_ms = now_ms, .frame = frame, .frame_bytes = bytes };
}

static void
run_case(struct model_state *state, const struct model_case *row, uint64_t now_ms)
{
	static uint8_t expected[MODEL_OUT_BYTES_MAX];
	struct model_input input = case_input(row, now_ms);
	uint32_t expected_bytes = row->out == NULL ? 0 : decode(row->out, expected);
	char what[128];

	state->source4.has_entropy = (row->flags & ENTROPY) != 0;
	state->source6.has_entropy = (row->flags & ENTROPY) != 0;
	state->answers_left = (row->flags & LIMITED) != 0 ? 0 : MODEL_UNLIMITED;
	if (model_packet(state, &input, &result) != 0) {
		check(false, row->name, "refused");
	} else if (strcmp(result.verdict, row->verdict) != 0) {
		snprintf(what, sizeof what, "%s, not %s", result.verdict, row->verdict);
		check(false, row->name, what);
	} else if (result.out_bytes != expected_bytes) {
		snprintf(what, sizeof what, "%u bytes leave, not %u", result.out_bytes,
			 expected_bytes);
		check(false, row->name, what);
	} else {
		uint32_t same = 0;

		while (same < expected_bytes && result.out[same] == expected[same])
			same++;
		snprintf(what, sizeof what, "byte %u of what leaves", same);
		check(same == expected_bytes, row->name, what);
		if (expected_bytes != 0)
			check(result.out_port == row->port, row->name, "the port it leaves by");
		check((result.event != NULL) == ((row->flags & LIMITED) != 0), row->name, "event");
	}
	free((uint8_t *)(uintptr_t)input.frame);
}

/* Cut short, every frame still has a verdict, and nothing beyond its end is read. */
static void
run_cuts(struct model_state *state, const struct model_case *row)
{
	struct model_input input = case_input(row, 0);
	const uint8_t *frame = input.frame;
	uint32_t bytes = input.frame_bytes, verdicts = 0, cuts = bytes < 200 ? bytes : 200;

	for (uint32_t cut = 0; cut < cuts; cut++) {
		uint8_t *start = malloc(cut + 1);

		if (start == NULL)
			abort();
		memcpy(start + 1, frame, cut); /* ends where the block ends */
		input.frame = start + 1;
		input.frame_bytes = cut;
		if (model_packet(state, &input, &result) == 0 && result.verdict != NULL)
			verdicts++;
		free(start);
	}
	check(verdicts == cuts, row->name, "cut");
	free((uint8_t *)(uintptr_t)frame);
}

static void
run_table(const struct model_case *rows, uint32_t count)
{
	struct model_state state;
	uint64_t now_ms = 1000000;

	state_open(&state);
	for (uint32_t i = 0; i < count; i++) {
		now_ms += rows[i].wait_ms;
		run_case(&state, &rows[i], now_ms);
	}
	model_forget(&state);
	for (uint32_t i = 0; i < count; i++)
		run_cuts(&state, &rows[i]);
	model_forget(&state);
}

/* SipHash-1-3 of the bytes 0, 1, ... under the key 0, 1, ..., 15: published vectors. */
static void
test_siphash(void)
{
	static const struct {
		uint32_t bytes;
		uint64_t hash;
	} vectors[] = {
		{ 0, UINT64_C(0xabac0158050fc4dc) },
		{ 1, UINT64_C(0xc9f49bf37d57ca93) },
		{ 8, UINT64_C(0x369095118d299a8e) },
		{ 15, UINT64_C(0xd320d86d2a519956) },
	};
	uint8_t bytes[64];

	for (uint32_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	for (uint32_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		check(model_siphash13(bytes, bytes, vectors[i].bytes) == vectors[i].hash, "siphash",
		      "a published vector");
}

/* The counter of answers goes down to 0 and then says so. */
static void
test_answers_are_counted(void)
{
	struct model_state state;
	struct model_input input = { 0 };
	const struct model_case *row = NULL;

	for (uint32_t i = 0; i < sizeof packet_model_cases_more / sizeof *packet_model_cases_more;
	     i++)
		if (strcmp(packet_model_cases_more[i].verdict, "answer_too_big") == 0)
			row = &packet_model_cases_more[i];
	if (row == NULL)
		abort();
	state_open(&state);
	state.answers_left = 2;
	input = case_input(row, 0);
	for (uint32_t i = 0; i < 3; i++) {
		(void)model_packet(&state, &input, &result);
		check(strcmp(result.verdict, i < 2 ? "answer_too_big" : "drop_too_big") == 0,
		      "answers left", result.verdict);
	}
	check(result.event != NULL && strcmp(result.event, "answer_limited") == 0, "answers left",
	      "event");
	free((uint8_t *)(uintptr_t)input.frame);
}

int
main(void)
{
	test_siphash();
	test_answers_are_counted();
	run_table(packet_model_cases, sizeof packet_model_cases / sizeof *packet_model_cases);
	run_table(packet_model_cases_more,
		  sizeof packet_model_cases_more / sizeof *packet_model_cases_more);
	printf("%u passed, %u failed\n", passed, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
