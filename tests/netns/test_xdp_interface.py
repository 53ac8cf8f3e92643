# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: an interface that goes while fairlead-xdp runs costs what goes by it and no more; one of its name is served again.
Method: the real program on veth; one is deleted and made again.
"""

import signal
import subprocess

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from dpdk_plane import CLIENT4, VIP4, commit, verdicts, vip
from lab import wait_until
from test_xdp_start import lab, taken_over, whole  # noqa: F401 (lab: a fixture)
from xdp_plane import PORT


def test_a_port_that_went_is_no_bug(lab):
    """Its interface is gone before the process hears of it: the packet is dropped, and counted as what it is."""
    lab.pair("lb", "eth1", "peer", "eth1", ["10.79.0.5/24"], ["10.79.0.11/24"])
    process, rpc = lab.start(ports=[PORT, {"name": "b", "interface": "eth1"}])
    commit(rpc, vip(VIP4, 80, "udp", "10.79.0.11"))
    process.send_signal(signal.SIGSTOP)
    lab.ip("lb", "link", "delete", "eth1")
    frame = Ether(dst=lab.lb_mac, src=lab.peer_mac) / IP(src=CLIENT4, dst=VIP4) / UDP(sport=5, dport=80)
    lab.tap().send(*[frame] * 3)
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: verdicts(rpc).get("drop_unreachable") == 3, 10, "three drops")
    assert "drop_bug" not in verdicts(rpc)
    assert lab.stop(process) == 0


def test_an_interface_that_is_made_again(lab):
    """Is served again, by a process without root's rights; that it was gone is said."""
    again = "eth1", "peer", "eth1", ["10.79.0.5/24"], ["10.79.0.11/24"]
    lab.pair("lb", *again)
    process, rpc = lab.start(ports=[PORT, {"name": "b", "interface": "eth1"}])
    commit(rpc, vip(VIP4, 80, "udp", "10.79.0.11"))
    frame = Ether(dst=lab.lb_mac, src=lab.peer_mac) / IP(src=CLIENT4, dst=VIP4) / UDP(sport=5, dport=80)

    def logged(text, count=1):
        wait_until(lambda: lab.log(process.log).count(text) == count, 10, text)
    for times in (1, 2):
        lab.ip("lb", "link", "set", "eth1", "down")
        lab.ip("lb", "link", "set", "eth1", "up")
        lab.ip("lb", "link", "delete", "eth1")
        logged("<4>port b: interface eth1 is gone: nothing comes in or leaves by it; make it again\n", times)
        lab.pair("lb", *again)
        logged("<5>port b: there is an interface eth1 again, and it is served\n", times)
        assert lab.xdp_mode("eth1") == "xdp" and lab.pins() == whole("link_eth0", "link_b")
        subprocess.run(["nsenter", f"--net=/run/netns/{lab.namespaces['peer']}", "ip", "link", "set", "dev", "eth1",
                        "xdpdrv", "object", str(lab.pass_all()), "section", "xdp"], check=True)
        wait_until(lambda: rpc.call("plane.stats")["vips"][0]["backends"][0]["next_hop"] == "reachable", 10, "resolved")
        tap = lab.tap("peer", "eth1")
        lab.tap().send(frame)
        assert tap.receive(lambda seen: seen[23:24] == b"\x04", 1), "by the new interface"
    assert len(lab.log(process.log).splitlines()) == 6
    # it takes no program: the driver's words, and another try at its next event
    lab.ip("lb", "link", "delete", "eth1")
    logged("interface eth1 is gone", 3)
    lab.ip("lb", "link", "add", "eth1", "type", "veth", "peer", "name", "far", "mtu", "9000")
    lab.ip("lb", "link", "set", "far", "up")
    lab.ip("lb", "link", "set", "eth1", "up")
    wait_until(lambda: "run: ip link set dev far mtu 1500" in lab.log(process.log), 10, "the reason")
    lab.ip("lb", "link", "set", "far", "mtu", "1500")
    lab.ip("lb", "link", "set", "eth1", "down")
    lab.ip("lb", "link", "set", "eth1", "up")
    logged("interface eth1 again, and it is served", 3)
    # and a successor finds it as it is
    process, rpc = taken_over(lab, process, ports=[PORT, {"name": "b", "interface": "eth1"}])
    assert lab.xdp_mode("eth1") == "xdp"
    assert lab.stop(process) == 0
