/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: whatever frames arrive, the decision reads nothing outside of them and writes nothing but
 * what is its own to write: the fragment table, its flow's entry, its row's time, its counters; and
 * what must hold of any packet holds (output_checks.h).
 * Method: libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer. An input is a sequence
 * of frames (packet_mutator.h), each in a heap block of exactly its size, decided by plane_walk()
 * on the world of packet_world.h and packet_world_rows.h, whose tables are mapped read-only. There
 * is no oracle: each frame is decided again under other circumstances that must make no difference,
 * and its output is held against its input.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../frames.h"
#include "output_checks.h"
#include "packet_fuzz.h"
#include "packet_mutator.h"
#include "packet_world_plane.h"
#include "packet_world_rows.h"

enum { FILL = 0xa5, OTHER_FILL = 0x5a, MS_A_STEP = 100 };

static struct plane_fixture fixture;
static struct packet_world_model world;
static struct plane_tables tables; /* read-only but for fragments, rows and flows */
static struct plane_tables setup;  /* the same memory, to be written */
static struct fl_row *stable_rows; /* as they are before each input */
static struct fl_flow_counter *flow_counters;
static struct fl_fragments fragments;
static struct fl_core core;
static uint64_t runs, packets, verdicts[FL_VERDICT_COUNT];

/* What frames leave for others. */
struct traces {
	struct fl_fragments fragments;
	struct packet_world_memory memory;
};

/* A frame, where it comes by and when; and what became of it. */
struct decided {
	struct plane_run run;
	uint8_t *frame; /* exactly `bytes` */
	uint32_t bytes;
	struct plane_walk walk;
	uint8_t *out; /* exactly `room`: NULL when nothing leaves */
	uint32_t out_bytes, room;
	struct traces after;
	struct fl_flow_counter counted;
};

static void *
take(size_t bytes)
{
	void *memory = malloc(bytes);

	if (memory == NULL)
		abort();
	return memory;
}

/* --- tables that nobody may write --- */

/* Of memory that can be written at *ret_writable alone. */
static const void *
copy_read_only(const void *table, size_t bytes, void **ret_writable)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
	int file = memfd_create("table", 0);
	void *copy, *view;

	if (file < 0 || ftruncate(file, (off_t)room) != 0)
		abort();
	copy = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	view = mmap(NULL, room, PROT_READ, MAP_SHARED, file, 0);
	if (copy == MAP_FAILED || view == MAP_FAILED)
		abort();
	(void)close(file);
	memcpy(copy, table, bytes);
	*ret_writable = copy;
	return view;
}

#define COPY(member, count)                                                         \
	do {                                                                        \
		void *writable;                                                     \
                                                                                    \
		tables.member = (void *)copy_read_only(                             \
			tables.member, (count) * sizeof *tables.member, &writable); \
		setup.member = writable;                                            \
	} while (0)

static void
open_tables(void)
{
	const struct plane_tables_size *size = &fixture.size;

	packet_world_plane_open(&fixture);
	packet_world_model_open(&world);
	packet_world_copy_rows(&fixture, &world);
	tables = fixture.tables;
	setup = fixture.tables;
	COPY(config, 1);
	COPY(vip_buckets, size->vip_bucket_count);
	COPY(vips, size->vip_count);
	COPY(backends, size->backend_count);
	COPY(owners, size->owners_count);
	COPY(ports, FL_PORTS_MAX);
	COPY(clock, 1);
	REQUIRE(size->fragment_bucket_count == 1);
	REQUIRE(size->flow_bucket_count == WORLD_BUCKETS);
	tables.fragments = &fragments;
	stable_rows = take(size->row_count * sizeof *stable_rows);
	memcpy(stable_rows, tables.rows, size->row_count * sizeof *stable_rows);
	flow_counters = take(size->vip_count * sizeof *flow_counters);
	memset(flow_counters, 0, size->vip_count * sizeof *flow_counters);
}

/* --- deciding --- */

/* What the core counts of flows is taken away. */
static struct fl_flow_counter
take_counters(const struct decided *decided)
{
	struct fl_flow_counter sum = { 0 };

	for (uint32_t i = 0; i < fixture.size.vip_count; i++) {
		struct fl_flow_counter *counter = &flow_counters[i];

		if (counter->failed + counter->evicted + counter->extended + counter->raced == 0)
			continue;
		REQUIRE(decided->walk.decision.vip == &tables.vips[i]);
		fl_flow_add(&sum, counter);
		*counter = (struct fl_flow_counter){ 0 };
	}
	return sum;
}

/* @param bytes are copied. Traces and counters are as @p start says before; after, as
 * decided->after, decided->counted and `core` say. */
static void
decide(struct decided *decided, const uint8_t *bytes, uint8_t fill, const struct traces *start)
{
	decided->frame = take(decided->bytes);
	memcpy(decided->frame, bytes, decided->bytes);
	fragments = start->fragments;
	packet_world_store(&fixture, &setup, &world, &start->memory);
	plane_walk(&decided->run, decided->frame, decided->bytes, &decided->walk);
	decided->after.fragments = fragments;
	packet_world_load(&tables, &world, &decided->after.memory);
	decided->counted = take_counters(decided);
	decided->out = NULL;
	decided->out_bytes = 0;
	REQUIRE((uint32_t)decided->walk.verdict < FL_VERDICT_COUNT);
	REQUIRE(memcmp(decided->frame, bytes, decided->bytes) == 0);
	if (!fl_verdict_is_send(decided->walk.verdict))
		return;
	decided->room =
		fl_emit_resize(&decided->walk.packet, &decided->walk.decision, decided->bytes)
			.bytes;
	REQUIRE(decided->room <= decided->bytes + FL_HEAD_BYTES_MAX);
	decided->out = take(decided->room);
	memset(decided->out, fill, decided->room);
	decided->out_bytes =
		plane_walk_output(&decided->walk, decided->frame, decided->bytes, decided->out);
	REQUIRE(decided->out_bytes == decided->room);
}

static void
forget(struct decided *decided)
{
	free(decided->frame);
	free(decided->out);
}

/* @return the same circumstances for another frame of the same length. */
static struct decided
again(const struct decided *decided)
{
	return (struct decided){ .run = decided->run, .bytes = decided->bytes };
}

/* --- what makes no difference --- */

/* Another buffer with other bytes in it: nothing leaves that was not written or received. */
static void
check_repeat(const struct decided *first, const struct traces *start,
	     const struct fl_core *core_start)
{
	struct decided second = again(first);
	struct fl_core core_after = core;

	core = *core_start;
	decide(&second, first->frame, OTHER_FILL, start);
	REQUIRE(second.walk.verdict == first->walk.verdict);
	REQUIRE(second.out_bytes == first->out_bytes);
	REQUIRE(first->out == NULL || memcmp(second.out, first->out, first->out_bytes) == 0);
	REQUIRE(memcmp(&second.after, &first->after, sizeof first->after) == 0);
	REQUIRE(memcmp(&second.counted, &first->counted, sizeof first->counted) == 0);
	REQUIRE(memcmp(&core, &core_after, sizeof core) == 0);
	forget(&second);
}

/* Where the ports would be: behind all IP headers. 0: it is not a later fragment. */
static uint32_t
payload_of_later_fragment(const uint8_t *frame, uint32_t bytes)
{
	struct layers layers;
	uint32_t at = 40, ip_at;
	uint8_t kind;

	if (!layers_read(frame, bytes, &layers))
		return 0;
	ip_at = (uint32_t)(layers.ip - frame);
	/* of a header that is none, nothing is payload */
	if (layers.ip[0] >> 4 != (layers.is_ipv6 ? 6 : 4) ||
	    (!layers.is_ipv6 && (layers.ip[0] & 15u) < 5))
		return 0;
	if (!layers.is_ipv6)
		return frame_get16(layers.ip + 6) & 0x1fff ? ip_at + (layers.ip[0] & 15u) * 4 : 0;
	kind = layers.ip[6];
	while ((kind == 0 || kind == 43 || kind == 60 || kind == 51) && at + 8 <= layers.ip_bytes) {
		uint32_t length = layers.ip[at + 1], next = layers.ip[at];

		at += kind == 51 ? (length + 2) * 4 : (length + 1) * 8;
		kind = next;
	}
	if (kind != 44 || at + 8 > layers.ip_bytes)
		return 0;
	return frame_get16(layers.ip + at + 2) & 0xfff8 ? ip_at + at + 8 : 0;
}

/* Payload of a later fragment is no ports: whatever stands there, it goes where it went. */
static void
check_fragment(const struct decided *first, const struct traces *start,
	       const struct fl_core *core_start)
{
	uint32_t at = payload_of_later_fragment(first->frame, first->bytes);
	struct decided second = again(first);
	uint8_t *bytes;

	if (at == 0 || at >= first->bytes)
		return;
	bytes = take(first->bytes);
	memcpy(bytes, first->frame, first->bytes);
	for (uint32_t i = at; i < first->bytes && i < at + 20; i++)
		bytes[i] = (uint8_t)~bytes[i];
	core = *core_start;
	decide(&second, bytes, FILL, start);
	REQUIRE(second.walk.verdict == first->walk.verdict);
	REQUIRE(second.out_bytes == first->out_bytes);
	REQUIRE(second.walk.decision.slot == first->walk.decision.slot);
	REQUIRE(second.walk.decision.hash == first->walk.decision.hash);
	forget(&second);
	free(bytes);
}

/* Another packet of the flow: other id, other payload. It goes to the same backend. */
static void
check_flow(const struct decided *first, const struct traces *start,
	   const struct fl_core *core_start)
{
	const struct fl_packet *packet = &first->walk.packet;
	uint32_t from = packet->l2_bytes + packet->l4_offset + 20;
	struct decided second = again(first);
	uint8_t *bytes;

	if (first->walk.verdict != FL_FORWARD || packet->shape != FL_SHAPE_FLOW)
		return;
	bytes = take(first->bytes);
	memcpy(bytes, first->frame, first->bytes);
	for (uint32_t i = from; i < first->bytes; i++)
		bytes[i] ^= 0xff;
	if (!packet->is_ipv6)
		bytes[packet->l2_bytes + 5] ^= 0xff;
	core = *core_start;
	decide(&second, bytes, FILL, start);
	REQUIRE(second.walk.verdict == FL_FORWARD);
	REQUIRE(second.walk.decision.slot == first->walk.decision.slot);
	REQUIRE(second.out_bytes == first->out_bytes);
	forget(&second);
	free(bytes);
}

/* What it left is read again: a packet of the flow that comes after it, be it the same, or one that
 * is no SYN, goes where it went. */
static void
check_next(const struct decided *first, uint8_t flags)
{
	const struct fl_packet *packet = &first->walk.packet;
	uint32_t flags_at = packet->l2_bytes + packet->l4_offset + 13;
	struct decided second = again(first);
	uint8_t *bytes;

	if (first->walk.verdict != FL_FORWARD || packet->shape != FL_SHAPE_FLOW ||
	    (flags != 0 && packet->ip_proto != 6))
		return;
	bytes = take(first->bytes);
	memcpy(bytes, first->frame, first->bytes);
	if (flags != 0)
		bytes[flags_at] = flags;
	decide(&second, bytes, FILL, &first->after);
	REQUIRE(second.walk.verdict == FL_FORWARD);
	REQUIRE(second.walk.decision.slot == first->walk.decision.slot);
	if (flags == 0)
		REQUIRE(memcmp(&second.after, &first->after, sizeof first->after) == 0);
	forget(&second);
	free(bytes);
}

/* Only the beginning can be read (segments): the same packet, or one that ends there. */
static void
check_cut(const struct decided *first)
{
	uint32_t bytes = first->bytes == 0 ? 0 : first->frame[first->bytes - 1] % first->bytes;
	uint8_t *start = take(bytes); /* exactly */
	struct fl_cursor cursor = { .pos = start, .end = start + bytes };
	struct fl_packet packet = { 0 };
	enum fl_verdict verdict;

	memcpy(start, first->frame, bytes);
	verdict = fl_parse(&cursor, first->bytes, &packet);
	if (first->walk.parsed)
		REQUIRE(verdict == FL_FORWARD || verdict == FL_DROP_TRUNCATED);
	else
		REQUIRE(verdict == first->walk.verdict || verdict == FL_DROP_TRUNCATED);
	free(start);
}

/* --- what comes of it --- */

/* Has the packet been given a backend, whatever became of it then? */
static bool
is_chosen(enum fl_verdict verdict)
{
	return verdict == FL_FORWARD || verdict == FL_DROP_UNREACHABLE || verdict == FL_DROP_LOOP ||
	       verdict == FL_DROP_TTL || verdict == FL_DROP_TOO_BIG || verdict == FL_ANSWER_TOO_BIG;
}

/* @return how many rows changed: but for its time none does. */
static uint32_t
check_rows(const struct decided *first, const struct traces *start)
{
	uint64_t until = UINT64_C(0xffffff) << 32;
	uint32_t changed = 0, remembering = 0;

	for (uint32_t i = 0; i < world.state.row_count; i++) {
		uint64_t before = start->memory.rows[i], after = first->after.memory.rows[i];

		changed += before != after;
		REQUIRE((before & ~until) == (after & ~until));
	}
	for (uint32_t i = 0; i < PACKET_WORLD_VIP_COUNT * WORLD_TABLE_SIZE; i++)
		remembering += tables.rows[i].word != stable_rows[i].word;
	REQUIRE(remembering == world.state.row_count);
	return changed;
}

/* @return how many entries changed: into one of the flow. */
static uint32_t
check_entries(const struct decided *first, const struct traces *start)
{
	uint64_t hash = first->walk.decision.hash;
	uint32_t changed = 0;

	for (uint32_t bucket = 0; bucket < WORLD_BUCKETS; bucket++)
		for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++) {
			uint64_t after = first->after.memory.flows[bucket][i];

			if (after == start->memory.flows[bucket][i])
				continue;
			changed++;
			REQUIRE(bucket == hash % WORLD_BUCKETS);
			REQUIRE((after & ((UINT64_C(1) << 34) - 1)) == hash >> 30);
			REQUIRE((after >> 54 & 3) != 0);
		}
	return changed;
}

/* The row and the flow table. */
static void
check_memory(const struct decided *first, const struct traces *start)
{
	const struct fl_flow_counter *counted = &first->counted;
	const struct fl_packet *packet = &first->walk.packet;
	uint32_t rows = check_rows(first, start), entries = check_entries(first, start);

	REQUIRE(rows <= 1 && entries <= 1);
	REQUIRE(rows + entries == 0 || is_chosen(first->walk.verdict));
	REQUIRE(rows + entries == 0 || packet->shape == FL_SHAPE_FLOW ||
		packet->shape == FL_SHAPE_FIRST);
	REQUIRE(counted->failed + counted->evicted <= 1 && counted->raced == 0);
	REQUIRE(counted->evicted <= entries && counted->extended <= counted->failed);
	REQUIRE(counted->extended <= rows);
}

/* What is not forwarded leaves no trace but that it was counted, and of its flow. */
static void
check_state(const struct decided *first, const struct traces *start,
	    const struct fl_core *core_start)
{
	enum fl_verdict verdict = first->walk.verdict;
	struct fl_core wanted = *core_start;
	bool is_remembered = verdict == FL_FORWARD && first->walk.packet.shape == FL_SHAPE_FIRST;
	uint32_t changed = 0;

	for (uint32_t i = 0; i < 8; i++)
		changed += first->after.fragments.word[i] != start->fragments.word[i];
	REQUIRE(is_remembered ? changed <= 1 : changed == 0);
	if (is_remembered &&
	    core.events[FL_EVENT_FRAGMENT_EVICTED] != wanted.events[FL_EVENT_FRAGMENT_EVICTED])
		wanted.events[FL_EVENT_FRAGMENT_EVICTED]++;
	if (verdict == FL_DROP_TOO_BIG &&
	    core.events[FL_EVENT_ANSWER_LIMITED] != wanted.events[FL_EVENT_ANSWER_LIMITED])
		wanted.events[FL_EVENT_ANSWER_LIMITED]++;
	if (verdict == FL_ANSWER_TOO_BIG)
		wanted.answer_at = core.answer_at;
	REQUIRE(memcmp(&core, &wanted, sizeof core) == 0);
	REQUIRE(verdict != FL_DROP_BUG && verdict != FL_DROP_ROW_RACE);
	check_memory(first, start);
}

/* Our own output, fed back in by the port it left by, is not sent to a backend again. */
static void
check_no_loop(const struct decided *first)
{
	struct decided back = again(first);
	struct traces now = first->after;
	struct fl_core core_now = core;

	back.bytes = first->out_bytes;
	back.run.in_port = first->walk.decision.port;
	decide(&back, first->out, FILL, &now);
	REQUIRE(back.walk.verdict != FL_FORWARD);
	forget(&back);
	core = core_now;
}

static void
check_output(const struct decided *first)
{
	const struct output output = { .world = &world,
				       .in = first->frame,
				       .out = first->out,
				       .in_bytes = first->bytes,
				       .out_bytes = first->out_bytes,
				       .in_port = first->run.in_port,
				       .out_port = first->walk.decision.port };

	REQUIRE(output.out_port < PACKET_WORLD_PORTS);
	if (first->walk.verdict == FL_FORWARD) {
		(void)output_check_forward(&output);
		check_no_loop(first);
	} else if (first->walk.verdict == FL_ANSWER_ECHO) {
		output_check_echo(&output);
	} else {
		output_check_too_big(&output);
	}
}

/* @param start the traces before; afterwards those behind the frame. */
static void
run_frame(const struct packet_view *view, uint64_t now_ns, struct traces *start)
{
	struct decided first = { .run = { .tables = &tables,
					  .size = fixture.size,
					  .core = &core,
					  .flow_counters = flow_counters,
					  .in_port = view->in_port % PACKET_WORLD_PORTS,
					  .now_ns = now_ns },
				 .bytes = view->count };
	struct fl_core core_start = core, core_after;

	decide(&first, view->bytes, FILL, start);
	core_after = core;
	packets++;
	verdicts[first.walk.verdict]++;
	check_state(&first, start, &core_start);
	check_repeat(&first, start, &core_start);
	check_fragment(&first, start, &core_start);
	check_flow(&first, start, &core_start);
	check_next(&first, 0);
	check_next(&first, FL_TCP_ACK);
	check_cut(&first);
	core = core_after;
	if (first.out != NULL)
		check_output(&first);
	*start = first.after;
	forget(&first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_view views[PACKET_FRAMES_MAX];
	uint32_t count = packet_split(data, size, views);
	struct traces start = { 0 };
	uint64_t now_ns = UINT64_C(1) << 40;

	runs++;
	core = (struct fl_core){ 0 };
	if (count == 0) /* libFuzzer begins with nothing, and wants to see that something happens */
		views[count++] = (struct packet_view){ .bytes = data };
	packet_world_rows_make(&world, views, count);
	packet_world_memory(&fixture, &world, &start.memory);
	setup.clock->tick = world.state.tick;
	for (uint32_t i = 0; i < count; i++) {
		setup.clock->tick += packet_world_ticks(views[i].reserved);
		now_ns += views[i].reserved * UINT64_C(1000000) * MS_A_STEP;
		run_frame(&views[i], now_ns, &start);
	}
	packet_world_restore(&fixture, &setup, &world);
	return 0;
}

static void
say_totals(void)
{
	uint32_t unreached = 0;

	fprintf(stderr, "reached:");
	for (uint32_t i = 0; i < FL_DROP_NO_ROOM; i++) {
		fprintf(stderr, " %s %lu", plane_verdict_name((enum fl_verdict)i), verdicts[i]);
		unreached += verdicts[i] == 0 && i != FL_DROP_ROW_RACE; /* of two cores */
	}
	fprintf(stderr, "\nfuzz_core: %lu executions, %.0f executions/s, %lu packets\n", runs,
		(double)runs / packet_fuzz_seconds(), packets);
	if (packet_fuzz_seconds() >= PACKET_FUZZ_TELLING_S && unreached > 0) {
		fprintf(stderr, "broken: %u verdicts were never reached\n", unreached);
		_exit(1);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	open_tables();
	packet_fuzz_start(argc, argv);
	return atexit(say_totals);
}
