/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The XDP program and its maps: new ones of the configured size, or those that an earlier process
 * of the plane left pinned, when they are of the same shapes and sizes.
 */
#ifndef BPF_XDP_PROGRAM_H
#define BPF_XDP_PROGRAM_H

#include "xdp_pins.h"

struct bpf_map;
struct fairlead_xdp;

struct xdp_program {
	struct fairlead_xdp *skeleton;
	uint32_t cpu_count; /**< possible CPUs: counters have a share for each */
	bool is_adopted;    /**< the maps are those of an earlier process */
};

/**
 * Load the program: on the maps of @p pins when @p is_adopted is set in @p program, which is
 * otherwise zero; else on new ones, which are not pinned yet.
 * @return 0; -1: xdp_program_close() takes what was made.
 */
int xdp_program_load(struct xdp_program *program, const struct xdp_config_file *config,
		     const struct pin_directory *pins, struct failure *failure);

/** Of one record of each map: what another version has otherwise, though its layout has one number.
 */
uint32_t xdp_program_record_bytes(const struct xdp_program *program);

/** Pin new maps, XDP_PINS_MARK last, which says by now what they are. @return 0; -1. */
int xdp_program_pin(const struct xdp_program *program, const struct pin_directory *pins,
		    struct failure *failure);

/** Descriptor of the program that ports run; borrowed. */
int xdp_program_fd(const struct xdp_program *program);

/** A map by its name; NULL cannot be for a name of xdp_maps.h. */
struct bpf_map *xdp_program_map(const struct xdp_program *program, const char *name);

/** Let go of it. What is pinned stays. */
void xdp_program_close(struct xdp_program *program);

#endif
