/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ports' maps hold the same records: the first port's is asked.
 */
#include <errno.h>
#include <stdlib.h>

#include "vip_set.h"

/** What was there before a record was added. */
struct undo {
	bool was_guarded, was_steered;
	struct fl_vip guarded, steered;
};

static void
set_steered_lengths(struct vip_set *set, const uint64_t lengths[2])
{
	for (uint32_t i = 0; i < set->port_count; i++)
		steering_maps_set_lengths(&set->ports[i].maps, lengths);
}

void
vip_set_start(struct vip_set *set, const struct fl_config *config)
{
	if (set->guard == NULL)
		return;
	steering_maps_start(guard_maps(set->guard), config);
	for (uint32_t i = 0; i < set->port_count; i++)
		steering_maps_start(&set->ports[i].maps, config);
}

/** @return 0 or a negative errno; then some maps may have it. */
static int
add_record(struct vip_set *set, const struct fl_vip *record, struct undo *ret_undo)
{
	struct steering_maps *guard = guard_maps(set->guard);
	int r;

	ret_undo->was_guarded = steering_maps_get(guard, &record->key, &ret_undo->guarded);
	ret_undo->was_steered =
		steering_maps_get(&set->ports[0].maps, &record->key, &ret_undo->steered);
	r = steering_maps_put(guard, record);
	for (uint32_t i = 0; i < set->port_count && r == 0; i++)
		r = steering_maps_put(&set->ports[i].maps, record);
	return r;
}

static void
put_back(struct steering_maps *maps, const struct fl_vip_key *key, const struct fl_vip *before)
{
	if (before != NULL)
		(void)steering_maps_put(maps, before);
	else
		steering_maps_delete(maps, key);
}

/** As before add_record(), whether that failed or not. Less steering first, then less guard. */
static void
undo_record(struct vip_set *set, const struct fl_vip_key *key, const struct undo *undo)
{
	for (uint32_t i = 0; i < set->port_count; i++)
		put_back(&set->ports[i].maps, key, undo->was_steered ? &undo->steered : NULL);
	put_back(guard_maps(set->guard), key, undo->was_guarded ? &undo->guarded : NULL);
}

int
vip_set_add(struct vip_set *set, const struct fl_vip *records, uint32_t count,
	    const uint64_t lengths[2])
{
	struct undo *undo;
	uint32_t tried = 0;
	int r = 0;

	if (set->guard == NULL)
		return 0;
	undo = calloc(count + 1, sizeof *undo);
	if (undo == NULL)
		return -ENOMEM;
	for (; tried < count && r == 0; tried++)
		r = add_record(set, &records[tried], &undo[tried]);
	while (r < 0 && tried-- > 0)
		undo_record(set, &records[tried].key, &undo[tried]);
	if (r == 0) {
		steering_maps_set_lengths(guard_maps(set->guard), lengths);
		set_steered_lengths(set, lengths);
	}
	free(undo);
	return r;
}

int
vip_set_is_hosts(struct vip_set *set, const struct fl_vip *record, bool is_hosts)
{
	struct fl_vip steered = *record;
	int r;

	if (set->guard == NULL)
		return 0;
	if (is_hosts)
		steered.service.flags |= STEERING_IS_HOSTS;
	r = steering_maps_put(guard_maps(set->guard), &steered);
	for (uint32_t i = 0; i < set->port_count && r == 0; i++)
		r = steering_maps_put(&set->ports[i].maps, &steered);
	return r;
}

int
vip_set_add_published(struct vip_set *set, const struct plane_tables *tables,
		      const struct plane_tables_size *size)
{
	struct fl_vip *records;
	uint32_t count = 0;
	int r;

	if (set->guard == NULL)
		return 0;
	records = calloc(size->vip_count, sizeof *records);
	if (records == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < size->vip_bucket_count * FL_BUCKET_WORDS; i++) {
		uint64_t word = tables->vip_buckets[i / FL_BUCKET_WORDS].word[i % FL_BUCKET_WORDS];

		if (word == 0 || count == size->vip_count)
			continue;
		records[count] = tables->vips[fl_vip_word_index(word)];
		/* what is there was told while the tables were adopted: a VIP that is the host's */
		count += !steering_maps_get(&set->ports[0].maps, &records[count].key, NULL);
	}
	r = vip_set_add(set, records, count, tables->config->lengths);
	free(records);
	return r;
}

void
vip_set_remove(struct vip_set *set, const struct fl_vip_key *keys, uint32_t count,
	       const uint64_t lengths[2])
{
	if (set->guard == NULL)
		return;
	for (uint32_t p = 0; p < set->port_count; p++) {
		for (uint32_t i = 0; i < count; i++)
			steering_maps_delete(&set->ports[p].maps, &keys[i]);
	}
	set_steered_lengths(set, lengths);
	for (uint32_t i = 0; i < count; i++)
		steering_maps_delete(guard_maps(set->guard), &keys[i]);
	steering_maps_set_lengths(guard_maps(set->guard), lengths);
}

uint32_t
vip_set_settle(struct vip_set *set)
{
	struct steering_maps *guard, *port;
	struct fl_vip_key key, next;
	uint32_t removed = 0;
	bool more;

	if (set->guard == NULL)
		return 0;
	guard = guard_maps(set->guard);
	port = &set->ports[0].maps;
	more = steering_maps_next(guard, NULL, &key);
	/* bounded by the map; a key deleted behind the walk would start it again */
	for (uint32_t walked = 0; more && walked < STEERING_RECORDS_MAX; walked++) {
		more = steering_maps_next(guard, &key, &next);
		if (!steering_maps_get(port, &key, NULL)) {
			steering_maps_delete(guard, &key);
			removed++;
		}
		key = next;
	}
	return removed;
}
