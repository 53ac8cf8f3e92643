# SPDX-License-Identifier: BSD-2-Clause
"""
A whole cluster in a lab: a client, a balancer with a plane (fairlead-dpdk on AF_XDP, or fairlead-xdp) and fairleadd, and
backends with fairlead-backend and a small TCP server of ours (sink.py). All programs are the real ones. A Site has a
router between the client and the rest, and room for a second balancer.
"""

import json
import mmap
import os
import secrets
import socket
import struct
import subprocess
import sys
from pathlib import Path

from dpdk_plane import inside
from lab import Lab, Rpc, program, wait_until

HERE = Path(__file__).resolve().parent
CLIENT4, CLIENT6 = "10.77.0.2", "fd77::2"
LB4, LB6 = "10.77.0.5", "fd77::5"
VIP4, VIP6 = "192.0.2.10", "2001:db8::10"
USER, GROUP = "fairlead", "fairlead" # tools/check makes them
DPDK, XDP = "dpdk", "xdp"
ROUTER4, ROUTER6 = "10.77.0.1", "fd77::1"
FAR4, FAR6 = "10.76.0.2", "fd76::2"  # the client of a site
SECOND4, SECOND6 = "10.77.0.6", "fd77::6"  # its second balancer


def backend4(i):
    return f"10.77.0.1{i}"


def backend6(i):
    return f"fd77::1{i}"


def vip(name, address, port, backends, **more):
    """A VIP of fairlead.json; @p backends is {address: weight}. New flows go to a row's new owner at once."""
    return {"name": name, "address": address, "port": port, "protocol": "tcp", "table_size": 4093, "hold_s": 0,
            "backends": [{"address": a, "weight": w} for a, w in backends.items()], **more}


class Cluster(Lab):
    def __init__(self, backend_count=2, kind=DPDK):
        super().__init__()
        self.backend_count = backend_count
        self.kind = kind  # of planes that are not told theirs
        self.control_socket = self.dir / "control.sock"
        self.config_file = self.dir / "fairlead.json"
        self.planes = []
        self.key = self.dir / "hash.key"
        self.key.touch(0o600)
        self.key.write_text(secrets.token_hex(16))
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        self.bridge("sw")
        self.link("client", "eth0", "sw", [f"{CLIENT4}/24", f"{CLIENT6}/64"])
        self.balancer("lb", LB4, LB6)
        self.ip("client", "route", "add", f"{VIP4}/32", "via", LB4)
        self.ip("client", "route", "add", f"{VIP6}/128", "via", LB6)
        for i in range(1, self.backend_count + 1):
            self.link(f"b{i}", "eth0", "sw", [f"{backend4(i)}/24", f"{backend6(i)}/64"])

    def balancer(self, name, address4, address6):
        """A namespace on the switch where planes of both kinds run."""
        port = self.link(name, "eth0", "sw", [f"{address4}/24", f"{address6}/64"])
        self.ip("sw", "link", "set", "dev", port, "xdpdrv", "object", str(self.pass_all()), "section", "xdp")
        # as on a wire: tags in the frame, and no putting together of what a program looks at
        self.run("sw", ["ethtool", "-K", port, "txvlan", "off", "tx-vlan-stag-hw-insert", "off", "gro", "off"])

    def start_backend(self, i, balancers=(LB4, LB6), port=80, vips=(VIP4, VIP6), options=()):
        """Take the tunnel off, and serve the VIPs' port."""
        words = [word for balancer in balancers for word in ("--from", balancer)]
        words += [word for address in vips for word in ("--vip", address)]
        self.backend(i, "up", *words, *options)
        sink = self.popen(f"b{i}", [sys.executable, HERE / "sink.py", f"b{i}", port],
                          log=f"sink-b{i}.log")
        wait_until(lambda: "ready" in self.log(f"sink-b{i}.log"), 10, f"the server of b{i}")
        return sink

    def backend(self, i, verb, *words):
        """Run fairlead-backend there."""
        return self.run(f"b{i}", [program("fairlead-backend"), verb, "--interface", "eth0", *words,
                                  "--state-dir", self.dir / f"b{i}", "--pin-dir", f"{self.pin_dir()}/b{i}"])

    # -- planes -----------------------------------------------------------------------------

    def plane_config(self, name, kind=None, **more):
        config = {
            "version": 1, "name": name, "socket": str(self.dir / f"{name}.sock"),
            "control_user": USER, "key_file": str(self.key), "pin_dir": f"{self.pin_dir()}/planes",
            "encap_source_ipv4": LB4, "encap_source_ipv6": LB6,
            "limits": {"vips": 64, "backends": 4096, "rows": 1 << 20}}
        if (kind or self.kind) == XDP:
            config["ports"] = [{"name": "eth0", "interface": "eth0"}]
        else:
            config |= {"cores": {"main": 0, "workers": [os.cpu_count() - 1]}, "hugepages": False, "memory_mb": 128,
                       "tables_dir": self.tables_dir(),
                       "ports": [{"name": "eth0", "device": "net_af_xdp0,iface=eth0"}]}
        config = {key: value for key, value in (config | more).items() if value is not None}
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps(config))
        if name not in self.planes:
            self.planes.append(name)
        return path

    def start_plane(self, name="plane0", kind=None, namespace="lb", **more):
        kind = kind or self.kind
        path = self.plane_config(name, kind, **more)
        log = f"{name}-{secrets.token_hex(2)}.log"
        process = self.popen(namespace, [program(f"fairlead-{kind}"), path], log=log)

        def listening():
            assert process.poll() is None, self.log(log)
            # the XDP plane's socket is there before its program is attached
            return " serves " in self.log(log) if kind == XDP else (self.dir / f"{name}.sock").exists()
        wait_until(listening, 20, f"{name} listening")
        return process

    def stats(self, name="plane0"):
        """plane.stats, once it was seen that every packet is counted once: the counts by verdict."""
        with Rpc(self.dir / f"{name}.sock") as rpc:
            stats = rpc.call("plane.stats")
        counts = {v["verdict"]: v["packets"] for v in stats["verdicts"]}
        assert stats["received"] == sum(counts.values())
        assert counts["drop_bug"] == 0
        return counts

    # -- control ----------------------------------------------------------------------------

    def write_config(self, vips):
        planes = [{"name": name, "socket": str(self.dir / f"{name}.sock")} for name in self.planes]
        self.config_file.write_text(json.dumps({"version": 1, "planes": planes, "vips": vips},
                                               indent=1))
        return self.config_file

    def start_control(self):
        process = self.popen("lb", [program("fairleadd"), "--config", self.config_file,
                                    "--socket", self.control_socket, "--user", USER, "--state-dir", self.dir / "state",
                                    "--group", GROUP], log="fairleadd.log")
        wait_until(lambda: self.fairlead("status", check=False).returncode == 0, 30,
                   "fairleadd answering")
        return process

    def fairlead(self, *argv, **options):
        return self.run(None, [program("fairlead"), "--socket", self.control_socket, *argv],
                        **options)

    def answer(self, *argv):
        return json.loads(self.fairlead("-j", *argv).stdout)

    def in_sync(self):
        planes = self.answer("status")["planes"]
        return len(planes) == len(self.planes) and all(plane["in_sync"] for plane in planes)

    def wait_in_sync(self):
        wait_until(self.in_sync, 20, "all planes in sync")

    def wait_reachable(self):
        def reachable():
            backends = self.answer("backend", "list")["backends"]
            return backends and all(b["next_hop"] == "reachable" for b in backends)
        wait_until(reachable, 20, "all next hops known")

    def digests(self):
        return [plane["digest"] for plane in self.answer("status")["planes"]]

    # -- the client -------------------------------------------------------------------------

    def curl(self, url, *more):
        return self.run("client", ["curl", "-s", "-S", "--max-time", "20", *more, url])

    def who(self, address=VIP4, count=1, port=80):
        """The backends that answered @p count connections."""
        host = f"[{address}]" if ":" in address else address
        return self.curl(f"http://{host}:{port}/?[1-{count}]", "-H",
                         "Connection: close").stdout.split()


class Stats:
    """What a plane counts from here on."""

    def __init__(self, cluster, name="plane0"):
        self.cluster, self.name, self.before = cluster, name, cluster.stats(name)

    def grown(self, *verdicts):
        now = self.cluster.stats(self.name)
        grown = [now[verdict] - self.before[verdict] for verdict in verdicts]
        return grown if len(verdicts) > 1 else grown[0]


class Traffic:
    """One process of traffic.py in a namespace of @p lab."""

    def __init__(self, lab, name, what, *argv, progress=False):
        self.lab, self.done = lab, None
        path = lab.dir / f"traffic-{secrets.token_hex(4)}"
        path.write_bytes(bytes(8))
        if progress:
            argv = (path, *argv)
        with path.open("rb") as file:
            self.progress = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
        self.process = lab.popen(name, [sys.executable, HERE / "traffic.py", what, *argv], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", f"traffic.py {what}"

    def count(self):
        return struct.unpack("=Q", self.progress[:])[0]

    def more(self, packets, seconds=60):
        """Wait until that many more went by."""
        wanted = self.count() + packets
        wait_until(lambda: self.count() >= wanted, seconds, f"{packets} more packets")

    def end(self):
        """What it says at its end."""
        said, _ = self.process.communicate(timeout=60)
        self.lab.processes.remove(self.process)
        return json.loads(said)


class Site(Cluster):
    """client -- rt -- sw: lb, lb2, b1... Backends answer through rt too; no route of rt's to the VIPs but those asked for."""

    def build(self):
        self.bridge("sw")
        self.pair("client", "eth0", "rt", "eth1", [f"{FAR4}/24", f"{FAR6}/64"], ["10.76.0.1/24", "fd76::1/64"])
        self.link("rt", "eth0", "sw", [f"{ROUTER4}/24", f"{ROUTER6}/64"])
        self.run("rt", ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                        "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1"])
        self.ip("client", "route", "add", "default", "via", "10.76.0.1")
        self.ip("client", "route", "add", "default", "via", "fd76::1")
        self.balancer("lb", LB4, LB6)
        self.balancer("lb2", SECOND4, SECOND6)
        backends = range(1, self.backend_count + 1)
        for i in backends:
            self.link(f"b{i}", "eth0", "sw", [f"{backend4(i)}/24", f"{backend6(i)}/64"])
        for name in ("lb", "lb2", *(f"b{i}" for i in backends)):
            self.ip(name, "route", "add", "default", "via", ROUTER4)
            self.ip(name, "route", "add", "default", "via", ROUTER6)

    def through(self, *balancers, destinations=(VIP4, VIP6)):
        """rt sends what is for the VIPs to these balancers (of "lb", "lb2"), a share each."""
        hops = {"lb": (LB4, LB6), "lb2": (SECOND4, SECOND6)}
        for destination in destinations:
            to = [hops[name][":" in destination] for name in balancers]
            words = ["via", to[0]] if len(to) == 1 else [w for hop in to for w in ("nexthop", "via", hop)]
            self.ip("rt", "route", "replace", destination, *words)

    def apply(self, vips):
        """Make these the VIPs; wait until they are served."""
        self.write_config(vips)
        self.fairlead("config", "apply", self.config_file)
        self.wait_in_sync()
        self.wait_reachable()

    def socket(self, kind, address, source_port=0):
        """The client's socket towards @p address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(self.namespaces["client"]):
            made = socket.socket(family, kind)
        made.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source_port))
        return made

    def greeting(self, address, port):
        """Who serves a TCP connection to there, by traffic.py's servers; None where it is refused."""
        with self.socket(socket.SOCK_STREAM, address) as tcp:
            tcp.settimeout(10)
            try:
                tcp.connect((address, port))
            except ConnectionRefusedError:
                return None
            return tcp.makefile().readline().strip()

    def ask(self, address, port, data=b"who", source_port=0):
        """Who answers a datagram to there; the answer has to hold what was sent."""
        with self.socket(socket.SOCK_DGRAM, address, source_port) as udp:
            udp.settimeout(10)
            udp.sendto(data, (address, port))
            name, _, back = udp.recv(65536).partition(b" ")
        assert back == data
        return name.decode()
