/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: whatever bytes arrive, the decision reads and writes nothing outside the frame, and what it
 * forwards is a right encapsulation of what came, to a backend of the set.
 * Method: libFuzzer; the input is a frame, in a heap block of exactly its size (AddressSanitizer
 * has a red zone at both ends), decided on the tables of the packet cases. What must hold of any
 * output is checked from the bytes alone. Half of the inputs get a VIP's address, protocol and port
 * written over their own, so that the walk goes beyond the look-up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../frames.h"
#include "../packet/case_table.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed);

enum { RUNS_THAT_TELL = 1000000, VIPS_MAX = 64 };

static struct plane_fixture fixture;
static const struct fl_vip *vips[VIPS_MAX];
static uint32_t vip_count;
static uint64_t runs, verdicts[FL_VERDICT_COUNT];

#define REQUIRE(condition)                                           \
	do {                                                         \
		if (!(condition)) {                                  \
			fprintf(stderr, "broken: %s\n", #condition); \
			abort();                                     \
		}                                                    \
	} while (0)

/* A run that forwarded hardly anything has shown nothing. */
static void
say_verdicts(void)
{
	fprintf(stderr, "verdicts:");
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		fprintf(stderr, " %s %lu", plane_verdict_name(i), verdicts[i]);
	fprintf(stderr, "\n");
	if (runs >= RUNS_THAT_TELL && verdicts[FL_FORWARD] < runs / 1000) {
		fprintf(stderr, "broken: only %lu of %lu were forwarded\n", verdicts[FL_FORWARD],
			runs);
		_exit(1);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	case_tables_open(&fixture, 0);
	for (uint32_t i = 0; i < fixture.size.vip_count && vip_count < VIPS_MAX; i++)
		if (fixture.tables.vips[i].key.ip_proto != 0)
			vips[vip_count++] = &fixture.tables.vips[i];
	REQUIRE(vip_count > 0);
	return atexit(say_verdicts);
}

/* Is the outer destination that of a slot of the VIP that the packet was for? */
static bool
is_backend_of(const struct fl_vip *vip, const uint8_t *target, uint32_t bytes)
{
	for (uint32_t i = 0; i < vip->slot_count; i++) {
		const struct fl_backend *backend = &fixture.tables.backends[vip->slot_base + i];
		uint32_t end = bytes == 4 ? 20 : 40;

		if (fl_link_flags(backend->link) & FL_LINK_LIVE && backend->header_bytes == end &&
		    memcmp(backend->header + end - bytes, target, bytes) == 0)
			return true;
	}
	return false;
}

static void
check_output(const struct plane_walk *walk, const uint8_t *frame, uint32_t frame_bytes)
{
	const struct fl_vip *vip = &fixture.tables.vips[walk->vip_index];
	uint32_t outer_bytes = fl_encap_bytes(&fixture.tables.backends[walk->slot]) - 14;
	uint8_t *out = malloc(14 + outer_bytes + walk->packet.l3_bytes); /* exactly */
	const uint8_t *ip = out + 14;
	uint32_t bytes, inner_bytes;

	REQUIRE(out != NULL);
	bytes = plane_walk_output(&fixture.tables, walk, frame, out);
	REQUIRE(bytes == 14 + outer_bytes + walk->packet.l3_bytes);
	/* the inner packet's own length, read from the input */
	inner_bytes = frame[14] >> 4 == 4 ? frame_get16(frame + 16) : 40 + frame_get16(frame + 18);
	REQUIRE(inner_bytes == walk->packet.l3_bytes && 14 + inner_bytes <= frame_bytes);
	REQUIRE(memcmp(ip + outer_bytes, frame + 14, inner_bytes) == 0);
	if (ip[0] == 0x45) {
		REQUIRE(outer_bytes == 20 && frame_get16(out + 12) == 0x0800);
		REQUIRE(frame_get16(ip + 2) == 20 + inner_bytes && ip[8] == 64);
		REQUIRE(frame_checksum(ip, 20) == 0);
		REQUIRE(ip[9] == (frame[14] >> 4 == 4 ? 4 : 41));
		REQUIRE(is_backend_of(vip, ip + 16, 4));
	} else {
		REQUIRE(ip[0] >> 4 == 6 && outer_bytes == 40 && frame_get16(out + 12) == 0x86dd);
		REQUIRE(frame_get16(ip + 4) == inner_bytes && ip[7] == 64);
		REQUIRE(ip[6] == (frame[14] >> 4 == 4 ? 4 : 41));
		REQUIRE(is_backend_of(vip, ip + 24, 16));
	}
	free(out);
}

/* Our own output, fed back in, is not encapsulated again. */
static void
check_no_loop(const struct plane_walk *walk, const uint8_t *frame, uint32_t frame_bytes)
{
	uint8_t *out = malloc(frame_bytes + FL_ENCAP_BYTES_MAX);
	struct plane_walk again;

	REQUIRE(out != NULL);
	REQUIRE(plane_walk(&fixture.tables, out,
			   plane_walk_output(&fixture.tables, walk, frame, out),
			   &again) != FL_FORWARD);
	free(out);
}

/* Only the beginning can be read (segments, XDP): the same end, or "truncated". */
static void
check_cut(const uint8_t *frame, uint32_t frame_bytes, enum fl_verdict whole)
{
	uint32_t bytes = frame[frame_bytes - 1] % frame_bytes;
	uint8_t *start = malloc(bytes); /* exactly */
	struct fl_cursor cursor = { .pos = start, .end = start + bytes };
	struct fl_packet packet = { .on_vip = FL_FORWARD };
	enum fl_verdict verdict;

	REQUIRE(start != NULL || bytes == 0);
	if (start == NULL)
		return;
	memcpy(start, frame, bytes);
	verdict = fl_parse(&cursor, frame_bytes, &packet);
	REQUIRE(verdict == whole || verdict == FL_DROP_TRUNCATED);
	free(start);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size);
	struct plane_walk walk, again;
	enum fl_verdict verdict;

	if (frame == NULL || size == 0 || size > UINT16_MAX) {
		free(frame);
		return 0;
	}
	memcpy(frame, data, size);
	verdict = plane_walk(&fixture.tables, frame, (uint32_t)size, &walk);
	REQUIRE(verdict < FL_VERDICT_COUNT && verdict == walk.verdict);
	runs++;
	verdicts[verdict]++;
	REQUIRE((verdict == FL_FORWARD) == (walk.reached == PLANE_WALK_DONE));
	REQUIRE(plane_walk(&fixture.tables, frame, (uint32_t)size, &again) == verdict);
	REQUIRE(memcmp(frame, data, size) == 0);
	check_cut(frame, (uint32_t)size, walk.reached == PLANE_WALK_PARSE ? verdict : FL_FORWARD);
	if (verdict == FL_FORWARD) {
		check_output(&walk, frame, (uint32_t)size);
		check_no_loop(&walk, frame, (uint32_t)size);
	}
	free(frame);
	return 0;
}

/* Write a VIP's address, protocol and port into the frame where the headers of its family would
 * have them. */
static void
aim_at_vip(uint8_t *data, size_t size, uint32_t random)
{
	const struct fl_vip *vip = vips[random % vip_count];
	bool is_ipv4 = fl_addr_is_ipv4(&vip->key.address);
	uint32_t l4 = is_ipv4 ? 34 : 54;

	if (size < l4 + 4)
		return;
	frame_put16(data + 12, is_ipv4 ? 0x0800 : 0x86dd);
	if (is_ipv4) {
		data[14] = 0x45;
		frame_put16(data + 16, (uint32_t)size - 14);
		frame_put16(data + 20, 0x4000);
		data[23] = vip->key.ip_proto;
		memcpy(data + 30, &vip->key.address.word[3], 4);
	} else {
		data[14] = (uint8_t)(0x60 | (data[14] & 15));
		frame_put16(data + 18, (uint32_t)size - 54);
		data[20] = vip->key.ip_proto;
		memcpy(data + 38, vip->key.address.word, 16);
	}
	memcpy(data + l4 + 2, &vip->key.port, 2);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed)
{
	if (seed & 1)
		aim_at_vip(data, size, seed >> 8);
	size = LLVMFuzzerMutate(data, size, size_max);
	if (seed & 2)
		aim_at_vip(data, size, seed >> 16);
	return size;
}
