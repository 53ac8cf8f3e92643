/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The methods of the plane socket (docs/formats.md, section 2). One change is prepared at a time
 * and belongs to the client that asked for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "plane_private.h"

enum { PROTOCOL_VERSION = 1 };

/** A call and what it is served with. */
struct request {
	struct plane *plane;
	struct rpc_call *call;
	const struct server_client *owner;
};

/* --- refusing --- */

/** Codes of what was understood and is refused for the state of the plane, not for a wrong
 * document. */
static bool
is_refusal(const char *code)
{
	static const char *const codes[] = { "limit_exceeded", "no_encapsulation",
					     "generation_out_of_order", "unknown_vip" };

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

static void
fail_errors(const struct request *request)
{
	const struct json_errors *errors = &request->plane->errors;

	rpc_fail(request->call,
		 is_refusal(errors->items[0].code) ? RPC_REFUSED : RPC_INVALID_PARAMS, errors);
}

static void
fail_memory(const struct request *request)
{
	rpc_fail_plain(request->call, "no_memory", NULL,
		       "there is not enough memory for this request; nothing has changed");
}

/** The parameters against their table; absent ones are an empty object. Refuses the call when
 * false. */
static bool
check_params(const struct request *request, const struct json_field *fields)
{
	struct json_errors *errors = &request->plane->errors;

	if (request->call->params == NULL) {
		for (uint32_t i = 0; fields[i].name != NULL; i++)
			if (fields[i].required)
				json_error_add(errors, NULL, "missing_member", NULL,
					       "member \"%s\" is missing", fields[i].name);
	} else {
		(void)json_check(request->call->params, fields, NULL, errors);
	}
	if (errors->count == 0)
		return true;
	fail_errors(request);
	return false;
}

static void
reply_if(const struct request *request, cJSON *result, bool fine)
{
	if (!fine) {
		cJSON_Delete(result);
		result = NULL;
	}
	rpc_reply(request->call, result);
}

/* --- plane.hello --- */

/** Equal exactly when the hash keys are, and tells nothing else of them: a hash that no packet has.
 */
static uint64_t
key_check(const struct plane *plane)
{
	struct fl_packet packet = { .to = { .ip_proto = 0xff } };

	return fl_flow_hash(&plane->options.tables->config->key, &packet);
}

static bool
put_encapsulation(const struct plane *plane, cJSON *result)
{
	cJSON *families = cJSON_CreateArray();
	bool fine = plane_put(result, "encapsulation", families);

	if (plane->options.has_source_ipv4)
		fine = fine && plane_put(families, NULL, cJSON_CreateString("ipv4"));
	if (plane->options.has_source_ipv6)
		fine = fine && plane_put(families, NULL, cJSON_CreateString("ipv6"));
	return fine;
}

static bool
put_limits(const struct plane *plane, cJSON *result)
{
	cJSON *limits = cJSON_CreateObject();

	return plane_put(result, "limits", limits) &&
	       json_add_u64(limits, "vips", plane->options.limits.vips) &&
	       json_add_u64(limits, "backends", plane->options.limits.backends) &&
	       json_add_u64(limits, "rows", plane->options.limits.rows) &&
	       json_add_u64(limits, "fragments", plane->options.limits.fragments) &&
	       json_add_u64(limits, "flows", plane->options.limits.flows);
}

static void
hello(const struct request *request)
{
	static const struct json_field fields[] = { { 0 } };
	const struct plane *plane = request->plane;
	const struct plane_options *options = &plane->options;
	const struct state_set *set = &plane->state.set;
	char digest[PLANE_DIGEST_TEXT_BYTES], key[PLANE_DIGEST_TEXT_BYTES];
	cJSON *result;
	bool fine;

	if (!check_params(request, fields))
		return;
	result = cJSON_CreateObject();
	fine = result != NULL && json_add_u64(result, "protocol", PROTOCOL_VERSION) &&
	       plane_put_text(result, "version", FL_VERSION) &&
	       plane_put_text(result, "kind", options->kind) &&
	       plane_put_text(result, "name", options->name) &&
	       json_add_u64(result, "generation", set->generation) &&
	       plane_put_text(result, "digest", plane_digest_text(set->digest, digest));
	if (plane->change != NULL && plane->change->built)
		fine = fine && json_add_u64(result, "prepared", plane->change->next.generation);
	else
		fine = fine && cJSON_AddNullToObject(result, "prepared") != NULL;
	fine = fine &&
	       plane_put_text(result, "key_check", plane_digest_text(key_check(plane), key)) &&
	       put_encapsulation(plane, result) && put_limits(plane, result);
	reply_if(request, result, fine);
}

/* --- plane.prepare --- */

static void
drop_change(struct plane *plane)
{
	change_destroy(plane->change);
	plane->change = NULL;
	plane->change_owner = NULL;
}

/** Of the backends that have a weight, the one with the most rows for it against all of them, in
 * millionths: the protocol has whole numbers only. 0: nobody has rows. */
static uint64_t
share_max_over_mean_ppm(const struct state_vip *vip)
{
	uint64_t rows = 0, weights = 0;
	double most = 0;

	for (uint32_t i = 0; i < vip->backend_count; i++) {
		const struct state_backend *backend = &vip->backends[i];
		double share = backend->weight > 0 ? (double)backend->rows / backend->weight : 0;

		rows += backend->rows;
		weights += backend->weight;
		most = share > most ? share : most;
	}
	return rows > 0 ? (uint64_t)(1e6 * most * (double)weights / (double)rows + 0.5) : 0;
}

static bool
put_item(cJSON *vips, const struct change_item *item)
{
	const struct state_vip *vip = item->new != NULL ? item->new : item->old;
	cJSON *object = cJSON_CreateObject();

	return plane_put(vips, NULL, object) && endpoint_put(object, &vip->endpoint) &&
	       plane_put_text(object, "change", change_name(item)) &&
	       json_add_u64(object, "rows", vip->row_count) &&
	       json_add_u64(object, "rows_moved", item->rows_moved) &&
	       json_add_u64(object, "rows_minimum", item->rows_minimum) &&
	       json_add_u64(object, "share_max_over_mean_ppm", share_max_over_mean_ppm(vip)) &&
	       json_add_u64(object, "window_s", vip->policy.window_s) &&
	       json_add_u64(object, "flows_cut", item->flows_cut);
}

/** What is allowed, but most likely not meant. @return the sentence's length; 0: nothing. */
static int
warn_of_rows(const struct change *change, const struct change_item *item, char *text, size_t size)
{
	const struct state_vip *vip = item->new;
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];
	uint32_t rows = 0;

	addr_endpoint_format(&vip->endpoint, endpoint);
	for (uint32_t i = 0; i < vip->backend_count; i++)
		rows += vip->backends[i].rows;
	if (rows == 0)
		return snprintf(
			text, size,
			"VIP %s has no backend with a weight above 0: its packets are %s", endpoint,
			vip->policy.no_backend == VIP_NO_BACKEND_HOST ? "the host's" : "dropped");
	if (vip->row_count / vip->backend_count < MAGLEV_ROWS_PER_BACKEND_GOOD)
		return snprintf(
			text, size,
			"VIP %s has %u rows for %u backends: under %d rows each, shares get uneven",
			endpoint, vip->row_count, vip->backend_count, MAGLEV_ROWS_PER_BACKEND_GOOD);
	return 0;
}

static int
warn_of_slots(const struct change *change, const struct change_item *item, char *text, size_t size)
{
	uint32_t least = change_slots_least(item);
	char endpoint[ADDR_ENDPOINT_TEXT_MAX];

	if (!item->is_tight)
		return 0;
	return snprintf(text, size,
			"VIP %s has %u spare slots instead of %u: more backends than that will "
			"need a range of slots of their own, or be refused; raise limits.backends "
			"in the plane's configuration, which is %u",
			addr_endpoint_format(&item->new->endpoint, endpoint),
			item->new->slot_count - least, change_slots_roomy(item) - least,
			change->state->options->limits.backends);
}

static bool
put_warnings(const struct change *change, cJSON *result)
{
	static int (*const warners[])(const struct change *, const struct change_item *, char *,
				      size_t) = { warn_of_rows, warn_of_slots };
	enum { WARNERS = sizeof warners / sizeof warners[0] };
	cJSON *warnings = cJSON_CreateArray();
	bool fine = plane_put(result, "warnings", warnings);
	uint32_t count = 0;
	char text[384];

	for (uint32_t i = 0; fine && i < WARNERS * change->item_count; i++) {
		const struct change_item *item = &change->items[i / WARNERS];

		if (item->new == NULL || warners[i % WARNERS](change, item, text, sizeof text) == 0)
			continue;
		if (count++ < PLANE_WARNINGS_MAX)
			fine = plane_put(warnings, NULL, cJSON_CreateString(text));
	}
	if (count <= PLANE_WARNINGS_MAX)
		return fine;
	snprintf(text, sizeof text, "and %u more warnings", count - PLANE_WARNINGS_MAX);
	return fine && plane_put(warnings, NULL, cJSON_CreateString(text));
}

static void
reply_prepared(const struct request *request)
{
	const struct change *change = request->plane->change;
	char digest[PLANE_DIGEST_TEXT_BYTES];
	cJSON *result = cJSON_CreateObject(), *vips = cJSON_CreateArray();
	bool fine =
		result != NULL && json_add_u64(result, "generation", change->next.generation) &&
		plane_put_text(result, "digest", plane_digest_text(change->next.digest, digest));

	fine = plane_put(result, "vips", vips) && fine;
	for (uint32_t i = 0; fine && i < change->item_count; i++)
		fine = put_item(vips, &change->items[i]);
	fine = fine && put_warnings(change, result);
	if (!fine)
		drop_change(request->plane); /* the client will not know of it */
	reply_if(request, result, fine);
}

static void
reply_part(const struct request *request)
{
	const struct want *want = &request->plane->change->want;
	cJSON *result = cJSON_CreateObject();
	bool fine = result != NULL && json_add_u64(result, "generation", want->generation) &&
		    json_add_u64(result, "parts", want->part_count);

	if (!fine)
		drop_change(request->plane);
	reply_if(request, result, fine);
}

/** May this client prepare now? Refuses the call when false. */
static bool
may_prepare(const struct request *request)
{
	const struct change *change = request->plane->change;

	if (change == NULL || (request->plane->change_owner == request->owner && !change->built))
		return true;
	rpc_fail_plain(request->call, "already_prepared",
		       request->plane->change_owner == request->owner
			       ? "commit or abort it first"
			       : "try again when that client has committed or aborted it",
		       "generation %" PRIu64 " is %s%s", change->want.generation,
		       change->built ? "prepared already" : "being prepared",
		       request->plane->change_owner == request->owner ? "" : " by another client");
	return false;
}

static int
prepare_part(const struct request *request)
{
	struct plane *plane = request->plane;
	int r = 0;

	if (plane->change == NULL)
		r = change_create(&plane->state, &plane->change);
	if (r < 0)
		return r;
	plane->change_owner = request->owner;
	r = change_add_part(plane->change, request->call->params, &plane->errors);
	if (r == 0 && !plane->change->want.more)
		r = change_build(plane->change, &plane->errors);
	return r;
}

static void
prepare(const struct request *request)
{
	struct plane *plane = request->plane;
	int r;

	if (!may_prepare(request))
		return;
	r = prepare_part(request);
	if (r < 0) {
		drop_change(plane);
		if (plane->errors.count > 0)
			fail_errors(request);
		else
			fail_memory(request);
	} else if (plane->change->built) {
		reply_prepared(request);
	} else {
		reply_part(request);
	}
}

/* --- plane.commit, plane.abort --- */

static const struct json_field generation_fields[] = {
	{ .name = "generation",
	  .kind = JSON_KIND_INTEGER,
	  .required = true,
	  .min = 1,
	  .max = JSON_INTEGER_MAX },
	{ 0 },
};

/** Is the named generation prepared by this client? Refuses the call when false. */
static bool
is_prepared(const struct request *request)
{
	const struct plane *plane = request->plane;
	uint64_t generation;

	if (!check_params(request, generation_fields))
		return false;
	generation = (uint64_t)json_get_integer(request->call->params, "generation", 0);
	if (plane->change == NULL)
		rpc_fail_plain(request->call, "not_prepared", "call plane.prepare first",
			       "generation %" PRIu64 " is not prepared", generation);
	else if (plane->change_owner != request->owner)
		rpc_fail_plain(request->call, "not_prepared",
			       "a change belongs to the client that prepared it",
			       "generation %" PRIu64
			       " is not prepared by this client, another one is "
			       "preparing generation %" PRIu64,
			       generation, plane->change->want.generation);
	else if (plane->change->want.generation != generation)
		rpc_fail_plain(request->call, "not_prepared", NULL,
			       "generation %" PRIu64 " is not prepared, %" PRIu64 " is", generation,
			       plane->change->want.generation);
	else
		return true;
	return false;
}

static void
reply_generation(const struct request *request, bool with_digest)
{
	const struct state_set *set = &request->plane->state.set;
	char digest[PLANE_DIGEST_TEXT_BYTES];
	cJSON *result = cJSON_CreateObject();
	bool fine = result != NULL && json_add_u64(result, "generation", set->generation);

	if (with_digest)
		fine = fine &&
		       plane_put_text(result, "digest", plane_digest_text(set->digest, digest));
	reply_if(request, result, fine);
}

static void
log_committed(const struct plane *plane)
{
	const struct state_set *set = &plane->state.set;
	char message[160], digest[PLANE_DIGEST_TEXT_BYTES];

	snprintf(message, sizeof message, "generation %" PRIu64 " serves: %u VIP%s, digest %s",
		 set->generation, set->vip_count, set->vip_count == 1 ? "" : "s",
		 plane_digest_text(set->digest, digest));
	plane->options.log(LOG_NOTICE, message);
}

static void
commit(const struct request *request)
{
	struct plane *plane = request->plane;
	int r;

	if (!is_prepared(request))
		return;
	if (!plane->change->built) {
		rpc_fail_plain(request->call, "not_prepared",
			       "send the last part, without \"more\"",
			       "only %u parts of generation %" PRIu64 " have come",
			       plane->change->want.part_count, plane->change->want.generation);
		return;
	}
	r = change_commit(plane->change);
	drop_change(plane);
	if (r < 0) {
		rpc_fail_plain(request->call, "internal", "see the plane's log",
			       "the plane could not steer the new VIPs' packets to its cores: %s; "
			       "nothing has changed, and nothing is prepared",
			       strerror(-r));
		return;
	}
	log_committed(plane);
	reply_generation(request, true);
}

static void
abort_change(const struct request *request)
{
	if (!is_prepared(request))
		return;
	drop_change(request->plane);
	reply_generation(request, false);
}

/* --- plane.stats --- */

/** The served VIP that the object names. NULL: the errors say why not. */
static const struct state_vip *
read_served(struct plane *plane, const cJSON *object)
{
	static const struct json_field fields[] = { ENDPOINT_FIELDS, { 0 } };
	struct json_path path = { .name = "vip" };
	struct addr_endpoint endpoint;
	const struct state_vip *vip;
	char text[ADDR_ENDPOINT_TEXT_MAX];

	if (!json_check(object, fields, &path, &plane->errors) ||
	    !endpoint_read(object, &path, &plane->errors, &endpoint))
		return NULL;
	vip = state_find(&plane->state, &endpoint);
	if (vip == NULL)
		json_error_add(&plane->errors, &path, "unknown_vip", NULL, "VIP %s is not served",
			       addr_endpoint_format(&endpoint, text));
	return vip;
}

static void
stats(const struct request *request)
{
	static const struct json_field fields[] = { { .name = "vip", .kind = JSON_KIND_OBJECT },
						    { 0 } };
	struct plane *plane = request->plane;
	const struct state_vip *vip = NULL;
	const cJSON *only;

	if (!check_params(request, fields))
		return;
	only = json_get(request->call->params, "vip");
	if (only != NULL)
		vip = read_served(plane, only);
	if (only != NULL && vip == NULL)
		fail_errors(request);
	else
		rpc_reply(request->call, stats_answer(plane, vip));
}

/* --- plane.explain --- */

static const struct json_field explain_fields[] = {
	{ .name = "source", .kind = JSON_KIND_STRING, .required = true, .max = ADDR_TEXT_MAX },
	{ .name = "source_port", .kind = JSON_KIND_INTEGER, .required = true, .max = 65535 },
	{ .name = "destination", .kind = JSON_KIND_STRING, .required = true, .max = ADDR_TEXT_MAX },
	{ .name = "destination_port", .kind = JSON_KIND_INTEGER, .required = true, .max = 65535 },
	{ .name = "protocol", .kind = JSON_KIND_STRING, .required = true, .max = 16 },
	{ .name = "bytes", .kind = JSON_KIND_INTEGER, .max = PLANE_EXPLAIN_BYTES_MAX },
	{ .name = "syn", .kind = JSON_KIND_BOOLEAN },
	{ 0 },
};

static void
read_address(const struct request *request, const char *name, struct addr *ret_address)
{
	const char *text = json_get_string(request->call->params, name, "");
	struct json_path path = { .name = name };

	/* any address: what a client may send is for the tables to say */
	if (addr_parse(text, ret_address) < 0)
		json_error_add(&request->plane->errors, &path, "invalid_value", NULL,
			       "\"%s\" is not an IP address", text);
}

static void
read_packet(const struct request *request, struct explain_packet *packet)
{
	const cJSON *params = request->call->params;
	struct json_errors *errors = &request->plane->errors;
	const char *protocol = json_get_string(params, "protocol", "");
	struct json_path path = { .name = "protocol" };
	uint32_t bytes_min;

	read_address(request, "source", &packet->source);
	read_address(request, "destination", &packet->destination);
	packet->source_port = (uint16_t)json_get_integer(params, "source_port", 0);
	packet->destination_port = (uint16_t)json_get_integer(params, "destination_port", 0);
	packet->protocol = addr_protocol_parse(protocol);
	if (packet->protocol == 0)
		json_error_add(errors, &path, "invalid_value", NULL,
			       "\"%s\" is not a protocol: it must be \"tcp\" or \"udp\"", protocol);
	packet->is_syn = json_get_boolean(params, "syn", false);
	path.name = "syn";
	if (errors->count == 0 && packet->is_syn && packet->protocol != FL_IPPROTO_TCP)
		json_error_add(errors, &path, "invalid_value", NULL,
			       "only a TCP packet can be a SYN: leave \"syn\" out");
	path.name = "source";
	if (errors->count == 0 &&
	    addr_is_ipv4(&packet->source) != addr_is_ipv4(&packet->destination))
		json_error_add(errors, &path, "invalid_value", NULL,
			       "source and destination must be of one family");
	bytes_min = explain_bytes_min(packet);
	packet->bytes = (uint32_t)json_get_integer(params, "bytes", bytes_min);
	path.name = "bytes";
	if (errors->count == 0 && packet->bytes < bytes_min)
		json_error_add(errors, &path, "out_of_range", NULL,
			       "\"bytes\" must be %u to %d for this packet, but is %u", bytes_min,
			       PLANE_EXPLAIN_BYTES_MAX, packet->bytes);
}

static void
explain(const struct request *request)
{
	struct explain_packet packet = { 0 };

	if (!check_params(request, explain_fields))
		return;
	read_packet(request, &packet);
	if (request->plane->errors.count > 0)
		fail_errors(request);
	else
		rpc_reply(request->call, explain_answer(request->plane, &packet));
}

/* --- dispatch --- */

void
methods_call(struct plane *plane, struct rpc_call *call, const struct server_client *owner)
{
	static const struct {
		const char *name;
		void (*serve)(const struct request *request);
	} methods[] = {
		{ "plane.hello", hello },   { "plane.prepare", prepare },
		{ "plane.commit", commit }, { "plane.abort", abort_change },
		{ "plane.stats", stats },   { "plane.explain", explain },
	};
	enum { METHOD_COUNT = sizeof methods / sizeof methods[0] };
	const struct request request = { .plane = plane, .call = call, .owner = owner };
	const char *names[METHOD_COUNT], *nearest;
	char hint[96];

	plane->errors.count = 0;
	plane->errors.dropped = 0;
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		names[i] = methods[i].name;
		if (strcmp(methods[i].name, call->method) == 0) {
			methods[i].serve(&request);
			return;
		}
	}
	nearest = json_suggest(call->method, names, METHOD_COUNT);
	if (nearest != NULL)
		snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
	rpc_fail_plain(call, "method_not_found", nearest != NULL ? hint : NULL,
		       "a plane has no method \"%s\"", call->method);
}

void
methods_forget(struct plane *plane, const struct server_client *owner)
{
	if (plane->change != NULL && plane->change_owner == owner)
		drop_change(plane);
}
