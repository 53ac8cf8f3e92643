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

/* @return the size that it has now; -EINVAL; -EFBIG; or a negative errno. */
static ssize_t
regular_size(int fd, size_t size_max)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	return status.st_size > (off_t)size_max ? -EFBIG : (ssize_t)status.st_size;
}

int
json_read_opened(int fd, size_t size_max, char **ret_text, size_t *ret_size)
{
	ssize_t taken = regular_size(fd, size_max); /* a hint only: files grow */
	size_t capacity = (size_t)taken + FILE_BYTES_FIRST, size = 0;
	char *text, *larger;
	int r = -ENOMEM;

	if (taken < 0)
		return (int)taken;
	text = malloc(capacity);
	while (text != NULL) {
		taken = read(fd, text + size, capacity - 1 - size);
		if (taken < 0 && errno == EINTR)
			continue;
		r = taken < 0 ? -errno : 0;
		if (taken <= 0)
			break;
		size += (size_t)taken;
		r = -EFBIG;
		if (size > size_max)
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
	int fd, r;

	/* Not blocking: a FIFO without a writer would hold the caller for ever. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = json_read_opened(fd, JSON_FILE_BYTES_MAX, ret_text, ret_size);
	(void)close(fd);
	return r;
}
