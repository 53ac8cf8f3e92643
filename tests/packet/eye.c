/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program that outside_eye.py runs: eye INPUTS.pcap IN.pcap OUT.pcap WORLD.
 *
 * Each frame of INPUTS comes by port 0 in the world's tables, to the core and to the XDP program in
 * the kernel, which must end it alike. What is forwarded is written: the frame that came to IN, the
 * one that leaves to OUT. Exit 77: programs may not be loaded.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cap-ng.h>

#include "engine.h"

enum {
	EXIT_SKIPPED = 77,
	PCAP_LINK_ETHERNET = 1,
	FRAMES_MAX = 1000000, /* of one file */
};

#define PCAP_MAGIC 0xa1b2c3d4u /* classic, microseconds, the byte order of this machine */

struct pcap_file {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_bytes, link;
};

struct pcap_record {
	uint32_t seconds, microseconds, captured_bytes, frame_bytes;
};

static FILE *
open_file(const char *path, const char *mode)
{
	FILE *file = fopen(path, mode);

	if (file == NULL)
		err(1, "%s", path);
	return file;
}

static void
put(FILE *file, const void *bytes, size_t size)
{
	if (fwrite(bytes, size, 1, file) != 1)
		err(1, "pcap");
}

static FILE *
create_pcap(const char *path)
{
	static const struct pcap_file header = { .magic = PCAP_MAGIC,
						 .major = 2,
						 .minor = 4,
						 .snap_bytes = 65535,
						 .link = PCAP_LINK_ETHERNET };
	FILE *file = open_file(path, "wb");

	put(file, &header, sizeof header);
	return file;
}

static void
put_frame(FILE *file, uint32_t number, const uint8_t *frame, uint32_t bytes)
{
	const struct pcap_record record = { number, 0, bytes, bytes };

	put(file, &record, sizeof record);
	put(file, frame, bytes);
}

static FILE *
open_pcap(const char *path)
{
	FILE *file = open_file(path, "rb");
	struct pcap_file header;

	if (fread(&header, sizeof header, 1, file) != 1 || header.magic != PCAP_MAGIC ||
	    header.link != PCAP_LINK_ETHERNET)
		errx(1, "%s: not a pcap file of Ethernet frames", path);
	return file;
}

/* @return false: that was the last. */
static bool
get_frame(FILE *file, struct case_frames *ret_one)
{
	struct pcap_record record;

	if (fread(&record, sizeof record, 1, file) != 1)
		return false;
	if (record.captured_bytes > CASE_FRAME_MAX ||
	    fread(ret_one->in, 1, record.captured_bytes, file) != record.captured_bytes)
		errx(1, "a frame of %u bytes", record.captured_bytes);
	ret_one->in_bytes = record.captured_bytes;
	return true;
}

static bool
are_equal(const struct engine_result *a, const struct engine_result *b)
{
	return a->verdict == b->verdict && a->port == b->port && a->bytes == b->bytes &&
	       memcmp(a->frame, b->frame, a->bytes) == 0;
}

/* @return does every layout of the XDP program say what the core says? ret_xdp: the last. */
static bool
decide(const struct case_frames *one, uint32_t number, struct engine_result *ret_xdp)
{
	static struct engine_result core;
	bool is_alike = true;

	engine_core.run(0, one, 1, &core);
	for (uint32_t layout = 0; layout < engine_xdp.layout_count; layout++) {
		engine_xdp.run(layout, one, 1, ret_xdp);
		if (are_equal(&core, ret_xdp))
			continue;
		is_alike = false;
		warnx("input %u: the core says %s, port %u, %u bytes; the XDP program %s: %s, port "
		      "%u, %u bytes",
		      number, plane_verdict_name(core.verdict), core.port, core.bytes,
		      engine_xdp.layout_name(layout), plane_verdict_name(ret_xdp->verdict),
		      ret_xdp->port, ret_xdp->bytes);
	}
	return is_alike;
}

/* @return frames that did not end alike. */
static uint32_t
run(FILE *inputs, FILE *in, FILE *out)
{
	static struct case_frames one = { .name = "input" };
	static struct engine_result result;
	uint32_t differ = 0, forwarded = 0;

	for (uint32_t i = 0; i < FRAMES_MAX && get_frame(inputs, &one); i++) {
		differ += !decide(&one, i + 1, &result);
		if (result.verdict != FL_FORWARD)
			continue;
		put_frame(in, forwarded, one.in, one.in_bytes);
		put_frame(out, forwarded++, result.frame, result.bytes);
	}
	return differ;
}

int
main(int argc, char **argv)
{
	static struct plane_fixture fixture;
	FILE *inputs, *in, *out;
	uint32_t differ;

	if (argc != 5)
		errx(1, "usage: eye INPUTS.pcap IN.pcap OUT.pcap WORLD");
	if (capng_get_caps_process() != 0 || capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) == 0 ||
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON) == 0 ||
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) == 0) {
		warnx("skipped: the XDP program needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
		return EXIT_SKIPPED;
	}
	inputs = open_pcap(argv[1]);
	in = create_pcap(argv[2]);
	out = create_pcap(argv[3]);
	case_tables_open(&fixture, strcmp(argv[4], "0") != 0);
	engine_core.open(&fixture);
	engine_xdp.open(&fixture);
	differ = run(inputs, in, out);
	engine_core.close();
	engine_xdp.close();
	plane_fixture_close(&fixture);
	if (fclose(in) != 0 || fclose(out) != 0)
		err(1, "pcap");
	(void)fclose(inputs);
	return differ == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
