# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: each backend's next hop is what the kernel's routes and neighbours say, follows every change of them, and is
"unreachable" whenever the MAC is not known; a neighbour that nobody else talks to is kept confirmed.
Method: plane_host (the real plane library) in a namespace with a real link to others that are backends and routers; what
it knows is read by plane.stats.
"""

import signal

import pytest

from lab import BUILD, Lab, Rpc, wait_until

PLANE_HOST = BUILD / "dataplane/plane/plane_host"
VIP4 = {"address": "192.0.2.1", "port": 80, "protocol": "tcp", "table_size": 1021}
HEAD_BYTES = 64 + 16 * 256  # struct tables_memory
SOON = 10    # events and first look-ups
RETRY = 25   # the longest back-off, and an answer
SILENCE = 60  # confirmation every 15 s, then the kernel's own probes


class NextHopLab(Lab):
    """Namespaces on one switch: the plane, two backends and two routers (which need no route back)."""

    def __init__(self):
        super().__init__()
        self.path = self.dir / "plane.sock"
        self.bridge("sw")
        self.cable = self.link("plane", "eth0", "sw", ["10.0.0.5/24", "fd00::5/64"])
        self.link("b1", "eth0", "sw", ["10.0.0.11/24", "fd00::11/64"])
        self.link("r1", "eth0", "sw", ["10.0.0.1/24", "fd00::1/64"])
        self.link("r2", "eth0", "sw", ["10.0.0.2/24", "fd00::2/64"])
        self.process = None
        self.generation = 0

    def start(self, *backends, mode="ipip"):
        self.launch()
        self.serve(*backends, mode=mode)
        return self

    def launch(self, log="plane.log"):
        """The tables are in a file: what a former process left there goes on."""
        self.process = self.popen("plane", [PLANE_HOST, "--socket", self.path, "--interface", "eth0",
                                            "--source", "10.0.0.5", "--source", "fd00::5",
                                            "--tables", self.dir / "tables"], log=log)
        wait_until(lambda: "ready" in self.log(log), SOON, "plane_host is ready")

    def serve(self, *backends, mode="ipip"):
        self.generation += 1
        entries = [{"address": address, "weight": 1} for address in backends]
        with Rpc(self.path) as rpc:
            rpc.call("plane.prepare", generation=self.generation, full=True,
                     vips=[{**VIP4, "mode": mode, "backends": entries}])
            rpc.call("plane.commit", generation=self.generation)

    def links(self):
        """The link words of the slots in use, as packet cores read them; they lie behind the file's head."""
        with open(self.dir / "tables", "rb") as file:
            file.seek(HEAD_BYTES)
            slots = file.read(64 * 1024)
        words = [int.from_bytes(slots[at:at + 8], "little") for at in range(0, len(slots), 64)]
        return [word for word in words if word != 0]

    def stats(self):
        with Rpc(self.path) as rpc:
            return rpc.call("plane.stats")

    def mac_of(self, address):
        """The MAC that packets for the backend are sent to; None: unreachable."""
        [backend] = [b for b in self.stats()["vips"][0]["backends"] if b["address"] == address]
        if backend["next_hop"] == "unreachable":
            assert "mac" not in backend and "port" not in backend
            return None
        assert backend["port"] == "eth0"
        return backend["mac"]

    def wait_mac(self, address, mac, seconds=SOON):
        wait_until(lambda: self.mac_of(address) == mac, seconds, f"{address} is at {mac}")

    def wait_unreachable(self, address, seconds=SOON):
        wait_until(lambda: self.mac_of(address) is None, seconds, f"{address} is unreachable")

    def port(self):
        return self.stats()["ports"][0]


@pytest.fixture
def lab():
    with NextHopLab() as made:
        yield made
        if made.process is not None:
            assert made.stop(made.process) == 0, made.log("plane.log")


def test_nexthop_resolves_neighbours_of_both_families(lab):
    mac = lab.mac("b1", "eth0")
    lab.start("10.0.0.11", "fd00::11", "10.0.0.99", "fd00::99")
    lab.wait_mac("10.0.0.11", mac)
    lab.wait_mac("fd00::11", mac)
    assert lab.mac_of("10.0.0.99") is None
    assert lab.mac_of("fd00::99") is None
    # who comes later is found by trying again
    lab.link("b2", "eth0", "sw", ["10.0.0.99/24", "fd00::99/64"])
    lab.wait_mac("10.0.0.99", lab.mac("b2", "eth0"), RETRY)
    lab.wait_mac("fd00::99", lab.mac("b2", "eth0"), RETRY)


def test_nexthop_is_looked_up_for_backends_that_come_later(lab):
    lab.start("10.0.0.11")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    lab.serve("10.0.0.11", "10.0.0.2")
    lab.wait_mac("10.0.0.2", lab.mac("r2", "eth0"))
    lab.serve("10.0.0.1")
    lab.wait_mac("10.0.0.1", lab.mac("r1", "eth0"))


def test_nexthop_follows_a_new_mac(lab):
    lab.start("10.0.0.11", "fd00::11")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    lab.wait_mac("fd00::11", lab.mac("b1", "eth0"))
    lab.ip("b1", "link", "set", "eth0", "address", "02:00:00:00:b1:02")
    # its own ARP and ND tell the others
    lab.run("b1", ["ping", "-c", "1", "-W", "2", "10.0.0.5"], check=False)
    lab.wait_mac("10.0.0.11", "02:00:00:00:b1:02")
    lab.ip("plane", "neigh", "replace", "fd00::11", "lladdr", "02:00:00:00:b1:02", "dev", "eth0")
    lab.wait_mac("fd00::11", "02:00:00:00:b1:02")


def test_nexthop_of_l2dsr_is_the_backend_itself(lab):
    lab.ip("plane", "route", "add", "10.1.0.0/24", "via", "10.0.0.1")
    lab.start("10.0.0.11", "fd00::11", "10.1.0.11", mode="l2dsr")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    lab.wait_mac("fd00::11", lab.mac("b1", "eth0"))
    # the same backend by a tunnel is reachable through the router
    assert lab.mac_of("10.1.0.11") is None
    lab.serve("10.0.0.11", "10.1.0.11")
    lab.wait_mac("10.1.0.11", lab.mac("r1", "eth0"))
    lab.serve("10.0.0.11", "10.1.0.11", mode="l2dsr")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    assert lab.mac_of("10.1.0.11") is None
    # on the link after all
    lab.ip("plane", "route", "replace", "10.1.0.0/24", "dev", "eth0")
    lab.ip("r2", "address", "add", "10.1.0.11/24", "dev", "eth0")
    lab.wait_mac("10.1.0.11", lab.mac("r2", "eth0"), RETRY)


def test_nexthop_of_an_adopted_slot_stays_until_the_kernel_knows_better(lab):
    mac = lab.mac("b1", "eth0")
    lab.start("10.0.0.11", "fd00::11", "10.0.0.1")
    for address in "10.0.0.11", "fd00::11":
        lab.wait_mac(address, mac)
    lab.wait_mac("10.0.0.1", lab.mac("r1", "eth0"))
    before = sorted(lab.links())
    assert len(before) == 3
    lab.process.kill()
    lab.process.wait()
    # the kernel forgot one; another backend moved, and one is dead
    lab.ip("plane", "neigh", "flush", "all")
    lab.ip("r1", "link", "set", "eth0", "down")
    lab.launch(log="plane2.log")
    assert sorted(lab.links()) == before, "a start wrote over working links"
    assert "generation 1 of an earlier process goes on: 1 VIP, " in lab.log("plane2.log")
    with Rpc(lab.path) as rpc:
        assert rpc.call("plane.hello")["generation"] == 1
    for address in "10.0.0.11", "fd00::11":
        assert lab.mac_of(address) == mac
    lab.wait_unreachable("10.0.0.1", RETRY)
    for address in "10.0.0.11", "fd00::11":
        assert lab.mac_of(address) == mac
    # followed as ever
    lab.ip("plane", "neigh", "replace", "10.0.0.11", "lladdr", "02:00:00:00:b1:09", "dev", "eth0", "nud", "permanent")
    lab.wait_mac("10.0.0.11", "02:00:00:00:b1:09")


def test_nexthop_is_unreachable_without_its_neighbour(lab):
    mac = lab.mac("b1", "eth0")
    lab.start("10.0.0.11")
    lab.wait_mac("10.0.0.11", mac)
    # gone for good: the far end of the cable is cut
    lab.ip("b1", "link", "set", "eth0", "down")
    lab.ip("plane", "neigh", "del", "10.0.0.11", "dev", "eth0")
    lab.wait_unreachable("10.0.0.11")
    lab.ip("b1", "link", "set", "eth0", "up")
    lab.wait_mac("10.0.0.11", mac, RETRY)
    # deleted only: found again at once
    lab.ip("plane", "neigh", "del", "10.0.0.11", "dev", "eth0")
    lab.wait_mac("10.0.0.11", mac)
    lab.ip("plane", "neigh", "change", "10.0.0.11", "dev", "eth0", "nud", "failed")
    lab.wait_mac("10.0.0.11", mac)


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"])
def test_nexthop_takes_no_mac_that_is_nobodys(lab, mac):
    lab.start("10.0.0.77", "10.0.0.11")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    lab.ip("plane", "neigh", "replace", "10.0.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0", "nud", "permanent")
    lab.wait_mac("10.0.0.77", "02:00:00:00:00:77")
    lab.ip("plane", "neigh", "replace", "10.0.0.77", "lladdr", mac, "dev", "eth0", "nud", "permanent")
    lab.wait_unreachable("10.0.0.77")


def test_nexthop_follows_routes(lab):
    lab.start("10.1.0.11", "fd01::11")
    assert lab.mac_of("10.1.0.11") is None
    lab.ip("plane", "route", "add", "10.1.0.0/24", "via", "10.0.0.1")
    lab.ip("plane", "route", "add", "fd01::/64", "via", "fd00::1")
    lab.wait_mac("10.1.0.11", lab.mac("r1", "eth0"))
    lab.wait_mac("fd01::11", lab.mac("r1", "eth0"))
    # a longer prefix, another gateway
    lab.ip("plane", "route", "add", "10.1.0.11/32", "via", "10.0.0.2")
    lab.ip("plane", "route", "add", "fd01::11/128", "via", "fd00::2")
    lab.wait_mac("10.1.0.11", lab.mac("r2", "eth0"))
    lab.wait_mac("fd01::11", lab.mac("r2", "eth0"))
    # a rule that knows better
    lab.ip("plane", "route", "add", "10.1.0.11/32", "via", "10.0.0.1", "table", "77")
    lab.ip("plane", "rule", "add", "to", "10.1.0.11", "lookup", "77")
    lab.wait_mac("10.1.0.11", lab.mac("r1", "eth0"))
    lab.ip("plane", "rule", "del", "to", "10.1.0.11", "lookup", "77")
    lab.wait_mac("10.1.0.11", lab.mac("r2", "eth0"))
    # an IPv6 gateway for IPv4
    lab.ip("plane", "route", "replace", "10.1.0.11/32", "via", "inet6", "fd00::1", "dev", "eth0")
    lab.wait_mac("10.1.0.11", lab.mac("r1", "eth0"))
    for kind in "unreachable", "blackhole", "prohibit":
        lab.ip("plane", "route", "replace", kind, "10.1.0.11/32")
        lab.wait_unreachable("10.1.0.11")
        lab.ip("plane", "route", "del", kind, "10.1.0.11/32")
        lab.wait_mac("10.1.0.11", lab.mac("r1", "eth0"))
    # the plane's own address is nobody's next hop; nor is a way out that is no port of the plane
    lab.ip("plane", "address", "add", "10.1.0.11/32", "dev", "lo")
    lab.wait_unreachable("10.1.0.11")
    lab.ip("plane", "address", "del", "10.1.0.11/32", "dev", "lo")
    lab.wait_mac("10.1.0.11", lab.mac("r1", "eth0"))
    lab.pair("plane", "side0", "r2", "side0", ["10.2.0.1/24"], ["10.2.0.2/24"])
    lab.ip("plane", "route", "add", "10.1.0.11/32", "via", "10.2.0.2")
    lab.wait_unreachable("10.1.0.11")


def test_nexthop_follows_the_port(lab):
    mac = lab.mac("b1", "eth0")
    lab.start("10.0.0.11", "fd00::11")
    lab.wait_mac("10.0.0.11", mac)
    lab.wait_mac("fd00::11", mac)
    assert lab.port()["mac"] == lab.mac("plane", "eth0")
    assert lab.port()["mtu"] == 1500
    lab.ip("plane", "link", "set", "eth0", "mtu", "1400")
    wait_until(lambda: lab.port()["mtu"] == 1400, SOON, "the port's MTU is followed")
    lab.ip("plane", "link", "set", "eth0", "address", "02:00:00:00:00:aa")
    wait_until(lambda: lab.port()["mac"] == "02:00:00:00:00:aa", SOON, "the port's MAC is followed")
    lab.ip("plane", "link", "set", "eth0", "down")
    lab.wait_unreachable("10.0.0.11")
    lab.wait_unreachable("fd00::11")
    lab.ip("plane", "link", "set", "eth0", "up")
    lab.wait_mac("10.0.0.11", mac)
    lab.ip("plane", "address", "add", "fd00::5/64", "dev", "eth0", "nodad")  # went with the link
    lab.wait_mac("fd00::11", mac, RETRY)
    # the cable is pulled: route and entry stay, and lead nowhere
    lab.ip("plane", "neigh", "replace", "10.0.0.11", "lladdr", mac, "dev", "eth0", "nud", "permanent")
    lab.ip("sw", "link", "set", lab.cable, "down")
    lab.wait_unreachable("10.0.0.11")
    assert "PERMANENT" in lab.run("plane", ["ip", "neigh", "show", "10.0.0.11"]).stdout
    lab.ip("sw", "link", "set", lab.cable, "up")
    lab.wait_mac("10.0.0.11", mac)
    # the interface goes for good
    lab.ip("plane", "link", "del", "eth0")
    lab.wait_unreachable("10.0.0.11")


def test_nexthop_notices_a_neighbour_that_fell_silent(lab):
    """Only the plane uses the entry, and not through the kernel: without its asking it would stay stale for ever."""
    mac = lab.mac("b1", "eth0")
    for name in "base_reachable_time_ms=4000", "delay_first_probe_time=1", "retrans_time_ms=200":
        lab.run("plane", ["sysctl", "-q", "-w", f"net.ipv4.neigh.eth0.{name}"])
    lab.start("10.0.0.11", "10.0.0.1")
    lab.wait_mac("10.0.0.11", mac)
    lab.wait_mac("10.0.0.1", lab.mac("r1", "eth0"))
    # the kernel lost interest; nothing but the plane will ask
    wait_until(lambda: "STALE" in lab.run("plane", ["ip", "neigh", "show", "10.0.0.11"]).stdout, SILENCE,
               "the entry is stale")
    lab.ip("b1", "link", "set", "eth0", "down")
    lab.wait_unreachable("10.0.0.11", SILENCE)
    # whoever answers is never given up meanwhile
    assert lab.mac_of("10.0.0.1") == lab.mac("r1", "eth0")


def test_nexthop_reads_everything_again_when_events_were_lost(lab):
    lab.start("10.0.0.11", "10.1.0.11")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    lab.process.send_signal(signal.SIGSTOP)
    try:
        batch = "".join(f"route add 10.{100 + i // 256}.{i % 256}.0/24 via 10.0.0.1\n" for i in range(12000 // 4))
        batch += batch.replace("add", "del")
        lab.run("plane", ["ip", "-batch", "-"], input=batch * 4)
        lab.ip("plane", "neigh", "replace", "10.0.0.11", "lladdr", "02:00:00:00:b1:03", "dev", "eth0", "nud", "permanent")
        lab.ip("plane", "route", "add", "10.1.0.0/24", "via", "10.0.0.2")
        lab.ip("plane", "link", "set", "eth0", "mtu", "1300")
    finally:
        lab.process.send_signal(signal.SIGCONT)
    lab.wait_mac("10.0.0.11", "02:00:00:00:b1:03")
    lab.wait_mac("10.1.0.11", lab.mac("r2", "eth0"))
    assert lab.port()["mtu"] == 1300
    assert "netlink events were lost" in lab.log("plane.log")


def test_nexthop_many_backends_delay_nobody(lab):
    """More look-ups than a turn does, most of them in vain: the socket is served between."""
    lab.ip("plane", "route", "add", "10.64.0.0/16", "via", "10.0.0.1")
    lab.start("10.0.0.11")
    lab.wait_mac("10.0.0.11", lab.mac("b1", "eth0"))
    far = [f"10.64.{i // 250}.{1 + i % 250}" for i in range(100)] + [f"10.66.0.{i}" for i in range(1, 3)]
    lab.serve("10.0.0.11", *far[:100])
    for address in far[:100:33]:
        lab.wait_mac(address, lab.mac("r1", "eth0"))
    assert lab.mac_of("10.0.0.11") == lab.mac("b1", "eth0")
