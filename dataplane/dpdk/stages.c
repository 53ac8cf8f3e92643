/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deciding stages. Loops run over the whole burst and skip what has its verdict already: in a
 * burst that is all forwarded, which is the one that must be fast, no branch is mispredicted.
 */
#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "../plane/tables_access.h"
#include "stages.h"

/** Verdict, between hash and emit, of later fragments: their first may stand before them in the
 * burst, and is remembered in emit. */
#define VERDICT_WAITS ((enum fl_verdict)(FL_VERDICT_COUNT + 1))

/** Parse a frame whose headers may be cut by a segment border: from a copy of its first bytes. */
static enum fl_verdict
parse_segments(const struct rte_mbuf *mbuf, struct fl_packet *ret_packet)
{
	uint8_t first[FL_READ_BYTES_MAX];
	uint32_t bytes = RTE_MIN(rte_pktmbuf_pkt_len(mbuf), (uint32_t)sizeof first);
	struct fl_cursor cursor;

	cursor.pos = rte_pktmbuf_read(mbuf, 0, bytes, first);
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
	if (FL_UNLIKELY(mbuf->nb_segs > 1 && rte_pktmbuf_data_len(mbuf) < FL_READ_BYTES_MAX))
		return parse_segments(mbuf, ret_packet);
	cursor.end = cursor.pos + rte_pktmbuf_data_len(mbuf);
	return fl_parse(&cursor, rte_pktmbuf_pkt_len(mbuf), ret_packet);
}

/** Ask for the bucket that fl_admit() looks into first. */
static void
prefetch_vip(const struct plane_tables *tables, const struct fl_packet *packet)
{
	const struct fl_config *config = tables->config;
	uint64_t bits = FL_READ_ONCE(config->lengths[packet->is_ipv6]) & 0xff;
	struct fl_vip_key key = packet->to;
	uint64_t hash;

	key.rest |= bits << FL_VIP_REST_BITS_SHIFT;
	if (FL_UNLIKELY(bits < 128))
		key.address = fl_addr_masked(&packet->to.address, (uint32_t)bits);
	hash = fl_vip_hash(&config->key, &key);
	rte_prefetch0(&tables->vip_buckets[fl_vip_home(hash, config->vip_bucket_mask)]);
}

void
fl_stage_parse(struct fl_worker *worker, struct fl_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		*decision = (struct fl_decision){ 0 };
		decision->verdict = parse_frame(burst->mbuf[i], &burst->packet[i]);
		if (decision->verdict == FL_FORWARD)
			prefetch_vip(&worker->tables, &burst->packet[i]);
	}
}

void
fl_stage_admit(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct fl_view view = plane_view(&worker->run);

	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		if (decision->verdict == FL_FORWARD)
			decision->verdict = fl_admit(&view, &burst->packet[i], decision, false);
	}
}

/** Ask for what fl_choose() reads, now that the hash is known. */
static void
prefetch_row(const struct plane_tables *tables, const struct fl_decision *decision)
{
	const struct fl_vip_service *service = &decision->vip->service;
	uint32_t row = service->row_base + fl_row_index(decision->hash, service->row_count);

	rte_prefetch0(&tables->owners[row / 4]);
}

void
fl_stage_hash(struct fl_worker *worker, struct fl_burst *burst)
{
	struct fl_hash_messages *messages = &worker->messages;
	uint64_t hash[FL_BURST_MAX];
	uint32_t going = 0, hashed = 0;

	for (uint32_t i = 0; i < burst->count; i++) {
		uint64_t words[FL_FLOW_WORDS];

		if (burst->decision[i].verdict != FL_FORWARD)
			continue;
		fl_flow_message(&burst->packet[i], words);
		for (uint32_t w = 0; w < FL_FLOW_WORDS; w++)
			messages->word[w][going] = words[w];
		going++;
	}
	worker->hash(&worker->tables.config->key, messages, going, hash);
	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		if (decision->verdict != FL_FORWARD)
			continue;
		decision->hash = hash[hashed++];
		if (FL_UNLIKELY(burst->packet[i].shape == FL_SHAPE_LATER))
			decision->verdict = VERDICT_WAITS;
		else
			prefetch_row(&worker->tables, decision);
	}
}

/** fl_frame.load of a frame in segments. */
static bool
load_segments(void *context, uint32_t offset, void *to, uint32_t size)
{
	const struct rte_mbuf *mbuf = context;
	const void *from = rte_pktmbuf_read(mbuf, offset, size, to);

	if (from != NULL && from != to)
		memcpy(to, from, size);
	return from != NULL;
}

/** Ask for the row itself and the flow's bucket, where the row's owner says that they are read. */
static void
prefetch_flows(const struct fl_worker *worker, const struct fl_burst *burst)
{
	const struct plane_tables *tables = &worker->tables;

	for (uint32_t i = 0; i < burst->count; i++) {
		const struct fl_decision *decision = &burst->decision[i];
		const struct fl_vip_service *service;
		uint32_t row;

		if (decision->verdict != FL_FORWARD)
			continue;
		service = &decision->vip->service;
		row = service->row_base + fl_row_index(decision->hash, service->row_count);
		if (FL_LIKELY(row >= worker->size.row_count ||
			      FL_READ_ONCE(tables->owners[row / 4].cur[row & 3]) != FL_OWNER_LOOK))
			continue;
		rte_prefetch0(&tables->rows[row]);
		rte_prefetch0(&tables->flows[fl_flow_bucket(decision->hash,
							    tables->config->flow_bucket_mask)]);
	}
}

void
fl_stage_choose(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct fl_view view = plane_view(&worker->run);

	prefetch_flows(worker, burst);
	worker->run.frame.load = load_segments;
	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		if (decision->verdict != FL_FORWARD)
			continue;
		worker->run.frame.context = burst->mbuf[i];
		decision->verdict = fl_choose(&view, &burst->packet[i], decision);
		rte_prefetch0(&worker->tables.backends[decision->slot]);
	}
}

void
fl_stage_route(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct fl_view view = plane_view(&worker->run);

	for (uint32_t i = 0; i < burst->count; i++) {
		struct fl_decision *decision = &burst->decision[i];

		if (decision->verdict == FL_FORWARD)
			decision->verdict = fl_route(&view, &burst->packet[i], decision);
	}
}

/** May the frame be resized and its first bytes written where they are? */
static bool
is_writable(const struct rte_mbuf *mbuf, const struct fl_resize *resize)
{
	return rte_mbuf_refcnt_read(mbuf) == 1 && RTE_MBUF_DIRECT(mbuf) &&
	       (int32_t)rte_pktmbuf_headroom(mbuf) >= resize->head &&
	       (int32_t)rte_pktmbuf_data_len(mbuf) + resize->head >= (int32_t)resize->contiguous;
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

/** Put the frame into a buffer of the worker's own. @return false: no memory, or no room there. */
static bool
copy_frame(struct fl_worker *worker, struct rte_mbuf **mbuf, const struct fl_resize *resize)
{
	uint32_t bytes = (uint32_t)((int32_t)resize->bytes - resize->head);
	struct rte_mbuf *copy;

	if (worker->pool == NULL)
		return false;
	copy = rte_pktmbuf_copy(*mbuf, worker->pool, 0, bytes);
	if (copy == NULL)
		return false;
	if (!is_writable(copy, resize)) {
		rte_pktmbuf_free(copy);
		return false;
	}
	rte_pktmbuf_free(*mbuf);
	*mbuf = copy;
	return true;
}

/** @return false: there is no room for what leaves. */
static bool
resize_frame(struct fl_worker *worker, struct rte_mbuf **mbuf, const struct fl_resize *resize)
{
	if (FL_LIKELY(is_writable(*mbuf, resize)))
		trim_frame(*mbuf, (uint32_t)((int32_t)resize->bytes - resize->head));
	else if (!copy_frame(worker, mbuf, resize))
		return false;
	/* neither fails: is_writable() looked */
	if (resize->head >= 0)
		(void)rte_pktmbuf_prepend(*mbuf, (uint16_t)resize->head);
	else
		(void)rte_pktmbuf_adj(*mbuf, (uint16_t)-resize->head);
	return true;
}

static enum fl_verdict
emit_frame(struct fl_worker *worker, struct rte_mbuf **mbuf, const struct fl_packet *packet,
	   const struct fl_decision *decision)
{
	struct fl_resize resize = fl_emit_resize(packet, decision, rte_pktmbuf_pkt_len(*mbuf));
	struct fl_writer writer;

	if (FL_UNLIKELY(!resize_frame(worker, mbuf, &resize)))
		return FL_DROP_NO_ROOM;
	writer.pos = rte_pktmbuf_mtod(*mbuf, uint8_t *);
	writer.end = writer.pos + rte_pktmbuf_data_len(*mbuf);
	return fl_emit(&writer, packet, decision);
}

/** A later fragment's turn. Apart from the loop, whose code stays small without it. */
static __attribute__((noinline)) enum fl_verdict
follow_first(const struct fl_view *view, const struct fl_packet *packet,
	     struct fl_decision *decision)
{
	enum fl_verdict verdict = fl_choose(view, packet, decision);

	return verdict == FL_FORWARD ? fl_route(view, packet, decision) : verdict;
}

void
fl_stage_emit(struct fl_worker *worker, struct fl_burst *burst)
{
	const struct fl_view view = plane_view(&worker->run);

	for (uint32_t i = 0; i < burst->count; i++) {
		const struct fl_packet *packet = &burst->packet[i];
		struct fl_decision *decision = &burst->decision[i];

		if (FL_UNLIKELY(decision->verdict == VERDICT_WAITS))
			decision->verdict = follow_first(&view, packet, decision);
		if (fl_verdict_is_send(fl_conclude(&view, packet, decision)))
			decision->verdict = emit_frame(worker, &burst->mbuf[i], packet, decision);
	}
}
