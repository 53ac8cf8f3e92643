/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * An epoll(7) loop, level-triggered: who is ready is called. One thread.
 */
#ifndef PLANE_LOOP_H
#define PLANE_LOOP_H

#include <stdint.h>

enum { LOOP_EVENTS_PER_TURN = 32 };

/** What is called for a descriptor. Stays where it is while it is in the loop. */
struct loop_source {
	/** @param events EPOLL... bits. May add and remove any source. */
	void (*ready)(void *user, uint32_t events);
	void *user;
};

/** @return descriptor of a loop, closed with close(); or a negative errno. */
int loop_create(void);

/** @param events EPOLLIN, EPOLLOUT or 0. @return 0; -ENOMEM, -ENOSPC or another negative errno of
 * epoll_ctl(2). */
int loop_add(int loop, int fd, uint32_t events, struct loop_source *source);
int loop_change(int loop, int fd, uint32_t events, struct loop_source *source);
void loop_remove(int loop, int fd);

/** Wait and call, once. @param timeout_ms -1: as long as it takes. @return 0, also after a signal;
 * or a negative errno. */
int loop_turn(int loop, int timeout_ms);

/** Monotonic. */
int64_t loop_now_ms(void);

#endif
