# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: what fairlead-dpdk serves outlives its process: after a stop, a crash or kill -9 the next one forwards the same flows to
the same backends before anybody sends it a VIP. What it cannot go on with it refuses, in one sentence, and leaves as it is.
Method: the real program on a veth with its tables on a tmpfs of the lab's own; frames sent and seen on the peer's packet
socket, before and after; the file with one thing wrong at a time.
"""

import fcntl
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from dpdk_plane import (CLIENT4, CLIENT6, PEER4, PEER6, SETTLED, VIP4, VIP6, PlaneLab, commit, is_tunnel, untagged,
                        verdicts, vip)
from lab import Rpc, program, wait_until

PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
OTHER4 = "10.78.0.12"
NOBODY = 65534
FLOWS = 40  # of each VIP
HEAD_BYTES = 64 + 16 * 256  # struct tables_memory
VERSION_AT, WHOLE_AT = 8, 36  # its members
BACKENDS, RECORD_BYTES, CONFIG_BYTES = 4096, 64, 192  # limits.backends of PlaneLab.config(); what lies first
VIPS = [vip(VIP4, 80, "tcp", PEER4, OTHER4), vip(VIP4, "1000-1999", "udp", PEER4, OTHER4),
        vip(VIP6, 443, "tcp", PEER6)]
RING = {"name": "p1", "host": "drop", "gateway_mac": "02:00:00:00:00:01", "gateway_for": ["203.0.113.0/24"],
        "device": "net_ring0"}
AF_XDP = {"name": "eth0", "device": "net_af_xdp0,iface=eth0"}


@pytest.fixture
def lab():
    with PlaneLab() as made:
        made.ip("peer", "address", "add", f"{OTHER4}/24", "dev", "eth0")
        yield made


def tables(lab):
    return Path(lab.tables_dir()) / "fairlead-plane0.tables"


def packets():
    """A first packet of each flow, by what names it."""
    found = {}
    for i in range(FLOWS):
        found[4, i] = IP(src=CLIENT4, dst=VIP4) / TCP(sport=20000 + i, dport=80, flags="S")
        found[6, i] = IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=20000 + i, dport=443, flags="S")
        found[17, i] = IP(src=CLIENT4, dst=VIP4) / UDP(sport=20000 + i, dport=1000 + i)
    return found


def backends_of_flows(lab, wire):
    """Where each flow goes: the outer destination of what leaves, by the inner packet's flow."""
    sent = packets()
    wire.send(*[Ether(dst=lab.lb_mac, src=lab.peer_mac) / packet for packet in sent.values()])
    went = {}
    for frame in wire.receive(is_tunnel, len(sent), 30):
        frame = untagged(frame)
        is6 = frame[12:14] == b"\x86\xdd"
        destination, inner = (frame[38:54], frame[54:]) if is6 else (frame[30:34], frame[34:])
        header = 40 if inner[0] >> 4 == 6 else 20
        protocol = 6 if header == 40 else 17 if inner[9] == 17 else 4
        went[protocol, struct.unpack("!H", inner[header:header + 2])[0] - 20000] = destination
    assert set(went) == set(sent), "every flow has left, once"
    return went


def served(rpc):
    """What a plane says that it serves, without what it counted."""
    stats = rpc.call("plane.stats")
    vips = [{**{k: v for k, v in one.items() if k in ("address", "port", "protocol", "table_size")},
             "backends": [(b["address"], b["weight"], b["rows"]) for b in one["backends"]]} for one in stats["vips"]]
    return stats["generation"], stats["digest"], vips


def last_log(lab):
    return max(lab.dir.glob("plane0-*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()


# --- going on ---


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_restart_goes_on(lab, how):
    process, rpc = lab.start()
    wait_until(lambda: "new tables" in last_log(lab), 10, "said in the log")  # the socket is there a little before
    commit(rpc, *[{**one, "table_size": 509} for one in VIPS])
    wire = lab.tap()
    backends_of_flows(lab, wire)  # counted by rows and slots that are others next
    commit(rpc, *VIPS)
    before, went = served(rpc), backends_of_flows(lab, wire)
    assert len({went[4, i] for i in range(FLOWS)}) == 2, "the flows tell the backends apart"
    rpc.close()
    assert lab.stop(process, how) == (0 if how == signal.SIGTERM else -how)
    status = tables(lab).lstat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o600, 0)
    wire.send(*[Ether(dst=lab.lb_mac, src=lab.peer_mac) / packet for packet in packets().values()])
    assert wire.receive(is_tunnel, 1, SETTLED) == [], "nobody forwards"

    process, rpc = lab.start()
    wait_until(lambda: "over the tables of an earlier process" in last_log(lab), 10, "said in the log")
    assert backends_of_flows(lab, wire) == went, "before anybody sent a VIP"
    assert served(rpc) == before and before[0] == 2
    assert verdicts(rpc) == {"forward": 3 * FLOWS}, "counters are the process's"
    stats = rpc.call("plane.stats")["vips"]
    assert [one["packets"] for one in stats] == [FLOWS] * 3
    assert all(sum(b["packets"] for b in one["backends"]) == FLOWS for one in stats)
    # and it goes on from there
    commit(rpc, vip(VIP4, 80, "tcp", PEER4))
    assert served(rpc)[0] == 3
    wire.send(Ether(dst=lab.lb_mac, src=lab.peer_mac) / packets()[6, 0])
    assert wire.receive(is_tunnel, 1, SETTLED) == [], "a VIP that is gone is not steered"
    rpc.close()
    lab.stop(process)


def test_restart_with_other_ports(lab):
    """A port of another number, and then none any more."""
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    wire = lab.tap()
    before, went = served(rpc), backends_of_flows(lab, wire)
    for ports in ([RING, AF_XDP], [AF_XDP]):
        rpc.close()
        lab.stop(process, signal.SIGKILL)
        process, rpc = lab.start(ports=ports)
        wait_until(lambda: all(b["next_hop"] == "reachable" for v in rpc.call("plane.stats")["vips"] for b in v["backends"]),
                   10, "the kernel's next hops")
        assert {b["port"] for v in rpc.call("plane.stats")["vips"] for b in v["backends"]} == {"eth0"}
        assert backends_of_flows(lab, wire) == went
        assert served(rpc) == before


def test_restart_after_kills_in_starts(lab):
    """Killed at any moment of taking over, and before: what was served is there in the end."""
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    wire = lab.tap()
    before, went = served(rpc), backends_of_flows(lab, wire)
    rpc.close()
    lab.stop(process, signal.SIGKILL)
    path = lab.config()
    for milliseconds in range(0, 400, 40):
        process = lab.popen("lb", [program("fairlead-dpdk"), path], log=f"kill-{milliseconds}.log")
        time.sleep(milliseconds / 1000)  # time is the point: any moment of the start
        lab.stop(process, signal.SIGKILL)
    process, rpc = lab.start()
    assert served(rpc) == before
    assert backends_of_flows(lab, wire) == went


def test_restart_after_kills_in_commits(lab):
    """Killed at any moment of a commit: the next process serves, VIP by VIP, what was there before or what was to be."""
    full, less = VIPS, [vip(VIP4, 80, "tcp", OTHER4), vip(VIP4, 81, "tcp", PEER4)]
    process, rpc = lab.start()
    commit(rpc, *full)
    for delay in (0, 0.0002, 0.0005, 0.001, 0.002, 0.005):
        generation = rpc.call("plane.hello")["generation"]
        wanted = less if generation % 2 else full
        rpc.call("plane.prepare", generation=generation + 1, full=True, vips=wanted)
        rpc.id += 1
        rpc.send(b'{"jsonrpc":"2.0","id":%d,"method":"plane.commit","params":{"generation":%d}}\n'
                 % (rpc.id, generation + 1))
        time.sleep(delay)  # time is the point: any moment of the commit
        rpc.close()
        lab.stop(process, signal.SIGKILL)
        process, rpc = lab.start()
        assert rpc.call("plane.hello")["generation"] in (generation, generation + 1)
        commit(rpc, *wanted)  # and the whole state can be sent again
        assert {v["port"] for v in rpc.call("plane.stats")["vips"]} == {v["port"] for v in wanted}


def test_restart_begins_anew_what_was_not_whole(lab):
    for content in (b"", bytes(1 << 20)):
        tables(lab).write_bytes(content)
        tables(lab).chmod(0o600)
        process, rpc = lab.start()
        assert rpc.call("plane.hello")["generation"] == 0
        wait_until(lambda: "new tables" in last_log(lab), 10, "said in the log")
        commit(rpc, *VIPS)
        rpc.close()
        lab.stop(process)
        lab.detach()
    # ours, but killed before it was whole
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    rpc.close()
    lab.stop(process, signal.SIGKILL)
    with open(tables(lab), "r+b") as file:
        file.seek(WHOLE_AT)
        assert file.read(4) == struct.pack("I", 1)
        file.seek(WHOLE_AT)
        file.write(bytes(4))
    process, rpc = lab.start()
    assert rpc.call("plane.hello")["generation"] == 0
    assert not any(tables(lab).read_bytes()[HEAD_BYTES:HEAD_BYTES + BACKENDS * RECORD_BYTES]), "nothing of it is left"


# --- what is refused ---


def seen(path):
    """What is to stay as it is."""
    status = path.lstat()
    return path.read_bytes(), status.st_ino, status.st_mode, status.st_uid, status.st_mtime_ns


def refused(lab, code, *says, **more):
    """One sentence with the remedy, and everything as it was."""
    before = seen(tables(lab))
    got, said = lab.start_to_fail(**more)
    assert got == code, said
    assert len(said.strip().splitlines()) == 1, said
    for text in (str(tables(lab)), "fairlead-dpdk --detach", *says):
        assert text in said, said
    assert seen(tables(lab)) == before, "the file is untouched"
    assert lab.xdp() is None


@pytest.fixture
def left(lab):
    """Tables that a plane which was stopped has left."""
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    rpc.close()
    lab.stop(process)
    return lab


def test_other_limits_are_refused(left):
    limits = {"vips": 64, "backends": 4096, "rows": 1 << 18}
    for name, other in (("vips", 65), ("backends", 4095), ("rows", 1 << 19), ("fragments", 64), ("flows", 8)):
        refused(left, 69, f'"limits": {{"{name}": ', f"the configuration says {other}; set it back to ",
                limits={**limits, name: other})
    process, rpc = left.start()  # set back
    assert rpc.call("plane.hello")["generation"] == 1


def test_another_key_is_refused(left):
    left.key.write_text("f" * 32 + "\n")
    refused(left, 69, f"key_file {left.key} holds another key")


def patch(lab, at, data):
    with open(tables(lab), "r+b") as file:
        file.seek(at)
        file.write(data)


def test_other_tables_are_refused(left):
    whole = tables(left).read_bytes()
    patch(left, VERSION_AT, struct.pack("I", 77))
    refused(left, 69, "are of another version of fairlead-dpdk (layout 77-")
    tables(left).write_bytes(whole[:len(whole) // 2])
    refused(left, 69, f"are cut off after {len(whole) // 2} bytes")
    for garbage in (b"x", bytes(100), os.urandom(8192), b"\x7fELF" + bytes(100000)):
        tables(left).write_bytes(garbage)
        refused(left, 69, "holds something else")
    # the head is good, what follows makes no sense: a bucket that names a record far away
    tables(left).write_bytes(whole)
    patch(left, HEAD_BYTES + BACKENDS * RECORD_BYTES + CONFIG_BYTES, struct.pack("Q", 0x12345678fffffff0))
    code, said = left.start_to_fail()
    assert code == 69 and "cannot be taken over: the tables that an earlier process left make no sense" in said, said
    assert "fairlead-dpdk --detach" in said and tables(left).exists()


def test_other_owners_are_refused(left):
    os.chown(tables(left), NOBODY, NOBODY)
    refused(left, 77, "is of user 65534 with mode 0600, not of user 0")
    os.chown(tables(left), 0, 0)
    tables(left).chmod(0o660)
    refused(left, 77, "with mode 0660, not of user 0 with mode 0600")
    tables(left).chmod(0o600)
    os.link(tables(left), tables(left).with_name("second"))
    refused(left, 69, "is not a regular file with one name")


def test_symbolic_links_are_refused(left):
    aside = tables(left).with_name("aside")
    tables(left).rename(aside)
    before = aside.read_bytes()
    tables(left).symlink_to(aside)
    refused(left, 69, "is a symbolic link")
    left.detach()
    assert not tables(left).is_symlink() and aside.read_bytes() == before, "the link is removed, not what it names"
    tables(left).mkdir()
    code, said = left.start_to_fail()
    assert code == 69 and "is a directory" in said, said


def test_no_room_is_said(lab):
    directory = lab.tables_dir("size=1m")
    code, said = lab.start_to_fail()
    assert code == 69 and len(said.strip().splitlines()) == 1, said
    size = int(said.split("the tables need ")[1].split()[0])
    assert f"bytes in {directory}, which has 1048576 free (No space left on device)" in said, said
    assert 'or lower "limits"' in said and list(Path(directory).iterdir()) == []
    remedy = said.split("run: ")[1].split(", or")[0]
    assert remedy.startswith("mount -o remount,size=") and size > 1 << 20
    subprocess.run(remedy.split(), check=True)  # what it says helps
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    # full to the last byte: nothing that the plane writes needs more
    filler = os.open(Path(directory) / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(filler, bytes(4096))
    os.close(filler)
    wire = lab.tap()
    assert len(backends_of_flows(lab, wire)) == 3 * FLOWS
    rpc.close()
    lab.stop(process, signal.SIGKILL)
    process, rpc = lab.start()
    assert rpc.call("plane.hello")["generation"] == 1


def test_huge_pages_have_the_tables(lab):
    if not PAGES.exists():
        pytest.skip("no huge pages in this kernel")
    directory = lab.dir / "huge"
    directory.mkdir()
    with open(PAGES) as pages:
        fcntl.flock(pages, fcntl.LOCK_EX)  # they are the machine's: one test at a time
        before = int(PAGES.read_text())
        # of 2 MiB, and so many that the machine's own do not matter
        subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M,size=2M", "none", directory], check=True)
        try:
            PAGES.write_text(str(before + 16))
            if int(PAGES.read_text()) < before + 16:
                pytest.skip("no memory for huge pages")
            code, said = lab.start_to_fail(tables_dir=str(directory))
            assert code == 69 and "6 huge pages of 2048 KiB are not free" in said, said
            assert list(directory.iterdir()) == []
            subprocess.run(["umount", directory], check=True)
            subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", directory], check=True)
            process, rpc = lab.start(tables_dir=str(directory))
            commit(rpc, *VIPS)
            wire = lab.tap()
            went = backends_of_flows(lab, wire)
            rpc.close()
            lab.stop(process, signal.SIGKILL)
            process, rpc = lab.start(tables_dir=str(directory))
            assert rpc.call("plane.hello")["generation"] == 1 and backends_of_flows(lab, wire) == went
            rpc.close()
            lab.stop(process)
            lab.detach()
            assert list(directory.iterdir()) == []
        finally:
            for process in list(lab.processes):
                lab.stop(process)
            subprocess.run(["umount", directory], check=True)
            PAGES.write_text(str(before))


def test_only_memory_will_do(lab):
    code, said = lab.start_to_fail(tables_dir=str(lab.dir))
    assert code == 69 and f"tables_dir {lab.dir} is not on a tmpfs or hugetlbfs" in said, said
    code, said = lab.start_to_fail(tables_dir=str(lab.dir / "none"))
    assert code == 69 and f"the directory {lab.dir}/none of the tables cannot be opened: No such file" in said, said


def test_one_process_has_the_tables(lab):
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    code, said = lab.start_to_fail()
    assert code == 69 and f'plane "plane0" is running already (it holds {tables(lab)})' in said, said
    assert lab.run("lb", [program("fairlead-dpdk"), "--detach", lab.dir / "plane0.json"], check=False).returncode == 69
    assert tables(lab).exists()
    assert backends_of_flows(lab, lab.tap())


def test_a_failed_start_leaves_no_file(lab):
    code, said = lab.start_to_fail(ports=[{"name": "p", "device": "net_nosuch0", "host": "drop",
                                           "gateway_mac": "02:00:00:00:00:01"}])
    assert code == 69 and "cannot open the device" in said, said
    assert not tables(lab).exists()
    process, rpc = lab.start()
    commit(rpc, *VIPS)
    rpc.close()
    lab.stop(process)
    lab.start_to_fail(ports=[{"name": "p", "device": "net_nosuch0", "host": "drop", "gateway_mac": "02:00:00:00:00:01"}])
    assert tables(lab).exists(), "but one that was there stays"


def test_detach_removes_the_tables(left):
    left.detach()
    assert not tables(left).exists() and left.pins() == []
    left.detach()
    process, rpc = left.start()
    assert rpc.call("plane.hello")["generation"] == 0
