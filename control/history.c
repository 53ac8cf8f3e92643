/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry for each VIP, sorted by endpoint; in it the sets, oldest first, the last one being the
 * present.
 *
 * How far back a replay must begin. A row's owner follows the latest set alone, so a replay ends
 * with the right owners wherever it begins. What it can get wrong is which rows are moving, since
 * when, and from whom: a row that moves already keeps its previous owner and its time when it gets
 * yet another one. That is decided by the rows that are moving when a set is committed. A row moves
 * for a window from the commit that moved it (or from the one that made the window another, when
 * rows begin theirs again), so when a set has served for longer than a window, no row is moving as
 * the next one comes. Whether such a row settles or is stable decides how long its flows are
 * looked up, but neither its owner nor whether and from whom it moves next: rows that are not
 * moving may all be taken for stable. So the newest set that served for longer than a window before
 * its successor came is where a replay may begin, and nothing older counts. The first set of a VIP
 * is another such place, and one under which it had no window: its rows were stable at once.
 *
 * Where there are more sets than there is room for, the one that served shortest goes, but never
 * the first, where a replay may begin, nor the present one. A replay then takes what that set moved
 * for moved by the next one. The previous owner of a row is right all the same: it is that of the
 * first set. A row's time is not: it moves for longer, by as much as that set served, and takes a
 * change in that time for one of a row that moves still.
 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "model_view.h"

enum {
	SET_BYTES = 48,	   /* {"age_ms":9007199254740991,"backends":[]}, */
	WINDOW_BYTES = 17, /* "window_s":86400, */
};

struct past {
	struct addr_endpoint endpoint;
	uint32_t set_count;
	uint32_t table_size; /* of all sets: with another one all rows are new */
	bool seen;	     /* in the configuration, by the walk under way */
	struct history_set sets[VIP_HISTORY_MAX + 1];
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

/* No row of any plane moves for longer: the window in ticks is a sixteenth more at most, and a
 * plane's timer a second late. */
static int64_t
window_ms(uint32_t window_s)
{
	return (int64_t)window_s * 17 / 16 * 1000 + 3000;
}

int64_t
history_window_ms(const struct config_vip *vip)
{
	return window_ms(vip->policy.window_s);
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
past_find(const struct history *history, const struct addr_endpoint *endpoint)
{
	uint32_t place = past_place(history, endpoint);

	if (place < history->count &&
	    endpoint_compare(&history->pasts[place]->endpoint, endpoint) == 0)
		return history->pasts[place];
	return NULL;
}

static int
member_compare(const void *left, const void *right)
{
	return memcmp(&((const struct history_member *)left)->address,
		      &((const struct history_member *)right)->address, sizeof(struct addr));
}

/* false: no memory. */
static bool
set_make(const struct config_vip *vip, int64_t now_ms, struct history_set *ret_set)
{
	struct history_member *members = calloc((size_t)vip->backend_count + 1, sizeof *members);
	uint32_t count = 0;

	if (members == NULL)
		return false;
	for (uint32_t i = 0; i < vip->backend_count; i++) {
		if (model_is_pushed(&vip->backends[i]))
			members[count++] =
				(struct history_member){ vip->backends[i].address,
							 model_weight(&vip->backends[i]) };
	}
	qsort(members, count, sizeof *members, member_compare);
	*ret_set = (struct history_set){ now_ms, vip->policy.window_s, count, members };
	return true;
}

static bool
set_equal(const struct history_set *left, const struct history_set *right)
{
	if (left->count != right->count || left->window_s != right->window_s)
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

/* When the set gave way at @p until_ms no row was moving any more. */
static bool
set_is_quiet(const struct history_set *set, int64_t until_ms)
{
	return set->window_s == 0 || until_ms - set->since_ms > window_ms(set->window_s);
}

/* What is older than the newest set that was quiet at its end counts no more. */
static void
past_prune(struct past *past, int64_t now_ms)
{
	int64_t until_ms = now_ms;
	uint32_t first = past->set_count;

	while (first > 0 && !set_is_quiet(&past->sets[first - 1], until_ms))
		until_ms = past->sets[--first].since_ms;
	while (first > 1) {
		past_forget(past, 0);
		first--;
	}
}

static uint64_t
past_backends(const struct past *past)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i + 1 < past->set_count; i++)
		count += past->sets[i].count;
	return count;
}

/* What is told of a VIP's past: of the sets first to end, not included, those in told. */
struct range {
	uint32_t first;
	uint32_t end;
	int64_t since_ms; /* the present set serves */
	uint32_t told_count;
	uint8_t told[VIP_HISTORY_MAX + 1]; /* indexes, ascending */
};

_Static_assert(VIP_HISTORY_MAX < UINT8_MAX, "indexes of sets");

static void
range_tell_all(struct range *range)
{
	range->told_count = 0;
	for (uint32_t i = range->first; i < range->end && i <= VIP_HISTORY_MAX; i++)
		range->told[range->told_count++] = (uint8_t)i;
}

/* How long the set told at @p place served, until the next that is told. */
static int64_t
told_served_ms(const struct past *past, const struct range *range, uint32_t place)
{
	int64_t until_ms = place + 1 < range->told_count
				   ? past->sets[range->told[place + 1]].since_ms
				   : range->since_ms;

	return until_ms - past->sets[range->told[place]].since_ms;
}

/* The place of the one that served shortest, of two that are told or more; never the first. */
static uint32_t
range_shortest(const struct past *past, const struct range *range)
{
	uint32_t shortest = 1;

	for (uint32_t i = 2; i < range->told_count; i++) {
		if (told_served_ms(past, range, i) < told_served_ms(past, range, shortest))
			shortest = i;
	}
	return shortest;
}

/* Of the sets between the first and the present one. */
static uint32_t
past_shortest(const struct past *past)
{
	struct range range = { .end = past->set_count - 1,
			       .since_ms = past->sets[past->set_count - 1].since_ms };

	range_tell_all(&range);
	return range.told[range_shortest(past, &range)];
}

/* Takes the set. */
static void
past_add(struct past *past, const struct history_set *set)
{
	if (past->set_count > VIP_HISTORY_MAX)
		past_forget(past, past_shortest(past));
	past->sets[past->set_count++] = *set;
	while (past->set_count > 2 && past_backends(past) > HISTORY_BACKENDS_MAX)
		past_forget(past, past_shortest(past));
}

static struct past *
past_insert(struct history *history, const struct addr_endpoint *endpoint)
{
	uint32_t place = past_place(history, endpoint);
	struct past *past = history->count < CONTROL_VIPS_MAX ? calloc(1, sizeof *past) : NULL;

	if (past == NULL)
		return NULL;
	past->endpoint = *endpoint;
	memmove(&history->pasts[place + 1], &history->pasts[place],
		(history->count - place) * sizeof *history->pasts);
	history->pasts[place] = past;
	history->count++;
	return past;
}

static void
note_vip(struct history *history, const struct config_vip *vip, int64_t now_ms)
{
	struct past *past = past_find(history, &vip->endpoint);
	struct history_set set;

	if (past == NULL)
		past = past_insert(history, &vip->endpoint);
	if (past == NULL)
		return;
	if (past->table_size != vip->table_size)
		past_clear(past);
	past->table_size = vip->table_size;
	past_prune(past, now_ms);
	if (!set_make(vip, now_ms, &set)) {
		past_clear(past); /* a past with a hole would be a wrong one */
		return;
	}
	if (past->set_count > 0 && set_equal(&past->sets[past->set_count - 1], &set))
		free(set.members);
	else
		past_add(past, &set);
}

/* Those of the configuration before make room first. */
static void
forget_gone(struct history *history, const struct config *config)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < config->vip_count; i++) {
		struct past *past = past_find(history, &config->vips[i].endpoint);

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

/* --- over a restart --- */

const struct history_set *
history_sets(const struct history *history, const struct config_vip *vip, uint32_t *ret_count)
{
	const struct past *past = past_find(history, &vip->endpoint);

	if (past == NULL || past->set_count == 0 || past->table_size != vip->table_size)
		return NULL;
	*ret_count = past->set_count;
	return past->sets;
}

int
history_take(struct history *history, const struct config_vip *vip, struct history_set *sets,
	     uint32_t count)
{
	struct past *past = past_find(history, &vip->endpoint);

	if (past == NULL)
		past = past_insert(history, &vip->endpoint);
	if (past == NULL)
		return -ENOMEM;
	past_clear(past);
	past->table_size = vip->table_size;
	for (uint32_t i = 0; i < count; i++) {
		qsort(sets[i].members, sets[i].count, sizeof *sets[i].members, member_compare);
		past_add(past, &sets[i]);
		sets[i].members = NULL;
	}
	return 0;
}

void
history_set_clear(struct history_set *set)
{
	free(set->members);
	*set = (struct history_set){ 0 };
}

/* --- as JSON --- */

/* @p window_s of the VIP: what a set has where it does not say another one. */
static cJSON *
set_json(const struct history_set *set, uint32_t window_s, int64_t now_ms)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *members = cJSON_CreateArray();
	bool fine = object != NULL && members != NULL &&
		    json_add_u64(object, "age_ms", (uint64_t)(now_ms - set->since_ms)) &&
		    (set->window_s == window_s ||
		     cJSON_AddNumberToObject(object, "window_s", set->window_s) != NULL);

	for (uint32_t i = 0; fine && i < set->count; i++)
		fine = model_view_put(
			members, NULL,
			model_view_member(&set->members[i].address, set->members[i].weight));
	fine = model_view_put(object, "backends", members) && fine;
	if (fine)
		return object;
	cJSON_Delete(object);
	return NULL;
}

static size_t
set_bytes(const struct history_set *set)
{
	char text[ADDR_TEXT_MAX];
	size_t bytes = SET_BYTES + WINDOW_BYTES;

	for (uint32_t i = 0; i < set->count; i++)
		bytes += MODEL_VIEW_BACKEND_BYTES +
			 strlen(addr_format(&set->members[i].address, text));
	return bytes;
}

/* The first set to tell: of those before @p range's end the newest ones that fit, from a quiet one
 * on. */
static uint32_t
first_to_tell(const struct past *past, const struct range *range, size_t bytes_max)
{
	int64_t until_ms = range->since_ms;
	uint32_t first = range->end;
	size_t bytes = 0;

	while (first > 0) {
		const struct history_set *set = &past->sets[first - 1];

		bytes += set_bytes(set);
		if (bytes > bytes_max)
			break;
		first--;
		if (set_is_quiet(set, until_ms))
			break;
		until_ms = set->since_ms;
	}
	return first;
}

/* As past_add() does where there is no room. */
static void
range_thin(const struct past *past, struct range *range, uint32_t sets_max)
{
	range_tell_all(range);
	if (sets_max > VIP_HISTORY_MAX)
		sets_max = VIP_HISTORY_MAX;
	while (range->told_count > sets_max && range->told_count > 1) {
		uint32_t shortest = range_shortest(past, range);

		range->told_count--;
		memmove(&range->told[shortest], &range->told[shortest + 1],
			(range->told_count - shortest) * sizeof range->told[0]);
	}
}

/* @return 1 with something to tell; 0: nothing; -ENOMEM. */
static int
past_range(const struct past *past, const struct config_vip *vip, const struct history_limit *limit,
	   struct range *ret_range)
{
	struct range range = { .since_ms = limit->now_ms };
	struct history_set present;

	if (past == NULL || past->set_count == 0 || past->table_size != vip->table_size ||
	    vip->policy.window_s == 0)
		return 0;
	if (!set_make(vip, limit->now_ms, &present))
		return -ENOMEM;
	range.end = past->set_count;
	if (set_equal(&past->sets[range.end - 1], &present))
		range.since_ms = past->sets[--range.end].since_ms;
	free(present.members);
	if (limit->now_ms - range.since_ms > history_window_ms(vip) || range.end == 0)
		return 0; /* no row is moving */
	range.first = first_to_tell(past, &range, limit->bytes_max);
	range_thin(past, &range, limit->sets_max);
	*ret_range = range;
	return 1;
}

uint32_t
history_sets_max(const struct history *history, const struct config *config, int64_t now_ms)
{
	const struct history_limit all = { now_ms, SIZE_MAX, VIP_HISTORY_MAX };
	uint64_t rows_of[VIP_HISTORY_MAX + 1] = { 0 }; /* VIPs with so many former sets */
	uint64_t built = 0;			       /* rows, of the present sets at first */
	uint64_t more = 0;			       /* rows of one former set more of each VIP */

	for (uint32_t i = 0; i < config->vip_count; i++) {
		const struct config_vip *vip = &config->vips[i];
		struct range range = { 0 };

		built += vip->table_size;
		if (past_range(past_find(history, &vip->endpoint), vip, &all, &range) <= 0)
			continue;
		rows_of[range.told_count] += vip->table_size;
		more += range.told_count > 0 ? vip->table_size : 0;
	}
	for (uint32_t sets = 1; sets <= VIP_HISTORY_MAX && more > 0; sets++) {
		built += more;
		if (sets > 1 && built > HISTORY_PUSH_ROWS_MAX)
			return sets - 1;
		more -= rows_of[sets];
	}
	return VIP_HISTORY_MAX;
}

bool
history_put(const struct history *history, const struct config_vip *vip, cJSON *object,
	    const struct history_limit *limit)
{
	const struct past *past = past_find(history, &vip->endpoint);
	struct range range = { 0 };
	int r = past_range(past, vip, limit, &range);
	cJSON *array;
	bool fine;

	if (r <= 0)
		return r == 0;
	array = cJSON_CreateArray();
	fine = array != NULL &&
	       json_add_u64(object, "age_ms", (uint64_t)(limit->now_ms - range.since_ms));
	for (uint32_t i = 0; fine && i < range.told_count; i++)
		fine = model_view_put(
			array, NULL,
			set_json(&past->sets[range.told[i]], vip->policy.window_s, limit->now_ms));
	return model_view_put(object, "history", array) && fine;
}

size_t
history_bytes(const struct history *history, const struct config_vip *vip,
	      const struct history_limit *limit)
{
	const struct past *past = past_find(history, &vip->endpoint);
	struct range range = { 0 };
	size_t bytes = 0;

	if (past_range(past, vip, limit, &range) <= 0)
		return 0;
	for (uint32_t i = 0; i < range.told_count; i++)
		bytes += set_bytes(&past->sets[range.told[i]]);
	return bytes;
}
