/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Which words of the VIP buckets a change writes, and in which order (core/vip.h says how they are
 * read).
 *
 * A change is first drawn up on a copy, where it can fail (and must then be dropped); the stores it
 * takes are kept in order and then made in the live buckets, where nothing can fail. One 64-bit
 * release store publishes or retires a record. One thread.
 */
#ifndef PLANE_VIPS_H
#define PLANE_VIPS_H

#include "tables.h"

struct vips;

/** @param tables borrowed; config's mask and key, vip_buckets and vips are used. @param
 * record_count of tables->vips. @return 0; -ENOMEM. */
int vips_create(const struct plane_tables *tables, uint32_t record_count, struct vips **ret_vips);

/** NULL is fine. */
void vips_destroy(struct vips *vips);

/** Start a new change from the live buckets; drops one that was not applied. */
void vips_begin(struct vips *vips);

/**
 * Make packets for @p key find record @p index, instead of the record they found before, if any.
 *
 * @param index not published in any form; its key in the tables need not be written yet, but before
 * vips_apply().
 * @return 0; -ENOSPC: the FL_VIP_PROBE_MAX buckets where the key may lie are full; -ENOMEM.
 */
int vips_publish(struct vips *vips, const struct fl_vip_key *key, uint32_t index);

/** Make packets for @p key find nothing. @return 0; -ENOENT: they do not now; -ENOMEM. */
int vips_retire(struct vips *vips, const struct fl_vip_key *key);

/** Every reader must have passed what was published so far before what follows. */
void vips_barrier(struct vips *vips);

/** The record that packets for @p key will find; UINT32_MAX: none. */
uint32_t vips_find(const struct vips *vips, const struct fl_vip_key *key);

/**
 * Take over live buckets that an earlier process wrote, which may have ended between any two
 * stores: a word that was moved may stand twice, and is taken from its old place by
 * vips_apply(). Starts a new change.
 * @return 0; -EBADMSG: a word names no record, or one that no packet would find there; -ENOMEM.
 */
int vips_adopt(struct vips *vips);

/**
 * Make the change in the live buckets. Calls @p synchronize between two stores where a reader must
 * have passed the first before it may see the second; rarely needed, not after the last.
 */
void vips_apply(struct vips *vips, void (*synchronize)(void *user), void *user);

#endif
