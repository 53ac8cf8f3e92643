/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet model, on what the plane library says that it serves, and on the tables where that
 * does not say it: whose a row is, where a next hop is.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "../model/packet_model.h"
#include "engine.h"

static struct plane_fixture *fixture;
static struct fl_flow_counter *flow_counters;
static struct model_state model;
static struct model_row row;
static struct model_entry bucket[CASE_FLOWS / MODEL_BUCKET_ENTRIES][MODEL_BUCKET_ENTRIES];
static uint64_t received, counted[FL_VERDICT_COUNT];

static void *
take(uint32_t count, size_t size)
{
	void *memory = calloc(count == 0 ? 1 : count, size);

	if (memory == NULL)
		err(1, "packet model");
	return memory;
}

static void
put_mac(uint64_t word, uint8_t ret_mac[6])
{
	for (uint32_t i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)(word >> (8 * i));
}

static struct model_port
port_of(const struct fl_port *port)
{
	struct model_port made = { .mtu = fl_port_mtu(port->word), .vlan = MODEL_VLAN_TWO };

	put_mac(port->word, made.mac);
	if (port->tag[0] == FL_TAG_KEEP)
		made.vlan = MODEL_VLAN_KEEP;
	else if (port->tag[0] == FL_TAG_NONE)
		made.vlan = MODEL_VLAN_NONE;
	else if (port->tag[1] == FL_TAG_NONE)
		made.vlan = MODEL_VLAN_ONE;
	for (uint32_t i = 0; i < 2; i++)
		made.tags[i] = (uint16_t)ntohl(port->tag[i]);
	return made;
}

static struct model_source
source_of(bool has, const struct addr *address, bool has_entropy, const struct addr_prefix *entropy)
{
	struct model_source made = { .has = has,
				     .has_entropy = has_entropy,
				     .entropy_bits = entropy->bits };

	memcpy(made.address, address->bytes, sizeof made.address);
	memcpy(made.entropy, entropy->address.bytes, sizeof made.entropy);
	return made;
}

static struct model_backend
backend_of(const struct plane_tables *tables, const struct state_vip *vip, uint32_t at)
{
	const struct state_backend *from = &vip->backends[at];
	uint64_t link = tables->backends[vip->slot_base + from->slot_index].link;
	struct model_backend made = {
		.port = fl_link_port(link),
		.reachable = (fl_link_flags(link) & FL_LINK_REACHABLE) != 0,
		.live = (fl_link_flags(link) & FL_LINK_LIVE) != 0,
		.weight = from->weight,
	};

	memcpy(made.address, from->address.bytes, sizeof made.address);
	put_mac(link, made.mac);
	return made;
}

/* The place of an owner among the VIP's backends: MODEL_NONE, or beyond them, as in the table. */
static uint32_t
owner_of(const struct state_vip *vip, uint32_t index)
{
	if (index == FL_ROW_NONE)
		return MODEL_NONE;
	for (uint32_t i = 0; i < vip->backend_count; i++)
		if (vip->backends[i].slot_index == index)
			return i;
	return vip->backend_count;
}

static struct model_vip
vip_of(const struct plane_tables *tables, const struct state_vip *vip)
{
	struct model_backend *backends = take(vip->backend_count, sizeof *backends);
	uint32_t *rows = take(vip->row_count, sizeof *rows);
	struct model_vip made = {
		.prefix_bits = vip->endpoint.to.bits,
		.port_first = vip->endpoint.port,
		.port_last = vip->endpoint.port_last,
		.protocol = vip->endpoint.protocol,
		.mode = (enum model_mode)vip->policy.mode,
		.fragments = (enum model_fragments)vip->policy.fragments,
		.icmp_echo = (enum model_icmp_echo)vip->policy.icmp_echo,
		.no_backend = (enum model_no_backend)vip->policy.no_backend,
		.table_size = vip->row_count,
		.rows = rows,
		.backends = backends,
		.backend_count = vip->backend_count,
		.window_s = vip->policy.window_s,
		.hold_s = vip->policy.hold_s,
	};

	_Static_assert((int)VIP_MODE_L2DSR == (int)MODEL_L2DSR, "the same order");
	_Static_assert((int)VIP_FRAGMENTS_DROP == (int)MODEL_FRAGMENTS_DROP, "the same order");
	_Static_assert((int)VIP_ICMP_ECHO_HOST == (int)MODEL_ECHO_HOST, "the same order");
	_Static_assert((int)VIP_NO_BACKEND_HOST == (int)MODEL_NO_BACKEND_HOST, "the same order");
	memcpy(made.address, vip->endpoint.to.address.bytes, sizeof made.address);
	for (uint32_t i = 0; i < vip->backend_count; i++)
		backends[i] = backend_of(tables, vip, i);
	for (uint32_t i = 0; i < vip->row_count; i++)
		rows[i] = owner_of(vip, fl_row_cur(tables->rows[vip->row_base + i].word));
	return made;
}

static void
model_flush(void)
{
	model_forget(&model);
}

static void
model_open(struct plane_fixture *tables)
{
	const struct plane_options *options = &tables->options;
	const struct state_set *set = &tables->state.set;
	struct model_vip *vips = take(set->vip_count, sizeof *vips);

	fixture = tables;
	received = 0;
	flow_counters = take(tables->size.vip_count, sizeof *flow_counters);
	memset(counted, 0, sizeof counted);
	for (uint32_t i = 0; i < set->vip_count; i++)
		vips[i] = vip_of(&fixture->tables, set->vips[i]);
	model = (struct model_state){
		.source4 = source_of(options->has_source_ipv4, &options->source_ipv4,
				     options->has_entropy_ipv4, &options->entropy_ipv4),
		.source6 = source_of(options->has_source_ipv6, &options->source_ipv6,
				     options->has_entropy_ipv6, &options->entropy_ipv6),
		.answers_left = MODEL_UNLIMITED,
		.port_count = options->port_count,
		.vips = vips,
		.vip_count = set->vip_count,
		.rows = &row,
		.buckets = bucket,
		.bucket_count = tables->size.flow_bucket_count,
	};
	if (model.bucket_count > CASE_FLOWS / MODEL_BUCKET_ENTRIES)
		errx(1, "packet model: %u buckets", model.bucket_count);
	memcpy(model.key, fixture->tables.config->key.word, sizeof model.key);
	for (uint32_t i = 0; i < options->port_count; i++)
		model.ports[i] = port_of(&fixture->tables.ports[i]);
}

static const char *
model_layout_name(uint32_t layout)
{
	return "as it is";
}

static enum fl_verdict
verdict_named(const char *name)
{
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		if (strcmp(plane_verdict_name((enum fl_verdict)i), name) == 0)
			return (enum fl_verdict)i;
	errx(1, "packet model: %s is no verdict", name);
}

/* --- rows that remember, from the tables and back --- */

static uint32_t
place_of_record(uint32_t record)
{
	for (uint32_t i = 0; i < fixture->state.set.vip_count; i++)
		if (fixture->state.set.vips[i]->record == record)
			return i;
	errx(1, "packet model: no VIP has record %u", record);
}

static struct model_row
read_row(uint32_t vip, const struct case_track *track)
{
	const struct state_vip *from = fixture->state.set.vips[vip];
	uint64_t word = fixture->tables.rows[from->row_base + track->row].word;

	return (struct model_row){ .vip = vip,
				   .row = track->row,
				   .state = (enum model_row_state)(word >> 56),
				   .cur = owner_of(from, word & 0xffff),
				   .prev = owner_of(from, word >> 16 & 0xffff),
				   .until = word >> 32 & 0xffffff };
}

static uint64_t
index_of(const struct state_vip *vip, uint32_t place)
{
	return place == MODEL_NONE ? FL_ROW_NONE : vip->backends[place].slot_index;
}

static void
write_row(const struct model_row *from)
{
	const struct state_vip *vip = fixture->state.set.vips[from->vip];

	fixture->tables.rows[vip->row_base + from->row].word =
		index_of(vip, from->cur) | index_of(vip, from->prev) << 16 |
		(uint64_t)from->until << 32 | (uint64_t)from->state << 56;
}

static struct model_entry
read_entry(uint64_t word)
{
	uint32_t slot = word >> 34 & 0xfffff;
	struct model_entry made = { .fingerprint = word & ((UINT64_C(1) << 34) - 1),
				    .vip = MODEL_NONE,
				    .backend = MODEL_NONE,
				    .state = (enum model_entry_state)(word >> 54 & 3),
				    .stamp = (uint8_t)(word >> 56) };

	for (uint32_t i = 0; i < fixture->state.set.vip_count; i++) {
		const struct state_vip *vip = fixture->state.set.vips[i];

		if (slot < vip->slot_base || slot - vip->slot_base >= vip->slot_count)
			continue;
		made.vip = i;
		made.backend = owner_of(vip, slot - vip->slot_base);
	}
	return made;
}

static uint64_t
entry_word(const struct model_entry *entry)
{
	const struct state_vip *vip = fixture->state.set.vips[entry->vip];
	uint64_t slot = vip->slot_base + index_of(vip, entry->backend);

	return entry->fingerprint | slot << 34 | (uint64_t)entry->state << 54 |
	       (uint64_t)entry->stamp << 56;
}

/* What is live too. */
static void
read_track(const struct case_track *track)
{
	uint32_t vip = place_of_record(case_track_record(fixture, track));
	const struct state_vip *from = fixture->state.set.vips[vip];

	row = read_row(vip, track);
	model.row_count = 1;
	model.tick = fixture->tables.clock->tick;
	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++)
		bucket[track->bucket][i] = read_entry(fixture->tables.flows[track->bucket].word[i]);
	for (uint32_t i = 0; i < from->backend_count; i++)
		((struct model_backend *)model.vips[vip].backends)[i] =
			backend_of(&fixture->tables, from, i);
}

/* What the model did not touch stays as it is: not all that a table may have in it is in the model.
 */
static void
write_track(const struct case_track *track, const struct model_row *row_before,
	    const struct model_result *result)
{
	struct fl_flow_counter *counter = &flow_counters[case_track_record(fixture, track)];

	if (memcmp(&row, row_before, sizeof row) != 0)
		write_row(&row);
	for (uint32_t i = 0; i < MODEL_BUCKET_ENTRIES; i++) {
		uint64_t *word = &fixture->tables.flows[track->bucket].word[i];
		struct model_entry before = read_entry(*word);

		if (memcmp(&before, &bucket[track->bucket][i], sizeof before) != 0)
			*word = entry_word(&bucket[track->bucket][i]);
	}
	counter->failed += result->is_failed;
	counter->evicted += result->is_evicted;
	counter->extended += result->is_extended;
	memset(bucket[track->bucket], 0, sizeof bucket[track->bucket]);
	model.row_count = 0;
}

static void
run_one(const struct case_frames *one, struct engine_result *ret_result)
{
	static struct model_result result;
	const struct model_input input = { .in_port = one->in_port,
					   .now_ms = engine_now_ns() / 1000000,
					   .frame = one->in,
					   .frame_bytes = one->in_bytes };

	struct model_row row_before = { 0 };

	if (one->track != NULL) {
		read_track(one->track);
		row_before = row;
	}
	if (model_packet(&model, &input, &result) < 0)
		errx(1, "packet model: case \"%s\" is refused", one->name);
	if (one->track != NULL)
		write_track(one->track, &row_before, &result);
	received++;
	ret_result->verdict = verdict_named(result.verdict);
	counted[ret_result->verdict]++;
	ret_result->port = 0;
	ret_result->bytes = 0;
	if (fl_verdict_is_send(ret_result->verdict)) {
		ret_result->port = result.out_port;
		ret_result->bytes = result.out_bytes;
		if (result.out_bytes > sizeof ret_result->frame)
			errx(1, "packet model: %u bytes leave", result.out_bytes);
		memcpy(ret_result->frame, result.out, result.out_bytes);
	} else if (fl_verdict_is_pass(ret_result->verdict)) {
		ret_result->bytes = one->in_bytes;
		memcpy(ret_result->frame, one->in, one->in_bytes);
	}
}

static void
model_run(uint32_t layout, const struct case_frames *cases, uint32_t count,
	  struct engine_result *ret_results)
{
	for (uint32_t i = 0; i < count; i++)
		run_one(&cases[i], &ret_results[i]);
}

static uint64_t
model_counters(uint64_t ret_verdicts[FL_VERDICT_COUNT])
{
	memcpy(ret_verdicts, counted, sizeof counted);
	return received;
}

static const struct plane_tables *
model_tables(void)
{
	return &fixture->tables;
}

static struct fl_flow_counter
model_flow_counter(uint32_t record)
{
	return flow_counters[record];
}

static bool
model_close(void)
{
	free(flow_counters);
	model_forget(&model);
	for (uint32_t i = 0; i < model.vip_count; i++) {
		free((void *)model.vips[i].backends);
		free((void *)model.vips[i].rows);
	}
	free((void *)model.vips);
	return true;
}

const struct engine engine_model = {
	.name = "model",
	.open = model_open,
	.flush = model_flush,
	.layout_count = 1,
	.layout_name = model_layout_name,
	.run = model_run,
	.counters = model_counters,
	.tables = model_tables,
	.flow_counter = model_flow_counter,
	.close = model_close,
};
