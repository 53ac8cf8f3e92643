# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: fairlead-dpdk on a net_af_xdp port forwards VIP traffic byte by byte as promised, leaves everything else to the
host, and never lets the host's stack see VIP traffic, whatever happens to it.
Method: the real program on a veth; frames built by scapy, sent and seen on the peer's packet socket. The VIPs are on the
balancer's lo with listeners behind them, so that any leak is answered and seen.
"""

import select
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from dpdk_plane import (CLIENT4, CLIENT6, LB4, LB6, PEER4, PEER6, SETTLED, VIP4, VIP6, PlaneLab, commit,
                        flow_hash, inside, is_ip, is_tunnel, routed, verdicts, vip)
from lab import wait_until


@pytest.fixture
def lab():
    with PlaneLab() as made:
        yield made


def frame(lab, payload):
    return bytes(Ether(dst=lab.lb_mac, src=lab.peer_mac) / payload)


def tcp4(lab, port=40000, flags="S", to=80):
    return frame(lab, IP(src=CLIENT4, dst=VIP4) / TCP(sport=port, dport=to, flags=flags, seq=1, ack=7))


def outer(lab, inner, backend, label=None):
    """What must leave for @p inner, an IP packet in bytes."""
    is6 = inner[0] >> 4 == 6
    tos = (inner[0] << 4 | inner[1] >> 4) & 0xff if is6 else inner[1]
    ether = Ether(dst=lab.peer_mac, src=lab.lb_mac)
    if ":" in backend:
        header = IPv6(src=LB6, dst=backend, hlim=64, tc=tos, fl=label, nh=41 if is6 else 4)
    else:
        header = IP(src=LB4, dst=backend, ttl=64, tos=tos, flags="DF", id=0, proto=41 if is6 else 4)
    return bytes(ether / header / Raw(routed(inner)))


INNER4 = [IP(src=CLIENT4, dst=VIP4, tos=0xb9, id=77) / TCP(sport=40001, dport=80, flags="S"),
          IP(src=CLIENT4, dst=VIP4, options=[b"\x01"] * 8) / TCP(sport=40002, dport=80) / Raw(b"x" * 900),
          IP(src=CLIENT4, dst=VIP4) / TCP(sport=40003, dport=80, flags="A") / Raw(b"y" * 1)]
INNER6 = [IPv6(src=CLIENT6, dst=VIP6, tc=0x2e, fl=0xabcde) / TCP(sport=40004, dport=80, flags="S"),
          IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=40005, dport=80) / Raw(b"z" * 1200)]


@pytest.mark.parametrize("backend", [PEER4, PEER6])
def test_afxdp_encapsulates_byte_by_byte(lab, backend):
    _, rpc = lab.start()
    vips = [vip(VIP4, 80, "tcp", backend), vip(VIP6, 80, "tcp", backend)]
    commit(rpc, *vips)
    wire = lab.tap()
    for packet in INNER4 + INNER6:
        inner = bytes(packet)
        # short frames arrive padded; the padding must not go into the tunnel
        wire.send((bytes(Ether(dst=lab.lb_mac, src=lab.peer_mac) / Raw(inner))[:12]
                   + (b"\x86\xdd" if inner[0] >> 4 == 6 else b"\x08\x00") + inner).ljust(60, b"\x99"))
        to = vips[inner[0] >> 4 == 6]
        client = CLIENT6 if inner[0] >> 4 == 6 else CLIENT4
        label = flow_hash(rpc, client, packet[TCP].sport, to) >> 44
        seen = wire.receive(is_tunnel, 1)
        assert seen == [outer(lab, inner, backend, label)], packet.summary()
    assert verdicts(rpc) == {"forward": len(INNER4 + INNER6)}
    for served in rpc.call("plane.stats")["vips"]:
        inners = INNER6 if ":" in served["address"] else INNER4
        expected = (len(inners), sum(len(bytes(inner)) for inner in inners))
        assert (served["packets"], served["bytes"]) == expected
        assert [(b["packets"], b["bytes"]) for b in served["backends"]] == [expected]


def test_afxdp_leaves_the_host_alone(lab):
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    for address in (LB4, LB6):
        lab.run("peer", ["ping", "-c", "3", "-i", "0.05", "-W", "5", address])
    with inside(lab.namespaces["lb"]):
        listener = socket.create_server((LB4, 0))
    with inside(lab.namespaces["peer"]):
        client = socket.create_connection(listener.getsockname(), timeout=10)
    server, _ = listener.accept()
    data = bytes(range(256)) * 400
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    received = b""
    while len(received) < len(data):
        received += server.recv(65536)
    sender.join()
    assert received == data
    # another port of the VIP's address is the host's as well
    udp = udp_listener(lab, VIP4, 53)
    lab.tap().send(frame(lab, IP(src=CLIENT4, dst=VIP4) / UDP(sport=5353, dport=53) / Raw(b"question")))
    assert hears(udp)
    for opened in (client, server, listener, udp):
        opened.close()
    assert verdicts(rpc) == {}


def test_afxdp_counts_what_it_drops(lab):
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 80, "tcp", PEER4, fragments="drop"), vip(VIP6, 80, "tcp", PEER6))
    wire = lab.tap()
    wire.send(frame(lab, IP(src=CLIENT4, dst=VIP4, flags="MF") / TCP(sport=1, dport=80)),
              frame(lab, IP(src=CLIENT4, dst=VIP4, frag=100, proto=6) / Raw(b"p" * 64)),
              frame(lab, IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrFragment(offset=9) / TCP(dport=80)),
              frame(lab, IPv6(src=CLIENT6, dst=VIP6, nh=135) / Raw(b"\x06\x00" + b"\x00" * 6 + b"t" * 20)))
    wait_until(lambda: sum(verdicts(rpc).values()) == 4, 10, "four packets counted")
    assert verdicts(rpc) == {"drop_fragment": 1, "drop_fragment_order": 2, "drop_ipv6_extension": 1}


def udp_listener(lab, address, port):
    with inside(lab.namespaces["lb"]):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_DGRAM)
        listener.bind((address, port))
    return listener


def hears(listener, seconds=10):
    readable, _, _ = select.select([listener], [], [], seconds)
    return bool(readable) and bool(listener.recv(65536))


def test_afxdp_steering_follows_commits(lab):
    _, rpc = lab.start()
    listener = udp_listener(lab, VIP4, 53)
    wire = lab.tap()
    packet = frame(lab, IP(src=CLIENT4, dst=VIP4) / UDP(sport=5353, dport=53) / Raw(b"question"))

    wire.send(packet)
    assert hears(listener), "not a VIP yet: it is the host's"
    commit(rpc, vip(VIP4, 53, "udp", PEER4), vip(VIP4, 80, "tcp", PEER4))
    wire.send(packet, tcp4(lab))
    assert len(wire.receive(is_tunnel, 2)) == 2
    assert not hears(listener, SETTLED)
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    wire.send(packet, tcp4(lab))
    assert hears(listener), "no VIP any more: it is the host's again"
    assert len(wire.receive(is_tunnel, 1)) == 1 and wire.receive(is_tunnel, 1, SETTLED) == []
    # the address is still some VIP's
    later = frame(lab, IP(src=CLIENT4, dst=VIP4, frag=1, proto=17) / Raw(b"l" * 8))
    wire.send(later)
    wait_until(lambda: verdicts(rpc).get("drop_fragment_order") == 1, 10, "the fragment")
    commit(rpc)
    wire.send(later, packet)
    assert hears(listener)
    assert verdicts(rpc) == {"forward": 3, "drop_fragment_order": 1}
    listener.close()


def test_afxdp_guard_outlives_the_plane(lab):
    process, rpc = lab.start()
    commit(rpc, vip(VIP4, 53, "udp", PEER4))
    listener = udp_listener(lab, VIP4, 53)
    wire = lab.tap()
    packet = frame(lab, IP(src=CLIENT4, dst=VIP4) / UDP(sport=5353, dport=53) / Raw(b"question"))

    assert lab.stop(process) == 0
    assert lab.xdp() is None
    assert not (lab.dir / "plane0.sock").exists()
    assert [p for p in lab.pins() if "steer" in p] == []
    wire.send(packet)
    assert not hears(listener, SETTLED), "the guard lets VIP traffic through"

    # a start keeps it, also before its first commit; the first commit settles what is a VIP
    process, rpc = lab.start()
    wire.send(packet)
    assert not hears(listener, SETTLED)
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    wire.send(packet)
    assert hears(listener), "a VIP of the former life is guarded for ever"
    lab.stop(process)

    lab.detach()
    assert lab.pins() == []
    assert "fl_guard" not in lab.filters()
    assert lab.detach().stderr == "", "nothing there: still fine"
    listener.close()


class Prober:
    """A client that never stops sending SYNs and ACKs of many flows to the VIP."""

    def __init__(self, lab):
        self.frames = [tcp4(lab, 10000 + i, flags) for i in range(500) for flags in ("S", "A")]
        self.wire, self.sent, self.stopped = lab.tap(), 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopped.is_set():
            self.wire.send(self.frames[self.sent % len(self.frames)])
            self.sent += 1
            time.sleep(0.0005)  # time is the point: the rate of a client

    def stop(self):
        self.stopped.set()
        self.thread.join()


def from_vip(answer):
    """A TCP segment of the VIP's address, outside a tunnel: from the balancer's own stack."""
    return is_ip(answer, 6) and answer[26:30] == socket.inet_aton(VIP4)


def test_afxdp_restart_after_kill_resets_nobody(lab):
    with inside(lab.namespaces["lb"]):
        listener = socket.create_server((VIP4, 80), backlog=4096)
    watcher = lab.tap()
    # without a plane the stack answers, so that a leak would be seen: SYN+ACK for the one, RST for the other
    watcher.send(tcp4(lab, 9000, "S"), tcp4(lab, 9001, "A"))
    flags = {answer[47] for answer in watcher.receive(from_vip, 2)}
    assert flags >= {0x12, 0x04}, flags

    process, rpc = lab.start()
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    watcher.receive(from_vip, 100, SETTLED)  # retransmissions of the SYN+ACK above
    prober = Prober(lab)
    try:
        for _ in range(3):
            left_over = lab.xdp()
            forwarded = verdicts(rpc).get("forward", 0)
            wait_until(lambda: verdicts(rpc).get("forward", 0) > forwarded + 50, 10, "traffic")
            rpc.close()
            lab.stop(process, signal.SIGKILL)
            assert lab.xdp() == left_over is not None
            process, rpc = lab.start()
            assert lab.xdp() not in (None, left_over)
            sent = prober.sent
            wait_until(lambda: prober.sent > sent + 50, 10, "traffic before the commit")
            commit(rpc, vip(VIP4, 80, "tcp", PEER4))
        lab.stop(process)  # and an orderly stop
        sent = prober.sent
        wait_until(lambda: prober.sent > sent + 50, 10, "traffic to the stopped plane")
    finally:
        prober.stop()
    # ports 10000 and up are the prober's
    leaked = [answer for answer in watcher.receive(from_vip, 1000, SETTLED)
              if struct.unpack("!H", answer[36:38])[0] >= 10000]
    assert leaked == []
    assert prober.sent > 1000
    listener.close()


FOREIGN = '__attribute__((section("xdp"), used)) int foreign(void *ctx) { return 2; }\n'


def test_afxdp_refuses_foreign_programs(lab):
    source, program_file = lab.dir / "foreign.c", lab.dir / "foreign.o"
    source.write_text(FOREIGN)
    subprocess.run(["clang", "-target", "bpf", "-O2", "-c", source, "-o", program_file], check=True)
    lab.ip("lb", "link", "set", "dev", "eth0", "xdp", "obj", str(program_file), "sec", "xdp")
    present = lab.xdp()
    code, said = lab.start_to_fail()
    assert code == 69
    assert f"interface eth0 has an XDP program of another owner (foreign, id {present})" in said
    assert "ip link set dev eth0 xdp off" in said
    assert lab.xdp() == present, "never detach what is not ours"
    assert len(said.strip().splitlines()) == 1


def test_afxdp_refuses_a_second_plane(lab):
    _, rpc = lab.start()
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    code, said = lab.start_to_fail("plane0")
    assert code == 69 and 'plane "plane0" is running already' in said, said
    code, said = lab.start_to_fail("other")
    assert code == 69 and "interface eth0: another tc filter" in said, said
    code, said = lab.start_to_fail("plane0", ["--detach"])
    assert code == 69 and "is running already" in said, said
    wire = lab.tap()
    wire.send(tcp4(lab))
    assert len(wire.receive(is_tunnel, 1)) == 1, "the first one is not disturbed"


def test_afxdp_knows_its_program_without_a_pin(lab):
    """As after a kill between the driver's attaching and our pinning."""
    process, rpc = lab.start()
    for pin in (lab.dir / "bpf" / "planes" / "plane0").glob("steer_*"):
        pin.unlink()
    # its owner lives, only the guard does not tell: its queue does
    lab.run("lb", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])
    code, said = lab.start_to_fail("other")
    assert code == 69 and "interface eth0 is in use by another fairlead-dpdk" in said, said
    assert "fl_guard" not in lab.filters()
    assert "left as it is: interface eth0 is in use" in lab.detach("other").stderr
    left_over = lab.xdp()
    assert left_over is not None
    lab.stop(process, signal.SIGKILL)
    process, rpc = lab.start()
    assert lab.xdp() not in (None, left_over)
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    wire = lab.tap()
    wire.send(tcp4(lab))
    assert len(wire.receive(is_tunnel, 1)) == 1


def test_afxdp_detach_after_a_kill(lab):
    process, rpc = lab.start()
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    lab.stop(process, signal.SIGKILL)
    assert lab.xdp() is not None
    assert "libbpf" not in lab.detach().stderr
    assert lab.xdp() is None
    assert "fl_guard" not in lab.filters()
    assert lab.pins() == []


def test_afxdp_keeps_few_capabilities(lab):
    process, rpc = lab.start()
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    status = wait_until(lambda: thread_capabilities(process.pid), 10, "threads")
    allowed = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 39  # NET_ADMIN, NET_RAW, IPC_LOCK, BPF
    wait_until(lambda: all(caps == allowed for caps, _ in thread_capabilities(process.pid).values()),
               5, f"capabilities dropped by every thread: {status}")
    assert all(no_new == 1 for _, no_new in thread_capabilities(process.pid).values())
    commit(rpc, vip(VIP4, 80, "tcp", PEER4), vip(VIP6, 80, "tcp", PEER6))  # and can still steer


def thread_capabilities(pid):
    """Thread name: (permitted capabilities, no new privileges)."""
    threads = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        threads[fields["Pid"].strip()] = (int(fields["CapPrm"], 16), int(fields["NoNewPrivs"]))
    return threads
