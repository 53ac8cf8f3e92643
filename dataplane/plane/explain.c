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
	const struct state_vip *vip;	     /* NULL: none met */
	const struct state_backend *backend; /* NULL: none chosen */
	cJSON *steps;
};

/* --- the frame --- */

static uint32_t
l4_bytes_min(const struct explain_packet *packet)
{
	return packet->protocol == FL_IPPROTO_TCP ? FL_TCP_BYTES : FL_UDP_BYTES;
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
	const struct addr *to = &packet->destination;

	if (addr_is_ipv4(&packet->source)) {
		struct fl_wire_ipv4 *ip = (struct fl_wire_ipv4 *)at;

		ip->version_ihl = FL_IPV4_VERSION_IHL;
		ip->total_bytes = fl_to_be16((uint16_t)packet->bytes);
		ip->ttl = 64;
		ip->ip_proto = packet->protocol;
		memcpy(&ip->src, &packet->source.bytes[12], sizeof ip->src);
		memcpy(&ip->dst, &to->bytes[12], sizeof ip->dst);
		return at + FL_IPV4_BYTES;
	}
	struct fl_wire_ipv6 *ip = (struct fl_wire_ipv6 *)at;

	ip->version_class_label = fl_to_be32(6u << 28);
	ip->payload_bytes = fl_to_be16((uint16_t)(packet->bytes - FL_IPV6_BYTES));
	ip->next_header = packet->protocol;
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
	ports->dst = fl_to_be16(packet->destination_port);
	if (packet->protocol == FL_IPPROTO_TCP)
		((uint8_t *)ports)[FL_TCP_FLAGS_OFFSET + 1] =
			packet->is_syn ? FL_TCP_SYN : FL_TCP_ACK;
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
	const char *protocol = addr_protocol_name(packet->protocol);
	char text[STEP_TEXT_BYTES];
	cJSON *step;

	snprintf(text, sizeof text, "%s/%s%s, %u bytes", family, protocol,
		 packet->is_syn ? " SYN" : "", packet->bytes);
	step = add_step(explanation, "parse", text);
	return step != NULL && plane_put_text(step, "family", family) &&
	       plane_put_text(step, "protocol", protocol) &&
	       cJSON_AddBoolToObject(step, "syn", packet->is_syn) != NULL &&
	       json_add_u64(step, "bytes", packet->bytes);
}

/** The VIP that the packet is for; none: what it is to. */
static bool
explain_vip(struct explanation *explanation)
{
	const struct explain_packet *packet = explanation->packet;
	const struct addr_endpoint destination = {
		.to = { packet->destination, ADDR_BITS },
		.port = packet->destination_port,
		.port_last = packet->destination_port,
		.protocol = packet->protocol,
	};
	bool found = explanation->vip != NULL;
	const struct addr_endpoint *endpoint = found ? &explanation->vip->endpoint : &destination;
	char endpoint_text[ADDR_ENDPOINT_TEXT_MAX], text[STEP_TEXT_BYTES];
	cJSON *step;

	snprintf(text, sizeof text, "%s%s", addr_endpoint_format(endpoint, endpoint_text),
		 found ? "" : " is not a VIP: the packet is the host's");
	step = add_step(explanation, "vip", text);
	return step != NULL && endpoint_put(step, endpoint) &&
	       cJSON_AddBoolToObject(step, "found", found) != NULL;
}

/** Whom a row names. @return @p text. */
static const char *
owner_text(const struct explanation *explanation, uint32_t owner, char text[ADDR_TEXT_MAX])
{
	const struct state_vip *vip = explanation->vip;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		if (vip->backends[i].slot_index == owner)
			return addr_format(&vip->backends[i].address, text);
	return "nobody";
}

/** "moving from 10.0.0.11 to 10.0.0.12", and the same as members. */
static bool
explain_owners(const struct explanation *explanation, cJSON *step, char *text, size_t size)
{
	const struct plane_tables *tables = explanation->plane->options.tables;
	uint64_t row = FL_READ_ONCE(
		tables->rows[explanation->vip->row_base + explanation->walk.decision.row_index]
			.word);
	char cur_text[ADDR_TEXT_MAX], prev_text[ADDR_TEXT_MAX];
	const char *cur = owner_text(explanation, fl_row_cur(row), cur_text), *prev;

	switch (fl_row_state(row)) {
	case FL_ROW_MOVING:
		prev = owner_text(explanation, fl_row_prev(row), prev_text);
		snprintf(text, size, "moving from %s to %s", prev, cur);
		return plane_put_text(step, "state", "moving") &&
		       plane_put_text(step, "previous", prev) && plane_put_text(step, "owner", cur);
	case FL_ROW_SETTLING:
		snprintf(text, size, "settling on %s", cur);
		return plane_put_text(step, "state", "settling") &&
		       plane_put_text(step, "owner", cur);
	default:
		snprintf(text, size, "stable");
		return plane_put_text(step, "state", "stable");
	}
}

static bool
explain_row(struct explanation *explanation)
{
	const struct fl_decision *decision = &explanation->walk.decision;
	uint32_t rows = explanation->vip->row_count;
	char hash[PLANE_DIGEST_TEXT_BYTES], text[STEP_TEXT_BYTES], owners[STEP_TEXT_BYTES / 2];
	cJSON *step = cJSON_CreateObject();

	plane_digest_text(decision->hash, hash);
	if (!plane_put(explanation->steps, NULL, step) || !plane_put_text(step, "step", "row") ||
	    !explain_owners(explanation, step, owners, sizeof owners))
		return false;
	snprintf(text, sizeof text, "hash 0x%s, row %u of %u, %s", hash, decision->row_index, rows,
		 owners);
	return plane_put_text(step, "text", text) && plane_put_text(step, "hash", hash) &&
	       json_add_u64(step, "row", decision->row_index) && json_add_u64(step, "rows", rows);
}

static bool
explain_backend(struct explanation *explanation)
{
	const struct state_backend *backend = explanation->backend;
	char address[ADDR_TEXT_MAX], text[STEP_TEXT_BYTES];
	cJSON *step;

	if (explanation->walk.verdict == FL_PASS_NO_BACKEND)
		return add_step(explanation, "backend",
				"no backend owns the row: the packet is the host's") != NULL;
	if (backend == NULL)
		return add_step(explanation, "backend", "no backend owns the row") != NULL;
	snprintf(text, sizeof text, "%s, weight %u", addr_format(&backend->address, address),
		 backend->weight);
	step = add_step(explanation, "backend", text);
	return step != NULL && plane_put_text(step, "address", address) &&
	       json_add_u64(step, "weight", backend->weight);
}

/** The outer source of the flow's packets. */
static struct addr
outer_source(const struct fl_decision *decision)
{
	const struct fl_backend *backend = decision->backend;
	const struct fl_wire_ipv4 *ipv4 = (const struct fl_wire_ipv4 *)backend->header;
	const struct fl_wire_ipv6 *ipv6 = (const struct fl_wire_ipv6 *)backend->header;
	fl_be32 entropy = fl_to_be32(fl_encap_entropy(backend, decision->hash));
	struct fl_addr source;
	struct addr address;

	if (backend->header_bytes < FL_IPV6_BYTES) {
		source = fl_addr_from_ipv4(ipv4->src | entropy);
	} else {
		memcpy(&source, ipv6->src, sizeof source);
		source.word[3] |= entropy;
	}
	memcpy(address.bytes, &source, sizeof address.bytes);
	return address;
}

/** "ipip 4in4 10.0.0.5 -> 10.0.0.11", and the same as members. */
static bool
explain_tunnel(const struct explanation *explanation, cJSON *step, char *text, size_t size)
{
	const struct fl_decision *decision = &explanation->walk.decision;
	const struct addr *to = &explanation->backend->address;
	struct addr from = outer_source(decision);
	const char *mode = policy_mode_name(explanation->vip->policy.mode);
	char from_text[ADDR_TEXT_MAX], to_text[ADDR_TEXT_MAX], mix[8];

	snprintf(mix, sizeof mix, "%cin%c", explanation->walk.packet.is_ipv6 ? '6' : '4',
		 addr_is_ipv4(to) ? '4' : '6');
	snprintf(text, size, "%s %s %s -> %s", mode, mix, addr_format(&from, from_text),
		 addr_format(to, to_text));
	return plane_put_text(step, "mix", mix) && plane_put_text(step, "source", from_text) &&
	       plane_put_text(step, "target", to_text);
}

static bool
explain_encap(struct explanation *explanation)
{
	const struct fl_decision *decision = &explanation->walk.decision;
	uint32_t bytes = explanation->walk.packet.l3_bytes + decision->backend->header_bytes;
	uint32_t mtu = fl_port_mtu(decision->port_word);
	const char *mode = policy_mode_name(explanation->vip->policy.mode);
	char text[STEP_TEXT_BYTES], tunnel[STEP_TEXT_BYTES / 2];
	cJSON *step = cJSON_CreateObject();
	bool fine = plane_put(explanation->steps, NULL, step) &&
		    plane_put_text(step, "step", "encap") && plane_put_text(step, "mode", mode);

	snprintf(tunnel, sizeof tunnel, "%s", mode);
	if (decision->backend->header_bytes > 0)
		fine = fine && explain_tunnel(explanation, step, tunnel, sizeof tunnel);
	snprintf(text, sizeof text, "%s, %u bytes, %smtu %u", tunnel, bytes,
		 bytes > mtu ? "more than " : "", mtu);
	return fine && plane_put_text(step, "text", text) && json_add_u64(step, "bytes", bytes) &&
	       json_add_u64(step, "mtu", mtu);
}

static bool
explain_next_hop(struct explanation *explanation)
{
	const struct fl_decision *decision = &explanation->walk.decision;
	const char *port;
	char mac[18], text[STEP_TEXT_BYTES];
	cJSON *step;

	if (explanation->walk.verdict == FL_DROP_UNREACHABLE)
		return add_step(explanation, "next_hop", "not known: the backend is unreachable") !=
		       NULL;
	port = explanation->plane->options.ports[decision->port].name;
	plane_mac_text(decision->dst_mac, mac);
	snprintf(text, sizeof text, "%s, port %s", mac, port);
	step = add_step(explanation, "next_hop", text);
	return step != NULL && plane_put_text(step, "mac", mac) &&
	       plane_put_text(step, "port", port);
}

/** Does the decision end before a row is looked at? */
static bool
ends_at_vip(const struct explanation *explanation)
{
	enum fl_verdict verdict = explanation->walk.verdict;

	return explanation->vip == NULL ||
	       (verdict != FL_FORWARD && verdict == explanation->walk.packet.on_vip);
}

/** The steps up to where the decision ended. */
static bool
explain_steps(struct explanation *explanation)
{
	const struct plane_walk *walk = &explanation->walk;
	bool fine = explain_parse(explanation);

	if (walk->parsed && (explanation->vip != NULL || walk->verdict == FL_PASS_NO_VIP))
		fine = fine && explain_vip(explanation);
	if (ends_at_vip(explanation))
		return fine;
	fine = fine && explain_row(explanation) && explain_backend(explanation);
	if (explanation->backend == NULL)
		return fine;
	if (walk->verdict == FL_DROP_UNREACHABLE)
		return fine && explain_next_hop(explanation);
	fine = fine && explain_encap(explanation);
	if (walk->verdict == FL_FORWARD)
		fine = fine && explain_next_hop(explanation);
	return fine;
}

static const struct state_vip *
vip_of_record(const struct state_set *set, uint32_t record)
{
	for (uint32_t i = 0; i < set->vip_count; i++)
		if (set->vips[i]->record == record)
			return set->vips[i];
	return NULL;
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

	if (walk->decision.vip != NULL)
		explanation->vip =
			vip_of_record(&explanation->plane->state.set, walk->decision.record);
	if (explanation->vip != NULL && walk->decision.backend != NULL)
		explanation->backend = backend_of_slot(explanation->vip, walk->decision.slot);
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
	struct fl_core core = { 0 }; /* what is counted here is nobody's packet */
	struct plane_run run = { .tables = plane->options.tables,
				 .size = plane_tables_size(&plane->options.limits),
				 .core = &core,
				 .is_watching = true };
	uint8_t *frame = plane->frame + 2;
	uint32_t bytes = write_frame(frame, packet);
	cJSON *answer = cJSON_CreateObject();

	(void)plane_walk(&run, frame, bytes, &explanation.walk);
	find_names(&explanation);
	if (answer != NULL && put_answer(&explanation, answer))
		return answer;
	cJSON_Delete(answer);
	return NULL;
}
