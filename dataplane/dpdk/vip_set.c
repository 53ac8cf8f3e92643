/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ports' maps hold the same keys with the same values: the first port's is asked. The value of
 * an address key is the number of VIPs that have the address; that of a VIP's key is 1.
 */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "steering.h"
#include "vip_set.h"

static struct fl_vip_key
address_key(const struct fl_vip_key *key)
{
	return (struct fl_vip_key){ .address = key->address };
}

/** How often the key is in the set. */
static uint32_t
steered(const struct vip_set *set, const struct fl_vip_key *key)
{
	uint32_t value = 0;

	if (bpf_map_lookup_elem(set->ports[0].vips, key, &value) < 0)
		return 0;
	return value;
}

/** @return 0 or a negative errno; then some ports may have the new value. */
static int
steer_key(struct vip_set *set, const struct fl_vip_key *key, uint32_t value)
{
	for (uint32_t i = 0; i < set->port_count; i++) {
		int r = value > 0 ? bpf_map_update_elem(set->ports[i].vips, key, &value, BPF_ANY)
				  : bpf_map_delete_elem(set->ports[i].vips, key);

		if (r < 0 && !(value == 0 && errno == ENOENT))
			return -errno;
	}
	return 0;
}

/** Take one VIP's key, or its address's, out. Less steering first, then less guard. */
static void
drop_key(struct vip_set *set, const struct fl_vip_key *key)
{
	uint32_t value = steered(set, key);

	(void)steer_key(set, key, value > 1 ? value - 1 : 0);
	if (value <= 1)
		guard_remove(set->guard, key);
}

static int
add_key(struct vip_set *set, const struct fl_vip_key *key)
{
	uint32_t value = steered(set, key);
	int r = guard_add(set->guard, key);

	if (r == 0)
		r = steer_key(set, key, value + 1);
	if (r < 0 && value == 0)
		drop_key(set, key);
	else if (r < 0)
		(void)steer_key(set, key, value); /* overwrites what is there: needs no memory */
	return r;
}

static int
add_vip(struct vip_set *set, const struct fl_vip_key *key)
{
	const struct fl_vip_key address = address_key(key);
	int r = add_key(set, key);

	if (r < 0)
		return r;
	r = add_key(set, &address);
	if (r < 0)
		drop_key(set, key);
	return r;
}

static void
remove_vip(struct vip_set *set, const struct fl_vip_key *key)
{
	const struct fl_vip_key address = address_key(key);

	if (steered(set, key) == 0)
		return;
	drop_key(set, key);
	drop_key(set, &address);
}

int
vip_set_add(struct vip_set *set, const struct fl_vip_key *keys, uint32_t count)
{
	bool *added;
	int r = 0;

	if (set->guard == NULL || count == 0)
		return 0;
	added = calloc(count, sizeof *added);
	if (added == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count && r == 0; i++) {
		if (steered(set, &keys[i]) > 0)
			continue;
		r = add_vip(set, &keys[i]);
		added[i] = r == 0;
	}
	for (uint32_t i = 0; i < count && r < 0; i++) {
		if (added[i])
			remove_vip(set, &keys[i]);
	}
	free(added);
	return r;
}

void
vip_set_remove(struct vip_set *set, const struct fl_vip_key *keys, uint32_t count)
{
	if (set->guard == NULL)
		return;
	for (uint32_t i = 0; i < count; i++)
		remove_vip(set, &keys[i]);
}

uint32_t
vip_set_settle(struct vip_set *set)
{
	struct fl_vip_key key, next;
	uint32_t removed = 0;
	bool more;

	if (set->guard == NULL)
		return 0;
	more = guard_next(set->guard, NULL, &key);
	/* bounded by the map; a key deleted behind the walk would start it again */
	for (uint32_t walked = 0; more && walked < STEERING_KEYS_MAX; walked++) {
		more = guard_next(set->guard, &key, &next);
		if (steered(set, &key) == 0) {
			guard_remove(set->guard, &key);
			removed++;
		}
		key = next;
	}
	return removed;
}
