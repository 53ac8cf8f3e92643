/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The decision for one parsed packet, in the steps of docs/formats.md 7:
 *
 *     fl_parse() -> fl_admit() -> fl_flow_hash() -> fl_choose() -> fl_route() -> fl_conclude()
 *
 * A step returns FL_FORWARD to go on to the next; any other verdict is the packet's end.
 * fl_verdict_is_send(): emit.h makes the frame that leaves. An engine may do something between two
 * steps (prefetch, hash several packets at once), never instead of one.
 */
#ifndef FL_DECIDE_H
#define FL_DECIDE_H

#include "access.h"
#include "flowhash.h"
#include "fragment.h"
#include "parse.h"
#include "row.h"

/** The tables as one packet core sees them. */
struct fl_view {
	const struct fl_access *access; /**< a constant of the engine */
	void *user;
	const struct fl_config *config;
};

/** What the steps found. Members are set by the step named. */
struct fl_decision {
	enum fl_verdict verdict;  /**< so far */
	const struct fl_vip *vip; /**< admit; choose for later fragments */
	uint32_t record;	  /**< its index, with it: the VIP's counter */
	uint32_t row_index;	  /**< choose, from the VIP's row_base; not for later fragments */
	uint64_t hash;		  /**< fl_flow_hash() */
	uint32_t slot;		  /**< choose: the backend's counter */
	uint32_t port;		  /**< it leaves by: route; reply */
	const struct fl_backend *backend; /**< route */
	uint64_t dst_mac;		  /**< route, reply */
	uint64_t port_word;		  /**< route, reply */
	fl_be32 tag[2];			  /**< that leave: route, reply */
	uint32_t mtu;			  /**< that the sender is told */
};

/* --- admit: whose is it? --- */

FL_INLINE bool
fl_is_own_source(const struct fl_config *config, const struct fl_addr *source)
{
	FL_UNROLL
	for (uint32_t i = 0; i < FL_OWN_COUNT; i++) {
		const struct fl_own *own = &config->own[i];
		uint64_t differs = 0;

		FL_UNROLL
		for (uint32_t h = 0; h < 2; h++)
			differs |= (source->half[h] & own->mask.half[h]) ^ own->address.half[h];
		if (differs == 0)
			return true;
	}
	return false;
}

/** The key's `rest` with another port and kind: what it has of protocol and prefix length stays. */
FL_INLINE uint64_t
fl_rest_with(uint64_t rest, fl_be16 port, enum fl_vip_kind kind)
{
	return (rest & ~(uint64_t)UINT16_MAX) | port | (uint64_t)kind << FL_VIP_REST_KIND_SHIFT;
}

/**
 * The VIP whose range has the packet's port, else the one of all ports.
 * @param key of the address record; is changed.
 * @param decision whose vip is the address record; gets vip and record.
 * @return false: there is none.
 */
FL_INLINE bool
fl_find_range(const struct fl_view *view, const struct fl_packet *packet, struct fl_vip_key *key,
	      struct fl_decision *decision)
{
	uint64_t wanted = key->rest | fl_vip_rest(0, packet->to.ip_proto);
	const struct fl_vip_address *address = &decision->vip->address;
	/* both, and then one of them: no index that varies (FL_UNROLL) */
	uint32_t pages_tcp = FL_READ_ONCE(address->pages[0]);
	uint32_t pages_udp = FL_READ_ONCE(address->pages[1]);
	uint32_t pages = packet->to.ip_proto == FL_IPPROTO_UDP ? pages_udp : pages_tcp;
	uint32_t first = FL_RANGE_NOT_FOUND;

	FL_UNROLL
	for (uint32_t i = 0; i < FL_VIP_RANGES_MAX / FL_VIP_PAGE_RANGES; i++) {
		if (i >= pages || first != FL_RANGE_NOT_FOUND)
			continue;
		key->rest = fl_rest_with(wanted, (uint16_t)i, FL_VIP_PAGE);
		first = view->access->find_range(view->user, key, fl_from_be16(packet->to.port));
	}
	key->rest = first != FL_RANGE_NOT_FOUND
			    ? fl_rest_with(wanted, fl_to_be16((uint16_t)first), FL_VIP_RANGE)
			    : fl_rest_with(wanted, 0, FL_VIP_ANY);
	decision->vip = view->access->find(view->user, key, &decision->record);
	return decision->vip != NULL;
}

/**
 * The record that a packet is for: longest prefix first; in one prefix the VIP of its port, then of
 * its range. Of a packet without ports, the address record.
 * @param plain a constant: FL_NOT_PLAIN where there are several prefix lengths, or ranges would
 * have to be looked at.
 * @param decision gets vip and record.
 * @return FL_FORWARD; FL_PASS_NO_VIP: none, the packet is the host's.
 */
FL_INLINE enum fl_verdict
fl_find(const struct fl_view *view, const struct fl_packet *packet, struct fl_decision *decision,
	bool plain)
{
	/* both, and then one of them: no index that varies (FL_UNROLL) */
	uint64_t lengths_ipv4 = FL_READ_ONCE(view->config->lengths[0]);
	uint64_t lengths_ipv6 = FL_READ_ONCE(view->config->lengths[1]);
	uint64_t lengths = packet->is_ipv6 ? lengths_ipv6 : lengths_ipv4;

	if (plain && FL_UNLIKELY(lengths > 0xff))
		return FL_NOT_PLAIN;
	for (uint32_t i = 0; i < (plain ? 1 : FL_VIP_LENGTHS_MAX) && (lengths & 0xff) != 0; i++) {
		uint8_t bits = (uint8_t)lengths;
		struct fl_vip_key key = { .address = packet->to.address };

		lengths >>= 8;
		if (FL_UNLIKELY(bits < 128))
			key.address = fl_addr_masked(&packet->to.address, bits);
		key.rest = packet->to.rest | (uint64_t)bits << FL_VIP_REST_BITS_SHIFT;
		decision->vip = view->access->find(view->user, &key, &decision->record);
		if (decision->vip != NULL)
			return FL_FORWARD;
		if (packet->to.ip_proto == 0)
			continue;
		key.rest ^= packet->to.rest; /* the address record: the prefix length alone */
		decision->vip = view->access->find(view->user, &key, &decision->record);
		if (decision->vip == NULL)
			continue;
		if (plain)
			return FL_NOT_PLAIN;
		if (fl_find_range(view, packet, &key, decision))
			return FL_FORWARD;
	}
	return FL_PASS_NO_VIP;
}

/** Echo requests are forwarded as the flow {source, destination, identifier, 0, protocol} of one
 * VIP of the address. @param address the address record. */
FL_INLINE enum fl_verdict
fl_admit_echo_forward(const struct fl_view *view, struct fl_packet *packet,
		      const struct fl_vip *address, struct fl_decision *decision)
{
	struct fl_vip_key key = address->key;

	key.port = address->address.echo_port;
	key.ip_proto = address->address.echo_proto;
	key.kind = address->address.echo_kind;
	decision->vip = view->access->find(view->user, &key, &decision->record);
	if (decision->vip == NULL)
		return FL_DROP_NO_BACKEND; /* retired a moment ago */
	packet->to.rest = fl_vip_rest(0, packet->ip_proto);
	return FL_FORWARD;
}

/** A packet without ports, for an address that some VIP has. */
FL_INLINE enum fl_verdict
fl_admit_portless(const struct fl_view *view, struct fl_packet *packet,
		  const struct fl_vip *address, struct fl_decision *decision)
{
	bool is_echo = packet->shape == FL_SHAPE_ECHO;
	uint32_t plain = packet->is_ipv6 ? FL_IPV6_BYTES : FL_IPV4_BYTES;

	if ((is_echo || packet->shape == FL_SHAPE_ICMP_FRAGMENT) &&
	    address->address.echo == FL_ECHO_HOST)
		return FL_PASS_ICMP;
	if (packet->on_vip != FL_FORWARD)
		return (enum fl_verdict)packet->on_vip;
	if (packet->shape == FL_SHAPE_LATER) {
		packet->to.rest = fl_vip_rest(0, packet->ip_proto);
		return FL_FORWARD;
	}
	if (!is_echo)
		return FL_DROP_FRAGMENT;
	if (address->address.echo == FL_ECHO_FORWARD)
		return fl_admit_echo_forward(view, packet, address, decision);
	return packet->l4_offset == plain ? FL_ANSWER_ECHO : FL_DROP_ICMP;
}

/**
 * Is the packet for a VIP, and does the VIP take it?
 *
 * @param packet as fl_parse() left it; an echo request or a later fragment that goes on becomes a
 *        flow without (destination) ports.
 * @param decision zeroed by the caller.
 * @param plain a constant: FL_NOT_PLAIN where it takes more than to find the VIP of the packet's
 *        port, or none.
 * @return FL_FORWARD, FL_ANSWER_ECHO, or a pass or drop verdict. Needs access->find alone.
 */
FL_INLINE enum fl_verdict
fl_admit(const struct fl_view *view, struct fl_packet *packet, struct fl_decision *decision,
	 bool plain)
{
	enum fl_verdict verdict;

	if (FL_UNLIKELY(packet->is_tunnel)) {
		if (plain)
			return FL_NOT_PLAIN;
		if (fl_is_own_source(view->config, &packet->src))
			return FL_DROP_LOOP;
	}
	verdict = fl_find(view, packet, decision, plain);
	if (verdict != FL_FORWARD)
		return verdict;
	if (!plain && FL_UNLIKELY(packet->to.ip_proto == 0))
		return fl_admit_portless(view, packet, decision->vip, decision);
	if (FL_UNLIKELY(packet->on_vip != FL_FORWARD))
		return (enum fl_verdict)packet->on_vip;
	if (FL_UNLIKELY(packet->shape == FL_SHAPE_FIRST) &&
	    decision->vip->service.flags & FL_VIP_FRAGMENTS_DROP)
		return FL_DROP_FRAGMENT;
	return FL_FORWARD;
}

/* --- choose: which backend? --- */

/** Does the VIP behind @p record have the packet's destination address? */
FL_INLINE bool
fl_has_destination(const struct fl_vip *vip, const struct fl_packet *packet)
{
	struct fl_addr masked = fl_addr_masked(&packet->to.address, vip->key.bits);

	return fl_addr_equal(&masked, &vip->key.address);
}

FL_INLINE enum fl_verdict
fl_choose_fragment(const struct fl_view *view, const struct fl_packet *packet,
		   struct fl_decision *decision)
{
	const struct fl_backend *backend;

	decision->slot = view->access->fragment_recall(view->user, packet);
	if (decision->slot == FL_FRAGMENT_NOT_FOUND)
		return FL_DROP_FRAGMENT_ORDER;
	/* the slot may have another owner by now */
	backend = view->access->backend(view->user, decision->slot);
	if (!fl_backend_is_live(backend))
		return FL_DROP_FRAGMENT_ORDER;
	decision->record = FL_READ_ONCE(backend->vip);
	decision->vip = view->access->vip(view->user, decision->record);
	if (decision->vip == NULL || !fl_has_destination(decision->vip, packet))
		return FL_DROP_FRAGMENT_ORDER;
	return FL_FORWARD;
}

/** The verdict about a packet that is nobody's. */
FL_INLINE enum fl_verdict
fl_no_backend(const struct fl_decision *decision)
{
	return decision->vip->service.flags & FL_VIP_TO_HOST ? FL_PASS_NO_BACKEND
							     : FL_DROP_NO_BACKEND;
}

/** The slot by the flow's row and the flow table. */
FL_INLINE enum fl_verdict
fl_choose_tracked(const struct fl_view *view, const struct fl_packet *packet,
		  struct fl_decision *decision)
{
	struct fl_track_flow flow = { .hash = decision->hash, .record = decision->record };
	enum fl_verdict verdict = view->access->track(view->user, packet, &flow);

	if (FL_UNLIKELY(verdict == FL_TRACK_AGAIN)) {
		flow.segment = FL_SEGMENT_LAST;
		verdict = view->access->track(view->user, packet, &flow);
	}
	decision->slot = flow.slot;
	return FL_UNLIKELY(verdict == FL_DROP_NO_BACKEND) ? fl_no_backend(decision) : verdict;
}

/**
 * The backend's slot: of the flow's row, or what the first fragment left. A stable row costs one
 * read.
 * @param decision with vip and hash.
 */
FL_INLINE enum fl_verdict
fl_choose(const struct fl_view *view, const struct fl_packet *packet, struct fl_decision *decision)
{
	const struct fl_vip_service *service;
	const struct fl_owners *owners;
	uint32_t row, owner;

	if (FL_UNLIKELY(packet->shape == FL_SHAPE_LATER))
		return fl_choose_fragment(view, packet, decision);
	if (decision->vip == NULL)
		return FL_DROP_BUG;
	service = &decision->vip->service;
	decision->row_index = fl_row_index(decision->hash, service->row_count);
	row = service->row_base + decision->row_index;
	owners = view->access->owners(view->user, row / 4);
	if (owners == NULL)
		return FL_DROP_BUG;
	owner = FL_READ_ONCE(owners->cur[row & 3]);
	if (FL_UNLIKELY(owner >= service->slot_count)) {
		if (owner == FL_OWNER_LOOK)
			return fl_choose_tracked(view, packet, decision);
		return owner == FL_ROW_NONE ? fl_no_backend(decision) : FL_DROP_BUG;
	}
	decision->slot = service->slot_base + owner;
	return FL_FORWARD;
}

/* --- route: by which port, and does it fit? --- */

/** The tags of the frame that leaves: the port's, or those the packet came with. */
FL_INLINE void
fl_set_tags(const struct fl_port *port, const struct fl_packet *packet,
	    struct fl_decision *decision)
{
	if (FL_LIKELY(port->tag[0] == FL_TAG_KEEP)) {
		decision->tag[0] = packet->tag[0];
		decision->tag[1] = packet->tag[1];
	} else {
		decision->tag[0] = port->tag[0] == FL_TAG_NONE ? 0 : port->tag[0];
		decision->tag[1] = port->tag[1] == FL_TAG_NONE ? 0 : port->tag[1];
	}
}

/**
 * A frame of our own goes back where the packet came from.
 * @return false: the plane does not have that port.
 */
FL_INLINE bool
fl_reply(const struct fl_view *view, const struct fl_packet *packet, struct fl_decision *decision)
{
	uint32_t in_port = view->access->in_port(view->user);
	const struct fl_port *port = view->access->port(view->user, in_port);

	if (port == NULL)
		return false;
	decision->port = in_port;
	decision->port_word = FL_READ_ONCE(port->word);
	decision->dst_mac = packet->src_mac;
	fl_set_tags(port, packet, decision);
	return true;
}

/**
 * May this core send one more ICMP error? The generic cell rate algorithm (ITU-T I.371): answer_at
 * is when the next one is due.
 */
FL_INLINE bool
fl_may_answer(const struct fl_config *config, struct fl_core *core, uint64_t now_ns)
{
	uint64_t due = core->answer_at > now_ns ? core->answer_at : now_ns;

	if (due - now_ns > config->answer_burst_ns)
		return false;
	core->answer_at = due + config->answer_interval_ns;
	return true;
}

/** @param mtu what the packet may have, negative when the port has not even room for the outer
 * headers. */
FL_INLINE enum fl_verdict
fl_route_too_big(const struct fl_view *view, const struct fl_packet *packet, int32_t mtu,
		 struct fl_decision *decision)
{
	int32_t mtu_min = packet->is_ipv6 ? 1280 : 68; /* RFC 8200 5, RFC 791 3.2 */
	struct fl_core *core;

	if ((packet->shape != FL_SHAPE_FLOW && packet->shape != FL_SHAPE_FIRST) || mtu < mtu_min ||
	    packet->l3_bytes < FL_QUOTE_BYTES)
		return FL_DROP_TOO_BIG;
	core = view->access->core(view->user);
	if (core == NULL)
		return FL_DROP_BUG;
	if (!fl_may_answer(view->config, core, view->access->now_ns(view->user))) {
		core->events[FL_EVENT_ANSWER_LIMITED]++;
		return FL_DROP_TOO_BIG;
	}
	decision->mtu = (uint32_t)mtu;
	return FL_ANSWER_TOO_BIG;
}

/** May the backend's packets be sent? @param link its link word, read once. */
FL_INLINE enum fl_verdict
fl_link_verdict(uint64_t link)
{
	if (FL_UNLIKELY(!(fl_link_flags(link) & FL_LINK_LIVE)))
		return FL_DROP_NO_BACKEND;
	if (FL_UNLIKELY(!(fl_link_flags(link) & FL_LINK_REACHABLE)))
		return FL_DROP_UNREACHABLE;
	return FL_FORWARD;
}

/**
 * The way to the chosen slot.
 * @return FL_FORWARD; FL_ANSWER_TOO_BIG: fl_reply() then says how the answer goes; a drop verdict.
 */
FL_INLINE enum fl_verdict
fl_route(const struct fl_view *view, const struct fl_packet *packet, struct fl_decision *decision)
{
	const struct fl_backend *backend = view->access->backend(view->user, decision->slot);
	const struct fl_port *port;
	enum fl_verdict verdict;
	uint64_t link;
	int32_t mtu;

	if (backend == NULL)
		return FL_DROP_BUG;
	decision->backend = backend;
	link = FL_READ_ONCE(backend->link);
	verdict = fl_link_verdict(link);
	if (FL_UNLIKELY(verdict != FL_FORWARD))
		return verdict;
	decision->port = fl_link_port(link);
	port = view->access->port(view->user, decision->port);
	if (FL_UNLIKELY(port == NULL))
		return FL_DROP_BUG;
	decision->port_word = FL_READ_ONCE(port->word);
	decision->dst_mac = link & FL_MAC_MASK;
	fl_set_tags(port, packet, decision);
	if (backend->mode == FL_MODE_L2DSR) {
		if (packet->src_mac == (decision->port_word & FL_MAC_MASK))
			return FL_DROP_LOOP;
		if (packet->ttl == 0)
			return FL_DROP_TTL;
	} else if (FL_UNLIKELY(packet->ttl <= 1)) {
		return FL_DROP_TTL;
	}
	mtu = (int32_t)fl_port_mtu(decision->port_word) - backend->header_bytes;
	if (FL_UNLIKELY((int32_t)packet->l3_bytes > mtu))
		return fl_route_too_big(view, packet, mtu, decision);
	return FL_FORWARD;
}

/**
 * What is left once the verdict is known: an answer goes back by the port the packet came by, a
 * first fragment is remembered.
 * @return the verdict.
 */
FL_INLINE enum fl_verdict
fl_conclude(const struct fl_view *view, const struct fl_packet *packet,
	    struct fl_decision *decision)
{
	if (FL_UNLIKELY(decision->verdict == FL_ANSWER_ECHO ||
			decision->verdict == FL_ANSWER_TOO_BIG)) {
		if (!fl_reply(view, packet, decision))
			decision->verdict = FL_DROP_BUG;
	} else if (decision->verdict == FL_FORWARD &&
		   FL_UNLIKELY(packet->shape == FL_SHAPE_FIRST)) {
		view->access->fragment_remember(view->user, packet, decision->slot);
	}
	return decision->verdict;
}

/** The steps between fl_admit(), which said FL_FORWARD, and fl_conclude(). */
FL_INLINE enum fl_verdict
fl_decide_admitted(const struct fl_view *view, const struct fl_packet *packet,
		   struct fl_decision *decision)
{
	enum fl_verdict verdict;

	decision->hash = fl_flow_hash(&view->config->key, packet);
	verdict = fl_choose(view, packet, decision);
	return FL_LIKELY(verdict == FL_FORWARD) ? fl_route(view, packet, decision) : verdict;
}

/** All steps after fl_parse(). @param decision zeroed by the caller. */
FL_INLINE enum fl_verdict
fl_decide(const struct fl_view *view, struct fl_packet *packet, struct fl_decision *decision)
{
	decision->verdict = fl_admit(view, packet, decision, false);
	if (FL_LIKELY(decision->verdict == FL_FORWARD))
		decision->verdict = fl_decide_admitted(view, packet, decision);
	return fl_conclude(view, packet, decision);
}

#endif
