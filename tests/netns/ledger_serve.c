/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger's backend. What comes from the flood's sources is dropped at the listening sockets,
 * behind everything that is measured, and counted.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ledger.h"

#define FLOOD_NET  0xc6120000u /* 198.18.0.0/15: for measurements (RFC 2544) */
#define FLOOD_MASK 0xfffe0000u

enum {
	LISTENERS_MAX = 16,
	BACKLOG = 4096,
	READ_BYTES = 65536,
};

struct peer {
	int fd;
	bool has_block;	    /* head is whole, payload comes */
	uint32_t head_fill; /* bytes of head that are there */
	uint32_t payload_left;
	uint32_t checksum;
	uint32_t connection;
	uint64_t expected; /* the next block's number */
	struct ledger_block head;
};

struct serve {
	const char *name;
	int epoll;
	int listeners[LISTENERS_MAX];
	uint32_t listener_count;
	uint64_t accepted, blocks, resets, wrong;
	uint8_t buffer[READ_BYTES];
};

/** Sockets take no packet of the flood's. */
static void
attach_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + 12),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FLOOD_MASK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FLOOD_NET, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
		err(1, "SO_ATTACH_FILTER");
}

static void
watch(const struct serve *serve, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(serve->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void
listen_at(struct serve *serve, const char *port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int *listener = &serve->listeners[serve->listener_count++];
	int one = 1;

	*listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*listener < 0 || setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		err(1, "socket");
	attach_filter(*listener);
	if (bind(*listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(*listener, BACKLOG) < 0)
		err(1, "port %s", port);
	watch(serve, *listener, listener);
}

static void
accept_all(struct serve *serve, int listener)
{
	for (uint32_t i = 0; i < BACKLOG; i++) {
		int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct peer *peer;

		if (fd < 0)
			return;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		peer = calloc(1, sizeof *peer);
		if (peer == NULL)
			err(1, "memory");
		peer->fd = fd;
		watch(serve, fd, peer);
		serve->accepted++;
	}
}

/** @return false when the connection is over. */
static bool
answer(struct serve *serve, struct peer *peer)
{
	struct ledger_answer said = { peer->connection, peer->checksum, peer->expected, { 0 } };

	memcpy(said.name, serve->name, strlen(serve->name));
	serve->wrong += peer->head.number != peer->expected;
	serve->blocks++;
	peer->expected++;
	peer->has_block = false;
	peer->head_fill = 0;
	return send(peer->fd, &said, sizeof said, MSG_NOSIGNAL) == (ssize_t)sizeof said;
}

/** Take what came; @return false when the connection is over. */
static bool
take(struct serve *serve, struct peer *peer, const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		size_t part =
			peer->has_block ? peer->payload_left : sizeof peer->head - peer->head_fill;

		part = part < bytes ? part : bytes;
		if (peer->has_block) {
			peer->checksum = ledger_checksum(peer->checksum, data, part);
			peer->payload_left -= (uint32_t)part;
		} else {
			memcpy((uint8_t *)&peer->head + peer->head_fill, data, part);
			peer->head_fill += (uint32_t)part;
			if (peer->head_fill == sizeof peer->head) {
				peer->has_block = true;
				peer->payload_left = peer->head.bytes;
				peer->checksum = LEDGER_CHECKSUM;
				if (peer->expected == 0)
					peer->connection = peer->head.connection;
			}
		}
		data += part;
		bytes -= part;
		if (peer->has_block && peer->payload_left == 0 && !answer(serve, peer))
			return false;
	}
	return true;
}

static void
serve_peer(struct serve *serve, struct peer *peer)
{
	ssize_t bytes = recv(peer->fd, serve->buffer, READ_BYTES, 0);

	if (bytes < 0 && errno == EAGAIN)
		return;
	serve->resets += bytes < 0;
	if (bytes > 0 && take(serve, peer, serve->buffer, (size_t)bytes))
		return;
	close(peer->fd);
	free(peer);
}

static void
say_totals(const struct serve *serve)
{
	uint64_t dropped = 0;

	for (uint32_t i = 0; i < serve->listener_count; i++) {
		uint32_t memory[SK_MEMINFO_VARS] = { 0 };
		socklen_t bytes = sizeof memory;

		if (getsockopt(serve->listeners[i], SOL_SOCKET, SO_MEMINFO, memory, &bytes) < 0)
			err(1, "SO_MEMINFO");
		dropped += memory[SK_MEMINFO_DROPS];
	}
	printf("{\"name\":\"%s\",\"accepted\":%lu,\"blocks\":%lu,\"resets\":%lu,\"wrong\":%lu,"
	       "\"flood_dropped\":%lu}\n",
	       serve->name, serve->accepted, serve->blocks, serve->resets, serve->wrong, dropped);
}

/** @return false at the end of standard input. */
static bool
serve_input(const struct serve *serve)
{
	char text[64];
	ssize_t bytes = read(STDIN_FILENO, text, sizeof text);

	say_totals(serve);
	return bytes > 0;
}

int
ledger_serve(int argc, char **argv)
{
	static struct serve serve;
	struct epoll_event events[LEDGER_EVENTS];
	bool goes_on = true;

	if (argc < 3 || argc > 2 + LISTENERS_MAX || strlen(argv[1]) >= LEDGER_NAME_BYTES)
		errx(64, "usage: ledger serve NAME PORT...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	serve.name = argv[1];
	serve.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 2; i < argc; i++)
		listen_at(&serve, argv[i]);
	watch(&serve, STDIN_FILENO, NULL);
	printf("ready\n");
	while (goes_on) {
		int count = epoll_wait(serve.epoll, events, LEDGER_EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int *listener = events[i].data.ptr;

			if (listener == NULL)
				goes_on = serve_input(&serve);
			else if (listener >= serve.listeners &&
				 listener < serve.listeners + LISTENERS_MAX)
				accept_all(&serve, *listener);
			else
				serve_peer(&serve, events[i].data.ptr);
		}
	}
	return 0;
}
