/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plane.explain: a frame with a payload of zeros is built and walked through the tables by the
 * core's own functions (tables.h); here the walk is put into words. Each step has its text, and
 * what it says as members.
 */
#include <stdio.h>
#include <string.h>

#include "plane_private.h"

enum { STEP_TEXT_BYTES = 256 };

/** What the steps are made from. */
struct explanation {
	struct plane *plane;
	const struct explain_packet *packet;
	struct plane_walk walk;
	const struct state_vip *vip; /* NULL: none met */
	const struct state_backend *backend;
	cJSON *steps;
};

/* --- the frame --- */

static uint32_t
l4_bytes_min(const struct explain_packet *packet)
{
	return packet->destination.protocol == FL_IPPROTO_TCP ? FL_TCP_BYTES : FL_UDP_BYTES;
}

uint32_t
explain_bytes_min(const struct explain_packet *packet)
{
	return l4_bytes_min(packet) +
	       (addr_is_ipv4(&packet->source) ? (uint32_t)FL_IPV4_BYTES : (uint32_t)FL_IPV6_BYTES);
}

static uint8_t *
write_ip(uint8_t *at, const struct explain_packet *packet)
{
	const struct addr *to = &packet->destination.address;

	if (addr_is_ipv4(&packet->source)) {
		struct fl_wire_ipv4 *ip = (struct fl_wire_ipv4 *)at;

		ip->version_ihl = 0x45;
		ip->total_bytes = fl_to_be16((uint16_t)packet->bytes);
		ip->ttl = 64;
		ip->ip_proto = packet->destination.protocol;
		memcpy(&ip->src, &packet->source.bytes[12], sizeof ip->src);
		memcpy(&ip->dst, &to->bytes[12], sizeof ip->dst);
		return at + FL_IPV4_BYTES;
	}
	struct fl_wire_ipv6 *ip = (struct fl_wire_ipv6 *)at;

	ip->version_class_label = fl_to_be32(6u << 28);
	ip->payload_bytes = fl_to_be16((uint16_t)(packet->bytes - FL_IPV6_BYTES));
	ip->next_header = packet->destination.protocol;
	ip->hop_limit = 64;
	memcpy(ip->src, packet->source.bytes, sizeof ip->src);
	memcpy(ip->dst, to->bytes, sizeof ip->dst);
	return at + FL_IPV6_BYTES;
}

/** @return bytes of the frame. */
static uint32_t
write_frame(uint8_t *frame, const struct explain_packet *packet)
{
	uint32_t bytes = FL_ETHERNET_BYTES + packet->bytes;
	struct fl_wire_ethernet *ethernet = (struct fl_wire_ethernet *)frame;
	struct fl_wire_ports *ports;

	memset(frame, 0, bytes);
	ethernet->type =
		fl_to_be16(addr_is_ipv4(&packet->source) ? FL_ETHERTYPE_IPV4 : FL_ETHERTYPE_IPV6);
	ports = (struct fl_wire_ports *)write_ip(frame + FL_ETHERNET_BYTES, packet);
	ports->src = fl_to_be16(packet->source_port);
	ports->dst = fl_to_be16(packet->destination.port);
	return bytes;
}

/* --- the steps --- */

/** A step with its text. NULL: no memory. */
static cJSON *
add_step(struct explanation *explanation, const char *name, const char *text)
{
	cJSON *step = cJSON_CreateObject();

	if (plane_put(explanation->steps, NULL, step) && plane_put_text(step, "step", name) &&
	    plane_put_text(step, "text", text))
		return step;
	return NULL;
}

static bool
explain_parse(struct explanation *explanation)
{
	const struct explain_packet *packet = explanation->packet;
	const char *family = addr_is_ipv4(&packet->source) ? "ipv4" : "ipv6";
	const char *protocol = addr_protocol_name(packet->destination.protocol);
	char text[STEP_TEXT_BYTES];
	cJSON *step;

	snprintf(text, sizeof text, "%s/%s, %u bytes", family, protocol, packet->bytes);
	step = add_step(explanation, "parse", text);
	return step != NULL && plane_put_text(step, "family", family) &&
	       plane_put_text(step, "protocol", protocol) &&
	       json_add_u64(step, "bytes", packet->bytes);
}

static bool
explain_vip(struct explanation *explanation)
{
	const struct addr_endpoint *endpoint = &explanation->packet->destination;
	bool found = explanation->walk.reached > PLANE_WALK_VIP;
	char endpoint_text[ADDR_ENDPOINT_TEXT_MAX], text[STEP_TEXT_BYTES];
	cJSON *step;

	snprintf(text, sizeof text, "%s%s", addr_endpoint_format(endpoint, endpoint_text),
		 found ? "" : " is not a VIP: the packet is the host's");
	step = add_step(explanation, "vip", text);
	return step != NULL && plane_put_endpoint(step, endpoint) &&
	       cJSON_AddBoolToObject(step, "found", found) != NULL;
}

static bool
explain_row(struct explanation *explanation)
{
	const struct plane_walk *walk = &explanation->walk;
	uint32_t rows = explanation->vip->row_count;
	char hash[PLANE_DIGEST_TEXT_BYTES], text[STEP_TEXT_BYTES];
	cJSON *step;

	plane_digest_text(walk->hash, hash);
	snprintf(text, sizeof text, "hash 0x%s, row %u of %u, stable", hash, walk->row_index, rows);
	step = add_step(explanation, "row", text);
	return step != NULL && plane_put_text(step, "hash", hash) &&
	       json_add_u64(step, "row", walk->row_index) && json_add_u64(step, "rows", rows) &&
	       plane_put_text(step, "state", "stable");
}

static bool
explain_backend(struct explanation *explanation)
{
	const struct state_backend *backend = explanation->backend;
	char address[ADDR_TEXT_MAX], text[STEP_TEXT_BYTES];
	cJSON *step;

	if (backend == NULL)
		return add_step(explanation, "backend", "no backend owns the row") != NULL;
	snprintf(text, sizeof text, "%s, weight %u", addr_format(&backend->address, address),
		 backend->weight);
	step = add_step(explanation, "backend", text);
	return step != NULL && plane_put_text(step, "address", address) &&
	       json_add_u64(step, "weight", backend->weight);
}

static bool
explain_encap(struct explanation *explanation)
{
	const struct plane_walk *walk = &explanation->walk;
	const struct plane_options *options = &explanation->plane->options;
	const struct addr *to = &explanation->backend->address;
	const struct addr *from = addr_is_ipv4(to) ? &options->source_ipv4 : &options->source_ipv6;
	uint32_t header_bytes = options->tables->backends[walk->slot].header_bytes;
	uint32_t bytes = walk->packet.l3_bytes + header_bytes, mtu = fl_port_mtu(walk->port_word);
	char from_text[ADDR_TEXT_MAX], to_text[ADDR_TEXT_MAX], mix[8], text[STEP_TEXT_BYTES];
	cJSON *step;

	snprintf(mix, sizeof mix, "%cin%c", walk->packet.is_ipv6 ? '6' : '4',
		 addr_is_ipv4(to) ? '4' : '6');
	addr_format(from, from_text);
	addr_format(to, to_text);
	snprintf(text, sizeof text, "%s %s -> %s, %u bytes, %smtu %u", mix, from_text, to_text,
		 bytes, bytes > mtu ? "more than " : "", mtu);
	step = add_step(explanation, "encap", text);
	return step != NULL && plane_put_text(step, "mix", mix) &&
	       plane_put_text(step, "source", from_text) &&
	       plane_put_text(step, "target", to_text) && json_add_u64(step, "bytes", bytes) &&
	       json_add_u64(step, "mtu", mtu);
}

static bool
explain_next_hop(struct explanation *explanation)
{
	uint64_t link = explanation->walk.link;
	const char *port = explanation->plane->options.ports[fl_link_port(link)].name;
	char mac[18], text[STEP_TEXT_BYTES];
	cJSON *step;

	if (explanation->walk.verdict == FL_DROP_UNREACHABLE)
		return add_step(explanation, "next_hop", "not known: the backend is unreachable") !=
		       NULL;
	plane_mac_text(link, mac);
	snprintf(text, sizeof text, "%s, port %s", mac, port);
	step = add_step(explanation, "next_hop", text);
	return step != NULL && plane_put_text(step, "mac", mac) &&
	       plane_put_text(step, "port", port);
}

/** The steps up to where the decision ended. */
static bool
explain_steps(struct explanation *explanation)
{
	const struct plane_walk *walk = &explanation->walk;
	bool fine = explain_parse(explanation);

	if (walk->reached >= PLANE_WALK_VIP)
		fine = fine && explain_vip(explanation);
	if (explanation->vip == NULL)
		return fine;
	fine = fine && explain_row(explanation) && explain_backend(explanation);
	if (explanation->backend == NULL)
		return fine;
	if (walk->verdict == FL_DROP_UNREACHABLE)
		return fine && explain_next_hop(explanation);
	fine = fine && explain_encap(explanation);
	if (walk->reached == PLANE_WALK_DONE)
		fine = fine && explain_next_hop(explanation);
	return fine;
}

static const struct state_backend *
backend_of_slot(const struct state_vip *vip, uint32_t slot)
{
	for (uint32_t i = 0; i < vip->backend_count; i++)
		if (vip->slot_base + vip->backends[i].slot_index == slot)
			return &vip->backends[i];
	return NULL;
}

static void
find_names(struct explanation *explanation)
{
	const struct plane_walk *walk = &explanation->walk;

	if (walk->reached > PLANE_WALK_VIP)
		explanation->vip =
			state_find(&explanation->plane->state, &explanation->packet->destination);
	if (explanation->vip != NULL && walk->reached >= PLANE_WALK_ENCAP)
		explanation->backend = backend_of_slot(explanation->vip, walk->slot);
}

static bool
put_answer(struct explanation *explanation, cJSON *answer)
{
	const struct plane_walk *walk = &explanation->walk;
	bool fine = plane_put_text(answer, "verdict", plane_verdict_name(walk->verdict)) &&
		    plane_put_text(answer, "meaning", plane_verdict_meaning(walk->verdict)) &&
		    json_add_u64(answer, "generation", explanation->plane->state.set.generation);

	if (explanation->backend != NULL)
		fine = fine && plane_put_address(answer, "backend", &explanation->backend->address);
	explanation->steps = cJSON_CreateArray();
	return plane_put(answer, "steps", explanation->steps) && fine && explain_steps(explanation);
}

cJSON *
explain_answer(struct plane *plane, const struct explain_packet *packet)
{
	struct explanation explanation = { .plane = plane, .packet = packet };
	uint8_t *frame = plane->frame + 2;
	uint32_t bytes = write_frame(frame, packet);
	cJSON *answer = cJSON_CreateObject();

	(void)plane_walk(plane->options.tables, frame, bytes, &explanation.walk);
	find_names(&explanation);
	if (answer != NULL && put_answer(&explanation, answer))
		return answer;
	cJSON_Delete(answer);
	return NULL;
}
