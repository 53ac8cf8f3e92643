/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry for each VIP, sorted by endpoint; in it the sets, oldest first, the last one being the
 * present. A set is an array of addresses and weights, sorted by address.
 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "model_view.h"

enum {
	SET_BYTES = 48,	    /* {"age_ms":9007199254740991,"backends":[]}, */
	BACKEND_BYTES = 31, /* as in model_view_plane_vip_bytes() */
};

struct member {
	struct addr address;
	uint32_t weight;
};

struct set {
	int64_t since_ms;
	uint32_t count;
	struct member *members; /* owned */
};

struct past {
	struct addr_endpoint endpoint;
	uint32_t set_count;
	uint32_t table_size; /* of all sets: with another one all rows are new */
	bool seen;	     /* in the configuration, by the walk under way */
	struct set sets[HISTORY_SETS_MAX + 1];
};

struct history {
	uint32_t count;
	struct past **pasts; /* owned, sorted by endpoint */
};

int
history_create(struct history **ret_history)
{
	struct history *history = calloc(1, sizeof *history);

	if (history == NULL)
		return -ENOMEM;
	history->pasts = calloc(CONTROL_VIPS_MAX + 1, sizeof *history->pasts);
	if (history->pasts == NULL) {
		free(history);
		return -ENOMEM;
	}
	*ret_history = history;
	return 0;
}

static void
past_destroy(struct past *past)
{
	if (past == NULL)
		return;
	for (uint32_t i = 0; i < past->set_count; i++)
		free(past->sets[i].members);
	free(past);
}

void
history_destroy(struct history *history)
{
	if (history == NULL)
		return;
	for (uint32_t i = 0; i < history->count; i++)
		past_destroy(history->pasts[i]);
	free(history->pasts);
	free(history);
}

int64_t
history_window_ms(const struct config_vip *vip)
{
	return (int64_t)vip->policy.window_s * 17 / 16 * 1000 + 3000;
}

/* Where the VIP is, or where it belongs. */
static uint32_t
past_place(const struct history *history, const struct addr_endpoint *endpoint)
{
	uint32_t low = 0;
	uint32_t high = history->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (endpoint_compare(&history->pasts[middle]->endpoint, endpoint) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct past *
past_find(const struct history *history, const struct config_vip *vip)
{
	uint32_t place = past_place(history, &vip->endpoint);

	if (place < history->count &&
	    endpoint_compare(&history->pasts[place]->endpoint, &vip->endpoint) == 0)
		return history->pasts[place];
	return NULL;
}

static int
member_compare(const void *left, const void *right)
{
	return memcmp(&((const struct member *)left)->address,
		      &((const struct member *)right)->address, sizeof(struct addr));
}

/* false: no memory. */
static bool
set_make(const struct config_vip *vip, int64_t now_ms, struct set *ret_set)
{
	struct member *members = calloc((size_t)vip->backend_count + 1, sizeof *members);
	uint32_t count = 0;

	if (members == NULL)
		return false;
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		if (model_is_pushed(&vip->backends[i]))
			members[count++] = (struct member){ vip->backends[i].address,
							    model_weight(&vip->backends[i]) };
	}
	qsort(members, count, sizeof *members, member_compare);
	*ret_set = (struct set){ now_ms, count, members };
	return true;
}

static bool
set_equal(const struct set *left, const struct set *right)
{
	if (left->count != right->count)
		return false;
	for (uint32_t i = 0; i < left->count; i++) {
		if (member_compare(&left->members[i], &right->members[i]) != 0 ||
		    left->members[i].weight != right->members[i].weight)
			return false;
	}
	return true;
}

static void
past_forget(struct past *past, uint32_t index)
{
	free(past->sets[index].members);
	past->set_count--;
	memmove(&past->sets[index], &past->sets[index + 1],
		(past->set_count - index) * sizeof *past->sets);
}

static void
past_clear(struct past *past)
{
	while (past->set_count > 0)
		past_forget(past, past->set_count - 1);
}

/* What was over before the window began is no longer needed, but for the set it began with. */
static void
past_prune(struct past *past, int64_t begin_ms)
{
	while (past->set_count > 1 && past->sets[1].since_ms < begin_ms)
		past_forget(past, 0);
}

/* Of the sets between the first and the present one, the one that served shortest. */
static uint32_t
past_shortest(const struct past *past)
{
	uint32_t shortest = 1;

	for (uint32_t i = 2; i + 1 < past->set_count; i++) {
		if (past->sets[i + 1].since_ms - past->sets[i].since_ms <
		    past->sets[shortest + 1].since_ms - past->sets[shortest].since_ms)
			shortest = i;
	}
	return shortest;
}

static uint64_t
past_backends(const struct past *past)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i + 1 < past->set_count; i++)
		count += past->sets[i].count;
	return count;
}

/* Takes the set. */
static void
past_add(struct past *past, const struct set *set)
{
	if (past->set_count > HISTORY_SETS_MAX)
		past_forget(past, past_shortest(past));
	past->sets[past->set_count++] = *set;
	while (past->set_count > 2 && past_backends(past) > HISTORY_BACKENDS_MAX)
		past_forget(past, past_shortest(past));
}

static struct past *
past_insert(struct history *history, const struct config_vip *vip)
{
	uint32_t place = past_place(history, &vip->endpoint);
	struct past *past = history->count < CONTROL_VIPS_MAX ? calloc(1, sizeof *past) : NULL;

	if (past == NULL)
		return NULL;
	past->endpoint = vip->endpoint;
	memmove(&history->pasts[place + 1], &history->pasts[place],
		(history->count - place) * sizeof *history->pasts);
	history->pasts[place] = past;
	history->count++;
	return past;
}

static void
note_vip(struct history *history, const struct config_vip *vip, int64_t now_ms)
{
	struct past *past = past_find(history, vip);
	struct set set;

	if (past == NULL)
		past = past_insert(history, vip);
	if (past == NULL)
		return;
	if (past->table_size != vip->table_size)
		past_clear(past);
	past->table_size = vip->table_size;
	if (!set_make(vip, now_ms, &set)) {
		past_clear(past); /* a past with a hole would be a wrong one */
		return;
	}
	if (past->set_count > 0 && set_equal(&past->sets[past->set_count - 1], &set))
		free(set.members);
	else
		past_add(past, &set);
	past_prune(past, now_ms - history_window_ms(vip));
}

/* Those of the configuration before make room first. */
static void
forget_gone(struct history *history, const struct config *config)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		struct past *past = past_find(history, &config->vips[i]);

		if (past != NULL)
			past->seen = true;
	}
	for (uint32_t i = 0; i < history->count; i++) {
		struct past *past = history->pasts[i];

		if (past->seen) {
			past->seen = false;
			history->pasts[kept++] = past;
		} else {
			past_destroy(past);
		}
	}
	history->count = kept;
}

void
history_note(struct history *history, const struct config *config, int64_t now_ms)
{
	forget_gone(history, config);
	for (uint32_t i = 0; i < config->vip_count; i++)
		note_vip(history, &config->vips[i], now_ms);
}

uint32_t
history_count(const struct history *history, const struct config_vip *vip)
{
	const struct past *past = past_find(history, vip);

	return past != NULL && past->set_count > 0 ? past->set_count - 1 : 0;
}

/* --- as JSON --- */

static cJSON *
member_json(const struct member *member)
{
	char text[ADDR_TEXT_MAX];
	cJSON *object = cJSON_CreateObject();

	if (object != NULL &&
	    cJSON_AddStringToObject(object, "address", addr_format(&member->address, text)) &&
	    cJSON_AddNumberToObject(object, "weight", member->weight))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static cJSON *
set_json(const struct set *set, int64_t now_ms)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *members = cJSON_CreateArray();
	bool fine = object != NULL && members != NULL &&
		    json_add_u64(object, "age_ms", (uint64_t)(now_ms - set->since_ms));

	for (uint32_t i = 0; fine && i < set->count; i++)
		fine = model_view_put(members, NULL, member_json(&set->members[i]));
	fine = model_view_put(object, "backends", members) && fine;
	if (fine)
		return object;
	cJSON_Delete(object);
	return NULL;
}

static size_t
set_bytes(const struct set *set)
{
	char text[ADDR_TEXT_MAX];
	size_t bytes = SET_BYTES;

	for (uint32_t i = 0; i < set->count; i++)
		bytes += BACKEND_BYTES + strlen(addr_format(&set->members[i].address, text));
	return bytes;
}

/* The first set to tell: of `end` sets the newest ones that fit, from the one before the window on.
 */
static uint32_t
first_to_tell(const struct past *past, uint32_t end, int64_t begin_ms, size_t bytes_max)
{
	uint32_t first = end;
	size_t bytes = 0;

	while (first > 0) {
		bytes += set_bytes(&past->sets[first - 1]);
		if (bytes > bytes_max)
			break;
		first--;
		if (past->sets[first].since_ms < begin_ms)
			break;
	}
	return first;
}

/* What is told of a VIP's past: sets first to end, not included. */
struct range {
	uint32_t first;
	uint32_t end;
	int64_t since_ms; /* the present set serves */
};

/* @return 1 with something to tell; 0: nothing; -ENOMEM. */
static int
past_range(const struct past *past, const struct config_vip *vip, const struct history_limit *limit,
	   struct range *ret_range)
{
	int64_t begin_ms = limit->now_ms - history_window_ms(vip);
	struct range range = { .since_ms = limit->now_ms };
	struct set present;

	if (past == NULL || past->set_count == 0 || past->table_size != vip->table_size ||
	    vip->policy.window_s == 0)
		return 0;
	if (!set_make(vip, limit->now_ms, &present))
		return -ENOMEM;
	range.end = past->set_count;
	if (set_equal(&past->sets[range.end - 1], &present))
		range.since_ms = past->sets[--range.end].since_ms;
	free(present.members);
	if (range.since_ms < begin_ms || range.end == 0)
		return 0; /* all rows are stable */
	range.first = first_to_tell(past, range.end, begin_ms, limit->bytes_max);
	*ret_range = range;
	return 1;
}

bool
history_put(const struct history *history, const struct config_vip *vip, cJSON *object,
	    const struct history_limit *limit)
{
	const struct past *past = past_find(history, vip);
	struct range range = { 0 };
	int r = past_range(past, vip, limit, &range);
	cJSON *array;
	bool fine;

	if (r <= 0)
		return r == 0;
	array = cJSON_CreateArray();
	fine = array != NULL &&
	       json_add_u64(object, "age_ms", (uint64_t)(limit->now_ms - range.since_ms));
	for (uint32_t i = range.first; fine && i < range.end; i++)
		fine = model_view_put(array, NULL, set_json(&past->sets[i], limit->now_ms));
	return model_view_put(object, "history", array) && fine;
}

size_t
history_bytes(const struct history *history, const struct config_vip *vip,
	      const struct history_limit *limit)
{
	const struct past *past = past_find(history, vip);
	struct range range = { 0 };
	size_t bytes = 0;

	if (past_range(past, vip, limit, &range) <= 0)
		return 0;
	for (uint32_t i = range.first; i < range.end; i++)
		bytes += set_bytes(&past->sets[i]);
	return bytes;
}
