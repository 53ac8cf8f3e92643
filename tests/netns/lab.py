# SPDX-License-Identifier: BSD-2-Clause
"""
A small network of namespaces for one test, gone when the test is over.

    with Lab() as lab:
        lab.bridge("sw")                                    # a namespace that is a switch
        lab.link("client", "eth0", "sw", ["10.0.0.1/24"])   # a namespace on it, made when missing
        lab.run("client", ["ping", "-c", "1", "10.0.0.2"])

Names are unique for the process and the lab. Commands run by nsenter, which keeps the mounts (`ip netns exec` hides
bpffs). Processes are ended by pid, newest first; a lab never touches what it did not make.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FAIRLEAD_BUILD", TOP / "build"))
STOP_SECONDS = 30


def program(name):
    """The path of one of our programs."""
    return str(BUILD / name)


class Lab:
    def __init__(self):
        self.tag = "flt" + secrets.token_hex(4)
        self.dir = Path(tempfile.mkdtemp(prefix="fairlead-test."))
        self.dir.chmod(0o755)
        self.bpf = self.tables = None
        self.namespaces = {}
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            self.stop(process)
        for name in reversed(list(self.namespaces.values())):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        self.namespaces.clear()
        for mounted in (self.bpf, self.tables):
            if mounted is not None:
                subprocess.run(["umount", mounted], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- the network ------------------------------------------------------------------------

    def namespace(self, name):
        """Make the namespace @p name if it is not there; its full name."""
        if name not in self.namespaces:
            full = f"{self.tag}-{name}"
            subprocess.run(["ip", "netns", "add", full], check=True)
            self.namespaces[name] = full
            self.ip(name, "link", "set", "lo", "up")
        return self.namespaces[name]

    def ip(self, name, *arguments):
        subprocess.run(["ip", "-n", self.namespaces[name], *arguments], check=True)

    def bridge(self, name):
        """A namespace that holds a switch, br0."""
        self.namespace(name)
        self.ip(name, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.ip(name, "link", "set", "br0", "up")

    def link(self, name, interface, bridge, addresses=()):
        """An interface of namespace @p name on the switch @p bridge, offloads off as on a wire."""
        self.namespace(name)
        port = f"p{len(self.namespaces)}-{interface}-{secrets.token_hex(2)}"[:15]
        self.ip(bridge, "link", "add", port, "type", "veth", "peer", "name", interface,
                "netns", self.namespaces[name])
        self.ip(bridge, "link", "set", port, "master", "br0", "up")
        self.wire(name, interface, addresses)
        return port

    def pair(self, name, interface, peer, peer_interface, addresses=(), peer_addresses=()):
        """A cable between two namespaces."""
        self.namespace(name)
        self.namespace(peer)
        self.ip(name, "link", "add", interface, "type", "veth", "peer", "name", peer_interface,
                "netns", self.namespaces[peer])
        self.wire(name, interface, addresses)
        self.wire(peer, peer_interface, peer_addresses)

    def wire(self, name, interface, addresses):
        self.run(name, ["ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off",
                        "gro", "off"])
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            self.ip(name, "address", "add", address, "dev", interface, *nodad)
        self.ip(name, "link", "set", interface, "up")

    def mac(self, name, interface):
        text = self.run(name, ["ip", "-j", "link", "show", interface]).stdout
        return json.loads(text)[0]["address"]

    def pass_all(self):
        """The object of a program that passes everything, for ip(8). What XDP sends out of a veth, the other end takes
        in only where it has a program."""
        source, path = self.dir / "pass.bpf.c", self.dir / "pass.bpf.o"
        source.write_text('__attribute__((section("xdp"), used)) int pass_all(void *ctx) { return 2; }\n')
        subprocess.run(["clang", "-target", "bpf", "-O2", "-g", "-c", source, "-o", path], check=True)
        return path

    def pin_dir(self):
        """A bpffs of the lab's own."""
        if self.bpf is None:
            path = self.dir / "bpf"
            path.mkdir()
            subprocess.run(["mount", "-t", "bpf", "none", path], check=True)
            self.bpf = path
        return str(self.bpf)

    def tables_dir(self, *options):
        """A tmpfs of the lab's own, like /dev/shm."""
        if self.tables is None:
            path = self.dir / "shm"
            path.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(["mode=1777", *options]), "none", path], check=True)
            self.tables = path
        return str(self.tables)

    # -- processes --------------------------------------------------------------------------

    def command(self, name, argv):
        inside = ["nsenter", f"--net=/run/netns/{self.namespaces[name]}", "--"] if name else []
        return [*inside, *map(str, argv)]

    def run(self, name, argv, check=True, timeout=60, **options):
        """Run to the end in namespace @p name (None: outside); output as text."""
        result = subprocess.run(self.command(name, argv), capture_output=True, text=True,
                                timeout=timeout, check=False, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, argv))}: exit {result.returncode}\n"
                                 f"{result.stdout}{result.stderr}")
        return result

    def popen(self, name, argv, log=None, **options):
        """Start in the background; standard error and output go to the file @p log of the lab, if named."""
        if log is not None:
            sink = open(self.dir / log, "ab")
            options.setdefault("stdout", sink)
            options.setdefault("stderr", sink)
        process = subprocess.Popen(self.command(name, argv), **options)
        if log is not None:
            sink.close()
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.dir / name).read_text(errors="replace")

    def stop(self, process, how=signal.SIGTERM):
        """End one process of popen() and wait for it; its exit status."""
        if process in self.processes:
            self.processes.remove(process)
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode


def wait_until(predicate, seconds, what):
    """Try until it gives something true, and return that; an AssertionError names @p what otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        is_late = time.monotonic() >= deadline
        value = predicate()
        if value:
            return value
        assert not is_late, f"not within {seconds} s: {what}"
        # nothing to wait on: the predicate asks another process
        time.sleep(0.02)


class RpcError(AssertionError):
    """A call was refused; `error` is what the answer says."""

    def __init__(self, method, error):
        super().__init__(f"{method}: {error}")
        self.error = error


class Rpc:
    """A JSON-RPC 2.0 client on a Unix socket, for tests that speak to a plane or the control daemon directly."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")
        self.id = 0

    def close(self):
        self.lines.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line as an object; None at the end."""
        text = self.lines.readline()
        return json.loads(text) if text else None

    def ask_all(self, *calls):
        """The whole answer objects of (method, params)..., which are sent in one piece."""
        first, lines, answers = self.id + 1, b"", {}
        for method, params in calls:
            self.id += 1
            request = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}
            lines += json.dumps(request).encode() + b"\n"
        self.send(lines)
        while len(answers) < len(calls):
            answer = self.line()
            assert answer is not None, f"{', '.join(method for method, _ in calls)}: the connection was closed"
            if answer.get("id", 0) >= first:
                answers[answer["id"]] = answer
        return [answers[i] for i in sorted(answers)]

    def ask(self, method, **params):
        """The whole answer object, result or error."""
        return self.ask_all((method, params))[0]

    def call(self, method, **params):
        """The result; RpcError when it was refused."""
        answer = self.ask(method, **params)
        if "result" not in answer:
            raise RpcError(method, answer.get("error"))
        return answer["result"]


class Gone(Exception):
    """A LineServer's connection is to be closed now."""


class LineServer:
    """A Unix socket where each line is a request, from start() to stop(), in threads. What is made of it says answer(): of a
    connection's session, a dictionary, and the request, an object. It returns the bytes to send, None for none, or raises Gone."""

    greeting = b""

    def __init__(self, path):
        self.path = str(path)
        self.calls = []  # (method, ...) in the order they came; answer() adds to them
        self.changed = threading.Condition()  # notified after each request; its lock guards what answer() changes
        self.listener = None
        self.connections = set()

    def answer(self, session, request):
        raise NotImplementedError

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(16)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        """The socket and all connections go."""
        if self.listener is not None:
            Path(self.path).unlink(missing_ok=True)  # first: another thread may make the next one as soon as this one is no more
            listener, self.listener = self.listener, None
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop_connections()

    def drop_connections(self):
        with self.changed:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def count(self, method):
        with self.changed:
            return sum(1 for call in self.calls if call[0] == method)

    def wait_for(self, predicate, seconds=30):
        """Until it is true of the server; looked at after each request."""
        with self.changed:
            assert self.changed.wait_for(lambda: predicate(self), seconds), f"{self}: not reached in {seconds} s"

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        session = {}
        try:
            with connection, connection.makefile("rb") as lines:
                connection.sendall(self.greeting)
                for line in lines:
                    reply = self.answer(session, json.loads(line))
                    if reply is not None:
                        connection.sendall(reply)
        except (Gone, OSError):
            pass
        finally:
            with self.changed:
                self.connections.discard(connection)
                self.changed.notify_all()
