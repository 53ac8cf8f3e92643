# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: the programs together carry connections from clients to backends, through changes and failures of the daemons.
Method: a cluster in namespaces with the real programs; curl is the client. What a step should change is
read from the programs' own answers, and what it should not is compared before and after.
"""

import hashlib
import json
import os
import signal

import pytest

from cluster import (VIP4, VIP6, Cluster, backend4, backend6, vip)
from lab import Rpc, program, wait_until

UPLOAD_BYTES = 3_000_000
NULL_PORT = [{"name": "null", "device": "net_null0", "host": "drop",
              "gateway_mac": "02:00:5e:00:00:01"}]


@pytest.fixture(name="cluster")
def cluster_fixture():
    with Cluster() as cluster:
        yield cluster


def conserved(cluster, name="plane0"):
    """received = sum of the verdicts, no bug; the verdicts."""
    with Rpc(cluster.dir / f"{name}.sock") as rpc:
        stats = rpc.call("plane.stats")
    verdicts = {v["verdict"]: v["packets"] for v in stats["verdicts"]}
    assert stats["received"] == sum(verdicts.values())
    assert verdicts["drop_bug"] == 0
    return verdicts


def both_families():
    """All four family mixes, a VIP each."""
    return [vip("4in4", VIP4, 80, {backend4(1): 1}), vip("4in6", VIP4, 81, {backend6(1): 1}),
            vip("6in4", VIP6, 80, {backend4(1): 1}), vip("6in6", VIP6, 81, {backend6(1): 1})]


def test_uploads_fit_in_every_family_mix(cluster):
    cluster.start_plane()
    cluster.start_backend(1)
    for port in (81,):
        cluster.popen("b1", ["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "sink.py"),
                             "b1", port], log="sink-81.log")
    wait_until(lambda: "ready" in cluster.log("sink-81.log"), 10, "the second server of b1")
    cluster.write_config(both_families())
    cluster.start_control()
    cluster.wait_in_sync()
    cluster.wait_reachable()

    data = os.urandom(UPLOAD_BYTES)
    (cluster.dir / "upload").write_bytes(data)
    expected = f"b1 {UPLOAD_BYTES} {hashlib.sha256(data).hexdigest()}"
    for host, port in ((VIP4, 80), (VIP4, 81), (f"[{VIP6}]", 80), (f"[{VIP6}]", 81)):
        answer = cluster.curl(f"http://{host}:{port}/", "-T", cluster.dir / "upload")
        assert answer.stdout.strip() == expected, f"{host}:{port}"
    assert conserved(cluster)["forward"] > 4 * UPLOAD_BYTES / 1460


def test_a_dead_control_daemon_stops_nothing(cluster):
    cluster.start_plane()
    for i in (1, 2):
        cluster.start_backend(i)
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1})])
    daemon = cluster.start_control()
    cluster.wait_in_sync()
    cluster.wait_reachable()
    assert set(cluster.who(count=40)) == {"b1", "b2"}
    before = cluster.answer("status")

    cluster.stop(daemon, signal.SIGKILL)
    assert len(cluster.who(count=40)) == 40
    cluster.start_control()
    cluster.wait_in_sync()
    after = cluster.answer("status")
    assert after["generation"] == before["generation"]
    assert cluster.digests() == [plane["digest"] for plane in before["planes"]]
    assert len(cluster.who(count=40)) == 40
    conserved(cluster)


def test_a_plane_that_comes_back_gets_the_state(cluster):
    plane = cluster.start_plane()
    cluster.start_backend(1)
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1})])
    cluster.start_control()
    cluster.wait_in_sync()
    cluster.wait_reachable()
    digest = cluster.digests()
    assert cluster.who() == ["b1"]

    cluster.stop(plane, signal.SIGKILL)
    wait_until(lambda: not cluster.in_sync(), 10, "the daemon seeing that the plane is gone")
    cluster.start_plane()
    cluster.wait_in_sync()
    cluster.wait_reachable()
    assert cluster.digests() == digest
    assert cluster.who(count=10) == ["b1"] * 10
    conserved(cluster)


def test_one_plane_refuses_and_none_changes(cluster):
    cluster.start_plane()
    cluster.start_plane("plane1", ports=NULL_PORT, encap_source_ipv6=None, pin_dir=None)
    cluster.start_backend(1)
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1})])
    cluster.start_control()
    cluster.wait_in_sync()
    before = cluster.digests()
    assert before[0] == before[1]

    # a change that plane1, without an IPv6 source, cannot encapsulate
    bad = cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend6(2): 1})])
    refused = cluster.fairlead("config", "apply", bad, check=False)
    assert refused.returncode == 78, refused.stderr
    line = next(n for n, text in enumerate(bad.read_text().split("\n"), 1) if backend6(2) in text)
    assert "plane1" in refused.stderr
    assert f"{bad}:{line}:" in refused.stderr or f"fairlead.json:{line}:" in refused.stderr
    assert cluster.digests() == before
    assert cluster.who(count=10) == ["b1"] * 10

    # and one that both can
    good = cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1})])
    cluster.fairlead("config", "apply", good)
    after = cluster.digests()
    assert after[0] == after[1] != before[0]


def test_drain_weight_and_undrain(cluster):
    cluster.start_plane()
    for i in (1, 2):
        cluster.start_backend(i)
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1})])
    cluster.start_control()
    cluster.wait_in_sync()
    cluster.wait_reachable()
    before = cluster.digests()

    cluster.fairlead("backend", "drain", backend4(1), "--vip", "web")
    assert cluster.who(count=50) == ["b2"] * 50
    # the last one that takes new flows is not drained by mistake
    refused = cluster.fairlead("backend", "drain", backend4(2), "--vip", "web", check=False)
    assert refused.returncode != 0 and cluster.who(count=10) == ["b2"] * 10
    cluster.fairlead("backend", "undrain", backend4(1), "--vip", "web")
    assert cluster.digests() == before
    cluster.fairlead("backend", "weight", backend4(1), "9", "--vip", "web")
    assert cluster.who(count=200).count("b1") > 140
    conserved(cluster)


def test_a_plane_that_moves_is_told(cluster):
    cluster.start_plane()
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1})])
    cluster.start_control()
    cluster.wait_in_sync()
    text = cluster.config_file.read_text()
    moved = cluster.dir / "moved.json"
    moved.write_text(text.replace("plane0.sock", "elsewhere.sock"))
    told = cluster.fairlead("config", "diff", moved, check=False)
    assert told.returncode == 1
    assert "~ plane plane0: socket" in told.stdout and "plan: 1 changed" in told.stdout
    assert cluster.fairlead("config", "diff", cluster.config_file).stdout.startswith(
        "plan: nothing changes")


def test_explain_tells_where_packets_go(cluster):
    cluster.start_plane()
    for i in (1, 2):
        cluster.start_backend(i)
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1})])
    cluster.start_control()
    cluster.wait_in_sync()
    cluster.wait_reachable()
    for port in range(41000, 41020):
        told = cluster.answer("flow", "explain", "--vip", "web", "--src", f"10.77.0.2:{port}")
        assert told["verdict"] == "forward"
        name = {backend4(1): "b1", backend4(2): "b2"}[told["backend"]]
        answer = cluster.curl(f"http://{VIP4}/", "--local-port", port)
        assert answer.stdout.strip() == name
    steps = [step["step"] for step in told["steps"]]
    assert steps == ["parse", "vip", "row", "backend", "encap", "next_hop"]


def test_stopping_the_plane_leaves_only_its_guard(cluster):
    plane = cluster.start_plane()
    cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1})])
    cluster.start_control()
    cluster.wait_in_sync()
    assert cluster.stop(plane) == 0
    shown = json.loads(cluster.run("lb", ["ip", "-j", "link", "show", "eth0"]).stdout)
    assert "xdp" not in shown[0]
    assert not (cluster.dir / "plane0.sock").exists()
    filters = cluster.run("lb", ["tc", "filter", "show", "dev", "eth0", "ingress"]).stdout
    assert "bpf" in filters
    cluster.run("lb", [program("fairlead-dpdk"), "--detach", cluster.dir / "plane0.json"])
    filters = cluster.run("lb", ["tc", "filter", "show", "dev", "eth0", "ingress"]).stdout
    assert "bpf" not in filters
    assert not os.listdir(cluster.pin_dir()) or not os.listdir(f"{cluster.pin_dir()}/planes")
