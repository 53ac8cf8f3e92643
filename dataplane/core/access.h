/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * How the decision reaches the tables. An engine knows where they lie (an array, a BPF map) and
 * gives the core a constant `struct fl_access` of its own functions: everything is inlined, so each
 * becomes a direct read in that engine's code, and the decision is written once for all.
 *
 * Every function returns a borrowed record, or NULL for an index that the table does not have.
 */
#ifndef FL_ACCESS_H
#define FL_ACCESS_H

#include "fragment.h"
#include "track.h"
#include "vip.h"

struct fl_access {
	/** The record with the key. @param ret_record its index, set when there is one. */
	const struct fl_vip *(*find)(void *user, const struct fl_vip_key *key,
				     uint32_t *ret_record);
	/** Where the range begins that has @p port, of the page with the key: fl_page_range().
	 * FL_RANGE_NOT_FOUND: none has, or there is no such page. */
	uint32_t (*find_range)(void *user, const struct fl_vip_key *key, uint16_t port);
	const struct fl_vip *(*vip)(void *user, uint32_t record);
	const struct fl_owners *(*owners)(void *user, uint32_t index); /**< of rows 4 x index ... */
	/** Whose is a packet of a row that owners do not answer for? fl_track().
	 * @param flow its segment has no more than FL_SEGMENT_LAST; fl_segment() has the others. */
	enum fl_verdict (*track)(void *user, const struct fl_packet *packet,
				 struct fl_track_flow *flow);
	const struct fl_backend *(*backend)(void *user, uint32_t slot);
	const struct fl_port *(*port)(void *user, uint32_t index);
	/** The slot that the packet's first fragment went to, or FL_FRAGMENT_NOT_FOUND:
	 * fl_fragment_recall(). */
	uint32_t (*fragment_recall)(void *user, const struct fl_packet *packet);
	/** Tell the later fragments where: fl_fragment_remember(). */
	void (*fragment_remember)(void *user, const struct fl_packet *packet, uint32_t slot);
	/** What the calling packet core counts in. */
	struct fl_core *(*core)(void *user);
	/** These are asked only for the few packets that need them. */
	uint32_t (*in_port)(void *user); /**< number of the port the packet came by */
	uint64_t (*now_ns)(void *user);	 /**< monotonic */
};

#define FL_RANGE_NOT_FOUND UINT32_MAX

/** fl_access.find_range, once the page is found. */
FL_INLINE uint32_t
fl_page_range(const struct fl_vip_page *page, uint16_t port)
{
	uint32_t count = page->count;

	FL_UNROLL
	for (uint32_t i = 0; i < FL_VIP_PAGE_RANGES; i++)
		if (i < count && port >= page->range[i].first && port <= page->range[i].last)
			return page->range[i].first;
	return FL_RANGE_NOT_FOUND;
}

/** What fl_vip_find() stands on, for an engine whose records lie behind buckets. */
struct fl_vip_access {
	const struct fl_config *(*config)(void *user);
	const struct fl_vip_bucket *(*bucket)(void *user, uint32_t index);
	const struct fl_vip *(*vip)(void *user, uint32_t record);
};

/** fl_access.find by open addressing (vip.h). */
FL_INLINE const struct fl_vip *
fl_vip_find(const struct fl_vip_access *access, void *user, const struct fl_vip_key *key,
	    uint32_t *ret_record)
{
	const struct fl_config *config = access->config(user);
	uint64_t hash = fl_vip_hash(&config->key, key);
	uint32_t home = fl_vip_home(hash, config->vip_bucket_mask);
	bool is_full = true; /* all buckets so far: the run goes on */

	FL_UNROLL
	for (uint32_t probe = 0; probe < FL_VIP_PROBE_MAX; probe++) {
		const struct fl_vip_bucket *bucket;

		if (!is_full)
			continue;
		bucket = access->bucket(user, (home + probe) & config->vip_bucket_mask);
		if (bucket == NULL)
			return NULL;
		FL_UNROLL
		for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++) {
			uint64_t word = FL_READ_ONCE(bucket->word[i]);
			const struct fl_vip *vip;

			if (FL_LIKELY(word >> 32 != fl_vip_tag(hash) || word == 0)) {
				is_full = is_full && word != 0;
				continue;
			}
			vip = access->vip(user, fl_vip_word_index(word));
			if (vip != NULL && fl_vip_key_equal(&vip->key, key)) {
				*ret_record = fl_vip_word_index(word);
				return vip;
			}
		}
	}
	return NULL;
}

/** What fl_fragment_recall() and fl_fragment_remember() stand on. */
struct fl_fragment_access {
	const struct fl_config *(*config)(void *user);
	const struct fl_fragments *(*bucket)(void *user, uint32_t index);
	void (*store)(void *user, uint32_t at,
		      uint64_t word); /**< at = FL_BUCKET_WORDS x bucket + place */
	struct fl_core *(*core)(void *user);
	uint64_t (*now_ns)(void *user);
};

/** fl_access.fragment_recall by fragment.h. */
FL_INLINE uint32_t
fl_fragment_recall(const struct fl_fragment_access *access, void *user,
		   const struct fl_packet *packet)
{
	const struct fl_config *config = access->config(user);
	uint64_t hash = fl_fragment_hash(&config->key, packet);
	const struct fl_fragments *bucket =
		access->bucket(user, fl_fragment_bucket(hash, config->fragment_bucket_mask));

	return bucket == NULL ? FL_FRAGMENT_NOT_FOUND
			      : fl_fragment_find(bucket, hash, access->now_ns(user));
}

/** fl_access.fragment_remember by fragment.h. */
FL_INLINE void
fl_fragment_remember(const struct fl_fragment_access *access, void *user,
		     const struct fl_packet *packet, uint32_t slot)
{
	const struct fl_config *config = access->config(user);
	uint64_t hash = fl_fragment_hash(&config->key, packet), now_ns = access->now_ns(user);
	uint32_t index = fl_fragment_bucket(hash, config->fragment_bucket_mask);
	const struct fl_fragments *bucket = access->bucket(user, index);
	bool is_alive;
	uint32_t place;
	struct fl_core *core;

	if (bucket == NULL)
		return;
	place = fl_fragment_place(bucket, hash, now_ns, &is_alive);
	access->store(user, FL_BUCKET_WORDS * index + place, fl_fragment_word(hash, slot, now_ns));
	core = access->core(user);
	if (is_alive && core != NULL)
		core->events[FL_EVENT_FRAGMENT_EVICTED]++;
}

#endif
