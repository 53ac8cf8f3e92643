/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

enum {
	/* struct rte_mbuf; the pool's header and trailer of it, and its place in the pool's ring */
	BUFFER_OVERHEAD_BYTES = 128 + 128,
	PAGE_BYTES = 4096, /* no buffer lies across a page: without huge pages each takes one */
	EAL_MB = 8,	   /* heap headers, workers, rounding to pages */
	PORT_MB = 3,	   /* what drivers take for a port and its TAP; measured 2.5 at most */
};

uint32_t
memory_buffers_per_worker(const struct config *config)
{
	uint32_t count = MEMORY_POOL_CACHE * 2 + FL_BURST_MAX;

	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *port = &config->ports[i];

		count += 2u * port->descriptors;
		if (port->is_af_xdp)
			count += MEMORY_AF_XDP_PACKETS;
		if (port->host == CONFIG_HOST_TAP)
			count += 3 * MEMORY_RING_PACKETS; /* TAP both ways, and the ring to it */
	}
	return count;
}

uint64_t
memory_buffer_bytes(const struct config *config)
{
	uint64_t each =
		config->hugepages ? MEMORY_BUFFER_BYTES + BUFFER_OVERHEAD_BYTES : PAGE_BYTES;

	return (uint64_t)memory_buffers_per_worker(config) * config->worker_count * each;
}

uint64_t
memory_counter_bytes(const struct config *config)
{
	struct plane_tables_size size = plane_tables_size(&config->file.limits);
	uint64_t of_vip = sizeof(struct fl_counter) + sizeof(struct fl_flow_counter);

	return (size.vip_count * of_vip + size.backend_count * sizeof(struct fl_counter)) *
	       config->worker_count;
}

uint64_t
memory_needed_mb(const struct config *config)
{
	return ((memory_counter_bytes(config) + memory_buffer_bytes(config)) >> 20) + EAL_MB +
	       PORT_MB * (uint64_t)config->port_count;
}
