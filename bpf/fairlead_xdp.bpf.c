/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP plane's packet path: the core's decision over BPF maps, one packet at a time. Nothing of
 * it is decided here.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../dataplane/core/emit.h"
#include "xdp_maps.h"

/**
 * Set by the process before it loads: it has no CAP_PERFMON, so the verifier lets no pointer be
 * subtracted from another nor moved by what is not a constant, and length and headers behind others
 * cost calls. 6.12's verifier refuses it so, 6.18's takes it.
 */
const volatile bool no_perfmon = false;

FL_INLINE bool
load_bytes(void *context, uint32_t offset, void *to, uint32_t size)
{
	struct xdp_md *ctx = context;
	const uint8_t *from;

	if (no_perfmon)
		return bpf_xdp_load_bytes(ctx, offset, to, size) == 0;
	from = (const uint8_t *)(long)ctx->data + offset;
	if (from + size > (const uint8_t *)(long)ctx->data_end)
		return false;
	__builtin_memcpy(to, from, size);
	return true;
}

FL_INLINE uint32_t
frame_length(struct xdp_md *ctx)
{
	return no_perfmon ? (uint32_t)bpf_xdp_get_buff_len(ctx)
			  : (uint32_t)(ctx->data_end - ctx->data);
}

#define STEPS_LOAD load_bytes
#include "xdp_steps.h"

#define TABLE(name, shape, entries)                                   \
	struct {                                                      \
		__uint(type, BPF_MAP_TYPE_ARRAY);                     \
		__uint(map_flags, BPF_F_MMAPABLE);                    \
		__uint(max_entries, 1); /* the process sets theirs */ \
		__type(key, uint32_t);                                \
		__type(value, shape);                                 \
	} name SEC(".maps");
XDP_TABLES(TABLE)

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
	struct xdp_md *ctx;
	uint32_t cpu;
	uint32_t ifindex; /**< it came by */
};

/* --- fl_access --- */

FL_INLINE const struct fl_config *
get_config(void *user)
{
	return &((const struct run *)user)->config->core;
}

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

FL_INLINE const struct fl_fragments *
get_fragments(void *user, uint32_t bucket)
{
	return bpf_map_lookup_elem(&fragments, &bucket);
}

FL_INLINE struct fl_core *
get_core(void *user)
{
	return ((const struct run *)user)->core;
}

FL_INLINE uint64_t
get_now_ns(void *user)
{
	return bpf_ktime_get_ns();
}

FL_INLINE const struct fl_row *
get_row(void *user, uint32_t index)
{
	return bpf_map_lookup_elem(&rows, &index);
}

FL_INLINE const struct fl_flows *
get_flows(void *user, uint32_t bucket)
{
	return bpf_map_lookup_elem(&flows, &bucket);
}

FL_INLINE const struct fl_backend *
get_backend(void *user, uint32_t slot)
{
	return bpf_map_lookup_elem(&backends, &slot);
}

FL_INLINE uint64_t
get_tick(void *user)
{
	uint32_t zero = 0;
	const struct fl_clock *now = bpf_map_lookup_elem(&clock, &zero);

	return now != NULL ? FL_READ_ONCE(now->tick) : 0;
}

static const struct fl_vip_access vip_access = {
	.config = get_config,
	.bucket = get_bucket,
	.vip = get_vip,
};

/** Calls keep the verifier's paths apart: what is stored where is not known inside. */
__attribute__((noinline)) uint32_t
store_fragment(uint32_t at, uint64_t word)
{
	uint32_t bucket = at / FL_BUCKET_WORDS;
	struct fl_fragments *entries = bpf_map_lookup_elem(&fragments, &bucket);

	if (entries == NULL)
		return 0;
	FL_UNROLL
	for (uint32_t i = 0; i < FL_BUCKET_WORDS; i++)
		if (at % FL_BUCKET_WORDS == i)
			FL_WRITE_ONCE(entries->word[i], word);
	return 0;
}

FL_INLINE void
store_fragment_by_call(void *user, uint32_t at, uint64_t word)
{
	(void)store_fragment(at, word);
}

static const struct fl_fragment_access fragment_access = {
	.config = get_config,
	.bucket = get_fragments,
	.store = store_fragment_by_call,
	.core = get_core,
	.now_ns = get_now_ns,
};

/*
 * Global functions: the verifier looks at each by itself, so the paths through them add up instead
 * of multiplying. They take numbers and plain memory.
 */

/** @return false: the process has not made the maps, which it does before it attaches. */
FL_INLINE bool
start_run(struct run *run)
{
	uint32_t zero = 0;

	run->cpu = bpf_get_smp_processor_id();
	run->config = bpf_map_lookup_elem(&config, &zero);
	run->core = bpf_map_lookup_elem(&cores, &run->cpu);
	return run->config != NULL && run->core != NULL;
}

/** The record with a key, which comes in registers. @return its index + 1; 0: none. */
__attribute__((noinline)) uint32_t
find_record(uint64_t address_0, uint64_t address_1, uint64_t rest)
{
	struct fl_vip_key key = { .address.half = { address_0, address_1 }, .rest = rest };
	uint32_t zero = 0, record;
	struct run run = { .config = bpf_map_lookup_elem(&config, &zero) };

	if (run.config == NULL || fl_vip_find(&vip_access, &run, &key, &record) == NULL)
		return 0;
	return record + 1;
}

/** @param found of find_record(). @return as fl_access.find_range. */
__attribute__((noinline)) uint32_t
range_first(uint32_t found, uint32_t port)
{
	const struct fl_vip *page = found == 0 ? NULL : get_vip(NULL, found - 1);

	return page == NULL ? FL_RANGE_NOT_FOUND : fl_page_range(&page->page, (uint16_t)port);
}

__attribute__((noinline)) uint32_t
recall_fragment(const struct fl_packet *packet)
{
	struct run run;

	return packet == NULL || !start_run(&run)
		       ? FL_FRAGMENT_NOT_FOUND
		       : fl_fragment_recall(&fragment_access, &run, packet);
}

__attribute__((noinline)) uint32_t
remember_fragment(const struct fl_packet *packet, uint32_t slot)
{
	struct run run;

	if (packet != NULL && start_run(&run))
		fl_fragment_remember(&fragment_access, &run, packet, slot);
	return 0;
}

__attribute__((noinline)) uint32_t
swap_row(uint32_t index, uint64_t expected, uint64_t desired)
{
	struct fl_row *row = bpf_map_lookup_elem(&rows, &index);

	return row != NULL && FL_SWAP(row->word, expected, desired);
}

__attribute__((noinline)) uint32_t
swap_flow(uint32_t bucket, uint64_t expected, uint64_t desired)
{
	struct fl_flows *entries = bpf_map_lookup_elem(&flows, &bucket);

	return entries != NULL && fl_flow_swap(entries, expected, desired);
}

FL_INLINE bool
swap_row_by_call(void *user, uint32_t index, uint64_t expected, uint64_t desired)
{
	return swap_row(index, expected, desired) != 0;
}

FL_INLINE bool
swap_flow_by_call(void *user, uint32_t bucket, uint64_t expected, uint64_t desired)
{
	return swap_flow(bucket, expected, desired) != 0;
}

static const struct fl_slot_access slot_access = {
	.vip = get_vip,
	.backend = get_backend,
};

__attribute__((noinline)) uint32_t
slot_is_live(uint32_t slot)
{
	return fl_track_is_live(&slot_access, NULL, slot);
}

__attribute__((noinline)) uint32_t
entry_facts(uint64_t word, uint64_t tick)
{
	return fl_entry_facts(&slot_access, NULL, word, tick);
}

FL_INLINE uint32_t
entry_facts_by_call(void *user, uint64_t word, uint64_t tick)
{
	return entry_facts(word, tick);
}

static const struct fl_flow_access flow_access = {
	.flows = get_flows,
	.facts = entry_facts_by_call,
};

__attribute__((noinline)) uint64_t
find_flow(uint32_t bucket, uint64_t fp, uint64_t tick)
{
	const struct fl_flow_place place = { .fp = fp, .tick = tick, .bucket = bucket };

	return fl_track_find(&flow_access, NULL, &place);
}

__attribute__((noinline)) uint64_t
find_victim(uint32_t bucket, uint64_t tick)
{
	const struct fl_flow_place place = { .tick = tick, .bucket = bucket };

	return fl_track_victim(&flow_access, NULL, &place);
}

FL_INLINE bool
is_live_by_call(void *user, uint32_t slot)
{
	return slot_is_live(slot) != 0;
}

FL_INLINE uint64_t
find_flow_by_call(void *user, uint32_t bucket, uint64_t fp, uint64_t tick)
{
	return find_flow(bucket, fp, tick);
}

FL_INLINE uint64_t
find_victim_by_call(void *user, uint32_t bucket, uint64_t tick)
{
	return find_victim(bucket, tick);
}

/** Of what happens to few packets: costs look-ups, not stack. */
FL_INLINE const struct fl_config *
look_up_config(void *user)
{
	uint32_t zero = 0;
	const struct xdp_config *settings = bpf_map_lookup_elem(&config, &zero);

	return settings != NULL ? &settings->core : NULL;
}

__attribute__((noinline)) uint32_t
count_flow(uint32_t record, uint32_t what)
{
	uint32_t zero = 0, at = bpf_get_smp_processor_id();
	const struct xdp_config *settings = bpf_map_lookup_elem(&config, &zero);
	struct fl_flow_counter *counter;

	if (settings == NULL)
		return 0;
	at = at * settings->vip_count + record;
	counter = bpf_map_lookup_elem(&flow_counters, &at);
	if (counter != NULL)
		fl_flow_count(counter, (enum fl_flow_event)what);
	return 0;
}

FL_INLINE void
count_flow_by_call(void *user, uint32_t record, enum fl_flow_event event)
{
	(void)count_flow(record, event);
}

static const struct fl_track_access track_access = {
	.config = look_up_config,
	.vip = get_vip,
	.facts = entry_facts_by_call,
	.is_live = is_live_by_call,
	.row = get_row,
	.find = find_flow_by_call,
	.victim = find_victim_by_call,
	.swap_row = swap_row_by_call,
	.swap_flow = swap_flow_by_call,
	.tick = get_tick,
	.count = count_flow_by_call,
};

/** fl_track() by numbers. @return the verdict, and the slot in the upper half. */
__attribute__((noinline)) uint64_t
track_flow(uint64_t hash, uint32_t record, uint32_t segment)
{
	struct fl_track_flow flow = { .hash = hash, .record = record, .segment = segment };
	enum fl_verdict verdict = fl_track(&track_access, NULL, &flow);

	return (uint64_t)flow.slot << 32 | (uint32_t)verdict;
}

/** Where code size matters more than time. */
FL_INLINE const struct fl_vip *
find_vip_by_call(void *user, const struct fl_vip_key *key, uint32_t *ret_record)
{
	uint32_t found = find_record(key->address.half[0], key->address.half[1], key->rest);

	if (found == 0)
		return NULL;
	*ret_record = found - 1;
	return get_vip(user, found - 1);
}

FL_INLINE const struct fl_owners *
get_owners(void *user, uint32_t index)
{
	return bpf_map_lookup_elem(&owners, &index);
}

FL_INLINE const struct fl_port *
get_port(void *user, uint32_t index)
{
	return bpf_map_lookup_elem(&ports, &index);
}

FL_INLINE uint32_t
get_fragment(void *user, const struct fl_packet *packet)
{
	return recall_fragment(packet);
}

FL_INLINE void
put_fragment(void *user, const struct fl_packet *packet, uint32_t slot)
{
	(void)remember_fragment(packet, slot);
}

/** Four bytes of the frame. By numbers: of a struct that a call has seen, the verifier knows
 * nothing any more. @return the word, and bit 32: it could be read. */
__attribute__((noinline)) uint64_t
read_word(struct xdp_md *ctx, uint32_t offset)
{
	uint32_t word = 0;

	if (offset > FL_READ_BYTES_MAX || !load_bytes(ctx, offset, &word, sizeof word))
		return 0;
	return word | 1ull << 32;
}

FL_INLINE bool
load_word_by_call(void *context, uint32_t offset, void *to, uint32_t size)
{
	uint64_t read = read_word(context, offset);

	*(uint32_t *)to = (uint32_t)read;
	return read >> 32;
}

FL_INLINE enum fl_verdict
track(void *user, const struct fl_packet *packet, struct fl_track_flow *flow)
{
	const struct fl_frame frame = { .load = load_word_by_call,
					.context = ((const struct run *)user)->ctx };
	uint64_t answer;

	flow->segment |= fl_segment(&frame, packet);
	answer = track_flow(flow->hash, flow->record, flow->segment);
	flow->slot = (uint32_t)(answer >> 32);
	return (enum fl_verdict)(uint32_t)answer;
}

FL_INLINE uint32_t
get_in_port(void *user)
{
	const struct run *run = user;

	FL_UNROLL
	for (uint32_t i = 0; i < FL_PORTS_MAX; i++)
		if (run->config->ifindex[i] == run->ifindex)
			return i;
	return FL_PORTS_MAX;
}

FL_INLINE const struct fl_vip *
find_vip(void *user, const struct fl_vip_key *key, uint32_t *ret_record)
{
	return fl_vip_find(&vip_access, user, key, ret_record);
}

FL_INLINE uint32_t
find_range_by_call(void *user, const struct fl_vip_key *key, uint16_t port)
{
	return range_first(find_record(key->address.half[0], key->address.half[1], key->rest),
			   port);
}

static const struct fl_access call_access = {
	.find = find_vip_by_call,
	.find_range = find_range_by_call,
};

static const struct fl_access map_access = {
	.find = find_vip,
	.vip = get_vip,
	.owners = get_owners,
	.track = track,
	.backend = get_backend,
	.port = get_port,
	.fragment_recall = get_fragment,
	.fragment_remember = put_fragment,
	.core = get_core,
	.in_port = get_in_port,
	.now_ns = get_now_ns,
};

/* --- what the decision asks for --- */

/** Make the frame that leaves. */
FL_INLINE enum fl_verdict
make_frame(struct xdp_md *ctx, const struct fl_packet *packet, const struct fl_decision *decision)
{
	uint32_t frame_bytes = frame_length(ctx);
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
send(struct run *run, const struct fl_decision *decision)
{
	if (decision->port == get_in_port(run))
		return XDP_TX;
	return (int)bpf_redirect_map(&tx_ports, decision->port, XDP_ABORTED);
}

/* --- the steps --- */

__attribute__((noinline)) uint32_t
admit_packet(struct fl_packet *packet, uint32_t *ret_record)
{
	struct fl_view view = { .access = &call_access };
	struct fl_decision decision = { 0 };
	const struct xdp_config *settings;
	uint32_t zero = 0, verdict;

	settings = bpf_map_lookup_elem(&config, &zero);
	if (packet == NULL || ret_record == NULL || settings == NULL)
		return FL_DROP_BUG;
	view.config = &settings->core;
	verdict = fl_admit(&view, packet, &decision, false);
	*ret_record = decision.record;
	return verdict;
}

/** fl_parse(): plain packets here, others by the functions above. */
FL_INLINE enum fl_verdict
read_packet(struct xdp_md *ctx, struct fl_packet *packet)
{
	struct fl_cursor cursor = { .pos = (const uint8_t *)(long)ctx->data,
				    .end = (const uint8_t *)(long)ctx->data_end };
	enum fl_verdict verdict = fl_parse_plain(&cursor, frame_length(ctx), packet);

	if (FL_LIKELY(verdict != FL_NOT_PLAIN))
		return verdict;
	*packet = (struct fl_packet){ 0 };
	verdict = parse_l3(ctx, packet, frame_length(ctx));
	return verdict == FL_FORWARD ? parse_l4(ctx, packet) : verdict;
}

/** fl_admit(), likewise. */
FL_INLINE enum fl_verdict
admit(const struct fl_view *view, struct fl_packet *packet, struct fl_decision *decision)
{
	enum fl_verdict verdict = FL_NOT_PLAIN;

	if (FL_LIKELY(packet->to.ip_proto != 0 && !no_perfmon))
		verdict = fl_admit(view, packet, decision, true);
	if (FL_LIKELY(verdict != FL_NOT_PLAIN))
		return verdict;
	verdict = admit_packet(packet, &decision->record);
	decision->vip = get_vip(NULL, decision->record);
	return verdict;
}

SEC("xdp")
int
fairlead_xdp(struct xdp_md *ctx)
{
	struct run run = { .ctx = ctx, .ifindex = ctx->ingress_ifindex };
	struct fl_view view = { .access = &map_access, .user = &run };
	struct fl_packet packet = { 0 };
	struct fl_decision decision = { 0 };
	enum fl_verdict verdict;
	int action = XDP_DROP;

	if (!start_run(&run))
		return XDP_ABORTED;
	view.config = &run.config->core;
	decision.verdict = read_packet(ctx, &packet);
	if (decision.verdict == FL_FORWARD)
		decision.verdict = admit(&view, &packet, &decision);
	if (decision.verdict == FL_FORWARD)
		decision.verdict = fl_decide_admitted(&view, &packet, &decision);
	verdict = fl_conclude(&view, &packet, &decision);
	if (fl_verdict_is_send(verdict))
		verdict = make_frame(ctx, &packet, &decision);
	if (fl_verdict_is_send(verdict)) {
		action = send(&run, &decision);
		if (action ==
		    XDP_ABORTED) /* its interface went; the process has not heard it yet */
			verdict = FL_DROP_UNREACHABLE;
	} else if (fl_verdict_is_pass(verdict)) {
		action = XDP_PASS;
	}
	if (verdict == FL_FORWARD)
		count_forwarded(&run, &packet, &decision);
	/* a constant on one path and none on another may index nothing without CAP_PERFMON */
	if (no_perfmon)
		verdict += run.config->zero;
	barrier_var(verdict); /* kernel 6.1 knows no bound of a copy */
	if ((uint32_t)verdict < FL_VERDICT_COUNT)
		run.core->verdicts[verdict]++;
	return action;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
