# SPDX-License-Identifier: BSD-2-Clause
"""
fairlead-xdp alone in a lab: PlaneLab's balancer and peer on a cable, with the XDP plane in place of the DPDK one.
"""

import json
import secrets
import signal

from dpdk_plane import LB4, LB6, PlaneLab
from lab import Rpc, program, wait_until

PORT = {"name": "eth0", "interface": "eth0"}
LIMITS = {"vips": 64, "backends": 4096, "rows": 1 << 16, "fragments": 64}


class XdpLab(PlaneLab):
    def config(self, name="xdp0", **more):
        config = {
            "version": 1, "name": name, "socket": str(self.dir / f"{name}.sock"), "key_file": str(self.key),
            "pin_dir": f"{self.pin_dir()}/planes", "encap_source_ipv4": LB4, "encap_source_ipv6": LB6,
            "limits": LIMITS, "ports": [PORT], **more}
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
        return path

    def start(self, name="xdp0", namespace="lb", before=(), **more):
        """Run fairlead-xdp until it serves; process and a client of its socket. @param before words of a command
        line that runs it."""
        path = self.config(name, **more)
        log = f"{name}-{secrets.token_hex(2)}.log"
        process = self.popen(namespace, [*before, program("fairlead-xdp"), path], log=log)
        process.log = log

        def serves():
            assert process.poll() is None, self.log(log)
            if " serves " not in self.log(log):  # the socket is there before the program is attached
                return None
            return Rpc(self.dir / f"{name}.sock")
        return process, wait_until(serves, 20, f"{name} serving:\n{self.log(log)}")

    def start_to_fail(self, name="xdp0", argv=(), before=(), **more):
        """Run fairlead-xdp, which must end by itself: exit code and what it said."""
        result = self.run("lb", [*before, program("fairlead-xdp"), *argv, self.config(name, **more)],
                          check=False, timeout=30)
        return result.returncode, result.stderr

    def detach(self, name="xdp0", check=True):
        return self.run("lb", [program("fairlead-xdp"), "--detach", self.dir / f"{name}.json"], check=check)

    def kill(self, process):
        assert self.stop(process, signal.SIGKILL) == -signal.SIGKILL

    def xdp_mode(self, interface="eth0"):
        """"xdp" (native) or "xdpgeneric"; None."""
        words = self.run("lb", ["ip", "link", "show", interface]).stdout.split()
        return next((word for word in words if word in ("xdp", "xdpgeneric", "xdpoffload")), None)

    def link_id(self, port="eth0", name="xdp0"):
        """The attachment of a port; None."""
        pin = self.dir / f"bpf/planes/{name}/link_{port}"
        if not pin.exists():
            return None
        return json.loads(self.run(None, ["bpftool", "-j", "link", "show", "pinned", pin]).stdout)["id"]

    def ifindex(self, interface):
        return json.loads(self.run("lb", ["ip", "-j", "link", "show", interface]).stdout)[0]["ifindex"]

    def map_bytes(self, name, index=0, plane="xdp0"):
        """One element of a pinned array."""
        key = ["key", "hex", *index.to_bytes(4, "little").hex(" ").split()]
        said = self.run(None, ["bpftool", "-j", "map", "lookup", "pinned", self.dir / f"bpf/planes/{plane}/{name}", *key])
        return bytes(int(byte, 16) for byte in json.loads(said.stdout)["value"])
