/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Items of planes' answers, VIPs or backends, sorted by what names them: what a plane tells is
 * searched once for each thing that is configured.
 */
#ifndef CONTROL_ENTRIES_H
#define CONTROL_ENTRIES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

/** An item by its key: a VIP's endpoint or a backend's address. */
struct entry {
	char key[ADDR_ENDPOINT_TEXT_MAX];
	const cJSON *item; /**< borrowed of the answer */
};

struct entries {
	size_t count;
	struct entry *sorted; /**< owned: free() it */
};

/** What a key is made of; of what has none it is empty. */
typedef void (*entries_key)(const cJSON *item, char ret_key[ADDR_ENDPOINT_TEXT_MAX]);
void entries_vip_key(const cJSON *item, char ret_key[ADDR_ENDPOINT_TEXT_MAX]);
void entries_backend_key(const cJSON *item, char ret_key[ADDR_ENDPOINT_TEXT_MAX]);

/** Add the items of an array; several arrays may go into one. @return false: no memory. */
bool entries_add(struct entries *entries, const cJSON *array, entries_key key);

/** After the last entries_add(). */
void entries_sort(struct entries *entries);

/** The first entry of the key, the others (one of each plane) behind it. @return how many. */
size_t entries_find(const struct entries *entries, const char *key, size_t *ret_first);

#endif
