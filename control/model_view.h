/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * States and plans as JSON: for the planes (plane.prepare) and for the control protocol. Every
 * function returns NULL when there is no memory; the caller owns what it gets. One thread.
 */
#ifndef CONTROL_MODEL_VIEW_H
#define CONTROL_MODEL_VIEW_H

#include "model.h"

enum {
	MODEL_VIEW_BACKEND_BYTES = 31, /**< {"address":"","weight":65535}, without the address */
};

/** {"address","port","protocol"}: a VIP's name on a plane socket. */
cJSON *model_view_endpoint(const struct addr_endpoint *endpoint);

/**
 * "192.0.2.1:80/tcp" of such an object that a plane answered.
 * @return false: it names no VIP, @p ret_text is as it was.
 */
bool model_view_endpoint_text(const cJSON *vip, char ret_text[ADDR_ENDPOINT_TEXT_MAX]);

/** Add what planes do with packets, with window_s and hold_s. false: no memory. */
bool model_view_policy_put(cJSON *object, const struct vip_policy *policy);

/** A member of a set as planes have it: an address and a weight. */
cJSON *model_view_member(const struct addr *address, uint32_t weight);

/** A VIP whole, with the weights that serve, as plane.prepare takes it. */
cJSON *model_view_plane_vip(const struct config_vip *vip);

/** At least the bytes that model_view_plane_vip() takes when printed. */
size_t model_view_plane_vip_bytes(const struct config_vip *vip);

/** The configuration document of a state, all defaults filled in, without runtime settings. */
cJSON *model_view_config(const struct config *config);

/** The runtime settings: [{vip, backend, admin, weight}]. */
cJSON *model_view_overlay(const struct config *config);

/** [{vip, name, change, policy_before, policy_after, backends:[{address, change, weight_before,
 * weight_after}]}] of a plan; policies where they differ. */
cJSON *
model_view_plan(const struct model_plan *plan, const struct config *from, const struct config *to);

/** [{plane, change, socket_before, socket_after}]: planes that @p to adds, removes or looks for
 * elsewhere. */
cJSON *model_view_plane_changes(const struct config *from, const struct config *to);

/** [{vip, backend, weight_before, weight_after}]: backends whose weight on the planes differs. */
cJSON *model_view_changed(const struct model_plan *plan, const struct config *from,
			  const struct config *to);

/** Append to an array or add to an object (name not NULL); takes @p item. false: no memory. */
bool model_view_put(cJSON *parent, const char *name, cJSON *item);

#endif
