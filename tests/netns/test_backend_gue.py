# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: fairlead-backend takes GUE off as it takes IP-in-IP off, and eats no packet that only looks like it: UDP to
port 6080 of a VIP, of another host, or of a connection of l2dsr.
Method: as test_backend.py; outer datagrams are crafted with each checksum and header that can be wrong.
"""

import ctypes
import json
import os
import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab import wait_until
from backend_net import (BACKEND, BALANCER, CLIENT, LAYER, MTU, PORT, PROTOCOL, VIP, datagram, encapsulated,
                         needs_root, serve)
from backend_net import make_net, with_down  # fixtures; pylint: disable=unused-import

pytestmark = needs_root

GUE_PORT = 6080
SOURCE_PORT = 49152
HEADER = {4: 20, 6: 40}
CHECKED_MAX = 72 * 128 + 127  # the longest datagram whose checksum is verified
MIXES = [(4, 4), (6, 4), (4, 6), (6, 6)]  # (inner, outer)
UPLOAD_BYTES = 3 << 20

mixes = pytest.mark.parametrize("inner,outer", MIXES, ids=[f"{i}in{o}" for i, o in MIXES])


def plain(inner, protocol=None, first=0, flags=0):
    """The header of variant 0."""
    return struct.pack("!BBH", first, protocol or PROTOCOL[inner], flags)


def gue(net, outer, payload, udp=(), **fields):
    """A frame of the balancer for the backend; @p udp are fields of its UDP header, @p fields of the outer IP."""
    header = UDP(sport=SOURCE_PORT, dport=GUE_PORT, chksum=0)
    for name, value in dict(udp).items():
        if value is None:
            delattr(header, name)  # scapy fills the right one in
        else:
            setattr(header, name, value)
    return encapsulated(net, outer, outer, header / Raw(bytes(payload)),
                        **{"proto" if outer == 4 else "nh": 17, **fields})


def unanswered(inner, text=b"hello"):
    """A datagram whose answer last_of() does not wait for."""
    packet = datagram(inner, text)
    packet[UDP].sport = 40001
    return packet


def last_of(net, inner, outer, frames):
    """Send frames, then a good one; when its answer is here all before it were handled."""
    listener = net.peer("client", "listen", CLIENT[inner], "40000")
    net.send("lb", *frames, gue(net, outer, datagram(inner, b"last")))
    answer = json.loads(listener.stdout.readline())
    assert answer == {"data": b"last".hex(), "address": VIP[inner], "port": PORT}
    net.stop(listener)


# -- what is taken --------------------------------------------------------------------------------

@mixes
def test_takes_both_variants_and_the_answer_comes_straight_from_the_vip(host, inner, outer):
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    packet = datagram(inner)
    good = 0
    for payload in bytes(packet), plain(inner) + bytes(packet), bytes(packet) + b"after":
        listener = host.peer("client", "listen", CLIENT[inner], "40000")
        host.send("lb", gue(host, outer, payload))
        assert json.loads(listener.stdout.readline()) == \
            {"data": b"hello".hex(), "address": VIP[inner], "port": PORT}
        host.stop(listener)
        good += 1
        assert host.counts() == {f"decapsulated_ipv{inner}": good}
        counted = next(c for c in host.status()["counters"] if c["packets"])
        assert counted["bytes"] == good * len(bytes(packet))


def test_ip_in_ip_beside_it_and_options_in_the_outer_header(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    serve(host, 4)
    last_of(host, 4, 4, [encapsulated(host, 4, 4, unanswered(4)),
                         gue(host, 4, unanswered(4), options=[IPOption_NOP()] * 12)])
    assert host.counts() == {"decapsulated_ipv4": 3}


# -- what is dropped ------------------------------------------------------------------------------

@mixes
def test_drops_and_counts_what_it_must_not_take(host, inner, outer):
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    packet = bytes(datagram(inner))
    stranger = {4: "10.0.0.6", 6: "fd00::6"}[outer]
    wrong_version = b"\x75" + packet[1:]
    middle = LAYER[inner](src=CLIENT[inner], dst=VIP[inner])
    setattr(middle, "proto" if inner == 4 else "nh", PROTOCOL[4])
    middle = bytes(middle / datagram(4))
    malformed = [gue(host, outer, packet[:size]) for size in (0, 1, 3, 4, HEADER[inner] - 1, len(packet) - 1)]
    malformed += [gue(host, outer, (plain(inner) + packet)[:size]) for size in (1, 3, 4, 5, HEADER[inner] + 3)]
    malformed += [
        gue(host, outer, packet, udp={"len": 7}),
        gue(host, outer, packet, udp={"len": 8 + len(packet) + 1}),
        gue(host, outer, packet, udp={"len": 8 + len(packet) - 1}),  # the inner packet is longer than that
        gue(host, outer, plain(inner) + packet, udp={"len": 8 + 4 + len(packet) - 1}),
        gue(host, outer, plain(inner) + packet, udp={"len": 8 + 3}),
        gue(host, outer, wrong_version),
        gue(host, outer, b"\x80" + packet[1:]),
        gue(host, outer, plain(inner, first=0x20) + packet),  # a control message
        gue(host, outer, plain(inner, first=0x01) + b"\0\0\0\0" + packet),  # optional fields
        gue(host, outer, plain(inner, flags=1) + packet),
        gue(host, outer, plain(inner, flags=0x8000) + packet),
        gue(host, outer, plain(inner, protocol=17) + packet[HEADER[inner]:]),
        gue(host, outer, plain(inner, protocol=PROTOCOL[10 - inner]) + packet),  # the other family
    ]
    frames = [
        *malformed,
        gue(host, outer, packet, src=stranger),
        gue(host, outer, plain(inner) + packet, src=stranger),
        gue(host, outer, datagram(inner, target=BACKEND[inner])),
        gue(host, outer, datagram(inner, source=VIP[inner])),  # the answer would stay here
        gue(host, outer, middle),
        gue(host, outer, plain(inner) + middle),
    ]
    expected = {"dropped_malformed": len(malformed), "dropped_source": 3, "dropped_not_vip": 1,
                "dropped_nested": 2}
    if inner == outer:
        frames.append(gue(host, outer, datagram(inner, source=BACKEND[inner])))
        expected["dropped_source"] += 1
    if outer == 4:  # the second has no ports: it is no tunnel's, and nothing is made of it
        frames += [gue(host, outer, packet, flags="MF"), gue(host, outer, packet, frag=3)]
        expected["dropped_fragment"] = 1
    last_of(host, inner, outer, frames)
    assert host.counts() == {**expected, f"decapsulated_ipv{inner}": 1}


@mixes
def test_a_checksum_that_is_not_zero_must_be_right(host, inner, outer):
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    empty = len(bytes(datagram(inner, b"")))
    good, frames, damaged = 0, [], 0
    places = [-1, 14 + HEADER[outer]]  # the last byte, the first of UDP
    if outer == 6:  # and the outer destination, which becomes another address of this host
        host.ip("be", "address", "add", "fd00::51/64", "dev", "eth0")
        places.append(14 + 39)
    # whole chunks of 128 bytes, one byte more and less, and an odd end
    for size in (0, 1, 2, 128 - empty - 8, 129 - empty - 8, 255 - empty, 256 - empty - 8, 1301, 1302):
        frame = gue(host, outer, unanswered(inner, os.urandom(size)), udp={"chksum": None})
        wire = bytearray(bytes(frame))
        assert wire[14 + HEADER[outer] + 6:][:2] != b"\0\0"
        frames.append(frame)
        good += 1
        for place in places:
            broken = bytearray(wire)
            broken[place] ^= 0x40
            frames.append(Raw(bytes(broken)))
            damaged += 1
    last_of(host, inner, outer, frames)
    assert host.counts() == {"dropped_checksum": damaged, f"decapsulated_ipv{inner}": good + 1}


def test_a_checksum_over_too_much_is_refused_and_zero_is_not(host):
    """More than is added up for one packet: by its checksum it would be right."""
    ports = [("lb", "eth0"), ("be", "eth0"), ("sw", host.port["lb"]), ("sw", host.port["be"])]
    for name, port in ports:
        host.ip(name, "link", "set", port, "mtu", "9700")
    try:
        host.up("--vip", VIP[4], "--from", BALANCER[4])
        serve(host, 4)
        bare = 8 + len(bytes(datagram(4, b"")))
        for size, counts in (CHECKED_MAX, {"decapsulated_ipv4": 1}), \
                (CHECKED_MAX + 1, {"decapsulated_ipv4": 1, "dropped_checksum": 1}):
            host.send("lb", gue(host, 4, datagram(4, b"x" * (size - bare)), udp={"chksum": None}))
            wait_until(lambda: sum(host.counts().values()) == sum(counts.values()), 10, "it is counted")
            assert host.counts() == counts
        host.send("lb", gue(host, 4, datagram(4, b"x" * (CHECKED_MAX + 1 - bare))))
        wait_until(lambda: host.counts() == {"decapsulated_ipv4": 2, "dropped_checksum": 1}, 10, "zero is taken")
    finally:
        for name, port in ports:
            host.ip(name, "link", "set", port, "mtu", str(MTU))


# -- what is left alone ---------------------------------------------------------------------------

@pytest.mark.parametrize("version", [4, 6])
def test_a_service_on_the_port_of_a_vip_gets_what_is_its_own(host, version):
    """Direct, as l2dsr sends it, and in a tunnel: what is inside GUE is no tunnel again."""
    host.up("--vip", VIP[version], "--from", BALANCER[version])
    for wrap, counts in (lambda p: host.to_backend(p), {}), \
            (lambda p: gue(host, version, p), {f"decapsulated_ipv{version}": 1}):
        service = host.peer("be", "listen", VIP[version], str(GUE_PORT))
        packet = LAYER[version](src=CLIENT[version], dst=VIP[version]) / \
            UDP(sport=40000, dport=GUE_PORT) / Raw(bytes(datagram(version)))
        host.send("lb", wrap(packet))
        assert json.loads(service.stdout.readline()) == \
            {"data": bytes(datagram(version)).hex(), "address": CLIENT[version], "port": 40000}
        host.stop(service)
        assert host.counts() == counts


def test_other_udp_and_tunnels_of_others_are_untouched(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    serve(host, 4, BACKEND[4])
    elsewhere = gue(host, 4, datagram(4))
    elsewhere.dst = "02:00:5e:00:00:99"  # a frame that a switch floods
    # the IP packet ends inside the UDP header; the frame goes on
    short = bytes(encapsulated(host, 4, 4, Raw(struct.pack("!HHH", SOURCE_PORT, GUE_PORT, 8)), proto=17)) + bytes(40)
    reply = host.to_backend(IP(src=BALANCER[4], dst=BACKEND[4]) / UDP(sport=GUE_PORT, dport=40000) / datagram(4))
    host.run("be", ["sysctl", "-w", "net.ipv4.ip_forward=1"])
    try:
        host.send("lb", elsewhere, reply, gue(host, 4, datagram(4), dst=CLIENT[4]))
        # by the switch's own port: a bridge with netfilter would cut what follows the packet
        host.peer_run("sw", "send", host.port["be"], input=short.hex())
        listener = host.peer("client", "listen", CLIENT[4], "40000")
        host.send("lb", host.to_backend(datagram(4, target=BACKEND[4])))
        assert json.loads(listener.stdout.readline())["address"] == BACKEND[4]
    finally:
        host.run("be", ["sysctl", "-w", "net.ipv4.ip_forward=0"])
    assert host.counts() == {}


# -- TCP ------------------------------------------------------------------------------------------

def mss_of(frame):
    return dict(Ether(bytes.fromhex(frame))[TCP].options).get("MSS")


def upload(net, inner, mode, *outer):
    """TCP through a relay of that mode: what the client measured."""
    serve(net, inner)
    relay = net.peer("lb", "relay", "eth0", mode, net.mac("be", "eth0"), VIP[inner], *outer)
    result = json.loads(net.peer_run("client", "upload", "eth0", VIP[inner], str(PORT), str(UPLOAD_BYTES)))
    assert relay.poll() is None
    assert result["sha256"] == result["expected"]
    return result


@pytest.mark.parametrize("gro", ["off", "on"])
@mixes
def test_a_big_upload_fills_the_mtu_and_fits(host, inner, outer, gro):
    """With "on" the card may put datagrams together as it would to forward them; those without checksum it must not."""
    for feature in "gro", "rx-udp-gro-forwarding":
        host.run("be", ["ethtool", "-K", "eth0", feature, gro])
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    result = upload(host, inner, "gue", BALANCER[outer], BACKEND[outer])
    assert mss_of(result["syn_ack"]) == MTU - HEADER[outer] - 8 - HEADER[inner] - 20
    assert result["longest"] == MTU + 14
    counts = host.counts()
    assert counts[f"decapsulated_ipv{inner}"] > UPLOAD_BYTES // MTU
    assert set(counts) == {"mss_lowered", f"decapsulated_ipv{inner}"}
    for feature in "rx-udp-gro-forwarding", "gro":
        host.run("be", ["ethtool", "-K", "eth0", feature, "off"])


@pytest.mark.parametrize("inner", [4, 6])
def test_l2dsr_reaches_the_vip_and_its_mss_is_lowered(host, inner):
    host.up("--vip", VIP[inner], "--from", BALANCER[inner])
    result = upload(host, inner, "l2dsr")
    assert mss_of(result["syn_ack"]) == MTU - HEADER[inner] - 8 - HEADER[inner] - 20
    assert set(host.counts()) == {"mss_lowered"}


# -- what the card verified -------------------------------------------------------------------------

BPF_PROG_LOAD, BPF_OBJ_PIN, BPF_PROG_TYPE_SCHED_CLS, SYS_BPF = 5, 6, 3, 321


def bpf(command, *fields):
    """The system call, its attributes 8 bytes each."""
    attributes = ctypes.create_string_buffer(struct.pack(f"={len(fields)}Q", *fields), 128)
    result = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, command, attributes, 128)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result


def pretend_verified(net):
    """A filter before ours that says, as a card would, that the first checksum of each packet is right."""
    increment, csum_level, unspecified = 1, 135, -1
    # r2 = increment; call csum_level(r1 = the packet, r2); r0 = unspecified; exit
    code = b"".join(struct.pack("=BBhi", *instruction) for instruction in (
        (0xb7, 2, 0, increment), (0x85, 0, 0, csum_level), (0xb7, 0, 0, unspecified), (0x95, 0, 0, 0)))
    text, gpl = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    program = bpf(BPF_PROG_LOAD, BPF_PROG_TYPE_SCHED_CLS | 4 << 32, ctypes.addressof(text), ctypes.addressof(gpl))
    path = net.pins.parent / "verified"
    name = ctypes.create_string_buffer(bytes(path))
    bpf(BPF_OBJ_PIN, ctypes.addressof(name), program)
    os.close(program)
    net.run("be", ["tc", "filter", "add", "dev", "eth0", "ingress", "pref", "1", "bpf", "da", "object-pinned", path])
    path.unlink()


@mixes
def test_a_card_that_verified_the_outer_checksum_has_not_verified_the_inner_one(host, inner, outer):
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    broken = bytearray(bytes(datagram(inner, b"broken")))
    broken[-1] ^= 1
    pretend_verified(host)
    try:
        # the first checksum of IP-in-IP is the inner one: who says it is right is believed
        listener = host.peer("client", "listen", CLIENT[inner], "40000")
        host.send("lb", encapsulated(host, inner, outer, Raw(bytes(broken))))
        assert bytes.fromhex(json.loads(listener.stdout.readline())["data"]) != b"broken"
        host.stop(listener)
        # with GUE it is the outer one, also where it is zero
        last_of(host, inner, outer, [gue(host, outer, broken)])
    finally:
        host.run("be", ["tc", "filter", "del", "dev", "eth0", "ingress", "pref", "1"])
    assert host.counts() == {f"decapsulated_ipv{inner}": 3}
