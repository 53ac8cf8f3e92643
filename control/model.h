/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What should serve: the configuration with what was set while running (drains, weights, ramps,
 * removals), the generation, and what changes between two such states.
 *
 * A state is a `struct config` whose backends carry their runtime settings. It is never edited in
 * place: a change makes a new one, the pusher makes it the model's when the planes have it. No I/O.
 * One thread.
 */
#ifndef CONTROL_MODEL_H
#define CONTROL_MODEL_H

#include "config.h"
#include "history.h"

enum { MODEL_DIGEST_BYTES = 17 /**< 16 hexadecimal digits and NUL */ };

struct model {
	struct config *config; /**< what serves; owned */
	uint64_t generation;   /**< of what serves; 0: no plane had any yet. Never goes back */
	char digest[MODEL_DIGEST_BYTES]; /**< the planes' answer for it; "" not known yet */
	struct history *history;	 /**< of the sets that served; owned */
	uint32_t leaving_count;		 /**< backends on their way out, over all VIPs */
	uint32_t ramp_count;		 /**< backends whose weight is on its way */
	/** Not NULL: called at the end of each model_adopt(). */
	void (*adopted)(void *user);
	void *user;
	const char *state_error; /**< why what was set would be lost by a restart; "" it is kept;
				    borrowed */
};

enum model_edit_kind {
	MODEL_DRAIN,
	MODEL_UNDRAIN,
	MODEL_WEIGHT,
	MODEL_REMOVE,
	MODEL_DROP,	 /**< the daemon's own: of one VIP, leaving backends that are drained */
	MODEL_RAMP_STEP, /**< the daemon's own: every ramp goes to where it is now */
};

/** One `backend drain|undrain|weight|remove`, or a step of the daemon's own. Strings are borrowed.
 */
struct model_edit {
	enum model_edit_kind kind;
	const char *backend; /**< name or address; not of the daemon's own */
	const char *vip;     /**< name or endpoint; NULL: every VIP that has the backend */
	uint32_t weight;     /**< of MODEL_WEIGHT */
	uint32_t over_s;     /**< of MODEL_WEIGHT: how long it takes to get there; 0: at once */
	bool at_once;	     /**< of MODEL_REMOVE: do not wait until it is drained */
	int64_t now_ms;	     /**< monotonic; for ramps */
	const struct addr *drained; /**< of MODEL_DROP */
	uint32_t drained_count;
	bool force; /**< also when nothing of the VIP would own rows any more */
};

enum model_change_kind { MODEL_ADDED, MODEL_CHANGED, MODEL_REMOVED };

struct model_change {
	enum model_change_kind kind;
	uint32_t from; /**< index of the VIP before; not of MODEL_ADDED */
	uint32_t to;   /**< index of the VIP after; not of MODEL_REMOVED */
};

/** VIPs that planes serve differently between two states; names and descriptions are no change. */
struct model_plan {
	uint32_t count;
	struct model_change *changes; /**< in the order of the new state, removed ones last */
};

/** Takes @p config, which begins to serve now. @return 0; -ENOMEM (config is freed then too). */
int model_create(struct config *config, struct model **ret_model);
void model_destroy(struct model *model);

/** Make @p config what serves; the one before is freed. @p now_ms is monotonic. */
void model_adopt(struct model *model, struct config *config, int64_t now_ms);

/** Note that a plane was given the model's state: from now on no backend goes without a drain. */
void model_was_served(struct model *model);

/** Planes have it: it was not removed. */
bool model_is_pushed(const struct config_backend *backend);

/** Something was set of it while running, or no file has it. */
bool model_is_overlaid(const struct config_backend *backend);

/** The weight a plane gets. */
uint32_t model_weight(const struct config_backend *backend);

/** The sum over its backends; 0: nothing serves it. */
uint64_t model_vip_weight(const struct config_vip *vip);

/** "present", "leaving" or "removed". */
const char *model_removal(const struct config_backend *backend);

/** "drained" or "enabled": what the operator wants of it, whatever its weight. */
const char *model_admin(const struct config_backend *backend);

/** Arrays that get a sentence for each thing that an operator should know; may be one array. */
struct model_notes {
	cJSON *kept; /**< what was set while running and stays */
	cJSON *cuts; /**< what ends connections */
};

/**
 * Carry what was set while running over to a new configuration, for backends that are still in it.
 * A runtime weight that the new file also has ends. Backends that are not in it any more, but that
 * planes were given, are added as leaving, where the VIP tracks flows and has room for them.
 *
 * @param notes get a sentence for each that is kept, and about each VIP that cuts connections, as
 *        it is removed, has another table, or has no room for what would leave.
 * @return 0; -ENOMEM.
 */
int model_carry(const struct config *from, struct config *to, const struct model_notes *notes);

/**
 * What must not happen unless the operator insists: a VIP that planes were given gets another
 * table, whose rows begin anew, or no VIP is left.
 *
 * @param errors says which VIPs: cuts_connections.
 * @return 0; -EPERM; -ENOMEM.
 */
int
model_check_cuts(const struct config *from, const struct config *to, struct json_errors *errors);

/**
 * Make the state after an edit.
 *
 * @param errors says why on failure: unknown_vip, unknown_backend, last_backend, invalid_value.
 * @return 0; -ENOENT no such VIP or backend; -EPERM refused without force; -EINVAL a weight of a
 *         backend that is drained or leaving; -ENOMEM.
 */
int model_edit(const struct config *from, const struct model_edit *edit, struct config **ret_to,
	       struct json_errors *errors);

/** A backend of no file, as a plane has it, is leaving from now on. No more than @p vip has room
 * for.
 * @return 0, also when there was no room; -ENOMEM. */
int model_add_leaving(const struct config *config, struct config_vip *vip,
		      const struct config_backend *backend);

/** @return 0; -ENOMEM. @p ret_plan is freed by the caller with model_plan_destroy(). */
int model_plan(const struct config *from, const struct config *to, struct model_plan **ret_plan);
void model_plan_destroy(struct model_plan *plan);

#endif
