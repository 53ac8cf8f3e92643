# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: fairlead-backend turns a server into a backend, exactly so, and back.
Method: a client, a balancer and a backend on one switch, each a namespace. Encapsulated packets are
crafted, or made by a minimal balancer (backend_peer.py relay); what arrives is read at real sockets.
The host's state is compared before and after; the program is killed, and refused, at one system call
after another.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP, ICMP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab import Lab, program, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PEER = Path(__file__).with_name("backend_peer.py")
CLIENT = {4: "10.0.0.1", 6: "fd00::1"}
BALANCER = {4: "10.0.0.5", 6: "fd00::5"}
BACKEND = {4: "10.0.0.11", 6: "fd00::11"}
VIP = {4: "192.0.2.10", 6: "2001:db8::10"}
OTHER_VIP = "192.0.2.99"
LAYER = {4: IP, 6: IPv6}
PROTOCOL = {4: 4, 6: 41}
HEADER = {4: 20, 6: 40}
MIXES = [(4, 4), (6, 4), (4, 6), (6, 6)]  # (inner, outer)
MTU = 1500
UPLOAD_BYTES = 3 << 20
PORT = 8080
OTHERS = ["bpf", "bytecode", "1,6 0 0 0"]  # a filter of somebody else that matches nothing
KILL_STEP = 7  # every n-th system call; a prime, so that repeats of a pattern are met at each place

mixes = pytest.mark.parametrize("inner,outer", MIXES, ids=[f"{i}in{o}" for i, o in MIXES])


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

    def to_backend(self, packet, source=None):
        target = self.mac("be", "eth0")
        return Ether(src=source or self.mac("lb", "eth0"), dst=target) / packet

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


def datagram(inner, text=b"hello", target=None):
    return LAYER[inner](src=CLIENT[inner], dst=target or VIP[inner]) / \
        UDP(sport=40000, dport=PORT) / Raw(text)


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
    listener = host.peer("client", "listen", CLIENT[4], "40000")
    options = b"\x01" * 11 + b"\x00"
    host.send("lb", encapsulated(host, 4, 4, datagram(4), options=options and []))
    header = IP(src=BALANCER[4], dst=BACKEND[4], proto=4, ihl=8)
    raw = bytearray(bytes(header)[:20] + options)
    inner = bytes(datagram(4, b"options"))
    raw[2:4] = (32 + len(inner)).to_bytes(2, "big")
    raw[10:12] = b"\0\0"
    raw[10:12] = ip_checksum(bytes(raw)).to_bytes(2, "big")
    host.send("lb", host.to_backend(Raw(bytes(raw) + inner)).__class__(
        src=host.mac("lb", "eth0"), dst=host.mac("be", "eth0"), type=0x0800) / Raw(bytes(raw) + inner))
    assert json.loads(listener.stdout.readline())["data"] == b"hello".hex()
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
    # a host that forwards passes tunnels that are not its own
    host.run("be", ["sysctl", "-w", "net.ipv4.ip_forward=1"])
    try:
        host.send("lb", encapsulated(host, 4, 4, datagram(4), dst=CLIENT[4], src="10.0.0.6"))
        damaged = bytearray(bytes(encapsulated(host, 4, 4, datagram(4))))
        damaged[24] ^= 0xff  # the outer header's checksum
        host.send("lb", Raw(bytes(damaged)))
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
    relay = host.peer("lb", "relay", "eth0", host.mac("be", "eth0"), VIP[inner], BALANCER[outer],
                      BACKEND[outer])
    result = json.loads(host.peer_run("client", "upload", "eth0", VIP[inner], str(PORT),
                                      str(UPLOAD_BYTES)))
    assert relay.poll() is None
    assert result["sha256"] == result["expected"]
    assert mss_of(result["syn_ack"]) == MTU - HEADER[outer] - HEADER[inner] - 20
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
    ("lowered", [("MSS", 1460)], "MSS", 1420),
    ("kept when small", [("MSS", 500)], "MSS", 500),
    ("at an odd place", [("NOP", None), ("MSS", 1460)], "MSS", 1420),
    ("after others", [("Timestamp", (1, 2)), ("SAckOK", b""), ("NOP", None), ("WScale", 7),
                      ("NOP", None), ("MSS", 9000)], "MSS", 1420),
    ("none", [("NOP", None), ("WScale", 7)], "MSS", None),
    ("last of forty", [("NOP", None)] * 36 + [("MSS", 1460)], "MSS", 1420),
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
        lowered += expected == 1420
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
    assert host.status()["mss_max"] == {"ipv4": 1320, "ipv6": 1300}
    capture = host.peer("client", "capture", "eth0")
    host.peer_run("be", "send", "eth1", input=bytes(syn_ack(host, 4, [("MSS", 1460)])).hex())
    assert mss_of(capture.stdout.readline()) == 1320
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    assert host.status()["mss_max"] == {"ipv4": 1440, "ipv6": 1420}
    host.peer_run("be", "send", "eth1", input=bytes(syn_ack(host, 4, [("MSS", 1460)])).hex())
    assert mss_of(capture.stdout.readline()) == 1460  # eth1 is no reply interface any more


# -- up, down, status ---------------------------------------------------------------------------

def test_down_restores_everything(clean):
    clean.up("--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4], "--reply-interface", "eth1")
    during = clean.snapshot()
    assert "net.ipv4.conf.all.arp_ignore = 1\n" in during[0]
    assert "net.ipv4.conf.all.arp_announce = 2\n" in during[0]
    assert all(text for text in during[2])
    assert (clean.pins.stat().st_mode & 0o7777, clean.pins.stat().st_uid) == (0o700, 0)
    assert ((clean.pins / "eth0").stat().st_mode & 0o7777) == 0o700
    on_lo = {a["local"]: a["prefixlen"] for i in during[1] if i["ifname"] == "lo"
             for a in i["addr_info"]}
    assert on_lo[VIP[4]] == 32 and on_lo[VIP[6]] == 128
    assert clean.down().stdout == "eth0: down, every setting restored\n"


def test_only_a_strict_rp_filter_is_loosened(clean):
    for for_all, own, effective in (1, 0, "2"), (0, 1, "2"), (0, 0, "0"), (2, 1, "1"):
        for name, value in ("all", for_all), ("eth0", own):
            clean.run("be", ["sysctl", "-w", f"net.ipv4.conf.{name}.rp_filter={value}"])
        before = clean.snapshot()
        clean.up("--vip", VIP[4], "--from", BALANCER[4])
        now = clean.run("be", ["sysctl", "-n", "net.ipv4.conf.eth0.rp_filter"]).stdout.strip()
        clean.down()
        assert now == effective
        assert clean.snapshot() == before
    for name in "all", "eth0":
        clean.run("be", ["sysctl", "-w", f"net.ipv4.conf.{name}.rp_filter=0"])


def test_ipv6_alone_needs_no_setting(clean):
    before = clean.snapshot()
    clean.up("--vip", VIP[6], "--from", BALANCER[6])
    assert clean.snapshot()[0] == before[0]
    clean.down()


def test_what_was_there_before_stays(host):
    """A VIP that was on lo, a clsact qdisc with another's filter, stricter settings, the pin directory."""
    host.ip("be", "address", "add", f"{VIP[4]}/24", "dev", "lo")
    host.run("be", ["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    host.run("be", ["tc", "filter", "add", "dev", "eth0", "ingress", "pref", "7", *OTHERS])
    host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=2"])
    host.pins.mkdir(mode=0o700)
    try:
        before = host.snapshot()
        for _ in range(2):
            host.up("--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4])
        assert host.status()["state"] == "up"
        host.down()
        assert host.snapshot() == before
    finally:
        host.run("be", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])
        host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=0"])
        host.ip("be", "address", "del", f"{VIP[4]}/24", "dev", "lo")
        host.down()
        host.pins.rmdir()


def test_a_filter_that_came_later_keeps_the_qdisc(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    host.run("be", ["tc", "filter", "add", "dev", "eth0", "egress", "pref", "7", *OTHERS])
    try:
        result = host.down()
        assert "clsact qdisc stays" in result.stderr
        assert "pref 7" in host.run("be", ["tc", "filter", "show", "dev", "eth0", "egress"]).stdout
    finally:
        host.run("be", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])


def test_a_setting_changed_by_others_is_left_with_a_warning(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=8"])
    result = host.down()
    assert "arp_ignore was changed to 8" in result.stderr
    assert host.run("be", ["sysctl", "-n", "net.ipv4.conf.all.arp_ignore"]).stdout == "8\n"
    host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=0"])


def test_up_again_changes_in_place(clean):
    clean.run("be", ["sysctl", "-w", "net.ipv4.conf.eth0.rp_filter=1"])
    before = clean.snapshot()
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    clean.send("lb", encapsulated(clean, 4, 4, datagram(4, target="192.0.2.77")))
    wait_until(lambda: clean.counts() == {"dropped_not_vip": 1}, 10, "one drop counted")
    first = clean.snapshot()
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    again = clean.snapshot()
    assert (again[0], again[1], again[3], again[4]) == (first[0], first[1], first[3], first[4])
    clean.up("--vip", OTHER_VIP, "--vip", VIP[6], "--from", BALANCER[6], "--mtu", "1400")
    status = clean.status()
    assert status["state"] == "up" and status["problems"] == []
    assert status["vips"] == [OTHER_VIP, VIP[6]] and status["from"] == [BALANCER[6]]
    assert status["mtu"] == 1400
    assert clean.counts() == {"dropped_not_vip": 1}  # the counters went on
    on_lo = json.loads(clean.run("be", ["ip", "-j", "address", "show", "lo"]).stdout)[0]["addr_info"]
    locals_ = {a["local"] for a in on_lo}
    assert VIP[4] not in locals_ and {OTHER_VIP, VIP[6]} <= locals_
    clean.send("lb", encapsulated(clean, 4, 6, datagram(4, target=VIP[4])))
    wait_until(lambda: clean.counts() == {"dropped_not_vip": 2}, 10, "the old VIP is none any more")
    clean.down()
    assert clean.snapshot() == before
    clean.run("be", ["sysctl", "-w", "net.ipv4.conf.eth0.rp_filter=0"])


def test_two_interfaces_share_what_they_share(clean):
    before = clean.snapshot()
    clean.up("--vip", VIP[4], "--from", BALANCER[4], "--reply-interface", "eth1")
    clean.backend("up", "--interface", "eth1", "--vip", VIP[4], "--vip", OTHER_VIP, "--from",
                  BALANCER[4], "--reply-interface", "eth0")
    clean.down()
    during = clean.snapshot()
    assert "net.ipv4.conf.all.arp_ignore = 1\n" in during[0]
    assert clean.status("eth1")["state"] == "up"
    assert clean.backend("status", "--interface", "eth0", check=False).returncode == 1
    clean.backend("down", "--interface", "eth1")
    assert clean.snapshot() == before


def test_status_says_what_is_and_exits_1_when_it_is_not_up(host):
    result = host.backend("status", "--interface", "eth0", "-j", check=False)
    assert (result.returncode, json.loads(result.stdout)) == (1, {"interface": "eth0", "state": "down"})
    host.up("--vip", VIP[4], "--from", "10.0.0.0/29", "--reply-interface", "eth1")
    status = host.status()
    counters = status.pop("counters")
    assert status == {"interface": "eth0", "state": "up", "mtu": MTU,
                      "mss_max": {"ipv4": 1440, "ipv6": 1420}, "problems": [], "vips": [VIP[4]],
                      "from": ["10.0.0.0/29"], "reply_interfaces": ["eth1"]}
    assert [c["counter"] for c in counters] == [
        "decapsulated_ipv4", "decapsulated_ipv6", "dropped_source", "dropped_not_vip",
        "dropped_malformed", "dropped_nested", "dropped_fragment", "dropped_refused", "mss_lowered"]
    table = host.backend("status", "--interface", "eth0").stdout
    assert table.startswith("eth0: up\n") and "dropped_source" in table
    host.ip("be", "address", "del", f"{VIP[4]}/32", "dev", "lo")
    host.run("be", ["tc", "filter", "del", "dev", "eth0", "ingress"])
    result = host.backend("status", "--interface", "eth0", "-j", check=False)
    assert result.returncode == 1
    assert json.loads(result.stdout)["state"] == "incomplete"
    assert json.loads(result.stdout)["problems"] == [
        "the ingress filter of eth0 is not attached", "1 of 1 VIPs are not on lo"]
    host.up("--vip", VIP[4], "--from", "10.0.0.0/29")  # mends it
    assert host.status()["state"] == "up"


def test_an_interface_that_went_takes_its_part_along(clean):
    clean.link("be", "eth9.1", "sw")
    clean.backend("up", "--interface", "eth9.1", "--vip", VIP[4], "--from", BALANCER[4])
    clean.ip("be", "link", "delete", "eth9.1")
    result = clean.backend("status", "--interface", "eth9.1", "-j", check=False)
    assert (result.returncode, json.loads(result.stdout)["problems"]) == \
        (1, ["the interface eth9.1 is gone"])
    clean.link("be", "eth9.1", "sw")  # another one of that name
    clean.backend("up", "--interface", "eth9.1", "--vip", VIP[4], "--from", BALANCER[4])
    assert clean.status("eth9.1")["state"] == "up"
    clean.ip("be", "link", "delete", "eth9.1")
    clean.backend("down", "--interface", "eth9.1")


def test_a_lost_state_file_is_survived(clean):
    """The filters are known as this program's own by their names."""
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    shutil.rmtree(clean.state_dir)
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    clean.down()
    for name in "arp_ignore", "arp_announce":  # their originals went with the file
        clean.run("be", ["sysctl", "-w", f"net.ipv4.conf.all.{name}=0"])
    clean.ip("be", "address", "del", f"{VIP[4]}/32", "dev", "lo")
    clean.run("be", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])
    clean.pins.rmdir()


# -- killed, and refused, at every place --------------------------------------------------------

def traced(net, inject, *arguments):
    """`up` under strace with a fault injected; the result."""
    return net.up(*arguments, check=False,
                  prefix=["strace", "-qq", "-o", "/dev/null", "-e", f"inject={inject}"])


def calls_of_up(net, which, *arguments):
    """How many system calls of the set @p which an `up` makes."""
    log = net.dir / "strace.log"
    net.up(*arguments, prefix=["strace", "-qq", "-o", log, "-e", f"trace={which}"])
    return len(log.read_text().splitlines())


UP = ["--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4], "--reply-interface", "eth1"]
CHANGE = ["--vip", OTHER_VIP, "--vip", VIP[6], "--from", BALANCER[6]]
CHANGING = "write,sendto,sendmsg,bpf,rename,unlink,mkdir,rmdir,fsync"


def test_killed_anywhere_then_down_restores_everything(clean):
    before = clean.snapshot()
    total = calls_of_up(clean, CHANGING, *UP)
    clean.down()
    killed = 0
    for nth in range(1, total + 1, KILL_STEP):
        result = traced(clean, f"{CHANGING}:signal=KILL:when={nth}", *UP)
        killed += result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        clean.down()
        assert clean.snapshot()[:4] == before[:4], f"killed at call {nth}"
    assert killed > total // KILL_STEP // 2


def test_killed_in_a_change_then_up_or_down_recovers(clean):
    before = clean.snapshot()
    clean.up(*UP)
    total = calls_of_up(clean, CHANGING, *CHANGE)
    for nth in range(2, total + 1, 2 * KILL_STEP):
        clean.up(*UP)
        traced(clean, f"{CHANGING}:signal=KILL:when={nth}", *CHANGE)
        clean.up(*CHANGE)
        assert clean.status()["state"] == "up", f"killed at call {nth}"
        traced(clean, f"{CHANGING}:signal=KILL:when={nth}", *UP)
        clean.down()
        assert clean.snapshot() == before, f"killed at call {nth}"


@pytest.mark.parametrize("call", ["bpf", "sendto", "sendmsg,send", "rename", "fsync", "mkdir"])
def test_refused_anywhere_leaves_all_as_it_was(clean, call):
    before = clean.snapshot()
    total = calls_of_up(clean, call, *UP)
    clean.down()
    step = 1 if total < 40 else KILL_STEP
    refused = 0
    for nth in range(1, total + 1, step):
        result = traced(clean, f"{call}:error=ENOSPC:when={nth}", *UP)
        if result.returncode == 0:  # the program could do without, for instance a probe of libbpf
            clean.down()
        else:
            refused += 1
            assert result.returncode in (69, 70), result.stderr
            assert result.stderr.startswith("fairlead-backend: "), result.stderr
        assert clean.snapshot() == before, f"{call} {nth}: {result.stderr}"
    assert total == 0 or refused > 0


def test_a_refused_change_leaves_the_former_one(clean):
    clean.up(*UP)
    before = clean.snapshot()
    states = (clean.state_dir / "state.json").read_text()
    total = calls_of_up(clean, "bpf,sendto,sendmsg", *CHANGE)
    clean.up(*UP)
    refused = 0
    for nth in range(1, total + 1, KILL_STEP):
        result = traced(clean, f"bpf,sendto,sendmsg:error=ENOSPC:when={nth}", *CHANGE)
        if result.returncode == 0:
            clean.up(*UP)
            continue
        refused += 1
        after = clean.snapshot()
        assert (after[0], sorted_addresses(after[1]), after[3]) == \
            (before[0], sorted_addresses(before[1]), before[3]), f"call {nth}: {result.stderr}"
        status = clean.status()
        assert status["state"] == "up", f"call {nth}: {status['problems']}"
        assert status["vips"] == [VIP[4], VIP[6]] and status["reply_interfaces"] == ["eth1"]
    assert refused > 0
    assert json.loads(states)["addresses"]
    clean.down()


def sorted_addresses(interfaces):
    return [sorted(json.dumps(a, sort_keys=True) for a in i["addr_info"]) for i in interfaces]


# -- what is refused ----------------------------------------------------------------------------

BAD = [
    (69, "no interface", ["up", "--interface", "nosuch0", "--vip", VIP[4]]),
    (69, "no interface", ["up", "--interface", "a-name-too-long-for-linux", "--vip", VIP[4]]),
    (69, "no interface", ["up", "--interface", "../eth0", "--vip", VIP[4]]),
    (69, "no interface", ["up", "--interface", "eth0", "--vip", VIP[4], "--reply-interface", "no0"]),
    (69, "no interface", ["down", "--interface", "nosuch0"]),
    (69, "no interface", ["status", "--interface", "nosuch0"]),
    (69, "not an Ethernet", ["up", "--interface", "lo", "--vip", VIP[4]]),
    (78, "multicast", ["up", "--interface", "eth0", "--vip", "224.0.0.1"]),
    (78, "multicast", ["up", "--interface", "eth0", "--vip", "ff02::1"]),
    (78, "loopback", ["up", "--interface", "eth0", "--vip", "127.0.0.1"]),
    (78, "loopback", ["up", "--interface", "eth0", "--vip", "::1"]),
    (78, "cannot be a VIP", ["up", "--interface", "eth0", "--vip", "0.0.0.0"]),
    (78, "cannot be a VIP", ["up", "--interface", "eth0", "--vip", "fe80::1"]),
    (78, "not an IPv4 or IPv6 address", ["up", "--interface", "eth0", "--vip", "192.0.2.1/32"]),
    (78, "ADDRESS/LENGTH", ["up", "--interface", "eth0", "--vip", VIP[4], "--from", "10.0.0.1/8"]),
    (78, "as --vip and as --from", ["up", "--interface", "eth0", "--vip", VIP[4], "--from", VIP[4]]),
    (78, "--mtu", ["up", "--interface", "eth0", "--vip", VIP[4], "--mtu", "575"]),
    (78, "--mtu", ["up", "--interface", "eth0", "--vip", VIP[4], "--mtu", "1500x"]),
    (78, "--mtu", ["up", "--interface", "eth0", "--vip", VIP[4], "--mtu", "99999999999999999999"]),
    (78, "absolute path", ["up", "--interface", "eth0", "--vip", VIP[4], "--state-dir", "here"]),
    (78, "256 VIPs", ["up", "--interface", "eth0",
                      *(w for i in range(257) for w in ("--vip", f"198.18.{i // 250}.{i % 250 + 1}"))]),
    (64, "needs at least one --vip", ["up", "--interface", "eth0"]),
    (64, "--interface is missing", ["up", "--vip", VIP[4]]),
    (64, "a command is missing", ["--interface", "eth0"]),
    (64, "unknown command", ["restart", "--interface", "eth0"]),
    (64, "unexpected argument", ["up", "down", "--interface", "eth0"]),
    (64, "belong to up", ["down", "--interface", "eth0", "--vip", VIP[4]]),
    (64, "belongs to status", ["up", "--interface", "eth0", "--vip", VIP[4], "-j"]),
    (64, "unrecognized option", ["up", "--interface", "eth0", "--vpi", VIP[4]]),
]


@pytest.mark.parametrize("code,words,arguments", BAD, ids=lambda v: str(v)[:40])
def test_bad_arguments_end_in_a_sentence(clean, code, words, arguments):
    result = clean.run("be", [program("fairlead-backend"), "--state-dir", clean.state_dir,
                              "--pin-dir", clean.pins, *arguments], check=False)
    assert result.returncode == code, result.stderr
    assert words in result.stderr and result.stdout == ""
    assert result.stderr.startswith("fairlead-backend: ") or "fairlead-backend: " in result.stderr


def test_an_error_of_status_is_json_with_j(clean):
    result = clean.backend("status", "--interface", "nosuch0", "-j", check=False)
    assert result.returncode == 69 and result.stdout == ""
    assert json.loads(result.stderr)["error"]["code"] == "unavailable"


def test_help_and_version(clean):
    for option, words in ("--help", "Examples:"), ("--version", "fairlead-backend 0."):
        result = clean.run("be", [program("fairlead-backend"), option])
        assert words in result.stdout


@pytest.mark.parametrize("command", [["up", "--vip", VIP[4]], ["down"]], ids=["up", "down"])
def test_without_permission_it_says_so(clean, command):
    copy = clean.dir / "fairlead-backend"  # where nobody can reach it
    shutil.copy(program("fairlead-backend"), copy)
    result = clean.run("be", ["setpriv", "--reuid", "65534", "--clear-groups", copy, *command,
                              "--interface", "eth0"], check=False)
    assert result.returncode == 77
    assert result.stderr == "fairlead-backend: this needs CAP_NET_ADMIN and CAP_BPF; run it as root\n"


def test_without_cap_perfmon_it_works_and_warns(clean):
    result = clean.up("--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4],
                      prefix=["setpriv", "--bounding-set", "-perfmon,-sys_admin"])
    assert "CAP_PERFMON" in result.stderr
    assert clean.status()["state"] == "up"
    clean.down()


def test_a_pin_directory_must_be_on_a_bpffs(clean):
    for pins in clean.dir / "plain", clean.dir, clean.dir / "no" / "such":
        result = clean.run("be", [program("fairlead-backend"), "up", "--interface", "eth0", "--vip",
                                  VIP[4], "--from", BALANCER[4], "--state-dir", clean.state_dir,
                                  "--pin-dir", pins], check=False)
        assert result.returncode == 69
        assert "mount -t bpf bpf" in result.stderr


def test_another_ingress_qdisc_or_filter_is_not_touched(clean):
    for qdisc, more in ("ingress", None), ("clsact", ["pref", "4100", "handle", "1", *OTHERS]):
        clean.run("be", ["tc", "qdisc", "add", "dev", "eth0", qdisc])
        if more:
            clean.run("be", ["tc", "filter", "add", "dev", "eth0", "ingress", *more])
        middle = clean.snapshot()
        result = clean.up("--vip", VIP[4], "--from", BALANCER[4], check=False)
        assert result.returncode == 69
        assert "tc qdisc del" in result.stderr or "tc filter del" in result.stderr
        assert clean.snapshot()[3:] == middle[3:] and clean.snapshot()[:2] == middle[:2]
        clean.run("be", ["tc", "qdisc", "del", "dev", "eth0", qdisc])


def test_the_state_of_another_namespace_is_not_used(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    for command in (["up", "--vip", VIP[4]], ["down"], ["status"]):
        result = host.run("lb", [program("fairlead-backend"), *command, "--interface", "eth0",
                                 "--state-dir", host.state_dir, "--pin-dir", host.pins], check=False)
        assert result.returncode == 69
        assert "another network namespace" in result.stderr
    assert host.status()["state"] == "up"


def test_another_pin_directory_is_refused_while_up(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    result = host.run("be", [program("fairlead-backend"), "up", "--interface", "eth1", "--vip", VIP[4],
                             "--state-dir", host.state_dir, "--pin-dir", f"{host.pins}2"],
                      check=False)
    assert result.returncode == 78 and "--pin-dir" in result.stderr
