/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Neighbours: what the kernel knows of them, and a wheel of timers that has it confirm or look for
 * one after the other.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "nexthop_private.h"

/* --- timers --- */

static void
timer_set(struct nexthops *nexthops, struct neighbour *neighbour, int64_t delay_ms)
{
	int64_t at = (nexthops->now_ms + delay_ms) / TICK_MS + 1;

	assert(delay_ms < TICK_MS * (WHEEL_TICKS - 1));
	TAILQ_REMOVE(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
	neighbour->timer_at = (uint32_t)(at % WHEEL_TICKS);
	TAILQ_INSERT_TAIL(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
}

void
neighbour_is_due(struct nexthops *nexthops, struct neighbour *neighbour)
{
	TAILQ_REMOVE(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
	neighbour->timer_at = WHEEL_TICKS;
	TAILQ_INSERT_TAIL(&nexthops->wheel[WHEEL_TICKS], neighbour, timer);
}

void
neighbour_wheel_turn(struct nexthops *nexthops)
{
	int64_t now = nexthops->now_ms / TICK_MS;

	if (now - nexthops->tick > WHEEL_TICKS)
		nexthops->tick = now - WHEEL_TICKS; /* once round is everything */
	while (nexthops->tick < now) {
		struct neighbour_list *list = &nexthops->wheel[++nexthops->tick % WHEEL_TICKS];

		while (!TAILQ_EMPTY(list))
			neighbour_is_due(nexthops, TAILQ_FIRST(list));
	}
}

/* --- neighbours --- */

struct neighbour *
neighbour_find(const struct nexthops *nexthops, uint32_t ifindex, const struct addr *address)
{
	struct neighbour_key key = { .address = *address, .ifindex = ifindex };
	struct neighbour *neighbour;

	HASH_FIND(hh, nexthops->neighbours, &key, sizeof key, neighbour);
	return neighbour;
}

struct neighbour *
neighbour_create(struct nexthops *nexthops, uint32_t ifindex, const struct addr *address)
{
	struct neighbour *neighbour = calloc(1, sizeof *neighbour);

	if (neighbour == NULL)
		return NULL;
	neighbour->key = (struct neighbour_key){ .address = *address, .ifindex = ifindex };
	LIST_INIT(&neighbour->hops);
	HASH_ADD(hh, nexthops->neighbours, key, sizeof neighbour->key, neighbour);
	if (neighbour->hh.tbl == NULL) {
		free(neighbour);
		return NULL;
	}
	neighbour->timer_at = WHEEL_TICKS;
	TAILQ_INSERT_TAIL(&nexthops->wheel[WHEEL_TICKS], neighbour, timer);
	return neighbour;
}

void
neighbour_destroy(struct nexthops *nexthops, struct neighbour *neighbour)
{
	TAILQ_REMOVE(&nexthops->wheel[neighbour->timer_at], neighbour, timer);
	HASH_DEL(nexthops->neighbours, neighbour);
	free(neighbour);
}

void
neighbour_learn(struct nexthops *nexthops, struct neighbour *neighbour,
		const struct rtnl_neighbour *known)
{
	bool usable = known != NULL && (known->state & NUD_USABLE) != 0 && known->has_mac;
	bool was_known = neighbour->is_known;
	struct nexthop *hop;

	if (usable)
		neighbour->failures = 0;
	neighbour->is_known = was_known || neighbour->failures >= NEXTHOP_DOUBTS_MAX ||
			      (known != NULL && (known->state & (NUD_USABLE | NUD_FAILED)) != 0);
	if (usable == neighbour->usable && was_known == neighbour->is_known &&
	    (!usable || memcmp(neighbour->mac, known->mac, sizeof neighbour->mac) == 0))
		return;
	/* it just answered, or just failed: look again after the shortest time that makes sense */
	timer_set(nexthops, neighbour, usable ? NEXTHOP_CONFIRM_MS : NEXTHOP_RETRY_MS_MIN);
	neighbour->usable = usable;
	if (usable)
		memcpy(neighbour->mac, known->mac, sizeof neighbour->mac);
	LIST_FOREACH (hop, &neighbour->hops, of_neighbour)
		nexthop_update(nexthops, hop);
}

static int64_t
retry_delay(uint32_t failures)
{
	int64_t delay_ms = NEXTHOP_RETRY_MS_MIN;

	while (failures-- > 1 && delay_ms < NEXTHOP_RETRY_MS_MAX)
		delay_ms *= 2;
	return delay_ms < NEXTHOP_RETRY_MS_MAX ? delay_ms : NEXTHOP_RETRY_MS_MAX;
}

void
neighbour_confirm(struct nexthops *nexthops, struct neighbour *neighbour)
{
	const struct neighbour_key *key = &neighbour->key;
	struct rtnl_neighbour known = { 0 };
	int r = rtnl_neighbour_get(&nexthops->rtnl, key->ifindex, &key->address, &known);

	neighbour_learn(nexthops, neighbour, r == 0 ? &known : NULL);
	if (r < 0 || (known.state & NUD_NEVER_PROBED) == 0)
		/* why it may fail (the interface went, no memory) may pass: it is tried again */
		(void)rtnl_neighbour_use(&nexthops->rtnl, key->ifindex, &key->address);
	if (neighbour->usable) {
		timer_set(nexthops, neighbour, NEXTHOP_CONFIRM_MS);
	} else {
		neighbour->failures += neighbour->failures < UINT32_MAX;
		timer_set(nexthops, neighbour, retry_delay(neighbour->failures));
	}
}
