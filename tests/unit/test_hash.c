/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: the hashes of a burst are those of the core, whatever instructions made them.
 * Method: random packets under random keys, every number of them from none to a whole burst, each
 * variant against fl_flow_hash().
 */
#include <string.h>

#include "../../dataplane/core/vip.h"
#include "../../dataplane/dpdk/hash.h"
#include "run.h"

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t
random64(void)
{
	random_state += 0x9e3779b97f4a7c15;
	return fl_mix64(random_state);
}

static void
random_bytes(void *to, size_t size)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)random64();
}

static struct fl_packet
random_packet(void)
{
	struct fl_packet packet = { 0 };

	random_bytes(&packet.src, sizeof packet.src);
	random_bytes(&packet.to.address, sizeof packet.to.address);
	packet.src_port = (uint16_t)random64();
	packet.to.port = (uint16_t)random64();
	packet.to.ip_proto = (uint8_t)random64();
	return packet;
}

static void
check_burst(fl_hash_burst hash_burst, uint32_t count)
{
	struct fl_key key = { { random64(), random64() } };
	struct fl_packet packets[FL_BURST_MAX];
	struct fl_hash_messages messages;
	uint64_t hash[FL_BURST_MAX];

	memset(&messages, 0xaa, sizeof messages);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t words[FL_FLOW_WORDS];

		packets[i] = random_packet();
		fl_flow_message(&packets[i], words);
		for (uint32_t w = 0; w < FL_FLOW_WORDS; w++)
			messages.word[w][i] = words[w];
	}
	hash_burst(&key, &messages, count, hash);
	for (uint32_t i = 0; i < count; i++)
		CHECK(hash[i] == fl_flow_hash(&key, &packets[i]));
}

static void
check_variant(fl_hash_burst hash_burst)
{
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t count = 0; count <= FL_BURST_MAX; count++)
			check_burst(hash_burst, count);
	}
}

START_TEST(test_hash_portable_is_the_cores)
{
	check_variant(fl_hash_burst_portable);
}
END_TEST

START_TEST(test_hash_avx2_is_the_cores)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		check_variant(fl_hash_burst_avx2);
#endif
}
END_TEST

START_TEST(test_hash_chosen_is_the_cores)
{
	check_variant(fl_hash_choose());
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_hash_portable_is_the_cores, test_hash_avx2_is_the_cores,
				       test_hash_chosen_is_the_cores, NULL };

	return run_tests("hash", tests);
}
