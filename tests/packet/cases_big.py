# SPDX-License-Identifier: BSD-2-Clause
"""Packets at the edge of an MTU, and the answers to those beyond it."""

from scapy.all import TCP, UDP, IPOption_NOP, Raw

from cases_extension import AH, DST, FRAGMENT, HOP, chain
from cases_forward import FAR, GUE, IPIP, L2DSR, PCP_TAGS
from cases_fragment import fragment, transport
from cases_icmp import error, quoted
from cases_table import client, edited, flow, frame, table, tcp, udp
from cases_world import MTU_LEAST, PORTS, V4, V6, b4, b6, outer_bytes, port_to

# every mode and both families, by a port of 1500 and by one of 1400
EDGES = IPIP + GUE + L2DSR + FAR


def room_for(backend, mode):
    return PORTS[port_to(backend)]["mtu"] - outer_bytes(backend, mode)


def of_size(make, dst, dport, count, **fields):
    """A packet of that many bytes; those that an answer may quote differ."""
    room = count - len(make(dst, dport, **fields))
    return make(dst, dport, payload=bytes(97 + i % 26 for i in range(min(room, 160))) + b"z" * max(room - 160, 0), **fields)


def edges():
    for name, dst, dport, make, protocol, backend, mode in EDGES:
        room = room_for(backend, mode)
        to = flow(dst, dport, protocol)
        if room > 1500:
            continue
        table.forward(f"{name} fills the mtu, {room} bytes", frame(make(dst, dport, payload=b"a" * (room - len(make(dst, dport))))),
                      backend, to, mode)
        table.forward(f"{name} fills the mtu, bytes after it do not count",
                      frame(make(dst, dport, payload=b"a" * (room - len(make(dst, dport)))), 9, PCP_TAGS[5]), backend, to, mode)
        table.too_big(f"{name} one byte over the mtu", frame(of_size(make, dst, dport, room + 1)), room)
        table.too_big(f"{name} one byte over the mtu, 9 bytes after it", frame(of_size(make, dst, dport, room + 1), 9), room)


def told():
    for name, dst, dport, make, protocol, backend, mode in (IPIP[0], IPIP[5], IPIP[6], *GUE, FAR[1], FAR[4], FAR[5]):
        room = room_for(backend, mode)
        for number, tags in ((0, PCP_TAGS[2]), (0, PCP_TAGS[5]), (1, []), (2, []), (2, PCP_TAGS[5]), (3, PCP_TAGS[0]), (4, PCP_TAGS[6])):
            table.too_big(f"too big {name} by port {number} with {len(tags)} tags",
                          frame(of_size(make, dst, dport, room + 2), 0, tags, number), room, number)
        field = "hlim" if ":" in dst else "ttl"
        table.too_big(f"too big {name} with {field} 255 and class 0xb9",
                      frame(of_size(make, dst, dport, 1490, **{field: 255, ("tc" if ":" in dst else "tos"): 0xb9})), room)
        if mode != "l2dsr":
            table.add(f"too big {name}, ttl first", "drop_ttl", frame(of_size(make, dst, dport, room + 1, **{field: 1})))
        if ":" in dst:
            continue
        table.too_big(f"too big {name} without DF", frame(of_size(make, dst, dport, room + 1, flags=0)), room)
        for words in (1, 7, 10):
            table.too_big(f"too big {name} with {words} words of options",
                          frame(of_size(make, dst, dport, room + 1, options=[IPOption_NOP()] * 4 * words)), room)
    dst = V4.format(38)
    table.add("too big l2dsr, loop first", "drop_loop", frame(of_size(tcp, dst, 80, 1401), src=PORTS[1]["mac"]))
    table.add("too big, bad source first", "drop_source_multicast", frame(of_size(tcp, V4.format(10), 80, 1500, src="239.1.1.1")))
    table.add("too big, unreachable first 4", "drop_unreachable", frame(of_size(tcp, V4.format(13), 80, 1500)))
    table.add("too big, unreachable first 6", "drop_unreachable", frame(of_size(tcp, V6.format(13), 80, 1500)))
    table.add("too big, not for a VIP", "pass_no_vip", frame(of_size(tcp, V4.format(99), 80, 1500)))
    table.too_big("too big with a wrong checksum", edited(frame(of_size(tcp, V4.format(10), 80, 1500)), 24, b"\xde\xad"), 1480)
    table.too_big("too big of 2000 bytes", frame(of_size(tcp, V4.format(10), 80, 1980)), 1480)


def told_about_fragments_and_headers():
    for dst, dport, protocol, backend, mode in ((V4.format(10), 80, 6, b4(0, 11), "ipip"), (V4.format(11), 53, 17, b6(1, 13), "ipip"),
                                                (V4.format(30), 80, 6, b4(0, 33), "gue"), (V6.format(10), 80, 6, b4(0, 13), "ipip"),
                                                (V6.format(30), 53, 17, b6(0, 34), "gue"), (V6.format(38), 53, 17, b6(1, 40), "l2dsr")):
        room = room_for(backend, mode)
        table.sequence(f"too big first fragment by {mode} to {dst} {dport}")
        empty = len(fragment(dst, protocol, transport(protocol, dport)))
        table.too_big("first", frame(fragment(dst, protocol, transport(protocol, dport) / Raw(b"f" * (room + 1 - empty)))), room)
        table.add("later", "drop_fragment_order", frame(fragment(dst, protocol, b"f" * 40, 100, 0)))
        table.sequence(None)
    dst, room = V6.format(10), 1480
    syn = bytes(TCP(sport=40000, dport=80))
    for name, headers in (("destination options", [DST]), ("68 bytes of headers", [HOP, DST, (AH, 7), (DST, 1)]),
                          ("an atomic fragment header", [FRAGMENT]),
                          ("808 bytes of options", [(DST, 100)]), ("six headers", [DST] * 6)):
        empty = len(chain(dst, headers, 6, syn))
        table.too_big(f"too big behind {name}", frame(chain(dst, headers, 6, syn + b"h" * (room + 1 - empty))), room)
    dst = V6.format(11)
    query = bytes(UDP(sport=40000, dport=53, chksum=0x4242, len=1500))
    empty = len(chain(dst, [DST], 17, query))
    table.too_big("too big udp behind destination options", frame(chain(dst, [DST], 17, query + b"h" * (1461 - empty))), 1460)


def little_left():
    """Where the port's MTU leaves less than the family's least the sender is not told."""
    for dst, version in ((V4.format(36), 4), (V6.format(35), 6)):
        number = 6 if version == 4 else 5
        for dport, make, protocol, backend, mode in (
                (80, tcp, 6, b4(number, 11), "ipip"), (443, tcp, 6, b6(number, 12), "ipip"), (53, udp, 17, b4(number, 13), "gue"),
                (54, udp, 17, b6(number, 14), "gue"), (55, udp, 17, b4(number, 15), "l2dsr")):
            room = room_for(backend, mode)
            name = f"mtu leaves {room} to {version}, port {dport}"
            if room >= len(make(dst, dport)):
                table.forward(f"{name}: fits", frame(of_size(make, dst, dport, room)), backend, flow(dst, dport, protocol), mode)
            if room < MTU_LEAST[version]:
                table.add(f"{name}: too big", "drop_too_big", frame(of_size(make, dst, dport, 1400)))
                table.add(f"{name}: one byte too big", "drop_too_big", frame(of_size(make, dst, dport, room + 1)))
            else:
                table.too_big(f"{name}: too big", frame(of_size(make, dst, dport, 1400)), room)


def not_told():
    for dst, backend in ((V4.format(10), b4(0, 11)), (V6.format(10), b4(0, 13))):
        quote = quoted(dst, 80, 6)
        empty = len(error(dst, quote))
        table.add(f"too big icmp error to {dst}", "drop_too_big", frame(error(dst, quote + bytes(1500 - empty))))
        table.forward(f"large icmp error to {dst}", frame(error(dst, quote + bytes(1480 - empty))), backend,
                      (client(dst), 40000, dst, 80, 6))


def fill():
    table.start("big")
    edges()
    told()
    told_about_fragments_and_headers()
    little_left()
    not_told()
