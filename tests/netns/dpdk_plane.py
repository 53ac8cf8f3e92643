# SPDX-License-Identifier: BSD-2-Clause
"""
fairlead-dpdk alone in a lab: a balancer and one peer on a cable, driven by raw JSON-RPC. The peer is client,
backend and wire tap: a packet socket that sends and sees whole frames.
"""

import contextlib
import ctypes
import json
import os
import secrets
import socket
import struct
import time

from lab import Lab, Rpc, program, wait_until

LB4, LB6 = "10.78.0.5", "fd78::5"
PEER4, PEER6 = "10.78.0.11", "fd78::11"
VIP4, VIP6 = "192.0.2.10", "2001:db8::10"
CLIENT4, CLIENT6 = "198.51.100.7", "2001:db8:c::7"
KEY = "000102030405060708090a0b0c0d0e0f"
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 0x10
CLONE_NEWNET = 0x40000000
SETTLED = 0.3  # seconds without a further frame: what does not come by then was dropped


@contextlib.contextmanager
def inside(namespace):
    """Sockets that are opened here are the namespace's."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), CLONE_NEWNET) == 0


class Wire:
    """Whole frames in and out of one interface."""

    def __init__(self, namespace, interface):
        with inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.socket.bind((interface, 0))

    def close(self):
        self.socket.close()

    def send(self, *frames):
        for frame in frames:
            self.socket.send(bytes(frame))

    def receive(self, wanted, count, seconds=10):
        """Up to @p count incoming frames for which wanted(bytes) holds."""
        found, deadline = [], time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                frame, auxiliary, _, address = self.socket.recvmsg(65536, 256)
            except TimeoutError:
                break
            frame = with_tag(frame, auxiliary)
            if address[2] != socket.PACKET_OUTGOING and wanted(frame):
                found.append(frame)
        return found


def with_tag(frame, auxiliary):
    """The frame as it came: the kernel takes the outer 802.1Q tag off before packet sockets see it."""
    for level, kind, data in auxiliary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data)
            if status & TP_STATUS_VLAN_VALID:
                return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


def untagged(frame):
    """The frame without its 802.1Q tags."""
    while frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
        frame = frame[:12] + frame[16:]
    return frame


def is_ip(frame, *protocols):
    """IPv4 or IPv6 whose protocol is one of these, tagged or not."""
    frame = untagged(frame)
    if frame[12:14] == b"\x08\x00":
        return frame[23] in protocols
    return frame[12:14] == b"\x86\xdd" and frame[20] in protocols


def is_tunnel(frame):
    return is_ip(frame, 4, 41)


def backends(*addresses, weight=100):
    return [{"address": address, "weight": weight} for address in addresses]


def vip(address, port, protocol, *addresses, **policy):
    return {"address": address, "port": port, "protocol": protocol, "table_size": 251,
            "backends": backends(*addresses), **policy}


def routed(packet):
    """An IP packet, in bytes, behind one router: its TTL or hop limit is 1 less."""
    packet = bytearray(packet)
    if packet[0] >> 4 == 6:
        packet[7] -= 1
        return bytes(packet)
    packet[8] -= 1
    packet[10:12] = bytes(2)
    packet[10:12] = struct.pack("!H", checksum(packet[:(packet[0] & 15) * 4]))
    return bytes(packet)


class PlaneLab(Lab):
    def __init__(self):
        super().__init__()
        self.key = self.dir / "hash.key"
        self.key.touch(0o600)
        self.key.write_text(KEY + "\n")
        self.pair("lb", "eth0", "peer", "eth0", [f"{LB4}/24", f"{LB6}/64"],
                  [f"{PEER4}/24", f"{PEER6}/64"])
        self.lb_mac, self.peer_mac = self.mac("lb", "eth0"), self.mac("peer", "eth0")
        # answers to clients leave by the cable too: what the host's stack says is seen
        for client, router in ((CLIENT4, PEER4), (CLIENT6, PEER6)):
            self.ip("lb", "route", "add", client, "via", router)
        for address in (VIP4 + "/32", VIP6 + "/128"):
            nodad = ["nodad"] if ":" in address else []
            self.ip("lb", "address", "add", address, "dev", "lo", *nodad)
        self.wires = []

    def close(self):
        for wire in self.wires:
            wire.close()
        super().close()

    def tap(self, name="peer", interface="eth0"):
        wire = Wire(self.namespaces[name], interface)
        self.wires.append(wire)
        return wire

    def config(self, name="plane0", **more):
        config = {
            "version": 1, "name": name, "socket": str(self.dir / f"{name}.sock"),
            "key_file": str(self.key), "cores": {"main": 0, "workers": [os.cpu_count() - 1]},
            "hugepages": False, "memory_mb": 128, "pin_dir": f"{self.pin_dir()}/planes",
            "tables_dir": self.tables_dir(),
            "encap_source_ipv4": LB4, "encap_source_ipv6": LB6,
            "limits": {"vips": 64, "backends": 4096, "rows": 1 << 18},
            "ports": [{"name": "eth0", "device": "net_af_xdp0,iface=eth0"}], **more}
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
        return path

    def start(self, name="plane0", namespace="lb", **more):
        """Run fairlead-dpdk until it serves; process and a client of its socket."""
        path = self.config(name, **more)
        log = f"{name}-{secrets.token_hex(2)}.log"
        process = self.popen(namespace, [program("fairlead-dpdk"), path], log=log)

        def serves():
            assert process.poll() is None, self.log(log)
            return " serves " in self.log(log)
        wait_until(serves, 30, f"{name} serving")
        return process, Rpc(self.dir / f"{name}.sock")

    def start_to_fail(self, name="plane0", argv=(), **more):
        """Run fairlead-dpdk, which must end by itself: exit code and what it said."""
        result = self.run("lb", [program("fairlead-dpdk"), *argv, self.config(name, **more)],
                          check=False, timeout=30)
        return result.returncode, result.stderr

    def detach(self, name="plane0"):
        return self.run("lb", [program("fairlead-dpdk"), "--detach", self.dir / f"{name}.json"])

    def pins(self):
        directory = self.dir / "bpf" / "planes"
        return sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*")) \
            if directory.exists() else []

    def xdp(self, interface="eth0"):
        """The XDP program's id on the balancer's interface; None."""
        link = json.loads(self.run("lb", ["ip", "-j", "link", "show", interface]).stdout)[0]
        return link.get("xdp", {}).get("prog", {}).get("id")

    def filters(self, interface="eth0"):
        return self.run("lb", ["tc", "filter", "show", "dev", interface, "ingress"]).stdout


def commit(rpc, *vips):
    """Make these VIPs the whole state; wait until every backend can be reached."""
    generation = rpc.call("plane.hello")["generation"] + 1
    rpc.call("plane.prepare", generation=generation, full=True, vips=list(vips))
    rpc.call("plane.commit", generation=generation)

    def reachable():
        served = rpc.call("plane.stats")["vips"]
        return all(b["next_hop"] == "reachable" for v in served for b in v["backends"])
    wait_until(reachable, 10, "all next hops known")


def verdicts(rpc):
    """Counts by verdict; received is their sum, and what the cores received."""
    stats = rpc.call("plane.stats")
    counts = {v["verdict"]: v["packets"] for v in stats["verdicts"]}
    assert stats["received"] == sum(counts.values())
    return {name: count for name, count in counts.items() if count > 0}


def flow_hash(rpc, client, client_port, to):
    """The hash of a flow, as plane.explain says it."""
    steps = rpc.call("plane.explain", source=client, source_port=client_port,
                     destination=to["address"], destination_port=to["port"],
                     protocol=to["protocol"])["steps"]
    text = next(step["text"] for step in steps if step["step"] == "row")
    return int(text.split()[1].rstrip(","), 16)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
