/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * VIPs as the plane protocol and the configuration say them (docs/formats.md 2): what names one,
 * how it treats packets, and what VIPs of one set forbid each other. Planes and the control daemon
 * read them with this code, so that both refuse the same. No state; any thread.
 */
#ifndef PLANE_ENDPOINT_H
#define PLANE_ENDPOINT_H

#include "addr.h"
#include "json.h"

enum {
	ENDPOINT_RANGES_MAX = 32, /**< VIPs of one address or prefix and protocol that are not one
				     port */
	ENDPOINT_LENGTHS_MAX = 8, /**< distinct prefix lengths of a family, addresses being one */
	ENDPOINT_IPV4_BITS_MIN = 8,
	ENDPOINT_IPV6_BITS_MIN = 16,
	ENDPOINT_PORT_TEXT_MAX = 12, /**< "first-last" with its NUL */
};

/** Bounds of what planes and control daemon agree on. */
enum {
	VIP_WINDOW_S_MAX = 86400,
	VIP_HOLD_S_MAX = 300,
	VIP_HOLD_S_DEFAULT = 3,
	VIP_HISTORY_MAX = 64, /**< sets of backends before the present one */
};

/** How packets go to the backends. */
enum vip_mode { VIP_MODE_IPIP, VIP_MODE_GUE, VIP_MODE_L2DSR };

enum vip_fragments { VIP_FRAGMENTS_FOLLOW, VIP_FRAGMENTS_DROP };

/** Echo requests to the address. */
enum vip_icmp_echo { VIP_ICMP_ECHO_ANSWER, VIP_ICMP_ECHO_FORWARD, VIP_ICMP_ECHO_HOST };

/** Packets while no backend has a weight. */
enum vip_no_backend { VIP_NO_BACKEND_DROP, VIP_NO_BACKEND_HOST };

/** How a VIP treats packets. Zero is the default of each word. The times are read by want.c and the
 * control daemon: planes and operators have other defaults. */
struct vip_policy {
	enum vip_mode mode;
	enum vip_fragments fragments;
	enum vip_icmp_echo icmp_echo;
	enum vip_no_backend no_backend;
	uint32_t window_s; /**< how long a row remembers; 0: rows change their owner at once */
	uint32_t hold_s;   /**< how long a row's new flows still go to its previous owner */
};

/* clang-format off */
/** The members of a VIP's name, for json_check() tables. "port" is checked by endpoint_read(). */
#define ENDPOINT_FIELDS                                                              \
	{ "address", JSON_KIND_STRING, true, 1, ADDR_PREFIX_TEXT_MAX - 1 },          \
	{ "port", JSON_KIND_ANY, true, 0, 0 },                                       \
	{ "protocol", JSON_KIND_STRING, true, 1, 16 }

/** The members of its policy. Their words are checked by policy_read(). */
#define POLICY_FIELDS                                                                \
	{ "mode", JSON_KIND_STRING, false, 0, 32 },                                  \
	{ "fragments", JSON_KIND_STRING, false, 0, 32 },                             \
	{ "icmp_echo", JSON_KIND_STRING, false, 0, 32 },                             \
	{ "no_backend", JSON_KIND_STRING, false, 0, 32 }
/* clang-format on */

/**
 * Read "address", "port" and "protocol" of an object that json_check() has seen with
 * ENDPOINT_FIELDS. What json_check() has reported (a member missing, or of another type) is not
 * reported again.
 *
 * Errors: wrong_type, out_of_range, invalid_value, address_not_usable.
 *
 * @return true; false: the errors say why not. Then ret_endpoint's protocol is 0, and its prefix is
 *         what the object said where that was good, else of 0 bits.
 */
bool endpoint_read(const cJSON *object, const struct json_path *path, struct json_errors *errors,
		   struct addr_endpoint *ret_endpoint);

/** Add the three members. false: no memory. */
bool endpoint_put(cJSON *object, const struct addr_endpoint *endpoint);

/** A total order, as strcmp(): prefix address, bits, port, port_last, protocol. 0 when equal. */
int endpoint_compare(const struct addr_endpoint *left, const struct addr_endpoint *right);

/** Neither one port nor all ports. */
bool endpoint_is_range(const struct addr_endpoint *endpoint);

/** All ports. */
bool endpoint_is_any(const struct addr_endpoint *endpoint);

/** Two different ranges of one prefix and protocol that have a port in common. A range may have
 * single ports in it, and "any" everything. */
bool endpoint_overlaps(const struct addr_endpoint *left, const struct addr_endpoint *right);

/**
 * Read the policy members of an object that json_check() has seen with POLICY_FIELDS; absent ones
 * are the defaults. Error: invalid_value, with the nearest right word.
 *
 * @param ret_policy set in any case; a member that is wrong is its default.
 * @return false: the errors say why not.
 */
bool policy_read(const cJSON *object, const struct json_path *path, struct json_errors *errors,
		 struct vip_policy *ret_policy);

/** Add all four members. false: no memory. */
bool policy_put(cJSON *object, const struct vip_policy *policy);

bool policy_equal(const struct vip_policy *left, const struct vip_policy *right);

const char *policy_mode_name(enum vip_mode mode);
const char *policy_fragments_name(enum vip_fragments fragments);
const char *policy_icmp_echo_name(enum vip_icmp_echo icmp_echo);
const char *policy_no_backend_name(enum vip_no_backend no_backend);

/* --- sets of VIPs --- */

/** One VIP of a set. */
struct endpoint_member {
	const struct addr_endpoint *endpoint; /**< complete */
	const struct vip_policy *policy;
	uint32_t place; /**< the caller's number; of two that conflict the higher one is at fault */
};

enum endpoint_conflict_kind {
	ENDPOINT_DUPLICATE, /**< equal to other */
	ENDPOINT_OVERLAP,   /**< endpoint_overlaps() with other */
	ENDPOINT_ECHO,	    /**< icmp_echo is not that of other, which has the same prefix */
	ENDPOINT_RANGES,    /**< the first beyond ENDPOINT_RANGES_MAX of its prefix and protocol */
	ENDPOINT_LENGTHS,   /**< the first of a prefix length beyond ENDPOINT_LENGTHS_MAX */
};

struct endpoint_conflict {
	enum endpoint_conflict_kind kind;
	struct endpoint_member at;
	/** Of DUPLICATE, OVERLAP and ECHO: that with the lower place. */
	struct endpoint_member other;
};

/**
 * Add the error of a conflict: duplicate_vip, overlapping_ports, conflicting_icmp_echo or
 * limit_exceeded.
 *
 * @param where what to call the place of the other VIP, e.g. "/vips/3".
 * @param path of the VIP at fault; the error is at the member that is wrong. NULL: it has no place
 *        in the document.
 */
void endpoint_conflict_add(const struct endpoint_conflict *conflict, const char *where,
			   const struct json_path *path, struct json_errors *errors);

/**
 * Find what VIPs of one set forbid each other, in n log n.
 *
 * @param members sorted in place, any order before and after.
 * @param report called for each conflict, in no order.
 * @param user handed to @p report.
 */
void endpoint_check_set(struct endpoint_member *members, uint32_t count,
			void (*report)(void *user, const struct endpoint_conflict *conflict),
			void *user);

#endif
