/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What should serve: the configuration with the drains and weights set while running, the
 * generation, and what changes between two such states.
 *
 * A state is a `struct config` whose backends carry their runtime settings. It is never edited in
 * place: a change makes a new one, the pusher makes it the model's when the planes have it. No I/O.
 * One thread.
 */
#ifndef CONTROL_MODEL_H
#define CONTROL_MODEL_H

#include "config.h"

enum { MODEL_DIGEST_BYTES = 17 /**< 16 hexadecimal digits and NUL */ };

struct model {
	struct config *config; /**< what serves; owned */
	uint64_t generation;   /**< of what serves; 0: no plane had any yet. Never goes back */
	char digest[MODEL_DIGEST_BYTES]; /**< the planes' answer for it; "" not known yet */
};

enum model_edit_kind { MODEL_DRAIN, MODEL_UNDRAIN, MODEL_WEIGHT };

/** One `backend drain|undrain|weight`. Strings are borrowed. */
struct model_edit {
	enum model_edit_kind kind;
	const char *backend; /**< name or address */
	const char *vip;     /**< name or endpoint; NULL: every VIP that has the backend */
	uint32_t weight;     /**< of MODEL_WEIGHT */
	bool force;	     /**< also when nothing of the VIP would own rows any more */
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

/** Takes @p config. @return 0; -ENOMEM (config is freed then too). */
int model_create(struct config *config, struct model **ret_model);
void model_destroy(struct model *model);

/** The weight a plane gets. */
uint32_t model_weight(const struct config_backend *backend);

/** The sum over its backends; 0: nothing serves it. */
uint64_t model_vip_weight(const struct config_vip *vip);

/** "drained" or "enabled": what the operator wants of it, whatever its weight. */
const char *model_admin(const struct config_backend *backend);

/**
 * Carry drains and runtime weights over to a new configuration, for backends that are still in it.
 * A runtime weight that the new file also has ends.
 *
 * @param ret_kept a sentence for each that is kept is added to this JSON array.
 * @return 0; -ENOMEM.
 */
int model_carry(const struct config *from, struct config *to, cJSON *ret_kept);

/**
 * Make the state after an edit.
 *
 * @param errors says why on failure: unknown_vip, unknown_backend, last_backend.
 * @return 0; -ENOENT no such VIP or backend; -EPERM refused without force; -ENOMEM.
 */
int model_edit(const struct config *from, const struct model_edit *edit, struct config **ret_to,
	       struct json_errors *errors);

/** @return 0; -ENOMEM. @p ret_plan is freed by the caller with model_plan_destroy(). */
int model_plan(const struct config *from, const struct config *to, struct model_plan **ret_plan);
void model_plan_destroy(struct model_plan *plan);

#endif
