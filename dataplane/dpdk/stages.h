/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The stages of a burst. Each is a loop; what happens to a packet is decided by core functions
 * alone. In the order of their use:
 *
 * | stage             | fills                     | asks memory for            |
 * | ----------------- | ------------------------- | -------------------------- |
 * | receive           | count, port, now_ns, mbuf | the frames                 |
 * | parse             | packet                    | VIP buckets                |
 * | admit             | decision: VIP             |                            |
 * | hash              | hash                      | owners of rows             |
 * | choose            | backend's slot            | backends                   |
 * | route             | way out                   |                            |
 * | emit              | (the frames)              |                            |
 * | send, host, count | verdict                   |                            |
 *
 * parse ... emit need no port: only mbufs. They run on the worker's thread.
 *
 * Packets of a burst end as if each were decided before the next: what one leaves behind for others
 * (a first fragment where it went, an ICMP error that it was sent) is written and read in emit and
 * route, in their order.
 */
#ifndef DPDK_STAGES_H
#define DPDK_STAGES_H

#include "worker.h"

/** Verdict of a packet that was handed to the worker that owns the TAP, who counts it. */
#define FL_VERDICT_ELSEWHERE FL_VERDICT_COUNT

/** Take up to FL_BURST_MAX packets from the worker's queue of @p port. */
void fl_stage_receive(struct fl_worker *worker, struct fl_burst *burst, uint16_t port);

void fl_stage_parse(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_admit(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_hash(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_choose(struct fl_worker *worker, struct fl_burst *burst);
void fl_stage_route(struct fl_worker *worker, struct fl_burst *burst);

/**
 * Conclude each packet, and where a frame leaves, turn what came into it, in place. One that cannot
 * be written in place (shared, no room, headers not in one segment) is copied first; without memory
 * for that it is FL_DROP_NO_ROOM.
 */
void fl_stage_emit(struct fl_worker *worker, struct fl_burst *burst);

/** Send what leaves, port by port. What the port does not take is FL_DROP_SEND_FULL. */
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
