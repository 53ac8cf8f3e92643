/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hugepages.h"

enum {
	PATH_BYTES_MAX = 160,
	CPU_BYTES_MAX = 48,
};

/* Without NUMA in the kernel there is no node directory; then all pages are node 0's. */
static void
pages_directory(uint32_t node, char ret_path[PATH_BYTES_MAX])
{
	struct stat status;

	(void)snprintf(ret_path, PATH_BYTES_MAX, "/sys/devices/system/node/node%u/hugepages", node);
	if (stat(ret_path, &status) < 0 && node == 0)
		(void)snprintf(ret_path, PATH_BYTES_MAX, "/sys/kernel/mm/hugepages");
}

/** @return the number in a file of one; 0 when it cannot be read. */
static uint64_t
read_number(const char *directory, const char *name, const char *file_name)
{
	char path[2 * PATH_BYTES_MAX];
	unsigned long long number = 0;
	FILE *file;

	(void)snprintf(path, sizeof path, "%.150s/%.60s/%.30s", directory, name, file_name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &number) != 1)
		number = 0;
	(void)fclose(file);
	return number;
}

/** The node of a CPU: its directory has a link nodeN. */
static uint32_t
node_of(uint16_t cpu)
{
	char path[CPU_BYTES_MAX];
	const struct dirent *entry;
	uint32_t node = 0;
	DIR *directory;

	(void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u", cpu);
	directory = opendir(path);
	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, "node", 4) == 0 && entry->d_name[4] >= '0' &&
		    entry->d_name[4] <= '9')
			node = (uint32_t)strtoul(entry->d_name + 4, NULL, 10);
	}
	(void)closedir(directory);
	return node < HUGEPAGES_NODES_MAX ? node : 0;
}

void
hugepages_plan(const struct config *config, struct hugepages_plan *ret_plan)
{
	bool used[HUGEPAGES_NODES_MAX] = { false };
	uint32_t used_count = 0;

	*ret_plan = (struct hugepages_plan){ 0 };
	used[node_of(config->main_core)] = true;
	for (uint32_t i = 0; i < config->worker_count; i++)
		used[node_of(config->worker_cores[i])] = true;
	for (uint32_t node = 0; node < HUGEPAGES_NODES_MAX; node++) {
		if (used[node]) {
			used_count++;
			ret_plan->node_count = node + 1;
		}
	}
	for (uint32_t node = 0; node < ret_plan->node_count; node++) {
		if (used[node])
			ret_plan->mb[node] = (config->memory_mb + used_count - 1) / used_count;
	}
}

/** Free huge pages of every size on a node, MiB; and which size the node's are of: KiB. */
static uint64_t
free_mb(uint32_t node, uint32_t *ret_page_kb)
{
	char path[PATH_BYTES_MAX];
	const struct dirent *entry;
	uint64_t free_kb = 0;
	DIR *directory;

	*ret_page_kb = 2048;
	pages_directory(node, path);
	directory = opendir(path);
	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL) {
		uint32_t page_kb;
		uint64_t free_pages;

		if (strncmp(entry->d_name, "hugepages-", 10) != 0)
			continue;
		page_kb = (uint32_t)strtoul(entry->d_name + 10, NULL, 10);
		free_pages = read_number(path, entry->d_name, "free_hugepages");
		free_kb += free_pages * page_kb;
		if (free_pages > 0)
			*ret_page_kb = page_kb;
	}
	(void)closedir(directory);
	return free_kb >> 10;
}

static int
too_few(uint32_t node, uint32_t needed_mb, struct failure *failure)
{
	char path[PATH_BYTES_MAX], name[32];
	uint32_t page_kb;
	uint64_t have_mb = free_mb(node, &page_kb);
	uint64_t missing, total;

	pages_directory(node, path);
	(void)snprintf(name, sizeof name, "hugepages-%ukB", page_kb);
	total = read_number(path, name, "nr_hugepages");
	missing = (((uint64_t)needed_mb - have_mb) * 1024 + page_kb - 1) / page_kb;
	return failure_set(
		failure, EXIT_UNAVAILABLE,
		"too few huge pages on node %u: need %u MiB (\"memory_mb\"), have %llu MiB, "
		"free %llu MiB; run: echo %llu > %s/%s/nr_hugepages, or set \"hugepages\": false",
		node, needed_mb, (unsigned long long)(total * page_kb >> 10),
		(unsigned long long)have_mb, (unsigned long long)(total + missing), path, name);
}

int
hugepages_check(const struct config *config, struct failure *failure)
{
	struct hugepages_plan plan;

	hugepages_plan(config, &plan);
	for (uint32_t node = 0; node < plan.node_count; node++) {
		uint32_t page_kb;

		if (free_mb(node, &page_kb) < plan.mb[node])
			return too_few(node, plan.mb[node], failure);
	}
	return 0;
}
