/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define DEFAULT_USER "fairlead"

int
failure_set(struct failure *ret_failure, int exit_code, const char *format, ...)
{
	va_list args;

	ret_failure->exit_code = exit_code;
	va_start(args, format);
	(void)vsnprintf(ret_failure->message, sizeof ret_failure->message, format, args);
	va_end(args);
	return -1;
}

static int
resolve_user(const char *user, struct privileges *privileges, struct failure *ret_failure)
{
	const struct passwd *entry = getpwnam(user != NULL ? user : DEFAULT_USER);

	if (geteuid() != 0) {
		privileges->uid = geteuid();
		privileges->gid = getegid();
		if (user != NULL && (entry == NULL || entry->pw_uid != geteuid()))
			return failure_set(
				ret_failure, EX_NOPERM,
				"cannot become user \"%.64s\": start fairleadd as root or as "
				"that user",
				user);
		return 0;
	}
	if (entry == NULL)
		return failure_set(
			ret_failure, EX_CONFIG,
			"there is no user \"%.64s\": make it with: useradd --system --user-group "
			"--no-create-home --shell /usr/sbin/nologin %.64s; or name another with "
			"--user",
			user != NULL ? user : DEFAULT_USER, user != NULL ? user : DEFAULT_USER);
	privileges->change_user = true;
	privileges->uid = entry->pw_uid;
	privileges->gid = entry->pw_gid;
	return 0;
}

int
privileges_resolve(const char *user, const char *group, struct privileges *ret_privileges,
		   struct failure *ret_failure)
{
	struct privileges privileges = { 0 };
	const struct group *entry;

	if (resolve_user(user, &privileges, ret_failure) < 0)
		return -1;
	entry = getgrnam(group);
	if (entry != NULL) {
		privileges.socket_group = entry->gr_gid;
	} else if (privileges.change_user) {
		return failure_set(ret_failure, EX_CONFIG,
				   "there is no group \"%.64s\": make it with: groupadd --system "
				   "%.64s; or name "
				   "another with --group",
				   group, group);
	} else {
		privileges.socket_group = privileges.gid;
		log_warning("there is no group \"%s\": the control socket stays with the own group",
			    group);
	}
	*ret_privileges = privileges;
	return 0;
}

int
privileges_drop(const struct privileges *privileges, struct failure *ret_failure)
{
	int r = 0;

	capng_clear(CAPNG_SELECT_BOTH);
	if (privileges->change_user)
		r = capng_change_id((int)privileges->uid, (int)privileges->gid,
				    (capng_flags_t)(CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING));
	/* Also those that a service manager gave to an ordinary user. */
	if (r == 0)
		r = capng_apply(CAPNG_SELECT_CAPS);
	if (r != 0)
		return failure_set(ret_failure, EX_NOPERM,
				   "cannot give up privileges (libcap-ng says %d): start fairleadd "
				   "as root, or "
				   "as the user it shall run as",
				   r);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failure_set(ret_failure, EX_SOFTWARE, "cannot set no_new_privs: %s",
				   strerror(errno));
	if (privileges->uid != 0 && setuid(0) == 0)
		return failure_set(
			ret_failure, EX_SOFTWARE,
			"privileges came back after they were given up; refusing to run");
	return 0;
}
