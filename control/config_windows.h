/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The members of a VIP in fairlead.json that say how long rows remember their previous owner
 * (docs/formats.md 4.1): reading them, and which of them counts. Any thread.
 */
#ifndef CONTROL_CONFIG_WINDOWS_H
#define CONTROL_CONFIG_WINDOWS_H

#include "config.h"

/* clang-format off */
/** For json_check() tables; before POLICY_FIELDS, whose limits are those of a plane. */
#define WINDOWS_FIELDS                                                                        \
	{ "window_s", JSON_KIND_INTEGER, false, CONTROL_WINDOW_S_MIN, VIP_WINDOW_S_MAX },     \
	{ "udp_window_s", JSON_KIND_INTEGER, false, CONTROL_WINDOW_S_MIN, VIP_WINDOW_S_MAX }, \
	{ "hold_s", JSON_KIND_INTEGER, false, 0, VIP_HOLD_S_MAX },                            \
	{ "on_down", JSON_KIND_STRING, false, 0, 32 },                                        \
	{ "udp", JSON_KIND_STRING, false, 0, 32 }
/* clang-format on */

/** Members of an object that json_check() has seen; what is wrong is reported and its default
 * taken. Afterwards @p vip's policy has what counts, so its endpoint must have been read. */
void config_windows_read(const cJSON *object, const struct json_path *path,
			 struct json_errors *errors, struct config_vip *vip);

/** Add "on_down" and, of a udp VIP, "udp". false: no memory. */
bool config_windows_put_words(cJSON *object, const struct config_vip *vip);

/** Add all members as the file has them. false: no memory. */
bool config_windows_put(cJSON *object, const struct config_vip *vip);

#endif
