/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One fuzzer input through the packet model and through engines, and what they say compared.
 *
 * The input is that of packet_mutator.h. A frame's reserved byte says what happens before it: the
 * low four bits, how much time passes; of the first frame the next three, how many places of the
 * fragment table are another's. Time is the real one, so that the kernel's clock fits; what passes
 * besides is taken off the stamps in the fragment tables, in whole steps. What rows and flow table
 * hold at first is in packet_world_rows.h; after each frame, or frames that went in together, every
 * engine must have the same there as the model. One thread.
 */
#ifndef TESTS_FUZZ_DIFF_H
#define TESTS_FUZZ_DIFF_H

#include "../packet/engine.h"

enum { DIFF_ENGINES_MAX = 4 };

struct diff_totals {
	uint64_t runs;	  /**< inputs */
	uint64_t packets; /**< their frames; each went through every engine */
	uint64_t divergences;
	uint64_t skipped_frames; /**< longer than an engine has room for */
	uint64_t skipped_runs;	 /**< that could not be done within a step of the clock */
	/** What packet_model.h allows: a later fragment is dropped because its first is as old as
	 * it may get, or because the table was full. */
	uint64_t tolerated_age, tolerated_evicted;
	/** Packets that left a trace in rows or flow table, found no place there, had to evict,
	 * made a row's window begin again: by the model. */
	uint64_t tracked, failed, evicted, extended;
	uint64_t verdicts[FL_VERDICT_COUNT]; /**< of the first engine */
};

/**
 * Make the world of packet_world.h and open the engines on it. Faults end the program.
 * @param engines the first takes frames of any size.
 */
void diff_open(const struct engine *const engines[], uint32_t engine_count);

/** @return true: all agree; else what each said is on stderr. */
bool diff_run(const uint8_t *data, size_t size);

const struct diff_totals *diff_totals(void);

/** Verdicts, and events of flows, that a packet can bring about and none has. */
uint32_t diff_unreached(void);

/** Packets by verdict, and what was tolerated, on stderr. */
void diff_say(void);

void diff_close(void);

#endif
