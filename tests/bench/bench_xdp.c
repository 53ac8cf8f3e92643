/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: what the XDP program costs a packet in the kernel.
 * Method: BPF_PROG_TEST_RUN with repeat = 1, so that each run gets the frame as it came, in rounds
 * of RUNS calls. In every round each kind of packet, and an empty program, take turns call by call;
 * a kind's figure is its mean run time in a round less that of the empty program in the same round,
 * and the median of the rounds is printed. What a call leaves in the caches is the same for all.
 * verifier_insns is what the kernel's verifier says it looked at.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../frames.h"
#include "../xdp_fixture.h"

enum {
	ROUNDS = 31,
	RUNS = 4000,
	FLOWS = 1000000,
	ROWS = 65537,
	BACKENDS = 100,
	TEXT_BYTES = 65536
};

static const struct kind {
	const char *name;
	struct frame_spec frame;
	enum fl_verdict verdict;
	uint32_t flows; /* that take turns */
} kinds[] = {
	{ "xdp.ipip4",
	  { .src = "203.0.113.7",
	    .dst = "198.18.0.1",
	    .src_port = 1024,
	    .dst_port = 80,
	    .ip_proto = 6 },
	  FL_FORWARD,
	  1 },
	{ "xdp.ipip6",
	  { .src = "2001:db8:c::7",
	    .dst = "2001:db8:2::1",
	    .src_port = 1024,
	    .dst_port = 80,
	    .ip_proto = 6 },
	  FL_FORWARD,
	  1 },
	{ "xdp.gue4",
	  { .src = "203.0.113.7",
	    .dst = "198.18.0.2",
	    .src_port = 1024,
	    .dst_port = 80,
	    .ip_proto = 6 },
	  FL_FORWARD,
	  1 },
	{ "xdp.l2dsr4",
	  { .src = "203.0.113.7",
	    .dst = "198.18.0.3",
	    .src_port = 1024,
	    .dst_port = 80,
	    .ip_proto = 6 },
	  FL_FORWARD,
	  1 },
	{ "xdp.pass",
	  { .src = "203.0.113.7",
	    .dst = "198.18.9.9",
	    .src_port = 1024,
	    .dst_port = 80,
	    .ip_proto = 6 },
	  FL_PASS_NO_VIP,
	  1 },
	{ "xdp.ipip4_1m_flows",
	  { .src = "203.0.113.7",
	    .dst = "198.18.0.1",
	    .src_port = 1024,
	    .dst_port = 80,
	    .ip_proto = 6 },
	  FL_FORWARD,
	  FLOWS },
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* A VIP with BACKENDS backends. */
static void
put_vip(FILE *text, const char *address, const char *mode, const char *backends)
{
	bool is_ipv6 = strchr(backends, ':') != NULL;

	fprintf(text,
		"{'address':'%s','port':80,'protocol':'tcp','table_size':%u,'mode':'%s',"
		"'backends':[",
		address, ROWS, mode);
	for (uint32_t i = 1; i <= BACKENDS; i++)
		fprintf(text,
			is_ipv6 ? "%s{'address':'%s%x','weight':100}"
				: "%s{'address':'%s%u','weight':100}",
			i == 1 ? "" : ",", backends, i);
	fprintf(text, "]}");
}

static void
open_tables(struct plane_fixture *fixture)
{
	static const struct plane_fixture_port port = {
		"02:00:00:00:00:01",
		1500,
		"02:00:00:00:01:01",
		{ "10.0.0.0/8", "2001:db8:1::/48" },
		NULL,
	};
	struct plane_fixture_spec spec = {
		.key = "8f14e45fceea167a5a36dedd4bea2543",
		.source_ipv4 = "10.255.0.5",
		.source_ipv6 = "2001:db8:1::5",
		.limits = { .vips = 16, .backends = 4096, .rows = 8 * ROWS, .fragments = 64 },
		.ports = &port,
		.port_count = 1
	};
	char *text;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	if (stream == NULL)
		err(1, "the state");
	fprintf(stream, "{'generation':1,'full':true,'vips':[");
	put_vip(stream, "198.18.0.1", "ipip", "10.0.0.");
	fprintf(stream, ",");
	put_vip(stream, "2001:db8:2::1", "ipip", "2001:db8:1:1::");
	fprintf(stream, ",");
	put_vip(stream, "198.18.0.2", "gue", "10.0.1.");
	fprintf(stream, ",");
	put_vip(stream, "198.18.0.3", "ipip", "10.0.2.");
	fprintf(stream, "]}");
	if (fclose(stream) != 0)
		err(1, "the state");
	plane_fixture_open(fixture, &spec);
	plane_fixture_apply(fixture, text);
	free(text);
}

/* Backends of l2dsr must be on a link, which a fixture without a kernel does not have. */
static void
make_l2dsr(struct plane_fixture *fixture)
{
	const struct fl_vip *vip = plane_fixture_vip(fixture, "198.18.0.3:80/tcp");
	const struct fl_vip_service *service = &vip->service;

	for (uint32_t i = 0; i < service->slot_count; i++) {
		fixture->tables.backends[service->slot_base + i].mode = FL_MODE_L2DSR;
		fixture->tables.backends[service->slot_base + i].header_bytes = 0;
	}
}

static int
load_empty(void)
{
	/* r0 = XDP_PASS; exit */
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "empty", "Dual BSD/GPL", code, 2, NULL);

	if (fd < 0)
		err(1, "the empty program does not load");
	return fd;
}

static uint32_t
run_empty(int fd, const uint8_t *frame, uint32_t bytes, uint8_t *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes,
		    .data_out = out, .data_size_out = bytes + FL_HEAD_BYTES_MAX, .repeat = 1);

	if (bpf_prog_test_run_opts(fd, &opts) != 0)
		err(1, "a test run of the empty program");
	return opts.duration;
}

struct bench {
	struct xdp_fixture fixture;
	int empty_fd;
	uint8_t frames[KINDS][FRAME_BYTES_MAX];
	uint32_t bytes[KINDS];
	uint32_t flow;
	double net_ns[KINDS][ROUNDS];
};

/* Another client: the flow's number in its address, spread over its port. */
static void
next_flow(struct bench *bench, uint32_t kind)
{
	uint32_t flow = bench->flow++ % kinds[kind].flows;

	frame_put16(bench->frames[kind] + 28, flow);
	frame_put16(bench->frames[kind] + 34, 1024 + (flow >> 16) + flow * 7919 % 50000);
}

static int
compare_durations(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* Mean of the middle half: a call that an interrupt hit says nothing of the program. */
static double
middle_mean(uint32_t durations[RUNS])
{
	uint64_t sum = 0;

	qsort(durations, RUNS, sizeof durations[0], compare_durations);
	for (uint32_t i = RUNS / 4; i < RUNS / 4 * 3; i++)
		sum += durations[i];
	return (double)sum / (RUNS / 4 * 2);
}

static void
run_round(struct bench *bench, uint32_t round)
{
	static uint32_t durations[RUNS];
	uint8_t out[FRAME_BYTES_MAX + FL_HEAD_BYTES_MAX];
	double empty;

	for (uint32_t run = 0; run < RUNS; run++)
		durations[run] = run_empty(bench->empty_fd, bench->frames[0], bench->bytes[0], out);
	empty = middle_mean(durations);
	for (uint32_t i = 0; i < KINDS; i++) {
		for (uint32_t run = 0; run < RUNS; run++) {
			if (kinds[i].flows > 1)
				next_flow(bench, i);
			durations[run] = xdp_fixture_run(&bench->fixture, bench->frames[i],
							 bench->bytes[i], out)
						 .duration_ns;
		}
		bench->net_ns[i][round] = middle_mean(durations) - empty;
	}
}

static int
compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Every run must have ended as its kind says. */
static void
check_verdicts(const struct bench *bench)
{
	uint64_t verdicts[FL_VERDICT_COUNT], expected[FL_VERDICT_COUNT] = { 0 };

	xdp_fixture_counters(&bench->fixture, verdicts, NULL);
	for (uint32_t i = 0; i < KINDS; i++)
		expected[kinds[i].verdict] += (uint64_t)ROUNDS * RUNS;
	for (uint32_t i = 0; i < FL_VERDICT_COUNT; i++)
		if (verdicts[i] != expected[i])
			errx(1, "%s: %lu packets instead of %lu", plane_verdict_name(i),
			     verdicts[i], expected[i]);
}

int
main(void)
{
	static struct plane_fixture plane;
	static struct bench bench;

	open_tables(&plane);
	make_l2dsr(&plane);
	xdp_fixture_open(&bench.fixture, &plane);
	bench.empty_fd = load_empty();
	for (uint32_t i = 0; i < KINDS; i++)
		bench.bytes[i] = frame_build(&kinds[i].frame, bench.frames[i]);
	for (uint32_t round = 0; round < ROUNDS; round++)
		run_round(&bench, round);
	check_verdicts(&bench);
	for (uint32_t i = 0; i < KINDS; i++) {
		qsort(bench.net_ns[i], ROUNDS, sizeof bench.net_ns[i][0], compare);
		printf("%s %.1f ns\n", kinds[i].name, bench.net_ns[i][ROUNDS / 2]);
	}
	printf("xdp.verifier_insns %u count\n", xdp_fixture_verifier_insns(&bench.fixture));
	xdp_fixture_close(&bench.fixture);
	plane_fixture_close(&plane);
	return EXIT_SUCCESS;
}
