# SPDX-License-Identifier: BSD-2-Clause
"""What is forwarded: modes and families, fields, rows, kinds of VIPs, tags, outer sources from a prefix."""

import ipaddress

from scapy.all import ICMP, IP, TCP, IPOption_NOP

from cases_table import C4, edited, flow, frame, ip_for, table, tcp, udp, with_header_sum
from cases_world import (NESTED4, NESTED6, PATTERN, PATTERN_VIPS, PORTS, SOURCE, TPIDS, V4, V6, b4, b6, flow_hash, outer_source, row_of,
                         to_backend)

# name, VIP's address, port, maker, protocol, backend, mode
IPIP = [("4in4 tcp", V4.format(10), 80, tcp, 6, b4(0, 11), "ipip"), ("4in4 udp", V4.format(10), 53, udp, 17, b4(0, 12), "ipip"),
        ("4in6 tcp", V4.format(11), 443, tcp, 6, b6(0, 11), "ipip"), ("4in6 udp", V4.format(11), 53, udp, 17, b6(1, 13), "ipip"),
        ("6in4 tcp", V6.format(10), 80, tcp, 6, b4(0, 13), "ipip"), ("6in4 udp", V6.format(10), 53, udp, 17, b4(1, 14), "ipip"),
        ("6in6 tcp", V6.format(11), 443, tcp, 6, b6(1, 12), "ipip"), ("6in6 udp", V6.format(11), 53, udp, 17, b6(0, 14), "ipip")]
GUE = [("gue 4in4 tcp", V4.format(30), 80, tcp, 6, b4(0, 33), "gue"), ("gue 4in6 udp", V4.format(30), 53, udp, 17, b6(0, 33), "gue"),
       ("gue 6in4 tcp", V6.format(30), 80, tcp, 6, b4(0, 34), "gue"), ("gue 6in6 udp", V6.format(30), 53, udp, 17, b6(0, 34), "gue")]
L2DSR = [("l2dsr 4 tcp", V4.format(31), 80, tcp, 6, b4(0, 35), "l2dsr"), ("l2dsr 4 udp", V4.format(31), 53, udp, 17, b6(0, 35), "l2dsr"),
         ("l2dsr 6 tcp", V6.format(31), 80, tcp, 6, b4(0, 36), "l2dsr"), ("l2dsr 6 udp", V6.format(31), 53, udp, 17, b6(0, 36), "l2dsr")]
FAR = [("gue 4in4 tcp, port 1", V4.format(37), 80, tcp, 6, b4(1, 37), "gue"),
       ("gue 4in6 udp, port 1", V4.format(37), 53, udp, 17, b6(1, 37), "gue"),
       ("gue 6in4 tcp, port 1", V6.format(37), 80, tcp, 6, b4(1, 38), "gue"),
       ("gue 6in6 udp, port 1", V6.format(37), 53, udp, 17, b6(1, 38), "gue"),
       ("l2dsr 4 tcp, port 1", V4.format(38), 80, tcp, 6, b4(1, 39), "l2dsr"),
       ("l2dsr 6 udp, port 1", V6.format(38), 53, udp, 17, b6(1, 40), "l2dsr")]
MIXES = IPIP + GUE + L2DSR
TEXT = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


def mixes():
    for name, dst, dport, make, protocol, backend, mode in MIXES + FAR:
        for suffix, payload in (("", b""), (" with payload", TEXT), (" odd", b"x")):
            table.forward(name + suffix, frame(make(dst, dport, payload=payload)), backend, flow(dst, dport, protocol), mode)
    for name, dst, dport, make, protocol, backend, mode in (IPIP[0], GUE[3], L2DSR[0], L2DSR[3]):
        table.forward(f"{name} without padding", frame(make(dst, dport), None), backend, flow(dst, dport, protocol), mode)
        table.forward(f"{name} with 200 bytes after it", frame(make(dst, dport), 200), backend, flow(dst, dport, protocol), mode)
        table.forward(f"{name} came by port 1", frame(make(dst, dport), in_port=1), backend, flow(dst, dport, protocol), mode, 1)


def fields():
    dst, to = V4.format(10), flow(V4.format(10), 80, 6)
    for tos in (0x01, 0x02, 0x03, 0xb8, 0xbb, 0xff):
        table.forward(f"4in4 tos {tos:#x}", frame(tcp(dst, tos=tos)), b4(0, 11), to)
        table.forward(f"6in6 class {tos:#x}", frame(tcp(V6.format(11), 443, tc=tos)), b6(1, 12), flow(V6.format(11), 443, 6))
    for tos in (3, 0xb9):
        table.forward(f"4in6 tos {tos:#x}", frame(tcp(V4.format(11), 443, tos=tos)), b6(0, 11), flow(V4.format(11), 443, 6))
        table.forward(f"6in4 class {tos:#x}", frame(tcp(V6.format(10), tc=tos)), b4(0, 13), flow(V6.format(10), 80, 6))
        table.forward(f"gue 4in6 tos {tos:#x}", frame(udp(V4.format(30), tos=tos)), b6(0, 33), flow(V4.format(30), 53, 17), "gue")
        table.forward(f"gue 6in4 class {tos:#x}", frame(tcp(V6.format(30), tc=tos)), b4(0, 34), flow(V6.format(30), 80, 6), "gue")
    table.forward("6in6 client's flow label stays inside", frame(tcp(V6.format(11), 443, fl=0xabcde)), b6(1, 12),
                  flow(V6.format(11), 443, 6))
    for words in (1, 5, 10):
        table.forward(f"4in4 {words} words of options", frame(tcp(dst, options=[IPOption_NOP()] * 4 * words, payload=b"abc")),
                      b4(0, 11), to)
    table.forward("4in6 10 words of options, udp", frame(udp(V4.format(11), options=[IPOption_NOP()] * 40)), b6(1, 13),
                  flow(V4.format(11), 53, 17))
    table.forward("gue 10 words of options", frame(tcp(V4.format(30), options=[IPOption_NOP()] * 40)), b4(0, 33),
                  flow(V4.format(30), 80, 6), "gue")
    table.forward("l2dsr 10 words of options", frame(tcp(V4.format(31), options=[IPOption_NOP()] * 40)), b4(0, 35),
                  flow(V4.format(31), 80, 6), "l2dsr")
    for sport, last in ((18812, 0), (9915, 0x3fff)):
        extreme = flow(V4.format(30), 80, 6, sport)
        assert flow_hash(*extreme) >> 32 & 0x3fff == last
        table.forward(f"gue source port {49152 + last}", frame(tcp(V4.format(30), sport=sport)), b4(0, 33), extreme, "gue")
    for flags in ("A", "FA", "R", ""):
        table.forward(f"4in4 tcp flags {flags or 'none'}", frame(tcp(dst, flags=flags)), b4(0, 11), to)
    table.forward("4in4 tcp header of 0 words is the backend's", edited(frame(tcp(dst)), 46, b"\x00"), b4(0, 11), to)
    table.forward("4in4 udp length 0 is the backend's", edited(frame(udp(dst)), 38, b"\0\0"), b4(0, 12), flow(dst, 53, 17))
    table.forward("4in4 reserved bit set", edited(frame(tcp(dst)), 20, b"\x80\x00"), b4(0, 11), to, damaged=True)
    for sums in (b"\xde\xad", b"\xfe\xff", b"\xff\xff", b"\x00\x00"):
        table.forward(f"4in4 wrong inner header checksum {sums.hex()} stays wrong", edited(frame(tcp(dst)), 24, sums), b4(0, 11), to,
                      damaged=True)
    table.forward("4in4 wrong tcp checksum is the backend's", edited(frame(tcp(dst)), 50, b"\xbe\xef"), b4(0, 11), to)
    table.forward("4in4 udp without checksum", edited(frame(udp(dst, payload=b"q")), 40, b"\x00\x00"), b4(0, 12), flow(dst, 53, 17))
    table.forward("6in6 udp without checksum", edited(frame(udp(V6.format(11), payload=b"q")), 60, b"\x00\x00"), b6(0, 14),
                  flow(V6.format(11), 53, 17))
    for sport in (0, 65535):
        table.forward(f"4in4 source port {sport}", frame(tcp(dst, sport=sport)), b4(0, 11), flow(dst, 80, 6, sport))
    table.forward("4in4 vip port 1", frame(udp(V4.format(14), 1)), b4(0, 15), flow(V4.format(14), 1, 17))
    table.forward("4in4 vip port 65535", frame(tcp(V4.format(14), 65535)), b4(1, 16), flow(V4.format(14), 65535, 6))
    table.forward("4in4 to another's MAC", edited(frame(tcp(dst)), 0, b"\x02\xff\xff\xff\xff\xff"), b4(0, 11), to)
    for sport in (1, 2, 3, 4):
        table.forward(f"weight 0 owns no row, flow {sport}", frame(tcp(V4.format(15), sport=sport)), b4(0, 32),
                      flow(V4.format(15), 80, 6, sport))


def ttls():
    """Time to live: one less inside a tunnel, untouched without one; where the header checksum passes 0xffff."""
    for name, dst, dport, make, protocol, backend, mode in MIXES:
        field = "hlim" if ":" in dst else "ttl"
        for ttl in (0, 1, 2, 255):
            given = frame(make(dst, dport, **{field: ttl}))
            if ttl == 0 or ttl == 1 and mode != "l2dsr":
                table.add(f"{name}, {field} {ttl}", "drop_ttl", given)
            else:
                table.forward(f"{name}, {field} {ttl}", given, backend, flow(dst, dport, protocol), mode)
    dst = V4.format(10)
    for wanted in (0xfeff, 0xff00, 0xfefe, 0x0000, 0xfffe, 0x00ff):
        given = frame(with_header_sum(tcp(dst), wanted))
        table.forward(f"4in4 header checksum {wanted:#06x} and ttl one less", given, b4(0, 11), flow(dst, 80, 6))


def rows():
    """Row r of these VIPs belongs to PATTERN[r % 5], or to nobody when that is 4."""
    (dst4, port4, _), (dst6, port6, _) = PATTERN_VIPS[:2]
    for sport in range(50000, 50008):
        for given, to, count in ((frame(tcp(dst4, port4, sport)), flow(dst4, port4, 6, sport), 4093),
                                 (frame(udp(dst6, port6, sport)), flow(dst6, port6, 17, sport), 65537)):
            owner = row_of(to, count) % 5
            name = f"row of {to[0]} port {sport}"
            if owner == 4:
                table.add(name, "drop_no_backend", given)
            else:
                table.forward(name, given, PATTERN[owner], to)


def port_kinds():
    for dst, backend in ((V4, b4), (V6, b6)):
        version = 4 if dst is V4 else 6
        for dport, host, name in ((80, 80, "exact before any"), (0, 83, "0 of any"), (79, 83, "before exact"), (81, 83, "behind exact"),
                                  (7999, 83, "before a range"), (8000, 81, "first of a range"), (8500, 81, "inside a range"),
                                  (8999, 81, "last of a range"), (9000, 82, "first of a range of two"),
                                  (9001, 82, "last of a range of two"), (9002, 83, "behind the ranges"), (65535, 83, "65535 of any")):
            table.forward(f"tcp {version} port {name}", frame(tcp(dst.format(50), dport)), backend(0, host), flow(dst.format(50), dport, 6))
        for dport, host in ((0, 84), (1, 85), (53, 85), (65534, 85)):
            table.forward(f"udp {version} port {dport}, 0 is a port", frame(udp(dst.format(50), dport)), backend(0, host),
                          flow(dst.format(50), dport, 17))
        table.add(f"udp {version} port 65535, the range ends before", "pass_no_vip", frame(udp(dst.format(50), 65535)))
        for dport, host in ((0, 88), (8500, 86), (8499, 87), (65535, 87)):
            table.forward(f"0-65535 is any, {version} port {dport}", frame(tcp(dst.format(51), dport)), backend(0, host),
                          flow(dst.format(51), dport, 6))
        table.add(f"any of tcp is not of udp {version}", "pass_no_vip", frame(udp(dst.format(51), 8500)))


def prefixes():
    """The longest prefix first; one without this port and protocol falls through to the next."""
    for prefix_list, backend in ((NESTED4, b4), (NESTED6, b6)):
        nets = [ipaddress.ip_network(prefix) for prefix, _ in prefix_list]
        inside = []  # an address of each prefix that the longer ones do not have
        for i, net in enumerate(nets):
            longer = nets[i + 1] if i + 1 < len(nets) else None
            inside.append(str(next(a for a in (net[-1], net[0]) if longer is None or a not in longer)))
            table.forward(f"prefix {net}", frame(tcp(inside[i])), backend(0, 51 + i), flow(inside[i], 80, 6))
            if longer is not None and net[0] in longer:
                last = str(longer[-1])
                table.forward(f"last of {longer}", frame(tcp(last)), backend(0, 52 + i), flow(last, 80, 6))
        for i, dport, host, name in ((7, 443, 67, "443 of the address"), (6, 443, 65, "443 of any in the fifth"),
                                     (7, 8443, 66, "8443 of the fifth"),
                                     (7, 8500, 65, "any of the fifth before a range of the fourth"), (3, 8500, 63, "range of the fourth"),
                                     (3, 443, 62, "443 of the second"), (2, 443, 62, "443 of the second from the third"),
                                     (3, 9000, 61, "any of the first"), (0, 443, 61, "any of the first itself")):
            table.forward(f"{nets[0]} {inside[i]}: {name}", frame(tcp(inside[i], dport)), backend(0, host), flow(inside[i], dport, 6))
        table.forward(f"{nets[0]}: udp of the fourth", frame(udp(inside[7], 9)), backend(0, 64), flow(inside[7], 9, 17))
        table.add(f"{nets[0]}: no udp in the third", "pass_no_vip", frame(udp(inside[2], 9)))
        table.add(f"{nets[0]}: beyond the first", "pass_no_vip", frame(tcp(str(nets[0][-1] + 1))))


PCP_TAGS = [[(0x8100, 0x0005)], [(0x88a8, 0x0005)], [(0x8100, 0xe005)], [(0x8100, 0x1fff)], [(0x8100, 0)],
            [(0x88a8, 0x2064), (0x8100, 0xb0c8)], [(0x8100, 0x3001), (0x8100, 0x4002)], [(0x88a8, 0x0001), (0x88a8, 0x0fff)],
            [(0x8100, 0x6003), (0x88a8, 0x7004)]]


def tag_text(tags):
    return "+".join(f"{tpid:04x} {tci:04x}" for tpid, tci in tags) or "no tag"


def tags():
    for i, one in enumerate(PCP_TAGS):
        name, dst, dport, make, protocol, backend, mode = MIXES[(i * 5) % len(MIXES)]
        table.forward(f"{name}, tags {tag_text(one)} kept", frame(make(dst, dport), tags=one), backend, flow(dst, dport, protocol), mode)
    for name, dst, dport, make, protocol, backend, mode in MIXES:
        both = [(0x88a8, 0xa007), (0x8100, 0x5008)]
        table.forward(f"{name}, two tags kept", frame(make(dst, dport, payload=TEXT), 100, both), backend, flow(dst, dport, protocol), mode)
    for number, host in ((2, 32), (3, 33), (4, 34)):
        for one in ([], [(0x8100, 0x2064)], [(0x88a8, 0x2064), (0x8100, 0xb0c8)]):
            for dst, dport, make, protocol, backend, mode in (
                    (V4.format(host), 80, tcp, 6, b4(number, 11), "ipip"), (V6.format(host), 80, tcp, 6, b6(number, 11), "ipip"),
                    (V4.format(host), 443, tcp, 6, b6(number, 12), "gue"), (V6.format(host), 53, udp, 17, b6(number, 13), "l2dsr"),
                    (V4.format(host), 53, udp, 17, b4(number, 13), "l2dsr")):
                table.forward(f"port with vlan {PORTS[number]['vlan']}: {mode} {dport} to {dst}, {tag_text(one)}",
                              frame(make(dst, dport, payload=TEXT), tags=one), backend, flow(dst, dport, protocol), mode)
    for dst, backend in ((V6.format(32), b4(2, 12)), (V6.format(33), b4(3, 12)), (V6.format(34), b4(4, 12))):
        table.forward(f"gue to {dst} with the port's own tags", frame(tcp(dst, 443), tags=[(TPIDS[0], 5)]), backend,
                      flow(dst, 443, 6), "gue")
    for number in (2, 3, 4):  # the port that it came by sets nothing on what leaves by another
        table.forward(f"came by port {number}, leaves by port 0", frame(tcp(V4.format(10)), tags=PCP_TAGS[5], in_port=number), b4(0, 11),
                      flow(V4.format(10), 80, 6), in_port=number)


def entropy():
    """World 1: outer sources of ipip out of a prefix."""
    for sport in (40000, 40001, 1, 65535):
        for name, dst, dport, make, protocol, backend, mode in MIXES:
            table.forward(f"entropy: {name} from {sport}", frame(make(dst, dport, sport)), backend, flow(dst, dport, protocol, sport), mode)
    dst = V4.format(10)
    network = flow(dst, 80, 6, 13889)  # all host bits 0: used as any other address
    assert outer_source(4, "ipip", flow_hash(*network), 1) == "172.16.0.0"
    table.forward("entropy: host bits 0", frame(tcp(dst, sport=13889)), b4(0, 11), network)
    table.forward("entropy: tags kept", frame(tcp(dst), tags=PCP_TAGS[5]), b4(0, 11), flow(dst, 80, 6))
    error = ip_for(dst) / ICMP(type=3, code=1) / IP(src=dst, dst=C4, flags="DF") / TCP(sport=80, dport=40001)
    table.forward("entropy: icmp error", frame(error), b4(0, 11), flow(dst, 80, 6, 40001))
    for version, address in ((4, "172.16.0.0"), (4, "172.16.255.255"), (6, "2001:db8:e::"), (6, "2001:db8:e:0:ffff:ffff:ffff:ffff")):
        for where in (V4.format(10), V4.format(99)) if version == 4 else (V6.format(10), V6.format(99)):
            inner = tcp(V4.format(10))
            outer = ip_for(where, src=address, **({"proto": 4} if version == 4 else {"nh": 4}))
            table.add(f"entropy: own packet from {address} back, to {where}", "drop_loop", frame(outer / inner))
            table.add(f"entropy: own gue from {address} back, to {where}", "drop_loop",
                      frame(udp(where, 6080, src=address, payload=bytes(inner))))
    table.add("entropy: beyond the prefix is not own 4", "pass_protocol",
              frame(ip_for(V4.format(10), src="172.17.0.0", proto=4) / tcp(V4.format(10))))
    table.add("entropy: beyond the prefix is not own 6", "pass_protocol",
              frame(ip_for(V6.format(10), src="2001:db8:e:1::", nh=41) / tcp(V6.format(10))))
    for version in (4, 6):
        where = (V4 if version == 4 else V6).format(10)
        table.add(f"entropy: the fixed source is own too {version}", "drop_loop", frame(ip_for(where, src=SOURCE[version]) / tcp(where)))
    for name, dst, dport, make, protocol, backend, mode in (IPIP[0], IPIP[6]):
        hash64 = flow_hash(*flow(dst, dport, protocol))
        source = outer_source(6 if ":" in backend else 4, mode, hash64, 1)
        own = to_backend(frame(make(dst, dport), None), backend, mode, hash64, 1)[1]
        assert source not in SOURCE.values()
        table.add(f"entropy: own output of {name}", "drop_loop", own)
    room = 1480 - len(tcp(dst4 := V4.format(10)))
    table.forward("entropy: fills the mtu", frame(tcp(dst4, payload=b"e" * room)), b4(0, 11), flow(dst4, 80, 6))
    table.too_big("entropy: one byte over", frame(tcp(dst4, payload=b"e" * (room + 1))), 1480)
    table.add("entropy: a tcp packet from the prefix is a client's", "forward", *client_inside(dst4))


def client_inside(dst):
    source = "172.16.5.5"
    given = frame(tcp(dst, src=source))
    return (given, *to_backend(given, b4(0, 11), "ipip", flow_hash(source, 40000, dst, 80, 6), 1))


def fill():
    table.start("forward")
    mixes()
    table.start("fields")
    fields()
    ttls()
    rows()
    table.start("kinds")
    port_kinds()
    prefixes()
    table.start("tags")
    tags()
    table.start("entropy", 1)
    entropy()
