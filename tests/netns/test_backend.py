# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: fairlead-backend delivers what balancers send for its VIPs, drops and counts other IP-in-IP, leaves the rest
alone, and lowers the MSS of its VIPs.
Method: encapsulated packets are crafted, or made by a minimal balancer (backend_peer.py relay); what
arrives is read at real sockets.
"""

import json
import os
import subprocess

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from backend_net import (BACKEND, BALANCER, CLIENT, LAYER, MTU, PORT, PROTOCOL, VIP, datagram, encapsulated,
                         needs_root, serve)
from backend_net import make_net, with_down  # fixtures; pylint: disable=unused-import

pytestmark = needs_root

HEADER = {4: 20, 6: 40}
MIXES = [(4, 4), (6, 4), (4, 6), (6, 6)]  # (inner, outer)
UPLOAD_BYTES = 3 << 20

mixes = pytest.mark.parametrize("inner,outer", MIXES, ids=[f"{i}in{o}" for i, o in MIXES])


# -- decapsulation ------------------------------------------------------------------------------

@mixes
def test_decapsulates_and_the_answer_comes_straight_from_the_vip(host, inner, outer):
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    listener = host.peer("client", "listen", CLIENT[inner], "40000")
    packet = datagram(inner)
    host.send("lb", encapsulated(host, inner, outer, packet))
    answer = json.loads(listener.stdout.readline())
    assert answer == {"data": b"hello".hex(), "address": VIP[inner], "port": PORT}
    assert host.counts() == {f"decapsulated_ipv{inner}": 1}
    counted = next(c for c in host.status()["counters"] if c["packets"])
    assert counted["bytes"] == len(bytes(packet))


def test_takes_a_prefix_of_balancers_and_ipv4_options(host):
    host.up("--vip", VIP[4], "--from", "10.0.0.0/29")
    serve(host, 4)
    packet = bytes(datagram(4))
    header = bytearray(bytes(IP(src=BALANCER[4], dst=BACKEND[4], proto=4)) + b"\x01" * 11 + b"\x00")
    header[0] = 0x48
    header[2:4] = (len(header) + len(packet)).to_bytes(2, "big")
    header[10:12] = b"\0\0"
    header[10:12] = ip_checksum(bytes(header)).to_bytes(2, "big")
    for outer in IP(bytes(header) + packet), IP(src="10.0.0.0", dst=BACKEND[4], proto=4) / packet:
        listener = host.peer("client", "listen", CLIENT[4], "40000")
        host.send("lb", host.to_backend(Raw(bytes(outer)), kind=0x0800))
        assert json.loads(listener.stdout.readline())["address"] == VIP[4]
        host.stop(listener)
    assert host.counts() == {"decapsulated_ipv4": 2}


def ip_checksum(header):
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def cut(net, inner, outer, size):
    """A frame that ends after @p size bytes of the inner packet, and whose outer header says so."""
    return encapsulated(net, inner, outer, Raw(bytes(datagram(inner, b"x" * 40))[:size]))


def bad_length(net, inner, outer):
    packet = datagram(inner, b"x" * 40)
    if inner == 4:
        packet.len = 200
    else:
        packet.plen = 200
    return encapsulated(net, inner, outer, packet)


@mixes
def test_drops_and_counts_what_it_must_not_take(host, inner, outer):
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    stranger = {4: "10.0.0.6", 6: "fd00::6"}[outer]
    not_vip = {4: BACKEND[4], 6: BACKEND[6]}[inner]
    wrong_version = bytearray(bytes(datagram(inner)))
    wrong_version[0] = 0x75
    short_ihl = bytearray(bytes(datagram(4)))
    short_ihl[0] = 0x44
    malformed = [cut(host, inner, outer, size) for size in (0, 1, 19, HEADER[inner] - 1)]
    malformed += [bad_length(host, inner, outer), encapsulated(host, inner, outer, Raw(os.urandom(8))),
                  encapsulated(host, inner, outer, Raw(bytes(wrong_version)))]
    if inner == 4:
        malformed.append(encapsulated(host, inner, outer, Raw(bytes(short_ihl))))
    frames = [
        *malformed,
        encapsulated(host, inner, outer, datagram(inner), src=stranger),
        encapsulated(host, inner, outer, datagram(inner), src=stranger),
        encapsulated(host, inner, outer, datagram(inner, target=not_vip)),
        nested(host, inner, outer, 4),
        nested(host, inner, outer, 6),
    ]
    expected = {"dropped_malformed": len(malformed), "dropped_source": 2, "dropped_not_vip": 1,
                "dropped_nested": 2}
    if outer == 4:
        frames += [encapsulated(host, inner, outer, datagram(inner), flags="MF"),
                   encapsulated(host, inner, outer, datagram(inner), frag=3)]
        expected["dropped_fragment"] = 2
    # the last one is good: when its answer is here, all before it were handled
    listener = host.peer("client", "listen", CLIENT[inner], "40000")
    host.send("lb", *frames, encapsulated(host, inner, outer, datagram(inner, b"last")))
    assert bytes.fromhex(json.loads(listener.stdout.readline())["data"]) == b"last"
    assert host.counts() == {**expected, f"decapsulated_ipv{inner}": 1}


def nested(net, inner, outer, innermost):
    middle = LAYER[inner](src=CLIENT[inner], dst=VIP[inner])
    setattr(middle, "proto" if inner == 4 else "nh", PROTOCOL[innermost])
    return encapsulated(net, inner, outer, middle / datagram(innermost))


def test_passes_other_traffic_untouched(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    for version in 4, 6:
        host.run("client", ["ping", "-c", "1", "-W", "5", BACKEND[version]])
    serve(host, 4, BACKEND[4])
    assert "syn_ack" in json.loads(host.peer_run("client", "shake", "eth0", BACKEND[4], str(PORT)))
    # a frame for another host, which a switch may flood
    frame = encapsulated(host, 4, 4, datagram(4), src="10.0.0.6")
    frame.dst = "02:00:5e:00:00:99"
    host.send("lb", frame)
    # a host that forwards passes tunnels that are not its own
    host.run("be", ["sysctl", "-w", "net.ipv4.ip_forward=1"])
    try:
        host.send("lb", encapsulated(host, 4, 4, datagram(4), dst=CLIENT[4], src="10.0.0.6"))
        damaged = bytearray(bytes(encapsulated(host, 4, 4, datagram(4))))
        damaged[24] ^= 0xff  # the outer header's checksum
        # by the switch's own port: a bridge with netfilter would drop it on its way
        host.peer_run("sw", "send", host.port["be"], input=bytes(damaged).hex())
        host.run("client", ["ping", "-c", "1", "-W", "5", BACKEND[4]])
    finally:
        host.run("be", ["sysctl", "-w", "net.ipv4.ip_forward=0"])
    assert host.counts() == {}


def test_any_source_is_taken_without_from_and_warned_of(host):
    result = host.up("--vip", VIP[4])
    assert "no --from" in result.stderr
    serve(host, 4)
    listener = host.peer("client", "listen", CLIENT[4], "40000")
    host.send("lb", encapsulated(host, 4, 4, datagram(4), src="198.51.100.77"))
    assert json.loads(listener.stdout.readline())["address"] == VIP[4]


# -- MSS ----------------------------------------------------------------------------------------

def mss_of(frame):
    return dict(Ether(bytes.fromhex(frame))[TCP].options).get("MSS")


@pytest.mark.parametrize("gro", ["off", "on"])
@mixes
def test_a_big_upload_fits_and_own_connections_keep_their_mss(host, inner, outer, gro):
    # super-packets need packets that wait for one another: the relay sends one at a time; and a veth
    # aggregates only what came from a peer without segmentation
    host.run("be", ["ethtool", "-K", "eth0", "gro", gro])
    host.run("sw", ["ethtool", "-K", host.port["be"], "tso", "off", "gso", "off"])
    subprocess.run(["ip", "netns", "exec", host.namespaces["be"], "sh", "-c",
                    f"echo {200000 if gro == 'on' else 0} > /sys/class/net/eth0/gro_flush_timeout"],
                   check=True)
    host.up("--vip", VIP[inner], "--from", BALANCER[outer])
    serve(host, inner)
    relay = host.peer("lb", "relay", "eth0", "ipip", host.mac("be", "eth0"), VIP[inner], BALANCER[outer],
                      BACKEND[outer])
    result = json.loads(host.peer_run("client", "upload", "eth0", VIP[inner], str(PORT),
                                      str(UPLOAD_BYTES)))
    assert relay.poll() is None
    assert result["sha256"] == result["expected"]
    assert mss_of(result["syn_ack"]) == MTU - HEADER[outer] - 8 - HEADER[inner] - 20
    assert (result["longest"] > MTU + 14) == (gro == "on")
    counts = host.counts()
    assert counts["mss_lowered"] >= 1
    assert counts[f"decapsulated_ipv{inner}"] > UPLOAD_BYTES // MTU
    assert set(counts) == {"mss_lowered", f"decapsulated_ipv{inner}"}
    host.run("be", ["ethtool", "-K", "eth0", "gro", "off"])
    # the backend's own address, both ways
    own = host.peer("be", "serve", "eth0", BACKEND[inner], str(PORT + 1))
    away = host.peer("client", "serve", "eth0", CLIENT[inner], str(PORT + 1))
    full = MTU - HEADER[inner] - 20
    to_us = json.loads(host.peer_run("client", "shake", "eth0", BACKEND[inner], str(PORT + 1)))
    from_us = json.loads(host.peer_run("be", "shake", "eth0", CLIENT[inner], str(PORT + 1)))
    assert mss_of(to_us["syn_ack"]) == full
    assert mss_of(from_us["syn"]) == full
    assert own.poll() is None and away.poll() is None


def syn_ack(net, inner, options, flags="SA"):
    """A frame of the backend with a whole checksum, and its options as given."""
    segment = TCP(sport=PORT, dport=40000, flags=flags, seq=1, ack=2)
    segment.options = options
    return Ether(src=net.mac("be", "eth0"), dst=net.mac("client", "eth0")) / \
        LAYER[inner](src=VIP[inner], dst=CLIENT[inner]) / segment


MSS_CASES = [
    ("lowered", [("MSS", 1460)], "MSS", 1412),
    ("kept when small", [("MSS", 500)], "MSS", 500),
    ("at an odd place", [("NOP", None), ("MSS", 1460)], "MSS", 1412),
    ("after others", [("Timestamp", (1, 2)), ("SAckOK", b""), ("NOP", None), ("WScale", 7),
                      ("NOP", None), ("MSS", 9000)], "MSS", 1412),
    ("none", [("NOP", None), ("WScale", 7)], "MSS", None),
    ("last of forty", [("NOP", None)] * 36 + [("MSS", 1460)], "MSS", 1412),
]


@pytest.mark.parametrize("inner", [4, 6])
def test_mss_is_lowered_wherever_it_is_and_the_checksum_stays_right(host, inner):
    host.up("--vip", VIP[inner], "--from", BALANCER[6 if inner == 4 else 4])
    capture = host.peer("client", "capture", "eth0")
    lowered = 0
    for name, options, option, expected in MSS_CASES:
        host.send("be", syn_ack(host, inner, options))
        frame = Ether(bytes.fromhex(capture.stdout.readline()))
        assert dict(frame[TCP].options).get(option) == expected, name
        sent = frame[TCP].chksum
        del frame[TCP].chksum
        assert Ether(bytes(frame))[TCP].chksum == sent, name
        lowered += expected == 1412
    assert host.counts() == {"mss_lowered": lowered}


def test_mss_of_garbage_options_is_left_alone(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    capture = host.peer("client", "capture", "eth0")
    for garbage in (b"\x02\x00\x05\xb4", b"\x02\x01\x05\xb4", b"\x02\x03\x05\xb4", b"\x08\xff\x02\x04",
                    b"\x00\x02\x04\x05\xb4\x00\x00\x00", b"\x01\x01\x01\x02"):
        header = bytes(syn_ack(host, 4, []))
        words = 5 + len(garbage) // 4
        frame = bytearray(header + garbage)
        frame[16:18] = (40 + len(garbage)).to_bytes(2, "big")
        frame[24:26] = b"\0\0"
        frame[24:26] = ip_checksum(bytes(frame[14:34])).to_bytes(2, "big")
        frame[46] = words << 4
        host.send("be", Raw(bytes(frame)))
        assert bytes.fromhex(capture.stdout.readline()) == bytes(frame)
    for bad_offset in 0, 4, 15:  # a TCP header shorter than itself, and longer than the packet
        frame[46] = bad_offset << 4
        host.send("be", Raw(bytes(frame)))
        assert bytes.fromhex(capture.stdout.readline()) == bytes(frame)
    assert host.counts() == {}


def test_mss_follows_the_balancers_the_mtu_and_the_reply_interface(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4], "--from", BALANCER[6], "--mtu", "1400",
            "--reply-interface", "eth1")
    assert host.status()["mss_max"] == {"ipv4": 1312, "ipv6": 1292}
    capture = host.peer("client", "capture", "eth0")
    host.peer_run("be", "send", "eth1", input=bytes(syn_ack(host, 4, [("MSS", 1460)])).hex())
    assert mss_of(capture.stdout.readline()) == 1312
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    assert host.status()["mss_max"] == {"ipv4": 1432, "ipv6": 1412}
    host.peer_run("be", "send", "eth1", input=bytes(syn_ack(host, 4, [("MSS", 1460)])).hex())
    assert mss_of(capture.stdout.readline()) == 1460  # eth1 is no reply interface any more
