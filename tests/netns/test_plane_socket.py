# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: nothing that a peer can do on the plane socket stops the plane, delays other clients, or changes what it serves
without a commit; each wrong thing is answered in one clear sentence, or by closing the connection.
Method: plane_host (the real plane library on an engine of plain memory); raw bytes through Python's sockets. After
each attack the plane still answers another client and its generation and digest are what they were.
"""

import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from lab import BUILD, Lab, Rpc, wait_until

PLANE_HOST = BUILD / "dataplane/plane/plane_host"
CLIENTS_MAX = 16
LINE_BYTES_MAX = 1 << 20
LINE_SECONDS = 5
GATEWAY = "02:00:00:00:00:99"


def vip(port=80, backends=("10.0.0.1", "10.0.0.2"), **members):
    return {"address": "192.0.2.1", "port": port, "protocol": "tcp", "table_size": 251,
            "backends": [{"address": address, "weight": 1} for address in backends], **members}


class PlaneHost:
    """A plane_host process that serves generation 1."""

    def __init__(self, lab, *arguments, limits="8,256,4096", launcher=()):
        self.lab = lab
        self.path = lab.dir / "plane.sock"
        self.argv = [*launcher, PLANE_HOST, "--socket", self.path, "--gateway", GATEWAY,
                     "--source", "10.9.9.9", "--limits", limits, *arguments]
        self.process = None

    def start(self):
        self.process = self.lab.popen(None, list(map(str, self.argv)), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line == "ready\n", self.process.stderr.read()
        return self

    def serve_one(self):
        with Rpc(self.path) as rpc:
            rpc.call("plane.prepare", generation=1, vips=[vip()])
            rpc.call("plane.commit", generation=1)
        return self

    def state(self):
        with Rpc(self.path) as rpc:
            hello = rpc.call("plane.hello")
        return hello["generation"], hello["digest"], hello["prepared"]

    def stop(self, how=signal.SIGTERM):
        status = self.lab.stop(self.process, how)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def host(lab):
    made = PlaneHost(lab).start().serve_one()
    before = made.state()
    yield made
    assert made.state() == before, "what the plane serves has changed"
    assert made.stop() == 0
    assert not made.path.exists(), "the socket was left behind"


def code(answer):
    assert "error" in answer, answer
    error = answer["error"]
    assert error["message"] and "\n" not in error["message"]
    return error["data"]["code"]


def refusal(host, data):
    """The data.code of the answer to raw bytes; the session goes on."""
    with Rpc(host.path) as rpc:
        rpc.send(data)
        answer = rpc.line()
        assert rpc.call("plane.hello")["generation"] == 1
        return code(answer)


def request(method, params, **envelope):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params, **envelope}).encode() + b"\n"


# -- bytes that are no request ----------------------------------------------------------------

@pytest.mark.parametrize("data, expected", [
    (b"garbage\n", "parse_error"),
    (b"\n", "parse_error"),
    (b"\x00\xff\xfe\x80\n", "parse_error"),
    (b"GET / HTTP/1.1\n", "parse_error"),
    (b"{}\n", "invalid_request"),
    (b"[]\n", "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1,"method":"plane.hello"} x\n', "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"method":"plane.hello"}{}\n', "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"plane.hello"}\n', "duplicate_member"),
    (b'{"jsonrpc":"1.0","id":1,"method":"plane.hello"}\n', "invalid_request"),
    (b'{"jsonrpc":"2.0","method":"plane.hello"}\n', "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1,"method":7}\n', "invalid_request"),
    (b'[{"jsonrpc":"2.0","id":1,"method":"plane.hello"}]\n', "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1,"method":"plane.prepare","params":' + b'{"vips":' * 32 + b"0" + b"}" * 33 + b"\n",
     "too_deep"),
    (b'{"jsonrpc":"2.0","id":1,"method":"plane.reboot"}\n', "method_not_found"),
    (request("plane.prepare", {"generation": 2, "vips": [{"a": 1}]})[:-4] + b',"b":1.5}]}}\n', "parse_error"),
], ids=range(16))
def test_socket_answers_what_is_no_request(host, data, expected):
    assert refusal(host, data) == expected


@pytest.mark.parametrize("params, expected, path", [
    ({}, "missing_member", "/params"),
    ({"generation": 2, "vips": "none"}, "wrong_type", "/params/vips"),
    ({"generation": 2, "vipz": []}, "unknown_member", "/params/vipz"),
    ({"generation": 1}, "generation_out_of_order", "/params/generation"),
    ({"generation": 1 << 60}, "out_of_range", "/params/generation"),
    ({"generation": 2, "vips": [vip(port=65536)]}, "out_of_range", "/params/vips/0/port"),
    ({"generation": 2, "vips": [vip(table_size=252)]}, "invalid_value", "/params/vips/0/table_size"),
    ({"generation": 2, "vips": [vip(backends=["224.0.0.1"])]}, "address_not_usable",
     "/params/vips/0/backends/0/address"),
    ({"generation": 2, "vips": [vip(backends=["2001:db8::1"])]}, "no_encapsulation",
     "/params/vips/0/backends/0/address"),
    ({"generation": 2, "vips": [vip(port) for port in range(1, 9)]}, "limit_exceeded", "/params/vips"),
    ({"generation": 2, "vips": [vip(81, table_size=4093)]}, "limit_exceeded", "/params/vips"),
    ({"generation": 2, "vips": [vip(81, [f"10.0.{i // 200}.{1 + i % 200}" for i in range(257)],
                                    table_size=4093)]}, "limit_exceeded", "/params/vips/0/backends"),
], ids=range(12))
def test_socket_names_what_is_wrong_and_where(host, params, expected, path):
    with Rpc(host.path) as rpc:
        rpc.send(request("plane.prepare", params))
        answer = rpc.line()
        assert code(answer) == expected
        assert answer["error"]["data"]["path"] == path
        assert host.state()[2] is None


def test_socket_skips_a_line_that_is_too_long(host):
    with Rpc(host.path) as rpc:
        rpc.send(b'{"x":"' + b"x" * LINE_BYTES_MAX)
        assert code(rpc.line()) == "line_too_long"
        rpc.send(b'more of the same"}\n')
        assert rpc.call("plane.hello")["generation"] == 1


def test_socket_takes_a_line_in_single_bytes(host):
    with Rpc(host.path) as rpc:
        for byte in request("plane.hello", {}):
            rpc.send(bytes([byte]))
        assert rpc.line()["result"]["generation"] == 1


def test_socket_answers_many_lines_of_one_packet(host):
    with Rpc(host.path) as rpc:
        rpc.send(request("plane.hello", {}) * 40)
        for _ in range(40):
            assert rpc.line()["result"]["generation"] == 1


def test_socket_answers_a_peer_that_has_finished_sending(host):
    with Rpc(host.path) as rpc:
        rpc.send(request("plane.hello", {}))
        rpc.socket.shutdown(socket.SHUT_WR)
        assert rpc.line()["result"]["generation"] == 1
        assert rpc.line() is None


# -- peers that hold on ------------------------------------------------------------------------

def test_socket_half_a_request_is_closed_and_delays_nobody(host):
    with Rpc(host.path, timeout=4 * LINE_SECONDS) as slow:
        start = time.monotonic()
        slow.send(request("plane.hello", {})[:20])
        asked = 0
        ended = threading.Event()

        def wait_for_end():
            assert slow.line() is None
            ended.set()
        thread = threading.Thread(target=wait_for_end)
        thread.start()
        with Rpc(host.path) as other:
            while not ended.is_set():
                before = time.monotonic()
                other.call("plane.hello")
                assert time.monotonic() - before < LINE_SECONDS / 2, "another client had to wait"
                asked += 1
                ended.wait(0.05)
                assert time.monotonic() - start < 4 * LINE_SECONDS, "half a line was not closed"
        thread.join()
        assert time.monotonic() - start > LINE_SECONDS * 0.9
        assert asked > 10


def test_socket_idle_clients_stay(host):
    with Rpc(host.path) as idle, Rpc(host.path, timeout=4 * LINE_SECONDS) as slow:
        idle.call("plane.hello")
        slow.send(b"{")
        assert slow.line() is None  # its time is over
        idle.call("plane.hello")


def test_socket_a_client_that_does_not_read_delays_nobody(host):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as deaf:
        deaf.connect(str(host.path))
        deaf.setblocking(False)
        sent = 0
        # until the plane takes no more: it does not read who does not read
        deadline = time.monotonic() + 10
        blocked_since = None
        while blocked_since is None or time.monotonic() - blocked_since < 0.5:
            assert time.monotonic() < deadline
            try:
                sent += deaf.send(request("plane.stats", {}) * 100)
                blocked_since = None
            except BlockingIOError:
                blocked_since = blocked_since or time.monotonic()
                with Rpc(host.path) as other:
                    other.call("plane.hello")
        assert sent > 0


def hello(host):
    """The plane's hello to one more client; None when it was refused."""
    with Rpc(host.path) as rpc:
        with contextlib.suppress(BrokenPipeError):
            rpc.send(request("plane.hello", {}))
        with contextlib.suppress(ConnectionResetError):
            return (rpc.line() or {}).get("result")
    return None


def test_socket_refuses_the_seventeenth_client(host):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Rpc(host.path)) for _ in range(CLIENTS_MAX)]
        for client in clients:
            client.call("plane.hello")
        with Rpc(host.path) as late:
            assert code(late.line()) == "too_many_clients"
            assert late.line() is None
        clients[3].call("plane.hello")
        clients[5].close()
        # its place is free as soon as the plane has seen it go
        def admitted():
            return hello(host) is not None
        wait_until(admitted, 5, "a free place is given to the next client")


def test_socket_survives_clients_that_come_and_go(host):
    def storm():
        for i in range(200):
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
                sock.connect(str(host.path))
                with contextlib.suppress(OSError):
                    sock.send([b"", b"x", b"\n" * 100, request("plane.prepare", {"generation": 9})][i % 4])
    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: (hello(host) or {"prepared": 0})["prepared"] is None, 5,
               "prepared changes of clients that went are aborted, and their places free")


# -- order of calls ----------------------------------------------------------------------------

def test_socket_order_of_calls(host):
    with Rpc(host.path) as one, Rpc(host.path) as two:
        assert code(one.ask("plane.commit", generation=2)) == "not_prepared"
        assert code(one.ask("plane.abort", generation=2)) == "not_prepared"
        one.call("plane.prepare", generation=2, vips=[vip(81)])
        assert code(one.ask("plane.prepare", generation=3, vips=[])) == "already_prepared"
        assert code(two.ask("plane.prepare", generation=2, vips=[])) == "already_prepared"
        assert code(two.ask("plane.commit", generation=2)) == "not_prepared"
        assert code(one.ask("plane.commit", generation=3)) == "not_prepared"
        assert host.state()[2] == 2
        assert one.call("plane.abort", generation=2) == {"generation": 1}
        assert code(one.ask("plane.prepare", generation=1, vips=[])) == "generation_out_of_order"


def test_socket_disconnect_aborts_what_was_prepared(host):
    with Rpc(host.path) as one:
        one.call("plane.prepare", generation=2, vips=[vip(81)])
        assert host.state()[2] == 2
    wait_until(lambda: host.state()[2] is None, 5, "the prepared change is aborted")
    with Rpc(host.path) as one:
        one.call("plane.prepare", generation=2, more=True, vips=[vip(81)])
    with Rpc(host.path) as two:
        wait_until(lambda: "result" in two.ask("plane.prepare", generation=2, vips=[vip(82)]), 5,
                   "the half prepared change is dropped")
        two.call("plane.abort", generation=2)


def test_socket_commit_is_what_prepare_said(lab):
    host = PlaneHost(lab).start().serve_one()
    with Rpc(host.path) as rpc:
        prepared = rpc.call("plane.prepare", generation=7, vips=[vip(backends=("10.0.0.1", "10.0.0.3"))])
        [change] = prepared["vips"]
        assert change["change"] == "changed" and change["rows"] == 251
        assert 0 < change["rows_minimum"] <= change["rows_moved"] < 251
        committed = rpc.call("plane.commit", generation=7)
        assert committed == {"generation": 7, "digest": prepared["digest"]}
        [served] = rpc.call("plane.stats")["vips"]
        assert sum(backend["rows"] for backend in served["backends"]) == 251
        assert [backend["address"] for backend in served["backends"]] == ["10.0.0.1", "10.0.0.3"]
        assert {backend["mac"] for backend in served["backends"]} == {GATEWAY}
    assert host.stop() == 0


# -- who may, and the socket's place -----------------------------------------------------------

ASK = """
import contextlib, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
with contextlib.suppress(BrokenPipeError):  # refused already: the answer is there
    s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"plane.hello"}\\n')
print(s.makefile().readline())
"""


def ask_as(path, uid):
    """What a process of user @p uid hears; it may write to the socket, whatever its mode."""
    result = subprocess.run(["setpriv", f"--reuid={uid}", "--regid=65534", "--clear-groups", sys.executable, "-c", ASK,
                             str(path)], capture_output=True, text=True, timeout=30, check=True)
    return json.loads(result.stdout)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_socket_admits_root_and_the_control_user_alone(lab):
    host = PlaneHost(lab, "--control-user", "nobody").start()
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o660
    host.path.chmod(0o666)  # or the file system would refuse already
    nobody = pwd.getpwnam("nobody").pw_uid
    assert ask_as(host.path, nobody)["result"]["generation"] == 0
    assert code(ask_as(host.path, 54321)) == "not_permitted"
    assert host.stop() == 0
    host = PlaneHost(lab, "--control-user", "no-such-user").start()
    host.path.chmod(0o666)
    assert code(ask_as(host.path, nobody)) == "not_permitted"
    assert host.state()[0] == 0
    assert host.stop() == 0


def test_socket_belongs_to_the_group(lab):
    host = PlaneHost(lab, "--group", "nogroup").start()
    assert host.path.stat().st_gid == grp.getgrnam("nogroup").gr_gid
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o660
    assert host.stop() == 0
    assert PlaneHost(lab, "--group", "no-such-group").start().stop() == 0


def failure(host):
    result = subprocess.run(list(map(str, host.argv)), capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def test_socket_path_is_taken_only_from_the_dead(lab):
    first = PlaneHost(lab).start().serve_one()
    assert "another process serves" in failure(PlaneHost(lab))
    assert first.state()[0] == 1
    first.stop(signal.SIGKILL)
    assert first.path.exists()
    second = PlaneHost(lab).start()
    assert second.state()[0] == 0
    assert second.stop() == 0

    second.path.write_text("a file of somebody's")
    assert "is not a socket" in failure(PlaneHost(lab))
    assert second.path.read_text() == "a file of somebody's"
    second.path.unlink()
    missing = PlaneHost(lab)
    missing.argv[missing.argv.index(missing.path)] = lab.dir / "missing" / "plane.sock"
    assert "cannot open the directory" in failure(missing)


def test_socket_that_was_replaced_is_not_removed(lab):
    host = PlaneHost(lab).start()
    host.path.unlink()
    host.path.write_text("another's")
    assert host.stop() == 0
    assert host.path.read_text() == "another's"


def test_socket_survives_running_out_of_descriptors(lab):
    # standard three, netlink and epoll, listener, signals: room for a few clients
    host = PlaneHost(lab, launcher=("prlimit", "--nofile=12:12")).start().serve_one()
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(CLIENTS_MAX):
            sock = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            sock.connect(str(host.path))
            clients.append(sock)
        clients[0].settimeout(10)
        clients[0].sendall(request("plane.hello", {}))
        assert b'"generation":1' in clients[0].recv(65536)
        # it waits for a descriptor, and does not burn the processor
        ticks = cpu_ticks(host.process.pid)
        time.sleep(1)  # time is the point: how much of it the plane burns
        assert cpu_ticks(host.process.pid) - ticks < os.sysconf("SC_CLK_TCK") // 4
    assert host.state()[0] == 1
    assert lab.stop(host.process) == 0
    assert "takes no new client" in host.process.stderr.read()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
