/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps 4 to 8 of docs/formats.md section 7.
 *
 * Readings where the text leaves room:
 * - A later fragment's flow hash (for the outer header) is that of its addresses and protocol with
 *   both ports 0: it has no ports.
 * - The protocol by which a later fragment finds its first is the one that both headers say: IPv6,
 *   the fragment header's, also where the first has more extension headers behind it.
 * - The VIP of a later fragment is its first fragment's. no_backend is not asked: it has a backend.
 * - With icmp_echo forward the address is that of the longest prefix that fits, and of two VIPs
 *   with the same first port and protocol the narrower range comes first.
 * - drop_fragment of a VIP with fragments drop comes after the checks of step 5.
 * - The rate of too-big answers is not asked where the MTU leaves no room for one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet_model_parts.h"

struct work {
	struct model_state *state;
	const struct model_input *input;
	struct packet packet;
	struct model_result *result;
};

/* --- step 3: own packets that come back --- */

static bool
is_own_source(const struct model_state *state, const uint8_t address[16])
{
	const struct model_source *source =
		model_address_is_ipv4(address) ? &state->source4 : &state->source6;

	if (source->has && model_address_equal(address, source->address))
		return true;
	return source->has_entropy &&
	       model_address_in_prefix(address, source->entropy, source->entropy_bits);
}

static bool
is_own_tunnel(const struct model_state *state, const struct packet *packet)
{
	if (!is_own_source(state, packet->source))
		return false;
	if (packet->sort == SORT_FLOW)
		return packet->protocol == PROTOCOL_UDP &&
		       packet->flow.destination_port == GUE_PORT;
	return packet->sort == SORT_OTHER && strcmp(packet->other_verdict, "pass_protocol") == 0 &&
	       (packet->protocol == PROTOCOL_IPV4 || packet->protocol == PROTOCOL_IPV6);
}

/* --- step 4: VIPs --- */

static bool
vip_has_address(const struct model_vip *vip, const uint8_t address[16])
{
	return model_address_is_ipv4(vip->address) == model_address_is_ipv4(address) &&
	       model_address_in_prefix(address, vip->address, vip->prefix_bits);
}

/* 0: that port alone; 1: a range; 2: any */
static uint32_t
vip_port_kind(const struct model_vip *vip)
{
	if (vip->port_first == vip->port_last)
		return 0;
	return vip->port_first == 0 && vip->port_last == 65535 ? 2 : 1;
}

static uint32_t
find_vip(const struct model_state *state, const struct flow *flow)
{
	for (uint32_t longer = 0; longer <= 128; longer++) {
		for (uint32_t kind = 0; kind <= 2; kind++) {
			for (uint32_t i = 0; i < state->vip_count; i++) {
				const struct model_vip *vip = &state->vips[i];

				if (vip->prefix_bits == 128 - longer &&
				    vip_port_kind(vip) == kind && vip->protocol == flow->protocol &&
				    flow->destination_port >= vip->port_first &&
				    flow->destination_port <= vip->port_last &&
				    vip_has_address(vip, flow->destination))
					return i;
			}
		}
	}
	return MODEL_NONE;
}

static bool
vip_comes_before(const struct model_vip *a, const struct model_vip *b)
{
	if (a->prefix_bits != b->prefix_bits)
		return a->prefix_bits > b->prefix_bits;
	if (a->port_first != b->port_first)
		return a->port_first < b->port_first;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol;
	return a->port_last < b->port_last;
}

/* Of the VIPs with the address in the longest prefix, the first by port, then protocol. */
static uint32_t
find_vip_of_address(const struct model_state *state, const uint8_t address[16])
{
	uint32_t found = MODEL_NONE;

	for (uint32_t i = 0; i < state->vip_count; i++)
		if (vip_has_address(&state->vips[i], address) &&
		    (found == MODEL_NONE || vip_comes_before(&state->vips[i], &state->vips[found])))
			found = i;
	return found;
}

/* --- step 5: senders --- */

/* @return the verdict, or NULL: nothing is wrong with it. */
static const char *
judge_source(const struct packet *packet)
{
	const uint8_t *source = packet->source;
	const uint8_t zero[16] = { 0 }, one[16] = { [15] = 1 };

	if (packet->is_ipv6) {
		if (source[0] == 0xff)
			return "drop_source_multicast";
		if (memcmp(source, one, 16) == 0)
			return "drop_source_loopback";
		if (memcmp(source, zero, 16) == 0)
			return "drop_source_unspecified";
	} else {
		if (source[12] >= 224 && source[12] <= 239)
			return "drop_source_multicast";
		if (memcmp(source + 12, "\xff\xff\xff\xff", 4) == 0)
			return "drop_source_broadcast";
		if (source[12] == 127)
			return "drop_source_loopback";
		if (source[12] == 0)
			return "drop_source_unspecified";
	}
	return model_address_equal(source, packet->destination) ? "drop_source_vip" : NULL;
}

/* Likewise, of the frame too. */
static const char *
judge_sender(const struct packet *packet)
{
	if (model_read8(packet->frame, 0) % 2 == 1)
		return "drop_link_group";
	return judge_source(packet);
}

/* --- step 6: fragments --- */

void
model_forget(struct model_state *state)
{
	free(state->fragments);
	state->fragments = NULL;
	state->fragment_count = 0;
	state->fragment_room = 0;
}

static struct model_fragment *
find_fragment(const struct model_state *state, const struct packet *packet)
{
	for (uint32_t i = 0; i < state->fragment_count; i++) {
		struct model_fragment *fragment = &state->fragments[i];

		if (fragment->id == packet->fragment_id &&
		    fragment->protocol == packet->fragment_protocol &&
		    model_address_equal(fragment->source, packet->source) &&
		    model_address_equal(fragment->destination, packet->destination))
			return fragment;
	}
	return NULL;
}

static void
forget_old_fragments(struct model_state *state, uint64_t now_ms)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < state->fragment_count; i++)
		if (now_ms - state->fragments[i].made_ms < MODEL_FRAGMENT_LIFE_MS)
			state->fragments[kept++] = state->fragments[i];
	state->fragment_count = kept;
}

static struct model_fragment *
add_fragment(struct model_state *state)
{
	if (state->fragment_count == state->fragment_room) {
		uint32_t room = state->fragment_room == 0 ? 64 : 2 * state->fragment_room;
		struct model_fragment *larger =
			realloc(state->fragments, room * sizeof *state->fragments);

		if (larger == NULL || room > MODEL_FRAGMENTS_MAX) {
			fprintf(stderr, "packet model: no room for %u fragments\n", room);
			abort();
		}
		state->fragments = larger;
		state->fragment_room = room;
	}
	return &state->fragments[state->fragment_count++];
}

static void
remember_fragment(struct work *work)
{
	const struct packet *packet = &work->packet;
	struct model_fragment *fragment = find_fragment(work->state, packet);

	if (fragment == NULL)
		fragment = add_fragment(work->state);
	*fragment = (struct model_fragment){
		.id = packet->fragment_id,
		.protocol = (uint8_t)packet->fragment_protocol,
		.vip = work->result->vip,
		.backend = work->result->backend,
		.made_ms = work->input->now_ms,
	};
	memcpy(fragment->source, packet->source, 16);
	memcpy(fragment->destination, packet->destination, 16);
	work->result->remembered = true;
}

/* --- step 8: send --- */

static const char *
decide_too_big(struct work *work, const struct sending *sending, uint32_t mtu_left)
{
	if (work->packet.sort != SORT_FLOW || mtu_left < (work->packet.is_ipv6 ? 1280 : 68))
		return "drop_too_big";
	if (work->state->answers_left == 0) {
		work->result->event = "answer_limited";
		return "drop_too_big";
	}
	if (work->state->answers_left != MODEL_UNLIMITED)
		work->state->answers_left--;
	model_send_too_big(sending, mtu_left);
	return "answer_too_big";
}

static const char *
decide_send(struct work *work)
{
	const struct packet *packet = &work->packet;
	const struct model_vip *vip = &work->state->vips[work->result->vip];
	const struct model_backend *backend = &vip->backends[work->result->backend];
	const struct model_port *port = &work->state->ports[backend->port];
	const struct sending sending = { work->state, packet, work->input->in_port, work->result };
	uint32_t outer = model_outer_bytes(vip->mode, backend);

	if (vip->mode == MODEL_L2DSR && memcmp(packet->frame.start + 6, port->mac, 6) == 0)
		return "drop_loop";
	if (packet->ttl == 0 || (packet->ttl == 1 && vip->mode != MODEL_L2DSR))
		return "drop_ttl";
	if (packet->ip.count + outer > port->mtu)
		return decide_too_big(work, &sending, port->mtu > outer ? port->mtu - outer : 0);
	model_send_forward(&sending, vip->mode, backend);
	if (packet->sort == SORT_FLOW && packet->is_fragment)
		remember_fragment(work);
	return "forward";
}

/* --- step 7: backend --- */

static uint64_t
flow_hash(const uint8_t key[16], const struct flow *flow)
{
	uint8_t bytes[40] = { 0 };

	memcpy(bytes, flow->source, 16);
	memcpy(bytes + 16, flow->destination, 16);
	bytes[32] = (uint8_t)(flow->source_port / 256);
	bytes[33] = (uint8_t)(flow->source_port % 256);
	bytes[34] = (uint8_t)(flow->destination_port / 256);
	bytes[35] = (uint8_t)(flow->destination_port % 256);
	bytes[36] = (uint8_t)flow->protocol;
	return model_siphash13(key, bytes, sizeof bytes);
}

/* The verdict about a packet that is nobody's. */
static const char *
nobody(const struct model_vip *vip)
{
	return vip->no_backend == MODEL_NO_BACKEND_HOST ? "pass_no_backend" : "drop_no_backend";
}

/* Whatever becomes of the packet in step 8, row and entries are written by then. */
static const char *
decide_tracked(struct work *work, struct model_row *row)
{
	struct model_target target = model_track(work->state, &work->packet, row, work->result);

	if (target.backend == MODEL_NONE)
		return nobody(&work->state->vips[work->result->vip]);
	work->result->vip = target.vip;
	work->result->backend = target.backend;
	if (!work->state->vips[target.vip].backends[target.backend].reachable)
		return "drop_unreachable";
	return decide_send(work);
}

/* For a packet with a flow and a VIP: result->vip. */
static const char *
decide_backend(struct work *work)
{
	const struct model_vip *vip = &work->state->vips[work->result->vip];
	struct model_row *remembering;
	uint32_t owner;

	work->result->flow_hash = flow_hash(work->state->key, &work->packet.flow);
	remembering = model_find_row(work->state, work->result->vip, work->result->flow_hash);
	if (remembering != NULL)
		return decide_tracked(work, remembering);
	owner = vip->rows[model_row_of(vip, work->result->flow_hash)];
	if (owner == MODEL_NONE)
		return nobody(vip);
	if (owner >= vip->backend_count)
		return "drop_bug";
	if (!vip->backends[owner].live)
		return "drop_no_backend";
	work->result->backend = owner;
	if (!vip->backends[owner].reachable)
		return "drop_unreachable";
	return decide_send(work);
}

/* Steps 6 to 8 of a later fragment. */
static const char *
decide_later_fragment(struct work *work)
{
	const struct model_fragment *fragment = find_fragment(work->state, &work->packet);
	const struct model_vip *vip;

	work->result->later_fragment = true;
	if (fragment == NULL || fragment->vip >= work->state->vip_count)
		return "drop_fragment_order";
	vip = &work->state->vips[fragment->vip];
	if (fragment->backend >= vip->backend_count || !vip->backends[fragment->backend].live)
		return "drop_fragment_order";
	work->result->fragment_age_ms = (int64_t)(work->input->now_ms - fragment->made_ms);
	work->result->vip = fragment->vip;
	work->result->backend = fragment->backend;
	work->result->flow_hash = flow_hash(work->state->key, &work->packet.flow);
	if (!vip->backends[fragment->backend].reachable)
		return "drop_unreachable";
	return decide_send(work);
}

/* --- the order of steps --- */

/* Packets whose own ports, or whose quoted ones, name a VIP. */
static const char *
decide_flow(struct work *work)
{
	const struct packet *packet = &work->packet;
	uint32_t vip = find_vip(work->state, &packet->flow);
	const char *verdict;

	if (vip == MODEL_NONE)
		return "pass_no_vip";
	work->result->vip = vip;
	verdict = judge_sender(packet);
	if (verdict != NULL)
		return verdict;
	if (packet->is_fragment && work->state->vips[vip].fragments == MODEL_FRAGMENTS_DROP)
		return "drop_fragment";
	return decide_backend(work);
}

static const char *
decide_echo(struct work *work, uint32_t vip)
{
	const struct sending sending = { work->state, &work->packet, work->input->in_port,
					 work->result };

	if (work->state->vips[vip].icmp_echo == MODEL_ECHO_FORWARD) {
		work->result->vip = vip;
		return decide_backend(work);
	}
	if (work->packet.has_extras)
		return "drop_icmp";
	model_send_echo_answer(&sending);
	return "answer_echo";
}

/* Packets without ports of their own: their address alone names a VIP. */
static const char *
decide_address(struct work *work)
{
	const struct packet *packet = &work->packet;
	uint32_t vip = find_vip_of_address(work->state, packet->destination);
	bool echo_is_hosts;
	const char *verdict;

	if (vip == MODEL_NONE)
		return "pass_no_vip";
	echo_is_hosts = work->state->vips[vip].icmp_echo == MODEL_ECHO_HOST;
	if (packet->sort == SORT_OTHER && strncmp(packet->other_verdict, "pass_", 5) == 0)
		return packet->other_verdict;
	if ((packet->sort == SORT_ECHO || packet->sort == SORT_ICMP_FRAGMENT) && echo_is_hosts)
		return "pass_icmp";
	verdict = judge_sender(packet);
	if (verdict != NULL)
		return verdict;
	if (packet->sort == SORT_OTHER)
		return packet->other_verdict;
	if (packet->sort == SORT_ICMP_FRAGMENT)
		return "drop_fragment";
	if (packet->sort == SORT_LATER)
		return decide_later_fragment(work);
	return decide_echo(work, vip);
}

static const char *
decide(struct work *work)
{
	const struct bytes frame = { work->input->frame, work->input->frame_bytes };
	const char *verdict = model_read(frame, &work->packet);

	if (verdict != NULL)
		return verdict;
	if (is_own_tunnel(work->state, &work->packet))
		return "drop_loop";
	if (work->packet.sort == SORT_FLOW || work->packet.sort == SORT_ERROR)
		return decide_flow(work);
	return decide_address(work);
}

int
model_packet(struct model_state *state, const struct model_input *input,
	     struct model_result *ret_result)
{
	struct work work = { .state = state, .input = input, .result = ret_result };

	if (input->in_port >= state->port_count || input->frame_bytes > MODEL_FRAME_BYTES_MAX)
		return -EINVAL;
	ret_result->event = NULL;
	ret_result->vip = MODEL_NONE;
	ret_result->backend = MODEL_NONE;
	ret_result->flow_hash = 0;
	ret_result->is_failed = false;
	ret_result->is_evicted = false;
	ret_result->is_extended = false;
	ret_result->later_fragment = false;
	ret_result->remembered = false;
	ret_result->fragment_age_ms = -1;
	ret_result->out_port = MODEL_NONE;
	ret_result->out_bytes = 0;
	forget_old_fragments(state, input->now_ms);
	ret_result->verdict = decide(&work);
	return 0;
}
