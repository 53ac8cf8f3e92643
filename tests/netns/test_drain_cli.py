# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: `backend drain --wait` says "drained" when it is so, on every plane, and not before; what hurts is asked for twice;
tables and plans show what planes told.
Method: the real fairlead against a daemon that answers what a test tells it, so that each state is exact; then the
real fairleadd over scripted planes.
"""

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from control_lab import two_fixture, web  # noqa: F401 (fixture)
from lab import LineServer, program, wait_until


def row(**members):
    """A row of backend.list: a backend that was just drained. None: without that member."""
    told = {"vip": "192.0.2.1:80/tcp", "vip_name": "web", "backend": "198.51.100.7", "name": "b1", "weight": 100,
            "effective_weight": 0, "admin": "drained", "state": "draining", "share_ppm": 0, "rows": 0, "packets": 7, "bytes": 700,
            "next_hop": "reachable", "rows_leaving": 1200, "flows": 3, "idle_ms": 4200, "drained": False, **members}
    return {member: value for member, value in told.items() if value is not None}


SERVING = {"admin": "enabled", "state": "serving", "effective_weight": 100, "rows": 300, "rows_leaving": 0, "flows": 0,
           "idle_ms": 0}
DRAINED = {"state": "drained", "rows_leaving": 0, "flows": 0, "idle_ms": None, "drained": True}
OTHER = row(name="b2", backend="198.51.100.8", **SERVING)


class ScriptedDaemon(LineServer):
    """Speaks the control protocol (docs/formats.md 3) and answers what it is told; `lists` holds the answers of backend.list
    in turn, the last one for good. Its calls are (method, params, time)."""

    greeting = b'{"jsonrpc":"2.0","method":"hello","params":{"api":1,"version":"0.1.0"}}\n'

    def __init__(self, directory):
        super().__init__(directory / "control.sock")
        self.lists = [[row(), OTHER]]
        self.planes = [{"name": "plane0", "state": "in_sync", "in_sync": True}]
        self.planes_in_sync = None  # of backend.list; None: those of planes
        self.planes_told = None  # the same: planes that answered; None: all
        self.answers = {}

    def __str__(self):
        return f"calls {[method for method, _, _ in self.calls]}"

    def answer(self, session, request):
        with self.changed:
            reply = self._answer(request["method"], request.get("params") or {})
            self.changed.notify_all()
        return json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}).encode() + b"\n"

    def _answer(self, method, params):
        self.calls.append((method, params, time.monotonic()))
        if method in self.answers:
            answer = self.answers[method]
            return {"error": answer} if "code" in answer else {"result": answer}
        if method == "backend.list":
            rows = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            in_sync = sum(p["in_sync"] for p in self.planes)
            return {"result": {"backends": rows, "planes": self.planes_told or len(self.planes),
                               "planes_in_sync": in_sync if self.planes_in_sync is None else self.planes_in_sync}}
        if method == "status":
            return {"result": {"state": "serving", "planes": self.planes}}
        changed = [{"vip": "192.0.2.1:80/tcp", "name": "web", "backend": "198.51.100.7", "weight_before": 100, "weight_after": 0}]
        removed = {"removed": [{"vip": "192.0.2.1:80/tcp", "name": "web", "backend": "198.51.100.7",
                                "state": "removed" if params.get("now") else "leaving"}]} if method == "backend.remove" else {}
        ramp = {"ramp": {"to": params["weight"], "over_s": params["over_s"]}} if "over_s" in params else {}
        return {"result": {"generation": 2, "unchanged": bool(ramp), "changed": [] if ramp else changed, "warnings": [],
                           "planes_away": [], "planes_failed": [], **removed, **ramp}}

    def asked(self, method):
        with self.changed:
            return [params for name, params, _ in self.calls if name == method]

    def wait_for_calls(self, method, count):
        self.wait_for(lambda _: self.count(method) >= count, 20)

    def command(self, *words):
        return [program("fairlead"), "--socket", self.path, *map(str, words)]

    def cli(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def running(self, *words, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        with subprocess.Popen(self.command(*words), **options) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


@pytest.fixture(name="daemon")
def daemon_fixture(tmp_path):
    daemon = ScriptedDaemon(tmp_path).start()
    yield daemon
    daemon.stop()


# --- drain --wait ---


def test_returns_when_drained_and_not_before(daemon):
    daemon.lists = [[row(), OTHER], [row(rows_leaving=0, flows=1)], [row(rows_leaving=0, flows=0)], [row(**DRAINED)]]
    code, out, err = daemon.cli("backend", "drain", "b1", "--wait")
    assert (code, err) == (0, "")  # no progress where nobody looks
    assert out.startswith("web: backend 198.51.100.7: weight 100 -> 0\ngeneration 2\nb1 is drained, after ")
    times = [at for method, _, at in daemon.calls if method == "backend.list"]
    assert len(times) == 4
    assert all(after - before > 0.9 for before, after in zip(times, times[1:])), "it asks once a second at most"
    # the one VIP that has it is enough to look at
    assert daemon.asked("backend.list") == [{}, *[{"vip": "192.0.2.1:80/tcp"}] * 3]


def test_without_wait_it_asks_for_nothing(daemon):
    code, out, _ = daemon.cli("backend", "drain", "b1", "--vip", "web")
    assert (code, out) == (0, "web: backend 198.51.100.7: weight 100 -> 0\ngeneration 2\n")
    assert [method for method, _, _ in daemon.calls] == ["backend.drain"]


def test_at_the_limit_says_what_is_left_of_each_vip(daemon):
    daemon.lists = [[row(), OTHER, row(vip="192.0.2.2:53/udp", vip_name="dns", rows_leaving=0, flows=1, idle_ms=61_900),
                     row(vip_name="done", **DRAINED), row(vip_name="last", rows=9, rows_leaving=0, flows=0)]]
    started = time.monotonic()
    code, out, err = daemon.cli("backend", "drain", "198.51.100.7", "--wait", "2s")
    assert 1.9 < time.monotonic() - started < 6
    assert (code, err) == (1, "")
    assert out.split("\n", 2)[2] == ("198.51.100.7 is not drained after 2s; it goes on:\n"
                                     "web: 1200 rows leaving, 3 flows, last seen 4s ago\n"
                                     "dns: 1 flow, last seen 1m 1s ago\n"
                                     "last: owns 9 rows\n")
    assert daemon.asked("backend.list")[-1] == {}


def test_json_is_one_document(daemon):
    code, out, err = daemon.cli("-j", "backend", "drain", "b1", "--wait=1s", "--vip", "web")
    answer = json.loads(out)
    assert (code, err, out.count("\n")) == (1, "", 1)
    assert (answer["generation"], answer["wait"], answer["left"], answer["planes_left"]) == (2, "limit", [row()], [])
    assert answer["waited_ms"] >= 1000
    daemon.lists = [[row(**DRAINED)]]
    code, out, err = daemon.cli("backend", "drain", "b1", "--wait", "-j")
    answer = json.loads(out)
    assert (code, err, answer["wait"], answer["left"]) == (0, "", "done", [])


def test_idle_is_enough_when_asked_for(daemon):
    silent = row(rows_leaving=5, flows=2, idle_ms=30_000)
    daemon.lists = [[row(rows_leaving=5, flows=2, idle_ms=29_999)], [silent]]
    code, out, _ = daemon.cli("backend", "drain", "b1", "--wait", "--idle", "30s")
    assert code == 0 and len(daemon.asked("backend.list")) == 2
    assert "b1 was silent for 30s, after " in out and out.endswith("web: 5 rows leaving, 2 flows, last seen 30s ago\n")
    daemon.lists = [[silent]]
    assert daemon.cli("backend", "drain", "b1", "--wait", "1s")[0] == 1
    daemon.lists = [[row(rows=1, idle_ms=99_999)]]  # owns rows: not silent, whatever it says
    assert daemon.cli("backend", "drain", "b1", "--wait", "1s", "--idle", "30s")[0] == 1


def test_a_plane_that_is_away_is_not_drained(daemon):
    """A list speaks for the planes that are in sync; the kernel may forward on without the process of one."""
    daemon.lists = [[row(**DRAINED)]]
    daemon.planes.append({"name": "plane1", "state": "connecting", "in_sync": False})
    code, out, _ = daemon.cli("backend", "drain", "b1", "--wait", "2s")
    assert code == 1 and out.endswith("plane plane1 is not in sync (connecting): what it still sends there is not known\n")
    answer = json.loads(daemon.cli("-j", "backend", "drain", "b1", "--wait", "1s")[1])
    assert answer["planes_left"] == ["plane1"]
    assert answer["planes_out_of_sync"] == [{"name": "plane1", "state": "connecting", "error": ""}]
    with daemon.running("backend", "drain", "b1", "--wait", "20s") as process:
        daemon.wait_for_calls("status", len(daemon.asked("status")) + 2)
        assert process.poll() is None
        daemon.planes_in_sync = 1  # it came back after the list was made
        daemon.planes[1].update(state="in_sync", in_sync=True)
        daemon.wait_for_calls("status", len(daemon.asked("status")) + 2)
        assert process.poll() is None
        daemon.planes_in_sync = None
        assert process.wait(10) == 0


UNTOLD = {"rows": None, "rows_leaving": None, "flows": None, "idle_ms": None, "packets": None, "bytes": None}
AWAY = {"name": "plane0", "state": "connecting", "in_sync": False, "error": "nothing listens; is the plane running?"}


def test_planes_that_told_nothing_are_named_with_the_cause(daemon):
    daemon.lists = [[row(**UNTOLD)]]
    daemon.planes = [AWAY, {**AWAY, "name": "plane1", "state": "refused", "error": "no memory"},
                     {**AWAY, "name": "plane2", "state": "in_sync", "in_sync": True, "error": "no answer in time"}]
    code, out, _ = daemon.cli("backend", "drain", "b1", "--wait", "1s")
    assert code == 1
    assert out.split("it goes on:\n")[1] == (
        "web: no plane in sync told what it holds\n"
        "plane plane0 is not in sync (connecting: nothing listens; is the plane running?): what it still sends there is not known\n"
        "plane plane1 is not in sync (refused: no memory): what it still sends there is not known\n"
        "plane plane2: no answer in time\n")
    answer = json.loads(daemon.cli("-j", "backend", "drain", "b1", "--wait", "1s")[1])
    assert answer["planes_left"] == ["plane0", "plane1"] and answer["planes_out_of_sync"] == [
        {"name": "plane0", "state": "connecting", "error": "nothing listens; is the plane running?"},
        {"name": "plane1", "state": "refused", "error": "no memory"}]
    daemon.lists = [[row()]]  # also where another plane still counts
    assert "plane plane1 is not in sync (refused: no memory)" in daemon.cli("backend", "drain", "b1", "--wait", "1s")[1]
    daemon.lists = [[row(**UNTOLD)]]
    assert "--now cuts the connections of b1, VIP web: no plane in sync told" in daemon.cli("backend", "remove", "b1", "--now")[2]


def test_a_plane_that_does_not_answer_is_not_silent(daemon):
    """One that is busy with a change is in sync, and tells nothing."""
    daemon.lists = [[row(rows_leaving=0, flows=1, idle_ms=30_000)]]
    daemon.planes.append({"name": "plane1", "state": "in_sync", "in_sync": True})
    daemon.planes_told = 1
    with daemon.running("backend", "drain", "b1", "--wait", "20s", "--idle", "30s") as process:
        daemon.wait_for_calls("status", 3)
        assert process.poll() is None
        daemon.planes_told = None
        assert process.wait(10) == 0


def test_called_off_ends_the_wait(daemon):
    daemon.lists = [[row(), OTHER], [row(**SERVING), OTHER]]
    code, out, _ = daemon.cli("backend", "drain", "b1", "--wait")
    assert code == 1 and "b1 is not drained, after " in out and "it was given its share again" in out


@pytest.mark.parametrize("lists, where", [([[row(), OTHER], [OTHER]], " from VIP 192.0.2.1:80/tcp"), ([[OTHER]], "")],
                         ids=["later", "first look"])
def test_removed_by_another_is_not_drained(daemon, lists, where):
    """Nobody knows: it may have been cut."""
    daemon.lists = list(lists)
    code, out, _ = daemon.cli("backend", "drain", "b1", "--wait")
    assert code == 1 and "drained, after" not in out
    assert f"\nb1 was removed{where} meanwhile by another change, after " in out
    assert out.endswith("s: whether it was drained by then is not known\n")
    daemon.lists = list(lists)
    code, out, _ = daemon.cli("-j", "backend", "drain", "b1", "--wait")
    assert (code, json.loads(out)["wait"]) == (1, "gone")


def test_a_vip_that_is_gone_was_not_drained(daemon):
    unknown = {"code": -32000, "message": 'there is no VIP "web"', "data": {"code": "unknown_vip", "errors": []}}
    daemon.answers["backend.list"] = unknown
    code, out, err = daemon.cli("backend", "drain", "b1", "--vip", "web", "--wait")
    assert (code, err) == (1, "")
    assert "b1 is not drained, after 0s: its VIP web was removed meanwhile by another change" in out
    answer = json.loads(daemon.cli("-j", "backend", "drain", "b1", "--vip", "web", "--wait")[1])
    assert (answer["wait"], answer["left"]) == ("gone", [])


def test_an_address_is_found_however_it_is_spelled(daemon):
    daemon.lists = [[row(backend="2001:db8::7", rows_leaving=2)]]
    assert daemon.cli("backend", "drain", "2001:DB8:0::7", "--wait", "1s")[0] == 1


def test_a_daemon_that_is_away_is_asked_again(daemon):
    with daemon.running("backend", "drain", "b1", "--wait", "30s") as process:
        daemon.wait_for_calls("backend.list", 1)
        daemon.stop()
        line = process.stderr.readline()
        assert line.startswith("warning: fairleadd ") and line.endswith("; asking again until the limit\n")
        daemon.lists = [[row(**DRAINED)]]
        time.sleep(2.2)  # time is the point: it looks in vain, and says so once
        daemon.start()
        assert process.wait(10) == 0
        assert process.stderr.read() == "warning: fairleadd answers again\n"
        assert "b1 is drained, after " in process.stdout.read()


def test_a_daemon_that_stays_away_is_told_at_the_limit(daemon):
    with daemon.running("backend", "drain", "b1", "--wait", "3s") as process:
        daemon.wait_for_calls("backend.list", 2)  # so that the first is answered
        daemon.stop()
        assert process.wait(10) == 1
        out = process.stdout.read()
    assert "web: 1200 rows leaving, 3 flows" in out and "what happened since is not known: fairleadd is not running" in out
    daemon.start()


def test_a_refusal_ends_the_wait(daemon):
    daemon.answers["backend.list"] = {"code": -32000, "message": "not for you", "data": {"code": "not_permitted", "errors": []}}
    code, _, err = daemon.cli("backend", "drain", "b1", "--wait")
    assert (code, err) == (77, "fairlead: not for you\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_the_drain(daemon, number):
    with daemon.running("backend", "drain", "b1", "--wait") as process:
        daemon.wait_for_calls("backend.list", 2)
        process.send_signal(number)
        assert process.wait(30) == -number  # as a shell expects of a command that Ctrl-C ended
        assert process.stderr.read() == ('fairlead: not waiting any more: the drain of b1 goes on; '
                                         '"fairlead backend undrain b1" ends it\n')
    assert {method for method, _, _ in daemon.calls} == {"backend.drain", "backend.list"}


def test_interrupted_while_the_daemon_hangs(daemon):
    with daemon.running("-j", "backend", "drain", "b1", "--wait") as process:
        daemon.wait_for_calls("backend.list", 1)
        with daemon.changed:  # the next look gets no answer
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == -signal.SIGINT
        assert json.loads(process.stderr.read())["error"]["code"] == "interrupted"


def on_terminal(daemon, term):
    """What a wait of 2 s that ends at the limit shows there."""
    ours, theirs = pty.openpty()
    with daemon.running("backend", "drain", "b1", "--wait", "2s", stderr=theirs, env={**os.environ, "TERM": term}) as process:
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 4096):
                text += chunk
        except OSError:
            pass  # its end was closed
        assert process.wait(10) == 1
    os.close(ours)
    return text


def test_progress_names_planes_that_told_nothing(daemon):
    daemon.lists = [[row(**UNTOLD)]]
    daemon.planes = [AWAY, {**AWAY, "name": "plane1"}]
    assert b" of 2s  web: not in sync: plane plane0, plane1\r" in on_terminal(daemon, "xterm")


@pytest.mark.parametrize("term, seen", [("xterm", True), ("dumb", False)])
def test_progress_is_for_terminals(daemon, term, seen):
    text = on_terminal(daemon, term)
    assert (b" of 2s  web: 1200 rows leaving, 3 flows, last seen 4s ago" in text) == seen
    assert text == b"" or text.endswith(b"\r\x1b[K")


@pytest.mark.parametrize("words", [["drain", "b1", "--wait=20"], ["drain", "b1", "--wait", "20"], ["drain", "b1", "--wait=0s"],
                                   ["drain", "b1", "--wait=25h"], ["drain", "b1", "--wait=24h1s"], ["drain", "b1", "--wait=1s1m"],
                                   ["drain", "b1", "--wait=m"], ["drain", "b1", "--wait=-1s"], ["drain", "b1", "--wait=1m1m"],
                                   ["drain", "b1", "--wait", "--idle", "1x"], ["weight", "b1", "5", "--over", "1d"],
                                   ["drain", "b1", "--wait=99999999999999999999s"], ["drain", "b1", "--wait=1s "],
                                   ["drain", "b1", "--wait", "abc"], ["drain", "b1", "--wait", "3d"], ["drain", "b1", "--wait", "-5"],
                                   ["drain", "b1", "--vip", "web", "--wait", "-5s"], ["drain", "--wait", "-1", "b1"]])
def test_what_is_no_time(daemon, words):
    code, out, err = daemon.cli("backend", *words)
    assert (code, out) == (64, "") and "takes a time from 1s to 24h, like 90s, 20m or 1h30m, not " in err
    assert daemon.calls == []


def test_where_the_time_may_stand(daemon):
    daemon.lists = [[row(**DRAINED)]]
    for words in (["--wait", "1h30m", "b1"], ["b1", "--wait", "90s"], ["--wait", "b1"], ["b1", "--wait", "--vip", "web"]):
        assert daemon.cli("backend", "drain", *words)[0] == 0, words
    assert daemon.cli("backend", "drain", "--wait", "20m")[2].startswith("fairlead: usage: ")
    assert "--wait" in daemon.cli("backend", "drain", "b1", "--idle", "30s")[2]
    assert {params["backend"] for params in daemon.asked("backend.drain")} == {"b1"}


# --- remove and weight ---


def test_remove_is_a_drain_that_ends(daemon):
    code, out, _ = daemon.cli("backend", "remove", "b1")
    assert code == 0 and "web: backend 198.51.100.7: leaves when nothing holds it any more\n" in out
    assert daemon.asked("backend.remove") == [{"backend": "b1"}]
    leaving = row(state="leaving")
    daemon.lists = [[leaving, OTHER], [row(**{**DRAINED, "state": "leaving"}), OTHER], [OTHER]]
    code, out, _ = daemon.cli("backend", "remove", "b1", "--wait")
    assert code == 0 and "b1 is removed, after " in out and len(daemon.asked("backend.list")) == 3
    daemon.lists = [[leaving], [row(**SERVING)]]
    assert daemon.cli("backend", "remove", "b1", "--wait")[0] == 1


def test_a_removal_names_the_planes_it_gave_up_on(daemon):
    daemon.planes = [*daemon.planes, {"name": "plane1", "state": "connecting", "in_sync": False},
                     {"name": "plane2", "state": "syncing", "in_sync": False}]
    leaving = row(state="leaving")
    daemon.lists = [[leaving], [OTHER]]
    code, out, err = daemon.cli("backend", "remove", "b1", "--wait")
    assert code == 1 and "b1 is removed, after " in out
    assert err.count("warning: ") == 1 and "plane plane1 was not in sync (connecting) for so long" in err
    daemon.lists = [[OTHER]]  # gone at the first look
    code, out, err = daemon.cli("-j", "backend", "remove", "b1", "--wait")
    assert (code, err, json.loads(out)["wait"], json.loads(out)["planes_left"]) == (1, "", "done", ["plane1", "plane2"])
    daemon.lists = [[leaving]]
    out = daemon.cli("backend", "remove", "b1", "--wait", "1s")[1]
    assert "plane plane1 is not in sync (connecting): what it still sends there is not known\n" in out


def test_now_needs_yes_unless_it_is_drained(daemon):
    daemon.lists = [[row(), OTHER]]
    code, _, err = daemon.cli("backend", "remove", "b1", "--now")
    assert code == 1 and "--now cuts the connections of b1, VIP web: 1200 rows leaving, 3 flows" in err and "--yes" in err
    daemon.lists = [[row(**SERVING)]]  # stable rows: flows that nobody counts
    code, _, err = daemon.cli("-j", "backend", "remove", "b1", "--now", "--vip", "web")
    assert (code, json.loads(err)["error"]["code"]) == (1, "not_drained") and daemon.asked("backend.remove") == []
    assert daemon.asked("backend.list")[-1] == {"vip": "web"}
    assert "removed\n" in daemon.cli("backend", "remove", "b1", "--now", "--yes")[1]
    daemon.lists = [[row(**DRAINED), OTHER]]
    assert daemon.cli("backend", "remove", "b1", "--now")[0] == 0
    assert daemon.asked("backend.remove") == [{"now": True, "backend": "b1", "force": True}, {"now": True, "backend": "b1"}]
    assert daemon.cli("backend", "remove", "b1", "--now", "--wait")[0] == 64


def test_weight_goes_there_over_a_time(daemon):
    code, out, _ = daemon.cli("backend", "weight", "b1", 100, "--over", "10m")
    assert (code, out) == (0, "weight goes to 100 step by step within 10m 0s\n")
    assert daemon.asked("backend.weight") == [{"weight": 100, "over_s": 600, "backend": "b1"}]


# --- tables and plans ---

VIP = {"vip": "192.0.2.1:80/tcp", "name": "web", "mode": "ipip", "fragments": "follow", "icmp_echo": "answer",
       "no_backend": "drop", "window_s": 900, "hold_s": 3, "table_size": 65537, "weight": 150, "packets": 60, "bytes": 3600,
       "rows_moving": 1200, "rows_settling": 34, "stable_in_ms": 249_001, "flows": 17, "flow_failures": 1, "flow_evictions": 2,
       "row_races": 4, "windows_extended": 5, "planes": 1, "planes_in_sync": 1, "on_down": "keep"}


def test_vip_show_tells_what_moves(daemon):
    daemon.answers["vip.show"] = {**VIP, "backends": [row(), OTHER, row(name="b3", **DRAINED), row(
        name="b4", **{**SERVING, "ramp": {"to": 400, "left_s": 250}})]}
    code, out, _ = daemon.cli("vip", "show", "web")
    lines = dict(line.split(None, 1) for line in out.splitlines() if line[:11].count(" ") > 1 and line[:3] != "web")
    assert code == 0
    for title, text in (("window", "15m 0s, hold 3s"), ("moving", "1200"), ("settling", "34"), ("flows", "17"),
                        ("failures", "1"), ("evictions", "2"), ("extended", "5")):
        assert lines[title] == text, out
    assert "stable in   4m 10s\n" in out and "row races   4\n" in out and "\non down     keep\n" in out and "\nudp " not in out
    table = [line.split() for line in out.splitlines()[-5:]]
    assert table[0] == "VIP BACKEND ADDRESS STATE WEIGHT SERVES SHARE ROWS LEAVING FLOWS IDLE PACKETS BYTES NEXT HOP".split()
    assert table[1] == "web b1 198.51.100.7 draining 100 0 0.0 % 0 1200 3 5s 7 700 reachable".split()
    assert table[2] == "web b2 198.51.100.8 serving 100 100 0.0 % 300 0 0 - 7 700 reachable".split()
    assert table[3][3] == "drained" and table[3][-4] == "-"  # nothing holds it
    assert "serving, to 400 in 4m 10s" in out
    daemon.answers["vip.show"] = {**{k: VIP[k] for k in VIP if k not in UNTOLD and not k.startswith("rows_")}, "window_s": 0,
                                  "udp": "hash", "backends": []}
    out = daemon.cli("vip", "show", "web")[1]
    assert "\nudp         hash\n" in out
    assert "window      none: its flows follow the rows at once\n" in out and "moving" not in out
    assert "\npackets     -\nbytes       -\n" in out


def test_what_no_plane_told_is_no_zero(daemon):
    daemon.lists = [[row(**UNTOLD, next_hop="unknown"), row(**DRAINED)]]
    out = [line.split() for line in daemon.cli("backend", "list")[1].splitlines()]
    assert out[1] == "web b1 198.51.100.7 draining 100 0 0.0 % - - - - - - unknown".split()
    assert out[2] == "web b1 198.51.100.7 drained 100 0 0.0 % 0 0 0 - 7 700 reachable".split()
    daemon.answers["vip.list"] = {"vips": [{k: VIP[k] for k in VIP if k not in UNTOLD}], "planes": 0}
    line = daemon.cli("vip", "list")[1].splitlines()[1].split()
    assert line == "web 192.0.2.1:80/tcp ipip 0 150 65537 - - follow answer drop".split()


def test_diff_tells_what_is_cut(daemon, tmp_path):
    path = tmp_path / "fairlead.json"
    path.write_text(json.dumps({"version": 1, "planes": [{"name": "plane0", "socket": "/run/x.sock"}], "vips": [
        web(), web(name="dns", address="192.0.2.2", protocol="udp")]}))
    change = {"vip": "192.0.2.1:80/tcp", "name": "web", "change": "changed", "planes": 1, "rows": 65537, "rows_moved": 6554,
              "rows_minimum": 6553, "share_ppm": 100004, "flows_cut": 0, "policy_before": {"mode": "ipip", "window_s": 900},
              "policy_after": {"mode": "ipip", "window_s": 60},
              "backends": [{"address": "198.51.100.8", "change": "leaving", "weight_before": 50, "weight_after": 0}]}
    cut = {**change, "vip": "192.0.2.2:80/udp", "name": "dns", "flows_cut": 7, "backends": [
        {"address": "198.51.100.9", "change": "removed", "weight_before": 50}]}
    gone = {"vip": "192.0.2.3:80/tcp", "name": "old", "change": "removed", "planes": 1, "flows_cut": 3, "backends": []}
    daemon.answers["config.diff"] = {"generation": 1, "unchanged": False, "changes": [change, cut, gone], "plane_changes": [],
                                     "warnings": [], "planes_away": [], "planes_failed": []}
    code, out, _ = daemon.cli("config", "diff", path)
    assert code == 1
    assert out == """~ vip web 192.0.2.1:80/tcp
    ~ window_s: 900 -> 60
    - backend 198.51.100.8: weight 50, gone when nothing holds it any more
    new flows that change backend: 10.0 % (6554 of 65537 rows, the least possible is 6553)
    open flows that are cut: 0
~ vip dns 192.0.2.2:80/udp
    ~ window_s: 900 -> 60
    - backend 198.51.100.9: weight 50
    new and open flows that change backend: 10.0 % (6554 of 65537 rows, the least possible is 6553)
    open flows that are cut: all of the removed (7 tracked)
- vip old 192.0.2.3:80/tcp
    0 backends
    open flows that are cut: all (3 tracked)
plan: 2 changed, 1 removed. Nothing applied.
"""
    assert json.loads(daemon.cli("-j", "config", "diff", path)[1])["changes"][1] == cut


def test_show_warns_of_what_the_text_does_not_say(daemon):
    item = {"vip": "web", "backend": "198.51.100.7", "admin": "enabled", "weight": 200, "state": "present", "listed": True}
    daemon.answers["config.show"] = {"generation": 1, "config": {"version": 1}, "overlay": [
        item, {**item, "admin": "drained"}, {**item, "state": "removed"}, {**item, "admin": "drained", "state": "leaving"},
        {**item, "state": "leaving", "listed": False}]}
    code, out, err = daemon.cli("config", "show")
    assert (code, json.loads(out)) == (0, {"version": 1})
    assert err == """warning: not in this text: web backend 198.51.100.7 is set, weight 200
warning: not in this text: web backend 198.51.100.7 is drained, weight 200
warning: web backend 198.51.100.7 was removed at run time, and this text still has it: it stays removed when it is applied
warning: web backend 198.51.100.7 is being removed at run time, and this text still has it: the removal goes on when it is applied
warning: not in this text: web backend 198.51.100.7, gone when nothing holds it any more
"""


# --- over the real fairleadd ---

HELD = {"rows_leaving": 40, "flows": 2, "idle_ms": 1500}


@contextmanager
def waiting(control, *words):
    with subprocess.Popen([program("fairlead"), "--socket", str(control.socket), "backend", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def looked_at(plane, times=3):
    """So many times from now on; the daemon asks the plane for each look."""
    seen = plane.count("plane.stats")
    plane.wait_for(lambda p: p.count("plane.stats") >= seen + times)


def test_every_plane_has_to_let_go(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    for plane in (first, second):
        plane.holds["198.51.100.7"] = HELD
    with waiting(two, "drain", "b1", "--wait", "1m") as process:
        looked_at(second)
        first.holds.clear()
        looked_at(second)
        assert process.poll() is None
        shown = two.ok("backend", "list", "--vip", "web")["backends"][0]
        assert (shown["state"], shown["drained"], shown["rows_leaving"], shown["flows"]) == ("draining", False, 40, 2)
        second.holds.clear()
        assert process.wait(10) == 0, process.stderr.read()
    assert two.ok("backend", "drain", "b1", "--wait")["wait"] == "done"  # already
    assert two.cli("backend", "remove", "b1", "--now")[0] == 0  # nothing to be cut
    assert [b["name"] for b in two.ok("backend", "list")["backends"]] == ["b2"]


def test_a_plane_that_goes_meanwhile_is_waited_for(two):
    first, second = two.planes["plane0"], two.planes["plane1"]
    first.holds["198.51.100.7"] = HELD
    with waiting(two, "drain", "b1", "--vip", "web", "--wait", "1m") as process:
        looked_at(first, 2)
        second.stop()
        wait_until(lambda: not two.status_of("plane1")["in_sync"], 10, "plane1 is away")
        first.holds.clear()
        looked_at(first, 4)
        assert process.poll() is None
        second.start()
        assert process.wait(10) == 0, process.stderr.read()


def test_a_removal_ends_with_the_last_hold(two):
    two.planes["plane1"].holds["198.51.100.7"] = HELD
    with waiting(two, "remove", "b1", "--wait", "1m") as process:
        looked_at(two.planes["plane1"], 4)
        assert process.poll() is None and two.ok("backend", "list")["backends"][0]["state"] == "leaving"
        assert two.cli("backend", "list")[1].splitlines()[1].split()[3] == "leaving"
        two.planes["plane1"].holds.clear()
        assert process.wait(10) == 0
        assert "b1 is removed, after " in process.stdout.read()
    assert [b["name"] for b in two.ok("backend", "list")["backends"]] == ["b2"]
    code, error = two.refused("backend", "remove", "b2", "--now")
    assert (code, error["code"]) == (1, "not_drained")


def test_a_removal_goes_on_without_a_plane_that_is_away(two):
    two.ok("config", "apply", "-", stdin=json.dumps(two.config([web(window_s=2)])))
    two.planes["plane0"].holds["198.51.100.7"] = HELD
    with waiting(two, "remove", "b1", "--wait", "1m") as process:
        two.planes["plane1"].wait_for(lambda p: p.generation == 3)
        two.planes["plane1"].stop()
        wait_until(lambda: not two.status_of("plane1")["in_sync"], 10, "plane1 is away")
        looked_at(two.planes["plane0"], 2)
        two.planes["plane0"].holds.clear()
        assert process.wait(15) == 1
        assert "b1 is removed, after " in process.stdout.read()
        assert "warning: plane plane1 was not in sync" in process.stderr.read()


def test_a_removal_waits_a_window_for_a_plane_that_went_long_before(two):
    two.ok("config", "apply", "-", stdin=json.dumps(two.config([web(window_s=2)])))
    two.planes["plane1"].stop()  # what it forwards by, goes on
    wait_until(lambda: not two.status_of("plane1")["in_sync"], 10, "plane1 is away")
    # longer than 2 s, a sixteenth, and 3 s
    wait_until(lambda: two.status_of("plane1")["since_ms"] > 5300, 10, "plane1 is away for long")
    begin = time.monotonic()
    with waiting(two, "remove", "b1", "--wait", "1m") as process:
        assert process.wait(15) == 1
        assert time.monotonic() - begin > 4.5
        assert "b1 is removed, after " in process.stdout.read()
        assert "warning: plane plane1 was not in sync" in process.stderr.read()


@pytest.mark.parametrize("vips", [1, 2])
def test_a_vip_that_another_removes_ends_the_wait(two, vips):
    other, spare = ({**web(), "name": name, "address": f"192.0.2.{last}"} for name, last in (("other", 2), ("spare", 3)))
    spare["backends"] = [{"address": "198.51.100.9", "name": "b9"}]
    two.ok("config", "apply", "-", stdin=json.dumps(two.config([web(), other, spare][2 - vips:])))
    for plane in two.planes.values():
        plane.holds["198.51.100.7"] = HELD
    with waiting(two, "drain", "b1", "--wait", "1m") as process:
        looked_at(two.planes["plane0"], 2)
        two.ok("config", "apply", "-", stdin=json.dumps(two.config([web(), spare][2 - vips:])))
        assert process.wait(10) == 1
        assert "b1 is not drained, after " in (out := process.stdout.read())
        assert "its VIP 192.0.2.2:80/tcp was removed meanwhile" in out


def test_an_undrain_ends_the_wait_of_another(two):
    two.planes["plane0"].holds["198.51.100.7"] = HELD
    with waiting(two, "remove", "b1", "--wait") as process:
        looked_at(two.planes["plane0"], 2)
        two.ok("backend", "undrain", "b1")
        assert process.wait(10) == 1
        assert "it was given its share again" in process.stdout.read()


def test_a_backend_that_another_removes_ends_the_wait(two):
    for plane in two.planes.values():
        plane.holds["198.51.100.7"] = HELD
    with waiting(two, "drain", "b1", "--wait", "1m") as process:
        looked_at(two.planes["plane0"], 2)
        two.ok("backend", "remove", "b1", "--now", "--yes")
        assert process.wait(10) == 1
        assert "b1 was removed from VIP 192.0.2.1:80/tcp meanwhile by another change" in process.stdout.read()


def test_all_planes_away_are_named(two):
    two.ok("backend", "drain", "b1")
    for plane in two.planes.values():
        plane.stop()
    wait_until(lambda: all("is the plane running" in two.status_of(name)["error"] for name in two.planes), 10, "they are away")
    code, out, _ = two.cli("backend", "drain", "b1", "--wait", "1s")
    assert code == 1 and "no flow counted" not in out and "web: no plane in sync told what it holds\n" in out
    for name in two.planes:
        assert f"plane {name} is not in sync (connecting: " in out
    shown = two.ok("backend", "list")["backends"][0]
    assert not {"rows", "rows_leaving", "flows", "idle_ms", "packets", "bytes"} & set(shown) and shown["next_hop"] == "unknown"
    assert not {"packets", "bytes"} & set(two.ok("vip", "list")["vips"][0]) | {"packets"} & set(two.ok("vip", "show", "web"))


def test_weights_go_up_by_steps(two):
    """RAMP_STEP_MS apart."""
    answer = two.ok("backend", "weight", "b2", 1050, "--over", "10s")
    assert answer["ramp"] == {"to": 1050, "over_s": 10} and answer["changed"] == []
    assert ", to 1050 in " in two.cli("backend", "list")[1]
    wait_until(lambda: two.ok("backend", "list")["backends"][1]["effective_weight"] == 1050, 25, "the last step")
    assert "ramp" not in two.ok("backend", "list")["backends"][1]
