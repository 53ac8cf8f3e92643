/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "loop.h"

int
loop_create(void)
{
	int loop = epoll_create1(EPOLL_CLOEXEC);

	return loop < 0 ? -errno : loop;
}

static int
control(int loop, int operation, int fd, struct epoll_event *event)
{
	return epoll_ctl(loop, operation, fd, event) < 0 ? -errno : 0;
}

int
loop_add(int loop, int fd, uint32_t events, struct loop_source *source)
{
	return control(loop, EPOLL_CTL_ADD, fd,
		       &(struct epoll_event){ .events = events, .data.ptr = source });
}

int
loop_change(int loop, int fd, uint32_t events, struct loop_source *source)
{
	return control(loop, EPOLL_CTL_MOD, fd,
		       &(struct epoll_event){ .events = events, .data.ptr = source });
}

void
loop_remove(int loop, int fd)
{
	(void)control(loop, EPOLL_CTL_DEL, fd, NULL);
}

int
loop_turn(int loop, int timeout_ms)
{
	struct epoll_event events[LOOP_EVENTS_PER_TURN];
	int count = epoll_wait(loop, events, LOOP_EVENTS_PER_TURN, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		/* a source whose descriptor another one closed in this turn is called once more: it
		 * reads from nothing */
		struct loop_source *source = events[i].data.ptr;

		source->ready(source->user, events[i].events);
	}
	return 0;
}

int64_t
loop_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
