#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes packet_model_cases.h: frames, and what docs/formats.md sections 6 and 7 say becomes of them.

By another hand than the model: scapy builds what goes in and what must come out. The VIPs are those of test_packet_model.c.
A frame is written as hexadecimal digits; "{61*1400}" stands for a byte repeated."""

import ipaddress
import itertools
import pathlib
import subprocess

from scapy.all import (ARP, AH, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6ND_NS, ICMPv6PacketTooBig, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw)

KEY = bytes.fromhex("8f14e45fceea167a5a36dedd4bea2543")
CLIENT_MAC, GATEWAY = "02:c1:00:00:00:01", "02:00:00:00:01:0{}"
MACS = [f"02:00:00:00:00:0{i}" for i in (1, 2, 3, 4)]
# what each port sets: None keeps
TAGS = [None, [(0x8100, 7)], [], [(0x88a8, 100), (0x8100, 200)]]
SOURCE = {4: "10.1.0.5", 6: "2001:db8:1::5"}
ENTROPY = {4: ("10.1.64.0", 14), 6: ("2001:db8:1:e::", 32)}
C4, C6 = "198.51.100.7", "2001:db8:c::7"
rows = []


def rotate(x, bits):
    return (x << bits | x >> 64 - bits) & 0xffffffffffffffff


def siphash13(key, message):
    k0, k1 = (int.from_bytes(key[i:i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def sip_round():
        for a, b, c, d, left, right in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = v[a] + v[b] & 0xffffffffffffffff
            v[c] = v[c] + v[d] & 0xffffffffffffffff
            v[b] = rotate(v[b], left) ^ v[a]
            v[d] = rotate(v[d], right) ^ v[c]
            v[a] = rotate(v[a], 32)

    tail = len(message) % 8
    message += bytes(7 - tail) + bytes([len(message) & 0xff])
    for i in range(0, len(message), 8):
        word = int.from_bytes(message[i:i + 8], "little")
        v[3] ^= word
        sip_round()
        v[0] ^= word
    v[2] ^= 0xff
    for _ in range(3):
        sip_round()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


assert siphash13(bytes(range(16)), bytes(range(15))) == 0xd320d86d2a519956  # a published vector


def address_bytes(text):
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def flow_hash(src, sport, dst, dport, protocol):
    return siphash13(KEY, address_bytes(src) + address_bytes(dst) + sport.to_bytes(2, "big") + dport.to_bytes(2, "big") +
                     bytes([protocol, 0, 0, 0]))


def ethernet(dst, src, tags, kind):
    head = bytes(Ether(dst=dst, src=src))[:12]
    return head + b"".join(t.to_bytes(2, "big") + v.to_bytes(2, "big") for t, v in tags) + kind.to_bytes(2, "big")


def kind_of(packet):
    return 0x86dd if packet[0] >> 4 == 6 else 0x0800


def frame(packet, tags=(), after=b"", src=CLIENT_MAC, dst=MACS[0]):
    packet = bytes(packet)
    return ethernet(dst, src, tags, kind_of(packet)) + packet + after


def leaves(port, mac, packet, tags=()):
    packet = bytes(packet)
    return ethernet(mac, MACS[port], tags if TAGS[port] is None else TAGS[port], kind_of(packet)) + packet


def less(ip):
    """One TTL or hop limit less, everything computed anew."""
    ip = ip.copy()
    if IP in ip and ip.name == "IP":
        ip.ttl -= 1
    else:
        ip.hlim -= 1
    return bytes(ip)


def outer(inner, backend, hash64, mode="ipip", entropy=False, traffic_class=0):
    """`inner` as it leaves, behind its outer headers."""
    version = ipaddress.ip_address(backend).version
    source = SOURCE[version]
    if entropy:
        base, bits = ENTROPY[version]
        source = str(ipaddress.ip_address(base) + (hash64 >> 32 & (1 << bits) - 1))
    protocol = 4 if inner[0] >> 4 == 4 else 41
    inside = Raw(inner)
    if mode == "gue":
        protocol = 17
        inside = Raw((49152 + (hash64 >> 32 & 0x3fff)).to_bytes(2, "big") + (6080).to_bytes(2, "big") +
                     (len(inner) + 8).to_bytes(2, "big") + b"\0\0" + inner)
    if version == 4:
        return bytes(IP(src=source, dst=backend, ttl=64, id=0, flags="DF", tos=traffic_class, proto=protocol) / inside)
    return bytes(IPv6(src=source, dst=backend, hlim=64, tc=traffic_class, fl=hash64 >> 44, nh=protocol) / inside)


def add(name, verdict, given, port=0, out=b"", wait=0, flags="0"):
    assert name not in (row[0] for row in rows), name
    rows.append((name, verdict, port, bytes(given), bytes(out), wait, flags))


def forward(name, ip, flow, backend, port, *, tags=(), after=b"", raw=None, inner=None, wait=0, **how):
    """`flow`: source port, destination port, protocol; None: as it comes."""
    src, dst = ip.src, ip.dst
    hash64 = flow_hash(*flow) if len(flow) == 5 else flow_hash(src, flow[0], dst, flow[1], flow[2])
    given = frame(ip if raw is None else raw, tags, after)
    out = leaves(port, GATEWAY.format(port + 1), outer(less(ip) if inner is None else inner, backend, hash64, **how), tags)
    add(name, "forward", given, port, out, wait, "ENTROPY" if how.get("entropy") else "0")


def l2dsr(name, ip, port, tags=(), after=b""):
    add(name, "forward", frame(ip, tags, after), port, leaves(port, GATEWAY.format(port + 1), ip, tags) + after)


def ip_for(dst, **fields):
    return (IPv6(src=C6, dst=dst, hlim=57, **fields) if ":" in dst else IP(src=C4, dst=dst, ttl=57, id=0x1234, **fields))


def tcp(dst, dport=80, sport=40000, payload=b"", **fields):
    return ip_for(dst, **fields) / TCP(sport=sport, dport=dport, seq=1000) / Raw(payload)


def udp(dst, dport=53, sport=40000, payload=b"", **fields):
    return ip_for(dst, **fields) / UDP(sport=sport, dport=dport) / Raw(payload)


def edited(given, at, new):
    given = bytearray(bytes(given))
    given[at:at + len(new)] = new
    return bytes(given)


V4, V6 = "192.0.2.{}", "2001:db8:2::{}"
T, U = 6, 17


def step_1_and_2():
    good4, good6 = frame(tcp(V4.format(10))), frame(tcp(V6.format(10)))
    for cut in (0, 13, 14, 33):
        add(f"cut to {cut}", "drop_truncated", good4[:cut])
    add("cut inside IPv6", "drop_truncated", good6[:53])
    add("tag cut", "drop_truncated", frame(tcp(V4.format(10)), [(0x8100, 5)])[:17])
    add("second tag cut", "drop_truncated", frame(tcp(V4.format(10)), [(0x88a8, 5), (0x8100, 6)])[:21])
    add("three tags", "pass_vlan", frame(tcp(V4.format(10)), [(0x88a8, 5), (0x8100, 6), (0x8100, 6)]))
    add("third tag without its bytes", "pass_vlan", frame(tcp(V4.format(10)), [(0x88a8, 5), (0x8100, 6), (0x8100, 6)])[:22])
    add("arp", "pass_not_ip", Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(pdst=V4.format(10)))
    add("version 5", "drop_bad_header", edited(good4, 14, b"\x55"))
    add("header of 16 bytes", "drop_bad_header", edited(good4, 14, b"\x44"))
    add("version 4 in IPv6", "drop_bad_header", edited(good6, 14, b"\x45"))
    add("mapped source", "drop_bad_header", edited(good6, 22, address_bytes(C4)))
    add("mapped destination", "drop_bad_header", edited(good6, 38, address_bytes(V4.format(10))))
    add("length 19", "drop_bad_length", edited(good4, 16, b"\0\x13"))
    add("length beyond the frame", "drop_bad_length", edited(good4, 16, b"\0\x29"))
    options = frame(tcp(V4.format(10), options=[IPOption_NOP()] * 40))
    add("cut inside options", "drop_truncated", options[:73])
    add("options beyond the length, all there", "drop_bad_length", edited(options, 16, b"\0\x3b"))
    add("IPv6 length beyond the frame", "drop_bad_length", edited(good6, 18, b"\0\x15"))
    add("IPv6 payload 65496", "drop_bad_length", edited(frame(tcp(V6.format(10)), after=bytes(65476)), 18, b"\xff\xd8"))
    add("IPv6 payload 65495", "drop_too_big", edited(frame(tcp(V6.format(10)), after=bytes(65476)), 18, b"\xff\xd7"),
        flags="LIMITED")


def forwarded():
    forward("4in4", tcp(V4.format(10)), (40000, 80, T), "10.1.1.11", 0)
    forward("4in4 with bytes after it", tcp(V4.format(10), payload=b"abc"), (40000, 80, T), "10.1.1.11", 0, after=b"tail")
    forward("4in4 tos", tcp(V4.format(10), tos=0xbb), (40000, 80, T), "10.1.1.11", 0, traffic_class=0xbb)
    forward("4in4 ttl 2", IP(src=C4, dst=V4.format(10), ttl=2) / TCP(sport=1, dport=80), (1, 80, T), "10.1.1.11", 0)
    forward("4in4 options", tcp(V4.format(10), options=[IPOption_NOP()] * 8), (40000, 80, T), "10.1.1.11", 0)
    forward("4in4 entropy", tcp(V4.format(10)), (40000, 80, T), "10.1.1.11", 0, entropy=True)
    forward("4in6", tcp(V4.format(11), 443), (40000, 443, T), "2001:db8:1:1::11", 0)
    forward("4in6 entropy", tcp(V4.format(11), 443), (40000, 443, T), "2001:db8:1:1::11", 0, entropy=True)
    forward("6in4", tcp(V6.format(10), tc=0x2e), (40000, 80, T), "10.1.1.13", 0, traffic_class=0x2e)
    forward("6in6", tcp(V6.format(11), 443, fl=0xabcde), (40000, 443, T), "2001:db8:1:2::12", 1)
    forward("gue4 over 4", udp(V4.format(10)), (40000, 53, U), "10.1.2.12", 1, mode="gue")
    forward("gue4 over 4 no entropy", udp(V4.format(10), sport=7), (7, 53, U), "10.1.2.12", 1, mode="gue")
    rows[-1] = rows[-1][:-1] + ("ENTROPY",)
    forward("gue4 over 6", udp(V4.format(11)), (40000, 53, U), "2001:db8:1:2::13", 1, mode="gue")
    forward("gue6 over 6", udp(V6.format(10)), (40000, 53, U), "2001:db8:1:1::14", 0, mode="gue")
    l2dsr("l2dsr", tcp(V4.format(12), 0), 0)
    l2dsr("l2dsr keeps tags and tail", tcp(V4.format(12), 65535), 0, [(0x88a8, 0x2005), (0x8100, 0xb006)], b"tail")
    l2dsr("l2dsr takes tags off", udp(V4.format(12), 77), 2, [(0x8100, 5)])
    l2dsr("l2dsr ttl 1", IP(src=C4, dst=V4.format(12), ttl=1) / TCP(sport=1, dport=80), 0)
    forward("one tag kept", tcp(V4.format(10)), (40000, 80, T), "10.1.1.11", 0, tags=[(0x8100, 0xe123)])
    forward("two tags kept", tcp(V6.format(10)), (40000, 80, T), "10.1.1.13", 0, tags=[(0x8100, 1), (0x8100, 2)])
    forward("two tags become one", udp(V4.format(10)), (40000, 53, U), "10.1.2.12", 1, mode="gue", tags=[(0x88a8, 1), (0x8100, 2)])
    forward("two tags set", tcp(V4.format(21)), (40000, 80, T), "10.1.4.21", 3)
    damaged = edited(tcp(V4.format(10)), 10, b"\xde\xad")
    total = 0xffff - 0xdead + 0xffff - 0x3906 + 0x3806  # RFC 1624, equation 3, by hand
    total = (total & 0xffff) + (total >> 16)
    forward("wrong checksum stays as wrong", tcp(V4.format(10)), (40000, 80, T), "10.1.1.11", 0, raw=damaged,
            inner=edited(edited(damaged, 8, b"\x38"), 10, (0xffff - total).to_bytes(2, "big")))
    wrapped = edited(tcp(V4.format(10)), 10, b"\xfe\xff")  # 0xfeff + 0x0100 is 0x0000 here, not 0xffff
    forward("checksum that wraps", tcp(V4.format(10)), (40000, 80, T), "10.1.1.11", 0, raw=wrapped,
            inner=edited(edited(wrapped, 8, b"\x38"), 10, b"\0\0"))


def vips():
    forward("any behind the exact port", tcp(V4.format(10), 81), (40000, 81, T), "10.1.1.19", 0)
    forward("range before any", tcp(V4.format(10), 100), (40000, 100, T), "10.1.1.20", 0)
    forward("range ends with its last", tcp(V4.format(10), 200), (40000, 200, T), "10.1.1.20", 0)
    forward("behind the range", tcp(V4.format(10), 201), (40000, 201, T), "10.1.1.19", 0)
    forward("any of the address before the prefix's range", tcp(V4.format(10), 8000), (40000, 8000, T), "10.1.1.19", 0)
    forward("prefix's range", tcp(V4.format(99), 8000), (40000, 8000, T), "10.1.1.15", 0)
    forward("shorter prefix", tcp(V4.format(99), 7999), (40000, 7999, T), "10.1.1.16", 0)
    forward("shorter prefix behind an address without that port", tcp(V4.format(21), 81), (40000, 81, T), "10.1.1.16", 0)
    forward("IPv6 prefix, port 0", udp(V6.format(99), 0), (40000, 0, U), "2001:db8:1:4::17", 3)
    add("other protocol", "pass_no_vip", frame(udp(V4.format(99))))
    add("other address", "pass_no_vip", frame(tcp("193.0.2.10")))
    add("outside the IPv6 prefix", "pass_no_vip", frame(udp("2001:db8:2:1::99")))
    for sport in range(50000, 50010):
        flow = (C4, sport, V4.format(20), 80, T)
        owner = (flow_hash(*flow) % 2**32 * 4093 >> 32) % 5
        name = f"row of port {sport}"
        if owner == 4:
            add(name, "drop_no_backend", frame(tcp(V4.format(20), 80, sport)))
        else:
            forward(name, tcp(V4.format(20), 80, sport), flow, f"10.1.1.2{owner + 1}", 0)


def extensions():
    def through(name, ip, payload=b""):
        forward(name, ip / TCP(sport=40000, dport=80) / Raw(payload), (40000, 80, T), "10.1.1.13", 0)

    def behind(name, verdict, ip):
        add(name, verdict, frame(ip))
    six = ip_for(V6.format(10))
    through("hop-by-hop and destination options", six / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt())
    through("routing type 2, none left", six / IPv6ExtHdrRouting(type=2, segleft=0, addresses=[C6]))
    through("authentication header", six / AH(nh=6, payloadlen=4, icv=bytes(12)))
    through("atomic fragment", six / IPv6ExtHdrFragment(nh=6, id=7), b"x")
    chain = six
    for _ in range(6):
        chain = chain / IPv6ExtHdrDestOpt()
    through("six headers", chain)
    behind("seven headers", "drop_ipv6_extension", chain / IPv6ExtHdrDestOpt() / TCP(dport=80))
    behind("hop-by-hop second", "drop_ipv6_extension", six / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / TCP(dport=80))
    behind("two fragment headers", "drop_ipv6_extension",
           six / IPv6ExtHdrFragment(nh=44, id=7) / IPv6ExtHdrFragment(nh=6, id=7) / TCP(dport=80))
    for protocol in (135, 139, 140):
        behind(f"header {protocol}", "drop_ipv6_extension", ip_for(V6.format(10), nh=protocol) / Raw(bytes(24)))
    behind("routing type 0", "drop_routing_header", six / IPv6ExtHdrRouting(type=0, segleft=0, addresses=[C6]) / TCP(dport=80))
    behind("segments left", "drop_routing_header", six / IPv6ExtHdrRouting(type=2, segleft=1, addresses=[C6]) / TCP(dport=80))
    behind("options end beyond the packet", "drop_truncated", ip_for(V6.format(10), nh=60) / Raw(b"\x06\x01" + bytes(13)))
    behind("hop-by-hop second and cut", "drop_truncated", six / IPv6ExtHdrDestOpt(nh=0) / Raw(b"\x06\x01" + bytes(13)))
    behind("second fragment header cut", "drop_truncated", six / IPv6ExtHdrFragment(nh=44) / Raw(b"\x06" + bytes(6)))
    cut = chain.copy()
    cut.lastlayer().nh = 60
    behind("seventh cut", "drop_ipv6_extension", cut / Raw(b"\x06\x05" + bytes(6)))
    behind("one byte of options", "drop_truncated", ip_for(V6.format(10), nh=60) / Raw(b"\x06"))
    behind("the same, no VIP", "pass_no_vip", ip_for("2001:db8:3::1", nh=60) / Raw(b"\x06"))
    behind("esp", "pass_protocol", ip_for(V6.format(10), nh=50) / Raw(bytes(24)))
    behind("icmp in IPv6", "pass_protocol", ip_for(V6.format(10), nh=1) / Raw(bytes(24)))
    add("icmpv6 in IPv4", "pass_protocol", frame(ip_for(V4.format(10), proto=58) / Raw(b"\x80" + bytes(23))))
    add("tcp of 19 bytes", "drop_truncated", edited(frame(tcp(V4.format(10))), 16, b"\0\x27"))
    add("udp of 7 bytes", "drop_truncated", edited(frame(udp(V6.format(10))), 18, b"\0\x07"))
    add("udp of 7 bytes, no VIP", "pass_no_vip", edited(frame(udp("2001:db8:3::1")), 18, b"\0\x07"))


def fragments():
    first = IP(src=C4, dst=V4.format(10), ttl=57, id=77, flags="MF") / UDP(sport=40000, dport=53, len=40, chksum=5) / Raw(b"12345678")
    later = IP(src=C4, dst=V4.format(10), ttl=57, id=77, frag=2, proto=17) / Raw(b"later one")
    add("later before its first", "drop_fragment_order", frame(later))
    forward("first fragment", first, (40000, 53, U), "10.1.2.12", 1, mode="gue")
    forward("later fragment", later, (0, 0, U), "10.1.2.12", 1, mode="gue")
    other = later.copy()
    other.id = 78
    add("later of another id", "drop_fragment_order", frame(other))
    add("later of another protocol", "drop_fragment_order",
        frame(IP(src=C4, dst=V4.format(10), ttl=57, id=77, frag=2, proto=6) / Raw(b"later one")))
    forward("later after 1999 ms", later, (0, 0, U), "10.1.2.12", 1, mode="gue", wait=1999)
    add("later after 2000 ms", "drop_fragment_order", frame(later), wait=1)
    add("later of no VIP", "pass_no_vip", frame(IP(src=C4, dst="193.0.2.1", id=77, frag=2, proto=17) / Raw(b"later")))
    six = ip_for(V6.format(11))
    first6 = six / IPv6ExtHdrFragment(nh=6, id=0x10203, m=1) / TCP(sport=40000, dport=443) / Raw(b"1234")
    later6 = six / IPv6ExtHdrFragment(nh=6, id=0x10203, offset=3, m=1) / Raw(b"12345678")
    forward("first fragment 6", first6, (40000, 443, T), "2001:db8:1:2::12", 1)
    forward("later fragment 6", later6, (0, 0, T), "2001:db8:1:2::12", 1)
    add("first fragment of 19 bytes of tcp", "drop_truncated",
        frame(six / IPv6ExtHdrFragment(nh=6, id=9, m=1) / Raw(bytes(16) + b"abc")))
    drop = IP(src=C4, dst=V4.format(14), ttl=57, id=78, flags="MF") / TCP(sport=40000, dport=80) / Raw(b"1234")
    forward("whole packet, fragments drop", tcp(V4.format(14)), (40000, 80, T), "10.1.1.14", 0)
    add("first fragment, fragments drop", "drop_fragment", frame(drop))
    add("later fragment, fragments drop", "drop_fragment_order",
        frame(IP(src=C4, dst=V4.format(14), ttl=57, id=78, frag=3, proto=6) / Raw(b"1234")))
    add("fragment of icmp", "drop_fragment", frame(IP(src=C4, dst=V4.format(10), flags="MF") / ICMP() / Raw(bytes(8))))
    add("later fragment of icmp", "drop_fragment", frame(IP(src=C4, dst=V4.format(10), frag=2, proto=1) / Raw(bytes(8))))
    add("fragment of icmp, echo host", "pass_icmp", frame(IP(src=C4, dst=V4.format(99), flags="MF") / ICMP() / Raw(bytes(8))))
    add("fragment of icmpv6", "drop_fragment", frame(six / IPv6ExtHdrFragment(nh=58, m=1) / ICMPv6EchoRequest()))
    add("fragment of esp", "pass_protocol", frame(IP(src=C4, dst=V4.format(10), frag=2, proto=50) / Raw(bytes(8))))


def icmp():
    for size in (0, 1, 56, 1400):
        payload = Raw(bytes(i % 251 for i in range(size)))
        ask = IP(src=C4, dst=V4.format(10), ttl=3, id=9, tos=0xb9, flags="DF") / ICMP(id=5, seq=6) / payload
        answer = IP(src=V4.format(10), dst=C4, ttl=64, id=9, tos=0xb9, flags="DF") / ICMP(type=0, id=5, seq=6) / payload
        add(f"echo of {size} bytes", "answer_echo", frame(ask), 0, leaves(0, CLIENT_MAC, answer))
        ask = IPv6(src=C6, dst=V6.format(10), hlim=3, tc=0xb9, fl=0x12345) / ICMPv6EchoRequest(id=5, seq=6, data=bytes(payload))
        answer = IPv6(src=V6.format(10), dst=C6, hlim=64, tc=0xb9, fl=0x12345) / ICMPv6EchoReply(id=5, seq=6, data=bytes(payload))
        add(f"echo 6 of {size} bytes", "answer_echo", frame(ask, [(0x8100, 3)]), 0, leaves(0, CLIENT_MAC, answer, [(0x8100, 3)]))
    ask = edited(ip_for(V4.format(10)) / ICMP(id=5, seq=6), 22, b"\xf7\xff")  # 0xf7ff + 0x0800 is 0xffff, not 0x0000
    answer = edited(IP(src=V4.format(10), dst=C4, ttl=64, id=0x1234) / ICMP(type=0, id=5, seq=6), 22, b"\xff\xff")
    add("echo with a checksum that wraps", "answer_echo", frame(ask), 0, leaves(0, CLIENT_MAC, answer))
    answer = IP(src=V4.format(10), dst=C4, ttl=64, id=0x1234) / ICMP(type=0, id=0, seq=0)  # all zeros but the checksum
    add("echo of zeros", "answer_echo", frame(ip_for(V4.format(10)) / ICMP(id=0, seq=0)), 0, leaves(0, CLIENT_MAC, answer))
    add("echo with options", "drop_icmp", frame(ip_for(V4.format(10), options=[IPOption_NOP()] * 4) / ICMP()))
    add("echo with extension headers", "drop_icmp", frame(ip_for(V6.format(10)) / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest()))
    add("echo with code 1", "drop_icmp", frame(ip_for(V4.format(10)) / ICMP(type=8, code=1)))
    add("echo to the host's", "pass_icmp", frame(ip_for(V4.format(99)) / ICMP()))
    add("echo to nobody", "pass_no_vip", frame(ip_for("193.0.2.1") / ICMP()))
    forward("echo forwarded", ip_for("192.0.3.1") / ICMP(id=0x4321), (0x4321, 0, 1), "10.1.1.16", 0)
    forward("echo 6 forwarded", ip_for(V6.format(99)) / ICMPv6EchoRequest(id=0x4321), (0x4321, 0, 58), "2001:db8:1:4::17", 3)
    add("echo reply", "drop_icmp", frame(ip_for(V4.format(10)) / ICMP(type=0)))
    add("icmp of 7 bytes", "drop_truncated", frame(ip_for(V4.format(10), proto=1) / Raw(b"\x08" + bytes(6))))
    add("neighbour solicitation", "pass_icmp", frame(ip_for(V6.format(10)) / ICMPv6ND_NS(tgt=V6.format(10))))
    add("multicast listener", "pass_icmp", frame(ip_for(V6.format(10), nh=58) / Raw(b"\x8f" + bytes(7))))
    add("icmpv6 138", "drop_icmp", frame(ip_for(V6.format(10), nh=58) / Raw(b"\x8a" + bytes(7))))


def icmp_errors():
    flow = (C4, 40000, V4.format(10), 80, T)
    sent = IP(src=V4.format(10), dst=C4, flags="DF", id=3) / TCP(sport=80, dport=40000)
    router = IP(src="203.0.113.9", dst=V4.format(10), ttl=57)

    def error(name, quoted, bytes_of=28, kind=3, code=4):
        forward(name, router / ICMP(type=kind, code=code, nexthopmtu=1400) / Raw(bytes(quoted)[:bytes_of]), flow, "10.1.1.11", 0)

    def bad(name, quoted, verdict="drop_icmp_quote"):
        add(name, verdict, frame(router / ICMP(type=3, code=4) / Raw(bytes(quoted))))
    error("fragmentation needed", sent)
    error("fragmentation needed, whole quote", sent, 40)
    error("time exceeded", sent, kind=11, code=0)
    error("parameter problem", sent, kind=12, code=0)
    first = sent.copy()
    first.flags = "MF"
    error("quote of a first fragment", first)
    bad("quote of 27 bytes", bytes(sent)[:27])
    bad("quote of nothing", b"")
    bad("quote from another", IP(src=V4.format(11), dst=C4) / TCP(sport=80, dport=40000))
    bad("quote of icmp", IP(src=V4.format(10), dst=C4) / ICMP())
    bad("quote of a later fragment", IP(src=V4.format(10), dst=C4, frag=1, proto=6) / Raw(bytes(20)))
    bad("quote of version 6", edited(sent, 0, b"\x65"))
    bad("quote with a header of 16 bytes", edited(sent, 0, b"\x44"))
    bad("quote with a length of 27", edited(sent, 2, b"\0\x1b"))
    bad("quote with a header longer than what came", edited(sent, 0, b"\x4f"))
    bad("quote of no VIP's port", IP(src=V4.format(10), dst=C4) / UDP(sport=99, dport=40000) / Raw(b"x"), "pass_no_vip")
    add("bad quote, no VIP", "pass_no_vip", frame(IP(src="203.0.113.9", dst="193.0.2.1") / ICMP(type=3, code=4)))
    flow = (C6, 40000, V6.format(11), 443, T)
    router6 = IPv6(src="2001:db8:f::1", dst=V6.format(11), hlim=9)
    sent6 = IPv6(src=V6.format(11), dst=C6) / TCP(sport=443, dport=40000)
    forward("packet too big", router6 / ICMPv6PacketTooBig(mtu=1280) / Raw(bytes(sent6)), flow, "2001:db8:1:2::12", 1)
    fragment6 = IPv6(src=V6.format(11), dst=C6) / IPv6ExtHdrFragment(nh=6, m=1, id=4) / TCP(sport=443, dport=40000)
    forward("quote of a first fragment 6", router6 / ICMPv6DestUnreach() / Raw(bytes(fragment6)[:56]), flow, "2001:db8:1:2::12", 1)
    for name, quoted in (("47 bytes", bytes(sent6)[:47]), ("options", bytes(IPv6(src=V6.format(11), dst=C6) / IPv6ExtHdrDestOpt() / TCP())),
                         ("a fragment header and 7 bytes", bytes(fragment6)[:55]), ("a length of 7", edited(sent6, 4, b"\0\x07")),
                         ("a later fragment 6", edited(fragment6, 42, b"\0\x09"))):
        add(f"quote of {name}", "drop_icmp_quote", frame(router6 / ICMPv6DestUnreach() / Raw(quoted)))
    add("error from multicast", "drop_source_multicast", frame(
        IP(src="224.0.0.1", dst=V4.format(10)) / ICMP(type=3, code=1) / Raw(bytes(sent))))


def sources():
    for source, verdict in (("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("255.255.255.255", "broadcast"),
                            ("127.0.0.1", "loopback"), ("0.0.0.0", "unspecified"), ("0.1.2.3", "unspecified"), (V4.format(10), "vip")):
        add(f"source {source}", f"drop_source_{verdict}", frame(IP(src=source, dst=V4.format(10)) / TCP(dport=80)))
        add(f"source {source}, no VIP", "pass_no_vip", frame(IP(src=source, dst="193.0.2.10") / TCP(dport=80)))
    for source, verdict in (("ff02::1", "multicast"), ("::1", "loopback"), ("::", "unspecified"), (V6.format(10), "vip")):
        add(f"source {source}", f"drop_source_{verdict}", frame(IPv6(src=source, dst=V6.format(10)) / TCP(dport=80)))
    add("source before what is dropped", "drop_source_loopback", frame(IP(src="127.0.0.1", dst=V4.format(10), proto=6) / Raw(b"x")))
    add("source before echo", "drop_source_vip", frame(IP(src=V4.format(10), dst=V4.format(10)) / ICMP()))
    add("host's before source", "pass_protocol", frame(IP(src="127.0.0.1", dst=V4.format(10), proto=50) / Raw(b"x")))
    add("host's echo before source", "pass_icmp", frame(IP(src="127.0.0.1", dst=V4.format(99)) / ICMP()))
    add("own ipip", "drop_loop", frame(IP(src=SOURCE[4], dst="10.9.9.9") / tcp(V4.format(10))))
    add("own 6 in 4", "drop_loop", frame(IP(src=SOURCE[4], dst=V4.format(10)) / tcp(V6.format(10))))
    add("own 4 in 6", "drop_loop", frame(IPv6(src=SOURCE[6], dst=V6.format(10)) / tcp(V4.format(10))))
    add("own gue", "drop_loop", frame(IP(src=SOURCE[4], dst="10.9.9.9") / UDP(sport=50000, dport=6080) / Raw(b"E")))
    add("gue port over tcp", "pass_no_vip", frame(IP(src=SOURCE[4], dst="10.9.9.9") / TCP(sport=50000, dport=6080)))
    add("other's ipip", "pass_no_vip", frame(IP(src="10.1.0.6", dst="10.9.9.9") / tcp(V4.format(10))))
    add("other's ipip to a VIP", "pass_protocol", frame(IP(src="10.1.0.6", dst=V4.format(10)) / tcp(V4.format(10))))
    add("from the entropy prefix", "drop_loop", frame(IP(src="10.1.127.255", dst="10.9.9.9") / tcp(V4.format(10))), flags="ENTROPY")
    add("beside the entropy prefix", "pass_no_vip", frame(IP(src="10.1.128.0", dst="10.9.9.9") / tcp(V4.format(10))), flags="ENTROPY")
    add("no entropy prefix", "pass_no_vip", frame(IP(src="10.1.127.255", dst="10.9.9.9") / tcp(V4.format(10))))


def groups():
    none = {V4.format(10): "193.0.2.10", V6.format(10): "2001:db8:77::10"}
    for name, mac in (("broadcast", "ff:ff:ff:ff:ff:ff"), ("multicast", "01:00:5e:00:00:01"), ("local multicast", "03:00:00:00:00:00")):
        for dst in (V4.format(10), V6.format(10)):
            add(f"{name} to {dst}", "drop_link_group", frame(ip_for(dst) / TCP(dport=80), dst=mac))
            add(f"{name} to {dst} with tags", "drop_link_group", frame(ip_for(dst) / TCP(dport=80), [(0x8100, 7)] * 2, dst=mac))
            add(f"{name} to {none[dst]}, no VIP", "pass_no_vip", frame(ip_for(none[dst]) / TCP(dport=80), dst=mac))
        add(f"{name}, echo", "drop_link_group", frame(ip_for(V4.format(10)) / ICMP(), dst=mac))
        add(f"{name}, later fragment", "drop_link_group", frame(IP(src=C4, dst=V4.format(10), frag=1, proto=6) / Raw(b"x"), dst=mac))
        add(f"{name}, the host's echo", "pass_icmp", frame(ip_for(V4.format(99)) / ICMP(), dst=mac))
        add(f"{name}, the host's protocol", "pass_protocol", frame(ip_for(V4.format(10), proto=50) / Raw(b"x"), dst=mac))
    add("group before source", "drop_link_group", frame(IP(src="127.0.0.1", dst=V4.format(10)) / TCP(dport=80), dst="ff:ff:ff:ff:ff:ff"))
    add("group before what is dropped", "drop_link_group", frame(ip_for(V4.format(10), proto=6) / Raw(b"x"), dst="ff:ff:ff:ff:ff:ff"))
    add("loop before group", "drop_loop", frame(IP(src=SOURCE[4], dst=V4.format(10)) / tcp(V4.format(10)), dst="ff:ff:ff:ff:ff:ff"))
    add("no group", "drop_truncated", frame(ip_for(V4.format(10), proto=6) / Raw(b"x"), dst="fe:ff:ff:ff:ff:ff"))


def backends():
    add("unreachable", "drop_unreachable", frame(tcp(V4.format(15))))
    add("owner gone", "drop_no_backend", frame(tcp(V4.format(16))))
    add("no weight", "drop_no_backend", frame(tcp(V4.format(17))))
    add("no weight, host", "pass_no_backend", frame(tcp(V4.format(18))))
    add("no weight, host, bad source", "drop_source_loopback", frame(IP(src="127.0.0.1", dst=V4.format(18)) / TCP(dport=80)))
    add("l2dsr loop", "drop_loop", frame(tcp(V4.format(12)), src=MACS[0]))
    for ttl, verdict in ((0, "drop_ttl"), (1, "drop_ttl")):
        add(f"ttl {ttl}", verdict, frame(IP(src=C4, dst=V4.format(10), ttl=ttl) / TCP(dport=80)))
        add(f"hop limit {ttl}", verdict, frame(IPv6(src=C6, dst=V6.format(10), hlim=ttl) / UDP(dport=53)))
    add("l2dsr ttl 0", "drop_ttl", frame(IP(src=C4, dst=V4.format(12), ttl=0) / TCP(dport=80)))
    add("ttl before too big", "drop_ttl", frame(IP(src=C4, dst=V4.format(10), ttl=1) / TCP(dport=80) / Raw(bytes(1460))))


def told(ip, mtu):
    packet = bytes(ip)
    if packet[0] >> 4 == 4:
        return bytes(IP(src=ip.dst, dst=ip.src, ttl=64, id=0, flags="DF") / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(packet[:128]))
    return bytes(IPv6(src=ip.dst, dst=ip.src, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) / Raw(packet[:128]))


def too_big():
    for name, make, dst, dport, backend, port, room, how in (
            ("4in4", tcp, V4.format(10), 80, "10.1.1.11", 0, 1480, {}), ("4in6", tcp, V4.format(11), 443, "2001:db8:1:1::11", 0, 1460, {}),
            ("gue over 4", udp, V4.format(10), 53, "10.1.2.12", 1, 1372, {"mode": "gue"}),
            ("gue over 6", udp, V6.format(10), 53, "2001:db8:1:1::14", 0, 1452, {"mode": "gue"}),
            ("6in4", tcp, V6.format(10), 80, "10.1.1.13", 0, 1480, {})):
        fits = make(dst, dport, payload=b"a" * (room - len(make(dst, dport))))
        forward(f"{name} fills the mtu", fits, (40000, dport, T if make is tcp else U), backend, port, after=b"12", **how)
        over = make(dst, dport, payload=b"a" * (room - len(make(dst, dport)) + 1))
        add(f"{name} over the mtu", "answer_too_big", frame(over, [(0x8100, 9)]), 0, leaves(0, CLIENT_MAC, told(over, room), [(0x8100, 9)]))
        add(f"{name} over the mtu, limited", "drop_too_big", frame(over), flags="LIMITED")
    over = tcp(V4.format(12), payload=b"b" * 1461)
    add("l2dsr over the mtu", "answer_too_big", frame(over), 0, leaves(0, CLIENT_MAC, told(over, 1500)))
    add("IPv6 with no room for 1280", "drop_too_big", frame(udp(V6.format(99), payload=b"c" * 1230)))
    add("error over the mtu", "drop_too_big", frame(IP(src="203.0.113.9", dst=V4.format(10)) / ICMP(type=3, code=1) / Raw(
        bytes(IP(src=V4.format(10), dst=C4) / TCP(sport=80, dport=40000) / Raw(bytes(1420))))))
    add("forwarded echo over the mtu", "drop_too_big", frame(ip_for("192.0.3.1") / ICMP(id=0x4321) / Raw(bytes(1460))))
    add("answered echo over every mtu", "answer_echo", frame(ip_for(V4.format(10)) / ICMP(id=1) / Raw(bytes(3000))), 0,
        leaves(0, CLIENT_MAC, IP(src=V4.format(10), dst=C4, ttl=64, id=0x1234) / ICMP(type=0, id=1) / Raw(bytes(3000))))


def text(given):
    """Hexadecimal, long runs as {byte*count}."""
    parts = []
    for value, run in itertools.groupby(given):
        count = len(list(run))
        parts.append(f"{{{value:02x}*{count}}}" if count > 12 else f"{value:02x}" * count)
    return "".join(parts)


def literal(string, width=88):
    pieces = [string[i:i + width] for i in range(0, len(string), width)] or [""]
    return " ".join(f'"{piece}"' for piece in pieces)


def file_text(name, some):
    yield "/* SPDX-License-Identifier: BSD-2-Clause */"
    yield "/* Written by make_packet_model_cases.py; do not edit. */"
    yield f"static const struct model_case {name}[] = {{"
    for case, verdict, port, given, out, wait, flags in some:
        yield f'{{ "{case}", "{verdict}", {port}, {wait}, {flags}, {literal(text(given))}, {literal(text(out)) if out else "NULL"} }},'
    yield "};"


def main():
    here = pathlib.Path(__file__).parent
    for name, fills in (("packet_model_cases", (step_1_and_2, forwarded, vips, extensions, groups, backends)),
                        ("packet_model_cases_more", (fragments, icmp, icmp_errors, sources, too_big))):
        start = len(rows)
        for fill in fills:
            fill()
        made = subprocess.run(["clang-format", "--assume-filename=cases.h"], input="\n".join(file_text(name, rows[start:])) + "\n",
                              check=True, capture_output=True, text=True, cwd=here).stdout
        (here / f"{name}.h").write_text(made, encoding="ascii")
    print(f"{len(rows)} cases")


main()
