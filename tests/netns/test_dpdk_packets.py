# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: on a net_af_xdp port every kind of packet that a VIP can receive reaches who it is for: a backend, by each mode;
the client, by an answer; the host, where the VIP's policy says so; and behind the guard nobody, while no plane serves.
Method: the real program on a veth; frames built by scapy, sent and seen on the peer's packet socket. What leaves is built
again here, from docs/formats.md 6 and 7. The VIPs are on the balancer's lo with listeners behind them.
"""

import json
import math
import signal
import socket
import struct
import subprocess
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from dpdk_plane import (CLIENT4, CLIENT6, LB4, LB6, PEER4, PEER6, SETTLED, VIP4, VIP6, PlaneLab, commit, flow_hash,
                        inside, is_ip, is_tunnel, routed, untagged, verdicts, vip)
from lab import wait_until
from test_dpdk_afxdp import hears, udp_listener

PREFIX4, IN_PREFIX4 = "198.18.0.0/15", "198.19.7.9"
GUE_PORT = 6080


@pytest.fixture
def lab():
    with PlaneLab() as made:
        made.ip("lb", "address", "add", f"{IN_PREFIX4}/32", "dev", "lo")
        yield made


def frame(lab, payload, *tags):
    made = Ether(dst=lab.lb_mac, src=lab.peer_mac)
    for tag in tags:
        made = made / tag
    return bytes(made / payload)


def expect(wire, wanted, *frames):
    """Exactly these come, in this order."""
    assert wire.receive(wanted, len(frames)) == list(frames)
    assert wire.receive(wanted, 1, SETTLED) == []


def udp4(port=5353, to=53, address=VIP4, size=8, **more):
    return IP(src=CLIENT4, dst=address, **more) / UDP(sport=port, dport=to) / Raw(b"q" * size)


# --- the backend ---


def gue(lab, inner, backend, hash64):
    """What must leave for @p inner, an IP packet in bytes, in GUE variant 1."""
    udp = struct.pack("!HHHH", 49152 + (hash64 >> 32 & 0x3fff), GUE_PORT, len(inner) + 8, 0)
    tos = (inner[0] << 4 | inner[1] >> 4) & 0xff if inner[0] >> 4 == 6 else inner[1]
    if ":" in backend:
        header = IPv6(src=LB6, dst=backend, hlim=64, tc=tos, fl=hash64 >> 44, nh=17)
    else:
        header = IP(src=LB4, dst=backend, ttl=64, tos=tos, flags="DF", id=0, proto=17)
    return bytes(Ether(dst=lab.peer_mac, src=lab.lb_mac) / header / Raw(udp + routed(inner)))


@pytest.mark.parametrize("backend", [PEER4, PEER6])
def test_packets_gue(lab, backend):
    _, rpc = lab.start()
    vips = [vip(VIP4, 53, "udp", backend, mode="gue"), vip(VIP6, 53, "udp", backend, mode="gue")]
    commit(rpc, *vips)
    wire = lab.tap()
    for inner in (bytes(udp4(tos=0x2e)), bytes(IPv6(src=CLIENT6, dst=VIP6) / UDP(sport=5353, dport=53) / Raw(b"six"))):
        is6 = inner[0] >> 4 == 6
        hash64 = flow_hash(rpc, CLIENT6 if is6 else CLIENT4, 5353, vips[is6])
        wire.send(frame(lab, IPv6(inner) if is6 else IP(inner)))
        expect(wire, lambda f: is_ip(f, 17) and f[12:] != inner, gue(lab, inner, backend, hash64))
    assert verdicts(rpc) == {"forward": 2}


def test_packets_l2dsr(lab):
    """Only MACs are written: not the TTL, not what the frame has behind the packet."""
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", PEER4, mode="l2dsr"))
    wire = lab.tap()
    inner = bytes(udp4(size=1, ttl=9)).ljust(46, b"\x99")
    wire.send(frame(lab, Raw(inner))[:12] + b"\x08\x00" + inner)
    macs = bytes(Ether(dst=lab.peer_mac, src=lab.lb_mac))[:12]
    expect(wire, lambda f: is_ip(f, 17), macs + b"\x08\x00" + inner)
    assert verdicts(rpc) == {"forward": 1}


def test_packets_of_prefixes_and_ranges(lab):
    _, rpc = lab.start()
    commit(rpc, vip(PREFIX4, "8000-8099", "udp", PEER4), vip(PREFIX4, 9000, "udp", PEER4),
           vip("2001:db8::/32", "any", "tcp", PEER6))
    listeners = {port: udp_listener(lab, IN_PREFIX4, port) for port in (7999, 8000, 8099, 8100, 9000)}
    wire = lab.tap()
    for port, listener in listeners.items():
        is_vip = 8000 <= port <= 8099 or port == 9000
        wire.send(frame(lab, udp4(to=port, address=IN_PREFIX4)))
        assert len(wire.receive(is_tunnel, 1, 10 if is_vip else SETTLED)) == is_vip, port
        assert hears(listener, SETTLED if is_vip else 10) == (not is_vip), port
        listener.close()
    for port in (0, 1, 65535):
        wire.send(frame(lab, IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=7, dport=port)))
    assert len(wire.receive(is_tunnel, 3)) == 3
    assert verdicts(rpc) == {"forward": 6}


def test_packets_fragments_follow_the_first(lab):
    """Also when all of them come in one burst."""
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    wire = lab.tap()
    datagrams = [fragment(IP(src=CLIENT4, dst=VIP4, id=100 + i) / UDP(sport=6000 + i, dport=53) / Raw(bytes([i]) * 3000),
                          fragsize=1400) for i in range(8)]
    parts = [part for datagram in datagrams for part in datagram]
    assert len(parts) == 24
    wire.send(*(frame(lab, part) for part in parts))
    seen = wire.receive(is_tunnel, len(parts))
    assert [f[34:] for f in seen] == [routed(bytes(part)) for part in parts]
    # one before its first, and one of a datagram whose first nobody saw
    early = fragment(IP(src=CLIENT4, dst=VIP4, id=200) / UDP(sport=1, dport=53) / Raw(b"e" * 3000), fragsize=1400)
    wire.send(frame(lab, early[1]), frame(lab, early[0]), frame(lab, early[2]))
    assert [f[34:] for f in wire.receive(is_tunnel, 2)] == [routed(bytes(part)) for part in (early[0], early[2])]
    assert verdicts(rpc) == {"forward": 26, "drop_fragment_order": 1}
    commit(rpc, vip(VIP4, 53, "udp", PEER4, fragments="drop"))
    wire.send(frame(lab, early[0]))
    wait_until(lambda: verdicts(rpc).get("drop_fragment") == 1, 10, "the first fragment dropped")


def test_packets_icmp_errors_go_to_the_flows_backend(lab):
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    wire = lab.tap()
    quoted = IP(src=VIP4, dst=CLIENT4) / UDP(sport=53, dport=5353) / Raw(b"answer")
    error = IP(src="203.0.113.1", dst=VIP4) / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(bytes(quoted))
    foreign = IP(src="203.0.113.1", dst=VIP4) / ICMP(type=3, code=4) / Raw(bytes(IP(src=CLIENT4, dst=VIP4) / UDP()))
    wire.send(frame(lab, foreign), frame(lab, error))
    assert [f[34:] for f in wire.receive(is_tunnel, 1)] == [routed(bytes(error))]
    assert verdicts(rpc) == {"forward": 1, "drop_icmp_quote": 1}


# --- the client ---


def answers(kind):
    """Frames of ICMP (1) or ICMPv6 (58); neighbours and listeners that the kernel looks for aside."""
    return lambda f: is_ip(f, kind) and (kind == 1 or untagged(f)[54] < 130)


def test_packets_echo_is_answered(lab):
    """Without any backend; the tags come back too."""
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp"), vip(VIP6, 53, "udp"))
    wire = lab.tap()
    tags = [(), (Dot1Q(vlan=7),), (Dot1AD(vlan=8), Dot1Q(vlan=9, prio=3))]
    back = {"src": lab.lb_mac, "dst": lab.peer_mac}
    for size, stack in zip((0, 1, 900), tags):
        data = Raw(b"d" * size)
        wire.send(frame(lab, IP(src=CLIENT4, dst=VIP4, id=7, tos=4) / ICMP(id=5, seq=size) / data, *stack))
        answer = IP(src=VIP4, dst=CLIENT4, id=7, tos=4, ttl=64) / ICMP(type=0, id=5, seq=size) / data
        expect(wire, answers(1), bytes(tagged(Ether(**back), stack) / answer))
        wire.send(frame(lab, IPv6(src=CLIENT6, dst=VIP6) / ICMPv6EchoRequest(id=5, seq=size, data=data.load), *stack))
        answer = IPv6(src=VIP6, dst=CLIENT6, hlim=64) / ICMPv6EchoReply(id=5, seq=size, data=data.load)
        expect(wire, answers(58), bytes(tagged(Ether(**back), stack) / answer))
    assert verdicts(rpc) == {"answer_echo": 6}
    assert [(v["packets"], v["bytes"]) for v in rpc.call("plane.stats")["vips"]] == [(0, 0)] * 2


def tagged(made, stack):
    for tag in stack:
        made = made / tag
    return made


def test_packets_echo_for_the_host_or_a_backend(lab):
    _, rpc = lab.start()
    wire = lab.tap()
    request = frame(lab, IP(src=CLIENT4, dst=VIP4) / ICMP(id=5, seq=1) / Raw(b"d" * 56))
    commit(rpc, vip(VIP4, 53, "udp", PEER4, icmp_echo="host"))
    wire.send(request)
    assert len(wire.receive(answers(1), 1)) == 1, "the host's own answer"
    assert verdicts(rpc) == {}
    commit(rpc, vip(VIP4, 53, "udp", PEER4, icmp_echo="forward"))
    wire.send(request)
    assert [f[34:] for f in wire.receive(is_tunnel, 1)] == [routed(request[14:])]
    assert verdicts(rpc) == {"forward": 1}


def test_packets_too_big_are_told(lab):
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", PEER4), vip(VIP6, 53, "udp", PEER6))
    wire = lab.tap()
    big4, big6 = udp4(size=1453, flags="DF"), IPv6(src=CLIENT6, dst=VIP6) / UDP(dport=53) / Raw(b"6" * 1413)
    assert len(big4) == 1481 and len(big6) == 1461
    wire.send(frame(lab, big4))
    back = Ether(src=lab.lb_mac, dst=lab.peer_mac)
    told = IP(src=VIP4, dst=CLIENT4, ttl=64, id=0, flags="DF") / ICMP(type=3, code=4, nexthopmtu=1480)
    expect(wire, answers(1), bytes(back / told / Raw(bytes(big4)[:128])))
    wire.send(frame(lab, big6))
    told = IPv6(src=VIP6, dst=CLIENT6, hlim=64) / ICMPv6PacketTooBig(mtu=1460) / Raw(bytes(big6)[:128])
    expect(wire, answers(58), bytes(back / told))
    wire.send(frame(lab, udp4(size=1452)))
    assert len(wire.receive(is_tunnel, 1)) == 1
    assert verdicts(rpc) == {"answer_too_big": 2, "forward": 1}


def test_packets_too_big_are_told_at_a_limited_rate(lab):
    _, rpc = lab.start(icmp_rate=1, icmp_burst=3)
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    wire = lab.tap()
    began = time.monotonic()
    wire.send(*(frame(lab, udp4(size=1453, port=1000 + i)) for i in range(20)))
    wait_until(lambda: sum(verdicts(rpc).values()) == 20, 10, "twenty packets counted")
    told = verdicts(rpc)["answer_too_big"]
    assert 3 <= told <= 4 + math.ceil(time.monotonic() - began), "the burst, the first of the rate, and one a second"
    assert {e["event"]: e["count"] for e in rpc.call("plane.stats")["events"]}["answer_limited"] == 20 - told


# --- tags ---


@pytest.mark.parametrize("vlan, leaves", [(None, (0x8100, 0x6007)), ("none", ()), (5, (0x8100, 5)),
                                          ([3, 4], (0x88a8, 3, 0x8100, 4))])
def test_packets_tags(lab, vlan, leaves):
    port = {"name": "eth0", "device": "net_af_xdp0,iface=eth0", **({} if vlan is None else {"vlan": vlan})}
    _, rpc = lab.start(ports=[port])
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    wire = lab.tap()
    wire.send(frame(lab, udp4(), Dot1Q(vlan=7, prio=3)))
    seen, = wire.receive(is_tunnel, 1)
    assert untagged(seen)[34:] == routed(bytes(udp4()))
    assert seen[12:12 + 2 * len(leaves)] == struct.pack(f"!{len(leaves)}H", *leaves)
    assert seen[12 + 2 * len(leaves):][:2] == b"\x08\x00"


# --- the host, and the guard ---


def test_packets_without_backend(lab):
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", no_backend="host"), vip(IN_PREFIX4, 53, "udp"))
    listener, other, wire = udp_listener(lab, VIP4, 53), udp_listener(lab, IN_PREFIX4, 53), lab.tap()
    wire.send(frame(lab, udp4()), frame(lab, udp4(address=IN_PREFIX4)))
    assert hears(listener) and not hears(other, SETTLED)
    wait_until(lambda: verdicts(rpc) == {"drop_no_backend": 1}, 10, "the drop, and nothing else")
    commit(rpc, vip(VIP4, 53, "udp", PEER4, no_backend="host"))
    wire.send(frame(lab, udp4()))
    assert len(wire.receive(is_tunnel, 1)) == 1 and not hears(listener, SETTLED)
    listener.close()
    other.close()


def test_packets_are_the_hosts_when_the_rows_are_nobodys(lab):
    """While rows move, old flows have a backend: the cores decide. Then the kernel gets all, until there is a backend."""
    process, rpc = lab.start()

    def web(weight):
        served = vip(VIP4, 53, "udp", PEER4, no_backend="host", window_s=3)
        served["backends"][0]["weight"] = weight
        return served
    commit(rpc, web(1))
    listener, wire = udp_listener(lab, VIP4, 53), lab.tap()
    commit(rpc, web(0))
    wire.send(frame(lab, udp4()))
    assert len(wire.receive(is_tunnel, 1)) == 1

    def is_stable():
        served, = rpc.call("plane.stats")["vips"]
        return served["rows_moving"] + served["rows_settling"] == 0
    wait_until(is_stable, 20, "all rows are stable")
    wire.send(frame(lab, udp4()))
    assert hears(listener), "the cores do not see it"
    for how in (signal.SIGTERM, signal.SIGKILL):
        lab.stop(process, how)
        process, rpc = lab.start()
        wire.send(frame(lab, udp4()))
        assert hears(listener), "the next process goes on with that"
    counted = verdicts(rpc)
    commit(rpc, web(0), vip(VIP6, 53, "udp", PEER6))
    wire.send(frame(lab, udp4()))
    assert hears(listener) and verdicts(rpc) == counted, "another VIP's change is none of it"
    commit(rpc, web(1))
    wire.send(frame(lab, udp4()))
    assert len(wire.receive(is_tunnel, 1)) == 1 and not hears(listener, SETTLED)
    listener.close()


def test_packets_guarded_while_no_plane_serves(lab):
    """By the rules that the plane had: prefixes, ranges, tags, fragments; the host's own still comes to it."""
    process, rpc = lab.start()
    commit(rpc, vip(PREFIX4, "8000-8099", "udp", PEER4), vip(VIP4, 53, "udp", PEER4, icmp_echo="host"))
    inside_range, outside = udp_listener(lab, IN_PREFIX4, 8050), udp_listener(lab, IN_PREFIX4, 8100)
    wire = lab.tap()

    def guarded(*echoes):
        wire.send(frame(lab, udp4(to=8050, address=IN_PREFIX4)), frame(lab, udp4(to=8050, address=IN_PREFIX4, options=[b"\x01"] * 8)),
                  *(frame(lab, part) for part in fragment(udp4(to=8050, address=IN_PREFIX4, size=3000), fragsize=1400)),
                  frame(lab, IP(src=CLIENT4, dst=IN_PREFIX4) / ICMP(id=5)),
                  frame(lab, udp4(to=8100, address=IN_PREFIX4)), frame(lab, IP(src=CLIENT4, dst=VIP4) / ICMP(id=6)))
        assert hears(outside), "not a VIP's"
        assert not hears(inside_range, SETTLED), "the guard lets VIP traffic through"
        assert sorted(f[38:40] for f in wire.receive(answers(1), len(echoes))) == [bytes((0, i)) for i in echoes]
        assert wire.receive(answers(1), 1, SETTLED) == []

    process.send_signal(signal.SIGKILL)
    process.wait()
    lab.ip("lb", "link", "set", "dev", "eth0", "xdp", "off")
    guarded(6)  # the echo that is the host's
    process, rpc = lab.start()  # before its first commit: what it finds serves
    guarded(5, 6)
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    wire.send(frame(lab, udp4(to=8050, address=IN_PREFIX4)))
    assert hears(inside_range), "a VIP of the former life is guarded for ever"
    inside_range.close()
    outside.close()


def test_packets_own_tunnels_do_not_come_back(lab):
    """Neither to the cores as VIP traffic nor to the host; tunnels of others are the host's."""
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    wire = lab.tap()
    for source in (LB4, CLIENT4):
        wire.send(frame(lab, IP(src=source, dst=LB4, proto=4) / udp4()))
    wait_until(lambda: verdicts(rpc) != {}, 10, "the first counted")
    wire.send(frame(lab, udp4()))
    assert len(wire.receive(is_tunnel, 1)) == 1
    assert verdicts(rpc) == {"drop_loop": 1, "forward": 1}


def test_packets_guard_of_another_version(lab):
    """Not taken for ours, and not replaced: what it guards would be let go."""
    process, _ = lab.start()
    lab.stop(process)
    pins = lab.dir / "bpf" / "planes" / "plane0"
    (pins / "vips").unlink()
    subprocess.run(["bpftool", "map", "create", pins / "vips", "type", "hash", "key", "24", "value", "4", "entries",
                    "262144", "name", "fl_guard_vips", "flags", "1"], check=True,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    code, said = lab.start_to_fail()
    assert code == 69 and f"{pins}/vips is not a guard map of this version; remove it with" in said
    assert "fl_guard" in lab.filters()
    lab.detach()
    assert lab.pins() == [] and "fl_guard" not in lab.filters()
    process, _ = lab.start()
    assert lab.stop(process) == 0
