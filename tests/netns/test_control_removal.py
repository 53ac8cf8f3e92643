# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: no connection is cut by what an operator plans: a backend that goes is drained on every plane first, weights
go up by steps, and a plane that starts with nothing is told what the others went through.
Method: the real fairleadd, asked over its own socket; scripted planes that hold a drain for as long as the test
wants. What planes were told is read from their own record of calls.
"""

import json
import signal
import time

import pytest

from cluster import VIP4, Cluster, backend4, vip
from control_lab import control_fixture, two_fixture, dns, web  # noqa: F401 (fixtures)
from lab import Rpc, RpcError, wait_until

WEB = "192.0.2.1 80 tcp"
B1, B2, B3 = "198.51.100.7", "198.51.100.8", "198.51.100.9"
ONE = {"address": B1, "name": "b1"}
HELD = {"rows_leaving": 40, "flows": 3, "idle_ms": 1500}


def ask(control, method, **params):
    with Rpc(control.socket) as rpc:
        return rpc.call(method, **params)


def rows(control, **params):
    return {row["backend"]: row for row in ask(control, "backend.list", **params)["backends"]}


def apply(control, *vips, **how):
    return ask(control, "config.apply", text=json.dumps(control.config(list(vips))), **how)


def weights(plane, vip=WEB):
    return dict(plane.vips[vip]["backends"])


def hold(control, address, planes=("plane0", "plane1"), **what):
    for name in planes:
        control.planes[name].holds[address] = {**HELD, **what}


# --- configuration ---


def test_windows_reach_the_planes_and_are_shown(control):
    plane = control.plane()
    udp = {**dns(), "udp": "track", "udp_window_s": 30, "hold_s": 300}
    control.start(control.config([web(window_s=20, hold_s=0, on_down="keep"), udp,
                                  {**dns(), "name": "plain", "port": 54}, {**web(), "name": "rest", "port": 81}]))
    control.in_sync()
    told = {key: (vip["policy"]["window_s"], vip["policy"]["hold_s"]) for key, vip in plane.vips.items()}
    assert told == {WEB: (20, 0), "2001:db8::1 53 udp": (30, 300), "2001:db8::1 54 udp": (0, 3),
                    "192.0.2.1 81 tcp": (900, 3)}
    shown = {vip["name"]: [vip.get(m) for m in ("window_s", "hold_s", "on_down", "udp")]
             for vip in ask(control, "vip.list")["vips"]}
    assert shown == {"web": [20, 0, "keep", None], "dns": [30, 300, "rehash", "track"],
                     "plain": [0, 3, "rehash", "hash"], "rest": [900, 3, "rehash", None]}
    document = ask(control, "config.show")["config"]
    assert [document["vips"][0][m] for m in ("window_s", "udp_window_s", "hold_s", "on_down")] == [20, 60, 0, "keep"]
    assert ask(control, "config.apply", text=json.dumps(document))["unchanged"] is True
    change = apply(control, web(window_s=21, hold_s=0))["changes"][0]
    assert (change["policy_before"]["window_s"], change["policy_after"]["window_s"]) == (20, 21)


@pytest.mark.parametrize("members, path, words", [
    ({"window_s": 1}, "/vips/0/window_s", "2"), ({"window_s": 86401}, "/vips/0/window_s", "86400"),
    ({"udp_window_s": 0}, "/vips/0/udp_window_s", "2"), ({"hold_s": 301}, "/vips/0/hold_s", "300"),
    ({"on_down": "drop"}, "/vips/0/on_down", '"rehash" or "keep", not "drop"'),
    ({"udp": "hash"}, "/vips/0/udp", "this VIP is tcp"),
    ({"udp": "x", "protocol": "udp"}, "/vips/0/udp", '"hash" or "track", not "x"'),
])
def test_wrong_windows_are_refused(two, members, path, words):
    with pytest.raises(RpcError) as refused:
        ask(two, "config.check", text=json.dumps(two.config([web(**members)])))
    error = refused.value.error["data"]["errors"][0]
    assert error["path"] == path and words in error["message"] and error["line"] == 1


# --- removal ---


def test_backend_that_a_file_lost_is_drained_first(two):
    hold(two, B2, planes=["plane1"])
    change = apply(two, web(ONE))["changes"][0]
    assert change["backends"] == [{"address": B2, "change": "leaving", "weight_before": 50, "weight_after": 0}]
    for plane in two.planes.values():
        assert weights(plane) == {B1: 100, B2: 0}
    row = rows(two)[B2]
    assert (row["state"], row["admin"], row["effective_weight"], row["drained"]) == ("leaving", "enabled", 0, False)
    assert (row["rows_leaving"], row["flows"], row["idle_ms"]) == (40, 3, 1500)
    assert B2 not in json.dumps(ask(two, "config.show")["config"])
    assert [(o["backend"], o["state"], o["listed"]) for o in ask(two, "config.show")["overlay"]] == [(B2, "leaving", False)]
    # asked again and again, and one plane is enough to hold it
    asked = two.planes["plane0"].count("plane.stats")
    two.planes["plane0"].wait_for(lambda p: p.count("plane.stats") > asked + 2)
    assert weights(two.planes["plane0"]) == {B1: 100, B2: 0}
    two.planes["plane1"].holds.clear()
    two.daemon.wait_log(f"VIP web: backend {B2} is drained on all planes and removed")
    for plane in two.planes.values():
        assert weights(plane) == {B1: 100}
    assert set(rows(two)) == {B1}
    two.in_sync()


def test_file_that_has_it_again_ends_a_removal(two):
    hold(two, B2)
    apply(two, web(ONE))
    change = apply(two, web())["changes"][0]
    assert change["backends"] == [{"address": B2, "change": "changed", "weight_before": 0, "weight_after": 50}]
    assert rows(two)[B2]["state"] == "serving"
    # and undrain does, though the file does not have it
    apply(two, web(ONE))
    changed = ask(two, "backend.undrain", backend="b2")["changed"]
    assert [(c["backend"], c["weight_after"]) for c in changed] == [(B2, 50)]
    two.planes["plane0"].holds.clear()
    two.planes["plane1"].holds.clear()
    generation = ask(two, "status")["generation"]
    asked = two.planes["plane0"].count("plane.hello")
    two.planes["plane0"].wait_for(lambda p: p.count("plane.hello") > asked + 1)
    assert ask(two, "status")["generation"] == generation and weights(two.planes["plane1"]) == {B1: 100, B2: 50}


def test_remove_at_run_time(two):
    hold(two, B2)
    answer = ask(two, "backend.remove", backend="b2")
    assert answer["removed"] == [{"vip": "192.0.2.1:80/tcp", "name": "web", "backend": B2, "state": "leaving"}]
    assert weights(two.planes["plane0"]) == {B1: 100, B2: 0}
    with pytest.raises(RpcError, match="being removed"):
        ask(two, "backend.weight", backend="b2", weight=10)
    # the file has it still, and does not bring it back
    warnings = ask(two, "config.apply", text=two.file.read_text())["warnings"]
    assert any("backend b2 stays removed" in w for w in warnings)
    for plane in two.planes.values():
        plane.holds.clear()
    two.daemon.wait_log("is drained on all planes and removed")
    assert set(rows(two)) == {B1}
    assert [(o["backend"], o["state"], o["listed"]) for o in ask(two, "config.show")["overlay"]] == [(B2, "removed", True)]
    assert ask(two, "config.apply", text=two.file.read_text())["unchanged"] is True
    with pytest.raises(RpcError, match="no backend"):
        ask(two, "backend.drain", backend="b2")
    ask(two, "backend.undrain", backend="b2")
    assert weights(two.planes["plane1"]) == {B1: 100, B2: 50}


def test_remove_now_and_of_the_last_one(two):
    hold(two, B2)
    answer = ask(two, "backend.remove", backend=B2, vip="web", now=True)
    assert [r["state"] for r in answer["removed"]] == ["removed"]
    assert weights(two.planes["plane0"]) == weights(two.planes["plane1"]) == {B1: 100}
    with pytest.raises(RpcError) as refused:
        ask(two, "backend.remove", backend="b1")
    assert refused.value.error["data"]["code"] == "last_backend"
    with pytest.raises(RpcError, match="no backend"):
        ask(two, "backend.remove", backend="b9")
    # one that is leaving already does not wait any more
    ask(two, "backend.undrain", backend="b2")
    hold(two, B1)
    ask(two, "backend.remove", backend="b1")
    assert weights(two.planes["plane0"]) == {B1: 0, B2: 50}
    ask(two, "backend.remove", backend="b1", now=True)
    assert weights(two.planes["plane0"]) == {B2: 50}


def test_vip_without_window_and_backend_nobody_had_go_at_once(control):
    plane = control.plane(start=False)
    both = [ONE, {"address": B2}]
    control.start(control.config([web(*both), {**dns(), "backends": both}]))
    ask(control, "config.apply", text=json.dumps(control.config([web(ONE, {"address": B3}), {**dns(), "backends": both}])))
    assert set(rows(control, vip="web")) == {B1, B3}  # no plane was ever given B2
    plane.start()
    control.in_sync()
    hold(control, B2, ["plane0"])
    apply(control, web(ONE, {"address": B3}), dns())
    assert weights(plane, "2001:db8::1 53 udp") == {B1: 100}
    answer = apply(control, dns())
    assert [c["change"] for c in answer["changes"]] == ["removed"]
    assert any("web: the VIP is removed at once" in w for w in answer["warnings"])
    assert list(plane.vips) == ["2001:db8::1 53 udp"]


def test_plane_that_is_away_holds_a_removal_for_a_window(two):
    apply(two, web(window_s=2))
    two.planes["plane1"].stop()
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 30, "plane1 is gone")
    gone = time.monotonic()
    apply(two, web(ONE, window_s=2))
    two.daemon.wait_log(f"backend {B2} is removed without waiting any longer for plane plane1, away or out of step")
    assert time.monotonic() - gone > 3.5  # 2 s, a sixteenth, and 3 s, from a moment before
    assert weights(two.planes["plane0"]) == {B1: 100}


REFUSAL = {"code": "no_memory", "path": "", "message": "no memory", "hint": ""}
REFUSAL = {"code": -32000, "message": "no memory", "data": {**REFUSAL, "errors": [REFUSAL]}}


def out_of_step(control, plane):
    """It serves another generation than it should, and refuses what it should serve."""
    plane.refuse = REFUSAL
    with plane.changed:
        plane.generation -= 1
    wait_until(lambda: control.status_of(plane.name)["state"] == "refused", 30, "it refuses")


def test_plane_that_is_connected_but_out_of_step_holds_a_removal_for_a_window(two):
    apply(two, web(window_s=2))
    hold(two, B1)
    ask(two, "backend.remove", backend="b1")
    # neither how long it is connected counts, nor how long the backend leaves: longer than 2 s, a sixteenth, and 3 s
    leaving = time.monotonic()
    wait_until(lambda: time.monotonic() - leaving > 5.3, 30, "leaving for long")
    begin = time.monotonic()
    out_of_step(two, two.planes["plane1"])
    two.planes["plane0"].holds.clear()
    two.daemon.wait_log(f"backend {B1} is removed without waiting any longer for plane plane1, away or out of step")
    assert time.monotonic() - begin > 4.5
    assert weights(two.planes["plane0"]) == {B2: 50} and weights(two.planes["plane1"]) == {B1: 0, B2: 50}
    # what it says of itself is believed all the same
    ask(two, "backend.undrain", backend="b1")
    two.planes["plane1"].holds.clear()
    ask(two, "backend.remove", backend="b1")
    two.daemon.wait_log("is drained on all planes and removed")
    wait_until(lambda: two.status_of("plane1")["state"] == "refused", 30, "it refuses still")


def test_plane_that_began_anew_is_given_what_leaves_before_it_goes(two):
    """It holds nothing, but with the past of the VIP it gets rows that lead there, for flows that it had."""
    apply(two, web(window_s=2))
    hold(two, B1, ["plane0"])
    ask(two, "backend.remove", backend="b1")
    plane = two.planes["plane1"]
    plane.stop()
    plane.forget()
    plane.refuse = REFUSAL
    begin = time.monotonic()
    plane.start()
    wait_until(lambda: two.status_of("plane1")["state"] == "refused", 30, "it refuses")
    two.planes["plane0"].holds.clear()
    two.daemon.wait_log(f"backend {B1} is removed without waiting any longer for plane plane1")
    assert time.monotonic() - begin > 4.5


def test_plane_that_flaps_counts_from_when_it_was_in_step_last(two):
    """It went, came back, and went: what it was told in between, it sends by since then."""
    apply(two, web(window_s=5))  # 5 s, a sixteenth, and 3 s: the daemon tries after 3.1 s and 6.3 s
    plane = two.planes["plane1"]
    hold(two, B1)
    ask(two, "backend.remove", backend="b1")
    two.planes["plane0"].holds.clear()
    plane.stop()
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 30, "plane1 is gone")
    wait_until(lambda: two.status_of("plane1")["since_ms"] > 1600, 30, "for a while")
    plane.start()
    two.in_sync()
    begin = time.monotonic()
    plane.stop()
    two.daemon.wait_log(f"backend {B1} is removed without waiting any longer for plane plane1")
    assert time.monotonic() - begin > 7.5


def test_past_that_takes_a_plane_too_long_is_thinned_and_said_once(control):
    """HISTORY_PUSH_ROWS_MAX: 20 present tables and 10 former ones of each are below, 11 above."""
    plane = control.plane()
    largest = [{**web(ONE, table_size=1048573), "name": f"v{port}", "port": port} for port in range(1, 21)]
    control.start(control.config(largest))
    control.in_sync()
    for weight in range(1, 12):
        for v in largest:
            v["backends"] = [{**ONE, "weight": weight}]
        apply(control, *largest)
    plane.stop()
    plane.forget()
    plane.refuse = REFUSAL
    plane.start()
    wait_until(lambda: control.status_of("plane0")["state"] == "refused", 30, "it refuses")
    asked = plane.count("plane.prepare")
    plane.drop_connections()
    plane.wait_for(lambda p: p.count("plane.prepare") > asked)
    wait_until(lambda: control.status_of("plane0")["state"] == "refused", 30, "it refuses again")
    plane.refuse = None
    plane.drop_connections()
    control.in_sync()
    given = [v for method, params in plane.calls if method == "plane.prepare" for v in params["vips"]][-20:]
    assert len({v["port"] for v in given}) == 20 and all(len(v["history"]) == 10 for v in given)
    assert all(v["history"][0]["backends"][0]["weight"] == 100 for v in given)
    assert control.daemon.log().count("is told only 10 former sets of backends of each VIP") == 1


def test_restart_finds_what_was_leaving(two):
    hold(two, B2)
    apply(two, web(ONE))
    commits = [p.count("plane.commit") for p in two.planes.values()]
    two.write(two.config([web(ONE)]))
    assert two.daemon.end(signal.SIGKILL) == -signal.SIGKILL
    (two.state / "state.json").unlink()  # what it would know of it by itself
    two.start()
    two.in_sync()
    two.daemon.wait_log("are still on the planes")
    assert [p.count("plane.commit") for p in two.planes.values()] == commits  # nothing was cut, nor changed
    assert rows(two)[B2]["state"] == "leaving"
    for plane in two.planes.values():
        plane.holds.clear()
    two.daemon.wait_log("is drained on all planes and removed")
    assert weights(two.planes["plane0"]) == weights(two.planes["plane1"]) == {B1: 100}


# --- weights over time ---


def test_weight_over_time(two):
    answer = ask(two, "backend.weight", backend="b2", weight=450, over_s=40)
    assert answer["ramp"] == {"to": 450, "over_s": 40} and answer["changed"] == []
    row = rows(two)[B2]
    assert row["ramp"]["to"] == 450 and 35 <= row["ramp"]["left_s"] <= 40 and "ramp" not in rows(two)[B1]
    plane = two.planes["plane0"]
    plane.wait_for(lambda p: weights(p)[B2] != 50)
    assert 50 < weights(plane)[B2] <= 130  # 10 a second, for at most 6 s
    # another weight ends it, and so does a drain
    ask(two, "backend.weight", backend="b2", weight=60)
    assert "ramp" not in rows(two)[B2] and weights(plane)[B2] == 60
    ask(two, "backend.weight", backend="b2", weight=10, over_s=40)
    ask(two, "backend.drain", backend="b2")
    assert "ramp" not in rows(two)[B2] and weights(plane)[B2] == 0
    with pytest.raises(RpcError, match="is drained"):
        ask(two, "backend.weight", backend="b2", weight=100, over_s=40)
    ask(two, "backend.undrain", backend="b2")
    assert weights(plane)[B2] == 60

    def seconds_of_ramp():
        ask(two, "backend.weight", backend="b2", weight=60)
        begin = time.monotonic()
        ask(two, "backend.weight", backend="b2", weight=50, over_s=1)
        plane.wait_for(lambda p: weights(p)[B2] == 50)
        return time.monotonic() - begin
    # the end does not wait for the next step, after 5 s: once in three times, for a machine that stands still for seconds
    assert any(seconds_of_ramp() < 4 for _ in range(3))
    wait_until(lambda: "ramp" not in rows(two)[B2], 30, "the end")
    assert ask(two, "config.show")["overlay"] == []


def test_ramp_to_nothing_of_the_last_backend_needs_force(two):
    ask(two, "backend.drain", backend="b1")
    with pytest.raises(RpcError) as refused:
        ask(two, "backend.weight", backend="b2", weight=0, over_s=60)
    assert refused.value.error["data"]["code"] == "last_backend"


# --- history ---


def prepared(plane):
    return [params for method, params in list(plane.calls) if method == "plane.prepare"]


def sets(vip):
    return [{b["address"]: b["weight"] for b in s["backends"]} for s in vip["history"]]


def test_plane_that_comes_is_told_the_past(two):
    ask(two, "backend.drain", backend="b1")
    hold(two, B2)
    ask(two, "backend.undrain", backend="b1")
    apply(two, web(ONE), dns())
    second = two.planes["plane1"]
    second.stop()
    second.forget()
    second.start()
    second.wait_for(lambda p: p.vips == two.planes["plane0"].vips)
    full = prepared(second)[-1]
    told = {vip["protocol"]: vip for vip in full["vips"]}
    assert full["full"] is True
    assert sets(told["tcp"]) == [{B1: 100, B2: 50}, {B1: 0, B2: 50}, {B1: 100, B2: 50}]
    ages = [s["age_ms"] for s in told["tcp"]["history"]] + [told["tcp"]["age_ms"]]
    assert ages == sorted(ages, reverse=True) and 0 <= ages[-1] < 30000
    assert "history" not in told["udp"]  # follows its rows at once
    # a push of changes has none: planes have been there
    assert all("history" not in vip for p in prepared(two.planes["plane0"]) if "full" not in p for vip in p["vips"])


def test_history_is_bounded_by_number_and_by_the_window(control):
    plane = control.plane()
    control.start(control.config([web(window_s=86400), {**web(window_s=2), "name": "short", "port": 81}]))
    control.in_sync()
    with Rpc(control.socket) as rpc:
        for weight in range(1, 80):
            rpc.call("backend.weight", backend="b1", weight=weight)
    time.sleep(5.3)  # time is the point: past the short window, 2 s, a sixteenth, and 3 s
    plane.stop()
    plane.forget()
    plane.calls.clear()
    plane.start()
    plane.wait_for(lambda p: len(p.vips) == 2)
    long, short = prepared(plane)[-1]["vips"]
    assert len(long["history"]) == 64
    assert sets(long)[0] == {B1: 100, B2: 50} and sets(long)[-1] == {B1: 78, B2: 50}
    assert "history" not in short and "age_ms" not in short  # all rows are stable


# --- what planes tell ---


def test_what_planes_track_is_added_up(two):
    shown = ask(two, "vip.show", vip="web")
    assert {m: shown[m] for m in two.planes["plane0"].vip_tracking} == {
        "rows_moving": 14, "rows_settling": 10, "stable_in_ms": 9000, "flows": 22, "flow_failures": 2,
        "flow_evictions": 4, "row_races": 6, "windows_extended": 8}
    assert (shown["window_s"], shown["hold_s"], shown["planes_in_sync"]) == (900, 3, 2)
    two.planes["plane0"].vip_tracking["stable_in_ms"] = 100
    assert ask(two, "vip.show", vip="web")["stable_in_ms"] == 9000
    ask(two, "backend.drain", backend="b1")
    hold(two, B1, ["plane0"], idle_ms=9000)
    hold(two, B1, ["plane1"])
    row = rows(two)[B1]
    assert (row["rows_leaving"], row["flows"], row["idle_ms"], row["drained"]) == (80, 6, 1500, False)
    assert (row["state"], rows(two)[B2]["state"]) == ("draining", "serving")
    two.planes["plane0"].holds.clear()
    assert (rows(two)[B1]["drained"], rows(two)[B1]["idle_ms"]) == (False, 1500)  # of the one that is not drained
    two.planes["plane1"].holds.clear()
    assert (rows(two)[B1]["drained"], rows(two)[B1]["state"]) == (True, "drained") and "idle_ms" not in rows(two)[B1]
    assert rows(two)[B2]["drained"] is False


def test_rows_that_differ_for_longer_are_told(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    first.rows_digest = second.rows_digest = "00000000000000a0"

    def told():
        status = ask(two, "status")
        assert status["state"] == "serving"
        return status.get("rows_differ")

    def looks():
        """`status` asks for all VIPs, the daemon by itself for one."""
        return sum("vip" in params for method, params in list(first.calls) if method == "plane.stats")

    seen = looks()
    wait_until(lambda: looks() > seen + 1, 30, "the daemon looks")
    assert told() is None
    second.rows_digest = "00000000000000b1"
    begin = time.monotonic()
    wait_until(told, 30, "rows differ")
    assert time.monotonic() - begin >= 3
    differ = told()
    assert differ["for_ms"] >= 3000
    assert differ["planes"] == [{"plane": "plane0", "rows_digest": "00000000000000a0"},
                                {"plane": "plane1", "rows_digest": "00000000000000b1"}]
    code, out, _ = two.cli("status")
    assert code == 0 and "\nrows differ for " in out and "\nplane1: rows 00000000000000b1\n" in out
    two.daemon.wait_log("have different rows")
    # one that is busy with a change says nothing: then it is not known to be otherwise (LINK_QUERY_MS is 5 s)
    second.busy = "plane.prepare"
    with Rpc(two.socket, 30) as rpc:
        request = {"jsonrpc": "2.0", "id": 1, "method": "backend.weight", "params": {"backend": "b2", "weight": 60}}
        rpc.send(json.dumps(request).encode() + b"\n")
        second.wait_for(lambda p: p.busy and p.calls[-1][0] == p.busy)
        wait_until(lambda: "busy with a change" in two.status_of("plane1")["error"], 30, "it does not answer")
        asked = first.count("plane.stats")
        first.wait_for(lambda p: p.count("plane.stats") > asked + 1)
        second.release()
        assert rpc.line()["method"] == "hello" and rpc.line()["result"]["planes_failed"] == []
    wait_until(told, 30, "rows differ")
    assert "have the same rows again" not in two.daemon.log()
    second.rows_digest = first.rows_digest
    wait_until(lambda: not told(), 30, "they agree")
    two.daemon.wait_log("have the same rows again")
    assert "rows differ" not in two.cli("status")[1]
    second.rows_digest = "00000000000000b1"
    wait_until(told, 30, "rows differ again")
    second.stop()  # with itself a plane agrees
    wait_until(lambda: two.status_of("plane1")["state"] == "connecting", 30, "plane1 is gone")
    wait_until(lambda: "rows_differ" not in ask(two, "status"), 30, "nobody to differ from")


def test_plane_that_does_not_tell_is_not_drained(two):
    two.planes["plane1"].stats_error = {"code": -32000, "message": "the answer is too large"}
    ask(two, "backend.drain", backend="b1")
    answer = ask(two, "backend.list")
    assert (answer["planes"], answer["planes_in_sync"]) == (1, 2)
    assert [row["drained"] for row in answer["backends"]] == [False, False]
    apply(two, web({"address": B2}))
    asked = two.planes["plane1"].count("plane.stats")
    two.planes["plane1"].wait_for(lambda p: p.count("plane.stats") > asked + 1)
    assert rows(two)[B1]["state"] == "leaving"
    two.planes["plane1"].stats_error = None
    two.daemon.wait_log("is drained on all planes and removed")


def test_planes_that_track_nothing_break_nothing(two):
    for plane in two.planes.values():
        plane.tracks = False
    ask(two, "backend.drain", backend="b1")
    row = rows(two)[B1]
    assert row["drained"] is True and not {"rows_leaving", "flows", "idle_ms"} & set(row)
    assert "rows_moving" not in ask(two, "vip.show", vip="web")
    change = ask(two, "config.diff", text=json.dumps(two.config([web({"address": B2})])))["changes"][0]
    assert "flows_cut" not in change and change["rows_moved"] == 6553
    apply(two, web({"address": B2}))
    two.daemon.wait_log("is drained on all planes and removed")


def test_nobody_says_drained_without_planes(two):
    ask(two, "backend.drain", backend="b1")
    for plane in two.planes.values():
        plane.stop()
    wait_until(lambda: ask(two, "backend.list")["planes_in_sync"] == 0, 30, "both are gone")
    row = rows(two)[B1]
    assert (row["drained"], row["state"]) == (False, "draining") and "flows" not in row
    change = ask(two, "config.diff", text=json.dumps(two.config([web({"address": B2})])))["changes"][0]
    assert change["planes"] == 0 and not {"rows", "rows_moved", "share_ppm", "flows_cut"} & set(change)


def test_diff_tells_what_is_cut(two):
    for plane in two.planes.values():
        plane.flows_cut = {B2: 21}
    change = ask(two, "config.diff", text=json.dumps(two.config([web(ONE)])))["changes"][0]
    assert (change["flows_cut"], change["planes"]) == (0, 2)  # it is drained
    assert (change["rows"], change["rows_moved"], change["rows_minimum"], change["share_ppm"]) == (65537, 6553, 6553, 99989)
    # a smaller table cannot hold what leaves
    many = [{"address": f"10.0.0.{i}"} for i in range(1, 26)]
    apply(two, web(*many, {"address": B2}, table_size=509), force=True)
    wait_until(lambda: set(rows(two)) == {b["address"] for b in many} | {B2}, 30, "b1 drained")
    answer = ask(two, "config.diff", text=json.dumps(two.config([web(*many, table_size=251)])))
    change = answer["changes"][0]
    assert change["flows_cut"] == 42
    assert [b["change"] for b in change["backends"]] == ["removed"]
    assert any(f"web: backend {B2}: removed at once" in w for w in answer["warnings"])


def test_another_table_needs_yes(two):
    larger = json.dumps(two.config([web(table_size=131071)]))
    code, out, _ = two.cli("config", "diff", "-", stdin=larger)
    assert code == 1
    assert "    ~ table_size: 65537 -> 131071\n    new and open flows that change backend: " in out
    assert "    open flows that are cut: all that change backend\n" in out
    before = two.ok("status")["generation"]
    code, error = two.refused("config", "apply", "-", stdin=larger)
    assert (code, error["code"]) == (1, "cuts_connections") and "--yes" in error["hint"]
    assert "VIP web: table_size 65537 -> 131071" in error["message"]
    assert two.ok("status")["generation"] == before
    answer = two.ok("config", "apply", "-", "--yes", stdin=larger)
    assert any("web: table_size 65537 -> 131071 is another table" in w for w in answer["warnings"])
    change = answer["changes"][0]
    assert (change["table_size_before"], change["table_size_after"]) == (65537, 131071)
    assert "table_size_after" not in apply(two, web({"address": B1}, table_size=131071))["changes"][0]


# --- a real plane ---


def explained(call, source, **how):
    answer = call("flow.explain", vip="web", source=source, **how)
    return answer["verdict"], answer["backend"]


def moving_source(call):
    """A client whose row moves."""
    for port in range(1024, 2048):
        steps = call("flow.explain", vip="web", source=f"203.0.113.9:{port}")["steps"]
        if any(step.get("state") == "moving" for step in steps):
            return f"203.0.113.9:{port}"
    raise AssertionError("no row of 1024 moves")


def test_removal_on_a_real_plane():
    """Its rows move for the window; then, and not before, the backend goes."""
    with Cluster() as cluster:
        cluster.start_plane(ports=[{"name": "null", "device": "net_null0", "host": "drop",
                                    "gateway_mac": "02:00:5e:00:00:01"}], pin_dir=None)
        both = vip("web", VIP4, 80, {backend4(1): 1, backend4(2): 1}, window_s=3, hold_s=0)
        one = {**both, "backends": both["backends"][:1]}
        cluster.write_config([both])
        cluster.start_control()
        cluster.wait_in_sync()
        before = cluster.digests()
        begin = time.monotonic()

        def call(method, **params):
            with Rpc(cluster.control_socket) as rpc:
                return rpc.call(method, **params)

        def listed():
            return {row["backend"]: row for row in call("backend.list")["backends"]}

        answer = call("backend.remove", backend=backend4(2))
        assert [r["state"] for r in answer["removed"]] == ["leaving"]
        row = listed()[backend4(2)]
        assert (row["state"], row["rows"], row["drained"]) == ("leaving", 0, False) and row["rows_leaving"] > 1000
        shown = call("vip.show", vip="web")
        moved = moving_source(call)
        assert explained(call, moved) == ("forward", backend4(2))  # it may be open
        assert explained(call, moved, syn=True) == ("forward", backend4(1))  # it begins
        assert shown["rows_moving"] == row["rows_leaving"] and 0 < shown["stable_in_ms"] <= 7000
        wait_until(lambda: backend4(2) not in listed(), 20, "the backend has gone")
        assert time.monotonic() - begin > 2.9
        call("backend.undrain", backend=backend4(2))
        assert cluster.digests() == before
        diff = call("config.diff", text=json.dumps({**json.loads(cluster.config_file.read_text()), "vips": [one]}))
        change = diff["changes"][0]
        assert change["backends"][0]["change"] == "leaving" and (change["planes"], change["flows_cut"]) == (1, 0)
        assert change["rows_minimum"] <= change["rows_moved"] == change["share_ppm"] * 4093 // 10**6 + 1
