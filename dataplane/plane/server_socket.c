/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket that a killed plane left behind is replaced; one that is served is not, nor anything
 * else that has the path. Two planes that start at once exclude each other by a lock on the
 * directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server_socket.h"

enum {
	LOCK_TRIES = 200,
	LOCK_PAUSE_MS = 10,
	NSS_BYTES = 16384,
};

static int fail(struct plane_failure *failure, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int
fail(struct plane_failure *failure, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(failure->message, sizeof failure->message, format, args);
	va_end(args);
	return error;
}

/** @return descriptor of the locked directory; or a negative errno. */
static int
lock_directory(const char *path, struct plane_failure *failure)
{
	struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	char directory[sizeof((struct sockaddr_un *)NULL)->sun_path];
	const char *slash = strrchr(path, '/');
	int fd, error = 0;

	snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path),
		 path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(failure, -errno,
			    "cannot open the directory %s of the plane socket: %s; make it, or set "
			    "\"socket\"",
			    directory, strerror(errno));
	for (uint32_t i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		error = errno;
		if (error != EWOULDBLOCK && error != EINTR)
			break;
		(void)nanosleep(&pause, NULL);
	}
	(void)close(fd);
	if (error == EWOULDBLOCK)
		return fail(failure, -EADDRINUSE,
			    "another process holds a lock on the directory %s of the plane socket",
			    directory);
	return fail(failure, -error, "cannot lock the directory %s of the plane socket: %s",
		    directory, strerror(error));
}

/** Is somebody listening? @return 1; 0: nobody; or a negative errno. */
static int
is_served(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int served = 1; /* also when the queue is full (EAGAIN) */

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
		if (errno == ECONNREFUSED)
			served = 0;
		else if (errno != EAGAIN)
			served = -errno;
	}
	(void)close(fd);
	return served;
}

static int
make_way(const struct sockaddr_un *address, struct plane_failure *failure)
{
	const char *path = address->sun_path;
	struct stat status;
	int served;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0
				       : fail(failure, -errno, "cannot look at %s: %s", path,
					      strerror(errno));
	if (!S_ISSOCK(status.st_mode))
		return fail(failure, -EEXIST,
			    "%s exists and is not a socket: remove it, or set \"socket\" to "
			    "another path",
			    path);
	served = is_served(address);
	if (served < 0)
		return fail(failure, served, "cannot find out whether %s is served: %s", path,
			    strerror(-served));
	if (served > 0)
		return fail(failure, -EADDRINUSE,
			    "another process serves %s: stop it, or set \"socket\" to another path",
			    path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(failure, -errno, "cannot remove the left-over socket %s: %s", path,
			    strerror(errno));
	return 0;
}

/** The group may connect too; a system without the group has a socket for the process's own. */
static int
give_to_group(const char *path, const char *name, struct plane_failure *failure)
{
	char buffer[NSS_BYTES];
	struct group group, *found = NULL;

	if (name == NULL || getgrnam_r(name, &group, buffer, sizeof buffer, &found) != 0 ||
	    found == NULL)
		return 0;
	if (lchown(path, (uid_t)-1, group.gr_gid) == 0)
		return 0;
	return fail(failure, -errno,
		    "cannot give %s to the group %s: %s; run the plane as root, or as a member of "
		    "that group: SupplementaryGroups=%s in the service",
		    path, name, strerror(errno), name);
}

static int
bind_and_listen(const struct sockaddr_un *address, const char *group, struct server_socket *socket_,
		struct plane_failure *failure)
{
	mode_t mask = umask(0117); /* 0660 from the start */
	struct stat status;
	int r = bind(socket_->fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno
											 : 0;

	(void)umask(mask);
	if (r < 0)
		return fail(failure, r, "cannot make the plane socket %s: %s", address->sun_path,
			    strerror(-r));
	r = give_to_group(address->sun_path, group, failure);
	if (r == 0 && (lstat(address->sun_path, &status) < 0 || listen(socket_->fd, SOMAXCONN) < 0))
		r = fail(failure, -errno, "cannot listen on the plane socket %s: %s",
			 address->sun_path, strerror(errno));
	if (r < 0) {
		(void)unlink(address->sun_path);
		return r;
	}
	socket_->device = status.st_dev;
	socket_->inode = status.st_ino;
	return 0;
}

int
server_socket_open(const char *path, const char *group, struct server_socket *ret_socket,
		   struct plane_failure *ret_failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct server_socket made = { .fd = -1 };
	int lock, r;

	if (path[0] != '/' || strlen(path) >= sizeof address.sun_path)
		return fail(ret_failure, -ENAMETOOLONG,
			    "the plane socket \"%s\" must be an absolute path of at most %zu bytes",
			    path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path));
	lock = lock_directory(path, ret_failure);
	if (lock < 0)
		return lock;
	r = make_way(&address, ret_failure);
	if (r == 0) {
		made.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (made.fd < 0)
			r = fail(ret_failure, -errno, "cannot make a socket: %s", strerror(errno));
	}
	if (r == 0)
		r = bind_and_listen(&address, group, &made, ret_failure);
	(void)close(lock);
	if (r < 0 && made.fd >= 0)
		(void)close(made.fd);
	if (r == 0)
		*ret_socket = made;
	return r;
}

void
server_socket_close(struct server_socket *socket_, const char *path)
{
	struct stat status;

	if (socket_->fd < 0)
		return;
	if (lstat(path, &status) == 0 && status.st_dev == socket_->device &&
	    status.st_ino == socket_->inode)
		(void)unlink(path);
	(void)close(socket_->fd);
	socket_->fd = -1;
}
