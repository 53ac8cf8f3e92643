/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What is pinned in the plane's directory: its maps by their names, and a link_<port> for each
 * program that is attached. The map `config`, which says what the others are, is pinned after them
 * and before the links, and goes after the links and before the others: without it nothing forwards
 * by the maps, whenever a process was killed.
 */
#ifndef BPF_XDP_PINS_H
#define BPF_XDP_PINS_H

#include "../dataplane/plane/pin_directory.h"
#include "xdp_config.h"

/** The map that is pinned last. */
#define XDP_PINS_MARK "config"

enum xdp_pins_state {
	XDP_PINS_NONE,	  /**< empty, or maps that a start or a removal left half way */
	XDP_PINS_WHOLE,	  /**< an earlier process's */
	XDP_PINS_NO_MARK, /**< links, but nothing says what they run on */
	XDP_PINS_FOREIGN, /**< another program's */
	XDP_PINS_UNREAD,  /**< the directory cannot be read: errno says why */
};

/** What was removed. */
struct xdp_pins_removed {
	uint32_t links, maps;
};

/** @param ret_entry for XDP_PINS_FOREIGN: the first that is not ours. */
enum xdp_pins_state
xdp_pins_look(const struct pin_directory *pins, char ret_entry[PIN_NAME_BYTES_MAX]);

/** Remove maps that are left half way. @return 0; -1. */
int xdp_pins_remove_maps(const struct pin_directory *pins, struct xdp_pins_removed *ret_removed,
			 struct failure *failure);

/** Take programs off that are no port's of @p config (NULL: all), with their pins. @return 0; -1.
 */
int xdp_pins_remove_links(const struct pin_directory *pins, const struct xdp_config_file *config,
			  struct xdp_pins_removed *ret_removed, struct failure *failure);

/** Remove everything, and the directory. @return 0; -1. */
int xdp_pins_remove(struct pin_directory *pins, struct xdp_pins_removed *ret_removed,
		    struct failure *failure);

#endif
