/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Makes the n-th allocation fail, of our code (linked with --wrap) and of cJSON (by its hooks; it
 * is a shared library). For one .c file of a program, linked with fail_alloc_dep.
 */
#ifndef TESTS_UNIT_FAIL_ALLOC_H
#define TESTS_UNIT_FAIL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static uint32_t fail_countdown; /* 0: none fails */
static bool fail_happened;

static inline bool
fail_now(void)
{
	if (fail_countdown == 0 || --fail_countdown > 0)
		return false;
	fail_happened = true;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fail_now() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fail_now() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *block, size_t size)
{
	return fail_now() ? NULL : __real_realloc(block, size);
}

/** The @p nth allocation from here on fails, that one alone; 1 is the next. */
static inline void
fail_alloc_at(uint32_t nth)
{
	cJSON_Hooks hooks = { .malloc_fn = __wrap_malloc }; /* its free() stays */

	cJSON_InitHooks(&hooks);
	fail_happened = false;
	fail_countdown = nth;
}

/** Nothing fails from here on. @return whether an allocation failed. */
static inline bool
fail_alloc_end(void)
{
	fail_countdown = 0;
	return fail_happened;
}

#endif
