/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A plane from its first step to its last: in which order things come up, and go.
 */
#ifndef BPF_XDP_RUNNING_H
#define BPF_XDP_RUNNING_H

#include "xdp_engine.h"

struct xdp_running {
	const struct xdp_config_file *config;
	struct fl_key key;
	struct pin_directory pins;
	struct xdp_program program;
	struct xdp_engine engine;
	struct plane_port plane_ports[FL_PORTS_MAX];
	struct plane *plane;
	bool is_new; /**< nothing was pinned: what this start pins goes when it fails */
	bool is_attached[FL_PORTS_MAX]; /**< by this process, where nothing was */
};

/**
 * Bring the plane up, over what an earlier process left. Forwarding goes on all the time.
 * @return 0; -1: what was there before is as it was, what was not is gone again.
 */
int xdp_running_start(struct xdp_running *running, const struct xdp_config_file *config,
		      struct failure *failure);

/** Serve until @p signals (a signalfd) is readable. @return 0; -1. */
int xdp_running_serve(struct xdp_running *running, int signals, struct failure *failure);

/** The process lets go; what is pinned forwards on. */
void xdp_running_stop(struct xdp_running *running);

/** Remove what stays of a stopped or killed plane: programs, maps, directory. @return 0; -1. */
int xdp_running_detach(const struct xdp_config_file *config, struct failure *failure);

#endif
