/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What happens to one packet, by docs/formats.md sections 2, 6 and 7 and the rules of two-owner
 * rows (docs/architecture.md) alone: the oracle that the planes are held against.
 *
 * Slow and plain on purpose: fields are read byte by byte, checksums of new headers are summed in
 * full, VIPs are searched one after the other. It shares no header with dataplane/ and needs libc
 * only. What a plane adds of its own surroundings (drop_no_room, drop_send_full, drop_host_full,
 * drop_no_host) is not modelled. Not thread-safe: a state belongs to one thread.
 */
#ifndef TESTS_MODEL_PACKET_MODEL_H
#define TESTS_MODEL_PACKET_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MODEL_PORTS_MAX = 16,
	MODEL_FRAME_BYTES_MAX = 65535 + 14 + 8, /**< of an input: the longest packet, two tags */
	MODEL_OUT_BYTES_MAX = MODEL_FRAME_BYTES_MAX + 48 + 8,
	MODEL_FRAGMENTS_MAX = 1 << 20, /**< younger than 2 s; one more ends the program */
	MODEL_FRAGMENT_LIFE_MS = 2000,
	MODEL_FRAGMENT_STEP_MS = 67, /**< a plane may forget that much earlier, never later */
	MODEL_BUCKET_ENTRIES = 8,
};

#define MODEL_NONE	UINT32_MAX /**< no VIP, no backend, a row of nobody */
#define MODEL_UNLIMITED UINT32_MAX /**< of model_state.answers_left */

enum model_mode { MODEL_IPIP, MODEL_GUE, MODEL_L2DSR };
enum model_fragments { MODEL_FRAGMENTS_FOLLOW, MODEL_FRAGMENTS_DROP };
enum model_icmp_echo { MODEL_ECHO_ANSWER, MODEL_ECHO_FORWARD, MODEL_ECHO_HOST };
enum model_no_backend { MODEL_NO_BACKEND_DROP, MODEL_NO_BACKEND_HOST };
enum model_vlan { MODEL_VLAN_KEEP, MODEL_VLAN_NONE, MODEL_VLAN_ONE, MODEL_VLAN_TWO };

struct model_port {
	uint8_t mac[6];
	uint32_t mtu; /**< bytes of layer 3 */
	enum model_vlan vlan;
	uint16_t tags[2]; /**< ONE: the first; TWO: outer, inner */
};

struct model_backend {
	uint8_t address[16]; /**< IPv4 as IPv4-mapped; so all addresses here */
	uint32_t port;	     /**< number of the port it is behind */
	uint8_t mac[6];	     /**< of its next hop */
	bool reachable;	     /**< the next hop is known */
	bool live;	     /**< false: the owner is gone, though rows may name it */
	uint32_t weight;
};

struct model_vip {
	uint8_t address[16];
	uint32_t prefix_bits; /**< of 128: IPv4 192.0.2.0/24 has 120 */
	uint32_t port_first, port_last;
	uint8_t protocol; /**< 6, 17 */
	enum model_mode mode;
	enum model_fragments fragments;
	enum model_icmp_echo icmp_echo;
	enum model_no_backend no_backend;
	uint32_t table_size;
	const uint32_t *rows; /**< table_size of them: place in backends, or MODEL_NONE */
	const struct model_backend *backends;
	uint32_t backend_count;
	uint32_t window_s; /**< at least 1 where a row of the VIP is not stable */
	uint32_t hold_s;
};

enum model_row_state { MODEL_STABLE, MODEL_MOVING, MODEL_SETTLING };

/** A row that remembers; those that do not are in model_vip.rows alone. */
struct model_row {
	uint32_t vip, row;
	enum model_row_state state;
	uint32_t cur, prev; /**< places in backends, or MODEL_NONE */
	uint32_t until;	    /**< 24 bits of a tick */
};

enum model_entry_state { MODEL_FREE, MODEL_SYN, MODEL_OPEN, MODEL_CLOSING };

/** A flow that is remembered. */
struct model_entry {
	uint64_t fingerprint;  /**< the 34 highest bits of the flow hash */
	uint32_t vip, backend; /**< MODEL_NONE: a slot that nobody has */
	enum model_entry_state state;
	uint8_t stamp; /**< in units of its VIP */
};

/** Outer sources of one family. */
struct model_source {
	bool has, has_entropy;
	uint8_t address[16];
	uint8_t entropy[16];
	uint32_t entropy_bits; /**< of 128 */
};

/** A first fragment that was forwarded. */
struct model_fragment {
	uint8_t source[16], destination[16];
	uint32_t id;
	uint8_t protocol;
	uint32_t vip, backend;
	uint64_t made_ms;
};

/**
 * All that a verdict depends on. The caller fills it and owns what it points to; fragments are the
 * model's own: zero at first, released by model_forget().
 */
struct model_state {
	uint8_t key[16];
	struct model_source source4, source6;
	uint32_t answers_left; /**< too-big answers still allowed; MODEL_UNLIMITED */
	struct model_port ports[MODEL_PORTS_MAX];
	uint32_t port_count;
	const struct model_vip *vips;
	uint32_t vip_count;
	struct model_fragment *fragments; /**< exact, in order of time */
	uint32_t fragment_count, fragment_room;
	uint64_t tick;		/**< now, in 1/16 s */
	struct model_row *rows; /**< the caller's; a packet may change one */
	uint32_t row_count;
	/** Of flows, bucket_count (a power of two) of them, the caller's; a packet may change one
	 * entry. By the lowest bits of the flow hash. */
	struct model_entry (*buckets)[MODEL_BUCKET_ENTRIES];
	uint32_t bucket_count; /**< 0 where row_count is */
};

struct model_input {
	uint32_t in_port; /**< below port_count */
	uint64_t now_ms;  /**< never less than in the call before */
	const uint8_t *frame;
	uint32_t frame_bytes;
};

struct model_result {
	const char *verdict; /**< its name in docs/formats.md */
	const char *event;   /**< "answer_limited" or NULL */
	uint32_t vip;	  /**< place in vips where its ports or its flow decided, else MODEL_NONE */
	uint32_t backend; /**< place in the VIP's backends, once one was picked */
	uint64_t flow_hash;		  /**< once a row or an outer header needed it */
	bool is_failed;			  /**< the flow found no place among the entries */
	bool is_evicted;		  /**< another had to give its place */
	bool is_extended;		  /**< the row's window begins again */
	bool later_fragment;		  /**< the verdict depends on the fragment table */
	bool remembered;		  /**< a first fragment: is in the fragment table now */
	int64_t fragment_age_ms;	  /**< of the first, when the later one found it; else -1 */
	uint32_t out_port;		  /**< with out_bytes */
	uint32_t out_bytes;		  /**< 0: nothing leaves */
	uint8_t out[MODEL_OUT_BYTES_MAX]; /**< nothing behind out_bytes is written */
};

/**
 * Decide one frame. Changes only what the frame changes: the fragments and answers_left.
 *
 * @return 0; -EINVAL when in_port is no port or the frame is longer than MODEL_FRAME_BYTES_MAX.
 */
int model_packet(struct model_state *state, const struct model_input *input,
		 struct model_result *ret_result);

/** Forget all fragments and give their memory back. */
void model_forget(struct model_state *state);

/** What the seconds of a VIP's window amount to. */
struct model_times {
	uint32_t unit;	 /**< u: ticks that a stamp counts */
	uint32_t live;	 /**< L: units that an entry lives */
	uint32_t row;	 /**< Wp: ticks that a row moves, and settles */
	uint32_t hold;	 /**< G: ticks */
	uint32_t closed; /**< Q: units */
};

struct model_times model_times_of(const struct model_vip *vip);

/** Place of the row of a flow among the VIP's. */
uint32_t model_row_of(const struct model_vip *vip, uint64_t flow_hash);

/** A row that remembers. NULL: the flow's row is one that does not. */
struct model_row *model_find_row(const struct model_state *state, uint32_t vip, uint64_t flow_hash);

/** SipHash-1-3, 64 bits. */
uint64_t model_siphash13(const uint8_t key[16], const uint8_t *bytes, uint32_t size);

#endif
