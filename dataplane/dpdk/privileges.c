/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include <cap-ng.h>
#include <rte_alarm.h>

#include "log.h"
#include "privileges.h"

/* Set once by privileges_begin(), read by every thread. */
static bool needs_af_xdp;

int
privileges_begin(const struct config *config, struct failure *failure)
{
	needs_af_xdp = config_has_af_xdp(config);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failure_set(failure, EXIT_INTERNAL, "PR_SET_NO_NEW_PRIVS is refused: %s",
				   strerror(errno));
	return 0;
}

void
privileges_reduce_thread(void)
{
	static const struct {
		unsigned int capability;
		bool only_af_xdp;
	} kept[] = {
		{ CAP_NET_ADMIN, false }, /* neighbours; detach programs at the end */
		{ CAP_IPC_LOCK, false },  /* memory of devices */
		{ CAP_NET_RAW, true },
		{ CAP_BPF, true }, /* write the VIP maps */
	};
	bool had[sizeof kept / sizeof kept[0]];

	if (capng_get_caps_process() < 0)
		return;
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		had[i] = (needs_af_xdp || !kept[i].only_af_xdp) &&
			 capng_have_capability(CAPNG_PERMITTED, kept[i].capability);
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		(void)capng_apply(CAPNG_SELECT_BOUNDS);
	}
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		if (had[i])
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
					   kept[i].capability);
	}
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		log_message(LOG_WARNING, "capabilities cannot be given up: %s", strerror(errno));
}

static void
reduce_interrupt_thread(void *unused)
{
	privileges_reduce_thread();
}

void
privileges_reduce(void)
{
	/* alarms run on DPDK's interrupt thread: the one other way to run something there is a
	 * signal */
	if (rte_eal_alarm_set(1, reduce_interrupt_thread, NULL) < 0)
		log_message(LOG_WARNING,
			    "DPDK's interrupt thread keeps its capabilities: no alarm");
	privileges_reduce_thread();
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
