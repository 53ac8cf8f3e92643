# SPDX-License-Identifier: BSD-2-Clause
"""
A whole cluster in a lab: a client, a balancer with fairlead-dpdk on AF_XDP and fairleadd, and backends with
fairlead-backend and a small TCP server of ours (sink.py). All programs are the real ones.
"""

import json
import os
import secrets
import sys
from pathlib import Path

from lab import Lab, program, wait_until

HERE = Path(__file__).resolve().parent
CLIENT4, CLIENT6 = "10.77.0.2", "fd77::2"
LB4, LB6 = "10.77.0.5", "fd77::5"
VIP4, VIP6 = "192.0.2.10", "2001:db8::10"
USER, GROUP = "fairlead", "fairlead" # tools/check makes them


def backend4(i):
    return f"10.77.0.1{i}"


def backend6(i):
    return f"fd77::1{i}"


def vip(name, address, port, backends, **more):
    """A VIP of fairlead.json; @p backends is {address: weight}."""
    return {"name": name, "address": address, "port": port, "protocol": "tcp", "table_size": 4093,
            "backends": [{"address": a, "weight": w} for a, w in backends.items()], **more}


class Cluster(Lab):
    def __init__(self, backend_count=2):
        super().__init__()
        self.backend_count = backend_count
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
        self.link("lb", "eth0", "sw", [f"{LB4}/24", f"{LB6}/64"])
        self.ip("client", "route", "add", f"{VIP4}/32", "via", LB4)
        self.ip("client", "route", "add", f"{VIP6}/128", "via", LB6)
        for i in range(1, self.backend_count + 1):
            self.link(f"b{i}", "eth0", "sw", [f"{backend4(i)}/24", f"{backend6(i)}/64"])

    def start_backend(self, i, balancers=(LB4, LB6), port=80):
        """Take the tunnel off, and serve the VIPs' port."""
        allowed = [word for balancer in balancers for word in ("--from", balancer)]
        self.run(f"b{i}", [program("fairlead-backend"), "up", "--interface", "eth0",
                           "--vip", VIP4, "--vip", VIP6, *allowed,
                           "--state-dir", self.dir / f"b{i}", "--pin-dir", f"{self.pin_dir()}/b{i}"])
        sink = self.popen(f"b{i}", [sys.executable, HERE / "sink.py", f"b{i}", port],
                          log=f"sink-b{i}.log")
        wait_until(lambda: "ready" in self.log(f"sink-b{i}.log"), 10, f"the server of b{i}")
        return sink

    # -- planes -----------------------------------------------------------------------------

    def plane_config(self, name, **more):
        config = {
            "version": 1, "name": name, "socket": str(self.dir / f"{name}.sock"),
            "control_user": USER, "key_file": str(self.key),
            "cores": {"main": 0, "workers": [os.cpu_count() - 1]}, "hugepages": False,
            "memory_mb": 128, "pin_dir": f"{self.pin_dir()}/planes",
            "encap_source_ipv4": LB4, "encap_source_ipv6": LB6,
            "limits": {"vips": 64, "backends": 4096, "rows": 1 << 20},
            "ports": [{"name": "eth0", "device": "net_af_xdp0,iface=eth0"}], **more}
        config = {key: value for key, value in config.items() if value is not None}
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps(config))
        if name not in self.planes:
            self.planes.append(name)
        return path

    def start_plane(self, name="plane0", **more):
        path = self.plane_config(name, **more)
        log = f"{name}-{secrets.token_hex(2)}.log"
        process = self.popen("lb", [program("fairlead-dpdk"), path], log=log)

        def listening():
            assert process.poll() is None, self.log(log)
            return (self.dir / f"{name}.sock").exists()
        wait_until(listening, 20, f"{name} listening")
        return process

    # -- control ----------------------------------------------------------------------------

    def write_config(self, vips):
        planes = [{"name": name, "socket": str(self.dir / f"{name}.sock")} for name in self.planes]
        self.config_file.write_text(json.dumps({"version": 1, "planes": planes, "vips": vips},
                                               indent=1))
        return self.config_file

    def start_control(self):
        process = self.popen("lb", [program("fairleadd"), "--config", self.config_file,
                                    "--socket", self.control_socket, "--user", USER,
                                    "--group", GROUP], log="fairleadd.log")
        wait_until(lambda: self.fairlead("status", check=False).returncode == 0, 10,
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
