# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: the control daemon keeps every plane at the configured state through refusals, lies, deaths and
restarts, all or nothing; the command line says what happened, and its exit codes can be relied on.
Method: the real fairleadd and fairlead; the planes are scripted ones, for faults that a real plane cannot be
brought to. What must have happened is read from the planes' own record of calls.
"""

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cluster import VIP4, Cluster, backend4, vip
from control_lab import control_fixture, two_fixture, dns, web  # noqa: F401 (fixtures)
from lab import Rpc, program, wait_until
from scripted_plane import POLICY

BAD = Path(__file__).parent / "bad" / "control"
EXPECTED = json.loads((BAD.parents[1] / "bad_control.json").read_text())
REFUSAL = {
    "code": -32000,
    "message": "no source address for IPv4",
    "data": {"code": "no_encapsulation", "path": "/params/vips/0/backends/1", "hint": "set encap_source_ipv4",
             "errors": [{"code": "no_encapsulation", "path": "/params/vips/0/backends/1",
                         "message": "no source address for IPv4", "hint": "set encap_source_ipv4"}]},
}


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
            "table_size": 65537, "backends": [["198.51.100.7", 100], ["198.51.100.8", 50]], "policy": POLICY}}
        assert (plane.generation, plane.digest) == (1, expected)
    status = two.ok("status")
    assert (status["state"], status["generation"], status["vips"], status["backends"]) == ("serving", 1, 1, 2)
    assert [p["state"] for p in status["planes"]] == ["in_sync", "in_sync"]
    first = status["planes"][0]
    assert [first[name] for name in ("received", "forwarded", "answered", "passed", "dropped")] == [1000, 890, 10, 60, 40]
    assert {v["verdict"] for v in first["verdicts"]} == {"forward", "answer_echo", "pass_not_ip", "drop_unreachable"}
    assert first["events"] == [{"event": "fragment_evicted", "count": 3}]
    out = two.cli("status")[1]
    assert re.search(r"^plane0: drop_unreachable +40$", out, re.M) and "drop_bug" not in out
    assert re.search(r"^plane0: event fragment_evicted +3$", out, re.M) and "answer_limited" not in out


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
        wait_until(lambda p=plane: p.count("plane.abort") == 1, 30, "the abort")
        assert plane.generation == 1
    assert two.cli("config", "diff", two.file)[0] == 0


NETS = {"name": "nets", "address": "192.0.2.0/24", "port": "8000-8999", "mode": "gue", "no_backend": "host"}


def test_prefixes_ranges_and_policies_reach_the_planes(two):
    path = two.write(two.config([web(), web(**NETS), web(name="rest", address="2001:db8:2::/64", port="any")]), "new.json")
    answer = two.ok("config", "apply", path)
    assert [(c["vip"], c["change"], c["rows"]) for c in answer["changes"]] == [
        ("192.0.2.0/24:8000-8999/tcp", "added", 65537), ("[2001:db8:2::/64]:any/tcp", "added", 65537)]
    for plane in two.planes.values():
        assert plane.vips["192.0.2.0/24 8000-8999 tcp"]["policy"] == {**POLICY, "mode": "gue", "no_backend": "host"}
        assert plane.vips["2001:db8:2::/64 any tcp"]["policy"] == POLICY
    # what is left out and the default are one
    full = [{**POLICY, **member} for member in (web(), web(**NETS), web(name="rest", address="2001:db8:2::/64", port="0-65535"))]
    assert two.ok("config", "apply", two.write(two.config(full), "full.json"))["unchanged"] is True
    shown = two.ok("vip", "show", "192.0.2.0/24:8000-8999/tcp")
    assert (shown["name"], shown["mode"], shown["no_backend"], shown["packets"]) == ("nets", "gue", "host", 60)
    assert [b["packets"] for b in shown["backends"]] == [30, 30]
    assert two.cli("vip", "show", "rest")[1].splitlines()[1] == "vip         [2001:db8:2::/64]:any/tcp"
    row = two.cli("vip", "list")[1].splitlines()[2].split()
    assert row == ["nets", "192.0.2.0/24:8000-8999/tcp", "gue", "2", "150", "65537", "60", "3600", "follow", "answer", "host"]
    code, out, _ = two.cli("config", "show")
    assert code == 0 and two.ok("config", "apply", "-", stdin=out)["unchanged"] is True
    two.ok("config", "apply", two.write(two.config([web()]), "old.json"))
    assert list(two.planes["plane0"].vips) == ["192.0.2.1 80 tcp"]


def test_changed_policy_is_shown_and_pushed(two):
    path = two.write(two.config([web(mode="l2dsr", icmp_echo="host")]), "new.json")
    code, out, err = two.cli("config", "diff", path)
    assert (code, err) == (1, "")
    assert "    ~ mode: ipip -> l2dsr\n    ~ icmp_echo: answer -> host\n" in out
    assert "fragments" not in out and "backend" not in out.split("flows that change backend")[0]
    answer = two.ok("config", "apply", path)
    assert [(c["change"], c["policy_before"], c["policy_after"], c["backends"]) for c in answer["changes"]] == [
        ("changed", POLICY, {**POLICY, "mode": "l2dsr", "icmp_echo": "host"}, [])]
    assert two.planes["plane1"].vips["192.0.2.1 80 tcp"]["policy"]["mode"] == "l2dsr"
    answer = two.ok("config", "apply", two.write(two.config([web({"address": "198.51.100.7"}, mode="l2dsr", icmp_echo="host")])))
    assert "policy_before" not in answer["changes"][0]


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
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 30, "plane1 is gone")
    assert two.ok("status")["state"] == "degraded"
    second.die, second.die_for_good = None, False
    second.start()
    second.wait_for(lambda p: p.generation == 2)
    assert second.digest == first.digest
    two.in_sync()


def test_plane_that_is_busy_with_a_change_keeps_nobody_waiting(two):
    """LINK_QUERY_MS is 5 s from the question; the change has its own 30 s, LINK_PREPARE_MS."""
    second = two.planes["plane1"]
    second.busy = "plane.prepare"
    with subprocess.Popen([program("fairlead"), "-j", "--timeout", "60", "--socket", two.socket, "backend", "drain", "b1"],
                          stdout=subprocess.PIPE, text=True) as drain:
        second.wait_for(lambda p: p.count("plane.prepare") == 2)
        begin = time.monotonic()
        with Rpc(two.socket, 20) as rpc:  # more than may wait for a plane
            rpc.ask_all(*[("vip.show", {"vip": "web"})] * 60)
        assert 4.5 < time.monotonic() - begin < 9.5  # less than two
        planes = {p["name"]: p for p in two.ok("status")["planes"]}
        assert planes["plane1"]["error"] == "no answer in time: the plane is busy with a change"
        assert planes["plane1"]["in_sync"] and "received" not in planes["plane1"]
        assert planes["plane0"]["error"] == "" and planes["plane0"]["received"] == 1000
        took = []
        for _ in range(70):  # more than LINK_CALLS_MAX, and none is kept waiting any more
            begin = time.monotonic()
            assert two.ok("vip", "show", "web")["planes"] == 1
            took.append(time.monotonic() - begin)
        assert sorted(took)[-3] < 4, "but for a machine that stands still"
        code, error = two.refused("flow", "explain", "--vip", "web", "--src", "203.0.113.9:51515", "--plane", "plane1")
        assert error["message"] == "plane plane1: no answer in time: the plane is busy with a change"
        assert (code, error["code"]) == (75, "busy")
        second.release()
        assert json.loads(drain.communicate(timeout=10)[0])["generation"] == 2
    wait_until(lambda: two.status_of("plane1")["error"] == "", 30, "it answers again")
    assert two.status_of("plane1")["received"] == 1000
    assert second.count("plane.hello") > 1 and "trying again" not in two.daemon.log()


def test_daemon_ends_while_changes_wait(control):
    plane = control.plane()
    control.start()
    control.in_sync()
    plane.busy = "plane.prepare"
    with Rpc(control.socket) as first, Rpc(control.socket) as second:
        first.send(b'{"jsonrpc":"2.0","id":1,"method":"backend.drain","params":{"backend":"b1"}}\n')
        plane.wait_for(lambda p: p.count("plane.prepare") == 2)
        apply = {"jsonrpc": "2.0", "id": 0, "method": "config.apply", "params": {"text": json.dumps(control.config())}}
        second.send(json.dumps(apply).encode() + b"\n")
        assert second.call("config.show")["generation"] == 1  # so it has read what came before
        assert control.daemon.end() == 0
    plane.release()


def test_plane_that_answers_no_question_is_left(two):
    two.planes["plane1"].hang = "plane.stats"
    begin = time.monotonic()
    assert "received" not in two.status_of("plane1")
    assert 4.5 < time.monotonic() - begin < 9.5  # less than two
    two.daemon.wait_log("no answer to plane.stats within 5000 ms; trying again")


def test_commit_that_fails_is_made_good(two):
    second = two.planes["plane1"]
    second.commit_error = {"code": -32000, "message": "the program could not be told"}
    answer = two.ok("backend", "drain", "b1")
    assert "the program could not be told" in answer["planes_failed"][0]["message"]
    wait_until(lambda: two.status_of("plane1")["state"] == "refused", 30, "plane1 is marked")
    second.commit_error = None
    assert two.ok("backend", "undrain", "b1")["planes_failed"] == []
    two.in_sync()


def test_away_plane_does_not_hold_up_a_change(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    second.stop()
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 30, "plane1 is gone")
    answer = two.ok("backend", "weight", "b2", 70)
    assert answer["planes_away"] == ["plane1"]
    assert [(c["backend"], c["weight_before"], c["weight_after"]) for c in answer["changed"]] == [
        ("198.51.100.8", 50, 70)]
    wait_until(lambda: "is the plane running" in two.status_of("plane1")["error"], 30, "said why")
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
    wait_until(lambda: control.status_of("plane1")["state"] == "refused", 30, "plane1 refuses")
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
    wait_until(lambda: "does not speak" in control.status_of("plane0")["error"], 30, "said so")
    plane.garbage = None
    control.in_sync()


def test_plane_of_another_protocol_is_told(control):
    control.plane().protocol = 2
    control.start()
    wait_until(lambda: "protocol 2" in control.status_of("plane0")["error"], 30, "said so")


def test_hanging_plane_is_given_up(control):
    plane = control.plane()
    plane.hang = "plane.hello"
    control.start()
    wait_until(lambda: "no answer to plane.hello" in control.status_of("plane0")["error"], 30, "said so")
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
    plane.wait_for(lambda p: len(p.vips["192.0.2.1 8 tcp"]["backends"]) == 199)  # once drained


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
        # udp follows its rows at once; of tcp, old connections would go on
        cluster.write_config([vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1}, protocol="udp")])
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
        wait_until(lambda: not cluster.in_sync(), 30, "the daemon seeing that the plane is gone")
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
    assert shown["overlay"] == [{"vip": "web", "backend": "198.51.100.7", "admin": "drained", "weight": 100,
                                "state": "present", "listed": True}]
    two.ok("backend", "undrain", "b1")
    assert two.ok("config", "show")["overlay"] == []


def test_show_can_be_applied_again(two):
    code, out, _ = two.cli("config", "show")
    assert code == 0
    assert two.ok("config", "apply", "-", stdin=out)["unchanged"] is True


def test_lists(two):
    vips = two.ok("vip", "list")
    assert vips["planes"] == 2
    assert vips["vips"] == [{"vip": "192.0.2.1:80/tcp", "name": "web", **POLICY, "on_down": "rehash", "table_size": 65537, "weight": 150,
                             "packets": 60, "bytes": 3600, "backends": 2}]
    shown = two.ok("vip", "show", "192.0.2.1:80/tcp")
    assert [b["name"] for b in shown["backends"]] == ["b1", "b2"]
    rows = two.ok("backend", "list", "--vip", "web")["backends"]
    assert rows[0]["share_ppm"] == 666666 and rows[0]["packets"] == 30
    assert (rows[0]["next_hop"], rows[0]["admin"], rows[0]["rows"]) == ("reachable", "enabled", 100)
    code, out, _ = two.cli("backend", "list")
    assert code == 0 and out.splitlines()[1].split()[:3] == ["web", "b1", "198.51.100.7"]


def test_explain_to_a_destination_in_the_vip(two):
    two.ok("config", "apply", two.write(two.config([web(**NETS), web(name="any6", address="2001:db8:2::/64", port="any")]), "new.json"))
    explain = ("flow", "explain", "--vip", "nets", "--src", "203.0.113.9:1")
    for more, text in (((), "to 192.0.2.0 port 8000"), (("--destination", "192.0.2.255:8999"), "to 192.0.2.255 port 8999"),
                       (("--destination", "192.0.2.0:8000"), "to 192.0.2.0 port 8000")):
        assert two.ok(*explain, *more)["steps"][-1]["text"] == text
    for wrong in ("192.0.3.0:8000", "192.0.1.255:8000", "192.0.2.7:7999", "192.0.2.7:9000"):
        code, error = two.refused(*explain, "--destination", wrong)
        assert code == 64 and f"{wrong} is not in the VIP 192.0.2.0/24:8000-8999/tcp" in error["message"]
    for wrong in ("192.0.2.7", "192.0.2.7:8000-8001", "192.0.2.0/25:8000", "192.0.2.7:8000/tcp", "[2001:db8:2::1]:8000"):
        assert two.refused(*explain, "--destination", wrong)[0] == 64
    explain = ("flow", "explain", "--vip", "any6", "--src", "[2001:db8::9]:1", "--destination")
    assert two.ok(*explain, "[2001:db8:2::f]:0")["steps"][-1]["text"] == "to 2001:db8:2::f port 0"
    assert two.refused(*explain, "[2001:db8:3::f]:0")[0] == 64


def test_explain(two):
    code, out, _ = two.cli("flow", "explain", "--vip", "web", "--src", "203.0.113.9:51515", "--plane", "plane1")
    assert code == 0
    assert " 1 parse      tcp from 203.0.113.9\n" in out
    assert "\\x1b[31m" in out and "\x1b" not in out  # what a plane says does not drive the terminal
    assert "verdict: forward to 198.51.100.7 (plane plane1, generation 1)" in out
    assert " 3 row        to 192.0.2.1 port 80\n" in out
    asked = [params.get("syn") for method, params in two.planes["plane1"].calls if method == "plane.explain"]
    assert asked == [False]
    two.ok("flow", "explain", "--vip", "web", "--src", "203.0.113.9:51515", "--plane", "plane1", "--syn")
    asked = [params["syn"] for method, params in two.planes["plane1"].calls if method == "plane.explain"]
    assert asked == [False, True]
    two.ok("config", "apply", "-", stdin=json.dumps(two.config([web(), dns()])))
    code, error = two.refused("flow", "explain", "--vip", "dns", "--src", "[2001:db8::9]:1", "--syn")
    assert code == 64 and "only a packet to a TCP VIP can be a SYN" in error["message"]
    for source in ("203.0.113.9", "203.0.113.9:1-2", "203.0.113.9:any", "203.0.113.0/24:1", "x:1", "[2001:db8::9]:1"):
        assert two.refused("flow", "explain", "--vip", "web", "--src", source)[0] == 64
    assert two.cli("flow", "explain", "--vip", "web", "--src", "203.0.113.9:0")[0] == 0  # a port like any
    assert two.refused("flow", "explain", "--vip", "no", "--src", "203.0.113.9:1")[0] == 1
    assert two.refused("flow", "explain", "--vip", "web", "--src", "203.0.113.9:1", "--plane", "x")[0] == 1
    two.planes["plane1"].stop()
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 30, "plane1 is gone")
    code, error = two.refused("flow", "explain", "--vip", "web", "--src", "203.0.113.9:1", "--plane", "plane1")
    assert (code, error["code"]) == (75, "plane_unavailable")
