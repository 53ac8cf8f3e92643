/* SPDX-License-Identifier: BSD-2-Clause */
#include "config_windows.h"

#include <netinet/in.h>
#include <string.h>

static const char *const on_down_names[] = { "rehash", "keep" };
static const char *const udp_names[] = { "hash", "track" };

/* @return the index of the member's word among the two; 0 when it is absent or wrong. */
static unsigned
read_word(const cJSON *object, const struct json_path *path, const char *const names[2],
	  struct json_errors *errors)
{
	const char *text = json_get_string(object, path->name, NULL);

	if (text == NULL || strcmp(text, names[0]) == 0)
		return 0;
	if (strcmp(text, names[1]) == 0)
		return 1;
	json_error_add(errors, path, "invalid_value", NULL,
		       "\"%s\" must be \"%s\" or \"%s\", not \"%.32s\"", path->name, names[0],
		       names[1], text);
	return 0;
}

/* What the planes get: rows of a UDP VIP that is not tracked change their owner at once. */
static uint32_t
window_that_counts(const struct config_vip *vip)
{
	if (vip->endpoint.protocol != IPPROTO_UDP)
		return vip->windows.window_s;
	return vip->windows.udp == CONFIG_UDP_TRACK ? vip->windows.udp_window_s : 0;
}

void
config_windows_read(const cJSON *object, const struct json_path *parent, struct json_errors *errors,
		    struct config_vip *vip)
{
	const struct json_path on_down = { .parent = parent, .name = "on_down" };
	const struct json_path udp = { .parent = parent, .name = "udp" };
	struct config_windows *windows = &vip->windows;

	windows->window_s =
		(uint32_t)json_get_integer(object, "window_s", CONTROL_WINDOW_S_DEFAULT);
	windows->udp_window_s =
		(uint32_t)json_get_integer(object, "udp_window_s", CONTROL_UDP_WINDOW_S_DEFAULT);
	windows->hold_s = (uint32_t)json_get_integer(object, "hold_s", VIP_HOLD_S_DEFAULT);
	windows->on_down = (enum config_on_down)read_word(object, &on_down, on_down_names, errors);
	windows->udp = (enum config_udp)read_word(object, &udp, udp_names, errors);
	if (vip->endpoint.protocol == IPPROTO_TCP && json_get(object, "udp") != NULL)
		json_error_add(errors, &udp, "invalid_value",
			       "leave it out; connections of tcp VIPs are always tracked",
			       "\"udp\" says how udp flows are treated, but this VIP is tcp");
	vip->policy.window_s = window_that_counts(vip);
	vip->policy.hold_s = windows->hold_s;
}

bool
config_windows_put_words(cJSON *object, const struct config_vip *vip)
{
	if (cJSON_AddStringToObject(object, "on_down", on_down_names[vip->windows.on_down]) == NULL)
		return false;
	return vip->endpoint.protocol != IPPROTO_UDP ||
	       cJSON_AddStringToObject(object, "udp", udp_names[vip->windows.udp]) != NULL;
}

bool
config_windows_put(cJSON *object, const struct config_vip *vip)
{
	const struct config_windows *windows = &vip->windows;

	return json_add_u64(object, "window_s", windows->window_s) &&
	       json_add_u64(object, "udp_window_s", windows->udp_window_s) &&
	       json_add_u64(object, "hold_s", windows->hold_s) &&
	       config_windows_put_words(object, vip);
}
