# SPDX-License-Identifier: BSD-2-Clause
"""Rows of the case table, and packets to put into them. Every frame that must leave is read again by scapy before it is a row."""

import collections

from scapy.all import IP, TCP, UDP, IPv6, Raw
from scapy.layers.inet6 import in6_chksum
from scapy.utils import checksum

import cases_world as world_of

from cases_world import CLIENT_MAC, PORTS, flow_hash

C4, C6 = "198.51.100.7", "2001:db8:c::7"
Row = collections.namedtuple("Row", "topic name world is_fresh in_port verdict port given out track", defaults=(None,))


def frame(ip, padding=0, tags=(), in_port=0, src=CLIENT_MAC):
    """Padded to the 60 bytes of Ethernet and by at least `padding`; None: not at all."""
    packet = bytes(ip)
    built = world_of.link_header(PORTS[in_port]["mac"], src, tags, world_of.kind_of(packet)) + packet
    return built if padding is None else built + b"\x5a" * max(padding, 60 - len(built))


def is_icmp_right(packet):
    """The checksum of ICMP right behind an IP header, anything else is."""
    if packet[0] >> 4 == 4:
        return packet[9] != 1 or checksum(packet[(packet[0] & 15) * 4:]) == 0
    return packet[6] != 58 or in6_chksum(58, IPv6(packet), packet[40:]) == 0


def read_again(name, out, damaged):
    """What leaves is what scapy takes it for: lengths, header checksums, and those of answers."""
    _, packet, after = world_of.split(out)
    layers = 0
    while packet and packet[0] >> 4 in (4, 6) and layers < 2:
        header_bytes = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
        assert damaged or packet[0] >> 4 == 6 or checksum(packet[:header_bytes]) == 0, name
        protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
        assert damaged or layers or is_icmp_right(packet), name
        assert len((IP if packet[0] >> 4 == 4 else IPv6)(packet)) == len(packet), name
        if protocol == 17 and packet[header_bytes + 2:header_bytes + 4] == b"\x17\xc0":  # port 6080
            packet = packet[header_bytes + 8:]
        else:
            packet = packet[header_bytes:] if protocol in (4, 41) else b""
        layers += 1
    return after


class Table:
    def __init__(self):
        self.rows = []
        self.names = set()
        self.topic = None
        self.world = 0
        self.group = None
        self.is_fresh = True
        self.track = None

    def start(self, topic, world=0):
        """What follows goes to cases_<topic>.h and is decided in that world."""
        self.topic, self.world, self.group = topic, world, None

    def sequence(self, group):
        """What follows is decided in order, the fragment table being empty at first; None: each by itself."""
        self.group, self.is_fresh = group, True

    def add(self, name, verdict, given, port=0, out=b"", in_port=0):
        if self.group is not None:
            name = f"{self.group}: {name}"
        assert name not in self.names, name
        self.names.add(name)
        self.rows.append(Row(self.topic, name, self.world, self.is_fresh, in_port, "FL_" + verdict.upper(), port, bytes(given), out,
                             self.track))
        self.is_fresh = self.group is None

    def forward(self, name, given, backend, flow, mode="ipip", in_port=0, damaged=False):
        """`flow`: source, source port, destination, destination port, protocol. `damaged`: checksums are wrong on purpose."""
        port, out = world_of.to_backend(bytes(given), backend, mode, flow_hash(*flow), self.world)
        read_again(name, out, damaged)
        self.add(name, "forward", given, port, out, in_port)

    def too_big(self, name, given, mtu, in_port=0):
        out = world_of.too_big_answer(given, in_port, mtu)
        assert not read_again(name, out, False)
        self.add(name, "answer_too_big", given, in_port, out, in_port)

    def echo(self, name, given, in_port=0, damaged=False):
        out = world_of.echo_answer(given, in_port)
        read_again(name, out, damaged)
        self.add(name, "answer_echo", given, in_port, out, in_port)


table = Table()


def ip_for(dst, **fields):
    """From the client to `dst`; `fields` of IP or IPv6 go first."""
    if ":" in dst:
        return IPv6(**{"src": C6, "dst": dst, "hlim": 57, **fields})
    return IP(**{"src": C4, "dst": dst, "ttl": 57, "id": 0x1234, "flags": "DF", **fields})


def tcp(dst, dport=80, sport=40000, payload=b"", flags="S", **fields):
    return ip_for(dst, **fields) / TCP(sport=sport, dport=dport, flags=flags, seq=1000) / Raw(payload)


def udp(dst, dport=53, sport=40000, payload=b"", **fields):
    return ip_for(dst, **fields) / UDP(sport=sport, dport=dport) / Raw(payload)


def client(dst):
    return C6 if ":" in dst else C4


def flow(dst, dport, protocol, sport=40000):
    return (client(dst), sport, dst, dport, protocol)


def edited(given, at, new):
    given = bytearray(given)
    given[at:at + len(new)] = new
    return bytes(given)


def with_header_sum(packet, wanted):
    """The IPv4 packet with an id that makes its header checksum this."""
    packet.id = 0
    found = (~wanted - ~IP(bytes(packet)).chksum) % 0xffff  # ones' complement
    packet.id = found
    assert IP(bytes(packet)).chksum == wanted
    return packet
