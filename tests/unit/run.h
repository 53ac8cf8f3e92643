/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Runs one libcheck case as a program. A program without a test fails.
 */
#ifndef TESTS_UNIT_RUN_H
#define TESTS_UNIT_RUN_H

#include <check.h>
#include <stdlib.h>

/** For loops of many: libcheck's own assertions write to a pipe each time. */
#define CHECK(condition)                                \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/** @param tests ends with NULL. @return what main() returns. */
static inline int
run_tests(const char *name, const TTest *const *tests)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int ran, failed;

	tcase_set_timeout(tcase, 80); /* below meson's, which names no case */
	for (; *tests != NULL; tests++)
		tcase_add_test(tcase, *tests);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	ran = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
