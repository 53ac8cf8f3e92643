/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other end of a net_memif port, for tests: memif_peer SOCKET QUEUES TAP. What is written to
 * the TAP goes to the memif, frame by frame to the next queue; what comes from any queue of it goes
 * to the TAP. So a test reaches every worker of a plane with a packet socket. Runs until SIGTERM.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

enum {
	QUEUES_MAX = 8,
	BUFFERS = 8191,
	DESCRIPTORS = 512,
	BURST = 32,
	IDLE_US = 50,
};

static volatile sig_atomic_t stop;

static void
on_signal(int number)
{
	stop = 1;
}

static uint16_t
find_port(const char *name)
{
	uint16_t port;

	if (rte_eth_dev_get_port_by_name(name, &port) < 0)
		errx(1, "%s is not there", name);
	return port;
}

static void
start_port(uint16_t port, uint16_t queues, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { 0 };

	if (rte_eth_dev_configure(port, queues, queues, &conf) < 0)
		errx(1, "port %u cannot have %u queues", port, queues);
	for (uint16_t queue = 0; queue < queues; queue++) {
		if (rte_eth_rx_queue_setup(port, queue, DESCRIPTORS, 0, NULL, pool) < 0 ||
		    rte_eth_tx_queue_setup(port, queue, DESCRIPTORS, 0, NULL) < 0)
			errx(1, "queue %u of port %u", queue, port);
	}
	if (rte_eth_dev_start(port) < 0)
		errx(1, "port %u does not start", port);
}

static void
send_all(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t sent = rte_eth_tx_burst(port, queue, mbufs, count);

	rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
}

/** @return frames moved. */
static uint32_t
exchange(uint16_t memif, uint16_t tap, uint16_t queues)
{
	static uint32_t next;
	struct rte_mbuf *mbufs[BURST];
	uint32_t moved = rte_eth_rx_burst(tap, 0, mbufs, BURST);

	for (uint32_t i = 0; i < moved; i++)
		send_all(memif, (uint16_t)(next++ % queues), &mbufs[i], 1);
	for (uint16_t queue = 0; queue < queues; queue++) {
		uint16_t count = rte_eth_rx_burst(memif, queue, mbufs, BURST);

		send_all(tap, 0, mbufs, count);
		moved += count;
	}
	return moved;
}

int
main(int argc, char **argv)
{
	char memif_device[256], tap_device[64];
	char *eal[] = { argv[0],	  "--no-huge", "--no-shconf", "--no-pci",
			"--no-telemetry", "-m",	       "64",	      "--log-level=4",
			memif_device,	  tap_device,  NULL };
	struct rte_mempool *pool;
	uint16_t queues, memif, tap;

	if (argc != 4)
		errx(1, "usage: memif_peer SOCKET QUEUES TAP");
	queues = (uint16_t)strtoul(argv[2], NULL, 10);
	if (queues < 1 || queues > QUEUES_MAX)
		errx(1, "1 to %d queues", QUEUES_MAX);
	(void)snprintf(memif_device, sizeof memif_device,
		       "--vdev=net_memif0,role=client,socket-abstract=no,socket=%s", argv[1]);
	(void)snprintf(tap_device, sizeof tap_device, "--vdev=net_tap0,iface=%s", argv[3]);
	if (rte_eal_init(10, eal) < 0)
		errx(1, "DPDK does not start");
	(void)signal(SIGTERM, on_signal);
	pool = rte_pktmbuf_pool_create("packets", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		errx(1, "no memory");
	memif = find_port("net_memif0");
	tap = find_port("net_tap0");
	start_port(memif, queues, pool);
	start_port(tap, 1, pool);
	while (!stop) {
		if (exchange(memif, tap, queues) == 0)
			rte_delay_us_sleep(IDLE_US);
	}
	(void)rte_eth_dev_close(memif);
	(void)rte_eth_dev_close(tap);
	(void)rte_eal_cleanup();
	return 0;
}
