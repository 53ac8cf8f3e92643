# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: two planes of different kinds are one balancer: the same flow goes to the same backend through either, so a router may
move flows between them; a change is on both or on none; and no packet is made of two versions of a VIP.
Method: a router with equal-cost routes to a DPDK plane and an XDP plane with one key, driven by one fairleadd. Routes are
pinned to the one and the other, and the router's hash is seeded anew, under connections that stay open. For mixtures a VIP
is flipped between versions that differ in mode, outer family and backend, while every frame that arrives is looked at.
"""

import secrets
import signal

import pytest

from cluster import (DPDK, LB4, LB6, SECOND4, SECOND6, VIP4, VIP6, XDP, Site, Stats, Traffic, backend4, backend6, vip)
from dpdk_plane import commit
from lab import Rpc, wait_until

# the namespace, and the arguments of start_plane(): plane0 has room for few VIPs, plane1 for few rows
PLANES = {
    "lb": ("plane0", {"kind": DPDK, "encap_source_ipv4": LB4, "encap_source_ipv6": LB6,
                      "limits": {"vips": 5, "backends": 4096, "rows": 1 << 17}}),
    "lb2": ("plane1", {"kind": XDP, "encap_source_ipv4": SECOND4, "encap_source_ipv6": SECOND6,
                       "limits": {"vips": 64, "backends": 4096, "rows": 1 << 15}})}
FLOWS = 200
CONNECTIONS = 200
RESEEDS = 10


@pytest.fixture(name="shared", scope="module")
def shared_fixture():
    """Both planes and three backends."""
    with Site(3) as site:
        site.through("lb", "lb2")
        for i in (1, 2, 3):
            site.start_backend(i, balancers=(LB4, LB6, SECOND4, SECOND6))
            Traffic(site, f"b{i}", "serve", f"b{i}", "53,8000", VIP4, VIP6)
        for namespace, (name, settings) in PLANES.items():
            site.start_plane(name, namespace=namespace, **settings)
        site.write_config([])
        site.start_control()
        yield site


@pytest.fixture(name="site")
def site_fixture(shared):
    yield shared
    shared.through("lb", "lb2")
    for name, _ in PLANES.values():
        shared.stats(name)


def served(outer=backend4, **policy):
    """UDP and TCP VIPs of each family, three backends of different weights."""
    backends = {outer(1): 100, outer(2): 200, outer(3): 300}
    return [vip(f"{protocol}{family}", address, port, backends, protocol=protocol, **policy)
            for family, address in ((4, VIP4), (6, VIP6)) for protocol, port in (("udp", 53), ("tcp", 8000))]


def who(site, address):
    """The backend of each of FLOWS flows."""
    return [site.ask(address, 53, source_port=20000 + i) for i in range(FLOWS)]


def test_both_planes_choose_the_same_backend(site, capsys):
    differ = asked = 0
    for policy in ({}, {"outer": backend6, "mode": "gue"}):
        site.apply(served(**policy))
        digests = site.digests()
        assert len(digests) == 2 and digests[0] == digests[1]
        for address in (VIP4, VIP6):
            chosen = {}
            for balancer, (name, _) in PLANES.items():
                site.through(balancer)
                stats = Stats(site, name)
                chosen[balancer] = who(site, address)
                assert stats.grown("forward") == FLOWS, f"{balancer} alone has them"
            assert set(chosen["lb"]) == {"b1", "b2", "b3"}
            differ += sum(a != b for a, b in zip(chosen["lb"], chosen["lb2"]))
            asked += FLOWS
    with capsys.disabled():
        print(f"\nthe same flow through either plane: flows={asked} differ={differ}")
    assert differ == 0


@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_both_planes_carry_open_connections(site, capsys, address):
    site.apply(served())
    site.through("lb", "lb2")
    held = Traffic(site, "client", "hold", address, 8000, CONNECTIONS)

    def shares(least):
        """Wait until each balancer forwarded as much; what the two did."""
        stats = [Stats(site, name) for name, _ in PLANES.values()]
        wait_until(lambda: all(s.grown("forward") >= count for s, count in zip(stats, least)), 20, f"{least} packets")
        return [s.grown("forward") for s in stats]

    try:
        shares((CONNECTIONS, CONNECTIONS))
        for _ in range(RESEEDS):
            site.run("rt", ["sysctl", "-qw", f"net.ipv4.fib_multipath_hash_seed={secrets.randbelow(1 << 32)}"])
            shares((20, 20))
        for balancer, least in (("lb", (CONNECTIONS * 2, 0)), ("lb2", (0, CONNECTIONS * 2))):
            site.through(balancer)
            shares(least)
    finally:
        said = held.end()
    with capsys.disabled():
        print(f"\n{RESEEDS} reseeds of the router, then all to one plane and to the other: connections={CONNECTIONS} "
              f"broken={said['broken']} exchanges={said['rounds']}")
    assert said["broken"] == 0, said["errors"]
    assert set(said["names"]) == {"b1", "b2", "b3"} and said["rounds"] >= 4 * CONNECTIONS


def refused(site, vips, plane):
    """That plane cannot; both serve on what they served."""
    before, path = site.answer("status"), site.write_config(vips)
    done = site.fairlead("config", "apply", path, check=False)
    assert done.returncode == 78, done.stderr
    assert plane in done.stderr and "limit" in done.stderr, done.stderr
    after = site.answer("status")
    assert after["generation"] == before["generation"]
    for was, now in zip(before["planes"], after["planes"]):
        assert now["in_sync"] and [now[key] for key in ("generation", "digest")] == [was[key] for key in ("generation", "digest")]


def test_both_planes_change_or_none(site):
    site.apply(served())
    before = site.answer("status")
    few, many_rows = served()[:1], [vip("big", VIP4, 53, {backend4(1): 1}, protocol="udp", table_size=65537)]
    refused(site, many_rows, "plane1")
    refused(site, few + [vip(f"v{port}", VIP4, port, {backend4(1): 1}, table_size=251) for port in range(100, 106)], "plane0")
    assert set(who(site, VIP4)) == {"b1", "b2", "b3"}
    site.apply(few)
    after = site.answer("status")
    assert after["generation"] > before["generation"]
    assert [plane["generation"] for plane in after["planes"]] == [after["generation"]] * 2
    assert len(set(site.digests())) == 1 and site.digests() != [p["digest"] for p in before["planes"]]


def test_both_planes_agree_after_one_was_away(site):
    """A plane that is killed and comes back, and one that only lost its process, are in step again."""
    site.apply(served())
    digest = site.digests()
    site.through("lb2")
    held = Traffic(site, "client", "hold", VIP4, 8000, 50)
    stats = Stats(site, "plane1")
    for namespace in ("lb2", "lb"):
        name, settings = PLANES[namespace]
        process = next(p for p in site.processes if str(site.dir / f"{name}.json") in p.args)
        site.stop(process, signal.SIGKILL)
        wait_until(lambda: not site.in_sync(), 10, "the daemon seeing that it is gone")
        site.start_plane(name, namespace=namespace, **settings)
        site.wait_in_sync()
        site.wait_reachable()
        assert site.digests() == digest
    wait_until(lambda: stats.grown("forward") > 200, 10, "traffic")
    assert held.end()["broken"] == 0


# --- no packet of two versions ---

FLIPS = {XDP: 150, DPDK: 1000}  # at least: a grace period takes one many times as long as the other
FLIP_PACKETS = 10000  # at least
FLIP_RATE = 15000  # packets a second: what AF_XDP on a veth takes without loss
# (mode, backend, as frame_kind() of traffic.py tells it), the i-th for the i-th backend: everything changes, and the VIP
# is built anew; or only backends do, in the VIP's place
VERSIONS = {"modes": [("ipip", backend4(1), "ipip4"), ("gue", backend6(2), "gue6"), ("l2dsr", backend4(3), "plain")],
            "backends": [("gue", backend4(1), "gue4"), ("gue", backend6(2), "gue6"), ("gue", backend4(3), "gue4")]}


def flip_versions(site, kind, vips):
    """Put them in turn under load; packets sent."""
    with Rpc(site.dir / "plane0.sock") as rpc:
        # all are reached once, so that their next hops are known
        commit(rpc, vips[0] | {"backends": [one for vip in vips for one in vip["backends"]]})
        commit(rpc, vips[0])
        generation = rpc.call("plane.hello")["generation"]
        stream = Traffic(site, "client", "stream", VIP4, 9000, FLIP_RATE, progress=True)
        stream.more(100)
        flips = 0
        while flips < FLIPS[kind] or stream.count() < FLIP_PACKETS:
            flips += 1
            rpc.call("plane.prepare", generation=generation + flips, vips=[vips[flips % len(vips)]])
            rpc.call("plane.commit", generation=generation + flips)
        stream.more(100)
    return flips, stream.end()["sent"]


@pytest.mark.parametrize("versions", VERSIONS)
@pytest.mark.parametrize("kind", [XDP, DPDK])
def test_both_planes_mix_no_versions(capsys, kind, versions):
    with Site(3, kind) as site:
        site.through("lb")
        site.start_plane()
        taps = [Traffic(site, f"b{i}", "capture", "eth0", progress=True) for i in (1, 2, 3)]
        vips = [{"address": VIP4, "port": 9000, "protocol": "udp", "table_size": 251, "mode": mode,
                 "backends": [{"address": address, "weight": 1}]} for mode, address, _ in VERSIONS[versions]]
        flips, sent = flip_versions(site, kind, vips)
        forwarded = site.stats()["forward"]
        wait_until(lambda: sum(tap.count() for tap in taps) >= forwarded, 10, "every forwarded frame at the backends")
        seen = {tuple(what): packets for tap in taps for *what, packets in tap.end()["kinds"]}
        good = [(site.mac(f"b{i}", "eth0"), tunnel, VIP4 if tunnel == "plain" else address)
                for i, (_, address, tunnel) in enumerate(VERSIONS[versions], 1)]
        mixtures = sum(packets for what, packets in seen.items() if what not in good)
        with capsys.disabled():
            print(f"\n{kind}, {versions} change: flips={flips} packets={sum(seen.values())} mixtures={mixtures} "
                  f"sent={sent} by_version={[seen.get(what, 0) for what in good]}")
        assert mixtures == 0, seen
        assert min(seen.get(what, 0) for what in good) >= FLIP_PACKETS // 20, seen
