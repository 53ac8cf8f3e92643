/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP program in the kernel, both ways it is loaded. A packet's verdict is the counter that it
 * moved; that it is exactly one is checked here, packet by packet, and that the XDP action fits it.
 */
#include <err.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "../xdp_fixture.h"
#include "engine.h"

/* Of a million that a kernel's verifier looks at. Older ones follow more paths: 6.1 does, 6.12 does
 * not. */
enum { VERIFIER_INSNS_MAX = 100000, VERIFIER_INSNS_OLD_MAX = 250000 };

static struct xdp_fixture xdp;
static const struct plane_fixture *fixture;
static uint64_t received;

static void
xdp_flush(void)
{
	memset(xdp.fragments, 0, xdp.size.fragment_bucket_count * sizeof xdp.fragments[0]);
}

static uint32_t
verifier_insns_max(void)
{
	struct utsname kernel;
	unsigned int major, minor;

	if (uname(&kernel) != 0 || sscanf(kernel.release, "%u.%u", &major, &minor) != 2)
		errx(1, "which kernel is this?");
	return major > 6 || (major == 6 && minor >= 12) ? VERIFIER_INSNS_MAX
							: VERIFIER_INSNS_OLD_MAX;
}

static void
check_verifier(void)
{
	uint32_t insns = xdp_fixture_verifier_insns(&xdp), max = verifier_insns_max();

	printf("xdp: the verifier looked at %u instructions\n", insns);
	if (insns > max)
		errx(1, "that is more than %u", max);
}

static void
xdp_open(struct plane_fixture *tables)
{
	fixture = tables;
	received = 0;
	xdp_fixture_open(&xdp, tables);
	check_verifier();
}

static const char *
xdp_layout_name(uint32_t layout)
{
	return layout == 0 ? "as loaded with CAP_PERFMON" : "as loaded without CAP_PERFMON";
}

static bool
xdp_takes(uint32_t bytes)
{
	return bytes >= XDP_FIXTURE_FRAME_MIN && bytes <= XDP_FIXTURE_FRAME_MAX;
}

/* The verdict whose counter is one more than before. */
static enum fl_verdict
counted(const uint64_t before[FL_VERDICT_COUNT], const char *name)
{
	uint64_t now[FL_VERDICT_COUNT];
	enum fl_verdict verdict = FL_VERDICT_COUNT;
	uint64_t sum = 0;

	xdp_fixture_counters(&xdp, now, NULL);
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++) {
		sum += now[i] - before[i];
		if (now[i] != before[i])
			verdict = (enum fl_verdict)i;
	}
	if (sum != 1)
		errx(1, "%s: counted %lu times", name, sum);
	return verdict;
}

/* The port whose MAC the frame leaves with: two of a fixture have none in common. */
static uint32_t
port_of(const uint8_t *frame)
{
	for (uint32_t i = 0; i < FL_PORTS_MAX; i++)
		if (fixture->tables.ports[i].word != 0 &&
		    (fixture->tables.ports[i].word & FL_MAC_MASK) == fl_mac_word(frame + 6))
			return i;
	return FL_PORTS_MAX;
}

static void
check_action(const struct case_frames *one, const struct engine_result *result, uint32_t action)
{
	uint32_t expected = XDP_DROP;

	if (fl_verdict_is_pass(result->verdict))
		expected = XDP_PASS;
	else if (fl_verdict_is_send(result->verdict))
		expected = result->port == one->in_port ? XDP_TX : XDP_REDIRECT;
	if (action != expected)
		errx(1, "%s: verdict %s, but XDP action %u", one->name,
		     plane_verdict_name(result->verdict), action);
}

static void
run_one(const struct case_frames *one, struct engine_result *ret_result)
{
	uint8_t out[CASE_FRAME_MAX + FL_HEAD_BYTES_MAX];
	uint64_t before[FL_VERDICT_COUNT];
	struct xdp_fixture_result result;

	received++;
	xdp_fixture_counters(&xdp, before, NULL);
	xdp.in_port = one->in_port;
	result = xdp_fixture_run(&xdp, one->in, one->in_bytes, out);
	ret_result->verdict = counted(before, one->name);
	ret_result->port = 0;
	ret_result->bytes = 0;
	if (fl_verdict_is_send(ret_result->verdict))
		ret_result->port = port_of(out);
	if (fl_verdict_is_send(ret_result->verdict) || fl_verdict_is_pass(ret_result->verdict)) {
		if (result.bytes > sizeof ret_result->frame)
			errx(1, "%s: %u bytes leave", one->name, result.bytes);
		ret_result->bytes = result.bytes;
		memcpy(ret_result->frame, out, result.bytes);
	}
	check_action(one, ret_result, result.action);
}

static void
xdp_run(uint32_t layout, const struct case_frames *cases, uint32_t count,
	struct engine_result *ret_results)
{
	xdp.no_perfmon = layout != 0;
	for (uint32_t i = 0; i < count; i++)
		run_one(&cases[i], &ret_results[i]);
}

static uint64_t
xdp_counters(uint64_t ret_verdicts[FL_VERDICT_COUNT])
{
	xdp_fixture_counters(&xdp, ret_verdicts, NULL);
	return received;
}

static struct fl_fragments *
xdp_fragments(void)
{
	return xdp.fragments;
}

static struct fl_core *
xdp_cores(uint32_t *ret_count)
{
	*ret_count = xdp.cpu_count;
	return xdp.cores;
}

static const struct plane_tables *
xdp_tables(void)
{
	return &xdp.tables;
}

static struct fl_flow_counter
xdp_flow_counter(uint32_t record)
{
	return xdp_fixture_flow_counter(&xdp, record);
}

static bool
xdp_close(void)
{
	xdp_fixture_close(&xdp);
	return true;
}

const struct engine engine_xdp = {
	.name = "xdp",
	.open = xdp_open,
	.flush = xdp_flush,
	.layout_count = 2,
	.layout_name = xdp_layout_name,
	.takes = xdp_takes,
	.run = xdp_run,
	.counters = xdp_counters,
	.fragments = xdp_fragments,
	.cores = xdp_cores,
	.tables = xdp_tables,
	.flow_counter = xdp_flow_counter,
	.close = xdp_close,
};
