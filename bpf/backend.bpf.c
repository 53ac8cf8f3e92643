/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a backend server needs in the kernel, as two tc clsact programs (direct action).
 *
 * fairlead_decap, at ingress: takes the tunnel off packets that an allowed balancer sent for a VIP,
 * which is an outer IPv4 or IPv6 header, and with GUE a UDP header to port 6080 behind it. Then the
 * stack goes on with the inner packet as if it had come by itself. Other IP-in-IP, and other UDP to
 * port 6080, is dropped and counted when it is to this host; everything else is passed on unread.
 * So is UDP to port 6080 of a VIP: a tunnel ends at the host's own address, that is a service.
 *
 * fairlead_mss, at egress: lowers the MSS option in SYN and SYN-ACK segments that leave from a
 * VIP, so that what the client then sends still fits once it is encapsulated.
 *
 * Only calls that kernel 5.15 has are used: the family of a packet is changed by
 * bpf_skb_change_proto().
 * Headers are read with bpf_skb_load_bytes(), so it does not matter whether they are linear.
 * Returning TC_ACT_UNSPEC lets filters of others on the same hook see the packet too.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "backend_tables.h"

enum {
	FAMILY_IPV4 = 2,  /* AF_INET, not among the UAPI headers for BPF */
	FAMILY_IPV6 = 10, /* AF_INET6 */
	IPV4_OFFSET_MASK = 0x1fff,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_HEADER_MAX = 60,
	GUE_PORT = 6080,
	GUE_HEADER_BYTES = 4,	  /* variant 0; variant 1 has none: the IP packet begins at once */
	CHECKSUM_CHUNK = 128,	  /* bytes read at a time; what the stack has room for */
	CHECKSUM_CHUNKS_MAX = 72, /* 9216 bytes: a jumbo frame */
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTIONS_MAX = 40, /* a TCP header has at most 40 bytes of options */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BACKEND_VIPS_MAX);
	__type(key, struct backend_address);
	__type(value, uint8_t); /* a set: the value says nothing */
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BACKEND_PREFIXES_MAX);
	__type(key, struct backend_prefix);
	__type(value, uint8_t);
} balancers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BACKEND_COUNTERS);
	__type(key, uint32_t);
	__type(value, struct backend_count);
} counters SEC(".maps");

const volatile struct backend_config config;

/* The outer header of a packet in a tunnel. */
struct outer {
	bool is_ipv6;
	bool is_fragment;
	uint8_t protocol;      /* IPPROTO_IPIP: IPv4 inside; IPPROTO_IPV6: IPv6; or IPPROTO_UDP */
	uint32_t header_bytes; /* 20-60, the IP header alone */
	uint32_t total_bytes;  /* the header and what it says comes after it */
	struct backend_address source;
	struct backend_address destination;
};

/* The packet in the tunnel. */
struct inner {
	bool is_ipv6;
	uint32_t offset;      /* from the outer IP header: what has to come off */
	uint32_t room_bytes;  /* what the tunnel holds: the packet and maybe bytes after it */
	uint32_t total_bytes; /* its own length */
	struct backend_address source;
};

/*
 * What a UDP checksum covers besides the datagram. For IPv4 too, whose addresses are shorter: the
 * 0xffff of a mapped address adds nothing in one's complement.
 */
struct pseudo_header {
	struct backend_address source;
	struct backend_address destination;
	uint32_t bytes;	   /* of the datagram, network order */
	uint32_t protocol; /* network order */
};

static __always_inline void
address_from_ipv4(struct backend_address *ret_address, uint32_t ipv4)
{
	__builtin_memset(ret_address, 0, sizeof *ret_address);
	ret_address->bytes[10] = 0xff;
	ret_address->bytes[11] = 0xff;
	__builtin_memcpy(&ret_address->bytes[12], &ipv4, sizeof ipv4);
}

static __always_inline void
count(enum backend_counter counter, uint32_t packets, uint32_t bytes)
{
	uint32_t index = counter;
	struct backend_count *entry = bpf_map_lookup_elem(&counters, &index);

	if (entry == NULL)
		return;
	entry->packets += packets;
	entry->bytes += bytes;
}

/*
 * How long a packet with the length field @field is, @header bytes included. Super-packets over
 * 64 KiB have 0 in the field; they end where the buffer ends.
 */
static __always_inline uint32_t
declared_bytes(const struct __sk_buff *skb, uint32_t header, uint32_t field)
{
	if (field == 0 && skb->gso_size != 0)
		return skb->len - ETH_HLEN;
	return header + field;
}

/* tc comes before the stack's own check of the header, so it is done here. */
static __always_inline bool
ipv4_header_is_intact(struct __sk_buff *skb, uint32_t header_bytes)
{
	uint32_t words[IPV4_HEADER_MAX / 4] = { 0 };
	int64_t sum;

	if (header_bytes < sizeof(struct iphdr) || header_bytes > sizeof words ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, words, header_bytes) < 0)
		return false;
	sum = bpf_csum_diff(NULL, 0, words, sizeof words, 0);
	if (sum < 0)
		return false;
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/*
 * Whether the host itself is the destination. The caller has seen that the frame is for this
 * host's MAC. A host that does not forward cannot pass it on; one that does (a router, a container
 * host) tells by its routes, and tunnels that only travel through it stay untouched.
 */
static __always_inline bool
fib_says_local(struct __sk_buff *skb, struct bpf_fib_lookup *lookup)
{
	long answer;

	lookup->ifindex = skb->ifindex;
	answer = bpf_fib_lookup(skb, lookup, sizeof *lookup, 0);
	return answer < 0 || answer == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       answer == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline bool
is_vip(const struct backend_address *address)
{
	return bpf_map_lookup_elem(&vips, address) != NULL;
}

static __always_inline bool
is_same(const struct backend_address *a, const struct backend_address *b)
{
	uint64_t left[2], right[2];

	__builtin_memcpy(left, a, sizeof left);
	__builtin_memcpy(right, b, sizeof right);
	return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0;
}

static __always_inline bool
is_delivered(enum backend_counter counter)
{
	return counter == BACKEND_DECAP_IPV4 || counter == BACKEND_DECAP_IPV6;
}

/* Whether @outer, whose lengths are known, is a tunnel if its destination is this host's. */
static __always_inline bool
carries_tunnel(struct __sk_buff *skb, const struct outer *outer)
{
	struct udphdr udp;

	if (outer->protocol != IPPROTO_UDP)
		return true;
	return outer->total_bytes >= outer->header_bytes + sizeof udp &&
	       bpf_skb_load_bytes(skb, ETH_HLEN + outer->header_bytes, &udp, sizeof udp) == 0 &&
	       udp.dest == bpf_htons(GUE_PORT) && !is_vip(&outer->destination);
}

static __always_inline bool
is_tunnel_protocol(uint8_t protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_UDP;
}

/*
 * @return true for a well-formed IPv4 packet to this host that is a tunnel's. A header that is
 *         damaged is left to the stack, which drops and counts it. So is a later fragment of UDP,
 *         which has no ports: without its first, which is dropped here, it comes to nothing.
 */
static __always_inline bool
outer_read_ipv4(struct __sk_buff *skb, struct outer *ret_outer)
{
	struct bpf_fib_lookup lookup = { .family = FAMILY_IPV4 };
	struct iphdr header;
	uint32_t field;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &header, sizeof header) < 0)
		return false;
	if (!is_tunnel_protocol(header.protocol) ||
	    (header.protocol == IPPROTO_UDP &&
	     (header.frag_off & bpf_htons(IPV4_OFFSET_MASK)) != 0))
		return false;
	field = bpf_ntohs(header.tot_len);
	ret_outer->is_ipv6 = false;
	ret_outer->protocol = header.protocol;
	ret_outer->header_bytes = header.ihl * 4;
	ret_outer->total_bytes = declared_bytes(skb, 0, field);
	ret_outer->is_fragment =
		(header.frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS)) != 0;
	address_from_ipv4(&ret_outer->source, header.saddr);
	address_from_ipv4(&ret_outer->destination, header.daddr);
	if (header.version != 4 || header.ihl < 5 ||
	    ret_outer->total_bytes < ret_outer->header_bytes ||
	    ret_outer->total_bytes > skb->len - ETH_HLEN || !carries_tunnel(skb, ret_outer) ||
	    !ipv4_header_is_intact(skb, ret_outer->header_bytes))
		return false;
	lookup.ipv4_src = header.saddr;
	lookup.ipv4_dst = header.daddr;
	return fib_says_local(skb, &lookup);
}

/* As outer_read_ipv4(). Balancers put no extension header between the two IP headers. */
static __always_inline bool
outer_read_ipv6(struct __sk_buff *skb, struct outer *ret_outer)
{
	struct bpf_fib_lookup lookup = { .family = FAMILY_IPV6 };
	struct ipv6hdr header;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &header, sizeof header) < 0)
		return false;
	if (!is_tunnel_protocol(header.nexthdr))
		return false;
	ret_outer->is_ipv6 = true;
	ret_outer->is_fragment = false;
	ret_outer->protocol = header.nexthdr;
	ret_outer->header_bytes = sizeof header;
	ret_outer->total_bytes = declared_bytes(skb, sizeof header, bpf_ntohs(header.payload_len));
	__builtin_memcpy(&ret_outer->source, &header.saddr, sizeof ret_outer->source);
	__builtin_memcpy(&ret_outer->destination, &header.daddr, sizeof ret_outer->destination);
	if (header.version != 6 || ret_outer->total_bytes > skb->len - ETH_HLEN ||
	    !carries_tunnel(skb, ret_outer))
		return false;
	__builtin_memcpy(lookup.ipv6_src, &header.saddr, sizeof lookup.ipv6_src);
	__builtin_memcpy(lookup.ipv6_dst, &header.daddr, sizeof lookup.ipv6_dst);
	return fib_says_local(skb, &lookup);
}

static __always_inline bool
outer_read(struct __sk_buff *skb, struct outer *ret_outer)
{
	/* 0 is PACKET_HOST; frames of a VLAN belong to that VLAN's own interface. */
	if (skb->pkt_type != 0 || skb->vlan_present || skb->len <= ETH_HLEN)
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return outer_read_ipv4(skb, ret_outer);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return outer_read_ipv6(skb, ret_outer);
	return false;
}

static __always_inline enum backend_counter
judge_vip(uint8_t protocol, const struct backend_address *destination, bool is_ipv6)
{
	if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6)
		return BACKEND_DROP_NESTED;
	if (!is_vip(destination))
		return BACKEND_DROP_NOT_VIP;
	return is_ipv6 ? BACKEND_DECAP_IPV6 : BACKEND_DECAP_IPV4;
}

static __always_inline enum backend_counter
judge_inner_ipv4(struct __sk_buff *skb, struct inner *inner)
{
	struct backend_address destination;
	struct iphdr header;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + inner->offset, &header, sizeof header) < 0)
		return BACKEND_DROP_MALFORMED;
	inner->is_ipv6 = false;
	inner->total_bytes = bpf_ntohs(header.tot_len);
	if (inner->total_bytes == 0 && skb->gso_size != 0)
		inner->total_bytes = inner->room_bytes;
	if (header.version != 4 || header.ihl < 5 || inner->total_bytes < header.ihl * 4u ||
	    inner->total_bytes > inner->room_bytes)
		return BACKEND_DROP_MALFORMED;
	address_from_ipv4(&destination, header.daddr);
	address_from_ipv4(&inner->source, header.saddr);
	return judge_vip(header.protocol, &destination, false);
}

static __always_inline enum backend_counter
judge_inner_ipv6(struct __sk_buff *skb, struct inner *inner)
{
	struct backend_address destination;
	struct ipv6hdr header;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + inner->offset, &header, sizeof header) < 0)
		return BACKEND_DROP_MALFORMED;
	inner->is_ipv6 = true;
	inner->total_bytes = sizeof header + bpf_ntohs(header.payload_len);
	if (header.payload_len == 0 && skb->gso_size != 0)
		inner->total_bytes = inner->room_bytes;
	if (header.version != 6 || inner->total_bytes < sizeof header ||
	    inner->total_bytes > inner->room_bytes)
		return BACKEND_DROP_MALFORMED;
	__builtin_memcpy(&destination, &header.daddr, sizeof destination);
	__builtin_memcpy(&inner->source, &header.saddr, sizeof inner->source);
	return judge_vip(header.nexthdr, &destination, true);
}

/* The 16-bit one's complement sum. */
static __always_inline uint32_t
sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/*
 * Whether the checksum over @left bytes from @offset is right, given the sum of what else it
 * covers. A function of its own for its stack, and unrolled for the verifier: see mss_find(). So
 * it runs on after the last whole chunk; clang would not unroll a loop that it can leave.
 *
 * The card may have verified it already, but programs are not told of every way in which it says
 * so. Balancers send 0, so nothing is lost by adding it up.
 *
 * @return 0 also where more than CHECKSUM_CHUNKS_MAX chunks and the start of one are left.
 */
static __noinline int
checksum_is_right(struct __sk_buff *skb, uint32_t offset, uint32_t left, uint32_t sum)
{
	uint32_t chunk[CHECKSUM_CHUNK / 4];

#pragma clang loop unroll(full)
	for (int i = 0; i < CHECKSUM_CHUNKS_MAX; i++) {
		if (left < sizeof chunk)
			continue;
		if (bpf_skb_load_bytes(skb, offset, chunk, sizeof chunk) < 0)
			return 0;
		sum = bpf_csum_diff(NULL, 0, chunk, sizeof chunk, sum);
		offset += sizeof chunk;
		left -= sizeof chunk;
	}
	__builtin_memset(chunk, 0, sizeof chunk);
	if (left >= sizeof chunk)
		return 0;
	if (left > 0) {
		/* kernel 6.1 knows no bound of a copy, nor that what is not 0 is 1 at least */
		barrier_var(left);
		left = ((left - 1) & (sizeof chunk - 1)) + 1;
		if (bpf_skb_load_bytes(skb, offset, chunk, left) < 0)
			return 0;
	}
	return sum_fold(bpf_csum_diff(NULL, 0, chunk, sizeof chunk, sum)) == 0xffff;
}

/*
 * Whether a datagram may be taken by its checksum. Zero is none (RFC 768); on this one port it is
 * taken in IPv6 too (RFC 6935), in the conditions of RFC 6936: what is inside has checksums of its
 * own, and its destination has to be a VIP.
 */
static __always_inline bool
udp_checksum_is_fine(struct __sk_buff *skb, const struct outer *outer, const struct udphdr *udp)
{
	struct pseudo_header pseudo = { .source = outer->source,
					.destination = outer->destination,
					.bytes = bpf_htonl(bpf_ntohs(udp->len)),
					.protocol = bpf_htonl(IPPROTO_UDP) };
	uint32_t sum;

	if (udp->check == 0)
		return true;
	sum = bpf_csum_diff(NULL, 0, (uint32_t *)&pseudo, sizeof pseudo, 0);
	return checksum_is_right(skb, ETH_HLEN + outer->header_bytes, bpf_ntohs(udp->len), sum);
}

/*
 * What protocol a GUE payload is of, IPPROTO_IPIP or IPPROTO_IPV6, or 0: of none that is taken.
 * Variant 1 is an IP packet, known by the version in its first byte. Of variant 0 only the plain
 * header is taken: no control message, no optional fields, no flags.
 */
static __always_inline uint8_t
gue_protocol(struct __sk_buff *skb, struct inner *inner)
{
	uint8_t header[GUE_HEADER_BYTES];

	if (inner->room_bytes < sizeof header ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + inner->offset, header, sizeof header) < 0)
		return 0;
	if (header[0] >> 4 == 4)
		return IPPROTO_IPIP;
	if (header[0] >> 4 == 6)
		return IPPROTO_IPV6;
	if (header[0] != 0 || header[2] != 0 || header[3] != 0)
		return 0;
	inner->offset += sizeof header;
	inner->room_bytes -= sizeof header;
	return header[1];
}

static __always_inline enum backend_counter
judge_inner(struct __sk_buff *skb, uint8_t protocol, struct inner *inner)
{
	if (protocol == IPPROTO_IPIP)
		return judge_inner_ipv4(skb, inner);
	if (protocol == IPPROTO_IPV6)
		return judge_inner_ipv6(skb, inner);
	return BACKEND_DROP_MALFORMED;
}

static __always_inline enum backend_counter
judge_gue(struct __sk_buff *skb, const struct outer *outer, struct inner *inner)
{
	struct udphdr udp;
	uint32_t bytes;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + outer->header_bytes, &udp, sizeof udp) < 0)
		return BACKEND_DROP_MALFORMED;
	bytes = bpf_ntohs(udp.len);
	if (bytes == 0 && skb->gso_size != 0)
		bytes = inner->room_bytes;
	if (bytes < sizeof udp || bytes > inner->room_bytes)
		return BACKEND_DROP_MALFORMED;
	if (!udp_checksum_is_fine(skb, outer, &udp))
		return BACKEND_DROP_CHECKSUM;
	inner->offset += sizeof udp;
	inner->room_bytes = bytes - sizeof udp;
	return judge_inner(skb, gue_protocol(skb, inner), inner);
}

/* What becomes of a tunnel's packet to this host. Changes nothing. */
static __always_inline enum backend_counter
judge(struct __sk_buff *skb, const struct outer *outer, struct inner *ret_inner)
{
	struct backend_prefix source = { .bits = 128, .address = outer->source };
	enum backend_counter counter;

	if (bpf_map_lookup_elem(&balancers, &source) == NULL)
		return BACKEND_DROP_SOURCE;
	if (outer->is_fragment)
		return BACKEND_DROP_FRAGMENT;
	ret_inner->offset = outer->header_bytes;
	ret_inner->room_bytes = outer->total_bytes - outer->header_bytes;
	counter = outer->protocol == IPPROTO_UDP ? judge_gue(skb, outer, ret_inner)
						 : judge_inner(skb, outer->protocol, ret_inner);
	/* the answer would stay in this host, where a service that answers all could go on with it
	 * for ever */
	if (is_delivered(counter) &&
	    (is_vip(&ret_inner->source) || is_same(&ret_inner->source, &outer->destination)))
		return BACKEND_DROP_SOURCE;
	return counter;
}

/*
 * Take the tunnel off.
 *
 * bpf_skb_change_proto() is made for translation: it lets the header grow or shrink by the 20
 * bytes between IPv4 and IPv6, and sets the packet's family. Here it is called for the family; the
 * room it made or took counts for what is left to cut. It refuses super-packets of UDP.
 *
 * FIXED_GSO: the segments inside a super-packet do not grow because a header went.
 * NO_CSUM_RESET: IP-in-IP has no checksum of its own, so what the card verified, or left to be
 * filled in, is the inner one and stays true. Of the checksums that the card verified, UDP's is the
 * first, also when it is zero; it goes with its header.
 *
 * @return false when the kernel refused; the packet may be changed and must be dropped.
 */
static __always_inline bool
decapsulate(struct __sk_buff *skb, const struct outer *outer, const struct inner *inner)
{
	const uint64_t flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	const int32_t step = sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	int32_t cut = inner->offset;
	uint16_t ether_type;

	if (inner->is_ipv6 != outer->is_ipv6) {
		ether_type = inner->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
		if (bpf_skb_change_proto(skb, ether_type, 0) < 0 ||
		    bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &ether_type,
					sizeof ether_type, 0) < 0)
			return false;
		cut += inner->is_ipv6 ? step : -step;
	}
	if (bpf_skb_adjust_room(skb, -cut, BPF_ADJ_ROOM_MAC, flags) < 0)
		return false;
	if (outer->protocol == IPPROTO_UDP)
		(void)bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC); /* an answer, never a failure */
	return true;
}

SEC("tc")
int
fairlead_decap(struct __sk_buff *skb)
{
	uint32_t packets = skb->gso_segs == 0 ? 1 : skb->gso_segs;
	enum backend_counter counter;
	struct outer outer = { 0 };
	struct inner inner = { 0 };
	bool delivered;

	if (!outer_read(skb, &outer))
		return TC_ACT_UNSPEC;
	counter = judge(skb, &outer, &inner);
	delivered = is_delivered(counter);
	if (delivered && !decapsulate(skb, &outer, &inner)) {
		counter = BACKEND_DROP_REFUSED;
		delivered = false;
	}
	count(counter, packets, delivered ? inner.total_bytes : outer.total_bytes);
	return delivered ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* A TCP segment that leaves this host. */
struct segment {
	struct backend_address source;
	uint32_t tcp_offset; /* from the start of the frame */
	uint32_t mss_max;
};

/* @return false: not TCP, or its TCP header is not in this packet. */
static __always_inline bool
segment_read(struct __sk_buff *skb, struct segment *ret_segment)
{
	struct ipv6hdr ipv6;
	struct iphdr ipv4;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ipv4, sizeof ipv4) < 0 ||
		    ipv4.protocol != IPPROTO_TCP || ipv4.ihl < 5 ||
		    (ipv4.frag_off & bpf_htons(IPV4_OFFSET_MASK)) != 0)
			return false;
		address_from_ipv4(&ret_segment->source, ipv4.saddr);
		ret_segment->tcp_offset = ETH_HLEN + ipv4.ihl * 4;
		ret_segment->mss_max = config.mss_ipv4_max;
		return true;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ipv6, sizeof ipv6) < 0 ||
		    ipv6.nexthdr != IPPROTO_TCP)
			return false;
		__builtin_memcpy(&ret_segment->source, &ipv6.saddr, sizeof ret_segment->source);
		ret_segment->tcp_offset = ETH_HLEN + sizeof ipv6;
		ret_segment->mss_max = config.mss_ipv6_max;
		return true;
	}
	return false;
}

/*
 * The offset of the two bytes of the MSS from the start of the TCP header, or 0: there is none.
 *
 * Options are read one by one: a table on the stack read at a computed place would need
 * CAP_PERFMON to be loaded. The walk counts down what is left, which the verifier does not know,
 * instead of up from 20, which it does: else it follows every possible sequence of lengths. And
 * the loop is unrolled: without CAP_PERFMON the verifier also follows mispredicted branches, and
 * one of those leaves the bound of a loop behind ("sequence of 8193 jumps is too complex").
 * For the same reason the load comes first: clang merges tests before it with the loop's own, and
 * then cannot unroll.
 */
static __always_inline uint32_t
mss_find(struct __sk_buff *skb, uint32_t tcp_offset, uint32_t header_bytes)
{
	uint32_t left = header_bytes - sizeof(struct tcphdr);
	uint8_t option[2];
	uint32_t size;

#pragma clang loop unroll(full)
	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		if (bpf_skb_load_bytes(skb, tcp_offset + header_bytes - left, option,
				       sizeof option) < 0)
			return 0;
		/* one byte alone at the end can only be END or NOP; over 40: doff was below 5 */
		if (left < sizeof option || left > TCP_OPTIONS_MAX)
			return 0;
		size = option[0] == TCP_OPTION_NOP ? 1 : option[1];
		if (option[0] == TCP_OPTION_END || size == 0 || size > left)
			return 0;
		if (option[0] == TCP_OPTION_MSS)
			return size == 4 ? header_bytes - left + 2 : 0;
		left -= size;
	}
	return 0;
}

/* @return true when the segment announced more than @segment allows, and now does not. */
static __always_inline bool
mss_lower(struct __sk_buff *skb, const struct segment *segment, uint32_t mss_offset)
{
	uint32_t tcp_check = segment->tcp_offset + offsetof(struct tcphdr, check);
	uint16_t lower = bpf_htons(segment->mss_max);
	uint16_t present, from, to;

	if (bpf_skb_load_bytes(skb, segment->tcp_offset + mss_offset, &present, sizeof present) <
		    0 ||
	    bpf_ntohs(present) <= segment->mss_max)
		return false;
	/* The checksum adds 16-bit words: at an odd offset the two bytes lie in two words. */
	from = mss_offset % 2 == 0 ? present : __builtin_bswap16(present);
	to = mss_offset % 2 == 0 ? lower : __builtin_bswap16(lower);
	/* When the card is to fill the checksum in, this leaves it alone, as it must. */
	if (bpf_l4_csum_replace(skb, tcp_check, from, to, sizeof from) < 0)
		return false;
	return bpf_skb_store_bytes(skb, segment->tcp_offset + mss_offset, &lower, sizeof lower,
				   0) == 0;
}

SEC("tc")
int
fairlead_mss(struct __sk_buff *skb)
{
	struct segment segment = { 0 };
	struct tcphdr tcp;
	uint32_t mss_offset;

	if (!segment_read(skb, &segment) ||
	    bpf_skb_load_bytes(skb, segment.tcp_offset, &tcp, sizeof tcp) < 0 || !tcp.syn ||
	    bpf_map_lookup_elem(&vips, &segment.source) == NULL)
		return TC_ACT_UNSPEC;
	mss_offset = mss_find(skb, segment.tcp_offset, tcp.doff * 4);
	if (mss_offset != 0 && mss_lower(skb, &segment, mss_offset))
		count(BACKEND_MSS_CLAMPED, 1, skb->len - ETH_HLEN);
	return TC_ACT_UNSPEC;
}

char backend_license[] SEC("license") = "Dual BSD/GPL";
