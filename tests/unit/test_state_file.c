/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a text that was written is there, whole, whatever happens to the next one; nothing that
 * stands in the directory stops the daemon. Method: a directory of the test's own.
 */
#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail_alloc.h"
#include "limits.h"
#include "run.h"

static const struct privileges privileges; /* nobody changes */
static char parent[64];
static char directory[80];
static char path[112];
static struct state_file *file;

static void
setup(void)
{
	snprintf(parent, sizeof parent, "/tmp/fairlead-test-state.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(parent));
	snprintf(directory, sizeof directory, "%s/d", parent);
	snprintf(path, sizeof path, "%s/state.json", directory);
	ck_assert_int_eq(state_file_open(directory, &privileges, &file), 0);
	ck_assert_str_eq(state_file_error(file), "");
	ck_assert_str_eq(state_file_path(file), path);
}

static void
reopen(void)
{
	state_file_close(file);
	ck_assert_int_eq(state_file_open(directory, &privileges, &file), 0);
}

/* @return whether it was there. */
static bool
remove_one(const char *name)
{
	char full[160];

	snprintf(full, sizeof full, "%s/%s", directory, name);
	return unlink(full) == 0;
}

static void
teardown(void)
{
	state_file_close(file);
	(void)remove_one("state.json");
	(void)remove_one("state.json.bad");
	ck_assert(!remove_one("state.json.new")); /* never left */
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(rmdir(parent), 0);
}

static void
write_text(const char *text)
{
	ck_assert_int_eq(state_file_write(file, text, strlen(text)), 0);
	ck_assert_str_eq(state_file_error(file), "");
}

static void
expect_text(const char *expected)
{
	char *text = NULL;
	size_t size = 0;

	ck_assert_int_eq(state_file_read(file, &text, &size), 0);
	ck_assert_str_eq(text, expected);
	ck_assert_uint_eq(size, strlen(expected));
	free(text);
}

static struct stat
status(const char *of)
{
	struct stat status;

	ck_assert_int_eq(stat(of, &status), 0);
	return status;
}

/* What somebody else put there. */
static void
put(const char *text, off_t size)
{
	FILE *stream = fopen(path, "w");

	ck_assert_ptr_nonnull(stream);
	ck_assert_int_ge(fputs(text, stream), 0);
	ck_assert_int_eq(fclose(stream), 0);
	if (size > 0)
		ck_assert_int_eq(truncate(path, size), 0);
}

START_TEST(test_state_file_gives_back_what_was_written)
{
	char *text = NULL;
	size_t size = 0;
	struct stat before;

	setup();
	ck_assert_uint_eq(status(directory).st_mode & 0777 & ~0750u, 0);
	ck_assert_int_eq(state_file_read(file, &text, &size), -ENOENT);
	write_text("one");
	ck_assert_uint_eq(status(path).st_mode & 0777 & ~0640u, 0);
	expect_text("one");
	write_text("two, longer");
	reopen();
	expect_text("two, longer");
	before = status(path);
	write_text("two, longer"); /* is there already */
	ck_assert_uint_eq(status(path).st_ino, before.st_ino);
	ck_assert_int_eq(status(path).st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	write_text("3");
	expect_text("3");
	teardown();
}
END_TEST

START_TEST(test_state_file_keeps_one_bad_file)
{
	char bad[128];

	setup();
	for (uint32_t i = 0; i < 2; i++) {
		write_text("no JSON");
		ck_assert_int_eq(state_file_set_aside(file), 0);
		ck_assert_int_lt(access(path, F_OK), 0);
	}
	snprintf(bad, sizeof bad, "%s.bad", path);
	ck_assert_int_eq(access(bad, F_OK), 0);
	write_text("no JSON"); /* the same text, but not there any more */
	expect_text("no JSON");
	teardown();
}
END_TEST

START_TEST(test_state_file_takes_no_other_thing_for_one)
{
	char *text = NULL;
	size_t size = 0;

	setup();
	put("x", STATE_FILE_BYTES_MAX + 1);
	ck_assert_int_eq(state_file_read(file, &text, &size), -EFBIG);
	ck_assert_int_eq(state_file_set_aside(file), 0);
	put("x", STATE_FILE_BYTES_MAX);
	ck_assert_int_eq(state_file_read(file, &text, &size), 0);
	ck_assert_uint_eq(size, STATE_FILE_BYTES_MAX);
	free(text);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(state_file_read(file, &text, &size), -EINVAL);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(state_file_read(file, &text, &size), -EINVAL);
	write_text("instead of the link");
	ck_assert(S_ISREG(status(path).st_mode));
	teardown();
}
END_TEST

START_TEST(test_state_file_says_why_nothing_is_kept)
{
	struct state_file *second = NULL;
	char nowhere[128];
	char *text = NULL;
	size_t size = 0;

	setup();
	ck_assert_int_eq(state_file_open(directory, &privileges, &second), 0);
	ck_assert_ptr_nonnull(strstr(state_file_error(second), "another fairleadd"));
	ck_assert(!state_file_may_retry(second));
	state_file_check(second);
	ck_assert_int_lt(state_file_write(second, "x", 1), 0);
	ck_assert_int_eq(state_file_read(second, &text, &size), -ENOENT);
	state_file_close(second);
	snprintf(nowhere, sizeof nowhere, "%s/no/where", parent);
	ck_assert_int_eq(state_file_open(nowhere, &privileges, &second), 0);
	ck_assert_ptr_nonnull(strstr(state_file_error(second), nowhere));
	ck_assert_ptr_nonnull(strstr(state_file_error(second), "make the directory"));
	state_file_close(second);
	state_file_give_up(file, "too much");
	ck_assert_ptr_nonnull(strstr(state_file_error(file), "not kept over a restart: "));
	ck_assert(state_file_may_retry(file));
	write_text("x");
	state_file_close(NULL);
	teardown();
}
END_TEST

START_TEST(test_state_file_without_room_has_the_text_before)
{
	struct rlimit before, small;

	setup();
	write_text("kept");
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 6;
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(state_file_write(file, "does not fit", 12), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_ptr_nonnull(strstr(state_file_error(file), path));
	expect_text("kept");
	ck_assert(!remove_one("state.json.new")); /* what is there of it takes no room */
	write_text("does not fit");
	expect_text("does not fit");
	teardown();
}
END_TEST

START_TEST(test_state_file_without_memory_fails_cleanly)
{
	struct state_file *second = NULL;
	char *text = NULL;
	size_t size = 0;
	bool failed = true;

	setup();
	fail_alloc_at(1);
	ck_assert_int_eq(state_file_open(directory, &privileges, &second), -ENOMEM);
	ck_assert(fail_alloc_end());
	write_text("kept");
	for (uint32_t nth = 1; failed; nth++) {
		int r;

		reopen();
		fail_alloc_at(nth);
		r = state_file_read(file, &text, &size);
		failed = fail_alloc_end();
		ck_assert(r == 0 || (failed && r == -ENOMEM));
		if (r == 0)
			free(text);
		fail_alloc_at(1);
		r = state_file_write(file, "other", 5); /* it need not remember it */
		(void)fail_alloc_end();
		ck_assert_int_eq(r, 0);
		write_text("kept");
		expect_text("kept");
	}
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_state_file_gives_back_what_was_written,
				       test_state_file_keeps_one_bad_file,
				       test_state_file_takes_no_other_thing_for_one,
				       test_state_file_says_why_nothing_is_kept,
				       test_state_file_without_room_has_the_text_before,
				       test_state_file_without_memory_fails_cleanly,
				       NULL };

	return run_tests("state_file", tests);
}
