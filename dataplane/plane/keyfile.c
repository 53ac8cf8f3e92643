/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyfile.h"

enum {
	KEY_DIGITS = 32,
	FILE_BYTES_MAX =
		KEY_DIGITS + 2, /* with the newline, and one more to see that it is too long */
};

#define MAKE_KEY "make one with: (umask 077; od -An -tx1 -N16 /dev/urandom | tr -d ' \\n' > %s)"

static int
open_failed(const char *path, int error, struct failure *failure)
{
	if (error == ENOENT)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "key_file %s does not exist; " MAKE_KEY
				   ", the same on every balancer of the cluster",
				   path, path);
	return failure_set(failure,
			   error == EACCES || error == EPERM ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
			   "key_file %s cannot be opened: %s; make it readable for the user that "
			   "the plane runs as",
			   path, strerror(error));
}

/** @return the digit's value; -1. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/** @return false: not KEY_DIGITS digits. */
static bool
parse_key(const char *text, ssize_t size, struct fl_key *ret_key)
{
	struct fl_key key = { { 0, 0 } };

	if (size > 0 && text[size - 1] == '\n')
		size--;
	if (size != KEY_DIGITS)
		return false;
	for (uint32_t i = 0; i < KEY_DIGITS; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		uint32_t byte = i / 2;

		if (high < 0 || low < 0)
			return false;
		key.word[byte / 8] |= (uint64_t)(high << 4 | low) << (8 * (byte % 8));
	}
	*ret_key = key;
	return true;
}

static int
read_open_file(int fd, const char *path, struct fl_key *ret_key, struct failure *failure)
{
	char text[FILE_BYTES_MAX];
	struct stat status;
	ssize_t size;
	bool good;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return failure_set(failure, EXIT_CONFIG, "key_file %s is not a regular file", path);
	if (status.st_mode & S_IRWXO)
		return failure_set(
			failure, EXIT_PERMISSION,
			"key_file %s can be read by others (mode %04o); run: chmod o= %s", path,
			(unsigned int)(status.st_mode & 07777), path);
	size = read(fd, text, sizeof text);
	good = parse_key(text, size, ret_key);
	explicit_bzero(text, sizeof text);
	if (!good)
		return failure_set(failure, EXIT_CONFIG,
				   "key_file %s does not hold 32 hexadecimal digits; " MAKE_KEY,
				   path, path);
	return 0;
}

int
keyfile_read(const char *path, struct fl_key *ret_key, struct failure *failure)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return open_failed(path, errno, failure);
	r = read_open_file(fd, path, ret_key, failure);
	(void)close(fd);
	return r;
}
