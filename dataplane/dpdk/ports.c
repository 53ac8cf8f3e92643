/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices are probed one by one after the environment has started, so that a failure belongs to a
 * port. Each worker's buffers are one pool, all in one piece of memory: an AF_XDP driver shares it
 * with the kernel by its first address and length.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "../plane/interface.h"
#include "../plane/log.h"
#include "../plane/loop.h"
#include "eal.h"
#include "memory.h"
#include "ports.h"
#include "steer.h"
#include "xsk_queue.h"

enum {
	DEVICE_BYTES_MAX = CONFIG_DEVICE_BYTES_MAX + 80,
	BUFFER_BYTES_MAX = 3584,  /* with the buffer's header still less than a page, which is all
				     AF_XDP takes */
	XDP_HEADROOM_BYTES = 256, /* that the kernel leaves before a packet */
	TRY_MS = 10,
};

/** Bytes of a packet buffer: enough for the largest packet of every AF_XDP interface. @return 0:
 * too large. */
static uint16_t
buffer_bytes(const struct config *config, struct failure *failure)
{
	uint32_t bytes = MEMORY_BUFFER_BYTES;

	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *port = &config->ports[i];
		uint32_t mtu = port->is_af_xdp ? interface_mtu(port->interface) : 0;
		uint32_t needed = mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + XDP_HEADROOM_BYTES +
				  RTE_PKTMBUF_HEADROOM;

		if (needed > BUFFER_BYTES_MAX) {
			(void)failure_set(
				failure, EXIT_UNAVAILABLE,
				"port %s: the MTU %u of interface %s is more than AF_XDP takes "
				"in one buffer; run: ip link set dev %s mtu %u",
				port->common.name, mtu, port->interface, port->interface,
				BUFFER_BYTES_MAX - (needed - mtu));
			return 0;
		}
		if (needed > bytes)
			bytes = needed;
	}
	return (uint16_t)bytes;
}

static int
make_pools(struct ports *ports, struct failure *failure)
{
	const struct config *config = ports->config;
	uint32_t count = memory_buffers_per_worker(config);
	uint16_t bytes = buffer_bytes(config, failure);

	if (bytes == 0)
		return -1;
	for (uint32_t i = 0; i < config->worker_count; i++) {
		char name[RTE_MEMPOOL_NAMESIZE];

		(void)snprintf(name, sizeof name, "fl_packets_%u", i);
		ports->pools[i] =
			rte_pktmbuf_pool_create(name, count, MEMORY_POOL_CACHE, 0, bytes,
						(int)rte_lcore_to_socket_id(EAL_WORKER_LCORE(i)));
		if (ports->pools[i] == NULL)
			return failure_set(
				failure, EXIT_UNAVAILABLE,
				"no memory for the %u packet buffers of worker %u: %s; raise "
				"\"memory_mb\"",
				count, i, rte_strerror(rte_errno));
		if (config_has_af_xdp(config) && ports->pools[i]->nb_mem_chunks != 1)
			return failure_set(
				failure, EXIT_UNAVAILABLE,
				"the packet buffers of worker %u do not lie in one piece of "
				"memory, which net_af_xdp needs; raise \"memory_mb\"",
				i);
	}
	return 0;
}

/** The port @p device_name that a probe made, by the part before the first comma. */
static int
find_device(const char *device, uint16_t *ret_device)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t bytes = strcspn(device, ",");

	if (bytes >= sizeof name)
		return -ENAMETOOLONG;
	memcpy(name, device, bytes);
	name[bytes] = '\0';
	return rte_eth_dev_get_port_by_name(name, ret_device);
}

static int
probe(const struct ports *ports, struct port *port, int steer_object, struct failure *failure)
{
	const struct config_port *config = port->config;
	char device[DEVICE_BYTES_MAX];
	int r;

	if (config->is_af_xdp)
		(void)snprintf(device, sizeof device, "%s,xdp_prog=/proc/self/fd/%d,queue_count=%u",
			       config->device, steer_object, ports->config->worker_count);
	else
		(void)snprintf(device, sizeof device, "%s", config->device);
	log_forget_complaint();
	/* a PCI device was probed with the environment, if it is there */
	r = config->is_pci ? 0 : rte_dev_probe(device);
	if (r < 0 || find_device(config->device, &port->worker_port.device) < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: DPDK cannot open the device \"%s\": %s%s",
				   config->common.name, config->device,
				   log_last_complaint()[0] != '\0' ? log_last_complaint()
								   : "no driver knows it",
				   config->is_pci ? "; is the package of its DPDK driver installed?"
						  : "");
	port->probed = true;
	return 0;
}

static void
choose_offloads(const struct rte_eth_dev_info *info, uint32_t queue_count,
		struct rte_eth_conf *ret_conf)
{
	const uint64_t rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

	*ret_conf = (struct rte_eth_conf){ 0 };
	ret_conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (queue_count > 1 && (info->flow_type_rss_offloads & rss) != 0) {
		ret_conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		ret_conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & rss;
	}
}

/** Why an AF_XDP queue cannot be had: the kernel is asked once more, because the driver does not
 * say. */
static int
queue_failed(const struct port *port, uint32_t queue, int error, struct failure *failure)
{
	const struct config_port *config = port->config;

	if (config->is_af_xdp &&
	    xsk_queue_try(if_nametoindex(config->interface), config->start_queue + queue) == -EBUSY)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: queue %u of interface %s is in use by another AF_XDP program; "
			"stop that one",
			config->common.name, config->start_queue + queue, config->interface);
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "port %s: queue %u of the device \"%s\" cannot be made: %s (%s)",
			   config->common.name, queue, config->device, rte_strerror(-error),
			   log_last_complaint());
}

/** A queue for one worker. An AF_XDP queue whose process just died is busy for a moment. */
static int
make_queue(const struct ports *ports, const struct port *port, uint16_t queue,
	   struct failure *failure)
{
	uint16_t device = port->worker_port.device;
	uint16_t rx_descriptors = port->config->descriptors;
	uint16_t tx_descriptors = port->config->descriptors;
	int node = rte_eth_dev_socket_id(device);
	int64_t end_ms = loop_now_ms() + STEER_WAIT_MS_MAX;
	int r = rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx_descriptors, &tx_descriptors);

	if (r < 0)
		return queue_failed(port, queue, r, failure);
	r = rte_eth_rx_queue_setup(device, queue, rx_descriptors, (unsigned int)node, NULL,
				   ports->pools[queue]);
	while (r < 0 && port->config->is_af_xdp && loop_now_ms() < end_ms) {
		rte_delay_us_sleep(TRY_MS * 1000);
		r = rte_eth_rx_queue_setup(device, queue, rx_descriptors, (unsigned int)node, NULL,
					   ports->pools[queue]);
	}
	if (r == 0)
		r = rte_eth_tx_queue_setup(device, queue, tx_descriptors, (unsigned int)node, NULL);
	return r < 0 ? queue_failed(port, queue, r, failure) : 0;
}

static int
configure(const struct ports *ports, struct port *port, struct failure *failure)
{
	uint16_t device = port->worker_port.device;
	uint16_t queue_count = (uint16_t)ports->config->worker_count;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	int r = rte_eth_dev_info_get(device, &info);

	if (r == 0 && (info.max_rx_queues < queue_count || info.max_tx_queues < queue_count))
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: the device \"%s\" offers %u queues, but %u workers need one "
			"each; configure fewer workers",
			port->config->common.name, port->config->device,
			RTE_MIN(info.max_rx_queues, info.max_tx_queues), queue_count);
	if (r == 0) {
		choose_offloads(&info, queue_count, &conf);
		port->worker_port.takes_segments = conf.txmode.offloads != 0;
		r = rte_eth_dev_configure(device, queue_count, queue_count, &conf);
	}
	if (r < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: the device \"%s\" cannot be configured: %s (%s)",
				   port->config->common.name, port->config->device,
				   rte_strerror(-r), log_last_complaint());
	for (uint16_t queue = 0; queue < queue_count; queue++) {
		if (make_queue(ports, port, queue, failure) < 0)
			return -1;
	}
	return 0;
}

static int
start(struct port *port, struct failure *failure)
{
	uint16_t device = port->worker_port.device;
	struct rte_ether_addr mac;
	int r = rte_eth_dev_start(device);

	if (r == 0)
		r = rte_eth_macaddr_get(device, &mac);
	if (r == 0)
		r = rte_eth_dev_get_mtu(device, &port->mtu);
	if (r < 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: the device \"%s\" cannot be started: %s (%s)",
				   port->config->common.name, port->config->device,
				   rte_strerror(-r), log_last_complaint());
	memcpy(port->mac, mac.addr_bytes, sizeof port->mac);
	/* not every device can, and those that cannot receive everything anyway */
	if (port->config->host == CONFIG_HOST_TAP)
		(void)rte_eth_allmulticast_enable(device);
	if (port->config->is_af_xdp) {
		port->ifindex = if_nametoindex(port->config->interface);
		port->mtu = (uint16_t)interface_mtu(port->config->interface);
	}
	return 0;
}

/** Set the TAP's device up: one queue pair, worker 0's. @return 0 or a negative errno. */
static int
start_tap(const struct ports *ports, const struct port *port, uint16_t tap)
{
	const struct rte_eth_conf conf = { 0 };
	int r = rte_eth_dev_configure(tap, 1, 1, &conf);

	if (r == 0)
		r = rte_eth_rx_queue_setup(tap, 0, MEMORY_RING_PACKETS, 0, NULL, ports->pools[0]);
	if (r == 0)
		r = rte_eth_tx_queue_setup(tap, 0, MEMORY_RING_PACKETS, 0, NULL);
	if (r == 0)
		r = rte_eth_dev_set_mtu(tap, port->mtu);
	if (r == 0)
		r = rte_eth_dev_start(tap);
	return r;
}

static int
open_tap(struct ports *ports, struct port *port, struct failure *failure)
{
	uint32_t index = (uint32_t)(port - ports->items);
	const uint8_t *mac = port->mac;
	char device[DEVICE_BYTES_MAX], ring[RTE_RING_NAMESIZE];
	int r;

	(void)snprintf(device, sizeof device,
		       "net_tap_fl%u,iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", index,
		       port->config->tap, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	log_forget_complaint();
	r = rte_dev_probe(device);
	if (r == 0) {
		port->tap_probed = true;
		r = find_device(device, &port->worker_port.tap);
	}
	if (r == 0)
		r = start_tap(ports, port, port->worker_port.tap);
	port->ifindex = if_nametoindex(port->config->tap);
	if (r < 0 || port->ifindex == 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: the TAP %s cannot be made: %s (%s); is /dev/net/tun there?",
			port->config->common.name, port->config->tap, rte_strerror(-r),
			log_last_complaint());
	(void)snprintf(ring, sizeof ring, "fl_host_%u", index);
	port->worker_port.to_host = rte_ring_create(ring, MEMORY_RING_PACKETS, 0, RING_F_SC_DEQ);
	if (port->worker_port.to_host == NULL)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: no memory for its host ring; raise \"memory_mb\"",
				   port->config->common.name);
	return 0;
}

static int
open_port(struct ports *ports, struct port *port, int steer_object, struct failure *failure)
{
	port->worker_port.device = FL_NO_DEVICE;
	port->worker_port.tap = FL_NO_DEVICE;
	if (probe(ports, port, steer_object, failure) < 0 || configure(ports, port, failure) < 0 ||
	    start(port, failure) < 0)
		return -1;
	if (port->config->host == CONFIG_HOST_TAP)
		return open_tap(ports, port, failure);
	return 0;
}

int
ports_open(struct ports *ports, const struct config *config, int steer_object,
	   struct failure *failure)
{
	*ports = (struct ports){ .config = config };
	if (make_pools(ports, failure) < 0)
		goto failed;
	for (uint32_t i = 0; i < config->port_count; i++) {
		ports->items[i].config = &config->ports[i];
		ports->count = i + 1;
		if (open_port(ports, &ports->items[i], steer_object, failure) < 0)
			goto failed;
	}
	return 0;
failed:
	ports_close(ports);
	return -1;
}

static void
close_device(uint16_t device)
{
	if (device == FL_NO_DEVICE)
		return;
	(void)rte_eth_dev_stop(device);
	(void)rte_eth_dev_close(device);
}

void
ports_close(struct ports *ports)
{
	while (ports->count > 0) {
		struct port *port = &ports->items[--ports->count];
		struct rte_mbuf *left;

		if (port->worker_port.to_host != NULL) {
			while (rte_ring_dequeue(port->worker_port.to_host, (void **)&left) == 0)
				rte_pktmbuf_free(left);
			rte_ring_free(port->worker_port.to_host);
		}
		if (port->tap_probed)
			close_device(port->worker_port.tap);
		if (port->probed)
			close_device(port->worker_port.device);
	}
	for (uint32_t i = 0; i < FL_WORKERS_MAX; i++) {
		rte_mempool_free(ports->pools[i]);
		ports->pools[i] = NULL;
	}
}
