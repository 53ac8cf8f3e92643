/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the case table and the differential fuzzer run on: something that decides frames on given
 * tables. One thread.
 */
#ifndef TESTS_PACKET_ENGINE_H
#define TESTS_PACKET_ENGINE_H

#include "case_table.h"

struct engine_result {
	enum fl_verdict verdict;
	uint32_t port;		       /**< it leaves by, when a frame leaves */
	uint32_t bytes;		       /**< of `frame` */
	uint8_t frame[CASE_FRAME_MAX]; /**< what leaves, or what the host gets */
};

struct engine {
	const char *name;
	/** @param fixture stays there until close; the engine may work on a copy of its tables. */
	void (*open)(struct plane_fixture *fixture);
	/** Forget all fragments. */
	void (*flush)(void);
	/** Ways to lay the same frame into memory; all must end alike. */
	uint32_t layout_count;
	const char *(*layout_name)(uint32_t layout);
	/** Can it take a frame of that many bytes? NULL: any. */
	bool (*takes)(uint32_t bytes);
	/** Decide the frames, in their order. */
	void (*run)(uint32_t layout, const struct case_frames *cases, uint32_t count,
		    struct engine_result *ret_results);
	/** Since open. @return packets received. */
	uint64_t (*counters)(uint64_t ret_verdicts[FL_VERDICT_COUNT]);
	/** Its fragment table, and what its packet cores count in; NULL: it has none. For who makes
	 * time pass or answers cease. */
	struct fl_fragments *(*fragments)(void);
	struct fl_core *(*cores)(uint32_t *ret_count);
	/** Where its backends, rows, owners, flows and clock are, to be written and read between
	 * two runs; other members may be NULL. */
	const struct plane_tables *(*tables)(void);
	/** What it counted of flows of a VIP's record, since open. */
	struct fl_flow_counter (*flow_counter)(uint32_t record);
	/** @return false: something was not given back. */
	bool (*close)(void);
};

extern const struct engine engine_core;	 /**< the core by itself */
extern const struct engine engine_dpdk;	 /**< the DPDK worker's stages; after eal_start() */
extern const struct engine engine_xdp;	 /**< the XDP program in the kernel */
extern const struct engine engine_model; /**< tests/model/packet_model.h */

/** Nanoseconds of the monotonic clock, as the kernel's own. */
uint64_t engine_now_ns(void);

/**
 * The whole worker, receive to count, over ports made of rings: each end of a packet that needs a
 * port.
 * @return number of failed checks; says each on stderr.
 */
uint32_t worker_test(struct plane_fixture *fixture, uint32_t *ret_checks);

#endif
