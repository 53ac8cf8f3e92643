/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * From root to an unprivileged user, for good: no capabilities, none to be gained again.
 */
#ifndef CONTROL_PRIVILEGES_H
#define CONTROL_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

/** Why the daemon cannot start: one sentence with what to do, and the exit code (sysexits.h). */
struct failure {
	int exit_code;
	char message[512];
};

/** @return -1, to be returned by who fails. */
int failure_set(struct failure *ret_failure, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Who the daemon will be. */
struct privileges {
	bool change_user; /**< started as root: become uid and gid */
	uid_t uid;
	gid_t gid;
	gid_t socket_group; /**< of the control socket */
};

/**
 * Look up names. Started without root, the process stays who it is; naming another user is then
 * an error, and a group that does not exist is replaced by the own one.
 *
 * @param user NULL: "fairlead".
 * @return 0, or -1 with the reason.
 */
int privileges_resolve(const char *user, const char *group, struct privileges *ret_privileges,
		       struct failure *ret_failure);

/** @return 0, or -1 with the reason; the process must then end. */
int privileges_drop(const struct privileges *privileges, struct failure *ret_failure);

#endif
