/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame in the table is text: two hexadecimal digits a byte, "{61*1400}" is 1400 bytes of 61.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case_table.h"

struct packet_case {
	const char *name;
	enum fl_verdict verdict;
	uint32_t port;
	const char *in, *out;
};

#define case_port plane_fixture_port /* the rows of cases.h are these */
#include "cases.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t
decode(const char *text, uint8_t out[CASE_FRAME_MAX])
{
	uint32_t bytes = 0;

	while (*text != '\0') {
		unsigned value, count = 1;
		int used;

		if (sscanf(text, "{%2x*%u}%n", &value, &count, &used) != 2 &&
		    (count = 1, sscanf(text, "%2x%n", &value, &used) != 1))
			errx(1, "case table: %s", text);
		if (bytes + count > CASE_FRAME_MAX)
			errx(1, "case table: a frame over %d bytes", CASE_FRAME_MAX);
		memset(out + bytes, (int)value, count);
		bytes += count;
		text += used;
	}
	return bytes;
}

static void
decode_all(const struct packet_case *rows, uint32_t count, struct case_frames *out)
{
	for (uint32_t i = 0; i < count; i++) {
		out[i].name = rows[i].name;
		out[i].verdict = rows[i].verdict;
		out[i].port = rows[i].port;
		out[i].in_bytes = decode(rows[i].in, out[i].in);
		out[i].out_bytes = rows[i].out == NULL ? 0 : decode(rows[i].out, out[i].out);
	}
}

const struct case_frames *
case_table(uint32_t *ret_count)
{
	static struct case_frames frames[LENGTH(cases_forwarded) + LENGTH(cases_other)];

	if (frames[0].name == NULL) {
		decode_all(cases_forwarded, LENGTH(cases_forwarded), frames);
		decode_all(cases_other, LENGTH(cases_other), frames + LENGTH(cases_forwarded));
	}
	*ret_count = LENGTH(frames);
	return frames;
}

static const struct fl_vip *
find_vip(const struct plane_fixture *fixture, const char *endpoint)
{
	const struct fl_vip *vip = plane_fixture_vip(fixture, endpoint);

	if (vip == NULL)
		errx(1, "case table: %s is not served", endpoint);
	return vip;
}

/* Give out rows by number, so that a case knows whose they are without knowing Maglev. */
static void
deal_rows(struct plane_fixture *fixture, const struct fl_vip *vip)
{
	uint32_t owner[LENGTH(case_pattern_owners)];

	for (uint32_t i = 0; i < LENGTH(owner); i++)
		owner[i] = case_pattern_owners[i] == NULL
				   ? FL_ROW_NONE
				   : plane_fixture_slot(fixture, vip, case_pattern_owners[i]);
	for (uint32_t row = 0; row < vip->row_count; row++)
		fixture->tables.rows[vip->row_base + row].word =
			fl_row_stable(owner[row % LENGTH(owner)]);
}

void
case_tables_open(struct plane_fixture *fixture)
{
	const struct plane_fixture_spec spec = {
		.key = case_key,
		.source_ipv4 = case_source_ipv4,
		.source_ipv6 = case_source_ipv6,
		.limits = { .vips = 32, .backends = 1024, .rows = 131072 },
		.ports = case_ports,
		.port_count = LENGTH(case_ports)
	};
	const struct fl_vip *vip;

	plane_fixture_open(fixture, &spec);
	plane_fixture_apply(fixture, case_state);
	for (uint32_t i = 0; i < LENGTH(case_pattern_vips); i++)
		deal_rows(fixture, find_vip(fixture, case_pattern_vips[i]));
	vip = find_vip(fixture, case_dead_vip);
	for (uint32_t i = 0; i < vip->slot_count; i++)
		fixture->tables.backends[vip->slot_base + i].link &=
			~((uint64_t)FL_LINK_LIVE << 56);
	vip = find_vip(fixture, case_beyond_vip);
	for (uint32_t row = 0; row < vip->row_count; row++)
		fixture->tables.rows[vip->row_base + row].word = fl_row_stable(vip->slot_count);
}
