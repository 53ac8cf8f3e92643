/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Do the tables of a fake plane hang together? The end of fake_plane.h.
 */
#ifndef TESTS_UNIT_FAKE_CHECK_H
#define TESTS_UNIT_FAKE_CHECK_H

#include "fake_plane.h"

/** The address records say what the served VIPs need. @return NULL; or what is wrong. */
static inline const char *
fake_address_fault(const struct fake_plane *fake, const struct state_address *address)
{
	const struct plane_tables *tables = &fake->tables;
	const struct state_set *set = &fake->plane.state.set;
	struct fl_vip_key key = state_address_key(&address->to);
	const struct fl_vip *record = &tables->vips[address->record];
	const struct state_vip *echo = NULL;
	uint32_t listed[2] = { 0 };

	if (plane_vip_find(tables, &key) != address->record)
		return "an address record is not found";
	for (uint32_t p = 0; p < 2; p++)
		if (record->address.pages[p] != address->page_count[p])
			return "an address record has another number of pages";
	for (uint32_t p = 0; p < 2; p++)
		for (uint32_t i = 0; i < address->page_count[p]; i++) {
			key.kind = FL_VIP_PAGE;
			key.ip_proto = p == 0 ? 6 : 17;
			key.port = (uint16_t)i;
			if (plane_vip_find(tables, &key) != address->pages[p][i])
				return "a page is not found";
			listed[p] += tables->vips[address->pages[p][i]].page.count;
		}
	for (uint32_t i = state_first_vip(set, &address->to); i < set->vip_count; i++) {
		const struct state_vip *vip = set->vips[i];

		if (state_compare_prefixes(&vip->endpoint.to, &address->to) != 0)
			break;
		listed[vip->endpoint.protocol == 17] -= endpoint_is_range(&vip->endpoint);
		if (echo == NULL || (vip->endpoint.port == echo->endpoint.port &&
				     vip->endpoint.protocol < echo->endpoint.protocol))
			echo = vip;
	}
	if (echo == NULL || record->address.echo != (uint8_t)echo->policy.icmp_echo ||
	    record->address.echo_port != echo->key.port ||
	    record->address.echo_proto != echo->key.ip_proto ||
	    record->address.echo_kind != echo->key.kind)
		return "an address record has another echo policy, or names another VIP for it";
	return listed[0] != 0 || listed[1] != 0 ? "pages have other ranges than are served" : NULL;
}

/** What the flags of a VIP's record must be. */
static inline uint8_t
fake_flags(const struct state_vip *vip)
{
	return (uint8_t)((vip->policy.fragments == VIP_FRAGMENTS_DROP ? FL_VIP_FRAGMENTS_DROP : 0) |
			 (vip->policy.no_backend == VIP_NO_BACKEND_HOST ? FL_VIP_TO_HOST : 0));
}

/** @return NULL; or what is wrong. */
static inline const char *
fake_vip_fault(const struct fake_plane *fake, const struct state_vip *vip)
{
	const struct plane_tables *tables = &fake->tables;
	const struct fl_vip *record = &tables->vips[vip->record];
	const struct fl_vip_service *service = &record->service;
	uint32_t rows[1024] = { 0 };

	if (plane_vip_find(tables, &vip->key) != vip->record)
		return "a VIP record is not found";
	if (service->row_count != vip->row_count || service->row_base != vip->row_base ||
	    service->slot_base != vip->slot_base || service->slot_count != vip->slot_count ||
	    service->row_base + service->row_count > fake->size.row_count ||
	    service->slot_base + service->slot_count > fake->size.backend_count ||
	    service->slot_count > 1024 || service->policy != state_policy_byte(&vip->policy))
		return "a VIP record is not what is served";
	if (service->flags != fake_flags(vip) && !vip->is_adopted)
		return "a VIP record has other flags";
	for (uint32_t row = service->row_base; row < service->row_base + service->row_count;
	     row++) {
		uint64_t word = tables->rows[row].word;
		uint32_t cur = fl_row_cur(word);

		if (cur != FL_ROW_NONE && cur >= service->slot_count)
			return "a row names a slot of another VIP";
		if (tables->owners[row / 4].cur[row % 4] != plane_row_owner(word))
			return "a row has another owner in the small table";
		if (fl_row_state(word) == FL_ROW_MOVING &&
		    (fl_row_prev(word) >= service->slot_count ||
		     !fl_backend_is_live(
			     &tables->backends[service->slot_base + fl_row_prev(word)])))
			return "a row moves away from a slot that is not live";
		if (cur != FL_ROW_NONE)
			rows[cur]++;
	}
	for (uint32_t j = 0; j < vip->backend_count; j++) {
		const struct state_backend *backend = &vip->backends[j];
		const struct fl_backend *slot =
			&tables->backends[vip->slot_base + backend->slot_index];
		struct fl_addr target = fl_encap_target(slot);

		if (rows[backend->slot_index] != backend->rows)
			return "a backend owns another number of rows than is said";
		rows[backend->slot_index] = 0;
		if (!fl_backend_is_live(slot) || slot->vip != vip->record ||
		    slot->mode != (uint8_t)vip->policy.mode)
			return "a backend's slot is not live";
		if (slot->weight != backend->weight && !vip->is_adopted)
			return "a slot has another weight";
		if (memcmp(&target, backend->address.bytes, sizeof target) != 0)
			return "a slot sends to another backend";
	}
	for (uint32_t j = 0; j < service->slot_count; j++)
		if (rows[j] != 0)
			return "a row names a slot without backend";
	return NULL;
}

/**
 * Do the tables hang together as the packet cores need it, and do they say what the committed set
 * says? Every published record is a served VIP's, address's or page and the other way round; every
 * row names a live slot of its VIP that sends to a backend which owns as many rows as it is said
 * to.
 * @return NULL; or what is wrong.
 */
static inline const char *
fake_inconsistency(const struct fake_plane *fake)
{
	const struct state_set *set = &fake->plane.state.set;
	const struct plane_tables *tables = &fake->tables;
	uint32_t published = 0, served = set->vip_count + set->address_count;
	uint32_t live = 0, backends = 0, held = 0;
	const char *fault = NULL;

	for (uint32_t i = 0; i < fake->size.vip_bucket_count * 8; i++)
		published += tables->vip_buckets[i / 8].word[i % 8] != 0;
	for (uint32_t i = 0; i < set->address_count; i++)
		served += set->addresses[i].page_count[0] + set->addresses[i].page_count[1];
	if (published != served)
		return "another number of records is published than is served";
	if (fake->plane.change != NULL) /* what is prepared holds its records already */
		held = fake->plane.change->put_count;
	if (fake->plane.state.record_count != fake->size.vip_count - published - held)
		return "another number of records is free than is not published";
	if (memcmp(tables->config->lengths, set->lengths, sizeof set->lengths) != 0)
		return "the prefix lengths are not those of the served VIPs";
	for (uint32_t i = 0; fault == NULL && i < set->address_count; i++)
		fault = fake_address_fault(fake, &set->addresses[i]);
	for (uint32_t i = 0; fault == NULL && i < set->vip_count; i++)
		fault = fake_vip_fault(fake, set->vips[i]);
	for (uint32_t i = 0; i < set->vip_count; i++)
		backends += set->vips[i]->backend_count;
	for (uint32_t slot = 0; slot < fake->size.backend_count; slot++)
		live += fl_backend_is_live(&tables->backends[slot]);
	if (fault == NULL && live != backends)
		return "another number of slots is live than there are backends";
	return fault;
}

/** Is the length of every published prefix looked for? */
static inline bool
fake_has_length(const struct fake_plane *fake, const struct fl_vip_key *key)
{
	uint64_t lengths = fake->tables.config->lengths[fl_addr_is_ipv4(&key->address) ? 0 : 1];

	while (lengths != 0 && (lengths & 0xff) != key->bits)
		lengths >>= 8;
	return lengths != 0;
}

/**
 * During a commit: is every record that packets find whole, is it steered, and do its rows lead to
 * live slots of its own?
 * @return NULL; or what is wrong.
 */
static inline const char *
fake_unreadable(const struct fake_plane *fake)
{
	const struct plane_tables *tables = &fake->tables;

	for (uint32_t i = 0; i < fake->size.vip_bucket_count * 8; i++) {
		uint64_t word = tables->vip_buckets[i / 8].word[i % 8];
		const struct fl_vip *vip = &tables->vips[fl_vip_word_index(word)];
		const struct fl_vip_service *service = &vip->service;

		if (word == 0)
			continue;
		if (!fake_has_length(fake, &vip->key))
			return "a record is published whose prefix length is not looked for";
		if (fake_key_at(fake, &vip->key) == fake->key_count)
			return "a record is published that is not steered";
		if (vip->key.ip_proto == 0 || vip->key.kind == FL_VIP_PAGE)
			continue;
		for (uint32_t row = service->row_base; row < service->row_base + service->row_count;
		     row++) {
			uint64_t state = tables->rows[row].word;
			uint32_t cur = fl_row_cur(state);
			const struct fl_backend *backend;
			const struct fl_vip *named;

			if (tables->owners[row / 4].cur[row % 4] != plane_row_owner(state))
				return "a row has another owner in the small table";
			if (cur == FL_ROW_NONE)
				continue;
			if (cur >= service->slot_count)
				return "a row names a slot of another VIP";
			backend = &tables->backends[service->slot_base + cur];
			named = &tables->vips[backend->vip];
			if (!fl_backend_is_live(backend))
				return "a row names a slot that is not live";
			/* the VIP's record, or one that it takes the place of */
			if (!fl_vip_key_equal(&named->key, &vip->key) ||
			    named->service.slot_base != service->slot_base)
				return "a slot is of another VIP";
			if (backend->header_bytes == 0 && backend->mode != FL_MODE_L2DSR)
				return "a slot has no header";
		}
	}
	return NULL;
}

#endif
