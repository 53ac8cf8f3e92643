# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: the daemon's own process and socket hold under any client, and the command line's exit codes can be relied on.
Method: as in test_control.py; raw bytes on the control socket, wrong users, files and directories.
"""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from control_lab import Daemon, control_fixture, two_fixture, dns, web  # noqa: F401 (fixtures)
from lab import program, wait_until
from scripted_plane import ScriptedPlane, digest_of


BAD = Path(__file__).parent / "bad" / "control"


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


def test_too_few_files(control):
    control.plane(start=False)
    control.write(control.config())
    done = subprocess.run(["prlimit", "--nofile=16:16", program("fairleadd"), "--config", control.file, "--socket",
                           control.socket, "--state-dir", control.state], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 69 and "at most 16 files may be open, and fairleadd needs " in done.stderr
    assert "LimitNOFILE=" in done.stderr and not control.socket.exists()


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
    process = subprocess.Popen(["sh", "-c", f'exec "$0" --config "$1" --socket "$2" --state-dir "$3" {user} <&- >&- 2>&-',
                                program("fairleadd"), control.file, control.socket, control.state])
    try:
        wait_until(lambda: control.cli("status")[0] == 0, 30, "answering")
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
    wait_until(lambda: "is no socket" in control.status_of("plane0")["error"], 30, "said so")


def test_hangup_applies_the_file_again(two):
    two.write(two.config([web(), dns()]))
    two.daemon.process.send_signal(signal.SIGHUP)
    for plane in two.planes.values():
        plane.wait_for(lambda p: len(p.vips) == 2)
    two.daemon.wait_log("generation 2 serves: by SIGHUP: ")
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
    wait_until(lambda: two.cli("status")[0] == 0, 30, "places are free again")


def test_client_that_leaves_in_the_middle(two):
    """Of its own change: the change is made all the same, and the answer is for nobody."""
    for request in (b'{"jsonrpc":"2.0","id":1,"method":"backend.drain","params":{"backend":"b1"}}\n',
                    b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 50):
        client, lines = raw(two)
        client.sendall(request)
        lines.close()
        client.close()
    two.planes["plane0"].wait_for(lambda p: p.generation == 2)
    wait_until(lambda: two.ok("status")["generation"] == 2, 30, "the daemon heard of the commit")


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
    assert control.refused("config", "check", control.dir / "none.json")[0] == 69
    assert control.refused("config", "check", control.dir)[0] == 69
    for words in (["--check"], ["--config"]):
        assert subprocess.run([program("fairleadd"), *words, control.dir / "none.json"], check=False).returncode == 69
    assert control.refused("config", "apply", BAD / "vip-port-65536.json")[0] == 78
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
