/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the parts of a plane share: plane.c (life), methods.c (the protocol), stats.c and explain.c
 * (answers).
 */
#ifndef PLANE_PRIVATE_H
#define PLANE_PRIVATE_H

#include "change.h"
#include "json.h"
#include "loop.h"
#include "plane.h"
#include "rpc.h"
#include "server.h"

enum {
	PLANE_WATCHES_MAX = 64,
	PLANE_WARNINGS_MAX = 64,	 /**< of one prepare; more are counted */
	PLANE_EXPLAIN_BYTES_MAX = 65535, /**< layer 3 */
	PLANE_DIGEST_TEXT_BYTES = 17,
};

struct plane_watcher {
	struct loop_source source;
	void (*ready)(void *user);
	void *user;
};

struct plane {
	struct plane_options options;
	int loop;
	struct server *server;
	struct nexthops *nexthops;
	struct loop_source nexthops_source;
	int clock; /**< rows_open_clock() */
	struct loop_source clock_source;
	struct state state;
	struct change *change; /**< being prepared or prepared; NULL: none */
	const struct server_client *change_owner;
	struct json_errors errors; /**< of the call being served */
	struct plane_watcher watchers[PLANE_WATCHES_MAX];
	uint32_t watcher_count;
	/** What explain walks; two bytes before the frame, so that its IP header is aligned. */
	_Alignas(8) uint8_t frame[2 + FL_ETHERNET_BYTES + PLANE_EXPLAIN_BYTES_MAX];
};

/** Serve one call. @param owner whose it is: a prepared change belongs to a client. */
void methods_call(struct plane *plane, struct rpc_call *call, const struct server_client *owner);

/** A client is gone, with what it had prepared. */
void methods_forget(struct plane *plane, const struct server_client *owner);

/** The 16 digits of a 64-bit word. @return @p text. */
char *plane_digest_text(uint64_t digest, char text[PLANE_DIGEST_TEXT_BYTES]);

/** "02:00:5e:00:00:01" from a link or port word. @return @p text. */
char *plane_mac_text(uint64_t word, char text[18]);

/** @param vip NULL: all. @return the result of plane.stats; NULL: no memory. */
cJSON *stats_answer(struct plane *plane, const struct state_vip *vip);

/** A packet to explain. */
struct explain_packet {
	struct addr source;
	uint16_t source_port;
	struct addr destination; /**< of the same family */
	uint16_t destination_port;
	uint8_t protocol;
	bool is_syn;	/**< TCP: it begins the flow */
	uint32_t bytes; /**< layer 3; at least explain_bytes_min() */
};
uint32_t explain_bytes_min(const struct explain_packet *packet);

/** @return the result of plane.explain; NULL: no memory. */
cJSON *explain_answer(struct plane *plane, const struct explain_packet *packet);

/** Adding to answers: false means no memory, the answer is then dropped whole. */
bool
plane_put(cJSON *object, const char *name, cJSON *item); /**< takes @p item, which may be NULL */
bool plane_put_text(cJSON *object, const char *name, const char *text);
bool plane_put_address(cJSON *object, const char *name, const struct addr *address);

#endif
