# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: the control daemon keeps every plane at the configured state through refusals, lies, deaths and
restarts, all or nothing; the command line says what happened, and its exit codes can be relied on.
Method: the real fairleadd and fairlead; the planes are scripted ones, for faults that a real plane cannot be
brought to. What must have happened is read from the planes' own record of calls.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from cluster import VIP4, Cluster, backend4, vip
from lab import Rpc, program, wait_until
from scripted_plane import ScriptedPlane, digest_of

BAD = Path(__file__).parent / "bad" / "control"
EXPECTED = json.loads((BAD.parents[1] / "bad_control.json").read_text())
REFUSAL = {
    "code": -32000,
    "message": "no source address for IPv4",
    "data": {"code": "no_encapsulation", "path": "/params/vips/0/backends/1", "hint": "set encap_source_ipv4",
             "errors": [{"code": "no_encapsulation", "path": "/params/vips/0/backends/1",
                         "message": "no source address for IPv4", "hint": "set encap_source_ipv4"}]},
}


class Daemon:
    """fairleadd as a process, its log read as it comes."""

    def __init__(self, arguments):
        self.process = subprocess.Popen([program("fairleadd"), *arguments], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return "".join(self.lines)

    def wait_log(self, text, count=1):
        with self.changed:
            seen = self.changed.wait_for(lambda: "".join(self.lines).count(text) >= count, 10)
            assert seen, f'"{text}" is not {count} times in the log:\n{"".join(self.lines)}'

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        self.reader.join(10)
        self.process.stderr.close()
        return code


class Control:
    """A daemon with scripted planes in a directory of its own."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="fairlead-control."))
        self.dir.chmod(0o755)
        self.socket = self.dir / "control.sock"
        self.file = self.dir / "fairlead.json"
        self.planes = {}
        self.daemon = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon is not None and self.daemon.process.poll() is None:
            code = self.daemon.end()
            assert code == 0, self.daemon.log()
        for plane in self.planes.values():
            plane.stop()
        shutil.rmtree(self.dir)

    def plane(self, name="plane0", start=True):
        plane = self.planes[name] = ScriptedPlane(str(self.dir / f"{name}.sock"), name)
        return plane.start() if start else plane

    def config(self, vips=None, planes=None):
        return {
            "version": 1,
            "planes": [{"name": name, "socket": str(self.dir / f"{name}.sock")}
                       for name in (planes or self.planes)],
            "vips": [web()] if vips is None else vips,
        }

    def write(self, config, name="fairlead.json"):
        path = self.dir / name
        path.write_text(config if isinstance(config, str) else json.dumps(config, indent=2))
        path.chmod(0o644)
        return path

    def start(self, config=None, extra=(), ready=True):
        if config is not None or not self.file.exists():
            self.write(config or self.config())
        user = ["--user", "nobody", "--group", "nogroup"] if os.geteuid() == 0 else []
        self.daemon = Daemon(["--config", str(self.file), "--socket", str(self.socket), *user, *extra])
        if ready:
            self.daemon.wait_log("control socket")
        return self.daemon

    def cli(self, *arguments, stdin="", socket_path=None, env=None):
        done = subprocess.run(
            [program("fairlead"), "--socket", str(socket_path or self.socket), *map(str, arguments)],
            input=stdin, capture_output=True, text=True, timeout=30,
            env={**os.environ, **(env or {})}, check=False)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *arguments, **named):
        """The JSON answer of a command that must succeed."""
        code, out, err = self.cli("-j", *arguments, **named)
        assert (code, err) == (0, ""), (arguments, code, out, err)
        return json.loads(out)

    def refused(self, *arguments, **named):
        """Exit code and error object of a command that must fail."""
        code, out, err = self.cli("-j", *arguments, **named)
        assert code != 0 and out == "", (arguments, code, out, err)
        assert err.count("\n") == 1
        error = json.loads(err)["error"]
        assert error["exit"] == code
        return code, error

    def status_of(self, name):
        return next(p for p in self.ok("status")["planes"] if p["name"] == name)

    def in_sync(self, *names):
        for name in names or self.planes:
            wait_until(lambda n=name: self.status_of(n)["in_sync"], 10, f"{name} in sync")


def web(*backends, **members):
    return {
        "name": "web", "address": "192.0.2.1", "port": 80, "protocol": "tcp",
        "backends": list(backends) or [{"address": "198.51.100.7", "name": "b1"},
                                       {"address": "198.51.100.8", "name": "b2", "weight": 50}],
        **members,
    }


def dns():
    return {"name": "dns", "address": "2001:db8::1", "port": 53, "protocol": "udp",
            "backends": [{"address": "198.51.100.7", "name": "b1"}]}


@pytest.fixture(name="control")
def control_fixture():
    with Control() as control:
        yield control


@pytest.fixture(name="two")
def two_fixture():
    """Two planes in sync with a daemon."""
    with Control() as control:
        control.plane("plane0")
        control.plane("plane1")
        control.start()
        control.in_sync()
        yield control


# --- bad configurations ---


@pytest.mark.parametrize("name", sorted(p.name for p in BAD.glob("*.json")))
def test_bad_configuration(control, name):
    exit_code, first = EXPECTED[name]
    for command in (["fairlead", "config", "check", name], ["fairleadd", "--check", name]):
        done = subprocess.run([program(command[0]), *command[1:]], cwd=BAD, capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == exit_code
        assert done.stdout == ""
        assert done.stderr.splitlines()[0] == first
    code, error = control.refused("config", "check", BAD / name)
    assert code == exit_code
    assert error["errors"][0]["message"] in first


def test_every_bad_file_is_expected():
    assert set(EXPECTED) == {p.name for p in BAD.glob("*.json")}


def test_bad_configuration_at_the_start(control):
    shutil.copy(BAD / "several-errors.json", control.file)
    daemon = control.start(ready=False)
    assert daemon.process.wait(10) == 78
    daemon.reader.join(10)
    assert daemon.log().count(": error: ") == 4
    assert not control.socket.exists()


def test_too_many_vips_and_backends(control):
    control.plane(start=False)
    vips = [web(name=f"v{i}", port=i + 1) for i in range(4097)]
    code, error = control.refused("config", "check", control.write(control.config(vips)))
    assert code == 78 and "4096" in error["message"]
    backends = [{"address": f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"} for i in range(14001)]
    code, error = control.refused("config", "check",
                                  control.write(control.config([web(*backends, table_size=262139)])))
    assert code == 78 and "14000" in error["message"]


def test_warning_of_few_rows(control):
    control.plane(start=False)
    path = control.write(control.config([web(table_size=251, *[{"address": f"10.0.0.{i}"} for i in range(1, 5)])]))
    code, out, err = control.cli("config", "check", path)
    assert code == 0 and "ok: 1 VIPs, 4 backends" in out
    assert ": warning: /vips/0: 4 backends on 251 rows" in err and '"table_size": 509' in err


def test_warnings_beyond_the_kept_are_counted(control):
    control.plane(start=False)
    few = [{"address": f"10.0.0.{i}"} for i in range(1, 5)]
    path = control.write(control.config([web(*few, table_size=251, name=f"v{i}", port=i + 1) for i in range(70)]))
    err = control.cli("config", "check", path)[2]
    assert err.count(": warning: ") == 64 and err.endswith("and 6 more warnings\n")
    assert control.ok("config", "check", path)["warnings_dropped"] == 6
    control.start()
    assert "and 6 more warnings" in control.ok("config", "diff", path)["warnings"][-1]


# --- pushes ---


def test_new_planes_get_the_whole_state(two):
    expected = two.planes["plane0"].digest
    for plane in two.planes.values():
        assert plane.vips == {"192.0.2.1 80 tcp": {
            "table_size": 65537, "backends": [["198.51.100.7", 100], ["198.51.100.8", 50]]}}
        assert (plane.generation, plane.digest) == (1, expected)
    status = two.ok("status")
    assert (status["state"], status["generation"], status["vips"], status["backends"]) == ("serving", 1, 1, 2)
    assert [p["state"] for p in status["planes"]] == ["in_sync", "in_sync"]
    assert status["planes"][0]["received"] == 1000 and status["planes"][0]["dropped"] == 40
    assert {v["verdict"] for v in status["planes"][0]["verdicts"]} == {"forward", "pass_not_ip", "drop_unreachable"}


def test_apply_changes_all_planes_and_twice_is_nothing(two):
    path = two.write(two.config([web(), dns()]), "new.json")
    answer = two.ok("config", "apply", path)
    assert (answer["generation"], answer["unchanged"], answer["planes_away"]) == (2, False, [])
    assert [(c["name"], c["change"], c["rows"]) for c in answer["changes"]] == [("dns", "added", 65537)]
    assert "differs from what was applied" in answer["warnings"][0]
    for plane in two.planes.values():
        assert plane.generation == 2 and len(plane.vips) == 2
        prepared = [p for m, p in plane.calls if m == "plane.prepare"][-1]
        assert "full" not in prepared and len(prepared["vips"]) == 1  # the change alone
    prepares = two.planes["plane0"].count("plane.prepare")
    answer = two.ok("config", "apply", path)
    assert (answer["generation"], answer["unchanged"]) == (2, True)
    assert two.planes["plane0"].count("plane.prepare") == prepares


def test_diff_tells_rows_and_changes_nothing(two):
    path = two.write(two.config([web({"address": "198.51.100.7", "weight": 10})]), "new.json")
    code, out, err = two.cli("config", "diff", path)
    assert (code, err) == (1, "")
    assert "~ vip web 192.0.2.1:80/tcp" in out
    assert "backend 198.51.100.7: weight 100 -> 10" in out
    assert "- backend 198.51.100.8: weight 50" in out
    assert "9.9 % (6553 of 65537 rows" in out
    assert "plan: 1 changed. Nothing applied." in out
    for plane in two.planes.values():
        # the answer may be printed before the last plane has read its abort
        wait_until(lambda p=plane: p.count("plane.abort") == 1, 10, "the abort")
        assert plane.generation == 1
    assert two.cli("config", "diff", two.file)[0] == 0


def test_one_refusal_aborts_all(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    path = two.write(two.config([dns(), web({"address": "198.51.100.7"}, {"address": "198.51.100.9"})]), "new.json")
    second.refuse = {**REFUSAL, "data": {**REFUSAL["data"], "errors": [
        {"code": "no_encapsulation", "path": "/params/vips/1/backends/1", "message": "no source address",
         "hint": "set encap_source_ipv4"}]}}
    code, error = two.refused("config", "apply", path)
    lines = path.read_text().splitlines()
    assert (code, error["code"]) == (78, "plane_refused")
    assert error["message"] == "plane plane1 refuses: no source address"
    assert error["errors"][0]["path"] == "/vips/1/backends/1"
    assert lines[error["errors"][0]["line"]].strip() == '"address": "198.51.100.9"'
    first.wait_for(lambda p: p.count("plane.abort") == 1)
    assert (first.generation, second.generation) == (1, 1)
    second.refuse = None
    assert two.ok("config", "apply", path)["generation"] == 2


def test_different_digests_abort_all(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    second.false_digest = "0123456789abcdef"
    code, error = two.refused("backend", "drain", "b1")
    assert (code, error["code"]) == (78, "plane_refused")
    assert "0123456789abcdef" in error["message"] and "plane1" in error["message"]
    for plane in (first, second):
        plane.wait_for(lambda p: p.count("plane.abort") == 1)
        assert plane.generation == 1


def test_death_while_preparing_changes_nothing(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    second.die = "plane.prepare"
    code, error = two.refused("backend", "drain", "b1")
    assert (code, error["code"]) == (75, "plane_unavailable")
    assert "plane1" in error["message"]
    assert first.generation == 1
    second.die = None
    two.in_sync()
    assert two.ok("backend", "drain", "b1")["planes_away"] == []


def test_death_between_prepare_and_commit_is_made_good(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    second.die, second.die_for_good = "plane.commit", True
    answer = two.ok("backend", "drain", "b1")
    assert [f["plane"] for f in answer["planes_failed"]] == ["plane1"]
    assert first.generation == answer["generation"] == 2
    second.wait_for(lambda p: p.listener is None)
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 10, "plane1 is gone")
    assert two.ok("status")["state"] == "degraded"
    second.die, second.die_for_good = None, False
    second.start()
    second.wait_for(lambda p: p.generation == 2)
    assert second.digest == first.digest
    two.in_sync()


def test_commit_that_fails_is_made_good(two):
    second = two.planes["plane1"]
    second.commit_error = {"code": -32000, "message": "the program could not be told"}
    answer = two.ok("backend", "drain", "b1")
    assert "the program could not be told" in answer["planes_failed"][0]["message"]
    wait_until(lambda: two.status_of("plane1")["state"] == "refused", 10, "plane1 is marked")
    second.commit_error = None
    assert two.ok("backend", "undrain", "b1")["planes_failed"] == []
    two.in_sync()


def test_away_plane_does_not_hold_up_a_change(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    second.stop()
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 10, "plane1 is gone")
    answer = two.ok("backend", "weight", "b2", 70)
    assert answer["planes_away"] == ["plane1"]
    assert [(c["backend"], c["weight_before"], c["weight_after"]) for c in answer["changed"]] == [
        ("198.51.100.8", 50, 70)]
    wait_until(lambda: "is the plane running" in two.status_of("plane1")["error"], 10, "said why")
    second.start()
    second.wait_for(lambda p: p.generation == 2)
    assert second.digest == first.digest
    full = [p for m, p in second.calls if m == "plane.prepare"][-1]
    assert full["full"] is True
    assert first.generation == 2  # who was in sync is left alone


def test_plane_that_forgot_gets_all_again(two):
    second = two.planes["plane1"]
    second.stop()
    second.forget()
    second.start()
    second.wait_for(lambda p: p.generation == 1)
    assert second.digest == two.planes["plane0"].digest


def test_plane_that_changed_behind_our_back_is_noticed(two):
    """Its connection stays: only the next greeting tells."""
    first, second = two.planes["plane0"], two.planes["plane1"]
    with second.changed:
        second.vips.clear()
    second.wait_for(lambda p: p.vips != {})
    two.in_sync()
    assert second.generation == first.generation == 2  # 1 was used up by what it had


def test_no_plane_at_all_then_one_comes(control):
    control.plane(start=False)
    control.start()
    answer = control.ok("config", "apply", control.write(control.config([web(), dns()]), "new.json"))
    assert answer["planes_away"] == ["plane0"] and answer["generation"] == 1
    status = control.ok("status")
    assert status["state"] == "degraded" and status["planes"][0]["state"] == "connecting"
    control.planes["plane0"].start()
    control.planes["plane0"].wait_for(lambda p: len(p.vips) == 2)
    control.in_sync()
    assert control.ok("status")["state"] == "serving"


def test_restart_pushes_nothing_and_never_goes_back(two):
    two.ok("backend", "drain", "b1")
    two.ok("backend", "undrain", "b1")
    digests = [p.digest for p in two.planes.values()]
    assert two.daemon.end(signal.SIGKILL) == -signal.SIGKILL
    commits = [p.count("plane.commit") for p in two.planes.values()]
    two.start()
    two.daemon.wait_log("serve this configuration already")
    two.in_sync()
    assert two.ok("status")["generation"] == 3
    assert [p.generation for p in two.planes.values()] == [3, 3]
    assert [p.digest for p in two.planes.values()] == digests
    assert [p.count("plane.commit") for p in two.planes.values()] == commits
    assert two.ok("backend", "drain", "b1")["generation"] == 4


def test_restart_with_another_file_pushes_it(two):
    assert two.daemon.end() == 0
    for plane in two.planes.values():
        plane.generation = 7
    two.start(two.config([dns()]))
    for plane in two.planes.values():
        plane.wait_for(lambda p: p.generation == 8 and list(p.vips) == ["2001:db8::1 53 udp"])
    two.in_sync()


def test_plane_that_refuses_its_state_does_not_stop_the_others(control):
    first, second = control.plane("plane0"), control.plane("plane1")
    second.refuse = REFUSAL
    control.start()
    first.wait_for(lambda p: p.generation == 1)
    wait_until(lambda: control.status_of("plane1")["state"] == "refused", 10, "plane1 refuses")
    assert "no source address for IPv4" in control.status_of("plane1")["error"]
    assert control.ok("status")["state"] == "degraded"
    answer = control.ok("backend", "drain", "b1")  # an emergency does not wait for it
    assert answer["planes_away"] == ["plane1"]
    code, _ = control.refused("config", "apply", control.write(control.config([dns()]), "new.json"))
    assert code == 78


def test_other_hash_key_is_told(control):
    control.plane("plane0")
    control.plane("plane1").key_check = "ffffffffffffffff"
    control.start()
    control.in_sync()
    status = control.ok("status")
    assert status["state"] == "degraded"
    assert "key_file" in status["planes"][1]["error"] and status["planes"][0]["error"] == ""


def test_plane_that_speaks_garbage_is_told(control):
    plane = control.plane()
    plane.garbage = "plane.hello"
    control.start()
    wait_until(lambda: "does not speak" in control.status_of("plane0")["error"], 10, "said so")
    plane.garbage = None
    control.in_sync()


def test_plane_of_another_protocol_is_told(control):
    control.plane().protocol = 2
    control.start()
    wait_until(lambda: "protocol 2" in control.status_of("plane0")["error"], 10, "said so")


def test_hanging_plane_is_given_up(control):
    plane = control.plane()
    plane.hang = "plane.hello"
    control.start()
    wait_until(lambda: "no answer to plane.hello" in control.status_of("plane0")["error"], 15, "said so")
    plane.hang = None
    control.in_sync()


def test_large_state_crosses_in_parts(control):
    plane = control.plane()
    vips = [web(*[{"address": f"2001:db8:{i:x}::{j + 1:x}"} for j in range(200)], name=f"v{i}", port=i + 1)
            for i in range(300)]
    control.start(control.config(vips))
    plane.wait_for(lambda p: len(p.vips) == 300, 20)
    assert plane.count("plane.prepare") >= 3
    control.in_sync()
    # and so does a file larger than a line of the control protocol
    assert control.file.stat().st_size > 1 << 20
    vips[7]["backends"].pop()
    path = control.write(control.config(vips), "new.json")
    answer = control.ok("config", "apply", path)
    assert [c["name"] for c in answer["changes"]] == ["v7"]
    assert len(plane.vips["192.0.2.1 8 tcp"]["backends"]) == 199


def test_planes_come_and_go_by_configuration(two):
    two.plane("plane2")
    path = two.write(two.config(planes=["plane0", "plane2"]), "new.json")
    told = two.ok("config", "apply", path)
    assert told["plane_changes"] == [
        {"plane": "plane1", "change": "removed", "socket_before": str(two.dir / "plane1.sock")},
        {"plane": "plane2", "change": "added", "socket_after": str(two.dir / "plane2.sock")}]
    assert (told["generation"], told["unchanged"]) == (1, False)  # planes that stay have nothing to do
    told = two.ok("config", "apply", path)
    assert (told["plane_changes"], told["unchanged"]) == ([], True)
    two.planes["plane2"].wait_for(lambda p: p.vips == two.planes["plane0"].vips)
    two.in_sync("plane0", "plane2")
    assert [p["name"] for p in two.ok("status")["planes"]] == ["plane0", "plane2"]
    two.planes["plane1"].wait_for(lambda p: not p.connections)
    assert two.planes["plane1"].vips != {}  # forwards what it had


def test_many_changes_at_once_are_all_made(two):
    """Each in its turn, on both planes, under one generation each."""
    def weigh(weight):
        with Rpc(two.socket) as rpc:
            rpc.call("backend.weight", backend="b1", weight=weight)

    threads = [threading.Thread(target=weigh, args=(1000 + i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert two.ok("status")["generation"] == 21
    assert {p.generation for p in two.planes.values()} == {21}
    assert len({p.digest for p in two.planes.values()}) == 1


# --- drains and weights ---


def test_drain_of_the_last_backend_needs_yes(two):
    two.ok("backend", "drain", "b1")
    code, error = two.refused("backend", "drain", "b2")
    assert (code, error["code"]) == (1, "last_backend") and "--yes" in error["hint"]
    assert two.planes["plane0"].generation == 2
    two.ok("backend", "drain", "b2", "--yes")
    assert {w for _, w in two.planes["plane0"].vips["192.0.2.1 80 tcp"]["backends"]} == {0}


def test_forced_drain_of_the_last_backend_of_a_real_plane():
    """What no configuration may say, all weights 0, an operator may insist on, and it survives the plane."""
    with Cluster() as cluster:
        plane = cluster.start_plane(ports=[{"name": "null", "device": "net_null0", "host": "drop",
                                            "gateway_mac": "02:00:5e:00:00:01"}], pin_dir=None)
        cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1})])
        cluster.start_control()
        cluster.wait_in_sync()
        explain = ("flow", "explain", "--vip", "web", "--src", "10.77.0.2:4000")
        before = cluster.digests()
        assert cluster.answer(*explain)["verdict"] == "forward"
        cluster.fairlead("backend", "drain", backend4(1))
        assert cluster.fairlead("backend", "drain", backend4(2), check=False).returncode == 1
        drained = cluster.answer("backend", "drain", backend4(2), "--yes")
        assert "no backend with a weight above 0" in drained["warnings"][0]
        assert cluster.answer(*explain)["verdict"] == "drop_no_backend"
        assert [b["rows"] for b in cluster.answer("backend", "list")["backends"]] == [0, 0]
        empty = cluster.digests()
        cluster.stop(plane, signal.SIGKILL)
        wait_until(lambda: not cluster.in_sync(), 10, "the daemon seeing that the plane is gone")
        cluster.start_plane(ports=[{"name": "null", "device": "net_null0", "host": "drop",
                                    "gateway_mac": "02:00:5e:00:00:01"}], pin_dir=None)
        cluster.wait_in_sync()
        assert cluster.digests() == empty
        for address in (backend4(1), backend4(2)):
            cluster.fairlead("backend", "undrain", address)
        assert cluster.digests() == before


def test_apply_keeps_what_was_drained(two):
    two.ok("backend", "drain", "b1", "--vip", "web")
    answer = two.ok("config", "apply", two.write(two.config([web(), dns()]), "new.json"))
    assert any("b1 stays drained" in w for w in answer["warnings"])
    assert ["198.51.100.7", 0] in two.planes["plane0"].vips["192.0.2.1 80 tcp"]["backends"]
    assert ["198.51.100.7", 100] in two.planes["plane0"].vips["2001:db8::1 53 udp"]["backends"]
    shown = two.ok("config", "show")
    assert shown["overlay"] == [{"vip": "web", "backend": "198.51.100.7", "admin": "drained", "weight": 100}]
    two.ok("backend", "undrain", "b1")
    assert two.ok("config", "show")["overlay"] == []


def test_show_can_be_applied_again(two):
    code, out, _ = two.cli("config", "show")
    assert code == 0
    assert two.ok("config", "apply", "-", stdin=out)["unchanged"] is True


def test_lists(two):
    vips = two.ok("vip", "list")
    assert vips["planes"] == 2
    assert vips["vips"] == [{"vip": "192.0.2.1:80/tcp", "name": "web", "table_size": 65537, "weight": 150,
                             "packets": 60, "bytes": 3600, "backends": 2}]
    shown = two.ok("vip", "show", "192.0.2.1:80/tcp")
    assert [b["name"] for b in shown["backends"]] == ["b1", "b2"]
    rows = two.ok("backend", "list", "--vip", "web")["backends"]
    assert rows[0]["share_ppm"] == 666666 and rows[0]["packets"] == 30
    assert (rows[0]["next_hop"], rows[0]["admin"], rows[0]["rows"]) == ("reachable", "enabled", 100)
    code, out, _ = two.cli("backend", "list")
    assert code == 0 and out.splitlines()[1].split()[:3] == ["web", "b1", "198.51.100.7"]


def test_explain(two):
    code, out, _ = two.cli("flow", "explain", "--vip", "web", "--src", "203.0.113.9:51515", "--plane", "plane1")
    assert code == 0
    assert " 1 parse      tcp from 203.0.113.9\n" in out
    assert "\\x1b[31m" in out and "\x1b" not in out  # what a plane says does not drive the terminal
    assert "verdict: forward to 198.51.100.7 (plane plane1, generation 1)" in out
    for source in ("203.0.113.9", "203.0.113.9:0", "x:1", "[2001:db8::9]:1"):
        assert two.refused("flow", "explain", "--vip", "web", "--src", source)[0] == 64
    assert two.refused("flow", "explain", "--vip", "no", "--src", "203.0.113.9:1")[0] == 1
    assert two.refused("flow", "explain", "--vip", "web", "--src", "203.0.113.9:1", "--plane", "x")[0] == 1
    two.planes["plane1"].stop()
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 10, "plane1 is gone")
    code, error = two.refused("flow", "explain", "--vip", "web", "--src", "203.0.113.9:1", "--plane", "plane1")
    assert (code, error["code"]) == (75, "plane_unavailable")


# --- the daemon ---


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_runs_without_privileges(two):
    status = Path(f"/proc/{two.daemon.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["65534"] * 4
    assert fields["Gid"].split() == ["65534"] * 4
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"):
        assert int(fields[name], 16) == 0, name
    assert fields["NoNewPrivs"].strip() == "1"
    assert oct(two.socket.stat().st_mode & 0o777) == "0o660"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_unknown_user_and_group_say_how_to_make_them(control):
    control.plane(start=False)
    control.write(control.config())
    for option, word in (("--user", "useradd"), ("--group", "groupadd")):
        daemon = Daemon(["--config", str(control.file), "--socket", str(control.socket), "--user", "nobody",
                         "--group", "nogroup", option, "no-such-name"])
        assert daemon.process.wait(10) == 78
        daemon.reader.join(10)
        assert word in daemon.log()


def test_second_daemon_is_refused_and_the_first_goes_on(two):
    first = two.daemon
    second = two.start(ready=False)
    assert second.process.wait(10) == 75
    second.reader.join(10)
    assert "another fairleadd serves" in second.log()
    two.daemon = first
    assert two.ok("status")["state"] == "serving"


def test_socket_of_another_program_is_left_alone(two):
    daemon = Daemon(["--config", str(two.file), "--socket", str(two.dir / "plane0.sock"),
                     *(["--user", "nobody", "--group", "nogroup"] if os.geteuid() == 0 else [])])
    assert daemon.process.wait(10) == 75
    assert (two.dir / "plane0.sock").exists()
    two.in_sync()


@pytest.mark.parametrize("kind", ["datagram", "full queue"])
def test_socket_that_cannot_be_tried_is_left_alone(control, kind):
    """Neither takes our connection, and both live."""
    control.plane(start=False)
    control.write(control.config())
    other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    other.bind(str(control.socket))
    waiting = []
    if kind == "full queue":
        other.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(str(control.socket))
    inode = control.socket.stat().st_ino
    daemon = control.start(ready=False)
    assert daemon.process.wait(10) == 75
    daemon.reader.join(10)
    assert "another program serves" in daemon.log()
    assert control.socket.stat().st_ino == inode
    for client in [*waiting, other]:
        client.close()


def test_socket_paths_that_cannot_be(control):
    control.plane(start=False)
    control.write(control.config())
    (control.dir / "file").touch()
    (control.dir / "locked.lock").mkdir()
    for path, code, words in (("", 64, "needs a path"), ("x" * 108, 64, "at most 107"),
                              (control.dir / "file", 78, "is no socket"),
                              (control.dir / "no" / "way" / "c.sock", 78, "make the directory it is in"),
                              (control.dir / "locked", 78, "is a directory")):
        daemon = Daemon(["--config", str(control.file), "--socket", str(path),
                         *(["--user", "nobody", "--group", "nogroup"] if os.geteuid() == 0 else [])])
        assert daemon.process.wait(10) == code
        daemon.reader.join(10)
        assert words in daemon.log().lower() and daemon.log().count("\n") == 1


def test_directory_it_makes_is_open_to_clients(control):
    """Whatever the umask of who starts it."""
    control.plane(start=False)
    control.socket = control.dir / "made" / "control.sock"
    before = os.umask(0o077)
    try:
        control.start()
    finally:
        os.umask(before)
    assert control.socket.parent.stat().st_mode & 0o777 == 0o755
    assert control.cli("status")[0] == 0


def test_closed_standard_files_of_the_daemon(control):
    """Its sockets must not get their numbers: clients would read the log."""
    control.plane()
    control.write(control.config())
    user = "--user nobody --group nogroup" if os.geteuid() == 0 else ""
    process = subprocess.Popen(["sh", "-c", f'exec "$0" --config "$1" --socket "$2" {user} <&- >&- 2>&-',
                                program("fairleadd"), control.file, control.socket])
    try:
        wait_until(lambda: control.cli("status")[0] == 0, 10, "answering")
        for number in (0, 1, 2):
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
        control.in_sync()
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_plane_socket_that_is_no_socket_is_told(control):
    (control.dir / "plane0.sock").touch()
    control.planes["plane0"] = ScriptedPlane(str(control.dir / "plane0.sock"), "plane0")
    control.start()
    wait_until(lambda: "is no socket" in control.status_of("plane0")["error"], 10, "said so")


def test_hangup_applies_the_file_again(two):
    two.write(two.config([web(), dns()]))
    two.daemon.process.send_signal(signal.SIGHUP)
    for plane in two.planes.values():
        plane.wait_for(lambda p: len(p.vips) == 2)
    two.daemon.wait_log("applied, generation 2")
    two.write('{"version":1,')
    two.daemon.process.send_signal(signal.SIGHUP)
    two.daemon.wait_log("the old configuration stays")
    assert "fairlead.json:1:14: error:" in two.daemon.log()
    assert two.ok("status")["vips"] == 2


def test_log_has_priorities_and_no_control_characters(control):
    control.plane().name = "x\ny"
    control.start()
    control.daemon.wait_log("calls itself")
    for line in control.daemon.log().splitlines():
        assert line[0] == "<" and line[2] == ">" and line[1] in "34567"


def test_stop_is_quick_and_clean(two):
    assert two.daemon.end() == 0
    assert "forward as before" in two.daemon.log()
    two.planes["plane0"].wait_for(lambda p: not p.connections)
    assert two.planes["plane0"].generation == 1


# --- hostile clients ---


def raw(control):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(15)
    client.connect(str(control.socket))
    lines = client.makefile("rb")
    hello = json.loads(lines.readline())
    assert hello["method"] == "hello" and hello["params"]["api"] == 1
    return client, lines


@pytest.mark.parametrize("line, code", [
    (b"garbage", "parse_error"),
    (b"", "parse_error"),
    (b"\xff\xfe\x00", "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}', "duplicate_member"),
    (b'{"jsonrpc":"2.0","id":1,"method":"status","params":' + b"[" * 33 + b"]" * 33 + b"}", "too_deep"),
    (b'[{"jsonrpc":"2.0","id":1,"method":"status"}]', "invalid_request"),
    (b'{"jsonrpc":"2.0","method":"status"}', "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1,"method":"statsu"}', "method_not_found"),
    (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x":1}}', "unknown_member"),
    (b'{"jsonrpc":"2.0","id":1,"method":"backend.weight","params":{"backend":"b1","weight":65536}}', "out_of_range"),
    (b'{"jsonrpc":"2.0","id":1,"method":"backend.weight","params":{"backend":"b1"}}', "missing_member"),
    (b'{"jsonrpc":"2.0","id":1,"method":"config.apply","params":{"text":1}}', "wrong_type"),
    (b'{"jsonrpc":"2.0","id":1,"method":"config.apply"}', "missing_member"),
    (b'{"jsonrpc":"2.0","id":1,"method":"config.apply","params":{"text":"{"}}', "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"method":"vip.show","params":{"vip":"\\n\\u001b[2J"}}', "unknown_vip"),
    (b"x" * (1 << 20), "line_too_long"),
], ids=lambda value: value if isinstance(value, str) else "line")
def test_bad_request_is_answered_and_the_session_goes_on(two, line, code):
    client, lines = raw(two)
    client.sendall(line + b"\n")
    answer = json.loads(lines.readline())
    assert answer["error"]["data"]["code"] == code
    client.sendall(b'{"jsonrpc":"2.0","id":"a","method":"version"}\n')
    assert "version" in json.loads(lines.readline())["result"]
    client.close()
    assert two.planes["plane0"].generation == 1


def test_half_a_line_is_cut_off_and_holds_up_nobody(two):
    client, lines = raw(two)
    client.sendall(b'{"jsonrpc":"2.0","id":1,')
    assert two.ok("version")["daemon_version"] == two.ok("version")["version"]
    assert lines.read() == b""  # closed by the daemon
    client.close()


def test_client_65_is_told(two):
    clients = [raw(two) for _ in range(64)]
    extra = socket.socket(socket.AF_UNIX)
    extra.settimeout(10)
    extra.connect(str(two.socket))
    answer = json.loads(extra.makefile("rb").readline())
    assert answer["error"]["data"]["code"] == "too_many_clients"
    code, error = two.refused("status")
    assert (code, error["code"]) == (75, "too_many_clients")
    extra.close()
    for client, lines in clients:
        lines.close()
        client.close()
    wait_until(lambda: two.cli("status")[0] == 0, 10, "places are free again")


def test_client_that_leaves_in_the_middle(two):
    """Of its own change: the change is made all the same, and the answer is for nobody."""
    for request in (b'{"jsonrpc":"2.0","id":1,"method":"backend.drain","params":{"backend":"b1"}}\n',
                    b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 50):
        client, lines = raw(two)
        client.sendall(request)
        lines.close()
        client.close()
    two.planes["plane0"].wait_for(lambda p: p.generation == 2)
    wait_until(lambda: two.ok("status")["generation"] == 2, 10, "the daemon heard of the commit")


def test_too_many_calls_and_changes_at_once(two):
    """A plane that hangs while it prepares lets changes pile up; they are bounded, and die with the daemon."""
    two.planes["plane0"].hang = "plane.prepare"
    client, lines = raw(two)
    call = b'{"jsonrpc":"2.0","id":1,"method":"backend.weight","params":{"backend":"b1","weight":7}}\n'
    client.sendall(call * 80)
    codes = [json.loads(lines.readline())["error"]["data"]["code"] for _ in range(16)]
    assert codes == ["too_many_calls"] * 16
    two.planes["plane0"].wait_for(lambda p: p.count("plane.prepare") == 2)
    other, other_lines = raw(two)
    other.sendall(call * 2)
    assert json.loads(other_lines.readline())["error"]["data"]["code"] == "busy"
    assert two.daemon.end() == 0
    codes = [json.loads(line)["error"]["data"]["code"] for line in lines]  # up to the end
    assert codes == ["plane_unavailable"] * 64
    client.close()
    other.close()
    assert {p.generation for p in two.planes.values()} == {1}


def test_questions_never_hold_up_a_change(two):
    """However many clients ask for counters that do not come, a drain gets through."""
    for plane in two.planes.values():
        plane.hang = "plane.stats"
    clients = [raw(two) for _ in range(2)]
    for client, _ in clients:
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 40)
    assert json.loads(clients[1][1].readline())["error"]["data"]["code"] == "busy"
    assert two.ok("backend", "drain", "b1")["planes_failed"] == []
    assert {p.generation for p in two.planes.values()} == {2}
    for client, lines in clients:
        lines.close()
        client.close()


def test_parts_of_a_text_are_bounded(two):
    client, lines = raw(two)
    part = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "config.check",
                       "params": {"text": " " * 1000000, "more": True}}).encode() + b"\n"
    codes = []
    for _ in range(18):
        client.sendall(part)
        codes.append(json.loads(lines.readline()).get("error", {}).get("data", {}).get("code"))
    assert codes[:16] == [None] * 16 and "limit_exceeded" in codes
    client.close()


# --- the command line ---


def test_exit_codes_without_a_daemon(control):
    control.plane(start=False)
    path = control.write(control.config())
    assert control.cli("config", "check", path)[0] == 0
    assert control.cli("version")[0] == 0
    code, error = control.refused("status")
    assert code == 69 and "start" in error["hint"]
    assert control.refused("config", "apply", path)[0] == 69
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(control.socket))
    left.close()  # a socket that nobody listens on
    assert control.refused("status")[0] == 69
    assert control.refused("config", "check", control.dir / "none.json")[0] == 78
    assert control.refused("config", "check", control.dir)[0] == 78
    assert control.refused("config", "apply", BAD / "vip-port-0.json")[0] == 78
    assert control.refused("config", "apply", BAD / "syntax-truncated.json")[0] == 65


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_exit_code_without_permission(two):
    os.chmod(two.socket, 0o600)
    os.chown(two.socket, 0, 0)
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           program("fairlead"), "--socket", str(two.socket), "status"],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 77
    assert "usermod" in done.stderr


def test_exit_code_of_a_daemon_that_does_not_answer(control):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control.socket))
    listener.listen(1)
    code, error = control.refused("status", "--timeout", "1")
    assert (code, error["code"]) == (75, "timeout")
    listener.close()


@pytest.mark.parametrize("arguments, fragment", [
    (["stauts"], 'did you mean "status"?'),
    (["vip", "lst"], 'did you mean "vip list"?'),
    (["vip"], "needs a verb"),
    ([], "no command"),
    (["status", "extra"], "usage: fairlead status"),
    (["config", "check"], "usage: fairlead config check FILE"),
    (["vip", "list", "--jsno"], "did you mean --json?"),
    (["vip", "list", "-x"], 'unknown option "-x"'),
    (["vip", "list", "--src", "1"], "takes no --src"),
    (["flow", "explain", "--vip", "web"], "needs --src A:P"),
    (["vip", "show", "web", "--vip"], "--vip needs a value"),
    (["vip", "list", "--json=1"], "takes no value"),
    (["status", "--timeout", "0"], "1 to 3600"),
    (["status", "--color", "blue"], "auto, always or never"),
    (["backend", "weight", "b1", "65536"], "0 to 65535"),
    (["backend", "weight", "b1", "x"], "0 to 65535"),
    (["backend", "weight", "b1", "-1"], "unknown option"),
    (["backend", "weight", "b1", "+5"], "0 to 65535"),
    (["backend", "weight", "b1", " 5"], "0 to 65535"),
    (["backend", "weight", "b1", ""], "0 to 65535"),
    (["backend", "weight", "b1", "99999999999999999999"], "0 to 65535"),
    (["config", "apply", str(BAD.parent / "control"), "--if-generation"], "needs a value"),
    (["a"] * 9, "too many arguments"),
])
def test_wrong_usage(control, arguments, fragment):
    code, out, err = control.cli(*arguments)
    assert (code, out) == (64, "") and fragment in err
    code, error = control.refused(*arguments)
    assert code == 64 and (fragment in error["message"] or fragment in error["hint"])


def test_errors_are_json_wherever_the_letter_stands(control):
    for arguments in (["-xj"], ["status", "-xj"], ["vip", "lst", "-pj"], ["--nonsense", "-j"]):
        code, out, err = control.cli(*arguments)
        assert (code, out) == (64, "") and json.loads(err)["error"]["exit"] == 64


def test_unknown_objects_are_the_answer_no(two):
    for arguments in (["vip", "show", "x"], ["backend", "list", "--vip", "x"], ["backend", "drain", "x"],
                      ["backend", "drain", "b1", "--vip", "x"]):
        code, error = two.refused(*arguments)
        assert code == 1 and error["code"] in ("unknown_vip", "unknown_backend")


def test_condition_on_the_generation(two):
    path = two.write(two.config([dns()]), "new.json")
    code, error = two.refused("config", "apply", path, "--if-generation", 9)
    assert (code, error["code"]) == (75, "generation_conflict")
    assert two.ok("config", "apply", path, "--if-generation", 1)["generation"] == 2
    assert two.refused("config", "apply", path, "--if-generation", "x")[0] == 64


def test_help_is_everywhere_and_leads_with_examples(control):
    for arguments in ([], ["vip"], ["vip", "list"], ["config", "apply"], ["nonsense"], ["flow", "explain"]):
        for option in ("-h", "--help"):
            code, out, err = control.cli(*arguments, option)
            assert (code, err) == (0, "") and out.startswith("Examples:\n  ")
    assert "drain" not in control.cli("vip", "--help")[1]
    assert "--src" in control.cli("flow", "explain", "--help")[1]


def test_options_stand_anywhere_and_output_forms(two):
    compact = two.cli("vip", "-j", "list")[1]
    assert compact.count("\n") == 1 and compact == two.cli("-j", "vip", "list")[1]
    pretty = two.cli("vip", "list", "-p")[1]
    assert pretty.count("\n") > 5 and json.loads(pretty) == json.loads(compact)
    assert "version" in json.loads(two.cli("--version", "-j")[1])
    assert "\x1b[32m" in two.cli("--color", "always", "status")[1]
    assert "\x1b" not in two.cli("status")[1]
    assert "\x1b" not in two.cli("--color", "always", "-j", "status")[1]


def test_full_output_device_is_an_error(two):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([program("fairlead"), "--socket", str(two.socket), "status"], stdout=full,
                              stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 70
    for name in ("fairlead", "fairleadd"):
        done = subprocess.run(["sh", "-c", f'"$0" --help > /dev/full', program(name)], capture_output=True,
                              timeout=30, check=False)
        assert done.returncode == 70 and b"could not be written" in done.stderr


def test_closed_output_is_an_error_and_not_a_request(control):
    """The table, larger than a buffer, must not go down the connection to the daemon: one of ours listens."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control.socket))
    listener.listen(1)
    process = subprocess.Popen(["sh", "-c", 'exec "$0" --socket "$1" backend list >&-', program("fairlead"),
                                control.socket], stderr=subprocess.PIPE, text=True)
    client, _ = listener.accept()
    client.settimeout(10)
    with listener, client, client.makefile("rb") as lines:
        request = json.loads(lines.readline())
        backends = [{"vip_name": "web", "backend": f"10.0.0.{i}"} for i in range(200)]
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"backends": backends}}
        client.sendall(json.dumps(answer).encode() + b"\n")
        assert lines.read() == b""
    assert process.communicate(timeout=10)[1] == "fairlead: the output could not be written\n"
    assert process.returncode == 70


def test_digest_of_the_script_is_of_the_meaning():
    """The tests above stand on it: order is not meaning, weight is."""
    one = {"a": {"table_size": 251, "backends": [["x", 1]]}, "b": {"table_size": 251, "backends": []}}
    assert digest_of(one) == digest_of(dict(reversed(one.items())))
    assert digest_of(one) != digest_of({**one, "a": {"table_size": 251, "backends": [["x", 2]]}})
