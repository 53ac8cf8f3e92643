/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xsk_queue.h"

enum {
	FRAME_BYTES = 4096,
	FRAMES = 2,
};

/** What the kernel wants of a socket before it binds: a umem and its rings. @return 0 or a negative
 * errno. */
static int
give_memory(int fd, void *memory)
{
	const struct xdp_umem_reg umem = {
		.addr = (uintptr_t)memory,
		.len = FRAMES * FRAME_BYTES,
		.chunk_size = FRAME_BYTES,
	};
	const int frames = FRAMES;

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &frames, sizeof frames) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &frames, sizeof frames) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &frames, sizeof frames) < 0)
		return -errno;
	return 0;
}

static int
bind_queue(int fd, uint32_t ifindex, uint32_t queue)
{
	const struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY,
		.sxdp_ifindex = ifindex,
		.sxdp_queue_id = queue,
	};

	return bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

int
xsk_queue_try(uint32_t ifindex, uint32_t queue)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	void *memory;
	int r;

	if (fd < 0)
		return -errno;
	memory = mmap(NULL, FRAMES * FRAME_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		(void)close(fd);
		return -ENOMEM;
	}
	r = give_memory(fd, memory);
	if (r == 0)
		r = bind_queue(fd, ifindex, queue);
	(void)close(fd);
	(void)munmap(memory, FRAMES * FRAME_BYTES);
	return r;
}
