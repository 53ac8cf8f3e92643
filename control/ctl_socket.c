/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

static int
fail_errno(struct failure *ret_failure, const char *what, const char *path)
{
	int error = errno;
	bool denied = error == EACCES || error == EPERM || error == EROFS;

	return failure_set(ret_failure, denied ? EX_NOPERM : EX_CONFIG,
			   "cannot %s %s: %s; %s or name another path with --socket", what, path,
			   strerror(error),
			   denied	     ? "make its directory writable for fairleadd"
			   : error == ENOENT ? "make the directory it is in"
			   : error == ENOSPC ? "make room there"
					     : "put that right");
}

static int
make_directory(const char *path, struct failure *ret_failure)
{
	char copy[CONTROL_SOCKET_PATH_MAX + 1];
	const char *directory;
	mode_t before;
	int r;

	snprintf(copy, sizeof copy, "%s", path);
	directory = dirname(copy);
	before = umask(022); /* the socket's group must reach it, whatever root's shell has set */
	r = mkdir(directory, 0755);
	(void)umask(before);
	if (r < 0 && errno != EEXIST)
		return fail_errno(ret_failure, "make the directory", directory);
	return 0;
}

static int
take_lock(struct ctl_socket *socket, struct failure *ret_failure)
{
	char path[CONTROL_SOCKET_PATH_MAX + 8];

	snprintf(path, sizeof path, "%s.lock", socket->path);
	socket->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (socket->lock_fd < 0)
		return fail_errno(ret_failure, "open the lock file", path);
	if (flock(socket->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return failure_set(
			ret_failure, EX_TEMPFAIL,
			"another fairleadd serves %s: stop it first, or give this one another "
			"--socket",
			socket->path);
	return 0;
}

/* @return 0: nobody listens on it any more; otherwise what connect(2) says, 0 taken for EISCONN. */
static int
socket_state(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = EISCONN;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		error = errno == ECONNREFUSED ? 0 : errno;
	(void)close(fd);
	return error;
}

/* Somebody without our lock may listen there, a plane whose socket was named by mistake. */
static int
remove_leftover(const struct sockaddr_un *address, struct failure *ret_failure)
{
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : fail_errno(ret_failure, "look at", address->sun_path);
	if (!S_ISSOCK(status.st_mode))
		return failure_set(ret_failure, EX_CONFIG,
				   "%s exists and is no socket: name another path with --socket",
				   address->sun_path);
	switch (errno = socket_state(address)) {
	case 0:
		break;
	case EISCONN:
	case EAGAIN:	 /* its queue is full */
	case EPROTOTYPE: /* a datagram socket */
		return failure_set(ret_failure, EX_TEMPFAIL,
				   "another program serves %s: name another path with --socket",
				   address->sun_path);
	default:
		return fail_errno(ret_failure, "see whether somebody serves", address->sun_path);
	}
	if (unlink(address->sun_path) < 0)
		return fail_errno(ret_failure, "remove the left-over socket", address->sun_path);
	return 0;
}

static int
bind_and_listen(struct ctl_socket *ctl_socket, const struct privileges *privileges,
		struct failure *ret_failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t before;
	int r;

	snprintf(address.sun_path, sizeof address.sun_path, "%s", ctl_socket->path);
	if (remove_leftover(&address, ret_failure) < 0)
		return -1;
	ctl_socket->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl_socket->fd < 0)
		return fail_errno(ret_failure, "make", ctl_socket->path);
	before = umask(0117); /* 0660 from the first moment */
	r = bind(ctl_socket->fd, (const struct sockaddr *)&address, sizeof address);
	(void)umask(before);
	if (r < 0)
		return fail_errno(ret_failure, "make", ctl_socket->path);
	/* Without root the group can be given only to a group one is in. */
	if (lchown(ctl_socket->path, privileges->change_user ? privileges->uid : (uid_t)-1,
		   privileges->socket_group) < 0 &&
	    privileges->change_user)
		return fail_errno(ret_failure, "give to the group", ctl_socket->path);
	if (listen(ctl_socket->fd, CTL_BACKLOG) < 0)
		return fail_errno(ret_failure, "listen on", ctl_socket->path);
	return 0;
}

int
ctl_socket_open(const char *path, const struct privileges *privileges,
		struct ctl_socket *ret_socket, struct failure *ret_failure)
{
	*ret_socket = (struct ctl_socket){ .fd = -1, .lock_fd = -1 };
	if (path[0] == '\0') /* to bind(2) a name of its own choice */
		return failure_set(ret_failure, EX_USAGE, "--socket needs a path");
	if (strlen(path) > CONTROL_SOCKET_PATH_MAX)
		return failure_set(ret_failure, EX_USAGE,
				   "the socket path has %zu bytes, a socket takes at most %d: "
				   "choose a shorter one",
				   strlen(path), CONTROL_SOCKET_PATH_MAX);
	snprintf(ret_socket->path, sizeof ret_socket->path, "%s", path);
	if (make_directory(path, ret_failure) < 0 || take_lock(ret_socket, ret_failure) < 0)
		return -1;
	return bind_and_listen(ret_socket, privileges, ret_failure);
}

void
ctl_socket_close(struct ctl_socket *socket)
{
	if (socket->fd >= 0) {
		(void)unlink(socket->path);
		(void)close(socket->fd);
	}
	if (socket->lock_fd >= 0)
		(void)close(socket->lock_fd);
	socket->fd = -1;
	socket->lock_fd = -1;
}
