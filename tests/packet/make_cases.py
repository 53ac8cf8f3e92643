#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes cases*.h: the packets that every engine must treat alike, and what becomes of them.

By another hand than the core: scapy builds what goes in and what must come out (with its own checksums); the flow hash is
written here from the SipHash paper and held against a published vector. Nothing of dataplane/ is run or read.

    make_cases.py            write cases.h, cases_forwarded.h and cases_other.h
    make_cases.py --check    exit 1 when one of them is not what this writes

A frame is written as hexadecimal digits; "{61*1400}" stands for a byte repeated."""

import ipaddress
import itertools
import json
import pathlib
import subprocess
import sys

from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Padding, Raw)

KEY = bytes.fromhex("8f14e45fceea167a5a36dedd4bea2543")
CLIENT_MAC = "02:c1:00:00:00:01"
SOURCE = {4: "10.1.0.5", 6: "2001:db8:1::5"}
PORTS = [  # number = place; what it is the way to
    {"mac": "02:00:00:00:00:01", "mtu": 1500, "gateway": "02:00:00:00:01:01", "for": ["10.1.1.0/24", "2001:db8:1:1::/64"]},
    {"mac": "02:00:00:00:00:02", "mtu": 1400, "gateway": "02:00:00:00:01:02", "for": ["10.1.2.0/24", "2001:db8:1:2::/64"]},
]
V4, V6 = "192.0.2.{}", "2001:db8:2::{}"


def vip(address, port, protocol, *backends, rows=251):
    return {"address": address, "port": port, "protocol": protocol, "table_size": rows,
            "backends": [{"address": a, "weight": w} for a, w in (b if isinstance(b, tuple) else (b, 100) for b in backends)]}


PATTERN = ["10.1.1.21", "10.1.1.22", "10.1.1.23", "10.1.1.24"]  # rows are given out by hand: see PATTERN_VIPS
PATTERN_VIPS = [(V4.format(20), 80, "tcp"), (V6.format(20), 53, "udp")]
STATE = [
    vip(V4.format(10), 80, "tcp", "10.1.1.11"),
    vip(V4.format(10), 53, "udp", "10.1.1.12"),
    vip(V4.format(11), 443, "tcp", "2001:db8:1:1::11"),
    vip(V4.format(11), 53, "udp", "2001:db8:1:2::13"),
    vip(V6.format(10), 80, "tcp", "10.1.1.13"),
    vip(V6.format(10), 53, "udp", "10.1.2.14"),
    vip(V6.format(11), 443, "tcp", "2001:db8:1:2::12"),
    vip(V6.format(11), 53, "udp", "2001:db8:1:1::14"),
    vip(V4.format(13), 80, "tcp", "10.1.9.9"),  # no port leads there
    vip(V6.format(13), 80, "tcp", "2001:db8:1:9::9"),
    vip(V4.format(14), 1, "udp", "10.1.1.15"),
    vip(V4.format(14), 65535, "tcp", "10.1.2.16"),
    vip(V4.format(15), 80, "tcp", ("10.1.1.31", 0), ("10.1.1.32", 1)),
    vip(V4.format(18), 80, "tcp", "10.1.1.18"),  # its slot is made dead
    vip(V4.format(19), 80, "tcp", "10.1.1.19"),  # its rows are made to name a slot that is not there
    vip(*PATTERN_VIPS[0], *PATTERN, rows=4093),
    vip(*PATTERN_VIPS[1], *PATTERN, rows=65537),
]


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


def ether(kind):
    return Ether(dst=PORTS[0]["mac"], src=CLIENT_MAC, type=kind)


def frame(ip, padding=0):
    """Padded to the 60 bytes of Ethernet and by at least `padding`; None: not at all."""
    built = bytes(ether(0x86dd if isinstance(ip, IPv6) else 0x0800) / ip)
    return built if padding is None else built + b"\x5a" * max(padding, 60 - len(built))


def encapsulated(inner, l3_bytes, backend, traffic_class, hash64):
    """The frame that must leave: `inner` without its Ethernet header and padding, behind new headers."""
    version = ipaddress.ip_address(backend).version
    port = next(i for i, p in enumerate(PORTS) if any(ipaddress.ip_address(backend) in net for net in
                                                      map(ipaddress.ip_network, p["for"])
                                                      if net.version == version))
    packet = inner[14:14 + l3_bytes]
    protocol = 4 if packet[0] >> 4 == 4 else 41
    header = Ether(dst=PORTS[port]["gateway"], src=PORTS[port]["mac"])
    if version == 4:
        outer = header / IP(src=SOURCE[4], dst=backend, ttl=64, id=0, flags="DF", tos=traffic_class, proto=protocol) / Raw(packet)
    else:
        outer = header / IPv6(src=SOURCE[6], dst=backend, hlim=64, tc=traffic_class, fl=hash64 >> 44, nh=protocol) / Raw(packet)
    return port, bytes(outer)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, verdict, given, port=0, out=b""):
        assert name not in (row[0] for row in self.rows), name
        self.rows.append((name, verdict, port, bytes(given), out))

    def forward(self, name, given, backend, flow, traffic_class=0, l3_bytes=None):
        """`flow`: source, source port, destination, destination port, protocol."""
        given = bytes(given)
        if l3_bytes is None:
            l3_bytes = (int.from_bytes(given[16:18], "big") if given[14] >> 4 == 4 else
                        40 + int.from_bytes(given[18:20], "big"))
        port, out = encapsulated(given, l3_bytes, backend, traffic_class, flow_hash(*flow))
        self.add(name, "FL_FORWARD", given, port, out)


C4, C6 = "198.51.100.7", "2001:db8:c::7"
table = Table()


def ip_for(dst, **fields):
    return (IPv6(src=C6, dst=dst, hlim=57, **fields) if ":" in dst else IP(src=C4, dst=dst, ttl=57, id=0x1234, flags="DF", **fields))


def tcp(dst, dport=80, sport=40000, payload=b"", flags="S", **fields):
    return ip_for(dst, **fields) / TCP(sport=sport, dport=dport, flags=flags, seq=1000) / Raw(payload)


def udp(dst, dport=53, sport=40000, payload=b"", **fields):
    return ip_for(dst, **fields) / UDP(sport=sport, dport=dport) / Raw(payload)


def flow4(dst, dport, protocol, sport=40000):
    return (C4, sport, dst, dport, protocol)


def flow6(dst, dport, protocol, sport=40000):
    return (C6, sport, dst, dport, protocol)


def edited(given, at, new):
    given = bytearray(given)
    given[at:at + len(new)] = new
    return bytes(given)


def forwarded_mixes():
    for name, dst, dport, kind, backend in (
            ("4in4 tcp", V4.format(10), 80, "tcp", "10.1.1.11"), ("4in4 udp", V4.format(10), 53, "udp", "10.1.1.12"),
            ("4in6 tcp", V4.format(11), 443, "tcp", "2001:db8:1:1::11"), ("4in6 udp", V4.format(11), 53, "udp", "2001:db8:1:2::13"),
            ("6in4 tcp", V6.format(10), 80, "tcp", "10.1.1.13"), ("6in4 udp", V6.format(10), 53, "udp", "10.1.2.14"),
            ("6in6 tcp", V6.format(11), 443, "tcp", "2001:db8:1:2::12"),
            ("6in6 udp", V6.format(11), 53, "udp", "2001:db8:1:1::14")):
        make, protocol = (tcp, 6) if kind == "tcp" else (udp, 17)
        flow = (flow6 if ":" in dst else flow4)(dst, dport, protocol)
        for suffix, payload in (("", b""), (" with payload", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), (" odd", b"x")):
            table.forward(name + suffix, frame(make(dst, dport, payload=payload)), backend, flow)
    table.forward("4in4 tcp without padding", frame(tcp(V4.format(10)), None), "10.1.1.11", flow4(V4.format(10), 80, 6))
    table.forward("4in4 tcp with 200 bytes after it", frame(tcp(V4.format(10)), 200), "10.1.1.11", flow4(V4.format(10), 80, 6))
    table.forward("6in6 udp with 99 bytes after it", frame(udp(V6.format(11)), 99), "2001:db8:1:1::14", flow6(V6.format(11), 53, 17))


def forwarded_fields():
    for tos in (0x01, 0x02, 0x03, 0xb8, 0xbb, 0xff):
        table.forward(f"4in4 tos {tos:#x}", frame(tcp(V4.format(10), tos=tos)), "10.1.1.11", flow4(V4.format(10), 80, 6), tos)
        table.forward(f"6in6 class {tos:#x}", frame(tcp(V6.format(11), 443, tc=tos)), "2001:db8:1:2::12",
                      flow6(V6.format(11), 443, 6), tos)
    table.forward("4in6 ECN CE", frame(tcp(V4.format(11), 443, tos=3)), "2001:db8:1:1::11", flow4(V4.format(11), 443, 6), 3)
    table.forward("6in4 ECN CE", frame(tcp(V6.format(10), tc=3)), "10.1.1.13", flow6(V6.format(10), 80, 6), 3)
    table.forward("6in6 client's flow label stays inside", frame(tcp(V6.format(11), 443, fl=0xabcde)), "2001:db8:1:2::12",
                  flow6(V6.format(11), 443, 6))
    for words in (1, 5, 10):
        table.forward(f"4in4 {words} words of options", frame(tcp(V4.format(10), options=[IPOption_NOP()] * 4 * words, payload=b"abc")),
                      "10.1.1.11", flow4(V4.format(10), 80, 6))
    table.forward("4in6 10 words of options, udp", frame(udp(V4.format(11), options=[IPOption_NOP()] * 40)), "2001:db8:1:2::13",
                  flow4(V4.format(11), 53, 17))
    for flags in ("A", "FA", "R", ""):
        table.forward(f"4in4 tcp flags {flags or 'none'}", frame(tcp(V4.format(10), flags=flags)), "10.1.1.11",
                      flow4(V4.format(10), 80, 6))
    table.forward("4in4 ttl 1", frame(tcp(V4.format(10)), None)[:22] + b"\x01" + frame(tcp(V4.format(10)), None)[23:], "10.1.1.11",
                  flow4(V4.format(10), 80, 6))
    table.forward("4in4 reserved bit set", edited(frame(tcp(V4.format(10))), 20, b"\x80\x00"), "10.1.1.11", flow4(V4.format(10), 80, 6))
    table.forward("4in4 wrong inner checksums are the backend's", edited(edited(frame(tcp(V4.format(10))), 24, b"\xde\xad"), 50, b"\xbe\xef"),
                  "10.1.1.11", flow4(V4.format(10), 80, 6))
    table.forward("4in4 udp without checksum", edited(frame(udp(V4.format(10), payload=b"q")), 40, b"\x00\x00"), "10.1.1.12",
                  flow4(V4.format(10), 53, 17))
    table.forward("4in4 source port 0", frame(tcp(V4.format(10), sport=0)), "10.1.1.11", flow4(V4.format(10), 80, 6, 0))
    table.forward("4in4 source port 65535", frame(tcp(V4.format(10), sport=65535)), "10.1.1.11", flow4(V4.format(10), 80, 6, 65535))
    table.forward("4in4 vip port 1", frame(udp(V4.format(14), 1)), "10.1.1.15", flow4(V4.format(14), 1, 17))
    table.forward("4in4 vip port 65535", frame(tcp(V4.format(14), 65535)), "10.1.2.16", flow4(V4.format(14), 65535, 6))
    table.forward("4in4 to another's MAC", edited(frame(tcp(V4.format(10))), 0, b"\x02\xff\xff\xff\xff\xff"), "10.1.1.11",
                  flow4(V4.format(10), 80, 6))
    for sport in (1, 2, 3, 4):
        table.forward(f"weight 0 owns no row, flow {sport}", frame(tcp(V4.format(15), sport=sport)), "10.1.1.32",
                      flow4(V4.format(15), 80, 6, sport))


def forwarded_rows():
    """Row r of these VIPs belongs to PATTERN[r % 5], or to nobody when that is 4."""
    (dst4, port4, _), (dst6, port6, _) = PATTERN_VIPS
    for sport in range(50000, 50008):
        for given, flow, rows in ((frame(tcp(dst4, port4, sport)), flow4(dst4, port4, 6, sport), 4093),
                                  (frame(udp(dst6, port6, sport)), flow6(dst6, port6, 17, sport), 65537)):
            owner = ((flow_hash(*flow) & 0xffffffff) * rows >> 32) % 5
            name = f"row of {flow[0]} port {sport}"
            if owner == 4:
                table.add(name, "FL_DROP_NO_BACKEND", given)
            else:
                table.forward(name, given, PATTERN[owner], flow)


def sizes():
    for name, dst, dport, make, protocol, backend, mtu in (
            ("4in4", V4.format(10), 80, tcp, 6, "10.1.1.11", 1500), ("4in6", V4.format(11), 53, udp, 17, "2001:db8:1:2::13", 1400),
            ("6in4", V6.format(10), 53, udp, 17, "10.1.2.14", 1400), ("6in6", V6.format(11), 53, udp, 17, "2001:db8:1:1::14", 1500)):
        flow = (flow6 if ":" in dst else flow4)(dst, dport, protocol)
        room = mtu - (40 if ":" in backend else 20)
        empty = len(make(dst, dport))
        table.forward(f"{name} fills the mtu of {mtu}", frame(make(dst, dport, payload=b"a" * (room - empty))), backend, flow)
        table.add(f"{name} one byte over the mtu of {mtu}", "FL_DROP_TOO_BIG", frame(make(dst, dport, payload=b"a" * (room - empty + 1))))
        table.forward(f"{name} fills the mtu of {mtu}, padding does not count",
                      frame(make(dst, dport, payload=b"a" * (room - empty)), 9), backend, flow)


def no_backend():
    table.add("unreachable 4", "FL_DROP_UNREACHABLE", frame(tcp(V4.format(13))))
    table.add("unreachable 6", "FL_DROP_UNREACHABLE", frame(tcp(V6.format(13))))
    table.add("unreachable comes before too big", "FL_DROP_UNREACHABLE", frame(tcp(V4.format(13), payload=b"b" * 1460)))
    table.add("dead backend", "FL_DROP_NO_BACKEND", frame(tcp(V4.format(18))))
    table.add("row names no slot of the VIP", "FL_DROP_BUG", frame(tcp(V4.format(19))))


def not_ours():
    def add(name, ip):
        table.add(name, "FL_PASS_NO_VIP", frame(ip))
    add("other port 4", tcp(V4.format(10), 81))
    add("other port 6", tcp(V6.format(10), 81))
    add("port with its bytes swapped", tcp(V4.format(10), 80 << 8))
    add("other protocol 4", udp(V4.format(10), 80))
    add("other protocol 4, tcp", tcp(V4.format(10), 53))
    add("other protocol 6", udp(V6.format(10), 80))
    add("other address 4", tcp(V4.format(12)))
    add("other address 6", tcp(V6.format(12)))
    add("other address 6, high half", tcp("2001:db8:3::10"))
    add("destination port 0", tcp(V4.format(10), 0))
    add("destination port 0, udp", udp(V6.format(11), 0))
    add("ports swapped", tcp(V4.format(10), 40000, 80))
    add("the answer of a VIP", IP(src=V4.format(10), dst=C4, flags="DF") / TCP(sport=80, dport=40000, flags="SA"))
    add("icmp to another address", ip_for(V4.format(99)) / ICMP())
    add("icmpv6 to another address", ip_for(V6.format(99)) / ICMPv6EchoRequest())
    add("fragment to another address", IP(src=C4, dst=V4.format(99), flags="MF") / UDP(sport=1, dport=53) / Raw(b"12345678"))
    add("later fragment to another address", IP(src=C4, dst=V4.format(99), frag=185, proto=17) / Raw(b"12345678"))
    add("extension header to another address", ip_for(V6.format(99)) / IPv6ExtHdrHopByHop() / TCP(dport=80))
    add("compatible address, not mapped", tcp("::c000:20a"))
    table.add("too big for the mtu but the host's", "FL_PASS_NO_VIP", frame(tcp(V4.format(99), payload=b"c" * 1460)))
    own = encapsulated(frame(tcp(V4.format(10)), None), 40, "10.1.1.11", 0, 0)[1]
    table.add("our own output", "FL_PASS_NO_VIP", own)


def without_ports():
    def add(name, verdict, ip):
        table.add(name, verdict, frame(ip))
    add("icmp echo to a VIP", "FL_PASS_PROTOCOL", ip_for(V4.format(10)) / ICMP())
    add("icmp fragmentation needed to a VIP", "FL_PASS_PROTOCOL",
        ip_for(V4.format(10)) / ICMP(type=3, code=4, nexthopmtu=1400) / IP(src=V4.format(10), dst=C4) / TCP(sport=80, dport=40000))
    add("icmpv6 echo to a VIP", "FL_PASS_PROTOCOL", ip_for(V6.format(10)) / ICMPv6EchoRequest())
    add("ipip to a VIP", "FL_PASS_PROTOCOL", ip_for(V4.format(10)) / tcp(V4.format(10)))
    for protocol, name in ((47, "gre"), (50, "esp"), (132, "sctp"), (255, "reserved"), (0, "0")):
        add(f"{name} to a VIP 4", "FL_PASS_PROTOCOL", ip_for(V4.format(11), proto=protocol) / Raw(b"\x9c\x40\x01\xbb" * 5))
    for protocol, name in ((50, "esp"), (58, "icmpv6"), (59, "no next header"), (132, "sctp"), (253, "experiment")):
        add(f"{name} to a VIP 6", "FL_PASS_PROTOCOL", ip_for(V6.format(11), nh=protocol) / Raw(b"\x9c\x40\x01\xbb" * 5))

    def fragment(dst, offset, flags):
        ports = UDP(sport=40000, dport=53, chksum=0) if offset == 0 else Raw(b"\x9c\x40\x00\x35 later")
        return IP(src=C4, dst=dst, flags=flags, frag=offset, proto=17) / ports / Raw(b"12345678")
    add("first fragment 4", "FL_DROP_FRAGMENT", fragment(V4.format(10), 0, "MF"))
    add("middle fragment 4", "FL_DROP_FRAGMENT", fragment(V4.format(10), 185, "MF"))
    add("last fragment 4", "FL_DROP_FRAGMENT", fragment(V4.format(10), 185, 0))
    add("fragment at offset 1", "FL_DROP_FRAGMENT", fragment(V4.format(10), 1, 0))
    add("fragment at the largest offset", "FL_DROP_FRAGMENT", fragment(V4.format(10), 0x1fff, 0))
    add("fragment with DF set", "FL_DROP_FRAGMENT", fragment(V4.format(10), 3, "DF"))
    add("fragment of icmp", "FL_DROP_FRAGMENT", IP(src=C4, dst=V4.format(10), flags="MF") / ICMP())
    for offset, more, name in ((0, 1, "first"), (185, 1, "middle"), (185, 0, "last"), (0, 0, "atomic")):
        add(f"{name} fragment 6", "FL_DROP_FRAGMENT",
            ip_for(V6.format(10)) / IPv6ExtHdrFragment(nh=6, id=7, offset=offset, m=more) / TCP(sport=40000, dport=80))
    add("hop-by-hop options", "FL_DROP_IPV6_EXTENSION", ip_for(V6.format(10)) / IPv6ExtHdrHopByHop() / TCP(sport=40000, dport=80))
    add("destination options", "FL_DROP_IPV6_EXTENSION", ip_for(V6.format(10)) / IPv6ExtHdrDestOpt() / TCP(sport=40000, dport=80))
    add("routing header", "FL_DROP_IPV6_EXTENSION",
        ip_for(V6.format(10)) / IPv6ExtHdrRouting(addresses=[C6]) / TCP(sport=40000, dport=80))
    for protocol, name in ((51, "authentication"), (135, "mobility"), (139, "HIP"), (140, "shim6")):
        add(f"{name} header 6", "FL_DROP_IPV6_EXTENSION", ip_for(V6.format(11), nh=protocol) / Raw(b"\x9c\x40\x01\xbb" * 8))
    add("authentication header 4", "FL_PASS_PROTOCOL", ip_for(V4.format(10), proto=51) / Raw(b"\x9c\x40\x00\x50" * 8))


def not_ip():
    def add(name, verdict, given):
        table.add(name, verdict, bytes(given) + bytes(max(0, 60 - len(bytes(given)))))
    whole = bytes(tcp(V4.format(10)))
    add("arp request for a VIP", "FL_PASS_NOT_IP", Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        hwsrc=CLIENT_MAC, psrc=C4, pdst=V4.format(10)))
    add("lldp", "FL_PASS_NOT_IP", bytes(ether(0x88cc)) + b"\x02\x07\x04")
    add("length instead of a type", "FL_PASS_NOT_IP", bytes(ether(46)) + b"\x42\x42\x03")
    add("mpls", "FL_PASS_NOT_IP", bytes(ether(0x8847)) + b"\x00\x01\x01\x40" + whole)
    add("802.1Q", "FL_PASS_VLAN", ether(0x8100) / Dot1Q(vlan=5, type=0x0800) / Raw(whole))
    add("802.1ad", "FL_PASS_VLAN", ether(0x88a8) / Dot1Q(vlan=5, type=0x8100) / Dot1Q(vlan=6, type=0x0800) / Raw(whole))
    add("802.1Q priority tag", "FL_PASS_VLAN", ether(0x8100) / Dot1Q(vlan=0, type=0x86dd) / Raw(bytes(tcp(V6.format(10)))))


def bad_headers():
    four, six = frame(tcp(V4.format(10))), frame(tcp(V6.format(10)))
    for first in (0x05, 0x55, 0x65, 0xf5):
        table.add(f"version {first >> 4} in IPv4", "FL_DROP_BAD_HEADER", edited(four, 14, bytes([first])))
    for words in (0, 1, 4):
        table.add(f"IPv4 header of {words} words", "FL_DROP_BAD_HEADER", edited(four, 14, bytes([0x40 | words])))
    for first in (0x00, 0x40, 0x45, 0x70):
        table.add(f"first byte {first:#x} in IPv6", "FL_DROP_BAD_HEADER", edited(six, 14, bytes([first])))
    table.add("IPv6 as IPv4", "FL_DROP_BAD_HEADER", edited(six, 12, b"\x08\x00"))
    table.add("IPv4 as IPv6", "FL_DROP_BAD_HEADER", edited(four, 12, b"\x86\xdd"))
    mapped = ipaddress.ip_address("::ffff:" + V4.format(10)).packed
    table.add("IPv4-mapped destination on the wire", "FL_DROP_BAD_HEADER", edited(six, 38, mapped))
    table.add("IPv4-mapped source on the wire", "FL_DROP_BAD_HEADER", edited(six, 22, mapped))
    table.add("version 5 to another address", "FL_DROP_BAD_HEADER", edited(frame(tcp(V4.format(99))), 14, b"\x55"))


def bad_lengths():
    four, six = frame(tcp(V4.format(10), payload=b"12345678"), None), frame(tcp(V6.format(10), payload=b"12345678"), None)
    options = frame(tcp(V4.format(10), options=[IPOption_NOP()] * 40), None)

    def length4(given, value):
        return edited(given, 16, value.to_bytes(2, "big"))

    def length6(given, value):
        return edited(given, 18, value.to_bytes(2, "big"))
    for value in (0, 19, len(four) - 13, 65535):
        table.add(f"IPv4 length {value}", "FL_DROP_BAD_LENGTH", length4(four, value))
    table.add("IPv4 length shorter than its options", "FL_DROP_BAD_LENGTH", length4(options, 59))
    table.add("IPv4 header longer than its length", "FL_DROP_BAD_LENGTH", edited(length4(four, 40), 14, b"\x4f"))
    for value in (20, 21, 39):
        table.add(f"IPv4 length {value}: no whole tcp header", "FL_DROP_TRUNCATED", length4(four, value))
    table.add("IPv4 length 60 of 60 bytes of header", "FL_DROP_TRUNCATED", length4(options, 60))
    datagram = frame(udp(V4.format(10), payload=b"12345678"), None)
    table.add("IPv4 length 27: no whole udp header", "FL_DROP_TRUNCATED", length4(datagram, 27))
    table.forward("IPv4 length 28: a bare udp header", length4(datagram, 28), "10.1.1.12", flow4(V4.format(10), 53, 17))
    table.forward("IPv4 length 40: a bare tcp header", length4(four, 40), "10.1.1.11", flow4(V4.format(10), 80, 6))
    for value in (len(six) - 53, 65495, 65535):
        table.add(f"IPv6 length {value}", "FL_DROP_BAD_LENGTH", length6(six, value))
    for value in (0, 1, 19):
        table.add(f"IPv6 length {value}: no whole tcp header", "FL_DROP_TRUNCATED", length6(six, value))
    table.forward("IPv6 length 20: a bare tcp header", length6(six, 20), "10.1.1.13", flow6(V6.format(10), 80, 6))
    for cut, verdict in ((1, "TRUNCATED"), (13, "TRUNCATED"), (14, "TRUNCATED"), (33, "TRUNCATED"), (34, "BAD_LENGTH"),
                         (37, "BAD_LENGTH"), (53, "BAD_LENGTH"), (len(four) - 1, "BAD_LENGTH")):
        table.add(f"IPv4 frame cut to {cut}", f"FL_DROP_{verdict}", four[:cut])
    for cut, verdict in ((14, "TRUNCATED"), (53, "TRUNCATED"), (54, "BAD_LENGTH"), (len(six) - 1, "BAD_LENGTH")):
        table.add(f"IPv6 frame cut to {cut}", f"FL_DROP_{verdict}", six[:cut])
    table.add("not IP, header only", "FL_PASS_NOT_IP", bytes(ether(0x0806)))


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


def state_lines():
    """Params of plane.prepare, a VIP a line, with ' for "."""
    yield '"{\'generation\':1,\'full\':true,\'vips\':["'
    for i, one in enumerate(STATE):
        comma = "," if i + 1 < len(STATE) else ""
        ends, backends = json.dumps(one, separators=(",", ":")).replace('"', "'").split("'backends'")
        yield f'"{ends}"\n"\'backends\'{backends}{comma}"'
    yield '"]}"'


def port_line(port):
    prefixes = ", ".join(f'"{p}"' for p in port["for"])
    return f'{{ "{port["mac"]}", {port["mtu"]}, "{port["gateway"]}", {{ {prefixes} }} }},'


SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */"
WRITTEN = "/* Written by make_cases.py, which says how; do not edit. Included by case_table.c alone. */"


def state_file():
    owners = ", ".join(f'"{a}"' for a in PATTERN)
    vips = ", ".join(f'"{f"[{a}]" if ":" in a else a}:{p}/{k}"' for a, p, k in PATTERN_VIPS)
    return [SPDX, WRITTEN, f'static const char case_key[] = "{KEY.hex()}";',
            f'static const char case_source_ipv4[] = "{SOURCE[4]}";', f'static const char case_source_ipv6[] = "{SOURCE[6]}";', "",
            "/* Params of plane.prepare, with ' for \". */", "static const char case_state[] =", *state_lines(), ";", "",
            "static const struct case_port case_ports[] = {", *map(port_line, PORTS), "};", "",
            "/* Row r of these VIPs belongs to case_pattern_owners[r % 5], NULL: to nobody. */",
            f"static const char *const case_pattern_vips[] = {{ {vips} }};",
            f"static const char *const case_pattern_owners[5] = {{ {owners}, NULL }};", "",
            "/* Its backends' slots are made dead. */", f'static const char case_dead_vip[] = "{V4.format(18)}:80/tcp";',
            "/* Its rows are made to name a slot that it does not have. */",
            f'static const char case_beyond_vip[] = "{V4.format(19)}:80/tcp";', "",
            '#include "cases_forwarded.h"', '#include "cases_other.h"']


def rows_file(name, rows):
    yield from (SPDX, WRITTEN, f"static const struct packet_case {name}[] = {{")
    for case, verdict, port, given, out in rows:
        yield f'{{ "{case}", {verdict}, {port}, {literal(text(given))}, {literal(text(out)) if out else "NULL"} }},'
    yield "};"


def formatted(lines):
    return subprocess.run(["clang-format", "--assume-filename=cases.h"], input="\n".join(lines) + "\n", check=True,
                          capture_output=True, text=True, cwd=pathlib.Path(__file__).parent).stdout


def main():
    for fill in (forwarded_mixes, forwarded_fields, forwarded_rows, sizes, no_backend, not_ours, without_ports, not_ip,
                 bad_headers, bad_lengths):
        fill()
    files = {"cases.h": state_file(),
             "cases_forwarded.h": rows_file("cases_forwarded", [r for r in table.rows if r[1] == "FL_FORWARD"]),
             "cases_other.h": rows_file("cases_other", [r for r in table.rows if r[1] != "FL_FORWARD"])}
    for name, lines in files.items():
        path, made = pathlib.Path(__file__).with_name(name), formatted(lines)
        if sys.argv[1:] != ["--check"]:
            path.write_text(made, encoding="ascii")
        elif not path.exists() or path.read_text(encoding="ascii") != made:
            sys.exit(f"tests/packet/{name} is not what tests/packet/make_cases.py writes: run it")
    print(f"{len(table.rows)} cases")


main()
