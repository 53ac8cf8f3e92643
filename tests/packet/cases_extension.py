# SPDX-License-Identifier: BSD-2-Clause
"""IPv6 extension headers: each alone, chains, wrong ones, and ones that end too late."""

from scapy.all import TCP, UDP, ICMPv6EchoRequest, Raw

from cases_table import flow, frame, ip_for, table
from cases_world import SOURCE, V4, V6, b4, b6

HOP, DST, ROUTING, FRAGMENT, AH, MOBILITY, HIP, SHIM6 = 0, 60, 43, 44, 51, 135, 139, 140
NO_VIP = V6.format(99)


def options(nxt, units=0):
    """Hop-by-hop or destination options of 8 + 8 * units bytes, all Pad1."""
    return bytes([nxt, units]) + bytes(6 + 8 * units)


def routing(nxt, kind, left, units=0):
    return bytes([nxt, units, kind, left]) + bytes(4 + 8 * units)


def fragment_header(nxt, offset=0, more=0, ident=9):
    return bytes([nxt, 0]) + (offset << 3 | more).to_bytes(2, "big") + ident.to_bytes(4, "big")


def authentication(nxt, words):
    """`words`: the length field, 32-bit words less 2."""
    return bytes([nxt, words, 0, 0]) + b"\xa5" * (4 * words + 4)


def one(kind, nxt, shape=None):
    if kind == ROUTING:
        return routing(nxt, *(shape or (4, 0)))
    if kind == FRAGMENT:
        return fragment_header(nxt, *(shape or (0, 0)))
    if kind == AH:
        return authentication(nxt, 4 if shape is None else shape)
    return options(nxt, shape or 0)


def chain(dst, headers, last, payload, **fields):
    """`headers`: kinds, or (kind, shape)."""
    pairs = [h if isinstance(h, tuple) else (h, None) for h in headers]
    kinds = [kind for kind, _ in pairs] + [last]
    built = b"".join(one(kind, nxt, shape) for (kind, shape), nxt in zip(pairs, kinds[1:]))
    return ip_for(dst, nh=kinds[0], **fields) / Raw(built + payload)


SYN, QUERY = bytes(TCP(sport=40000, dport=80, seq=1000)), bytes(UDP(sport=40000, dport=53, chksum=0x4242) / b"query")
ALONE = [("hop-by-hop", [HOP]), ("hop-by-hop of 64 bytes", [(HOP, 7)]), ("destination options", [DST]),
         ("destination options of 808 bytes", [(DST, 100)]),
         ("routing 2", [(ROUTING, (2, 0, 2))]), ("routing 3", [(ROUTING, (3, 0))]), ("routing 4", [(ROUTING, (4, 0, 4))]),
         ("routing 253", [(ROUTING, (253, 0))]), ("atomic fragment", [FRAGMENT]), ("AH of 12 bytes", [(AH, 1)]),
         ("AH of 16 bytes", [(AH, 2)]),
         ("AH of 24 bytes", [(AH, 4)]), ("AH of 28 bytes", [(AH, 5)]), ("AH of 1028 bytes", [(AH, 255)]),
         ("hop-by-hop, routing", [HOP, ROUTING]), ("destination options twice", [DST, DST]), ("routing twice", [ROUTING, ROUTING]),
         ("AH twice", [AH, AH]), ("AH before destination options", [AH, DST]),
         ("the order of RFC 8200", [HOP, DST, ROUTING, FRAGMENT, AH, DST]),
         ("six of destination options", [DST] * 6), ("hop-by-hop and five", [HOP] + [DST] * 5),
         ("six backwards", [DST, AH, FRAGMENT, ROUTING, DST, AH])]
ROUTED = [("type 0", (0, 0)), ("type 0 with segments left", (0, 1, 2)), ("type 2 with segments left", (2, 1, 2)),
          ("type 4 with segments left", (4, 255, 2)), ("type 255 with segments left", (255, 1))]
REFUSED = [("seven", [DST] * 7), ("hop-by-hop and six", [HOP] + [DST] * 6), ("eight", [DST] * 8), ("hop-by-hop second", [DST, HOP]),
           ("hop-by-hop twice", [HOP, HOP]), ("hop-by-hop sixth", [HOP, DST, ROUTING, FRAGMENT, AH, HOP]),
           ("a second fragment header", [FRAGMENT, FRAGMENT]),
           ("a second fragment header behind a first fragment", [(FRAGMENT, (0, 1)), FRAGMENT]),
           ("a second fragment header behind others", [FRAGMENT, DST, FRAGMENT]), ("mobility", [MOBILITY]), ("HIP", [HIP]),
           ("shim6", [SHIM6]),
           ("mobility behind others", [HOP, DST, MOBILITY])]


def stepped_over():
    for name, headers in ALONE:
        table.forward(f"6in4 tcp behind {name}", frame(chain(V6.format(10), headers, 6, SYN)), b4(0, 13), flow(V6.format(10), 80, 6))
    for name, headers in ALONE[::3]:
        table.forward(f"6in6 udp behind {name}", frame(chain(V6.format(11), headers, 17, QUERY)), b6(0, 14), flow(V6.format(11), 53, 17))
        table.forward(f"gue udp behind {name}", frame(chain(V6.format(30), headers, 17, QUERY)), b6(0, 34),
                      flow(V6.format(30), 53, 17), "gue")
        table.forward(f"l2dsr udp behind {name}", frame(chain(V6.format(31), headers, 17, QUERY)), b6(0, 36),
                      flow(V6.format(31), 53, 17), "l2dsr")
        table.add(f"to another address behind {name}", "pass_no_vip", frame(chain(NO_VIP, headers, 6, SYN)))
    for nxt, name in ((59, "no next header"), (50, "esp"), (132, "sctp"), (1, "icmp of IPv4"), (4, "ipip"), (41, "ipv6 in ipv6"),
                      (253, "253")):
        table.add(f"{name} behind destination options", "pass_protocol", frame(chain(V6.format(10), [DST], nxt, SYN + SYN)))
    for nxt, payload in ((4, bytes(ip_for(V4.format(10)))), (41, bytes(ip_for(V6.format(10)))), (17, bytes(UDP(sport=50000, dport=6080)))):
        table.add(f"own {nxt} behind destination options", "drop_loop", frame(chain(V6.format(10), [DST], nxt, payload, src=SOURCE[6])))


def refused():
    for name, shape in ROUTED:
        for where, headers in (("", [(ROUTING, shape)]), (" behind hop-by-hop", [HOP, (ROUTING, shape)]),
                               (" sixth", [DST] * 5 + [(ROUTING, shape)])):
            table.add(f"routing {name}{where}", "drop_routing_header", frame(chain(V6.format(10), headers, 6, SYN)))
        table.add(f"routing {name} to another address", "pass_no_vip", frame(chain(NO_VIP, [(ROUTING, shape)], 6, SYN)))
    for name, headers in REFUSED:
        table.add(f"extension headers: {name}", "drop_ipv6_extension", frame(chain(V6.format(10), headers, 6, SYN)))
        table.add(f"extension headers to another address: {name}", "pass_no_vip", frame(chain(NO_VIP, headers, 6, SYN)))
    table.add("extension headers refused, bad source first", "drop_source_multicast",
              frame(chain(V6.format(10), [MOBILITY], 6, SYN, src="ff02::1")))
    table.add("routing refused, bad source first", "drop_source_loopback",
              frame(chain(V6.format(10), [(ROUTING, (0, 0))], 6, SYN, src="::1")))


def beyond_the_packet():
    """A header that says more bytes than the packet has; what the frame has after the packet does not count."""
    for kind, name in ((HOP, "hop-by-hop"), (DST, "destination options"), (ROUTING, "routing"), (FRAGMENT, "fragment"), (AH, "AH")):
        header = one(kind, 6)
        for cut in (0, 1, 2, len(header) - 1):
            for padding in (None, 100):
                given = frame(ip_for(V6.format(10), nh=kind) / Raw(header[:cut]), padding)
                table.add(f"{name} header cut to {cut}{', bytes after it' if padding else ''}", "drop_truncated", given)
        table.add(f"{name} header cut to 2 to another address", "pass_no_vip", frame(ip_for(NO_VIP, nh=kind) / Raw(header[:2])))
        table.add(f"{name} header and no tcp", "drop_truncated", frame(ip_for(V6.format(10), nh=kind) / Raw(header), 100))
        table.add(f"{name} header and 19 bytes of tcp", "drop_truncated", frame(ip_for(V6.format(10), nh=kind) / Raw(header + SYN[:19])))
        table.add(f"{name} header cut behind another", "drop_truncated", frame(chain(V6.format(10), [DST], kind, header[:7])))
    for kind, units, name in ((HOP, 255, "hop-by-hop"), (DST, 4, "destination options"), (AH, 255, "AH")):
        header = bytes([6, units]) + one(kind, 6)[2:]
        table.add(f"{name} header longer than the packet", "drop_truncated", frame(ip_for(V6.format(10), nh=kind) / Raw(header + SYN)))
    table.add("second fragment header not whole", "drop_truncated", frame(chain(V6.format(10), [FRAGMENT], FRAGMENT, bytes(7))))
    table.add("seventh header not whole", "drop_ipv6_extension", frame(chain(V6.format(10), [DST] * 6, DST, bytes(7))))
    table.add("sixth header beyond the packet", "drop_truncated", frame(chain(V6.format(10), [DST] * 5, DST, options(6, 3)[:8] + SYN)))
    echo = bytes(ICMPv6EchoRequest(id=1, cksum=0x1111))
    table.add("echo request cut behind a header", "drop_truncated", frame(chain(V6.format(10), [DST], 58, echo[:7])))


def fill():
    table.start("extension")
    stepped_over()
    refused()
    beyond_the_packet()
