/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The process's side of the two maps of a program that steers or guards a port (steering.h).
 *
 * The main thread calls everything here, while the programs run.
 */
#ifndef DPDK_STEERING_MAPS_H
#define DPDK_STEERING_MAPS_H

#include "steering.h"

/** Zero-initialise, or steering_maps_open(). */
struct steering_maps {
	int records;			    /**< descriptor, ours */
	struct steering_settings *settings; /**< the map's memory; NULL: not open */
};

/** @param records, settings descriptors, borrowed. @return 0 or a negative errno. */
int steering_maps_open(int records, int settings, struct steering_maps *ret_maps);

/** What is not open is fine. */
void steering_maps_close(struct steering_maps *maps);

/** Set the outer sources that are ours, and let the program begin. @param config own alone. */
void steering_maps_start(struct steering_maps *maps, const struct fl_config *config);

/** Prefix lengths that the program tries, as fl_config.lengths. */
void steering_maps_set_lengths(struct steering_maps *maps, const uint64_t lengths[2]);

/** Add the record, or put it in the place of the one with its key. @return 0 or a negative errno.
 */
int steering_maps_put(struct steering_maps *maps, const struct fl_vip *record);

/** @return false: there is none. @param ret_record may be NULL. */
bool steering_maps_get(const struct steering_maps *maps, const struct fl_vip_key *key,
		       struct fl_vip *ret_record);

/** One that is not there is fine. */
void steering_maps_delete(struct steering_maps *maps, const struct fl_vip_key *key);

/** The key after @p key (NULL: the first) in no special order. @return false: there is none. */
bool steering_maps_next(const struct steering_maps *maps, const struct fl_vip_key *key,
			struct fl_vip_key *ret_key);

#endif
