/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger's clients. A connection belongs to the backend that answered its first block; it is
 * broken when it is reset, closed or refused, when nothing comes within the time limit, or when an
 * answer is another backend's, or not to the block that was sent. That is said at once, a line
 * each.
 *
 * Long connections (options --long): the even ones never end, the others live 5 to 120 s; one in
 * ten is quiet, with --quiet-ms between blocks. What ends or breaks is opened again. Short
 * ones: 1 to 4 blocks without a pause, --short of them a second. Paces are half to one and a half
 * times as long, at random from --seed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ledger.h"

#define MS 1000000ul /* ns */

enum {
	LONG_MAX_COUNT = 2000,
	CONNECTIONS_MAX = 8000, /* short ones in the rest */
	SOURCES_MAX = 64,
	TARGETS_MAX = 16,
	BACKENDS_MAX = 16,
	TICK_MS = 5,
	OPEN_MAX = 5, /* long ones, a tick */
	LIFE_MS_MIN = 5000,
	LIFE_MS_MAX = 120000,
	QUIET_ONE_IN = 10,
	SHORT_BLOCKS_MAX = 4,
	HANGS_MS = 2000,
};

enum state { FREE, CONNECTING, WAITING, PAUSED, CLOSING };

struct connection {
	int fd;
	enum state state;
	int owner; /* backend; -1: none answered */
	bool is_long, ends;
	uint32_t id, checksum, filled;
	uint32_t pace_ms;    /* mean time between blocks */
	uint64_t number;     /* of the block that is sent or comes next */
	uint64_t blocks_end; /* short ones: as many */
	uint64_t opened_ns, ends_ns, sent_ns;
	uint64_t due_ns;	       /* PAUSED: of the next block; otherwise it is broken then */
	const struct sockaddr_in6 *to; /* one of targets */
	struct ledger_answer answer;
};

struct backend {
	char name[LEDGER_NAME_BYTES];
	uint64_t connections, blocks, broken;
};

struct drive {
	uint32_t long_count, short_a_second, pace_ms, quiet_ms, limit_ms;
	uint64_t random;
	struct sockaddr_in6 sources[SOURCES_MAX], targets[TARGETS_MAX];
	uint32_t source_count, target_count;
	int epoll, timer;
	struct backend backends[BACKENDS_MAX];
	uint32_t backend_count;
	uint64_t short_due_ns; /* when the next short one opens */
	uint64_t started_ns, answered_long;
	uint64_t connections, ended, blocks, broken, broken_unanswered, skipped, slowest_ms;
	uint32_t next_id;
	bool said_ready, goes_on;
	struct connection all[CONNECTIONS_MAX]; /* long_count long ones first */
	uint8_t payload[LEDGER_PAYLOAD_BYTES];
};

static uint32_t
at_random(struct drive *drive, uint32_t from, uint32_t to)
{
	return from + (uint32_t)(ledger_random(&drive->random) % (to - from + 1));
}

/** As text, IPv4 as it is written. */
static const char *
address_text(const struct sockaddr_in6 *address, char *text, size_t bytes)
{
	char host[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr))
		inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], host, sizeof host);
	else
		inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof host);
	snprintf(text, bytes, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
		 ntohs(address->sin6_port));
	return text;
}

/* --- the life of a connection --- */

static void
end(struct drive *drive, struct connection *connection)
{
	close(connection->fd);
	connection->state = FREE;
	drive->ended++;
}

static void
broken(struct drive *drive, struct connection *connection, const char *how)
{
	struct sockaddr_in6 from = { 0 };
	socklen_t bytes = sizeof from;
	char text[80], to[80];
	uint64_t now = ledger_now_ns();

	(void)getsockname(connection->fd, (struct sockaddr *)&from, &bytes);
	printf("{\"broken\":\"%s\",\"backend\":\"%s\",\"connection\":%u,\"is_long\":%s,\"blocks\":%"
	       "lu,"
	       "\"at_ms\":%lu,\"age_ms\":%lu,\"silent_ms\":%lu,\"from\":\"%s\",\"to\":\"%s\"}\n",
	       how, connection->owner < 0 ? "" : drive->backends[connection->owner].name,
	       connection->id, connection->is_long ? "true" : "false", connection->number, now / MS,
	       (now - connection->opened_ns) / MS, (now - connection->sent_ns) / MS,
	       address_text(&from, text, sizeof text), address_text(connection->to, to, sizeof to));
	drive->broken++;
	if (connection->owner < 0)
		drive->broken_unanswered++;
	else
		drive->backends[connection->owner].broken++;
	end(drive, connection);
}

/** What the system says of @p connection. */
static void
broken_by(struct drive *drive, struct connection *connection, int error)
{
	broken(drive, connection,
	       error == ECONNREFUSED			       ? "refused"
	       : error == ECONNRESET || error == EPIPE	       ? "reset"
	       : error == ETIMEDOUT			       ? "timeout"
	       : error == EHOSTUNREACH || error == ENETUNREACH ? "unreachable"
	       : error == 0				       ? "closed"
							       : strerror(error));
}

static void
send_block(struct drive *drive, struct connection *connection)
{
	struct ledger_block head = { connection->id, at_random(drive, 0, LEDGER_PAYLOAD_BYTES),
				     connection->number };
	const uint8_t *data = drive->payload + (LEDGER_PAYLOAD_BYTES - head.bytes);
	struct iovec parts[2] = { { &head, sizeof head }, { (void *)(uintptr_t)data, head.bytes } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent;

	/* other bytes in each block */
	memcpy(drive->payload + at_random(drive, 0, LEDGER_PAYLOAD_BYTES - 8), &drive->random, 8);
	connection->checksum = ledger_checksum(LEDGER_CHECKSUM, data, head.bytes);
	connection->sent_ns = ledger_now_ns();
	sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
	if (sent != (ssize_t)(sizeof head + head.bytes)) {
		broken_by(drive, connection, sent < 0 ? errno : ENOBUFS);
		return;
	}
	connection->state = WAITING;
	connection->filled = 0;
	connection->due_ns = connection->sent_ns + drive->limit_ms * MS;
}

/** One of its family, by chance. */
static const struct sockaddr_in6 *
source_for(struct drive *drive, const struct sockaddr_in6 *to)
{
	uint32_t first = at_random(drive, 0, drive->source_count - 1);

	for (uint32_t i = 0; i < drive->source_count; i++) {
		const struct sockaddr_in6 *from =
			&drive->sources[(first + i) % drive->source_count];

		if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr) == IN6_IS_ADDR_V4MAPPED(&to->sin6_addr))
			return from;
	}
	errx(64, "no --from of the family of each ADDRESS");
}

static void
open_one(struct drive *drive, struct connection *connection, bool is_long)
{
	const struct sockaddr_in6 *to =
		&drive->targets[at_random(drive, 0, drive->target_count - 1)];
	const struct sockaddr_in6 *from = source_for(drive, to);
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = connection };
	uint64_t now = ledger_now_ns();
	int one = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_quiet = is_long && at_random(drive, 1, QUIET_ONE_IN) == 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
	    bind(fd, (const struct sockaddr *)from, sizeof *from) < 0 ||
	    epoll_ctl(drive->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "a client's socket");
	*connection = (struct connection){ .fd = fd,
					   .owner = -1,
					   .is_long = is_long,
					   .state = CONNECTING,
					   .id = drive->next_id++,
					   .to = to,
					   .opened_ns = now,
					   .sent_ns = now,
					   .due_ns = now + drive->limit_ms * MS };
	connection->ends = is_long && (connection->id & 1) != 0;
	connection->ends_ns = now + at_random(drive, LIFE_MS_MIN, LIFE_MS_MAX) * MS;
	connection->pace_ms = is_quiet ? drive->quiet_ms : drive->pace_ms;
	connection->blocks_end = at_random(drive, 1, SHORT_BLOCKS_MAX);
	drive->connections++;
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
		broken_by(drive, connection, errno);
}

static void
connected(struct drive *drive, struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	socklen_t bytes = sizeof(int);
	int error = 0;

	(void)getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	if (error != 0) {
		broken_by(drive, connection, error);
		return;
	}
	(void)epoll_ctl(drive->epoll, EPOLL_CTL_MOD, connection->fd, &event);
	send_block(drive, connection);
}

/** The backend of that name, -1 when there are too many. */
static int
find_backend(struct drive *drive, const char *name)
{
	for (uint32_t i = 0; i < drive->backend_count; i++)
		if (strncmp(drive->backends[i].name, name, LEDGER_NAME_BYTES) == 0)
			return (int)i;
	if (drive->backend_count == BACKENDS_MAX || name[LEDGER_NAME_BYTES - 1] != 0)
		return -1;
	memcpy(drive->backends[drive->backend_count].name, name, LEDGER_NAME_BYTES);
	return (int)drive->backend_count++;
}

/** Ours is all said: the backend closes too, and that is seen. */
static void
finish(struct drive *drive, struct connection *connection)
{
	if (shutdown(connection->fd, SHUT_WR) < 0) {
		broken_by(drive, connection, errno);
		return;
	}
	connection->state = CLOSING;
	connection->due_ns = ledger_now_ns() + drive->limit_ms * MS;
}

static void
answered(struct drive *drive, struct connection *connection)
{
	const struct ledger_answer *answer = &connection->answer;
	int backend = find_backend(drive, answer->name);
	uint64_t now = ledger_now_ns(), waited_ms = (now - connection->sent_ns) / MS;
	uint32_t pace = connection->pace_ms;

	if (connection->owner < 0 && backend >= 0) {
		connection->owner = backend;
		drive->backends[backend].connections++;
		drive->answered_long += connection->is_long;
	}
	if (backend < 0 || backend != connection->owner) {
		broken(drive, connection, "another backend");
		return;
	}
	if (answer->connection != connection->id || answer->number != connection->number ||
	    answer->checksum != connection->checksum) {
		broken(drive, connection, "another block");
		return;
	}
	drive->blocks++;
	drive->backends[backend].blocks++;
	if (waited_ms > drive->slowest_ms)
		drive->slowest_ms = waited_ms;
	connection->number++;
	connection->state = PAUSED;
	if (connection->is_long ? connection->ends && now >= connection->ends_ns
				: connection->number == connection->blocks_end)
		finish(drive, connection);
	else if (!connection->is_long)
		send_block(drive, connection);
	else
		connection->due_ns = now + at_random(drive, pace / 2, pace * 2 - pace / 2) * MS;
}

static void
readable(struct drive *drive, struct connection *connection)
{
	struct ledger_answer *answer = &connection->answer;
	ssize_t bytes = recv(connection->fd, (uint8_t *)answer + connection->filled,
			     sizeof *answer - connection->filled, 0);

	if (bytes < 0 && errno == EAGAIN)
		return;
	if (bytes <= 0) {
		if (bytes == 0 && connection->state == CLOSING)
			end(drive, connection);
		else
			broken_by(drive, connection, bytes < 0 ? errno : 0);
		return;
	}
	if (connection->state != WAITING) {
		broken(drive, connection, "an answer too many");
		return;
	}
	connection->filled += (uint32_t)bytes;
	if (connection->filled == sizeof *answer)
		answered(drive, connection);
}

/* --- the loop --- */

/** Connections that wait for something for longer than a lost packet or two explain. */
static uint32_t
count_hanging(const struct drive *drive)
{
	uint64_t before = ledger_now_ns() - HANGS_MS * MS;
	uint32_t count = 0;

	for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
		if (drive->all[i].state != FREE && drive->all[i].state != PAUSED &&
		    drive->all[i].sent_ns < before)
			count++;
	return count;
}

static void
say_totals(const struct drive *drive)
{
	double seconds = (double)(ledger_now_ns() - drive->started_ns) / 1e9;

	printf("{\"connections\":%lu,\"ended\":%lu,\"blocks\":%lu,\"seconds\":%.3f,\"broken\":%lu,"
	       "\"broken_unanswered\":%lu,\"skipped\":%lu,\"hanging\":%u,\"slowest_ms\":%lu,"
	       "\"backends\":{",
	       drive->connections, drive->ended, drive->blocks, seconds, drive->broken,
	       drive->broken_unanswered, drive->skipped, count_hanging(drive), drive->slowest_ms);
	for (uint32_t i = 0; i < drive->backend_count; i++)
		printf("%s\"%s\":{\"connections\":%lu,\"blocks\":%lu,\"broken\":%lu}",
		       i > 0 ? "," : "", drive->backends[i].name, drive->backends[i].connections,
		       drive->backends[i].blocks, drive->backends[i].broken);
	printf("}}\n");
}

static void
open_short(struct drive *drive, uint64_t now)
{
	uint32_t i = drive->long_count;

	if (drive->short_a_second == 0)
		return;
	while (drive->short_due_ns <= now) {
		drive->short_due_ns += 1000 * MS / drive->short_a_second;
		while (i < CONNECTIONS_MAX && drive->all[i].state != FREE)
			i++;
		if (i < CONNECTIONS_MAX)
			open_one(drive, &drive->all[i], false);
		else
			drive->skipped++; /* too many hang */
	}
}

static void
tick(struct drive *drive)
{
	uint64_t now = ledger_now_ns(), times;
	uint32_t opened = 0;

	(void)!read(drive->timer, &times, sizeof times);
	for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &drive->all[i];

		if (connection->state == FREE && i < drive->long_count && opened < OPEN_MAX) {
			open_one(drive, connection, true);
			opened++;
		} else if (connection->state == PAUSED && connection->due_ns <= now) {
			send_block(drive, connection);
		} else if (connection->state != FREE && connection->due_ns <= now) {
			broken(drive, connection, "timeout");
		}
	}
	open_short(drive, now);
	if (!drive->said_ready && drive->answered_long >= drive->long_count) {
		drive->said_ready = true;
		printf("ready\n");
	}
}

static void
input(struct drive *drive)
{
	char text[64];

	drive->goes_on = read(STDIN_FILENO, text, sizeof text) > 0;
	say_totals(drive);
}

static void
watch(const struct drive *drive, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(drive->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void
run(struct drive *drive)
{
	struct itimerspec pace = { { 0, TICK_MS * (long)MS }, { 0, TICK_MS * (long)MS } };
	struct epoll_event events[LEDGER_EVENTS];

	drive->epoll = epoll_create1(EPOLL_CLOEXEC);
	drive->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (drive->timer < 0 || timerfd_settime(drive->timer, 0, &pace, NULL) < 0)
		err(1, "timerfd");
	watch(drive, STDIN_FILENO, NULL);
	watch(drive, drive->timer, &drive->timer);
	drive->started_ns = drive->short_due_ns = ledger_now_ns();
	drive->goes_on = true;
	while (drive->goes_on) {
		int count = epoll_wait(drive->epoll, events, LEDGER_EVENTS, -1);
		bool is_time = false;

		for (int i = 0; i < count; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection == NULL)
				input(drive);
			else if (events[i].data.ptr == &drive->timer)
				is_time = true; /* last: nothing of this round is closed and made
						   anew */
			else if (connection->state == CONNECTING)
				connected(drive, connection);
			else if (connection->state != FREE)
				readable(drive, connection);
		}
		if (is_time)
			tick(drive);
	}
}

/* --- arguments --- */

/** An address, IPv4 as IPv4-mapped. */
static struct sockaddr_in6
address_of(const char *text, const char *port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	char mapped[INET6_ADDRSTRLEN + 8];

	snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	if (inet_pton(AF_INET6, mapped, &address.sin6_addr) != 1)
		errx(64, "%s is no address", text);
	address.sin6_port = htons((uint16_t)strtoul(port, NULL, 10));
	return address;
}

static void
read_option(struct drive *drive, int option, const char *value)
{
	uint32_t number = (uint32_t)strtoul(value, NULL, 10);

	switch (option) {
	case 's':
		drive->random = strtoull(value, NULL, 10);
		break;
	case 'l':
		drive->long_count = number;
		break;
	case 'n':
		drive->short_a_second = number;
		break;
	case 'p':
		drive->pace_ms = number;
		break;
	case 'q':
		drive->quiet_ms = number;
		break;
	case 't':
		drive->limit_ms = number;
		break;
	case 'f':
		if (drive->source_count == SOURCES_MAX)
			errx(64, "at most %d sources", SOURCES_MAX);
		drive->sources[drive->source_count++] = address_of(value, "0");
		break;
	default:
		errx(64, "see ledger_drive.c for the options");
	}
}

int
ledger_drive(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
						 { "long", required_argument, NULL, 'l' },
						 { "short", required_argument, NULL, 'n' },
						 { "pace-ms", required_argument, NULL, 'p' },
						 { "quiet-ms", required_argument, NULL, 'q' },
						 { "limit-ms", required_argument, NULL, 't' },
						 { "from", required_argument, NULL, 'f' },
						 { 0 } };
	static struct drive drive = { .long_count = 100,
				      .short_a_second = 10,
				      .pace_ms = 500,
				      .quiet_ms = 8000,
				      .limit_ms = 20000 };

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
		read_option(&drive, option, optarg);
	while (optind + 1 < argc && drive.target_count < TARGETS_MAX) {
		drive.targets[drive.target_count++] = address_of(argv[optind], argv[optind + 1]);
		optind += 2;
	}
	if (optind != argc || drive.target_count == 0 || drive.source_count == 0 ||
	    drive.long_count > LONG_MAX_COUNT || drive.pace_ms == 0)
		errx(64, "usage: ledger drive --from ADDRESS... [OPTION...] ADDRESS PORT...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	run(&drive);
	return 0;
}
