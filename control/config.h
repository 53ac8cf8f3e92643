/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * fairlead.json: text in, checked `struct config` out (docs/formats.md 4.1).
 *
 * Reports everything that is wrong, in the order of the file, each with line, column and JSON
 * pointer. No I/O, no state: the daemon and the command line's offline `config check` use the same
 * code. Any thread.
 */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "endpoint.h"
#include "json.h"
#include "limits.h"

enum {
	CONFIG_LINE_BYTES_MAX =
		1280, /**< config_error_format(): position, pointer, message, hint */
};

struct config_plane {
	char name[CONTROL_NAME_BYTES_MAX + 1];
	char socket[CONTROL_SOCKET_PATH_MAX + 1];
};

/** What becomes of the flows of a backend that is down. */
enum config_on_down { CONFIG_ON_DOWN_REHASH, CONFIG_ON_DOWN_KEEP };

/** What a udp VIP does when a row changes its owner: follow at once, or as tcp. */
enum config_udp { CONFIG_UDP_HASH, CONFIG_UDP_TRACK };

/** As the file has them; what counts for planes is in vip_policy. */
struct config_windows {
	uint32_t window_s;     /**< of tcp */
	uint32_t udp_window_s; /**< of udp that is tracked */
	uint32_t hold_s;
	enum config_on_down on_down;
	enum config_udp udp;
};

/** Whether it was taken away while it served. */
enum config_removal {
	CONFIG_STAYS,
	CONFIG_LEAVING, /**< weight 0 until every plane says that it is drained */
	CONFIG_REMOVED, /**< not on the planes any more, but still in the file */
};

struct config_backend {
	struct addr address;
	char name[CONTROL_OBJECT_NAME_MAX + 1]; /**< the address when the file gives none */
	uint32_t weight;			/**< 0..CONTROL_WEIGHT_MAX, as the file says */
	/* What was set while running, on top of the file; zero in a config just parsed. */
	bool drained;	 /**< owns no rows, whatever its weight */
	bool reweighted; /**< runtime_weight counts instead of weight */
	uint32_t runtime_weight;
	enum config_removal removal;
	int64_t leaving_since_ms; /**< by the monotonic clock; 0: it is not, or not yet noted */
	bool unlisted; /**< the file does not have it: it is leaving, or was undrained since */
	bool served;   /**< some plane was given it */
	bool ramping;  /**< runtime_weight is on its way, by the monotonic clock in ms */
	uint32_t ramp_from;
	uint32_t ramp_to;
	int64_t ramp_begin_ms;
	int64_t ramp_end_ms;
};

struct config_vip {
	char name[CONTROL_OBJECT_NAME_MAX + 1]; /**< the endpoint when the file gives none */
	struct addr_endpoint endpoint;
	struct vip_policy policy; /**< its window_s and hold_s are those that count */
	struct config_windows windows;
	uint32_t table_size; /**< rows */
	uint32_t backend_count;
	struct config_backend *backends; /**< in the order of the file, then unlisted ones */
};

struct config {
	uint32_t plane_count;
	struct config_plane planes[CONTROL_PLANES_MAX];
	uint32_t vip_count;
	uint32_t backend_total;	 /**< over all VIPs */
	struct config_vip *vips; /**< in the order of the file */
	char *text; /**< the file, for positions in later errors; text_size bytes and a NUL */
	size_t text_size;
	char *file; /**< its name for messages */
};

/** What config_parse() reads and where it reports. */
struct config_source {
	const char *text; /**< need not end with NUL */
	size_t size;
	const char *file;	    /**< name for messages */
	struct json_errors *errors; /**< zeroed by the caller; all that is wrong, located, sorted */
	struct json_errors *warnings; /**< likewise; what is accepted but will hurt */
};

/**
 * @param ret_config set on success only; freed by the caller with config_destroy().
 * @return 0; -EBADMSG: not JSON of the accepted form; -EINVAL: JSON, but not a valid configuration;
 *         -ENOMEM.
 */
int config_parse(const struct config_source *source, struct config **ret_config);

/** An own copy of everything. @return 0; -ENOMEM. */
int config_copy(const struct config *config, struct config **ret_copy);

/** NULL and half-made configurations are fine. */
void config_destroy(struct config *config);

/** The smallest valid table size of at least @p rows; 0: there is none. */
uint32_t config_table_size_for(uint32_t rows);

/** "web" or "192.0.2.1:80/tcp". @return NULL: no such VIP. */
struct config_vip *config_find_vip(const struct config *config, const char *name);

/** A backend of @p vip by name or address. @return NULL: no such backend. */
struct config_backend *config_find_backend(const struct config_vip *vip, const char *name);

/**
 * One line as compilers print it: "FILE:LINE:COLUMN: error: POINTER: MESSAGE; HINT".
 *
 * @param severity "error" or "warning".
 * @return @p line.
 */
char *config_error_format(const struct json_error *error, const char *file, const char *severity,
			  char line[CONFIG_LINE_BYTES_MAX]);

#endif
