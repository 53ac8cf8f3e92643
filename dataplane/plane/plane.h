/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * A plane but for its packet path: serves the plane socket, validates and compiles backend sets
 * into tables, resolves next hops, gives counters out. The engine (DPDK, XDP) brings memory, packet
 * cores and a few functions.
 *
 * One thread calls everything here: the plane's main thread, never a packet core. No call blocks
 * longer than one turn's work, except commit, which waits for the packet cores
 * (engine.synchronize).
 */
#ifndef PLANE_PLANE_H
#define PLANE_PLANE_H

#include <sys/types.h>

#include "addr.h"
#include "tables.h"

enum {
	PLANE_CLIENTS_MAX = 16,
	PLANE_NAME_BYTES_MAX = 33, /**< with NUL */
	PLANE_GATEWAY_PREFIXES_MAX = 64,
	PLANE_CORES_MAX = 64,
	PLANE_ICMP_RATE_DEFAULT = 1000,
	PLANE_ICMP_BURST_DEFAULT = 100,
};

/** A port that packets can leave by. Index in the array = port number in the tables. */
struct plane_port {
	char name[PLANE_NAME_BYTES_MAX];
	uint32_t ifindex; /**< kernel interface whose routes and neighbours lead out of it (the NIC
			   * itself or its TAP); 0: none, then gateway_mac is the next hop */
	uint8_t mac[6];	  /**< source MAC */
	uint16_t mtu;	  /**< layer 3 bytes; followed in the kernel when ifindex is set */
	bool has_gateway;
	uint8_t gateway_mac[6];
	struct addr_prefix gateway_for[PLANE_GATEWAY_PREFIXES_MAX]; /**< none: every backend */
	uint32_t gateway_for_count;
};

struct plane_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_missed;
};

struct plane_core_stats {
	uint32_t core; /**< CPU number */
	uint64_t received;
	uint64_t busy_cycles;
	uint64_t idle_cycles;
};

/** What the engine does for the plane. Every function is called on the plane's thread. */
struct plane_engine {
	void *user;
	/** Return once every packet core has passed a quiescent point after the call. */
	void (*synchronize)(void *user);
	/**
	 * Records (VIPs, address records, pages) that will be published, before they are: steer
	 * their packets to the packet cores, guard them from the host's stack. A record takes the
	 * place of one with the same key. All or none.
	 * @param lengths of all VIPs, served and new, as fl_config.lengths.
	 * @return 0 or a negative errno; the commit then fails and nothing has changed.
	 */
	int (*vips_add)(void *user, const struct fl_vip *records, uint32_t count,
			const uint64_t lengths[2]);
	/** Keys that no record has any more, after the last packet core passed. */
	void (*vips_remove)(void *user, const struct fl_vip_key *keys, uint32_t count,
			    const uint64_t lengths[2]);
	/**
	 * All packets of the VIP are the host's (no row has an owner, none moves), or not any more:
	 * a steered port passes them to the kernel. Until it is told, and after a record is added,
	 * the packet cores decide. NULL: they do always.
	 * @return 0 or a negative errno; it is told again later then.
	 */
	int (*vip_is_hosts)(void *user, const struct fl_vip *record, bool is_hosts);
	/** Sums over the packet cores; monotonic. verdicts first: what left the balancer before its
	 * call is in all of them. */
	void (*verdicts)(void *user, uint64_t ret_packets[FL_VERDICT_COUNT]);
	void (*events)(void *user, uint64_t ret_events[FL_EVENT_COUNT]);
	struct fl_counter (*vip_counter)(void *user, uint32_t vip_index);
	struct fl_counter (*backend_counter)(void *user, uint32_t slot);
	struct fl_flow_counter (*flow_counter)(void *user, uint32_t vip_index);
	void (*port_stats)(void *user, uint32_t port, struct plane_port_stats *ret_stats);
	void (*core_stats)(void *user, uint32_t i, struct plane_core_stats *ret_stats);
	uint32_t core_count;
};

struct plane_options {
	const char *name; /**< borrowed for the plane's life, like all pointers here */
	const char *kind; /**< "dpdk", "xdp" */
	const char
		*socket_path; /**< replaced when it is a left-over socket that nobody listens on */
	const char *control_user; /**< may connect besides root; need not exist */
	const char *group;	  /**< group of the socket, used when it exists */
	struct plane_limits limits;
	struct plane_tables *tables; /**< key and arrays set */
	bool has_source_ipv4, has_source_ipv6;
	struct addr source_ipv4, source_ipv6; /**< outer source addresses */
	bool has_entropy_ipv4, has_entropy_ipv6;
	struct addr_prefix entropy_ipv4, entropy_ipv6; /**< outer sources of FL_MODE_IPIP */
	uint32_t icmp_rate;  /**< ICMP errors a second and packet core; 0: the default */
	uint32_t icmp_burst; /**< at once; 0: the default */
	/** The tables hold what an earlier process served: go on with that. plane_create() then
	 * fails with -EBADMSG when it makes no sense. */
	bool adopt;
	const struct plane_port *ports;
	uint32_t port_count;
	/**
	 * A port's interface was gone, and interface @p ifindex, which has its name, is up: serve
	 * that, and set ports[port].ifindex. NULL: this kind of plane cannot, the operator is told
	 * to restart it. @return 0; -1: not now, which was logged.
	 */
	int (*port_returned)(void *user, uint32_t port, uint32_t ifindex);
	void *port_user; /**< of port_returned() */
	struct plane_engine engine;
	/** One line for the operator's log; level as in syslog(3). Not called from any packet core.
	 */
	void (*log)(int level, const char *message);
};

struct plane;

/** Why a plane could not be made, as one sentence with what to do. */
struct plane_failure {
	char message[512];
};

/**
 * @param ret_plane set on success only; plane_destroy() it.
 * @return 0; -EADDRINUSE: another process serves the socket; -EACCES, -ENOENT: the socket's
 *         directory; -ENOMEM; -EINVAL; or another negative errno of socket or netlink. ret_failure
 * says it in words.
 */
int plane_create(const struct plane_options *options, struct plane **ret_plane,
		 struct plane_failure *ret_failure);

/** Closes clients, removes the socket. Tables are left as they are. NULL is fine. */
void plane_destroy(struct plane *plane);

/** Call @p ready on the plane's thread when @p fd (borrowed) is readable. @return 0; -ENOMEM or
 * negative errno of epoll. */
int plane_watch(struct plane *plane, int fd, void (*ready)(void *user), void *user);

/**
 * Wait for events, at most @p timeout_ms (-1: until one comes; timers of the plane end it earlier),
 * and serve them. @return 0; negative errno of epoll_wait() other than EINTR.
 */
int plane_turn(struct plane *plane, int timeout_ms);

#endif
