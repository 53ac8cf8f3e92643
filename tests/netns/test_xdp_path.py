# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: what a client does with a VIP works through real kernels at both ends, by each mode and family mix, the same on both
planes; and the XDP plane's forwarding outlives its process, which takes it over again without a packet lost.
Method: one text on two planes: a cluster with a router between client and balancer, real servers behind fairlead-backend,
changes by `fairlead config apply`. After every test received = the sum of the verdicts and drop_bug is 0.
"""

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from cluster import DPDK, FAR4, FAR6, VIP4, VIP6, XDP, Site, Stats, Traffic, backend4, backend6, vip
from dpdk_plane import Wire, is_tunnel, routed, untagged
from lab import program, wait_until

PREFIX4, IN_PREFIX4 = "198.18.7.0/24", ("198.18.7.1", "198.18.7.254")
PREFIX6, IN_PREFIX6 = "2001:db8:77::/64", ("2001:db8:77::1", "2001:db8:77:0:ffff::9")
ADDRESSES = (VIP4, VIP6, *IN_PREFIX4, *IN_PREFIX6)
PORTS = (53, 8000, 8005, 8009, 8010)
BOTH = {backend4(1): 1, backend4(2): 1}
UPLOAD_BYTES = 3 << 20
NO_HELP = ("--mtu", "1600")  # the backends' lowering of the MSS hides no path MTU


def far(backend_count, kind):
    """A site whose client reaches the VIPs by the first balancer."""
    site = Site(backend_count, kind)
    site.through("lb", destinations=(VIP4, VIP6, PREFIX4, PREFIX6))
    return site


@pytest.fixture(name="shared", scope="module", params=[XDP, DPDK])
def shared_fixture(request):
    with far(2, request.param) as site:
        for i in (1, 2):
            site.start_backend(i, vips=ADDRESSES, options=NO_HELP)
            Traffic(site, f"b{i}", "serve", f"b{i}", ",".join(map(str, PORTS)), *ADDRESSES)
        site.start_plane()
        site.write_config([])
        site.start_control()
        yield site


@pytest.fixture(name="site")
def site_fixture(shared):
    yield shared
    shared.stats()
    for i in (1, 2):  # run-time settings outlive a change of the file
        shared.fairlead("backend", "undrain", backend4(i), check=False)
    forget(shared)


@contextlib.contextmanager
def host_has(site, *addresses):
    """The balancer's own stack has these addresses."""
    for address in addresses:
        site.ip("lb", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
    try:
        yield
    finally:
        for address in addresses:
            site.ip("lb", "address", "del", address, "dev", "lo")


def forget(site, namespace="client"):
    """What a host learned of path MTUs."""
    for family in ("-4", "-6"):
        site.ip(namespace, family, "route", "flush", "cache")


def of_both(port=53, backends=None, protocol="udp", **policy):
    """A VIP of each family."""
    backends = backends or BOTH
    return [vip("four", VIP4, port, backends, protocol=protocol, **policy),
            vip("six", VIP6, port, backends, protocol=protocol, **policy)]


def path_mtu(site, namespace, destination):
    """What a host learned."""
    found = re.search(r"\bmtu (\d+)", site.run(namespace, ["ip", "route", "get", destination]).stdout)
    return int(found.group(1)) if found else None


# --- there and back ---


@pytest.mark.parametrize("mode, outer, overhead", [("ipip", 4, 20), ("ipip", 6, 40), ("gue", 4, 28), ("gue", 6, 48),
                                                   ("l2dsr", 4, 0), ("l2dsr", 6, 0)])
def test_path_uploads_learn_the_path_mtu(site, mode, outer, overhead):
    """Full segments without a hint in the handshake: the client is told what fits, and both families come through."""
    to = backend4(1) if outer == 4 else backend6(1)
    site.apply(of_both(80, {to: 1}, "tcp", mode=mode))
    data = os.urandom(UPLOAD_BYTES)
    (site.dir / "upload").write_bytes(data)
    stats = Stats(site)
    for address, host in ((VIP4, VIP4), (VIP6, f"[{VIP6}]")):
        answer = site.curl(f"http://{host}/", "-H", "Expect:", "-T", site.dir / "upload").stdout.strip()
        assert answer == f"b1 {UPLOAD_BYTES} {hashlib.sha256(data).hexdigest()}"
        assert path_mtu(site, "client", address) == (1500 - overhead if overhead else None), address
    assert stats.grown("forward") > 2 * UPLOAD_BYTES / 1460
    assert (stats.grown("answer_too_big") >= 2) == (overhead > 0)


def test_path_prefixes_ranges_and_any_port(site):
    site.apply([vip("range", PREFIX4, "8000-8009", BOTH, protocol="tcp"), vip("any4", PREFIX4, "any", BOTH, protocol="udp"),
                vip("any6", PREFIX6, "any", {backend6(1): 1, backend6(2): 1}, protocol="tcp")])
    names = [site.greeting(address, port) for _ in range(8) for address, port in
             ((IN_PREFIX4[0], 8000), (IN_PREFIX4[1], 8005), (IN_PREFIX4[0], 8009), (IN_PREFIX6[0], 53), (IN_PREFIX6[1], 8010))]
    names += [site.ask(address, port) for address in IN_PREFIX4 for port in PORTS]
    assert set(names) == {"b1", "b2"}
    with host_has(site, IN_PREFIX4[0]):  # the host's, who listens nowhere: no VIP of these has port 8010
        assert site.greeting(IN_PREFIX4[0], 8010) is None


def test_path_fragments_reach_one_backend(site):
    """A datagram of 8000 bytes each way; the first one teaches the client the size that fits."""
    for mode, overhead in (("ipip", 20), ("gue", 28)):
        site.apply(of_both(mode=mode))
        stats, names = Stats(site), []
        for address in (VIP4, VIP6):
            with site.socket(socket.SOCK_DGRAM, address) as udp:
                udp.sendto(bytes(8000), (address, 53))
                wait_until(lambda: path_mtu(site, "client", address) == 1500 - overhead, 10, f"{address}: path MTU")
            names += [site.ask(address, 53, os.urandom(8000)) for _ in range(8)]
        assert set(names) == {"b1", "b2"}
        assert stats.grown("forward") >= 16 * 6
        assert stats.grown("drop_fragment", "drop_no_backend") == [0, 0]
        forget(site)


# --- ICMP ---


def pings(site):
    """Three of each size and family, all answered; how many."""
    for address in (VIP4, VIP6):
        for size in (0, 56, 1400) * 3:
            # one at a time: behind the last of several ping waits for two round trips only, however short they are
            said = site.run("client", ["ping", "-c", "1", "-W", "10", "-s", size, address]).stdout
            assert " 0% packet loss" in said, said
    return 18


def test_path_echo_is_answered(site):
    site.apply(of_both())
    stats = Stats(site)
    sent = pings(site)
    assert stats.grown("answer_echo", "forward") == [sent, 0]
    for i in (1, 2):
        site.fairlead("backend", "drain", backend4(i), "--yes")
    assert {b["effective_weight"] for b in site.answer("backend", "list")["backends"]} == {0}
    sent += pings(site)
    assert stats.grown("answer_echo", "forward") == [sent, 0]


def decapsulated(site):
    counters = [json.loads(site.backend(i, "status", "-j").stdout)["counters"] for i in (1, 2)]
    return sum(c["packets"] for host in counters for c in host if c["counter"].startswith("decapsulated_"))


def host_echoes(site):
    """Requests that the balancer's own stack received, of both families."""
    said = site.run("lb", ["nstat", "-asz", "IcmpInEchos", "Icmp6InEchos"]).stdout
    return sum(int(line.split()[1]) for line in said.splitlines() if "InEchos" in line)


def test_path_echo_for_the_backends_or_the_host(site):
    site.apply(of_both(icmp_echo="forward"))
    stats, before = Stats(site), decapsulated(site)
    sent = pings(site)
    assert stats.grown("answer_echo", "forward") == [0, sent]
    assert decapsulated(site) == before + sent

    site.apply(of_both(icmp_echo="host"))
    with host_has(site, VIP4, VIP6):
        before = host_echoes(site)
        pings(site)
        assert host_echoes(site) - before == sent
    assert stats.grown("answer_echo", "forward") == [0, sent]


def test_path_icmp_errors_reach_the_backend_of_the_flow(site):
    """The way back is narrower than the way there: the router tells the VIP, and the balancer who sent it."""
    for mode, address, client in (("ipip", VIP4, FAR4), ("gue", VIP6, FAR6)):
        site.apply(of_both(80, protocol="tcp", mode=mode))
        host = f"[{address}]" if ":" in address else address
        site.ip("rt", "link", "set", "eth1", "mtu", "1300")
        try:
            for _ in range(4):
                for i in (1, 2):
                    forget(site, f"b{i}")
                answer = site.curl(f"http://{host}/200000").stdout
                assert len(answer) == 200000
                owner = answer[:2]
                other = {"b1": "b2", "b2": "b1"}[owner]
                assert path_mtu(site, owner, client) == 1300 and path_mtu(site, other, client) is None
        finally:
            site.ip("rt", "link", "set", "eth1", "mtu", "1500")


def test_path_icmp_errors_are_looked_at(site):
    """A crafted one for each of 40 flows goes where the flow goes; one that quotes what the VIP never sent, nowhere."""
    site.apply(of_both())
    router, gateway, taps = Wire(site.namespaces["rt"], "eth0"), site.mac("lb", "eth0"), {}
    for i in (1, 2):
        taps[f"b{i}"] = Wire(site.namespaces[f"b{i}"], "eth0")
    stats, own = Stats(site), site.mac("rt", "eth0")
    for port in range(41000, 41040):
        error = IP(src="203.0.113.1", dst=VIP4) / ICMP(type=3, code=4, nexthopmtu=1400)
        quoted = IP(src=VIP4, dst=FAR4) / UDP(sport=53, dport=port) / Raw(b"answer")
        told = site.answer("flow", "explain", "--vip", "four", "--src", f"{FAR4}:{port}")["backend"]
        router.send(Ether(src=own, dst=gateway) / error / quoted)
        name = {backend4(1): "b1", backend4(2): "b2"}[told]
        seen, = taps[name].receive(is_tunnel, 1)
        assert seen[34:] == routed(bytes(error / quoted))
    assert stats.grown("forward", "drop_icmp_quote") == [40, 0]
    quoted = IP(src=FAR4, dst=VIP4) / UDP(sport=53, dport=port) / Raw(b"answer")
    router.send(Ether(src=own, dst=gateway) / IP(src="203.0.113.1", dst=VIP4) / ICMP(type=3, code=4) / quoted)
    wait_until(lambda: stats.grown("drop_icmp_quote") == 1, 10, "the false one dropped")
    assert stats.grown("forward") == 40
    for wire in (router, *taps.values()):
        wire.close()


# --- tags, and nobody to send to ---


def test_path_tags_are_kept(site):
    site.apply(of_both(backends={backend4(1): 1}))
    router, tap = Wire(site.namespaces["rt"], "eth0"), Wire(site.namespaces["b1"], "eth0")
    packet = IP(src=FAR4, dst=VIP4) / UDP(sport=5353, dport=53) / Raw(b"question")
    for tags in ([Dot1Q(vlan=7, prio=3)], [Dot1AD(vlan=8), Dot1Q(vlan=9)]):
        made = Ether(src=site.mac("rt", "eth0"), dst=site.mac("lb", "eth0"))
        for tag in tags:
            made = made / tag
        router.send(made / packet)
        seen, = tap.receive(is_tunnel, 1)
        assert seen[12:12 + 4 * len(tags)] == bytes(made)[12:12 + 4 * len(tags)]
        assert untagged(seen)[34:] == routed(bytes(packet))
    router.close()
    tap.close()


def test_path_without_backends_it_may_be_the_hosts(site):
    site.apply([vip("host", VIP4, 53, BOTH, protocol="udp", no_backend="host"),
                vip("drop", VIP4, 8000, BOTH, protocol="udp")])
    with host_has(site, VIP4):
        host = Traffic(site, "lb", "serve", "lb", "53,8000", VIP4)
        assert site.ask(VIP4, 53) in ("b1", "b2")
        for i in (1, 2):
            site.fairlead("backend", "drain", backend4(i), "--yes")
        assert site.ask(VIP4, 53) == "lb"
        site.stop(host.process)
    stats = Stats(site)
    with site.socket(socket.SOCK_DGRAM, VIP4) as udp:
        udp.sendto(b"nobody", (VIP4, 8000))
        wait_until(lambda: stats.grown("drop_no_backend") == 1, 10, "the datagram dropped")


# --- the XDP plane's process comes and goes ---

RATE = 20000  # datagrams a second
ENOUGH = 15000  # between two events: the least that shows something
CONNECTIONS = 200
IPERF_PORT, IPERF_RATE = 5201, "20M"
CURL_BYTES, CURL_RATE = 100000, "20/s"


class Clients:
    """iperf3 with one connection that goes on, and curl with a new one each time, until they are told to end."""

    def __init__(self, site):
        self.server = site.popen("b1", ["iperf3", "-s", "-1", "--forceflush", "-p", IPERF_PORT], log="iperf3-server.log")
        wait_until(lambda: "listening" in site.log("iperf3-server.log"), 10, "iperf3's server")
        self.iperf = site.popen("client", ["iperf3", "-c", VIP4, "-p", IPERF_PORT, "-b", IPERF_RATE, "-t", 3600, "-J"],
                                stdout=subprocess.PIPE, text=True)
        self.curl = site.popen("client", ["curl", "-sS", "--rate", CURL_RATE, "-H", "Connection: close", "-o", "/dev/null", "-w",
                                          "%{stderr}%{http_code} %{size_download}\n", f"http://{VIP4}/[{CURL_BYTES}-{2 * CURL_BYTES}]"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.site = site

    def end(self):
        """iperf3's report, whose error is the interruption, and the lines of curl: one for each connection."""
        self.iperf.send_signal(signal.SIGINT)
        self.curl.send_signal(signal.SIGTERM)
        report, answers = json.loads(self.iperf.communicate(timeout=20)[0]), self.curl.communicate(timeout=20)[0].split("\n")
        for process in (self.iperf, self.curl, self.server):
            self.site.stop(process)
        return report, answers[:-1]


class Load:
    """Numbered datagrams, and connections that stay open."""

    def __init__(self, site):
        self.counts = [Traffic(site, f"b{i}", "count", 9000, VIP4, progress=True) for i in (1, 2)]
        self.held = Traffic(site, "client", "hold", VIP4, 8000, CONNECTIONS)
        self.stream = Traffic(site, "client", "stream", VIP4, 9000, RATE, progress=True)

    def more(self):
        self.stream.more(ENOUGH)

    def end(self):
        sent = self.stream.end()
        arrived = lambda: sum(count.count() for count in self.counts)
        try:
            wait_until(lambda: arrived() == sent["sent"], 3, "every datagram at the backends")
        except AssertionError:
            pass  # the numbers tell
        counted = [count.end() for count in self.counts]
        assert all(c["packets"] > 0 for c in counted)
        return sent, sum(c["distinct"] for c in counted), sum(c["packets"] for c in counted), self.held.end()


def pinned_ids(site):
    """(kind, id) of everything that a plane pinned."""
    ids = []
    for pin in (site.dir / "bpf/planes/plane0").iterdir():
        kind = "link" if pin.name.startswith("link_") else "map"
        shown = json.loads(site.run(None, ["bpftool", "-j", kind, "show", "pinned", pin]).stdout)
        ids.append((kind, shown["id"]))
    return ids


def attached(site):
    shown = json.loads(site.run("lb", ["ip", "-j", "link", "show", "eth0"]).stdout)[0]
    return shown.get("xdp", {}).get("prog", {}).get("id")


def exists(site, kind, number):
    return site.run(None, ["bpftool", kind, "show", "id", number], check=False).returncode == 0


def test_path_outlives_the_process(capsys):
    with far(2, XDP) as site:
        for i in (1, 2):
            site.start_backend(i)
            Traffic(site, f"b{i}", "serve", f"b{i}", "8000", VIP4)
        plane = site.start_plane()
        site.write_config([])
        daemon = site.start_control()
        site.apply([vip("udp", VIP4, 9000, BOTH, protocol="udp"), vip("tcp", VIP4, 8000, BOTH), vip("web", VIP4, 80, BOTH),
                    vip("iperf", VIP4, IPERF_PORT, {backend4(1): 1})])  # its two connections have to meet one server
        served = site.answer("status")["planes"][0]
        ids, old_program = pinned_ids(site), attached(site)
        load, clients = Load(site), Clients(site)
        load.more()

        before = site.stats()
        assert site.stop(plane, signal.SIGKILL) == -signal.SIGKILL
        load.more()  # nobody there but the kernel
        plane = site.start_plane()
        site.wait_in_sync()
        after = site.stats()
        assert all(after[verdict] >= count for verdict, count in before.items())
        assert after["forward"] >= before["forward"] + ENOUGH
        now = site.answer("status")["planes"][0]
        assert [now[key] for key in ("generation", "digest")] == [served[key] for key in ("generation", "digest")]
        assert pinned_ids(site) == ids, "maps and links are the same ones"
        assert attached(site) != old_program, "the program is its own"
        load.more()

        assert site.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
        load.more()
        site.start_control()
        site.wait_in_sync()
        load.more()
        report, answers = clients.end()
        sent, distinct, packets, held = load.end()
        lost = sent["sent"] - distinct
        with capsys.disabled():
            print(f"\nxdp kill -9, adoption, fairleadd kill -9: lost={lost} broken={held['broken']} packets={sent['sent']} "
                  f"twice={packets - distinct} connections={held['connections']} exchanges={held['rounds']} "
                  f"rate={sent['sent'] / sent['seconds']:.0f}/s iperf3={report['end']['sum_sent']['bytes']} bytes, "
                  f"{report['end']['sum_sent']['retransmits']} retransmits curl={len(answers)} connections")
        assert (lost, packets, held["broken"], sent["refused"]) == (0, distinct, 0, 0), held["errors"]
        assert report["error"].startswith("interrupt"), "iperf3's connections"
        assert len(answers) > 20
        assert answers == [f"200 {CURL_BYTES + i}" for i in range(len(answers))]
        assert sent["sent"] >= 4 * ENOUGH and held["rounds"] >= 4 * CONNECTIONS
        site.stats()

        assert site.stop(plane) == 0
        everything = ids + [("prog", attached(site))]
        assert all(exists(site, *one) for one in everything)
        site.run("lb", [program("fairlead-xdp"), "--detach", site.dir / "plane0.json"])
        assert attached(site) is None and os.listdir(f"{site.pin_dir()}/planes") == []
        wait_until(lambda: not any(exists(site, *one) for one in everything), 10, "program, maps and link gone")
