/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYNs as fast as one core makes them, from random addresses of 198.18.0.0/15 and random ports:
 * whole frames on a packet socket, past the queue. They come from one seed, so a run can be
 * repeated.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ledger.h"

enum { BURST = 256, SYN_BYTES = 54 };

struct syn {
	uint8_t to[6], from[6];
	uint16_t type;
	uint8_t ip[20];
	uint8_t tcp[20];
};
_Static_assert(sizeof(struct syn) == SYN_BYTES, "no holes");

struct flood {
	int fd;
	uint64_t random, sent, refused;
	struct iphdr ip; /* of all; the source and the checksum are of each */
	uint16_t port;	 /* wire order */
	struct syn frames[BURST];
	struct iovec parts[BURST];
	struct mmsghdr messages[BURST];
};

static uint32_t
sum_words(uint32_t sum, const void *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2) {
		uint16_t word;

		memcpy(&word, (const uint8_t *)data + i, 2);
		sum += word;
	}
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void
write_syn(struct flood *flood, struct syn *syn)
{
	uint64_t random = ledger_random(&flood->random);
	struct iphdr ip = flood->ip;
	struct tcphdr tcp = { .dest = flood->port, .syn = 1, .doff = 5, .window = 0xffff };

	ip.saddr = htonl(0xc6120000 | (random & 0x1ffff));
	ip.check = fold(sum_words(0, &ip, sizeof ip));
	tcp.source = htons((uint16_t)(1024 + (random >> 20) % 64000));
	tcp.seq = (uint32_t)(random >> 32);
	tcp.check = fold(
		sum_words(sum_words(htons(IPPROTO_TCP) + (uint32_t)htons(sizeof tcp), &ip.saddr, 8),
			  &tcp, sizeof tcp));
	memcpy(syn->ip, &ip, sizeof ip);
	memcpy(syn->tcp, &tcp, sizeof tcp);
}

static void
make_frames(struct flood *flood, const char *interface, const char *mac)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = 0 };
	const struct ether_addr *to = ether_aton(mac);
	int one = 1;

	at.sll_ifindex = (int)if_nametoindex(interface);
	flood->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (to == NULL || at.sll_ifindex == 0 || flood->fd < 0 ||
	    setsockopt(flood->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0 ||
	    bind(flood->fd, (const struct sockaddr *)&at, sizeof at) < 0)
		err(1, "%s, to %s", interface, mac);
	for (uint32_t i = 0; i < BURST; i++) {
		memcpy(flood->frames[i].to, to, 6);
		flood->frames[i].from[0] = 2;
		flood->frames[i].type = htons(ETH_P_IP);
		flood->parts[i] = (struct iovec){ &flood->frames[i], SYN_BYTES };
		flood->messages[i].msg_hdr.msg_iov = &flood->parts[i];
		flood->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

int
ledger_flood(int argc, char **argv)
{
	static struct flood flood;
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t started;

	if (argc != 6)
		errx(64, "usage: ledger flood INTERFACE MAC ADDRESS PORT SEED");
	flood.ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };
	flood.ip.tot_len = htons(40);
	if (inet_pton(AF_INET, argv[3], &flood.ip.daddr) != 1)
		errx(64, "%s is no IPv4 address", argv[3]);
	flood.port = htons((uint16_t)strtoul(argv[4], NULL, 10));
	flood.random = strtoull(argv[5], NULL, 10);
	make_frames(&flood, argv[1], argv[2]);
	printf("ready\n");
	fflush(stdout);
	started = ledger_now_ns();
	while (poll(&input, 1, 0) == 0) {
		int sent;

		for (uint32_t i = 0; i < BURST; i++)
			write_syn(&flood, &flood.frames[i]);
		sent = sendmmsg(flood.fd, flood.messages, BURST, 0);
		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN)
			err(1, "sendmmsg");
		flood.sent += sent > 0 ? (uint64_t)sent : 0;
		flood.refused += BURST - (sent > 0 ? (uint64_t)sent : 0);
	}
	printf("{\"sent\":%lu,\"refused\":%lu,\"seconds\":%.3f}\n", flood.sent, flood.refused,
	       (double)(ledger_now_ns() - started) / 1e9);
	return 0;
}
