# SPDX-License-Identifier: BSD-2-Clause
"""Frames to everybody or to some: what is for a VIP ends there, everything else stays the host's."""

from scapy.all import ARP, ICMPv6ND_NS, IP, UDP, IPOption_NOP, Raw

from cases_extension import DST, HOP, SYN, chain
from cases_forward import GUE, IPIP, L2DSR, PCP_TAGS
from cases_fragment import first, later, later_flow
from cases_icmp import error, message, quoted, request
from cases_table import C4, C6, edited, flow, frame, ip_for, table, tcp, udp
from cases_world import SOURCE, V4, V6, b4

BROADCAST, MULTICAST4, MULTICAST6 = bytes([255] * 6), bytes.fromhex("01005e000001"), bytes.fromhex("333300000001")
GROUPS = [("broadcast", BROADCAST), ("multicast", MULTICAST4), ("IPv6 multicast", MULTICAST6),
          ("locally administered multicast", bytes.fromhex("030000000001")), ("bridge", bytes.fromhex("0180c2000000")),
          ("group of a single bit", bytes.fromhex("010000000000"))]
SINGLE = [("all bits but one", bytes.fromhex("feffffffffff")), ("no bit", bytes(6)), ("odd bytes behind the first", bytes.fromhex("020101010101"))]


def to(mac, given):
    return edited(given, 0, mac)


def dropped():
    for group, mac in GROUPS:
        def add(name, ip, **fields):
            table.add(f"{group}: {name}", "drop_link_group", to(mac, frame(ip, **fields)))  # pylint: disable=cell-var-from-loop
        for name, dst, dport, make, *_ in (IPIP[0], IPIP[-1], GUE[0], GUE[-1], L2DSR[0], L2DSR[-1]):
            add(name, make(dst, dport))
        for version, address in ((4, V4), (6, V6)):
            dst = address.format(10)
            add(f"tcp with a tag {version}", tcp(dst), tags=PCP_TAGS[2])
            add(f"udp with two tags {version}", udp(dst), tags=PCP_TAGS[5])
            add(f"echo {version}", request(dst))
            add(f"echo that is forwarded {version}", request(address.format(41)))
            add(f"echo reply {version}", message(dst, 129 if version == 6 else 0))
            add(f"error {version}", error(dst, quoted(dst, 80, 6)))
            add(f"first fragment {version}", first(dst, 6, 80))
            add(f"later fragment {version}", later(dst, 6))
            add(f"range {version}", tcp(address.format(50), 8500))
        add("options", tcp(V4.format(10), options=[IPOption_NOP()] * 4))
        add("extension headers", chain(V6.format(10), [HOP, DST], 6, SYN))


def passed():
    """What steps 3 and 4 give to the host, and what is not for a VIP."""
    for group, mac in GROUPS:
        def add(name, verdict, given):
            table.add(f"{group}: {name}", verdict, to(mac, given))  # pylint: disable=cell-var-from-loop
        for version, address, field in ((4, V4, "proto"), (6, V6, "nh")):
            add(f"no VIP {version}", "pass_no_vip", frame(tcp(address.format(99))))
            add(f"no VIP's port {version}", "pass_no_vip", frame(tcp(address.format(10), 81), tags=PCP_TAGS[5]))
            add(f"the host's echo {version}", "pass_icmp", frame(request(address.format(46))))
            add(f"another protocol {version}", "pass_protocol", frame(ip_for(address.format(10), **{field: 50}) / Raw(bytes(20))))
        add("multicast of the host", "pass_no_vip", frame(IP(src=C4, dst="224.0.0.251", ttl=255) / UDP(sport=5353, dport=5353)))
        add("limited broadcast", "pass_no_vip", frame(IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)))
        add("arp for a VIP", "pass_not_ip", edited(frame(bytes(ARP(pdst=V4.format(10)))), 12, b"\x08\x06"))
        add("three tags", "pass_vlan", frame(tcp(V4.format(10)), tags=[(0x8100, 1)] * 3))
        add("neighbour solicitation for a VIP", "pass_no_vip",
            frame(ip_for("ff02::1:ff00:10", hlim=255) / ICMPv6ND_NS(tgt=V6.format(10))))
        add("neighbour solicitation to a VIP", "pass_icmp", frame(ip_for(V6.format(10), hlim=255) / ICMPv6ND_NS(tgt=V6.format(10))))


def single():
    """Addresses of one station, the port's or another's."""
    for name, mac in SINGLE:
        table.forward(f"tcp to a MAC with {name}", to(mac, frame(tcp(V4.format(10)))), b4(0, 11), flow(V4.format(10), 80, 6))
        table.forward(f"tcp 6 to a MAC with {name}", to(mac, frame(tcp(V6.format(10)))), b4(0, 13), flow(V6.format(10), 80, 6))
        table.echo(f"echo to a MAC with {name}", to(mac, frame(request(V4.format(10)))))


def fragments():
    for version, dst, host in ((4, V4.format(10), 11), (6, V6.format(10), 13)):
        table.sequence(f"fragments to a group {version}")
        table.add("first", "drop_link_group", to(BROADCAST, frame(first(dst, 6, 80))))
        table.add("is not remembered", "drop_fragment_order", frame(later(dst, 6)))
        table.forward("first to the port", frame(first(dst, 6, 80)), b4(0, host), flow(dst, 80, 6))
        table.add("later", "drop_link_group", to(MULTICAST6, frame(later(dst, 6))))
        table.forward("later to the port", frame(later(dst, 6)), b4(0, host), later_flow(dst, 6))
    table.sequence(None)


def in_order():
    """Before what the VIP drops, and before the source."""
    def add(name, ip, verdict="drop_link_group"):
        table.add(f"group MAC and {name}", verdict, to(BROADCAST, frame(ip)))
    for src in ("224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0", V4.format(10)):
        add(f"source {src}", tcp(V4.format(10), src=src))
        add(f"source {src} of an echo", request(V4.format(10), src=src))
    for src in ("ff02::1", "::1", "::", V6.format(10)):
        add(f"source {src}", udp(V6.format(10), src=src))
    add("tcp of 19 bytes", ip_for(V4.format(10), proto=6) / Raw(bytes(19)))
    add("a bad chain of extension headers", chain(V6.format(10), [HOP, HOP], 6, SYN))
    add("icmp that nobody takes", message(V4.format(10), 13, rest=bytes(16)))
    add("a quote of somebody else's", error(V4.format(10), quoted(V4.format(99), 80, 6)))
    add("a fragment of icmp", later(V4.format(10), 1))
    add("fragments drop", first(V4.format(40), 6, 80))
    add("no weight", tcp(V4.format(47)))
    add("no weight, host", udp(V4.format(47)))
    add("no weight, host, forwarded echo", request(V6.format(49)))
    add("an unreachable backend", tcp(V4.format(13)))
    add("ttl 0", tcp(V4.format(10), ttl=0))
    add("too many bytes", tcp(V4.format(10), payload=b"g" * 1460))
    add("an own tunnel", ip_for(V4.format(10), src=SOURCE[4]) / tcp(V4.format(10)), "drop_loop")
    add("a stranger's tunnel", ip_for(V6.format(10), src=C6) / tcp(V6.format(10)), "pass_protocol")
    table.add("group MAC and a wrong length", "drop_bad_length", to(BROADCAST, edited(frame(tcp(V4.format(10))), 16, b"\xff\xff")))


def fill():
    table.start("group")
    dropped()
    passed()
    single()
    fragments()
    in_order()
