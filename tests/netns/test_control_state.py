# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: what an operator set while fairleadd ran is there after a restart, and nothing about the file it is kept in keeps
the daemon from serving.
Method: the real fairleadd, killed and started again over scripted planes, which keep what they serve, and once over a
real plane with traffic.
"""

import json
import os
import signal
import subprocess
import time

import pytest

from cluster import VIP4, XDP, Cluster, backend4, vip
from control_lab import control_fixture, web  # noqa: F401 (fixture)
from lab import program, wait_until

WEB = "192.0.2.1 80 tcp"
B1, B2 = "198.51.100.7", "198.51.100.8"
HELD = {"rows_leaving": 40, "flows": 3, "idle_ms": 1500}


@pytest.fixture(name="one")
def one_fixture(control):
    """One plane in sync with a daemon."""
    control.plane()
    control.start()
    control.in_sync()
    return control


def kill(control):
    assert control.daemon.end(signal.SIGKILL) == -signal.SIGKILL


def restart(control, config=None):
    kill(control)
    control.start(config)
    control.in_sync()


def weights(control):
    return dict(control.planes["plane0"].vips[WEB]["backends"])


def states(control):
    return {row["backend"]: row["state"] for row in control.ok("backend", "list")["backends"]}


def saved(control):
    return (control.state / "state.json").read_text()


def test_what_was_set_is_there_after_a_kill(one):
    one.ok("backend", "drain", "b1")
    one.ok("backend", "weight", "b2", 77)
    overlay = one.ok("config", "show")["overlay"]
    before = one.planes["plane0"].count("plane.commit")
    restart(one)
    assert one.ok("config", "show")["overlay"] == overlay
    assert weights(one) == {B1: 0, B2: 77}
    assert one.planes["plane0"].count("plane.commit") == before, "the plane was told nothing else meanwhile"
    assert "web: backend b1 stays drained" in one.daemon.log()
    one.ok("backend", "undrain", "b1")
    one.ok("backend", "weight", "b2", 50)  # as the file says
    restart(one)
    assert one.ok("config", "show")["overlay"] == []
    assert weights(one) == {B1: 100, B2: 50}


def test_a_removal_goes_on(one):
    one.planes["plane0"].holds[B1] = HELD
    one.ok("backend", "remove", "b1")
    restart(one)
    assert states(one) == {B1: "leaving", B2: "serving"}
    restart(one, one.config([web({"address": B2, "name": "b2", "weight": 50})]))  # the file has it not any more
    assert states(one)[B1] == "leaving" and weights(one)[B1] == 0
    one.planes["plane0"].holds.clear()
    wait_until(lambda: B1 not in states(one), 30, "the end of the removal")
    assert weights(one) == {B2: 50}
    restart(one, one.config([web()]))
    assert weights(one) == {B1: 100, B2: 50}  # it ended, and the file has it


def test_a_ramp_is_where_it_must_be(one):
    one.ok("backend", "weight", "b2", 1050, "--over", "1000s")
    restart(one)
    ramp = one.ok("backend", "list")["backends"][1]["ramp"]
    assert ramp["to"] == 1050 and 900 < ramp["left_s"] <= 1000
    one.ok("backend", "undrain", "b2")
    one.ok("backend", "weight", "b2", 1050, "--over", "5s")
    begun = time.monotonic()
    kill(one)
    assert '"ramp"' in (one.state / "state.json").read_text()
    wait_until(lambda: time.monotonic() > begun + 5.5, 30, "the ramp's end, with nobody there")
    one.start()
    wait_until(lambda: weights(one) == {B1: 100, B2: 1050}, 30, "the last step")


def test_a_plane_that_starts_anew_is_told_what_was_before(one):
    one.ok("backend", "drain", "b1")
    restart(one)
    one.planes["plane0"].stop()
    plane = one.plane()  # another one, which has nothing
    one.in_sync()
    prepared = [call for call in plane.calls if call[0] == "plane.prepare"]
    told = prepared[-1][1]["vips"][0]
    assert [[b["weight"] for b in s["backends"]] for s in told["history"]] == [[100, 50]]
    assert 0 < told["age_ms"] < 20_000 and told["history"][0]["age_ms"] >= told["age_ms"]


@pytest.mark.parametrize("text, what", [
    ('{"version":1,"vips":[\n{"address":', "state.json:2:"),
    ('{"version":2,"vips":[]}', "state.json:1:12: error: /version: "),
    ('{"version":1,"vips":[],\n"vipz":[]}', "state.json:2:1: error: /vipz: "),
    (" " * (4 << 20) + " ", "cannot be read: over 4 MiB"),
    (None, "cannot be read: not a regular file"),
], ids=["cut", "version", "member", "large", "directory"])
def test_a_damaged_file_is_put_aside(control, text, what):
    control.plane()
    control.state.mkdir()
    os.chmod(control.state, 0o777)
    path = control.state / "state.json"
    if text is None:
        path.mkdir()
    else:
        path.write_text(text)
    control.start()
    control.in_sync()
    assert what in control.daemon.log()
    assert control.daemon.log().count("what was set at run time before is forgotten, the file is kept as state.json.bad") == 1
    bad = control.state / "state.json.bad"
    assert bad.is_dir() if text is None else bad.read_text() == text
    control.ok("backend", "drain", "b1")
    restart(control)
    assert weights(control) == {B1: 0, B2: 50}
    assert (path.stat().st_mode & 0o777) & ~0o640 == 0


@pytest.mark.parametrize("where, why", [("state", "Permission denied"), ("no/where", "No such file or directory")])
def test_a_directory_that_cannot_be_used(control, where, why):
    """One warning, and status says so."""
    control.plane()
    control.state = control.dir / where
    if where == "state":
        control.state.mkdir(mode=0o755)  # root's
    control.start()
    control.in_sync()
    control.ok("backend", "drain", "b1")
    control.ok("backend", "undrain", "b1")
    control.ok("backend", "drain", "b2")
    error = control.ok("status")["state_error"]
    assert error.startswith("what is set at run time is not kept over a restart: ") and why in error
    assert control.daemon.log().count(error) == 1
    assert f"not kept    {error}\n" in control.cli("status")[1]
    restart(control)
    assert weights(control) == {B1: 100, B2: 50}


def test_two_daemons_do_not_share_a_directory(one):
    from control_lab import Control  # pylint: disable=import-outside-toplevel
    with Control() as second:
        second.plane()
        second.state = one.state
        second.start()
        assert "another fairleadd keeps its own there" in second.ok("status")["state_error"]
    assert one.ok("status")["state_error"] == ""


def test_a_full_disk(control):
    control.plane()
    control.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", control.state], check=True)
    try:
        control.start()
        control.in_sync()
        control.ok("backend", "drain", "b1")
        text = saved(control)
        ballast = control.state / "ballast"
        with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        control.ok("backend", "weight", "b2", 9)
        control.ok("backend", "weight", "b2", 8)
        assert saved(control) == text
        assert "No space left on device; make room there" in control.ok("status")["state_error"]
        assert control.daemon.log().count("No space left on device") == 1
        assert weights(control) == {B1: 0, B2: 8}
        ballast.unlink()
        control.ok("backend", "weight", "b2", 7)
        assert control.ok("status")["state_error"] == ""
        assert "what is set at run time is kept again" in control.daemon.log()
        restart(control)
        assert weights(control) == {B1: 0, B2: 7}
        assert sorted(p.name for p in control.state.iterdir()) == ["state.json"]
        kill(control)
    finally:
        subprocess.run(["umount", "-l", control.state], check=True)  # after a failure the daemon is still there


def test_a_file_is_written_when_something_changed(one):
    one.ok("backend", "drain", "b1")
    before = (one.state / "state.json").stat()
    one.ok("config", "apply", str(one.file))  # unchanged
    restart(one)
    after = (one.state / "state.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert json.loads(saved(one))["vips"][0]["settings"] == [{"backend": B1, "drained": True}]


def test_a_drained_backend_gets_no_new_connection_after_a_kill():
    """A real plane; the plane too loses all it had."""
    web4 = vip("web", VIP4, 80, {backend4(1): 100, backend4(2): 100}, window_s=60)
    with Cluster(kind=XDP) as cluster:
        plane = cluster.start_plane()
        cluster.write_config([web4])
        control = cluster.start_control()
        for i in (1, 2):
            cluster.start_backend(i)
        cluster.wait_in_sync()
        cluster.wait_reachable()
        assert set(cluster.who(count=40)) == {"b1", "b2"}
        cluster.fairlead("backend", "drain", backend4(1))
        assert set(cluster.who(count=40)) == {"b2"}
        control.kill()
        control.wait(10)
        cluster.start_control()
        cluster.wait_in_sync()
        assert set(cluster.who(count=40)) == {"b2"}
        shown = cluster.answer("vip", "show", "web")
        assert shown["backends"][0]["admin"] == "drained" and shown["rows_moving"] > 1000
        cluster.stop(plane)
        cluster.run("lb", [program("fairlead-xdp"), "--detach", cluster.dir / "plane0.json"])
        cluster.start_plane()
        cluster.wait_in_sync()
        again = cluster.answer("vip", "show", "web")
        assert again["rows_moving"] == shown["rows_moving"]
        assert set(cluster.who(count=40)) == {"b2"}
