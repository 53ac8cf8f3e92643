/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * States for the tests of adoption, and how a fake plane gets one. For one .c file of a program.
 */
#ifndef TESTS_UNIT_ADOPT_STATES_H
#define TESTS_UNIT_ADOPT_STATES_H

#include "fake_plane.h"
#include "run.h"

enum {
	VIPS = 12,
	BACKENDS = 256,
	ROWS = 20 * 251,
};

static const struct plane_limits limits = { VIPS, BACKENDS, ROWS, 64, 512 };
static struct plane_failure failure;

#define BACKEND(host, weight) "{'address':'10.0.0." #host "','weight':" #weight "}"
#define VIP(address, port, protocol, more, backends)                     \
	"{'address':'" address "','port':" port ",'protocol':'" protocol \
	"','table_size':251," more "'backends':[" backends "]}"

/* clang-format off */
static const char before[] =
	VIP("192.0.2.1", "80", "tcp", "", BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	VIP("192.0.2.1", "81", "tcp", "'no_backend':'host',", BACKEND(1, 1)) ","
	VIP("192.0.2.1", "82", "udp", "'no_backend':'host',", BACKEND(1, 0)) ","
	VIP("192.0.2.2", "80", "tcp", "", BACKEND(1, 1) "," BACKEND(2, 1)) ","
	VIP("192.0.2.2", "443", "tcp", "", BACKEND(1, 1)) ","
	VIP("198.51.100.0/24", "'8000-8099'", "tcp", "", BACKEND(1, 1)) ","
	VIP("198.51.100.0/24", "'8200-8299'", "tcp", "", BACKEND(1, 1)) ","
	VIP("198.51.100.0/24", "'any'", "tcp", "", BACKEND(2, 1)) ","
	VIP("203.0.113.7", "53", "udp", "", BACKEND(1, 1));

static const char after[] =
	VIP("192.0.2.1", "80", "tcp", "", BACKEND(1, 1) "," BACKEND(2, 7) "," BACKEND(4, 1)) ","
	VIP("192.0.2.1", "81", "tcp", "'no_backend':'host',", BACKEND(1, 0)) ","
	VIP("192.0.2.1", "82", "udp", "'no_backend':'host',", BACKEND(1, 1)) ","
	VIP("192.0.2.2", "80", "tcp", "'mode':'gue','icmp_echo':'host',",
	    BACKEND(1, 1) "," BACKEND(2, 1)) ","
	VIP("192.0.2.2", "443", "tcp", "'fragments':'drop','icmp_echo':'host',", BACKEND(1, 1)) ","
	VIP("198.51.100.0/24", "'8050-8150'", "tcp", "", BACKEND(1, 1)) ","
	VIP("198.51.100.0/24", "'8200-8299'", "tcp", "", BACKEND(1, 1)) ","
	VIP("2001:db8::/64", "'any'", "tcp", "",
	    BACKEND(1, 1) ",{'address':'2001:db8:1::1','weight':1}");

#define RANGE(first, last) VIP("192.0.2.9", "'" #first "-" #last "'", "tcp", "", BACKEND(1, 1))

/* two pages, of which the second goes: a range moves to the first */
static const char pages_before[] =
	RANGE(100, 199) "," RANGE(200, 299) "," RANGE(300, 399) "," RANGE(400, 499) ","
	RANGE(500, 599) "," RANGE(600, 699) "," RANGE(700, 799) "," RANGE(800, 899) ","
	RANGE(900, 999) "," RANGE(1000, 1099);
static const char pages_after[] =
	RANGE(200, 299) "," RANGE(300, 309) "," RANGE(400, 499) "," RANGE(900, 999) ","
	RANGE(1000, 1099) "," RANGE(1100, 1199);

/* of VIPs whose rows move: owners come and go, and other slots for a longer and a shorter window,
 * another mode, more room */
#define WINDOW_VIP(port, more, backends) VIP("192.0.2.1", #port, "tcp", more "'hold_s':0,", backends)
#define WINDOW(seconds) "'window_s':" #seconds ","
static const char windows_first[] =
	WINDOW_VIP(80, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	WINDOW_VIP(81, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1)) ","
	WINDOW_VIP(82, WINDOW(60), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	WINDOW_VIP(83, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1)) ","
	WINDOW_VIP(84, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1)) ","
	WINDOW_VIP(85, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1)) ","
	WINDOW_VIP(86, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1));
static const char windows_second[] =
	WINDOW_VIP(80, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 3) "," BACKEND(3, 1)) ","
	WINDOW_VIP(81, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	WINDOW_VIP(82, WINDOW(60), BACKEND(1, 1) "," BACKEND(2, 0) "," BACKEND(3, 1)) ","
	WINDOW_VIP(83, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 2)) ","
	WINDOW_VIP(84, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 3)) ","
	WINDOW_VIP(85, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 3)) ","
	WINDOW_VIP(86, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 3));
static const char windows_before[] =
	WINDOW_VIP(80, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1) "," BACKEND(4, 1)) ","
	WINDOW_VIP(81, WINDOW(5), BACKEND(1, 3) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	WINDOW_VIP(82, WINDOW(60), BACKEND(1, 1) "," BACKEND(2, 0) "," BACKEND(3, 4)) ","
	WINDOW_VIP(83, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 2) "," BACKEND(3, 1)) ","
	WINDOW_VIP(84, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1)) ","
	WINDOW_VIP(85, WINDOW(5), BACKEND(1, 3) "," BACKEND(2, 1)) ","
	WINDOW_VIP(86, WINDOW(5), BACKEND(1, 0) "," BACKEND(2, 1) "," BACKEND(3, 1));
static const char windows_after[] =
	WINDOW_VIP(80, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(4, 1) "," BACKEND(5, 2)) ","
	WINDOW_VIP(81, WINDOW(60), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	WINDOW_VIP(82, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 0) "," BACKEND(4, 1)) ","
	WINDOW_VIP(83, "'mode':'gue'," WINDOW(5), BACKEND(1, 2) "," BACKEND(2, 1) "," BACKEND(3, 1)) ","
	WINDOW_VIP(84, WINDOW(5), BACKEND(1, 1) "," BACKEND(2, 1) "," BACKEND(10, 1) "," BACKEND(11, 1) ","
		   BACKEND(12, 1) "," BACKEND(13, 1) "," BACKEND(14, 1) "," BACKEND(15, 1) ","
		   BACKEND(16, 1) "," BACKEND(17, 1) "," BACKEND(18, 1) "," BACKEND(19, 1) ","
		   BACKEND(20, 1) "," BACKEND(21, 1) "," BACKEND(22, 1) "," BACKEND(23, 1) ","
		   BACKEND(24, 1)) ","
	WINDOW_VIP(86, WINDOW(5), BACKEND(1, 0) "," BACKEND(2, 1) "," BACKEND(3, 1));
/* clang-format on */

static char params[FAKE_LINE_BYTES];

/** Prepare the whole state. */
static inline void
prepare(struct fake_plane *fake, uint64_t generation, const char *vips)
{
	snprintf(params, sizeof params, "{'generation':%llu,'full':true,'vips':[%s]}",
		 (unsigned long long)generation, vips);
	if (fake_call(fake, "plane.prepare", params) == NULL)
		ck_abort_msg("refused: %s",
			     json_get_string(json_get(fake->answer, "error"), "message", "-"));
}

static inline void
push(struct fake_plane *fake, uint64_t generation, const char *vips)
{
	prepare(fake, generation, vips);
	snprintf(params, sizeof params, "{'generation':%llu}", (unsigned long long)generation);
	ck_assert_ptr_nonnull(fake_call(fake, "plane.commit", params));
	fake_settle(fake);
}

#endif
