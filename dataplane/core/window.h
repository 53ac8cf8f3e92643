/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The times of two-owner rows, from the seconds that an operator gives: docs/architecture.md, "When
 * a row changes its owner".
 *
 * Ticks are 1/16 s. Every rounding makes a time longer: a row's window is never shorter than the
 * life of any entry that was written while it ran.
 */
#ifndef FL_WINDOW_H
#define FL_WINDOW_H

#include "limits.h"
#include "tables.h"

enum {
	FL_TICKS_PER_S = 16,
	FL_WINDOW_SLACK_TICKS =
		2,		 /**< one for rounding, one for a core that reads the clock late */
	FL_HOLD_SLACK_TICKS = 3, /**< as above, and one for the tick that the change came in */
	FL_LIVE_UNITS_MAX = 120, /**< stamps have 256 */
	FL_CLOSED_SLACK_UNITS = 2, /**< one for rounding, one for the unit that the FIN came in */
	FL_EVICT_S = 64,
	FL_EVICT_UNITS_MIN = 2, /**< one may be a moment */
};

/** @p a / @p b, rounded up. */
FL_INLINE uint32_t
fl_div_up(uint32_t a, uint32_t b)
{
	return (a + b - 1) / b;
}

/**
 * @param window_s 1 to FL_WINDOW_TICKS_MAX / FL_TICKS_PER_S.
 * @param hold_s 0: none; counts up to window_s / 2.
 */
FL_INLINE struct fl_window
fl_window(uint32_t window_s, uint32_t hold_s)
{
	uint32_t ticks = FL_TICKS_PER_S * window_s + FL_WINDOW_SLACK_TICKS;
	uint32_t hold = FL_TICKS_PER_S * hold_s, half = FL_TICKS_PER_S * window_s / 2;
	struct fl_window window = { 0 };
	uint32_t unit, evict;

	while (((uint32_t)FL_LIVE_UNITS_MAX << window.unit_shift) < ticks)
		window.unit_shift++;
	unit = 1u << window.unit_shift;
	window.live_units = (uint8_t)fl_div_up(ticks, unit);
	window.row_ticks = (window.live_units + 1u) * unit;
	if (hold_s > 0)
		window.hold_ticks = (uint16_t)((hold < half ? hold : half) + FL_HOLD_SLACK_TICKS);
	window.closed_units = (uint8_t)(fl_div_up(window.hold_ticks, unit) + FL_CLOSED_SLACK_UNITS);
	evict = fl_div_up(FL_EVICT_S * FL_TICKS_PER_S, unit);
	evict = evict < FL_EVICT_UNITS_MIN ? FL_EVICT_UNITS_MIN : evict;
	window.evict_units = (uint8_t)(evict < UINT8_MAX ? evict : UINT8_MAX); /* over L: never */
	return window;
}

#endif
