/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deciding stages. Loops run over the whole burst and skip what has its verdict already: in a
 * burst that is all forwarded, which is the one that must be fast, no branch is mispredicted.
 */
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "stages.h"

/** The most that is read of a packet: Ethernet, IPv4 with all its options, ports. */
#define HEADER_BYTES_MAX (FL_ETHERNET_BYTES + 60u + sizeof(struct fl_wire_ports))

/** Parse a frame whose headers may be cut by a segment border: from a copy of its first bytes. */
static enum fl_verdict
parse_segments(const struct rte_mbuf *mbuf, struct fl_packet *ret_packet)
{
	uint8_t headers[HEADER_BYTES_MAX];
	uint32_t bytes = RTE_MIN(rte_pktmbuf_pkt_len(mbuf), (uint32_t)sizeof headers);
	struct fl_cursor cursor;

	cursor.pos = rte_pktmbuf_read(mbuf, 0, bytes, headers);
	if (cursor.pos == NULL)
		return FL_DROP_BUG; /* pkt_len is more than the segments hold */
	cursor.end = cursor.pos + bytes;
	return fl_parse(&cursor, rte_pktmbuf_pkt_len(mbuf), ret_packet);
}

static enum fl_verdict
parse_frame(const struct rte_mbuf *mbuf, struct fl_packet *ret_packet)
{
	struct fl_cursor cursor = { .pos = rte_pktmbuf_mtod(mbuf, const uint8_t *) };

	*ret_packet = (struct fl_packet){ 0 };
	if (FL_UNLIKELY(mbuf->nb_segs > 1 && rte_pktmbuf_data_len(mbuf) < HEADER_BYTES_MAX))
		return parse_segments(mbuf, ret_packet);
	cursor.end = cursor.pos + rte_pktmbuf_data_len(mbuf);
	return fl_parse(&cursor, rte_pktmbuf_pkt_len(mbuf), ret_packet);
}

void
fl_stage_parse(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct plane_tables *tables = &worker->tables;

	for (uint32_t i = 0; i < burst->count; i++) {
		uint64_t hash;

		burst->verdict[i] = (uint8_t)parse_frame(burst->mbuf[i], &burst->packet[i]);
		if (burst->verdict[i] != FL_FORWARD)
			continue;
		hash = fl_vip_hash(&tables->key, &burst->packet[i].to);
		burst->vip_hash[i] = hash;
		rte_prefetch0(&tables->vip_buckets[fl_vip_home(hash, tables->vip_bucket_mask)]);
	}
}

void
fl_stage_match(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct plane_tables *tables = &worker->tables;

	for (uint32_t i = 0; i < burst->count; i++) {
		const struct fl_vip_bucket *bucket;
		uint32_t match;

		if (burst->verdict[i] != FL_FORWARD)
			continue;
		bucket = &tables->vip_buckets[fl_vip_home(burst->vip_hash[i],
							  tables->vip_bucket_mask)];
		match = fl_vip_match(bucket, fl_vip_tag(burst->vip_hash[i]));
		burst->vip_match[i] = (uint16_t)match;
		if (match & FL_VIP_MATCH_WORDS) {
			uint32_t first = (uint32_t)__builtin_ctz(match);

			/* retired since: an address out of the array, but a prefetch never faults
			 */
			rte_prefetch0(&tables->vips[fl_vip_word_index(
				FL_READ_ONCE(bucket->word[first]))]);
		}
	}
}

/** The record that packet @p i is for, from its vip_match on; NULL: none. */
static const struct fl_vip *
find_vip(const struct plane_tables *tables, const struct fl_burst *burst, uint32_t i)
{
	uint32_t home = fl_vip_home(burst->vip_hash[i], tables->vip_bucket_mask);
	uint32_t match = burst->vip_match[i];

	for (uint32_t probe = 0; probe < FL_VIP_PROBE_MAX; probe++) {
		const struct fl_vip_bucket *bucket =
			&tables->vip_buckets[(home + probe) & tables->vip_bucket_mask];

		if (probe > 0)
			match = fl_vip_match(bucket, fl_vip_tag(burst->vip_hash[i]));
		for (uint32_t left = match & FL_VIP_MATCH_WORDS; left != 0; left &= left - 1) {
			uint64_t word = FL_READ_ONCE(bucket->word[__builtin_ctz(left)]);
			const struct fl_vip *vip = &tables->vips[fl_vip_word_index(word)];

			/* the word may have been retired since the match */
			if (word != 0 && fl_vip_key_equal(&vip->key, &burst->packet[i].to))
				return vip;
		}
		if (!(match & FL_VIP_MATCH_FULL))
			break;
	}
	return NULL;
}

void
fl_stage_vip(struct fl_worker *worker, struct fl_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		if (burst->verdict[i] != FL_FORWARD)
			continue;
		burst->vip[i] = find_vip(&worker->tables, burst, i);
		burst->verdict[i] =
			burst->vip[i] == NULL ? FL_PASS_NO_VIP : burst->packet[i].on_vip;
	}
}

void
fl_stage_hash(struct fl_worker *worker, struct fl_burst *burst)
{
	struct fl_hash_messages *messages = &worker->messages;
	uint64_t hash[FL_BURST_MAX];
	uint32_t going = 0;

	for (uint32_t i = 0; i < burst->count; i++) {
		uint64_t words[FL_FLOW_WORDS];

		if (burst->verdict[i] != FL_FORWARD)
			continue;
		fl_flow_message(&burst->packet[i], words);
		for (uint32_t w = 0; w < FL_FLOW_WORDS; w++)
			messages->word[w][going] = words[w];
		going++;
	}
	worker->hash(&worker->tables.key, messages, going, hash);
	for (uint32_t i = burst->count; i-- > 0;) {
		if (burst->verdict[i] == FL_FORWARD)
			burst->hash[i] = hash[--going];
	}
}

void
fl_stage_row(struct fl_worker *worker, struct fl_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		const struct fl_vip *vip = burst->vip[i];

		if (burst->verdict[i] != FL_FORWARD)
			continue;
		burst->row[i] = &worker->tables.rows[vip->row_base +
						     fl_row_index(burst->hash[i], vip->row_count)];
		rte_prefetch0(burst->row[i]);
	}
}

void
fl_stage_pick(struct fl_worker *worker, struct fl_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		uint32_t cur;

		if (burst->verdict[i] != FL_FORWARD)
			continue;
		cur = fl_row_cur(FL_READ_ONCE(burst->row[i]->word));
		if (FL_UNLIKELY(cur >= burst->vip[i]->slot_count)) {
			burst->verdict[i] = cur == FL_ROW_NONE ? FL_DROP_NO_BACKEND : FL_DROP_BUG;
			continue;
		}
		burst->slot[i] = burst->vip[i]->slot_base + cur;
		rte_prefetch0(&worker->tables.backends[burst->slot[i]]);
	}
}

void
fl_stage_link(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct plane_tables *tables = &worker->tables;

	for (uint32_t i = 0; i < burst->count; i++) {
		const struct fl_backend *backend;
		enum fl_verdict verdict;

		if (burst->verdict[i] != FL_FORWARD)
			continue;
		backend = &tables->backends[burst->slot[i]];
		burst->link[i] = FL_READ_ONCE(backend->link);
		verdict = fl_link_verdict(burst->link[i]);
		if (verdict == FL_FORWARD && fl_link_port(burst->link[i]) >= FL_PORTS_MAX)
			verdict = FL_DROP_BUG;
		if (verdict == FL_FORWARD) {
			burst->port_word[i] =
				FL_READ_ONCE(tables->ports[fl_link_port(burst->link[i])].word);
			verdict = fl_encap_fits(&burst->packet[i], backend, burst->port_word[i]);
		}
		burst->verdict[i] = (uint8_t)verdict;
	}
}

/** May headers be written into the mbuf, @p room bytes before its data and over its first ones? */
static bool
is_writable(const struct rte_mbuf *mbuf, uint32_t room)
{
	return rte_mbuf_refcnt_read(mbuf) == 1 && RTE_MBUF_DIRECT(mbuf) &&
	       rte_pktmbuf_headroom(mbuf) >= room &&
	       rte_pktmbuf_data_len(mbuf) >= FL_ETHERNET_BYTES;
}

/** Cut the frame to its first @p bytes, at least one of which is in its first segment. */
static void
trim_frame(struct rte_mbuf *mbuf, uint32_t bytes)
{
	struct rte_mbuf *last = mbuf;
	uint32_t left = bytes;
	uint16_t kept = 1;

	if (rte_pktmbuf_pkt_len(mbuf) == bytes)
		return;
	/* ends at the last segment, or before: the segments hold at least `bytes` */
	while (left > rte_pktmbuf_data_len(last) && last->next != NULL) {
		left -= rte_pktmbuf_data_len(last);
		last = last->next;
		kept++;
	}
	rte_pktmbuf_free(last->next);
	last->next = NULL;
	last->data_len = (uint16_t)left;
	mbuf->nb_segs = kept;
	mbuf->pkt_len = bytes;
}

/** Make the frame @p bytes long and writable. @return false: there is no room for that. */
static bool
prepare_frame(struct fl_worker *worker, struct rte_mbuf **mbuf, uint32_t bytes, uint32_t room)
{
	struct rte_mbuf *copy;

	if (FL_LIKELY(is_writable(*mbuf, room))) {
		trim_frame(*mbuf, bytes);
		return true;
	}
	if (worker->pool == NULL)
		return false;
	copy = rte_pktmbuf_copy(*mbuf, worker->pool, 0, bytes);
	if (copy == NULL)
		return false;
	if (!is_writable(copy, room)) {
		rte_pktmbuf_free(copy);
		return false;
	}
	rte_pktmbuf_free(*mbuf);
	*mbuf = copy;
	return true;
}

static enum fl_verdict
encapsulate(struct fl_worker *worker, struct fl_burst *burst, uint32_t i)
{
	const struct fl_encap encap = {
		.backend = &worker->tables.backends[burst->slot[i]],
		.packet = &burst->packet[i],
		.link = burst->link[i],
		.port = burst->port_word[i],
		.hash = burst->hash[i],
	};
	uint32_t room = fl_encap_bytes(encap.backend) - FL_ETHERNET_BYTES;
	uint32_t frame_bytes = FL_ETHERNET_BYTES + (uint32_t)encap.packet->l3_bytes;

	if (FL_UNLIKELY(!prepare_frame(worker, &burst->mbuf[i], frame_bytes, room)))
		return FL_DROP_NO_ROOM;
	fl_encap_write((uint8_t *)rte_pktmbuf_prepend(burst->mbuf[i], (uint16_t)room), &encap);
	return FL_FORWARD;
}

void
fl_stage_encapsulate(struct fl_worker *worker, struct fl_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		if (burst->verdict[i] == FL_FORWARD)
			burst->verdict[i] = (uint8_t)encapsulate(worker, burst, i);
	}
}
