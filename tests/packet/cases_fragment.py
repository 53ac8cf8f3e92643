# SPDX-License-Identifier: BSD-2-Clause
"""Fragments: sequences that the fragment table decides, and fragments that end before it.

The flow of a later fragment has ports 0: it carries none, and its outer header must not depend on what it does carry."""

from scapy.all import ICMP, IP, TCP, UDP, ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, Raw

from cases_forward import MIXES, TEXT
from cases_table import C4, flow, frame, ip_for, table, tcp
from cases_world import SOURCE, V4, V6, b4, b6

PORTS_LIKE = b"\x9c\x40\x00\x35"  # a later fragment's payload that would pass for ports


def transport(protocol, dport, sport=40000):
    """Header of a first fragment, its checksum over bytes that are not there: any number."""
    return TCP(sport=sport, dport=dport, chksum=0x1234) if protocol == 6 else UDP(sport=sport, dport=dport, chksum=0x1234, len=1000)


def fragment(dst, protocol, payload, offset=0, more=1, ident=0x77, **fields):
    """`payload`: bytes or layers; `offset` in units of 8 bytes."""
    payload = payload if not isinstance(payload, bytes) else Raw(payload)
    if ":" in dst:
        return ip_for(dst, **fields) / IPv6ExtHdrFragment(nh=protocol, id=ident, offset=offset, m=more) / payload
    return ip_for(dst, id=ident & 0xffff, flags="MF" if more else 0, frag=offset, proto=protocol, **fields) / payload


def first(dst, protocol, dport, sport=40000, **fields):
    return fragment(dst, protocol, transport(protocol, dport, sport) / Raw(TEXT + b"1234"), **fields)


def later(dst, protocol, offset=5, more=0, payload=PORTS_LIKE * 6, **fields):
    return fragment(dst, protocol, payload, offset, more, **fields)


def later_flow(dst, protocol):
    return flow(dst, 0, protocol, 0)


def follow(name, dst, dport, protocol, backend, mode="ipip"):
    """First, middle and last; then one of another datagram."""
    table.sequence(f"fragments {name}")
    table.forward("first", frame(first(dst, protocol, dport)), backend, flow(dst, dport, protocol), mode)
    table.forward("middle", frame(later(dst, protocol, 185, 1)), backend, later_flow(dst, protocol), mode)
    table.forward("last", frame(later(dst, protocol, 370)), backend, later_flow(dst, protocol), mode)
    table.forward("again", frame(later(dst, protocol, 1, payload=b"")), backend, later_flow(dst, protocol), mode)
    table.add("another id", "drop_fragment_order", frame(later(dst, protocol, ident=0x78)))


def followed():
    for name, dst, dport, _, protocol, backend, mode in MIXES:
        follow(name, dst, dport, protocol, backend, mode)
    for number, host in ((2, 32), (3, 33), (4, 34)):
        follow(f"by port {number}", V4.format(host), 80, 6, b4(number, 11))
    dst, to = V4.format(10), b4(0, 11)
    for name, given in (("source", later(dst, 6, src="198.51.100.8")), ("destination", later(V4.format(11), 6)),
                        ("protocol", later(dst, 17)), ("family", later(V6.format(10), 6))):
        table.sequence(f"fragment of another {name}")
        table.forward("first", frame(first(dst, 6, 80)), to, flow(dst, 80, 6))
        table.add("later", "drop_fragment_order", frame(given))
        table.forward("its own", frame(later(dst, 6)), to, later_flow(dst, 6))
    table.sequence("fragment ids of 32 bits")
    table.forward("first", frame(first(V6.format(10), 6, 80, ident=0x10077)), b4(0, 13), flow(V6.format(10), 80, 6))
    table.add("low half equal", "drop_fragment_order", frame(later(V6.format(10), 6, ident=0x77)))
    table.add("high half equal", "drop_fragment_order", frame(later(V6.format(10), 6, ident=0x10000)))
    table.forward("equal", frame(later(V6.format(10), 6, ident=0x10077)), b4(0, 13), later_flow(V6.format(10), 6))
    for ident in (0, 0xffff):
        table.sequence(f"fragment id {ident}")
        table.forward("first", frame(first(dst, 6, 80, ident=ident)), to, flow(dst, 80, 6))
        table.forward("later", frame(later(dst, 6, ident=ident)), to, later_flow(dst, 6))
    for dst, backend in ((V4.format(50), b4), (V6.format(50), b6)):
        table.sequence(f"fragments of two datagrams to {dst}")
        table.forward("first of one", frame(first(dst, 6, 80, ident=1)), backend(0, 80), flow(dst, 80, 6))
        table.forward("first of the other", frame(first(dst, 6, 8000, ident=2)), backend(0, 81), flow(dst, 8000, 6))
        table.forward("later of the other", frame(later(dst, 6, ident=2)), backend(0, 81), later_flow(dst, 6))
        table.forward("later of one", frame(later(dst, 6, ident=1)), backend(0, 80), later_flow(dst, 6))
        table.sequence(f"a first fragment renews to {dst}")
        table.forward("first", frame(first(dst, 6, 80)), backend(0, 80), flow(dst, 80, 6))
        table.forward("first with another port", frame(first(dst, 6, 9000)), backend(0, 82), flow(dst, 9000, 6))
        table.forward("later", frame(later(dst, 6)), backend(0, 82), later_flow(dst, 6))


def followed_elsewhere():
    """What else may differ between the first fragment and a later one."""
    dst, to = V4.format(10), b4(0, 11)
    table.sequence("fragments by another port, with tags and options")
    table.forward("first", frame(first(dst, 6, 80)), to, flow(dst, 80, 6))
    table.forward("later by port 1", frame(later(dst, 6), in_port=1), to, later_flow(dst, 6), in_port=1)
    table.forward("later with a tag", frame(later(dst, 6), tags=[(0x8100, 5)]), to, later_flow(dst, 6))
    table.forward("later with another traffic class", frame(later(dst, 6, tos=3)), to, later_flow(dst, 6))
    table.forward("later without payload", frame(later(dst, 6, payload=b"")), to, later_flow(dst, 6))
    table.forward("later at the largest offset", frame(later(dst, 6, 0x1fff)), to, later_flow(dst, 6))
    table.forward("later at offset 1", frame(later(dst, 6, 1)), to, later_flow(dst, 6))
    table.add("later with ttl 1", "drop_ttl", frame(later(dst, 6, ttl=1)))
    room = 1480 - 20
    table.forward("later fills the mtu", frame(later(dst, 6, payload=b"f" * room)), to, later_flow(dst, 6))
    table.add("later too big", "drop_too_big", frame(later(dst, 6, payload=b"f" * (room + 1))))
    table.add("later from a bad source", "drop_source_multicast", frame(later(dst, 6, src="224.0.0.1")))
    given = later(dst, 6)
    given.flags = "DF"
    table.forward("later with DF set", frame(given), to, later_flow(dst, 6))
    table.sequence("fragments 6 too big")
    dst = V6.format(10)
    table.forward("first", frame(first(dst, 17, 53)), b4(1, 14), flow(dst, 53, 17))
    table.forward("later fills the mtu", frame(later(dst, 17, payload=b"f" * (1380 - 48))), b4(1, 14), later_flow(dst, 17))
    table.add("later too big", "drop_too_big", frame(later(dst, 17, payload=b"f" * (1380 - 47))))
    table.add("later with hop limit 1", "drop_ttl", frame(later(dst, 17, hlim=1)))
    for dst, to in ((V4.format(31), b4(0, 35)), (V6.format(31), b4(0, 36))):
        table.sequence(f"l2dsr fragments to {dst}")
        table.forward("first", frame(first(dst, 6, 80)), to, flow(dst, 80, 6), "l2dsr")
        table.forward("later", frame(later(dst, 6), 90), to, later_flow(dst, 6), "l2dsr")
        table.add("later from the port's own MAC", "drop_loop", frame(later(dst, 6), src="02:00:00:00:00:01"))


def forgotten():
    """First fragments that were not forwarded leave nothing behind."""
    v4 = V4.format
    for name, verdict, one, rest in (
            ("for no VIP's port", "pass_no_vip", first(v4(10), 6, 81), later(v4(10), 6)),
            ("with ttl 1", "drop_ttl", first(v4(10), 6, 80, ttl=1), later(v4(10), 6)),
            ("to a dead backend", "drop_no_backend", first(v4(18), 6, 80), later(v4(18), 6)),
            ("to no backend", "drop_no_backend", first(v4(47), 6, 80), later(v4(47), 6)),
            ("to no backend, host", "pass_no_backend", first(v4(47), 17, 53), later(v4(47), 17)),
            ("unreachable", "drop_unreachable", first(v4(13), 6, 80), later(v4(13), 6)),
            ("fragments drop 4", "drop_fragment", first(v4(40), 6, 80), later(v4(40), 6)),
            ("fragments drop 6", "drop_fragment", first(V6.format(40), 6, 80), later(V6.format(40), 6)),
            ("truncated", "drop_truncated", fragment(v4(10), 6, TEXT[:19]), later(v4(10), 6)),
            ("from a multicast source", "drop_source_multicast", first(v4(10), 6, 80, src="224.1.1.1"), later(v4(10), 6))):
        table.sequence(f"first fragment {name}")
        table.add("first", verdict, frame(one))
        table.add("later", "drop_fragment_order", frame(rest))
    table.sequence("first fragment too big")
    big = fragment(v4(10), 6, transport(6, 80) / Raw(b"f" * 1452))
    table.too_big("first", frame(big), 1480)
    table.add("later", "drop_fragment_order", frame(later(v4(10), 6)))
    table.sequence("a whole packet is no first fragment")
    table.forward("whole", frame(tcp(v4(10), id=0x77)), b4(0, 11), flow(v4(10), 80, 6))
    table.add("later", "drop_fragment_order", frame(later(v4(10), 6)))
    for dst, to in ((v4(40), b4(0, 71)), (V6.format(40), b6(0, 71))):
        table.sequence(f"udp follows where tcp drops, {dst}")
        table.forward("first", frame(first(dst, 17, 53)), to, flow(dst, 53, 17))
        table.forward("later", frame(later(dst, 17)), to, later_flow(dst, 17))
        table.add("first of tcp", "drop_fragment", frame(first(dst, 6, 80)))
        table.add("later of tcp", "drop_fragment_order", frame(later(dst, 6)))
    table.sequence(None)
    table.add("fragments drop, bad source first", "drop_source_loopback", frame(first(v4(40), 6, 80, src="127.0.0.1")))
    table.forward("fragments drop, whole packet", frame(tcp(v4(40))), b4(0, 70), flow(v4(40), 80, 6))


def alone():
    """Each by itself, with nothing in the fragment table."""
    for dst in (V4.format(10), V6.format(10)):
        for protocol in (6, 17):
            table.add(f"later fragment alone of {protocol} to {dst}", "drop_fragment_order", frame(later(dst, protocol)))
            table.add(f"later fragment alone of {protocol} at offset 1 to {dst}", "drop_fragment_order", frame(later(dst, protocol, 1, 1)))
        for protocol in (6, 17):
            short = 19 if protocol == 6 else 7
            table.add(f"first fragment of {short} bytes of {protocol} to {dst}", "drop_truncated",
                      frame(fragment(dst, protocol, bytes(transport(protocol, 80))[:short])))
        for protocol in (47, 50, 132, 4):
            for name, given in (("first", fragment(dst, protocol, TEXT)), ("later", later(dst, protocol))):
                table.add(f"{name} fragment of protocol {protocol} to {dst}", "pass_protocol", frame(given))
    for address in (V4, V6):
        icmp = 58 if address is V6 else 1
        echo = bytes(ICMPv6EchoRequest(id=1, cksum=1) if address is V6 else ICMP(id=1)) + TEXT
        for host, verdict, name in ((10, "drop_fragment", "answer"), (41, "drop_fragment", "forward"), (46, "pass_icmp", "host"),
                                    (99, "pass_no_vip", "no VIP")):
            table.add(f"first fragment of icmp, {name}, {address.format(host)}", verdict, frame(fragment(address.format(host), icmp, echo)))
            table.add(f"later fragment of icmp, {name}, {address.format(host)}", verdict, frame(later(address.format(host), icmp)))
        table.add(f"first fragment to another address {icmp}", "pass_no_vip", frame(first(address.format(99), 17, 53)))
        table.add(f"later fragment to another address {icmp}", "pass_no_vip", frame(later(address.format(99), 17)))
        table.add(f"first fragment under 8 bytes of icmp {icmp}", "drop_fragment", frame(fragment(address.format(10), icmp, TEXT[:4])))
    table.add("fragment of icmp from a bad source", "drop_source_broadcast", frame(fragment(V4.format(10), 1, TEXT, src="255.255.255.255")))
    table.add("fragment of icmp for the host, bad source", "pass_icmp", frame(fragment(V4.format(46), 1, TEXT, src="255.255.255.255")))
    table.add("icmp fragment needed in a fragment", "drop_fragment", frame(fragment(V4.format(10), 1, bytes(
        ICMP(type=3, code=4) / IP(src=V4.format(10), dst=C4) / TCP(sport=80, dport=40000)))))
    table.add("first fragment of own gue", "drop_loop",
              frame(fragment(V4.format(10), 17, UDP(sport=50000, dport=6080) / Raw(TEXT), src=SOURCE[4])))
    table.add("first fragment of own ipip", "drop_loop", frame(fragment(V4.format(10), 4, bytes(tcp(V4.format(10))), src=SOURCE[4])))


def around_the_header():
    """IPv6: the fragment header among other headers."""
    dst, to = V6.format(10), b4(0, 13)
    table.sequence("fragment header behind hop-by-hop and destination options")
    chain = ip_for(dst) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()
    table.forward("first", frame(chain / IPv6ExtHdrFragment(nh=6, id=9, m=1) / transport(6, 80) / Raw(TEXT)), to, flow(dst, 80, 6))
    table.forward("later", frame(chain / IPv6ExtHdrFragment(nh=6, id=9, offset=8) / Raw(PORTS_LIKE)), to, later_flow(dst, 6))
    table.forward("later without the others", frame(later(dst, 6, ident=9)), to, later_flow(dst, 6))
    table.sequence(None)
    table.forward("destination options behind the fragment header, first",
                  frame(ip_for(dst) / IPv6ExtHdrFragment(nh=60, id=9, m=1) / IPv6ExtHdrDestOpt() / transport(6, 80) / Raw(TEXT)), to,
                  flow(dst, 80, 6))
    table.add("destination options behind the fragment header, later", "pass_protocol",
              frame(ip_for(dst) / IPv6ExtHdrFragment(nh=60, id=9, offset=8) / Raw(bytes(TCP(sport=40000, dport=80)))))
    table.add("destination options behind the fragment header, not whole in the first", "drop_truncated",
              frame(ip_for(dst) / IPv6ExtHdrFragment(nh=60, id=9, m=1) / Raw(b"\x06\x01" + bytes(6))))
    for name, backend, target, dport, make in (("tcp", to, dst, 80, TCP), ("udp", b6(0, 14), V6.format(11), 53, UDP)):
        protocol = 6 if make is TCP else 17
        table.forward(f"atomic fragment {name}", frame(ip_for(target) / IPv6ExtHdrFragment(nh=protocol, id=9) / make(sport=40000,
            dport=dport)),
                      backend, flow(target, dport, protocol))
        table.sequence(f"atomic fragment {name} leaves nothing behind")
        table.forward("atomic", frame(ip_for(target) / IPv6ExtHdrFragment(nh=protocol, id=0x77) / make(sport=40000, dport=dport)),
                      backend, flow(target, dport, protocol))
        table.add("later", "drop_fragment_order", frame(later(target, protocol)))
        table.sequence(None)
    table.forward("atomic fragment where fragments drop",
                  frame(ip_for(V6.format(40)) / IPv6ExtHdrFragment(nh=6, id=9) / TCP(sport=40000, dport=80)),
                  b6(0, 70), flow(V6.format(40), 80, 6))
    table.add("atomic fragment of a truncated tcp", "drop_truncated", frame(ip_for(dst) / IPv6ExtHdrFragment(nh=6, id=9) / Raw(TEXT[:19])))
    table.forward("reserved bits of the fragment header", frame(ip_for(dst) / IPv6ExtHdrFragment(nh=6, id=9, res1=0xff, res2=3) / TCP(
        sport=40000, dport=80)), to, flow(dst, 80, 6))
    table.add("fragment header not whole", "drop_truncated", frame(ip_for(dst, nh=44) / Raw(b"\x06\0\0\x01\0\0\0")))
    table.add("fragment from a bad source 6", "drop_source_multicast", frame(later(dst, 6, src="ff02::1")))


def fill():
    table.start("fragment")
    followed()
    followed_elsewhere()
    forgotten()
    table.sequence(None)
    alone()
    around_the_header()
