/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The XDP program in the kernel, on a copy of tables that a plane fixture filled, run packet by
 * packet (BPF_PROG_TEST_RUN). Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. Anything unexpected
 * ends the program with a sentence. One thread.
 */
#ifndef TESTS_XDP_FIXTURE_H
#define TESTS_XDP_FIXTURE_H

#include "../bpf/xdp_maps.h"
#include "plane_fixture.h"

enum {
	XDP_FIXTURE_FRAME_MIN = 14,   /**< the kernel runs no shorter frame */
	XDP_FIXTURE_FRAME_MAX = 3500, /**< nor a longer one in one piece */
};

struct fairlead_xdp;

struct xdp_fixture {
	struct fairlead_xdp *program;
	struct fairlead_xdp *twin; /**< as a process without CAP_PERFMON loads it; on the same maps
				    */
	bool no_perfmon;	   /**< the twin runs; the caller's */
	uint32_t cpu_count;
	uint32_t in_port; /**< the port that frames come by; the caller's */
	struct plane_tables_size size;
	struct xdp_config *config; /**< the maps' memory, from here on */
	struct fl_core *cores;
	struct fl_fragments *fragments;
	struct fl_counter *vip_counters;
	struct fl_counter *backend_counters;
	struct fl_flow_counter *flow_counters;
	/** What may be written between two runs; the other members are NULL. */
	struct plane_tables tables;
};

struct xdp_fixture_result {
	uint32_t action;      /**< enum xdp_action */
	uint32_t bytes;	      /**< of the frame afterwards */
	uint32_t duration_ns; /**< of the run, as the kernel measured it */
};

/** Load the program, and copy the tables of @p plane to it. All ports are there. */
void xdp_fixture_open(struct xdp_fixture *fixture, const struct plane_fixture *plane);

/** Copy the tables again: all but what packet cores write. */
void xdp_fixture_copy(struct xdp_fixture *fixture, const struct plane_fixture *plane);

/**
 * Run one frame, which comes by fixture->in_port.
 * @param out room for bytes + FL_HEAD_BYTES_MAX: the frame afterwards, whatever its action.
 */
struct xdp_fixture_result
xdp_fixture_run(struct xdp_fixture *fixture, const uint8_t *frame, uint32_t bytes, uint8_t *out);

/** Sums over the CPUs. @param ret_events NULL: not wanted. */
void xdp_fixture_counters(const struct xdp_fixture *fixture,
			  uint64_t ret_verdicts[FL_VERDICT_COUNT], uint64_t *ret_events);

/** Sum over the CPUs. @param record of the VIP. */
struct fl_flow_counter xdp_fixture_flow_counter(const struct xdp_fixture *fixture, uint32_t record);

/** Instructions that the kernel's verifier looked at to accept the program. */
uint32_t xdp_fixture_verifier_insns(const struct xdp_fixture *fixture);

void xdp_fixture_close(struct xdp_fixture *fixture);

#endif
