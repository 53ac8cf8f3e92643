/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

static void
warn_va(struct backend_report *report, const char *format, va_list args)
{
	if (report->warning_count >= BACKEND_WARNINGS_MAX)
		return;
	(void)vsnprintf(report->warnings[report->warning_count++], BACKEND_SENTENCE_MAX, format,
			args);
}

int
backend_report_fail(struct backend_report *report, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (report->error == 0) {
		report->error = error;
		(void)vsnprintf(report->sentence, sizeof report->sentence, format, args);
	} else {
		warn_va(report, format, args);
	}
	va_end(args);
	return error;
}

void
backend_report_warn(struct backend_report *report, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	warn_va(report, format, args);
	va_end(args);
}

int
backend_report_exit(const struct backend_report *report)
{
	switch (report->error) {
	case 0:
		return 0;
	case -EPERM:
	case -EACCES:
		return EX_NOPERM;
	case -EDOM:
		return EX_CONFIG;
	case -ENOMEM:
	case -ENOTRECOVERABLE:
		return EX_SOFTWARE;
	default:
		return EX_UNAVAILABLE;
	}
}

const char *
backend_report_word(const struct backend_report *report)
{
	switch (backend_report_exit(report)) {
	case 0:
		return "none";
	case EX_NOPERM:
		return "no_permission";
	case EX_CONFIG:
		return "invalid";
	case EX_SOFTWARE:
		return "internal";
	default:
		return "unavailable";
	}
}
