# SPDX-License-Identifier: BSD-2-Clause
"""
The network of test_backend.py and test_backend_host.py: a client, a balancer and a backend on one
switch, each a namespace of a lab.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab import Lab, program, wait_until

PEER = Path(__file__).with_name("backend_peer.py")
CLIENT = {4: "10.0.0.1", 6: "fd00::1"}
BALANCER = {4: "10.0.0.5", 6: "fd00::5"}
BACKEND = {4: "10.0.0.11", 6: "fd00::11"}
VIP = {4: "192.0.2.10", 6: "2001:db8::10"}
LAYER = {4: IP, 6: IPv6}
PROTOCOL = {4: 4, 6: 41}
MTU = 1500
PORT = 8080

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Net(Lab):
    def __init__(self):
        super().__init__()
        self.bridge("sw")
        self.port = {}
        for name in "client", "lb", "be":
            # addresses are complete at once, so that two snapshots compare
            self.namespace(name)
            self.run(name, ["sysctl", "-w", "net.ipv6.conf.default.accept_dad=0",
                            "net.ipv6.conf.all.accept_dad=0"])
        for name, addresses in ("client", CLIENT), ("lb", BALANCER), ("be", BACKEND):
            self.port[name] = self.link(name, "eth0", "sw", [f"{addresses[4]}/24", f"{addresses[6]}/64"])
        self.link("be", "eth1", "sw")
        for name, count in ("client", 1), ("lb", 1), ("be", 2):
            wait_until(lambda: self.link_locals(name) == count, 10, "link-local addresses")
        for version in 4, 6:
            self.ip("client", "route", "add", VIP[version], "via", BALANCER[version])
            # the relay has its copy; the balancer's kernel must not answer "no route"
            self.ip("lb", "route", "add", "blackhole", VIP[version])
        self.state_dir = self.dir / "state"
        self.pins = Path(self.pin_dir()) / "pins"

    def link_locals(self, name):
        return self.run(name, ["ip", "address"]).stdout.count(" inet6 fe80:")

    def backend(self, *arguments, check=True, prefix=()):
        return self.run("be", [*prefix, program("fairlead-backend"), *arguments,
                               "--state-dir", self.state_dir, "--pin-dir", self.pins],
                        check=check)

    def up(self, *arguments, **options):
        return self.backend("up", "--interface", "eth0", *arguments, **options)

    def down(self, **options):
        return self.backend("down", "--interface", "eth0", **options)

    def status(self, interface="eth0"):
        return json.loads(self.backend("status", "--interface", interface, "-j").stdout)

    def counts(self):
        """{counter: packets} of those that are not 0."""
        return {c["counter"]: c["packets"] for c in self.status()["counters"] if c["packets"]}

    def peer(self, name, *arguments):
        """A process of backend_peer.py, once it is ready."""
        process = self.popen(name, ["/usr/bin/python3", PEER, *arguments], stdout=subprocess.PIPE,
                             text=True)
        assert process.stdout.readline() == "ready\n", arguments
        return process

    def peer_run(self, name, *arguments, **options):
        return self.run(name, ["/usr/bin/python3", PEER, *arguments], **options).stdout

    def send(self, name, *packets):
        self.peer_run(name, "send", "eth0", input="".join(bytes(p).hex() + "\n" for p in packets))

    def to_backend(self, packet, kind=None):
        """A frame of the balancer; @p kind is the EtherType where the packet is raw bytes."""
        frame = Ether(src=self.mac("lb", "eth0"), dst=self.mac("be", "eth0"))
        if kind is not None:
            frame.type = kind
        return frame / packet

    def snapshot(self):
        """All that `up` may touch, as it is now."""
        settings = self.run("be", ["sysctl", "-a", "-r", r"^net\.ipv[46]\.conf\."]).stdout
        addresses = json.loads(self.run("be", ["ip", "-j", "address"]).stdout)
        kernel = [self.run("be", ["tc", *words]).stdout for words in (
            ["qdisc", "show"], ["filter", "show", "dev", "eth0", "ingress"],
            ["filter", "show", "dev", "eth0", "egress"], ["filter", "show", "dev", "eth1", "egress"])]
        pins = sorted(str(p) for p in Path(self.pin_dir()).rglob("*"))
        state = sorted(p.name for p in self.state_dir.rglob("*")) if self.state_dir.exists() else []
        return settings, addresses, kernel, pins, state


@pytest.fixture(name="net")
def make_net():
    with Net() as net:
        yield net


@pytest.fixture(name="clean")
def check_clean(net):
    """The host before and after the test is the same; the test itself calls down()."""
    before = net.snapshot()
    yield net
    after = net.snapshot()
    net.down()
    assert after == before


@pytest.fixture(name="host")
def with_down(net):
    """Down at the end, whatever the test did, and every process of the test gone."""
    running = list(net.processes)
    yield net
    for process in [p for p in net.processes if p not in running]:
        net.stop(process)
    net.down()


def serve(net, version, address=None):
    return net.peer("be", "serve", "eth0", address or VIP[version], str(PORT))


def encapsulated(net, inner, outer, payload=None, **fields):
    """A frame of the balancer for the backend, @p payload in an outer header."""
    header = LAYER[outer](src=BALANCER[outer], dst=BACKEND[outer])
    setattr(header, "proto" if outer == 4 else "nh", PROTOCOL[inner])
    for name, value in fields.items():
        setattr(header, name, value)
    return net.to_backend(header / payload)


def datagram(inner, text=b"hello", target=None, source=None):
    return LAYER[inner](src=source or CLIENT[inner], dst=target or VIP[inner]) / \
        UDP(sport=40000, dport=PORT) / Raw(text)
