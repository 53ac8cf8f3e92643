/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * All tables of a plane in one piece of memory that outlives the process (a file): a head that says
 * what the memory is, then the tables, each on a line of 64 bytes of its own.
 *
 * The memory is begun with tables_memory_begin(), filled, and marked whole last: memory that is not
 * whole is of a process that was killed meanwhile, and nobody's. One process at a time has it,
 * which its owner sees to.
 */
#ifndef PLANE_TABLES_MEMORY_H
#define PLANE_TABLES_MEMORY_H

#include <stddef.h>

#include "tables.h"

/** Raised with any change of the meaning of a record or of this head; sizes are checked besides. */
#define TABLES_MEMORY_VERSION 1u
#define TABLES_MEMORY_MAGIC   0x656c62617446414cull /**< "LAFtable" */

enum { TABLES_MEMORY_DEVICE_BYTES = 256 }; /**< with NUL */

/** What the memory begins with. The members before `devices` are in their places in every version.
 */
struct tables_memory {
	uint64_t magic;
	uint32_t version;
	uint32_t record_bytes; /**< sum of the sizes of a record of each table */
	struct plane_limits limits;
	uint32_t is_whole;
	uint64_t unused[3];
	/** What the port of each number was when links were written; "": no port. */
	char devices[FL_PORTS_MAX][TABLES_MEMORY_DEVICE_BYTES];
};

_Static_assert(offsetof(struct tables_memory, devices) == 64, "the same in every version");

enum tables_memory_state {
	TABLES_MEMORY_FRESH, /**< zeroed, or not whole: to be begun */
	TABLES_MEMORY_WHOLE, /**< to be gone on with */
	TABLES_MEMORY_VERSION_OTHER,
	TABLES_MEMORY_FOREIGN, /**< something else's */
};

/** Bytes of head and tables. */
size_t tables_memory_bytes(const struct plane_limits *limits);

/** Where the tables lie. @param memory aligned to 64 bytes; NULL: addresses are offsets. */
void tables_memory_lay_out(void *memory, const struct plane_limits *limits,
			   struct plane_tables *ret_tables);

/** What a head says. */
enum tables_memory_state tables_memory_look(const struct tables_memory *head);

/** A limit that the memory was not made for. @return its name; NULL: all are alike. */
const char *
tables_memory_other_limit(const struct tables_memory *head, const struct plane_limits *limits,
			  uint32_t *ret_theirs, uint32_t *ret_ours);

/** Head of zeroed memory, not whole. */
void tables_memory_begin(struct tables_memory *memory, const struct plane_limits *limits);
void tables_memory_finish(struct tables_memory *memory);

/**
 * Ports have these devices from now on, by number; "" and beyond @p count: none. Links that lead to
 * a port of another device become unreachable, until the plane asked the kernel; slots stay live.
 * While no packet core runs; a process that is killed in it leaves nothing that a repetition does
 * not put right.
 */
void tables_memory_set_devices(struct tables_memory *memory, const struct plane_tables *tables,
			       const char *const *devices, uint32_t count);

#endif
