# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: whatever an operator can get wrong about fairlead-xdp ends in one sentence that says what to do, with the
documented exit code, and leaves nothing behind; what is right starts, forwards on when the process is gone, and is
taken over by the next one.
Method: the real program on veth, with one thing wrong at a time: in the file (bad/xdp), then in the machine.
"""

import ctypes
import grp
import json
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

from dpdk_plane import KEY, inside
from lab import program, wait_until
from test_dpdk_start import NOBODY, as_nobody
from xdp_plane import LIMITS, PORT, XdpLab

BAD = Path(__file__).parent / "bad" / "xdp"
EXPECTED = json.loads((BAD.parents[1] / "bad_xdp.json").read_text())
MAPS = {"config", "vip_buckets", "vips", "backends", "owners", "rows", "ports", "fragments", "cores", "vip_counters",
        "backend_counters", "vip_ledger", "backend_ledger", "tx_ports", "flows", "clock", "flow_counters"}


@pytest.fixture
def lab():
    with XdpLab() as made:
        yield made


def xdp(*argv, **options):
    return subprocess.run([program("fairlead-xdp"), *argv], capture_output=True, text=True,
                          timeout=30, check=False, **options)


def whole(*links, name="xdp0"):
    return sorted([name] + [f"{name}/{pin}" for pin in MAPS | set(links)])


# --- the command line and the file ---


@pytest.mark.parametrize("name", sorted(p.name for p in BAD.glob("*.json")))
def test_bad_configuration(name):
    exit_code, first = EXPECTED[name]
    for argv in (["--check", name], [name]):
        done = xdp(*argv, cwd=BAD)
        assert (done.returncode, done.stdout) == (exit_code, "")
        assert done.stderr.splitlines()[0] == first


def test_every_bad_file_is_expected():
    assert set(EXPECTED) == {p.name for p in BAD.glob("*.json")}


def test_command_line():
    assert xdp("--version").stdout.startswith("fairlead-xdp ")
    for option in ("-h", "--help"):
        said = xdp(option).stdout
        assert "Examples:" in said and "--detach" in said
    for argv in ([], ["--chekc", "x"], ["a", "b"], ["--check", "--detach", "x"]):
        assert xdp(*argv).returncode == 64, argv


def test_check_touches_nothing(lab):
    path = lab.config(key_file="/nonexistent/key", pin_dir="/nonexistent/pins",
                      ports=[{"name": "p", "interface": "nosuch0"}])
    done = xdp("--check", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: good: plane xdp0, 1 port\n"


def test_the_example_is_good():
    assert xdp("--check", Path(__file__).parents[2] / "docs/examples/xdp0.json").returncode == 0


# --- the machine ---


def refused(lab, code, *says, before=(), **more):
    """It ends with one sentence, and nothing is there that was not."""
    pins, program_id = lab.pins(), lab.xdp()
    got, said = lab.start_to_fail(before=before, **more)
    assert got == code, said
    for text in says:
        assert text in said, said
    assert len(said.strip().splitlines()) == 1, said
    assert KEY not in said
    assert (lab.pins(), lab.xdp()) == (pins, program_id)
    assert list(lab.dir.glob("xdp0.sock*")) == []


def test_key_file(lab):
    refused(lab, 69, "does not exist", "od -An", key_file=str(lab.dir / "none"))
    lab.key.chmod(0o644)
    refused(lab, 77, "can be read by others", f"chmod o= {lab.key}")
    lab.key.chmod(0o600)
    lab.key.write_text(KEY + "0")
    refused(lab, 78, "32 hexadecimal digits")


def test_interface(lab):
    refused(lab, 69, "port p: interface nosuch0 does not exist; present: ", "lo", "eth0",
            ports=[{"name": "p", "interface": "nosuch0"}])
    refused(lab, 69, "port p: interface lo is not an Ethernet interface", ports=[{"name": "p", "interface": "lo"}])
    lab.ip("lb", "link", "set", "eth0", "down")
    refused(lab, 69, "interface eth0 is down; run: ip link set dev eth0 up")


def test_socket_directory_missing(lab):
    refused(lab, 69, f"directory {lab.dir}/no of the plane socket", socket=str(lab.dir / "no/plane.sock"))


def test_mtu_too_large_for_the_driver(lab):
    """The driver's own words, which a bpf_link does not give."""
    lab.ip("peer", "link", "set", "eth0", "mtu", "9000")
    lab.ip("lb", "link", "set", "eth0", "mtu", "9000")
    peer = json.loads(lab.run("peer", ["ip", "-j", "link", "show", "eth0"]).stdout)[0]
    refused(lab, 69, "port eth0: interface eth0 takes no XDP program in native mode: ",
            "Peer MTU is too large to set XDP", "it is the MTU of its peer, the other end of the cable",
            f"(interface {peer['ifindex']} of another network namespace)")
    refused(lab, 69, "Peer MTU", ports=[PORT | {"name": "a.b"}])
    # and its own MTU is no matter
    lab.ip("peer", "link", "set", "eth0", "mtu", "1500")
    process, _ = lab.start()
    assert lab.stop(process) == 0


def test_mtu_of_a_peer_here_is_too_large_for_the_driver(lab):
    lab.ip("lb", "link", "add", "near", "mtu", "9000", "type", "veth", "peer", "name", "far", "mtu", "9000")
    for interface in ("near", "far"):
        lab.ip("lb", "link", "set", interface, "up")
    port = {"name": "p", "interface": "near"}
    refused(lab, 69, "Peer MTU is too large", "run: ip link set dev far mtu 1500", ports=[port])
    lab.ip("lb", "link", "set", "dev", "far", "mtu", "1500")
    process, _ = lab.start(ports=[port])
    assert lab.stop(process) == 0


def test_native_mode_not_supported(lab):
    """A bridge has no native XDP; generic is used only when it is asked for."""
    lab.ip("lb", "link", "add", "br7", "type", "bridge")
    lab.ip("lb", "link", "set", "br7", "up")
    port = {"name": "br7", "interface": "br7"}
    refused(lab, 69, "port br7: interface br7 takes no XDP program in native mode: ", '"mode" to "generic"',
            ports=[port])
    assert lab.xdp_mode("br7") is None
    process, _ = lab.start(ports=[port | {"mode": "generic"}])
    assert lab.xdp_mode("br7") == "xdpgeneric"
    assert lab.stop(process) == 0
    lab.detach()
    assert lab.xdp_mode("br7") is None


@pytest.mark.parametrize("mode,off", [("xdpdrv", "native"), ("xdpgeneric", "generic")])
@pytest.mark.parametrize("ours", ["native", "generic"])
def test_another_program_is_attached(lab, mode, off, ours):
    lab.ip("lb", "link", "set", "dev", "eth0", mode, "object", str(lab.pass_all()), "section", "xdp")
    there = lab.xdp()
    refused(lab, 69, "port eth0: interface eth0 has another XDP program, \"pass_all\" (id ", f"{there}, {off}), ",
            f"ip link set dev eth0 {mode} off", ports=[PORT | {"mode": ours}])
    lab.ip("lb", "link", "set", "dev", "eth0", mode, "off")
    process, _ = lab.start(ports=[PORT | {"mode": ours}])
    assert lab.stop(process) == 0


def test_another_program_has_a_link(lab):
    """ip(8) cannot take that off."""
    pin = f"{lab.pin_dir()}/pass_all"
    subprocess.run(["bpftool", "prog", "load", lab.pass_all(), pin], check=True)
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    program_fd = libbpf.bpf_obj_get(pin.encode())
    with inside(lab.namespaces["lb"]):
        link = libbpf.bpf_link_create(program_fd, lab.ifindex("eth0"), 37, None)  # BPF_XDP
    assert link >= 0, os.strerror(ctypes.get_errno())
    try:
        said = lab.start_to_fail()[1]
        refused(lab, 69, 'interface eth0 has another XDP program, "pass_all" (id ')
        assert "ip link set" not in said
        command = re.search(r"run: (bpftool link detach id \d+)", said)
        assert command is not None, said
        lab.run(None, command[1].split())
        process, _ = lab.start()
        assert lab.stop(process) == 0
    finally:
        os.close(link)
        os.close(program_fd)


def test_one_port_of_two_is_refused(lab):
    lab.pair("lb", "eth1", "peer", "eth1")
    lab.ip("lb", "link", "set", "dev", "eth1", "xdpdrv", "object", str(lab.pass_all()), "section", "xdp")
    refused(lab, 69, "interface eth1 has another XDP program", ports=[PORT, {"name": "b", "interface": "eth1"}])
    # and what was there before goes on
    process, _ = lab.start()
    lab.kill(process)
    (lab.dir / "xdp0.sock").unlink()
    lab.pair("lb", "eth2", "peer", "eth2")
    pins = lab.pins()
    got, said = lab.start_to_fail(ports=[PORT, {"name": "c", "interface": "eth2"}, {"name": "b", "interface": "eth1"}])
    assert got == 69 and "eth1 has another" in said
    assert lab.pins() == pins and lab.xdp_mode() == "xdp" and lab.xdp_mode("eth2") is None


def test_pin_dir_not_on_bpffs(lab):
    pins = lab.dir / "pins"
    refused(lab, 69, f"pin_dir {pins} is not on a BPF file system", "mount -t bpf bpf /sys/fs/bpf",
            pin_dir=str(pins))
    assert not pins.exists()


def test_pin_dir_of_others(lab):
    planes = Path(lab.pin_dir()) / "planes"
    planes.mkdir(0o700)
    planes.chmod(0o777)
    refused(lab, 77, f"others may change {planes}", "chmod 0700")
    planes.chmod(0o700)
    ours = planes / "xdp0"
    (planes / "elsewhere").mkdir(0o700)
    ours.symlink_to(planes / "elsewhere")
    refused(lab, 69, f"{ours} is not a directory")
    ours.unlink()
    ours.mkdir(0o700)
    os.chown(ours, NOBODY, NOBODY)
    refused(lab, 77, f"others may change {ours}")


def test_no_permission(lab):
    path = lab.config()
    os.chown(lab.dir, NOBODY, NOBODY)
    os.chown(lab.key, NOBODY, NOBODY)
    os.chown(lab.pin_dir(), NOBODY, NOBODY)
    for missing in ("net_admin", "bpf"):
        left = [name for name in ("net_admin", "bpf", "perfmon") if name != missing]
        refused(lab, 77, f"no permission: CAP_{missing.upper()} is needed", "AmbientCapabilities",
                before=as_nobody(*left))
    assert path.exists()


def test_group_of_the_socket(lab):
    """Only who is in the group can give it the socket."""
    try:
        grp.getgrnam("fairlead")
    except KeyError:
        pytest.skip("there is no group fairlead")
    nobodys(lab)
    words = as_nobody("net_admin", "bpf", "perfmon")
    words = ["--clear-groups" if word.startswith("--groups=") else word for word in words]
    refused(lab, 77, f"cannot give {lab.dir}/xdp0.sock to the group fairlead: ", "SupplementaryGroups=fairlead",
            before=words)


@pytest.mark.parametrize("limit", [8, 16, 32])
def test_too_few_files(lab, limit):
    refused(lab, 69, f"at most {limit} files may be open, and ", "LimitNOFILE=", "ulimit -n",
            before=["prlimit", f"--nofile={limit}:{limit}"])
    process, _ = lab.start(before=["prlimit", f"--nofile={limit}:1024"])  # it may raise that itself
    assert lab.stop(process) == 0
    done = lab.run("lb", ["prlimit", f"--nofile={limit}:{limit}", program("fairlead-xdp"), "--detach",
                          lab.dir / "xdp0.json"], check=False)
    assert done.returncode == 69 and f"at most {limit} files" in done.stderr
    lab.detach()


def nobodys(lab):
    for path in (lab.dir, lab.key, lab.pin_dir()):
        os.chown(path, NOBODY, NOBODY)


def test_without_root(lab):
    nobodys(lab)
    process, rpc = lab.start(before=as_nobody("net_admin", "bpf", "perfmon"))
    assert rpc.call("plane.hello")["kind"] == "xdp"
    assert "PERFMON" not in lab.log(process.log)
    status = Path(f"/proc/{process.pid}/status").read_text()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    assert effective == 1 << 12 | 1 << 39, "NET_ADMIN and BPF are left"
    assert "NoNewPrivs:\t1" in status
    # and its successor takes over without the right to look at others' programs
    process, _ = taken_over(lab, process, before=as_nobody("net_admin", "bpf", "perfmon"))
    assert lab.stop(process) == 0


def test_without_perfmon(lab):
    """The verifier then neither lets pointers be subtracted nor trusts the program: slower, but it runs."""
    nobodys(lab)
    process, _ = lab.start(before=as_nobody("net_admin", "bpf"))
    assert "<4>CAP_PERFMON is missing" in lab.log(process.log)
    assert lab.stop(process) == 0


def test_running_already(lab):
    process, _ = lab.start()
    got, said = lab.start_to_fail()
    assert got == 69 and 'plane "xdp0" is running already' in said
    done = lab.detach(check=False)
    assert done.returncode == 69 and "is running already" in done.stderr
    assert lab.xdp_mode() == "xdp"
    assert lab.stop(process) == 0


# --- what is right ---


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_start_stop_detach(lab, mode):
    process, rpc = lab.start(ports=[PORT | {"mode": mode}])
    hello = rpc.call("plane.hello")
    assert (hello["kind"], hello["name"]) == ("xdp", "xdp0")
    assert lab.xdp_mode() == ("xdp" if mode == "native" else "xdpgeneric")
    assert lab.pins() == whole("link_eth0")
    directory = lab.dir / "bpf/planes/xdp0"
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert all(pin.stat().st_mode & 0o7777 == 0o600 for pin in directory.iterdir())
    there = lab.xdp()
    assert lab.stop(process) == 0
    assert not (lab.dir / "xdp0.sock").exists()
    assert lab.xdp() == there, "the kernel forwards on"
    said = lab.detach().stdout
    assert said == f"plane xdp0: taken off 1 interface; {len(MAPS)} maps and {directory} removed\n"
    assert lab.xdp() is None and lab.pins() == []
    assert lab.detach().stdout == "plane xdp0: nothing is there to remove\n"


def test_what_the_program_is_told(lab):
    """The map `config`, and the ports' tags."""
    lab.pair("lb", "eth1", "peer", "eth1")
    more = {"ports": [PORT | {"vlan": [7, 8]}, {"name": "b", "interface": "eth1", "vlan": "none"}],
            "encap_entropy_ipv4": "10.64.0.0/10", "encap_source_ipv6": None, "icmp_rate": 500, "icmp_burst": 3}
    process, _ = lab.start(**more)
    config = lab.map_bytes("config")
    magic, layout, _, vips, backends = struct.unpack_from("<5I", config)
    assert (magic, layout, backends) == (0x46414952, 3, LIMITS["backends"])
    assert len(lab.map_bytes("vip_counters", 1)) == 16 and vips >= LIMITS["vips"]
    index = [lab.ifindex(interface) for interface in ("eth0", "eth1")]
    assert list(struct.unpack_from("<16I", config, 24)) == index + [0] * 14
    core = config[120:]
    assert core[:16].hex() == KEY
    fragment_mask, interval, burst = struct.unpack_from("<36xI2Q", core)
    assert (fragment_mask, interval, burst) == (LIMITS["fragments"] // 8 - 1, 2000000, 4000000)
    mapped, nothing = bytes(10) + b"\xff\xff", b"\xff" * 16 + bytes(16)
    assert core[64:96] == mapped + bytes([10, 78, 0, 5]) + b"\xff" * 16
    assert core[128:160] == mapped + bytes([10, 64, 0, 0]) + b"\xff" * 13 + b"\xc0\0\0"
    assert core[96:128] == core[160:192] == nothing
    assert lab.map_bytes("ports", 0)[8:] == bytes([0x88, 0xa8, 0, 7, 0x81, 0, 0, 8])
    assert lab.map_bytes("ports", 1)[8:] == b"\xff" * 8
    # another start says other things
    lab.kill(process)
    process, _ = lab.start(**more | {"ports": [PORT], "icmp_rate": 1000})
    config = lab.map_bytes("config")
    assert list(struct.unpack_from("<16I", config, 24)) == index[:1] + [0] * 15
    assert struct.unpack_from("<Q", config, 120 + 40) == (1000000,)
    assert lab.map_bytes("ports", 0)[8:12] == bytes(4)
    assert lab.stop(process) == 0


def test_names_with_dots(lab):
    process, _ = lab.start(name="x.0", ports=[PORT | {"name": "eth0.7"}])
    assert "x%2e0/link_eth0%2e7" in lab.pins()
    lab.kill(process)
    process, _ = lab.start(name="x.0", ports=[PORT | {"name": "eth0.7"}])
    assert lab.stop(process) == 0
    lab.detach(name="x.0")
    assert lab.pins() == []


def test_log_is_short(lab):
    process, _ = lab.start()
    assert lab.stop(process) == 0
    lines = lab.log(process.log).splitlines()
    assert lines[0].endswith("/xdp0.sock: 1 port, new tables")
    assert len(lines) == 2 and all(line.startswith("<5>plane xdp0 ") for line in lines), lines


def taken_over(lab, process, **more):
    """Kill the process and start another; its client."""
    lab.kill(process)
    before, link = lab.xdp(), lab.link_id()
    process, rpc = lab.start(**more)
    assert "over the tables of an earlier process" in lab.log(process.log)
    assert before is None or lab.xdp() != before, "another program"
    assert lab.link_id() in (link, None), "exchanged in place: there was no moment without"
    return process, rpc


def received(rpc):
    return rpc.call("plane.stats")["received"]


def test_taken_over_after_kill(lab):
    process, rpc = lab.start()
    lab.run("peer", ["ping", "-c", "3", "-i", "0.01", "10.78.0.5"])
    counted = received(rpc)
    assert counted >= 3
    for _ in range(3):
        process, rpc = taken_over(lab, process)
        assert received(rpc) >= counted, "counters go on"
        counted = received(rpc)
    lab.kill(process)
    lab.run("peer", ["ping", "-c", "3", "-i", "0.01", "10.78.0.5"])
    process, rpc = lab.start()
    assert received(rpc) >= counted + 3, "also while nobody was there"
    assert rpc.call("plane.stats")["ports"][0]["rx_packets"] >= 6
    assert lab.stop(process) == 0


def test_ports_are_added_and_removed(lab):
    lab.pair("lb", "eth1", "peer", "eth1")
    second = {"name": "b", "interface": "eth1"}
    process, _ = lab.start()
    process, _ = taken_over(lab, process, ports=[PORT, second])
    assert lab.pins() == whole("link_eth0", "link_b") and lab.xdp_mode("eth1") == "xdp"
    process, _ = taken_over(lab, process, ports=[second])
    assert lab.pins() == whole("link_b") and lab.xdp_mode() is None
    assert "<5>1 port is no longer configured: detached" in lab.log(process.log)
    assert '"mode"' not in lab.log(process.log)
    process, _ = taken_over(lab, process, ports=[second | {"mode": "generic"}])
    assert lab.xdp_mode("eth1") == "xdpgeneric", "another mode is another attachment"
    assert '<5>port b: "mode" is "generic" now, and was "native": ' in lab.log(process.log)
    process, _ = taken_over(lab, process, ports=[second])
    assert '<5>port b: "mode" is "native" now, and was "generic": ' in lab.log(process.log)
    assert lab.stop(process) == 0
    assert "2 interfaces" not in lab.detach().stdout


def test_interface_was_made_again(lab):
    process, _ = lab.start()
    lab.kill(process)
    lab.ip("lb", "link", "delete", "eth0")
    lab.pair("lb", "eth0", "peer", "eth0")
    process, _ = lab.start()
    assert lab.xdp_mode() == "xdp"
    assert lab.stop(process) == 0


def test_another_key_is_refused(lab):
    """VIPs lie in the running tables by the old one."""
    process, _ = lab.start()
    lab.kill(process)
    (lab.dir / "xdp0.sock").unlink()
    lab.key.write_text("ff" + KEY[2:])
    refused(lab, 69, f"key_file {lab.key} holds another key", "fairlead-xdp --detach")
    assert lab.map_bytes("config")[120:136].hex() == KEY
    lab.detach()
    process, _ = lab.start()
    assert lab.map_bytes("config")[120] == 0xff
    assert lab.stop(process) == 0


@pytest.mark.parametrize("limit", sorted(LIMITS))
def test_other_sizes_are_refused(lab, limit):
    process, _ = lab.start()
    lab.kill(process)
    (lab.dir / "xdp0.sock").unlink()
    other = LIMITS[limit] * 2
    refused(lab, 69, f"{lab.dir}/bpf/planes/xdp0 are for \"limits\": {{\"{limit}\": {LIMITS[limit]}}}, but the "
            f"configuration says {other}; set it back to {LIMITS[limit]}, or run fairlead-xdp --detach",
            limits=LIMITS | {limit: other})
    process, _ = lab.start()
    assert lab.stop(process) == 0


def test_another_layout_is_refused(lab):
    process, _ = lab.start()
    lab.kill(process)
    (lab.dir / "xdp0.sock").unlink()
    config = lab.dir / "bpf/planes/xdp0/config"
    key = ["key", "0", "0", "0", "0"]
    value = json.loads(subprocess.run(["bpftool", "-j", "map", "lookup", "pinned", config, *key], check=True,
                                      capture_output=True, text=True).stdout)["value"]
    for byte in (0, 4, 8):  # magic, version, sizes
        other = list(value)
        other[byte] = f"{int(value[byte], 16) ^ 3:#04x}"
        subprocess.run(["bpftool", "map", "update", "pinned", config, *key, "value", *other], check=True)
        refused(lab, 69, "are of another version of fairlead-xdp (layout ", "fairlead-xdp --detach")
    lab.detach()
    assert lab.pins() == [] and lab.xdp() is None


def test_pins_that_are_not_whole(lab):
    directory = lab.dir / "bpf/planes/xdp0"
    process, _ = lab.start()
    lab.kill(process)
    (lab.dir / "xdp0.sock").unlink()
    # a map that is gone, or is another
    (directory / "rows").unlink()
    refused(lab, 69, f"{directory}/rows cannot be opened")
    subprocess.run(["bpftool", "map", "create", directory / "rows", "type", "hash", "key", "4", "value", "8",
                    "entries", "8", "name", "rows"], check=True)
    refused(lab, 69, "the map \"rows\"", "has type 1")
    # of the same shape, but not the one that the programs run on
    (directory / "rows").unlink()
    subprocess.run(["bpftool", "map", "create", directory / "rows", "type", "array", "key", "4", "value", "8",
                    "entries", str(LIMITS["rows"]), "name", "others", "flags", "0x400"], check=True)
    refused(lab, 69, "the map \"rows\"", "is another one, \"others\"", "fairlead-xdp --detach")
    # the mark is gone, programs run
    (directory / "config").unlink()
    refused(lab, 69, 'no "config" that says what their tables are', "fairlead-xdp --detach")
    # killed before it was attached: nothing is lost by starting afresh
    (directory / "link_eth0").unlink()
    process, _ = lab.start()
    assert lab.pins() == whole("link_eth0") and "new tables" in lab.log(process.log)
    assert lab.stop(process) == 0


def test_a_directory_that_cannot_be_read_is_not_taken_for_empty(lab):
    """What forwards stays: strace lets the second opening fail, of the reading; the first one is the lock's."""
    lab.kill(comes_up(lab))
    before = lab.pins(), lab.xdp()
    done = traced(lab, "-o", "/dev/null", "-P", str(lab.dir / "bpf/planes/xdp0"), "-e", "trace=openat",
                  "-e", "inject=openat:error=ENOMEM:when=2")
    assert done.returncode == 69 and "xdp0 cannot be read: Cannot allocate memory" in done.stderr, done.stderr
    assert (lab.pins(), lab.xdp()) == before
    lab.kill(comes_up(lab))


def test_a_directory_that_was_removed_before_its_lock(lab):
    """Two processes would each hold a lock, on two directories of one name."""
    lab.kill(comes_up(lab))
    (lab.dir / "xdp0.sock").unlink()
    late = lab.popen("lb", ["strace", "-qq", "-o", str(lab.dir / "trace"), "-e", "trace=openat,flock",
                            "-e", "inject=flock:delay_enter=5s", program("fairlead-xdp"), lab.config()], log="late.log")
    wait_until(lambda: "planes/xdp0" in lab.log("trace") if (lab.dir / "trace").exists() else False, 10, "opened")
    lab.detach()
    assert late.wait(60) == 69 and "was removed by another process at this moment" in lab.log("late.log")
    assert lab.pins() == [] and lab.xdp() is None
    lab.kill(comes_up(lab))


def test_pins_of_another_kind_of_plane(lab):
    directory = Path(lab.pin_dir()) / "planes/xdp0"
    directory.parent.mkdir(0o700)
    directory.mkdir(0o700)
    for name in ("vips", "guard_17"):
        subprocess.run(["bpftool", "map", "create", directory / name, "type", "hash", "key", "4", "value", "8",
                        "entries", "8", "name", "vips"], check=True)
    refused(lab, 69, "is not an XDP plane's: it has \"guard_17\"", 'set another "name"')
    done = lab.detach(check=False)
    assert done.returncode == 69 and "nothing was removed" in done.stderr
    assert lab.pins() == ["xdp0", "xdp0/guard_17", "xdp0/vips"]


def traced(lab, *options, argv=()):
    """Run fairlead-xdp for a second at most under strace(1)."""
    return lab.run("lb", ["strace", "-f", "-qq", *options, "timeout", "1", program("fairlead-xdp"), *argv,
                          lab.config()], check=False)


def bpf_calls(lab):
    """The commands of the bpf() calls of a start, in their order; a call's number is its place, from 1."""
    traced(lab, "-e", "trace=bpf", "-o", str(lab.dir / "trace"))
    return re.findall(r"\bbpf\((BPF_\w+)", (lab.dir / "trace").read_text())


def numbers(calls, *names):
    return [number for number, call in enumerate(calls, 1) if call in names]


def killed(lab, call, number, *argv):
    """Run fairlead-xdp, whose n-th such system call is its last. What is pinned then."""
    traced(lab, "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}", argv=argv)
    return lab.pins()


def comes_up(lab, name="xdp0"):
    process, _ = lab.start(name)
    assert lab.pins() == whole("link_eth0") and lab.xdp_mode() == "xdp"
    return process


def test_killed_while_it_starts(lab):
    calls, half_made = bpf_calls(lab), 0
    lab.detach()
    pinned = numbers(calls, "BPF_OBJ_PIN", "BPF_LINK_CREATE")
    for number in (1, pinned[0] // 2, *pinned, pinned[-1] + 1):
        half_made += killed(lab, "bpf", number) not in ([], ["xdp0"], whole("link_eth0"))
        lab.kill(comes_up(lab))
        lab.detach()
        assert lab.pins() == [] and lab.xdp() is None
    assert half_made > 3, "or this test kills at the wrong moments"


def test_killed_while_it_takes_over(lab):
    """The kernel forwards on by whatever is attached, at every moment."""
    lab.kill(comes_up(lab))
    calls, seen = bpf_calls(lab), set()
    update = numbers(calls, "BPF_LINK_UPDATE")[0]
    for number in (1, update // 2, *numbers(calls, "BPF_MAP_UPDATE_ELEM"), update - 1, update, update + 1):
        killed(lab, "bpf", number)
        assert lab.pins() == whole("link_eth0") and lab.xdp_mode() == "xdp"
        seen.add(lab.xdp())
    assert len(seen) > 1, "or this test kills at the wrong moments"
    lab.kill(comes_up(lab))


def test_killed_while_it_detaches(lab):
    half_made = 0
    for call, number in (("bpf", 1), ("bpf", 2), *(("unlink", number) for number in (1, 2, 3, 6, 12)), ("rmdir", 1)):
        lab.kill(comes_up(lab))
        half_made += killed(lab, call, number, "--detach") != whole("link_eth0")
        if number < 6:
            lab.kill(comes_up(lab))
        lab.detach()
        assert lab.pins() == [] and lab.xdp() is None
    assert half_made > 3, "or this test kills at the wrong moments"


def test_any_call_fails(lab):
    """One sentence and nothing left, whatever the kernel refuses; also where it is of another opinion the second time:
    what is asked for the driver's words must not stay attached."""
    calls = bpf_calls(lab)
    lab.detach()
    for number in [numbers(calls, "BPF_MAP_CREATE")[-1],
                   *numbers(calls, "BPF_MAP_UPDATE_ELEM", "BPF_OBJ_PIN", "BPF_LINK_CREATE")]:
        again = "+" if calls[number - 1] == "BPF_MAP_CREATE" else ""  # libbpf tries that in several ways
        done = traced(lab, "-o", "/dev/null", "-e", "trace=bpf", "-e",
                      f"inject=bpf:error=EOPNOTSUPP:when={number}{again}")
        said = done.stderr
        assert done.returncode == 69 and len(said.strip().splitlines()) == 1, said
        assert "Operation not supported" in said
        assert ("cannot be pinned" in said) == (calls[number - 1] == "BPF_OBJ_PIN")
        assert ("nothing was left attached" in said) == (calls[number - 1] == "BPF_LINK_CREATE")
        assert lab.pins() == [] and lab.xdp() is None


def test_two_planes_side_by_side(lab):
    lab.pair("lb", "eth1", "peer", "eth1")
    planes = [lab.start("xdp0"), lab.start("xdp1", ports=[{"name": "eth0", "interface": "eth1"}])]
    assert [rpc.call("plane.hello")["name"] for _, rpc in planes] == ["xdp0", "xdp1"]
    taken = lab.start_to_fail("xdp2")
    assert taken[0] == 69
    assert 'interface eth0 is served by the plane "xdp0"; stop that plane with fairlead-xdp --detach' in taken[1]
    elsewhere = Path(lab.pin_dir()) / "elsewhere"
    taken = lab.start_to_fail("xdp2", pin_dir=str(elsewhere))
    assert taken[0] == 69 and "interface eth0 is served by another Fairlead plane (" in taken[1]
    assert "stop that plane with fairlead-xdp --detach" in taken[1]
    for process, _ in planes:
        assert lab.stop(process) == 0
