/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The members that the configuration files of all planes have (docs/formats.md 4.2 and 4.3), and
 * what is read alike of their ports. Nothing of the machine is looked at here.
 *
 * Every function adds what is wrong to the errors, unlocated, and goes on: one run reports all.
 */
#ifndef PLANE_PLANE_FILE_H
#define PLANE_PLANE_FILE_H

#include <stdio.h>

#include "json.h"
#include "plane.h"

enum {
	PLANE_FILE_PATH_BYTES_MAX = 256,   /**< with NUL */
	PLANE_FILE_SOCKET_BYTES_MAX = 108, /**< with NUL: sockaddr_un */
	PLANE_FILE_USER_BYTES_MAX = 33,	   /**< with NUL */
};

/** Rows of a plane's json_check() table: every member of struct plane_file. */
#define PLANE_FILE_FIELDS                                                                       \
	{ "version", JSON_KIND_INTEGER, true, 1, 1 },                                           \
		{ "name", JSON_KIND_STRING, true, 1, PLANE_NAME_BYTES_MAX - 1 },                \
		{ "socket", JSON_KIND_STRING, false, 1, PLANE_FILE_SOCKET_BYTES_MAX - 1 },      \
		{ "control_user", JSON_KIND_STRING, false, 1, PLANE_FILE_USER_BYTES_MAX - 1 },  \
		{ "key_file", JSON_KIND_STRING, true, 1, PLANE_FILE_PATH_BYTES_MAX - 1 },       \
		{ "log_level", JSON_KIND_STRING, false, 1, 16 },                                \
		{ "pin_dir", JSON_KIND_STRING, false, 1, PLANE_FILE_PATH_BYTES_MAX - 1 },       \
		{ "encap_source_ipv4", JSON_KIND_STRING, false, 1, ADDR_TEXT_MAX - 1 },         \
		{ "encap_source_ipv6", JSON_KIND_STRING, false, 1, ADDR_TEXT_MAX - 1 },         \
		{ "encap_entropy_ipv4", JSON_KIND_STRING, false, 1, ADDR_PREFIX_TEXT_MAX - 1 }, \
		{ "encap_entropy_ipv6", JSON_KIND_STRING, false, 1, ADDR_PREFIX_TEXT_MAX - 1 }, \
		{ "icmp_rate", JSON_KIND_INTEGER, false, 1, 1000000 },                          \
		{ "icmp_burst", JSON_KIND_INTEGER, false, 1, 10000 },                           \
		{ "limits", JSON_KIND_OBJECT, false, 0, 0 },                                    \
	{                                                                                       \
		"ports", JSON_KIND_ARRAY, true, 1, FL_PORTS_MAX                                 \
	}

/** Rows of the json_check() table of a port. */
#define PLANE_FILE_PORT_FIELDS                                           \
	{ "name", JSON_KIND_STRING, true, 1, PLANE_NAME_BYTES_MAX - 1 }, \
	{                                                                \
		"vlan", JSON_KIND_ANY, false, 0, 0                       \
	}

struct plane_file {
	char name[PLANE_NAME_BYTES_MAX];
	char socket_path[PLANE_FILE_SOCKET_BYTES_MAX];
	char control_user[PLANE_FILE_USER_BYTES_MAX];
	char key_file[PLANE_FILE_PATH_BYTES_MAX];
	char pin_dir[PLANE_FILE_PATH_BYTES_MAX];
	int log_level; /**< LOG_ERR ... LOG_DEBUG */
	bool has_source_ipv4, has_source_ipv6;
	struct addr source_ipv4, source_ipv6;
	bool has_entropy_ipv4, has_entropy_ipv6; /**< only with the source of that family */
	struct addr_prefix entropy_ipv4, entropy_ipv6;
	uint32_t icmp_rate, icmp_burst; /**< a second and core; at once */
	struct plane_limits limits;
};

/** Read the common members of @p root, an object that was checked with PLANE_FILE_FIELDS. */
void plane_file_read(const cJSON *root, struct plane_file *ret_file, struct json_errors *errors);

/** What the ports of all planes begin with. */
struct plane_file_port {
	char name[PLANE_NAME_BYTES_MAX];
	fl_be32 tag[2]; /**< of what leaves by it, as in struct fl_port */
};

/** Read `name` and `vlan` of @p port, an object that was checked with PLANE_FILE_PORT_FIELDS. */
void plane_file_read_port(const cJSON *port, const struct json_path *path,
			  struct plane_file_port *ret_port, struct json_errors *errors);

/** Say it when two ports have one name. @p path is that of the second. */
void
plane_file_compare_ports(const struct plane_file_port *first, const struct plane_file_port *second,
			 const struct json_path *path, struct json_errors *errors);

/** Copy a string whose length was checked. */
void plane_file_copy(char *to, size_t size, const char *from);

/** One line for each error: `FILE:LINE:COLUMN: error: POINTER: MESSAGE; HINT`. */
void plane_file_print_errors(const struct json_errors *errors, const char *file, FILE *stream);

#endif
