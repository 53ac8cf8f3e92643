/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * VIPs and backends of a state in an order of their own, so that two states are compared without
 * searching from front to back. Arrays are freed by the caller, what they point to is borrowed.
 */
#ifndef CONTROL_MODEL_SORTED_H
#define CONTROL_MODEL_SORTED_H

#include "config.h"

/** @return pointers to all VIPs, by endpoint; NULL: no memory. */
struct config_vip **model_sorted_vips(const struct config *config);

/** @return the VIP with the endpoint of @p wanted; NULL: there is none. */
struct config_vip *
model_sorted_find(struct config_vip **sorted, uint32_t count, const struct config_vip *wanted);

/** @return pointers to all backends, by address; NULL: no memory. */
struct config_backend **model_sorted_backends(const struct config_vip *vip);

/** @return the backend with the address of @p wanted; NULL: there is none. */
struct config_backend *model_sorted_find_backend(struct config_backend **sorted, uint32_t count,
						 const struct config_backend *wanted);

#endif
