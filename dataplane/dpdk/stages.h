/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The stages of a burst. Each is a loop; what happens to a packet is decided by core functions
 * alone. In the order of their use:
 *
 * | stage       | fills                 | asks memory for what the next stage reads      |
 * | ----------- | --------------------- | ---------------------------------------------- |
 * | receive     | count, port, mbuf     | the frames                                     |
 * | parse       | packet, vip_hash      | VIP buckets                                    |
 * | match       | vip_match             | VIP records                                    |
 * | vip         | vip                   |                                                |
 * | hash        | hash                  |                                                |
 * | row         | row                   | rows                                           |
 * | pick        | slot                  | backends                                       |
 * | link        | link, port_word       |                                                |
 * | encapsulate | (the frames)          |                                                |
 * | send, host, count | verdict         |                                                |
 *
 * parse ... encapsulate need no port and no DPDK environment: only mbufs. They run on the
 * worker's thread.
 */
#ifndef DPDK_STAGES_H
#define DPDK_STAGES_H

#include "worker.h"

/** verdict of a packet that was handed to the worker that owns the TAP, who counts it. */
#define FL_VERDICT_ELSEWHERE FL_VERDICT_COUNT

/** Take up to FL_BURST_MAX packets from the worker's queue of @p port. */
void fl_stage_receive(struct fl_worker *worker, struct fl_burst *burst, uint16_t port);

void fl_stage_parse(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_match(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_vip(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_hash(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_row(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_pick(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_link(struct fl_worker *worker, struct fl_burst *burst);

/**
 * Turn the frame into the encapsulated one, in place: the new headers go into the mbuf's headroom
 * and over the old Ethernet header, padding is cut off. A frame that cannot be written in place
 * (shared, no room, Ethernet header not in one segment) is copied first; without memory for that it
 * is FL_DROP_NO_ROOM.
 */
void fl_stage_encapsulate(struct fl_worker *worker, struct fl_burst *burst);

/** Send what is still FL_FORWARD, port by port. What the port does not take is FL_DROP_SEND_FULL.
 */
void fl_stage_send(struct fl_worker *worker, struct fl_burst *burst);

/** Give what has a pass verdict to the host; or FL_DROP_NO_HOST, FL_DROP_HOST_FULL. */
void fl_stage_host(struct fl_worker *worker, struct fl_burst *burst);

/** Free what is dropped, count every packet's verdict, and the forwarded by VIP and backend. */
void fl_stage_count(struct fl_worker *worker, struct fl_burst *burst);

/**
 * For the worker that owns the TAPs: what other workers left for the host goes to the TAP of @p
 * port, what the host wrote to it goes out of the port. @return packets moved.
 */
uint32_t fl_stage_tap(struct fl_worker *worker, uint16_t port);

#endif
