/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: all tables of a plane lie in one piece of memory, apart and aligned; its head tells what
 * may be gone on with from what may not; links to ports that are others now are not believed.
 * Method: layouts for many limits, every byte of every table written with its table's number; heads
 * with one difference each; a few slots before and after a change of ports.
 */
#include <stdlib.h>
#include <string.h>

#include "../../dataplane/plane/tables_memory.h"
#include "run.h"

#define ONE(member, count) +1
enum { PARTS = 0 PLANE_TABLES(ONE) };
#undef ONE

struct part {
	uint8_t *bytes;
	size_t size;
};

static void
parts_of(const struct plane_tables *tables, const struct plane_limits *limits,
	 struct part ret_parts[PARTS])
{
	struct plane_tables_size size = plane_tables_size(limits);
#define PART(member, count) { (uint8_t *)tables->member, (count) * sizeof *tables->member },
	const struct part parts[PARTS] = { PLANE_TABLES(PART) };
#undef PART

	memcpy(ret_parts, parts, sizeof parts);
}

static const struct plane_limits all_limits[] = {
	{ .vips = 1, .backends = 1, .rows = 251, .fragments = 8, .flows = 8 },
	{ .vips = 3, .backends = 7, .rows = 253, .fragments = 64, .flows = 1024 },
	{ .vips = 64, .backends = 1024, .rows = 65537, .fragments = 8192, .flows = 65536 },
};

enum { LIMITS = sizeof all_limits / sizeof all_limits[0] };

static struct tables_memory *
take(size_t bytes)
{
	struct tables_memory *memory = aligned_alloc(64, bytes);

	ck_assert_ptr_nonnull(memory);
	return memset(memory, 0, bytes);
}

static void
fill_every_part(const struct plane_limits *limits)
{
	size_t bytes = tables_memory_bytes(limits);
	struct tables_memory *memory = take(bytes);
	struct part parts[PARTS];
	struct plane_tables tables;
	uint8_t *end = (uint8_t *)memory + bytes;

	ck_assert_uint_eq(bytes % 64, 0);
	tables_memory_lay_out(memory, limits, &tables);
	parts_of(&tables, limits, parts);
	memset(memory, 0xff, sizeof *memory);
	for (uint32_t i = 0; i < PARTS; i++) {
		ck_assert_uint_eq((uintptr_t)parts[i].bytes % 64, 0);
		CHECK((void *)parts[i].bytes >= (void *)(memory + 1));
		CHECK(parts[i].bytes + parts[i].size <= end);
		memset(parts[i].bytes, (int)(1 + i), parts[i].size);
	}
	for (uint32_t i = 0; i < PARTS; i++)
		for (size_t at = 0; at < parts[i].size; at++)
			CHECK(parts[i].bytes[at] == 1 + i);
	for (size_t at = 0; at < sizeof *memory; at++)
		CHECK(((uint8_t *)memory)[at] == 0xff);
	free(memory);
}

START_TEST(test_tables_memory_parts_do_not_overlap)
{
	for (uint32_t i = 0; i < LIMITS; i++)
		fill_every_part(&all_limits[i]);
}
END_TEST

/** Every compiler lays them out alike. */
START_TEST(test_tables_memory_layout_is_fixed)
{
	/* behind 64 + 16 x 256 bytes of head */
	static const size_t expected[PARTS] = { 4160, 4224, 4416, 4672, 5056, 5568, 7616,
						7872, 7936, 8000, 8064, 8256, 8320 };
	struct plane_tables offsets;
	struct part parts[PARTS];

	tables_memory_lay_out(NULL, &all_limits[0], &offsets);
	parts_of(&offsets, &all_limits[0], parts);
	for (uint32_t i = 0; i < PARTS; i++)
		ck_assert_uint_eq((uintptr_t)parts[i].bytes, expected[i]);
}
END_TEST

static void
compare_offsets(const struct plane_limits *limits)
{
	struct tables_memory *memory = take(tables_memory_bytes(limits));
	struct plane_tables tables, offsets;
	struct part parts[PARTS], at[PARTS];

	tables_memory_lay_out(memory, limits, &tables);
	tables_memory_lay_out(NULL, limits, &offsets);
	parts_of(&tables, limits, parts);
	parts_of(&offsets, limits, at);
	for (uint32_t i = 0; i < PARTS; i++)
		ck_assert_uint_eq((uintptr_t)at[i].bytes,
				  (uintptr_t)parts[i].bytes - (uintptr_t)memory);
	free(memory);
}

START_TEST(test_tables_memory_offsets_are_those_of_the_addresses)
{
	for (uint32_t i = 0; i < LIMITS; i++)
		compare_offsets(&all_limits[i]);
}
END_TEST

START_TEST(test_tables_memory_head_says_what_it_is)
{
	static struct tables_memory head; /* large */

	memset(&head, 0, sizeof head);
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_FRESH);
	tables_memory_begin(&head, &all_limits[0]);
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_FRESH); /* killed here */
	tables_memory_finish(&head);
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_WHOLE);

	head.version++;
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_VERSION_OTHER);
	head.is_whole = 0;
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_FRESH);
	tables_memory_begin(&head, &all_limits[0]);
	tables_memory_finish(&head);
	head.record_bytes -= 8;
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_VERSION_OTHER);
	head.magic ^= 1;
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_FOREIGN);
	head.is_whole = 0;
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_FOREIGN);
	memset(&head, 0, sizeof head);
	head.devices[FL_PORTS_MAX - 1][TABLES_MEMORY_DEVICE_BYTES - 1] = 1;
	ck_assert_int_eq(tables_memory_look(&head), TABLES_MEMORY_FOREIGN);
}
END_TEST

START_TEST(test_tables_memory_names_the_limit_that_differs)
{
	static const char *const names[] = { "vips", "backends", "rows", "fragments", "flows" };
	static struct tables_memory head;
	struct plane_limits limits = all_limits[1];
	uint32_t theirs = 0, ours = 0;

	tables_memory_begin(&head, &limits);
	ck_assert_ptr_null(tables_memory_other_limit(&head, &limits, &theirs, &ours));
	for (uint32_t i = 0; i < 5; i++) {
		uint32_t *limit = (uint32_t *)&limits + i;

		(*limit)++;
		ck_assert_str_eq(tables_memory_other_limit(&head, &limits, &theirs, &ours),
				 names[i]);
		ck_assert_uint_eq(ours, *limit);
		ck_assert_uint_eq(theirs, *limit - 1);
		(*limit)--;
	}
}
END_TEST

START_TEST(test_tables_memory_config_is_of_the_limits)
{
	const struct plane_limits *limits = &all_limits[2];
	struct tables_memory *memory = take(tables_memory_bytes(limits));
	const struct fl_key key = { { 3, 4 } };
	struct plane_tables tables;

	tables_memory_lay_out(memory, limits, &tables);
	plane_tables_set_config(&tables, limits, &key);
	ck_assert_mem_eq(&tables.config->key, &key, sizeof key);
	ck_assert_uint_eq(tables.config->vip_bucket_mask, 63);
	ck_assert_uint_eq(tables.config->fragment_bucket_mask, 8192 / 8 - 1);
	ck_assert_uint_eq(tables.config->flow_bucket_mask, 65536 / 8 - 1);
	free(memory);
}
END_TEST

#define BOTH (FL_LINK_LIVE | FL_LINK_REACHABLE)

START_TEST(test_tables_memory_links_to_other_devices_are_not_believed)
{
	static const char *const before[] = { "eth0", "net_ring0", "eth2" };
	static const char *const after[] = { "eth0", "eth2" };
	const struct plane_limits *limits = &all_limits[1];
	struct tables_memory *memory = take(tables_memory_bytes(limits));
	struct plane_tables tables;

	tables_memory_lay_out(memory, limits, &tables);
	tables_memory_begin(memory, limits);
	tables_memory_set_devices(memory, &tables, before, 3);
	for (uint8_t port = 0; port < 3; port++) {
		tables.ports[port].word = 1;
		tables.backends[port].link = fl_link_word(0x111111, port, BOTH);
		tables.backends[3 + port].link = fl_link_word(0x111111, port, FL_LINK_LIVE);
	}
	tables.backends[6].link = fl_link_word(0x111111, 200, BOTH);

	tables_memory_set_devices(memory, &tables, before, 3);
	for (uint8_t port = 0; port < 3; port++)
		ck_assert_uint_eq(tables.backends[port].link, fl_link_word(0x111111, port, BOTH));
	ck_assert_uint_eq(tables.backends[6].link, fl_link_word(0x111111, 200, FL_LINK_LIVE));

	tables_memory_set_devices(memory, &tables, after, 2);
	ck_assert_uint_eq(tables.backends[0].link, fl_link_word(0x111111, 0, BOTH));
	ck_assert_uint_eq(tables.ports[0].word, 1);
	for (uint8_t port = 1; port < 3; port++) {
		ck_assert_uint_eq(tables.backends[port].link,
				  fl_link_word(0x111111, port, FL_LINK_LIVE));
		ck_assert_uint_eq(tables.ports[port].word, 0);
	}
	for (uint8_t port = 0; port < 3; port++)
		ck_assert_uint_eq(tables.backends[3 + port].link,
				  fl_link_word(0x111111, port, FL_LINK_LIVE));
	ck_assert_str_eq(memory->devices[1], "eth2");
	ck_assert_str_eq(memory->devices[2], "");
	free(memory);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_tables_memory_parts_do_not_overlap,
				       test_tables_memory_offsets_are_those_of_the_addresses,
				       test_tables_memory_layout_is_fixed,
				       test_tables_memory_head_says_what_it_is,
				       test_tables_memory_names_the_limit_that_differs,
				       test_tables_memory_config_is_of_the_limits,
				       test_tables_memory_links_to_other_devices_are_not_believed,
				       NULL };

	return run_tests("tables_memory", tests);
}
