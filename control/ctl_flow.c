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

/* "203.0.113.9:51515" or "[2001:db8::9]:51515". */
static bool
source_parse(const char *text, struct addr_endpoint *ret_source)
{
	char with_protocol[160];

	snprintf(with_protocol, sizeof with_protocol, "%.128s/tcp", text);
	return addr_endpoint_parse(with_protocol, ret_source) == 0;
}

static cJSON *
explain_params(const struct addr_endpoint *vip, const struct addr_endpoint *source)
{
	char from[ADDR_TEXT_MAX];
	char to[ADDR_TEXT_MAX];
	cJSON *params = cJSON_CreateObject();

	if (params != NULL &&
	    cJSON_AddStringToObject(params, "source", addr_format(&source->address, from)) &&
	    cJSON_AddNumberToObject(params, "source_port", source->port) &&
	    cJSON_AddStringToObject(params, "destination", addr_format(&vip->address, to)) &&
	    cJSON_AddNumberToObject(params, "destination_port", vip->port) &&
	    cJSON_AddStringToObject(params, "protocol", addr_protocol_name(vip->protocol)))
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
	const struct config_vip *vip = config_find_vip(ctl->options.model->config, vip_name);
	struct addr_endpoint source;
	const char *plane;
	bool known;
	cJSON *params;

	if (vip == NULL) {
		ctl_refuse_vip(ctl, call, vip_name);
		return;
	}
	if (!source_parse(json_get_string(call->params, "source", ""), &source)) {
		ctl_refuse(ctl, call, "invalid_value",
			   "the source must be ADDRESS:PORT, as 203.0.113.9:51515 or "
			   "[2001:db8::9]:51515");
		return;
	}
	if (addr_is_ipv4(&source.address) != addr_is_ipv4(&vip->endpoint.address)) {
		ctl_refuse(ctl, call, "invalid_value",
			   "the source and the VIP must both be IPv4 or both be IPv6");
		return;
	}
	plane = plane_choose(ctl->options.pusher, plane_name, &known);
	if (plane == NULL) {
		ctl_refuse(ctl, call, known ? "plane_unavailable" : "unknown_plane",
			   known ? "no plane to ask is connected now; fairlead status tells why"
				 : "the configuration has no plane of that name; fairlead status "
				   "shows all");
		return;
	}
	params = explain_params(&vip->endpoint, &source);
	explain_ask(ctl, call, plane, params);
	cJSON_Delete(params);
}
