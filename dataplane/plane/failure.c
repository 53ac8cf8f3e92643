/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "failure.h"

int
failure_set(struct failure *failure, int exit_code, const char *format, ...)
{
	va_list arguments;

	failure->exit_code = exit_code;
	va_start(arguments, format);
	(void)vsnprintf(failure->message, sizeof failure->message, format, arguments);
	va_end(arguments);
	return -1;
}
