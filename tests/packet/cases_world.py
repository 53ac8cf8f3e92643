# SPDX-License-Identifier: BSD-2-Clause
"""What the packet cases stand on: ports, VIPs, key, and how packets look that leave (docs/formats.md, sections 2, 6 and 7).

By another hand than the core: scapy and integers; the flow hash is written here from the SipHash paper and held against a
published vector. Nothing of dataplane/ is run or read. Used by make_cases.py and its cases_*.py, and by outside_eye.py."""

import ipaddress

from scapy.all import ICMP, IP, UDP, ICMPv6PacketTooBig, IPv6, Raw
from scapy.utils import checksum

KEY = bytes.fromhex("8f14e45fceea167a5a36dedd4bea2543")
CLIENT_MAC = "02:c1:00:00:00:01"
SOURCE = {4: "10.1.0.5", 6: "2001:db8:1::5"}
WORLDS = [{}, {4: ipaddress.ip_network("172.16.0.0/16"), 6: ipaddress.ip_network("2001:db8:e::/64")}]  # encap_entropy_...
QUOTE_BYTES = 128  # of a packet too big, in the answer
MTU_LEAST = {4: 68, 6: 1280}
TPIDS = (0x8100, 0x88a8)


def port(number, mtu, vlan="keep"):
    return {"mac": f"02:00:00:00:00:{number + 1:02x}", "mtu": mtu, "gateway": f"02:00:00:00:01:{number + 1:02x}", "vlan": vlan,
            "for": [f"10.1.{number + 1}.0/24", f"2001:db8:1:{number + 1}::/64"]}


# number = place; each is the way to the backends under its prefixes. The last two: MTUs around what can still be told
PORTS = [port(0, 1500), port(1, 1400), port(2, 1500, "5"), port(3, 1500, "7,8"), port(4, 1500, "none"), port(5, 1320), port(6, 88)]


def b4(number, host):
    """A backend's address, behind that port."""
    return f"10.1.{number + 1}.{host}"


def b6(number, host):
    return f"2001:db8:1:{number + 1}::{host}"


V4, V6 = "192.0.2.{}", "2001:db8:2::{}"


def vip(address, number, protocol, *backends, rows=251, **members):
    """A backend: an address, or (address, weight)."""
    return {"address": address, "port": number, "protocol": protocol, "table_size": rows, **members,
            "backends": [{"address": a, "weight": w} for a, w in (b if isinstance(b, tuple) else (b, 100) for b in backends)]}


PATTERN = [b4(0, 21), b4(0, 22), b4(0, 23), b4(0, 24)]  # rows are given out by hand: see PATTERN_VIPS
# VIPs whose rows remember: (window_s, hold_s) with each
ROW_VIPS = [(V4.format(60), 80, "tcp"), (V4.format(61), 80, "tcp"), (V6.format(60), 53, "udp"), (V6.format(61), 443, "tcp"),
            (V4.format(62), 80, "tcp")]
ROW_WINDOWS = [(5, 3), (900, 3), (60, 3), (900, 0), (86400, 300)]
ROW_MODES = ["ipip", "ipip", "ipip", "gue", "ipip"]
ROW_NO_BACKEND = ["drop", "drop", "drop", "host", "drop"]
ROWS = 251
FLOWS = 4096  # places of the flow table
PATTERN_VIPS = [(V4.format(20), 80, "tcp"), (V6.format(20), 53, "udp"), (V4.format(45), 80, "tcp"), *ROW_VIPS]
NESTED4 = [("20.0.0.0/8", 1), ("20.1.0.0/16", 2), ("20.1.16.0/20", 3), ("20.1.17.0/24", 4), ("20.1.17.16/28", 5),
           ("20.1.17.16/30", 6), ("20.1.17.16/31", 7), ("20.1.17.16", 8)]
NESTED6 = [("3fff::/16", 1), ("3fff:1::/32", 2), ("3fff:1:1::/48", 3), ("3fff:1:1:1::/64", 4), ("3fff:1:1:1:1::/80", 5),
           ("3fff:1:1:1:1:1::/96", 6), ("3fff:1:1:1:1:1:1:0/127", 7), ("3fff:1:1:1:1:1:1:0", 8)]


def modes(host, mode, backends4, backends6):
    """Both families with tcp to an IPv4 and udp to an IPv6 backend."""
    for address, more in ((V4, 0), (V6, 1)):
        yield vip(address.format(host), 80, "tcp", b4(*backends4[:-1], backends4[-1] + more), mode=mode)
        yield vip(address.format(host), 53, "udp", b6(*backends6[:-1], backends6[-1] + more), mode=mode)


def nested():
    """Each prefix has port 80 and its own backend; every second has more, so that looking falls through to shorter ones."""
    for prefixes, backend in ((NESTED4, b4), (NESTED6, b6)):
        for prefix, host in prefixes:
            yield vip(prefix, 80, "tcp", backend(0, 50 + host))
        yield vip(prefixes[0][0], "any", "tcp", backend(0, 61))
        yield vip(prefixes[1][0], 443, "tcp", backend(0, 62))
        yield vip(prefixes[3][0], "8000-8999", "tcp", backend(0, 63))
        yield vip(prefixes[3][0], "any", "udp", backend(0, 64))
        yield vip(prefixes[4][0], "any", "tcp", backend(0, 65))
        yield vip(prefixes[4][0], 8443, "tcp", backend(0, 66))
        yield vip(prefixes[7][0], 443, "tcp", backend(0, 67))


def tagging():
    """Ports that set tags, by every mode."""
    for number, host in ((2, 32), (3, 33), (4, 34)):
        yield vip(V4.format(host), 80, "tcp", b4(number, 11))
        yield vip(V6.format(host), 80, "tcp", b6(number, 11))
        yield vip(V4.format(host), 443, "tcp", b6(number, 12), mode="gue")
        yield vip(V6.format(host), 443, "tcp", b4(number, 12), mode="gue")
        yield vip(V4.format(host), 53, "udp", b4(number, 13), mode="l2dsr")
        yield vip(V6.format(host), 53, "udp", b6(number, 13), mode="l2dsr")


def narrow():
    """Ports whose MTU hardly leaves anything."""
    for address, number, host in ((V6, 5, 35), (V4, 6, 36)):
        yield vip(address.format(host), 80, "tcp", b4(number, 11))
        yield vip(address.format(host), 443, "tcp", b6(number, 12))
        yield vip(address.format(host), 53, "udp", b4(number, 13), mode="gue")
        yield vip(address.format(host), 54, "udp", b6(number, 14), mode="gue")
        yield vip(address.format(host), 55, "udp", b4(number, 15), mode="l2dsr")


def kinds():
    """Exact, range, any; port 0; echo and no backend each way."""
    for address, backend in ((V4, b4), (V6, b6)):
        yield vip(address.format(40), 80, "tcp", backend(0, 70), fragments="drop")
        yield vip(address.format(40), 53, "udp", backend(0, 71), fragments="follow")
        yield vip(address.format(41), 443, "tcp", backend(0, 72), icmp_echo="forward")
        yield vip(address.format(41), 80, "udp", backend(0, 73), icmp_echo="forward")
        yield vip(address.format(41), 80, "tcp", backend(0, 74), icmp_echo="forward")
        yield vip(address.format(42), 53, "udp", backend(0, 75), icmp_echo="forward", mode="gue")
        yield vip(address.format(43), 80, "tcp", backend(0, 76), icmp_echo="forward", mode="l2dsr")
        yield vip(address.format(46), 80, "tcp", backend(0, 77), icmp_echo="host")
        yield vip(address.format(47), 80, "tcp", (backend(0, 78), 0), (backend(0, 79), 0), no_backend="drop")
        yield vip(address.format(47), 53, "udp", (backend(0, 78), 0), no_backend="host")
        yield vip(address.format(48), 80, "tcp", (backend(0, 78), 0), icmp_echo="forward")
        yield vip(address.format(49), 80, "tcp", (backend(0, 78), 0), icmp_echo="forward", no_backend="host")
        yield vip(address.format(50), 80, "tcp", backend(0, 80))
        yield vip(address.format(50), "8000-8999", "tcp", backend(0, 81))
        yield vip(address.format(50), "9000-9001", "tcp", backend(0, 82))
        yield vip(address.format(50), "any", "tcp", backend(0, 83))
        yield vip(address.format(50), 0, "udp", backend(0, 84))
        yield vip(address.format(50), "1-65534", "udp", backend(0, 85))
        yield vip(address.format(51), 8500, "tcp", backend(0, 86))
        yield vip(address.format(51), "0-65535", "tcp", backend(0, 87))
        yield vip(address.format(51), 0, "tcp", backend(0, 88))
        yield vip(address.format(53), 6080, "udp", backend(0, 89))


STATE = [
    vip(V4.format(10), 80, "tcp", b4(0, 11)),
    vip(V4.format(10), 53, "udp", b4(0, 12)),
    vip(V4.format(11), 443, "tcp", b6(0, 11)),
    vip(V4.format(11), 53, "udp", b6(1, 13)),
    vip(V6.format(10), 80, "tcp", b4(0, 13)),
    vip(V6.format(10), 53, "udp", b4(1, 14)),
    vip(V6.format(11), 443, "tcp", b6(1, 12)),
    vip(V6.format(11), 53, "udp", b6(0, 14)),
    vip(V4.format(13), 80, "tcp", "10.1.99.9"),  # no port leads there
    vip(V6.format(13), 80, "tcp", "2001:db8:1:99::9"),
    vip(V4.format(13), 53, "udp", "10.1.99.10", mode="l2dsr"),
    vip(V6.format(13), 53, "udp", "2001:db8:1:99::10", mode="gue"),
    vip(V4.format(14), 1, "udp", b4(0, 15)),
    vip(V4.format(14), 65535, "tcp", b4(1, 16)),
    vip(V4.format(15), 80, "tcp", (b4(0, 31), 0), (b4(0, 32), 1)),
    vip(V4.format(18), 80, "tcp", b4(0, 18)),  # its slot is made dead
    vip(V4.format(19), 80, "tcp", b4(0, 19)),  # its rows are made to name a slot that is not there
    vip(*PATTERN_VIPS[0], *PATTERN, rows=4093),
    vip(*PATTERN_VIPS[1], *PATTERN, rows=65537),
    vip(*PATTERN_VIPS[2], *PATTERN, rows=251, icmp_echo="forward", mode="gue"),
    *modes(30, "gue", (0, 33), (0, 33)),
    *modes(31, "l2dsr", (0, 35), (0, 35)),
    *modes(37, "gue", (1, 37), (1, 37)),
    *modes(38, "l2dsr", (1, 39), (1, 39)),
    *tagging(), *narrow(), *kinds(), *nested(),
    *(vip(*one, *PATTERN, rows=ROWS, window_s=window_s, hold_s=hold_s, mode=mode, icmp_echo="forward" if hold_s == 300 else "answer",
          no_backend=no_backend)
      for one, (window_s, hold_s), mode, no_backend in zip(ROW_VIPS, ROW_WINDOWS, ROW_MODES, ROW_NO_BACKEND)),
]
DEAD_VIP, BEYOND_VIP = (V4.format(18), 80, "tcp"), (V4.format(19), 80, "tcp")


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


def row_of(flow, rows):
    return (flow_hash(*flow) & 0xffffffff) * rows >> 32


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def link_header(dst, src, tags, kind):
    """`tags`: (EtherType, tag control information), the outermost first; `kind`: EtherType of what is inside."""
    pairs = b"".join(tpid.to_bytes(2, "big") + tci.to_bytes(2, "big") for tpid, tci in tags)
    return mac_bytes(dst) + mac_bytes(src) + pairs + kind.to_bytes(2, "big")


def split(given):
    """(tags, packet, what the frame has after it) of a frame of IP."""
    tags, at = [], 12
    while int.from_bytes(given[at:at + 2], "big") in TPIDS:
        tags.append((int.from_bytes(given[at:at + 2], "big"), int.from_bytes(given[at + 2:at + 4], "big")))
        at += 4
    at += 2
    bytes_at = int.from_bytes(given[at + 2:at + 4], "big") if given[at] >> 4 == 4 else 40 + int.from_bytes(given[at + 4:at + 6], "big")
    return tags, given[at:at + bytes_at], given[at + bytes_at:]


def tags_out(number, tags):
    """Tags of what leaves by that port and came with `tags`."""
    vlan = PORTS[number]["vlan"]
    if vlan == "keep":
        return tags
    vids = [] if vlan == "none" else [int(vid) for vid in vlan.split(",")]
    return list(zip((0x8100,) if len(vids) == 1 else (0x88a8, 0x8100), vids))


def kind_of(packet):
    return 0x0800 if packet[0] >> 4 == 4 else 0x86dd


def adjusted(old_sum, old, new):
    """RFC 1624, equation 3."""
    total = (~old_sum & 0xffff) + (~old & 0xffff) + new
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def with_ttl(packet, ttl):
    """The packet with that TTL or hop limit; an IPv4 checksum that was right is computed anew, a wrong one adjusted."""
    packet = bytearray(packet)
    if packet[0] >> 4 == 6:
        packet[7] = ttl
        return bytes(packet)
    header_bytes = (packet[0] & 15) * 4
    was_right = checksum(bytes(packet[:header_bytes])) == 0
    new = adjusted(int.from_bytes(packet[10:12], "big"), packet[8] << 8 | packet[9], ttl << 8 | packet[9])
    packet[8] = ttl
    packet[10:12] = b"\0\0"
    if was_right:
        assert new == checksum(bytes(packet[:header_bytes]))
    packet[10:12] = new.to_bytes(2, "big")
    return bytes(packet)


def traffic_class(packet):
    return packet[1] if packet[0] >> 4 == 4 else (packet[0] << 4 | packet[1] >> 4) & 0xff


def port_to(backend):
    address = ipaddress.ip_address(backend)
    return next(i for i, p in enumerate(PORTS) if any(address in net for net in map(ipaddress.ip_network, p["for"])
                                                      if net.version == address.version))


def outer_source(version, mode, hash64, world):
    net = WORLDS[world].get(version)
    if net is None or mode == "gue":
        return SOURCE[version]
    host_bits = min(net.max_prefixlen - net.prefixlen, 32)
    return str(net[(hash64 >> 32) & ((1 << host_bits) - 1)])


def outer_bytes(backend, mode):
    """What a mode puts before a packet."""
    return 0 if mode == "l2dsr" else (40 if ":" in backend else 20) + (8 if mode == "gue" else 0)


def outer_packet(packet, backend, mode, hash64, world):
    """`packet` behind the outer headers of `ipip` or `gue`, its TTL or hop limit one less."""
    ttl = packet[8] if packet[0] >> 4 == 4 else packet[7]
    inner, version = Raw(with_ttl(packet, ttl - 1)), ipaddress.ip_address(backend).version
    protocol = 17 if mode == "gue" else 4 if packet[0] >> 4 == 4 else 41
    fields = {"src": outer_source(version, mode, hash64, world), "dst": backend}
    if mode == "gue":
        inner = UDP(sport=49152 + (hash64 >> 32 & 0x3fff), dport=6080, chksum=0) / inner
    if version == 4:
        return bytes(IP(**fields, ttl=64, id=0, flags="DF", tos=traffic_class(packet), proto=protocol) / inner)
    return bytes(IPv6(**fields, hlim=64, tc=traffic_class(packet), fl=hash64 >> 44, nh=protocol) / inner)


def to_backend(given, backend, mode, hash64, world=0):
    """(port, frame) that must leave for a backend."""
    tags, packet, after = split(given)
    number = port_to(backend)
    kind, packet = ((kind_of(packet), packet + after) if mode == "l2dsr" else
                    (0x86dd if ":" in backend else 0x0800, outer_packet(packet, backend, mode, hash64, world)))
    return number, link_header(PORTS[number]["gateway"], PORTS[number]["mac"], tags_out(number, tags), kind) + packet


def mac_text(given):
    return given.hex(":")


def answer_frame(given, in_port, packet):
    """By the port it came by, to the MAC it came from, with its tags (or the port's)."""
    tags, _, _ = split(given)
    return link_header(mac_text(given[6:12]), PORTS[in_port]["mac"], tags_out(in_port, tags), kind_of(packet)) + packet


def too_big_answer(given, in_port, mtu):
    _, packet, _ = split(given)
    quote = Raw(packet[:QUOTE_BYTES])
    if packet[0] >> 4 == 4:
        ip = IP(packet)
        answer = IP(src=ip.dst, dst=ip.src, ttl=64, tos=0, id=0, flags="DF") / ICMP(type=3, code=4, nexthopmtu=mtu) / quote
    else:
        ip = IPv6(packet)
        answer = IPv6(src=ip.dst, dst=ip.src, hlim=64, tc=0, fl=0) / ICMPv6PacketTooBig(mtu=mtu) / quote
    return answer_frame(given, in_port, bytes(answer))


def echo_answer(given, in_port):
    """The request with type 0 (129), addresses and MACs exchanged, TTL 64; what the frame has after it stays."""
    _, packet, after = split(given)
    packet = bytearray(with_ttl(packet, 64))
    is_v4 = packet[0] >> 4 == 4
    icmp, (src, dst, end) = (20, (12, 16, 20)) if is_v4 else (40, (8, 24, 40))
    packet[src:end] = packet[dst:end] + packet[src:dst]
    old = packet[icmp] << 8 | packet[icmp + 1]
    packet[icmp] = 0 if is_v4 else 129
    new = adjusted(int.from_bytes(packet[icmp + 2:icmp + 4], "big"), old, packet[icmp] << 8 | packet[icmp + 1])
    # Both are zero in ones' complement; 0xffff alone is right where all of an ICMP answer is zeros (ICMPv6 has addresses in it).
    packet[icmp + 2:icmp + 4] = (new or (0xffff if is_v4 else 0)).to_bytes(2, "big")
    return answer_frame(given, in_port, bytes(packet) + after)
