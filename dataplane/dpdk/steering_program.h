/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the programs that steer and guard a port have in common: whose a packet is, by the core's
 * own fl_parse() and fl_admit() over a hash map of the VIPs' records.
 */
#ifndef DPDK_STEERING_PROGRAM_H
#define DPDK_STEERING_PROGRAM_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../core/decide.h"
#include "steering.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, STEERING_RECORDS_MAX);
	__type(key, struct fl_vip_key);
	__type(value, struct fl_vip);
} fl_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct steering_settings);
} fl_settings SEC(".maps");

FL_INLINE const struct fl_vip *
find_vip(void *user, const struct fl_vip_key *key, uint32_t *ret_record)
{
	*ret_record = 0; /* nobody asks */
	return bpf_map_lookup_elem(&fl_records, key);
}

/** A global function as those of xdp_steps.h. The key comes in registers: kernel 6.1 looks none up
 * that is in memory of the caller's. */
__attribute__((noinline)) uint32_t
find_range(uint64_t address_0, uint64_t address_1, uint64_t rest, uint32_t port)
{
	struct fl_vip_key key = { .address.half = { address_0, address_1 }, .rest = rest };
	const struct fl_vip *page = bpf_map_lookup_elem(&fl_records, &key);

	return page == NULL ? FL_RANGE_NOT_FOUND : fl_page_range(&page->page, (uint16_t)port);
}

FL_INLINE uint32_t
find_range_by_call(void *user, const struct fl_vip_key *key, uint16_t port)
{
	return find_range(key->address.half[0], key->address.half[1], key->rest, port);
}

static const struct fl_access record_access = {
	.find = find_vip,
	.find_range = find_range_by_call,
};

/** fl_admit(), and what the cores would find in the rows of a VIP that is the host's. A global
 * function as those of xdp_steps.h. */
__attribute__((noinline)) uint32_t
admit_packet(struct fl_packet *packet)
{
	struct fl_view view = { .access = &record_access };
	struct fl_decision decision = { 0 };
	const struct steering_settings *settings;
	uint32_t zero = 0, verdict;

	settings = bpf_map_lookup_elem(&fl_settings, &zero);
	if (packet == NULL || settings == NULL || settings->ready == 0)
		return FL_PASS_NO_VIP;
	view.config = &settings->core;
	verdict = fl_admit(&view, packet, &decision, false);
	if (verdict != FL_FORWARD || decision.vip == NULL)
		return verdict;
	/* a later fragment has found the record of its address only */
	if (decision.vip->key.ip_proto != 0 && decision.vip->service.flags & STEERING_IS_HOSTS)
		return FL_PASS_NO_BACKEND;
	return verdict;
}

#endif
