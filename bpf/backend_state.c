/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

enum {
	LOCK_STEP_MS = 50,
	NAMESPACE_TEXT_MAX = 64,
	FILE_PATH_MAX = BACKEND_PATH_MAX + 32,
};

struct backend_setup *
backend_state_find(struct backend_state *state, const char *name)
{
	for (uint32_t i = 0; i < state->setup_count; i++) {
		if (strcmp(state->setups[i].link.name, name) == 0)
			return &state->setups[i];
	}
	return NULL;
}

void
backend_state_forget(struct backend_state *state, const char *name)
{
	struct backend_setup *setup = backend_state_find(state, name);

	if (setup == NULL)
		return;
	state->setup_count--;
	*setup = state->setups[state->setup_count];
}

bool
backend_state_is_empty(const struct backend_state *state)
{
	return state->setup_count == 0 && state->sysctl_count == 0 && state->address_count == 0 &&
	       state->qdisc_count == 0 && state->hook_count == 0 && !state->pin_dir_made;
}

/* An own sentence for each way a file can fail would say no more than this. */
static int
file_fail(struct backend_report *report, const char *what, const char *path)
{
	int error = -errno;

	return backend_report_fail(report, error,
				   "cannot %s %s: %s; check the path given with --state-dir", what,
				   path, strerror(-error));
}

int
backend_state_lock(const char *dir, int *ret_lock, struct backend_report *report)
{
	const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };
	int lock;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return file_fail(report, "make the directory", dir);
	lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return file_fail(report, "open the directory", dir);
	for (int waited_ms = 0; flock(lock, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_STEP_MS) {
		if (errno == EWOULDBLOCK && waited_ms < BACKEND_LOCK_WAIT_MS_MAX) {
			(void)nanosleep(&step, NULL);
			continue;
		}
		(void)close(lock);
		return backend_report_fail(report, -EBUSY,
					   "%s is held by another fairlead-backend; wait for it to "
					   "end and try again",
					   dir);
	}
	*ret_lock = lock;
	return 0;
}

/* What tells one network namespace from another while both exist. */
static int
namespace_name(char text[NAMESPACE_TEXT_MAX], struct backend_report *report)
{
	struct stat status;

	if (stat("/proc/self/ns/net", &status) < 0)
		return file_fail(report, "read", "/proc/self/ns/net");
	(void)snprintf(text, NAMESPACE_TEXT_MAX, "%llu:%llu", (unsigned long long)status.st_dev,
		       (unsigned long long)status.st_ino);
	return 0;
}

static int
state_parse(const char *path, const cJSON *root, struct backend_state *ret_state,
	    struct backend_report *report)
{
	char here[NAMESPACE_TEXT_MAX];
	int r;

	if (backend_state_from_json(root, ret_state) < 0)
		return backend_report_fail(report, -EBADMSG,
					   "%s is not a state file of this version; undo by hand "
					   "what it names, then remove it",
					   path);
	if ((r = namespace_name(here, report)) < 0)
		return r;
	if (strcmp(here, json_get_string(root, "namespace", "")) != 0)
		return backend_report_fail(
			report, -EXDEV,
			"%s tells of another network namespace; give each namespace its own "
			"--state-dir and --pin-dir, or remove the file when that namespace is gone",
			path);
	return 0;
}

int
backend_state_load(const char *dir, struct backend_state *ret_state, struct backend_report *report)
{
	char path[FILE_PATH_MAX];
	struct json_errors *errors;
	char *text = NULL;
	cJSON *root = NULL;
	size_t size;
	int r;

	*ret_state = (struct backend_state){ 0 };
	(void)snprintf(path, sizeof path, "%s/state.json", dir);
	r = json_read_file(path, &text, &size);
	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		errno = -r;
		return file_fail(report, "read", path);
	}
	errors = calloc(1, sizeof *errors);
	if (errors == NULL)
		r = backend_report_fail(report, -ENOMEM, "out of memory");
	else if (json_read(text, size, &root, errors) < 0)
		r = backend_report_fail(report, -EBADMSG,
					"%s:%u:%u: %s; undo by hand what it names, then remove it",
					path, errors->items[0].line, errors->items[0].column,
					errors->items[0].message);
	else
		r = state_parse(path, root, ret_state, report);
	cJSON_Delete(root);
	free(errors);
	free(text);
	return r;
}

/* Write @text to a file of its own beside @path, and put it in the place of @path. */
static int
file_replace(const char *dir, const char *path, const struct json_buffer *text)
{
	char temporary[FILE_PATH_MAX];
	int file, folder, error = 0;
	ssize_t written = 0;

	(void)snprintf(temporary, sizeof temporary, "%s/state.json.new", dir);
	file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (file < 0)
		return -errno;
	for (size_t done = 0; done < text->size && written >= 0; done += (size_t)written)
		written = TEMP_FAILURE_RETRY(write(file, text->bytes + done, text->size - done));
	if (written < 0 || fsync(file) < 0)
		error = -errno;
	(void)close(file);
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error != 0) {
		(void)unlink(temporary);
		return error;
	}
	/* The rename is on disk only when the directory is. */
	folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	if (fsync(folder) < 0)
		error = -errno;
	(void)close(folder);
	return error;
}

int
backend_state_save(const char *dir, const struct backend_state *state,
		   struct backend_report *report)
{
	char path[FILE_PATH_MAX], half[FILE_PATH_MAX], here[NAMESPACE_TEXT_MAX];
	struct json_buffer text = { 0 };
	cJSON *root;
	int r;

	(void)snprintf(path, sizeof path, "%s/state.json", dir);
	(void)snprintf(half, sizeof half, "%s/state.json.new", dir);
	if (backend_state_is_empty(state)) {
		(void)unlink(half); /* of a process that was killed while it wrote */
		if (unlink(path) < 0 && errno != ENOENT)
			return file_fail(report, "remove", path);
		return 0;
	}
	if ((r = namespace_name(here, report)) < 0)
		return r;
	root = backend_state_to_json(state);
	if (root == NULL || cJSON_AddStringToObject(root, "namespace", here) == NULL)
		r = -ENOMEM;
	else
		r = json_print(root, JSON_FILE_BYTES_MAX, &text);
	cJSON_Delete(root);
	if (r < 0)
		return backend_report_fail(report, -ENOMEM, "out of memory");
	r = file_replace(dir, path, &text);
	free(text.bytes);
	if (r < 0) {
		errno = -r;
		return file_fail(report, "write", path);
	}
	return 0;
}
