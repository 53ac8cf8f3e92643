/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what was saved is read back to the last bit; a damaged file, or one of another namespace,
 * is refused with a sentence that names it; a file is there exactly while there is something to
 * remember. Method: a state with every kind of entry goes through a directory of its own; its file
 * is then cut at every length, and edited.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_prefix.h"
#include "backend_state.h"
#include "run.h"

static struct backend_state sample, loaded;
static const char template[] = "/tmp/test_backend_state.XXXXXX";
static char dir[64], path[96];

static void
setup(void)
{
	struct backend_setup *first = &sample.setups[0];

	memcpy(dir, template, sizeof template);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/state.json", dir);
	memset(&sample, 0, sizeof sample);
	(void)snprintf(sample.pin_dir, sizeof sample.pin_dir, "/sys/fs/bpf/x");
	sample.pin_dir_made = true;
	sample.setup_count = 2;
	first->link = (struct backend_link){ "eth0.100", 7 };
	first->mtu = 1500;
	first->vip_count = 2;
	ck_assert_int_eq(addr_parse("192.0.2.10", &first->vips[0]), 0);
	ck_assert_int_eq(addr_parse("2001:db8::10", &first->vips[1]), 0);
	first->from_count = 1;
	ck_assert_int_eq(backend_prefix_parse("10.0.0.0/29", &first->from[0]), 0);
	first->reply_count = 1;
	first->replies[0] = (struct backend_link){ "eth1", 8 };
	sample.setups[1].link = (struct backend_link){ "eth\"2\\", 9 };
	sample.sysctl_count = 2;
	sample.sysctls[0] =
		(struct backend_sysctl){ { "all", 0 }, BACKEND_SYSCTL_ARP_IGNORE, 0, 1 };
	sample.sysctls[1] =
		(struct backend_sysctl){ { "eth1", 8 }, BACKEND_SYSCTL_RP_FILTER, 1, 2 };
	sample.address_count = 1;
	sample.addresses[0] = first->vips[0];
	sample.qdisc_count = 1;
	sample.qdiscs[0] = first->link;
	sample.hook_count = 2;
	sample.hooks[0] = (struct backend_hook){ first->link, 7, false };
	sample.hooks[1] = (struct backend_hook){ first->replies[0], 7, true };
}

static void
teardown(void)
{
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left in it */
}

static void
file_write(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
}

static size_t
file_read(char *text, size_t text_bytes)
{
	FILE *file = fopen(path, "r");
	size_t size;

	ck_assert_ptr_nonnull(file);
	size = fread(text, 1, text_bytes - 1, file);
	text[size] = '\0';
	(void)fclose(file);
	return size;
}

static void
links_are_equal(const struct backend_link *one, const struct backend_link *other)
{
	ck_assert_str_eq(one->name, other->name);
	ck_assert_uint_eq(one->index, other->index);
}

START_TEST(test_backend_state_comes_back)
{
	struct backend_report report = { 0 };

	setup();
	ck_assert_int_eq(backend_state_save(dir, &sample, &report), 0);
	ck_assert_int_eq(backend_state_load(dir, &loaded, &report), 0);
	ck_assert_str_eq(loaded.pin_dir, sample.pin_dir);
	ck_assert(loaded.pin_dir_made);
	ck_assert_uint_eq(loaded.setup_count, 2);
	/* strings are zero-filled on both sides, so whole records compare */
	ck_assert_mem_eq(&loaded.setups[0], &sample.setups[0], sizeof sample.setups[0]);
	links_are_equal(&loaded.setups[1].link, &sample.setups[1].link);
	ck_assert_uint_eq(loaded.sysctl_count, 2);
	for (int i = 0; i < 2; i++) {
		links_are_equal(&loaded.sysctls[i].link, &sample.sysctls[i].link);
		ck_assert_int_eq(loaded.sysctls[i].key, sample.sysctls[i].key);
		ck_assert_int_eq(loaded.sysctls[i].original, sample.sysctls[i].original);
		ck_assert_int_eq(loaded.sysctls[i].value, sample.sysctls[i].value);
		links_are_equal(&loaded.hooks[i].link, &sample.hooks[i].link);
		ck_assert_uint_eq(loaded.hooks[i].owner, sample.hooks[i].owner);
		ck_assert_int_eq(loaded.hooks[i].egress, sample.hooks[i].egress);
	}
	ck_assert_uint_eq(loaded.address_count, 1);
	ck_assert_mem_eq(&loaded.addresses[0], &sample.addresses[0], sizeof sample.addresses[0]);
	ck_assert_uint_eq(loaded.qdisc_count, 1);
	links_are_equal(&loaded.qdiscs[0], &sample.qdiscs[0]);
	ck_assert_uint_eq(loaded.hook_count, 2);
	teardown();
}
END_TEST

START_TEST(test_backend_state_empty_is_no_file)
{
	struct backend_report report = { 0 };
	struct stat status;

	setup();
	ck_assert_int_eq(backend_state_load(dir, &loaded, &report), 0);
	ck_assert(backend_state_is_empty(&loaded));
	ck_assert_int_eq(backend_state_save(dir, &sample, &report), 0);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(backend_state_save(dir, &loaded, &report), 0);
	ck_assert_int_lt(stat(path, &status), 0);
	ck_assert_int_eq(report.error, 0);
	teardown();
}
END_TEST

START_TEST(test_backend_state_refuses_every_cut)
{
	char text[4096];
	size_t size;

	setup();
	ck_assert_int_eq(backend_state_save(dir, &sample, &(struct backend_report){ 0 }), 0);
	size = file_read(text, sizeof text);
	ck_assert_uint_gt(size, 100);
	for (size_t cut = 0; cut < size; cut++) {
		struct backend_report report = { 0 };

		file_write(text, cut);
		CHECK(backend_state_load(dir, &loaded, &report) == -EBADMSG);
		CHECK(strstr(report.sentence, path) != NULL);
	}
	teardown();
}
END_TEST

START_TEST(test_backend_state_refuses_edits)
{
	static const char *const edits[][2] = {
		{ "\"version\":1", "\"version\":2" },	  { "\"192.0.2.10\"", "\"192.0.2.1O\"" },
		{ "\"arp_ignore\"", "\"forwarding\"" },	  { "\"rp_filter\"", "\"../x/../rp\"" },
		{ "\"10.0.0.0/29\"", "\"10.0.0.1/29\"" }, { "\"egress\":true", "\"egress\":1111" },
		{ "\"index\":7", "\"index\":-" },	  { "\"mtu\"", "\"mtx\"" },
	};
	char text[4096];

	setup();
	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		struct backend_report report = { 0 };
		char *place;

		ck_assert_int_eq(backend_state_save(dir, &sample, &report), 0);
		(void)file_read(text, sizeof text);
		place = strstr(text, edits[i][0]);
		ck_assert_msg(place != NULL, "%s", edits[i][0]);
		memcpy(place, edits[i][1], strlen(edits[i][1]));
		file_write(text, strlen(text));
		ck_assert_msg(backend_state_load(dir, &loaded, &report) == -EBADMSG, "%s",
			      edits[i][1]);
	}
	teardown();
}
END_TEST

START_TEST(test_backend_state_refuses_another_namespace)
{
	struct backend_report report = { 0 };
	char text[4096];
	char *place;

	setup();
	ck_assert_int_eq(backend_state_save(dir, &sample, &report), 0);
	(void)file_read(text, sizeof text);
	place = strstr(text, "\"namespace\":\"");
	ck_assert_ptr_nonnull(place);
	place[strlen("\"namespace\":\"")] = 'x';
	file_write(text, strlen(text));
	ck_assert_int_eq(backend_state_load(dir, &loaded, &report), -EXDEV);
	ck_assert_ptr_nonnull(strstr(report.sentence, "another network namespace"));
	teardown();
}
END_TEST

START_TEST(test_backend_state_lock_is_exclusive)
{
	struct backend_report report = { 0 };
	int lock, other;

	setup();
	ck_assert_int_eq(backend_state_lock(dir, &lock, &report), 0);
	other = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(other, 0);
	ck_assert_int_lt(flock(other, LOCK_EX | LOCK_NB), 0);
	(void)close(lock);
	ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
	(void)close(other);
	teardown();
}
END_TEST

START_TEST(test_backend_state_forgets_one_setup)
{
	setup();
	ck_assert_ptr_eq(backend_state_find(&sample, "eth0.100"), &sample.setups[0]);
	ck_assert_ptr_null(backend_state_find(&sample, "eth0"));
	backend_state_forget(&sample, "eth0.100");
	ck_assert_uint_eq(sample.setup_count, 1);
	ck_assert_ptr_nonnull(backend_state_find(&sample, "eth\"2\\"));
	backend_state_forget(&sample, "eth0.100");
	ck_assert_uint_eq(sample.setup_count, 1);
	ck_assert_uint_eq(sample.address_count, 1); /* claims stay until they are undone */
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_backend_state_comes_back,
		test_backend_state_empty_is_no_file,
		test_backend_state_refuses_every_cut,
		test_backend_state_refuses_edits,
		test_backend_state_refuses_another_namespace,
		test_backend_state_lock_is_exclusive,
		test_backend_state_forgets_one_setup,
		NULL,
	};

	return run_tests("backend_state", tests);
}
