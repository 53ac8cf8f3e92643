/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/capability.h>
#include <sys/prctl.h>

#include <rte_alarm.h>

#include "../plane/capabilities.h"
#include "../plane/log.h"
#include "privileges.h"

/* Set once by privileges_begin(), read by every thread. */
static bool needs_af_xdp;

int
privileges_begin(const struct config *config, struct failure *failure)
{
	needs_af_xdp = config_has_af_xdp(config);
	return capabilities_lock(failure);
}

void
privileges_reduce_thread(void)
{
	static const unsigned int kept[] = {
		CAP_NET_ADMIN, /* neighbours; detach programs at the end */
		CAP_IPC_LOCK,  /* memory of devices */
		CAP_NET_RAW,   /* AF_XDP */
		CAP_BPF,       /* write the VIP maps */
	};

	capabilities_keep(kept, needs_af_xdp ? 4 : 2);
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
