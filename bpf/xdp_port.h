/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The program on one port's interface: attached by a bpf_link that is pinned as link_<port>, so
 * that it stays when the process ends, and is exchanged at once when a process takes over.
 */
#ifndef BPF_XDP_PORT_H
#define BPF_XDP_PORT_H

#include <stdint.h>

#include "../dataplane/plane/pin_directory.h"
#include "xdp_config.h"

/** What became of a port at the start. */
enum xdp_port_fate {
	XDP_PORT_FAILED = -1,
	XDP_PORT_TAKEN_OVER, /**< the program of an earlier start was exchanged */
	XDP_PORT_ATTACHED,   /**< there was none */
};

/**
 * Put @p program on the port's interface: in place of the one that an earlier start pinned, or
 * where nothing is. Never over the program of another.
 */
enum xdp_port_fate
xdp_port_attach(const struct pin_directory *pins, const struct xdp_config_port *port, int program,
		struct failure *failure);

/** Take the program of pin @p link ("link_eth0") off and remove the pin. @return 0; -1. */
int xdp_port_detach(const struct pin_directory *pins, const char *link, struct failure *failure);

/** The pin's name of a port, as in the directory. */
void xdp_port_link_name(const struct xdp_config_port *port, char ret_name[PIN_NAME_BYTES_MAX]);

#endif
