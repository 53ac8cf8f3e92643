/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * One plane's forwarding tables as its own process sees them, and the walk of one packet through
 * them.
 *
 * The memory is the engine's (huge pages, or maps shared with the kernel): zeroed, taken at start,
 * of the sizes that plane_tables_size() says. Only the plane's thread writes; packet cores read.
 */
#ifndef PLANE_TABLES_H
#define PLANE_TABLES_H

#include "../core/encap.h"
#include "../core/flowhash.h"
#include "../core/parse.h"
#include "../core/row.h"
#include "../core/vip.h"

/** What a plane can hold; fixed at start. */
struct plane_limits {
	uint32_t vips;	   /**< 1-65536 */
	uint32_t backends; /**< slots, 1-FL_SLOTS_MAX; a VIP takes more than it has backends, see
			      state.h */
	uint32_t rows;	   /**< 251-268435456 */
};

struct plane_tables {
	struct fl_key key;
	uint32_t vip_bucket_mask;	   /**< vip_bucket_count - 1 */
	struct fl_vip_bucket *vip_buckets; /**< a power of two of them, 64-byte aligned */
	struct fl_vip *vips;		   /**< vip_count records: VIPs and address records */
	struct fl_backend *backends;	   /**< limits.backends slots, 64-byte aligned */
	struct fl_row *rows;		   /**< limits.rows */
	struct fl_port *ports;		   /**< FL_PORTS_MAX */
};

/** Elements of each array for @p limits. */
struct plane_tables_size {
	uint32_t vip_bucket_count;
	/** Four times limits.vips: each VIP may need an address record, and a change holds old and
	 * new records until every packet core has passed. Also the number of VIP counters. */
	uint32_t vip_count;
	uint32_t backend_count;
	uint32_t row_count;
};
struct plane_tables_size plane_tables_size(const struct plane_limits *limits);

/** What the decision met on its way; fields after `reached` are not set. */
struct plane_walk {
	enum plane_walk_step {
		PLANE_WALK_PARSE,
		PLANE_WALK_VIP,	    /**< packet is set */
		PLANE_WALK_ROW,	    /**< vip_index is set */
		PLANE_WALK_BACKEND, /**< hash, row_index (VIP-relative) and row are set */
		PLANE_WALK_ENCAP,   /**< slot, link are set */
		PLANE_WALK_DONE,    /**< port_word is set, the packet goes out */
	} reached;		    /**< the step that ended it, or PLANE_WALK_DONE */
	enum fl_verdict verdict;
	struct fl_packet packet;
	uint32_t vip_index;
	uint64_t hash;
	uint32_t row_index;
	uint64_t row;
	uint32_t slot;
	uint64_t link;
	uint64_t port_word;
};

/**
 * The decision for one frame, by the core's functions, without side effect: what explain answers
 * and what the tests hold the planes against.
 *
 * @param frame at its Ethernet header, frame_bytes readable.
 * @return the verdict, also in ret_walk.
 */
enum fl_verdict plane_walk(const struct plane_tables *tables, const uint8_t *frame,
			   uint32_t frame_bytes, struct plane_walk *ret_walk);

/**
 * Write the packet that leaves after a walk that ended in FL_FORWARD.
 * @param out room for frame_bytes + FL_ENCAP_BYTES_MAX. @return bytes written.
 */
uint32_t plane_walk_output(const struct plane_tables *tables, const struct plane_walk *walk,
			   const uint8_t *frame, uint8_t *out);

/** The VIP record for a key, as packets find it. @return its index, or UINT32_MAX. */
uint32_t plane_vip_find(const struct plane_tables *tables, const struct fl_vip_key *key);

/** "forward", "drop_truncated", ... and what it means. */
const char *plane_verdict_name(enum fl_verdict verdict);
const char *plane_verdict_meaning(enum fl_verdict verdict);

#endif
