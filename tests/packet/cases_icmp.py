# SPDX-License-Identifier: BSD-2-Clause
"""ICMP and ICMPv6: echo, errors and their quotes, and the rest."""

from scapy.all import IP, TCP, UDP, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw
from scapy.layers.inet6 import in6_chksum
from scapy.utils import checksum

from cases_forward import MIXES, PCP_TAGS
from cases_table import C4, C6, client, edited, flow, frame, ip_for, table, with_header_sum
from cases_world import PATTERN, V4, V6, b4, b6, row_of

ROUTER = {4: "203.0.113.9", 6: "2001:db8:ffff::9"}


def message(dst, kind, code=0, rest=bytes(4), data=b"", **fields):
    """ICMP to an IPv4 address, ICMPv6 to an IPv6 one, from the client unless `fields` say who; its checksum right."""
    is_v6 = ":" in dst
    body = bytearray(bytes([kind, code, 0, 0]) + rest + data)
    ip = ip_for(dst, **{("nh" if is_v6 else "proto"): 58 if is_v6 else 1, **fields})
    sums = in6_chksum(58, IPv6(src=ip.src, dst=dst), bytes(body)) if is_v6 else checksum(bytes(body))
    body[2:4] = sums.to_bytes(2, "big")
    return ip / Raw(bytes(body))


def request(dst, data=b"", ident=0x4d2, seq=1, code=0, **fields):
    return message(dst, 128 if ":" in dst else 8, code, ident.to_bytes(2, "big") + seq.to_bytes(2, "big"), data, **fields)


def with_sum(dst, wanted):
    """An echo request whose payload of 2 bytes makes its checksum this."""
    at = 2
    plain = int.from_bytes(bytes(request(dst, bytes(2))[Raw])[at:at + 2], "big")
    made = request(dst, ((~wanted - ~plain) % 0xffff).to_bytes(2, "big"))
    assert bytes(made[Raw])[at:at + 2] == wanted.to_bytes(2, "big")
    return made


def echo_answered():
    for dst in (V4.format(10), V6.format(10)):
        version = 6 if ":" in dst else 4
        for count in (0, 1, 2, 3, 7, 56, 1399, 1400):
            for name, data in (("letters", bytes(97 + i % 26 for i in range(min(count, 60))) + b"q" * (count - 60)),
                               ("0xff", b"\xff" * count)):
                if count > 0 or name == "letters":
                    table.echo(f"echo {version} of {count} bytes of {name}", frame(request(dst, data)))
        table.echo(f"echo {version} without padding", frame(request(dst), None))
        table.echo(f"echo {version}, 99 bytes after it stay", frame(request(dst, b"abc"), 99))
        for wanted in (0xf7ff, 0xf7fe, 0xf800, 0x0000, 0x07ff, 0x0800, 0x0801, 0x0100, 0x00ff, 0x0101, 0xfffe, 0xfeff, 0xff00):
            table.echo(f"echo {version} with checksum {wanted:#06x}", frame(with_sum(dst, wanted)))
        at = 14 + (40 if version == 6 else 20) + 2
        for sums in (0x0000, 0xffff, 0xdead, 0xf7ff, 0x0100):
            table.echo(f"echo {version} with wrong checksum {sums:#06x} stays wrong",
                       edited(frame(request(dst, b"damaged")), at, sums.to_bytes(2, "big")), damaged=True)
        for count in (0, 4, 5, 56):
            table.echo(f"echo {version} of zeros alone, {count} bytes", frame(request(dst, bytes(count), 0, 0)))
        for ident, seq in ((0xffff, 0xffff), (0, 0xffff)):
            table.echo(f"echo {version} id {ident} sequence {seq}", frame(request(dst, b"x", ident, seq)))
        field = "hlim" if version == 6 else "ttl"
        for ttl in (1, 64, 65, 255):
            table.echo(f"echo {version} with {field} {ttl}", frame(request(dst, b"x", **{field: ttl})))
        field = "tc" if version == 6 else "tos"
        for tos in (0x03, 0xb9, 0xff):
            table.echo(f"echo {version} with {field} {tos:#x}", frame(request(dst, b"x", **{field: tos})))
        for one in PCP_TAGS[2:7]:
            table.echo(f"echo {version} with tags {one}".replace("'", ""), frame(request(dst), tags=one))
        for number in (1, 2, 3, 4, 6):
            table.echo(f"echo {version} by port {number}", frame(request(dst, b"by port"), tags=PCP_TAGS[5], in_port=number), number)
            table.echo(f"echo {version} by port {number} without tags", frame(request(dst, b"by port"), in_port=number), number)
    table.echo("echo 6 flow label stays", frame(request(V6.format(10), fl=0xabcde)))
    table.echo("echo 4 to another's MAC", edited(frame(request(V4.format(10))), 0, b"\x02\xff\xff\xff\xff\xff"))
    for flags in ("", "DF"):
        table.echo(f"echo 4 flags {flags or 'none'}", frame(request(V4.format(10), flags=flags, id=0xfffe)))
    table.echo("echo 4 reserved bit", edited(frame(request(V4.format(10))), 20, b"\x80\x00"), damaged=True)
    for wanted in (0x0700, 0x06ff, 0x0701, 0x0000, 0xfffe):
        table.echo(f"echo 4 header checksum {wanted:#06x}", frame(with_header_sum(request(V4.format(10)), wanted)))
    for sums in (0xdead, 0x0700, 0xffff):
        table.echo(f"echo 4 wrong header checksum {sums:#06x} stays wrong",
                   edited(frame(request(V4.format(10))), 24, sums.to_bytes(2, "big")), damaged=True)
    for host, name in ((47, "without backend"), (13, "with an unreachable backend"), (40, "with fragments drop")):
        for address in (V4, V6):
            table.echo(f"echo to {address.format(host)}, a VIP {name}", frame(request(address.format(host), b"abc")))
    table.echo("echo to a dead backend's VIP", frame(request(V4.format(18), b"abc")))
    for dst in ("20.200.0.1", "20.1.17.16", "3fff:ffff::1", "3fff:1:1:1:1:1:1:1"):
        table.echo(f"echo to {dst}, inside a prefix", frame(request(dst, b"prefix")))
    table.echo("echo longer than the port's mtu is answered", frame(request(V4.format(10), b"m" * 1400), in_port=1), 1)


def echo_otherwise():
    for version, address, number in ((4, V4, 1), (6, V6, 58)):
        backend = b4 if version == 4 else b6
        for host, mode, where in ((41, "ipip", 74), (42, "gue", 75), (43, "l2dsr", 76)):
            dst = address.format(host)
            for ident in (0, 0x4d2, 0xffff):
                table.forward(f"echo {version} forwarded by {mode}, id {ident}", frame(request(dst, b"forward", ident)), backend(0, where),
                              (client(dst), ident, dst, 0, number), mode)
            damaged = edited(frame(request(dst, b"forward")), 14 + (40 if version == 6 else 20) + 2, b"\xbe\xef")
            table.forward(f"echo {version} forwarded by {mode}, damaged", damaged, backend(0, where), (client(dst), 0x4d2, dst, 0, number),
                          mode, damaged=True)
        dst = address.format(41)
        table.add(f"echo {version} forwarded with ttl 1", "drop_ttl", frame(request(dst, **{"hlim" if version == 6 else "ttl": 1})))
        room = 1500 - (20 if version == 4 else 40) - len(request(dst))
        table.forward(f"echo {version} forwarded, fills the mtu", frame(request(dst, b"m" * room)), backend(0, 74),
                      (client(dst), 0x4d2, dst, 0, number))
        table.add(f"echo {version} forwarded, one byte over", "drop_too_big", frame(request(dst, b"m" * (room + 1))))
        for host, verdict in ((46, "pass_icmp"), (48, "drop_no_backend"), (49, "pass_no_backend"), (99, "pass_no_vip")):
            table.add(f"echo {version} to {address.format(host)}", verdict, frame(request(address.format(host))))
        for host in (10, 41, 46):
            table.add(f"echo {version} with code 1 to {address.format(host)}", "drop_icmp", frame(request(address.format(host), code=1)))
            for short in (0, 1, 4, 7):
                field = {"nh" if version == 6 else "proto": number}
                given = ip_for(address.format(host), **field) / Raw(bytes([128 if version == 6 else 8]) + bytes(6))
                if short < 7:
                    given[Raw].load = given[Raw].load[:short]
                table.add(f"icmp {version} of {short} bytes to {address.format(host)}", "drop_truncated", frame(given, 99))
        table.add(f"icmp {version} of 7 bytes to another address", "pass_no_vip",
                  frame(ip_for(address.format(99), **field) / Raw(bytes(7))))
    dst = V4.format(45)
    for ident in range(8):  # rows of the first VIP of that address
        to = (C4, ident, dst, 0, 1)
        owner = row_of(to, 251) % 5
        if owner == 4:
            table.add(f"echo 4 forwarded, row of id {ident}", "drop_no_backend", frame(request(dst, b"row", ident)))
        else:
            table.forward(f"echo 4 forwarded, row of id {ident}", frame(request(dst, b"row", ident)), PATTERN[owner], to, "gue")
    for words in (1, 10):
        nops = [IPOption_NOP()] * 4 * words
        table.add(f"echo 4 with {words} words of options", "drop_icmp", frame(request(V4.format(10), options=nops)))
        table.forward(f"echo 4 with {words} words of options, forwarded", frame(request(V4.format(41), options=nops)), b4(0, 74),
                      (C4, 0x4d2, V4.format(41), 0, 1))
        table.add(f"echo 4 with {words} words of options, host", "pass_icmp", frame(request(V4.format(46), options=nops)))
    for name, header in (("hop-by-hop", IPv6ExtHdrHopByHop()), ("destination options", IPv6ExtHdrDestOpt()),
                         ("an atomic fragment header", IPv6ExtHdrFragment(id=9)),
                         ("routing 4", IPv6ExtHdrRouting(type=4, addresses=[]))):
        def behind(dst, header=header):
            made = request(dst)
            return ip_for(dst) / header.__class__(**{**header.fields, "nh": 58}) / Raw(bytes(made[Raw]))
        table.add(f"echo 6 behind {name}", "drop_icmp", frame(behind(V6.format(10))))
        table.forward(f"echo 6 behind {name}, forwarded", frame(behind(V6.format(41))), b6(0, 74), (C6, 0x4d2, V6.format(41), 0, 58))
        table.add(f"echo 6 behind {name}, host", "pass_icmp", frame(behind(V6.format(46))))
    table.add("icmp of IPv6 in IPv4", "pass_protocol", frame(ip_for(V4.format(10), proto=58) / Raw(bytes(request(V6.format(10))[Raw]))))
    table.add("icmp of IPv4 in IPv6", "pass_protocol", frame(ip_for(V6.format(10), nh=1) / Raw(bytes(request(V4.format(10))[Raw]))))
    table.echo("echo to the backend's MAC in the source", frame(request(V4.format(31)), src="02:00:00:00:00:01"))


def quoted(address, dport, protocol, sport=40000, l4_bytes=None, **fields):
    """What the VIP of that address sent to the client: the start of it; `fields` of IP or IPv6 go first."""
    if ":" in address:
        ip = IPv6(**{"src": address, "dst": C6, "hlim": 50, **fields})
    else:
        ip = IP(**{"src": address, "dst": C4, "ttl": 50, "id": 0x99, **fields})
    l4 = TCP(sport=dport, dport=sport, flags="PA", seq=7) if protocol == 6 else UDP(sport=dport, dport=sport)
    whole = bytes(ip / l4 / Raw(b"what the backend answered"))
    header_bytes = 40 if ":" in address else (whole[0] & 15) * 4
    return whole if l4_bytes is None else whole[:header_bytes + l4_bytes]


def error(dst, quote, kind=None, code=0, rest=bytes(4), **fields):
    version = 6 if ":" in dst else 4
    return message(dst, kind or (1 if version == 6 else 3), code, rest, quote, **{"src": ROUTER[version], **fields})


KINDS = {4: [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (3, 255), (11, 0), (11, 1), (12, 0), (12, 2)],
         6: [(1, 0), (1, 4), (1, 7), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 2), (4, 255)]}


def errors():
    for name, dst, dport, _, protocol, backend, mode in MIXES:
        to = flow(dst, dport, protocol)
        version = 6 if ":" in dst else 4
        for sport in (40000, 53):
            given = error(dst, quoted(dst, dport, protocol, sport))
            table.forward(f"icmp error about {name}, client port {sport}", frame(given), backend, flow(dst, dport, protocol, sport), mode)
        kind = 2 if version == 6 else 3
        table.forward(f"icmp too big about {name}", frame(error(dst, quoted(dst, dport, protocol, l4_bytes=8), kind, 4 * (version == 4),
                                                               b"\0\0\x05\x14")), backend, to, mode)
    for dst, dport, backend in ((V4.format(10), 80, b4(0, 11)), (V6.format(10), 80, b4(0, 13))):
        version = 6 if ":" in dst else 4
        to, whole = flow(dst, dport, 6), quoted(dst, dport, 6)
        for kind, code in KINDS[version]:
            table.forward(f"icmp {version} error {kind} code {code}", frame(error(dst, whole, kind, code)), backend, to)
        other = "198.51.100.200" if version == 4 else "2001:db8:c::200"
        table.forward(f"icmp {version} error, from the client itself", frame(error(dst, whole, src=client(dst))), backend, to)
        table.forward(f"icmp {version} error about another client", frame(error(dst, quoted(dst, dport, 6, dst=other))), backend,
                      (other, 40000, dst, dport, 6))
        table.forward(f"icmp {version} error, quote of 8 bytes", frame(error(dst, quoted(dst, dport, 6, l4_bytes=8)), None), backend, to)
        table.forward(f"icmp {version} error, quote of 9 bytes", frame(error(dst, quoted(dst, dport, 6, l4_bytes=9))), backend, to)
        damaged = edited(frame(error(dst, whole)), 14 + (40 if version == 6 else 20) + 2, b"\xbe\xef")
        table.forward(f"icmp {version} error with a wrong checksum is the backend's", damaged, backend, to, damaged=True)
        for number in (1, 3):
            table.forward(f"icmp {version} error by port {number} with tags",
                          frame(error(dst, whole), tags=PCP_TAGS[5], in_port=number), backend, to,
                          in_port=number)
        field = "hlim" if version == 6 else "ttl"
        table.add(f"icmp {version} error with ttl 1", "drop_ttl", frame(error(dst, whole, **{field: 1})))
        table.forward(f"icmp {version} error, quoted ttl 0", frame(error(dst, quoted(dst, dport, 6, **{field: 0}))), backend, to)
        room = 1480 - len(error(dst, b""))
        table.forward(f"icmp {version} error fills the mtu", frame(error(dst, whole + bytes(room - len(whole)))), backend, to)
        table.add(f"icmp {version} error too big", "drop_too_big", frame(error(dst, whole + bytes(room + 1 - len(whole)))))
        table.add(f"icmp {version} error about a port that is no VIP's", "pass_no_vip", frame(error(dst, quoted(dst, 81, 6))))
        table.add(f"icmp {version} error about another protocol's port", "pass_no_vip", frame(error(dst, quoted(dst, 80, 17))))
        table.add(f"icmp {version} error with ports the other way", "pass_no_vip", frame(error(dst, quoted(dst, 40000, 6, 80))))
        table.add(f"icmp {version} error to another address", "pass_no_vip", frame(error((V6 if version == 6 else V4).format(99), whole)))
    errors_elsewhere()


def errors_elsewhere():
    for address, backend in ((V4, b4), (V6, b6)):
        for dport, host in ((8500, 81), (81, 83), (0, 83)):
            dst = address.format(50)
            table.forward(f"icmp error about port {dport} of {dst}", frame(error(dst, quoted(dst, dport, 6))), backend(0, host),
                          flow(dst, dport, 6))
        for host, dport, protocol, verdict in ((47, 80, 6, "drop_no_backend"), (47, 53, 17, "pass_no_backend"),
                                               (13, 80, 6, "drop_unreachable")):
            dst = address.format(host)
            table.add(f"icmp error about {dst} port {dport}", verdict, frame(error(dst, quoted(dst, dport, protocol))))
        dst = address.format(46)
        table.forward(f"icmp error to {dst}, echo host", frame(error(dst, quoted(dst, 80, 6))), backend(0, 77), flow(dst, 80, 6))
    table.add("icmp error about a dead backend", "drop_no_backend", frame(error(V4.format(18), quoted(V4.format(18), 80, 6))))
    dst = V4.format(20)
    for sport in range(50000, 50006):
        to = flow(dst, 80, 6, sport)
        owner = row_of(to, 4093) % 5
        given = frame(error(dst, quoted(dst, 80, 6, sport)))
        if owner == 4:
            table.add(f"icmp error, row of port {sport}", "drop_no_backend", given)
        else:
            table.forward(f"icmp error, row of port {sport}", given, PATTERN[owner], to)
    for dst, host in (("20.1.17.16", 67), ("20.1.20.1", 62)):
        table.forward(f"icmp error about 443 of {dst} in a prefix", frame(error(dst, quoted(dst, 443, 6))), b4(0, host), flow(dst, 443, 6))
    dst, to = V4.format(10), flow(V4.format(10), 80, 6)
    nops = [IPOption_NOP()] * 40
    table.forward("icmp error with options", frame(error(dst, quoted(dst, 80, 6), options=nops)), b4(0, 11), to)
    for count in (4, 40):
        table.forward(f"icmp error, quote with {count} bytes of options",
                      frame(error(dst, quoted(dst, 80, 6, l4_bytes=8, options=[IPOption_NOP()] * count))), b4(0, 11), to)
    table.forward("icmp error, quote of a first fragment", frame(error(dst, quoted(dst, 80, 6, flags="MF"))), b4(0, 11), to)
    table.forward("icmp error, quoted length of 28", frame(error(dst, quoted(dst, 80, 6, len=28))), b4(0, 11), to)
    table.forward("icmp error, quoted length of 65535", frame(error(dst, quoted(dst, 80, 6, len=65535))), b4(0, 11), to)
    table.forward("icmp error, quoted checksum wrong", frame(error(dst, quoted(dst, 80, 6, chksum=1))), b4(0, 11), to)
    table.forward("icmp error, quote to the VIP itself", frame(error(dst, quoted(dst, 80, 6, dst=dst))), b4(0, 11),
                  (dst, 40000, dst, 80, 6))
    dst, to = V6.format(10), flow(V6.format(10), 80, 6)
    for name, header in (("atomic", IPv6ExtHdrFragment(nh=6, id=9)), ("first", IPv6ExtHdrFragment(nh=6, id=9, m=1))):
        quote = bytes(IPv6(src=dst, dst=C6) / header / TCP(sport=80, dport=40000))[:56]
        table.forward(f"icmp 6 error, quote with an {name} fragment header".replace("an f", "a f"), frame(error(dst, quote)), b4(0, 13), to)
    table.forward("icmp 6 error, quoted length of 8", frame(error(dst, quoted(dst, 80, 6, plen=8))), b4(0, 13), to)
    table.forward("icmp 6 error, quoted length of 65535", frame(error(dst, quoted(dst, 80, 6, plen=65535))), b4(0, 13), to)
    made = error(dst, quoted(dst, 80, 6))
    table.forward("icmp 6 error behind destination options",
                  frame(ip_for(dst, src=ROUTER[6]) / IPv6ExtHdrDestOpt(nh=58) / Raw(bytes(made[Raw]))),
                  b4(0, 13), to)


def bad_quotes(dst):
    """(what is wrong, quote)"""
    whole = quoted(dst, 80, 6)
    header = 40 if ":" in dst else 20
    yield "nothing", b""
    for cut in (1, header - 1, header, header + 1, header + 7):
        yield f"{cut} bytes", whole[:cut]
    yield "another VIP's source", quoted(dst, 80, 6, src=(V6 if ":" in dst else V4).format(11))
    yield "the client's source", quoted(dst, 80, 6, src=client(dst), dst=dst)
    for version in (0, 5, 15, 4 if ":" in dst else 6):
        yield f"version {version}", edited(whole, 0, bytes([version << 4 | whole[0] & 15]))
    for protocol in (1, 4, 41, 47, 50, 58, 132, 255):
        yield f"protocol {protocol}", edited(whole, 6 if ":" in dst else 9, bytes([protocol]))
    if ":" not in dst:
        for words in (0, 4):
            yield f"{words} words of header", edited(whole, 0, bytes([0x40 | words]))
        yield "options not whole", edited(whole, 0, b"\x4f")[:60]
        yield "options and 7 bytes", quoted(dst, 80, 6, l4_bytes=7, options=[IPOption_NOP()] * 4)
        for offset, flags in ((1, 0), (185, "MF"), (0x1fff, 0)):
            yield f"a later fragment at {offset}", quoted(dst, 80, 6, frag=offset, flags=flags)
        for length in (0, 19, 20, 27):
            yield f"length {length}", quoted(dst, 80, 6, len=length)
        yield "length without room behind options", quoted(dst, 80, 6, len=31, options=[IPOption_NOP()] * 4)
        yield "an IPv6 packet", quoted(V6.format(10), 80, 6)
        return
    tail = TCP(sport=80, dport=40000)
    ip = IPv6(src=dst, dst=C6)
    for name, headers in (("hop-by-hop", IPv6ExtHdrHopByHop(nh=6)), ("destination options", IPv6ExtHdrDestOpt(nh=6)),
                          ("routing", IPv6ExtHdrRouting(nh=6)),
                          ("two fragment headers", IPv6ExtHdrFragment(nh=44) / IPv6ExtHdrFragment(nh=6)),
                          ("destination options behind a fragment header", IPv6ExtHdrFragment(nh=60) / IPv6ExtHdrDestOpt(nh=6)),
                          ("a fragment header behind hop-by-hop", IPv6ExtHdrHopByHop(nh=44) / IPv6ExtHdrFragment(nh=6)),
                          ("a later fragment", IPv6ExtHdrFragment(nh=6, offset=1)),
                          ("a later fragment of more", IPv6ExtHdrFragment(nh=6, offset=0x1fff, m=1)),
                          ("a fragment of icmp", IPv6ExtHdrFragment(nh=58))):
        yield name, bytes(ip / headers / tail)
    one = bytes(ip / IPv6ExtHdrFragment(nh=6) / tail)
    for cut in (41, 47, 48, 55):
        yield f"a fragment header, {cut} bytes", one[:cut]
    for length in (0, 7):
        yield f"length {length}", quoted(dst, 80, 6, plen=length)
    yield "length of a fragment header and 7", edited(one, 4, b"\0\x0f")
    yield "an IPv4 packet", quoted(V4.format(10), 80, 6)


def errors_refused():
    for dst in (V4.format(10), V6.format(10)):
        version = 6 if ":" in dst else 4
        for name, quote in bad_quotes(dst):
            table.add(f"icmp {version} error quotes {name}", "drop_icmp_quote", frame(error(dst, quote)))
        for kind, code in KINDS[version][1::2]:
            table.add(f"icmp {version} error {kind} code {code} quotes 7 bytes", "drop_icmp_quote",
                      frame(error(dst, quoted(dst, 80, 6, l4_bytes=7), kind, code)))
        whole = frame(error(dst, quoted(dst, 80, 6, l4_bytes=8)), 99)
        length = 16 if version == 4 else 18
        shorter = int.from_bytes(whole[length:length + 2], "big") - 1
        table.add(f"icmp {version} error, the quote's last byte is behind the packet", "drop_icmp_quote",
                  edited(whole, length, shorter.to_bytes(2, "big")))
        other = (V6 if version == 6 else V4).format(99)
        table.add(f"icmp {version} error with a bad quote to another address", "pass_no_vip", frame(error(other, b"short")))
        bad = "ff02::1" if version == 6 else "224.0.0.1"
        table.add(f"icmp {version} error from a bad source", "drop_source_multicast", frame(error(dst, quoted(dst, 80, 6), src=bad)))
        table.add(f"icmp {version} error with a bad quote, bad source first", "drop_source_multicast", frame(error(dst, b"short", src=bad)))
        table.add(f"icmp {version} error about no VIP's port from a bad source", "pass_no_vip",
                  frame(error(dst, quoted(dst, 81, 6), src=bad)))
        table.add(f"icmp {version} error from the VIP itself", "drop_source_vip", frame(error(dst, quoted(dst, 80, 6), src=dst)))


def others():
    dst = V4.format(10)
    for kind, name in ((0, "echo reply"), (4, "source quench"), (5, "redirect"), (9, "router advertisement"), (10, "router solicitation"),
                       (13, "timestamp request"), (14, "timestamp reply"), (15, "information request"), (17, "mask request"),
                       (42, "extended echo"),
                       (1, "type 1"), (2, "type 2"), (128, "type 128"), (135, "type 135"), (255, "type 255")):
        table.add(f"icmp {name}", "drop_icmp", frame(message(dst, kind, 0, bytes(4), quoted(dst, 80, 6))))
    table.add("icmp echo reply where echo is the host's", "drop_icmp", frame(message(V4.format(46), 0)))
    table.add("icmp timestamp to another address", "pass_no_vip", frame(message(V4.format(99), 13)))
    dst = V6.format(10)
    for kind in (0, 5, 8, 100, 127, 129, 138, 139, 140, 141, 142, 144, 151, 160, 255):
        table.add(f"icmpv6 type {kind}", "drop_icmp", frame(message(dst, kind, 0, bytes(4), quoted(dst, 80, 6))))
    for kind in (130, 131, 132, 133, 134, 135, 136, 137, 143):
        table.add(f"icmpv6 type {kind} is the host's", "pass_icmp", frame(message(dst, kind, 0, bytes(4), bytes(16), hlim=255)))
    for kind, src in ((135, "::"), (136, dst), (130, "ff02::1"), (143, "::1")):
        table.add(f"icmpv6 type {kind} from {src} is the host's", "pass_icmp", frame(message(dst, kind, 0, bytes(4), bytes(16), src=src)))
    table.add("icmpv6 neighbour solicitation with code 1", "pass_icmp", frame(message(dst, 135, 1, bytes(4), bytes(16))))
    table.add("icmpv6 neighbour solicitation to another address", "pass_no_vip", frame(message(V6.format(99), 135, 0, bytes(4), bytes(16))))
    table.add("icmpv6 neighbour solicitation of 7 bytes", "drop_truncated", frame(ip_for(dst, nh=58) / Raw(b"\x87" + bytes(6))))
    table.add("icmpv6 listener query behind hop-by-hop", "pass_icmp",
              frame(ip_for(dst) / IPv6ExtHdrHopByHop(nh=58) / Raw(b"\x82" + bytes(23))))


def fill():
    table.start("echo")
    echo_answered()
    echo_otherwise()
    table.start("icmp")
    errors()
    errors_refused()
    others()
