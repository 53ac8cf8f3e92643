/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "steering_maps.h"

/** What is mapped of the settings: whole pages. */
static size_t
settings_bytes(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (sizeof(struct steering_settings) + page - 1) / page * page;
}

int
steering_maps_open(int records, int settings, struct steering_maps *ret_maps)
{
	void *memory;
	int fd;

	memory = mmap(NULL, settings_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, settings, 0);
	if (memory == MAP_FAILED)
		return -errno;
	fd = fcntl(records, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		int error = errno;

		(void)munmap(memory, settings_bytes());
		return -error;
	}
	*ret_maps = (struct steering_maps){ .records = fd, .settings = memory };
	return 0;
}

void
steering_maps_close(struct steering_maps *maps)
{
	if (maps->settings == NULL)
		return;
	(void)munmap(maps->settings, settings_bytes());
	(void)close(maps->records);
	*maps = (struct steering_maps){ .records = -1 };
}

void
steering_maps_start(struct steering_maps *maps, const struct fl_config *config)
{
	for (uint32_t i = 0; i < FL_OWN_COUNT; i++) {
		struct fl_own *own = &maps->settings->core.own[i];

		for (uint32_t h = 0; h < 2; h++) {
			FL_WRITE_ONCE(own->address.half[h], config->own[i].address.half[h]);
			FL_WRITE_ONCE(own->mask.half[h], config->own[i].mask.half[h]);
		}
	}
	FL_WRITE_ONCE(maps->settings->ready, 1);
}

void
steering_maps_set_lengths(struct steering_maps *maps, const uint64_t lengths[2])
{
	for (uint32_t family = 0; family < 2; family++)
		FL_WRITE_ONCE(maps->settings->core.lengths[family], lengths[family]);
}

int
steering_maps_put(struct steering_maps *maps, const struct fl_vip *record)
{
	return bpf_map_update_elem(maps->records, &record->key, record, BPF_ANY) < 0 ? -errno : 0;
}

bool
steering_maps_get(const struct steering_maps *maps, const struct fl_vip_key *key,
		  struct fl_vip *ret_record)
{
	struct fl_vip record;

	if (bpf_map_lookup_elem(maps->records, key, &record) < 0)
		return false;
	if (ret_record != NULL)
		*ret_record = record;
	return true;
}

void
steering_maps_delete(struct steering_maps *maps, const struct fl_vip_key *key)
{
	(void)bpf_map_delete_elem(maps->records, key);
}

bool
steering_maps_next(const struct steering_maps *maps, const struct fl_vip_key *key,
		   struct fl_vip_key *ret_key)
{
	return bpf_map_get_next_key(maps->records, key, ret_key) == 0;
}
