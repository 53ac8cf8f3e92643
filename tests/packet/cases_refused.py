# SPDX-License-Identifier: BSD-2-Clause
"""Not ours, not IP, tags, wrong headers and lengths, sources, own packets that come back, VIPs without backend."""

import ipaddress

from scapy.all import ARP, IP, TCP, Ether, IPOption_NOP, Raw

from cases_extension import HOP, MOBILITY, chain
from cases_forward import FAR, GUE, IPIP, L2DSR, MIXES, PCP_TAGS
from cases_fragment import first, later
from cases_icmp import error, message, quoted, request
from cases_table import C4, CLIENT_MAC, edited, flow, frame, ip_for, table, tcp, udp
from cases_world import PORTS, SOURCE, V4, V6, b4, b6, flow_hash, link_header, port_to, to_backend


def no_backend():
    table.add("unreachable 4", "drop_unreachable", frame(tcp(V4.format(13))))
    table.add("unreachable 6", "drop_unreachable", frame(tcp(V6.format(13))))
    table.add("unreachable l2dsr", "drop_unreachable", frame(udp(V4.format(13))))
    table.add("unreachable gue", "drop_unreachable", frame(udp(V6.format(13))))
    table.add("unreachable comes before ttl", "drop_unreachable", frame(tcp(V4.format(13), ttl=0)))
    table.add("dead backend", "drop_no_backend", frame(tcp(V4.format(18))))
    table.add("row names no slot of the VIP", "drop_bug", frame(tcp(V4.format(19))))
    for dst in (V4.format(47), V6.format(47)):
        name = "6" if ":" in dst else "4"
        table.add(f"all weights 0, drop {name}", "drop_no_backend", frame(tcp(dst)))
        table.add(f"all weights 0, host {name}", "pass_no_backend", frame(udp(dst)))
        table.add(f"all weights 0, host, tags stay {name}", "pass_no_backend", frame(udp(dst), 99, PCP_TAGS[5]))
        table.add(f"all weights 0, host, ttl 0 {name}", "pass_no_backend", frame(udp(dst, **{"hlim" if name == "6" else "ttl": 0})))
        table.add(f"all weights 0, host, too big {name}", "pass_no_backend", frame(udp(dst, payload=b"n" * 1440)))
        table.add(f"all weights 0, host, bad source first {name}", "drop_source_vip", frame(udp(dst, src=dst)))


def not_ours():
    def add(name, ip):
        table.add(name, "pass_no_vip", frame(ip))
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
    add("icmp to another address", request(V4.format(99)))
    add("icmpv6 to another address", request(V6.format(99)))
    add("compatible address, not mapped", tcp("::c000:20a"))
    add("ipip to another address", ip_for(V4.format(99)) / tcp(V4.format(10)))
    add("tcp of 19 bytes to another address", ip_for(V4.format(99), proto=6) / Raw(b"1234567890123456789"))
    table.add("too big for the mtu but the host's", "pass_no_vip", frame(tcp(V4.format(99), payload=b"c" * 1460)))
    table.add("ttl 0 but the host's", "pass_no_vip", frame(tcp(V4.format(99), ttl=0)))
    table.add("not for a VIP by port 3, tags stay", "pass_no_vip", frame(tcp(V4.format(99)), 70, PCP_TAGS[5], 3), in_port=3)
    for src in ("224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0"):
        add(f"not for a VIP from {src}", tcp(V4.format(99), src=src))
        add(f"not for a VIP's port from {src}", tcp(V4.format(10), 81, src=src))
    for src in ("ff02::1", "::1", "::"):
        add(f"not for a VIP from {src}", tcp(V6.format(99), src=src))
        add(f"not for a VIP's port from {src}", tcp(V6.format(10), 81, src=src))


def protocols():
    table.add("ipip of a stranger to a VIP", "pass_protocol", frame(ip_for(V4.format(10)) / tcp(V4.format(10))))
    table.add("ipip of a stranger to a VIP 6", "pass_protocol", frame(ip_for(V6.format(10)) / tcp(V6.format(10))))
    for protocol, name in ((47, "gre"), (50, "esp"), (51, "authentication header"), (132, "sctp"), (255, "reserved"), (0, "0")):
        table.add(f"{name} to a VIP 4", "pass_protocol", frame(ip_for(V4.format(11), proto=protocol) / Raw(b"\x9c\x40\x01\xbb" * 5)))
        table.add(f"{name} without payload to a VIP 4", "pass_protocol", frame(ip_for(V4.format(11), proto=protocol)))
        table.add(f"{name} to another address 4", "pass_no_vip",
                  frame(ip_for(V4.format(99), proto=protocol) / Raw(b"\x9c\x40\x01\xbb" * 5)))
    for protocol, name in ((50, "esp"), (59, "no next header"), (132, "sctp"), (253, "experiment")):
        table.add(f"{name} to a VIP 6", "pass_protocol", frame(ip_for(V6.format(11), nh=protocol) / Raw(b"\x9c\x40\x01\xbb" * 5)))
        table.add(f"{name} to another address 6", "pass_no_vip", frame(ip_for(V6.format(99), nh=protocol) / Raw(b"\x9c\x40\x01\xbb" * 5)))
    for src in ("224.0.0.1", "127.0.0.1", V4.format(10)):
        table.add(f"gre from {src} is the host's", "pass_protocol", frame(ip_for(V4.format(10), src=src, proto=47)))
    for dst in ("20.9.9.9", "3fff:9::9"):
        table.add(f"sctp to {dst} inside a prefix", "pass_protocol",
                  frame(ip_for(dst, **{"nh" if ":" in dst else "proto": 132}) / Raw(bytes(12))))
    for dst, backend in ((V4.format(53), b4), (V6.format(53), b6)):
        table.forward(f"udp 6080 of a client to {dst}", frame(udp(dst, 6080, payload=bytes(tcp(V4.format(10))))), backend(0, 89),
                      flow(dst, 6080, 17))


def not_ip():
    def add(name, verdict, given):
        table.add(name, verdict, bytes(given) + bytes(max(0, 60 - len(bytes(given)))))

    def link(kind, tags=()):
        return link_header(PORTS[0]["mac"], CLIENT_MAC, tags, kind)
    whole = bytes(tcp(V4.format(10)))
    arp = ARP(hwsrc=CLIENT_MAC, psrc=C4, pdst=V4.format(10))
    add("arp request for a VIP", "pass_not_ip", Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / arp)
    add("lldp", "pass_not_ip", link(0x88cc) + b"\x02\x07\x04")
    add("length instead of a type", "pass_not_ip", link(46) + b"\x42\x42\x03")
    add("mpls", "pass_not_ip", link(0x8847) + b"\x00\x01\x01\x40" + whole)
    for kind in (0x9100, 0x8864, 0x0801, 0x0008, 0xdd86, 0x86dc, 0xffff, 0x0000):
        add(f"type {kind:#06x}", "pass_not_ip", link(kind) + whole)
    for tags in PCP_TAGS[:7]:
        add(f"arp with tags {tags}", "pass_not_ip", link(0x0806, tags) + bytes(arp))
    for tags in ([(0x8100, 5)] * 3, [(0x88a8, 5), (0x8100, 6), (0x8100, 7)], [(0x88a8, 5)] * 3, [(0x8100, 5), (0x8100, 5), (0x88a8, 5)],
                 [(0x8100, 5)] * 6):
        add(f"{len(tags)} tags {tags[0]} {tags[-1]}", "pass_vlan", link(0x0800, tags) + whole)
    add("two tags and 0x9100", "pass_not_ip", link(0x9100, PCP_TAGS[5]) + whole)
    table.add("not IP, header only", "pass_not_ip", link(0x0806))
    table.add("not IP, tag only", "pass_not_ip", link(0x0806, [(0x8100, 5)]))
    three = link(0x0800, [(0x8100, 5)] * 3)
    for cut, verdict in ((14, "drop_truncated"), (15, "drop_truncated"), (17, "drop_truncated"), (18, "drop_truncated"),
                         (21, "drop_truncated")):
        table.add(f"frame with tags cut to {cut}", verdict, three[:cut])
    table.add("third tag's type is enough", "pass_vlan", three[:22])
    for cut in (18, 22, 37):
        table.add(f"one tag, IPv4 frame cut to {cut}", "drop_truncated", frame(tcp(V4.format(10)), None, [(0x8100, 5)])[:cut])
        table.add(f"one tag, IPv6 frame cut to {cut}", "drop_truncated", frame(tcp(V6.format(10)), None, [(0x8100, 5)])[:cut])


def bad_headers():
    four, six = frame(tcp(V4.format(10))), frame(tcp(V6.format(10)))
    for first_byte in (0x05, 0x55, 0x65, 0xf5):
        table.add(f"version {first_byte >> 4} in IPv4", "drop_bad_header", edited(four, 14, bytes([first_byte])))
    for words in (0, 1, 4):
        table.add(f"IPv4 header of {words} words", "drop_bad_header", edited(four, 14, bytes([0x40 | words])))
    for first_byte in (0x00, 0x40, 0x45, 0x70):
        table.add(f"first byte {first_byte:#x} in IPv6", "drop_bad_header", edited(six, 14, bytes([first_byte])))
    table.add("IPv6 as IPv4", "drop_bad_header", edited(six, 12, b"\x08\x00"))
    table.add("IPv4 as IPv6", "drop_bad_header", edited(four, 12, b"\x86\xdd"))
    tagged = frame(tcp(V6.format(10)), tags=PCP_TAGS[5])
    table.add("IPv6 as IPv4 behind tags", "drop_bad_header", edited(tagged, 20, b"\x08\x00"))
    mapped = ipaddress.ip_address("::ffff:" + V4.format(10)).packed
    table.add("IPv4-mapped destination on the wire", "drop_bad_header", edited(six, 38, mapped))
    table.add("IPv4-mapped source on the wire", "drop_bad_header", edited(six, 22, mapped))
    table.add("version 5 to another address", "drop_bad_header", edited(frame(tcp(V4.format(99))), 14, b"\x55"))
    table.add("IPv4-mapped source to another address", "drop_bad_header", edited(frame(tcp(V6.format(99))), 22, mapped))


def bad_lengths():
    four, six = frame(tcp(V4.format(10), payload=b"12345678"), None), frame(tcp(V6.format(10), payload=b"12345678"), None)
    options = frame(tcp(V4.format(10), options=[IPOption_NOP()] * 40), None)

    def length4(given, value):
        return edited(given, 16, value.to_bytes(2, "big"))

    def length6(given, value):
        return edited(given, 18, value.to_bytes(2, "big"))
    for value in (0, 19, len(four) - 13, 65535):
        table.add(f"IPv4 length {value}", "drop_bad_length", length4(four, value))
    for value in (20, 59):
        table.add(f"IPv4 length {value} shorter than its options", "drop_bad_length", length4(options, value))
    table.add("IPv4 header longer than its length", "drop_bad_length", edited(length4(four, 40), 14, b"\x4f") + bytes(60))
    for value in (20, 21, 39):
        table.add(f"IPv4 length {value}: no whole tcp header", "drop_truncated", length4(four, value))
    for value in (60, 79):
        table.add(f"IPv4 length {value} of 60 bytes of header", "drop_truncated", length4(options, value))
    datagram = frame(udp(V4.format(10), payload=b"12345678"), None)
    for value in (20, 27):
        table.add(f"IPv4 length {value}: no whole udp header", "drop_truncated", length4(datagram, value))
    table.forward("IPv4 length 28: a bare udp header", length4(datagram, 28), b4(0, 12), flow(V4.format(10), 53, 17), damaged=True)
    table.forward("IPv4 length 40: a bare tcp header", length4(four, 40), b4(0, 11), flow(V4.format(10), 80, 6), damaged=True)
    for value in (len(six) - 53, 65495, 65496, 65535):
        table.add(f"IPv6 length {value}", "drop_bad_length", length6(six, value))
    for value in (0, 1, 19):
        table.add(f"IPv6 length {value}: no whole tcp header", "drop_truncated", length6(six, value))
    table.forward("IPv6 length 20: a bare tcp header", length6(six, 20), b4(0, 13), flow(V6.format(10), 80, 6))
    for cut, verdict in ((1, "truncated"), (13, "truncated"), (14, "truncated"), (33, "truncated"), (34, "bad_length"),
                         (37, "bad_length"), (53, "bad_length"), (len(four) - 1, "bad_length")):
        table.add(f"IPv4 frame cut to {cut}", f"drop_{verdict}", four[:cut])
    for cut, verdict in ((14, "truncated"), (53, "truncated"), (54, "bad_length"), (len(six) - 1, "bad_length")):
        table.add(f"IPv6 frame cut to {cut}", f"drop_{verdict}", six[:cut])
    for cut in (34, 54, 73):
        table.add(f"IPv4 frame cut to {cut} inside its options", "drop_truncated", options[:cut])
    table.add("IPv4 options beyond the frame before its length", "drop_truncated", edited(length4(four, 40), 14, b"\x4f"))
    table.add("IPv4 frame cut behind its options", "drop_bad_length", options[:74])
    table.add("IPv4 length 0 to another address", "drop_bad_length", length4(frame(tcp(V4.format(99))), 0))
    for dst in (V4.format(53), V6.format(53)):  # no tcp there: the address alone counts
        field = {"nh" if ":" in dst else "proto": 6}
        table.add(f"tcp of 19 bytes to {dst}, which has udp alone", "drop_truncated", frame(ip_for(dst, **field) / Raw(bytes(19))))
    for dst in ("20.9.9.9", "3fff:9::9"):
        field = {"nh" if ":" in dst else "proto": 17}
        table.add(f"udp of 7 bytes to {dst} inside a prefix", "drop_truncated", frame(ip_for(dst, **field) / Raw(bytes(7))))


SOURCES = {4: [("multicast", "224.0.0.0"), ("multicast", "239.255.255.255"), ("broadcast", "255.255.255.255"), ("loopback", "127.0.0.0"),
               ("loopback", "127.255.255.255"), ("unspecified", "0.0.0.0"), ("unspecified", "0.255.255.255")],
           6: [("multicast", "ff00::"), ("multicast", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("multicast", "ff02::1"),
               ("loopback", "::1"),
               ("unspecified", "::")]}
GOOD_SOURCES = {4: ["223.255.255.255", "240.0.0.1", "255.255.255.254", "126.255.255.255", "128.0.0.0", "1.0.0.0", "10.1.0.5",
                    "10.1.1.11", "192.0.2.11",
                    "169.254.1.1"],
                6: ["::2", "fe80::1", "feff::", "::7f00:1", "2001:db8:1::5", "2001:db8:1:1::11", "2001:db8:2::11", "1::"]}


def sources():
    for version, bad in SOURCES.items():
        address = V4 if version == 4 else V6
        for name, src in [*bad, ("vip", None)]:
            for kind, given in (("tcp", tcp(address.format(10), src=src or address.format(10))),
                                ("udp", udp(address.format(10), src=src or address.format(10))),
                                ("l2dsr", tcp(address.format(31), src=src or address.format(31))),
                                ("gue", udp(address.format(30), src=src or address.format(30))),
                                ("echo", request(address.format(10), src=src or address.format(10))),
                                ("forwarded echo", request(address.format(41), src=src or address.format(41))),
                                ("echo reply", message(address.format(10), 129 if version == 6 else 0, src=src or address.format(10))),
                                ("tcp of 19 bytes", ip_for(address.format(10), src=src or address.format(10), **{
                                    "nh" if version == 6 else "proto": 6}) / Raw(bytes(19))),
                                ("later fragment", later(address.format(10), 6, src=src or address.format(10)))):
                table.add(f"{kind} {version} from {src or 'the VIP'}", f"drop_source_{name}", frame(given))
            table.add(f"host's echo from {src or 'the VIP'} {version}", "pass_icmp",
                      frame(request(address.format(46), src=src or address.format(46))))
        for src in GOOD_SOURCES[version]:
            table.forward(f"tcp from {src}", frame(tcp(address.format(10), src=src)), b4(0, 13 if version == 6 else 11),
                          (src, 40000, address.format(10), 80, 6))
    table.add("bad source comes before no backend", "drop_source_multicast", frame(tcp(V4.format(47), src="224.0.0.5")))
    table.add("bad source comes before unreachable", "drop_source_vip", frame(tcp(V4.format(13), src=V4.format(13))))
    table.add("bad source comes before ttl", "drop_source_unspecified", frame(tcp(V4.format(10), src="0.0.0.0", ttl=1)))
    table.add("the source is the destination in a prefix", "drop_source_vip", frame(tcp("20.9.9.9", src="20.9.9.9")))
    table.forward("the source is another address of the prefix", frame(tcp("20.9.9.9", src="20.9.9.8")), b4(0, 51),
                  ("20.9.9.8", 40000, "20.9.9.9", 80, 6))


def loops():
    """Own packets that come back, wherever they are for."""
    inner4, inner6 = tcp(V4.format(10)), tcp(V6.format(10))
    for where4, where6, name in ((V4.format(10), V6.format(10), "a VIP"), (b4(0, 11), b6(0, 11), "a backend"),
                                 ("198.18.0.1", "2001:db8:ffff::1", "nowhere"),
                                 (SOURCE[4], SOURCE[6], "itself"), ("20.9.9.9", "3fff:9::9", "a prefix")):
        for inner, protocol in ((inner4, 4), (inner6, 41)):
            table.add(f"own ipip {protocol} in IPv4 to {name}", "drop_loop", frame(ip_for(where4, src=SOURCE[4], proto=protocol) / inner))
            table.add(f"own ipip {protocol} in IPv6 to {name}", "drop_loop", frame(ip_for(where6, src=SOURCE[6], nh=protocol) / inner))
        table.add(f"own gue in IPv4 to {name}", "drop_loop", frame(udp(where4, 6080, 50000, bytes(inner4), src=SOURCE[4])))
        table.add(f"own gue in IPv6 to {name}", "drop_loop", frame(udp(where6, 6080, 50000, bytes(inner6), src=SOURCE[6])))
    for name, dst, dport, make, protocol, backend, mode in IPIP + GUE:
        own = to_backend(frame(make(dst, dport), None), backend, mode, flow_hash(*flow(dst, dport, protocol)))[1]
        table.add(f"own output of {name}", "drop_loop", own)
    table.add("own ipip with two tags", "drop_loop", frame(ip_for(b4(0, 11), src=SOURCE[4]) / inner4, tags=PCP_TAGS[5]))
    table.add("own ipip with options", "drop_loop", frame(ip_for(b4(0, 11), src=SOURCE[4], options=[IPOption_NOP()] * 4) / inner4))
    table.add("own ipip with nothing inside", "drop_loop", frame(ip_for(b4(0, 11), src=SOURCE[4], proto=4)))
    table.add("own udp to another port", "pass_no_vip", frame(udp(b4(0, 11), 6081, src=SOURCE[4])))
    table.add("own udp from port 6080", "pass_no_vip", frame(udp(b4(0, 11), 53, 6080, src=SOURCE[4])))
    table.add("own tcp to port 6080", "pass_no_vip", frame(tcp(b4(0, 11), 6080, src=SOURCE[4])))
    table.add("own udp of 7 bytes", "drop_truncated", frame(ip_for(V4.format(10), src=SOURCE[4], proto=17) / Raw(bytes(7))))
    table.add("own gre", "pass_no_vip", frame(ip_for(b4(0, 11), src=SOURCE[4], proto=47)))
    table.add("ipip to the own source", "pass_no_vip", frame(ip_for(SOURCE[4]) / inner4))
    table.add("ipip of the neighbour of the own source", "pass_no_vip", frame(ip_for(b4(0, 11), src="10.1.0.4") / inner4))
    table.add("gue of a stranger to a backend", "pass_no_vip", frame(udp(b4(0, 11), 6080, src="10.1.0.4", payload=bytes(inner4))))
    for version, source in ((4, "172.16.5.5"), (6, "2001:db8:e::5")):
        where = (V4 if version == 4 else V6).format(10)
        table.add(f"the prefix of another world is a stranger's {version}", "pass_protocol",
                  frame(ip_for(where, src=source) / (inner4 if version == 4 else inner6)))
    for name, dst, dport, make, protocol, backend, mode in L2DSR + FAR[4:]:
        own_mac = PORTS[port_to(backend)]["mac"]
        table.add(f"{name} from the MAC of the port it would leave by", "drop_loop", frame(make(dst, dport), src=own_mac))
        table.add(f"{name} from that MAC, by port 1, with a tag", "drop_loop",
                  frame(make(dst, dport), src=own_mac, in_port=1, tags=PCP_TAGS[2]), in_port=1)
        other = PORTS[1 - port_to(backend)]["mac"]
        table.forward(f"{name} from another port's MAC", frame(make(dst, dport), src=other), backend, flow(dst, dport, protocol), mode)
        ttl = {"hlim" if ":" in dst else "ttl": 0}
        table.add(f"{name} from that MAC, before ttl", "drop_loop", frame(make(dst, dport, **ttl), src=own_mac))
    for name, dst, dport, make, protocol, backend, mode in (MIXES[0], MIXES[7], GUE[0]):
        table.forward(f"{name} from the own MAC is no loop", frame(make(dst, dport), src=PORTS[0]["mac"]), backend,
                      flow(dst, dport, protocol), mode)
    table.add("l2dsr icmp error from that MAC", "drop_loop", frame(error(V4.format(31), quoted(V4.format(31), 80, 6)), src=PORTS[0]["mac"]))
    table.add("l2dsr first fragment from that MAC", "drop_loop", frame(first(V4.format(31), 6, 80), src=PORTS[0]["mac"]))


def steps_in_order():
    """Where two rows of the table fit, the earlier one says."""
    table.add("length before extension headers", "drop_bad_length",
              edited(frame(chain(V6.format(10), [MOBILITY], 6, b"")), 18, b"\xff\xff"))
    table.add("mapped address before length", "drop_bad_header", edited(edited(frame(tcp(V6.format(10))), 18, b"\xff\xff"), 38,
                                                                       ipaddress.ip_address("::ffff:1.2.3.4").packed))
    table.add("extension headers before ttl", "drop_ipv6_extension", frame(chain(V6.format(10), [HOP, HOP], 6, bytes(20), hlim=0)))
    table.add("ttl 0 to a VIP without backend", "drop_no_backend", frame(tcp(V4.format(47), ttl=0)))
    table.add("ttl before too big", "drop_ttl", frame(tcp(V4.format(10), ttl=0, payload=b"t" * 1460)))


def fill():
    table.start("refused")
    no_backend()
    not_ours()
    protocols()
    not_ip()
    bad_headers()
    bad_lengths()
    table.start("source")
    sources()
    loops()
    steps_in_order()
