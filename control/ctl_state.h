/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What the ctl_*.c files share: the inside of the control socket, the methods, and how they answer.
 */
#ifndef CONTROL_CTL_STATE_H
#define CONTROL_CTL_STATE_H

#include <sys/types.h>

#include "ctl.h"
#include "gather.h"

#define CTL_UID_UNKNOWN ((uid_t)-1)

struct ctl_client {
	struct ctl *ctl;
	int fd;	   /**< -1: the place is free */
	uid_t uid; /**< of the peer; CTL_UID_UNKNOWN */
	struct rpc_session *session;
	struct event *readable;
	struct event *writable;
	struct json_buffer text; /**< parts of a configuration that came with "more" */
	int64_t active_ms;	 /**< last time it asked or took something */
	int64_t unsent_since_ms; /**< answers wait since then; 0: none wait */
};

struct ctl {
	struct ctl_options options;
	struct event *acceptable;
	struct event *resume; /**< timer: accept again */
	struct event *tick;   /**< timer: late clients */
	struct event *flush;  /**< answers were made outside of a client's own turn */
	uint32_t client_count;
	struct ctl_client clients[CTL_CLIENTS_MAX];
};

/** A method. It answers its call now or later, exactly once. call->user is its client, valid now
 * only. */
typedef void (*ctl_method)(struct ctl *ctl, struct rpc_call *call);

void ctl_status(struct ctl *ctl, struct rpc_call *call);
void ctl_version(struct ctl *ctl, struct rpc_call *call);
void ctl_config_check(struct ctl *ctl, struct rpc_call *call);
void ctl_config_diff(struct ctl *ctl, struct rpc_call *call);
void ctl_config_apply(struct ctl *ctl, struct rpc_call *call);
void ctl_config_show(struct ctl *ctl, struct rpc_call *call);
void ctl_vip_list(struct ctl *ctl, struct rpc_call *call);
void ctl_vip_show(struct ctl *ctl, struct rpc_call *call);
void ctl_backend_list(struct ctl *ctl, struct rpc_call *call);
void ctl_backend_drain(struct ctl *ctl, struct rpc_call *call);
void ctl_backend_remove(struct ctl *ctl, struct rpc_call *call);
void ctl_backend_undrain(struct ctl *ctl, struct rpc_call *call);
void ctl_backend_weight(struct ctl *ctl, struct rpc_call *call);
void ctl_flow_explain(struct ctl *ctl, struct rpc_call *call);

/** A change on its way, for a call. */
struct ctl_job {
	struct push_job job; /**< first: the pusher gives this back */
	struct ctl *ctl;
	struct rpc_call *call;
	cJSON *warnings; /**< of the file */
	char *backend;
	char *vip;
};

/** @return NULL: no memory, and the call has been answered so. To be called within the client's own
 * turn: the log is to name who asked. */
struct ctl_job *ctl_job_create(struct ctl *ctl, struct rpc_call *call);

/** Add to what the log says of the job, behind who asked. */
void
ctl_job_say(struct ctl_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Hand the job to the pusher; when it takes no more, the call is answered so. */
void ctl_job_submit(struct ctl_job *job);

/** Answer a job that failed. @return false: it did not fail. */
bool ctl_job_failed(struct ctl_job *job, const struct push_result *result);

/** What every change that was made answers; takes it out of @p result. NULL: no memory. */
cJSON *ctl_job_answer(struct push_result *result);
void ctl_job_destroy(struct ctl_job *job);

/** Answer and make sure it is sent; both take @p call. A NULL result: no memory. */
void ctl_reply(struct ctl *ctl, struct rpc_call *call, cJSON *result);
void ctl_fail(struct ctl *ctl, struct rpc_call *call, const struct json_errors *errors);

/** One error without a place in a document. */
void ctl_refuse(struct ctl *ctl, struct rpc_call *call, const char *data_code, const char *message);

void ctl_refuse_vip(struct ctl *ctl, struct rpc_call *call, const char *name);

/** The question to the planes could not be asked: @p error is that of gather(). */
void ctl_refuse_gather(struct ctl *ctl, struct rpc_call *call, int error);

/** Ask for answers made just now to be sent. */
void ctl_wake(struct ctl *ctl);

#endif
