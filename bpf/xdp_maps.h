/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The maps of the XDP plane, between its program and its process. Tables have the shapes of
 * dataplane/core/tables.h: XDP_TABLES. Besides them there is tx_ports, a DEVMAP of FL_PORTS_MAX
 * interfaces by port number.
 */
#ifndef BPF_XDP_MAPS_H
#define BPF_XDP_MAPS_H

#include "../dataplane/core/tables.h"

/** Raised with any change of the meaning of a map; the sizes are checked besides. */
#define XDP_LAYOUT_VERSION 3u
#define XDP_LAYOUT_MAGIC   0x46414952u /**< "FAIR" */

/** What the program reads of its start. Layout first: another version's may differ behind it. */
struct xdp_config {
	uint32_t magic;
	uint32_t layout_version;
	uint32_t record_bytes; /**< sum of the sizes of all values */
	uint32_t vip_count;
	uint32_t backend_count;
	uint32_t zero;			/**< always, but not to the verifier: see fairlead_xdp() */
	uint32_t ifindex[FL_PORTS_MAX]; /**< by port number; 0: not there */
	uint64_t generation; /**< of the state that the tables hold; 0: none was committed */
	uint64_t unused_end[3];
	struct fl_config core;
};

/** struct plane_ledger of dataplane/plane/tables.h: kept with the counters that it is about. */
struct xdp_ledger {
	struct fl_counter carry;
	struct fl_counter base;
};

/**
 * T(name, shape of an entry, number of entries) for each table: BPF_F_MMAPABLE arrays, which the
 * process maps and writes like memory. The numbers are of a `size`, from plane_tables_size(), and
 * of `cpus`, possible ones; what is counted by CPU lies at cpu x size + index.
 */
#define XDP_TABLES(T)                                                            \
	T(config, struct xdp_config, 1)                                          \
	T(vip_buckets, struct fl_vip_bucket, size.vip_bucket_count)              \
	T(vips, struct fl_vip, size.vip_count)                                   \
	T(backends, struct fl_backend, size.backend_count)                       \
	T(owners, struct fl_owners, size.owners_count)                           \
	T(rows, struct fl_row, size.row_count)                                   \
	T(ports, struct fl_port, FL_PORTS_MAX)                                   \
	T(fragments, struct fl_fragments, size.fragment_bucket_count)            \
	T(flows, struct fl_flows, size.flow_bucket_count)                        \
	T(clock, struct fl_clock, 1)                                             \
	T(cores, struct fl_core, cpus)                                           \
	T(vip_counters, struct fl_counter, 1ull * size.vip_count * cpus)         \
	T(backend_counters, struct fl_counter, 1ull * size.backend_count * cpus) \
	T(flow_counters, struct fl_flow_counter, 1ull * size.vip_count * cpus)   \
	/* the process's own: */                                                 \
	T(vip_ledger, struct xdp_ledger, size.vip_count)                         \
	T(backend_ledger, struct xdp_ledger, size.backend_count)

_Static_assert(sizeof(struct xdp_config) == 24 + 64 + 32 + 192, "shared shape");

#endif
