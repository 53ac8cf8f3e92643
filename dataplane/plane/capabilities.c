/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include <cap-ng.h>

#include "capabilities.h"
#include "log.h"

bool
capabilities_have(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability) != 0;
}

int
capabilities_require(const struct capability_need *needs, uint32_t count, struct failure *failure)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!capabilities_have(needs[i].capability) && !capabilities_have(needs[i].instead))
			return failure_set(failure, EXIT_PERMISSION,
					   "no permission: %s is needed %s; run as root, or with "
					   "AmbientCapabilities=%s in the service",
					   needs[i].name, needs[i].why, needs[i].name);
	}
	return 0;
}

int
capabilities_lock(struct failure *failure)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failure_set(failure, EXIT_INTERNAL, "PR_SET_NO_NEW_PRIVS is refused: %s",
				   strerror(errno));
	return 0;
}

void
capabilities_keep(const unsigned int *kept, uint32_t count)
{
	bool had[CAPABILITIES_KEPT_MAX] = { false };

	assert(count <= CAPABILITIES_KEPT_MAX);
	if (capng_get_caps_process() < 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]) != 0;
	if (capabilities_have(CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		(void)capng_apply(CAPNG_SELECT_BOUNDS);
	}
	capng_clear(CAPNG_SELECT_CAPS);
	for (uint32_t i = 0; i < count; i++) {
		if (had[i])
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	}
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		log_message(LOG_WARNING, "capabilities cannot be given up: %s", strerror(errno));
}
