/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The one place of the JSON reader that touches the file system.
 */
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_BYTES_FIRST = 4096, /* beyond the size that stat() tells */
};

/* Reads up to the end of the file. The size stat() tells is a hint only: files grow. */
static int
read_all(int fd, size_t size_hint, char **ret_text, size_t *ret_size)
{
	size_t capacity = size_hint + FILE_BYTES_FIRST, size = 0;
	char *text = malloc(capacity), *larger;
	ssize_t taken;
	int r = -ENOMEM;

	while (text != NULL) {
		taken = read(fd, text + size, capacity - 1 - size);
		if (taken < 0 && errno == EINTR)
			continue;
		r = taken < 0 ? -errno : 0;
		if (taken <= 0)
			break;
		size += (size_t)taken;
		r = -EFBIG;
		if (size > JSON_FILE_BYTES_MAX)
			break;
		if (size < capacity - 1)
			continue;
		capacity *= 2;
		r = -ENOMEM;
		larger = realloc(text, capacity);
		if (larger == NULL)
			break;
		text = larger;
	}
	if (r < 0) {
		free(text);
		return r;
	}
	text[size] = '\0';
	*ret_text = text;
	*ret_size = size;
	return 0;
}

int
json_read_file(const char *path, char **ret_text, size_t *ret_size)
{
	struct stat status;
	int fd, r;

	/* Not blocking: a FIFO without a writer would hold the caller for ever. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		r = -errno;
	else if (!S_ISREG(status.st_mode))
		r = -EINVAL;
	else if (status.st_size > JSON_FILE_BYTES_MAX)
		r = -EFBIG;
	else
		r = read_all(fd, (size_t)status.st_size, ret_text, ret_size);
	(void)close(fd);
	return r;
}
