# SPDX-License-Identifier: BSD-2-Clause
"""Rows that remember: each rule of "When a row changes its owner" (docs/architecture.md), what it reads and what it leaves.

Row and bucket are written before each case, and read after it; nothing else of rows and flow table may have changed. Times are
computed here from the seconds, as the text says. An entry is (owner, state, age in units), by place in the bucket."""

import collections

from scapy.all import ICMP, IP, TCP, ICMPv6DestUnreach, IPv6, Raw, fragment

from cases_table import C4, C6, flow, frame, ip_for, table, tcp, udp
from cases_world import FLOWS, PATTERN, ROW_MODES, ROW_NO_BACKEND, ROW_VIPS, ROW_WINDOWS, ROWS, flow_hash, row_of

STABLE, MOVING, SETTLING = range(3)
FREE, SYN, OPEN, CLOSING = range(4)
X, Y, Z = range(3)  # owners: the previous one, the new one, another
NONE = 0xffff
TICK = 7654321
SAME = object()

Memory = collections.namedtuple("Memory", "row flows")
Track = collections.namedtuple("Track", "vip row bucket tick dead is_looked_up before after counted")
Times = collections.namedtuple("Times", "u live row hold closed evict")


def times_of(window_s, hold_s):
    wt = 16 * window_s + 2
    u = 1
    while u * 120 < wt:
        u *= 2
    live = -(-wt // u)
    hold = min(16 * hold_s, 16 * window_s // 2) + 3 if hold_s else 0
    return Times(u, live, (live + 1) * u, hold, -(-hold // u) + 2, max(-(-64 * 16 // u), 2))


TIMES = [times_of(*one) for one in ROW_WINDOWS]
assert TIMES[0][:3] == (1, 82, 83) and TIMES[1][:3] == (128, 113, 14592)
TO_HOST = ROW_NO_BACKEND.index("host")
EVERY = (0, 1, 3)  # the VIPs that the rules of TCP are tried on


def row_word(state, cur, prev, until):
    return cur | prev << 16 | (until & 0xffffff) << 32 | state << 56


def entry_word(fingerprint, vip, entry, tick):
    owner, state, age, *of_vip = entry
    vip = of_vip[0] if of_vip else vip
    stamp = (tick // TIMES[vip].u - age) & 0xff
    return fingerprint | (vip << 16 | owner) << 34 | state << 54 | stamp << 56


class Found:
    """What a packet finds: the row's state, cur, prev, ticks left; entries by place."""

    def __init__(self, row, own=None, at=2, others=None, vip=0, tick=TICK, dead=(), looked_up=False, twin=None):
        self.row, self.own, self.at, self.others, self.vip, self.tick = row, own, at, others or {}, vip, tick
        self.dead, self.looked_up, self.twin = sum(1 << owner for owner in dead), looked_up, twin

    def memory(self, to, row, own, at):
        hash64 = flow_hash(*to)
        state, cur, prev, left = row
        words = [0] * 8
        for place, entry in self.others.items():
            words[place] = entry_word((hash64 >> 30) + 1 + place & (1 << 34) - 1, self.vip, entry, self.tick)
        for place, entry in ((at, own), self.twin or (0, None)):
            if entry is not None:
                words[place] = entry_word(hash64 >> 30, self.vip, entry, self.tick)
        return Memory(row_word(state, cur, prev, self.tick + left if state != STABLE else 0), words)

    def track(self, to, after, at, left, counted):
        state, cur, prev, was_left = self.row
        before = self.memory(to, self.row, self.own, self.at)
        own = self.own if after is SAME else after if len(after) > 2 else (*after, 0)
        row = (state, cur, prev, was_left if left is SAME else left)
        others = dict(self.others)
        self.others = {place: entry for place, entry in others.items() if after is SAME or place != at}
        track = Track(self.vip, row_of(to, ROWS), flow_hash(*to) % (FLOWS // 8), self.tick, self.dead, self.looked_up, before,
                      self.memory(to, row, own, at), counted)
        self.others = others
        return track


def segment(vip, flags="A", payload=b"", **fields):
    dst, dport, protocol = ROW_VIPS[vip]
    return udp(dst, dport, payload=payload, **fields) if protocol == "udp" else tcp(dst, dport, flags=flags, payload=payload, **fields)


def flow_of(vip):
    dst, dport, protocol = ROW_VIPS[vip]
    return flow(dst, dport, 17 if protocol == "udp" else 6)


def case(name, found, packet, goes, after=SAME, at=None, left=SAME, failed=0, evicted=0, extended=0, to=None, verdict=None):
    """`goes`: the owner that gets the packet; None: nobody. `after`: (owner, state) of the flow's entry, used now, at its place or
    `at`. `left`: ticks that the row has left then. `to`: the flow, where it is not that of the packet."""
    to = to or flow_of(found.vip)
    at = at if at is not None else found.at
    table.track = found.track(to, after, at, left, (failed, evicted, extended, 0))
    given = frame(packet)
    window = ROW_WINDOWS[found.vip][0]
    name = f"rows of {window} s, hold {ROW_WINDOWS[found.vip][1]} s: {name}"
    if verdict == "answer_too_big":
        table.too_big(name, given, 1480)
    elif verdict is not None or goes is None:
        table.add(name, verdict or ("pass" if found.vip == TO_HOST else "drop") + "_no_backend", given)
    else:
        table.forward(name, given, PATTERN[goes], to, ROW_MODES[found.vip])
    table.track = None


def moving(vip, left=10, cur=Y, prev=X):
    return (MOVING, cur, prev, left)


def settling(vip, left=10, cur=Y):
    return (SETTLING, cur, NONE, left)


PACKETS = [("SYN", "S", b""), ("data", "A", b"data"), ("ACK", "A", b""), ("FIN", "FA", b""), ("RST", "R", b"")]
FULL = {place: (Z, OPEN, 1) for place in range(8)}


def stable():
    for looked_up in (False, True):
        how = ", the row is read" if looked_up else ""
        for name, flags, payload in PACKETS:
            case(f"stable, {name}: its entry is not read{how}", Found((STABLE, Y, NONE, 0), (X, OPEN, 0), looked_up=looked_up),
                 segment(0, flags, payload), Y)
        case(f"stable, nobody's{how}", Found((STABLE, NONE, NONE, 0), (X, OPEN, 0), looked_up=looked_up), segment(0, "S"), None)
        case(f"stable, nobody's, so the host's{how}", Found((STABLE, NONE, NONE, 0), vip=TO_HOST, looked_up=looked_up),
             segment(TO_HOST, "S"), None)
        case(f"stable, dead{how}", Found((STABLE, Y, NONE, 0), (X, OPEN, 0), dead=[Y], looked_up=looked_up), segment(0, "S"), None)


def known_syn():
    """S2, S3."""
    for vip in EVERY:
        t = TIMES[vip]
        for row in (moving(vip), moving(vip, t.row), settling(vip, t.row)):
            state = f"{'moving' if row[0] == MOVING else 'settling'}, {row[3]} left"
            for owner in (X, Y, Z):
                for was, age, becomes in ((SYN, 1, SYN), (SYN, t.live, SYN), (OPEN, 1, OPEN), (OPEN, t.live, OPEN), (CLOSING, 0, SYN),
                                          (CLOSING, t.closed - 1, SYN)):
                    if owner == X or age == 1:
                        case(f"S2 {state}: SYN, entry of {owner} in state {was}, {age} old", Found(row, (owner, was, age), vip=vip),
                             segment(vip, "S"), owner, (owner, becomes))
            for age in (t.closed, t.live):
                new = Y if row[0] == SETTLING or row[3] <= t.row - t.hold else X
                case(f"S3 {state}: SYN, closing for {age}", Found(row, (Z, CLOSING, age), vip=vip), segment(vip, "S"), new, (new, SYN))
        case("S2: used in this unit, nothing is written", Found(moving(vip), (X, OPEN, 0), vip=vip), segment(vip, "S"), X)
    case("S3: nobody is new", Found(moving(0, cur=NONE), (X, CLOSING, TIMES[0].closed)), segment(0, "S"), None)
    case("S3: the new one is dead", Found(moving(0), (X, CLOSING, TIMES[0].closed), dead=[Y]), segment(0, "S"), X, (X, SYN))
    case("S3 settling: the new one is dead", Found(settling(0), (X, CLOSING, TIMES[0].closed), dead=[Y]), segment(0, "S"), None)


def new_syn():
    """S4, S5, holding, who is dead."""
    for vip in EVERY:
        t = TIMES[vip]
        ends = t.row - t.hold
        for left in sorted({t.row, ends, ends - 1, 1, 0, -5, *([ends + 1] if t.hold else [])}):
            owner = X if left > ends else Y
            case(f"S4: SYN, {left} left", Found(moving(vip, left), vip=vip), segment(vip, "S"), owner, (owner, SYN), at=0)
        case("S4: SYN with ECE and CWR", Found(moving(vip), vip=vip), segment(vip, "SEC"), Y, (Y, SYN), at=0)
        case("S4: SYN with payload", Found(moving(vip), vip=vip), segment(vip, "S", b"early"), Y, (Y, SYN), at=0)
        case("S4 R1: full, begun anew", Found(moving(vip), others=FULL, vip=vip), segment(vip, "S"), X, left=t.row, failed=1, extended=1)
        case("S4 R1: full, one tick short", Found(moving(vip, t.row - 1), others=FULL, vip=vip), segment(vip, "S"), X, left=t.row,
             failed=1, extended=1)
        case("S4 R1: full, fresh", Found(moving(vip, t.row), others=FULL, vip=vip), segment(vip, "S"), X, failed=1)
        case("S4 R1: full, over", Found(moving(vip, -9), others=FULL, vip=vip), segment(vip, "S"), X, left=t.row, failed=1, extended=1)
        case("S5: SYN", Found(settling(vip), vip=vip), segment(vip, "S"), Y)
        case("S5: SYN, full", Found(settling(vip), others=FULL, vip=vip), segment(vip, "S"), Y)
        case("S5: SYN, its word names a dead slot", Found(settling(vip), (X, OPEN, 1), vip=vip, dead=[X]), segment(vip, "S"), Y, (Y, SYN))
        case("S5: SYN, its word is too old", Found(settling(vip), (X, OPEN, t.live + 1), vip=vip), segment(vip, "S"), Y)
        case("S5: SYN, its word is too old, foreign and closing", Found(settling(vip), (X, CLOSING, t.live + 1), vip=vip),
             segment(vip, "S"), Y)
    t = TIMES[0]
    case("S4: new is dead", Found(moving(0), dead=[Y]), segment(0, "S"), X, (X, SYN), at=0)
    case("S4: held by a dead one", Found(moving(0, t.row), dead=[X]), segment(0, "S"), Y, (Y, SYN), at=0)
    case("S4: both are dead", Found(moving(0), dead=[X, Y]), segment(0, "S"), None)
    case("S4: held, both are dead", Found(moving(0, t.row), dead=[X, Y]), segment(0, "S"), None)
    for vip in (0, TO_HOST):
        case("S4: nobody is new", Found(moving(vip, cur=NONE), vip=vip), segment(vip, "S"), None)
    case("S4: nobody is new, held", Found(moving(0, t.row, cur=NONE)), segment(0, "S"), X, (X, SYN), at=0)
    case("S4: nobody is new, held by a dead one", Found(moving(0, t.row, cur=NONE), dead=[X]), segment(0, "S"), None)
    case("S4 R1: full, default is dead", Found(moving(0, t.row), others=FULL, dead=[X]), segment(0, "S"), Y, failed=1)
    case("S4 R1: full, new is dead", Found(moving(0), others=FULL, dead=[Y]), segment(0, "S"), X, left=t.row, failed=1, extended=1)
    for vip in (0, TO_HOST):
        case("S5: nobody's", Found(settling(vip, cur=NONE), vip=vip), segment(vip, "S"), None)
    case("S5: dead", Found(settling(0), dead=[Y]), segment(0, "S"), None)
    case("S5: dead, its word too", Found(settling(0), (X, OPEN, 1), dead=[X, Y]), segment(0, "S"), None)


def known_other():
    """P1, P4."""
    for vip in EVERY:
        t = TIMES[vip]
        q = t.closed
        for row in (moving(vip), moving(vip, t.row), settling(vip, t.row)):
            state = f"{'moving' if row[0] == MOVING else 'settling'}, {row[3]} left"
            for was, age, flags, payload, becomes in dict.fromkeys((
                    (SYN, 1, "A", b"", OPEN), (SYN, 1, "A", b"data", OPEN), (SYN, 1, "SA", b"", OPEN), (SYN, 1, "FA", b"", CLOSING),
                    (SYN, t.live, "R", b"", CLOSING), (OPEN, 1, "A", b"", OPEN), (OPEN, t.live, "PA", b"data", OPEN),
                    (OPEN, 1, "FA", b"", CLOSING), (OPEN, 1, "FPA", b"data", CLOSING), (OPEN, 1, "RA", b"", CLOSING),
                    (OPEN, 1, "SF", b"", CLOSING), (OPEN, 1, "SR", b"", CLOSING), (OPEN, 1, "", b"", OPEN),
                    (CLOSING, 1, "A", b"", CLOSING), (CLOSING, q - 1, "A", b"", CLOSING), (CLOSING, q, "A", b"", OPEN),
                    (CLOSING, t.live, "A", b"", OPEN), (CLOSING, 1, "A", b"d", OPEN), (CLOSING, 0, "A", b"d", OPEN),
                    (CLOSING, q, "FA", b"", CLOSING), (CLOSING, 1, "FA", b"d", CLOSING), (CLOSING, q, "R", b"", CLOSING))):
                owner = Z if was == SYN else X
                case(f"P1 {state}: {flags or 'no flag'} with {len(payload)} bytes, state {was}, {age} old",
                     Found(row, (owner, was, age), vip=vip), segment(vip, flags, payload), owner, (owner, becomes))
        case("P1: used in this unit, nothing is written", Found(moving(vip), (X, OPEN, 0), vip=vip), segment(vip, "A", b"data"), X)
        dst, dport, _ = ROW_VIPS[vip]
        stamps = ip_for(dst) / TCP(sport=40000, dport=dport, flags="A", options=[("Timestamp", (1, 2))])
        case("P1: options are no payload", Found(moving(vip), (X, CLOSING, 1), vip=vip), stamps, X, (X, CLOSING))
        case("P1: payload behind options", Found(moving(vip), (X, CLOSING, 1), vip=vip), stamps / Raw(b"d"), X, (X, OPEN))
        for name, left, longer in (("short", 10, True), ("one tick short", t.row - 1, True), ("enough", t.row, False),
                                   ("more", t.row + t.u, False), ("over", -3, True)):
            after = t.row + t.u if longer else SAME
            case(f"P4: a foreign entry is used, {name}", Found(settling(vip, left), (X, OPEN, 1), vip=vip), segment(vip, "A"), X,
                 (X, OPEN), left=after)
            case(f"P4: used in this unit, {name}", Found(settling(vip, left), (X, OPEN, 0), vip=vip), segment(vip, "A"), X, left=after)
            case(f"P4: SYN of a foreign entry, {name}", Found(settling(vip, left), (Z, CLOSING, 1), vip=vip), segment(vip, "S"), Z,
                 (Z, SYN), left=after)
            case(f"P4: FIN of a foreign entry, {name}", Found(settling(vip, left), (Z, OPEN, 1), vip=vip), segment(vip, "FA"), Z,
                 (Z, CLOSING), left=after)
        case("P4: its own entry is not foreign", Found(settling(vip), (Y, OPEN, 1), vip=vip), segment(vip, "A"), Y, (Y, OPEN))
        case("P4: not where it moves", Found(moving(vip), (X, OPEN, 1), vip=vip), segment(vip, "A"), X, (X, OPEN))
        case("P4: nobody's row settles, its entries live", Found(settling(vip, cur=NONE), (X, OPEN, 1), vip=vip), segment(vip, "A"), X,
             (X, OPEN), left=t.row + t.u)
        case("S3 settling: rewritten, not foreign", Found(settling(vip), (X, CLOSING, q), vip=vip), segment(vip, "S"), Y, (Y, SYN))


def unknown_other():
    """P2, P3, R1."""
    for vip in EVERY:
        t = TIMES[vip]
        for left in (10, t.row, 0, -7):
            for name, flags, payload, becomes in (("ACK", "A", b"", OPEN), ("data", "PA", b"data", OPEN), ("SYN+ACK", "SA", b"", OPEN),
                                                  ("FIN", "FA", b"", CLOSING), ("SYN+FIN", "SF", b"", CLOSING), ("no flag", "", b"", OPEN)):
                case(f"P2: {name}, {left} left", Found(moving(vip, left), vip=vip), segment(vip, flags, payload), X, (X, becomes), at=0)
            for name, flags in (("RST", "R"), ("RST+ACK", "RA"), ("SYN+RST", "SR"), ("FIN+RST", "FR")):
                case(f"P3: {name}, {left} left", Found(moving(vip, left), vip=vip), segment(vip, flags), X)
        case("P2 R1: full, begun anew", Found(moving(vip), others=FULL, vip=vip), segment(vip), X, left=t.row, failed=1, extended=1)
        case("P2 R1: full, one tick short", Found(moving(vip, t.row - 1), others=FULL, vip=vip), segment(vip), X, left=t.row, failed=1,
             extended=1)
        case("P2 R1: full, fresh", Found(moving(vip, t.row), others=FULL, vip=vip), segment(vip), X, failed=1)
        case("P3: RST, full", Found(moving(vip), others=FULL, vip=vip), segment(vip, "R"), X)
        for name, flags, payload in PACKETS[1:]:
            case(f"P3 settling: {name}", Found(settling(vip), vip=vip), segment(vip, flags, payload), Y)
            case(f"P3 settling: {name}, full and over", Found(settling(vip, -2), others=FULL, vip=vip), segment(vip, flags, payload), Y)
    case("P2: default is dead", Found(moving(0), dead=[X]), segment(0), Y, (Y, OPEN), at=0)
    case("P2: new is dead", Found(moving(0), dead=[Y]), segment(0), X, (X, OPEN), at=0)
    case("P2: both are dead", Found(moving(0), dead=[X, Y]), segment(0), None)
    case("P2: nobody is new, default is dead", Found(moving(0, cur=NONE), dead=[X]), segment(0), None)
    case("P2 R1: full, default is dead", Found(moving(0), others=FULL, dead=[X]), segment(0), Y, left=TIMES[0].row, failed=1, extended=1)
    case("P3: RST, default is dead", Found(moving(0), dead=[X]), segment(0, "R"), Y)
    case("P3 settling: dead", Found(settling(0), dead=[Y]), segment(0), None)
    for vip in (0, TO_HOST):
        case("P3 settling: nobody's", Found(settling(vip, cur=NONE), vip=vip), segment(vip), None)
        case("P2: nobody is new", Found(moving(vip, cur=NONE), vip=vip), segment(vip), X, (X, OPEN), at=0)


def no_entries():
    """E0."""
    for vip in EVERY:
        t = TIMES[vip]
        case("E0: one unit too old, moving", Found(moving(vip), (Z, OPEN, t.live + 1), vip=vip), segment(vip), X, (X, OPEN))
        case("E0: one unit too old, SYN", Found(moving(vip), (Z, OPEN, t.live + 1), vip=vip), segment(vip, "S"), Y, (Y, SYN))
        case("E0: one unit too old, settling", Found(settling(vip), (X, OPEN, t.live + 1), vip=vip), segment(vip), Y)
        case("E0: one unit too old, RST", Found(moving(vip), (Z, OPEN, t.live + 1), vip=vip), segment(vip, "R"), X)
        case("E0: just lives", Found(moving(vip), (Z, OPEN, t.live), vip=vip), segment(vip), Z, (Z, OPEN))
        case("E0: dead slot, moving", Found(moving(vip), (Z, OPEN, 0), vip=vip, dead=[Z]), segment(vip), X, (X, OPEN))
        case("E0: dead slot, SYN", Found(moving(vip), (Z, SYN, 0), vip=vip, dead=[Z]), segment(vip, "S"), Y, (Y, SYN))
        case("E0: dead slot, settling", Found(settling(vip), (X, OPEN, 0), vip=vip, dead=[X]), segment(vip), Y)
        case("E0: dead slot, FIN", Found(moving(vip), (Z, OPEN, 0), vip=vip, dead=[Z]), segment(vip, "FA"), X, (X, CLOSING))
        case("E0: full, but its own word is no entry", Found(moving(vip), (Z, OPEN, t.live + 1), vip=vip,
                                                            others={place: FULL[place] for place in range(8) if place != 2}),
             segment(vip), X, (X, OPEN))
        case("E0: an entry behind a word that is none", Found(moving(vip), (Z, OPEN, 1), at=6, twin=(1, (X, OPEN, t.live + 1)), vip=vip),
             segment(vip), Z, (Z, OPEN))
        for ahead in (1, 2, 63, 64):
            case(f"stamp {ahead} ahead", Found(moving(vip), (Z, OPEN, -ahead), vip=vip), segment(vip), Z, (Z, OPEN))
            case(f"stamp {ahead} ahead, closing is young", Found(moving(vip), (Z, CLOSING, -ahead), vip=vip), segment(vip, "S"), Z,
                 (Z, SYN))
        case("stamp of 191 units ago", Found(moving(vip), (Z, OPEN, 191), vip=vip), segment(vip), X, (X, OPEN))


def evictions():
    def full(**changes):
        return {**{place: (Z, OPEN, 100) for place in range(8)}, **{int(place[1:]): entry for place, entry in changes.items()}}

    vip, t = 1, TIMES[1]
    assert t.evict == 8
    for name, flags, goes, becomes in (("SYN", "S", Y, SYN), ("ACK", "A", X, OPEN)):
        for what, others, place, evicted in (
                ("a free place, the last", {place: (Z, CLOSING, 50) for place in range(7)}, 7, 0),
                ("a free place before a dead one", {**full(p1=(Z, OPEN, t.live + 1)), 6: (FREE, FREE, 0)}, 6, 0),
                ("one too old before one that may go", full(p1=(Z, CLOSING, t.live), p4=(Z, OPEN, t.live + 1)), 4, 0),
                ("the oldest closing", full(p1=(Z, CLOSING, 8), p3=(Z, CLOSING, 20), p5=(Z, CLOSING, 19)), 3, 1),
                ("the oldest half-open", full(p1=(Z, CLOSING, 8), p3=(Z, SYN, 19), p5=(Z, SYN, 20)), 5, 1),
                ("a closing one of 64 s", full(p7=(Z, CLOSING, 8)), 7, 1),
                ("a half-open one of 64 s", full(p0=(Z, SYN, 8)), 0, 1),
                ("the first of two as old", full(p2=(Z, SYN, 9), p6=(Z, CLOSING, 9)), 2, 1),
                ("one whose stamp is not ahead", full(p2=(Z, SYN, -3), p6=(Z, CLOSING, 9)), 6, 1)):
            others = {at: entry for at, entry in others.items() if entry[1] != FREE}
            case(f"eviction, {name}: {what}", Found(moving(vip), others=others, vip=vip), segment(vip, flags), goes, (goes, becomes),
                 at=place, evicted=evicted)
        for what, others in (("open, as old as they get", {place: (Z, OPEN, t.live) for place in range(8)}),
                             ("half-open, under 64 s", full(p3=(Z, SYN, 7))), ("closing, under 64 s", full(p3=(Z, CLOSING, 7))),
                             ("stamps ahead", full(p3=(Z, CLOSING, -60)))):
            case(f"eviction, {name}: none of those that are {what}", Found(moving(vip), others=others, vip=vip), segment(vip, flags), X,
                 left=t.row, failed=1, extended=1)
        case(f"eviction, {name}: a dead slot's before one that may go",
             Found(moving(vip), others=full(p1=(Z, CLOSING, 50), p5=(3, OPEN, 0)), vip=vip, dead=[3]), segment(vip, flags), goes,
             (goes, becomes), at=5)
    case("eviction: none lives for 64 s", Found(moving(0), others={place: (Z, SYN, TIMES[0].live) for place in range(8)}), segment(0), X,
         left=TIMES[0].row, failed=1, extended=1)
    # entries of other VIPs count in their own units
    case("eviction: 64 s of another VIP's units", Found(moving(0), others=full(p3=(Z, SYN, 8, 1), p5=(Z, SYN, 7, 1), **of_vip(1))),
         segment(0), X, (X, OPEN), at=3, evicted=1)
    case("eviction: the oldest in ticks, not in units", Found(moving(1), others=full(p3=(Z, SYN, 113, 1), p5=(Z, SYN, 2, 4)), vip=1),
         segment(1), X, (X, OPEN), at=5, evicted=1)
    case("eviction: one unit is not two", Found(moving(1), others=full(p5=(Z, SYN, 1, 4)), vip=1), segment(1), X, left=t.row, failed=1,
         extended=1)


def of_vip(vip):
    """Open entries of that VIP at the places that a case does not name."""
    return {f"p{place}": (Z, OPEN, 1, vip) for place in (0, 1, 2, 4, 6, 7)}


def slots_elsewhere():
    """An entry that names a slot of another VIP, as those of a former incarnation do: its stamp counts in that one's units."""
    case("slot of another VIP, moving", Found(moving(0), (Z, OPEN, 1, 1)), segment(0), Z, (Z, OPEN, 0, 1))
    case("slot of another VIP, older than this window", Found(moving(0), (Z, OPEN, 113, 1)), segment(0), Z, (Z, OPEN, 0, 1))
    case("slot of another VIP, too old there", Found(moving(0), (Z, OPEN, 114, 1)), segment(0), X, (X, OPEN))
    case("slot of another VIP with the number of cur is foreign", Found(settling(0), (Y, OPEN, 1, 1)), segment(0), Y, (Y, OPEN, 0, 1),
         left=TIMES[0].row + 1)
    case("slot of another VIP, its tuple may be new", Found(moving(0), (Z, CLOSING, 3, 1)), segment(0, "S"), Y, (Y, SYN))
    case("slot of another VIP, its tuple may not be new", Found(moving(0), (Z, CLOSING, 2, 1)), segment(0, "S"), Z, (Z, SYN, 0, 1))


def udp_rows():
    vip, t = 2, TIMES[2]
    for left in (10, t.row, 0):
        case(f"udp: unknown, {left} left", Found(moving(vip, left), vip=vip), segment(vip, payload=b"q"), X, (X, OPEN), at=0)
    case("udp: known", Found(moving(vip), (Y, OPEN, 3), vip=vip), segment(vip, payload=b"q"), Y, (Y, OPEN))
    case("udp: known, settling", Found(settling(vip), (X, OPEN, 3), vip=vip), segment(vip, payload=b"q"), X, (X, OPEN), left=t.row + t.u)
    case("udp: unknown, settling", Found(settling(vip), vip=vip), segment(vip, payload=b"q"), Y)
    case("udp: full", Found(moving(vip), others=FULL, vip=vip), segment(vip), X, left=t.row, failed=1, extended=1)
    case("udp: too old", Found(settling(vip), (X, OPEN, t.live + 1), vip=vip), segment(vip), Y)
    case("udp: default is dead", Found(moving(vip), vip=vip, dead=[X]), segment(vip), Y, (Y, OPEN), at=0)


def without_trace():
    """ICMP errors and echo requests."""
    for vip, dst, client in ((0, ROW_VIPS[0][0], C4), (3, ROW_VIPS[3][0], C6)):
        dport = ROW_VIPS[vip][1]
        if ":" in dst:
            error = ip_for(dst) / ICMPv6DestUnreach() / IPv6(src=dst, dst=client) / TCP(sport=dport, dport=40000)
        else:
            error = ip_for(dst) / ICMP(type=3, code=1) / IP(src=dst, dst=client, flags="DF") / TCP(sport=dport, dport=40000)
        for name, found, goes in (("moving, unknown", Found(moving(vip), vip=vip), X),
                                  ("moving, held", Found(moving(vip, TIMES[vip].row), vip=vip), X),
                                  ("moving, known", Found(moving(vip), (Z, SYN, 3), vip=vip), Z),
                                  ("moving, closing long ago", Found(moving(vip), (Z, CLOSING, TIMES[vip].live), vip=vip), Z),
                                  ("moving, too old", Found(moving(vip), (Z, OPEN, TIMES[vip].live + 1), vip=vip), X),
                                  ("moving, full", Found(moving(vip), others=FULL, vip=vip), X),
                                  ("moving, default is dead", Found(moving(vip), vip=vip, dead=[X]), Y),
                                  ("settling, unknown", Found(settling(vip), vip=vip), Y),
                                  ("settling, foreign", Found(settling(vip), (X, OPEN, 3), vip=vip), X),
                                  ("settling, a dead slot's", Found(settling(vip), (X, OPEN, 3), vip=vip, dead=[X]), Y),
                                  ("both are dead", Found(moving(vip), vip=vip, dead=[X, Y]), None)):
            case(f"icmp error to {dst}: {name}", found, error, goes)
    vip, dst = 4, ROW_VIPS[4][0]
    to = (C4, 77, dst, 0, 1)
    echo = ip_for(dst) / ICMP(type=8, id=77, seq=1) / Raw(b"ping")
    for name, found, goes in (("moving, unknown", Found(moving(vip), vip=vip), X),
                              ("moving, known", Found(moving(vip), (Z, OPEN, 1), vip=vip), Z),
                              ("moving, full", Found(moving(vip), others=FULL, vip=vip), X), ("settling", Found(settling(vip), vip=vip), Y),
                              ("settling, foreign", Found(settling(vip), (X, OPEN, 1), vip=vip), X),
                              ("stable", Found((STABLE, Y, NONE, 0), (X, OPEN, 1), vip=vip), Y)):
        case(f"echo request: {name}", found, echo, goes, to=to)


def fragments():
    for name, row, own, goes, after, left in (
            ("moving, unknown", moving(0), None, X, (X, OPEN), SAME), ("moving, known", moving(0), (Z, OPEN, 2), Z, (Z, OPEN), SAME),
            ("settling, foreign", settling(0), (X, CLOSING, 2), X, (X, OPEN), TIMES[0].row + 1)):
        parts = fragment(segment(0, "A", b"f" * 64), 40)
        table.sequence(f"fragments, {name}")
        case("first", Found(row, own), parts[0], goes, after, at=0 if own is None else None, left=left)
        case("later, its row is another's by now", Found((STABLE, Y, NONE, 0)), parts[1], goes, to=(C4, 0, ROW_VIPS[0][0], 0, 6))
        case("last, no trace", Found(moving(0, prev=3)), parts[2], goes, to=(C4, 0, ROW_VIPS[0][0], 0, 6))
        table.sequence(None)
    parts = fragment(segment(0, "S", b"f" * 64), 40)
    table.sequence("fragments of a SYN")
    case("first", Found(moving(0)), parts[0], Y, (Y, SYN), at=0)
    case("later", Found(moving(0)), parts[1], Y, to=(C4, 0, ROW_VIPS[0][0], 0, 6))
    table.sequence(None)


def wraps():
    for vip in (0, 1, 4):
        t = TIMES[vip]
        for tick in (0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) - t.row + 1, (1 << 24) - t.row, (1 << 32) - 1, (1 << 32) + 5,
                     256 * t.u - 1, 256 * t.u, (5 << 40) + 3):
            found = {"vip": vip, "tick": tick}
            case(f"tick {tick}: held", Found(moving(vip, t.row), **found), segment(vip, "S"), X if t.hold else Y,
                 (X if t.hold else Y, SYN), at=0)
            case(f"tick {tick}: not held", Found(moving(vip, t.row - t.hold), **found), segment(vip, "S"), Y, (Y, SYN), at=0)
            case(f"tick {tick}: full", Found(moving(vip, 1), others=FULL, **found), segment(vip), X, left=t.row, failed=1, extended=1)
            case(f"tick {tick}: full, fresh", Found(moving(vip, t.row), others=FULL, **found), segment(vip), X, failed=1)
            case(f"tick {tick}: foreign", Found(settling(vip, 1), (X, OPEN, t.live), **found), segment(vip), X, (X, OPEN), left=t.row + t.u)
            case(f"tick {tick}: too old", Found(settling(vip, 1), (X, OPEN, t.live + 1), **found), segment(vip), Y)
    case("over for long", Found(moving(0, -(1 << 23) + 1)), segment(0, "S"), Y, (Y, SYN), at=0)


def then_dropped():
    """What becomes of the packet afterwards does not matter to row and entries."""
    case("moving, TTL 1", Found(moving(0)), segment(0, ttl=1), None, (X, OPEN), at=0, verdict="drop_ttl")
    case("settling, foreign, TTL 1", Found(settling(0), (X, OPEN, 4)), segment(0, ttl=1), None, (X, OPEN), left=TIMES[0].row + 1,
         verdict="drop_ttl")
    case("moving, too big", Found(moving(0)), segment(0, "PA", b"b" * 1450), None, (X, OPEN), at=0, verdict="answer_too_big")


def fill():
    table.start("rows")
    for part in (stable, known_syn, new_syn, known_other, unknown_other, no_entries, evictions, slots_elsewhere, udp_rows, without_trace,
                 fragments, wraps, then_dropped):
        part()
