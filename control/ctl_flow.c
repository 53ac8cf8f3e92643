/* SPDX-License-Identifier: BSD-2-Clause */
/* flow.explain: a plane's own answer; nothing of the decision is computed here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_state.h"
#include "model_view.h"

struct explain_job {
	struct ctl *ctl;
	struct rpc_call *call;
};

/* A plane's refusal goes on as it is, with its name. */
static void
explain_refused(const struct explain_job *job, const struct gather_answer *answer)
{
	const cJSON *data = json_get(answer->error, "data");

	rpc_fail_plain(job->call, json_get_string(data, "code", "plane_refused"),
		       json_get_string(data, "hint", ""), "plane %s: %s", answer->plane,
		       json_get_string(answer->error, "message", "no reason given"));
	ctl_wake(job->ctl);
}

static void
explain_done(struct gather_result *result)
{
	struct explain_job *job = result->user;
	struct gather_answer *answer = &result->answers[0];

	if (result->count == 0) {
		ctl_refuse(job->ctl, job->call, "plane_unavailable",
			   "that plane is not connected; fairlead status tells why");
	} else if (answer->error != NULL) {
		explain_refused(job, answer);
	} else if (answer->result == NULL) {
		ctl_refuse(job->ctl, job->call, "plane_unavailable",
			   "the plane went away before it answered; try again");
	} else {
		(void)cJSON_AddStringToObject(answer->result, "plane", answer->plane);
		ctl_reply(job->ctl, job->call, answer->result);
		answer->result = NULL;
	}
	free(job);
}

/* "203.0.113.9:51515" or "[2001:db8::9]:51515": one address, one port. */
static bool
end_parse(const char *text, struct addr_endpoint *ret_end)
{
	struct addr_endpoint end;
	char with_protocol[160];

	snprintf(with_protocol, sizeof with_protocol, "%.128s/tcp", text);
	if (addr_endpoint_parse(with_protocol, &end) < 0 || end.to.bits != ADDR_BITS ||
	    end.port != end.port_last)
		return false;
	*ret_end = end;
	return true;
}

/* Both ends of the flow; the destination is in the VIP: its first address and port, or as asked.
 * false: the client was told why not. */
static bool
explain_ends(struct ctl *ctl, struct rpc_call *call, const struct addr_endpoint *vip,
	     struct addr_endpoint ret_ends[2])
{
	const char *destination = json_get_string(call->params, "destination", NULL);
	char text[ADDR_ENDPOINT_TEXT_MAX];

	if (!end_parse(json_get_string(call->params, "source", ""), &ret_ends[0])) {
		ctl_refuse(ctl, call, "invalid_value",
			   "the source must be ADDRESS:PORT, as 203.0.113.9:51515 or "
			   "[2001:db8::9]:51515");
		return false;
	}
	ret_ends[1] = *vip;
	if (destination != NULL && !end_parse(destination, &ret_ends[1])) {
		ctl_refuse(ctl, call, "invalid_value",
			   "the destination must be ADDRESS:PORT, as 192.0.2.1:80 or "
			   "[2001:db8::1]:80");
		return false;
	}
	if (addr_is_ipv4(&ret_ends[0].to.address) != addr_is_ipv4(&ret_ends[1].to.address)) {
		ctl_refuse(ctl, call, "invalid_value",
			   "the source and the VIP must both be IPv4 or both be IPv6");
		return false;
	}
	if (!addr_prefix_has(&vip->to, &ret_ends[1].to.address) || ret_ends[1].port < vip->port ||
	    ret_ends[1].port > vip->port_last) {
		rpc_fail_plain(call, "invalid_value",
			       "take an address and a port of the VIP, or leave the destination "
			       "out",
			       "the destination %.64s is not in the VIP %s", destination,
			       addr_endpoint_format(vip, text));
		ctl_wake(ctl);
		return false;
	}
	return true;
}

static cJSON *
explain_params(const struct addr_endpoint ends[2], uint8_t protocol, bool is_syn)
{
	char from[ADDR_TEXT_MAX];
	char to[ADDR_TEXT_MAX];
	cJSON *params = cJSON_CreateObject();

	if (params != NULL &&
	    cJSON_AddStringToObject(params, "source", addr_format(&ends[0].to.address, from)) &&
	    cJSON_AddNumberToObject(params, "source_port", ends[0].port) &&
	    cJSON_AddStringToObject(params, "destination", addr_format(&ends[1].to.address, to)) &&
	    cJSON_AddNumberToObject(params, "destination_port", ends[1].port) &&
	    cJSON_AddStringToObject(params, "protocol", addr_protocol_name(protocol)) &&
	    cJSON_AddBoolToObject(params, "syn", is_syn))
		return params;
	cJSON_Delete(params);
	return NULL;
}

/* The plane to ask: the named one, or the first that is there. NULL: there is none; *ret_known: it
 * has the name. */
static const char *
plane_choose(const struct pusher *pusher, const char *name, bool *ret_known)
{
	*ret_known = name == NULL;
	for (uint32_t i = 0; i < pusher_plane_count(pusher); i++) {
		struct push_plane_view view;

		pusher_plane(pusher, i, &view);
		if (name != NULL && strcmp(name, plane_link_name(view.link)) != 0)
			continue;
		*ret_known = true;
		if (view.state != PUSH_CONNECTING)
			return plane_link_name(view.link);
	}
	return NULL;
}

static void
explain_ask(struct ctl *ctl, struct rpc_call *call, const char *plane, const cJSON *params)
{
	struct explain_job *job = malloc(sizeof *job);
	const struct gather_question question = { .method = "plane.explain",
						  .params = params,
						  .plane = plane,
						  .done = explain_done,
						  .user = job };
	int r = -ENOMEM;

	if (job != NULL && params != NULL) {
		*job = (struct explain_job){ ctl, call };
		r = gather(ctl->options.pusher, &question);
	}
	if (r == 0)
		return;
	free(job);
	ctl_refuse_gather(ctl, call, r);
}

void
ctl_flow_explain(struct ctl *ctl, struct rpc_call *call)
{
	const char *vip_name = json_get_string(call->params, "vip", "");
	const char *plane_name = json_get_string(call->params, "plane", NULL);
	bool is_syn = json_get_boolean(call->params, "syn", false);
	const struct config_vip *vip = config_find_vip(ctl->options.model->config, vip_name);
	struct addr_endpoint ends[2];
	const char *plane;
	bool known;
	cJSON *params;

	if (vip == NULL) {
		ctl_refuse_vip(ctl, call, vip_name);
		return;
	}
	if (is_syn && vip->endpoint.protocol != IPPROTO_TCP) {
		ctl_refuse(ctl, call, "invalid_value",
			   "only a packet to a TCP VIP can be a SYN: leave --syn out");
		return;
	}
	if (!explain_ends(ctl, call, &vip->endpoint, ends))
		return;
	plane = plane_choose(ctl->options.pusher, plane_name, &known);
	if (plane == NULL) {
		ctl_refuse(ctl, call, known ? "plane_unavailable" : "unknown_plane",
			   known ? "no plane to ask is connected now; fairlead status tells why"
				 : "the configuration has no plane of that name; fairlead status "
				   "shows all");
		return;
	}
	params = explain_params(ends, vip->endpoint.protocol, is_syn);
	explain_ask(ctl, call, plane, params);
	cJSON_Delete(params);
}
