/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer of plane.stats. Each function returns false, or NULL, when there is no memory; the
 * answer is then dropped whole.
 */
#include "plane_private.h"
#include "rows.h"

static bool
put_verdicts(struct plane *plane, cJSON *answer)
{
	const struct plane_engine *engine = &plane->options.engine;
	uint64_t packets[FL_VERDICT_COUNT] = { 0 }, received = 0;
	cJSON *verdicts = cJSON_CreateArray();
	bool fine = verdicts != NULL;

	engine->verdicts(engine->user, packets);
	for (uint32_t i = 0; fine && i < FL_VERDICT_COUNT; i++) {
		cJSON *verdict = cJSON_CreateObject();

		received += packets[i];
		fine = plane_put(verdicts, NULL, verdict) &&
		       plane_put_text(verdict, "verdict", plane_verdict_name(i)) &&
		       json_add_u64(verdict, "packets", packets[i]);
	}
	fine = fine && json_add_u64(answer, "received", received);
	return plane_put(answer, "verdicts", verdicts) && fine;
}

static bool
put_events(struct plane *plane, cJSON *answer)
{
	const struct plane_engine *engine = &plane->options.engine;
	uint64_t counts[FL_EVENT_COUNT] = { 0 };
	cJSON *events = cJSON_CreateArray();
	bool fine = plane_put(answer, "events", events);

	engine->events(engine->user, counts);
	for (uint32_t i = 0; fine && i < FL_EVENT_COUNT; i++) {
		cJSON *event = cJSON_CreateObject();

		fine = plane_put(events, NULL, event) &&
		       plane_put_text(event, "event", plane_event_name(i)) &&
		       json_add_u64(event, "count", counts[i]);
	}
	return fine;
}

static bool
put_counter(cJSON *object, struct fl_counter counter)
{
	return json_add_u64(object, "packets", counter.packets) &&
	       json_add_u64(object, "bytes", counter.bytes);
}

static bool
put_next_hop(const struct plane *plane, const struct state_backend *backend, cJSON *object)
{
	struct nexthop_view view = nexthop_view(backend->hop);
	char text[18];

	if (!view.reachable)
		return plane_put_text(object, "next_hop", "unreachable");
	return plane_put_text(object, "next_hop", "reachable") &&
	       plane_put_text(object, "port", plane->options.ports[view.port].name) &&
	       plane_put_text(object, "mac", plane_mac_text(fl_mac_word(view.mac), text));
}

static bool
put_holders(const struct plane *plane, const struct state_vip *vip,
	    const struct state_backend *backend, cJSON *object)
{
	struct rows_backend look = rows_look(plane->state.rows, vip, backend);

	return json_add_u64(object, "rows", backend->rows) &&
	       json_add_u64(object, "rows_leaving", backend->rows_leaving) &&
	       json_add_u64(object, "flows", look.flows) &&
	       (look.is_drained || json_add_u64(object, "idle_ms", look.idle_ms)) &&
	       cJSON_AddBoolToObject(object, "drained", look.is_drained) != NULL;
}

static cJSON *
backend_answer(const struct plane *plane, const struct state_vip *vip,
	       const struct state_backend *backend)
{
	cJSON *object = cJSON_CreateObject();

	if (object != NULL && plane_put_address(object, "address", &backend->address) &&
	    json_add_u64(object, "weight", backend->weight) &&
	    put_holders(plane, vip, backend, object) &&
	    put_counter(object, state_backend_count(&plane->state, vip, backend)) &&
	    put_next_hop(plane, backend, object))
		return object;
	cJSON_Delete(object);
	return NULL;
}

/** What moves, and what is tracked meanwhile. */
static bool
put_rows(const struct plane *plane, const struct state_vip *vip, cJSON *object)
{
	struct fl_flow_counter events = state_flow_count(&plane->state, vip);
	uint64_t flows = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++)
		flows +=
			rows_flows(plane->state.rows, vip->slot_base + vip->backends[i].slot_index);
	return json_add_u64(object, "window_s", vip->policy.window_s) &&
	       json_add_u64(object, "hold_s", vip->policy.hold_s) &&
	       json_add_u64(object, "rows_moving", vip->row_counts.moving) &&
	       json_add_u64(object, "rows_settling", vip->row_counts.settling) &&
	       json_add_u64(object, "stable_in_ms", rows_ms(vip->row_counts.stable_in)) &&
	       json_add_u64(object, "flows", flows) &&
	       json_add_u64(object, "flow_failures", events.failed) &&
	       json_add_u64(object, "flow_evictions", events.evicted) &&
	       json_add_u64(object, "row_races", events.raced) &&
	       json_add_u64(object, "windows_extended", events.extended);
}

static bool
put_vip(const struct plane *plane, const struct state_vip *vip, cJSON *vips)
{
	cJSON *object = cJSON_CreateObject(), *backends = cJSON_CreateArray();
	bool fine = plane_put(vips, NULL, object);

	fine = fine && endpoint_put(object, &vip->endpoint) && policy_put(object, &vip->policy) &&
	       json_add_u64(object, "table_size", vip->row_count) &&
	       put_counter(object, state_vip_count(&plane->state, vip)) &&
	       put_rows(plane, vip, object);
	for (uint32_t i = 0; fine && i < vip->backend_count; i++)
		fine = plane_put(backends, NULL, backend_answer(plane, vip, &vip->backends[i]));
	if (!fine) {
		cJSON_Delete(backends);
		return false;
	}
	return plane_put(object, "backends", backends);
}

static bool
put_vips(const struct plane *plane, const struct state_vip *only, cJSON *answer)
{
	const struct state_set *set = &plane->state.set;
	cJSON *vips = cJSON_CreateArray();
	bool fine = plane_put(answer, "vips", vips);

	if (fine && only != NULL)
		return put_vip(plane, only, vips);
	for (uint32_t i = 0; fine && i < set->vip_count; i++)
		fine = put_vip(plane, set->vips[i], vips);
	return fine;
}

static bool
put_ports(struct plane *plane, cJSON *answer)
{
	const struct plane_engine *engine = &plane->options.engine;
	cJSON *ports = cJSON_CreateArray();
	bool fine = plane_put(answer, "ports", ports);

	for (uint32_t i = 0; fine && i < plane->options.port_count; i++) {
		struct plane_port_stats stats = { 0 };
		uint64_t word = plane->options.tables->ports[i].word;
		cJSON *port = cJSON_CreateObject();
		char text[18];

		engine->port_stats(engine->user, i, &stats);
		fine = plane_put(ports, NULL, port) &&
		       plane_put_text(port, "name", plane->options.ports[i].name) &&
		       plane_put_text(port, "mac", plane_mac_text(word, text)) &&
		       json_add_u64(port, "mtu", fl_port_mtu(word)) &&
		       json_add_u64(port, "rx_packets", stats.rx_packets) &&
		       json_add_u64(port, "tx_packets", stats.tx_packets) &&
		       json_add_u64(port, "rx_missed", stats.rx_missed);
	}
	return fine;
}

static bool
put_cores(struct plane *plane, cJSON *answer)
{
	const struct plane_engine *engine = &plane->options.engine;
	cJSON *cores = cJSON_CreateArray();
	bool fine = plane_put(answer, "cores", cores);

	for (uint32_t i = 0; fine && i < engine->core_count; i++) {
		struct plane_core_stats stats = { 0 };
		cJSON *core = cJSON_CreateObject();

		engine->core_stats(engine->user, i, &stats);
		fine = plane_put(cores, NULL, core) && json_add_u64(core, "core", stats.core) &&
		       json_add_u64(core, "received", stats.received) &&
		       json_add_u64(core, "busy_cycles", stats.busy_cycles) &&
		       json_add_u64(core, "idle_cycles", stats.idle_cycles);
	}
	return fine;
}

cJSON *
stats_answer(struct plane *plane, const struct state_vip *vip)
{
	const struct state_set *set = &plane->state.set;
	cJSON *answer = cJSON_CreateObject();
	struct rows *rows = plane->state.rows;
	char digest[PLANE_DIGEST_TEXT_BYTES], rows_digest[PLANE_DIGEST_TEXT_BYTES];

	rows_refresh(rows);
	if (answer != NULL && json_add_u64(answer, "generation", set->generation) &&
	    plane_put_text(answer, "digest", plane_digest_text(set->digest, digest)) &&
	    plane_put_text(answer, "rows_digest",
			   plane_digest_text(rows_set_digest(rows), rows_digest)) &&
	    json_add_u64(answer, "tick", plane->options.tables->clock->tick) &&
	    put_verdicts(plane, answer) && put_vips(plane, vip, answer) &&
	    put_events(plane, answer) && put_ports(plane, answer) && put_cores(plane, answer))
		return answer;
	cJSON_Delete(answer);
	return NULL;
}
