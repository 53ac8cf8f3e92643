# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: fairlead-backend changes a host exactly so, and back; what it refuses it says in one sentence.
Method: the host's state is compared before and after; the program is killed, and refused, at one system call
after another.
"""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from lab import program, wait_until
from backend_net import BALANCER, MTU, VIP, datagram, encapsulated, needs_root
from backend_net import check_clean, make_net, with_down  # fixtures; pylint: disable=unused-import

pytestmark = needs_root

OTHER_VIP = "192.0.2.99"
OTHERS = ["bpf", "bytecode", "1,6 0 0 0"]  # a filter of somebody else that matches nothing
KILL_STEP = 7  # every n-th system call; a prime, so that repeats of a pattern are met at each place


# -- up, down, status ---------------------------------------------------------------------------

def test_down_restores_everything(clean):
    clean.up("--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4], "--reply-interface", "eth1")
    during = clean.snapshot()
    assert "net.ipv4.conf.all.arp_ignore = 1\n" in during[0]
    assert "net.ipv4.conf.all.arp_announce = 2\n" in during[0]
    assert all(text for text in during[2])
    assert (clean.pins.stat().st_mode & 0o7777, clean.pins.stat().st_uid) == (0o700, 0)
    assert ((clean.pins / "eth0").stat().st_mode & 0o7777) == 0o700
    on_lo = {a["local"]: a for i in during[1] if i["ifname"] == "lo" for a in i["addr_info"]}
    # such that the host never takes a VIP as the source of its own connections
    assert (on_lo[VIP[4]]["prefixlen"], on_lo[VIP[4]]["scope"]) == (32, "host")
    assert (on_lo[VIP[6]]["prefixlen"], on_lo[VIP[6]]["preferred_life_time"]) == (128, 0)
    assert clean.down().stdout == "eth0: down, every setting restored\n"


def test_only_a_strict_rp_filter_is_loosened(clean):
    for for_all, own, effective in (1, 0, "2"), (0, 1, "2"), (0, 0, "0"), (2, 1, "1"):
        for name, value in ("all", for_all), ("eth0", own):
            clean.run("be", ["sysctl", "-w", f"net.ipv4.conf.{name}.rp_filter={value}"])
        before = clean.snapshot()
        clean.up("--vip", VIP[4], "--from", BALANCER[4])
        now = clean.run("be", ["sysctl", "-n", "net.ipv4.conf.eth0.rp_filter"]).stdout.strip()
        clean.down()
        assert now == effective
        assert clean.snapshot() == before
    for name in "all", "eth0":
        clean.run("be", ["sysctl", "-w", f"net.ipv4.conf.{name}.rp_filter=0"])


def test_ipv6_alone_needs_no_setting(clean):
    before = clean.snapshot()
    clean.up("--vip", VIP[6], "--from", BALANCER[6])
    assert clean.snapshot()[0] == before[0]
    clean.down()


def test_what_was_there_before_stays(host):
    """VIPs that were on lo, a clsact qdisc with another's filter, stricter settings, the pin directory."""
    host.ip("be", "address", "add", f"{VIP[4]}/24", "dev", "lo")
    host.ip("be", "address", "add", f"{VIP[6]}/128", "dev", "lo")
    host.run("be", ["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    host.run("be", ["tc", "filter", "add", "dev", "eth0", "ingress", "pref", "7", *OTHERS])
    host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=2"])
    host.pins.mkdir(mode=0o700)
    try:
        before = host.snapshot()
        for _ in range(2):
            host.up("--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4])
        assert host.status()["state"] == "up"
        host.down()
        assert host.snapshot() == before
    finally:
        host.run("be", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])
        host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=0"])
        host.ip("be", "address", "del", f"{VIP[4]}/24", "dev", "lo")
        host.ip("be", "address", "del", f"{VIP[6]}/128", "dev", "lo")
        host.down()
        host.pins.rmdir()


def test_a_filter_that_came_later_keeps_the_qdisc(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    host.run("be", ["tc", "filter", "add", "dev", "eth0", "egress", "pref", "7", *OTHERS])
    try:
        result = host.down()
        assert "clsact qdisc stays" in result.stderr
        assert "pref 7" in host.run("be", ["tc", "filter", "show", "dev", "eth0", "egress"]).stdout
    finally:
        host.run("be", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])


def test_a_setting_changed_by_others_is_left_with_a_warning(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=8"])
    result = host.down()
    assert "arp_ignore was changed to 8" in result.stderr
    assert host.run("be", ["sysctl", "-n", "net.ipv4.conf.all.arp_ignore"]).stdout == "8\n"
    host.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=0"])


def test_up_again_changes_in_place(clean):
    clean.run("be", ["sysctl", "-w", "net.ipv4.conf.eth0.rp_filter=1"])
    before = clean.snapshot()
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    clean.send("lb", encapsulated(clean, 4, 4, datagram(4, target="192.0.2.77")))
    wait_until(lambda: clean.counts() == {"dropped_not_vip": 1}, 10, "one drop counted")
    first = clean.snapshot()
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    again = clean.snapshot()
    assert (again[0], again[1], again[3], again[4]) == (first[0], first[1], first[3], first[4])
    clean.run("be", ["sysctl", "-w", "net.ipv4.conf.all.arp_announce=1"])  # not the original
    clean.up("--vip", OTHER_VIP, "--vip", VIP[6], "--from", BALANCER[6], "--mtu", "1400")
    status = clean.status()
    assert status["state"] == "up" and status["problems"] == []
    assert status["vips"] == [OTHER_VIP, VIP[6]] and status["from"] == [BALANCER[6]]
    assert status["mtu"] == 1400
    assert clean.counts() == {"dropped_not_vip": 1}  # the counters went on
    on_lo = json.loads(clean.run("be", ["ip", "-j", "address", "show", "lo"]).stdout)[0]["addr_info"]
    locals_ = {a["local"] for a in on_lo}
    assert VIP[4] not in locals_ and {OTHER_VIP, VIP[6]} <= locals_
    clean.send("lb", encapsulated(clean, 4, 6, datagram(4, target=VIP[4])))
    wait_until(lambda: clean.counts() == {"dropped_not_vip": 2}, 10, "the old VIP is none any more")
    assert clean.down().stderr == ""
    assert clean.snapshot() == before
    clean.run("be", ["sysctl", "-w", "net.ipv4.conf.eth0.rp_filter=0"])


def test_two_interfaces_share_what_they_share(clean):
    before = clean.snapshot()
    clean.up("--vip", VIP[4], "--from", BALANCER[4], "--reply-interface", "eth1")
    clean.backend("up", "--interface", "eth1", "--vip", VIP[4], "--vip", OTHER_VIP, "--from",
                  BALANCER[4], "--reply-interface", "eth0")
    clean.down()
    during = clean.snapshot()
    assert "net.ipv4.conf.all.arp_ignore = 1\n" in during[0]
    assert clean.status("eth1")["state"] == "up"
    assert clean.backend("status", "--interface", "eth0", check=False).returncode == 1
    clean.backend("down", "--interface", "eth1")
    assert clean.snapshot() == before


def test_status_says_what_is_and_exits_1_when_it_is_not_up(host):
    result = host.backend("status", "--interface", "eth0", "-j", check=False)
    assert (result.returncode, json.loads(result.stdout)) == (1, {"interface": "eth0", "state": "down"})
    host.up("--vip", VIP[4], "--from", "10.0.0.0/29", "--reply-interface", "eth1")
    status = host.status()
    counters = status.pop("counters")
    assert status == {"interface": "eth0", "state": "up", "mtu": MTU,
                      "mss_max": {"ipv4": 1432, "ipv6": 1412}, "problems": [], "vips": [VIP[4]],
                      "from": ["10.0.0.0/29"], "reply_interfaces": ["eth1"]}
    assert [c["counter"] for c in counters] == [
        "decapsulated_ipv4", "decapsulated_ipv6", "dropped_source", "dropped_not_vip",
        "dropped_malformed", "dropped_nested", "dropped_fragment", "dropped_checksum", "dropped_refused",
        "mss_lowered"]
    table = host.backend("status", "--interface", "eth0").stdout
    assert table.startswith("eth0: up\n") and "dropped_source" in table
    host.ip("be", "address", "del", f"{VIP[4]}/32", "dev", "lo")
    host.run("be", ["tc", "filter", "del", "dev", "eth0", "ingress"])
    result = host.backend("status", "--interface", "eth0", "-j", check=False)
    assert result.returncode == 1
    assert json.loads(result.stdout)["state"] == "incomplete"
    assert json.loads(result.stdout)["problems"] == [
        "the ingress filter of eth0 is not attached", "1 of 1 VIPs are not on lo"]
    host.up("--vip", VIP[4], "--from", "10.0.0.0/29")  # mends it
    assert host.status()["state"] == "up"


def test_an_interface_that_went_takes_its_part_along(clean):
    clean.link("be", "eth9.1", "sw")
    clean.backend("up", "--interface", "eth9.1", "--vip", VIP[4], "--from", BALANCER[4])
    clean.ip("be", "link", "delete", "eth9.1")
    result = clean.backend("status", "--interface", "eth9.1", "-j", check=False)
    assert (result.returncode, json.loads(result.stdout)["problems"]) == \
        (1, ["the interface eth9.1 is gone"])
    clean.link("be", "eth9.1", "sw")  # another one of that name
    clean.backend("up", "--interface", "eth9.1", "--vip", VIP[4], "--from", BALANCER[4])
    assert clean.status("eth9.1")["state"] == "up"
    clean.ip("be", "link", "delete", "eth9.1")
    clean.backend("down", "--interface", "eth9.1")


def test_a_lost_state_file_is_survived(clean):
    """The filters are known as this program's own by their names."""
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    shutil.rmtree(clean.state_dir)
    clean.up("--vip", VIP[4], "--from", BALANCER[4])
    clean.down()
    for name in "arp_ignore", "arp_announce":  # their originals went with the file
        clean.run("be", ["sysctl", "-w", f"net.ipv4.conf.all.{name}=0"])
    clean.ip("be", "address", "del", f"{VIP[4]}/32", "dev", "lo")
    clean.run("be", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])
    clean.pins.rmdir()


# -- killed, and refused, at every place --------------------------------------------------------

# the leak checker of a build with sanitizers cannot work under strace
STRACE = ["strace", "-qq", "-E", "ASAN_OPTIONS=detect_leaks=0"]


def traced(net, inject, *arguments):
    """`up` under strace with a fault injected; the result."""
    return net.up(*arguments, check=False,
                  prefix=[*STRACE, "-o", "/dev/null", "-e", f"inject={inject}"])


def calls_of_up(net, which, *arguments):
    """How many system calls of the set @p which an `up` makes."""
    log = net.dir / "strace.log"
    net.up(*arguments, prefix=[*STRACE, "-o", log, "-e", f"trace={which}"])
    return len(log.read_text().splitlines())


UP = ["--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4], "--reply-interface", "eth1"]
CHANGE = ["--vip", OTHER_VIP, "--vip", VIP[6], "--from", BALANCER[6]]
CHANGING = "write,sendto,sendmsg,bpf,rename,unlink,mkdir,rmdir,fsync"


def test_killed_anywhere_then_down_restores_everything(clean):
    before = clean.snapshot()
    total = calls_of_up(clean, CHANGING, *UP)
    clean.down()
    killed = 0
    for nth in range(1, total + 1, KILL_STEP):
        result = traced(clean, f"{CHANGING}:signal=KILL:when={nth}", *UP)
        killed += result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        clean.down()
        assert clean.snapshot() == before, f"killed at call {nth}"
    assert killed > total // KILL_STEP // 2


def test_killed_in_a_change_then_up_or_down_recovers(clean):
    before = clean.snapshot()
    clean.up(*UP)
    total = calls_of_up(clean, CHANGING, *CHANGE)
    for nth in range(2, total + 1, 2 * KILL_STEP):
        clean.up(*UP)
        traced(clean, f"{CHANGING}:signal=KILL:when={nth}", *CHANGE)
        clean.up(*CHANGE)
        assert clean.status()["state"] == "up", f"killed at call {nth}"
        traced(clean, f"{CHANGING}:signal=KILL:when={nth}", *UP)
        clean.down()
        assert clean.snapshot() == before, f"killed at call {nth}"


@pytest.mark.parametrize("call", ["bpf", "sendto", "sendmsg,send", "rename", "fsync", "mkdir"])
def test_refused_anywhere_leaves_all_as_it_was(clean, call):
    before = clean.snapshot()
    total = calls_of_up(clean, call, *UP)
    clean.down()
    step = 1 if total < 40 else KILL_STEP
    refused = 0
    for nth in range(1, total + 1, step):
        result = traced(clean, f"{call}:error=ENOSPC:when={nth}", *UP)
        if result.returncode == 0:  # the program could do without, for instance a probe of libbpf
            clean.down()
        else:
            refused += 1
            assert result.returncode in (69, 70), result.stderr
            assert result.stderr.startswith("fairlead-backend: "), result.stderr
        assert clean.snapshot() == before, f"{call} {nth}: {result.stderr}"
    assert total == 0 or refused > 0


def test_a_refused_change_leaves_the_former_one(clean):
    clean.up(*UP)
    before = clean.snapshot()
    states = (clean.state_dir / "state.json").read_text()
    total = calls_of_up(clean, "bpf,sendto,sendmsg", *CHANGE)
    clean.up(*UP)
    refused = 0
    for nth in range(1, total + 1, KILL_STEP):
        result = traced(clean, f"bpf,sendto,sendmsg:error=ENOSPC:when={nth}", *CHANGE)
        if result.returncode == 0:
            clean.up(*UP)
            continue
        refused += 1
        after = clean.snapshot()
        assert (after[0], sorted_addresses(after[1]), after[3]) == \
            (before[0], sorted_addresses(before[1]), before[3]), f"call {nth}: {result.stderr}"
        status = clean.status()
        assert status["state"] == "up", f"call {nth}: {status['problems']}"
        assert status["vips"] == [VIP[4], VIP[6]] and status["reply_interfaces"] == ["eth1"]
    assert refused > 0
    assert json.loads(states)["addresses"]
    clean.down()


def sorted_addresses(interfaces):
    return [sorted(json.dumps(a, sort_keys=True) for a in i["addr_info"]) for i in interfaces]


# -- what is refused ----------------------------------------------------------------------------

BAD = [
    (69, "no interface", ["up", "--interface", "nosuch0", "--vip", VIP[4]]),
    (69, "no interface", ["up", "--interface", "a-name-too-long-for-linux", "--vip", VIP[4]]),
    (69, "no interface", ["up", "--interface", "../eth0", "--vip", VIP[4]]),
    (69, "no interface", ["up", "--interface", "eth0", "--vip", VIP[4], "--reply-interface", "no0"]),
    (69, "no interface", ["down", "--interface", "nosuch0"]),
    (69, "no interface", ["status", "--interface", "nosuch0"]),
    (78, "printable ASCII", ["up", "--interface", "\u00ebth0", "--vip", VIP[4]]),
    (69, "not an Ethernet", ["up", "--interface", "lo", "--vip", VIP[4]]),
    (78, "multicast", ["up", "--interface", "eth0", "--vip", "224.0.0.1"]),
    (78, "multicast", ["up", "--interface", "eth0", "--vip", "ff02::1"]),
    (78, "loopback", ["up", "--interface", "eth0", "--vip", "127.0.0.1"]),
    (78, "loopback", ["up", "--interface", "eth0", "--vip", "::1"]),
    (78, "cannot be a VIP", ["up", "--interface", "eth0", "--vip", "0.0.0.0"]),
    (78, "cannot be a VIP", ["up", "--interface", "eth0", "--vip", "fe80::1"]),
    (78, "not an IPv4 or IPv6 address", ["up", "--interface", "eth0", "--vip", "192.0.2.1/32"]),
    (78, "ADDRESS/LENGTH", ["up", "--interface", "eth0", "--vip", VIP[4], "--from", "10.0.0.1/8"]),
    (78, "as --vip and as --from", ["up", "--interface", "eth0", "--vip", VIP[4], "--from", VIP[4]]),
    (78, "--mtu", ["up", "--interface", "eth0", "--vip", VIP[4], "--mtu", "575"]),
    (78, "--mtu", ["up", "--interface", "eth0", "--vip", VIP[4], "--mtu", "1500x"]),
    (78, "--mtu", ["up", "--interface", "eth0", "--vip", VIP[4], "--mtu", "99999999999999999999"]),
    (78, "absolute path", ["up", "--interface", "eth0", "--vip", VIP[4], "--state-dir", "here"]),
    (78, "256 VIPs", ["up", "--interface", "eth0",
                      *(w for i in range(257) for w in ("--vip", f"198.18.{i // 250}.{i % 250 + 1}"))]),
    (64, "needs at least one --vip", ["up", "--interface", "eth0"]),
    (64, "--interface is missing", ["up", "--vip", VIP[4]]),
    (64, "a command is missing", ["--interface", "eth0"]),
    (64, "unknown command", ["restart", "--interface", "eth0"]),
    (64, "unexpected argument", ["up", "down", "--interface", "eth0"]),
    (64, "belong to up", ["down", "--interface", "eth0", "--vip", VIP[4]]),
    (64, "belongs to status", ["up", "--interface", "eth0", "--vip", VIP[4], "-j"]),
    (64, "unrecognized option", ["up", "--interface", "eth0", "--vpi", VIP[4]]),
]


@pytest.mark.parametrize("code,words,arguments", BAD, ids=lambda v: str(v)[:40])
def test_bad_arguments_end_in_a_sentence(clean, code, words, arguments):
    result = clean.run("be", [program("fairlead-backend"), "--state-dir", clean.state_dir,
                              "--pin-dir", clean.pins, *arguments], check=False)
    assert result.returncode == code, result.stderr
    assert words in result.stderr and result.stdout == ""
    assert result.stderr.startswith("fairlead-backend: ") or "fairlead-backend: " in result.stderr


def test_an_error_of_status_is_json_with_j(clean):
    result = clean.backend("status", "--interface", "nosuch0", "-j", check=False)
    assert result.returncode == 69 and result.stdout == ""
    assert json.loads(result.stderr)["error"]["code"] == "unavailable"


def test_help_and_version(clean):
    for option, words in ("--help", "Examples:"), ("--version", "fairlead-backend 0."):
        result = clean.run("be", [program("fairlead-backend"), option])
        assert words in result.stdout


@pytest.mark.parametrize("command", [["up", "--vip", VIP[4]], ["down"]], ids=["up", "down"])
def test_without_permission_it_says_so(clean, command):
    copy = clean.dir / "fairlead-backend"  # where nobody can reach it
    shutil.copy(program("fairlead-backend"), copy)
    result = clean.run("be", ["setpriv", "--reuid", "65534", "--clear-groups", copy, *command,
                              "--interface", "eth0"], check=False)
    assert result.returncode == 77
    assert result.stderr == "fairlead-backend: this needs CAP_NET_ADMIN and CAP_BPF; run it as root\n"


def test_without_cap_perfmon_it_works_and_warns(clean):
    result = clean.up("--vip", VIP[4], "--vip", VIP[6], "--from", BALANCER[4],
                      prefix=["setpriv", "--bounding-set", "-perfmon,-sys_admin"])
    assert "CAP_PERFMON" in result.stderr
    assert clean.status()["state"] == "up"
    clean.down()


def test_two_capabilities_are_enough(clean):
    """Another user than root, with directories of its own."""
    user = 65534
    copy = clean.dir / "fairlead-backend"  # root's build directory need not be reachable
    shutil.copy(program("fairlead-backend"), copy)
    capabilities = "+net_admin,+bpf"
    prefix = ["setpriv", "--reuid", user, "--clear-groups", "--inh-caps", capabilities,
              "--ambient-caps", capabilities]
    where = ["--state-dir", clean.state_dir, "--pin-dir", clean.pins]
    for directory in clean.state_dir, clean.pins:
        directory.mkdir(mode=0o700)
        os.chown(directory, user, user)
    Path(clean.pin_dir()).chmod(0o755)
    clean.run("be", [*prefix, copy, "up", "--interface", "eth0", "--vip", VIP[4], "--vip", VIP[6],
                     "--from", BALANCER[4], *where])
    assert clean.status()["state"] == "up"
    clean.run("be", [*prefix, copy, "down", "--interface", "eth0", *where])
    clean.pins.rmdir()
    os.chown(clean.state_dir, 0, 0)


def test_a_pin_directory_of_others_is_refused(clean):
    clean.pins.mkdir()
    clean.pins.chmod(0o777)
    result = clean.up("--vip", VIP[4], "--from", BALANCER[4], check=False)
    assert result.returncode == 77 and "others may change" in result.stderr
    clean.pins.rmdir()


def test_a_pin_directory_must_be_on_a_bpffs(clean):
    for pins in clean.dir / "plain", clean.dir, clean.dir / "no" / "such":
        result = clean.run("be", [program("fairlead-backend"), "up", "--interface", "eth0", "--vip",
                                  VIP[4], "--from", BALANCER[4], "--state-dir", clean.state_dir,
                                  "--pin-dir", pins], check=False)
        assert result.returncode == 69
        assert "mount -t bpf bpf" in result.stderr


def test_another_ingress_qdisc_or_filter_is_not_touched(clean):
    for qdisc, more in ("ingress", None), ("clsact", ["pref", "4100", "handle", "1", *OTHERS]):
        clean.run("be", ["tc", "qdisc", "add", "dev", "eth0", qdisc])
        if more:
            clean.run("be", ["tc", "filter", "add", "dev", "eth0", "ingress", *more])
        middle = clean.snapshot()
        result = clean.up("--vip", VIP[4], "--from", BALANCER[4], check=False)
        assert result.returncode == 69
        assert "tc qdisc del" in result.stderr or "tc filter del" in result.stderr
        assert clean.snapshot()[3:] == middle[3:] and clean.snapshot()[:2] == middle[:2]
        clean.run("be", ["tc", "qdisc", "del", "dev", "eth0", qdisc])


def test_the_state_of_another_namespace_is_not_used(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    for command in (["up", "--vip", VIP[4]], ["down"], ["status"]):
        result = host.run("lb", [program("fairlead-backend"), *command, "--interface", "eth0",
                                 "--state-dir", host.state_dir, "--pin-dir", host.pins], check=False)
        assert result.returncode == 69
        assert "another network namespace" in result.stderr
    assert host.status()["state"] == "up"


def test_another_pin_directory_is_refused_while_up(host):
    host.up("--vip", VIP[4], "--from", BALANCER[4])
    result = host.run("be", [program("fairlead-backend"), "up", "--interface", "eth1", "--vip", VIP[4],
                             "--state-dir", host.state_dir, "--pin-dir", f"{host.pins}2"],
                      check=False)
    assert result.returncode == 78 and "--pin-dir" in result.stderr
