/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/libbpf.h>
#include <rte_log.h>

#include "../plane/log.h"
#include "log_libraries.h"

static ssize_t
dpdk_write(void *cookie, const char *text, size_t size)
{
	/* RTE_LOG_ERR ... are syslog's levels + 1 */
	log_library_text(rte_log_cur_msg_loglevel() - 1, text, size);
	return (ssize_t)size;
}

FILE *
log_dpdk_stream(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = dpdk_write });

	if (stream != NULL)
		(void)setvbuf(stream, NULL, _IOLBF, 0);
	return stream;
}

static int
libbpf_line(enum libbpf_print_level level, const char *format, va_list arguments)
{
	static const int levels[] = {
		[LIBBPF_WARN] = LOG_WARNING, [LIBBPF_INFO] = LOG_INFO, [LIBBPF_DEBUG] = LOG_DEBUG
	};

	if (level != LIBBPF_DEBUG || log_level() >= LOG_DEBUG)
		log_library_format(levels[level], format, arguments);
	return 0;
}

void
log_take_libbpf(void)
{
	(void)libbpf_set_print(libbpf_line);
}
