# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: ports without a kernel interface: several workers, the host path through the TAP both ways, the configured
gateway; and every packet counted once.
Method: fairlead-dpdk with two workers on a net_memif port; at its other end memif_peer deals frames out to the queues in
turn, from a TAP that the test writes frames to (or the kernel does: ping).
"""

import json
import os
import signal

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from dpdk_plane import (CLIENT4, LB4, PEER4, SETTLED, VIP4, PlaneLab, commit, is_ip, is_tunnel, routed, verdicts, vip)
from lab import BUILD, wait_until

QUEUES = 2
GATEWAY = "02:00:5e:00:00:99"


class MemifLab(PlaneLab):
    """The peer's end of the memif is the TAP `wire` in namespace "far"."""

    def start_both(self, **port):
        self.namespace("far")
        # no packet but a test's: it waits for counts
        self.run("far", ["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])
        memif = self.dir / "memif.sock"
        process, rpc = self.start(
            cores={"main": 0, "workers": list(range(min(QUEUES, os.cpu_count())))},
            pin_dir=None, encap_source_ipv6=None,
            ports=[{"name": "port0", "device": f"net_memif0,role=server,socket-abstract=no,socket={memif}",
                    **port}])
        self.peer = self.popen("far", [BUILD / "dataplane/dpdk/memif_peer", memif, QUEUES, "wire"], log="memif_peer.log")
        wait_until(lambda: self.run("far", ["ip", "link", "show", "wire", "up"], check=False).stdout,
                   10, "the peer's TAP")
        wire = self.tap("far", "wire")
        self.connect(wire, rpc)
        return process, rpc, wire

    def stop_both(self, process):
        """The peer is frozen, not ended, while the plane stops. In DPDK 22.11 a memif connection that ends under a
        plane at work unmaps the rings that a worker may just be reading, and a peer that connects again finds the
        listener freed."""
        self.peer.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.peer.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            return self.stop(process)
        finally:
            self.peer.send_signal(signal.SIGCONT)

    def connect(self, wire, rpc):
        """The two sides find each other in their own time: offer frames until both workers saw one."""
        probe = bytes(Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02", type=0x88b5) / Raw(b"p" * 46))

        def connected():
            wire.send(probe)
            return all(core["received"] > 0 for core in rpc.call("plane.stats")["cores"])
        wait_until(connected, 20, "both workers reached")


@pytest.fixture
def lab():
    if os.cpu_count() < QUEUES:
        pytest.skip("needs two CPUs")
    with MemifLab() as made:
        yield made


def port_mac(rpc):
    return rpc.call("plane.stats")["ports"][0]["mac"]


def settle(rpc):
    """All that was received has its verdict; the counts."""
    def counted():
        stats = rpc.call("plane.stats")
        return sum(core["received"] for core in stats["cores"]) == stats["received"]
    wait_until(counted, 10, "received is the sum of the verdicts")
    return verdicts(rpc)


def frames(count, mac):
    return [bytes(Ether(dst=mac, src="02:00:00:00:00:02") / IP(src=CLIENT4, dst=VIP4)
                  / TCP(sport=20000 + i, dport=80) / Raw(bytes(i % 50))) for i in range(count)]


def send_slowly(wire, rpc, sent):
    """A TAP keeps a few hundred frames: wait for each hundred to be taken."""
    for first in range(0, len(sent), 100):
        before = rpc.call("plane.stats")["received"]
        wire.send(*sent[first:first + 100])
        expected = before + len(sent[first:first + 100])
        wait_until(lambda: rpc.call("plane.stats")["received"] >= expected, 10, "frames received")


def test_memif_two_workers_forward_by_the_gateway(lab):
    process, rpc, wire = lab.start_both(host="drop", gateway_mac=GATEWAY)
    commit(rpc, vip(VIP4, 80, "tcp", "10.78.9.1", "10.78.9.2", "10.78.9.3"))
    mac = port_mac(rpc)
    before = {core["core"]: core["received"] for core in rpc.call("plane.stats")["cores"]}
    sent = frames(400, mac)
    send_slowly(wire, rpc, sent)
    seen = wire.receive(is_tunnel, len(sent))
    assert sorted(frame[34:] for frame in seen) == sorted(routed(frame[14:]) for frame in sent)
    assert {Ether(frame).dst for frame in seen} == {GATEWAY}
    assert {Ether(frame).src for frame in seen} == {mac}
    counts = settle(rpc)
    assert counts.pop("forward") == len(sent)
    assert set(counts) == {"drop_no_host"}, "the probes and the kernel's own packets"
    stats = rpc.call("plane.stats")
    for core in stats["cores"]:
        assert core["received"] - before[core["core"]] >= len(sent) // 2, "both workers work"
        assert core["busy_cycles"] > 0 and core["idle_cycles"] > 0
    served = stats["vips"][0]
    assert served["packets"] == len(sent) == sum(b["packets"] for b in served["backends"])
    assert served["bytes"] == sum(len(frame) - 14 for frame in sent)
    assert stats["ports"][0]["rx_packets"] >= len(sent)
    # a flow has one backend, whichever worker its packets reach
    send_slowly(wire, rpc, sent[:1] * 10 + sent[1:2] * 10)
    again = wire.receive(is_tunnel, 20)
    assert len({frame[:34] for frame in again}) <= 2 and len(again) == 20
    assert lab.stop_both(process) == 0


def test_memif_fragments_follow_across_workers(lab):
    """And each worker answers for itself, by the port the request came by."""
    process, rpc, wire = lab.start_both(host="drop", gateway_mac=GATEWAY)
    commit(rpc, vip(VIP4, 53, "udp", *(f"10.78.9.{i}" for i in range(1, 9))))
    ether = Ether(dst=port_mac(rpc), src="02:00:00:00:00:02")
    for i in range(8):
        parts = [bytes(ether / part) for part in
                 fragment(IP(src=CLIENT4, dst=VIP4, id=i) / UDP(sport=7000 + i, dport=53) / Raw(b"f" * 4000), fragsize=800)]
        send_slowly(wire, rpc, parts[:1])
        send_slowly(wire, rpc, parts[1:])  # dealt out to both workers
        seen = wire.receive(is_tunnel, len(parts))
        assert sorted(frame[34:] for frame in seen) == sorted(routed(part[14:]) for part in parts)
        assert len({frame[30:34] for frame in seen}) == 1, "one backend"
    requests = [bytes(ether / IP(src=CLIENT4, dst=VIP4) / ICMP(id=i) / Raw(b"e" * 40)) for i in range(6)]
    send_slowly(wire, rpc, requests)
    answers = wire.receive(lambda frame: is_ip(frame, 1) and frame[34] == 0, len(requests))
    assert sorted(frame[38:40] for frame in answers) == [bytes((0, i)) for i in range(6)]
    assert {Ether(frame).dst for frame in answers} == {"02:00:00:00:00:02"}
    counts = settle(rpc)
    assert (counts["forward"], counts["answer_echo"]) == (8 * 6, 6)
    assert lab.stop_both(process) == 0


def test_memif_host_path_both_ways(lab):
    process, rpc, wire = lab.start_both(host="tap", tap="flhost0")
    lab.ip("lb", "address", "flush", "dev", "eth0")
    lab.ip("far", "address", "add", f"{PEER4}/24", "dev", "wire")
    lab.ip("lb", "address", "add", f"{LB4}/24", "dev", "flhost0")
    link = json.loads(lab.run("lb", ["ip", "-j", "link", "show", "flhost0"]).stdout)[0]
    assert link["address"] == port_mac(rpc)
    assert link["mtu"] == rpc.call("plane.stats")["ports"][0]["mtu"]
    # echo requests come by both workers in turn: worker 1's cross the ring
    lab.run("far", ["ping", "-c", "20", "-i", "0.02", "-W", "5", LB4])
    lab.run("lb", ["ping", "-c", "5", "-i", "0.02", "-W", "5", PEER4])
    counts = settle(rpc)
    assert counts["pass_no_vip"] >= 25
    assert counts["pass_not_ip"] >= 1, "ARP"
    assert set(counts) <= {"pass_no_vip", "pass_not_ip"}

    # next hops are what the kernel knows of the TAP: ARP goes out and comes back through the plane
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    sent = frames(100, port_mac(rpc))
    send_slowly(wire, rpc, sent)
    seen = wire.receive(is_tunnel, len(sent))
    assert sorted(frame[34:] for frame in seen) == sorted(routed(frame[14:]) for frame in sent)
    assert {Ether(frame).dst for frame in seen} == {lab.mac("far", "wire")}
    assert settle(rpc)["forward"] == len(sent)
    assert wire.receive(is_tunnel, 1, SETTLED) == []
    assert lab.stop_both(process) == 0
    assert "flhost0" not in lab.run("lb", ["ip", "link"]).stdout
