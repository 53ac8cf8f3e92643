/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What fuzzers whose input is that of packet_mutator.h have in common. Defines libFuzzer's custom
 * mutator: packet_mutate(), and now and then libFuzzer's own.
 */
#ifndef TESTS_FUZZ_PACKET_FUZZ_H
#define TESTS_FUZZ_PACKET_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed);

enum { PACKET_FUZZ_TELLING_S = 50 }; /**< a run that long must have reached every verdict */

/** Put the flags that such an input needs before those that were given. Starts the clock. */
void packet_fuzz_start(int *argc, char ***argv);

/** Since packet_fuzz_start(). */
double packet_fuzz_seconds(void);

#endif
