# SPDX-License-Identifier: BSD-2-Clause
"""
The real fairleadd and fairlead with scripted planes, for the tests of the control daemon.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from lab import program, wait_until
from scripted_plane import ScriptedPlane


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
            seen = self.changed.wait_for(lambda: "".join(self.lines).count(text) >= count, 30)
            assert seen, f'"{text}" is not {count} times in the log:\n{"".join(self.lines)}'

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self.reader.join(30)
        self.process.stderr.close()
        return code


class Control:
    """A daemon with scripted planes in a directory of its own."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="fairlead-control."))
        self.dir.chmod(0o755)
        self.socket = self.dir / "control.sock"
        self.file = self.dir / "fairlead.json"
        self.state = self.dir / "state"  # made by the daemon
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
        self.daemon = Daemon(["--config", str(self.file), "--socket", str(self.socket), "--state-dir", str(self.state),
                              *user, *extra])
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
            wait_until(lambda n=name: self.status_of(n)["in_sync"], 30, f"{name} in sync")


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
