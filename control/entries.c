/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "json.h"
#include "model_view.h"

static int
entry_compare(const void *left, const void *right)
{
	return strcmp(((const struct entry *)left)->key, ((const struct entry *)right)->key);
}

void
entries_vip_key(const cJSON *item, char ret_key[ADDR_ENDPOINT_TEXT_MAX])
{
	(void)model_view_endpoint_text(item, ret_key);
}

void
entries_backend_key(const cJSON *item, char ret_key[ADDR_ENDPOINT_TEXT_MAX])
{
	snprintf(ret_key, ADDR_ENDPOINT_TEXT_MAX, "%s", json_get_string(item, "address", ""));
}

bool
entries_add(struct entries *entries, const cJSON *array, entries_key key)
{
	size_t more = cJSON_IsArray(array) ? (size_t)cJSON_GetArraySize(array) : 0;
	struct entry *larger =
		realloc(entries->sorted, (entries->count + more + 1) * sizeof *larger);
	const cJSON *item;

	if (larger == NULL)
		return false;
	entries->sorted = larger;
	cJSON_ArrayForEach (item, array) {
		struct entry *entry = &entries->sorted[entries->count];

		*entry = (struct entry){ .item = item };
		key(item, entry->key);
		entries->count++;
	}
	return true;
}

void
entries_sort(struct entries *entries)
{
	if (entries->count > 0)
		qsort(entries->sorted, entries->count, sizeof *entries->sorted, entry_compare);
}

size_t
entries_find(const struct entries *entries, const char *key, size_t *ret_first)
{
	size_t low = 0;
	size_t high = entries->count;
	size_t count = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(entries->sorted[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + count < entries->count && strcmp(entries->sorted[low + count].key, key) == 0)
		count++;
	*ret_first = low;
	return count;
}
