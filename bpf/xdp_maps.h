/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The maps of the XDP plane, between its program and its process. Tables have the shapes of
 * dataplane/core/tables.h; all but tx_ports are BPF_F_MMAPABLE arrays that the process maps and
 * writes like memory.
 *
 * | map               | value                | entries                                       |
 * | ----------------- | -------------------- | --------------------------------------------- |
 * | config            | struct xdp_config    | 1                                             |
 * | vip_buckets       | struct fl_vip_bucket | plane_tables_size()                           |
 * | vips              | struct fl_vip        | plane_tables_size()                           |
 * | backends          | struct fl_backend    | limits.backends                               |
 * | owners            | struct fl_owners     | limits.rows / 4, rounded up                   |
 * | rows              | struct fl_row        | limits.rows                                   |
 * | ports             | struct fl_port       | FL_PORTS_MAX                                  |
 * | fragments         | struct fl_fragments  | limits.fragments / 8, a power of two          |
 * | flows             | struct fl_flows      | limits.flows / 8, a power of two              |
 * | clock             | struct fl_clock      | 1                                             |
 * | cores             | struct fl_core       | possible CPUs                                 |
 * | vip_counters      | struct fl_counter    | possible CPUs x vips; index cpu x vips + i    |
 * | backend_counters  | struct fl_counter    | possible CPUs x backends; likewise            |
 * | flow_counters     | struct fl_flow_counter | possible CPUs x vips; likewise              |
 * | vip_ledger        | struct xdp_ledger    | vips; the process's own                       |
 * | backend_ledger    | struct xdp_ledger    | backends; the process's own                   |
 * | tx_ports (DEVMAP) | ifindex              | FL_PORTS_MAX, by port number                  |
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
	uint32_t unused;
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

_Static_assert(sizeof(struct xdp_config) == 24 + 64 + 32 + 192, "shared shape");

#endif
