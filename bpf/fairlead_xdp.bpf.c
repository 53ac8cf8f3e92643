/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP plane's packet path: the core's decision over BPF maps, one packet at a time. Nothing of
 * it is decided here.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../dataplane/core/emit.h"
#include "xdp_maps.h"

#define TABLE(name, record)                        \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, uint32_t);             \
		__type(value, record);             \
	} name SEC(".maps")

TABLE(config, struct xdp_config);
TABLE(vip_buckets, struct fl_vip_bucket);
TABLE(vips, struct fl_vip);
TABLE(backends, struct fl_backend);
TABLE(rows, struct fl_row);
TABLE(ports, struct fl_port);
TABLE(fragments, struct fl_fragments);
TABLE(cores, struct fl_core);
TABLE(vip_counters, struct fl_counter);
TABLE(backend_counters, struct fl_counter);

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, FL_PORTS_MAX);
	__type(key, uint32_t);
	__type(value, uint32_t);
} tx_ports SEC(".maps");

/** One packet's run. */
struct run {
	const struct xdp_config *config;
	struct fl_core *core;
	uint32_t cpu;
	uint32_t ifindex; /**< it came by */
};

/* --- fl_access --- */

FL_INLINE const struct fl_vip_bucket *
get_bucket(void *user, uint32_t index)
{
	return bpf_map_lookup_elem(&vip_buckets, &index);
}

FL_INLINE const struct fl_vip *
get_vip(void *user, uint32_t record)
{
	return bpf_map_lookup_elem(&vips, &record);
}

static const struct fl_vip_access vip_access = { .bucket = get_bucket, .vip = get_vip };

/**
 * The record with the key. A global function, which the verifier looks at once and not again for
 * each of its callers.
 * @return its index + 1; 0: none.
 */
__attribute__((noinline)) uint32_t
find_record(const struct fl_vip_key *key)
{
	const struct xdp_config *settings;
	uint32_t zero = 0, record;

	if (key == NULL)
		return 0;
	settings = bpf_map_lookup_elem(&config, &zero);
	if (settings == NULL)
		return 0;
	return fl_vip_find(&vip_access, NULL, &settings->core, key, &record) != NULL ? record + 1
										     : 0;
}

FL_INLINE const struct fl_vip *
find_vip(void *user, const struct fl_vip_key *key, uint32_t *ret_record)
{
	uint32_t found = find_record(key);

	if (found == 0)
		return NULL;
	*ret_record = found - 1;
	return get_vip(user, found - 1);
}

FL_INLINE const struct fl_row *
get_row(void *user, uint32_t index)
{
	return bpf_map_lookup_elem(&rows, &index);
}

FL_INLINE const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	return bpf_map_lookup_elem(&backends, &slot);
}

FL_INLINE const struct fl_port *
get_port(void *user, uint32_t index)
{
	return bpf_map_lookup_elem(&ports, &index);
}

FL_INLINE struct fl_fragments *
get_fragments(void *user, uint32_t bucket)
{
	return bpf_map_lookup_elem(&fragments, &bucket);
}

FL_INLINE struct fl_core *
get_core(void *user)
{
	return ((const struct run *)user)->core;
}

FL_INLINE uint32_t
get_in_port(void *user)
{
	const struct run *run = user;

	for (uint32_t i = 0; i < FL_PORTS_MAX; i++)
		if (run->config->ifindex[i] == run->ifindex)
			return i;
	return FL_PORTS_MAX;
}

FL_INLINE uint64_t
get_now_ns(void *user)
{
	return bpf_ktime_get_ns();
}

static const struct fl_access map_access = {
	.find = find_vip,
	.vip = get_vip,
	.row = get_row,
	.backend = get_backend,
	.port = get_port,
	.fragments = get_fragments,
	.core = get_core,
	.in_port = get_in_port,
	.now_ns = get_now_ns,
};

/* --- what the decision asks for --- */

/** Make the frame that leaves. */
FL_INLINE enum fl_verdict
make_frame(struct xdp_md *ctx, const struct fl_packet *packet, const struct fl_decision *decision)
{
	uint32_t frame_bytes = (uint32_t)(ctx->data_end - ctx->data);
	struct fl_resize resize = fl_emit_resize(packet, decision, frame_bytes);
	int32_t tail = (int32_t)resize.bytes - resize.head - (int32_t)frame_bytes;
	struct fl_writer writer;

	if (tail != 0 && bpf_xdp_adjust_tail(ctx, tail) != 0)
		return FL_DROP_NO_ROOM;
	if (resize.head != 0 && bpf_xdp_adjust_head(ctx, -resize.head) != 0)
		return FL_DROP_NO_ROOM;
	writer.pos = (uint8_t *)(long)ctx->data;
	writer.end = (const uint8_t *)(long)ctx->data_end;
	return fl_emit(&writer, packet, decision);
}

FL_INLINE void
count_forwarded(const struct run *run, const struct fl_packet *packet,
		const struct fl_decision *decision)
{
	uint32_t at = run->cpu * run->config->vip_count + decision->record;
	struct fl_counter *counter = bpf_map_lookup_elem(&vip_counters, &at);

	if (counter != NULL) {
		counter->packets++;
		counter->bytes += packet->l3_bytes;
	}
	at = run->cpu * run->config->backend_count + decision->slot;
	counter = bpf_map_lookup_elem(&backend_counters, &at);
	if (counter != NULL) {
		counter->packets++;
		counter->bytes += packet->l3_bytes;
	}
}

/** @return the XDP action that sends the frame by the decision's port. */
FL_INLINE int
send(const struct run *run, const struct fl_decision *decision)
{
	if (run->config->ifindex[decision->port & (FL_PORTS_MAX - 1)] == run->ifindex)
		return XDP_TX;
	return (int)bpf_redirect_map(&tx_ports, decision->port, XDP_ABORTED);
}

/*
 * Global functions: the verifier looks at each by itself, so the paths through them add up instead
 * of multiplying. What they hand over is plain memory.
 */

__attribute__((noinline)) uint32_t
parse_l3(struct xdp_md *ctx, struct fl_packet *packet)
{
	struct fl_cursor cursor = { .pos = (const uint8_t *)(long)ctx->data,
				    .end = (const uint8_t *)(long)ctx->data_end };

	if (packet == NULL)
		return FL_DROP_BUG;
	return fl_parse_l3(&cursor, (uint32_t)(ctx->data_end - ctx->data), packet);
}

__attribute__((noinline)) uint32_t
parse_l4(struct xdp_md *ctx, struct fl_packet *packet)
{
	struct fl_cursor cursor = { .end = (const uint8_t *)(long)ctx->data_end };
	uint32_t offset;

	if (packet == NULL)
		return FL_DROP_BUG;
	offset = packet->l2_bytes + packet->l4_offset;
	if (offset > FL_READ_BYTES_MAX)
		return FL_DROP_BUG;
	cursor.pos = (const uint8_t *)(long)ctx->data + offset;
	fl_parse_l4(&cursor, packet);
	return FL_FORWARD;
}

__attribute__((noinline)) uint32_t
admit_packet(struct fl_packet *packet, uint32_t *ret_record)
{
	struct fl_view view = { .access = &map_access };
	struct fl_decision decision = { 0 };
	const struct xdp_config *settings;
	uint32_t zero = 0, verdict;

	settings = bpf_map_lookup_elem(&config, &zero);
	if (packet == NULL || ret_record == NULL || settings == NULL)
		return FL_DROP_BUG;
	view.config = &settings->core;
	verdict = fl_admit(&view, packet, &decision);
	*ret_record = decision.record;
	return verdict;
}

SEC("xdp")
int
fairlead_xdp(struct xdp_md *ctx)
{
	uint32_t zero = 0, cpu = bpf_get_smp_processor_id();
	struct run run = { .cpu = cpu, .ifindex = ctx->ingress_ifindex };
	struct fl_view view = { .access = &map_access, .user = &run };
	struct fl_packet packet = { 0 };
	struct fl_decision decision = { 0 };
	enum fl_verdict verdict;
	int action = XDP_DROP;

	run.config = bpf_map_lookup_elem(&config, &zero);
	run.core = bpf_map_lookup_elem(&cores, &cpu);
	if (run.config == NULL || run.core == NULL)
		return XDP_ABORTED; /* the process makes both before it attaches this */
	view.config = &run.config->core;
	decision.verdict = parse_l3(ctx, &packet);
	if (decision.verdict == FL_FORWARD)
		decision.verdict = parse_l4(ctx, &packet);
	if (decision.verdict == FL_FORWARD)
		decision.verdict = admit_packet(&packet, &decision.record);
	if (decision.verdict == FL_FORWARD) {
		decision.hash = fl_decision_hash(&view, &packet);
		decision.vip = get_vip(NULL, decision.record);
		decision.verdict =
			decision.vip == NULL ? FL_DROP_BUG : fl_choose(&view, &packet, &decision);
	}
	if (decision.verdict == FL_FORWARD)
		decision.verdict = fl_route(&view, &packet, &decision);
	verdict = fl_conclude(&view, &packet, &decision);
	if (fl_verdict_is_send(verdict))
		verdict = make_frame(ctx, &packet, &decision);
	if (fl_verdict_is_send(verdict)) {
		action = send(&run, &decision);
		if (action == XDP_ABORTED)
			verdict = FL_DROP_BUG;
	} else if (fl_verdict_is_pass(verdict)) {
		action = XDP_PASS;
	}
	if (verdict == FL_FORWARD)
		count_forwarded(&run, &packet, &decision);
	if ((uint32_t)verdict < FL_VERDICT_COUNT)
		run.core->verdicts[verdict]++;
	return action;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
