/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The plane's engine over the XDP program: its maps, mapped into this process, are the tables and
 * counters; and the functions that the plane library calls (struct plane_engine).
 *
 * The main thread calls everything here.
 */
#ifndef BPF_XDP_ENGINE_H
#define BPF_XDP_ENGINE_H

#include "xdp_config.h"
#include "xdp_maps.h"
#include "xdp_program.h"

enum { XDP_ENGINE_MAPPED_MAX = 24 };

struct mnl_socket;

struct xdp_engine {
	struct plane_tables tables; /**< arrays: maps of the program */
	struct xdp_config *config;
	const struct fl_core *cores;				  /**< cpu_count of them */
	const struct fl_counter *vip_counters, *backend_counters; /**< a stride for each CPU */
	const struct fl_flow_counter *flow_counters;		  /**< likewise */
	uint32_t vip_stride, backend_stride;
	uint32_t cpu_count;
	uint32_t ifindex[FL_PORTS_MAX]; /**< by port number; 0: no port */
	struct mnl_socket *netlink;	/**< for port statistics; NULL: they are 0 */
	struct {
		void *at;
		size_t bytes;
	} mapped[XDP_ENGINE_MAPPED_MAX];
	uint32_t mapped_count;
};

/** What an engine is made of; borrowed while xdp_engine_open() runs. */
struct xdp_engine_parts {
	const struct xdp_program *program;    /**< loaded */
	const struct xdp_config_file *config; /**< what it was loaded for */
	const struct fl_key *key;
};

/**
 * Map everything, and tell the program what is fixed from now on: key, sources, ports. Tables that
 * were adopted keep their contents. Zero-initialise @p engine.
 *
 * @return 0; -1: xdp_engine_close() takes what was made.
 */
int xdp_engine_open(struct xdp_engine *engine, const struct xdp_engine_parts *parts,
		    struct failure *failure);

/** Port @p port has another interface from now on. @return 0; -1. */
int xdp_engine_set_port(struct xdp_engine *engine, const struct xdp_program *program, uint32_t port,
			struct failure *failure);

/** What the plane library is to call. */
struct plane_engine xdp_engine_functions(struct xdp_engine *engine);

void xdp_engine_close(struct xdp_engine *engine);

#endif
