# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: whatever an operator can get wrong about fairlead-dpdk ends in one sentence that says what to do, with the
documented exit code, and leaves nothing behind; what is right starts, and stops when it is asked to.
Method: the real program, with one thing wrong at a time: in the file (bad/dpdk), then in the machine.
"""

import ctypes
import errno
import fcntl
import grp
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from dpdk_plane import KEY, PlaneLab, inside
from lab import program, wait_until

BAD = Path(__file__).parent / "bad" / "dpdk"
EXPECTED = json.loads((BAD.parents[1] / "bad_dpdk.json").read_text())
PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
NOBODY = 65534
CAPABILITIES = ("net_admin", "net_raw", "bpf", "perfmon", "ipc_lock")


@pytest.fixture
def lab():
    with PlaneLab() as made:
        yield made


def dpdk(*argv, **options):
    return subprocess.run([program("fairlead-dpdk"), *argv], capture_output=True, text=True,
                          timeout=30, check=False, **options)


def as_nobody(*capabilities):
    """A command line that gives up root for uid 65534 with these capabilities."""
    try:
        groups = f"--groups={grp.getgrnam('fairlead').gr_gid}"  # as the service is: the socket's group
    except KeyError:
        groups = "--clear-groups"
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", groups]
    if capabilities:
        plus = ",".join("+" + name for name in capabilities)
        words += [f"--inh-caps={plus}", f"--ambient-caps={plus}"]
    return words


# --- the command line and the file ---


@pytest.mark.parametrize("name", sorted(p.name for p in BAD.glob("*.json")))
def test_bad_configuration(name):
    exit_code, first = EXPECTED[name]
    for argv in (["--check", name], [name]):
        done = dpdk(*argv, cwd=BAD)
        assert (done.returncode, done.stdout) == (exit_code, "")
        assert done.stderr.splitlines()[0] == first


def test_every_bad_file_is_expected():
    assert set(EXPECTED) == {p.name for p in BAD.glob("*.json")}


def test_all_errors_are_said():
    assert dpdk("--check", BAD / "several-errors.json").stderr.count(": error: ") == 4


def test_command_line():
    assert dpdk("--version").stdout.startswith("fairlead-dpdk ")
    said = dpdk("--help").stdout
    assert "Examples:" in said and "--detach" in said
    for argv in ([], ["--chekc", "x"], ["a", "b"], ["--check", "--detach", "x"]):
        assert dpdk(*argv).returncode == 64, argv


def test_check_touches_nothing(lab):
    path = lab.config(key_file="/nonexistent/key", pin_dir="/nonexistent/pins",
                      ports=[{"name": "p", "device": "net_af_xdp0,iface=nosuch0"}])
    done = dpdk("--check", path)
    assert done.returncode == 0, done.stderr
    assert "good" in done.stdout and done.stderr == ""


def test_file_not_readable(lab):
    done = dpdk(lab.dir / "none.json")
    assert done.returncode == 69 and "No such file" in done.stderr
    assert dpdk(lab.dir).returncode == 69
    path = lab.config()
    path.chmod(0o600)
    done = lab.run(None, [*as_nobody(), program("fairlead-dpdk"), path], check=False)
    assert done.returncode == 77 and "Permission denied" in done.stderr


@pytest.mark.parametrize("limit", [8, 16, 32])
def test_too_few_files(lab, limit):
    done = lab.run("lb", ["prlimit", f"--nofile={limit}:{limit}", program("fairlead-dpdk"), lab.config()], check=False)
    assert done.returncode == 69 and len(done.stderr.splitlines()) == 1, done.stderr
    assert f"at most {limit} files may be open, and " in done.stderr and "LimitNOFILE=" in done.stderr
    assert lab.pins() == [] and lab.xdp() is None
    # --check opens but one
    done = lab.run("lb", ["prlimit", f"--nofile={limit}:{limit}", program("fairlead-dpdk"), "--check", lab.config()])
    assert "good: plane plane0, 1 port, 1 worker, " in done.stdout


# --- the machine ---


def refused(lab, code, *says, **more):
    got, said = lab.start_to_fail(**more)
    assert got == code, said
    for text in says:
        assert text in said
    assert len(said.strip().splitlines()) == 1, "one sentence"
    assert KEY not in said
    assert lab.xdp() is None
    assert lab.pins() == [] and "fl_guard" not in lab.filters(), "no guard where none was"
    assert list(lab.dir.glob("plane0.sock*")) == []


def test_key_file(lab):
    refused(lab, 69, "does not exist", "od -An", key_file=str(lab.dir / "none"))
    lab.key.chmod(0o644)
    refused(lab, 77, "can be read by others", f"chmod o= {lab.key}")
    lab.key.chmod(0o600)
    for wrong in ("", KEY[:-1], KEY + "0", "g" * 32, KEY + "\n\n"):
        lab.key.write_text(wrong)
        refused(lab, 78, "32 hexadecimal digits")
    refused(lab, 78, "not a regular file", key_file=str(lab.dir))


def test_interface_missing(lab):
    refused(lab, 69, "interface nosuch0 does not exist; present: ", "lo", "eth0",
            ports=[{"name": "p", "device": "net_af_xdp0,iface=nosuch0"}])


def test_interface_down(lab):
    lab.ip("lb", "link", "set", "eth0", "down")
    refused(lab, 69, "interface eth0 is down; run: ip link set dev eth0 up")


def test_interface_with_too_few_queues(lab):
    if os.cpu_count() < 2:
        pytest.skip("needs two CPUs")
    refused(lab, 69, "has 1 queues, but 2 workers", "ethtool -L eth0 combined 2",
            cores={"main": 0, "workers": [0, 1]})


def test_interface_with_large_packets(lab):
    lab.ip("lb", "link", "set", "eth0", "mtu", "9000")
    refused(lab, 69, "MTU 9000", "ip link set dev eth0 mtu 3")


def test_core_offline(lab):
    refused(lab, 69, "CPU 900 (worker) is not online; online are 0", cores={"main": 0, "workers": [900]})
    refused(lab, 69, "CPU 901 (main) is not online", cores={"main": 901, "workers": [0]})


def test_core_not_allowed(lab):
    if os.cpu_count() < 2:
        pytest.skip("needs two CPUs")
    done = lab.run("lb", ["taskset", "-c", "0", program("fairlead-dpdk"),
                          lab.config(cores={"main": 0, "workers": [1]})], check=False)
    assert done.returncode == 69 and "may not use it" in done.stderr


def test_too_few_huge_pages(lab):
    refused(lab, 69, "too few huge pages on node 0: need 1048576 MiB", "run: echo ", "/nr_hugepages",
            '"hugepages": false', hugepages=True, memory_mb=1048576)


def test_pin_dir_not_on_bpffs(lab):
    pins = lab.dir / "pins"
    refused(lab, 69, f"pin_dir {pins} is not on a BPF file system", "mount -t bpf bpf /sys/fs/bpf",
            pin_dir=str(pins))
    assert not pins.exists()


def test_socket_directory_missing(lab):
    refused(lab, 69, f"directory {lab.dir}/no of the plane socket", socket=str(lab.dir / "no/plane.sock"))


def test_device_unknown(lab):
    refused(lab, 69, 'port p: DPDK cannot open the device "net_nosuch0"',
            ports=[{"name": "p", "device": "net_nosuch0", "host": "drop", "gateway_mac": "02:00:00:00:00:01"}])


def test_pci_device_missing(lab):
    refused(lab, 69, 'port p: PCI device ffff:1f:1f.7 does not exist',
            ports=[{"name": "p", "device": "ffff:1f:1f.7", "host": "drop", "gateway_mac": "02:00:00:00:00:01"}])


def test_tap_exists(lab):
    refused(lab, 69, "port p: an interface eth0 exists already",
            ports=[{"name": "p", "device": "net_ring0", "tap": "eth0"}])


def test_no_permission(lab):
    path = lab.config()
    os.chown(lab.dir, NOBODY, NOBODY)
    for missing, sentence in (("net_admin", "CAP_NET_ADMIN is needed"), ("net_raw", "CAP_NET_RAW"),
                              ("bpf", "CAP_BPF is needed"), ("ipc_lock", "give CAP_IPC_LOCK")):
        left = [name for name in CAPABILITIES if name != missing]
        done = lab.run("lb", [*as_nobody(*left), program("fairlead-dpdk"), path], check=False)
        assert done.returncode == 77, done.stderr
        assert sentence in done.stderr and len(done.stderr.strip().splitlines()) == 1
    done = lab.run("lb", [*as_nobody(*CAPABILITIES), program("fairlead-dpdk"), path], check=False)
    assert done.returncode == 77 and f"key_file {lab.key}" in done.stderr


class HeldQueue:
    """An AF_XDP socket on queue 0 of an interface of the balancer."""

    AF_XDP, SOL_XDP, COPY = 44, 283, 2
    RX_RING, UMEM_REG, FILL_RING, COMPLETION_RING = 2, 4, 5, 6

    def __init__(self, lab, interface):
        self.memory = mmap.mmap(-1, 8192)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        with inside(lab.namespaces["lb"]):
            self.socket = socket.socket(self.AF_XDP, socket.SOCK_RAW)
            index = socket.if_nametoindex(interface)
        self.socket.setsockopt(self.SOL_XDP, self.UMEM_REG, struct.pack("QQIIII", address, 8192, 4096, 0, 0, 0))
        for ring in (self.FILL_RING, self.COMPLETION_RING, self.RX_RING):
            self.socket.setsockopt(self.SOL_XDP, ring, 2)
        address = struct.pack("HHIII", self.AF_XDP, self.COPY, index, 0, 0)
        libc = ctypes.CDLL(None, use_errno=True)

        def bound():
            if libc.bind(self.socket.fileno(), address, len(address)) == 0:
                return True
            if ctypes.get_errno() != errno.EBUSY:  # for a moment after its last owner
                raise OSError(ctypes.get_errno(), "bind AF_XDP")
            return False
        wait_until(bound, 30, "the queue free")


def test_queue_taken(lab):
    held = HeldQueue(lab, "eth0")
    refused(lab, 69, "port eth0: queue 0 of interface eth0 is in use by another AF_XDP program")
    # a guard that was there stays
    held.socket.close()
    process, _ = lab.start()
    lab.stop(process)
    held = HeldQueue(lab, "eth0")
    assert lab.start_to_fail()[0] == 69
    assert "fl_guard" in lab.filters() and "plane0/vips" in lab.pins()
    held.socket.close()


# --- what is right ---


def stops(lab, process):
    assert lab.stop(process) == 0
    assert not (lab.dir / "plane0.sock").exists()
    assert lab.xdp() is None
    assert all("steer" not in pin for pin in lab.pins())


def test_start_warns_without_huge_pages(lab):
    process, rpc = lab.start()
    assert rpc.call("plane.hello")["kind"] == "dpdk"
    stops(lab, process)
    log = next(lab.dir.glob("plane0-*.log")).read_text()
    assert '<4>"hugepages" is false' in log
    lines = log.strip().splitlines()
    assert all(line[:3] in ("<3>", "<4>", "<5>") for line in lines), "nothing above the log level"
    assert not [line for line in lines if "EAL" in line or "libbpf" in line]


def test_start_with_huge_pages(lab):
    if not PAGES.exists():
        pytest.skip("no huge pages in this kernel")
    with open(PAGES) as pages:
        fcntl.flock(pages, fcntl.LOCK_EX)  # they are the machine's: one test at a time
        before = int(PAGES.read_text())
        PAGES.write_text(str(before + 64))
        try:
            if int(PAGES.read_text()) < before + 64:
                pytest.skip("no memory for huge pages")
            process, rpc = lab.start(hugepages=True)
            assert rpc.call("plane.hello")["kind"] == "dpdk"
            stops(lab, process)
            assert "hugepages" not in next(lab.dir.glob("plane0-*.log")).read_text()
        finally:
            PAGES.write_text(str(before))
            wait_until(lambda: int(PAGES.read_text()) == before, 10, "the pages given back")


def test_start_without_root(lab):
    pins = Path(lab.pin_dir())
    os.chown(pins, NOBODY, NOBODY)
    os.chown(lab.dir, NOBODY, NOBODY)
    os.chown(lab.key, NOBODY, NOBODY)
    path = lab.config()
    process = lab.popen("lb", [*as_nobody(*CAPABILITIES), program("fairlead-dpdk"), path], log="nobody.log")
    wait_until(lambda: process.poll() is not None or (lab.dir / "plane0.sock").exists(), 20, "serving")
    assert process.poll() is None, lab.log("nobody.log")
    left_over = lab.xdp()
    assert left_over is not None
    # and it knows what it left when it was killed, without the right to look at others' programs
    lab.stop(process, signal.SIGKILL)
    process = lab.popen("lb", [*as_nobody(*CAPABILITIES), program("fairlead-dpdk"), path], log="again.log")
    wait_until(lambda: process.poll() is not None or lab.xdp() not in (None, left_over), 20, "replaced")
    wait_until(lambda: process.poll() is not None or "serves" in lab.log("again.log"), 20, "serving again")
    assert process.poll() is None, lab.log("again.log")
    stops(lab, process)


def test_stop_during_the_start(lab):
    path, took = lab.config(), []
    for milliseconds in range(0, 400, 40):
        process = lab.popen("lb", [program("fairlead-dpdk"), path], log=f"stop-{milliseconds}.log")
        time.sleep(milliseconds / 1000)  # time is the point: any moment of the start must end well
        began = time.monotonic()
        assert lab.stop(process) in (0, -signal.SIGTERM)
        took.append(time.monotonic() - began)
        assert lab.xdp() is None
        assert not (lab.dir / "plane0.sock").exists()
    assert sorted(took)[len(took) // 2] < 2, "most are quick, whatever the machine does beside"


def test_kill_during_the_start(lab):
    path = lab.config()
    for milliseconds in range(0, 400, 40):
        process = lab.popen("lb", [program("fairlead-dpdk"), path], log=f"kill-{milliseconds}.log")
        time.sleep(milliseconds / 1000)  # time is the point: the next start copes with any moment
        process.kill()
        process.wait()
    process, rpc = lab.start()
    assert rpc.call("plane.hello")["generation"] == 0
    stops(lab, process)
    lab.detach()
    assert lab.pins() == []
    assert list(lab.dir.glob("*.start")) == []


RING = {"name": "p0", "host": "drop", "gateway_mac": "02:00:00:00:00:01", "device": "net_ring0"}
AF_XDP = {"name": "eth0", "device": "net_af_xdp0,iface=eth0"}


@pytest.mark.parametrize("more", [
    {}, {"limits": {}}, {"limits": {"vips": 65536, "backends": 1 << 20, "rows": 251}},
    {"ports": [AF_XDP, {"name": "p1", "device": "net_ring0"}, {"name": "p2", "device": "net_ring1"}]},
    {"ports": [AF_XDP | {"descriptors": 8192}]}])
def test_least_memory_is_enough(lab, more):
    """The configuration says how little is accepted: with that, the plane starts."""
    more = {"limits": {"vips": 1, "backends": 1, "rows": 251}, **more}
    path = lab.config(**more, memory_mb=64)
    said = dpdk("--check", path).stderr
    least = int(re.search(r"DPDK's own (\d+) MiB in all", said).group(1)) if said else 64
    assert dpdk("--check", lab.config(**more, memory_mb=least - 1)).returncode == 78
    process, rpc = lab.start(**more, memory_mb=least)
    assert rpc.call("plane.hello")["kind"] == "dpdk"
    assert lab.stop(process) == 0


def test_two_planes_side_by_side(lab):
    planes = [lab.start("plane0"), lab.start("plane1", ports=[RING], pin_dir=None),
              lab.start("plane2", ports=[RING], pin_dir=None)]
    assert [rpc.call("plane.hello")["name"] for _, rpc in planes] == ["plane0", "plane1", "plane2"]
    for process, _ in planes:
        assert lab.stop(process) == 0
