/* SPDX-License-Identifier: BSD-2-Clause */
#include "model_sorted.h"

#include <stdlib.h>
#include <string.h>

static int
vip_pointer_compare(const void *left, const void *right)
{
	const struct config_vip *const *a = left;
	const struct config_vip *const *b = right;

	return endpoint_compare(&(*a)->endpoint, &(*b)->endpoint);
}

static int
backend_pointer_compare(const void *left, const void *right)
{
	const struct config_backend *const *a = left;
	const struct config_backend *const *b = right;

	return memcmp(&(*a)->address, &(*b)->address, sizeof(struct addr));
}

struct config_vip **
model_sorted_vips(const struct config *config)
{
	struct config_vip **sorted = calloc((size_t)config->vip_count + 1, sizeof(void *));

	if (sorted == NULL)
		return NULL;
	for (uint32_t i = 0; i < config->vip_count; i++)
		sorted[i] = &config->vips[i];
	qsort(sorted, config->vip_count, sizeof(void *), vip_pointer_compare);
	return sorted;
}

struct config_vip *
model_sorted_find(struct config_vip **sorted, uint32_t count, const struct config_vip *wanted)
{
	struct config_vip **found =
		bsearch(&wanted, sorted, count, sizeof(void *), vip_pointer_compare);

	return found != NULL ? *found : NULL;
}

struct config_backend **
model_sorted_backends(const struct config_vip *vip)
{
	struct config_backend **sorted = calloc((size_t)vip->backend_count + 1, sizeof(void *));

	if (sorted == NULL)
		return NULL;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		sorted[i] = &vip->backends[i];
	qsort(sorted, vip->backend_count, sizeof(void *), backend_pointer_compare);
	return sorted;
}

struct config_backend *
model_sorted_find_backend(struct config_backend **sorted, uint32_t count,
			  const struct config_backend *wanted)
{
	struct config_backend **found =
		bsearch(&wanted, sorted, count, sizeof(void *), backend_pointer_compare);

	return found != NULL ? *found : NULL;
}
