/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What an operator can get wrong about the machine, looked at before anything is loaded, because
 * the kernel's own words for it name neither cause nor remedy. Reads only.
 */
#ifndef BPF_XDP_PREFLIGHT_H
#define BPF_XDP_PREFLIGHT_H

#include "../dataplane/plane/failure.h"
#include "xdp_config.h"

/** Kernel, permissions, interfaces. @return 0; -1 at the first that is wrong. */
int xdp_preflight(const struct xdp_config_file *config, struct failure *failure);

/** Does the kernel trust the program's author? Else it hardens the program, or refuses it. */
bool xdp_preflight_has_perfmon(void);

/** Run, on the calling thread, with what the plane needs from now on and no more. */
void xdp_privileges_reduce(void);

#endif
