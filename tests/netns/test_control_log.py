# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: the log tells who changed what, in one line for each change, and what a change or a start cuts; a configuration
without VIPs takes nothing down by itself.
Method: the real fairleadd over scripted planes; its log is read as it comes.
"""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from control_lab import control_fixture, two_fixture, dns, web  # noqa: F401 (fixtures)
from lab import Rpc, program, wait_until

B1, B2 = "198.51.100.7", "198.51.100.8"
ME = f"by uid {os.geteuid()}: "


def changes(control):
    """What the log says of changes, without digests; and how many lines say of each generation."""
    said = re.findall(r"^<5>generation (\d+) ((?:still )?serves: .*), digest ([0-9a-f]{16}|not known.*)$", control.daemon.log(), re.M)
    return [f"{generation} {text}" for generation, text, _ in said]


def hangup(control, vips, name=None):
    control.write(control.config(vips))
    control.daemon.process.send_signal(signal.SIGHUP)
    control.daemon.wait_log(name or "by SIGHUP: ")


def test_each_change_is_one_line_with_who_and_what(two):
    two.ok("backend", "drain", "b1")
    two.ok("backend", "undrain", "b1", "--vip", "web")
    two.ok("backend", "weight", "b2", 70)
    two.ok("backend", "weight", "b2", 70)
    two.ok("backend", "weight", "b2", 1070, "--over", "86400s", "--yes")
    two.ok("backend", "remove", "b2", "--now", "--yes")
    new = two.write(two.config([web(name="w2"), dns()]), "new.json")
    two.ok("config", "apply", new)
    two.ok("config", "apply", new)  # unchanged: no line
    hangup(two, [dns()])
    assert changes(two) == [
        f"2 serves: {ME}backend drain b1 (web: weight of {B1} from 100 to 0)",
        f"3 serves: {ME}backend undrain b1 --vip web (web: weight of {B1} from 0 to 100)",
        f"4 serves: {ME}backend weight b2 70 (web: weight of {B2} from 50 to 70)",
        f"4 still serves: {ME}backend weight b2 70 (nothing on the planes)",
        f"4 still serves: {ME}backend weight b2 1070 --over 86400s --yes (nothing on the planes)",
        f"5 serves: {ME}backend remove b2 --now --yes (1 VIP changed: web)",
        f"6 serves: {ME}config apply {new} (1 VIP added: dns)",
        f"7 serves: by SIGHUP: {two.file} again (1 VIP removed: w2)",
    ]
    two.daemon.wait_log(f"<4>{two.file}: w2: the VIP is removed at once")
    two.daemon.process.send_signal(signal.SIGHUP)
    two.daemon.wait_log("fairlead.json: nothing changed")


def test_changes_of_its_own_are_told_too(two):
    two.ok("backend", "remove", "b1")
    two.daemon.wait_log(f"serves: VIP web: backend {B1} is drained on all planes and removed (1 VIP changed: web), digest ")
    two.ok("backend", "weight", "b2", 2050, "--over", "2s")
    two.daemon.wait_log(f"serves: a step of weights on their way (web: weight of {B2} from ")
    two.daemon.wait_log(" to 2050), digest ")


def test_many_at_once_are_named_in_part(control):
    control.plane()
    many = [{"address": f"10.0.0.{i}"} for i in range(1, 21)]
    control.start(control.config([web(*many)]))
    control.plane("other")
    control.in_sync("plane0")
    vips = [web(*many, name=f"v{i}", address=f"192.0.2.{i}") for i in range(2, 14)]
    control.ok("config", "apply", "-", stdin=json.dumps(control.config([web(many[0]), *vips])))
    control.daemon.wait_log(": VIP web: 19 backends that were leaving are removed: 10.0.0.")
    control.ok("backend", "weight", "10.0.0.1", 7)
    control.daemon.wait_log("and 5 more), digest")
    said = changes(control)
    assert said[0] == (f"2 serves: {ME}config apply stdin (12 VIPs added, 1 changed: web, v2, v3, v4, v5, v6, v7, v8 and 5 more, "
                       "1 plane of the configuration changed)")
    assert said[1].count("10.0.0.") == 8 and said[1].endswith(" and 11 more (1 VIP changed: web)")
    assert said[2].endswith("v7: weight of 10.0.0.1 from 100 to 7, v8: weight of 10.0.0.1 from 100 to 7 and 5 more)")


def test_a_line_is_bounded(control):
    control.plane(start=False)
    long = [web(name=f"{i}{'x' * 63}", port=i + 1) for i in range(9)]
    control.start(control.config(long))
    with Rpc(control.socket) as rpc:
        rpc.call("config.apply", text=json.dumps(control.config([web(name=f"{i}{'y' * 63}", port=i + 20) for i in range(9)])),
                 file="f\n" * 128)
    control.daemon.wait_log("config apply")
    line = next(line for line in control.daemon.log().splitlines() if "config apply" in line)
    assert "config apply f?f?" in line and " and 10 more), digest not known" in line and len(line) < 2048
    assert "7yyy" in line and "8yyy" not in line and "xxx" not in line


def test_nothing_left_to_serve_needs_yes(two):
    new = two.write(two.config([web(), dns()]), "new.json")
    empty = two.write(two.config([]), "empty.json")
    two.ok("config", "apply", new)
    code, error = two.refused("config", "apply", empty)
    assert (code, error["code"]) == (1, "cuts_connections") and "--yes" in error["hint"]
    assert error["message"] == "the configuration has no VIP: web and 1 more would be removed, and all connections with them"
    assert two.cli("config", "diff", empty)[0] == 1  # it may be looked at
    hangup(two, [], "the configuration has no VIP")
    two.daemon.wait_log("the old configuration stays")
    for plane in two.planes.values():
        assert plane.generation == 2 and len(plane.vips) == 2
    two.ok("config", "apply", two.write(two.config([dns()]), "new.json"))  # one that goes is a warning
    assert two.ok("config", "apply", empty, "--yes")["generation"] == 4
    assert two.planes["plane0"].vips == {}
    two.ok("config", "apply", new)


@pytest.mark.parametrize("vips, words", [
    ([web(table_size=509)], "web: table_size 65537 -> 509 is another table: all open connections break"),
    ([dns()], "192.0.2.1:80/tcp: the VIP is removed at once, and its connections with it"),
    ([], "192.0.2.1:80/tcp: the VIP is removed at once, and its connections with it"),
], ids=["table_size", "gone", "empty"])
def test_a_start_that_cuts_connections_warns(two, vips, words):
    two.ok("backend", "weight", "b2", 70)
    assert two.daemon.end(signal.SIGKILL) == -signal.SIGKILL
    two.start(two.config(vips))
    two.daemon.wait_log(words)
    assert f"\n<4>{two.file}: {words}" in "\n" + two.daemon.log()
    # what is kept is none
    assert two.daemon.log().count("<4>") == 1
    two.in_sync()


def on_terminal(*words):
    """What a program that ends by itself says there."""
    ours, theirs = pty.openpty()
    text = b""
    with subprocess.Popen([program("fairleadd"), *map(str, words)], stderr=theirs, stdout=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        try:
            while chunk := os.read(ours, 4096):
                text += chunk
        except OSError:
            pass  # its end was closed
        assert process.wait(10) != 0
    os.close(ours)
    return text.decode()


def test_priorities_are_not_for_terminals(control):
    control.plane(start=False)
    control.start()
    said = on_terminal("--config", control.file, "--socket", control.socket, "--state-dir", control.state)
    assert said.startswith("another fairleadd serves ") and "<" not in said


def test_uid_of_another_user_is_told(two):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chmod(two.socket, 0o666)
    done = subprocess.run([program("fairlead"), "--socket", two.socket, "backend", "drain", "b1"], user=12345, group=12345,
                          extra_groups=[], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: changes(two), 30, "the line")
    assert changes(two)[0].startswith("2 serves: by uid 12345: backend drain b1 (")
