/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One plane's forwarding tables as its own process sees them, and the walk of one packet through
 * them.
 *
 * The memory is the engine's (huge pages, or maps shared with the kernel): zeroed, taken at start,
 * of the sizes that plane_tables_size() says. The plane's thread writes all of it; packet cores
 * write fragments, flows, and how long rows still move or settle.
 */
#ifndef PLANE_TABLES_H
#define PLANE_TABLES_H

#include "../core/emit.h"

/** What a plane can hold; fixed at start. */
struct plane_limits {
	uint32_t vips;	    /**< 1-FL_VIPS_MAX */
	uint32_t backends;  /**< slots, 1-FL_SLOTS_MAX; a VIP takes more than it has backends, see
			       state.h */
	uint32_t rows;	    /**< FL_ROWS_MIN-FL_ROWS_MAX */
	uint32_t fragments; /**< FL_FRAGMENTS_MIN-FL_FRAGMENTS_MAX; rounded up to a power of two */
	uint32_t flows;	    /**< FL_FLOWS_MIN-FL_FLOWS_MAX; likewise */
};

/**
 * The engine's counters belong to records and slots and go on when those change hands: what an
 * identity has counted is carry + engine's counter - base.
 */
struct plane_ledger {
	struct fl_counter carry; /**< of earlier incarnations */
	struct fl_counter base;
};

/** Where the tables lie. Packet cores read all but the last three. */
struct plane_tables {
	struct fl_config *config;	   /**< key, masks and the like set by the engine */
	struct fl_vip_bucket *vip_buckets; /**< 64-byte aligned, as all of them */
	struct fl_vip *vips;		   /**< VIPs, address records, pages */
	struct fl_backend *backends;	   /**< limits.backends slots */
	struct fl_owners *owners;	   /**< of rows, four each; plane_row_store() */
	struct fl_row *rows;		   /**< limits.rows */
	struct fl_port *ports;		   /**< FL_PORTS_MAX; tags set by the engine */
	struct fl_fragments *fragments;
	struct fl_flows *flows;
	struct fl_clock *clock;
	struct plane_ledger *vip_ledger;     /**< by record */
	struct plane_ledger *backend_ledger; /**< by slot */
	uint64_t *generation;		     /**< of what the tables hold; 0: nothing committed */
};

/** Elements of each array for @p limits. */
struct plane_tables_size {
	uint32_t vip_bucket_count;
	/** FL_VIP_RECORDS times limits.vips: each VIP may need an address record and a page of
	 * ranges, and a change holds old and new records until every packet core has passed. Also
	 * the number of VIP counters. */
	uint32_t vip_count;
	uint32_t backend_count;
	uint32_t row_count;
	uint32_t owners_count; /**< row_count / 4, rounded up */
	uint32_t fragment_bucket_count;
	uint32_t flow_bucket_count;
};
struct plane_tables_size plane_tables_size(const struct plane_limits *limits);

/** T(member of struct plane_tables, number of elements) for each table; the numbers are of a `size`
 * in scope. In the order in which tables_memory.h lays them out. */
#define PLANE_TABLES(T)                          \
	T(backends, size.backend_count)          \
	T(config, 1)                             \
	T(vip_buckets, size.vip_bucket_count)    \
	T(vips, size.vip_count)                  \
	T(owners, size.owners_count)             \
	T(rows, size.row_count)                  \
	T(ports, FL_PORTS_MAX)                   \
	T(fragments, size.fragment_bucket_count) \
	T(flows, size.flow_bucket_count)         \
	T(clock, 1)                              \
	T(vip_ledger, size.vip_count)            \
	T(backend_ledger, size.backend_count)    \
	T(generation, 1)

/** What plane_create() leaves to the engine: key and masks. */
void plane_tables_set_config(const struct plane_tables *tables, const struct plane_limits *limits,
			     const struct fl_key *key);

/** The owner that stands for a row whose word is @p row. */
static inline uint16_t
plane_row_owner(uint64_t row)
{
	return fl_row_state(row) == FL_ROW_STABLE ? (uint16_t)fl_row_cur(row)
						  : (uint16_t)FL_OWNER_LOOK;
}

/** Write what stands for the row, which the plane's thread has just written. */
static inline void
plane_owner_store(const struct plane_tables *tables, uint32_t row, uint64_t word)
{
	uint16_t *owner = &tables->owners[row / 4].cur[row % 4];

	if (*owner != plane_row_owner(word))
		__atomic_store_n(owner, plane_row_owner(word), __ATOMIC_RELEASE);
}

/**
 * Store a row's word, whole, and its owner, where no packet core looks yet; what the word names is
 * written. The plane's thread.
 */
static inline void
plane_row_store(const struct plane_tables *tables, uint32_t row, uint64_t word)
{
	/* release: who reads the row finds the slot it names written */
	__atomic_store_n(&tables->rows[row].word, word, __ATOMIC_RELEASE);
	plane_owner_store(tables, row, word);
}

/**
 * The same for a row that packet cores may write: only if it still has @p expected. A packet core
 * that reads the owner between the two stores sees the row as it was before, or the word.
 * @return false: nothing was stored.
 */
static inline bool
plane_row_swap(const struct plane_tables *tables, uint32_t row, uint64_t expected, uint64_t word)
{
	if (!FL_SWAP(tables->rows[row].word, expected, word))
		return false;
	plane_owner_store(tables, row, word);
	return true;
}

/** What one packet core hands to the core's functions: a borrowed view of the tables. */
struct plane_run {
	const struct plane_tables *tables;
	struct plane_tables_size size;
	struct fl_core *core;  /**< where it counts */
	uint32_t in_port;      /**< that the packet came by */
	uint64_t now_ns;       /**< monotonic */
	struct fl_frame frame; /**< of the packet that is decided, for fl_segment() */
	struct fl_flow_counter *flow_counters; /**< of the core, by VIP record; NULL: not counted */
	bool is_watching; /**< nothing is written: neither rows nor flows nor fragments */
};

/** The whole decision for one frame. */
struct plane_walk {
	enum fl_verdict verdict;
	bool parsed;		     /**< packet is set */
	struct fl_packet packet;     /**< as fl_admit() left it */
	struct fl_decision decision; /**< as far as it went */
};

/**
 * Decide about one frame, by the core's functions, as a packet core does: what explain answers and
 * what the tests hold the planes against. It writes what a packet core writes (fragments, flows, a
 * row's time, run->core and run->flow_counters); with run->is_watching no table.
 *
 * @param run size set by plane_tables_size(); core for events and the rate limit.
 * @param frame at its Ethernet header, frame_bytes readable.
 * @return the verdict, also in ret_walk.
 */
enum fl_verdict plane_walk(struct plane_run *run, const uint8_t *frame, uint32_t frame_bytes,
			   struct plane_walk *ret_walk);

/**
 * Write the frame that leaves after a walk whose verdict is fl_verdict_is_send().
 * @param out room for frame_bytes + FL_HEAD_BYTES_MAX. @return bytes written; 0: it cannot be.
 */
uint32_t plane_walk_output(const struct plane_walk *walk, const uint8_t *frame,
			   uint32_t frame_bytes, uint8_t *out);

/** The VIP record for a key, as packets find it. @return its index, or UINT32_MAX. */
uint32_t plane_vip_find(const struct plane_tables *tables, const struct fl_vip_key *key);

/** "forward", "drop_truncated", ... and what it means. */
const char *plane_verdict_name(enum fl_verdict verdict);
const char *plane_event_name(enum fl_event event);
const char *plane_verdict_meaning(enum fl_verdict verdict);

#endif
