/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Who has an interface already: another XDP program, and how it is taken off, which differs with
 * how it was attached. Reads only.
 */
#ifndef BPF_XDP_OCCUPANT_H
#define BPF_XDP_OCCUPANT_H

#include <stdint.h>

#include <bpf/libbpf.h>

#include "../dataplane/plane/pin_directory.h"
#include "xdp_config.h"

/** The program that is on the interface, of whatever mode; 0: none, or no interface. */
uint32_t xdp_occupant_program(uint32_t ifindex, struct bpf_xdp_query_opts *ret_query);

/**
 * Say whose program is on @p port's interface and what to do about it.
 * @param pins the plane's own; other planes' are beside it.
 * @return -1 with the failure set; 0: there is none.
 */
int xdp_occupant_explain(const struct xdp_config_port *port, uint32_t ifindex,
			 const struct pin_directory *pins, struct failure *failure);

#endif
